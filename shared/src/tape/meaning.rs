//! Maps the columns of a tape to fields, and decides where several columns match one field.

use std::borrow::Cow;

use crate::{
    error::RunErrorCode,
    field::FIELDS,
    loan::{ColumnField, Field},
};

use super::{
    aliases::{Aliases, Rank, fold_header},
    notices::NoticeCode,
    options::{ColumnPlace, FieldColumn, Origin, TapeOptions},
};

/// The field to which a column is mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    pub field: ColumnField,
    /// How sure the header is to mean the field; `None` where no alias was needed.
    pub rank: Option<Rank>,
    /// Why the column was mapped to the field.
    pub origin: Origin,
}

/// What the columns of a row mean, if the row is the header.
#[derive(Debug, Default)]
pub struct Meanings {
    /// The meaning of each column; `None` for a column that is only kept.
    pub columns: Vec<Option<Meaning>>,
    /// The notices about the mapping.
    pub notices: Vec<(NoticeCode, String)>,
    /// The column of each canonical or standard field.
    filled: [Option<usize>; FIELDS],
    /// Two columns that match one canonical or required field with the same rank.
    tie: Option<(ColumnField, usize, usize)>,
    /// For each column, whether the options say that it is only kept.
    ignored: Vec<bool>,
    /// Why the options do not fit the row, such as a column that the row lacks, or has twice.
    pub misfit: Option<String>,
}

impl Meanings {
    /// Maps the columns of a row.
    pub fn of(row: &[Cow<'_, str>], options: &TapeOptions) -> Self {
        let folded: Vec<String> = options.ignored.iter().map(|header| fold_header(header)).collect();
        let ignored = row.iter().map(|header| !folded.is_empty() && folded.contains(&fold_header(header))).collect();
        let mut meanings = Self { columns: vec![None; row.len()], ignored, ..Self::default() };
        for column in &options.columns {
            meanings.place(row, column);
        }
        if let Some(latest) = &options.latest {
            meanings.find(row, &latest.period, "The period of a row");
        }
        let settled: Vec<Field> =
            options.columns.iter().map(|column| column.field).chain(options.constants.iter().map(|(field, _)| *field)).collect();
        let known = |header: &str| Aliases::built_in().claims(header).iter().map(|claim| (claim.field.into(), claim.rank));
        let claims: Vec<(usize, ColumnField, Rank)> = row
            .iter()
            .enumerate()
            .filter(|(at, _)| !meanings.ignored[*at] && meanings.columns[*at].is_none())
            .flat_map(|(at, header)| {
                known(header).chain(options.declared.claim(header)).map(move |(field, rank)| (at, field, rank))
            })
            .collect();
        let gross = row.iter().any(|header| names_a_gross_rate(header));
        let counts = |(_, field, rank): &(usize, ColumnField, Rank)| {
            let weak_coupon = gross && field.known() == Some(Field::NoteRate) && *rank == Rank::Weak;
            !field.known().is_some_and(|field| settled.contains(&field)) && !weak_coupon
        };
        let claims: Vec<_> = claims.into_iter().filter(counts).collect();
        let fields = Field::ALL.into_iter().map(ColumnField::Known).chain(options.declared.columns());
        fields.for_each(|field| {
            let is_needed = field.known().is_some_and(Field::is_canonical) || options.declared.requires(&field);
            meanings.decide(&field, is_needed, &claims, row);
        });
        meanings
    }

    /// Whether a column matches the field.
    pub fn of_field(&self, field: &ColumnField) -> bool {
        let filled = match field {
            ColumnField::Known(field) => self.filled[*field as usize].is_some(),
            ColumnField::Declared(_) => self.columns.iter().flatten().any(|meaning| meaning.field == *field),
        };
        filled || self.tie.as_ref().is_some_and(|(tied, ..)| tied == field)
    }

    /// Number of canonical fields that the row names.
    pub fn named(&self) -> usize {
        Field::CANONICAL.into_iter().filter(|field| self.of_field(&(*field).into())).count()
    }

    /// Why the row cannot be read as a header; `None` when it can.
    pub fn fault(&self, row: &[Cow<'_, str>], options: &TapeOptions) -> Option<(RunErrorCode, String)> {
        if let Some(message) = &self.misfit {
            return Some((RunErrorCode::ProfileHeaderAbsent, message.clone()));
        }
        if let Some((field, _)) = options.constants.iter().find(|(field, _)| self.is_claimed(*field, row)) {
            let message = format!(
                "The profile gives {field} as a constant, and the tape has a column for it. Remove the constant, or name the column \
                 under [ignore]."
            );
            return Some((RunErrorCode::DuplicateColumns, message));
        }
        let (field, first, second) = self.tie.as_ref()?;
        let (one, other) = (row[*first].trim(), row[*second].trim());
        let message = format!(
            "The columns \"{one}\" and \"{other}\" (columns {} and {}) both mean {field}. {}.",
            first + 1,
            second + 1,
            way_out(field, one, ", or in a profile")
        );
        Some((RunErrorCode::DuplicateColumns, message))
    }

    fn is_claimed(&self, field: Field, row: &[Cow<'_, str>]) -> bool {
        row.iter().enumerate().any(|(at, header)| {
            self.columns[at].is_none()
                && !self.ignored[at]
                && Aliases::built_in().claims(header).first().is_some_and(|claim| claim.field == field)
        })
    }

    /// Maps a column to a field as the options require.
    fn place(&mut self, row: &[Cow<'_, str>], column: &FieldColumn) {
        let field = column.field;
        let at = self.find(row, &column.place, field.name());
        let origin = match column.place {
            ColumnPlace::Position(_) => Origin::Position,
            ColumnPlace::Headers(_) => column.origin,
        };
        match at {
            Some(at) if self.columns[at].is_some() => {
                let (other, header) = (self.columns[at].as_ref().map_or("", |meaning| meaning.field.name()), row[at].trim());
                let message = format!(
                    "{other} and {field} are both to be read from column {} (\"{header}\"). Give each its own column.",
                    at + 1
                );
                self.misfit.get_or_insert(message);
            }
            Some(at) => {
                self.columns[at] = Some(Meaning { field: field.into(), rank: None, origin });
                self.filled[field as usize] = Some(at);
            }
            None => {}
        }
    }

    /// The index of the one column that the options name. Notes a misfit when there is no such column, or more than one.
    fn find(&mut self, row: &[Cow<'_, str>], place: &ColumnPlace, what: &str) -> Option<usize> {
        let places = place.places(row.iter().map(|cell| cell.as_ref()));
        let message = match places[..] {
            [at] => return Some(at),
            [first, second, ..] => format!(
                "{what} is to be read from a column \"{}\", which the tape has twice (columns {} and {}). Rename one of them, or give the \
                 position in a profile.",
                row[first].trim(),
                first + 1,
                second + 1
            ),
            [] => {
                let there: Vec<&str> = row.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty()).take(40).collect();
                let wanted = match place {
                    ColumnPlace::Position(position) => format!("column {position}"),
                    ColumnPlace::Headers(headers) => format!("a column \"{}\"", headers.join("\" or \"")),
                };
                let has = match (there.is_empty(), row.len()) {
                    (false, _) => there.join(", "),
                    (true, 1) => "one column".to_owned(),
                    (true, columns) => format!("{columns} columns"),
                };
                format!("{what} is to be read from {wanted}, which the tape does not have. It has: {has}.")
            }
        };
        self.misfit.get_or_insert(message);
        places.first().copied()
    }

    /// Maps a field to the column that matches it with the highest rank. Of two such columns, neither counts: that is a fault when the
    /// field is needed.
    fn decide(&mut self, field: &ColumnField, is_needed: bool, claims: &[(usize, ColumnField, Rank)], row: &[Cow<'_, str>]) {
        let free = |at: &usize| self.columns[*at].is_none();
        let of_field: Vec<(usize, Rank)> =
            claims.iter().filter(|(at, of, _)| of == field && free(at)).map(|(at, _, rank)| (*at, *rank)).collect();
        let Some(best) = of_field.iter().map(|(_, rank)| *rank).min() else { return };
        let mut winners = of_field.iter().filter(|(_, rank)| *rank == best).map(|(at, _)| *at);
        let (Some(winner), rival) = (winners.next(), winners.next()) else { return };
        if let Some(rival) = rival {
            if is_needed {
                self.tie.get_or_insert_with(|| (field.clone(), winner, rival));
                return;
            }
            let (one, other) = (row[winner].trim(), row[rival].trim());
            let message = format!(
                "The columns \"{one}\" and \"{other}\" both mean {field}: neither was read. {}.",
                way_out(field, one, "")
            );
            self.notices.push((NoticeCode::TwoClaims, message));
            return;
        }
        self.columns[winner] = Some(Meaning { field: field.clone(), rank: Some(best), origin: Origin::Alias });
        if let Some(field) = field.known() {
            self.filled[field as usize] = Some(winner);
        }
        let others: Vec<String> =
            of_field.iter().filter(|(at, _)| *at != winner).map(|(at, _)| format!("\"{}\"", row[*at].trim())).collect();
        if !others.is_empty() {
            let (chosen, verb) = (row[winner].trim(), if others.len() == 1 { "was" } else { "were" });
            let message = format!("{field} was read from \"{chosen}\"; {} {verb} not taken for it.", others.join(", "));
            self.notices.push((NoticeCode::TwoClaims, message));
        }
    }
}

/// How the user says which of two columns counts, for messages.
fn way_out(field: &ColumnField, header: &str, more: &str) -> String {
    match field {
        ColumnField::Known(field) => format!("Say which one counts, as with --map {field}=\"{header}\"{more}"),
        ColumnField::Declared(name) => format!("Rename one of them, or name only one under [fields.{name}] in the rule set"),
    }
}

/// Whether a header names a rate before fees. A coupon in the same tape is then the rate after fees.
fn names_a_gross_rate(header: &str) -> bool {
    let folded = fold_header(header);
    ["gross", "wac", "weightedaveragecoupon"].iter().any(|word| folded.contains(word))
}
