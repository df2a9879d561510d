//! The yield that a purchase must bring.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::decimal::Decimal;

/// Error for a text or a number that is not an IRR target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("irr_target must be a percentage above 0 and at most 30, such as 8.05")]
pub struct IrrTargetError;

/// The internal rate of return that a purchase must bring, in percent: above 0 and at most 30.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IrrTarget(Decimal);

impl IrrTarget {
    /// The target of a run that does not name one: 8.05 %.
    pub const DEFAULT: Self = Self(Decimal::from_micros(8_050_000));

    /// A target in percent.
    ///
    /// # Errors
    /// [`IrrTargetError`] when `percent` is not above 0 and at most 30.
    pub fn new(percent: Decimal) -> Result<Self, IrrTargetError> {
        let allowed = percent.is_positive() && percent <= Decimal::from_integer(30);
        if allowed { Ok(Self(percent)) } else { Err(IrrTargetError) }
    }

    pub fn percent(self) -> Decimal {
        self.0
    }
}

impl std::str::FromStr for IrrTarget {
    type Err = IrrTargetError;
    fn from_str(text: &str) -> Result<Self, IrrTargetError> {
        text.trim().parse().map_err(|_| IrrTargetError).and_then(Self::new)
    }
}

impl Serialize for IrrTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for IrrTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_outside_the_range_are_refused() {
        for text in ["0", "-1", "30.01", "abc", "", "NaN", "1e400"] {
            assert_eq!(text.parse::<IrrTarget>(), Err(IrrTargetError), "{text}");
        }
        assert_eq!("30".parse::<IrrTarget>().unwrap().percent(), Decimal::from_integer(30));
        assert_eq!("8.05".parse::<IrrTarget>().unwrap(), IrrTarget::DEFAULT);
    }
}
