//! Everything that the API serves about a run, to check that it does not change and that it equals an undisturbed run of its
//! tape.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use super::client::Client;

/// The number of loans or exceptions in one request.
const PAGE: usize = 1000;
const OUTPUTS: [&str; 4] = ["purchase_tape", "projected_tape", "rejection_report", "exception_summary"];

/// Answers about a run, each with its path.
pub struct Served(pub Vec<(String, Vec<u8>)>);

impl Served {
    /// Fetches everything about a completed run, with or without each of its loans and exceptions.
    pub fn of(client: &Client, id: &str, loans: bool) -> Self {
        let mut served = Self(Vec::new());
        let mut get = |path: String| {
            let body = client.get(&path);
            served.0.push((path, body.clone()));
            body
        };
        let run: Value = serde_json::from_slice(&get(format!("/api/runs/{id}"))).unwrap();
        get(format!("/api/summary/{id}"));
        get(format!("/api/runs/{id}/notebook-outputs"));
        for output in OUTPUTS {
            get(format!("/api/runs/{id}/notebook-outputs/{output}/download"));
        }
        let archive: Value = serde_json::from_slice(&get(format!("/api/runs/{id}/archive"))).unwrap();
        let files = [&archive["input"], &archive["output"]].into_iter().flat_map(|list| list.as_array().unwrap());
        for file in files.chain([&archive["manifest"]]) {
            get(format!("/api/runs/{id}/archive/download?path={}", file["path"].as_str().unwrap()));
        }
        let lists = [("loans", "total_loans"), ("exceptions", "exceptions_count")];
        for (list, count) in lists.into_iter().filter(|_| loans) {
            let count = run[count].as_u64().unwrap() as usize;
            // The range includes the count itself: a page that starts there has to be empty.
            for skip in (0..=count).step_by(PAGE) {
                let page: Vec<Value> =
                    serde_json::from_slice(&get(format!("/api/{list}?run_id={id}&limit={PAGE}&skip={skip}"))).unwrap();
                assert_eq!(page.len(), PAGE.min(count - skip), "{list} of {id} from {skip} on");
            }
        }
        served
    }

    /// Two hashes of the answers: without the loans and exceptions, and with them.
    pub fn hashes(&self) -> [u64; 2] {
        let hash = |answers: &[(String, Vec<u8>)]| {
            let mut hasher = DefaultHasher::new();
            answers.hash(&mut hasher);
            hasher.finish()
        };
        let files = self.0.iter().take_while(|(path, _)| !path.contains("?run_id=")).count();
        [hash(&self.0[..files]), hash(&self.0)]
    }

    /// The part that has to be equal for all runs of a tape: without ids, times, and the name of the tape.
    pub fn alike(&self) -> Self {
        let mut run: Value = serde_json::from_slice(&self.0[0].1).unwrap();
        let mut replaced = vec![(run["column_mapping"][0]["source_file"].as_str().unwrap().to_owned(), "TAPE")];
        for (name, word) in [("run_id", "RUN"), ("created_at", "CREATED"), ("pdate", "PDATE")] {
            replaced.push((run[name].as_str().unwrap().to_owned(), word));
        }
        let of_its_own = [
            "created_by",
            "created_by_username",
            "tapes",
            "created_at",
            "started_at",
            "completed_at",
            "run_weekday",
            "run_weekday_name",
        ];
        for name in of_its_own {
            run.as_object_mut().unwrap().remove(name);
        }
        // The stored data contains the name of the tape, and some tapes have names of their own.
        let named = replaced[0].0.starts_with("tape-");
        let answers = self.0.iter().enumerate().map(|(at, (path, body))| {
            let body = match at {
                0 => run.to_string().into_bytes(),
                _ if named && path.ends_with("manifest.json") => {
                    let mut manifest: Value = serde_json::from_slice(body).unwrap();
                    manifest.as_object_mut().unwrap().remove("stored");
                    manifest.to_string().into_bytes()
                }
                _ if path.ends_with("/archive") || path.ends_with("/notebook-outputs") => without_times(body),
                _ => body.clone(),
            };
            let mut answer = (path.clone(), body);
            for (text, word) in &replaced {
                answer.0 = answer.0.replace(text, word);
                answer.1 = replace(&answer.1, text, word);
            }
            answer
        });
        Self(answers.collect())
    }

    /// Asserts that the answers equal the expected ones, and fails at the first one that differs.
    pub fn assert_alike(&self, expected: &Self, id: &str) {
        let (found, expected) = (self.alike(), expected.alike());
        for (found, expected) in found.0.iter().zip(&expected.0) {
            let shown = |answer: &(String, Vec<u8>)| (answer.0.clone(), String::from_utf8_lossy(&answer.1).into_owned());
            assert!(found == expected, "run {id}: {:.2000?} instead of {:.2000?}", shown(found), shown(expected));
        }
        assert_eq!(found.0.len(), expected.0.len(), "run {id}");
    }
}

fn replace(bytes: &[u8], text: &str, word: &str) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(body) => body.replace(text, word).into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

/// A list of files without their modification times.
fn without_times(body: &[u8]) -> Vec<u8> {
    fn forget(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("last_modified");
                members.values_mut().for_each(forget);
            }
            Value::Array(items) => items.iter_mut().for_each(forget),
            _ => {}
        }
    }
    let mut value = serde_json::from_slice(body).unwrap();
    forget(&mut value);
    value.to_string().into_bytes()
}
