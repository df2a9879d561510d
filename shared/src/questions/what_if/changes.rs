//! Changes of a rule set: tables as in a rule set, laid over one.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use serde_json::value::RawValue;
use toml::de::{DeTable, DeValue};

use crate::rules::rule_set::{RuleSet, RuleSetFile};

/// The sections of a rule set that may be changed.
pub const CHANGEABLE: [&str; 10] =
    ["limits", "severity", "rules", "applies", "projection", "pricing", "rule", "grid", "adjustment", "pool"];
/// The sections that list tables with a name each.
const NAMED: [&str; 4] = ["rule", "grid", "adjustment", "pool"];
/// Sections that decide how a tape is read.
const READING: [&str; 2] = ["fields", "units"];
/// Values may be nested this deep.
const DEEPEST: usize = 12;
/// Name of the file of a changed rule set that was the built-in one.
const CHANGED: &str = "changed";

/// Changes of a rule set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleChanges(Vec<(String, ChangeNode)>);

/// A value of a rule set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeNode {
    Table(Vec<(String, Self)>),
    List(Vec<Self>),
    Text(String),
    /// A number, a date or a truth value, as it is written.
    Literal(String),
}

/// What is wrong with changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeMistake {
    /// The keys that lead to the mistake, such as `limits`, `ltv_ratio`; empty for changes as a whole.
    pub path: Vec<String>,
    /// What is wrong there, and how to mend it.
    pub message: String,
    /// Whether only a run of the tape could answer.
    pub needs_a_run: bool,
}

impl ChangeMistake {
    fn new(path: &[String], message: impl Into<String>) -> Self {
        Self { path: path.to_vec(), message: message.into(), needs_a_run: false }
    }
}

impl ChangeNode {
    fn of_json(raw: &RawValue, path: &mut Vec<String>) -> Result<Self, ChangeMistake> {
        let json = raw.get();
        let odd = |path: &[String], error: serde_json::Error| ChangeMistake::new(path, format!("is no JSON: {error}"));
        if path.len() > DEEPEST {
            return Err(ChangeMistake::new(path, "is nested too deep"));
        }
        match json.as_bytes().first() {
            Some(b'{') => {
                let members: Members = serde_json::from_str(json).map_err(|error| odd(path, error))?;
                let mut table = Vec::with_capacity(members.0.len());
                for (key, value) in members.0 {
                    path.push(key.clone());
                    if table.iter().any(|(other, _)| *other == key) {
                        return Err(ChangeMistake::new(path, "is given twice"));
                    }
                    let node = Self::of_json(&value, path)?;
                    path.pop();
                    table.push((key, node));
                }
                Ok(Self::Table(table))
            }
            Some(b'[') => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(json).map_err(|error| odd(path, error))?;
                let mut list = Vec::with_capacity(items.len());
                for (at, item) in items.iter().enumerate() {
                    path.push(at.to_string());
                    list.push(Self::of_json(item, path)?);
                    path.pop();
                }
                Ok(Self::List(list))
            }
            Some(b'"') => serde_json::from_str(json).map(Self::Text).map_err(|error| odd(path, error)),
            Some(b'n') | None => Err(ChangeMistake::new(path, "is null: leave out a key that does not change")),
            Some(_) => Ok(Self::Literal(json.to_owned())),
        }
    }

    fn of_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) if number.radix() != 10 => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                Self::Literal(parsed.map_or_else(|_| number.as_str().to_owned(), |number| number.to_string()))
            }
            DeValue::Integer(number) => Self::Literal(number.as_str().to_owned()),
            DeValue::Float(number) => Self::Literal(number.as_str().to_owned()),
            DeValue::Boolean(flag) => Self::Literal(flag.to_string()),
            DeValue::Datetime(date) => Self::Literal(date.to_string()),
            DeValue::Array(items) => Self::List(items.iter().map(|item| Self::of_toml(item.get_ref())).collect()),
            DeValue::Table(table) => Self::Table(entries(table)),
        }
    }

    /// Lays changes over the value: tables key by key, everything else whole.
    fn lay(&mut self, changed: &Self) {
        let (Self::Table(table), Self::Table(changes)) = (&mut *self, changed) else {
            self.clone_from(changed);
            return;
        };
        lay_over(table, changes);
    }

    fn push_inline(&self, out: &mut String) {
        match self {
            Self::Text(text) => push_text(out, text),
            Self::Literal(literal) => out.push_str(literal),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    item.push_inline(out);
                }
                out.push(']');
            }
            Self::Table(entries) => {
                out.push_str("{ ");
                for (at, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    push_key(out, key);
                    out.push_str(" = ");
                    value.push_inline(out);
                }
                out.push_str(" }");
            }
        }
    }

    fn name(&self) -> Option<&str> {
        let Self::Table(entries) = self else { return None };
        entries.iter().find_map(|(key, value)| match value {
            Self::Text(name) if key == "name" => Some(name.as_str()),
            _ => None,
        })
    }
}

fn entries(table: &DeTable<'_>) -> Vec<(String, ChangeNode)> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), ChangeNode::of_toml(value.get_ref()))).collect()
}

fn lay_over(table: &mut Vec<(String, ChangeNode)>, changes: &[(String, ChangeNode)]) {
    for (key, changed) in changes {
        match table.iter_mut().find(|(own, _)| own == key) {
            Some((_, own)) => own.lay(changed),
            None => table.push((key.clone(), changed.clone())),
        }
    }
}

/// A JSON object, whose members may repeat.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> serde::de::Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut object: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn push_key(out: &mut String, key: &str) {
    let is_bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_bare { out.push_str(key) } else { push_text(out, key) }
}

impl RuleChanges {
    /// Reads changes from a JSON object.
    ///
    /// # Errors
    /// [`ChangeMistake`] for a value that is no object, an unknown section, a key that is given twice, and null.
    pub fn of_json(raw: &RawValue) -> Result<Self, ChangeMistake> {
        match ChangeNode::of_json(raw, &mut Vec::new())? {
            ChangeNode::Table(entries) => Self(entries).checked(),
            _ => Err(ChangeMistake::new(&[], "must be an object with sections of a rule set, such as limits")),
        }
    }

    /// Reads one change as the command line writes it: `limits.ltv_ratio.max=98`.
    ///
    /// # Errors
    /// [`ChangeMistake`] for a text that is no change, and for an unknown section.
    pub fn of_setting(setting: &str) -> Result<Self, ChangeMistake> {
        let odd = || {
            let message = format!("`{setting}` is no change of a rule set: write PATH=VALUE, such as limits.ltv_ratio.max=98");
            ChangeMistake::new(&[], message)
        };
        let (path, value) = setting.split_once('=').ok_or_else(odd)?;
        let mut quoted = format!("{path} = ");
        push_text(&mut quoted, value.trim());
        // A word needs no quotation marks on the command line.
        let table = DeTable::parse(setting).or_else(|_| DeTable::parse(&quoted)).map_err(|_| odd())?;
        Self(entries(table.get_ref())).checked()
    }

    /// The change that gives a parameter a value, such as `limits.ltv_ratio.max`.
    ///
    /// # Errors
    /// [`ChangeMistake`] for a path that is none.
    pub fn of_parameter(path: &str, value: &str) -> Result<Self, ChangeMistake> {
        Self::of_setting(&format!("{path}={value}"))
    }

    fn checked(self) -> Result<Self, ChangeMistake> {
        for (section, value) in &self.0 {
            let path = [section.clone()];
            if READING.contains(&section.as_str()) {
                let message = "decides how a tape is read: start a run of the tape under these rules";
                return Err(ChangeMistake { needs_a_run: true, ..ChangeMistake::new(&path, message) });
            }
            if !CHANGEABLE.contains(&section.as_str()) {
                let message = format!("is no section that can be changed: those are {}", CHANGEABLE.join(", "));
                return Err(ChangeMistake::new(&path, message));
            }
            let ChangeNode::Table(named) = value else {
                return Err(ChangeMistake::new(&path, "must be a table of keys"));
            };
            for (name, entry) in named.iter().filter(|_| NAMED.contains(&section.as_str())) {
                let place = [section.clone(), name.clone()];
                let ChangeNode::Table(keys) = entry else {
                    return Err(ChangeMistake::new(&place, format!("must be a table with keys of a [[{section}]]")));
                };
                if keys.iter().any(|(key, _)| key == "name") {
                    return Err(ChangeMistake::new(&place, "has its name from its key: leave out `name`"));
                }
            }
        }
        Ok(self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds further changes, which win where both change the same key.
    pub fn add(&mut self, more: &Self) {
        lay_over(&mut self.0, &more.0);
    }

    /// Lays the changes over a rule set. Without changes the rule set is the same.
    ///
    /// # Errors
    /// Every mistake of the changed rule set.
    pub fn apply(&self, base: &Arc<RuleSet>) -> Result<Arc<RuleSet>, Vec<ChangeMistake>> {
        if self.is_empty() {
            return Ok(Arc::clone(base));
        }
        let source = base.source();
        let text = source.map_or("", |file| file.toml.as_str());
        let mut table = DeTable::parse(text).map(|table| entries(table.get_ref())).unwrap_or_default();
        for (section, changed) in &self.0 {
            if NAMED.contains(&section.as_str()) {
                lay_named(&mut table, section, changed);
            } else {
                lay_over(&mut table, &[(section.clone(), changed.clone())]);
            }
        }
        let (toml, lines) = written(&table);
        let name = source.map_or(CHANGED, |file| file.name.as_str()).to_owned();
        let files = source.map(|file| file.files.clone()).unwrap_or_default();
        RuleSet::load(&RuleSetFile { name, toml, files }).map(Arc::new).map_err(|error| {
            let of = |mistake: crate::rules::rule_set::Mistake| {
                let path = mistake.line.and_then(|line| lines.get(&line)).cloned().unwrap_or_default();
                let message = if mistake.file.is_some() { mistake.to_string() } else { mistake.message };
                ChangeMistake { path, message, needs_a_run: false }
            };
            error.mistakes.into_iter().map(of).collect()
        })
    }
}

/// Lays changes of named tables over the list of a section.
fn lay_named(table: &mut Vec<(String, ChangeNode)>, section: &str, changed: &ChangeNode) {
    let ChangeNode::Table(named) = changed else { return };
    if !table.iter().any(|(key, _)| key == section) {
        table.push((section.to_owned(), ChangeNode::List(Vec::new())));
    }
    let Some((_, ChangeNode::List(list))) = table.iter_mut().find(|(key, _)| key == section) else { return };
    for (name, keys) in named {
        match list.iter_mut().find(|entry| entry.name() == Some(name)) {
            Some(entry) => entry.lay(keys),
            None => {
                let mut entry = ChangeNode::Table(vec![("name".to_owned(), ChangeNode::Text(name.clone()))]);
                entry.lay(keys);
                list.push(entry);
            }
        }
    }
}

/// The rule set as TOML, and for each line the keys that lead to it.
fn written(table: &[(String, ChangeNode)]) -> (String, BTreeMap<usize, Vec<String>>) {
    let mut out = Lines::default();
    let is_list_of_tables = |value: &ChangeNode| matches!(value, ChangeNode::List(items) if !items.is_empty() && items.iter().all(|item| matches!(item, ChangeNode::Table(_))));
    for (key, value) in table.iter().filter(|(_, value)| !matches!(value, ChangeNode::Table(_)) && !is_list_of_tables(value)) {
        out.entry(&[], key, value);
    }
    for (section, value) in table {
        match value {
            ChangeNode::Table(keys) => {
                out.heading("[", section, "]", &[section]);
                keys.iter().for_each(|(key, value)| out.entry(&[section], key, value));
            }
            ChangeNode::List(items) if is_list_of_tables(value) => {
                for item in items {
                    let name = item.name().unwrap_or_default();
                    out.heading("[[", section, "]]", &[section, name]);
                    let ChangeNode::Table(keys) = item else { continue };
                    keys.iter().for_each(|(key, value)| out.entry(&[section, name], key, value));
                }
            }
            _ => {}
        }
    }
    (out.text, out.places)
}

#[derive(Default)]
struct Lines {
    text: String,
    line: usize,
    places: BTreeMap<usize, Vec<String>>,
}

impl Lines {
    fn heading(&mut self, open: &str, section: &str, close: &str, path: &[&str]) {
        if !self.text.is_empty() {
            self.text.push('\n');
            self.line += 1;
        }
        self.text.push_str(open);
        push_key(&mut self.text, section);
        self.text.push_str(close);
        self.end(path.iter().map(|key| (*key).to_owned()).collect());
    }

    fn entry(&mut self, sections: &[&str], key: &str, value: &ChangeNode) {
        push_key(&mut self.text, key);
        self.text.push_str(" = ");
        value.push_inline(&mut self.text);
        self.end(sections.iter().copied().chain([key]).map(str::to_owned).collect());
    }

    fn end(&mut self, path: Vec<String>) {
        self.text.push('\n');
        self.line += 1;
        self.places.insert(self.line, path);
    }
}
