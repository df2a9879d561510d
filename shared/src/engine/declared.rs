//! The fields of a row that the rule set declares: read for the rules, and stored with the columns that are only kept.

use std::sync::Arc;

use crate::{
    loan::{ColumnField, StandardCell, StandardValue, Unit},
    tape::{
        aliases::{Vocabulary, WordMemo},
        cell::{content, trimmed},
        declared::{Declaration, DeclaredFields},
        header::Header,
        notices::{BlockNotices, NoticeCode},
        standard::DateOrder,
    },
};

use super::{
    block::Cells,
    row_reader::{json_text, push_json_text},
};

/// The fields that the rule set declares, in the order of their names, and their columns in a tape.
#[derive(Debug)]
pub(super) struct DeclaredColumns {
    columns: Vec<DeclaredColumn>,
    dates: DateOrder,
}

#[derive(Debug)]
struct DeclaredColumn {
    field: Arc<Declaration>,
    /// The index of the column; `None` when the tape does not have it.
    at: Option<usize>,
    /// The words that have a code; `None` for a field that holds no words.
    words: Option<Vocabulary>,
    /// The start of the JSON member: the quoted name and a colon.
    member: String,
}

/// A cell of a declared field, and the cell as written.
pub(super) type DeclaredCell<'c> = (StandardCell, &'c str);

impl DeclaredColumns {
    pub fn new(declared: &DeclaredFields, header: &Header, dates: DateOrder) -> Self {
        let column = |(field, column): (&Arc<Declaration>, ColumnField)| DeclaredColumn {
            field: Arc::clone(field),
            at: header.place(&column),
            words: field.vocabulary(),
            member: json_text(&field.name) + ":",
        };
        Self { columns: declared.fields.iter().zip(declared.columns()).map(column).collect(), dates }
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Caches of looked-up words, one for each field.
    pub fn memos(&self) -> Vec<WordMemo> {
        let worded = self.columns.iter().any(|column| column.words.is_some());
        if worded { vec![WordMemo::default(); self.columns.len()] } else { Vec::new() }
    }

    /// Reads the fields of a row. A notice counts each cell that cannot be read, unless the loan fails for it.
    pub fn read<'c>(
        &self,
        cells: &Cells<'c>,
        line: u64,
        memos: &mut [WordMemo],
        notices: &mut BlockNotices,
    ) -> Vec<DeclaredCell<'c>> {
        let cell = |(nth, column): (usize, &DeclaredColumn)| {
            let Some((text, span)) = column.at.and_then(|at| cells.place(at)) else { return (StandardCell::Missing, "") };
            let written = &text[span.clone()];
            let cell = match (&column.words, memos.get_mut(nth)) {
                (Some(words), Some(memo)) => column.field.read_word(written, memo.code(words, text, span)),
                _ => column.field.read(written, self.dates),
            };
            let written = trimmed(written);
            if cell == StandardCell::Unreadable && (!column.field.required || column.field.unit == Unit::Word) {
                let field = ColumnField::Declared(Arc::clone(&column.field.name));
                notices.tally(NoticeCode::ValuesNotRead, Some(field), line, written);
            }
            (cell, written)
        };
        self.columns.iter().enumerate().map(cell).collect()
    }

    /// Appends the fields of a row as members of a JSON object, each with a comma behind it: numbers, dates and canonical words;
    /// null for a missing value; what cannot be read as it is written.
    pub fn push_members(&self, cells: &[DeclaredCell<'_>], out: &mut String) {
        for (column, (cell, written)) in self.columns.iter().zip(cells) {
            out.push_str(&column.member);
            match cell {
                StandardCell::Missing => out.push_str("null"),
                StandardCell::Unreadable => push_json_text(out, written),
                StandardCell::Value(StandardValue::Number(number)) => number.push_plain(out, 0),
                StandardCell::Value(StandardValue::Whole(whole)) => out.push_str(&whole.to_string()),
                StandardCell::Value(StandardValue::Date(date)) => push_json_text(out, &date.to_string()),
                StandardCell::Value(StandardValue::Word(code)) => {
                    let listed = column.field.listed_word(*code);
                    push_json_text(out, listed.unwrap_or(&content(written)));
                }
            }
            out.push(',');
        }
    }
}
