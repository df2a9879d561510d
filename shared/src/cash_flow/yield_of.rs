//! The yield that a price brings.

use crate::decimal::Decimal;

use super::{
    assumptions::{Assumptions, YieldBasis},
    double::Double,
    quote::Model,
    value::Schedule,
};

/// Lowest and highest yield that is looked for, in percent.
pub const YIELDS: [i64; 2] = [-50, 200];
/// Number of times that the span of yields is halved, which leaves less than 10^-12 percent of it.
const HALVINGS: u32 = 48;

/// The yield in percent at which a loan is worth a price in percent of its balance; `None` when there is none within [`YIELDS`].
///
/// A price falls as the yield rises. The span that holds the yield is halved with 53 bits; two steps along the secant of prices with 106
/// bits follow.
pub fn yield_of(
    assumptions: &Assumptions,
    basis: YieldBasis,
    note_rate: Decimal,
    schedule: &Schedule,
    price: Double,
) -> Option<Double> {
    let [lowest, highest] = YIELDS.map(|percent| Double::from_integer(percent.into()));
    let model = Model::new(assumptions, highest, basis);
    let excess = |percent: Double| model.at(assumptions, percent, basis).valuation(note_rate, schedule).price - price;
    if excess(lowest) < Double::ZERO || excess(highest) > Double::ZERO {
        return None;
    }
    let (mut low, mut high) = (lowest, highest);
    for _ in 0..HALVINGS {
        let middle = (low + high) / Double::from_integer(2);
        let worth = model.at(assumptions, middle, basis).quick_price(note_rate, schedule);
        if worth > price.to_f64() {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut found = (low + high) / Double::from_integer(2);
    let step = Double::ratio(1, 1_000_000);
    for _ in 0..2 {
        let (here, there) = (excess(found), excess(found + step));
        let slope = (there - here) / step;
        if slope < Double::ZERO {
            found = found - here / slope;
        }
    }
    found.is_finite().then_some(found)
}
