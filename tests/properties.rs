//! Properties that hold for every tape.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared::{
    decimal::Decimal, engine::Tuning, loan::Field, phases::disposition::Disposition, results::outputs::OUTPUTS,
    rules::rule_set::RuleSet,
};

use crate::support::runs::{Finished, GOOD_CELLS, HEADER, run_tapes};

/// A cell of a tape: good, odd or broken.
fn cell(field: Field) -> BoxedStrategy<String> {
    let odd = prop_oneof![
        4 => Just(String::new()),
        1 => "[ -~]{0,8}",
        1 => Just("NA".to_owned()),
        1 => Just("=1+1".to_owned()),
        1 => Just("$1,234.50".to_owned()),
        1 => Just("(12)".to_owned()),
        1 => Just("0.800000011920929".to_owned()),
        1 => Just("Zürich 🏠".to_owned()),
    ];
    let good: BoxedStrategy<String> = match field {
        Field::SellerLoanNumber => (0..40_u32).prop_map(|n| format!("L-{n:03}")).boxed(),
        Field::LoanAmount => (4_000_000..600_000_000_i64).prop_map(|cents| format!("{}.{:02}", cents / 100, cents % 100)).boxed(),
        Field::NoteRate => (0..20_000_u32).prop_map(|n| format!("{}.{:03}", n / 1_000, n % 1_000)).boxed(),
        Field::LtvRatio | Field::DtiRatio => (0..11_000_u32).prop_map(|n| format!("{}.{:02}", n / 100, n % 100)).boxed(),
        Field::CreditScore => (590..900_u32).prop_map(|n| n.to_string()).boxed(),
        Field::PropertyType => prop_oneof![Just("SFR"), Just("condo"), Just("castle")].prop_map(str::to_owned).boxed(),
        Field::OccupancyStatus => prop_oneof![Just("Primary"), Just("NOO")].prop_map(str::to_owned).boxed(),
        Field::LoanPurpose => prop_oneof![Just("P"), Just("C/O"), Just("heloc")].prop_map(str::to_owned).boxed(),
        _ => (0..9_000_000_u32).prop_map(|n| n.to_string()).boxed(),
    };
    prop_oneof![12 => good, 1 => odd].boxed()
}

fn quoted(cell: &str) -> String {
    let plain = !cell.contains([',', '"', '\n', '\r']);
    if plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

/// The cells of a loan, in the order of the columns.
fn loan() -> impl Strategy<Value = Vec<String>> {
    Field::CANONICAL.map(cell).to_vec()
}

/// A line of a tape with its number of data rows: mostly a loan, sometimes another line that is one data row or none.
pub fn line() -> impl Strategy<Value = (String, usize)> {
    let row = |cells: Vec<String>| {
        let rows = usize::from(cells.iter().any(|cell| !cell.trim().is_empty()));
        (cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(","), rows)
    };
    prop_oneof![
        20 => loan().prop_map(row),
        1 => Just((String::new(), 0)),
        1 => Just(("   ".to_owned(), 0)),
        1 => Just((",,,,,,,,,,".to_owned(), 0)),
        1 => Just(("too,few".to_owned(), 1)),
        1 => Just(("\"stray\"quote,2,3".to_owned(), 1)),
        1 => Just(("x".repeat(300), 1)),
    ]
}

/// A tape of these lines and its number of data rows. The tape also has one more good loan than there are lines, so that most
/// rows fit the header and show that percentages are percentages.
pub fn tape(lines: &[(String, usize)], line_break: &str) -> (String, usize) {
    let good = (0..=lines.len()).map(|at| format!("G-{at},{GOOD_CELLS}"));
    let text =
        lines.iter().map(|(line, _)| line.clone()).chain(good).fold(HEADER.to_owned(), |tape, line| tape + line_break + &line);
    (text, lines.iter().map(|(_, rows)| rows).sum::<usize>() + lines.len() + 1)
}

fn run_with(text: &str, tuning: Tuning) -> Finished {
    run_tapes(&[("tape.csv", text.as_bytes())], RuleSet::built_in(), tuning).unwrap()
}

const SMALL: Tuning = Tuning { threads: 1, block_bytes: 4_096 };

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_data_row_gives_exactly_one_fact(lines in prop::collection::vec(line(), 1..60)) {
        let (text, rows) = tape(&lines, "\n");
        let finished = run_with(&text, SMALL);
        prop_assert_eq!(finished.outcome.summary.total_loans(), rows as u64);
        let groups: u32 = finished.outcome.index.facts.iter().flatten().sum();
        prop_assert_eq!(groups as usize, rows);
    }

    #[test]
    fn dispositions_sum_to_the_loans_and_files_list_each_once(lines in prop::collection::vec(line(), 1..60)) {
        let (text, rows) = tape(&lines, "\r\n");
        let finished = run_with(&text, SMALL);
        let summary = &finished.outcome.summary;
        let counts = Disposition::ALL.map(|disposition| summary.count(disposition));
        prop_assert_eq!(counts.iter().sum::<u64>(), rows as u64);
        for output in OUTPUTS.iter().filter(|output| finished.files.contains_key(output.file_name)) {
            prop_assert_eq!(finished.rows(output.file_name).len() as u64, output.row_count(summary));
        }
        let listed: usize = ["purchase_tape.csv", "projected_tape.csv"].iter().map(|name| finished.rows(name).len()).sum();
        prop_assert_eq!(listed as u64, counts[0] + counts[1]);
        let reported: u64 = finished.rows("exception_summary.csv").iter().map(|row| row["count"].parse::<u64>().unwrap()).sum();
        prop_assert_eq!(reported, summary.exceptions_count());
    }

    #[test]
    fn parse_write_parse_keeps_every_value(lines in prop::collection::vec(loan(), 1..60)) {
        let rows: Vec<(String, usize)> = lines.iter().map(|cells| {
            (cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(","), 1)
        }).collect();
        let (text, _) = tape(&rows, "\n");
        let first = run_with(&text, SMALL);
        let bought = first.rows("purchase_tape.csv");
        prop_assert!(bought.len() > lines.len());
        let again = run_with(std::str::from_utf8(&first.files["purchase_tape.csv"]).unwrap(), SMALL);
        // A purchase tape writes percentages as percentages, so that reading it again changes no unit.
        prop_assert_eq!(values(&bought), values(&again.rows("purchase_tape.csv")));
    }

    #[test]
    fn block_size_and_threads_change_no_byte(
        lines in prop::collection::vec(line(), 1..200), block_bytes in 1_usize..3_000, threads in 1_usize..5,
    ) {
        let (text, _) = tape(&lines, "\n");
        let one = run_with(&text, Tuning { threads: 1, block_bytes: 1 << 20 });
        let other = run_with(&text, Tuning { threads, block_bytes });
        prop_assert!(one.files == other.files);
        prop_assert_eq!(one.outcome.index, other.outcome.index);
        let summary = |finished: &shared::results::summary::SummaryBuilder| serde_json::to_string(&finished.finish()).unwrap();
        prop_assert_eq!(summary(&one.outcome.summary), summary(&other.outcome.summary));
    }
}

/// Rows with their numbers parsed, so that numbers compare by value.
fn values(rows: &[BTreeMap<String, String>]) -> Vec<Vec<(String, Result<Decimal, String>)>> {
    let value = |text: &String| text.parse::<Decimal>().map_err(|_| text.clone());
    rows.iter().map(|row| row.iter().map(|(name, text)| (name.clone(), value(text))).collect()).collect()
}
