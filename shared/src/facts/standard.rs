//! Standard fields in the facts: one column for each field that a tape has. Every column holds whole numbers.

use jiff::{Span, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decimal::Decimal,
    loan::{Field, StandardCell, StandardValue},
};

use super::{
    columns::{FactColumns, NumberColumn},
    decimals::DecimalType,
};

/// Dates are stored as days from this date.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// The column of a standard field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandardColumn {
    pub field: Field,
    /// Depending on the field: decimals in the scale of the column, whole numbers, days since 1970-01-01, or places of words in
    /// their vocabulary.
    pub values: NumberColumn,
}

impl FactColumns {
    /// Gives the block a column for each standard field of its tape, with room for `rows` rows.
    pub fn begin_standard(&mut self, fields: impl Iterator<Item = Field>, rows: usize) {
        let column =
            |field| StandardColumn { field, values: NumberColumn { values: Vec::with_capacity(rows), nulls: Vec::new() } };
        self.standard = fields.map(column).collect();
    }

    /// The column of a standard field; `None` when the tape does not have the field.
    pub fn standard(&self, field: Field) -> Option<&NumberColumn> {
        self.standard.iter().find(|column| column.field == field).map(|column| &column.values)
    }

    /// Adds the value of a standard field for the loan that is appended next. `at` is the index of the field's column, `written`
    /// the cell as written.
    #[inline]
    pub fn push_standard(&mut self, at: usize, cell: StandardCell, written: &str) {
        let row = self.next_row();
        let Some(StandardColumn { field, values }) = self.standard.get_mut(at) else { return };
        let field = *field;
        match cell {
            StandardCell::Missing => values.push(None),
            StandardCell::Value(StandardValue::Whole(whole)) => values.push(Some(whole.into())),
            StandardCell::Value(StandardValue::Word(place)) => values.push(Some(place.into())),
            StandardCell::Value(StandardValue::Date(date)) => values.push(days_of(date)),
            StandardCell::Value(StandardValue::Number(value)) => {
                let stored = DecimalType::of(field.info().unit);
                let exact = stored.exact(value);
                values.push(exact.or_else(|| stored.rounded(value)));
                if exact.is_none() {
                    self.exact_values.add_members(row, &[exact_member(field, value)]);
                }
            }
            StandardCell::Unreadable => {
                values.push(None);
                self.as_written.add_members(row, &[format!("\"{field}\":{}", Value::from(written))]);
            }
        }
    }
}

#[cold]
fn exact_member(field: Field, value: Decimal) -> String {
    format!("\"{field}\":{value}")
}

/// Number of days from 1970-01-01 to a date.
pub(super) fn days_of(date: Date) -> Option<i64> {
    Some(date.since(EPOCH).ok()?.get_days().into())
}

/// The date that is `days` days after 1970-01-01; `None` when there is no such date.
pub fn date_of(days: i64) -> Option<Date> {
    EPOCH.checked_add(Span::new().try_days(days).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn columns(fields: &[Field]) -> FactColumns {
        let mut columns = FactColumns::default();
        columns.begin_standard(fields.iter().copied(), 4);
        columns
    }

    fn number(text: &str) -> StandardCell {
        StandardCell::Value(StandardValue::Number(text.parse().unwrap()))
    }

    fn texts(column: &super::super::columns::SparseText) -> Vec<String> {
        column.range(&(0..10)).map(|(row, text)| format!("{row} {}", String::from_utf8_lossy(text))).collect()
    }

    #[test]
    fn values_are_whole_numbers_of_their_column() {
        let mut facts = columns(&[Field::LienPosition, Field::CltvRatio, Field::MaturityDate, Field::AmortizationType]);
        facts.push_standard(0, StandardCell::Value(StandardValue::Whole(2)), "2nd");
        facts.push_standard(1, number("85.5"), "85.5");
        facts.push_standard(2, StandardCell::Value(StandardValue::Date(date(1970, 1, 31))), "1/31/1970");
        facts.push_standard(3, StandardCell::Value(StandardValue::Word(1)), "ARM");
        facts.lines.push(2);
        (0..4).for_each(|at| facts.push_standard(at, StandardCell::Missing, ""));
        for (column, expected) in facts.standard.iter().zip([2, 85_500_000, 30, 1]) {
            assert_eq!((&column.values.values[..], &column.values.nulls[..]), (&[expected, 0][..], &[1][..]), "{}", column.field);
        }
        assert!(texts(&facts.as_written).is_empty() && texts(&facts.exact_values).is_empty());
        assert!(facts.standard(Field::LienPosition).is_some() && facts.standard(Field::Dscr).is_none());
    }

    #[test]
    fn what_does_not_fit_is_exact_and_what_cannot_be_read_is_as_written() {
        let mut facts = columns(&[Field::OriginalBalance, Field::Dscr, Field::OriginalTerm]);
        facts.push_standard(0, number("1000000.005"), "1000000.005");
        facts.push_standard(1, number("1.23456789"), "1.23456789");
        facts.push_standard(2, StandardCell::Unreadable, "30 \"years\"");
        facts.lines.push(2);
        facts.push_standard(0, number("1000000000000"), "1e12");
        facts.push_standard(1, StandardCell::Unreadable, "n.m.");
        facts.push_standard(2, StandardCell::Unreadable, "x");
        assert_eq!(
            texts(&facts.exact_values),
            [r#"0 {"original_balance":1000000.005,"dscr":1.23456789}"#, r#"1 {"original_balance":1000000000000}"#]
        );
        assert_eq!(
            texts(&facts.as_written),
            [r#"0 {"original_term":"30 \"years\""}"#, r#"1 {"dscr":"n.m.","original_term":"x"}"#]
        );
        let values = |at: usize| (facts.standard[at].values.values.clone(), facts.standard[at].values.nulls.clone());
        assert_eq!(values(0), (vec![100_000_000, 0], vec![1]));
        assert_eq!(values(1), (vec![1_234_568, 0], vec![1]));
        assert_eq!(values(2), (vec![0, 0], vec![0, 1]));
    }

    #[test]
    fn days_lead_back_to_their_dates() {
        for day in [date(1970, 1, 1), date(2024, 2, 29), date(1899, 12, 31), date(9999, 12, 31), date(1, 1, 1)] {
            assert_eq!(days_of(day).and_then(date_of), Some(day));
        }
        assert_eq!(days_of(date(2024, 1, 1)), Some(19_723));
        for days in [i64::MAX, i64::MIN, i64::from(i32::MAX), i64::from(i32::MIN)] {
            assert_eq!(date_of(days), None);
        }
    }

    #[test]
    fn a_block_in_compact_form_is_the_same_block() {
        let mut facts = columns(&[Field::LienPosition, Field::Dscr]);
        facts.push_standard(0, StandardCell::Value(StandardValue::Whole(-1)), "-1");
        facts.push_standard(1, StandardCell::Unreadable, "x");
        let packed = postcard::to_allocvec(&facts).unwrap();
        let unpacked: FactColumns = postcard::from_bytes(&packed).unwrap();
        assert_eq!(unpacked.standard, facts.standard);
        assert_eq!(texts(&unpacked.as_written), texts(&facts.as_written));
    }
}
