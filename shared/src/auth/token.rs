//! Access tokens: JSON Web Tokens, signed only with HMAC-SHA-256.

use std::sync::Once;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::ErrorKind,
};
use ring::hmac;
use serde::{Deserialize, Serialize};
use signature::{Error, Signer, Verifier};
use uuid::Uuid;

use crate::auth::secret::Secret;

use super::{permission::Role, user::User};

/// Issuer of the tokens. Only tokens of this issuer are accepted.
pub const ISSUER: &str = "loan-engine";
/// Largest accepted difference between the clocks of different machines, in seconds.
const LEEWAY_SECONDS: i64 = 30;

/// Claims of a token. A token with other claims is rejected, because they may limit it to another audience or a later time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Id of the user.
    pub sub: Uuid,
    /// Username when the token was issued.
    pub username: String,
    /// Role when the token was issued. The stored role decides what the user may do.
    pub role: Role,
    /// Time of issue, in seconds since 1970.
    pub iat: i64,
    /// Time of expiry, in seconds since 1970.
    pub exp: i64,
    /// Issuer: [`ISSUER`].
    pub iss: String,
    /// Id of the token.
    pub jti: Uuid,
}

/// Why a token is rejected or cannot be issued. The client gets no further details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// The token is not signed with this secret, or its claims are not valid.
    #[error("the token is not valid")]
    Invalid,
    /// The token could not be signed.
    #[error("the token could not be signed")]
    NotSigned,
}

/// Issues tokens and checks them.
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    lifetime: SignedDuration,
}

impl Tokens {
    /// Signs tokens with a secret. They expire after `minutes`.
    pub fn new(secret: &Secret, minutes: u32) -> Self {
        install_hmac();
        let secret = secret.expose().as_bytes();
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            lifetime: SignedDuration::from_mins(minutes.into()),
        }
    }

    /// Lifetime of a token, in seconds.
    pub fn lifetime_seconds(&self) -> i64 {
        self.lifetime.as_secs()
    }

    /// Issues a token for a user.
    ///
    /// # Errors
    /// [`TokenError::NotSigned`] when the token could not be signed.
    pub fn issue(&self, user: &User, now: Timestamp) -> Result<String, TokenError> {
        // Tokens from before the user's last change are invalid, and tokens count time in seconds. So a token that is issued in
        // the same second as the change is dated to the next second.
        let iat = now.as_second().max(user.tokens_valid_from);
        let claims = Claims {
            sub: user.id,
            username: user.username.clone(),
            role: user.role,
            iat,
            exp: iat + self.lifetime_seconds(),
            iss: ISSUER.to_owned(),
            jti: Uuid::new_v4(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).map_err(|_| TokenError::NotSigned)
    }

    /// Checks a token. Returns its claims.
    ///
    /// # Errors
    /// [`TokenError::Expired`] when the token has expired. [`TokenError::Invalid`] for a token that was not signed with this
    /// secret, has other claims or another issuer, or is dated to the future.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // The library uses the machine's clock. Compare times here, with the clock that the rest of the product uses.
        validation.validate_exp = false;
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation);
        let claims = decoded.map_err(|_| TokenError::Invalid)?.claims;
        let now = now.as_second();
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        if claims.iat > now.saturating_add(LEEWAY_SECONDS) || claims.exp <= claims.iat {
            return Err(TokenError::Invalid);
        }
        Ok(claims)
    }
}

/// Installs HMAC-SHA-256 from the library that TLS uses. The two implementations that the token library offers bring elliptic
/// curves and RSA into every function, for algorithms that are never accepted.
fn install_hmac() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| match algorithm {
            Algorithm::HS256 if key.family() == AlgorithmFamily::Hmac => Ok(Box::new(Hs256::new(key.as_bytes()))),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        verifier_factory: |algorithm, key| match algorithm {
            Algorithm::HS256 if key.family() == AlgorithmFamily::Hmac => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?))),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    static INSTALLED: Once = Once::new();
    // An error means that this process has installed a provider before, which can only be the same one.
    INSTALLED.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

struct Hs256(hmac::Key);

impl Hs256 {
    fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&Secret::new(secret), 480)
    }

    fn user() -> User {
        User::example("ana")
    }

    /// A token with any header and claims, signed with the real secret.
    fn forged(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn claims() -> Value {
        json!({
            "sub": Uuid::from_u128(1), "username": "ana", "role": "analyst", "iat": 1_700_000_000, "exp": 1_700_000_100,
            "iss": ISSUER, "jti": Uuid::from_u128(2)
        })
    }

    const NOW: i64 = 1_700_000_050;

    fn check(token: &str) -> Result<Claims, TokenError> {
        tokens(SECRET).check(token, Timestamp::from_second(NOW).unwrap())
    }

    #[test]
    fn a_token_says_who_it_was_issued_to() {
        let now = at("2026-02-01T10:00:00.9Z");
        let token = tokens(SECRET).issue(&user(), now).unwrap();
        let claims = tokens(SECRET).check(&token, now).unwrap();
        assert_eq!((claims.sub, claims.username.as_str(), claims.role), (user().id, "ana", Role::Analyst));
        assert_eq!((claims.iat, claims.exp), (now.as_second(), now.as_second() + 480 * 60));
        assert_eq!(claims.iss, "loan-engine");
    }

    #[test]
    fn two_tokens_of_one_moment_differ() {
        let now = at("2026-02-01T10:00:00Z");
        assert_ne!(tokens(SECRET).issue(&user(), now).unwrap(), tokens(SECRET).issue(&user(), now).unwrap());
    }

    #[test]
    fn a_token_ends_with_its_last_second() {
        let now = at("2026-02-01T10:00:00Z");
        let token = tokens(SECRET).issue(&user(), now).unwrap();
        assert!(tokens(SECRET).check(&token, at("2026-02-01T17:59:59Z")).is_ok());
        assert_eq!(tokens(SECRET).check(&token, at("2026-02-01T18:00:00Z")), Err(TokenError::Expired));
    }

    #[test]
    fn a_token_of_another_secret_is_not_taken() {
        let now = at("2026-02-01T10:00:00Z");
        let token = tokens("another secret of thirty-two bytes").issue(&user(), now).unwrap();
        assert_eq!(tokens(SECRET).check(&token, now), Err(TokenError::Invalid));
    }

    #[test]
    fn only_hs256_is_taken() {
        let good = json!({"alg": "HS256", "typ": "JWT"});
        assert!(check(&forged(&good, &claims())).is_ok());
        for algorithm in ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", ""] {
            let token = forged(&json!({"alg": algorithm, "typ": "JWT"}), &claims());
            assert_eq!(check(&token), Err(TokenError::Invalid), "{algorithm}");
            let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
            assert_eq!(check(&unsigned), Err(TokenError::Invalid), "{algorithm}");
        }
    }

    #[test]
    fn every_altered_part_is_noticed() {
        let token = forged(&json!({"alg": "HS256", "typ": "JWT"}), &claims());
        for at in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(check(&altered), Err(TokenError::Invalid), "byte {at}");
        }
    }

    #[test]
    fn claims_that_are_missing_or_of_another_kind_are_not_taken() {
        let header = json!({"alg": "HS256", "typ": "JWT"});
        for name in ["sub", "username", "role", "iat", "exp", "iss", "jti"] {
            let mut without = claims();
            without.as_object_mut().unwrap().remove(name);
            assert_eq!(check(&forged(&header, &without)), Err(TokenError::Invalid), "{name}");
        }
        for (name, value) in [
            ("sub", json!("ana")),
            ("role", json!("root")),
            ("exp", json!("1700000100")),
            ("iss", json!("somebody-else")),
            ("iss", json!(["somebody-else"])),
            ("iat", json!(NOW + 31)),
            ("exp", json!(1_699_999_999)),
        ] {
            let mut other = claims();
            other[name] = value.clone();
            assert!(check(&forged(&header, &other)).is_err(), "{name} {value}");
        }
    }

    #[test]
    fn what_is_no_token_is_not_taken() {
        for text in ["", ".", "..", "a.b.c", "eyJhbGciOiJIUzI1NiJ9", "é.é.é", &"x".repeat(100_000)] {
            assert_eq!(check(text), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn a_token_of_the_second_of_a_change_is_good_and_one_of_before_can_be_told() {
        let now = at("2026-02-01T10:00:00.2Z");
        let before = tokens(SECRET).check(&tokens(SECRET).issue(&user(), now).unwrap(), now).unwrap();
        let mut changed = user();
        changed.void_tokens(now);
        let after = tokens(SECRET).check(&tokens(SECRET).issue(&changed, now).unwrap(), now).unwrap();
        assert!(before.iat < changed.tokens_valid_from);
        assert!(after.iat >= changed.tokens_valid_from);
        changed.void_tokens(now);
        assert!(after.iat < changed.tokens_valid_from);
    }
}
