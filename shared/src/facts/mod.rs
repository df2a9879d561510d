//! Facts and exceptions as Parquet: one schema for all runs, so that one table can be declared over many of them.
//!
//! A *fact* is one loan with its disposition, an *exception* is one rule that a loan failed. Both files are in tape order,
//! in row groups that a fixed number of rows or bytes of text ends: neither block size nor threads show in their bytes.

pub mod columns;
pub mod decimals;
pub mod encode;
pub mod index;
pub mod pages;
pub mod read;
pub mod schema;
pub mod standard;
pub mod stored_bytes;

/// Which columns the files have, and of which types. One more with every change of them: what is stored stays as it is, and is read
/// only as what it is.
pub const SCHEMA: u32 = 2;

/// How many loans a row group of the facts holds at most.
pub const FACTS_PER_GROUP: usize = 65_536;
/// How many exceptions a row group of the exceptions holds at most.
pub const EXCEPTIONS_PER_GROUP: usize = 32_768;
/// A row group ends with the row whose text reaches so many bytes, however few its rows: a group is held in memory until it
/// is full, and a tape may have hundreds of columns that are only kept.
pub const TEXT_PER_GROUP: usize = 32 * 1024 * 1024;
/// How many rows a page of a column holds: what is decoded at least to read one row.
pub const ROWS_PER_PAGE: usize = 2_048;

/// The file name of the facts.
pub const FACTS_FILE: &str = "facts.parquet";
/// The file name of the exceptions.
pub const EXCEPTIONS_FILE: &str = "exceptions.parquet";
