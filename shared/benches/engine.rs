//! Cost of each stage of a run, for a block of 5,000 loans: `cargo bench -p shared --bench engine`.
//!
//! `ingest/records_and_fields` and `ingest/csv_crate` cut the same text into fields. The comparison shows why the engine has its
//! own reader, which also keeps physical lines and unreadable rows. The library cannot do that.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic on an error")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use shared::{
    decimal::Decimal,
    engine::{
        Tuning,
        block::{JudgingContext, WorkerCaches, judge_block},
        cut::CutBlock,
        loan_numbers::NumberHasher,
        row_reader::RowReader,
    },
    loan::{ColumnUnit, Field, Loan, WordCell},
    phases::{
        judge,
        pricing::{IrrTarget, Pricing},
    },
    results::outputs::LoanRows,
    rules::rule_set::RuleSet,
    tape::{Tape, aliases::Aliases, number::read_cell, options::TapeOptions, records::RecordBlock, source::MemorySource},
};

const LOANS: usize = 5_000;

/// A tape of loans, a tenth of which have a fault.
fn tape() -> String {
    let mut text = Field::CANONICAL.map(Field::name).join(",");
    for i in 0..LOANS {
        let (amount, rate, ltv) = (100_000 + i * 37 % 900_000, 5_000 + i * 13 % 4_000, 4_000 + i * 7 % 5_600);
        let score = if i % 20 == 0 { 600 } else { 620 + i % 230 };
        let price = if i % 20 == 10 { String::new() } else { format!("{}.00", amount + 50_000) };
        text += &format!(
            "\nSLN-{i:09},{amount}.{:02},{}.{:03},{}.{:02},{}.{:02},{score},SFR,primary,purchase,{price},{}.00",
            i % 100,
            rate / 1_000,
            rate % 1_000,
            ltv / 100,
            ltv % 100,
            i % 50,
            i % 100,
            amount + 60_000
        );
    }
    text
}

fn benches(c: &mut Criterion) {
    let text = tape();
    let source = MemorySource::new("tape.csv", text.clone().into_bytes());
    let rules = RuleSet::built_in();
    let options = TapeOptions::default();
    let opened = Tape::open_all(&source, &options).unwrap().remove(0);
    let reader = RowReader::new(&opened, rules, &options);
    let read = || {
        let mut block = RecordBlock::default();
        opened.read(Tuning::default().block_bytes * 4, false, None).unwrap().next_block(&mut block).unwrap();
        block
    };
    let block = read();
    let block_text = std::str::from_utf8(&block.text).unwrap();
    let hasher = NumberHasher::random();
    let mut cut = CutBlock::default();
    cut.cut(&block, block_text, &reader, &hasher);
    let pricing = Pricing::new(rules, IrrTarget::DEFAULT, jiff::civil::date(2026, 2, 2));
    let terms = |list_rows, store_facts| JudgingContext { rules, pricing: &pricing, waivers: None, list_rows, store_facts };
    let judge_rows = |list_rows, store_facts| {
        let (rows, mut caches) = (LoanRows::default(), WorkerCaches::default());
        judge_block(&block, block_text, &cut, (0, &reader), terms(list_rows, store_facts), &[], rows, &mut caches)
    };

    let mut group = c.benchmark_group("ingest");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("records", |b| b.iter(|| black_box(read())));
    group.bench_function("records_and_fields", |b| {
        let mut cut = CutBlock::default();
        b.iter(|| {
            let block = read();
            cut.cut(&block, std::str::from_utf8(&block.text).unwrap(), &reader, &hasher);
            black_box(cut.rows())
        });
    });
    group.bench_function("csv_crate", |b| {
        b.iter(|| {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let mut row = csv::ByteRecord::new();
            let mut fields = 0;
            while reader.read_byte_record(&mut row).unwrap() {
                fields += row.len();
            }
            black_box(fields)
        });
    });
    group.finish();

    let mut group = c.benchmark_group("rules");
    group.throughput(Throughput::Elements(1));
    let number = |field, text| read_cell(field, text, ColumnUnit::Percent, true);
    let mut good = Loan::empty(2);
    good.seller_loan_number = Some("SLN-000000001".into());
    good.numbers = [
        number(Field::LoanAmount, "322352.47"),
        number(Field::NoteRate, "6.625"),
        number(Field::LtvRatio, "81.92"),
        number(Field::DtiRatio, "31.5"),
        number(Field::CreditScore, "707"),
        number(Field::PurchasePrice, "393211.19"),
        number(Field::AppraisalValue, "393496.66"),
    ];
    good.words = [WordCell::Known(0); 3];
    let mut bad = good.clone();
    bad.numbers[2] = number(Field::LtvRatio, "97.01");
    group.bench_function("eligible_loan", |b| b.iter(|| black_box(judge(black_box(&good), None, rules, &pricing)).disposition));
    group.bench_function("rejected_loan", |b| b.iter(|| black_box(judge(black_box(&bad), None, rules, &pricing)).disposition));
    group.bench_function("plain_number", |b| b.iter(|| black_box(number(Field::LoanAmount, black_box("322352.47")))));
    group.bench_function("parsed_decimal", |b| b.iter(|| black_box("322352.47").parse::<Decimal>()));
    group
        .bench_function("vocabulary_word", |b| b.iter(|| Aliases::built_in().vocabularies()[0].code(black_box("Single Family"))));
    group.finish();

    let mut group = c.benchmark_group("outputs");
    group.throughput(Throughput::Elements(LOANS as u64));
    group.bench_function("judged_only", |b| b.iter(|| black_box(judge_rows(false, false))));
    group.bench_function("with_output_rows", |b| b.iter(|| black_box(judge_rows(true, false))));
    group.bench_function("with_output_rows_and_facts", |b| b.iter(|| black_box(judge_rows(true, true))));
    group.finish();
}

criterion_group!(engine, benches);
criterion_main!(engine);
