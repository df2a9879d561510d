//! The bytes of a cell as two machine words, so that short cells are compared and read a word at a time.

use std::ops::Range;

/// `TOP[n]` keeps the highest `n` bytes of a word.
const TOP: [u64; 9] = {
    let mut top = [0; 9];
    let mut bytes = 1;
    while bytes <= 8 {
        top[bytes] = u64::MAX << (64 - 8 * bytes);
        bytes += 1;
    }
    top
};

/// The last sixteen bytes of a cell as two words, low byte first, so that the last byte of the cell is the highest of the second
/// word. The words of a shorter cell still contain the bytes before it.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    before: u64,
    last: u64,
    length: usize,
}

impl Window {
    /// The window on the cell at `span` of a text.
    #[inline]
    pub fn new(text: &[u8], span: &Range<usize>) -> Self {
        let length = span.end.wrapping_sub(span.start);
        match text.get(..span.end).and_then(|text| text.last_chunk::<16>()) {
            Some(bytes) => Self::of(bytes, length),
            None => Self::at_the_beginning(text.get(..span.end).unwrap_or_default(), length),
        }
    }

    #[inline]
    fn of(bytes: &[u8; 16], length: usize) -> Self {
        let both = u128::from_le_bytes(*bytes);
        Self { before: both as u64, last: (both >> 64) as u64, length }
    }

    #[cold]
    fn at_the_beginning(text: &[u8], length: usize) -> Self {
        let mut bytes = [0; 16];
        bytes[16 - text.len()..].copy_from_slice(text);
        Self::of(&bytes, length)
    }

    /// Length of the cell in bytes.
    #[inline]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The last eight bytes of the cell; a shorter cell is filled up with the bytes of `filler`.
    #[inline]
    pub fn last(&self, filler: u64) -> u64 {
        let keep = TOP[self.length.min(8)];
        self.last & keep | filler & !keep
    }

    /// The eight bytes before [`Self::last`]; a shorter cell is filled up with the bytes of `filler`.
    #[inline]
    pub fn before(&self, filler: u64) -> u64 {
        let keep = TOP[self.length.saturating_sub(8).min(8)];
        self.before & keep | filler & !keep
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_window_shows_the_end_of_its_cell(text in prop::collection::vec(any::<u8>(), 0..40), at in 0_usize..40, length in 0_usize..30) {
            let start = at.min(text.len());
            let span = start..(start + length).min(text.len());
            let window = Window::new(&text, &span);
            let mut shown = [b'0'; 16];
            let seen = &text[span.clone()][span.len().saturating_sub(16)..];
            shown[16 - seen.len()..].copy_from_slice(seen);
            let zeros = u64::from_le_bytes([b'0'; 8]);
            prop_assert_eq!([window.before(zeros).to_le_bytes(), window.last(zeros).to_le_bytes()].concat(), shown);
            prop_assert_eq!(window.length(), span.len());
        }
    }
}
