//! What the report reads of the run, the summary and the reasons. Members that an earlier version did not write are absent.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::figure::Figure;

/// A completed run with its summary and its reasons, as `summary.json` has them.
#[derive(Debug, Deserialize)]
pub struct Report {
    pub(super) run: ReportRun,
    pub(super) summary: ReportSummary,
    pub(super) reasons: ReportReasons,
}

impl Report {
    /// Reads the content of `summary.json`.
    ///
    /// # Errors
    /// [`serde_json::Error`] when the text is not a completed run.
    pub fn read(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Reads a run, its summary and its reasons, each as the API shows it.
    ///
    /// # Errors
    /// [`serde_json::Error`] when one of them is not what the API shows.
    pub fn of(run: &str, summary: &str, reasons: &str) -> Result<Self, serde_json::Error> {
        Ok(Self {
            run: serde_json::from_str(run)?,
            summary: serde_json::from_str(summary)?,
            reasons: serde_json::from_str(reasons)?,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportRun {
    pub run_id: String,
    pub status: String,
    pub pdate: String,
    pub irr_target: Figure,
    pub created_at: String,
    pub completed_at: Option<String>,
    pub rule_set: ReportRuleSet,
    pub profile: Option<ReportRuleSet>,
    #[serde(default)]
    pub created_by_username: Option<String>,
    /// `None` for a dry run.
    pub output_dir: Option<String>,
    #[serde(default)]
    pub tapes: Option<Vec<ReportTape>>,
    #[serde(default)]
    pub tapes_count: Option<u64>,
    #[serde(default)]
    pub column_mapping: Option<Vec<ReportMapping>>,
    #[serde(default)]
    pub ignored_rows: u64,
    #[serde(default)]
    pub superseded_rows: u64,
    #[serde(default)]
    pub pool_status: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportRuleSet {
    pub name: String,
    pub version: Option<String>,
    pub hash: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportTape {
    pub path: String,
    pub size: Option<Figure>,
    pub etag: Option<String>,
}

/// How a tape was read; the report names the tape.
#[derive(Debug, Deserialize)]
pub(super) struct ReportMapping {
    pub source_file: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportSummary {
    pub total_loans: Figure,
    pub total_balance: Figure,
    pub exceptions_count: Figure,
    pub dispositions: ReportDispositions,
    pub strats: Vec<ReportStrat>,
    #[serde(default)]
    pub programs: Vec<ReportProgram>,
    #[serde(default)]
    pub pool_tests: Option<Vec<ReportPoolTest>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportDispositions {
    pub to_purchase: ReportDisposition,
    pub projected: ReportDisposition,
    pub rejected: ReportDisposition,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportDisposition {
    pub count: Figure,
    pub balance: Figure,
    pub wac: Option<Figure>,
    pub wa_ltv: Option<Figure>,
    pub wa_dti: Option<Figure>,
    pub wa_credit_score: Option<Figure>,
    pub wa_price: Option<Figure>,
    #[serde(default)]
    pub wa_wal: Option<Figure>,
    #[serde(default)]
    pub wa_duration: Option<Figure>,
    #[serde(default)]
    pub dollars_to_pay: Option<Figure>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportStrat {
    pub by: String,
    pub buckets: Vec<ReportBucket>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportBucket {
    pub label: String,
    pub count: Figure,
    pub balance: Figure,
    pub share: Option<Figure>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportProgram {
    pub name: String,
    pub eligible: Figure,
    pub best: ReportBest,
    pub rejected_only_by: BTreeMap<String, Figure>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportBest {
    pub count: Figure,
    pub balance: Figure,
    pub wa_price: Option<Figure>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportPoolTest {
    pub name: String,
    pub of: String,
    #[serde(default)]
    pub measure: Option<String>,
    pub value: Option<Figure>,
    pub min: Option<Figure>,
    pub max: Option<Figure>,
    pub passed: bool,
    pub shortfall: Option<Figure>,
    pub mend: Option<String>,
    pub severity: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportReasons {
    pub reasons: Vec<ReportReason>,
    pub held: Vec<ReportHeld>,
    pub pairs: Vec<ReportPair>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportReason {
    pub program: Option<String>,
    pub exception_type: String,
    pub severity: String,
    pub loans: Figure,
    pub balance: Figure,
    pub only_reason: ReportLoans,
    pub distance_unit: Option<String>,
    pub by_distance: Vec<ReportStep>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportLoans {
    pub loans: Figure,
    pub balance: Figure,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportStep {
    pub up_to: Figure,
    pub loans: Figure,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportHeld {
    pub policy: String,
    pub reason: String,
    pub loans: Figure,
    pub balance: Figure,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReportPair {
    pub types: [String; 2],
    pub loans: Figure,
    pub balance: Figure,
}
