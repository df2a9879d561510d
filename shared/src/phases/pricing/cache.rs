//! Quotes that have been computed: rates and terms repeat from loan to loan.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use crate::{
    cash_flow::{quote::Quote, value::Schedule},
    ten_thousandths::TenThousandths,
};

/// Number of places, of which each holds one quote behind a lock of its own. All together take 3 MB, from the first quote on.
const PLACES: usize = 1 << 16;
/// Marks a missing WAL or duration.
const NO_YEARS: u32 = u32::MAX;

/// What a quote follows from: model, note rate and schedule in the bits of two numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuoteKey(u64, u64);

impl QuoteKey {
    /// The key of a loan; `None` for a number that no ordinary loan has, whose quote is not kept. `model` is the index of the
    /// assumptions among all of the run, and `rate` is in millionths of a percent.
    #[inline]
    pub fn new(model: u32, rate: i64, schedule: &Schedule) -> Option<Self> {
        let Schedule { term, age, interest_only, amortization } = *schedule;
        let rate = u32::try_from(rate).ok()?;
        let [model, term, age, interest_only, amortization] =
            [model, term, age, interest_only, amortization].map(|number| u16::try_from(number).ok().map(u64::from));
        // The empty key of a place without a quote has no term.
        Some(Self(u64::from(rate) << 32 | model? << 16 | term?, age? << 32 | interest_only? << 16 | amortization?))
    }

    /// A number that differs for most keys.
    fn hash(self) -> u64 {
        const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
        (self.0.wrapping_mul(MULTIPLIER).rotate_left(29) ^ self.1).wrapping_mul(MULTIPLIER)
    }
}

/// A quote in few bytes.
#[derive(Debug, Clone, Copy, Default)]
struct StoredQuote {
    key: QuoteKey,
    price: u32,
    wal: u32,
    duration: u32,
}

impl StoredQuote {
    /// `None` when a number is too large, which that of an ordinary loan is not.
    fn new(key: QuoteKey, quote: Quote) -> Option<Self> {
        let years = |years: Option<TenThousandths>| years.map_or(Some(NO_YEARS), |years| u32::try_from(years.0).ok());
        Some(Self { key, price: u32::try_from(quote.price.0).ok()?, wal: years(quote.wal)?, duration: years(quote.duration)? })
    }

    fn quote(self) -> Quote {
        let number = |number: u32| TenThousandths(number.into());
        let years = |years: u32| (years != NO_YEARS).then(|| number(years));
        Quote { price: number(self.price), wal: years(self.wal), duration: years(self.duration) }
    }
}

/// Computed quotes. A new one takes the place of another one, so the cache never grows.
#[derive(Debug, Default)]
pub struct QuoteCache {
    places: OnceLock<Box<[Mutex<StoredQuote>]>>,
}

/// The quotes of a run, which its programs share, and the number of models that have been given an index.
#[derive(Debug, Default)]
pub struct RunQuotes {
    cache: Arc<QuoteCache>,
    models: Cell<u32>,
}

impl RunQuotes {
    /// The index of the first of so many more models, and the cache for their quotes.
    pub fn with_models(&self, count: usize) -> (u32, Arc<QuoteCache>) {
        let first = self.models.get();
        self.models.set(first.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)));
        (first, Arc::clone(&self.cache))
    }
}

impl QuoteCache {
    /// The quote of a key, which is computed if it is not there.
    #[inline]
    pub fn get(&self, key: QuoteKey, compute: impl FnOnce() -> Option<Quote>) -> Option<Quote> {
        let places = self.places.get_or_init(|| (0..PLACES).map(|_| Mutex::default()).collect());
        let place = &places[(key.hash() >> 40) as usize % PLACES];
        // A place whose lock is poisoned still holds a whole quote.
        let lock = || place.lock().unwrap_or_else(PoisonError::into_inner);
        let known = *lock();
        if known.key == key {
            return Some(known.quote());
        }
        let quote = compute();
        if let Some(stored) = quote.and_then(|quote| StoredQuote::new(key, quote)) {
            *lock() = stored;
        }
        quote
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(price: i64) -> Option<Quote> {
        Some(Quote { price: TenThousandths(price), wal: Some(TenThousandths(price + 1)), duration: None })
    }

    fn key(model: u32, rate: i64, [term, age, interest_only, amortization]: [u32; 4]) -> Option<QuoteKey> {
        QuoteKey::new(model, rate, &Schedule { term, age, interest_only, amortization })
    }

    #[test]
    fn a_quote_is_computed_once_and_comes_back_whole() {
        let cache = QuoteCache::default();
        let key = key(0, 6_500_000, [360, 0, 0, 360]).unwrap();
        assert_eq!(cache.get(key, || quote(1_000_000)), quote(1_000_000));
        assert_eq!(cache.get(key, || panic!("it is there")), quote(1_000_000));
    }

    #[test]
    fn keys_that_differ_in_one_number_are_different() {
        let base = [360, 1, 2, 4];
        let others = (0..4).map(|at| {
            let mut other = base;
            other[at] += 8;
            key(0, 1, other)
        });
        let all: Vec<_> = others.chain([key(0, 1, base), key(1, 1, base), key(0, 2, base)]).map(Option::unwrap).collect();
        for (at, one) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|other| other != one), "{one:?}");
        }
    }

    #[test]
    fn numbers_too_large_for_a_key_have_none() {
        let schedule = [360, 0, 0, 360];
        assert_eq!(key(1 << 16, 1, schedule), None);
        assert_eq!(key(0, 1 << 32, schedule), None);
        assert_eq!(key(0, -1, schedule), None);
        assert_eq!(key(0, 1, [360, 1 << 16, 0, 360]), None);
    }

    #[test]
    fn a_full_cache_gives_the_same_quotes() {
        let cache = QuoteCache::default();
        for _ in 0..2 {
            for rate in 0..200_000 {
                let key = key(0, rate, [360, 0, 0, 360]).unwrap();
                assert_eq!(cache.get(key, || quote(rate)), quote(rate));
            }
        }
    }
}
