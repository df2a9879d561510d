//! The unit of a percentage column: percentages or fractions, decided once per column.

use serde::{Deserialize, Serialize};

use crate::{decimal::Decimal, loan::Field};

use super::number::parse_number;

/// What the numbers of a percentage column mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnUnit {
    /// 80 means 80 %. Also the unit of columns that are no percentages, and of those that say nothing.
    Percent,
    /// 0.8 means 80 %.
    Fraction,
}

/// How many present, non-zero values decide.
pub const DECIDING_VALUES: u32 = 1_000;

/// Watches the first values of a column until its unit is certain.
#[derive(Debug, Clone, Copy)]
pub struct UnitDetector {
    bound: Option<Decimal>,
    sentinel: Option<Decimal>,
    seen: u32,
    percent: bool,
}

impl UnitDetector {
    /// A detector for a column; one that holds no percentage is decided from the start.
    pub fn new(field: Field) -> Self {
        let info = field.info();
        Self { bound: info.fraction_bound, sentinel: info.sentinel, seen: 0, percent: info.fraction_bound.is_none() }
    }

    /// Whether further cells cannot change the unit.
    pub fn is_decided(&self) -> bool {
        self.percent || self.seen >= DECIDING_VALUES
    }

    /// Looks at one more cell. Zeros, missing and unreadable cells say nothing about the unit.
    pub fn observe(&mut self, text: &str) {
        let (false, Some(bound)) = (self.is_decided(), self.bound) else { return };
        let Ok(Some(value)) = parse_number(text.trim()) else { return };
        if value.is_zero() || self.sentinel == Some(value) {
            return;
        }
        self.seen += 1;
        self.percent = !value.is_positive() || value > bound;
    }

    /// The unit that the cells so far speak for.
    pub fn unit(&self) -> ColumnUnit {
        if self.percent || self.seen == 0 { ColumnUnit::Percent } else { ColumnUnit::Fraction }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit_of<'a>(field: Field, cells: impl IntoIterator<Item = &'a str>) -> ColumnUnit {
        let mut detector = UnitDetector::new(field);
        cells.into_iter().for_each(|cell| detector.observe(cell));
        detector.unit()
    }

    #[test]
    fn all_values_within_the_bound_make_fractions() {
        assert_eq!(unit_of(Field::LtvRatio, ["0.8", "1.5", "0", "", "NA", "999", "what"]), ColumnUnit::Fraction);
        assert_eq!(unit_of(Field::NoteRate, ["0.0675", "0.5"]), ColumnUnit::Fraction);
    }

    #[test]
    fn one_value_outside_makes_percentages() {
        assert_eq!(unit_of(Field::LtvRatio, ["0.8", "1.51"]), ColumnUnit::Percent);
        assert_eq!(unit_of(Field::LtvRatio, ["0.8", "-0.1"]), ColumnUnit::Percent);
        assert_eq!(unit_of(Field::NoteRate, ["0.0675", "0.51"]), ColumnUnit::Percent);
    }

    #[test]
    fn a_column_that_says_nothing_holds_percentages() {
        assert_eq!(unit_of(Field::LtvRatio, ["", "0", "NA"]), ColumnUnit::Percent);
        assert_eq!(unit_of(Field::LoanAmount, ["0.5"]), ColumnUnit::Percent);
    }

    #[test]
    fn only_the_first_thousand_values_decide() {
        let cells = std::iter::repeat_n("0.8", 1_000).chain(["80"]);
        assert_eq!(unit_of(Field::DtiRatio, cells), ColumnUnit::Fraction);
        let cells = std::iter::repeat_n("0.8", 999).chain(["0", "80"]);
        assert_eq!(unit_of(Field::DtiRatio, cells), ColumnUnit::Percent);
    }
}
