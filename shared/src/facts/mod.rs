//! Facts and exceptions as Parquet. All runs have one schema, so that one table can be declared over many runs.
//!
//! A *fact* is one loan with its disposition, an *exception* is one rule that a loan failed. Both files are in tape order. A row
//! group ends at a fixed number of rows or of bytes of text, so that block size and threads change no byte.

pub mod columns;
pub mod decimals;
pub mod encode;
pub mod exception_columns;
pub mod index;
pub mod loan_file;
pub mod pages;
pub mod read;
pub mod schema;
pub mod standard;
pub mod stored_bytes;
pub mod waterfall;

/// Version of the schema: the columns of the files and their types. It increases with every change of them. Stored files are not
/// rewritten, so results of another version are not read.
pub const SCHEMA: u32 = 5;

/// Largest number of loans in a row group of the facts.
pub const FACTS_PER_GROUP: usize = 65_536;
/// Largest number of exceptions in a row group of the exceptions.
pub const EXCEPTIONS_PER_GROUP: usize = 32_768;
/// A row group ends with the row whose text reaches this number of bytes, however few rows it has. A row group is held in memory
/// until it is full, and a tape may have hundreds of columns that are only kept.
pub const TEXT_PER_GROUP: usize = 32 * 1024 * 1024;
/// Number of rows in a page of a column. Reading one row decodes at least one page.
pub const ROWS_PER_PAGE: usize = 2_048;

/// File name of the facts.
pub const FACTS_FILE: &str = "facts.parquet";
/// File name of the exceptions.
pub const EXCEPTIONS_FILE: &str = "exceptions.parquet";
