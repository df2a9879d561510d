//! The OpenAPI document as a contract: every answer in a test is checked against it.

use std::sync::LazyLock;

use http::Method;
use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(health::DOCUMENT).unwrap());

/// The OpenAPI document that the application serves.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The target of a `$ref`, or the value itself if it is not a reference.
pub fn resolved(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(&reference[1..]).unwrap_or_else(|| panic!("{reference} leads nowhere")),
        None => value,
    }
}

/// The operation that answers a request, if the document has one. Methods are case-sensitive: `get` is not `GET`.
pub fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    if method.as_str().contains(|letter: char| letter.is_ascii_lowercase()) {
        return None;
    }
    let method = if method == Method::HEAD { "get" } else { &method.as_str().to_ascii_lowercase() };
    let operations = DOCUMENT["paths"].as_object().unwrap().iter().filter_map(|(written, methods)| {
        let fixed = fits_path(written, path)?;
        Some((fixed, methods.get(method)?))
    });
    operations.max_by_key(|(fixed, _)| *fixed).map(|(_, operation)| operation)
}

/// Matches a path against a path template of the document. Returns the number of segments that match literally, or `None`.
fn fits_path(written: &str, path: &str) -> Option<usize> {
    let (mut fixed, mut parts) = (0, path.split('/'));
    for wanted in written.split('/') {
        if wanted == "{path}" {
            return parts.next().filter(|part| !part.is_empty()).map(|_| fixed);
        }
        let part = parts.next()?;
        match wanted.starts_with('{') {
            true if part.is_empty() => return None,
            true => {}
            false if wanted == part => fixed += 1,
            false => return None,
        }
    }
    parts.next().is_none().then_some(fixed)
}

/// Asserts that an answer fits the schema that the document gives for its status, if the document gives one.
pub fn hold(method: &Method, path: &str, answer: &Answer) {
    let Some(operation) = operation(method, path) else { return };
    let Some(described) = operation["responses"].get(answer.status.as_str()).map(resolved) else { return };
    let media_type = answer.header("content-type");
    let Some(schema) = described["content"].get(media_type).and_then(|content| content.get("schema")) else { return };
    if method != Method::HEAD && !answer.broken_off && media_type.ends_with("json") {
        let answered = answer.json();
        let misfit =
            misfit(schema, &answered).or_else(|| unnamed(schema, &answered).map(|name| format!("{name:?} is not named")));
        assert_eq!(misfit, None, "{method} {path} answers otherwise than the document says: {}", answer.text());
    }
}

/// The first mismatch between a value and a schema, with its path; `None` if the value fits. An unknown schema keyword counts as
/// a mismatch, so that nothing is skipped.
pub fn misfit(schema: &Value, value: &Value) -> Option<String> {
    let words = schema.as_object().unwrap_or_else(|| panic!("{schema} is no schema"));
    words.iter().find_map(|(word, says)| {
        let fits = match word.as_str() {
            "description" | "title" | "example" | "examples" | "default" => true,
            "$ref" => return misfit(resolved(schema), value),
            "properties" | "required" | "additionalProperties" | "propertyNames" => {
                return misfit_of_object(schema, word, says, value);
            }
            "items" => return value.as_array()?.iter().find_map(|item| misfit(says, item)),
            "allOf" => return says.as_array()?.iter().find_map(|part| misfit(part, value)),
            "oneOf" => says.as_array()?.iter().filter(|choice| misfit(choice, value).is_none()).count() == 1,
            "type" => is_of_type(says, value),
            "enum" => says.as_array()?.contains(value),
            "minimum" => value.as_f64().is_none_or(|number| says.as_f64().is_some_and(|bound| number >= bound)),
            "exclusiveMinimum" => value.as_f64().is_none_or(|number| says.as_f64().is_some_and(|bound| number > bound)),
            "maximum" => value.as_f64().is_none_or(|number| says.as_f64().is_some_and(|bound| number <= bound)),
            "minItems" => value.as_array().is_none_or(|items| says.as_u64().is_some_and(|bound| items.len() as u64 >= bound)),
            "maxItems" => value.as_array().is_none_or(|items| says.as_u64().is_some_and(|bound| items.len() as u64 <= bound)),
            "minLength" => {
                value.as_str().is_none_or(|text| says.as_u64().is_some_and(|bound| text.chars().count() as u64 >= bound))
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| says.as_u64().is_some_and(|bound| text.chars().count() as u64 <= bound))
            }
            "format" => value.as_str().is_none_or(|text| is_in_format(says, text)),
            "pattern" => value.as_str().is_none_or(|text| is_like(says, text)),
            _ => false,
        };
        (!fits).then(|| format!("{word} {says}: {value}"))
    })
}

/// A member of a value that its schema does not name: none where a schema names all. Columns of a tape are members of a loan, too.
fn unnamed(schema: &Value, value: &Value) -> Option<String> {
    if schema["$ref"] == "#/components/schemas/Loan" {
        return None;
    }
    let schema = resolved(schema);
    if let Some(choices) = schema["oneOf"].as_array() {
        return unnamed(choices.iter().find(|choice| misfit(choice, value).is_none())?, value);
    }
    if let Some(items) = value.as_array() {
        return items.iter().find_map(|item| unnamed(&schema["items"], item));
    }
    let parts = schema["allOf"].as_array().map_or_else(|| vec![schema], |parts| parts.iter().map(resolved).collect());
    let is_map = parts.iter().all(|part| !part["properties"].is_object());
    value.as_object()?.iter().find_map(|(name, value)| match parts.iter().find_map(|part| part["properties"].get(name)) {
        Some(named) => unnamed(named, value),
        None if is_map => unnamed(&schema["additionalProperties"], value),
        None => Some(name.clone()),
    })
}

fn misfit_of_object(schema: &Value, word: &str, says: &Value, value: &Value) -> Option<String> {
    let members: &Map<String, Value> = value.as_object()?;
    let at = |name: &str, misfit: String| format!("{name}: {misfit}");
    match word {
        "properties" => members.iter().find_map(|(name, value)| misfit(says.get(name)?, value).map(|misfit| at(name, misfit))),
        "required" => {
            says.as_array()?.iter().find(|name| !members.contains_key(name.as_str().unwrap())).map(|name| format!("no {name}"))
        }
        "propertyNames" => members.keys().find_map(|name| misfit(says, &Value::from(name.as_str()))),
        _ => {
            let mut others = members.iter().filter(|(name, _)| schema["properties"].get(name).is_none());
            match says {
                Value::Bool(true) => None,
                Value::Bool(false) => others.next().map(|(name, _)| format!("{name} is unknown")),
                says => others.find_map(|(name, value)| misfit(says, value).map(|misfit| at(name, misfit))),
            }
        }
    }
}

fn is_of_type(says: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    says.as_array().map_or_else(|| is(says), |kinds| kinds.iter().any(is))
}

fn is_in_format(says: &Value, text: &str) -> bool {
    match says.as_str().unwrap() {
        "uuid" => text.parse::<Uuid>().is_ok(),
        "date-time" => text.parse::<Timestamp>().is_ok(),
        "date" => text.parse::<Date>().is_ok(),
        "email" => text.contains('@'),
        "password" | "binary" => true,
        _ => false,
    }
}

/// The document uses only one pattern, so this check knows only that one.
fn is_like(says: &Value, text: &str) -> bool {
    let of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    says == "^[A-Za-z0-9_]{3,50}$" && (3..=50).contains(&text.len()) && text.chars().all(of_word)
}
