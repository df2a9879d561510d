//! The records of a binary workbook's part (`.xlsb`): a number for the kind, a length, and bytes.

use super::{
    error::{WorkbookError, bomb, corrupt, mebibytes},
    limits::{MAX_CELL, WINDOW},
    xml::XmlSource,
};

/// The largest number of bytes of a record's head.
const MAX_HEAD: usize = 6;

/// Reads the records of one part.
pub struct RecordReader<S> {
    source: S,
    window: Vec<u8>,
    /// The bytes of the window from `from` to `to` have not been read yet.
    from: usize,
    to: usize,
}

#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    pub kind: u16,
    pub data: &'r [u8],
}

impl<S: XmlSource> RecordReader<S> {
    /// Starts at the beginning of a part.
    pub fn new(source: S) -> Self {
        Self { source, window: vec![0; WINDOW], from: 0, to: 0 }
    }

    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The next record; `None` at the end of the part.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, WorkbookError> {
        if self.to - self.from < MAX_HEAD {
            self.more(MAX_HEAD)?;
        }
        if self.from == self.to {
            return Ok(None);
        }
        let (kind, length, head) = parse_head(&self.window[self.from..self.to])
            .ok_or_else(|| corrupt(format_args!("its part {} is damaged", self.source.name())))?;
        if length > MAX_CELL {
            return Err(bomb(self.source.name(), format!("{} in one record", mebibytes(MAX_CELL as u64))));
        }
        self.more(head + length)?;
        let start = self.from + head;
        if self.to - start < length {
            return Err(corrupt(format_args!("its part {} ends early", self.source.name())));
        }
        self.from = start + length;
        Ok(Some(Record { kind, data: &self.window[start..self.from] }))
    }

    /// Skips the rest of the part, so that its checksum is verified.
    pub fn drain(&mut self) -> Result<(), WorkbookError> {
        while self.source.fill(&mut self.window)? > 0 {}
        Ok(())
    }

    /// Gets bytes into the window until it holds `wanted` of them, or all that there are.
    fn more(&mut self, wanted: usize) -> Result<(), WorkbookError> {
        if self.to - self.from >= wanted {
            return Ok(());
        }
        self.window.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        self.from = 0;
        if self.window.len() < wanted {
            self.window.resize(wanted, 0);
        }
        while self.to < wanted {
            match self.source.fill(&mut self.window[self.to..])? {
                0 => break,
                filled => self.to += filled,
            }
        }
        Ok(())
    }
}

/// Kind, length of the data, and length of the head itself. The first two are numbers of seven bits a byte, lowest first.
fn parse_head(bytes: &[u8]) -> Option<(u16, usize, usize)> {
    let (kind, after_kind) = parse_number(bytes, 2)?;
    let (length, after_length) = parse_number(&bytes[after_kind..], 4)?;
    Some((u16::try_from(kind).ok()?, length, after_kind + after_length))
}

fn parse_number(bytes: &[u8], most: usize) -> Option<(usize, usize)> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(most).enumerate() {
        number |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, at + 1));
        }
    }
    None
}

impl<'r> Record<'r> {
    /// The byte at an offset; 0 beyond the end.
    pub fn byte(self, at: usize) -> u8 {
        self.data.get(at).copied().unwrap_or(0)
    }

    /// Two bytes as a number, the lower first.
    pub fn u16(self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(*self.data.get(at..)?.first_chunk()?))
    }

    /// Four bytes as a number, the lowest first.
    pub fn u32(self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.data.get(at..)?.first_chunk()?))
    }

    /// Eight bytes as a floating-point number.
    pub fn f64(self, at: usize) -> Option<f64> {
        Some(f64::from_le_bytes(*self.data.get(at..)?.first_chunk()?))
    }

    /// Four bytes as a number in the short form (RK): 30 bits of a whole number, or the upper 30 bits of a floating-point number,
    /// to be divided by a hundred or not.
    pub fn rk(self, at: usize) -> Option<f64> {
        self.u32(at).map(rk_number)
    }

    /// The UTF-16 text at an offset, whose length in units comes before it, and the offset after it.
    pub fn text(self, at: usize) -> Option<(impl Iterator<Item = char> + use<'r>, usize)> {
        let length = usize::try_from(self.u32(at)?).ok()?.checked_mul(2)?;
        let start = at + 4;
        let units = self.data.get(start..start.checked_add(length)?)?;
        Some((utf16(units), start + length))
    }
}

/// The value of a number in the short form (RK).
#[expect(clippy::float_arithmetic, reason = "the format stores hundredths")]
pub fn rk_number(rk: u32) -> f64 {
    let number = if rk & 2 == 0 { f64::from_bits(u64::from(rk & !3) << 32) } else { f64::from(rk.cast_signed() >> 2) };
    if rk & 1 == 0 { number } else { number / 100.0 }
}

/// The characters of UTF-16 units; a unit that is not a character becomes U+FFFD.
pub fn utf16(units: &[u8]) -> impl Iterator<Item = char> + use<'_> {
    let units = units.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    char::decode_utf16(units).map(|symbol| symbol.unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// The error values by their codes in binary formats.
pub fn error_text(code: u8) -> &'static str {
    match code {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0F => "#VALUE!",
        0x17 => "#REF!",
        0x1D => "#NAME?",
        0x24 => "#NUM!",
        0x2A => "#N/A",
        0x2B => "#GETTING_DATA",
        _ => "#ERROR!",
    }
}
