//! The records of an `.xls`, and the texts in them.

use super::{ole::read_u16, records::utf16};

/// The kind of a record that continues the previous one.
const CONTINUE: u16 = 0x003C;
/// Number of bytes before the data of a record: kind and length.
const HEAD: usize = 4;

/// The records of a stream from an offset on; ends where the stream is truncated.
#[derive(Clone)]
pub struct Biff<'s> {
    stream: &'s [u8],
    at: usize,
}

#[derive(Debug, Clone, Copy)]
pub struct BiffRecord<'s> {
    pub kind: u16,
    pub data: &'s [u8],
    /// Offset of the data in the stream.
    pub at: u32,
}

impl<'s> Biff<'s> {
    pub fn new(stream: &'s [u8], at: usize) -> Self {
        Self { stream, at }
    }

    /// The record whose data starts at an offset of the stream.
    pub fn record_with(stream: &'s [u8], data: u32) -> Option<BiffRecord<'s>> {
        Self::new(stream, (data as usize).checked_sub(HEAD)?).next()
    }
}

impl<'s> Iterator for Biff<'s> {
    type Item = BiffRecord<'s>;

    fn next(&mut self) -> Option<Self::Item> {
        let head = self.stream.get(self.at..)?;
        let (kind, length) = (read_u16(head, 0)?, usize::from(read_u16(head, 2)?));
        let data = head.get(HEAD..HEAD + length)?;
        let at = self.at + HEAD;
        self.at = at + length;
        Some(BiffRecord { kind, data, at: u32::try_from(at).ok()? })
    }
}

/// Reads texts from a record and from the records that continue it.
pub struct TextCursor<'s> {
    piece: &'s [u8],
    /// The records after the first, if they may continue it.
    more: Option<Biff<'s>>,
}

impl<'s> TextCursor<'s> {
    /// Reads texts in one piece.
    pub fn new(piece: &'s [u8]) -> Self {
        Self { piece, more: None }
    }

    /// Reads texts in a record that the next ones may continue.
    pub fn continued(stream: &'s [u8], record: BiffRecord<'s>) -> Self {
        Self { piece: record.data, more: Some(Biff::new(stream, record.at as usize + record.data.len())) }
    }

    /// Skips this many bytes.
    pub fn after(mut self, bytes: usize) -> Option<Self> {
        self.skip(bytes)?;
        Some(self)
    }

    pub fn u32(&mut self) -> Option<u32> {
        let mut bytes = [0; 4];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Some(u32::from_le_bytes(bytes))
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    fn byte(&mut self) -> Option<u8> {
        while self.piece.is_empty() {
            self.go_on()?;
        }
        let (byte, rest) = self.piece.split_first()?;
        self.piece = rest;
        Some(*byte)
    }

    /// Continues with the next record, if it continues the current one.
    fn go_on(&mut self) -> Option<()> {
        let record = self.more.as_mut()?.next().filter(|record| record.kind == CONTINUE);
        if record.is_none() {
            self.more = None;
        }
        self.piece = record?.data;
        Some(())
    }

    fn skip(&mut self, mut bytes: usize) -> Option<()> {
        while bytes > self.piece.len() {
            bytes -= self.piece.len();
            self.go_on()?;
        }
        self.piece = &self.piece[bytes..];
        Some(())
    }

    /// Appends a text that begins with its length in two bytes.
    pub fn push_counted(&mut self, out: &mut String) -> Option<()> {
        let length = usize::from(self.u16()?);
        self.push(length, out)
    }

    /// Appends a text of `length` characters, which begins with the width of its characters.
    pub fn push(&mut self, length: usize, out: &mut String) -> Option<()> {
        if length == 0 {
            return Some(());
        }
        let flags = self.byte()?;
        self.push_characters(length, flags, out)
    }

    /// Appends a shared string: length, flags, text. Skips the formatting runs and the phonetic text that belong to it.
    pub fn push_rich(&mut self, out: &mut String) -> Option<()> {
        const HAS_PHONETIC: u8 = 4;
        const HAS_RUNS: u8 = 8;
        const RUN: usize = 4;
        let length = usize::from(self.u16()?);
        let flags = self.byte()?;
        let runs = if flags & HAS_RUNS == 0 { 0 } else { usize::from(self.u16()?) };
        let phonetic = if flags & HAS_PHONETIC == 0 { 0 } else { self.u32()? as usize };
        self.push_characters(length, flags, out)?;
        self.skip(runs * RUN)?;
        self.skip(phonetic)
    }

    /// Appends characters of one or two bytes. Each record that continues the text gives the width again.
    fn push_characters(&mut self, mut left: usize, mut flags: u8, out: &mut String) -> Option<()> {
        while left > 0 {
            if self.piece.is_empty() {
                self.go_on()?;
                flags = self.byte()?;
            }
            let width = 1 + usize::from(flags & 1);
            let taken = left.min(self.piece.len() / width);
            if taken == 0 {
                return None;
            }
            let (text, rest) = self.piece.split_at(taken * width);
            if width == 1 {
                out.extend(text.iter().map(|byte| char::from(*byte)));
            } else {
                out.extend(utf16(text));
            }
            self.piece = rest;
            left -= taken;
        }
        Some(())
    }
}
