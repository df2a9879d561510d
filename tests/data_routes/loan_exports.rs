//! `GET /api/loans/export`.

use std::io::Cursor;

use bytes::Bytes;
use calamine::{Reader as _, Xlsx};
use parquet::{
    file::{reader::FileReader as _, serialized_reader::SerializedFileReader},
    record::Field as Value,
};
use serde_json::json;

use crate::{
    data_routes::{app, member, mixed},
    support::{
        app::{Answer, Person, Tape, TestApp},
        runs::{GOOD_CELLS, HEADER},
    },
};

async fn export(app: &TestApp, person: &Person, run: &str, query: &str) -> Answer {
    app.get(&format!("/api/loans/export?run_id={run}&{query}")).by(person).send().await
}

/// Runs a tape with two kept columns, unreadable cells, and a number of more digits than its column.
async fn rich_run(app: &TestApp, person: &Person) -> String {
    let tape = format!(
        "{HEADER},County,State\nL-1,{GOOD_CELLS},Kings,CA\nL-2,\"1,234.5678\",6.5,x,35,720,castle,primary,,312500,312500,=1+1,Atlantis\n\
         L-3,{GOOD_CELLS},,NV\n"
    );
    app.put("inputs/rich.csv", tape).await;
    let run = app.start(person, &json!({"files": ["rich.csv"]})).await.expect(202);
    app.work().await;
    run["run_id"].as_str().unwrap().to_owned()
}

/// The rows of a CSV file, the header first.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn a_file_has_the_members_of_each_loan_as_columns() {
    let (app, ana) = app().await;
    let id = rich_run(&app, &ana).await;
    let file = export(&app, &ana, &id, "").await;
    assert_eq!((file.status.as_u16(), file.header("content-disposition")), (200, "attachment; filename=\"loans_export.csv\""));
    let rows = rows(&file.text());
    let at = |name: &str| rows[0].iter().position(|column| column == name).unwrap_or_else(|| panic!("{name}"));
    let column = |name: &str| rows[1..].iter().map(|row| row[at(name)].as_str()).collect::<Vec<_>>();
    assert_eq!(column("seller_loan_number"), ["L-1", "L-2", "L-3"]);
    assert_eq!(column("loan_amount"), ["250000", "1234.5678", "250000"]);
    assert_eq!(column("ltv_ratio"), ["80", "x", "80"]);
    assert_eq!(column("property_type"), ["sfr", "castle", "sfr"]);
    assert_eq!(column("property_state"), ["CA", "Atlantis", "NV"]);
    assert_eq!(column("County"), ["Kings", "'=1+1", ""]);
    assert_eq!(column("final_price"), ["96.125", "", "96.125"]);
    assert_eq!((column("line"), column("row")), (vec!["2", "3", "4"], vec!["0", "1", "2"]));
    assert!(!rows[0].contains(&"program".to_owned()));
    for loan in app.read(&ana, &format!("/api/loans?run_id={id}")).await.as_array().unwrap() {
        assert!(loan.as_object().unwrap().keys().all(|name| rows[0].contains(name)), "{loan}");
    }
}

#[tokio::test]
async fn a_file_has_the_loans_of_the_list_in_its_order() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let query = "disposition=rejected&sort=-ltv_ratio&fields=ltv_ratio&fields=seller_loan_number";
    let file = export(&app, &ana, &id, query).await.text();
    assert_eq!(file, "seller_loan_number,ltv_ratio,row\nA,97.8,1\nB,80,2\nUNKNOWN,80,3\n");
    let none = export(&app, &ana, &id, "search=x&fields=wal").await.text();
    assert_eq!(none, "wal,row\n");
    let book = export(&app, &ana, &id, &format!("{query}&format=xlsx")).await;
    assert_eq!(book.header("content-disposition"), "attachment; filename=\"loans_export.xlsx\"");
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(book.bytes.to_vec())).unwrap();
    let sheet = book.worksheet_range("Loans").unwrap();
    let cells: Vec<Vec<String>> = sheet.rows().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    assert_eq!(cells, rows(&file));
}

#[tokio::test]
async fn a_parquet_file_has_the_columns_of_the_facts() {
    let (app, ana) = app().await;
    let id = rich_run(&app, &ana).await;
    let file = export(&app, &ana, &id, "format=parquet&sort=-line").await;
    assert_eq!(file.header("content-type"), "application/vnd.apache.parquet");
    let reader = SerializedFileReader::new(Bytes::from(file.bytes.to_vec())).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap()).collect();
    let cell = |at: usize, name: &str| {
        let found = rows[at].get_column_iter().find(|(column, _)| *column == name).unwrap_or_else(|| panic!("{name}"));
        match found.1 {
            Value::Null => None,
            Value::Str(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    };
    assert_eq!((0..3).map(|at| cell(at, "row").unwrap()).collect::<Vec<_>>(), ["2", "1", "0"]);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!((cell(0, "loan_amount"), cell(1, "loan_amount")), (text("250000.00"), text("1234.57")));
    assert_eq!((cell(1, "ltv_ratio"), cell(2, "ltv_ratio")), (None, text("80.000000")));
    assert_eq!(cell(1, "exact_values"), text("{\"loan_amount\":1234.5678}"));
    assert_eq!(cell(1, "as_written"), text("{\"ltv_ratio\":\"x\",\"property_state\":\"Atlantis\"}"));
    assert_eq!((cell(1, "source_columns"), cell(2, "property_state")), (text("{\"County\":\"=1+1\"}"), text("CA")));
    let few = export(&app, &ana, &id, "format=parquet&fields=note_rate&fields=County").await;
    let reader = SerializedFileReader::new(Bytes::from(few.bytes.to_vec())).unwrap();
    let columns = reader.metadata().file_metadata().schema_descr().columns().to_vec();
    let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    assert_eq!(names, ["note_rate", "as_written", "exact_values", "source_columns", "row"]);
}

#[tokio::test]
async fn a_run_without_loans_has_no_file() {
    let (app, ana) = app().await;
    let failed = app.ended(&ana, &Tape::new()).await;
    let path = app.put_tape(&ana, &Tape::of_good(1)).await;
    let dry =
        app.start(&ana, &json!({"files": [path], "dry_run": true})).await.expect(202)["run_id"].as_str().unwrap().to_owned();
    app.work().await;
    assert_eq!(export(&app, &ana, &failed, "").await.problem(409), "run_not_completed");
    assert_eq!(export(&app, &ana, &dry, "").await.problem(409), "dry_run_keeps_no_loans");
    let (wes, eve) = (member(&app, "West").await, member(&app, "East").await);
    let id = app.ended(&wes, &Tape::of_good(1)).await;
    assert_eq!(export(&app, &eve, &id, "").await.problem(404), "not_found");
    assert_eq!(export(&app, &wes, &id, "format=pdf").await.problem(422), "invalid_input");
}
