//! The price waterfall of a rule set: adjustments in points that are added to the price, a cap and a floor.

use std::sync::Arc;

use crate::{rules::Evidence, ten_thousandths::TenThousandths};

use super::{
    cash_flow::CashFlowPricing,
    condition::Truth,
    field::Value,
    grid::{AdjustmentCell, Applied, Grid},
    rule::{Missing, Scope, Subject, undecided},
};

/// An adjustment that a rule set defines: `[[adjustment]]`.
#[derive(Debug, Clone)]
pub struct Adjustment {
    pub name: String,
    pub scope: Scope,
    /// Points that are added to the price.
    pub points: TenThousandths,
    pub missing: Missing,
    /// Where the rule set defines it: `agency.toml:12`.
    pub source: String,
}

/// What may be added to a price: an adjustment, or a cell of an adjustment grid.
#[derive(Debug, Clone)]
pub struct PricePart {
    pub points: TenThousandths,
    /// Where the points come from: `agency.toml:12`, `llpa.csv!C4`.
    pub source: Arc<str>,
    /// Index of its column in the pricing report.
    pub column: u32,
}

/// Name of the cap among the adjustments.
pub const CAP: &str = "cap";

/// Index of a part among the parts of a waterfall.
pub type PartIndex = u32;

/// What an adjustment that a missing value leaves undetermined does to a loan.
#[derive(Debug)]
pub struct OpenAdjustment {
    /// [`Missing::Hold`] holds the loan, [`Missing::Fail`] leaves it without a price.
    pub missing: Missing,
    pub evidence: Evidence,
}

/// The adjustments of a rule set, in the order of the file, its cap and its floor.
#[derive(Debug, Clone, Default)]
pub struct Waterfall {
    pub(super) adjustments: Vec<Adjustment>,
    /// One part for each adjustment, in the same order; then one for each cell of the adjustment grids.
    pub(super) parts: Vec<PricePart>,
    /// Index of the first part of each adjustment grid.
    first_parts: Vec<PartIndex>,
    /// Highest final price.
    pub cap: Option<TenThousandths>,
    /// Lowest final price of a loan that is bought.
    pub floor: Option<TenThousandths>,
    /// Where the rule set defines the cap: `agency.toml:pricing`.
    pub(super) cap_source: String,
    /// Whether the rule set has a section `[pricing]`.
    pub(super) has_section: bool,
    /// Columns of the pricing report: the names of adjustments, then of adjustment grids, then `cap`.
    columns: Vec<String>,
}

impl Waterfall {
    /// Whether loans and reports show how the price came about.
    pub fn is_shown(&self) -> bool {
        self.has_section || !self.columns.is_empty()
    }

    pub fn adjustments(&self) -> &[Adjustment] {
        &self.adjustments
    }

    /// The name of the adjustment or the grid of a part, which is that of its column.
    pub fn name_of(&self, part: &PricePart) -> &str {
        self.columns.get(part.column as usize).map_or("", String::as_str)
    }

    /// Index of the column that is added next. A rule set has far fewer than 2^32 adjustments.
    fn next_column(&self) -> u32 {
        u32::try_from(self.columns.len()).unwrap_or(u32::MAX)
    }

    pub fn part(&self, part: PartIndex) -> Option<&PricePart> {
        self.parts.get(part as usize)
    }

    pub fn cap_source(&self) -> &str {
        &self.cap_source
    }

    /// Columns of the pricing report, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Index of the column of the cap in the pricing report.
    pub fn cap_column(&self) -> Option<usize> {
        self.cap?;
        self.columns.iter().position(|column| column == CAP)
    }

    /// Makes the columns of the pricing report those of several rule sets, which include its own.
    pub(super) fn share_columns(&mut self, columns: &[String]) {
        for part in &mut self.parts {
            let name = self.columns.get(part.column as usize);
            let place = name.and_then(|name| columns.iter().position(|column| column == name)).unwrap_or(columns.len());
            part.column = u32::try_from(place).unwrap_or(u32::MAX);
        }
        self.columns = columns.to_vec();
    }

    /// Removes an adjustment.
    pub(super) fn switch_off(&mut self, name: &str) {
        self.adjustments.retain(|adjustment| adjustment.name != name);
    }

    /// Makes one part of each adjustment and of each cell of the adjustment grids, and the columns of the pricing report.
    pub(super) fn compile(&mut self, grids: &[Grid]) {
        for Adjustment { name, points, source, .. } in &self.adjustments {
            let column = self.next_column();
            self.columns.push(name.clone());
            self.parts.push(PricePart { points: *points, source: source.as_str().into(), column });
        }
        for grid in grids {
            let (name, column) = (grid.name(), self.next_column());
            self.columns.push(name.to_owned());
            self.first_parts.push(PartIndex::try_from(self.parts.len()).unwrap_or(PartIndex::MAX));
            self.parts.extend(grid.cells().iter().map(|AdjustmentCell { points, source }| PricePart {
                points: TenThousandths(*points),
                source: Arc::clone(source),
                column,
            }));
        }
        if self.cap.is_some() {
            self.columns.push(CAP.to_owned());
        }
    }

    /// Appends the adjustments that apply to a loan. Returns whether all are determined, apart from those that then add nothing.
    #[inline]
    pub(super) fn apply(&self, grids: &[Grid], values: &[Value], parts: &mut Vec<PartIndex>) -> bool {
        let mut determined = true;
        for (at, adjustment) in (0..).zip(&self.adjustments) {
            match adjustment.scope.applies(values) {
                Truth::True => parts.push(at),
                Truth::False => {}
                Truth::Undetermined => determined &= adjustment.missing == Missing::Pass,
            }
        }
        for (grid, first) in grids.iter().zip(&self.first_parts) {
            // A grid has at most 10,000 cells.
            determined &= match grid.adjust(values, |cell| parts.push(first + cell as PartIndex)) {
                Applied::OutOfScope | Applied::Applied => true,
                Applied::Undetermined => grid.missing() == Missing::Pass,
                Applied::Overlap => false,
            };
        }
        determined
    }

    /// The adjustments that a missing value leaves undetermined, apart from those that then add nothing.
    pub(super) fn open(&self, grids: &[Grid], subject: Subject<'_, '_>) -> Vec<OpenAdjustment> {
        let open = self.adjustments.iter().filter(|adjustment| {
            adjustment.missing != Missing::Pass && adjustment.scope.applies(subject.values) == Truth::Undetermined
        });
        let evidence = |adjustment: &Adjustment| {
            let slots: Vec<_> = adjustment.scope.undetermined(subject.values).map(|test| &subject.slots[test.slot]).collect();
            undecided(&adjustment.name, &slots, subject.loan)
        };
        let open = open.map(|adjustment| OpenAdjustment { missing: adjustment.missing, evidence: evidence(adjustment) });
        let of_grid = |grid: &Grid| {
            let missing = match grid.adjust(subject.values, |_| {}) {
                Applied::OutOfScope | Applied::Applied => None,
                Applied::Undetermined => Some(grid.missing()).filter(|missing| *missing != Missing::Pass),
                // Two rows that fit hold the loan, whatever the grid says.
                Applied::Overlap => Some(Missing::Hold),
            };
            Some(OpenAdjustment { missing: missing?, evidence: grid.undetermined(subject) })
        };
        open.chain(grids.iter().filter_map(of_grid)).collect()
    }

    /// The final price of a loan with this base price and these parts; `None` when it is too large.
    #[inline]
    pub fn final_price(&self, base: TenThousandths, parts: &[PartIndex]) -> Option<TenThousandths> {
        let mut price = base;
        for part in parts {
            price = price.checked_add(self.part(*part)?.points)?;
        }
        Some(self.cap.map_or(price, |cap| price.min(cap)))
    }

    /// What the cap took from the price; `None` when it took nothing.
    pub fn capped(&self, base: TenThousandths, parts: &[PartIndex], final_price: TenThousandths) -> Option<TenThousandths> {
        self.cap.filter(|cap| *cap == final_price)?;
        let mut points = parts.iter().filter_map(|part| self.part(*part));
        let sum = points.try_fold(base, |sum, part| sum.checked_add(part.points))?;
        final_price.checked_sub(sum).filter(|points| *points != TenThousandths::ZERO)
    }

    /// Why a price holds a loan: it is below the floor. `None` when it is not.
    pub fn below_floor(&self, final_price: TenThousandths) -> Option<String> {
        let floor = self.floor.filter(|floor| final_price < *floor)?;
        Some(format!("price {} is below the floor {}", final_price.text(), floor.text()))
    }

    /// What the waterfall decides in one fixed form, for the hash of the rule set; empty when it says nothing. The source of an
    /// adjustment is no decision.
    pub fn canonical_text(&self, cash_flow: Option<&CashFlowPricing>) -> String {
        let mut text = String::new();
        for Adjustment { name, scope, points, missing, .. } in &self.adjustments {
            text.push_str(&format!("adjustment.{name}={},{missing:?},", points.text()));
            scope.push_canonical(&mut text);
            text.push('\n');
        }
        if self.has_section {
            let shown = |points: Option<TenThousandths>| points.map_or_else(String::new, TenThousandths::text);
            text.push_str("pricing=");
            match cash_flow {
                None => text.push_str("linear"),
                Some(pricing) => pricing.push_canonical(&mut text),
            }
            text.push_str(&format!(",{},{}\n", shown(self.cap), shown(self.floor)));
        }
        text
    }
}
