//! Files: two writers at once, readers during a replacement, and folders that come and go.

use http::Method;
use serde_json::Value;
use shared::auth::permission::Role;

use super::at_every_point;
use crate::support::app::{Person, TestApp};

async fn scene() -> (TestApp, Person) {
    let app = TestApp::new().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, ana)
}

/// Content of one repeated letter that is larger than one part of an upload.
fn large(letter: u8) -> Vec<u8> {
    vec![letter; 9_000_000]
}

#[tokio::test]
async fn of_two_uploads_to_one_path_one_stays_whole() {
    let races = at_every_point(
        scene,
        async |app, ana| app.post("/api/files/upload?path=same.csv").by(ana).file("x.csv", large(b'a')).send().await,
        async |app, ana| app.post("/api/files/upload?path=same.csv").by(ana).file("x.csv", large(b'b')).send().await,
        async |app, _, ended, point| {
            for answer in [&ended.first, &ended.second] {
                assert_eq!(answer.expect(200)["size"], 9_000_000);
            }
            let stored = app.objects("").await;
            assert_eq!(stored.len(), 1, "{point}");
            let kept = &stored["inputs/same.csv"];
            assert!(*kept == large(b'a') || *kept == large(b'b'), "{point}");
        },
    )
    .await;
    // The requests: look up the user, begin the upload, send two parts, complete the upload.
    assert!(races >= 5, "{races}");
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_read_is_the_old_one_or_the_new_one() {
    let (old, new) = ("old,".repeat(900_000), "new,".repeat(800_000));
    let races = at_every_point(
        async || {
            let (app, ana) = scene().await;
            app.put("inputs/file.csv", old.clone()).await;
            (app, ana)
        },
        async |app, ana| app.get("/api/files/download/file.csv").by(ana).send().await,
        async |app, ana| app.post("/api/files/upload?path=file.csv").by(ana).file("x.csv", &new).send().await,
        async |app, _, ended, point| {
            ended.second.expect(200);
            assert_eq!(ended.first.status, 200);
            let read = ended.first.text();
            assert!(read == old || read == new, "{point}: {} bytes", read.len());
            assert_eq!(ended.first.header("content-length"), read.len().to_string());
            assert!(app.text("inputs/file.csv").await == new);
        },
    )
    .await;
    assert!(races >= 3, "{races}");
}

#[tokio::test]
async fn a_folder_is_made_by_one_of_two() {
    let make = async |app: &TestApp, ana: &Person| app.post("/api/files/mkdir?path=folder").by(ana).send().await.expect(200);
    let races = at_every_point(scene, make, make, async |app, _, ended, point| {
        let mut statuses: Vec<&Value> = vec![&ended.first["status"], &ended.second["status"]];
        statuses.sort_by_key(|status| status.as_str().map(str::to_owned));
        assert_eq!(statuses, ["created", "exists"], "{point}");
        assert_eq!(crate::files_routes::everything(app).await, ["inputs", "inputs/folder"]);
    })
    .await;
    assert!(races >= 4, "{races}");
}

#[tokio::test]
async fn a_folder_that_is_taken_away_takes_no_file_along() {
    let races = at_every_point(
        async || {
            let (app, ana) = scene().await;
            app.post("/api/files/mkdir?path=folder").by(&ana).send().await.expect(200);
            (app, ana)
        },
        async |app, ana| app.call(Method::DELETE, "/api/files/folder").by(ana).send().await,
        async |app, ana| app.post("/api/files/upload?path=folder").by(ana).file("a.csv", "x").send().await,
        async |app, _, ended, point| {
            ended.second.expect(200);
            assert!([200, 400].contains(&ended.first.status.as_u16()), "{point}: {}", ended.first.text());
            assert_eq!(app.text("inputs/folder/a.csv").await, "x", "{point}");
        },
    )
    .await;
    assert!(races >= 4, "{races}");
}

#[tokio::test]
async fn an_upload_and_a_deletion_of_one_path_leave_all_or_nothing() {
    let races = at_every_point(
        async || {
            let (app, ana) = scene().await;
            app.put("inputs/file.csv", "old").await;
            (app, ana)
        },
        async |app, ana| app.post("/api/files/upload?path=file.csv").by(ana).file("x.csv", large(b'a')).send().await,
        async |app, ana| app.call(Method::DELETE, "/api/files/file.csv").by(ana).send().await,
        async |app, _, ended, point| {
            ended.first.expect(200);
            ended.second.expect(200);
            let stored = app.objects("").await;
            let kept = stored.get("inputs/file.csv");
            assert!(kept.is_none_or(|kept| *kept == large(b'a')), "{point}");
        },
    )
    .await;
    assert!(races >= 5, "{races}");
}
