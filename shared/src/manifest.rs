//! The manifest of a run: what went in, what came out, and all that is needed to do it again.

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    engine::Outcome,
    error::{Phase, RunError},
    paths::{PathError, TAPE_EXTENSIONS, safe_join},
    phases::disposition::Disposition,
    results::csv::OutputFile,
    rules::rule_set::RuleSet,
    run::Run,
    tape::{TapeMapping, request::ReadingRequest, text::Fingerprint},
};

/// The version of this engine.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The file name of a manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The folder of an archive that holds the tapes.
pub const INPUT_FOLDER: &str = "input";
/// The folder of an archive that holds the four output files.
pub const OUTPUT_FOLDER: &str = "output";

/// Where the archive keeps a tape, relative to the archive.
///
/// # Errors
/// A name that cannot be kept as it is: it would lead out of the archive, or hold what paths may not hold.
pub fn archived_tape(source_file: &str) -> Result<String, PathError> {
    safe_join(INPUT_FOLDER, &[source_file])
}

/// Where the archive keeps a tape whatever it is called, relative to the archive: under its name or, where an archive cannot keep
/// that, under one that is made of its hash. The bucket takes keys of 1,024 bytes; the manifest has the whole name.
pub fn place_of_tape(source_file: &str) -> String {
    let place = archived_tape(source_file).ok();
    // Two names that differ only in what a path leaves out are two tapes.
    let as_it_is =
        place.filter(|place| place.strip_prefix(INPUT_FOLDER).and_then(|path| path.strip_prefix('/')) == Some(source_file));
    as_it_is.unwrap_or_else(|| {
        let digest = Sha256::digest(source_file.as_bytes());
        let hash: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let name = source_file.to_ascii_lowercase();
        let extension = TAPE_EXTENSIONS.iter().find(|extension| name.ends_with(**extension)).unwrap_or(&".csv");
        format!("{INPUT_FOLDER}/{hash}{extension}")
    })
}

/// Where the archive keeps an output file, relative to the archive.
pub fn archived_output(file: OutputFile) -> String {
    format!("{OUTPUT_FOLDER}/{}", file.file_name())
}

/// What went into a run and what came out of it. Two runs with the same parameters on the same tapes differ in their
/// `run_id` alone: a manifest holds no time of day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The run.
    pub run_id: Uuid,
    /// The version of the engine that did it.
    pub engine_version: String,
    /// Whether the tapes and outputs were archived, so that the run can be repeated. Only `false` is written.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub archived: bool,
    /// What it was done with.
    pub parameters: ManifestParameters,
    /// The rules.
    pub rule_set: ManifestRuleSet,
    /// What was asked for of how the tapes are read. Most runs ask for nothing, and have none.
    #[serde(default, skip_serializing_if = "ReadingRequest::is_empty")]
    pub reading: ReadingRequest,
    /// How each tape was read: its columns and units. A list of [`TapeMapping`] objects, kept as they were written.
    pub column_mapping: Vec<serde_json::Value>,
    /// The tapes, in the order in which their loans come.
    pub inputs: Vec<ManifestFile>,
    /// The four output files.
    pub outputs: Vec<ManifestFile>,
    /// The stored facts and exceptions. They follow from the inputs and are not in the archive.
    pub stored: Vec<ManifestFile>,
    /// What was counted.
    pub counts: Counts,
}

fn yes() -> bool {
    true
}

fn is_yes(archived: &bool) -> bool {
    *archived
}

/// What a run was done with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestParameters {
    /// The IRR target in percent.
    pub irr_target: ExactNumber,
    /// The purchase date.
    pub pdate: Date,
}

/// The rules that a run used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRuleSet {
    /// The name that the rule set gives itself, or else that of its file.
    pub name: String,
    /// The version that it gives itself, or else `unversioned`.
    pub version: String,
    /// SHA-256 of all that it decides, whatever it is called.
    pub hash: String,
    /// The file it was read from, in full; `None` for the one that the product ships.
    pub toml: Option<String>,
}

/// One file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Where it is, relative to the archive.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// The name of a tape in the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_file: Option<String>,
    /// How many data rows it has, where that is known without reading it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// What was counted in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// How many loans there are.
    pub total_loans: u64,
    /// The exact sum of the readable loan amounts, in dollars.
    pub total_balance: ExactNumber,
    /// How many are bought.
    pub to_purchase: u64,
    /// How many are kept for later.
    pub projected: u64,
    /// How many are turned down.
    pub rejected: u64,
    /// How many exceptions there are.
    pub exceptions_count: u64,
}

/// A number of a JSON document, kept digit for digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactNumber(String);

impl ExactNumber {
    /// The digits.
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

    /// Whether the file is the one of this fingerprint.
    pub fn is(&self, fingerprint: &Fingerprint) -> bool {
        self.size == fingerprint.size && self.sha256 == fingerprint.sha256
    }
}

impl Counts {
    /// What the engine counted.
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

/// How tapes were read, as a manifest keeps it.
///
/// # Errors
/// None that is known: the engine itself would be at fault.
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
    /// None that is known: the engine itself would be at fault.
    pub fn new(run: &Run, rules: &RuleSet, outcome: &Outcome) -> Result<Self, RunError> {
        let parameters = run.parameters();
        let id = rules.id();
        let inputs = outcome.inputs.iter().map(|(name, fingerprint)| ManifestFile {
            source_file: Some(name.clone()),
            ..ManifestFile::new(place_of_tape(name), fingerprint)
        });
        let outputs = outcome.outputs.iter().map(|(file, fingerprint)| {
            let rows = Some(outcome.summary.rows(*file));
            ManifestFile { rows, ..ManifestFile::new(archived_output(*file), fingerprint) }
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
                toml: rules.source().map(str::to_owned),
            },
            reading: ReadingRequest::default(),
            column_mapping: column_mapping(&outcome.mappings)?,
            inputs: inputs.collect(),
            outputs: outputs.collect(),
            stored: stored.collect(),
            counts: Counts::of(outcome),
        })
    }

    /// The manifest as JSON, for people to read too.
    ///
    /// # Errors
    /// None that is known: the engine itself would be at fault.
    pub fn to_json(&self) -> Result<Vec<u8>, RunError> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| unwritten(&error))?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// Anything that is not one; the text says what is missing and where.
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
