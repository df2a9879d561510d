//! Texts that nobody may see.

use std::fmt;

/// The least number of bytes of a token secret: as many as its hash has.
pub const MIN_SECRET_BYTES: usize = 32;

/// A text that appears in no log and in no message.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever computes with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("correct horse");
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_eq!(secret.expose(), "correct horse");
    }
}
