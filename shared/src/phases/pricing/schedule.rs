//! When a loan pays, from what its tape says.

use jiff::{ToSpan as _, civil::Date};

use crate::{
    cash_flow::{
        assumptions::{MAX_AMORTIZATION, MAX_MONTHS},
        value::Schedule,
    },
    decimal::Decimal,
    loan::{Field, StandardCell, StandardCells},
    rules::guide::field::months_between,
};

/// Where the number of months left comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermSource {
    RemainingTerm,
    MaturityDate,
    /// The original term less the payments due since the first payment date.
    FirstPaymentDate,
    /// The rule set's `term`.
    RuleSet,
}

impl TermSource {
    /// The name in results: that of the field, or `term`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RemainingTerm => Field::RemainingTerm.name(),
            Self::MaturityDate => Field::MaturityDate.name(),
            Self::FirstPaymentDate => Field::FirstPaymentDate.name(),
            Self::RuleSet => "term",
        }
    }
}

/// Why there is no schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoSchedule {
    /// Nothing says how many months are left.
    NoTerm,
    /// The number of months left is none that a loan has.
    Term { months: String, from: TermSource },
    /// A term that counts from origination, while the age of the loan is unknown.
    NoAge(Field),
    /// Too many months of amortization.
    Amortization(u32),
}

impl NoSchedule {
    /// A sentence for people.
    pub fn text(&self) -> String {
        match self {
            Self::NoTerm => {
                "the tape does not say how many months are left (remaining_term, maturity_date, or original_term with \
                             first_payment_date), and the rule set has no `term`"
                    .to_owned()
            }
            Self::Term { months, from } => {
                format!("{months} months left by {}; a loan has a whole number from 1 to {MAX_MONTHS}", from.as_str())
            }
            Self::NoAge(field) => format!("{} counts from origination, and original_term is missing", field.name()),
            Self::Amortization(months) => {
                format!("amortization_term is {months} months; the largest that can be priced is {MAX_AMORTIZATION}")
            }
        }
    }
}

/// The schedule of a loan, and where its number of months comes from. `default_term` is the rule set's.
///
/// # Errors
/// [`NoSchedule`] when the tape does not say enough, or something that no loan has.
pub fn schedule(cells: &StandardCells<'_>, pdate: Date, default_term: Option<u32>) -> Result<(Schedule, TermSource), NoSchedule> {
    let (months, from) = months_left(cells, pdate, default_term)?;
    let term = u32::try_from(months).ok().filter(|term| (1..=MAX_MONTHS).contains(term));
    let term = term.ok_or_else(|| NoSchedule::Term { months: months.to_string(), from })?;
    let original_term = cells.whole(Field::OriginalTerm).map(i64::from);
    let age = original_term.map_or(0, |original| (original - months).max(0));
    let interest_only = cells.whole(Field::InterestOnlyTerm).unwrap_or(0);
    let amortization = cells.whole(Field::AmortizationTerm);
    let counts_from_now = original_term.is_some() || cells.date(Field::FirstPaymentDate).is_some_and(|first| first > pdate);
    if !counts_from_now {
        if interest_only > 0 {
            return Err(NoSchedule::NoAge(Field::InterestOnlyTerm));
        }
        if amortization.is_some_and(|amortization| i64::from(amortization) > months) {
            return Err(NoSchedule::NoAge(Field::AmortizationTerm));
        }
    }
    // A negative number of months is none.
    let count = |months: i64| u32::try_from(months.max(0)).unwrap_or(u32::MAX);
    let amortization = amortization.map(|months| count(months.into()));
    if let Some(months) = amortization.filter(|months| *months > MAX_AMORTIZATION) {
        return Err(NoSchedule::Amortization(months));
    }
    Ok((Schedule::from_origination(term, count(age), count(interest_only.into()), amortization), from))
}

/// The number of months left, and where it comes from.
fn months_left(cells: &StandardCells<'_>, pdate: Date, default_term: Option<u32>) -> Result<(i64, TermSource), NoSchedule> {
    if let Some(months) = cells.whole(Field::RemainingTerm) {
        return Ok((months.into(), TermSource::RemainingTerm));
    }
    if let (StandardCell::Unreadable, written) = cells.cell(Field::RemainingTerm)
        && let Ok(number) = written.parse::<Decimal>()
    {
        // A number that is not whole, or too large.
        return Err(NoSchedule::Term { months: number.to_string(), from: TermSource::RemainingTerm });
    }
    if let Some(maturity) = cells.date(Field::MaturityDate) {
        return Ok((months_until(pdate, maturity), TermSource::MaturityDate));
    }
    if let Some((original, first)) = cells.whole(Field::OriginalTerm).zip(cells.date(Field::FirstPaymentDate)) {
        let due = if first > pdate { 0 } else { months_between(first, pdate) + 1 };
        return Ok((i64::from(original) - due, TermSource::FirstPaymentDate));
    }
    default_term.map(|term| (term.into(), TermSource::RuleSet)).ok_or(NoSchedule::NoTerm)
}

/// The smallest number of months after which a date is another date or later. A day that a month does not have is its last one.
fn months_until(from: Date, to: Date) -> i64 {
    let months = (i64::from(to.year()) - i64::from(from.year())) * 12 + i64::from(to.month()) - i64::from(from.month());
    let is_reached = from.checked_add(months.months()).is_ok_and(|date| date >= to);
    if is_reached { months } else { months + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loan::{FieldKind, StandardValue};

    fn place(field: Field) -> usize {
        let FieldKind::Standard(at) = field.info().kind else { panic!("{field} is no standard field") };
        at
    }

    /// What a row says of a field.
    type Said = (Field, &'static str);

    /// A row with these cells: numbers of months, dates, or texts that cannot be read.
    fn cells(said: &[Said]) -> StandardCells<'static> {
        let mut cells = StandardCells::NONE;
        for (field, text) in said {
            let value = match (text.parse::<i32>(), text.parse::<Date>()) {
                (Ok(whole), _) => StandardCell::Value(StandardValue::Whole(whole)),
                (_, Ok(date)) => StandardCell::Value(StandardValue::Date(date)),
                _ => StandardCell::Unreadable,
            };
            cells.0[place(*field)] = (value, text);
        }
        cells
    }

    const PDATE: Date = jiff::civil::date(2026, 1, 31);

    fn term(said: &[Said]) -> Result<(u32, TermSource), NoSchedule> {
        schedule(&cells(said), PDATE, None).map(|(schedule, from)| (schedule.term, from))
    }

    #[test]
    fn months_left_come_from_the_first_field_that_says_so() {
        use Field::{FirstPaymentDate, MaturityDate, OriginalTerm, RemainingTerm};
        let maturity = (MaturityDate, "2046-02-28");
        assert_eq!(term(&[(RemainingTerm, "340"), maturity]), Ok((340, TermSource::RemainingTerm)));
        assert_eq!(term(&[maturity, (OriginalTerm, "360")]), Ok((241, TermSource::MaturityDate)));
        for (first, left) in [("2026-02-01", 360), ("2026-01-31", 359), ("2025-12-31", 358), ("2025-02-28", 348)] {
            assert_eq!(
                term(&[(OriginalTerm, "360"), (FirstPaymentDate, first)]),
                Ok((left, TermSource::FirstPaymentDate)),
                "{first}"
            );
        }
        assert_eq!(term(&[(OriginalTerm, "360")]), Err(NoSchedule::NoTerm));
        let default = schedule(&cells(&[(OriginalTerm, "360")]), PDATE, Some(300)).unwrap();
        assert_eq!((default.0.term, default.0.age, default.1), (300, 60, TermSource::RuleSet));
    }

    #[test]
    fn the_day_of_a_maturity_is_reached_at_the_end_of_a_shorter_month() {
        for (maturity, months) in [("2026-02-28", 1), ("2026-03-01", 2), ("2026-04-30", 3), ("2026-05-31", 4), ("2026-02-01", 1)]
        {
            assert_eq!(term(&[(Field::MaturityDate, maturity)]), Ok((months, TermSource::MaturityDate)), "{maturity}");
        }
    }

    #[test]
    fn terms_that_no_loan_has_give_no_schedule() {
        for months in ["0", "-3", "601", "12.5", "99999999999"] {
            let expected = NoSchedule::Term { months: months.to_owned(), from: TermSource::RemainingTerm };
            assert_eq!(term(&[(Field::RemainingTerm, months)]), Err(expected));
        }
        let matured = NoSchedule::Term { months: "-1".to_owned(), from: TermSource::MaturityDate };
        assert_eq!(term(&[(Field::MaturityDate, "2025-12-31")]), Err(matured));
        let unreadable = [(Field::RemainingTerm, "soon"), (Field::MaturityDate, "2026-12-31")];
        assert_eq!(term(&unreadable), Ok((11, TermSource::MaturityDate)));
    }

    #[test]
    fn interest_only_and_amortization_terms_count_from_origination() {
        use Field::{AmortizationTerm, FirstPaymentDate, InterestOnlyTerm, OriginalTerm, RemainingTerm};
        let new = (FirstPaymentDate, "2026-03-01");
        let cases: &[(&[Said], [u32; 4])] = &[
            (&[(RemainingTerm, "300"), (OriginalTerm, "360")], [300, 60, 0, 300]),
            (&[(RemainingTerm, "300"), (OriginalTerm, "360"), (InterestOnlyTerm, "120")], [300, 60, 60, 240]),
            (&[(RemainingTerm, "300"), (OriginalTerm, "360"), (InterestOnlyTerm, "48")], [300, 60, 0, 300]),
            (&[(RemainingTerm, "60"), (OriginalTerm, "120"), (AmortizationTerm, "360")], [60, 60, 0, 300]),
            (
                &[(RemainingTerm, "60"), (OriginalTerm, "120"), (AmortizationTerm, "360"), (InterestOnlyTerm, "72")],
                [60, 60, 12, 288],
            ),
            (&[(RemainingTerm, "120"), (OriginalTerm, "120"), (InterestOnlyTerm, "120")], [120, 0, 120, 0]),
            (&[(RemainingTerm, "120"), (OriginalTerm, "100")], [120, 0, 0, 120]),
            (&[(RemainingTerm, "120"), new, (AmortizationTerm, "360"), (InterestOnlyTerm, "12")], [120, 0, 12, 348]),
            (&[(RemainingTerm, "120"), (AmortizationTerm, "120"), (InterestOnlyTerm, "0")], [120, 0, 0, 120]),
        ];
        for (said, [term, age, interest_only, amortization]) in cases {
            let expected = Schedule { term: *term, age: *age, interest_only: *interest_only, amortization: *amortization };
            assert_eq!(schedule(&cells(said), PDATE, None).unwrap().0, expected, "{said:?}");
        }
    }

    #[test]
    fn terms_from_origination_need_a_known_age() {
        let left = (Field::RemainingTerm, "120");
        let past = (Field::FirstPaymentDate, "2026-01-31");
        for (said, field) in [
            ((Field::InterestOnlyTerm, "12"), Field::InterestOnlyTerm),
            ((Field::AmortizationTerm, "121"), Field::AmortizationTerm),
        ] {
            assert_eq!(term(&[left, said, past]), Err(NoSchedule::NoAge(field)));
        }
        assert_eq!(
            term(&[left, (Field::OriginalTerm, "120"), (Field::AmortizationTerm, "1201")]),
            Err(NoSchedule::Amortization(1_201))
        );
    }
}
