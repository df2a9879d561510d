//! How prices came about, in the facts: base price, its source, and the parts that were added to it.

use serde::{Deserialize, Serialize};

use crate::{phases::pricing::Price, rules::rule_set::RuleSet};

use super::{
    columns::{FactColumns, NumberColumn, TextColumn},
    decimals::PRICE,
};

/// A column of few different texts, in which some rows have none.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CodedTexts {
    /// For each row the index of its text, or [`CodedTexts::NONE`].
    pub codes: Vec<u32>,
    pub texts: TextColumn,
}

impl CodedTexts {
    /// Marks a row without a text.
    pub const NONE: u32 = u32::MAX;

    /// A column of the names of programs, in which the index of a program is that of its name.
    pub fn of_programs(rules: &RuleSet) -> Option<Self> {
        let mut column = Self::default();
        for program in rules.programs() {
            column.add(&program.name);
        }
        (!column.texts.is_empty()).then_some(column)
    }

    /// Adds a text, and returns its index.
    pub fn add(&mut self, text: &str) -> u32 {
        self.texts.push(text);
        // A block holds far fewer than 2^32 texts.
        u32::try_from(self.texts.len() - 1).unwrap_or(Self::NONE)
    }
}

/// How the prices of a block's loans came about.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct WaterfallColumns {
    /// Prices by the pricing method, in ten-thousandths.
    pub base_price: NumberColumn,
    /// Where the base prices come from.
    pub sources: CodedTexts,
    /// Lists of adjustments, as JSON.
    pub lists: CodedTexts,
    /// `None` for linear prices.
    pub lives: Option<LifeColumns>,
}

/// How long the payments of a block's loans take, in ten-thousandths of a year.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct LifeColumns {
    pub wal: NumberColumn,
    pub duration: NumberColumn,
}

impl FactColumns {
    /// Adds how the price of the loan that was appended last came about, with the indexes of its source and of its list of adjustments;
    /// `None` for a loan without a price.
    #[inline]
    pub fn push_waterfall(&mut self, priced: Option<(Price, u32, u32)>) {
        let row = self.next_row() - 1;
        let Some(columns) = &mut self.waterfall else { return };
        let base_price = priced.map(|(price, ..)| price.base_price);
        let stored = base_price.map(|price| price.0).filter(|mantissa| PRICE.fits(*mantissa));
        columns.base_price.push(stored);
        columns.sources.codes.push(priced.map_or(CodedTexts::NONE, |(_, source, _)| source));
        columns.lists.codes.push(priced.map_or(CodedTexts::NONE, |(.., list)| list));
        if let Some(lives) = &mut columns.lives {
            // A loan has at most 600 months, so the numbers of years fit their columns.
            lives.wal.push(priced.and_then(|(price, ..)| price.wal).map(|years| years.0));
            lives.duration.push(priced.and_then(|(price, ..)| price.duration).map(|years| years.0));
        }
        if let Some(price) = base_price.filter(|_| stored.is_none()) {
            self.exact_values.add_members(row, &[format!("\"base_price\":{}", price.decimal())]);
        }
    }

    /// Gives the block columns for how its prices come about. `has_lives`: whether prices come with WAL and duration.
    pub fn begin_waterfall(&mut self, has_lives: bool) {
        self.waterfall = Some(WaterfallColumns { lives: has_lives.then(LifeColumns::default), ..WaterfallColumns::default() });
    }
}
