//! Example calls with curl and example answers of an operation, from the examples of the document.

use api::document::example_of;
use serde_json::Value;

/// The curl command that calls an operation, with its required parameters and its headers. The shell variables `API` and `TOKEN`
/// hold the origin and the access token.
pub fn call(document: &Value, verb: &str, path: &str, operation: &Value) -> String {
    let schemas = &document["components"]["schemas"];
    let mut address = path.to_owned();
    let (mut query, mut headers) = (Vec::new(), Vec::new());
    let shown = |parameter: &&Value| parameter["required"] == true || parameter["in"] == "header";
    for parameter in operation["parameters"].as_array().into_iter().flatten().filter(shown) {
        let name = parameter["name"].as_str().unwrap_or_default();
        let value = parameter.get("example").cloned().or_else(|| example_of(&parameter["schema"], schemas)).unwrap_or_default();
        match parameter["in"].as_str() {
            Some("path") => address = address.replace(&format!("{{{name}}}"), &plain(&value)),
            Some("query") => query.push(format!("{name}={}", plain(&value))),
            _ => headers.push(format!("-H '{name}: {}'", plain(&value))),
        }
    }
    if !query.is_empty() {
        address = format!("{address}?{}", query.join("&"));
    }
    let mut parts = vec![format!("curl -L \"$API{address}\"")];
    let body = body(&operation["requestBody"]["content"]);
    // curl sends GET by itself, and POST when there is a body.
    if verb != "get" && (verb != "post" || body.is_none()) {
        parts.push(format!("-X {}", verb.to_uppercase()));
    }
    if operation["security"].is_array() {
        parts.push("-H \"Authorization: Bearer $TOKEN\"".to_owned());
    }
    parts.extend(headers);
    parts.extend(body.into_iter().flatten());
    if answers_with_a_file(operation) {
        parts.push("-OJ".to_owned());
    }
    parts.join(" \\\n  ")
}

/// The arguments of curl that send a body: JSON if the operation accepts it, else an upload of a file.
fn body(contents: &Value) -> Option<Vec<String>> {
    if let Some(json) = contents.get("application/json") {
        let quoted = json["example"].to_string().replace('\'', "'\\''");
        return Some(vec!["-H 'Content-Type: application/json'".to_owned(), format!("-d '{quoted}'")]);
    }
    contents.get("multipart/form-data").map(|_| vec!["-F 'file=@february.csv'".to_owned()])
}

/// Whether the answer is a file to save.
fn answers_with_a_file(operation: &Value) -> bool {
    let shown = |media_type: &String| matches!(media_type.as_str(), "application/json" | "text/html");
    operation["responses"]["200"]["content"].as_object().is_some_and(|contents| !contents.keys().any(shown))
}

/// The first successful answer that has an example: its status and media type, and the example.
pub fn answer(operation: &Value) -> Option<(String, String)> {
    let answers = operation["responses"].as_object()?.iter().filter(|(status, _)| status.starts_with('2'));
    let mut contents = answers.flat_map(|(status, answer)| {
        answer["content"].as_object().into_iter().flatten().map(move |(media_type, content)| (status, media_type, content))
    });
    contents.find_map(|(status, media_type, content)| {
        let example = content.get("example")?;
        let text = example.as_str().map_or_else(|| serde_json::to_string_pretty(example).unwrap_or_default(), str::to_owned);
        Some((format!("{status} {media_type}"), text))
    })
}

/// A value as written in a URL or a sentence: a text without its quotes.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_names_what_the_operation_requires() {
        let id = json!({"name": "run_id", "in": "path", "required": true, "schema": {"example": "7"}});
        let page = json!({"name": "skip", "in": "query", "required": false, "schema": {"default": 0}});
        let key = json!({"name": "key", "in": "query", "required": true, "example": "a", "schema": {"type": "string"}});
        let prefer =
            json!({"name": "Prefer", "in": "header", "required": false, "example": "wait=25", "schema": {"type": "string"}});
        let operation = json!({"parameters": [id, page, key, prefer], "security": [{"bearer": []}], "responses": {}});
        let expected = "curl -L \"$API/api/runs/7?key=a\" \\\n  -H \"Authorization: Bearer $TOKEN\" \\\n  -H 'Prefer: wait=25'";
        assert_eq!(call(&json!({}), "get", "/api/runs/{run_id}", &operation), expected);
    }

    #[test]
    fn a_call_sends_a_body_in_the_quotes_of_the_shell() {
        let content = json!({"application/json": {"example": {"name": "Ana's"}}});
        let operation = json!({"requestBody": {"content": content}, "responses": {}});
        let expected = "curl -L \"$API/x\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{\"name\":\"Ana'\\''s\"}'";
        assert_eq!(call(&json!({}), "post", "/x", &operation), expected);
        let form = json!({"requestBody": {"content": {"multipart/form-data": {}}}, "responses": {}});
        assert_eq!(call(&json!({}), "post", "/x", &form), "curl -L \"$API/x\" \\\n  -F 'file=@february.csv'");
        assert_eq!(call(&json!({}), "post", "/x", &json!({"responses": {}})), "curl -L \"$API/x\" \\\n  -X POST");
    }

    #[test]
    fn a_file_is_saved_under_its_own_name() {
        let operation = json!({"responses": {"200": {"content": {"text/csv": {"example": "a,b"}}}}});
        assert_eq!(call(&json!({}), "get", "/x", &operation), "curl -L \"$API/x\" \\\n  -OJ");
        assert_eq!(answer(&operation), Some(("200 text/csv".to_owned(), "a,b".to_owned())));
        let delete = json!({"responses": {"200": {"content": {"application/json": {"example": {"a": 1}}}}}});
        assert_eq!(call(&json!({}), "delete", "/x", &delete), "curl -L \"$API/x\" \\\n  -X DELETE");
        assert_eq!(answer(&delete), Some(("200 application/json".to_owned(), "{\n  \"a\": 1\n}".to_owned())));
    }
}
