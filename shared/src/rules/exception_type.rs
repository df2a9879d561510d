//! The kinds of exceptions, and the built-in rules, as one table.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::loan::Field;

use super::Severity;

/// A kind of exception: its names in reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionKind {
    /// Place among the kinds of a rule set, which is the order of reports: first the built-in kinds, as in [`ExceptionType::ALL`],
    /// then those that the rule set defines.
    pub id: u16,
    /// Stable name, such as `ltv_ratio`.
    pub name: Cow<'static, str>,
    /// Category in reports, such as `credit`.
    pub category: Cow<'static, str>,
    /// Stable name of the rejection criterion, such as `notebook.ltv_exceeds_maximum`.
    pub rejection_criteria: Cow<'static, str>,
}

/// A row of the table of built-in kinds.
#[derive(Debug)]
struct KindRow {
    kind: ExceptionKind,
    /// Default severity. A rule set may replace the severity of a rule, but not of a validation failure.
    severity: Severity,
    /// The rule; `None` for a validation failure.
    rule: Option<RuleSpec>,
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
    /// The names of this kind.
    pub const fn kind(self) -> &'static ExceptionKind {
        &TABLE[self as usize].kind
    }

    pub fn name(self) -> &'static str {
        &self.kind().name
    }

    /// The severity that the built-in rule set gives this kind.
    pub const fn severity(self) -> Severity {
        TABLE[self as usize].severity
    }

    /// The rule of this kind; `None` for a validation failure.
    pub const fn rule(self) -> Option<&'static RuleSpec> {
        TABLE[self as usize].rule.as_ref()
    }

    /// Whether a waiver may waive exceptions of this kind: those of rules, and rules that cannot be decided. A loan that failed
    /// validation cannot be judged.
    pub const fn is_waivable(self) -> bool {
        self as u8 > Self::MalformedRow as u8 && self as u8 != Self::WaiverExpired as u8
    }

    /// Whether the kind is a rule that compares fields of a loan. These rules are off in the built-in rule set.
    pub const fn is_consistency(self) -> bool {
        Self::LtvConsistency as u8 <= self as u8 && self as u8 <= Self::TermConsistency as u8
    }

    /// The kind with this stable name; `None` for any other text.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

const fn names(name: &'static str, category: &'static str, criteria: &'static str) -> ExceptionKind {
    // The table fills in the place.
    ExceptionKind {
        id: 0,
        name: Cow::Borrowed(name),
        category: Cow::Borrowed(category),
        rejection_criteria: Cow::Borrowed(criteria),
    }
}

const fn validation(name: &'static str, rejection_criteria: &'static str) -> KindRow {
    KindRow { kind: names(name, "data_quality", rejection_criteria), severity: Severity::Hard, rule: None }
}

const fn rule(
    name: &'static str,
    field: Field,
    requires: Requirement,
    severity: Severity,
    category: &'static str,
    rejection_criteria: &'static str,
) -> KindRow {
    KindRow { kind: names(name, category, rejection_criteria), severity, rule: Some(RuleSpec { field, requires }) }
}

const fn consistency(name: &'static str, rejection_criteria: &'static str) -> KindRow {
    KindRow { kind: names(name, "data_quality", rejection_criteria), severity: Severity::Soft, rule: None }
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

        static TABLE: [KindRow; [$(stringify!($kind)),+].len()] = {
            use Field::*;
            use Requirement::*;
            use Severity::*;
            let mut table = [$($entry),+];
            let mut at = 0;
            while at < table.len() {
                table[at].kind.id = at as u16;
                at += 1;
            }
            table
        };
    };
}

// All validations and rules, in the order of reports: validations, rules, comparisons between fields. `undetermined` comes in the
// place of the rule that cannot be decided, and `waiver_expired` behind the failures of the rules.
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
    // ExceptionType         exception_type            rejection_criteria
    LtvConsistency = consistency("ltv_consistency",    "guide.ltv_consistency");
    CltvConsistency = consistency("cltv_consistency",  "guide.cltv_consistency");
    ValueConsistency = consistency("value_consistency", "guide.value_consistency");
    BalanceConsistency = consistency("balance_consistency", "guide.balance_consistency");
    TermConsistency = consistency("term_consistency",  "guide.term_consistency");
    Undetermined = consistency("undetermined",         "guide.undetermined");
    WaiverExpired = consistency("waiver_expired",      "waiver.expired");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::loan::FieldKind;

    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_kinds() {
        for (at, kind) in ExceptionType::ALL.into_iter().enumerate() {
            assert_eq!((kind as usize, usize::from(kind.kind().id)), (at, at));
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
            "ltv_consistency",
            "cltv_consistency",
            "value_consistency",
            "balance_consistency",
            "term_consistency",
            "undetermined",
            "waiver_expired",
        ];
        assert_eq!(names[..stored.len()], stored);
    }

    #[test]
    fn names_and_criteria_are_unique() {
        let unique = |texts: Vec<&str>| texts.iter().collect::<HashSet<_>>().len();
        let kinds = || ExceptionType::ALL.map(ExceptionType::kind).into_iter();
        assert_eq!(unique(kinds().map(|kind| &*kind.name).collect()), TABLE.len());
        assert_eq!(unique(kinds().map(|kind| &*kind.rejection_criteria).collect()), TABLE.len());
        let prefix = |kind: &ExceptionKind| match usize::from(kind.id) {
            ..14 => "notebook.",
            14..20 => "guide.",
            _ => "waiver.",
        };
        assert!(kinds().all(|kind| kind.rejection_criteria.starts_with(prefix(kind))));
    }

    #[test]
    fn requirements_suit_their_fields() {
        for spec in ExceptionType::ALL.into_iter().filter_map(ExceptionType::rule) {
            let worded = matches!(spec.field.info().kind, FieldKind::Word(_));
            assert_eq!(worded, spec.requires == Requirement::Listed, "{spec:?}");
        }
    }
}
