//! Rule sets that a run brings with it.

use super::*;

#[test]
fn bounds_are_inclusive_and_exact() {
    for (column, passes) in [
        ("loan_amount", &["50000", "50,000.00", "5000000", "4999999.99"][..]),
        ("ltv_ratio", &["97", "97.0", "97.000000000000", "97.00000000000001", "5"]),
        ("dti_ratio", &["0", "50", "50.00%"]),
        ("credit_score", &["620", "850", "620.0"]),
        ("note_rate", &["1", "1.0", "15", "15.000"]),
        ("purchase_price", &["0.01"]),
        ("appraisal_value", &["0.000001"]),
    ] {
        for text in passes {
            let finished = run_cell(column, text);
            assert_eq!((bought(&finished).len(), found(&finished).len()), (3, 0), "{column} {text}");
        }
    }
}

#[test]
fn what_lies_beyond_a_bound_fails_with_its_value_and_its_limit() {
    for (column, text, expected, parts) in [
        ("loan_amount", "49999.99", "loan_amount_range | hard | 49999.99 | >= 50000 | 0.01", ["$49,999.99", "$50,000.00"]),
        (
            "loan_amount",
            "5000000.01",
            "loan_amount_range | hard | 5000000.01 | <= 5000000 | 0.01",
            ["$5,000,000.01", "$5,000,000.00"],
        ),
        ("ltv_ratio", "97.01", "ltv_ratio | hard | 97.01 | <= 97.0 | 0.01", ["97.01 %", "97.00 %"]),
        (
            "ltv_ratio",
            "97.0000000001",
            "ltv_ratio | hard | 97.0000000001 | <= 97.0 | 0.0000000001",
            ["97.0000000001 %", "97.00 %"],
        ),
        ("ltv_ratio", "-80", "ltv_ratio | hard | -80 | > 0 | 80", ["-80.00 %", "0.00 %"]),
        ("dti_ratio", "50.01", "dti_ratio | hard | 50.01 | <= 50.0 | 0.01", ["50.01 %", "50.00 %"]),
        ("dti_ratio", "-0.01", "dti_ratio | hard | -0.01 | >= 0 | 0.01", ["-0.01 %", "0.00 %"]),
        ("credit_score", "619", "credit_score | hard | 619 | >= 620 | 1", ["619", "620"]),
        ("credit_score", "851", "credit_score | hard | 851 | <= 850 | 1", ["851", "850"]),
        ("note_rate", "0.99", "note_rate_range | soft | 0.99 | >= 1.0 | 0.01", ["0.99 %", "1.00 %"]),
        ("note_rate", "15.01", "note_rate_range | soft | 15.01 | <= 15.0 | 0.01", ["15.01 %", "15.00 %"]),
        ("purchase_price", "0", "missing_purchase_price | soft | 0 | > 0 | 0", ["$0.00", "above $0.00"]),
        ("appraisal_value", "-1", "missing_appraisal | soft | -1 | > 0 | 1", ["-$1.00", "above $0.00"]),
    ] {
        let finished = run_cell(column, text);
        let exception = only_exception(&finished);
        assert_eq!(told(&exception, "exception_type severity actual limit excess"), expected);
        assert_eq!(exception["seller_loan_number"], "X");
        assert!(parts.iter().all(|part| exception["message"].contains(part)), "{exception:?}");
        assert_eq!(bought(&finished).contains(&"X".to_owned()), exception["severity"] == "soft");
    }
}

#[test]
fn messages_are_written_for_a_seller() {
    let exception = only_exception(&run_cell("ltv_ratio", "97.8"));
    assert_eq!(exception["message"], "LTV 97.80 % is above the maximum 97.00 % (by 0.80)");
}

#[test]
fn every_rule_is_checked_and_rejections_come_in_rule_order() {
    let cells = [
        ("loan_amount", "1"),
        ("note_rate", "16"),
        ("ltv_ratio", "98"),
        ("dti_ratio", "51"),
        ("credit_score", "600"),
        ("property_type", "MH"),
        ("occupancy_status", "vacant"),
        ("loan_purpose", "heloc"),
        ("purchase_price", "0"),
        ("appraisal_value", ""),
    ];
    let finished = run_lines(&[good("A"), loan("X", &cells)]);
    let rows = finished.rows("rejection_report.csv");
    let rules = [
        "loan_amount_range | hard | notebook.loan_amount_out_of_range",
        "ltv_ratio | hard | notebook.ltv_exceeds_maximum",
        "dti_ratio | hard | notebook.dti_exceeds_maximum",
        "credit_score | hard | notebook.credit_score_below_minimum",
        "property_type | hard | notebook.ineligible_property_type",
        "occupancy_status | hard | notebook.ineligible_occupancy",
        "loan_purpose | hard | notebook.ineligible_loan_purpose",
        "missing_purchase_price | soft | notebook.purchase_price_mismatch",
        "missing_appraisal | soft | notebook.appraisal_missing",
        "note_rate_range | soft | notebook.note_rate_out_of_range",
    ];
    let names = "exception_type severity rejection_criteria";
    assert_eq!(rows.iter().map(|row| told(row, names)).collect::<Vec<_>>(), rules);
    let categories = "credit credit credit credit collateral collateral compliance data_quality data_quality pricing";
    assert_eq!(column(&exceptions(&finished), "exception_category").join(" "), categories);
}

#[test]
fn all_validation_failures_of_a_loan_are_told_and_eligibility_is_skipped() {
    let cells = [
        ("loan_amount", "0"),
        ("note_rate", "abc"),
        ("ltv_ratio", "98"),
        ("credit_score", ""),
        ("property_type", "NA"),
        ("dti_ratio", "?"),
        ("appraisal_value", "$"),
        ("loan_purpose", "heloc"),
    ];
    let finished = run_lines(&[good("A"), loan("A", &cells)]);
    let rows = finished.rows("rejection_report.csv");
    let told: Vec<_> = rows.iter().map(|row| (row["exception_type"].as_str(), row["message"].as_str())).collect();
    assert_eq!(told[0], ("missing_field", "Required fields are missing or zero: loan_amount, credit_score, property_type"));
    assert_eq!(column(&rows, "exception_type")[1..], ["invalid_value", "invalid_value", "invalid_value", "duplicate_loan"]);
    for ((_, message), cell) in told[1..4].iter().zip(["Note rate \"abc\"", "DTI \"?\"", "Appraisal value \"$\""]) {
        assert!(message.contains(cell), "{message}");
    }
    assert!(column(&exceptions(&finished), "exception_category").iter().all(|category| category == "data_quality"));
}

#[test]
fn missing_optional_values_say_what_is_wanted() {
    let finished = run_cell("dti_ratio", "");
    let exception = only_exception(&finished);
    assert!(["missing", "0.00 %", "50.00 %"].iter().all(|part| exception["message"].contains(part)), "{exception:?}");
    assert_eq!(finished.rows("rejection_report.csv")[0]["dti_ratio"], "");
}

#[test]
fn projection_policies_hold_loans_back_and_say_why() {
    let lines = [
        loan("low", &[("note_rate", "8.04")]),
        loan("edge", &[("note_rate", "8.05")]),
        loan("soft", &[("note_rate", "9"), ("purchase_price", "")]),
        loan("hard", &[("ltv_ratio", "98")]),
    ];
    for (policy, projected, reasons) in [
        ("minimum_spread = 0.0", &["low"][..], &["-0.0100"][..]),
        ("minimum_spread = 0.01", &["low", "edge"], &["0.0100", "0.0000"]),
        ("minimum_price = 100", &["low"], &["99.9750"]),
        ("hold_on_soft_exceptions = true", &["soft"], &["missing_purchase_price"]),
        ("hold_on_soft_exceptions = false", &[], &[]),
        ("minimum_price = 103\nhold_on_soft_exceptions = true", &["low", "edge", "soft"], &["103", "100.0000", "102.3750"]),
    ] {
        let finished = run_with_rules(&lines, &format!("[projection]\n{policy}"));
        let rows = finished.rows("projected_tape.csv");
        assert_eq!(column(&rows, "seller_loan_number"), projected, "{policy}");
        assert!(rows.iter().all(|row| row["disposition"] == "projected" && !row["final_price"].is_empty()));
        let held: Rows = facts(&finished).into_iter().filter(|fact| fact["disposition"] == "projected").collect();
        for (fact, reason) in held.iter().zip(reasons) {
            assert!(fact["projection_reason"].contains(reason), "{fact:?}");
        }
        assert_eq!(column(&rows, "projection_reason"), column(&held, "projection_reason"), "{policy}");
        assert_eq!(finished.outcome.summary.count(Disposition::Rejected), 1);
    }
}

#[test]
fn nothing_is_projected_by_default_but_what_cannot_be_priced() {
    // A rate that has no price is not a valid note rate, and every valid note rate has a price.
    let rates = [("A", "30"), ("B", "1e-20%"), ("C", "29.9999999999999"), ("X", "1e25"), ("Y", "30.0000000000001")];
    let finished = run_lines(&rates.map(|(number, rate)| loan(number, &[("note_rate", rate)])));
    assert_eq!(bought(&finished), ["A", "B", "C"]);
    assert!(finished.rows("projected_tape.csv").is_empty());
    let found = exceptions(&finished).into_iter().filter(|exception| exception["severity"] == "hard").collect();
    assert_eq!(column(&found, "exception_type"), ["invalid_value"; 2]);
    assert_eq!(column(&found, "actual"), ["1e25", "30.0000000000001"]);
}
