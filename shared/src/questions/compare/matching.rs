//! Matches the loans of two runs by their numbers.

use std::hash::Hasher as _;

use siphasher::sip128::SipHasher13;

use super::bits::RowSet;

/// The low bits of a key: the row of the loan. The high 96 bits are a keyed hash of its number. For ten million loans the chance that
/// any two different numbers are taken for one is below 10^-15.
const ROW_BITS: u32 = 32;
/// The row of a loan that is matched with none.
pub(super) const NONE: u32 = u32::MAX;

/// Hashes loan numbers under a key that is drawn anew for each comparison, so that no seller can choose numbers that collide.
#[derive(Debug, Clone, Copy)]
pub(super) struct NumberHasher(SipHasher13);

impl NumberHasher {
    pub(super) fn random() -> Self {
        let seed = || std::hash::BuildHasher::build_hasher(&std::collections::hash_map::RandomState::new()).finish();
        Self(SipHasher13::new_with_keys(seed(), seed()))
    }

    /// The key of a loan.
    #[inline]
    pub(super) fn key(&self, number: &str, row: u32) -> u128 {
        self.0.hash(number.as_bytes()).as_u128() << ROW_BITS | u128::from(row)
    }
}

fn number_of(key: u128) -> u128 {
    key >> ROW_BITS
}

fn row_of(key: u128) -> u32 {
    key as u32
}

/// Which loans of two runs are the same.
#[derive(Debug, Default)]
pub(super) struct Matching {
    /// For each loan of the base run the row of its partner, or [`NONE`].
    pub(super) partners: Vec<u32>,
    /// The loans of the other run that have a partner.
    pub(super) matched: RowSet,
}

impl Matching {
    /// Each loan of a run with itself, those without a number, too.
    pub(super) fn with_itself(rows: usize) -> Self {
        let mut matched = RowSet::new(rows);
        (0..rows).for_each(|row| matched.insert(row));
        Self { partners: (0..).take(rows).collect(), matched }
    }
}

/// Matches loans by their keys: of several loans of one number, the first with the first, the second with the second. Loans
/// without a key have no partner. The keys are in the order of the rows.
pub(super) fn match_loans(mut base: Vec<u128>, mut with: Vec<u128>, rows: [usize; 2]) -> Matching {
    let mut found = Matching { partners: vec![NONE; rows[0]], matched: RowSet::new(rows[1]) };
    let mut pair = |base: u128, with: u128| {
        if let Some(partner) = found.partners.get_mut(row_of(base) as usize) {
            *partner = row_of(with);
        }
        found.matched.insert(row_of(with) as usize);
    };
    // Two runs of tapes that begin alike have the same numbers in the same order there, whatever is repeated among them.
    let same = base.iter().zip(&with).take_while(|(base, with)| number_of(**base) == number_of(**with)).count();
    base.iter().zip(&with).take(same).for_each(|(base, with)| pair(*base, *with));
    base.drain(..same);
    with.drain(..same);
    // Equal numbers come in the order of their rows.
    std::thread::scope(|scope| {
        scope.spawn(|| base.sort_unstable());
        with.sort_unstable();
    });
    let (mut base, mut with) = (base.into_iter().peekable(), with.into_iter().peekable());
    while let (Some(one), Some(other)) = (base.peek().copied(), with.peek().copied()) {
        match number_of(one).cmp(&number_of(other)) {
            std::cmp::Ordering::Equal => {
                pair(one, other);
                base.next();
                with.next();
            }
            std::cmp::Ordering::Less => _ = base.next(),
            std::cmp::Ordering::Greater => _ = with.next(),
        }
    }
    found
}
