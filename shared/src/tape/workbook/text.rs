//! Decodes the texts of a workbook from XML.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};

use super::{
    error::{WorkbookError, corrupt},
    xml::{XmlEvent, XmlReader, XmlSource},
};

/// Length of an escape such as `_x000D_`, in bytes.
const ESCAPE: usize = 7;

/// Appends text from XML, with entities resolved and line ends as `\n`.
pub fn push_text(raw: &[u8], out: &mut String) -> Result<(), WorkbookError> {
    let mut rest = utf8(raw)?;
    while let Some(at) = memchr2(b'&', b'\r', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('\r') {
            out.push('\n');
            rest = rest.strip_prefix("\r\n").unwrap_or(&rest[1..]);
        } else {
            let end = memchr(b';', rest.as_bytes());
            let (entity, behind) = end.and_then(|end| Some((rest.get(1..end)?, end + 1))).ok_or_else(|| unknown_entity(rest))?;
            out.push(resolve(entity).ok_or_else(|| unknown_entity(&rest[..behind]))?);
            rest = &rest[behind..];
        }
    }
    out.push_str(rest);
    Ok(())
}

fn unknown_entity(text: &str) -> WorkbookError {
    corrupt(format_args!("it holds the unknown entity {}", text.chars().take(20).collect::<String>()))
}

/// The character of an entity, which is given without `&` and `;`.
fn resolve(entity: &str) -> Option<char> {
    let code = match entity {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        number => number.strip_prefix('#')?,
    };
    let number = match code.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => code.parse().ok()?,
    };
    char::from_u32(number).filter(|symbol| *symbol != '\0')
}

/// The text of an attribute's value.
pub fn attribute_text(raw: &[u8]) -> Result<Cow<'_, str>, WorkbookError> {
    if memchr(b'&', raw).is_none() {
        return utf8(raw).map(Cow::Borrowed);
    }
    let mut text = String::new();
    push_text(raw, &mut text)?;
    Ok(Cow::Owned(text))
}

fn utf8(raw: &[u8]) -> Result<&str, WorkbookError> {
    std::str::from_utf8(raw).map_err(|_| corrupt("a text is not in UTF-8"))
}

/// Resolves the escapes that Excel writes for characters that XML cannot hold (`_x000D_`, UTF-16 units in hexadecimal digits) in
/// the text from `start` on.
pub fn unescape_from(text: &mut String, start: usize) {
    let Some(first) = memmem::find(&text.as_bytes()[start..], b"_x") else { return };
    let escaped = text.split_off(start + first);
    let mut rest = escaped.as_str();
    while !rest.is_empty() {
        let Some((unit, behind)) = escape(rest) else {
            let next = rest[1..].find('_').map_or(rest.len(), |at| at + 1);
            text.push_str(&rest[..next]);
            rest = &rest[next..];
            continue;
        };
        rest = behind;
        let pair = escape(rest).map(|(low, behind)| ([unit, low], behind));
        let (units, behind) = match &pair {
            Some((units, behind)) if (0xD800..0xDC00).contains(&unit) => (&units[..], *behind),
            _ => (&[unit][..], rest),
        };
        match char::decode_utf16(units.iter().copied()).next() {
            Some(Ok(symbol)) => {
                text.push(symbol);
                rest = behind;
            }
            _ => text.push(char::REPLACEMENT_CHARACTER),
        }
    }
}

/// The UTF-16 unit of the escape that a text begins with, and the text after it.
fn escape(text: &str) -> Option<(u16, &str)> {
    let hex = text.strip_prefix("_x")?.get(..4).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let behind = text.get(ESCAPE - 1..)?.strip_prefix('_')?;
    Some((u16::from_str_radix(hex, 16).ok()?, behind))
}

/// Appends the text of the open element (`<si>`, `<is>`): the text of its `<t>`, or of all runs together when it has several,
/// without phonetic ones. Reads to the element's end.
pub fn push_rich_text<S: XmlSource>(xml: &mut XmlReader<S>, out: &mut String) -> Result<(), WorkbookError> {
    let depth = xml.depth();
    let mut phonetic = 0_usize;
    loop {
        match xml.next()? {
            XmlEvent::Start(tag) if tag.name == b"t" && phonetic == 0 => {
                let keeps_space = tag.attributes().any(|(name, value)| name == b"space" && value == b"preserve");
                push_run(xml, keeps_space, out)?;
            }
            XmlEvent::Start(tag) => phonetic += usize::from(tag.name == b"rPh"),
            XmlEvent::End { depth: left, .. } if left < depth => return Ok(()),
            XmlEvent::End { name, .. } => phonetic -= usize::from(name == b"rPh" && phonetic > 0),
            XmlEvent::Text(_) | XmlEvent::Literal(_) => {}
            XmlEvent::Eof => return Err(xml.ended_early()),
        }
    }
}

/// Appends the text of the open `<t>`, and reads to its end.
fn push_run<S: XmlSource>(xml: &mut XmlReader<S>, keeps_space: bool, out: &mut String) -> Result<(), WorkbookError> {
    const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
    let start = out.len();
    push_content(xml, out)?;
    if !keeps_space {
        out.truncate(start + out[start..].trim_end_matches(SPACE).len());
        let leading = out[start..].len() - out[start..].trim_start_matches(SPACE).len();
        out.drain(start..start + leading);
    }
    unescape_from(out, start);
    Ok(())
}

/// Appends all text of the open element, and reads to its end.
pub fn push_content<S: XmlSource>(xml: &mut XmlReader<S>, out: &mut String) -> Result<(), WorkbookError> {
    let depth = xml.depth();
    loop {
        match xml.next()? {
            XmlEvent::Text(raw) => push_text(raw, out)?,
            XmlEvent::Literal(raw) => out.push_str(&utf8(raw)?.replace("\r\n", "\n").replace('\r', "\n")),
            XmlEvent::End { depth: left, .. } if left < depth => return Ok(()),
            XmlEvent::Start(_) | XmlEvent::End { .. } => {}
            XmlEvent::Eof => return Err(xml.ended_early()),
        }
    }
}

/// Reads to the end of the open element.
pub fn skip_element<S: XmlSource>(xml: &mut XmlReader<S>) -> Result<(), WorkbookError> {
    let depth = xml.depth();
    loop {
        match xml.next()? {
            XmlEvent::End { depth: left, .. } if left < depth => return Ok(()),
            XmlEvent::Eof => return Err(xml.ended_early()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &str) -> Result<String, WorkbookError> {
        let mut out = String::new();
        push_text(raw.as_bytes(), &mut out)?;
        Ok(out)
    }

    #[test]
    fn entities_and_line_ends_are_resolved() {
        for (raw, wanted) in [
            ("plain", "plain"),
            ("a &amp; b &lt;&gt;&quot;&apos;", "a & b <>\"'"),
            ("&#65;&#x42;&#x1F600;", "AB😀"),
            ("a\r\nb\rc\nd&#13;", "a\nb\nc\nd\r"),
            ("&amp;lt;", "&lt;"),
        ] {
            assert_eq!(text(raw).unwrap(), wanted);
        }
        for raw in ["&b;", "&", "&amp", "&#0;", "&#xD800;", "&#x110000;", "&#;", "&;"] {
            assert!(text(raw).unwrap_err().to_string().contains("unknown entity"), "{raw}");
        }
        assert!(push_text(b"\xff", &mut String::new()).is_err());
    }

    #[test]
    fn escapes_of_excel_are_resolved() {
        for (escaped, wanted) in [
            ("a_x000D_b", "a\rb"),
            ("_x0041__x0042_", "AB"),
            ("_x005F_x000D_", "_x000D_"),
            ("_xD83D__xDE00_", "😀"),
            ("_xD83D_x", "\u{FFFD}x"),
            ("_xD83D__x0041_", "\u{FFFD}A"),
            ("_xDE00_", "\u{FFFD}"),
            ("_x00G0_ _x12_ _x é_x", "_x00G0_ _x12_ _x é_x"),
            ("__x0041_", "_A"),
            ("tax_x", "tax_x"),
        ] {
            let mut out = format!("_x0041_{escaped}");
            unescape_from(&mut out, "_x0041_".len());
            assert_eq!(out, format!("_x0041_{wanted}"));
        }
    }
}
