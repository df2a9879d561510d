//! The built-in rules that compare the fields of a loan with each other.

use super::*;

/// The exceptions of a consistency rule alone.
fn told(rule: &str, more: &str, cells: &[(&str, &str)]) -> Vec<Told> {
    exceptions(&guide(&format!("[rules]\n{rule} = true\n{more}")), cells)
}

#[test]
fn the_rules_are_off_unless_a_guide_switches_them_on() {
    let contradictory =
        [("cltv_ratio", "70"), ("original_balance", "100000"), ("remaining_term", "400"), ("original_term", "360")];
    assert_eq!(exceptions(RuleSet::built_in(), &contradictory), Vec::<Told>::new());
}

#[test]
fn an_ltv_agrees_with_balance_and_value() {
    let rule = "ltv_consistency";
    // The good loan is a purchase of 250,000 on the lower of 312,500 and 315,000, which is 80 %.
    for (cells, agrees) in [
        (&[("ltv_ratio", "81.0")][..], true),
        (&[("ltv_ratio", "81.01")], false),
        (&[("ltv_ratio", "79")], true),
        (&[("ltv_ratio", "78.99")], false),
        // A refinance is on the appraisal alone: 250,000 of 315,000 is 79.37 %.
        (&[("loan_purpose", "C"), ("ltv_ratio", "80.36"), ("purchase_price", "")], true),
        (&[("loan_purpose", "C"), ("ltv_ratio", "80.37"), ("purchase_price", "")], false),
        // The original balance comes before the amount.
        (&[("original_balance", "280000"), ("ltv_ratio", "89.6")], true),
        (&[("original_balance", "280000"), ("ltv_ratio", "80")], false),
        (&[("original_balance", "0"), ("ltv_ratio", "50")], true),
        // What is missing makes the rule pass.
        (&[("ltv_ratio", "50"), ("purchase_price", "")], true),
        (&[("ltv_ratio", "50"), ("appraisal_value", "")], true),
        (&[("ltv_ratio", "50"), ("loan_purpose", "")], true),
    ] {
        let off = "missing_purchase_price = false\nmissing_appraisal = false\nloan_purpose = false";
        let found = told(rule, off, cells);
        assert_eq!(found.is_empty(), agrees, "{cells:?} {found:?}");
    }
    let message = "LTV 90.00 % does not agree with balance $250,000.00 and value $312,500.00, which give 80.00 %";
    let expected = [rule, "soft", "ltv_ratio", "90", "80", "", message].map(str::to_owned);
    assert_eq!(told(rule, "", &[("ltv_ratio", "90")]), [expected]);
    assert_eq!(told(rule, "[limits]\nltv_tolerance = 10", &[("ltv_ratio", "90")]), Vec::<Told>::new());
}

#[test]
fn the_other_rules_name_both_numbers() {
    for (rule, passing, failing, field, actual, limit, message) in [
        (
            "cltv_consistency",
            &[("cltv_ratio", "80")][..],
            &[("cltv_ratio", "79.99")][..],
            "cltv_ratio",
            "79.99",
            "80",
            "CLTV 79.99 % is below the LTV 80.00 %",
        ),
        (
            "value_consistency",
            &[("appraisal_value", "625000")],
            &[("appraisal_value", "625000.01")],
            "appraisal_value",
            "625000.01",
            "312500",
            "Appraisal value $625,000.01 and purchase price $312,500.00 differ by more than a factor of 2",
        ),
        (
            "balance_consistency",
            &[("original_balance", "250000")],
            &[("original_balance", "249999.99")],
            "current_balance",
            "250000",
            "249999.99",
            "Loan amount $250,000.00 is above the original balance $249,999.99",
        ),
        (
            "balance_consistency",
            &[("original_balance", "200000"), ("current_balance", "200000")],
            &[("original_balance", "300000"), ("current_balance", "300001")],
            "current_balance",
            "300001",
            "300000",
            "Current balance $300,001.00 is above the original balance $300,000.00",
        ),
        (
            "term_consistency",
            &[("remaining_term", "360"), ("original_term", "360")],
            &[("remaining_term", "361"), ("original_term", "360")],
            "remaining_term",
            "361",
            "360",
            "Remaining term 361 is above the original term 360",
        ),
        (
            "term_consistency",
            &[("maturity_date", "2055-01-02"), ("origination_date", "2025-01-01")],
            &[("maturity_date", "2025-01-01"), ("origination_date", "2025-01-01")],
            "maturity_date",
            "2025-01-01",
            "2025-01-01",
            "Maturity date 2025-01-01 is not after the origination date 2025-01-01",
        ),
    ] {
        assert_eq!(told(rule, "", passing), Vec::<Told>::new(), "{rule} {passing:?}");
        let expected = [rule, "soft", field, actual, limit, "", message].map(str::to_owned);
        assert_eq!(told(rule, "", failing), [expected], "{rule} {failing:?}");
    }
    // A refinance has no purchase price to compare the value with.
    assert_eq!(told("value_consistency", "", &[("appraisal_value", "900000"), ("loan_purpose", "C")]), Vec::<Told>::new());
}

#[test]
fn a_guide_may_make_a_consistency_rule_hard() {
    let hard = guide("[rules]\ncltv_consistency = true\n[severity]\ncltv_consistency = \"hard\"");
    assert_eq!(decided(&hard, &[("cltv_ratio", "70")], PDATE).1, "rejected");
}
