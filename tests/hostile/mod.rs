//! Properties that hold for any bytes, with one check for each way in. The targets of cargo-fuzz in `fuzz/` call these checks
//! with the inputs of a fuzzer. The tests here call them with its corpus, so that findings of the past stay fixed.

pub mod header;
pub mod paths;
pub mod requests;
pub mod rule_set;
pub mod tape_csv;
pub mod tape_xlsx;
pub mod token;
pub mod waivers;
pub mod workbook_formats;

#[cfg(test)]
mod corpus;

use shared::{
    error::RunError,
    tape::{
        draft::draft_profile,
        inspect::{Inspection, inspect},
        options::TapeOptions,
        profile::{Profile, ProfileMistakes},
        source::MemorySource,
    },
};

/// Separates a profile from the tape behind it in an input.
const PROFILE_END: &[u8] = b"\n%%\n";

/// The tape of an input, and how to read it: by the profile in front of it, if there is one without mistakes.
fn profiled(input: &[u8]) -> (TapeOptions, &[u8]) {
    let Some(at) = input.windows(PROFILE_END.len()).position(|window| window == PROFILE_END) else {
        return (TapeOptions::default(), input);
    };
    let (profile, tape) = (String::from_utf8_lossy(&input[..at]), &input[at + PROFILE_END.len()..]);
    match Profile::parse(&profile, "profile") {
        Ok(Profile { options, .. }) => (options, tape),
        Err(ProfileMistakes(mistakes)) => {
            let lines = 1..=profile.matches('\n').count() + 1;
            assert!(!mistakes.is_empty());
            assert!(mistakes.iter().all(|mistake| lines.contains(&mistake.line) && !mistake.message.is_empty()), "{mistakes:?}");
            (TapeOptions::default(), tape)
        }
    }
}

/// Asserts that a tape can be inspected, and that a draft of its reading reads it in the same way.
fn check_inspection(name: &str, tape: &[u8], options: &TapeOptions) {
    let look = |options: &TapeOptions| inspect(&MemorySource::new(name, tape), options);
    let fields = |inspection: &Result<Inspection, RunError>| {
        let columns =
            inspection.as_ref().map(|found| found.columns.iter().map(|of| (of.column.known(), of.column.unit)).collect());
        columns.unwrap_or_else(|_| Vec::new())
    };
    let inspected = look(options);
    let Ok(inspection @ Inspection { error: None, .. }) = &inspected else { return };
    let draft = draft_profile(inspection, options, "draft");
    let read = Profile::parse(&draft, "draft").unwrap_or_else(|mistakes| panic!("{mistakes}\n{draft}"));
    assert_eq!(fields(&look(&read.options)), fields(&inspected), "{draft}");
}

/// A hash of the bytes. A check makes its choices by this number, so that any change of the bytes changes them.
fn choice(bytes: &[u8]) -> usize {
    bytes.iter().fold(0x811c_9dc5_usize, |hash, byte| (hash ^ usize::from(*byte)).wrapping_mul(0x0100_0193) & 0xffff_ffff)
}
