//! No endpoint silently drops a parameter: the answer names every parameter that the endpoint does not take. The tests read the
//! route table and the OpenAPI document, so that they also cover new routes.

mod bodies;
mod times;

use std::collections::BTreeSet;

use api::routes::Route;
use serde_json::{Value, json};
use shared::auth::permission::Role;

use crate::{
    access::{address, method},
    support::app::{Answer, Person, TestApp, document},
};

/// A name that no endpoint takes.
const UNKNOWN: &str = "zz";

/// The product with an administrator, and the OpenAPI document.
async fn app() -> (TestApp, Person, Value) {
    let app = TestApp::new().await;
    let root = app.person("root", Role::Admin, None).await;
    (app, root, serde_json::to_value(document()).unwrap())
}

/// The operation of a route in the OpenAPI document.
fn operation<'d>(document: &'d Value, route: &Route) -> &'d Value {
    let operation = &document["paths"][route.path.replace("{*", "{")][route.verb.as_str().to_lowercase()];
    assert!(operation.is_object(), "{} {}", route.verb, route.path);
    operation
}

/// The query parameters of a route.
fn parameters<'d>(document: &'d Value, route: &Route) -> Vec<&'d Value> {
    let all = operation(document, route)["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    all.iter().filter(|parameter| parameter["in"] == "query").collect()
}

fn name(parameter: &Value) -> &str {
    parameter["name"].as_str().unwrap()
}

/// The routes that reject unknown parameters.
fn strict(app: &TestApp) -> impl Iterator<Item = &Route> {
    app.routes.iter().filter(|route| route.path.starts_with("/api/"))
}

/// Every query parameter of every strict route.
fn every_parameter<'a>(app: &'a TestApp, document: &'a Value) -> Vec<(&'a Route, &'a Value)> {
    let all = strict(app).flat_map(|route| parameters(document, route).into_iter().map(move |parameter| (route, parameter)));
    let all: Vec<_> = all.collect();
    assert!(all.len() > 30, "{}", all.len());
    all
}

/// Sends a query, with the route's required parameters added unless the query has them, and returns the answer.
async fn ask(app: &TestApp, person: &Person, document: &Value, route: &Route, query: &str) -> Answer {
    let needed = parameters(document, route).into_iter().filter(|parameter| parameter["required"] == true);
    let asked: Vec<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    let needed = needed.filter(|parameter| !asked.contains(&name(parameter)));
    let needed = needed.map(|parameter| match name(parameter) {
        "run_id" => format!("&run_id={}", uuid::Uuid::nil()),
        other => format!("&{other}=x"),
    });
    let address = format!("{}?{query}{}", address(route), needed.collect::<String>());
    app.call(method(route), &address).by(person).send().await
}

/// Type and message of each error that an answer has at a location.
fn said(answer: &Answer, loc: &Value) -> Vec<(String, String)> {
    assert_eq!(answer.problem(422), "invalid_input");
    let all = answer.json()["errors"].as_array().unwrap().clone();
    let text = |error: &Value, member: &str| error[member].as_str().unwrap().to_owned();
    all.iter().filter(|error| error["loc"] == *loc).map(|error| (text(error, "type"), text(error, "msg"))).collect()
}

/// The words in backticks.
fn quoted(sentence: &str) -> Vec<&str> {
    sentence.split('`').skip(1).step_by(2).collect()
}

/// The words of an enumeration, at any depth of a schema.
fn words(document: &Value, schema: &Value) -> Vec<String> {
    if let Some(place) = schema["$ref"].as_str() {
        return words(document, &document["components"]["schemas"][place.rsplit('/').next().unwrap()]);
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
    }
    let parts = ["oneOf", "allOf"].into_iter().filter_map(|whole| schema[whole].as_array());
    parts.flatten().flat_map(|schema| words(document, schema)).collect()
}

#[tokio::test]
async fn every_endpoint_names_a_parameter_that_it_does_not_know_and_all_that_it_does() {
    let (app, root, document) = app().await;
    for route in strict(&app) {
        let answer = app.call(method(route), &format!("{}?{UNKNOWN}=1", address(route))).by(&root).send().await;
        let said = said(&answer, &json!(["query", UNKNOWN]));
        let [(kind, sentence)] = said.as_slice() else { panic!("{} {}: {}", route.verb, route.path, answer.text()) };
        assert_eq!(kind, "unknown");
        let known: BTreeSet<&str> = quoted(sentence)[1..].iter().copied().collect();
        let documented = parameters(&document, route).into_iter().map(name).collect();
        assert_eq!(known, documented, "{} {}", route.verb, route.path);
    }
}

#[tokio::test]
async fn pages_that_ask_nothing_ignore_what_monitors_and_caches_add() {
    let (app, _, document) = app().await;
    let lenient: Vec<&Route> = app.routes.iter().filter(|route| !route.path.starts_with("/api/")).collect();
    assert!(lenient.len() >= 5);
    for route in lenient {
        assert_eq!(parameters(&document, route).len(), 0, "{}", route.path);
        let answer = app.call(method(route), &format!("{}?{UNKNOWN}=1&{UNKNOWN}=2&x", route.path)).send().await;
        assert_eq!(answer.status, 200, "{}", route.path);
    }
}

#[tokio::test]
async fn a_parameter_that_is_misspelt_is_named_with_the_one_that_was_meant() {
    let (app, root, document) = app().await;
    for (route, parameter) in every_parameter(&app, &document) {
        let meant = name(parameter);
        let swapped = format!("{}{}{}", &meant[1..2], &meant[..1], &meant[2..]);
        for misspelt in [swapped, meant.to_uppercase(), format!("{meant}s")] {
            let answer = ask(&app, &root, &document, route, &format!("{misspelt}=1")).await;
            let said = said(&answer, &json!(["query", misspelt]));
            let sentence = format!("`{misspelt}` is no parameter of this endpoint; did you mean `{meant}`?");
            assert_eq!(said, [("unknown".to_owned(), sentence)], "{} {}", route.verb, route.path);
        }
    }
}

#[tokio::test]
async fn a_parameter_that_is_repeated_is_named() {
    let (app, root, document) = app().await;
    // A list is the only parameter that a request repeats.
    let lists = |(_, parameter): &(&Route, &Value)| parameter["schema"]["type"] == "array";
    for (route, parameter) in every_parameter(&app, &document).into_iter().filter(|found| !lists(found)) {
        let name = name(parameter);
        let answer = ask(&app, &root, &document, route, &format!("{name}=x&{name}=x")).await;
        let said = said(&answer, &json!(["query", name]));
        assert!(said.iter().any(|(kind, _)| kind == "repeated"), "{} {} {name}: {said:?}", route.verb, route.path);
    }
}

#[tokio::test]
async fn a_parameter_that_is_empty_is_named_unless_it_is_a_path() {
    let (app, root, document) = app().await;
    for (route, parameter) in every_parameter(&app, &document) {
        let name = name(parameter);
        for query in [format!("{name}="), name.to_owned()] {
            let answer = ask(&app, &root, &document, route, &query).await;
            match name {
                "area" => assert_eq!(answer.problem(400), "unknown_area"),
                "path" => assert_ne!(answer.status, 422, "{} {}", route.verb, route.path),
                _ => {
                    let said = said(&answer, &json!(["query", name]));
                    assert_eq!(said[0].0, "empty", "{} {} {name}: {said:?}", route.verb, route.path);
                    let schema = &parameter["schema"];
                    let any_text = schema["type"] == "string" && schema["format"].is_null() && schema["enum"].is_null();
                    assert!(!any_text || schema["minLength"] == 1, "{} {} {name}", route.verb, route.path);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_word_outside_an_enumeration_is_told_the_words_before_any_look_up() {
    let (app, root, document) = app().await;
    let mut seen = BTreeSet::new();
    for (route, parameter) in every_parameter(&app, &document) {
        let (name, words) = (name(parameter), words(&document, &parameter["schema"]));
        if words.is_empty() {
            continue;
        }
        seen.insert(name.to_owned());
        let wrong = [String::new(), words[0].to_uppercase(), format!("{},{}", words[0], words[0]), "zz".to_owned()];
        for word in wrong {
            // The run and the file that the query names do not exist.
            let answer = ask(&app, &root, &document, route, &format!("{name}={word}")).await;
            let said = said(&answer, &json!(["query", name]));
            let listed = quoted(&said[0].1);
            assert!(words.iter().all(|word| listed.contains(&word.as_str())), "{name}={word}: {said:?}");
        }
    }
    assert_eq!(seen, ["format", "method", "role", "severity", "status"].map(str::to_owned).into());
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_query_is_named_at_once() {
    let (app, root, _) = app().await;
    let query = "disposition=bought&limit=0&limit=5&skip=-1&seller_loan_number=&sort=x&after=eyJ&srot=line";
    let answer = app.get(&format!("/api/loans?{query}")).by(&root).send().await;
    answer.problem(422);
    let errors = answer.json()["errors"].clone();
    let named: Vec<_> = errors.as_array().unwrap().iter().map(|error| (error["loc"][1].clone(), error["type"].clone())).collect();
    let expected = [
        ("skip", "value_error"),
        ("limit", "value_error"),
        ("after", "value_error"),
        ("run_id", "missing"),
        ("sort", "value_error"),
        ("seller_loan_number", "empty"),
        ("disposition", "value_error"),
        ("limit", "repeated"),
        ("srot", "unknown"),
    ];
    assert_eq!(named, expected.map(|(name, kind)| (json!(name), json!(kind))));
}
