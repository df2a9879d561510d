//! Cache of blocks of objects. Pages of one run lie close together, and a request to the storage costs more than everything
//! else in an answer.

use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use quick_cache::{OptionsBuilder, Weighter, sync::Cache};
use shared::facts::read::RangeReader;

/// Size of a block, the unit of the cache, in bytes. It is about a page of a column.
const BLOCK: u64 = 64 * 1024;

/// Largest gap between blocks, in bytes, that is read along with them in one request. So one or two requests read a whole row
/// group, instead of one request for each of its columns.
const GAP: u64 = 512 * 1024;
/// Largest number of bytes of one request.
const RUN: u64 = 8 * 1024 * 1024;

/// A block of an object: the number of the object, and the position of the block in it.
type BlockId = (u64, u64);

#[derive(Clone)]
struct Size;

impl Weighter<BlockId, Bytes> for Size {
    fn weight(&self, _: &BlockId, block: &Bytes) -> u64 {
        block.len() as u64
    }
}

/// Cache of blocks of objects, up to a number of bytes. Blocks that are read again stay longer.
#[derive(Clone)]
pub struct BlockCache {
    blocks: Arc<Cache<BlockId, Bytes, Size>>,
    objects: Arc<AtomicU64>,
}

impl BlockCache {
    /// A cache with a capacity in bytes.
    pub fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / BLOCK).unwrap_or(usize::MAX).max(1);
        let options = OptionsBuilder::new().weight_capacity(bytes).estimated_items_capacity(items).build();
        let blocks = match options {
            Ok(options) => Cache::with_options(options, Size, Default::default(), Default::default()),
            // Options are refused only without a capacity, so this branch does not occur.
            Err(_) => Cache::with_weighter(items, bytes, Size),
        };
        Self { blocks: Arc::new(blocks), objects: Arc::default() }
    }

    /// A reader that reads an object through this cache. The object must never change.
    pub fn reader<R: RangeReader>(&self, reader: R) -> CachedReader<R> {
        CachedReader { reader, object: self.objects.fetch_add(1, Ordering::Relaxed), cache: self.clone() }
    }
}

/// Reads an object through a cache.
pub struct CachedReader<R> {
    reader: R,
    object: u64,
    cache: BlockCache,
}

impl<R: RangeReader> CachedReader<R> {
    /// The blocks that contain the ranges. Reads those that are not in the cache.
    fn blocks(&self, ranges: &[Range<u64>]) -> io::Result<BTreeMap<u64, Bytes>> {
        let (mut blocks, mut missing) = (BTreeMap::new(), Vec::<Range<u64>>::new());
        let size = self.reader.size()?;
        let mut next = 0;
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            for at in (range.start / BLOCK).max(next)..=(range.end - 1) / BLOCK {
                next = at + 1;
                if let Some(block) = self.cache.blocks.get(&(self.object, at)) {
                    blocks.insert(at, block);
                    continue;
                }
                let bytes = at * BLOCK..(next * BLOCK).min(size);
                match missing.last_mut().filter(|last| bytes.start - last.end <= GAP && bytes.end - last.start <= RUN) {
                    Some(last) => last.end = bytes.end,
                    None => missing.push(bytes),
                }
            }
        }
        let read = if missing.is_empty() { Vec::new() } else { self.reader.read(&missing)? };
        for (range, bytes) in missing.iter().zip(read) {
            for (place, block) in (range.start / BLOCK..).zip(bytes.chunks(BLOCK as usize)) {
                // Copy, because a slice would keep all bytes of the request in memory.
                let block = Bytes::copy_from_slice(block);
                self.cache.blocks.insert((self.object, place), block.clone());
                blocks.insert(place, block);
            }
        }
        Ok(blocks)
    }
}

impl<R: RangeReader> RangeReader for CachedReader<R> {
    fn size(&self) -> io::Result<u64> {
        self.reader.size()
    }

    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        let blocks = self.blocks(ranges)?;
        let cut = |range: &Range<u64>| {
            let part = |at: u64| {
                let (block, start) = (blocks.get(&at)?, at * BLOCK);
                let from = usize::try_from(range.start.saturating_sub(start)).ok()?;
                let to = usize::try_from((range.end - start).min(BLOCK)).ok()?;
                (from <= to && to <= block.len()).then(|| block.slice(from..to))
            };
            if range.is_empty() {
                return Some(Bytes::new());
            }
            let (first, last) = (range.start / BLOCK, (range.end - 1) / BLOCK);
            if first == last {
                return part(first);
            }
            let mut joined = BytesMut::with_capacity(usize::try_from(range.end - range.start).ok()?);
            for at in first..=last {
                joined.extend_from_slice(&part(at)?);
            }
            Some(joined.freeze())
        };
        ranges.iter().map(|range| cut(range).ok_or(io::ErrorKind::UnexpectedEof.into())).collect()
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "a reader takes a slice of ranges, which may hold only one")]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Records the ranges that are read.
    struct Noting(Bytes, Mutex<Vec<Range<u64>>>);

    impl RangeReader for &Noting {
        fn size(&self) -> io::Result<u64> {
            self.0.size()
        }

        fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
            self.1.lock().unwrap().extend(ranges.iter().cloned());
            self.0.read(ranges)
        }
    }

    fn object(bytes: u64) -> Noting {
        Noting((0..bytes).map(|at| (at % 251) as u8).collect::<Vec<_>>().into(), Mutex::default())
    }

    #[test]
    fn ranges_come_as_they_are_whether_they_were_read_before_or_not() {
        let object = object(5 * BLOCK + 100);
        let reader = BlockCache::new(1 << 20).reader(&object);
        let size = reader.size().unwrap();
        for ranges in [
            vec![0..1, 3..10],
            vec![BLOCK - 1..BLOCK + 1],
            vec![10..2 * BLOCK, 4 * BLOCK..4 * BLOCK + 1, size - 1..size],
            vec![0..size],
            vec![7..7],
            vec![],
        ] {
            for _ in 0..2 {
                assert_eq!(reader.read(&ranges).unwrap(), (&object).read(&ranges).unwrap(), "{ranges:?}");
            }
        }
        assert!(reader.read(&[size - 1..size + 1]).is_err());
    }

    #[test]
    fn what_was_read_is_kept_and_what_lies_close_is_read_together() {
        let object = object(5 * BLOCK + 100);
        let reader = BlockCache::new(1 << 20).reader(&object);
        let size = reader.size().unwrap();
        reader.read(&[10..20, 30..40, BLOCK + 1..BLOCK + 2]).unwrap();
        reader.read(&[0..5, 3 * BLOCK..3 * BLOCK + 1]).unwrap();
        reader.read(&[0..size]).unwrap();
        reader.read(&[0..size]).unwrap();
        let read = object.1.lock().unwrap().clone();
        assert_eq!(read, [0..2 * BLOCK, 3 * BLOCK..4 * BLOCK, 2 * BLOCK..size]);
    }

    #[test]
    fn what_lies_far_apart_is_read_apart() {
        let far = BLOCK + GAP + BLOCK;
        let object = object(far + 2 * BLOCK);
        let reader = BlockCache::new(1 << 21).reader(&object);
        reader.read(&[0..1, far..far + 1]).unwrap();
        assert_eq!(*object.1.lock().unwrap(), [0..BLOCK, far..far + BLOCK]);
        // Blocks of a gap are in the cache after they have been read along with others.
        let reader = BlockCache::new(1 << 21).reader(&object);
        reader.read(&[0..1, far - BLOCK..far]).unwrap();
        reader.read(&[BLOCK..far]).unwrap();
        assert_eq!(object.1.lock().unwrap()[2..], [0..far]);
    }

    #[test]
    fn objects_are_not_mixed_up_and_room_is_bounded() {
        let cache = BlockCache::new(4 * BLOCK);
        let (one, other) = (object(3 * BLOCK), Noting(vec![9; 3 * BLOCK as usize].into(), Mutex::default()));
        let (first, second) = (cache.reader(&one), cache.reader(&other));
        for _ in 0..2 {
            assert_eq!(first.read(&[0..3 * BLOCK]).unwrap()[0], one.0);
            assert_eq!(second.read(&[0..3 * BLOCK]).unwrap()[0], other.0);
        }
        assert!(cache.blocks.weight() <= 4 * BLOCK);
    }
}
