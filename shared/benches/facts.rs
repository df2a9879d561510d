//! Cost of encoding a row group of facts: `cargo bench -p shared --bench facts`.
//!
//! `text/dictionary_column` and `text/library` write the same column of vocabulary words. The comparison shows why such columns
//! are encoded by the product and not by the Parquet library's writer, which takes every cell as a separate value.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic on an error")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parquet::{
    column::writer::{ColumnWriter, get_column_writer},
    data_type::ByteArray,
    file::writer::{SerializedPageWriter, TrackedWrite},
    schema::{parser::parse_message_type, types::SchemaDescriptor},
};
use shared::facts::{
    FACTS_PER_GROUP,
    pages::{dictionary_column, properties, text_column},
};

const WORDS: [&str; 5] = ["sfr", "condo", "townhouse", "pud", "2-4_unit"];

fn benches(c: &mut Criterion) {
    let schema = parse_message_type("message facts { optional binary property_type (UTF8); required binary number (UTF8); }");
    let schema = SchemaDescriptor::new(schema.unwrap().into());
    let (words, numbers) = (schema.column(0), schema.column(1));
    let codes: Vec<u32> = (0..FACTS_PER_GROUP as u32).map(|row| row.wrapping_mul(2_654_435_761) >> 13).map(|x| x % 5).collect();
    let dictionary = WORDS.map(str::as_bytes);
    let loan_numbers: Vec<String> = (0..FACTS_PER_GROUP).map(|row| format!("SLN-{row:09}")).collect();

    let mut group = c.benchmark_group("text");
    group.throughput(Throughput::Elements(FACTS_PER_GROUP as u64));
    group.bench_function("dictionary_column", |b| {
        b.iter(|| black_box(dictionary_column(words.clone(), &dictionary, &codes).unwrap().bytes));
    });
    let plain = std::sync::Arc::new(properties().into_builder().set_dictionary_enabled(true).build());
    group.bench_function("library", |b| {
        b.iter(|| {
            let mut sink = TrackedWrite::new(Vec::new());
            let pages = Box::new(SerializedPageWriter::new(&mut sink));
            let ColumnWriter::ByteArrayColumnWriter(mut writer) = get_column_writer(words.clone(), plain.clone(), pages) else {
                unreachable!("a column of text")
            };
            let word = |code: &u32| ByteArray::from(Bytes::from_static(dictionary[*code as usize]));
            let values: Vec<ByteArray> = codes.iter().map(word).collect();
            writer.write_batch(&values, Some(&vec![1; values.len()]), None).unwrap();
            writer.close().unwrap();
            black_box(sink.into_inner().unwrap())
        });
    });
    group.bench_function("text_column", |b| {
        b.iter(|| black_box(text_column(numbers.clone(), loan_numbers.iter().map(String::as_bytes)).unwrap().bytes));
    });
    group.finish();
}

criterion_group!(facts, benches);
criterion_main!(facts);
