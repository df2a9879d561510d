//! Files and runs together: tapes that are uploaded, outputs that are listed and downloaded, archives, and exports.

mod test_pipeline_file_integration;

use serde_json::Value;
use shared::auth::permission::Role;

use crate::support::app::{Person, Tape, TestApp};

/// The output files of a run.
const OUTPUTS: [&str; 4] = ["exception_summary.csv", "projected_tape.csv", "purchase_tape.csv", "rejection_report.csv"];

/// The product with an administrator.
async fn app() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let admin = app.person("root", Role::Admin, None).await;
    (app, admin)
}

/// Two loans that are bought, one with a hard exception, and one with a hard and a soft exception.
fn tape() -> Tape {
    Tape::new()
        .good("0001")
        .with("0002", &[("ltv_ratio", "97.8")])
        .good("0003")
        .with("0004", &[("credit_score", "500"), ("appraisal_value", "")])
}

/// The names of the files in a list.
fn names(files: &Value) -> Vec<&str> {
    files.as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect()
}
