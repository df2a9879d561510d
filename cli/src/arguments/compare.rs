//! The arguments of `loan-engine compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shared::decimal::Decimal;

use super::WorkArgs;

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The folder with the results of the base run
    #[arg(value_name = "OUT_DIR_A")]
    pub base: PathBuf,
    /// The folder with the results of the other run
    #[arg(value_name = "OUT_DIR_B")]
    pub with: PathBuf,
    /// Count two numbers of a field as equal up to this distance, in the unit of the field, such as --tolerance note_rate=0.125; may
    /// be given for several fields
    #[arg(long, value_name = "FIELD=DISTANCE", value_parser = parse_tolerance)]
    pub tolerance: Vec<(String, Decimal)>,
    /// How to print it: `table` shows the first loans that differ, `json` and `csv` all of them
    #[arg(long, value_enum, default_value_t = CompareFormat::Table)]
    pub format: CompareFormat,
    #[command(flatten)]
    pub work: WorkArgs,
}

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    /// Text and tables, for people
    Table,
    /// JSON, for programs
    Json,
    /// The loans that differ as CSV, for spreadsheets
    Csv,
}

/// Parses `FIELD=DISTANCE`.
fn parse_tolerance(text: &str) -> Result<(String, Decimal), String> {
    let (field, distance) = text.split_once('=').ok_or("it must be FIELD=DISTANCE, such as note_rate=0.125")?;
    let distance = distance.trim();
    let parsed = distance.parse().map_err(|_| format!("the distance `{distance}` is no number, such as 0.125"))?;
    Ok((field.trim().to_owned(), parsed))
}
