//! The texts that show how a price came about: a list for the facts, and cells for the pricing report.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use serde_json::json;

use crate::{
    loan::OrdinaryLoan,
    phases::{
        Scratch,
        disposition::{Decided, Disposition},
        pricing::Price,
    },
    results::pricing_report,
    rules::guide::waterfall::{CAP, PartIndex, PricePart, Waterfall},
    ten_thousandths::TenThousandths,
};

use super::block::{JudgedBlock, JudgingContext};

/// Largest number of texts that a worker keeps.
const MOST: usize = 1 << 14;

/// The texts of prices, kept by a worker because many prices have the same parts.
#[derive(Debug, Default)]
pub struct PartTexts {
    /// Index of the texts of each combination of parts.
    known: HashMap<Vec<PartIndex>, usize, BuildHasherDefault<PartHasher>>,
    texts: Vec<Texts>,
    /// Room for a key, which is used again for each loan.
    key: Vec<PartIndex>,
    /// The key of the loan before, and the index of its texts: the next loan often has the same parts.
    last: (Vec<PartIndex>, usize),
    /// For each program and source of a price the last block with the text of the source, and the index of the text there.
    sources: HashMap<u64, BlockPlace, BuildHasherDefault<PartHasher>>,
    /// Number of the block.
    block: u64,
}

/// The number of a block, and the index of a text there.
type BlockPlace = (u64, u32);

/// Hashes the parts of a price: each by one multiplication. The parts come from the rule set and not from a seller, who can only choose
/// among them.
#[derive(Debug, Default)]
struct PartHasher(u64);

impl Hasher for PartHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        // The table looks at the high bits, which a multiplication mixes best, and at the low ones.
        self.0 ^ (self.0 >> 32)
    }
}

#[derive(Debug)]
struct Texts {
    /// The list of adjustments, as JSON.
    list: String,
    /// The cells of the pricing report.
    cells: Vec<u8>,
    /// The last block with the list, and the index of the list there.
    place: BlockPlace,
}

/// A priced loan, for its row of the pricing report.
#[derive(Debug, Clone, Copy)]
pub struct PricedLoan<'l> {
    pub number: &'l str,
    pub disposition: Disposition,
    /// Index and name of the loan's best program; `None` for a rule set without programs, or a loan that every program rejects.
    pub program: Option<(u16, &'l str)>,
    pub price: Option<Price>,
    pub parts: &'l [PartIndex],
    pub waterfall: &'l Waterfall,
}

impl<'l> PricedLoan<'l> {
    /// An ordinary loan that is bought.
    pub fn bought(loan: &OrdinaryLoan<'l>, price: Price, context: JudgingContext<'l>, scratch: &'l Scratch) -> Self {
        Self {
            number: loan.seller_loan_number,
            disposition: Disposition::ToPurchase,
            program: context
                .rules
                .programs()
                .get(usize::from(scratch.program))
                .map(|program| (scratch.program, program.name.as_str())),
            price: Some(price),
            parts: &scratch.parts,
            waterfall: context.rules.guide_of(scratch.program).waterfall(),
        }
    }

    /// A loan that went through all phases.
    pub fn decided(decided: &'l Decided<'_, '_>) -> Self {
        Self {
            number: decided.loan.shown_number(),
            disposition: decided.disposition,
            program: decided.program.map(|program| (program.index, program.name)),
            price: decided.price,
            parts: &decided.parts,
            waterfall: decided.waterfall,
        }
    }
}

impl PartTexts {
    /// Begins the next block.
    pub fn begin(&mut self, judged: &mut JudgedBlock, context: JudgingContext<'_>) {
        self.block += 1;
        if context.store_facts {
            judged.facts.begin_waterfall(context.rules.prices_by_cash_flows());
        }
    }

    /// Adds how the price of the loan that was appended last came about.
    #[inline]
    pub fn add(&mut self, judged: &mut JudgedBlock, loan: PricedLoan<'_>, context: JudgingContext<'_>) {
        let Some(price) = loan.price else {
            if context.store_facts {
                judged.facts.push_waterfall(None);
            }
            return;
        };
        // Only the facts say where a price comes from.
        let source = if context.store_facts { self.source(judged, &loan, price, context) } else { 0 };
        let block = self.block;
        let texts = self.texts(loan, price);
        if context.store_facts {
            if texts.place.0 != block {
                let lists = judged.facts.waterfall.as_mut().map(|columns| columns.lists.add(&texts.list));
                texts.place = (block, lists.unwrap_or_default());
            }
            judged.facts.push_waterfall(Some((price, source, texts.place.1)));
        }
        if context.list_rows {
            let who = (loan.number, loan.disposition, loan.program.map(|(_, name)| name));
            pricing_report::push_row(judged.rows.pricing_report(), who, price, &texts.cells);
        }
    }

    /// The index in the block of the text that says where a base price comes from.
    #[inline]
    fn source(&mut self, judged: &mut JudgedBlock, loan: &PricedLoan<'_>, price: Price, context: JudgingContext<'_>) -> u32 {
        let program = loan.program.map_or(0, |(program, _)| program);
        let place = self.sources.entry(u64::from(program) << 48 | price.source.code()).or_default();
        if place.0 != self.block
            && let Some(columns) = &mut judged.facts.waterfall
        {
            let text = context.pricing.of_program(program).source_text(price.source);
            *place = (self.block, columns.sources.add(&text));
        }
        place.1
    }

    fn texts(&mut self, loan: PricedLoan<'_>, price: Price) -> &mut Texts {
        let capped = loan.waterfall.capped(price.base_price, loan.parts, price.final_price);
        self.key.clear();
        self.key.push(loan.program.map_or(0, |(at, _)| at.into()));
        self.key.extend_from_slice(loan.parts);
        if let Some(TenThousandths(points)) = capped {
            // No part has this index, so that no other key is the same.
            self.key.push(PartIndex::MAX);
            self.key.extend(points.to_le_bytes().map(PartIndex::from));
        }
        if self.key == self.last.0 {
            return &mut self.texts[self.last.1];
        }
        let known = self.known.get(self.key.as_slice()).copied();
        let at = known.unwrap_or_else(|| {
            if self.texts.len() >= MOST {
                self.known.clear();
                self.texts.clear();
            }
            self.texts.push(Texts {
                list: list(loan.waterfall, loan.parts, capped),
                cells: pricing_report::cells(loan.waterfall, loan.parts, capped),
                place: (0, 0),
            });
            self.known.insert(self.key.clone(), self.texts.len() - 1);
            self.texts.len() - 1
        });
        self.last.0.clone_from(&self.key);
        self.last.1 = at;
        &mut self.texts[at]
    }
}

/// The adjustments of a price, as a JSON list.
fn list(waterfall: &Waterfall, parts: &[PartIndex], capped: Option<TenThousandths>) -> String {
    let member = |name: &str, points: TenThousandths, source: &str| {
        format!("{{\"name\":{},\"points\":{},\"source\":{}}}", json!(name), points.decimal(), json!(source))
    };
    let applied = parts.iter().filter_map(|part| waterfall.part(*part));
    let applied = applied.map(|part @ PricePart { points, source, .. }| member(waterfall.name_of(part), *points, source));
    let cap = capped.map(|points| member(CAP, points, waterfall.cap_source()));
    format!("[{}]", applied.chain(cap).collect::<Vec<_>>().join(","))
}
