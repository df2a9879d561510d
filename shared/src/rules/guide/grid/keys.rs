//! Reads `[[grid]]` from a rule set's file.

use std::{ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::rules::{
    Severity,
    guide::{
        Guide,
        field::TestedField,
        read::{Reader, SharedKeys, one_of},
    },
    reading::{Parsed, sections, unknown, words},
    rule_set::Mistake,
};

use super::{
    Grid, GridHead, GridResult, Reporting,
    draft::{GridForm, not_an_axis, not_limited, read_draft},
    file::{FileMistake, GridFile},
    list::ListPolicy,
    table::CellTable,
};

/// Largest number of grids of a rule set.
pub const MAX_GRIDS: usize = 50;
const KEYS: &str = "name, file, sheet, rows, columns, ends, gives, policy, sign, when, unless, severity, hard_from, category, \
                    criteria, missing";

type Value<'i> = Spanned<DeValue<'i>>;

/// The keys of one grid, besides those that it shares with rules.
#[derive(Default)]
struct GridKeys<'v, 'i> {
    file: Option<&'v Value<'i>>,
    sheet: Option<&'v Value<'i>>,
    rows: Option<&'v Value<'i>>,
    columns: Option<&'v Value<'i>>,
    ends: Option<&'v Value<'i>>,
    gives: Option<&'v Value<'i>>,
    policy: Option<&'v Value<'i>>,
    sign: Option<&'v Value<'i>>,
}

impl Reader<'_> {
    /// Reads `[[grid]]`: the grids that the rule set names.
    pub fn grids(&mut self, value: &Value<'_>) {
        let Some(tables) = self.take(sections(value, "grid")) else { return };
        if tables.len() > MAX_GRIDS {
            let message = format!("a rule set has at most {MAX_GRIDS} grids, and this one has {}", tables.len());
            self.mistakes.add(value.span(), message);
            return;
        }
        for table in tables.iter() {
            if let DeValue::Table(keys) = table.get_ref() {
                self.grid(keys, table.span());
            }
        }
    }

    fn grid(&mut self, table: &DeTable<'_>, place: Range<usize>) {
        let (mut shared, mut keys) = (SharedKeys::default(), GridKeys::default());
        for (key, value) in table {
            if self.shared_key(&mut shared, key, value) {
                continue;
            }
            match key.get_ref().as_ref() {
                "file" => keys.file = Some(value),
                "sheet" => keys.sheet = Some(value),
                "rows" => keys.rows = Some(value),
                "columns" => keys.columns = Some(value),
                "ends" => keys.ends = Some(value),
                "gives" => keys.gives = Some(value),
                "policy" => keys.policy = Some(value),
                "sign" => keys.sign = Some(value),
                _ => self.unknown(key, KEYS),
            }
        }
        for (name, example) in [("name", "max_ltv"), ("file", "max_ltv.csv")] {
            if !table.iter().any(|(key, _)| key.get_ref() == name) {
                self.mistakes.add(place.clone(), format!("the grid has no {name}: write {name} = \"{example}\""));
            }
        }
        let name = self.claim_name(&shared, "grid");
        let form = self.form(&keys, &place);
        let signs = [("add", false), ("deduct", true)];
        let sign = keys.sign.and_then(|value| Some((self.take(one_of(value, "sign", &signs))?, value.span())));
        if let Some(GridForm::Matrix { gives, .. }) = &form {
            self.check_kind(&shared, &sign, gives.is_adjustment());
        }
        let is_list = matches!(form, Some(GridForm::List(_)));
        let Some((draft, table)) = self.draft(&keys, form) else { return };
        let is_adjustment = draft.gives.iter().any(GridResult::is_adjustment);
        if is_list {
            self.check_kind(&shared, &sign, is_adjustment);
        }
        let Some(name) = name else { return };
        let slots = draft.fields.iter().map(|field| self.guide.slot(field)).collect();
        let limited = draft.gives.iter().filter_map(GridResult::field);
        let limit_slots: Vec<usize> = limited.map(|field| self.guide.slot(field)).collect();
        let reporting = (!is_adjustment).then(|| Reporting {
            kind: shared.kind(self.next_id, &name),
            severity: shared.severity.as_ref().map_or(Severity::Hard, |(severity, _)| *severity),
            hard_from: shared.hard_from.as_ref().map(|(date, _)| *date),
        });
        let deducts = sign.is_some_and(|(deducts, _)| deducts);
        let head = GridHead { name, scope: shared.scope, missing: shared.missing.unwrap_or_default(), reporting, deducts };
        let grid = Grid::new(head, draft, slots, &limit_slots, table);
        if is_adjustment {
            self.guide.adjustment_grids.push(grid);
        } else {
            self.next_id += 1;
            self.guide.limit_grids.push(grid);
        }
    }

    /// Notes the keys that a grid of this kind does not take.
    fn check_kind(&mut self, shared: &SharedKeys, sign: &Option<(bool, Range<usize>)>, is_adjustment: bool) {
        let mut refuse = |key: &str, span: Option<Range<usize>>| {
            if let Some(span) = span {
                let kind = if is_adjustment { "adjustments" } else { "limits" };
                self.mistakes.add(span, format!("a grid of {kind} takes no `{key}`: leave it out"));
            }
        };
        if !is_adjustment {
            refuse("sign", sign.as_ref().map(|(_, span)| span.clone()));
            return;
        }
        refuse("severity", shared.severity.as_ref().map(|(_, span)| span.clone()));
        refuse("hard_from", shared.hard_from.as_ref().map(|(_, span)| span.clone()));
        refuse("category", shared.category.as_ref().map(|(_, span)| span.clone()));
        refuse("criteria", shared.criteria.as_ref().map(|(_, span)| span.clone()));
    }

    /// The form of a grid, by its keys. `None` after a mistake.
    fn form(&mut self, keys: &GridKeys<'_, '_>, place: &Range<usize>) -> Option<GridForm> {
        let GridKeys { rows, columns, ends, gives, policy, .. } = keys;
        if rows.is_none() && columns.is_none() && gives.is_none() {
            if let Some(ends) = ends {
                let message = "`ends` is for a matrix: the cells of a list say which ends they have, such as (60..70]";
                self.mistakes.add(ends.span(), message.to_owned());
            }
            let policy = policy.map_or(Some(ListPolicy::First), |value| self.take(one_of(value, "policy", &ListPolicy::ALL)))?;
            return ends.is_none().then_some(GridForm::List(policy));
        }
        if let Some(policy) = policy {
            let message = "`policy` is for a list, which has neither `rows` nor `columns` nor `gives`".to_owned();
            self.mistakes.add(policy.span(), message);
        }
        for (name, value, example) in [
            ("rows", rows, "\"credit_score\""),
            ("columns", columns, "\"loan_amount\""),
            ("gives", gives, "{ max = \"ltv_ratio\" }"),
        ] {
            if value.is_none() {
                let message =
                    format!("a matrix needs `{name}`: write {name} = {example}, or none of rows, columns and gives for a list");
                self.mistakes.add(place.clone(), message);
            }
        }
        let row_field = rows.and_then(|value| self.mistakes.take(axis_field(&self.guide, value, "rows")));
        let column_field = columns.and_then(|value| self.mistakes.take(axis_field(&self.guide, value, "columns")));
        let gives = gives.and_then(|value| self.mistakes.take(given(&self.guide, value)));
        let (row_field, column_field) = (row_field?, column_field?);
        if let Some(columns) = columns.filter(|_| row_field == column_field) {
            self.mistakes.add(columns.span(), format!("rows and columns are both {}: name two fields", row_field.name()));
            return None;
        }
        let upper = ends.map_or(Some([true; 2]), |value| self.take(owned_ends(value, [&row_field, &column_field])))?;
        let form = GridForm::Matrix { rows: row_field, columns: column_field, gives: gives?, upper };
        policy.is_none().then_some(form)
    }

    /// Reads the file of a grid, and its cells. `None` after a mistake.
    fn draft(&mut self, keys: &GridKeys<'_, '_>, form: Option<GridForm>) -> Option<(super::draft::GridDraft, CellTable)> {
        let text = |value: &Value<'_>, name: &str| words(value, name).map(|text| (text, value.span()));
        let sheet = match keys.sheet {
            Some(value) => Some(self.take(text(value, "sheet"))?),
            None => None,
        };
        let (name, place) = self.take(text(keys.file?, "file"))?;
        let files = &self.file.files;
        let sheet = sheet.as_ref().map(|(name, place)| (name.as_str(), place.clone()));
        let file = match GridFile::find(files, (&name, place), sheet) {
            Ok(file) => file,
            Err(FileMistake::OnLine(place, message)) => {
                self.mistakes.add(place, message);
                return None;
            }
            Err(FileMistake::InFile(mistake)) => {
                self.mistakes.add_in_file(mistake);
                return None;
            }
        };
        let (tables, form) = match (CellTable::read(&file), form) {
            (Ok(tables), Some(form)) => (tables, form),
            (Ok(_), None) => return None,
            (Err(mistakes), _) => {
                self.note_all(mistakes);
                return None;
            }
        };
        let declared = Arc::clone(self.guide.declared());
        let table = best_table(tables)?;
        let guide = &mut self.guide;
        let (draft, found) = match read_draft(&table, &form, &declared, &mut |field| guide.slot(field)) {
            Ok(draft) => (Some(draft), Vec::new()),
            Err(found) => (None, found),
        };
        let mistakes = table.all_mistakes(found);
        let is_sound = mistakes.is_empty();
        self.note_all(mistakes);
        draft.filter(|_| is_sound).map(|draft| (draft, table))
    }

    fn note_all(&mut self, mistakes: Vec<Mistake>) {
        mistakes.into_iter().for_each(|mistake| self.mistakes.add_in_file(mistake));
    }
}

/// The table that the right delimiter gives: the one with the most cells that say something, of several the first.
fn best_table(tables: Vec<CellTable>) -> Option<CellTable> {
    let filled = |table: &CellTable| table.cells().iter().flatten().filter(|cell| !cell.is_empty()).count();
    tables.into_iter().rev().max_by_key(filled)
}

/// The field that a key names.
fn field_of(guide: &Guide, value: &Value<'_>, name: &str) -> Parsed<TestedField> {
    let named = words(value, name)?;
    guide.field(&named).ok_or_else(|| {
        let known: Vec<&str> = guide.field_names().collect();
        (value.span(), format!("there is no field `{named}`; the fields are {}", known.join(", ")))
    })
}

fn axis_field(guide: &Guide, value: &Value<'_>, name: &str) -> Parsed<TestedField> {
    let field = field_of(guide, value, name)?;
    not_an_axis(&field).map_or(Ok(field), |why| Err((value.span(), why)))
}

/// What a matrix gives: `{ max = FIELD }`, `{ min = FIELD }` or `"adjustment"`.
fn given(guide: &Guide, value: &Value<'_>) -> Parsed<GridResult> {
    let table = match value.get_ref() {
        DeValue::String(text) if text == "adjustment" => return Ok(GridResult::Adjustment),
        DeValue::Table(table) if table.len() == 1 => table,
        _ => {
            let message = "`gives` must be { max = \"ltv_ratio\" }, { min = \"credit_score\" } or \"adjustment\"";
            return Err((value.span(), message.to_owned()));
        }
    };
    let Some((key, named)) = table.iter().next() else { return Err((value.span(), "`gives` says nothing".to_owned())) };
    let result = match key.get_ref().as_ref() {
        "max" => GridResult::Max,
        "min" => GridResult::Min,
        _ => return Err(unknown(key, "max, min")),
    };
    let field = field_of(guide, named, key.get_ref())?;
    not_limited(&field).map_or(Ok(result(field)), |why| Err((named.span(), why)))
}

/// Whether the bands of rows and columns own their upper ends.
fn owned_ends(value: &Value<'_>, fields: [&TestedField; 2]) -> Parsed<[bool; 2]> {
    const ENDS: [(&str, bool); 2] = [("upper", true), ("lower", false)];
    let DeValue::Table(table) = value.get_ref() else { return Ok([one_of(value, "ends", &ENDS)?; 2]) };
    let mut upper = [true; 2];
    for (key, value) in table {
        let Some(at) = fields.iter().position(|field| field.name() == key.get_ref()) else {
            return Err(unknown(key, &fields.map(|field| field.name()).join(", ")));
        };
        upper[at] = one_of(value, key.get_ref(), &ENDS)?;
    }
    Ok(upper)
}
