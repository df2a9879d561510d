//! What a rule set says beyond the built-in rules: conditions, rules of its own, and comparisons between fields.

pub mod cash_flow;
pub mod condition;
mod consistency;
mod declare;
pub mod field;
pub mod grid;
pub mod pool;
mod read;
mod read_cash_flow;
mod read_pool;
mod read_pricing;
pub mod rule;
pub mod waterfall;

use std::sync::Arc;

use jiff::civil::Date;

use crate::{
    decimal::Decimal,
    loan::{Field, Loan, OrdinaryLoan, StandardCells},
    rules::{Evidence, ExceptionKind, ExceptionType, Severity},
    tape::declared::DeclaredFields,
};

use self::{
    cash_flow::CashFlowPricing,
    condition::Truth,
    consistency::Numbers,
    field::{Slot, TestedField, Value},
    grid::Grid,
    pool::Pools,
    rule::{Finding, OwnRule, Scope, Subject},
    waterfall::{OpenAdjustment, PartIndex, Waterfall},
};

pub use self::{read::Reader, read_cash_flow::NO_SEGMENT};

/// Conditions, rules and comparisons of a rule set. The default says nothing.
#[derive(Debug, Clone)]
pub struct Guide {
    /// The fields that are tested.
    slots: Vec<Slot>,
    /// To which loans a built-in rule applies, where the rule set says so.
    applies: Vec<(ExceptionType, Scope)>,
    /// The consistency rules that are on.
    consistency: Vec<(ExceptionType, Severity)>,
    /// By how many percentage points an LTV may differ from the one that balance and value give.
    pub(super) ltv_tolerance: Decimal,
    /// The rules that are on, in the order of the file.
    rules: Vec<OwnRule>,
    /// The grids of limits that are on, in the order of the file.
    limit_grids: Vec<Grid>,
    /// The grids of adjustments that are on, in the order of the file.
    adjustment_grids: Vec<Grid>,
    waterfall: Waterfall,
    /// How prices come from cash flows; `None` for linear prices.
    cash_flow: Option<Arc<CashFlowPricing>>,
    /// The fields that the rule set declares, and the standard fields that it requires.
    declared: Arc<DeclaredFields>,
    /// The fields that the rule set requires, in the order of reports.
    required: Vec<Slot>,
    /// The tests of whole pools of loans; `None` for a rule set without one.
    pools: Option<Arc<Pools>>,
}

/// The key of `[limits]` that says by how many percentage points an LTV may differ from the one that balance and value give.
pub const LTV_TOLERANCE: &str = "ltv_tolerance";

/// The values of a loan's slots.
pub type Values = Vec<Value>;

impl Default for Guide {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            applies: Vec::new(),
            consistency: Vec::new(),
            ltv_tolerance: Decimal::from_integer(1),
            rules: Vec::new(),
            limit_grids: Vec::new(),
            adjustment_grids: Vec::new(),
            waterfall: Waterfall::default(),
            cash_flow: None,
            declared: Arc::default(),
            required: Vec::new(),
            pools: None,
        }
    }
}

impl Guide {
    /// Whether the guide decides nothing.
    pub fn is_empty(&self) -> bool {
        let has_grids = !self.limit_grids.is_empty() || !self.adjustment_grids.is_empty();
        let says_rules =
            !self.applies.is_empty() || !self.consistency.is_empty() || !self.rules.is_empty() || !self.required.is_empty();
        !says_rules && !has_grids && !self.waterfall.is_shown()
    }

    /// Whether judging and counting need the standard or the declared fields of a loan.
    pub fn needs_standard(&self) -> bool {
        let says = !self.consistency.is_empty() || !self.required.is_empty() || self.cash_flow.is_some();
        let of_pools = self.pools.iter().flat_map(|pools| &pools.slots);
        says || self.slots.iter().chain(of_pools).any(|slot| slot.field.is_standard())
    }

    /// The tests of whole pools of loans; `None` for a rule set without one.
    pub fn pools(&self) -> Option<&Arc<Pools>> {
        self.pools.as_ref()
    }

    /// The fields that the rule set declares, and the standard fields that it requires.
    pub fn declared(&self) -> &Arc<DeclaredFields> {
        &self.declared
    }

    /// The fields that a loan needs besides the required canonical ones, in the order of reports.
    pub fn required(&self) -> &[Slot] {
        &self.required
    }

    /// The field with this name that a condition may test.
    pub fn field(&self, name: &str) -> Option<TestedField> {
        let declared = || self.declared.get(name).map(|field| TestedField::Declared(Arc::clone(field)));
        TestedField::from_name(name).or_else(declared)
    }

    /// The names of all fields that a condition may test.
    pub(super) fn field_names(&self) -> impl Iterator<Item = &str> {
        let known = TestedField::names().map(|name| -> &str { name });
        known.chain(self.declared.fields.iter().map(|field| &*field.name))
    }

    /// Whether the rule set requires a field.
    fn requires(&self, field: &TestedField) -> bool {
        self.required.iter().any(|slot| slot.field == *field)
    }

    /// The rules that the rule set defines, in the order of the file.
    pub fn rules(&self) -> &[OwnRule] {
        &self.rules
    }

    /// The grids that limit a field of a loan, in the order of the file.
    pub fn limit_grids(&self) -> &[Grid] {
        &self.limit_grids
    }

    /// The grids that adjust the price of a loan, in the order of the file.
    pub fn adjustment_grids(&self) -> &[Grid] {
        &self.adjustment_grids
    }

    /// What is no mistake and may still be none of what the author meant, as one sentence each.
    pub fn notices(&self) -> Vec<String> {
        self.limit_grids.iter().chain(&self.adjustment_grids).flat_map(Grid::notices).collect()
    }

    /// To which loans a built-in rule applies; `None` when the guide says nothing about it.
    pub fn scope(&self, rule: ExceptionType) -> Option<&Scope> {
        self.applies.iter().find(|(of, _)| *of == rule).map(|(_, scope)| scope)
    }

    /// By how many percentage points an LTV may differ from the one that balance and value give.
    pub fn ltv_tolerance(&self) -> Decimal {
        self.ltv_tolerance
    }

    /// How the rule set adjusts prices.
    pub fn waterfall(&self) -> &Waterfall {
        &self.waterfall
    }

    /// How prices come from cash flows; `None` for linear prices.
    pub fn cash_flow(&self) -> Option<&Arc<CashFlowPricing>> {
        self.cash_flow.as_ref()
    }

    /// The fields that are tested, whose values [`Self::values`] gives.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Appends the parts of the price that apply to a loan. Returns whether all are determined, apart from those that then add
    /// nothing.
    #[inline]
    pub fn adjust(&self, values: &[Value], parts: &mut Vec<PartIndex>) -> bool {
        parts.clear();
        self.waterfall.apply(&self.adjustment_grids, values, parts)
    }

    /// The adjustments that a missing value leaves undetermined, apart from those that then add nothing.
    pub fn open_adjustments(&self, loan: &Loan<'_>, values: &[Value], pdate: Date) -> Vec<OpenAdjustment> {
        self.waterfall.open(&self.adjustment_grids, Subject { loan, slots: &self.slots, values, pdate })
    }

    /// The field that a comparison is about, and what it must agree with, for people.
    pub fn comparison(&self, rule: ExceptionType) -> (&'static str, String) {
        consistency::requirement(rule, self.ltv_tolerance)
    }

    /// The comparisons between fields that are on, with their severities.
    pub fn consistency(&self) -> &[(ExceptionType, Severity)] {
        &self.consistency
    }

    /// The values of a loan that passed validation.
    pub fn values(&self, loan: &Loan<'_>, pdate: Date) -> Values {
        self.slots.iter().map(|slot| slot.value(loan, pdate)).collect()
    }

    /// Whether a built-in rule applies to a loan. A rule whose condition is undetermined applies.
    pub fn applies(&self, rule: ExceptionType, values: &[Value]) -> bool {
        self.scope(rule).is_none_or(|scope| scope.applies(values) != Truth::False)
    }

    /// Whether an ordinary loan passes everything that the guide says. `false` only means that each rule must be checked.
    #[inline]
    pub fn passes(&self, loan: &OrdinaryLoan<'_>, standard: &StandardCells<'_>, pdate: Date, values: &mut Values) -> bool {
        if !self.required.iter().all(|slot| slot.is_given(standard)) {
            return false;
        }
        values.clear();
        values.extend(self.slots.iter().map(|slot| slot.ordinary_value(loan, standard, pdate)));
        self.rules.iter().all(|rule| rule.passes(values))
            && self.limit_grids.iter().all(|grid| grid.passes(values))
            && self.contradictions(Numbers::Ordinary(loan, standard), values).next().is_none()
    }

    /// Judges a loan that passed validation by the consistency rules and the rules of the guide.
    pub fn judge<'r>(&'r self, loan: &Loan<'_>, values: &[Value], pdate: Date) -> Vec<Finding<'r>> {
        let mut findings = Vec::new();
        let contradictions = self.contradictions(Numbers::Full(loan), values);
        findings.extend(contradictions.map(|(rule, severity, evidence)| Finding {
            kind: rule.kind(),
            severity,
            evidence,
            holds: false,
        }));
        let subject = Subject { loan, slots: &self.slots, values, pdate };
        for rule in &self.rules {
            rule.judge(subject, &mut findings);
        }
        for grid in &self.limit_grids {
            grid.judge(subject, &mut findings);
        }
        findings
    }

    /// The evidence of an adjustment grid of this guide that is undetermined for a loan.
    pub fn undetermined_adjustment(&self, grid: &Grid, loan: &Loan<'_>, values: &[Value], pdate: Date) -> Evidence {
        grid.undetermined(Subject { loan, slots: &self.slots, values, pdate })
    }

    /// The comparisons between fields that a loan fails, each with its severity and its evidence.
    pub(in crate::rules) fn contradicted(&self, loan: &Loan<'_>, values: &[Value]) -> Vec<(ExceptionType, Severity, Evidence)> {
        self.contradictions(Numbers::Full(loan), values).collect()
    }

    /// The number of a field as text; `None` unless it is above zero.
    pub(in crate::rules) fn shown_number(&self, field: &str, loan: &Loan<'_>) -> Option<String> {
        let number = Numbers::Full(loan).positive(Field::from_name(field)?)?;
        Some(number.with_min_decimals(0))
    }

    /// The comparisons between fields that a loan fails.
    fn contradictions(
        &self,
        loan: Numbers<'_, '_>,
        values: &[Value],
    ) -> impl Iterator<Item = (ExceptionType, Severity, Evidence)> {
        self.consistency.iter().filter_map(move |(rule, severity)| {
            if !self.applies(*rule, values) {
                return None;
            }
            let (_, check) = consistency::RULES.iter().find(|(of, _)| of == rule)?;
            Some((*rule, *severity, check(loan, self.ltv_tolerance)?))
        })
    }

    /// What the guide decides in one fixed form, for the hash of the rule set; empty when it says nothing.
    pub fn canonical_text(&self) -> String {
        let mut text = declare::canonical_text(&self.declared);
        for (rule, scope) in &self.applies {
            text.push_str(&format!("applies.{}=", rule.name()));
            scope.push_canonical(&mut text);
            text.push('\n');
        }
        for (rule, severity) in &self.consistency {
            text.push_str(&format!("rules.{}={}\n", rule.name(), severity.as_str()));
        }
        if self.consistency.iter().any(|(rule, _)| *rule == ExceptionType::LtvConsistency) {
            text.push_str(&format!("limits.ltv_tolerance={}\n", self.ltv_tolerance));
        }
        for rule in &self.rules {
            text.push_str("rule.");
            rule.push_canonical(&mut text);
        }
        for grid in self.limit_grids.iter().chain(&self.adjustment_grids) {
            text.push_str("grid.");
            grid.push_canonical(&mut text);
        }
        text.push_str(&self.waterfall.canonical_text(self.cash_flow.as_deref()));
        self.pools.iter().for_each(|pools| pools.push_canonical(&mut text));
        text
    }

    /// The kinds of exceptions that the guide defines, in the order of reports.
    pub(in crate::rules) fn kinds_mut(&mut self) -> impl Iterator<Item = &mut ExceptionKind> {
        let of_grids = self.limit_grids.iter_mut().filter_map(Grid::kind_mut);
        self.rules.iter_mut().map(|rule| &mut rule.kind).chain(of_grids)
    }

    /// The kinds of exceptions that the guide defines, in the order of reports.
    pub fn kinds(&self) -> impl Iterator<Item = &ExceptionKind> {
        let of_grids = self.limit_grids.iter().filter_map(Grid::kind);
        self.rules.iter().map(|rule| &rule.kind).chain(of_grids)
    }

    /// Makes the columns of the pricing report those of several guides.
    pub(in crate::rules) fn share_columns(&mut self, columns: &[String]) {
        self.waterfall.share_columns(columns);
    }

    /// The slot of a field, which is added when it is new.
    fn slot(&mut self, field: &TestedField) -> usize {
        self.slots.iter().position(|slot| slot.field == *field).unwrap_or_else(|| {
            self.slots.push(Slot::new(field.clone()));
            self.slots.len() - 1
        })
    }
}
