//! Files that are not what they seem to be.

use super::app;
use crate::files_routes::everything;

#[tokio::test]
async fn test_executable_extension_blocked() {
    let (app, admin) = app().await;
    for name in ["run.exe", "run.sh", "run.bat", "run.js", "run.html", "run.svg", "run.php", "run.py", "run.EXE", "run.csv."] {
        let answer = app.post("/api/files/upload").by(&admin).file(name, "x").send().await;
        // A dot at the end is not part of a name.
        if name == "run.csv." {
            assert_eq!(answer.expect(200)["filename"], "run.csv");
        } else {
            assert_eq!(answer.problem(400), "bad_path", "{name}");
        }
    }
    assert_eq!(everything(&app).await, ["inputs", "inputs/run.csv"]);
}

#[tokio::test]
async fn test_double_extension_blocked() {
    let (app, admin) = app().await;
    for name in ["file.csv.exe", "file.exe.csv", "file.xlsx.js", "file.php.json", "file.csv.sh", "file.EXE.csv"] {
        let answer = app.post("/api/files/upload").by(&admin).file(name, "x").send().await;
        assert_eq!(answer.problem(400), "bad_path", "{name}");
    }
    assert!(everything(&app).await.is_empty());
}

#[tokio::test]
async fn test_no_extension_blocked() {
    let (app, admin) = app().await;
    for name in ["file", "csv", ".csv", "file."] {
        let answer = app.post("/api/files/upload").by(&admin).file(name, "x").send().await;
        assert_eq!(answer.problem(400), "bad_path", "{name}");
    }
    assert!(everything(&app).await.is_empty());
}

#[tokio::test]
async fn test_oversized_file_rejected() {
    let app = crate::support::app::TestApp::with(|resources| resources.max_upload_bytes = 1000).await;
    let admin = app.person("root", shared::auth::permission::Role::Admin, None).await;
    let answer = app.post("/api/files/upload").by(&admin).file("tape.csv", "x".repeat(1001)).send().await;
    assert_eq!(answer.problem(413), "too_large");
    assert!(answer.json()["detail"].as_str().unwrap().contains("/api/files/url/"), "{}", answer.text());
    assert!(everything(&app).await.is_empty());
    app.post("/api/files/upload").by(&admin).file("tape.csv", "x".repeat(1000)).send().await.expect(200);
}

#[tokio::test]
async fn test_empty_file_handled() {
    let (app, admin) = app().await;
    let stored = app.post("/api/files/upload").by(&admin).file("tape.csv", "").send().await.expect(200);
    assert_eq!(stored["size"], 0);
    assert_eq!(app.get("/api/files/download/tape.csv").by(&admin).send().await.text(), "");
}

#[tokio::test]
async fn test_cross_area_access_blocked() {
    let (app, admin) = app().await;
    app.put("inputs/tape.csv", "tape").await;
    for area in ["outputs", "output_share"] {
        for path in ["tape.csv", "inputs/tape.csv"] {
            let answer = app.get(&format!("/api/files/download/{path}?area={area}")).by(&admin).send().await;
            assert_eq!(answer.problem(404), "not_found", "{area} {path}");
        }
        let answer = app.get(&format!("/api/files/download/../inputs/tape.csv?area={area}")).by(&admin).send().await;
        assert_eq!(answer.problem(400), "bad_path");
    }
    for area in ["archive", "results", "teams", "Inputs", "inputs/..", "inputs%2F.."] {
        let answer = app.get(&format!("/api/files/list?area={area}")).by(&admin).send().await;
        assert_eq!(answer.problem(400), "unknown_area", "{area}");
    }
}
