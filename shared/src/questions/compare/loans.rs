//! The listed loans with everything that differs in them. Any stretch of the list costs one pass over the columns that differ in it.

use std::collections::{BTreeSet, HashMap};

use super::{
    answer::{CellText, ChangedCells, ComparedLoan, Reasons},
    changes::{Changes, FieldChanges, Pair},
    column::{MISSING, ODD, OddCell, Scale},
    order::Listed,
};
use crate::{
    facts::{
        read::{RangeReader, ReadError, SourceValue},
        schema::ColumnKind,
        standard::date_of,
    },
    loan::{ColumnField, Field},
};

/// Rows of one run that are wanted, ascending, each with the place in the list that it is wanted for.
#[derive(Debug, Default)]
struct Wanted(Vec<(u32, u32)>);

impl Wanted {
    fn new(rows: impl Iterator<Item = Option<u32>>) -> Self {
        let mut wanted: Vec<(u32, u32)> = (0..).zip(rows).filter_map(|(at, row)| Some((row?, at))).collect();
        wanted.sort_unstable();
        Self(wanted)
    }

    /// The wanted rows of a range of rows.
    fn within(&self, rows: &std::ops::Range<usize>) -> &[(u32, u32)] {
        let place = |row: usize| self.0.partition_point(|(wanted, _)| (*wanted as usize) < row);
        &self.0[place(rows.start)..place(rows.end)]
    }

    /// The places that want a row.
    fn of_row(&self, row: u32) -> Option<u32> {
        self.0.binary_search_by_key(&row, |(wanted, _)| *wanted).ok().map(|at| self.0[at].1)
    }
}

/// Loan numbers, by their places in a list.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    bytes: String,
    spans: Vec<(usize, u32)>,
}

impl Numbers {
    pub(super) fn get(&self, at: usize) -> &str {
        let span = self.spans.get(at).map(|(start, length)| *start..start + *length as usize);
        span.and_then(|span| self.bytes.get(span)).unwrap_or_default()
    }
}

/// The cells of a field in the loans in which it differs, in the order of the list.
struct FieldCells<'c> {
    changed: &'c FieldChanges,
    cells: Vec<[i64; 2]>,
    /// The texts that cells are places of.
    texts: Vec<String>,
    next: usize,
}

impl<R: RangeReader> Pair<'_, R> {
    /// Numbers of listed loans.
    pub(super) fn numbers(&self, list: &[Listed]) -> Result<Numbers, ReadError> {
        let mut numbers = Numbers { bytes: String::new(), spans: vec![(0, 0); list.len()] };
        for side in [0, 1] {
            let of_side = |listed: &Listed| {
                let rows = listed.rows(&self.partners);
                rows[side].filter(|_| side == 0 || rows[0].is_none())
            };
            let wanted = Wanted::new(list.iter().map(of_side));
            let facts = self.runs[side].facts;
            for group in 0..facts.groups() {
                let rows = facts.group_rows(group);
                let here = wanted.within(&rows);
                if here.is_empty() {
                    continue;
                }
                let scanned = facts.scan(group, &[Field::SellerLoanNumber.name()])?;
                let texts = scanned.texts(0);
                for (row, at) in here {
                    let text = texts.and_then(|texts| texts.get(*row as usize - rows.start)).unwrap_or_default();
                    if let Some(span) = numbers.spans.get_mut(*at as usize) {
                        *span = (numbers.bytes.len(), u32::try_from(text.len()).unwrap_or(u32::MAX));
                    }
                    numbers.bytes.push_str(text);
                }
            }
        }
        Ok(numbers)
    }

    /// Calls `give` with the loans of a stretch of the list, in order.
    pub(super) fn each_loan<E: From<ReadError>>(
        &self,
        changes: &Changes,
        list: &[Listed],
        mut give: impl FnMut(ComparedLoan) -> Result<(), E>,
    ) -> Result<(), E> {
        let numbers = self.numbers(list)?;
        let rows: Vec<[Option<u32>; 2]> = list.iter().map(|listed| listed.rows(&self.partners)).collect();
        let wanted = [0, 1].map(|side| Wanted::new(rows.iter().map(|rows| rows[side])));
        let mut fields = Vec::new();
        let is_listed = |changed: &&FieldChanges| rows.iter().any(|rows| differs(changed, rows));
        for changed in changes.fields.iter().filter(is_listed) {
            fields.push(self.cells(changed, &rows, &wanted)?);
        }
        let mut reasons = self.reasons(changes, &rows, &wanted)?;
        for (at, rows) in (0..).zip(&rows) {
            let mut cells = Vec::new();
            for field in fields.iter_mut().filter(|field| differs(field.changed, rows)) {
                let shown = [0, 1].map(|side| self.shown(field, side, rows[side]));
                cells.push((field.changed.field.name().to_owned(), shown));
                field.next += 1;
            }
            give(ComparedLoan {
                seller_loan_number: numbers.get(at as usize).to_owned(),
                base_row: rows[0],
                with_row: rows[1],
                disposition: self.dispositions(*rows),
                final_price: [0, 1].map(|side| self.loans[side].price(rows[side]? as usize)),
                fields: ChangedCells(cells),
                reasons: reasons.remove(&at).unwrap_or_default(),
            })?;
        }
        Ok(())
    }

    /// Reads the cells of a field in the loans in which it differs.
    fn cells<'c>(
        &self,
        changed: &'c FieldChanges,
        rows: &[[Option<u32>; 2]],
        wanted: &[Wanted; 2],
    ) -> Result<FieldCells<'c>, ReadError> {
        const NO_SLOT: u32 = u32::MAX;
        let mut count = 0;
        let slots = rows.iter().map(|rows| {
            let slot = if differs(changed, rows) { count } else { return NO_SLOT };
            count += 1;
            slot
        });
        let slots: Vec<u32> = slots.collect();
        let mut found = FieldCells { changed, cells: vec![[MISSING; 2]; count as usize], texts: Vec::new(), next: 0 };
        let mut texts = TextPlaces::default();
        for (side, wanted) in wanted.iter().enumerate() {
            let mut put = |at: u32, value: i64| {
                let cell = slots.get(at as usize).and_then(|slot| found.cells.get_mut(*slot as usize));
                cell.into_iter().for_each(|cell| cell[side] = value);
            };
            match &changed.field {
                ColumnField::Known(field) => self.put_known(*field, side, wanted, &mut texts, &mut put)?,
                ColumnField::Declared(name) => self.runs[side].each_declared(std::slice::from_ref(name), |row, _, value| {
                    let Some(at) = wanted.of_row(row) else { return };
                    put(
                        at,
                        match value {
                            SourceValue::Missing => MISSING,
                            SourceValue::Number(number) => texts.place(&number.to_string(), true),
                            SourceValue::Text(text) => texts.place(&text, false),
                        },
                    );
                })?,
            }
        }
        found.texts = texts.texts;
        Ok(found)
    }

    fn put_known(
        &self,
        field: Field,
        side: usize,
        wanted: &Wanted,
        places: &mut TextPlaces,
        put: &mut impl FnMut(u32, i64),
    ) -> Result<(), ReadError> {
        let facts = self.runs[side].facts;
        let odd = self.loans[side].odd.get(field.name());
        for group in 0..facts.groups() {
            let rows = facts.group_rows(group);
            let here = wanted.within(&rows);
            if here.is_empty() {
                continue;
            }
            let scanned = facts.scan(group, &[field.name()])?;
            for (row, at) in here {
                let place = *row as usize - rows.start;
                let value = match (scanned.integers(0), scanned.texts(0)) {
                    _ if odd.is_some_and(|odd| odd.contains_key(row)) => ODD,
                    (Some(integers), _) => integers.get(place).unwrap_or(MISSING),
                    (None, Some(texts)) => texts.get(place).map_or(MISSING, |text| places.place(text, false)),
                    (None, None) => MISSING,
                };
                put(*at, value);
            }
        }
        Ok(())
    }

    /// The value of a cell as the list of loans shows it.
    fn shown(&self, field: &FieldCells<'_>, side: usize, row: Option<u32>) -> CellText {
        let Some(value) = field.cells.get(field.next).map(|cell| cell[side]) else { return CellText::Missing };
        let known = field.changed.field.known();
        let kind = known.map(|known| ColumnKind::of(known.info().kind, known.info().unit));
        let odd = || self.loans[side].odd.get(known?.name())?.get(&row?);
        let text = |place: i64| usize::try_from(place).ok().and_then(|place| field.texts.get(place)).cloned();
        let shown = match (value, kind) {
            (MISSING, _) => None,
            (ODD, _) => odd().map(|cell| match cell {
                OddCell::Exact(number) => CellText::Number(*number),
                OddCell::Written(text) => CellText::Text(text.clone()),
            }),
            // A declared number is the negative of its place.
            (value, None) if value < 0 => text(-1 - value).and_then(|text| text.parse().ok()).map(CellText::Number),
            (value, None | Some(ColumnKind::Text)) => text(value).map(CellText::Text),
            (value, Some(ColumnKind::Date)) => date_of(value).map(|date| CellText::Text(date.to_string())),
            (value, Some(ColumnKind::Whole | ColumnKind::Integer)) => Some(CellText::Whole(value)),
            (value, Some(ColumnKind::Decimal(stored))) => Scale::Decimal(stored).decimal(value).map(CellText::Number),
        };
        shown.unwrap_or(CellText::Missing)
    }

    /// The types of exceptions that differ, of the loans of a stretch of the list in which they do.
    fn reasons(
        &self,
        changes: &Changes,
        rows: &[[Option<u32>; 2]],
        wanted: &[Wanted; 2],
    ) -> Result<HashMap<u32, Reasons>, ReadError> {
        let differ = |rows: &[Option<u32>; 2]| rows[0].is_some_and(|row| changes.reasons.has(row as usize)) && rows[1].is_some();
        let mut found: HashMap<u32, [BTreeSet<String>; 2]> = HashMap::new();
        if !rows.iter().any(differ) {
            return Ok(HashMap::new());
        }
        for (side, wanted) in wanted.iter().enumerate() {
            self.runs[side].each_reason(|row, kind| {
                let at = wanted.of_row(row).filter(|at| rows.get(*at as usize).is_some_and(differ));
                if let Some(at) = at {
                    found.entry(at).or_default()[side].insert(kind.to_owned());
                }
            })?;
        }
        let only = |some: &BTreeSet<String>, others: &BTreeSet<String>| some.difference(others).cloned().collect();
        let reasons = |[base, with]: &[BTreeSet<String>; 2]| Reasons { gone: only(base, with), new: only(with, base) };
        Ok(found.iter().map(|(at, sets)| (*at, reasons(sets))).collect())
    }
}

/// Whether a field differs in a loan.
fn differs(changed: &FieldChanges, rows: &[Option<u32>; 2]) -> bool {
    rows[1].is_some() && rows[0].is_some_and(|row| changed.rows.has(row as usize))
}

/// Different texts, each with its place.
#[derive(Default)]
struct TextPlaces {
    places: HashMap<String, i64>,
    texts: Vec<String>,
}

impl TextPlaces {
    /// The place of a text. That of a number is below zero.
    fn place(&mut self, text: &str, number: bool) -> i64 {
        let place = match self.places.get(text) {
            Some(place) => *place,
            None => {
                let place = i64::try_from(self.texts.len()).unwrap_or(0);
                self.texts.push(text.to_owned());
                *self.places.entry(text.to_owned()).or_insert(place)
            }
        };
        if number { -1 - place } else { place }
    }
}
