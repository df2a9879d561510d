//! Reads XML in one pass over unpacked bytes.
//!
//! The reader holds a window of a part and yields one tag or one text at a time. It rejects what would grow without bound (long
//! tags, long texts, deep nesting), XML that is not well-formed, and document types, where entities could be declared: a workbook
//! has none.

use std::{
    io::{Read, Seek},
    ops::Range,
};

use memchr::{memchr, memchr2, memmem};

use super::{
    error::{WorkbookError, bomb, corrupt, mebibytes},
    limits::{MAX_ATTRIBUTES, MAX_CELL, MAX_DEPTH, MAX_TAG, WINDOW},
    package::PartReader,
};

/// Where unpacked XML comes from.
pub trait XmlSource {
    /// Name of the part, for messages.
    fn name(&self) -> &str;

    /// Fills the buffer with the next bytes; returns 0 only at the end.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, WorkbookError>;
}

impl<R: Read + Seek> XmlSource for PartReader<R> {
    fn name(&self) -> &str {
        Self::name(self)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, WorkbookError> {
        Self::fill(self, buffer)
    }
}

/// The next piece of the XML. Names are local ones, without prefixes. An empty element has a start and an end.
#[derive(Debug)]
pub enum XmlEvent<'x> {
    Start(Tag<'x>),
    /// `depth` is the number of elements that are still open.
    End {
        name: &'x [u8],
        depth: usize,
    },
    /// Text as written, entities not resolved.
    Text(&'x [u8]),
    /// Text in which nothing is markup (CDATA).
    Literal(&'x [u8]),
    /// The end of the part. All elements are closed.
    Eof,
}

/// A start tag.
#[derive(Debug, Clone, Copy)]
pub struct Tag<'x> {
    window: &'x [u8],
    /// The element's local name.
    pub name: &'x [u8],
    attributes: &'x [Attribute],
}

/// Positions of the local name and the value of an attribute in the window.
#[derive(Debug, Clone, Copy)]
struct Attribute {
    name: (u32, u32),
    value: (u32, u32),
}

impl<'x> Tag<'x> {
    /// The local names and values of the attributes, with entities not resolved.
    pub fn attributes(self) -> impl Iterator<Item = (&'x [u8], &'x [u8])> {
        let window = self.window;
        let piece = move |(from, to): (u32, u32)| &window[from as usize..to as usize];
        self.attributes.iter().map(move |attribute| (piece(attribute.name), piece(attribute.value)))
    }

    /// The value of the first attribute with this local name.
    pub fn attribute(self, wanted: &str) -> Option<&'x [u8]> {
        self.attributes().find(|(name, _)| *name == wanted.as_bytes()).map(|(_, value)| value)
    }
}

/// Reads the XML of one part.
pub struct XmlReader<S> {
    source: S,
    window: Vec<u8>,
    /// The bytes of the window from `from` to `to` have not been parsed yet.
    from: usize,
    to: usize,
    /// Whether the source has no more bytes.
    drained: bool,
    attributes: Vec<Attribute>,
    /// The names of the open elements, end to end, with prefixes. The name of the element closed last is after `names_end`.
    names: Vec<u8>,
    names_end: usize,
    starts: Vec<usize>,
    /// Whether the element that began last is empty, and ends next.
    ends_next: bool,
}

/// The result of parsing the window: a whole item, or only a part of it.
enum Look<T> {
    Whole(T),
    Partial,
}

impl<S: XmlSource> XmlReader<S> {
    /// Starts at the beginning of a part.
    pub fn new(source: S) -> Self {
        Self {
            source,
            window: vec![0; WINDOW],
            from: 0,
            to: 0,
            drained: false,
            attributes: Vec::new(),
            names: Vec::new(),
            names_end: 0,
            starts: Vec::new(),
            ends_next: false,
        }
    }

    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Number of open elements.
    pub fn depth(&self) -> usize {
        self.starts.len()
    }

    /// The next tag or text.
    ///
    /// # Errors
    /// [`WorkbookError::Bomb`] when the XML is too large somewhere; [`WorkbookError::Corrupt`] when it is not well-formed; all
    /// errors of the source.
    pub fn next(&mut self) -> Result<XmlEvent<'_>, WorkbookError> {
        if self.ends_next {
            self.ends_next = false;
            return self.pop();
        }
        loop {
            if self.from == self.to && !self.more()? {
                return if self.starts.is_empty() { Ok(XmlEvent::Eof) } else { Err(self.ended_early()) };
            }
            if self.window[self.from] != b'<' {
                let text = self.text()?;
                return Ok(XmlEvent::Text(&self.window[text]));
            }
            match self.byte_behind()? {
                b'?' => self.instruction()?,
                b'!' => {
                    if let Some(literal) = self.comment_or_literal()? {
                        return Ok(XmlEvent::Literal(&self.window[literal]));
                    }
                }
                b'/' => return self.end_tag(),
                _ => return self.start_tag().map(XmlEvent::Start),
            }
        }
    }

    /// The text of the next `<v>`, when the open cell has nothing else left (`<v>…</v></c>`) and the text is plain. Both elements
    /// are then closed. Nearly every cell of a sheet is like that, and this is several times as fast as tag by tag.
    pub fn plain_value(&mut self) -> Result<Option<&[u8]>, WorkbookError> {
        const BEFORE: &[u8] = b"<v>";
        const AFTER: &[u8] = b"</v></c>";
        /// Longer than any number and any index of a shared string.
        const LONGEST: usize = 64;
        if self.ends_next {
            return Ok(None);
        }
        if self.to - self.from < BEFORE.len() + LONGEST + AFTER.len() {
            self.more()?;
        }
        let ahead = &self.window[self.from..self.to];
        let Some(rest) = ahead.strip_prefix(BEFORE) else { return Ok(None) };
        let Some(length) = memchr(b'<', &rest[..rest.len().min(LONGEST)]) else { return Ok(None) };
        let cell = &self.names[self.starts.last().copied().unwrap_or(0)..self.names_end];
        if !rest[length..].starts_with(AFTER) || cell != b"c" || memchr2(b'&', b'\r', &rest[..length]).is_some() {
            return Ok(None);
        }
        let start = self.from + BEFORE.len();
        self.from = start + length + AFTER.len();
        self.pop()?;
        Ok(Some(&self.window[start..start + length]))
    }

    /// Skips the rest of the part without parsing it, so that its checksum is verified.
    pub fn drain(&mut self) -> Result<(), WorkbookError> {
        while !self.drained {
            (self.from, self.to) = (0, 0);
            self.more()?;
        }
        (self.from, self.to) = (0, 0);
        Ok(())
    }

    /// Gets more bytes into the window; returns `false` when there are none.
    fn more(&mut self) -> Result<bool, WorkbookError> {
        if self.drained {
            return Ok(false);
        }
        self.window.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        self.from = 0;
        if self.to > self.window.len() / 2 {
            self.window.resize(self.window.len() * 2, 0);
        }
        let room = &mut self.window[self.to..];
        let filled = self.source.fill(room)?;
        self.drained = filled == 0;
        self.to += filled;
        Ok(filled > 0)
    }

    /// Calls `look` on the window, and gets more bytes into it until `look` finds a whole item. `look` gets the bytes that have
    /// not been parsed yet, and how many of them it has seen before; it returns the length of the item, or `None` when the XML is
    /// not well-formed.
    fn look<T>(
        &mut self,
        limit: usize,
        too_long: fn() -> String,
        mut look: impl FnMut(&[u8], usize) -> Option<Look<(usize, T)>>,
    ) -> Result<(Range<usize>, T), WorkbookError> {
        let mut seen = 0;
        loop {
            let ahead = &self.window[self.from..self.to];
            let (length, found) = match look(ahead, seen) {
                Some(Look::Whole((length, found))) => (length, Some(found)),
                Some(Look::Partial) => (ahead.len(), None),
                None => return Err(self.malformed()),
            };
            if length > limit {
                return Err(bomb(self.source.name(), too_long()));
            }
            if let Some(found) = found {
                let start = self.from;
                self.from += length;
                return Ok((start..start + length, found));
            }
            seen = length;
            if !self.more()? {
                return Err(self.ended_early());
            }
        }
    }

    /// Everything up to the next tag, or to the end of the part.
    fn text(&mut self) -> Result<Range<usize>, WorkbookError> {
        let mut seen = 0;
        loop {
            let ahead = &self.window[self.from..self.to];
            let end = memchr(b'<', &ahead[seen..]).map(|at| seen + at);
            let length = end.unwrap_or(ahead.len());
            if length > MAX_CELL {
                return Err(bomb(self.source.name(), format!("{} in one cell", mebibytes(MAX_CELL as u64))));
            }
            seen = length;
            if end.is_some() || !self.more()? {
                let start = self.from;
                self.from += length;
                return Ok(start..start + length);
            }
        }
    }

    /// The byte after the next `<`.
    fn byte_behind(&mut self) -> Result<u8, WorkbookError> {
        if self.to - self.from < 2 && !self.more()? {
            return Err(self.ended_early());
        }
        Ok(self.window[self.from + 1])
    }

    /// Skips `<?…?>`; rejects a declaration of an encoding that is not UTF-8 or ASCII.
    fn instruction(&mut self) -> Result<(), WorkbookError> {
        let (range, ()) =
            self.look(MAX_CELL, markup_too_long::<MAX_CELL>, |ahead, seen| Some(until(ahead, 2, seen, b"?>", ())))?;
        let text = self.window[range].to_ascii_lowercase();
        let encoding = memmem::find(&text, b"encoding").filter(|_| text.starts_with(b"<?xml "));
        if let Some(at) = encoding {
            let name = text[at..].split(|byte| matches!(byte, b'"' | b'\'')).nth(1).unwrap_or_default();
            if !matches!(name, b"utf-8" | b"utf8" | b"us-ascii") {
                return Err(corrupt(format_args!("its part {} is not in UTF-8", self.source.name())));
            }
        }
        Ok(())
    }

    /// Skips `<!--…-->`, or returns the range of the text of a `<![CDATA[…]]>`.
    fn comment_or_literal(&mut self) -> Result<Option<Range<usize>>, WorkbookError> {
        const COMMENT: &[u8] = b"<!--";
        const LITERAL: &[u8] = b"<![CDATA[";
        let (range, literal) = self.look(MAX_CELL, markup_too_long::<MAX_CELL>, |ahead, seen| {
            if ahead.starts_with(COMMENT) {
                Some(until(ahead, COMMENT.len(), seen, b"-->", false))
            } else if ahead.starts_with(LITERAL) {
                Some(until(ahead, LITERAL.len(), seen, b"]]>", true))
            } else {
                (COMMENT.starts_with(ahead) || LITERAL.starts_with(ahead)).then_some(Look::Partial)
            }
        })?;
        Ok(literal.then(|| range.start + LITERAL.len()..range.end - b"]]>".len()))
    }

    fn end_tag(&mut self) -> Result<XmlEvent<'_>, WorkbookError> {
        let (range, ()) = self.look(MAX_TAG, markup_too_long::<MAX_TAG>, |ahead, seen| Some(until(ahead, 2, seen, b">", ())))?;
        let name = trim_end(&self.window[range.start + 2..range.end - 1]);
        let open = self.starts.last().map(|start| &self.names[*start..self.names_end]);
        if open != Some(name) {
            return Err(self.malformed());
        }
        self.pop()
    }

    /// Closes the innermost element.
    fn pop(&mut self) -> Result<XmlEvent<'_>, WorkbookError> {
        let Some(start) = self.starts.pop() else { return Err(self.malformed()) };
        let name = start..self.names_end;
        self.names_end = start;
        Ok(XmlEvent::End { name: local(&self.names[name]), depth: self.starts.len() })
    }

    fn start_tag(&mut self) -> Result<Tag<'_>, WorkbookError> {
        loop {
            let ahead = &self.window[..self.to];
            match parse_tag(ahead, self.from + 1, &mut self.attributes) {
                Some(Look::Whole(parsed)) => {
                    if parsed.end - self.from > MAX_TAG {
                        return Err(bomb(self.source.name(), markup_too_long::<MAX_TAG>()));
                    }
                    if self.attributes.len() > MAX_ATTRIBUTES {
                        return Err(bomb(self.source.name(), format!("{MAX_ATTRIBUTES} attributes in one tag")));
                    }
                    let name = self.from + 1..parsed.name_end;
                    self.from = parsed.end;
                    self.push(name.clone(), parsed.empty)?;
                    let window = &self.window[..];
                    return Ok(Tag { window, name: local(&window[name]), attributes: &self.attributes });
                }
                Some(Look::Partial) => {
                    if self.to - self.from > MAX_TAG {
                        return Err(bomb(self.source.name(), markup_too_long::<MAX_TAG>()));
                    }
                    if !self.more()? {
                        return Err(self.ended_early());
                    }
                }
                None => return Err(self.malformed()),
            }
        }
    }

    /// Opens an element.
    fn push(&mut self, name: Range<usize>, empty: bool) -> Result<(), WorkbookError> {
        self.names.truncate(self.names_end);
        self.starts.push(self.names_end);
        self.names.extend_from_slice(&self.window[name]);
        self.names_end = self.names.len();
        self.ends_next = empty;
        if self.starts.len() > MAX_DEPTH {
            return Err(bomb(self.source.name(), format!("{MAX_DEPTH} elements inside one another")));
        }
        Ok(())
    }

    /// The error for a part that is not well-formed.
    pub fn malformed(&self) -> WorkbookError {
        corrupt(format_args!("its part {} is not well-formed", self.source.name()))
    }

    /// The error for a part that ends early.
    pub fn ended_early(&self) -> WorkbookError {
        corrupt(format_args!("its part {} is not well-formed: it ends early", self.source.name()))
    }
}

fn markup_too_long<const LIMIT: usize>() -> String {
    format!("{} KiB in one piece of markup", LIMIT >> 10)
}

/// Searches for the end of a piece of markup, after its first bytes and those that have been searched before.
fn until<T>(ahead: &[u8], first: usize, seen: usize, end: &[u8], found: T) -> Look<(usize, T)> {
    let from = first.max(seen.saturating_sub(end.len()));
    match ahead.get(from..).and_then(|rest| memmem::find(rest, end)) {
        Some(at) => Look::Whole((from + at + end.len(), found)),
        None => Look::Partial,
    }
}

struct ParsedTag {
    name_end: usize,
    /// Offset after the `>`.
    end: usize,
    empty: bool,
}

/// Parses a start tag whose name begins at an offset of the window. `None` when the tag is not well-formed. When a tag has too
/// many attributes, the rest of them are not parsed, and the caller reports the tag.
fn parse_tag(window: &[u8], name: usize, attributes: &mut Vec<Attribute>) -> Option<Look<ParsedTag>> {
    attributes.clear();
    let mut at = name;
    while !matches!(window.get(at), None | Some(b'>' | b'/' | b'<' | b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    let name_end = at;
    if name_end == name && at < window.len() {
        return None;
    }
    loop {
        while window.get(at).is_some_and(|byte| is_space(*byte)) {
            at += 1;
        }
        match window.get(at) {
            None => return Some(Look::Partial),
            Some(b'>') => return Some(Look::Whole(ParsedTag { name_end, end: at + 1, empty: false })),
            Some(b'/') => {
                return match window.get(at + 1) {
                    None => Some(Look::Partial),
                    Some(b'>') => Some(Look::Whole(ParsedTag { name_end, end: at + 2, empty: true })),
                    Some(_) => None,
                };
            }
            Some(_) if attributes.len() > MAX_ATTRIBUTES => {
                return Some(Look::Whole(ParsedTag { name_end, end: at, empty: true }));
            }
            Some(_) => match parse_attribute(window, at)? {
                Look::Whole((attribute, end)) => {
                    attributes.push(attribute);
                    at = end;
                }
                Look::Partial => return Some(Look::Partial),
            },
        }
    }
}

/// Parses `name="value"` at an offset of the window; returns the attribute and the offset after it. `None` when the attribute is
/// not well-formed.
fn parse_attribute(window: &[u8], start: usize) -> Option<Look<(Attribute, usize)>> {
    let mut at = start;
    let mut name = start;
    loop {
        match window.get(at) {
            None => return Some(Look::Partial),
            Some(b'=') => break,
            Some(b'>' | b'<' | b'"' | b'\'' | b'/') => return None,
            Some(b':') => name = at + 1,
            Some(_) => {}
        }
        at += 1;
    }
    let name_end = name + trim_end(&window[name..at]).len();
    at += 1;
    while window.get(at).is_some_and(|byte| is_space(*byte)) {
        at += 1;
    }
    let Some(quote) = window.get(at) else { return Some(Look::Partial) };
    if !matches!(quote, b'"' | b'\'') || name_end == start {
        return None;
    }
    let value = at + 1;
    // Values are short: setting up a faster search costs more than it saves.
    let mut end = value;
    loop {
        match window.get(end) {
            None => return Some(Look::Partial),
            Some(byte) if byte == quote => break,
            Some(b'<') => return None,
            Some(_) => end += 1,
        }
    }
    let place = |from: usize, to: usize| Some((u32::try_from(from).ok()?, u32::try_from(to).ok()?));
    let attribute = Attribute { name: place(name, name_end)?, value: place(value, end)? };
    Some(Look::Whole((attribute, end + 1)))
}

fn local(name: &[u8]) -> &[u8] {
    match name.iter().position(|byte| *byte == b':') {
        Some(colon) => &name[colon + 1..],
        None => name,
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim_end(name: &[u8]) -> &[u8] {
    &name[..name.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1)]
}
