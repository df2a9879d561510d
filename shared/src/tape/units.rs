//! The unit of a percentage column: percentages or fractions, decided once per column.

use crate::{
    decimal::Decimal,
    loan::{ColumnUnit, Field, Unit, Zones},
};

use super::{cell::content, number::parse_number};

/// Number of deciding values after which the unit no longer changes.
pub const DECIDING_VALUES: u32 = 1_000;

/// Counts the values of a column that can only be fractions and those that can only be percentages.
#[derive(Debug, Clone, Copy)]
pub struct UnitDetector {
    zones: Option<Zones>,
    sentinel: Option<Decimal>,
    fractions: Zone,
    percentages: Zone,
}

/// Number of values of one kind, and the line of the first.
#[derive(Debug, Clone, Copy, Default)]
struct Zone {
    count: u32,
    line: u64,
}

impl Zone {
    fn add(&mut self, line: u64) {
        if self.count == 0 {
            self.line = line;
        }
        self.count += 1;
    }
}

/// A column holds as many fractions as percentages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixedUnits {
    /// Line of the first fraction.
    pub fraction_line: u64,
    /// Line of the first percentage.
    pub percent_line: u64,
}

impl UnitDetector {
    /// A detector for a column. A column that does not hold percentages is decided from the start.
    pub fn new(field: Field) -> Self {
        let info = field.info();
        Self { zones: info.zones, sentinel: info.sentinel, fractions: Zone::default(), percentages: Zone::default() }
    }

    /// Whether further cells cannot change the unit.
    pub fn is_decided(&self) -> bool {
        self.zones.is_none() || self.fractions.count + self.percentages.count >= DECIDING_VALUES
    }

    /// Adds one cell. A percent sign gives the unit of its own cell only, so such a cell does not count. Values between the
    /// zones, values of zero or less, missing and unreadable cells do not count either.
    pub fn observe(&mut self, text: &str, line: u64) {
        let (false, Some(zones)) = (self.is_decided(), self.zones) else { return };
        let Ok(Some(written)) = parse_number(&content(text), Unit::Percent) else { return };
        if written.says_percent || self.sentinel == Some(written.value) {
            return;
        }
        if written.value >= zones.percent_from {
            self.percentages.add(line);
        } else if written.value.is_positive() && written.value <= zones.fraction_to {
            self.fractions.add(line);
        }
    }

    /// The unit of most deciding cells so far; percent when there are none.
    ///
    /// # Errors
    /// [`MixedUnits`] when as many cells are fractions as percentages.
    pub fn unit(&self) -> Result<ColumnUnit, MixedUnits> {
        let (fractions, percentages) = (self.fractions, self.percentages);
        match fractions.count.cmp(&percentages.count) {
            std::cmp::Ordering::Greater => Ok(ColumnUnit::Fraction),
            std::cmp::Ordering::Equal if fractions.count > 0 => {
                Err(MixedUnits { fraction_line: fractions.line, percent_line: percentages.line })
            }
            _ => Ok(ColumnUnit::Percent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit_of<'a>(field: Field, cells: impl IntoIterator<Item = &'a str>) -> Result<ColumnUnit, MixedUnits> {
        let mut detector = UnitDetector::new(field);
        (2..).zip(cells).for_each(|(line, cell)| detector.observe(cell, line));
        detector.unit()
    }

    #[test]
    fn the_more_frequent_zone_decides() {
        use ColumnUnit::{Fraction, Percent};
        for (field, cells, expected) in [
            (Field::LtvRatio, &["0.8", "1.5", "0", "", "NA", "999", "what"][..], Fraction),
            (Field::LtvRatio, &["0.8", "0.9", "80"], Fraction),
            (Field::LtvRatio, &["0.8", "90", "80"], Percent),
            (Field::CltvRatio, &["0.8", "1.62", "-0.1"], Fraction),
            (Field::NoteRate, &["0.0675", "0.5"], Fraction),
            (Field::NoteRate, &["0.0675", "6.5", "1"], Percent),
            (Field::DtiRatio, &[".35", "35%", "40 %", "45%"], Fraction),
            (Field::DtiRatio, &["5", "1.51", "4.99"], Percent),
        ] {
            assert_eq!(unit_of(field, cells.iter().copied()), Ok(expected), "{cells:?}");
        }
    }

    #[test]
    fn a_column_that_says_nothing_holds_percentages() {
        for cells in [&["", "0", "NA"][..], &["80%", "0.5%"], &["1.51", "4.99"], &["999"]] {
            assert_eq!(unit_of(Field::LtvRatio, cells.iter().copied()), Ok(ColumnUnit::Percent), "{cells:?}");
        }
        assert_eq!(unit_of(Field::LoanAmount, ["0.5"]), Ok(ColumnUnit::Percent));
    }

    #[test]
    fn as_many_of_both_are_told_with_a_line_of_each() {
        let mixed = MixedUnits { fraction_line: 3, percent_line: 4 };
        assert_eq!(unit_of(Field::LtvRatio, ["", "0.8", "80", "0.9", "90"]), Err(mixed));
    }

    #[test]
    fn only_the_first_thousand_values_that_say_something_decide() {
        let cells = std::iter::repeat_n("0.8", 501).chain(std::iter::repeat_n("80", 10_000));
        assert_eq!(unit_of(Field::DtiRatio, cells), Ok(ColumnUnit::Fraction));
        let cells = std::iter::repeat_n("0", 5_000).chain(std::iter::repeat_n("0.8", 499)).chain(std::iter::repeat_n("80", 501));
        assert_eq!(unit_of(Field::DtiRatio, cells), Ok(ColumnUnit::Percent));
    }
}
