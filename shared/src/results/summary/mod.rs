//! The summary of a run: counts, balances, weighted averages, strats.

mod figures;
mod groups;
mod lives;
mod pools;
mod prices;
mod programs;
mod reason_figures;
mod reasons;
mod samples;
mod strats;
mod tally;
mod totals;
mod waivers;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    decimal::ExactSum,
    loan::OrdinaryLoan,
    phases::{
        Exception,
        disposition::{Decided, Disposition},
        pricing::Price,
    },
    rules::{ExceptionKind, Severity, rule_set::RuleSet},
};

use super::csv::push_text;

pub use self::figures::{
    Averages, BestLoans, Bucket, DispositionSummary, Dispositions, EligibilityChecks, ExceptionFinding, ProgramSummary, Strat,
    Summary,
};
pub use self::pools::{PoolResult, PoolStatus};
pub use self::reason_figures::{Held, OnlyReason, Pair, Reason, Reasons, Sample, Samples, Step};
pub use self::totals::{LoanShare, LoanTotals, PoolTally};
use self::{
    figures::{averages, bucket},
    groups::{Group, Share},
    lives::Lives,
    pools::PoolCounts,
    prices::PriceStrat,
    programs::ProgramCounts,
    reasons::ReasonCounts,
    samples::FoundSample,
    strats::{CUTS, CrossTable, DISPOSITIONS_IN, TABLES, groups_of},
    waivers::WaiverCounts,
};

/// Counts and first message of one kind of exception.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Findings {
    /// The kind; `None` until it is found.
    kind: Option<ExceptionKind>,
    count: u64,
    loans: u64,
    severity: Option<Severity>,
    /// Message of the first exception.
    sample: Option<String>,
    first: Vec<FoundSample>,
}

/// Place of the findings of a kind with a severity.
fn findings_place(id: u16, severity: Severity) -> usize {
    2 * usize::from(id) + usize::from(severity == Severity::Soft)
}

/// The summary in progress of a run, or of a part of it.
#[derive(Debug, Clone)]
pub struct SummaryBuilder {
    counts: [u64; Disposition::ALL.len()],
    /// Number of exceptions of rejected loans, which is the number of rows of the rejection report.
    reported: u64,
    /// Number of loans with a price.
    priced: u64,
    tables: [CrossTable; TABLES.len()],
    /// By the id of the kind and the severity. Kinds that are not found yet may be missing at the end.
    findings: Vec<Findings>,
    /// The programs of the rule set, in order.
    programs: Vec<ProgramCounts>,
    /// WAL and duration of the loans of each disposition.
    lives: [Lives; Disposition::ALL.len()],
    /// What the pool tests need.
    pools: PoolCounts,
    /// What waivers do.
    waivers: WaiverCounts,
    /// The loans that are not rejected, by their prices.
    prices: PriceStrat,
    /// Why loans are rejected or held.
    reasons: ReasonCounts,
    /// Index of the tape whose loans are added.
    tape: u32,
}

impl Default for SummaryBuilder {
    fn default() -> Self {
        let layers = |table| if table == DISPOSITIONS_IN { Disposition::ALL.len() } else { 1 };
        Self {
            counts: Default::default(),
            reported: 0,
            priced: 0,
            tables: std::array::from_fn(|table| CrossTable::new(TABLES[table], layers(table))),
            findings: Vec::new(),
            programs: Vec::new(),
            lives: Default::default(),
            pools: PoolCounts::default(),
            waivers: WaiverCounts::default(),
            prices: PriceStrat::default(),
            reasons: ReasonCounts::default(),
            tape: 0,
        }
    }
}

/// The stored form of a part's summary. Of the tables it has only the groups with loans, each with its index.
#[derive(Serialize, Deserialize)]
struct Handed {
    counts: [u64; Disposition::ALL.len()],
    reported: u64,
    priced: u64,
    tables: [Vec<(u32, Group)>; TABLES.len()],
    findings: Vec<Findings>,
    programs: Vec<ProgramCounts>,
    lives: [Lives; Disposition::ALL.len()],
    pools: PoolCounts,
    waivers: WaiverCounts,
    prices: Vec<(u32, Group)>,
    reasons: ReasonCounts,
}

impl Serialize for SummaryBuilder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { counts, reported, priced, tables, findings, programs, lives, pools, waivers, prices, reasons, tape: _ } = self;
        let tables = tables.each_ref().map(|table| filled(&table.groups));
        Handed {
            counts: *counts,
            reported: *reported,
            priced: *priced,
            tables,
            findings: findings.clone(),
            programs: programs.clone(),
            lives: lives.clone(),
            pools: pools.clone(),
            waivers: waivers.clone(),
            prices: filled(&prices.groups),
            reasons: reasons.clone(),
        }
        .serialize(serializer)
    }
}

/// The groups with loans, each with its index.
fn filled(groups: &[Group]) -> Vec<(u32, Group)> {
    (0..).zip(groups).filter(|(_, group)| group.count > 0).map(|(at, group)| (at, group.clone())).collect()
}

impl<'de> Deserialize<'de> for SummaryBuilder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Handed { counts, reported, priced, tables, findings, programs, lives, pools, waivers, prices, reasons } =
            Handed::deserialize(deserializer)?;
        let mut summary =
            Self { counts, reported, priced, findings, programs, lives, pools, waivers, reasons, ..Self::default() };
        let strats = summary.tables.iter_mut().map(|table| &mut table.groups).zip(tables);
        for (strat, groups) in strats.chain([(&mut summary.prices.groups, prices)]) {
            for (at, group) in groups {
                let place = strat.get_mut(at as usize).ok_or_else(|| D::Error::custom("a group of no strat"))?;
                *place = group;
            }
        }
        Ok(summary)
    }
}

impl SummaryBuilder {
    /// Prepares counting the loans of a block of the tape with this index.
    pub fn begin(&mut self, rules: &RuleSet, tape: usize) {
        self.begin_programs(rules);
        self.reasons.begin(rules);
        self.tape = u32::try_from(tape).unwrap_or(u32::MAX);
    }

    /// Adds a loan.
    #[inline]
    pub fn add(&mut self, decided: &Decided<'_, '_>) {
        let place = (self.total_loans(), self.tape);
        let share = Share::of(decided.loan, decided.price);
        let layer = decided.disposition as usize;
        self.counts[layer] += 1;
        self.priced += u64::from(decided.price.is_some());
        if decided.disposition == Disposition::Rejected {
            self.reported += decided.exceptions.iter().filter(|exception| !exception.is_waived()).count() as u64;
        }
        for (at, table) in self.tables.iter_mut().enumerate() {
            table.cell(decided.loan, if at == DISPOSITIONS_IN { layer } else { 0 }).add(&share);
        }
        self.add_to_programs(decided, &share);
        self.lives[layer].add(decided.loan, decided.price);
        if decided.disposition != Disposition::Rejected {
            self.prices.add(decided.price, &share);
        }
        self.reasons.add(decided);
        self.add_to_pools(decided.loan, decided.disposition);
        self.waivers.add(decided);
        for (nth, exception) in decided.exceptions.iter().enumerate().filter(|(_, exception)| !exception.is_waived()) {
            let is_same =
                |earlier: &Exception<'_>| earlier.kind.id == exception.kind.id && earlier.severity == exception.severity;
            let is_first = !decided.exceptions[..nth].iter().any(is_same);
            let findings = self.findings_at(findings_place(exception.kind.id, exception.severity));
            findings.count += 1;
            findings.loans += u64::from(is_first);
            findings.severity = Some(exception.severity);
            if findings.kind.is_none() {
                findings.kind = Some(exception.kind.clone());
            }
            if findings.sample.is_none() {
                findings.sample = Some(exception.evidence.message.clone());
            }
            samples::keep(&mut findings.first, exception, decided, place);
        }
    }

    /// Adds an ordinary loan that is bought. Returns `false` and adds nothing when its numbers are too large for narrow sums.
    #[inline]
    pub fn add_bought(&mut self, loan: &OrdinaryLoan<'_>, price: Price, program: u16) -> bool {
        let Some(share) = Share::ordinary(loan, price) else { return false };
        self.counts[Disposition::ToPurchase as usize] += 1;
        self.priced += 1;
        self.add_bought_to_programs(program, &share);
        self.lives[Disposition::ToPurchase as usize].add_bought(loan, price);
        let groups = groups_of(loan);
        // Bought loans are in the first layer.
        for (table, cuts) in self.tables.iter_mut().zip(TABLES) {
            table.bought_cell(&groups, cuts).add(&share);
        }
        self.prices.add(Some(price), &share);
        true
    }

    /// Adds the summary of the next part. Parts are merged in tape order, because the sample message is that of the first
    /// exception.
    pub fn merge(&mut self, next: &Self) {
        let before = self.total_loans();
        for (ours, theirs) in self.counts.iter_mut().zip(next.counts) {
            *ours += theirs;
        }
        self.reported += next.reported;
        self.priced += next.priced;
        for (ours, theirs) in self.tables.iter_mut().zip(&next.tables) {
            ours.merge(theirs);
        }
        self.merge_programs(&next.programs);
        self.lives.iter_mut().zip(&next.lives).for_each(|(ours, theirs)| ours.merge(theirs));
        self.merge_pools(&next.pools);
        self.waivers.merge(&next.waivers);
        self.prices.merge(&next.prices);
        self.reasons.merge(&next.reasons);
        for (at, theirs) in next.findings.iter().enumerate() {
            let ours = self.findings_at(at);
            ours.count += theirs.count;
            ours.loans += theirs.loans;
            ours.severity = ours.severity.or(theirs.severity);
            if ours.kind.is_none() {
                ours.kind.clone_from(&theirs.kind);
            }
            if ours.sample.is_none() {
                ours.sample.clone_from(&theirs.sample);
            }
            samples::merge(&mut ours.first, &theirs.first, before);
        }
    }

    fn findings_at(&mut self, at: usize) -> &mut Findings {
        if self.findings.len() <= at {
            self.findings.resize_with(at + 1, Findings::default);
        }
        &mut self.findings[at]
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

    /// Number of loans with a price.
    pub fn priced(&self) -> u64 {
        self.priced
    }

    /// Number of kinds of exceptions that were found.
    pub fn exception_kinds(&self) -> u64 {
        self.findings.iter().filter(|findings| findings.count > 0).count() as u64
    }

    pub fn exceptions_count(&self) -> u64 {
        self.findings.iter().map(|findings| findings.count).sum::<u64>() + self.waivers.waived()
    }

    fn by_disposition(&self) -> Vec<Group> {
        self.tables[DISPOSITIONS_IN].layers(Disposition::ALL.len())
    }

    /// The exact sum of the readable loan amounts with a disposition, in dollars.
    pub fn balance(&self, disposition: Disposition) -> ExactSum {
        self.by_disposition()[disposition as usize].balance()
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
            let ExceptionKind { name, category, rejection_criteria, .. } = &finding.kind;
            for text in [name, category, finding.severity.as_str(), &count, rejection_criteria] {
                push_text(&mut out, text);
                out.push(b',');
            }
            push_text(&mut out, &finding.sample_message);
            out.push(b'\n');
        }
        out
    }

    /// Why loans are rejected and held, with their balances.
    pub fn reasons(&self) -> Reasons {
        let kind = |id: u16| {
            let of = |severity| self.findings.get(findings_place(id, severity)).and_then(|findings| findings.kind.as_ref());
            of(Severity::Hard).or_else(|| of(Severity::Soft))
        };
        let programs: Vec<&str> = self.programs.iter().map(ProgramCounts::name).collect();
        self.reasons.finish(kind, &programs)
    }

    /// The first exceptions of each type and severity, most frequent first. `tapes` are the names of the tapes of the run.
    pub fn samples(&self, tapes: &[&str]) -> Vec<Samples> {
        let found = |findings: &Findings| {
            let samples = Samples {
                exception_type: findings.kind.as_ref()?.name.clone().into_owned(),
                severity: findings.severity?,
                exceptions: findings.first.iter().map(|sample| sample.finish(tapes)).collect(),
            };
            Some((findings.count, samples))
        };
        let mut samples: Vec<(u64, Samples)> = self.findings.iter().filter_map(found).collect();
        samples.sort_by(|(one, a), (other, b)| other.cmp(one).then_with(|| a.exception_type.cmp(&b.exception_type)));
        samples.into_iter().map(|(_, samples)| samples).collect()
    }

    /// The finished summary.
    pub fn finish(&self) -> Summary {
        let total_balance = self.total_balance();
        let by_disposition = self.by_disposition();
        let of = |disposition: Disposition| {
            let group = &by_disposition[disposition as usize];
            let paid = disposition == Disposition::ToPurchase;
            let dollars_to_pay = if paid { group.dollars_to_pay() } else { None };
            let [wa_wal, wa_duration] = self.lives[disposition as usize].averages();
            DispositionSummary { totals: averages(group), wa_price: group.average_price(), wa_wal, wa_duration, dollars_to_pay }
        };
        let strats = CUTS.iter().enumerate().map(|(at, cut)| {
            let groups = self.tables.iter().find_map(|table| table.strat(at)).unwrap_or_default();
            let named = cut.labels().into_iter().zip(cut.filters()).zip(&groups);
            let buckets = named.map(|(names, group)| bucket(names, group, &total_balance));
            Strat { by: cut.field.name(), buckets: buckets.collect() }
        });
        let strats = strats.chain([self.prices.finish(&total_balance)]).collect();
        let found = |findings: &Findings| {
            Some(ExceptionFinding {
                kind: findings.kind.clone()?,
                severity: findings.severity?,
                count: findings.count,
                loans: findings.loans,
                sample_message: findings.sample.clone().unwrap_or_default(),
            })
        };
        let mut exceptions: Vec<ExceptionFinding> = self.findings.iter().filter_map(found).collect();
        exceptions.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.kind.name.cmp(&b.kind.name)));
        let programs = self.programs.iter().map(|program| program.finish(&self.findings)).collect();
        let counts = |name: fn(&ExceptionFinding) -> &str| {
            let mut counts = BTreeMap::new();
            for finding in &exceptions {
                *counts.entry(name(finding).to_owned()).or_insert(0) += finding.count;
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
                waived: self.waivers.waived(),
                exceptions_by_type: counts(|finding| &finding.kind.name),
                exceptions_by_severity: counts(|finding| finding.severity.as_str()),
                exceptions_by_category: counts(|finding| &finding.kind.category),
            },
            dispositions: Dispositions {
                to_purchase: of(Disposition::ToPurchase),
                projected: of(Disposition::Projected),
                rejected: of(Disposition::Rejected),
            },
            strats,
            programs,
            pool_tests: self.pool_tests(),
            unused_waivers: self.waivers.unused(),
            exceptions,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::loan::{Field, FieldKind, Loan, NUMBERS, NumberCell, WordCell};

    use super::{
        groups::{AVERAGED_AT, BALANCE_AT},
        strats::{AMOUNT_BOUNDS, GroupIndex, LTV_BOUNDS, RATE_BOUNDS, SCORE_BOUNDS},
        *,
    };

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
