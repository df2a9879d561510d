//! Limits: each bomb is rejected with a message, before it costs much.

use memchr::memmem;

use super::{
    limits::{MAX_PART, MAX_PARTS},
    *,
};

#[test]
fn shared_strings_that_unpack_to_too_much_are_refused() {
    let packed = deflated("<sst><si><t>", b' ', 300 << 20, "</t></si></sst>");
    assert!(packed.len() < 3 << 20);
    assert_bomb(&refused(with_packed(STRINGS, &packed, 300 << 20)), STRINGS, "256 MiB");
    // The directory may lie about the size.
    assert_bomb(&refused(with_packed(STRINGS, &packed, 4_000)), STRINGS, "the 4000 bytes");
    assert_bomb(&refused(with_packed(STRINGS, &packed, 200 << 20)), STRINGS, "16 MiB in one cell");
}

#[test]
fn parts_that_unpack_to_too_much_are_refused() {
    let packed = deflated("<a>", b' ', 1_000, "</a>");
    assert_bomb(&refused(with_packed("xl/styles.xml", &packed, 65 << 20)), "xl/styles.xml", "64 MiB");
    // A part that is not read may be large.
    for other in ["xl/media/image1.png", "xl/theme/theme1.xml"] {
        assert!(open(with_packed(other, &packed, u32::MAX - 1)).is_ok());
    }
}

#[test]
fn a_sheet_with_a_long_cell_is_refused() {
    let (before, after) =
        ("<worksheet><sheetData><row><c t=\"inlineStr\"><is><t>", "</t></is></c></row></sheetData></worksheet>");
    let packed = deflated(before, b'x', 60 << 20, after);
    let error = all_rows(with_packed(SHEET, &packed, 61 << 20)).unwrap_err();
    assert_bomb(&error, SHEET, "16 MiB in one cell");
}

#[test]
fn a_row_with_much_text_is_refused() {
    let long = "x".repeat(1 << 20);
    let mut all = parts();
    all.push((STRINGS, format!("<sst><si><t>{long}</t></si></sst>").into_bytes()));
    let row = format!("<row>{}</row>", "<c t=\"s\"><v>0</v></c>".repeat(17));
    all.push((SHEET, format!("<worksheet><sheetData>{row}</sheetData></worksheet>").into_bytes()));
    assert_bomb(&all_rows(stored(&all)).unwrap_err(), "Loans", "16 MiB of text in row 1");
}

#[test]
fn a_large_sheet_that_is_in_order_passes() {
    let text = "x".repeat(100_000);
    let row = format!("<row><c t=\"inlineStr\"><is><t>{text}</t></is></c></row>");
    let count = 2 * limits::WINDOW / row.len() + 20;
    let rows = all_rows(with_sheet(&row.repeat(count))).unwrap();
    assert_eq!(rows.iter().filter(|row| row.cell(0) == text).count(), count);
}

#[test]
fn more_shared_strings_than_there_can_be_are_refused() {
    for count in ["99999999999", "8388609", "18446744073709551615", "x", ""] {
        let strings = format!("<sst count='1' uniqueCount = '{count}'><si><t>a</t></si></sst>");
        assert_corrupt(&refused(with_part(STRINGS, strings)), "more shared strings");
    }
    assert!(open(with_part(STRINGS, "<x:sst count=\"99999999999\" uniqueCount=\"8388608\"></x:sst>")).is_ok());
}

#[test]
fn more_styles_than_there_can_be_are_refused() {
    let styles = |formats: usize, styles: usize| {
        let formats: String = (0..formats).map(|at| format!("<numFmt numFmtId=\"{at}\" formatCode=\"0000\"/>")).collect();
        let styles = "<xf numFmtId=\"9\"/>".repeat(styles);
        format!("<styleSheet><numFmts>{formats}</numFmts><cellXfs>{styles}</cellXfs></styleSheet>")
    };
    assert!(open(with_part("xl/styles.xml", styles(limits::MAX_NUMBER_FORMATS, limits::MAX_STYLES))).is_ok());
    assert_bomb(&refused(with_part("xl/styles.xml", styles(limits::MAX_NUMBER_FORMATS + 1, 1))), "xl/styles.xml", "10000");
    assert_bomb(&refused(with_part("xl/styles.xml", styles(1, limits::MAX_STYLES + 1))), "xl/styles.xml", "1048576");
}

#[test]
fn entities_are_not_expanded() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>";
    let strings = format!("{bomb}<sst><si><t>&b;</t></si></sst>");
    assert_corrupt(&refused(with_part(STRINGS, strings)), "not well-formed");
    let sheet =
        format!("{bomb}<worksheet><sheetData><row><c t=\"inlineStr\"><is><t>&b;</t></is></c></row></sheetData></worksheet>");
    assert_corrupt(&all_rows(with_part(SHEET, sheet)).unwrap_err(), "not well-formed");
}

#[test]
fn a_directory_of_too_many_parts_is_refused() {
    let many = |count: usize, name: &str| {
        let mut all = parts();
        let names: Vec<_> = (0..count).map(|number| format!("{name}{number}")).collect();
        all.extend(
            names.iter().map(|name| (&**name, Vec::new())).map(|(name, content)| (name.to_owned().leak() as &str, content)),
        );
        stored(&all)
    };
    assert!(open(many(500, "x")).is_ok());
    assert_bomb(&refused(many(MAX_PARTS, "x")), "list of parts", "10000 parts");
    assert_bomb(&refused(many(400, &"x".repeat(60_000))), "list of parts", "16 MiB");
}

#[test]
fn parts_in_one_place_are_refused() {
    let mut zip = with_sheet("<row><c><v>1</v></c></row>");
    // The last entry of the directory gets the position of the first.
    let last = memmem::rfind(&zip, b"PK\x01\x02").unwrap();
    zip[last + 42..last + 46].fill(0);
    assert_corrupt(&refused(zip), "in one place");
}

#[test]
fn a_part_over_4_gib_is_refused_by_its_declared_size() {
    let mut zip = with_sheet("");
    // ZIP64: the size in the directory is in an extra field, which follows the name.
    let last = memmem::rfind(&zip, b"PK\x01\x02").unwrap();
    let name = last + 46..last + 46 + SHEET.len();
    let mut entry = zip[last..name.end].to_vec();
    entry[24..28].fill(0xFF);
    entry[30..32].copy_from_slice(&12_u16.to_le_bytes());
    entry.extend([1, 0, 8, 0]);
    entry.extend((MAX_PART + 1).to_le_bytes());
    let grown = entry.len() - (name.end - last);
    zip.splice(last..name.end, entry);
    let end = memmem::rfind(&zip, b"PK\x05\x06").unwrap();
    let size = u32::from_le_bytes(zip[end + 12..end + 16].try_into().unwrap()) + grown as u32;
    zip[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    assert_bomb(&refused(zip), SHEET, "4096 MiB");
}
