//! Parquet's hybrid encoding of small numbers: codes of dictionaries and definition levels.

use std::ops::Range;

use super::values::{BAD_CODE, Damage, ENDS_EARLY};

/// Values of a few bits each in Parquet's hybrid encoding: runs of one value and runs of packed values. They are read in
/// ascending order of their places.
#[derive(Debug)]
pub struct Hybrid<'p> {
    rest: &'p [u8],
    width: u32,
    /// The places that the current run covers.
    start: usize,
    end: usize,
    pub run: Run<'p>,
}

#[derive(Debug, Clone, Copy)]
pub enum Run<'p> {
    Same(u32),
    Packed(&'p [u8]),
}

impl<'p> Hybrid<'p> {
    pub fn new(bytes: &'p [u8], width: u32) -> Self {
        Self { rest: bytes, width, start: 0, end: 0, run: Run::Same(0) }
    }

    /// Advances to the run that covers a place. Returns the end of that run.
    pub fn reach(&mut self, place: usize) -> Result<usize, Damage> {
        while place >= self.end {
            let header = varint(&mut self.rest).ok_or(ENDS_EARLY)?;
            let count = usize::try_from(header >> 1).map_err(|_| ENDS_EARLY)?;
            let bytes = if header & 1 == 1 { count.saturating_mul(self.width as usize) } else { self.width.div_ceil(8) as usize };
            let (bytes, rest) = self.rest.split_at_checked(bytes).ok_or(ENDS_EARLY)?;
            self.rest = rest;
            self.start = self.end;
            let count = if header & 1 == 1 { count.saturating_mul(8) } else { count };
            self.end = self.start.saturating_add(count);
            self.run = if header & 1 == 1 && self.width > 0 {
                Run::Packed(bytes)
            } else {
                match bits_at(bytes, 0, u32::MAX) {
                    value if value <= mask(self.width) => Run::Same(value),
                    _ => return Err("a page has a code of more bits than its codes have"),
                }
            };
        }
        Ok(self.end)
    }

    pub fn at(&mut self, place: usize) -> Result<u32, Damage> {
        self.reach(place)?;
        Ok(match self.run {
            Run::Same(value) => value,
            Run::Packed(bytes) => bits_at(bytes, (place - self.start) * self.width as usize, mask(self.width)),
        })
    }

    /// Number of bits from `from` to `to` that are set. All of them must belong to the current run.
    pub fn ones(&self, from: usize, to: usize) -> usize {
        match self.run {
            Run::Same(value) => (to - from) * (value & 1) as usize,
            Run::Packed(bytes) => {
                let (from, to) = (from - self.start, to - self.start);
                let in_part = |end: usize| bytes.get(end / 8).map_or(0, |byte| (byte & ((1 << (end % 8)) - 1)).count_ones());
                let whole: u32 = bytes[from / 8..to / 8].iter().map(|byte| byte.count_ones()).sum();
                (whole + in_part(to) - in_part(from)) as usize
            }
        }
    }

    /// Appends the first `length` values. Nothing may have been read before.
    pub fn all(mut self, length: usize, out: &mut Vec<u32>) -> Result<(), Damage> {
        let mut place = 0;
        while place < length {
            let end = self.reach(place)?.min(length);
            match self.run {
                Run::Same(value) => out.resize(out.len() + (end - place), value),
                Run::Packed(bytes) => {
                    let (mut bit, mask) = ((place - self.start) * self.width as usize, mask(self.width));
                    for _ in place..end {
                        out.push(bits_at(bytes, bit, mask));
                        bit += self.width as usize;
                    }
                }
            }
            place = end;
        }
        Ok(())
    }

    /// Calls `found` with those of the first `length` places whose code is wanted. Nothing may have been read before.
    pub fn find(&mut self, length: usize, wanted: &[bool], mut found: impl FnMut(usize)) -> Result<(), Damage> {
        let mut place = 0;
        while place < length {
            let end = self.reach(place)?.min(length);
            match self.run {
                Run::Same(value) => {
                    if *wanted.get(value as usize).ok_or(BAD_CODE)? {
                        (place..end).for_each(&mut found);
                    }
                }
                Run::Packed(bytes) if self.width <= 8 => find_packed(bytes, self.width, place..end, wanted, &mut found)?,
                Run::Packed(_) => {
                    for place in place..end {
                        if *wanted.get(self.at(place)? as usize).ok_or(BAD_CODE)? {
                            found(place);
                        }
                    }
                }
            }
            place = end;
        }
        Ok(())
    }
}

/// Calls `found` with those of the given places whose code is wanted, for packed codes of at most eight bits. It checks eight
/// codes at a time without a branch for each, because a filter may have to check all codes of a row group.
fn find_packed(
    bytes: &[u8],
    width: u32,
    places: Range<usize>,
    wanted: &[bool],
    mut found: impl FnMut(usize),
) -> Result<(), Damage> {
    const WANTED: u16 = 1;
    const BAD: u16 = 1 << 8;
    let mut verdicts = [BAD; 256];
    for (verdict, wanted) in verdicts.iter_mut().zip(wanted) {
        *verdict = if *wanted { WANTED } else { 0 };
    }
    let mask = u64::from(mask(width)) & 0xff;
    let mut at = 0;
    for place in places.clone().step_by(8) {
        // Eight codes take as many bytes as one code has bits.
        let codes = word_at(bytes, at);
        at += width as usize;
        let mut hits = (0..8).fold(0, |hits, i| hits | verdicts[(codes >> (i * width) & mask) as usize] << i);
        // Ignore codes past the last place.
        let beyond = (place + 8).saturating_sub(places.end);
        hits &= (0xff_u16 >> beyond) * 0x0101;
        if hits >= BAD {
            return Err(BAD_CODE);
        }
        while hits != 0 {
            found(place + hits.trailing_zeros() as usize);
            hits &= hits - 1;
        }
    }
    Ok(())
}

pub fn mask(width: u32) -> u32 {
    u32::MAX.checked_shr(u32::BITS - width).unwrap_or(0)
}

/// At most 32 bits, starting at a bit position; zeros past the end.
#[inline]
fn bits_at(bytes: &[u8], bit: usize, mask: u32) -> u32 {
    (word_at(bytes, bit / 8) >> (bit % 8)) as u32 & mask
}

/// Eight bytes as a little-endian number; zeros past the end.
#[inline]
fn word_at(bytes: &[u8], at: usize) -> u64 {
    let from = bytes.get(at..).unwrap_or_default();
    match from.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => from.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Takes an unsigned LEB128 number, with seven bits a byte, from the front of `bytes`. `None` when the bytes end early or the
/// number is longer than ten bytes.
pub fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
