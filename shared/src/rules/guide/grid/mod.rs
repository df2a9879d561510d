//! Grids: tables in files beside the rule set that give a limit or an adjustment for the values of a loan.

mod axis;
mod canonical;
mod cell;
mod checked;
mod draft;
mod evidence;
mod file;
mod keys;
mod list;
mod table;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use jiff::civil::Date;

use crate::{
    decimal::Decimal,
    rules::{ExceptionKind, Severity},
};

use self::{
    axis::{Axis, AxisPlace},
    draft::GridDraft,
    list::{List, ListPolicy, Lookup},
    table::CellTable,
};

use super::{
    condition::{Edge, End, Truth, end_text},
    field::{TestedField, Value, number},
    rule::{Missing, Scope},
};

pub use self::{
    file::{MAX_GRID_BYTES, check_file_name},
    keys::MAX_GRIDS,
};

/// What a column of results gives.
#[derive(Debug, Clone, PartialEq)]
pub enum GridResult {
    /// The largest number of the field.
    Max(TestedField),
    /// The smallest number of the field.
    Min(TestedField),
    /// Points that are added to the price.
    Adjustment,
}

impl GridResult {
    /// The field that is limited; `None` for an adjustment.
    pub fn field(&self) -> Option<&TestedField> {
        match self {
            Self::Max(field) | Self::Min(field) => Some(field),
            Self::Adjustment => None,
        }
    }

    pub fn is_adjustment(&self) -> bool {
        *self == Self::Adjustment
    }

    /// The heading of a list's column that gives it: `max ltv_ratio`.
    pub fn heading(&self) -> String {
        match self {
            Self::Max(field) => format!("max {}", field.name()),
            Self::Min(field) => format!("min {}", field.name()),
            Self::Adjustment => "adjustment".to_owned(),
        }
    }
}

/// Marks a combination without a case, and a case without an adjustment.
const NO_CASE: u32 = u32::MAX;

/// A case of a grid: a cell of a matrix that has a number, or a row of a list.
#[derive(Debug, Clone)]
struct GridCase {
    /// The row, and the column of the first result, in the table of cells.
    row: usize,
    column: usize,
    /// The number that each result gives; `None` gives nothing.
    results: Vec<Option<Decimal>>,
}

/// The cells of a matrix, by row and column.
#[derive(Debug, Clone)]
struct Matrix {
    rows: Axis,
    columns: Axis,
    /// Number of columns.
    width: usize,
    /// The case of each cell, row by row; [`NO_CASE`] for a combination that does not exist.
    places: Vec<u32>,
}

#[derive(Debug, Clone)]
enum GridBody {
    Matrix(Box<Matrix>),
    List(Box<List>),
}

/// A limit that a grid gives, ready for look-up.
#[derive(Debug, Clone)]
struct GridLimit {
    slot: usize,
    is_max: bool,
    /// The limit of each case; `None` limits nothing.
    bounds: Vec<Option<Value>>,
    /// The limits of the cases as exceptions show them: `<= 80`.
    texts: Vec<Option<Arc<str>>>,
    /// Where the limit of each case comes from, for messages; written once a loan needs it.
    places: Vec<OnceLock<Box<str>>>,
}

/// The points of a cell of an adjustment grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustmentCell {
    /// Points that are added to the price, in ten-thousandths.
    pub points: i64,
    /// The cell: `llpa.csv!C4`, `LTV!D7`.
    pub source: Arc<str>,
}

/// What an adjustment grid does for a loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The grid does not apply to the loan.
    OutOfScope,
    /// The grid applies, and has given all its adjustments for the loan.
    Applied,
    /// A missing value decides, or the grid has no cell for the loan: what `missing` says counts.
    Undetermined,
    /// Two rows of a list that allows only one fit: the loan is held, whatever `missing` says.
    Overlap,
}

/// How the exceptions of a grid of limits are reported.
#[derive(Debug, Clone)]
struct Reporting {
    kind: ExceptionKind,
    /// Severity from `hard_from` on.
    severity: Severity,
    /// Purchase date from which the grid is hard; before it the grid is soft. `None`: `severity` always holds.
    hard_from: Option<Date>,
}

/// A grid, ready to judge or to adjust loans.
#[derive(Debug, Clone)]
pub struct Grid {
    name: String,
    scope: Scope,
    missing: Missing,
    fields: Vec<TestedField>,
    /// The names of the fields inside a sentence.
    labels: Vec<String>,
    /// The limit of an exception for a loan without a cell.
    no_cell_limit: Arc<str>,
    /// The slots of the fields.
    slots: Vec<usize>,
    body: GridBody,
    gives: Vec<GridResult>,
    cases: Vec<GridCase>,
    limits: Vec<GridLimit>,
    /// `None` for a grid of adjustments.
    reporting: Option<Reporting>,
    cells: Vec<AdjustmentCell>,
    /// The adjustment of each case, as an index into `cells`; [`NO_CASE`] for a case that gives none.
    cell_of: Vec<u32>,
    /// Whether the points of the file's cells are subtracted.
    deducts: bool,
    table: CellTable,
}

/// A limit as exceptions show it: `<= 80`.
fn limit_text(limit: Option<Decimal>, gives: Option<&GridResult>) -> Option<Arc<str>> {
    let end = End { edge: Edge::Number(limit?), inclusive: true };
    let sign = if matches!(gives, Some(GridResult::Max(_))) { '<' } else { '>' };
    Some(end_text(end, sign).into())
}

/// The parts of a grid that do not come from its cells.
struct GridHead {
    name: String,
    scope: Scope,
    missing: Missing,
    reporting: Option<Reporting>,
    /// Whether the points of the cells are subtracted.
    deducts: bool,
}

impl Grid {
    fn new(head: GridHead, draft: GridDraft, slots: Vec<usize>, limit_slots: &[usize], table: CellTable) -> Self {
        let GridHead { name, scope, missing, reporting, deducts } = head;
        let GridDraft { body, fields, gives, mut cases } = draft;
        let limits = limit_slots.iter().enumerate().map(|(at, slot)| GridLimit {
            slot: *slot,
            is_max: matches!(gives.get(at), Some(GridResult::Max(_))),
            bounds: cases.iter().map(|case| case.results.get(at).copied().flatten().map(number)).collect(),
            texts: cases.iter().map(|case| limit_text(case.results.get(at).copied().flatten(), gives.get(at))).collect(),
            places: cases.iter().map(|_| OnceLock::new()).collect(),
        });
        let limits: Vec<GridLimit> = limits.collect();
        let (mut cells, mut cell_of) = (Vec::new(), Vec::new());
        for case in cases.iter().filter(|_| limits.is_empty()) {
            let points = case.results.first().copied().flatten().and_then(|points| points.micros());
            // A grid has at most 10,000 cells.
            cell_of.push(points.map_or(NO_CASE, |micros| {
                let points = if deducts { -micros / 100 } else { micros / 100 };
                cells.push(AdjustmentCell { points, source: table.full_address(case.row, case.column).into() });
                cells.len() as u32 - 1
            }));
        }
        if limits.is_empty() {
            // The points are in the cells.
            cases.iter_mut().for_each(|case| case.results = Vec::new());
        }
        Self {
            labels: fields.iter().map(evidence::label).collect(),
            no_cell_limit: format!("a cell of {name}").into(),
            name,
            scope,
            missing,
            fields,
            slots,
            body,
            gives,
            cases,
            limits,
            reporting,
            cells,
            cell_of,
            deducts,
            table,
        }
    }

    /// What is no mistake in the grid's file, and may still not be what its author meant: text below it, rows that overlap. It compares all
    /// rows of a list, so a run does not ask for it.
    pub fn notices(&self) -> Vec<String> {
        let (name, mut notices) = (&self.name, Vec::new());
        if let Some(row) = self.table.row_below {
            let last = self.table.height() - 1;
            let end = self.table.full_address(last, 0);
            notices.push(format!(
                "{name}: the grid ends with the row of {end}, above an empty row; row {row} and those below are not read"
            ));
        }
        let GridBody::List(list) = &self.body else { return notices };
        if list.policy != ListPolicy::Unique {
            return notices;
        }
        match list.overlaps() {
            Some(overlaps) => notices.extend(overlaps.into_iter().map(|(one, other)| {
                let [one, other] = [one, other].map(|at| self.table.full_address(self.cases[at].row, 0));
                format!("{name}: a loan can fit the rows of {one} and {other}, and would be held")
            })),
            None => notices.push(format!("{name}: the list is too long to be searched for rows that overlap")),
        }
        notices
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the grid does when it is undetermined.
    pub fn missing(&self) -> Missing {
        self.missing
    }

    /// To which loans the grid applies.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The kind of the grid's exceptions; `None` for a grid of adjustments.
    pub fn kind(&self) -> Option<&ExceptionKind> {
        self.reporting.as_ref().map(|reporting| &reporting.kind)
    }

    pub(in crate::rules) fn kind_mut(&mut self) -> Option<&mut ExceptionKind> {
        self.reporting.as_mut().map(|reporting| &mut reporting.kind)
    }

    /// Severity of the grid's exceptions, and the date from which it counts; `None` for a grid of adjustments.
    pub fn severity(&self) -> Option<(Severity, Option<Date>)> {
        self.reporting.as_ref().map(|reporting| (reporting.severity, reporting.hard_from))
    }

    /// The adjustments of the cells; empty for a grid of limits.
    pub fn cells(&self) -> &[AdjustmentCell] {
        &self.cells
    }

    /// The cells of the file, row by row, as written.
    pub fn written(&self) -> Vec<Vec<String>> {
        self.table.cells()
    }

    /// Whether a column of [`Self::written`] has results.
    pub fn is_result(&self, column: usize) -> bool {
        match &self.body {
            GridBody::Matrix(_) => column > 0,
            GridBody::List(_) => column >= self.fields.len(),
        }
    }

    /// The file, with the worksheet of a workbook: `guide.xlsx, LTV`.
    pub fn source(&self) -> String {
        let sheet = self.table.sheet.as_ref().map_or_else(String::new, |sheet| format!(", {sheet}"));
        format!("{}{sheet}", self.table.file)
    }

    /// The names of the fields that the grid limits, each once.
    pub fn limited_fields(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.gives.iter().filter_map(GridResult::field).map(TestedField::name) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// What the grid gives, for people: `max ltv_ratio, by credit_score and loan_amount`.
    pub fn gives(&self) -> String {
        let gives: Vec<String> = self.gives.iter().map(GridResult::heading).collect();
        let fields: Vec<&str> = self.fields.iter().map(|field| field.name()).collect();
        let by = match &self.body {
            GridBody::Matrix(_) => format!("by {} (rows) and {} (columns)", fields[0], fields[1]),
            GridBody::List(list) => match list.policy {
                ListPolicy::First => format!("by {}, of the first row that fits", fields.join(", ")),
                ListPolicy::Unique => format!("by {}, of the only row that fits", fields.join(", ")),
                ListPolicy::Sum => format!("by {}, of each row that fits", fields.join(", ")),
            },
        };
        let sign = if self.deducts { ", which is subtracted" } else { "" };
        format!("{}{sign}, {by}", gives.join(" and "))
    }

    /// The case of a loan.
    #[inline]
    fn find(&self, values: &[Value]) -> Lookup {
        let matrix = match &self.body {
            GridBody::List(list) => return list.find(values),
            GridBody::Matrix(matrix) => matrix,
        };
        match (matrix.rows.place(values), matrix.columns.place(values)) {
            (AxisPlace::Undetermined, _) | (_, AxisPlace::Undetermined) => Lookup::Undetermined,
            (AxisPlace::Heading(row), AxisPlace::Heading(column)) => match matrix.places[row * matrix.width + column] {
                NO_CASE => Lookup::NoCell,
                case => Lookup::Case(case as usize),
            },
            _ => Lookup::NoCell,
        }
    }

    /// Whether a loan in the grid's scope violates it.
    #[inline]
    fn violates(&self, found: Lookup, values: &[Value]) -> Truth {
        match found {
            Lookup::Case(case) => {
                let limits = self.limits.iter().map(|limit| limit.is_missed(case, values));
                limits.max().unwrap_or(Truth::False)
            }
            Lookup::NoCell => Truth::True,
            Lookup::Undetermined | Lookup::Overlap(..) => Truth::Undetermined,
            Lookup::EachFitting => Truth::False,
        }
    }

    /// Whether a grid of limits has nothing to say about a loan.
    #[inline]
    pub fn passes(&self, values: &[Value]) -> bool {
        let scope = self.scope.applies(values);
        if scope == Truth::False {
            return true;
        }
        let found = self.find(values);
        match scope.min(self.violates(found, values)) {
            Truth::False => true,
            Truth::Undetermined => {
                let is_overlap = matches!(found, Lookup::Overlap(..)) && scope == Truth::True;
                self.missing == Missing::Pass && !is_overlap
            }
            Truth::True => false,
        }
    }

    /// Adjusts a loan: calls `each` with the index of every cell that counts, among [`Self::cells`].
    #[inline]
    pub fn adjust(&self, values: &[Value], mut each: impl FnMut(usize)) -> Applied {
        match self.scope.applies(values) {
            Truth::False => return Applied::OutOfScope,
            Truth::Undetermined => return Applied::Undetermined,
            Truth::True => {}
        }
        let mut give = |case: usize| {
            if let Some(cell) = self.cell_of.get(case).filter(|cell| **cell != NO_CASE) {
                each(*cell as usize);
            }
        };
        match (self.find(values), &self.body) {
            (Lookup::Case(case), _) => give(case),
            (Lookup::EachFitting, GridBody::List(list)) => list.each_fitting(values, give),
            (Lookup::Overlap(..), _) => return Applied::Overlap,
            (Lookup::Undetermined, GridBody::List(list)) if list.policy == ListPolicy::Sum && self.missing == Missing::Hold => {
                // A held loan shows the rows that fit whatever the missing value is.
                list.each_fitting(values, give);
                return Applied::Undetermined;
            }
            (Lookup::EachFitting | Lookup::NoCell | Lookup::Undetermined, _) => return Applied::Undetermined,
        }
        Applied::Applied
    }
}

impl GridLimit {
    /// Whether a loan is beyond the limit of a case.
    #[inline]
    fn is_missed(&self, case: usize, values: &[Value]) -> Truth {
        match (self.bounds[case], values[self.slot]) {
            (None, _) => Truth::False,
            (Some(_), super::field::MISSING) => Truth::Undetermined,
            (Some(bound), value) if (self.is_max && value > bound) || (!self.is_max && value < bound) => Truth::True,
            (Some(_), _) => Truth::False,
        }
    }
}
