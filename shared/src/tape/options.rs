//! Options for reading the tapes of a run, beyond what the tapes show themselves.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    decimal::Decimal,
    folder::LeftOut,
    loan::{ColumnField, ColumnUnit, Field},
};

use super::{aliases::fold_header, declared::DeclaredFields, standard::DateOrder, text::Encoding};

/// Options of the profile and of the user who starts a run. The engine detects what the options leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TapeOptions {
    pub header: HeaderPlace,
    pub delimiter: Option<u8>,
    pub encoding: Option<Encoding>,
    /// The order of dates. `None`: month first, and a column with a day in the month's place is left as it is written.
    pub dates: Option<DateOrder>,
    /// Name of the worksheet that is read, or [`ALL_SHEETS`].
    pub sheet: Option<String>,
    /// The columns of fields.
    pub columns: Vec<FieldColumn>,
    /// Fields without a column, each with the cell that all loans get.
    pub constants: Vec<(Field, String)>,
    /// Headers of columns that are only kept.
    pub ignored: Vec<String>,
    /// How numbers are written; `None` for `1,234.56`.
    pub numbers: Option<NumberStyle>,
    /// Which rows count in a tape with a row for every loan and period.
    pub latest: Option<LatestRows>,
    /// Whether a tape that a run would reject is opened as far as possible, for an inspection.
    pub lenient: bool,
    /// Files in the folder of the tapes that are not tapes.
    pub left_out: LeftOut,
    /// The fields that the rule set of the run declares.
    pub declared: Arc<DeclaredFields>,
}

impl TapeOptions {
    /// Whether only the words that the options give for a field count in its column.
    pub fn has_words(&self, field: Field) -> bool {
        self.columns.iter().any(|column| column.field == field && column.words.is_some())
    }

    /// These options, with the fields that the rule set of a run declares.
    pub fn declaring(&self, declared: &Arc<DeclaredFields>) -> Cow<'_, Self> {
        if declared.is_empty() {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self { declared: Arc::clone(declared), ..self.clone() })
    }

    /// Whether a tape without a column for the field fails.
    pub fn requires(&self, field: &ColumnField) -> bool {
        field.known().is_some_and(|field| field.info().required) || self.declared.requires(field)
    }

    /// Adds columns that the user maps to fields. They override those of the profile.
    ///
    /// # Errors
    /// A message when a field is mapped twice.
    pub fn with_map(mut self, map: &[(Field, String)]) -> Result<Self, String> {
        for (at, (field, header)) in map.iter().enumerate() {
            if map[..at].iter().any(|(before, _)| before == field) {
                return Err(format!("The field {field} is mapped twice. Map it to one column."));
            }
            self.constants.retain(|(constant, _)| constant != field);
            let place = ColumnPlace::Headers(vec![header.clone()]);
            match self.columns.iter_mut().find(|column| column.field == *field) {
                Some(column) => (column.place, column.origin) = (place, Origin::Map),
                None => {
                    let origin = Origin::Map;
                    let (unit, times, missing, words) = (None, None, Vec::new(), None);
                    self.columns.push(FieldColumn { field: *field, place, unit, times, missing, words, origin });
                }
            }
        }
        Ok(self)
    }
}

/// Sheet name that makes each worksheet a tape of its own.
pub const ALL_SHEETS: &str = "all";

/// The place of the header in a tape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HeaderPlace {
    /// The engine searches the first rows.
    #[default]
    Found,
    /// The tape has no header: its columns are known by their positions.
    Nowhere,
    /// The header is on the row, or joined from the two rows, with these numbers.
    Rows(Vec<u64>),
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberStyle {
    /// The mark between the whole number and the decimals.
    pub decimal: char,
    /// The mark between thousands.
    pub thousands: char,
}

/// The column of a field, and how its cells are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldColumn {
    pub field: Field,
    pub place: ColumnPlace,
    /// The unit of a column of percentages; `None` when the engine detects it.
    pub unit: Option<ColumnUnit>,
    /// Factor by which the numbers are multiplied, before the unit counts.
    pub times: Option<Decimal>,
    /// Cells that mean "no value", besides those that always do.
    pub missing: Vec<String>,
    /// Words of the column, each with its meaning. They replace the known words.
    pub words: Option<Vec<(String, String)>>,
    /// Who maps the column: the profile or the user.
    pub origin: Origin,
}

/// A column of a tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnPlace {
    /// By its header: the first of these headers that the tape has.
    Headers(Vec<String>),
    /// By its position, from 1.
    Position(usize),
}

impl ColumnPlace {
    /// The indexes of the column in a row of headers: several when the row has the header more than once.
    pub fn places<'h>(&self, headers: impl Iterator<Item = &'h str> + Clone) -> Vec<usize> {
        match self {
            Self::Position(position) => position.checked_sub(1).filter(|at| *at < headers.count()).into_iter().collect(),
            Self::Headers(wanted) => {
                let places = |header: &String| {
                    let folded = fold_header(header);
                    let same = headers.clone().enumerate().filter(|(_, cell)| fold_header(cell) == folded);
                    same.map(|(at, _)| at).collect::<Vec<_>>()
                };
                wanted.iter().map(places).find(|places| !places.is_empty()).unwrap_or_default()
            }
        }
    }
}

/// Of each loan, the rows of its latest period count, and supersede the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestRows {
    /// The column with the period of each row.
    pub period: ColumnPlace,
    /// The order of the dates in that column; `None` for the order of the tape's other dates.
    pub dates: Option<DateOrder>,
}

/// Why a column was mapped to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The header is known to mean the field.
    Alias,
    /// The profile names the header.
    Profile,
    /// The user who started the run named the header.
    Map,
    /// The profile gives the position.
    Position,
    /// No column has the field: the profile gives a value for all loans.
    Constant,
}
