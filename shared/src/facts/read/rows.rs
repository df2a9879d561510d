//! Facts and exceptions as the API returns them.

use std::{fmt, marker::PhantomData, vec};

use jiff::civil::Date;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, MapAccess, Visitor},
    ser::{self, SerializeMap},
};
use serde_json::value::RawValue;

use crate::{
    decimal::Decimal,
    facts::{
        decimals::{DecimalType, EXCESS, NUMBER_TYPES, PRICE},
        schema::ColumnKind,
        standard::date_of,
    },
    loan::{Field, FieldKind, NUMBERS, WORDS},
    phases::disposition::Disposition,
    rules::Severity,
};

use super::{ReadError, group::Columns, source::RangeReader};

/// A loan with its disposition. It serializes as one flat object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRow {
    /// Seller's number; `UNKNOWN` when it is missing.
    pub seller_loan_number: String,
    /// Numbers, in the order of [`Field::NUMERIC`] and in the unit of their fields.
    pub numbers: [StoredNumber; NUMBERS],
    /// Vocabulary words, in the order of [`Field::WORDED`]: canonical, or as written for a word without an alias.
    pub words: [Option<String>; WORDS],
    /// Standard fields that have a value for the loan, in the order of [`Field::STANDARD`].
    pub standard: Vec<(Field, StoredValue)>,
    /// Fields that the rule set declares, with their values; then the columns of the tape that are only kept: names and cells, in
    /// tape order.
    pub source_columns: Vec<(String, SourceValue)>,
    /// Decision on the loan.
    pub disposition: Disposition,
    /// Reason why a projected loan is held; `None` for other loans.
    pub projection_reason: Option<String>,
    /// Note rate minus IRR target, in percent; `None` for a loan that is rejected.
    pub pricing_spread: Option<Decimal>,
    /// Price in percent of the balance; `None` for a loan without a price.
    pub final_price: Option<Decimal>,
    /// Price before adjustments, in percent of the balance; `None` for a loan without a price, and for a rule set that does not
    /// adjust prices.
    pub base_price: Option<Decimal>,
    /// Where the base price comes from; `None` without one.
    pub base_price_source: Option<String>,
    /// What was added to the base price: a JSON list of objects with `name`, `points` and `source`.
    pub price_adjustments: Json,
    /// Weighted average life in years; `None` without a price by cash flows, and when no principal is paid.
    pub wal: Option<Decimal>,
    /// Modified duration in years; `None` without a price by cash flows, and when nothing is paid.
    pub duration: Option<Decimal>,
    /// The best program, `None` inside when every program rejects the loan. `None` for a rule set without programs.
    pub program: Option<Option<String>>,
    /// Name of the loan's tape.
    pub source_file: String,
    /// Line, or row of the worksheet, on which the loan starts.
    pub line: u64,
    /// Place of the loan in its run, from 0.
    pub row: u64,
}

/// A text that is JSON, and serializes as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(pub String);

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.clone()).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

/// Cell of a number, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum StoredNumber {
    /// The cell says nothing. Serializes as null.
    Missing,
    /// A number. Serializes as an exact JSON number.
    Value(Decimal),
    /// The cell could not be read. Serializes as its text, as written.
    Unreadable(String),
}

/// Cell of a standard field, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum StoredValue {
    /// Dollars, percent or a ratio. Serializes as an exact JSON number.
    Number(Decimal),
    /// A count or a number of months.
    Whole(i64),
    /// A date. Serializes as `2024-01-31`.
    Date(Date),
    /// A canonical word.
    Word(String),
    /// The cell could not be read. Serializes as its text, as written.
    Unreadable(String),
}

/// Value of a declared field, or cell of a column that is only kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SourceValue {
    /// The loan lacks the value of the field. Serializes as null.
    Missing,
    /// A number of a declared field. Serializes as an exact JSON number.
    Number(Decimal),
    /// A date or a word of a declared field, or a cell as written.
    Text(String),
}

impl SourceValue {
    /// Reads a value from its JSON; `None` for JSON that is no such value.
    fn of_json(json: &str) -> Option<Self> {
        match json.as_bytes().first()? {
            b'"' => serde_json::from_str(json).ok().map(Self::Text),
            b'n' => Some(Self::Missing),
            _ => json.parse().ok().map(Self::Number),
        }
    }
}

/// A rule that a loan failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExceptionRow {
    /// Index of the exception among the exceptions of the run, from 0.
    #[serde(skip)]
    pub ordinal: u64,
    /// Seller's number of the loan; `UNKNOWN` when it is missing.
    pub seller_loan_number: String,
    /// Stable name of the kind of exception.
    pub exception_type: String,
    /// Group of the kind in reports.
    pub exception_category: String,
    /// Whether the exception rejects the loan.
    pub severity: Severity,
    /// One sentence for the seller.
    pub message: String,
    /// Stable name of the failed criterion.
    pub rejection_criteria: String,
    /// Canonical field, or several with commas between them.
    pub field: String,
    /// Value of the loan, as text.
    pub actual: String,
    /// Value that the loan needs to pass, as text; `None` when there is no such value.
    pub limit: Option<String>,
    /// Distance of the value from passing, in the unit of the field; `None` when there is no such distance.
    pub excess: Option<Decimal>,
    /// The program whose rule the loan failed, `None` inside for a validation. `None` for a rule set without programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<Option<String>>,
    /// Name of the loan's tape.
    pub source_file: String,
    /// Line, or row of the worksheet, on which the loan starts.
    pub line: u64,
    /// Place of the loan in its run, from 0.
    pub row: u64,
}

impl Serialize for FactRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ChosenFields { row: self, fields: &[] }.serialize(serializer)
    }
}

/// A loan of which only some members are shown. It serializes as one flat object, in the order of [`FactRow`].
#[derive(Debug, Clone, Copy)]
pub struct ChosenFields<'f> {
    pub row: &'f FactRow,
    /// Names of the members besides `row`; empty for all members.
    pub fields: &'f [String],
}

/// The members of a loan that is being written.
struct ObjectOf<'f, M> {
    object: M,
    fields: &'f [String],
}

impl<M: SerializeMap> ObjectOf<'_, M> {
    fn add<V: Serialize + ?Sized>(&mut self, name: &str, value: &V) -> Result<(), M::Error> {
        if self.fields.is_empty() || self.fields.iter().any(|field| field == name) {
            self.object.serialize_entry(name, value)?;
        }
        Ok(())
    }
}

impl Serialize for ChosenFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { row, fields } = *self;
        let mut object = ObjectOf { object: serializer.serialize_map(None)?, fields };
        for field in Field::CANONICAL {
            match field.info().kind {
                FieldKind::Text => object.add(field.name(), &row.seller_loan_number)?,
                FieldKind::Number(at) => object.add(field.name(), &row.numbers[at])?,
                FieldKind::Word(at) => object.add(field.name(), &row.words[at])?,
                FieldKind::Standard(_) => {}
            }
        }
        for (field, value) in &row.standard {
            object.add(field.name(), value)?;
        }
        for (name, cell) in &row.source_columns {
            object.add(name, cell)?;
        }
        object.add("disposition", &row.disposition)?;
        object.add("projection_reason", &row.projection_reason)?;
        object.add("pricing_spread", &row.pricing_spread)?;
        object.add("final_price", &row.final_price)?;
        object.add("base_price", &row.base_price)?;
        object.add("base_price_source", &row.base_price_source)?;
        object.add("price_adjustments", &row.price_adjustments)?;
        object.add("wal", &row.wal)?;
        object.add("duration", &row.duration)?;
        if let Some(program) = &row.program {
            object.add("program", program)?;
        }
        object.add("source_file", &row.source_file)?;
        object.add("line", &row.line)?;
        object.object.serialize_entry("row", &row.row)?;
        object.object.end()
    }
}

impl FactRow {
    /// Builds the facts from rows of the file.
    pub(super) fn all<R: RangeReader>(columns: &Columns<'_, '_, R>) -> Result<Vec<Self>, ReadError> {
        let texts = |column| columns.texts(column).map(Vec::into_iter);
        let decimals = |column, stored| columns.integers(column).map(|values| decimals(values, stored));
        let mut loan_numbers = texts(Field::SellerLoanNumber.name())?;
        let mut numbers = Vec::with_capacity(NUMBERS);
        for (field, stored) in Field::NUMERIC.into_iter().zip(NUMBER_TYPES) {
            numbers.push(decimals(field.name(), stored)?);
        }
        let mut words = Vec::with_capacity(WORDS);
        for field in Field::WORDED {
            words.push(texts(field.name())?);
        }
        let mut standard = StandardCells::all(columns)?;
        let mut as_written = texts("as_written")?;
        let mut exact_values = texts("exact_values")?;
        let mut source_columns = texts("source_columns")?;
        let mut dispositions = texts("disposition")?;
        let mut reasons = texts("projection_reason")?;
        let mut spreads = decimals("pricing_spread", PRICE)?;
        let mut prices = decimals("final_price", PRICE)?;
        let mut base_prices = decimals("base_price", PRICE)?;
        let mut base_price_sources = texts("base_price_source")?;
        let mut price_adjustments = texts("price_adjustments")?;
        let mut wals = decimals("wal", PRICE)?;
        let mut durations = decimals("duration", PRICE)?;
        let mut programs = texts("program")?;
        let mut source_files = texts("source_file")?;
        let mut lines = columns.integers("line")?.into_iter();
        columns.rows(|place| {
            let mut row = Self {
                seller_loan_number: loan_numbers.next()??,
                numbers: [const { StoredNumber::Missing }; NUMBERS],
                words: Default::default(),
                standard: standard.next()?,
                source_columns: kept(source_columns.next()?)?,
                disposition: Disposition::from_word(&dispositions.next()??)?,
                projection_reason: reasons.next()?,
                pricing_spread: spreads.next()?,
                final_price: prices.next()?,
                base_price: base_prices.next()?,
                program: Some(programs.next()?),
                base_price_source: base_price_sources.next()?,
                price_adjustments: Json(price_adjustments.next()?.unwrap_or_else(|| "[]".to_owned())),
                wal: wals.next()?,
                duration: durations.next()?,
                source_file: source_files.next()??,
                line: lines.next()??.try_into().ok()?,
                row: place,
            };
            for (number, column) in row.numbers.iter_mut().zip(&mut numbers) {
                *number = column.next()?.map_or(StoredNumber::Missing, StoredNumber::Value);
            }
            for (word, column) in row.words.iter_mut().zip(&mut words) {
                *word = column.next()?;
            }
            for (field, cell) in members::<String>(as_written.next()?)? {
                row.set(&field, StoredNumber::Unreadable(cell.clone()), StoredValue::Unreadable(cell))?;
            }
            for (field, value) in members::<Box<RawValue>>(exact_values.next()?)? {
                let value: Decimal = value.get().parse().ok()?;
                match field.as_str() {
                    "pricing_spread" => row.pricing_spread = Some(value),
                    "final_price" => row.final_price = Some(value),
                    "base_price" => row.base_price = Some(value),
                    _ => row.set(&field, StoredNumber::Value(value), StoredValue::Number(value))?,
                }
            }
            Some(row)
        })
    }

    /// Value of a standard field; `None` when the tape gives none.
    pub fn standard(&self, field: Field) -> Option<&StoredValue> {
        self.standard.iter().find(|(of, _)| *of == field).map(|(_, value)| value)
    }

    /// Replaces the value of a field by one that its column does not hold. `None` for a field that has no such
    /// values.
    fn set(&mut self, field: &str, number: StoredNumber, value: StoredValue) -> Option<()> {
        let field = Field::from_name(field)?;
        match field.info().kind {
            FieldKind::Number(at) => *self.numbers.get_mut(at)? = number,
            FieldKind::Standard(_) => match self.standard.binary_search_by_key(&field, |(of, _)| *of) {
                Ok(at) => self.standard[at].1 = value,
                Err(at) => self.standard.insert(at, (field, value)),
            },
            // The column has the word as well.
            FieldKind::Word(_) => {}
            FieldKind::Text => return None,
        }
        Some(())
    }
}

/// Columns of the standard fields at some rows.
struct StandardCells {
    columns: Vec<(Field, CellColumn)>,
}

/// Cells of a column.
enum CellColumn {
    Words(vec::IntoIter<Option<String>>),
    Whole(vec::IntoIter<Option<i64>>),
    Dates(vec::IntoIter<Option<i64>>),
    Numbers(vec::IntoIter<Option<i64>>, DecimalType),
}

impl StandardCells {
    fn all<R: RangeReader>(columns: &Columns<'_, '_, R>) -> Result<Self, ReadError> {
        let column = |field: Field| {
            let (name, info) = (field.name(), field.info());
            let cells = match ColumnKind::of(info.kind, info.unit) {
                ColumnKind::Text => CellColumn::Words(columns.texts(name)?.into_iter()),
                ColumnKind::Date => CellColumn::Dates(columns.integers(name)?.into_iter()),
                ColumnKind::Whole | ColumnKind::Integer => CellColumn::Whole(columns.integers(name)?.into_iter()),
                ColumnKind::Decimal(stored) => CellColumn::Numbers(columns.integers(name)?.into_iter(), stored),
            };
            Ok((field, cells))
        };
        Ok(Self { columns: Field::STANDARD.into_iter().map(column).collect::<Result<_, _>>()? })
    }

    /// Standard fields of the next row that have a value; `None` when a column is damaged.
    fn next(&mut self) -> Option<Vec<(Field, StoredValue)>> {
        let mut cells = Vec::new();
        for (field, column) in &mut self.columns {
            let value = match column {
                CellColumn::Words(words) => words.next()?.map(StoredValue::Word),
                CellColumn::Whole(numbers) => numbers.next()?.map(StoredValue::Whole),
                CellColumn::Dates(days) => match days.next()? {
                    Some(days) => Some(StoredValue::Date(date_of(days)?)),
                    None => None,
                },
                CellColumn::Numbers(mantissas, stored) => match mantissas.next()? {
                    Some(mantissa) => Some(StoredValue::Number(stored.value(mantissa)?)),
                    None => None,
                },
            };
            cells.extend(value.map(|value| (*field, value)));
        }
        Some(cells)
    }
}

impl ExceptionRow {
    /// Builds the exceptions from rows of the file.
    pub(super) fn all<R: RangeReader>(columns: &Columns<'_, '_, R>) -> Result<Vec<Self>, ReadError> {
        let texts = |column| columns.texts(column).map(Vec::into_iter);
        let mut loan_numbers = texts("seller_loan_number")?;
        let mut types = texts("exception_type")?;
        let mut categories = texts("exception_category")?;
        let mut severities = texts("severity")?;
        let mut messages = texts("message")?;
        let mut criteria = texts("rejection_criteria")?;
        let mut fields = texts("field")?;
        let mut actuals = texts("actual")?;
        let mut limits = texts("limit")?;
        let mut excesses = decimals(columns.integers("excess")?, EXCESS);
        let mut exact_excesses = texts("exact_excess")?;
        let mut programs = texts("program")?;
        let mut source_files = texts("source_file")?;
        let mut lines = columns.integers("line")?.into_iter();
        let mut places = columns.integers("row")?.into_iter();
        columns.rows(|ordinal| {
            Some(Self {
                ordinal,
                seller_loan_number: loan_numbers.next()??,
                exception_type: types.next()??,
                exception_category: categories.next()??,
                severity: Severity::from_word(&severities.next()??)?,
                message: messages.next()??,
                rejection_criteria: criteria.next()??,
                field: fields.next()??,
                actual: actuals.next()??,
                // An exception without a limit has an empty one, because the column holds a text in every row.
                limit: limits.next()?.filter(|limit| !limit.is_empty()),
                excess: match (excesses.next()?, exact_excesses.next()?) {
                    (_, Some(exact)) => Some(exact.parse().ok()?),
                    (excess, None) => excess,
                },
                program: Some(programs.next()?),
                source_file: source_files.next()??,
                line: lines.next()??.try_into().ok()?,
                row: places.next()??.try_into().ok()?,
            })
        })
    }
}

/// Values of a column of decimals. Every 64-bit mantissa fits a decimal.
fn decimals(values: Vec<Option<i64>>, stored: DecimalType) -> impl Iterator<Item = Option<Decimal>> {
    values.into_iter().map(move |value| stored.value(value?))
}

/// Members of the object with the declared fields and the columns that are only kept, in order.
fn kept(object: Option<String>) -> Option<Vec<(String, SourceValue)>> {
    let members = members::<Box<RawValue>>(object)?;
    members.into_iter().map(|(name, json)| Some((name, SourceValue::of_json(json.get())?))).collect()
}

/// Members of a JSON object, in order. Empty when there is no text; `None` when the text is not an object.
fn members<V: DeserializeOwned>(object: Option<String>) -> Option<Vec<(String, V)>> {
    let Some(object) = object else { return Some(Vec::new()) };
    serde_json::from_str(&object).ok().map(|Members(members)| members)
}

struct Members<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Members<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for InOrder<V> {
            type Value = Members<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<V>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}
