//! Workbooks in other formats than `.xlsx` read the same.

use super::{super::ole, *};

const ODS_TYPE: &str = "application/vnd.oasis.opendocument.spreadsheet";

/// An `.ods` with these tables.
fn ods(tables: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:automatic-styles><style:style style:name=\"ta2\">\
         <style:table-properties table:display=\"false\"/></style:style></office:automatic-styles>\
         <office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    );
    stored(&[("mimetype", ODS_TYPE.into()), ("content.xml", content.into_bytes())])
}

fn ods_cells(row: &str) -> Vec<String> {
    cells(ods(&format!("<table:table table:name=\"Loans\"><table:table-row>{row}</table:table-row></table:table>")))
}

#[test]
fn cells_of_ods_have_their_values() {
    let value = |kind: &str, value: &str, shown: &str| {
        format!("<table:table-cell office:value-type=\"{kind}\" {value}><text:p>{shown}</text:p></table:table-cell>")
    };
    for (cell, wanted) in [
        (value("float", "office:value=\"250000.5\"", "250,000.50"), "250000.5"),
        (value("float", "office:value=\"6.7500000000000004E-2\"", "0.07"), "0.0675"),
        (value("float", "office:value=\"123456789012345678\"", "1.23E+17"), "1.23456789012346E+17"),
        (value("float", "office:value=\"1001\"", "0000001001"), "0000001001"),
        (value("float", "office:value=\"1234567\"", "123-4567"), "123-4567"),
        (value("float", "office:value=\"12\"", "L-0012"), "L-0012"),
        (value("float", "office:value=\"12\"", "USD12"), "12"),
        (value("float", "office:value=\"-7\"", "-7"), "-7"),
        (value("float", "office:value=\"97\"", "97.00%"), "97%"),
        (value("percentage", "office:value=\"0.97\"", "97%"), "97%"),
        (value("percentage", "office:value=\"0.067500000000000004\"", "6.75%"), "6.75%"),
        (value("currency", "office:currency=\"USD\" office:value=\"312500\"", "$312,500"), "312500"),
        (value("date", "office:date-value=\"2026-01-31\"", "01/31/26"), "2026-01-31"),
        (value("date", "office:date-value=\"2026-01-31T12:30:00\"", "x"), "2026-01-31 12:30:00"),
        (value("time", "office:time-value=\"PT36H30M00S\"", "x"), "36:30:00"),
        (value("time", "office:time-value=\"PT12H30M15.25S\"", "x"), "12:30:15.250"),
        (value("boolean", "office:boolean-value=\"true\"", "TRUE"), "TRUE"),
        (value("boolean", "office:boolean-value=\"false\"", "FALSE"), "FALSE"),
        (value("string", "calcext:value-type=\"error\"", "#N/A"), "#N/A"),
        (
            value("string", "", "a  b<text:s text:c=\"2\"/>c<text:tab/>d<text:line-break/><text:span>e</text:span>"),
            "a b  c\td\ne",
        ),
        (value("string", "", "one</text:p><text:p>two"), "one\ntwo"),
        (value("string", "office:string-value=\"whole\"", "who"), "whole"),
    ] {
        assert_eq!(ods_cells(&cell), [wanted], "{cell}");
    }
}

#[test]
fn notes_covered_cells_and_drawings_of_ods_are_no_text() {
    let row = "<table:table-cell office:value-type=\"string\"><office:annotation><text:p>note</text:p></office:annotation>\
               <text:p>a</text:p><draw:frame><text:p>drawn</text:p></draw:frame></table:table-cell>\
               <table:covered-table-cell office:value-type=\"string\"><text:p>covered</text:p></table:covered-table-cell>\
               <table:table-cell office:value-type=\"string\"><text:p>c</text:p></table:table-cell>";
    assert_eq!(ods_cells(row), ["a", "", "c"]);
}

#[test]
fn rows_and_cells_of_ods_stand_as_often_as_they_say() {
    let cell = |repeats: u64, value: u64| {
        format!(
            "<table:table-cell table:number-columns-repeated=\"{repeats}\" office:value-type=\"float\" office:value=\"{value}\"/>"
        )
    };
    let blank = "<table:table-cell table:number-columns-repeated=\"16384\"/>";
    let row = |attributes: &str, cells: &str| format!("<table:table-row {attributes}>{cells}</table:table-row>");
    let table = |rows: &str| ods(&format!("<table:table table:name=\"Loans\">{rows}</table:table>"));
    let rows = [
        row(
            "table:number-rows-repeated=\"2\"",
            &(cell(2, 1) + "<table:table-cell table:number-columns-repeated=\"3\"/>" + &cell(1, 2)),
        ),
        row("table:number-rows-repeated=\"9\"", blank),
        row("table:visibility=\"filter\"", &cell(1, 3)),
        row("table:visibility=\"collapse\"", "<table:table-cell table:formula=\"of:=A1\"/>"),
        row("table:number-rows-repeated=\"1048000\"", blank),
    ];
    let found = all_rows(table(&rows.concat())).unwrap();
    let seen: Vec<_> = found.iter().map(|row| (row.line, row.hidden, row.cells().collect::<Vec<_>>().join(","))).collect();
    let wide = "1,1,,,,2".to_owned();
    assert_eq!(seen, [(1, false, wide.clone()), (2, false, wide), (12, true, "3".to_owned()), (13, true, String::new())]);
    assert_eq!(found[3].uncalculated(), [0]);
    for (rows, wanted) in [
        (row("table:number-rows-repeated=\"1048577\"", &cell(1, 1)), "beyond the last row"),
        (row("", &cell(16_385, 1)), "beyond the last column"),
        (row("table:number-rows-repeated=\"0\"", ""), "no number of times"),
        (
            row(
                "",
                "<table:table-cell office:value-type=\"string\"><text:p><text:s text:c=\"99999999\"/></text:p></table:table-cell>",
            ),
            "more spaces",
        ),
    ] {
        assert_corrupt(&all_rows(table(&rows)).unwrap_err(), wanted);
    }
    let many = row("table:number-rows-repeated=\"1000\"", &cell(6_000, 1));
    assert!(
        matches!(all_rows(table(&many)), Err(WorkbookError::TooLarge { format: "ods", limit }) if limit == "5 million cells")
    );
}

#[test]
fn sheets_of_ods_are_listed() {
    let table = |attributes: &str, value: &str| {
        format!(
            "<table:table {attributes}><table:table-row><table:table-cell office:value-type=\"string\"><text:p>{value}</text:p></table:table-cell></table:table-row></table:table>"
        )
    };
    let tables = [
        table("table:name=\"Cover\" table:style-name=\"ta1\"", "1"),
        table("table:name=\"'file:///x.ods'#$Other\"", "2"),
        table("table:name=\"R&amp;D\" table:style-name=\"ta2\"", "3"),
    ];
    let bytes = ods(&tables.concat());
    let workbook = open(bytes.clone()).unwrap();
    assert_eq!((workbook.format(), workbook.format().name()), (WorkbookFormat::Ods, "ods"));
    let found: Vec<_> = workbook.sheets().iter().map(|sheet| (sheet.name.as_str(), sheet.visible)).collect();
    assert_eq!(found, [("Cover", true), ("R&D", false)]);
    assert_eq!(sheet_rows(bytes.clone(), 1).unwrap()[0].cell(0), "3");
    assert!(matches!(sheet_rows(bytes, 2), Err(WorkbookError::NoSheet)));
    assert!(matches!(refused(ods("")), WorkbookError::NoSheet));
}

#[test]
fn other_documents_and_protected_ones_are_told() {
    let document = |kind: &str| stored(&[("mimetype", kind.into()), ("content.xml", b"<a/>".to_vec())]);
    for kind in ["application/vnd.oasis.opendocument.text", "application/epub+zip"] {
        assert!(matches!(refused(document(kind)), WorkbookError::OtherFile { kind: "an OpenDocument file" }));
    }
    let manifest =
        b"<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>".to_vec();
    let locked = [("mimetype", ODS_TYPE.into()), ("META-INF/manifest.xml", manifest), ("content.xml", vec![0xFF; 100])];
    assert!(matches!(refused(stored(&locked)), WorkbookError::PasswordProtected));
    let packed = deflated("<a>", b' ', 1_000, "</a>");
    let mut all: Vec<u8> = with_packed("content.xml", &packed, 257 << 20);
    assert!(matches!(refused(all.clone()), WorkbookError::OtherFile { .. }));
    all = stored(&[("mimetype", ODS_TYPE.into()), ("content.xml", b"<a><b></a>".to_vec())]);
    assert_corrupt(&refused(all), "not well-formed");
}

/// A record of an `.xlsb`.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = if kind < 0x80 { vec![kind as u8] } else { vec![kind as u8 | 0x80, (kind >> 7) as u8] };
    let mut length = data.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(data);
    bytes
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    (units.len() as u32).to_le_bytes().into_iter().chain(units.into_iter().flat_map(u16::to_le_bytes)).collect()
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn xlsb_row(line: u32, hidden: bool) -> Vec<u8> {
    record(0, &joined(&[&line.to_le_bytes(), &[0; 7], &[if hidden { 0x10 } else { 0 }], &[0; 5]]))
}

fn xlsb_cell(kind: u16, column: u32, style: u32, value: &[u8]) -> Vec<u8> {
    record(kind, &joined(&[&column.to_le_bytes(), &style.to_le_bytes(), value]))
}

/// An `.xlsb` with two sheets, the second one hidden. Both have these records.
fn xlsb(data: &[Vec<u8>]) -> Vec<u8> {
    let root = RELS.replace("workbook.xml", "workbook.bin");
    let sheet = |state: u32, id: &str, name: &str| {
        record(156, &joined(&[&state.to_le_bytes(), &1_u32.to_le_bytes(), &wide(id), &wide(name)]))
    };
    let workbook =
        [record(153, &[1, 0, 0, 0]), sheet(0, "r1", "Loans"), sheet(1, "r1", "Größe"), record(144, &[]), record(132, &[])]
            .concat();
    let strings: Vec<u8> =
        ["Loan #", "R\u{e9}\u{1F600}"].iter().flat_map(|text| record(19, &joined(&[&[0], &wide(text)]))).collect();
    let strings = joined(&[&record(159, &[2, 0, 0, 0, 2, 0, 0, 0]), &strings, &record(160, &[])]);
    let style = |format: u16| record(47, &joined(&[&[0, 0], &format.to_le_bytes(), &[0; 12]]));
    let styles = [
        record(615, &[1, 0, 0, 0]),
        record(44, &joined(&[&164_u16.to_le_bytes(), &wide("0000000000")])),
        record(617, &[5, 0, 0, 0]),
        style(0),
        style(10),
        style(14),
        style(164),
        record(618, &[]),
        style(10),
    ];
    let dimension = record(148, &[0; 16]);
    let sheet = joined(&[&record(129, &[]), &dimension, &record(145, &[]), &data.concat(), &record(146, &[]), &record(130, &[])]);
    stored(&[
        ("_rels/.rels", root.into_bytes()),
        ("xl/workbook.bin", workbook),
        ("xl/_rels/workbook.bin.rels", WORKBOOK_RELS.replace("sheet1.xml", "sheet1.bin").into_bytes()),
        ("xl/sharedStrings.bin", strings),
        ("xl/styles.bin", styles.concat()),
        ("xl/worksheets/sheet1.bin", sheet),
    ])
}

/// The rows of a workbook's first sheet as the library calamine reads them.
fn by_library<R: calamine::Reader<Cursor<Vec<u8>>>>(bytes: Vec<u8>) -> Vec<Vec<String>> {
    let Ok(mut workbook) = R::new(Cursor::new(bytes)) else { panic!("the library cannot open it") };
    let Some(Ok(range)) = workbook.worksheet_range_at(0) else { panic!("the library cannot read it") };
    range.rows().map(|row| row.iter().map(ToString::to_string).collect()).collect()
}

#[test]
fn cells_of_xlsb_have_their_values() {
    let rk = |number: i32, hundredths: u32| ((number << 2) as u32 | 2 | hundredths).to_le_bytes();
    let data = [
        xlsb_row(0, false),
        xlsb_cell(7, 0, 0, &0_u32.to_le_bytes()),
        xlsb_cell(7, 1, 0, &1_u32.to_le_bytes()),
        xlsb_row(4, true),
        xlsb_cell(2, 0, 3, &rk(1001, 0)),
        xlsb_cell(2, 1, 0, &rk(-12_345, 1)),
        xlsb_cell(5, 2, 1, &0.0675_f64.to_le_bytes()),
        xlsb_cell(9, 3, 2, &1.0_f64.to_le_bytes()),
        xlsb_cell(4, 4, 0, &[1]),
        xlsb_cell(3, 5, 0, &[0x2A]),
        xlsb_cell(6, 6, 0, &wide("in place")),
        xlsb_cell(62, 7, 0, &joined(&[&[0], &wide("rich")])),
        xlsb_cell(8, 8, 0, &wide("computed")),
        xlsb_cell(1, 9, 0, &[]),
        xlsb_cell(2, 11, 0, &(2.5_f64.to_bits() >> 32).to_le_bytes()[..4]),
    ];
    let bytes = xlsb(&data);
    let rows = all_rows(bytes.clone()).unwrap();
    assert_eq!(rows.iter().map(|row| (row.line, row.hidden)).collect::<Vec<_>>(), [(1, false), (5, true)]);
    assert_eq!(rows[0].cells().collect::<Vec<_>>(), ["Loan #", "Ré😀"]);
    assert_eq!(
        rows[1].cells().collect::<Vec<_>>(),
        ["0000001001", "-123.45", "6.75%", "1904-01-02", "TRUE", "#N/A", "in place", "rich", "computed", "", "", "2.5"]
    );
    let workbook = open(bytes.clone()).unwrap();
    assert_eq!((workbook.format(), workbook.format().name()), (WorkbookFormat::Xlsb, "xlsb"));
    let sheets: Vec<_> = workbook.sheets().iter().map(|sheet| (sheet.name.as_str(), sheet.visible)).collect();
    assert_eq!(sheets, [("Loans", true), ("Größe", false)]);
    assert_eq!(sheet_rows(bytes.clone(), 1).unwrap(), rows);
    let library = by_library::<calamine::Xlsb<_>>(bytes);
    assert_eq!(library[0][..2], ["Loan #", "Ré😀"]);
    assert_eq!((library[4][1].as_str(), library[4][2].as_str(), library[4][8].as_str()), ("-123.45", "0.0675", "computed"));
}

#[test]
fn damaged_xlsb_are_refused() {
    for (data, wanted) in [
        (vec![xlsb_row(3, false), xlsb_cell(7, 0, 0, &[0; 4]), xlsb_row(3, false)], "out of order"),
        (vec![xlsb_row(0, false), xlsb_cell(7, 1, 0, &[0; 4]), xlsb_cell(7, 1, 0, &[0; 4])], "out of order"),
        (vec![xlsb_row(0, false), xlsb_cell(7, 16_384, 0, &[0; 4])], "out of order"),
        (vec![xlsb_row(0, false), xlsb_cell(7, 0, 0, &9_u32.to_le_bytes())], "damaged cell in row 1"),
        (vec![xlsb_row(0, false), xlsb_cell(6, 0, 0, &u32::MAX.to_le_bytes())], "damaged cell in row 1"),
        (vec![vec![0xFF, 0xFF, 0xFF]], "is damaged"),
        (vec![vec![0x01, 0x80, 0x80, 0x80, 0x01]], "ends early"),
    ] {
        assert_corrupt(&all_rows(xlsb(&data)).unwrap_err(), wanted);
    }
    let long = [0x01, 0xFF, 0xFF, 0xFF, 0x7F].to_vec();
    assert_bomb(&all_rows(xlsb(&[long])).unwrap_err(), "xl/worksheets/sheet1.bin", "16 MiB in one record");
}

/// A record of an `.xls`.
fn biff(kind: u16, data: &[u8]) -> Vec<u8> {
    joined(&[&kind.to_le_bytes(), &(data.len() as u16).to_le_bytes(), data])
}

/// A compound file with one stream of this name.
fn compound(name: &str, stream: &[u8]) -> Vec<u8> {
    const SECTOR: usize = 512;
    let mut stream = stream.to_vec();
    let size = stream.len().max(4_096);
    stream.resize(size.next_multiple_of(SECTOR), 0);
    let sectors = stream.len() / SECTOR;
    let tables = (sectors + 1).div_ceil(SECTOR / 4 - 1);
    let mut header = vec![0; SECTOR];
    header[..8].copy_from_slice(&OLE_MAGIC);
    header[24..34].copy_from_slice(&[0x3E, 0, 3, 0, 0xFE, 0xFF, 9, 0, 6, 0]);
    let mut put = |at: usize, number: u32| header[at..at + 4].copy_from_slice(&number.to_le_bytes());
    put(44, tables as u32);
    put(48, tables as u32);
    put(56, 4_096);
    put(60, 0xFFFF_FFFE);
    put(68, 0xFFFF_FFFE);
    (0..109).for_each(|at| put(76 + 4 * at, if at < tables { at as u32 } else { u32::MAX }));
    // The order of the sectors: tables, directory, stream.
    let mut next: Vec<u32> = vec![0xFFFF_FFFD; tables];
    next.push(0xFFFF_FFFE);
    next.extend((0..sectors).map(|at| if at + 1 < sectors { (tables + at + 2) as u32 } else { 0xFFFF_FFFE }));
    next.resize(tables * SECTOR / 4, u32::MAX);
    let entry = |name: &str, kind: u8, start: u32, size: u32| {
        let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = entry.len() as u16 + 2;
        entry.resize(64, 0);
        entry.extend(length.to_le_bytes());
        entry.extend([kind, 1]);
        entry.extend([0xFF; 12]);
        entry.resize(116, 0);
        entry.extend(start.to_le_bytes());
        entry.extend(size.to_le_bytes());
        entry.resize(128, 0);
        entry
    };
    let mut directory = entry("Root Entry", 5, 0xFFFF_FFFE, 0);
    directory.extend(entry(name, 2, tables as u32 + 1, size as u32));
    directory.resize(SECTOR, 0);
    let next: Vec<u8> = next.into_iter().flat_map(u32::to_le_bytes).collect();
    joined(&[&header, &next, &directory, &stream])
}

/// A workbook stream with these records about the workbook, and a sheet with these records.
fn xls_stream(globals: &[Vec<u8>], sheet: &[Vec<u8>]) -> Vec<u8> {
    let begin = |kind: u16| biff(0x0809, &joined(&[&0x0600_u16.to_le_bytes(), &kind.to_le_bytes(), &[0; 12]]));
    let end = biff(0x000A, &[]);
    let name = |place: u32, state: u8, kind: u8, name: &str| {
        biff(0x0085, &joined(&[&place.to_le_bytes(), &[state, kind, name.len() as u8, 0], name.as_bytes()]))
    };
    let list = |place: u32| [name(place, 0, 2, "Chart"), name(place, 0, 0, "Loans"), name(place, 2, 0, "Very hidden")].concat();
    let before = begin(5).len() + list(0).len() + globals.concat().len() + end.len();
    let sheet = joined(&[&begin(0x10), &sheet.concat(), &end]);
    joined(&[&begin(5), &globals.concat(), &list(before as u32), &end, &sheet])
}

fn xls(globals: &[Vec<u8>], sheet: &[Vec<u8>]) -> Vec<u8> {
    compound("Workbook", &xls_stream(globals, sheet))
}

fn xls_cell(kind: u16, row: u16, column: u16, style: u16, value: &[u8]) -> Vec<u8> {
    biff(kind, &joined(&[&row.to_le_bytes(), &column.to_le_bytes(), &style.to_le_bytes(), value]))
}

fn xls_styles() -> Vec<Vec<u8>> {
    let style = |format: u16| biff(0x00E0, &joined(&[&[0, 0], &format.to_le_bytes(), &[0; 16]]));
    let code = "0000000000";
    let format = biff(0x041E, &joined(&[&164_u16.to_le_bytes(), &(code.len() as u16).to_le_bytes(), &[0], code.as_bytes()]));
    vec![biff(0x0022, &[1, 0]), format, style(0), style(10), style(14), style(164)]
}

#[test]
fn cells_of_xls_have_their_values() {
    // The second string continues in the next record, in wider characters; it has runs and phonetic text.
    let first = joined(&[&[3, 0, 0, 0, 3, 0, 0, 0], &[6, 0, 0], b"Loan #", &[4, 0, 0x0C, 1, 0, 2, 0, 0, 0], b"R\xe9"]);
    let second = joined(&[&[1], &[0xAC, 0x20, 0x41, 0], &[0; 4], &[0; 2], &[1, 0, 0], b"z"]);
    let mut globals = xls_styles();
    globals.push(biff(0x00FC, &first));
    globals.push(biff(0x003C, &second));
    let rk = |number: i32, hundredths: u32| ((number << 2) as u32 | 2 | hundredths).to_le_bytes();
    let special = |kind: u8, value: u8| [kind, 0, value, 0, 0, 0, 0xFF, 0xFF];
    let sheet = [
        biff(0x0208, &joined(&[&4_u16.to_le_bytes(), &[0; 10], &0x20_u16.to_le_bytes(), &[0; 2]])),
        xls_cell(0x00FD, 0, 0, 0, &0_u32.to_le_bytes()),
        xls_cell(0x00FD, 0, 1, 0, &1_u32.to_le_bytes()),
        xls_cell(0x00FD, 0, 2, 0, &2_u32.to_le_bytes()),
        xls_cell(0x027E, 4, 0, 3, &rk(1001, 0)),
        biff(0x00BD, &joined(&[&[4, 0, 1, 0], &[0, 0], &rk(-12_345, 1), &[0, 0], &rk(7, 0), &[2, 0]])),
        xls_cell(0x0203, 4, 3, 1, &0.0675_f64.to_le_bytes()),
        xls_cell(0x0006, 4, 4, 2, &joined(&[&1.0_f64.to_le_bytes(), &[0; 8]])),
        xls_cell(0x0205, 4, 5, 0, &[1, 0]),
        xls_cell(0x0205, 4, 6, 0, &[0x2A, 1]),
        xls_cell(0x0006, 4, 7, 0, &joined(&[&special(0, 0), &[0; 8]])),
        biff(0x0207, &joined(&[&[8, 0, 0], b"computed"])),
        xls_cell(0x0006, 4, 8, 0, &joined(&[&special(2, 7), &[0; 8]])),
        xls_cell(0x0006, 4, 9, 0, &joined(&[&special(3, 0), &[0; 8]])),
        xls_cell(0x0204, 4, 10, 0, &joined(&[&[5, 0, 0], b"label"])),
        // Cells need not come in order.
        xls_cell(0x027E, 2, 0, 0, &rk(3, 0)),
    ];
    let bytes = xls(&globals, &sheet);
    let rows = all_rows(bytes.clone()).unwrap();
    assert_eq!(rows.iter().map(|row| (row.line, row.hidden)).collect::<Vec<_>>(), [(1, false), (3, false), (5, true)]);
    assert_eq!(rows[0].cells().collect::<Vec<_>>(), ["Loan #", "Ré€A", "z"]);
    assert_eq!(
        rows[2].cells().collect::<Vec<_>>(),
        ["0000001001", "-123.45", "7", "6.75%", "1904-01-02", "TRUE", "#N/A", "computed", "#DIV/0!", "", "label"]
    );
    let workbook = open(bytes.clone()).unwrap();
    assert_eq!((workbook.format(), workbook.format().name()), (WorkbookFormat::Xls, "xls"));
    let sheets: Vec<_> = workbook.sheets().iter().map(|sheet| (sheet.name.as_str(), sheet.visible)).collect();
    assert_eq!(sheets, [("Loans", true), ("Very hidden", false)]);
    let library = {
        use calamine::Reader as _;
        let mut workbook = calamine::Xls::new(Cursor::new(bytes)).unwrap();
        let range = workbook.worksheet_range("Loans").unwrap();
        range.rows().map(|row| row.iter().map(ToString::to_string).collect()).collect::<Vec<Vec<_>>>()
    };
    assert_eq!(library[0][..3], ["Loan #", "Ré€A", "z"]);
    assert_eq!((library[4][1].as_str(), library[4][3].as_str(), library[4][7].as_str()), ("-123.45", "0.0675", "computed"));
}

#[test]
fn other_old_files_are_told() {
    for (name, wanted) in [("WordDocument", "a Word document (.doc)"), ("Else", "an old Office file")] {
        assert!(matches!(refused(compound(name, b"")), WorkbookError::OtherFile { kind } if kind == wanted));
    }
    let old = biff(0x0809, &joined(&[&0x0500_u16.to_le_bytes(), &[0; 6]]));
    assert!(matches!(refused(compound("Book", &old)), WorkbookError::OldFormat));
    assert!(matches!(refused(xls(&[biff(0x002F, &[1, 0])], &[])), WorkbookError::PasswordProtected));
    assert_corrupt(&refused(compound("Workbook", b"")), "damaged");
    let mut large = compound("Workbook", b"");
    large.resize((64 << 20) + 1, 0);
    assert!(matches!(refused(large), WorkbookError::TooLarge { format: "xls", limit } if limit == "64 MiB"));
}

#[test]
fn damaged_xls_are_refused_and_never_panic() {
    let sheet = [xls_cell(0x00FD, 0, 0, 0, &9_u32.to_le_bytes())];
    assert_corrupt(&all_rows(xls(&xls_styles(), &sheet)).unwrap_err(), "damaged cell in row 1");
    let endless = biff(0x00FC, &[9, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, b'a']);
    assert_corrupt(&refused(xls(&[endless], &[])), "shared strings are damaged");
    let whole = xls(&xls_styles(), &[xls_cell(0x0203, 0, 0, 1, &0.97_f64.to_le_bytes())]);
    assert_eq!(all_rows(whole.clone()).unwrap()[0].cell(0), "97%");
    let mut state = 1_u64;
    for _ in 0..2_000 {
        let mut damaged = whole.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % 2_600;
            damaged[at] ^= (state >> 24) as u8;
        }
        if let Err(error) = all_rows(damaged) {
            assert!(!matches!(error, WorkbookError::Io(_)) && !error.to_string().contains("make no sense"), "{error:?}");
        }
    }
    // Reading a ring of sectors ends.
    let mut ring = whole;
    ring[512 + 8..512 + 12].copy_from_slice(&2_u32.to_le_bytes());
    assert_eq!(ole::workbook_stream(&ring).unwrap().len(), 4_096);
}
