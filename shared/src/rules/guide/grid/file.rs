//! The file of a grid: its name, its ending and its size.

use std::ops::Range;

use crate::{
    paths::safe_join,
    rules::{
        excerpt,
        rule_set::{GuideFiles, Mistake},
    },
};

/// Largest size of a grid file, in bytes.
pub const MAX_GRID_BYTES: u64 = 5 << 20;
/// Largest number of cells of a grid, headings included.
pub const MAX_GRID_CELLS: usize = 10_000;

/// A file that a grid names.
#[derive(Debug, Clone, Copy)]
pub struct GridFile<'f> {
    pub name: &'f str,
    pub bytes: &'f [u8],
    pub is_workbook: bool,
    /// The worksheet that the grid names.
    pub sheet: Option<&'f str>,
}

/// Why a file cannot be used: a mistake of the rule set's line, or of the file.
#[derive(Debug)]
pub enum FileMistake {
    OnLine(Range<usize>, String),
    InFile(Mistake),
}

/// Checks that a rule set names a file by its name alone: the file lies beside the rule set.
///
/// # Errors
/// What is wrong with the name, and how to mend it.
pub fn check_file_name(name: &str) -> Result<(), String> {
    let shown = excerpt(name).escape_debug().to_string();
    if name.contains(['/', '\\']) || safe_join("", &[name]).is_ok_and(|joined| joined != name) {
        return Err(format!("\"{shown}\" is a path: put the file beside the rule set, and write its name alone"));
    }
    if name.starts_with('.') || name.trim() != name {
        return Err(format!("\"{shown}\" begins with a dot or has a space at an end: rename the file"));
    }
    safe_join("", &[name]).map(drop).map_err(|error| error.to_string())
}

impl<'f> GridFile<'f> {
    /// The file that a rule set names at a place.
    ///
    /// # Errors
    /// [`FileMistake`]: a name that is a path, another ending than `.csv` or `.xlsx`, no such file, a file that is too large or
    /// empty.
    pub fn find(
        files: &'f GuideFiles,
        (name, place): (&'f str, Range<usize>),
        sheet: Option<(&'f str, Range<usize>)>,
    ) -> Result<Self, FileMistake> {
        check_file_name(name).map_err(|message| FileMistake::OnLine(place.clone(), message))?;
        let ends_with = |ending: &str| name.len() > ending.len() && name.to_ascii_lowercase().ends_with(ending);
        let is_workbook = ends_with(".xlsx");
        if !is_workbook && !ends_with(".csv") {
            let message = format!("\"{}\" is no grid file: its name ends with .csv or .xlsx", excerpt(name));
            return Err(FileMistake::OnLine(place, message));
        }
        if let Some((_, place)) = sheet.as_ref().filter(|_| !is_workbook) {
            let message = "a CSV file has no sheets: leave `sheet` out, or name a workbook as `file`".to_owned();
            return Err(FileMistake::OnLine(place.clone(), message));
        }
        let Some(bytes) = files.get(name) else {
            return Err(FileMistake::OnLine(place, files.why_absent(name)));
        };
        let whole = |message: String| FileMistake::InFile(Mistake::in_file(name, None, None, message));
        if bytes.len() as u64 > MAX_GRID_BYTES {
            return Err(whole("a grid file has at most 5 MiB, and this one has more: leave in it only the grid".to_owned()));
        }
        if bytes.is_empty() {
            return Err(whole("the file is empty: put the grid into it".to_owned()));
        }
        Ok(Self { name, bytes, is_workbook, sheet: sheet.map(|(sheet, _)| sheet) })
    }
}
