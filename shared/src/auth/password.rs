//! Passwords: Argon2id with the parameters that OWASP recommends. Checking a password takes the same work whether a user exists
//! or not.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use unicode_normalization::UnicodeNormalization as _;

/// Number of characters that a password may have.
pub const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=128;

/// Memory in KiB, passes and lanes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Placeholder for the hash of an unknown user. Checking it costs the same as checking a real hash, and no password is known to
/// fit it, because the hash is all zeros.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct HashError(pub String);

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| HashError(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A password in Unicode form NFC. Keyboards differ in how they encode an accented letter, and users do not see the difference.
pub fn composed(password: &str) -> String {
    password.nfc().collect()
}

/// Hashes a password with a new random salt, in PHC form. This takes tens of milliseconds on purpose, so call it outside async
/// threads.
///
/// # Errors
/// [`HashError`] when the machine has no random numbers.
pub fn hash(password: &str) -> Result<String, HashError> {
    argon2()?
        .hash_password(composed(password).as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| HashError(error.to_string()))
}

/// Whether a password fits a hash. Without a hash, the function does the same work and returns false. This takes tens of
/// milliseconds on purpose, so call it outside async threads.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODY)) else { return false };
    let fits = argon2().is_ok_and(|argon2| argon2.verify_password(composed(password).as_bytes(), &parsed).is_ok());
    fits && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_hash_alone() {
        let hash = hash("correct horse").unwrap();
        assert!(verify("correct horse", Some(&hash)));
        assert!(!verify("correct horse ", Some(&hash)));
        assert!(!verify("", Some(&hash)));
    }

    #[test]
    fn a_password_fits_however_its_letters_are_composed() {
        let (composed, decomposed) = ("pr\u{ea}t \u{e0} payer", "pre\u{302}t a\u{300} payer");
        assert_ne!(composed, decomposed);
        for (set, typed) in [(composed, decomposed), (decomposed, composed), (decomposed, decomposed)] {
            assert!(verify(typed, Some(&hash(set).unwrap())), "{set:?} {typed:?}");
        }
        assert!(!verify("pret a payer", Some(&hash(composed).unwrap())));
        // Letters that only look alike are different: NFKC would turn the ligature into the letters f, f and i.
        assert!(!verify("office hours", Some(&hash("o\u{fb03}ce hours").unwrap())));
    }

    #[test]
    fn the_hash_is_argon2id_with_the_recommended_parameters() {
        let hash = hash("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }

    #[test]
    fn nobody_costs_what_a_user_costs() {
        let hash = hash("correct horse").unwrap();
        let (user, nobody) = (PasswordHash::new(&hash).unwrap(), PasswordHash::new(NOBODY).unwrap());
        assert_eq!((user.algorithm, user.version, &user.params), (nobody.algorithm, nobody.version, &nobody.params));
        let length = |of: &PasswordHash| (of.salt.map(|salt| salt.len()), of.hash.map(|hash| hash.len()));
        assert_eq!(length(&user), length(&nobody));
    }

    #[test]
    fn two_hashes_of_one_password_differ() {
        assert_ne!(hash("correct horse").unwrap(), hash("correct horse").unwrap());
    }

    #[test]
    fn nothing_fits_where_there_is_no_hash() {
        assert!(!verify("correct horse", None));
        assert!(!verify("correct horse", Some("no hash at all")));
    }
}
