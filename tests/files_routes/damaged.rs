//! Files in the data folder that were changed without the application.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    time::Duration,
};

use http::Method;
use runner::execute::Executed;
use serde_json::json;
use stores::{
    StoreError,
    storage::{StorageBackend as _, StorageError, collect},
};

use crate::support::{
    app::TestApp,
    runs::{GOOD_CELLS, HEADER},
};

use super::app;

/// The content files that are not in `before`.
fn new_files(app: &TestApp, before: &[PathBuf]) -> Vec<PathBuf> {
    let found = fs::read_dir(app.folder().join("blobs")).unwrap().map(|entry| entry.unwrap().path());
    let mut new: Vec<PathBuf> = found.filter(|path| !before.contains(path)).collect();
    new.sort();
    new
}

/// A description of a damage, and the function that does it.
type Damage = (&'static str, fn(&mut File));

/// The ways to damage a file.
const DAMAGES: [Damage; 4] = [
    ("its last byte is another", |file| {
        let mut last = [0];
        file.seek(SeekFrom::End(-1)).unwrap();
        file.read_exact(&mut last).unwrap();
        file.seek(SeekFrom::End(-1)).unwrap();
        file.write_all(&[last[0] ^ 1]).unwrap();
    }),
    ("it is cut short", |file| file.set_len(file.metadata().unwrap().len() - 1).unwrap()),
    ("it is longer", |file| {
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(b"x").unwrap();
    }),
    ("it is empty", |file| file.set_len(0).unwrap()),
];

fn damage(path: &PathBuf, how: fn(&mut File)) {
    let mut file = File::options().read(true).write(true).open(path).unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    how(&mut file);
    // The clock of the file system is coarser than a test, so set a time that differs for certain.
    file.set_modified(before + Duration::from_secs(60)).unwrap();
}

#[tokio::test]
async fn a_file_that_was_changed_is_never_served() {
    let (app, root) = app().await;
    // A file that is read at once, one that is streamed, and one of several parts.
    for (size, parts) in [(1000, 1), (3_000_000, 1), (20_000_000, 3)] {
        for (what, how) in DAMAGES {
            let before = new_files(&app, &[]);
            app.put("inputs/a.csv", vec![b'a'; size]).await;
            let files = new_files(&app, &before);
            assert_eq!(files.len(), parts);
            let signed = app.read(&root, "/api/files/url/a.csv").await["url"].as_str().unwrap().to_owned();
            assert_eq!(app.fetch(Method::GET, &signed, &[], "").await.bytes.len(), size);
            damage(&files[parts / 2], how);
            let answer = app.get("/api/files/download/a.csv").by(&root).send().await;
            assert_eq!((answer.problem(503).as_str(), answer.header("retry-after")), ("unavailable", "2"), "{size}: {what}");
            let fetched = app.fetch(Method::GET, &signed, &[], "").await;
            assert!(fetched.status == 503 && !fetched.text().contains("aaa"), "{size}: {what}: {}", fetched.status);
            // An upload of a good copy repairs the file.
            app.put("inputs/a.csv", "good").await;
            assert_eq!(app.get("/api/files/download/a.csv").by(&root).send().await.text(), "good");
        }
    }
}

#[tokio::test]
async fn a_piece_of_a_file_that_was_changed_is_refused() {
    let (app, _) = app().await;
    let storage = &app.resources.storage;
    app.put("inputs/a.csv", vec![b'a'; 3_000_000]).await;
    let piece = async || match storage.get("inputs/a.csv", Some(10..20), None).await {
        Ok(download) => collect(download.body, 100).await,
        Err(error) => Err(error),
    };
    assert_eq!(piece().await.unwrap(), b"aaaaaaaaaa");
    let files = new_files(&app, &[]);
    let [file] = &files[..] else { panic!("{files:?}") };
    // The piece is refused even where its own bytes are unchanged.
    damage(file, DAMAGES[0].1);
    for _ in 0..2 {
        assert!(matches!(piece().await, Err(StorageError::Store(StoreError::Unavailable(_)))));
    }
    damage(file, DAMAGES[0].1);
    assert_eq!(piece().await.unwrap(), b"aaaaaaaaaa");
}

#[tokio::test]
async fn a_copy_shares_the_content_and_what_becomes_of_it() {
    let (app, root) = app().await;
    app.put("inputs/a.csv", "abc").await;
    app.resources.storage.copy("inputs/a.csv", "inputs/b.csv", None).await.unwrap();
    assert_eq!(app.get("/api/files/download/b.csv").by(&root).send().await.text(), "abc");
    damage(&new_files(&app, &[])[0], DAMAGES[0].1);
    for path in ["a.csv", "b.csv"] {
        assert_eq!(app.get(&format!("/api/files/download/{path}")).by(&root).send().await.problem(503), "unavailable");
    }
}

#[tokio::test]
async fn a_run_uses_no_byte_of_a_tape_that_was_changed() {
    let (app, root) = app().await;
    // Tapes are read in pieces of eight megabytes.
    for loans in [2, 600] {
        let mut tape = format!("{HEADER},Notes\n");
        for at in 0..loans {
            tape += &format!("{at},{GOOD_CELLS},{}\n", "n".repeat(16_000));
        }
        let before = new_files(&app, &[]);
        app.put("inputs/tape.csv", tape).await;
        let files = new_files(&app, &before);
        let run = app.start(&root, &json!({"files": ["tape.csv"]})).await.expect(202);
        let id: uuid::Uuid = run["run_id"].as_str().unwrap().parse().unwrap();
        let good = fs::read(&files[0]).unwrap();
        damage(&files[0], DAMAGES[0].1);
        let executed = app.worker.execute(id).await;
        assert!(!matches!(executed, Ok(Executed::Completed)), "{loans}: {executed:?}");
        let run = app.read(&root, &format!("/api/runs/{id}")).await;
        assert!(run["status"] != "completed" && run["total_loans"] == 0, "{loans}: {run}");
        // The run completes once the file is restored.
        fs::write(&files[0], good).unwrap();
        app.clock.advance(jiff::SignedDuration::from_mins(5));
        app.work().await;
        let run = app.read(&root, &format!("/api/runs/{id}")).await;
        assert_eq!((&run["status"], &run["total_loans"]), (&"completed".into(), &loans.into()), "{run}");
    }
}
