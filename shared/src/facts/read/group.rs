//! Finds rows in a row group, and reads its columns at these rows.

use std::{cell::RefCell, iter::Peekable, ops::Range, sync::Arc, vec};

use bytes::Bytes;
use parquet::{
    basic::{Encoding, Type as PhysicalType},
    column::{
        page::{Page, PageMetadata, PageReader},
        reader::ColumnReaderImpl,
    },
    data_type::{DataType, Int32Type, Int64Type},
    errors::{ParquetError, Result as ParquetResult},
    file::{metadata::ColumnChunkMetaData, serialized_reader::SerializedPageReader},
};
use zstd::{bulk::Decompressor, zstd_safe::get_frame_content_size};

use super::{
    ReadError,
    file::{Column, PageLocation, ResultsFile, RowGroup},
    source::{Parts, RangeReader},
    values::{ValuePage, Wanted, dictionary_texts},
};

/// A condition on a row: its column has one of these texts, or has a text at all.
#[derive(Debug)]
pub struct Condition {
    /// Index of the column in the schema. The column must hold texts.
    pub column: usize,
    /// The texts, of a column that is not optional; empty for a condition on the presence of a text.
    pub texts: Vec<String>,
    /// Whether the column of the row must have a text; `None` for a condition on the texts.
    pub present: Option<bool>,
}

/// Rows that were found in a row group.
#[derive(Debug, Default)]
pub struct Selected {
    /// Indices of the rows in the row group, ascending.
    pub rows: Vec<usize>,
    /// Number of matching rows before them that were skipped.
    pub skipped: u64,
}

/// A row group, and the parts of it that have been read.
pub struct Group<'f, R> {
    file: &'f ResultsFile<R>,
    group: &'f RowGroup,
    parts: Parts,
}

thread_local! {
    /// Unpacks pages. It is reused, because making one takes as long as unpacking several pages.
    static ZSTD: RefCell<Decompressor<'static>> = RefCell::new(Decompressor::default());
}

impl<'f, R: RangeReader> Group<'f, R> {
    /// A row group before anything of it has been read.
    pub fn new(file: &'f ResultsFile<R>, group: &'f RowGroup) -> Self {
        Self { file, group, parts: Parts::default() }
    }

    /// A row group of which these columns have been read.
    pub fn of_columns(file: &'f ResultsFile<R>, group: &'f RowGroup, columns: &[Column<'_>]) -> Result<Self, ReadError> {
        let parts = file.read(columns.iter().map(|column| column.chunk.bytes()).collect())?;
        Ok(Self { file, group, parts })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.group.rows
    }

    /// Finds the rows that meet all conditions: at most `limit`, after the first `skip`. The conditions must be in order of their
    /// cost, the cheapest first.
    pub fn select(&mut self, conditions: Vec<Condition>, skip: u64, limit: usize) -> Result<Selected, ReadError> {
        if conditions.is_empty() {
            let start = usize::try_from(skip).unwrap_or(usize::MAX).min(self.group.rows);
            let end = start.saturating_add(limit).min(self.group.rows);
            return Ok(Selected { rows: (start..end).collect(), skipped: start as u64 });
        }
        let columns = conditions.iter().filter_map(|condition| self.file.column(self.group, condition.column));
        self.parts = self.file.read(columns.map(|column| column.chunk.bytes()).collect())?;
        let scans = conditions.into_iter().map(|condition| Scan::new(self, condition)).collect::<Result<Vec<_>, _>>()?;
        let mut scans = scans.into_iter();
        let mut selected = Selected::default();
        let Some(mut first) = scans.next() else { return Ok(selected) };
        let mut others: Vec<Scan<'_, R>> = scans.collect();
        for page in 0..first.column.chunk.pages.len() {
            if selected.rows.len() == limit {
                break;
            }
            first.search(page)?;
            'rows: for row in &first.found {
                for other in &mut others {
                    if !other.has(*row)? {
                        continue 'rows;
                    }
                }
                if selected.skipped < skip {
                    selected.skipped += 1;
                } else if selected.rows.len() < limit {
                    selected.rows.push(*row);
                }
            }
        }
        Ok(selected)
    }

    /// Reads all columns at the given ascending rows.
    pub fn read<'r>(mut self, rows: &'r [usize]) -> Result<Columns<'f, 'r, R>, ReadError> {
        let mut ranges = Vec::new();
        for column in self.file.columns(self.group) {
            ranges.extend(column.chunk.dictionary.clone());
            ranges.extend(column.chunk.pages_of(rows).map(|(page, _)| page.bytes.clone()));
        }
        ranges.retain(|range| self.parts.get(range).is_none());
        self.parts.extend(self.file.read(ranges)?);
        Ok(Columns { group: self, rows })
    }

    /// The error for a column that is not as it was written.
    pub fn damaged(&self, column: Column<'_>, what: &str) -> ReadError {
        self.file.damaged(format!("in the column {}, {what}", column.schema.name()))
    }

    /// The values of a column's dictionary; `None` if it has none.
    pub fn dictionary(&self, column: Column<'_>) -> Result<Option<Bytes>, ReadError> {
        let Some(location) = &column.chunk.dictionary else { return Ok(None) };
        match self.page(column, location)? {
            // `PLAIN_DICTIONARY` is the old name of `PLAIN` in dictionary pages.
            Page::DictionaryPage { buf, encoding: Encoding::PLAIN | Encoding::PLAIN_DICTIONARY, .. } => {
                self.unpacked(column, buf).map(Some)
            }
            _ => Err(self.damaged(column, "what should be the dictionary is none")),
        }
    }

    /// The unpacked values of a page, and their encoding.
    pub fn values(&self, column: Column<'_>, location: &PageLocation) -> Result<(Bytes, Encoding), ReadError> {
        match self.page(column, &location.bytes)? {
            Page::DataPage { buf, num_values, encoding, .. } if num_values as usize == location.rows.len() => {
                Ok((self.unpacked(column, buf)?, encoding))
            }
            _ => Err(self.damaged(column, "a page is not where it should be")),
        }
    }

    /// A page as the file stores it, still compressed. The library reads its bytes as an uncompressed column of one page.
    fn page(&self, column: Column<'_>, location: &Range<u64>) -> Result<Page, ReadError> {
        let bytes = self.parts.get(location).ok_or_else(|| self.damaged(column, "a page is out of place"))?;
        let page = self.file.guarded(|| {
            let chunk = ColumnChunkMetaData::builder(column.schema.clone());
            let chunk = chunk.set_total_compressed_size(bytes.len() as i64).build()?;
            SerializedPageReader::new(Arc::new(bytes), &chunk, 0, None)?.get_next_page()
        })?;
        page.ok_or_else(|| self.damaged(column, "a page is missing"))
    }

    fn unpacked(&self, column: Column<'_>, bytes: Bytes) -> Result<Bytes, ReadError> {
        if !column.chunk.compressed {
            return Ok(bytes);
        }
        // A damaged size must not reserve all memory.
        let mut unpacked = Vec::new();
        let size = get_frame_content_size(&bytes).ok().flatten().and_then(|size| usize::try_from(size).ok());
        let size = size.filter(|size| *size <= column.chunk.unpacked && unpacked.try_reserve_exact(*size).is_ok());
        match (size, ZSTD.with_borrow_mut(|zstd| zstd.decompress_to_buffer(&bytes, &mut unpacked))) {
            (Some(size), Ok(length)) if length == size => Ok(Bytes::from(unpacked)),
            _ => Err(self.damaged(column, "a page cannot be unpacked")),
        }
    }
}

/// Finds the rows of a column that meet a condition, page by page.
struct Scan<'g, R> {
    group: &'g Group<'g, R>,
    column: Column<'g>,
    wanted: Wanted,
    /// Whether a row needs any text, or none; `None` when the texts decide.
    present: Option<bool>,
    dictionary: Bytes,
    /// For each text of the dictionary, whether it is wanted.
    wanted_codes: Vec<bool>,
    /// The page that was searched last, and the rows found in it.
    page: Option<usize>,
    found: Vec<usize>,
}

impl<'g, R: RangeReader> Scan<'g, R> {
    fn new(group: &'g Group<'g, R>, condition: Condition) -> Result<Self, ReadError> {
        let column = group.file.column(group.group, condition.column);
        let column = column.ok_or_else(|| group.file.damaged("it lacks a column"))?;
        let wanted = Wanted::new(condition.texts);
        let dictionary = group.dictionary(column)?.unwrap_or_default();
        let texts = dictionary_texts(&dictionary).map_err(|damage| group.damaged(column, damage))?;
        let wanted_codes = texts.into_iter().map(|text| wanted.has(text)).collect();
        let present = condition.present;
        Ok(Self { group, column, wanted, present, dictionary, wanted_codes, page: None, found: Vec::new() })
    }

    fn search(&mut self, page: usize) -> Result<(), ReadError> {
        self.found.clear();
        self.page = Some(page);
        let Some(location) = self.column.chunk.pages.get(page) else { return Ok(()) };
        let (body, encoding) = self.group.values(self.column, location)?;
        if let Some(present) = self.present {
            return self.search_present(present, (&body, encoding), location.rows.clone());
        }
        let page = ValuePage { body: &body, encoding, optional: false, rows: location.rows.len() };
        let found = page.find(&self.wanted_codes, &self.wanted, |row| self.found.push(location.rows.start + row));
        found.map_err(|damage| self.group.damaged(self.column, damage))
    }

    /// Finds the rows of a page of an optional column that have a text, or those that have none.
    fn search_present(
        &mut self,
        present: bool,
        (body, encoding): (&Bytes, Encoding),
        rows: Range<usize>,
    ) -> Result<(), ReadError> {
        let damaged = |damage| self.group.damaged(self.column, damage);
        let dictionary = dictionary_texts(&self.dictionary).map_err(damaged)?;
        let page = ValuePage { body, encoding, optional: self.column.schema.max_def_level() > 0, rows: rows.len() };
        let mut texts = Vec::with_capacity(rows.len());
        page.texts(&dictionary, 0..rows.len(), &mut texts).map_err(damaged)?;
        self.found.extend(rows.zip(texts).filter(|(_, text)| text.is_some() == present).map(|(row, _)| row));
        Ok(())
    }

    /// Whether a row meets the condition. Rows must be asked for in ascending order.
    fn has(&mut self, row: usize) -> Result<bool, ReadError> {
        let page = self.column.chunk.page_of(row);
        if self.page != Some(page) {
            self.search(page)?;
        }
        Ok(self.found.binary_search(&row).is_ok())
    }
}

/// The columns of a row group at some of its rows.
pub struct Columns<'f, 'r, R> {
    group: Group<'f, R>,
    rows: &'r [usize],
}

impl<R: RangeReader> Columns<'_, '_, R> {
    /// Calls `row` for each row with its index in the file, and collects the results.
    pub fn rows<T>(&self, mut row: impl FnMut(u64) -> Option<T>) -> Result<Vec<T>, ReadError> {
        let rows = self.rows.iter().map(|at| row(self.group.group.first_row + *at as u64)).collect::<Option<_>>();
        rows.ok_or_else(|| self.group.file.damaged("the values of a row make no sense"))
    }

    /// The texts of a column, one for each row; `None` for a row without one.
    pub fn texts(&self, name: &str) -> Result<Vec<Option<String>>, ReadError> {
        let column = self.column(name, &[PhysicalType::BYTE_ARRAY])?;
        let dictionary = self.group.dictionary(column)?.unwrap_or_default();
        let damaged = |damage| self.group.damaged(column, damage);
        let dictionary = dictionary_texts(&dictionary).map_err(damaged)?;
        let mut texts = Vec::with_capacity(self.rows.len());
        for (location, rows) in column.chunk.pages_of(self.rows) {
            let (body, encoding) = self.group.values(column, location)?;
            let optional = column.schema.max_def_level() > 0;
            let page = ValuePage { body: &body, encoding, optional, rows: location.rows.len() };
            page.texts(&dictionary, rows.iter().map(|row| row - location.rows.start), &mut texts).map_err(damaged)?;
        }
        Ok(texts)
    }

    /// The numbers of a column, one for each row; `None` for a row without one.
    pub fn integers(&self, name: &str) -> Result<Vec<Option<i64>>, ReadError> {
        let column = self.column(name, &[PhysicalType::INT32, PhysicalType::INT64])?;
        let narrow = column.schema.physical_type() == PhysicalType::INT32;
        let dictionary = self.group.dictionary(column)?.unwrap_or_default();
        let mut integers = Vec::with_capacity(self.rows.len());
        for (location, rows) in column.chunk.pages_of(self.rows) {
            let (body, encoding) = self.group.values(column, location)?;
            let places: Vec<usize> = rows.iter().map(|row| row - location.rows.start).collect();
            let optional = column.schema.max_def_level() > 0;
            if encoding == Encoding::DELTA_BINARY_PACKED {
                let rows = location.rows.len();
                if narrow {
                    delta_values::<Int32Type, _>(&self.group, column, body, rows, &places, &mut integers)?;
                } else {
                    delta_values::<Int64Type, _>(&self.group, column, body, rows, &places, &mut integers)?;
                }
                continue;
            }
            let page = ValuePage { body: &body, encoding, optional, rows: location.rows.len() };
            let places = places.into_iter();
            let read = if narrow {
                page.integers::<4>(&dictionary, places, &mut integers)
            } else {
                page.integers::<8>(&dictionary, places, &mut integers)
            };
            read.map_err(|damage| self.group.damaged(column, damage))?;
        }
        Ok(integers)
    }

    fn column(&self, name: &str, physical: &[PhysicalType]) -> Result<Column<'_>, ReadError> {
        let mut columns = self.group.file.columns(self.group.group);
        let column = columns.find(|column| column.schema.name() == name && physical.contains(&column.schema.physical_type()));
        column.ok_or_else(|| self.group.file.damaged(format!("it lacks the column {name}")))
    }
}

/// Appends the numbers at ascending rows of a page of differences. The library decodes such pages.
pub fn delta_values<T: DataType<T: Into<i64>>, R: RangeReader>(
    group: &Group<'_, R>,
    column: Column<'_>,
    buf: Bytes,
    rows: usize,
    places: &[usize],
    out: &mut Vec<Option<i64>>,
) -> Result<(), ReadError> {
    let page = Page::DataPage {
        buf,
        num_values: u32::try_from(rows).unwrap_or(u32::MAX),
        encoding: Encoding::DELTA_BINARY_PACKED,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    let (mut levels, mut values) = (Vec::new(), Vec::with_capacity(places.len()));
    group.file.guarded(|| {
        let pages = Box::new(Pages(vec![page].into_iter().peekable()));
        let mut reader = ColumnReaderImpl::<T>::new(column.schema.clone(), pages);
        let mut next = 0;
        for run in places.chunk_by(|place, following| place + 1 == *following) {
            let skipped = reader.skip_records(run[0] - next)?;
            let (read, ..) = reader.read_records(run.len(), Some(&mut levels), None, &mut values)?;
            if (skipped, read) != (run[0] - next, run.len()) {
                return Err(ParquetError::EOF(format!("the values of {} end early", column.schema.name())));
            }
            next = run[0] + run.len();
        }
        Ok(())
    })?;
    let mut values = values.into_iter().map(Into::into);
    if column.schema.max_def_level() == 0 {
        out.extend(values.map(Some));
    } else {
        out.extend(levels.into_iter().map(|level| if level > 0 { values.next() } else { None }));
    }
    Ok(())
}

/// Hands pages that have been read and unpacked to the library.
struct Pages(Peekable<vec::IntoIter<Page>>);

impl Iterator for Pages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Ok)
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        Ok(self.0.next())
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Ok(self.0.peek().map(|page| PageMetadata {
            num_rows: None,
            num_levels: Some(page.num_values() as usize),
            is_dict: page.is_dictionary_page(),
        }))
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.0.next();
        Ok(())
    }
}
