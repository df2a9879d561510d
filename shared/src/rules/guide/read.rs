//! Reads conditions and rules from a rule set's file.

use std::{ops::Range, sync::Arc};

use jiff::civil::Date;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use crate::{
    decimal::Decimal,
    loan::Unit,
    rules::{
        ExceptionKind, ExceptionType, Severity,
        reading::{Key, Mistakes, Parsed, bound, date, flag, section, sections, severity as severity_of, unknown, words},
        rule_set::RuleSetFile,
    },
    tape::header::PRODUCT_FIELDS,
};

use super::{
    Guide,
    condition::{Accepts, AllOf, Condition, Edge, End, Test},
    field::{TestedField, Words},
    rule::{Missing, OwnRule, Scope},
};

/// Largest number of rules of a rule set.
const MAX_RULES: usize = 200;
/// Largest number in a condition, and its negative the smallest. A condition compares values below it exactly.
pub(super) const LARGEST: Decimal = Decimal::from_integer(1_000_000_000_000);
/// The categories of exceptions.
const CATEGORIES: [&str; 5] = ["credit", "collateral", "compliance", "data_quality", "pricing"];
/// Names that no rule has, in addition to those that the product gives to what it adds to a loan.
pub(super) const RESERVED: [&str; 4] = ["program", "row", "cap", "seller_loan_number"];

/// Reads the parts of a guide, and notes every mistake.
pub struct Reader<'m> {
    pub(super) guide: Guide,
    /// The names of all rules and grids, also of those with mistakes.
    names: Vec<String>,
    /// The names of declared fields whose declarations have mistakes.
    pub(super) misdeclared: Vec<String>,
    /// The id of the next kind of exception that the rule set defines.
    pub(super) next_id: u16,
    /// The rule set that is read, with the files that it may name.
    pub(super) file: &'m RuleSetFile,
    pub(super) mistakes: &'m mut Mistakes,
}

/// The keys that rules and grids share, each with its place where a mistake may name it.
#[derive(Debug, Default)]
pub(super) struct SharedKeys {
    pub name: Option<(String, Range<usize>)>,
    pub scope: Scope,
    pub severity: Option<(Severity, Range<usize>)>,
    pub hard_from: Option<(Date, Range<usize>)>,
    pub missing: Option<Missing>,
    pub category: Option<(&'static str, Range<usize>)>,
    pub criteria: Option<(String, Range<usize>)>,
}

impl SharedKeys {
    /// The kind of the exceptions of a rule or grid with this name.
    pub fn kind(&self, id: u16, name: &str) -> ExceptionKind {
        let criteria = self.criteria.as_ref().map(|(criteria, _)| criteria.clone());
        ExceptionKind {
            id,
            name: name.to_owned().into(),
            category: self.category.as_ref().map_or("credit", |(category, _)| category).into(),
            rejection_criteria: criteria.unwrap_or_else(|| format!("guide.{name}")).into(),
        }
    }
}

impl<'m> Reader<'m> {
    /// Begins with a guide that says nothing.
    pub fn new(file: &'m RuleSetFile, mistakes: &'m mut Mistakes) -> Self {
        let (names, misdeclared) = (Vec::new(), Vec::new());
        Self { guide: Guide::default(), names, misdeclared, next_id: ExceptionType::COUNT as u16, file, mistakes }
    }

    /// Notes that a key is unknown.
    pub(super) fn unknown(&mut self, key: &Key<'_>, known: &str) {
        let (place, message) = unknown(key, known);
        self.mistakes.add(place, message);
    }

    /// The value, or `None` after noting the mistake.
    pub fn take<T>(&mut self, parsed: Parsed<T>) -> Option<T> {
        self.mistakes.take(parsed)
    }

    /// The field that a key names, or `None` after noting the mistake. A field whose own declaration has a mistake has none here.
    pub fn field(&mut self, key: &Key<'_>) -> Option<TestedField> {
        let name = key.get_ref().as_ref();
        let field = self.guide.field(name);
        if field.is_none() && !self.misdeclared.iter().any(|of| of == name) {
            let known: Vec<&str> = self.guide.field_names().collect();
            let message = format!("there is no field `{name}`; the fields are {}", known.join(", "));
            self.mistakes.add(key.span(), message);
        }
        field
    }

    /// Reads `[applies]`: to which loans built-in rules apply.
    pub fn applies(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(table) = self.mistakes.take(section(value, "applies")) else { return };
        for (key, value) in table {
            let named = ExceptionType::ALL.into_iter().filter(|kind| kind.rule().is_some() || kind.is_consistency());
            let Some(rule) = named.clone().find(|kind| kind.name() == key.get_ref()) else {
                let known: Vec<&str> = named.map(ExceptionType::name).collect();
                self.unknown(key, &known.join(", "));
                continue;
            };
            let DeValue::Table(table) = value.get_ref() else {
                let message =
                    format!("{} takes a table such as {{ unless = {{ documentation_type = [\"dscr\"] }} }}", rule.name());
                self.mistakes.add(value.span(), message);
                continue;
            };
            let mut scope = Scope::default();
            for (key, value) in table {
                match key.get_ref().as_ref() {
                    "when" => scope.when = self.condition(value, "when").unwrap_or_default(),
                    "unless" => scope.unless = self.condition(value, "unless"),
                    _ => self.unknown(key, "when, unless"),
                }
            }
            if table.is_empty() {
                self.mistakes.add(value.span(), format!("{} needs `when` or `unless`", rule.name()));
            }
            self.guide.applies.push((rule, scope));
        }
        self.guide.applies.sort_by_key(|(rule, _)| *rule);
    }

    /// Reads `[[rule]]`: the rules that the rule set defines.
    pub fn rules(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(tables) = self.mistakes.take(sections(value, "rule")) else { return };
        if tables.len() > MAX_RULES {
            self.mistakes
                .add(value.span(), format!("a rule set has at most {MAX_RULES} rules, and this one has {}", tables.len()));
            return;
        }
        for table in tables.iter() {
            if let DeValue::Table(keys) = table.get_ref() {
                self.rule(self.next_id, keys, table.span());
            }
            self.next_id += 1;
        }
    }

    /// Reads a key that rules and grids share. Whether it is one.
    pub(super) fn shared_key(&mut self, keys: &mut SharedKeys, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> bool {
        let place = value.span();
        match key.get_ref().as_ref() {
            "name" => keys.name = self.mistakes.take(rule_name(value)).map(|name| (name, place)),
            "when" => keys.scope.when = self.condition(value, "when").unwrap_or_default(),
            "unless" => keys.scope.unless = self.condition(value, "unless"),
            "severity" => keys.severity = self.mistakes.take(severity_of(value, "severity")).map(|found| (found, place)),
            "hard_from" => keys.hard_from = self.mistakes.take(date(value, "hard_from")).map(|date| (date, place)),
            "category" => {
                let categories = CATEGORIES.map(|category| (category, category));
                keys.category = self.mistakes.take(one_of(value, "category", &categories)).map(|found| (found, place));
            }
            "criteria" => keys.criteria = self.mistakes.take(rule_criteria(value)).map(|criteria| (criteria, place)),
            "missing" => keys.missing = self.mistakes.take(one_of(value, "missing", &Missing::ALL)),
            _ => return false,
        }
        true
    }

    /// Notes the mistakes between the shared keys, and takes the name. `None` when there is no name that is free. `what` is a rule
    /// or a grid.
    pub(super) fn claim_name(&mut self, keys: &SharedKeys, what: &str) -> Option<String> {
        if let (Some((Severity::Soft, span)), Some(_)) = (&keys.severity, &keys.hard_from) {
            self.mistakes.add(
                span.clone(),
                format!("a {what} with `hard_from` is soft before that date and hard from it on: leave `severity` out"),
            );
        }
        let (name, span) = keys.name.as_ref()?;
        self.claim(name, span.clone(), what).then(|| name.clone())
    }

    /// Takes a name for a part of the guide, or notes that it is taken.
    pub(super) fn claim(&mut self, name: &str, place: Range<usize>, what: &str) -> bool {
        let reserved = PRODUCT_FIELDS.iter().chain(&RESERVED).any(|reserved| *reserved == name);
        let free = !self.names.iter().any(|taken| taken == name) && ExceptionType::from_name(name).is_none() && !reserved;
        if free {
            self.names.push(name.to_owned());
        } else {
            self.mistakes.add(place, format!("the name {name} is taken: give the {what} another one"));
        }
        free
    }

    fn rule(&mut self, id: u16, table: &DeTable<'_>, place: Range<usize>) {
        const KEYS: &str = "name, when, unless, require, severity, hard_from, category, criteria, missing";
        let (mut shared, mut require, mut has_require) = (SharedKeys::default(), None, false);
        for (key, value) in table {
            if self.shared_key(&mut shared, key, value) {
                continue;
            }
            match key.get_ref().as_ref() {
                "require" => {
                    has_require = true;
                    require = self.group(value, "require");
                }
                _ => self.unknown(key, KEYS),
            }
        }
        if !table.iter().any(|(key, _)| key.get_ref() == "name") {
            self.mistakes.add(place.clone(), "the rule has no name: write name = \"florida_condo\"".to_owned());
        }
        if !has_require {
            self.mistakes.add(place, "the rule requires nothing: write require = { ltv_ratio = { max = 75.0 } }".to_owned());
        }
        let Some(name) = self.claim_name(&shared, "rule") else { return };
        let Some(require) = require else { return };
        let kind = shared.kind(id, &name);
        let severity = shared.severity.map_or(Severity::Hard, |(severity, _)| severity);
        let hard_from = shared.hard_from.map(|(date, _)| date);
        let missing = shared.missing.unwrap_or_default();
        self.guide.rules.push(OwnRule { kind, severity, hard_from, scope: shared.scope, require, missing });
    }

    /// Reads a switch of `[rules]` that names no built-in rule. Whether the rule set has such a rule.
    pub fn switch(&mut self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> bool {
        if !self.names.iter().any(|name| *name == *key.get_ref()) {
            return false;
        }
        if self.mistakes.take(flag(value, key.get_ref())) == Some(false) {
            self.guide.rules.retain(|rule| rule.kind.name != *key.get_ref());
            self.guide.waterfall.switch_off(key.get_ref());
            self.guide.limit_grids.retain(|grid| grid.name() != key.get_ref());
            self.guide.adjustment_grids.retain(|grid| grid.name() != key.get_ref());
            if let Some(pricing) = &mut self.guide.cash_flow {
                Arc::make_mut(pricing).segments.retain(|segment| segment.name != *key.get_ref());
            }
            self.switch_off_pool(key.get_ref());
        }
        true
    }

    /// The guide, ready to judge loans.
    pub fn finish(mut self) -> Guide {
        self.guide.waterfall.compile(&self.guide.adjustment_grids);
        self.guide
    }

    /// Switches a consistency rule on.
    pub fn add_consistency(&mut self, rule: ExceptionType, severity: Severity) {
        self.guide.consistency.push((rule, severity));
    }

    /// Reads a condition: a table of fields, or a list of such tables.
    pub(super) fn condition(&mut self, value: &Spanned<DeValue<'_>>, name: &str) -> Option<Condition> {
        let DeValue::Array(tables) = value.get_ref() else { return Some(Condition(vec![self.group(value, name)?])) };
        if tables.is_empty() {
            self.mistakes.add(value.span(), format!("`{name}` is an empty list: list at least one table of fields"));
            return None;
        }
        let groups: Vec<Option<AllOf>> = tables.iter().map(|table| self.group(table, name)).collect();
        Some(Condition(groups.into_iter().collect::<Option<_>>()?))
    }

    /// Reads a table of fields whose tests must all hold.
    fn group(&mut self, value: &Spanned<DeValue<'_>>, name: &str) -> Option<AllOf> {
        let table = match value.get_ref() {
            DeValue::Table(table) if !table.is_empty() => table,
            _ => {
                let message = format!(
                    "`{name}` must be a table of fields, such as {{ property_type = [\"condo\"] }}, and not an empty one"
                );
                self.mistakes.add(value.span(), message);
                return None;
            }
        };
        let tests: Vec<Option<Test>> = table.iter().map(|(key, value)| self.test(key, value)).collect();
        tests.into_iter().collect()
    }

    fn test(&mut self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Option<Test> {
        let field = self.field(key)?;
        let accepts = self.mistakes.take(accepts(&field, value))?;
        let slot = self.guide.slot(&field);
        let test = Test::new(slot, field, accepts);
        if test.is_impossible() || (test.accepts == Accepts::Missing && self.guide.requires(&test.field)) {
            self.mistakes.add(value.span(), format!("no {} can meet {}", test.field.name(), test.limit()));
            return None;
        }
        Some(test)
    }
}

/// One of some words.
pub(super) fn one_of<T: Copy>(value: &Spanned<DeValue<'_>>, name: &str, all: &[(&str, T)]) -> Parsed<T> {
    let word = words(value, name)?;
    all.iter().find(|(of, _)| *of == word).map(|(_, meant)| *meant).ok_or_else(|| {
        let known: Vec<String> = all.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        (value.span(), format!("`{name}` must be one of {}", known.join(", ")))
    })
}

pub(super) fn rule_name(value: &Spanned<DeValue<'_>>) -> Parsed<String> {
    let name = words(value, "name")?;
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let is_name = (3..=40).contains(&name.len()) && name.bytes().all(lower) && name.starts_with(|c: char| c.is_ascii_lowercase());
    if is_name {
        return Ok(name);
    }
    Err((value.span(), format!("\"{name}\" is no name of a rule: 3 to 40 of a-z, 0-9 and _, with a letter in front")))
}

fn rule_criteria(value: &Spanned<DeValue<'_>>) -> Parsed<String> {
    let criteria = words(value, "criteria")?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.');
    if criteria.len() <= 100 && criteria.bytes().all(plain) {
        return Ok(criteria);
    }
    Err((value.span(), "`criteria` must be at most 100 of a-z, 0-9, _ and `.`, such as \"guide.florida_condo\"".to_owned()))
}

/// What the value of a field in a condition says.
fn accepts(field: &TestedField, value: &Spanned<DeValue<'_>>) -> Parsed<Accepts> {
    match value.get_ref() {
        DeValue::Array(items) => listed(field, items, value.span(), false),
        DeValue::Table(table) => of_table(field, table, value.span()),
        _ => Err((value.span(), format!("{} takes a list or a table, such as {}", field.name(), example(field)))),
    }
}

/// A test of the field, as a rule set writes it.
fn example(field: &TestedField) -> &'static str {
    match field.unit() {
        Unit::Word => "[\"word\"]",
        Unit::Date => "{ min = 2026-01-31 }",
        Unit::Text => "{ missing = true }",
        Unit::Money | Unit::Percent | Unit::Ratio | Unit::Count | Unit::Months => "{ max = 75 }",
    }
}

fn of_table(field: &TestedField, table: &DeTable<'_>, place: Range<usize>) -> Parsed<Accepts> {
    let alone = |key: &Key<'_>| {
        if table.len() == 1 { Ok(()) } else { Err((key.span(), format!("`{}` stands alone", key.get_ref()))) }
    };
    let (mut min, mut max) = (None, None);
    for (key, value) in table {
        let (end, inclusive, partner) = match key.get_ref().as_ref() {
            "missing" => {
                alone(key)?;
                return Ok(if flag(value, "missing")? { Accepts::Missing } else { Accepts::Present });
            }
            "not" => {
                alone(key)?;
                return match value.get_ref() {
                    DeValue::Array(items) => listed(field, items, value.span(), true),
                    _ => Err((value.span(), "`not` takes a list".to_owned())),
                };
            }
            "min" => (&mut min, true, "above"),
            "above" => (&mut min, false, "min"),
            "max" => (&mut max, true, "below"),
            "below" => (&mut max, false, "max"),
            _ => return Err(unknown(key, "min, max, above, below, not, missing")),
        };
        if end.is_some() {
            return Err((key.span(), format!("`{}` and `{partner}` are the same end: write one of them", key.get_ref())));
        }
        *end = Some(End { edge: edge(field, value, key.get_ref())?, inclusive });
    }
    if table.is_empty() {
        Err((place, format!("{} says nothing: write a test, such as {}", field.name(), example(field))))
    } else {
        Ok(Accepts::Range { min, max })
    }
}

fn edge(field: &TestedField, value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<Edge> {
    match field.unit() {
        Unit::Word | Unit::Text => Err((value.span(), format!("{} holds no numbers: it takes no `{name}`", field.name()))),
        Unit::Date => Ok(Edge::Date(date(value, name)?)),
        Unit::Money | Unit::Percent | Unit::Ratio | Unit::Count | Unit::Months => Ok(Edge::Number(exact(field, value, name)?)),
    }
}

/// A number of a condition: of at most six decimals and a trillion.
fn exact(field: &TestedField, value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<Decimal> {
    let number = bound(value, name, field.name(), field.fraction_to())?;
    if number.micros().is_some() && number.magnitude() <= LARGEST {
        return Ok(number);
    }
    Err((value.span(), format!("`{name}` of {}: a number of at most 6 decimals and at most 1,000,000,000,000", field.name())))
}

/// Why a condition cannot name a word.
fn no_word(vocabulary: &Words<'_>, word: &str, name: &str) -> String {
    if vocabulary.is_open() {
        return format!("conditions name more than 64 words of {name}: \"{word}\" is one too many");
    }
    let known: Vec<&str> = vocabulary.canonical().collect();
    format!("\"{word}\" is no word of {name}; its words are {}", known.join(", "))
}

fn listed(field: &TestedField, items: &DeArray<'_>, place: Range<usize>, not: bool) -> Parsed<Accepts> {
    let name = field.name();
    if items.is_empty() {
        return Err((place, format!("the list of {name} is empty: name at least one")));
    }
    match (field.words(), field.unit()) {
        (Some(vocabulary), _) => {
            let mut bits = 0_u64;
            for item in items.iter() {
                let word = words(item, name)?;
                let code = vocabulary.code(&word).ok_or_else(|| (item.span(), no_word(&vocabulary, &word, name)))?;
                bits |= 1 << code;
            }
            Ok(Accepts::Words { bits, not })
        }
        (None, Unit::Date | Unit::Text | Unit::Word) => Err((place, format!("{name} takes no list"))),
        (None, _) => {
            let each = format!("each number in the list of {name}");
            let mut numbers = items.iter().map(|item| exact(field, item, &each)).collect::<Result<Vec<_>, _>>()?;
            numbers.sort();
            numbers.dedup();
            Ok(Accepts::Numbers { numbers, not })
        }
    }
}
