//! Finds repeated loan numbers in bounded memory: 16 bytes an entry, at most 24 bytes a loan with the free room.
//!
//! The table keeps 96 bits of a keyed hash of each number: SipHash-1-3 under a key drawn anew for every run, so that no seller
//! can choose numbers that collide. For ten million loans the chance that any two different numbers are taken for one is below
//! 10^-15. The other 32 bits are the place of the first use.

use std::hash::Hasher;

use siphasher::sip128::SipHasher13;

/// The key under which a run hashes its loan numbers.
#[derive(Clone, Copy)]
pub struct NumberHasher(SipHasher13);

/// A loan number, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberKey {
    /// Shard of the number.
    shard: u8,
    /// The compared bits, which are the high 96; never zero.
    key: u128,
}

const PLACE_BITS: u32 = 32;

impl NumberHasher {
    /// A hasher with a key drawn from the system's randomness.
    pub fn random() -> Self {
        // The standard library's seed for hash maps is random enough here, so no other source of randomness is needed.
        let seed = || std::hash::BuildHasher::build_hasher(&std::collections::hash_map::RandomState::new()).finish();
        Self(SipHasher13::new_with_keys(seed(), seed()))
    }

    #[inline]
    pub fn key(&self, number: &str) -> NumberKey {
        let hash = self.0.hash(number.as_bytes());
        let key = (u128::from(hash.h2) << 64 | u128::from(hash.h1)) & !u128::from(u32::MAX);
        // Take the shard from bits that are not in the key. Avoid an all-zero key, which would mean an empty slot.
        NumberKey { shard: hash.h1 as u8, key: key | u128::from(key == 0) << PLACE_BITS }
    }
}

/// Number of shards, one for each value of a byte. The numbers are spread over shards so that growing moves only a small part at
/// a time.
const SHARDS: usize = 1 << u8::BITS;
const FIRST_SLOTS: usize = 16;
/// Largest number of loans for which room is made beforehand.
const MOST_EXPECTED: u64 = 1 << 24;
/// Shards with fewer slots than this double when they grow. All shards together then take less than 16 MiB.
const DOUBLING_SLOTS: usize = 2_048;

/// The loan numbers of a run so far, each with the place of its first use.
#[derive(Debug)]
pub struct LoanNumbers {
    shards: Vec<Shard>,
}

#[derive(Debug)]
struct Shard {
    /// Entries; zero is an empty slot. Collisions are resolved by linear probing.
    slots: Vec<u128>,
    used: usize,
}

impl LoanNumbers {
    /// A table that takes about `expected` numbers without growing. It grows when more come.
    pub fn with_room(expected: u64) -> Self {
        // The table is four fifths full if the estimate holds. The limit keeps a misleading start of a tape from reserving room
        // for more loans than any seller has.
        let slots = usize::try_from(expected.min(MOST_EXPECTED)).unwrap_or(0) / SHARDS * 5 / 4;
        let shard = || Shard { slots: vec![0; if slots < FIRST_SLOTS { 0 } else { slots }], used: 0 };
        Self { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Brings the entries of these numbers into the processor's cache, all at once. Lookups one after the other would each wait
    /// for memory. Changes nothing in the table.
    #[inline]
    pub fn warm(&self, keys: &[(u32, NumberKey)]) {
        let entry = |key: &NumberKey| {
            let slots = &self.shards[usize::from(key.shard)].slots;
            slots.get(place_in(key.key, slots.len())).map_or(0, |entry| *entry as u64)
        };
        std::hint::black_box(keys.iter().fold(0, |sum, (_, key)| sum ^ entry(key)));
    }

    /// Notes the use of a number at a place. Returns the place of the first use; `None` when this is the first.
    #[inline]
    pub fn first_use(&mut self, key: NumberKey, place: u32) -> Option<u32> {
        self.shards[usize::from(key.shard)].first_use(key.key | u128::from(place))
    }
}

impl Shard {
    fn first_use(&mut self, entry: u128) -> Option<u32> {
        // A shard is at most 85 % full, and a large one grows by a fifth: between 19 and 23 bytes for each loan.
        if self.used * 20 >= self.slots.len() * 17 {
            self.grow();
        }
        let mut at = place_in(entry, self.slots.len());
        loop {
            let found = self.slots[at];
            if found == 0 {
                self.slots[at] = entry;
                self.used += 1;
                return None;
            }
            if found >> PLACE_BITS == entry >> PLACE_BITS {
                return Some((found & u128::from(u32::MAX)) as u32);
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
    }

    #[cold]
    fn grow(&mut self) {
        let more = if self.slots.len() < DOUBLING_SLOTS { self.slots.len() } else { self.slots.len() / 5 };
        let size = (self.slots.len() + more).max(FIRST_SLOTS);
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        for entry in old.into_iter().filter(|entry| *entry != 0) {
            let mut at = place_in(entry, size);
            while self.slots[at] != 0 {
                at = if at + 1 == size { 0 } else { at + 1 };
            }
            self.slots[at] = entry;
        }
    }
}

/// Preferred slot of an entry among `size` slots: its high bits, scaled without a division.
fn place_in(entry: u128, size: usize) -> usize {
    (((entry >> 64) * size as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn finds_the_first_use_of_every_number() {
        let hasher = NumberHasher::random();
        let mut numbers = LoanNumbers::with_room(0);
        let mut expected: HashMap<String, u32> = HashMap::new();
        for place in 0..200_000_u32 {
            let number = format!("L-{}", u64::from(place) * 7_919 % 150_001);
            let first = numbers.first_use(hasher.key(&number), place);
            assert_eq!(first, expected.get(&number).copied(), "{number}");
            expected.entry(number).or_insert(place);
        }
    }

    #[test]
    fn numbers_are_compared_to_the_letter() {
        let hasher = NumberHasher::random();
        let mut numbers = LoanNumbers::with_room(0);
        for (place, number) in ["7", "07", "007", "a7", "A7", " 7", "7 "].into_iter().enumerate() {
            assert_eq!(numbers.first_use(hasher.key(number), place as u32), None, "{number}");
        }
        assert_eq!(numbers.first_use(hasher.key("A7"), 99), Some(4));
    }

    #[test]
    fn a_loan_takes_at_most_24_bytes() {
        let hasher = NumberHasher::random();
        let mut numbers = LoanNumbers::with_room(0);
        for place in 0..2_000_000_u32 {
            numbers.first_use(hasher.key(&place.to_string()), place);
            if place % 10_007 == 0 {
                let bytes: usize = numbers.shards.iter().map(|shard| shard.slots.capacity() * size_of::<u128>()).sum();
                assert!(bytes <= (24 * place as usize).max(16 << 20), "{bytes} bytes for {place} loans");
            }
        }
    }
}
