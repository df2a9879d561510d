//! The source of time, and how times are written. Code that needs the time receives a clock, so that tests can stop it.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

pub trait Clock: Send + Sync {
    /// The current time, in whole milliseconds.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine, cut to whole milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        // Cutting the fraction keeps a time within jiff's range, so the fallback is never used.
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}

/// A stopped clock, for tests.
#[derive(Debug, Clone, Copy)]
pub struct StoppedClock(pub Timestamp);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A time as every answer and every stored record writes it: RFC 3339, UTC, exactly three decimals. Such texts sort in the order
/// of their times.
pub fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// A time that serializes as [`rfc3339`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

/// For `#[serde(with = "moment")]`: writes as [`rfc3339`], and reads RFC 3339 of any precision.
pub mod moment {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    use super::Moment;

    /// Writes a time.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        Moment(*at).serialize(serializer)
    }

    /// Reads a time.
    ///
    /// # Errors
    /// The deserializer's error when the text is not an RFC 3339 time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }

    /// Writes a time, or null for `None`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize_option<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        at.map(Moment).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_moment_has_exactly_three_decimals() {
        for (read, expected) in [
            ("2026-11-29T09:58:01Z", "2026-11-29T09:58:01.000Z"),
            ("2026-11-29T09:58:01.3Z", "2026-11-29T09:58:01.300Z"),
            ("2026-11-29T09:58:01.300999Z", "2026-11-29T09:58:01.300Z"),
            ("2026-11-29T10:58:01.3+01:00", "2026-11-29T09:58:01.300Z"),
        ] {
            let at: Timestamp = read.parse().unwrap();
            assert_eq!(rfc3339(at), expected);
            assert_eq!(serde_json::to_string(&Moment(at)).unwrap(), format!("\"{expected}\""));
        }
    }

    proptest! {
        #[test]
        fn moments_sort_as_their_texts_do(a in 0_i64..4_102_444_800_000, b in 0_i64..4_102_444_800_000) {
            let at = |millis| Timestamp::from_millisecond(millis).unwrap();
            prop_assert_eq!(rfc3339(at(a)).cmp(&rfc3339(at(b))), a.cmp(&b));
        }
    }
}
