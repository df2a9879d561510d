//! `loan-engine run -`: a tape from standard input.

use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use rust_xlsxwriter::Workbook;
use serde_json::Value;

use crate::support::{
    server::{command, text},
    shell::{HEADER, TestShell, good, small_tape},
};

/// Runs a command with `input` on standard input.
fn fed(desk: &TestShell, args: &[&str], input: &[u8]) -> Output {
    feed(command(&desk.path(""), args), input)
}

fn feed(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads nothing may have exited already, so a failed write is ignored.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn source_files(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tapes = json["run"]["column_mapping"].as_array().unwrap();
    tapes.iter().map(|tape| tape["source_file"].as_str().unwrap().to_owned()).collect()
}

fn workbook() -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (row, line) in small_tape().replace("\"$250,000.00\"", "250000").lines().enumerate() {
        for (column, cell) in line.split(',').enumerate() {
            let (row, column) = (row as u32, column as u16);
            match cell.parse::<f64>() {
                Ok(number) if column > 0 => sheet.write(row, column, number).unwrap(),
                _ => sheet.write(row, column, cell).unwrap(),
            };
        }
    }
    workbook.save_to_buffer().unwrap()
}

#[test]
fn a_tape_is_named_by_what_it_is_and_archived_under_that_name() {
    for (input, name) in [(small_tape().into_bytes(), "stdin.csv"), (workbook(), "stdin.xlsx")] {
        let desk = TestShell::new();
        let output = fed(&desk, &["run", "-", "-o", "out", "--format", "json"], &input);
        assert_eq!(source_files(&output), [name]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["run"]["total_loans"], 2);
        let archive = format!("out/archive/{}", json["run"]["run_id"].as_str().unwrap());
        assert_eq!(fs::read(desk.path(&format!("{archive}/input/{name}"))).unwrap(), input);
        assert_eq!(desk.command(&["replay", &archive]).out, "identical\n");
    }
}

#[test]
fn the_results_are_those_of_the_file() {
    let desk = TestShell::new();
    desk.write("stdin.csv", small_tape());
    desk.run_id(&["run", "stdin.csv", "-o", "file"]);
    assert!(fed(&desk, &["run", "-", "-o", "piped", "-q"], small_tape().as_bytes()).status.success());
    for name in crate::cli::timeless() {
        let read = |folder: &str| fs::read(desk.path(folder).join(name)).unwrap();
        assert!(read("file") == read("piped"), "{name}");
    }
}

#[test]
fn it_has_its_place_among_other_tapes() {
    let desk = TestShell::new();
    desk.write("a.csv", format!("{HEADER}{}", good("1")));
    desk.write("in/stdin.csv", format!("{HEADER}{}", good("2")));
    let args = ["run", "a.csv", "-", "in/stdin.csv", "--dry-run", "--format", "json"];
    let output = fed(&desk, &args, format!("{HEADER}{}", good("3")).as_bytes());
    assert_eq!(source_files(&output), ["a.csv", "stdin.csv", "in/stdin.csv"]);
}

#[test]
fn it_can_be_named_once_and_must_hold_a_tape() {
    let desk = TestShell::new();
    let twice = fed(&desk, &["run", "-", "-"], small_tape().as_bytes());
    assert_eq!(twice.status.code(), Some(2));
    assert_eq!(text(&twice.stderr), "error: Standard input is named twice. It holds one tape.\n");
    for (input, expected) in [
        (&b""[..], "error: stdin.csv: The tape is empty."),
        (b"no,header\n1,2\n", "error: stdin.csv: No header row"),
        (b"PK\x03\x04 no workbook", "error: stdin.xlsx: "),
    ] {
        let output = fed(&desk, &["run", "-", "-o", "out"], input);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).starts_with(expected), "{}", text(&output.stderr));
    }
    assert_eq!(desk.list(""), [""; 0]);
}

#[test]
fn a_tape_that_cannot_be_kept_leaves_no_results_of_the_run_before() {
    let desk = TestShell::new();
    let args = ["run", "-", "-o", "out", "--no-archive", "--workbook", "book.xlsx"];
    assert!(fed(&desk, &args, small_tape().as_bytes()).status.success());
    let mut without_room = command(&desk.path(""), &args);
    without_room.env("TMPDIR", desk.path("no such folder"));
    let output = feed(without_room, small_tape().as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.starts_with("error: The tape from standard input could not be kept in the temporary folder: "), "{said}");
    assert_eq!(desk.list(""), ["out/"]);
}

#[test]
fn nothing_is_read_for_a_call_that_is_wrong() {
    let desk = TestShell::new();
    desk.write("bad.toml", "nonsense = 1\n");
    // Standard input stays open: a command that read it would never end.
    let mut command = command(&desk.path(""), &["run", "-", "--rule-set", "bad.toml"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let open = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    drop(open);
}
