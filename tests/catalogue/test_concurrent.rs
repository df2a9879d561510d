//! Many requests at once.

mod test_concurrent_access {
    use std::collections::BTreeSet;

    use futures_util::future::join_all;
    use serde_json::json;
    use shared::auth::permission::Role;

    use crate::support::app::{PASSWORD, TestApp};

    #[tokio::test]
    async fn test_concurrent_run_listings() {
        let app = TestApp::new().await;
        let runs = app.many_runs().await;
        let alone = app.read(&runs.analyst, "/api/runs").await;
        let of_member = app.read(&runs.member, "/api/runs").await;
        let calls = (0..20).map(|at| app.get("/api/runs").by(if at % 2 == 0 { &runs.analyst } else { &runs.member }).send());
        for (at, answer) in join_all(calls).await.into_iter().enumerate() {
            assert_eq!(answer.expect(200), if at % 2 == 0 { alone.clone() } else { of_member.clone() });
        }
    }

    #[tokio::test]
    async fn test_concurrent_exception_queries() {
        let app = TestApp::new().await;
        let ana = app.person("ana", Role::Analyst, None).await;
        let id = app.populated_run(&ana).await;
        let query =
            |at: usize| format!("/api/exceptions?run_id={id}&skip={}&limit=3&severity={}", at % 7, ["hard", "soft"][at % 2]);
        // No request has loaded the run yet, so all of them ask for it at once.
        let at_once = join_all((0..28).map(|at| app.get(&query(at)).by(&ana).send())).await;
        for (at, answer) in at_once.into_iter().enumerate() {
            assert_eq!(answer.expect(200), app.read(&ana, &query(at)).await, "{at}");
            assert_eq!(answer.total(), Some([20, 10][at % 2]));
        }
    }

    #[tokio::test]
    async fn test_concurrent_file_uploads() {
        let app = TestApp::new().await;
        let ana = app.person("ana", Role::Analyst, None).await;
        let content = |at: usize| format!("{at},").repeat(20_000 + at);
        let uploads =
            (0..10).map(|at| app.post("/api/files/upload").by(&ana).file(&format!("tape_{at}.csv"), content(at)).send());
        for answer in join_all(uploads).await {
            answer.expect(200);
        }
        for at in 0..10 {
            assert!(app.text(&format!("inputs/tape_{at}.csv")).await == content(at), "tape_{at}.csv");
        }
        // Of the uploads to one path, one stays, and it is whole.
        let uploads = (0..10).map(|at| app.post("/api/files/upload?path=same.csv").by(&ana).file("x.csv", content(at)).send());
        for answer in join_all(uploads).await {
            answer.expect(200);
        }
        let kept = app.text("inputs/same.csv").await;
        assert!((0..10).any(|at| kept == content(at)));
    }

    #[tokio::test]
    async fn test_concurrent_logins() {
        let app = TestApp::new().await;
        let mut ids = BTreeSet::new();
        for at in 0..6 {
            ids.insert(app.person(&format!("user_{at}"), Role::Analyst, None).await.user.id.to_string());
        }
        let credentials = |at: usize| json!({"username": format!("user_{at}"), "password": PASSWORD});
        let answers = join_all((0..6).map(|at| app.post("/api/auth/login").json(&credentials(at)).send())).await;
        let mut tokens = BTreeSet::new();
        for answer in answers {
            let answer = answer.expect(200);
            assert!(ids.remove(answer["user"]["id"].as_str().unwrap()), "{answer}");
            tokens.insert(answer["access_token"].as_str().unwrap().to_owned());
        }
        assert!(ids.is_empty() && tokens.len() == 6);
    }
}
