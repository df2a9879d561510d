//! The `loan-engine` command.

use std::{
    env,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use local::{Surroundings, main_with};
use shared::clock::SystemClock;

fn main() -> ExitCode {
    let around = Surroundings {
        clock: Box::new(SystemClock),
        current_dir: env::current_dir().unwrap_or_default(),
        terminal: io::stderr().is_terminal(),
    };
    // Standard error is not locked: the progress bar writes there too, from other threads.
    ExitCode::from(main_with(env::args_os(), &around, &mut io::stdout().lock(), &mut io::stderr()))
}
