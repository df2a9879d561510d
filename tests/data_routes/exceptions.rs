//! `GET /api/exceptions`.

use std::collections::BTreeSet;

use api::{problem::ApiError, stored_results::read_index};
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::facts::{
    SCHEMA,
    index::{ResultsIndex, StoredIndex},
};
use stores::{runs::ObjectVersion, storage::StorageBackend as _};
use uuid::Uuid;

use crate::{
    data_routes::{app, followed, member, mixed},
    support::app::{Fault, INSIDE, Person, Tape, TestApp, documented, each, members},
};

/// The loan numbers of a list of exceptions.
async fn numbers(app: &TestApp, person: &Person, query: &str) -> Vec<String> {
    let exceptions = app.read(person, &format!("/api/exceptions{query}")).await;
    each(&exceptions, "seller_loan_number").into_iter().map(|number| number.as_str().unwrap().to_owned()).collect()
}

/// A tape of loans that all fail their credit score.
fn failing(prefix: &str, count: usize) -> Tape {
    (0..count).fold(Tape::new(), |tape, at| tape.with(&format!("{prefix}{at}"), &[("credit_score", "500")]))
}

#[tokio::test]
async fn an_exception_says_what_was_failed_and_by_how_much() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let exceptions = app.read(&ana, &format!("/api/exceptions?run_id={id}")).await;
    let created_at = app.read(&ana, &format!("/api/runs/{id}")).await["created_at"].clone();
    let source_file = exceptions[0]["source_file"].clone();
    assert!(source_file.as_str().unwrap().ends_with(".csv"));
    let expected = json!({
        "id": format!("{id}-0"), "run_id": id, "seller_loan_number": "A", "exception_type": "ltv_ratio",
        "exception_category": "credit", "severity": "hard",
        "message": "LTV 97.80 % is above the maximum 97.00 % (by 0.80)",
        "rejection_criteria": "notebook.ltv_exceeds_maximum", "field": "ltv_ratio", "actual": "97.8", "limit": "<= 97.0",
        "excess": 0.8, "source_file": source_file, "line": 3, "row": 1, "created_at": created_at, "waived": null,
    });
    assert_eq!(exceptions[0], expected);
    let mut named = documented("Exception");
    // Only a rule set with programs has them.
    assert!(named.remove("program"));
    assert_eq!(named, members(&expected));
    assert_eq!(exceptions[3]["seller_loan_number"], "UNKNOWN");
    assert_eq!((&exceptions[1]["excess"], &exceptions[1]["severity"]), (&Value::Null, &"soft".into()));
}

#[tokio::test]
async fn the_newest_run_comes_first_and_then_tape_order() {
    let (app, ana) = app().await;
    for prefix in ["a", "b", "c"] {
        app.ended(&ana, &failing(prefix, 2)).await;
    }
    assert_eq!(numbers(&app, &ana, "").await, ["c0", "c1", "b0", "b1", "a0", "a1"]);
}

#[tokio::test]
async fn each_filter_lets_through_what_it_names() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    for (query, expected) in [
        ("exception_type=ltv_ratio", vec!["A"]),
        ("exception_type=missing_field", vec!["UNKNOWN"]),
        ("severity=soft", vec!["A"]),
        ("severity=hard", vec!["A", "B", "UNKNOWN"]),
        ("exception_category=credit", vec!["A", "B"]),
        ("exception_category=data_quality", vec!["A", "UNKNOWN"]),
        ("rejection_criteria=notebook.credit_score_below_minimum", vec!["B"]),
        ("seller_loan_number=A", vec!["A", "A"]),
        ("seller_loan_number=UNKNOWN", vec!["UNKNOWN"]),
        ("seller_loan_number=A&severity=hard", vec!["A"]),
        ("exception_category=credit&exception_type=credit_score&severity=hard", vec!["B"]),
    ] {
        assert_eq!(numbers(&app, &ana, &format!("?{query}")).await, expected, "{query}");
        assert_eq!(numbers(&app, &ana, &format!("?{query}&run_id={id}")).await, expected, "{query}");
    }
}

#[tokio::test]
async fn what_nothing_has_gives_an_empty_list() {
    let (app, ana) = app().await;
    app.ended(&ana, &mixed()).await;
    for query in [
        "exception_type=unknown",
        "exception_type=LTV_RATIO",
        "exception_category=Credit",
        "rejection_criteria=x",
        "seller_loan_number=a",
        "seller_loan_number=%27%20OR%201%3D1",
        "exception_type=ltv_ratio&severity=soft",
    ] {
        assert_eq!(numbers(&app, &ana, &format!("?{query}")).await, [""; 0], "{query}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_named() {
    let (app, ana) = app().await;
    for (query, name) in [
        ("severity=Hard", "severity"),
        ("severity=warning", "severity"),
        ("run_id=7", "run_id"),
        ("run_id=", "run_id"),
        ("seller_loan_number=", "seller_loan_number"),
        ("severty=hard", "severty"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("skip=x", "skip"),
        ("severity=hard&severity=soft", "severity"),
    ] {
        let answer = app.get(&format!("/api/exceptions?{query}")).by(&ana).send().await;
        assert_eq!(answer.problem(422), "invalid_input", "{query}");
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["query", name]), "{query}");
    }
}

#[tokio::test]
async fn a_team_sees_its_own_exceptions_alone() {
    let (app, ana) = app().await;
    let (wes, eve) = (member(&app, "West").await, member(&app, "East").await);
    let of_west = app.ended(&wes, &failing("w", 1)).await;
    let of_east = app.ended(&eve, &failing("e", 1)).await;
    app.ended(&ana, &failing("n", 1)).await;
    assert_eq!(numbers(&app, &ana, "").await, ["n0", "e0", "w0"]);
    assert_eq!(numbers(&app, &wes, "").await, ["w0"]);
    assert_eq!(numbers(&app, &eve, &format!("?run_id={of_east}")).await, ["e0"]);
    for id in [of_west, Uuid::new_v4().to_string()] {
        let answer = app.get(&format!("/api/exceptions?run_id={id}")).by(&eve).send().await;
        assert_eq!(answer.problem(404), "not_found");
    }
}

#[tokio::test]
async fn the_number_of_a_runs_exceptions_is_told() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    let total = async |query: &str| {
        let answer = app.get(&format!("/api/exceptions?limit=1{query}")).by(&ana).send().await;
        answer.expect(200);
        answer.total()
    };
    assert_eq!(total(&format!("&run_id={id}")).await, Some(4));
    assert_eq!(total(&format!("&run_id={id}&severity=hard&skip=2")).await, Some(3));
    assert_eq!(total(&format!("&run_id={id}&exception_type=unknown")).await, Some(0));
    // The total is not given here, because counting would mean reading everything.
    assert_eq!(total(&format!("&run_id={id}&seller_loan_number=A")).await, None);
    assert_eq!(total("").await, None);
}

#[tokio::test]
async fn following_the_links_gives_the_whole_list() {
    let (app, ana) = app().await;
    for (prefix, count) in [("a", 3), ("b", 0), ("c", 5), ("d", 1), ("e", 4)] {
        app.ended(&ana, &failing(prefix, count).good("G")).await;
    }
    let all = app.read(&ana, "/api/exceptions").await;
    assert_eq!(all.as_array().unwrap().len(), 13);
    for limit in [1, 2, 4, 5, 12, 13, 14] {
        let found = followed(&app, &ana, &format!("/api/exceptions?limit={limit}")).await;
        assert_eq!(json!(found), all, "{limit}");
        let found = followed(&app, &ana, &format!("/api/exceptions?limit={limit}&exception_type=credit_score")).await;
        assert_eq!(json!(found), all, "{limit}");
    }
}

#[tokio::test]
async fn runs_that_end_meanwhile_do_not_move_the_pages() {
    let (app, ana) = app().await;
    app.ended(&ana, &failing("a", 3)).await;
    let first = app.get("/api/exceptions?limit=2").by(&ana).send().await;
    app.ended(&ana, &failing("b", 3)).await;
    let second = app.read(&ana, &first.next().unwrap()).await;
    assert_eq!(each(&second, "seller_loan_number"), ["a2"]);
}

#[tokio::test]
async fn any_number_can_be_passed_over() {
    let (app, ana) = app().await;
    for (prefix, count) in [("a", 3), ("b", 4), ("c", 2), ("d", 1)] {
        let same = (0..count).fold(failing(prefix, count), |tape, _| tape.with("S", &[("credit_score", "500")]));
        app.ended(&ana, &same).await;
    }
    for filter in ["", "&exception_type=credit_score", "&severity=hard&seller_loan_number=S"] {
        let all = app.read(&ana, &format!("/api/exceptions?limit=1000{filter}")).await;
        let all = all.as_array().unwrap();
        for skip in 0..all.len() + 2 {
            let page = app.read(&ana, &format!("/api/exceptions?skip={skip}&limit=3{filter}")).await;
            let expected: Vec<Value> = all.iter().skip(skip).take(3).cloned().collect();
            assert_eq!(page, json!(expected), "{filter} {skip}");
        }
        assert_eq!(app.read(&ana, &format!("/api/exceptions?skip={}{filter}", i64::MAX)).await, json!([]));
    }
}

#[tokio::test]
async fn pages_of_one_run_link_to_each_other() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &failing("a", 7)).await;
    app.ended(&ana, &failing("b", 2)).await;
    let first = app.get(&format!("/api/exceptions?run_id={id}&limit=3")).by(&ana).send().await;
    let second = app.get(&first.next().unwrap()).by(&ana).send().await;
    assert_eq!(each(&second.expect(200), "seller_loan_number"), ["a3", "a4", "a5"]);
    assert!(second.header("link").contains("skip=0&limit=3>; rel=\"prev\""), "{}", second.header("link"));
    assert_eq!(second.total(), Some(7));
    let third = app.get(&second.next().unwrap()).by(&ana).send().await;
    assert_eq!((each(&third.expect(200), "seller_loan_number"), third.next()), (vec![&json!("a6")], None));
}

#[tokio::test]
async fn a_cursor_opens_nothing_that_is_closed() {
    let (app, ana) = app().await;
    let (wes, eve) = (member(&app, "West").await, member(&app, "East").await);
    let of_west = app.ended(&wes, &failing("w", 3)).await;
    let of_east = app.ended(&eve, &failing("e", 3)).await;
    let after = |link: &str| link.split("after=").nth(1).unwrap().to_owned();
    let of_page = async |person: &Person| after(&app.get("/api/exceptions?limit=1").by(person).send().await.next().unwrap());
    let (west, east) = (of_page(&wes).await, of_page(&eve).await);
    let ask = async |query: String| app.get(&format!("/api/exceptions?{query}")).by(&eve).send().await;
    assert_eq!(each(&ask(format!("after={east}")).await.expect(200), "seller_loan_number"), ["e1", "e2"]);
    assert_eq!(ask(format!("after={west}")).await.problem(422), "invalid_input");
    assert_eq!(ask(format!("run_id={of_west}&after={east}")).await.problem(404), "not_found");
    assert_eq!(ask(format!("run_id={of_east}&after={west}")).await.problem(422), "invalid_input");
    for bad in ["x", "AAAA", "WyJ4IiwxXQ", "%00"] {
        assert_eq!(ask(format!("after={bad}")).await.problem(422), "invalid_input", "{bad}");
    }
    assert_eq!(numbers(&app, &ana, "").await.len(), 6);
}

#[tokio::test]
async fn runs_without_stored_results_add_nothing() {
    let (app, ana) = app().await;
    let path = app.put_tape(&ana, &failing("dry", 2)).await;
    app.start(&ana, &json!({"files": [path], "dry_run": true})).await.expect(202);
    app.clock.advance(SignedDuration::from_millis(1));
    let failed = app.ended(&ana, &Tape::new()).await;
    app.ended(&ana, &failing("a", 1)).await;
    let pending = app.pending(&ana, &failing("p", 1)).await;
    assert_eq!(numbers(&app, &ana, "").await, ["a0"]);
    for id in [failed, pending] {
        let answer = app.get(&format!("/api/exceptions?run_id={id}")).by(&ana).send().await;
        assert_eq!((answer.expect(200), answer.total()), (json!([]), Some(0)));
    }
}

#[tokio::test]
async fn ids_are_unique_and_stay() {
    let (app, ana) = app().await;
    for prefix in ["a", "b"] {
        app.ended(&ana, &failing(prefix, 3)).await;
    }
    let all = app.read(&ana, "/api/exceptions").await;
    let ids: BTreeSet<&str> = each(&all, "id").into_iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(ids.len(), 6);
    let one = app.read(&ana, "/api/exceptions?seller_loan_number=a1").await;
    assert_eq!(one[0]["id"], all[4]["id"]);
}

#[tokio::test]
async fn a_storage_that_fails_is_told_of_and_asked_again() {
    let (app, ana) = app().await;
    let id = app.ended(&ana, &mixed()).await;
    for fault in [Fault::Broken, Fault::Unreachable] {
        app.bucket_outage.begin(fault);
        for address in
            [format!("/api/exceptions?run_id={id}"), "/api/exceptions/export".to_owned(), format!("/api/loans?run_id={id}")]
        {
            let answer = app.get(&address).by(&ana).send().await;
            assert_eq!(answer.problem(503), "unavailable", "{address}");
            assert!(!answer.text().contains(INSIDE));
        }
        app.bucket_outage.end();
    }
    assert_eq!(numbers(&app, &ana, "").await.len(), 4);
}

#[tokio::test]
async fn runs_whose_results_are_no_longer_kept_are_left_out_of_all_and_told_of_alone() {
    let (app, ana) = app().await;
    let mut ids = Vec::new();
    for prefix in ["a", "b", "c"] {
        ids.push(app.ended(&ana, &failing(prefix, 2)).await);
    }
    for key in app.objects(&format!("results/{}", ids[1])).await.into_keys() {
        app.resources.storage.delete(&key).await.unwrap();
    }
    // The restarted application has nothing in memory.
    let app = app.started_anew(|_| {});
    for query in ["", "?severity=hard"] {
        assert_eq!(numbers(&app, &ana, query).await, ["c0", "c1", "a0", "a1"], "{query}");
    }
    let one_by_one = followed(&app, &ana, "/api/exceptions?limit=1").await;
    assert_eq!(one_by_one.iter().map(|one| &one["seller_loan_number"]).collect::<Vec<_>>(), ["c0", "c1", "a0", "a1"]);
    let file = app.get("/api/exceptions/export").by(&ana).send().await;
    assert_eq!(file.text().lines().count(), 5);
    for address in [format!("/api/exceptions?run_id={}", ids[1]), format!("/api/loans?run_id={}", ids[1])] {
        let answer = app.get(&address).by(&ana).send().await;
        assert_eq!(answer.problem(404), "not_found", "{address}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("were removed"), "{}", answer.text());
    }
}

#[tokio::test]
async fn results_of_another_version_are_refused_with_what_to_do() {
    let (app, _) = app().await;
    let id = Uuid::from_u128(7);
    for (schema, expected) in [(SCHEMA, None), (0, Some("another version")), (SCHEMA + 1, Some("another version"))] {
        let json = serde_json::to_vec(&StoredIndex { schema, index: ResultsIndex::default() }).unwrap();
        let file = app.resources.storage.put_bytes(&format!("results/{id}/index.json"), json.into(), "application/json").await;
        let version = file.map(|file| ObjectVersion { size: file.size, etag: file.etag }).unwrap();
        match (read_index(&app.resources.storage, id, &version).await, expected) {
            (Ok(index), None) => assert_eq!(index, ResultsIndex::default()),
            (Err(ApiError::NotKept("results_not_kept", what)), Some(expected)) => assert!(what.contains(expected), "{what}"),
            (found, _) => panic!("schema {schema}: {found:?}"),
        }
    }
}
