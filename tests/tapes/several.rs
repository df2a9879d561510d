//! Runs of several tapes.

use super::*;

#[test]
fn tapes_of_different_kinds_form_one_run_in_their_order() {
    let comma = tape(&[good("A"), "bad,row".to_owned()]);
    let semicolons = format!("Title\n{}\n{}\n", HEADER.replace(',', ";"), good("B").replace(',', ";"));
    let aliases = "FICO\tLoan #\tUPB\tRate\tLTV\tProp Type\tDTI\tOcc\tPurpose\n720\tC\t$60,000\t6.5\t80\tSF\t35\tP\tP\n";
    let tapes = [("b/tape.csv", comma.as_bytes()), ("a/tape.csv", semicolons.as_bytes()), ("tape.csv", aliases.as_bytes())];
    let finished = run_tapes(&tapes, RuleSet::built_in(), TUNING).unwrap();
    assert_whole(&finished);
    let facts = facts(&finished);
    assert_eq!(column(&facts, "seller_loan_number"), ["A", "UNKNOWN", "B", "C"]);
    assert_eq!(column(&facts, "source_file"), ["b/tape.csv", "b/tape.csv", "a/tape.csv", "tape.csv"]);
    assert_eq!(column(&facts, "line"), ["2", "3", "3", "2"]);
    assert_eq!(total_balance(&finished), "560000");
    let delimiters: Vec<_> = finished.outcome.mappings.iter().map(|mapping| mapping.delimiter).collect();
    assert_eq!(delimiters, [Some(','), Some(';'), Some('\t')]);
    for (name, bytes) in tapes {
        assert_eq!(finished.files[&format!("archive/{name}")], bytes);
    }
}
