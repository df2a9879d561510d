//! A store fails after some of the requests of a write, at every point of every write.

use super::{Scene, assert_unavailable, requests::requests};
use crate::support::app::{Answer, Fault, Outage, form_of};

/// Lets a store fail after no request, after one, after two, and so on, until every request passes. Asserts that a failed try
/// stores nothing. Returns the answer when every request passed, and the number of requests.
async fn at_every_point(scene: &Scene, outage: &Outage, send: impl AsyncFn() -> Answer, name: &str) -> (Answer, usize) {
    let before = scene.stored().await;
    let mut spared = 0;
    loop {
        let fault = Fault::ENDING[spared % Fault::ENDING.len()];
        outage.begin_after(spared, fault);
        let answer = send().await;
        if outage.end() == 0 {
            return (answer, spared);
        }
        assert_unavailable(&answer, &format!("{name}: {fault:?} after {spared}"));
        assert_eq!(scene.stored().await, before, "{name}: {fault:?} after {spared}");
        spared += 1;
    }
}

/// Every route that is not a GET, each with the status of its answer while the stores work.
const WRITES: [(&str, u16); 11] = [
    ("POST /api/auth/register", 201),
    ("PUT /api/auth/me", 200),
    ("PUT /api/auth/users/{user_id}", 200),
    ("POST /api/sales-teams", 201),
    ("POST /api/pipeline/run", 202),
    // These two routes change nothing.
    ("POST /api/tapes/inspect", 200),
    ("POST /api/rule-sets/check", 200),
    ("POST /api/files/upload", 200),
    ("POST /api/files/mkdir", 200),
    ("DELETE /api/files/{*path}", 200),
    ("POST /api/auth/login", 401),
];

#[tokio::test]
async fn every_write_is_in_the_list() {
    let scene = Scene::new().await;
    let writes = scene.app.routes.iter().filter(|route| route.verb.as_str() != "GET");
    for name in writes.map(|route| format!("{} {}", route.verb, route.path)) {
        assert!(WRITES.iter().any(|(write, _)| *write == name), "{name} is missing here");
    }
}

#[tokio::test]
async fn a_table_that_fails_at_any_point_leaves_nothing_half_made() {
    for (name, expected) in WRITES {
        let scene = Scene::new().await;
        let all = requests(&scene);
        let wanted = all.iter().find(|wanted| format!("{} {}", wanted.verb, wanted.route) == name).unwrap();
        let (answer, asked) = at_every_point(&scene, &scene.app.table_outage, async || wanted.send(&scene).await, name).await;
        assert_eq!(answer.status.as_u16(), expected, "{name}: {}", answer.text());
        assert!(asked > 0, "{name}");
    }
}

#[tokio::test]
async fn a_bucket_that_fails_at_any_point_leaves_nothing_half_made() {
    for (name, expected) in WRITES.into_iter().filter(|(name, _)| name.contains("files") || name.contains("pipeline")) {
        let scene = Scene::new().await;
        let all = requests(&scene);
        let wanted = all.iter().find(|wanted| format!("{} {}", wanted.verb, wanted.route) == name).unwrap();
        let (answer, asked) = at_every_point(&scene, &scene.app.bucket_outage, async || wanted.send(&scene).await, name).await;
        assert_eq!(answer.status.as_u16(), expected, "{name}: {}", answer.text());
        assert!(asked > 0, "{name}");
    }
}

#[tokio::test]
async fn a_large_upload_appears_whole_or_not_at_all() {
    let scene = Scene::new().await;
    scene.app.put("inputs/large.csv", "before").await;
    let form = bytes::Bytes::from(form_of(&[("file", "large.csv", &[b'x'; 9_000_000])]));
    let send = async || {
        let call = scene.app.post("/api/files/upload").by(&scene.root);
        call.body("multipart/form-data; boundary=xxxx", form.clone()).send().await
    };
    let (answer, asked) = at_every_point(&scene, &scene.app.bucket_outage, send, "large").await;
    assert_eq!((&answer.expect(200)["size"], asked), (&9_000_000.into(), 5));
    assert_eq!(scene.app.text("inputs/large.csv").await.len(), 9_000_000);
}
