use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use shared::auth::permission::Role;

use super::{app, everything, upload};
use crate::support::app::{TestApp, form_of};

const FORM: &str = "multipart/form-data; boundary=xxxx";

#[tokio::test]
async fn a_file_is_stored_in_the_root_unless_told_otherwise() {
    let (app, root) = app().await;
    let stored = upload(&app, &root, "", "tape.csv", "hello").await.expect(200);
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let expected = json!({
        "filename": "tape.csv", "path": "tape.csv", "area": "inputs", "size": 5, "sha256": sha256, "status": "uploaded",
    });
    assert_eq!(stored, expected);
    assert_eq!(app.text("inputs/tape.csv").await, "hello");
}

#[tokio::test]
async fn a_path_with_an_allowed_extension_names_the_file() {
    let (app, root) = app().await;
    let stored = upload(&app, &root, "?path=a/b/other.CSV", "tape.csv", "x").await.expect(200);
    assert_eq!((&stored["filename"], &stored["path"]), (&"other.CSV".into(), &"a/b/other.CSV".into()));
    assert_eq!(everything(&app).await, ["inputs", "inputs/a", "inputs/a/b", "inputs/a/b/other.CSV"]);
}

#[tokio::test]
async fn any_other_path_is_the_folder() {
    let (app, root) = app().await;
    for folder in ["2026.02", "a.b/c", "v1.csv.d", "acme.com"] {
        let stored = upload(&app, &root, &format!("?path={folder}"), "tape.csv", "x").await.expect(200);
        assert_eq!(stored["path"], format!("{folder}/tape.csv"));
    }
}

#[tokio::test]
async fn a_file_name_is_cleaned() {
    let (app, root) = app().await;
    for (given, kept) in [
        ("My  loan tape.csv", "My_loan_tape.csv"),
        ("../../etc/passwd.csv", "etcpasswd.csv"),
        (r"C:\tapes\a.csv", "Ctapesa.csv"),
        ("貸付 1.csv", "貸付_1.csv"),
        (".hidden.csv", "hidden.csv"),
    ] {
        assert_eq!(upload(&app, &root, "", given, "x").await.expect(200)["path"], kept, "{given}");
        assert_eq!(app.text(&format!("inputs/{kept}")).await, "x");
    }
}

#[tokio::test]
async fn a_name_in_the_extended_form_is_understood() {
    let (app, root) = app().await;
    let form =
        "--xxxx\r\nContent-Disposition: form-data; name=\"file\"; filename*=utf-8''Kredit%C3%BCbersicht.csv\r\n\r\nx\r\n--xxxx--";
    let stored = app.post("/api/files/upload").by(&root).body(FORM, form).send().await.expect(200);
    assert_eq!(stored["filename"], "Kreditübersicht.csv");
}

#[tokio::test]
async fn an_empty_file_is_accepted() {
    let (app, root) = app().await;
    let stored = upload(&app, &root, "", "empty.csv", "").await.expect(200);
    assert_eq!(stored["size"], 0);
    assert_eq!(stored["sha256"], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(app.text("inputs/empty.csv").await, "");
}

#[tokio::test]
async fn a_file_takes_the_place_of_one_of_its_name() {
    let (app, root) = app().await;
    upload(&app, &root, "", "tape.csv", "first").await.expect(200);
    upload(&app, &root, "", "tape.csv", "second").await.expect(200);
    assert_eq!(app.text("inputs/tape.csv").await, "second");
}

#[tokio::test]
async fn every_allowed_extension_is_taken_in_any_case() {
    let (app, root) = app().await;
    for extension in ["csv", "XLSX", "xls", "Json", "txt", "pdf", "zip", "toml"] {
        upload(&app, &root, "", &format!("a.{extension}"), "x").await.expect(200);
    }
}

#[tokio::test]
async fn an_extension_that_is_not_allowed_is_refused() {
    let (app, root) = app().await;
    for name in ["a.exe", "a.sh", "a.docx", "a.csv.exe", "a", "a.csv.", "a.csv/", "a.parquet", "a.csv%00.exe"] {
        let answer = upload(&app, &root, "", name, "x").await;
        // Cleaning leaves `a.csv` of these names, which is valid.
        if matches!(name, "a.csv." | "a.csv/") {
            assert_eq!(answer.expect(200)["filename"], "a.csv", "{name}");
        } else {
            assert_eq!(answer.problem(400), "bad_path", "{name}");
        }
    }
    assert_eq!(everything(&app).await, ["inputs", "inputs/a.csv"]);
}

#[tokio::test]
async fn an_executable_hidden_before_the_extension_is_refused() {
    let (app, root) = app().await;
    for name in ["a.exe.csv", "a.PHP.txt", "a.js.json", "a.e\u{200b}xe.csv"] {
        assert_eq!(upload(&app, &root, "", name, "x").await.problem(400), "bad_path", "{name}");
        let named = format!("?path=folder/{}", name.replace('\u{200b}', "%E2%80%8B"));
        assert_eq!(upload(&app, &root, &named, "tape.csv", "x").await.problem(400), "bad_path", "{named}");
    }
    assert_eq!(everything(&app).await, [""; 0]);
}

#[tokio::test]
async fn a_name_of_which_nothing_is_left_is_refused() {
    let (app, root) = app().await;
    for name in ["", "...", " ", "???", ".csv", "~x.csv"] {
        assert_eq!(upload(&app, &root, "", name, "x").await.problem(400), "bad_path", "{name}");
    }
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_refused() {
    let (app, root) = app().await;
    for path in ["../outputs", "a/../b.csv", "/etc", "~/x", "C:/x", "a%00b", "%5C%5Chost"] {
        assert_eq!(upload(&app, &root, &format!("?path={path}"), "tape.csv", "x").await.problem(400), "bad_path", "{path}");
    }
    assert_eq!(everything(&app).await, [""; 0]);
}

#[tokio::test]
async fn a_file_at_the_limit_passes_and_one_over_it_is_refused() {
    let app = TestApp::with(|resources| resources.max_upload_bytes = 1000).await;
    let root = app.person("root", Role::Admin, None).await;
    upload(&app, &root, "", "fits.csv", &"x".repeat(1000)).await.expect(200);
    for size in [1001, 70_000, 200_000] {
        let answer = upload(&app, &root, "", "large.csv", &"x".repeat(size)).await;
        assert_eq!(answer.problem(413), "too_large", "{size}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("1000 bytes") && detail.contains("/api/files/url/"), "{detail}");
    }
    assert_eq!(everything(&app).await, ["inputs", "inputs/fits.csv"]);
}

#[tokio::test]
async fn the_limit_is_kept_where_no_length_is_told() {
    let app = TestApp::with(|resources| resources.max_upload_bytes = 1_000_000).await;
    let root = app.person("root", Role::Admin, None).await;
    let head = "--xxxx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n";
    let endless = stream::iter((0..).map(move |number| match number {
        0 => Ok::<_, std::io::Error>(Bytes::from_static(head.as_bytes())),
        _ => Ok(Bytes::from_static(&[b'x'; 4096])),
    }));
    let answer = app.post("/api/files/upload").by(&root).body(FORM, Body::from_stream(endless)).send().await;
    assert_eq!(answer.problem(413), "too_large");
    assert_eq!(everything(&app).await, [""; 0]);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let (app, root) = app().await;
    app.put("inputs/a.csv", "before").await;
    let form = form_of(&[("file", "a.csv", &[b'x'; 9_000_000])]);
    for sent in [40, 100, 1000, 8_600_000, form.len() - 10] {
        let cut = Bytes::copy_from_slice(&form[..sent]);
        let broken = stream::iter([Ok(cut.clone()), Err(std::io::Error::other("the client went away"))]);
        for body in [Body::from(cut), Body::from_stream(broken)] {
            let answer = app.post("/api/files/upload").by(&root).body(FORM, body).send().await;
            assert_eq!(answer.problem(400), "broken_upload", "{sent}");
        }
    }
    assert_eq!(app.text("inputs/a.csv").await, "before");
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let (app, root) = app().await;
    for kind in ["application/json", "text/csv", "multipart/form-data", "application/x-www-form-urlencoded"] {
        let answer = app.post("/api/files/upload").by(&root).body(kind, "{}").send().await;
        assert_eq!(answer.problem(415), "unsupported_media_type", "{kind}");
    }
    assert_eq!(app.post("/api/files/upload").by(&root).send().await.problem(415), "unsupported_media_type");
}

#[tokio::test]
async fn a_form_without_a_file_is_told_what_is_missing() {
    let (app, root) = app().await;
    let form = form_of(&[("tape", "a.csv", b"x")]);
    let answer = app.post("/api/files/upload").by(&root).body(FORM, form).send().await;
    assert_eq!(answer.problem(422), "invalid_input");
    assert_eq!(answer.json()["errors"][0]["loc"], json!(["body", "file"]));
    assert_eq!(answer.json()["errors"][0]["type"], "missing");
}

#[tokio::test]
async fn a_form_with_two_files_stores_neither() {
    let (app, root) = app().await;
    let form = form_of(&[("note", "n.txt", b"x"), ("file", "a.csv", b"x"), ("file", "b.csv", b"y")]);
    let answer = app.post("/api/files/upload").by(&root).body(FORM, form).send().await;
    assert_eq!(answer.problem(422), "invalid_input");
    assert_eq!(answer.json()["errors"][0]["type"], "repeated");
    assert_eq!(everything(&app).await, [""; 0]);
}

#[tokio::test]
async fn uploads_at_once_do_not_mix() {
    let (app, root) = app().await;
    let texts: Vec<String> = (0..8).map(|number| number.to_string().repeat(100_000)).collect();
    let uploads = texts.iter().enumerate().map(|(number, text)| {
        let (app, root) = (&app, &root);
        async move { upload(app, root, "?path=many", &format!("{number}.csv"), text).await.expect(200) }
    });
    futures_util::future::join_all(uploads).await;
    for (number, text) in texts.iter().enumerate() {
        assert_eq!(app.text(&format!("inputs/many/{number}.csv")).await, *text);
    }
}

#[tokio::test]
async fn only_who_may_choose_terms_writes_the_profile_of_a_folder() {
    let (app, root) = app().await;
    let team = app.team("West").await;
    let walt = app.person("walt", Role::SalesTeam, Some(team.id)).await;
    let ana = app.person("ana", Role::Analyst, None).await;
    for (query, name) in [("", "profile.toml"), ("?path=a/profile.toml", "x.toml"), ("?path=incoming", "profile.toml")] {
        upload(&app, &walt, query, name, "x").await.expect(403);
        for person in [&ana, &root] {
            upload(&app, person, query, name, "x").await.expect(200);
        }
    }
    let place = format!("inputs/teams/{}/profile.toml", team.id);
    app.put(&place, "x").await;
    app.get("/api/files/url/profile.toml?method=put").by(&walt).send().await.expect(403);
    app.delete("/api/files/profile.toml").by(&walt).send().await.expect(403);
    assert_eq!(app.text(&place).await, "x");
    app.get("/api/files/url/profile.toml").by(&walt).send().await.expect(200);
    app.get("/api/files/url/profile.toml?method=put").by(&ana).send().await.expect(200);
    // Other settings, and names that only resemble `profile.toml`, are ordinary files.
    for (query, name) in [("", "strict.toml"), ("", "my_profile.toml"), ("?area=output_share", "profile.toml")] {
        upload(&app, &walt, query, name, "x").await.expect(200);
    }
}
