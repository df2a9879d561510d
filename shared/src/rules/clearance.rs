//! A fast check for loans that pass every rule: most loans fail none, and a few comparisons of whole numbers confirm it.

use crate::{
    decimal::Decimal,
    loan::{NUMBERS, OrdinaryLoan, WORDS},
};

use super::{Bound, Check, Rule};

/// Ranges and words that pass every rule of a rule set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clearance {
    /// Lowest value that passes, in millionths, for each number of a loan.
    least: [i64; NUMBERS],
    /// Highest value that passes, in millionths, for each number of a loan.
    most: [i64; NUMBERS],
    /// Words that pass, for each word of a loan: one bit for each canonical word.
    words: [u64; WORDS],
}

impl Clearance {
    /// Ranges and words that pass all of these rules.
    pub fn new(rules: &[Rule]) -> Self {
        let mut clearance = Self { least: [i64::MIN; NUMBERS], most: [i64::MAX; NUMBERS], words: [u64::MAX; WORDS] };
        for rule in rules {
            match &rule.check {
                Check::Number { at, min, max } => {
                    let (least, most) = (&mut clearance.least[*at], &mut clearance.most[*at]);
                    // A limit that is not a whole number of millionths clears no loan: every loan is checked against the rules
                    // one by one.
                    *least = (*least).max(min.as_ref().map_or(i64::MIN, |min| inclusive(min, 1).unwrap_or(i64::MAX)));
                    *most = (*most).min(max.as_ref().map_or(i64::MAX, |max| inclusive(max, -1).unwrap_or(i64::MIN)));
                }
                Check::Word { at, list } => clearance.words[*at] &= list.known,
            }
        }
        clearance
    }

    /// Whether an ordinary loan passes every rule. `false` only means that the rules must be checked one by one.
    #[inline]
    pub fn passes(&self, loan: &OrdinaryLoan<'_>) -> bool {
        let numbers = (0..NUMBERS)
            .fold(true, |passes, at| passes & (self.least[at] <= loan.micros[at]) & (loan.micros[at] <= self.most[at]));
        (0..WORDS).fold(numbers, |passes, at| passes & (self.words[at] >> loan.codes[at] & 1 == 1))
    }
}

/// The outermost value inside a bound, in millionths; `None` for a bound that is not a whole number of millionths.
fn inclusive(bound: &Bound, inwards: i64) -> Option<i64> {
    let micros = Decimal::micros(&bound.value)?;
    if bound.inclusive { Some(micros) } else { micros.checked_add(inwards) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::rule_set::RuleSet;

    #[test]
    fn a_limit_finer_than_millionths_clears_nothing() {
        let micros = [250_000, 6, 80, 40, 700, 300_000, 300_000].map(|value| value * 1_000_000);
        let good = OrdinaryLoan { line: 2, seller_loan_number: "1", micros, codes: [0; WORDS] };
        let fine = "name = \"f\"\nversion = \"1\"\n[limits]\ndti_ratio = { max = 43.0000000001 }\n";
        assert!(Clearance::new(RuleSet::built_in().rules()).passes(&good));
        assert!(!Clearance::new(RuleSet::from_toml(fine).unwrap().rules()).passes(&good));
    }
}
