//! How fields are written: with quotation marks or without.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr3};

use super::{
    MAX_FIELD_BYTES, MAX_FIELD_LINES, Shape,
    line_ends::{count_line_ends, line_ends, without_open_line_end},
};

/// U+00A0, which spreadsheets and web pages leave around texts.
const NBSP: [u8; 2] = [0xc2, 0xa0];

/// How quotation marks are read.
#[derive(Debug, Clone, Copy)]
pub struct Quoting {
    pub delimiter: u8,
    /// Whether a backslash escapes the quotation mark after it.
    pub escapes: bool,
}

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Up to the next delimiter or line end: quotation marks inside are ordinary characters.
    Plainly,
    /// Between two quotation marks.
    Quoted {
        /// Offset of the closing mark.
        closed: usize,
        /// Offset after the whitespace that follows the closing mark: that of a delimiter or line end, or the end of the text.
        end: usize,
        /// Number of line ends inside.
        line_ends: u64,
    },
    /// The opening mark has no closing one.
    Unclosed,
    /// Other text follows the closing mark.
    Stray,
    /// More text is needed to decide.
    Undecided,
}

impl Quoting {
    /// How the field that begins at `at` is written. `ended` means that no more text follows.
    #[inline]
    pub fn field(self, text: &[u8], at: usize, ended: bool) -> Written {
        match text.get(at) {
            Some(b'"') if let Some(closed) = self.simply_quoted(text, at) => {
                Written::Quoted { closed, end: closed + 1, line_ends: 0 }
            }
            Some(b'"' | b' ' | b'\t' | 0xc2) => self.any_field(text, at, ended),
            _ => Written::Plainly,
        }
    }

    /// Offset of the closing mark in the simple case, which covers nearly every tape: no quotation mark and no line end inside
    /// the field, and a delimiter or line end right after it.
    #[inline]
    fn simply_quoted(self, text: &[u8], opened: usize) -> Option<usize> {
        let closed = opened + 1 + memchr3(b'"', b'\n', b'\r', &text[opened + 1..])?;
        let next = *text.get(closed + 1)?;
        let simple = text[closed] == b'"' && !self.escapes && closed - opened <= MAX_FIELD_BYTES + 1;
        (simple && (next == self.delimiter || matches!(next, b'\n' | b'\r'))).then_some(closed)
    }

    fn any_field(self, text: &[u8], at: usize, ended: bool) -> Written {
        let opened = self.behind_white_space(text, at);
        if text.get(opened) != Some(&b'"') {
            return Written::Plainly;
        }
        match self.quoted(text, opened, ended) {
            // After whitespace, a quotation mark that does not quote the whole field is an ordinary character.
            Written::Unclosed | Written::Stray if opened > at => Written::Plainly,
            written => written,
        }
    }

    fn quoted(self, text: &[u8], opened: usize, ended: bool) -> Written {
        let Some(closed) = self.closing(text, opened, text.len().min(opened + MAX_FIELD_BYTES + 3)) else {
            let rest = &text[opened + 1..];
            let too_large = || {
                let mut ends = line_ends(without_open_line_end(rest));
                rest.len() > MAX_FIELD_BYTES + 1 || ends.nth(MAX_FIELD_LINES - 1).is_some()
            };
            return if ended || too_large() { Written::Unclosed } else { Written::Undecided };
        };
        let line_ends = count_line_ends(&text[opened..closed]);
        if closed - opened > MAX_FIELD_BYTES + 1 || line_ends >= MAX_FIELD_LINES as u64 {
            return Written::Unclosed;
        }
        let end = self.behind_white_space(text, closed + 1);
        match &text[end..] {
            // With more text, the quotation mark may turn out to be the first half of a doubled one, or the byte the first of a
            // no-break space.
            [] | [0xc2] if !ended => Written::Undecided,
            [] | [b'\r' | b'\n', ..] => Written::Quoted { closed, end, line_ends },
            [next, ..] if *next == self.delimiter => Written::Quoted { closed, end, line_ends },
            _ => Written::Stray,
        }
    }

    /// Offset of the closing mark of the field that opens at `opened`: the first quotation mark before `limit` that is neither
    /// doubled nor escaped.
    fn closing(self, text: &[u8], opened: usize, limit: usize) -> Option<usize> {
        let mut at = opened + 1;
        loop {
            let quote = at + memchr(b'"', text.get(at..limit)?)?;
            if self.escapes && quote > at && text[quote - 1] == b'\\' {
                at = quote + 1;
            } else if text.get(quote + 1) == Some(&b'"') {
                at = quote + 2;
            } else {
                return Some(quote);
            }
        }
    }

    /// Offset after the whitespace that begins at `at`. A tab that is the delimiter is not whitespace.
    #[inline]
    fn behind_white_space(self, text: &[u8], mut at: usize) -> usize {
        loop {
            match text.get(at) {
                Some(b' ' | b'\t') if text[at] != self.delimiter => at += 1,
                Some(0xc2) if text[at..].starts_with(&NBSP) => at += NBSP.len(),
                _ => return at,
            }
        }
    }

    /// The text between two quotation marks, with doubled and escaped marks resolved.
    fn unquoted(self, inside: &str) -> Cow<'_, str> {
        if memchr(b'"', inside.as_bytes()).is_none() {
            return Cow::Borrowed(inside);
        }
        if !self.escapes {
            return Cow::Owned(inside.replace("\"\"", "\""));
        }
        let mut text = String::with_capacity(inside.len());
        let mut at = 0;
        // Every quotation mark is either escaped by a backslash or the first of a doubled pair.
        while let Some(quote) = memchr(b'"', &inside.as_bytes()[at..]).map(|found| at + found) {
            let escaped = quote > at && inside.as_bytes()[quote - 1] == b'\\';
            text.push_str(&inside[at..if escaped { quote - 1 } else { quote }]);
            text.push('"');
            at = (quote + if escaped { 1 } else { 2 }).min(inside.len());
        }
        text.push_str(&inside[at..]);
        Cow::Owned(text)
    }
}

/// Splits a well-formed record into its fields.
///
/// `record` is the text of a record whose `shape` is not [`Shape::Malformed`].
pub fn split_fields<'t>(record: &'t str, shape: Shape, delimiter: u8, fields: &mut Vec<Cow<'t, str>>) {
    fields.clear();
    let bytes = record.as_bytes();
    if shape == Shape::Plain {
        let mut start = 0;
        for end in memchr_iter(delimiter, bytes) {
            fields.push(Cow::Borrowed(&record[start..end]));
            start = end + 1;
        }
        fields.push(Cow::Borrowed(&record[start..]));
        return;
    }
    let quoting = Quoting { delimiter, escapes: shape == Shape::Escaped };
    let mut at = 0;
    loop {
        let (field, end) = quoting.read_field(record, at);
        fields.push(field);
        if end >= bytes.len() {
            return;
        }
        at = end + 1;
    }
}

impl Quoting {
    /// The field that begins at `at` of a well-formed record, and the offset at which the field ends.
    #[inline]
    fn read_field(self, record: &str, at: usize) -> (Cow<'_, str>, usize) {
        let bytes = record.as_bytes();
        let opened = self.behind_white_space(bytes, at);
        if bytes.get(opened) == Some(&b'"') {
            if opened == at && !self.escapes {
                let closed = at + 1 + memchr(b'"', &bytes[at + 1..]).unwrap_or(bytes.len() - at - 1);
                if bytes.get(closed + 1).is_none_or(|next| *next == self.delimiter) {
                    return (Cow::Borrowed(&record[at + 1..closed]), closed + 1);
                }
            }
            if let Some((closed, end)) = self.closed_field(bytes, at, opened) {
                return (self.unquoted(&record[opened + 1..closed]), end);
            }
        }
        let end = memchr(self.delimiter, &bytes[at..]).map_or(bytes.len(), |found| at + found);
        (Cow::Borrowed(&record[at..end]), end)
    }

    /// Where a field that opens at `opened` closes and ends; `None` when its quotation marks are ordinary characters.
    fn closed_field(self, record: &[u8], at: usize, opened: usize) -> Option<(usize, usize)> {
        if opened > at {
            return match self.any_field(record, at, true) {
                Written::Quoted { closed, end, .. } => Some((closed, end)),
                _ => None,
            };
        }
        // The limits were checked when the record was found.
        let closed = self.closing(record, opened, record.len()).unwrap_or(record.len());
        Some((closed, self.behind_white_space(record, closed + 1)))
    }
}

/// The text of a record that is exactly one quoted field, apart from whitespace around it: some programs put whole lines into
/// quotation marks. Quotation marks inside are doubled, or else escaped by backslashes.
pub fn unwrap_line(record: &str) -> Option<Cow<'_, str>> {
    [false, true].into_iter().find_map(|escapes| {
        // No byte of text is 0xff. With this delimiter, tabs around a line are whitespace.
        let quoting = Quoting { delimiter: 0xff, escapes };
        let opened = quoting.behind_white_space(record.as_bytes(), 0);
        match quoting.field(record.as_bytes(), 0, true) {
            Written::Quoted { closed, end, .. } if end == record.len() => Some(quoting.unquoted(&record[opened + 1..closed])),
            _ => None,
        }
    })
}
