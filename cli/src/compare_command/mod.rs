//! `loan-engine compare`: what differs between two runs, loan by loan.

mod table;

use std::io::{self, Write};

use command::{CommandContext, error::CommandError};
use shared::{
    facts::read::{RangeReader, ReadError},
    questions::compare::{
        CellText, ComparedLoan, ComparedRun, Comparison, Question, RunSettings, WriteError, comparable_fields,
        compare as compare_runs, differing, write_comparison,
    },
    results::csv::push_text,
};

use crate::{
    arguments::{CompareArgs, CompareFormat},
    run_command::tuning,
    stored_run::{StoredRun, unreadable},
};

/// Number of bytes of output that are written at once.
const WRITTEN_AT_ONCE: usize = 64 * 1024;
const CSV_HEADER: &str = "seller_loan_number,base_row,with_row,base_disposition,with_disposition,base_final_price,with_final_price,\
                          fields,reasons_gone,reasons_new\n";

/// Compares two runs and prints what differs.
///
/// # Errors
/// [`CommandError::Usage`] when a folder has no results, or a tolerance is of no field with numbers; [`CommandError::Failed`] when the
/// results cannot be read.
pub fn compare(args: &CompareArgs, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let [base, with] = [StoredRun::open(&args.base, context)?, StoredRun::open(&args.with, context)?];
    let fields = comparable_fields(&base.rules, &with.rules);
    let question = Question { tolerances: args.tolerance.clone(), ..Question::default() };
    let mistakes = question.mistakes(&fields);
    if !mistakes.is_empty() {
        let lines = mistakes.into_iter().map(|(name, sentence)| format!("error: --{name}: {sentence}"));
        return Err(CommandError::Mistakes(lines.collect()));
    }
    let settings = |run: &StoredRun| {
        let parameters = &run.manifest.parameters;
        Ok::<_, CommandError>(RunSettings::new(run.irr_target()?.percent(), parameters.pdate, &run.manifest.reading, &run.rules))
    };
    let settings = differing(&settings(&base)?, &settings(&with)?);
    let runs =
        [&base, &with].map(|run| ComparedRun { run_id: run.manifest.run_id, facts: &run.facts, exceptions: &run.exceptions });
    // Both runs have files of the same names.
    let failed = |error: ReadError| unreadable(&format!("{} or {}", args.base.display(), args.with.display()), &error);
    let comparison = compare_runs(runs, &fields, &question, settings, tuning(&args.work).threads).map_err(failed)?;
    let mut printer = Printer { out, buffer: Vec::with_capacity(WRITTEN_AT_ONCE) };
    let printed = match args.format {
        CompareFormat::Table => table::print_table(&comparison, args, &mut printer),
        CompareFormat::Json => write_comparison(&comparison, 0, usize::MAX, printer.out).map_err(Stopped::from),
        CompareFormat::Csv => print_csv(&comparison, &mut printer),
    };
    match printed.and_then(|()| Ok(printer.flush()?)) {
        // A reader that closes the pipe, as `head` does, is no failure.
        Ok(()) => Ok(()),
        Err(Stopped::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Stopped::Write(error)) => Err(CommandError::Failed(format!("The answer could not be printed: {error}."))),
        Err(Stopped::Read(error)) => Err(failed(error)),
    }
}

/// Why printing stops.
enum Stopped {
    Read(ReadError),
    Write(io::Error),
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<WriteError> for Stopped {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Read(error) => Self::Read(error),
            WriteError::Write(error) => Self::Write(error),
        }
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Writes in large pieces.
struct Printer<'o> {
    out: &'o mut dyn Write,
    buffer: Vec<u8>,
}

impl Printer<'_> {
    /// Writes what the buffer holds, once it is full.
    fn pass_on(&mut self) -> io::Result<()> {
        if self.buffer.len() >= WRITTEN_AT_ONCE {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.out.flush()
    }
}

/// Prints the whole list as CSV.
fn print_csv<R: RangeReader>(comparison: &Comparison<'_, R>, printer: &mut Printer<'_>) -> Result<(), Stopped> {
    printer.buffer.extend_from_slice(CSV_HEADER.as_bytes());
    comparison.each_loan(0, usize::MAX, |loan| {
        push_csv(&mut printer.buffer, &loan);
        Ok::<_, Stopped>(printer.pass_on()?)
    })
}

fn push_csv(out: &mut Vec<u8>, loan: &ComparedLoan) {
    push_text(out, &loan.seller_loan_number);
    for row in [loan.base_row, loan.with_row] {
        out.push(b',');
        row.into_iter().for_each(|row| out.extend_from_slice(row.to_string().as_bytes()));
    }
    for disposition in loan.disposition {
        out.push(b',');
        disposition.into_iter().for_each(|disposition| out.extend_from_slice(disposition.as_str().as_bytes()));
    }
    for price in loan.final_price {
        out.push(b',');
        price.into_iter().for_each(|price| out.extend_from_slice(price.with_min_decimals(4).as_bytes()));
    }
    out.push(b',');
    push_text(out, &changes(loan));
    for reasons in [&loan.reasons.gone, &loan.reasons.new] {
        out.push(b',');
        push_text(out, &reasons.join(" "));
    }
    out.push(b'\n');
}

/// The fields that differ: `ltv_ratio: 97.8 -> 96.5; dti_ratio: missing -> 40`.
fn changes(loan: &ComparedLoan) -> String {
    let mut text = String::new();
    for (field, [base, with]) in &loan.fields.0 {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(field);
        text.push_str(": ");
        push_cell(&mut text, base);
        text.push_str(" -> ");
        push_cell(&mut text, with);
    }
    text
}

fn push_cell(out: &mut String, cell: &CellText) {
    match cell {
        CellText::Missing => out.push_str("missing"),
        CellText::Number(number) => number.push_plain(out, 0),
        CellText::Whole(number) => out.push_str(&number.to_string()),
        CellText::Text(text) => out.push_str(text),
    }
}
