//! Encodes columns of text as Parquet pages.
//!
//! The Parquet library takes each cell of text as a reference-counted value and hashes it, which takes about 35 ns. The texts
//! here are already coded (a vocabulary word, a disposition) or are in one buffer, so that writing a cell takes a few
//! nanoseconds; `cargo bench -p shared --bench facts` compares the two. The library writes framing, headers and footer.

use bytes::Bytes;
use parquet::{
    basic::{Compression, Encoding, PageType, Type as PhysicalType, ZstdLevel},
    column::{
        page::{CompressedPage, Page, PageWriter as _},
        writer::ColumnCloseResult,
    },
    errors::{ParquetError, Result},
    file::{
        metadata::{ColumnChunkMetaData, OffsetIndexBuilder},
        properties::{EnabledStatistics, WriterProperties, WriterVersion},
        statistics::Statistics,
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};

use super::ROWS_PER_PAGE;

/// Level of compression: the fastest that is still worth its time.
pub const ZSTD_LEVEL: i32 = 1;

/// A page of texts ends with the text that reaches this number of bytes, however few rows it has. Reading one row unpacks a whole
/// page, and a tape may have hundreds of columns that are only kept.
const BYTES_PER_PAGE: usize = 64 * 1024;

/// One encoded column of a row group.
pub struct EncodedColumn {
    /// Pages of the column.
    pub bytes: Bytes,
    /// Entry of the column for the file's footer.
    pub close: ColumnCloseResult,
}

/// Code of a row without a value.
pub const NULL: u32 = u32::MAX;

/// Writes the pages of one column.
struct ChunkWriter {
    sink: TrackedWrite<Vec<u8>>,
    /// `None` for a column whose pages are not worth compressing.
    zstd: Option<zstd::bulk::Compressor<'static>>,
    offsets: OffsetIndexBuilder,
    dictionary_offset: Option<i64>,
    first_page: Option<i64>,
    uncompressed: i64,
    rows: i64,
}

impl ChunkWriter {
    fn new(compressed: bool) -> Result<Self> {
        Ok(Self {
            sink: TrackedWrite::new(Vec::new()),
            zstd: if compressed { Some(zstd::bulk::Compressor::new(ZSTD_LEVEL)?) } else { None },
            offsets: OffsetIndexBuilder::new(),
            dictionary_offset: None,
            first_page: None,
            uncompressed: 0,
            rows: 0,
        })
    }

    fn page(&mut self, body: &[u8], page: impl FnOnce(Bytes) -> Page) -> Result<()> {
        let stored = match &mut self.zstd {
            Some(zstd) => zstd.compress(body)?,
            None => body.to_vec(),
        };
        let page = CompressedPage::new(page(Bytes::from(stored)), body.len());
        let written = SerializedPageWriter::new(&mut self.sink).write_page(page)?;
        self.uncompressed += to_i64(written.uncompressed_size)?;
        let offset = to_i64(written.offset)?;
        if written.page_type == PageType::DICTIONARY_PAGE {
            self.dictionary_offset = Some(offset);
        } else {
            self.first_page.get_or_insert(offset);
            self.offsets.append_offset_and_size(offset, i32::try_from(written.bytes_written).map_err(too_large)?);
            self.offsets.append_row_count(i64::from(written.num_values));
            self.rows += i64::from(written.num_values);
        }
        Ok(())
    }

    fn data_page(&mut self, body: &[u8], rows: usize, encoding: Encoding) -> Result<()> {
        let num_values = u32::try_from(rows).map_err(too_large)?;
        self.page(body, |buf| Page::DataPage {
            buf,
            num_values,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })
    }

    fn finish(self, column: ColumnDescPtr, encodings: Vec<Encoding>, statistics: Option<Statistics>) -> Result<EncodedColumn> {
        let bytes_written = self.sink.bytes_written() as u64;
        let mut metadata = ColumnChunkMetaData::builder(column)
            .set_encodings(encodings)
            .set_compression(if self.zstd.is_some() { zstd_level()? } else { Compression::UNCOMPRESSED })
            .set_num_values(self.rows)
            .set_total_compressed_size(to_i64(bytes_written)?)
            .set_total_uncompressed_size(self.uncompressed)
            .set_data_page_offset(self.first_page.unwrap_or(0))
            .set_dictionary_page_offset(self.dictionary_offset);
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written,
            rows_written: self.rows as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(self.offsets.build()),
        };
        Ok(EncodedColumn { bytes: Bytes::from(self.sink.into_inner()?), close })
    }
}

/// Encodes a column of few different texts. `codes` are indices in `dictionary`, or [`NULL`] in an optional column.
pub fn dictionary_column(column: ColumnDescPtr, dictionary: &[&[u8]], codes: &[u32]) -> Result<EncodedColumn> {
    let mut entries = Vec::new();
    for text in dictionary {
        push_plain(&mut entries, text)?;
    }
    coded_column(column, &entries, dictionary.len(), codes, None)
}

/// Encodes an optional column of few different numbers in the same way, with 32 or 64 bits each, depending on the column's type.
/// `nulls` is the number of rows without a value.
pub fn number_dictionary_column(column: ColumnDescPtr, dictionary: &[i64], codes: &[u32], nulls: u64) -> Result<EncodedColumn> {
    let (least, most) = (dictionary.iter().min().copied(), dictionary.iter().max().copied());
    let (entries, statistics): (Vec<u8>, _) = if column.physical_type() == PhysicalType::INT32 {
        let narrow =
            |number: i64| i32::try_from(number).map_err(|_| ParquetError::General("a number has too many digits".to_owned()));
        let (least, most) = (least.map(narrow).transpose()?, most.map(narrow).transpose()?);
        // The smallest and the largest number fit, so every number between them fits.
        let entries = dictionary.iter().flat_map(|number| (*number as i32).to_le_bytes()).collect();
        (entries, Statistics::int32(least, most, None, Some(nulls), false))
    } else {
        let entries = dictionary.iter().flat_map(|number| number.to_le_bytes()).collect();
        (entries, Statistics::int64(least, most, None, Some(nulls), false))
    };
    coded_column(column, &entries, dictionary.len(), codes, Some(statistics))
}

/// Writes a dictionary and its codes. Compression hardly shrinks bit-packed codes, so these pages are not compressed.
fn coded_column(
    column: ColumnDescPtr,
    entries: &[u8],
    count: usize,
    codes: &[u32],
    statistics: Option<Statistics>,
) -> Result<EncodedColumn> {
    let mut chunk = ChunkWriter::new(false)?;
    let num_values = u32::try_from(count).map_err(too_large)?;
    chunk.page(entries, |buf| Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: false })?;
    let width = u32::BITS - num_values.saturating_sub(1).leading_zeros();
    let (mut body, mut present) = (Vec::new(), Vec::with_capacity(ROWS_PER_PAGE));
    for page in codes.chunks(ROWS_PER_PAGE) {
        body.clear();
        present.clear();
        present.extend(page.iter().copied().filter(|code| *code != NULL));
        if column.max_def_level() > 0 {
            push_levels(&mut body, page.iter().map(|code| *code != NULL), page.len(), present.len());
        }
        body.push(width as u8);
        push_hybrid(&mut body, &present, width);
        chunk.data_page(&body, page.len(), Encoding::RLE_DICTIONARY)?;
    }
    chunk.finish(column, vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY], statistics)
}

/// Encodes an optional column without a value in any of its `rows`. It is one page for any number of rows, because reading it
/// takes no time.
pub fn null_column(column: ColumnDescPtr, rows: usize) -> Result<EncodedColumn> {
    let statistics = match column.physical_type() {
        PhysicalType::INT32 => Some(Statistics::int32(None, None, None, Some(rows as u64), false)),
        PhysicalType::INT64 => Some(Statistics::int64(None, None, None, Some(rows as u64), false)),
        _ => None,
    };
    let mut chunk = ChunkWriter::new(false)?;
    let mut body = Vec::new();
    push_levels(&mut body, std::iter::empty(), rows, 0);
    chunk.data_page(&body, rows, Encoding::PLAIN)?;
    chunk.finish(column, vec![Encoding::PLAIN, Encoding::RLE], statistics)
}

/// Encodes a column of many different texts, one for each row.
pub fn text_column<'t>(column: ColumnDescPtr, texts: impl Iterator<Item = &'t [u8]>) -> Result<EncodedColumn> {
    let mut chunk = ChunkWriter::new(true)?;
    let (mut body, mut rows) = (Vec::new(), 0);
    for text in texts {
        push_plain(&mut body, text)?;
        rows += 1;
        if rows == ROWS_PER_PAGE || body.len() >= BYTES_PER_PAGE {
            chunk.data_page(&body, rows, Encoding::PLAIN)?;
            body.clear();
            rows = 0;
        }
    }
    if rows > 0 {
        chunk.data_page(&body, rows, Encoding::PLAIN)?;
    }
    chunk.finish(column, vec![Encoding::PLAIN, Encoding::RLE], None)
}

/// Encodes an optional column of texts in which most of the `rows` have none. `present` are the texts with their rows, in order.
pub fn sparse_column(column: ColumnDescPtr, rows: usize, mut present: &[(usize, &[u8])]) -> Result<EncodedColumn> {
    let mut chunk = ChunkWriter::new(true)?;
    let mut body = Vec::new();
    let mut start = 0;
    while start < rows {
        let mut length = ROWS_PER_PAGE.min(rows - start);
        let mut bytes = 0;
        for (row, text) in present.iter().take_while(|(row, _)| *row < start + length) {
            bytes += text.len();
            if bytes >= BYTES_PER_PAGE {
                length = row + 1 - start;
                break;
            }
        }
        let (page, rest) = present.split_at(present.partition_point(|(row, _)| *row < start + length));
        present = rest;
        body.clear();
        let mut next = page.iter().map(|(row, _)| row - start).peekable();
        push_levels(&mut body, (0..length).map(|row| next.next_if_eq(&row).is_some()), length, page.len());
        for (_, text) in page {
            push_plain(&mut body, text)?;
        }
        chunk.data_page(&body, length, Encoding::PLAIN)?;
        start += length;
    }
    chunk.finish(column, vec![Encoding::PLAIN, Encoding::RLE], None)
}

/// Writer properties of files and columns of whole numbers: page sizes, and only the statistics that reading by pages needs.
/// Values are stored as differences: line numbers only grow and amounts hardly ever repeat, so differences take less room than a
/// dictionary, and no time for compression.
pub fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by("loan-engine".to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_data_page_row_count_limit(ROWS_PER_PAGE)
        .set_write_batch_size(ROWS_PER_PAGE)
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BINARY_PACKED)
        .build()
}

/// Compression of the columns for which it is worth its time.
pub fn zstd_level() -> Result<Compression> {
    Ok(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
}

/// PLAIN encoding of a text: its length, then its bytes.
fn push_plain(out: &mut Vec<u8>, text: &[u8]) -> Result<()> {
    out.extend_from_slice(&u32::try_from(text.len()).map_err(too_large)?.to_le_bytes());
    out.extend_from_slice(text);
    Ok(())
}

/// Definition levels, preceded by their length: 1 for a row with a value, 0 for a row without.
fn push_levels(out: &mut Vec<u8>, present: impl Iterator<Item = bool>, rows: usize, values: usize) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    if values == rows || values == 0 {
        push_run(out, rows, u32::from(values > 0), 1);
    } else {
        push_packed(out, present.map(u32::from), rows, 1);
    }
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Parquet's hybrid encoding: one run when all values are the same, otherwise all values bit-packed.
fn push_hybrid(out: &mut Vec<u8>, values: &[u32], width: u32) {
    match values.split_first() {
        None => {}
        Some((first, rest)) if rest.iter().all(|value| value == first) => push_run(out, values.len(), *first, width),
        Some(_) => push_packed(out, values.iter().copied(), values.len(), width),
    }
}

fn push_run(out: &mut Vec<u8>, length: usize, value: u32, width: u32) {
    push_varint(out, (length as u64) << 1);
    out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
}

fn push_packed(out: &mut Vec<u8>, values: impl Iterator<Item = u32>, length: usize, width: u32) {
    let groups = length.div_ceil(8);
    push_varint(out, (groups as u64) << 1 | 1);
    let end = out.len() + groups * width as usize;
    let (mut bits, mut filled) = (0_u64, 0);
    for value in values {
        bits |= u64::from(value) << filled;
        filled += width;
        if filled >= 32 {
            out.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= 32;
            filled -= 32;
        }
    }
    out.extend_from_slice(&(bits as u32).to_le_bytes());
    // The last group is filled up with zeros.
    out.resize(end, 0);
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn to_i64<T: TryInto<i64>>(value: T) -> Result<i64> {
    value.try_into().map_err(|_| ParquetError::General("a column is too large".to_owned()))
}

fn too_large(_: std::num::TryFromIntError) -> ParquetError {
    ParquetError::General("a column is too large".to_owned())
}
