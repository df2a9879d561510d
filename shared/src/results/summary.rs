//! The summary of a run: counts, balances, weighted averages, strats.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::ToSchema;

use crate::{
    decimal::{Decimal, ExactSum, MICRO, Ratio},
    loan::{CellValue, Field, Loan, OrdinaryLoan, WordCell},
    phases::{
        disposition::{Decided, Disposition},
        pricing::Price,
    },
    rules::{ExceptionType, Severity},
    tape::aliases::Aliases,
};

use super::csv::push_text;

/// Indexes, among a loan's numbers, of the averaged numbers: note rate, LTV, DTI, credit score.
const AVERAGED_AT: [usize; 4] = [1, 2, 3, 4];
/// Index of the balance, which is the loan amount.
const BALANCE_AT: usize = 0;

/// Sums over a group of loans.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Group {
    count: u64,
    /// The sums in 128 bits cover the loans whose numbers are all whole millionths, as nearly all numbers are.
    balance: i128,
    weighted: [i128; 4],
    absent: [i128; 4],
    priced: i128,
    unpriced: i128,
    /// The sums of all other loans.
    wide: Option<Box<WideGroup>>,
}

#[derive(Debug, Clone, Default)]
struct WideGroup {
    balance: ExactSum,
    weighted: [ExactSum; 4],
    weights: [ExactSum; 4],
    priced: ExactSum,
    price_weights: ExactSum,
}

/// Terms of the sums of a [`WideGroup`], in the order in which they are stored.
type SummaryTerms = [Vec<(u8, Vec<u8>)>; 11];

impl Serialize for WideGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [a, b, c, d] = &self.weighted;
        let [e, f, g, h] = &self.weights;
        let terms: SummaryTerms = [&self.balance, a, b, c, d, e, f, g, h, &self.priced, &self.price_weights].map(ExactSum::terms);
        terms.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WideGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let terms = SummaryTerms::deserialize(deserializer)?;
        let [balance, a, b, c, d, e, f, g, h, priced, price_weights] = terms.map(|terms| ExactSum::of_terms(&terms));
        Ok(Self { balance, weighted: [a, b, c, d], weights: [e, f, g, h], priced, price_weights })
    }
}

/// Contribution of one loan to each of its groups.
enum Share {
    Narrow {
        balance: i64,
        weighted: [i128; 4],
        priced: i128,
        /// Set when a value is missing: the balances to leave out of the weights, for each averaged number and for the price.
        absent: Option<([i64; 4], i64)>,
    },
    Wide {
        balance: Decimal,
        values: [Option<Decimal>; 4],
        price: Option<Decimal>,
    },
    /// The loan has no readable balance and is only counted.
    None,
}

/// Balances and values below these numbers of millionths go to the sums in 128 bits, which a thousand million of their products
/// fit.
const NARROW_BALANCE: u64 = 1 << 50;
const NARROW_VALUE: u64 = 1 << 47;

impl Share {
    #[inline]
    fn of(loan: &Loan<'_>, price: Option<Price>) -> Self {
        Self::narrow(loan, price).unwrap_or_else(|| Self::wide(loan, price))
    }

    /// Contribution of an ordinary loan; `None` when its numbers are too large for narrow sums.
    #[inline]
    fn ordinary(loan: &OrdinaryLoan<'_>, price: Price) -> Option<Self> {
        let balance = loan.micros[BALANCE_AT];
        let values = AVERAGED_AT.map(|at| loan.micros[at]);
        // A negative number has its high bits set, so that it counts as too large.
        let bits = values.iter().fold(price.final_price.0, |bits, value| bits | value) as u64;
        if balance as u64 >= NARROW_BALANCE || bits >= NARROW_VALUE {
            return None;
        }
        let times_balance = |value: i64| i128::from(balance) * i128::from(value);
        let priced = times_balance(price.final_price.0);
        Some(Self::Narrow { balance, weighted: values.map(times_balance), priced, absent: None })
    }

    #[inline]
    fn narrow(loan: &Loan<'_>, price: Option<Price>) -> Option<Self> {
        let balance = loan.numbers[BALANCE_AT].micros().filter(|balance| balance.unsigned_abs() < NARROW_BALANCE)?;
        let (mut weighted, mut absent, mut complete) = ([0; 4], [0; 4], price.is_some());
        for (at, place) in AVERAGED_AT.into_iter().enumerate() {
            let cell = &loan.numbers[place];
            match cell.micros() {
                Some(value) if value.unsigned_abs() < NARROW_VALUE => weighted[at] = i128::from(balance) * i128::from(value),
                None if !matches!(cell.reading, CellValue::Value(_)) => {
                    absent[at] = balance;
                    complete = false;
                }
                _ => return None,
            }
        }
        let price_units = price.map_or(0, |price| price.final_price.0);
        if price_units.unsigned_abs() >= NARROW_VALUE {
            return None;
        }
        let unpriced = if price.is_some() { 0 } else { balance };
        let priced = i128::from(balance) * i128::from(price_units);
        Some(Self::Narrow { balance, weighted, priced, absent: (!complete).then_some((absent, unpriced)) })
    }

    #[cold]
    fn wide(loan: &Loan<'_>, price: Option<Price>) -> Self {
        let Some(balance) = loan.numbers[BALANCE_AT].value() else { return Self::None };
        let values = AVERAGED_AT.map(|at| loan.numbers[at].value());
        Self::Wide { balance, values, price: price.map(|price| price.final_price.decimal()) }
    }
}

impl Group {
    #[inline]
    fn add(&mut self, share: &Share) {
        self.count += 1;
        match share {
            Share::None => {}
            Share::Narrow { balance, weighted, priced, absent } => {
                self.balance += i128::from(*balance);
                for (sum, product) in self.weighted.iter_mut().zip(weighted) {
                    *sum += product;
                }
                self.priced += priced;
                if let Some((absent, unpriced)) = absent {
                    for (sum, balance) in self.absent.iter_mut().zip(absent) {
                        *sum += i128::from(*balance);
                    }
                    self.unpriced += i128::from(*unpriced);
                }
            }
            Share::Wide { balance, values, price } => self.add_wide(*balance, values, *price),
        }
    }

    #[cold]
    fn add_wide(&mut self, balance: Decimal, values: &[Option<Decimal>; 4], price: Option<Decimal>) {
        let wide = self.wide.get_or_insert_default();
        wide.balance.add_decimal(balance);
        for (at, value) in values.iter().enumerate() {
            if let Some(value) = value {
                wide.weighted[at].add_product(balance, *value);
                wide.weights[at].add_decimal(balance);
            }
        }
        if let Some(price) = price {
            wide.priced.add_product(balance, price);
            wide.price_weights.add_decimal(balance);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.balance += other.balance;
        self.priced += other.priced;
        self.unpriced += other.unpriced;
        for at in 0..4 {
            self.weighted[at] += other.weighted[at];
            self.absent[at] += other.absent[at];
        }
        if let Some(theirs) = &other.wide {
            let wide = self.wide.get_or_insert_default();
            wide.balance.merge(&theirs.balance);
            wide.priced.merge(&theirs.priced);
            wide.price_weights.merge(&theirs.price_weights);
            for at in 0..4 {
                wide.weighted[at].merge(&theirs.weighted[at]);
                wide.weights[at].merge(&theirs.weights[at]);
            }
        }
    }

    fn balance(&self) -> ExactSum {
        self.sum(self.balance, MICRO, |wide| &wide.balance)
    }

    /// Average of the number at `at` in [`AVERAGED_AT`], weighted by balance over the loans that have the number.
    fn average(&self, at: usize) -> Option<Ratio> {
        let weighted = self.sum(self.weighted[at], 2 * MICRO, |wide| &wide.weighted[at]);
        weighted.ratio(&self.sum(self.balance - self.absent[at], MICRO, |wide| &wide.weights[at]), 4)
    }

    fn average_price(&self) -> Option<Ratio> {
        let priced = self.sum(self.priced, MICRO + 4, |wide| &wide.priced);
        priced.ratio(&self.sum(self.balance - self.unpriced, MICRO, |wide| &wide.price_weights), 4)
    }

    /// Cost of the loans at their prices: the exact sum of amount × price / 100, rounded half to even to whole cents.
    fn dollars_to_pay(&self) -> Option<Ratio> {
        let mut hundred = ExactSum::default();
        hundred.add_decimal(Decimal::HUNDRED);
        self.sum(self.priced, MICRO + 4, |wide| &wide.priced).ratio(&hundred, 2)
    }

    fn sum(&self, narrow: i128, scale: u8, wide: impl Fn(&WideGroup) -> &ExactSum) -> ExactSum {
        let mut sum = self.wide.as_deref().map_or_else(ExactSum::default, |group| wide(group).clone());
        sum.add(narrow, scale);
        sum
    }
}

/// Division of the loans into groups by one field.
struct Cut {
    field: Field,
    place: GroupIndex,
}

/// Where a loan holds the field of a strat.
enum GroupIndex {
    /// Index among the numbers, lower bounds of all groups but the first, in millionths, and the function from millionths to the
    /// group.
    Number(usize, &'static [i64], fn(i64) -> usize),
    /// Index among the words.
    Word(usize),
}

/// Converts bounds from half units to millionths.
const fn halves<const N: usize>(mut bounds: [i64; N]) -> [i64; N] {
    let mut at = 0;
    while at < N {
        bounds[at] *= 500_000;
        at += 1;
    }
    bounds
}

/// Converts bounds from whole units to millionths.
const fn wholes<const N: usize>(bounds: [i64; N]) -> [i64; N] {
    let mut halved = halves(bounds);
    let mut at = 0;
    while at < N {
        halved[at] *= 2;
        at += 1;
    }
    halved
}

const LTV_BOUNDS: [i64; 9] = wholes([50, 60, 70, 75, 80, 85, 90, 95, 100]);
const SCORE_BOUNDS: [i64; 10] = wholes([620, 640, 660, 680, 700, 720, 740, 760, 780, 800]);
const RATE_BOUNDS: [i64; 12] = halves([6, 8, 10, 11, 12, 13, 14, 15, 16, 18, 20, 30]);
const AMOUNT_BOUNDS: [i64; 10] =
    wholes([50_000, 100_000, 200_000, 300_000, 400_000, 500_000, 750_000, 1_000_000, 2_000_000, 5_000_000]);

/// A table that gives the group without a search: for each number of units, the number of bounds that it has reached. All bounds
/// are multiples of `unit`. Numbers past the last bound are in the last group.
const fn steps<const N: usize, const STEPS: usize>(bounds: &[i64; N], unit: i64) -> [u8; STEPS] {
    let mut steps = [0; STEPS];
    let mut at = 0;
    while at < STEPS {
        let mut bound = 0;
        while bound < N {
            assert!(bounds[bound] % unit == 0 && bounds[bound] / unit < STEPS as i64);
            if bounds[bound] <= at as i64 * unit {
                steps[at] += 1;
            }
            bound += 1;
        }
        at += 1;
    }
    steps
}

const LTV_UNIT: i64 = 5_000_000;
const SCORE_UNIT: i64 = 20_000_000;
const RATE_UNIT: i64 = 500_000;
const AMOUNT_UNIT: i64 = 50_000_000_000;
static LTV_STEPS: [u8; 21] = steps(&LTV_BOUNDS, LTV_UNIT);
static SCORE_STEPS: [u8; 41] = steps(&SCORE_BOUNDS, SCORE_UNIT);
static RATE_STEPS: [u8; 31] = steps(&RATE_BOUNDS, RATE_UNIT);
static AMOUNT_STEPS: [u8; 101] = steps(&AMOUNT_BOUNDS, AMOUNT_UNIT);

/// The group of a number. Inlining makes the unit a constant, so that the compiler turns the division into a multiplication.
#[inline(always)]
fn step<const STEPS: usize>(micros: i64, unit: i64, steps: &[u8; STEPS]) -> usize {
    let units = usize::try_from(micros / unit).unwrap_or(0);
    usize::from(steps[units.min(STEPS - 1)])
}

#[inline]
fn ltv_group(micros: i64) -> usize {
    step(micros, LTV_UNIT, &LTV_STEPS)
}

#[inline]
fn score_group(micros: i64) -> usize {
    step(micros, SCORE_UNIT, &SCORE_STEPS)
}

#[inline]
fn rate_group(micros: i64) -> usize {
    step(micros, RATE_UNIT, &RATE_STEPS)
}

#[inline]
fn amount_group(micros: i64) -> usize {
    step(micros, AMOUNT_UNIT, &AMOUNT_STEPS)
}

/// The group of an ordinary loan in each strat, in the order of [`CUTS`].
#[inline]
fn groups_of(loan: &OrdinaryLoan<'_>) -> [usize; CUTS.len()] {
    let [amount, rate, ltv, _, score, ..] = loan.micros;
    let [property, occupancy, purpose] = loan.codes.map(usize::from);
    [ltv_group(ltv), score_group(score), rate_group(rate), amount_group(amount), property, occupancy, purpose]
}

/// The strats, in the order of the summary.
static CUTS: [Cut; 7] = [
    Cut { field: Field::LtvRatio, place: GroupIndex::Number(2, &LTV_BOUNDS, ltv_group) },
    Cut { field: Field::CreditScore, place: GroupIndex::Number(4, &SCORE_BOUNDS, score_group) },
    Cut { field: Field::NoteRate, place: GroupIndex::Number(1, &RATE_BOUNDS, rate_group) },
    Cut { field: Field::LoanAmount, place: GroupIndex::Number(0, &AMOUNT_BOUNDS, amount_group) },
    Cut { field: Field::PropertyType, place: GroupIndex::Word(0) },
    Cut { field: Field::OccupancyStatus, place: GroupIndex::Word(1) },
    Cut { field: Field::LoanPurpose, place: GroupIndex::Word(2) },
];

/// Strats that share a table. With two or three strats in one table, each loan costs one addition instead of two or three; each
/// strat is summed from its table at the end. The last table has the dispositions as one more dimension.
const TABLES: [&[usize]; 3] = [&[0, 2], &[1, 3], &[4, 5, 6]];
/// Index of the table with the dispositions.
const DISPOSITIONS_IN: usize = 2;

/// Groups for each combination of the groups of several strats.
#[derive(Debug, Clone)]
struct CrossTable {
    groups: Vec<Group>,
    /// Each strat with the number of its groups, including "missing".
    dimensions: Vec<(usize, usize)>,
    /// For each strat, the distance between its groups; zero for a strat that is not in the table.
    strides: [usize; CUTS.len()],
}

impl CrossTable {
    fn new(cuts: &[usize], layers: usize) -> Self {
        let dimensions: Vec<(usize, usize)> = cuts.iter().map(|cut| (*cut, CUTS[*cut].groups() + 1)).collect();
        let mut strides = [0; CUTS.len()];
        let mut cells = 1;
        for (cut, size) in dimensions.iter().rev() {
            strides[*cut] = cells;
            cells *= size;
        }
        Self { groups: vec![Group::default(); cells * layers], dimensions, strides }
    }

    /// The cell, in the first layer, of an ordinary loan with these groups.
    #[inline]
    fn bought_cell(&mut self, groups: &[usize; CUTS.len()], cuts: &[usize]) -> &mut Group {
        &mut self.groups[cuts.iter().map(|cut| groups[*cut] * self.strides[*cut]).sum::<usize>()]
    }

    /// The cell of a loan. `layer` is the outermost dimension.
    #[inline]
    fn cell(&mut self, loan: &Loan<'_>, layer: usize) -> &mut Group {
        let step = |cell: usize, (cut, size): &(usize, usize)| cell * size + CUTS[*cut].group_of(loan, size - 1);
        let at = self.dimensions.iter().fold(layer, step);
        &mut self.groups[at]
    }

    fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.groups.iter_mut().zip(&other.groups) {
            if theirs.count > 0 {
                ours.merge(theirs);
            }
        }
    }

    /// The groups of one strat, summed over all other dimensions; `None` when the strat is not in this table.
    fn strat(&self, cut: usize) -> Option<Vec<Group>> {
        let at = self.dimensions.iter().position(|(of, _)| *of == cut)?;
        let size = self.dimensions[at].1;
        let inner: usize = self.dimensions[at + 1..].iter().map(|(_, size)| size).product();
        let mut strat = vec![Group::default(); size];
        for (cell, group) in self.groups.iter().enumerate() {
            strat[cell / inner % size].merge(group);
        }
        Some(strat)
    }

    /// One group for each layer, summed over its cells.
    fn layers(&self, layers: usize) -> Vec<Group> {
        let size = self.groups.len() / layers;
        let sum = |cells: &[Group]| {
            let mut sum = Group::default();
            cells.iter().for_each(|group| sum.merge(group));
            sum
        };
        self.groups.chunks(size).map(sum).collect()
    }
}

impl Cut {
    /// Number of groups without "missing": the ranges, or the words of the vocabulary and "other".
    fn groups(&self) -> usize {
        match self.place {
            GroupIndex::Word(at) => Aliases::built_in().vocabularies()[at].canonical().len() + 1,
            GroupIndex::Number(_, bounds, _) => bounds.len() + 1,
        }
    }

    fn labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = match self.place {
            GroupIndex::Word(at) => {
                let words = Aliases::built_in().vocabularies()[at].canonical();
                words.iter().cloned().chain(["other".to_owned()]).collect()
            }
            GroupIndex::Number(_, bounds, _) => {
                let show = |bound: i64| Decimal::from_micros(bound).with_thousands(0);
                let between = bounds.windows(2).map(|pair| format!("{} to <{}", show(pair[0]), show(pair[1])));
                let first = bounds.first().map(|bound| format!("<{}", show(*bound)));
                let last = bounds.last().map(|bound| format!(">={}", show(*bound)));
                first.into_iter().chain(between).chain(last).collect()
            }
        };
        labels.push("missing".to_owned());
        labels
    }

    #[inline]
    fn group_of(&self, loan: &Loan<'_>, groups: usize) -> usize {
        match self.place {
            GroupIndex::Word(at) => match loan.words[at] {
                WordCell::Known(code) => usize::from(code),
                WordCell::Other(_) | WordCell::ManyUnits { .. } => groups - 1,
                WordCell::Missing => groups,
            },
            GroupIndex::Number(at, bounds, group) => match loan.numbers[at].micros() {
                Some(micros) => group(micros),
                None => match loan.numbers[at].value() {
                    Some(value) => bounds.iter().filter(|bound| value >= Decimal::from_micros(**bound)).count(),
                    None => groups,
                },
            },
        }
    }
}

/// Counts and first message of one kind of exception.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Findings {
    count: u64,
    loans: u64,
    severity: Option<Severity>,
    sample: Option<String>,
}

/// The summary in progress of a run, or of a part of it.
#[derive(Debug, Clone)]
pub struct SummaryBuilder {
    counts: [u64; Disposition::ALL.len()],
    /// Number of exceptions of rejected loans, which is the number of rows of the rejection report.
    reported: u64,
    tables: [CrossTable; TABLES.len()],
    findings: [Findings; ExceptionType::COUNT],
}

impl Default for SummaryBuilder {
    fn default() -> Self {
        let layers = |table| if table == DISPOSITIONS_IN { Disposition::ALL.len() } else { 1 };
        Self {
            counts: Default::default(),
            reported: 0,
            tables: std::array::from_fn(|table| CrossTable::new(TABLES[table], layers(table))),
            findings: Default::default(),
        }
    }
}

/// The stored form of a part's summary. Of the tables it has only the groups with loans, each with its index.
#[derive(Serialize, Deserialize)]
struct Handed {
    counts: [u64; Disposition::ALL.len()],
    reported: u64,
    tables: [Vec<(u32, Group)>; TABLES.len()],
    findings: Vec<Findings>,
}

impl Serialize for SummaryBuilder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { counts, reported, tables, findings } = self;
        let groups = |table: &CrossTable| {
            let filled = (0..).zip(&table.groups).filter(|(_, group)| group.count > 0);
            filled.map(|(at, group)| (at, group.clone())).collect()
        };
        let tables = tables.each_ref().map(groups);
        Handed { counts: *counts, reported: *reported, tables, findings: findings.to_vec() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SummaryBuilder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Handed { counts, reported, tables, findings } = Handed::deserialize(deserializer)?;
        let findings = findings.try_into().map_err(|_| D::Error::custom("findings of other kinds"))?;
        let mut summary = Self { counts, reported, findings, ..Self::default() };
        for (table, groups) in summary.tables.iter_mut().zip(tables) {
            for (at, group) in groups {
                let place = table.groups.get_mut(at as usize).ok_or_else(|| D::Error::custom("a group of no strat"))?;
                *place = group;
            }
        }
        Ok(summary)
    }
}

impl SummaryBuilder {
    /// Adds a loan.
    #[inline]
    pub fn add(&mut self, decided: &Decided<'_, '_>) {
        let share = Share::of(decided.loan, decided.price);
        let layer = decided.disposition as usize;
        self.counts[layer] += 1;
        if decided.disposition == Disposition::Rejected {
            self.reported += decided.exceptions.len() as u64;
        }
        for (at, table) in self.tables.iter_mut().enumerate() {
            table.cell(decided.loan, if at == DISPOSITIONS_IN { layer } else { 0 }).add(&share);
        }
        let mut last = None;
        for exception in &decided.exceptions {
            let findings = &mut self.findings[exception.exception_type as usize];
            findings.count += 1;
            // The exceptions of a loan are in the order of their kinds, so that exceptions of one kind are neighbours.
            findings.loans += u64::from(last != Some(exception.exception_type));
            last = Some(exception.exception_type);
            findings.severity = Some(exception.severity);
            if findings.sample.is_none() {
                findings.sample = Some(exception.evidence.message.clone());
            }
        }
    }

    /// Adds an ordinary loan that is bought. Returns `false` and adds nothing when its numbers are too large for narrow sums.
    #[inline]
    pub fn add_bought(&mut self, loan: &OrdinaryLoan<'_>, price: Price) -> bool {
        let Some(share) = Share::ordinary(loan, price) else { return false };
        self.counts[Disposition::ToPurchase as usize] += 1;
        let groups = groups_of(loan);
        // Bought loans are in the first layer.
        for (table, cuts) in self.tables.iter_mut().zip(TABLES) {
            table.bought_cell(&groups, cuts).add(&share);
        }
        true
    }

    /// Adds the summary of the next part. Parts are merged in tape order, because the sample message is that of the first
    /// exception.
    pub fn merge(&mut self, next: &Self) {
        for (ours, theirs) in self.counts.iter_mut().zip(next.counts) {
            *ours += theirs;
        }
        self.reported += next.reported;
        for (ours, theirs) in self.tables.iter_mut().zip(&next.tables) {
            ours.merge(theirs);
        }
        for (ours, theirs) in self.findings.iter_mut().zip(&next.findings) {
            ours.count += theirs.count;
            ours.loans += theirs.loans;
            ours.severity = ours.severity.or(theirs.severity);
            if ours.sample.is_none() {
                ours.sample.clone_from(&theirs.sample);
            }
        }
    }

    pub fn total_loans(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Number of loans with a disposition.
    pub fn count(&self, disposition: Disposition) -> u64 {
        self.counts[disposition as usize]
    }

    /// Number of rows of the rejection report.
    pub fn reported(&self) -> u64 {
        self.reported
    }

    /// Number of kinds of exceptions that were found.
    pub fn exception_kinds(&self) -> u64 {
        self.findings.iter().filter(|findings| findings.count > 0).count() as u64
    }

    pub fn exceptions_count(&self) -> u64 {
        self.findings.iter().map(|findings| findings.count).sum()
    }

    fn by_disposition(&self) -> Vec<Group> {
        self.tables[DISPOSITIONS_IN].layers(Disposition::ALL.len())
    }

    /// The exact sum of the readable loan amounts, in dollars.
    pub fn total_balance(&self) -> ExactSum {
        let mut total = ExactSum::default();
        self.by_disposition().iter().for_each(|group| total.merge(&group.balance()));
        total
    }

    /// The rows of the exception summary, as CSV.
    pub fn exception_summary_rows(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for finding in self.finish().exceptions {
            let count = finding.count.to_string();
            let texts = [finding.exception_type.name(), finding.exception_category, finding.severity.as_str(), &count];
            for text in texts.into_iter().chain([finding.rejection_criteria]) {
                push_text(&mut out, text);
                out.push(b',');
            }
            push_text(&mut out, &finding.sample_message);
            out.push(b'\n');
        }
        out
    }

    /// The finished summary.
    pub fn finish(&self) -> Summary {
        let total_balance = self.total_balance();
        let by_disposition = self.by_disposition();
        let of = |disposition: Disposition| {
            let group = &by_disposition[disposition as usize];
            let paid = disposition == Disposition::ToPurchase;
            let dollars_to_pay = if paid { group.dollars_to_pay() } else { None };
            DispositionSummary { totals: averages(group), wa_price: group.average_price(), dollars_to_pay }
        };
        let strats = CUTS.iter().enumerate().map(|(at, cut)| {
            let groups = self.tables.iter().find_map(|table| table.strat(at)).unwrap_or_default();
            let buckets = cut.labels().into_iter().zip(&groups).map(|(label, group)| bucket(label, group, &total_balance));
            Strat { by: cut.field.name(), buckets: buckets.collect() }
        });
        let strats = strats.collect();
        let mut exceptions: Vec<ExceptionFinding> = ExceptionType::ALL
            .into_iter()
            .zip(&self.findings)
            .filter(|(_, findings)| findings.count > 0)
            .map(|(exception_type, findings)| ExceptionFinding {
                exception_type,
                exception_category: exception_type.kind().category,
                severity: findings.severity.unwrap_or(exception_type.kind().severity),
                count: findings.count,
                loans: findings.loans,
                rejection_criteria: exception_type.kind().rejection_criteria,
                sample_message: findings.sample.clone().unwrap_or_default(),
            })
            .collect();
        exceptions.sort_by(|a, b| b.count.cmp(&a.count).then(a.exception_type.name().cmp(b.exception_type.name())));
        let counts = |name: fn(&ExceptionFinding) -> &'static str| {
            let mut counts = BTreeMap::new();
            for finding in &exceptions {
                *counts.entry(name(finding)).or_insert(0) += finding.count;
            }
            counts
        };
        let rejected = self.count(Disposition::Rejected);
        Summary {
            total_loans: self.total_loans(),
            total_balance,
            exceptions_count: self.exceptions_count(),
            eligibility_checks: EligibilityChecks {
                total_loans: self.total_loans(),
                eligible: self.total_loans() - rejected,
                rejected,
                projected: self.count(Disposition::Projected),
                exceptions_by_type: counts(|finding| finding.exception_type.name()),
                exceptions_by_severity: counts(|finding| finding.severity.as_str()),
                exceptions_by_category: counts(|finding| finding.exception_category),
            },
            dispositions: Dispositions {
                to_purchase: of(Disposition::ToPurchase),
                projected: of(Disposition::Projected),
                rejected: of(Disposition::Rejected),
            },
            strats,
            exceptions,
        }
    }
}

fn averages(group: &Group) -> Averages {
    let [wac, wa_ltv, wa_dti, wa_credit_score] = [0, 1, 2, 3].map(|at| group.average(at));
    Averages { count: group.count, balance: group.balance(), wac, wa_ltv, wa_dti, wa_credit_score }
}

fn bucket(label: String, group: &Group, total_balance: &ExactSum) -> Bucket {
    let totals = averages(group);
    let share = totals.balance.ratio(total_balance, 4);
    let Averages { count, balance, wac, wa_ltv, wa_dti, wa_credit_score } = totals;
    Bucket { label, count, balance, share, wac, wa_ltv, wa_dti, wa_credit_score }
}

/// The finished summary of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub total_loans: u64,
    /// The exact sum of the readable loan amounts, in dollars.
    pub total_balance: ExactSum,
    pub exceptions_count: u64,
    pub eligibility_checks: EligibilityChecks,
    /// Totals of the loans of each disposition.
    pub dispositions: Dispositions,
    /// Totals of the loans of each group, for one field after the other.
    pub strats: Vec<Strat>,
    /// Kinds of exceptions, most frequent first.
    #[serde(skip)]
    pub exceptions: Vec<ExceptionFinding>,
}

/// Number of loans by outcome, and of exceptions by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EligibilityChecks {
    /// Number of loans.
    #[schema(example = 2)]
    pub total_loans: u64,
    /// Number of loans without a hard exception.
    #[schema(example = 1)]
    pub eligible: u64,
    /// Number of loans with a hard exception.
    #[schema(example = 1)]
    pub rejected: u64,
    /// Number of eligible loans that are not bought now.
    #[schema(example = 0)]
    pub projected: u64,
    /// Number of exceptions of each type.
    #[schema(example = json!({"credit_score": 1, "ltv_ratio": 1, "missing_appraisal": 1}))]
    pub exceptions_by_type: BTreeMap<&'static str, u64>,
    /// Number of exceptions of each severity.
    #[schema(example = json!({"hard": 2, "soft": 1}))]
    pub exceptions_by_severity: BTreeMap<&'static str, u64>,
    /// Number of exceptions of each category.
    #[schema(example = json!({"credit": 2, "data_quality": 1}))]
    pub exceptions_by_category: BTreeMap<&'static str, u64>,
}

/// Totals of a group of loans. Averages are weighted by balance over the loans that have the value, rounded to 4 decimals.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Averages {
    /// Number of loans.
    #[schema(example = 1)]
    pub count: u64,
    /// Sum of their loan amounts, in dollars.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
    /// Average note rate, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 6.5)]
    pub wac: Option<Ratio>,
    /// Average LTV, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 80)]
    pub wa_ltv: Option<Ratio>,
    /// Average DTI, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 35)]
    pub wa_dti: Option<Ratio>,
    /// Average credit score. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 720)]
    pub wa_credit_score: Option<Ratio>,
}

/// The loans of each disposition.
#[derive(Debug, Clone, Serialize)]
pub struct Dispositions {
    pub to_purchase: DispositionSummary,
    /// Eligible loans that are held for later.
    pub projected: DispositionSummary,
    pub rejected: DispositionSummary,
}

/// Totals of one disposition. Averages are weighted by balance over the loans that have the value, rounded to 4 decimals.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DispositionSummary {
    #[serde(flatten)]
    #[schema(inline)]
    pub totals: Averages,
    /// Average price, in percent of the balance. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 96.125)]
    pub wa_price: Option<Ratio>,
    /// Dollars to pay for the loans of `to_purchase`: the exact sum of amount × price / 100, rounded half to even to whole cents;
    /// 0 when no loan is bought. Null for `projected` and `rejected`: the buyer pays nothing for these loans.
    #[schema(required, value_type = Option<f64>, example = 240_312.5)]
    pub dollars_to_pay: Option<Ratio>,
}

/// The loans of a run grouped by one field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Strat {
    /// Field that the loans are grouped by: `ltv_ratio`, `credit_score`, `note_rate`, `loan_amount`, `property_type`,
    /// `occupancy_status` or `loan_purpose`.
    #[schema(example = "ltv_ratio")]
    pub by: &'static str,
    /// Groups in order. They hold every loan once; `missing` holds the loans without the value.
    pub buckets: Vec<Bucket>,
}

/// One group of loans. Averages are weighted by balance over the loans that have the value, rounded to 4 decimals.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Bucket {
    /// Range or word that the loans of the group share. A range includes its lower bound, not its upper one.
    #[schema(example = "80 to <85")]
    pub label: String,
    /// Number of loans.
    #[schema(example = 1)]
    pub count: u64,
    /// Sum of their loan amounts, in dollars.
    #[schema(value_type = f64, example = 250_000)]
    pub balance: ExactSum,
    /// Share of the balance of the run, from 0 to 1. Null: the run has no balance.
    #[schema(required, value_type = Option<f64>, example = 0.5)]
    pub share: Option<Ratio>,
    /// Average note rate, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 6.5)]
    pub wac: Option<Ratio>,
    /// Average LTV, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 80)]
    pub wa_ltv: Option<Ratio>,
    /// Average DTI, in percent. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 35)]
    pub wa_dti: Option<Ratio>,
    /// Average credit score. Null: no loan has one.
    #[schema(required, value_type = Option<f64>, example = 720)]
    pub wa_credit_score: Option<Ratio>,
}

/// How often one kind of exception was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionFinding {
    pub exception_type: ExceptionType,
    pub exception_category: &'static str,
    /// Severity in this run.
    pub severity: Severity,
    /// Number of exceptions.
    pub count: u64,
    /// Number of loans with one or more of them.
    pub loans: u64,
    pub rejection_criteria: &'static str,
    /// Message of the first exception in tape order.
    pub sample_message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loan::{FieldKind, NUMBERS, NumberCell};

    #[test]
    fn strats_look_where_their_fields_stand() {
        for cut in &CUTS {
            match cut.place {
                GroupIndex::Number(at, bounds, _) => {
                    assert_eq!(cut.field.info().kind, FieldKind::Number(at));
                    assert!(bounds.is_sorted());
                }
                GroupIndex::Word(at) => assert_eq!(cut.field.info().kind, FieldKind::Word(at)),
            }
            assert_eq!(cut.labels().len(), cut.groups() + 1);
        }
        assert_eq!(CUTS[2].labels()[..4], ["<3", "3 to <4", "4 to <5", "5 to <5.5"]);
        assert_eq!(CUTS[3].labels()[1], "50,000 to <100,000");
    }

    #[test]
    fn an_ordinary_loan_is_in_the_groups_that_its_cells_say() {
        let around = |bounds: &[i64]| -> Vec<i64> { bounds.iter().flat_map(|bound| [bound - 1, *bound, bound + 1]).collect() };
        let odd = [i64::MIN, -1, 0, 1, i64::MAX];
        let mut values: Vec<i64> =
            [around(&LTV_BOUNDS), around(&SCORE_BOUNDS), around(&RATE_BOUNDS), around(&AMOUNT_BOUNDS)].concat();
        values.extend(odd);
        for micros in values {
            let ordinary = OrdinaryLoan { line: 2, seller_loan_number: "1", micros: [micros; NUMBERS], codes: [1, 2, 0] };
            let mut loan = Loan::empty(2);
            loan.numbers = [NumberCell::ordinary(micros, ""); NUMBERS];
            loan.words = ordinary.codes.map(WordCell::Known);
            let groups: Vec<usize> = CUTS.iter().map(|cut| cut.group_of(&loan, cut.groups())).collect();
            assert_eq!(groups_of(&ordinary).to_vec(), groups, "{micros}");
            for (cut, group) in CUTS.iter().zip(groups) {
                if let GroupIndex::Number(_, bounds, _) = cut.place {
                    assert_eq!(group, bounds.iter().filter(|bound| micros >= **bound).count(), "{micros}");
                }
            }
            for (cuts, layers) in TABLES.into_iter().zip([1, 1, 3]) {
                let mut table = CrossTable::new(cuts, layers);
                table.cell(&loan, Disposition::ToPurchase as usize).count += 1;
                assert_eq!(table.bought_cell(&groups_of(&ordinary), cuts).count, 1, "{micros}");
            }
        }
    }

    #[test]
    fn every_strat_is_in_one_table() {
        let mut cuts: Vec<usize> = TABLES.concat();
        cuts.sort_unstable();
        assert_eq!(cuts, (0..CUTS.len()).collect::<Vec<_>>());
    }

    #[test]
    fn averages_look_where_their_numbers_stand() {
        let names = AVERAGED_AT.map(|at| Field::NUMERIC[at].name());
        assert_eq!(names, ["note_rate", "ltv_ratio", "dti_ratio", "credit_score"]);
        assert_eq!(Field::NUMERIC[BALANCE_AT], Field::LoanAmount);
    }
}
