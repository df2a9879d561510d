//! The built-in rules that compare the fields of a loan with each other.

use crate::{
    decimal::Decimal,
    loan::{Field, FieldKind, Loan, OrdinaryLoan, StandardCells, WordCell},
    rules::{Evidence, ExceptionType, canonical_word},
};

/// The consistency rules, in the order of reports.
pub const RULES: [(ExceptionType, Check); 5] = [
    (ExceptionType::LtvConsistency, ltv),
    (ExceptionType::CltvConsistency, cltv),
    (ExceptionType::ValueConsistency, value),
    (ExceptionType::BalanceConsistency, balance),
    (ExceptionType::TermConsistency, term),
];

/// The field that a consistency rule is about, and what it must agree with, for people.
pub fn requirement(rule: ExceptionType, tolerance: Decimal) -> (&'static str, String) {
    match rule {
        ExceptionType::LtvConsistency => {
            ("ltv_ratio", format!("within {tolerance} points of the balance in percent of the value"))
        }
        ExceptionType::CltvConsistency => ("cltv_ratio", ">= ltv_ratio".to_owned()),
        ExceptionType::ValueConsistency => ("appraisal_value", "within a factor of 2 of purchase_price".to_owned()),
        ExceptionType::BalanceConsistency => ("current_balance", "<= original_balance".to_owned()),
        _ => ("remaining_term", "<= original_term, and maturity_date > origination_date".to_owned()),
    }
}

/// Checks a loan, with the tolerance of LTVs in percentage points. `None`: the loan passes, or lacks what the rule compares.
pub type Check = fn(Numbers<'_, '_>, Decimal) -> Option<Evidence>;

/// The numbers of a loan, in its full or its short form.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'l, 't> {
    Full(&'l Loan<'t>),
    Ordinary(&'l OrdinaryLoan<'t>, &'l StandardCells<'t>),
}

impl Numbers<'_, '_> {
    fn standard(&self) -> &StandardCells<'_> {
        match self {
            Self::Full(loan) => loan.standard,
            Self::Ordinary(_, standard) => standard,
        }
    }

    /// The number of a field; `None` unless it is above zero.
    pub fn positive(&self, field: Field) -> Option<Decimal> {
        let number = match (self, field.info().kind) {
            (Self::Full(loan), FieldKind::Number(at)) => loan.numbers[at].value(),
            (Self::Ordinary(loan, _), FieldKind::Number(at)) => Some(Decimal::from_micros(loan.micros[at])),
            (_, FieldKind::Standard(_)) => self.standard().number(field),
            (_, FieldKind::Text | FieldKind::Word(_)) => None,
        };
        number.filter(|number| number.is_positive())
    }

    /// The number of the first of two fields that the loan has; `None` unless it is above zero.
    fn first_positive(&self, first: Field, second: Field) -> Option<(Field, Decimal)> {
        let field = if self.standard().number(first).is_some() { first } else { second };
        Some((field, self.positive(field)?))
    }

    /// Whether the loan is for a purchase; `None` when its purpose is not known.
    fn is_purchase(&self) -> Option<bool> {
        let FieldKind::Word(at) = Field::LoanPurpose.info().kind else { return None };
        let code = match self {
            Self::Ordinary(loan, _) => loan.codes[at],
            Self::Full(loan) => match loan.words[at] {
                WordCell::Known(code) => code,
                WordCell::Missing | WordCell::Other(_) | WordCell::ManyUnits { .. } => return None,
            },
        };
        Some(canonical_word(at, code) == "purchase")
    }

    /// The value that the LTV is of: for a purchase the lower of price and appraisal, for any other purpose the appraisal.
    fn property_value(&self) -> Option<Decimal> {
        let appraisal = self.positive(Field::AppraisalValue);
        if self.is_purchase()? { Some(appraisal?.min(self.positive(Field::PurchasePrice)?)) } else { appraisal }
    }
}

fn evidence(field: Field, actual: &str, limit: &str, message: String) -> Option<Evidence> {
    Some(Evidence { field: field.name().into(), actual: actual.to_owned().into(), limit: limit.into(), excess: None, message })
}

/// Evidence that one number contradicts another.
fn contradiction(field: Field, actual: Decimal, limit: Decimal, message: String) -> Option<Evidence> {
    evidence(field, &actual.with_min_decimals(0), &limit.with_min_decimals(0), message)
}

fn ltv(loan: Numbers<'_, '_>, tolerance: Decimal) -> Option<Evidence> {
    let ltv = loan.positive(Field::LtvRatio)?;
    let (_, balance) = loan.first_positive(Field::OriginalBalance, Field::LoanAmount)?;
    let value = loan.property_value()?;
    if agree_in_millionths(ltv, balance, value, tolerance) == Some(true) {
        return None;
    }
    // |LTV − 100 × balance / value| ≤ tolerance, without a division.
    let (stated, computed) = (ltv.checked_mul(value)?, balance.times_hundred()?);
    if stated.checked_sub(computed)?.magnitude() <= tolerance.checked_mul(value)? {
        return None;
    }
    let computed = percent_of(balance, value)?;
    let message = format!(
        "LTV {} does not agree with balance {} and value {}, which give {}",
        Field::LtvRatio.show(ltv),
        Field::LoanAmount.show(balance),
        Field::AppraisalValue.show(value),
        Field::LtvRatio.show(computed)
    );
    contradiction(Field::LtvRatio, ltv, computed, message)
}

/// Whether an LTV is that of balance and value, within the tolerance, for numbers that are whole millionths; `None` for others. It takes
/// a fraction of the time that exact decimals take.
fn agree_in_millionths(ltv: Decimal, balance: Decimal, value: Decimal, tolerance: Decimal) -> Option<bool> {
    let [ltv, balance, value, tolerance] = [ltv, balance, value, tolerance].map(|number| number.micros().map(i128::from));
    // Two numbers of 64 bits, and one of them times a hundred millionths, fit 128 bits.
    let (ltv, balance, value, tolerance) = (ltv?, balance?, value?, tolerance?);
    Some((ltv * value - balance * 100_000_000).abs() <= tolerance * value)
}

/// A part in percent of a whole, to four decimals, rounded down.
fn percent_of(part: Decimal, whole: Decimal) -> Option<Decimal> {
    let ((part, part_scale), (whole, whole_scale)) = (part.parts(), whole.parts());
    let scaled = part.checked_mul(1_000_000)?.checked_mul(10_i128.pow(u32::from(whole_scale)))?;
    Decimal::new(scaled / whole.checked_mul(10_i128.pow(u32::from(part_scale)))?, 4)
}

fn cltv(loan: Numbers<'_, '_>, _: Decimal) -> Option<Evidence> {
    let (cltv, ltv) = (loan.positive(Field::CltvRatio)?, loan.positive(Field::LtvRatio)?);
    let message = || format!("CLTV {} is below the LTV {}", Field::CltvRatio.show(cltv), Field::LtvRatio.show(ltv));
    if cltv < ltv { contradiction(Field::CltvRatio, cltv, ltv, message()) } else { None }
}

fn value(loan: Numbers<'_, '_>, _: Decimal) -> Option<Evidence> {
    if !loan.is_purchase()? {
        return None;
    }
    let (price, appraisal) = (loan.positive(Field::PurchasePrice)?, loan.positive(Field::AppraisalValue)?);
    let twice = |number: Decimal| number.checked_add(number);
    if twice(price)? >= appraisal && twice(appraisal)? >= price {
        return None;
    }
    let shown = [(Field::AppraisalValue, appraisal), (Field::PurchasePrice, price)].map(|(field, number)| field.show(number));
    let message = format!("Appraisal value {} and purchase price {} differ by more than a factor of 2", shown[0], shown[1]);
    contradiction(Field::AppraisalValue, appraisal, price, message)
}

fn balance(loan: Numbers<'_, '_>, _: Decimal) -> Option<Evidence> {
    let original = loan.positive(Field::OriginalBalance)?;
    let (field, current) = loan.first_positive(Field::CurrentBalance, Field::LoanAmount)?;
    let name = field.info().label;
    let show = |number| Field::LoanAmount.show(number);
    let message = || format!("{name} {} is above the original balance {}", show(current), show(original));
    if current > original { contradiction(Field::CurrentBalance, current, original, message()) } else { None }
}

fn term(loan: Numbers<'_, '_>, _: Decimal) -> Option<Evidence> {
    let terms = loan.positive(Field::RemainingTerm).zip(loan.positive(Field::OriginalTerm));
    if let Some((remaining, original)) = terms.filter(|(remaining, original)| remaining > original) {
        let message = format!("Remaining term {remaining} is above the original term {original}");
        return contradiction(Field::RemainingTerm, remaining, original, message);
    }
    let (maturity, origination) = (loan.standard().date(Field::MaturityDate)?, loan.standard().date(Field::OriginationDate)?);
    if maturity > origination {
        return None;
    }
    let message = format!("Maturity date {maturity} is not after the origination date {origination}");
    evidence(Field::MaturityDate, &maturity.to_string(), &origination.to_string(), message)
}
