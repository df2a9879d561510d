//! Makes the two forms of a grid from the cells of its file.

use std::sync::Arc;

use crate::{
    loan::{ColumnField, Unit},
    rules::{
        excerpt,
        guide::{
            condition::{Accepts, End, Test},
            field::TestedField,
        },
        rule_set::Mistake,
    },
    tape::{aliases::Aliases, declared::DeclaredFields},
};

use super::{
    GridBody, GridCase, GridResult, Matrix, NO_CASE,
    axis::{Axis, OVERLAP},
    cell::{CellResult, CellTest, cell_result, cell_test},
    file::MAX_GRID_CELLS,
    list::{List, ListPolicy},
    table::CellTable,
};

/// How a rule set says that a grid is to be read.
#[derive(Debug, Clone)]
pub enum GridForm {
    Matrix {
        rows: TestedField,
        columns: TestedField,
        gives: GridResult,
        /// Whether bands written `a-b` own their upper ends, by axis.
        upper: [bool; 2],
    },
    List(ListPolicy),
}

/// A grid that has been read from its cells.
pub struct GridDraft {
    pub body: GridBody,
    /// The fields that the grid asks about: those of the rows and the columns, or those of a list's columns.
    pub fields: Vec<TestedField>,
    pub gives: Vec<GridResult>,
    pub cases: Vec<GridCase>,
}

/// Reads the cells of a grid. `declared` are the fields that the rule set declares; `slot` gives the slot of a field.
///
/// # Errors
/// All mistakes of the cells.
pub fn read_draft(
    table: &CellTable,
    form: &GridForm,
    declared: &DeclaredFields,
    slot: &mut dyn FnMut(&TestedField) -> usize,
) -> Result<GridDraft, Vec<Mistake>> {
    let mut reading = DraftReader { table, declared, mistakes: Vec::new() };
    let draft = match form {
        GridForm::Matrix { rows, columns, gives, upper } => reading.matrix([rows, columns], gives, *upper, slot),
        GridForm::List(policy) => reading.list(*policy, slot),
    };
    match draft {
        Some(draft) if reading.mistakes.is_empty() => Ok(draft),
        _ => Err(reading.mistakes),
    }
}

/// Why a grid cannot ask about a field; `None` when it can.
pub fn not_an_axis(field: &TestedField) -> Option<String> {
    match field {
        TestedField::AgeMonths | TestedField::SeasoningMonths => {
            Some(format!("{} is computed, and grids do not use it: use `when` instead", field.name()))
        }
        _ if matches!(field.unit(), Unit::Date | Unit::Text) => {
            Some(format!("{} holds neither numbers nor words: a grid cannot ask about it", field.name()))
        }
        _ => None,
    }
}

/// Why a grid cannot limit a field; `None` when it can.
pub fn not_limited(field: &TestedField) -> Option<String> {
    let is_word = field.unit() == Unit::Word;
    not_an_axis(field).or_else(|| is_word.then(|| format!("{} holds no numbers: a grid cannot limit it", field.name())))
}

/// The field that a list's heading names, by its name or an alias.
fn field_named(heading: &str, declared: &DeclaredFields) -> Option<TestedField> {
    let alias = || Aliases::built_in().claims(heading).first().map(|claim| TestedField::Loan(claim.field));
    let of_rule_set = || match declared.claim(heading)? {
        (ColumnField::Declared(name), _) => declared.get(&name).map(|field| TestedField::Declared(Arc::clone(field))),
        (ColumnField::Known(_), _) => None,
    };
    TestedField::from_name(&heading.to_ascii_lowercase()).or_else(of_rule_set).or_else(alias)
}

struct DraftReader<'t> {
    table: &'t CellTable,
    /// The fields that the rule set declares.
    declared: &'t DeclaredFields,
    mistakes: Vec<Mistake>,
}

impl DraftReader<'_> {
    fn mistake(&mut self, (row, column): (usize, usize), message: String) {
        self.mistakes.push(self.table.mistake(self.table.address(row, column), message));
    }

    fn take<T>(&mut self, cell: (usize, usize), read: Result<T, String>) -> Option<T> {
        read.map_err(|message| self.mistake(cell, message)).ok()
    }

    fn matrix(
        &mut self,
        fields: [&TestedField; 2],
        gives: &GridResult,
        upper: [bool; 2],
        slot: &mut dyn FnMut(&TestedField) -> usize,
    ) -> Option<GridDraft> {
        let (height, width) = (self.table.height(), self.table.width());
        if height < 2 || width < 2 {
            let what = if height < 2 { "row" } else { "column" };
            let message =
                format!("the grid has no {what} of results: below and right of the top left cell are headings, then results");
            self.mistake((0, 0), message);
            return None;
        }
        let [rows, columns] = fields;
        let row_headings: Vec<(usize, usize)> = (1..height).map(|row| (row, 0)).collect();
        let column_headings: Vec<(usize, usize)> = (1..width).map(|column| (0, column)).collect();
        let column_axis = self.axis(columns, &column_headings, upper[1], slot);
        let row_axis = self.axis(rows, &row_headings, upper[0], slot);
        let (mut cases, mut places) = (Vec::new(), Vec::new());
        for row in 1..height {
            for column in 1..width {
                let read = cell_result(gives.field(), self.table.cell(row, column));
                places.push(match self.take((row, column), read) {
                    Some(CellResult::Number(number)) => {
                        cases.push(GridCase { row, column, results: vec![Some(number)] });
                        // A grid has at most 10,000 cells.
                        cases.len() as u32 - 1
                    }
                    Some(CellResult::Nothing | CellResult::Refused) | None => NO_CASE,
                });
            }
        }
        let matrix = Matrix { rows: row_axis?, columns: column_axis?, width: width - 1, places };
        let fields = vec![rows.clone(), columns.clone()];
        Some(GridDraft { body: GridBody::Matrix(Box::new(matrix)), fields, gives: vec![gives.clone()], cases })
    }

    /// Reads the headings of an axis, which are in these cells.
    fn axis(
        &mut self,
        field: &TestedField,
        cells: &[(usize, usize)],
        upper: bool,
        slot: &mut dyn FnMut(&TestedField) -> usize,
    ) -> Option<Axis> {
        let mut headings = Vec::new();
        for cell in cells {
            let text = self.table.cell(cell.0, cell.1);
            let read = match cell_test(field, text) {
                _ if text.is_empty() => Err("the heading is empty: write what it stands for, or * for anything".to_owned()),
                Ok(CellTest::Anything) if cells.len() > 1 => {
                    Err("* is any value, and stands beside other headings: leave out the one or the others".to_owned())
                }
                Ok(CellTest::Numbers { .. }) => {
                    Err(format!("\"{}\" is a list of numbers: a heading of numbers is one band, such as 2-4", excerpt(text)))
                }
                read => read,
            };
            headings.push(self.take(*cell, read));
        }
        let headings: Vec<CellTest> = headings.into_iter().collect::<Option<_>>()?;
        match Axis::new(slot(field), field, &headings, upper) {
            Ok(axis) => Some(axis),
            Err(clashes) => {
                for clash in clashes {
                    let [one, other] = clash.headings.map(|at| cells.get(at).copied().unwrap_or_default());
                    let shown = |cell: (usize, usize)| excerpt(self.table.cell(cell.0, cell.1)).to_owned();
                    let hint =
                        if clash.why == OVERLAP { "each value has one heading" } else { "bands touch, or are one step apart" };
                    let message = format!(
                        "\"{}\" and \"{}\" ({}) {}: {hint}",
                        shown(one),
                        shown(other),
                        self.table.address(other.0, other.1),
                        clash.why
                    );
                    self.mistake(one, message);
                }
                None
            }
        }
    }

    fn list(&mut self, policy: ListPolicy, slot: &mut dyn FnMut(&TestedField) -> usize) -> Option<GridDraft> {
        let (fields, gives) = self.list_headings(policy)?;
        if self.table.height() < 2 {
            self.mistake((0, 0), "the grid has no row below its headings: write a row for each case".to_owned());
            return None;
        }
        if self.table.width() * (self.table.height() - 1) > MAX_GRID_CELLS {
            self.mistakes.push(self.table.too_many_cells());
            return None;
        }
        let slots: Vec<usize> = fields.iter().map(slot).collect();
        let (mut rows, mut refused, mut cases) = (Vec::new(), Vec::new(), Vec::new());
        for row in 1..self.table.height() {
            let tests: Vec<Option<Option<Test>>> =
                (0..fields.len()).map(|column| self.list_test(&fields[column], slots[column], (row, column))).collect();
            let mut refuses = false;
            let results: Vec<_> = (fields.len()..)
                .zip(&gives)
                .map(|(column, gives)| match self.take((row, column), cell_result(gives.field(), self.table.cell(row, column))) {
                    Some(CellResult::Number(number)) => Some(number),
                    Some(CellResult::Refused) => {
                        refuses = true;
                        None
                    }
                    Some(CellResult::Nothing) | None => None,
                })
                .collect();
            rows.push(tests.into_iter().collect::<Option<Vec<_>>>());
            refused.push(refuses);
            cases.push(GridCase { row, column: fields.len(), results });
        }
        let rows = rows.into_iter().collect::<Option<Vec<_>>>()?;
        let body = GridBody::List(Box::new(List::new(policy, &slots, rows, refused)));
        Some(GridDraft { body, fields, gives, cases })
    }

    /// Reads a cell of a list about a field; `Some(None)` is anything.
    fn list_test(&mut self, field: &TestedField, slot: usize, cell: (usize, usize)) -> Option<Option<Test>> {
        let text = self.table.cell(cell.0, cell.1);
        let accepts = match self.take(cell, cell_test(field, text))? {
            CellTest::Anything => return Some(None),
            CellTest::Band { low, high, .. } => {
                let end = |end: super::cell::BandEnd| End { edge: end.number.edge(), inclusive: end.inclusive };
                Accepts::Range { min: low.map(end), max: high.map(end) }
            }
            CellTest::Numbers { numbers, not } => Accepts::Numbers { numbers, not },
            CellTest::Words { bits, not } => Accepts::Words { bits, not },
        };
        let test = Test::new(slot, field.clone(), accepts);
        if test.is_impossible() {
            self.mistake(cell, format!("no {} can meet {}", field.name(), test.limit()));
            return None;
        }
        Some(Some(test))
    }

    /// Reads the first row of a list: the fields, and what the list gives. `None` after a mistake.
    fn list_headings(&mut self, policy: ListPolicy) -> Option<(Vec<TestedField>, Vec<GridResult>)> {
        let (mut fields, mut gives): (Vec<TestedField>, Vec<GridResult>) = (Vec::new(), Vec::new());
        let before = self.mistakes.len();
        for column in 0..self.table.width() {
            let heading = self.table.cell(0, column).to_owned();
            let read = list_heading(&heading, self.declared).and_then(|read| match read {
                ListHeading::Field(_) if !gives.is_empty() => {
                    Err(format!("\"{}\" stands behind a result: the columns of results come last", excerpt(&heading)))
                }
                ListHeading::Field(field) if fields.contains(&field) => {
                    let first = fields.iter().position(|of| *of == field).unwrap_or(0);
                    Err(format!("{} stands in {} already", field.name(), self.table.address(0, first)))
                }
                ListHeading::Result(result) if gives.contains(&result) => {
                    let first = gives.iter().position(|of| *of == result).unwrap_or(0) + fields.len();
                    Err(format!("\"{}\" stands in {} already", result.heading(), self.table.address(0, first)))
                }
                ListHeading::Result(result) if gives.iter().any(|of| of.is_adjustment() != result.is_adjustment()) => {
                    Err("a list gives limits or an adjustment, and not both: make two grids of it".to_owned())
                }
                ListHeading::Result(result) if policy == ListPolicy::Sum && !result.is_adjustment() => {
                    Err("`policy = \"sum\"` is for lists of adjustments: limits have \"first\" or \"unique\"".to_owned())
                }
                read => Ok(read),
            });
            match self.take((0, column), read) {
                Some(ListHeading::Field(field)) => fields.push(field),
                Some(ListHeading::Result(result)) => gives.push(result),
                None => {}
            }
        }
        if self.mistakes.len() > before {
            return None;
        }
        if fields.is_empty() || gives.is_empty() {
            let lacks = if fields.is_empty() { "no field" } else { "no result" };
            let message = format!("the list has {lacks}: its first row has fields and, last, max FIELD, min FIELD or adjustment");
            self.mistake((0, 0), message);
            return None;
        }
        Some((fields, gives))
    }
}

enum ListHeading {
    Field(TestedField),
    Result(GridResult),
}

/// What a heading of a list names.
fn list_heading(text: &str, declared: &DeclaredFields) -> Result<ListHeading, String> {
    if text.is_empty() {
        return Err(
            "the column has no heading: write a field, max FIELD, min FIELD or adjustment, or clear the column".to_owned()
        );
    }
    if text.eq_ignore_ascii_case("adjustment") {
        return Ok(ListHeading::Result(GridResult::Adjustment));
    }
    let named = |name: &str| {
        field_named(name, declared).ok_or_else(|| {
            let built_in = TestedField::names().map(|name| -> &str { name });
            let known: Vec<&str> = built_in.chain(declared.fields.iter().map(|field| &*field.name)).collect();
            format!("there is no field \"{}\"; the fields are {}", excerpt(name), known.join(", "))
        })
    };
    let side = text.get(..3).filter(|_| text[3..].starts_with(char::is_whitespace)).map(str::to_ascii_lowercase);
    if let Some(side @ ("max" | "min")) = side.as_deref() {
        let field = named(text[3..].trim())?;
        return match not_limited(&field) {
            Some(why) => Err(why),
            None if side == "max" => Ok(ListHeading::Result(GridResult::Max(field))),
            None => Ok(ListHeading::Result(GridResult::Min(field))),
        };
    }
    let field = named(text)?;
    not_an_axis(&field).map_or(Ok(ListHeading::Field(field)), Err)
}
