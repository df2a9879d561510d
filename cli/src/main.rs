//! The `loan-engine` command.

use std::{
    env,
    io::{self, IsTerminal as _},
    process::ExitCode,
    sync::Arc,
};

use cli::main_with;
use command::CommandContext;
use console::Term;
use shared::{auth::secret::Secret, clock::SystemClock};

/// Answering requests allocates and frees small pieces on many threads. With the system's allocator, a page of loans takes half
/// as long again.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let context = CommandContext {
        clock: Arc::new(SystemClock),
        current_dir: env::current_dir().unwrap_or_default(),
        terminal: io::stderr().is_terminal(),
        variable,
        signals: true,
        standard_input: || Box::new(io::stdin()),
        ask_password,
        types_passwords: is_typed(),
    };
    // Standard error is not locked: the progress bar writes there too, from other threads.
    ExitCode::from(main_with(env::args_os(), &context, &mut io::stdout().lock(), &mut io::stderr()))
}

#[expect(clippy::disallowed_methods, reason = "the command gets its environment variables through this function")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Whether the user types passwords at a terminal.
fn is_typed() -> bool {
    io::stdin().is_terminal() && Term::stderr().is_term()
}

/// Reads a password: the typed answer to the question, or the next line of piped input. A password is never an argument, because
/// all users of the machine can see arguments.
fn ask_password(question: &str) -> io::Result<Secret> {
    if is_typed() {
        let terminal = Term::stderr();
        terminal.write_str(question)?;
        return terminal.read_secure_line().map(Secret::new);
    }
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Secret::new(line.strip_suffix('\n').map_or(line.as_str(), |line| line.strip_suffix('\r').unwrap_or(line))))
}
