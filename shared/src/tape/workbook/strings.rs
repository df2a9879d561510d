//! The texts that the cells of a workbook share.

use super::{
    error::{WorkbookError, bomb, corrupt},
    limits::MAX_SHARED_STRING_COUNT,
    text::push_rich_text,
    xml::{XmlEvent, XmlReader, XmlSource},
};

/// The shared strings, end to end in one text.
#[derive(Debug, Default)]
pub struct SharedStrings {
    text: String,
    /// The end of each string in `text`.
    ends: Vec<u32>,
}

impl SharedStrings {
    /// Reads the part to its end.
    pub fn read<S: XmlSource>(xml: &mut XmlReader<S>) -> Result<Self, WorkbookError> {
        let mut strings = Self::default();
        loop {
            match xml.next()? {
                XmlEvent::Start(tag) if tag.name == b"si" => {
                    push_rich_text(xml, &mut strings.text)?;
                    if !strings.end_string() {
                        return Err(strings.too_many(xml.name()));
                    }
                }
                XmlEvent::Start(tag) if tag.name == b"sst" => {
                    let declared =
                        tag.attribute("uniqueCount").map(|count| std::str::from_utf8(count).unwrap_or_default().parse());
                    if declared.is_some_and(|count| count.map_or(true, |count: u64| count > MAX_SHARED_STRING_COUNT)) {
                        return Err(corrupt("it declares more shared strings than a workbook can have"));
                    }
                }
                XmlEvent::Eof => return Ok(strings),
                _ => {}
            }
        }
    }

    /// The buffer for the text of the next string.
    pub fn text_mut(&mut self) -> &mut String {
        &mut self.text
    }

    /// Ends a string whose text has been appended; returns `false` when there are too many strings.
    pub fn end_string(&mut self) -> bool {
        // The part is at most 256 MiB, and no text is more than twice as long as in its part.
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        self.ends.len() as u64 <= MAX_SHARED_STRING_COUNT
    }

    /// The error for a part with too many strings.
    pub fn too_many(&self, part: &str) -> WorkbookError {
        bomb(part, format!("{MAX_SHARED_STRING_COUNT} strings"))
    }

    /// The string at an index.
    pub fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)? as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.text.get(start..end)
    }
}
