//! The OpenAPI document matches the code, and it says everything that a client has to know.

use std::collections::{BTreeMap, BTreeSet};

use api::{document::example_of, routes::Access};
use serde_json::{Value, json};
use shared::auth::permission::{Grant, Role, grant};

use crate::support::app::{TestApp, document, misfit, resolved};

/// The members of an object; none if the value is not an object.
fn members(object: &'static Value) -> impl Iterator<Item = (&'static String, &'static Value)> {
    object.as_object().into_iter().flatten()
}

/// Every operation, with its verb and path.
fn operations() -> impl Iterator<Item = (String, &'static Value)> {
    members(&document()["paths"]).flat_map(|(path, verbs)| members(verbs).map(move |(verb, one)| (format!("{verb} {path}"), one)))
}

/// Every body of a request or an answer that has a schema, with its place in the document.
fn bodies() -> impl Iterator<Item = (String, &'static Value)> {
    operations().flat_map(|(name, operation)| {
        let answers = members(&operation["responses"]).map(|(status, answer)| (status.as_str(), resolved(answer)));
        let all = answers.chain([("request", &operation["requestBody"])]);
        all.flat_map(move |(place, body)| {
            let name = name.clone();
            members(&body["content"]).map(move |(media_type, content)| (format!("{name} {place} {media_type}"), content))
        })
        .filter(|(_, content)| content.get("schema").is_some())
        .collect::<Vec<_>>()
    })
}

/// Every parameter of the document, with its place.
fn parameters() -> impl Iterator<Item = (String, &'static Value)> {
    operations().flat_map(|(name, operation)| {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.map(move |parameter| (format!("{name} {}", parameter["name"]), parameter))
    })
}

/// The examples of a body.
fn examples(content: &'static Value) -> Vec<&'static Value> {
    let named = members(&content["examples"]).map(|(_, example)| &resolved(example)["value"]);
    content.get("example").into_iter().chain(named).collect()
}

fn schemas() -> &'static Value {
    &document()["components"]["schemas"]
}

#[tokio::test]
async fn the_document_that_is_served_is_the_one_of_the_code() {
    let app = TestApp::new().await;
    let fresh = serde_json::to_string_pretty(&app.fresh_document()).unwrap() + "\n";
    let place = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
    if fresh != health::DOCUMENT {
        std::fs::write(&place, &fresh).unwrap();
        panic!("The endpoints have changed. Copy {} to functions/health/openapi.json and look at what changed.", place.display());
    }
    let answer = app.get("/openapi.json").send().await;
    assert_eq!((answer.text(), answer.header("content-type")), (fresh, "application/json"));
}

#[tokio::test]
async fn functions_do_not_describe_different_things_by_one_name() {
    let app = TestApp::new().await;
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    for (_, api) in local::FUNCTIONS {
        let part = serde_json::to_value(api(&app.resources).document()).unwrap();
        for (name, schema) in part["components"]["schemas"].as_object().into_iter().flatten() {
            let known = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
            assert_eq!(known, schema, "{name}");
        }
    }
}

#[test]
fn every_operation_is_described_completely() {
    let tags: BTreeSet<&str> = document()["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations() {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name}: its id is taken");
        assert!(operation["summary"].is_string(), "{name} has no summary");
        assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{name} is in no known group");
        let (said, _) = operation["description"].as_str().unwrap().split_once("\n\nRoles: ").unwrap_or_default();
        assert!(said.ends_with('.'), "{name} has no description before its roles: {said:?}");
        let named = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "path").count();
        assert_eq!(named, name.matches('{').count(), "{name}: the parameters of its path");
    }
}

#[tokio::test]
async fn the_document_tells_the_roles_of_every_route() {
    let app = TestApp::new().await;
    for route in &app.routes {
        let operation = &document()["paths"][route.path.replace("{*", "{")][route.verb.as_str().to_lowercase()];
        let description = operation["description"].as_str().unwrap();
        let roles = description.rsplit_once("Roles: ").unwrap().1;
        for role in Role::ALL {
            let granted = match route.access {
                Access::Public => Value::Null,
                Access::LoggedIn => json!("all"),
                Access::With(permission) => match grant(role, permission) {
                    Grant::All => json!("all"),
                    Grant::OwnTeam => json!("own_team"),
                    Grant::Nothing => Value::Null,
                },
            };
            assert_eq!(operation["x-roles"][role.as_str()], granted, "{} {} {role}", route.verb, route.path);
            assert_eq!(roles.contains(&format!("`{role}`")), !granted.is_null(), "{} {} {role}", route.verb, route.path);
        }
    }
}

#[tokio::test]
async fn every_route_but_public_ones_is_described_as_needing_a_token() {
    let app = TestApp::new().await;
    assert_eq!(document()["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    for route in &app.routes {
        let path = route.path.replace("{*", "{");
        let operation = &document()["paths"][&path][route.verb.as_str().to_lowercase()];
        let public = route.access == Access::Public;
        assert_eq!(operation["security"].is_array(), !public, "{} {path}", route.verb);
        assert_eq!(operation["responses"]["401"].is_object(), !public || path == "/api/auth/login", "{} {path}", route.verb);
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let text = document().to_string();
    let references: BTreeSet<&str> = text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(!references.is_empty());
    for reference in references {
        assert!(document().pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn every_answer_has_a_description() {
    for (name, operation) in operations() {
        for (status, answer) in members(&operation["responses"]) {
            let description = resolved(answer)["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "{name} {status}");
        }
    }
}

#[test]
fn every_parameter_is_described_and_has_an_example_that_fits() {
    for (name, parameter) in parameters() {
        assert!(parameter["description"].as_str().is_some_and(|said| !said.is_empty()), "{name} has no description");
        let schema = &parameter["schema"];
        // Without a value that fits, a client could not give the parameter at all.
        let example = parameter.get("example").cloned().or_else(|| example_of(schema, schemas()));
        let example = example.unwrap_or_else(|| panic!("{name} has no example"));
        assert_eq!(misfit(schema, &example), None, "{name}");
        let default = schema.get("default").into_iter();
        assert_eq!(default.filter_map(|default| misfit(schema, default)).next(), None, "{name}");
    }
}

#[test]
fn every_schema_is_described_and_has_an_example_that_fits() {
    for (name, schema) in members(schemas()) {
        assert!(schema["description"].is_string(), "{name} has no description");
        let example = example_of(schema, schemas()).unwrap_or_else(|| panic!("{name} has a part without an example"));
        assert_eq!(misfit(schema, &example), None, "{name}");
        let parts = schema["allOf"].as_array().into_iter().flatten();
        for (field, of) in parts.chain([schema]).flat_map(|part| members(&part["properties"])) {
            let described = [of].into_iter().chain(of["oneOf"].as_array().into_iter().flatten());
            assert!(described.into_iter().any(|one| one["description"].is_string()), "{name}.{field} has no description");
            let example = example_of(of, schemas()).unwrap_or_else(|| panic!("{name}.{field} has no example"));
            assert_eq!(misfit(of, &example), None, "{name}.{field}");
        }
    }
}

#[test]
fn every_body_has_examples_that_fit() {
    for (name, content) in bodies() {
        let examples = examples(content);
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            assert_eq!(misfit(&content["schema"], example), None, "{name}");
        }
    }
}

#[test]
fn the_example_of_a_problem_is_one_of_its_status() {
    for (name, content) in bodies().filter(|(name, _)| name.ends_with("application/problem+json")) {
        for example in examples(content) {
            assert!(name.contains(&format!(" {} ", example["status"])), "{name}: {example}");
        }
    }
}

#[test]
fn what_does_not_fit_a_schema_is_found() {
    let user = |role: Value| {
        json!({
            "id": "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90", "email": "a@b.c", "username": "ana", "full_name": null, "role": role,
            "sales_team_id": null, "is_active": true, "created_at": "2026-02-02T09:58:01.300Z"
        })
    };
    let schema = json!({"$ref": "#/components/schemas/User"});
    assert_eq!(misfit(&schema, &user(json!("admin"))), None);
    for (name, value) in
        [("role", json!("owner")), ("id", json!("7")), ("created_at", json!("today")), ("is_active", Value::Null)]
    {
        let mut user = user(json!("admin"));
        user[name] = value;
        assert!(misfit(&schema, &user).is_some_and(|misfit| misfit.starts_with(name)), "{user}");
    }
    let mut without = user(json!("admin"));
    without.as_object_mut().unwrap().shift_remove("email");
    assert_eq!(misfit(&schema, &without), Some("no \"email\"".to_owned()));
    for (schema, value) in [
        (json!({"allOf": [{"type": "string"}, {"type": "object"}]}), json!("csv")),
        (json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}), json!(1)),
        (json!({"type": "integer", "minimum": 0}), json!(-1)),
        (json!({"type": "string", "maxLength": 2}), json!("abc")),
        (json!({"type": "object", "properties": {}, "additionalProperties": false}), json!({"more": 1})),
        (json!({"type": "array", "items": {"type": "string"}}), json!([1])),
        (json!({"type": "string", "pattern": "^[A-Za-z0-9_]{3,50}$"}), json!("a b c")),
        (json!({"unheard_of": true}), json!(1)),
    ] {
        assert!(misfit(&schema, &value).is_some(), "{schema} takes {value}");
    }
}
