//! Prices by cash flows, loan by loan.

use std::sync::Arc;

use jiff::civil::Date;

use crate::{
    cash_flow::{double::Double, quote::Model},
    decimal::Decimal,
    loan::{Field, Loan, StandardCell, StandardCells},
    rules::guide::{
        Guide, NO_SEGMENT,
        cash_flow::{Adjustable, CashFlowPricing},
        condition::Truth,
        field::Value,
        rule::undecided,
    },
    tape::aliases::Aliases,
};

use super::{
    Hold, IrrTarget, Price, PriceSource, PricingBasis,
    cache::{QuoteCache, QuoteKey, RunQuotes},
    linear::spread,
    schedule::{NoSchedule, schedule},
};

/// The word of `amortization_type` for a fixed rate.
const FIXED: &str = "fixed";

/// The pricing method: assumptions by segment, at one target.
#[derive(Debug, Clone)]
pub struct CashFlow {
    terms: Arc<CashFlowPricing>,
    /// The model of loans without a segment, then one for each segment.
    models: Vec<Model>,
    /// Index of the first of them among the models of the run.
    first_model: u32,
    cache: Arc<QuoteCache>,
    /// Code of the word for a fixed rate.
    fixed: Option<u8>,
}

/// The segment of a loan.
enum LoanSegment {
    /// Its index from 1; 0 for none.
    Known(usize),
    /// Index of the segment whose condition cannot be decided.
    Open(usize),
}

impl CashFlow {
    /// The method at a target, with the quotes of the run.
    pub fn new(terms: &Arc<CashFlowPricing>, target: IrrTarget, quotes: &RunQuotes) -> Self {
        let target = Double::from_decimal(target.percent());
        let assumptions = std::iter::once(&terms.assumptions).chain(terms.segments.iter().map(|segment| &segment.assumptions));
        let models: Vec<_> = assumptions.map(|assumptions| Model::new(assumptions, target, terms.yield_basis)).collect();
        let (first_model, cache) = quotes.with_models(models.len());
        let fixed = Aliases::built_in().vocabulary(Field::AmortizationType).and_then(|words| words.code(FIXED));
        Self { terms: Arc::clone(terms), models, first_model, cache, fixed }
    }

    /// Name of a segment, given its index from 1; that of none for 0.
    pub fn segment_name(&self, segment: u16) -> &str {
        let at = usize::from(segment).checked_sub(1);
        at.and_then(|at| self.terms.segments.get(at)).map_or(NO_SEGMENT, |segment| &segment.name)
    }

    /// The price of a loan before adjustments; `None` when [`Self::reasons`] says why there is none, or when it is too large.
    #[inline]
    pub fn price(&self, basis: PricingBasis<'_, '_>, target: IrrTarget, pdate: Date) -> Option<Price> {
        let PricingBasis { note_rate, standard, values } = basis;
        let LoanSegment::Known(segment) = self.segment(values) else { return None };
        let model = &self.models[segment];
        if self.rate_objection(standard).is_some() || note_rate < model.servicing_fee() {
            return None;
        }
        let (mut schedule, from) = schedule(standard, pdate, self.terms.term).ok()?;
        // Beyond this age nothing changes, so that loans of all higher ages have the same quote.
        schedule.age = schedule.age.min(model.ages());
        let quote = || model.quote(note_rate, &schedule);
        let index = u16::try_from(segment).ok()?;
        let key = note_rate.micros().and_then(|rate| QuoteKey::new(self.first_model + u32::from(index), rate, &schedule));
        let quote = match key {
            Some(key) => self.cache.get(key, quote),
            None => quote(),
        }?;
        // At most 600 months.
        let source = PriceSource::CashFlow { segment: index, term: schedule.term as u16, from };
        Some(Price {
            pricing_spread: spread(note_rate, target)?,
            base_price: quote.price,
            final_price: quote.price,
            wal: quote.wal,
            duration: quote.duration,
            source,
        })
    }

    /// Why a loan has no price, one hold for each reason.
    pub fn reasons(&self, loan: &Loan<'_>, basis: PricingBasis<'_, '_>, guide: &Guide, pdate: Date) -> Vec<Hold> {
        let PricingBasis { note_rate, standard, values } = basis;
        let mut reasons: Vec<String> = self.rate_objection(standard).into_iter().collect();
        let segment = match self.segment(values) {
            LoanSegment::Known(segment) => Some(segment),
            LoanSegment::Open(at) => {
                let segment = &self.terms.segments[at];
                let slots: Vec<_> = segment.scope.undetermined(values).map(|test| &guide.slots()[test.slot]).collect();
                reasons.push(undecided(&format!("segment {}", segment.name), &slots, loan).message);
                None
            }
        };
        if let Err(why_not) = schedule(standard, pdate, self.terms.term) {
            reasons.extend(why_not.iter().map(NoSchedule::text));
        }
        // The segment decides the fee.
        if let Some(fee) = segment.map(|segment| self.models[segment].servicing_fee())
            && note_rate < fee
        {
            reasons.push(fee_objection(note_rate, fee));
        }
        reasons.iter().map(|reason| Hold::not_priced(reason)).collect()
    }

    /// The first segment that a loan belongs to.
    #[inline]
    fn segment(&self, values: &[Value]) -> LoanSegment {
        for (at, segment) in self.terms.segments.iter().enumerate() {
            match segment.scope.applies(values) {
                Truth::True => return LoanSegment::Known(at + 1),
                Truth::Undetermined => return LoanSegment::Open(at),
                Truth::False => {}
            }
        }
        LoanSegment::Known(0)
    }

    /// Why the kind of a loan's rate leaves it without a price.
    #[inline]
    fn rate_objection(&self, standard: &StandardCells<'_>) -> Option<String> {
        match standard.cell(Field::AmortizationType) {
            _ if self.terms.adjustable == Adjustable::AsFixed => None,
            (StandardCell::Missing, _) => None,
            (cell, _) if cell.word() == self.fixed => None,
            (StandardCell::Unreadable, written) => {
                Some(format!("amortization_type \"{}\" is neither fixed nor adjustable", crate::rules::excerpt(written)))
            }
            _ => Some("adjustable rate".to_owned()),
        }
    }
}

fn fee_objection(note_rate: Decimal, fee: Decimal) -> String {
    format!("note rate {} % is below the servicing fee {} %", note_rate.with_min_decimals(2), fee.with_min_decimals(2))
}
