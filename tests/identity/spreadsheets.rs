//! Cells that a spreadsheet would run, in every file that a spreadsheet opens.

use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx};
use serde_json::json;
use shared::{decimal::Decimal, results::outputs::OUTPUTS};

use super::app;
use crate::support::{app::TestApp, runs::HEADER};

/// A spreadsheet runs a cell that begins with one of these, unless it is a number.
const BEGINNINGS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Cells that an attacker wants the spreadsheet to run.
const HOSTILE: [&str; 11] = [
    "=1+1",
    "=HYPERLINK(\"http://x\",\"y\")",
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-1+1",
    "-cmd",
    "@SUM(1+1)",
    "\tcmd",
    "\r=1+1",
    "=\n1",
    "+",
];

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

/// Runs two tapes whose names would be formulas as well, with a hostile cell in every text column.
async fn hostile_run() -> (TestApp, crate::support::app::Person, String) {
    let (app, root) = app().await;
    let mut files = Vec::new();
    for name in ["=1+1.csv", "@SUM(1).csv"] {
        let mut tape = format!("{HEADER}\n");
        for (at, cell) in HOSTILE.iter().enumerate() {
            let (cell, good) = (quoted(cell), "250000,6.5,80,35,720,sfr,primary,purchase,312500,312500");
            // Bought, held, and rejected for every reason.
            tape += &format!("{cell},{good}\n");
            tape += &format!("{},{}\n", quoted(&format!("{}{name}{at}", HOSTILE[at])), good.replace("720", &cell));
            tape += &format!("R{name}{at},{}\n", good.replace("sfr", &cell).replace("primary", &cell).replace("purchase", &cell));
            tape += &format!("V{name}{at},{}\n", good.replace("250000", &cell).replace("6.5", &cell));
            tape += &format!("{cell},too,few\n");
        }
        app.put(&format!("inputs/{name}"), tape).await;
        files.push(name);
    }
    app.put(
        "inputs/rules.toml",
        "name = \"r\"\nversion = \"1\"\n[projection]\nminimum_price = 99\nhold_on_soft_exceptions = true\n[pricing]\ncap = 110\n",
    )
    .await;
    let run = app.start(&root, &json!({"files": files, "rule_set": "rules.toml"})).await.expect(202);
    app.work().await;
    let id = run["run_id"].as_str().unwrap().to_owned();
    assert_eq!(app.read(&root, &format!("/api/runs/{id}")).await["status"], "completed");
    (app, root, id)
}

/// Asserts that a spreadsheet runs no cell of a CSV file. Returns the number of guarded cells, which it would have run.
fn assert_harmless(name: &str, bytes: &[u8]) -> usize {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut guarded = 0;
    for (line, row) in reader.records().enumerate() {
        for cell in &row.unwrap() {
            if cell.starts_with(BEGINNINGS) {
                assert!(cell.parse::<Decimal>().is_ok(), "{name} row {line}: {cell:?}");
            }
            guarded += usize::from(cell.strip_prefix('\'').is_some_and(|rest| rest.starts_with(BEGINNINGS)));
        }
    }
    guarded
}

#[tokio::test]
async fn no_cell_of_any_csv_file_is_run() {
    let (app, root, id) = hostile_run().await;
    let mut guarded = 0;
    for output in &OUTPUTS {
        for path in [
            format!("/api/runs/{id}/notebook-outputs/{}/download", output.key),
            format!("/api/runs/{id}/archive/download?path=output/{}", output.file_name),
            format!("/api/files/download/{id}/{}?area=outputs", output.file_name),
        ] {
            let answer = app.get(&path).by(&root).send().await;
            assert_eq!(answer.status, 200, "{path}");
            guarded += assert_harmless(&path, &answer.bytes);
        }
    }
    assert!(guarded > 3 * 50, "{guarded}");
    for list in ["exceptions", "loans"] {
        let export = app.get(&format!("/api/{list}/export?format=csv&run_id={id}")).by(&root).send().await;
        assert_eq!(export.status, 200, "{list}");
        let guarded = assert_harmless(list, &export.bytes);
        // The guarded cells are loan numbers, values, and the names of the tapes themselves.
        assert!(guarded > 100, "{list} {guarded}");
    }
}

#[tokio::test]
async fn no_cell_of_a_workbook_is_run() {
    let (app, root, id) = hostile_run().await;
    for path in [
        format!("/api/exceptions/export?format=xlsx&run_id={id}"),
        format!("/api/loans/export?format=xlsx&run_id={id}"),
        format!("/api/runs/{id}/workbook"),
    ] {
        let answer = app.get(&path).by(&root).send().await;
        assert_eq!(answer.status, 200, "{path}");
        let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(answer.bytes.to_vec())).unwrap();
        let mut texts = 0;
        for name in workbook.sheet_names() {
            assert!(workbook.worksheet_formula(&name).unwrap().used_cells().next().is_none(), "{path} {name}");
            let sheet = workbook.worksheet_range(&name).unwrap();
            let hostile = |cell: &&Data| matches!(cell, Data::String(text) if text.starts_with(BEGINNINGS));
            texts += sheet.rows().flatten().filter(hostile).count();
        }
        assert!(texts > 100, "{path} {texts}");
        // No cell becomes a link or anything else that the workbook would have a part for.
        let parts = zip::ZipArchive::new(Cursor::new(answer.bytes.to_vec())).unwrap();
        for name in parts.file_names() {
            let name = name.unwrap();
            let foreign = ["sheet1.xml.rels", "externalLink", "vbaProject", "drawing"];
            assert!(!foreign.iter().any(|part| name.contains(part)), "{path} {name}");
        }
    }
}
