//! `loan-engine run` receives a signal: it removes what it had begun, and its exit code says which signal it was.

#![cfg(unix)]

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{
    server::{command, give, signal, text},
    shell::{HEADER, good, small_tape},
};

/// The limit for each wait. It is long because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);
/// The signals, with their exit codes and their names in messages.
const SIGNALS: [(&str, i32, &str); 3] = [("-INT", 130, "Ctrl-C"), ("-TERM", 143, "SIGTERM"), ("-HUP", 129, "SIGHUP")];

/// Waits until a condition holds.
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// Whether a run has a staging folder in a folder.
fn stages(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| entry.path().join(".lock").exists())
}

/// The names of all entries of a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Starts a command with its output captured.
fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a process. Returns its exit code, standard output and standard error.
fn end(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A folder with the results of a run in `out`, and a second run that has begun there and waits for another run. The returned
/// lock plays that other run.
fn waiting(args: &[&str]) -> (tempfile::TempDir, Child, File) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), small_tape()).unwrap();
    assert!(give(folder.path(), &["run", "t.csv", "--out", "out"], &[], "").status.success());
    let out = folder.path().join("out");
    let locked = File::open(&out).unwrap();
    locked.lock().unwrap();
    let child = spawn(command(folder.path(), args));
    until("the run does not begin", || stages(&out));
    (folder, child, locked)
}

#[test]
fn a_run_that_waits_is_stopped_and_leaves_what_was_there() {
    for (name, code, called) in SIGNALS {
        let (folder, child, locked) = waiting(&["run", "t.csv", "--out", "out"]);
        let out = folder.path().join("out");
        let manifest = fs::read(out.join("manifest.json")).unwrap();
        signal(&child, name);
        let (ended, said, told) = end(child);
        assert_eq!((ended, said.as_str()), (Some(code), ""), "{told}");
        assert_eq!(told, format!("error: Stopped by {called}: what the run had begun to write was removed.\n"));
        assert!(names(&out).iter().all(|name| !name.starts_with('.')), "{:?}", names(&out));
        assert_eq!(names(&out.join("archive")).len(), 1);
        assert_eq!(fs::read(out.join("manifest.json")).unwrap(), manifest);
        drop(locked);
    }
}

/// Starts a run into `a/out` and stops it after it has begun to write and before any result has its final name.
fn held(folder: &Path) -> Child {
    let out = folder.join("a/out");
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < PATIENCE, "no run can be held");
        let mut child = spawn(command(folder, &["run", "t.csv", "--out", "a/out", "--threads", "1"]));
        while !stages(&out.join("archive")) && child.try_wait().unwrap().is_none() {}
        signal(&child, "-STOP");
        // The stop may have come too late; then start again.
        if child.try_wait().unwrap().is_none() && stages(&out.join("archive")) && !out.join("purchase_tape.csv").exists() {
            return child;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_dir_all(folder.join("a")).unwrap();
    }
}

fn long_tape() -> String {
    let rows: String = (0..60_000).map(|at| good(&at.to_string())).collect();
    format!("{HEADER}{rows}")
}

#[test]
fn a_run_that_works_is_stopped_and_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), long_tape()).unwrap();
    for (name, code, called) in SIGNALS {
        let child = held(folder.path());
        signal(&child, name);
        signal(&child, "-CONT");
        let (ended, said, told) = end(child);
        assert_eq!((ended, said.as_str()), (Some(code), ""), "{told}");
        assert_eq!(told, format!("error: Stopped by {called}: what the run had begun to write was removed.\n"));
        assert_eq!(names(folder.path()), ["t.csv"]);
    }
}

#[test]
fn what_a_kill_leaves_goes_with_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), long_tape()).unwrap();
    fs::write(folder.path().join("bad.csv"), "no,header\n1,2\n").unwrap();
    for archived in [&[][..], &["--no-archive"]] {
        let mut child = held(folder.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(stages(&folder.path().join("a/out")));
        let next = give(folder.path(), &[&["run", "bad.csv", "--out", "a/out"], archived].concat(), &[], "");
        assert_eq!(next.status.code(), Some(1), "{}", text(&next.stderr));
        assert_eq!(names(folder.path()), ["bad.csv", "t.csv"]);
    }
}

#[test]
fn a_run_that_waits_for_its_tape_has_written_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), small_tape()).unwrap();
    assert!(give(folder.path(), &["run", "t.csv", "--out", "out"], &[], "").status.success());
    let before = names(&folder.path().join("out"));
    let mut reading = command(folder.path(), &["run", "-", "--out", "out"]);
    reading.stdin(Stdio::piped());
    let mut child = spawn(reading);
    // The input is larger than a pipe holds: once it is written, the run is reading.
    child.stdin.as_mut().unwrap().write_all(&vec![b'x'; 1 << 20]).unwrap();
    signal(&child, "-TERM");
    // Standard input stays open, so only the signal can end the run.
    let input = child.stdin.take();
    let (mut said, mut told) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(143), ""), "{told}");
    drop(input);
    assert_eq!(told, "error: Stopped by SIGTERM: the run had written nothing.\n");
    assert_eq!(names(&folder.path().join("out")), before);
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_is_to_outlive_its_terminal_does() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), small_tape()).unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    let locked = File::open(folder.path().join("out")).unwrap();
    locked.lock().unwrap();
    // Ignore SIGHUP, as `nohup` does.
    let engine = command(folder.path(), &["run", "t.csv", "--out", "out", "--quiet"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(engine.get_program()).args(engine.get_args());
    shell.current_dir(folder.path()).env_clear().stdin(Stdio::null());
    let child = spawn(shell);
    until("the run does not begin", || stages(&folder.path().join("out")));
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    assert_eq!(u64::from_str_radix(ignored.trim(), 16).unwrap() & 1, 1, "the run listens to SIGHUP");
    signal(&child, "-HUP");
    drop(locked);
    assert_eq!(end(child), (Some(0), String::new(), String::new()));
    assert!(folder.path().join("out/manifest.json").exists());
}
