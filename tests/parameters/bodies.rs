//! JSON bodies and forms, from the OpenAPI document.

use api::routes::Route;
use serde_json::{Map, Value, json};

use crate::{
    access::{address, method},
    support::app::{Answer, PASSWORD, Person, TestApp},
};

use super::{UNKNOWN, app, operation, quoted, said, strict, words};

/// The endpoints that take a JSON object, each with the schema of the object.
fn json_bodies<'a>(app: &'a TestApp, document: &'a Value) -> Vec<(&'a Route, &'a Value)> {
    let schema = |route: &Route| {
        let schema = &operation(document, route)["requestBody"]["content"]["application/json"]["schema"];
        let place = schema["$ref"].as_str()?;
        Some(&document["components"]["schemas"][place.rsplit('/').next().unwrap()])
    };
    let bodies: Vec<_> = strict(app).filter_map(|route| Some((route, schema(route)?))).collect();
    assert_eq!(bodies.len(), 8);
    bodies
}

fn properties(schema: &Value) -> &Map<String, Value> {
    schema["properties"].as_object().unwrap()
}

async fn send(app: &TestApp, person: &Person, route: &Route, body: &str) -> Answer {
    app.call(method(route), &address(route)).by(person).body("application/json", body.to_owned()).send().await
}

/// Asserts that no message shows the inside of the code.
fn assert_plain(answer: &Answer) {
    for error in answer.json()["errors"].as_array().unwrap() {
        let sentence = error["msg"].as_str().unwrap();
        for inside in ["struct", "variant", "invalid type", "Option", "enum ", "serde"] {
            assert!(!sentence.contains(inside), "{sentence}");
        }
    }
}

#[tokio::test]
async fn a_field_that_a_request_does_not_have_is_named_and_all_that_it_has() {
    let (app, root, document) = app().await;
    for (route, schema) in json_bodies(&app, &document) {
        assert_eq!(schema["additionalProperties"], false, "{}", route.path);
        let answer = send(&app, &root, route, &json!({UNKNOWN: 1}).to_string()).await;
        let said = said(&answer, &json!(["body", UNKNOWN]));
        let [(kind, sentence)] = said.as_slice() else { panic!("{}: {}", route.path, answer.text()) };
        let (mut known, mut documented) = (quoted(sentence).split_off(1), Vec::from_iter(properties(schema).keys()));
        known.sort_unstable();
        documented.sort_unstable();
        assert_eq!((kind.as_str(), known), ("unknown", documented.into_iter().map(String::as_str).collect()), "{}", route.path);
        assert_plain(&answer);
    }
}

#[tokio::test]
async fn every_field_of_a_wrong_kind_is_named_at_once() {
    let (app, root, document) = app().await;
    for (route, schema) in json_bodies(&app, &document) {
        // Give a list to a field that takes an object, and an object to every other field.
        let is_object = |name: &str| properties(schema)[name]["type"].to_string().contains("object");
        let value = |name: &String| if is_object(name) { json!(["x"]) } else { json!({"x": 1}) };
        let wrong: Map<String, Value> = properties(schema).keys().map(|name| (name.clone(), value(name))).collect();
        let answer = send(&app, &root, route, &Value::Object(wrong).to_string()).await;
        for name in properties(schema).keys() {
            let said = said(&answer, &json!(["body", name]));
            let found = if is_object(name) { "found a list" } else { "found an object" };
            assert!(said.len() == 1 && said[0].1.contains(found), "{} {name}: {}", route.path, answer.text());
        }
        assert_plain(&answer);
    }
}

#[tokio::test]
async fn every_field_that_is_missing_is_named_at_once() {
    let (app, root, document) = app().await;
    let mut missing = 0;
    for (route, schema) in json_bodies(&app, &document) {
        for name in schema["required"].as_array().into_iter().flatten() {
            let answer = send(&app, &root, route, "{}").await;
            assert_eq!(said(&answer, &json!(["body", name]))[0].0, "missing", "{} {name}", route.path);
            missing += 1;
        }
    }
    assert_eq!(missing, 8);
}

#[tokio::test]
async fn a_field_that_is_given_twice_is_named() {
    let (app, root, document) = app().await;
    for (route, schema) in json_bodies(&app, &document) {
        for name in properties(schema).keys() {
            // The same name, written in two ways.
            let (first, rest) = name.split_at(1);
            let again = format!("\\u{:04x}{rest}", u32::from(first.as_bytes()[0]));
            let answer = send(&app, &root, route, &format!("{{\"{name}\": null, \"{again}\": null}}")).await;
            let said = said(&answer, &json!(["body", name]));
            assert!(said.iter().any(|(kind, _)| kind == "repeated"), "{} {name}: {}", route.path, answer.text());
        }
    }
}

#[tokio::test]
async fn a_word_outside_an_enumeration_of_a_body_is_told_the_words() {
    let (app, root, document) = app().await;
    let mut seen = 0;
    for (route, schema) in json_bodies(&app, &document) {
        for (name, property) in properties(schema) {
            let words = words(&document, property);
            let wrong = [json!(""), json!("zz"), json!(null), json!(1), json!([])];
            for value in wrong.iter().filter(|_| !words.is_empty()) {
                let answer = send(&app, &root, route, &json!({name: value}).to_string()).await;
                let said = said(&answer, &json!(["body", name]));
                let listed = quoted(&said[0].1);
                assert!(words.iter().all(|word| listed.contains(&word.as_str())), "{name} {value}: {said:?}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 10);
}

#[tokio::test]
async fn what_a_value_must_be_is_told_with_everything_else() {
    let (app, root, _) = app().await;
    let bad = json!({"username": "a b", "password": 12_345_678, "role": "sales_team", "full_name": ""});
    let answer = app.post("/api/auth/register").by(&root).json(&bad).send().await;
    answer.problem(422);
    let errors = answer.json()["errors"].clone();
    let named: Vec<&Value> = errors.as_array().unwrap().iter().map(|error| &error["loc"][1]).collect();
    assert_eq!(named, ["email", "username", "password", "full_name", "sales_team_id"]);
    assert!(!answer.text().contains("12345678"), "a password is not repeated");
}

#[tokio::test]
async fn a_target_that_cannot_be_is_told_why() {
    let (app, root, _) = app().await;
    let expected = "Expected a number of percent above 0 and at most 30, such as 8.05, found";
    for (written, found) in [
        ("8.0500000000000000000000000000000000000001", "one of more than 30 digits."),
        ("1e400", "one of more than 30 digits."),
        ("30.01", "`30.01`."),
        ("0", "`0`."),
        ("\"8.05\"", "text. Write it without quotes."),
        ("[8]", "a list."),
        ("true", "a truth value."),
    ] {
        let body = format!("{{\"irr_target\": {written}}}");
        let answer = app.post("/api/pipeline/run").by(&root).body("application/json", body).send().await;
        let said = said(&answer, &json!(["body", "irr_target"]));
        assert_eq!(said, [("value_error".to_owned(), format!("{expected} {found}"))], "{written}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_key_of_a_request_is_told_with_its_body() {
    let (app, root, _) = app().await;
    let call = app.post("/api/pipeline/run").by(&root).header(http::HeaderName::from_static("idempotency-key"), "a b");
    let answer = call.json(&json!({"pdate": "soon", "more": 1})).send().await;
    answer.problem(422);
    let errors = answer.json()["errors"].clone();
    let named: Vec<&Value> = errors.as_array().unwrap().iter().map(|error| &error["loc"]).collect();
    assert_eq!(named, [&json!(["body", "pdate"]), &json!(["body", "more"]), &json!(["header", "Idempotency-Key"])]);
}

#[tokio::test]
async fn a_log_in_takes_the_form_of_oauth2_and_ignores_what_it_does_not_know() {
    let (app, root, _) = app().await;
    let good = format!("username={}&password={}", root.user.username, PASSWORD.replace(' ', "+"));
    let log_in = async |form: &str| app.post("/api/auth/login").form(form).send().await;
    log_in(&good).await.expect(200);
    log_in(&format!("{good}&grant_type=password&scope=&client_id=&client_secret=x")).await.expect(200);
    log_in(&format!("{good}&role=admin&audience=&scope=a&scope=b")).await.expect(200);
    for (form, name, kind) in [
        (format!("{good}&grant_type=refresh_token"), "grant_type", "value_error"),
        (format!("{good}&grant_type="), "grant_type", "empty"),
        (format!("{good}&username=x"), "username", "repeated"),
        ("username=x&password=".to_owned(), "password", "empty"),
        ("username=x".to_owned(), "password", "missing"),
    ] {
        assert_eq!(said(&log_in(&form).await, &json!(["body", name]))[0].0, kind, "{form}");
    }
    assert_eq!(log_in("username=x&password=%ff").await.problem(422), "invalid_input");
}

#[tokio::test]
async fn what_is_wrong_with_a_query_and_with_a_body_is_named_together() {
    let (app, root, document) = app().await;
    for (route, _) in json_bodies(&app, &document) {
        let call = app.call(method(route), &format!("{}?{UNKNOWN}=1", address(route))).by(&root);
        let answer = call.body("application/json", json!({UNKNOWN: 1}).to_string()).send().await;
        for place in ["query", "body"] {
            assert_eq!(said(&answer, &json!([place, UNKNOWN])).len(), 1, "{}: {}", route.path, answer.text());
        }
    }
}
