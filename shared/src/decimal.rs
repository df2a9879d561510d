//! Exact decimals for money, rates and ratios, which are never binary floating point.
//!
//! A [`Decimal`] is `mantissa / 10^scale`. It is normalized: it has at least six decimals, and more only when the value needs
//! them. So almost every number of a tape has the same scale as the limit that it is compared with, and comparing them is one
//! integer comparison. The rare value with more decimals is compared more slowly, but just as exactly.

mod quotient;

use std::{cmp::Ordering, fmt, ops::Neg, str::FromStr};

use num_bigint::BigInt;
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;

/// Smallest scale of a value: millionths.
pub const MICRO: u8 = 6;
/// Largest number of digits of a readable number, before and after the point together. Products by 25 and alignment to six
/// decimals still fit 128 bits.
pub const MAX_DIGITS: u32 = 30;
/// Largest number of decimals of a readable number.
pub const MAX_SCALE: u8 = 30;

const POW10: [i128; 39] = {
    let mut table = [1_i128; 39];
    let mut i = 1;
    while i < 39 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// An exact decimal number of at most [`MAX_DIGITS`] digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// The mantissa is stored in two halves, so that a decimal takes 24 bytes and not 32. Each loan has seven decimals.
    low: u64,
    high: i64,
    scale: u8,
}

impl Decimal {
    #[inline]
    const fn raw(mantissa: i128, scale: u8) -> Self {
        Self { low: mantissa as u64, high: (mantissa >> 64) as i64, scale }
    }

    #[inline]
    const fn mantissa(self) -> i128 {
        (self.high as i128) << 64 | self.low as i128
    }

    pub const ZERO: Self = Self::raw(0, MICRO);
    pub const HUNDRED: Self = Self::from_integer(100);

    /// A whole number.
    pub const fn from_integer(value: i64) -> Self {
        Self::raw(value as i128 * POW10[MICRO as usize], MICRO)
    }

    /// A number of millionths.
    pub const fn from_micros(micros: i64) -> Self {
        Self::raw(micros as i128, MICRO)
    }

    /// `mantissa / 10^scale`, normalized; `None` when it has more digits than [`MAX_DIGITS`] or more decimals than [`MAX_SCALE`].
    pub fn new(mantissa: i128, scale: u8) -> Option<Self> {
        let (mut mantissa, mut scale) = (mantissa, scale);
        while scale > MICRO && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        if scale < MICRO {
            mantissa = mantissa.checked_mul(POW10[usize::from(MICRO - scale)])?;
            scale = MICRO;
        }
        (scale <= MAX_SCALE && mantissa.unsigned_abs() < POW10[MAX_DIGITS as usize + MICRO as usize].unsigned_abs())
            .then_some(Self::raw(mantissa, scale))
    }

    /// The value in millionths; `None` unless it is a whole number of millionths and fits 64 bits, as nearly every cell of a tape
    /// does.
    #[inline]
    pub fn micros(&self) -> Option<i64> {
        let low = self.low as i64;
        (self.scale == MICRO && self.high == low >> 63).then_some(low)
    }

    /// The mantissa, which is the digits without the point, and the scale, which is the number of decimals.
    pub fn parts(self) -> (i128, u8) {
        (self.mantissa(), self.scale)
    }

    pub fn is_zero(self) -> bool {
        self.mantissa() == 0
    }

    /// Whether the value is greater than zero.
    pub fn is_positive(self) -> bool {
        self.mantissa() > 0
    }

    /// The value times 100, exactly (a fraction as a percentage); `None` when the result has too many digits.
    pub fn times_hundred(self) -> Option<Self> {
        Self::new(self.mantissa().checked_mul(100)?, self.scale)
    }

    /// `self - other`, exactly; `None` when the result has too many digits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        Self::new(self.mantissa_at(scale)?.checked_sub(other.mantissa_at(scale)?)?, scale)
    }

    /// `self + other`, exactly; `None` when the result has too many digits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.checked_sub(-other)
    }

    /// `self × other`, exactly; `None` when the result has too many digits.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let ((one, one_scale), (two, two_scale)) = (self.parts(), other.parts());
        Self::new(one.checked_mul(two)?, one_scale.checked_add(two_scale)?)
    }

    /// `self × tenths / 10`, exactly; `None` when the result has too many digits.
    pub fn times_tenths(self, tenths: i128) -> Option<Self> {
        Self::new(self.mantissa().checked_mul(tenths)?, self.scale + 1)
    }

    /// The value rounded half to even to `decimals` decimals.
    pub fn round_half_even(self, decimals: u8) -> Self {
        if decimals >= self.scale {
            return self;
        }
        let mantissa = self.rounded_mantissa(decimals);
        // Rounding to fewer than six decimals only drops digits, so the result in millionths has no more digits than before and
        // fits.
        Self::new(mantissa, decimals).unwrap_or(self)
    }

    fn rounded_mantissa(self, decimals: u8) -> i128 {
        match self.scale.checked_sub(decimals) {
            None | Some(0) => self.mantissa() * POW10[usize::from(decimals.saturating_sub(self.scale))],
            Some(drop) => {
                let unit = POW10[usize::from(drop)];
                let (quotient, rest) = (self.mantissa().div_euclid(unit), self.mantissa().rem_euclid(unit));
                match (rest * 2).cmp(&unit) {
                    Ordering::Less => quotient,
                    Ordering::Greater => quotient + 1,
                    Ordering::Equal => quotient + (quotient & 1),
                }
            }
        }
    }

    fn mantissa_at(self, scale: u8) -> Option<i128> {
        self.mantissa().checked_mul(POW10[usize::from(scale - self.scale)])
    }

    /// The absolute value.
    pub fn magnitude(self) -> Self {
        if self.mantissa() < 0 { -self } else { self }
    }

    /// The value as plain text, with at least `decimals` decimals and as many more as the value needs.
    pub fn with_min_decimals(self, decimals: u8) -> String {
        let mut text = String::with_capacity(24);
        self.push_plain(&mut text, decimals);
        text
    }

    /// Like [`Self::with_min_decimals`], with commas between thousands.
    pub fn with_thousands(self, decimals: u8) -> String {
        let mut text = String::with_capacity(32);
        self.push_with_thousands(&mut text, decimals);
        text
    }

    /// Appends what [`Self::with_min_decimals`] gives.
    pub fn push_plain(self, out: &mut String, min_decimals: u8) {
        let mut room = [0; ROOM];
        out.push_str(self.write_digits(&mut room, min_decimals));
    }

    /// Appends what [`Self::with_thousands`] gives.
    pub fn push_with_thousands(self, out: &mut String, min_decimals: u8) {
        let mut room = [0; ROOM];
        let plain = self.write_digits(&mut room, min_decimals);
        let (sign, digits) = plain.strip_prefix('-').map_or(("", plain), |digits| ("-", digits));
        let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
        out.push_str(sign);
        let (mut group, mut rest) = whole.split_at(whole.len() - (whole.len() - 1) / 3 * 3);
        while !rest.is_empty() {
            out.push_str(group);
            out.push(',');
            (group, rest) = rest.split_at(3);
        }
        out.push_str(group);
        out.push_str(fraction);
    }

    /// Writes plain text with at least `min_decimals` decimals at the end of `room`. The messages of a run show millions of
    /// numbers, and this takes a fifth of the time of the standard library's formatting.
    fn write_digits(self, room: &mut [u8; ROOM], min_decimals: u8) -> &str {
        let magnitude = self.mantissa().unsigned_abs();
        let mut at = match u64::try_from(magnitude) {
            Ok(digits) => write_narrow(digits, self.scale, min_decimals, room),
            Err(_) => write_wide(magnitude, self.scale, min_decimals, room),
        };
        if self.mantissa() < 0 {
            at -= 1;
            room[at] = b'-';
        }
        // A sign, digits and a point are ASCII, so the bytes are always UTF-8.
        std::str::from_utf8(&room[at..]).unwrap_or_default()
    }
}

/// Writes digits and a point at the end of `room`. Returns the index at which they begin. Nearly every number fits 64 bits, and
/// dividing 64 bits is many times faster than dividing 128.
fn write_narrow(mut digits: u64, mut scale: u8, min_decimals: u8, room: &mut [u8; ROOM]) -> usize {
    while scale > min_decimals && digits.is_multiple_of(10) {
        digits /= 10;
        scale -= 1;
    }
    let mut at = ROOM;
    let point = (scale > 0).then(|| ROOM - usize::from(scale) - 1);
    loop {
        at -= 1;
        if Some(at) == point {
            room[at] = b'.';
            continue;
        }
        room[at] = b'0' + (digits % 10) as u8;
        digits /= 10;
        // Always write a digit before the point.
        if digits == 0 && point.is_none_or(|point| at < point) {
            return at;
        }
    }
}

#[cold]
fn write_wide(digits: u128, scale: u8, min_decimals: u8, room: &mut [u8; ROOM]) -> usize {
    let digits = format!("{digits:0width$}", width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let least = usize::from(min_decimals).min(fraction.len());
    let kept = least + fraction[least..].trim_end_matches('0').len();
    let text = if kept == 0 { whole.to_owned() } else { format!("{whole}.{}", &fraction[..kept]) };
    let at = ROOM - text.len();
    room[at..].copy_from_slice(text.as_bytes());
    at
}

/// Size of a buffer that holds the text of any decimal: the 39 digits of 128 bits or a digit and its decimals, a point and a
/// sign.
const ROOM: usize = 48;

impl Neg for Decimal {
    type Output = Self;
    fn neg(self) -> Self {
        Self::raw(-self.mantissa(), self.scale)
    }
}

impl PartialOrd for Decimal {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale { self.mantissa().cmp(&other.mantissa()) } else { compare_scales(*self, *other) }
    }
}

/// Compares values of different scale. At their common scale the mantissas may not fit 128 bits.
#[cold]
fn compare_scales(a: Decimal, b: Decimal) -> Ordering {
    let scale = a.scale.max(b.scale);
    let wide = |x: Decimal| BigInt::from(x.mantissa()) * BigInt::from(10).pow(u32::from(scale - x.scale));
    wide(a).cmp(&wide(b))
}

impl fmt::Display for Decimal {
    /// Writes plain text without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write_digits(&mut [0; ROOM], 0))
    }
}

/// Why a text is not a [`Decimal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseDecimalError {
    /// The text is not written as a plain number.
    #[error("not a number")]
    NotANumber,
    /// The number has more digits than can be kept exactly.
    #[error("more than {MAX_DIGITS} digits before or after the point")]
    TooManyDigits,
}

impl FromStr for Decimal {
    type Err = ParseDecimalError;

    /// Reads `[+-]digits[.digits][(e|E)[+-]digits]` and nothing else. The digits before or after the point may be missing, but
    /// not both. Nothing is rounded.
    ///
    /// # Errors
    /// [`ParseDecimalError::NotANumber`] for any other text. [`ParseDecimalError::TooManyDigits`] when the number cannot be kept
    /// exactly.
    fn from_str(text: &str) -> Result<Self, ParseDecimalError> {
        use ParseDecimalError::{NotANumber, TooManyDigits};
        let (negative, body) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        let (number, exponent) = match body.split_once(['e', 'E']) {
            None => (body, 0),
            Some((number, exponent)) => {
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(NotANumber);
                }
                (number, exponent.parse::<i32>().map_err(|_| TooManyDigits)?)
            }
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(NotANumber);
        }
        let mut mantissa = 0_i128;
        let mut scale = 0_i64;
        for (digit, decimal) in whole.bytes().map(|b| (b, false)).chain(fraction.bytes().map(|b| (b, true))) {
            mantissa = mantissa.checked_mul(10).and_then(|m| m.checked_add(i128::from(digit - b'0'))).ok_or(TooManyDigits)?;
            scale += i64::from(decimal);
        }
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        scale -= i64::from(exponent);
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        if scale < 0 {
            let factor = usize::try_from(-scale).ok().and_then(|power| POW10.get(power)).ok_or(TooManyDigits)?;
            mantissa = mantissa.checked_mul(*factor).ok_or(TooManyDigits)?;
            scale = 0;
        }
        let scale = u8::try_from(scale).map_err(|_| TooManyDigits)?;
        Self::new(if negative { -mantissa } else { mantissa }, scale).ok_or(TooManyDigits)
    }
}

impl Serialize for Decimal {
    /// Serializes as an exact JSON number, never as a float.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut room = [0; ROOM];
        let digits = self.write_digits(&mut room, 0);
        serde_json::from_str::<&RawValue>(digits).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// An exact sum of any number of decimals, or of products of two decimals.
///
/// Terms of the same scale are added in 128 bits. A sum that would overflow spills into a big integer.
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    by_scale: Vec<(u8, i128)>,
    spilled: Vec<(u8, BigInt)>,
}

impl ExactSum {
    /// Adds `mantissa / 10^scale`.
    pub fn add(&mut self, mantissa: i128, scale: u8) {
        if mantissa == 0 {
            return;
        }
        let index = self.by_scale.iter().position(|(s, _)| *s == scale).unwrap_or_else(|| {
            self.by_scale.push((scale, 0));
            self.by_scale.len() - 1
        });
        let sum = &mut self.by_scale[index].1;
        match sum.checked_add(mantissa) {
            Some(total) => *sum = total,
            None => {
                let full = BigInt::from(std::mem::replace(sum, mantissa));
                self.spill(full, scale);
            }
        }
    }

    pub fn add_decimal(&mut self, value: Decimal) {
        self.add(value.mantissa(), value.scale);
    }

    /// Adds `a × b`.
    pub fn add_product(&mut self, a: Decimal, b: Decimal) {
        let scale = a.scale + b.scale;
        match a.mantissa().checked_mul(b.mantissa()) {
            Some(product) => self.add(product, scale),
            None => self.spill(BigInt::from(a.mantissa()) * BigInt::from(b.mantissa()), scale),
        }
    }

    /// Adds all terms of another sum.
    pub fn merge(&mut self, other: &Self) {
        for (scale, sum) in &other.by_scale {
            self.add(*sum, *scale);
        }
        for (scale, sum) in &other.spilled {
            self.spill(sum.clone(), *scale);
        }
    }

    /// The terms of the sum: scale and signed mantissa, low byte first. Their order has no meaning.
    pub fn terms(&self) -> Vec<(u8, Vec<u8>)> {
        let narrow = self.by_scale.iter().map(|(scale, sum)| (*scale, sum.to_le_bytes().to_vec()));
        narrow.chain(self.spilled.iter().map(|(scale, sum)| (*scale, sum.to_signed_bytes_le()))).collect()
    }

    /// The sum of terms from [`Self::terms`].
    pub fn of_terms(terms: &[(u8, Vec<u8>)]) -> Self {
        let mut sum = Self::default();
        for (scale, bytes) in terms {
            match bytes.as_slice().try_into() {
                Ok(narrow) => sum.add(i128::from_le_bytes(narrow), *scale),
                Err(_) => sum.spill(BigInt::from_signed_bytes_le(bytes), *scale),
            }
        }
        sum
    }

    fn spill(&mut self, value: BigInt, scale: u8) {
        match self.spilled.iter_mut().find(|(s, _)| *s == scale) {
            Some((_, sum)) => *sum += value,
            None => self.spilled.push((scale, value)),
        }
    }

    /// The total as `mantissa / 10^scale`.
    pub(crate) fn total(&self) -> (BigInt, u8) {
        let scales = self.by_scale.iter().map(|(s, _)| *s).chain(self.spilled.iter().map(|(s, _)| *s));
        let scale = scales.max().unwrap_or(0);
        let lift = |value: BigInt, from: u8| value * BigInt::from(10).pow(u32::from(scale - from));
        let narrow = self.by_scale.iter().map(|(s, sum)| lift(BigInt::from(*sum), *s));
        let wide = self.spilled.iter().map(|(s, sum)| lift(sum.clone(), *s));
        (narrow.chain(wide).sum(), scale)
    }

    /// The exact sum as plain text, with at least `min_decimals` decimals.
    pub fn to_text(&self, min_decimals: u8) -> String {
        let (total, scale) = self.total();
        big_text(&total, scale, min_decimals)
    }

    /// `self / divisor`, rounded half to even to `decimals` decimals; `None` when the divisor is zero.
    pub fn ratio(&self, divisor: &Self, decimals: u8) -> Option<Ratio> {
        let (numerator, denominator) = self.fraction(divisor, decimals)?;
        let zero = BigInt::ZERO;
        let negative = numerator < zero;
        let numerator = if negative { -numerator } else { numerator };
        let (mut quotient, rest) = (&numerator / &denominator, &numerator % &denominator);
        let odd = &quotient % 2_u32 != zero;
        match (rest * 2_u32).cmp(&denominator) {
            Ordering::Greater => quotient += 1_u32,
            Ordering::Equal if odd => quotient += 1_u32,
            _ => {}
        }
        Some(Ratio(big_text(&if negative { -quotient } else { quotient }, decimals, 0)))
    }
}

impl Serialize for ExactSum {
    /// Serializes as an exact JSON number.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_text(0)).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// A rounded quotient, such as a weighted average: plain decimal text that serializes as a JSON number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ratio(String);

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.clone()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

fn big_text(value: &BigInt, scale: u8, min_decimals: u8) -> String {
    let text = value.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let scale = usize::from(scale);
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let kept = fraction.trim_end_matches('0').len().max(usize::from(min_decimals).min(scale));
    let mut fraction = fraction[..kept].to_owned();
    while fraction.len() < usize::from(min_decimals) {
        fraction.push('0');
    }
    let zero = whole.bytes().chain(fraction.bytes()).all(|b| b == b'0');
    let sign = if zero { "" } else { sign };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn reads_plain_signed_and_scientific_numbers() {
        assert_eq!(dec("1.5E+05"), Decimal::from_integer(150_000));
        assert_eq!(dec("25e-2").to_string(), "0.25");
        assert_eq!(dec("-.5").to_string(), "-0.5");
        assert_eq!(dec("+5.").to_string(), "5");
        assert_eq!(dec("0.00").to_string(), "0");
        assert_eq!(dec("000123.4500").to_string(), "123.45");
        assert_eq!(dec("0.80000001192092896").to_string(), "0.80000001192092896");
    }

    #[test]
    fn refuses_what_is_not_a_number_or_cannot_be_kept_exactly() {
        for text in ["", ".", "-", "+", "1e", "1e+", "e5", "1.2.3", "1,000", "Infinity", "NaN", "0x10", "1_000", "½", "1e5.0"] {
            assert_eq!(text.parse::<Decimal>(), Err(ParseDecimalError::NotANumber), "{text}");
        }
        for text in ["1e400", "1e-400", "1e99999999999", "0.1234567890123456789012345678901"] {
            assert_eq!(text.parse::<Decimal>(), Err(ParseDecimalError::TooManyDigits), "{text}");
        }
    }

    #[test]
    fn values_are_equal_whatever_their_zeros() {
        assert_eq!(dec("97"), dec("97.000000000000"));
        assert_eq!(dec("0e99"), Decimal::ZERO);
        assert_eq!(dec("-0.0"), Decimal::ZERO);
    }

    #[test]
    fn comparison_is_exact_across_scales() {
        assert!(dec("97.0000000000001") > dec("97"));
        assert!(dec("-97.0000000000001") < dec("-97"));
        assert!(dec("999999999999999999999999999999") > dec("0.000000000000000000000000000001"));
    }

    #[test]
    fn rounds_half_to_even() {
        for (value, rounded) in [
            ("1.00005", "1"),
            ("1.00015", "1.0002"),
            ("1.000051", "1.0001"),
            ("-1.00005", "-1"),
            ("-1.00015", "-1.0002"),
            ("2.00025000000000001", "2.0003"),
        ] {
            assert_eq!(dec(value).round_half_even(4).to_string(), rounded, "{value}");
        }
    }

    #[test]
    fn text_has_at_least_the_decimals_asked_for() {
        assert_eq!(dec("97.8").with_min_decimals(2), "97.80");
        assert_eq!(dec("97.801").with_min_decimals(2), "97.801");
        assert_eq!(dec("619").with_min_decimals(0), "619");
        assert_eq!(dec("-1234567.5").with_thousands(2), "-1,234,567.50");
        assert_eq!(dec("999").with_thousands(0), "999");
    }

    #[test]
    fn serializes_as_an_exact_number() {
        assert_eq!(serde_json::to_string(&dec("80.0000011920929")).unwrap(), "80.0000011920929");
    }

    #[test]
    fn sums_spill_instead_of_overflowing() {
        let mut sum = ExactSum::default();
        for _ in 0..3 {
            sum.add(i128::MAX, 6);
        }
        let expected: BigInt = BigInt::from(i128::MAX) * 3;
        assert_eq!(sum.to_text(0).replace('.', ""), expected.to_string());
    }

    #[test]
    fn a_sum_of_terms_is_the_sum_that_they_are_of() {
        let mut sum = ExactSum::default();
        for (mantissa, scale) in [(i128::MAX, 6), (i128::MAX, 6), (i128::MIN, 6), (-5, 2), (7, 9)] {
            sum.add(mantissa, scale);
        }
        assert_eq!(ExactSum::of_terms(&sum.terms()).to_text(0), sum.to_text(0));
        assert_eq!(ExactSum::of_terms(&[]).to_text(0), "0");
    }

    #[test]
    fn ratios_round_half_to_even_and_refuse_zero() {
        let sum = |text: &str| {
            let mut sum = ExactSum::default();
            sum.add_decimal(dec(text));
            sum
        };
        assert_eq!(sum("1").ratio(&sum("3"), 4).unwrap().to_string(), "0.3333");
        assert_eq!(sum("-2").ratio(&sum("3"), 4).unwrap().to_string(), "-0.6667");
        assert_eq!(sum("0.00005").ratio(&sum("1"), 4).unwrap().to_string(), "0");
        assert_eq!(sum("0.00015").ratio(&sum("1"), 4).unwrap().to_string(), "0.0002");
        assert!(sum("1").ratio(&sum("0"), 4).is_none());
    }

    proptest! {
        #[test]
        fn text_and_value_round_trip(mantissa in -(10_i128.pow(29))..10_i128.pow(29), scale in 0_u8..25) {
            let value = Decimal::new(mantissa, scale).unwrap();
            prop_assert_eq!(value.to_string().parse::<Decimal>().unwrap(), value);
        }

        #[test]
        fn difference_and_order_agree(a in -(10_i128.pow(20))..10_i128.pow(20), b in -(10_i128.pow(20))..10_i128.pow(20), s in 0_u8..10, t in 0_u8..10) {
            let (a, b) = (Decimal::new(a, s).unwrap(), Decimal::new(b, t).unwrap());
            let difference = a.checked_sub(b).unwrap();
            prop_assert_eq!(difference.is_positive(), a > b);
            prop_assert_eq!(difference.checked_add(b).unwrap(), a);
        }
    }
}
