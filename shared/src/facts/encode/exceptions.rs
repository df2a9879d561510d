//! Encodes the exceptions of a row group.

use std::ops::Range;

use parquet::errors::Result;

use crate::{
    facts::{
        EXCEPTIONS_PER_GROUP,
        exception_columns::{ExceptionColumns, SEVERITIES},
        pages::{EncodedColumn, NULL},
    },
    rules::ExceptionKind,
};

use super::{Dictionary, FileSchema, GroupPart, Rows};

impl FileSchema {
    /// Encodes the places in the run of the loans of exceptions.
    fn rows(&self, parts: &[GroupPart<ExceptionColumns>]) -> Result<EncodedColumn> {
        let rows = parts.iter().flat_map(|GroupPart { columns, rows }| {
            let first = i64::try_from(columns.first_row).unwrap_or(i64::MAX);
            columns.rows[rows.clone()].iter().map(move |row| first.saturating_add((*row).into()))
        });
        self.integers("row", &rows.collect::<Vec<_>>(), None)
    }

    /// Encodes one of the names of each exception's kind.
    fn kinds<'c>(
        &self,
        name: &str,
        parts: &'c [GroupPart<ExceptionColumns>],
        of: impl Fn(&'c ExceptionKind) -> &'c str,
    ) -> Result<EncodedColumn> {
        let mut dictionary = Dictionary::default();
        let mut known = Vec::new();
        let mut codes = Vec::with_capacity(parts.iter().map(|part| part.rows.len()).sum());
        for GroupPart { columns, rows } in parts {
            for id in &columns.types[rows.clone()] {
                let at = usize::from(*id);
                if known.len() <= at {
                    known.resize(at + 1, NULL);
                }
                if known[at] == NULL {
                    known[at] = dictionary.code(columns.kinds.get(*id).map_or("", &of).as_bytes());
                }
                codes.push(known[at]);
            }
        }
        self.coded(name, &dictionary.texts, &codes)
    }
}

impl Rows for ExceptionColumns {
    const PER_GROUP: usize = EXCEPTIONS_PER_GROUP;

    fn rows(&self) -> usize {
        self.len()
    }

    fn text_bytes(&self, rows: &Range<usize>) -> usize {
        self.text_bytes(rows)
    }

    fn encode(parts: &[GroupPart<Self>], schema: &FileSchema, tapes: &[String]) -> Result<Vec<EncodedColumn>> {
        Ok(vec![
            schema.tapes(parts, |c| c.tape, tapes)?,
            schema.lines(parts, |c| &c.lines)?,
            schema.rows(parts)?,
            schema.texts("seller_loan_number", parts, |c| &c.loan_numbers)?,
            schema.kinds("exception_type", parts, |kind| &kind.name)?,
            schema.kinds("exception_category", parts, |kind| &kind.category)?,
            schema.table_codes(
                "severity",
                parts,
                |c| &c.severities,
                |code| SEVERITIES.get(usize::from(code)).map_or("", |severity| severity.as_str()),
            )?,
            schema.texts("message", parts, |c| &c.messages)?,
            schema.kinds("rejection_criteria", parts, |kind| &kind.rejection_criteria)?,
            schema.repeated("field", parts, |c| &c.fields)?,
            schema.texts("actual", parts, |c| &c.actuals)?,
            schema.repeated("limit", parts, |c| &c.limits)?,
            schema.numbers("excess", parts, |c| Some(&c.excesses))?,
            schema.sparse("exact_excess", parts, |c| &c.exact_excesses)?,
            schema.coded_texts("program", parts, |c| c.programs.as_ref())?,
            schema.sparse("waived", parts, |c| &c.waived)?,
        ])
    }
}
