//! `GET /api/exceptions/export`.

use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use shared::auth::permission::Role;
use stores::{export_turns::ExportTurns, keys};

use crate::{
    data_routes::{app, member, mixed},
    support::app::{Answer, Person, Tape, TestApp},
};

const COLUMNS: &str = "id,run_id,seller_loan_number,exception_type,exception_category,severity,message,rejection_criteria,\
                       field,actual,limit,excess,source_file,line,row,created_at";

async fn export(app: &TestApp, person: &Person, query: &str) -> Answer {
    app.get(&format!("/api/exceptions/export{query}")).by(person).send().await
}

/// The rows of a CSV file below its header.
fn csv_rows(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(bytes);
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(","), COLUMNS);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// The cells of a workbook below its header.
fn xlsx_rows(bytes: &[u8]) -> Vec<Vec<Data>> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes.to_vec())).unwrap();
    let sheet = workbook.worksheet_range_at(0).unwrap().unwrap();
    let header: Vec<String> = sheet.rows().next().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(header.join(","), COLUMNS);
    sheet.rows().skip(1).map(<[Data]>::to_vec).collect()
}

/// The members of an exception as the cells of a CSV file.
fn cells(exception: &Value) -> Vec<String> {
    let cell = |name| match &exception[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    COLUMNS.split(',').map(cell).collect()
}

#[tokio::test]
async fn a_csv_file_says_what_the_list_says() {
    let (app, ana) = app().await;
    app.ended(&ana, &mixed()).await;
    app.ended(&ana, &mixed()).await;
    let answer = export(&app, &ana, "?format=csv").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"exceptions_export.csv\"");
    let listed = app.read(&ana, "/api/exceptions").await;
    let expected: Vec<Vec<String>> = listed.as_array().unwrap().iter().map(cells).collect();
    assert_eq!(csv_rows(&answer.bytes), expected);
    assert_eq!(expected.len(), 8);
    assert_eq!(export(&app, &ana, "").await.bytes, answer.bytes);
}

#[tokio::test]
async fn a_workbook_says_what_the_list_says() {
    let (app, ana) = app().await;
    app.ended(&ana, &mixed()).await;
    let answer = export(&app, &ana, "?format=xlsx").await;
    assert_eq!(answer.header("content-type"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"exceptions_export.xlsx\"");
    let listed = app.read(&ana, "/api/exceptions").await;
    let rows = xlsx_rows(&answer.bytes);
    let shown: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    assert_eq!(shown, listed.as_array().unwrap().iter().map(cells).collect::<Vec<_>>());
    assert_eq!((&rows[0][11], &rows[0][13]), (&Data::Float(0.8), &Data::Float(3.0)));
}

#[tokio::test]
async fn an_export_has_the_filters_of_the_list() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    app.ended(&ana, &mixed()).await;
    for filter in ["severity=soft", "exception_type=credit_score", "seller_loan_number=A", "exception_category=none"] {
        let listed = app.read(&ana, &format!("/api/exceptions?{filter}&run_id={id}")).await;
        let expected: Vec<Vec<String>> = listed.as_array().unwrap().iter().map(cells).collect();
        let answer = export(&app, &ana, &format!("?format=csv&{filter}&run_id={id}")).await;
        assert_eq!(csv_rows(&answer.bytes), expected, "{filter}");
    }
}

#[tokio::test]
async fn an_export_stops_at_its_limit() {
    let (app, ana) = app().await;
    app.ended(&ana, &mixed()).await;
    for (limit, expected) in [(1, 1), (3, 3), (1_048_575, 4)] {
        let csv = export(&app, &ana, &format!("?limit={limit}")).await;
        assert_eq!(csv_rows(&csv.bytes).len(), expected, "{limit}");
        let xlsx = export(&app, &ana, &format!("?limit={limit}&format=xlsx")).await;
        assert_eq!(xlsx_rows(&xlsx.bytes).len(), expected, "{limit}");
    }
}

#[tokio::test]
async fn an_export_of_nothing_is_a_file_with_a_header() {
    let (app, ana) = app().await;
    app.ended(&ana, &Tape::of_good(1)).await;
    assert_eq!(export(&app, &ana, "?format=csv").await.text(), format!("{COLUMNS}\n"));
    assert_eq!(xlsx_rows(&export(&app, &ana, "?format=xlsx").await.bytes).len(), 0);
}

#[tokio::test]
async fn what_cannot_be_exported_is_named() {
    let (app, ana) = app().await;
    for (query, name) in [
        ("format=pdf", "format"),
        ("format=CSV", "format"),
        ("limit=0", "limit"),
        ("limit=1048576", "limit"),
        ("limit=-1", "limit"),
        ("severity=x", "severity"),
        ("run_id=x", "run_id"),
    ] {
        let answer = export(&app, &ana, &format!("?{query}")).await;
        assert_eq!(answer.problem(422), "invalid_input", "{query}");
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["query", name]), "{query}");
    }
}

#[tokio::test]
async fn no_cell_of_an_export_is_run_as_a_formula() {
    let (app, ana) = app().await;
    let hostile = "=HYPERLINK(\"\"http://x\"\")";
    let tape = format!("\"{hostile}\"");
    app.ended(&ana, &Tape::new().with(&tape, &[("credit_score", "@SUM(1)")]).with("-5", &[("ltv_ratio", "99")])).await;
    let csv = export(&app, &ana, "?format=csv").await;
    let rows = csv_rows(&csv.bytes);
    assert_eq!((rows[0][2].as_str(), rows[1][2].as_str()), ("'=HYPERLINK(\"http://x\")", "-5"));
    assert!(rows[0].iter().all(|cell| !cell.starts_with(['=', '@', '+', '\t', '\r'])), "{rows:?}");
    let workbook = export(&app, &ana, "?format=xlsx").await;
    assert_eq!(xlsx_rows(&workbook.bytes)[0][2], Data::String("=HYPERLINK(\"http://x\")".to_owned()));
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(workbook.bytes.to_vec())).unwrap();
    assert!(workbook.worksheet_formula("Exceptions").unwrap().used_cells().next().is_none());
}

#[tokio::test]
async fn a_team_exports_its_own_exceptions_alone() {
    let (app, ana) = app().await;
    let wes = member(&app, "West").await;
    let of_west = app.ended(&wes, &mixed()).await;
    let of_nobody = app.ended(&ana, &mixed()).await;
    let rows = csv_rows(&export(&app, &wes, "").await.bytes);
    assert!(rows.len() == 4 && rows.iter().all(|row| row[1] == of_west), "{rows:?}");
    assert_eq!(export(&app, &wes, &format!("?run_id={of_nobody}")).await.problem(404), "not_found");
    assert_eq!(csv_rows(&export(&app, &ana, "").await.bytes).len(), 8);
}

/// Executes a run whose export is a file of more than four megabytes. Returns its id.
async fn large_run(app: &TestApp, person: &Person) -> String {
    let loans =
        (0..12_000).fold(Tape::new(), |tape, at| tape.with(&format!("N-{at}"), &[("credit_score", "500"), ("ltv_ratio", "99")]));
    app.ended(person, &loans).await
}

#[tokio::test]
async fn a_large_export_is_streamed_unless_a_lambda_answers() {
    let (app, ana) = app().await;
    let id = large_run(&app, &ana).await;
    let streamed = export(&app, &ana, "?format=csv").await;
    assert_eq!((streamed.status.as_u16(), streamed.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(streamed.header("content-disposition"), "attachment; filename=\"exceptions_export.csv\"");
    assert_eq!(streamed.header("content-length"), streamed.bytes.len().to_string());
    let rows = csv_rows(&streamed.bytes);
    assert_eq!(rows.len(), 24_000);
    for (at, row) in rows.iter().enumerate() {
        assert_eq!((&row[0], &row[2]), (&format!("{id}-{at}"), &format!("N-{}", at / 2)));
    }
    let workbook = export(&app, &ana, "?format=xlsx").await;
    assert_eq!((workbook.status.as_u16(), xlsx_rows(&workbook.bytes).len()), (200, 24_000));
    let head = app.call(Method::HEAD, "/api/exceptions/export").by(&ana).send().await;
    assert_eq!((head.status, head.header("content-length")), (streamed.status, streamed.header("content-length")));
    assert!(app.objects(keys::ANSWERS).await.is_empty());

    let on_lambda = app.on_lambda();
    let answer = export(&on_lambda, &ana, "?format=csv").await;
    assert_eq!(answer.status, 307);
    let fetched = app.fetch(Method::GET, answer.header("location"), &[], "").await;
    assert_eq!((fetched.status.as_u16(), fetched.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(fetched.header("content-disposition"), "attachment; filename=\"exceptions_export.csv\"");
    assert!(fetched.bytes == streamed.bytes);
    // The bucket removes the file together with other answers, and not with the run's results.
    assert!(answer.header("location").contains("/answers/"), "{}", answer.header("location"));
}

/// The application with a single export turn, and a run.
async fn with_one_turn() -> (TestApp, Person) {
    let app = TestApp::with(|resources| resources.export_turns = ExportTurns::new(1)).await;
    let ana = app.person("ana", Role::Analyst, None).await;
    app.ended(&ana, &mixed()).await;
    (app, ana)
}

#[tokio::test(start_paused = true)]
async fn an_export_without_a_turn_is_told_when_to_come_again() {
    let (app, ana) = with_one_turn().await;
    let turn = app.resources.export_turns.take().await.unwrap();
    for format in ["csv", "xlsx"] {
        let answer = export(&app, &ana, &format!("?format={format}")).await;
        assert_eq!((answer.problem(429).as_str(), answer.header("retry-after")), ("busy", "10"), "{format}");
    }
    drop(turn);
    for format in ["csv", "xlsx"] {
        assert_eq!(export(&app, &ana, &format!("?format={format}")).await.status, 200, "{format}");
    }
}

#[tokio::test]
async fn exports_beyond_the_turns_wait_and_all_come() {
    let (app, ana) = with_one_turn().await;
    let first = export(&app, &ana, "?format=csv").await;
    let all = join_all((0..20).map(|_| export(&app, &ana, "?format=csv"))).await;
    assert!(all.iter().all(|answer| answer.status == 200 && answer.bytes == first.bytes));
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_turn_of_its_export() {
    let (app, ana) = with_one_turn().await;
    large_run(&app, &ana).await;
    for format in ["csv", "xlsx"] {
        let query = format!("?format={format}");
        let mut gone = Box::pin(export(&app, &ana, &query));
        // The client leaves once it has its turn, in the middle of the file.
        while app.resources.export_turns.free() > 0 {
            assert!(futures_util::poll!(&mut gone).is_pending(), "{format}");
            tokio::task::yield_now().await;
        }
        drop(gone);
        assert_eq!(export(&app, &ana, &format!("?format={format}&limit=1")).await.status, 200, "{format}");
    }
}
