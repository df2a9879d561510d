//! Reads the cells of standard fields: amounts, percentages, whole numbers, dates and words, each by the unit of its field.
//!
//! An unreadable cell does not reject the loan: the cell is kept as it is written.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    decimal::Decimal,
    loan::{CellValue, ColumnUnit, Field, StandardCell, StandardValue, Unit},
};

use super::{
    aliases::{Aliases, fold_word},
    cell::{content, is_missing, is_whole_with_point},
    number::read_cell,
};

/// The years accepted in dates without separators. Any other number is a month in front of a year: `122006` is not a month of
/// 1220.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2199;
/// Words for the first and the second lien, folded.
const LIENS: [(i32, [&str; 5]); 2] =
    [(1, ["first", "1st", "senior", "first lien", "1st lien"]), (2, ["second", "2nd", "junior", "second lien", "2nd lien"])];

/// The order of the parts of a date in a column. Year-first dates are read with any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DateOrder {
    /// `1/31/2024`, and six digits are `202401`.
    #[default]
    #[serde(rename = "MDY")]
    Mdy,
    /// `31/1/2024`, and six digits are `202401`.
    #[serde(rename = "DMY")]
    Dmy,
    /// Six digits are `012024`; a spreadsheet may have removed the leading zero.
    #[serde(rename = "MMYYYY")]
    MonthYear,
}

/// How the cells of one standard field are read.
#[derive(Debug, Clone, Copy)]
pub struct StandardReader {
    pub field: Field,
    /// The unit of a column of percentages.
    pub unit: ColumnUnit,
    /// Whether a small number in a column of percentages is unreadable, because it looks like a fraction.
    pub flag_contradictions: bool,
    pub dates: DateOrder,
}

impl StandardReader {
    /// Reads a cell, regardless of whitespace and the like around its content.
    pub fn read(&self, cell: &str) -> StandardCell {
        match self.field.info().unit {
            Unit::Money | Unit::Percent | Unit::Ratio => match self.number(cell) {
                CellValue::Missing => StandardCell::Missing,
                CellValue::Value(value) => StandardCell::Value(StandardValue::Number(value)),
                CellValue::Unreadable(_) => StandardCell::Unreadable,
            },
            Unit::Count | Unit::Months => self.whole(cell),
            Unit::Date => date_cell(cell, self.dates),
            Unit::Word | Unit::Text => {
                let words = Aliases::built_in().vocabulary(self.field);
                Self::word(cell, words.and_then(|words| words.code(cell)))
            }
        }
    }

    /// The reading of a cell of words, given the index of the word that it means. The vocabulary has precedence over the words
    /// for "no value", because `None` is a kind of documentation.
    pub fn word(cell: &str, code: Option<u8>) -> StandardCell {
        match code {
            Some(code) => StandardCell::Value(StandardValue::Word(code)),
            None => missing_or_unreadable(cell),
        }
    }

    fn number(&self, cell: &str) -> CellValue {
        read_cell(self.field, cell, self.unit, self.flag_contradictions).reading
    }

    fn whole(&self, cell: &str) -> StandardCell {
        match self.number(cell) {
            CellValue::Unreadable(_) if self.field == Field::LienPosition => whole_or_unreadable(lien(&content(cell))),
            number => whole_cell(number),
        }
    }
}

/// The reading of a cell of whole numbers, given its number.
pub fn whole_cell(number: CellValue) -> StandardCell {
    match number {
        CellValue::Missing => StandardCell::Missing,
        CellValue::Value(value) => whole_or_unreadable(whole_number(value)),
        CellValue::Unreadable(_) => StandardCell::Unreadable,
    }
}

fn whole_or_unreadable(whole: Option<i32>) -> StandardCell {
    whole.map_or(StandardCell::Unreadable, |whole| StandardCell::Value(StandardValue::Whole(whole)))
}

/// The reading of a cell of dates.
pub fn date_cell(cell: &str, dates: DateOrder) -> StandardCell {
    match parse_date(&content(cell), dates) {
        Some(date) => StandardCell::Value(StandardValue::Date(date)),
        None => missing_or_unreadable(cell),
    }
}

fn missing_or_unreadable(cell: &str) -> StandardCell {
    if is_missing(&content(cell)) { StandardCell::Missing } else { StandardCell::Unreadable }
}

/// The value as a whole number, if it has no decimals; `360.0` has none.
fn whole_number(value: Decimal) -> Option<i32> {
    let micros = value.micros().filter(|micros| micros % 1_000_000 == 0)?;
    i32::try_from(micros / 1_000_000).ok()
}

/// The lien position that a word means.
fn lien(content: &str) -> Option<i32> {
    let folded = fold_word(content);
    LIENS.iter().find(|(_, words)| words.contains(&folded.as_str())).map(|(position, _)| *position)
}

/// Parses the content of a cell as a date: `2024-01-31` or `1/31/2024`, with or without a time after it, or `202401` or
/// `01/2024`, which mean the first of the month.
pub fn parse_date(content: &str, order: DateOrder) -> Option<Date> {
    let text = without_time(content)?;
    if text.contains('/') {
        return match text.split('/').collect::<Vec<_>>()[..] {
            [month, year] => civil(four_digits(year)?, short_number(month)?, 1),
            [first, second, year] => {
                let (month, day) = if order == DateOrder::Dmy { (second, first) } else { (first, second) };
                civil(four_digits(year)?, short_number(month)?, short_number(day)?)
            }
            _ => None,
        };
    }
    if text.contains('-') {
        return match text.split('-').collect::<Vec<_>>()[..] {
            [year, month, day] if month.len() == 2 && day.len() == 2 => {
                civil(four_digits(year)?, short_number(month)?, short_number(day)?)
            }
            _ => None,
        };
    }
    // A column of floats appends a point and zeros: `202401.0`.
    let digits = if is_whole_with_point(text) { text.split_once('.')?.0 } else { text };
    let split = match (digits.len(), order) {
        (5 | 6, DateOrder::MonthYear) => digits.len() - 4,
        (6, DateOrder::Mdy | DateOrder::Dmy) => 4,
        _ => return None,
    };
    let (first, second) = digits.split_at_checked(split)?;
    let (year, month) = if order == DateOrder::MonthYear { (second, first) } else { (first, second) };
    civil(four_digits(year).filter(|year| YEARS.contains(year))?, short_number(month)?, 1)
}

/// The date without the time of day after it. `None` when something other than a time follows the date.
fn without_time(content: &str) -> Option<&str> {
    let Some((date, time)) = content.split_once(['T', ' ']) else { return Some(content) };
    let is_time =
        |c: char| c.is_ascii_digit() || matches!(c, ':' | '.' | '+' | '-' | 'Z' | ' ' | 'A' | 'P' | 'M' | 'a' | 'p' | 'm');
    let begins_so = time.trim_start().starts_with(|c: char| c.is_ascii_digit());
    (begins_so && time.contains(':') && time.chars().all(is_time)).then_some(date)
}

/// Whether the content of a cell is a date whose day comes before its month: `31/1/2024`.
pub fn has_day_first(content: &str) -> bool {
    let parts: Vec<&str> = without_time(content).unwrap_or_default().split('/').collect();
    let [first, second, year] = parts[..] else { return false };
    let (first, second) = (short_number(first), short_number(second));
    four_digits(year).is_some()
        && first.is_some_and(|first| first > 12)
        && second.is_some_and(|second| (1..=12).contains(&second))
}

fn civil(year: i16, month: i8, day: i8) -> Option<Date> {
    Date::new(year, month, day).ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn four_digits(text: &str) -> Option<i16> {
    if text.len() == 4 && is_digits(text) { text.parse().ok() } else { None }
}

/// A month or a day, of one or two digits.
fn short_number(text: &str) -> Option<i8> {
    if text.len() <= 2 && is_digits(text) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn reader(field: Field, unit: ColumnUnit, dates: DateOrder) -> StandardReader {
        StandardReader { field, unit, flag_contradictions: true, dates }
    }

    fn read(field: Field, cell: &str) -> StandardCell {
        reader(field, ColumnUnit::Percent, DateOrder::Mdy).read(cell)
    }

    fn number(text: &str) -> StandardCell {
        StandardCell::Value(StandardValue::Number(text.parse().unwrap()))
    }

    fn whole(value: i32) -> StandardCell {
        StandardCell::Value(StandardValue::Whole(value))
    }

    fn day(year: i16, month: i8, day: i8) -> StandardCell {
        StandardCell::Value(StandardValue::Date(date(year, month, day)))
    }

    /// The canonical word that a cell means.
    fn word(field: Field, cell: &str) -> Option<&'static str> {
        match read(field, cell) {
            StandardCell::Value(StandardValue::Word(code)) => {
                let words = Aliases::built_in().vocabulary(field)?;
                words.canonical().get(usize::from(code)).map(String::as_str)
            }
            _ => None,
        }
    }

    #[test]
    fn amounts_and_ratios_follow_the_rules_of_numbers() {
        for (field, cell, expected) in [
            (Field::OriginalBalance, "$250,000.50", number("250000.5")),
            (Field::CurrentBalance, "(1,000)", number("-1000")),
            (Field::JuniorBalance, "$-", number("0")),
            (Field::JuniorBalance, "1,23", StandardCell::Unreadable),
            (Field::JuniorBalance, "50%", StandardCell::Unreadable),
            (Field::Dscr, "1.25", number("1.25")),
            (Field::Dscr, " .95 ", number("0.95")),
            (Field::Dscr, "1,25", StandardCell::Unreadable),
            (Field::Dscr, "1.25x", StandardCell::Unreadable),
        ] {
            assert_eq!(read(field, cell), expected, "{field} {cell}");
        }
    }

    #[test]
    fn percentages_are_in_the_unit_of_their_column_or_of_their_cell() {
        let fraction = |cell| reader(Field::CltvRatio, ColumnUnit::Fraction, DateOrder::Mdy).read(cell);
        assert_eq!(fraction("0.85"), number("85"));
        assert_eq!(fraction("1.62"), number("162"));
        assert_eq!(fraction("85"), StandardCell::Unreadable);
        assert_eq!(fraction("85%"), number("85"));
        for (cell, expected) in [
            ("85", number("85")),
            ("0.9 %", number("0.9")),
            ("0.85", StandardCell::Unreadable),
            ("1.62", StandardCell::Unreadable),
            ("4.99", StandardCell::Unreadable),
            ("5", number("5")),
            ("999", StandardCell::Missing),
            ("999.0", StandardCell::Missing),
        ] {
            assert_eq!(read(Field::CltvRatio, cell), expected, "{cell}");
        }
        assert_eq!(read(Field::OriginalRate, "6.875"), number("6.875"));
        assert_eq!(read(Field::OriginalRate, "999"), number("999"));
        assert_eq!(read(Field::OriginalRate, "6,875"), StandardCell::Unreadable);
    }

    #[test]
    fn counts_and_months_are_whole_numbers() {
        for (field, cell, expected) in [
            (Field::NumberOfUnits, "1", whole(1)),
            (Field::DaysPastDue, "0", whole(0)),
            (Field::DaysPastDue, "2147483647", whole(i32::MAX)),
            (Field::DaysPastDue, "2147483648", StandardCell::Unreadable),
            (Field::OriginalTerm, "360", whole(360)),
            (Field::RemainingTerm, "360.0", whole(360)),
            (Field::AmortizationTerm, "30", whole(30)),
            (Field::AmortizationTerm, "30 years", StandardCell::Unreadable),
            (Field::InterestOnlyTerm, "7.5", StandardCell::Unreadable),
            (Field::InterestOnlyTerm, "1,200", StandardCell::Unreadable),
            (Field::NumberOfUnits, "2-4", StandardCell::Unreadable),
        ] {
            assert_eq!(read(field, cell), expected, "{field} {cell}");
        }
    }

    #[test]
    fn liens_are_numbers_or_words() {
        for cell in ["1", "1.0", "first", "1st", "SENIOR", "First Lien", "1st-lien", " First "] {
            assert_eq!(read(Field::LienPosition, cell), whole(1), "{cell}");
        }
        for cell in ["2", "Second", "2nd", "junior", "second_lien", "2nd Lien"] {
            assert_eq!(read(Field::LienPosition, cell), whole(2), "{cell}");
        }
        for cell in ["third", "1st and 2nd", "lien", "1.5"] {
            assert_eq!(read(Field::LienPosition, cell), StandardCell::Unreadable, "{cell}");
        }
        assert_eq!(read(Field::NumberOfUnits, "first"), StandardCell::Unreadable);
    }

    #[test]
    fn words_are_those_of_the_vocabulary() {
        for (field, cell, expected) in [
            (Field::PropertyState, "CA", Some("CA")),
            (Field::PropertyState, "california", Some("CA")),
            (Field::PropertyState, "Cali", None),
            (Field::DocumentationType, "Full Doc", Some("full")),
            (Field::DocumentationType, "None", Some("none")),
            (Field::DocumentationType, " NONE\u{a0}", Some("none")),
            (Field::DocumentationType, "word of mouth", None),
            (Field::AmortizationType, "FRM", Some("fixed")),
            (Field::AmortizationType, "5/1 what", None),
        ] {
            assert_eq!(word(field, cell), expected, "{field} {cell}");
        }
        assert_eq!(read(Field::AmortizationType, "None"), StandardCell::Missing);
        assert_eq!(read(Field::PropertyState, "Cali"), StandardCell::Unreadable);
        for field in Field::STANDARD.into_iter().filter(|field| field.info().unit == Unit::Word) {
            let words = Aliases::built_in().vocabulary(field).unwrap();
            assert!(!words.canonical().is_empty() && words.canonical().len() < usize::from(u8::MAX), "{field}");
        }
    }

    #[test]
    fn what_says_nothing_is_missing_in_every_field() {
        for field in Field::STANDARD {
            for cell in ["", "  ", "N/A", "#REF!", "null", "-"] {
                assert_eq!(read(field, cell), StandardCell::Missing, "{field} {cell}");
            }
            let none = matches!(read(field, "None"), StandardCell::Value(_));
            assert_eq!(none, field == Field::DocumentationType, "{field}");
        }
    }

    #[test]
    fn dates_are_read_as_tapes_write_them() {
        for (cell, expected) in [
            ("2024-02-29", day(2024, 2, 29)),
            ("2024-01-31T00:00:00", day(2024, 1, 31)),
            ("2024-01-31 00:00:00.000", day(2024, 1, 31)),
            ("2024-01-31T12:30:00Z", day(2024, 1, 31)),
            ("1/31/2024", day(2024, 1, 31)),
            ("01/02/2024", day(2024, 1, 2)),
            ("1/2/2024 12:00:00 AM", day(2024, 1, 2)),
            ("202401", day(2024, 1, 1)),
            ("202412.0", day(2024, 12, 1)),
            ("01/2024", day(2024, 1, 1)),
            ("7/2024", day(2024, 7, 1)),
            ("'2024-01-31", day(2024, 1, 31)),
            ("1/31/1850", day(1850, 1, 31)),
        ] {
            assert_eq!(read(Field::MaturityDate, cell), expected, "{cell}");
        }
    }

    #[test]
    fn what_is_no_date_is_never_guessed() {
        for cell in [
            "2023-02-29",
            "2/30/2024",
            "31/1/2024",
            "13/2024",
            "0/2024",
            "202413",
            "202400",
            "122006",
            "189912",
            "1/31/24",
            "2024",
            "45292",
            "20240131",
            "2024-1-31",
            "2024/01/31",
            "1-31-2024",
            "2024-01-31 and more",
            "2024-01-31T",
            "Jan 2024",
            "1/31/2024/5",
            "+1/+1/2024",
            "0000-00-00",
            "é20240",
        ] {
            assert_eq!(read(Field::OriginationDate, cell), StandardCell::Unreadable, "{cell}");
        }
    }

    #[test]
    fn a_profile_may_say_the_order() {
        let read = |dates, cell| reader(Field::FirstPaymentDate, ColumnUnit::Percent, dates).read(cell);
        assert_eq!(read(DateOrder::Dmy, "31/1/2024"), day(2024, 1, 31));
        assert_eq!(read(DateOrder::Dmy, "02/03/2024"), day(2024, 3, 2));
        assert_eq!(read(DateOrder::Dmy, "1/31/2024"), StandardCell::Unreadable);
        assert_eq!(read(DateOrder::Dmy, "202403"), day(2024, 3, 1));
        assert_eq!(read(DateOrder::MonthYear, "012024"), day(2024, 1, 1));
        assert_eq!(read(DateOrder::MonthYear, "12024"), day(2024, 1, 1));
        assert_eq!(read(DateOrder::MonthYear, "122006"), day(2006, 12, 1));
        assert_eq!(read(DateOrder::MonthYear, "202401"), StandardCell::Unreadable);
        for order in [DateOrder::Mdy, DateOrder::Dmy, DateOrder::MonthYear] {
            assert_eq!(read(order, "2024-03-02"), day(2024, 3, 2));
            assert_eq!(read(order, "03/2024"), day(2024, 3, 1));
        }
    }

    #[test]
    fn a_day_in_the_months_place_shows() {
        for (cell, first) in [
            ("31/1/2024", true),
            ("13/12/2024 10:00", true),
            ("12/31/2024", false),
            ("12/12/2024", false),
            ("31/31/2024", false),
            ("31/0/2024", false),
            ("31/1/24", false),
            ("2024-01-31", false),
            ("13/2024", false),
        ] {
            assert_eq!(has_day_first(cell), first, "{cell}");
        }
    }

    proptest! {
        #[test]
        fn every_date_is_read_in_each_of_its_forms(days in -30_000..80_000_i32) {
            let date = date(1970, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let (year, month, day_of_month) = (date.year(), date.month(), date.day());
            for (cell, order) in [
                (date.to_string(), DateOrder::Mdy),
                (format!("{month}/{day_of_month}/{year:04}"), DateOrder::Mdy),
                (format!("{month:02}/{day_of_month:02}/{year:04}"), DateOrder::MonthYear),
                (format!("{day_of_month}/{month}/{year:04}"), DateOrder::Dmy),
            ] {
                prop_assert_eq!(parse_date(&cell, order), Some(date), "{}", cell);
            }
        }

        #[test]
        fn whatever_the_cell_is_nothing_panics(cell in ".{0,20}", place in 0..Field::STANDARD.len()) {
            let field = Field::STANDARD[place];
            for dates in [DateOrder::Mdy, DateOrder::Dmy, DateOrder::MonthYear] {
                let _ = reader(field, ColumnUnit::Percent, dates).read(&cell);
            }
            let _ = has_day_first(&cell);
        }
    }
}
