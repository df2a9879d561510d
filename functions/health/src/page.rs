//! An OpenAPI document, written as one page of HTML: the endpoints by their tags, then the schemas.

use serde_json::{Map, Value};

/// How the page looks.
pub const STYLE: &str = include_str!("page.css");

/// The verbs of a path, in the order in which they are shown.
const VERBS: [&str; 4] = ["get", "post", "put", "delete"];

/// The page of a document.
pub fn of(document: &Value) -> String {
    let info = &document["info"];
    let (title, version) = (escaped(text(&info["title"])), escaped(text(&info["version"])));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} {version}</title><style>{STYLE}</style></head>\n<body>\n"
    );
    page += &navigation(document);
    page += &format!("<main>\n<h1>{title} <small>{version}</small></h1>\n{}", paragraph(&info["description"]));
    page += "<p>The document for programs: <a href=\"/openapi.json\">/openapi.json</a></p>\n";
    for tag in members_of(&document["tags"]) {
        let name = text(&tag["name"]);
        page += &format!("<section id=\"{0}\">\n<h2>{0}</h2>\n{1}", escaped(name), paragraph(&tag["description"]));
        for endpoint in endpoints(document).filter(|endpoint| endpoint.tag() == name) {
            page += &endpoint.shown();
        }
        page += "</section>\n";
    }
    page += "<section id=\"schemas\">\n<h2>Schemas</h2>\n";
    for (name, schema) in fields(&document["components"]["schemas"]) {
        page += &shown_schema(name, schema);
    }
    page + "</section>\n</main>\n</body>\n</html>\n"
}

fn navigation(document: &Value) -> String {
    let mut list = String::from("<nav>\n");
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
    path: &'d str,
    verb: &'static str,
    operation: &'d Value,
}

fn endpoints(document: &Value) -> impl Iterator<Item = Endpoint<'_>> {
    fields(&document["paths"]).flat_map(|(path, verbs)| {
        let known = |verb: &'static str| verbs.get(verb).map(|operation| Endpoint { path, verb, operation });
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
        format!("<b class=\"{0}\">{1}</b> {2}", self.verb, self.verb.to_uppercase(), escaped(self.path))
    }

    fn shown(&self) -> String {
        let operation = self.operation;
        let access = if operation["security"].is_array() { "needs a token" } else { "open to everybody" };
        let mut shown = format!(
            "<details id=\"{}\"><summary><code>{}</code> {} <i>{access}</i></summary>\n{}",
            self.anchor(),
            self.heading(),
            escaped(text(&operation["summary"])),
            paragraph(&operation["description"]),
        );
        let parameters: String = members_of(&operation["parameters"]).map(parameter_row).collect();
        shown += &table("Parameters", ["Name", "In", "Type", "Meaning"], &parameters);
        let body: String = contents(&operation["requestBody"]).collect();
        shown += &table("Body", ["Media type", "Type"], &body);
        let answers: String = fields(&operation["responses"])
            .map(|(status, answer)| {
                let contents: Vec<String> = fields(&answer["content"]).map(|(_, content)| type_of(&content["schema"])).collect();
                row([escaped(status), contents.join(" or "), escaped(text(&answer["description"]))])
            })
            .collect();
        shown += &table("Answers", ["Status", "Type", "Meaning"], &answers);
        shown + "</details>\n"
    }
}

fn parameter_row(parameter: &Value) -> String {
    let name = name_of(text(&parameter["name"]), parameter["required"] == true);
    let meaning = escaped(text(&parameter["description"]));
    row([name, escaped(text(&parameter["in"])), type_of(&parameter["schema"]), meaning])
}

fn contents(body: &Value) -> impl Iterator<Item = String> {
    fields(&body["content"]).map(|(media_type, content)| row([escaped(media_type), type_of(&content["schema"])]))
}

fn shown_schema(name: &str, schema: &Value) -> String {
    let mut shown = format!("<article id=\"schema-{0}\">\n<h3>{0}</h3>\n{1}", escaped(name), paragraph(&schema["description"]));
    let required: Vec<&str> = members_of(&schema["required"]).map(text).collect();
    let rows: String = fields(&schema["properties"])
        .map(|(field, of)| row([name_of(field, required.contains(&field)), type_of(of), escaped(text(&of["description"]))]))
        .collect();
    if rows.is_empty() {
        shown += &format!("<p>{}</p>\n", type_of(schema));
    } else {
        shown += &table("", ["Field", "Type", "Meaning"], &rows);
    }
    shown + "</article>\n"
}

/// What values a schema takes, in a few words.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name));
    }
    let choices = ["oneOf", "anyOf", "allOf"].into_iter().flat_map(|word| members_of(&schema[word]));
    let choices: Vec<String> = choices.map(type_of).collect();
    if !choices.is_empty() {
        return choices.join(" or ");
    }
    if schema["enum"].is_array() {
        let words: Vec<String> =
            members_of(&schema["enum"]).map(|word| format!("<code>{}</code>", escaped(&plain(word)))).collect();
        return words.join(" ") + &limits(schema);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        names => members_of(names).map(text).collect(),
    };
    let named = |name: &&str| match *name {
        "array" => format!("list of {}", type_of(&schema["items"])),
        name => escaped(name),
    };
    let named: Vec<String> = types.iter().map(named).collect();
    let named = if named.is_empty() { "any value".to_owned() } else { named.join(" or ") };
    named + &limits(schema)
}

/// What a schema says beyond the type.
fn limits(schema: &Value) -> String {
    const WORDS: [(&str, &str); 8] = [
        ("format", ""),
        ("minimum", "from "),
        ("maximum", "to "),
        ("minLength", "at least characters: "),
        ("maxLength", "at most characters: "),
        ("pattern", "like "),
        ("default", "default "),
        ("const", "always "),
    ];
    let said = WORDS.iter().filter_map(|(member, word)| schema.get(*member).map(|value| format!("{word}{}", plain(value))));
    let said: Vec<String> = said.collect();
    if said.is_empty() { String::new() } else { format!(" <small>{}</small>", escaped(&said.join(", "))) }
}

fn name_of(name: &str, required: bool) -> String {
    format!("<code>{}</code>{}", escaped(name), if required { " <small>required</small>" } else { "" })
}

fn table<const N: usize>(title: &str, columns: [&str; N], rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let title = if title.is_empty() { String::new() } else { format!("<h4>{title}</h4>\n") };
    let head: String = columns.iter().map(|column| format!("<th>{column}</th>")).collect();
    format!("{title}<table>\n<tr>{head}</tr>\n{rows}</table>\n")
}

fn row<const N: usize>(cells: [String; N]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr>{cells}</tr>\n")
}

fn paragraph(value: &Value) -> String {
    let text = text(value);
    if text.is_empty() { String::new() } else { format!("<p>{}</p>\n", escaped(text)) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// A value as a person writes it: texts without their quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn members_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
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
            (json!({"type": "integer", "minimum": 1, "maximum": 9}), "integer <small>from 1, to 9</small>"),
            (json!({}), "any value"),
        ] {
            assert_eq!(type_of(&schema), words);
        }
    }

    #[test]
    fn nothing_of_a_document_becomes_markup() {
        let nasty = "<script>alert('x')</script>";
        let page = of(&json!({
            "info": {"title": nasty, "version": nasty, "description": nasty},
            "tags": [{"name": nasty, "description": nasty}],
            "paths": {nasty: {"get": {"tags": [nasty], "operationId": nasty, "summary": nasty, "parameters": [{"name": nasty}]}}},
            "components": {"schemas": {nasty: {"description": nasty, "properties": {nasty: {"type": nasty, "default": nasty}}}}},
        }));
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("alert('"), "{page}");
    }
}
