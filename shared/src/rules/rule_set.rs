//! Rule sets: the limits, severities and policies of the rules, as a TOML file.

use std::{ops::Range, sync::LazyLock};

use serde::Serialize;
use sha2::{Digest, Sha256};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{decimal::Decimal, loan::Field};

use super::{Bound, Check, ExceptionType, Requirement, Rule, Severity, WordList, clearance::Clearance, place};

const BUILT_IN: &str = include_str!("built_in.toml");

/// Everything that a rule set decides, ready to judge loans.
#[derive(Debug, Clone)]
pub struct RuleSet {
    settings: Settings,
    rules: Vec<Rule>,
    clearance: Clearance,
    hash: String,
    source: Option<String>,
}

/// What a rule set decides, as it is written.
#[derive(Debug, Clone)]
struct Settings {
    name: String,
    version: String,
    limits: Vec<(&'static str, Limit)>,
    severity: [Severity; ExceptionType::COUNT],
    enabled: [bool; ExceptionType::COUNT],
    projection: Projection,
    accept_small_percentages: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Limit {
    Range { min: Option<Number>, max: Option<Number> },
    Words(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Number {
    value: Decimal,
    text: String,
}

/// When an eligible loan is projected instead of bought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// The least pricing spread that is bought, in percent.
    pub minimum_spread: Option<Decimal>,
    /// The least price that is bought.
    pub minimum_price: Option<Decimal>,
    /// Whether any soft exception holds a loan back.
    pub hold_on_soft_exceptions: bool,
}

impl Projection {
    /// Whether there is any policy at all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.minimum_spread.is_none() && self.minimum_price.is_none() && !self.hold_on_soft_exceptions
    }
}

/// What a run records of its rule set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleSetId {
    /// The name that it gives itself.
    pub name: String,
    /// The version that it gives itself.
    pub version: String,
    /// SHA-256 of all that it decides: rule sets that decide the same have the same hash.
    pub hash: String,
}

/// Why a rule set cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct RuleSetError {
    /// The 1-based line of the file.
    pub line: usize,
    /// What is wrong there, and what would be right.
    pub message: String,
}

type Parsed<T> = Result<T, (Range<usize>, String)>;

impl RuleSet {
    /// The rule set that the product ships.
    pub fn built_in() -> Self {
        static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
            let mut settings = Settings::blank();
            #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
            settings.replace_from(BUILT_IN).expect("built_in.toml is sound");
            settings
        });
        Self::new(SETTINGS.clone(), None)
    }

    /// Reads a rule set; what it leaves out keeps the built-in value.
    pub fn from_toml(text: &str) -> Result<Self, RuleSetError> {
        let mut settings = Self::built_in().settings;
        settings.replace_from(text).map_err(|(span, message)| {
            let line = text.bytes().take(span.start).filter(|b| *b == b'\n').count() + 1;
            RuleSetError { line, message }
        })?;
        Ok(Self::new(settings, Some(text.to_owned())))
    }

    fn new(settings: Settings, source: Option<String>) -> Self {
        let specs = ExceptionType::ALL.into_iter().filter_map(|kind| kind.kind().rule.as_ref().map(|spec| (kind, spec)));
        let rules: Vec<Rule> = specs
            .filter(|(kind, _)| settings.enabled[*kind as usize])
            .map(|(kind, spec)| {
                Rule::new(kind, spec.field, settings.severity[kind as usize], settings.check(spec.field, spec.requires))
            })
            .collect();
        let hash = hex(&Sha256::digest(settings.canonical_text()));
        Self { clearance: Clearance::new(&rules), settings, rules, hash, source }
    }

    /// The rules that are switched on, in the order of reports.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What passes all of them at once.
    pub fn clearance(&self) -> &Clearance {
        &self.clearance
    }

    /// The rule of a kind, where it is switched on.
    pub fn rule(&self, exception_type: ExceptionType) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.exception_type == exception_type)
    }

    /// When an eligible loan is projected instead of bought.
    pub fn projection(&self) -> &Projection {
        &self.settings.projection
    }

    /// Whether small values in a column of percentages are taken as they stand.
    pub fn accepts_small_percentages(&self) -> bool {
        self.settings.accept_small_percentages
    }

    /// What a run records of it.
    pub fn id(&self) -> RuleSetId {
        RuleSetId { name: self.settings.name.clone(), version: self.settings.version.clone(), hash: self.hash.clone() }
    }

    /// The file that it was read from; `None` for the built-in one.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }
}

impl Settings {
    /// No limits at all: what the built-in file fills.
    fn blank() -> Self {
        Self {
            name: String::new(),
            version: String::new(),
            limits: Vec::new(),
            severity: ExceptionType::ALL.map(|kind| kind.kind().severity),
            enabled: [true; ExceptionType::COUNT],
            projection: Projection::default(),
            accept_small_percentages: false,
        }
    }

    fn replace_from(&mut self, text: &str) -> Parsed<()> {
        let table = DeTable::parse(text).map_err(|error| (error.span().unwrap_or(0..0), error.message().to_owned()))?;
        for (key, value) in table.get_ref() {
            match key.get_ref().as_ref() {
                "name" => self.name = words(value, "name")?,
                "version" => self.version = words(value, "version")?,
                "limits" => {
                    for (key, value) in section(value, "limits")? {
                        self.replace_limit(key, value)?;
                    }
                }
                "severity" => {
                    for (key, value) in section(value, "severity")? {
                        let word = words(value, key.get_ref())?;
                        let severity = Severity::from_word(&word)
                            .ok_or_else(|| (value.span(), format!("\"{word}\" is no severity: write \"hard\" or \"soft\"")))?;
                        self.severity[rule_index(key)?] = severity;
                    }
                }
                "rules" => {
                    for (key, value) in section(value, "rules")? {
                        self.enabled[rule_index(key)?] = flag(value, key.get_ref())?;
                    }
                }
                "projection" => {
                    for (key, value) in section(value, "projection")? {
                        match key.get_ref().as_ref() {
                            "minimum_spread" => self.projection.minimum_spread = Some(number(value, "minimum_spread")?.value),
                            "minimum_price" => self.projection.minimum_price = Some(number(value, "minimum_price")?.value),
                            "hold_on_soft_exceptions" => self.projection.hold_on_soft_exceptions = flag(value, key.get_ref())?,
                            _ => return Err(unknown(key, "minimum_spread, minimum_price, hold_on_soft_exceptions")),
                        }
                    }
                }
                "units" => {
                    for (key, value) in section(value, "units")? {
                        match key.get_ref().as_ref() {
                            "accept_small_percentages" => self.accept_small_percentages = flag(value, key.get_ref())?,
                            _ => return Err(unknown(key, "accept_small_percentages")),
                        }
                    }
                }
                _ => return Err(unknown(key, "name, version, limits, severity, rules, projection, units")),
            }
        }
        Ok(())
    }

    fn replace_limit(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> Parsed<()> {
        let limited = || ExceptionType::ALL.into_iter().filter_map(|kind| kind.kind().rule.as_ref());
        let known = || limited().filter(|spec| spec.requires != Requirement::AboveZero).map(|spec| spec.field.name());
        let Some(spec) = limited().find(|spec| spec.field.name() == key.get_ref() && spec.requires != Requirement::AboveZero)
        else {
            return Err(unknown(key, &known().collect::<Vec<_>>().join(", ")));
        };
        let name = spec.field.name();
        let old = self.limits.iter().position(|(of, _)| *of == name);
        let limit = match spec.requires {
            Requirement::Listed => Limit::Words(list(value, name)?),
            requires => {
                let (mut min, mut max) = match old.map(|at| &self.limits[at].1) {
                    Some(Limit::Range { min, max }) => (min.clone(), max.clone()),
                    Some(Limit::Words(_)) | None => (None, None),
                };
                let DeValue::Table(range) = value.get_ref() else {
                    return Err((value.span(), format!("{name} takes a table such as {{ max = 97.0 }}")));
                };
                for (key, value) in range {
                    match (key.get_ref().as_ref(), requires) {
                        ("min", Requirement::MinToMax) => min = Some(number(value, "min")?),
                        ("max", _) => max = Some(number(value, "max")?),
                        (_, Requirement::MinToMax) => return Err(unknown(key, "min, max")),
                        _ => return Err(unknown(key, "max")),
                    }
                }
                let floor = min.as_ref().map_or(Decimal::ZERO, |min| min.value);
                let above = requires == Requirement::AboveZeroToMax;
                if max.as_ref().is_some_and(|max| max.value < floor || (above && max.value == floor)) {
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
            Some(Limit::Range { min, max }) => (min.as_ref(), max.as_ref()),
            Some(Limit::Words(_)) | None => (None, None),
        };
        let bound = |sign: &str, number: &Number| Bound {
            value: number.value,
            inclusive: true,
            text: format!("{sign} {}", number.text).into(),
        };
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

    /// All decisions in one fixed form, for the hash. Limits are as they are written, since exceptions show them so.
    fn canonical_text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!("name={:?}\nversion={:?}\n", self.name, self.version);
        let number = |number: &Option<Number>| number.as_ref().map_or_else(String::new, |number| number.text.clone());
        let mut limits: Vec<_> = self.limits.iter().collect();
        limits.sort_by_key(|(name, _)| *name);
        // Writing to a String cannot fail.
        for (name, limit) in limits {
            let _ = match limit {
                Limit::Range { min, max } => writeln!(text, "limits.{name}={}..{}", number(min), number(max)),
                Limit::Words(words) => writeln!(text, "limits.{name}={words:?}"),
            };
        }
        for kind in ExceptionType::ALL.into_iter().filter(|kind| kind.kind().rule.is_some()) {
            let (severity, enabled) = (self.severity[kind as usize], self.enabled[kind as usize]);
            let _ = writeln!(text, "rules.{}={},{enabled}", kind.name(), severity.as_str());
        }
        let Projection { minimum_spread, minimum_price, hold_on_soft_exceptions } = &self.projection;
        let shown = |value: &Option<Decimal>| value.map_or_else(String::new, |value| value.to_string());
        let _ = writeln!(text, "projection={},{},{hold_on_soft_exceptions}", shown(minimum_spread), shown(minimum_price));
        let _ = writeln!(text, "units.accept_small_percentages={}", self.accept_small_percentages);
        text
    }
}

fn unknown(key: &Spanned<std::borrow::Cow<'_, str>>, known: &str) -> (Range<usize>, String) {
    (key.span(), format!("unknown key `{}`; known here: {known}", key.get_ref()))
}

fn section<'a, 'i>(value: &'a Spanned<DeValue<'i>>, name: &str) -> Parsed<&'a DeTable<'i>> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => Err((value.span(), format!("`{name}` must be a table: write [{name}] and its keys below"))),
    }
}

fn rule_index(key: &Spanned<std::borrow::Cow<'_, str>>) -> Parsed<usize> {
    let rules = || ExceptionType::ALL.into_iter().filter(|kind| kind.kind().rule.is_some());
    rules().find(|kind| kind.name() == key.get_ref()).map(|kind| kind as usize).ok_or_else(|| {
        let known: Vec<&str> = rules().map(ExceptionType::name).collect();
        unknown(key, &known.join(", "))
    })
}

fn words(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<String> {
    match value.get_ref() {
        DeValue::String(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => Err((value.span(), format!("`{name}` must be a text in quotation marks, and not an empty one"))),
    }
}

fn flag(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<bool> {
    match value.get_ref() {
        DeValue::Boolean(flag) => Ok(*flag),
        _ => Err((value.span(), format!("`{name}` must be true or false"))),
    }
}

fn list(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<Vec<String>> {
    match value.get_ref() {
        DeValue::Array(items) if !items.is_empty() => items.iter().map(|item| words(item, name)).collect(),
        _ => Err((value.span(), format!("`{name}` must be a list of words, such as [\"sfr\", \"condo\"], and not an empty one"))),
    }
}

fn number(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<Number> {
    let text = match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        _ => return Err((value.span(), format!("`{name}` must be a number, such as 97.0"))),
    };
    let plain = text.replace('_', "");
    match plain.parse() {
        Ok(value) => Ok(Number { value, text: plain }),
        Err(error) => Err((value.span(), format!("`{name}`: {text} cannot be used: {error}"))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> RuleSetError {
        RuleSet::from_toml(text).unwrap_err()
    }

    #[test]
    fn the_built_in_rule_set_says_what_the_contract_says() {
        let rules = RuleSet::built_in();
        let limits: Vec<(&str, &str, String)> =
            rules.rules().iter().map(|r| (r.exception_type().name(), r.severity().as_str(), r.limit().to_owned())).collect();
        let expected = [
            ("loan_amount_range", "hard", ">= 50000 and <= 5000000"),
            ("ltv_ratio", "hard", "> 0 and <= 97.0"),
            ("dti_ratio", "hard", ">= 0 and <= 50.0"),
            ("credit_score", "hard", ">= 620 and <= 850"),
            ("property_type", "hard", "one of sfr, condo, townhouse, pud, 2-4_unit"),
            ("occupancy_status", "hard", "one of primary, second_home, investment"),
            ("loan_purpose", "hard", "one of purchase, rate_term_refinance, cash_out_refinance"),
            ("missing_purchase_price", "soft", "> 0"),
            ("missing_appraisal", "soft", "> 0"),
            ("note_rate_range", "soft", ">= 1.0 and <= 15.0"),
        ];
        assert_eq!(limits, expected.map(|(name, severity, limit)| (name, severity, limit.to_owned())));
        assert_eq!(*rules.projection(), Projection::default());
        assert!(!rules.accepts_small_percentages());
    }

    #[test]
    fn the_table_and_the_file_agree_on_severities() {
        let rules = RuleSet::built_in();
        for rule in rules.rules() {
            assert_eq!(rule.severity(), rule.exception_type().kind().severity);
        }
    }

    #[test]
    fn what_is_left_out_keeps_the_built_in_value() {
        let rules =
            RuleSet::from_toml("name = \"strict\"\n[limits]\nltv_ratio = { max = 80.00 }\ncredit_score = { min = 700 }").unwrap();
        assert_eq!(rules.rule(ExceptionType::LtvRatio).unwrap().limit(), "> 0 and <= 80.00");
        assert_eq!(rules.rule(ExceptionType::CreditScore).unwrap().limit(), ">= 700 and <= 850");
        assert_eq!(rules.rule(ExceptionType::DtiRatio).unwrap().limit(), ">= 0 and <= 50.0");
        assert_eq!(rules.id().name, "strict");
        assert_eq!(rules.id().version, RuleSet::built_in().id().version);
    }

    #[test]
    fn severities_switches_and_projection_are_read() {
        let text = "[severity]\nnote_rate_range = \"hard\"\n[rules]\nmissing_purchase_price = false\n[projection]\nminimum_spread = -0.5\nminimum_price = 98\nhold_on_soft_exceptions = true\n[units]\naccept_small_percentages = true";
        let rules = RuleSet::from_toml(text).unwrap();
        assert_eq!(rules.rule(ExceptionType::NoteRateRange).unwrap().severity(), Severity::Hard);
        assert!(rules.rule(ExceptionType::MissingPurchasePrice).is_none());
        let projection = rules.projection();
        assert_eq!(projection.minimum_spread.map(|d| d.to_string()), Some("-0.5".to_owned()));
        assert_eq!(projection.minimum_price, Some(Decimal::from_integer(98)));
        assert!(projection.hold_on_soft_exceptions && rules.accepts_small_percentages());
    }

    #[test]
    fn the_hash_follows_what_is_decided_not_how_it_is_written() {
        let built_in = RuleSet::built_in().id().hash;
        assert_eq!(RuleSet::from_toml("# nothing\n").unwrap().id().hash, built_in);
        assert_eq!(RuleSet::from_toml("[limits]\nltv_ratio = { max = 97.0 } # as ever").unwrap().id().hash, built_in);
        // Exceptions show the limit as it is written, so this one gives other bytes.
        assert_ne!(RuleSet::from_toml("[limits]\nltv_ratio = { max = 97 }").unwrap().id().hash, built_in);
        assert_ne!(RuleSet::from_toml("[limits]\nltv_ratio = { max = 96.99 }").unwrap().id().hash, built_in);
        assert_ne!(RuleSet::from_toml("[units]\naccept_small_percentages = true").unwrap().id().hash, built_in);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line, part) in [
            ("nme = \"x\"", 1, "unknown key `nme`"),
            ("name = \"x\"\n\n[limits]\nltv = { max = 97 }", 4, "unknown key `ltv`"),
            ("[limits]\nltv_ratio = 97", 2, "takes a table"),
            ("[limits]\nltv_ratio = { max = \"97\" }", 2, "must be a number"),
            ("[limits]\nltv_ratio = { min = 1, max = 97 }", 2, "unknown key `min`"),
            ("[limits]\ncredit_score = { min = 900 }", 2, "below its min"),
            ("[limits]\nltv_ratio = { max = 0 }", 2, "no loan could pass"),
            ("[limits]\ncredit_score = { min = nan }", 2, "cannot be used"),
            ("[limits]\nproperty_type = []", 2, "not an empty one"),
            ("[limits]\nproperty_type = [\"sfr\",\n 7]", 3, "text in quotation marks"),
            ("[severity]\nltv_ratio = \"medium\"", 2, "no severity"),
            ("[severity]\nmissing_field = \"soft\"", 2, "unknown key `missing_field`"),
            ("[rules]\nltv_ratio = 0", 2, "true or false"),
            ("[projection]\nminimum = 1", 2, "unknown key `minimum`"),
            ("limits = 5", 1, "must be a table"),
            ("a = 1\na = 2", 2, ""),
            ("name = \"x", 1, ""),
        ] {
            let error = error(text);
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }
}
