//! A temporary folder in which the tests run `loan-engine` commands, through the same function as the program.

#![cfg(test)]

use std::{
    ffi::OsString,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use cli::main_with;
use command::CommandContext;
use serde_json::Value;
use shared::clock::StoppedClock;
use tempfile::TempDir;

/// A temporary folder in which commands run.
pub struct TestShell {
    folder: TempDir,
}

/// The output and the exit code of a command.
#[derive(Debug)]
pub struct Answer {
    pub code: u8,
    pub out: String,
    pub err: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

impl TestShell {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and creates the folders that it needs.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// All files and folders below a folder, sorted. Folders end with a slash.
    pub fn list(&self, name: &str) -> Vec<String> {
        fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
                if entry.file_type().unwrap().is_dir() {
                    found.push(format!("{name}/"));
                    walk(&entry.path(), &format!("{name}/"), found);
                } else {
                    found.push(name);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path(name), "", &mut found);
        found.sort();
        found
    }

    /// Runs a command.
    pub fn command(&self, args: &[&str]) -> Answer {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = self.command_to(args, &mut out, &mut err);
        Answer { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
    }

    /// Runs a command that prints to `out` and `err`.
    pub fn command_to(&self, args: &[&str], out: &mut dyn Write, err: &mut dyn Write) -> u8 {
        let clock = StoppedClock("2026-02-02T03:30:00Z".parse().unwrap());
        let context = CommandContext::bare(clock, self.folder.path().to_owned());
        let args = std::iter::once("loan-engine").chain(args.iter().copied());
        main_with(args.map(OsString::from), &context, out, err)
    }

    /// Runs a command that must complete a run. Returns the id of the run.
    pub fn run_id(&self, args: &[&str]) -> String {
        let answer = self.command(&[args, &["--format", "json"]].concat());
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
        answer.json()["run"]["run_id"].as_str().unwrap().to_owned()
    }
}

pub const HEADER: &str = "Loan #,UPB,Rate,LTV,DTI,FICO,Prop Type,Occ,Purpose,Sales Price,Appraised Value,County\n";

/// A row below [`HEADER`] for a loan of $250,000 that is bought.
pub fn good(number: &str) -> String {
    format!("{number},\"$250,000.00\",8.85,80,35.5,740,SFR,P,purchase,312500,315000,Kings\n")
}

/// A tape of two loans: one that is bought, and one that fails the LTV rule.
pub fn small_tape() -> String {
    format!("{HEADER}{}{}", good("001"), good("002").replace(",80,", ",97.01,"))
}
