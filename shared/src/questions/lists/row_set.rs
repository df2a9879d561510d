//! A set of places in a file.

use std::ops::Range;

/// A set of places, one bit for each row of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSet {
    words: Vec<u64>,
}

impl RowSet {
    /// A set without places, with room for `rows` rows.
    pub fn none(rows: u64) -> Self {
        Self { words: vec![0; usize::try_from(rows.div_ceil(64)).unwrap_or(usize::MAX)] }
    }

    /// All places below `rows`.
    pub fn all(rows: u64) -> Self {
        let mut set = Self::none(rows);
        set.words.fill(u64::MAX);
        if let Some(last) = set.words.last_mut().filter(|_| !rows.is_multiple_of(64)) {
            *last = (1 << (rows % 64)) - 1;
        }
        set
    }

    /// Adds a place. A place without room makes room.
    pub fn add(&mut self, row: u64) {
        let at = usize::try_from(row / 64).unwrap_or(usize::MAX);
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        self.words[at] |= 1 << (row % 64);
    }

    /// Removes those of the given places that `keep` rejects. `keep` gets the distance of a place from the first of them.
    pub fn retain(&mut self, places: &Range<u64>, mut keep: impl FnMut(usize) -> bool) {
        let (first, end) = ((places.start / 64) as usize, (places.end.div_ceil(64) as usize).min(self.words.len()));
        for at in first..end {
            for bit in bits(self.words[at]) {
                let row = at as u64 * 64 + bit;
                if places.contains(&row) && !keep((row - places.start) as usize) {
                    self.words[at] &= !(1 << bit);
                }
            }
        }
    }

    pub fn has(&self, row: u64) -> bool {
        self.words.get((row / 64) as usize).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Keeps the places that the other set has.
    pub fn keep(&mut self, other: &Self) {
        for (at, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(at).copied().unwrap_or(0);
        }
    }

    /// Removes the places that the other set has.
    pub fn remove_all(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// Number of the given places that the set has.
    pub fn count_within(&self, places: &Range<u64>) -> u64 {
        let (first, end) = ((places.start / 64) as usize, (places.end.div_ceil(64) as usize).min(self.words.len()));
        let within = (first..end).flat_map(|at| bits(self.words[at]).map(move |bit| at as u64 * 64 + bit));
        within.filter(|row| places.contains(row)).count() as u64
    }

    /// Number of places.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The places in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.words.iter().enumerate().flat_map(|(at, word)| bits(*word).map(move |bit| at as u64 * 64 + bit))
    }

    /// The places in ascending order, after the first `skip`.
    pub fn after(&self, mut skip: u64) -> impl Iterator<Item = u64> {
        let mut first = 0;
        while let Some(word) = self.words.get(first) {
            let here = u64::from(word.count_ones());
            if here > skip {
                break;
            }
            skip -= here;
            first += 1;
        }
        let words = self.words[first..].iter().enumerate();
        let places = words.flat_map(move |(at, word)| bits(*word).map(move |bit| (first + at) as u64 * 64 + bit));
        places.skip(skip as usize)
    }

    /// The first place from `row` on.
    pub fn first_from(&self, row: u64) -> Option<u64> {
        let at = usize::try_from(row / 64).ok()?;
        let here = self.words.get(at)? & (u64::MAX << (row % 64));
        let later = || self.words[at + 1..].iter().enumerate().find(|(_, word)| **word != 0);
        match bits(here).next() {
            Some(bit) => Some(at as u64 * 64 + bit),
            None => later().and_then(|(more, word)| Some((at + 1 + more) as u64 * 64 + bits(*word).next()?)),
        }
    }

    /// The last place before `row`.
    pub fn last_before(&self, row: u64) -> Option<u64> {
        let at = ((row / 64) as usize).min(self.words.len());
        let here = self.words.get(at).map_or(0, |word| word & ((1 << (row % 64)) - 1));
        let last = |at: usize, word: u64| word.checked_ilog2().map(|bit| at as u64 * 64 + u64::from(bit));
        last(at, here).or_else(|| (0..at).rev().find_map(|at| last(at, self.words[at])))
    }

    /// Number of bytes that the set takes in memory.
    pub fn bytes(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }
}

/// The places of the bits that are set, ascending.
fn bits(mut word: u64) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| u64::from(word.trailing_zeros()))?;
        word &= word - 1;
        Some(bit)
    })
}

impl FromIterator<u64> for RowSet {
    fn from_iter<I: IntoIterator<Item = u64>>(rows: I) -> Self {
        let mut set = Self::default();
        rows.into_iter().for_each(|row| set.add(row));
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_places_end_with_the_last_row() {
        for rows in [0, 1, 63, 64, 65, 128, 1000] {
            assert!(RowSet::all(rows).iter().eq(0..rows), "{rows}");
            assert_eq!((RowSet::all(rows).count(), RowSet::none(rows).count()), (rows, 0));
        }
    }

    proptest! {
        #[test]
        fn a_set_of_bits_is_a_set(
            one in prop::collection::btree_set(0_u64..300, 0..60),
            two in prop::collection::btree_set(0_u64..300, 0..60),
            row in 0_u64..310,
        ) {
            let set = |rows: &BTreeSet<u64>| rows.iter().copied().collect::<RowSet>();
            let (mut kept, mut left) = (set(&one), set(&one));
            kept.keep(&set(&two));
            left.remove_all(&set(&two));
            prop_assert!(kept.iter().eq(one.intersection(&two).copied()));
            prop_assert!(left.iter().eq(one.difference(&two).copied()));
            let all = set(&one);
            prop_assert_eq!(all.count(), one.len() as u64);
            prop_assert_eq!(all.has(row), one.contains(&row));
            prop_assert_eq!(all.count_within(&(row / 2..row)), one.range(row / 2..row).count() as u64);
            prop_assert_eq!(all.first_from(row), one.range(row..).next().copied());
            prop_assert_eq!(all.last_before(row), one.range(..row).next_back().copied());
            prop_assert!(all.after(row / 5).eq(one.iter().copied().skip((row / 5) as usize)));
            let mut retained = all.clone();
            retained.retain(&(row / 2..row), |at| (row / 2 + at as u64).is_multiple_of(3));
            let stays = |place: &u64| !(row / 2..row).contains(place) || place.is_multiple_of(3);
            prop_assert!(retained.iter().eq(one.iter().copied().filter(stays)));
        }
    }
}
