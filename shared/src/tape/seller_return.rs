//! Seller returns that come back: workbooks that the engine wrote for a seller, and that the seller has mended.
//!
//! A hidden sheet says how the tapes were read. Each sheet of a tape is read with the same columns, units, words and factors, so that
//! only what the seller has changed changes the loans. The engine's own column of reasons is dropped.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    error::{RunError, RunErrorCode, shortened},
    loan::MalformedReason,
    phases::validate::FirstUse,
};

use super::{
    FileLayout, KnownTape, Tape,
    aliases::fold_header,
    header::{Column, Header, MAX_HEADER_CHARACTERS},
    open_sheet,
    options::TapeOptions,
    records::{Shape, shape_of, split_fields},
    request::ReadingRequest,
    rows::RowLayout,
    source::TapeSource,
    workbook::{SheetRow, Workbook},
    workbook_error,
};

/// Name of the hidden sheet.
pub const RECORD_SHEET: &str = "loan_engine_return";
/// First cell of the hidden sheet.
pub const RECORD_MARK: &str = "Loan Engine seller return 1";
/// Header of the engine's own column, the first one of each sheet of a tape.
pub const REASONS_HEADER: &str = "reasons (Loan Engine)";
/// Begins the reasons of a row that could not be read.
pub const MALFORMED: &str = "malformed_row: ";
/// Largest record that is read, in bytes.
const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

/// How the tapes of a seller return were read. The hidden sheet holds it as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnRecord {
    /// The profile and the mapping of the run.
    pub reading: ReadingRequest,
    pub tapes: Vec<ReturnedTape>,
}

/// How a tape was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnedTape {
    /// Name of the sheet with the tape's loans.
    pub sheet: String,
    pub known: KnownTape,
    /// Loan numbers that loans outside of the return use: a loan of the return with such a number stays a duplicate.
    pub used: Vec<UsedNumber>,
}

/// A loan number that was used before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedNumber {
    pub number: String,
    /// Line of the first use.
    pub line: u64,
    /// Tape of the first use.
    pub source_file: String,
}

/// What the rows of a returned sheet need beyond those of another worksheet.
#[derive(Debug)]
pub struct ReturnedRows {
    /// The options of the return, in place of those of the run.
    options: TapeOptions,
    /// Index of the engine's own column.
    reasons: Option<usize>,
    used: HashMap<String, FirstUse>,
    /// Whether the cells were those of a worksheet, not of a text.
    of_worksheet: bool,
    /// The delimiter of the tape, in which rows that could not be read are written.
    delimiter: u8,
    width: usize,
}

impl ReturnedRows {
    pub fn options(&self) -> &TapeOptions {
        &self.options
    }

    /// Whether the tape was a worksheet.
    pub fn of_worksheet(&self) -> bool {
        self.of_worksheet
    }

    /// Index of the column that is dropped.
    pub fn dropped(&self) -> Option<usize> {
        self.reasons
    }

    /// The first use of a loan number outside of the return.
    pub fn first_use(&self, number: &str) -> Option<&FirstUse> {
        if self.used.is_empty() { None } else { self.used.get(number) }
    }

    /// The raw text of a row that could not be read and that the seller has not mended, with the reason; `None` for any other row.
    pub fn unmended<'r>(&self, row: &'r SheetRow) -> Option<(&'r str, MalformedReason)> {
        let reasons = self.reasons?;
        if !row.cell(reasons).starts_with(MALFORMED) {
            return None;
        }
        let mut filled = (0..row.len()).filter(|at| *at != reasons && !row.cell(*at).trim().is_empty());
        let (Some(raw), None) = (filled.next(), filled.next()) else { return None };
        let raw = row.cell(raw);
        let shape = shape_of(raw, self.delimiter);
        if let Shape::Malformed(reason) = shape {
            return Some((raw, reason));
        }
        let mut fields = Vec::new();
        split_fields(raw, shape, self.delimiter, &mut fields);
        let [expected, found] = [self.width, fields.len()].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        Some((raw, if expected == found { MalformedReason::RowsInside } else { MalformedReason::FieldCount { expected, found } }))
    }
}

/// Opens the tapes of a seller return; `None` for any other workbook.
///
/// # Errors
/// [`RunErrorCode::MissingColumns`] when a column that the run read is no longer there; the error of a workbook that cannot be
/// read.
pub(super) fn open<'s>(source: &'s dyn TapeSource, workbook: &Arc<Workbook>) -> Result<Option<Vec<Tape<'s>>>, RunError> {
    let Some(record) = read_record(source, workbook)? else { return Ok(None) };
    let Ok((options, _)) = record.reading.options() else { return Ok(None) };
    let mut tapes = Vec::new();
    for tape in record.tapes {
        let Some(sheet) = workbook.sheets().iter().position(|sheet| sheet.name == tape.sheet) else { continue };
        tapes.push(open_tape(source, workbook, sheet, tape, &options, tapes.is_empty())?);
    }
    Ok((!tapes.is_empty()).then_some(tapes))
}

/// Reads the hidden sheet; `None` when there is none, or it is not what the engine wrote.
fn read_record(source: &dyn TapeSource, workbook: &Workbook) -> Result<Option<ReturnRecord>, RunError> {
    let Some(sheet) = workbook.sheets().iter().position(|sheet| sheet.name == RECORD_SHEET) else { return Ok(None) };
    let (mut rows, mut row, mut json) = (open_sheet(source, workbook, sheet)?, SheetRow::default(), String::new());
    let mut next = |row: &mut SheetRow| rows.next_row(row).map_err(|error| workbook_error(source, error));
    if !next(&mut row)? || row.cell(0) != RECORD_MARK {
        return Ok(None);
    }
    while next(&mut row)? {
        json.push_str(row.cell(0));
        if json.len() > MAX_RECORD_BYTES {
            return Ok(None);
        }
    }
    Ok(serde_json::from_str(&json).ok())
}

fn open_tape<'s>(
    source: &'s dyn TapeSource,
    workbook: &Arc<Workbook>,
    sheet: usize,
    returned: ReturnedTape,
    options: &TapeOptions,
    is_first: bool,
) -> Result<Tape<'s>, RunError> {
    let (mut rows, mut row) = (open_sheet(source, workbook, sheet)?, SheetRow::default());
    rows.next_row(&mut row).map_err(|error| workbook_error(source, error))?;
    let name = &workbook.sheets()[sheet].name;
    let source_file = format!("{}[{}]", source.name(), shortened(name, MAX_HEADER_CHARACTERS));
    let headers: Vec<Cow<'_, str>> = row.cells().map(Cow::Borrowed).collect();
    let reasons = headers.iter().position(|header| header.trim() == REASONS_HEADER);
    let headers = headers.iter().enumerate().filter(|(at, _)| Some(*at) != reasons).map(|(_, header)| header.as_ref());
    let headers: Vec<&str> = headers.collect();
    let KnownTape { delimiter, columns, rows: layout, dates, .. } = returned.known;
    let width = columns.iter().filter(|column| column.position.is_some()).count();
    let columns = placed(&columns, &headers).map_err(|missing| {
        let message = format!(
            "The sheet \"{}\" of the seller return has no column \"{missing}\" any more. Put the column back, with its header as it was.",
            shortened(name, MAX_HEADER_CHARACTERS)
        );
        RunError::ingest(RunErrorCode::MissingColumns, &source_file, Some(row.line), message)
    })?;
    let used = returned.used.into_iter().map(|UsedNumber { number, line, source_file }| {
        (number, FirstUse { source_file: Some(source_file).filter(|name| !name.is_empty()), line })
    });
    let returned_rows = ReturnedRows {
        options: TapeOptions { sheet: None, ..options.clone() },
        reasons,
        used: used.collect(),
        of_worksheet: layout.any_width,
        delimiter: u8::try_from(delimiter).unwrap_or(b','),
        width,
    };
    Ok(Tape {
        source,
        is_first,
        file: FileLayout::Workbook { workbook: Arc::clone(workbook), sheet, name: name.clone() },
        header: Header::of_columns(row.line, columns),
        rows: RowLayout { any_width: true, unit_line: 0, unwraps: false, ..layout },
        dates,
        notices: Vec::new(),
        returned: Some(Arc::new(returned_rows)),
        name: source_file,
    })
}

/// Header of a column in a seller return. A tape without a header names its columns by their places.
pub fn written_header(column: &Column) -> Cow<'_, str> {
    match column.position {
        Some(position) if column.header.trim().is_empty() => Cow::Owned(format!("column {position}")),
        _ => Cow::Borrowed(&column.header),
    }
}

/// The known columns in the order of the headers that are there now. A header that is new is a column that is only kept.
///
/// # Errors
/// The header of a column that is no longer there, if the run read a field from it.
fn placed(known: &[Column], headers: &[&str]) -> Result<Vec<Column>, String> {
    let mut left: Vec<&Column> = known.iter().filter(|column| column.position.is_some()).collect();
    let mut columns = Vec::with_capacity(headers.len());
    for (at, header) in headers.iter().enumerate() {
        let folded = fold_header(header);
        let position = Some(at + 1);
        columns.push(match left.iter().position(|column| fold_header(&written_header(column)) == folded) {
            Some(found) => Column { position, ..left.remove(found).clone() },
            None => Column {
                position,
                header: header.trim().to_owned(),
                field: None,
                name: format!("{} ({})", header.trim(), at + 1),
                rank: None,
                unit: None,
                origin: None,
            },
        });
    }
    if let Some(missing) = left.iter().find(|column| column.field.is_some()) {
        return Err(written_header(missing).into_owned());
    }
    // A field without a column has the value that the profile gives.
    columns.extend(known.iter().filter(|column| column.position.is_none()).cloned());
    Ok(columns)
}
