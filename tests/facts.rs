//! Pages of facts and exceptions, read back from the stored results of a run.

use std::{
    fs::File,
    io,
    ops::Range,
    sync::{
        LazyLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use shared::{
    decimal::Decimal,
    engine::Tuning,
    facts::{
        EXCEPTIONS_FILE, EXCEPTIONS_PER_GROUP, FACTS_FILE, FACTS_PER_GROUP,
        index::ResultsIndex,
        read::{
            ExceptionFilter, ExceptionRow, ExceptionsReader, FactFilter, FactRow, FactsReader, RangeReader, ReadError,
            StoredNumber,
        },
    },
    phases::disposition::Disposition,
    rules::{Severity, rule_set::RuleSet},
};

use crate::support::runs::{Finished, GOOD_CELLS, HEADER, run_tape, run_tapes};

/// The stored results of a run, ready to be read.
pub struct Stored {
    pub facts: FactsReader<Bytes>,
    pub exceptions: ExceptionsReader<Bytes>,
    pub index: ResultsIndex,
}

impl Stored {
    fn new(finished: &Finished) -> Self {
        Self {
            facts: FactsReader::open(file(finished, FACTS_FILE)).unwrap(),
            exceptions: ExceptionsReader::open(file(finished, EXCEPTIONS_FILE)).unwrap(),
            index: finished.outcome.index.clone(),
        }
    }

    fn all_facts(&self) -> Vec<FactRow> {
        self.facts.page(&self.index, &FactFilter::default(), 0, usize::MAX).unwrap()
    }

    fn all_exceptions(&self) -> Vec<ExceptionRow> {
        self.exceptions.page(&self.index, &ExceptionFilter::default(), 0, usize::MAX).unwrap()
    }
}

fn file(finished: &Finished, name: &str) -> Bytes {
    Bytes::from(finished.files[name].clone())
}

/// A tape of several row groups of facts and of exceptions, and all stored results of its run.
pub struct Large {
    tape: String,
    finished: Finished,
    pub stored: Stored,
    pub facts: Vec<FactRow>,
    pub exceptions: Vec<ExceptionRow>,
}

const LARGE_LOANS: usize = 2 * FACTS_PER_GROUP + 10_000;
/// A loan number that several loans use.
const REPEATED: &str = "N000003";

/// All loans in the tape are bought, except: every third loan of the first half fails its credit score, every fourth has no
/// appraisal, every fifth has no purchase price, a few cannot be read or repeat a number, and forty in the last row groups have a
/// price that is too low.
fn large_rules() -> RuleSet {
    RuleSet::from_toml("[projection]\nminimum_price = 90.0\nhold_on_soft_exceptions = false").unwrap()
}

fn large_number(loan: usize) -> String {
    match loan {
        loan if loan % 10_007 == 5 => REPEATED.to_owned(),
        loan if loan % 30_011 == 9 => String::new(),
        _ => format!("N{loan:06}"),
    }
}

fn is_held_back(loan: usize) -> bool {
    (FACTS_PER_GROUP + 7..FACTS_PER_GROUP + 27).contains(&loan) || loan >= LARGE_LOANS - 20
}

pub static LARGE: LazyLock<Large> = LazyLock::new(|| {
    let mut tape = format!("{HEADER}\n");
    for loan in 0..LARGE_LOANS {
        let number = large_number(loan);
        if loan % 40_009 == 11 {
            tape.push_str("too,few,cells\n");
            continue;
        }
        let amount = if loan % 9_973 == 1 { "a lot".to_owned() } else { format!("{}.25", 100_000 + loan) };
        let rate = if is_held_back(loan) { "1.25" } else { "6.875" };
        let score = if loan % 3 == 0 && loan < LARGE_LOANS / 2 { "600" } else { "700" };
        let price = if loan % 5 == 4 { "" } else { "312500" };
        let appraisal = if loan % 4 == 3 { "" } else { "312500" };
        tape.push_str(&format!("{number},{amount},{rate},80,35.{loan:06},{score},sfr,primary,purchase,{price},{appraisal}\n"));
    }
    let tuning = Tuning { threads: 2, block_bytes: 256 * 1024 };
    let finished = run_tapes(&[("large.csv", tape.as_bytes())], &large_rules(), tuning).unwrap();
    let stored = Stored::new(&finished);
    let (facts, exceptions) = (stored.all_facts(), stored.all_exceptions());
    Large { tape, finished, stored, facts, exceptions }
});

/// The slices of `found` to compare: its ends, its middle, and the borders between row groups.
fn slices(found: &[usize], per_group: usize) -> Vec<(u64, usize)> {
    let count = found.len() as u64;
    let mut slices =
        vec![(0, 1), (0, 0), (count / 2, 17), (count.saturating_sub(3), 100), (count, 100), (count + 7, 1), (u64::MAX, 1)];
    for border in [per_group, 2 * per_group] {
        let before = found.partition_point(|row| *row < border) as u64;
        slices.extend([(before.saturating_sub(2), 4), (before, 1), (before.saturating_sub(1), 1)]);
    }
    slices
}

fn expect_slice<T: Clone + PartialEq + std::fmt::Debug>(all: &[T], found: &[usize], skip: u64, limit: usize, page: &[T]) {
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let expected: Vec<T> = found.iter().skip(skip).take(limit).map(|row| all[*row].clone()).collect();
    assert_eq!(page, expected, "{skip} {limit}");
}

#[test]
fn every_loan_of_the_tape_is_a_fact_in_tape_order() {
    let large = &*LARGE;
    assert_eq!(large.facts.len(), LARGE_LOANS);
    assert_eq!(large.stored.index.facts.len(), 3);
    for (loan, row) in large.facts.iter().enumerate() {
        assert_eq!((row.line, row.row), (loan as u64 + 2, loan as u64));
        assert_eq!(row.source_file, "large.csv");
        let malformed = loan % 40_009 == 11;
        let number = if malformed { String::new() } else { large_number(loan) };
        assert_eq!(row.seller_loan_number, if number.is_empty() { "UNKNOWN" } else { &number });
        let amount = match loan {
            _ if malformed => StoredNumber::Missing,
            _ if loan % 9_973 == 1 => StoredNumber::Unreadable("a lot".to_owned()),
            _ => StoredNumber::Value(format!("{}.25", 100_000 + loan).parse().unwrap()),
        };
        assert_eq!(row.numbers[0], amount);
        let dti = StoredNumber::Value(format!("35.{loan:06}").parse().unwrap());
        assert_eq!(row.numbers[3], if malformed { StoredNumber::Missing } else { dti });
    }
    let held_back: Vec<usize> =
        (0..LARGE_LOANS).filter(|loan| large.facts[*loan].disposition == Disposition::Projected).collect();
    assert!(held_back.len() > 30 && held_back.iter().all(|loan| is_held_back(*loan)), "{held_back:?}");
}

#[test]
fn exceptions_are_those_of_the_rejection_report_and_know_their_place() {
    let large = &*LARGE;
    assert_eq!(large.stored.index.exceptions.len(), large.exceptions.len().div_ceil(EXCEPTIONS_PER_GROUP));
    assert!(large.exceptions.len() > 2 * EXCEPTIONS_PER_GROUP);
    assert!(large.exceptions.iter().enumerate().all(|(place, row)| row.ordinal == place as u64));
    assert!(large.exceptions.iter().all(|row| large.facts[row.row as usize].line == row.line));
    let hard = large.exceptions.iter().filter(|row| large.facts[row.line as usize - 2].disposition == Disposition::Rejected);
    let hard = hard.map(|row| (row.seller_loan_number.clone(), row.exception_type.clone(), row.message.clone()));
    assert!(hard.eq(large.finished.rejections()));
}

#[test]
fn pages_of_facts_are_slices_of_what_the_filter_lets_through() {
    let large = &*LARGE;
    let dispositions = [None, Some(Disposition::ToPurchase), Some(Disposition::Projected), Some(Disposition::Rejected)];
    let numbers = [None, Some(REPEATED), Some("UNKNOWN"), Some("N131072"), Some("n000003"), Some("")];
    for disposition in dispositions {
        for number in numbers {
            let filter = FactFilter { disposition, seller_loan_number: number.map(str::to_owned) };
            let lets_through = |row: &FactRow| {
                disposition.is_none_or(|disposition| row.disposition == disposition)
                    && number.is_none_or(|number| row.seller_loan_number == number)
            };
            let found: Vec<usize> = (0..LARGE_LOANS).filter(|row| lets_through(&large.facts[*row])).collect();
            let count = filter.count(&large.stored.index);
            assert_eq!(count, number.is_none().then_some(found.len() as u64), "{filter:?}");
            for (skip, limit) in slices(&found, FACTS_PER_GROUP) {
                let page = large.stored.facts.page(&large.stored.index, &filter, skip, limit).unwrap();
                expect_slice(&large.facts, &found, skip, limit, &page);
            }
        }
    }
}

#[test]
fn pages_of_exceptions_are_slices_of_what_the_filter_lets_through() {
    let large = &*LARGE;
    let text = |text: &str| Some(text.to_owned());
    let none = ExceptionFilter::default();
    let mut filters = vec![
        none.clone(),
        ExceptionFilter { exception_type: text("missing_appraisal"), ..none.clone() },
        ExceptionFilter { exception_type: text("duplicate_loan"), ..none.clone() },
        ExceptionFilter { exception_type: text("no_such_type"), ..none.clone() },
        ExceptionFilter { exception_type: text("credit_score"), severity: Some(Severity::Hard), ..none.clone() },
        ExceptionFilter { exception_type: text("credit_score"), severity: Some(Severity::Soft), ..none.clone() },
        ExceptionFilter { severity: Some(Severity::Hard), ..none.clone() },
        ExceptionFilter { severity: Some(Severity::Soft), ..none.clone() },
        ExceptionFilter { exception_category: text("data_quality"), ..none.clone() },
        ExceptionFilter { exception_category: text("data_quality"), severity: Some(Severity::Soft), ..none.clone() },
        ExceptionFilter { exception_category: text("data_quality"), severity: Some(Severity::Hard), ..none.clone() },
        ExceptionFilter { exception_category: text("Credit"), ..none.clone() },
        ExceptionFilter { rejection_criteria: text("notebook.malformed_row"), ..none.clone() },
        ExceptionFilter { rejection_criteria: text("notebook.purchase_price_mismatch"), ..none.clone() },
        ExceptionFilter {
            exception_type: text("missing_appraisal"),
            severity: Some(Severity::Soft),
            exception_category: text("data_quality"),
            rejection_criteria: text("notebook.appraisal_missing"),
            ..none.clone()
        },
        ExceptionFilter { exception_type: text("missing_appraisal"), exception_category: text("credit"), ..none.clone() },
    ];
    // Combine a loan number with every second filter.
    let unnumbered = filters.clone();
    for number in [REPEATED, "UNKNOWN", "absent"] {
        let numbered = |filter: &ExceptionFilter| ExceptionFilter { seller_loan_number: text(number), ..filter.clone() };
        filters.extend(unnumbered.iter().step_by(2).map(numbered));
    }
    for filter in filters {
        let is = |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|wanted| wanted == has);
        let lets_through = |row: &ExceptionRow| {
            is(&filter.exception_type, &row.exception_type)
                && filter.severity.is_none_or(|severity| row.severity == severity)
                && is(&filter.exception_category, &row.exception_category)
                && is(&filter.rejection_criteria, &row.rejection_criteria)
                && is(&filter.seller_loan_number, &row.seller_loan_number)
        };
        let found: Vec<usize> = (0..large.exceptions.len()).filter(|row| lets_through(&large.exceptions[*row])).collect();
        let count = filter.count(&large.stored.index);
        if filter.seller_loan_number.is_none() {
            assert_eq!(count, Some(found.len() as u64), "{filter:?}");
        } else {
            assert!(count.is_none_or(|count| count == 0 && found.is_empty()), "{filter:?}");
        }
        for (skip, limit) in slices(&found, EXCEPTIONS_PER_GROUP) {
            let page = large.stored.exceptions.page(&large.stored.index, &filter, skip, limit).unwrap();
            expect_slice(&large.exceptions, &found, skip, limit, &page);
        }
    }
}

#[test]
fn files_are_the_same_however_the_work_is_cut() {
    let large = &*LARGE;
    let other = Tuning { threads: 3, block_bytes: 40_000 };
    let again = run_tapes(&[("large.csv", large.tape.as_bytes())], &large_rules(), other).unwrap();
    assert_eq!(again.outcome.index, large.finished.outcome.index);
    for name in [FACTS_FILE, EXCEPTIONS_FILE] {
        assert!(again.files[name] == large.finished.files[name], "{name} differs");
    }
}

#[test]
fn facts_say_what_the_tape_says() {
    let tape = format!(
        "{HEADER},Kept \"as is\",Disposition,,Größe\n\
         001,\"$250,000.123456789\",6.75,80,35.5,740,SFR,P,purchase,12345678901234.50,1E+20, x ,mine,,\"a \"\"b\"\" \\ \tc\"\n\
         ,abc,12..5,,-,(700),castle,,,,0.10,,,\u{1F3E0},\n\
         002,too few\n\
         X-3,60000,.5,80,35,740,pud,S,R/T Refi,1.5e5,-0.0,1,2,3,4\n\
         X-4,60000,=\"06.750\",80,35,740,pud,S,R/T Refi,\"1,500\",-0.0,1,2,3,4\n"
    );
    let stored = Stored::new(&run_tape(tape).unwrap());
    let facts: Vec<String> = stored.all_facts().iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    assert_eq!(
        facts,
        [
            r#"{"seller_loan_number":"001","loan_amount":250000.123456789,"note_rate":6.75,"ltv_ratio":80,"dti_ratio":35.5,"credit_score":740,"property_type":"sfr","occupancy_status":"primary","loan_purpose":"purchase","purchase_price":12345678901234.5,"appraisal_value":100000000000000000000,"Kept \"as is\"":" x ","source_Disposition":"mine","column_14":"","Größe":"a \"b\" \\ \tc","disposition":"to_purchase","projection_reason":null,"pricing_spread":-1.3,"final_price":96.75,"base_price":null,"base_price_source":null,"price_adjustments":[],"wal":null,"duration":null,"source_file":"tape.csv","line":2,"row":0}"#,
            r#"{"seller_loan_number":"UNKNOWN","loan_amount":"abc","note_rate":"12..5","ltv_ratio":null,"dti_ratio":null,"credit_score":-700,"property_type":"castle","occupancy_status":null,"loan_purpose":null,"purchase_price":null,"appraisal_value":0.1,"Kept \"as is\"":"","source_Disposition":"","column_14":"🏠","Größe":"","disposition":"rejected","projection_reason":null,"pricing_spread":null,"final_price":null,"base_price":null,"base_price_source":null,"price_adjustments":[],"wal":null,"duration":null,"source_file":"tape.csv","line":3,"row":1}"#,
            r#"{"seller_loan_number":"UNKNOWN","loan_amount":null,"note_rate":null,"ltv_ratio":null,"dti_ratio":null,"credit_score":null,"property_type":null,"occupancy_status":null,"loan_purpose":null,"purchase_price":null,"appraisal_value":null,"disposition":"rejected","projection_reason":null,"pricing_spread":null,"final_price":null,"base_price":null,"base_price_source":null,"price_adjustments":[],"wal":null,"duration":null,"source_file":"tape.csv","line":4,"row":2}"#,
            r#"{"seller_loan_number":"X-3","loan_amount":60000,"note_rate":".5","ltv_ratio":80,"dti_ratio":35,"credit_score":740,"property_type":"pud","occupancy_status":"second_home","loan_purpose":"rate_term_refinance","purchase_price":150000,"appraisal_value":0,"Kept \"as is\"":"1","source_Disposition":"2","column_14":"3","Größe":"4","disposition":"rejected","projection_reason":null,"pricing_spread":null,"final_price":null,"base_price":null,"base_price_source":null,"price_adjustments":[],"wal":null,"duration":null,"source_file":"tape.csv","line":5,"row":3}"#,
            r#"{"seller_loan_number":"X-4","loan_amount":60000,"note_rate":6.75,"ltv_ratio":80,"dti_ratio":35,"credit_score":740,"property_type":"pud","occupancy_status":"second_home","loan_purpose":"rate_term_refinance","purchase_price":1500,"appraisal_value":0,"Kept \"as is\"":"1","source_Disposition":"2","column_14":"3","Größe":"4","disposition":"to_purchase","projection_reason":null,"pricing_spread":-1.3,"final_price":96.75,"base_price":null,"base_price_source":null,"price_adjustments":[],"wal":null,"duration":null,"source_file":"tape.csv","line":6,"row":4}"#,
        ]
    );
}

#[test]
fn what_no_column_holds_is_read_exactly() {
    let tape = format!(
        "{HEADER}\n\
         A-1,250000.015,6.1234567,80,35.12345678,720.00001,sfr,primary,purchase,999999999999.995,312500\n\
         A-2,60000000000.125,29.99999999,97.00000001,35,720,sfr,primary,purchase,312500,312500\n\
         A-3,250000,6.5,1000,-999.9999999,99999.9999,sfr,primary,purchase,312500,312500\n"
    );
    let finished = run_tape(&tape).unwrap();
    let stored = Stored::new(&finished);
    let facts = stored.all_facts();
    for (row, line) in facts.iter().zip(tape.lines().skip(1)) {
        let cells: Vec<&str> = line.split(',').collect();
        let written = [1, 2, 3, 4, 5, 9, 10].map(|at| StoredNumber::Value(cells[at].parse().unwrap()));
        assert_eq!(row.numbers, written, "{line}");
    }
    let bought = &finished.rows("purchase_tape.csv")[0];
    let shown = |value: Option<Decimal>| value.map(|value| value.with_min_decimals(4));
    assert_eq!((&bought["pricing_spread"], &bought["final_price"]), (&"-1.9265".to_owned(), &"95.1836".to_owned()));
    assert_eq!(shown(facts[0].pricing_spread).as_ref(), Some(&bought["pricing_spread"]));
    assert_eq!(shown(facts[0].final_price).as_ref(), Some(&bought["final_price"]));
    let excesses = stored.all_exceptions();
    let excesses: Vec<String> = excesses.iter().filter_map(|row| row.excess).map(|excess| excess.to_string()).collect();
    assert_eq!(excesses, ["59995000000.125", "0.00000001", "14.99999999", "903", "999.9999999", "99149.9999"]);
}

#[test]
fn exceptions_serialize_as_the_api_shows_them() {
    let tape = format!("{HEADER}\nA-1,250000,6.5,97.8,,720,sfr,primary,purchase,312500,312500\n");
    let stored = Stored::new(&run_tape(tape).unwrap());
    let exceptions: Vec<String> = stored.all_exceptions().iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    assert_eq!(
        exceptions,
        [
            r#"{"seller_loan_number":"A-1","exception_type":"ltv_ratio","exception_category":"credit","severity":"hard","message":"LTV 97.80 % is above the maximum 97.00 % (by 0.80)","rejection_criteria":"notebook.ltv_exceeds_maximum","field":"ltv_ratio","actual":"97.8","limit":"<= 97.0","excess":0.8,"source_file":"tape.csv","line":2,"row":0}"#,
            r#"{"seller_loan_number":"A-1","exception_type":"dti_ratio","exception_category":"credit","severity":"hard","message":"DTI is missing; it must be from 0.00 % to 50.00 %","rejection_criteria":"notebook.dti_exceeds_maximum","field":"dti_ratio","actual":"missing","limit":">= 0 and <= 50.0","excess":null,"source_file":"tape.csv","line":2,"row":0}"#,
        ]
    );
}

#[test]
fn a_run_without_exceptions_has_pages_without_rows() {
    let stored = Stored::new(&run_tape(format!("{HEADER}\nA-1,{GOOD_CELLS}\n")).unwrap());
    assert_eq!(stored.all_exceptions(), []);
    assert_eq!(ExceptionFilter::default().count(&stored.index), Some(0));
    assert_eq!(stored.all_facts().len(), 1);
}

/// Counts the calls and the bytes that are read of a file.
struct Counting {
    file: Bytes,
    calls: AtomicUsize,
    bytes: AtomicU64,
}

impl RangeReader for &Counting {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "{ranges:?}");
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(ranges.iter().map(|range| range.end - range.start).sum(), Ordering::Relaxed);
        self.file.read(ranges)
    }
}

#[test]
fn a_page_reads_no_more_at_the_end_than_at_the_start() {
    let large = &*LARGE;
    let counting = Counting { file: file(&large.finished, FACTS_FILE), calls: AtomicUsize::new(0), bytes: AtomicU64::new(0) };
    let reader = FactsReader::open(&counting).unwrap();
    let read = |filter: &FactFilter, skip: u64| {
        counting.calls.store(0, Ordering::Relaxed);
        counting.bytes.store(0, Ordering::Relaxed);
        assert_eq!(reader.page(&large.stored.index, filter, skip, 10).unwrap().len(), 10);
        (counting.calls.load(Ordering::Relaxed), counting.bytes.load(Ordering::Relaxed))
    };
    let everything = FactFilter::default();
    let with = |disposition| FactFilter { disposition: Some(disposition), ..FactFilter::default() };
    // Finding rows takes one call more than reading them. The loans that are held are in the last two row groups alone.
    for (filter, calls) in [(everything, 1), (with(Disposition::ToPurchase), 2), (with(Disposition::Projected), 2)] {
        let count = filter.count(&large.stored.index).unwrap();
        let (first, last) = (read(&filter, 0), read(&filter, count - 10));
        assert_eq!((first.0, last.0), (calls, calls), "{filter:?}");
        assert!(last.1 < first.1 * 2, "{filter:?}: {first:?} {last:?}");
        assert!(first.1 < counting.file.len() as u64 / 10, "{filter:?}: {first:?}");
    }
}

#[test]
fn a_reader_is_shared_between_threads() {
    fn is_shared(_: &(impl Send + Sync)) {}
    let large = &*LARGE;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FACTS_FILE);
    std::fs::write(&path, &large.finished.files[FACTS_FILE]).unwrap();
    let reader = FactsReader::open(File::open(&path).unwrap()).unwrap();
    is_shared(&reader);
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let reader = &reader;
            scope.spawn(move || {
                for step in 0..20_usize {
                    let start = (thread * 37_003 + step * 7_919) % (LARGE_LOANS - 10);
                    let page = reader.page(&large.stored.index, &FactFilter::default(), start as u64, 10).unwrap();
                    assert_eq!(page, large.facts[start..start + 10]);
                }
            });
        }
    });
}

mod damage {
    use super::*;

    /// A run of a few pages of rows, with values in every column.
    static SMALL: LazyLock<Finished> = LazyLock::new(|| {
        let mut tape = format!("{HEADER},State,CLTV,Maturity Date,Term,Original Balance,County\n");
        for loan in 0..2_500 {
            let cells = match loan % 10 {
                0 => "250000.1234567,6.5,80,,600,castle,primary,purchase,312500,312500",
                1 => "250000,six,80,35,720,,primary,purchase,,312500",
                _ => GOOD_CELLS,
            };
            let standard = match loan % 9 {
                0 => ",,,,",
                1 => "Cali,1.62,soon,long,260000.005",
                _ => "CA,85,12/1/2056,360,260000",
            };
            tape.push_str(&format!("N{loan:05},{cells},{standard},Kings {}\n", loan % 7));
        }
        let rules = RuleSet::from_toml("[projection]\nhold_on_soft_exceptions = true").unwrap();
        run_tapes(&[("small.csv", tape.as_bytes())], &rules, Tuning { threads: 1, block_bytes: 64 * 1024 }).unwrap()
    });

    /// Reads some pages of a file of facts.
    fn facts(file: Bytes) -> Result<[Vec<FactRow>; 3], ReadError> {
        let index = &SMALL.outcome.index;
        let reader = FactsReader::open(file)?;
        let rejected = FactFilter { disposition: Some(Disposition::Rejected), ..FactFilter::default() };
        let numbered = FactFilter { seller_loan_number: Some("N02321".to_owned()), ..FactFilter::default() };
        Ok([
            reader.page(index, &FactFilter::default(), 2_030, 30)?,
            reader.page(index, &rejected, 400, 30)?,
            reader.page(index, &numbered, 0, 1)?,
        ])
    }

    /// Reads some pages of a file of exceptions.
    fn exceptions(file: Bytes) -> Result<[Vec<ExceptionRow>; 3], ReadError> {
        let index = &SMALL.outcome.index;
        let reader = ExceptionsReader::open(file)?;
        let credit = ExceptionFilter { exception_category: Some("credit".to_owned()), ..ExceptionFilter::default() };
        let numbered = ExceptionFilter { seller_loan_number: Some("N02321".to_owned()), ..ExceptionFilter::default() };
        Ok([
            reader.page(index, &ExceptionFilter::default(), 600, 30)?,
            reader.page(index, &credit, 200, 30)?,
            reader.page(index, &numbered, 0, 1)?,
        ])
    }

    #[test]
    fn a_file_cut_short_is_an_error() {
        let whole = file(&SMALL, FACTS_FILE);
        let lengths = (0..40).chain((40..whole.len()).step_by(997)).chain(whole.len() - 40..whole.len());
        for length in lengths {
            let error = facts(whole.slice(..length)).unwrap_err();
            assert!(matches!(error, ReadError::Damaged { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn a_damaged_byte_is_an_error_or_another_value() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let (whole_facts, whole_exceptions) = (file(&SMALL, FACTS_FILE), file(&SMALL, EXCEPTIONS_FILE));
        let mut errors = 0;
        for step in 0..400 {
            // Every other time, damage the last 12,000 bytes, where the footer is. Flip one bit or more.
            let (place, bits) = (random() as usize, 1 << (random() % 8) | if step % 3 == 0 { random() as u8 } else { 0 });
            let damaged = |whole: &Bytes| {
                let from = if step % 2 == 0 { whole.len().saturating_sub(12_000) } else { 0 };
                let mut bytes = whole.to_vec();
                bytes[from + place % (whole.len() - from)] ^= bits;
                Bytes::from(bytes)
            };
            match facts(damaged(&whole_facts)) {
                Ok([page, rejected, _]) => assert_eq!((page.len(), rejected.len()), (30, 30)),
                Err(_) => errors += 1,
            }
            match exceptions(damaged(&whole_exceptions)) {
                Ok([page, credit, _]) => assert_eq!((page.len(), credit.len()), (30, 30)),
                Err(_) => errors += 1,
            }
        }
        assert!(errors > 100, "{errors}");
    }

    #[test]
    fn the_index_of_another_run_is_an_error() {
        let reader = FactsReader::open(file(&SMALL, FACTS_FILE)).unwrap();
        let index = SMALL.outcome.index.clone();
        let page = |index: &ResultsIndex, filter: &FactFilter| reader.page(index, filter, 0, 1).map(|page| page.len());
        let rejected = FactFilter { disposition: Some(Disposition::Rejected), ..FactFilter::default() };
        let mut more_rows = index.clone();
        more_rows.facts[0][0] += 1;
        let mut more_rejected = index.clone();
        more_rejected.facts[0][0] -= 1;
        more_rejected.facts[0][2] += 1;
        let mut more_groups = index.clone();
        more_groups.facts.push([1, 0, 0]);
        for (index, filter) in [(&more_rows, FactFilter::default()), (&more_groups, FactFilter::default())] {
            assert!(matches!(page(index, &filter), Err(ReadError::Damaged { .. })), "{index:?}");
        }
        let error = reader.page(&more_rejected, &rejected, 0, usize::MAX).unwrap_err();
        assert_eq!(error.to_string(), "facts.parquet is damaged: a row group has not the rows that the run's index counts");
        assert!(matches!(page(&index, &rejected), Ok(1)));
        assert!(matches!(FactsReader::open(file(&SMALL, EXCEPTIONS_FILE)), Err(ReadError::Damaged { .. })));
    }

    /// A store that does not answer.
    struct Down;

    impl RangeReader for Down {
        fn size(&self) -> io::Result<u64> {
            Ok(1_000)
        }

        fn read(&self, _: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
            Err(io::ErrorKind::TimedOut.into())
        }
    }

    #[test]
    fn a_store_that_does_not_answer_is_no_damage() {
        assert!(matches!(FactsReader::open(Down), Err(ReadError::Unavailable { .. })));
    }
}
