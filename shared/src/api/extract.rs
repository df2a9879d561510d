//! Input: bodies, queries and paths, each with errors that say where and what.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, RawPathParams, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::{DeserializeOwned, IgnoredAny};
use uuid::Uuid;

use crate::auth::user::Caller;

use super::problem::{ApiError, InputError};

/// The largest JSON body or form, in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A JSON body.
#[derive(Debug, Clone, Copy)]
pub struct ApiJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = media_type(request.headers());
        if !kind.is_some_and(|kind| kind == "application/json" || kind.ends_with("+json")) {
            return Err(ApiError::UnsupportedMediaType("Send the body as `application/json`.".into()));
        }
        let bytes = body(request, state).await?;
        parse_json(&bytes).map(Self)
    }
}

/// Reads a JSON body, which is an object.
///
/// # Errors
/// 422, which says where the body is not what is expected.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // The reader of fields would take the values of an array in the order of the fields, which no client is promised.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        let no_object = || ApiError::invalid(InputError::new("body", "", "value_error", "expected an object with named fields"));
        return Err(serde_json::from_slice::<IgnoredAny>(bytes).map_or_else(|error| json_error("", &error), |_| no_object()));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        json_error(&path, &error)
    })?;
    reader.end().map_err(|error| json_error("", &error))?;
    Ok(value)
}

fn json_error(path: &str, error: &serde_json::Error) -> ApiError {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "value_error",
        _ => "json_invalid",
    };
    // The reader says the place in lines and columns, which a client that builds its bodies does not know.
    let text = error.to_string();
    let text = if kind == "value_error" { text.split(" at line ").next().unwrap_or(&text) } else { &text };
    // A field that is missing is named by the sentence alone.
    let name = match text.strip_prefix("missing field `") {
        Some(rest) => [path.trim_matches('.'), rest.split('`').next().unwrap_or("")].join("."),
        None => path.to_owned(),
    };
    ApiError::invalid(InputError::new("body", &name, kind, text))
}

/// A form, as browsers and OAuth clients send one.
#[derive(Debug, Clone, Copy)]
pub struct ApiForm<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiForm<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = body(request, state).await?;
        parse_pairs("body", &bytes).map(Self)
    }
}

/// Everything after the question mark.
#[derive(Debug, Clone, Copy)]
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or("");
        // The reader of pairs would put a mark for what is no text, and so make another path of a path.
        if percent_encoding::percent_decode_str(query).decode_utf8().is_err() {
            return Err(ApiError::Refused("bad_query", "The query is not UTF-8 text.".into()));
        }
        parse_pairs("query", query.as_bytes()).map(Self)
    }
}

fn parse_pairs<T: DeserializeOwned>(place: &str, bytes: &[u8]) -> Result<T, ApiError> {
    // An empty value is none, as an empty field of a form is.
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(bytes)
        .map_err(|error| ApiError::invalid(InputError::new(place, "", "value_error", error.to_string())))?;
    let mut kept: Vec<(String, String)> = Vec::with_capacity(pairs.len());
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        if kept.iter().any(|(other, _)| *other == name) {
            return Err(ApiError::invalid(InputError::new(place, &name, "repeated", "It is given more than once.")));
        }
        kept.push((name, value));
    }
    let values = serde::de::value::MapDeserializer::new(kept.iter().map(|(name, value)| (name.as_str(), Text(value))));
    serde_path_to_error::deserialize(values).map_err(|error| {
        let (path, text) = (error.path().to_string(), error.into_inner().to_string());
        let name = match text.strip_prefix("missing field `").or(text.strip_prefix("unknown field `")) {
            Some(rest) => rest.split('`').next().unwrap_or("").to_owned(),
            None => path,
        };
        ApiError::invalid(InputError::new(place, &name, "value_error", text))
    })
}

/// The text of a pair, which may be read as a number or a truth value.
#[derive(Clone, Copy)]
struct Text<'t>(&'t str);

impl<'de> serde::de::IntoDeserializer<'de, serde::de::value::Error> for Text<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! read_as {
    ($($method:ident $visit:ident $kind:ty, $what:literal;)*) => {$(
        fn $method<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            let value: $kind = self.0.parse().map_err(|_| serde::de::Error::custom(concat!("expected ", $what)))?;
            visitor.$visit(value)
        }
    )*};
}

impl<'de> serde::Deserializer<'de> for Text<'de> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: serde::de::Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: serde::de::Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(serde::de::IntoDeserializer::<Self::Error>::into_deserializer(self.0))
    }

    read_as! {
        deserialize_bool visit_bool bool, "true or false";
        deserialize_u8 visit_u8 u8, "a whole number";
        deserialize_u16 visit_u16 u16, "a whole number";
        deserialize_u32 visit_u32 u32, "a whole number";
        deserialize_u64 visit_u64 u64, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// The id in a path: its first parameter. What is no id is the id of nothing.
#[derive(Debug, Clone, Copy)]
pub struct PathId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let id = params.ok().and_then(|params| params.iter().next().and_then(|(_, id)| parse_id(id)));
        id.map(Self).ok_or(ApiError::not_found("What the address names"))
    }
}

/// The parameters of a path, decoded once: a text, or a tuple of texts where there are more.
#[derive(Debug, Clone, Copy)]
pub struct ApiPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|_| ApiError::Refused("bad_path", "The address is not UTF-8 text.".into()))
    }
}

/// Where a request comes from, as whoever received it from the network knows it: never what the request says of itself.
/// The process that serves puts it among the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAddress(pub String);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self("unknown".to_owned())))
    }
}

/// An id as it is written: 36 characters, in either case.
pub fn parse_id(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| text.parse().ok()).flatten()
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or(ApiError::internal("a handler that needs a caller has no gate"))
    }
}

/// The media type of a body, in lower case and without parameters.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
}

/// The body, of up to [`MAX_BODY_BYTES`].
///
/// # Errors
/// 413 for a larger one.
pub async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::TooLarge(format!("The body is larger than {MAX_BODY_BYTES} bytes.").into());
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    let limited = request.map(|body| axum::body::Body::new(http_body_util::Limited::new(body, MAX_BODY_BYTES)));
    Bytes::from_request(limited, state).await.map_err(|rejection: BytesRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => ApiError::Refused("unreadable_body", "The body ended before it was complete.".into()),
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "snake_case")]
    struct Sample {
        name: String,
        count: Option<u64>,
        flag: Option<bool>,
        word: Option<Word>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        One,
        TwoThree,
    }

    fn errors(error: ApiError) -> Vec<InputError> {
        match error {
            ApiError::Invalid(errors) => errors,
            other => panic!("{other:?}"),
        }
    }

    fn query(text: &str) -> Result<Sample, ApiError> {
        parse_pairs("query", text.as_bytes())
    }

    #[test]
    fn a_query_is_read_into_numbers_and_words() {
        let sample = query("name=a%20b&count=7&flag=true&word=two_three").unwrap();
        let expected = Sample { name: "a b".to_owned(), count: Some(7), flag: Some(true), word: Some(Word::TwoThree) };
        assert_eq!(sample, expected);
        assert_eq!(query("name=x&count=&word=").unwrap().count, None);
    }

    #[test]
    fn what_is_wrong_with_a_query_is_named() {
        for (text, loc) in [
            ("count=1", "name"),
            ("name=x&count=-1", "count"),
            ("name=x&count=1.5", "count"),
            ("name=x&count=18446744073709551616", "count"),
            ("name=x&flag=yes", "flag"),
            ("name=x&word=Three", "word"),
            ("name=x&name=y", "name"),
            ("name=x&more=1", "more"),
        ] {
            let found = errors(query(text).unwrap_err());
            assert_eq!(found[0].loc, ["query", loc], "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_is_named() {
        for (text, loc, kind) in [
            (r#"{"count":1}"#, vec!["body", "name"], "value_error"),
            (r#"{"name":1}"#, vec!["body", "name"], "value_error"),
            (r#"{"name":"x","more":1}"#, vec!["body", "more"], "value_error"),
            (r#"{"name":"x""#, vec!["body"], "json_invalid"),
            (r#"{"name":"x"} x"#, vec!["body"], "json_invalid"),
            ("", vec!["body"], "json_invalid"),
            ("[]", vec!["body"], "value_error"),
            (r#" ["x", 1, true, "one"]"#, vec!["body"], "value_error"),
            ("null", vec!["body"], "value_error"),
            ("\"x\"", vec!["body"], "value_error"),
            ("[1", vec!["body"], "json_invalid"),
            ("x", vec!["body"], "json_invalid"),
        ] {
            let found = errors(parse_json::<Sample>(text.as_bytes()).unwrap_err());
            assert!(!found[0].msg.contains("struct"), "{text} tells of what is inside: {}", found[0].msg);
            assert_eq!((found[0].loc.clone(), found[0].kind), (loc.iter().map(|s| (*s).to_owned()).collect(), kind), "{text}");
        }
    }

    #[test]
    fn an_id_is_written_in_one_way() {
        let id = Uuid::from_u128(7);
        assert_eq!(parse_id(&id.to_string()), Some(id));
        assert_eq!(parse_id(&id.to_string().to_uppercase()), Some(id));
        for bad in ["", "7", &id.simple().to_string(), &format!("{{{id}}}"), &format!("urn:uuid:{id}")] {
            assert_eq!(parse_id(bad), None, "{bad}");
        }
    }
}
