//! `loan-engine inspect`: shows what a tape is, and how a run would read it.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

use command::{
    CommandContext, Format,
    error::CommandError,
    plain_text::{count, one_line, short_line},
    print,
    text_table::{WIDTH, wrapped},
};
use shared::{
    loan::ColumnUnit,
    tape::{
        draft::draft_profile,
        inspect::{InspectedColumn, Inspection, inspect as inspect_tape},
        options::TapeOptions,
    },
};

use crate::{arguments::InspectArgs, reading::reading, tapes};

/// Characters shown of a header and of a sample.
const SHOWN_HEADER: usize = 34;
const SHOWN_SAMPLE: usize = 24;

/// Inspects a tape and prints what it is.
///
/// # Errors
/// [`CommandError::Usage`] when the arguments do not name one tape, a profile cannot be read, or the file of `--write` exists;
/// [`CommandError::Failed`] when the file is no tape, or the draft cannot be written.
pub fn inspect(args: &InspectArgs, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let found = tapes::find(std::slice::from_ref(&args.tape), context)?;
    let reading = reading(&args.reading, &found, context)?;
    let (options, _) = reading.options().map_err(|error| CommandError::Usage(error.to_string()))?;
    let (mut tapes, _) = found.with_headers(&options)?;
    if tapes.len() > 1 {
        return Err(CommandError::Usage("Name one tape to inspect, and no folder of several.".to_owned()));
    }
    tapes::read_standard_input(&mut tapes, context)?;
    let Some(tape) = tapes.first() else { return Err(CommandError::Usage("There is no tape to inspect.".to_owned())) };
    let inspection = inspect_tape(tape.source()?.as_ref(), &options)?;
    if let Some(shown) = &args.write {
        write_draft(shown, &inspection, &options, context)?;
    }
    match args.format {
        Format::Table => print(out, table(&inspection, args).as_bytes()),
        Format::Json => {
            let mut json = serde_json::to_vec_pretty(&inspection)
                .map_err(|error| CommandError::Failed(format!("The answer could not be put together: {error}.")))?;
            json.push(b'\n');
            print(out, &json)
        }
    }
}

/// Writes a draft of a profile, never over an existing file.
fn write_draft(
    shown: &Path,
    inspection: &Inspection,
    options: &TapeOptions,
    context: &CommandContext,
) -> Result<(), CommandError> {
    let name = shown.file_stem().unwrap_or_default().to_string_lossy();
    let draft = draft_profile(inspection, options, &name);
    let file = OpenOptions::new().write(true).create_new(true).open(context.locate(shown));
    file.and_then(|mut file| file.write_all(draft.as_bytes())).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            CommandError::Usage(format!("{} is there already. Name a new file with --write.", shown.display()))
        }
        _ => CommandError::Failed(format!("{} could not be written: {error}.", shown.display())),
    })
}

fn table(inspection: &Inspection, args: &InspectArgs) -> String {
    let mut out = String::new();
    if let Some(mapping) = &inspection.mapping {
        let header = match mapping.header_line {
            0 => "no header".to_owned(),
            line => format!("header in line {line}"),
        };
        let sheet = mapping.sheet.as_ref().map_or_else(String::new, |sheet| format!(", sheet \"{}\"", short_line(sheet, 40)));
        let file = short_line(&mapping.source_file, 60);
        let (format, rows) = (mapping.format.to_uppercase(), count(inspection.rows));
        out.push_str(&format!("{file}: {format}{sheet}, {header}; {rows} loans looked at"));
        if inspection.ignored_rows > 0 {
            out.push_str(&format!("; rows that are no loans: {}", count(inspection.ignored_rows)));
        }
        out.push('\n');
    }
    let (fields, kept): (Vec<_>, Vec<_>) = inspection.columns.iter().partition(|column| column.column.field.is_some());
    section(&mut out, "Fields", &fields);
    if args.all {
        section(&mut out, "Kept as text", &kept);
    } else if !kept.is_empty() {
        let names: Vec<String> = kept.iter().map(|column| short_line(&column.column.name, SHOWN_HEADER)).collect();
        out.push_str(&format!("\nKept as text\n  {}\n", wrapped(&names.join(", "), WIDTH - 2, 2)));
    }
    if !inspection.missing.is_empty() {
        out.push_str("\nRequired, and not found\n");
        for missing in &inspection.missing {
            let closest: Vec<String> = missing.closest.iter().map(|header| short_line(header, SHOWN_HEADER)).collect();
            let closest = if closest.is_empty() { String::new() } else { format!("; closest: {}", closest.join(", ")) };
            out.push_str(&format!("  {}{closest}\n", missing.field));
        }
    }
    if !inspection.notices.is_empty() {
        out.push_str("\nNotices\n");
        for notice in &inspection.notices {
            out.push_str(&format!("  {}\n", wrapped(&one_line(&notice.message), WIDTH - 2, 4)));
        }
    }
    match &inspection.error {
        Some(error) => out.push_str(&format!("\nA run would fail\n  {}\n", wrapped(&one_line(&error.to_string()), WIDTH - 2, 2))),
        None => out.push_str("\nA run can read this tape.\n"),
    }
    out
}

/// Appends a section of columns, each with samples of its cells and the values read from them.
fn section(out: &mut String, title: &str, columns: &[&InspectedColumn]) {
    if columns.is_empty() {
        return;
    }
    out.push_str(&format!("\n{title}\n"));
    for InspectedColumn { column, samples, values, readable, unknown_words } in columns {
        let place = column.position.map_or_else(|| "constant".to_owned(), |position| format!("column {position}"));
        let field = column.field.as_ref().map_or_else(String::new, |field| format!(" -> {field}"));
        let unit = match column.unit {
            Some(ColumnUnit::Fraction) => ", fractions",
            Some(ColumnUnit::Percent) => ", percent",
            None => "",
        };
        let share =
            if values == readable { String::new() } else { format!(", {} of {} readable", count(*readable), count(*values)) };
        out.push_str(&format!("  {} ({place}{unit}{share}){field}\n", short_line(&column.header, SHOWN_HEADER)));
        let shown: Vec<String> = samples
            .iter()
            .map(|sample| {
                let written = short_line(&sample.written, SHOWN_SAMPLE);
                match &sample.read {
                    Some(read) if *read == sample.written => written,
                    Some(read) if read.is_empty() => format!("{written} = nothing"),
                    Some(read) => format!("{written} = {}", short_line(read, SHOWN_SAMPLE)),
                    None => format!("{written} = ?"),
                }
            })
            .collect();
        if !shown.is_empty() {
            out.push_str(&format!("      {}\n", wrapped(&shown.join(" | "), WIDTH - 6, 6)));
        }
        if !unknown_words.is_empty() {
            let words: Vec<String> = unknown_words
                .iter()
                .map(|unknown| format!("{} ({})", short_line(&unknown.word, SHOWN_SAMPLE), count(unknown.count)))
                .collect();
            out.push_str(&format!("      not known: {}\n", wrapped(&words.join(", "), WIDTH - 17, 17)));
        }
    }
}
