//! Arbitrary bytes as a CSV tape: any blocks, threads and parts give the same results or the same rejection, and every row has a
//! fact.

use shared::{
    engine::{Outcome, Tuning, run},
    error::{Phase, RunError, RunErrorCode},
    phases::disposition::Disposition,
    results::outputs::OUTPUTS,
    rules::rule_set::RuleSet,
    tape::{options::TapeOptions, text::Encoding},
};

use crate::support::runs::{Files, MemoryFolder, given, in_parts_with, with_options};

use super::{check_inspection, choice, profiled};

const NAME: &str = "tape.csv";

/// Asserts what holds for every tape, with a profile or without.
pub fn check(input: &[u8]) {
    let (options, tape) = profiled(input);
    let tapes = [(NAME, tape)];
    let seed = choice(input);
    let whole = run_with(&tapes, &options, Tuning { threads: 1, block_bytes: 1 << 20 });
    let accounts = whole.as_ref().map(|(outcome, files)| account(tape, &options, outcome, files)).map_err(Clone::clone);
    if let Err(error) = accounts {
        assert_is_explained(&error);
    }
    let expected = comparable(whole);
    let tuning = Tuning { threads: 1 + seed % 3, block_bytes: 1 + (seed >> 4) % 3_000 };
    assert!(comparable(run_with(&tapes, &options, tuning)) == expected, "{tuning:?} changes what comes out");
    let part_bytes = 1 + (seed >> 16) as u64 % 2_000;
    check_inspection(NAME, tape, &options);
    assert!(in_parts_with(&tapes, &options, part_bytes, tuning) == expected, "parts of {part_bytes} bytes change what comes out");
}

/// Executes a run. Returns its outcome and the files that it wrote.
pub fn run_with(tapes: &[(&str, &[u8])], options: &TapeOptions, tuning: Tuning) -> Result<(Outcome, Files), RunError> {
    let folder = MemoryFolder::default();
    let outcome = with_options(tapes, options, Some(&folder), tuning, run)?;
    Ok((outcome, folder.files()))
}

/// The result of a run, in a form that can be compared.
pub fn comparable(run: Result<(Outcome, Files), RunError>) -> crate::support::runs::Given {
    let (outcome, files) = run?;
    let (_, told) = given(&MemoryFolder::default(), Ok(outcome))?;
    Ok((files, told))
}

/// Asserts that the error rejects the tape for its content, with a sentence.
pub fn assert_is_explained(error: &RunError) {
    assert_eq!(error.phase, Phase::Ingest, "{error}");
    let of_storage = matches!(error.code, RunErrorCode::Internal | RunErrorCode::StorageFailed | RunErrorCode::OutputFailed);
    assert!(!of_storage && error.code != RunErrorCode::UnreadableTape, "{error}");
    assert!((20..2_000).contains(&error.message.len()), "{error}");
}

/// Asserts that every row is a loan, and that every loan is where it belongs.
pub fn assert_adds_up(outcome: &Outcome, files: &Files) {
    let summary = &outcome.summary;
    let counts = Disposition::ALL.map(|disposition| summary.count(disposition));
    assert_eq!(counts.iter().sum::<u64>(), summary.total_loans());
    let stored: u64 = outcome.index.facts.iter().flatten().map(|rows| u64::from(*rows)).sum();
    assert_eq!(stored, summary.total_loans());
    for output in OUTPUTS.iter().filter(|output| output.is_of(RuleSet::built_in()) || files.contains_key(output.file_name)) {
        let mut reader = csv::Reader::from_reader(files[output.file_name].as_slice());
        let rows = reader.records().collect::<Result<Vec<_>, _>>().unwrap().len();
        assert_eq!(rows as u64, output.row_count(summary), "{}", output.file_name);
    }
}

fn account(tape: &[u8], options: &TapeOptions, outcome: &Outcome, files: &Files) {
    assert_adds_up(outcome, files);
    assert!(files[&format!("archive/{NAME}")] == tape);
    if let Some(rows) = plain_rows(tape, outcome) {
        let notices = &outcome.notices;
        assert_eq!(outcome.summary.total_loans() + notices.ignored_rows + notices.superseded_rows, rows);
    }
    check_line_ends(tape, options, outcome, choice(tape));
}

/// The number of rows of a tape, by a count that shares no code with the engine. `None` if a line may not be a row.
fn plain_rows(tape: &[u8], outcome: &Outcome) -> Option<u64> {
    let mapping = &outcome.mappings[0];
    let delimiter = mapping.delimiter.filter(|_| mapping.encoding == Some(Encoding::Utf8))?;
    let text = std::str::from_utf8(tape).ok().filter(|text| !text.contains('"'))?;
    let lines = lines(text);
    let below = lines.iter().skip(usize::try_from(mapping.header_line).ok()?);
    let says_something = |line: &&String| without_marks(line).split(delimiter).any(|cell| !cell.chars().all(is_nothing));
    Some(below.filter(says_something).count() as u64)
}

/// Whether a character alone makes no cell: whitespace, an invisible character, an apostrophe. The end-of-file marks do make
/// one.
fn is_nothing(c: char) -> bool {
    let invisible = matches!(c,
        '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{ad}' | '\u{180e}');
    c.is_whitespace() || invisible || c == '\'' || (c < ' ' && !matches!(c, '\0' | '\u{1a}'))
}

/// The lines of a text. `\r\r\n`, `\r\n`, `\r` and `\n` each end a line.
fn lines(mut text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    while let Some(letter) = text.chars().next() {
        match ["\r\r\n", "\r\n", "\r", "\n"].iter().find_map(|end| text.strip_prefix(end)) {
            Some(rest) => {
                lines.push(String::new());
                text = rest;
            }
            None => {
                lines.last_mut().unwrap().push(letter);
                text = &text[letter.len_utf8()..];
            }
        }
    }
    lines
}

fn without_marks(mut line: &str) -> &str {
    while let Some(rest) = ["\u{feff}", "ï»¿"].iter().find_map(|mark| line.strip_prefix(mark)) {
        line = rest;
    }
    line
}

/// Asserts that other line ends in a tape change no loan.
fn check_line_ends(tape: &[u8], options: &TapeOptions, outcome: &Outcome, seed: usize) {
    let Some(text) = std::str::from_utf8(tape).ok().filter(|text| text.len() < 32 * 1024 && !text.contains(['\r', '\0'])) else {
        return;
    };
    let mut mixed = String::new();
    let mut seed = seed;
    for (at, letter) in text.char_indices() {
        seed = seed.wrapping_mul(0x0100_0193) ^ at;
        // A lone `\r` in front of a `\n` would be one line end with it, so use `\r\n` there.
        let end = if text[at + letter.len_utf8()..].starts_with('\n') { "\r\n" } else { "\r" };
        match letter {
            '\n' => mixed.push_str(["\n", "\r\n", "\r\r\n", end][seed / 7 % 4]),
            _ => mixed.push(letter),
        }
    }
    let tapes = [(NAME, mixed.as_bytes())];
    let (other, _) = run_with(&tapes, options, Tuning { threads: 1, block_bytes: 1 + seed % 3_000 }).unwrap();
    let counts = |outcome: &Outcome| Disposition::ALL.map(|disposition| outcome.summary.count(disposition));
    assert_eq!(counts(&other), counts(outcome), "{mixed:?}");
    assert_eq!(other.mappings[0].header_line, outcome.mappings[0].header_line);
}
