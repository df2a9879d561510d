//! A data folder that is moved, deleted or replaced while `serve` uses it.

use std::{fs, path::Path};

use serde_json::json;

use crate::support::server::{Reply, Server, Session};

/// Answers to one write of each kind: to the table, to the bucket, and through a presigned URL.
fn writes(admin: &Session<'_>, name: &str) -> [Reply; 3] {
    let form = format!("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}.csv\"\r\n\r\nx\r\n--x--\r\n");
    let kind = [("content-type", "multipart/form-data; boundary=x")];
    [
        admin.post("/api/sales-teams", &[], &json!({"name": name})),
        admin.send("POST", "/api/files/upload", &kind, form.as_bytes()),
        admin.put_presigned(&format!("{name}_2.csv"), b"x", |url| url),
    ]
}

fn statuses(replies: &[Reply; 3]) -> [u16; 3] {
    replies.each_ref().map(|reply| reply.status)
}

fn ready(server: &Server) -> u16 {
    server.send("GET", "/health/ready", &[], b"").status
}

fn refused(server: &Server, admin: &Session<'_>, name: &str) {
    let replies = writes(admin, name);
    assert_eq!((statuses(&replies), ready(server)), ([503; 3], 503), "{name}");
    for reply in &replies[..2] {
        assert_eq!(reply.expect(503)["code"], "unavailable", "{name}");
    }
    // The process keeps running and still answers.
    assert_eq!(server.send("GET", "/health", &[], b"").status, 200);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn nothing_is_acknowledged_that_is_written_to_a_folder_that_is_gone() {
    let (folder, server) = Server::new();
    let admin = server.admin();
    let (data, aside) = (folder.path().join("data"), folder.path().join("aside"));
    assert_eq!((statuses(&writes(&admin, "before")), ready(&server)), ([201, 200, 200], 200));

    fs::rename(&data, &aside).unwrap();
    refused(&server, &admin, "moved");
    copy(&aside, &data);
    refused(&server, &admin, "replaced_by_a_copy");
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&aside, &data).unwrap();
    assert_eq!((statuses(&writes(&admin, "back")), ready(&server)), ([201, 200, 200], 200));
    let teams = admin.get("/api/sales-teams").expect(200);
    let names: Vec<&str> = teams.as_array().unwrap().iter().map(|team| team["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["back", "before"]);

    fs::remove_dir_all(&data).unwrap();
    refused(&server, &admin, "deleted");
    fs::create_dir(&data).unwrap();
    refused(&server, &admin, "made_anew");
}
