//! Whole columns of row groups, against the same rows read page by page.

use bytes::Bytes;
use shared::{
    engine::Tuning,
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE, FACTS_PER_GROUP,
        read::{ExceptionFilter, ExceptionsReader, FactFilter, FactsReader, StoredNumber, StoredValue},
    },
    loan::Field,
    rules::rule_set::RuleSet,
};

use crate::support::runs::{Finished, HEADER, run_tapes};

/// A run with more loans than a row group holds, in which every column has loans without a value.
fn large() -> Finished {
    let mut tape = format!("{HEADER},dscr,property_state,maturity_date\n");
    for loan in 0..FACTS_PER_GROUP + 3_000 {
        let empty = |every: usize, cell: String| if loan % every == 0 { String::new() } else { cell };
        let (number, rate) = (empty(7_001, format!("N{loan}")), empty(1_009, format!("6.{}", loan % 1000)));
        let dscr = empty(3, format!("1.{}", loan % 97));
        let state = empty(5, ["CA", "NY", "TX"][loan % 3].to_owned());
        let appraisal = if loan > 40_000 { "" } else { "312500" };
        tape.push_str(&format!(
            "{number},{},{rate},80,35,{},sfr,primary,purchase,312500,{appraisal},{dscr},{state},2049-0{}-01\n",
            100_000 + loan,
            600 + loan % 200,
            1 + loan % 9
        ));
    }
    run_tapes(&[("large.csv", tape.as_bytes())], RuleSet::built_in(), Tuning { threads: 2, block_bytes: 256 * 1024 }).unwrap()
}

fn file(finished: &Finished, name: &str) -> Bytes {
    Bytes::from(finished.files[name].clone())
}

#[test]
fn a_scanned_column_has_the_values_of_the_pages() {
    let finished = large();
    let facts = FactsReader::open(file(&finished, FACTS_FILE)).unwrap();
    let rows = facts.page(&finished.outcome.index, &FactFilter::default(), 0, usize::MAX).unwrap();
    let columns = ["seller_loan_number", "note_rate", "dscr", "property_state", "line", "disposition", "appraisal_value"];
    assert_eq!(facts.groups(), 2);
    let mut at = 0;
    for group in 0..facts.groups() {
        let scanned = facts.scan(group, &columns).unwrap();
        assert_eq!(scanned.first_row, at as u64);
        for row in 0..scanned.rows {
            let loan = &rows[at];
            let number = |column: usize, scale: i64| scanned.integers(column).unwrap().get(row).map(|value| value * scale);
            let text = |column: usize| scanned.texts(column).unwrap().get(row);
            let micros = |field: Field| {
                let at = Field::NUMERIC.iter().position(|other| *other == field).unwrap();
                if let StoredNumber::Value(value) = &loan.numbers[at] { value.micros() } else { None }
            };
            assert_eq!(text(0), Some(loan.seller_loan_number.as_str()));
            assert_eq!(number(1, 1), micros(Field::NoteRate));
            let dscr = loan.standard(Field::Dscr).map(|value| match value {
                StoredValue::Number(value) => value.micros().unwrap(),
                other => panic!("{other:?}"),
            });
            assert_eq!(number(2, 1), dscr);
            let state = loan.standard(Field::PropertyState).map(|value| match value {
                StoredValue::Word(word) => word.as_str(),
                other => panic!("{other:?}"),
            });
            assert_eq!(text(3), state);
            assert_eq!(number(4, 1), i64::try_from(loan.line).ok());
            assert_eq!(text(5), Some(loan.disposition.as_str()));
            assert_eq!(number(6, 10_000), micros(Field::AppraisalValue));
            at += 1;
        }
    }
    assert_eq!(at, rows.len());
    assert_eq!(facts.scan(2, &columns).unwrap().rows, 0);
    assert!(facts.scan(0, &["no_such_column"]).is_err());
}

#[test]
fn scanned_exceptions_are_those_of_the_pages() {
    let finished = large();
    let exceptions = ExceptionsReader::open(file(&finished, EXCEPTIONS_FILE)).unwrap();
    let rows = exceptions.page(&finished.outcome.index, &ExceptionFilter::default(), 0, usize::MAX).unwrap();
    let mut at = 0;
    for group in 0..exceptions.groups() {
        let scanned = exceptions.scan(group, &["exception_type", "message", "severity"]).unwrap();
        for row in 0..scanned.rows {
            let texts = [0, 1, 2].map(|column| scanned.texts(column).unwrap().get(row).unwrap());
            assert_eq!(texts, [&rows[at].exception_type, &rows[at].message, rows[at].severity.as_str()]);
            at += 1;
        }
    }
    assert_eq!(at, rows.len());
    assert!(at > 0);
}
