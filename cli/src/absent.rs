//! The commands that a build without the feature `serve` lacks. Each one says how to build it.

use std::ffi::OsString;

use clap::Subcommand;
use command::error::CommandError;

/// A command that this build lacks, with its arguments.
#[derive(Debug, Subcommand)]
pub enum Absent {
    /// Serve the whole HTTP API on this machine (in builds with the feature `serve`)
    #[command(disable_help_flag = true)]
    Serve(Words),
    /// Serve the stores alone, DynamoDB and S3 (in builds with the feature `serve`)
    #[command(disable_help_flag = true)]
    Stores(Words),
    /// Manage users and sales teams (in builds with the feature `serve`)
    #[command(disable_help_flag = true)]
    Admin(Words),
}

#[derive(Debug, clap::Args)]
pub struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<OsString>,
}

impl Absent {
    /// The error that says how to build the command.
    pub fn refusal(&self) -> CommandError {
        let (name, Words { words }) = match self {
            Self::Serve(words) => ("serve", words),
            Self::Stores(words) => ("stores", words),
            Self::Admin(words) => ("admin", words),
        };
        let call = [name.to_owned()].into_iter().chain(words.iter().map(|word| word.to_string_lossy().into_owned()));
        CommandError::Usage(format!(
            "This build of loan-engine has no `{name}`: run `cargo run --release --features serve -- {}` in the folder of its sources.",
            call.collect::<Vec<_>>().join(" ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(subcommand)]
        absent: Absent,
    }

    #[test]
    fn a_command_that_is_absent_says_in_one_sentence_how_to_get_it() {
        for call in
            ["serve", "serve --help", "serve --port 9000 --data-dir x", "stores", "admin create-team West", "admin --help"]
        {
            let program = Program::try_parse_from(["loan-engine"].into_iter().chain(call.split(' '))).unwrap();
            let CommandError::Usage(sentence) = program.absent.refusal() else { panic!("{call}") };
            assert!(sentence.contains(&format!("`cargo run --release --features serve -- {call}`")), "{sentence}");
            assert_eq!(sentence.matches(". ").count(), 0, "{sentence}");
        }
    }
}
