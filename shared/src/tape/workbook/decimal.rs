//! The decimal text of numbers, as a spreadsheet shows them: 15 significant digits.

/// Number of significant digits that a spreadsheet shows, and keeps of what is typed.
const DIGITS: usize = 15;

/// A decimal of at most 15 significant digits: ± 0.d₁d₂d₃… × 10^`point`.
#[derive(Debug, Clone, Copy)]
pub struct ShortDecimal {
    negative: bool,
    /// Values from 0 to 9, the first and the last of them not 0. There is room for one digit more than is kept, for rounding.
    digits: [u8; DIGITS + 1],
    /// Number of digits; zero has none.
    length: usize,
    point: i32,
}

impl ShortDecimal {
    /// Reads a number in decimal or E-notation, rounded half up to 15 significant digits. `None` when the text is not a number.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (negative, text) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, text),
        };
        let exponent_at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = match exponent_at {
            Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let mut this = Self { negative, digits: [0; DIGITS + 1], length: 0, point: 0 };
        let (mut any, mut in_fraction, mut point) = (false, false, 0_i32);
        for byte in mantissa {
            match byte {
                b'0'..=b'9' => {
                    any = true;
                    if *byte != b'0' || this.length > 0 {
                        if let Some(digit) = this.digits.get_mut(this.length) {
                            *digit = byte - b'0';
                            this.length += 1;
                        }
                        point = point.saturating_add(i32::from(!in_fraction));
                    } else {
                        point = point.saturating_sub(i32::from(in_fraction));
                    }
                }
                b'.' if !in_fraction => in_fraction = true,
                _ => return None,
            }
        }
        this.point = point.saturating_add(exponent);
        this.round();
        any.then_some(this)
    }

    fn round(&mut self) {
        let up = self.length > DIGITS && self.digits[DIGITS] >= 5;
        self.length = self.length.min(DIGITS);
        if up {
            loop {
                let Some(last) = self.length.checked_sub(1) else {
                    // All digits are nines: the result is a one with one more place.
                    self.digits[0] = 1;
                    self.length = 1;
                    self.point = self.point.saturating_add(1);
                    break;
                };
                if self.digits[last] < 9 {
                    self.digits[last] += 1;
                    break;
                }
                self.length = last;
            }
        }
        while self.length > 0 && self.digits[self.length - 1] == 0 {
            self.length -= 1;
        }
        if self.length == 0 {
            (self.negative, self.point) = (false, 0);
        }
    }

    /// The same number times a hundred.
    pub fn times_100(mut self) -> Self {
        if self.length > 0 {
            self.point = self.point.saturating_add(2);
        }
        self
    }

    pub fn is_negative(&self) -> bool {
        self.negative
    }

    pub fn is_zero(&self) -> bool {
        self.length == 0
    }

    /// The digits of a whole number without its sign, when there are at most 15 of them: all are exact.
    pub fn whole_digits(&self) -> Option<impl DoubleEndedIterator<Item = char> + ExactSizeIterator + use<>> {
        let point = usize::try_from(self.point).ok().filter(|point| (self.length..=DIGITS).contains(point))?;
        let digits = self.digits;
        Some((0..point).map(move |at| char::from(b'0' + digits[at.min(DIGITS)])))
    }

    /// Writes the number as plain decimal text. A number that is too large for all of its digits to be known (from 10^15 on) is
    /// written in E-notation, as Excel does.
    pub fn write(&self, out: &mut String) {
        /// The exponent of a number smaller than the smallest that a spreadsheet holds.
        const NOTHING: i32 = -400;
        let digits = self.digits[..self.length].iter().map(|digit| char::from(b'0' + digit));
        if self.length == 0 || self.point < NOTHING {
            out.push('0');
            return;
        }
        if self.negative {
            out.push('-');
        }
        let point = match usize::try_from(self.point) {
            Ok(point) if point > DIGITS => {
                out.extend(digits.clone().take(1));
                if self.length > 1 {
                    out.push('.');
                    out.extend(digits.skip(1));
                }
                let exponent = point - 1;
                out.push_str("E+");
                out.push_str(&exponent.to_string());
                return;
            }
            Ok(point) if point > 0 => point,
            _ => {
                out.push_str("0.");
                out.extend((self.point..0).map(|_| '0'));
                out.extend(digits);
                return;
            }
        };
        out.extend(digits.clone().take(point));
        out.extend((self.length..point).map(|_| '0'));
        if self.length > point {
            out.push('.');
            out.extend(digits.skip(point));
        }
    }
}

fn parse_exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0_i32, |value, digit| value.saturating_mul(10).saturating_add(i32::from(digit - b'0')));
    Some(if negative { -value } else { value })
}

/// Whether a text is the decimal that [`ShortDecimal::write`] would make of it: nearly every number in a sheet is.
pub fn is_short_decimal(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (mut digits, mut point) = (0, None);
    for (at, byte) in unsigned.iter().enumerate() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' if point.is_none() => point = Some(at),
            _ => return false,
        }
    }
    let starts_well = match unsigned {
        [b'0'] => text.len() == 1,
        [b'0', b'.', ..] => true,
        [b'1'..=b'9', ..] => true,
        _ => false,
    };
    starts_well && digits <= DIGITS && point.is_none_or(|_| !matches!(unsigned.last(), Some(b'0' | b'.')))
}

/// Appends a number in decimal or E-notation as [`ShortDecimal::write`] does. Returns `false` when the text is not a number.
pub fn push_number(text: &[u8], out: &mut String) -> bool {
    if is_short_decimal(text)
        && let Ok(text) = std::str::from_utf8(text)
    {
        out.push_str(text);
        return true;
    }
    let number = ShortDecimal::parse(text);
    if let Some(number) = &number {
        number.write(out);
    }
    number.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Option<String> {
        let mut out = String::new();
        push_number(text.as_bytes(), &mut out).then_some(out)
    }

    #[test]
    fn numbers_have_at_most_15_digits() {
        for (text, wanted) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.000", "0"),
            ("1", "1"),
            ("-12", "-12"),
            ("007", "7"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("+5", "5"),
            ("0.97000000000000001", "0.97"),
            ("0.067500000000000004", "0.0675"),
            ("0.30000000000000004", "0.3"),
            ("6.8749999999999991", "6.875"),
            ("123456.78", "123456.78"),
            ("1E-5", "0.00001"),
            ("-2.5e-07", "-0.00000025"),
            ("6.5E+3", "6500"),
            ("1.2345678901234549", "1.23456789012345"),
            ("1.23456789012345500", "1.23456789012346"),
            ("0.99999999999999999", "1"),
            ("999999999999999.4", "999999999999999"),
            ("999999999999999", "999999999999999"),
            ("1e-500", "0"),
        ] {
            assert_eq!(written(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn numbers_whose_digits_may_be_cut_are_in_e_notation() {
        for (text, wanted) in [
            ("123456789012345678", "1.23456789012346E+17"),
            ("1.2345678901234568E+17", "1.23456789012346E+17"),
            ("1234567890123450", "1.23456789012345E+15"),
            ("999999999999999.5", "1E+15"),
            ("-1e21", "-1E+21"),
            ("1e15", "1E+15"),
            ("1e99999999999", "1E+2147483646"),
        ] {
            assert_eq!(written(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in ["", "-", ".", "e5", "1e", "1e+", "1.2.3", "NaN", "inf", "1 2", "0x1", "1,5", "--1", "1e5.0"] {
            assert_eq!(written(text), None, "{text}");
        }
    }

    #[test]
    fn a_short_decimal_is_written_as_it_is() {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let number = f64::from_bits(state);
            for text in [number.to_string(), format!("{number:e}"), format!("{:.3}", (state % 1_000_000) as f64 / 128.0)] {
                let Some(found) = written(&text) else {
                    assert!(number.is_nan() || number.is_infinite(), "{text}");
                    continue;
                };
                assert!(found == text || !is_short_decimal(text.as_bytes()), "{text} {found}");
                let (found, text) = (found.parse::<f64>().unwrap(), text.parse::<f64>().unwrap());
                assert!(found == text || ((found - text) / text).abs() < 1e-14, "{text} {found}");
            }
        }
    }
}
