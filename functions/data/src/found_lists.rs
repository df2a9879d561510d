//! The lists that filters and orders gave lately. A list of a run never changes, so a further page of it need not find it again.
//! The answers do not depend on this memory, which another process does not have.

use std::{hash::Hash, sync::Arc};

use quick_cache::{OptionsBuilder, Weighter, sync::Cache};
use shared::{
    facts::read::ExceptionFilter,
    questions::lists::{LoanList, filter::LoanFilter, order::LoanOrder, row_set::RowSet},
};
use uuid::Uuid;

/// Size of the memory for lists of one kind, in bytes.
const LIST_BYTES: u64 = 64 * 1024 * 1024;
/// Approximate memory for the key of a list, in bytes.
const KEY_BYTES: u64 = 1024;
/// Approximate number of lists of one kind.
const LISTS: usize = 256;

/// A run, and what is wanted of its loans.
pub type LoanListKey = (Uuid, LoanFilter, LoanOrder);
/// A run, and what is wanted of its exceptions, whether they are waived, and of their loans.
pub type ExceptionListKey = (Uuid, ExceptionFilter, Option<bool>, LoanFilter);

/// Lists that were found lately.
#[derive(Clone)]
pub struct FoundLists {
    pub loans: Lists<LoanListKey, LoanList>,
    pub exceptions: Lists<ExceptionListKey, RowSet>,
}

/// Lists of one kind.
pub type Lists<K, V> = Arc<Cache<K, Arc<V>, Size>>;

#[derive(Clone)]
pub struct Size;

impl Weighter<LoanListKey, Arc<LoanList>> for Size {
    fn weight(&self, _: &LoanListKey, list: &Arc<LoanList>) -> u64 {
        list.bytes() as u64 + KEY_BYTES
    }
}

impl Weighter<ExceptionListKey, Arc<RowSet>> for Size {
    fn weight(&self, _: &ExceptionListKey, list: &Arc<RowSet>) -> u64 {
        list.bytes() as u64 + KEY_BYTES
    }
}

/// An empty memory with a single shard. With one shard per thread, each shard would be too small for the largest lists.
fn memory<K: Eq + Hash, V>() -> Lists<K, V>
where
    Size: Weighter<K, Arc<V>>,
{
    let options = OptionsBuilder::new().shards(1).weight_capacity(LIST_BYTES).estimated_items_capacity(LISTS).build();
    Arc::new(match options {
        Ok(options) => Cache::with_options(options, Size, Default::default(), Default::default()),
        // Only options without a capacity are invalid.
        Err(_) => Cache::with_weighter(LISTS, LIST_BYTES, Size),
    })
}

impl FoundLists {
    /// Starts without a list.
    pub fn new() -> Self {
        Self { loans: memory(), exceptions: memory() }
    }
}
