//! The programs of a rule set, side by side.

use command::text_table::{Align, TextTable};
use shared::rules::{
    Severity,
    guide::{
        NO_SEGMENT,
        grid::Grid,
        rule::{Missing, Scope},
        waterfall::Adjustment,
    },
    rule_set::{Program, RuleSet},
};

use super::shown::{policies, push_grids, severity_text};

/// What a program says nothing about.
const NONE: &str = "-";

/// One line of the comparison: a name, and what each program says.
type Line = (String, Vec<String>);

/// The lines of one heading, in the order in which the programs first name them.
struct Comparison {
    lines: Vec<Line>,
    programs: usize,
}

impl Comparison {
    /// The comparison of programs that each list some names and what they say.
    fn of<'p>(programs: &'p [Program], told: impl Fn(&'p RuleSet) -> Vec<(String, String)>) -> Self {
        let mut comparison = Self { lines: Vec::new(), programs: programs.len() };
        for (at, program) in programs.iter().enumerate() {
            for (name, says) in told(&program.rules) {
                comparison.put(at, name, says);
            }
        }
        comparison
    }

    fn put(&mut self, program: usize, name: String, says: String) {
        let at = self.lines.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.lines.push((name, vec![NONE.to_owned(); self.programs]));
            self.lines.len() - 1
        });
        self.lines[at].1[program] = says;
    }
}

/// Appends the programs: what each says about every rule, and then the grids of each.
pub fn push_programs(text: &mut String, programs: &[Program]) {
    let headings: [(&str, Comparison); 5] = [
        ("Built-in rules", Comparison::of(programs, built_in)),
        ("Rules of the programs", Comparison::of(programs, own)),
        ("Grids of limits", Comparison::of(programs, |rules| grids(rules.guide().limit_grids()))),
        ("Adjustments of the price", Comparison::of(programs, adjustments)),
        ("Final price", Comparison::of(programs, price)),
    ];
    let names = programs.iter().map(|program| (program.name.as_str(), Align::Left));
    let columns: Vec<_> = std::iter::once(("Programs", Align::Left)).chain(names).collect();
    let mut table = TextTable::new(&columns);
    for (heading, comparison) in headings.into_iter().filter(|(_, comparison)| !comparison.lines.is_empty()) {
        table.row([]);
        table.row([heading.to_owned()]);
        for (name, says) in comparison.lines {
            table.row(std::iter::once(format!("  {name}")).chain(says));
        }
    }
    text.push('\n');
    table.print_wrapped(text, 0);
    for program in programs {
        let guide = program.rules.guide();
        push_grids(text, &format!("Grids of limits of {}", program.name), guide.limit_grids());
        push_grids(text, &format!("Grids of adjustments of {}", program.name), guide.adjustment_grids());
    }
}

fn built_in(rules: &RuleSet) -> Vec<(String, String)> {
    let guide = rules.guide();
    let limits = rules.rules().iter().map(|rule| (rule.exception_type(), rule.severity(), rule.limit()));
    let compared = guide.consistency().iter().map(|(kind, severity)| (*kind, *severity, "fields agree"));
    let says = |(kind, severity, limit): (shared::rules::ExceptionType, Severity, &str)| {
        let mut says = limit.to_owned();
        guide.scope(kind).into_iter().for_each(|scope| push_scope(&mut says, scope));
        push_severity(&mut says, severity.as_str());
        (kind.name().to_owned(), says)
    };
    limits.chain(compared).map(says).collect()
}

fn own(rules: &RuleSet) -> Vec<(String, String)> {
    let says = rules.guide().rules().iter().map(|rule| {
        let mut says = rule.requirement();
        push_scope(&mut says, &rule.scope);
        push_severity(&mut says, &severity_text(rule.severity, rule.hard_from));
        push_missing(&mut says, rule.missing, ["fails", "passes"]);
        (rule.kind.name.to_string(), says)
    });
    says.collect()
}

fn grids(grids: &[Grid]) -> Vec<(String, String)> {
    let says = grids.iter().map(|grid| {
        let mut says = grid.source();
        push_scope(&mut says, grid.scope());
        if let Some((severity, hard_from)) = grid.severity() {
            push_severity(&mut says, &severity_text(severity, hard_from));
        }
        let effects = if grid.kind().is_some() { ["fails", "passes"] } else { ["not priced", "adds nothing"] };
        push_missing(&mut says, grid.missing(), effects);
        (grid.name().to_owned(), says)
    });
    says.collect()
}

/// Adjustments and grids of adjustments, in the order of the pricing report.
fn adjustments(rules: &RuleSet) -> Vec<(String, String)> {
    let guide = rules.guide();
    let says = |adjustment: &Adjustment| {
        let mut says = adjustment.points.text();
        push_scope(&mut says, &adjustment.scope);
        push_missing(&mut says, adjustment.missing, ["not priced", "adds nothing"]);
        (adjustment.name.clone(), says)
    };
    let single = guide.waterfall().adjustments().iter().map(says);
    single.chain(grids(guide.adjustment_grids())).collect()
}

fn price(rules: &RuleSet) -> Vec<(String, String)> {
    let (guide, waterfall) = (rules.guide(), rules.guide().waterfall());
    let method = guide.cash_flow().map_or("linear", |_| "cash flows");
    let method = Some(("method".to_owned(), method.to_owned()));
    let flows = guide.cash_flow().into_iter().flat_map(|pricing| {
        let base = (NO_SEGMENT, &pricing.assumptions, None);
        let segments = pricing.segments.iter().map(|segment| (segment.name.as_str(), &segment.assumptions, Some(&segment.scope)));
        let of_segments = segments.chain([base]).map(|(name, assumptions, scope)| {
            let says = assumptions.texts().map(|(name, says)| format!("{name} {says}"));
            let mut says = says.join(", ");
            scope.into_iter().for_each(|scope| push_scope(&mut says, scope));
            (format!("segment {name}"), says)
        });
        pricing.texts().into_iter().map(|(name, says)| (name.to_owned(), says)).chain(of_segments).collect::<Vec<_>>()
    });
    let target = rules.irr_target().map(|target| ("IRR target".to_owned(), format!("{} %", target.with_min_decimals(2))));
    let cap = waterfall.cap.map(|cap| ("cap".to_owned(), cap.text()));
    let floor = waterfall.floor.map(|floor| ("floor".to_owned(), floor.text()));
    let policies = Some(policies(rules)).filter(|policies| !policies.is_empty());
    let held = policies.map(|policies| ("held back when".to_owned(), policies.join("; or ")));
    [target, method].into_iter().flatten().chain(flows).chain([cap, floor, held].into_iter().flatten()).collect()
}

/// Appends to which loans a rule applies: `; for …; except …`.
fn push_scope(says: &mut String, scope: &Scope) {
    if !scope.when.text().is_empty() {
        says.push_str(&format!("; for {}", scope.when.text()));
    }
    if let Some(unless) = &scope.unless {
        says.push_str(&format!("; except {}", unless.text()));
    }
}

/// Appends a severity that is not `hard`.
fn push_severity(says: &mut String, severity: &str) {
    if severity != Severity::Hard.as_str() {
        says.push_str(&format!("; {severity}"));
    }
}

/// Appends what a missing value does, if it is not what it does by default.
fn push_missing(says: &mut String, missing: Missing, [fail, pass]: [&str; 2]) {
    match missing {
        Missing::Hold => {}
        Missing::Fail => says.push_str(&format!("; if undecided: {fail}")),
        Missing::Pass => says.push_str(&format!("; if undecided: {pass}")),
    }
}
