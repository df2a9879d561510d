//! Some loans of a run as a Parquet file of their own: the columns of the facts, and the place of each loan in its run.

use std::{io::Write, sync::Arc};

use parquet::{
    basic::{Compression, ZstdLevel},
    column::writer::ColumnWriter,
    data_type::ByteArray,
    errors::{ParquetError, Result},
    file::{
        properties::{WriterProperties, WriterVersion},
        writer::SerializedFileWriter,
    },
};
use serde_json::Value;

use crate::{
    decimal::Decimal,
    loan::{Field, FieldKind},
};

use super::{
    decimals::DecimalType,
    encode::FileSchema,
    pages::ZSTD_LEVEL,
    read::{FactRow, SourceValue, StoredNumber, StoredValue},
    schema::{ColumnKind, FACT_SCHEMA, FileColumn},
    standard::days_of,
};

/// Number of loans in a row group.
const LOANS_PER_GROUP: usize = 16_384;
/// The columns with values that the columns of the fields do not hold.
const UNHELD: [&str; 2] = ["as_written", "exact_values"];
const SOURCE_COLUMNS: &str = "source_columns";
/// Place of the loan in its run, from 0.
const ROW: FileColumn = ("row", ColumnKind::Integer, false);

/// Writes loans as Parquet.
pub struct LoanFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<FileColumn>,
    /// Names of the kept columns that are wanted; empty for all.
    fields: Vec<String>,
    loans: Vec<FactRow>,
}

impl<W: Write + Send> LoanFile<W> {
    /// Begins a file. With `fields`, it has only these columns, `row`, and the columns with values that do not fit them; a name that
    /// is no column of the facts is one of a kept column.
    ///
    /// # Errors
    /// [`ParquetError`] when the file cannot be written.
    pub fn begin(out: W, fields: Vec<String>) -> Result<Self> {
        let is_column = |name: &str| FACT_SCHEMA.iter().any(|(column, ..)| *column == name);
        let any_kept = fields.iter().any(|field| !is_column(field) && field != ROW.0);
        let is_wanted = |name: &str| {
            let named = fields.iter().any(|field| field == name);
            fields.is_empty() || named || UNHELD.contains(&name) || name == SOURCE_COLUMNS && any_kept
        };
        let mut columns: Vec<FileColumn> = FACT_SCHEMA.iter().copied().filter(|(name, ..)| is_wanted(name)).collect();
        columns.push(ROW);
        let properties = WriterProperties::builder()
            .set_created_by("loan-engine".to_owned())
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?));
        let schema = FileSchema::of(&columns)?;
        let writer = SerializedFileWriter::new(out, schema.root(), Arc::new(properties.build()))?;
        Ok(Self { writer, columns, fields, loans: Vec::new() })
    }

    /// Appends a loan.
    ///
    /// # Errors
    /// [`ParquetError`] when the file cannot be written.
    pub fn add(&mut self, loan: FactRow) -> Result<()> {
        self.loans.push(loan);
        if self.loans.len() == LOANS_PER_GROUP { self.write_group() } else { Ok(()) }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`ParquetError`] when the file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        if !self.loans.is_empty() {
            self.write_group()?;
        }
        self.writer.close()?;
        Ok(())
    }

    fn write_group(&mut self) -> Result<()> {
        let loans = std::mem::take(&mut self.loans);
        let mut group = self.writer.next_row_group()?;
        for (name, kind, optional) in &self.columns {
            let Some(mut column) = group.next_column()? else { break };
            let cells = loans.iter().map(|loan| cell(loan, name, *kind, &self.fields)).collect::<Result<Vec<_>>>()?;
            let levels: Vec<i16> = cells.iter().map(|cell| i16::from(!matches!(cell, FileCell::None))).collect();
            let levels = optional.then_some(&levels[..]);
            let integers = || cells.iter().filter_map(FileCell::integer);
            match column.untyped() {
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    let texts: Vec<ByteArray> = cells.iter().filter_map(FileCell::text).collect();
                    writer.write_batch(&texts, levels, None)?;
                }
                ColumnWriter::Int64ColumnWriter(writer) => {
                    writer.write_batch(&integers().collect::<Vec<_>>(), levels, None)?;
                }
                ColumnWriter::Int32ColumnWriter(writer) => {
                    let narrow = integers().map(i32::try_from).collect::<std::result::Result<Vec<_>, _>>();
                    let narrow = narrow.map_err(|_| ParquetError::General(format!("a value of {name} has too many digits")))?;
                    writer.write_batch(&narrow, levels, None)?;
                }
                _ => return Err(ParquetError::General(format!("{name} has a type that no column has"))),
            }
            column.close()?;
        }
        group.close()?;
        Ok(())
    }
}

/// A value of a column.
enum FileCell {
    None,
    Integer(i64),
    Text(String),
}

impl FileCell {
    fn integer(&self) -> Option<i64> {
        if let Self::Integer(integer) = self { Some(*integer) } else { None }
    }

    fn text(&self) -> Option<ByteArray> {
        if let Self::Text(text) = self { Some(ByteArray::from(text.as_str())) } else { None }
    }

    fn of_text(text: Option<&String>) -> Self {
        text.cloned().map_or(Self::None, Self::Text)
    }
}

/// A number of a loan, with the type of its column.
type TypedNumber<'l> = (&'static str, &'l Decimal, DecimalType);

/// The numbers of a loan, by their columns.
fn numbers(loan: &FactRow) -> impl Iterator<Item = TypedNumber<'_>> {
    FACT_SCHEMA.iter().filter_map(|(name, kind, _)| {
        let ColumnKind::Decimal(stored) = kind else { return None };
        Some((*name, number(loan, name)?, *stored))
    })
}

fn number<'l>(loan: &'l FactRow, name: &str) -> Option<&'l Decimal> {
    match name {
        "pricing_spread" => return loan.pricing_spread.as_ref(),
        "final_price" => return loan.final_price.as_ref(),
        "base_price" => return loan.base_price.as_ref(),
        "wal" => return loan.wal.as_ref(),
        "duration" => return loan.duration.as_ref(),
        _ => {}
    }
    let field = Field::from_name(name)?;
    match field.info().kind {
        FieldKind::Number(at) => match loan.numbers.get(at)? {
            StoredNumber::Value(value) => Some(value),
            StoredNumber::Missing | StoredNumber::Unreadable(_) => None,
        },
        _ => match loan.standard(field)? {
            StoredValue::Number(value) => Some(value),
            _ => None,
        },
    }
}

fn cell(loan: &FactRow, name: &str, kind: ColumnKind, fields: &[String]) -> Result<FileCell> {
    if let ColumnKind::Decimal(stored) = kind {
        let mantissa = number(loan, name).and_then(|value| stored.exact(*value).or_else(|| stored.rounded(*value)));
        return Ok(mantissa.map_or(FileCell::None, FileCell::Integer));
    }
    let whole = |count: u64| i64::try_from(count).map(FileCell::Integer);
    let too_large = |_| ParquetError::General(format!("a value of {name} is too large"));
    Ok(match name {
        "row" => whole(loan.row).map_err(too_large)?,
        "line" => whole(loan.line).map_err(too_large)?,
        "source_file" => FileCell::Text(loan.source_file.clone()),
        "disposition" => FileCell::Text(loan.disposition.as_str().to_owned()),
        "projection_reason" => FileCell::of_text(loan.projection_reason.as_ref()),
        "base_price_source" => FileCell::of_text(loan.base_price_source.as_ref()),
        "price_adjustments" => {
            if loan.base_price.is_some() {
                FileCell::Text(loan.price_adjustments.0.clone())
            } else {
                FileCell::None
            }
        }
        "program" => FileCell::of_text(loan.program.as_ref().and_then(Option::as_ref)),
        "as_written" => object(unreadable(loan)),
        "exact_values" => {
            let unheld = numbers(loan).filter(|(_, value, stored)| stored.exact(**value).is_none());
            object(unheld.map(|(name, value, _)| format!("{}:{value}", Value::from(name))))
        }
        SOURCE_COLUMNS => object(kept(loan, fields)),
        name => of_field(loan, name),
    })
}

fn of_field(loan: &FactRow, name: &str) -> FileCell {
    let Some(field) = Field::from_name(name) else { return FileCell::None };
    match field.info().kind {
        FieldKind::Text => FileCell::Text(loan.seller_loan_number.clone()),
        FieldKind::Word(at) => FileCell::of_text(loan.words.get(at).and_then(Option::as_ref)),
        FieldKind::Number(_) => FileCell::None,
        FieldKind::Standard(_) => match loan.standard(field) {
            Some(StoredValue::Word(word)) => FileCell::Text(word.clone()),
            Some(StoredValue::Whole(whole)) => FileCell::Integer(*whole),
            Some(StoredValue::Date(date)) => days_of(*date).map_or(FileCell::None, FileCell::Integer),
            Some(StoredValue::Number(_) | StoredValue::Unreadable(_)) | None => FileCell::None,
        },
    }
}

/// Members of the object with the cells that could not be read.
fn unreadable(loan: &FactRow) -> impl Iterator<Item = String> {
    let numbers = Field::NUMERIC.into_iter().zip(&loan.numbers).filter_map(|(field, number)| match number {
        StoredNumber::Unreadable(written) => Some((field, written)),
        StoredNumber::Missing | StoredNumber::Value(_) => None,
    });
    let standard = loan.standard.iter().filter_map(|(field, value)| match value {
        StoredValue::Unreadable(written) => Some((*field, written)),
        _ => None,
    });
    numbers.chain(standard).map(|(field, written)| format!("\"{field}\":{}", Value::from(written.as_str())))
}

/// Members of the object with the declared fields and the kept columns.
fn kept(loan: &FactRow, fields: &[String]) -> impl Iterator<Item = String> {
    let wanted = loan.source_columns.iter().filter(|(name, _)| fields.is_empty() || fields.contains(name));
    wanted.map(|(name, value)| {
        let value = match value {
            SourceValue::Missing => "null".to_owned(),
            SourceValue::Number(number) => number.to_string(),
            SourceValue::Text(text) => Value::from(text.as_str()).to_string(),
        };
        format!("{}:{value}", Value::from(name.as_str()))
    })
}

fn object(members: impl Iterator<Item = String>) -> FileCell {
    let members: Vec<String> = members.collect();
    if members.is_empty() { FileCell::None } else { FileCell::Text(format!("{{{}}}", members.join(","))) }
}
