//! Users: their names, their fields, their tokens, and the last administrator.

use std::sync::Arc;

use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::auth::permission::Role;
use stores::users::UserFilter;
use uuid::Uuid;

use crate::support::app::{Answer, PASSWORD, Person, TestApp};

use super::at_every_point;

/// Two administrators and an analyst. The product caches users, as `serve` does, or not, as on Lambda.
struct Scene {
    root: Person,
    eve: Person,
    ana: Person,
}

async fn scene(remembering: bool) -> (TestApp, Scene) {
    let app = TestApp::with(|resources| resources.table.known_users = remembering.then(Arc::default)).await;
    let root = app.person("root", Role::Admin, None).await;
    let eve = app.person("eve", Role::Admin, None).await;
    let ana = app.person("ana", Role::Analyst, None).await;
    (app, Scene { root, eve, ana })
}

async fn change(app: &TestApp, by: &Person, whom: &Person, changes: Value) -> Answer {
    app.call(Method::PUT, &format!("/api/auth/users/{}", whom.user.id)).by(by).json(&changes).send().await
}

async fn register(app: &TestApp, by: &Person, username: &str, email: &str) -> Answer {
    let new = json!({"username": username, "email": email, "password": "long enough"});
    app.post("/api/auth/register").by(by).json(&new).send().await
}

async fn users(app: &TestApp) -> Vec<shared::auth::user::User> {
    app.resources.users().list(UserFilter::default(), None, 0, 1000).await.unwrap().0
}

#[tokio::test]
async fn a_name_is_given_to_one_of_two_wherever_they_meet() {
    for (username, email) in [("new", "other@example.com"), ("other", "new@example.com")] {
        let races = at_every_point(
            async || scene(false).await,
            async |app, scene| register(app, &scene.root, "new", "new@example.com").await,
            async |app, scene| register(app, &scene.eve, username, email).await,
            async |app, _, ended, point| {
                let mut statuses = [ended.first.status.as_u16(), ended.second.status.as_u16()];
                statuses.sort_unstable();
                assert_eq!(statuses, [201, 409], "{point}");
                assert_eq!(users(app).await.len(), 4, "{point}");
            },
        )
        .await;
        assert!(races >= 3, "{races}");
    }
}

#[tokio::test]
async fn two_administrators_who_edit_one_user_do_not_mix_their_edits() {
    let mut races = 0;
    for remembering in [false, true] {
        races += at_every_point(
            async || scene(remembering).await,
            async |app, scene| {
                let changes = json!({"username": "anna", "email": "anna@example.com", "full_name": "Anna"});
                change(app, &scene.root, &scene.ana, changes).await
            },
            async |app, scene| {
                let changes = json!({"username": "hannah", "email": "hannah@example.com", "role": "admin"});
                change(app, &scene.eve, &scene.ana, changes).await
            },
            async |app, scene, ended, point| {
                ended.first.expect(200);
                ended.second.expect(200);
                let after = app.get("/api/auth/me").by(&scene.ana).send().await.expect(200);
                // Both changes were accepted: a field that only one of them set has that value, and the fields that both set come
                // from one of them.
                assert_eq!((&after["full_name"], &after["role"]), (&"Anna".into(), &"admin".into()), "{point}");
                let names = (after["username"].as_str().unwrap(), after["email"].as_str().unwrap());
                let (kept, free) = match names {
                    ("anna", "anna@example.com") => ("anna", "hannah"),
                    ("hannah", "hannah@example.com") => ("hannah", "anna"),
                    mixed => panic!("{point}: {mixed:?}"),
                };
                // The names that the user gave up are free, and the names that the user kept are not.
                register(app, &scene.root, free, &format!("{free}@example.com")).await.expect(201);
                register(app, &scene.root, "ana", "ana@example.com").await.expect(201);
                register(app, &scene.root, kept, "x@example.com").await.problem(409);
                register(app, &scene.root, "xxx", &format!("{kept}@example.com")).await.problem(409);
            },
        )
        .await;
    }
    assert!(races >= 6, "{races}");
}

#[tokio::test]
async fn there_is_always_an_administrator() {
    let (demote, disable) = (json!({"role": "analyst"}), json!({"is_active": false}));
    let mut races = 0;
    for (of_eve, of_root) in [(&demote, &demote), (&disable, &disable), (&demote, &disable), (&disable, &demote)] {
        for remembering in [false, true] {
            races += at_every_point(
                async || scene(remembering).await,
                async |app, scene| change(app, &scene.root, &scene.eve, of_eve.clone()).await,
                async |app, scene| change(app, &scene.eve, &scene.root, of_root.clone()).await,
                async |app, _, ended, point| {
                    let left = users(app).await.into_iter().filter(|user| user.is_active && user.role == Role::Admin).count();
                    assert_eq!(left, 1, "{point}");
                    let accepted = [&ended.first, &ended.second].into_iter().filter(|answer| answer.status == 200).count();
                    assert_eq!(accepted, 1, "{point}");
                    let refused = if ended.first.status == 200 { ended.second } else { ended.first };
                    assert!([401, 403].contains(&refused.status.as_u16()), "{point}: {}", refused.text());
                },
            )
            .await;
        }
    }
    assert!(races >= 24, "{races}");
}

#[tokio::test]
async fn nobody_gives_themself_back_what_was_taken_from_them() {
    let mut races = 0;
    for remembering in [false, true] {
        for lost in [json!({"role": "analyst"}), json!({"is_active": false}), json!({"password": "another one"})] {
            races += at_every_point(
                async || scene(remembering).await,
                async |app, scene| {
                    let changes = json!({"role": "admin", "is_active": true, "password": "my own horse"});
                    change(app, &scene.eve, &scene.eve, changes).await
                },
                async |app, scene| change(app, &scene.root, &scene.eve, lost.clone()).await,
                async |app, scene, ended, point| {
                    ended.second.expect(200);
                    let eve = app.resources.users().get(scene.eve.user.id).await.unwrap().unwrap();
                    assert_eq!(eve.is_administrator(), lost.get("password").is_some(), "{lost} {point}");
                    let own =
                        app.post("/api/auth/login").json(&json!({"username": "eve", "password": "my own horse"})).send().await;
                    match ended.first.status.as_u16() {
                        // Eve's own change came first, so the change that takes something from her still holds.
                        200 => assert_eq!(own.status == 200, lost.get("role").is_some(), "{lost} {point}"),
                        401 | 403 => assert_eq!(own.status, 401, "{lost} {point}"),
                        _ => panic!("{lost} {point}: {}", ended.first.text()),
                    }
                },
            )
            .await;
        }
    }
    assert!(races >= 18, "{races}");
}

#[tokio::test]
async fn a_log_in_with_the_old_password_gives_nothing_that_outlives_it() {
    for changes in [json!({"password": "another horse"}), json!({"is_active": false})] {
        let races = at_every_point(
            async || scene(false).await,
            async |app, _| app.post("/api/auth/login").json(&json!({"username": "ana", "password": PASSWORD})).send().await,
            async |app, scene| {
                let answer = change(app, &scene.root, &scene.ana, changes.clone()).await;
                // The log-in continues much later.
                app.clock.advance(SignedDuration::from_secs(100));
                answer
            },
            async |app, scene, ended, point| {
                ended.second.expect(200);
                if ended.first.status == 200 {
                    let token = ended.first.json()["access_token"].as_str().unwrap().to_owned();
                    let ana = Person { token, user: scene.ana.user.clone() };
                    app.get("/api/auth/me").by(&ana).send().await.problem(401);
                    // The token stays invalid after the account is active again.
                    change(app, &scene.root, &scene.ana, json!({"is_active": true})).await.expect(200);
                    assert_eq!(app.get("/api/auth/me").by(&ana).send().await.problem(401), "unauthenticated", "{point}");
                } else {
                    ended.first.problem(401);
                }
            },
        )
        .await;
        assert!(races >= 5, "{races}");
    }
}

#[tokio::test]
async fn what_is_remembered_of_a_user_is_never_older_than_their_last_change() {
    let races = at_every_point(
        async || scene(true).await,
        async |app, scene| app.get("/api/auth/me").by(&scene.ana).send().await,
        async |app, scene| change(app, &scene.root, &scene.ana, json!({"is_active": false})).await,
        async |app, scene, ended, point| {
            ended.second.expect(200);
            assert_eq!(app.get("/api/auth/me").by(&scene.ana).send().await.problem(401), "unauthenticated", "{point}");
        },
    )
    .await;
    assert!(races >= 2, "{races}");
}

#[tokio::test]
async fn nobody_comes_into_a_team_that_goes() {
    let west = Uuid::from_u128(7);
    let with_team = async || {
        let (app, scene) = scene(false).await;
        let team = shared::auth::user::SalesTeam { id: west, name: "West".to_owned() };
        assert!(app.resources.teams().create(&team).await.unwrap());
        (app, scene)
    };
    let races = at_every_point(
        with_team,
        async |app, scene| change(app, &scene.root, &scene.ana, json!({"role": "sales_team", "sales_team_id": west})).await,
        async |app, _| remove_team(app, west).await,
        async |app, scene, ended, point| {
            let ana = app.resources.users().get(scene.ana.user.id).await.unwrap().unwrap();
            assert_eq!(ana.sales_team_id.is_some(), ended.first.status == 200, "{point}");
            assert!(ended.first.status == 200 || ended.first.problem(404) == "not_found", "{point}");
            // A change that comes too late is rejected, at the latest by the write itself.
            assert!(ended.first.status == 404 || point > 2, "{point}");
        },
    )
    .await;
    assert!(races >= 3, "{races}");
}

/// Removes a team from the table. No endpoint does this; it takes the rights of an operator.
pub async fn remove_team(app: &TestApp, team: Uuid) {
    let table = &app.resources.table;
    let key = stores::keys::team(team).item();
    table.client.delete_item().table_name(&table.name).set_key(Some(key)).send().await.unwrap();
}
