//! Tapes, built loan by loan, and runs of them.

use std::collections::BTreeSet;

use axum::http::HeaderName;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::auth::permission::Role;
use stores::runs::Lease;
use uuid::Uuid;

use crate::support::runs::{GOOD_CELLS, HEADER};

use super::{Answer, Person, TestApp, document};

/// A tape with the canonical columns.
#[derive(Debug, Clone)]
pub struct Tape(String);

impl Tape {
    /// A tape without loans.
    pub fn new() -> Self {
        Self(format!("{HEADER}\n"))
    }

    /// A tape of `count` loans to purchase, numbered from `L-00000` on.
    pub fn of_good(count: usize) -> Self {
        (0..count).fold(Self::new(), |tape, at| tape.good(&format!("L-{at:05}")))
    }

    /// Adds a loan to purchase.
    pub fn good(self, number: &str) -> Self {
        self.with(number, &[])
    }

    /// Adds a loan that equals a loan to purchase, except for the cells in `other`.
    pub fn with(mut self, number: &str, other: &[(&str, &str)]) -> Self {
        let good = HEADER.split(',').zip(format!("{number},{GOOD_CELLS}").split(',').map(str::to_owned).collect::<Vec<_>>());
        let cell =
            |(name, cell): (&str, String)| other.iter().find(|(of, _)| *of == name).map_or(cell, |(_, cell)| (*cell).to_owned());
        self.0 += &(good.map(cell).collect::<Vec<_>>().join(",") + "\n");
        self
    }

    pub fn text(&self) -> &str {
        &self.0
    }
}

impl TestApp {
    /// Stores a tape in the folder that the person's runs read. Returns its path.
    pub async fn put_tape(&self, person: &Person, tape: &Tape) -> String {
        let path = format!("{}.csv", Uuid::new_v4());
        let root = match (person.user.role, person.user.sales_team_id) {
            (Role::SalesTeam, Some(team)) => format!("inputs/teams/{team}"),
            _ => "inputs".to_owned(),
        };
        self.put(&format!("{root}/{path}"), tape.text().to_owned()).await;
        path
    }

    /// Requests a run.
    pub async fn start(&self, person: &Person, wanted: &Value) -> Answer {
        self.post("/api/pipeline/run").by(person).json(wanted).send().await
    }

    /// Starts a run of a tape and leaves it pending. Returns its id.
    pub async fn pending(&self, person: &Person, tape: &Tape) -> String {
        let path = self.put_tape(person, tape).await;
        let run = self.start(person, &json!({"files": [path]})).await.expect(202);
        // Runs are ordered by their creation time, so the next one starts at a later time.
        self.clock.advance(SignedDuration::from_millis(1));
        run["run_id"].as_str().unwrap().to_owned()
    }

    /// Starts and executes a run of a tape. Returns its id.
    pub async fn ended(&self, person: &Person, tape: &Tape) -> String {
        let id = self.pending(person, tape).await;
        self.work().await;
        id
    }

    /// The JSON at a path, for a person who may read it.
    pub async fn read(&self, person: &Person, path: &str) -> Value {
        self.get(path).by(person).send().await.expect(200)
    }
}

impl Answer {
    /// The link to the next page, if there is one.
    pub fn next(&self) -> Option<String> {
        let link = self.header("link").split(", ").find(|link| link.ends_with("rel=\"next\""))?;
        Some(link[1..link.find('>').unwrap()].to_owned())
    }

    /// The total number of items, if the answer gives it.
    pub fn total(&self) -> Option<u64> {
        let name = HeaderName::from_static("x-total-count");
        self.headers.get(name).map(|total| total.to_str().unwrap().parse().unwrap())
    }
}

/// One member of each object in an array.
pub fn each<'v>(objects: &'v Value, member: &str) -> Vec<&'v Value> {
    objects.as_array().unwrap().iter().map(|object| &object[member]).collect()
}

/// The names of an object's members.
pub fn members(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

/// The member names that the OpenAPI document lists for a schema.
pub fn documented(schema: &str) -> BTreeSet<String> {
    members(&document()["components"]["schemas"][schema]["properties"])
}

/// Runs of every status, some of a team and some of no team.
pub struct ManyRuns {
    /// A user who sees all runs.
    pub analyst: Person,
    /// A member of the team.
    pub member: Person,
    /// The ids, oldest first. Those at even places belong to the team; 0 to 4 are completed, 5 and 6 have failed, 7 is running, 8
    /// and 9 are pending.
    pub ids: Vec<String>,
}

impl TestApp {
    /// Creates the ten runs of [`ManyRuns`].
    pub async fn many_runs(&self) -> ManyRuns {
        let team = self.team("West").await;
        let analyst = self.person("ana", Role::Analyst, None).await;
        let member = self.person("wes", Role::SalesTeam, Some(team.id)).await;
        let failing = Tape::new().good("G").with("F", &[("credit_score", "500"), ("appraisal_value", "")]);
        let mut ids = Vec::new();
        for at in 0..10 {
            let person = if at % 2 == 0 { &member } else { &analyst };
            ids.push(match at {
                0..5 => self.ended(person, &failing).await,
                5 | 6 => self.ended(person, &Tape::new()).await,
                _ => self.pending(person, &failing).await,
            });
        }
        self.claim(ids[7].parse().unwrap()).await;
        ManyRuns { analyst, member, ids }
    }

    /// Claims a run like a worker that never renews its lease.
    pub async fn claim(&self, id: Uuid) -> Lease {
        let mut run = self.worker.runs.request(id).await.unwrap().unwrap().run();
        let now = self.resources.clock.now();
        run.start(now).unwrap();
        let lease = Lease::of_one(id, Uuid::new_v4());
        assert!(self.worker.runs.claim(&lease, &run, now).await.unwrap().is_some(), "the run is free");
        lease
    }

    /// A run of 100 loans, in this order: 70 are bought, 20 rejected, and 10 held because of their price. It has 30 exceptions:
    /// each rejected loan fails its score, and every second of them has no appraisal.
    pub async fn populated_run(&self, person: &Person) -> String {
        self.put("inputs/prices.toml", "name = \"prices\"\nversion = \"1\"\n[projection]\nminimum_price = 90\n").await;
        let mut tape = Tape::of_good(70);
        for at in 70..90 {
            let appraisal = if at % 2 == 0 { "" } else { "312500" };
            tape = tape.with(&format!("L-{at:05}"), &[("credit_score", "500"), ("appraisal_value", appraisal)]);
        }
        tape = (90..100).fold(tape, |tape, at| tape.with(&format!("L-{at:05}"), &[("note_rate", "3")]));
        let wanted = json!({"files": [self.put_tape(person, &tape).await], "rule_set": "prices.toml"});
        let run = self.start(person, &wanted).await.expect(202);
        self.clock.advance(SignedDuration::from_millis(1));
        self.work().await;
        run["run_id"].as_str().unwrap().to_owned()
    }
}
