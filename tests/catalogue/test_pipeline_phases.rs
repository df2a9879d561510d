//! The phases of a run, one by one.

#![cfg(test)]

use bytes::Bytes;
use serde_json::{Value, json};
use shared::{
    facts::{
        FACTS_FILE,
        read::{FactFilter, FactsReader},
    },
    loan::{CellValue, Field, FieldKind, Loan, Malformed, MalformedReason, NumberCell},
    phases::{
        Exception,
        disposition::{Decided, Disposition},
        eligibility::{Assessed, assess},
        judge,
        pricing::{IrrTarget, Priced, Pricing, price},
        validate::{FirstUse, validate},
    },
    results::outputs::OUTPUTS,
    rules::{Evidence, ExceptionType, Severity, rule_set::RuleSet},
};

use crate::support::loans::{LoanBuilder, evidence, names};
use crate::support::runs::{Finished, GOOD_CELLS, HEADER, run_tape};

/// The columns without which a loan fails validation, in output order.
const REQUIRED: [&str; 6] = ["seller_loan_number", "loan_amount", "note_rate", "ltv_ratio", "credit_score", "property_type"];

/// For each hard rule, a cell that breaks it and nothing else.
const BREAKS_A_HARD_RULE: [(&str, &str, &str); 7] = [
    ("loan_amount_range", "loan_amount", "49,999.99"),
    ("ltv_ratio", "ltv_ratio", "97.01"),
    ("dti_ratio", "dti_ratio", "50.01"),
    ("credit_score", "credit_score", "619"),
    ("property_type", "property_type", "MH"),
    ("occupancy_status", "occupancy_status", "vacant"),
    ("loan_purpose", "loan_purpose", "construction"),
];

/// For each soft rule, a cell that breaks it and nothing else.
const BREAKS_A_SOFT_RULE: [(&str, &str, &str); 3] = [
    ("missing_purchase_price", "purchase_price", "NA"),
    ("missing_appraisal", "appraisal_value", "0"),
    ("note_rate_range", "note_rate", "15.01"),
];

const PDATE: jiff::civil::Date = jiff::civil::date(2026, 2, 2);

/// The good loan with one cell replaced.
fn good_but<'t>(column: &str, cell: &'t str) -> Loan<'t> {
    LoanBuilder::good().with(column, cell).build()
}

/// An exception without a program and a waiver.
fn failed(failed: ExceptionType, severity: Severity, evidence: Evidence) -> Exception<'static> {
    Exception { kind: failed.kind(), severity, evidence, program: None, waiver: None }
}

fn validated_and_assessed<'l, 't>(loan: &'l Loan<'t>, rules: &'l RuleSet) -> Assessed<'l, 't> {
    assess(validate(loan, None, &[]), rules, PDATE)
}

fn priced<'l, 't>(loan: &'l Loan<'t>, irr_target: &IrrTarget) -> Priced<'l, 't> {
    let rules = RuleSet::built_in();
    price(validated_and_assessed(loan, rules), &Pricing::new(rules, *irr_target, PDATE))
}

fn decided<'l, 't>(loan: &'l Loan<'t>, rules: &'l RuleSet) -> Decided<'l, 't> {
    judge(loan, None, rules, &Pricing::new(rules, IrrTarget::DEFAULT, PDATE))
}

mod test_phase_validate {
    use ExceptionType::{DuplicateLoan, InvalidValue, MalformedRow, MissingField};

    use super::*;

    /// Asserts the loan's only exception: that these columns are missing or zero.
    #[track_caller]
    fn lacks(loan: &Loan<'_>, columns: &'static str, message: &str) {
        let validated = validate(loan, None, &[]);
        let evidence = evidence(columns, "missing", "present", "", message);
        assert_eq!(validated.exceptions(), [failed(MissingField, Severity::Hard, evidence)]);
        assert!(validated.failed());
    }

    #[test]
    fn test_valid_loans_pass() {
        let mut loans = vec![LoanBuilder::good().build()];
        // Columns that are not required may be empty or zero.
        for column in ["dti_ratio", "occupancy_status", "loan_purpose", "purchase_price", "appraisal_value"] {
            loans.push(good_but(column, ""));
        }
        for column in ["dti_ratio", "purchase_price", "appraisal_value"] {
            loans.push(good_but(column, "0"));
        }
        // Validation does not ask yet whether a value is good.
        for (_, column, cell) in BREAKS_A_HARD_RULE {
            loans.push(good_but(column, cell));
        }
        loans.push(good_but("loan_amount", "(250,000)"));
        for loan in &loans {
            let validated = validate(loan, None, &[]);
            assert_eq!(validated.exceptions(), [], "{loan:?}");
            assert!(!validated.failed(), "{loan:?}");
            assert!(std::ptr::eq(validated.loan(), loan));
        }
    }

    #[test]
    fn test_missing_required_fields_flagged() {
        for column in REQUIRED {
            let message = format!("Required field is missing or zero: {column}");
            for cell in ["", "  ", "NA", "n/a", "NULL", "-", "nan"] {
                lacks(&good_but(column, cell), column, &message);
            }
        }
        for (column, cell) in [
            ("loan_amount", "$0.00"),
            ("note_rate", "0"),
            ("ltv_ratio", "0.0 %"),
            ("ltv_ratio", "999"),
            ("credit_score", "0"),
            ("credit_score", "9999"),
        ] {
            lacks(&good_but(column, cell), column, &format!("Required field is missing or zero: {column}"));
        }
        let loan = LoanBuilder::good().with("property_type", "").with("loan_amount", "0").with("dti_ratio", "").build();
        lacks(&loan, "loan_amount,property_type", "Required fields are missing or zero: loan_amount, property_type");
        lacks(
            &LoanBuilder::empty().build(),
            "seller_loan_number,loan_amount,note_rate,ltv_ratio,credit_score,property_type",
            &format!("Required fields are missing or zero: {}", REQUIRED.join(", ")),
        );
    }

    #[test]
    fn test_validation_exceptions_created() {
        // All exceptions that a readable row can have: one for what is missing, one for each unreadable cell (which is not
        // also missing), and one for the loan number that was used before.
        let loan = LoanBuilder::good()
            .with("seller_loan_number", "007a")
            .with("loan_amount", " $ ")
            .with("note_rate", "0.0675")
            .with("ltv_ratio", "1.234,56")
            .with("credit_score", "")
            .with("purchase_price", "Infinity")
            .with("appraisal_value", "1234567890123456789012345678901")
            .build();
        let mut first_use = FirstUse { source_file: Some("may/tape.csv".to_owned()), line: 7 };
        let exceptions = validate(&loan, Some(&first_use), &[]).exceptions().to_vec();
        let percent = "Note rate 0.0675 contradicts its column, which holds percentages: \
                       a value of at most 0.5 there looks like a fraction";
        let digits = "Appraisal value \"1234567890123456789012345678901\" has more than 30 digits on a side of the point";
        let comma =
            "LTV \"1.234,56\" has a comma, which may be a decimal comma: write a point, or say decimal = \",\" in a profile";
        let used = "Loan number 007a was already used on line 7 of may/tape.csv";
        let number = "1234567890123456789012345678901";
        let expected = [
            (MissingField, "credit_score", "missing", "present", "Required field is missing or zero: credit_score"),
            (InvalidValue, "loan_amount", "$", "a number", "Loan amount \"$\" is not a number"),
            (InvalidValue, "note_rate", "0.0675", "a percentage: 0 or > 0.5", percent),
            (InvalidValue, "ltv_ratio", "1.234,56", "a number with a decimal point", comma),
            (InvalidValue, "purchase_price", "Infinity", "a number", "Purchase price \"Infinity\" is not a number"),
            (InvalidValue, "appraisal_value", number, "a number of at most 30 digits on each side of the point", digits),
            (DuplicateLoan, "seller_loan_number", "007a", "used once in a run", used),
        ];
        let expected = expected.map(|(exception_type, field, actual, limit, message)| {
            failed(exception_type, Severity::Hard, evidence(field, actual, limit, "", message))
        });
        assert_eq!(exceptions, expected);

        first_use.source_file = None;
        let again = LoanBuilder::good().build();
        let exceptions = validate(&again, Some(&first_use), &[]).exceptions().to_vec();
        assert_eq!(names(&exceptions), [("duplicate_loan", "hard")]);
        assert_eq!(exceptions[0].evidence.message, "Loan number LN-0001 was already used on line 7");

        // An unreadable row has no other exception. Its message shows 200 characters of the row, not 200 bytes.
        let raw = format!("LN-0002,{}", "é".repeat(300));
        let reason = MalformedReason::FieldCount { expected: 11, found: 2 };
        let broken = Loan { malformed: Some(Malformed { reason, raw: &raw, source_file: None }), ..Loan::empty(12) };
        let shown = format!("LN-0002,{}", "é".repeat(192));
        let message = format!("Line 12 cannot be read: the row has 2 fields, the header has 11. It says: {shown}");
        let exceptions = validate(&broken, None, &[]).exceptions().to_vec();
        assert_eq!(names(&exceptions), [("malformed_row", "hard")]);
        assert_eq!(exceptions[0].evidence.actual, shown);
        assert_eq!(exceptions[0].evidence.message, message);

        for (kind, name, rejection_criteria) in [
            (MissingField, "missing_field", "notebook.missing_required_fields"),
            (InvalidValue, "invalid_value", "notebook.invalid_value"),
            (DuplicateLoan, "duplicate_loan", "notebook.duplicate_loan_number"),
            (MalformedRow, "malformed_row", "notebook.malformed_row"),
        ] {
            let found = (kind.name(), &*kind.kind().category, &*kind.kind().rejection_criteria);
            assert_eq!(found, (name, "data_quality", rejection_criteria));
        }
    }

    #[test]
    fn test_partially_valid_batch() {
        let batch = [
            LoanBuilder::good().with("seller_loan_number", "0001"),
            LoanBuilder::good().with("seller_loan_number", "0002").with("credit_score", "NA"),
            LoanBuilder::good().with("seller_loan_number", "0003").with("ltv_ratio", "97.80"),
            LoanBuilder::good().with("seller_loan_number", "0004").with("note_rate", "six"),
            LoanBuilder::good().with("seller_loan_number", "").with("loan_amount", "?"),
            LoanBuilder::good().with("seller_loan_number", "0006"),
        ]
        .map(LoanBuilder::build);
        let found: Vec<_> = batch.iter().map(|of| (of.shown_number(), names(validate(of, None, &[]).exceptions()))).collect();
        let expected = [
            ("0001", vec![]),
            ("0002", vec![("missing_field", "hard")]),
            ("0003", vec![]),
            ("0004", vec![("invalid_value", "hard")]),
            ("UNKNOWN", vec![("missing_field", "hard"), ("invalid_value", "hard")]),
            ("0006", vec![]),
        ];
        assert_eq!(found, expected);
    }
}

mod test_phase_eligibility {
    use ExceptionType::{LtvRatio, NoteRateRange, PropertyType};

    use super::*;

    /// Asserts whether the loan is eligible under the built-in rules, and all its exceptions.
    #[track_caller]
    fn is_assessed(loan: &Loan<'_>, eligible: bool, exceptions: &[(&str, &str)]) {
        let assessed = validated_and_assessed(loan, RuleSet::built_in());
        assert_eq!(names(assessed.exceptions()), exceptions);
        assert_eq!(assessed.is_eligible(), eligible);
    }

    #[test]
    fn test_eligible_loans_pass() {
        is_assessed(&LoanBuilder::good().build(), true, &[]);
        for (column, cell) in [
            ("loan_amount", "50,000.00"),
            ("loan_amount", "5,000,000.00"),
            ("ltv_ratio", "97.0"),
            ("dti_ratio", "50.0"),
            ("dti_ratio", "0"),
            ("credit_score", "620"),
            ("credit_score", "850"),
            ("note_rate", "1.0"),
            ("note_rate", "15.0"),
        ] {
            is_assessed(&good_but(column, cell), true, &[]);
        }
        for (rule, column, cell) in BREAKS_A_SOFT_RULE {
            is_assessed(&good_but(column, cell), true, &[(rule, "soft")]);
        }
    }

    #[test]
    fn test_ineligible_loans_flagged() {
        for (rule, column, cell) in BREAKS_A_HARD_RULE {
            is_assessed(&good_but(column, cell), false, &[(rule, "hard")]);
        }
        // The first failure does not stop the other rules.
        let of_all = |breaks: &[(&'static str, &'static str, &'static str)], loan: LoanBuilder<'static>| {
            breaks.iter().fold(loan, |loan, (_, column, cell)| loan.with(column, cell))
        };
        let worst = of_all(&BREAKS_A_SOFT_RULE, of_all(&BREAKS_A_HARD_RULE, LoanBuilder::good())).build();
        let hard = BREAKS_A_HARD_RULE.map(|(rule, ..)| (rule, "hard"));
        let soft = BREAKS_A_SOFT_RULE.map(|(rule, ..)| (rule, "soft"));
        is_assessed(&worst, false, &[&hard[..], &soft[..]].concat());
    }

    #[test]
    fn test_validation_failures_skipped() {
        let broken = LoanBuilder::good().with("ltv_ratio", "125").with("dti_ratio", "90").with("appraisal_value", "");
        is_assessed(&broken.with("credit_score", "").build(), false, &[("missing_field", "hard")]);
        is_assessed(&broken.with("note_rate", "six").build(), false, &[("invalid_value", "hard")]);
        let malformed = Malformed { reason: MalformedReason::StrayQuote, raw: "\"LN\"-1,250000", source_file: None };
        is_assessed(&Loan { malformed: Some(malformed), ..Loan::empty(3) }, false, &[("malformed_row", "hard")]);
        let first_use = FirstUse { source_file: None, line: 2 };
        let loan = broken.build();
        let rules = RuleSet::built_in();
        let assessed = assess(validate(&loan, Some(&first_use), &[]), rules, PDATE);
        assert_eq!(names(assessed.exceptions()), [("duplicate_loan", "hard")]);
        assert!(!assessed.is_eligible());
        // Not even a rule set that lets everything pass makes a loan eligible that failed validation.
        let lenient = "[rules]\nltv_ratio = false\ndti_ratio = false\ncredit_score = false\nmissing_appraisal = false";
        let assessed_leniently = |loan| validated_and_assessed(loan, &RuleSet::from_toml(lenient).unwrap()).is_eligible();
        assert!(assessed_leniently(&loan));
        assert!(!assessed_leniently(&broken.with("credit_score", "").build()));
    }

    #[test]
    fn test_exception_records_created() {
        let loan = LoanBuilder::good().with("ltv_ratio", "97.80").with("property_type", "MH").with("note_rate", "0.99").build();
        let rules_of = |toml: &str| RuleSet::from_toml(toml).unwrap();
        let ltv = evidence("ltv_ratio", "97.8", "<= 97.0", "0.8", "LTV 97.80 % is above the maximum 97.00 % (by 0.80)");
        let types = "one of sfr, condo, townhouse, pud, 2-4_unit";
        let property = evidence("property_type", "MH", types, "", &format!("Property type \"MH\" is not {types}"));
        let message = "Note rate 0.99 % is below the minimum 1.00 % (by 0.01)";
        let rate = evidence("note_rate", "0.99", ">= 1.0", "0.01", message);
        let expected = [
            failed(LtvRatio, Severity::Hard, ltv),
            failed(PropertyType, Severity::Hard, property.clone()),
            failed(NoteRateRange, Severity::Soft, rate.clone()),
        ];
        assert_eq!(validated_and_assessed(&loan, &rules_of("")).exceptions(), expected);

        // The rule set decides limits, severities and which rules are on.
        let strict = "[limits]\nltv_ratio = { max = 80 }\n[severity]\nnote_rate_range = \"hard\"";
        let ltv = evidence("ltv_ratio", "97.8", "<= 80", "17.8", "LTV 97.80 % is above the maximum 80.00 % (by 17.80)");
        let expected = [
            failed(LtvRatio, Severity::Hard, ltv),
            failed(PropertyType, Severity::Hard, property.clone()),
            failed(NoteRateRange, Severity::Hard, rate.clone()),
        ];
        assert_eq!(validated_and_assessed(&loan, &rules_of(strict)).exceptions(), expected);
        let off = "[rules]\nltv_ratio = false\nnote_rate_range = false\n[severity]\nproperty_type = \"soft\"";
        let off = rules_of(off);
        let assessed = validated_and_assessed(&loan, &off);
        assert_eq!(assessed.exceptions(), [failed(PropertyType, Severity::Soft, property)]);
        assert!(assessed.is_eligible());
    }
}

mod test_phase_pricing {
    use super::*;

    /// Asserts the pricing spread and the final price of the good loan with this note rate, as text with four decimals.
    #[track_caller]
    fn costs(note_rate: &str, irr_target: &str, pricing_spread: &str, final_price: &str) {
        let loan = good_but("note_rate", note_rate);
        let price = priced(&loan, &irr_target.parse().unwrap()).price().unwrap();
        let found = [price.pricing_spread, price.final_price].map(|value| value.decimal().with_min_decimals(4));
        assert_eq!(found, [pricing_spread, final_price], "{note_rate} at {irr_target}");
    }

    #[test]
    fn test_eligible_loans_priced() {
        let default = IrrTarget::DEFAULT.percent().to_string();
        assert_eq!(default, "8.05");
        costs("6.75", &default, "-1.3000", "96.7500");
        costs("8.05", &default, "0.0000", "100.0000");
        costs("8.85 %", &default, "0.8000", "102.0000");
        // A loan with a soft exception is priced all the same.
        costs("15.01", &default, "6.9600", "117.4000");
        for (_, column, cell) in BREAKS_A_SOFT_RULE {
            assert!(priced(&good_but(column, cell), &IrrTarget::DEFAULT).price().is_some(), "{column} {cell:?}");
        }
    }

    #[test]
    fn test_ineligible_loans_not_priced() {
        assert!(priced(&LoanBuilder::good().build(), &IrrTarget::DEFAULT).price().is_some());
        let unreadable = [("", "credit_score", ""), ("", "purchase_price", "what"), ("", "note_rate", "0.0675")];
        for (_, column, cell) in BREAKS_A_HARD_RULE.into_iter().chain(unreadable) {
            assert_eq!(priced(&good_but(column, cell), &IrrTarget::DEFAULT).price(), None, "{column} {cell:?}");
        }
    }

    #[test]
    fn test_pricing_spread_calculation() {
        for (note_rate, pricing_spread, final_price) in [
            // Ties go to the even neighbour.
            ("8.05005", "0.0000", "100.0001"),
            ("8.05015", "0.0002", "100.0004"),
            ("8.05025", "0.0002", "100.0006"),
            ("8.04995", "0.0000", "99.9999"),
            ("8.04985", "-0.0002", "99.9996"),
            ("8.05002", "0.0000", "100.0000"),
            ("8.05006", "0.0001", "100.0002"),
            // A value beyond a tie, however little, is not a tie.
            ("8.0500500000001", "0.0001", "100.0001"),
            ("8.0499499999999", "-0.0001", "99.9999"),
            // The price follows from the exact spread, not from the rounded one, which would give 100.0002.
            ("8.05012", "0.0001", "100.0003"),
        ] {
            costs(note_rate, "8.05", pricing_spread, final_price);
        }
    }

    #[test]
    fn test_custom_irr_target() {
        for (irr_target, pricing_spread, final_price) in [
            ("6", "0.7500", "101.8750"),
            ("6.75", "0.0000", "100.0000"),
            ("0.01", "6.7400", "116.8500"),
            ("30", "-23.2500", "41.8750"),
            ("8.123456", "-1.3735", "96.5664"),
        ] {
            costs("6.75", irr_target, pricing_spread, final_price);
        }
        for refused in ["0", "-8.05", "30.000001", "", "8,05", "8.05 %", "Infinity"] {
            let error = refused.parse::<IrrTarget>().unwrap_err();
            assert_eq!(error.to_string(), "irr_target must be a percentage above 0 and at most 30, such as 8.05", "{refused:?}");
        }
    }
}

mod test_phase_disposition {
    use super::*;

    #[test]
    fn test_to_purchase_disposition() {
        let soft = BREAKS_A_SOFT_RULE.map(|(rule, column, cell)| (good_but(column, cell), vec![(rule, "soft")]));
        for (loan, exceptions) in soft.into_iter().chain([(LoanBuilder::good().build(), vec![])]) {
            let decided = decided(&loan, RuleSet::built_in());
            assert_eq!(decided.disposition, Disposition::ToPurchase);
            assert_eq!(decided.disposition.as_str(), "to_purchase");
            assert_eq!(names(&decided.exceptions), exceptions);
            assert!(decided.price.is_some());
            assert_eq!(decided.projection_reason, None);
            assert!(std::ptr::eq(decided.loan, &loan));
        }
    }

    #[test]
    fn test_rejected_disposition() {
        let invalid = [("missing_field", "credit_score", ""), ("invalid_value", "appraisal_value", "what")];
        // A rejected loan is not projected, even if a projection rule would hold it back.
        let holds = "[projection]\nminimum_spread = 0.0\nminimum_price = 98.0\nhold_on_soft_exceptions = true";
        for rules in [RuleSet::built_in(), &RuleSet::from_toml(holds).unwrap()] {
            for (rule, column, cell) in BREAKS_A_HARD_RULE.into_iter().chain(invalid) {
                let loan = good_but(column, cell);
                let decided = decided(&loan, rules);
                assert_eq!(decided.disposition, Disposition::Rejected, "{column} {cell:?}");
                assert_eq!(decided.disposition.as_str(), "rejected");
                assert_eq!(names(&decided.exceptions), [(rule, "hard")]);
                assert_eq!((decided.price, decided.projection_reason), (None, None));
            }
        }
        let loan = good_but("note_rate", "15.01");
        let hard = RuleSet::from_toml("[severity]\nnote_rate_range = \"hard\"").unwrap();
        assert_eq!(decided(&loan, &hard).disposition, Disposition::Rejected);
    }

    /// Asserts that a loan has a price and is held back for this reason, or is bought if the reason is empty.
    #[track_caller]
    fn is_held_back(projection: &str, loan: LoanBuilder<'_>, reason: &str) {
        let loan = loan.build();
        let rules = RuleSet::from_toml(&format!("[projection]\n{projection}")).unwrap();
        let decided = decided(&loan, &rules);
        let disposition = if reason.is_empty() { Disposition::ToPurchase } else { Disposition::Projected };
        assert_eq!(decided.disposition, disposition, "{projection}");
        assert_eq!(decided.projection_reason.as_deref().unwrap_or_default(), reason, "{projection}");
        assert!(decided.price.is_some(), "{projection}");
    }

    #[test]
    fn test_projected_disposition() {
        let at = |note_rate: &'static str| LoanBuilder::good().with("note_rate", note_rate);
        assert_eq!(Disposition::Projected.as_str(), "projected");

        is_held_back("", at("0.75"), "");
        is_held_back("minimum_spread = 0.0", at("8.05"), "");
        let reason = "Held back: pricing spread -0.0001 is below the minimum 0.0000";
        is_held_back("minimum_spread = 0.0", at("8.0499"), reason);
        let reason = "Held back: pricing spread 0.4900 is below the minimum 0.5000";
        is_held_back("minimum_spread = 0.5", at("8.54"), reason);

        is_held_back("minimum_price = 98.0", at("7.25"), "");
        let reason = "Held back: price 97.9750 is below the minimum 98.0000";
        is_held_back("minimum_price = 98.0", at("7.24"), reason);

        let no_prices = at("7.25").with("purchase_price", "").with("appraisal_value", "");
        is_held_back("hold_on_soft_exceptions = true", at("7.25"), "");
        is_held_back("hold_on_soft_exceptions = false", no_prices, "");
        let reason = "Held back: soft exceptions: missing_purchase_price, missing_appraisal";
        is_held_back("hold_on_soft_exceptions = true", no_prices, reason);
        let reason = "Held back: soft exceptions: note_rate_range";
        is_held_back("hold_on_soft_exceptions = true", at("15.01"), reason);

        let all = "minimum_spread = -0.80\nminimum_price = 98\nhold_on_soft_exceptions = true";
        let reason = "Held back: pricing spread -0.8100 is below the minimum -0.8000; \
                      price 97.9750 is below the minimum 98.0000; soft exceptions: missing_appraisal";
        is_held_back(all, at("7.24").with("appraisal_value", "0"), reason);

        // A rate too high for a price would be only a soft exception: the loan is eligible and is projected without a price. No
        // tape gives such a rate, because validation rejects it.
        let beyond = NumberCell { reading: CellValue::Value("1e25".parse().unwrap()), written: "1e25", plain: false };
        assert!(validate(&at("1e25").build(), None, &[]).failed());
        let mut loan = LoanBuilder::good().build();
        let FieldKind::Number(place) = Field::NoteRate.info().kind else { panic!("a rate is a number") };
        loan.numbers[place] = beyond;
        let decided = decided(&loan, RuleSet::built_in());
        assert_eq!(names(&decided.exceptions), [("note_rate_range", "soft")]);
        assert_eq!((decided.disposition, decided.price), (Disposition::Projected, None));
        let reason = "The loan could not be priced: note rate 1e25 gives no price";
        assert_eq!(decided.projection_reason.as_deref(), Some(reason));
    }

    #[test]
    fn test_loan_facts_created() {
        let finished = run_tape(pool()).unwrap();
        let facts = facts(&finished);
        let seen: Vec<_> = facts.iter().map(|fact| (text(fact, "seller_loan_number"), text(fact, "disposition"))).collect();
        assert_eq!(
            seen,
            [("A-1", "to_purchase"), ("A-2", "rejected"), ("A-3", "to_purchase"), ("UNKNOWN", "rejected"), ("A-1", "rejected"),]
        );
        let first = &facts[0];
        assert_eq!((text(first, "source_file"), &first["line"]), ("tape.csv", &json!(2)));
        assert_eq!(first["pricing_spread"].to_string(), "-1.55");
        assert_eq!(first["final_price"].to_string(), "96.125");
        assert_eq!(first["loan_amount"].to_string(), "250000");
        assert_eq!((&facts[1]["pricing_spread"], &facts[1]["final_price"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn test_internal_flags_cleaned() {
        let finished = run_tape(pool()).unwrap();
        let expected: Vec<&str> = Field::CANONICAL
            .iter()
            .map(|field| field.name())
            .chain(["disposition", "projection_reason", "pricing_spread", "final_price"])
            .chain(["base_price", "base_price_source", "price_adjustments", "wal", "duration", "source_file", "line", "row"])
            .collect();
        for fact in facts(&finished) {
            let names: Vec<&String> = fact.as_object().unwrap().keys().collect();
            assert_eq!(names, expected);
        }
    }
}

/// A tape of five loans: one good, one with two hard faults, one with a soft one, one without a number, one repeated.
fn pool() -> String {
    let rows = [
        format!("A-1,{GOOD_CELLS}"),
        "A-2,250000,6.5,97.01,35,619,sfr,primary,purchase,312500,312500".to_owned(),
        "A-3,250000,6.5,80,35,720,sfr,primary,purchase,,312500".to_owned(),
        format!(",{GOOD_CELLS}"),
        format!("A-1,{GOOD_CELLS}"),
    ];
    format!("{HEADER}\n{}\n", rows.join("\n"))
}

/// The stored facts of a run, as the API shows them.
fn facts(finished: &Finished) -> Vec<Value> {
    let bytes = Bytes::from(finished.files[FACTS_FILE].clone());
    let reader = FactsReader::open(bytes).unwrap();
    let page = reader.page(&finished.outcome.index, &FactFilter::default(), 0, 1_000).unwrap();
    page.iter().map(|fact| serde_json::from_str(&serde_json::to_string(fact).unwrap()).unwrap()).collect()
}

fn text<'f>(fact: &'f Value, name: &str) -> &'f str {
    fact[name].as_str().unwrap()
}

mod test_phase_output {
    use super::*;

    #[test]
    fn test_four_output_files_created() {
        let finished = run_tape(pool()).unwrap();
        let rules = RuleSet::built_in();
        let outputs = || OUTPUTS.iter().filter(|output| output.is_of(rules));
        for (output, rows) in outputs().zip([2, 0, 4, 5]) {
            assert_eq!(finished.rows(output.file_name).len(), rows, "{}", output.key);
            assert!(finished.files[output.file_name].starts_with(&output.header(rules)), "{}", output.key);
        }
        let keys: Vec<&str> = outputs().map(|output| output.key).collect();
        assert_eq!(keys, ["purchase_tape", "projected_tape", "rejection_report", "exception_summary"]);
    }

    #[test]
    fn test_purchase_tape_content() {
        let finished = run_tape(pool()).unwrap();
        let tape = std::str::from_utf8(&finished.files["purchase_tape.csv"]).unwrap();
        let expected = format!(
            "{HEADER},disposition,pricing_spread,final_price\n\
             A-1,{GOOD_CELLS},to_purchase,-1.5500,96.1250\n\
             A-3,250000,6.5,80,35,720,sfr,primary,purchase,,312500,to_purchase,-1.5500,96.1250\n"
        );
        assert_eq!(tape, expected);
    }

    #[test]
    fn test_rejection_report_includes_exceptions() {
        let finished = run_tape(pool()).unwrap();
        let report = std::str::from_utf8(&finished.files["rejection_report.csv"]).unwrap();
        let second = "A-2,250000,6.5,97.01,35,619,sfr,primary,purchase,312500,312500,rejected,,";
        let expected = format!(
            "{HEADER},disposition,pricing_spread,final_price,exception_type,severity,message,rejection_criteria\n\
             {second},ltv_ratio,hard,LTV 97.01 % is above the maximum 97.00 % (by 0.01),notebook.ltv_exceeds_maximum\n\
             {second},credit_score,hard,Credit score 619 is below the minimum 620 (by 1),\
             notebook.credit_score_below_minimum\n\
             UNKNOWN,{GOOD_CELLS},rejected,,,missing_field,hard,Required field is missing or zero: seller_loan_number,\
             notebook.missing_required_fields\n\
             A-1,{GOOD_CELLS},rejected,,,duplicate_loan,hard,Loan number A-1 was already used on line 2,\
             notebook.duplicate_loan_number\n"
        );
        assert_eq!(report, expected);
    }

    #[test]
    fn test_exception_summary_aggregation() {
        let more = "B-1,1,6.5,98,35,720,sfr,primary,purchase,312500,312500\nB-2,250000,6.5,99,x,720,sfr,primary,purchase,1,1\n";
        let finished = run_tape(pool() + more).unwrap();
        let rows = finished.rows("exception_summary.csv");
        let cells = |row: &std::collections::BTreeMap<String, String>| {
            ["exception_type", "exception_category", "severity", "count", "rejection_criteria"]
                .map(|name| row[name].clone())
                .join(" ")
        };
        assert_eq!(
            rows.iter().map(cells).collect::<Vec<_>>(),
            [
                "ltv_ratio credit hard 2 notebook.ltv_exceeds_maximum",
                "credit_score credit hard 1 notebook.credit_score_below_minimum",
                "duplicate_loan data_quality hard 1 notebook.duplicate_loan_number",
                "invalid_value data_quality hard 1 notebook.invalid_value",
                "loan_amount_range credit hard 1 notebook.loan_amount_out_of_range",
                "missing_field data_quality hard 1 notebook.missing_required_fields",
                "missing_purchase_price data_quality soft 1 notebook.purchase_price_mismatch",
            ]
        );
        assert_eq!(rows[0]["sample_message"], "LTV 97.01 % is above the maximum 97.00 % (by 0.01)");
    }
}
