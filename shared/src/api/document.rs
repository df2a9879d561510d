//! What all operations of the OpenAPI document have in common: the answers that come from what stands around the handlers, and
//! the media type of problems.

use utoipa::{
    Modify,
    openapi::{
        OpenApi, Ref, RefOr,
        content::ContentBuilder,
        path::{Operation, PathItem},
        response::{Response, ResponseBuilder},
    },
};

/// The media type of problems, which is not the one that the document gives to objects.
const PROBLEM: &str = "application/problem+json";
/// Where the document describes a problem.
const PROBLEM_SCHEMA: &str = "#/components/schemas/Problem";

/// Adds to each operation what it need not say itself, because it is so for all of their kind.
#[derive(Debug, Clone, Copy)]
pub struct CommonAnswers;

impl Modify for CommonAnswers {
    fn modify(&self, document: &mut OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let PathItem { get, put, post, delete, .. } = item;
            for operation in [get, put, post, delete].into_iter().flatten() {
                add(path, operation);
                operation.responses.responses.values_mut().for_each(mark);
            }
        }
    }
}

/// Adds the answers of extractors and of stores.
fn add(path: &str, operation: &mut Operation) {
    // Every endpoint looks at its query, also to refuse one.
    if path.starts_with("/api/") {
        put(operation, "400", "The query is not UTF-8 text");
        put(operation, "422", "A parameter is unknown, missing, repeated, empty or malformed; `errors` names each");
    }
    if operation.request_body.is_some() {
        put(operation, "400", "The body ended before it was complete");
    }
    // Whatever asks for a token asks a store whose it is.
    if operation.security.is_some() || operation.request_body.is_some() {
        put(operation, "503", "The storage does not answer; see `Retry-After`");
    }
}

fn put(operation: &mut Operation, status: &str, description: &str) {
    let problem = || {
        let content = ContentBuilder::new().schema(Some(Ref::new(PROBLEM_SCHEMA))).build();
        ResponseBuilder::new().description(description).content(PROBLEM, content).build()
    };
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem()));
}

/// Gives a problem its media type.
fn mark(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    let is_problem = |content: &RefOr<utoipa::openapi::content::Content>| match content {
        RefOr::T(content) => matches!(&content.schema, Some(RefOr::Ref(schema)) if schema.ref_location == PROBLEM_SCHEMA),
        RefOr::Ref(_) => false,
    };
    if response.content.get("application/json").is_some_and(is_problem)
        && let Some(content) = response.content.shift_remove("application/json")
    {
        response.content.insert(PROBLEM.to_owned(), content);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn modified_at(path: &str, operation: &Value) -> Value {
        let document = json!({"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {path: {"get": operation}}});
        let mut document: OpenApi = serde_json::from_value(document).unwrap();
        CommonAnswers.modify(&mut document);
        serde_json::to_value(document).unwrap()["paths"][path]["get"]["responses"].take()
    }

    fn modified(operation: &Value) -> Value {
        modified_at("/x", operation)
    }

    fn names(object: &Value) -> Vec<&str> {
        object.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn problems_have_their_media_type_and_objects_theirs() {
        let content = |schema: &str| json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}});
        let responses = modified(&json!({"responses": {
            "200": {"description": "", "content": content("Run")},
            "404": {"description": "No such run", "content": content("Problem")},
        }}));
        assert_eq!(responses["200"]["content"], content("Run"));
        assert_eq!(names(&responses["404"]["content"]), ["application/problem+json"]);
        assert_eq!(responses["404"]["description"], "No such run");
    }

    #[test]
    fn an_operation_has_the_answers_of_what_stands_around_it() {
        assert_eq!(names(&modified(&json!({"responses": {}}))), [""; 0]);
        let token = json!({"responses": {}, "security": [{"bearer": []}]});
        assert_eq!(names(&modified(&token)), ["503"]);
        let responses = modified_at("/api/x", &json!({"responses": {"422": {"description": "own"}}}));
        assert_eq!((names(&responses), &responses["422"]["description"]), (vec!["400", "422"], &json!("own")));
        let body = json!({"responses": {}, "requestBody": {"content": {}}});
        assert_eq!(names(&modified(&body)), ["400", "503"]);
    }
}
