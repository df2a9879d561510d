//! When a loan pays, from what its tape says.

use jiff::{ToSpan as _, civil::Date};

use crate::{
    cash_flow::{
        assumptions::{MAX_AMORTIZATION, MAX_MONTHS},
        value::Schedule,
    },
    decimal::Decimal,
    loan::{Field, StandardCell, StandardCells, StandardValue},
    rules::{excerpt, guide::field::months_between},
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
    /// Nothing says how many months are left. The cells that would say so and cannot be read.
    NoTerm(Vec<Unread>),
    /// The number of months left is none that a loan has.
    Term { months: String, from: TermSource },
    /// The loan matured before the purchase, or on its day.
    Matured(Date),
    /// A cell that cannot be read.
    Unread(Unread),
    /// A term that counts from origination, while the age of the loan is unknown. The original term, if its cell cannot be read.
    NoAge(Field, Option<Unread>),
    /// Too many months of amortization.
    Amortization(u32),
}

/// A cell that cannot be read: its field, and the cell as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread(Field, String);

impl Unread {
    /// The cell of a field, if it cannot be read.
    fn of(cells: &StandardCells<'_>, field: Field) -> Option<Self> {
        let (cell, written) = cells.cell(field);
        (cell == StandardCell::Unreadable).then(|| Self(field, excerpt(written).to_owned()))
    }

    fn text(&self) -> String {
        format!("{} \"{}\" cannot be read", self.0.name(), self.1)
    }
}

impl NoSchedule {
    /// A sentence for people.
    pub fn text(&self) -> String {
        match self {
            Self::NoTerm(unread) => {
                let fields = "remaining_term, maturity_date, or original_term with first_payment_date";
                let unread: Vec<String> = unread.iter().map(Unread::text).collect();
                let why = if unread.is_empty() { fields.to_owned() } else { unread.join(", ") };
                format!("the tape does not say how many months are left ({why}), and the rule set has no `term` for such a loan")
            }
            Self::Term { months, from } => {
                format!("{months} months left by {}; a loan has a whole number from 1 to {MAX_MONTHS}", from.as_str())
            }
            Self::Matured(date) => format!("the loan matured on {date}"),
            Self::Unread(cell) => cell.text(),
            Self::NoAge(field, None) => format!("{} counts from origination, and original_term is missing", field.name()),
            Self::NoAge(field, Some(original)) => format!("{} counts from origination, and {}", field.name(), original.text()),
            Self::Amortization(months) => {
                format!("amortization_term is {months} months; the largest that can be priced is {MAX_AMORTIZATION}")
            }
        }
    }
}

/// The schedule of a loan, and where its number of months comes from. `default_term` is the rule set's.
///
/// # Errors
/// Every [`NoSchedule`], when the tape does not say enough, or something that no loan has.
pub fn schedule(
    cells: &StandardCells<'_>,
    pdate: Date,
    default_term: Option<u32>,
) -> Result<(Schedule, TermSource), Vec<NoSchedule>> {
    let mut why_not = Vec::new();
    let months = note(term(cells, pdate, default_term), &mut why_not);
    let interest_only = note(months_of(cells, Field::InterestOnlyTerm), &mut why_not).flatten().unwrap_or(0);
    let amortization = note(months_of(cells, Field::AmortizationTerm), &mut why_not).flatten();
    let original_term = cells.whole(Field::OriginalTerm).map(i64::from);
    let left = months.map_or(0, |(term, _)| term);
    let counts_from_now = original_term.is_some() || cells.date(Field::FirstPaymentDate).is_some_and(|first| first > pdate);
    let is_balloon = months.is_some() && amortization.is_some_and(|amortization| amortization > left);
    for (field, counts) in [(Field::InterestOnlyTerm, interest_only > 0), (Field::AmortizationTerm, is_balloon)] {
        if counts && !counts_from_now {
            why_not.push(NoSchedule::NoAge(field, Unread::of(cells, Field::OriginalTerm)));
        }
    }
    let age = original_term.map_or(0, |original| (original - i64::from(left)).max(0));
    let age = u32::try_from(age).unwrap_or(u32::MAX);
    let amortizes = interest_only.saturating_sub(age) < left || months.is_none();
    why_not.extend(amortization.filter(|months| amortizes && *months > MAX_AMORTIZATION).map(NoSchedule::Amortization));
    match months {
        Some((term, from)) if why_not.is_empty() => {
            // An amortization that is not looked at is no balloon.
            let amortization = amortization.filter(|_| amortizes);
            Ok((Schedule::from_origination(term, age, interest_only, amortization), from))
        }
        _ => Err(why_not),
    }
}

/// The value, or `None` after noting why there is none.
fn note<T>(read: Result<T, NoSchedule>, why_not: &mut Vec<NoSchedule>) -> Option<T> {
    read.map_err(|why| why_not.push(why)).ok()
}

/// A number of months from origination; `None` when the tape does not say.
fn months_of(cells: &StandardCells<'_>, field: Field) -> Result<Option<u32>, NoSchedule> {
    match cells.cell(field) {
        (StandardCell::Missing, _) => Ok(None),
        (StandardCell::Value(StandardValue::Whole(months)), _) if months >= 0 => Ok(Some(months.unsigned_abs())),
        (_, written) => Err(NoSchedule::Unread(Unread(field, excerpt(written).to_owned()))),
    }
}

/// The number of months left, and where it comes from.
fn term(cells: &StandardCells<'_>, pdate: Date, default_term: Option<u32>) -> Result<(u32, TermSource), NoSchedule> {
    let (months, from) = months_left(cells, pdate, default_term)?;
    if let Some(term) = u32::try_from(months).ok().filter(|term| (1..=MAX_MONTHS).contains(term)) {
        return Ok((term, from));
    }
    match cells.date(Field::MaturityDate) {
        Some(maturity) if from == TermSource::MaturityDate && months < 1 => Err(NoSchedule::Matured(maturity)),
        _ => Err(NoSchedule::Term { months: months.to_string(), from }),
    }
}

/// The number of months left as the tape or the rule set gives it.
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
    default_term.map(|term| (term.into(), TermSource::RuleSet)).ok_or_else(|| {
        let fields = [Field::RemainingTerm, Field::MaturityDate, Field::OriginalTerm, Field::FirstPaymentDate];
        NoSchedule::NoTerm(fields.into_iter().filter_map(|field| Unread::of(cells, field)).collect())
    })
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
    use crate::loan::FieldKind;

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

    fn left(said: &[Said]) -> Result<(u32, TermSource), Vec<NoSchedule>> {
        schedule(&cells(said), PDATE, None).map(|(schedule, from)| (schedule.term, from))
    }

    #[test]
    fn months_left_come_from_the_first_field_that_says_so() {
        use Field::{FirstPaymentDate, MaturityDate, OriginalTerm, RemainingTerm};
        let maturity = (MaturityDate, "2046-02-28");
        assert_eq!(left(&[(RemainingTerm, "340"), maturity]), Ok((340, TermSource::RemainingTerm)));
        assert_eq!(left(&[maturity, (OriginalTerm, "360")]), Ok((241, TermSource::MaturityDate)));
        for (first, months) in [("2026-02-01", 360), ("2026-01-31", 359), ("2025-12-31", 358), ("2025-02-28", 348)] {
            assert_eq!(
                left(&[(OriginalTerm, "360"), (FirstPaymentDate, first)]),
                Ok((months, TermSource::FirstPaymentDate)),
                "{first}"
            );
        }
        assert_eq!(left(&[(OriginalTerm, "360")]), Err(vec![NoSchedule::NoTerm(Vec::new())]));
        let default = schedule(&cells(&[(OriginalTerm, "360")]), PDATE, Some(300)).unwrap();
        assert_eq!((default.0.term, default.0.age, default.1), (300, 60, TermSource::RuleSet));
    }

    #[test]
    fn the_day_of_a_maturity_is_reached_at_the_end_of_a_shorter_month() {
        for (maturity, months) in [("2026-02-28", 1), ("2026-03-01", 2), ("2026-04-30", 3), ("2026-05-31", 4), ("2026-02-01", 1)]
        {
            assert_eq!(left(&[(Field::MaturityDate, maturity)]), Ok((months, TermSource::MaturityDate)), "{maturity}");
        }
    }

    #[test]
    fn terms_that_no_loan_has_give_no_schedule() {
        for months in ["0", "-3", "601", "12.5", "99999999999"] {
            let expected = NoSchedule::Term { months: months.to_owned(), from: TermSource::RemainingTerm };
            assert_eq!(left(&[(Field::RemainingTerm, months)]), Err(vec![expected]));
        }
        for day in [jiff::civil::date(2025, 12, 31), PDATE] {
            let mut matured = StandardCells::NONE;
            matured.0[place(Field::MaturityDate)] = (StandardCell::Value(StandardValue::Date(day)), "");
            assert_eq!(schedule(&matured, PDATE, None), Err(vec![NoSchedule::Matured(day)]));
        }
        let unreadable = [(Field::RemainingTerm, "soon"), (Field::MaturityDate, "2026-12-31")];
        assert_eq!(left(&unreadable), Ok((11, TermSource::MaturityDate)));
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

    /// The reasons, as people read them.
    fn why_not(said: &[Said]) -> Vec<String> {
        schedule(&cells(said), PDATE, None).unwrap_err().iter().map(NoSchedule::text).collect()
    }

    #[test]
    fn terms_from_origination_need_a_known_age() {
        let past = (Field::FirstPaymentDate, "2026-01-31");
        let (interest_only, balloon) = ((Field::InterestOnlyTerm, "12"), (Field::AmortizationTerm, "121"));
        let missing = |field: &str| format!("{field} counts from origination, and original_term is missing");
        let expected = [missing("interest_only_term"), missing("amortization_term")];
        assert_eq!(why_not(&[(Field::RemainingTerm, "120"), interest_only, balloon, past]), expected);
        let unread = "interest_only_term counts from origination, and original_term \"soon\" cannot be read";
        assert_eq!(why_not(&[(Field::RemainingTerm, "120"), interest_only, (Field::OriginalTerm, "soon")]), [unread]);
    }

    #[test]
    fn every_reason_is_named() {
        let said = [(Field::RemainingTerm, "700"), (Field::InterestOnlyTerm, "10 yrs"), (Field::AmortizationTerm, "1201")];
        let expected = [
            "700 months left by remaining_term; a loan has a whole number from 1 to 600",
            "interest_only_term \"10 yrs\" cannot be read",
            "amortization_term is 1201 months; the largest that can be priced is 1200",
        ];
        assert_eq!(why_not(&said), expected);
        let nothing = "the tape does not say how many months are left (remaining_term \"about 300\" cannot be read, original_term \
                       \"soon\" cannot be read), and the rule set has no `term` for such a loan";
        assert_eq!(why_not(&[(Field::RemainingTerm, "about 300"), (Field::OriginalTerm, "soon")]), [nothing]);
    }

    #[test]
    fn terms_that_cannot_be_read_are_no_terms() {
        let left = [(Field::RemainingTerm, "120"), (Field::OriginalTerm, "120")];
        for (field, cell) in
            [(Field::InterestOnlyTerm, "-12"), (Field::InterestOnlyTerm, "Y"), (Field::AmortizationTerm, "30 years")]
        {
            assert_eq!(why_not(&[left[0], left[1], (field, cell)]), [format!("{} \"{cell}\" cannot be read", field.name())]);
        }
    }

    #[test]
    fn an_amortization_behind_the_last_month_does_not_matter() {
        let said = [
            (Field::RemainingTerm, "120"),
            (Field::OriginalTerm, "120"),
            (Field::InterestOnlyTerm, "120"),
            (Field::AmortizationTerm, "1300"),
        ];
        let expected = Schedule { term: 120, age: 0, interest_only: 120, amortization: 0 };
        assert_eq!(schedule(&cells(&said), PDATE, None).unwrap().0, expected);
    }
}
