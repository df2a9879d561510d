//! The process is killed, as by `kill -9`, in every phase and at any moment, and restarted on its folder. Nothing that it
//! promised is lost, nothing exists twice, and no run hangs. The same holds for a worker whose stores are in another process.
//!
//! A seed determines what happens, except for what the operating system does in between. The command
//! `CRASH_KILLS=220 cargo test -p tests crashes -- --nocapture` kills 220 times instead of the few times of an ordinary test run,
//! and prints what was hit.

#![cfg(test)]
#![expect(clippy::print_stdout, reason = "a long run prints which phases the kills hit")]

mod client;
mod command;
mod dice;
mod found;
#[cfg(target_os = "linux")]
mod moment;
mod served;
#[cfg(target_os = "linux")]
mod worker;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Stdio,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use shared::error::Phase;
use stores::runs::MAX_ATTEMPTS;
use tempfile::TempDir;
use uuid::Uuid;

pub use self::{client::PASSWORD as CLIENTS_PASSWORD, command::RESULTS};
use crate::support::{
    server::{ADMIN_PASSWORD, Server, command},
    shell::{HEADER, good},
};

use self::{
    client::{Client, Ledger, SMALL},
    dice::Dice,
    served::Served,
};

const SEED: u64 = 20_261_125;
/// The minimum number of kills in an ordinary test run.
const KILLS: u64 = 14;
const PHASES: [Phase; 7] =
    [Phase::Ingest, Phase::Validate, Phase::Eligibility, Phase::Pricing, Phase::Disposition, Phase::Output, Phase::Archive];
/// A tape of several blocks. Its run takes long enough to be killed anywhere.
const LONG: &str = "long.csv";
/// From this number of kills on, each phase has to be hit. Fewer kills are too few to catch a thread in the short phases. With
/// fewer kills the first five phases count as one, because a block of loans goes through them without storing anything.
const MANY: u64 = 100;
/// The limit for each wait. It is long because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the test tries to catch a process in a phase.
const HUNT: Duration = Duration::from_secs(4);

/// The number of kills: `CRASH_KILLS`, or [`KILLS`] if it is not set.
#[expect(clippy::disallowed_methods, reason = "the environment sets the number of kills")]
fn kills() -> u64 {
    std::env::var("CRASH_KILLS").map_or(KILLS, |kills| kills.parse().unwrap())
}

/// A tape whose loans go through all phases, because each loan has a value that a rule examines.
fn tape(loans: usize) -> Vec<u8> {
    let loan = |at: usize| {
        let row = good(&format!("{at:06}"));
        match at % 4 {
            0 => row.replace(",80,", ",97.01,"),
            1 => row.replace(",315000,", ",,"),
            2 => row.replace(",8.85,", ",16,"),
            _ => row.replace(",312500,", ",,"),
        }
    };
    (HEADER.to_owned() + &(0..loans).map(loan).collect::<String>()).into_bytes()
}

/// What a manifest says about the files of its run, including their hashes. Everything else in a manifest differs between runs.
fn of_its_files(manifest: &[u8]) -> Vec<u8> {
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    [&manifest["inputs"], &manifest["outputs"], &manifest["stored"]].map(Value::to_string).concat().into()
}

/// The target of a kill.
#[derive(Debug, Clone, Copy)]
enum Aim {
    /// The start of the process.
    Start,
    /// Any moment after the start.
    Moment,
    /// A moment at which the process is in a phase.
    Phase(Phase),
}

/// A folder, the processes that served from it one after the other, and what the test knows about it.
struct Story {
    folder: TempDir,
    token: String,
    ledger: Arc<Ledger>,
    dice: Dice,
    #[cfg(target_os = "linux")]
    functions: Option<moment::Functions>,
    /// The answers about an undisturbed run of each tape.
    expected: BTreeMap<&'static str, Served>,
    /// The completed runs, with hashes of the answers about them at that time.
    committed: BTreeMap<String, [u64; 2]>,
    /// The number of kills during the execution of each run.
    interrupted: BTreeMap<Uuid, u32>,
    hits: BTreeMap<Phase, u64>,
    begun: Instant,
    kills: u64,
    at_start: u64,
    idle: u64,
}

impl Story {
    /// Uploads the tapes and runs each of them undisturbed.
    fn begin(tapes: &[(&'static str, usize)]) -> Self {
        let (folder, server) = Server::new();
        let token = server.admin().token().to_owned();
        let mut story = Self {
            folder,
            token,
            ledger: Arc::default(),
            dice: Dice(SEED),
            #[cfg(target_os = "linux")]
            functions: moment::Functions::of(Path::new(env!("CARGO_BIN_EXE_loan-engine-under-test"))),
            expected: BTreeMap::new(),
            committed: BTreeMap::new(),
            interrupted: BTreeMap::new(),
            hits: BTreeMap::new(),
            begun: Instant::now(),
            kills: 0,
            at_start: 0,
            idle: 0,
        };
        let client = story.client(&server);
        for (name, loans) in tapes {
            assert!(story.ledger.upload(&client, name, &tape(*loans)));
            let id = story.ledger.start(&client, name).unwrap();
            wait_until_quiet(&client);
            story.expected.insert(name, Served::of(&client, &id, true));
        }
        assert_eq!(server.process.stop().0, Some(0));
        story
    }

    fn client(&self, server: &Server) -> Client {
        Client { address: server.address.clone(), token: self.token.clone() }
    }

    fn start(&self) -> Server {
        Server::start(self.folder.path(), &[("LOAN_ENGINE_ADMIN_PASSWORD", ADMIN_PASSWORD)])
    }

    /// The target of the next kill: every other time the phase that was hit least.
    fn aim(&mut self) -> Aim {
        let hits = |phase: &Phase| self.hits.get(phase).copied().unwrap_or_default();
        let least = if kills() < MANY {
            let judging = |phase: &Phase| PHASES[..5].contains(phase);
            let all = |phase: &Phase| if judging(phase) { PHASES[..5].iter().map(hits).sum() } else { hits(phase) };
            PHASES[4..].iter().copied().min_by_key(all)
        } else {
            PHASES.into_iter().min_by_key(hits)
        };
        match least {
            Some(phase) if self.kills.is_multiple_of(2) => Aim::Phase(phase),
            _ if self.dice.one_in(3) => Aim::Start,
            _ => Aim::Moment,
        }
    }

    /// One life of the process, up to its kill.
    async fn live_and_die(&mut self, quiet: bool) {
        let aim = self.aim();
        if matches!(aim, Aim::Start) && !quiet {
            let args = ["serve", "--port", "0", "--data-dir", "data"];
            let mut child = command(self.folder.path(), &args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            thread::sleep(self.dice.micros(400_000));
            child.kill().unwrap();
            child.wait().unwrap();
            self.at_start += 1;
            return self.note(aim, &BTreeSet::new()).await;
        }
        let server = self.start();
        let client = self.client(&server);
        // About every other time the kill comes before the effects of the last kill are checked.
        let unfinished = || !client.each("/api/runs?status=running", "run_id").is_empty();
        if quiet || self.dice.one_in(2) {
            self.look_after(&client, quiet);
        }
        let (busy, dice) = (client.clone(), Dice(self.dice.below(u64::MAX)));
        let small = self.ledger.open().files[SMALL].contents[0].clone();
        let hit = thread::scope(|scope| {
            let ledger = Arc::clone(&self.ledger);
            scope.spawn(move || ledger.be_busy(&busy, dice, &small));
            let run = if matches!(aim, Aim::Phase(_)) || !unfinished() { self.some_run(&client) } else { None };
            self.strike(server, &client, aim, run)
        });
        self.note(aim, &hit).await;
    }

    /// Starts a run that takes long.
    fn some_run(&self, client: &Client) -> Option<String> {
        self.ledger.start(client, LONG)
    }

    /// Kills the process. Returns the phases that its threads were in.
    fn strike(&mut self, server: Server, client: &Client, aim: Aim, run: Option<String>) -> BTreeSet<Phase> {
        match aim {
            Aim::Start | Aim::Moment => {
                thread::sleep(self.dice.micros(1_000_000));
                self.kill(server)
            }
            Aim::Phase(phase) => {
                let run = run.unwrap();
                let files = match phase {
                    Phase::Output => 1,
                    Phase::Archive => 4,
                    _ if kills() < MANY => {
                        thread::sleep(self.dice.micros(200_000));
                        return self.kill(server);
                    }
                    _ => return self.hunt(server, client, phase),
                };
                let (path, started) = (format!("/api/files/list?area=outputs&path={run}"), Instant::now());
                while client.each(&path, "name").len() < files && started.elapsed() < PATIENCE {}
                thread::sleep(self.dice.micros(15_000));
                self.kill(server)
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn kill(&self, server: Server) -> BTreeSet<Phase> {
        server.process.signal("-STOP");
        let phases = self.functions.as_ref().and_then(|functions| functions.phases_of(server.process.id()));
        drop(server);
        phases.unwrap_or_default()
    }

    #[cfg(not(target_os = "linux"))]
    fn kill(&self, server: Server) -> BTreeSet<Phase> {
        drop(server);
        BTreeSet::new()
    }

    /// Stops the process again and again until a thread is in the phase, and kills it there.
    #[cfg(target_os = "linux")]
    fn hunt(&mut self, server: Server, client: &Client, phase: Phase) -> BTreeSet<Phase> {
        let started = Instant::now();
        let mut looked = started;
        while let Some(functions) = &self.functions {
            server.process.signal("-STOP");
            let Some(phases) = functions.phases_of(server.process.id()) else { break };
            if phases.contains(&phase) || started.elapsed() > HUNT {
                drop(server);
                return phases;
            }
            server.process.signal("-CONT");
            thread::sleep(self.dice.micros(1_000));
            if looked.elapsed() > Duration::from_millis(250) {
                looked = Instant::now();
                let runs = ["running", "pending"].map(|status| client.each(&format!("/api/runs?status={status}"), "run_id"));
                if runs.iter().all(Vec::is_empty) {
                    self.some_run(client);
                }
            }
        }
        self.kill(server)
    }

    #[cfg(not(target_os = "linux"))]
    fn hunt(&mut self, server: Server, _: &Client, _: Phase) -> BTreeSet<Phase> {
        thread::sleep(self.dice.micros(400_000));
        self.kill(server)
    }

    /// Counts the phases that the kill hit.
    async fn note(&mut self, aim: Aim, threads: &BTreeSet<Phase>) {
        self.kills += 1;
        let found = found::look(self.folder.path()).await;
        let mut hit = BTreeSet::new();
        for run in found.running() {
            *self.interrupted.entry(run.run_id).or_default() += 1;
            match found.storing(run) {
                Some(phase) => _ = hit.insert(phase),
                None => hit.extend(threads),
            }
        }
        self.idle += u64::from(found.running().next().is_none());
        println!("kill {}, aimed at {aim:?}: {hit:?}, {:.1?} after the beginning", self.kills, self.begun.elapsed());
        hit.into_iter().for_each(|phase| *self.hits.entry(phase).or_default() += 1);
    }

    /// Checks what became of everything. With `quiet`, first waits until all runs have ended.
    fn look_after(&mut self, client: &Client, quiet: bool) {
        self.ledger.settle(client);
        if quiet {
            wait_until_quiet(client);
            self.ledger.check(client);
            self.check_runs(client);
        }
        let ids: Vec<String> = self.committed.keys().cloned().collect();
        // Checking every committed run takes too long, so each call checks up to two at random.
        for _ in 0..2.min(ids.len()) {
            let at = self.dice.below(ids.len() as u64) as usize;
            self.check_committed(client, &ids[at], self.dice.clone().one_in(2));
        }
    }

    /// Asserts that a completed run has not changed, with or without each of its loans.
    fn check_committed(&self, client: &Client, id: &str, loans: bool) {
        let served = Served::of(client, id, loans).hashes()[usize::from(loans)];
        assert_eq!(served, self.committed[id][usize::from(loans)], "run {id} is another one than it was");
    }

    /// Asserts that every requested run exists once and ended as it has to.
    fn check_runs(&mut self, client: &Client) {
        let runs = client.json("/api/runs?limit=1000");
        let runs = runs.as_array().unwrap();
        let ids: BTreeSet<String> = runs.iter().map(|run| run["run_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), runs.len(), "a run is listed twice");
        let of_status = |status: &str| client.each(&format!("/api/runs?limit=1000&status={status}"), "run_id").len();
        assert_eq!(of_status("completed") + of_status("failed"), runs.len());

        let (asked, came_in) = {
            let promises = self.ledger.open();
            let asked = promises.runs.iter().map(|run| (run.run_id.clone().unwrap(), run.tape)).collect::<BTreeMap<_, _>>();
            assert_eq!(asked.len(), promises.runs.len(), "two started runs have the same id");
            (asked, promises.files.keys().filter(|path| path.starts_with("incoming/")).count())
        };
        let by_nobody: Vec<&Value> = runs.iter().filter(|run| run["created_by"].is_null()).collect();
        assert_eq!(by_nobody.len(), came_in, "each tape that came in has one run");
        assert_eq!(asked.len() + by_nobody.len(), runs.len(), "there are runs without a request or an incoming tape");

        let mut tapes = BTreeSet::new();
        let mut outputs = BTreeSet::new();
        for run in runs {
            let id = run["run_id"].as_str().unwrap();
            if run["status"] == "failed" {
                let interrupted = self.interrupted.get(&id.parse().unwrap()).copied().unwrap_or_default();
                assert!(run["error"]["code"] == "worker_lost" && interrupted >= MAX_ATTEMPTS, "{interrupted} {run}");
                assert!(run["completed_at"].is_string(), "{run}");
                assert_eq!(client.json(&format!("/api/runs/{id}/notebook-outputs")), Value::Array(Vec::new()));
                continue;
            }
            for output in ["exception_summary", "projected_tape", "purchase_tape", "rejection_report"] {
                outputs.insert(format!("{id}/{output}.csv"));
            }
            let whole = client.json(&format!("/api/runs/{id}"));
            let source = whole["column_mapping"][0]["source_file"].as_str().unwrap();
            if asked.get(id).is_none_or(|tape| *tape != source) {
                assert!(run["created_by"].is_null() && tapes.insert(source.to_owned()), "{source} has two runs");
            }
            if !self.committed.contains_key(id) {
                let served = Served::of(client, id, true);
                served.assert_alike(&self.expected[asked.get(id).copied().unwrap_or(SMALL)], id);
                self.committed.insert(id.to_owned(), served.hashes());
            }
        }
        let list = client.json("/api/files/list?area=outputs&recursive=true");
        let files = list["files"].as_array().unwrap().iter().filter(|file| file["type"] == "file");
        let there: BTreeSet<String> = files.map(|file| file["path"].as_str().unwrap().to_owned()).collect();
        assert_eq!(there, outputs, "the files in `outputs` are others");
    }
}

/// Waits until every run has ended.
fn wait_until_quiet(client: &Client) {
    let started = Instant::now();
    loop {
        let open = ["pending", "running"].map(|status| client.each(&format!("/api/runs?status={status}"), "run_id"));
        if open.iter().all(Vec::is_empty) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "runs that do not end: {open:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_server_that_is_killed_at_any_moment_loses_nothing_and_doubles_nothing() {
    let kills = kills();
    let mut story = Story::begin(&[(SMALL, 40), (LONG, if kills < MANY { 2_000 } else { 6_000 })]);
    let missed = |story: &Story| {
        let hit = |phase| story.hits.contains_key(&phase);
        let judging = PHASES[..5].iter().filter(|phase| hit(**phase)).count();
        judging < if kills < MANY { 1 } else { 5 } || !hit(Phase::Output) || !hit(Phase::Archive)
    };
    // A kill may miss its target, so up to 60 more follow until every phase is hit.
    while story.kills < kills || (missed(&story) && story.kills < kills + 60) {
        story.live_and_die(story.kills % 9 == 8).await;
    }

    let server = story.start();
    let client = story.client(&server);
    story.look_after(&client, true);
    for (at, id) in story.committed.keys().enumerate() {
        story.check_committed(&client, id, at % 8 == 0);
    }
    let runs = client.each("/api/runs?limit=1000", "status");
    assert_eq!(server.process.stop().0, Some(0));
    // The folder contains nothing else.
    let found = found::look(story.folder.path()).await;
    let owners = |prefix: &str| {
        let owned = found.keys.iter().filter_map(|key| key.strip_prefix(prefix)?.split('/').next());
        owned.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let committed: BTreeSet<String> = story.committed.keys().cloned().collect();
    for prefix in ["outputs/", "results/", "archive/"] {
        assert_eq!(owners(prefix), committed, "{prefix}");
    }
    let ended = |status: &str| runs.iter().filter(|run| *run == status).count();
    let (files, users) = {
        let promises = story.ledger.open();
        (promises.files.len(), promises.users.len())
    };
    println!(
        "{} kills: {:?}, {} while starting, {} while no run was executed; {} runs completed, {} given up; {} files, {} users",
        story.kills,
        story.hits,
        story.at_start,
        story.idle,
        ended("completed"),
        ended("failed"),
        files,
        users,
    );
    assert!(story.kills >= kills);
    if cfg!(target_os = "linux") {
        assert!(!missed(&story), "phases that no kill has hit: {:?}", story.hits);
    }
}

#[test]
fn a_first_start_that_is_killed_leaves_a_folder_that_the_next_one_can_use() {
    let mut dice = Dice(SEED);
    for _ in 0..kills().div_ceil(5) {
        let folder = tempfile::tempdir().unwrap();
        let variables = [("LOAN_ENGINE_ADMIN_PASSWORD", ADMIN_PASSWORD)];
        for _ in 0..2 {
            let mut first = command(folder.path(), &["serve", "--port", "0", "--data-dir", "data"]);
            let mut first = first.envs(variables).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            thread::sleep(dice.micros(300_000));
            first.kill().unwrap();
            first.wait().unwrap();
        }
        let server = Server::start(folder.path(), &variables);
        assert_eq!(server.admin().get("/api/auth/users").expect(200).as_array().map(Vec::len), Some(1));
        assert_eq!(server.process.stop().0, Some(0));
    }
}
