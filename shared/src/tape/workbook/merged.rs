//! The merged cells of a sheet of an `.xlsx`.

use super::{
    ReadSeek,
    book::XlsxBook,
    error::{WorkbookError, bomb, corrupt},
    limits::MAX_MERGED,
    package::PartReader,
    sheet::{column_number, row_number},
    xml::{XmlEvent, XmlReader},
};

/// Cells that a sheet shows as one: the value is in the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergedCells {
    /// Row and column of the first cell: the row from 1, the column from 0.
    pub first: (u64, usize),
    /// Row and column of the last cell.
    pub last: (u64, usize),
}

/// Reads a sheet to its end, and collects its merged cells.
pub fn merged_cells(
    book: &XlsxBook,
    sheet: usize,
    limit: u64,
    reader: Box<dyn ReadSeek>,
) -> Result<Vec<MergedCells>, WorkbookError> {
    let (name, part) = book.sheet(sheet)?;
    let mut xml = XmlReader::new(PartReader::new(reader, &part, limit)?);
    let mut found = Vec::new();
    loop {
        match xml.next()? {
            XmlEvent::Start(tag) if tag.name == b"mergeCell" => {
                let Some(range) = tag.attribute("ref") else { continue };
                found.push(range_of(range)?);
                if found.len() > MAX_MERGED {
                    return Err(bomb(&name, format!("{MAX_MERGED} merged cells")));
                }
            }
            XmlEvent::Eof => return Ok(found),
            _ => {}
        }
    }
}

/// The range of a reference such as `A1:B2`.
fn range_of(text: &[u8]) -> Result<MergedCells, WorkbookError> {
    let colon = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
    let first = cell_of(&text[..colon])?;
    let last = if colon < text.len() { cell_of(&text[colon + 1..])? } else { first };
    Ok(MergedCells { first, last })
}

fn cell_of(text: &[u8]) -> Result<(u64, usize), WorkbookError> {
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    if letters == 0 {
        return Err(corrupt("a merged cell has no column"));
    }
    Ok((row_number(&text[letters..])?, column_number(&text[..letters])?))
}
