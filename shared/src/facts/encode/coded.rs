//! Encodes the columns of facts that only some rule sets have.

use parquet::errors::Result;

use crate::facts::{
    columns::{FactColumns, NumberColumn},
    pages::{EncodedColumn, NULL, null_column},
    waterfall::CodedTexts,
};

use super::{Dictionary, FileSchema, GroupPart};

impl FileSchema {
    /// Encodes a column of numbers that only some runs have. In a block without the column, no row has a number.
    pub(super) fn optional_numbers<'c>(
        &self,
        name: &str,
        parts: &'c [GroupPart<FactColumns>],
        of: impl Fn(&'c FactColumns) -> Option<&'c NumberColumn>,
    ) -> Result<EncodedColumn> {
        if parts.iter().all(|part| of(&part.columns).is_none()) {
            return null_column(self.column(name)?, parts.iter().map(|part| part.rows.len()).sum());
        }
        self.numbers(name, parts, of)
    }

    /// Encodes a column of few different texts. In a block without the column, no row has a text.
    pub(super) fn coded_texts<'c, C>(
        &self,
        name: &str,
        parts: &'c [GroupPart<C>],
        of: impl Fn(&'c C) -> Option<&'c CodedTexts>,
    ) -> Result<EncodedColumn> {
        let rows = parts.iter().map(|part| part.rows.len()).sum();
        if parts.iter().all(|part| of(&part.columns).is_none()) {
            return null_column(self.column(name)?, rows);
        }
        let (mut dictionary, mut codes) = (Dictionary::default(), Vec::with_capacity(rows));
        for part in parts {
            let Some(column) = of(&part.columns) else {
                codes.resize(codes.len() + part.rows.len(), NULL);
                continue;
            };
            let mut known = vec![NULL; column.texts.len()];
            for code in &column.codes[part.rows.clone()] {
                codes.push(match known.get_mut(*code as usize) {
                    None => NULL,
                    Some(known) => {
                        if *known == NULL {
                            *known = dictionary.code(column.texts.get(*code as usize));
                        }
                        *known
                    }
                });
            }
        }
        self.coded(name, &dictionary.texts, &codes)
    }
}
