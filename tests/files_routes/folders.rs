use serde_json::json;

use super::{app, everything, listed};

#[tokio::test]
async fn a_folder_is_made_once() {
    let (app, root) = app().await;
    let make = || app.post("/api/files/mkdir?path=a/b&area=output_share").by(&root);
    assert_eq!(make().send().await.expect(200), json!({"path": "a/b", "area": "output_share", "status": "created"}));
    assert_eq!(make().send().await.expect(200), json!({"path": "a/b", "area": "output_share", "status": "exists"}));
    assert_eq!(listed(&app, &root, "?area=output_share&recursive=true").await, ["a/", "a/b/"]);
}

#[tokio::test]
async fn a_folder_with_files_is_there_already() {
    let (app, root) = app().await;
    app.put("inputs/a/b.csv", "x").await;
    assert_eq!(app.post("/api/files/mkdir?path=a").by(&root).send().await.expect(200)["status"], "exists");
    assert_eq!(app.post("/api/files/mkdir?path=.").by(&root).send().await.expect(200)["status"], "exists");
    assert_eq!(everything(&app).await, ["inputs", "inputs/a", "inputs/a/b.csv"]);
}

#[tokio::test]
async fn a_file_stands_in_the_way_of_a_folder() {
    let (app, root) = app().await;
    app.put("inputs/a.csv", "x").await;
    assert_eq!(app.post("/api/files/mkdir?path=a.csv").by(&root).send().await.problem(400), "in_the_way");
}

#[tokio::test]
async fn a_folder_needs_a_path() {
    let (app, root) = app().await;
    for query in ["", "?area=inputs"] {
        let answer = app.post(&format!("/api/files/mkdir{query}")).by(&root).send().await;
        assert_eq!(answer.problem(422), "invalid_input", "{query}");
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["query", "path"]), "{query}");
    }
    let of_root = app.post("/api/files/mkdir?path=").by(&root).send().await.expect(200);
    assert_eq!((&of_root["path"], &of_root["status"]), (&json!(""), &json!("exists")));
}

#[tokio::test]
async fn a_path_has_a_greatest_length() {
    let (app, root) = app().await;
    let path = |length: usize| format!("/api/files/mkdir?path={}", "x".repeat(length));
    app.post(&path(890)).by(&root).send().await.expect(200);
    for length in [901, 1024, 20_000] {
        assert_eq!(app.post(&path(length)).by(&root).send().await.problem(400), "bad_path", "{length}");
    }
}
