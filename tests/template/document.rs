//! The template as JSON, with the short forms of CloudFormation written out.

use local::FUNCTIONS;
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The prefix of a function's resources in the template.
pub fn resource_of(function: &str) -> String {
    let (initial, rest) = function.split_at(1);
    initial.to_uppercase() + rest
}

/// The prefixes of the resources of all functions.
pub fn functions() -> impl Iterator<Item = String> {
    FUNCTIONS.into_iter().map(|(function, _)| function).chain(["runner"]).map(resource_of)
}

pub struct Template(pub Value);

impl Template {
    /// Reads the template of this repository.
    pub fn read() -> Self {
        let text = include_str!("../../template.yaml");
        Self(value_of(&Yaml::load_from_str(text).unwrap()[0]))
    }

    /// The properties of a resource.
    pub fn resource(&self, name: &str) -> &Value {
        let properties = &self.0["Resources"][name]["Properties"];
        assert!(properties.is_object(), "there is a resource {name}");
        properties
    }

    /// The names of the resources of a type.
    pub fn of_type(&self, kind: &str) -> Vec<String> {
        let resources = self.0["Resources"].as_object().unwrap();
        let names: Vec<String> = resources.iter().filter(|(_, is)| is["Type"] == kind).map(|(name, _)| name.clone()).collect();
        assert!(!names.is_empty(), "{kind}");
        names
    }

    /// The environment variables of a function, including the global ones.
    pub fn environment(&self, function: &str) -> Map<String, Value> {
        let mut all = self.0["Globals"]["Function"]["Environment"]["Variables"].as_object().unwrap().clone();
        let own = &self.resource(&format!("{function}Function"))["Environment"]["Variables"];
        all.extend(own.as_object().cloned().unwrap_or_default());
        all
    }

    /// The policy statements of a resource.
    pub fn statements(&self, resource: &str) -> Vec<Value> {
        let policies = self.resource(resource)["Policies"].as_array().unwrap();
        policies.iter().flat_map(|policy| policy["Statement"].as_array().unwrap().clone()).collect()
    }
}

/// All texts in a value.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn value_of(node: &Yaml) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Sequence(items) => items.iter().map(value_of).collect(),
        Yaml::Mapping(members) => {
            let member = |(key, value): (&Yaml, &Yaml)| (key.as_str().expect("a name").to_owned(), value_of(value));
            Value::Object(members.iter().map(member).collect())
        }
        Yaml::Tagged(tag, inner) => {
            let inner = value_of(inner);
            match (tag.suffix.as_str(), inner.as_str().and_then(|text| text.split_once('.'))) {
                ("Ref", _) => json!({"Ref": inner}),
                ("GetAtt", Some((resource, attribute))) => json!({"Fn::GetAtt": [resource, attribute]}),
                (function, _) => json!({format!("Fn::{function}"): inner}),
            }
        }
        other => panic!("{other:?} has no place in a template"),
    }
}
