//! Units, signs, commas and points of numbers.

use super::*;
use crate::support::tape_rows::tape;

/// A tape of loans `L0`, `L1`, … with these cells in one column.
fn of_cells(column: &str, cells: &[&str]) -> String {
    let rows: Vec<String> = cells.iter().enumerate().map(|(at, cell)| loan(&format!("L{at}"), &[(column, cell)])).collect();
    tape(&rows)
}

/// The values that loans with these cells get in a column, and the number of loans that are bought.
#[track_caller]
fn values(name: &str, cells: &[&str]) -> (Vec<String>, usize) {
    let finished = read(of_cells(name, cells), cells.len() as u64);
    let written = column(&facts(&finished), name);
    let shown = written.iter().map(|cell| cell.parse::<f64>().map_or_else(|_| cell.clone(), |n| n.to_string()));
    (shown.collect(), bought(&finished).len())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_percent_sign_in_a_column_of_fractions_says_percent() {
    assert_eq!(values("dti_ratio", &["0.35", "40%", "0.45", "0.5 %"]), (texts(&["35", "40", "45", "0.5"]), 4));
    assert_eq!(values("ltv_ratio", &["0.8", "75.5%", "0.97", "97%"]), (texts(&["80", "75.5", "97", "97"]), 4));
    assert_eq!(values("note_rate", &["0.065", "6.5%", "0.07"]), (texts(&["6.5", "6.5", "7"]), 3));
}

#[test]
fn the_more_frequent_zone_is_the_unit_and_the_other_one_contradicts_it() {
    for (column, fractions, percents, fraction, percent) in [
        ("ltv_ratio", ["0.8", "0.75"], ["80", "75"], "0.7", "70"),
        ("dti_ratio", ["0.35", "1.5"], ["35", "45"], "0.3", "30"),
        ("note_rate", ["0.065", "0.07"], ["6.5", "7"], "0.06", "6"),
    ] {
        let finished = read(of_cells(column, &[fractions[0], fractions[1], percent]), 3);
        assert_eq!(reasons(&finished).last(), Some(&format!("L2 | invalid_value | {percent}")), "{column}");
        let finished = read(of_cells(column, &[percents[0], percents[1], fraction]), 3);
        assert_eq!(reasons(&finished), [format!("L2 | invalid_value | {fraction}")], "{column}");
    }
}

#[test]
fn as_many_of_both_fail_the_run_with_a_line_of_each() {
    for (column, cells, lines) in [
        ("ltv_ratio", &["", "0.8", "80"][..], [3, 4]),
        ("ltv_ratio", &["80", "0.8", "75", "0.75"], [2, 3]),
        ("dti_ratio", &["0.35", "3", "35"], [2, 4]),
        ("note_rate", &["6.5", "0.75", "0.065"], [2, 4]),
    ] {
        let (code, message) = refusal(of_cells(column, cells));
        assert_eq!(code, RunErrorCode::MixedUnits, "{column}");
        assert!(lines.iter().all(|line| message.contains(&line.to_string())), "{message}");
    }
}

#[test]
fn a_standard_column_of_both_is_left_as_it_is() {
    // An original rate column also claims the note rate, in addition to the column that counts.
    for (header, cells, told) in [
        ("CLTV", ["0.85", "85"], &["values_not_read 1"][..]),
        ("Original Rate", ["0.065", "6.5"], &["two_claims 1", "values_not_read 1"]),
    ] {
        let text = format!("{HEADER},{header}\n{},{}\n{},{}\n", good("A"), cells[0], good("B"), cells[1]);
        let finished = read(text, 2);
        assert_eq!((bought(&finished).len(), notices(&finished)), (2, texts(told)), "{header}");
        assert_eq!(crate::support::tape_rows::kept(&facts(&finished)[0])[header], cells[0]);
    }
}

#[test]
fn what_lies_between_the_zones() {
    // An LTV between the zones may be a ratio above one, so it is invalid. A DTI and a rate are read as written.
    let finished = read(of_cells("ltv_ratio", &["80", "75", "1.62", "4.99", "5"]), 5);
    assert_eq!(bought(&finished), ["L0", "L1", "L4"]);
    assert!(exceptions(&finished)[0]["message"].contains("1.62 may be 162 %"), "{:?}", exceptions(&finished)[0]);
    assert_eq!(values("dti_ratio", &["35", "40", "1.62", "4.99"]), (texts(&["35", "40", "1.62", "4.99"]), 4));
    assert_eq!(values("note_rate", &["6.5", "7", "0.75"]), (texts(&["6.5", "7", "0.75"]), 3));
    // In a column of fractions, values between the zones are fractions.
    assert_eq!(values("ltv_ratio", &["0.8", "0.75", "1.62"]), (texts(&["80", "75", "162"]), 2));
    assert_eq!(values("dti_ratio", &["0.35", "0.3", "3"]), (texts(&["35", "30", "300"]), 2));
    // If no value decides the unit, the column is in percent.
    assert_eq!(values("note_rate", &["0.75", "0.8"]).0, ["0.75", "0.8"]);
}

#[test]
fn a_decimal_comma_is_no_comma_of_thousands() {
    for (name, cells) in [
        ("note_rate", ["6,875", "6,5", "1,000"]),
        ("ltv_ratio", ["80,00", "79,9", "1,234"]),
        ("dti_ratio", ["35,5", "0,35", "35,000"]),
        ("credit_score", ["7,20", "720,0", "9,999"]),
    ] {
        for cell in cells {
            let finished = read(of_cells(name, &[cell, "", ""]), 3);
            assert!(bought(&finished).iter().all(|number| number != "L0"), "{name} {cell}");
            let first = &exceptions(&finished)[0];
            assert_eq!(told(first, "exception_type actual"), format!("invalid_value | {cell}"));
            assert!(first["message"].contains("decimal comma"), "{first:?}");
        }
    }
    for cell in ["1.234,56", "250000,50", "2,50,000", "250,00", ",250", "1,2345"] {
        let finished = read(of_cells("loan_amount", &[cell, "250,000", "1,250,000.50"]), 3);
        assert_eq!(
            (bought(&finished), reasons(&finished)),
            (texts(&["L1", "L2"]), texts(&[&format!("L0 | invalid_value | {cell}")]))
        );
    }
}

#[test]
fn an_implied_point_is_never_added() {
    for cell in ["06875", "6875", "0675", "650", "31"] {
        let finished = read(of_cells("note_rate", &[cell, cell, "6.5"]), 3);
        assert_eq!(bought(&finished), ["L2"], "{cell}");
        assert!(exceptions(&finished).iter().all(|row| row["exception_type"] == "invalid_value"), "{cell}");
    }
    for (column, cell) in [("ltv_ratio", "08000"), ("ltv_ratio", "9700"), ("dti_ratio", "3550")] {
        assert_eq!(bought(&read(of_cells(column, &[cell, "35"]), 2)), ["L1"], "{cell}");
    }
}

#[test]
fn a_rate_that_no_note_has_is_invalid_under_any_rule_set() {
    let rules = RuleSet::from_toml("[limits]\nnote_rate = { min = 0, max = 100 }\n[rules]\nnote_rate_range = false").unwrap();
    let text = of_cells("note_rate", &["30", "30.01", "-0.01", "31%", "6.5", "999"]);
    let finished =
        crate::support::runs::run_tapes(&[("t.csv", text.as_bytes())], &rules, Tuning { threads: 1, block_bytes: 4_096 })
            .unwrap();
    assert_eq!(bought(&finished), ["L0", "L4"]);
    assert_eq!(column(&exceptions(&finished), "exception_type"), ["invalid_value"; 4]);
}

#[test]
fn a_percent_sign_in_other_columns_is_invalid() {
    for (column, cell) in
        [("loan_amount", "250000%"), ("credit_score", "720 %"), ("purchase_price", "100%"), ("appraisal_value", "(5%)")]
    {
        let finished = read(of_cells(column, &[cell, "300000"]), 2);
        assert_eq!(reasons(&finished)[0], format!("L0 | invalid_value | {cell}"));
    }
}

#[test]
fn noise_behind_the_fifteenth_digit_is_rounded_off() {
    for (column, cell, value) in [
        ("ltv_ratio", "97.00000000000001", "97"),
        ("ltv_ratio", "96.99999999999999", "97"),
        ("dti_ratio", "50.000000000000004", "50"),
        ("note_rate", "6.8750000000000002", "6.875"),
        ("loan_amount", "250000.00000000003", "250000"),
    ] {
        let finished = read(of_cells(column, &[cell, cell]), 2);
        assert_eq!(finished.rows("purchase_tape.csv")[0][column], value, "{cell}");
    }
    // Fractions are rounded before they are converted to percentages.
    let finished = read(of_cells("ltv_ratio", &["0.9700000000000001", "0.97"]), 2);
    assert_eq!(bought(&finished).len(), 2);
    let finished = read(of_cells("ltv_ratio", &["97.0000000000001", "80"]), 2);
    assert_eq!(bought(&finished), ["L1"]);
}

#[test]
fn signs_of_accountants_are_read() {
    for (cell, value) in [
        ("$ 250,000", "250000"),
        (" $250,000.00 ", "250000"),
        ("+250000", "250000"),
        ("'250000", "250000"),
        ("=\"250000\"", "250000"),
    ] {
        let finished = read(of_cells("loan_amount", &[cell, "1e5"]), 2);
        assert_eq!(finished.rows("purchase_tape.csv")[0]["loan_amount"], value, "{cell}");
    }
    for cell in ["$-", " $ -   ", "(0.00)", "-", "$(1,000)", "-$1,000", "$ (1,000.00)"] {
        assert_eq!(bought(&read(of_cells("loan_amount", &[cell, "1e5"]), 2)), ["L1"], "{cell}");
    }
}

/// Runs loans with these property types and numbers of units.
#[track_caller]
fn of_units(rows: &[(&str, &str)]) -> Finished {
    let lines = rows
        .iter()
        .enumerate()
        .map(|(at, (word, units))| loan(&format!("L{at}"), &[("property_type", word)]) + "," + units + "\n");
    read(format!("{HEADER},Number of Units\n{}", lines.collect::<String>()), rows.len() as u64)
}

#[test]
fn the_number_of_units_makes_the_type() {
    let rows = [
        ("SFR", "1"),
        ("Single Family", "2"),
        ("sfr", "4"),
        ("Duplex", "2"),
        ("2-4 unit", "3"),
        ("Condo", "200"),
        ("PUD", "5"),
        ("TH", "8"),
        ("sfr", ""),
    ];
    let finished = of_units(&rows);
    assert_eq!(bought(&finished).len(), 9);
    let types = column(&facts(&finished), "property_type");
    assert_eq!(types, ["sfr", "2-4_unit", "2-4_unit", "2-4_unit", "2-4_unit", "condo", "pud", "townhouse", "sfr"]);
    assert_eq!(notices(&finished), ["units_make_type 1"]);
    assert_eq!(notices(&of_units(&[("sfr", "1"), ("condo", "9")])), [""; 0]);
}

#[test]
fn five_units_and_more_are_not_bought_as_a_house() {
    for (word, units) in [("SFR", "5"), ("Single Family", "12"), ("2-4 unit", "5"), ("Fourplex", "100")] {
        let finished = of_units(&[(word, units), ("sfr", "1")]);
        assert_eq!(bought(&finished), ["L1"], "{word} {units}");
        let exception = &exceptions(&finished)[0];
        assert_eq!(exception["exception_type"], "property_type");
        assert!(exception["message"].contains(word) && exception["message"].contains(units), "{exception:?}");
        assert_eq!(notices(&finished), ["units_make_type 1"]);
    }
}

#[test]
fn units_that_cannot_be_read_change_nothing_and_are_told() {
    let finished = of_units(&[("sfr", "many"), ("sfr", "1"), ("sfr", "1.5")]);
    assert_eq!((bought(&finished).len(), notices(&finished)), (3, vec!["values_not_read 1".to_owned()]));
    assert!(finished.outcome.notices.kept()[0].message.contains("number_of_units"));
}
