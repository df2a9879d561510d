//! Mistakes of a rule set and its files.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

/// A mistake in a rule set or in a file that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RuleSetMistake)]
pub struct Mistake {
    /// The file with the mistake; null for the rule set itself.
    #[schema(example = "llpa.csv")]
    pub file: Option<String>,
    /// The 1-based line; null for a mistake in a cell or of a whole file.
    #[schema(example = 12)]
    pub line: Option<usize>,
    /// The worksheet; null for a file that is no workbook.
    #[schema(example = "LTV")]
    pub sheet: Option<String>,
    /// The cell; null for a mistake on a line.
    #[schema(example = "D7")]
    pub cell: Option<String>,
    /// What is wrong there, and what to write instead.
    #[schema(example = "\"8O\" is no number")]
    pub message: String,
}

impl Mistake {
    /// A mistake on a line of the rule set itself.
    pub fn on_line(line: usize, message: String) -> Self {
        Self { file: None, line: Some(line), sheet: None, cell: None, message }
    }

    /// A mistake of a file that the rule set names, in one of its cells or as a whole.
    pub fn in_file(file: &str, sheet: Option<&str>, cell: Option<String>, message: String) -> Self {
        Self { file: Some(file.to_owned()), line: None, sheet: sheet.map(str::to_owned), cell, message }
    }

    /// Where the mistake is. `rule_set` is the name of the rule set's own file.
    pub fn place(&self, rule_set: &str) -> String {
        let file = self.file.as_deref().unwrap_or(rule_set);
        match (self.line, &self.sheet, &self.cell) {
            (Some(line), ..) => format!("{file}:{line}"),
            (None, Some(sheet), Some(cell)) => format!("{file}, {sheet}!{cell}"),
            (None, None, Some(cell)) => format!("{file}!{cell}"),
            (None, Some(sheet), None) => format!("{file}, {sheet}"),
            (None, None, None) => file.to_owned(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (None, Some(line)) => write!(f, "line {line}: {}", self.message),
            _ => write!(f, "{}: {}", self.place("the rule set"), self.message),
        }
    }
}

/// Why a rule set cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct RuleSetError {
    /// All mistakes: those of the rule set itself in the order of its lines, then those of its files. There is at least one.
    pub mistakes: Vec<Mistake>,
}

impl RuleSetError {
    /// All mistakes as one text.
    fn text(&self) -> String {
        let mistakes = self.mistakes.iter().map(Mistake::to_string);
        mistakes.collect::<Vec<_>>().join("; ")
    }
}
