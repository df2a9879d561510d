//! The rule set of a run as the API shows it: its text, the files that it names, and its rules.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::hex::hex;

use super::{
    listing::RuleObject,
    rule_set::{RuleSet, RuleSetId},
};

/// The rule set that judged the loans of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunRuleSet)]
pub struct RuleSetInForce<'r> {
    /// Name of the rule set.
    #[schema(example = "built-in")]
    name: String,
    /// Version of the rule set.
    #[schema(example = "1")]
    version: String,
    /// SHA-256 of everything the rule set decides, in lower-case hexadecimal. Equal hashes mean equal rules.
    #[schema(example = "1e2809335995aebe54788a07a2ee783fbee1c602dcafafa97381243fad4cd697")]
    hash: String,
    /// Complete text of the rule set, as it was when the run was created: TOML.
    #[schema(example = "name = \"strict\"\n[limits]\nltv_ratio = { max = 95.0 }\n")]
    toml: &'r str,
    /// Files that the rule set names, grids and programs, in the order of their names.
    files: Vec<GuideFileObject<'r>>,
    /// Rules in the order in which exceptions report them, as in `/api/config`.
    rules: Vec<RuleObject>,
}

/// A file that a rule set names.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleSetFile)]
pub struct GuideFileObject<'r> {
    /// Name of the file.
    #[schema(example = "ltv.csv")]
    name: &'r str,
    /// Size in bytes.
    #[schema(example = 412)]
    size: u64,
    /// SHA-256 of the content, in lower-case hexadecimal.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    sha256: String,
}

impl<'r> RuleSetInForce<'r> {
    pub fn new(rules: &'r RuleSet) -> Self {
        let RuleSetId { name, version, hash } = rules.id();
        let files = rules.source().into_iter().flat_map(|source| source.files.iter());
        let file = |(name, content): (&'r str, &'r [u8])| GuideFileObject {
            name,
            size: content.len() as u64,
            sha256: hex(&Sha256::digest(content)),
        };
        Self { name, version, hash, toml: rules.toml(), files: files.map(file).collect(), rules: rules.listing() }
    }
}
