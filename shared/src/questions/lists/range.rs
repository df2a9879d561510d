//! Ranges of numbers, as filters write them.

use std::{cmp::Ordering, str::FromStr};

use crate::{decimal::Decimal, facts::decimals::DecimalType};

/// A range of numbers: `80..85` with both ends, `80..<85` and `80<..85` without one, `80..` and `..85` open, `80` for one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NumberRange {
    lower: Option<Bound>,
    upper: Option<Bound>,
}

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Bound {
    value: Decimal,
    inclusive: bool,
}

/// What a filter of numbers lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberFilter {
    /// Loans without a number that could be read.
    Missing,
    In(NumberRange),
}

/// What a filter of distances from a limit lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExcessRange {
    range: NumberRange,
    /// Whether the range is in percent of the limit, rather than in the unit of the field.
    of_limit: bool,
}

/// The text is not a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a range of numbers")]
pub struct NotARange;

impl Bound {
    /// How a value, times `factor` of each side, lies to the bound; `None` when a product has too many digits.
    fn compared(self, value: Decimal, factor: Decimal) -> Option<Ordering> {
        Some(value.cmp(&self.value.checked_mul(factor)?))
    }

    fn clears_from_above(self, order: Ordering) -> bool {
        order.is_gt() || self.inclusive && order.is_eq()
    }

    fn clears_from_below(self, order: Ordering) -> bool {
        order.is_lt() || self.inclusive && order.is_eq()
    }
}

impl NumberRange {
    pub fn has(&self, value: Decimal) -> bool {
        self.clears_lower(value) && self.clears_upper(value)
    }

    fn clears_lower(&self, value: Decimal) -> bool {
        self.lower.is_none_or(|bound| bound.clears_from_above(value.cmp(&bound.value)))
    }

    fn clears_upper(&self, value: Decimal) -> bool {
        self.upper.is_none_or(|bound| bound.clears_from_below(value.cmp(&bound.value)))
    }

    /// The smallest and the largest mantissa of a column whose values are in the range. The first is greater than the second when
    /// there are none.
    pub fn mantissas(&self, stored: DecimalType) -> (i64, i64) {
        // Decimals have at least as many decimals as columns.
        let parts = |value: Decimal| {
            let (mantissa, scale) = value.parts();
            (mantissa, 10_i128.pow(u32::from(scale.saturating_sub(stored.scale))))
        };
        let narrow = |wide: i128| i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX });
        let least = self.lower.map_or(i64::MIN, |bound| {
            let (mantissa, unit) = parts(bound.value);
            let floor = mantissa.div_euclid(unit);
            let is_whole = mantissa.rem_euclid(unit) == 0;
            narrow(if is_whole && bound.inclusive { floor } else { floor + 1 })
        });
        let most = self.upper.map_or(i64::MAX, |bound| {
            let (mantissa, unit) = parts(bound.value);
            let floor = mantissa.div_euclid(unit);
            let is_whole = mantissa.rem_euclid(unit) == 0;
            narrow(if is_whole && !bound.inclusive { floor - 1 } else { floor })
        });
        (least, most)
    }
}

impl ExcessRange {
    /// Whether the distance of a value from passing is in the range. `limit` is the bound that the value failed, if there is one.
    pub fn has(&self, excess: Option<Decimal>, limit: Option<Decimal>) -> bool {
        self.clears_lower(excess, limit) && self.clears_upper(excess, limit)
    }

    /// Whether a distance is not below the range.
    pub fn clears_lower(&self, excess: Option<Decimal>, limit: Option<Decimal>) -> bool {
        self.clears(self.range.lower, excess, limit, Bound::clears_from_above)
    }

    /// Whether a distance is not above the range.
    pub fn clears_upper(&self, excess: Option<Decimal>, limit: Option<Decimal>) -> bool {
        self.clears(self.range.upper, excess, limit, Bound::clears_from_below)
    }

    fn clears(
        &self,
        bound: Option<Bound>,
        excess: Option<Decimal>,
        limit: Option<Decimal>,
        clears: fn(Bound, Ordering) -> bool,
    ) -> bool {
        // An exception without a distance, or without a limit to compare the distance with, is in no range.
        let Some(excess) = excess else { return false };
        if !self.of_limit {
            return bound.is_none_or(|bound| clears(bound, excess.cmp(&bound.value)));
        }
        let Some((limit, hundredfold)) = limit.map(Decimal::magnitude).zip(excess.times_hundred()) else { return false };
        bound.is_none_or(|bound| bound.compared(hundredfold, limit).is_some_and(|order| clears(bound, order)))
    }
}

/// A number of a range. A number begins and ends with a digit, so that `80...85` is a mistake and not a range up to .85.
fn number(text: &str) -> Result<Decimal, NotARange> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (first, last) = (digits.as_bytes().first(), digits.as_bytes().last());
    if plain && is_digit(first) && is_digit(last) { text.parse().map_err(|_| NotARange) } else { Err(NotARange) }
}

impl FromStr for NumberRange {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let Some((lower, upper)) = text.split_once("..") else {
            let bound = Some(Bound { value: number(text)?, inclusive: true });
            return Ok(Self { lower: bound, upper: bound });
        };
        let bound = |inclusive: Option<&str>, exclusive: Option<&str>| match (inclusive, exclusive) {
            (_, Some(text)) => Ok(Some(Bound { value: number(text)?, inclusive: false })),
            (Some(""), None) | (None, None) => Ok(None),
            (Some(text), None) => Ok(Some(Bound { value: number(text)?, inclusive: true })),
        };
        let range =
            Self { lower: bound(Some(lower), lower.strip_suffix('<'))?, upper: bound(Some(upper), upper.strip_prefix('<'))? };
        if range.lower.is_none() && range.upper.is_none() { Err(NotARange) } else { Ok(range) }
    }
}

impl FromStr for NumberFilter {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        if text == "missing" { Ok(Self::Missing) } else { text.parse().map(Self::In) }
    }
}

impl FromStr for ExcessRange {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let (range, of_limit) = match text.strip_suffix('%') {
            Some(range) => (range, true),
            None => (text, false),
        };
        Ok(Self { range: range.parse()?, of_limit })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::facts::decimals::{MONEY, PERCENT, SCORE};

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn lets_through(range: &str, values: &[&str]) -> Vec<bool> {
        let range: NumberRange = range.parse().unwrap();
        values.iter().map(|value| range.has(decimal(value))).collect()
    }

    #[test]
    fn a_range_has_its_ends_or_not() {
        let values = ["79.999999", "80", "80.0000001", "84.9999999", "85", "85.0000001"];
        for (range, expected) in [
            ("80..85", [false, true, true, true, true, false]),
            ("80..<85", [false, true, true, true, false, false]),
            ("80<..85", [false, false, true, true, true, false]),
            ("80<..<85", [false, false, true, true, false, false]),
            ("80..", [false, true, true, true, true, true]),
            ("80<..", [false, false, true, true, true, true]),
            ("..85", [true, true, true, true, true, false]),
            ("..<85", [true, true, true, true, false, false]),
            ("80", [false, true, false, false, false, false]),
            ("80.0", [false, true, false, false, false, false]),
            ("85..80", [false; 6]),
            ("-5..79", [false; 6]),
        ] {
            assert_eq!(lets_through(range, &values), expected, "{range}");
        }
        assert_eq!(lets_through("-0.5..-0.25", &["-0.5", "-0.3", "0.3"]), [true, true, false]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "..",
            "<..",
            "..<",
            "<80..85",
            "80..85<",
            "80..>85",
            "80...85",
            "80....85",
            "80..85..90",
            "80-85",
            "80 .. 85",
            "+80..85",
            "80..85%",
            "1e2",
            "0x10",
            "80,5",
            "..-",
            "5.",
            ".5",
            "NaN",
            "80 ",
            "Missing",
            "80<",
            "<80",
            "80..<<85",
        ] {
            assert_eq!(text.parse::<NumberFilter>(), Err(NotARange), "{text}");
        }
        assert!(format!("..{}", "9".repeat(31)).parse::<NumberRange>().is_err());
        assert_eq!("missing".parse(), Ok(NumberFilter::Missing));
        assert!("missing".parse::<ExcessRange>().is_err() && "%".parse::<ExcessRange>().is_err());
    }

    #[test]
    fn a_distance_is_compared_in_the_unit_of_the_field_or_with_the_limit() {
        let has = |range: &str, excess: &str, limit: &str| {
            range.parse::<ExcessRange>().unwrap().has(excess.parse().ok(), limit.parse().ok())
        };
        assert!(has("..1", "1", "") && !has("..1", "1.01", "") && !has("..1", "", "97"));
        assert!(has("..1%", "50000", "5000000") && !has("..1%", "50000.01", "5000000"));
        assert!(has("0.5<..1%", "25000.01", "5000000") && !has("0.5<..1%", "25000", "5000000"));
        assert!(!has("..1%", "1", "") && has("..50%", "5", "-10"));
    }

    fn bound() -> impl Strategy<Value = Option<(Decimal, bool)>> {
        let value = (-2_000_i128..2_000, 6_u8..9, any::<bool>());
        let value = value.prop_map(|(mantissa, scale, inclusive)| {
            (Decimal::new(mantissa * 10_i128.pow(u32::from(scale) - 4), scale).unwrap(), inclusive)
        });
        prop::option::of(value)
    }

    proptest! {
        #[test]
        fn mantissas_are_those_whose_values_are_in_the_range(
            lower in bound(), upper in bound(), mantissa in -3_000_000_i64..3_000_000, at in 0..3_usize,
        ) {
            let of = |bound: Option<(Decimal, bool)>| bound.map(|(value, inclusive)| Bound { value, inclusive });
            let range = NumberRange { lower: of(lower), upper: of(upper) };
            let stored = [MONEY, PERCENT, SCORE][at];
            let (least, most) = range.mantissas(stored);
            for mantissa in [mantissa, mantissa / 10_000, least, least.saturating_sub(1), most, most.saturating_add(1)] {
                let value = stored.value(mantissa).unwrap();
                prop_assert_eq!((least..=most).contains(&mantissa), range.has(value), "{} {:?}", value, range);
            }
        }

        #[test]
        fn any_text_is_a_range_or_none(text in "[-0-9.<%]{0,12}") {
            let _ = text.parse::<NumberFilter>();
            let _ = text.parse::<ExcessRange>();
        }
    }
}
