//! Encodes the columns of standard fields.

use parquet::errors::Result;

use crate::{
    facts::{
        columns::FactColumns,
        pages::{EncodedColumn, NULL, null_column},
    },
    loan::{Field, Unit},
    tape::aliases::{Aliases, Vocabulary},
};

use super::{Dictionary, FileSchema, GroupPart};

impl FileSchema {
    /// Encodes the column of a standard field.
    pub(super) fn standard(&self, field: Field, parts: &[GroupPart<FactColumns>]) -> Result<EncodedColumn> {
        if parts.iter().all(|part| part.columns.standard(field).is_none()) {
            return null_column(self.column(field.name())?, parts.iter().map(|part| part.rows.len()).sum());
        }
        match field.info().unit {
            Unit::Word | Unit::Text => self.standard_words(field, parts),
            Unit::Money => self.amounts(field.name(), parts, |c| c.standard(field)),
            _ => self.numbers(field.name(), parts, |c| c.standard(field)),
        }
    }

    fn standard_words(&self, field: Field, parts: &[GroupPart<FactColumns>]) -> Result<EncodedColumn> {
        let words = Aliases::built_in().vocabulary(field).map_or(&[][..], Vocabulary::canonical);
        let mut dictionary = Dictionary::default();
        let mut codes = Vec::with_capacity(parts.iter().map(|part| part.rows.len()).sum());
        for part in parts {
            let first = codes.len();
            codes.resize(first + part.rows.len(), NULL);
            let Some(column) = part.columns.standard(field) else { continue };
            let mut nulls = column.nulls(&part.rows).peekable();
            for (code, row) in codes[first..].iter_mut().zip(part.rows.clone()) {
                let word = usize::try_from(column.values[row]).ok().and_then(|place| words.get(place));
                if nulls.next_if_eq(&row).is_none()
                    && let Some(word) = word
                {
                    *code = dictionary.code(word.as_bytes());
                }
            }
        }
        self.coded(field.name(), &dictionary.texts, &codes)
    }
}
