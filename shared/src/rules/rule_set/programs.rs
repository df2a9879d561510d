//! Rule sets that are made of programs, of which a loan takes the best.

use std::sync::Arc;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    ExceptionType, MAX_PROGRAMS, MAX_RULE_SET_BYTES, Mistake, PROGRAM, RuleSet, RuleSetError, RuleSetFile, Settings, UNVERSIONED,
};
use crate::{
    decimal::Decimal,
    hex::hex,
    rules::{
        ExceptionKind,
        guide::{self, Guide, grid::check_file_name, waterfall::CAP},
        reading::{Mistakes, Parsed, number, unknown, words},
    },
    tape::declared::DeclaredFields,
};
use sha2::{Digest as _, Sha256};

/// The keys of a rule set with programs.
const KEYS: &str = "name, version, fields, pool, programs";

/// A rule set among several that judge the same loan.
#[derive(Debug, Clone)]
pub struct Program {
    pub name: String,
    pub rules: RuleSet,
}

/// What a rule set says by itself or by its programs.
impl RuleSet {
    /// The guides that judge loans.
    fn guides(&self) -> impl Iterator<Item = &Guide> {
        std::iter::once(self.guide()).chain(self.programs.iter().map(|program| program.rules.guide()))
    }

    /// Whether loans and reports show how prices came about.
    pub fn shows_waterfall(&self) -> bool {
        self.guides().any(|guide| guide.waterfall().is_shown())
    }

    /// Whether prices come with WAL and duration.
    pub fn prices_by_cash_flows(&self) -> bool {
        self.guides().any(|guide| guide.cash_flow().is_some())
    }

    /// The types of exceptions that waivers may name: those of the built-in rules, then those that the rule set and its programs
    /// define, each once.
    pub fn waivable_types(&self) -> Vec<&str> {
        let built_in = ExceptionType::ALL.into_iter().filter(|kind| kind.is_waivable()).map(ExceptionType::name);
        let mut types: Vec<&str> = built_in.collect();
        for kind in self.guides().flat_map(Guide::kinds) {
            if !types.contains(&&*kind.name) {
                types.push(&kind.name);
            }
        }
        types
    }

    /// Whether judging needs the standard fields of a loan.
    pub fn needs_standard(&self) -> bool {
        self.guides().any(Guide::needs_standard)
    }
}

/// Reads a rule set with programs. `listed` is the value of `programs` in its table.
pub(super) fn load(file: &RuleSetFile, table: &DeTable<'_>, listed: &Spanned<DeValue<'_>>) -> Result<RuleSet, RuleSetError> {
    let mut mistakes = Mistakes::default();
    let settings = settings(table, file, &mut mistakes);
    let mut programs = read_programs(listed, file, settings.guide.declared(), &mut mistakes);
    let columns = agree(&mut programs, listed, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(RuleSetError { mistakes: mistakes.into_list(&file.toml) });
    }
    let accept_small_percentages = programs.iter().any(|(_, program)| program.rules.accepts_small_percentages());
    let mut rules = RuleSet::new(Settings { accept_small_percentages, ..settings }, Some(file.clone()));
    rules.programs = programs.into_iter().map(|(_, program)| program).collect();
    rules.report_columns = columns;
    let hashes: String = rules.programs.iter().map(|program| format!("program={}\n", program.rules.hash)).collect();
    let fields = rules.guide().canonical_text();
    rules.hash = hex(&Sha256::digest(fields + &hashes));
    Ok(rules)
}

/// Name and version. Such a rule set has no rules of its own.
fn settings(table: &DeTable<'_>, file: &RuleSetFile, mistakes: &mut Mistakes) -> Settings {
    let mut settings = Settings { name: file.name.clone(), version: UNVERSIONED.to_owned(), ..Settings::blank() };
    settings.enabled = ExceptionType::ALL.map(|_| false);
    let mut reader = guide::Reader::new(file, mistakes);
    table.get("fields").into_iter().for_each(|value| reader.fields(value, false));
    reader.has_programs();
    table.get("pool").into_iter().for_each(|value| reader.pools(value, false));
    settings.guide = reader.finish();
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "name" => settings.name = mistakes.take(words(value, "name")).unwrap_or_default(),
            "version" => settings.version = mistakes.take(words(value, "version")).unwrap_or_default(),
            "programs" | "fields" | "pool" => {}
            name => {
                let (place, mut message) = unknown(key, KEYS);
                if super::KEYS.split(", ").any(|known| known == name) {
                    message = format!("a rule set with `programs` has no `{name}` of its own: write it in its programs");
                }
                mistakes.add(place, message);
            }
        }
    }
    settings
}

/// The programs of the list, each with the name of its file.
fn read_programs(
    listed: &Spanned<DeValue<'_>>,
    file: &RuleSetFile,
    fields: &Arc<DeclaredFields>,
    mistakes: &mut Mistakes,
) -> Vec<(String, Program)> {
    let mut programs: Vec<(String, Program)> = Vec::new();
    let names = match listed.get_ref() {
        DeValue::Array(names) if (1..=MAX_PROGRAMS).contains(&names.len()) => names,
        _ => {
            let message =
                format!("`programs` must be a list of 1 to {MAX_PROGRAMS} files, such as [\"agency.toml\", \"non_qm.toml\"]");
            mistakes.add(listed.span(), message);
            return programs;
        }
    };
    let mut seen: Vec<String> = Vec::new();
    for item in names.iter() {
        let Some(name) = mistakes.take(words(item, "programs")) else { continue };
        let stem = name.strip_suffix(PROGRAM).filter(|_| check_file_name(&name).is_ok()).map(str::to_owned);
        let content = file.files.get(&name);
        let problem = match (&stem, content) {
            (None, _) => {
                Some(format!("\"{name}\" is no name of a program: name a .toml file beside the rule set, without a path"))
            }
            _ if seen.contains(&name) => Some(format!("\"{name}\" is listed twice")),
            _ if name == file.file_name() => Some(format!("\"{name}\" is this rule set itself")),
            (Some(_), None) => Some(file.files.why_absent(&name)),
            (Some(_), Some(_)) => None,
        };
        seen.push(name.clone());
        match (problem, stem, content) {
            (None, Some(stem), Some(content)) => match read_program(&stem, content, file, fields) {
                Ok(program) => programs.push((name, program)),
                Err(found) => found.into_iter().for_each(|mistake| {
                    let file = mistake.file.or_else(|| Some(name.clone()));
                    mistakes.add_in_file(Mistake { file, ..mistake });
                }),
            },
            (problem, ..) => mistakes.add(item.span(), problem.unwrap_or_default()),
        }
    }
    programs
}

fn read_program(stem: &str, content: &[u8], file: &RuleSetFile, fields: &Arc<DeclaredFields>) -> Result<Program, Vec<Mistake>> {
    let whole =
        |message: String| vec![Mistake { line: Some(1), ..Mistake::in_file(&format!("{stem}.toml"), None, None, message) }];
    if content.len() as u64 > MAX_RULE_SET_BYTES {
        return Err(whole(format!("the file has {} bytes, and a rule set has at most {MAX_RULE_SET_BYTES}", content.len())));
    }
    let toml = std::str::from_utf8(content).map_err(|_| whole("the file is no UTF-8 text: save it as UTF-8".to_owned()))?;
    let toml = toml.trim_start_matches('\u{feff}').to_owned();
    let program = RuleSetFile { name: stem.to_owned(), toml, files: file.files.clone() };
    let table = program.table().map_err(|error| error.mistakes)?;
    if table.contains_key("programs") {
        return Err(whole("a program has no programs of its own: list their files in the rule set".to_owned()));
    }
    let rules = RuleSet::load_by_itself(&program, &table, Some(fields)).map_err(|error| error.mistakes)?;
    if !table.contains_key("name") {
        return Err(whole(format!("the program has no name: write name = \"{stem}\"")));
    }
    Ok(Program { name: rules.settings.name.clone(), rules })
}

/// The IRR target of a program, in percent.
pub(super) fn irr_target(value: &Spanned<DeValue<'_>>) -> Parsed<Decimal> {
    let percent = number(value, "irr_target")?;
    if percent.is_positive() && percent <= Decimal::from_integer(30) {
        return Ok(percent);
    }
    Err((value.span(), "`irr_target` must be a percentage above 0 and at most 30, such as 8.05".to_owned()))
}

/// Notes what programs cannot have in common or must have in common, and gives equal kinds of exceptions equal ids. Returns the columns
/// of the adjustments of all programs.
fn agree(programs: &mut [(String, Program)], listed: &Spanned<DeValue<'_>>, mistakes: &mut Mistakes) -> Vec<String> {
    let mut kinds: Vec<(String, ExceptionKind)> = Vec::new();
    let mut columns: Vec<String> = Vec::new();
    for at in 0..programs.len() {
        let (earlier, rest) = programs.split_at_mut(at);
        let Some((file, program)) = rest.first_mut() else { continue };
        if let Some((other, _)) = earlier.iter().find(|(_, other)| other.name == program.name) {
            mistakes.add(
                listed.span(),
                format!("{other} and {file} have the same name \"{}\": give each program its own", program.name),
            );
        }
        let small = program.rules.accepts_small_percentages();
        if let Some((other, _)) = earlier.first().filter(|(_, first)| first.rules.accepts_small_percentages() != small) {
            let message = format!("{other} and {file} read small percentages in two ways: give both the same [units]");
            mistakes.add(listed.span(), message);
        }
        for kind in program.rules.settings.guide.kinds_mut() {
            match kinds.iter().find(|(_, known)| known.name == kind.name) {
                Some((other, known)) => {
                    if (&known.category, &known.rejection_criteria) != (&kind.category, &kind.rejection_criteria) {
                        let name = &kind.name;
                        let message = format!(
                            "{name} has another category or other criteria than in {other}: give both the same, or another name"
                        );
                        mistakes.add(listed.span(), format!("{file}: {message}"));
                    }
                    kind.id = known.id;
                }
                None => {
                    kind.id = ExceptionType::COUNT as u16 + kinds.len() as u16;
                    kinds.push((file.clone(), kind.clone()));
                }
            }
        }
        for column in program.rules.settings.guide.waterfall().columns() {
            if !columns.contains(column) {
                columns.push(column.clone());
            }
        }
    }
    // The cap comes last.
    columns.sort_by_key(|column| column == CAP);
    for (_, program) in programs {
        program.rules.settings.guide.share_columns(&columns);
    }
    columns
}
