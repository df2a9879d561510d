//! Makes text from outside safe for a terminal.

use std::fmt::Write as _;

/// The text on one line. Characters that a terminal would obey instead of showing are escaped, so that a header of a tape can
/// neither move the cursor nor change the reading direction.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        let obeyed = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if obeyed {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// The text on one line of at most `most` characters.
pub fn short_line(text: &str, most: usize) -> String {
    let line = one_line(text);
    match line.char_indices().nth(most) {
        None => line,
        Some(_) => line.chars().take(most.saturating_sub(3)).chain("...".chars()).collect(),
    }
}

/// A plain number with commas between thousands.
pub fn with_commas(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut text = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

/// A count with commas between thousands.
pub fn count(number: u64) -> String {
    with_commas(&number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_everything_and_obeys_nothing() {
        assert_eq!(one_line("Größe \u{1b}[2J\nrates\u{202e}"), "Größe \\u{1b}[2J\\nrates\\u{202e}");
    }

    #[test]
    fn long_lines_end_in_dots() {
        assert_eq!(short_line("größer", 6), "größer");
        assert_eq!(short_line("größeres", 6), "grö...");
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(with_commas("-1234567.50"), "-1,234,567.50");
        assert_eq!(with_commas("123"), "123");
        assert_eq!(count(1_000), "1,000");
    }
}
