//! `loan-engine profiles`: the profiles that come with the program.

use std::io::Write;

use command::{error::CommandError, print};
use shared::tape::profile::PRESETS;

use crate::arguments::ProfilesCommand;

/// Lists the presets, or prints one.
///
/// # Errors
/// [`CommandError::Usage`] when there is no preset of that name.
pub fn profiles(command: Option<&ProfilesCommand>, out: &mut dyn Write) -> Result<(), CommandError> {
    let Some(ProfilesCommand::Show { name }) = command else {
        let lines = PRESETS.iter().map(|(name, toml)| format!("{name:<16}{}\n", about(toml)));
        return print(out, lines.collect::<String>().as_bytes());
    };
    match PRESETS.iter().find(|(preset, _)| preset == name) {
        Some((_, toml)) => print(out, toml.as_bytes()),
        None => {
            let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
            Err(CommandError::Usage(format!("There is no preset {name}. There are: {}.", names.join(", "))))
        }
    }
}

/// What a preset is for: its first comment, up to the colon.
fn about(toml: &str) -> String {
    let comment: Vec<&str> = toml.lines().map_while(|line| line.strip_prefix("# ")).collect();
    let text = comment.join(" ");
    text.split_once(": ").map_or(text.clone(), |(about, _)| about.to_owned())
}
