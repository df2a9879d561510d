//! Presigned URLs, which lead to the bucket on the same port.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::support::{
    server::{ADMIN_PASSWORD, Process, Server, send, send_announcing},
    shell::small_tape,
};

/// The URL with the other name of the same server.
fn by_name(url: String) -> String {
    url.replace("127.0.0.1", "localhost")
}

#[test]
fn a_file_goes_up_and_comes_down_by_either_name_of_this_machine() {
    let (_folder, server) = Server::new();
    let admin = server.admin();
    for (path, change) in [("a.csv", (|url| url) as fn(String) -> String), ("b c+é.csv", by_name)] {
        let path = path.replace(' ', "%20").replace('+', "%2B").replace('é', "%C3%A9");
        assert_eq!(admin.put_presigned(&path, small_tape().as_bytes(), change).status, 200, "{path}");
        assert_eq!(admin.get(&format!("/api/files/download/{path}")).text(), small_tape());
        let signed = admin.get(&format!("/api/files/url/{path}")).expect(200);
        let got = send("GET", &change(signed["url"].as_str().unwrap().to_owned()), &[], b"");
        assert_eq!((got.status, got.text()), (200, small_tape()));
        assert!(got.headers["content-disposition"].starts_with("attachment"), "{:?}", got.headers);
    }
}

#[test]
fn a_url_is_good_for_its_path_and_method_alone() {
    let (_folder, server) = Server::new();
    let admin = server.admin();
    assert_eq!(admin.put_presigned("a.csv", b"mine", |url| url).status, 200);
    assert_eq!(admin.put_presigned("b.csv", b"x", |url| url.replace("/b.csv", "/a.csv")).status, 403);
    let signed = admin.get("/api/files/url/a.csv").expect(200)["url"].as_str().unwrap().to_owned();
    assert_eq!(send("PUT", &signed, &[], b"x").status, 403);
    assert_eq!(send("GET", signed.split_once('?').unwrap().0, &[], b"").status, 403);
    assert_eq!(admin.get("/api/files/download/a.csv").text(), "mine");
    assert_eq!(admin.get("/api/files/download/b.csv").status, 404);
}

#[test]
fn a_body_of_more_than_five_gigabytes_is_refused_before_it_is_sent() {
    let (_folder, server) = Server::new();
    let admin = server.admin();
    let signed = admin.get("/api/files/url/a.csv?method=put").expect(200);
    let url = signed["url"].as_str().unwrap();
    let kind = signed["headers"]["content-type"].as_str().unwrap();
    let reply = send_announcing(5 * 1024 * 1024 * 1024 + 1, "PUT", url, &[("content-type", kind)], b"");
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("EntityTooLarge"), "{}", reply.text());
}

/// Status and body of the answer to a GET with any `Host` header, as through a forwarded port or a proxy.
fn get_as(server: &Server, host: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address.strip_prefix("http://").unwrap()).unwrap();
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {host}\r\n{token}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The origin and the rest of a file's presigned URL, for a client that sends this `Host` header.
fn url_for(server: &Server, host: &str, token: &str) -> (String, String) {
    let (status, body) = get_as(server, host, "/api/files/url/a.csv", Some(token));
    assert_eq!(status, 200, "{body}");
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    let url = answer["url"].as_str().unwrap();
    let at = url.find("/loans/").unwrap();
    (url[..at].to_owned(), url[at..].to_owned())
}

#[test]
fn a_url_begins_with_the_origin_that_the_client_called_and_is_good_there() {
    let (_folder, server) = Server::new();
    let admin = server.admin();
    assert_eq!(admin.put_presigned("a.csv", b"mine", |url| url).status, 200);
    for host in ["localhost:9", "127.0.0.1:65535", "[::1]:8080", "localhost"] {
        let (origin, rest) = url_for(&server, host, admin.token());
        assert_eq!(origin, format!("http://{host}"));
        assert_eq!(get_as(&server, host, &rest, None), (200, "mine".to_owned()), "{host}");
        // A client that follows a redirect may send its token along.
        assert_eq!(get_as(&server, host, &rest, Some(admin.token())).0, 200);
    }
    for host in ["attacker.example", "localhost.example:80", "127.0.0.1.example", "192.0.2.7:8000"] {
        let (origin, rest) = url_for(&server, host, admin.token());
        assert_eq!(origin, server.address, "{host}");
        // The signature does not cover the host: every host works, and none opens another file.
        assert_eq!(get_as(&server, host, &rest, None).0, 200, "{host}");
        assert_eq!(get_as(&server, host, &rest.replace("a.csv", "b.csv"), None).0, 403, "{host}");
    }
}

#[test]
fn a_public_url_is_the_origin_of_every_url() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("LOAN_ENGINE_ADMIN_PASSWORD", ADMIN_PASSWORD), ("PUBLIC_URL", "https://Loans.Example.com")];
    let server = Server::start(folder.path(), &variables);
    let admin = server.admin();
    assert_eq!(
        admin.put_presigned("a.csv", b"mine", |url| url.replace("https://loans.example.com", &server.address)).status,
        200
    );
    for host in ["localhost:8000", "loans.example.com", "attacker.example"] {
        let (origin, rest) = url_for(&server, host, admin.token());
        assert_eq!(origin, "https://loans.example.com", "{host}");
        assert_eq!(get_as(&server, "loans.example.com", &rest, None), (200, "mine".to_owned()), "{host}");
    }
}

#[test]
fn another_address_of_this_machine_is_listened_on() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["serve", "--host", "127.0.0.2", "--port", "0", "--data-dir", "data"];
    let variables = [("LOAN_ENGINE_ADMIN_PASSWORD", ADMIN_PASSWORD)];
    let process = Process::start(folder.path(), &args, &variables, " serves on ");
    let address = process.said.last().unwrap().split_once(" serves on ").unwrap().1.split(',').next().unwrap().to_owned();
    assert!(address.starts_with("http://127.0.0.2:"), "{address}");
    // 127.0.0.2 belongs to this machine alone, so the server prints no warning.
    assert_eq!(process.said.len(), 2);
    let server = Server { process, address };
    let admin = server.admin();
    assert_eq!(admin.put_presigned("a.csv", b"mine", |url| url).status, 200);
    let signed = admin.get("/api/files/url/a.csv").expect(200)["url"].as_str().unwrap().to_owned();
    assert!(signed.starts_with(&server.address), "{signed}");
    assert_eq!(send("GET", &signed, &[], b"").text(), "mine");
}
