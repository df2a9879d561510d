//! The content of a cell: the cell without whitespace around it, invisible characters, and what spreadsheets put around text.

use std::borrow::Cow;

/// Whether a character is invisible in every spreadsheet and editor.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{ad}' | '\u{180e}')
}

/// Whether a character at an end of a cell is not part of its content.
fn is_outer(c: char) -> bool {
    c.is_whitespace() || c < ' ' || is_invisible(c)
}

/// Whether a cell is its own content, as nearly all cells are: ASCII that neither begins nor ends with a character to remove.
#[inline]
pub fn is_clean(cell: &str) -> bool {
    match cell.as_bytes() {
        [] => true,
        [first, .., last] => {
            first.is_ascii_graphic() && last.is_ascii_graphic() && !matches!(first, b'=' | b'\'') && cell.is_ascii()
        }
        [one] => one.is_ascii_graphic() && !matches!(one, b'=' | b'\''),
    }
}

/// Removes everything around the content of a cell, repeatedly: whitespace of any kind, control and invisible characters,
/// `="…"`, one apostrophe in front (with one at the end, if both are there). Invisible characters inside stay.
#[inline]
pub fn trimmed(cell: &str) -> &str {
    // Nearly all cells end where their content does.
    let has_outer_end = match cell.as_bytes() {
        [] => false,
        [b'=' | b'\'', ..] => true,
        [first, .., last] => !first.is_ascii_graphic() || !last.is_ascii_graphic(),
        [one] => !one.is_ascii_graphic(),
    };
    if has_outer_end { trimmed_ends(cell) } else { cell }
}

fn trimmed_ends(cell: &str) -> &str {
    let mut rest = cell.trim_matches(is_outer);
    loop {
        let inside = match rest.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')) {
            Some(inside) => inside,
            None => match rest.strip_prefix('\'') {
                Some(text) => text.strip_suffix('\'').unwrap_or(text),
                None => return rest,
            },
        };
        rest = inside.trim_matches(is_outer);
    }
}

/// The content of a cell: [`trimmed`], and without invisible characters inside.
pub fn content(cell: &str) -> Cow<'_, str> {
    if is_clean(cell) {
        return Cow::Borrowed(cell);
    }
    let text = trimmed(cell);
    if text.contains(is_invisible) {
        // Without the invisible characters, there may be something to remove at the ends again.
        let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        Cow::Owned(trimmed(&visible).to_owned())
    } else {
        Cow::Borrowed(text)
    }
}

/// Words that tapes write for a missing value, in lower case.
const MISSING_WORDS: [&str; 17] = [
    "na",
    "n/a",
    "nan",
    "null",
    "-",
    "none",
    "(null)",
    "<na>",
    "n.a.",
    "nil",
    ".",
    "--",
    "\\n",
    "not available",
    "not applicable",
    "#n/a",
    "#nv",
];

/// Whether the content of a cell means "no value": it is empty, a word that tapes write for it, or an error of a spreadsheet, in
/// any case.
pub fn is_missing(content: &str) -> bool {
    match content.as_bytes() {
        [] => true,
        // No such word begins with a digit.
        [b'0'..=b'9', ..] => false,
        [b'#', rest @ ..] => is_spreadsheet_error(rest) || is_missing_word(content),
        [b'e' | b'E', ..] => is_calc_error(content),
        _ => is_missing_word(content),
    }
}

fn is_missing_word(content: &str) -> bool {
    content.len() <= 14 && MISSING_WORDS.iter().any(|word| word.eq_ignore_ascii_case(content))
}

/// `#DIV/0!`, `#NAME?`, or `####` for a number that is too long for its column. `rest` lacks the `#` in front.
fn is_spreadsheet_error(rest: &[u8]) -> bool {
    match rest {
        [name @ .., b'!' | b'?'] => name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'/'),
        _ => rest.len() >= 2 && rest.iter().all(|b| *b == b'#'),
    }
}

/// Whether the content of a cell is the error value of a formula: `#N/A`, `#REF!`, `Err:502`.
pub fn is_error_value(content: &str) -> bool {
    let named = content.eq_ignore_ascii_case("#n/a") || content.eq_ignore_ascii_case("#nv");
    named || is_calc_error(content) || content.strip_prefix('#').is_some_and(|rest| is_spreadsheet_error(rest.as_bytes()))
}

/// An error of LibreOffice Calc: `Err:502`.
fn is_calc_error(content: &str) -> bool {
    let number = content.get(..4).filter(|start| start.eq_ignore_ascii_case("err:")).and_then(|_| content.get(4..));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a cell means "no value", regardless of what surrounds its content.
#[inline]
pub fn says_nothing(cell: &str) -> bool {
    let begins_with_digit = cell.as_bytes().first().is_some_and(u8::is_ascii_digit);
    !begins_with_digit && is_missing(&content(cell))
}

/// Whether the content of a cell is a number whose digits a spreadsheet has cut: `1.00234E+11`.
pub fn has_cut_digits(content: &str) -> bool {
    // Quick test: such a number begins and ends with a digit.
    if !matches!(content.as_bytes(), [b'0'..=b'9', .., b'0'..=b'9']) {
        return false;
    }
    let Some((mantissa, exponent)) = content.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent = exponent.strip_prefix('+');
    digits(whole) && digits(fraction) && exponent.is_some_and(|exponent| matches!(exponent.len(), 2 | 3) && digits(exponent))
}

/// Whether the content of a cell is a whole number with a point and zeros after it, as a float column writes it: `100234.0`.
pub fn is_whole_with_point(content: &str) -> bool {
    let Some((whole, zeros)) = content.split_once('.') else { return false };
    !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit()) && !zeros.is_empty() && zeros.bytes().all(|b| b == b'0')
}

/// Whether the content of a cell is a date that a spreadsheet may have made of other input: written as a date cell of a workbook
/// reads, or as a spreadsheet writes it into a CSV file (`2-Apr` where a user typed `2-4`).
pub fn is_date_cell(content: &str) -> bool {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    if let Some((first, second)) = content.split_once('-') {
        let is_month = |text: &str| MONTHS.iter().any(|month| text.eq_ignore_ascii_case(month));
        let is_day = |text: &str| matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit());
        if (is_day(first) && is_month(second)) || (is_month(first) && is_day(second)) {
            return true;
        }
    }
    let bytes = content.as_bytes();
    let digits = |from: usize, to: usize| bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    digits(0, 4)
        && digits(5, 7)
        && digits(8, 10)
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && matches!(bytes.get(10), None | Some(b' ' | b'T'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_cell_is_no_part_of_it() {
        for (cell, expected) in [
            ("1001", "1001"),
            (" 1001 ", "1001"),
            ("\u{a0}1001\u{2007}\t", "1001"),
            ("1001\r", "1001"),
            ("\u{1}1001\u{1f}", "1001"),
            ("=\"0001001\"", "0001001"),
            ("= \"0001001\"", "= \"0001001\""),
            ("'0001001", "0001001"),
            ("'0001001'", "0001001"),
            ("0001001'", "0001001'"),
            ("' =\"'7\" ", "7"),
            ("10\u{200b}01", "1001"),
            ("\u{feff}1001", "1001"),
            ("\u{feff}'\u{feff}1001", "1001"),
            ("L\u{ad}-1 a", "L-1 a"),
            ("é 1", "é 1"),
            ("'", ""),
            ("", ""),
        ] {
            assert_eq!(content(cell), expected, "{cell:?}");
            assert!(!is_clean(cell) || cell == expected, "{cell:?}");
        }
    }

    #[test]
    fn words_and_errors_for_nothing_are_missing() {
        for text in [
            "",
            "NA",
            "n/a",
            "NULL",
            "-",
            "NaN",
            "#N/A",
            "#NV",
            "#DIV/0!",
            "#REF!",
            "#NAME?",
            "#VALUE!",
            "#NUM!",
            "Err:502",
            "err:7",
            "###",
            "########",
            "None",
            "NONE",
            "(null)",
            "<NA>",
            "n.a.",
            "nil",
            ".",
            "--",
            "\\N",
            "Not Available",
            "not applicable",
        ] {
            assert!(is_missing(text), "{text}");
            assert!(says_nothing(&format!(" {text}\u{a0}")), "{text}");
        }
        for text in ["0", "#", "##", "#12", "Err:", "Error", "Err:x", "nothing", "---", "..", "N", "none of it", "1", "E"] {
            assert!(!is_missing(text), "{text}");
        }
    }

    #[test]
    fn numbers_that_a_spreadsheet_cut_are_recognized() {
        for (text, cut) in [
            ("1.00234E+11", true),
            ("1E+15", true),
            ("1.23456789012346E+017", true),
            ("2e+10", true),
            ("1.00234E11", false),
            ("12E+1", false),
            ("1.E+11", false),
            ("AE+11", false),
            ("1E-11", false),
            ("E+11", false),
            ("10023411", false),
        ] {
            assert_eq!(has_cut_digits(text), cut, "{text}");
        }
        for (text, whole) in
            [("100234.0", true), ("7.000", true), ("7.", false), (".0", false), ("7.10", false), ("L-7.0", false)]
        {
            assert_eq!(is_whole_with_point(text), whole, "{text}");
        }
    }

    #[test]
    fn a_date_is_one_as_workbooks_give_it() {
        for (text, date) in [
            ("2024-02-04", true),
            ("2024-02-04 12:00:00", true),
            ("2024-02-04T00:00", true),
            ("2-Apr", true),
            ("04-feb", true),
            ("Apr-2", true),
            ("2-4", false),
            ("2-unit", false),
            ("123-Apr", false),
            ("2024-2-4", false),
            ("2024-02-041", false),
        ] {
            assert_eq!(is_date_cell(text), date, "{text}");
        }
    }
}
