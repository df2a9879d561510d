//! Conditions on the fields of a loan. A condition over a missing value is undetermined: it is neither true nor false.

use std::{fmt::Write as _, ops::Not, sync::Arc};

use jiff::civil::Date;

use crate::{
    decimal::Decimal,
    loan::{Field, Loan, Unit},
    rules::excerpt,
    tape::aliases::fold_word,
};

use super::field::{MISSING, OTHER_WORD, Slot, TestedField, Value, WHOLE};

/// The one field of counts whose cells may have decimals.
const SCORE: TestedField = TestedField::Loan(Field::CreditScore);

/// What a condition says about a loan. The order makes "and" the minimum and "any" the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    False,
    /// A value is missing, and the answer depends on it.
    Undetermined,
    True,
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Undetermined => Self::Undetermined,
            Self::True => Self::False,
        }
    }
}

impl Truth {
    fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A bound as the rule set gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Number(Decimal),
    Date(Date),
}

/// One end of the accepted values of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub edge: Edge,
    /// Whether the value of the edge itself is accepted.
    pub inclusive: bool,
}

/// What a test accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepts {
    /// Values between two ends; `None` for an end that is open.
    Range { min: Option<End>, max: Option<End> },
    /// These numbers; with `not`, all others.
    Numbers { numbers: Vec<Decimal>, not: bool },
    /// The words with these bits set; with `not`, all others.
    Words { bits: u64, not: bool },
    /// Loans that lack the value.
    Missing,
    /// Loans that have the value.
    Present,
}

/// A test on one field.
#[derive(Debug, Clone)]
pub struct Test {
    /// Index of the field among the slots of the guide.
    pub slot: usize,
    pub field: TestedField,
    pub accepts: Accepts,
    compared: Compared,
    /// The ends of a range as the limits of exceptions, `>= 1.0` and `<= 75`; of any other test what it accepts, twice.
    limits: [Arc<str>; 2],
}

/// The comparison of a test, on values as whole numbers.
#[derive(Debug, Clone)]
enum Compared {
    Range {
        least: Value,
        most: Value,
    },
    Numbers {
        numbers: Vec<Value>,
        not: bool,
    },
    /// `open`: whether a word without a code is none of these, and not unknown.
    Words {
        bits: u64,
        not: bool,
        open: bool,
    },
    Missing(bool),
}

impl Test {
    /// A test of the field whose value is in the slot.
    pub fn new(slot: usize, field: TestedField, accepts: Accepts) -> Self {
        let value_of = |edge: Edge| match edge {
            Edge::Number(number) => super::field::number(number),
            Edge::Date(date) => super::field::day(date),
        };
        let compared = match &accepts {
            Accepts::Range { min, max } => Compared::Range {
                least: min.map_or(MISSING + 1, |end| value_of(end.edge) + i64::from(!end.inclusive)),
                most: max.map_or(Value::MAX, |end| value_of(end.edge) - i64::from(!end.inclusive)),
            },
            Accepts::Numbers { numbers, not } => {
                Compared::Numbers { numbers: numbers.iter().map(|number| super::field::number(*number)).collect(), not: *not }
            }
            Accepts::Words { bits, not } => {
                Compared::Words { bits: *bits, not: *not, open: field.words().is_some_and(|words| words.is_open()) }
            }
            Accepts::Missing => Compared::Missing(true),
            Accepts::Present => Compared::Missing(false),
        };
        let limits = match &accepts {
            Accepts::Range { min, max } => {
                [min.map(|end| end_text(end, '>')), max.map(|end| end_text(end, '<'))].map(|text| text.unwrap_or_default().into())
            }
            _ => [(); 2].map(|()| "".into()),
        };
        let mut test = Self { slot, field, accepts, compared, limits };
        if !matches!(test.accepts, Accepts::Range { .. }) {
            let limit: Arc<str> = test.limit().into();
            test.limits = [Arc::clone(&limit), limit];
        }
        test
    }

    /// Whether the field has only whole numbers.
    pub fn is_of_whole_numbers(&self) -> bool {
        matches!(self.field.unit(), Unit::Count | Unit::Months) && self.field != SCORE
    }

    /// Whether no value meets the test.
    pub fn is_impossible(&self) -> bool {
        let is_whole = self.is_of_whole_numbers();
        match &self.compared {
            Compared::Range { least, most } if is_whole => {
                // The first whole number from the lower end on is beyond the upper end.
                let first = (*least).max(if self.field.unit() == Unit::Months { 0 } else { MISSING + 1 });
                let first = first.checked_add(WHOLE - 1).map_or(first, |first| first.div_euclid(WHOLE) * WHOLE);
                first > *most
            }
            Compared::Range { least, most } => least > most,
            Compared::Numbers { numbers, not: false } => is_whole && numbers.iter().all(|number| number % WHOLE != 0),
            Compared::Words { bits, not: true, open: false } => {
                self.field.words().is_some_and(|words| words.canonical().count() == bits.count_ones() as usize)
            }
            Compared::Missing(true) => self.field.is_required(),
            Compared::Numbers { .. } | Compared::Words { .. } | Compared::Missing(false) => false,
        }
    }

    /// What the test accepts, as the limit of an exception: of a range its upper or its lower end.
    pub fn limit_text(&self, upper: bool) -> &Arc<str> {
        &self.limits[usize::from(upper)]
    }

    /// Whether the value is beyond the upper end of the test's range.
    pub fn is_exceeded(&self, values: &[Value]) -> bool {
        matches!(self.compared, Compared::Range { most, .. } if values[self.slot] > most)
    }

    #[inline]
    pub fn truth(&self, values: &[Value]) -> Truth {
        self.truth_of(values[self.slot])
    }

    /// What the test says about a value.
    #[inline]
    pub fn truth_of(&self, value: Value) -> Truth {
        if let Compared::Missing(missing) = self.compared {
            return Truth::of((value == MISSING) == missing);
        }
        if value == MISSING {
            return Truth::Undetermined;
        }
        match &self.compared {
            Compared::Range { least, most } => Truth::of(*least <= value && value <= *most),
            Compared::Numbers { numbers, not } => Truth::of(numbers.contains(&value) != *not),
            Compared::Words { not: false, .. } if value == OTHER_WORD => Truth::False,
            Compared::Words { not: true, open, .. } if value == OTHER_WORD => {
                if *open {
                    Truth::True
                } else {
                    Truth::Undetermined
                }
            }
            Compared::Words { bits, not, .. } if (0..OTHER_WORD).contains(&value) => Truth::of((bits >> value & 1 == 1) != *not),
            // No word has such a code.
            Compared::Words { .. } => Truth::False,
            Compared::Missing(_) => Truth::Undetermined,
        }
    }

    /// The values at which what the test says may change: it is the same for all values from one of them up to the next.
    pub fn turns(&self) -> Vec<Value> {
        let mut turns = vec![MISSING, MISSING + 1];
        match &self.compared {
            Compared::Range { least, most } => turns.extend([*least, most.saturating_add(1)]),
            Compared::Numbers { numbers, .. } => turns.extend(numbers.iter().flat_map(|number| [*number, number + 1])),
            Compared::Words { .. } => turns.extend(0..=OTHER_WORD + 1),
            Compared::Missing(_) => {}
        }
        turns
    }

    /// The words of a list, for messages.
    fn words(&self, bits: u64) -> String {
        let Some(words) = self.field.words() else { return String::new() };
        let coded = (0..).zip(words.canonical());
        let mut listed: Vec<&str> = coded.filter(|(at, _)| bits >> at & 1 == 1).map(|(_, word)| word).collect();
        if words.is_open() {
            // The words have no order but that of the conditions.
            listed.sort_unstable();
        }
        listed.join(", ")
    }

    fn numbers(numbers: &[Decimal]) -> String {
        let shown: Vec<String> = numbers.iter().map(|number| number.with_min_decimals(0)).collect();
        shown.join(", ")
    }

    /// An edge for people.
    pub fn show(&self, edge: Edge) -> String {
        match edge {
            Edge::Number(number) => self.field.show(number),
            Edge::Date(date) => date.to_string(),
        }
    }

    /// What the test accepts, as shown as the limit of an exception: `>= 1.0 and <= 75.0`, `one of condo, pud`.
    pub fn limit(&self) -> String {
        match &self.accepts {
            Accepts::Range { min, max } => {
                let ends = [min.map(|end| end_text(end, '>')), max.map(|end| end_text(end, '<'))];
                ends.into_iter().flatten().collect::<Vec<_>>().join(" and ")
            }
            Accepts::Numbers { numbers, not } => format!("{} {}", listed(*not), Self::numbers(numbers)),
            Accepts::Words { bits, not } => format!("{} {}", listed(*not), self.words(*bits)),
            Accepts::Missing => crate::rules::MISSING.to_owned(),
            Accepts::Present => "present".to_owned(),
        }
    }

    /// What the test accepts, as part of a sentence: the only word or number of a list alone, otherwise its limit.
    pub fn wanted(&self) -> &str {
        only_one(self.limit_text(true))
    }

    /// What the test says about a loan that meets it, as part of a condition: `property_type condo`, `loan_amount above
    /// $1,000,000.00`.
    pub fn push_phrase(&self, phrase: &mut String, values: &[Value]) {
        let begin = phrase.len();
        phrase.push_str(self.field.name());
        let value = values[self.slot];
        match &self.accepts {
            Accepts::Range { min, max } => {
                for (end, inclusive, exclusive) in [(min, "at least", "above"), (max, "at most", "below")] {
                    let Some(end) = end else { continue };
                    let joined = if phrase.len() - begin > self.field.name().len() { " and" } else { "" };
                    let side = if end.inclusive { inclusive } else { exclusive };
                    // Writing to a String cannot fail.
                    let _ = write!(phrase, "{joined} {side} {}", self.show(end.edge));
                }
            }
            Accepts::Words { not: false, .. } => {
                let word = self.field.words().zip(u8::try_from(value).ok()).map(|(words, code)| words.word(code));
                let _ = write!(phrase, " {}", word.unwrap_or_default());
            }
            Accepts::Numbers { not: false, numbers } => {
                let met = numbers.iter().find(|number| super::field::number(**number) == value);
                let _ = write!(phrase, " {}", met.map(|number| number.with_min_decimals(0)).unwrap_or_default());
            }
            Accepts::Words { bits, not: true } => {
                let _ = write!(phrase, " not {}", self.words(*bits));
            }
            Accepts::Numbers { numbers, not: true } => {
                let _ = write!(phrase, " not {}", Self::numbers(numbers));
            }
            Accepts::Missing => phrase.push_str(" missing"),
            Accepts::Present => phrase.push_str(" given"),
        }
    }

    /// The test in one fixed form, for the hash of the rule set.
    pub fn push_canonical(&self, out: &mut String) {
        let limit = match (&self.field, &self.accepts) {
            (TestedField::Declared(field), Accepts::Words { bits, not }) => {
                let named = (0..64).filter(|code| bits >> code & 1 == 1).filter_map(|code| field.word(code));
                let mut folded: Vec<String> = named.map(fold_word).collect();
                folded.sort_unstable();
                format!("{} {}", listed(*not), folded.join(", "))
            }
            _ => self.limit(),
        };
        let _ = write!(out, "{} {limit};", self.field.name());
    }
}

fn listed(not: bool) -> &'static str {
    if not { "none of" } else { "one of" }
}

/// An end as shown in limits: `>= 1.0`, `< 75`.
pub fn end_text(end: End, sign: char) -> String {
    let equals = if end.inclusive { "=" } else { "" };
    match end.edge {
        Edge::Number(number) => format!("{sign}{equals} {}", number.with_min_decimals(0)),
        Edge::Date(date) => format!("{sign}{equals} {date}"),
    }
}

/// Tests that must all hold.
pub type AllOf = Vec<Test>;

/// A condition: any of some groups of tests. Without groups, the condition always holds.
#[derive(Debug, Clone, Default)]
pub struct Condition(pub Vec<AllOf>);

/// Whether all of these tests hold.
#[inline]
pub fn all(tests: &AllOf, values: &[Value]) -> Truth {
    let mut truth = Truth::True;
    for test in tests {
        match test.truth(values) {
            Truth::False => return Truth::False,
            other => truth = truth.min(other),
        }
    }
    truth
}

impl Condition {
    #[inline]
    pub fn truth(&self, values: &[Value]) -> Truth {
        if self.0.is_empty() {
            return Truth::True;
        }
        let mut truth = Truth::False;
        for tests in &self.0 {
            match all(tests, values) {
                Truth::True => return Truth::True,
                other => truth = truth.max(other),
            }
        }
        truth
    }

    /// The tests that leave the condition undetermined.
    pub fn undetermined<'c>(&'c self, values: &'c [Value]) -> impl Iterator<Item = &'c Test> {
        let undecided = self.0.iter().filter(|tests| all(tests, values) == Truth::Undetermined);
        undecided.flat_map(|tests| undetermined(tests, values))
    }

    /// The condition as a loan meets it, for messages: `property_type condo, property_state FL`; empty for one that always holds.
    pub fn phrase(&self, values: &[Value]) -> String {
        let mut phrase = String::new();
        let met = self.0.iter().find(|tests| all(tests, values) == Truth::True);
        for test in met.into_iter().flatten() {
            if !phrase.is_empty() {
                phrase.push_str(", ");
            }
            test.push_phrase(&mut phrase, values);
        }
        phrase
    }

    /// The condition for people: `property_type condo; or dscr >= 1`; empty for one that always holds.
    pub fn text(&self) -> String {
        self.0.iter().map(text_of).collect::<Vec<_>>().join("; or ")
    }

    /// The condition in one fixed form, for the hash of the rule set.
    pub fn push_canonical(&self, out: &mut String) {
        for tests in &self.0 {
            out.push('(');
            tests.iter().for_each(|test| test.push_canonical(out));
            out.push(')');
        }
    }
}

/// Tests for people: `property_type condo, and ltv_ratio <= 75`.
pub fn text_of(tests: &AllOf) -> String {
    tests.iter().map(|test| format!("{} {}", test.field.name(), only_one(&test.limit()))).collect::<Vec<_>>().join(", and ")
}

/// A limit, or the only word or number of its list alone.
fn only_one(limit: &str) -> &str {
    limit.strip_prefix("one of ").filter(|words| !words.contains(',')).unwrap_or(limit)
}

/// The tests among these that are undetermined.
pub fn undetermined<'c>(tests: &'c AllOf, values: &'c [Value]) -> impl Iterator<Item = &'c Test> {
    tests.iter().filter(|test| test.truth(values) == Truth::Undetermined)
}

/// Appends why a field decides nothing: `property_state is missing`.
pub fn push_why_undetermined(message: &mut String, slot: &Slot, loan: &Loan<'_>) {
    message.push_str(slot.field.name());
    match slot.written(loan) {
        None => message.push_str(" is missing"),
        Some(written) if slot.field.words().is_some() => message.extend([" \"", excerpt(written), "\" is not a known value"]),
        Some(written) => message.extend([" \"", excerpt(written), "\" cannot be read"]),
    }
}
