//! Rule sets: limits, severities and policies of the rules, read from a TOML file.

use std::{
    ops::Range,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use utoipa::ToSchema;

use crate::{
    decimal::Decimal,
    hex::hex,
    loan::{Field, Unit},
};

use super::{Bound, Check, ExceptionType, Requirement, Rule, Severity, WordList, canonical_list, clearance::Clearance, place};

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
    hash: String,
    source: Option<String>,
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

/// A rule set as supplied: the text of a file, and the name to use if the text gives none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSetFile {
    /// File name without its extension.
    pub name: String,
    /// Text of the file.
    pub toml: String,
}

impl RuleSetFile {
    /// Takes the name from the last part of a path whose folders are separated by `/`.
    pub fn new(path: &str, toml: String) -> Self {
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem).trim();
        Self { name: if stem.is_empty() { file.to_owned() } else { stem.to_owned() }, toml }
    }

    /// Reads the rule set.
    ///
    /// # Errors
    /// [`RuleSetError`] as for [`RuleSet::named`].
    pub fn rules(&self) -> Result<RuleSet, RuleSetError> {
        RuleSet::named(&self.toml, &self.name)
    }
}

/// The rules of a run: the rule set that the run brings with it, or the built-in one. They are stored as the file that they come from,
/// and parsed once, when they are read.
#[derive(Debug, Clone)]
pub struct RunRules {
    file: Option<RuleSetFile>,
    rules: Arc<RuleSet>,
}

impl RunRules {
    /// The rules of a file.
    ///
    /// # Errors
    /// What [`RuleSet::from_toml`] refuses.
    pub fn new(file: RuleSetFile) -> Result<Self, RuleSetError> {
        let rules = Arc::new(file.rules()?);
        Ok(Self { file: Some(file), rules })
    }

    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }
}

impl Default for RunRules {
    /// The built-in rules.
    fn default() -> Self {
        Self { file: None, rules: Arc::new(RuleSet::built_in()) }
    }
}

impl PartialEq for RunRules {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file
    }
}

impl Eq for RunRules {}

impl Serialize for RunRules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.file.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RunRules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let file = Option::<RuleSetFile>::deserialize(deserializer)?;
        file.map_or_else(|| Ok(Self::default()), |file| Self::new(file).map_err(de::Error::custom))
    }
}

/// Policy by which an eligible loan is projected instead of bought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Lowest pricing spread of a loan that is bought, in percent.
    pub minimum_spread: Option<Decimal>,
    /// Lowest price of a loan that is bought, in percent of the balance.
    pub minimum_price: Option<Decimal>,
    /// Whether a loan with any soft exception is projected.
    pub hold_on_soft_exceptions: bool,
}

impl Projection {
    /// Whether the policy projects no loan, because no part of it is set.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.minimum_spread.is_none() && self.minimum_price.is_none() && !self.hold_on_soft_exceptions
    }
}

/// Which rule set a run used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RuleSetName)]
pub struct RuleSetId {
    /// Name in the rule set, or else the name of its file.
    #[schema(example = "built-in")]
    pub name: String,
    /// Version in the rule set, or else `unversioned`.
    #[schema(example = "1")]
    pub version: String,
    /// SHA-256 of everything the rule set decides, in lower-case hexadecimal, whatever its name and however it is written. Equal
    /// hashes mean equal rules.
    #[schema(example = "1e2809335995aebe54788a07a2ee783fbee1c602dcafafa97381243fad4cd697")]
    pub hash: String,
}

/// Why a rule set cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct RuleSetError {
    /// The 1-based line of the file.
    pub line: usize,
    /// What is wrong on the line, and what to write instead.
    pub message: String,
}

type Parsed<T> = Result<T, (Range<usize>, String)>;

impl RuleSet {
    /// The rule set that ships with the product.
    pub fn built_in() -> Self {
        Self::new(Settings::built_in().clone(), None)
    }

    /// Reads a rule set. A key that the text leaves out keeps its built-in value. A rule set without a name is called `unnamed`.
    ///
    /// # Errors
    /// [`RuleSetError`], with the line, when the text is not TOML, a key is unknown, or a key does not take its value.
    pub fn from_toml(text: &str) -> Result<Self, RuleSetError> {
        Self::named(text, UNNAMED)
    }

    /// Reads a rule set. A key that the text leaves out keeps its built-in value. A rule set without a name gets `name`, and so
    /// does a changed copy of the built-in rule set that still has the built-in name.
    ///
    /// # Errors
    /// [`RuleSetError`], with the line, when the text is not TOML, a key is unknown, or a key does not take its value.
    pub fn named(text: &str, name: &str) -> Result<Self, RuleSetError> {
        let built_in = Self::built_in();
        let RuleSetId { name: reserved, hash, .. } = built_in.id();
        let name = if name == reserved { UNNAMED } else { name };
        let mut settings = Settings { name: name.to_owned(), version: UNVERSIONED.to_owned(), ..built_in.settings };
        settings.replace_from(text).map_err(|(span, message)| {
            let line = text.bytes().take(span.start).filter(|b| *b == b'\n').count() + 1;
            RuleSetError { line, message }
        })?;
        let mut rules = Self::new(settings, Some(text.to_owned()));
        if rules.settings.name == reserved && rules.hash != hash {
            rules.settings.name = name.to_owned();
            rules.settings.version = UNVERSIONED.to_owned();
        }
        Ok(rules)
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

    /// Text of the file from which the rule set was read; `None` for the built-in rule set.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }
}

impl Settings {
    fn built_in() -> &'static Self {
        static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
            let mut settings = Settings::blank();
            #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
            settings.replace_from(BUILT_IN).expect("built_in.toml is sound");
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
                            "minimum_spread" => self.projection.minimum_spread = Some(number(value, "minimum_spread")?),
                            "minimum_price" => self.projection.minimum_price = Some(number(value, "minimum_price")?),
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
            Requirement::Listed => Limit::Words(canonical_list(place(spec.field), &list(value, name)?)),
            requires => {
                let (mut min, mut max) = match old.map(|at| &self.limits[at].1) {
                    Some(Limit::Range { min, max }) => (*min, *max),
                    Some(Limit::Words(_)) | None => (None, None),
                };
                let DeValue::Table(range) = value.get_ref() else {
                    return Err((value.span(), format!("{name} takes a table such as {{ max = 97.0 }}")));
                };
                for (key, value) in range {
                    match (key.get_ref().as_ref(), requires) {
                        ("min", Requirement::MinToMax) => min = Some(bound(value, "min", spec.field)?),
                        ("max", _) => max = Some(bound(value, "max", spec.field)?),
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
        for kind in ExceptionType::ALL.into_iter().filter(|kind| kind.kind().rule.is_some()) {
            let (severity, enabled) = (self.severity[kind as usize], self.enabled[kind as usize]);
            let _ = writeln!(text, "rules.{}={},{enabled}", kind.name(), severity.as_str());
        }
        let Projection { minimum_spread, minimum_price, hold_on_soft_exceptions } = &self.projection;
        let _ = writeln!(text, "projection={},{},{hold_on_soft_exceptions}", number(minimum_spread), number(minimum_price));
        let _ = writeln!(text, "units.accept_small_percentages={}", self.accept_small_percentages);
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

/// Reads a bound of a field. A bound of percentages that can only be meant as a fraction, such as 0.80 for 80 %, is an error:
/// with it, no loan or every loan would pass.
fn bound(value: &Spanned<DeValue<'_>>, name: &str, field: Field) -> Parsed<Decimal> {
    let percent = number(value, name)?;
    let hundredfold = percent.times_hundred().filter(|_| {
        let most = field.info().zones.map(|zones| zones.fraction_to);
        percent.is_positive() && most.is_some_and(|most| percent <= most)
    });
    let Some(hundredfold) = hundredfold else { return Ok(percent) };
    let written = percent.with_min_decimals(2);
    Err((value.span(), format!("`{name}` of {field}: {written} means {percent} %: write {hundredfold}")))
}

fn number(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<Decimal> {
    let text = match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        _ => return Err((value.span(), format!("`{name}` must be a number, such as 97.0"))),
    };
    match text.replace('_', "").parse() {
        Ok(value) => Ok(value),
        Err(error) => Err((value.span(), format!("`{name}`: {text} cannot be used: {error}"))),
    }
}

#[cfg(test)]
mod respelling;

#[cfg(test)]
mod tests;
