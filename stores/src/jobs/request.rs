//! The kinds of jobs, and what identifies a job.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shared::{manifest::ENGINE_VERSION, results::workbook::RETURN_FILE};
use uuid::Uuid;

/// What a job makes. Each kind is one variant, with the parameters that decide the content of its file. `runner` has the code that
/// makes the file (`functions/runner/src/jobs/`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobRequest {
    /// The archive of a run as a ZIP.
    ArchiveZip { run_id: Uuid },
    /// The workbook with the loans that a run does not buy, for the seller.
    SellerReturn { run_id: Uuid },
    /// What differs between two runs.
    Compare(ComparisonRequest),
}

/// Two runs, and what is asked about them, as the query of the request has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonRequest {
    pub base: Uuid,
    pub with: Uuid,
    pub from: Option<String>,
    pub to: Option<String>,
    pub changed: Option<String>,
    pub tolerance: Option<String>,
    /// Number of listed loans before the page.
    pub skip: u64,
    /// Largest number of loans in the page.
    pub limit: u64,
}

impl JobRequest {
    /// Id of the job. The same request to the same version of the product has the same id, so that the job is done once.
    pub fn id(&self) -> Uuid {
        // The variants hold texts and numbers, which JSON can always represent, in the order of the declaration.
        let json = serde_json::to_string(self).unwrap_or_default();
        let hash = Sha256::digest(format!("{ENGINE_VERSION}\n{json}"));
        Uuid::from_u128(hash.iter().take(16).fold(0, |id, byte| id << 8 | u128::from(*byte)))
    }

    /// Name of the file for the client. Its extension decides the content type.
    pub fn file_name(&self) -> String {
        match self {
            Self::ArchiveZip { run_id } => format!("{run_id}.zip"),
            Self::SellerReturn { .. } => RETURN_FILE.to_owned(),
            Self::Compare(_) => "comparison.json".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_decides_its_id() {
        let zip = |run| JobRequest::ArchiveZip { run_id: Uuid::from_u128(run) };
        assert_eq!(zip(1).id(), zip(1).id());
        assert_ne!(zip(1).id(), zip(2).id());
        assert_ne!(zip(1).id(), Uuid::nil());
    }

    #[test]
    fn a_stored_request_is_read_back() {
        let request = JobRequest::ArchiveZip { run_id: Uuid::from_u128(1) };
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(json, r#"{"kind":"archive_zip","run_id":"00000000-0000-0000-0000-000000000001"}"#);
        assert_eq!(serde_json::from_str::<JobRequest>(&json).unwrap(), request);
    }
}
