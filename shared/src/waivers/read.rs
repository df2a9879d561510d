//! Reads a file of waivers, and names every mistake with its line and column.

use std::{collections::HashMap, fmt};

use jiff::civil::Date;

use crate::{
    rules::{ExceptionType, excerpt, rule_set::RuleSet},
    run::parse_pdate,
};

use super::{
    Waiver, WaiverFile,
    cells::{WaiverRow, rows},
};

/// The columns of a file of waivers.
pub const COLUMNS: [&str; 5] = ["seller_loan_number", "exception_type", "reason", "approved_by", "expires"];
/// Most characters of a reason, and of a name.
const MAX_CHARACTERS: usize = 1_000;

/// A mistake of a file of waivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaiverMistake {
    /// Line and column, both counted from 1; `None` for a mistake of the file as a whole.
    pub place: Option<(u64, usize)>,
    /// What is wrong there, and what to write instead.
    pub message: String,
}

impl WaiverMistake {
    /// A mistake of the file as a whole.
    pub(super) fn of_file(message: String) -> Self {
        Self { place: None, message }
    }

    pub(super) fn at(line: u64, column: usize, message: String) -> Self {
        Self { place: Some((line, column)), message }
    }
}

impl fmt::Display for WaiverMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "line {line}, column {column}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// All mistakes of a file of waivers, in the order of its lines. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct WaiverMistakes(pub Vec<WaiverMistake>);

/// The waivers of a file, in its order.
pub fn read(file: &WaiverFile, rules: &RuleSet) -> Result<Vec<Waiver>, WaiverMistakes> {
    let rows = rows(file).map_err(|mistake| WaiverMistakes(vec![mistake]))?;
    let Some((header, rows)) = rows.split_first() else {
        return Err(WaiverMistakes(vec![WaiverMistake::of_file("the file has no text: write the header first".to_owned())]));
    };
    let mut reader =
        WaiverReader { places: places(header)?, types: rules.waivable_types(), seen: HashMap::new(), mistakes: Vec::new() };
    let waivers: Vec<Option<Waiver>> = rows.iter().map(|row| reader.waiver(row)).collect();
    reader.mistakes.sort_by_key(|mistake| mistake.place);
    if reader.mistakes.is_empty() { Ok(waivers.into_iter().flatten().collect()) } else { Err(WaiverMistakes(reader.mistakes)) }
}

/// The place of each column in the header.
fn places(header: &WaiverRow) -> Result<[usize; COLUMNS.len()], WaiverMistakes> {
    let WaiverRow { line, cells } = header;
    let names: Vec<String> = cells.iter().map(|cell| cell.to_ascii_lowercase().replace([' ', '-'], "_")).collect();
    let mut mistakes = Vec::new();
    for (at, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let message = if !COLUMNS.contains(&name.as_str()) {
            format!("\"{}\" is no column of waivers; the columns are {}", excerpt(&cells[at]), COLUMNS.join(", "))
        } else if names[..at].contains(name) {
            format!("the column {name} is there twice: leave one out")
        } else {
            continue;
        };
        mistakes.push(WaiverMistake::at(*line, at + 1, message));
    }
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        match names.iter().position(|name| name == column) {
            Some(at) => *place = at,
            None => mistakes.push(WaiverMistake::at(*line, names.len() + 1, format!("the header has no column {column}"))),
        }
    }
    if mistakes.is_empty() { Ok(places) } else { Err(WaiverMistakes(mistakes)) }
}

/// Reads the lines below the header.
struct WaiverReader<'r> {
    /// The place of each of [`COLUMNS`].
    places: [usize; COLUMNS.len()],
    /// The types of exceptions that waivers may name.
    types: Vec<&'r str>,
    /// The line of each pair of loan number and type.
    seen: HashMap<(String, String), u64>,
    mistakes: Vec<WaiverMistake>,
}

impl WaiverReader<'_> {
    /// The waiver of a row, or `None` after noting each of its mistakes.
    fn waiver(&mut self, row: &WaiverRow) -> Option<Waiver> {
        let line = row.line;
        let cells = self.places.map(|at| row.cells.get(at).map_or("", String::as_str));
        let before = self.mistakes.len();
        let [number, kind, reason, approved_by, expires] = cells;
        for (at, cell) in cells.into_iter().enumerate().take(4) {
            if cell.is_empty() {
                self.note(line, at, format!("{} is empty", COLUMNS[at]));
            } else if cell.chars().nth(MAX_CHARACTERS).is_some() {
                self.note(line, at, format!("{} has more than 1,000 characters: shorten it", COLUMNS[at]));
            }
        }
        if !kind.is_empty() && !self.types.contains(&kind) {
            let message = self.unknown(kind);
            self.note(line, 1, message);
        }
        let date = date_of(expires);
        if date.is_none() {
            let found =
                if expires.is_empty() { "expires is empty".to_owned() } else { format!("\"{}\" is no date", excerpt(expires)) };
            self.note(line, 4, format!("{found}: write YYYY-MM-DD, such as 2026-12-31"));
        }
        if let Some((column, cell)) =
            row.cells.iter().enumerate().find(|(at, cell)| !self.places.contains(at) && !cell.is_empty())
        {
            let message = format!("\"{}\" is below no column of the header", excerpt(cell));
            self.mistakes.push(WaiverMistake::at(line, column + 1, message));
        }
        if !number.is_empty() && !kind.is_empty() {
            let pair = (number.to_owned(), kind.to_owned());
            if let Some(first) = self.seen.get(&pair) {
                let message = format!("the waiver of {} for loan {} is on line {first}, too", excerpt(kind), excerpt(number));
                self.note(line, 0, message);
            } else {
                self.seen.insert(pair, line);
            }
        }
        let is_sound = self.mistakes.len() == before;
        let [seller_loan_number, exception_type, reason, approved_by] = [number, kind, reason, approved_by].map(str::to_owned);
        date.filter(|_| is_sound).map(|expires| Waiver {
            index: 0,
            line,
            seller_loan_number,
            exception_type,
            reason,
            approved_by,
            expires,
        })
    }

    /// Notes a mistake in a column, by its place in [`COLUMNS`].
    fn note(&mut self, line: u64, column: usize, message: String) {
        self.mistakes.push(WaiverMistake::at(line, self.places[column] + 1, message));
    }

    /// What is wrong with a type that waivers may not name.
    fn unknown(&self, kind: &str) -> String {
        if ExceptionType::from_name(kind).is_some() {
            return format!("{kind} cannot be waived: a waiver is for a rule that a loan fails, or for undetermined");
        }
        format!("\"{}\" is no exception type of the rule set; its types are {}", excerpt(kind), self.types.join(", "))
    }
}

/// The date of a cell. A spreadsheet may add the time of day.
fn date_of(cell: &str) -> Option<Date> {
    parse_pdate(cell.strip_suffix(" 00:00:00").unwrap_or(cell)).ok()
}
