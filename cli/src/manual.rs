//! `loan-engine completions` and `loan-engine man`: shell completions and manual pages of the commands.

use std::io::Write;

use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use command::{error::CommandError, plain_text::one_line, print};

use crate::arguments::Cli;

/// Prints the script that completes commands and options in a shell.
///
/// # Errors
/// [`CommandError::Failed`] when the script cannot be printed.
pub fn completions(shell: Shell, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "loan-engine", &mut script);
    print(out, &script)
}

/// Prints the manual page of a command, or of the program itself without words.
///
/// # Errors
/// [`CommandError::Usage`] when there is no such command, [`CommandError::Failed`] when the page cannot be printed.
pub fn man(words: &[String], out: &mut dyn Write) -> Result<(), CommandError> {
    let mut program = Cli::command();
    // Building the program passes global options and the names of pages to the commands.
    program.build();
    let mut command = &program;
    for word in words {
        command = named(command, word)?;
    }
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    let rendered = Man::new(command.clone()).title(name).render(&mut page);
    rendered.map_err(|error| CommandError::Failed(format!("The manual page could not be put together: {error}.")))?;
    print(out, &page)
}

fn named<'c>(command: &'c Command, word: &str) -> Result<&'c Command, CommandError> {
    command.find_subcommand(word).filter(|found| found.get_name() != "help").ok_or_else(|| {
        let names: Vec<&str> = command.get_subcommands().map(Command::get_name).filter(|name| *name != "help").collect();
        let there = match names.as_slice() {
            [] => format!("`{}` has no commands", command.get_name()),
            names => format!("`{}` has the commands {}", command.get_name(), names.join(", ")),
        };
        CommandError::Usage(format!("There is no command `{}`: {there}.", one_line(word)))
    })
}
