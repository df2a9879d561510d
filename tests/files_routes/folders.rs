use serde_json::json;
use stores::keys;

use super::{app, everything, listed, upload};

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
async fn a_file_and_a_folder_do_not_share_a_name() {
    let (app, root) = app().await;
    app.put("inputs/a.csv", "x").await;
    app.put("inputs/folder.csv/b.csv", "x").await;
    app.post("/api/files/mkdir?path=empty.csv").by(&root).send().await.expect(200);
    let before = everything(&app).await;
    // Paths below a file.
    for path in ["a.csv/b", "a.csv/b/c"] {
        assert_eq!(app.post(&format!("/api/files/mkdir?path={path}")).by(&root).send().await.problem(409), "in_the_way");
    }
    for path in ["a.csv/b.csv", "a.csv/b/c.csv", "a.csv/folder"] {
        assert_eq!(upload(&app, &root, &format!("?path={path}"), "t.csv", "x").await.problem(409), "in_the_way", "{path}");
    }
    for path in ["a.csv/b.csv", "a.csv/b/c.csv"] {
        let url = app.get(&format!("/api/files/url/{path}?method=put")).by(&root).send().await;
        assert_eq!(url.problem(409), "in_the_way", "{path}");
        assert!(url.json()["detail"].as_str().unwrap().starts_with("A file has the name"), "{}", url.text());
    }
    // A folder in the place of a file, and a file in the place of a folder.
    assert_eq!(app.post("/api/files/mkdir?path=a.csv").by(&root).send().await.problem(409), "in_the_way");
    for path in ["folder.csv", "empty.csv"] {
        assert_eq!(upload(&app, &root, &format!("?path={path}"), "t.csv", "x").await.problem(409), "in_the_way", "{path}");
        let url = app.get(&format!("/api/files/url/{path}?method=put")).by(&root).send().await;
        assert_eq!(url.problem(409), "in_the_way", "{path}");
        assert!(url.json()["detail"].as_str().unwrap().starts_with("A folder has this name"), "{}", url.text());
    }
    assert_eq!(everything(&app).await, before);
    // A file may replace a file, and may be in the same folder as one.
    upload(&app, &root, "?path=a.csv", "t.csv", "y").await.expect(200);
    upload(&app, &root, "?path=folder.csv/c.csv", "t.csv", "y").await.expect(200);
}

#[tokio::test]
async fn folders_that_look_the_same_are_the_same() {
    let (app, root) = app().await;
    let (composed, stored) = ("caf%C3%A9", "caf\u{e9}");
    for path in [composed, "cafe%CC%81", "%20cafe%CC%81%20", ".caf%C3%A9.", "%C2%A0caf%C3%A9"] {
        let made = app.post(&format!("/api/files/mkdir?path={path}/x")).by(&root).send().await.expect(200);
        assert_eq!(made["path"], format!("{stored}/x"), "{path}");
        let put = upload(&app, &root, &format!("?path={path}"), "t.csv", path).await.expect(200);
        assert_eq!(put["path"], format!("{stored}/t.csv"), "{path}");
        let url = app.get(&format!("/api/files/url/{path}/u.csv?method=put")).by(&root).send().await.expect(200);
        assert_eq!(url["path"], format!("{stored}/u.csv"), "{path}");
        let list = listed(&app, &root, &format!("?path={path}")).await;
        assert_eq!(list, [format!("{stored}/t.csv"), format!("{stored}/x/")], "{path}");
        let got = app.get(&format!("/api/files/download/{path}/t.csv")).by(&root).send().await;
        assert_eq!(got.text(), path);
    }
    assert_eq!(listed(&app, &root, "").await, [format!("{stored}/")]);
    let run = app.start(&root, &json!({"folder": "cafe\u{301}"})).await;
    assert_eq!(run.status, 202, "{}", run.text());
    let run = app.start(&root, &json!({"files": [" cafe\u{301}/t.csv"]})).await;
    assert_eq!(run.status, 202, "{}", run.text());
    assert_eq!(app.delete("/api/files/cafe%CC%81/t.csv").by(&root).send().await.status, 200);
    for nothing in ["%20", "...", "a/%20/b", "%C2%A0"] {
        assert_eq!(app.post(&format!("/api/files/mkdir?path={nothing}")).by(&root).send().await.problem(400), "bad_path");
    }
}

/// S3 clients name files as they like.
#[tokio::test]
async fn what_came_by_another_way_is_found_by_its_own_name() {
    let (app, root) = app().await;
    let key = "inputs/ cafe\u{301}/t.csv";
    app.put(key, "x").await;
    let path = "%20cafe%CC%81";
    assert_eq!(listed(&app, &root, &format!("?path={path}")).await, [" cafe\u{301}/t.csv"]);
    assert_eq!(app.get(&format!("/api/files/download/{path}/t.csv")).by(&root).send().await.text(), "x");
    app.get(&format!("/api/files/url/{path}/t.csv")).by(&root).send().await.expect(200);
    for wanted in [json!({"folder": " cafe\u{301}"}), json!({"files": [" cafe\u{301}/t.csv"]})] {
        assert_eq!(app.start(&root, &wanted).await.status, 202, "{wanted}");
    }
    assert_eq!(app.delete(&format!("/api/files/{path}/t.csv")).by(&root).send().await.status, 200);
    // The two pending runs have their lists of tapes.
    let left: Vec<_> = everything(&app).await.into_iter().filter(|key| !key.starts_with(keys::REQUESTS)).collect();
    assert_eq!(left, [""; 0]);
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
