//! Values of fields: how each type is read from text and from JSON, and the error for a value that does not fit.

use std::{error::Error, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::civil::Date;
use serde::de::{self, DeserializeOwned, IntoDeserializer as _};
use serde_json::value::RawValue;
use shared::{
    auth::permission::Role,
    decimal::{Decimal, MAX_DIGITS, ParseDecimalError},
    phases::{disposition::Disposition, pricing::IrrTarget},
    rules::Severity,
    run::{RunStatus, parse_pdate},
};
use uuid::Uuid;

use super::extract::parse_id;

/// Number of characters of a bad value that an error repeats.
const SHOWN: usize = 40;

/// Why a value cannot be read, and which part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadValue {
    /// Names and indexes that lead from the field to the value; empty for the field itself.
    pub path: Vec<String>,
    /// One sentence for the client.
    pub msg: String,
}

impl BadValue {
    /// An error about the field itself, with this sentence.
    pub fn new(msg: impl Into<String>) -> Vec<Self> {
        vec![Self { path: Vec::new(), msg: msg.into() }]
    }

    /// The error for a text that does not fit the type.
    pub fn text<T: FieldValue>(found: &str) -> Vec<Self> {
        let found = if found.is_empty() { "an empty text".to_owned() } else { format!("`{}`", shortened(found, SHOWN)) };
        Self::new(format!("Expected {}, found {found}.", T::expected()))
    }

    /// The error for a JSON value whose kind does not fit the type.
    pub fn kind<T: FieldValue>(found: &RawValue) -> Vec<Self> {
        Self::new(format!("Expected {}, found {}.", T::expected(), kind_of(found)))
    }
}

/// The kind of a JSON value, in words, for errors that must not repeat the value: it may be a secret.
fn kind_of(json: &RawValue) -> &'static str {
    match json.get().as_bytes().first() {
        Some(b'"') => "text",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "a truth value",
        Some(b'n') => "null",
        _ => "a number",
    }
}

pub fn is_null(json: &RawValue) -> bool {
    json.get() == "null"
}

/// The first `characters` characters of a text, with `…` when more follow.
pub fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The words in backticks, separated by commas.
pub fn listed<T: fmt::Display>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A type that a field can have.
pub trait FieldValue: Sized {
    /// What a value must be, as a noun with its article, for errors.
    fn expected() -> String;

    /// Reads a text: a query parameter, a field of a form, the content of a JSON string.
    ///
    /// # Errors
    /// [`BadValue`] when the text is not a value of this type.
    fn from_text(text: &str) -> Result<Self, Vec<BadValue>>;

    /// Reads a JSON value. By default, only a string can be a value.
    ///
    /// # Errors
    /// A [`BadValue`] for each part of the JSON that does not fit this type.
    fn from_json(json: &RawValue) -> Result<Self, Vec<BadValue>> {
        if !json.get().starts_with('"') {
            return Err(BadValue::kind::<Self>(json));
        }
        let text: String =
            serde_json::from_str(json.get()).map_err(|_| BadValue::new("The text has an escape that is no character."))?;
        Self::from_text(&text)
    }
}

impl FieldValue for String {
    fn expected() -> String {
        "text".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        Ok(text.to_owned())
    }
}

impl FieldValue for u64 {
    fn expected() -> String {
        "a whole number from 0 on".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        // The parser accepts a plus sign, but in a query a plus sign is a space.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or_else(|| BadValue::text::<Self>(text))
    }

    fn from_json(json: &RawValue) -> Result<Self, Vec<BadValue>> {
        match kind_of(json) {
            "a number" => Self::from_text(json.get()),
            _ => Err(BadValue::kind::<Self>(json)),
        }
    }
}

impl FieldValue for bool {
    fn expected() -> String {
        "`true` or `false`".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        text.parse().map_err(|_| BadValue::text::<Self>(text))
    }

    fn from_json(json: &RawValue) -> Result<Self, Vec<BadValue>> {
        json.get().parse().map_err(|_| BadValue::kind::<Self>(json))
    }
}

impl FieldValue for Uuid {
    fn expected() -> String {
        "a UUID, such as 5f0c8d1e-3a77-4b52-9c1e-2f6d8a90b3c4".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        parse_id(text).ok_or_else(|| BadValue::text::<Self>(text))
    }
}

/// A purchase date.
impl FieldValue for Date {
    fn expected() -> String {
        "a day written YYYY-MM-DD, such as 2026-03-31".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        parse_pdate(text).map_err(|_| BadValue::text::<Self>(text))
    }
}

/// In JSON a number, which is read from its digits and so stays exact.
impl FieldValue for IrrTarget {
    fn expected() -> String {
        "a number of percent above 0 and at most 30, such as 8.05".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        match text.parse::<Decimal>() {
            Ok(percent) => Self::new(percent).map_err(|_| BadValue::text::<Self>(text)),
            Err(ParseDecimalError::TooManyDigits) => {
                let expected = Self::expected();
                Err(BadValue::new(format!("Expected {expected}, found one of more than {MAX_DIGITS} digits.")))
            }
            Err(ParseDecimalError::NotANumber) => Err(BadValue::text::<Self>(text)),
        }
    }

    fn from_json(json: &RawValue) -> Result<Self, Vec<BadValue>> {
        match kind_of(json) {
            "a number" => Self::from_text(json.get()),
            "text" => Err(BadValue::new(format!("Expected {}, found text. Write it without quotes.", Self::expected()))),
            _ => Err(BadValue::kind::<Self>(json)),
        }
    }
}

impl FieldValue for Vec<String> {
    fn expected() -> String {
        "a list of texts".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        Err(BadValue::text::<Self>(text))
    }

    fn from_json(json: &RawValue) -> Result<Self, Vec<BadValue>> {
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json.get()) else { return Err(BadValue::kind::<Self>(json)) };
        let (mut texts, mut bad) = (Self::with_capacity(items.len()), Vec::new());
        for (at, item) in items.into_iter().enumerate() {
            match String::from_json(item) {
                Ok(text) => texts.push(text),
                Err(errors) => bad.extend(errors.into_iter().map(|error| BadValue { path: vec![at.to_string()], ..error })),
            }
        }
        if bad.is_empty() { Ok(texts) } else { Err(bad) }
    }
}

/// The members of a JSON object whose values are texts: pairs of name and text, in the order of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTexts(pub Vec<(String, String)>);

impl FieldValue for NamedTexts {
    fn expected() -> String {
        "an object whose values are texts".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        Err(BadValue::text::<Self>(text))
    }

    fn from_json(json: &RawValue) -> Result<Self, Vec<BadValue>> {
        let members = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json.get());
        let Ok(members) = members else { return Err(BadValue::kind::<Self>(json)) };
        let (mut texts, mut bad) = (Vec::with_capacity(members.len()), Vec::new());
        for (name, value) in members {
            match value {
                serde_json::Value::String(text) => texts.push((name, text)),
                _ => bad.push(BadValue { path: vec![name], msg: "Expected text.".to_owned() }),
            }
        }
        if bad.is_empty() { Ok(Self(texts)) } else { Err(bad) }
    }
}

/// An enum of variants without members, which is read by the `Deserialize` that serde derives for it.
pub trait Word: DeserializeOwned {}

impl Word for Disposition {}
impl Word for Role {}
impl Word for RunStatus {}
impl Word for Severity {}

impl<T: Word> FieldValue for T {
    fn expected() -> String {
        // No word is empty, so serde rejects this text and lists the words that it accepts.
        let words = Self::deserialize("".into_deserializer()).err().map_or(&[][..], |WordError(words)| words);
        match words {
            [word] => format!("`{word}`"),
            words => format!("one of {}", listed(words)),
        }
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        Self::deserialize(text.into_deserializer()).map_err(|WordError(_)| BadValue::text::<Self>(text))
    }
}

/// The error for a text that is not a word of an enum. It holds the words of the enum.
#[derive(Debug)]
struct WordError(&'static [&'static str]);

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no word of the enumeration")
    }
}

impl Error for WordError {}

impl de::Error for WordError {
    fn custom<M: fmt::Display>(_: M) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}

/// Where the previous page ended, as in the link to the next page.
pub struct Cursor<C>(pub C);

impl<C: DeserializeOwned> FieldValue for Cursor<C> {
    fn expected() -> String {
        "a cursor of this list, from its `Link` header".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let cursor = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        cursor.map(Self).ok_or_else(|| BadValue::new(NO_CURSOR))
    }
}

/// The message for a cursor that is not from the same list.
pub const NO_CURSOR: &str = "It is no cursor of this list. Take it from the list's `Link` header.";
