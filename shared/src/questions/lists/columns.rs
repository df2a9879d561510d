//! The columns of the facts by which lists are filtered and sorted, and their exact values.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::{
    decimal::Decimal,
    facts::{
        FACTS_FILE,
        decimals::DecimalType,
        read::{
            ReadError,
            scan::{Integers, Texts},
        },
        schema::{ColumnKind, FACT_SCHEMA},
    },
    loan::{Field, FieldKind},
    tape::aliases::{Aliases, Vocabulary},
};

/// A column of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WordField(&'static str);

/// A column of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NumberField(&'static str);

impl WordField {
    /// All columns of words, in the order of the parameters of a list.
    pub const ALL: [Self; 7] = [
        Self("disposition"),
        Self("property_type"),
        Self("occupancy_status"),
        Self("loan_purpose"),
        Self("property_state"),
        Self("documentation_type"),
        Self("program"),
    ];
    pub const DISPOSITION: Self = Self::ALL[0];

    /// The column with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.0 == name)
    }

    pub const fn name(self) -> &'static str {
        self.0
    }

    /// The words of the vocabulary of a column that may also hold other words; `None` for the other columns.
    pub(super) fn vocabulary(self) -> Option<&'static [String]> {
        let field = Field::from_name(self.0).filter(|field| matches!(field.info().kind, FieldKind::Word(_)))?;
        Aliases::built_in().vocabulary(field).map(Vocabulary::canonical)
    }
}

impl NumberField {
    /// All columns of numbers, in the order of the parameters of a list.
    pub const ALL: [Self; 9] = [
        Self("loan_amount"),
        Self("note_rate"),
        Self("ltv_ratio"),
        Self("cltv_ratio"),
        Self("dti_ratio"),
        Self("dscr"),
        Self("credit_score"),
        Self("final_price"),
        Self("wal"),
    ];

    /// The column with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.0 == name)
    }

    pub const fn name(self) -> &'static str {
        self.0
    }

    /// The type of the column's numbers.
    pub(super) fn stored(self) -> DecimalType {
        let kind = FACT_SCHEMA.iter().find(|(name, ..)| *name == self.0).map(|(_, kind, _)| *kind);
        match kind {
            Some(ColumnKind::Decimal(stored)) => stored,
            // A test checks that every column holds decimals.
            _ => crate::facts::decimals::PERCENT,
        }
    }
}

/// Name of the column with the numbers that their own columns do not hold exactly.
pub(super) const EXACT_VALUES: &str = "exact_values";

/// The exact numbers of a row group that their columns do not hold, by row and name.
#[derive(Debug, Default)]
pub(super) struct ExactValues {
    rows: HashMap<usize, Vec<(String, Decimal)>>,
}

impl ExactValues {
    /// Reads the numbers of the fields that are named.
    pub fn read(column: &Texts, rows: usize, fields: &[NumberField]) -> Result<Self, ReadError> {
        let mut found = HashMap::new();
        for row in (0..rows).filter(|row| column.code(*row) != Texts::NONE) {
            let members: HashMap<String, Box<RawValue>> =
                column.get(row).and_then(|text| serde_json::from_str(text).ok()).ok_or_else(damaged)?;
            let mut numbers = Vec::new();
            for (name, value) in members.into_iter().filter(|(name, _)| fields.iter().any(|field| field.name() == name)) {
                numbers.push((name, value.get().parse().map_err(|_| damaged())?));
            }
            if !numbers.is_empty() {
                found.insert(row, numbers);
            }
        }
        Ok(Self { rows: found })
    }

    pub fn get(&self, row: usize, field: NumberField) -> Option<Decimal> {
        self.rows.get(&row)?.iter().find(|(name, _)| name == field.name()).map(|(_, value)| *value)
    }

    /// The rows that have a number of the field, each with the number.
    pub fn of(&self, field: NumberField) -> impl Iterator<Item = (usize, Decimal)> {
        self.rows.keys().filter_map(move |row| Some((*row, self.get(*row, field)?)))
    }
}

/// The numbers of a requested column of a row group.
pub(super) fn integers_at(columns: &crate::facts::read::scan::GroupColumns, at: usize) -> Result<&Integers, ReadError> {
    columns.integers(at).ok_or_else(damaged)
}

/// The texts of a requested column of a row group.
pub(super) fn texts_at(columns: &crate::facts::read::scan::GroupColumns, at: usize) -> Result<&Texts, ReadError> {
    columns.texts(at).ok_or_else(damaged)
}

/// The error for facts with values that the engine does not write.
pub(super) fn damaged() -> ReadError {
    ReadError::Damaged { file: FACTS_FILE, what: "it has values that no run stores".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_in_the_facts() {
        for field in NumberField::ALL {
            let kind = FACT_SCHEMA.iter().find(|(name, ..)| *name == field.name()).unwrap().1;
            assert_eq!(kind, ColumnKind::Decimal(field.stored()), "{}", field.name());
        }
        for field in WordField::ALL {
            let kind = FACT_SCHEMA.iter().find(|(name, ..)| *name == field.name()).unwrap().1;
            assert_eq!(kind, ColumnKind::Text, "{}", field.name());
        }
        let open: Vec<&str> =
            WordField::ALL.into_iter().filter(|field| field.vocabulary().is_some()).map(WordField::name).collect();
        assert_eq!(open, ["property_type", "occupancy_status", "loan_purpose"]);
        for field in WordField::ALL {
            let words = field.vocabulary().unwrap_or_default();
            assert!(!words.iter().any(|word| word == "other" || word == "missing"), "{}", field.name());
        }
    }
}
