//! One store fails completely while every route gets a request.

use std::collections::BTreeSet;

use api::routes::Access;

use crate::support::app::Fault;

use super::{Scene, assert_unavailable, requests::requests};

/// Readiness has its own answer for failing stores, so the tests here leave it out.
const READINESS: &str = "/health/ready";

#[tokio::test]
async fn without_the_table_every_route_says_so_that_needs_it() {
    let scene = Scene::new().await;
    let public = |route: &str| scene.app.routes.iter().any(|of| of.path == route && of.access == Access::Public);
    let before = scene.stored().await;
    for wanted in requests(&scene).iter().filter(|wanted| wanted.route != READINESS) {
        for fault in Fault::ENDING {
            scene.app.table_outage.begin(fault);
            let answer = wanted.send(&scene).await;
            let asked = scene.app.table_outage.end();
            let name = format!("{fault:?}: {}", wanted.name());
            if public(wanted.route) && wanted.route != "/api/auth/login" {
                assert_eq!((answer.status.as_u16(), asked), (200, 0), "{name}");
            } else {
                assert_unavailable(&answer, &name);
            }
        }
    }
    assert_eq!(scene.stored().await, before);
}

#[tokio::test]
async fn without_the_bucket_every_route_says_so_that_needs_it() {
    let scene = Scene::new().await;
    let before = scene.stored().await;
    let mut needing = BTreeSet::new();
    let all = requests(&scene);
    for fault in Fault::ENDING {
        // Leave out routes that need no bucket: they work as usual, and other tests cover that.
        let of_bucket =
            |route: &str| ["/api/files", "/api/runs/", "/api/exceptions", "/api/loans"].iter().any(|p| route.starts_with(p));
        for wanted in all.iter().filter(|wanted| of_bucket(wanted.route) || wanted.route == "/api/pipeline/run") {
            scene.app.bucket_outage.begin(fault);
            let answer = wanted.send(&scene).await;
            let name = format!("{fault:?}: {}", wanted.name());
            if scene.app.bucket_outage.end() > 0 {
                needing.insert(format!("{} {}", wanted.verb, wanted.route));
                assert_unavailable(&answer, &name);
            } else {
                assert_eq!(answer.status.as_u16(), 200, "{name}: {}", answer.text());
            }
        }
    }
    assert_eq!(scene.stored().await, before);
    for route in [
        "GET /api/exceptions",
        "GET /api/exceptions/export",
        "GET /api/loans",
        "GET /api/runs/{run_id}/archive",
        "GET /api/runs/{run_id}/archive/download",
        "GET /api/runs/{run_id}/notebook-outputs/{output_key}/download",
        "GET /api/runs/{run_id}/workbook",
        "POST /api/pipeline/run",
        "GET /api/files/list",
        "POST /api/files/upload",
        "GET /api/files/download/{*path}",
        "GET /api/files/url/{*path}",
        "POST /api/files/mkdir",
        "DELETE /api/files/{*path}",
    ] {
        assert!(needing.contains(route), "{route} asked no bucket");
    }
}

#[tokio::test]
async fn what_needs_no_bucket_works_without_it() {
    let scene = Scene::new().await;
    scene.app.bucket_outage.begin(Fault::Unreachable);
    for address in ["/api/auth/me", "/api/auth/users", "/api/runs", "/api/sales-teams", "/api/config", "/health", "/openapi.json"]
    {
        assert_eq!(scene.app.get(address).by(&scene.root).send().await.status.as_u16(), 200, "{address}");
    }
    let address = format!("/api/summary/{}", scene.run);
    assert_eq!(scene.app.get(&address).by(&scene.root).send().await.expect(200)["run_id"], scene.run, "{address}");
    assert_eq!(scene.app.bucket_outage.end(), 0);
}

#[tokio::test]
async fn nobody_gets_in_while_the_table_fails() {
    let scene = Scene::new().await;
    let login = |password: &str| {
        let body = serde_json::json!({"username": "root", "password": password});
        scene.app.post("/api/auth/login").json(&body).send()
    };
    let good = crate::support::app::PASSWORD;
    for spared in 0.. {
        scene.app.table_outage.begin_after(spared, Fault::Throttled);
        let answer = login(good).await;
        if scene.app.table_outage.end() == 0 {
            answer.expect(200);
            break;
        }
        assert_unavailable(&answer, &format!("after {spared}"));
    }
    scene.app.table_outage.begin(Fault::Throttled);
    assert_unavailable(&login("wrong horse").await, "wrong password");
}
