//! The model against the real table: the same moves, the same answers, the same states.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::value::RawValue;
use shared::{error::RunError, run::Run};
use stores::{
    runs::{Created, LEASE, LEASE_IN_PARTS, Lease, RunRequest, RunResults},
    start_run::{self, RunOrder},
};
use uuid::Uuid;

use crate::support::app::TestApp;

use super::{
    Model, Op, State, Worker,
    explore::{sorted, ways},
};

/// Number of random walks, and the maximum number of moves of each.
const WALKS: usize = 100;
const MOVES: usize = 40;

/// Pseudo-random numbers, the same in every test run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        // Xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).unwrap()
    }
}

/// A run in the real table that makes the same moves as the model's run.
struct Real<'a> {
    app: &'a TestApp,
    request: RunRequest,
    /// Leases by the number of their claim.
    leases: BTreeMap<u8, Lease>,
}

impl<'a> Real<'a> {
    async fn new(app: &'a TestApp) -> Self {
        let request = start_run::request(Uuid::new_v4(), RunOrder::default(), Vec::new(), app.resources.clock.now());
        let created = app.worker.runs.create(&request.run(), &request, None).await.unwrap();
        assert_eq!(created, Created::Done);
        Self { app, request, leases: BTreeMap::new() }
    }

    /// Ends the run, so that `FreeAll` in a later walk does not free it.
    async fn leave(self) {
        self.app.clock.advance(LEASE_IN_PARTS + SignedDuration::from_mins(1));
        let now = self.app.resources.clock.now();
        self.app.worker.runs.give_up(self.request.run_id, None, now).await.unwrap();
    }

    fn running(&self) -> Run {
        let mut run = self.request.run();
        run.start(self.app.resources.clock.now()).unwrap();
        run
    }

    /// Makes a move and returns the answer of the store.
    async fn make(&mut self, before: &State, op: Op) -> Option<bool> {
        let (runs, now) = (&self.app.worker.runs, self.app.resources.clock.now());
        let id = self.request.run_id;
        let lease = |worker: usize| match before.workers[worker] {
            Worker::Has { lease, .. } => &self.leases[&lease],
            other => panic!("{other:?}"),
        };
        let results = || RunResults {
            summary: RawValue::from_string("{}".to_owned()).unwrap(),
            outputs: Vec::new(),
            facts: None,
            exceptions: None,
            index: None,
            column_mapping: None,
            findings: None,
            history: None,
        };
        Some(match op {
            Op::Claim(worker) => {
                let Worker::Seen { parts } = before.workers[worker] else { panic!() };
                let owner = Uuid::new_v4();
                let lease = if parts { Lease::in_parts(id, owner) } else { Lease::of_one(id, owner) };
                let attempt = runs.claim(&lease, &self.running(), now).await.unwrap();
                if let Some(attempt) = attempt {
                    assert_eq!(attempt, u32::from(before.stored.attempt) + 1);
                    self.leases.insert(before.stored.claims + 1, lease);
                }
                attempt.is_some()
            }
            Op::Report(worker) => runs.report(lease(worker), None, now).await.unwrap(),
            Op::Complete(worker) => {
                let mut run = self.running();
                run.complete(now).unwrap();
                runs.complete(lease(worker), &run, &results()).await.unwrap()
            }
            Op::FailKeeping(worker) | Op::Fail(worker) => {
                let mut run = self.running();
                run.fail(RunError::worker_lost(), now).unwrap();
                match op {
                    Op::FailKeeping(_) => runs.complete(lease(worker), &run, &results()).await.unwrap(),
                    _ => runs.end(lease(worker), &run).await.unwrap(),
                }
            }
            Op::Release(worker) => runs.release(lease(worker)).await.unwrap(),
            Op::Return(worker) => runs.return_untried(lease(worker)).await.unwrap(),
            Op::GiveUpSeen(_) | Op::GiveUp(None) => runs.give_up(id, None, now).await.unwrap(),
            Op::GiveUp(Some(lease)) => {
                let owner = self.leases[&lease].owner;
                runs.give_up(id, Some(owner), now).await.unwrap()
            }
            Op::FreeAll => runs.free_all().await.unwrap() > 0,
            Op::Pass(minutes) => {
                self.app.clock.advance(SignedDuration::from_mins(minutes.into()));
                return None;
            }
            Op::Look { .. } | Op::Join { .. } | Op::Crash(_) => return None,
        })
    }

    /// Asserts that the table has the state of the model.
    async fn assert_is(&self, state: &State, way: &[Op]) {
        let (runs, now, id) = (&self.app.worker.runs, self.app.resources.clock.now(), self.request.run_id);
        let stored = runs.get(id).await.unwrap().unwrap();
        let left = stored.lease_until.map(|until| until.duration_since(now).as_mins().max(-1));
        // A released lease ended in 1970. A lease that has run out ended at least a minute ago. Both count as -1.
        let real = (stored.status, u8::try_from(stored.attempt).unwrap(), left, stored.is_claimable(now));
        let model = &state.stored;
        let expected = (model.status.real(), model.attempt, model.left.map(i64::from), model.is_free());
        assert_eq!(real, expected, "{way:?}");
        assert_eq!(runs.results(id).await.unwrap().is_some(), model.results, "{way:?}");
    }
}

#[test]
fn the_model_counts_in_the_minutes_of_the_real_leases() {
    let minutes = |of: i8| SignedDuration::from_mins(of.into());
    assert_eq!((minutes(Model::REAL.lasts.0), minutes(Model::REAL.lasts.1)), (LEASE, LEASE_IN_PARTS));
}

/// Makes a move in the model and on the table, and asserts that both answer alike. Returns the model's next state and the answer.
async fn step(real: &mut Real<'_>, state: &State, op: Op, way: &[Op]) -> (State, Option<bool>) {
    let answer = real.make(state, op).await;
    let (next, expected) = Model::REAL.next(state, op);
    assert_eq!(answer, expected, "{op:?} after {way:?}");
    (sorted(next), answer)
}

#[tokio::test]
async fn every_kind_of_move_gives_on_the_table_what_it_gives_in_the_model() {
    let app = TestApp::new().await;
    let (ways, mut moves) = (ways(Model::REAL), 0);
    for way in &ways {
        let (mut state, mut real) = (Model::start(), Real::new(&app).await);
        for (at, op) in way.iter().enumerate() {
            state = step(&mut real, &state, *op, &way[..at]).await.0;
        }
        real.assert_is(&state, way).await;
        moves += way.len();
        real.leave().await;
    }
    assert!(ways.len() > 500 && moves > 4_000, "{} {moves}", ways.len());
}

#[tokio::test]
async fn on_random_walks_the_table_stands_as_the_model_does_after_every_move() {
    let app = TestApp::new().await;
    let mut dice = Dice(0x5EED_0F1A_B1E5_0001);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut moves = 0;
    for _ in 0..WALKS {
        let (mut state, mut real, mut way) = (Model::start(), Real::new(&app).await, Vec::new());
        // After its end, the run gets a few more moves, which must have no effect.
        let mut after = 0;
        while way.len() < MOVES && after < 6 {
            let ops = Model::REAL.ops(&state);
            let op = ops[dice.below(ops.len())];
            // Most possible moves would end the run or leave it waiting, so skip three of four of them.
            let dull =
                matches!(op, Op::GiveUp(_) | Op::Complete(_) | Op::FailKeeping(_) | Op::Fail(_) | Op::FreeAll | Op::Crash(_));
            if dull && dice.below(4) > 0 {
                continue;
            }
            let (next, answer) = step(&mut real, &state, op, &way).await;
            way.push(op);
            real.assert_is(&next, &way).await;
            *seen.entry(format!("{} {answer:?}", op.name())).or_default() += 1;
            after += usize::from(next.stored.status.is_final());
            state = next;
            moves += 1;
        }
        real.leave().await;
    }
    assert!(moves > 1_500 && seen.len() > 15, "{moves} {seen:?}");
}
