//! Reads the cells of numbers: money signs, thousands commas, percent signs, words for "not available", sentinels.

use std::{borrow::Cow, ops::Range};

use crate::{
    decimal::{Decimal, ParseDecimalError},
    loan::{CellValue, ColumnUnit, Field, NumberCell, Unit, Unreadable},
};

use super::{
    cell::{content, is_missing, trimmed},
    window::Window,
};

/// Number of significant digits that a number with a point keeps: as many as a spreadsheet keeps.
const SIGNIFICANT_DIGITS: usize = 15;
/// The largest note rate that is accepted, in percent.
pub const LARGEST_NOTE_RATE: i64 = 30;

/// A number as a cell writes it, before sentinels and units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenNumber {
    pub value: Decimal,
    /// Whether the cell has a percent sign.
    pub says_percent: bool,
}

/// Reads a cell of a number column whose unit is known.
pub fn read_cell<'t>(field: Field, text: &'t str, unit: ColumnUnit, flag_contradictions: bool) -> NumberCell<'t> {
    match plain_micros(text.as_bytes()) {
        Some(micros) => {
            let written = WrittenNumber { value: Decimal::from_micros(micros), says_percent: false };
            let reading = in_unit(field, written, unit, flag_contradictions);
            let as_it_stands = field.info().zones.is_none() || unit == ColumnUnit::Percent;
            let plain = as_it_stands && reading == CellValue::Value(written.value);
            NumberCell { reading, written: text, plain }
        }
        None => read_unplain(field, text, unit, flag_contradictions),
    }
}

#[cold]
fn read_unplain(field: Field, text: &str, unit: ColumnUnit, flag_contradictions: bool) -> NumberCell<'_> {
    let reading = match parse_number(&content(text), field.info().unit) {
        Ok(None) => CellValue::Missing,
        Ok(Some(written)) => in_unit(field, written, unit, flag_contradictions),
        Err(why) => CellValue::Unreadable(why),
    };
    NumberCell { reading, written: trimmed(text), plain: text.is_empty() }
}

/// Reads a number by its column: sentinels, the unit of the column, and rates that a note cannot have.
fn in_unit(field: Field, number: WrittenNumber, unit: ColumnUnit, flag_contradictions: bool) -> CellValue {
    let info = field.info();
    let WrittenNumber { value, says_percent } = number;
    if info.sentinel == Some(value) {
        return CellValue::Missing;
    }
    let Some(zones) = info.zones else { return CellValue::Value(value) };
    let percent = match unit {
        _ if says_percent => value,
        ColumnUnit::Fraction if value >= zones.percent_from => return CellValue::Unreadable(Unreadable::PercentInFractions),
        ColumnUnit::Fraction => match value.times_hundred() {
            Some(percent) => percent,
            None => return CellValue::Unreadable(Unreadable::TooManyDigits),
        },
        ColumnUnit::Percent if flag_contradictions && value.is_positive() => {
            if value <= zones.fraction_to {
                return CellValue::Unreadable(Unreadable::FractionInPercents);
            }
            if value < zones.percent_from && matches!(field, Field::LtvRatio | Field::CltvRatio) {
                return CellValue::Unreadable(Unreadable::RatioInPercents);
            }
            value
        }
        ColumnUnit::Percent => value,
    };
    if field == Field::NoteRate && (percent < Decimal::ZERO || percent > Decimal::from_integer(LARGEST_NOTE_RATE)) {
        return CellValue::Unreadable(Unreadable::NoNoteRate);
    }
    CellValue::Value(percent)
}

/// Parses the content of a cell in a column of this unit; `None` when the cell says that there is no value.
///
/// # Errors
/// [`Unreadable`] says why the content is not a number that the column can hold.
pub fn parse_number(content: &str, unit: Unit) -> Result<Option<WrittenNumber>, Unreadable> {
    if is_missing(content) {
        return Ok(None);
    }
    let mut body = content.strip_suffix('%').unwrap_or(content).trim_end();
    let mut says_percent = body.len() < content.len();
    let outside = body.strip_prefix('$').map(str::trim_start);
    if outside == Some("-") {
        // Accounting formats show zero as `$-`.
        return Ok(Some(WrittenNumber { value: Decimal::ZERO, says_percent }));
    }
    let inside = outside.unwrap_or(body).strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let parenthesized = inside.is_some();
    if let Some(inside) = inside {
        let percent = if says_percent { None } else { inside.trim().strip_suffix('%') };
        says_percent |= percent.is_some();
        body = percent.unwrap_or(inside).trim();
    }
    // One sign and one money sign may come first, in either order; parentheses count as the sign.
    let (mut sign, mut money) = (parenthesized.then_some('-'), parenthesized && outside.is_some());
    loop {
        match body.chars().next() {
            Some(c @ ('-' | '+')) if sign.is_none() => sign = Some(c),
            Some('$') if !money => money = true,
            Some(c) if c.is_ascii_digit() || c == '.' => break,
            _ => return Err(Unreadable::NotANumber),
        }
        body = body[1..].trim_start();
    }
    let value = parse_digits(body, unit)?;
    if says_percent && unit != Unit::Percent {
        return Err(Unreadable::PercentSign);
    }
    Ok(Some(WrittenNumber { value: if sign == Some('-') { -value } else { value }, says_percent }))
}

/// Parses digits. Thousands commas are allowed in amounts of money.
fn parse_digits(body: &str, unit: Unit) -> Result<Decimal, Unreadable> {
    let digits = match body.contains(',') {
        true if unit == Unit::Money => Cow::Owned(without_thousands(body)?),
        true => {
            let number = body.bytes().all(|b| b.is_ascii_digit() || matches!(b, b',' | b'.'));
            return Err(if number { Unreadable::DecimalComma } else { Unreadable::NotANumber });
        }
        false => Cow::Borrowed(body),
    };
    let parsed = match rounded(&digits) {
        Some(rounded) => rounded.parse(),
        None => digits.parse(),
    };
    parsed.map_err(|error| match error {
        ParseDecimalError::NotANumber => Unreadable::NotANumber,
        ParseDecimalError::TooManyDigits => Unreadable::TooManyDigits,
    })
}

/// Rounds a number with a point and more significant digits than a spreadsheet keeps to that many, half up; `None` for all
/// others.
fn rounded(digits: &str) -> Option<String> {
    let (mantissa, exponent) = digits.find(['e', 'E']).map_or((digits, ""), |at| digits.split_at(at));
    let (whole, fraction) = mantissa.split_once('.')?;
    let mut all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let first = all.iter().position(|digit| *digit != b'0')?;
    let end = first + SIGNIFICANT_DIGITS;
    if all.len() <= end || !all.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let up = all[end] >= b'5';
    all[end..].fill(b'0');
    let mut at = end;
    while up && at > 0 {
        at -= 1;
        if all[at] < b'9' {
            all[at] += 1;
            break;
        }
        all[at] = b'0';
        if at == 0 {
            all.insert(0, b'1');
        }
    }
    let point = all.len() - fraction.len();
    let text = |digits: &[u8]| digits.iter().map(|digit| char::from(*digit)).collect::<String>();
    Some(format!("{}.{}{exponent}", text(&all[..point]), text(&all[point..])))
}

/// Removes thousands commas that separate groups of three digits: `1,234,567.89`. Any other text with commas (`1,23`, `1.234,56`)
/// could mean two things, so it is not a number.
fn without_thousands(text: &str) -> Result<String, Unreadable> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |group: &str| group.bytes().all(|b| b.is_ascii_digit());
    let mut groups = whole.split(',');
    let first_fits = groups.next().is_some_and(|first| matches!(first.len(), 1..=3) && digits(first));
    if !first_fits || !groups.all(|group| group.len() == 3 && digits(group)) || !fraction.is_none_or(digits) {
        return Err(Unreadable::NotANumber);
    }
    let mut plain = whole.replace(',', "");
    if let Some(fraction) = fraction {
        plain.push('.');
        plain.push_str(fraction);
    }
    Ok(plain)
}

/// Tests whether a plain number of a column is ordinary: neither a sentinel nor the unit of the column changes it.
#[derive(Debug, Clone, Copy)]
pub struct Ordinary {
    /// The value that means "missing", in millionths; `i64::MIN`, which no plain number has, when the field has none.
    sentinel: i64,
    /// Values above zero up to this one contradict the column, in millionths.
    contradicts: i64,
    /// The smallest and the largest valid value, in millionths.
    within: (i64, i64),
    /// Whether the column holds fractions, none of which is ordinary.
    fractions: bool,
}

impl Ordinary {
    /// The test for a column of this field.
    pub fn new(field: Field, unit: ColumnUnit, flag_contradictions: bool) -> Self {
        let info = field.info();
        let micros = |value: Option<Decimal>| value.and_then(|value| value.micros());
        let contradicts = match info.zones.filter(|_| flag_contradictions) {
            Some(zones) if field == Field::LtvRatio => micros(Some(zones.percent_from)).map_or(0, |micros| micros - 1),
            Some(zones) => micros(Some(zones.fraction_to)).unwrap_or(0),
            None => 0,
        };
        Self {
            sentinel: micros(info.sentinel).unwrap_or(i64::MIN),
            contradicts,
            within: if field == Field::NoteRate { (0, LARGEST_NOTE_RATE * 1_000_000) } else { (i64::MIN, i64::MAX) },
            fractions: info.zones.is_some() && unit == ColumnUnit::Fraction,
        }
    }

    /// The value of the cell at `span` of a text, in millionths, when the cell is plain and ordinary.
    #[inline]
    pub fn micros(&self, text: &[u8], span: Range<usize>) -> Option<i64> {
        let micros = plain_micros_at(text, span)?;
        let contradiction = (micros > 0) & (micros <= self.contradicts);
        let outside = (micros < self.within.0) | (micros > self.within.1);
        if (micros == self.sentinel) | contradiction | outside | self.fractions { None } else { Some(micros) }
    }
}

/// [`plain_micros`] of the cell at `span` of a longer text. Reads cells without a sign in words of eight bytes, which is faster
/// than digit by digit.
#[inline(always)]
fn plain_micros_at(text: &[u8], span: Range<usize>) -> Option<i64> {
    let window = Window::new(text, &span);
    let length = window.length();
    let word = window.last(ZEROS);
    // Mark the point by the high bit of its byte.
    let other = word ^ DOTS;
    let dots = other.wrapping_sub(ONES) & !other & HIGHS;
    let (mut values, mut decimals, mut point, mut unit) = (word ^ ZEROS, 0, 0, 100_000_000);
    if dots != 0 {
        // Move the digits before the point over it, and put a zero in front.
        let up_to_point = dots ^ dots.wrapping_sub(1);
        values = (((word << 8) & up_to_point) | (word & !up_to_point) | u64::from(b'0')) ^ ZEROS;
        decimals = dots.leading_zeros() as usize / 8;
        (point, unit) = (1, 10_000_000);
    }
    let mut value = eight_digits(values);
    let mut faults = values.wrapping_add(NOT_DIGITS) | values;
    if length > 8 {
        let first = window.before(ZEROS) ^ ZEROS;
        value += eight_digits(first) * unit;
        faults |= first.wrapping_add(NOT_DIGITS) | first;
    }
    let whole_digits = length.wrapping_sub(point + decimals);
    let plainest = (faults & HIGHS == 0)
        & (whole_digits.wrapping_sub(1) < MOST_WHOLE_DIGITS)
        & (decimals <= 6)
        & (decimals >= point)
        & (length <= 16);
    if !plainest || (whole_digits > 1 && text[span.start] == b'0') {
        return plain_micros(text.get(span)?);
    }
    Some(value as i64 * POWERS[6 - decimals])
}

const ZEROS: u64 = 0x3030_3030_3030_3030;
const DOTS: u64 = 0x2e2e_2e2e_2e2e_2e2e;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
/// Added to a word, carries every byte value above nine into the high bit of the byte.
const NOT_DIGITS: u64 = 0x7676_7676_7676_7676;
const MOST_WHOLE_DIGITS: usize = 12;
const POWERS: [i64; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// The number that eight digits write, the first digit in the lowest byte: combines pairs, then fours, then all.
#[inline]
fn eight_digits(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(1 + (10 << 8)) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(1 + (100 << 16)) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(1 + (10_000 << 32)) >> 32
}

/// Millionths of a number in its plainest form, `-?digits[.digits]` without superfluous zeros in front, at most twelve digits
/// before the point and six after it; `None` for everything else, which [`parse_number`] reads more slowly.
pub fn plain_micros(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut value = 0_i64;
    let mut at = 0;
    while let Some(digit) = digits.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        at += 1;
    }
    if at == 0 || at > MOST_WHOLE_DIGITS || (at > 1 && digits[0] == b'0') {
        return None;
    }
    let mut missing = 6_usize;
    if let Some((b'.', fraction)) = digits[at..].split_first() {
        if fraction.is_empty() || fraction.len() > 6 || at + fraction.len() > SIGNIFICANT_DIGITS {
            return None;
        }
        for b in fraction {
            let digit = b.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        missing = 6 - fraction.len();
    } else if at < digits.len() {
        return None;
    }
    let micros = value * POWERS[missing];
    Some(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str, unit: Unit) -> Result<Option<String>, Unreadable> {
        parse_number(text, unit).map(|written| written.map(|written| written.value.to_string()))
    }

    fn cell(field: Field, text: &str, unit: ColumnUnit) -> CellValue {
        read_cell(field, text, unit, true).reading
    }

    fn value(text: &str) -> CellValue {
        CellValue::Value(text.parse().unwrap())
    }

    #[test]
    fn money_signs_commas_percent_signs_and_parentheses_are_read() {
        for (text, expected) in [
            ("$250,000.00", "250000"),
            ("$ 1,234", "1234"),
            ("-$5", "-5"),
            ("$-5", "-5"),
            ("(1,234)", "-1234"),
            ("($1,234.50)", "-1234.5"),
            ("$(1,234.50)", "-1234.5"),
            ("$ (12)", "-12"),
            ("$-", "0"),
            ("$ -", "0"),
            ("$   -", "0"),
            ("(0.00)", "0"),
            ("1.5E+05", "150000"),
            ("+7", "7"),
            (".5", "0.5"),
            ("1,234,567.891", "1234567.891"),
            ("007", "7"),
        ] {
            assert_eq!(number(text, Unit::Money), Ok(Some(expected.to_owned())), "{text}");
        }
        for (text, expected) in [("(12.5)%", "-12.5"), ("(12.5 %)", "-12.5"), ("80 %", "80"), ("6.5%", "6.5")] {
            let written = parse_number(text, Unit::Percent).unwrap().unwrap();
            assert_eq!((written.value.to_string(), written.says_percent), (expected.to_owned(), true), "{text}");
        }
    }

    #[test]
    fn words_for_not_available_are_missing() {
        for text in ["", "NA", "n/a", "NULL", "null", "-", "NaN", "None", "#N/A", "#DIV/0!", "Err:502", "####", "--", "."] {
            assert_eq!(number(text, Unit::Count), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_not_a_number() {
        for text in [
            "Infinity",
            "$",
            "1.234,56",
            "1,23",
            "12,34,567",
            ",123",
            "1,234,",
            "1,2345",
            "--5",
            "-$-5",
            "($-5)",
            "(-5)",
            "$-+5",
            "%",
            "()",
            "(",
            "1e5,000",
            "1 000",
            "42-50",
            "30%-<36%",
            ">60%",
            "1O0",
            "12.3.4",
            "€5",
            "5%%",
            "inf",
            "- 5-",
        ] {
            assert_eq!(number(text, Unit::Money), Err(Unreadable::NotANumber), "{text}");
        }
    }

    #[test]
    fn commas_belong_to_money_and_percent_signs_to_percentages() {
        for unit in [Unit::Percent, Unit::Count, Unit::Ratio, Unit::Months] {
            for text in ["6,875", "7,500", "1,234", "-6,875", "6,875 %", "1.234,56"] {
                let expected = Err(Unreadable::DecimalComma);
                assert_eq!(number(text, unit), expected, "{text} in {unit:?}");
            }
        }
        for unit in [Unit::Money, Unit::Count, Unit::Ratio] {
            for text in ["80%", "(5)%", "12.5 %"] {
                assert_eq!(number(text, unit), Err(Unreadable::PercentSign), "{text} in {unit:?}");
            }
        }
    }

    #[test]
    fn a_number_with_a_point_keeps_fifteen_digits() {
        for (text, expected) in [
            ("97.00000000000001", "97"),
            ("97.0000000000001", "97.0000000000001"),
            ("0.067500000000000004", "0.0675"),
            ("0.0012345678901234567", "0.00123456789012346"),
            ("99.9999999999999999", "100"),
            ("1.2345678901234565", "1.23456789012346"),
            ("123456789012345.6", "123456789012346"),
            ("123456789012.123456", "123456789012.123"),
            ("1.0000000000000004E+02", "100"),
            ("12345678901234567", "12345678901234567"),
        ] {
            assert_eq!(number(text, Unit::Percent), Ok(Some(expected.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_percent_sign_says_the_unit_of_its_cell() {
        for unit in [ColumnUnit::Fraction, ColumnUnit::Percent] {
            assert_eq!(cell(Field::LtvRatio, "80%", unit), value("80"));
            assert_eq!(cell(Field::NoteRate, "0.5 %", unit), value("0.5"));
            assert_eq!(cell(Field::DtiRatio, "1.5%", unit), value("1.5"));
        }
    }

    #[test]
    fn no_note_rate_is_below_zero_or_above_thirty_percent() {
        for text in ["06875", "687.5", "30.000001", "-0.01", "31%", "-6.5%"] {
            for flag in [true, false] {
                let read = read_cell(Field::NoteRate, text, ColumnUnit::Percent, flag).reading;
                assert_eq!(read, CellValue::Unreadable(Unreadable::NoNoteRate), "{text}");
            }
        }
        assert_eq!(cell(Field::NoteRate, "30", ColumnUnit::Percent), value("30"));
        assert_eq!(cell(Field::NoteRate, "0", ColumnUnit::Percent), value("0"));
        assert_eq!(cell(Field::NoteRate, "0.31", ColumnUnit::Fraction), CellValue::Unreadable(Unreadable::NoNoteRate));
        assert_eq!(cell(Field::NoteRate, "0.30", ColumnUnit::Fraction), value("30"));
    }

    #[test]
    fn surrounding_spaces_do_not_matter() {
        assert_eq!(cell(Field::LoanAmount, "  $250,000 ", ColumnUnit::Percent), value("250000"));
        assert_eq!(cell(Field::LoanAmount, "\u{a0}250000\t", ColumnUnit::Percent), value("250000"));
        assert_eq!(cell(Field::LoanAmount, "   ", ColumnUnit::Percent), CellValue::Missing);
    }

    #[test]
    fn sentinels_mean_missing_in_their_columns_only() {
        assert_eq!(cell(Field::CreditScore, "9999", ColumnUnit::Percent), CellValue::Missing);
        assert_eq!(cell(Field::LtvRatio, "999", ColumnUnit::Percent), CellValue::Missing);
        assert_eq!(cell(Field::DtiRatio, "999.00", ColumnUnit::Percent), CellValue::Missing);
        assert_eq!(cell(Field::DtiRatio, "999", ColumnUnit::Fraction), CellValue::Missing);
        assert_eq!(cell(Field::LoanAmount, "9999", ColumnUnit::Percent), value("9999"));
        assert_eq!(cell(Field::CreditScore, "999", ColumnUnit::Percent), value("999"));
    }

    #[test]
    fn fractions_are_multiplied_exactly() {
        assert_eq!(cell(Field::LtvRatio, "0.800000011920929", ColumnUnit::Fraction), value("80.0000011920929"));
        assert_eq!(cell(Field::LtvRatio, "0.97", ColumnUnit::Fraction), value("97"));
        assert_eq!(cell(Field::LtvRatio, "1.5", ColumnUnit::Fraction), value("150"));
        assert_eq!(cell(Field::NoteRate, "0.0675", ColumnUnit::Fraction), value("6.75"));
    }

    #[test]
    fn a_cell_that_contradicts_its_column_is_unreadable() {
        let fraction = CellValue::Unreadable(Unreadable::FractionInPercents);
        let percent = CellValue::Unreadable(Unreadable::PercentInFractions);
        assert_eq!(cell(Field::LtvRatio, "0.8", ColumnUnit::Percent), fraction);
        assert_eq!(cell(Field::LtvRatio, "1.5", ColumnUnit::Percent), fraction);
        let ratio = CellValue::Unreadable(Unreadable::RatioInPercents);
        assert_eq!(cell(Field::LtvRatio, "1.62", ColumnUnit::Percent), ratio);
        assert_eq!(cell(Field::LtvRatio, "4.99", ColumnUnit::Percent), ratio);
        assert_eq!(cell(Field::LtvRatio, "5", ColumnUnit::Percent), value("5"));
        assert_eq!(cell(Field::LtvRatio, "1.62", ColumnUnit::Fraction), value("162"));
        assert_eq!(cell(Field::LtvRatio, "4.99", ColumnUnit::Fraction), value("499"));
        assert_eq!(cell(Field::DtiRatio, "1.62", ColumnUnit::Percent), value("1.62"));
        assert_eq!(cell(Field::NoteRate, "0.5", ColumnUnit::Percent), fraction);
        assert_eq!(cell(Field::NoteRate, "0.51", ColumnUnit::Percent), value("0.51"));
        assert_eq!(cell(Field::LtvRatio, "80", ColumnUnit::Fraction), percent);
        assert_eq!(cell(Field::NoteRate, "6.5", ColumnUnit::Fraction), percent);
        assert_eq!(cell(Field::DtiRatio, "0", ColumnUnit::Percent), value("0"));
        assert_eq!(cell(Field::DtiRatio, "0.00", ColumnUnit::Fraction), value("0"));
        assert_eq!(cell(Field::LtvRatio, "-0.8", ColumnUnit::Percent), value("-0.8"));
        assert_eq!(read_cell(Field::DtiRatio, "0.8", ColumnUnit::Percent, false).reading, value("0.8"));
    }

    #[test]
    fn the_fast_way_agrees_with_the_slow_one() {
        for text in [
            "0",
            "-0.01",
            "123456789012.123456",
            "97.0",
            "620",
            "-5",
            "0.000001",
            "1.",
            "01",
            "1234567890123",
            "1.1234567",
            "-",
            "1-2",
        ] {
            if let Some(micros) = plain_micros(text.as_bytes()) {
                assert_eq!(number(text, Unit::Percent), Ok(Some(Decimal::from_micros(micros).to_string())), "{text}");
            }
        }
        assert_eq!(plain_micros(b"123456789.123456"), Some(123_456_789_123_456));
        assert_eq!(plain_micros(b"1234567890.123456"), None, "it is rounded");
        assert_eq!(plain_micros(b"1234567890123"), None);
    }

    proptest! {
        #[test]
        fn eight_bytes_at_a_time_give_what_digit_by_digit_gives(
            cell in prop_oneof!["[0-9]{1,14}", "[0-9]{0,13}\\.[0-9]{0,8}", "[-0-9.,/:a%$ ]{0,18}"],
            before in "[0-9,.\\n]{0,20}",
            behind in "[0-9,.]{0,3}",
        ) {
            let text = format!("{before}{cell}{behind}");
            let span = before.len()..before.len() + cell.len();
            prop_assert_eq!(plain_micros_at(text.as_bytes(), span), plain_micros(cell.as_bytes()));
        }

        #[test]
        fn an_ordinary_cell_is_what_reading_it_gives(
            cell in prop_oneof!["[0-9]{1,4}", "[0-2]?\\.?[0-9]{1,3}", Just("999".to_owned()), Just("9999".to_owned()), "-[0-9]{1,2}"],
            field in prop::sample::select(Field::NUMERIC.to_vec()),
            fractions in any::<bool>(),
            flag in any::<bool>(),
        ) {
            let unit = if fractions { ColumnUnit::Fraction } else { ColumnUnit::Percent };
            let read = read_cell(field, &cell, unit, flag);
            if let Some(micros) = Ordinary::new(field, unit, flag).micros(cell.as_bytes(), 0..cell.len()) {
                prop_assert_eq!(read, NumberCell::ordinary(micros, &cell));
            } else {
                prop_assert!(!read.plain || unit == ColumnUnit::Fraction, "{cell} is ordinary");
            }
        }
    }
}
