//! The manifest of a run: its inputs, its outputs, and everything that is needed to repeat the run.

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    engine::Outcome,
    error::{Phase, RunError},
    file_types::tape_extensions,
    hex::hex,
    paths::{PathError, safe_join},
    phases::disposition::Disposition,
    results::outputs::Output,
    rules::rule_set::RuleSet,
    run::Run,
    tape::{TapeMapping, request::ReadingRequest, text::Fingerprint},
    waivers::WaiverFile,
};

/// Version of this engine.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// File name of a manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Folder of an archive that holds the tapes.
pub const INPUT_FOLDER: &str = "input";
/// Folder of an archive that holds the output files.
pub const OUTPUT_FOLDER: &str = "output";
/// Folder of an archive that holds the files of a rule set that names others.
pub const RULES_FOLDER: &str = "rules";
/// Folder of an archive that holds the file of waivers.
pub const WAIVERS_FOLDER: &str = "waivers";

/// Path of a tape in the archive, relative to the archive.
///
/// # Errors
/// Those of [`safe_join`], for a name that leads out of the archive or that no path may have.
pub fn archived_tape(source_file: &str) -> Result<String, PathError> {
    safe_join(INPUT_FOLDER, &[source_file])
}

/// Path of a tape with any name in the archive, relative to the archive. The path has the tape's name or, when that is not
/// possible, a hash of the name: a key of the bucket has at most 1,024 bytes. The manifest has the whole name.
pub fn place_of_tape(source_file: &str) -> String {
    let place = archived_tape(source_file).ok();
    // The path must have the whole name: names that differ only in characters that a path leaves out are different tapes.
    let as_it_is =
        place.filter(|place| place.strip_prefix(INPUT_FOLDER).and_then(|path| path.strip_prefix('/')) == Some(source_file));
    as_it_is.unwrap_or_else(|| {
        let digest = Sha256::digest(source_file.as_bytes());
        let hash = hex(&digest[..16]);
        let name = source_file.to_ascii_lowercase();
        let extension = tape_extensions().find(|extension| name.ends_with(extension)).unwrap_or(".csv");
        format!("{INPUT_FOLDER}/{hash}{extension}")
    })
}

/// Path of an output file in the archive, relative to the archive.
pub fn archived_output(output: &Output) -> String {
    format!("{OUTPUT_FOLDER}/{}", output.file_name)
}

/// Inputs and outputs of a run. A manifest has no time of day, so that two runs with the same parameters on the same tapes differ
/// only in `run_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub run_id: Uuid,
    /// Version of the engine that executed the run.
    pub engine_version: String,
    /// Whether the tapes and outputs were archived, so that the run can be repeated. Absent means true: only `false` is written.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub archived: bool,
    /// Parameters of the run.
    pub parameters: ManifestParameters,
    /// Rules of the run.
    pub rule_set: ManifestRuleSet,
    /// How the tapes were to be read, as asked for by the starter of the run. Absent in most manifests, because most runs ask for
    /// nothing.
    #[serde(default, skip_serializing_if = "ReadingRequest::is_empty")]
    pub reading: ReadingRequest,
    /// The archived file of waivers. Absent for a run without waivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waivers: Option<ManifestFile>,
    /// How each tape was read: its columns and units. These are [`TapeMapping`] objects, kept as they were written.
    pub column_mapping: Vec<serde_json::Value>,
    /// The tapes, in the order of their loans in the results.
    pub inputs: Vec<ManifestFile>,
    /// The output files.
    pub outputs: Vec<ManifestFile>,
    /// The stored facts and exceptions. They follow from the inputs and are not in the archive.
    pub stored: Vec<ManifestFile>,
    /// Totals of the run.
    pub counts: ManifestCounts,
}

fn yes() -> bool {
    true
}

fn is_yes(archived: &bool) -> bool {
    *archived
}

/// Parameters of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestParameters {
    /// IRR target in percent.
    pub irr_target: ExactNumber,
    /// Purchase date.
    pub pdate: Date,
}

/// Rules that a run used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRuleSet {
    /// Name in the rule set, or else the name of its file.
    pub name: String,
    /// Version in the rule set, or else `unversioned`.
    pub version: String,
    /// SHA-256 of everything that the rule set decides. Name and version do not change it.
    pub hash: String,
    /// Full text of the rule set file; `None` for the built-in rule set.
    pub toml: Option<String>,
    /// The archived files of a rule set: its own file, then those that it names. Absent for a rule set that names no file and adjusts no
    /// price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ManifestFile>,
}

/// One file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Path relative to the archive.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Name of the tape in the results; `None` for a file that is not a tape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_file: Option<String>,
    /// Number of data rows, if it is known without reading the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// Totals of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestCounts {
    /// Number of loans.
    pub total_loans: u64,
    /// Exact sum of the readable loan amounts, in dollars.
    pub total_balance: ExactNumber,
    /// Number of loans to buy.
    pub to_purchase: u64,
    /// Number of loans to hold.
    pub projected: u64,
    /// Number of rejected loans.
    pub rejected: u64,
    /// Number of exceptions.
    pub exceptions_count: u64,
}

/// A number of a JSON document, kept digit for digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactNumber(String);

impl ExactNumber {
    /// The number as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for ExactNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.clone()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ExactNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: Box<RawValue> = Deserialize::deserialize(deserializer)?;
        if raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            Ok(Self(raw.get().to_owned()))
        } else {
            Err(D::Error::custom("a number is expected"))
        }
    }
}

impl ManifestFile {
    fn new(path: String, fingerprint: &Fingerprint) -> Self {
        Self { path, size: fingerprint.size, sha256: fingerprint.sha256.clone(), source_file: None, rows: None }
    }

    /// The entry of a file of waivers.
    pub fn of_waivers(file: &WaiverFile) -> Self {
        Self::new(file.archived().to_owned(), &fingerprint(&file.bytes))
    }

    /// Whether the file has this fingerprint.
    pub fn is(&self, fingerprint: &Fingerprint) -> bool {
        self.size == fingerprint.size && self.sha256 == fingerprint.sha256
    }
}

impl ManifestCounts {
    /// Totals of an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        let summary = &outcome.summary;
        Self {
            total_loans: summary.total_loans(),
            total_balance: ExactNumber(summary.total_balance().to_text(0)),
            to_purchase: summary.count(Disposition::ToPurchase),
            projected: summary.count(Disposition::Projected),
            rejected: summary.count(Disposition::Rejected),
            exceptions_count: summary.exceptions_count(),
        }
    }
}

/// The files of a rule set with their paths in the archive: its own file, then those that it names. A rule set that names no file, and
/// whose file no price names, is archived in the manifest alone.
pub fn files_of(rules: &RuleSet) -> impl Iterator<Item = (String, &[u8])> {
    let source = rules.source().filter(|source| !source.files.is_empty() || rules.shows_waterfall());
    source.into_iter().flat_map(|source| {
        let own = (archived_rules(&source.file_name()), source.toml.as_bytes());
        std::iter::once(own).chain(source.files.iter().map(|(name, content)| (archived_rules(name), content)))
    })
}

/// Path of a rule set's file in the archive.
pub fn archived_rules(file_name: &str) -> String {
    format!("{RULES_FOLDER}/{file_name}")
}

fn fingerprint(content: &[u8]) -> Fingerprint {
    Fingerprint::new(content.len() as u64, Sha256::new_with_prefix(content))
}

/// The mappings of the tapes, as a manifest keeps them.
///
/// # Errors
/// `Internal` when a mapping cannot be serialized, which would be a fault of the engine.
pub fn column_mapping(mappings: &[TapeMapping]) -> Result<Vec<serde_json::Value>, RunError> {
    let values: Result<_, _> = mappings.iter().map(serde_json::to_value).collect();
    values.map_err(|error| unwritten(&error))
}

fn unwritten(error: &serde_json::Error) -> RunError {
    RunError::internal(Phase::Archive, format!("The manifest could not be put together: {error}"))
}

impl Manifest {
    /// The manifest of a run whose results are written.
    ///
    /// # Errors
    /// Those of [`column_mapping`].
    pub fn new(run: &Run, rules: &RuleSet, outcome: &Outcome) -> Result<Self, RunError> {
        let parameters = run.parameters();
        let id = rules.id();
        let inputs = outcome.inputs.iter().map(|(name, fingerprint)| ManifestFile {
            source_file: Some(name.clone()),
            ..ManifestFile::new(place_of_tape(name), fingerprint)
        });
        let outputs = outcome.outputs.iter().map(|(output, fingerprint)| {
            let rows = Some(output.row_count(&outcome.summary));
            ManifestFile { rows, ..ManifestFile::new(archived_output(output), fingerprint) }
        });
        let stored = outcome.stored.iter().map(|(name, fingerprint)| ManifestFile::new((*name).to_owned(), fingerprint));
        Ok(Self {
            run_id: run.run_id(),
            engine_version: ENGINE_VERSION.to_owned(),
            archived: true,
            parameters: ManifestParameters {
                irr_target: ExactNumber(parameters.irr_target.percent().to_string()),
                pdate: parameters.pdate,
            },
            rule_set: ManifestRuleSet {
                name: id.name,
                version: id.version,
                hash: id.hash,
                toml: rules.source().map(|source| source.toml.clone()),
                files: files_of(rules).map(|(path, content)| ManifestFile::new(path, &fingerprint(content))).collect(),
            },
            reading: ReadingRequest::default(),
            waivers: None,
            column_mapping: column_mapping(&outcome.mappings)?,
            inputs: inputs.collect(),
            outputs: outputs.collect(),
            stored: stored.collect(),
            counts: ManifestCounts::of(outcome),
        })
    }

    /// The manifest as indented JSON, so that people can read it.
    ///
    /// # Errors
    /// `Internal` when the manifest cannot be serialized, which would be a fault of the engine.
    pub fn to_json(&self) -> Result<Vec<u8>, RunError> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| unwritten(&error))?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// The JSON error when the text is not a manifest. It says what is missing or wrong, and where.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const JSON: &str = r#"{"run_id":"00000000-0000-0000-0000-000000000007","engine_version":"0.1.0",
        "parameters":{"irr_target":8.0500000000000000000001,"pdate":"2026-02-01"},
        "rule_set":{"name":"strict","version":"2","hash":"ab","toml":"name = \"strict\"\n"},
        "column_mapping":[{"source_file":"a/t.csv","format":"csv"}],
        "inputs":[{"path":"input/a/t.csv","size":3,"sha256":"cd","source_file":"a/t.csv"}],
        "outputs":[{"path":"output/purchase_tape.csv","size":4,"sha256":"ef","rows":1}],
        "stored":[{"path":"facts.parquet","size":5,"sha256":"01"}],
        "counts":{"total_loans":1,"total_balance":100000000000000000000000000.01,"to_purchase":1,"projected":0,"rejected":0,
        "exceptions_count":2}}"#;

    #[test]
    fn a_manifest_survives_writing_and_reading_to_the_digit() {
        let manifest = Manifest::from_json(JSON.as_bytes()).unwrap();
        assert_eq!(manifest.parameters.irr_target.as_str(), "8.0500000000000000000001");
        assert_eq!(manifest.counts.total_balance.as_str(), "100000000000000000000000000.01");
        assert_eq!(manifest.outputs[0].rows, Some(1));
        let written = manifest.to_json().unwrap();
        assert_eq!(Manifest::from_json(&written).unwrap(), manifest);
        let without_spaces = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(without_spaces(std::str::from_utf8(&written).unwrap()), without_spaces(JSON));
    }

    #[test]
    fn only_a_run_without_an_archive_says_whether_it_has_one() {
        let archived = Manifest::from_json(JSON.as_bytes()).unwrap();
        assert!(archived.archived);
        let without = Manifest { archived: false, ..archived };
        let written = without.to_json().unwrap();
        assert!(std::str::from_utf8(&written).unwrap().contains("\"archived\": false,"));
        assert_eq!(Manifest::from_json(&written).unwrap(), without);
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for json in ["", "[]", "{}", &JSON.replace("8.0500000000000000000001", "\"8.05\""), &JSON.replace("-000000000007", "")] {
            assert!(Manifest::from_json(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn every_tape_has_a_place_of_its_own_in_the_archive() {
        let long = format!("{}.XLSX", "x".repeat(1_000));
        let names = [
            "a/t.csv",
            "May tape (2).csv",
            "~t.csv",
            "../t.csv",
            "a\\b.csv",
            "a/b.csv",
            "a//b.csv",
            "C:x.csv",
            "\u{7}.csv",
            &long,
        ];
        let places: HashSet<String> = names.into_iter().map(place_of_tape).collect();
        assert_eq!(places.len(), names.len());
        for place in &places {
            assert_eq!(safe_join("", &[place]).as_deref(), Ok(place.as_str()));
        }
        assert_eq!(place_of_tape("a/t.csv"), "input/a/t.csv");
        assert!(place_of_tape(&long).len() == "input/".len() + 32 + ".xlsx".len() && place_of_tape(&long).ends_with(".xlsx"));
    }

    #[test]
    fn a_tape_keeps_its_name_in_the_archive_or_has_no_place_there() {
        assert_eq!(archived_tape("May tape (2).csv").unwrap(), "input/May tape (2).csv");
        assert_eq!(archived_tape("a/t.csv").unwrap(), "input/a/t.csv");
        assert!(archived_tape("../t.csv").is_err());
        assert!(archived_tape("/t.csv").is_err());
    }
}
