//! Exports of a server leave no file on the disk.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
};

use serde_json::json;

use crate::support::{
    app::Tape,
    server::{ADMIN_PASSWORD, Server},
};

fn files_in(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn an_export_leaves_no_file_behind_however_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (temporary, blobs) = (folder.path().join("tmp"), folder.path().join("data/blobs"));
    fs::create_dir(&temporary).unwrap();
    let variables = [("LOAN_ENGINE_ADMIN_PASSWORD", ADMIN_PASSWORD), ("TMPDIR", temporary.to_str().unwrap())];
    let server = Server::start(folder.path(), &variables);
    let admin = server.admin();
    let loans =
        (0..4_000).fold(Tape::new(), |tape, at| tape.with(&format!("N-{at}"), &[("credit_score", "500"), ("ltv_ratio", "99")]));
    assert_eq!(admin.put_presigned("tape.csv", loans.text().as_bytes(), |url| url).status, 200);
    let run = admin.post("/api/pipeline/run", &[("prefer", "wait=25")], &json!({"files": ["tape.csv"]}));
    let id = run.expect(200)["run_id"].as_str().unwrap().to_owned();
    let paths =
        [format!("/api/exceptions/export?format=csv&run_id={id}"), format!("/api/exceptions/export?format=xlsx&run_id={id}")];
    let stored = files_in(&blobs).len();
    for path in &paths {
        let whole = admin.get(path);
        assert!(whole.status == 200 && whole.is_whole() && whole.bytes.len() > 100_000, "{path}: {}", whole.bytes.len());
        assert_eq!((files_in(&temporary), files_in(&blobs).len()), (vec![], stored), "{path}");
    }
    // These clients read only the beginning of an answer.
    let begun: Vec<TcpStream> = paths
        .iter()
        .map(|path| {
            let mut stream = TcpStream::connect(server.address.strip_prefix("http://").unwrap()).unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n", admin.token());
            stream.write_all(head.as_bytes()).unwrap();
            let mut beginning = [0; 15];
            stream.read_exact(&mut beginning).unwrap();
            assert_eq!(beginning, *b"HTTP/1.1 200 OK");
            stream
        })
        .collect();
    assert_eq!((files_in(&temporary), files_in(&blobs).len()), (vec![], stored));
    drop(begun);
    // If such a client still held its turn, these requests would fail.
    for path in paths.iter().cycle().take(4) {
        assert_eq!(admin.get(path).status, 200);
    }
    // `drop` kills the server.
    drop(server);
    assert_eq!((files_in(&temporary), files_in(&blobs).len()), (vec![], stored));
}
