//! The rules that a loan must pass to be bought. The rules are one table, and a rule set may replace their limits.

pub mod checked;
pub mod clearance;
pub mod distance;
mod exception_type;
pub mod guide;
pub mod in_force;
pub mod kinds;
pub mod listing;
mod reading;
pub mod rule_set;

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::guide::field::further_property_type;
use crate::{
    decimal::Decimal,
    error::shortened,
    loan::{CellValue, Field, FieldKind, Loan, MANY_UNITS, NumberCell, Unit, WordCell},
    tape::{
        aliases::{Aliases, fold_word},
        cell::is_date_cell,
    },
};

pub use self::exception_type::{ExceptionKind, ExceptionType, Requirement, RuleSpec};

/// Whether an exception rejects the loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(description = "Severity of an exception: `hard` rejects the loan, `soft` does not.")]
pub enum Severity {
    /// The exception rejects the loan.
    Hard,
    /// The exception is reported, and the loan stays eligible.
    Soft,
}

impl Severity {
    /// The word in rule sets, output files and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }

    /// Inverse of [`Self::as_str`]; `None` for any other word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Hard, Self::Soft].into_iter().find(|severity| severity.as_str() == word)
    }
}

/// Result of one rule for one loan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The loan passes the rule.
    Pass,
    /// The loan fails the rule.
    Fail(Evidence),
}

impl Verdict {
    pub fn passes(&self) -> bool {
        *self == Self::Pass
    }

    /// Why the loan fails; `None` when it passes.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Pass => None,
            Self::Fail(evidence) => Some(evidence),
        }
    }
}

/// Why a loan failed, in enough detail for the seller to check and fix the loan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The canonical field, or several separated by commas. It is empty for a malformed row, and the tape's column for an
    /// unreadable period.
    pub field: Cow<'static, str>,
    /// The value of the loan, as text.
    pub actual: Cow<'static, str>,
    /// The accepted values, as text, such as `<= 97.0`.
    pub limit: Arc<str>,
    /// Distance of the value from the bound that it misses, in the unit of the field; `None` when there is no distance, such as
    /// for a word or a missing value.
    pub excess: Option<Decimal>,
    /// Explanation for the seller.
    pub message: String,
}

/// Text for a missing value, such as in [`Evidence::actual`].
pub const MISSING: &str = "missing";

/// A rule with the limits of a rule set, ready to check loans.
#[derive(Debug, Clone)]
pub struct Rule {
    exception_type: ExceptionType,
    field: Field,
    severity: Severity,
    check: Check,
    /// All accepted values, as shown in evidence.
    limit: Arc<str>,
    /// The accepted values as the end of a sentence: `it must be from 620 to 850`.
    wanted: String,
}

#[derive(Debug, Clone)]
enum Check {
    Number { at: usize, min: Option<Bound>, max: Option<Bound> },
    Word { at: usize, list: WordList },
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    pub value: Decimal,
    /// Whether the value of the bound itself passes.
    pub inclusive: bool,
    /// The bound as shown in evidence: `<= 97.0`.
    pub text: Arc<str>,
}

/// Words that pass a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordList {
    /// One bit for each canonical word of the vocabulary.
    known: u64,
    /// Words outside the vocabulary, folded.
    others: Vec<String>,
    /// All words, as shown in evidence and messages.
    text: String,
}

impl Rule {
    /// Kind of the exception of a loan that fails the rule.
    pub fn exception_type(&self) -> ExceptionType {
        self.exception_type
    }

    /// Whether a loan that fails the rule is rejected.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    pub fn field(&self) -> Field {
        self.field
    }

    fn new(exception_type: ExceptionType, field: Field, severity: Severity, check: Check) -> Self {
        let limit = match &check {
            Check::Number { min, max, .. } => {
                let bounds: Vec<&str> = min.iter().chain(max).map(|bound| bound.text.as_ref()).collect();
                bounds.join(" and ")
            }
            Check::Word { list, .. } => format!("one of {}", list.text),
        };
        let wanted = check.wanted(field);
        Self { exception_type, field, severity, check, limit: limit.into(), wanted }
    }

    /// All accepted values, as text: `> 0 and <= 97.0`.
    pub fn limit(&self) -> &str {
        &self.limit
    }

    /// Checks a loan, and collects the evidence if the loan fails.
    #[inline]
    pub fn check(&self, loan: &Loan<'_>) -> Verdict {
        if self.passes(loan) { Verdict::Pass } else { Verdict::Fail(self.evidence(loan)) }
    }

    /// Whether a loan passes. Unlike [`Self::check`], it collects no evidence.
    #[inline]
    pub fn passes(&self, loan: &Loan<'_>) -> bool {
        match &self.check {
            Check::Number { at, min, max } => match &loan.numbers[*at].reading {
                CellValue::Value(value) => {
                    min.as_ref().is_none_or(|min| value > &min.value || (min.inclusive && value == &min.value))
                        && max.as_ref().is_none_or(|max| value < &max.value || (max.inclusive && value == &max.value))
                }
                CellValue::Missing | CellValue::Unreadable(_) => false,
            },
            Check::Word { at, list } => match loan.words[*at] {
                WordCell::Known(code) => list.known >> code & 1 == 1,
                WordCell::Other(written) => {
                    let further = || further_property_type(written).filter(|_| self.field == Field::PropertyType);
                    let has = |word: &str| list.others.contains(&fold_word(word));
                    !list.others.is_empty() && (has(written) || further().is_some_and(has))
                }
                WordCell::ManyUnits { .. } => list.others.contains(&fold_word(MANY_UNITS)),
                WordCell::Missing => false,
            },
        }
    }

    #[cold]
    fn evidence(&self, loan: &Loan<'_>) -> Evidence {
        match &self.check {
            Check::Number { at, min, max } => self.number_evidence(&loan.numbers[*at], min.as_ref(), max.as_ref()),
            Check::Word { at, list } => {
                let label = self.field.info().label;
                let quoted = |written: &str| concat(&["\"", excerpt(written), "\""]);
                let (actual, written): (Cow<'static, str>, _) = match loan.words[*at] {
                    WordCell::Missing => {
                        let message = concat(&[label, " is missing; ", &self.wanted]);
                        return self.failed(MISSING.into(), &self.limit, None, message);
                    }
                    WordCell::Known(code) => (canonical_word(*at, code).into(), quoted(canonical_word(*at, code))),
                    WordCell::Other(written) if is_date_cell(written) => {
                        (written.to_owned().into(), quoted(written) + ", a date that a spreadsheet made of what was typed,")
                    }
                    // Only a profile can make a word of the built-in vocabulary unknown.
                    WordCell::Other(written) if Aliases::built_in().vocabularies()[*at].exact_code(written).is_some() => {
                        (written.to_owned().into(), quoted(written) + ", which the profile does not list for its column,")
                    }
                    WordCell::Other(written) => (written.to_owned().into(), quoted(written)),
                    WordCell::ManyUnits { written, units } => {
                        (MANY_UNITS.into(), concat(&[&quoted(written), " with ", excerpt(units), " units"]))
                    }
                };
                let message = concat(&[label, " ", &written, " is not one of ", &shortened(&list.text, MAX_LIST_CHARACTERS)]);
                self.failed(actual, &self.limit, None, message)
            }
        }
    }

    fn number_evidence(&self, cell: &NumberCell<'_>, min: Option<&Bound>, max: Option<&Bound>) -> Evidence {
        let label = self.field.info().label;
        let value = match cell.reading {
            CellValue::Value(value) => value,
            CellValue::Missing => {
                let message = concat(&[label, " is missing; ", &self.wanted]);
                return self.failed(MISSING.into(), &self.limit, None, message);
            }
            CellValue::Unreadable(_) => {
                let message = concat(&[label, " \"", excerpt(cell.written), "\" cannot be read; ", &self.wanted]);
                return self.failed(cell.written.to_owned().into(), &self.limit, None, message);
            }
        };
        let mut message = String::with_capacity(MESSAGE_ROOM);
        message.push_str(label);
        message.push(' ');
        self.field.push_shown(&mut message, value);
        let actual = value.with_min_decimals(0).into();
        let above = max.filter(|max| value >= max.value);
        let Some(bound) = above.or(min) else {
            message.push_str(" is not accepted");
            return self.failed(actual, &self.limit, None, message);
        };
        let excess = if above.is_some() { value.checked_sub(bound.value) } else { bound.value.checked_sub(value) };
        message.push_str(match (above, bound.inclusive) {
            (Some(_), _) => " is above the maximum ",
            (None, true) => " is below the minimum ",
            (None, false) => " is not above ",
        });
        self.field.push_shown(&mut message, bound.value);
        if let Some(excess) = excess.filter(|_| above.is_some() || bound.inclusive) {
            message.push_str(" (by ");
            push_distance(&mut message, self.field.info().unit, excess);
            message.push(')');
        }
        self.failed(actual, &bound.text, excess, message)
    }

    fn failed(&self, actual: Cow<'static, str>, limit: &Arc<str>, excess: Option<Decimal>, message: String) -> Evidence {
        Evidence { field: self.field.name().into(), actual, limit: limit.clone(), excess, message }
    }
}

impl Check {
    /// The accepted values as the end of a sentence.
    fn wanted(&self, field: Field) -> String {
        let show = |bound: &Bound| field.show(bound.value);
        match self {
            Self::Word { list, .. } => format!("it must be one of {}", shortened(&list.text, MAX_LIST_CHARACTERS)),
            Self::Number { min: Some(min), max: Some(max), .. } if min.inclusive => {
                format!("it must be from {} to {}", show(min), show(max))
            }
            Self::Number { min: Some(min), max: Some(max), .. } => {
                format!("it must be above {} and at most {}", show(min), show(max))
            }
            Self::Number { min: Some(min), max: None, .. } => format!("it must be above {}", show(min)),
            Self::Number { min: None, max: Some(max), .. } => format!("it must be at most {}", show(max)),
            Self::Number { min: None, max: None, .. } => "it must be given".to_owned(),
        }
    }
}

/// Capacity reserved for a message, in bytes: about the usual length.
const MESSAGE_ROOM: usize = 96;

/// Joins the pieces of a sentence. A run may write millions of sentences, and `format!` takes several times as long.
pub(crate) fn concat(pieces: &[&str]) -> String {
    let mut sentence = String::with_capacity(pieces.iter().map(|piece| piece.len()).sum());
    pieces.iter().for_each(|piece| sentence.push_str(piece));
    sentence
}

/// Puts the words of a list into one canonical order and spelling, so that lists with the same meaning are equal: first the words
/// of the vocabulary, in its order, then all other words, folded and sorted.
fn canonical_list(at: usize, words: &[String]) -> Vec<String> {
    let WordList { known, others, .. } = WordList::new(at, words);
    let canonical = Aliases::built_in().vocabularies()[at].canonical().iter().enumerate();
    let mut list: Vec<String> = canonical.filter(|(code, _)| known >> code & 1 == 1).map(|(_, word)| word.clone()).collect();
    let beginning = list.len();
    list.extend(others);
    list[beginning..].sort();
    list.dedup();
    list
}

impl WordList {
    fn new(at: usize, words: &[String]) -> Self {
        let vocabulary = &Aliases::built_in().vocabularies()[at];
        let (mut known, mut others) = (0, Vec::new());
        for word in words {
            match vocabulary.code(word) {
                Some(code) => known |= 1 << code,
                None => others.push(fold_word(word)),
            }
        }
        Self { known, others, text: words.join(", ") }
    }
}

/// Maximum number of characters of a word list in a message: a rule set may list thousands of words.
const MAX_LIST_CHARACTERS: usize = 1_000;

/// Maximum number of characters of a cell or a row in a message.
pub const SHOWN_CHARACTERS: usize = 200;

/// The first [`SHOWN_CHARACTERS`] characters of a text, for a message.
pub fn excerpt(text: &str) -> &str {
    text.char_indices().nth(SHOWN_CHARACTERS).map_or(text, |(end, _)| &text[..end])
}

/// The canonical word at index `code` in the vocabulary of the worded field at index `at`; empty when there is none.
pub fn canonical_word(at: usize, code: u8) -> &'static str {
    let vocabulary = &Aliases::built_in().vocabularies()[at];
    vocabulary.canonical().get(usize::from(code)).map_or("", String::as_str)
}

/// Appends the distance of a value from its bound, as in `(by 0.80)`. A distance of percentages has no percent sign, because it
/// is in percentage points.
fn push_distance(out: &mut String, unit: Unit, excess: Decimal) {
    match unit {
        Unit::Percent => excess.push_plain(out, 2),
        _ => unit.push_shown(out, excess),
    }
}

/// Index of a worded or numbered field among a loan's words or numbers; 0 for other fields.
fn place(field: Field) -> usize {
    match field.info().kind {
        FieldKind::Number(at) | FieldKind::Word(at) => at,
        FieldKind::Text | FieldKind::Standard(_) => 0,
    }
}
