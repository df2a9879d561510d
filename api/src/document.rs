//! The OpenAPI document of the product. Handlers describe what is special about an operation. This module derives the rest: roles
//! from the route table, the answers of the gate, the extractors and the stores, and examples of whole bodies from the examples
//! of their fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::auth::permission::{Grant, Role, grant};
use utoipa::{OpenApi as _, openapi::OpenApi};

use super::{
    problem::{ApiError, InputError},
    routes::{Access, Route, documented, is_strict},
    standard_fields,
    stored_results::results_gone,
    trunk::Trunk,
};

/// The media type of problems. utoipa writes `application/json` for them, as for all objects.
const PROBLEM: &str = "application/problem+json";
/// Reference to the schema of a problem.
const PROBLEM_SCHEMA: &str = "#/components/schemas/Problem";

/// An id, a time and a day for examples.
const EXAMPLE_ID: &str = "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90";
const EXAMPLE_TIME: &str = "2026-02-02T09:58:01.300Z";
const EXAMPLE_DAY: &str = "2026-02-15";

/// Merges `parts`, the documents of the functions, into the trunk, and adds standard fields, roles, standard answers and
/// examples.
///
/// # Errors
/// [`serde_json::Error`] when the document cannot be written as JSON.
pub fn complete(parts: OpenApi, routes: &[Route]) -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(Trunk::openapi().merge_from(parts))?;
    if let Some(loan) = document.pointer_mut("/components/schemas/Loan") {
        standard_fields::add(loan);
        // A request may leave out every other member.
        loan["required"] = json!(["row"]);
    }
    for route in routes {
        let (path, verb) = (documented(&route.path), route.verb.as_str().to_lowercase());
        if let Some(operation) = document["paths"].get_mut(&path).and_then(|verbs| verbs.get_mut(&verb)) {
            describe_access(operation, route.access);
        }
    }
    for (_, schema) in members(&mut document["components"], "schemas") {
        join_parts(schema);
    }
    let schemas = document["components"]["schemas"].clone();
    let operations = members(&mut document, "paths")
        .flat_map(|(path, verbs)| verbs.as_object_mut().into_iter().flatten().map(move |(_, operation)| (path, operation)));
    for (path, operation) in operations {
        add_answers(operation, is_strict(path));
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            tidy(&mut parameter["schema"]);
        }
        for (status, answer) in members(operation, "responses") {
            describe_problem(status, answer);
            add_examples(answer, &schemas);
        }
        if let Some(body) = operation.get_mut("requestBody") {
            add_examples(body, &schemas);
        }
    }
    document["components"]["responses"] = STANDARD.iter().map(|one| (one.name, one.response())).collect();
    document["components"]["examples"] = STANDARD.iter().filter_map(|one| Some((one.name, one.example()?))).collect();
    Ok(document)
}

/// The members of the object in the member `name`; none when there is no such object.
fn members<'v>(object: &'v mut Value, name: &str) -> impl Iterator<Item = (&'v String, &'v mut Value)> {
    object.get_mut(name).and_then(Value::as_object_mut).into_iter().flatten()
}

/// Joins the parts of a schema into one object, unless a part refers to a schema with a name. utoipa writes parts for a struct
/// that serde flattens into another one.
fn join_parts(schema: &mut Value) {
    let Some(parts) = schema.get_mut("allOf").and_then(Value::as_array_mut) else { return };
    parts.iter_mut().for_each(join_parts);
    if parts.iter().any(|part| part["type"] != "object") {
        return;
    }
    let required: Vec<Value> =
        parts.iter_mut().filter_map(|part| part["required"].as_array_mut().map(std::mem::take)).flatten().collect();
    let properties: Map<String, Value> =
        parts.iter_mut().flat_map(|part| part["properties"].as_object_mut().map(std::mem::take)).flatten().collect();
    let mut joined = json!({"type": "object"});
    if let Some(description) = schema.get("description") {
        joined["description"] = description.clone();
    }
    joined["required"] = required.into();
    joined["properties"] = properties.into();
    *schema = joined;
}

/// States who may call an operation: for people at the end of its description, for programs in `x-roles`. Adds the answers 401
/// and 403 where they apply.
fn describe_access(operation: &mut Value, access: Access) {
    let grants = Role::ALL.map(|role| match access {
        Access::Public | Access::LoggedIn => (role, Grant::All),
        Access::With(permission) => (role, grant(role, permission)),
    });
    let may: Vec<_> = grants.into_iter().filter(|(_, grant)| *grant != Grant::Nothing).collect();
    let named = may.iter().map(|(role, grant)| match grant {
        Grant::OwnTeam => format!("`{role}` (within its own team)"),
        _ => format!("`{role}`"),
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let roles = if access == Access::Public { "everyone, without a token".to_owned() } else { named };
    let description = operation["description"].as_str().map_or_else(String::new, |said| format!("{said}\n\n"));
    operation["description"] = format!("{description}Roles: {roles}.").into();
    if access == Access::Public {
        return;
    }
    let word = |grant| if grant == Grant::OwnTeam { "own_team" } else { "all" };
    operation["x-roles"] = may.iter().map(|(role, grant)| (role.to_string(), word(*grant))).collect();
    answer(operation, "401");
    if grants.iter().any(|(_, grant)| *grant != Grant::All) {
        answer(operation, "403");
    }
}

/// Adds the answers of the extractors and the stores, and sorts all answers by status.
fn add_answers(operation: &mut Value, with_query: bool) {
    let with_body = operation["requestBody"].is_object();
    // An operation with a token reads the user of the token from a store. Operations with a body use a store as well.
    let with_store = operation["security"].is_array() || with_body;
    let given =
        [("400", with_query || with_body), ("413", with_body), ("415", with_body), ("422", with_query), ("503", with_store)];
    for (status, given) in given {
        if given {
            answer(operation, status);
        }
    }
    let sorted: BTreeMap<String, Value> =
        members(operation, "responses").map(|(status, one)| (status.clone(), one.take())).collect();
    operation["responses"] = sorted.into_iter().collect();
}

/// Adds the standard answer of a status, unless the operation describes this status itself.
fn answer(operation: &mut Value, status: &str) {
    if operation["responses"][status].is_null() {
        let standard = STANDARD.iter().find(|one| one.status == status);
        operation["responses"][status] = standard.map_or(Value::Null, Standard::reference);
    }
}

/// An answer that many operations give.
struct Standard {
    status: &'static str,
    name: &'static str,
    description: &'static str,
    /// A header of the answer, with its description.
    header: Option<(&'static str, &'static str)>,
    /// Makes the error for the example; `None` when the answer has no body.
    error: Option<fn() -> ApiError>,
}

/// The standard answer of each status, for operations that do not describe the status themselves.
static STANDARD: [Standard; 12] = [
    Standard {
        status: "307",
        name: "stored",
        description: "On AWS, an answer of more than 4 MB: fetch it from the URL in `Location`, without the `Authorization` header. \
                      `loan-engine serve` never answers so.",
        header: Some(("Location", "Signed URL of the answer. It is valid for 5 minutes.")),
        error: None,
    },
    Standard {
        status: "400",
        name: "bad_request",
        description: "The request cannot be read: the path or the query is not UTF-8 text, or the body ended too early.",
        header: None,
        error: Some(|| ApiError::Refused("bad_query", "The query is not UTF-8 text.".into())),
    },
    Standard {
        status: "401",
        name: "unauthenticated",
        description: "The request has no valid access token, or its user is disabled.",
        header: Some(("WWW-Authenticate", "Always `Bearer`.")),
        error: Some(ApiError::not_logged_in),
    },
    Standard {
        status: "403",
        name: "forbidden",
        description: "The role of the user does not allow this, or the user has the role `sales_team` and no team.",
        header: None,
        error: Some(ApiError::not_allowed),
    },
    Standard {
        status: "404",
        name: "not_found",
        description: "What the URL names does not exist, or belongs to another team.",
        header: None,
        error: Some(|| ApiError::not_found("The run")),
    },
    Standard {
        status: "409",
        name: "conflict",
        description: "Another change came first.",
        header: None,
        error: Some(|| ApiError::Conflict("file_changed", "The file was replaced in the meantime. Try again.".into())),
    },
    Standard {
        status: "410",
        name: "results_gone",
        description: "The results of the run were removed some time after the run. The run and its summary stay.",
        header: None,
        error: Some(results_gone),
    },
    Standard {
        status: "413",
        name: "too_large",
        description: "The body is larger than 1 MiB.",
        header: None,
        error: Some(|| ApiError::TooLarge("The body is larger than 1048576 bytes.".into())),
    },
    Standard {
        status: "415",
        name: "unsupported_media_type",
        description: "The body has a media type that this operation does not take.",
        header: None,
        error: Some(|| ApiError::UnsupportedMediaType("Send the body as `application/json`.".into())),
    },
    Standard {
        status: "422",
        name: "invalid_input",
        description: "A value is missing, unknown, repeated or out of range. `errors` names each one.",
        header: None,
        error: Some(|| ApiError::invalid(InputError::query("limit", "It must be from 1 to 1000."))),
    },
    Standard {
        status: "429",
        name: "too_many_tries",
        description: "Too many requests at once or in a row. Try again after the seconds in `Retry-After`.",
        header: Some(("Retry-After", "Number of seconds to wait.")),
        error: Some(|| ApiError::TooManyTries("Too many failed tries to log in. Wait, then try again.".into(), 900)),
    },
    Standard {
        status: "503",
        name: "unavailable",
        description: "The storage does not answer. Try again after the seconds in `Retry-After`.",
        header: Some(("Retry-After", "Number of seconds to wait.")),
        error: Some(|| ApiError::Unavailable("the table does not answer".into())),
    },
];

impl Standard {
    fn reference(&self) -> Value {
        json!({"$ref": format!("#/components/responses/{}", self.name)})
    }

    fn response(&self) -> Value {
        let mut response = json!({"description": self.description});
        if let Some((name, description)) = self.header {
            response["headers"] = json!({name: {"description": description, "schema": {"type": "string"}}});
        }
        if self.error.is_some() {
            response["content"] = json!({PROBLEM: {"schema": {"$ref": PROBLEM_SCHEMA}, "examples": self.examples()}});
        }
        response
    }

    fn examples(&self) -> Value {
        json!({self.name: {"$ref": format!("#/components/examples/{}", self.name)}})
    }

    fn example(&self) -> Option<Value> {
        let problem = self.error?().problem();
        Some(json!({"summary": self.description, "value": problem.object(EXAMPLE_ID)}))
    }
}

/// Replaces an answer without a description by the standard one, and gives a problem its media type and an example.
fn describe_problem(status: &str, answer: &mut Value) {
    let standard = STANDARD.iter().find(|one| one.status == status);
    let silent = answer["$ref"].is_null() && answer["description"].as_str().is_none_or(str::is_empty);
    if silent && let Some(standard) = standard {
        *answer = standard.reference();
        return;
    }
    let Some(content) = answer["content"].get("application/json") else { return };
    if content["schema"]["$ref"] != PROBLEM_SCHEMA {
        return;
    }
    let mut content = content.clone();
    if content["example"].is_null()
        && let Some(standard) = standard
    {
        content["examples"] = standard.examples();
    }
    answer["content"] = json!({PROBLEM: content});
}

/// Adds an example to each body that has a schema and no example.
fn add_examples(bodies: &mut Value, schemas: &Value) {
    for (_, content) in members(bodies, "content") {
        let shown = content.get("example").is_some() || content.get("examples").is_some();
        if !shown && let Some(example) = content.get("schema").and_then(|schema| example_of(schema, schemas)) {
            content["example"] = example;
        }
    }
}

/// A value that fits a schema, made of the examples of its parts; `None` when a part that needs an example has none.
pub fn example_of(schema: &Value, schemas: &Value) -> Option<Value> {
    if let Some(written) = ["example", "const", "default"].into_iter().find_map(|word| schema.get(word)) {
        return Some(written.clone());
    }
    if let Some(first) = schema["examples"].get(0).or(schema["enum"].get(0)) {
        return Some(first.clone());
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/components/schemas/")) {
        return example_of(&schemas[name], schemas);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let may_be_null = choices.iter().any(|choice| choice["type"] == "null");
        return if may_be_null { Some(Value::Null) } else { example_of(choices.first()?, schemas) };
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().map(|part| Some(example_of(part, schemas)?.as_object()?.clone()));
        return Some(parts.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect());
    }
    match (kind_of(schema)?, schema["format"].as_str()) {
        ("object", _) => {
            let fields = schema["properties"].as_object()?.iter();
            fields.map(|(name, field)| Some((name.clone(), example_of(field, schemas)?))).collect()
        }
        ("array", _) => Some(json!([example_of(&schema["items"], schemas)?])),
        ("boolean", _) => Some(true.into()),
        ("string", Some("uuid")) => Some(EXAMPLE_ID.into()),
        ("string", Some("date-time")) => Some(EXAMPLE_TIME.into()),
        ("string", Some("date")) => Some(EXAMPLE_DAY.into()),
        _ => None,
    }
}

/// The type of a schema other than `null`.
fn kind_of(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    }
}

/// Corrects two mistakes of utoipa in the schemas of parameters. It writes the default of a named type as an object in addition
/// to the type, and no value fits both. And it lets an optional parameter be null, which neither a header nor a query can
/// express.
fn tidy(schema: &mut Value) {
    if let Some([named, with_default]) = schema["allOf"].as_array().map(Vec::as_slice) {
        let (mut named, default) = (named.clone(), with_default["default"].clone());
        named["default"] = default;
        *schema = named;
    }
    if let Some(kind) = kind_of(schema) {
        schema["type"] = kind.into();
    }
}

#[cfg(test)]
mod tests {
    use shared::auth::permission::Permission;

    use crate::routes::Verb;

    use super::*;

    fn completed(operation: &Value, access: Access) -> Value {
        completed_at("/x", operation, access)
    }

    fn completed_at(path: &str, operation: &Value, access: Access) -> Value {
        let document = json!({"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {path: {"get": operation}}});
        let document: OpenApi = serde_json::from_value(document).unwrap();
        complete(document, &[Route { verb: Verb::Get, path: path.to_owned(), access }]).unwrap()["paths"][path]["get"].take()
    }

    fn statuses(operation: &Value) -> Vec<&str> {
        operation["responses"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn problems_have_their_media_type_and_objects_theirs() {
        let content = |schema: &str| json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}});
        let operation = json!({"responses": {
            "200": {"description": "A run", "content": content("Run")},
            "404": {"description": "No such run", "content": content("Problem")},
        }});
        let responses = &completed(&operation, Access::Public)["responses"];
        assert_eq!(responses["200"]["content"], content("Run"));
        assert_eq!(responses["404"]["content"].as_object().unwrap().keys().collect::<Vec<_>>(), ["application/problem+json"]);
        assert_eq!(responses["404"]["description"], "No such run");
    }

    #[test]
    fn an_operation_has_the_answers_of_what_stands_around_it() {
        let public = |operation: &Value| completed(operation, Access::Public);
        assert_eq!(statuses(&public(&json!({"responses": {}}))), [""; 0]);
        let token = completed(&json!({"responses": {}, "security": [{"bearer": []}]}), Access::LoggedIn);
        assert_eq!(statuses(&token), ["401", "503"]);
        // Every endpoint below `/api/` checks its query, even when it takes none.
        let query = completed_at("/api/x", &json!({"responses": {"422": {"description": "own"}}}), Access::Public);
        assert_eq!((statuses(&query), &query["responses"]["422"]["description"]), (vec!["400", "422"], &json!("own")));
        assert_eq!(statuses(&public(&json!({"responses": {}, "requestBody": {"content": {}}}))), ["400", "413", "415", "503"]);
    }

    #[test]
    fn roles_come_from_the_table_of_permissions() {
        let operation = json!({"description": "It reads.", "responses": {}, "security": [{"bearer": []}]});
        let read = completed(&operation, Access::With(Permission::ReadRuns));
        assert_eq!(read["description"], "It reads.\n\nRoles: `admin`, `analyst`, `sales_team` (within its own team).");
        assert_eq!(read["x-roles"], json!({"admin": "all", "analyst": "all", "sales_team": "own_team"}));
        let manage = completed(&operation, Access::With(Permission::ManageUsers));
        assert_eq!((&manage["x-roles"], statuses(&manage)), (&json!({"admin": "all"}), vec!["401", "403", "503"]));
        let public = completed(&json!({"responses": {}}), Access::Public);
        assert_eq!((&public["description"], &public["x-roles"]), (&json!("Roles: everyone, without a token."), &Value::Null));
    }

    #[test]
    fn an_answer_that_says_nothing_of_itself_is_the_standard_one() {
        let operation = json!({"responses": {"404": {"description": "", "content": {}}}});
        let responses = &completed(&operation, Access::Public)["responses"];
        assert_eq!(responses["404"], json!({"$ref": "#/components/responses/not_found"}));
    }

    #[test]
    fn a_parameter_fits_its_own_default_and_is_never_null() {
        for (written, tidied) in [
            (
                json!({"allOf": [{"type": "string", "enum": ["csv", "xlsx"]}, {"type": "object", "default": "csv"}]}),
                json!({"type": "string", "enum": ["csv", "xlsx"], "default": "csv"}),
            ),
            (json!({"type": ["string", "null"]}), json!({"type": "string"})),
            (json!({"$ref": "#/components/schemas/Role"}), json!({"$ref": "#/components/schemas/Role"})),
        ] {
            let mut schema = written;
            tidy(&mut schema);
            assert_eq!(schema, tidied);
        }
    }

    #[test]
    fn an_example_is_made_of_the_examples_of_its_parts() {
        let schemas = json!({
            "Role": {"type": "string", "enum": ["admin", "analyst"]},
            "User": {"type": "object", "properties": {"role": {"$ref": "#/components/schemas/Role"}, "name": {"type": "string"}}},
        });
        for (schema, example) in [
            (json!({"type": ["integer", "null"], "example": 7}), Some(json!(7))),
            (json!({"type": "array", "items": {"$ref": "#/components/schemas/Role"}}), Some(json!(["admin"]))),
            (json!({"oneOf": [{"$ref": "#/components/schemas/Role"}, {"type": "null"}]}), Some(Value::Null)),
            (
                json!({"allOf": [
                    {"type": "object", "properties": {"a": {"type": "boolean"}}},
                    {"type": "object", "properties": {"b": {"type": "string", "format": "date"}}},
                ]}),
                Some(json!({"a": true, "b": "2026-02-15"})),
            ),
            // `name` has no example, and its type suggests none.
            (json!({"$ref": "#/components/schemas/User"}), None),
        ] {
            assert_eq!(example_of(&schema, &schemas), example, "{schema}");
        }
    }

    #[test]
    fn an_object_of_unnamed_parts_is_one_object() {
        let part = |name: &str| json!({"type": "object", "description": "A part.", "required": [name], "properties": {name: {"type": "string"}}});
        let inline = json!({"allOf": [part("a"), {"type": "object", "description": "Again."}]});
        let mut joined = json!({"allOf": [inline, part("b")], "description": "Both."});
        join_parts(&mut joined);
        let properties = json!({"a": {"type": "string"}, "b": {"type": "string"}});
        assert_eq!(joined, json!({"type": "object", "description": "Both.", "required": ["a", "b"], "properties": properties}));
        let named = json!({"allOf": [{"$ref": "#/components/schemas/A"}, part("b")]});
        let mut stays = named.clone();
        join_parts(&mut stays);
        assert_eq!(stays, named);
    }

    #[test]
    fn each_status_has_one_standard_answer() {
        for one in &STANDARD {
            assert_eq!(STANDARD.iter().filter(|other| other.status == one.status || other.name == one.name).count(), 1);
            if let Some(example) = one.example() {
                assert_eq!(example["value"]["status"].to_string(), one.status);
            }
        }
    }
}
