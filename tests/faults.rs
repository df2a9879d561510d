//! One call to a store fails, and all others are answered: every call of everything that the application does, one at a time, in
//! every way in which a call can fail. A recording of the undisturbed work shows which calls there are.
//!
//! After each fault the stores hold the whole effect or no effect, the client gets a true answer, and doing the same again gives
//! what it gives undisturbed.
//!
//! For slow work, every call is tried in a few ways that represent all, because the code does not distinguish why a store fails.
//! `FAULTS=all cargo test -p tests faults::` tries every call in every way, and takes ten minutes.

#![expect(clippy::print_stdout, reason = "a long run prints how many calls and faults it tried")]

mod asking;
mod requests;
mod state;
mod working;

use std::collections::BTreeMap;

use crate::support::app::{Asked, Fault, Outage, Recorded, TestApp, with_retries};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    Table,
    Bucket,
}

impl Store {
    pub const ALL: [Self; 2] = [Self::Table, Self::Bucket];

    pub fn outage(self, app: &TestApp) -> &Outage {
        match self {
            Self::Table => &app.table_outage,
            Self::Bucket => &app.bucket_outage,
        }
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The client does not retry: the call fails.
    AtOnce(Fault),
    /// The first try fails, and the client retries, as on AWS.
    FirstTry(Fault),
    /// Every try fails.
    EveryTry(Fault),
}

impl Way {
    /// Every way in which a call can fail. For a client that retries, a broken store is the same as a busy one.
    pub const ALL: [Self; 13] = [
        Self::AtOnce(Fault::Unreachable),
        Self::AtOnce(Fault::Silent),
        Self::AtOnce(Fault::Throttled),
        Self::AtOnce(Fault::Broken),
        Self::AtOnce(Fault::AnswerLost),
        Self::AtOnce(Fault::CutShort),
        Self::AtOnce(Fault::Contended),
        Self::AtOnce(Fault::BrokenInside),
        Self::FirstTry(Fault::Silent),
        Self::FirstTry(Fault::Throttled),
        Self::FirstTry(Fault::AnswerLost),
        Self::FirstTry(Fault::BrokenInside),
        Self::EveryTry(Fault::AnswerLost),
    ];
    /// The ways that make a difference to work that changes nothing: whether a read took effect does not matter.
    const OF_READS: [Self; 6] = [
        Self::AtOnce(Fault::Unreachable),
        Self::AtOnce(Fault::Silent),
        Self::AtOnce(Fault::Throttled),
        Self::AtOnce(Fault::Broken),
        Self::AtOnce(Fault::CutShort),
        Self::FirstTry(Fault::Throttled),
    ];
    /// A few ways that represent all.
    const FEW: [Self; 5] = [
        Self::AtOnce(Fault::Throttled),
        Self::AtOnce(Fault::AnswerLost),
        Self::AtOnce(Fault::CutShort),
        Self::AtOnce(Fault::BrokenInside),
        Self::FirstTry(Fault::AnswerLost),
    ];

    /// The ways for slow work.
    pub fn few() -> &'static [Self] {
        if all() { &Self::ALL } else { &Self::FEW }
    }

    /// The ways for work that only reads.
    pub fn of_reads() -> &'static [Self] {
        if all() { &Self::ALL } else { &Self::OF_READS }
    }

    pub fn fault(self) -> Fault {
        match self {
            Self::AtOnce(fault) | Self::FirstTry(fault) | Self::EveryTry(fault) => fault,
        }
    }

    /// Whether the store executes the request, and only its answer is lost.
    pub fn takes_effect(self) -> bool {
        matches!(self.fault(), Fault::AnswerLost | Fault::CutShort)
    }

    /// The application restarted on the stores of a test, with the client that this way needs.
    pub fn product(self, app: &TestApp) -> TestApp {
        match self {
            Self::AtOnce(_) => app.started_anew(|_| {}),
            Self::FirstTry(_) | Self::EveryTry(_) => app.started_anew(with_retries),
        }
    }
}

/// Whether every call is tried in every way.
#[expect(clippy::disallowed_methods, reason = "the environment chooses between a short and a full run")]
pub fn all() -> bool {
    std::env::var("FAULTS").is_ok_and(|ways| ways == "all")
}

/// A call that fails, and how.
#[derive(Debug, Clone)]
pub struct Disturbance {
    pub store: Store,
    pub asked: Asked,
    pub way: Way,
}

impl Disturbance {
    /// Each of the calls, in each of the ways that fit it.
    pub fn each(calls: &[(Store, Asked)], ways: &[Way]) -> Vec<Self> {
        let each = |(store, asked): &(Store, Asked)| {
            let fitting = ways.iter().filter(|way| way.fault().fits(asked));
            fitting.map(|way| Self { store: *store, asked: asked.clone(), way: *way }).collect::<Vec<_>>()
        };
        calls.iter().flat_map(each).collect()
    }

    /// Whether a second try cannot tell if the first one took effect. In that case the client gets an error and asks again.
    pub fn nobody_can_know(&self) -> bool {
        self.asked.shape.starts_with("COMPLETE") && self.way.takes_effect()
    }

    pub fn begin(&self, app: &TestApp) {
        Store::ALL.iter().for_each(|store| store.outage(app).record());
        self.store.outage(app).fail_one(&self.asked, self.way.fault(), matches!(self.way, Way::EveryTry(_)));
    }

    /// Ends the fault. Returns the number of tries that failed and whether the stores were changed. Asserts that no multipart
    /// upload is left behind, except for uploads whose id never reached the client.
    pub fn end(&self, app: &TestApp) -> (usize, bool) {
        let ended = Store::ALL.map(|store| store.outage(app).recorded());
        let failed = ended.iter().map(|of| of.failed).sum();
        let untold = if self.way.takes_effect() && self.asked.shape.starts_with("BEGIN") { failed } else { 0 };
        assert_eq!(ended.iter().map(|of| of.unfinished).sum::<isize>(), untold as isize, "uploads without an end: {self:?}");
        (failed, ended.iter().any(|of| of.changed))
    }
}

/// The calls that some work makes.
pub struct Calls {
    pub made: Vec<(Store, Asked)>,
    /// Whether the calls changed the stores.
    pub changed: bool,
}

/// Records the calls that some work makes.
pub async fn calls_of<T>(app: &TestApp, work: impl Future<Output = T>) -> (T, Calls) {
    Store::ALL.iter().for_each(|store| store.outage(app).record());
    let done = work.await;
    let mut calls = Calls { made: Vec::new(), changed: false };
    for store in Store::ALL {
        let Recorded { asked, unfinished, changed, .. } = store.outage(app).recorded();
        assert_eq!(unfinished, 0);
        calls.changed |= changed;
        calls.made.extend(asked.into_iter().map(|asked| (store, asked)));
    }
    (done, calls)
}

/// The counts of what was tried.
#[derive(Debug, Default)]
pub struct Tried {
    /// The number of calls of each operation.
    pub calls: BTreeMap<String, usize>,
    /// The number of tries that a test let fail.
    pub faults: usize,
    /// How often a client got an error because a store did not answer, and how often it noticed nothing.
    pub refused: usize,
    pub unnoticed: usize,
}

impl Tried {
    /// Asserts that no less was tried.
    pub fn at_least(&self, things: usize, calls: usize, least: usize) {
        let all: usize = self.calls.values().sum();
        println!("{} operations, {all} requests, {} failed tries", self.calls.len(), self.faults);
        assert!(self.calls.len() >= things && all >= calls && self.faults >= least, "{self:?}");
    }
}
