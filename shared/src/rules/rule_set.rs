//! Rule sets: limits, severities and policies of the rules, read from a TOML file.

mod file;
mod id;
mod mistake;
mod programs;
mod projection;

use std::sync::{Arc, LazyLock};

use sha2::{Digest, Sha256};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    decimal::Decimal,
    hex::hex,
    loan::{Field, Unit},
    tape::declared::DeclaredFields,
};

use super::{
    Bound, Check, ExceptionType, Requirement, Rule, Severity, WordList, canonical_list,
    clearance::Clearance,
    guide::{self, Guide},
    place,
    reading::{Key, Mistakes, Parsed, bound, flag, list, number, section, severity, unknown, words},
};

pub use self::{
    file::{GuideFiles, MAX_PROGRAMS, PROGRAM, RuleSetFile, RunRules},
    id::RuleSetId,
    mistake::{Mistake, RuleSetError},
    programs::Program,
    projection::Projection,
};

/// The keys of a rule set.
const KEYS: &str = "name, version, limits, severity, rules, rule, fields, grid, adjustment, pricing, applies, projection, units";
/// Maximum size of a rule set, in bytes.
pub const MAX_RULE_SET_BYTES: u64 = 64 * 1024;
const BUILT_IN: &str = include_str!("built_in.toml");
/// Name of a rule set that gives itself no name and has no file name to use.
const UNNAMED: &str = "unnamed";
/// Version of a rule set that gives itself no version.
const UNVERSIONED: &str = "unversioned";

/// A rule set, ready to judge loans.
#[derive(Debug, Clone)]
pub struct RuleSet {
    settings: Settings,
    rules: Vec<Rule>,
    clearance: Clearance,
    /// The programs, of which a loan takes the best; empty for a rule set that judges by itself.
    programs: Vec<Program>,
    /// Columns of the adjustments in the pricing report.
    report_columns: Vec<String>,
    hash: String,
    source: Option<RuleSetFile>,
}

/// Decisions, name and version of a rule set, from which the rules are made.
#[derive(Debug, Clone)]
struct Settings {
    name: String,
    version: String,
    limits: Vec<(&'static str, Limit)>,
    severity: [Severity; ExceptionType::COUNT],
    enabled: [bool; ExceptionType::COUNT],
    projection: Projection,
    accept_small_percentages: bool,
    /// The IRR target that a program brings with it, in percent.
    irr_target: Option<Decimal>,
    guide: Guide,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Limit {
    Range {
        min: Option<Decimal>,
        max: Option<Decimal>,
    },
    /// In the order and spelling of [`canonical_list`].
    Words(Vec<String>),
}

impl RuleSet {
    /// The rule set that ships with the product.
    pub fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::new(Settings::built_in().clone(), None));
        &BUILT_IN
    }

    /// Reads a rule set. A key that the text leaves out keeps its built-in value. A rule set without a name is called `unnamed`.
    ///
    /// # Errors
    /// [`RuleSetError`], with the line, when the text is not TOML, a key is unknown, or a key does not take its value.
    pub fn from_toml(text: &str) -> Result<Self, RuleSetError> {
        Self::load(&RuleSetFile { name: UNNAMED.to_owned(), toml: text.to_owned(), files: GuideFiles::default() })
    }

    /// Reads a rule set and the files that it names. A key that the text leaves out keeps its built-in value. A rule set without a
    /// name gets that of its file, and so does a changed copy of the built-in rule set that still has the built-in name.
    ///
    /// # Errors
    /// [`RuleSetError`] with every mistake: a text that is not TOML, an unknown key, a key that does not take its value, a file that
    /// cannot be used.
    pub fn load(file: &RuleSetFile) -> Result<Self, RuleSetError> {
        let table = file.table()?;
        match table.get("programs") {
            Some(listed) => programs::load(file, &table, listed),
            None => Self::load_by_itself(file, &table, None),
        }
    }

    /// Reads a rule set without programs. `shared` are the fields that its programs share, of a rule set that is a program.
    fn load_by_itself(
        file: &RuleSetFile,
        table: &DeTable<'_>,
        shared: Option<&Arc<DeclaredFields>>,
    ) -> Result<Self, RuleSetError> {
        let built_in = Self::built_in();
        let RuleSetId { name: reserved, hash, .. } = built_in.id();
        let name = if file.name == reserved { UNNAMED } else { file.name.as_str() };
        let mut settings = Settings { name: name.to_owned(), version: UNVERSIONED.to_owned(), ..built_in.settings.clone() };
        let mut mistakes = Mistakes::default();
        settings.replace_from(file, table, shared, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(RuleSetError { mistakes: mistakes.into_list(&file.toml) });
        }
        let mut rules = Self::new(settings, Some(file.clone()));
        if rules.settings.name == reserved && rules.hash != hash {
            rules.settings.name = name.to_owned();
            rules.settings.version = UNVERSIONED.to_owned();
        }
        Ok(rules)
    }

    fn new(settings: Settings, source: Option<RuleSetFile>) -> Self {
        let specs = ExceptionType::ALL.into_iter().filter_map(|kind| kind.rule().map(|spec| (kind, spec)));
        let rules: Vec<Rule> = specs
            .filter(|(kind, _)| settings.enabled[*kind as usize])
            .map(|(kind, spec)| {
                Rule::new(kind, spec.field, settings.severity[kind as usize], settings.check(spec.field, spec.requires))
            })
            .collect();
        let hash = hex(&Sha256::digest(settings.canonical_text()));
        let report_columns = settings.guide.waterfall().columns().to_vec();
        Self { clearance: Clearance::new(&rules), settings, rules, programs: Vec::new(), report_columns, hash, source }
    }

    /// The enabled rules, in the order of reports.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Ranges and words that pass all enabled rules.
    pub fn clearance(&self) -> &Clearance {
        &self.clearance
    }

    /// The rule of a kind; `None` when the kind is not a rule or the rule is disabled.
    pub fn rule(&self, exception_type: ExceptionType) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.exception_type == exception_type)
    }

    /// What the rule set says beyond the built-in rules.
    pub fn guide(&self) -> &Guide {
        &self.settings.guide
    }

    /// The programs, of which a loan takes the best; empty for a rule set that judges by itself.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The IRR target that a program brings with it, in percent.
    pub fn irr_target(&self) -> Option<Decimal> {
        self.settings.irr_target
    }

    /// The guide of a program; the rule set's own for one without programs.
    pub fn guide_of(&self, program: u16) -> &Guide {
        self.programs.get(usize::from(program)).map_or(self.guide(), |program| program.rules.guide())
    }

    /// What is no mistake, and may still not be what the author of the rule set meant; of a program with its name in front.
    pub fn notices(&self) -> Vec<String> {
        let of = |program: &Program| {
            let notices = program.rules.guide().notices().into_iter();
            notices.map(|notice| format!("{}: {notice}", program.name)).collect::<Vec<_>>()
        };
        self.guide().notices().into_iter().chain(self.programs.iter().flat_map(of)).collect()
    }

    /// Columns of the adjustments in the pricing report.
    pub fn report_columns(&self) -> &[String] {
        &self.report_columns
    }

    pub fn projection(&self) -> &Projection {
        &self.settings.projection
    }

    /// Whether a small value in a column of percentages is read as written, such as 0.53 as 0.53 %.
    pub fn accepts_small_percentages(&self) -> bool {
        self.settings.accept_small_percentages
    }

    /// Name, version and hash, as recorded by a run.
    pub fn id(&self) -> RuleSetId {
        RuleSetId { name: self.settings.name.clone(), version: self.settings.version.clone(), hash: self.hash.clone() }
    }

    /// The text of the rule set's file.
    pub fn toml(&self) -> &str {
        self.source.as_ref().map_or(BUILT_IN, |file| &file.toml)
    }

    /// The files from which the rule set was read; `None` for the built-in rule set.
    pub fn source(&self) -> Option<&RuleSetFile> {
        self.source.as_ref()
    }
}

impl Settings {
    fn built_in() -> &'static Self {
        static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
            let mut settings = Settings::blank();
            // A test reads the file, which is compiled in, and finds no mistake.
            let file = RuleSetFile { name: String::new(), toml: BUILT_IN.to_owned(), files: GuideFiles::default() };
            if let Ok(table) = file.table() {
                settings.replace_from(&file, &table, None, &mut Mistakes::default());
            }
            settings
        });
        &SETTINGS
    }

    /// Settings without limits. The built-in file fills them in.
    fn blank() -> Self {
        Self {
            name: String::new(),
            version: String::new(),
            limits: Vec::new(),
            severity: ExceptionType::ALL.map(ExceptionType::severity),
            enabled: ExceptionType::ALL.map(|kind| !kind.is_consistency()),
            projection: Projection::default(),
            accept_small_percentages: false,
            irr_target: None,
            guide: Guide::default(),
        }
    }

    /// Replaces what the file says otherwise, and notes every mistake. `shared` are the fields that programs share, of a
    /// file that is a program.
    fn replace_from(
        &mut self,
        file: &RuleSetFile,
        table: &DeTable<'_>,
        shared: Option<&Arc<DeclaredFields>>,
        mistakes: &mut Mistakes,
    ) {
        // Rules of its own come first, because `[rules]` may switch them off.
        self.guide = self.read_guide(table, file, shared, mistakes);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => self.name = mistakes.take(words(value, "name")).unwrap_or_default(),
                "version" => self.version = mistakes.take(words(value, "version")).unwrap_or_default(),
                "irr_target" if shared.is_some() => self.irr_target = mistakes.take(programs::irr_target(value)),
                "irr_target" => {
                    let message = "only a program has an IRR target: give the run one with --irr-target or `irr_target`";
                    mistakes.add(key.span(), message.to_owned());
                }
                "severity" | "rules" | "applies" | "rule" | "fields" | "grid" | "adjustment" | "pricing" => {}
                name @ ("limits" | "projection" | "units") => {
                    let Some(keys) = mistakes.take(section(value, name)) else { continue };
                    for (key, value) in keys {
                        let replaced = match name {
                            "limits" => self.replace_limit(key, value),
                            "projection" => self.replace_policy(key, value),
                            _ => self.replace_unit(key, value),
                        };
                        mistakes.take(replaced);
                    }
                }
                _ => {
                    let (place, message) = unknown(key, KEYS);
                    mistakes.add(place, message);
                }
            }
        }
    }

    /// Reads the sections about rules: severities, switches, scopes, and the rules that the rule set defines.
    fn read_guide(
        &mut self,
        table: &DeTable<'_>,
        file: &RuleSetFile,
        shared: Option<&Arc<DeclaredFields>>,
        mistakes: &mut Mistakes,
    ) -> Guide {
        let of = |name: &str| table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value);
        for (key, value) in of("severity").and_then(|value| mistakes.take(section(value, "severity"))).into_iter().flatten() {
            let read = severity(value, key.get_ref()).and_then(|severity| Ok((rule_index(key)?, severity)));
            if let Some((at, severity)) = mistakes.take(read) {
                self.severity[at] = severity;
            }
        }
        let switches = of("rules").and_then(|value| mistakes.take(section(value, "rules")));
        let mut reader = guide::Reader::new(file, mistakes);
        // Conditions name the fields that the rule set declares.
        of("fields").into_iter().for_each(|value| reader.fields(value, shared.is_some()));
        shared.into_iter().for_each(|shared| reader.share_fields(shared));
        of("rule").into_iter().for_each(|value| reader.rules(value));
        of("grid").into_iter().for_each(|value| reader.grids(value));
        of("adjustment").into_iter().for_each(|value| reader.adjustments(value));
        of("pricing").into_iter().for_each(|value| reader.pricing(value));
        of("applies").into_iter().for_each(|value| reader.applies(value));
        for (key, value) in switches.into_iter().flatten() {
            if reader.switch(key, value) {
                continue;
            }
            let switched = rule_index(key).and_then(|at| Ok((at, flag(value, key.get_ref())?)));
            if let Some((at, on)) = reader.take(switched) {
                self.enabled[at] = on;
            }
        }
        for rule in ExceptionType::ALL.into_iter().filter(|kind| kind.is_consistency()) {
            if self.enabled[rule as usize] {
                reader.add_consistency(rule, self.severity[rule as usize]);
            }
        }
        reader.finish()
    }

    fn replace_policy(&mut self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Parsed<()> {
        match key.get_ref().as_ref() {
            "minimum_spread" => self.projection.minimum_spread = Some(number(value, "minimum_spread")?),
            "minimum_price" => self.projection.minimum_price = Some(number(value, "minimum_price")?),
            "hold_on_soft_exceptions" => self.projection.hold_on_soft_exceptions = flag(value, key.get_ref())?,
            _ => return Err(unknown(key, "minimum_spread, minimum_price, hold_on_soft_exceptions")),
        }
        Ok(())
    }

    fn replace_unit(&mut self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Parsed<()> {
        match key.get_ref().as_ref() {
            "accept_small_percentages" => self.accept_small_percentages = flag(value, key.get_ref())?,
            _ => return Err(unknown(key, "accept_small_percentages")),
        }
        Ok(())
    }

    fn replace_limit(&mut self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Parsed<()> {
        if key.get_ref() == guide::LTV_TOLERANCE {
            self.guide.ltv_tolerance = number(value, guide::LTV_TOLERANCE)?;
            let sound = self.guide.ltv_tolerance >= Decimal::ZERO;
            return if sound {
                Ok(())
            } else {
                Err((value.span(), "`ltv_tolerance` must be 0 or more percentage points".to_owned()))
            };
        }
        let limited = || ExceptionType::ALL.into_iter().filter_map(ExceptionType::rule);
        let known = || limited().filter(|spec| spec.requires != Requirement::AboveZero).map(|spec| spec.field.name());
        let Some(spec) = limited().find(|spec| spec.field.name() == key.get_ref() && spec.requires != Requirement::AboveZero)
        else {
            let known: Vec<&str> = known().chain([guide::LTV_TOLERANCE]).collect();
            return Err(unknown(key, &known.join(", ")));
        };
        let name = spec.field.name();
        let old = self.limits.iter().position(|(of, _)| *of == name);
        let limit = match spec.requires {
            Requirement::Listed => Limit::Words(canonical_list(place(spec.field), &list(value, name)?)),
            requires => {
                let (mut min, mut max) = match old.map(|at| &self.limits[at].1) {
                    Some(Limit::Range { min, max }) => (*min, *max),
                    Some(Limit::Words(_)) | None => (None, None),
                };
                let fraction_to = spec.field.info().zones.map(|zones| zones.fraction_to);
                let DeValue::Table(range) = value.get_ref() else {
                    return Err((value.span(), format!("{name} takes a table such as {{ max = 97.0 }}")));
                };
                for (key, value) in range {
                    match (key.get_ref().as_ref(), requires) {
                        ("min", Requirement::MinToMax) => min = Some(bound(value, "min", name, fraction_to)?),
                        ("max", _) => max = Some(bound(value, "max", name, fraction_to)?),
                        (_, Requirement::MinToMax) => return Err(unknown(key, "min, max")),
                        _ => return Err(unknown(key, "max")),
                    }
                }
                let floor = min.unwrap_or(Decimal::ZERO);
                let above = requires == Requirement::AboveZeroToMax;
                if max.is_some_and(|max| max < floor || (above && max == floor)) {
                    return Err((value.span(), format!("the max of {name} is below its min: no loan could pass")));
                }
                Limit::Range { min, max }
            }
        };
        match old {
            Some(at) => self.limits[at].1 = limit,
            None => self.limits.push((name, limit)),
        }
        Ok(())
    }

    fn check(&self, field: Field, requires: Requirement) -> Check {
        let at = place(field);
        let limit = self.limits.iter().find(|(name, _)| *name == field.name()).map(|(_, limit)| limit);
        if let (Requirement::Listed, Some(Limit::Words(words))) = (requires, limit) {
            return Check::Word { at, list: WordList::new(at, words) };
        }
        let (min, max) = match limit {
            Some(Limit::Range { min, max }) => (*min, *max),
            Some(Limit::Words(_)) | None => (None, None),
        };
        let bound =
            |sign: &str, value: Decimal| Bound { value, inclusive: true, text: format!("{sign} {}", shown(field, value)).into() };
        let zero = |inclusive: bool| {
            let text = if inclusive { ">= 0" } else { "> 0" };
            Some(Bound { value: Decimal::ZERO, inclusive, text: text.into() })
        };
        let (min, max) = (min.map(|min| bound(">=", min)), max.map(|max| bound("<=", max)));
        let (min, max) = match requires {
            Requirement::MinToMax | Requirement::Listed => (min, max),
            Requirement::AboveZeroToMax => (zero(false), max),
            Requirement::ZeroToMax => (zero(true), max),
            Requirement::AboveZero => (zero(false), None),
        };
        Check::Number { at, min, max }
    }

    /// All decisions in one fixed form, for the hash. Name and version are left out, because they decide nothing.
    fn canonical_text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let number = |number: &Option<Decimal>| number.map_or_else(String::new, |number| number.to_string());
        let mut limits: Vec<_> = self.limits.iter().collect();
        limits.sort_by_key(|(name, _)| *name);
        // Writing to a String cannot fail.
        for (name, limit) in limits {
            let _ = match limit {
                Limit::Range { min, max } => writeln!(text, "limits.{name}={}..{}", number(min), number(max)),
                Limit::Words(words) => writeln!(text, "limits.{name}={words:?}"),
            };
        }
        for kind in ExceptionType::ALL.into_iter().filter(|kind| kind.rule().is_some()) {
            let (severity, enabled) = (self.severity[kind as usize], self.enabled[kind as usize]);
            let _ = writeln!(text, "rules.{}={},{enabled}", kind.name(), severity.as_str());
        }
        let Projection { minimum_spread, minimum_price, hold_on_soft_exceptions } = &self.projection;
        let _ = writeln!(text, "projection={},{},{hold_on_soft_exceptions}", number(minimum_spread), number(minimum_price));
        let _ = writeln!(text, "units.accept_small_percentages={}", self.accept_small_percentages);
        if let Some(target) = self.irr_target {
            let _ = writeln!(text, "irr_target={target}");
        }
        text.push_str(&self.guide.canonical_text());
        text
    }
}

/// A bound as shown in exceptions. The text depends on the value and not on its spelling in the file: it has no zeros at the end,
/// except that the built-in percentages keep one decimal (`97.0`).
fn shown(field: Field, value: Decimal) -> String {
    let is_of = |limit: &Limit| matches!(limit, Limit::Range { min, max } if [*min, *max].contains(&Some(value)));
    let mut built_in = Settings::built_in().limits.iter();
    let known = built_in.any(|(name, limit)| *name == field.name() && is_of(limit));
    value.with_min_decimals(u8::from(known && field.info().unit == Unit::Percent))
}

/// Index of the built-in rule that a key names.
fn rule_index(key: &Key<'_>) -> Parsed<usize> {
    let rules = || ExceptionType::ALL.into_iter().filter(|kind| kind.rule().is_some() || kind.is_consistency());
    rules().find(|kind| kind.name() == key.get_ref()).map(|kind| kind as usize).ok_or_else(|| {
        let known: Vec<&str> = rules().map(ExceptionType::name).collect();
        unknown(key, &known.join(", "))
    })
}

#[cfg(test)]
mod respelling;

#[cfg(test)]
mod tests;
