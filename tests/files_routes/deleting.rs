use serde_json::json;

use super::{app, everything};

#[tokio::test]
async fn a_file_is_taken_away_and_its_neighbours_stay() {
    let (app, root) = app().await;
    for key in ["inputs/a/b.csv", "inputs/a/c.csv", "inputs/a/b.csv.txt"] {
        app.put(key, "x").await;
    }
    let deleted = app.delete("/api/files/a/b.csv").by(&root).send().await.expect(200);
    assert_eq!(deleted, json!({"path": "a/b.csv", "area": "inputs", "type": "file", "status": "deleted"}));
    assert_eq!(everything(&app).await, ["inputs", "inputs/a", "inputs/a/b.csv.txt", "inputs/a/c.csv"]);
    assert_eq!(app.delete("/api/files/a/b.csv").by(&root).send().await.problem(404), "not_found");
}

#[tokio::test]
async fn an_empty_folder_is_taken_away_and_a_full_one_is_not() {
    let (app, root) = app().await;
    app.post("/api/files/mkdir?path=a/b").by(&root).send().await.expect(200);
    app.put("inputs/full/c.csv", "x").await;
    let deleted = app.delete("/api/files/a/b/").by(&root).send().await.expect(200);
    assert_eq!(deleted, json!({"path": "a/b", "area": "inputs", "type": "directory", "status": "deleted"}));
    assert_eq!(app.delete("/api/files/full").by(&root).send().await.problem(400), "not_empty");
    assert_eq!(app.text("inputs/full/c.csv").await, "x");
}

#[tokio::test]
async fn the_root_of_an_area_stays() {
    let (app, root) = app().await;
    for area in ["inputs", "outputs", "output_share"] {
        assert_eq!(app.delete(&format!("/api/files/.?area={area}")).by(&root).send().await.problem(400), "bad_path");
    }
    assert_eq!(app.delete("/api/files/").by(&root).send().await.problem(404), "not_found");
}

#[tokio::test]
async fn folders_with_the_names_of_endpoints_are_folders_too() {
    let (app, root) = app().await;
    for path in ["list", "upload", "mkdir", "download/x", "url/x"] {
        assert_eq!(app.delete(&format!("/api/files/{path}")).send().await.problem(401), "unauthenticated", "{path}");
        assert_eq!(app.delete(&format!("/api/files/{path}")).by(&root).send().await.problem(404), "not_found", "{path}");
        app.post(&format!("/api/files/mkdir?path={path}")).by(&root).send().await.expect(200);
        assert_eq!(app.delete(&format!("/api/files/{path}")).by(&root).send().await.expect(200)["path"], path);
    }
}
