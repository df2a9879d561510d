//! How the tapes of a run are to be read, beyond what the tapes say themselves.

use serde::{Deserialize, Serialize};

use crate::{decimal::Decimal, folder::LeftOut, loan::Field};

use super::{aliases::fold_header, standard::DateOrder, text::Encoding, units::ColumnUnit};

/// What a profile and the person who starts a run say of the tapes. What is left out is found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TapeOptions {
    /// Where the header is.
    pub header: HeaderPlace,
    /// What parts fields.
    pub delimiter: Option<u8>,
    /// How the text is encoded.
    pub encoding: Option<Encoding>,
    /// In which order dates are written; `None` when the tape tells.
    pub dates: Option<DateOrder>,
    /// The name of the worksheet that is read, or [`ALL_SHEETS`].
    pub sheet: Option<String>,
    /// Where the fields are.
    pub columns: Vec<FieldColumn>,
    /// Fields that no column has, each with the cell that all loans have.
    pub constants: Vec<(Field, String)>,
    /// Headers of columns that are only kept.
    pub ignored: Vec<String>,
    /// How numbers are written, where it is not as in `1,234.56`.
    pub numbers: Option<NumberStyle>,
    /// Which rows count, of a tape with a row for every loan and period.
    pub latest: Option<LatestRows>,
    /// Whether a tape that no run could use is opened all the same, as far as it can be, to be looked at.
    pub lenient: bool,
    /// Files beside the tapes, in their folder, that are none.
    pub left_out: LeftOut,
}

impl TapeOptions {
    /// Whether only the words that are given for a field count in its column.
    pub fn has_words(&self, field: Field) -> bool {
        self.columns.iter().any(|column| column.field == field && column.words.is_some())
    }

    /// These with columns that somebody names for fields, which beat what a profile says.
    ///
    /// # Errors
    /// A field is named twice.
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

/// Where the header of a tape is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HeaderPlace {
    /// It is looked for among the first rows.
    #[default]
    Found,
    /// The tape has none: its columns are known by their positions.
    Nowhere,
    /// On one row, or joined of two.
    Rows(Vec<u64>),
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberStyle {
    /// What parts the whole from the decimals.
    pub decimal: char,
    /// What stands between thousands.
    pub thousands: char,
}

/// Where one field is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldColumn {
    /// The field.
    pub field: Field,
    /// The column.
    pub place: ColumnPlace,
    /// The unit of its numbers.
    pub unit: Option<ColumnUnit>,
    /// What its numbers are multiplied by, before the unit counts.
    pub times: Option<Decimal>,
    /// Cells that say nothing, besides those that always do.
    pub missing: Vec<String>,
    /// Words of the column, each with what it means, instead of those that are known.
    pub words: Option<Vec<(String, String)>>,
    /// Who says so.
    pub origin: Origin,
}

/// A column of a tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnPlace {
    /// By its header: the first of these that the tape has.
    Headers(Vec<String>),
    /// By its position, from 1.
    Position(usize),
}

impl ColumnPlace {
    /// Where the column stands in a row of headers: several places when the row has the header more than once.
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

/// Of each loan, the rows of its latest period count, and the others give way to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestRows {
    /// The column that says which period a row is of.
    pub period: ColumnPlace,
    /// How it writes dates; `None` when as the tape's other dates.
    pub dates: Option<DateOrder>,
}

/// Why a column was taken for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Its header is known to mean the field.
    Alias,
    /// The profile names its header.
    Profile,
    /// The person who started the run named its header.
    Map,
    /// The profile gives its position.
    Position,
    /// No column has the field: the profile gives what all loans have.
    Constant,
}
