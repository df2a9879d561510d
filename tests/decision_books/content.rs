//! The content of the workbook.

use calamine::Data;
use shared::{facts::read::StoredNumber, loan::Field, phases::disposition::Disposition, rules::Severity};

use super::{Decided, SHEETS, digits, text};
use crate::support::{
    app::Tape,
    runs::{GOOD_CELLS, HEADER},
};

/// The sheets of loans, each with its disposition.
const LOANS: [(&str, Disposition); 3] =
    [("To purchase", Disposition::ToPurchase), ("Projected", Disposition::Projected), ("Rejected", Disposition::Rejected)];

/// Loans of all dispositions, mixed: loans to purchase without and with a condition, a held loan, and rejected loans with one
/// reason, with two reasons, with a reason and a condition, without a number, and a row that is not a loan at all.
fn mixed() -> String {
    Tape::new()
        .good("0001")
        .with("R-1", &[("ltv_ratio", "97.8"), ("credit_score", "500")])
        .with("C-1", &[("appraisal_value", "")])
        .with("P-1", &[("note_rate", "3"), ("purchase_price", "")])
        .with("R-2", &[("credit_score", "500"), ("appraisal_value", "")])
        .with("", &[("loan_amount", "a lot")])
        .good("0002")
        .text()
        .to_owned()
        + "too,few\n"
}

#[test]
fn the_sheets_are_there_in_order_whatever_was_found() {
    for tape in [mixed(), Tape::of_good(1).text().to_owned(), Tape::new().with("R", &[("credit_score", "1")]).text().to_owned()] {
        let book = Decided::of(&tape).book();
        assert_eq!(book.names(), SHEETS);
        for sheet in &SHEETS[1..] {
            assert!(book.rows(sheet)[0].iter().all(|name| !name.to_string().is_empty()), "{sheet}");
        }
    }
}

#[test]
fn every_loan_is_on_the_sheet_of_its_disposition_as_the_run_stored_it() {
    let decided = Decided::of(&mixed());
    let book = decided.book();
    let mut loans = 0;
    for (sheet, disposition) in LOANS {
        let (rows, facts) = (book.table(sheet), decided.facts(disposition));
        assert_eq!(rows.len(), facts.len(), "{sheet}");
        for (row, fact) in rows.iter().zip(&facts) {
            assert_eq!(row["seller_loan_number"], text(&fact.seller_loan_number));
            for (field, number) in Field::NUMERIC.iter().zip(&fact.numbers) {
                let cell = &row[field.name()];
                match number {
                    StoredNumber::Missing => assert_eq!(*cell, Data::Empty),
                    StoredNumber::Value(value) => assert_eq!(digits(cell), value.to_string()),
                    StoredNumber::Unreadable(written) => assert_eq!(*cell, text(written)),
                }
            }
            for (field, word) in Field::WORDED.iter().zip(&fact.words) {
                assert_eq!(row[field.name()], word.as_ref().map_or(Data::Empty, |word| text(word)));
            }
            assert_eq!((&row["source_file"], digits(&row["line"])), (&text("tape.csv"), fact.line.to_string()));
            if disposition != Disposition::Rejected {
                let decimal = |value: Option<shared::decimal::Decimal>| value.map_or_else(String::new, |value| value.to_string());
                assert_eq!(digits(&row["pricing_spread"]), decimal(fact.pricing_spread));
                assert_eq!(digits(&row["final_price"]), decimal(fact.final_price));
            }
            if disposition == Disposition::Projected {
                assert_eq!(row["projection_reason"], text(fact.projection_reason.as_ref().unwrap()));
            }
            loans += 1;
        }
    }
    assert_eq!(loans, 8);
}

#[test]
fn a_loan_has_the_messages_of_its_exceptions_beside_it() {
    let decided = Decided::of(&mixed());
    let book = decided.book();
    let exceptions = decided.exceptions();
    let messages = |line: &str, severity: Severity| {
        let of_loan = exceptions.iter().filter(|row| row.line.to_string() == line && row.severity == severity);
        of_loan.map(|row| row.message.as_str()).collect::<Vec<_>>().join("\n")
    };
    let (mut conditions, mut reasons) = (Vec::new(), Vec::new());
    for (sheet, disposition) in LOANS {
        for row in book.table(sheet) {
            let line = digits(&row["line"]);
            assert_eq!(row["Conditions"].to_string(), messages(&line, Severity::Soft), "{sheet} {line}");
            conditions.push(row["Conditions"].to_string());
            if disposition == Disposition::Rejected {
                assert_eq!(row["Reasons"].to_string(), messages(&line, Severity::Hard), "{line}");
                reasons.push(row["Reasons"].to_string());
            } else {
                assert!(!row.contains_key("Reasons") && messages(&line, Severity::Hard).is_empty());
            }
        }
    }
    // In order: loans to purchase without, with and without a condition, the projected loan, then the rejected loans.
    let has = conditions.iter().map(|condition| !condition.is_empty()).collect::<Vec<_>>();
    assert_eq!(has, [false, true, false, true, false, true, false, false]);
    assert_eq!(reasons.iter().map(|reason| reason.lines().count()).collect::<Vec<_>>(), [2, 1, 2, 1]);
    assert!(reasons[0].contains("97.80 %") && reasons[0].contains("500"), "{}", reasons[0]);
}

#[test]
fn loans_of_several_tapes_keep_their_own_exceptions_on_equal_lines() {
    let tape = |numbers: [&str; 2], score| {
        numbers.iter().fold(Tape::new(), |tape, number| tape.with(number, &[("credit_score", score)]))
    };
    let (first, second) = (tape(["A", "B"], "500"), tape(["C", "D"], "510"));
    // The tapes are not in the order of their names.
    let rest = Tape::of_good(2);
    let book = Decided::new(&[("z.csv", first.text()), ("b.csv", rest.text()), ("a.csv", second.text())]).book();
    let rows = book.table("Rejected");
    let shown: Vec<String> =
        rows.iter().map(|row| format!("{} {} {}", row["source_file"], row["line"], row["Reasons"])).collect();
    assert_eq!(shown.len(), 4);
    for (row, expected) in shown.iter().zip(["z.csv 2 ", "z.csv 3 ", "a.csv 2 ", "a.csv 3 "]) {
        let score = if expected.starts_with('z') { "500" } else { "510" };
        assert!(row.starts_with(expected) && row.contains(score), "{row}");
    }
}

#[test]
fn the_last_sheet_has_every_exception_of_the_run() {
    let decided = Decided::of(&mixed());
    let rows = decided.book().table("Exceptions");
    let exceptions = decided.exceptions();
    assert_eq!(rows.len(), exceptions.len());
    for (at, (row, exception)) in rows.iter().zip(&exceptions).enumerate() {
        let run = decided.run.run_id();
        let severity = exception.severity.as_str();
        for (name, expected) in [
            ("id", &format!("{run}-{at}")),
            ("run_id", &run.to_string()),
            ("seller_loan_number", &exception.seller_loan_number),
            ("exception_type", &exception.exception_type),
            ("exception_category", &exception.exception_category),
            ("severity", &severity.to_owned()),
            ("message", &exception.message),
            ("rejection_criteria", &exception.rejection_criteria),
            ("field", &exception.field),
            ("actual", &exception.actual),
            ("limit", exception.limit.as_ref().unwrap()),
            ("source_file", &exception.source_file),
            ("created_at", &"2026-02-02T10:00:00.500Z".to_owned()),
        ] {
            assert_eq!(row[name].to_string(), *expected, "{name}");
            assert!(matches!(row[name], Data::String(_) | Data::Empty), "{name}");
        }
        assert_eq!(digits(&row["excess"]), exception.excess.map_or_else(String::new, |excess| excess.to_string()));
        assert_eq!([&row["line"], &row["row"]].map(digits), [exception.line, exception.row].map(|count| count.to_string()));
    }
}

#[test]
fn dollars_to_pay_are_exact_and_rounded_once_half_to_even() {
    // At this rate the price is 102: 50,000.25 × 1.02 is 51,000.255, and 50,000.75 × 1.02 is 51,000.765.
    let loan = |amount: &'static str| [("note_rate", "8.85"), ("loan_amount", amount)];
    let tape = Tape::new().with("A", &loan("50000.25")).with("B", &loan("50000.75")).with("C", &loan("50000.25"));
    let book = Decided::of(tape.with("D", &loan("50000.25")).text()).book();
    let column: Vec<String> = book.table("To purchase").iter().map(|row| digits(&row["Dollars to pay"])).collect();
    assert_eq!(column, ["51000.26", "51000.76", "51000.26", "51000.26"]);
    // The sum is exact, 204,001.53. The sum of the rounded values would be 204,001.54.
    let row = book.beside("To purchase");
    assert_eq!([&row[0], &row[1], &row[2]].map(digits), ["4", "200001.5", "204001.53"]);
    assert_eq!(
        book.rows("Summary")[0][0].to_string(),
        "Buy 4 loans with a balance of $200,001.50 for $204,001.53. Hold 0 loans ($0.00). Reject 0 loans ($0.00)."
    );
}

#[test]
fn the_summary_says_what_the_run_was_and_what_it_found() {
    let decided = Decided::of(&mixed());
    let (book, summary) = (decided.book(), decided.finished.outcome.summary.finish());
    for (name, expected) in [
        ("Run", "00000000-0000-0000-0000-000000000007"),
        ("Created at", "2026-02-02T10:00:00.500Z"),
        ("Purchase date", "2026-02-02"),
        ("Rule set", "desk & co"),
        ("Rule set version", "7"),
    ] {
        assert_eq!(book.beside(name)[0], text(expected));
    }
    assert_eq!(digits(&book.beside("IRR target, percent")[0]), "8.05");
    let dispositions = &summary.dispositions;
    let ratio = |ratio: &Option<shared::decimal::Ratio>| ratio.as_ref().map_or_else(String::new, ToString::to_string);
    for (sheet, group) in
        [("To purchase", &dispositions.to_purchase), ("Projected", &dispositions.projected), ("Rejected", &dispositions.rejected)]
    {
        let totals = &group.totals;
        let row = book.beside(sheet);
        assert_eq!((digits(&row[0]), digits(&row[1])), (totals.count.to_string(), totals.balance.to_text(0)), "{sheet}");
        let averages = [&totals.wac, &totals.wa_ltv, &totals.wa_dti, &totals.wa_credit_score, &group.wa_price].map(ratio);
        assert_eq!(row[3..8].iter().map(digits).collect::<Vec<_>>(), averages, "{sheet}");
    }
    assert_eq!(digits(&book.beside("Total")[0]), "8");
    for finding in &summary.exceptions {
        let row = book.beside(&finding.kind.name);
        assert_eq!([&row[0], &row[1]].map(digits), [finding.count.to_string(), finding.loans.to_string()]);
        let texts = [&finding.kind.category, finding.severity.as_str(), &finding.sample_message];
        assert_eq!(row[2..5].iter().map(ToString::to_string).collect::<Vec<_>>(), texts);
    }
    let groups = summary.strats.iter().flat_map(|strat| &strat.buckets).filter(|bucket| bucket.count > 0);
    let rows = book.summary();
    for group in groups {
        let is_there = |(label, row): &(String, Vec<Data>)| {
            *label == group.label && digits(&row[0]) == group.count.to_string() && digits(&row[2]) == ratio(&group.share)
        };
        assert!(rows.iter().any(is_there), "{}", group.label);
    }
    assert!(rows.iter().any(|(first, _)| first == "tape.csv"));
}

#[test]
fn the_rules_of_the_summary_are_in_the_order_of_the_runs_summary() {
    let decided = Decided::of(&mixed());
    let expected: Vec<String> =
        decided.finished.outcome.summary.finish().exceptions.iter().map(|finding| finding.kind.name.to_string()).collect();
    let rows: Vec<String> = decided.book().summary().into_iter().map(|(first, _)| first).collect();
    let start = rows.iter().position(|first| first == "Rule").unwrap() + 1;
    assert_eq!(rows[start..start + expected.len()], expected);
}

#[test]
fn kept_columns_of_all_tapes_stand_at_the_right_in_the_order_in_which_they_are_first_seen() {
    let first = format!("County,{HEADER},Zip\nKings,A,{GOOD_CELLS},00501\n=1+1,R,{}\n", GOOD_CELLS.replace(",80,", ",99,") + ",");
    let second = format!("Zip,{HEADER},Fico 2,County\n10001,B,{GOOD_CELLS},700,Queens\n");
    let book = Decided::new(&[("one.csv", &first), ("two.csv", &second)]).book();
    for (sheet, _) in LOANS {
        let header = book.header(sheet);
        assert_eq!(header[header.len() - 4..], ["line", "County", "Zip", "Fico 2"], "{sheet}");
    }
    let cells = |row: &std::collections::BTreeMap<String, Data>| ["County", "Zip", "Fico 2"].map(|name| row[name].clone());
    let bought: Vec<_> = book.table("To purchase").iter().map(cells).collect();
    assert_eq!(bought, [[text("Kings"), text("00501"), Data::Empty], [text("Queens"), text("10001"), text("700")]]);
    assert_eq!(cells(&book.table("Rejected")[0]), [text("=1+1"), Data::Empty, Data::Empty]);
}
