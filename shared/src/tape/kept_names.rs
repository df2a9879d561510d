//! Names of the columns that are only kept.

use std::collections::{HashMap, HashSet};

use crate::loan::Field;

use super::{declared::DeclaredFields, header::PRODUCT_FIELDS};

/// The member of a loan with its program.
const PROGRAM: &str = "program";

/// Names the columns that are only kept.
pub struct KeptNames {
    taken: HashSet<String>,
    /// Number of requests for each name, so that finding a free one stays quick in a header of thousands of equal cells.
    asked: HashMap<String, usize>,
    /// The names of declared fields, and that of a loan's program where loans have one.
    fields: Vec<String>,
}

impl KeptNames {
    /// Starts with the names that are taken already. Declared fields keep their names, as all fields do.
    pub fn of(taken: impl Iterator<Item = String>, declared: &DeclaredFields) -> Self {
        let mut fields: Vec<String> = declared.fields.iter().map(|field| field.name.to_string()).collect();
        let taken = taken.chain(fields.iter().cloned()).collect();
        fields.extend(declared.has_programs.then(|| PROGRAM.to_owned()));
        Self { taken, asked: HashMap::new(), fields }
    }

    /// A name for a column: its header, unless the header is empty, a name of the product, or taken.
    pub fn take(&mut self, header: &str, at: usize) -> String {
        let plain = if header.is_empty() { unnamed_column(at) } else { header.to_owned() };
        let known = Field::ALL.map(Field::name);
        let mut reserved = PRODUCT_FIELDS.iter().chain(&known).copied().chain(self.fields.iter().map(String::as_str));
        let own = reserved.any(|name| name.eq_ignore_ascii_case(&plain));
        let base = if own { format!("source_{plain}") } else { plain };
        let asked = self.asked.entry(base.clone()).or_insert(0);
        loop {
            *asked += 1;
            let name = if *asked == 1 { base.clone() } else { format!("{base}_{asked}") };
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// The name of a column without a header, by its position from 1.
pub fn unnamed_column(at: usize) -> String {
    format!("column_{}", at + 1)
}
