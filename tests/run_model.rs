//! How a run is taken, kept, lost and ended, as a model: every state that three workers, crashes, time and the machine that
//! calls steps can bring about is looked at, and long random walks through the model are made on the real table.

mod explore;
mod replay;

use shared::run::RunStatus;
use stores::runs::MAX_ATTEMPTS;

/// How many workers there are.
const WORKERS: usize = 3;

/// What the table has of the run. Whoever has claimed it is known by the number of the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Stored {
    status: Status,
    /// How often it was tried.
    attempt: u8,
    /// How often it was claimed: once more for each time that it was returned untried.
    claims: u8,
    owner: Option<u8>,
    /// For how many minutes more the owner keeps the run; below zero when the lease has run out.
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

/// What a worker believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Worker {
    Idle,
    /// It has seen that the run is free, and is about to claim it: alone, or for several who do it in parts.
    Seen {
        parts: bool,
    },
    /// It has seen that the run was tried often enough, and is about to give it up.
    SeenEnough,
    /// It has claimed the run, and believes to have it.
    Has {
        lease: u8,
        parts: bool,
        last: bool,
    },
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    stored: Stored,
    workers: [Worker; WORKERS],
    /// Which claims were made for a run in parts, as bits: whoever calls the steps keeps their owners, whatever crashes.
    planned: u8,
}

/// Something that happens.
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
    /// The run fails and keeps results.
    FailKeeping(usize),
    Fail(usize),
    Release(usize),
    /// Who claimed the run to do it in parts returns it as if nothing had been.
    Return(usize),
    /// A worker that has seen a run which was tried often enough gives it up.
    GiveUpSeen(usize),
    /// The machine that calls the steps gives the run up, with the owner of its plan or without one.
    GiveUp(Option<u8>),
    Crash(usize),
    /// A process that knows that no worker is alive gives back what they had.
    FreeAll,
    /// Minutes pass.
    Pass(i8),
}

impl Op {
    /// Its name, whoever does it.
    fn name(self) -> String {
        format!("{self:?}").split(['(', ' ']).next().unwrap_or_default().to_owned()
    }
}

/// The rules. The real ones are [`Model::REAL`]; others show that a rule is needed.
#[derive(Debug, Clone, Copy)]
struct Model {
    /// How long a lease of one worker lasts, and one of several, in minutes.
    lasts: (i8, i8),
    /// Whether a claim looks at how often the run was tried, beside whoever looked before.
    claims_count: bool,
    /// Whether a write of a worker looks at whose the run is, beside whether it runs.
    owners_count: bool,
}

impl Model {
    const REAL: Self = Self { lasts: (1, 20), claims_count: true, owners_count: true };

    fn start() -> State {
        State { stored: Stored::NEW, workers: [Worker::Idle; WORKERS], planned: 0 }
    }

    /// Whatever may happen.
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
                    // At its last try a worker fails the run; and of several none gives the run back for all.
                    if !last && !parts {
                        ops.push(Op::Release(at));
                    }
                    // Once is enough to see what comes of it.
                    if parts && state.stored.claims == state.stored.attempt {
                        ops.push(Op::Return(at));
                    }
                }
            }
            ops.push(Op::Crash(at));
        }
        ops
    }

    /// What comes of it, and what the store answers.
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
                // One who has lost the run may not notice: it goes on.
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
