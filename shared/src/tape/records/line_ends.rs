//! Line ends: CR CR LF, CR LF, LF or CR, the longest match from left to right. Each ends one line.
//!
//! CR CR LF comes from programs that turn LF into CR LF in a text that has CR LF already. A CR alone comes from old Macintosh
//! programs, and today from Excel's "CSV (Macintosh)".

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2_iter};

/// Length of the longest line end.
pub const LONGEST_LINE_END: usize = 3;

/// Length of the line end at the start of `rest`, which begins with CR or LF; `None` when more text is needed. `ended` means that
/// no more text follows.
#[inline]
pub fn line_end_length(rest: &[u8], ended: bool) -> Option<usize> {
    match rest {
        [b'\r', b'\r', b'\n', ..] => Some(3),
        [b'\r', b'\n', ..] => Some(2),
        [b'\r'] | [b'\r', b'\r'] if !ended => None,
        _ => Some(1),
    }
}

/// The line ends in a text that does not end inside a line end.
pub fn line_ends(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut behind = 0;
    memchr2_iter(b'\r', b'\n', text).filter_map(move |at| {
        if at < behind {
            return None;
        }
        behind = at + line_end_length(&text[at..], true)?;
        Some(at..behind)
    })
}

/// Number of line ends in a text that does not end inside a line end.
pub fn count_line_ends(text: &[u8]) -> u64 {
    // Most texts have no CR, and counting one byte is much faster than finding the longest of four line ends.
    match memchr(b'\r', text) {
        None => memchr_iter(b'\n', text).count() as u64,
        Some(_) => line_ends(text).count() as u64,
    }
}

/// The text without a CR or CR CR at its end, which more text may turn into a longer line end. All line ends that remain are
/// certain.
pub fn without_open_line_end(text: &[u8]) -> &[u8] {
    match text {
        [rest @ .., b'\r', b'\r'] | [rest @ .., b'\r'] => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_line_end_counts_from_left_to_right() {
        for (text, lengths) in [
            ("a\nb\rc\r\nd\r\r\ne", &[1, 1, 2, 3][..]),
            ("\r\r", &[1, 1]),
            ("\r\r\r\n", &[1, 3]),
            ("\n\r\n\r", &[1, 2, 1]),
            ("\r\r\n\n\r\r\r", &[3, 1, 1, 1, 1]),
            ("none", &[]),
            ("", &[]),
        ] {
            assert_eq!(line_ends(text.as_bytes()).map(|end| end.len()).collect::<Vec<_>>(), lengths, "{text:?}");
            assert_eq!(count_line_ends(text.as_bytes()), lengths.len() as u64);
        }
    }

    #[test]
    fn a_return_at_the_end_of_what_is_read_is_undecided() {
        for (rest, length) in [
            ("\r", None),
            ("\r\r", None),
            ("\r\r\r", Some(1)),
            ("\r\n", Some(2)),
            ("\r\r\n", Some(3)),
            ("\n", Some(1)),
            ("\rx", Some(1)),
        ] {
            assert_eq!(line_end_length(rest.as_bytes(), false), length, "{rest:?}");
            assert!(line_end_length(rest.as_bytes(), true).is_some());
        }
        assert_eq!(without_open_line_end(b"a\r\r\r"), b"a\r");
        assert_eq!(without_open_line_end(b"a\r\n"), b"a\r\n");
    }
}
