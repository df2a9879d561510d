//! Inputs of a fuzzer as workbooks in other formats than `.xlsx`, because a fuzzer would never find their containers.

use std::iter;

/// Separates the parts of an `.xlsb` in an input. A single byte is not enough, because records may hold any byte.
const SEPARATOR: &[u8] = b"\x1e\x1e\x1e\x1e";
/// Bytes per sector of a compound file.
const SECTOR: usize = 512;
/// Marks in the table of sectors: end of a stream, table, unused.
const END: u32 = 0xFFFF_FFFE;
const TABLE: u32 = 0xFFFF_FFFD;
const UNUSED: u32 = u32::MAX;

/// Decodes a fuzz input as the parts of a workbook, by its first byte: 1 for an `.ods`, whose content follows; 2 for an `.xlsb`, whose
/// sheet, strings, styles and list of sheets follow. `None` for any other first byte.
pub fn parts(input: &[u8]) -> Option<Vec<(&'static str, Vec<u8>)>> {
    let types = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let relations = |kind: &str, target: &str| {
        format!("<Relationships><Relationship Id='r1' Type='{types}/{kind}' Target='{target}'/></Relationships>").into_bytes()
    };
    match input.split_first()? {
        (1, content) => Some(vec![
            ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet".to_vec()),
            ("content.xml", content.to_vec()),
        ]),
        (2, records) => {
            let mut given = pieces(records);
            let names = ["xl/worksheets/sheet1.bin", "xl/sharedStrings.bin", "xl/styles.bin", "xl/workbook.bin"];
            let mut parts: Vec<_> = names.into_iter().map(|name| (name, given.next().unwrap_or_default().to_vec())).collect();
            parts.push(("_rels/.rels", relations("officeDocument", "xl/workbook.bin")));
            parts.push(("xl/_rels/workbook.bin.rels", relations("worksheet", "worksheets/sheet1.bin")));
            Some(parts)
        }
        _ => None,
    }
}

fn pieces(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    iter::from_fn(move || {
        let end = rest.windows(SEPARATOR.len()).position(|bytes| bytes == SEPARATOR).unwrap_or(rest.len());
        let piece = &rest[..end];
        rest = rest.get(end + SEPARATOR.len()..).unwrap_or_default();
        Some(piece)
    })
}

/// Decodes a fuzz input as an `.xls`, if its first byte is 3: the records of the stream follow. `None` for any other first byte.
pub fn compound(input: &[u8]) -> Option<Vec<u8>> {
    let (3, stream) = input.split_first()? else { return None };
    let size = stream.len().max(4_096);
    let sectors = size.div_ceil(SECTOR);
    let tables = (sectors + 1).div_ceil(SECTOR / 4 - 1).min(109);
    let mut file = vec![0; SECTOR];
    file[..8].copy_from_slice(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]);
    file[30..34].copy_from_slice(&[9, 0, 6, 0]);
    let mut put = |at: usize, number: u32| file[at..at + 4].copy_from_slice(&number.to_le_bytes());
    let number = |number: usize| u32::try_from(number).unwrap_or(UNUSED);
    for (at, value) in [(48, number(tables)), (56, 4_096), (60, END), (68, END)] {
        put(at, value);
    }
    (0..109).for_each(|at| put(76 + 4 * at, if at < tables { number(at) } else { UNUSED }));
    let mut next = vec![TABLE; tables];
    next.push(END);
    next.extend((1..=sectors).map(|at| if at < sectors { number(tables + 1 + at) } else { END }));
    next.resize(tables * SECTOR / 4, UNUSED);
    file.extend(next.into_iter().flat_map(u32::to_le_bytes));
    file.extend(entry("Root Entry", 5, END, 0));
    file.extend(entry("Workbook", 2, number(tables + 1), number(size)));
    file.resize((1 + tables + 1) * SECTOR, 0);
    file.extend(stream);
    file.resize((1 + tables + 1 + sectors) * SECTOR, 0);
    Some(file)
}

/// An entry of the directory of a compound file.
fn entry(name: &str, kind: u8, start: u32, size: u32) -> Vec<u8> {
    let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = u16::try_from(entry.len() + 2).unwrap_or(u16::MAX);
    entry.resize(64, 0);
    entry.extend(length.to_le_bytes());
    entry.extend([kind, 1]);
    entry.resize(116, 0);
    entry.extend(start.to_le_bytes());
    entry.extend(size.to_le_bytes());
    entry.resize(128, 0);
    entry
}
