//! The text that a cell of an OpenDocument spreadsheet shows.

use super::{
    error::{WorkbookError, corrupt},
    limits::MAX_ROW_TEXT,
    text::{push_text, skip_element},
    xml::{Tag, XmlEvent, XmlReader, XmlSource},
};

/// The largest number of spaces that one `<text:s>` may stand for: a cell has no more characters.
const MAX_SPACES: usize = 32_767;

/// Appends the paragraphs of the open cell, one per line, and reads to the cell's end. Skips notes and drawings.
pub fn push_paragraphs<S: XmlSource>(xml: &mut XmlReader<S>, out: &mut String) -> Result<(), WorkbookError> {
    let depth = xml.depth();
    let mut paragraphs = 0;
    loop {
        match xml.next()? {
            XmlEvent::Start(tag) if tag.name == b"p" => {
                if paragraphs > 0 {
                    out.push('\n');
                }
                paragraphs += 1;
                push_paragraph(xml, out)?;
            }
            XmlEvent::Start(_) => skip_element(xml)?,
            XmlEvent::End { depth: left, .. } if left < depth => return Ok(()),
            XmlEvent::Eof => return Err(xml.ended_early()),
            XmlEvent::Text(_) | XmlEvent::Literal(_) | XmlEvent::End { .. } => {}
        }
    }
}

/// Appends the text of the open paragraph. A run of whitespace is one space, and none at the beginning. Elements stand for more
/// spaces, for tabs and for line breaks.
fn push_paragraph<S: XmlSource>(xml: &mut XmlReader<S>, out: &mut String) -> Result<(), WorkbookError> {
    let depth = xml.depth();
    let mut piece = String::new();
    let mut after_space = true;
    loop {
        if out.len() > MAX_ROW_TEXT {
            return Err(corrupt("a cell shows more text than a sheet can hold"));
        }
        piece.clear();
        match xml.next()? {
            XmlEvent::Start(tag) => match tag.name {
                b"s" => out.extend(std::iter::repeat_n(' ', spaces(tag)?)),
                b"tab" => out.push('\t'),
                b"line-break" => out.push('\n'),
                b"annotation" | b"note" | b"ruby-text" => skip_element(xml)?,
                _ => {}
            },
            XmlEvent::Text(raw) => push_text(raw, &mut piece)?,
            XmlEvent::Literal(raw) => piece.push_str(&String::from_utf8_lossy(raw)),
            XmlEvent::End { depth: left, .. } if left < depth => return Ok(()),
            XmlEvent::End { .. } => {}
            XmlEvent::Eof => return Err(xml.ended_early()),
        }
        for symbol in piece.chars() {
            let is_space = matches!(symbol, ' ' | '\t' | '\r' | '\n');
            if !is_space {
                out.push(symbol);
            } else if !after_space {
                out.push(' ');
            }
            after_space = is_space;
        }
    }
}

fn spaces(tag: Tag<'_>) -> Result<usize, WorkbookError> {
    let Some(count) = tag.attribute("c") else { return Ok(1) };
    let count = std::str::from_utf8(count).ok().and_then(|count| count.parse().ok());
    count.filter(|count| *count <= MAX_SPACES).ok_or_else(|| corrupt("a cell has more spaces than a sheet can hold"))
}
