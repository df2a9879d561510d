//! For every mixture of what sellers do to a tape, no loan is lost, doubled, or bought on a guess.

use proptest::prelude::*;

use super::*;

/// What a record of a tape is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// A loan that is bought.
    Good,
    /// A loan whose LTV is too high, in whichever unit.
    High,
    /// A loan with the loan number of another loan.
    Repeated,
    /// Not a loan.
    Other,
    /// The header, repeated.
    Header,
    /// An empty line, or a row of empty cells.
    Blank,
}

/// How a tape is written.
#[derive(Debug, Clone, Copy)]
struct Style {
    fractions: bool,
    /// Number of empty fields that rows have in addition to the columns of the header.
    more: usize,
    titled: bool,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        12 => Just(Kind::Good),
        3 => Just(Kind::High),
        2 => Just(Kind::Repeated),
        2 => Just(Kind::Other),
        1 => Just(Kind::Header),
        1 => Just(Kind::Blank),
    ]
}

/// The text of a record; `choice` selects one of its spellings.
fn record(kind: Kind, at: usize, choice: usize, style: Style) -> String {
    let pick = |texts: &[&str]| texts[choice % texts.len()].to_owned();
    let number = if kind == Kind::Repeated { "L0".to_owned() } else { format!("L{at}") };
    let padded = match choice % 7 {
        0 => format!(" {number}"),
        1 => format!("{number}\u{a0}"),
        2 => format!("'{number}"),
        3 => format!("=\"{number}\""),
        4 => format!("\"{number}\" "),
        5 => format!("\u{200b}{number}"),
        _ => number,
    };
    let ltv = match (kind == Kind::High, style.fractions) {
        (false, false) => pick(&["80", "80%", "80.0", "97", "97.00000000000001", "80 %"]),
        (false, true) => pick(&["0.8", "80%", ".8", "0.97", "0.9700000000000001", "80 %"]),
        (true, false) => pick(&["97.01", "97.01%", "125", "198.5"]),
        (true, true) => pick(&["0.9701", "97.01%", "1.25", "1.985"]),
    };
    let amount = pick(&["250000", "\"$250,000.00\"", " 250000 ", "\"$ 250,000\"", "2.5E+05", "\"'250,000\""]);
    let row = match kind {
        Kind::Good | Kind::High | Kind::Repeated => {
            format!("{padded},{amount},6.5,{ltv},35,720,sfr,primary,purchase,312500,312500")
        }
        Kind::Other => {
            return pick(&[
                "Total,500000,6.5,80,35,720,,,,,",
                ",500000,,,,,Grand Total,,,,",
                "Weighted Average,250000,6.5,0.8,0.35,720,,,,,",
                "(3 rows affected)",
                "-----,-----,-----,-----,-----,-----,-----,-----,-----,-----,-----",
                "\u{1a}",
                "TRL,17,,,,,,,,,",
                ",,,,,,see below,,,,",
            ]);
        }
        Kind::Header => HEADER.to_owned(),
        Kind::Blank => return pick(&["", "  ", ",,,,,,,,,,"]),
    };
    row + &",".repeat(style.more)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_loan_is_lost_doubled_or_bought_on_a_guess(
        kinds in prop::collection::vec((kind(), 0..84_usize, 0..4_usize), 1..40),
        fractions in any::<bool>(), more in 0..3_usize, titled in any::<bool>(),
    ) {
        let style = Style { fractions, more, titled };
        let mut kinds = kinds;
        // Put the loan whose number others repeat first. Append enough good loans that most rows decide the unit of the column
        // and the width of the tape.
        kinds.splice(0..0, [(Kind::Good, 6, 0); 1]);
        let unit = |style: Style| if style.fractions { 12 } else { 6 };
        kinds.extend((0..=kinds.len()).map(|_| (Kind::Good, unit(style), 1)));
        let ends = ["\n", "\r\n", "\r", "\r\r\n"];
        let mut text = if style.titled { format!("Portfolio of May\n{HEADER}\n") } else { format!("{HEADER}\n") };
        for (at, (kind, choice, end)) in kinds.iter().enumerate() {
            let row = record(*kind, at, *choice, style);
            // A lone carriage return and the end of the empty line after it would be one line end.
            let end = if ends[*end] == "\r" && kinds.get(at + 1).is_some_and(|(next, ..)| *next == Kind::Blank) { "\r\n" } else { ends[*end] };
            text.push_str(&row);
            text.push_str(end);
        }
        let count = |wanted: &[Kind]| kinds.iter().filter(|(kind, ..)| wanted.contains(kind)).count() as u64;
        let finished = run_mapped(&text, &[]);
        prop_assert!(finished.is_ok(), "{:?}\n{text}", finished.err());
        let Ok(finished) = finished else { return Ok(()) };
        let expected: Vec<String> =
            kinds.iter().enumerate().filter(|(_, (kind, ..))| *kind == Kind::Good).map(|(at, _)| format!("L{at}")).collect();
        prop_assert_eq!(bought(&finished), expected, "{}", text);
        prop_assert_eq!(finished.outcome.summary.total_loans(), count(&[Kind::Good, Kind::High, Kind::Repeated]));
        prop_assert_eq!(finished.outcome.notices.ignored_rows, count(&[Kind::Other, Kind::Header]), "{}", text);
        let tapes = [("tape.csv", text.as_bytes())];
        let folder = MemoryFolder::default();
        let tuning = Tuning { threads: 2, block_bytes: 64 * 1024 };
        let whole = given(&folder, with_job(&tapes, Some(&folder), tuning, run));
        prop_assert!(whole == in_parts(&tapes, 300, Tuning { threads: 2, block_bytes: 200 }), "{text}");
    }
}
