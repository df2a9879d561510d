//! The sheet of an export of loans.

use std::io::Write;

use crate::{
    facts::read::FactRow,
    results::loan_table::{LoanCell, LoanColumns},
};

use super::{
    WorkbookError,
    package::Workbook,
    sheet::{Sheet, SheetColumn},
    styles::CellStyle,
};

/// Width of a column, in characters.
const WIDTH: u16 = 16;

/// The columns of a sheet of loans.
pub struct LoanListColumns<'c> {
    columns: &'c LoanColumns,
    shown: Vec<SheetColumn>,
}

impl<'c> LoanListColumns<'c> {
    /// As many of the columns as a sheet has.
    pub fn new(columns: &'c LoanColumns, most: usize) -> Self {
        let shown = columns.names().take(most).map(|name| SheetColumn::new(name.to_owned(), WIDTH)).collect();
        Self { columns, shown }
    }
}

/// A sheet of loans that is being written.
pub struct LoanListSheet<'w, W: Write> {
    sheet: Sheet<'w, W>,
    columns: &'w LoanListColumns<'w>,
}

impl<'w, W: Write> LoanListSheet<'w, W> {
    /// Begins the sheet.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn begin(workbook: &'w mut Workbook<W>, columns: &'w LoanListColumns<'w>) -> Result<Self, WorkbookError> {
        Ok(Self { sheet: workbook.table("Loans", &columns.shown)?, columns })
    }

    /// Appends a loan.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn add(&mut self, loan: &FactRow) -> Result<(), WorkbookError> {
        let LoanListColumns { columns, shown } = self.columns;
        self.sheet.row(|row| {
            for (cell, column) in columns.cells(loan).zip(shown) {
                let style = if column.name == "seller_loan_number" { CellStyle::Code } else { CellStyle::Plain };
                match cell {
                    LoanCell::Empty => row.skip(),
                    LoanCell::Text(text) => row.text(style, &text),
                    LoanCell::Number(number) => row.decimal(style, number),
                    LoanCell::Count(count) => row.count(CellStyle::Whole, count),
                }
            }
        })
    }

    /// Ends the sheet.
    ///
    /// # Errors
    /// [`WorkbookError::Write`] when the output cannot be written.
    pub fn finish(self) -> Result<(), WorkbookError> {
        self.sheet.finish()
    }
}
