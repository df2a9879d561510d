//! A Parquet file of results: its footer and the locations of its pages.

use std::{
    io,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use parquet::{
    DecodeResult,
    basic::{Compression, LogicalType},
    errors::ParquetError,
    file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder},
    schema::types::ColumnDescPtr,
};

use super::{
    super::schema::{ColumnKind, FileColumn},
    ReadError,
    hybrid::varint,
    source::{Parts, RangeReader},
};

/// Number of bytes at the end of a file that are read first: enough for the footer and the page locations of a million loans.
const TAIL: u64 = 256 * 1024;

/// A file of results whose footer has been read.
pub struct ResultsFile<R> {
    reader: R,
    name: &'static str,
    columns: Vec<ColumnDescPtr>,
    groups: Vec<RowGroup>,
}

/// A row group and the locations of its pages.
#[derive(Debug)]
pub struct RowGroup {
    /// Number of rows in the row groups before it.
    pub first_row: u64,
    /// Number of rows in the row group.
    pub rows: usize,
    chunks: Vec<Chunk>,
}

/// A column of a row group.
#[derive(Debug, Clone, Copy)]
pub struct Column<'f> {
    /// Name and type of the column.
    pub schema: &'f ColumnDescPtr,
    /// Locations of the column's pages.
    pub chunk: &'f Chunk,
}

/// Locations of the pages of a column in a row group.
#[derive(Debug)]
pub struct Chunk {
    /// Whether the pages are compressed with Zstandard.
    pub compressed: bool,
    /// Size of all pages in bytes, unpacked.
    pub unpacked: usize,
    /// Bytes of the dictionary page in the file, if there is one.
    pub dictionary: Option<Range<u64>>,
    /// The data pages. Together they cover all rows.
    pub pages: Vec<PageLocation>,
}

/// Location of a page.
#[derive(Debug)]
pub struct PageLocation {
    /// Bytes of the page in the file.
    pub bytes: Range<u64>,
    /// Rows of the page in the row group.
    pub rows: Range<usize>,
}

impl<R: RangeReader> ResultsFile<R> {
    /// Reads the footer of a file and the locations of its pages, and checks that it has the given columns.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the storage does not return the file. [`ReadError::Damaged`] when the file is damaged or
    /// has other columns.
    pub fn open(reader: R, name: &'static str, schema: &[FileColumn]) -> Result<Self, ReadError> {
        let mut file = Self { reader, name, columns: Vec::new(), groups: Vec::new() };
        let size = file.reader.size().map_err(|error| file.unavailable(error))?;
        let tail = size.saturating_sub(TAIL)..size;
        let mut read = file.read(vec![tail.clone()])?;
        let footer = file.footer(tail, &read)?;
        file.columns = footer.file_metadata().schema_descr().columns().to_vec();
        let columns = file.columns.iter().zip(schema);
        if file.columns.len() != schema.len() || !columns.clone().all(|(column, expected)| is_as(column, expected)) {
            return Err(file.damaged("its columns are not those of the product"));
        }
        let locations = |column: &ColumnChunkMetaData| {
            let range = range(column.offset_index_offset()?, column.offset_index_length()?.into());
            range.filter(|range| range.end <= size)
        };
        let columns = footer.row_groups().iter().flat_map(|group| group.columns());
        let located: Option<Vec<Range<u64>>> = columns.map(locations).collect();
        let located = located.ok_or_else(|| file.damaged("it does not say where its pages are"))?;
        let missing = located.iter().filter(|range| read.get(range).is_none()).cloned().collect();
        read.extend(file.read(missing)?);
        let mut located = located.into_iter().map(|range| read.get(&range));
        let mut first_row = 0;
        for group in footer.row_groups() {
            let rows = usize::try_from(group.num_rows()).unwrap_or(0);
            let mut chunks = Vec::with_capacity(group.num_columns());
            for column in group.columns() {
                let chunk = located.next().flatten().and_then(|locations| Chunk::locate(column, &locations, rows, size));
                chunks.push(chunk.ok_or_else(|| file.damaged("where its pages are makes no sense"))?);
            }
            file.groups.push(RowGroup { first_row, rows, chunks });
            first_row = first_row.saturating_add(rows as u64);
        }
        Ok(file)
    }

    fn footer(&self, tail: Range<u64>, read: &Parts) -> Result<ParquetMetaData, ReadError> {
        let decoder = self.guarded(|| ParquetMetaDataPushDecoder::try_new(tail.end))?;
        // Page locations are decoded here and not by the library, which reserves memory for as many as a damaged file claims.
        let mut decoder = decoder.with_page_index_policy(PageIndexPolicy::Skip);
        if let Some(bytes) = read.get(&tail) {
            self.guarded(|| decoder.push_range(tail, bytes))?;
        }
        loop {
            match self.guarded(|| decoder.try_decode())? {
                DecodeResult::Data(footer) => return Ok(footer),
                DecodeResult::NeedsData(ranges) => {
                    for (range, bytes) in self.read(ranges)?.into_parts() {
                        self.guarded(|| decoder.push_range(range, bytes))?;
                    }
                }
                DecodeResult::Finished => return Err(self.damaged("its footer has no end")),
            }
        }
    }

    pub fn groups(&self) -> &[RowGroup] {
        &self.groups
    }

    /// A column of a row group, by its place in the schema.
    pub fn column<'f>(&'f self, group: &'f RowGroup, at: usize) -> Option<Column<'f>> {
        Some(Column { schema: self.columns.get(at)?, chunk: group.chunks.get(at)? })
    }

    pub fn columns<'f>(&'f self, group: &'f RowGroup) -> impl Iterator<Item = Column<'f>> {
        self.columns.iter().zip(&group.chunks).map(|(schema, chunk)| Column { schema, chunk })
    }

    /// Reads ranges of the file.
    pub fn read(&self, ranges: Vec<Range<u64>>) -> Result<Parts, ReadError> {
        Parts::read(&self.reader, ranges).map_err(|error| self.unavailable(error))
    }

    /// The error for a file that the storage does not return.
    pub fn unavailable(&self, source: io::Error) -> ReadError {
        ReadError::Unavailable { file: self.name, source }
    }

    /// The error for a file that is not as it was written.
    pub fn damaged(&self, what: impl Into<String>) -> ReadError {
        ReadError::Damaged { file: self.name, what: what.into() }
    }

    /// Calls the Parquet library, and turns its errors and panics into [`ReadError::Damaged`]. The library trusts some claims of
    /// a file and panics when they are wrong.
    pub fn guarded<T>(&self, call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ReadError> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(result) => result.map_err(|error| self.damaged(error.to_string())),
            Err(_) => Err(self.damaged("it is no sound Parquet")),
        }
    }
}

/// Whether a column of a file is the one that the product's schema has at its place. Digits are compared too, because a number in
/// another scale would be read as another number.
fn is_as(column: &ColumnDescPtr, (name, kind, optional): &FileColumn) -> bool {
    let levels = (column.max_def_level(), column.max_rep_level());
    let digits = (column.type_precision(), column.type_scale());
    column.name() == *name
        && column.physical_type() == kind.physical()
        && digits == kind.digits()
        && matches!(column.logical_type_ref(), Some(LogicalType::Date)) == (*kind == ColumnKind::Date)
        && levels == (i16::from(*optional), 0)
}

impl Chunk {
    /// Reads the locations of a column's pages; `None` when they are impossible.
    fn locate(column: &ColumnChunkMetaData, locations: &[u8], rows: usize, size: u64) -> Option<Self> {
        let compressed = match column.compression() {
            Compression::ZSTD(_) => true,
            Compression::UNCOMPRESSED => false,
            _ => return None,
        };
        let mut pages: Vec<PageLocation> = Vec::new();
        read_locations(locations, |start, length, first_row| {
            let bytes = range(start, length).filter(|bytes| bytes.end <= size)?;
            let first_row = usize::try_from(first_row).ok()?;
            match pages.last_mut() {
                Some(last) if first_row > last.rows.start && bytes.start >= last.bytes.end => last.rows.end = first_row,
                None if first_row == 0 => {}
                _ => return None,
            }
            pages.push(PageLocation { bytes, rows: first_row..rows });
            Some(())
        })?;
        let (first, last) = pages.first().zip(pages.last())?;
        if last.rows.is_empty() {
            return None;
        }
        let dictionary = match column.dictionary_page_offset() {
            Some(start) => Some(range(start, i64::try_from(first.bytes.start).ok()?.checked_sub(start)?)?),
            None => None,
        };
        let unpacked = usize::try_from(column.uncompressed_size()).ok()?;
        Some(Self { compressed, unpacked, dictionary, pages })
    }

    /// All bytes of the column in the file, dictionary included.
    pub fn bytes(&self) -> Range<u64> {
        let pages = self.pages.first().zip(self.pages.last()).map_or(0..0, |(first, last)| first.bytes.start..last.bytes.end);
        self.dictionary.as_ref().map_or(pages.start, |dictionary| dictionary.start)..pages.end
    }

    /// Index of the page that holds a row.
    pub fn page_of(&self, row: usize) -> usize {
        self.pages.partition_point(|page| page.rows.end <= row)
    }

    /// The pages that hold the given ascending rows, each with its rows.
    pub fn pages_of<'a>(&'a self, mut rows: &'a [usize]) -> impl Iterator<Item = (&'a PageLocation, &'a [usize])> {
        std::iter::from_fn(move || {
            let page = self.pages.get(self.page_of(*rows.first()?))?;
            let (here, rest) = rows.split_at(rows.partition_point(|row| *row < page.rows.end));
            rows = rest;
            Some((page, here))
        })
    }
}

/// Reads an offset index: a Thrift structure whose first field is a list of structures of three numbers, which are the start of a
/// page, its length and its first row. `None` for other bytes, or when `give` returns `None`.
fn read_locations(mut bytes: &[u8], mut give: impl FnMut(i64, i64, i64) -> Option<()>) -> Option<()> {
    const LIST: u8 = 0x19;
    const OF_STRUCTURES: u8 = 0x0c;
    const I32: u8 = 0x15;
    const I64: u8 = 0x16;
    const END: u8 = 0x00;
    let next = |bytes: &mut &[u8]| bytes.split_off_first().copied();
    let expect = |bytes: &mut &[u8], byte| next(bytes).filter(|next| *next == byte).map(|_| ());
    let number = |bytes: &mut &[u8]| varint(bytes).map(|value| (value >> 1).cast_signed() ^ -(value & 1).cast_signed());
    expect(&mut bytes, LIST)?;
    let header = next(&mut bytes).filter(|header| header & 0x0f == OF_STRUCTURES)?;
    let pages = if header >> 4 == 0x0f { varint(&mut bytes)? } else { u64::from(header >> 4) };
    for _ in 0..pages {
        let mut numbers = [0; 3];
        for (value, kind) in numbers.iter_mut().zip([I64, I32, I64]) {
            expect(&mut bytes, kind)?;
            *value = number(&mut bytes)?;
        }
        expect(&mut bytes, END)?;
        let [start, length, first_row] = numbers;
        give(start, length, first_row)?;
    }
    Some(())
}

/// The range of the file with a start and a length from its footer; `None` when it is empty or impossible.
fn range(start: i64, length: i64) -> Option<Range<u64>> {
    let (start, length) = (u64::try_from(start).ok()?, u64::try_from(length).ok()?);
    Some(start..start.checked_add(length)?).filter(|range| !range.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use parquet::{
        basic::{Repetition, Type as PhysicalType},
        column::writer::ColumnWriter,
        data_type::ByteArray,
        file::{
            properties::{EnabledStatistics, WriterProperties},
            writer::SerializedFileWriter,
        },
        schema::types::Type,
    };

    use super::*;
    use crate::facts::{
        FACTS_FILE,
        schema::{EXCEPTION_SCHEMA, FACT_SCHEMA},
    };

    /// A file of one row with the columns of a schema, as the Parquet library writes it.
    fn file(schema: &[FileColumn], without_locations: bool) -> Bytes {
        let column = |(name, kind, optional): &FileColumn| {
            let (precision, scale) = kind.digits();
            let repetition = if *optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
            let column = Type::primitive_type_builder(name, kind.physical()).with_repetition(repetition);
            let column = column.with_logical_type(kind.logical()).with_precision(precision).with_scale(scale);
            Arc::new(column.build().unwrap())
        };
        written(schema.iter().map(column).collect(), without_locations)
    }

    /// A file of one row with these columns.
    fn written(columns: Vec<Arc<Type>>, without_locations: bool) -> Bytes {
        let root = Arc::new(Type::group_type_builder("rows").with_fields(columns).build().unwrap());
        let properties = WriterProperties::builder().set_offset_index_disabled(without_locations);
        let properties = properties.set_statistics_enabled(EnabledStatistics::None);
        let mut writer = SerializedFileWriter::new(Vec::new(), root, Arc::new(properties.build())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        while let Some(mut column) = group.next_column().unwrap() {
            match column.untyped() {
                ColumnWriter::Int64ColumnWriter(writer) => writer.write_batch(&[1], Some(&[1]), None).unwrap(),
                ColumnWriter::Int32ColumnWriter(writer) => writer.write_batch(&[1], Some(&[1]), None).unwrap(),
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    writer.write_batch(&[ByteArray::from("{}")], Some(&[1]), None).unwrap()
                }
                _ => unreachable!("columns are of texts or integers"),
            };
            column.close().unwrap();
        }
        group.close().unwrap();
        Bytes::from(writer.into_inner().unwrap())
    }

    fn why_not(file: Bytes) -> String {
        ResultsFile::open(file, FACTS_FILE, &FACT_SCHEMA).map(|file| file.groups().len()).unwrap_err().to_string()
    }

    #[test]
    fn a_file_says_where_its_pages_are() {
        let open = ResultsFile::open(file(&FACT_SCHEMA, false), FACTS_FILE, &FACT_SCHEMA).map(|file| file.groups().len());
        assert_eq!(open.unwrap(), 1);
        let error = why_not(file(&FACT_SCHEMA, true));
        assert_eq!(error, "facts.parquet is damaged: it does not say where its pages are");
    }

    #[test]
    fn a_file_has_the_columns_of_the_product() {
        let mut required = FACT_SCHEMA;
        required[5].2 = false;
        for schema in [&EXCEPTION_SCHEMA[..], &FACT_SCHEMA[..19], &required] {
            assert_eq!(why_not(file(schema, false)), "facts.parquet is damaged: its columns are not those of the product");
        }
    }

    #[test]
    fn dates_and_counts_are_never_taken_for_one_another() {
        for (at, (name, kind, _)) in FACT_SCHEMA.iter().enumerate() {
            let other = match kind {
                ColumnKind::Date => ColumnKind::Whole,
                ColumnKind::Whole => ColumnKind::Date,
                _ => continue,
            };
            let mut schema = FACT_SCHEMA;
            schema[at].1 = other;
            assert_eq!(
                why_not(file(&schema, false)),
                "facts.parquet is damaged: its columns are not those of the product",
                "{name}"
            );
        }
    }

    #[test]
    fn numbers_of_another_type_are_never_read() {
        // First as results were once written, then with one decimal less, one digit less or another width in one column.
        let of = |stored: Option<(PhysicalType, i32, i32)>, at: usize| {
            let column = |(place, (name, kind, optional)): (usize, &FileColumn)| {
                let changed = matches!(kind, ColumnKind::Decimal(_)) && (place == at || at == FACT_SCHEMA.len());
                let (physical, digits) = match stored.filter(|_| changed) {
                    Some((physical, precision, scale)) => (physical, (precision, scale)),
                    None => (kind.physical(), kind.digits()),
                };
                let logical = if digits.0 > 0 { Some(LogicalType::decimal(digits.1, digits.0)) } else { kind.logical() };
                let repetition = if *optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
                let column = Type::primitive_type_builder(name, physical).with_repetition(repetition);
                Arc::new(column.with_logical_type(logical).with_precision(digits.0).with_scale(digits.1).build().unwrap())
            };
            written(FACT_SCHEMA.iter().enumerate().map(column).collect(), false)
        };
        assert!(ResultsFile::open(of(None, 0), FACTS_FILE, &FACT_SCHEMA).is_ok());
        let sentence = "facts.parquet is damaged: its columns are not those of the product";
        assert_eq!(why_not(of(Some((PhysicalType::INT64, 18, 6)), FACT_SCHEMA.len())), sentence);
        for (at, (name, kind, _)) in FACT_SCHEMA.iter().enumerate() {
            let ColumnKind::Decimal(stored) = kind else { continue };
            let (precision, scale) = (i32::from(stored.precision), i32::from(stored.scale));
            for other in [
                (kind.physical(), precision, scale - 1),
                (kind.physical(), precision - 1, scale),
                (if stored.is_narrow() { PhysicalType::INT64 } else { PhysicalType::INT32 }, precision.min(9), scale),
            ] {
                assert_eq!(why_not(of(Some(other), at)), sentence, "{name} {other:?}");
            }
        }
    }

    #[test]
    fn what_is_no_file_is_damaged() {
        for bytes in [&b""[..], b"PAR1", b"PAR1PAR1", b"PAR1\0\0\0\0PAR1", b"PAR1\xff\xff\xff\x7fPAR1", &[0x15; 100]] {
            assert!(why_not(Bytes::copy_from_slice(bytes)).starts_with("facts.parquet is damaged: "), "{bytes:?}");
        }
    }

    #[test]
    fn locations_of_a_page_that_is_not_there_are_refused() {
        let list = |pages: &[u8]| [&[0x19], pages].concat();
        let read = |bytes: &[u8]| read_locations(bytes, |_, _, _| Some(()));
        assert_eq!(read(&list(&[0x1c, 0x16, 2, 0x15, 4, 0x16, 6, 0])), Some(()));
        // A list longer than its content, twice; a list of something else; a structure with another field.
        for bytes in
            [&[0x2c, 0x16, 2, 0x15, 4, 0x16, 6, 0][..], &[0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x15, 2], &[0x1c, 0x15, 2]]
        {
            assert_eq!(read(&list(bytes)), None, "{bytes:?}");
        }
    }
}
