//! Which values a rejected loan needs to meet the rules that it failed, and what it would be with them.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    decimal::Decimal,
    loan::{CellValue, Field, FieldKind, Loan, NumberCell, StandardCell, StandardCells, StandardValue},
    phases::{
        disposition::{Decided, Disposition},
        judge,
        pricing::Pricing,
    },
    rules::{
        checked::{CheckOutcome, FieldCheck},
        rule_set::RuleSet,
    },
};

/// The smallest step of a number, by which a value is inside a bound that does not pass itself.
const STEP: Decimal = Decimal::from_micros(1);

/// A comparison that a value must meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    AtMost,
    Below,
    AtLeast,
    Above,
}

impl Comparison {
    const ALL: [(&'static str, Self); 4] =
        [("<= ", Self::AtMost), (">= ", Self::AtLeast), ("< ", Self::Below), ("> ", Self::Above)];

    fn sign(self) -> &'static str {
        match self {
            Self::AtMost => "<=",
            Self::Below => "<",
            Self::AtLeast => ">=",
            Self::Above => ">",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::AtMost => "at most",
            Self::Below => "below",
            Self::AtLeast => "at least",
            Self::Above => "above",
        }
    }

    fn is_upper(self) -> bool {
        matches!(self, Self::AtMost | Self::Below)
    }
}

impl Serialize for Comparison {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.sign())
    }
}

/// The nearest value of a field that meets all rules that failed on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Need)]
pub struct Need {
    /// Field that must change.
    #[schema(example = "ltv_ratio")]
    pub field: String,
    /// Comparison that the value must meet: `<=`, `<`, `>=` or `>`.
    #[schema(value_type = String, example = "<=")]
    pub op: Comparison,
    /// Bound that the value must meet, in the unit of the field.
    #[schema(value_type = f64, example = 97)]
    pub to: Decimal,
    /// Bound minus value of the loan, in the unit of the field.
    #[schema(value_type = f64, example = -0.1)]
    pub change: Decimal,
    /// The need in words.
    #[schema(example = "LTV at most 97.00 %, now 97.10 %")]
    pub text: String,
}

/// What a loan would be with the values that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WouldBe {
    pub disposition: Disposition,
    /// Price in percent of the balance. Null: the loan would have none.
    #[schema(required, value_type = Option<f64>, example = 96.125)]
    pub final_price: Option<Decimal>,
    /// Price before adjustments, in percent of the balance. Null: the loan would have none.
    #[schema(required, value_type = Option<f64>, example = 96.125)]
    pub base_price: Option<Decimal>,
}

impl WouldBe {
    pub(super) fn of(decided: &Decided<'_, '_>) -> Self {
        Self {
            disposition: decided.disposition,
            final_price: decided.price.map(|price| price.final_price.decimal()),
            base_price: decided.price.map(|price| price.base_price.decimal()),
        }
    }
}

/// The needs of a loan that each of the programs rejects, by what it fails of each: those of the program with the fewest, the first among
/// equals. `None` when each program has a failure without a distance, or needs that contradict each other.
pub(super) fn needs(failures: &[Vec<FieldCheck>]) -> Option<Vec<Need>> {
    failures.iter().filter_map(|failures| of_program(failures)).min_by_key(Vec::len)
}

fn of_program(failures: &[FieldCheck]) -> Option<Vec<Need>> {
    let mut needs: Vec<(Need, Decimal)> = Vec::new();
    for check in failures {
        let CheckOutcome::Failed(_, evidence) = &check.outcome else { continue };
        evidence.excess?;
        let (op, bound) = comparison(&evidence.limit)?;
        let actual: Decimal = check.actual.parse().ok()?;
        match needs.iter_mut().find(|(need, _)| need.field == *check.field) {
            None => needs.push((need(&check.field, op, bound, actual)?, actual)),
            Some((known, _)) if known.op.is_upper() != op.is_upper() => return None,
            Some((known, actual)) => {
                // The stricter bound counts; at the same bound, the one that does not pass itself.
                let is_stricter = if op.is_upper() { bound < known.to } else { bound > known.to };
                let is_open = bound == known.to && matches!(op, Comparison::Below | Comparison::Above);
                if is_stricter || is_open {
                    *known = need(&check.field, op, bound, *actual)?;
                }
            }
        }
    }
    Some(needs.into_iter().map(|(need, _)| need).collect())
}

/// The comparison that the limit of an exception says.
fn comparison(limit: &str) -> Option<(Comparison, Decimal)> {
    let (op, bound) = Comparison::ALL.into_iter().find_map(|(sign, op)| Some((op, limit.strip_prefix(sign)?)))?;
    Some((op, bound.parse().ok()?))
}

fn need(field: &str, op: Comparison, to: Decimal, actual: Decimal) -> Option<Need> {
    let known = Field::from_name(field);
    let label = known.map_or(field, |known| known.info().label);
    let show = |number: Decimal| known.map_or_else(|| number.with_min_decimals(0), |known| known.show(number));
    let text = format!("{label} {} {}, now {}", op.words(), show(to), show(actual));
    Some(Need { field: field.to_owned(), op, to, change: to.checked_sub(actual)?, text })
}

/// What a loan would be with these values: the whole loan is judged again. `None` for a field that is computed from others.
pub(super) fn would_be(loan: &Loan<'_>, needs: &[Need], rules: &RuleSet, pricing: &Pricing) -> Option<WouldBe> {
    let mut numbers = loan.numbers;
    let mut cells = loan.standard.0;
    let mut declared = loan.standard.1.to_vec();
    for need in needs {
        let value = match need.op {
            Comparison::AtMost | Comparison::AtLeast => need.to,
            Comparison::Below => need.to.checked_sub(STEP)?,
            Comparison::Above => need.to.checked_add(STEP)?,
        };
        match Field::from_name(&need.field).map(|field| field.info().kind) {
            Some(FieldKind::Number(at)) => {
                numbers[at] = NumberCell { reading: CellValue::Value(value), written: "", plain: true };
            }
            Some(FieldKind::Standard(at)) => cells[at].0 = replaced(cells[at].0, value, need.op)?,
            Some(FieldKind::Text | FieldKind::Word(_)) => return None,
            None => {
                let at = rules.guide().declared().get(&need.field)?.place;
                let cell = declared.get_mut(at)?;
                cell.0 = replaced(cell.0, value, need.op)?;
            }
        }
    }
    let standard = StandardCells(cells, &declared);
    let mended = Loan { numbers, standard: &standard, ..loan.clone() };
    Some(WouldBe::of(&judge(&mended, None, rules, pricing)))
}

/// A number in place of another: a whole one stays whole, on the side of the bound that passes.
fn replaced(cell: StandardCell, value: Decimal, op: Comparison) -> Option<StandardCell> {
    let StandardCell::Value(old) = cell else { return None };
    Some(StandardCell::Value(match old {
        StandardValue::Number(_) => StandardValue::Number(value),
        StandardValue::Whole(_) => {
            let (mantissa, scale) = value.parts();
            let unit = 10_i128.checked_pow(scale.into())?;
            let down = mantissa.div_euclid(unit);
            let is_whole = down.checked_mul(unit)? == mantissa;
            let whole = if op.is_upper() || is_whole { down } else { down.checked_add(1)? };
            StandardValue::Whole(i32::try_from(whole).ok()?)
        }
        StandardValue::Date(_) | StandardValue::Word(_) => return None,
    }))
}
