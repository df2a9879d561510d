//! The number formats of a workbook's cells.

use std::collections::HashMap;

use super::{
    error::{WorkbookError, bomb},
    format::NumberFormat,
    limits::{MAX_NUMBER_FORMATS, MAX_STYLES},
    text::attribute_text,
    xml::{XmlEvent, XmlReader, XmlSource},
};

/// The number format of each cell style.
#[derive(Debug, Default)]
pub struct CellStyles {
    formats: Vec<NumberFormat>,
    /// For each style, the index of its format.
    styles: Vec<u32>,
}

impl CellStyles {
    /// Reads the part to its end.
    pub fn read<S: XmlSource>(xml: &mut XmlReader<S>) -> Result<Self, WorkbookError> {
        let mut custom: HashMap<u32, NumberFormat> = HashMap::new();
        let mut ids = Vec::new();
        let (mut in_formats, mut in_styles) = (false, false);
        loop {
            match xml.next()? {
                XmlEvent::Start(tag) => match tag.name {
                    // Elements of these names also occur in conditional formats and named styles.
                    b"numFmts" => in_formats = true,
                    b"cellXfs" => in_styles = true,
                    b"numFmt" if in_formats => {
                        let (Some(id), Some(code)) = (number(tag.attribute("numFmtId")), tag.attribute("formatCode")) else {
                            continue;
                        };
                        custom.insert(id, NumberFormat::parse(&attribute_text(code)?));
                        if custom.len() > MAX_NUMBER_FORMATS {
                            return Err(bomb(xml.name(), format!("{MAX_NUMBER_FORMATS} number formats")));
                        }
                    }
                    b"xf" if in_styles => {
                        ids.push(number(tag.attribute("numFmtId")).unwrap_or(0));
                        if ids.len() > MAX_STYLES {
                            return Err(bomb(xml.name(), format!("{MAX_STYLES} cell styles")));
                        }
                    }
                    _ => {}
                },
                XmlEvent::End { name: b"numFmts", .. } => in_formats = false,
                XmlEvent::End { name: b"cellXfs", .. } => in_styles = false,
                XmlEvent::Eof => return Ok(Self::resolve(custom, ids)),
                _ => {}
            }
        }
    }

    /// The styles with the formats of these ids. Formats that are not in `custom` are built in.
    pub fn resolve(mut custom: HashMap<u32, NumberFormat>, mut ids: Vec<u32>) -> Self {
        let mut formats = Vec::new();
        let mut places: HashMap<u32, u32> = HashMap::new();
        for id in &mut ids {
            // There are no more formats than ids, and no more ids than styles, whose number is limited.
            *id = *places.entry(*id).or_insert_with(|| {
                formats.push(custom.remove(id).unwrap_or_else(|| NumberFormat::built_in(*id)));
                (formats.len() - 1) as u32
            });
        }
        Self { formats, styles: ids }
    }

    /// The number format of a cell with this style; [`NumberFormat::Plain`] for a style that does not exist.
    pub fn format(&self, style: usize) -> &NumberFormat {
        let format = self.styles.get(style).and_then(|format| self.formats.get(*format as usize));
        format.unwrap_or(&NumberFormat::Plain)
    }
}

fn number(text: Option<&[u8]>) -> Option<u32> {
    std::str::from_utf8(text?).ok()?.parse().ok()
}
