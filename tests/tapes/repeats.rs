//! Loan numbers that a run has more than once.

use super::*;

#[test]
fn the_second_and_later_uses_of_a_number_are_rejected() {
    let finished = run_lines(&[good("A"), good("B"), good("A"), good("\"A\"")]);
    assert_eq!(bought(&finished), ["A", "B"]);
    for (row, line) in exceptions(&finished).iter().zip(["4", "5"]) {
        let expected = format!("{line} | duplicate_loan | hard | data_quality | notebook.duplicate_loan_number");
        assert_eq!(told(row, "line exception_type severity exception_category rejection_criteria"), expected);
        assert!(row["message"].contains("Loan number A") && row["message"].contains("line 2"), "{row:?}");
    }
}

#[test]
fn numbers_are_compared_to_the_letter() {
    let finished = run_lines(&["7", "07", "007", "7.0", "a7", "A7", "7 a", "7  a"].map(good));
    assert_eq!(bought(&finished).len(), 8);
}

#[test]
fn the_first_use_counts_even_if_that_loan_is_rejected() {
    for cell in [("credit_score", "bad"), ("ltv_ratio", "98"), ("loan_amount", "")] {
        let finished = run_lines(&[loan("A", &[cell]), good("A"), good("A")]);
        assert!(bought(&finished).is_empty());
        assert_eq!(found(&finished)[1..], ["duplicate_loan"; 2]);
    }
}

#[test]
fn missing_numbers_are_no_repeats_of_each_other_but_the_word_unknown_is() {
    let finished = run_lines(&[good(""), good("NA"), good("UNKNOWN"), good("UNKNOWN")]);
    assert_eq!(found(&finished), ["missing_field", "missing_field", "duplicate_loan"]);
    assert_eq!(bought(&finished), ["UNKNOWN"]);
}

#[test]
fn a_line_of_one_of_several_tapes_is_named_with_its_tape() {
    let tapes = [
        tape(&[good("A"), good("B")]),
        tape(&[good("C"), good("B"), good("C"), "too,few".to_owned()]),
        tape(&[good("B"), good("C"), "\"x\"y,1".to_owned(), good("D")]),
    ];
    let tapes: Vec<_> = ["a.csv", "in/b.csv", "c.csv"].into_iter().zip(tapes.iter().map(String::as_bytes)).collect();
    let finished = run_tapes(&tapes, RuleSet::built_in(), TUNING).unwrap();
    assert_eq!(bought(&finished), ["A", "B", "C", "D"]);
    let messages = column(&exceptions(&finished), "message");
    let expected = [
        "Loan number B was already used on line 3 of a.csv",
        "Loan number C was already used on line 2 of in/b.csv",
        "Line 5 of in/b.csv cannot be read: the row has 2 fields, ",
        "Loan number B was already used on line 3 of a.csv",
        "Loan number C was already used on line 2 of in/b.csv",
        "Line 4 of c.csv cannot be read: ",
    ];
    assert_eq!(messages.len(), expected.len(), "{messages:?}");
    for (message, beginning) in messages.iter().zip(expected) {
        assert!(message.starts_with(beginning), "{message}");
    }
}

#[test]
fn a_line_of_the_only_tape_is_named_without_it() {
    let finished = run_lines(&[good("A"), good("A"), "too,few".to_owned()]);
    let messages = column(&exceptions(&finished), "message");
    assert_eq!(messages[0], "Loan number A was already used on line 2");
    assert!(messages[1].starts_with("Line 4 cannot be read: the row has 2 fields, "), "{messages:?}");
}

#[test]
fn repeats_are_found_at_any_distance() {
    let lines: Vec<String> = (0..20_000).map(|at| good(&format!("L{}", at % 19_990))).collect();
    let finished = run_lines(&lines);
    let rows = exceptions(&finished);
    assert_eq!(column(&rows, "seller_loan_number"), (0..10).map(|at| format!("L{at}")).collect::<Vec<_>>());
    assert!(rows[9]["message"].contains("line 11"), "{:?}", rows[9]);
}
