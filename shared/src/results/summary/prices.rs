//! The strat by final price.

use crate::{decimal::ExactSum, phases::pricing::Price};

use super::{
    Strat,
    figures::bucket,
    groups::{Group, Share},
};

/// Name of the field.
const FINAL_PRICE: &str = "final_price";
/// Ten-thousandths in a point.
const POINT: i64 = 10_000;
/// Prices from this one on, in points, share a group. Prices below zero share another one.
const HIGHEST: i64 = 200;
/// Index of the group of the loans without a price.
const MISSING: usize = HIGHEST as usize + 2;

/// The loans that are not rejected, grouped by their final prices: below zero, each point up to [`HIGHEST`], above, missing.
#[derive(Debug, Clone)]
pub(super) struct PriceStrat {
    pub(super) groups: Vec<Group>,
}

impl Default for PriceStrat {
    fn default() -> Self {
        Self { groups: vec![Group::default(); MISSING + 1] }
    }
}

/// Index of the group of a price.
#[inline]
fn group_of(price: Option<Price>) -> usize {
    price.map_or(MISSING, |price| (price.final_price.0.div_euclid(POINT).clamp(-1, HIGHEST) + 1) as usize)
}

impl PriceStrat {
    #[inline]
    pub(super) fn add(&mut self, price: Option<Price>, share: &Share) {
        self.groups[group_of(price)].add(share);
    }

    pub(super) fn merge(&mut self, next: &Self) {
        for (ours, theirs) in self.groups.iter_mut().zip(&next.groups) {
            if theirs.count > 0 {
                ours.merge(theirs);
            }
        }
    }

    /// The groups with loans.
    pub(super) fn finish(&self, total_balance: &ExactSum) -> Strat {
        let filled = self.groups.iter().enumerate().filter(|(_, group)| group.count > 0);
        let buckets = filled.map(|(at, group)| bucket(names_of(at), group, total_balance));
        Strat { by: FINAL_PRICE, buckets: buckets.collect() }
    }
}

/// Label and filter of a group.
fn names_of(at: usize) -> (String, String) {
    let last = HIGHEST as usize + 1;
    match at {
        0 => ("<0".to_owned(), format!("{FINAL_PRICE}=..<0")),
        MISSING => ("missing".to_owned(), format!("disposition=projected&{FINAL_PRICE}=missing")),
        at if at == last => (format!(">={HIGHEST}"), format!("{FINAL_PRICE}={HIGHEST}..")),
        at => (format!("{} to <{at}", at - 1), format!("{FINAL_PRICE}={}..<{at}", at - 1)),
    }
}
