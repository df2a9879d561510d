//! Logging in, and the runs that a user can reach.

mod test_auth_pipeline_integration {
    use serde_json::{Value, json};
    use shared::auth::{permission::Role, user::User};

    use crate::support::app::{PASSWORD, Person, Tape, TestApp, each};

    /// Logs a person in, and returns the person with the new token.
    async fn logged_in(app: &TestApp, person: &Person) -> Person {
        let credentials = json!({"username": person.user.username, "password": PASSWORD});
        let answer = app.post("/api/auth/login").json(&credentials).send().await.expect(200);
        Person { token: answer["access_token"].as_str().unwrap().to_owned(), ..person.clone() }
    }

    fn ids(runs: &Value) -> Vec<&str> {
        each(runs, "run_id").into_iter().map(|id| id.as_str().unwrap()).collect()
    }

    #[tokio::test]
    async fn test_admin_sees_all_runs() {
        let app = TestApp::new().await;
        let runs = app.many_runs().await;
        let admin = app.person("root", Role::Admin, None).await;
        let admin = logged_in(&app, &admin).await;
        assert_eq!(ids(&app.read(&admin, "/api/runs").await), runs.ids.iter().rev().collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn test_analyst_sees_all_runs() {
        let app = TestApp::new().await;
        let runs = app.many_runs().await;
        let analyst = logged_in(&app, &runs.analyst).await;
        assert_eq!(ids(&app.read(&analyst, "/api/runs").await), runs.ids.iter().rev().collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn test_sales_team_user_sees_only_own_team_runs() {
        let app = TestApp::new().await;
        let runs = app.many_runs().await;
        let member = logged_in(&app, &runs.member).await;
        let list = app.read(&member, "/api/runs").await;
        assert_eq!(ids(&list), runs.ids.iter().step_by(2).rev().collect::<Vec<_>>());
        assert!(each(&list, "sales_team_id").iter().all(|team| **team == json!(runs.member.user.sales_team_id)));
    }

    #[tokio::test]
    async fn test_sales_team_user_cannot_access_other_team_run() {
        let app = TestApp::new().await;
        let runs = app.many_runs().await;
        let other = app.team("Other Team").await;
        let other = app.person("oto", Role::SalesTeam, Some(other.id)).await;
        let id = app.ended(&other, &Tape::of_good(1)).await;
        let member = logged_in(&app, &runs.member).await;
        for id in [&id, &runs.ids[1]] {
            for address in [
                format!("/api/runs/{id}"),
                format!("/api/runs/{id}/notebook-outputs"),
                format!("/api/runs/{id}/notebook-outputs/purchase_tape/download"),
                format!("/api/runs/{id}/archive"),
                format!("/api/runs/{id}/archive/download"),
                format!("/api/summary/{id}"),
                format!("/api/exceptions?run_id={id}"),
                format!("/api/exceptions/export?run_id={id}"),
                format!("/api/loans?run_id={id}"),
            ] {
                assert_eq!(app.get(&address).by(&member).send().await.problem(404), "not_found", "{address}");
            }
        }
    }

    #[tokio::test]
    async fn test_admin_accesses_any_run_detail() {
        let app = TestApp::new().await;
        let runs = app.many_runs().await;
        let admin = app.person("root", Role::Admin, None).await;
        let admin = logged_in(&app, &admin).await;
        for id in &runs.ids {
            assert_eq!(app.read(&admin, &format!("/api/runs/{id}")).await["run_id"], **id);
        }
    }

    #[tokio::test]
    async fn test_summary_requires_auth() {
        let app = TestApp::new().await;
        let runs = app.many_runs().await;
        let address = format!("/api/summary/{}", runs.ids[0]);
        let answer = app.get(&address).send().await;
        assert_eq!((answer.problem(401).as_str(), answer.header("www-authenticate")), ("unauthenticated", "Bearer"));
        let analyst = logged_in(&app, &runs.analyst).await;
        assert_eq!(app.read(&analyst, &address).await["total_loans"], 2);
        assert_eq!(app.get(&address).send().await.problem(401), "unauthenticated");
    }

    #[tokio::test]
    async fn test_sales_team_exceptions_scoped() {
        let app = TestApp::new().await;
        let runs = app.many_runs().await;
        let member = logged_in(&app, &runs.member).await;
        let exceptions = app.read(&member, "/api/exceptions").await;
        let [first, third, fifth] = [&runs.ids[0], &runs.ids[2], &runs.ids[4]];
        assert_eq!(ids(&exceptions), [fifth, fifth, third, third, first, first]);
        let all = app.read(&runs.analyst, "/api/exceptions").await;
        assert_eq!(all.as_array().unwrap().len(), 10);
    }

    #[tokio::test]
    async fn test_disabled_user_cannot_list_runs() {
        let app = TestApp::new().await;
        let runs = app.many_runs().await;
        let analyst = logged_in(&app, &runs.analyst).await;
        app.read(&analyst, "/api/runs").await;
        let disabled = User { is_active: false, ..analyst.user.clone() };
        app.resources.users().replace(&analyst.user, &disabled).await.unwrap();
        for address in ["/api/runs".to_owned(), format!("/api/summary/{}", runs.ids[0]), "/api/exceptions".to_owned()] {
            assert_eq!(app.get(&address).by(&analyst).send().await.problem(401), "unauthenticated", "{address}");
        }
    }
}
