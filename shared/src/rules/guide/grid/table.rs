//! The cells of a grid's file, each with its address.

use std::borrow::Cow;

use crate::{
    rules::{excerpt, rule_set::Mistake},
    tape::{
        DELIMITERS,
        cell::content,
        records::{RecordBlock, RecordReader, Shape, count_line_ends, split_fields},
        source::{MemorySource, TapeSource as _},
        text::{EncodingChoice, TextReader},
        workbook::{MergedCells, SheetRow, Workbook, WorkbookError, WorkbookFormat, address, looks_like_workbook},
    },
};

use super::file::{GridFile, MAX_GRID_CELLS};

/// Largest number of cells that are read: those of a grid and its headings.
const MAX_READ_CELLS: usize = 2 * MAX_GRID_CELLS + 1;

/// Unpacked bytes of a worksheet: a grid of the most cells is a tenth of this.
const MAX_SHEET: u64 = 64 << 20;
/// Number of sheets that a message names.
const NAMED_SHEETS: usize = 10;

/// The cells of a grid: a rectangle from the first row of the file that has a text up to the first empty one.
#[derive(Debug, Clone)]
pub struct CellTable {
    /// The name of the grid's file.
    pub file: String,
    /// The worksheet; `None` for a CSV file.
    pub sheet: Option<String>,
    /// Each row: its number in the file, and the contents of its cells from `first_column` on, all of one length.
    rows: Vec<(u64, Vec<String>)>,
    first_column: usize,
    /// The first row below the grid that has a text: it is not read.
    pub row_below: Option<u64>,
    /// What is wrong with cells before they are read: formulas without a value, merged cells.
    mistakes: Vec<Mistake>,
}

/// What a row of a file holds, before the grid is cut out.
struct FileRow {
    line: u64,
    cells: Vec<String>,
}

/// Rows of a file up to the end of the grid.
#[derive(Default)]
struct RowCollector {
    rows: Vec<FileRow>,
    cells: usize,
    row_below: Option<u64>,
}

impl RowCollector {
    /// Adds a row. Returns `false` when no further rows are needed.
    fn add(&mut self, line: u64, cells: Vec<String>) -> bool {
        if cells.iter().all(String::is_empty) {
            return true;
        }
        if self.rows.last().is_some_and(|last| line > last.line + 1) {
            self.row_below = Some(line);
            return false;
        }
        self.cells += cells.len();
        self.rows.push(FileRow { line, cells });
        self.cells <= MAX_READ_CELLS
    }
}

impl CellTable {
    /// Reads the file of a grid. A CSV file gives a table for each delimiter that it may have.
    ///
    /// # Errors
    /// All mistakes of the file as a whole.
    pub fn read(file: &GridFile<'_>) -> Result<Vec<Self>, Vec<Mistake>> {
        if file.is_workbook {
            return Self::of_workbook(file).map(|table| vec![table]);
        }
        let whole = |message: &str| vec![Mistake::in_file(file.name, None, None, message.to_owned())];
        if looks_like_workbook(file.bytes) {
            return Err(whole("the file is a workbook, not a CSV file: name it .xlsx, here and in the rule set"));
        }
        let mut tables = Vec::new();
        for delimiter in DELIMITERS {
            let is_there = file.bytes.contains(&delimiter);
            if is_there || (delimiter == DELIMITERS[0]) {
                tables.push(Self::of_csv(file, delimiter));
            }
        }
        let (sound, failed): (Vec<_>, Vec<_>) = tables.into_iter().partition(Result::is_ok);
        let sound: Vec<Self> = sound.into_iter().flatten().collect();
        let first_failure = failed.into_iter().find_map(Result::err);
        if sound.is_empty() { Err(first_failure.unwrap_or_else(|| whole("the file is empty"))) } else { Ok(sound) }
    }

    fn of_csv(file: &GridFile<'_>, delimiter: u8) -> Result<Self, Vec<Mistake>> {
        let whole = |message: String| vec![Mistake::in_file(file.name, None, None, message)];
        let source = MemorySource::new(file.name, file.bytes);
        let encoding = EncodingChoice::default();
        let text = TextReader::new(&source, &encoding, 128 * 1024, false, None).map_err(|error| whole(error.message))?;
        let (mut reader, mut block) = (RecordReader::new(text, delimiter), RecordBlock::default());
        let (mut collected, mut lines_inside) = (RowCollector::default(), 0);
        'file: while reader.next_block(&mut block).map_err(|error| whole(error.message))? {
            let text = std::str::from_utf8(&block.text).map_err(|_| whole("the file is no text".to_owned()))?;
            for record in &block.records {
                let raw = &text[record.start as usize..record.end as usize];
                // A spreadsheet shows a record as one row, also one that has line ends inside.
                let line = record.line - lines_inside;
                lines_inside += count_line_ends(raw.as_bytes());
                if let Shape::Malformed(reason) = record.shape {
                    let cell = Some(address(line, 0));
                    return Err(vec![Mistake::in_file(file.name, None, cell, format!("the row cannot be read: {reason}"))]);
                }
                if raw.bytes().filter(|byte| *byte == delimiter).count() > MAX_READ_CELLS {
                    collected.cells = MAX_READ_CELLS + 1;
                    break 'file;
                }
                let mut fields: Vec<Cow<'_, str>> = Vec::new();
                split_fields(raw, record.shape, delimiter, &mut fields);
                let cells = fields.iter().map(|field| content(field).into_owned()).collect();
                if !collected.add(line, cells) {
                    break 'file;
                }
            }
        }
        Self::cut(file.name, None, collected)
    }

    fn of_workbook(file: &GridFile<'_>) -> Result<Self, Vec<Mistake>> {
        let whole = |sheet: Option<&str>, message: String| vec![Mistake::in_file(file.name, sheet, None, message)];
        let broken = |error: &WorkbookError| whole(None, problem(error));
        let source = MemorySource::new(file.name, file.bytes);
        let open = || source.open_seekable().map_err(|error| whole(None, format!("the file cannot be read: {error}")));
        let workbook = Workbook::open(open()?).map_err(|error| broken(&error))?;
        if workbook.format() != WorkbookFormat::Xlsx {
            let format = workbook.format().name();
            return Err(whole(None, format!("the file is an .{format} workbook: open it in Excel, and save it as .xlsx")));
        }
        let at = sheet_at(&workbook, file.sheet).map_err(|message| whole(file.sheet, message))?;
        let sheet = workbook.sheets()[at].name.clone();
        let broken = |error: &WorkbookError| whole(Some(&sheet), problem(error));
        let merged = workbook.merged(at, MAX_SHEET, open()?).map_err(|error| broken(&error))?;
        let mut stream = workbook.rows(at, open()?).map_err(|error| broken(&error))?;
        let (mut row, mut collected, mut uncalculated) = (SheetRow::default(), RowCollector::default(), Vec::new());
        while stream.next_row(&mut row).map_err(|error| broken(&error))? {
            let cells: Vec<String> = row.cells().map(|cell| content(cell).into_owned()).collect();
            let cells = if row.uncalculated().is_empty() { cells } else { with_formulas(cells, &row) };
            let goes_on = collected.add(row.line, cells);
            if collected.row_below.is_none() {
                uncalculated.extend(row.uncalculated().iter().map(|column| (row.line, *column)));
            }
            if !goes_on {
                break;
            }
        }
        let mut table = Self::cut(file.name, Some(sheet), collected)?;
        let mut mistakes: Vec<Mistake> = uncalculated
            .into_iter()
            .map(|(line, column)| {
                let message = "the formula has no value: open the workbook in a spreadsheet, and save it there".to_owned();
                table.mistake(address(line, column), message)
            })
            .collect();
        mistakes.extend(merged.iter().filter_map(|cells| table.refuse_merged(cells)));
        table.mistakes = mistakes;
        Ok(table)
    }

    /// The mistake of merged cells that are part of the grid; `None` for others.
    fn refuse_merged(&self, merged: &MergedCells) -> Option<Mistake> {
        let MergedCells { first: (top, left), last: (bottom, right) } = *merged;
        let (first, last) = (self.rows.first()?.0, self.rows.last()?.0);
        let columns = self.first_column..self.first_column + self.width();
        let meets = top <= last && bottom >= first && left < columns.end && right >= columns.start;
        meets.then(|| {
            let message = format!(
                "the cells {}:{} are merged: a grid needs each cell by itself",
                address(top, left),
                address(bottom, right)
            );
            self.mistake(address(top, left), message)
        })
    }

    /// Cuts the grid out of its rows.
    fn cut(file: &str, sheet: Option<String>, collected: RowCollector) -> Result<Self, Vec<Mistake>> {
        let RowCollector { rows, cells, row_below } = collected;
        let whole = |message: String| vec![Mistake::in_file(file, sheet.as_deref(), None, message)];
        let has_text = |cell: &String| !cell.is_empty();
        let first_column = rows.iter().filter_map(|row| row.cells.iter().position(has_text)).min().unwrap_or(0);
        let end = rows.iter().filter_map(|row| row.cells.iter().rposition(has_text)).max().map_or(0, |last| last + 1);
        let width = end.saturating_sub(first_column);
        // Headings do not count. Those of a list are one row, those of a matrix a row and a column.
        let inside = width.saturating_sub(1).saturating_mul(rows.len().saturating_sub(1));
        if cells > MAX_READ_CELLS || inside > MAX_GRID_CELLS {
            return Err(vec![too_many_cells(file, sheet.as_deref())]);
        }
        if rows.is_empty() {
            return Err(whole("there is no grid: every cell is empty".to_owned()));
        }
        let rows = rows.into_iter().map(|row| {
            let mut cells: Vec<String> = row.cells.into_iter().skip(first_column).take(width).collect();
            cells.resize(width, String::new());
            (row.line, cells)
        });
        let rows = rows.collect();
        Ok(Self { file: file.to_owned(), sheet, rows, first_column, row_below, mistakes: Vec::new() })
    }

    /// Number of rows, with that of the headings.
    pub fn height(&self) -> usize {
        self.rows.len()
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.rows.first().map_or(0, |(_, cells)| cells.len())
    }

    /// The content of a cell; empty where there is none.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        self.rows.get(row).and_then(|(_, cells)| cells.get(column)).map_or("", String::as_str)
    }

    /// The address of a cell in its sheet or file: `D7`.
    pub fn address(&self, row: usize, column: usize) -> String {
        address(self.rows.get(row).map_or(0, |(line, _)| *line), self.first_column + column)
    }

    /// The address of a cell with its sheet, or with its file where that has no sheets: `LTV!D7`, `llpa.csv!B2`.
    pub fn full_address(&self, row: usize, column: usize) -> String {
        format!("{}!{}", self.sheet.as_deref().unwrap_or(&self.file), self.address(row, column))
    }

    /// The mistakes of the cells, with those that reading the cells found. A cell is named once.
    pub fn all_mistakes(&self, mut found: Vec<Mistake>) -> Vec<Mistake> {
        found.retain(|mistake| mistake.cell.is_none() || !self.mistakes.iter().any(|known| known.cell == mistake.cell));
        [self.mistakes.clone(), found].concat()
    }

    /// The mistake of a grid that is too large.
    pub fn too_many_cells(&self) -> Mistake {
        too_many_cells(&self.file, self.sheet.as_deref())
    }

    /// A mistake of a cell.
    pub fn mistake(&self, cell: String, message: String) -> Mistake {
        Mistake::in_file(&self.file, self.sheet.as_deref(), Some(cell), message)
    }

    /// All cells, row by row.
    pub fn cells(&self) -> Vec<Vec<String>> {
        self.rows.iter().map(|(_, cells)| cells.clone()).collect()
    }
}

fn too_many_cells(file: &str, sheet: Option<&str>) -> Mistake {
    let message = format!("a grid has at most {MAX_GRID_CELLS} cells, and this one has more: make two of it");
    Mistake::in_file(file, sheet, None, message)
}

/// The cells of a row with a mark in those whose formula has no value, so that the row is not taken for an empty one.
fn with_formulas(mut cells: Vec<String>, row: &SheetRow) -> Vec<String> {
    let width = row.uncalculated().iter().map(|column| column + 1).max().unwrap_or(0).max(cells.len());
    cells.resize(width, String::new());
    row.uncalculated().iter().for_each(|column| cells[*column] = "=".to_owned());
    cells
}

/// The index of the sheet with a name, or of the first visible one.
fn sheet_at(workbook: &Workbook, name: Option<&str>) -> Result<usize, String> {
    let sheets = workbook.sheets();
    let Some(name) = name else {
        let visible = sheets.iter().position(|sheet| sheet.visible);
        return visible.ok_or_else(|| "all worksheets are hidden: name the one to read as `sheet`".to_owned());
    };
    sheets.iter().position(|sheet| sheet.name == name).ok_or_else(|| {
        let mut names: Vec<String> =
            sheets.iter().take(NAMED_SHEETS).map(|sheet| format!("\"{}\"", excerpt(&sheet.name))).collect();
        if sheets.len() > NAMED_SHEETS {
            names.push(format!("and {} more", sheets.len() - NAMED_SHEETS));
        }
        format!("the workbook has no sheet \"{}\"; it has {}", excerpt(name), names.join(", "))
    })
}

/// What is wrong with a workbook, and how to mend it.
fn problem(error: &WorkbookError) -> String {
    match error {
        WorkbookError::PasswordProtected | WorkbookError::RightsManaged => {
            "the workbook is protected by a password: remove the password in Excel, and save it".to_owned()
        }
        WorkbookError::Bomb { part, limit } => {
            format!("the workbook holds more than a grid needs ({part}: over {limit}): copy the grid into a new workbook")
        }
        WorkbookError::Corrupt { detail } => {
            format!("the workbook cannot be read ({detail}): open it in Excel, and save it as .xlsx")
        }
        WorkbookError::OtherFile { kind } => format!("the file is {kind}, not a workbook: save the grid as .xlsx"),
        WorkbookError::NoSheet => "the workbook has no worksheet: put the grid on one".to_owned(),
        WorkbookError::OldFormat | WorkbookError::TooLarge { .. } | WorkbookError::Io(_) => error.to_string(),
    }
}
