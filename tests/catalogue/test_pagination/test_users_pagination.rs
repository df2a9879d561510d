//! Pages of users.

use serde_json::Value;
use shared::auth::permission::Role;

use crate::support::app::{Answer, Person, TestApp};

/// An administrator and 119 others, every third of them a member of a sales team.
async fn crowd() -> (TestApp, Person, Vec<String>) {
    let app = TestApp::new().await;
    let team = app.team("West").await;
    let root = app.person("user_000", Role::Admin, None).await;
    let mut names = vec!["user_000".to_owned()];
    for at in 1..120 {
        let name = format!("user_{at:03}");
        let (role, team) = if at % 3 == 0 { (Role::SalesTeam, Some(team.id)) } else { (Role::Analyst, None) };
        app.person(&name, role, team).await;
        names.push(name);
    }
    (app, root, names)
}

async fn page(app: &TestApp, person: &Person, query: &str) -> Answer {
    app.get(&format!("/api/auth/users{query}")).by(person).send().await
}

fn names(answer: &Answer) -> Vec<String> {
    let users: Vec<Value> = answer.expect(200).as_array().unwrap().clone();
    users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn test_default_pagination() {
    let (app, root, all) = crowd().await;
    let first = page(&app, &root, "").await;
    assert_eq!(names(&first), all[..100]);
    assert!(first.header("link").starts_with("</api/auth/users?skip=100&limit=100&after="), "{}", first.header("link"));
    let last = page(&app, &root, "?skip=100").await;
    assert_eq!(names(&last), all[100..]);
    assert_eq!(last.header("link"), "</api/auth/users?skip=0&limit=100>; rel=\"prev\"");
    assert_eq!(names(&page(&app, &root, "?skip=120").await), [""; 0]);
    assert_eq!(names(&page(&app, &root, "?limit=1000").await), all);
}

#[tokio::test]
async fn test_role_filter_with_pagination() {
    let (app, root, all) = crowd().await;
    let members: Vec<&String> = all.iter().skip(3).step_by(3).collect();
    for (skip, limit) in [(0, 10), (10, 10), (35, 10), (39, 1), (0, 1000)] {
        let answer = page(&app, &root, &format!("?role=sales_team&skip={skip}&limit={limit}")).await;
        let end = members.len().min(skip + limit);
        assert_eq!(names(&answer).iter().collect::<Vec<_>>(), members[skip..end], "{skip} {limit}");
        let link = answer.header("link");
        assert_eq!(link.contains("rel=\"next\""), end < members.len(), "{skip} {limit}: {link}");
        assert!(link.is_empty() || link.contains("role=sales_team"), "{link}");
    }
}

#[tokio::test]
async fn test_deterministic_order() {
    let (app, root, all) = crowd().await;
    let (mut by_skip, mut by_link) = (Vec::new(), Vec::new());
    for skip in (0..120).step_by(7) {
        let query = format!("?skip={skip}&limit=7");
        let once = names(&page(&app, &root, &query).await);
        assert_eq!(names(&page(&app, &root, &query).await), once);
        by_skip.extend(once);
    }
    assert_eq!(by_skip, all);
    let mut next = Some("/api/auth/users?limit=7".to_owned());
    while let Some(path) = next {
        let answer = app.get(&path).by(&root).send().await;
        by_link.extend(names(&answer));
        next = answer.next();
    }
    assert_eq!(by_link, all);
}
