//! What a loan is worth: its payments discounted at the target yield.
//!
//! The formulas are those of the Bond Market Association, *Standard Formulas* (1 February 1999), SF-4 to SF-20, summed from the last
//! month back to the first one. With ρ the share of the scheduled balance that is left after a month and q = 1 − ρ the share that is
//! paid, a month turns the worth W of the months behind it into
//!
//! > `v × (stay × coupon + prepay + default × recovery) + v × survive × (q + ρ × W)`
//!
//! where `survive = stay − prepay`. The other sums have the same form. `quote` bounds their rounding errors.

use super::{
    assumptions::{Discount, MAX_LAG, Rates, Step},
    double::Double,
    number::Number,
};

/// When a loan pays, in months.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// Months left, 1 to 600.
    pub term: u32,
    /// Age of the loan.
    pub age: u32,
    /// Months still to come in which only interest is paid; at most the months left.
    pub interest_only: u32,
    /// Months from the last interest-only one over which level payments amortise the balance: at least as many as are left then. What
    /// remains at the end of the term is a balloon.
    pub amortization: u32,
}

impl Schedule {
    /// The schedule of a loan with terms that count from its origination: in the first `interest_only_term` months only interest is
    /// paid, and level payments amortise the balance at the end of `amortization_term` months. `None`: at the end of the term.
    pub fn from_origination(term: u32, age: u32, interest_only_term: u32, amortization_term: Option<u32>) -> Self {
        let interest_only = interest_only_term.saturating_sub(age).min(term);
        let amortization = amortization_term.map_or(0, |months| months.saturating_sub(age).saturating_sub(interest_only));
        Self { term, age, interest_only, amortization: amortization.max(term - interest_only) }
    }
}

/// A number of discounted payments, and the same number of principal payments.
pub type Pair<N> = [N; 2];

/// The sums that make price, WAL and duration, of a balance of 1: of discounted payments, and of principal.
#[derive(Debug, Clone, Copy)]
pub struct Sums<N> {
    pub paid: Pair<N>,
    /// Each payment times its time in months, without the delay of payments.
    pub paid_time: Pair<N>,
}

/// What a month adds to the sums, at one age.
#[derive(Debug, Clone, Copy)]
struct MonthTerms<N> {
    /// Whatever the schedule: prepayments, and recoveries of what defaults.
    base: Pair<N>,
    /// For each unit of the coupon.
    coupon: N,
    /// For each unit of the scheduled balance that is paid, or that the months behind are worth.
    survive: Pair<N>,
    /// How much later than the month recoveries come: each payment times its months.
    later: Pair<N>,
    /// Share that defaults, of loans with advances.
    default: N,
}

/// Assumptions at a target yield, as the sums need them.
#[derive(Debug, Clone)]
pub struct Terms<N> {
    /// By age from 1. The last one holds on.
    months: Vec<MonthTerms<N>>,
    /// The same in the last months of a loan, which are too late for a default.
    last_months: Vec<MonthTerms<N>>,
    lag: u32,
    /// `None` without advances.
    advances: Option<AdvanceTerms<N>>,
}

#[derive(Debug, Clone, Copy)]
struct AdvanceTerms<N> {
    severity: N,
    /// Worth of a payment in one month.
    month: N,
}

impl<N: Number> Terms<N> {
    pub fn new(rates: &Rates, discount: &Discount) -> Self {
        let month = discount.month;
        let lag = Double::from_integer(rates.lag.into());
        let recovered = if rates.advances { Double::ZERO } else { Double::ONE - rates.severity };
        let terms = |step: &Step| {
            let Step { default, stay, prepay, survive } = *step;
            let recovery = [month * month.power(rates.lag) * default * recovered, default * recovered];
            let [worth, principal] = recovery;
            MonthTerms {
                base: [month * prepay + worth, prepay + principal].map(N::nearest),
                coupon: N::nearest(month * stay),
                survive: [month * survive, survive].map(N::nearest),
                later: [worth * lag, principal * lag].map(N::nearest),
                default: N::nearest(default),
            }
        };
        Self {
            months: rates.steps.iter().map(terms).collect(),
            last_months: rates.last_steps.iter().map(terms).collect(),
            lag: rates.lag,
            advances: rates.advances.then(|| AdvanceTerms { severity: N::nearest(rates.severity), month: N::nearest(month) }),
        }
    }

    /// Number of ages, of which the last one holds on.
    pub fn ages(&self) -> usize {
        self.months.len()
    }

    pub fn has_advances(&self) -> bool {
        self.advances.is_some()
    }

    /// The sums of a loan. `growth` is 1 + the monthly note rate and `coupon` the monthly note rate less the servicing fee, as
    /// fractions.
    pub fn sums(&self, schedule: &Schedule, growth: N, coupon: N) -> Sums<N> {
        let mut months = Months::new(schedule, growth);
        let mut sums = Sums { paid: [N::ZERO; 2], paid_time: [N::ZERO; 2] };
        let mut defaulted = self.advances.map(|terms| Advances::new(terms, self.lag, coupon));
        let last = self.months.len() - 1;
        let oldest = (schedule.age + schedule.term) as usize;
        let mut done = 0;
        while done < schedule.term {
            // Months with the same terms make a loop of their own, which is the fastest part of pricing a loan.
            let at = last.min(oldest - 1 - done as usize);
            let alike = if at == last { oldest - last - done as usize } else { 1 };
            let is_late = done < self.lag;
            let end = (done + alike as u32).min(if is_late { self.lag } else { schedule.term }).min(schedule.term);
            let terms = if is_late { &self.last_months[at] } else { &self.months[at] };
            let [worth, principal] = terms.base;
            let base = [worth + terms.coupon * coupon, principal];
            for _ in done..end {
                let paid = months.previous();
                let mut more = Sums { paid: base, paid_time: terms.later };
                if let Some(defaulted) = &mut defaulted {
                    defaulted.note(paid);
                    if !is_late {
                        defaulted.add_to(&mut more, terms.default);
                    }
                }
                for of in 0..2 {
                    let scheduled = terms.survive[of] * paid;
                    let behind = terms.survive[of] - scheduled;
                    sums.paid[of] = (more.paid[of] + scheduled) + behind * sums.paid[of];
                    sums.paid_time[of] = (sums.paid[of] + more.paid_time[of]) + behind * sums.paid_time[of];
                }
            }
            done = end;
        }
        sums
    }
}

/// The scheduled months of a loan, from the last one back.
struct Months<N> {
    /// 1 + the monthly note rate.
    growth: N,
    /// Worth of level payments of 1, at the end of the last of them.
    payments: N,
    amortizing: u32,
    next: u32,
}

impl<N: Number> Months<N> {
    fn new(schedule: &Schedule, growth: N) -> Self {
        let amortizing = schedule.term - schedule.interest_only;
        let mut payments = N::ZERO;
        for _ in amortizing..schedule.amortization {
            payments = N::ONE + growth * payments;
        }
        Self { growth, payments, amortizing, next: 0 }
    }

    /// The share of the scheduled balance that is paid in the month before.
    #[inline(always)]
    fn previous(&mut self) -> N {
        self.next += 1;
        if self.next <= self.amortizing {
            self.payments = N::ONE + self.growth * self.payments;
            // In the last month of the term, everything that is left is paid.
            if self.next > 1 { N::ONE / self.payments } else { N::ONE }
        } else if self.next == 1 {
            N::ONE
        } else {
            N::ZERO
        }
    }
}

/// The share of the scheduled balance that is paid in each month, from the last month back to the first one.
pub fn paid_shares<N: Number>(schedule: &Schedule, growth: N) -> impl Iterator<Item = N> {
    let mut months = Months::new(schedule, growth);
    (0..schedule.term).map(move |_| months.previous())
}

/// Number of months that recoveries look back, and the month itself.
const ROOM: usize = MAX_LAG as usize + 1;

/// What is paid for loans that default, when interest and principal are advanced until the recovery.
struct Advances<N> {
    terms: AdvanceTerms<N>,
    coupon: N,
    /// Number of months from default to recovery.
    lag: usize,
    /// The shares of the scheduled balance that are paid in the month that was noted last, and in those behind it.
    paid: [N; ROOM],
    noted: usize,
}

impl<N: Number> Advances<N> {
    fn new(terms: AdvanceTerms<N>, lag: u32, coupon: N) -> Self {
        Self { terms, coupon, lag: lag as usize, paid: [N::ZERO; ROOM], noted: 0 }
    }

    fn note(&mut self, paid: N) {
        self.noted += 1;
        self.paid[self.noted % ROOM] = paid;
    }

    /// Adds what is paid for the share that defaults in the month that was noted last.
    fn add_to(&self, sums: &mut Sums<N>, share: N) {
        let AdvanceTerms { severity, month } = self.terms;
        let (mut balance, mut worth_of_one, mut time) = (share, month, N::ZERO);
        let mut pay = |principal: N, interest: N, worth_of_one: N, time: N| {
            let amounts = [worth_of_one * (principal + interest), principal];
            for (of, amount) in amounts.into_iter().enumerate() {
                sums.paid[of] = sums.paid[of] + amount;
                sums.paid_time[of] = sums.paid_time[of] + amount * time;
            }
        };
        for months in 0..self.lag {
            let paid = self.paid[(self.noted - months) % ROOM];
            let principal = balance * paid;
            pay(principal, balance * self.coupon, worth_of_one, time);
            balance = balance - principal;
            worth_of_one = worth_of_one * month;
            time = time + N::ONE;
        }
        let loss = share * severity;
        let recovery = if balance > loss { balance - loss } else { N::ZERO };
        pay(recovery, balance * self.coupon, worth_of_one, time);
    }
}
