//! Encodes row groups, from columns in memory to a Parquet file.
//!
//! The worker that completes a row group encodes it. Row groups are appended in order.

mod coded;
mod exceptions;
mod loans;
mod standard;

use std::{collections::HashMap, io::Write, ops::Range, sync::Arc};

use bytes::Bytes;
use parquet::{
    basic::Repetition,
    column::writer::{ColumnCloseResult, ColumnWriter, ColumnWriterImpl, get_column_writer},
    data_type::DataType,
    errors::{ParquetError, Result},
    file::{
        properties::WriterPropertiesPtr,
        writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite},
    },
    schema::types::{ColumnDescPtr, SchemaDescriptor, Type},
};

use crate::{
    loan::{Field, FieldKind, Unit},
    phases::disposition::Disposition,
    rules::canonical_word,
};

use super::{
    FACTS_PER_GROUP, TEXT_PER_GROUP,
    columns::{FactColumns, NumberColumn, SparseText, TextColumn, WordColumn},
    pages::{EncodedColumn, NULL, dictionary_column, number_dictionary_column, properties, sparse_column, text_column},
    schema::{EXCEPTION_SCHEMA, FACT_SCHEMA, FileColumn},
};

/// Consecutive rows of one block.
#[derive(Debug)]
pub struct GroupPart<C> {
    /// Columns of the block.
    pub columns: Arc<C>,
    /// Rows of the block that belong to the part.
    pub rows: Range<usize>,
}

/// The columns of a block, which are cut into row groups.
pub trait Rows: Sized {
    /// Largest number of rows in a row group.
    const PER_GROUP: usize;
    /// Number of rows.
    fn rows(&self) -> usize;
    /// Number of bytes of text in a range of rows.
    fn text_bytes(&self, rows: &Range<usize>) -> usize;
    /// Encodes a row group. `tapes` are the names of the run's tapes.
    fn encode(parts: &[GroupPart<Self>], schema: &FileSchema, tapes: &[String]) -> Result<Vec<EncodedColumn>>;
}

/// Collects rows until a row group is full.
#[derive(Debug)]
pub struct GroupCollector<C> {
    parts: Vec<GroupPart<C>>,
    rows: usize,
    bytes: usize,
}

impl<C> Default for GroupCollector<C> {
    fn default() -> Self {
        Self { parts: Vec::new(), rows: 0, bytes: 0 }
    }
}

impl<C: Rows> GroupCollector<C> {
    /// Adds a block. Returns the row groups that are now full.
    pub fn add(&mut self, columns: C) -> Vec<Vec<GroupPart<C>>> {
        let columns = Arc::new(columns);
        let (mut full, mut at) = (Vec::new(), 0);
        while at < columns.rows() {
            let room = TEXT_PER_GROUP - self.bytes;
            let mut take = (columns.rows() - at).min(C::PER_GROUP - self.rows);
            if columns.text_bytes(&(at..at + take)) >= room {
                take = first_at_least(take, |take| columns.text_bytes(&(at..at + take)), room);
            }
            self.parts.push(GroupPart { columns: columns.clone(), rows: at..at + take });
            self.rows += take;
            self.bytes += columns.text_bytes(&(at..at + take));
            at += take;
            if self.rows == C::PER_GROUP || self.bytes >= TEXT_PER_GROUP {
                (self.rows, self.bytes) = (0, 0);
                full.push(std::mem::take(&mut self.parts));
            }
        }
        full
    }

    /// The last, incomplete row group; `None` when no row is left.
    pub fn finish(self) -> Option<Vec<GroupPart<C>>> {
        (self.rows > 0).then_some(self.parts)
    }
}

/// The smallest number up to `most` whose measure is at least `wanted`. Measures must never decrease, and that of `most` must be
/// at least `wanted`.
fn first_at_least(most: usize, measure: impl Fn(usize) -> usize, wanted: usize) -> usize {
    let (mut below, mut enough) = (0, most);
    while enough - below > 1 {
        let middle = below + (enough - below) / 2;
        if measure(middle) >= wanted { enough = middle } else { below = middle }
    }
    enough
}

/// Schema of a file, and its writer properties.
#[derive(Debug)]
pub struct FileSchema {
    root: Arc<Type>,
    columns: Vec<ColumnDescPtr>,
    properties: WriterPropertiesPtr,
}

impl FileSchema {
    /// The schema of the facts.
    pub fn facts() -> Result<Self> {
        Self::new("facts", &FACT_SCHEMA)
    }

    /// The schema of the exceptions.
    pub fn exceptions() -> Result<Self> {
        Self::new("exceptions", &EXCEPTION_SCHEMA)
    }

    fn new(name: &str, columns: &[FileColumn]) -> Result<Self> {
        let field = |(name, kind, optional): &FileColumn| {
            let (precision, scale) = kind.digits();
            Type::primitive_type_builder(name, kind.physical())
                .with_repetition(if *optional { Repetition::OPTIONAL } else { Repetition::REQUIRED })
                .with_logical_type(kind.logical())
                .with_precision(precision)
                .with_scale(scale)
                .build()
                .map(Arc::new)
        };
        let fields = columns.iter().map(field).collect::<Result<Vec<_>>>()?;
        let root = Arc::new(Type::group_type_builder(name).with_fields(fields).build()?);
        let columns = SchemaDescriptor::new(root.clone()).columns().to_vec();
        Ok(Self { root, columns, properties: Arc::new(properties()) })
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[ColumnDescPtr] {
        &self.columns
    }

    fn column(&self, name: &str) -> Result<ColumnDescPtr> {
        let found = self.columns.iter().find(|column| column.name() == name);
        found.cloned().ok_or_else(|| ParquetError::General(format!("no column {name}")))
    }

    pub fn start<W: Write + Send>(&self, out: W) -> Result<SerializedFileWriter<W>> {
        SerializedFileWriter::new(out, self.root.clone(), self.properties.clone())
    }

    /// Encodes a column of numbers that hardly ever repeat. In a block without the column, no row has a number.
    fn amounts<'c, C>(
        &self,
        name: &str,
        parts: &'c [GroupPart<C>],
        of: impl Fn(&'c C) -> Option<&'c NumberColumn>,
    ) -> Result<EncodedColumn> {
        let rows = parts.iter().map(|part| part.rows.len()).sum();
        let (mut values, mut levels) = (Vec::with_capacity(rows), vec![1_i16; rows]);
        let mut first = 0;
        for part in parts {
            let Some(column) = of(&part.columns) else {
                levels[first..first + part.rows.len()].fill(0);
                first += part.rows.len();
                continue;
            };
            let mut at = part.rows.start;
            for null in column.nulls(&part.rows) {
                values.extend_from_slice(&column.values[at..null]);
                levels[first + null - part.rows.start] = 0;
                at = null + 1;
            }
            values.extend_from_slice(&column.values[at..part.rows.end]);
            first += part.rows.len();
        }
        self.integers(name, &values, Some(&levels))
    }

    /// Encodes a column of numbers that repeat: rates, ratios, scores, prices. A column of too many different numbers is encoded
    /// as amounts.
    fn numbers<'c, C>(
        &self,
        name: &str,
        parts: &'c [GroupPart<C>],
        of: impl Fn(&'c C) -> Option<&'c NumberColumn>,
    ) -> Result<EncodedColumn> {
        let rows: usize = parts.iter().map(|part| part.rows.len()).sum();
        let (mut dictionary, mut codes, mut nulls) = (NumberDictionary::new(), Vec::with_capacity(rows), 0);
        for part in parts {
            let Some(column) = of(&part.columns) else {
                codes.resize(codes.len() + part.rows.len(), NULL);
                nulls += part.rows.len() as u64;
                continue;
            };
            let mut at = part.rows.start;
            for null in column.nulls(&part.rows) {
                codes.extend(column.values[at..null].iter().map(|value| dictionary.code(*value)));
                codes.push(NULL);
                nulls += 1;
                at = null + 1;
            }
            codes.extend(column.values[at..part.rows.end].iter().map(|value| dictionary.code(*value)));
            if dictionary.is_full() {
                return self.amounts(name, parts, of);
            }
        }
        number_dictionary_column(self.column(name)?, &dictionary.numbers, &codes, nulls)
    }

    fn integers(&self, name: &str, values: &[i64], levels: Option<&[i16]>) -> Result<EncodedColumn> {
        let mut sink = TrackedWrite::new(Vec::with_capacity(values.len() * 4));
        let pages = Box::new(SerializedPageWriter::new(&mut sink));
        let close = match get_column_writer(self.column(name)?, self.properties.clone(), pages) {
            ColumnWriter::Int64ColumnWriter(writer) => written(writer, values, levels)?,
            ColumnWriter::Int32ColumnWriter(writer) => {
                let narrow = values.iter().map(|value| i32::try_from(*value)).collect::<std::result::Result<Vec<_>, _>>();
                let narrow = narrow.map_err(|_| ParquetError::General(format!("a value of {name} has too many digits")))?;
                written(writer, &narrow, levels)?
            }
            _ => return Err(ParquetError::General(format!("{name} is no column of integers"))),
        };
        Ok(EncodedColumn { bytes: Bytes::from(sink.into_inner()?), close })
    }

    fn texts<'c, C>(&self, name: &str, parts: &'c [GroupPart<C>], of: impl Fn(&'c C) -> &'c TextColumn) -> Result<EncodedColumn> {
        let texts = parts.iter().flat_map(|part| {
            let column = of(&part.columns);
            part.rows.clone().map(move |row| column.get(row))
        });
        text_column(self.column(name)?, texts)
    }

    fn sparse<'c, C>(
        &self,
        name: &str,
        parts: &'c [GroupPart<C>],
        of: impl Fn(&'c C) -> &'c SparseText,
    ) -> Result<EncodedColumn> {
        let (mut present, mut first) = (Vec::new(), 0);
        for part in parts {
            let texts = of(&part.columns).range(&part.rows);
            present.extend(texts.map(|(row, text)| (first + row - part.rows.start, text)));
            first += part.rows.len();
        }
        sparse_column(self.column(name)?, first, &present)
    }

    /// Encodes a column of few different texts, given as texts.
    fn repeated<'c, C>(
        &self,
        name: &str,
        parts: &'c [GroupPart<C>],
        of: impl Fn(&'c C) -> &'c TextColumn,
    ) -> Result<EncodedColumn> {
        let mut dictionary = Dictionary::default();
        let rows = parts.iter().flat_map(|part| {
            let column = of(&part.columns);
            part.rows.clone().map(move |row| column.get(row))
        });
        let codes: Vec<u32> = rows.map(|text| dictionary.code(text)).collect();
        self.coded(name, &dictionary.texts, &codes)
    }

    /// Encodes a column of texts, given as codes of a table. The dictionary lists the texts that occur, in order of appearance.
    fn table_codes<'c, C>(
        &self,
        name: &str,
        parts: &'c [GroupPart<C>],
        of: impl Fn(&'c C) -> &'c [u8],
        table: impl Fn(u8) -> &'static str,
    ) -> Result<EncodedColumn> {
        let mut dictionary = Dictionary::default();
        let mut known = [NULL; 256];
        let mut codes = Vec::with_capacity(parts.iter().map(|part| part.rows.len()).sum());
        for part in parts {
            for code in &of(&part.columns)[part.rows.clone()] {
                let slot = &mut known[usize::from(*code)];
                if *slot == NULL {
                    *slot = dictionary.code(table(*code).as_bytes());
                }
                codes.push(*slot);
            }
        }
        self.coded(name, &dictionary.texts, &codes)
    }

    fn words<'c>(&self, name: &str, at: usize, parts: &'c [GroupPart<FactColumns>]) -> Result<EncodedColumn> {
        let mut dictionary = Dictionary::default();
        let mut known = [NULL; 256];
        let mut codes = Vec::with_capacity(parts.iter().map(|part| part.rows.len()).sum());
        for part in parts {
            let column: &'c WordColumn = &part.columns.words[at];
            let mut other = column.count_others(0..part.rows.start);
            for code in &column.codes[part.rows.clone()] {
                codes.push(match *code {
                    WordColumn::MISSING => NULL,
                    WordColumn::OTHER => {
                        other += 1;
                        dictionary.code(column.others.get(other - 1))
                    }
                    code => {
                        let slot = &mut known[usize::from(code)];
                        if *slot == NULL {
                            *slot = dictionary.code(canonical_word(at, code).as_bytes());
                        }
                        *slot
                    }
                });
            }
        }
        self.coded(name, &dictionary.texts, &codes)
    }

    fn tapes<C>(&self, parts: &[GroupPart<C>], of: impl Fn(&C) -> u32, tapes: &[String]) -> Result<EncodedColumn> {
        let mut dictionary = Dictionary::default();
        let mut codes = Vec::new();
        for part in parts {
            let name = tapes.get(of(&part.columns) as usize).map_or("", String::as_str);
            let code = dictionary.code(name.as_bytes());
            codes.resize(codes.len() + part.rows.len(), code);
        }
        self.coded("source_file", &dictionary.texts, &codes)
    }

    fn lines<'c, C>(&self, parts: &'c [GroupPart<C>], of: impl Fn(&'c C) -> &'c [i64]) -> Result<EncodedColumn> {
        let lines: Vec<i64> = parts.iter().flat_map(|part| &of(&part.columns)[part.rows.clone()]).copied().collect();
        self.integers("line", &lines, None)
    }

    fn coded(&self, name: &str, dictionary: &[&[u8]], codes: &[u32]) -> Result<EncodedColumn> {
        dictionary_column(self.column(name)?, dictionary, codes)
    }
}

fn written<T: DataType>(
    mut writer: ColumnWriterImpl<'_, T>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<ColumnCloseResult> {
    writer.write_batch(values, levels, None)?;
    writer.close()
}

/// Different numbers in order of appearance, found by open addressing. This takes a third of the time of the standard library's
/// hash map.
struct NumberDictionary {
    numbers: Vec<i64>,
    /// Index in `numbers` plus one; zero is an empty slot.
    slots: Vec<u32>,
}

impl NumberDictionary {
    /// Largest number of different numbers. With more, the codes are no shorter than the numbers.
    const MOST: usize = 1 << 13;
    const SLOTS: usize = Self::MOST * 4;

    fn new() -> Self {
        Self { numbers: Vec::new(), slots: vec![0; Self::SLOTS] }
    }

    fn is_full(&self) -> bool {
        self.numbers.len() >= Self::MOST
    }

    #[inline]
    fn code(&mut self, number: i64) -> u32 {
        let mut at = ((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - Self::SLOTS.ilog2())) as usize;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return self.insert(at, number);
            }
            if self.numbers[slot as usize - 1] == number {
                return slot - 1;
            }
            at = (at + 1) % Self::SLOTS;
        }
    }

    /// Adds a number, unless the dictionary is full. A full dictionary is discarded, so its codes do not matter.
    fn insert(&mut self, at: usize, number: i64) -> u32 {
        if !self.is_full() {
            self.numbers.push(number);
            self.slots[at] = self.numbers.len() as u32;
        }
        self.numbers.len() as u32 - 1
    }
}

/// Texts in order of appearance.
#[derive(Default)]
struct Dictionary<'t> {
    texts: Vec<&'t [u8]>,
    codes: HashMap<&'t [u8], u32>,
}

impl<'t> Dictionary<'t> {
    fn code(&mut self, text: &'t [u8]) -> u32 {
        // A row group has far fewer than 2^32 rows.
        let next = u32::try_from(self.texts.len()).unwrap_or(NULL);
        *self.codes.entry(text).or_insert_with(|| {
            self.texts.push(text);
            next
        })
    }
}

impl Rows for FactColumns {
    const PER_GROUP: usize = FACTS_PER_GROUP;

    fn rows(&self) -> usize {
        self.len()
    }

    fn text_bytes(&self, rows: &Range<usize>) -> usize {
        self.text_bytes(rows)
    }

    fn encode(parts: &[GroupPart<Self>], schema: &FileSchema, tapes: &[String]) -> Result<Vec<EncodedColumn>> {
        let disposition = |code: u8| Disposition::ALL.get(usize::from(code)).map_or("", |disposition| disposition.as_str());
        let mut columns = vec![schema.tapes(parts, |c| c.tape, tapes)?, schema.lines(parts, |c| &c.lines)?];
        for field in Field::ALL {
            columns.push(match field.info().kind {
                FieldKind::Text => schema.texts(field.name(), parts, |c| &c.loan_numbers)?,
                FieldKind::Number(at) if field.info().unit == Unit::Money => {
                    schema.amounts(field.name(), parts, move |c| Some(&c.numbers[at]))?
                }
                FieldKind::Number(at) => schema.numbers(field.name(), parts, move |c| Some(&c.numbers[at]))?,
                FieldKind::Word(at) => schema.words(field.name(), at, parts)?,
                FieldKind::Standard(_) => schema.standard(field, parts)?,
            });
        }
        columns.push(schema.table_codes("disposition", parts, |c| &c.dispositions, disposition)?);
        columns.push(schema.sparse("projection_reason", parts, |c| &c.projection_reason)?);
        columns.push(schema.numbers("pricing_spread", parts, |c| Some(&c.pricing_spread))?);
        columns.push(schema.numbers("final_price", parts, |c| Some(&c.final_price))?);
        columns.push(schema.optional_numbers("base_price", parts, |c| Some(&c.waterfall.as_ref()?.base_price))?);
        columns.push(schema.coded_texts("base_price_source", parts, |c| Some(&c.waterfall.as_ref()?.sources))?);
        columns.push(schema.coded_texts("price_adjustments", parts, |c| Some(&c.waterfall.as_ref()?.lists))?);
        columns.push(schema.optional_numbers("wal", parts, |c| Some(&c.waterfall.as_ref()?.lives.as_ref()?.wal))?);
        columns.push(schema.optional_numbers("duration", parts, |c| Some(&c.waterfall.as_ref()?.lives.as_ref()?.duration))?);
        columns.push(schema.coded_texts("program", parts, |c| c.programs.as_ref())?);
        columns.push(schema.sparse("as_written", parts, |c| &c.as_written)?);
        columns.push(schema.sparse("exact_values", parts, |c| &c.exact_values)?);
        columns.push(schema.sparse("source_columns", parts, |c| &c.source_columns)?);
        Ok(columns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows that have nothing but a number of bytes of text.
    struct Texts(Vec<usize>);

    impl Rows for Texts {
        const PER_GROUP: usize = 50;

        fn rows(&self) -> usize {
            self.0.len()
        }

        fn text_bytes(&self, rows: &Range<usize>) -> usize {
            self.0[rows.clone()].iter().sum()
        }

        fn encode(_: &[GroupPart<Self>], _: &FileSchema, _: &[String]) -> Result<Vec<EncodedColumn>> {
            Ok(Vec::new())
        }
    }

    /// The number of rows of each row group.
    fn groups(texts: &[usize], block: usize) -> Vec<usize> {
        let mut collector = GroupCollector::default();
        let mut groups: Vec<_> = texts.chunks(block).flat_map(|rows| collector.add(Texts(rows.to_vec()))).collect();
        groups.extend(collector.finish());
        groups.iter().map(|parts| parts.iter().map(|part| part.rows.len()).sum()).collect()
    }

    #[test]
    fn a_row_group_ends_with_its_rows_or_its_bytes() {
        assert_eq!(groups(&[1; 120], 7), [50, 50, 20]);
        assert_eq!(groups(&[TEXT_PER_GROUP / 4; 10], 3), [4, 4, 2]);
        assert_eq!(groups(&[2 * TEXT_PER_GROUP; 3], 2), [1, 1, 1]);
    }

    proptest! {
        #[test]
        fn blocks_do_not_show_in_row_groups(texts in prop::collection::vec(0..TEXT_PER_GROUP / 8, 1..200), block in 1_usize..60) {
            prop_assert_eq!(groups(&texts, block), groups(&texts, texts.len()));
        }
    }
}
