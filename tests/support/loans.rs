//! Loans for tests, written as in a tape, and helpers to say what is expected of them.

#![cfg(test)]

use shared::{
    loan::{ColumnUnit, Field, FieldKind, Loan, StandardCells, WordCell},
    phases::{
        Exception,
        disposition::Decided,
        judge,
        pricing::{IrrTarget, Pricing},
    },
    rules::{Evidence, rule_set::RuleSet},
    tape::{
        aliases::Aliases,
        cell::{is_missing, trimmed},
        number::read_cell,
        standard::{DateOrder, StandardReader},
    },
};

/// Builds a loan from the cells of a tape row. It reads the cells as a tape is read: numbers in columns of percentages, words
/// through the alias table.
///
/// ```ignore
/// let loan = LoanBuilder::good().with("ltv_ratio", "97.01 %").with("credit_score", "NA").build();
/// ```
#[derive(Debug, Clone, Copy)]
pub struct LoanBuilder<'t> {
    cells: [&'t str; Field::ALL.len()],
}

impl<'t> LoanBuilder<'t> {
    /// A loan that passes every built-in rule.
    pub fn good() -> Self {
        Self::empty()
            .with("seller_loan_number", "LN-0001")
            .with("loan_amount", "$250,000.00")
            .with("note_rate", "6.75")
            .with("ltv_ratio", "80")
            .with("dti_ratio", "35.5")
            .with("credit_score", "740")
            .with("property_type", "sfr")
            .with("occupancy_status", "primary")
            .with("loan_purpose", "purchase")
            .with("purchase_price", "$312,500.00")
            .with("appraisal_value", "$315,000.00")
    }

    /// A loan whose cells are all empty.
    pub fn empty() -> Self {
        Self { cells: [""; Field::ALL.len()] }
    }

    /// Sets the cell of a canonical or standard column; `""` and `"NA"` mean that the value is missing.
    #[track_caller]
    pub fn with(mut self, column: &str, text: &'t str) -> Self {
        let field = Field::from_name(column).unwrap_or_else(|| panic!("there is no column `{column}`"));
        self.cells[field as usize] = text;
        self
    }

    /// Builds the loan, on the line below the header.
    pub fn build(self) -> Loan<'t> {
        let (mut loan, mut standard) = (Loan::empty(2), StandardCells::NONE);
        for (field, text) in Field::ALL.into_iter().zip(self.cells) {
            let trimmed = trimmed(text);
            match field.info().kind {
                FieldKind::Text => loan.seller_loan_number = (!is_missing(trimmed)).then(|| trimmed.into()),
                FieldKind::Number(at) => loan.numbers[at] = read_cell(field, text, ColumnUnit::Percent, true),
                FieldKind::Standard(at) => {
                    let (unit, dates) = (ColumnUnit::Percent, DateOrder::default());
                    let reader = StandardReader { field, unit, flag_contradictions: true, dates };
                    standard.0[at] = (reader.read(text), trimmed);
                }
                FieldKind::Word(_) if is_missing(trimmed) => {}
                FieldKind::Word(at) => {
                    let code = Aliases::built_in().vocabularies()[at].code(trimmed);
                    loan.words[at] = code.map_or(WordCell::Other(trimmed), WordCell::Known);
                }
            }
        }
        // A loan borrows its standard fields from its row, which here is the rest of the test.
        loan.standard = Box::leak(Box::new(standard));
        loan
    }
}

/// A loan as the built-in rule set decides it, at the default target.
pub fn judged<'l, 't>(loan: &'l Loan<'t>) -> Decided<'l, 't> {
    let rules = RuleSet::built_in();
    judge(loan, None, rules, &Pricing::new(rules, IrrTarget::DEFAULT, jiff::civil::date(2026, 2, 2)))
}

/// Evidence, with its values given as text. An excess of `""` is none.
#[track_caller]
pub fn evidence(field: &'static str, actual: &str, limit: &str, excess: &str, message: &str) -> Evidence {
    Evidence {
        field: field.into(),
        actual: actual.to_owned().into(),
        limit: limit.into(),
        excess: (!excess.is_empty()).then(|| excess.parse().unwrap()),
        message: message.to_owned(),
    }
}

/// The name and severity of each exception, in order.
pub fn names<'r>(exceptions: &[Exception<'r>]) -> Vec<(&'r str, &'static str)> {
    exceptions.iter().map(|exception| (&*exception.kind.name, exception.severity.as_str())).collect()
}
