//! The seller return: the loans that a run does not buy, as the seller sent them, with the reasons. When the seller sends the
//! workbook back, `tape/seller_return.rs` reads it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    io::Write,
};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    error::RunError,
    facts::{
        index::ResultsIndex,
        read::{ExceptionFilter, ExceptionRow, ExceptionsReader, FactFilter, FactRow, FactsReader, RangeReader, ReadError},
    },
    phases::disposition::Disposition,
    rules::Severity,
    tape::{
        KnownTape, Tape, block_text,
        header::Column,
        records::{Record, RecordBlock},
        request::ReadingRequest,
        rows::RowLayout,
        seller_return::{
            MALFORMED, REASONS_HEADER, RECORD_MARK, RECORD_SHEET, ReturnRecord, ReturnedTape, UsedNumber, written_header,
        },
        with_fields,
    },
};

use super::{
    WorkbookError,
    package::{SheetLimits, Workbook, WorkbookSetup},
    sheet::{Sheet, SheetColumn, SheetKind},
    styles::CellStyle,
};

/// File name of a seller return.
pub const RETURN_FILE: &str = "seller_return.xlsx";
/// Comment of the ZIP file. It identifies a seller return until the seller saves it again.
pub const RETURN_MARK: &str = "Seller return by Loan Engine";

/// Number of loans or exceptions read at once.
const ROWS: usize = 8192;
/// Bytes of a tape that are read at once.
const BLOCK_BYTES: usize = 512 * 1024;
/// Largest number of characters of the record in a cell.
const RECORD_CELL: usize = 30_000;
/// Longest name of a sheet, in characters.
const SHEET_NAME: usize = 31;

/// Kinds of exceptions that concern a loan and the others of its run.
const DUPLICATE: &str = "duplicate_loan";
const MALFORMED_ROW: &str = "malformed_row";

/// Why a seller return could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReturnError {
    /// A tape could not be read again.
    #[error(transparent)]
    Tape(#[from] RunError),
    /// The results could not be read, or the file could not be written.
    #[error(transparent)]
    Workbook(#[from] WorkbookError),
}

impl From<ReadError> for ReturnError {
    fn from(error: ReadError) -> Self {
        Self::Workbook(error.into())
    }
}

/// A run with its tapes, opened as the run opened them.
pub struct ReturnedRun<'r, 's, R> {
    pub run_id: Uuid,
    pub created_at: Timestamp,
    pub reading: &'r ReadingRequest,
    pub tapes: &'r [Tape<'s>],
    pub facts: &'r FactsReader<R>,
    pub exceptions: &'r ExceptionsReader<R>,
    pub index: &'r ResultsIndex,
}

/// A loan that goes back.
#[derive(Default)]
struct ReturnedLoan {
    number: String,
    held: Option<String>,
    reasons: Vec<LoanReason>,
}

/// Why a loan goes back.
struct LoanReason {
    exception_type: String,
    /// Fields of the exception, with commas between them.
    fields: String,
    message: String,
}

/// The loans that go back, by the index of their tape and their line.
struct ReturnedLoans {
    of_tape: Vec<BTreeMap<u64, ReturnedLoan>>,
}

/// Writes the seller return of a run.
///
/// # Errors
/// [`ReturnError::Tape`] when a tape cannot be read; [`ReturnError::Workbook`] when the results cannot be read or the output cannot
/// be written.
pub fn write_seller_return<W: Write, R: RangeReader>(
    out: W,
    run: &ReturnedRun<'_, '_, R>,
    limits: SheetLimits,
) -> Result<(), ReturnError> {
    let loans = ReturnedLoans::read(run)?;
    let sheets: Vec<ReturnSheet<'_, '_>> = loans.sheets(run.tapes, limits);
    let title = format!("Seller return of run {}", run.run_id);
    let setup = WorkbookSetup { title: &title, created: Some(run.created_at), mark: RETURN_MARK, noted: 2..sheets.len() + 2 };
    let mut workbook = Workbook::with_setup(out, &setup, limits)?;
    loans.write_counts(&mut workbook, &title)?;
    let mut at = 0;
    for (tape, rows) in run.tapes.iter().zip(&loans.of_tape).filter(|(_, rows)| !rows.is_empty()) {
        let of_tape = sheets[at..].iter().take_while(|sheet| std::ptr::eq(sheet.tape, tape)).count();
        write_tape(&mut workbook, &sheets[at..at + of_tape], rows)?;
        at += of_tape;
    }
    write_record(&mut workbook, run, &sheets, &loans)?;
    Ok(workbook.finish()?)
}

/// A sheet of a tape.
struct ReturnSheet<'t, 's> {
    tape: &'t Tape<'s>,
    name: String,
    rows: usize,
}

impl ReturnedLoans {
    fn read<R: RangeReader>(run: &ReturnedRun<'_, '_, R>) -> Result<Self, ReturnError> {
        let tapes: HashMap<&str, usize> = run.tapes.iter().enumerate().map(|(at, tape)| (tape.name(), at)).collect();
        let mut loans = Self { of_tape: run.tapes.iter().map(|_| BTreeMap::new()).collect() };
        for disposition in [Disposition::Rejected, Disposition::Projected] {
            let filter = FactFilter { disposition: Some(disposition), ..FactFilter::default() };
            let mut skip = 0;
            loop {
                let rows = run.facts.page(run.index, &filter, skip, ROWS)?;
                if rows.is_empty() {
                    break;
                }
                skip += rows.len() as u64;
                for FactRow { source_file, line, seller_loan_number, projection_reason, .. } in rows {
                    let Some(tape) = tapes.get(source_file.as_str()) else { continue };
                    let held = projection_reason.or((disposition == Disposition::Projected).then(String::new));
                    let loan = ReturnedLoan { number: seller_loan_number, held, reasons: Vec::new() };
                    loans.of_tape[*tape].insert(line, loan);
                }
            }
        }
        let mut skip = 0;
        loop {
            let rows = run.exceptions.page(run.index, &ExceptionFilter::default(), skip, ROWS)?;
            if rows.is_empty() {
                return Ok(loans);
            }
            skip += rows.len() as u64;
            for row in rows {
                let loan = tapes.get(row.source_file.as_str()).and_then(|tape| loans.of_tape[*tape].get_mut(&row.line));
                // A soft exception does not reject a loan, but it may hold one.
                if let Some(loan) = loan.filter(|loan| loan.held.is_some() || row.severity == Severity::Hard) {
                    loan.reasons.push(LoanReason::of(row));
                }
            }
        }
    }

    /// The sheets of the tapes that have loans here.
    fn sheets<'t, 's>(&self, tapes: &'t [Tape<'s>], limits: SheetLimits) -> Vec<ReturnSheet<'t, 's>> {
        let most = usize::try_from(limits.rows).unwrap_or(usize::MAX).saturating_sub(1).max(1);
        let mut sheets: Vec<ReturnSheet<'t, 's>> = Vec::new();
        for (at, (tape, rows)) in tapes.iter().zip(&self.of_tape).enumerate() {
            for begun in (0..rows.len()).step_by(most) {
                let part = if begun == 0 { String::new() } else { format!(" {}", begun / most + 1) };
                let name = sheet_name(at + 1, tape.name(), &part);
                sheets.push(ReturnSheet { tape, name, rows: most.min(rows.len() - begun) });
            }
        }
        sheets
    }

    /// Writes the first sheet: how many loans go back for each reason.
    fn write_counts<W: Write>(&self, workbook: &mut Workbook<W>, title: &str) -> Result<(), WorkbookError> {
        let mut counts: BTreeMap<(bool, &str), (u64, &str)> = BTreeMap::new();
        let (mut rejected, mut held) = (0, 0);
        for loan in self.of_tape.iter().flat_map(BTreeMap::values) {
            *(if loan.held.is_some() { &mut held } else { &mut rejected }) += 1;
            let mut kinds: Vec<(&str, &str)> =
                loan.reasons.iter().map(|reason| (reason.exception_type.as_str(), reason.message.as_str())).collect();
            if let (Some(reason), true) = (&loan.held, kinds.is_empty()) {
                kinds.push(("held", reason));
            }
            kinds.sort_by_key(|(kind, _)| *kind);
            kinds.dedup_by_key(|(kind, _)| *kind);
            for (kind, message) in kinds {
                counts.entry((loan.held.is_some(), kind)).or_insert((0, message)).0 += 1;
            }
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|((is_held, _), (loans, _))| (*is_held, std::cmp::Reverse(*loans)));
        let columns = [("Reason", 28), ("Loans", 10), ("Decision", 12), ("First message", 80)];
        let columns = columns.map(|(name, width)| SheetColumn::new(name, width));
        let mut sheet = workbook.page("Reasons", &columns)?;
        sheet.row(|row| row.text(CellStyle::Title, title))?;
        let told = "Mend the coloured cells and send this workbook back: it is read with the same columns and units.";
        sheet.row(|row| row.text(CellStyle::Plain, told))?;
        sheet.row(|_| ())?;
        sheet.row(|row| columns.iter().for_each(|column| row.text(CellStyle::Heading, &column.name)))?;
        for ((is_held, kind), (loans, message)) in counts {
            sheet.row(|row| {
                row.text(CellStyle::Plain, kind);
                row.count(CellStyle::Count, loans);
                row.text(CellStyle::Plain, if is_held { "held" } else { "rejected" });
                row.text(CellStyle::Plain, message);
            })?;
        }
        sheet.row(|_| ())?;
        for (what, loans) in [("All rejected loans", rejected), ("All held loans", held)] {
            sheet.row(|row| {
                row.text(CellStyle::Heading, what);
                row.count(CellStyle::Count, loans);
            })?;
        }
        sheet.finish()
    }

    /// Loan numbers of duplicates whose first use does not go back.
    fn used_outside(&self) -> Vec<UsedNumber> {
        let is_duplicate = |loan: &&ReturnedLoan| loan.reasons.iter().any(|reason| reason.exception_type == DUPLICATE);
        let all = || self.of_tape.iter().flat_map(BTreeMap::values);
        let here: HashSet<&str> = all().filter(|loan| !is_duplicate(loan)).map(|loan| loan.number.as_str()).collect();
        let mut used = BTreeMap::new();
        for loan in all().filter(is_duplicate).filter(|loan| !here.contains(loan.number.as_str())) {
            let messages = loan.reasons.iter().filter(|reason| reason.exception_type == DUPLICATE);
            let place = messages.filter_map(|reason| reason.message.rsplit_once(" on line ")).map(|(_, place)| place).next();
            let (line, source_file) = place.map_or(("", ""), |place| place.split_once(" of ").unwrap_or((place, "")));
            let place = (line.parse().unwrap_or_default(), source_file.to_owned());
            used.entry(loan.number.as_str()).or_insert(place);
        }
        let used = used.into_iter();
        used.map(|(number, (line, source_file))| UsedNumber { number: number.to_owned(), line, source_file }).collect()
    }
}

impl LoanReason {
    fn of(row: ExceptionRow) -> Self {
        let message = match row.program.flatten() {
            Some(program) => format!("{program}: {}", row.message),
            None => row.message,
        };
        Self { exception_type: row.exception_type, fields: row.field, message }
    }
}

impl ReturnedLoan {
    fn is_malformed(&self) -> bool {
        self.reasons.iter().any(|reason| reason.exception_type == MALFORMED_ROW)
    }

    /// The reasons, one per line.
    fn shown(&self) -> String {
        let held = self.held.as_deref().filter(|reason| !reason.is_empty());
        let lines = held.into_iter().chain(self.reasons.iter().map(|reason| reason.message.as_str()));
        let mut shown: Vec<&str> = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            if !shown.contains(&line) {
                shown.push(line);
            }
        }
        format!("{}{}", if self.is_malformed() { MALFORMED } else { "" }, shown.join("\n"))
    }

    /// The messages about each column, by the index of the column.
    fn notes(&self, columns: &[&Column]) -> BTreeMap<usize, String> {
        let mut notes: BTreeMap<usize, String> = BTreeMap::new();
        for reason in &self.reasons {
            for field in reason.fields.split(',').map(str::trim) {
                let is_it = |column: &&Column| column.field.is_some() && column.name == field;
                let Some(at) = columns.iter().position(is_it) else { continue };
                let note = notes.entry(at).or_default();
                if !note.is_empty() {
                    note.push('\n');
                }
                note.push_str(&reason.message);
            }
        }
        notes
    }
}

/// Name of the sheet of a tape, by its number in the run.
fn sheet_name(number: usize, tape: &str, part: &str) -> String {
    let allowed = |c: char| if "[]:*?/\\'\"&<>".contains(c) || c.is_control() { '_' } else { c };
    let begun = format!("{number} ");
    let room = SHEET_NAME.saturating_sub(begun.len() + part.len());
    // A sheet name counts in UTF-16 units.
    let mut units = 0;
    let kept = tape.chars().map(allowed).take_while(|c| {
        units += c.len_utf16();
        units <= room
    });
    format!("{begun}{}{part}", kept.collect::<String>().trim_end())
}

/// The columns of a tape that are in its file, from left to right.
fn columns_of<'t>(tape: &'t Tape<'_>) -> Vec<&'t Column> {
    tape.header().columns.iter().filter(|column| column.position.is_some()).collect()
}

/// Writes the loans of a tape to its sheets: first the loans, then the rows that could not be read.
fn write_tape<W: Write>(
    workbook: &mut Workbook<W>,
    sheets: &[ReturnSheet<'_, '_>],
    loans: &BTreeMap<u64, ReturnedLoan>,
) -> Result<(), ReturnError> {
    let mut sheets = sheets.iter();
    let Some(first) = sheets.next() else { return Ok(()) };
    let (tape, columns) = (first.tape, columns_of(first.tape));
    let headers = columns.iter().map(|column| SheetColumn::new(written_header(column).into_owned(), 12));
    let headers: Vec<SheetColumn> = [SheetColumn::new(REASONS_HEADER, 60)].into_iter().chain(headers).collect();
    let mut sheet = Sheet::begin(workbook, first.name.clone().into(), &headers, SheetKind::Noted)?;
    let (mut left, mut malformed) = (first.rows, Vec::new());
    let (mut reader, mut block) = (tape.read(BLOCK_BYTES, false, None)?, RecordBlock::default());
    let mut more = true;
    while more {
        more = reader.next_block(&mut block)?;
        let text = if more { block_text(&block, tape.source())? } else { "" };
        // The rows that could not be read come below all loans.
        let unread = if more { Vec::new() } else { std::mem::take(&mut malformed) };
        let records: &[Record] = if more { &block.records } else { &[] };
        for (line, record) in
            records.iter().map(|record| (record.line, Some(record))).chain(unread.iter().map(|(line, _)| (*line, None)))
        {
            let Some(loan) = loans.get(&line) else { continue };
            let raw = record.map(|record| &text[record.start as usize..record.end as usize]);
            if let (Some(raw), true) = (raw, loan.is_malformed()) {
                malformed.push((line, raw.to_owned()));
                continue;
            }
            if left == 0
                && let Some(next) = sheets.next()
            {
                sheet.finish()?;
                sheet = Sheet::begin(workbook, next.name.clone().into(), &headers, SheetKind::Noted)?;
                left = next.rows;
            }
            left = left.saturating_sub(1);
            match record {
                Some(record) => {
                    let mut written = Ok(());
                    with_fields(text, record, tape.delimiter(), tape.rows().unwraps, |cells| {
                        written = write_loan(&mut sheet, loan, &columns, cells);
                    });
                    written?;
                }
                None => {
                    let raw = unread.iter().find(|(at, _)| *at == line).map_or("", |(_, raw)| raw.as_str());
                    write_loan(&mut sheet, loan, &columns, &[Cow::Borrowed(raw)])?;
                }
            }
        }
    }
    Ok(sheet.finish()?)
}

/// Writes the reasons and the cells of a loan. Failing cells are coloured and have a note.
fn write_loan<W: Write>(
    sheet: &mut Sheet<'_, W>,
    loan: &ReturnedLoan,
    columns: &[&Column],
    cells: &[Cow<'_, str>],
) -> Result<(), WorkbookError> {
    let notes = if loan.is_malformed() { BTreeMap::new() } else { loan.notes(columns) };
    // A failing cell may be empty: its colour shows where the value is missing.
    let count = columns.len().max(1);
    sheet.row(|row| {
        row.text(CellStyle::Wrapped, &loan.shown());
        for at in 0..count {
            let cell = cells.get(at).map_or("", |cell| cell.as_ref());
            match (notes.contains_key(&at), cell.is_empty()) {
                (true, true) => row.blank(CellStyle::Failed),
                (true, false) => row.text(CellStyle::Failed, cell),
                (false, _) => row.text(CellStyle::Code, cell),
            }
        }
    })?;
    for (at, message) in notes {
        sheet.note(at + 1, message);
    }
    Ok(())
}

/// Writes the hidden sheet.
fn write_record<W: Write, R>(
    workbook: &mut Workbook<W>,
    run: &ReturnedRun<'_, '_, R>,
    sheets: &[ReturnSheet<'_, '_>],
    loans: &ReturnedLoans,
) -> Result<(), WorkbookError> {
    let used = loans.used_outside();
    let tape = |sheet: &ReturnSheet<'_, '_>| {
        let known = sheet.tape.knowledge();
        let known =
            KnownTape { rows: RowLayout { any_width: sheet.tape.is_worksheet(), ..known.rows }, notices: Vec::new(), ..known };
        ReturnedTape { sheet: sheet.name.clone(), known, used: used.clone() }
    };
    let record = ReturnRecord { reading: run.reading.clone(), tapes: sheets.iter().map(tape).collect() };
    let json = serde_json::to_string(&record)?;
    let columns = [SheetColumn::new("record", 20)];
    let mut sheet = Sheet::begin(workbook, RECORD_SHEET.into(), &columns, SheetKind::Hidden)?;
    sheet.row(|row| row.text(CellStyle::Code, RECORD_MARK))?;
    let mut rest = json.as_str();
    while !rest.is_empty() {
        let mut end = rest.floor_char_boundary(RECORD_CELL.min(rest.len()));
        // A reader of worksheets may drop blanks at the edges of a cell.
        while end < rest.len() && end > 1 && (rest[..end].ends_with(' ') || rest[end..].starts_with(' ')) {
            end = rest.floor_char_boundary(end - 1);
        }
        let (cell, more) = rest.split_at(end);
        sheet.row(|row| row.text(CellStyle::Code, cell))?;
        rest = more;
    }
    sheet.finish()
}
