//! The filters of lists of loans.

use api::{
    list_values::{AnyOf, Dispositions},
    problem::{ApiError, InputError},
    read_fields,
};
use shared::{
    facts::read::FactFilter,
    phases::disposition::Disposition,
    questions::lists::{
        columns::{NumberField, WordField},
        exceptions::LoanExceptions,
        filter::{LoanFilter, Words},
        range::{ExcessRange, NumberFilter},
    },
    rules::Severity,
};
use utoipa::IntoParams;

/// Largest number of loans of a run that is sorted or exported over HTTP.
const MAX_LOANS: u64 = 2_000_000;

/// Filters by one loan and by its exceptions.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LoanMatch {
    /// Only loans with exactly this number.
    #[param(min_length = 1, example = "L-1")]
    seller_loan_number: Option<String>,
    /// Only loans with an exception of this type. With `severity`, `category`, `exception_program` or `excess`: the same exception meets
    /// all of them.
    #[param(min_length = 1, example = "ltv_ratio")]
    exception_type: Option<String>,
    /// Only loans with an exception of this severity.
    severity: Option<Severity>,
}

read_fields!(LoanMatch { seller_loan_number: optional, exception_type: optional, severity: optional });

/// Filters by the fields of loans. A loan must meet all of them. A value that could not be read counts as missing.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LoanFields {
    /// Only loans with one of these dispositions, with commas between them: `to_purchase`, `projected`, `rejected`.
    #[param(value_type = Option<String>, min_length = 1, example = "rejected")]
    disposition: Option<Dispositions>,
    /// Only loans with one of these property types, with commas between them. `missing`: without one. `other`: with a word that is not in
    /// the vocabulary of the product.
    #[param(value_type = Option<String>, min_length = 1, example = "sfr,condo")]
    property_type: Option<AnyOf>,
    /// Only loans with one of these occupancies, with commas between them; `missing` and `other` as for `property_type`.
    #[param(value_type = Option<String>, min_length = 1, example = "primary")]
    occupancy_status: Option<AnyOf>,
    /// Only loans with one of these purposes, with commas between them; `missing` and `other` as for `property_type`.
    #[param(value_type = Option<String>, min_length = 1, example = "purchase")]
    loan_purpose: Option<AnyOf>,
    /// Only loans in one of these states, with commas between them; `missing`: without a state that could be read.
    #[param(value_type = Option<String>, min_length = 1, example = "CA,NV")]
    property_state: Option<AnyOf>,
    /// Only loans with one of these documentation types, with commas between them; `missing`: without one that could be read.
    #[param(value_type = Option<String>, min_length = 1, example = "full")]
    documentation_type: Option<AnyOf>,
    /// Only loans for which one of these programs is the best, with commas between them; `missing`: without a program.
    #[param(value_type = Option<String>, min_length = 1, example = "agency")]
    program: Option<AnyOf>,
    /// Only loans whose number begins with this text, to the letter.
    #[param(min_length = 1, example = "L-")]
    search: Option<String>,
    /// Only loans with an amount in this range, in dollars. `80..85` has both ends, `80..<85` and `80<..85` lack one, `80..` and `..85`
    /// are open, `80` is exactly this number; in a URL, `<` is `%3C`. `missing`: without a number that could be read.
    #[param(value_type = Option<String>, min_length = 1, example = "250000..<500000")]
    loan_amount: Option<NumberFilter>,
    /// Only loans with a note rate in this range, in percent; written as for `loan_amount`.
    #[param(value_type = Option<String>, min_length = 1, example = "..6.5")]
    note_rate: Option<NumberFilter>,
    /// Only loans with an LTV in this range, in percent; written as for `loan_amount`.
    #[param(value_type = Option<String>, min_length = 1, example = "80..85")]
    ltv_ratio: Option<NumberFilter>,
    /// Only loans with a CLTV in this range, in percent; written as for `loan_amount`.
    #[param(value_type = Option<String>, min_length = 1, example = "missing")]
    cltv_ratio: Option<NumberFilter>,
    /// Only loans with a DTI in this range, in percent; written as for `loan_amount`.
    #[param(value_type = Option<String>, min_length = 1, example = "43<..")]
    dti_ratio: Option<NumberFilter>,
    /// Only loans with a DSCR in this range; written as for `loan_amount`.
    #[param(value_type = Option<String>, min_length = 1, example = "1.25..")]
    dscr: Option<NumberFilter>,
    /// Only loans with a credit score in this range; written as for `loan_amount`.
    #[param(value_type = Option<String>, min_length = 1, example = "..<620")]
    credit_score: Option<NumberFilter>,
    /// Only loans with a price in this range, in percent of the loan amount; written as for `loan_amount`.
    #[param(value_type = Option<String>, min_length = 1, example = "98..")]
    final_price: Option<NumberFilter>,
    /// Only loans with a weighted average life in this range, in years; written as for `loan_amount`.
    #[param(value_type = Option<String>, min_length = 1, example = "..7")]
    wal: Option<NumberFilter>,
    /// Only loans with an exception of this category.
    #[param(min_length = 1, example = "credit")]
    category: Option<String>,
    /// Only loans with an exception of one of these programs, with commas between them; `missing`: of no program. With `only_reason`, only
    /// the exceptions of these programs count.
    #[param(value_type = Option<String>, min_length = 1, example = "agency")]
    exception_program: Option<AnyOf>,
    /// Only rejected loans whose hard exceptions are all of this type.
    #[param(min_length = 1, example = "ltv_ratio")]
    only_reason: Option<String>,
    /// Only loans whose exception is this far from passing: a range in the unit of its field, or with `%` in percent of the limit. It needs
    /// `exception_type` or `only_reason`; of several exceptions of `only_reason` the largest distance counts.
    #[param(value_type = Option<String>, min_length = 1, example = "..1%")]
    excess: Option<ExcessRange>,
}

read_fields!(LoanFields {
    disposition: optional,
    property_type: optional,
    occupancy_status: optional,
    loan_purpose: optional,
    property_state: optional,
    documentation_type: optional,
    program: optional,
    search: optional,
    loan_amount: optional,
    note_rate: optional,
    cltv_ratio: optional,
    ltv_ratio: optional,
    dti_ratio: optional,
    dscr: optional,
    credit_score: optional,
    final_price: optional,
    wal: optional,
    category: optional,
    exception_program: optional,
    only_reason: optional,
    excess: optional,
});

impl LoanFields {
    /// The filter for loans that meet these filters and those of `one`.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] (422) for `excess` without a type that it belongs to.
    pub fn filter(self, one: LoanMatch) -> Result<LoanFilter, ApiError> {
        if self.excess.is_some() && self.only_reason.is_none() && one.exception_type.is_none() {
            let msg = "It needs `exception_type` or `only_reason`, because each type has a unit of its own.";
            return Err(ApiError::invalid(InputError::query("excess", msg)));
        }
        let dispositions =
            self.disposition.map(|Dispositions(all)| Words::any(all.into_iter().map(|one| one.as_str().to_owned())));
        let words = [
            dispositions,
            self.property_type.map(AnyOf::words),
            self.occupancy_status.map(AnyOf::words),
            self.loan_purpose.map(AnyOf::words),
            self.property_state.map(AnyOf::words),
            self.documentation_type.map(AnyOf::words),
            self.program.map(AnyOf::words),
        ];
        let numbers = [
            self.loan_amount,
            self.note_rate,
            self.ltv_ratio,
            self.cltv_ratio,
            self.dti_ratio,
            self.dscr,
            self.credit_score,
            self.final_price,
            self.wal,
        ];
        Ok(LoanFilter {
            words: WordField::ALL.into_iter().zip(words).filter_map(|(field, words)| Some((field, words?))).collect(),
            numbers: NumberField::ALL.into_iter().zip(numbers).filter_map(|(field, filter)| Some((field, filter?))).collect(),
            seller_loan_number: one.seller_loan_number,
            search: self.search,
            exceptions: LoanExceptions {
                exception_type: one.exception_type,
                severity: one.severity,
                category: self.category,
                program: self.exception_program.map(AnyOf::words),
                only_reason: self.only_reason,
                excess: self.excess,
            },
        })
    }
}

impl LoanMatch {
    /// Filters by the exceptions of a loan, of another query with the same parameters.
    pub fn of_exceptions(exception_type: Option<String>, severity: Option<Severity>) -> Self {
        Self { seller_loan_number: None, exception_type, severity }
    }

    /// The filter for loans that meet these filters alone.
    pub fn filter(self) -> LoanFilter {
        let exceptions =
            LoanExceptions { exception_type: self.exception_type, severity: self.severity, ..LoanExceptions::default() };
        LoanFilter { seller_loan_number: self.seller_loan_number, exceptions, ..LoanFilter::default() }
    }
}

/// The filter that the page index of a run answers without reading the loans: at most one disposition. `None` for any other filter.
pub fn indexed(filter: &LoanFilter) -> Option<FactFilter> {
    let of = |disposition| FactFilter { disposition, seller_loan_number: None };
    if *filter == LoanFilter::default() {
        return Some(of(None));
    }
    let is_only = |one: &Disposition| *filter == LoanFilter::of_dispositions(&[*one]);
    Disposition::ALL.into_iter().find(is_only).map(|one| of(Some(one)))
}

/// The errors for filters of loans in a list of exceptions of all runs.
pub fn without_run(filter: &LoanFilter) -> Vec<InputError> {
    let of_exceptions = &filter.exceptions;
    let others = [
        ("search", filter.search.is_some()),
        ("category", of_exceptions.category.is_some()),
        ("exception_program", of_exceptions.program.is_some()),
        ("only_reason", of_exceptions.only_reason.is_some()),
        ("excess", of_exceptions.excess.is_some()),
    ];
    let fields = filter.words.iter().map(|(field, _)| field.name()).chain(filter.numbers.iter().map(|(field, _)| field.name()));
    let names = fields.chain(others.into_iter().filter(|(_, given)| *given).map(|(name, _)| name));
    names.map(|name| InputError::query(name, "It needs `run_id`, because it filters the loans of one run.")).collect()
}

/// Checks that a run is small enough to be sorted or exported over HTTP.
///
/// # Errors
/// [`ApiError::RunTooLargeHere`] (422).
pub fn check_size(loans: u64) -> Result<(), ApiError> {
    if loans <= MAX_LOANS {
        return Ok(());
    }
    let sentence = format!(
        "The run has {loans} loans; over HTTP at most {MAX_LOANS} are sorted or exported. Run the tapes with the command line, \
         `loan-engine run`, and sort or filter the file facts.parquet that it writes."
    );
    Err(ApiError::RunTooLargeHere(sentence.into()))
}

#[cfg(test)]
mod tests {
    use api::fields::Fields;

    use super::*;

    fn filter(query: &str) -> Result<LoanFilter, ApiError> {
        let (fields, one): (LoanFields, LoanMatch) = Fields::of_query(query)?.read()?;
        fields.filter(one)
    }

    #[test]
    fn the_page_index_answers_a_single_disposition() {
        for (query, disposition) in [("", None), ("disposition=rejected", Some("rejected"))] {
            let found = indexed(&filter(query).unwrap()).unwrap();
            assert_eq!(found.disposition.map(|found| found.as_str()), disposition, "{query}");
        }
        for query in [
            "disposition=rejected,projected",
            "disposition=rejected&wal=..7",
            "seller_loan_number=1",
            "search=1",
            "severity=hard",
        ] {
            assert_eq!(indexed(&filter(query).unwrap()), None, "{query}");
        }
    }

    #[test]
    fn a_distance_belongs_to_a_type() {
        assert!(
            matches!(filter("excess=..1&severity=hard"), Err(ApiError::Invalid(errors)) if errors[0].loc == ["query", "excess"])
        );
        assert!(filter("excess=..1%25&only_reason=loan_amount").is_ok() && filter("excess=..1&exception_type=ltv_ratio").is_ok());
    }

    #[test]
    fn a_run_of_more_than_two_million_loans_is_for_the_command_line() {
        assert!(check_size(2_000_000).is_ok());
        let Err(error) = check_size(2_000_001) else { panic!("it is too large") };
        let problem = error.problem();
        assert_eq!((problem.status.as_u16(), problem.code), (422, "run_too_large_here"));
        assert!(problem.detail.contains("`loan-engine run`"));
    }
}
