//! Columns and types of the Parquet files.

use parquet::basic::{LogicalType, Type as PhysicalType};

use crate::{
    field::FIELDS,
    loan::{Field, FieldKind, Unit},
};

use super::decimals::{DecimalType, EXCESS, PRICE};

/// A column of a file: its name, its kind, and whether a value may be missing.
pub type FileColumn = (&'static str, ColumnKind, bool);

/// The columns before the fields.
const BEFORE: [FileColumn; 2] = [("source_file", ColumnKind::Text, false), ("line", ColumnKind::Integer, false)];
/// The columns after the fields.
const BEHIND: [FileColumn; 13] = [
    ("disposition", ColumnKind::Text, false),
    ("projection_reason", ColumnKind::Text, true),
    ("pricing_spread", ColumnKind::Decimal(PRICE), true),
    ("final_price", ColumnKind::Decimal(PRICE), true),
    // How the price came about; null unless the rule set adjusts prices.
    ("base_price", ColumnKind::Decimal(PRICE), true),
    ("base_price_source", ColumnKind::Text, true),
    ("price_adjustments", ColumnKind::Text, true),
    // Weighted average life and modified duration in years; null unless the rule set prices by cash flows.
    ("wal", ColumnKind::Decimal(PRICE), true),
    ("duration", ColumnKind::Decimal(PRICE), true),
    // The best program; null unless the rule set has programs.
    ("program", ColumnKind::Text, true),
    // Values that do not fit the columns above, each a JSON object: unreadable cells, numbers with more digits, columns that are
    // only kept. Their type is text and not JSON, because not every tool reads JSON columns as text.
    ("as_written", ColumnKind::Text, true),
    ("exact_values", ColumnKind::Text, true),
    ("source_columns", ColumnKind::Text, true),
];
/// Number of columns of the facts.
const FACT_COLUMNS: usize = BEFORE.len() + FIELDS + BEHIND.len();

/// The columns of the facts, in order. The columns of the fields follow from the table of fields.
pub static FACT_SCHEMA: [FileColumn; FACT_COLUMNS] = {
    let mut columns = [BEFORE[0]; FACT_COLUMNS];
    let mut at = 0;
    while at < FACT_COLUMNS {
        columns[at] = if at < BEFORE.len() {
            BEFORE[at]
        } else if at < BEFORE.len() + FIELDS {
            let info = Field::ALL[at - BEFORE.len()].info();
            // Only the loan number is never missing: a loan without one has `UNKNOWN`.
            (info.name, ColumnKind::of(info.kind, info.unit), !matches!(info.kind, FieldKind::Text))
        } else {
            BEHIND[at - BEFORE.len() - FIELDS]
        };
        at += 1;
    }
    columns
};

/// The columns of the exceptions, in order.
pub const EXCEPTION_SCHEMA: [FileColumn; 16] = [
    ("source_file", ColumnKind::Text, false),
    ("line", ColumnKind::Integer, false),
    // Place of the loan in its run, from 0: the row of the facts that holds the loan.
    ("row", ColumnKind::Integer, false),
    ("seller_loan_number", ColumnKind::Text, false),
    ("exception_type", ColumnKind::Text, false),
    ("exception_category", ColumnKind::Text, false),
    ("severity", ColumnKind::Text, false),
    ("message", ColumnKind::Text, false),
    ("rejection_criteria", ColumnKind::Text, false),
    ("field", ColumnKind::Text, false),
    ("actual", ColumnKind::Text, false),
    ("limit", ColumnKind::Text, false),
    ("excess", ColumnKind::Decimal(EXCESS), true),
    // The exact excess as text, when it does not fit the column `excess` exactly.
    ("exact_excess", ColumnKind::Text, true),
    // The program whose rule the loan failed; null unless the rule set has programs.
    ("program", ColumnKind::Text, true),
    // The waiver as a JSON object with `reason`, `approved_by` and `expires`; null for an exception that is not waived.
    ("waived", ColumnKind::Text, true),
];

/// Kind of values in a column of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// UTF-8 text.
    Text,
    /// A 64-bit whole number.
    Integer,
    /// A 32-bit whole number.
    Whole,
    /// A calendar date, stored as days since 1970-01-01.
    Date,
    /// A decimal.
    Decimal(DecimalType),
}

impl ColumnKind {
    /// Kind of values in the column of a field.
    pub const fn of(kind: FieldKind, unit: Unit) -> Self {
        match (kind, unit) {
            (FieldKind::Text | FieldKind::Word(_), _) | (_, Unit::Text | Unit::Word) => Self::Text,
            (FieldKind::Standard(_), Unit::Count | Unit::Months) => Self::Whole,
            (_, Unit::Date) => Self::Date,
            (FieldKind::Number(_) | FieldKind::Standard(_), unit) => Self::Decimal(DecimalType::of(unit)),
        }
    }

    /// Physical Parquet type.
    pub const fn physical(self) -> PhysicalType {
        match self {
            Self::Text => PhysicalType::BYTE_ARRAY,
            Self::Whole | Self::Date => PhysicalType::INT32,
            Self::Decimal(stored) if stored.is_narrow() => PhysicalType::INT32,
            Self::Integer | Self::Decimal(_) => PhysicalType::INT64,
        }
    }

    /// Logical Parquet type; `None` for whole numbers.
    pub fn logical(self) -> Option<LogicalType> {
        let (precision, scale) = self.digits();
        match self {
            Self::Text => Some(LogicalType::String),
            Self::Integer | Self::Whole => None,
            Self::Date => Some(LogicalType::Date),
            Self::Decimal(_) => Some(LogicalType::decimal(scale, precision)),
        }
    }

    /// Precision and scale as a Parquet schema gives them; -1 for a type that is not a decimal.
    pub fn digits(self) -> (i32, i32) {
        match self {
            Self::Decimal(DecimalType { precision, scale, .. }) => (precision.into(), scale.into()),
            Self::Text | Self::Integer | Self::Whole | Self::Date => (-1, -1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        decimals::{MONEY, NUMBER_TYPES, PERCENT, SCORE},
        encode::FileSchema,
    };

    #[test]
    fn every_column_has_a_type_that_tools_read_and_multiply() {
        let (mut decimals, mut whole, mut dates) = (0, 0, 0);
        for (schema, kinds) in
            [(FileSchema::facts().unwrap(), &FACT_SCHEMA[..]), (FileSchema::exceptions().unwrap(), &EXCEPTION_SCHEMA[..])]
        {
            assert_eq!(schema.columns().len(), kinds.len());
            for (column, (name, ..)) in schema.columns().iter().zip(kinds) {
                assert_eq!(column.name(), *name);
                let logical = column.logical_type_ref().cloned();
                match (column.physical_type(), &logical) {
                    (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)) => {}
                    (PhysicalType::INT64, None) => assert!(["line", "row"].contains(name), "{name}"),
                    (PhysicalType::INT32, None) => whole += 1,
                    (PhysicalType::INT32, Some(LogicalType::Date)) => dates += 1,
                    (physical, Some(LogicalType::Decimal(_))) => {
                        let (precision, scale) = (column.type_precision(), column.type_scale());
                        let of = |kind: DecimalType| (i32::from(kind.precision), i32::from(kind.scale));
                        let known = [MONEY, PERCENT, SCORE, PRICE, EXCESS].map(of);
                        assert!(known.contains(&(precision, scale)), "{name} is DECIMAL({precision}, {scale})");
                        let narrow = if precision <= 9 { PhysicalType::INT32 } else { PhysicalType::INT64 };
                        assert_eq!(physical, narrow, "{name}");
                        assert_eq!(logical, Some(LogicalType::decimal(scale, precision)), "{name}");
                        decimals += 1;
                    }
                    other => panic!("{name} is {other:?}"),
                }
            }
        }
        let of = |units: &[Unit]| Field::STANDARD.into_iter().filter(|field| units.contains(&field.info().unit)).count();
        assert_eq!(decimals, Field::NUMERIC.len() + 6 + of(&[Unit::Money, Unit::Percent, Unit::Ratio]));
        assert_eq!((whole, dates), (of(&[Unit::Count, Unit::Months]), of(&[Unit::Date])));
        for (field, stored) in Field::NUMERIC.into_iter().zip(NUMBER_TYPES) {
            let column = FACT_SCHEMA.iter().find(|(name, ..)| *name == field.name()).unwrap();
            assert_eq!(column.1, ColumnKind::Decimal(stored), "{field}");
        }
    }

    #[test]
    fn standard_fields_stand_between_the_canonical_ones_and_the_disposition() {
        let names = FACT_SCHEMA.map(|(name, ..)| name);
        let canonical = Field::CANONICAL.map(Field::name);
        assert_eq!(names[..2], ["source_file", "line"]);
        assert_eq!(names[2..13], canonical);
        assert_eq!(names[13..33], Field::STANDARD.map(Field::name));
        assert_eq!(names[33..35], ["disposition", "projection_reason"]);
        for (name, kind, optional) in &FACT_SCHEMA[13..33] {
            let expected = match *name {
                "original_balance" | "current_balance" | "junior_balance" => ColumnKind::Decimal(MONEY),
                "cltv_ratio" | "dscr" | "original_rate" => ColumnKind::Decimal(PERCENT),
                "property_state" | "documentation_type" | "amortization_type" => ColumnKind::Text,
                name if name.ends_with("_date") => ColumnKind::Date,
                _ => ColumnKind::Whole,
            };
            assert_eq!((*kind, *optional), (expected, true), "{name}");
        }
    }
}
