//! Arbitrary `Authorization` headers, and arbitrary tokens with a signature: a token is accepted only if the application signed
//! it, for an active user, and for the current time.

use std::{cell::RefCell, str};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Request, header};
use jiff::Timestamp;
use ring::hmac;
use serde_json::Value;
use shared::auth::{
    permission::Role,
    secret::Secret,
    token::{Claims, Tokens},
};
use tokio::runtime::{Builder, Runtime};

use crate::support::app::{Person, SECRET, TestApp};

thread_local! {
    static DESK: RefCell<Option<TestShell>> = const { RefCell::new(None) };
}

/// An application with an active user and an inactive one.
struct TestShell {
    runtime: Runtime,
    app: TestApp,
    ana: Person,
    ian: Person,
}

/// Asserts what holds for every header. The first byte of an input says what it is:
///
/// * `S`: a token's header, a line break, and claims, signed with the secret of the application;
/// * `F`: the same, signed with another secret;
/// * `A`: changes to a good token, each a place and the byte to put there;
/// * anything else: the header as it is.
///
/// `{now}`, `{ana}`, `{ian}` and `{token}` stand for the current second, the ids of the users and a good token.
pub fn check(input: &[u8]) {
    DESK.with_borrow_mut(|kept| kept.get_or_insert_with(TestShell::new).take(input));
}

impl TestShell {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (app, ana, ian) = runtime.block_on(async {
            let app = TestApp::new().await;
            let ana = app.person("ana", Role::Analyst, None).await;
            let ian = app.person("ian", Role::Admin, None).await;
            let mut gone = ian.user.clone();
            gone.is_active = false;
            app.resources.users().replace(&ian.user, &gone).await.unwrap();
            (app, ana, ian)
        });
        Self { runtime, app, ana, ian }
    }

    fn take(&self, input: &[u8]) {
        let (kind, rest) = input.split_first().unwrap_or((&b' ', &[]));
        let value = match kind {
            b'S' => self.signed(rest, SECRET),
            b'F' => self.signed(rest, "another secret of at least 32 bytes"),
            b'A' => format!("Bearer {}", self.altered(rest)).into_bytes(),
            _ => self.fill_in(input),
        };
        let Ok(value) = HeaderValue::from_bytes(&value) else { return };
        let request = Request::get("/api/auth/me").header(header::AUTHORIZATION, &value).body(axum::body::Body::empty());
        let answer = self.runtime.block_on(self.app.answer(request.unwrap()));
        match answer.status.as_u16() {
            200 => {
                assert_eq!(answer.json()["id"], self.ana.user.id.to_string());
                assert!(self.is_good(&value), "{value:?} is taken");
            }
            401 => assert_eq!(answer.problem(401), "unauthenticated"),
            other => panic!("{value:?}: {other} {}", answer.text()),
        }
        let token = value.to_str().unwrap_or_default().trim_start_matches("Bearer ");
        let checked = Tokens::new(&Secret::new(SECRET), 480).check(token, self.now());
        assert!(checked.is_err() || verified(token).is_some(), "{token} is taken");
    }

    fn now(&self) -> Timestamp {
        self.app.resources.clock.now()
    }

    fn fill_in(&self, text: &[u8]) -> Vec<u8> {
        let Ok(text) = str::from_utf8(text) else { return text.to_vec() };
        let ids = [("{ana}", self.ana.user.id), ("{ian}", self.ian.user.id)];
        let text = ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, &id.to_string()));
        text.replace("{now}", &self.now().as_second().to_string()).replace("{token}", &self.ana.token).into_bytes()
    }

    fn signed(&self, text: &[u8], secret: &str) -> Vec<u8> {
        let text = self.fill_in(text);
        let (head, claims) = text.split_at(text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len()));
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let message = format!("{}.{}", part(head), part(claims.get(1..).unwrap_or_default()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
        format!("Bearer {message}.{}", part(tag.as_ref())).into_bytes()
    }

    fn altered(&self, changes: &[u8]) -> String {
        let mut token = self.ana.token.clone().into_bytes();
        for change in changes.chunks_exact(3) {
            let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % token.len();
            token[at] = change[2];
        }
        String::from_utf8_lossy(&token).into_owned()
    }

    /// Whether a header may give access, by a reader of tokens that does not use the application's own.
    fn is_good(&self, value: &HeaderValue) -> bool {
        let Some((scheme, token)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else { return false };
        let now = self.now().as_second();
        let said = verified(token.trim());
        scheme.eq_ignore_ascii_case("bearer")
            && said.is_some_and(|said| {
                let second = |name: &str| said[name].as_i64();
                said["sub"].as_str().is_some_and(|sub| sub.eq_ignore_ascii_case(&self.ana.user.id.to_string()))
                    && said["iss"] == "loan-engine"
                    && second("exp").is_some_and(|exp| exp > now && second("iat").is_some_and(|iat| iat < exp && iat <= now + 30))
                    && serde_json::from_value::<Claims>(said).is_ok()
            })
    }
}

/// The claims of a token that the application signed, with the only algorithm that it uses, in the only valid encoding.
fn verified(token: &str) -> Option<Value> {
    let (message, tag) = token.rsplit_once('.')?;
    let (head, claims) = message.split_once('.')?;
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| URL_SAFE_NO_PAD.encode(bytes) == text);
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::verify(&key, message.as_bytes(), &part(tag)?).ok()?;
    let head: Value = serde_json::from_slice(&part(head)?).ok()?;
    (head["alg"] == "HS256").then(|| serde_json::from_slice(&part(claims)?).ok()).flatten()
}
