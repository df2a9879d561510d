//! The fields of a request: query parameters, a form or a JSON object. Each field is read on its own, so that one answer names
//! everything that is missing, unknown, repeated, empty or malformed.
//!
//! An input type accepts exactly the fields that it reads: there is no second list of names. [`read_fields!`](crate::read_fields)
//! reads a type by the names of its members, which the OpenAPI document shows as well.

mod members;

use std::{borrow::Cow, collections::HashSet, convert::Infallible, fmt, ops::RangeInclusive};

use percent_encoding::percent_decode;
use serde_json::{error::Category, value::RawValue};

use self::members::Members;
use super::{
    nearest::nearest,
    problem::{ApiError, InputError},
    values::{BadValue, FieldValue, is_null, listed, shortened},
};

/// Largest number of errors that one answer names. One more entry counts the rest.
const MAX_ERRORS: usize = 100;
/// Number of characters of an unknown name that an error repeats.
const SHOWN_NAME: usize = 100;

/// A type that is read from the fields of a request.
pub trait FromFields: Sized {
    /// Reads every field of the type. `None` when a field is wrong; its errors are then in `fields`.
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self>;
}

/// No fields at all.
impl FromFields for () {
    fn from_fields(_: &mut Fields<'_>) -> Option<Self> {
        Some(())
    }
}

/// Two types that share one query.
impl<A: FromFields, B: FromFields> FromFields for (A, B) {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let (a, b) = (A::from_fields(fields), B::from_fields(fields));
        a.zip(b)
    }
}

/// Implements [`FromFields`](crate::fields::FromFields) member by member: `name: how`, or `name: how(check)`, where `how` is a
/// method of [`Fields`](crate::fields::Fields).
#[macro_export]
macro_rules! read_fields {
    ($kind:ty { $($name:ident: $how:ident $(($check:expr))?),* $(,)? }) => {
        impl $crate::fields::FromFields for $kind {
            fn from_fields(fields: &mut $crate::fields::Fields<'_>) -> Option<Self> {
                $(let $name = fields.$how(stringify!($name), $crate::read_fields!(@check $($check)?));)*
                Some(Self { $($name: $name?),* })
            }
        }
    };
    (@check) => { $crate::fields::any };
    (@check $check:expr) => { $check };
}

/// The check of a field that accepts every value of its type.
///
/// # Errors
/// Never.
pub fn any<T>(_: &T) -> Result<(), Infallible> {
    Ok(())
}

/// The check that a number is in the range.
pub fn within(range: RangeInclusive<u64>) -> impl Fn(&u64) -> Result<(), String> {
    move |number| match range.contains(number) {
        true => Ok(()),
        false => Err(format!("It must be from {} to {}.", range.start(), range.end())),
    }
}

/// Where fields come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Query,
    Form,
    Json,
}

impl Source {
    const fn place(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Form | Self::Json => "body",
        }
    }
}

/// A value as the client sent it.
#[derive(Debug, Clone)]
enum Given<'r> {
    Text(Cow<'r, str>),
    Json(&'r RawValue),
}

/// The fields of a request while they are read.
#[derive(Debug)]
pub struct Fields<'r> {
    source: Source,
    /// Each field once, with its first value.
    given: Vec<(Cow<'r, str>, Given<'r>)>,
    /// The further values of names that the request repeats.
    repeated: Vec<(Cow<'r, str>, Given<'r>)>,
    /// The names that a request may repeat.
    lists: Vec<&'static str>,
    /// The names that the input type has asked for.
    known: Vec<&'static str>,
    errors: Vec<InputError>,
}

impl<'r> Fields<'r> {
    /// The parameters of a query.
    ///
    /// # Errors
    /// [`ApiError::Refused`] (400) when the query is not UTF-8.
    pub fn of_query(query: &'r str) -> Result<Self, ApiError> {
        let pairs = pairs(query.as_bytes()).ok_or(ApiError::Refused("bad_query", "The query is not UTF-8 text.".into()))?;
        Ok(Self::new(Source::Query, pairs))
    }

    /// The fields of a form, as browsers and OAuth clients send one.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] (422) when the form is not UTF-8.
    pub fn of_form(form: &'r [u8]) -> Result<Self, ApiError> {
        let pairs = pairs(form).ok_or_else(|| ApiError::invalid(InputError::body("", "The form is not UTF-8 text.")))?;
        Ok(Self::new(Source::Form, pairs))
    }

    /// The members of a JSON object.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] (422) when the body is not JSON, or not an object.
    pub fn of_json(json: &'r [u8]) -> Result<Self, ApiError> {
        let invalid = |kind, msg: String| ApiError::invalid(InputError::new("body", "", kind, msg));
        let no_json = |error: serde_json::Error| match error.classify() {
            Category::Eof if json.trim_ascii().is_empty() => {
                invalid("json_invalid", "The body is empty. Send a JSON object.".into())
            }
            _ => invalid("json_invalid", format!("The body is not JSON: {error}.")),
        };
        let value: &RawValue = serde_json::from_slice(json).map_err(no_json)?;
        if !value.get().starts_with('{') {
            return Err(invalid("value_error", "Expected an object with named fields.".to_owned()));
        }
        let members: Members<'r> = serde_json::from_str(value.get()).map_err(no_json)?;
        Ok(Self::new(Source::Json, members.0))
    }

    fn new(source: Source, all: Vec<(Cow<'r, str>, Given<'r>)>) -> Self {
        let (mut seen, mut given, mut repeated) = (HashSet::with_capacity(all.len()), Vec::with_capacity(all.len()), Vec::new());
        for (name, value) in all {
            let values = if seen.insert(name.clone()) { &mut given } else { &mut repeated };
            values.push((name, value));
        }
        Self { source, given, repeated, lists: Vec::new(), known: Vec::new(), errors: Vec::new() }
    }

    /// Reads a type from all of the fields.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] (422), which names everything that is wrong with the fields.
    pub fn read<T: FromFields>(mut self) -> Result<T, ApiError> {
        let value = T::from_fields(&mut self);
        self.note_repeated();
        let more = self.note_unknown() + self.errors.len().saturating_sub(MAX_ERRORS);
        if more > 0 {
            self.errors.truncate(MAX_ERRORS);
            self.errors.push(InputError::new(self.source.place(), "", "value_error", format!("There are {more} more errors.")));
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ if !self.errors.is_empty() => Err(ApiError::Invalid(self.errors)),
            _ => Err(ApiError::internal("an input was refused without a reason")),
        }
    }

    /// Reads a required field.
    pub fn required<T: FieldValue, E: fmt::Display>(
        &mut self,
        name: &'static str,
        check: impl Fn(&T) -> Result<(), E>,
    ) -> Option<T> {
        match self.find(name) {
            Some(given) => self.value(name, &given, check),
            None => self.missing(name, &T::expected()),
        }
    }

    /// Reads an optional field. In JSON, null means that it is absent.
    pub fn optional<T: FieldValue, E: fmt::Display>(
        &mut self,
        name: &'static str,
        check: impl Fn(&T) -> Result<(), E>,
    ) -> Option<Option<T>> {
        match self.find(name) {
            None => Some(None),
            Some(Given::Json(json)) if is_null(json) => Some(None),
            Some(given) => self.value(name, &given, check).map(Some),
        }
    }

    /// Reads a field that the request may repeat: all its values, in order.
    pub fn each<T: FieldValue, E: fmt::Display>(
        &mut self,
        name: &'static str,
        check: impl Fn(&T) -> Result<(), E>,
    ) -> Option<Vec<T>> {
        let first = self.find(name);
        self.lists.push(name);
        let again = self.repeated.iter().filter(|(given, _)| given == name).map(|(_, value)| value.clone());
        let values: Vec<Given<'r>> = first.into_iter().chain(again).collect();
        let read: Vec<Option<T>> = values.iter().map(|given| self.value(name, given, &check)).collect();
        read.into_iter().collect()
    }

    /// Reads an optional field that must not be null.
    pub fn not_null<T: FieldValue, E: fmt::Display>(
        &mut self,
        name: &'static str,
        check: impl Fn(&T) -> Result<(), E>,
    ) -> Option<Option<T>> {
        match self.find(name) {
            Some(Given::Json(json)) if is_null(json) => {
                self.refuse(name, format!("Expected {}, found null. Leave the field out instead.", T::expected()))
            }
            _ => self.optional(name, check),
        }
    }

    /// Reads an optional field for which null is a value: the inner `None`.
    pub fn nullable<T: FieldValue, E: fmt::Display>(
        &mut self,
        name: &'static str,
        check: impl Fn(&T) -> Result<(), E>,
    ) -> Option<Option<Option<T>>> {
        match self.find(name) {
            Some(_) => self.optional(name, check).map(Some),
            None => Some(None),
        }
    }

    /// Reads an optional text, which may be empty.
    pub fn text<E: fmt::Display>(
        &mut self,
        name: &'static str,
        check: impl Fn(&String) -> Result<(), E>,
    ) -> Option<Option<String>> {
        match self.find(name) {
            Some(Given::Text(text)) if text.is_empty() => Some(Some(String::new())),
            _ => self.optional(name, check),
        }
    }

    /// Reads a required text, which may be empty.
    pub fn required_text<E: fmt::Display>(
        &mut self,
        name: &'static str,
        check: impl Fn(&String) -> Result<(), E>,
    ) -> Option<String> {
        match self.text(name, check)? {
            Some(text) => Some(text),
            None => self.missing(name, &String::expected()),
        }
    }

    /// Rejects the value of a field with this message.
    pub fn refuse<T>(&mut self, name: &'static str, msg: impl Into<String>) -> Option<T> {
        self.errors.push(InputError::new(self.source.place(), name, "value_error", msg));
        None
    }

    fn find(&mut self, name: &'static str) -> Option<Given<'r>> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.given.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone())
    }

    fn value<T: FieldValue, E: fmt::Display>(
        &mut self,
        name: &'static str,
        given: &Given<'_>,
        check: impl Fn(&T) -> Result<(), E>,
    ) -> Option<T> {
        let read = match given {
            Given::Text(text) if text.is_empty() => {
                let msg = format!("It is empty. Expected {}; leave `{name}` out if you do not need it.", T::expected());
                self.errors.push(InputError::new(self.source.place(), name, "empty", msg));
                return None;
            }
            Given::Text(text) => T::from_text(text),
            Given::Json(json) => T::from_json(json),
        };
        match read {
            Ok(value) => match check(&value) {
                Ok(()) => Some(value),
                Err(error) => self.refuse(name, error.to_string()),
            },
            Err(bad) => {
                let place = self.source.place();
                self.errors.extend(bad.into_iter().map(|BadValue { path, msg }| {
                    let loc = [place, name].map(str::to_owned).into_iter().chain(path).collect();
                    InputError { loc, msg, kind: "value_error" }
                }));
                None
            }
        }
    }

    fn missing<T>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let msg = format!("It is missing. Expected {expected}.");
        self.errors.push(InputError::new(self.source.place(), name, "missing", msg));
        None
    }

    fn note_repeated(&mut self) {
        let is_repeated = |name: &&&str| self.repeated.iter().any(|(repeated, _)| repeated == **name);
        for name in self.known.iter().filter(|name| !self.lists.contains(name)).filter(is_repeated) {
            self.errors.push(InputError::new(self.source.place(), name, "repeated", "It is given more than once."));
        }
    }

    /// Adds an error for each unknown name, up to [`MAX_ERRORS`]. Returns the number of the others. Clients may add names to a form.
    fn note_unknown(&mut self) -> usize {
        let unknown = self.given.iter().map(|(name, _)| &**name).filter(|name| !self.known.contains(name));
        let unknown: Vec<&str> = unknown.filter(|_| self.source != Source::Form).collect();
        let errors: Vec<InputError> = unknown.iter().take(MAX_ERRORS).map(|name| self.unknown(name)).collect();
        let more = unknown.len() - errors.len();
        self.errors.extend(errors);
        more
    }

    fn unknown(&self, name: &str) -> InputError {
        let (what, of) = match self.source {
            Source::Query => ("parameter", "this endpoint"),
            Source::Form | Source::Json => ("field", "this request"),
        };
        let hint = match nearest(name, &self.known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.known.is_empty() => "it takes none.".to_owned(),
            None => format!("it takes {}.", listed(&self.known)),
        };
        let name = shortened(name, SHOWN_NAME);
        let msg = format!("`{name}` is no {what} of {of}; {hint}");
        InputError { loc: vec![self.source.place().to_owned(), name], msg, kind: "unknown" }
    }
}

/// The pairs of a query or a form. Empty pairs, as in `a=1&&b=2`, are skipped.
///
/// `None` when the bytes are not UTF-8: the parser of pairs would put replacement characters into the text and so change it.
fn pairs(bytes: &[u8]) -> Option<Vec<(Cow<'_, str>, Given<'_>)>> {
    percent_decode(bytes).decode_utf8().ok()?;
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = serde_urlencoded::from_bytes(bytes).ok()?;
    Some(pairs.into_iter().map(|(name, value)| (name, Given::Text(value))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::auth::permission::Role;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        name: String,
        count: Option<u64>,
        flag: Option<bool>,
        role: Option<Role>,
        path: Option<String>,
        files: Option<Vec<String>>,
        note: Option<Option<String>>,
    }

    fn short(text: &str) -> Result<(), &'static str> {
        if text.len() <= 5 { Ok(()) } else { Err("It has at most 5 letters.") }
    }

    read_fields!(Sample {
        name: required(|text: &String| short(text)),
        count: optional(within(1..=10)),
        flag: optional,
        role: not_null,
        path: text,
        files: optional,
        note: nullable,
    });

    fn query(text: &str) -> Result<Sample, ApiError> {
        Fields::of_query(text).and_then(Fields::read)
    }

    fn json(text: &str) -> Result<Sample, ApiError> {
        Fields::of_json(text.as_bytes()).and_then(Fields::read)
    }

    /// The place, kind and message of each error.
    fn errors(read: Result<Sample, ApiError>) -> Vec<(String, &'static str, String)> {
        match read.unwrap_err() {
            ApiError::Invalid(errors) => errors.into_iter().map(|error| (error.loc.join("."), error.kind, error.msg)).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn kinds(read: Result<Sample, ApiError>) -> Vec<String> {
        errors(read).into_iter().map(|(loc, kind, _)| format!("{loc} {kind}")).collect()
    }

    #[test]
    fn a_query_is_read_into_numbers_and_words() {
        let none = Sample { name: "a b".to_owned(), count: None, flag: None, role: None, path: None, files: None, note: None };
        assert_eq!(query("name=a%20b").unwrap(), none);
        let sample = query("name=a+b&count=7&flag=true&role=sales_team&path=&&").unwrap();
        let path = Some(String::new());
        assert_eq!(sample, Sample { count: Some(7), flag: Some(true), role: Some(Role::SalesTeam), path, ..none });
    }

    #[test]
    fn everything_wrong_with_a_query_is_named_at_once() {
        let found = kinds(query("count=0&flag=yes&role=Admin&flag=no&path=x&path=y&more=1&more=2&other"));
        assert_eq!(
            found,
            [
                "query.name missing",
                "query.count value_error",
                "query.flag value_error",
                "query.role value_error",
                "query.flag repeated",
                "query.path repeated",
                "query.more unknown",
                "query.other unknown",
            ]
        );
    }

    #[test]
    fn what_is_wrong_with_a_value_is_said_with_what_would_be_right() {
        for (text, msg) in [
            ("name=abcdef", "It has at most 5 letters."),
            ("name=", "It is empty. Expected text; leave `name` out if you do not need it."),
            ("name=x&count=-1", "Expected a whole number from 0 on, found `-1`."),
            ("name=x&count=+1", "Expected a whole number from 0 on, found ` 1`."),
            ("name=x&count=1.5", "Expected a whole number from 0 on, found `1.5`."),
            ("name=x&count=18446744073709551616", "Expected a whole number from 0 on, found `18446744073709551616`."),
            ("name=x&count=11", "It must be from 1 to 10."),
            ("name=x&flag=yes", "Expected `true` or `false`, found `yes`."),
            ("name=x&role=Admin", "Expected one of `admin`, `analyst`, `sales_team`, found `Admin`."),
            (
                "name=x&role",
                "It is empty. Expected one of `admin`, `analyst`, `sales_team`; leave `role` out if you do not need it.",
            ),
            ("name=x&nmae=1", "`nmae` is no parameter of this endpoint; did you mean `name`?"),
            ("name=x&Count=1", "`Count` is no parameter of this endpoint; did you mean `count`?"),
            (
                "name=x&zzz=1",
                "`zzz` is no parameter of this endpoint; it takes `name`, `count`, `flag`, `role`, `path`, `files`, `note`.",
            ),
            ("name=x&name=y", "It is given more than once."),
        ] {
            let found = errors(query(text));
            assert_eq!((found.len(), found[0].2.as_str()), (1, msg), "{text}");
        }
        assert!(matches!(query("name=%ff"), Err(ApiError::Refused("bad_query", _))));
    }

    #[test]
    fn an_endpoint_without_parameters_takes_none() {
        let refused = Fields::of_query("a=1").unwrap().read::<()>();
        let Err(ApiError::Invalid(errors)) = refused else { panic!("{refused:?}") };
        assert_eq!(errors[0].msg, "`a` is no parameter of this endpoint; it takes none.");
        assert!(Fields::of_query("").unwrap().read::<()>().is_ok());
    }

    #[test]
    fn everything_wrong_with_a_body_is_named_at_once() {
        let body = r#"{"count": "1", "flag": 0, "role": null, "files": ["a", 1, {}], "more": {"x": 1}, "flag": true, "a.b": 1}"#;
        assert_eq!(
            kinds(json(body)),
            [
                "body.name missing",
                "body.count value_error",
                "body.flag value_error",
                "body.role value_error",
                "body.files.1 value_error",
                "body.files.2 value_error",
                "body.flag repeated",
                "body.more unknown",
                "body.a.b unknown",
            ]
        );
    }

    #[test]
    fn a_body_is_read_with_null_where_it_is_a_value() {
        let sample = json(r#" {"name": "\u0041", "count": 3, "flag": false, "files": ["x"], "note": null} "#).unwrap();
        assert_eq!((sample.name.as_str(), sample.count, sample.flag), ("A", Some(3), Some(false)));
        assert_eq!((sample.files, sample.note), (Some(vec!["x".to_owned()]), Some(None)));
        assert_eq!(json(r#"{"name": "x", "count": null}"#).unwrap().note, None);
    }

    #[test]
    fn the_kind_of_a_wrong_value_is_named_and_not_what_it_holds() {
        for (body, msg) in [
            (r#"{"name": 12345}"#, "Expected text, found a number."),
            (r#"{"name": null}"#, "Expected text, found null."),
            (r#"{"name": ["x"]}"#, "Expected text, found a list."),
            (r#"{"name": "\ud800"}"#, "The text has an escape that is no character."),
            (r#"{"name": "x", "count": "3"}"#, "Expected a whole number from 0 on, found text."),
            (
                r#"{"name": "x", "role": null}"#,
                "Expected one of `admin`, `analyst`, `sales_team`, found null. Leave the field out instead.",
            ),
            (r#"{"name": "x", "role": ""}"#, "Expected one of `admin`, `analyst`, `sales_team`, found an empty text."),
            (r#"{"name": "x", "files": "a.csv"}"#, "Expected a list of texts, found text."),
            (r#"{"name": "x", "flags": 1}"#, "`flags` is no field of this request; did you mean `flag`?"),
        ] {
            let found = errors(json(body));
            assert_eq!((found.len(), found[0].2.as_str()), (1, msg), "{body}");
        }
    }

    #[test]
    fn what_is_no_object_is_told_so() {
        for (body, kind) in [
            ("", "json_invalid"),
            ("  ", "json_invalid"),
            (r#"{"name":"x""#, "json_invalid"),
            (r#"{"name":"x"} x"#, "json_invalid"),
            (r#"{"name":"x",}"#, "json_invalid"),
            ("[1", "json_invalid"),
            ("x", "json_invalid"),
            ("[]", "value_error"),
            (r#" ["x", 1, true, "one"]"#, "value_error"),
            ("null", "value_error"),
            ("\"x\"", "value_error"),
        ] {
            assert_eq!(kinds(json(body)), [format!("body {kind}")], "{body}");
        }
        assert!(Fields::of_json(b"{\"name\": \"\xff\"}").is_err());
        assert!(Fields::of_json("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn very_many_errors_are_counted() {
        let many: Vec<String> = (0..5_000).map(|at| format!("x{at}=1")).collect();
        let found = errors(query(&many.join("&")));
        assert_eq!((found.len(), found[100].2.as_str()), (101, "There are 4901 more errors."));
    }

    proptest! {
        #[test]
        fn any_query_and_any_body_is_read_or_refused(text in ".{0,80}") {
            let _ = query(&text);
            let _ = json(&text);
            let _ = json(&format!("{{\"name\": {text}}}"));
        }
    }
}
