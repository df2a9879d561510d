//! Lists of loans and exceptions under filters and orders, against a naive search through all of them.

use std::{cmp::Reverse, sync::LazyLock};

use bytes::Bytes;
use proptest::{prelude::*, sample::select};
use shared::{
    decimal::Decimal,
    engine::Tuning,
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        index::ResultsIndex,
        read::{ExceptionFilter, ExceptionRow, ExceptionsReader, FactFilter, FactRow, FactsReader, StoredNumber, StoredValue},
    },
    loan::{Field, FieldKind},
    phases::disposition::Disposition,
    questions::lists::{
        LoanList, StoredRun,
        columns::{NumberField, WordField},
        exceptions::LoanExceptions,
        filter::{LoanFilter, Words},
        find_exceptions,
        order::LoanOrder,
        range::NumberFilter,
    },
    rules::{Severity, rule_set::RuleSet},
    tape::aliases::Aliases,
};

use crate::{
    facts::LARGE,
    support::runs::{Finished, HEADER, run_tape, run_tapes},
};

/// Stored results, and everything in them.
struct Results {
    facts: FactsReader<Bytes>,
    exceptions: ExceptionsReader<Bytes>,
    index: ResultsIndex,
    all_facts: Vec<FactRow>,
    all_exceptions: Vec<ExceptionRow>,
}

impl Results {
    fn of(finished: &Finished) -> Self {
        let file = |name: &str| Bytes::from(finished.files[name].clone());
        let facts = FactsReader::open(file(FACTS_FILE)).unwrap();
        let exceptions = ExceptionsReader::open(file(EXCEPTIONS_FILE)).unwrap();
        let index = finished.outcome.index.clone();
        let all_facts = facts.page(&index, &FactFilter::default(), 0, usize::MAX).unwrap();
        let all_exceptions = exceptions.page(&index, &ExceptionFilter::default(), 0, usize::MAX).unwrap();
        Self { facts, exceptions, index, all_facts, all_exceptions }
    }

    fn stored(&self) -> StoredRun<'_, Bytes, Bytes> {
        StoredRun { facts: &self.facts, exceptions: &self.exceptions, index: &self.index }
    }
}

const NUMBERS: [(&str, &[&str]); 8] = [
    ("loan_amount", &["250000", "250000.01", "100000.005", "49999.99", "6000000", "", "a lot", "99999999999999"]),
    ("note_rate", &["6.5", "6.123456", "6.1234567", "7", "1.25", "", "x"]),
    ("ltv_ratio", &["80", "85", "84.9999999", "97.0", "97.5", "98.2", "120", "", "n/a?"]),
    ("cltv_ratio", &["80", "90.5", "", "?"]),
    ("dti_ratio", &["35", "50", "50.5", "", "0.0000001"]),
    ("dscr", &["1.25", "0.9", "", "none"]),
    ("credit_score", &["720", "619", "615", "500", "720.55555", ""]),
    ("purchase_price", &["312500", "", "1"]),
];
const WORDS: [(&str, &[&str]); 5] = [
    ("property_type", &["sfr", "condo", "castle", "Other", ""]),
    ("occupancy_status", &["primary", "investment", "boat", ""]),
    ("loan_purpose", &["purchase", "cash_out_refinance", ""]),
    ("property_state", &["CA", "NV", "", "Atlantis"]),
    ("documentation_type", &["full", "", "napkin"]),
];

/// A run of 700 loans with all kinds of values; every cell is drawn from a few.
static MIXED: LazyLock<Results> = LazyLock::new(|| {
    let mut state = 7_u64;
    let mut draw = |count: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % count
    };
    let columns = NUMBERS.iter().chain(&WORDS);
    let header: Vec<&str> = ["seller_loan_number"].into_iter().chain(columns.clone().map(|(name, _)| *name)).collect();
    let mut tape = format!("{},appraisal_value\n", header.join(","));
    for loan in 0..700 {
        let number = ["", "A-1", "B", "A"][draw(4)];
        let number = if number.is_empty() { String::new() } else { format!("{number}{}", if draw(9) == 0 { 0 } else { loan }) };
        // Most cells are the first, which is good, so that loans of every disposition occur.
        let cells = columns.clone().map(|(_, cells)| cells[if draw(3) > 0 { 0 } else { draw(cells.len()) }]);
        tape.push_str(&format!("{number},{},312500\n", cells.collect::<Vec<_>>().join(",")));
    }
    // Prices below 90 hold loans back.
    let rules = RuleSet::from_toml("[projection]\nminimum_price = 90.0\nhold_on_soft_exceptions = false").unwrap();
    let tuning = Tuning { threads: 2, block_bytes: 64 * 1024 };
    Results::of(&run_tapes(&[("tape.csv", tape.as_bytes())], &rules, tuning).unwrap())
});

/// The number of a loan in a field; `None` when it is missing or could not be read.
fn number(loan: &FactRow, field: NumberField) -> Option<Decimal> {
    match field.name() {
        "final_price" => return loan.final_price,
        "wal" => return loan.wal,
        _ => {}
    }
    let field = Field::from_name(field.name()).unwrap();
    match field.info().kind {
        FieldKind::Number(at) => match &loan.numbers[at] {
            StoredNumber::Value(value) => Some(*value),
            StoredNumber::Missing | StoredNumber::Unreadable(_) => None,
        },
        _ => match loan.standard(field) {
            Some(StoredValue::Number(value)) => Some(*value),
            _ => None,
        },
    }
}

/// The word of a loan in a field; `None` when it is missing or could not be read.
fn word(loan: &FactRow, field: WordField) -> Option<String> {
    match field.name() {
        "disposition" => return Some(loan.disposition.as_str().to_owned()),
        "program" => return loan.program.clone().flatten(),
        _ => {}
    }
    let field = Field::from_name(field.name()).unwrap();
    match field.info().kind {
        FieldKind::Word(at) => loan.words[at].clone(),
        _ => match loan.standard(field) {
            Some(StoredValue::Word(word)) => Some(word.clone()),
            _ => None,
        },
    }
}

/// Whether a text of the grammar of ranges lets a number through, read the slow way.
fn is_in(range: &str, value: Option<Decimal>) -> bool {
    let decimal = |text: &str| text.parse::<Decimal>().unwrap();
    let Some(value) = value else { return range == "missing" };
    match range.split_once("..") {
        None => range != "missing" && value == decimal(range),
        Some((lower, upper)) => {
            let above = match lower.strip_suffix('<') {
                Some(lower) => value > decimal(lower),
                None => lower.is_empty() || value >= decimal(lower),
            };
            let below = match upper.strip_prefix('<') {
                Some(upper) => value < decimal(upper),
                None => upper.is_empty() || value <= decimal(upper),
            };
            above && below
        }
    }
}

fn is_one_of(words: &[String], field: WordField, value: Option<String>) -> bool {
    let Some(value) = value else { return words.iter().any(|word| word == "missing") };
    let known = Field::from_name(field.name()).filter(|field| matches!(field.info().kind, FieldKind::Word(_)));
    let known = known.and_then(|field| Aliases::built_in().vocabulary(field));
    let is_other = known.is_some_and(|known| !known.canonical().contains(&value));
    words.iter().any(|word| *word == value || word == "other" && is_other)
}

/// Conditions as a client writes them.
#[derive(Debug, Clone, Default)]
struct Asked {
    words: Vec<(WordField, Vec<String>)>,
    numbers: Vec<(NumberField, String)>,
    number: Option<String>,
    search: Option<String>,
    exception_type: Option<String>,
    severity: Option<Severity>,
    category: Option<String>,
    only_reason: Option<String>,
    excess: Option<String>,
}

impl Asked {
    fn filter(&self) -> LoanFilter {
        LoanFilter {
            words: self.words.iter().map(|(field, words)| (*field, Words::any(words.clone()))).collect(),
            numbers: self.numbers.iter().map(|(field, range)| (*field, range.parse().unwrap())).collect(),
            seller_loan_number: self.number.clone(),
            search: self.search.clone(),
            exceptions: LoanExceptions {
                exception_type: self.exception_type.clone(),
                severity: self.severity,
                category: self.category.clone(),
                program: None,
                only_reason: self.only_reason.clone(),
                excess: self.excess.as_ref().map(|range| range.parse().unwrap()),
            },
        }
    }

    fn lets_through(&self, loan: &FactRow, all: &[ExceptionRow]) -> bool {
        let exceptions: Vec<&ExceptionRow> = all.iter().filter(|exception| exception.row == loan.row).collect();
        self.words.iter().all(|(field, words)| is_one_of(words, *field, word(loan, *field)))
            && self.numbers.iter().all(|(field, range)| is_in(range, number(loan, *field)))
            && self.number.as_ref().is_none_or(|number| *number == loan.seller_loan_number)
            && self.search.as_ref().is_none_or(|start| loan.seller_loan_number.starts_with(start))
            && self.has_exception(&exceptions)
            && self.has_only(loan, &exceptions)
    }

    fn has_exception(&self, exceptions: &[&ExceptionRow]) -> bool {
        if self.exception_type.is_none() && self.severity.is_none() && self.category.is_none() {
            return true;
        }
        exceptions.iter().any(|exception| {
            self.exception_type.as_ref().is_none_or(|wanted| *wanted == exception.exception_type)
                && self.severity.is_none_or(|wanted| wanted == exception.severity)
                && self.category.as_ref().is_none_or(|wanted| *wanted == exception.exception_category)
                && (self.exception_type.is_none()
                    || self.excess.as_ref().is_none_or(|range| is_in(&relative(range), distance(range, exception))))
        })
    }

    fn has_only(&self, loan: &FactRow, exceptions: &[&ExceptionRow]) -> bool {
        let Some(kind) = &self.only_reason else { return true };
        let hard: Vec<_> = exceptions.iter().filter(|exception| exception.severity == Severity::Hard).collect();
        let largest = |range: &String| {
            let distances: Option<Vec<Decimal>> = hard.iter().map(|exception| distance(range, exception)).collect();
            distances.and_then(|distances| distances.into_iter().max())
        };
        loan.disposition == Disposition::Rejected
            && !hard.is_empty()
            && hard.iter().all(|exception| exception.exception_type == *kind)
            && self
                .excess
                .as_ref()
                .is_none_or(|range| largest(range).is_some_and(|largest| is_in(&relative(range), Some(largest))))
    }
}

/// The range without its unit.
fn relative(range: &str) -> String {
    range.trim_end_matches('%').to_owned()
}

/// The distance of an exception in the unit of a range; a limit of the tests divides a hundredfold distance to few decimals.
fn distance(range: &str, exception: &ExceptionRow) -> Option<Decimal> {
    if !range.ends_with('%') {
        return exception.excess;
    }
    let limit = exception.limit.as_ref()?.trim_start_matches(['<', '>', '=', ' ']).parse::<Decimal>().ok()?;
    let (excess, scale) = exception.excess?.times_hundred()?.parts();
    let (limit, limit_scale) = limit.magnitude().parts();
    // Twelve more decimals than the limits of the tests need to tell apart.
    Decimal::new(excess * 10_i128.pow(12) / limit, scale + 12 - limit_scale)
}

fn ranges() -> impl Strategy<Value = String> {
    let bound = select(vec![
        "0",
        "1",
        "1.25",
        "6.1234567",
        "6.5",
        "7",
        "35",
        "50",
        "80",
        "84.9999999",
        "85",
        "90.5",
        "97",
        "619",
        "720",
        "720.55555",
        "49999.99",
        "100000.005",
        "250000",
        "250000.01",
        "6000000",
        "99999999999999",
        "-5",
    ]);
    (bound.clone(), bound, 0..8).prop_map(|(one, other, form)| match form {
        0 => format!("{one}..{other}"),
        1 => format!("{one}..<{other}"),
        2 => format!("{one}<..{other}"),
        3 => format!("{one}<..<{other}"),
        4 => format!("{one}.."),
        5 => format!("..<{one}"),
        6 => one.to_owned(),
        _ => "missing".to_owned(),
    })
}

fn words_of(field: WordField) -> Vec<&'static str> {
    match field.name() {
        "disposition" => vec!["to_purchase", "projected", "rejected"],
        "program" => vec!["missing", "agency"],
        name => {
            let (_, cells) = WORDS.iter().find(|(column, _)| *column == name).unwrap();
            cells.iter().copied().chain(["missing", "other"]).filter(|word| !word.is_empty()).collect()
        }
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let words = select(WordField::ALL.to_vec()).prop_flat_map(|field| {
        let words = prop::collection::vec(select(words_of(field)).prop_map(str::to_owned), 1..3);
        words.prop_map(move |words| (field, words))
    });
    let numbers = (select(NumberField::ALL.to_vec()), ranges());
    let text = |texts: &[&'static str]| prop::option::weighted(0.25, select(texts.to_vec()).prop_map(str::to_owned));
    let kinds = ["ltv_ratio", "credit_score", "loan_amount_range", "invalid_value", "missing_field", "dti_ratio", "unknown"];
    let excess = ["..1", "..0.5", "1<..", "4..5", "..1%", "0.0001..2.5%", "..20%", "100"];
    (
        prop::collection::vec(words, 0..2),
        prop::collection::vec(numbers, 0..3),
        (text(&["A-10", "UNKNOWN", "B7", "none"]), text(&["A", "A-1", "U", "", "b"])),
        (
            text(&kinds),
            prop::option::weighted(0.25, select(vec![Severity::Hard, Severity::Soft])),
            text(&["credit", "data_quality", "x"]),
        ),
        (text(&kinds), text(&excess)),
    )
        .prop_map(
            |(mut words, mut numbers, (number, search), (exception_type, severity, category), (only_reason, excess))| {
                words.dedup_by_key(|(field, _)| *field);
                numbers.sort_by_key(|(field, _)| field.name());
                numbers.dedup_by_key(|(field, _)| *field);
                let excess = excess.filter(|_| exception_type.is_some() || only_reason.is_some());
                Asked { words, numbers, number, search, exception_type, severity, category, only_reason, excess }
            },
        )
}

/// Naively sorted: by the value, missing last, ties in tape order.
fn sorted(results: &Results, rows: &[u64], order: &str) -> Vec<u64> {
    let (name, descending) = order.strip_prefix('-').map_or((order, false), |name| (name, true));
    let mut rows = rows.to_vec();
    fn by<K: Ord>(rows: &mut [u64], descending: bool, key: impl Fn(u64) -> Option<K>) {
        if descending {
            rows.sort_by_key(|row| (key(*row).is_none(), key(*row).map(Reverse)));
        } else {
            rows.sort_by_key(|row| (key(*row).is_none(), key(*row)));
        }
    }
    let loan = |row: u64| &results.all_facts[row as usize];
    if name == "line" {
        by(&mut rows, descending, Some);
    } else if let Some(field) = NumberField::from_name(name) {
        by(&mut rows, descending, |row| number(loan(row), field));
    } else {
        by(&mut rows, descending, |row| word(loan(row), WordField::from_name(name).unwrap()));
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_filtered_list_is_what_a_naive_search_finds(asked in asked(), limit in 1_usize..60) {
        let results = &*MIXED;
        let found: Vec<u64> = results.all_facts.iter()
            .filter(|loan| asked.lets_through(loan, &results.all_exceptions))
            .map(|loan| loan.row)
            .collect();
        let filter = asked.filter();
        let list = LoanList::find(results.stored(), &filter, LoanOrder::default()).unwrap();
        prop_assert_eq!(list.count(), found.len() as u64);
        prop_assert_eq!(&list.page(0, usize::MAX), &found);
        // Page by page, by the number of loans before a page and by the place of its first loan.
        let (mut by_skip, mut by_place) = (Vec::new(), Vec::new());
        loop {
            let page = list.page(by_skip.len() as u64, limit);
            if page.is_empty() {
                break;
            }
            by_skip.extend(page);
        }
        let mut from = 0;
        loop {
            let rows = filter.rows_from(results.stored(), from, limit as u64).unwrap();
            let page: Vec<u64> = rows.after(0).take(limit).collect();
            let Some(last) = page.last() else { break };
            from = last + 1;
            by_place.extend(page);
        }
        prop_assert_eq!(&by_skip, &found);
        prop_assert_eq!(&by_place, &found);
        let rows = results.facts.at(&results.index, &found).unwrap();
        prop_assert!(rows.iter().zip(&found).all(|(loan, row)| *loan == results.all_facts[*row as usize]));
    }

    #[test]
    fn a_sorted_list_has_every_loan_once_in_a_total_order(asked in asked(), order in select(LoanOrder::names().collect::<Vec<_>>()), descending: bool) {
        let results = &*MIXED;
        let order = if descending { format!("-{order}") } else { order.to_owned() };
        let filter = asked.filter();
        let in_order = LoanList::find(results.stored(), &filter, LoanOrder::default()).unwrap().page(0, usize::MAX);
        let list = LoanList::find(results.stored(), &filter, order.parse().unwrap()).unwrap();
        prop_assert_eq!(list.page(0, usize::MAX), sorted(results, &in_order, &order));
    }

    #[test]
    fn exceptions_of_filtered_loans_are_what_a_naive_search_finds(
        asked in asked(), kind in prop::option::of(select(vec!["ltv_ratio", "invalid_value"])), soft: bool, number in prop::option::of(select(vec!["UNKNOWN", "B7"])),
    ) {
        let results = &*MIXED;
        let filter = ExceptionFilter {
            exception_type: kind.map(str::to_owned),
            severity: soft.then_some(Severity::Soft),
            seller_loan_number: number.map(str::to_owned),
            ..ExceptionFilter::default()
        };
        let loans: Vec<bool> = results.all_facts.iter().map(|loan| asked.lets_through(loan, &results.all_exceptions)).collect();
        let found: Vec<u64> = results.all_exceptions.iter()
            .filter(|exception| {
                loans[exception.row as usize]
                    && kind.is_none_or(|kind| kind == exception.exception_type)
                    && (!soft || exception.severity == Severity::Soft)
                    && number.is_none_or(|number| number == exception.seller_loan_number)
            })
            .map(|exception| exception.ordinal)
            .collect();
        let rows = find_exceptions(results.stored(), &filter, &asked.filter()).unwrap();
        prop_assert!(rows.iter().eq(found.iter().copied()));
        let rows = results.exceptions.at(&results.index, &found).unwrap();
        prop_assert!(rows.iter().map(|row| row.ordinal).eq(found));
    }
}

#[test]
fn every_kind_of_value_occurs_in_the_mixed_run() {
    let results = &*MIXED;
    let count = |disposition| results.all_facts.iter().filter(|loan| loan.disposition == disposition).count();
    assert!(Disposition::ALL.map(count).iter().all(|count| *count > 3), "{:?}", Disposition::ALL.map(count));
    assert!(results.all_exceptions.iter().any(|exception| exception.excess.is_some()));
    for field in NumberField::ALL.into_iter().filter(|field| field.name() != "wal") {
        let present = results.all_facts.iter().filter(|loan| number(loan, field).is_some()).count();
        assert!(present > 20 && present < results.all_facts.len(), "{}", field.name());
    }
}

#[test]
fn lists_go_over_row_groups() {
    let large = &*LARGE;
    let run = StoredRun { facts: &large.stored.facts, exceptions: &large.stored.exceptions, index: &large.stored.index };
    let scores = LoanFilter {
        numbers: vec![(NumberField::from_name("credit_score").unwrap(), "..<650".parse().unwrap())],
        ..LoanFilter::default()
    };
    let list = LoanList::find(run, &scores, LoanOrder::default()).unwrap();
    let is_low = |loan: &&FactRow| {
        number(loan, NumberField::from_name("credit_score").unwrap()).is_some_and(|score| score < "650".parse().unwrap())
    };
    let found: Vec<u64> = large.facts.iter().filter(is_low).map(|loan| loan.row).collect();
    assert_eq!(list.page(0, usize::MAX), found);
    let by_amount = LoanList::find(run, &LoanFilter::default(), "-loan_amount".parse().unwrap()).unwrap();
    let places = by_amount.page(large.facts.len() as u64 / 2, 50);
    let rows = large.stored.facts.at(&large.stored.index, &places).unwrap();
    assert!(rows.iter().map(|row| row.row).eq(places.iter().copied()));
    let amounts: Vec<Option<Decimal>> =
        rows.iter().map(|loan| number(loan, NumberField::from_name("loan_amount").unwrap())).collect();
    assert!(amounts.windows(2).all(|pair| pair[0] >= pair[1]), "{amounts:?}");
    let only = LoanFilter {
        exceptions: LoanExceptions { only_reason: Some("credit_score".to_owned()), ..LoanExceptions::default() },
        ..LoanFilter::default()
    };
    let rows = only.rows(run).unwrap();
    let hard_of = |loan: u64| {
        let of_loan = large.exceptions.partition_point(|exception| exception.row < loan)..;
        large.exceptions[of_loan]
            .iter()
            .take_while(move |exception| exception.row == loan)
            .filter(|exception| exception.severity == Severity::Hard)
    };
    let is_only = |loan: &&FactRow| {
        loan.disposition == Disposition::Rejected
            && hard_of(loan.row).next().is_some()
            && hard_of(loan.row).all(|exception| exception.exception_type == "credit_score")
    };
    assert!(rows.count() > 10_000 && rows.iter().eq(large.facts.iter().filter(is_only).map(|loan| loan.row)));
}

#[test]
fn a_run_without_loans_of_a_kind_has_an_empty_list() {
    let hard = LoanExceptions { severity: Some(Severity::Hard), ..LoanExceptions::default() };
    let results =
        Results::of(&run_tape(format!("{HEADER}\nA-1,250000,6.5,80,35,720,sfr,primary,purchase,312500,312500\n")).unwrap());
    for filter in [
        LoanFilter::of_dispositions(&[Disposition::Rejected]),
        LoanFilter { numbers: vec![(NumberField::ALL[8], NumberFilter::In("0..".parse().unwrap()))], ..LoanFilter::default() },
        LoanFilter { exceptions: hard, ..LoanFilter::default() },
    ] {
        assert_eq!(filter.rows(results.stored()).unwrap().count(), 0, "{filter:?}");
    }
    assert_eq!(LoanFilter::default().rows(results.stored()).unwrap().count(), 1);
    assert!(results.facts.at(&results.index, &[1]).is_err());
}
