//! Every reachable state of the model, and what must hold in each.

use std::collections::{BTreeMap, HashMap, VecDeque};

use stores::runs::MAX_ATTEMPTS;

use super::{Model, Op, State, Status, Stored, Worker};

/// A move on the table, reduced to what makes a difference to the table: status, attempts, whether the lease has run out or runs
/// out now, whether there are results, the name of the move, the worker that makes it, and the answer.
type Kind = (Status, u8, Option<i8>, bool, String, Option<Worker>, Option<bool>);

fn kind(from: &State, op: Op, answer: Option<bool>) -> Kind {
    let by = match op {
        Op::Claim(at)
        | Op::Report(at)
        | Op::Complete(at)
        | Op::FailKeeping(at)
        | Op::Fail(at)
        | Op::Release(at)
        | Op::Return(at)
        | Op::GiveUpSeen(at) => Some(from.workers[at]),
        _ => None,
    };
    let name = if by.is_some() { op.name() } else { format!("{op:?}") };
    let Stored { status, attempt, left, results, .. } = from.stored;
    (status, attempt, left.map(i8::signum), results, name, by, answer)
}

/// The shortest path to every kind of move.
pub fn ways(model: Model) -> Vec<Vec<Op>> {
    explore(model).ways.into_values().collect()
}

/// Result of an exploration.
struct Explored {
    states: usize,
    moves: usize,
    /// A broken invariant, with the shortest path to it.
    broken: Option<(&'static str, Vec<Op>)>,
    /// Number of states from which the run cannot come to an end.
    stuck: usize,
    ways: BTreeMap<Kind, Vec<Op>>,
}

/// The first broken invariant of a stored state, if any.
fn wrong(of: &Stored) -> Option<&'static str> {
    let checks = [
        ("a run is tried no more often than it may be", u32::from(of.attempt) <= MAX_ATTEMPTS),
        ("a lease is there while the run is running, and only then", (of.status == Status::Running) == of.left.is_some()),
        ("so is its owner", of.owner.is_some() == of.left.is_some()),
        ("who has the run claimed it last", of.owner.is_none_or(|owner| owner == of.claims)),
        ("a run that waits was never tried", of.status != Status::Pending || of.attempt == 0),
        ("results show when the run has ended, and not before", !of.results || of.status.is_final()),
        ("a completed run has results", of.status != Status::Completed || of.results),
    ];
    checks.into_iter().find(|(_, holds)| !holds).map(|(name, _)| name)
}

/// The first broken invariant of a move, if any.
fn wrong_move(from: &State, op: Op, to: &State, answer: Option<bool>) -> Option<&'static str> {
    let (old, new) = (&from.stored, &to.stored);
    let lease = |worker: usize| match from.workers[worker] {
        Worker::Has { lease, .. } => lease,
        _ => 0,
    };
    let by = match op {
        Op::Report(worker)
        | Op::Complete(worker)
        | Op::FailKeeping(worker)
        | Op::Fail(worker)
        | Op::Release(worker)
        | Op::Return(worker) => Some(lease(worker)),
        _ => None,
    };
    let others = matches!(op, Op::GiveUp(None) | Op::GiveUpSeen(_) | Op::Claim(_)) && answer == Some(true);
    let checks = [
        ("what has ended does not change any more", !old.status.is_final() || old == new),
        ("a run moves on from pending to running to its end", old.status <= new.status),
        ("what was refused changes nothing", answer != Some(false) || old == new),
        ("who has lost the run does nothing to it", by.is_none_or(|lease| answer != Some(true) || lease == old.claims)),
        ("a run that a worker keeps is neither claimed nor given up", !others || old.is_free()),
        (
            "a try is counted when the run is claimed, and is none when it is returned",
            (new.attempt != old.attempt) == (matches!(op, Op::Claim(_) | Op::Return(_)) && answer == Some(true)),
        ),
    ];
    checks.into_iter().find(|(_, holds)| !holds).map(|(name, _)| name)
}

/// Sorts the workers, because it makes no difference which worker is which.
pub fn sorted(mut state: State) -> State {
    state.workers.sort_unstable();
    state
}

fn explore(model: Model) -> Explored {
    let mut known: HashMap<State, usize> = HashMap::from([(Model::start(), 0)]);
    let mut came: Vec<(State, Option<(usize, Op)>)> = vec![(Model::start(), None)];
    // For each state, the states from which a move without outside help (`Crash`, `FreeAll`, `GiveUp`) leads to it.
    let mut before: Vec<Vec<u32>> = vec![Vec::new()];
    let (mut moves, mut at, mut ways) = (0, 0, BTreeMap::new());
    let way = |came: &[(State, Option<(usize, Op)>)], mut at: usize, last: Op| {
        let mut way = vec![last];
        while let Some((from, op)) = came[at].1 {
            way.push(op);
            at = from;
        }
        way.reverse();
        way
    };
    while at < came.len() {
        let state = came[at].0;
        for op in model.ops(&state) {
            let (next, answer) = model.next(&state, op);
            moves += 1;
            if answer.is_some() {
                ways.entry(kind(&state, op, answer)).or_insert_with(|| way(&came, at, op));
            }
            if let Some(broken) = wrong_move(&state, op, &next, answer).or(wrong(&next.stored)) {
                return Explored { states: came.len(), moves, broken: Some((broken, way(&came, at, op))), stuck: 0, ways };
            }
            let next = sorted(next);
            let place = *known.entry(next).or_insert_with(|| {
                came.push((next, Some((at, op))));
                before.push(Vec::new());
                came.len() - 1
            });
            if !matches!(op, Op::Crash(_) | Op::FreeAll | Op::GiveUp(_)) {
                before[place].push(u32::try_from(at).unwrap());
            }
        }
        at += 1;
    }
    // Search backwards from the ended states, only along the workers' own moves and time, without outside help.
    let mut ends = vec![false; came.len()];
    let mut queue: VecDeque<usize> = (0..came.len()).filter(|at| came[*at].0.stored.status.is_final()).collect();
    for at in &queue {
        ends[*at] = true;
    }
    while let Some(at) = queue.pop_front() {
        for from in before[at].iter().map(|from| *from as usize) {
            if !ends[from] {
                ends[from] = true;
                queue.push_back(from);
            }
        }
    }
    Explored { states: came.len(), moves, broken: None, stuck: ends.iter().filter(|ends| !**ends).count(), ways }
}

#[test]
fn nothing_that_can_happen_breaks_a_run() {
    // The duration of a lease affects only the number of states.
    let explored = explore(Model { lasts: (1, 3), ..Model::REAL });
    assert_eq!(explored.broken, None);
    assert!(explored.states > 14_000 && explored.moves > 200_000, "{} {}", explored.states, explored.moves);
    assert_eq!(explored.stuck, 0, "states from which a run cannot come to an end");
}

#[test]
fn a_claim_has_to_count_the_tries_itself() {
    // A worker that looked long ago would claim the run once more than its attempts allow.
    let (broken, way) = explore(Model { claims_count: false, lasts: (1, 3), ..Model::REAL }).broken.unwrap();
    assert_eq!(broken, "a run is tried no more often than it may be");
    assert!(way.iter().filter(|op| matches!(op, Op::Claim(_))).count() == 4, "{way:?}");
}

#[test]
fn a_worker_has_to_be_the_owner_and_not_only_to_find_the_run_running() {
    let (broken, _) = explore(Model { owners_count: false, lasts: (1, 3), ..Model::REAL }).broken.unwrap();
    assert_eq!(broken, "who has lost the run does nothing to it");
}
