//! The rules of a rule set as objects of the API: built-in rules, and what a guide adds to them.

use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use crate::decimal::Decimal;

use super::{
    ExceptionKind, ExceptionType, Rule, Severity,
    guide::{
        Guide,
        grid::Grid,
        pool::{PoolSeverity, PoolTest, Pools},
        rule::{Missing, OwnRule, Scope},
        waterfall::Adjustment,
    },
    rule_set::RuleSet,
};

/// Kind of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(
    description = "Kind of a rule: `built_in` and `consistency` rules ship with the product; the rule set defines each `rule`, \
                        `grid` (limits), `adjustment` and `adjustment_grid` (points that are added to the price), and `pool` (a \
                        test of all loans of a disposition together)."
)]
pub enum RuleKind {
    /// A limit that ships with the product.
    BuiltIn,
    /// A comparison between fields that ships with the product.
    Consistency,
    /// A rule that the rule set defines.
    Rule,
    /// A grid of limits.
    Grid,
    /// Points that are added to the price.
    Adjustment,
    /// A grid of points that are added to the price.
    AdjustmentGrid,
    /// A test of a whole pool of loans.
    Pool,
}

/// A rule, a grid, an adjustment or a pool test of a rule set.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Rule, example = json!({
    "name": "ltv_ratio", "kind": "built_in", "exception_type": "ltv_ratio", "field": "ltv_ratio", "limit": "> 0 and <= 97.0",
    "severity": "hard", "exception_category": "credit", "rejection_criteria": "notebook.ltv_exceeds_maximum"
}))]
pub struct RuleObject {
    /// Name of the rule, unique in its rule set or program.
    #[schema(example = "ltv_ratio")]
    pub name: String,
    /// Kind of the rule.
    pub kind: RuleKind,
    /// Name of the program that has the rule. Absent for a rule set without programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "agency")]
    pub program: Option<String>,
    /// Type of the exception that a loan gets when it fails the rule. Null for adjustments and pool tests, which no loan can fail.
    #[schema(required, example = "ltv_ratio")]
    pub exception_type: Option<String>,
    /// Field that the rule limits, or several separated by commas. Null for adjustments.
    #[schema(required, example = "ltv_ratio")]
    pub field: Option<String>,
    /// Condition that a good loan meets, as text; of a pool test its bounds. Null for adjustments.
    #[schema(required, example = "<= 97.0")]
    pub limit: Option<String>,
    /// Severity of the exception, from `hard_from` on if the rule has that date. Null for adjustments and pool tests.
    #[schema(required)]
    pub severity: Option<Severity>,
    /// Category of the exception, by which reports group it. Null for adjustments and pool tests.
    #[schema(required, example = "credit")]
    pub exception_category: Option<String>,
    /// Stable name of the criterion. Null for adjustments and pool tests.
    #[schema(required, example = "notebook.ltv_exceeds_maximum")]
    pub rejection_criteria: Option<String>,
    /// First purchase date on which the rule is hard; before it the rule is soft. Absent for a rule without such a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date, example = "2027-01-01")]
    pub hard_from: Option<Date>,
    /// Loans to which the rule applies, as text. Absent: all loans.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "property_type condo, and property_state FL")]
    pub when: Option<String>,
    /// Loans that the rule leaves out, as text. Absent: no loans.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "documentation_type dscr")]
    pub unless: Option<String>,
    /// What the rule does to a loan whose missing value leaves the rule undetermined: `hold`, `fail` or `pass`. Absent for `built_in` and
    /// `consistency` rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "hold")]
    pub missing: Option<&'static str>,
    /// Limits or points that a grid gives, and the fields by which it gives them; what a pool test measures. Absent for all other rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "max ltv_ratio, by credit_score (rows) and loan_amount (columns)")]
    pub gives: Option<String>,
    /// Points that an adjustment adds to the price. Absent for all other rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, example = -1.125)]
    pub points: Option<Decimal>,
    /// File of a grid, with the worksheet of a workbook; file and line of an adjustment. Absent for all other rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "guide.xlsx, LTV")]
    pub source: Option<String>,
    /// Loans that a pool test is about: `to_purchase`, `projected`, `rejected` or `all`. Absent for all other rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "to_purchase")]
    pub of: Option<&'static str>,
    /// What a failure of a pool test does. Absent for all other rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<PoolSeverity>,
}

impl RuleObject {
    fn new(name: &str, kind: RuleKind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            program: None,
            exception_type: None,
            field: None,
            limit: None,
            severity: None,
            exception_category: None,
            rejection_criteria: None,
            hard_from: None,
            when: None,
            unless: None,
            missing: None,
            gives: None,
            points: None,
            source: None,
            of: None,
            on_failure: None,
        }
    }

    /// A rule whose exceptions have this kind.
    fn reporting(kind: RuleKind, exception: &ExceptionKind, severity: Severity, hard_from: Option<Date>) -> Self {
        Self {
            exception_type: Some(exception.name.to_string()),
            exception_category: Some(exception.category.to_string()),
            rejection_criteria: Some(exception.rejection_criteria.to_string()),
            severity: Some(severity),
            hard_from,
            ..Self::new(&exception.name, kind)
        }
    }

    fn requiring(self, field: impl Into<String>, limit: impl Into<String>) -> Self {
        Self { field: Some(field.into()), limit: Some(limit.into()), ..self }
    }

    fn applying(self, scope: &Scope) -> Self {
        let when = Some(scope.when.text()).filter(|when| !when.is_empty());
        Self { when, unless: scope.unless.as_ref().map(|unless| unless.text()), ..self }
    }

    fn undetermined(self, missing: Missing) -> Self {
        let word = Missing::ALL.into_iter().find(|(_, of)| *of == missing).map(|(word, _)| word);
        Self { missing: word, ..self }
    }

    fn of_built_in(rule: &Rule) -> Self {
        let kind = rule.exception_type().kind();
        Self::reporting(RuleKind::BuiltIn, kind, rule.severity(), None).requiring(rule.field().name(), rule.limit())
    }

    fn of_consistency(rule: ExceptionType, severity: Severity, guide: &Guide) -> Self {
        let (field, limit) = guide.comparison(rule);
        Self::reporting(RuleKind::Consistency, rule.kind(), severity, None).requiring(field, limit)
    }

    fn of_own(rule: &OwnRule) -> Self {
        let mut fields: Vec<&str> = Vec::new();
        for name in rule.require.iter().map(|test| test.field.name()) {
            if !fields.contains(&name) {
                fields.push(name);
            }
        }
        Self::reporting(RuleKind::Rule, &rule.kind, rule.severity, rule.hard_from)
            .requiring(fields.join(", "), rule.requirement())
            .applying(&rule.scope)
            .undetermined(rule.missing)
    }

    fn of_grid(grid: &Grid) -> Self {
        let base = match (grid.kind(), grid.severity()) {
            (Some(kind), Some((severity, hard_from))) => {
                let limit = format!("a cell of {}", grid.name());
                Self::reporting(RuleKind::Grid, kind, severity, hard_from).requiring(grid.limited_fields().join(", "), limit)
            }
            _ => Self::new(grid.name(), RuleKind::AdjustmentGrid),
        };
        let base = base.applying(grid.scope()).undetermined(grid.missing());
        Self { gives: Some(grid.gives()), source: Some(grid.source()), ..base }
    }

    fn of_adjustment(adjustment: &Adjustment) -> Self {
        let Adjustment { name, scope, points, missing, source } = adjustment;
        let base = Self::new(name, RuleKind::Adjustment).applying(scope).undetermined(*missing);
        Self { points: Some(points.decimal()), source: Some(source.clone()), ..base }
    }

    fn of_pool(test: &PoolTest, pools: &Pools) -> Self {
        let fields = pools.fields_of(&test.measure).join(", ");
        let base = Self::new(&test.name, RuleKind::Pool).requiring(fields, test.limit());
        let (gives, of, on_failure) = (Some(pools.text_of(&test.measure)), Some(test.of.as_str()), Some(test.severity));
        Self { gives, of, on_failure, ..base }
    }
}

impl RuleSet {
    /// All rules, grids, adjustments and pool tests: those that loans can fail in the order of reports, then those that adjust prices.
    /// Those of programs come program by program; the pool tests, which programs share, come last.
    pub fn listing(&self) -> Vec<RuleObject> {
        let guide = self.guide();
        let built_in = self.rules().iter().map(|rule| {
            let object = RuleObject::of_built_in(rule);
            guide.scope(rule.exception_type()).map_or(object.clone(), |scope| object.applying(scope))
        });
        let consistency = guide.consistency().iter().map(|(rule, severity)| {
            let object = RuleObject::of_consistency(*rule, *severity, guide);
            guide.scope(*rule).map_or(object.clone(), |scope| object.applying(scope))
        });
        let own = guide.rules().iter().map(RuleObject::of_own);
        let grids = guide.limit_grids().iter().map(RuleObject::of_grid);
        let adjustments = guide.waterfall().adjustments().iter().map(RuleObject::of_adjustment);
        let adjustment_grids = guide.adjustment_grids().iter().map(RuleObject::of_grid);
        let of_programs = self.programs().iter().flat_map(|program| {
            let name = Some(program.name.clone());
            program.rules.listing().into_iter().map(move |rule| RuleObject { program: name.clone(), ..rule })
        });
        let pools = guide.pools().into_iter().flat_map(|pools| pools.tests.iter().map(|test| RuleObject::of_pool(test, pools)));
        built_in
            .chain(consistency)
            .chain(own)
            .chain(grids)
            .chain(adjustments)
            .chain(adjustment_grids)
            .chain(of_programs)
            .chain(pools)
            .collect()
    }
}
