//! Writes loans as CSV, as a workbook or as Parquet, off the async threads and in bounded memory.

use std::{io::Write as _, sync::Arc};

use api::{
    exports::{ExportError, ExportFile},
    problem::ApiError,
};
use serde::Deserialize;
use shared::{
    facts::{loan_file::LoanFile, read::FactRow},
    loan::Field,
    questions::lists::LoanList,
    results::{
        loan_table::LoanColumns,
        workbook::{LoanListColumns, LoanListSheet, SheetLimits, Workbook},
    },
};
use tokio::runtime::Handle;

use crate::{
    State,
    export_file::of_workbook,
    export_loans::LoanFormat,
    known_runs::{KnownRun, KnownRuns},
};

/// Number of loans that are read at once in tape order.
const BATCH: usize = 8_192;
/// Number of loans that are read at once in another order. Every batch may need every page of the facts, so batches are larger.
const SORTED_BATCH: usize = 32_768;

/// The loans of an export.
pub struct LoanRows {
    pub runs: KnownRuns,
    pub known: Arc<KnownRun>,
    pub list: Arc<LoanList>,
    pub columns: LoanColumns,
    pub fields: Vec<String>,
    pub runtime: Handle,
}

impl LoanRows {
    /// Writes the file.
    ///
    /// # Errors
    /// [`ExportError::Read`] when the loans cannot be read; [`ExportError::Write`] when the file cannot be written or the client
    /// has disconnected; [`ExportError::Make`] when the file cannot be assembled.
    pub fn write(self, file: &mut ExportFile<'_>, format: LoanFormat) -> Result<(), ExportError> {
        match format {
            LoanFormat::Csv => self.write_csv(file),
            LoanFormat::Xlsx => self.write_xlsx(file),
            LoanFormat::Parquet => self.write_parquet(file),
        }
    }

    /// Passes the loans to `write`, batch by batch.
    fn each_batch(&self, mut write: impl FnMut(Vec<FactRow>) -> Result<(), ExportError>) -> Result<(), ExportError> {
        let batch = match &*self.list {
            LoanList::InOrder(_) => BATCH,
            LoanList::Sorted(_) => SORTED_BATCH,
        };
        let mut before = 0;
        loop {
            let places = self.list.page(before, batch);
            if places.is_empty() {
                return Ok(());
            }
            before += places.len() as u64;
            let read = self.runs.with_facts(&self.known, move |facts, index| facts.at(index, &places));
            let rows = self.runtime.block_on(read).map_err(ExportError::Read)?;
            write(rows.unwrap_or_default())?;
        }
    }

    fn write_csv(&self, file: &mut ExportFile<'_>) -> Result<(), ExportError> {
        let mut lines = Vec::new();
        self.columns.push_header(&mut lines);
        file.write_all(&lines)?;
        self.each_batch(|rows| {
            lines.clear();
            rows.iter().for_each(|loan| self.columns.push_loan(&mut lines, loan));
            Ok(file.write_all(&lines)?)
        })
    }

    fn write_xlsx(&self, file: &mut ExportFile<'_>) -> Result<(), ExportError> {
        let (limits, wanted) = (SheetLimits::default(), file.wanted());
        let columns = LoanListColumns::new(&self.columns, limits.columns);
        let mut workbook = Workbook::new(file, "Loans", None, limits).map_err(of_workbook)?;
        let mut sheet = LoanListSheet::begin(&mut workbook, &columns).map_err(of_workbook)?;
        self.each_batch(|rows| {
            wanted.check()?;
            rows.iter().try_for_each(|loan| sheet.add(loan)).map_err(of_workbook)
        })?;
        sheet.finish().map_err(of_workbook)?;
        workbook.finish().map_err(of_workbook)
    }

    fn write_parquet(&self, file: &mut ExportFile<'_>) -> Result<(), ExportError> {
        let wanted = file.wanted();
        let not_made = |error| ExportError::Make(Box::new(error));
        let mut loans = LoanFile::begin(file, self.fields.clone()).map_err(not_made)?;
        self.each_batch(|rows| {
            wanted.check()?;
            rows.into_iter().try_for_each(|loan| loans.add(loan)).map_err(not_made)
        })?;
        loans.finish().map_err(not_made)
    }
}

/// The tapes of a run, as its `run` object has them.
#[derive(Deserialize)]
struct Mapped {
    column_mapping: Option<Vec<MappedTape>>,
}

#[derive(Deserialize)]
struct MappedTape {
    columns: Vec<MappedColumn>,
}

#[derive(Deserialize)]
struct MappedColumn {
    name: Option<String>,
    field: Option<String>,
}

impl MappedColumn {
    /// The member of a loan that holds the column, unless it is a field of the product.
    fn member(self) -> Option<String> {
        match self.field {
            Some(field) => Some(field).filter(|field| Field::from_name(field).is_none()),
            None => self.name,
        }
    }
}

impl State {
    /// The columns of an export of a run's loans.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] or [`ApiError::Internal`] when a store fails.
    pub async fn loan_columns(&self, known: &KnownRun, fields: &[String]) -> Result<LoanColumns, ApiError> {
        let whole = self.known.runs.whole(&known.run).await?;
        let mapped: Mapped = serde_json::from_str(whole.get()).map_err(ApiError::internal)?;
        let mut kept: Vec<String> = Vec::new();
        let columns = mapped.column_mapping.into_iter().flatten().flat_map(|tape| tape.columns);
        for name in columns.filter_map(MappedColumn::member) {
            if !kept.contains(&name) {
                kept.push(name);
            }
        }
        let index = self.known.index(known).await?;
        Ok(LoanColumns::new(&kept, index.is_some_and(|index| !index.programs.is_empty()), fields))
    }
}
