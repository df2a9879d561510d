//! Reads whole columns of a row group, for questions that look at every loan.

use std::str::from_utf8;

use bytes::Bytes;
use parquet::{
    basic::{Encoding, Type as PhysicalType},
    data_type::{Int32Type, Int64Type},
};

use super::{
    ExceptionsReader, FactsReader, ReadError,
    file::{Column, ResultsFile},
    group::{Group, delta_values},
    source::RangeReader,
    values::{BAD_CODE, Damage, ENDS_EARLY, PlaceOrCode, ValuePage, integer_at, split_text},
};

/// Columns of a row group, in the order in which they were requested.
#[derive(Debug)]
pub struct GroupColumns {
    /// Number of rows of the file before the row group.
    pub first_row: u64,
    /// Number of rows of the row group.
    pub rows: usize,
    columns: Vec<ScannedColumn>,
}

/// A column of a row group.
#[derive(Debug)]
pub enum ScannedColumn {
    Integers(Integers),
    Texts(Texts),
}

/// Numbers of a column, one for each row, in the scale of the column.
#[derive(Debug, Default)]
pub struct Integers {
    /// Zero for a row without a number.
    values: Vec<i64>,
    /// The rows without a number, one bit each; empty when every row has one.
    nulls: Vec<u64>,
}

/// Texts of a column. Rows with equal texts have the same code where the file has a dictionary for them.
#[derive(Debug, Default)]
pub struct Texts {
    /// For each row the index of its text; [`Texts::NONE`] for a row without one.
    codes: Vec<u32>,
    /// The texts: the index of a buffer, and the bytes in it.
    texts: Vec<(u32, u32, u32)>,
    buffers: Vec<Bytes>,
}

impl<R: RangeReader> FactsReader<R> {
    /// Number of row groups.
    pub fn groups(&self) -> usize {
        self.file.groups().len()
    }

    /// Reads whole columns of a row group. An index past the last row group gives no rows.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the storage does not return the file. [`ReadError::Damaged`] when the file is damaged or
    /// lacks a column.
    pub fn scan(&self, group: usize, columns: &[&str]) -> Result<GroupColumns, ReadError> {
        scan(&self.file, group, columns)
    }
}

impl<R: RangeReader> ExceptionsReader<R> {
    /// Number of row groups.
    pub fn groups(&self) -> usize {
        self.file.groups().len()
    }

    /// Reads whole columns of a row group. An index past the last row group gives no rows.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the storage does not return the file. [`ReadError::Damaged`] when the file is damaged or
    /// lacks a column.
    pub fn scan(&self, group: usize, columns: &[&str]) -> Result<GroupColumns, ReadError> {
        scan(&self.file, group, columns)
    }
}

fn scan<R: RangeReader>(file: &ResultsFile<R>, group: usize, names: &[&str]) -> Result<GroupColumns, ReadError> {
    let Some(place) = file.groups().get(group) else {
        return Ok(GroupColumns { first_row: 0, rows: 0, columns: names.iter().map(|_| ScannedColumn::NONE).collect() });
    };
    let column = |name: &&str| {
        let found = file.columns(place).find(|column| column.schema.name() == *name);
        found.ok_or_else(|| file.damaged(format!("it lacks the column {name}")))
    };
    let columns = names.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let group = Group::of_columns(file, place, &columns)?;
    let read = |column: &Column<'_>| match column.schema.physical_type() {
        PhysicalType::BYTE_ARRAY => group.all_texts(*column).map(ScannedColumn::Texts),
        PhysicalType::INT32 => group.all_integers::<4>(*column).map(ScannedColumn::Integers),
        _ => group.all_integers::<8>(*column).map(ScannedColumn::Integers),
    };
    let columns = columns.iter().map(read).collect::<Result<_, _>>()?;
    Ok(GroupColumns { first_row: place.first_row, rows: place.rows, columns })
}

impl<R: RangeReader> Group<'_, R> {
    fn all_texts(&self, column: Column<'_>) -> Result<Texts, ReadError> {
        let damaged = |damage| self.damaged(column, damage);
        let mut texts = Texts { codes: Vec::with_capacity(self.rows()), ..Texts::default() };
        let dictionary = self.dictionary(column)?.unwrap_or_default();
        let listed = texts.add_texts(dictionary, None).map_err(damaged)?;
        for location in &column.chunk.pages {
            let (body, encoding) = self.values(column, location)?;
            let page = page_of(&body, encoding, column, location.rows.len());
            let of_page = if encoding == Encoding::PLAIN {
                let values = body.slice_ref(page.plain_values().map_err(damaged)?);
                texts.add_texts(values, Some(location.rows.len())).map_err(damaged)?
            } else {
                0..0
            };
            let given = page.each_place(|_, place| {
                let code = match place {
                    None => Texts::NONE,
                    Some(PlaceOrCode::Code(code)) if code < listed.end => code,
                    Some(PlaceOrCode::Code(_)) => return Err(BAD_CODE),
                    Some(PlaceOrCode::Place(place)) => {
                        let code = u32::try_from(place).ok().and_then(|place| of_page.start.checked_add(place));
                        code.filter(|code| *code < of_page.end).ok_or(ENDS_EARLY)?
                    }
                };
                texts.codes.push(code);
                Ok(())
            });
            given.map_err(damaged)?;
        }
        Ok(texts)
    }

    fn all_integers<const WIDTH: usize>(&self, column: Column<'_>) -> Result<Integers, ReadError> {
        let damaged = |damage| self.damaged(column, damage);
        let mut integers = Integers { values: Vec::with_capacity(self.rows()), nulls: Vec::new() };
        let dictionary = self.dictionary(column)?.unwrap_or_default();
        let listed: Vec<i64> = (0..).map_while(|at| integer_at::<WIDTH>(&dictionary, at)).collect();
        for location in &column.chunk.pages {
            let (body, encoding) = self.values(column, location)?;
            let rows = location.rows.len();
            if encoding == Encoding::DELTA_BINARY_PACKED {
                let places: Vec<usize> = (0..rows).collect();
                let mut read = Vec::with_capacity(rows);
                if WIDTH == 4 {
                    delta_values::<Int32Type, _>(self, column, body, rows, &places, &mut read)?;
                } else {
                    delta_values::<Int64Type, _>(self, column, body, rows, &places, &mut read)?;
                }
                read.into_iter().for_each(|value| integers.push(value));
                continue;
            }
            let page = page_of(&body, encoding, column, rows);
            let values = page.plain_values().map_err(damaged)?;
            let given = page.each_place(|_, place| {
                integers.push(match place {
                    None => None,
                    Some(PlaceOrCode::Code(code)) => Some(*listed.get(code as usize).ok_or(BAD_CODE)?),
                    Some(PlaceOrCode::Place(place)) => Some(integer_at::<WIDTH>(values, place).ok_or(ENDS_EARLY)?),
                });
                Ok(())
            });
            given.map_err(damaged)?;
        }
        Ok(integers)
    }
}

fn page_of<'p>(body: &'p Bytes, encoding: Encoding, column: Column<'_>, rows: usize) -> ValuePage<'p> {
    ValuePage { body, encoding, optional: column.schema.max_def_level() > 0, rows }
}

impl GroupColumns {
    /// The numbers of a requested column; `None` when the column holds texts.
    pub fn integers(&self, at: usize) -> Option<&Integers> {
        if let Some(ScannedColumn::Integers(integers)) = self.columns.get(at) { Some(integers) } else { None }
    }

    /// The texts of a requested column; `None` when the column holds numbers.
    pub fn texts(&self, at: usize) -> Option<&Texts> {
        if let Some(ScannedColumn::Texts(texts)) = self.columns.get(at) { Some(texts) } else { None }
    }

    /// The columns, in the order in which they were requested.
    pub fn into_columns(self) -> impl Iterator<Item = ScannedColumn> {
        self.columns.into_iter()
    }
}

impl ScannedColumn {
    const NONE: Self = Self::Texts(Texts { codes: Vec::new(), texts: Vec::new(), buffers: Vec::new() });
}

impl Integers {
    /// A column without rows.
    pub const EMPTY: Self = Self { values: Vec::new(), nulls: Vec::new() };

    /// Whether no row has a number.
    pub fn is_empty(&self) -> bool {
        let nulls: u32 = self.nulls.iter().map(|bits| bits.count_ones()).sum();
        nulls as usize == self.values.len()
    }

    fn push(&mut self, value: Option<i64>) {
        let row = self.values.len();
        if value.is_none() {
            self.nulls.resize(row / 64 + 1, 0);
            self.nulls[row / 64] |= 1 << (row % 64);
        }
        self.values.push(value.unwrap_or(0));
    }

    /// The number of a row; `None` for a row without one, and past the last row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<i64> {
        let is_null = self.nulls.get(row / 64).is_some_and(|bits| bits >> (row % 64) & 1 == 1);
        if is_null { None } else { self.values.get(row).copied() }
    }
}

impl Texts {
    /// The code of a row without a text.
    pub const NONE: u32 = u32::MAX;

    /// Adds the texts of a dictionary or of a page, at most `most`. Returns their codes.
    fn add_texts(&mut self, buffer: Bytes, most: Option<usize>) -> Result<std::ops::Range<u32>, Damage> {
        const TOO_MANY: Damage = "a row group has more texts than rows are possible";
        let code = |texts: &Vec<_>| u32::try_from(texts.len()).ok().filter(|code| *code < Self::NONE).ok_or(TOO_MANY);
        let start = code(&self.texts)?;
        let at = u32::try_from(self.buffers.len()).map_err(|_| TOO_MANY)?;
        let mut rest: &[u8] = &buffer;
        let mut left = most.unwrap_or(usize::MAX);
        while !rest.is_empty() && left > 0 {
            let (text, after) = split_text(rest).ok_or("a dictionary or a page ends within a text")?;
            from_utf8(text).map_err(|_| "a text is not UTF-8")?;
            let from = u32::try_from(buffer.len() - rest.len() + 4).map_err(|_| TOO_MANY)?;
            self.texts.push((at, from, u32::try_from(text.len()).map_err(|_| TOO_MANY)?));
            (rest, left) = (after, left - 1);
        }
        self.buffers.push(buffer);
        Ok(start..code(&self.texts)?)
    }

    /// Whether no row has a text.
    pub fn is_empty(&self) -> bool {
        self.codes.iter().all(|code| *code == Self::NONE)
    }

    /// Number of codes. Codes are numbered from 0.
    pub fn codes(&self) -> usize {
        self.texts.len()
    }

    /// The code of a row's text; [`Texts::NONE`] for a row without one, and past the last row.
    #[inline]
    pub fn code(&self, row: usize) -> u32 {
        self.codes.get(row).copied().unwrap_or(Self::NONE)
    }

    /// The text with a code; `None` for a code that no text has.
    #[inline]
    pub fn text(&self, code: u32) -> Option<&str> {
        let (buffer, from, length) = *self.texts.get(code as usize)?;
        let bytes = self.buffers.get(buffer as usize)?.get(from as usize..)?.get(..length as usize)?;
        from_utf8(bytes).ok()
    }

    /// The text of a row; `None` for a row without one, and past the last row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&str> {
        self.text(self.code(row))
    }
}
