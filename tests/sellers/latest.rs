//! Tapes with a row for every loan and period. Only the rows of the latest period count.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const KEEP: &str =
    "[rows]\nkeep = { column = \"Reporting Period\", is = \"latest\", date = \"MMYYYY\", by = \"seller_loan_number\" }\n";

/// A tape whose rows have a period, a loan number and further cells. A row without further cells gets those of a good loan.
fn monthly(rows: &[&str]) -> String {
    let row = |row: &&str| if row.matches(',').count() > 1 { format!("{row}\n") } else { format!("{row},{GOOD_CELLS}\n") };
    format!("Reporting Period,{HEADER}\n{}", rows.iter().map(row).collect::<String>())
}

/// Number of loans, and number of superseded rows.
fn counts(finished: &Finished) -> (u64, u64) {
    (finished.outcome.summary.total_loans(), finished.outcome.notices.superseded_rows)
}

/// Line and loan number of each loan that was bought.
fn bought_lines(finished: &Finished) -> Vec<String> {
    let mut lines: Vec<String> = facts(finished)
        .iter()
        .filter(|row| row["disposition"] == "to_purchase")
        .map(|row| told(row, "line seller_loan_number"))
        .collect();
    lines.sort_by_key(|line| line.split(' ').next().and_then(|line| line.parse::<u64>().ok()));
    lines
}

#[test]
fn of_each_loan_the_latest_period_counts_wherever_it_stands() {
    for (keep, periods) in [
        (KEEP, ["112025", "122025", "012026"]),
        (&KEEP.replace(", date = \"MMYYYY\"", ""), ["11/2025", "2025-12-31", "202601"]),
        (&KEEP.replace("MMYYYY", "DMY"), ["30/11/2025", "31/12/2025", "2/1/2026"]),
        (&KEEP.replace("\"Reporting Period\"", "1"), ["112025", "122025", "12026"]),
    ] {
        let [first, second, third] = periods;
        let rows = [(first, "A"), (second, "A"), (third, "A"), (third, "B"), (first, "B"), (second, "C"), (first, "C")];
        let rows: Vec<String> = rows.iter().map(|(period, loan)| format!("{period},{loan}")).collect();
        let tape = monthly(&rows.iter().map(String::as_str).collect::<Vec<_>>());
        let finished = run_profiled(&tape, keep).unwrap();
        assert_eq!(
            (bought_lines(&finished), counts(&finished)),
            (["4 | A", "5 | B", "7 | C"].map(str::to_owned).to_vec(), (3, 4)),
            "{keep}"
        );
        assert_eq!(notices(&finished), ["superseded_rows 1"]);
        let notice = &finished.outcome.notices.kept()[0];
        assert_eq!(notice.message, "4 rows were left out, because the loan has a row of a later period.");
        assert_eq!(notice.line, Some(2));
    }
}

#[test]
fn of_equal_periods_both_stay_and_the_second_is_a_duplicate() {
    let finished = run_profiled(&monthly(&["122025,A", "012026,A", "012026,A", "012026, A "]), KEEP).unwrap();
    assert_eq!((bought_lines(&finished), counts(&finished)), (vec!["3 | A".to_owned()], (3, 1)));
    assert_eq!(reasons(&finished), ["A | duplicate_loan | A", "A | duplicate_loan | A"]);
}

#[test]
fn a_row_that_does_not_say_its_period_or_loan_is_kept_and_not_bought() {
    let cut = format!("012026,1.23E+05,{GOOD_CELLS}");
    let finished =
        run_profiled(&monthly(&["012026,A", "132026,B", ",C", "012025,D", "soon,D", "012026,", "122025,", &cut, &cut]), KEEP);
    let finished = finished.unwrap();
    assert_eq!((bought_lines(&finished), counts(&finished)), (["2 | A", "5 | D"].map(str::to_owned).to_vec(), (9, 0)));
    let expected = [
        "B | invalid_value | 132026",
        "C | invalid_value | missing",
        "D | invalid_value | soon",
        "D | duplicate_loan | D",
        "UNKNOWN | missing_field | missing",
        "UNKNOWN | missing_field | missing",
        "1.23E+05 | invalid_value | 1.23E+05",
        "1.23E+05 | invalid_value | 1.23E+05",
    ];
    assert_eq!(reasons(&finished), expected);
    let message = &column(&exceptions(&finished), "message")[0];
    assert_eq!(
        message,
        "The period in \"Reporting Period\" cannot be read as a date: 132026. The rows of the latest period count"
    );
}

#[test]
fn what_is_no_loan_has_no_period_and_units_are_those_of_all_rows() {
    let row = |period: &str, loan: &str, ltv: &str| {
        format!("{period},{loan},250000,0.065,{ltv},0.35,720,sfr,primary,purchase,312500,312500")
    };
    let rows = [
        row("122025", "A", "0.8"),
        row("122025", "B", "0.8"),
        "012026,Total,500000,,,,,,,,,".to_owned(),
        row("012026", "A", "80%"),
        row("012026", "B", "81%"),
    ];
    let finished = run_profiled(&monthly(&rows.each_ref().map(String::as_str)), KEEP).unwrap();
    assert_eq!((counts(&finished), finished.outcome.notices.ignored_rows), ((2, 2), 1));
    assert_eq!(bought_lines(&finished), ["5 | A", "6 | B"]);
}

#[test]
fn a_period_that_the_tape_does_not_have_fails_the_run() {
    let tape = format!("{HEADER}\n{}\n", good("A"));
    let error = run_profiled(&tape, KEEP).map(drop).unwrap_err();
    assert_eq!(error.code, RunErrorCode::ProfileHeaderAbsent);
    assert!(error.message.starts_with("The period of a row is to be read from a column \"Reporting Period\""), "{error}");
    let error = run_profiled(&tape, &KEEP.replace("\"Reporting Period\"", "12")).map(drop).unwrap_err();
    assert!(error.message.contains("column 12, which the tape does not have"), "{error}");
    let twice = format!("Reporting Period,reporting period,{HEADER}\n1,2,{}\n", good("A"));
    let error = run_profiled(&twice, KEEP).map(drop).unwrap_err();
    assert!(error.message.contains("twice (columns 1 and 2)"), "{error}");
}

#[test]
fn dates_that_may_be_read_either_way_fail_the_run_until_somebody_says_which() {
    let unsaid = KEEP.replace(", date = \"MMYYYY\"", "");
    let tape = monthly(&["03/01/2026,A", "02/02/2026,A", "31/01/2026,B"]);
    let error = run_profiled(&tape, &unsaid).map(drop).unwrap_err();
    assert_eq!((error.code, error.line), (RunErrorCode::ProfileInvalid, Some(4)));
    assert!(error.message.contains("31/01/2026") && error.message.contains("date = \"DMY\""), "{error}");
    let finished = run_profiled(&tape, &unsaid.replace("is =", "date = \"DMY\", is =")).unwrap();
    assert_eq!(bought_lines(&finished), ["3 | A", "4 | B"]);
    // The date format that the profile sets for the whole file also applies to the period.
    assert_eq!(bought_lines(&run_profiled(&tape, &format!("[file]\ndate = \"DMY\"\n{unsaid}")).unwrap()), ["3 | A", "4 | B"]);
}

#[test]
fn the_latest_period_counts_on_whichever_tape_it_stands() {
    let options = Profile::parse(KEEP, "test").unwrap().options;
    let (first, second) = (monthly(&["112025,A", "122025,B", "122025,C"]), monthly(&["122025,A", "112025,B", "122025,C"]));
    let tapes = [("a.csv", first.as_bytes()), ("b.csv", second.as_bytes())];
    let tuning = Tuning { threads: 2, block_bytes: 128 };
    let folder = MemoryFolder::default();
    let outcome = with_options(&tapes, &options, Some(&folder), tuning, run).unwrap();
    let finished = Finished { outcome, files: folder.files() };
    let bought: Vec<String> = facts(&finished)
        .iter()
        .filter(|row| row["disposition"] == "to_purchase")
        .map(|row| told(row, "source_file seller_loan_number"))
        .collect();
    assert_eq!((bought, counts(&finished)), (vec!["a.csv | B".into(), "a.csv | C".into(), "b.csv | A".into()], (4, 2)));
    let whole = given(&folder, Ok(finished.outcome));
    assert!(whole == in_parts_with(&tapes, &options, 100, tuning));
}

#[test]
fn a_row_that_cannot_be_read_drives_no_other_out() {
    // The quoted field takes in the rest of one row and the beginning of the next.
    let header = format!("Loan Number,County,{},Reporting Period", HEADER.split_once(',').unwrap().1);
    let row = |number: &str, county: &str, period: &str| format!("{number},{county},{GOOD_CELLS},{period}");
    let split = |number: &str, county: &str| format!("{number},\"{county},{GOOD_CELLS},012026");
    let rows =
        [row("1", "Cook", "122025"), split("1", "Cook"), format!("2,Lake\",{GOOD_CELLS},012026"), row("3", "Will", "012026")];
    let finished = run_profiled(&format!("{header}\n{}\n", rows.join("\n")), KEEP).unwrap();
    assert_eq!((bought_lines(&finished), counts(&finished)), (vec!["2 | 1".to_owned(), "5 | 3".to_owned()], (3, 0)));
    assert_eq!(column(&exceptions(&finished), "exception_type"), ["malformed_row"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_is_a_loan_or_superseded_by_a_later_one(rows in prop::collection::vec((0..6_u8, 0..5_u8), 1..50)) {
        // Month 0 cannot be read.
        let cells: Vec<String> = rows.iter().map(|(loan, month)| format!("2026-{month:02}-01,L{loan}")).collect();
        let finished = run_profiled(&monthly(&cells.iter().map(String::as_str).collect::<Vec<_>>()), KEEP).unwrap();
        let mut latest: BTreeMap<u8, u8> = BTreeMap::new();
        for (loan, month) in &rows {
            let of = latest.entry(*loan).or_default();
            *of = (*of).max(*month);
        }
        let stays: Vec<(usize, u8)> = (2..).zip(&rows).filter(|(_, (loan, month))| *month == 0 || *month == latest[loan]).map(|(line, (loan, _))| (line, *loan)).collect();
        prop_assert_eq!(counts(&finished), (stays.len() as u64, (rows.len() - stays.len()) as u64));
        let mut met = Vec::new();
        let expected: Vec<String> = stays.into_iter().filter_map(|(line, loan)| {
            let first = !met.contains(&loan);
            met.push(loan);
            (first && rows[line - 2].1 > 0).then(|| format!("{line} | L{loan}"))
        }).collect();
        prop_assert_eq!(bought_lines(&finished), expected);
    }
}
