//! What a grid decides in one fixed form, for the hash of the rule set: the file, its name and the spelling of its cells decide
//! nothing.

use std::fmt::Write as _;

use crate::decimal::Decimal;

use super::{Grid, GridBody, GridResult, Matrix, NO_CASE, Reporting};

impl Grid {
    /// Appends the canonical form.
    pub fn push_canonical(&self, out: &mut String) {
        out.push_str(&self.name);
        out.push('=');
        if let Some(Reporting { kind, severity, hard_from }) = &self.reporting {
            let hard_from = hard_from.map_or_else(String::new, |date| date.to_string());
            // Writing to a String cannot fail.
            let _ = write!(out, "{},{hard_from},{},{},", severity.as_str(), kind.category, kind.rejection_criteria);
        }
        let _ = write!(out, "{:?},", self.missing);
        self.scope.push_canonical(out);
        out.push_str("gives(");
        self.gives.iter().for_each(|gives| out.push_str(&format!("{};", gives.heading())));
        out.push_str(")by(");
        self.fields.iter().for_each(|field| out.push_str(&format!("{};", field.name())));
        out.push(')');
        match &self.body {
            GridBody::Matrix(matrix) => self.push_matrix(matrix, out),
            GridBody::List(list) => {
                out.push_str(list.policy.as_str());
                for (row, tests) in list.rows.iter().enumerate() {
                    out.push('(');
                    for test in tests {
                        match test {
                            Some(test) => test.push_canonical(out),
                            None => out.push_str("*;"),
                        }
                    }
                    if list.refused[row] {
                        out.push_str("none")
                    } else {
                        self.push_results(row, out)
                    }
                    out.push(')');
                }
            }
        }
        out.push('\n');
    }

    /// Appends the cells of a matrix in the order of what the headings mean.
    fn push_matrix(&self, matrix: &Matrix, out: &mut String) {
        for (row, row_meaning) in &matrix.rows.meanings {
            for (column, column_meaning) in &matrix.columns.meanings {
                let _ = write!(out, "({row_meaning};{column_meaning};");
                match matrix.places[row * matrix.width + column] {
                    NO_CASE => out.push_str("none"),
                    case => self.push_results(case as usize, out),
                }
                out.push(')');
            }
        }
    }

    fn push_results(&self, case: usize, out: &mut String) {
        if self.gives.first().is_some_and(GridResult::is_adjustment) {
            let points = self.cell_of.get(case).filter(|cell| **cell != NO_CASE).map(|cell| self.cells[*cell as usize].points);
            let _ = points.map_or(Ok(()), |points| write!(out, "{points}"));
            return;
        }
        for result in self.cases[case].results.iter() {
            let text = result.map_or_else(String::new, |limit: Decimal| limit.with_min_decimals(0));
            let _ = write!(out, "{text};");
        }
    }
}
