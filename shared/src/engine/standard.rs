//! The standard fields of a row: read when the tape has them, and stored with the facts.

use crate::{
    loan::{Field, StandardCell, StandardCells, Unit, WORDS},
    tape::{
        aliases::{Aliases, Vocabulary},
        cell::trimmed,
        header::Header,
        notices::NoticeCode,
        options::TapeOptions,
        standard::{DateOrder, StandardReader},
    },
};

use super::block::{Cells, JudgedBlock, WordMemos};

/// The standard fields that a tape has, in the order of [`Field::STANDARD`].
#[derive(Debug)]
pub(super) struct StandardFields {
    columns: Vec<StandardPlace>,
}

/// The column of a standard field, and how it is read.
#[derive(Debug)]
struct StandardPlace {
    at: usize,
    /// Index of the field among the standard fields.
    place: usize,
    reader: StandardReader,
    /// For a field that holds words: its vocabulary, and the index of its memo in [`WordMemos`].
    words: Option<(&'static Vocabulary, usize)>,
    /// Whether only the words of the profile count and not the built-in ones.
    own_words: bool,
    /// Whether a loan fails for a cell that cannot be read, so that no notice is needed.
    fails: bool,
}

impl StandardFields {
    /// The standard fields of a tape.
    pub fn new(header: &Header, flag_contradictions: bool, dates: DateOrder, options: &TapeOptions) -> Self {
        let worded = Field::STANDARD.into_iter().filter(|field| field.info().unit == Unit::Word);
        let memos: Vec<(Field, usize)> = worded.zip(WORDS..).collect();
        let place = |field: Field| {
            let memo = memos.iter().find(|(of, _)| *of == field).map(|(_, memo)| *memo);
            Some(StandardPlace {
                at: header.position(field)?,
                place: Field::STANDARD.iter().position(|of| *of == field)?,
                reader: StandardReader { field, unit: header.unit(field), flag_contradictions, dates },
                words: Aliases::built_in().vocabulary(field).zip(memo),
                own_words: options.has_words(field),
                fails: options.declared.required.contains(&field) && field.info().unit != Unit::Word,
            })
        };
        Self { columns: Field::STANDARD.into_iter().filter_map(place).collect() }
    }

    pub fn fields(&self) -> impl Iterator<Item = Field> {
        self.columns.iter().map(|column| column.reader.field)
    }

    /// Reads the standard fields of a row, and with `store` writes them into the next fact. They are also kept for the rules, if
    /// the rules need them. A malformed row has none. A notice
    /// counts each cell that cannot be read.
    #[inline]
    pub fn read<'c>(
        &self,
        cells: &Cells<'c>,
        line: u64,
        memos: &mut WordMemos,
        judged: &mut JudgedBlock,
        (store, mut kept): (bool, Option<&mut StandardCells<'c>>),
    ) {
        for (nth, column) in self.columns.iter().enumerate() {
            let (cell, written) = column.read(cells, memos);
            if cell == StandardCell::Unreadable && !column.fails {
                let field = Some(column.reader.field.into());
                judged.notices.tally(NoticeCode::ValuesNotRead, field, line, trimmed(written));
            }
            if store {
                judged.facts.push_standard(nth, cell, trimmed(written));
            }
            if let Some(kept) = &mut kept {
                kept.0[column.place] = (cell, trimmed(written));
            }
        }
    }
}

impl StandardPlace {
    /// The value of a row's cell, and the cell as written.
    fn read<'c>(&self, cells: &Cells<'c>, memos: &mut WordMemos) -> (StandardCell, &'c str) {
        let Some((text, span)) = cells.place(self.at) else { return (StandardCell::Missing, "") };
        let written = &text[span.clone()];
        let cell = match self.words {
            Some((words, _)) if self.own_words => StandardReader::word(written, words.exact_code(written)),
            Some((words, memo)) => StandardReader::word(written, memos[memo].code(words, text, span)),
            None => self.reader.read(written),
        };
        (cell, written)
    }
}
