//! Contents of workbook cells: texts as XML, and a check for numbers that a spreadsheet keeps to the last digit.

/// Maximum length of the text of a cell, in UTF-16 units.
pub const MAX_CELL: usize = 32_767;
/// Number of significant digits that a spreadsheet keeps.
const MAX_DIGITS: usize = 15;

/// A text, cut to the maximum length of a cell.
pub fn shortened(text: &str) -> &str {
    // No character has more UTF-16 units than bytes.
    if text.len() <= MAX_CELL {
        return text;
    }
    let mut units = 0;
    let end = text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > MAX_CELL
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// Whether a spreadsheet keeps a number exactly: the number has at most 15 digits from its first to its last nonzero digit.
pub fn is_kept_exactly(number: &str) -> bool {
    if number.len() <= MAX_DIGITS {
        return true;
    }
    let digits = number.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0');
    let significant = digits.enumerate().filter(|(_, digit)| *digit != b'0').last();
    significant.is_none_or(|(at, _)| at < MAX_DIGITS)
}

/// Whether a spreadsheet would take a text for a formula when a user edits the cell.
pub fn looks_like_a_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// Whether an XML reader would drop whitespace of a text.
pub fn has_blanks_to_keep(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_whitespace())
        || text.ends_with(|c: char| c.is_ascii_whitespace())
        || text.contains('\n')
}

/// Appends a text as XML. Characters that XML cannot hold get the escape sequence of workbooks, such as `_x0001_`.
pub fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let (escaped, taken): (&[u8], usize) = match byte {
            b'&' => (b"&amp;", 1),
            b'<' => (b"&lt;", 1),
            b'>' => (b"&gt;", 1),
            b'"' => (b"&quot;", 1),
            b'\t' | b'\n' => continue,
            0..=0x1f => (&control_character(*byte), 1),
            b'_' if is_escape(&bytes[at..]) => (b"_x005F_", 1),
            0xef if bytes[at..].starts_with("\u{fffe}".as_bytes()) => (b"_xFFFE_", 3),
            0xef if bytes[at..].starts_with("\u{ffff}".as_bytes()) => (b"_xFFFF_", 3),
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(escaped);
        from = at + taken;
    }
    out.extend_from_slice(&bytes[from..]);
}

fn control_character(byte: u8) -> [u8; 7] {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    [b'_', b'x', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)], b'_']
}

/// Whether a text begins like an escape sequence, which a spreadsheet would read as one character.
fn is_escape(bytes: &[u8]) -> bool {
    bytes.len() >= 7 && bytes[1] == b'x' && bytes[2..6].iter().all(u8::is_ascii_hexdigit) && bytes[6] == b'_'
}

/// Letters of a column, `A` to `XFD`. Columns are counted from 0.
pub fn column_letters(column: usize) -> String {
    let (mut letters, mut left) = (Vec::new(), column + 1);
    while left > 0 {
        left -= 1;
        letters.push(b'A' + (left % 26) as u8);
        left /= 26;
    }
    letters.iter().rev().map(|letter| char::from(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_a_cell_ends() {
        assert_eq!(shortened("abc"), "abc");
        assert_eq!(shortened(&"x".repeat(MAX_CELL)).len(), MAX_CELL);
        assert_eq!(shortened(&"x".repeat(MAX_CELL + 1)).len(), MAX_CELL);
        assert_eq!(shortened(&"\u{1F3E0}".repeat(MAX_CELL)).encode_utf16().count(), MAX_CELL - 1);
    }

    #[test]
    fn fifteen_significant_digits_are_kept_and_sixteen_are_not() {
        for kept in
            ["0", "-0.5", "123456789012345", "-1234567890.12345", "1000000000000000000", "0.000000000000000000012", "0.80"]
        {
            assert!(is_kept_exactly(kept), "{kept}");
        }
        for lost in ["1234567890123456", "-12345678901.23456", "0.80000001192092896", "1000000000000001"] {
            assert!(!is_kept_exactly(lost), "{lost}");
        }
    }

    #[test]
    fn what_xml_cannot_hold_is_escaped_and_what_looks_escaped_too() {
        let escaped = |text: &str| {
            let mut out = Vec::new();
            push_escaped(&mut out, text);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(escaped("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c'");
        assert_eq!(escaped("\u{1}\u{1f}\r\t\n"), "_x0001__x001F__x000D_\t\n");
        assert_eq!(escaped("_x0041_ _x41_ _y0041_ _x004g_"), "_x005F_x0041_ _x41_ _y0041_ _x004g_");
        assert_eq!(escaped("é\u{fffe}\u{ffff}\u{fffd}🏠"), "é_xFFFE__xFFFF_\u{fffd}🏠");
    }

    #[test]
    fn columns_are_counted_in_letters() {
        for (column, letters) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16_383, "XFD")] {
            assert_eq!(column_letters(column), letters);
        }
    }
}
