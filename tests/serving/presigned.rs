//! Presigned URLs, which lead to the bucket on the same port.

use crate::{
    desk::small_tape,
    server::{Server, send, send_announcing},
};

/// How the same server is called otherwise.
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
