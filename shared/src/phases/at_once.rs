//! A shortcut: an ordinary loan that passes every check is bought at once, without collecting evidence.
//!
//! Nine of ten loans take the shortcut, which needs a quarter of the time of the phases one after the other. The shortcut makes
//! no decision of its own: a property test checks that it agrees with the phases.

use crate::{
    decimal::Decimal,
    loan::{OrdinaryLoan, StandardCells},
    rules::{
        guide::{Values, waterfall::PartIndex},
        rule_set::RuleSet,
    },
};

use super::{
    pricing::{Price, Pricing, PricingBasis},
    programs::buy_at_once_by_programs,
};

/// Indexes of the required numbers: amount, note rate, LTV and score. A zero in a required number counts as missing.
const REQUIRED_AT: [usize; 4] = [0, 1, 2, 4];
/// Index of the note rate among the numbers.
const NOTE_RATE_AT: usize = 1;

/// Room that is used again for each loan.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The values that a guide tests.
    pub(super) values: Values,
    /// The parts of the price of the loan that was bought last.
    pub parts: Vec<PartIndex>,
    /// Index of the program that buys that loan; 0 for a rule set without programs.
    pub program: u16,
    /// Room for the parts of another program.
    pub(super) spare: Vec<PartIndex>,
}

/// The price of a loan that passes every phase and is bought. `None` only means that the phases must decide. The parts of the price are
/// left in `scratch`.
#[inline]
pub fn buy_at_once(
    loan: &OrdinaryLoan<'_>,
    standard: &StandardCells<'_>,
    rules: &RuleSet,
    pricing: &Pricing,
    scratch: &mut Scratch,
) -> Option<Price> {
    if rules.programs().is_empty() {
        buy_at_once_by(loan, standard, rules, pricing, scratch)
    } else {
        buy_at_once_by_programs(loan, standard, rules, pricing, scratch)
    }
}

/// The price of a loan that passes every phase of one rule set and is bought.
#[inline]
pub(super) fn buy_at_once_by(
    loan: &OrdinaryLoan<'_>,
    standard: &StandardCells<'_>,
    rules: &RuleSet,
    pricing: &Pricing,
    scratch: &mut Scratch,
) -> Option<Price> {
    let complete = REQUIRED_AT.iter().fold(true, |complete, at| complete & (loan.micros[*at] != 0));
    if !complete || !rules.projection().is_empty() || !rules.clearance().passes(loan) {
        return None;
    }
    let (guide, note_rate) = (rules.guide(), Decimal::from_micros(loan.micros[NOTE_RATE_AT]));
    let Scratch { values, parts, .. } = scratch;
    if guide.is_empty() {
        return pricing.price(PricingBasis { note_rate, standard, values });
    }
    if !guide.passes(loan, standard, pricing.pdate(), values) || !guide.adjust(values, parts) {
        return None;
    }
    let price = pricing.price(PricingBasis { note_rate, standard, values })?.adjusted(guide.waterfall(), parts)?;
    guide.waterfall().floor.is_none_or(|floor| price.final_price >= floor).then_some(price)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        loan::{Field, Loan, NUMBERS, NumberCell, WordCell},
        phases::{disposition::Disposition, judge, pricing::IrrTarget},
    };

    const STRICT: &str = "name = \"s\"\nversion = \"1\"\n[limits]\nltv_ratio = { max = 80.5 }\nproperty_type = [\"condo\", \"igloo\"]\n\
                          [rules]\nmissing_purchase_price = false\n[severity]\nnote_rate_range = \"hard\"\n";
    const LENIENT: &str = "name = \"l\"\nversion = \"1\"\n[rules]\nltv_ratio = false\nloan_amount_range = false\ncredit_score = false\n\
                           note_rate_range = false\ndti_ratio = false\n";

    /// Values around every limit, in millionths.
    fn micros() -> impl Strategy<Value = i64> {
        let limits = [0, 1, 6, 15, 43, 50, 80, 97, 620, 700, 850, 50_000, 5_000_000];
        (prop::sample::select(limits.to_vec()), -2_i64..3, prop::bool::ANY)
            .prop_map(|(limit, away, half)| limit * 1_000_000 + away + if half { 500_000 } else { 0 })
    }

    /// The numbers of a good loan, at most two of them replaced.
    fn numbers() -> impl Strategy<Value = [i64; 7]> {
        let good = [250_000, 6, 80, 40, 700, 300_000, 300_000].map(|value| value * 1_000_000);
        prop::collection::vec((0..good.len(), micros()), 0..3).prop_map(move |replaced| {
            let mut numbers = good;
            replaced.into_iter().for_each(|(at, value)| numbers[at] = value);
            numbers
        })
    }

    #[test]
    fn required_numbers_stand_where_they_are_looked_for() {
        let required = (0..NUMBERS).filter(|at| Field::NUMERIC[*at].info().required);
        assert_eq!(required.collect::<Vec<_>>(), REQUIRED_AT);
    }

    #[test]
    fn the_note_rate_stands_where_it_is_looked_for() {
        assert_eq!(Field::NUMERIC[NOTE_RATE_AT], Field::NoteRate);
    }

    proptest! {
        #[test]
        fn the_short_way_agrees_with_the_phases(micros in numbers(), codes in (0_u8..5, 0_u8..3, 0_u8..3)) {
            let ordinary = OrdinaryLoan { line: 2, seller_loan_number: "1", micros, codes: codes.into() };
            let mut loan = Loan::empty(2);
            loan.seller_loan_number = Some("1".into());
            loan.numbers = micros.map(|micros| NumberCell::ordinary(micros, ""));
            loan.words = ordinary.codes.map(WordCell::Known);
            for rules in [RuleSet::built_in(), &RuleSet::from_toml(STRICT).unwrap(), &RuleSet::from_toml(LENIENT).unwrap()] {
                let pricing = Pricing::new(rules, IrrTarget::DEFAULT, jiff::civil::date(2026, 2, 2));
                let decided = judge(&loan, None, rules, &pricing);
                let bought = decided.disposition == Disposition::ToPurchase && decided.exceptions.is_empty();
                let price = buy_at_once(&ordinary, &StandardCells::NONE, rules, &pricing, &mut Scratch::default());
                prop_assert_eq!(price, decided.price.filter(|_| bought));
            }
        }
    }
}
