//! Pages of runs.

use jiff::Timestamp;
use serde_json::Value;

use crate::support::app::{Person, Tape, TestApp, each};

/// An analyst and their runs, newest first.
async fn crowd(count: usize) -> (TestApp, Person, Vec<String>) {
    let app = TestApp::new().await;
    let ana = app.person("ana", shared::auth::permission::Role::Analyst, None).await;
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.insert(0, app.pending(&ana, &Tape::of_good(1)).await);
    }
    (app, ana, ids)
}

fn ids(runs: &Value) -> Vec<&str> {
    each(runs, "run_id").into_iter().map(|id| id.as_str().unwrap()).collect()
}

#[tokio::test]
async fn test_default_pagination() {
    let (app, ana, newest_first) = crowd(103).await;
    let page = app.get("/api/runs").by(&ana).send().await;
    assert_eq!(ids(&page.expect(200)), newest_first[..100]);
    let rest = app.get(&page.next().unwrap()).by(&ana).send().await;
    assert_eq!((ids(&rest.expect(200)), rest.next()), (newest_first[100..].iter().map(String::as_str).collect(), None));
}

#[tokio::test]
async fn test_custom_limit() {
    let (app, ana, newest_first) = crowd(6).await;
    for limit in [2, 5, 6, 7, 1000] {
        let page = app.get(&format!("/api/runs?limit={limit}")).by(&ana).send().await;
        assert_eq!(ids(&page.expect(200)), newest_first[..limit.min(6)], "{limit}");
        assert_eq!(page.next().is_some(), limit < 6, "{limit}");
    }
}

#[tokio::test]
async fn test_skip_offset() {
    let (app, ana, newest_first) = crowd(6).await;
    for skip in 0..6 {
        let page = app.read(&ana, &format!("/api/runs?skip={skip}&limit=2")).await;
        assert_eq!(ids(&page), newest_first[skip..(skip + 2).min(6)], "{skip}");
    }
}

#[tokio::test]
async fn test_ordered_by_created_at_desc() {
    let app = TestApp::new().await;
    let runs = app.many_runs().await;
    let list = app.read(&runs.analyst, "/api/runs").await;
    let times: Vec<Timestamp> =
        each(&list, "created_at").into_iter().map(|time| time.as_str().unwrap().parse().unwrap()).collect();
    assert!(times.len() == 10 && times.is_sorted_by(|newer, older| newer > older), "{times:?}");
    assert_eq!(ids(&list), runs.ids.iter().rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn test_skip_beyond_total() {
    let (app, ana, _) = crowd(3).await;
    for skip in ["3", "4", "1000000", "9223372036854775807"] {
        let page = app.get(&format!("/api/runs?skip={skip}")).by(&ana).send().await;
        assert_eq!((page.expect(200), page.next()), (Value::Array(Vec::new()), None), "{skip}");
    }
}

#[tokio::test]
async fn test_limit_one() {
    let (app, ana, newest_first) = crowd(3).await;
    let (mut next, mut found) = (Some("/api/runs?limit=1".to_owned()), Vec::new());
    while let Some(address) = next {
        let page = app.get(&address).by(&ana).send().await;
        let runs = page.expect(200);
        assert_eq!(runs.as_array().unwrap().len(), 1);
        found.push(ids(&runs)[0].to_owned());
        next = page.next();
    }
    assert_eq!(found, newest_first);
}
