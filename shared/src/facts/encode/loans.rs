//! The schema of a file of some loans.

use std::sync::Arc;

use parquet::{errors::Result, schema::types::Type};

use super::{super::schema::FileColumn, FileSchema};

impl FileSchema {
    /// A schema of loans with these columns.
    ///
    /// # Errors
    /// An error of the Parquet library when two columns have one name.
    pub fn of(columns: &[FileColumn]) -> Result<Self> {
        Self::new("loans", columns)
    }

    /// The type that holds the columns.
    pub fn root(&self) -> Arc<Type> {
        Arc::clone(&self.root)
    }
}
