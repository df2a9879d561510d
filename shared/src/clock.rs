//! Where the time comes from, and how it is written. Everything that needs the time is given a clock, so that tests can stop it.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present moment, in whole milliseconds.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        // A moment within jiff's range is still within it when its fraction is cut.
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub struct StoppedClock(pub Timestamp);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A moment as every answer and every stored record writes it: RFC 3339, UTC, exactly three decimals. Such texts sort as the
/// moments do.
pub fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// A moment that serializes as [`rfc3339`].
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

    /// Writes a moment.
    ///
    /// # Errors
    /// The serializer fails.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        Moment(*at).serialize(serializer)
    }

    /// Reads a moment.
    ///
    /// # Errors
    /// The text is no RFC 3339.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }

    /// Writes a moment that may be absent.
    ///
    /// # Errors
    /// The serializer fails.
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
