//! `loan-engine completions` and `loan-engine man`: what a shell and a reader of manuals want to know of the commands.

use std::io::Write;

use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use command::{error::CommandError, plain_text::one_line, print};

use crate::arguments::Cli;

/// Prints the script that completes commands and options in a shell.
///
/// # Errors
/// It cannot be printed.
pub fn completions(shell: Shell, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "loan-engine", &mut script);
    print(out, &script)
}

/// Prints the manual page of a command: of the program itself where no word names one.
///
/// # Errors
/// There is no such command, or the page cannot be printed.
pub fn man(words: &[String], out: &mut dyn Write) -> Result<(), CommandError> {
    let mut program = Cli::command();
    // Global options and the names of pages reach the commands when the program is built.
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
