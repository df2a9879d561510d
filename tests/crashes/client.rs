//! A client of a server that may be killed at any moment, and what the server has promised.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use super::dice::Dice;
use crate::support::server::{Reply, send, try_send};

/// The password of every registered user.
pub const PASSWORD: &str = "a password of theirs";
/// The number of paths for files that replace each other.
const PLACES: u64 = 12;
/// The tape of all small runs. Incoming tapes have names of the same pattern and length.
pub const SMALL: &str = "tape-0000.csv";

/// A logged-in user. The token outlives the server.
#[derive(Clone)]
pub struct Client {
    pub address: String,
    pub token: String,
}

impl Client {
    /// Sends a request. Returns `None` if the server was killed before it had answered.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Reply> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        try_send(method, &format!("{}{path}", self.address), &headers, body)
    }

    /// A GET of something that must exist. A large file comes from the bucket.
    pub fn get(&self, path: &str) -> Vec<u8> {
        let reply = self.ask("GET", path, &[], b"").unwrap();
        let reply = if reply.status == 307 { send("GET", &reply.headers["location"], &[], b"") } else { reply };
        assert!(reply.status == 200 && reply.is_whole(), "{path}: {} {}", reply.status, reply.text());
        reply.bytes
    }

    /// A GET of JSON.
    pub fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path)).unwrap()
    }

    /// One member of each object in a list.
    pub fn each(&self, path: &str, name: &str) -> Vec<String> {
        let list = self.json(path);
        let list = list.get("files").unwrap_or(&list).as_array().unwrap().clone();
        list.iter().map(|object| object[name].as_str().unwrap().to_owned()).collect()
    }
}

/// The possible states of a file: one of these contents, or absent.
#[derive(Default)]
pub struct MayBe {
    pub contents: Vec<Vec<u8>>,
    pub absent: bool,
}

/// A requested run.
pub struct Wanted {
    pub tape: &'static str,
    /// The id, once the server has returned it.
    pub run_id: Option<String>,
}

/// Everything that was requested, and what was promised.
#[derive(Default)]
pub struct Promises {
    pub files: BTreeMap<String, MayBe>,
    /// Users, and whether the server has confirmed that they exist.
    pub users: BTreeMap<String, bool>,
    pub runs: Vec<Wanted>,
    pub incoming: u64,
}

/// The requests of all clients.
#[derive(Default)]
pub struct Ledger(Mutex<Promises>);

impl Ledger {
    pub fn open(&self) -> MutexGuard<'_, Promises> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uploads a file. Returns whether the server lived long enough to answer.
    pub fn upload(&self, client: &Client, path: &str, content: &[u8]) -> bool {
        {
            let mut promises = self.open();
            let new = !promises.files.contains_key(path);
            let may_be = promises.files.entry(path.to_owned()).or_default();
            may_be.absent |= new;
            may_be.contents.push(content.to_vec());
        }
        let head = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f.csv\"\r\n\r\n";
        let form = [head.as_bytes(), content, b"\r\n--b--\r\n"].concat();
        let headers = [("content-type", "multipart/form-data; boundary=b")];
        let Some(reply) = client.ask("POST", &format!("/api/files/upload?path={path}"), &headers, &form) else { return false };
        assert_eq!(reply.status, 200, "{}", reply.text());
        self.open().files.insert(path.to_owned(), MayBe { contents: vec![content.to_vec()], absent: false });
        true
    }

    /// Starts a run of a tape. Returns its id if the server lived long enough to answer.
    pub fn start(&self, client: &Client, tape: &'static str) -> Option<String> {
        let number = {
            let mut promises = self.open();
            promises.runs.push(Wanted { tape, run_id: None });
            promises.runs.len() - 1
        };
        self.start_again(client, number)
    }

    /// Requests a run, once more if necessary. The idempotency key says that it is the same run.
    pub fn start_again(&self, client: &Client, number: usize) -> Option<String> {
        let (key, tape) = (format!("run-{number}"), self.open().runs[number].tape);
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
        let body = json!({ "files": [tape], "pdate": "2026-03-31" }).to_string();
        let reply = client.ask("POST", "/api/pipeline/run", &headers, body.as_bytes())?;
        assert!([200, 202].contains(&reply.status), "{}", reply.text());
        let run: Value = serde_json::from_slice(&reply.bytes).ok()?;
        let id = run["run_id"].as_str().unwrap().to_owned();
        self.open().runs[number].run_id = Some(id.clone());
        Some(id)
    }

    /// Registers a user. Returns whether the server lived long enough to answer.
    pub fn register(&self, client: &Client, name: &str) -> bool {
        self.open().users.entry(name.to_owned()).or_default();
        let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD }).to_string();
        let headers = [("content-type", "application/json")];
        let Some(reply) = client.ask("POST", "/api/auth/register", &headers, body.as_bytes()) else { return false };
        assert_eq!(reply.status, 201, "{}", reply.text());
        self.open().users.insert(name.to_owned(), true);
        true
    }

    /// Keeps the server busy until it is gone: first with some requests of every kind, then only with reads.
    pub fn be_busy(&self, client: &Client, mut dice: Dice, small: &[u8]) {
        for _ in 0..2 + dice.below(5) {
            let content = vec![b'a' + dice.below(26) as u8; dice.below(300_000) as usize];
            if !self.upload(client, &format!("files/{}.txt", dice.below(PLACES)), &content) {
                return;
            }
        }
        if dice.one_in(2) {
            let number = {
                let mut promises = self.open();
                promises.incoming += 1;
                promises.incoming
            };
            if !self.upload(client, &format!("incoming/tape-{number:04}.csv"), small) {
                return;
            }
        }
        if dice.one_in(2) {
            let name = format!("user_{}", self.open().users.len());
            if !self.register(client, &name) {
                return;
            }
        }
        if dice.one_in(3) && self.start(client, SMALL).is_none() {
            return;
        }
        while client.ask("GET", "/api/runs?limit=20", &[], b"").is_some_and(|reply| !reply.is_whole() || reply.status == 200) {}
    }

    /// Checks the requests that the last server did not answer: each took effect or did not, and never by half.
    pub fn settle(&self, client: &Client) {
        let numbers: Vec<usize> = {
            let promises = self.open();
            (0..promises.runs.len()).filter(|at| promises.runs[*at].run_id.is_none()).collect()
        };
        for number in numbers {
            assert!(self.start_again(client, number).is_some());
        }
        self.settle_users(client, false);
        let unclear = |may_be: &MayBe| may_be.absent || may_be.contents.len() > 1;
        let paths: Vec<String> = {
            let promises = self.open();
            promises.files.iter().filter(|(_, may_be)| unclear(may_be)).map(|(path, _)| path.clone()).collect()
        };
        paths.iter().for_each(|path| self.settle_file(client, path));
    }

    /// Asserts that a file is whole: the content that was promised, or one that was being sent.
    fn settle_file(&self, client: &Client, path: &str) {
        let reply = client.ask("GET", &format!("/api/files/download/{path}"), &[], b"").unwrap();
        let mut promises = self.open();
        let may_be = promises.files.get_mut(path).unwrap();
        if reply.status == 404 {
            assert!(may_be.absent, "{path} is lost");
            promises.files.remove(path);
            return;
        }
        assert!(reply.status == 200 && reply.is_whole(), "{path}: {}", reply.status);
        assert!(may_be.contents.contains(&reply.bytes), "{path} has {} bytes that no client sent", reply.bytes.len());
        *may_be = MayBe { contents: vec![reply.bytes], absent: false };
    }

    /// Asserts that each user exists completely, or not at all and can be registered. With `all`, every user logs in.
    fn settle_users(&self, client: &Client, all: bool) {
        let there = client.each("/api/auth/users?limit=1000", "username");
        let unique: BTreeSet<&String> = there.iter().collect();
        assert_eq!(unique.len(), there.len(), "a user is there twice");
        let users: Vec<(String, bool)> = self.open().users.clone().into_iter().collect();
        for (name, promised) in users {
            if !there.contains(&name) {
                assert!(!promised, "{name} is lost");
                assert!(self.register(client, &name));
            } else if all || !promised {
                let form = format!("username={name}&password={}", PASSWORD.replace(' ', "+"));
                let headers = [("content-type", "application/x-www-form-urlencoded")];
                let reply = send("POST", &format!("{}/api/auth/login", client.address), &headers, form.as_bytes());
                assert_eq!(reply.status, 200, "{name}: {}", reply.text());
                self.open().users.insert(name, true);
            }
        }
        assert_eq!(client.each("/api/auth/users?limit=1000", "username").len(), self.open().users.len() + 1);
    }

    /// Asserts that everything promised exists, and nothing else.
    pub fn check(&self, client: &Client) {
        self.settle(client);
        self.settle_users(client, true);
        let paths: Vec<String> = self.open().files.keys().cloned().collect();
        paths.iter().for_each(|path| self.settle_file(client, path));
        let list = client.json("/api/files/list?recursive=true");
        let files = list["files"].as_array().unwrap().iter().filter(|file| file["type"] == "file");
        let there: Vec<&str> = files.map(|file| file["path"].as_str().unwrap()).collect();
        assert_eq!(there, paths, "the files in `inputs` are others");
    }
}
