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
            Self::Username(name) => keys::failures("username", &hashed(&crate::auth::user::folded(name))),
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

    /// How many there were in the last fifteen minutes.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn count(&self, whose: Whose<'_>, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.table.get(&whose.key()).await?.map_or(0, |item| counted(&item, now)))
    }

    /// Adds one, and says how many there are with it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn add(&self, whose: Whose<'_>, now: Timestamp) -> Result<u64, StoreError> {
        let expires = now.as_second() + (WINDOW_MINUTES + 1) * 60;
        let change = Change::new(format!("SET {EXPIRES_AT} = :expires ADD m{} :one", minute(now)))
            .with(":expires", number(expires))
            .with(":one", number(1));
        let item = self.table.update(&whose.key(), change, None).await?;
        Ok(item.map_or(0, |item| counted(&item, now)))
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

fn counted(item: &Item, now: Timestamp) -> u64 {
    let recent = |name: &str| {
        let of: Option<i64> = name.strip_prefix('m').and_then(|minute| minute.parse().ok());
        of.is_some_and(|of| (minute(now) - WINDOW_MINUTES + 1..=minute(now)).contains(&of))
    };
    let count = |value: &AttributeValue| value.as_n().ok().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
    item.iter().filter(|(name, _)| recent(name)).map(|(_, value)| count(value)).sum()
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
        assert_eq!(counted(&item, now), 3);
    }

    #[test]
    fn whose_failures_they_are_is_not_stored_as_it_was_sent() {
        let key = Whose::Username("Hunter2!").key();
        assert!(!key.pk.contains("unter"));
        assert_eq!(key, Whose::Username("hunter2!").key());
        assert_ne!(key.pk, Whose::Address("hunter2!").key().pk);
    }
}
