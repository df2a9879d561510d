//! The limit on wrong passwords, for log-ins and for changes of a password alike.

use api::problem::ApiError;
use jiff::Timestamp;
use stores::{StoreError, throttle::Whose};

use crate::State;

/// The answer after too many wrong passwords.
pub fn too_many(seconds: u64) -> ApiError {
    ApiError::TooManyTries("Too many failed tries to log in. Wait, then try again.".into(), seconds)
}

/// Refuses a try when there were too many failures.
///
/// # Errors
/// [`ApiError::TooManyTries`]; [`ApiError::Unavailable`] when the store does not answer.
pub async fn refuse_blocked(state: &State, whose: [Whose<'_>; 2], now: Timestamp) -> Result<(), ApiError> {
    let blocked = async |whose| Ok::<_, StoreError>(state.failures.blocked(whose, now).await?);
    match blocked(whose[0]).await?.max(blocked(whose[1]).await?) {
        Some(seconds) => Err(too_many(seconds)),
        None => Ok(()),
    }
}
