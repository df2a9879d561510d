//! Rows that cannot be read.

use super::*;

#[test]
fn a_row_of_another_width_is_a_rejected_loan_that_shows_line_and_text() {
    for (line, fields) in [("too,few", "2 fields"), ("one", "1 field"), (&(good("L1") + ",x") as &str, "12 fields")] {
        let finished = run_lines(&[good("A"), line.to_owned(), good("B")]);
        assert_eq!(fates(&finished)[1], fate("UNKNOWN", "rejected", 3));
        assert_eq!(bought(&finished), ["A", "B"]);
        let row = &finished.rows("rejection_report.csv")[0];
        let expected = "malformed_row | hard | notebook.malformed_row";
        assert_eq!(told(row, "exception_type severity rejection_criteria"), expected);
        for part in ["Line 3 ", line, fields, "11"] {
            assert!(row["message"].contains(part), "{row:?}");
        }
        assert_eq!(row.values().filter(|cell| cell.is_empty()).count(), 12);
    }
}

#[test]
fn the_first_200_characters_of_the_row_are_shown() {
    let start = "é".repeat(200);
    let finished = run_lines(&[format!("{start}X{}", "y".repeat(1_000)), good("A")]);
    let exception = only_exception(&finished);
    assert!(exception["message"].ends_with(&start), "{exception:?}");
    assert_eq!(exception["actual"], start);
}

#[test]
fn a_stray_quotation_mark_spoils_its_line_only() {
    for line in [good("\"L\"1"), good("\"L1\" x"), loan("L1", &[("property_type", "\"sfr\"x")])] {
        let finished = run_lines(&[good("A"), line.clone(), good("B")]);
        assert_eq!(fates(&finished)[1], fate("UNKNOWN", "rejected", 3), "{line}");
        assert_eq!(bought(&finished), ["A", "B"]);
        let exception = only_exception(&finished);
        assert_eq!(exception["exception_type"], "malformed_row");
        assert!(exception["message"].contains("Line 3 ") && exception["message"].contains(&line), "{exception:?}");
    }
}

#[test]
fn white_space_and_backslashes_around_quotation_marks_spoil_nothing() {
    let text = format!(
        "{HEADER},Notes\n{},\u{a0}\"two\rlines\" \n{} ,\"say \\\"hi\\\"\"\t\r{},\"x\\\"y\r\r\n\\\"\"\n{}, \"a\" b\n",
        good("\"L1\" "),
        good(" \"L2\"").trim_end_matches("312500").to_owned() + "\"312500\"",
        good("L3"),
        good("L4"),
    );
    for block_bytes in [1, 7, 64 * 1024] {
        let tuning = Tuning { threads: 1, block_bytes };
        let finished = run_tapes(&[("t.csv", text.as_bytes())], RuleSet::built_in(), tuning).unwrap();
        let expected = [("L1", 2), ("L2", 4), ("L3", 5), ("L4", 7)].map(|(number, line)| fate(number, "to_purchase", line));
        assert_eq!(fates(&finished), expected);
        let notes: Vec<_> = facts(&finished).iter().map(|fact| kept(fact)["Notes"].clone()).collect();
        assert_eq!(notes, ["two\rlines", "say \"hi\"", "x\"y\r\r\n\"", " \"a\" b"]);
    }
}

#[test]
fn a_quotation_mark_that_opens_by_mistake_takes_no_other_loan_with_it() {
    let lines = [good("A"), good("\"B"), good("C"), good("D"), good("\"E\""), good("F")];
    let finished = run_lines(&lines);
    assert_eq!(bought(&finished), ["A", "C", "D", "E", "F"]);
    assert_eq!(fates(&finished)[1], fate("UNKNOWN", "rejected", 3));
    let exception = only_exception(&finished);
    assert!(exception["message"].contains("Line 3 ") && exception["message"].ends_with(&lines[1]), "{exception:?}");
}

/// A run of a loan with a quoted cell in a kept column, and of a good loan.
fn with_note(note: &str) -> Finished {
    let finished = run_tape(format!("{HEADER},Notes\n{},\"{note}\"\n{},\n", good("A"), good("B"))).unwrap();
    assert_whole(&finished);
    finished
}

#[test]
fn a_quoted_field_may_span_100_lines() {
    let note = |lines: usize| vec!["x"; lines].join("\n");
    let finished = with_note(&note(100));
    assert_eq!(fates(&finished), [fate("A", "to_purchase", 2), fate("B", "to_purchase", 102)]);
    assert_eq!(kept(&facts(&finished)[0])["Notes"], note(100));
    // Add enough rows that the lines of the note, which become rows of their own, are not most of the tape.
    let rows: Vec<String> = (0..150).map(|at| good(&format!("L{at}")) + ",").collect();
    let (first, note) = (good("A"), note(101));
    let finished = run_tape(format!("{HEADER},Notes\n{first},\"{note}\"\n{},\n{}\n", good("B"), rows.join("\n"))).unwrap();
    assert_whole(&finished);
    let fates = fates(&finished);
    assert_eq!(
        (fates.len(), fates[0].clone(), fates[1].clone()),
        (252, fate("UNKNOWN", "rejected", 2), fate("UNKNOWN", "rejected", 3))
    );
    assert_eq!(fates[100..102], [fate("UNKNOWN", "rejected", 102), fate("B", "to_purchase", 103)]);
    assert_eq!(exceptions(&finished)[1]["actual"], "x");
}

#[test]
fn a_quoted_field_may_hold_64_kib() {
    for line in
        ["x".repeat(64 * 1024), "é".repeat(32 * 1024), format!("{}\n{}", "x".repeat(32 * 1024), "y".repeat(32 * 1024 - 1))]
    {
        let finished = with_note(&line);
        assert_eq!(kept(&facts(&finished)[0])["Notes"], line);
        assert_eq!(bought(&finished), ["A", "B"]);
        let finished = with_note(&(line + "z"));
        assert_eq!(fates(&finished)[0], fate("UNKNOWN", "rejected", 2));
        assert_eq!(bought(&finished), ["B"]);
        assert!(exceptions(&finished)[0]["message"].contains("Line 2 "));
    }
}

#[test]
fn the_end_of_the_tape_inside_quotes_spoils_only_the_line_that_opened_them() {
    let finished = run_lines(&[good("A"), good("\"B"), good("C"), good("D")]);
    assert_eq!(bought(&finished), ["A", "C", "D"]);
    assert_eq!(fates(&finished)[1], fate("UNKNOWN", "rejected", 3));
    assert!(only_exception(&finished)["message"].contains(&good("\"B")));
    let finished = run_tape(format!("{HEADER},Notes\n{},\"never closed", good("A"))).unwrap();
    assert_eq!(fates(&finished), [fate("UNKNOWN", "rejected", 2)]);
}

#[test]
fn blank_lines_and_rows_of_empty_cells_are_skipped_and_counted_as_lines() {
    let blanks = ["", "   ", "\t", ",,,,,,,,,,", " , ,,,,,,,,, ", "\"\",,,,,,,,,,\"  \"", ",", ",,,,,,,,,,,,,,,", "\u{a0}", "\r"];
    for blank in blanks {
        let finished = run_lines(&[blank, &good("A"), blank, blank, &good("B"), blank, ""]);
        assert_eq!(fates(&finished), [fate("A", "to_purchase", 3), fate("B", "to_purchase", 6)], "{blank:?}");
        assert_eq!(finished.outcome.summary.exceptions_count(), 0);
    }
}

#[test]
fn a_row_with_anything_in_it_is_a_loan() {
    for line in [",0,,,,,,,,,", "x,,,,,,,,,,", "\"\"\"\",,,,,,,,,,", ",,,,,,,,,,1", "x"] {
        let finished = run_lines(&[line.to_owned(), good("A")]);
        assert_eq!((finished.outcome.summary.total_loans(), noticed(&finished)), (2, Vec::new()), "{line}");
        assert_whole(&finished);
    }
    // A row with neither a loan number nor any other number is not a loan, and a notice says so.
    for line in [",,,,,,,,,,x", "NA,,,,,,,,,,", "-,,,,,,,,,,", "."] {
        let finished = run_lines(&[line.to_owned(), good("A")]);
        assert_eq!(
            (fates(&finished), noticed(&finished)),
            (vec![fate("A", "to_purchase", 3)], vec!["not_a_loan 2".to_owned()]),
            "{line}"
        );
        assert_eq!(finished.outcome.notices.ignored_rows, 1);
    }
}

#[test]
fn lines_are_physical_from_1_on() {
    let text = format!(
        "\"Title\nover two lines\"\n\n{},\"Notes\r\nhere\"\n{},\"a\n\nb\"\r\n\n{},\n{},\"c\nshort\n{},d\n",
        HEADER,
        good("A"),
        good("B"),
        good("C"),
        good("D")
    );
    let finished = run_tape(text).unwrap();
    assert_eq!(finished.outcome.mappings[0].header_line, 4);
    let expected = [
        fate("A", "to_purchase", 6),
        fate("B", "to_purchase", 10),
        fate("UNKNOWN", "rejected", 11),
        fate("UNKNOWN", "rejected", 12),
        fate("D", "to_purchase", 13),
    ];
    assert_eq!(fates(&finished), expected);
}
