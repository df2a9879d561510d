//! Several columns for one field.

use super::*;

/// A tape with another name for one column, and an additional column with these cells.
fn with_another(column: &str, name: &str, other: &str, cells: [&str; 2]) -> String {
    let tape = renamed(&[(column, name)]);
    let cells = [other, cells[0], cells[1]];
    tape.lines().zip(cells).map(|(line, cell)| format!("{line},{cell}\n")).collect()
}

#[test]
fn the_higher_rank_wins_and_a_notice_says_so() {
    for (column, winner, loser, cell) in [
        ("loan_amount", "Current UPB", "Original Balance", "1"),
        ("loan_amount", "UPB", "Loan Amount", "1"),
        ("loan_amount", "Current Balance", "Principal Balance", "1"),
        ("loan_amount", "Loan Amount", "Original Balance", "1"),
        ("note_rate", "Current Rate", "Note Rate", "29"),
        ("note_rate", "Current Interest Rate", "Original Interest Rate", "29"),
        ("note_rate", "Note Rate", "Coupon", "29"),
        ("ltv_ratio", "LTV", "Original LTV", "120"),
        ("credit_score", "FICO", "Credit Score at Origination", "300"),
        ("property_type", "Property Type", "Property Class", "A"),
        ("property_type", "Prop Type", "Collateral Type", "First Lien"),
        ("appraisal_value", "Appraised Value", "Appraisal", "Full"),
        ("seller_loan_number", "Loan Number", "Account Number", "7"),
        ("dti_ratio", "DTI", "Original DTI", "99"),
    ] {
        let finished = read(with_another(column, winner, loser, [cell, cell]), 2);
        assert_eq!(bought(&finished), ["L1", "L2"], "{winner}, {loser}");
        assert_eq!(notices(&finished), ["two_claims 1"], "{winner}, {loser}");
        let message = &finished.outcome.notices.kept()[0].message;
        assert!(message.contains(winner) && message.contains(loser), "{message}");
        assert_eq!(reasons(&finished), [""; 0], "{winner}, {loser}");
    }
}

#[test]
fn originals_go_to_their_standard_fields_and_others_are_kept() {
    let finished = read(with_another("loan_amount", "Current UPB", "Original Balance", ["300000", "310000"]), 2);
    let balances = column(&facts(&finished), "original_balance");
    assert_eq!(balances.iter().map(|text| text.trim_end_matches(".00")).collect::<Vec<_>>(), ["300000", "310000"]);
    let finished = read(with_another("note_rate", "Current Rate", "Original Rate", ["7", "7.125"]), 2);
    let rates: Vec<f64> = column(&facts(&finished), "original_rate").iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(rates, [7.0, 7.125]);
    let finished = read(with_another("ltv_ratio", "LTV", "Original LTV", ["81", "82"]), 2);
    let kept: Vec<String> =
        facts(&finished).iter().map(|fact| crate::support::tape_rows::kept(fact)["Original LTV"].clone()).collect();
    assert_eq!(kept, ["81", "82"]);
}

#[test]
fn an_original_alone_is_what_is_sold() {
    for (column, name) in [("loan_amount", "Original Balance"), ("note_rate", "Original Interest Rate"), ("ltv_ratio", "OLTV")] {
        let finished = read(renamed(&[(column, name)]), 2);
        assert_eq!((bought(&finished).len(), notices(&finished)), (2, vec![]), "{name}");
    }
}

#[test]
fn a_tie_of_the_highest_rank_fails_and_a_map_is_the_way_out() {
    for (column, one, other) in [
        ("seller_loan_number", "Loan ID", "Loan Number"),
        ("seller_loan_number", "Seller Loan Number", "Loan #"),
        ("loan_amount", "UPB", "Current UPB"),
        ("loan_amount", "Loan Amount", "Balance"),
        ("note_rate", "Note Rate", "Interest Rate"),
        ("credit_score", "FICO", "Credit Score"),
        ("occupancy_status", "Occupancy", "Occupancy Status"),
        ("loan_purpose", "Purpose", "Loan Purpose"),
        ("purchase_price", "Sales Price", "Purchase Price"),
        ("appraisal_value", "Appraised Value", "Property Value"),
        ("dti_ratio", "DTI", "Back Ratio"),
    ] {
        let tape = with_another(column, one, other, ["x1", "x2"]);
        let (code, message) = refusal(&tape);
        assert_eq!(code, RunErrorCode::DuplicateColumns, "{one}, {other}");
        let way_out = format!("--map {column}=\"{one}\"");
        assert!(message.contains(&format!("\"{one}\" and \"{other}\"")) && message.contains(&way_out), "{message}");
        let field = Field::from_name(column).unwrap();
        let finished = run_mapped(&tape, &[(field, one)]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(bought(&finished), ["L1", "L2"], "{one}, {other}");
        let swapped = run_mapped(&tape, &[(field, other)]).unwrap_or_else(|error| panic!("{error}"));
        let taken = swapped.outcome.mappings[0].columns.iter().find(|of| of.known() == Some(field)).unwrap();
        assert_eq!(taken.header, other);
    }
}

#[test]
fn a_tie_below_the_winner_is_none() {
    let tape = with_another("loan_amount", "UPB", "Loan Amount", ["1", "2"]);
    let tape: String = tape.lines().zip(["Balance", "3", "4"]).map(|(line, cell)| format!("{line},{cell}\n")).collect();
    let finished = read(tape, 2);
    assert_eq!(bought(&finished), ["L1", "L2"]);
    assert_eq!(notices(&finished), ["two_claims 1"]);
}

#[test]
fn two_claims_on_a_standard_field_leave_both_as_they_are() {
    let tape: String = with_another("loan_purpose", "Purpose", "State", ["CA", "NY"])
        .lines()
        .zip(["Property State", "WA", "OR"])
        .map(|(line, cell)| format!("{line},{cell}\n"))
        .collect();
    let finished = read(tape, 2);
    assert_eq!((bought(&finished).len(), notices(&finished)), (2, vec!["two_claims 1".to_owned()]));
    assert_eq!(column(&facts(&finished), "property_state"), ["", ""]);
    let kept = crate::support::tape_rows::kept(&facts(&finished)[0]);
    assert!(kept.values().any(|cell| cell == "CA") && kept.values().any(|cell| cell == "WA"), "{kept:?}");
}

#[test]
fn a_coupon_counts_only_alone() {
    let finished = read(renamed(&[("note_rate", "Coupon")]), 2);
    assert_eq!(bought(&finished).len(), 2);
    for gross in ["WAC", "Gross WAC", "Gross Coupon"] {
        let (code, message) = refusal(with_another("note_rate", "Coupon", gross, ["7", "7"]));
        assert_eq!(code, RunErrorCode::MissingColumns, "{gross}");
        assert!(message.contains("note_rate"), "{message}");
    }
    let finished = read(with_another("note_rate", "Gross Rate", "Coupon", ["29", "29"]), 2);
    assert_eq!(bought(&finished).len(), 2);
}

#[test]
fn a_weak_name_of_other_values_is_only_kept() {
    for cells in ["Full", "AVM", "2026-01-31"] {
        let tape = renamed(&[("appraisal_value", "Appraisal")]);
        let tape: String = tape
            .lines()
            .enumerate()
            .map(
                |(at, line)| {
                    if at == 0 { format!("{line}\n") } else { format!("{},{cells}\n", line.rsplit_once(',').unwrap().0) }
                },
            )
            .collect();
        let finished = read(tape, 2);
        assert_eq!((bought(&finished).len(), notices(&finished)), (2, vec!["column_not_read 1".to_owned()]), "{cells}");
        assert_eq!(column(&exceptions(&finished), "exception_type"), ["missing_appraisal"; 2]);
        assert_eq!(crate::support::tape_rows::kept(&facts(&finished)[0])["Appraisal"], cells);
    }
    for (name, cell) in [("Property Class", "A"), ("Collateral Type", "First Lien")] {
        let tape = renamed(&[("property_type", name)]).replace(",sfr,", &format!(",{cell},"));
        let (code, message) = refusal(tape);
        assert_eq!(code, RunErrorCode::MissingColumns, "{name}");
        assert!(message.contains("property_type") && message.contains("--map property_type="), "{message}");
        assert_eq!(bought(&read(renamed(&[("property_type", name)]), 2)).len(), 2, "{name}");
    }
}
