//! Paths that lead out of their area. The product rejects each of them and touches no file.

use http::Method;

use super::app;
use crate::{
    files_routes::everything,
    support::app::{Answer, Person, TestApp},
};

/// The product with a secret file in its bucket, outside the areas.
async fn with_secret() -> (TestApp, Person) {
    let (app, admin) = app().await;
    app.put("secret.csv", "secret").await;
    app.put("inputs/tape.csv", "tape").await;
    (app, admin)
}

/// Paths that lead out of an area, as written in a query.
const WAYS_OUT: [&str; 6] =
    ["..", "../secret.csv", "a/../../secret.csv", "..%5Csecret.csv", "a%5C..%5C..%5Csecret.csv", "./../x.csv"];

async fn assert_refused(app: &TestApp, answer: &Answer, what: &str) {
    assert_eq!(answer.problem(400), "bad_path", "{what}");
    assert_eq!(app.text("secret.csv").await, "secret");
    assert_eq!(everything(app).await, ["inputs", "inputs/tape.csv", "secret.csv"], "{what}");
}

#[tokio::test]
async fn test_dotdot_in_file_list() {
    let (app, admin) = with_secret().await;
    for way in WAYS_OUT {
        let answer = app.get(&format!("/api/files/list?path={way}")).by(&admin).send().await;
        assert_refused(&app, &answer, way).await;
    }
}

#[tokio::test]
async fn test_dotdot_in_file_download() {
    let (app, admin) = with_secret().await;
    for way in WAYS_OUT {
        for kind in ["download", "url"] {
            let answer = app.get(&format!("/api/files/{kind}/{way}")).by(&admin).send().await;
            assert_refused(&app, &answer, way).await;
        }
    }
}

#[tokio::test]
async fn test_dotdot_in_file_upload_path() {
    let (app, admin) = with_secret().await;
    for way in WAYS_OUT {
        let answer = app.post(&format!("/api/files/upload?path={way}")).by(&admin).file("tape.csv", "x").send().await;
        assert_refused(&app, &answer, way).await;
    }
}

#[tokio::test]
async fn test_dotdot_in_file_delete() {
    let (app, admin) = with_secret().await;
    for way in WAYS_OUT {
        let answer = app.call(Method::DELETE, &format!("/api/files/{way}")).by(&admin).send().await;
        assert_refused(&app, &answer, way).await;
    }
}

#[tokio::test]
async fn test_dotdot_in_mkdir() {
    let (app, admin) = with_secret().await;
    for way in WAYS_OUT {
        let answer = app.post(&format!("/api/files/mkdir?path={way}")).by(&admin).send().await;
        assert_refused(&app, &answer, way).await;
    }
}

#[tokio::test]
async fn test_absolute_path_rejected() {
    let (app, admin) = with_secret().await;
    for path in ["/secret.csv", "/etc/passwd", "%2Fetc%2Fpasswd", "C:%5Csecret.csv", "C:/secret.csv", "%5C%5Chost%5Cshare"] {
        let answers = [
            app.get(&format!("/api/files/list?path={path}")).by(&admin).send().await,
            app.get(&format!("/api/files/download/{path}")).by(&admin).send().await,
            app.get(&format!("/api/files/url/{path}")).by(&admin).send().await,
            app.post(&format!("/api/files/upload?path={path}")).by(&admin).file("tape.csv", "x").send().await,
            app.post(&format!("/api/files/mkdir?path={path}")).by(&admin).send().await,
            app.call(Method::DELETE, &format!("/api/files/{path}")).by(&admin).send().await,
        ];
        for answer in &answers {
            assert_refused(&app, answer, path).await;
        }
    }
}

#[tokio::test]
async fn test_tilde_home_dir_rejected() {
    let (app, admin) = with_secret().await;
    for path in ["~", "~/secret.csv", "~root/secret.csv", "a/~/secret.csv", "%7E/secret.csv"] {
        let answer = app.get(&format!("/api/files/list?path={path}")).by(&admin).send().await;
        assert_refused(&app, &answer, path).await;
        let answer = app.get(&format!("/api/files/download/{path}")).by(&admin).send().await;
        assert_refused(&app, &answer, path).await;
    }
}

#[tokio::test]
async fn test_null_byte_in_path() {
    let (app, admin) = with_secret().await;
    for path in ["%00", "tape.csv%00", "tape.csv%00.txt", "a%00b/tape.csv"] {
        let answer = app.get(&format!("/api/files/list?path={path}")).by(&admin).send().await;
        assert_refused(&app, &answer, path).await;
        let answer = app.get(&format!("/api/files/download/{path}")).by(&admin).send().await;
        assert_refused(&app, &answer, path).await;
        let answer = app.call(Method::DELETE, &format!("/api/files/{path}")).by(&admin).send().await;
        assert_refused(&app, &answer, path).await;
    }
}

#[tokio::test]
async fn test_encoded_traversal_rejected() {
    let (app, admin) = with_secret().await;
    for path in
        ["..%2F..%2Fsecret.csv", "%2e%2e/secret.csv", "%2E%2E%2Fsecret.csv", "a%2F..%2F..%2Fsecret.csv", ".%2e%5csecret.csv"]
    {
        let answer = app.get(&format!("/api/files/list?path={path}")).by(&admin).send().await;
        assert_refused(&app, &answer, path).await;
        let answer = app.get(&format!("/api/files/download/{path}")).by(&admin).send().await;
        assert_refused(&app, &answer, path).await;
    }
    // The product decodes a path only once, so this is the odd name of a file that does not exist.
    let answer = app.get("/api/files/download/%252e%252e%252Fsecret.csv").by(&admin).send().await;
    assert_eq!(answer.problem(404), "not_found");
}
