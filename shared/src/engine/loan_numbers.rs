//! Finding repeated loan numbers in bounded memory: 16 bytes an entry, at most 24 bytes a loan with the free room.
//!
//! A number is kept as 96 bits of a keyed hash (SipHash-1-3 under a key drawn anew for every run), so that no seller can
//! choose numbers that collide. For ten million loans the chance that any two different numbers are taken for one is below
//! 10^-15. The other 32 bits say where the number was used first.

use std::hash::Hasher;

use siphasher::sip128::SipHasher13;

/// The key under which a run hashes its loan numbers.
#[derive(Clone, Copy)]
pub struct NumberHasher(SipHasher13);

/// A loan number, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberKey {
    /// Which shard it belongs to.
    shard: u8,
    /// What is compared, in the high 96 bits; never zero.
    key: u128,
}

const PLACE_BITS: u32 = 32;

impl NumberHasher {
    /// A hasher with a key drawn from the system's randomness.
    pub fn random() -> Self {
        // The standard library's own seed for hash maps: no other source of randomness is needed here.
        let seed = || std::hash::BuildHasher::build_hasher(&std::collections::hash_map::RandomState::new()).finish();
        Self(SipHasher13::new_with_keys(seed(), seed()))
    }

    /// Hashes a loan number.
    #[inline]
    pub fn key(&self, number: &str) -> NumberKey {
        let hash = self.0.hash(number.as_bytes());
        let key = (u128::from(hash.h2) << 64 | u128::from(hash.h1)) & !u128::from(u32::MAX);
        // The shard comes from bits that the key does not hold. An all-zero key would mean an empty slot.
        NumberKey { shard: hash.h1 as u8, key: key | u128::from(key == 0) << PLACE_BITS }
    }
}

/// The shards among which the numbers are spread, so that growing moves only a small part at a time: one for each byte.
const SHARDS: usize = 1 << u8::BITS;
const FIRST_SLOTS: usize = 16;
/// The most loans for which room is made beforehand.
const MOST_EXPECTED: u64 = 1 << 24;
/// Shards smaller than this double: all of them together are then below 16 MiB.
const DOUBLING_SLOTS: usize = 2_048;

/// All loan numbers of a run so far, each with the place of its first use.
#[derive(Debug)]
pub struct LoanNumbers {
    shards: Vec<Shard>,
}

#[derive(Debug)]
struct Shard {
    /// Entries, or zero; linear probing.
    slots: Vec<u128>,
    used: usize,
}

impl LoanNumbers {
    /// Room for about `expected` numbers, without growing; more may come.
    pub fn with_room(expected: u64) -> Self {
        // Four fifths full, if the estimate holds. A tape whose beginning promises more loans than anyone sells gets no more.
        let slots = usize::try_from(expected.min(MOST_EXPECTED)).unwrap_or(0) / SHARDS * 5 / 4;
        let shard = || Shard { slots: vec![0; if slots < FIRST_SLOTS { 0 } else { slots }], used: 0 };
        Self { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Brings the entries of these numbers into the cache, all at once: taken one after the other, each would wait for
    /// memory. Changes nothing.
    #[inline]
    pub fn warm(&self, keys: &[(u32, NumberKey)]) {
        let entry = |key: &NumberKey| {
            let slots = &self.shards[usize::from(key.shard)].slots;
            slots.get(place_in(key.key, slots.len())).map_or(0, |entry| *entry as u64)
        };
        std::hint::black_box(keys.iter().fold(0, |sum, (_, key)| sum ^ entry(key)));
    }

    /// Notes the use of a number at a place; the place of its first use, when this is not it.
    #[inline]
    pub fn first_use(&mut self, key: NumberKey, place: u32) -> Option<u32> {
        self.shards[usize::from(key.shard)].first_use(key.key | u128::from(place))
    }
}

impl Shard {
    fn first_use(&mut self, entry: u128) -> Option<u32> {
        // At most 85 % full, and once it is large growing by a fifth: between 19 and 23 bytes for each loan.
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

/// Where an entry would like to stand among `size` slots: its high bits, scaled without a division.
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
