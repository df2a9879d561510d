//! Number formats: what a cell's format says about the number in it.
//!
//! A format only matters where the number alone would be read wrongly: a percent sign, a date, and characters that are shown
//! around the digits (`000-0000`), as in loan numbers. All other formats change nothing.

use super::{
    date::{push_date, push_duration},
    decimal::{ShortDecimal, push_number},
};

/// Number of characters of the longest format that Excel accepts; a longer one is read as none.
const MAX_CODE: usize = 255;
/// Number of sections of a format: above zero, below, zero, text.
const MAX_SECTIONS: usize = 4;
/// Words for currencies: before an amount they are not a name.
const CURRENCIES: [&str; 12] = ["usd", "us", "eur", "gbp", "cad", "aud", "chf", "mxn", "jpy", "r", "rs", "kr"];

/// What a number format does to the text of a number.
#[derive(Debug, Clone, PartialEq)]
pub enum NumberFormat {
    /// The number reads as it is.
    Plain,
    /// The number counts days since the workbook's epoch.
    Date,
    /// The number is a span of time in days.
    Duration,
    /// At least one section changes the text of the number.
    Sections(Vec<Section>),
}

/// The part of a format that applies to some of the numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    condition: Option<(Comparison, f64)>,
    kind: SectionKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

#[derive(Debug, Clone, PartialEq)]
enum SectionKind {
    Plain,
    /// The number is shown times a hundred, with a percent sign.
    Percent,
    /// The number is shown as it is, with a percent sign.
    PercentSign,
    /// A whole number is shown by these pieces.
    Shown(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    /// `0`: a digit, or a zero where the number has none.
    Zero,
    /// `#` and `?`: a digit, if the number has one here.
    Digit,
    /// `General`: all digits.
    Digits,
    Literal(String),
}

impl NumberFormat {
    /// The built-in format with this id.
    pub fn built_in(id: u32) -> Self {
        match id {
            9 | 10 => Self::Sections(vec![Section { condition: None, kind: SectionKind::Percent }]),
            // The ranges from 27 and from 50 are dates of East Asia.
            14..=22 | 27..=36 | 45 | 47 | 50..=58 => Self::Date,
            46 => Self::Duration,
            _ => Self::Plain,
        }
    }

    /// The format with this code, such as `0.00%;[Red]-0.00%`.
    pub fn parse(code: &str) -> Self {
        if code.chars().nth(MAX_CODE).is_some() {
            return Self::Plain;
        }
        let mut sections = Vec::new();
        let mut rest = code.chars().peekable();
        while rest.peek().is_some() && sections.len() < MAX_SECTIONS {
            let (section, date) = SectionParser::default().parse(&mut rest);
            match date {
                // A date in the first section makes all numbers dates.
                Some(date) if sections.is_empty() => return date,
                _ => sections.push(section),
            }
        }
        // The fourth section is for text.
        sections.truncate(MAX_SECTIONS - 1);
        if sections.iter().all(|section| section.kind == SectionKind::Plain) { Self::Plain } else { Self::Sections(sections) }
    }

    /// Appends the text of a number that a binary format holds.
    pub fn push_float(&self, number: f64, is_1904: bool, out: &mut String) {
        let text = number.to_string();
        if !self.push(text.as_bytes(), is_1904, out) {
            out.push_str(&text);
        }
    }

    /// Appends the text of a number that is written like `<v>` in a sheet. Returns `false` when the text is not a number.
    pub fn push(&self, text: &[u8], is_1904: bool, out: &mut String) -> bool {
        match self {
            Self::Plain => push_number(text, out),
            Self::Date | Self::Duration => {
                let serial =
                    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).filter(|serial: &f64| serial.is_finite());
                match (serial, self) {
                    (None, _) => return false,
                    (Some(serial), Self::Duration) => push_duration(serial, out),
                    (Some(serial), _) => push_date(serial, is_1904, out),
                }
                true
            }
            Self::Sections(sections) => {
                let Some(number) = ShortDecimal::parse(text) else { return false };
                push_in_section(sections, number, text, out);
                true
            }
        }
    }
}

fn push_in_section(sections: &[Section], number: ShortDecimal, text: &[u8], out: &mut String) {
    let at = section_for(sections, &number, text);
    match sections.get(at).map(|section| &section.kind) {
        Some(SectionKind::Percent) => {
            number.times_100().write(out);
            out.push('%');
        }
        Some(SectionKind::PercentSign) => {
            number.write(out);
            out.push('%');
        }
        Some(SectionKind::Shown(pieces)) => match number.whole_digits() {
            Some(digits) => {
                let is_for_negatives = at == 1 && sections[at].condition.is_none();
                if number.is_negative() && !is_for_negatives {
                    out.push('-');
                }
                push_shown(pieces, digits, out);
            }
            None => number.write(out),
        },
        Some(SectionKind::Plain) | None => number.write(out),
    }
}

/// The index of the section that shows a number.
fn section_for(sections: &[Section], number: &ShortDecimal, text: &[u8]) -> usize {
    let value = || std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    let last = sections.len().saturating_sub(1);
    let holds = |at: usize| match sections[at].condition {
        Some((comparison, bound)) => {
            let value = value();
            match comparison {
                Comparison::Less => value < bound,
                Comparison::LessOrEqual => value <= bound,
                Comparison::Greater => value > bound,
                Comparison::GreaterOrEqual => value >= bound,
                Comparison::Equal => value == bound,
                Comparison::NotEqual => value != bound,
            }
        }
        None if at == 0 => !number.is_negative() && (sections.len() == 2 || !number.is_zero()),
        None => number.is_negative(),
    };
    (0..last).find(|at| holds(*at)).unwrap_or(last)
}

/// Appends the digits of a whole number in the places of a format.
fn push_shown(pieces: &[Piece], mut digits: impl DoubleEndedIterator<Item = char>, out: &mut String) {
    let first = pieces.iter().position(|piece| !matches!(piece, Piece::Literal(_)));
    // The places are filled from right to left.
    let mut reversed: Vec<char> = Vec::new();
    for (at, piece) in pieces.iter().enumerate().rev() {
        match piece {
            Piece::Literal(text) => reversed.extend(text.chars().rev()),
            Piece::Zero => reversed.push(digits.next_back().unwrap_or('0')),
            Piece::Digit => reversed.extend(digits.next_back()),
            Piece::Digits => {
                let before = reversed.len();
                reversed.extend(digits.by_ref().rev());
                if reversed.len() == before {
                    reversed.push('0');
                }
            }
        }
        if Some(at) == first {
            reversed.extend(digits.by_ref().rev());
        }
    }
    out.extend(reversed.into_iter().rev());
}

/// Parses one section of a format code.
#[derive(Default)]
struct SectionParser {
    condition: Option<(Comparison, f64)>,
    pieces: Vec<Piece>,
    zeros: usize,
    /// Whether the section has a point, a comma, an exponent, a fraction or `@`: then it shows an ordinary number, regardless of
    /// its other characters.
    is_ordinary: bool,
    multiplies: bool,
    has_sign: bool,
    /// Whether the format shows a date or a duration: its first date or time letter decides.
    date: Option<NumberFormat>,
}

impl SectionParser {
    fn parse(mut self, code: &mut std::iter::Peekable<std::str::Chars<'_>>) -> (Section, Option<NumberFormat>) {
        while let Some(symbol) = code.next() {
            match symbol {
                ';' => break,
                '"' => self.literal(&code.by_ref().take_while(|symbol| *symbol != '"').collect::<String>()),
                '\\' => self.literal(&code.next().map(String::from).unwrap_or_default()),
                // `_` is a space as wide as the next character; `*` repeats the next character as often as there is room.
                '_' | '*' => drop(code.next()),
                '[' => {
                    let inside: String = code.by_ref().take_while(|symbol| *symbol != ']').collect();
                    self.condition = self.condition.or_else(|| parse_condition(&inside));
                    if is_time_span(&inside) {
                        self.date.get_or_insert(NumberFormat::Duration);
                    }
                }
                '%' => self.multiplies = true,
                '0' => {
                    self.zeros += 1;
                    self.pieces.push(Piece::Zero);
                }
                '#' | '?' => self.pieces.push(Piece::Digit),
                '.' | ',' | '/' | '@' => self.is_ordinary = true,
                'E' | 'e' if matches!(code.peek(), Some('+' | '-')) => self.is_ordinary = true,
                'G' | 'g' if code.clone().take(6).collect::<String>().eq_ignore_ascii_case("eneral") => {
                    code.by_ref().take(6).for_each(drop);
                    self.pieces.push(Piece::Digits);
                }
                'd' | 'm' | 'h' | 'y' | 's' | 'D' | 'M' | 'H' | 'Y' | 'S' => drop(self.date.get_or_insert(NumberFormat::Date)),
                other => self.literal(other.encode_utf8(&mut [0; 4])),
            }
        }
        let date = self.date.take();
        (Section { condition: self.condition, kind: self.kind() }, date)
    }

    fn literal(&mut self, text: &str) {
        self.has_sign |= text.contains('%');
        match self.pieces.last_mut() {
            Some(Piece::Literal(before)) => before.push_str(text),
            _ if text.is_empty() => {}
            _ => self.pieces.push(Piece::Literal(text.to_owned())),
        }
    }

    fn kind(self) -> SectionKind {
        if self.multiplies {
            return SectionKind::Percent;
        }
        if self.has_sign {
            return SectionKind::PercentSign;
        }
        let is_digit = |piece: &Piece| !matches!(piece, Piece::Literal(_));
        let (Some(first), Some(last)) = (self.pieces.iter().position(is_digit), self.pieces.iter().rposition(is_digit)) else {
            return SectionKind::Plain;
        };
        let between = self.pieces[first..last].iter().any(|piece| matches!(piece, Piece::Literal(text) if !is_grouping(text)));
        let named = matches!(self.pieces.first(), Some(Piece::Literal(text)) if is_name(text));
        let is_shown = !self.is_ordinary && (self.zeros > 1 || between || named);
        if is_shown { SectionKind::Shown(self.pieces) } else { SectionKind::Plain }
    }
}

/// Whether brackets hold elapsed hours, minutes or seconds, as in `[h]:mm`.
fn is_time_span(inside: &str) -> bool {
    let first = inside.chars().next().map(|symbol| symbol.to_ascii_lowercase());
    matches!(first, Some('h' | 'm' | 's')) && inside.chars().all(|symbol| Some(symbol.to_ascii_lowercase()) == first)
}

/// Whether a literal between digits only groups them, as in `#\ ##0`.
fn is_grouping(text: &str) -> bool {
    text.chars().all(|symbol| symbol.is_whitespace() || matches!(symbol, '\'' | '’'))
}

/// Whether a literal before the digits belongs to a name (`"L-"0`), and not to an amount (`"USD "0`).
pub fn is_name(text: &str) -> bool {
    let letters: String = text.chars().filter(|symbol| symbol.is_alphabetic()).collect::<String>().to_lowercase();
    let has_currency_sign = text.contains(['$', '€', '£', '¥']);
    !letters.is_empty() && !has_currency_sign && !CURRENCIES.contains(&letters.as_str())
}

fn parse_condition(text: &str) -> Option<(Comparison, f64)> {
    const COMPARISONS: [(&str, Comparison); 6] = [
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<>", Comparison::NotEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
        ("=", Comparison::Equal),
    ];
    let (rest, comparison) = COMPARISONS.iter().find_map(|(sign, comparison)| Some((text.strip_prefix(sign)?, *comparison)))?;
    Some((comparison, rest.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_reads(code: &str, cases: &[(&str, &str)]) {
        for (number, wanted) in cases {
            let mut out = String::new();
            assert!(NumberFormat::parse(code).push(number.as_bytes(), false, &mut out), "{code} {number}");
            assert_eq!(out, *wanted, "{code} {number}");
        }
    }

    #[test]
    fn ordinary_formats_change_nothing() {
        for code in [
            "General",
            "0",
            "0.00",
            "#,##0",
            "#,##0.00",
            "$#,##0",
            "\"$\"#,##0.00_);(\"$\"#,##0.00)",
            "#,##0 ;[Red](#,##0)",
            "_($* #,##0.00_);_($* (#,##0.00);_($* \"-\"??_);_(@_)",
            "0.00E+00",
            "# ?/?",
            "@",
            "#\\ ##0",
            "#'##0",
            "\"USD \"0",
            "[$USD-409] 0",
            "0\" mo\"",
            "00.00",
            "000,000",
            "0.000",
            "[>=1000]0;0.0",
            "",
            "0_%",
            "0*%",
        ] {
            assert_eq!(NumberFormat::parse(code), NumberFormat::Plain, "{code}");
        }
        assert_eq!(NumberFormat::parse(&"0".repeat(256)), NumberFormat::Plain);
        assert_eq!(NumberFormat::built_in(0), NumberFormat::Plain);
        assert_eq!(NumberFormat::built_in(4), NumberFormat::Plain);
    }

    #[test]
    fn a_percent_sign_multiplies_by_a_hundred() {
        let cases = [
            ("0.97", "97%"),
            ("0.067500000000000004", "6.75%"),
            ("-0.005", "-0.5%"),
            ("0", "0%"),
            ("1", "100%"),
            ("12.5", "1250%"),
        ];
        for code in [
            "0%",
            "0.00%",
            "0.00%;-0.00%",
            "0.00%;[Red](0.00%)",
            "[Blue]0.0##%",
            "\"about \"0.0%",
            "0%;0%;0%;@",
            "_(0.00%_)",
            "% 0",
        ] {
            assert_reads(code, &cases);
        }
        for id in [9, 10] {
            let mut out = String::new();
            assert!(NumberFormat::built_in(id).push(b"0.97", false, &mut out));
            assert_eq!(out, "97%");
        }
    }

    #[test]
    fn a_literal_percent_sign_multiplies_nothing() {
        for code in ["0.00\"%\"", "0.00\\%", "0.00\" %\"", "#,##0.0\\%;-#,##0.0\\%"] {
            assert_reads(code, &[("97", "97%"), ("6.875", "6.875%"), ("-1", "-1%")]);
        }
    }

    #[test]
    fn every_number_has_its_section() {
        assert_reads("0.00%;-0.00", &[("0.5", "50%"), ("-0.5", "-0.5"), ("0", "0%")]);
        assert_reads("0.00%;-0.00;0", &[("0.5", "50%"), ("-0.5", "-0.5"), ("0", "0")]);
        assert_reads("0;-0;0%", &[("5", "5"), ("-5", "-5"), ("0", "0%")]);
        assert_reads("[<=1]0.0%;0.0", &[("0.5", "50%"), ("1", "100%"), ("80", "80")]);
        assert_reads("[>1]0.0;[<0]0.0;0.0%", &[("0.5", "50%"), ("80", "80"), ("-2", "-2")]);
        assert_reads("[Red][<>0]0%;0", &[("0.5", "50%"), ("0", "0")]);
    }

    #[test]
    fn digits_with_zeros_and_literals_read_as_shown() {
        assert_reads(
            "0000000000",
            &[("1001", "0000001001"), ("0", "0000000000"), ("-7", "-0000000007"), ("12345678901", "12345678901")],
        );
        assert_reads("000-0000", &[("1234567", "123-4567"), ("42", "000-0042"), ("91234567", "9123-4567")]);
        assert_reads("\"L-\"0000", &[("12", "L-0012"), ("123456", "L-123456")]);
        assert_reads("\"LN\"#", &[("12", "LN12")]);
        assert_reads("\"LN\"General", &[("12", "LN12"), ("0", "LN0")]);
        assert_reads("00\\-000\\-00", &[("1234567", "12-345-67")]);
        assert_reads("0000;(0000)", &[("12", "0012"), ("-12", "(0012)")]);
        assert_reads("[<=9999999]###-####;(###) ###-####", &[("1234567", "123-4567"), ("2125551234", "(212) 555-1234")]);
        // Only whole numbers whose digits are all known are shown by their format.
        assert_reads("00000", &[("12.5", "12.5"), ("1234567890123456", "1.23456789012346E+15")]);
    }

    #[test]
    fn dates_are_known_by_their_letters() {
        for code in ["yyyy-mm-dd", "m/d/yy h:mm", "[$-409]d\\-mmm\\-yy;@", "mmm-yy"] {
            assert_eq!(NumberFormat::parse(code), NumberFormat::Date, "{code}");
        }
        for code in ["[h]:mm:ss", "[mm]:ss"] {
            assert_eq!(NumberFormat::parse(code), NumberFormat::Duration, "{code}");
        }
        for id in [14, 22, 30, 47] {
            assert_eq!(NumberFormat::built_in(id), NumberFormat::Date);
        }
    }
}
