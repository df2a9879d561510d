//! The grammar of a grid's cells: what a heading, a cell of a list and a result say.

use crate::{
    decimal::Decimal,
    loan::Unit,
    rules::{
        excerpt,
        guide::{condition::Edge, field::TestedField, read::LARGEST},
    },
    tape::cell::{is_date_cell, is_error_value},
};

/// The largest amount that a heading may write with an M for millions. Some tapes write M for thousands, and no loan is larger.
const LARGEST_MILLIONS: Decimal = Decimal::from_integer(20_000_000);
/// The most points of an adjustment, and their negative the fewest.
const MOST_POINTS: Decimal = Decimal::from_integer(1_000);
/// Length of the longest cell, in bytes.
const MAX_CELL_BYTES: usize = 1_000;
/// Number of decimals of a result.
const RESULT_DECIMALS: u8 = 4;

/// A number, as a cell writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenNumber {
    pub value: Decimal,
    /// Number of decimals with which the number is written.
    pub decimals: u8,
    says_percent: bool,
}

/// One end of a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BandEnd {
    pub number: WrittenNumber,
    pub inclusive: bool,
}

/// How the ends of a band are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BandForm {
    /// With signs or brackets, or as a single number: each end is kept to the letter.
    Letter,
    /// As `a-b`: the band owns one of its ends.
    Dash,
}

/// What a heading or a cell of a list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellTest {
    Anything,
    Band { low: Option<BandEnd>, high: Option<BandEnd>, form: BandForm },
    Numbers { numbers: Vec<Decimal>, not: bool },
    Words { bits: u64, not: bool },
}

/// What a result cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellResult {
    Number(Decimal),
    /// The cell is empty.
    Nothing,
    /// The cell refuses the loan: `NA`, `X`, `not eligible`.
    Refused,
}

impl WrittenNumber {
    /// The number as an edge of a condition.
    pub fn edge(&self) -> Edge {
        Edge::Number(self.value)
    }
}

/// Refuses a cell that is longer than any heading or result.
fn refuse_long(text: &str) -> Result<(), String> {
    if text.len() <= MAX_CELL_BYTES {
        Ok(())
    } else {
        Err(format!("the cell has more than {MAX_CELL_BYTES} characters: shorten it"))
    }
}

/// What is wrong with a cell that a spreadsheet has changed, or that has an error; `None` for any other cell.
pub fn oddity(text: &str) -> Option<String> {
    let shown = excerpt(text);
    if is_error_value(text) {
        return Some(format!("{shown} is the error of a formula: mend the formula, or write the value"));
    }
    if is_date_cell(text) || is_time(text) {
        return Some(format!("\"{shown}\" is a date or a time, which spreadsheets make of 3-4 or 1:30: format the cell as text"));
    }
    None
}

/// Whether a text is a time of day, as a cell of a workbook reads.
fn is_time(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 3 && parts.iter().all(|part| part.len() >= 2 && part.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// The text with the ASCII forms of its signs.
fn plain_signs(text: &str) -> String {
    text.replace('≤', "<=").replace('≥', ">=").replace('–', "-").trim().to_owned()
}

/// Reads a heading or a cell of a list about a field.
///
/// # Errors
/// What is wrong with the cell, and how to mend it.
pub fn cell_test(field: &TestedField, text: &str) -> Result<CellTest, String> {
    refuse_long(text)?;
    let plain = plain_signs(text);
    if matches!(plain.as_str(), "" | "*") {
        return Ok(CellTest::Anything);
    }
    if let Some(odd) = oddity(text) {
        return Err(odd);
    }
    match field.unit() {
        Unit::Word => words(field, &plain),
        Unit::Money | Unit::Percent | Unit::Ratio | Unit::Count | Unit::Months => numbers(field, &plain),
        Unit::Date | Unit::Text => Err(format!("{} holds neither numbers nor words", field.name())),
    }
}

/// The parts of a list: a comma separates where whitespace follows it.
fn listed(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(',') {
        if text[at + 1..].starts_with(char::is_whitespace) {
            parts.push(text[start..at].trim());
            start = at + 1;
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// The text after `not `; `None` when the text does not begin with it.
fn after_not(text: &str) -> Option<&str> {
    let (not, rest) = text.split_at_checked(3)?;
    (not.eq_ignore_ascii_case("not") && rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

fn words(field: &TestedField, text: &str) -> Result<CellTest, String> {
    let Some(vocabulary) = field.words() else { return Err(format!("{} has no words to compare with", field.name())) };
    let (list, not) = after_not(text).map_or((text, false), |rest| (rest, true));
    // Any text is a word of a field without a list of words, so that `not` is never a part of one.
    let whole = if not && !vocabulary.is_open() { vocabulary.meant(text) } else { None };
    if let Some(code) = whole {
        let word = vocabulary.word(code);
        return Err(format!("\"{}\" may be the word {word} or all words but one: write the word itself", excerpt(text)));
    }
    let mut bits = 0_u64;
    for word in listed(list) {
        let code = vocabulary.meant(word).ok_or_else(|| {
            let known: Vec<&str> = vocabulary.canonical().collect();
            let hint = if word.contains(',') { "; in a list, a space follows each comma" } else { "" };
            format!("\"{}\" is no word of {}; its words are {}{hint}", excerpt(word), field.name(), known.join(", "))
        })?;
        bits |= 1 << code;
    }
    Ok(CellTest::Words { bits, not })
}

fn numbers(field: &TestedField, text: &str) -> Result<CellTest, String> {
    let band = |low, high, form| CellTest::Band { low, high, form };
    let end = |text: &str, inclusive| Ok::<_, String>(Some(BandEnd { number: bound(field, text)?, inclusive }));
    if let Some(rest) = after_not(text) {
        return number_list(field, rest, true);
    }
    if let Some(inside) = text.strip_prefix(['[', '(']).and_then(|rest| rest.strip_suffix([']', ')'])) {
        let Some((low, high)) = inside.split_once("..") else {
            return Err(format!("\"{}\" is no band: between brackets write two dots, such as [620..639]", excerpt(text)));
        };
        let (low, high) = (end(low, text.starts_with('['))?, end(high, text.ends_with(']'))?);
        return in_order(text, band(low, high, BandForm::Letter));
    }
    for (sign, is_low, inclusive) in [(">=", true, true), ("<=", false, true), (">", true, false), ("<", false, false)] {
        if let Some(rest) = text.strip_prefix(sign) {
            let end = end(rest, inclusive)?;
            return Ok(if is_low { band(end, None, BandForm::Letter) } else { band(None, end, BandForm::Letter) });
        }
    }
    if let Some(rest) = text.strip_suffix('+') {
        return Ok(band(end(rest, true)?, None, BandForm::Letter));
    }
    if listed(text).len() > 1 {
        return number_list(field, text, false);
    }
    if let Some((low, high)) = split_range(text) {
        return in_order(text, band(end(low, true)?, end(high, true)?, BandForm::Dash));
    }
    let single = end(text, true)?;
    Ok(band(single, single, BandForm::Letter))
}

fn number_list(field: &TestedField, text: &str, not: bool) -> Result<CellTest, String> {
    let mut numbers = listed(text).into_iter().map(|part| Ok(bound(field, part)?.value)).collect::<Result<Vec<_>, String>>()?;
    numbers.sort();
    numbers.dedup();
    Ok(CellTest::Numbers { numbers, not })
}

/// The two numbers of `a-b`, `a to b` or `a..b`.
fn split_range(text: &str) -> Option<(&str, &str)> {
    let lower = text.to_ascii_lowercase();
    let separators = ["..", "to", "-"]
        .into_iter()
        .flat_map(|separator| lower.match_indices(separator).map(|(at, _)| (at, at + separator.len())).collect::<Vec<_>>());
    let parts = separators.filter_map(|(at, end)| Some((text.get(..at)?, text.get(end..)?)));
    let is_number = |text: &str| written(text, Some(Unit::Money)).is_some();
    parts.into_iter().find(|(low, high)| is_number(low) && is_number(high))
}

/// A band whose low end is not above its high one.
fn in_order(text: &str, band: CellTest) -> Result<CellTest, String> {
    let CellTest::Band { low: Some(low), high: Some(high), .. } = &band else { return Ok(band) };
    if low.number.value > high.number.value {
        return Err(format!("the range \"{}\" is turned around: write the lower number first", excerpt(text)));
    }
    if low.number.value == high.number.value && !(low.inclusive && high.inclusive) {
        return Err(format!("no number is in \"{}\": both ends are the same", excerpt(text)));
    }
    Ok(band)
}

/// A number of a heading, of a list, or of a limit.
fn bound(field: &TestedField, text: &str) -> Result<WrittenNumber, String> {
    let Some(number) = written(text, Some(field.unit())) else {
        let hint = match text.contains(',') {
            true => {
                "; a comma stands before exactly three digits of an amount, or before a space in a list: write a decimal comma as a point"
            }
            false => "; write 620, >= 620, 620-639, [620..639], a list such as 1, 2, or *",
        };
        return Err(format!("\"{}\" is no number of {}{hint}", excerpt(text.trim()), field.name()));
    };
    let looks_like_fraction = field.fraction_to().is_some_and(|most| number.value.is_positive() && number.value <= most);
    if looks_like_fraction
        && !number.says_percent
        && let Some(hundredfold) = number.value.times_hundred()
    {
        let (shown, percent) = (number.value.with_min_decimals(2), number.value.with_min_decimals(0));
        return Err(format!("{shown} of {} means {percent} %: write {hundredfold}, or {percent}% if it is meant", field.name()));
    }
    if number.value.micros().is_none() || number.value.magnitude() > LARGEST {
        return Err(format!("\"{}\" has more than 6 decimals or is above 1,000,000,000,000", excerpt(text.trim())));
    }
    Ok(number)
}

/// A number with its signs: `$1,500,000`, `60.00 %`, `1.5M` for an amount of money. Points have no unit.
fn written(text: &str, unit: Option<Unit>) -> Option<WrittenNumber> {
    let is_money = unit == Some(Unit::Money);
    // Where numbers have no decimals, or are money, a comma separates thousands. Anywhere else it may be a decimal comma.
    let has_thousands = matches!(unit, Some(Unit::Money | Unit::Count | Unit::Months));
    let text = text.trim();
    let (negative, body) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest.trim_start()));
    let body = body.strip_prefix('$').map_or(body, str::trim_start);
    let (says_percent, body) = body.strip_suffix('%').map_or((false, body), |rest| (true, rest.trim_end()));
    let millions = body.strip_suffix(['M', 'm']).filter(|_| is_money && !says_percent);
    let (whole, fraction) =
        millions.unwrap_or(body).trim_end().split_once('.').unwrap_or((millions.unwrap_or(body).trim_end(), ""));
    let has_point = millions.unwrap_or(body).contains('.');
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(fraction) || (has_point && fraction.is_empty()) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let grouped = rest.is_empty() || (has_thousands && matches!(first.len(), 1..=3) && !first.starts_with('0'));
    if !grouped || !is_digits(first) || !rest.iter().all(|group| group.len() == 3 && is_digits(group)) {
        return None;
    }
    let digits = whole.replace(',', "") + fraction;
    if digits.len() > 30 {
        return None;
    }
    let decimals = u8::try_from(fraction.len()).ok()?;
    let mut value = Decimal::new(digits.parse().ok()?, decimals)?;
    if millions.is_some() {
        value = value.checked_mul(Decimal::from_integer(1_000_000)).filter(|value| *value <= LARGEST_MILLIONS)?;
    }
    let decimals = if millions.is_some() { decimals.saturating_sub(6) } else { decimals };
    Some(WrittenNumber { value: if negative { -value } else { value }, decimals, says_percent })
}

/// Reads a result cell: a limit of a field, or points.
///
/// # Errors
/// What is wrong with the cell, and how to mend it.
pub fn cell_result(field: Option<&TestedField>, text: &str) -> Result<CellResult, String> {
    refuse_long(text)?;
    let plain = plain_signs(text);
    if plain.is_empty() {
        return Ok(CellResult::Nothing);
    }
    let folded = plain.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    if matches!(folded.as_str(), "na" | "n/a" | "-" | "x" | "not eligible") {
        return Ok(CellResult::Refused);
    }
    if let Some(odd) = oddity(text) {
        return Err(odd);
    }
    let value = match field {
        Some(field) => bound(field, &plain)?.value,
        None => points(&plain)?,
    };
    let rounded = value.round_half_even(RESULT_DECIMALS);
    if rounded != value {
        return Err(format!("\"{}\" has more than {RESULT_DECIMALS} decimals", excerpt(text)));
    }
    Ok(CellResult::Number(value))
}

/// The points of an adjustment, which may be below zero: `(0.375)` is -0.375.
fn points(text: &str) -> Result<Decimal, String> {
    let inside = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let unsigned = inside.filter(|inside| !inside.trim_start().starts_with('-')).or_else(|| text.strip_prefix('+'));
    let number = match (inside, unsigned) {
        (Some(_), None) => None,
        (_, Some(rest)) if rest.trim_start().starts_with(['-', '+']) => None,
        (_, rest) => written(rest.unwrap_or(text), None),
    };
    let Some(number) = number else {
        let shown = excerpt(text);
        let comma = if text.contains(',') { "; write a decimal comma as a point" } else { "" };
        return Err(format!("\"{shown}\" is no number of points: write 0.375, -0.375, (0.375), or NA for none{comma}"));
    };
    if number.value.magnitude() > MOST_POINTS {
        return Err(format!("\"{}\" is more than 1,000 points", excerpt(text)));
    }
    Ok(if inside.is_some() { -number.value } else { number.value })
}
