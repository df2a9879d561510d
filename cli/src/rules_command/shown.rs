//! What `rules show` prints: a rule set as tables that its author recognizes.

use command::{
    plain_text::one_line,
    text_table::{Align, TextTable},
};
use jiff::civil::Date;
use shared::{
    cash_flow::assumptions::Assumptions,
    rules::{
        Severity,
        guide::{
            Guide, NO_SEGMENT,
            cash_flow::CashFlowPricing,
            condition::Condition,
            grid::Grid,
            rule::{Missing, Scope},
            waterfall::Waterfall,
        },
        rule_set::RuleSet,
    },
    tape::declared::{DeclaredFields, DeclaredWords},
};

use super::programs::push_programs;

/// A rule set as tables; one with programs shows them side by side.
pub fn shown(rules: &RuleSet) -> String {
    let id = rules.id();
    let mut text = format!("{} {}\n", id.name, id.version);
    if rules.programs().is_empty() {
        push_rules(&mut text, rules);
    } else {
        push_fields(&mut text, rules.guide().declared());
        push_programs(&mut text, rules.programs());
    }
    push_pools(&mut text, rules.guide());
    text
}

/// Appends the rules, with the fields of the loans that they apply to.
fn push_rules(text: &mut String, rules: &RuleSet) {
    let guide = rules.guide();
    text.push_str("\nBuilt-in rules\n");
    let mut table = TextTable::new(&[("Rule", Align::Left), ("Severity", Align::Left), ("Requires", Align::Left)]);
    let built_in =
        rules.rules().iter().map(|rule| (rule.exception_type(), rule.severity(), format!("{} {}", rule.field(), rule.limit())));
    let compared = guide.consistency().iter().map(|(kind, severity)| {
        let (field, limit) = guide.comparison(*kind);
        (*kind, *severity, format!("{field} {limit}"))
    });
    for (kind, severity, requires) in built_in.chain(compared) {
        table.row([kind.name().to_owned(), severity.as_str().to_owned(), requires]);
    }
    table.print(text, 2);
    push_fields(text, guide.declared());
    let limited =
        rules.rules().iter().filter_map(|rule| Some((rule.exception_type().name(), guide.scope(rule.exception_type())?)));
    let compared = guide.consistency().iter().filter_map(|(kind, _)| Some((kind.name(), guide.scope(*kind)?)));
    let limited: Vec<_> = limited.chain(compared).collect();
    if !limited.is_empty() {
        text.push_str("\nBuilt-in rules that apply to some loans only\n");
    }
    for (name, scope) in limited {
        text.push_str(&format!("  {name}\n"));
        push_scope(text, scope);
    }
    push_own_rules(text, guide);
    push_grids(text, "Grids of limits", guide.limit_grids());
    push_adjustments(text, guide.waterfall());
    push_grids(text, "Grids of adjustments", guide.adjustment_grids());
    push_pricing(text, guide);
    push_policies(text, rules);
}

/// Appends the tests of whole pools of loans.
fn push_pools(text: &mut String, guide: &Guide) {
    let Some(pools) = guide.pools() else { return };
    text.push_str("\nPool tests\n");
    let columns = ["Test", "Of", "Measures", "Requires", "Severity"].map(|name| (name, Align::Left));
    let mut table = TextTable::new(&columns);
    for test in &pools.tests {
        let (name, of, severity) = (test.name.clone(), test.of.as_str().to_owned(), test.severity.as_str().to_owned());
        table.row([name, of, pools.text_of(&test.measure), test.limit(), severity]);
    }
    table.print_wrapped(text, 2);
}

/// Appends the rules that the rule set defines.
fn push_own_rules(text: &mut String, guide: &Guide) {
    if !guide.rules().is_empty() {
        text.push_str("\nRules of this rule set\n");
    }
    for rule in guide.rules() {
        text.push_str(&format!("  {} ({})\n", rule.kind.name, severity_text(rule.severity, rule.hard_from)));
        push_scope(text, &rule.scope);
        push_line(text, "requires", &rule.requirement());
        let missing = match rule.missing {
            Missing::Hold if rule.severity == Severity::Soft => "the engine reports it",
            Missing::Hold => "the loan is held",
            Missing::Fail => "the loan fails the rule",
            Missing::Pass => "the loan passes the rule",
        };
        push_line(text, "if undecided", missing);
    }
}

/// Appends the adjustments of single features as one table.
fn push_adjustments(text: &mut String, waterfall: &Waterfall) {
    if waterfall.adjustments().is_empty() {
        return;
    }
    text.push_str("\nAdjustments of the price\n");
    let has_exceptions = waterfall.adjustments().iter().any(|adjustment| adjustment.scope.unless.is_some());
    let except = has_exceptions.then_some(("Except", Align::Left));
    let columns = [("Adjustment", Align::Left), ("Points", Align::Right), ("Applies to", Align::Left)];
    let columns: Vec<_> = columns.into_iter().chain(except).chain([("If undecided", Align::Left)]).collect();
    let mut table = TextTable::new(&columns);
    for adjustment in waterfall.adjustments() {
        let Scope { when, unless } = &adjustment.scope;
        let applies = Some(when.text()).filter(|when| !when.is_empty()).unwrap_or_else(|| "all loans".to_owned());
        let missing = match adjustment.missing {
            Missing::Hold => "the loan is held",
            Missing::Fail => "the loan is not priced",
            Missing::Pass => "it adds nothing",
        };
        let except = has_exceptions.then(|| unless.as_ref().map(Condition::text).unwrap_or_default());
        let cells = [adjustment.name.clone(), adjustment.points.text(), applies];
        table.row(cells.into_iter().chain(except).chain([missing.to_owned()]));
    }
    table.print_wrapped(text, 2);
}

/// Appends how prices come from cash flows, the cap and the floor.
fn push_pricing(text: &mut String, guide: &Guide) {
    if let Some(pricing) = guide.cash_flow() {
        push_cash_flow(text, pricing);
    }
    let Waterfall { cap, floor, .. } = guide.waterfall();
    if cap.is_none() && floor.is_none() {
        return;
    }
    text.push_str("\nFinal price\n");
    if let Some(cap) = cap {
        text.push_str(&format!("  cap    {}: no loan has a higher price\n", cap.text()));
    }
    if let Some(floor) = floor {
        text.push_str(&format!("  floor  {}: a loan with a lower price is held\n", floor.text()));
    }
}

/// Appends the assumptions of prices by cash flows as one table: a row for all loans, and one for each segment.
fn push_cash_flow(text: &mut String, pricing: &CashFlowPricing) {
    text.push_str("\nPrices by cash flows\n");
    for (name, says) in pricing.texts() {
        push_line(text, name, &says);
    }
    let names = pricing.assumptions.texts().map(|(name, _)| name);
    let columns = ["Segment"].into_iter().chain(names).chain(["Applies to"]).map(|name| (name, Align::Left));
    let mut table = TextTable::new(&columns.collect::<Vec<_>>());
    let row = |name: &str, assumptions: &Assumptions, applies: String| {
        let says = assumptions.texts().into_iter().map(|(_, says)| says);
        [name.to_owned()].into_iter().chain(says).chain([applies]).collect::<Vec<_>>()
    };
    for segment in &pricing.segments {
        table.row(row(&segment.name, &segment.assumptions, segment.scope.when.text()));
    }
    let others = if pricing.segments.is_empty() { "all loans" } else { "all other loans" };
    table.row(row(NO_SEGMENT, &pricing.assumptions, others.to_owned()));
    table.print_wrapped(text, 2);
}

/// Appends grids, each as the table that its file holds.
pub(super) fn push_grids(text: &mut String, title: &str, grids: &[Grid]) {
    if !grids.is_empty() {
        text.push_str(&format!("\n{title}\n"));
    }
    for grid in grids {
        match grid.severity() {
            Some((severity, hard_from)) => {
                text.push_str(&format!("  {} ({})\n", grid.name(), severity_text(severity, hard_from)))
            }
            None => text.push_str(&format!("  {}\n", grid.name())),
        }
        push_scope(text, grid.scope());
        push_line(text, "gives", &grid.gives());
        push_line(text, "from", &one_line(&grid.source()));
        let missing = match (grid.missing(), grid.severity()) {
            (Missing::Hold, Some((Severity::Soft, _))) => "the engine reports it",
            (Missing::Hold, _) => "the loan is held",
            (Missing::Fail, Some(_)) => "the loan fails the grid",
            (Missing::Fail, None) => "the loan is not priced",
            (Missing::Pass, Some(_)) => "the loan passes the grid",
            (Missing::Pass, None) => "the grid adds nothing",
        };
        push_line(text, "if undecided", missing);
        let mut rows = grid.written().into_iter().map(|row| row.iter().map(|cell| one_line(cell)).collect::<Vec<_>>());
        let Some(headings) = rows.next() else { continue };
        let columns: Vec<(&str, Align)> = (0..)
            .zip(&headings)
            .map(|(at, heading)| {
                let is_result = grid.is_result(at);
                (heading.as_str(), if is_result { Align::Right } else { Align::Left })
            })
            .collect();
        let mut table = TextTable::new(&columns);
        rows.for_each(|row| table.row(row));
        table.print(text, 4);
    }
}

/// Appends the fields that the rule set declares, and the standard fields that it requires.
fn push_fields(text: &mut String, declared: &DeclaredFields) {
    if declared.is_empty() {
        return;
    }
    text.push_str("\nFields of this rule set\n");
    let columns = ["Field", "Kind", "Unit", "Required", "Headers", "Words"].map(|name| (name, Align::Left));
    let mut table = TextTable::new(&columns);
    let yes_or_no = |required: bool| if required { "yes" } else { "no" }.to_owned();
    for field in &declared.fields {
        let (kind, unit) = field.kind();
        let words = match &field.words {
            DeclaredWords::None => String::new(),
            DeclaredWords::Listed(vocabulary) => vocabulary.canonical().join(", "),
            DeclaredWords::Any(_) => "any".to_owned(),
        };
        let required = yes_or_no(field.required);
        let unit = unit.unwrap_or_default().to_owned();
        table.row([field.name.to_string(), kind.to_owned(), unit, required, field.headers.join(", "), words]);
    }
    for field in &declared.required {
        let standard = "standard".to_owned();
        table.row([field.name().to_owned(), standard, String::new(), yes_or_no(true), String::new(), String::new()]);
    }
    table.print(text, 2);
}

fn push_scope(text: &mut String, scope: &Scope) {
    if !scope.when.text().is_empty() {
        push_line(text, "applies to", &scope.when.text());
    }
    if let Some(unless) = &scope.unless {
        push_line(text, "except", &unless.text());
    }
}

fn push_line(text: &mut String, name: &str, value: &str) {
    text.push_str(&format!("    {name:<13} {value}\n"));
}

pub(super) fn severity_text(severity: Severity, hard_from: Option<Date>) -> String {
    match hard_from {
        Some(date) => format!("soft, hard from {date}"),
        None => severity.as_str().to_owned(),
    }
}

/// Appends the policies that project a loan instead of buying it.
fn push_policies(text: &mut String, rules: &RuleSet) {
    let policies = policies(rules);
    if !policies.is_empty() {
        text.push_str("\nAn eligible loan is held back when\n");
        policies.iter().for_each(|policy| text.push_str(&format!("  {policy}\n")));
    }
}

/// When a rule set holds an eligible loan, as parts of a sentence.
pub(super) fn policies(rules: &RuleSet) -> Vec<String> {
    let projection = rules.projection();
    let mut policies = Vec::new();
    if let Some(spread) = projection.minimum_spread {
        policies.push(format!("the pricing spread is below {}", spread.with_min_decimals(4)));
    }
    if let Some(price) = projection.minimum_price {
        policies.push(format!("the price is below {}", price.with_min_decimals(4)));
    }
    if projection.hold_on_soft_exceptions {
        policies.push("the loan has a soft exception".to_owned());
    }
    policies
}
