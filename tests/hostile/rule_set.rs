//! Arbitrary text as a rule set: either every mistake has its line, or the rule set judges every loan, and the shortcut for ordinary
//! loans agrees with the phases.

use jiff::civil::date;
use shared::{
    decimal::Decimal,
    loan::{Field, FieldKind, Loan, NumberCell, OrdinaryLoan, StandardCell, StandardCells, StandardValue, WordCell},
    phases::{
        Scratch, buy_at_once,
        disposition::Disposition,
        judge,
        pricing::{IrrTarget, Pricing},
    },
    rules::{
        Severity,
        rule_set::{Mistake, RuleSet, RuleSetFile},
    },
};

use super::choice;

/// Separates a rule set from the file behind it in an input: each grid has this file.
const RULE_SET_END: &[u8] = b"\n%%\n";
/// Grids whose file is the whole input.
const GRIDS: [&str; 3] = [
    "[[grid]]\nname = \"max_ltv\"\nfile = \"a.csv\"\nrows = \"credit_score\"\ncolumns = \"property_type\"\ngives = { max = \"ltv_ratio\" }\n",
    "[[grid]]\nname = \"limits\"\nfile = \"a.csv\"\npolicy = \"unique\"\n",
    "[[grid]]\nname = \"limits\"\nfile = \"a.xlsx\"\n",
];

/// Asserts what holds for every rule set and every file of a grid. The bytes also choose the loans.
pub fn check(input: &[u8]) {
    let at = input.windows(RULE_SET_END.len()).position(|window| window == RULE_SET_END);
    let (toml, file) = at.map_or((input, input), |at| (&input[..at], &input[at + RULE_SET_END.len()..]));
    check_rules(&String::from_utf8_lossy(toml), file, input);
    GRIDS.iter().for_each(|toml| check_rules(toml, input, input));
}

fn check_rules(text: &str, grid: &[u8], input: &[u8]) {
    let mut file = RuleSetFile::new("fuzzed.toml", text.to_owned());
    for name in file.named() {
        file.files.insert(&name, grid);
    }
    let rules = match file.rules() {
        Ok(rules) => rules,
        Err(error) => {
            let lines = 1..=text.matches('\n').count() + 1;
            assert!(!error.mistakes.is_empty());
            let placed = |mistake: &Mistake| mistake.line.map_or(mistake.file.is_some(), |line| lines.contains(&line));
            let sound = |mistake: &Mistake| placed(mistake) && !mistake.message.is_empty();
            assert!(error.mistakes.iter().all(sound), "{:?}", error.mistakes);
            return;
        }
    };
    assert_eq!(rules.source().unwrap().rules().unwrap().id(), rules.id());
    let mut chosen = choice(input);
    for _ in 0..16 {
        check_loan(&rules, &mut chosen);
    }
}

/// A number below `count`.
fn next(chosen: &mut usize, count: usize) -> usize {
    *chosen = chosen.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*chosen >> 33) % count
}

fn check_loan(rules: &RuleSet, chosen: &mut usize) {
    let micros = [
        [250_000_000_000, 50_000_000_000, 4_999_999_000_000][next(chosen, 3)],
        [6_500_000, 15_000_000, 999_999][next(chosen, 3)],
        [80_000_000, 97_000_000, 97_000_001][next(chosen, 3)],
        [40_000_000, 0, 50_000_000][next(chosen, 3)],
        [700_000_000, 620_000_000, 619_999_999][next(chosen, 3)],
        [300_000_000_000, 1, 312_500_000_000][next(chosen, 3)],
        [300_000_000_000, 650_000_000_000, 1][next(chosen, 3)],
    ];
    let codes = [next(chosen, 5) as u8, next(chosen, 3) as u8, next(chosen, 3) as u8];
    let ordinary = OrdinaryLoan { line: 2, seller_loan_number: "1", micros, codes };
    let mut standard = StandardCells::NONE;
    for field in Field::STANDARD {
        let FieldKind::Standard(at) = field.info().kind else { continue };
        standard.0[at] = match next(chosen, 6) {
            0 | 1 => (StandardCell::Missing, ""),
            2 => (StandardCell::Unreadable, "what"),
            _ => (StandardCell::Value(value_of(field, chosen)), "given"),
        };
    }
    let mut loan = Loan { standard: &standard, seller_loan_number: Some("1".into()), ..Loan::empty(2) };
    loan.numbers = micros.map(|micros| NumberCell::ordinary(micros, "1"));
    loan.words = codes.map(WordCell::Known);
    let pricing = Pricing::new(rules, IrrTarget::DEFAULT, date(2026, 2, 2));
    let decided = judge(&loan, None, rules, &pricing);
    let hard = decided.exceptions.iter().any(|exception| exception.severity == Severity::Hard);
    assert_eq!(decided.disposition == Disposition::Rejected, hard);
    assert_eq!(decided.projection_reason.is_some(), decided.disposition == Disposition::Projected);
    for exception in &decided.exceptions {
        let evidence = &exception.evidence;
        assert!(!evidence.message.is_empty() && !evidence.field.is_empty() && !evidence.actual.is_empty(), "{evidence:?}");
    }
    let bought = decided.disposition == Disposition::ToPurchase && decided.exceptions.is_empty();
    let at_once = buy_at_once(&ordinary, &standard, rules, &pricing, &mut Scratch::default());
    assert_eq!(at_once, decided.price.filter(|_| bought));
}

fn value_of(field: Field, chosen: &mut usize) -> StandardValue {
    use shared::loan::Unit;
    match field.info().unit {
        Unit::Word => StandardValue::Word(next(chosen, 2) as u8),
        Unit::Date => StandardValue::Date(date(2020 + next(chosen, 10) as i16, 1 + next(chosen, 12) as i8, 28)),
        Unit::Count | Unit::Months => StandardValue::Whole(next(chosen, 400) as i32),
        Unit::Money | Unit::Percent | Unit::Ratio | Unit::Text => {
            StandardValue::Number(Decimal::from_micros(next(chosen, 400) as i64 * 500_000))
        }
    }
}
