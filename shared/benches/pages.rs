//! Cost of pages of the facts and exceptions of a million loans. A page at the end of a run must cost the same as a page at its
//! start.
//!
//! `cargo bench -p shared --bench pages` prints the ratios first, then Criterion's result for each page.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints its results and may panic on an error")]

use std::{
    fmt::Write as _,
    hint::black_box,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::Criterion;
use shared::{
    engine::{Destination, Job, Tuning, run},
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        index::ResultsIndex,
        read::{ExceptionFilter, ExceptionsReader, FactFilter, FactsReader},
    },
    phases::{disposition::Disposition, pricing::IrrTarget},
    rules::rule_set::RuleSet,
    tape::{
        options::TapeOptions,
        source::{MemorySource, TapeSource},
        text::RawCopy,
    },
};

/// Number of loans in the run.
const LOANS: u64 = 1_000_000;
/// Number of rows in a page of the API, unless the caller asks for another number.
const PAGE: usize = 100;

/// A tape of random loans, which is the same on every call. About one loan in six fails a rule or two, and one in ten thousand
/// has a low rate.
fn tape() -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let mut pick = |words: &[&'static str]| words[below(words.len() as u64) as usize];
    let mut kinds = Vec::new();
    for _ in 0..4_096 {
        kinds.push([
            pick(&["SFR", "Condo", "TH", "PUD", "2-4 Unit"]),
            pick(&["P", "S", "I"]),
            pick(&["P", "R/T Refi", "C/O"]),
            pick(&["CA", "TX", "NY", "FL", "WA"]),
        ]);
    }
    let mut tape =
        String::from("Loan #,UPB,Note Rate,LTV,DTI,FICO,Prop Type,Occ,Purpose,Sales Price,Appraised Value,State,Servicer Loan\n");
    for loan in 0..LOANS {
        let cents = 5_000_000 + below(150_000_000);
        let ltv = 3_000 + below(6_750);
        let score = if below(10) == 0 { 560 + below(60) } else { 620 + below(231) };
        let value = cents * 100 / ltv;
        let [property, occupancy, purpose, state] = kinds[below(4_096) as usize];
        writeln!(
            tape,
            "LN{:010},{}.{:02},{}.{:03},{}.{:02},{}.{:02},{score},{property},{occupancy},{purpose},{value}.00,{},{state},{}",
            below(10_000_000_000),
            cents / 100,
            cents % 100,
            if below(10_000) == 0 { 1 } else { 3 + below(7) },
            below(8) * 125,
            ltv / 100,
            ltv % 100,
            10 + below(42),
            below(100),
            if below(50) == 0 { 0 } else { value / 1_000 * 1_000 },
            7_000_000_000 + loan,
        )
        .unwrap();
    }
    tape
}

/// Keeps the stored results in memory, and discards the other files.
#[derive(Default)]
struct InMemory {
    facts: Arc<Mutex<Vec<u8>>>,
    exceptions: Arc<Mutex<Vec<u8>>>,
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Destination for InMemory {
    fn create(&self, file_name: &str) -> io::Result<Box<dyn Write + Send>> {
        Ok(match file_name {
            FACTS_FILE => Box::new(Shared(self.facts.clone())),
            EXCEPTIONS_FILE => Box::new(Shared(self.exceptions.clone())),
            _ => Box::new(io::sink()),
        })
    }

    fn archive_tape(&self, _: &str) -> io::Result<Option<RawCopy>> {
        Ok(None)
    }
}

/// Runs the engine over the tape. Returns facts, exceptions and their index.
fn results() -> (Bytes, Bytes, ResultsIndex) {
    let tapes: Vec<Box<dyn TapeSource>> = vec![Box::new(MemorySource::new("tape.csv", tape().into_bytes()))];
    let destination = InMemory::default();
    let outcome = run(&Job {
        tapes: &tapes,
        options: &TapeOptions::default(),
        rules: &RuleSet::from_toml("[projection]\nminimum_price = 87.0").unwrap(),
        irr_target: IrrTarget::DEFAULT,
        pdate: jiff::civil::date(2026, 2, 2),
        waivers: None,
        destination: Some(&destination),
        progress: &|_| {},
        tuning: Tuning::default(),
    })
    .unwrap();
    let take = |file: &Mutex<Vec<u8>>| Bytes::from(std::mem::take(&mut *file.lock().unwrap()));
    (take(&destination.facts), take(&destination.exceptions), outcome.index)
}

/// A named measurement.
struct Case<'c> {
    name: String,
    read: Box<dyn Fn() -> usize + 'c>,
}

impl Case<'_> {
    /// Median time of 201 calls.
    fn median(&self) -> Duration {
        let mut times: Vec<Duration> = (0..201)
            .map(|_| {
                let start = Instant::now();
                black_box((self.read)());
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2]
    }
}

fn main() {
    let (facts, exceptions, index) = results();
    println!("facts.parquet has {} bytes, exceptions.parquet {}", facts.len(), exceptions.len());
    let (facts, exceptions) = (FactsReader::open(facts).unwrap(), ExceptionsReader::open(exceptions).unwrap());
    let (facts, exceptions, index) = (&facts, &exceptions, &index);
    // A page costs most at the end of a row group, where the filter has checked all rows before it.
    let first = |index: &ResultsIndex| ResultsIndex {
        facts: index.facts.iter().take(1).copied().collect(),
        exceptions: index.exceptions.iter().take(1).cloned().collect(),
        programs: Vec::new(),
        kinds: Vec::new(),
    };
    let places = |count: u64, in_first_group: u64| {
        let before = |end: u64| end - PAGE as u64;
        [("start", 0), ("end of row group", before(in_first_group)), ("end", before(count))]
    };
    let mut pages: Vec<[Case<'_>; 3]> = Vec::new();
    let with = |disposition| FactFilter { disposition: Some(disposition), ..FactFilter::default() };
    let rejected = with(Disposition::Rejected);
    for (name, filter) in [("facts", FactFilter::default()), ("facts, rejected", rejected)] {
        let places = places(filter.count(index).unwrap(), filter.count(&first(index)).unwrap());
        pages.push(places.map(|(place, skip)| {
            let filter = filter.clone();
            let read = move || facts.page(index, &filter, skip, PAGE).unwrap().len();
            Case { name: format!("{name}/{place}"), read: Box::new(read) }
        }));
    }
    let no_appraisal = ExceptionFilter { exception_type: Some("missing_appraisal".to_owned()), ..ExceptionFilter::default() };
    for (name, filter) in [("exceptions", ExceptionFilter::default()), ("exceptions, missing_appraisal", no_appraisal)] {
        let places = places(filter.count(index).unwrap(), filter.count(&first(index)).unwrap());
        pages.push(places.map(|(place, skip)| {
            let filter = filter.clone();
            let read = move || exceptions.page(index, &filter, skip, PAGE).unwrap().len();
            Case { name: format!("{name}/{place}"), read: Box::new(read) }
        }));
    }
    for cases in &pages {
        let [start, late, end] = cases.each_ref().map(Case::median);
        let times = |time: Duration| {
            let percent = time.as_nanos() * 100 / start.as_nanos();
            format!("{time:?} ({}.{:02})", percent / 100, percent % 100)
        };
        println!("{}: {start:?}, at the end of a row group {}, at the end {}", cases[0].name, times(late), times(end));
    }
    let number = facts.page(index, &FactFilter::default(), LOANS - 1, 1).unwrap().remove(0).seller_loan_number;
    let numbered = FactFilter { seller_loan_number: Some(number), ..FactFilter::default() };
    let last = Case {
        name: "facts, by the number of the last loan".to_owned(),
        read: Box::new(move || facts.page(index, &numbered, 0, PAGE).unwrap().len()),
    };
    // A hundred rare loans are in about a hundred pages of each column.
    let held_back = with(Disposition::Projected);
    assert!(held_back.count(index).unwrap() > 50);
    let rare = Case {
        name: "facts, projected".to_owned(),
        read: Box::new(move || facts.page(index, &held_back, 0, PAGE).unwrap().len()),
    };
    let page = facts.page(index, &FactFilter::default(), 0, PAGE).unwrap();
    let json =
        Case { name: "facts, a page as JSON".to_owned(), read: Box::new(move || serde_json::to_vec(&page).unwrap().len()) };
    for case in [&last, &rare, &json] {
        println!("{}: {:?}", case.name, case.median());
    }

    let mut criterion = Criterion::default().configure_from_args();
    for case in pages.iter().flatten().chain([&last, &rare, &json]) {
        criterion.bench_function(&case.name, |bencher| bencher.iter(&case.read));
    }
    criterion.final_summary();
}
