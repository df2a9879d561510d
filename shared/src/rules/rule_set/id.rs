//! How a rule set is identified.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which rule set a run used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RuleSetName)]
pub struct RuleSetId {
    /// Name in the rule set, or else the name of its file.
    #[schema(example = "built-in")]
    pub name: String,
    /// Version in the rule set, or else `unversioned`.
    #[schema(example = "1")]
    pub version: String,
    /// SHA-256 of everything the rule set decides, in lower-case hexadecimal, whatever its name and however it is written. Equal
    /// hashes mean equal rules.
    #[schema(example = "1e2809335995aebe54788a07a2ee783fbee1c602dcafafa97381243fad4cd697")]
    pub hash: String,
}
