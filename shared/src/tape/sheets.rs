//! Chooses the worksheet of a workbook that is the tape.

use std::borrow::Cow;

use crate::error::{RunError, RunErrorCode, shortened};

use super::{
    header::{HEADER_ROWS, HeaderReading, HeaderSearch, MAX_HEADER_CHARACTERS},
    notices::{Notice, NoticeCode},
    open_sheet,
    options::{ALL_SHEETS, TapeOptions},
    rows::RowLayout,
    source::TapeSource,
    survey::{Survey, Surveyed},
    workbook::{SheetInfo, SheetRow, Workbook, WorkbookFormat, address},
    workbook_error,
};

/// Number of sheets that a message names.
const NAMED_SHEETS: usize = 10;

/// A worksheet that is a tape, and the survey of its rows.
pub struct ChosenSheet {
    /// Index of the sheet among the worksheets.
    pub sheet: usize,
    pub name: String,
    /// Name of the tape in the run.
    pub source_file: String,
    pub surveyed: Surveyed,
}

/// A worksheet that has a header.
struct Candidate {
    sheet: usize,
    source_file: String,
    /// The survey of the sheet; an error when the sheet cannot be read as a tape.
    surveyed: Result<Surveyed, RunError>,
    has_loans: bool,
}

/// Chooses the worksheet that is read. The options may name it. Otherwise it is the one visible sheet that has a header and a
/// loan, or, where no visible sheet has both, the one hidden sheet that has. Sheets with a header and no loan come last, visible
/// ones first. Where the options make each worksheet a tape, all sheets of the first of these kinds are read.
///
/// # Errors
/// [`RunErrorCode::SheetNotFound`] when the named sheet does not exist; [`RunErrorCode::SeveralSheets`] when several sheets
/// qualify; the error of the header search when no sheet has a header; the error of the chosen sheet when it cannot be read as a
/// tape.
pub fn choose(source: &dyn TapeSource, workbook: &Workbook, options: &TapeOptions) -> Result<Vec<ChosenSheet>, RunError> {
    let sheets = workbook.sheets();
    let failed = |code, message| RunError::ingest(code, source.name(), None, message);
    let wants_all = options.sheet.as_deref() == Some(ALL_SHEETS);
    let named = match &options.sheet {
        None => None,
        Some(_) if wants_all => None,
        Some(name) => Some(sheets.iter().position(|sheet| sheet.name == *name).ok_or_else(|| {
            let message = format!("The workbook has no sheet \"{}\". It has: {}.", shown(name), names(sheets.iter()));
            failed(RunErrorCode::SheetNotFound, message)
        })?),
    };
    let (mut candidates, mut best, mut others) = (Vec::new(), HeaderSearch::default(), Vec::new());
    for sheet in named.map_or(0..sheets.len(), |sheet| sheet..sheet + 1) {
        match look(source, workbook, sheet, options)? {
            Ok(candidate) => candidates.push(candidate),
            Err(search) => {
                if search.has_rows() {
                    others.push(sheet);
                }
                if search.best_score() > best.best_score() {
                    best = search;
                }
            }
        }
    }
    let of_kind = |visible: bool, has_loans: bool| {
        let fits = move |candidate: &&Candidate| sheets[candidate.sheet].visible == visible && candidate.has_loans == has_loans;
        candidates.iter().filter(fits).map(|candidate| candidate.sheet).collect::<Vec<_>>()
    };
    let wanted = [of_kind(true, true), of_kind(false, true), of_kind(true, false), of_kind(false, false)];
    let Some(wanted) = wanted.into_iter().find(|sheets| !sheets.is_empty()) else { return Err(best.failure(source.name())) };
    if wanted.len() > 1 && !wants_all && !options.lenient {
        let found: Vec<&SheetInfo> = wanted.iter().map(|sheet| &sheets[*sheet]).collect();
        let message = format!(
            "Several worksheets hold loans: {}. Say which one is the tape, as with --sheet \"{}\", or make each a tape with --sheet \
             {ALL_SHEETS}.",
            names(found.iter().copied()),
            shown(&found[0].name)
        );
        return Err(failed(RunErrorCode::SeveralSheets, message));
    }
    let is_chosen = |sheet: usize| if wants_all { wanted.contains(&sheet) } else { wanted[0] == sheet };
    others.extend(candidates.iter().map(|candidate| candidate.sheet).filter(|sheet| !is_chosen(*sheet)));
    others.sort_unstable();
    let mut chosen = Vec::new();
    for Candidate { sheet, source_file, surveyed, .. } in candidates.into_iter().filter(|candidate| is_chosen(candidate.sheet)) {
        let (info, mut surveyed) = (&sheets[sheet], surveyed?);
        if !info.visible && named.is_none() {
            let message =
                format!("The worksheet \"{}\" is hidden; no visible one has loans, and it was read.", shown(&info.name));
            surveyed.notices.push(Notice::of_tape(NoticeCode::HiddenSheetRead, message, &source_file, 0));
        }
        if chosen.is_empty() {
            surveyed.notices.extend(notices_of_file(&source_file, workbook, &others));
        }
        chosen.push(ChosenSheet { sheet, name: info.name.clone(), source_file, surveyed });
    }
    Ok(chosen)
}

/// The notices about a workbook as a whole: the worksheets that are left out, and the format.
fn notices_of_file(source_file: &str, workbook: &Workbook, left_out: &[usize]) -> Vec<Notice> {
    let mut notices = Vec::new();
    if !left_out.is_empty() {
        let left_out: Vec<&SheetInfo> = left_out.iter().map(|sheet| &workbook.sheets()[*sheet]).collect();
        let message = format!("Worksheets that were not read: {}.", names(left_out.into_iter()));
        notices.push(Notice::of_tape(NoticeCode::SheetsLeftOut, message, source_file, 0));
    }
    let format = workbook.format();
    if format != WorkbookFormat::Xlsx {
        let message =
            format!("The tape is a workbook in the format .{}; its values are those that were last calculated.", format.name());
        notices.push(Notice::of_tape(NoticeCode::OtherWorkbookFormat, message, source_file, 0));
    }
    notices
}

/// Searches the first rows of a worksheet for its header and surveys the rows below. Returns the search when there is no header.
fn look(
    source: &dyn TapeSource,
    workbook: &Workbook,
    sheet: usize,
    options: &TapeOptions,
) -> Result<Result<Candidate, HeaderSearch>, RunError> {
    let (mut rows, mut row, mut search) = (open_sheet(source, workbook, sheet)?, SheetRow::default(), HeaderSearch::default());
    let source_file = match options.sheet.as_deref() {
        Some(ALL_SHEETS) => format!("{}[{}]", source.name(), shown(&workbook.sheets()[sheet].name)),
        _ => source.name().to_owned(),
    };
    let reading = HeaderReading { source_file: &source_file, options };
    let mut next = |row: &mut SheetRow| rows.next_row(row).map_err(|error| workbook_error(source, error));
    let mut found = Ok(None);
    while next(&mut row)? && row.line <= HEADER_ROWS {
        let cells: Vec<Cow<'_, str>> = row.cells().map(Cow::Borrowed).collect();
        found = search.look(&cells, row.line, &reading);
        if !matches!(found, Ok(None)) {
            break;
        }
    }
    if matches!(found, Ok(None)) {
        found = search.joined(&reading);
    }
    if matches!(found, Ok(None)) {
        found = search.best_header(&reading);
    }
    let found = match found {
        Ok(None) => return Ok(Err(search)),
        Ok(Some(found)) => found,
        Err(error) => return Ok(Ok(Candidate { sheet, source_file, surveyed: Err(error), has_loans: true })),
    };
    let header_line = found.header.line;
    let mut survey = Survey::new(&source_file, found, RowLayout { any_width: true, ..RowLayout::default() }, options);
    // The search finds a header of two rows only at its end, so the rows below the header are read again.
    let mut rows = open_sheet(source, workbook, sheet)?;
    while !survey.is_decided() && rows.next_row(&mut row).map_err(|error| workbook_error(source, error))? {
        if row.line > header_line {
            let cells: Vec<Cow<'_, str>> = row.cells().map(Cow::Borrowed).collect();
            survey.observe(&cells, row.line);
        }
    }
    let (has_loans, surveyed) = (survey.has_loans(), survey.finish());
    Ok(Ok(Candidate { sheet, source_file, surveyed, has_loans }))
}

/// Checks that formulas in mapped columns have a value: a workbook that was never calculated has none.
///
/// # Errors
/// [`RunErrorCode::FormulasNotCalculated`], whose message names the cell.
pub fn check_formulas(source: &dyn TapeSource, row: &SheetRow, mapped: &[bool]) -> Result<(), RunError> {
    let first = row.uncalculated().iter().find(|column| mapped.get(**column).copied().unwrap_or(false));
    let Some(column) = first else { return Ok(()) };
    let message = format!(
        "The cell {} has a formula that was never calculated. Open the workbook in a spreadsheet, save it there, and send it again.",
        address(row.line, *column)
    );
    Err(RunError::ingest(RunErrorCode::FormulasNotCalculated, source.name(), Some(row.line), message))
}

fn names<'s>(sheets: impl ExactSizeIterator<Item = &'s SheetInfo>) -> String {
    let count = sheets.len();
    let mut names: Vec<String> = sheets.take(NAMED_SHEETS).map(|sheet| format!("\"{}\"", shown(&sheet.name))).collect();
    if count > NAMED_SHEETS {
        names.push(format!("and {} more", count - NAMED_SHEETS));
    }
    names.join(", ")
}

fn shown(name: &str) -> Cow<'_, str> {
    shortened(name, MAX_HEADER_CHARACTERS)
}
