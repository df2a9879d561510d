//! Cells as a profile says they are to be read: its words, its numbers, its words for nothing, its constants.

use std::borrow::Cow;

use crate::{
    decimal::Decimal,
    loan::{Field, Unit},
};

use super::{
    aliases::{Aliases, fold_word},
    cell::content,
    header::Header,
    number::parse_number,
    options::{FieldColumn, TapeOptions},
};

/// What a profile makes of the cells of a tape before they are read.
#[derive(Debug)]
pub struct Translation {
    columns: Vec<TranslatedColumn>,
    /// Cells that no column has, behind those of the tape.
    constants: Vec<String>,
    width: usize,
}

#[derive(Debug)]
struct TranslatedColumn {
    at: usize,
    unit: Unit,
    times: Option<Decimal>,
    missing: Vec<(String, Option<Decimal>)>,
    words: Option<Vec<(String, String)>>,
}

impl Translation {
    /// That of a tape; `None` when its cells are read as they are.
    pub fn new(header: &Header, options: &TapeOptions) -> Option<Self> {
        let columns: Vec<_> = options.columns.iter().filter_map(|column| TranslatedColumn::new(header, column)).collect();
        let constants: Vec<String> = options.constants.iter().map(|(_, cell)| cell.clone()).collect();
        let nothing = columns.is_empty() && constants.is_empty();
        (!nothing).then(|| Self { columns, constants, width: header.width() })
    }

    /// The cells of a row, translated, with the constants behind them.
    pub fn apply<'c>(&self, cells: impl Iterator<Item = &'c str>) -> Vec<Cow<'c, str>> {
        let mut cells: Vec<Cow<'c, str>> = cells.take(self.width).map(Cow::Borrowed).collect();
        cells.resize(self.width, Cow::Borrowed(""));
        for column in &self.columns {
            if let Some(cell) = cells.get_mut(column.at)
                && let Some(translated) = column.translate(cell)
            {
                *cell = Cow::Owned(translated);
            }
        }
        cells.extend(self.constants.iter().cloned().map(Cow::Owned));
        cells
    }
}

impl TranslatedColumn {
    fn new(header: &Header, column: &FieldColumn) -> Option<Self> {
        let FieldColumn { field, times, missing, words, .. } = column;
        if times.is_none() && missing.is_empty() && words.is_none() {
            return None;
        }
        let unit = field.info().unit;
        let number = |cell: &String| parse_number(&content(cell), number_unit(unit)).ok().flatten().map(|number| number.value);
        Some(Self {
            at: header.position(*field)?,
            unit,
            times: *times,
            missing: missing.iter().map(|cell| (fold_word(cell), number(cell))).collect(),
            words: words.as_ref().map(|words| words.iter().map(|(code, word)| (fold_word(code), canonical(*field, word))).collect()),
        })
    }

    /// What a cell reads as; `None` when it stays as it is.
    fn translate(&self, cell: &str) -> Option<String> {
        let written = content(cell);
        let number = parse_number(&written, number_unit(self.unit)).ok().flatten();
        let folded = fold_word(&written);
        let is_missing = |(text, value): &(String, Option<Decimal>)| match (value, number) {
            (Some(value), Some(number)) => *value == number.value,
            _ => *text == folded,
        };
        if self.missing.iter().any(is_missing) {
            return Some(String::new());
        }
        if let Some(words) = &self.words {
            let word = words.iter().find(|(code, _)| *code == folded).map(|(_, word)| word.clone());
            return word.or_else(|| Some(written.into_owned()));
        }
        let (times, number) = (self.times?, number?);
        let percent = if number.says_percent { "%" } else { "" };
        times.checked_mul(number.value).map(|value| format!("{value}{percent}"))
    }
}

/// The canonical spelling of a word; the word itself where a field has no such word.
fn canonical(field: Field, word: &str) -> String {
    let known = Aliases::built_in().vocabulary(field).and_then(|words| words.canonical().get(usize::from(words.code(word)?)));
    known.map_or_else(|| word.to_owned(), String::clone)
}

/// The unit in which the numbers of a column are written: anything but money has no thousands commas.
fn number_unit(unit: Unit) -> Unit {
    match unit {
        Unit::Text | Unit::Word | Unit::Date => Unit::Count,
        unit => unit,
    }
}
