//! Programs: several rule sets judge the same loan, and the loan takes the best of them.

use std::cmp::Reverse;

use crate::{
    loan::{Loan, OrdinaryLoan, StandardCells},
    rules::rule_set::RuleSet,
    ten_thousandths::TenThousandths,
};

use super::{
    Exception,
    at_once::{Scratch, buy_at_once_by},
    disposition::{Decided, Disposition},
    judge_by,
    pricing::{Price, Pricing},
    validate::Validated,
};

/// A program of a rule set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramRef<'r> {
    /// Index among the programs of the rule set.
    pub index: u16,
    pub name: &'r str,
}

/// A set of programs, one bit for each.
pub type ProgramBits = u32;

/// How good a result is for the seller: the smallest is the best. Among equals, the first program of the list is.
type Rank = (Disposition, Reverse<Option<TenThousandths>>);

fn rank(disposition: Disposition, price: Option<Price>) -> Rank {
    (disposition, Reverse(price.map(|price| price.final_price)))
}

/// Judges a loan that passed validation by every program of the rule set. The result is that of the best program, with the exceptions of
/// all programs in the order of the list.
pub(super) fn judge_by_programs<'l, 't>(loan: &'l Loan<'t>, rules: &'l RuleSet, pricing: &Pricing) -> Option<Decided<'l, 't>> {
    let mut best: Option<Decided<'l, 't>> = None;
    let (mut exceptions, mut eligible): (Vec<Exception<'l>>, ProgramBits) = (Vec::new(), 0);
    for (program, pricing) in programs(rules, pricing) {
        let validated = Validated { loan, exceptions: Vec::new() };
        let mut decided = judge_by(validated, program.rules, pricing);
        let found = std::mem::take(&mut decided.exceptions);
        for exception in found {
            match exception.waiver {
                // A waiver that has expired is reported once, and not for each program.
                Some(waiver) if exception.is_of_expired(waiver) => {
                    if !exceptions.iter().any(|earlier| earlier.is_of_expired(waiver)) {
                        exceptions.push(exception);
                    }
                }
                _ => exceptions.push(Exception { program: Some(program.id), ..exception }),
            }
        }
        if decided.disposition != Disposition::Rejected {
            eligible |= 1 << program.id.index;
            decided.program = Some(program.id);
        }
        let is_better = |best: &Decided<'_, '_>| rank(decided.disposition, decided.price) < rank(best.disposition, best.price);
        if best.as_ref().is_none_or(is_better) {
            best = Some(decided);
        }
    }
    best.map(|best| Decided { exceptions, eligible_in: Some(eligible), ..best })
}

/// The price of an ordinary loan that passes every phase of every program, from the program that pays most.
#[inline]
pub(super) fn buy_at_once_by_programs(
    loan: &OrdinaryLoan<'_>,
    standard: &StandardCells<'_>,
    rules: &RuleSet,
    pricing: &Pricing,
    scratch: &mut Scratch,
) -> Option<Price> {
    // A field that the rule set requires is required of all programs.
    if !rules.guide().is_empty() && !rules.guide().passes(loan, standard, pricing.pdate(), &mut scratch.values) {
        return None;
    }
    let mut best: Option<Price> = None;
    let mut parts = std::mem::take(&mut scratch.spare);
    for (program, pricing) in programs(rules, pricing) {
        let Some(price) = buy_at_once_by(loan, standard, program.rules, pricing, scratch) else {
            scratch.spare = parts;
            return None;
        };
        if best.is_none_or(|best| price.final_price > best.final_price) {
            best = Some(price);
            scratch.program = program.id.index;
            std::mem::swap(&mut parts, &mut scratch.parts);
        }
    }
    // `parts` are those of the best program; the room of the others is used again.
    std::mem::swap(&mut parts, &mut scratch.parts);
    scratch.spare = parts;
    best
}

/// A program while it judges.
struct Judge<'r> {
    id: ProgramRef<'r>,
    rules: &'r RuleSet,
}

fn programs<'r, 'p>(rules: &'r RuleSet, pricing: &'p Pricing) -> impl Iterator<Item = (Judge<'r>, &'p Pricing)> {
    let programs = (0..)
        .zip(rules.programs())
        .map(|(index, program)| Judge { id: ProgramRef { index, name: &program.name }, rules: &program.rules });
    programs.zip(pricing.programs())
}
