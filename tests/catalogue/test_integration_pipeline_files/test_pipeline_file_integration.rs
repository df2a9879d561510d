use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx};
use serde_json::{Value, json};

use super::{OUTPUTS, app, names, tape};
use crate::support::runs::HEADER;

/// The rows of a CSV file, the header first.
fn rows(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// A value of the API as a cell shows it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[tokio::test]
async fn test_pipeline_outputs_appear_in_file_listing() {
    let (app, admin) = app().await;
    assert_eq!(app.read(&admin, "/api/files/list?area=outputs").await["count"], 0);
    let run = app.ended(&admin, &tape()).await;
    let root = app.read(&admin, "/api/files/list?area=outputs").await;
    assert_eq!((names(&root["files"]), &root["files"][0]["type"]), (vec![run.as_str()], &"directory".into()));
    let folder = app.read(&admin, &format!("/api/files/list?area=outputs&path={run}")).await;
    assert_eq!(names(&folder["files"]), OUTPUTS);
    let outputs = app.read(&admin, &format!("/api/runs/{run}/notebook-outputs")).await;
    for output in outputs.as_array().unwrap() {
        let listed = folder["files"].as_array().unwrap().iter().find(|file| file["name"] == output["name"]).unwrap();
        assert_eq!((&listed["size"], &listed["last_modified"]), (&output["size"], &output["last_modified"]));
    }
}

#[tokio::test]
async fn test_download_pipeline_output_via_files_endpoint() {
    let (app, admin) = app().await;
    let run = app.ended(&admin, &tape()).await;
    for name in OUTPUTS {
        let by_path = app.get(&format!("/api/files/download/{run}/{name}?area=outputs")).by(&admin).send().await;
        let key = name.strip_suffix(".csv").unwrap();
        let by_key = app.get(&format!("/api/runs/{run}/notebook-outputs/{key}/download")).by(&admin).send().await;
        assert_eq!((by_path.status.as_u16(), by_key.status.as_u16()), (200, 200), "{name}");
        assert_eq!(by_path.bytes, by_key.bytes, "{name}");
        assert_eq!(by_path.header("content-type"), "text/csv; charset=utf-8");
        assert_eq!(by_path.header("content-disposition"), format!("attachment; filename=\"{name}\""));
    }
}

#[tokio::test]
async fn test_notebook_output_download_returns_valid_csv() {
    let (app, admin) = app().await;
    let run = app.ended(&admin, &tape()).await;
    let download = async |key: &str| {
        let answer = app.get(&format!("/api/runs/{run}/notebook-outputs/{key}/download")).by(&admin).send().await;
        rows(&answer.bytes)
    };
    let tapes = format!("{HEADER},disposition,pricing_spread,final_price");
    let (purchase, projected) = (download("purchase_tape").await, download("projected_tape").await);
    assert_eq!((purchase[0].join(","), projected[0].join(",")), (tapes.clone(), format!("{tapes},projection_reason")));
    assert_eq!(purchase[1..].iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["0001", "0003"]);
    assert!(purchase[1..].iter().all(|row| row[11] == "to_purchase"), "{purchase:?}");
    assert_eq!(projected.len(), 1);
    let rejected = download("rejection_report").await;
    assert_eq!(rejected[0].join(","), format!("{tapes},exception_type,severity,message,rejection_criteria"));
    let exceptions: Vec<_> = rejected[1..].iter().map(|row| (row[0].as_str(), row[14].as_str(), row[15].as_str())).collect();
    assert_eq!(
        exceptions,
        [("0002", "ltv_ratio", "hard"), ("0004", "credit_score", "hard"), ("0004", "missing_appraisal", "soft")]
    );
    let summary = download("exception_summary").await;
    assert_eq!(summary[0].join(","), "exception_type,exception_category,severity,count,rejection_criteria,sample_message");
    let counts: Vec<_> = summary[1..].iter().map(|row| (row[0].as_str(), row[3].as_str())).collect();
    assert_eq!(counts, [("credit_score", "1"), ("ltv_ratio", "1"), ("missing_appraisal", "1")]);
}

#[tokio::test]
async fn test_upload_loan_tape_then_list_in_inputs() {
    let (app, admin) = app().await;
    let upload = app.post("/api/files/upload?path=2026.02").by(&admin).file("tape.csv", tape().text()).send().await;
    let uploaded = upload.expect(200);
    let list = app.read(&admin, "/api/files/list?area=inputs&path=2026.02").await;
    assert_eq!(list["count"], 1);
    assert_eq!((&list["files"][0]["path"], &list["files"][0]["size"]), (&uploaded["path"], &uploaded["size"]));
    let run = app.start(&admin, &json!({"folder": "2026.02"})).await.expect(202)["run_id"].as_str().unwrap().to_owned();
    app.work().await;
    let run = app.read(&admin, &format!("/api/runs/{run}")).await;
    assert_eq!((&run["status"], &run["total_loans"]), (&"completed".into(), &4.into()));
}

#[tokio::test]
async fn test_archive_files_accessible_after_run() {
    let (app, admin) = app().await;
    let run = app.ended(&admin, &tape()).await;
    let archive = app.read(&admin, &format!("/api/runs/{run}/archive")).await;
    assert_eq!(archive["input"].as_array().unwrap().len(), 1);
    assert_eq!(names(&archive["output"]), OUTPUTS);
    let download = async |path: &str| {
        let answer = app.get(&format!("/api/runs/{run}/archive/download?path={path}")).by(&admin).send().await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text());
        answer
    };
    assert_eq!(download(archive["input"][0]["path"].as_str().unwrap()).await.text(), tape().text());
    for output in archive["output"].as_array().unwrap() {
        let name = output["name"].as_str().unwrap();
        let original = app.get(&format!("/api/files/download/{run}/{name}?area=outputs")).by(&admin).send().await;
        assert_eq!(download(output["path"].as_str().unwrap()).await.bytes, original.bytes, "{name}");
    }
    let manifest = download("manifest.json").await.json();
    assert_eq!((manifest["inputs"].as_array().unwrap().len(), manifest["outputs"].as_array().unwrap().len()), (1, 4));
}

#[tokio::test]
async fn test_exception_export_csv_matches_api_data() {
    let (app, admin) = app().await;
    let run = app.ended(&admin, &tape()).await;
    app.ended(&admin, &tape()).await;
    for filter in [format!("run_id={run}"), format!("run_id={run}&severity=soft"), "exception_type=ltv_ratio".to_owned()] {
        let shown = app.read(&admin, &format!("/api/exceptions?{filter}")).await;
        let export = app.get(&format!("/api/exceptions/export?format=csv&{filter}")).by(&admin).send().await;
        assert_eq!(export.header("content-disposition"), "attachment; filename=\"exceptions_export.csv\"");
        let rows = rows(&export.bytes);
        let shown = shown.as_array().unwrap();
        assert_eq!(rows.len(), shown.len() + 1, "{filter}");
        for (row, exception) in rows[1..].iter().zip(shown) {
            let expected: Vec<String> = rows[0].iter().map(|column| cell(&exception[column])).collect();
            assert_eq!(*row, expected, "{filter}");
        }
        let fields: Vec<&String> = shown[0].as_object().unwrap().keys().collect();
        assert_eq!(rows[0].iter().collect::<Vec<_>>(), fields);
    }
}

#[tokio::test]
async fn test_exception_export_xlsx_is_valid() {
    let (app, admin) = app().await;
    let run = app.ended(&admin, &tape()).await;
    let shown = app.read(&admin, &format!("/api/exceptions?run_id={run}")).await;
    let export = app.get(&format!("/api/exceptions/export?format=xlsx&run_id={run}")).by(&admin).send().await;
    assert_eq!(export.status.as_u16(), 200);
    assert_eq!(export.header("content-disposition"), "attachment; filename=\"exceptions_export.xlsx\"");
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    assert_eq!(export.header("content-type"), kind);
    let mut book = Xlsx::new(Cursor::new(export.bytes)).unwrap();
    let sheet = book.worksheet_range_at(0).unwrap().unwrap();
    let rows: Vec<&[Data]> = sheet.rows().collect();
    let shown = shown.as_array().unwrap();
    assert_eq!(rows.len(), shown.len() + 1);
    let at = |column: &str| rows[0].iter().position(|cell| *cell == *column).unwrap();
    for (row, exception) in rows[1..].iter().zip(shown) {
        for column in ["seller_loan_number", "exception_type", "severity", "message", "actual", "limit"] {
            assert_eq!(row[at(column)].to_string(), cell(&exception[column]), "{column}");
        }
    }
}
