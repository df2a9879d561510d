//! One loan explained: what every rule says about it, which values would mend it, and what it would then be.

mod needs;
mod stored;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    decimal::Decimal,
    loan::Loan,
    phases::{
        disposition::{Decided, Disposition},
        judge,
        pricing::Pricing,
        validate::{FirstUse, validate},
    },
    rules::{
        ExceptionType,
        checked::{CheckOutcome, FieldCheck},
        listing::RuleObject,
        rule_set::RuleSet,
    },
};

pub use self::{
    needs::{Need, WouldBe},
    stored::{ExplainedLoan, ExplainedRun},
};

/// Why a rule says nothing about a loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(
    description = "Why a rule says nothing about a loan: its conditions leave the loan out (`not_applicable`), a value that decides it is \
                   missing (`undetermined`), the loan failed validation or no policy looks at it (`not_judged`), or the rule set switches \
                   the rule off (`switched_off`)."
)]
pub enum Why {
    NotApplicable,
    Undetermined,
    NotJudged,
    SwitchedOff,
}

/// What one rule, grid, policy or validation says about one field of a loan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ExplainedRule)]
pub struct RuleEntry {
    /// Name of the rule or grid: the type of its exceptions. A policy begins with `projection.`.
    #[schema(example = "ltv_ratio")]
    pub rule: String,
    /// Name of the program that has the rule. Null: a validation, or a rule set without programs.
    #[schema(required, example = json!(null))]
    pub program: Option<String>,
    /// Whether the loan passes. Null: `why` says why the rule says nothing.
    #[schema(required, example = false)]
    pub passed: Option<bool>,
    /// Why `passed` is null. Null otherwise.
    #[schema(required, example = json!(null))]
    pub why: Option<Why>,
    /// Field that the rule looks at, or several separated by commas.
    #[schema(example = "ltv_ratio")]
    pub field: String,
    /// Value of the loan, as text. Null: the rule was not checked.
    #[schema(required, example = "97.1")]
    pub actual: Option<String>,
    /// Condition that a good loan meets, as text, as in `/api/config`. Null: a validation, or a rule that is switched off.
    #[schema(required, example = "> 0 and <= 97.0")]
    pub limit: Option<String>,
    /// Distance of the value from passing, in the unit of the field. Null: the loan passes, or there is no distance.
    #[schema(required, value_type = Option<f64>, example = 0.1)]
    pub excess: Option<Decimal>,
    /// Distance of the value to the nearer bound, in the unit of the field. Null: the loan does not pass, or the rule has no bound but
    /// zero.
    #[schema(required, value_type = Option<f64>, example = json!(null))]
    pub headroom: Option<Decimal>,
    /// Where the limit comes from: the cell of a grid, or its file. Null: another rule.
    #[schema(required, example = json!(null))]
    pub source: Option<String>,
}

/// What the rules say about a loan, and what would mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub rules: Vec<RuleEntry>,
    /// The nearest values that meet the rules that failed; empty for a loan that is bought or held. `None` when some hard failure has no
    /// distance.
    pub needs: Option<Vec<Need>>,
    /// What the loan would be with these values; `None` without them.
    pub would_be: Option<WouldBe>,
}

/// Explains a loan under the rules of its run.
pub fn explain(loan: &Loan<'_>, first_use: Option<&FirstUse>, rules: &RuleSet, pricing: &Pricing) -> Explanation {
    let decided = judge(loan, first_use, rules, pricing);
    let failed = validate(loan, first_use, rules.guide().required()).failed();
    let mut entries = Vec::new();
    if failed {
        entries.extend(decided.exceptions.iter().map(|exception| RuleEntry {
            passed: Some(false),
            field: exception.evidence.field.to_string(),
            actual: Some(exception.evidence.actual.to_string()),
            excess: exception.evidence.excess,
            ..entry(&exception.kind.name, None)
        }));
    }
    let sets: Vec<(Option<&str>, &RuleSet, &Pricing)> = if rules.programs().is_empty() {
        vec![(None, rules, pricing)]
    } else {
        let programs = rules.programs().iter().zip(pricing.programs());
        programs.map(|(program, pricing)| (Some(program.name.as_str()), &program.rules, pricing)).collect()
    };
    let mut failures = Vec::new();
    for (program, set, pricing) in sets {
        let mut checks =
            ProgramChecks { program, set, loan, pricing, listing: set.listing(), entries: &mut entries, failures: Vec::new() };
        checks.add_all(failed);
        let of_program = checks.failures;
        // What a waiver waives needs no other value.
        let rejects = |(rule, check): &(String, FieldCheck)| {
            decided.exceptions.iter().any(|exception| {
                *exception.kind.name == **rule
                    && exception.rejects()
                    && exception.program.map(|program| program.name) == program
                    && exception.evidence.field == check.field
            })
        };
        failures.push(of_program.into_iter().filter(rejects).map(|(_, check)| check).collect::<Vec<_>>());
    }
    let is_rejected = decided.disposition == Disposition::Rejected;
    let needs = match (is_rejected, failed) {
        (false, _) => Some(Vec::new()),
        (true, true) => None,
        (true, false) => needs::needs(&failures),
    };
    let changed = needs.as_ref().filter(|needs| !needs.is_empty());
    let would_be = match (&needs, changed) {
        (None, _) => None,
        (Some(_), None) => Some(WouldBe::of(&decided)),
        (Some(_), Some(changed)) => needs::would_be(loan, changed, rules, pricing),
    };
    // Without a loan that has the values, the needs cannot be met.
    let needs = needs.filter(|_| would_be.is_some());
    Explanation { rules: entries, needs, would_be }
}

fn entry(rule: &str, program: Option<&str>) -> RuleEntry {
    RuleEntry {
        rule: rule.to_owned(),
        program: program.map(str::to_owned),
        passed: None,
        why: None,
        field: String::new(),
        actual: None,
        limit: None,
        excess: None,
        headroom: None,
        source: None,
    }
}

/// The entries of one rule set, which may be a program.
struct ProgramChecks<'c, 'l> {
    program: Option<&'c str>,
    set: &'c RuleSet,
    loan: &'c Loan<'l>,
    pricing: &'c Pricing,
    /// The rules as `/api/config` shows them.
    listing: Vec<RuleObject>,
    entries: &'c mut Vec<RuleEntry>,
    /// What the loan fails, of hard rules, each with the name of the rule.
    failures: Vec<(String, FieldCheck)>,
}

impl ProgramChecks<'_, '_> {
    /// Adds an entry for each rule, grid and policy and each of its fields, in the order of the guide.
    fn add_all(&mut self, failed: bool) {
        let (set, loan, pdate) = (self.set, self.loan, self.pricing.pdate());
        if failed {
            return self.add_unjudged();
        }
        let guide = set.guide();
        let values = guide.values(loan, pdate);
        for (kind, spec) in ExceptionType::ALL.into_iter().filter_map(|kind| Some((kind, kind.rule()?))) {
            match set.rule(kind) {
                Some(rule) => self.add(kind.name(), rule.check_field(loan, guide.applies(kind, &values))),
                None => self.add_silent(kind.name(), spec.field.name(), Why::SwitchedOff),
            }
        }
        for (kind, check) in guide.check_consistency(loan, &values) {
            self.add(kind.name(), check);
        }
        let subject = guide.subject(loan, &values, pdate);
        for rule in guide.rules() {
            rule.check_fields(subject).into_iter().for_each(|check| self.add(&rule.kind.name, check));
        }
        for grid in guide.limit_grids() {
            grid.check_fields(subject).into_iter().for_each(|check| self.add(grid.name(), check));
        }
        self.add_policies(&judge(loan, None, set, self.pricing));
    }

    fn listed(&self, rule: &str) -> Option<&RuleObject> {
        self.listing.iter().find(|object| object.name == rule)
    }

    fn add(&mut self, rule: &str, check: FieldCheck) {
        let limit = self.listed(rule).and_then(|object| object.limit.clone());
        let source = check.source.clone().or_else(|| self.listed(rule)?.source.clone());
        let is_checked = check.outcome != CheckOutcome::NotApplicable;
        let mut entry = RuleEntry {
            field: check.field.to_string(),
            actual: is_checked.then(|| check.actual.to_string()),
            limit,
            source,
            ..entry(rule, self.program)
        };
        match &check.outcome {
            CheckOutcome::Passed(headroom) => (entry.passed, entry.headroom) = (Some(true), *headroom),
            CheckOutcome::Failed(_, evidence) => (entry.passed, entry.excess) = (Some(false), evidence.excess),
            CheckOutcome::NotApplicable => entry.why = Some(Why::NotApplicable),
            CheckOutcome::Undetermined => entry.why = Some(Why::Undetermined),
        }
        self.entries.push(entry);
        if matches!(check.outcome, CheckOutcome::Failed(crate::rules::Severity::Hard, _)) {
            self.failures.push((rule.to_owned(), check));
        }
    }

    fn add_silent(&mut self, rule: &str, field: &str, why: Why) {
        let limit = self.listed(rule).and_then(|object| object.limit.clone());
        let source = self.listed(rule).and_then(|object| object.source.clone());
        self.entries.push(RuleEntry { why: Some(why), field: field.to_owned(), limit, source, ..entry(rule, self.program) });
    }

    /// The entries for a loan that failed validation: no rule judges it.
    fn add_unjudged(&mut self) {
        let set = self.set;
        for (kind, spec) in ExceptionType::ALL.into_iter().filter_map(|kind| Some((kind, kind.rule()?))) {
            let why = if set.rule(kind).is_some() { Why::NotJudged } else { Why::SwitchedOff };
            self.add_silent(kind.name(), spec.field.name(), why);
        }
        let guide = set.guide();
        for (kind, _) in guide.consistency() {
            self.add_silent(kind.name(), guide.comparison(*kind).0, Why::NotJudged);
        }
        for rule in guide.rules() {
            let mut names: Vec<&str> = rule.require.iter().map(|test| test.field.name()).collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().for_each(|name| self.add_silent(&rule.kind.name, name, Why::NotJudged));
        }
        for grid in guide.limit_grids() {
            grid.limited_fields().into_iter().for_each(|name| self.add_silent(grid.name(), name, Why::NotJudged));
        }
        for (rule, field, limit, _) in self.policies(None) {
            self.entries.push(RuleEntry { why: Some(Why::NotJudged), field, limit: Some(limit), ..entry(&rule, self.program) });
        }
    }

    /// The policies that are set: name, field, limit, and the value of a loan with its lowest accepted value.
    #[expect(clippy::type_complexity, reason = "the parts of one entry, used twice in this file")]
    fn policies(&self, decided: Option<&Decided<'_, '_>>) -> Vec<(String, String, String, Option<(Decimal, Decimal)>)> {
        let policies = self.set.projection();
        let price = decided.and_then(|decided| decided.price);
        let of = |name: &str, field: &str, minimum: Option<Decimal>, value: Option<Decimal>| {
            let minimum = minimum?;
            let limit = format!(">= {}", minimum.with_min_decimals(0));
            Some((format!("projection.{name}"), field.to_owned(), limit, value.map(|value| (value, minimum))))
        };
        let spread = price.map(|price| price.pricing_spread.decimal());
        let final_price = price.map(|price| price.final_price.decimal());
        let soft = decided.filter(|decided| decided.disposition != Disposition::Rejected);
        let has_soft = |decided: &Decided<'_, '_>| decided.exceptions.iter().any(|exception| !exception.is_waived());
        let soft = soft.map(|decided| (Decimal::ZERO, Decimal::from_integer(i64::from(has_soft(decided)))));
        let hold = policies.hold_on_soft_exceptions.then(|| {
            ("projection.hold_on_soft_exceptions".to_owned(), "exceptions".to_owned(), "no soft exceptions".to_owned(), soft)
        });
        let minimums = [
            of("minimum_spread", "pricing_spread", policies.minimum_spread, spread),
            of("minimum_price", "final_price", policies.minimum_price, final_price),
        ];
        minimums.into_iter().chain([hold]).flatten().collect()
    }

    fn add_policies(&mut self, decided: &Decided<'_, '_>) {
        for (rule, field, limit, found) in self.policies(Some(decided)) {
            let mut entry = RuleEntry { field, limit: Some(limit), ..entry(&rule, self.program) };
            match found {
                None => entry.why = Some(Why::NotJudged),
                Some((value, minimum)) => {
                    let passed = value >= minimum;
                    entry.passed = Some(passed);
                    let is_number = !rule.ends_with("hold_on_soft_exceptions");
                    entry.actual = is_number.then(|| value.with_min_decimals(4));
                    let distance = value.checked_sub(minimum).map(Decimal::magnitude).filter(|_| is_number);
                    if passed {
                        entry.headroom = distance.filter(|_| !minimum.is_zero());
                    } else {
                        entry.excess = distance;
                    }
                }
            }
            self.entries.push(entry);
        }
    }
}
