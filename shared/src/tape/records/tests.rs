use proptest::prelude::*;

use super::super::{source::MemorySource, text::EncodingChoice};
use super::*;

type Row = (u64, Result<Vec<String>, (MalformedReason, String)>);

/// The records of a reader: offset in the tape, whether a line end follows, and the row.
fn all(mut reader: RecordReader<'_>) -> Vec<(u64, bool, Row)> {
    let (mut block, mut rows) = (RecordBlock::default(), Vec::new());
    while reader.next_block(&mut block).unwrap() {
        let text = std::str::from_utf8(&block.text).unwrap();
        for record in &block.records {
            let raw = &text[record.start as usize..record.end as usize];
            let row = match record.shape {
                Shape::Malformed(reason) => Err((reason, raw.to_owned())),
                shape => {
                    let mut fields = Vec::new();
                    split_fields(raw, shape, b',', &mut fields);
                    Ok(fields.iter().map(|f| f.to_string()).collect())
                }
            };
            rows.push((block.offset + u64::from(record.start), record.ended, (record.line, row)));
        }
    }
    rows
}

fn read_all(text: &[u8], block_bytes: usize) -> Vec<(u64, bool, Row)> {
    let source = MemorySource::new("t.csv", text);
    let choice = EncodingChoice::default();
    all(RecordReader::new(TextReader::new(&source, &choice, block_bytes, false, None).unwrap(), b','))
}

fn read_within(text: &[u8], block_bytes: usize, places: Range<u64>, line: u64) -> Vec<(u64, bool, Row)> {
    let source = MemorySource::new("t.csv", text);
    let choice = EncodingChoice::default();
    let text = TextReader::resume(&source, &choice, block_bytes, places.start).unwrap();
    all(RecordReader::within(text, b',', places, line))
}

fn read(text: &[u8], block_bytes: usize) -> Vec<Row> {
    read_all(text, block_bytes).into_iter().map(|(.., row)| row).collect()
}

/// The rows of a text, which must be the same for every block size.
fn rows(text: &str) -> Vec<Row> {
    let whole = read(text.as_bytes(), 1 << 20);
    for block_bytes in 1..24 {
        assert_eq!(read(text.as_bytes(), block_bytes), whole, "{text:?} in blocks of {block_bytes}");
    }
    whole
}

fn row(line: u64, fields: &[&str]) -> Row {
    (line, Ok(fields.iter().map(|f| (*f).to_owned()).collect()))
}

fn bad(line: u64, reason: MalformedReason, raw: &str) -> Row {
    (line, Err((reason, raw.to_owned())))
}

#[test]
fn lines_end_in_lf_or_crlf_and_blank_ones_are_skipped() {
    assert_eq!(read(b"a,b\r\n\n  \t \nc,d\r\n\r\ne,f", 1), [row(1, &["a", "b"]), row(4, &["c", "d"]), row(6, &["e", "f"])]);
}

#[test]
fn four_line_ends_end_a_line_in_any_mixture() {
    let ended = [row(1, &["a", "b"]), row(2, &["c", "d"]), row(3, &["e", "f"]), row(4, &["g", "h"]), row(5, &["i", "j"])];
    assert_eq!(rows("a,b\nc,d\re,f\r\ng,h\r\r\ni,j"), ended);
    assert_eq!(rows("a,b\r\r\nc,d\r\ne,f\rg,h\ni,j\r"), ended);
    // CR CR CR LF is two line ends with a blank line between them.
    assert_eq!(rows("a\r\r\r\nb\r\r\rc\n\rd"), [row(1, &["a"]), row(3, &["b"]), row(6, &["c"]), row(8, &["d"])]);
}

#[test]
fn line_ends_inside_quotation_marks_count_as_lines() {
    let text = "\"a\rb\r\nc\r\r\nd\ne\",f\rg,\"h\r\r\"\r\r\ni,\"j\"";
    assert_eq!(rows(text), [row(1, &["a\rb\r\nc\r\r\nd\ne", "f"]), row(6, &["g", "h\r\r"]), row(9, &["i", "j"])]);
    let text = "x,y\r\"1\r2\",\"b\rc,d\r";
    assert_eq!(rows(text), [row(1, &["x", "y"]), bad(2, MalformedReason::UnclosedQuote, "\"1\r2\",\"b"), row(4, &["c", "d"])]);
}

#[test]
fn marks_at_the_start_of_a_record_are_dropped() {
    let text = "\u{feff}\u{feff}a,b\nï»¿c,d\n\u{feff}ï»¿\u{feff}\"e\",f\n\u{feff}\n\u{feff} \ng,\u{feff}h\n\u{feff}";
    assert_eq!(rows(text), [row(1, &["a", "b"]), row(2, &["c", "d"]), row(3, &["e", "f"]), row(6, &["g", "\u{feff}h"])]);
    // Half a mark is text, and so is a mark that is not at the start of a record.
    assert_eq!(
        rows("ï»a\n\"\u{feff}b\nï»¿c\"\n \u{feff}d"),
        [row(1, &["ï»a"]), row(2, &["\u{feff}b\nï»¿c"]), row(4, &[" \u{feff}d"])]
    );
}

#[test]
fn white_space_around_quotation_marks_is_no_part_of_the_field() {
    assert_eq!(rows("\"a\" ,  \"b\"\n\t\"c\"\t,\u{a0}\"d\"\u{a0} \n"), [row(1, &["a", "b"]), row(2, &["c", "d"])]);
    assert_eq!(rows(" \"a,\nb\" \r\n\"\" , \"\""), [row(1, &["a,\nb"]), row(3, &["", ""])]);
    // With other text around the quotation marks, the field is as it is written, or malformed if it begins with a quotation mark.
    assert_eq!(rows(" \"a\" b, 5\"\n \"c"), [row(1, &[" \"a\" b", " 5\""]), row(2, &[" \"c"])]);
    assert_eq!(rows("a, \"b\"\u{a2},\u{a0}\"\"\"\n"), [row(1, &["a", " \"b\"\u{a2}", "\u{a0}\"\"\""])]);
    assert_eq!(rows("\"a\" b,c\n"), [bad(1, MalformedReason::StrayQuote, "\"a\" b,c")]);
}

#[test]
fn a_quotation_mark_behind_white_space_opens_no_field_that_is_too_large() {
    let text = format!("a, \"{}x\",c\nd,e\n", "x,".repeat(40_000));
    let rows = read(text.as_bytes(), 1 << 20);
    assert_eq!((rows.len(), rows[0].1.as_ref().map(Vec::len)), (2, Ok(40_003)));
    assert_eq!(read(text.as_bytes(), 5_000), rows);
    let text = format!("a, \"{}\",c\nd,e\n", "x\n".repeat(100));
    let rows = read(text.as_bytes(), 1 << 20);
    assert_eq!((rows.len(), &rows[0], &rows[1]), (102, &row(1, &["a", " \"x"]), &row(2, &["x"])));
    assert_eq!(read(text.as_bytes(), 7), rows);
}

#[test]
fn a_tab_that_parts_fields_is_no_white_space() {
    let mut fields = Vec::new();
    for (record, expected) in [("\"a\"\t \"b\" \t\"c\"", &["a", "b", "c"][..]), ("\t\"a\"\t", &["", "a", ""])] {
        assert_eq!(shape_of(record, b'\t'), Shape::Quoted);
        split_fields(record, Shape::Quoted, b'\t', &mut fields);
        assert_eq!(fields, expected);
    }
}

#[test]
fn a_malformed_record_is_read_with_backslashes_as_escapes() {
    let text = "\"say \\\"hi\\\", \\ all\",b\n\"two\r\n\\\"lines\\\"\",\"x\"\"y\" , \"z\\\"\"\nc,d\n";
    assert_eq!(
        rows(text),
        [row(1, &["say \"hi\", \\ all", "b"]), row(2, &["two\r\n\"lines\"", "x\"y", "z\""]), row(4, &["c", "d"])]
    );
    // A record that is well-formed without escapes is not scanned again.
    assert_eq!(rows("\"C:\\\",\"b\"\na\\\"b,c\n"), [row(1, &["C:\\", "b"]), row(2, &["a\\\"b", "c"])]);
    // When both scans fail, the first one counts.
    assert_eq!(rows("\"a\\\"b\"c,d\ne,f"), [bad(1, MalformedReason::StrayQuote, "\"a\\\"b\"c,d"), row(2, &["e", "f"])]);
    assert_eq!(rows("\"a\\\"b,c\nd,e"), [bad(1, MalformedReason::StrayQuote, "\"a\\\"b,c"), row(2, &["d", "e"])]);
}

#[test]
fn a_second_reading_passes_at_most_a_hundred_lines() {
    // Each line is malformed by itself; with backslashes as escapes, it forms one record with all lines below it.
    let text = "x\\\"y\",\"\n".repeat(150) + "x\\\"y\"\n";
    let rows = read(text.as_bytes(), 1 << 20);
    assert_eq!(rows[0], bad(1, MalformedReason::StrayQuote, "x\\\"y\",\""));
    assert_eq!(rows.len(), 52);
    assert_eq!(rows[51].1.as_ref().map(Vec::len), Ok(100));
    assert_eq!(read(text.as_bytes(), 13), rows);
}

#[test]
fn the_last_record_says_whether_a_line_end_follows() {
    let ended = |text: &str| {
        let whole: Vec<bool> = read_all(text.as_bytes(), 1 << 20).iter().map(|(_, ended, _)| *ended).collect();
        for block_bytes in 1..9 {
            let blocks: Vec<bool> = read_all(text.as_bytes(), block_bytes).iter().map(|(_, ended, _)| *ended).collect();
            assert_eq!(blocks, whole, "{text:?}");
        }
        whole
    };
    for text in ["a,b\nc", "a\r\n\"b\"", "\"a\\\"b\"\r\"c\\\"d\"", "a\n\"b", "\"a\"\r\r\n \"b\" "] {
        assert_eq!(ended(text), [true, false], "{text:?}");
    }
    for text in ["a,b\nc\r", "\"a\"\r\nb\r\r\n", "a\n\"b\"\n", "a\n\"b\r", "a\rb\n  "] {
        assert_eq!(ended(text), [true, true], "{text:?}");
    }
}

#[test]
fn whole_lines_in_quotation_marks_are_unwrapped() {
    for (record, text) in [
        ("\"a,b,c\"", Some("a,b,c")),
        (" \"a,\"\"b, c\"\",\"\"\"\"\" \t", Some("a,\"b, c\",\"\"")),
        ("\"a,\\\"b\\\",c\"", Some("a,\"b\",c")),
        ("\"\"", Some("")),
        ("\"a\",\"b\"", None),
        ("\"a\"b", None),
        ("\"a\tb\"\t\"c\"", None),
        ("a,b", None),
        ("\"a", None),
        ("", None),
    ] {
        assert_eq!(unwrap_line(record).as_deref(), text, "{record}");
    }
}

#[test]
fn a_record_by_itself_has_a_shape() {
    for (record, shape) in [
        ("a,b", Shape::Plain),
        ("a\nb", Shape::Plain),
        ("a,\"b\"", Shape::Quoted),
        ("\"a\nb\"", Shape::Quoted),
        ("\"a\\\"b\",c", Shape::Escaped),
        ("\"a\"b", Shape::Malformed(MalformedReason::StrayQuote)),
        ("\"a\"\nb", Shape::Malformed(MalformedReason::StrayQuote)),
        ("\"a", Shape::Malformed(MalformedReason::UnclosedQuote)),
        ("\"a\nb", Shape::Malformed(MalformedReason::UnclosedQuote)),
    ] {
        assert_eq!(shape_of(record, b','), shape, "{record:?}");
    }
}

#[test]
fn quoted_fields_hold_delimiters_quotes_and_line_breaks() {
    let text = b"\"a,1\",\"say \"\"hi\"\"\"\n\"two\nlines\",b\r\nc,\"\"\n5\" pipe,d\"e\n";
    assert_eq!(
        read(text, 1),
        [row(1, &["a,1", "say \"hi\""]), row(2, &["two\nlines", "b"]), row(4, &["c", ""]), row(5, &["5\" pipe", "d\"e"]),]
    );
}

#[test]
fn a_stray_quote_spoils_its_line_only() {
    assert_eq!(
        read(b"\"a\"b,c\nd,e\n\"f\" x,g", 1),
        [bad(1, MalformedReason::StrayQuote, "\"a\"b,c"), row(2, &["d", "e"]), bad(3, MalformedReason::StrayQuote, "\"f\" x,g"),]
    );
}

#[test]
fn a_quote_that_opens_by_mistake_takes_no_other_row_with_it() {
    assert_eq!(
        read(b"\"a,b\nc,d\n\"e\",f\n", 1),
        [bad(1, MalformedReason::StrayQuote, "\"a,b"), row(2, &["c", "d"]), row(3, &["e", "f"])]
    );
}

#[test]
fn an_unclosed_quote_spoils_the_line_on_which_it_opened() {
    assert_eq!(
        read(b"a,\"b\nc,d\ne,f\n", 1),
        [bad(1, MalformedReason::UnclosedQuote, "a,\"b"), row(2, &["c", "d"]), row(3, &["e", "f"]),]
    );
    // The record began a line earlier, with a field that did close.
    assert_eq!(
        read(b"x,y\n\"1\n2\",\"b\nc,d\n", 1),
        [row(1, &["x", "y"]), bad(2, MalformedReason::UnclosedQuote, "\"1\n2\",\"b"), row(4, &["c", "d"]),]
    );
}

#[test]
fn a_quoted_field_spans_at_most_a_hundred_lines() {
    let field = |lines: usize| format!("a,\"{}\"\nz,z\n", vec!["x"; lines].join("\n"));
    assert_eq!(read(field(100).as_bytes(), 1).len(), 2);
    let rows = read(field(101).as_bytes(), 1);
    assert_eq!(rows[0], bad(1, MalformedReason::UnclosedQuote, "a,\"x"));
    assert_eq!(rows[1], row(2, &["x"]));
}

#[test]
fn a_quoted_field_holds_at_most_64_kib() {
    let field = |bytes: usize| format!("a,\"{}\"\nz,z\n", "x".repeat(bytes));
    assert_eq!(read(field(64 * 1024).as_bytes(), 1)[0].1.as_ref().unwrap()[1].len(), 64 * 1024);
    let rows = read(field(64 * 1024 + 1).as_bytes(), 1);
    assert!(matches!(rows[0], (1, Err((MalformedReason::UnclosedQuote, _)))));
    assert_eq!(rows[1], row(2, &["z", "z"]));
}

#[test]
fn a_line_that_is_too_long_is_one_malformed_row() {
    let text = format!("a,b\n{}\nc,d\n", "é".repeat(MAX_RECORD_BYTES));
    let rows = read(text.as_bytes(), 1 << 20);
    assert_eq!(rows.len(), 3);
    assert!(matches!(&rows[1], (2, Err((MalformedReason::TooLong, raw))) if raw.chars().all(|c| c == 'é')));
    assert_eq!(rows[2], row(3, &["c", "d"]));
}

#[test]
fn a_record_of_many_short_lines_is_given_up_once() {
    // Each line closes one quoted field and opens the next: one record, far longer than a record may be.
    let text = format!("a,b\n{}", "x\",\"\n".repeat(3)) + &format!("\"{}", "x\",\"\n".repeat(2 * MAX_RECORD_BYTES / 5));
    for block_bytes in [512 * 1024, 1 << 24] {
        let rows = read(text.as_bytes(), block_bytes);
        let too_long = rows.iter().filter(|(_, row)| matches!(row, Err((MalformedReason::TooLong, _)))).count();
        assert!((1..=2).contains(&too_long), "{too_long}");
        assert_eq!(rows, read(text.as_bytes(), 1 << 20));
    }
}

#[test]
fn what_is_passed_over_may_be_cut_anywhere() {
    let text = format!("a,b\n{}\nc,d\n", "🏠".repeat(MAX_RECORD_BYTES / 2));
    for block_bytes in [64 * 1024 + 1, 64 * 1024 + 2, 64 * 1024 + 3, 1 << 24] {
        let rows = read(text.as_bytes(), block_bytes);
        assert_eq!((rows.len(), &rows[2]), (3, &row(3, &["c", "d"])));
    }
}

#[test]
fn lines_that_are_too_long_end_in_any_line_end() {
    for line_end in ["\r", "\r\n", "\r\r\n", "\n"] {
        for length in [MAX_RECORD_BYTES, MAX_RECORD_BYTES + 1, MAX_RECORD_BYTES + 70_000] {
            let text = ["a,b", &"x".repeat(length), "\"y\",", "c,d"].join(line_end);
            let rows = read(text.as_bytes(), 1 << 24);
            assert_eq!(rows[2..], [row(3, &["y", ""]), row(4, &["c", "d"])], "{length} and {line_end:?}");
            assert_eq!(rows[1].1.is_err(), length > MAX_RECORD_BYTES);
            // Blocks that end inside the line end, and in the skipped part of the line.
            let before = "a,b".len() + line_end.len() + length;
            for block_bytes in [before + 1, before + 2, MAX_RECORD_BYTES + 20, before / 2 + 1] {
                assert!(read(text.as_bytes(), block_bytes) == rows, "{length} and {line_end:?} in blocks of {block_bytes}");
            }
        }
    }
}

/// A tape of rows in quotation marks, whose line ends `next` chooses.
fn written(rows: &[Vec<Vec<String>>], mut next: impl FnMut() -> &'static str) -> String {
    let mut text = String::new();
    for fields in rows {
        for (at, lines) in fields.iter().enumerate() {
            text.push_str(if at > 0 { ",\"" } else { "\"" });
            for (at, line) in lines.iter().enumerate() {
                text.push_str(if at > 0 { next() } else { "" });
                text.push_str(line);
            }
            text.push('"');
        }
        text.push_str(next());
    }
    text
}

proptest! {
    #[test]
    fn block_size_changes_nothing(text in "[a,\"\n\r\\\\ é\u{a0}\u{feff}]{0,200}", block in 1_usize..40) {
        prop_assert_eq!(read_all(text.as_bytes(), block), read_all(text.as_bytes(), 1 << 20));
    }

    #[test]
    fn parts_change_nothing(text in "[a,\"\n\r\\\\ é\u{feff}]{0,200}", block in 1_usize..40, cut in any::<prop::sample::Index>()) {
        let whole = read_all(text.as_bytes(), block);
        prop_assume!(!whole.is_empty());
        let (place, _, (line, _)) = whole[cut.index(whole.len())];
        let mut parts = read_within(text.as_bytes(), block, 0..place, 1);
        parts.extend(read_within(text.as_bytes(), block, place..text.len() as u64, line));
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn mixed_line_ends_give_the_rows_of_line_feeds(
        rows in prop::collection::vec(prop::collection::vec(prop::collection::vec("[a-c, é]{0,2}[a-c]", 1..4), 1..4), 1..12),
        ends in prop::collection::vec(prop::sample::select(vec!["\r\r\n", "\r\n", "\n", "\r"]), 1..40),
        block in 1_usize..40,
    ) {
        let mut ends = ends.iter().copied().cycle();
        let mixed = written(&rows, || ends.next().unwrap());
        let normal = |row: Row| (row.0, row.1.map(|fields| fields.into_iter().map(|field| {
            field.replace("\r\r\n", "\n").replace("\r\n", "\n").replace('\r', "\n")
        }).collect::<Vec<_>>()));
        let mixed: Vec<Row> = read(mixed.as_bytes(), block).into_iter().map(normal).collect();
        prop_assert_eq!(mixed, read(written(&rows, || "\n").as_bytes(), 1 << 20));
    }

    #[test]
    fn escaped_fields_are_read_again(fields in prop::collection::vec("[a-c,\"\n\r é]{0,6}", 1..5), block in 1_usize..40) {
        let escaped: Vec<String> = fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\\\""))).collect();
        // The first field makes the record malformed without escapes.
        let text = format!("\"x\\\"x\",{}\nz,z", escaped.join(","));
        let rows = read(text.as_bytes(), block);
        prop_assert_eq!(rows.len(), 2);
        prop_assert_eq!(&rows[0].1.as_ref().unwrap()[1..], &fields[..]);
    }

    #[test]
    fn what_is_written_is_read_again(rows in prop::collection::vec(prop::collection::vec("[a-c,\"\n\r é]{0,6}", 2..5), 1..20)) {
        let mut text = String::new();
        for fields in &rows {
            let quoted: Vec<String> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            text.push_str(&quoted.join(","));
            text.push_str("\r\n");
        }
        let read: Vec<Vec<String>> = read(text.as_bytes(), 7).into_iter().map(|(_, row)| row.unwrap()).collect();
        prop_assert_eq!(read, rows);
    }
}
