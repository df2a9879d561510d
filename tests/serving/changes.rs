//! Changes of users take effect at once, although the process caches the users that it has read.

use serde_json::{Value, json};

use crate::support::server::Server;

#[test]
fn a_change_of_a_user_counts_from_the_next_request_on() {
    let (_folder, server) = Server::new();
    let admin = server.admin();
    let ana = json!({"username": "ana", "email": "ana@example.com", "password": "a long password", "role": "analyst"});
    let id = admin.post("/api/auth/register", &[], &ana).expect(201)["id"].as_str().unwrap().to_owned();
    let change = |change: Value| {
        let kind = [("content-type", "application/json")];
        admin.send("PUT", &format!("/api/auth/users/{id}"), &kind, change.to_string().as_bytes()).expect(200)
    };
    let session = server.log_in("ana", "a long password");
    assert_eq!(session.get("/api/auth/me").expect(200)["role"], "analyst");
    assert_eq!(session.get("/api/auth/users").status, 403);

    change(json!({"role": "admin"}));
    assert_eq!(session.get("/api/auth/users").status, 200);
    change(json!({"role": "analyst", "full_name": "Ana"}));
    assert_eq!(session.get("/api/auth/users").status, 403);
    assert_eq!(session.get("/api/auth/me").expect(200)["full_name"], "Ana");

    change(json!({"password": "another password"}));
    assert_eq!(session.get("/api/auth/me").status, 401);
    let again = server.log_in("ana", "another password");
    assert_eq!(again.get("/api/auth/me").status, 200);
    change(json!({"is_active": false}));
    assert_eq!(again.get("/api/auth/me").status, 401);
}
