//! The settings of a run, key by key: its parameters, and what its rule set decides.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use toml::de::{DeTable, DeValue};
use utoipa::ToSchema;

use crate::{
    decimal::Decimal,
    hex::hex,
    rules::rule_set::{PROGRAM, RuleSet, RuleSetFile},
    tape::request::ReadingRequest,
};

/// A setting that differs between two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ComparedSetting)]
pub struct Setting {
    /// Name of the setting: a parameter such as `irr_target`, or `rule_set.` and the path of a key in the rule set. Rules, adjustments
    /// and other entries of lists are found by their names, the keys of a program behind `program.` and its name. The content of a
    /// grid is the SHA-256 of what its cells mean.
    #[schema(example = "rule_set.limits.ltv_ratio.max")]
    pub key: String,
    /// Value in the base run. Null: the run does not have the setting.
    #[schema(value_type = Value, example = 97)]
    pub base: Option<SettingValue>,
    /// Value in the other run. Null: the run does not have the setting.
    #[schema(value_type = Value, example = 98)]
    pub with: Option<SettingValue>,
}

/// Value of a setting. Numbers are equal by value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SettingValue {
    Number(Decimal),
    Flag(bool),
    Text(String),
    List(Vec<Self>),
    /// A table within a list that has no name.
    Table(BTreeMap<String, Self>),
}

impl SettingValue {
    /// The value as a person reads it.
    pub fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(values) => values.iter().map(Self::text).collect::<Vec<_>>().join(", "),
            Self::Table(keys) => {
                let keys = keys.iter().map(|(key, value)| format!("{key} = {}", value.text()));
                format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// The settings of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunSettings {
    /// Hash of the rule set: equal hashes mean equal rules, however they are written.
    rules_hash: String,
    parameters: BTreeMap<String, SettingValue>,
    rules: BTreeMap<String, SettingValue>,
}

impl RunSettings {
    /// The settings of a run. `irr_target` is in percent.
    pub fn new(irr_target: Decimal, pdate: Date, reading: &ReadingRequest, rules: &RuleSet) -> Self {
        let id = rules.id();
        let text = |text: &str| SettingValue::Text(text.to_owned());
        let mut parameters = BTreeMap::from([
            ("irr_target".to_owned(), SettingValue::Number(irr_target)),
            ("pdate".to_owned(), SettingValue::Text(pdate.to_string())),
            ("rule_set.hash".to_owned(), text(&id.hash)),
            ("rule_set.name".to_owned(), text(&id.name)),
            ("rule_set.version".to_owned(), text(&id.version)),
        ]);
        if let Some(profile) = reading.profile_id() {
            let values = [("hash", profile.hash), ("name", profile.name), ("version", profile.version)];
            parameters.extend(values.map(|(key, value)| (format!("profile.{key}"), SettingValue::Text(value))));
        }
        parameters.extend(reading.map.iter().map(|(field, header)| (format!("map.{}", field.name()), text(header))));
        parameters.extend(reading.sheet.iter().map(|sheet| ("sheet".to_owned(), text(sheet))));
        Self { rules_hash: id.hash, parameters, rules: decisions(rules, rules.source()) }
    }
}

/// The settings that differ: parameters, then those of the rule sets, each in the order of their names.
pub fn differing(base: &RunSettings, with: &RunSettings) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut compare = |base: &BTreeMap<String, SettingValue>, with: &BTreeMap<String, SettingValue>| {
        let mut keys: Vec<&String> = base.keys().chain(with.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys.into_iter().filter(|key| base.get(*key) != with.get(*key)) {
            settings.push(Setting { key: key.clone(), base: base.get(key).cloned(), with: with.get(key).cloned() });
        }
    };
    compare(&base.parameters, &with.parameters);
    if base.rules_hash != with.rules_hash {
        compare(&base.rules, &with.rules);
    }
    settings
}

/// All decisions of a rule set: those of the built-in one, where its own file says nothing else.
fn decisions(rules: &RuleSet, file: Option<&RuleSetFile>) -> BTreeMap<String, SettingValue> {
    let mut found = BTreeMap::new();
    let own = file.map_or("", |file| file.toml.as_str());
    if rules.programs().is_empty() {
        add_file(RuleSet::BUILT_IN_TOML, "rule_set", &mut found);
        add_file(own, "rule_set", &mut found);
        add_grids(rules, "rule_set", &mut found);
        return found;
    }
    add_file(own, "rule_set", &mut found);
    for program in rules.programs() {
        let content = file.and_then(|file| file.files.get(&format!("{}{PROGRAM}", program.name)));
        let prefix = format!("rule_set.program.{}", program.name);
        add_file(RuleSet::BUILT_IN_TOML, &prefix, &mut found);
        add_file(content.and_then(|content| std::str::from_utf8(content).ok()).unwrap_or_default(), &prefix, &mut found);
        add_grids(&program.rules, &prefix, &mut found);
    }
    found
}

/// Adds the keys of a rule set's text. The text was read before, so it is TOML.
fn add_file(toml: &str, prefix: &str, found: &mut BTreeMap<String, SettingValue>) {
    let Ok(table) = DeTable::parse(toml) else { return };
    for (key, value) in table.get_ref() {
        // Name and version decide nothing; those of the rule set are parameters.
        if !["name", "version"].contains(&key.get_ref().as_ref()) {
            add_value(value.get_ref(), &format!("{prefix}.{}", key.get_ref()), found);
        }
    }
}

fn add_value(value: &DeValue<'_>, path: &str, found: &mut BTreeMap<String, SettingValue>) {
    match value {
        DeValue::Table(keys) => {
            keys.iter().for_each(|(key, value)| add_value(value.get_ref(), &format!("{path}.{}", key.get_ref()), found));
        }
        DeValue::Array(items) if items.iter().any(|item| name_of(item.get_ref()).is_some()) => {
            for (at, item) in items.iter().enumerate() {
                let DeValue::Table(keys) = item.get_ref() else { continue };
                let name = name_of(item.get_ref()).map_or_else(|| at.to_string(), str::to_owned);
                // Where the cells of a grid come from decides nothing: their hash is compared.
                let is_place = |key: &str| path.ends_with(".grid") && ["file", "sheet"].contains(&key);
                for (key, value) in keys.iter().filter(|(key, _)| key.get_ref() != "name" && !is_place(key.get_ref())) {
                    add_value(value.get_ref(), &format!("{path}.{name}.{}", key.get_ref()), found);
                }
            }
        }
        value => _ = found.insert(path.to_owned(), setting(value)),
    }
}

fn name_of<'v>(item: &'v DeValue<'_>) -> Option<&'v str> {
    let DeValue::Table(keys) = item else { return None };
    let (_, name) = keys.iter().find(|(key, _)| key.get_ref() == "name")?;
    if let DeValue::String(name) = name.get_ref() { Some(name) } else { None }
}

fn setting(value: &DeValue<'_>) -> SettingValue {
    let number = |text: &str| {
        let plain = text.replace('_', "");
        plain.parse().map_or_else(|_| SettingValue::Text(text.to_owned()), SettingValue::Number)
    };
    match value {
        DeValue::String(text) => SettingValue::Text(text.clone().into_owned()),
        DeValue::Integer(integer) if integer.radix() == 10 => number(integer.as_str()),
        DeValue::Integer(integer) => SettingValue::Text(integer.to_string()),
        DeValue::Float(float) => number(float.as_str()),
        DeValue::Boolean(flag) => SettingValue::Flag(*flag),
        DeValue::Datetime(time) => SettingValue::Text(time.to_string()),
        DeValue::Array(items) => SettingValue::List(items.iter().map(|item| setting(item.get_ref())).collect()),
        DeValue::Table(keys) => {
            let keys = keys.iter().map(|(key, value)| (key.get_ref().to_string(), setting(value.get_ref())));
            SettingValue::Table(keys.collect())
        }
    }
}

fn add_grids(rules: &RuleSet, prefix: &str, found: &mut BTreeMap<String, SettingValue>) {
    let guide = rules.guide();
    for grid in guide.limit_grids().iter().chain(guide.adjustment_grids()) {
        let mut canonical = String::new();
        grid.push_canonical(&mut canonical);
        let hash = hex(&Sha256::digest(canonical));
        found.insert(format!("{prefix}.grid.{}.sha256", grid.name()), SettingValue::Text(hash));
    }
}
