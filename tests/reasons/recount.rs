//! Counts reasons once more, from the rows of the stored facts and exceptions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use shared::{
    decimal::{Decimal, ExactSum},
    loan::{Field, Unit},
    results::summary::{Reasons, Samples},
    rules::{ExceptionType, rule_set::RuleSet},
    tape::aliases::Aliases,
};

use crate::support::{
    runs::Finished,
    tape_rows::{Rows, exceptions, facts},
};

type Row = BTreeMap<String, String>;

/// A number of loans and their balance, as text that sorts by nothing.
#[derive(Default, Clone)]
struct Total(u64, ExactSum);

impl Total {
    fn add(&mut self, loan: &CountedLoan) {
        self.0 += 1;
        loan.amount.into_iter().for_each(|amount| self.1.add_decimal(amount));
    }

    fn text(&self) -> String {
        format!("{} loans {}", self.0, self.1.to_text(0))
    }
}

/// A stored loan with its exceptions.
struct CountedLoan {
    row: u64,
    fact: Row,
    amount: Option<Decimal>,
    exceptions: Rows,
}

impl CountedLoan {
    fn is(&self, disposition: &str) -> bool {
        self.fact["disposition"] == disposition
    }
}

pub struct Recount<'r> {
    loans: Vec<CountedLoan>,
    rules: &'r RuleSet,
}

/// The exact number in a column of a fact.
fn number(fact: &Row, name: &str) -> Option<Decimal> {
    let exact = fact.get("exact_values").map(|json| serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(json).unwrap());
    let exact = exact.and_then(|values| values.get(name).map(|value| value.get().to_owned()));
    exact.or_else(|| fact.get(name).cloned()).map(|text| text.parse().unwrap())
}

/// Largest balance first; equal balances by the second text.
fn by_balance(mut rows: Vec<(ExactSum, String, String)>) -> Vec<String> {
    let number = |sum: &ExactSum| sum.to_text(0).parse::<Decimal>().unwrap();
    rows.sort_by(|a, b| number(&b.0).cmp(&number(&a.0)).then_with(|| a.1.cmp(&b.1)));
    rows.into_iter().map(|(_, _, text)| text).collect()
}

impl<'r> Recount<'r> {
    pub fn of(finished: &Finished, rules: &'r RuleSet) -> Self {
        let place = |row: &Row| (row["source_file"].clone(), row["line"].clone());
        let mut found: BTreeMap<_, Rows> = BTreeMap::new();
        for exception in exceptions(finished) {
            found.entry(place(&exception)).or_default().push(exception);
        }
        let loan = |(row, fact): (u64, Row)| CountedLoan {
            row,
            amount: number(&fact, "loan_amount"),
            exceptions: found.get(&place(&fact)).cloned().unwrap_or_default(),
            fact,
        };
        Self { loans: (0..).zip(facts(finished)).map(loan).collect(), rules }
    }

    /// The steps of a field, and whether they are percent of the limit.
    fn steps(&self, field: &str) -> Option<([&'static str; 6], bool)> {
        match self.rules.guide().field(field)?.unit() {
            Unit::Percent => Some((["0.5", "1", "2", "3", "5", "10"], false)),
            Unit::Count | Unit::Months => Some((["5", "10", "20", "40", "60", "100"], false)),
            Unit::Money => Some((["1", "2", "5", "10", "25", "50"], true)),
            Unit::Text | Unit::Word | Unit::Ratio | Unit::Date => None,
        }
    }

    /// Whether an exception is within a step.
    fn is_within(&self, exception: &Row, at: usize) -> bool {
        let (Some(excess), Some((steps, of_limit))) = (exception.get("excess"), self.steps(&exception["field"])) else {
            return false;
        };
        let (excess, step): (Decimal, Decimal) = (excess.parse().unwrap(), steps[at].parse().unwrap());
        if !of_limit {
            return excess <= step;
        }
        let limit: Decimal = exception["limit"].rsplit(' ').next().unwrap().parse().unwrap();
        excess.times_hundred().unwrap() <= limit.magnitude().checked_mul(step).unwrap()
    }

    /// One line for each program, type and severity.
    pub fn reasons(&self) -> Vec<String> {
        let key = |row: &Row| {
            let program = row.get("program").cloned().unwrap_or_default();
            (row["exception_type"].clone(), program, row["severity"].clone())
        };
        let keys: BTreeSet<_> = self.loans.iter().flat_map(|loan| loan.exceptions.iter().map(key)).collect();
        let mut lines = Vec::new();
        for of in keys {
            let (name, program, severity) = &of;
            let (mut count, mut category, mut fields) = (0, String::new(), BTreeSet::new());
            let (mut all, mut only, mut steps) = (Total::default(), Total::default(), vec![Total::default(); 6]);
            for loan in &self.loans {
                let rows: Vec<&Row> = loan.exceptions.iter().filter(|row| key(row) == of).collect();
                let Some(first) = rows.first() else { continue };
                count += rows.len();
                category.clone_from(&first["exception_category"]);
                fields.extend(rows.iter().filter(|row| row.contains_key("excess")).map(|row| row["field"].clone()));
                all.add(loan);
                let of_program = |row: &&Row| row.get("program").map_or("", String::as_str) == program.as_str();
                let mut hard = loan.exceptions.iter().filter(of_program).filter(|row| row["severity"] == "hard");
                if severity == "hard" && loan.is("rejected") && hard.all(|row| row["exception_type"] == *name) {
                    only.add(loan);
                    let within = (0..6).filter(|at| rows.iter().all(|row| self.is_within(row, *at)));
                    within.for_each(|at| steps[at].add(loan));
                }
            }
            let tables: BTreeSet<_> = fields.iter().filter_map(|field| self.steps(field)).collect();
            // A rule of the built-in set over a number keeps its steps when all its loans lack the number.
            let of_rule = || ExceptionType::from_name(name).and_then(ExceptionType::rule);
            let table = match tables.len() {
                0 => of_rule().and_then(|rule| self.steps(rule.field.name())),
                1 => tables.first().copied(),
                _ => None,
            };
            let within = table.into_iter().flat_map(|(names, _)| names).zip(&steps);
            let within: Vec<String> = within.map(|(up_to, total)| format!("{up_to}: {}", total.text())).collect();
            let line = format!("{program} {name} {severity} {category} {count} {} only {} {within:?}", all.text(), only.text());
            lines.push((all.1, name.clone(), line));
        }
        // The programs of the shipped guides are in the order of their names, as are the severities.
        by_balance(lines)
    }

    pub fn held(&self) -> Vec<String> {
        let mut held: BTreeMap<&str, (String, Total)> = BTreeMap::new();
        for loan in self.loans.iter().filter(|loan| loan.is("projected")) {
            let mut policies = BTreeSet::new();
            for reason in reasons_of(&loan.fact["projection_reason"]) {
                let policy = policy_of(&reason);
                let of = held.entry(policy).or_insert_with(|| (reason, Total::default()));
                if policies.insert(policy) {
                    of.1.add(loan);
                }
            }
        }
        let lines = held.into_iter().map(|(policy, (reason, total))| {
            let text = format!("{policy} {reason} {}", total.text());
            (total.1, order_of(policy).to_string(), text)
        });
        by_balance(lines.collect())
    }

    pub fn pairs(&self) -> Vec<String> {
        let mut pairs: BTreeMap<String, Total> = BTreeMap::new();
        for loan in self.loans.iter().filter(|loan| loan.is("rejected")) {
            let hard = loan.exceptions.iter().filter(|row| row["severity"] == "hard");
            let types: BTreeSet<&str> = hard.map(|row| row["exception_type"].as_str()).collect();
            if types.len() == 2 {
                pairs.entry(types.into_iter().collect::<Vec<_>>().join(" ")).or_default().add(loan);
            }
        }
        let lines = pairs.into_iter().map(|(types, total)| {
            let text = format!("{types} {}", total.text());
            (total.1, types, text)
        });
        by_balance(lines.collect()).into_iter().take(10).collect()
    }

    /// The first three exceptions of each type and severity, in no order of the types.
    pub fn samples(&self) -> BTreeMap<String, Vec<String>> {
        let mut samples: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for loan in &self.loans {
            for row in &loan.exceptions {
                let of = samples.entry(format!("{} {}", row["exception_type"], row["severity"])).or_default();
                if of.len() < 3 {
                    let [number, message] = ["seller_loan_number", "message"].map(|name| &row[name]);
                    assert!(message.chars().count() <= 300, "{message}");
                    of.push(format!("{} {} {} {number} {message}", loan.row, row["line"], row["source_file"]));
                }
            }
        }
        samples
    }

    /// Number and balance of the loans that meet a filter of `GET /api/loans`.
    pub fn filtered(&self, filter: &str) -> (u64, String) {
        let mut total = Total::default();
        let meets = |loan: &&CountedLoan| {
            filter.split('&').all(|one| {
                let (name, wanted) = one.split_once('=').unwrap();
                meets(&loan.fact, name, wanted)
            })
        };
        self.loans.iter().filter(meets).for_each(|loan| total.add(loan));
        (total.0, total.1.to_text(0))
    }
}

/// Whether a fact meets one filter.
fn meets(fact: &Row, name: &str, wanted: &str) -> bool {
    let words = Field::from_name(name).and_then(|field| Aliases::built_in().vocabulary(field));
    if name == "disposition" || words.is_some() {
        let word = fact.get(name);
        let is_known = |word: &String| words.is_some_and(|words| words.canonical().contains(word));
        return match wanted {
            "missing" => word.is_none(),
            "other" => word.is_some_and(|word| !is_known(word)),
            wanted => word.is_some_and(|word| word == wanted),
        };
    }
    let Some(number) = number(fact, name) else { return wanted == "missing" };
    let Some((from, to)) = wanted.split_once("..") else { return false };
    let bound = |text: &str| text.trim_matches('<').parse::<Decimal>().ok();
    bound(from).is_none_or(|from| number >= from)
        && bound(to).is_none_or(|end| if to.starts_with('<') { number < end } else { number <= end })
}

/// The reasons in the text of a projected loan.
fn reasons_of(text: &str) -> Vec<String> {
    let Some(reasons) = text.strip_prefix("Held back: ") else { return vec![text.to_owned()] };
    let mut all: Vec<String> = Vec::new();
    for piece in reasons.split("; ") {
        match all.last_mut() {
            // A reason may itself have a semicolon.
            Some(last) if policy_of(piece).is_empty() => last.push_str(&format!("; {piece}")),
            _ => all.push(piece.to_owned()),
        }
    }
    all
}

/// The policy of a reason; empty when it is no beginning of a reason.
fn policy_of(reason: &str) -> &'static str {
    let is = |start: &str, inside: &str| reason.starts_with(start) && reason.contains(inside);
    match reason {
        _ if is("not priced: ", "") || is("The loan could not be priced", "") => "not_priced",
        _ if is("pricing spread ", " is below the minimum ") => "minimum_spread",
        _ if is("price ", " is below the minimum ") => "minimum_price",
        _ if is("price ", " is below the floor ") => "floor",
        _ if is("soft exceptions: ", "") => "hold_on_soft_exceptions",
        _ if is("", " cannot be decided") || is("", "no cell") || is("", "both fit") => "undetermined",
        _ => "",
    }
}

fn order_of(policy: &str) -> usize {
    let order = ["undetermined", "minimum_spread", "minimum_price", "hold_on_soft_exceptions", "floor", "not_priced"];
    order.iter().position(|of| *of == policy).unwrap_or_else(|| panic!("{policy}"))
}

/// The reasons of a run, a line each.
pub fn told(reasons: &Reasons) -> Vec<String> {
    let line = |reason: &shared::results::summary::Reason| {
        let program = reason.program.clone().unwrap_or_default();
        let total = |loans: u64, balance: &ExactSum| format!("{loans} loans {}", balance.to_text(0));
        let steps: Vec<String> =
            reason.by_distance.iter().map(|step| format!("{}: {}", step.up_to, total(step.loans, &step.balance))).collect();
        format!(
            "{program} {} {} {} {} {} only {} {steps:?}",
            reason.exception_type,
            reason.severity.as_str(),
            reason.category,
            reason.exceptions,
            total(reason.loans, &reason.balance),
            total(reason.only_reason.loans, &reason.only_reason.balance),
        )
    };
    reasons.reasons.iter().map(line).collect()
}

pub fn held(reasons: &Reasons) -> Vec<String> {
    let held = reasons.held.iter();
    held.map(|held| format!("{} {} {} loans {}", held.policy.as_str(), held.reason, held.loans, held.balance.to_text(0)))
        .collect()
}

pub fn pairs(reasons: &Reasons) -> Vec<String> {
    let pairs = reasons.pairs.iter();
    pairs.map(|pair| format!("{} {} loans {}", pair.types.join(" "), pair.loans, pair.balance.to_text(0))).collect()
}

pub fn samples(samples: &[Samples]) -> BTreeMap<String, Vec<String>> {
    let of = |samples: &Samples| {
        let lines = samples.exceptions.iter().map(|sample| {
            format!("{} {} {} {} {}", sample.row, sample.line, sample.source_file, sample.seller_loan_number, sample.message)
        });
        (format!("{} {}", samples.exception_type, samples.severity.as_str()), lines.collect())
    };
    samples.iter().map(of).collect()
}
