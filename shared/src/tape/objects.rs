//! The objects of the API that tell how a tape was read.

use serde::Serialize;
use utoipa::ToSchema;

/// Something that happened to a tape and is no fault of a loan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notice)]
pub struct NoticeObject {
    /// Stable code of the notice, for programs, such as `not_a_loan`, `header_again`, `two_claims`, `values_not_read` or `short_rows`.
    #[schema(example = "not_a_loan")]
    pub code: String,
    /// What happened, for people: at most 300 characters.
    #[schema(example = "No loan: Total,500000")]
    pub message: String,
    /// Name of the tape.
    #[schema(example = "february.csv")]
    pub source_file: String,
    /// Line of the tape, or row of the sheet, counted from 1. Null: the notice is about no single line.
    #[schema(required, example = 4)]
    pub line: Option<u64>,
}

/// Why a run failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunError)]
pub struct RunErrorObject {
    /// Phase that failed.
    #[schema(example = "ingest")]
    pub phase: String,
    /// Stable code of the failure, for programs, such as `missing_columns`, `not_a_tape`, `header_too_large`, `record_too_large` or
    /// `record_unreadable`.
    #[schema(example = "missing_columns")]
    pub code: String,
    /// What is wrong and how to fix it, for people: at most 2,000 characters.
    #[schema(
        example = "The required column loan_amount is missing from the header. Add it, or rename the columns that hold the same."
    )]
    pub message: String,
    /// Tape that the failure is about. Absent: the failure is about no single tape.
    #[schema(required = false, example = "february.csv")]
    pub source_file: String,
    /// Line of that tape, or row of its sheet, counted from 1. Absent: the failure is about no single line.
    #[schema(required = false, example = 1)]
    pub line: u64,
}

/// How one tape was read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TapeMapping, example = json!({
    "source_file": "february.csv",
    "format": "csv",
    "delimiter": ",",
    "encoding": "utf-8",
    "header_line": 1,
    "columns": [
        {
            "position": 1, "header": "Note Rate", "field": "note_rate", "name": "note_rate", "rank": 2, "unit": "percent",
            "origin": "alias"
        },
        {"position": 2, "header": "County", "name": "County"}
    ]
}))]
pub struct MappingObject {
    /// Name of the tape.
    #[schema(example = "february.csv")]
    pub source_file: String,
    /// Format of the tape: `csv`, `xlsx`, `xls`, `xlsb` or `ods`.
    #[schema(example = "csv")]
    pub format: String,
    /// Character between two cells of a CSV tape. Absent: the tape is a workbook.
    #[schema(required = false, example = ",")]
    pub delimiter: String,
    /// Encoding of a CSV tape. Absent: the tape is a workbook.
    #[schema(required = false, example = "utf-8")]
    pub encoding: String,
    /// Worksheet that was read. Absent: the tape is a CSV file.
    #[schema(required = false, example = "Loans")]
    pub sheet: String,
    /// Line, or row of the sheet, that holds the header, counted from 1. 0: the tape has no header, and a profile names its columns.
    #[schema(example = 1)]
    pub header_line: u64,
    /// Columns of the tape, from left to right.
    pub columns: Vec<ColumnObject>,
}

/// One column of a tape and the field it was read as.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TapeColumn)]
pub struct ColumnObject {
    /// Place of the column, counted from 1. Null: no column holds the field, and a profile gives its value.
    #[schema(required, example = 1)]
    pub position: Option<u64>,
    /// Header as it is written in the tape.
    #[schema(example = "Note Rate")]
    pub header: String,
    /// Canonical or standard field. Absent: the column is kept with the loan as text, and no rule reads it.
    #[schema(required = false, example = "note_rate")]
    pub field: String,
    /// Name of the column in `/api/loans`.
    #[schema(example = "note_rate")]
    pub name: String,
    /// How sure the header is to mean the field: 1 names what is sold, 2 is a plain name, 3 a name of the past, 4 a weak name that counts
    /// only alone. Absent: the column was not recognised by its header.
    #[schema(required = false, minimum = 1, maximum = 4, example = 2)]
    pub rank: u8,
    /// Unit of a column of percentages: `percent` (6.5) or `fraction` (0.065). Absent: the column holds no percentages.
    #[schema(required = false, example = "percent")]
    pub unit: String,
    /// Why the column was taken for the field: `alias`, `profile`, `map`, `position` or `constant`. Absent: it was taken for none.
    #[schema(required = false, example = "alias")]
    pub origin: String,
}
