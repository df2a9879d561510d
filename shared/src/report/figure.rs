//! Numbers of the report, with all digits that the summary has.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use crate::decimal::Decimal;

/// A JSON number as its text, so that no digit is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure(String);

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let is_number = text.get().bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        if is_number { Ok(Self(text.get().to_owned())) } else { Err(D::Error::custom("a number is expected")) }
    }
}

impl Figure {
    /// The number as the summary has it.
    pub fn plain(&self) -> &str {
        &self.0
    }

    fn decimal(&self) -> Option<Decimal> {
        self.0.parse().ok()
    }

    /// The number with commas between thousands, and at least this many decimals.
    pub fn with_commas(&self, decimals: u8) -> String {
        self.decimal().map_or_else(|| self.0.clone(), |number| number.with_thousands(decimals))
    }

    /// An amount in dollars.
    pub fn dollars(&self) -> String {
        match self.with_commas(2).strip_prefix('-') {
            Some(amount) => format!("-${amount}"),
            None => format!("${}", self.with_commas(2)),
        }
    }

    /// A share of one, in percent.
    pub fn percent(&self) -> String {
        let percent = self.decimal().and_then(Decimal::times_hundred);
        percent.map_or_else(|| self.0.clone(), |percent| percent.with_min_decimals(2))
    }

    /// The part of the number in another one, in thousandths from 0 to 1000, for the length of a bar.
    pub fn thousandths_of(&self, whole: &Self) -> u32 {
        let (Some(part), Some(whole)) = (self.decimal(), whole.decimal()) else { return 0 };
        if !part.is_positive() || !whole.is_positive() {
            return 0;
        }
        // Both are positive: the longest bar has no more than the whole. A search needs no division of decimals.
        let reaches = |thousandths: u32| {
            let share = whole.checked_mul(Decimal::from_micros(i64::from(thousandths) * 1_000));
            share.is_some_and(|share| share <= part)
        };
        let (mut low, mut high) = (0, 1_001);
        while high - low > 1 {
            let middle = u32::midpoint(low, high);
            if reaches(middle) { low = middle } else { high = middle }
        }
        low
    }

    /// The larger of two numbers; a number without a decimal form counts as the smaller one.
    pub fn max<'f>(&'f self, other: &'f Self) -> &'f Self {
        if other.decimal() > self.decimal() { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(text: &str) -> Figure {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn no_digit_is_lost() {
        assert_eq!(figure("301216692629.92").dollars(), "$301,216,692,629.92");
        assert_eq!(figure("-1200").dollars(), "-$1,200.00");
        assert_eq!(figure("0.1234").percent(), "12.34");
        let long = "123456789012345678901234567890123456789012.5";
        assert_eq!(figure(long).with_commas(2), long);
        assert!(serde_json::from_str::<Figure>("\"1\"").is_err());
    }

    #[test]
    fn bars_are_as_long_as_their_share() {
        let whole = figure("250000.00");
        let lengths =
            ["0", "-5", "250", "125000", "249999.99", "250000", "300000"].map(|part| figure(part).thousandths_of(&whole));
        assert_eq!(lengths, [0, 0, 1, 500, 999, 1_000, 1_000]);
        assert_eq!(figure("1").thousandths_of(&figure("0")), 0);
    }
}
