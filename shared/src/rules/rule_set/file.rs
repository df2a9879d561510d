//! Rule sets as files, and as what a run brings with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::rules::{
    excerpt,
    guide::grid::{MAX_GRID_BYTES, MAX_GRIDS, check_file_name},
    reading::Mistakes,
};

use super::{MAX_RULE_SET_BYTES, RuleSet, RuleSetError};

/// The files beside a rule set that it names, by their names: grids and programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuideFiles {
    files: BTreeMap<String, Arc<[u8]>>,
    /// Files that are there and cannot be used, each with the reason, such as `is a link`.
    unusable: BTreeMap<String, String>,
}

impl GuideFiles {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, content)| (name.as_str(), content.as_ref()))
    }

    /// The content of a file; `None` when there is no such file.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(AsRef::as_ref)
    }

    /// How many bytes of a file are to be read: one more than it may have, which shows that it is too large. `None`, after noting the
    /// reason, when the files would be too large together.
    pub fn bytes_to_read(&mut self, name: &str) -> Option<u64> {
        let most = if name.ends_with(PROGRAM) { MAX_RULE_SET_BYTES } else { MAX_GRID_BYTES };
        let so_far: u64 = self.files.values().map(|content| content.len() as u64).sum();
        if so_far + most <= MAX_GUIDE_BYTES {
            return Some(most + 1);
        }
        let all = MAX_GUIDE_BYTES / (1024 * 1024);
        self.refuse(name, format!("is not read: the files of a rule set have at most {all} MiB together"));
        None
    }

    /// Adds a file.
    pub fn insert(&mut self, name: &str, content: impl Into<Arc<[u8]>>) {
        self.files.insert(name.to_owned(), content.into());
    }

    /// Notes why a file that is there cannot be used, as the end of a sentence.
    pub fn refuse(&mut self, name: &str, reason: String) {
        self.unusable.insert(name.to_owned(), reason);
    }

    /// Why there is no content of a file: a sentence for the mistake.
    pub fn why_absent(&self, name: &str) -> String {
        let shown = excerpt(name);
        match self.unusable.get(name) {
            Some(reason) => format!("the file {shown} {reason}"),
            None => format!("there is no file {shown} beside the rule set: put it there, or mend the name"),
        }
    }
}

/// End of the name of a program's file.
pub const PROGRAM: &str = ".toml";
/// Largest number of programs of a rule set.
pub const MAX_PROGRAMS: usize = 20;
/// The files that a rule set names have at most this number of bytes together.
pub const MAX_GUIDE_BYTES: u64 = 256 * 1024 * 1024;

/// A rule set as supplied: the text of a file, the name to use if the text gives none, and the files that the text names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSetFile {
    /// File name without its extension.
    pub name: String,
    /// Text of the file.
    pub toml: String,
    /// The files that the text names.
    #[serde(skip)]
    pub files: GuideFiles,
}

impl RuleSetFile {
    /// Takes the name from the last part of a path whose folders are separated by `/`.
    pub fn new(path: &str, toml: String) -> Self {
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem).trim();
        let name = if stem.is_empty() { file } else { stem };
        Self { name: name.to_owned(), toml, files: GuideFiles::default() }
    }

    /// The text as a table.
    ///
    /// # Errors
    /// [`RuleSetError`] when the text is not TOML.
    pub(super) fn table(&self) -> Result<DeTable<'_>, RuleSetError> {
        DeTable::parse(&self.toml).map(Spanned::into_inner).map_err(|error| {
            let mut mistakes = Mistakes::default();
            mistakes.add(error.span().unwrap_or(0..0), error.message().to_owned());
            RuleSetError { mistakes: mistakes.into_list(&self.toml) }
        })
    }

    /// The names of all files that the rule set and its programs name, as far as the programs are there; sorted and each once.
    pub fn named(&self) -> Vec<String> {
        let mut names = named_files(&self.toml);
        let programs = names.iter().filter(|name| name.ends_with(PROGRAM)).filter_map(|name| self.files.get(name));
        let programs = programs.filter(|content| content.len() as u64 <= MAX_RULE_SET_BYTES);
        let of_programs = programs.filter_map(|content| std::str::from_utf8(content).ok()).flat_map(named_files);
        let of_programs: Vec<String> = of_programs.filter(|name| !name.ends_with(PROGRAM)).collect();
        names.extend(of_programs);
        names.sort();
        names.dedup();
        names
    }

    /// The named files that are to be read next, and are then in `asked`. A program that has been read may name further ones. A name
    /// that is a path is a mistake of the rule set, and no file to read.
    pub fn files_to_read(&self, asked: &mut BTreeSet<String>) -> Vec<String> {
        let new = self.named().into_iter().filter(|name| check_file_name(name).is_ok() && asked.insert(name.clone()));
        new.collect()
    }

    /// Name of the file.
    pub fn file_name(&self) -> String {
        format!("{}.toml", self.name)
    }

    /// Reads the rule set.
    ///
    /// # Errors
    /// [`RuleSetError`] as for [`RuleSet::load`].
    pub fn rules(&self) -> Result<RuleSet, RuleSetError> {
        RuleSet::load(self)
    }
}

/// The names of the files that a rule set names, sorted and each once: those of its grids and its programs. A text that is no TOML
/// names none.
fn named_files(toml: &str) -> Vec<String> {
    let Ok(table) = DeTable::parse(toml) else { return Vec::new() };
    let text = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
        DeValue::String(text) => Some(text.trim().to_owned()),
        _ => None,
    };
    let file_of = |grid: &Spanned<DeValue<'_>>| match grid.get_ref() {
        DeValue::Table(keys) => keys.iter().find(|(key, _)| key.get_ref() == "file").and_then(|(_, value)| text(value)),
        _ => None,
    };
    let mut names: Vec<String> = Vec::new();
    for (key, value) in table.get_ref() {
        let DeValue::Array(items) = value.get_ref() else { continue };
        match key.get_ref().as_ref() {
            // More grids or programs are a mistake, for which no file is read.
            "grid" => names.extend(items.iter().take(MAX_GRIDS).filter_map(file_of)),
            "programs" => names.extend(items.iter().take(MAX_PROGRAMS).filter_map(text)),
            _ => {}
        }
    }
    names.sort();
    names.dedup();
    names
}

/// The rules of a run: the rule set that the run brings with it, or the built-in one. They are stored as the file that they come from,
/// and parsed once, when they are read.
#[derive(Debug, Clone)]
pub struct RunRules {
    file: Option<RuleSetFile>,
    rules: Arc<RuleSet>,
}

impl RunRules {
    /// The rules of a file.
    ///
    /// # Errors
    /// What [`RuleSet::from_toml`] refuses.
    pub fn new(file: RuleSetFile) -> Result<Self, RuleSetError> {
        let rules = Arc::new(file.rules()?);
        Ok(Self { file: Some(file), rules })
    }

    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// The rule set as supplied; `None` for the built-in one.
    pub fn file(&self) -> Option<&RuleSetFile> {
        self.file.as_ref()
    }
}

impl Default for RunRules {
    /// The built-in rules.
    fn default() -> Self {
        Self { file: None, rules: Arc::new(RuleSet::built_in().clone()) }
    }
}

impl PartialEq for RunRules {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file
    }
}

impl Eq for RunRules {}

impl Serialize for RunRules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.file.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RunRules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let file = Option::<RuleSetFile>::deserialize(deserializer)?;
        file.map_or_else(|| Ok(Self::default()), |file| Self::new(file).map_err(de::Error::custom))
    }
}
