use http::Method;

use super::app;

#[tokio::test]
async fn the_bytes_come_back_with_their_type_and_name() {
    let (app, root) = app().await;
    for (path, kind) in [
        ("a/tape.csv", "text/csv; charset=utf-8"),
        ("a/book.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("a/rules.toml", "application/toml"),
        ("a/x.json", "application/json"),
    ] {
        app.put(&format!("inputs/{path}"), "hello").await;
        let answer = app.get(&format!("/api/files/download/{path}")).by(&root).send().await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "hello"));
        assert_eq!((answer.header("content-type"), answer.header("content-length")), (kind, "5"));
        let name = path.strip_prefix("a/").unwrap();
        assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"{name}\""));
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let (app, root) = app().await;
    app.put("inputs/empty.csv", "").await;
    let answer = app.get("/api/files/download/empty.csv").by(&root).send().await;
    assert_eq!((answer.status.as_u16(), answer.bytes.len()), (200, 0));
}

#[tokio::test]
async fn a_name_of_any_script_survives() {
    let (app, root) = app().await;
    app.put("inputs/ünï/貸付 1.csv", "x").await;
    let answer = app.get("/api/files/download/%C3%BCn%C3%AF/%E8%B2%B8%E4%BB%98%201.csv").by(&root).send().await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    let disposition = "attachment; filename=\"__ 1.csv\"; filename*=UTF-8''%E8%B2%B8%E4%BB%98%201.csv";
    assert_eq!(answer.header("content-disposition"), disposition);
}

#[tokio::test]
async fn what_is_no_file_is_not_found() {
    let (app, root) = app().await;
    app.put("inputs/folder/a.csv", "x").await;
    for path in ["absent.csv", "folder", "folder/", "folder/b.csv", ".", "a.csv"] {
        let answer = app.get(&format!("/api/files/download/{path}")).by(&root).send().await;
        assert_eq!(answer.problem(404), "not_found", "{path}");
    }
}

#[tokio::test]
async fn a_file_is_found_in_its_own_area_alone() {
    let (app, root) = app().await;
    app.put("output_share/a.csv", "shared").await;
    assert_eq!(app.get("/api/files/download/a.csv").by(&root).send().await.problem(404), "not_found");
    assert_eq!(app.get("/api/files/download/a.csv?area=outputs").by(&root).send().await.problem(404), "not_found");
    let answer = app.get("/api/files/download/a.csv?area=output_share").by(&root).send().await;
    assert_eq!(answer.text(), "shared");
}

#[tokio::test]
async fn a_file_of_over_four_megabytes_is_streamed_unless_a_lambda_answers() {
    let (serving, root) = app().await;
    let app = serving.on_lambda();
    let (fits, large) = ("x".repeat(4_000_000), "x".repeat(4_000_001));
    app.put("inputs/fits.csv", fits.clone()).await;
    app.put("inputs/large.csv", large.clone()).await;
    let whole = app.get("/api/files/download/fits.csv").by(&root).send().await;
    assert_eq!((whole.status.as_u16(), whole.bytes.len()), (200, fits.len()));
    let answer = app.get("/api/files/download/large.csv").by(&root).send().await;
    assert_eq!((answer.status.as_u16(), answer.bytes.len()), (307, 0));
    let fetched = app.fetch(Method::GET, answer.header("location"), &[], "").await;
    assert!(fetched.text() == large);
    assert_eq!(fetched.header("content-disposition"), "attachment; filename=\"large.csv\"");
    let streamed = serving.get("/api/files/download/large.csv").by(&root).send().await;
    assert!(streamed.status == 200 && streamed.text() == large);
    assert_eq!(streamed.header("content-disposition"), fetched.header("content-disposition"));
    // HEAD gives the same status and length as GET.
    for (app, status, length) in [(&serving, 200, "4000001"), (&app, 307, "")] {
        let head = app.call(Method::HEAD, "/api/files/download/large.csv").by(&root).send().await;
        assert_eq!((head.status.as_u16(), head.bytes.len()), (status, 0));
        assert_eq!(head.header("content-length").trim_start_matches('0'), length);
    }
}

#[tokio::test]
async fn asking_for_the_head_gives_no_bytes() {
    let (app, root) = app().await;
    app.put("inputs/a.csv", "hello").await;
    let answer = app.call(Method::HEAD, "/api/files/download/a.csv").by(&root).send().await;
    assert_eq!((answer.status.as_u16(), answer.bytes.len()), (200, 0));
    assert_eq!(answer.header("content-length"), "5");
}
