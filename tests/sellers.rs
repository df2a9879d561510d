//! What sellers' systems, spreadsheets and people do to tapes. Each kind has several inputs, made from its description.

mod any;
mod books;
mod claims;
mod headers;
mod latest;
mod loan_numbers;
mod record;
mod rows;
mod text;
mod units;
mod words;

use shared::{
    engine::{Job, Tuning, run},
    error::{RunError, RunErrorCode},
    loan::Field,
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSet,
    tape::{
        options::TapeOptions,
        profile::Profile,
        source::{MemorySource, TapeSource},
    },
};

use crate::support::{
    runs::{Finished, GOOD_CELLS, HEADER, MemoryFolder, given, in_parts, in_parts_with, with_job, with_options},
    tape_rows::{assert_whole, bought, column, exceptions, facts, good, loan, told},
};

/// Runs a tape with this number of records below its header. Asserts that no record vanishes without a notice, and that the sizes
/// of blocks and parts do not change the result.
#[track_caller]
fn read(tape: impl AsRef<[u8]>, records: u64) -> Finished {
    let finished = run_mapped(&tape, &[]).unwrap_or_else(|error| panic!("{error}"));
    assert_whole(&finished);
    assert_eq!(
        finished.outcome.summary.total_loans() + finished.outcome.notices.ignored_rows + finished.outcome.notices.superseded_rows,
        records,
        "{:?}",
        notices(&finished)
    );
    let tapes = [("tape.csv", tape.as_ref())];
    let whole = |tuning| {
        let folder = MemoryFolder::default();
        given(&folder, with_job(&tapes, Some(&folder), tuning, run))
    };
    let expected = whole(Tuning { threads: 2, block_bytes: 64 * 1024 });
    assert!(expected == whole(Tuning { threads: 1, block_bytes: 97 }), "the size of blocks shows");
    assert!(expected == in_parts(&tapes, 250, Tuning { threads: 2, block_bytes: 128 }), "the size of parts shows");
    finished
}

/// Runs a tape with a map from fields to columns.
fn run_mapped(tape: impl AsRef<[u8]>, map: &[(Field, &str)]) -> Result<Finished, RunError> {
    let map: Vec<(Field, String)> = map.iter().map(|(field, header)| (*field, (*header).to_owned())).collect();
    run_with(tape, &TapeOptions::default().with_map(&map).unwrap())
}

/// Runs a tape with a profile. Asserts that the sizes of blocks and parts do not change the result.
#[track_caller]
fn run_profiled(tape: &str, profile: &str) -> Result<Finished, RunError> {
    let options = Profile::parse(profile, "test").unwrap_or_else(|mistakes| panic!("{mistakes}")).options;
    let tapes = [("tape.csv", tape.as_bytes())];
    let whole = |tuning| {
        let folder = MemoryFolder::default();
        given(&folder, with_options(&tapes, &options, Some(&folder), tuning, run))
    };
    let expected = whole(Tuning { threads: 2, block_bytes: 64 * 1024 });
    assert!(expected == whole(Tuning { threads: 1, block_bytes: 97 }), "the size of blocks shows\n{tape}");
    for part_bytes in [1, 250] {
        let tuning = Tuning { threads: 2, block_bytes: 128 };
        assert!(expected == in_parts_with(&tapes, &options, part_bytes, tuning), "the size of parts shows\n{tape}");
    }
    run_with(tape, &options)
}

fn run_with(tape: impl AsRef<[u8]>, options: &TapeOptions) -> Result<Finished, RunError> {
    let tapes = [Box::new(MemorySource::new("tape.csv", tape.as_ref())) as Box<dyn TapeSource>];
    let (folder, rules) = (MemoryFolder::default(), RuleSet::built_in());
    let outcome = run(&Job {
        tapes: &tapes,
        options,
        rules,
        irr_target: IrrTarget::DEFAULT,
        pdate: jiff::civil::date(2026, 2, 2),
        waivers: None,
        destination: Some(&folder),
        progress: &|_| {},
        tuning: Tuning { threads: 2, block_bytes: 64 * 1024 },
    })?;
    Ok(Finished { outcome, files: folder.files() })
}

/// Code and message of the error that rejects a tape. Asserts that the sizes of blocks and parts do not change them.
#[track_caller]
fn refusal(tape: impl AsRef<[u8]>) -> (RunErrorCode, String) {
    match run_mapped(&tape, &[]) {
        Ok(finished) => panic!("it is a tape: {:?} {:?}", bought(&finished), notices(&finished)),
        Err(error) => {
            let tapes = [("tape.csv", tape.as_ref())];
            for block_bytes in [16, 200, 1 << 20] {
                let tuning = Tuning { threads: 2, block_bytes };
                let folder = MemoryFolder::default();
                assert_eq!(given(&folder, with_job(&tapes, Some(&folder), tuning, run)).unwrap_err(), error, "{block_bytes}");
                assert_eq!(in_parts(&tapes, block_bytes as u64, tuning).unwrap_err(), error, "parts of {block_bytes}");
            }
            (error.code, error.message)
        }
    }
}

/// Code and number of the notices of each kind.
fn notices(finished: &Finished) -> Vec<String> {
    let counts = finished.outcome.notices.counts().iter();
    counts.map(|(code, count)| format!("{} {count}", serde_json::to_value(code).unwrap().as_str().unwrap())).collect()
}

/// The exceptions of a run: loan number, type and cell.
fn reasons(finished: &Finished) -> Vec<String> {
    exceptions(finished).iter().map(|row| told(row, "seller_loan_number exception_type actual")).collect()
}

/// Rows of good loans with these loan numbers.
fn goods(numbers: &[&str]) -> Vec<String> {
    numbers.iter().map(|number| good(number)).collect()
}

/// A tape with these names in place of some canonical columns, and two loans that would be bought with the canonical names.
fn renamed(columns: &[(&str, &str)]) -> String {
    let names = HEADER.split(',').map(|name| columns.iter().find(|(of, _)| *of == name).map_or(name, |(_, header)| header));
    format!("{}\n{}\n", names.collect::<Vec<_>>().join(","), goods(&["L1", "L2"]).join("\n"))
}
