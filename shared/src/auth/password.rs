//! Passwords: Argon2id with the parameters that OWASP recommends, and the same work whether a user exists or not.

use std::{num::NonZero, sync::LazyLock, thread::available_parallelism};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

/// How many characters a password may have.
pub const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=128;

/// Memory in KiB, passes and lanes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// As many passwords are worked on at once as there are cores: more would come no sooner, and each takes its memory.
static AT_ONCE: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, NonZero::get)));

/// Stands for the hash of a user who is not there: it costs what a real one costs, and fits no password, because nobody
/// knows one that hashes to nothing but zeros.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct HashError(String);

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| HashError(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A password in Unicode form NFC: keyboards differ in how they write an accented letter, and the user sees no difference.
pub fn composed(password: &str) -> String {
    password.nfc().collect()
}

/// Hashes a password with a salt of its own. It takes tens of milliseconds on purpose: call it off the async threads, as
/// [`hash`] does.
///
/// # Errors
/// The machine gives no random numbers.
pub fn hash_now(password: &str) -> Result<String, HashError> {
    argon2()?
        .hash_password(composed(password).as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| HashError(error.to_string()))
}

/// Whether a password is the one of a hash. Without a hash it does the same work and says no.
pub fn verify_now(password: &str, hash: Option<&str>) -> bool {
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODY)) else { return false };
    let fits = argon2().is_ok_and(|argon2| argon2.verify_password(composed(password).as_bytes(), &parsed).is_ok());
    fits && hash.is_some()
}

/// Hashes a password off the async threads.
///
/// # Errors
/// The machine gives no random numbers, or the work was given up.
pub async fn hash(password: String) -> Result<String, HashError> {
    in_turn(move || hash_now(&password)).await?
}

/// Whether a password is the one of a hash, worked out off the async threads. Without a hash it does the same work and says
/// no.
///
/// # Errors
/// The work was given up.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, HashError> {
    in_turn(move || verify_now(&password, hash.as_deref())).await
}

/// Does work on a password when it is its turn. Whoever goes away meanwhile leaves work that has begun to its end.
async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, HashError> {
    let gave_up = |error: &dyn std::error::Error| HashError(error.to_string());
    let turn = AT_ONCE.acquire().await.map_err(|error| gave_up(&error))?;
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.map_err(|error| gave_up(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_hash_alone() {
        let hash = hash_now("correct horse").unwrap();
        assert!(verify_now("correct horse", Some(&hash)));
        assert!(!verify_now("correct horse ", Some(&hash)));
        assert!(!verify_now("", Some(&hash)));
    }

    #[test]
    fn a_password_fits_however_its_letters_are_composed() {
        let (composed, decomposed) = ("pr\u{ea}t \u{e0} payer", "pre\u{302}t a\u{300} payer");
        assert_ne!(composed, decomposed);
        for (set, typed) in [(composed, decomposed), (decomposed, composed), (decomposed, decomposed)] {
            assert!(verify_now(typed, Some(&hash_now(set).unwrap())), "{set:?} {typed:?}");
        }
        assert!(!verify_now("pret a payer", Some(&hash_now(composed).unwrap())));
        // Letters that only look alike are others: NFKC would make an f and an i of a ligature.
        assert!(!verify_now("office hours", Some(&hash_now("o\u{fb03}ce hours").unwrap())));
    }

    #[test]
    fn the_hash_is_argon2id_with_the_recommended_parameters() {
        let hash = hash_now("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }

    #[test]
    fn nobody_costs_what_a_user_costs() {
        let hash = hash_now("correct horse").unwrap();
        let (user, nobody) = (PasswordHash::new(&hash).unwrap(), PasswordHash::new(NOBODY).unwrap());
        assert_eq!((user.algorithm, user.version, &user.params), (nobody.algorithm, nobody.version, &nobody.params));
        let length = |of: &PasswordHash| (of.salt.map(|salt| salt.len()), of.hash.map(|hash| hash.len()));
        assert_eq!(length(&user), length(&nobody));
    }

    #[tokio::test]
    async fn no_more_passwords_are_worked_on_at_once_than_there_are_cores() {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let all = AT_ONCE.acquire_many(cores as u32).await.unwrap();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let mut work = Box::pin(in_turn(move || {
            begun.send(()).unwrap();
            AT_ONCE.available_permits()
        }));
        // What does not wait for its turn would begin before what is given to the same threads after it.
        for _ in 0..50 {
            assert!(futures_util::poll!(&mut work).is_pending());
            tokio::task::spawn_blocking(|| {}).await.unwrap();
        }
        assert!(has_begun.try_recv().is_err());
        drop(all);
        assert!(work.await.unwrap() < cores);
        has_begun.try_recv().unwrap();
    }

    #[tokio::test]
    async fn hashing_and_checking_wait_for_their_turn() {
        let all = AT_ONCE.acquire_many(available_parallelism().map_or(1, NonZero::get) as u32).await.unwrap();
        let (mut hashing, mut checking) = (Box::pin(hash("correct horse".to_owned())), Box::pin(verify("x".to_owned(), None)));
        // As much work three times over, which begins later: what does not wait would be done by then.
        for _ in 0..3 {
            assert!(futures_util::poll!(&mut hashing).is_pending() && futures_util::poll!(&mut checking).is_pending());
            tokio::task::spawn_blocking(|| hash_now("other")).await.unwrap().unwrap();
        }
        assert!(futures_util::poll!(&mut hashing).is_pending() && futures_util::poll!(&mut checking).is_pending());
        drop(all);
        assert!(hashing.await.unwrap().starts_with("$argon2id$") && !checking.await.unwrap());
    }

    #[test]
    fn two_hashes_of_one_password_differ() {
        assert_ne!(hash_now("correct horse").unwrap(), hash_now("correct horse").unwrap());
    }

    #[test]
    fn nothing_fits_where_there_is_no_hash() {
        assert!(!verify_now("correct horse", None));
        assert!(!verify_now("correct horse", Some("no hash at all")));
    }
}
