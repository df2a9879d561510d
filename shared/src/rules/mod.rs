//! The rules: what makes a loan one that we buy, as one table, with limits that a rule set may replace.

pub mod clearance;
pub mod rule_set;

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    decimal::Decimal,
    error::shortened,
    loan::{Field, FieldKind, Loan, MANY_UNITS, NumberCell, Reading, Unit, WordCell},
    tape::{
        aliases::{Aliases, fold_word},
        cell::is_date_cell,
    },
};

/// Whether an exception turns a loan down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(description = "Severity of an exception: `hard` rejects the loan, `soft` does not.")]
pub enum Severity {
    /// It does.
    Hard,
    /// It does not.
    Soft,
}

impl Severity {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }

    /// The severity of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Hard, Self::Soft].into_iter().find(|severity| severity.as_str() == word)
    }
}

/// A kind of exception: what a loan can fail. In the order of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExceptionType {
    /// Required fields say nothing.
    MissingField,
    /// A cell cannot be read.
    InvalidValue,
    /// The loan number was used before in the run.
    DuplicateLoan,
    /// The row cannot be read.
    MalformedRow,
    /// The loan amount is outside its range.
    LoanAmountRange,
    /// LTV is not above zero and at most the maximum.
    LtvRatio,
    /// DTI is missing or outside its range.
    DtiRatio,
    /// The credit score is outside its range.
    CreditScore,
    /// The property type is not in the list.
    PropertyType,
    /// The occupancy status is not in the list.
    OccupancyStatus,
    /// The loan purpose is not in the list.
    LoanPurpose,
    /// There is no purchase price above zero.
    MissingPurchasePrice,
    /// There is no appraisal value above zero.
    MissingAppraisal,
    /// The note rate is outside its range.
    NoteRateRange,
}

/// What the product knows about a kind of exception.
#[derive(Debug)]
pub struct Kind {
    /// The stable name.
    pub name: &'static str,
    /// The severity, unless the rule set gives another.
    pub severity: Severity,
    /// The group that reports sort it into.
    pub category: &'static str,
    /// The stable name of the criterion that rejects.
    pub rejection_criteria: &'static str,
    /// What a good loan is like, for the kinds that are rules.
    pub rule: Option<RuleSpec>,
}

/// A rule, as a sentence about a good loan: this field lies here.
#[derive(Debug)]
pub struct RuleSpec {
    /// The field that it looks at.
    pub field: Field,
    /// Where its value must lie.
    pub requires: Requirement,
}

/// Where the value of a rule's field must lie. `min` and `max` come from the rule set.
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
    /// How many kinds there are.
    pub const COUNT: usize = TABLE.len();
    /// All kinds, in the order of reports.
    pub const ALL: [Self; Self::COUNT] = [
        Self::MissingField,
        Self::InvalidValue,
        Self::DuplicateLoan,
        Self::MalformedRow,
        Self::LoanAmountRange,
        Self::LtvRatio,
        Self::DtiRatio,
        Self::CreditScore,
        Self::PropertyType,
        Self::OccupancyStatus,
        Self::LoanPurpose,
        Self::MissingPurchasePrice,
        Self::MissingAppraisal,
        Self::NoteRateRange,
    ];

    /// What the product knows about it.
    pub const fn kind(self) -> &'static Kind {
        &TABLE[self as usize]
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        self.kind().name
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Serialize for ExceptionType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

const fn validation(name: &'static str, rejection_criteria: &'static str) -> Kind {
    Kind { name, severity: Severity::Hard, category: "data_quality", rejection_criteria, rule: None }
}

const fn rule(
    name: &'static str,
    field: Field,
    requires: Requirement,
    severity: Severity,
    category: &'static str,
    rejection_criteria: &'static str,
) -> Kind {
    Kind { name, severity, category, rejection_criteria, rule: Some(RuleSpec { field, requires }) }
}

/// Everything a loan can fail, in the order of reports: first what makes it unreadable, then the rules.
#[rustfmt::skip]
static TABLE: [Kind; 14] = {
    use Field::*;
    use Requirement::*;
    use Severity::*;
    [
        validation("missing_field",  "notebook.missing_required_fields"),
        validation("invalid_value",  "notebook.invalid_value"),
        validation("duplicate_loan", "notebook.duplicate_loan_number"),
        validation("malformed_row",  "notebook.malformed_row"),
        //   exception_type          field            a good loan's is  severity category      rejection_criteria
        rule("loan_amount_range",      LoanAmount,      MinToMax,       Hard, "credit",       "notebook.loan_amount_out_of_range"),
        rule("ltv_ratio",              LtvRatio,        AboveZeroToMax, Hard, "credit",       "notebook.ltv_exceeds_maximum"),
        rule("dti_ratio",              DtiRatio,        ZeroToMax,      Hard, "credit",       "notebook.dti_exceeds_maximum"),
        rule("credit_score",           CreditScore,     MinToMax,       Hard, "credit",       "notebook.credit_score_below_minimum"),
        rule("property_type",          PropertyType,    Listed,         Hard, "collateral",   "notebook.ineligible_property_type"),
        rule("occupancy_status",       OccupancyStatus, Listed,         Hard, "collateral",   "notebook.ineligible_occupancy"),
        rule("loan_purpose",           LoanPurpose,     Listed,         Hard, "compliance",   "notebook.ineligible_loan_purpose"),
        rule("missing_purchase_price", PurchasePrice,   AboveZero,      Soft, "data_quality", "notebook.purchase_price_mismatch"),
        rule("missing_appraisal",      AppraisalValue,  AboveZero,      Soft, "data_quality", "notebook.appraisal_missing"),
        rule("note_rate_range",        NoteRate,        MinToMax,       Soft, "pricing",      "notebook.note_rate_out_of_range"),
    ]
};

/// What a rule says of a loan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The loan is good in this respect.
    Pass,
    /// It is not, and this is why.
    Fail(Evidence),
}

impl Verdict {
    /// Whether the loan is good in this respect.
    pub fn passes(&self) -> bool {
        *self == Self::Pass
    }

    /// Why it is not.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Pass => None,
            Self::Fail(evidence) => Some(evidence),
        }
    }
}

/// Why a loan failed: enough for its seller to check and to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The canonical field, or several with commas between them.
    pub field: Cow<'static, str>,
    /// What the loan has, as text.
    pub actual: Cow<'static, str>,
    /// What a good loan has, as text.
    pub limit: Arc<str>,
    /// How far the value is from passing, in the unit of the field.
    pub excess: Option<Decimal>,
    /// One sentence for the seller.
    pub message: String,
}

/// What stands for a value that is not there.
pub const MISSING: &str = "missing";

/// A rule with its limits: ready to judge.
#[derive(Debug, Clone)]
pub struct Rule {
    exception_type: ExceptionType,
    field: Field,
    severity: Severity,
    check: Check,
    /// What a good loan has, as evidence gives it.
    limit: Arc<str>,
    /// The same as the end of a sentence: `it must be from 620 to 850`.
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
    /// The limit.
    pub value: Decimal,
    /// Whether the limit itself passes.
    pub inclusive: bool,
    /// The limit as evidence gives it: `<= 97.0`.
    pub text: Arc<str>,
}

/// The words that pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordList {
    /// One bit for each canonical word.
    known: u64,
    /// Words that are in no vocabulary, folded.
    others: Vec<String>,
    /// All of them, as shown to people.
    text: String,
}

impl Rule {
    /// The kind of exception that a loan gets that fails.
    pub fn exception_type(&self) -> ExceptionType {
        self.exception_type
    }

    /// Whether failing turns the loan down.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The field that it looks at.
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

    /// What a good loan has, as text: `> 0 and <= 97.0`.
    pub fn limit(&self) -> &str {
        &self.limit
    }

    /// Judges a loan.
    #[inline]
    pub fn check(&self, loan: &Loan<'_>) -> Verdict {
        if self.passes(loan) { Verdict::Pass } else { Verdict::Fail(self.evidence(loan)) }
    }

    /// Whether a loan is good in this respect.
    #[inline]
    pub fn passes(&self, loan: &Loan<'_>) -> bool {
        match &self.check {
            Check::Number { at, min, max } => match &loan.numbers[*at].reading {
                Reading::Value(value) => {
                    min.as_ref().is_none_or(|min| value > &min.value || (min.inclusive && value == &min.value))
                        && max.as_ref().is_none_or(|max| value < &max.value || (max.inclusive && value == &max.value))
                }
                Reading::Missing | Reading::Unreadable(_) => false,
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
                    // Only a profile makes one of our own words unknown.
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
            Reading::Value(value) => value,
            Reading::Missing => {
                let message = concat(&[label, " is missing; ", &self.wanted]);
                return self.failed(MISSING.into(), &self.limit, None, message);
            }
            Reading::Unreadable(_) => {
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
    /// What a good loan has, as the end of a sentence.
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

/// About how long a message is.
const MESSAGE_ROOM: usize = 96;

/// The pieces of a sentence, in one piece. A run may write millions of sentences: `format!` takes several times as long.
pub(crate) fn concat(pieces: &[&str]) -> String {
    let mut sentence = String::with_capacity(pieces.iter().map(|piece| piece.len()).sum());
    pieces.iter().for_each(|piece| sentence.push_str(piece));
    sentence
}

/// Words of a list in the one order and spelling for all lists that mean the same: those of the vocabulary in its order, then
/// the others, folded.
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

/// How much of a list of words a message shows, in characters: a rule set may list thousands.
const MAX_LIST_CHARACTERS: usize = 1_000;

/// How much of a cell or a row a message shows, in characters.
pub const SHOWN_CHARACTERS: usize = 200;

/// The beginning of a text, as messages show it.
pub fn excerpt(text: &str) -> &str {
    text.char_indices().nth(SHOWN_CHARACTERS).map_or(text, |(end, _)| &text[..end])
}

/// The canonical word of that place in the vocabulary of a worded field.
pub fn canonical_word(at: usize, code: u8) -> &'static str {
    let vocabulary = &Aliases::built_in().vocabularies()[at];
    vocabulary.canonical().get(usize::from(code)).map_or("", String::as_str)
}

/// Appends how far a value is from passing, as in `(by 0.80)`: percentages without their sign, since it is a difference of
/// points.
fn push_distance(out: &mut String, field: Field, excess: Decimal) {
    match field.info().unit {
        Unit::Percent => excess.push_plain(out, 2),
        _ => field.push_shown(out, excess),
    }
}

/// The place of a worded or numbered field among a loan's words or numbers.
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
        // Page indexes of earlier runs hold the places: a new kind goes to the end, and none goes away.
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
