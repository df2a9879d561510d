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

/// Many threads take and give back small pieces all the time while requests are answered: the system's allocator makes a page
/// of loans half as slow again.
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

#[expect(clippy::disallowed_methods, reason = "here the environment comes in; what it means is decided elsewhere")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Whether passwords are typed in.
fn is_typed() -> bool {
    io::stdin().is_terminal() && Term::stderr().is_term()
}

/// A password typed in answer to the question, or the next line of what is piped in. It never is an argument, because
/// those are shown to everybody on the machine.
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
