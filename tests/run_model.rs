//! A model of how workers claim, keep, lose and end a run. The tests check every state that three workers, crashes, time and the
//! state machine that calls the steps can bring about, and repeat long random walks through the model on the real table.

mod explore;
mod replay;

use shared::run::RunStatus;
use stores::runs::MAX_ATTEMPTS;

const WORKERS: usize = 3;

/// What the table stores of the run. The number of its claim identifies an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Stored {
    status: Status,
    /// Number of attempts so far.
    attempt: u8,
    /// Number of claims so far: `attempt`, plus one for each time that a worker returned the run untried.
    claims: u8,
    owner: Option<u8>,
    /// Minutes for which the owner still keeps the run; below zero when the lease has run out.
    left: Option<i8>,
    results: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Status {
    Pending,
    Running,
    Completed,
    Failed,
}

impl Status {
    fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }

    fn real(self) -> RunStatus {
        match self {
            Self::Pending => RunStatus::Pending,
            Self::Running => RunStatus::Running,
            Self::Completed => RunStatus::Completed,
            Self::Failed => RunStatus::Failed,
        }
    }
}

impl Stored {
    const NEW: Self = Self { status: Status::Pending, attempt: 0, claims: 0, owner: None, left: None, results: false };

    fn is_free(self) -> bool {
        self.status == Status::Pending || (self.status == Status::Running && self.left.is_none_or(|left| left < 0))
    }

    fn is_held_by(self, lease: u8) -> bool {
        self.status == Status::Running && self.owner == Some(lease)
    }

    fn ended(self, status: Status, results: bool) -> Self {
        Self { status, owner: None, left: None, results: self.results || results, ..self }
    }
}

/// What a worker believes about the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Worker {
    Idle,
    /// The worker has seen that the run is free and is about to claim it: for itself, or for several workers that execute parts.
    Seen {
        parts: bool,
    },
    /// The worker has seen that the run has no attempt left and is about to give it up.
    SeenEnough,
    /// The worker has claimed the run and believes that it still holds it.
    Has {
        lease: u8,
        parts: bool,
        last: bool,
    },
}

/// A state of the model: the stored run and what every worker believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    stored: Stored,
    workers: [Worker; WORKERS],
    /// The claims that were made for a run in parts, as bits. The state machine that calls the steps keeps their owners, so they
    /// survive every crash of a worker.
    planned: u8,
}

/// A move of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    /// A worker looks at the run.
    Look {
        worker: usize,
        parts: bool,
    },
    Claim(usize),
    /// A worker without a lease is called for a step of a run in parts.
    Join {
        worker: usize,
        lease: u8,
    },
    Report(usize),
    Complete(usize),
    /// The worker fails the run, which keeps its results.
    FailKeeping(usize),
    Fail(usize),
    Release(usize),
    /// The worker that claimed the run for several workers returns it, as if the claim had not been made.
    Return(usize),
    /// A worker that has seen that the run has no attempt left gives it up.
    GiveUpSeen(usize),
    /// The state machine that calls the steps gives the run up, with the owner of its plan or without one.
    GiveUp(Option<u8>),
    Crash(usize),
    /// A process that knows that no worker is alive frees the runs that the workers had.
    FreeAll,
    /// Minutes pass.
    Pass(i8),
}

impl Op {
    /// Name of the move, without the worker that makes it.
    fn name(self) -> String {
        format!("{self:?}").split(['(', ' ']).next().unwrap_or_default().to_owned()
    }
}

/// The rules of the model. [`Model::REAL`] has the real rules; others show that a rule is necessary.
#[derive(Debug, Clone, Copy)]
struct Model {
    /// Duration of a lease of one worker, and of a lease of several workers, in minutes.
    lasts: (i8, i8),
    /// Whether a claim checks the number of attempts itself, in addition to the worker's look before the claim.
    claims_count: bool,
    /// Whether a write of a worker checks the owner of the run, in addition to checking that the run is running.
    owners_count: bool,
}

impl Model {
    const REAL: Self = Self { lasts: (1, 20), claims_count: true, owners_count: true };

    fn start() -> State {
        State { stored: Stored::NEW, workers: [Worker::Idle; WORKERS], planned: 0 }
    }

    /// All moves that are possible in a state.
    fn ops(self, state: &State) -> Vec<Op> {
        let mut ops = vec![Op::Pass(1), Op::Pass(self.lasts.1), Op::GiveUp(None), Op::FreeAll];
        let planned = || (1..8).filter(|lease| state.planned & (1 << lease) != 0);
        ops.extend(planned().map(|lease| Op::GiveUp(Some(lease))));
        for (at, worker) in state.workers.iter().enumerate() {
            match *worker {
                Worker::Idle => {
                    ops.extend([false, true].map(|parts| Op::Look { worker: at, parts }));
                    ops.extend(planned().map(|lease| Op::Join { worker: at, lease }));
                    continue;
                }
                Worker::Seen { .. } => ops.push(Op::Claim(at)),
                Worker::SeenEnough => ops.push(Op::GiveUpSeen(at)),
                Worker::Has { parts, last, .. } => {
                    ops.extend([Op::Report(at), Op::Complete(at), Op::FailKeeping(at), Op::Fail(at)]);
                    // On the last attempt, a worker fails the run instead. Of several workers, none may release the run for all.
                    if !last && !parts {
                        ops.push(Op::Release(at));
                    }
                    // One return is enough to see its effects.
                    if parts && state.stored.claims == state.stored.attempt {
                        ops.push(Op::Return(at));
                    }
                }
            }
            ops.push(Op::Crash(at));
        }
        ops
    }

    /// The next state, and the answer of the store.
    fn next(self, state: &State, op: Op) -> (State, Option<bool>) {
        let mut next = *state;
        let stored = &mut next.stored;
        let maximum = u8::try_from(MAX_ATTEMPTS).unwrap();
        let has = |at: usize| match state.workers[at] {
            Worker::Has { lease, parts, .. } => (lease, parts),
            other => panic!("{other:?} has no lease"),
        };
        let holds = |lease: u8| match self.owners_count {
            true => state.stored.is_held_by(lease),
            false => state.stored.status == Status::Running,
        };
        let lasting = |parts: bool| if parts { self.lasts.1 } else { self.lasts.0 };
        let answer = match op {
            Op::Look { worker, parts } => {
                next.workers[worker] = match stored.attempt {
                    _ if !stored.is_free() => Worker::Idle,
                    enough if enough >= maximum => Worker::SeenEnough,
                    _ => Worker::Seen { parts },
                };
                None
            }
            Op::Claim(worker) => {
                let Worker::Seen { parts } = state.workers[worker] else { panic!("nothing was seen") };
                let taken = stored.is_free() && (!self.claims_count || stored.attempt < maximum);
                next.workers[worker] = Worker::Idle;
                if taken {
                    let (attempt, lease) = (stored.attempt + 1, stored.claims + 1);
                    *stored = Stored {
                        status: Status::Running,
                        attempt,
                        claims: lease,
                        owner: Some(lease),
                        left: Some(lasting(parts)),
                        ..*stored
                    };
                    next.workers[worker] = Worker::Has { lease, parts, last: attempt >= maximum };
                    next.planned |= u8::from(parts) << lease;
                }
                Some(taken)
            }
            Op::Join { worker, lease } => {
                next.workers[worker] = Worker::Has { lease, parts: true, last: false };
                None
            }
            Op::Report(worker) => {
                let (lease, parts) = has(worker);
                if holds(lease) {
                    stored.left = Some(lasting(parts));
                }
                // A worker that has lost the run may not notice, and goes on.
                Some(holds(lease))
            }
            Op::Complete(worker) | Op::FailKeeping(worker) | Op::Fail(worker) => {
                let (lease, _) = has(worker);
                if holds(lease) {
                    *stored = match op {
                        Op::Complete(_) => stored.ended(Status::Completed, true),
                        Op::FailKeeping(_) => stored.ended(Status::Failed, true),
                        _ => stored.ended(Status::Failed, false),
                    };
                }
                next.workers[worker] = Worker::Idle;
                Some(holds(lease))
            }
            Op::Release(worker) | Op::Return(worker) => {
                let (lease, _) = has(worker);
                if holds(lease) {
                    stored.left = Some(-1);
                    stored.attempt -= u8::from(matches!(op, Op::Return(_)));
                }
                next.workers[worker] = Worker::Idle;
                Some(holds(lease))
            }
            Op::GiveUpSeen(_) | Op::GiveUp(_) => {
                let own = matches!(op, Op::GiveUp(Some(lease)) if stored.is_held_by(lease));
                let given_up = stored.is_free() || own;
                if given_up {
                    *stored = stored.ended(Status::Failed, false);
                }
                if let Op::GiveUpSeen(worker) = op {
                    next.workers[worker] = Worker::Idle;
                }
                Some(given_up)
            }
            Op::Crash(worker) => {
                next.workers[worker] = Worker::Idle;
                None
            }
            Op::FreeAll => {
                let freed = stored.status == Status::Running;
                if freed {
                    stored.left = Some(-1);
                }
                next.workers = [Worker::Idle; WORKERS];
                Some(freed)
            }
            Op::Pass(minutes) => {
                stored.left = stored.left.map(|left| left.saturating_sub(minutes).max(-1));
                None
            }
        };
        (next, answer)
    }
}
