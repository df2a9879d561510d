//! XML in a bounded window.

use super::{
    super::xml::{XmlEvent, XmlReader, XmlSource},
    limits::{MAX_ATTRIBUTES, MAX_CELL, MAX_DEPTH, WINDOW},
    *,
};

/// XML that comes in pieces of at most `piece` bytes.
struct Pieces<'x> {
    left: &'x [u8],
    piece: usize,
}

impl XmlSource for Pieces<'_> {
    fn name(&self) -> &str {
        "part"
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, WorkbookError> {
        let length = self.piece.min(buffer.len()).min(self.left.len());
        let (piece, left) = self.left.split_at(length);
        buffer[..length].copy_from_slice(piece);
        self.left = left;
        Ok(length)
    }
}

/// Reads all of the XML and writes down what it finds.
fn read(xml: &[u8], piece: usize) -> Result<String, WorkbookError> {
    let mut reader = XmlReader::new(Pieces { left: xml, piece });
    let mut found = String::new();
    loop {
        let text = |raw| String::from_utf8_lossy(raw).into_owned();
        match reader.next()? {
            XmlEvent::Start(tag) => {
                found += &format!("<{}", text(tag.name));
                found.extend(tag.attributes().map(|(name, value)| format!(" {}={}", text(name), text(value))));
                found.push('>');
            }
            XmlEvent::End { name, .. } => found += &format!("</{}>", text(name)),
            XmlEvent::Text(raw) => found += &text(raw),
            XmlEvent::Literal(raw) => found += &format!("[{}]", text(raw)),
            XmlEvent::Eof => return Ok(found),
        }
    }
}

#[test]
fn xml_reads_the_same_in_any_pieces() {
    let good = [
        (
            "<?xml version='1.0'?><a><b x='>'/><!-- </a> --><![CDATA[</a>]]><c y=\"'>\">t &amp; u</c ></a>",
            "<a><b x=>></b>[</a>]<c y='>>t &amp; u</c></a>",
        ),
        ("\u{feff}<a></a>", "\u{feff}<a></a>"),
        ("<a b='\"' c = \"x\" ></a >", "<a b=\" c=x></a>"),
        ("<x:a y:b='1' xml:space=\"preserve\"><z:q/></x:a>", "<a b=1 space=preserve><q></q></a>"),
        ("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n<a\n b='1'/>", "\r\n<a b=1></a>"),
    ];
    let bad: [&[u8]; 15] = [
        b"<a></b>",
        b"</a>",
        b"<a><b></a></b>",
        b"<!DOCTYPE a>",
        b"<!a>",
        b"<a><![CDATA]]></a>",
        b"<a></a b=''>",
        b"<a b></a>",
        b"<a b=c></a>",
        b"<a b='<'></a>",
        b"<a",
        b"<a>",
        b"< a></a>",
        b"<a / ></a>",
        b"<a><!-- </a>",
    ];
    for piece in [1, 2, 3, 7, 1_000] {
        for (xml, wanted) in good {
            assert_eq!(read(xml.as_bytes(), piece).unwrap(), wanted);
        }
        for xml in bad {
            assert_corrupt(&read(xml, piece).unwrap_err(), "not well-formed");
        }
        for encoding in ["ISO-8859-1", "utf-16"] {
            let xml = format!("<?xml version='1.0' encoding='{encoding}'?><a/>");
            assert_corrupt(&read(xml.as_bytes(), piece).unwrap_err(), "not in UTF-8");
        }
    }
}

#[test]
fn a_plain_value_is_taken_whole_and_nothing_else_is() {
    for (cell, wanted) in [
        ("<c><v>12.5</v></c>", Some("12.5")),
        ("<c r='A1'><v></v></c>", Some("")),
        ("<c><v>a&amp;b</v></c>", None),
        ("<c><f>A1</f><v>1</v></c>", None),
        ("<c><v>1</v><x/></c>", None),
        ("<c/>", None),
        ("<x:c><v>1</v></x:c>", None),
        (
            "<c ><v>123456789012345678901234567890123456789012345678901234567890</v></c>",
            Some("123456789012345678901234567890123456789012345678901234567890"),
        ),
    ] {
        let xml = format!("<a>{cell}<b/></a>");
        for piece in [1, 5, 1_000] {
            let mut reader = XmlReader::new(Pieces { left: xml.as_bytes(), piece });
            assert!(matches!(reader.next().unwrap(), XmlEvent::Start(tag) if tag.name == b"a"));
            assert!(matches!(reader.next().unwrap(), XmlEvent::Start(tag) if tag.name == b"c"));
            let found = reader.plain_value().unwrap().map(|value| String::from_utf8_lossy(value).into_owned());
            // With few bytes in the window, the reader reads the value tag by tag.
            assert!(found.as_deref() == wanted || (found.is_none() && piece < 1_000), "{cell} {found:?}");
            if found.is_some() {
                assert!(matches!(reader.next().unwrap(), XmlEvent::Start(tag) if tag.name == b"b"));
            }
        }
    }
}

#[test]
fn xml_is_bounded_wherever_it_grows() {
    let deep = "<a>".repeat(MAX_DEPTH + 1);
    assert_bomb(&read(deep.as_bytes(), 4_096).unwrap_err(), "part", "1000 elements");
    let long = "x".repeat(MAX_CELL + 1);
    let long = long.as_bytes();
    // A long text, a long tag, a long name, a long comment.
    for (before, after, limit) in [
        ("<a>", "</a>", "16 MiB in one cell"),
        ("<a b='", "'/>", "64 KiB in one piece"),
        ("<a", "/>", "64 KiB in one piece"),
        ("<a></a", ">", "64 KiB in one piece"),
        ("<a><!--", "--></a>", "16384 KiB in one piece"),
    ] {
        let xml = [before.as_bytes(), long, after.as_bytes()].concat();
        assert_bomb(&read(&xml, WINDOW).unwrap_err(), "part", limit);
    }
    let flood = |count: usize| {
        let attributes: String = (0..count).map(|at| format!(" a{at}='\"=\"'")).collect();
        format!("<a><c{attributes}/></a>")
    };
    read(flood(MAX_ATTRIBUTES).as_bytes(), 4_096).unwrap();
    assert_bomb(&read(flood(MAX_ATTRIBUTES + 1).as_bytes(), 4_096).unwrap_err(), "part", "256 attributes");
}
