//! Writes an OpenAPI document as one HTML page: the endpoints by tag, then the schemas.

mod example;
mod markup;

use serde_json::{Map, Value};

use example::plain;
use markup::{block, code, escaped, paragraphs, prose, row, table};

/// Style sheet of the page.
pub const STYLE: &str = include_str!("page.css");

/// The verbs of a path, in the order in which they are shown.
const VERBS: [&str; 4] = ["get", "post", "put", "delete"];

/// Icon of the page: a house. The page itself contains the drawing.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns=%27http://www.w3.org/2000/svg%27 viewBox=%270 0 16 16%27%3E\
                    %3Crect width=%2716%27 height=%2716%27 rx=%273%27 fill=%27%231f5fae%27/%3E\
                    %3Cpath d=%27M8 3 2.8 7.6h1.5V13h2.9V9.6h1.6V13h2.9V7.6h1.5z%27 fill=%27%23fff%27/%3E%3C/svg%3E";

/// Commands that set the variables of the example calls.
const LOG_IN: &str = "API=http://127.0.0.1:8000\n\
                      TOKEN=$(curl -sL \"$API/api/auth/login\" -d username=admin --data-urlencode 'password=YOUR PASSWORD' \\\n  \
                      | sed -n 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/p')";

/// Writes the page of a document.
pub fn of(document: &Value) -> String {
    let info = &document["info"];
    let (title, version) = (escaped(text(&info["title"])), escaped(text(&info["version"])));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} {version}</title><link rel=\"icon\" href=\"{ICON}\"><style>{STYLE}</style></head>\n<body>\n"
    );
    page += &navigation(document);
    page += &format!("<main>\n<h1>{title} <small>{version}</small></h1>\n{}", paragraphs(text(&info["description"])));
    page += "<p>For programs: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1).</p>\n";
    page += &block("Before the example calls", LOG_IN);
    for tag in members_of(&document["tags"]) {
        let name = text(&tag["name"]);
        page += &format!("<section id=\"{0}\">\n<h2>{0}</h2>\n{1}", escaped(name), paragraphs(text(&tag["description"])));
        for endpoint in endpoints(document).filter(|endpoint| endpoint.tag() == name) {
            page += &endpoint.shown();
        }
        page += "</section>\n";
    }
    page += "<section id=\"schemas\">\n<h2>schemas</h2>\n<p>Objects that requests and answers are made of.</p>\n";
    for (name, schema) in fields(&document["components"]["schemas"]) {
        page += &shown_schema(name, schema);
    }
    page + "</section>\n</main>\n</body>\n</html>\n"
}

fn navigation(document: &Value) -> String {
    let mut list = String::from("<nav aria-label=\"Endpoints\">\n");
    for tag in members_of(&document["tags"]) {
        let name = text(&tag["name"]);
        list += &format!("<a class=\"group\" href=\"#{0}\">{0}</a>\n", escaped(name));
        for endpoint in endpoints(document).filter(|endpoint| endpoint.tag() == name) {
            list += &format!("<a href=\"#{}\">{}</a>\n", endpoint.anchor(), endpoint.heading());
        }
    }
    list + "<a class=\"group\" href=\"#schemas\">schemas</a>\n</nav>\n"
}

/// One verb of one path.
struct Endpoint<'d> {
    document: &'d Value,
    path: &'d str,
    verb: &'static str,
    operation: &'d Value,
}

fn endpoints(document: &Value) -> impl Iterator<Item = Endpoint<'_>> {
    fields(&document["paths"]).flat_map(move |(path, verbs)| {
        let known = move |verb: &'static str| verbs.get(verb).map(|operation| Endpoint { document, path, verb, operation });
        VERBS.into_iter().filter_map(known)
    })
}

impl Endpoint<'_> {
    fn tag(&self) -> &str {
        text(&self.operation["tags"][0])
    }

    fn anchor(&self) -> String {
        escaped(text(&self.operation["operationId"]))
    }

    fn heading(&self) -> String {
        // Lets a long path wrap after each of its parts.
        let path = escaped(self.path).replace('/', "/<wbr>");
        format!("<b class=\"{0}\">{1}</b> {path}", self.verb, self.verb.to_uppercase())
    }

    fn shown(&self) -> String {
        let operation = self.operation;
        // The anchor is inside `details`, so that browsers open the details when a link leads there.
        let mut shown = format!(
            "<details><summary><code>{}</code> <span>{}</span> {}</summary>\n<div id=\"{}\">\n{}",
            self.heading(),
            escaped(text(&operation["summary"])),
            self.roles(),
            self.anchor(),
            paragraphs(text(&operation["description"])),
        );
        let parameters: String = members_of(&operation["parameters"]).map(parameter_row).collect();
        shown += &table("Parameters", ["Name", "In", "Type", "Meaning"], &parameters);
        let body: String = fields(&operation["requestBody"]["content"])
            .map(|(media_type, content)| row([code(media_type), type_of(&content["schema"])]))
            .collect();
        shown += &table("Body", ["Media type", "Type"], &body);
        let answers: String = fields(&operation["responses"]).map(|(status, answer)| self.answer_row(status, answer)).collect();
        shown += &table("Answers", ["Status", "Type", "Meaning"], &answers);
        shown += &block("Example call", &example::call(self.document, self.verb, self.path, operation));
        if let Some((what, text)) = example::answer(operation) {
            shown += &block(&format!("Example answer: {what}"), &text);
        }
        shown + "</div></details>\n"
    }

    /// The roles that may call the endpoint, as labels.
    fn roles(&self) -> String {
        if !self.operation["security"].is_array() {
            return "<i>public</i>".to_owned();
        }
        let label = |(role, grant): (&str, &Value)| match text(grant) {
            "own_team" => format!("<i>{} (own team)</i>", escaped(role)),
            _ => format!("<i>{}</i>", escaped(role)),
        };
        fields(&self.operation["x-roles"]).map(label).collect::<Vec<_>>().join(" ")
    }

    fn answer_row(&self, status: &str, answer: &Value) -> String {
        let answer = resolved(self.document, answer);
        let contents: Vec<String> = fields(&answer["content"])
            .map(|(media_type, content)| match content.get("schema") {
                Some(schema) if schema["type"] != "string" => type_of(schema),
                _ => code(media_type),
            })
            .collect();
        row([code(status), contents.join(" or "), prose(text(&answer["description"]))])
    }
}

/// The target of a reference in the document, or the value itself when it is not a reference.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let place = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    place.and_then(|place| document.pointer(place)).unwrap_or(value)
}

fn parameter_row(parameter: &Value) -> String {
    let name = name_of(text(&parameter["name"]), parameter["required"] == true);
    let meaning = meaning_of(text(&parameter["description"]), parameter.get("example"));
    row([name, escaped(text(&parameter["in"])), type_of(&parameter["schema"]), meaning])
}

fn shown_schema(name: &str, schema: &Value) -> String {
    let mut shown =
        format!("<article id=\"schema-{0}\">\n<h3>{0}</h3>\n{1}", escaped(name), paragraphs(text(&schema["description"])));
    let required: Vec<&str> = members_of(&schema["required"]).map(text).collect();
    let rows: String = fields(&schema["properties"]).map(|(field, of)| field_row(field, of, required.contains(&field))).collect();
    if rows.is_empty() {
        shown += &format!("<p>{}</p>\n", type_of(schema));
    } else {
        shown += &table("", ["Field", "Type", "Meaning"], &rows);
    }
    shown + "</article>\n"
}

fn field_row(field: &str, schema: &Value, required: bool) -> String {
    // A nullable field has its description at the type that is not null.
    let described = std::iter::once(schema).chain(members_of(&schema["oneOf"])).find_map(|schema| schema["description"].as_str());
    row([name_of(field, required), type_of(schema), meaning_of(described.unwrap_or_default(), schema.get("example"))])
}

/// The description of a parameter or a field, with its example if the example is short.
fn meaning_of(description: &str, example: Option<&Value>) -> String {
    const LONGEST: usize = 80;
    let example = example.map(plain).filter(|example| example.chars().count() <= LONGEST);
    let example = example.map(|example| format!(" <small>Example: {}</small>", code(&example)));
    prose(description) + &example.unwrap_or_default()
}

/// The values that a schema accepts, in a few words.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>{1}", escaped(name), limits(schema));
    }
    let parts: Vec<String> = members_of(&schema["allOf"]).map(type_of).collect();
    if !parts.is_empty() {
        return parts.join(" and ");
    }
    let choices: Vec<String> = ["oneOf", "anyOf"].into_iter().flat_map(|word| members_of(&schema[word])).map(type_of).collect();
    if !choices.is_empty() {
        return choices.join(" or ");
    }
    if schema["enum"].is_array() {
        let words: Vec<String> = members_of(&schema["enum"]).map(|word| code(&plain(word))).collect();
        return words.join(" ") + &limits(schema);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        names => members_of(names).map(text).collect(),
    };
    let named = |name: &&str| match *name {
        "array" => format!("list of {}", type_of(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", type_of(&schema["additionalProperties"]))
        }
        // The fields of an object whose schema has no name.
        "object" if schema["properties"].is_object() => {
            let parts: Vec<String> =
                fields(&schema["properties"]).map(|(field, of)| format!("{}: {}", code(field), type_of(of))).collect();
            parts.join(", ")
        }
        name => escaped(name),
    };
    let named: Vec<String> = types.iter().map(named).collect();
    let named = if named.is_empty() { "any value".to_owned() } else { named.join(" or ") };
    named + &limits(schema)
}

/// The format, the limits and the default of a schema.
fn limits(schema: &Value) -> String {
    const WORDS: [(&str, &str); 9] = [
        ("format", ""),
        ("minimum", "from "),
        ("exclusiveMinimum", "above "),
        ("maximum", "to "),
        ("minLength", "at least characters: "),
        ("maxLength", "at most characters: "),
        ("pattern", "like "),
        ("default", "default "),
        ("const", "always "),
    ];
    // The storage size of a number tells people nothing.
    const WIDTHS: [&str; 3] = ["int32", "int64", "double"];
    let said = WORDS.iter().filter_map(|(member, word)| schema.get(*member).map(|value| format!("{word}{}", plain(value))));
    let said: Vec<String> = said.filter(|word| !WIDTHS.contains(&word.as_str())).collect();
    if said.is_empty() { String::new() } else { format!(" <small>{}</small>", escaped(&said.join(", "))) }
}

fn name_of(name: &str, required: bool) -> String {
    format!("{}{}", code(name), if required { " <small>required</small>" } else { "" })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn members_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_told_in_words() {
        for (schema, words) in [
            (json!({"type": "string", "format": "uuid"}), "string <small>uuid</small>"),
            (json!({"type": ["string", "null"]}), "string or null"),
            (
                json!({"type": "array", "items": {"$ref": "#/components/schemas/User"}}),
                "list of <a href=\"#schema-User\">User</a>",
            ),
            (json!({"oneOf": [{"type": "null"}, {"type": "integer"}]}), "null or integer"),
            (json!({"type": "string", "enum": ["a", "b"]}), "<code>a</code> <code>b</code>"),
            (json!({"type": "integer", "format": "int64", "minimum": 1, "maximum": 9}), "integer <small>from 1, to 9</small>"),
            (json!({"type": "object", "additionalProperties": {"type": "integer"}}), "object of integer"),
            (
                json!({"allOf": [{"$ref": "#/components/schemas/File"}, {"type": "object", "properties": {"key": {"type": "string"}}}]}),
                "<a href=\"#schema-File\">File</a> and <code>key</code>: string",
            ),
            (json!({}), "any value"),
        ] {
            assert_eq!(type_of(&schema), words);
        }
    }

    #[test]
    fn a_field_is_shown_with_its_meaning_and_an_example() {
        let count = json!({"type": "integer", "description": "Number of `loans`.", "example": 7});
        let expected = "<tr><td><code>count</code> <small>required</small></td><td>integer</td>\
                        <td>Number of <code>loans</code>. <small>Example: <code>7</code></small></td></tr>\n";
        assert_eq!(field_row("count", &count, true), expected);
        let error = json!({"oneOf": [{"$ref": "#/components/schemas/E", "description": "Why."}, {"type": "null"}]});
        assert!(field_row("error", &error, false).ends_with("<td>Why.</td></tr>\n"));
    }

    #[test]
    fn nothing_of_a_document_becomes_markup() {
        let nasty = "`<script>alert('x')</script>`<script>alert('x')</script>";
        let content = json!({nasty: {"schema": {"type": nasty}, "example": nasty}});
        let page = of(&json!({
            "info": {"title": nasty, "version": nasty, "description": nasty},
            "tags": [{"name": nasty, "description": nasty}],
            "paths": {nasty: {"get": {
                "tags": [nasty], "operationId": nasty, "summary": nasty, "description": nasty, "security": [], "x-roles": {nasty: "all"},
                "parameters": [{"name": nasty, "in": "query", "required": true, "description": nasty, "example": nasty}],
                "requestBody": {"content": content}, "responses": {"200": {"description": nasty, "content": content}},
            }}},
            "components": {"schemas": {nasty: {"description": nasty, "properties": {nasty: {"type": nasty, "default": nasty}}}}},
        }));
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("alert('"), "{page}");
    }
}
