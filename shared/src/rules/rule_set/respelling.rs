//! The spelling of a rule set changes neither its hash nor its decisions nor its printed limits. Every change of a decision
//! changes the hash.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{Limit, RuleSet, Settings};
use crate::{
    decimal::Decimal,
    loan::{Field, Loan, NumberCell, WORDS, WordCell},
    phases::{
        judge,
        pricing::{IrrTarget, Pricing},
    },
    rules::{ExceptionType, Severity, canonical_list, canonical_word, place},
};

/// Pseudo-random generator that chooses spellings.
struct Draw(u64);

impl Draw {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % count
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        (1..items.len()).for_each(|at| items.swap(at, self.below(at + 1)));
    }
}

fn number(draw: &mut Draw, value: Decimal) -> String {
    let (digits, scale) = value.parts();
    match draw.below(5) {
        0 => value.to_string(),
        1 => format!("{digits}e-{scale}"),
        2 => format!("{digits}.0E-0{scale}"),
        3 => format!("+{}", value.with_min_decimals(3)).replace("+-", "-"),
        _ => value.with_min_decimals(1 + u8::try_from(draw.below(6)).unwrap()),
    }
}

fn word(draw: &mut Draw, word: &str) -> String {
    match draw.below(4) {
        0 => word.to_uppercase(),
        1 => word.replace('_', " "),
        2 => format!("  {word} "),
        _ => word.to_owned(),
    }
}

fn limit(draw: &mut Draw, name: &str, limit: &Limit) -> String {
    match limit {
        Limit::Words(words) => {
            let mut spelled: Vec<String> = words.iter().map(|text| word(draw, text)).collect();
            spelled.push(word(draw, &words[0]));
            draw.shuffle(&mut spelled);
            format!("{name} = {spelled:?}")
        }
        Limit::Range { min, max } => {
            let ends = [("min", min), ("max", max)].into_iter().filter_map(|(end, value)| value.map(|value| (end, value)));
            let mut ends: Vec<String> = ends.map(|(end, value)| format!("{end} = {}", number(draw, value))).collect();
            draw.shuffle(&mut ends);
            match draw.below(2) {
                0 => format!("{name} = {{ {} }}", ends.join(", ")),
                _ => ends.iter().map(|end| format!("{name}.{end}\n")).collect(),
            }
        }
    }
}

/// Writes settings as a TOML file, in a spelling that `draw` chooses.
fn spelled(settings: &Settings, draw: &mut Draw) -> String {
    let rules = || ExceptionType::ALL.into_iter().filter(|kind| kind.rule().is_some());
    let severities = rules().map(|kind| format!("{} = \"{}\"", kind.name(), settings.severity[kind as usize].as_str()));
    let switches = rules().map(|kind| format!("{} = {}", kind.name(), settings.enabled[kind as usize]));
    let policies = [("spread", settings.projection.minimum_spread), ("price", settings.projection.minimum_price)];
    let policies = policies.into_iter().filter_map(|(what, value)| value.map(|value| (what, value)));
    let mut projection: Vec<String> = policies.map(|(what, value)| format!("minimum_{what} = {}", number(draw, value))).collect();
    projection.push(format!("hold_on_soft_exceptions = {}", settings.projection.hold_on_soft_exceptions));
    let mut sections = [
        ("limits", settings.limits.iter().map(|(name, of)| limit(draw, name, of)).collect()),
        ("severity", severities.collect()),
        ("rules", switches.collect()),
        ("projection", projection),
        ("units", vec![format!("accept_small_percentages = {}", settings.accept_small_percentages)]),
    ];
    draw.shuffle(&mut sections);
    let mut text = format!("name = \"{}\"\n", draw.below(1_000));
    for (section, lines) in &mut sections {
        draw.shuffle(lines);
        let _ = writeln!(text, "{}[{section}]", "\n".repeat(draw.below(3)));
        for line in lines {
            let _ = writeln!(text, "{}{line}{}", " ".repeat(draw.below(3)), ["", "\n# ltv_ratio = 5", "\n"][draw.below(3)]);
        }
    }
    text
}

fn micros(from: i64, to: i64) -> impl Strategy<Value = Decimal> {
    // Half of the numbers are whole, the others have up to six decimals.
    (from..to, prop_oneof![Just(0), 0..1_000_000_i64]).prop_map(|(whole, part)| Decimal::from_micros(whole * 1_000_000 + part))
}

fn words(field: Field) -> impl Strategy<Value = (&'static str, Limit)> {
    let at = place(field);
    let word = prop_oneof![(0..3_u8).prop_map(move |code| canonical_word(at, code).to_owned()), "[a-d]{2,3}x"];
    let list = prop::collection::vec(word, 1..5);
    list.prop_map(move |words| (field.name(), Limit::Words(canonical_list(at, &words))))
}

fn range(
    field: Field,
    min: impl Strategy<Value = Option<Decimal>>,
    max: impl Strategy<Value = Decimal>,
) -> impl Strategy<Value = (&'static str, Limit)> {
    (min, max).prop_map(move |(min, max)| (field.name(), Limit::Range { min, max: Some(max) }))
}

fn settings() -> impl Strategy<Value = Settings> {
    let limits = (
        range(Field::LoanAmount, micros(1, 200_000).prop_map(Some), micros(200_000, 9_000_000)),
        range(Field::LtvRatio, Just(None), micros(2, 120)),
        range(Field::DtiRatio, Just(None), micros(2, 90)),
        range(Field::CreditScore, micros(1, 700).prop_map(Some), micros(700, 900)),
        range(Field::NoteRate, micros(1, 6).prop_map(Some), micros(6, 20)),
        words(Field::PropertyType),
        words(Field::OccupancyStatus),
        words(Field::LoanPurpose),
    );
    let flags = (any::<[bool; ExceptionType::COUNT]>(), any::<[bool; ExceptionType::COUNT]>(), any::<bool>(), any::<bool>());
    let policies = (prop::option::of(micros(-3, 3)), prop::option::of(micros(80, 110)));
    (limits, flags, policies).prop_map(|((a, b, c, d, e, f, g, h), (hard, enabled, hold, small), (spread, price))| {
        let mut settings = Settings { limits: vec![a, b, c, d, e, f, g, h], ..RuleSet::built_in().settings.clone() };
        for kind in ExceptionType::ALL.into_iter().filter(|kind| kind.rule().is_some()) {
            settings.severity[kind as usize] = if hard[kind as usize] { Severity::Hard } else { Severity::Soft };
            settings.enabled[kind as usize] = enabled[kind as usize];
        }
        settings.projection.minimum_spread = spread;
        settings.projection.minimum_price = price;
        settings.projection.hold_on_soft_exceptions = hold;
        settings.accept_small_percentages = small;
        settings
    })
}

fn loan() -> impl Strategy<Value = Loan<'static>> {
    let numbers = [(0, 9_000_000), (0, 20), (0, 120), (0, 90), (0, 900), (0, 9_000_000), (0, 9_000_000)];
    let numbers = numbers.map(|(from, to)| prop::option::weighted(0.95, micros(from, to)));
    let word = prop_oneof![(0..3_u8).prop_map(WordCell::Known), Just(WordCell::Other("AbX")), Just(WordCell::Missing)];
    (numbers, prop::collection::vec(word, WORDS)).prop_map(|(numbers, words)| {
        let mut loan = Loan { seller_loan_number: Some("L-1".into()), ..Loan::empty(2) };
        let cell = |value: Decimal| NumberCell::ordinary(value.micros().unwrap(), "as written");
        loan.numbers = numbers.map(|value| value.map_or(NumberCell::MISSING, cell));
        loan.words.copy_from_slice(&words);
        loan
    })
}

/// Settings with one decision changed: the decision with index `point`, which is below [`POINTS`].
fn changed(settings: &Settings, point: usize) -> Settings {
    let mut settings = settings.clone();
    let more = |value: Decimal| value.checked_add(Decimal::from_micros(1)).unwrap();
    let rules: Vec<usize> =
        ExceptionType::ALL.into_iter().filter(|kind| kind.rule().is_some()).map(|kind| kind as usize).collect();
    let limits = settings.limits.len();
    let projection = &mut settings.projection;
    match point {
        0 => projection.hold_on_soft_exceptions ^= true,
        1 => projection.minimum_spread = projection.minimum_spread.map_or(Some(Decimal::ZERO), |_| None),
        2 => projection.minimum_price = Some(projection.minimum_price.map_or(Decimal::HUNDRED, more)),
        3 => settings.accept_small_percentages ^= true,
        _ if point < 4 + limits => match &mut settings.limits[point - 4].1 {
            Limit::Range { max, .. } => *max = max.map(more),
            Limit::Words(words) => words.push("zz another".to_owned()),
        },
        _ if point < 4 + 2 * limits => match &mut settings.limits[point - 4 - limits].1 {
            Limit::Range { min: Some(min), .. } => *min = Decimal::from_micros(min.micros().unwrap() - 1),
            Limit::Range { max, .. } => *max = max.map(|max| more(more(max))),
            Limit::Words(words) if words.len() > 1 => drop(words.pop()),
            Limit::Words(words) => words.insert(0, "yy another".to_owned()),
        },
        _ => {
            let rule = (point - 4 - 2 * limits) / 2;
            let at = rules[rule % rules.len()];
            match (point % 2, settings.severity[at]) {
                (0, _) => settings.enabled[at] ^= true,
                (_, Severity::Hard) => settings.severity[at] = Severity::Soft,
                (_, Severity::Soft) => settings.severity[at] = Severity::Hard,
            }
        }
    }
    settings
}

/// Number of decisions that [`changed`] can change: policies and units, both ends of eight limits, switch and severity of ten
/// rules.
const POINTS: usize = 4 + 2 * 8 + 2 * 10;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rule_set_written_in_another_way_is_the_same(
        settings in settings(), seeds: [u64; 2], loans in prop::collection::vec(loan(), 1..8),
    ) {
        let [one, other] = seeds.map(|seed| spelled(&settings, &mut Draw(seed)));
        let [first, second] = [&one, &other].map(|text| RuleSet::from_toml(text).unwrap());
        prop_assert_eq!(&first.id().hash, &RuleSet::new(settings, None).id().hash, "{}", one);
        prop_assert_eq!(&first.id().hash, &second.id().hash, "{}\n{}", one, other);
        let shown = |rules: &RuleSet| rules.rules().iter().map(|rule| rule.limit().to_owned()).collect::<Vec<_>>();
        prop_assert_eq!(shown(&first), shown(&second));
        for loan in &loans {
            let judged = |rules| format!("{:?}", judge(loan, None, rules, &Pricing::new(rules, IrrTarget::DEFAULT, jiff::civil::date(2026, 2, 2))));
            prop_assert_eq!(judged(&first), judged(&second));
        }
    }

    #[test]
    fn a_rule_set_that_decides_otherwise_has_another_hash(settings in settings(), seed: u64) {
        let hash = |settings: &Settings| RuleSet::from_toml(&spelled(settings, &mut Draw(seed))).unwrap().id().hash;
        let mut hashes: Vec<String> = (0..POINTS).map(|point| hash(&changed(&settings, point))).chain([hash(&settings)]).collect();
        hashes.sort();
        hashes.dedup();
        // The changed settings also differ from each other: no two changes give the same hash.
        prop_assert_eq!(hashes.len(), POINTS + 1);
    }
}
