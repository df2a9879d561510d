//! Guessing passwords, and guessing which users exist.

use std::time::{Duration, Instant};

use api::extract::ClientAddress;
use http::HeaderName;
use serde_json::json;
use shared::auth::{permission::Role, user::User};
use stores::throttle::{FAILURES_PER_ADDRESS, Whose};

use crate::support::app::{Answer, PASSWORD, TestApp};

use super::app;

async fn log_in(app: &TestApp, username: &str, password: &str) -> Answer {
    let call = app.post("/api/auth/login").header(HeaderName::from_static("x-request-id"), "same");
    call.json(&json!({"username": username, "password": password})).send().await
}

/// An answer without the header that shows the time it took.
fn told(answer: &Answer) -> (u16, http::HeaderMap, String) {
    let mut headers = answer.headers.clone();
    headers.remove("server-timing");
    (answer.status.as_u16(), headers, answer.text())
}

/// Creates an active user and an inactive one.
async fn users(app: &TestApp) {
    app.person("ana", Role::Analyst, None).await;
    let ivy = app.person("ivy", Role::Analyst, None).await.user;
    let inactive = User { is_active: false, ..ivy.clone() };
    app.resources.users().replace(&ivy, &inactive).await.unwrap();
}

#[tokio::test]
async fn a_password_fits_however_a_keyboard_composes_it() {
    let (app, root) = app().await;
    let (composed, decomposed) = ("\u{e9}t\u{e9} \u{e0} la mer", "e\u{301}te\u{301} a\u{300} la mer");
    for (name, set) in [("ana", composed), ("ben", decomposed)] {
        let new = json!({"email": format!("{name}@example.com"), "username": name, "password": set});
        app.post("/api/auth/register").by(&root).json(&new).send().await.expect(201);
        for typed in [composed, decomposed] {
            log_in(&app, name, typed).await.expect(200);
        }
        log_in(&app, name, "ete a la mer").await.problem(401);
    }
    // Combining accents do not count as additional characters.
    let short = json!({"email": "c@example.com", "username": "cat", "password": "e\u{301}".repeat(7)});
    assert_eq!(app.post("/api/auth/register").by(&root).json(&short).send().await.problem(422), "invalid_input");
}

#[tokio::test]
async fn a_name_in_other_letters_is_the_same_name_to_whoever_counts_failures() {
    let (app, _) = app().await;
    app.person("ana_b", Role::Analyst, None).await;
    // Other cases, surrounding spaces, full-width, mathematical and circled letters: everything that folds to the name.
    let forms = ["ana_b", "ANA_B", "Ana_b", " ana_b", "ana_b ", "\tana_b\n", "ａｎａ＿ｂ", "ＡＮＡ_B", "𝐚𝐧𝐚_𝐛", "ⓐⓝⓐ_ⓑ"];
    for form in forms {
        assert_eq!(log_in(&app, form, "wrong horse").await.problem(401), "unauthenticated", "{form}");
    }
    // The eleventh failure blocks all of these forms.
    log_in(&app, "aNA_B", "wrong horse").await.problem(429);
    for form in forms {
        assert_eq!(log_in(&app, form, PASSWORD).await.problem(429), "too_many_tries", "{form}");
    }
    // A name that only looks the same is another name: with Cyrillic letters, or with an invisible character.
    for other in ["аnа_b", "ana_b\u{200b}"] {
        log_in(&app, other, PASSWORD).await.problem(401);
    }
}

#[tokio::test]
async fn an_address_that_calls_itself_otherwise_is_the_same_address() {
    let (app, _) = app().await;
    app.person("ana", Role::Analyst, None).await;
    let failures = app.resources.failures();
    for _ in 0..FAILURES_PER_ADDRESS {
        failures.add(Whose::Address("unknown"), app.resources.clock.now()).await.unwrap();
    }
    for (at, name) in
        ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"].into_iter().enumerate()
    {
        let call = app.post("/api/auth/login").header(HeaderName::from_static(name), &format!("192.0.2.{at}"));
        let answer = call.json(&json!({"username": format!("guess_{at}"), "password": "wrong horse"})).send().await;
        assert_eq!(answer.problem(429), "too_many_tries", "{name}");
    }
}

#[tokio::test]
async fn who_is_not_there_and_who_is_not_active_are_answered_to_the_byte_like_a_wrong_password() {
    let (app, _) = app().await;
    users(&app).await;
    let expected = told(&log_in(&app, "ana", "wrong horse").await);
    assert_eq!(expected.0, 401);
    for name in ["nobody", "ivy", "IVY", "", "a", "a b", &"x".repeat(5000), "ana' OR '1'='1", "ana\u{0}", "админ", "%00"] {
        assert_eq!(told(&log_in(&app, name, "wrong horse").await), expected, "{name}");
    }
    for password in ["", "x", &"x".repeat(5000), "\u{0}", "correct horse\u{0}", "Correct horse"] {
        assert_eq!(told(&log_in(&app, "nobody", password).await), expected, "{password}");
        assert_eq!(told(&log_in(&app, "ana", password).await), expected, "{password}");
    }
}

#[tokio::test]
async fn who_is_blocked_is_blocked_alike_whether_they_are_there_or_not() {
    let (app, _) = app().await;
    users(&app).await;
    let mut blocked = Vec::new();
    for name in ["ana", "ivy", "nobody"] {
        let failures = app.resources.failures();
        for _ in 0..10 {
            failures.add(Whose::Username(name), app.resources.clock.now()).await.unwrap();
        }
        let eleventh = log_in(&app, name, "wrong horse").await;
        assert_eq!(eleventh.problem(429), "too_many_tries");
        // Even the right password reveals nothing here: neither whose it is, nor that the account is disabled.
        blocked.push([told(&eleventh), told(&log_in(&app, name, PASSWORD).await), told(&log_in(&app, name, "x").await)]);
    }
    assert_eq!(blocked[0], blocked[1]);
    assert_eq!(blocked[1], blocked[2]);
    assert_eq!(blocked[0][0], blocked[0][1]);
    assert_eq!(blocked[0][1], blocked[0][2]);
}

/// The number of requests to the stores that a log-in makes.
async fn requests(app: &TestApp, username: &str) -> usize {
    for point in 1.. {
        let answered = app.pausing.interleave(point, log_in(app, username, "wrong horse"), async {}).await;
        answered.first.problem(401);
        if !answered.paused {
            return point - 1;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn a_log_in_asks_the_stores_as_often_whoever_is_there() {
    let (app, _) = app().await;
    users(&app).await;
    let there = requests(&app, "ana").await;
    assert!(there >= 5, "{there}");
    assert_eq!([requests(&app, "ivy").await, requests(&app, "nobody").await], [there, there]);
}

#[tokio::test]
async fn a_log_in_takes_its_time_whoever_is_there() {
    let (app, _) = app().await;
    users(&app).await;
    // The shortest of several times is the time of the work; the rest is caused by the machine. Without hashing the password a
    // log-in takes a tenth of the time, so a limit of twice the time is far from both.
    let mut least = std::collections::BTreeMap::from(["ana", "ivy", "nobody"].map(|name| (name, Duration::MAX)));
    for times in 1..=20 {
        for (name, least) in &mut least {
            let begun = Instant::now();
            log_in(&app, name, "wrong horse").await;
            *least = begun.elapsed().min(*least);
            // Let the block end, because no password is hashed for a blocked user.
            app.clock.advance(jiff::SignedDuration::from_mins(16));
        }
        let (fast, slow) = (least.values().min().unwrap(), least.values().max().unwrap());
        if times > 4 && *slow < 2 * *fast && *fast > PASSWORD_WORK {
            return;
        }
    }
    panic!("who is there shows in how long a log-in takes: {least:?}");
}

/// No machine hashes a password in less time.
const PASSWORD_WORK: Duration = Duration::from_millis(2);

#[tokio::test]
async fn a_hundred_guesses_at_other_names_each_block_the_address_that_they_come_from() {
    let (app, _) = app().await;
    app.person("ana", Role::Analyst, None).await;
    let from = async |address: &str, name: &str, password: &str| {
        let body = json!({"username": name, "password": password}).to_string();
        let mut request = http::Request::post("/api/auth/login").header("content-type", "application/json");
        request.extensions_mut().unwrap().insert(ClientAddress(address.to_owned()));
        app.answer(request.body(body.into()).unwrap()).await
    };
    for guess in 0..FAILURES_PER_ADDRESS {
        from("192.0.2.7", &format!("guess_{guess}"), "wrong horse").await.problem(401);
    }
    assert_eq!(from("192.0.2.7", "another_guess", "wrong horse").await.problem(429), "too_many_tries");
    assert_eq!(from("192.0.2.7", "ana", PASSWORD).await.problem(429), "too_many_tries");
    from("192.0.2.8", "ana", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn many_guesses_at_once_learn_no_more_than_one_after_the_other() {
    let app = std::sync::Arc::new(app().await.0);
    app.person("ana", Role::Analyst, None).await;
    let guesses = (0..40).map(|at| {
        let app = std::sync::Arc::clone(&app);
        // The right password is among the last.
        let password = if at == 35 { PASSWORD.to_owned() } else { format!("wrong horse {at}") };
        async move { log_in(&app, "ana", &password).await.status.as_u16() }
    });
    let statuses = futures_util::future::join_all(guesses).await;
    let told = statuses.iter().filter(|status| **status == 401).count();
    assert!(told <= 10, "{told} guesses got the answer 401");
    assert!(statuses.iter().all(|status| [200, 401, 429].contains(status)), "{statuses:?}");
    // Whether the right password got through depends on when it came. Afterwards it does not.
    log_in(&app, "ana", PASSWORD).await.problem(429);
}
