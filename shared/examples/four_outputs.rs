//! Writes only the four output files: ingest, rules and outputs, without stored facts, hashes, archive or manifest.
//!
//! Benchmarks compare it with common tools that also write only these four files:
//! `cargo run --release -p shared --example four_outputs -- TAPE DIR [THREADS]`

use std::{
    error::Error,
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use shared::{
    engine::{Destination, Job, Tuning, run},
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSet,
    tape::{
        options::TapeOptions,
        source::{FileSource, TapeSource},
        text::RawCopy,
    },
};

struct Folder(PathBuf);

impl Destination for Folder {
    fn create(&self, file_name: &str) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(File::create(self.0.join(file_name))?))
    }

    fn keeps_records(&self) -> bool {
        false
    }

    fn archive_tape(&self, _: &str) -> io::Result<Option<RawCopy>> {
        Ok(None)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(tape), Some(folder)) = (args.next(), args.next()) else {
        return Err("usage: four_outputs TAPE DIR [THREADS]".into());
    };
    let mut tuning = Tuning::default();
    if let Some(threads) = args.next() {
        tuning.threads = threads.parse()?;
    }
    let tapes: [Box<dyn TapeSource>; 1] = [Box::new(FileSource::new(tape.clone().into(), tape)?)];
    let (rules, folder) = (RuleSet::built_in(), Folder(folder.into()));
    run(&Job {
        tapes: &tapes,
        options: &TapeOptions::default(),
        rules,
        irr_target: IrrTarget::DEFAULT,
        pdate: jiff::civil::date(2026, 2, 2),
        waivers: None,
        destination: Some(&folder),
        progress: &|_| {},
        tuning,
    })?;
    Ok(())
}
