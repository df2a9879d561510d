//! Failed log-ins, counted per minute, so that only those of the last fifteen minutes count.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    StoreError,
    keys::{self, EXPIRES_AT},
    table::{Item, ItemUpdate, Table, number},
};

/// Time for which a failure counts, in minutes.
pub const WINDOW_MINUTES: i64 = 15;
/// Largest number of failures of a username in that time.
pub const FAILURES_PER_USERNAME: u64 = 10;
/// Largest number of failures from a network address in that time.
pub const FAILURES_PER_ADDRESS: u64 = 100;

/// What failures are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// A username, in any case.
    Username(&'a str),
    /// A network address of a client.
    Address(&'a str),
}

impl Whose<'_> {
    /// Largest number of failures that is allowed within [`WINDOW_MINUTES`].
    pub fn allowed(self) -> u64 {
        match self {
            Self::Username(_) => FAILURES_PER_USERNAME,
            Self::Address(_) => FAILURES_PER_ADDRESS,
        }
    }

    fn key(self) -> keys::Key {
        // Hash the text of the client: it may have any length, and often it is a password in the wrong field.
        let hashed = |text: &str| shared::hex::hex(&Sha256::digest(text.as_bytes()));
        match self {
            Self::Username(name) => keys::failures("username", &hashed(&shared::auth::user::folded(name))),
            Self::Address(address) => keys::failures("address", &hashed(address)),
        }
    }
}

#[derive(Clone)]
pub struct Failures {
    table: Table,
}

impl Failures {
    /// The failures in a table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Number of seconds for which there are more failures than allowed; `None` when there are not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn blocked(&self, whose: Whose<'_>, now: Timestamp) -> Result<Option<u64>, StoreError> {
        Ok(self.table.get(&whose.key()).await?.and_then(|item| blocked(&item, whose.allowed(), now)))
    }

    /// Adds a failure. Returns the same as [`Self::blocked`], with this failure included.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn add(&self, whose: Whose<'_>, now: Timestamp) -> Result<Option<u64>, StoreError> {
        // Remove the minutes that have just stopped counting, so that the item stays small during a long attack.
        let this = minute(now);
        let past: Vec<String> = (1..=WINDOW_MINUTES).map(|ago| format!("m{}", this - WINDOW_MINUTES + 1 - ago)).collect();
        let change = ItemUpdate::new(format!("SET {EXPIRES_AT} = :expires REMOVE {} ADD m{this} :one", past.join(", ")))
            .with(":expires", number(now.as_second() + (WINDOW_MINUTES + 1) * 60))
            .with(":one", number(1));
        let item = self.table.update(&whose.key(), change, None).await?;
        Ok(item.and_then(|item| blocked(&item, whose.allowed(), now)))
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

/// Number of failures in each of the last fifteen minutes that has any, the oldest first.
fn recent(item: &Item, now: Timestamp) -> Vec<(i64, u64)> {
    let window = minute(now) - WINDOW_MINUTES + 1..=minute(now);
    let of = |name: &str| name.strip_prefix('m')?.parse().ok().filter(|minute| window.contains(minute));
    let count = |value: &AttributeValue| value.as_n().ok().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
    let mut minutes: Vec<(i64, u64)> = item.iter().filter_map(|(name, value)| Some((of(name)?, count(value)))).collect();
    minutes.sort_unstable();
    minutes
}

fn blocked(item: &Item, allowed: u64, now: Timestamp) -> Option<u64> {
    let minutes = recent(item, now);
    let mut count: u64 = minutes.iter().map(|(_, count)| count).sum();
    let mut seconds = None;
    for (minute, failures) in minutes {
        if count <= allowed {
            break;
        }
        count -= failures;
        seconds = u64::try_from((minute + WINDOW_MINUTES) * 60 - now.as_second()).ok();
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_for_fifteen_minutes() {
        let now = Timestamp::from_second(60 * 1000).unwrap();
        let item: Item = [("m1000", 1), ("m986", 2), ("m985", 4), ("m1001", 8), ("expires_at", 16), ("pk", 32)]
            .map(|(name, count)| (name.to_owned(), number(count)))
            .into();
        assert_eq!(recent(&item, now), [(986, 2), (1000, 1)]);
        assert_eq!(blocked(&item, 3, now), None);
        assert_eq!(blocked(&item, 2, now), Some(60));
        assert_eq!(blocked(&item, 0, now), Some(15 * 60));
    }

    #[test]
    fn whose_failures_they_are_is_not_stored_as_it_was_sent() {
        let key = Whose::Username("Hunter2!").key();
        assert!(!key.pk.contains("unter"));
        assert_eq!(key, Whose::Username("hunter2!").key());
        assert_ne!(key.pk, Whose::Address("hunter2!").key().pk);
    }
}
