//! The rules that a loan must pass to be bought. The rules are one table, and a rule set may replace their limits.

pub mod clearance;
pub mod rule_set;

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    decimal::Decimal,
    error::shortened,
    loan::{CellValue, Field, FieldKind, Loan, MANY_UNITS, NumberCell, Unit, WordCell},
    tape::{
        aliases::{Aliases, fold_word},
        cell::is_date_cell,
    },
};

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

/// Properties of a kind of exception.
#[derive(Debug)]
pub struct ExceptionKind {
    /// Stable name, such as `ltv_ratio`.
    pub name: &'static str,
    /// Default severity. A rule set may replace the severity of a rule, but not of a validation failure.
    pub severity: Severity,
    /// Category in reports, such as `credit`.
    pub category: &'static str,
    /// Stable name of the rejection criterion, such as `notebook.ltv_exceeds_maximum`.
    pub rejection_criteria: &'static str,
    /// The rule; `None` for a validation failure.
    pub rule: Option<RuleSpec>,
}

/// A rule: a field, and the range or list that must contain the field's value.
#[derive(Debug)]
pub struct RuleSpec {
    pub field: Field,
    pub requires: Requirement,
}

/// The range or list that must contain the value of a rule's field. `min` and `max` come from the rule set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// `min <= value <= max`.
    MinToMax,
    /// `0 < value <= max`.
    AboveZeroToMax,
    /// `0 <= value <= max`.
    ZeroToMax,
    /// `0 < value`.
    AboveZero,
    /// One of the words in the list.
    Listed,
}

impl ExceptionType {
    /// The entry of this kind in the table.
    pub const fn kind(self) -> &'static ExceptionKind {
        &TABLE[self as usize]
    }

    pub const fn name(self) -> &'static str {
        self.kind().name
    }

    /// The kind with this stable name; `None` for any other text.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Serialize for ExceptionType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

const fn validation(name: &'static str, rejection_criteria: &'static str) -> ExceptionKind {
    ExceptionKind { name, severity: Severity::Hard, category: "data_quality", rejection_criteria, rule: None }
}

const fn rule(
    name: &'static str,
    field: Field,
    requires: Requirement,
    severity: Severity,
    category: &'static str,
    rejection_criteria: &'static str,
) -> ExceptionKind {
    ExceptionKind { name, severity, category, rejection_criteria, rule: Some(RuleSpec { field, requires }) }
}

/// Generates the kinds of exceptions and their table from one list, so that each kind is the index of its entry.
macro_rules! exception_table {
    ($($kind:ident = $entry:expr;)+) => {
        /// A kind of exception: a validation or a rule that a loan can fail. The order is the order of reports.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ExceptionType {
            $($kind,)+
        }

        impl ExceptionType {
            /// All kinds, in the order of reports.
            pub const ALL: [Self; TABLE.len()] = [$(Self::$kind),+];
            /// Number of kinds.
            pub const COUNT: usize = TABLE.len();
        }

        static TABLE: [ExceptionKind; [$(stringify!($kind)),+].len()] = {
            use Field::*;
            use Requirement::*;
            use Severity::*;
            [$($entry),+]
        };
    };
}

// All validations and rules, in the order of reports: validations first, then rules.
#[rustfmt::skip]
exception_table! {
    // ExceptionType         exception_type            rejection_criteria
    MissingField = validation("missing_field",         "notebook.missing_required_fields");
    InvalidValue = validation("invalid_value",         "notebook.invalid_value");
    DuplicateLoan = validation("duplicate_loan",       "notebook.duplicate_loan_number");
    MalformedRow = validation("malformed_row",         "notebook.malformed_row");
    // ExceptionType         exception_type            field            requirement       severity category      rejection_criteria
    LoanAmountRange = rule("loan_amount_range",        LoanAmount,      MinToMax,       Hard, "credit",       "notebook.loan_amount_out_of_range");
    LtvRatio = rule("ltv_ratio",                       LtvRatio,        AboveZeroToMax, Hard, "credit",       "notebook.ltv_exceeds_maximum");
    DtiRatio = rule("dti_ratio",                       DtiRatio,        ZeroToMax,      Hard, "credit",       "notebook.dti_exceeds_maximum");
    CreditScore = rule("credit_score",                 CreditScore,     MinToMax,       Hard, "credit",       "notebook.credit_score_below_minimum");
    PropertyType = rule("property_type",               PropertyType,    Listed,         Hard, "collateral",   "notebook.ineligible_property_type");
    OccupancyStatus = rule("occupancy_status",         OccupancyStatus, Listed,         Hard, "collateral",   "notebook.ineligible_occupancy");
    LoanPurpose = rule("loan_purpose",                 LoanPurpose,     Listed,         Hard, "compliance",   "notebook.ineligible_loan_purpose");
    MissingPurchasePrice = rule("missing_purchase_price", PurchasePrice, AboveZero,     Soft, "data_quality", "notebook.purchase_price_mismatch");
    MissingAppraisal = rule("missing_appraisal",       AppraisalValue,  AboveZero,      Soft, "data_quality", "notebook.appraisal_missing");
    NoteRateRange = rule("note_rate_range",            NoteRate,        MinToMax,       Soft, "pricing",      "notebook.note_rate_out_of_range");
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
                WordCell::Other(written) => !list.others.is_empty() && list.others.contains(&fold_word(written)),
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
            push_distance(&mut message, self.field, excess);
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
fn push_distance(out: &mut String, field: Field, excess: Decimal) {
    match field.info().unit {
        Unit::Percent => excess.push_plain(out, 2),
        _ => field.push_shown(out, excess),
    }
}

/// Index of a worded or numbered field among a loan's words or numbers; 0 for other fields.
fn place(field: Field) -> usize {
    match field.info().kind {
        FieldKind::Number(at) | FieldKind::Word(at) => at,
        FieldKind::Text | FieldKind::Standard(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_kinds() {
        for (at, kind) in ExceptionType::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
            assert_eq!(ExceptionType::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn kinds_keep_their_places() {
        // Page indexes of earlier runs store the index of a kind: add a new kind at the end, and remove none.
        let names = ExceptionType::ALL.map(ExceptionType::name);
        let stored = [
            "missing_field",
            "invalid_value",
            "duplicate_loan",
            "malformed_row",
            "loan_amount_range",
            "ltv_ratio",
            "dti_ratio",
            "credit_score",
            "property_type",
            "occupancy_status",
            "loan_purpose",
            "missing_purchase_price",
            "missing_appraisal",
            "note_rate_range",
        ];
        assert_eq!(names[..stored.len()], stored);
    }

    #[test]
    fn names_and_criteria_are_unique() {
        let unique = |texts: Vec<&str>| texts.iter().collect::<HashSet<_>>().len();
        assert_eq!(unique(TABLE.iter().map(|kind| kind.name).collect()), TABLE.len());
        assert_eq!(unique(TABLE.iter().map(|kind| kind.rejection_criteria).collect()), TABLE.len());
        assert!(TABLE.iter().all(|kind| kind.rejection_criteria.starts_with("notebook.")));
    }

    #[test]
    fn requirements_suit_their_fields() {
        for spec in TABLE.iter().filter_map(|kind| kind.rule.as_ref()) {
            let worded = matches!(spec.field.info().kind, FieldKind::Word(_));
            assert_eq!(worded, spec.requires == Requirement::Listed, "{spec:?}");
        }
    }
}
