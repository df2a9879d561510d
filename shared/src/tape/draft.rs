//! Drafts of profiles: writes a profile that reads a tape in the same way as it was read.

use std::fmt::Write as _;

use crate::loan::Field;

use super::{
    aliases::fold_header,
    header::Column,
    inspect::{InspectedColumn, Inspection, MissingField, UnknownWord},
    options::{ALL_SHEETS, ColumnPlace, FieldColumn, HeaderPlace, LatestRows, NumberStyle, TapeOptions},
    profile::{DATE_ORDERS, ENCODINGS},
};

/// Drafts a profile that reads a tape as the inspection shows it. The user completes the draft. `options` are those of the
/// inspection.
pub fn draft_profile(inspection: &Inspection, options: &TapeOptions, name: &str) -> String {
    let mut draft = format!("name = {}\nversion = \"draft\"\n", quoted(name));
    file_section(&mut draft, inspection, options);
    draft.push_str("\n[columns]\n");
    for InspectedColumn { column, unknown_words, .. } in &inspection.columns {
        let (Some(field), Some(_)) = (column.known(), column.position) else { continue };
        let told = options.columns.iter().find(|told| told.field == field);
        line(&mut draft, format_args!("{field} = {{ {} }}", entries(column, inspection, told).join(", ")));
        for UnknownWord { word, count } in unknown_words {
            let hint = "words = { … } replaces the words that are known";
            line(&mut draft, format_args!("# {count} times {} is no word of {field}: {hint}", quoted(word)));
        }
    }
    if !options.constants.is_empty() {
        draft.push_str("\n[constants]\n");
    }
    for (field, cell) in &options.constants {
        line(&mut draft, format_args!("{field} = {}", quoted(cell)));
    }
    if !options.ignored.is_empty() {
        line(&mut draft, format_args!("\n[ignore]\ncolumns = {}", list(&options.ignored)));
    }
    if let Some(LatestRows { period, dates }) = &options.latest {
        let column = match period {
            ColumnPlace::Position(position) => position.to_string(),
            ColumnPlace::Headers(headers) => list(headers),
        };
        let date = dates.and_then(|dates| word_of(&DATE_ORDERS, dates));
        let date = date.map_or_else(String::new, |date| format!(", date = \"{date}\""));
        let by = Field::SellerLoanNumber;
        line(&mut draft, format_args!("\n[rows]\nkeep = {{ column = {column}, is = \"latest\"{date}, by = \"{by}\" }}"));
    }
    for MissingField { field, closest } in &inspection.missing {
        let closest = if closest.is_empty() { String::new() } else { format!("; closest: {}", closest.join(", ")) };
        line(&mut draft, format_args!("# {field} = \"…\" is required, and no column has it{closest}"));
    }
    draft
}

/// Writes the section `[file]`: how the file is read.
fn file_section(draft: &mut String, inspection: &Inspection, options: &TapeOptions) {
    let Some(mapping) = &inspection.mapping else { return };
    draft.push_str("\n[file]\n");
    if let Some(delimiter) = mapping.delimiter {
        line(draft, format_args!("delimiter = {}", quoted(&delimiter.to_string())));
    }
    let all = options.sheet.as_deref().filter(|sheet| *sheet == ALL_SHEETS);
    if let Some(sheet) = all.or(mapping.sheet.as_deref()) {
        line(draft, format_args!("sheet = {}", quoted(sheet)));
    }
    match &options.header {
        HeaderPlace::Nowhere => draft.push_str("header = \"none\"\n"),
        HeaderPlace::Rows(rows) if rows.len() == 1 => line(draft, format_args!("header = {}", rows[0])),
        HeaderPlace::Rows(rows) => line(draft, format_args!("header = {rows:?}")),
        HeaderPlace::Found => {}
    }
    if let Some(encoding) = options.encoding.and_then(|encoding| word_of(&ENCODINGS, encoding)) {
        line(draft, format_args!("encoding = \"{encoding}\""));
    }
    if let Some(NumberStyle { decimal, thousands }) = options.numbers {
        line(draft, format_args!("decimal = \"{decimal}\"\nthousands = \"{thousands}\""));
    }
    if let Some(order) = options.dates.and_then(|dates| word_of(&DATE_ORDERS, dates)) {
        line(draft, format_args!("date = \"{order}\""));
    }
}

/// The entries of a profile for a column that has a field.
fn entries(column: &Column, inspection: &Inspection, told: Option<&FieldColumn>) -> Vec<String> {
    let no_header = inspection.mapping.as_ref().is_some_and(|mapping| mapping.header_line == 0);
    let same = |other: &&InspectedColumn| {
        other.column.position.is_some() && fold_header(&other.column.header) == fold_header(&column.header)
    };
    let is_plain = !column.header.is_empty() && !no_header && inspection.columns.iter().filter(same).count() == 1;
    let mut entries = vec![match column.position {
        Some(position) if !is_plain => format!("position = {position}"),
        _ => format!("header = {}", quoted(&column.header)),
    }];
    let unit = column.unit.and_then(|unit| serde_json::to_string(&unit).ok());
    entries.extend(unit.map(|unit| format!("unit = {unit}")));
    if let Some(FieldColumn { times, missing, words, .. }) = told {
        entries.extend(times.map(|times| format!("times = {times}")));
        if !missing.is_empty() {
            entries.push(format!("missing = {}", list(missing)));
        }
        if let Some(words) = words {
            let pairs: Vec<String> = words.iter().map(|(code, word)| format!("{} = {}", quoted(code), quoted(word))).collect();
            entries.push(format!("words = {{ {} }}", pairs.join(", ")));
        }
    }
    entries
}

/// Finds the word for a value in a table of words and values.
fn word_of<T: PartialEq>(table: &[(&'static str, T)], value: T) -> Option<&'static str> {
    table.iter().find(|(_, of)| *of == value).map(|(word, _)| *word)
}

/// A TOML string. TOML reads every string that JSON writes, except for the control character U+007F.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

fn line(draft: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(draft, "{text}");
}
