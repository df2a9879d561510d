//! Failed log-ins, counted by the minute, so that the last fifteen can be told from those before.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    StoreError,
    keys::{self, EXPIRES_AT},
    table::{Change, Item, Table, number},
};

/// How long a failure counts, in minutes.
pub const WINDOW_MINUTES: i64 = 15;
/// How many failures a username may have in that time.
pub const FAILURES_PER_USERNAME: u64 = 10;
/// How many failures an address may have in that time.
pub const FAILURES_PER_ADDRESS: u64 = 100;

/// Whose failures are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Those of a username.
    Username(&'a str),
    /// Those from a network address.
    Address(&'a str),
}

impl Whose<'_> {
    /// How many failures there may be.
    pub fn allowed(self) -> u64 {
        match self {
            Self::Username(_) => FAILURES_PER_USERNAME,
            Self::Address(_) => FAILURES_PER_ADDRESS,
        }
    }

    fn key(self) -> keys::Key {
        // What a client sends is hashed: it may be of any length, and often it is a password in the wrong field.
        let hashed = |text: &str| {
            let digest = Sha256::digest(text.as_bytes());
            digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        match self {
            Self::Username(name) => keys::failures("username", &hashed(&shared::auth::user::folded(name))),
            Self::Address(address) => keys::failures("address", &hashed(address)),
        }
    }
}

/// The failures.
#[derive(Clone)]
pub struct Failures {
    table: Table,
}

impl Failures {
    /// Those of a table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// For how many seconds there are more failures than allowed; `None` when there are not.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn blocked(&self, whose: Whose<'_>, now: Timestamp) -> Result<Option<u64>, StoreError> {
        Ok(self.table.get(&whose.key()).await?.and_then(|item| blocked(&item, whose.allowed(), now)))
    }

    /// Adds a failure, and says the same with it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn add(&self, whose: Whose<'_>, now: Timestamp) -> Result<Option<u64>, StoreError> {
        // The minutes that have just stopped counting go, so that the item stays small under an attack that lasts.
        let this = minute(now);
        let past: Vec<String> = (1..=WINDOW_MINUTES).map(|ago| format!("m{}", this - WINDOW_MINUTES + 1 - ago)).collect();
        let change = Change::new(format!("SET {EXPIRES_AT} = :expires REMOVE {} ADD m{this} :one", past.join(", ")))
            .with(":expires", number(now.as_second() + (WINDOW_MINUTES + 1) * 60))
            .with(":one", number(1));
        let item = self.table.update(&whose.key(), change, None).await?;
        Ok(item.and_then(|item| blocked(&item, whose.allowed(), now)))
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

/// How many failures each of the last fifteen minutes had, the oldest first.
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
