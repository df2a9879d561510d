//! Forged tokens, and tokens that have expired.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use http::{Method, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha384, Sha512};
use shared::auth::{permission::Role, token::ISSUER};
use stores::keys;
use uuid::Uuid;

use crate::support::app::{Answer, Person, SECRET, TestApp, each};

use super::app;

/// HMAC with a hash whose blocks have `block` bytes.
fn hmac<D: Digest>(block: usize, secret: &[u8], message: &[u8]) -> Vec<u8> {
    let mut key = if secret.len() > block { D::digest(secret).to_vec() } else { secret.to_vec() };
    key.resize(block, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = D::new().chain_update(pad(0x36)).chain_update(message).finalize();
    D::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hs256(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let secret = secret.to_vec();
    move |message| hmac::<Sha256>(64, &secret, message)
}

/// A token with any header and any claims, signed in any way.
fn token(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

async fn with_token(app: &TestApp, token: &str) -> Answer {
    let call = app.get("/api/auth/me").header(header::AUTHORIZATION, &format!("Bearer {token}"));
    call.header(header::HeaderName::from_static("x-request-id"), "same").send().await
}

/// The claims of a good token of a person.
fn claims(app: &TestApp, person: &Person) -> Value {
    let now = app.resources.clock.now().as_second();
    json!({
        "sub": person.user.id, "username": person.user.username, "role": "admin", "iat": now - 10, "exp": now + 1000,
        "iss": ISSUER, "jti": Uuid::from_u128(1),
    })
}

const HS256: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

/// Asserts that none of these tokens is accepted, and that their answers do not differ.
async fn assert_none_is_taken(app: &TestApp, forged: Vec<(String, String)>) {
    let without = app.get("/api/auth/me").header(header::HeaderName::from_static("x-request-id"), "same").send().await;
    for (name, token) in forged {
        let answer = with_token(app, &token).await;
        assert_eq!(answer.status, 401, "{name}");
        assert_eq!(answer.problem(401), "unauthenticated", "{name}");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{name}");
        assert_eq!(answer.bytes, without.bytes, "{name}");
    }
}

#[tokio::test]
async fn the_forger_of_these_tests_makes_good_tokens_with_the_secret() {
    let (app, root) = app().await;
    let good = token(HS256, &claims(&app, &root).to_string(), hs256(SECRET.as_bytes()));
    assert_eq!(with_token(&app, &good).await.expect(200)["username"], "root");
}

#[tokio::test]
async fn no_other_algorithm_is_taken_whatever_the_signature() {
    let (app, root) = app().await;
    let claims = claims(&app, &root).to_string();
    let mut forged = Vec::new();
    for algorithm in [
        "none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "PS512",
        "EdDSA", "hs256", "HS256 ", "HMAC", "dir",
    ] {
        let header = json!({"typ": "JWT", "alg": algorithm}).to_string();
        let secret = SECRET.as_bytes();
        forged.push((format!("{algorithm} unsigned"), token(&header, &claims, |_| Vec::new())));
        forged.push((format!("{algorithm} by HS256"), token(&header, &claims, hs256(secret))));
        forged.push((format!("{algorithm} by HS384"), token(&header, &claims, |of| hmac::<Sha384>(128, secret, of))));
        forged.push((format!("{algorithm} by HS512"), token(&header, &claims, |of| hmac::<Sha512>(128, secret, of))));
        forged.push((format!("{algorithm} by its hash"), token(&header, &claims, |of| Sha256::digest(of).to_vec())));
    }
    for header in
        [r#"{"typ":"JWT"}"#, r#"{"alg":null}"#, r#"{"alg":0}"#, r#"{"alg":["HS256"]}"#, r#"["HS256"]"#, r#""HS256""#, "HS256", ""]
    {
        forged.push((format!("header {header}"), token(header, &claims, hs256(SECRET.as_bytes()))));
    }
    assert!(forged.len() > 100);
    assert_none_is_taken(&app, forged).await;
}

#[tokio::test]
async fn no_key_but_the_secret_opens_wherever_the_token_says_that_the_key_is() {
    let (app, root) = app().await;
    let claims = claims(&app, &root).to_string();
    let attacker = b"the attacker's own key, which is long enough";
    let key = URL_SAFE_NO_PAD.encode(attacker);
    let mut forged = Vec::new();
    for (what, more) in [
        ("jwk", json!({"jwk": {"kty": "oct", "k": key, "alg": "HS256"}})),
        ("jku", json!({"jku": "http://127.0.0.1:1/keys.json"})),
        ("x5u", json!({"x5u": "http://127.0.0.1:1/certificate.pem"})),
        ("x5c", json!({"x5c": [STANDARD.encode(attacker)]})),
        ("kid of a file", json!({"kid": "../../../../dev/null"})),
        ("kid of a query", json!({"kid": "x' UNION SELECT 'the attacker''s own key, which is long enough"})),
        ("crit", json!({"crit": ["b64"], "b64": false})),
        ("nothing", json!({})),
    ] {
        let mut header = json!({"typ": "JWT", "alg": "HS256"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        for (whose, secret) in [("attacker", &attacker[..]), ("an empty secret", b"")] {
            forged.push((format!("{what} by {whose}"), token(&header.to_string(), &claims, hs256(secret))));
        }
    }
    let half = &SECRET[..16];
    let guesses =
        ["secret", "password", ISSUER, half, &SECRET.to_uppercase(), &format!("{SECRET}0"), &root.user.password_hash, "0"];
    for guess in guesses {
        forged.push((format!("signed with {guess}"), token(HS256, &claims, hs256(guess.as_bytes()))));
    }
    assert_none_is_taken(&app, forged).await;
}

#[tokio::test]
async fn no_other_form_of_a_token_is_taken() {
    let (app, root) = app().await;
    let good = root.token.clone();
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("{good}") };
    let mut forged: Vec<(String, String)> = [
        ("one part", head.to_owned()),
        ("two parts", format!("{head}.{body}")),
        ("two parts and a dot", format!("{head}.{body}.")),
        ("no head", format!(".{body}.{signature}")),
        ("no body", format!("{head}..{signature}")),
        ("four parts", format!("{good}.")),
        ("five parts", format!("{good}.{signature}.{signature}")),
        ("turned round", format!("{signature}.{body}.{head}")),
        ("half of the signature", format!("{head}.{body}.{}", &signature[..signature.len() / 2])),
        ("two signatures", format!("{good}{signature}")),
        ("padded", format!("{head}.{body}.{signature}=")),
        ("all padded", parts.iter().map(|part| format!("{part}==")).collect::<Vec<_>>().join(".")),
        ("a space inside", format!("{head}. {body}.{signature}")),
        ("percent-encoded", good.replace('.', "%2E")),
        ("quoted", format!("\"{good}\"")),
        ("a comma", format!("{good},{good}")),
        ("upper case", good.to_uppercase()),
        ("encoded twice", URL_SAFE_NO_PAD.encode(&good)),
        ("a megabyte of dots", ".".repeat(1 << 20)),
        ("a megabyte of signature", format!("{head}.{body}.{}", "A".repeat(1 << 20))),
        ("a megabyte of body", format!("{head}.{}.{signature}", "A".repeat(1 << 20))),
        ("a deep body", token(HS256, &"[".repeat(100_000), hs256(SECRET.as_bytes()))),
        ("a body that is no object", token(HS256, "1", hs256(SECRET.as_bytes()))),
    ]
    .map(|(name, token)| (name.to_owned(), token))
    .into();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let standard = format!("{head}.{body}.{}", STANDARD.encode(&bytes));
    forged.push(("the other alphabet, padded".to_owned(), standard));
    forged.push(("the signature padded".to_owned(), format!("{head}.{body}.{}", URL_SAFE.encode(&bytes))));
    // The last letter has bits that belong to no byte. Only one spelling of the same signature is valid.
    for last in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
        let other = format!("{}{}", &good[..good.len() - 1], char::from(*last));
        if other != good {
            forged.push((format!("the last letter is {}", char::from(*last)), other));
        }
    }
    // Flip every bit of the signature, and change the case of every letter of the token.
    for at in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[at / 8] ^= 1 << (at % 8);
        forged.push((format!("bit {at}"), format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(altered))));
    }
    for (at, letter) in good.char_indices().filter(|(_, letter)| letter.is_ascii_alphabetic()) {
        let other = if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        forged.push((format!("letter {at}"), format!("{}{other}{}", &good[..at], &good[at + 1..])));
    }
    assert!(forged.len() > 500, "{}", forged.len());
    assert_none_is_taken(&app, forged).await;
    with_token(&app, &good).await.expect(200);
}

#[tokio::test]
async fn no_claim_of_another_time_or_of_somebody_else_is_taken() {
    let (app, root) = app().await;
    let now = app.resources.clock.now().as_second();
    let mut forged = Vec::new();
    for (name, change) in [
        ("expired", json!({"exp": now - 1})),
        ("expires now", json!({"exp": now})),
        ("expired long ago", json!({"iat": 0, "exp": 1})),
        ("never expires", json!({"exp": null})),
        ("expires in a text", json!({"exp": (now + 1000).to_string()})),
        ("expires in a fraction", json!({"exp": f64::from(i32::MAX) + 0.5})),
        ("expires beyond all numbers", json!({"exp": 1e300})),
        ("expires before it was issued", json!({"iat": now + 20, "exp": now + 10})),
        ("issued tomorrow", json!({"iat": now + 86_400, "exp": now + 90_000})),
        ("issued at the end of time", json!({"iat": i64::MAX})),
        ("not good yet", json!({"nbf": now + 600})),
        ("issued by another service", json!({"iss": "loan-engine-2"})),
        ("issued with an empty name", json!({"iss": ""})),
        ("issued in another case", json!({"iss": "Loan-Engine"})),
        ("issued by many", json!({"iss": [ISSUER, "somebody"]})),
        ("issued without a name", json!({"iss": null})),
        ("for another service", json!({"aud": "another-service"})),
        ("for another user", json!({"sub": Uuid::from_u128(7)})),
        ("for everybody", json!({"sub": "*"})),
        ("for many", json!({"sub": [root.user.id]})),
        ("of a role that is none", json!({"role": "root"})),
        ("without an id", json!({"jti": null})),
    ] {
        let mut claims = claims(&app, &root);
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        // These tokens have the right secret, as if another service had been given the same one.
        forged.push((name.to_owned(), token(HS256, &claims.to_string(), hs256(SECRET.as_bytes()))));
    }
    assert_none_is_taken(&app, forged).await;
}

#[tokio::test]
async fn what_a_token_says_of_the_role_counts_for_nothing() {
    let (app, root) = app().await;
    let west = app.team("West").await;
    for (name, role, team) in [("ana", Role::Analyst, None), ("wes", Role::SalesTeam, Some(west.id))] {
        let person = app.person(name, role, team).await;
        // The token has the right secret, and a role that differs from the stored one.
        let forged = token(HS256, &claims(&app, &person).to_string(), hs256(SECRET.as_bytes()));
        assert_eq!(with_token(&app, &forged).await.expect(200)["role"], role.as_str());
        let as_admin = Person { token: forged, user: person.user.clone() };
        for (method, path) in
            [(Method::GET, "/api/auth/users"), (Method::POST, "/api/auth/register"), (Method::POST, "/api/sales-teams")]
        {
            assert_eq!(app.call(method, path).by(&as_admin).send().await.problem(403), "forbidden", "{role} {path}");
        }
    }
    // The reverse holds as well: an administrator whose token has an earlier role is still an administrator.
    let mut modest = claims(&app, &root);
    modest["role"] = "sales_team".into();
    let modest = Person { token: token(HS256, &modest.to_string(), hs256(SECRET.as_bytes())), user: root.user.clone() };
    app.get("/api/auth/users").by(&modest).send().await.expect(200);
}

#[tokio::test]
async fn the_token_of_a_user_who_was_deleted_is_none() {
    let (app, _) = app().await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let table = &app.resources.table;
    let key = keys::user(ana.user.id).item();
    table.client.delete_item().table_name(&table.name).set_key(Some(key)).send().await.unwrap();
    app.get("/api/auth/me").by(&ana).send().await.problem(401);
    // The deleted user's password is invalid as well, although the username is still marked as taken.
    let login = json!({"username": "ana", "password": crate::support::app::PASSWORD});
    assert_eq!(app.post("/api/auth/login").json(&login).send().await.expect(401)["detail"], "Incorrect username or password");
}

#[tokio::test]
async fn a_member_who_goes_to_another_team_sees_that_one_alone_with_the_same_token() {
    let (app, root) = app().await;
    let (west, east) = (app.team("West").await, app.team("East").await);
    let wes = app.person("wes", Role::SalesTeam, Some(west.id)).await;
    let mut runs = Vec::new();
    for team in [&west, &east] {
        runs.push(crate::files_routes::completed_run(&app, Some(team.id)).await.to_string());
        app.put(&format!("inputs/teams/{}/{}.csv", team.id, team.name), "x").await;
    }
    let seen = async || {
        let listed = app.read(&wes, "/api/runs").await;
        let files = app.read(&wes, "/api/files/list").await;
        let first = |value: Vec<&Value>| value.iter().map(|value| value.as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (first(each(&listed, "run_id")), first(each(&files["files"], "path")))
    };
    assert_eq!(seen().await, (vec![runs[0].clone()], vec!["West.csv".to_owned()]));
    let change = json!({"sales_team_id": east.id});
    app.call(Method::PUT, &format!("/api/auth/users/{}", wes.user.id)).by(&root).json(&change).send().await.expect(200);
    assert_eq!(seen().await, (vec![runs[1].clone()], vec!["East.csv".to_owned()]));
    assert_eq!(app.get(&format!("/api/loans?run_id={}", runs[0])).by(&wes).send().await.problem(404), "not_found");
    let stored = app.resources.users().get(wes.user.id).await.unwrap().unwrap();
    assert_eq!(stored.tokens_valid_from, 0, "the token is still the same");
}
