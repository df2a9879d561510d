//! Strats: the fields by which loans are grouped, and the tables that hold the groups.

use crate::{
    decimal::Decimal,
    loan::{Field, Loan, OrdinaryLoan, WordCell},
    tape::aliases::Aliases,
};

use super::groups::Group;

/// Division of the loans into groups by one field.
pub(super) struct Cut {
    pub(super) field: Field,
    pub(super) place: GroupIndex,
}

/// Where a loan holds the field of a strat.
pub(super) enum GroupIndex {
    /// Index among the numbers, lower bounds of all groups but the first, in millionths, and the function from millionths to the
    /// group.
    Number(usize, &'static [i64], fn(i64) -> usize),
    /// Index among the words.
    Word(usize),
}

/// Converts bounds from half units to millionths.
pub(super) const fn halves<const N: usize>(mut bounds: [i64; N]) -> [i64; N] {
    let mut at = 0;
    while at < N {
        bounds[at] *= 500_000;
        at += 1;
    }
    bounds
}

/// Converts bounds from whole units to millionths.
pub(super) const fn wholes<const N: usize>(bounds: [i64; N]) -> [i64; N] {
    let mut halved = halves(bounds);
    let mut at = 0;
    while at < N {
        halved[at] *= 2;
        at += 1;
    }
    halved
}

pub(super) const LTV_BOUNDS: [i64; 9] = wholes([50, 60, 70, 75, 80, 85, 90, 95, 100]);
pub(super) const SCORE_BOUNDS: [i64; 10] = wholes([620, 640, 660, 680, 700, 720, 740, 760, 780, 800]);
pub(super) const RATE_BOUNDS: [i64; 12] = halves([6, 8, 10, 11, 12, 13, 14, 15, 16, 18, 20, 30]);
pub(super) const AMOUNT_BOUNDS: [i64; 10] =
    wholes([50_000, 100_000, 200_000, 300_000, 400_000, 500_000, 750_000, 1_000_000, 2_000_000, 5_000_000]);

/// A table that gives the group without a search: for each number of units, the number of bounds that it has reached. All bounds
/// are multiples of `unit`. Numbers past the last bound are in the last group.
pub(super) const fn steps<const N: usize, const STEPS: usize>(bounds: &[i64; N], unit: i64) -> [u8; STEPS] {
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

pub(super) const LTV_UNIT: i64 = 5_000_000;
pub(super) const SCORE_UNIT: i64 = 20_000_000;
pub(super) const RATE_UNIT: i64 = 500_000;
pub(super) const AMOUNT_UNIT: i64 = 50_000_000_000;
pub(super) static LTV_STEPS: [u8; 21] = steps(&LTV_BOUNDS, LTV_UNIT);
pub(super) static SCORE_STEPS: [u8; 41] = steps(&SCORE_BOUNDS, SCORE_UNIT);
pub(super) static RATE_STEPS: [u8; 31] = steps(&RATE_BOUNDS, RATE_UNIT);
pub(super) static AMOUNT_STEPS: [u8; 101] = steps(&AMOUNT_BOUNDS, AMOUNT_UNIT);

/// The group of a number. Inlining makes the unit a constant, so that the compiler turns the division into a multiplication.
#[inline(always)]
pub(super) fn step<const STEPS: usize>(micros: i64, unit: i64, steps: &[u8; STEPS]) -> usize {
    let units = usize::try_from(micros / unit).unwrap_or(0);
    usize::from(steps[units.min(STEPS - 1)])
}

#[inline]
pub(super) fn ltv_group(micros: i64) -> usize {
    step(micros, LTV_UNIT, &LTV_STEPS)
}

#[inline]
pub(super) fn score_group(micros: i64) -> usize {
    step(micros, SCORE_UNIT, &SCORE_STEPS)
}

#[inline]
pub(super) fn rate_group(micros: i64) -> usize {
    step(micros, RATE_UNIT, &RATE_STEPS)
}

#[inline]
pub(super) fn amount_group(micros: i64) -> usize {
    step(micros, AMOUNT_UNIT, &AMOUNT_STEPS)
}

/// The group of an ordinary loan in each strat, in the order of [`CUTS`].
#[inline]
pub(super) fn groups_of(loan: &OrdinaryLoan<'_>) -> [usize; CUTS.len()] {
    let [amount, rate, ltv, _, score, ..] = loan.micros;
    let [property, occupancy, purpose] = loan.codes.map(usize::from);
    [ltv_group(ltv), score_group(score), rate_group(rate), amount_group(amount), property, occupancy, purpose]
}

/// The strats, in the order of the summary.
pub(super) static CUTS: [Cut; 7] = [
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
pub(super) const TABLES: [&[usize]; 3] = [&[0, 2], &[1, 3], &[4, 5, 6]];
/// Index of the table with the dispositions.
pub(super) const DISPOSITIONS_IN: usize = 2;

/// Groups for each combination of the groups of several strats.
#[derive(Debug, Clone)]
pub(super) struct CrossTable {
    pub(super) groups: Vec<Group>,
    /// Each strat with the number of its groups, including "missing".
    pub(super) dimensions: Vec<(usize, usize)>,
    /// For each strat, the distance between its groups; zero for a strat that is not in the table.
    pub(super) strides: [usize; CUTS.len()],
}

impl CrossTable {
    pub(super) fn new(cuts: &[usize], layers: usize) -> Self {
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
    pub(super) fn bought_cell(&mut self, groups: &[usize; CUTS.len()], cuts: &[usize]) -> &mut Group {
        &mut self.groups[cuts.iter().map(|cut| groups[*cut] * self.strides[*cut]).sum::<usize>()]
    }

    /// The cell of a loan. `layer` is the outermost dimension.
    #[inline]
    pub(super) fn cell(&mut self, loan: &Loan<'_>, layer: usize) -> &mut Group {
        let step = |cell: usize, (cut, size): &(usize, usize)| cell * size + CUTS[*cut].group_of(loan, size - 1);
        let at = self.dimensions.iter().fold(layer, step);
        &mut self.groups[at]
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.groups.iter_mut().zip(&other.groups) {
            if theirs.count > 0 {
                ours.merge(theirs);
            }
        }
    }

    /// The groups of one strat, summed over all other dimensions; `None` when the strat is not in this table.
    pub(super) fn strat(&self, cut: usize) -> Option<Vec<Group>> {
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
    pub(super) fn layers(&self, layers: usize) -> Vec<Group> {
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
    pub(super) fn groups(&self) -> usize {
        match self.place {
            GroupIndex::Word(at) => Aliases::built_in().vocabularies()[at].canonical().len() + 1,
            GroupIndex::Number(_, bounds, _) => bounds.len() + 1,
        }
    }

    pub(super) fn labels(&self) -> Vec<String> {
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

    /// The filter of `GET /api/loans` for each group.
    pub(super) fn filters(&self) -> Vec<String> {
        let mut groups: Vec<String> = match self.place {
            GroupIndex::Word(_) => self.labels(),
            GroupIndex::Number(_, bounds, _) => {
                let show = |bound: i64| Decimal::from_micros(bound).with_min_decimals(0);
                let between = bounds.windows(2).map(|pair| format!("{}..<{}", show(pair[0]), show(pair[1])));
                let first = bounds.first().map(|bound| format!("..<{}", show(*bound)));
                let last = bounds.last().map(|bound| format!("{}..", show(*bound)));
                first.into_iter().chain(between).chain(last).chain(["missing".to_owned()]).collect()
            }
        };
        groups.iter_mut().for_each(|group| group.insert_str(0, &format!("{}=", self.field.name())));
        groups
    }

    #[inline]
    pub(super) fn group_of(&self, loan: &Loan<'_>, groups: usize) -> usize {
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
