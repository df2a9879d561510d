use api::file_answer::{FileAnswers, made_file};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;

use super::{app, everything, listed, upload};

#[tokio::test]
async fn a_file_is_shown_with_its_size_and_time() {
    let (app, root) = app().await;
    upload(&app, &root, "?path=2026.02", "tape.csv", "12345").await.expect(200);
    let list = app.get("/api/files/list?path=2026.02").by(&root).send().await.expect(200);
    let file = &list["files"][0];
    assert_eq!((&list["path"], &list["area"]), (&"2026.02".into(), &"inputs".into()));
    assert_eq!((&list["recursive"], &list["count"]), (&false.into(), &1.into()));
    assert_eq!((&file["name"], &file["path"]), (&"tape.csv".into(), &"2026.02/tape.csv".into()));
    assert_eq!((&file["type"], &file["size"]), (&"file".into(), &5.into()));
    assert!(file["last_modified"].as_str().unwrap().starts_with("2026-02-02T10:00:00"), "{file}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_empty() {
    let (app, root) = app().await;
    for area in ["inputs", "outputs", "output_share"] {
        let list = app.get(&format!("/api/files/list?area={area}&path=nothing/here")).by(&root).send().await.expect(200);
        assert_eq!(list, json!({"path": "nothing/here", "area": area, "recursive": false, "count": 0, "files": []}));
    }
}

#[tokio::test]
async fn folders_in_a_folder_are_shown_and_entered_on_demand() {
    let (app, root) = app().await;
    for key in ["inputs/b.csv", "inputs/a/c.csv", "inputs/a/d/e.csv", "output_share/f.csv"] {
        app.put(key, "x").await;
    }
    assert_eq!(listed(&app, &root, "").await, ["a/", "b.csv"]);
    assert_eq!(listed(&app, &root, "?path=a").await, ["a/c.csv", "a/d/"]);
    assert_eq!(listed(&app, &root, "?recursive=true").await, ["a/", "a/c.csv", "a/d/", "a/d/e.csv", "b.csv"]);
    let folder = &app.get("/api/files/list").by(&root).send().await.expect(200)["files"][0];
    assert_eq!(*folder, json!({"name": "a", "path": "a", "type": "directory", "size": null, "last_modified": null}));
}

#[tokio::test]
async fn a_folder_whose_name_begins_alike_is_another_one() {
    let (app, root) = app().await;
    app.put("inputs/in/a.csv", "x").await;
    app.put("inputs/inner/b.csv", "x").await;
    assert_eq!(listed(&app, &root, "?path=in").await, ["in/a.csv"]);
}

#[tokio::test]
async fn a_path_is_tidied_before_it_is_used() {
    let (app, root) = app().await;
    app.put("inputs/a/b/c.csv", "x").await;
    for path in ["a/b", "a/b/", "a//b", "./a/./b", "a%5Cb", "a%2Fb"] {
        assert_eq!(listed(&app, &root, &format!("?path={path}")).await, ["a/b/c.csv"], "{path}");
    }
    let list = app.get("/api/files/list?path=./a%5C%5Cb/").by(&root).send().await.expect(200);
    assert_eq!(list["path"], "a/b");
}

#[tokio::test]
async fn an_area_that_is_none_is_refused() {
    let (app, root) = app().await;
    for area in ["archive", "Inputs", "results", "inputs/", "..", "%00"] {
        let answer = app.get(&format!("/api/files/list?area={area}")).by(&root).send().await;
        assert_eq!(answer.problem(400), "unknown_area", "{area}");
    }
}

#[tokio::test]
async fn what_is_no_truth_value_is_told() {
    let (app, root) = app().await;
    let answer = app.get("/api/files/list?recursive=maybe").by(&root).send().await;
    assert_eq!(answer.problem(422), "invalid_input");
    assert_eq!(answer.json()["errors"][0]["loc"], json!(["query", "recursive"]));
}

#[tokio::test]
async fn a_list_that_is_too_large_for_a_lambda_is_fetched_from_the_bucket() {
    let (app, _) = app().await;
    let (serving, on_lambda) = (FileAnswers::new(&app.resources), FileAnswers::new(&app.on_lambda().resources));
    let list = Bytes::from(vec![b' '; 4_000_001]);
    let fits = made_file(&on_lambda, list.slice(1..), "list.json", "inline").await.unwrap();
    assert_eq!((fits.status(), fits.headers()["content-type"].to_str().unwrap()), (StatusCode::OK, "application/json"));
    assert_eq!(everything(&app).await, [""; 0]);
    let streamed = made_file(&serving, list.clone(), "list.json", "inline").await.unwrap();
    assert_eq!((streamed.status(), everything(&app).await.len()), (StatusCode::OK, 0));
    let large = made_file(&on_lambda, list.clone(), "list.json", "inline").await.unwrap();
    assert_eq!(large.status(), StatusCode::TEMPORARY_REDIRECT);
    let address = large.headers()["location"].to_str().unwrap();
    let fetched = app.fetch(Method::GET, address, &[], "").await;
    assert!(fetched.bytes == list);
    assert_eq!(fetched.header("content-type"), "application/json");
}
