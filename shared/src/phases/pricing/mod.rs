//! Pricing: the spread over the IRR target, and the price that follows from it.

mod cache;
mod cash_flow;
mod linear;
mod schedule;
mod target;

use jiff::civil::Date;

use crate::{
    decimal::Decimal,
    loan::{Field, Loan, StandardCells},
    rules::{
        ExceptionType, Severity,
        guide::{
            Guide, Values,
            rule::Missing,
            waterfall::{OpenAdjustment, PartIndex, Waterfall},
        },
        rule_set::RuleSet,
    },
    ten_thousandths::TenThousandths,
    waivers::waive,
};

use self::{cache::RunQuotes, cash_flow::CashFlow, schedule::TermSource};
use super::{
    Exception,
    disposition::{Hold, HoldPolicy},
    eligibility::Assessed,
};

pub use self::target::{IrrTarget, IrrTargetError};

/// The price of a loan, and the spread from which the price follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Note rate minus IRR target, in percent.
    pub pricing_spread: TenThousandths,
    /// Price by the pricing method, in percent of the balance.
    pub base_price: TenThousandths,
    /// Base price plus adjustments, at most the cap, in percent of the balance.
    pub final_price: TenThousandths,
    /// Weighted average life in years; `None` for a linear price, and when no principal is paid.
    pub wal: Option<TenThousandths>,
    /// Modified duration in years; `None` for a linear price, and when nothing is paid.
    pub duration: Option<TenThousandths>,
    pub source: PriceSource,
}

/// Where a base price comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceSource {
    Linear,
    CashFlow {
        /// Index of the segment, from 1; 0 for none.
        segment: u16,
        /// Months left.
        term: u16,
        from: TermSource,
    },
}

impl PriceSource {
    /// A number below 2^48 that no other source has.
    #[inline]
    pub fn code(self) -> u64 {
        match self {
            Self::Linear => 0,
            // A term has at least one month, so that this is never 0.
            Self::CashFlow { segment, term, from } => u64::from(segment) << 32 | u64::from(term) << 8 | from as u64,
        }
    }
}

/// What a price follows from.
#[derive(Debug, Clone, Copy)]
pub struct PricingBasis<'l, 't> {
    /// In percent.
    pub note_rate: Decimal,
    pub standard: &'l StandardCells<'t>,
    /// The values that the guide tests.
    pub values: &'l Values,
}

/// A loan after the pricing phase. Only an eligible loan has a price.
#[derive(Debug)]
pub struct Priced<'l, 't> {
    pub(super) loan: &'l Loan<'t>,
    pub(super) exceptions: Vec<Exception<'l>>,
    pub(super) eligible: bool,
    pub(super) undecided: Vec<String>,
    /// Note rate minus IRR target, in percent; `None` for a loan that is not eligible.
    pub(super) pricing_spread: Option<TenThousandths>,
    pub(super) price: Option<Price>,
    pub(super) parts: Vec<PartIndex>,
    pub(super) waterfall: &'l Waterfall,
    /// Why an eligible loan is not bought at its price, or has none.
    pub(super) objections: Vec<Hold>,
}

impl<'l, 't> Priced<'l, 't> {
    pub fn loan(&self) -> &'l Loan<'t> {
        self.loan
    }

    /// `None` when the loan is not eligible or cannot be priced.
    pub fn price(&self) -> Option<Price> {
        self.price
    }
}

/// Pricing of the loans of a run: the method, the target and the purchase date.
#[derive(Debug, Clone)]
pub struct Pricing {
    method: Method,
    irr_target: IrrTarget,
    pdate: Date,
    /// The pricing of each program of the rule set.
    programs: Vec<Self>,
}

#[derive(Debug, Clone)]
enum Method {
    Linear,
    CashFlow(Box<CashFlow>),
}

impl Pricing {
    /// The pricing of a rule set at a target, for loans bought on a date. A program with a target of its own replaces the target.
    pub fn new(rules: &RuleSet, irr_target: IrrTarget, pdate: Date) -> Self {
        let quotes = RunQuotes::default();
        let programs =
            rules.programs().iter().map(|program| Self::by_itself(&program.rules, irr_target, pdate, &quotes)).collect();
        Self { programs, ..Self::by_itself(rules, irr_target, pdate, &quotes) }
    }

    fn by_itself(rules: &RuleSet, irr_target: IrrTarget, pdate: Date, quotes: &RunQuotes) -> Self {
        let irr_target = rules.irr_target().and_then(|target| IrrTarget::new(target).ok()).unwrap_or(irr_target);
        let method = match rules.guide().cash_flow() {
            None => Method::Linear,
            Some(terms) => Method::CashFlow(Box::new(CashFlow::new(terms, irr_target, quotes))),
        };
        Self { method, irr_target, pdate, programs: Vec::new() }
    }

    /// The pricing of each program, in the order of the rule set.
    pub fn programs(&self) -> &[Self] {
        &self.programs
    }

    /// The pricing of the program with this index; the rule set's own for one without programs.
    pub fn of_program(&self, program: u16) -> &Self {
        self.programs.get(usize::from(program)).unwrap_or(self)
    }

    /// Where a base price comes from, for results: `linear`, or `cash_flow, segment low_score, n 340 (remaining_term)`.
    pub fn source_text(&self, source: PriceSource) -> String {
        match (source, &self.method) {
            (PriceSource::CashFlow { segment, term, from }, Method::CashFlow(method)) => {
                format!("cash_flow, segment {}, n {term} ({})", method.segment_name(segment), from.as_str())
            }
            _ => "linear".to_owned(),
        }
    }

    /// The date on which the loans are bought.
    pub fn pdate(&self) -> Date {
        self.pdate
    }

    /// The price of a loan before adjustments; `None` when it has none.
    #[inline]
    pub fn price(&self, basis: PricingBasis<'_, '_>) -> Option<Price> {
        match &self.method {
            Method::Linear => linear::linear(basis.note_rate, self.irr_target),
            Method::CashFlow(method) => method.price(basis, self.irr_target, self.pdate),
        }
    }

    /// Why a loan has no price by its cash flows, one hold for each reason; empty for linear prices.
    fn reasons(&self, loan: &Loan<'_>, basis: PricingBasis<'_, '_>, guide: &Guide) -> Vec<Hold> {
        match &self.method {
            Method::Linear => Vec::new(),
            Method::CashFlow(method) => method.reasons(loan, basis, guide, self.pdate),
        }
    }
}

/// Prices a loan, if it is eligible.
#[inline]
pub fn price<'l, 't>(assessed: Assessed<'l, 't>, pricing: &Pricing) -> Priced<'l, 't> {
    let Assessed { loan, exceptions, eligible, undecided, guide, values } = assessed;
    let rate = if eligible { loan.number(Field::NoteRate).value() } else { None };
    let basis = rate.map(|note_rate| PricingBasis { note_rate, standard: loan.standard, values: &values });
    let price = basis.and_then(|basis| pricing.price(basis));
    let objections = match (basis, price) {
        (Some(basis), None) => pricing.reasons(loan, basis, guide),
        _ => Vec::new(),
    };
    let pricing_spread = price.map(|price| price.pricing_spread).or_else(|| linear::spread(rate?, pricing.irr_target));
    let (parts, waterfall) = (Vec::new(), guide.waterfall());
    let mut priced = Priced { loan, exceptions, eligible, undecided, pricing_spread, price, parts, waterfall, objections };
    if eligible && waterfall.is_shown() {
        let determined = guide.adjust(&values, &mut priced.parts);
        if !determined {
            priced.note_open(guide.open_adjustments(loan, &values, pricing.pdate), pricing.pdate);
        }
        priced.adjust();
    }
    priced
}

impl Priced<'_, '_> {
    /// Notes adjustments that a missing value leaves undetermined.
    fn note_open(&mut self, open: Vec<OpenAdjustment>, pdate: Date) {
        for OpenAdjustment { missing, evidence } in open {
            if missing == Missing::Fail {
                self.objections.push(Hold::not_priced(&evidence.message));
                self.price = None;
            } else {
                self.undecided.push(evidence.message.clone());
                self.exceptions.push(Exception {
                    kind: ExceptionType::Undetermined.kind(),
                    severity: Severity::Soft,
                    evidence,
                    program: None,
                    waiver: None,
                });
            }
        }
        if !self.loan.waivers.is_empty() {
            waive(&mut self.exceptions, self.loan.waivers, pdate);
            let Self { exceptions, undecided, .. } = self;
            undecided.retain(|message| !exceptions.iter().any(|of| of.is_waived() && of.evidence.message == *message));
        }
    }

    /// Adjusts the price.
    fn adjust(&mut self) {
        let base = self.price.filter(|_| self.waterfall.is_shown());
        let adjusted = base.and_then(|price| price.adjusted(self.waterfall, &self.parts));
        match (base, adjusted) {
            (Some(_), None) => {
                self.objections.push(Hold::not_priced("the adjusted price is too large"));
                self.price = None;
            }
            (_, Some(price)) => {
                let below = self.waterfall.below_floor(price.final_price);
                self.objections.extend(below.map(|reason| Hold { policy: HoldPolicy::Floor, reason }));
                self.price = adjusted;
            }
            (None, None) => {}
        }
        if self.price.is_none() {
            self.parts.clear();
        }
    }
}

impl Price {
    fn unadjusted(pricing_spread: TenThousandths, base_price: TenThousandths) -> Self {
        let (wal, duration, source) = (None, None, PriceSource::Linear);
        Self { pricing_spread, base_price, final_price: base_price, wal, duration, source }
    }

    /// The price with these parts of a waterfall; `None` when it is too large.
    #[inline]
    pub fn adjusted(self, waterfall: &Waterfall, parts: &[PartIndex]) -> Option<Self> {
        Some(Self { final_price: waterfall.final_price(self.base_price, parts)?, ..self })
    }
}
