//! Which loans of a run were in earlier runs.

use serde::Serialize;
use utoipa::ToSchema;

use sha2::{Digest as _, Sha256};

use crate::{hex::hex, phases::disposition::Disposition, tape::text::Fingerprint};

use super::{NumberMark, marks_of};

/// What earlier runs say about the loans of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct SeenBefore {
    #[serde(flatten)]
    #[schema(inline)]
    pub loans: SeenLoans,
    /// Number of earlier runs of tapes with the same content. Their loans are the same, so they count nowhere else.
    #[schema(example = 1)]
    pub same_tape_runs: u64,
    /// Number of earlier runs whose loans were compared: of the newest 500 of the last 90 days, all whose index of loan numbers is kept.
    #[schema(example = 12)]
    pub runs_looked_at: u64,
    /// Number of earlier runs among the newest 500 of the last 90 days whose loans were not compared: their index of loan numbers is not
    /// kept, or the indexes before it had 4 GiB.
    #[schema(example = 0)]
    pub runs_not_looked_at: u64,
}

/// Numbers of loans that were in earlier runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SeenLoans {
    /// Number of loans whose number is in an earlier run.
    #[schema(example = 3)]
    pub loans: u64,
    /// Number of those that an earlier run bought.
    #[schema(example = 1)]
    pub bought_before: u64,
    /// Number of those that an earlier run rejected. A loan may have been rejected in one run and bought in another.
    #[schema(example = 2)]
    pub rejected_before: u64,
}

/// What tells whether two runs read the same content: a hash of the hashes of their tapes, in any order.
pub fn content_of(tapes: &[(String, Fingerprint)]) -> String {
    let mut hashes: Vec<&str> = tapes.iter().map(|(_, tape)| tape.sha256.as_str()).collect();
    hashes.sort_unstable();
    hex(&Sha256::digest(hashes.join("\n")))
}

const SEEN: u8 = 1;
const BOUGHT: u8 = 2;
const REJECTED: u8 = 4;

/// The loan numbers of a run, with what earlier runs say about each: 9 bytes for each loan.
#[derive(Debug, Default)]
pub struct OwnNumbers {
    hashes: Vec<u64>,
    seen: Vec<u8>,
}

impl OwnNumbers {
    /// The numbers with these marks, of which no earlier run says anything yet.
    pub fn new(marks: impl Iterator<Item = NumberMark>) -> Self {
        let mut hashes: Vec<u64> = marks.filter(|mark| *mark != NumberMark::NONE).map(NumberMark::hash).collect();
        hashes.sort_unstable();
        Self { seen: vec![0; hashes.len()], hashes }
    }

    /// Compares the numbers with whole entries of the index of an earlier run. The order of the entries does not matter; the comparison
    /// takes the least time where they are sorted.
    pub fn meet(&mut self, entries: &[u8]) {
        let mut from = 0;
        let mut before = 0;
        for mark in marks_of(entries) {
            let hash = mark.hash();
            if hash < before {
                from = 0;
            }
            before = hash;
            from += reach(&self.hashes[from..], hash);
            let same = self.hashes[from..].iter().take_while(|own| **own == hash).count();
            let says = SEEN
                | match mark.disposition() {
                    Some(Disposition::ToPurchase) => BOUGHT,
                    Some(Disposition::Rejected) => REJECTED,
                    Some(Disposition::Projected) | None => 0,
                };
            self.seen[from..from + same].iter_mut().for_each(|seen| *seen |= says);
        }
    }

    /// What the earlier runs so far say.
    pub fn totals(&self) -> SeenLoans {
        let count = |says: u8| self.seen.iter().filter(|seen| **seen & says != 0).count() as u64;
        SeenLoans { loans: count(SEEN), bought_before: count(BOUGHT), rejected_before: count(REJECTED) }
    }
}

/// Number of hashes that are below one. Steps that double find the place: it is near where the loans are many on both sides.
fn reach(sorted: &[u64], hash: u64) -> usize {
    let mut step = 1;
    while step < sorted.len() && sorted[step - 1] < hash {
        step *= 2;
    }
    let from = step / 2;
    from + sorted[from..step.min(sorted.len())].partition_point(|own| *own < hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::IndexWriter;

    type Loans = Vec<(String, Disposition)>;

    fn marks(loans: &Loans) -> Vec<NumberMark> {
        loans.iter().map(|(number, disposition)| NumberMark::new(number, *disposition)).collect()
    }

    fn index(loans: &Loans) -> Vec<u8> {
        let mut index = IndexWriter::new(Vec::new());
        index.add(&marks(loans)).unwrap();
        index.finish().unwrap()
    }

    fn some_loans() -> impl Strategy<Value = Loans> {
        let loan = ("[a-d]{0,3}", prop::sample::select(Disposition::ALL.to_vec()));
        prop::collection::vec(loan, 0..60)
    }

    proptest! {
        #[test]
        fn loans_are_seen_as_a_search_of_all_earlier_loans_sees_them(
            own in some_loans(),
            earlier in prop::collection::vec(some_loans(), 0..5),
        ) {
            let mut numbers = OwnNumbers::new(marks(&own).into_iter());
            earlier.iter().for_each(|loans| numbers.meet(&index(loans)));
            let all: Loans = earlier.into_iter().flatten().collect();
            let count = |is: fn(Disposition) -> bool| {
                let known = |number: &String| all.iter().any(|(other, then)| other == number && is(*then));
                own.iter().filter(|(number, _)| !number.is_empty() && known(number)).count() as u64
            };
            let expected = SeenLoans {
                loans: count(|_| true),
                bought_before: count(|then| then == Disposition::ToPurchase),
                rejected_before: count(|then| then == Disposition::Rejected),
            };
            prop_assert_eq!(numbers.totals(), expected);
        }
    }
}
