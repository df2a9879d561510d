//! Secrets: texts that must appear in no log and no message.

use std::fmt;

/// Smallest number of bytes of a token secret: the size of its hash.
pub const MIN_SECRET_BYTES: usize = 32;

/// A secret text. Its debug form does not show the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Makes a secret of a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for code that computes with it.
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
