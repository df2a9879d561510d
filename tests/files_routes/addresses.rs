use http::Method;
use serde_json::{Value, json};

use super::{app, everything};
use crate::support::app::{ADDRESS, Answer, Person, TestApp};

async fn ask(app: &TestApp, person: &Person, rest: &str) -> Answer {
    app.get(&format!("/api/files/url/{rest}")).by(person).send().await
}

fn headers(url: &Value) -> Vec<(String, String)> {
    let headers = url["headers"].as_object().unwrap();
    headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn an_address_to_fetch_from_needs_no_token() {
    let (app, root) = app().await;
    app.put("inputs/a b/tape.csv", "hello").await;
    let url = ask(&app, &root, "a%20b/tape.csv").await.expect(200);
    assert_eq!((&url["path"], &url["area"]), (&"a b/tape.csv".into(), &"inputs".into()));
    assert_eq!((&url["expires_in"], &url["method"], &url["headers"]), (&3600.into(), &"get".into(), &json!({})));
    let address = url["url"].as_str().unwrap();
    assert!(address.starts_with(ADDRESS) && address.contains("X-Amz-Expires=3600"), "{address}");
    let answer = app.fetch(Method::GET, address, &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"tape.csv\"");
}

#[tokio::test]
async fn an_address_to_put_to_stores_the_file_with_its_type() {
    let (app, root) = app().await;
    let url = ask(&app, &root, "incoming/tape.csv?method=put&expires_in=60").await.expect(200);
    assert_eq!((&url["method"], &url["expires_in"]), (&"put".into(), &60.into()));
    assert_eq!(url["headers"], json!({"content-type": "text/csv; charset=utf-8"}));
    assert_eq!(everything(&app).await, [""; 0]);
    let answer = app.fetch(Method::PUT, url["url"].as_str().unwrap(), &headers(&url), "sent").await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    assert_eq!(app.text("inputs/incoming/tape.csv").await, "sent");
    let download = app.get("/api/files/download/incoming/tape.csv").by(&root).send().await;
    assert_eq!(download.header("content-type"), "text/csv; charset=utf-8");
}

#[tokio::test]
async fn an_address_is_good_for_its_method_and_path_alone() {
    let (app, root) = app().await;
    app.put("inputs/tape.csv", "hello").await;
    let get = ask(&app, &root, "tape.csv").await.expect(200)["url"].as_str().unwrap().to_owned();
    assert_eq!(app.fetch(Method::PUT, &get, &[], "changed").await.status.as_u16(), 403);
    assert_eq!(app.fetch(Method::GET, &get.replace("tape.csv", "other.csv"), &[], "").await.status.as_u16(), 403);
    assert_eq!(app.text("inputs/tape.csv").await, "hello");
}

#[tokio::test]
async fn how_long_it_is_good_has_bounds() {
    let (app, root) = app().await;
    app.put("inputs/a.csv", "x").await;
    for good in [60, 3600, 86_400] {
        assert_eq!(ask(&app, &root, &format!("a.csv?expires_in={good}")).await.expect(200)["expires_in"], good);
    }
    for bad in ["59", "86401", "0", "-1", "1e3", "soon", "99999999999999999999"] {
        let answer = ask(&app, &root, &format!("a.csv?expires_in={bad}")).await;
        assert_eq!(answer.problem(422), "invalid_input", "{bad}");
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["query", "expires_in"]), "{bad}");
    }
}

#[tokio::test]
async fn a_method_is_get_or_put() {
    let (app, root) = app().await;
    for method in ["delete", "GET", "head", "post"] {
        let answer = ask(&app, &root, &format!("a.csv?method={method}")).await;
        assert_eq!(answer.problem(422), "invalid_input", "{method}");
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["query", "method"]));
    }
}

#[tokio::test]
async fn there_is_no_address_of_what_is_not_there() {
    let (app, root) = app().await;
    app.put("inputs/folder/a.csv", "x").await;
    for path in ["absent.csv", "folder", "folder/b.csv", "."] {
        assert_eq!(ask(&app, &root, path).await.problem(404), "not_found", "{path}");
    }
}

#[tokio::test]
async fn the_rules_of_names_hold_for_what_is_put() {
    let (app, root) = app().await;
    for path in ["a.exe", "a", "a.exe.csv", "folder/.csv", ".", "../a.csv", "a/../../b.csv"] {
        assert_eq!(ask(&app, &root, &format!("{path}?method=put")).await.problem(400), "bad_path", "{path}");
    }
}
