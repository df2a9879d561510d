//! Every mistake of a grid names its line, or its file and cell, and how to mend it.

use super::*;

/// The places and messages of all mistakes.
fn mistakes(toml: &str, files: &[(&str, &[u8])]) -> Vec<(String, String)> {
    let error = loaded(toml, files).unwrap_err();
    error.mistakes.into_iter().map(|mistake| (mistake.place("guide.toml"), mistake.message)).collect()
}

/// Asserts that there is one mistake, at a place, whose message has a part.
#[track_caller]
fn assert_mistake(toml: &str, files: &[(&str, &[u8])], place: &str, part: &str) {
    match &mistakes(toml, files)[..] {
        [(at, message)] => {
            assert_eq!(at, place, "{message}\n{toml}");
            assert!(message.contains(part), "{message}\n{toml}");
        }
        others => panic!("{others:?}\n{toml}"),
    }
}

const SOUND: &str = ",\"<= 1,000,000\"\n740+,95\n";

/// Keys of a grid with one mistake each: what follows `[[grid]]`, its line, and a part of the message. `MATRIX` is a matrix of
/// limits, `POINTS` one of adjustments, `FILE` the name and file of a list.
const KEY_MISTAKES: [(&str, usize, &str); 36] = [
    ("file = \"a.csv\"", 1, "the grid has no name: write name"),
    ("name = \"max_ltv\"", 1, "the grid has no file: write file"),
    ("MATRIX\nname = \"ltv_ratio\"", 6, "the name ltv_ratio is taken: give the grid another one"),
    ("MATRIX\nname = \"cap\"", 6, "is taken"),
    ("MATRIX\nname = \"M\"", 6, "is no name of a rule"),
    ("NAMED\nfiles = \"a.csv\"", 7, "unknown key `files`; known here: name, file, sheet"),
    ("NAMED\nsheet = \"LTV\"", 7, "a CSV file has no sheets"),
    ("NAMED\npolicy = \"first\"", 7, "`policy` is for a list"),
    ("NAMED\nsign = \"deduct\"", 7, "a grid of limits takes no `sign`"),
    ("NAMED\nends = \"both\"", 7, "`ends` must be one of \"upper\", \"lower\""),
    ("NAMED\nends = { dscr = \"lower\" }", 7, "unknown key `dscr`; known here: credit_score, loan_amount"),
    ("NAMED\nseverity = \"soft\"\nhard_from = 2027-01-01", 7, "a grid with `hard_from` is soft before"),
    ("NAMED\nmissing = \"no\"", 7, "`missing` must be one of"),
    ("NAMED\nwhen = { ltv = { max = 5 } }", 7, "there is no field `ltv`"),
    ("POINTS\nseverity = \"soft\"", 7, "a grid of adjustments takes no `severity`"),
    ("POINTS\nhard_from = 2027-01-01", 7, "takes no `hard_from`"),
    ("POINTS\ncategory = \"pricing\"", 7, "takes no `category`"),
    ("POINTS\ncriteria = \"mine\"", 7, "takes no `criteria`"),
    ("POINTS\nsign = \"minus\"", 7, "`sign` must be one of \"add\", \"deduct\""),
    ("FILE\nrows = \"credit_score\"\ncolumns = \"loan_amount\"", 1, "a matrix needs `gives`"),
    ("FILE\nrows = \"credit_score\"\ngives = \"adjustment\"", 1, "a matrix needs `columns`"),
    ("FILE\ncolumns = \"credit_score\"\ngives = \"adjustment\"", 1, "a matrix needs `rows`"),
    ("FILE\nrows = \"credit_score\"\ncolumns = \"credit_score\"\ngives = \"adjustment\"", 5, "rows and columns are both"),
    ("FILE\nrows = \"fico\"\ncolumns = \"loan_amount\"\ngives = \"adjustment\"", 4, "there is no field `fico`"),
    ("FILE\nrows = \"age_months\"\ncolumns = \"loan_amount\"\ngives = \"adjustment\"", 4, "age_months is computed"),
    ("FILE\nrows = \"maturity_date\"\ncolumns = \"loan_amount\"\ngives = \"adjustment\"", 4, "holds neither numbers nor words"),
    ("FILE\nrows = \"credit_score\"\ncolumns = \"loan_amount\"\ngives = \"points\"", 6, "`gives` must be"),
    ("FILE\nrows = \"credit_score\"\ncolumns = \"loan_amount\"\ngives = { below = \"dscr\" }", 6, "unknown key `below`"),
    ("FILE\nrows = \"credit_score\"\ncolumns = \"loan_amount\"\ngives = { max = \"property_type\" }", 6, "holds no numbers"),
    ("FILE\npolicy = \"last\"", 4, "`policy` must be one of \"first\", \"unique\", \"sum\""),
    ("FILE\nends = \"lower\"", 4, "`ends` is for a matrix"),
    ("name = \"max_ltv\"\nfile = \"b.csv\"", 3, "there is no file b.csv beside the rule set"),
    ("name = \"max_ltv\"\nfile = \"../a.csv\"", 3, "is a path"),
    ("name = \"max_ltv\"\nfile = 'x\\a.csv'", 3, "is a path"),
    ("name = \"max_ltv\"\nfile = \".a.csv\"", 3, "begins with a dot"),
    ("name = \"max_ltv\"\nfile = \"a.xls\"", 3, "its name ends with .csv or .xlsx"),
];

#[test]
fn each_mistake_of_a_key_names_its_line() {
    const FIELDS: &str = "file = \"a.csv\"\nrows = \"credit_score\"\ncolumns = \"loan_amount\"\n";
    for (text, line, part) in KEY_MISTAKES {
        let limits = format!("{FIELDS}gives = {{ max = \"ltv_ratio\" }}");
        let text = text
            .replace("MATRIX", &limits)
            .replace("NAMED", &format!("name = \"max_ltv\"\n{limits}"))
            .replace("POINTS", &format!("name = \"points\"\n{FIELDS}gives = \"adjustment\""))
            .replace("FILE", "name = \"max_ltv\"\nfile = \"a.csv\"");
        let is_list = !text.contains("rows") && !text.contains("columns");
        let csv = if is_list { "FICO,max LTV\n740+,95\n" } else { SOUND };
        assert_mistake(&format!("[[grid]]\n{text}\n"), &[("a.csv", csv.as_bytes())], &format!("guide.toml:{line}"), part);
    }
    let absolute = "[[grid]]\nname = \"max_ltv\"\nfile = \"/etc/a.csv\"\n";
    assert_mistake(absolute, &[], "guide.toml:3", "is a path");
    assert_mistake("[grid]\nname = \"x\"", &[], "guide.toml:1", "write [[grid]]");
    let twice = format!("{MAX_LTV}{MAX_LTV}");
    assert_mistake(&twice, &[("max_ltv.csv", SOUND.as_bytes())], "guide.toml:8", "the name max_ltv is taken");
    let as_rule = format!("[[rule]]\nname = \"max_ltv\"\nrequire = {{ dscr = {{ min = 1 }} }}\n{MAX_LTV}");
    assert_mistake(&as_rule, &[("max_ltv.csv", SOUND.as_bytes())], "guide.toml:5", "is taken");
}

/// Cells of a list with one mistake each.
const LIST_MISTAKES: [(&str, &str, &str); 15] = [
    ("state,max LTV\nFL,8O\n", "B2", "\"8O\" is no number of ltv_ratio"),
    ("state,max LTV\nAtlantis,80\n", "A2", "is no word of property_state"),
    ("state,max LTV\nFL,0.8\n", "B2", "write 80"),
    ("state,max LTV\n", "A1", "the grid has no row"),
    ("colour,max LTV\nred,80\n", "A1", "there is no field \"colour\"; the fields are"),
    ("state,max LTV,FICO\nFL,80,620\n", "C1", "stands behind a result"),
    ("state,property_state,max LTV\nFL,FL,80\n", "B1", "property_state stands in A1 already"),
    ("state,max LTV,max ltv_ratio\nFL,80,80\n", "C1", "\"max ltv_ratio\" stands in B1 already"),
    ("state,max LTV,adjustment\nFL,80,1\n", "C1", "limits or an adjustment, and not both"),
    ("state,FICO\nFL,620\n", "A1", "the list has no result"),
    ("max LTV,min FICO\n80,620\n", "A1", "the list has no field"),
    ("state,,max LTV\nFL,x,80\n", "B1", "the column has no heading"),
    ("state,max LTV\nFL,80,see note\n", "C1", "the column has no heading"),
    ("units,max LTV\n(1..2),80\n", "A2", "no number_of_units can meet > 1 and < 2"),
    ("state,min property type\nFL,condo\n", "B1", "property_type holds no numbers"),
];

#[test]
fn each_mistake_of_a_cell_names_it() {
    for (csv, cell, part) in LIST_MISTAKES {
        assert_mistake(LIST, &[("limits.csv", csv.as_bytes())], &format!("limits.csv!{cell}"), part);
    }
    for (csv, cell, part) in [
        ("score,\"<= 1,000,000\"\n", "A1", "the grid has no row of results"),
        ("score\n740+\n", "A1", "the grid has no column of results"),
        (",\"<= 1,000,000\"\n740+,ninety\n", "B2", "is no number of ltv_ratio"),
        (",\"<= 1,000,000\"\n740+,95.00001\n", "B2", "more than 4 decimals"),
        (",\"<= 1,000,000\",\n740+,95,80\n", "C1", "the heading is empty"),
        (",\"<= 1,000,000\"\n740+,\"95\" x\n", "A2", "the row cannot be read: text follows a closing quotation mark"),
    ] {
        assert_mistake(MAX_LTV, &[("max_ltv.csv", csv.as_bytes())], &format!("max_ltv.csv!{cell}"), part);
    }
    let sum = format!("{LIST}policy = \"sum\"");
    assert_mistake(&sum, &[("limits.csv", b"state,max LTV\nFL,80\n")], "limits.csv!B1", "is for lists of adjustments");
}

#[test]
fn all_mistakes_of_a_guide_are_named_at_once() {
    let toml = format!("{MAX_LTV}colour = 1\n{LIST}{LLPA}");
    let files: [(&str, &[u8]); 3] = [
        ("max_ltv.csv", ",<= 1000000,x\n740+,95,\n730-739,y,0.5\n700-710,1,1\n".as_bytes()),
        ("limits.csv", b"state,max LTV\nFL,8O\nAtlantis,80\n"),
        ("llpa.csv", b""),
    ];
    let places: Vec<String> = mistakes(&toml, &files).into_iter().map(|(place, _)| place).collect();
    let cells = ["C1", "A3", "B3", "C3", "B4", "C4"].map(|cell| format!("max_ltv.csv!{cell}"));
    let others = ["limits.csv!B2", "limits.csv!A3", "llpa.csv"].map(str::to_owned);
    let expected: Vec<String> = std::iter::once("guide.toml:7".to_owned()).chain(cells).chain(others).collect();
    assert_eq!(places, expected);
}

#[test]
fn a_grid_has_limits() {
    let many = |count: usize| (0..count).map(|at| MAX_LTV.replace("\"max_ltv\"", &format!("\"grid_{at}\""))).collect::<String>();
    let sound = [("max_ltv.csv", SOUND.as_bytes())];
    assert_eq!(loaded(&many(50), &sound).unwrap().guide().limit_grids().len(), 50);
    assert_mistake(&many(51), &sound, "guide.toml:1", "at most 50 grids, and this one has 51");
    let rows = |count: usize| (0..count).fold("FICO,adjustment\n".to_owned(), |text, at| text + &format!("{at},1\n"));
    let list = "[[grid]]\nname = \"llpa\"\nfile = \"a.csv\"\n";
    assert!(loaded(list, &[("a.csv", rows(5_000).as_bytes())]).is_ok());
    assert_mistake(list, &[("a.csv", rows(5_001).as_bytes())], "a.csv", "at most 10000 cells");
    let square = |side: i64| {
        let headings: Vec<String> = (0..side).map(|at| at.to_string()).collect();
        let row = |at: i64| format!("{}{}\n", 300 + at, ",1".repeat(headings.len()));
        format!("x,{}\n{}", headings.join(","), (0..side).map(row).collect::<String>())
    };
    let matrix = format!("{list}rows = \"credit_score\"\ncolumns = \"loan_amount\"\ngives = \"adjustment\"\n");
    assert!(loaded(&matrix, &[("a.csv", square(100).as_bytes())]).is_ok());
    assert_mistake(&matrix, &[("a.csv", square(101).as_bytes())], "a.csv", "at most 10000 cells");
    let wide = format!("{}\n740+,1\n", ",".repeat(20_002));
    assert_mistake(list, &[("a.csv", wide.as_bytes())], "a.csv", "at most 10000 cells");
    let large = vec![b' '; (5 << 20) + 1];
    assert_mistake(list, &[("a.csv", &large)], "a.csv", "at most 5 MiB");
    assert_mistake(list, &[("a.csv", b"")], "a.csv", "the file is empty");
    assert_mistake(list, &[("a.csv", b"\n , ,\n\n")], "a.csv", "every cell is empty");
}

#[test]
fn each_mistake_of_a_workbook_names_sheet_and_cell() {
    let toml = MAX_LTV.replace("max_ltv.csv", "guide.xlsx");
    let made = |make: &dyn Fn(&mut rust_xlsxwriter::Worksheet)| {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet().set_name("LTV").unwrap();
        sheet.write_string(0, 1, "<= 1,000,000").unwrap().write_string(1, 0, "740+").unwrap().write_number(1, 1, 95).unwrap();
        make(sheet);
        book.save_to_buffer().unwrap()
    };
    let dated = rust_xlsxwriter::Format::new().set_num_format("yyyy-mm-dd");
    let plain = rust_xlsxwriter::Format::new();
    let cases: [(Vec<u8>, &str, &str); 5] = [
        (made(&|sheet| drop(sheet.write_number_with_format(1, 0, 45_000, &dated))), "guide.xlsx, LTV!A2", "is a date or a time"),
        (
            made(&|sheet| drop(sheet.write_formula(1, 1, rust_xlsxwriter::Formula::new("=1/0").set_result("#DIV/0!")))),
            "guide.xlsx, LTV!B2",
            "#DIV/0! is the error of a formula",
        ),
        (uncalculated(), "guide.xlsx, LTV!B2", "the formula has no value"),
        (
            made(&|sheet| drop(sheet.merge_range(0, 1, 0, 2, "<= 1,000,000", &plain))),
            "guide.xlsx, LTV!B1",
            "the cells B1:C1 are merged",
        ),
        (made(&|sheet| drop(sheet.write_boolean(1, 1, true))), "guide.xlsx, LTV!B2", "\"TRUE\" is no number"),
    ];
    for (bytes, place, part) in &cases {
        assert_mistake(&toml, &[("guide.xlsx", bytes)], place, part);
    }
    let sound = made(&|_| {});
    assert!(loaded(&toml, &[("guide.xlsx", &sound)]).is_ok());
    let below = made(&|sheet| drop(sheet.merge_range(5, 0, 5, 3, "Notes", &plain)));
    assert!(loaded(&toml, &[("guide.xlsx", &below)]).is_ok());
    let sheet = format!("{toml}sheet = \"DTI\"");
    assert_mistake(&sheet, &[("guide.xlsx", &sound)], "guide.xlsx, DTI", "the workbook has no sheet \"DTI\"; it has \"LTV\"");
    let csv_named = MAX_LTV.replace("max_ltv.csv", "a.csv");
    assert_mistake(&csv_named, &[("a.csv", &sound)], "a.csv", "is a workbook, not a CSV file: name it .xlsx");
    assert_mistake(&toml, &[("guide.xlsx", SOUND.as_bytes())], "guide.xlsx", "it is not an Excel workbook");
    assert_mistake(&toml, &[("guide.xlsx", &sound[..sound.len() / 2])], "guide.xlsx", "the workbook cannot be read");
    assert_mistake(&toml, &[("guide.xlsx", &locked())], "guide.xlsx", "protected by a password");
    assert_mistake(&toml, &[("guide.xlsx", &bomb())], "guide.xlsx, LTV", "holds more than a grid needs");
}

/// A workbook with one sheet, put together by hand.
fn raw_workbook(sheet: &str) -> Vec<u8> {
    use std::io::Write as _;
    use zip::{ZipWriter, write::SimpleFileOptions};
    const RELS: &str =
        "<Relationships><Relationship Id=\"r1\" Type=\"http://x/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>";
    const SHEETS: &str = "<workbook><sheets><sheet name=\"LTV\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>";
    const SHEET_RELS: &str =
        "<Relationships><Relationship Id=\"r1\" Type=\"http://x/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>";
    let sheet = format!("<worksheet>{sheet}</worksheet>");
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in [
        ("_rels/.rels", RELS),
        ("xl/workbook.xml", SHEETS),
        ("xl/_rels/workbook.xml.rels", SHEET_RELS),
        ("xl/worksheets/sheet1.xml", &sheet),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A sound workbook whose sheet unpacks to more than 64 MiB.
fn bomb() -> Vec<u8> {
    let spaces = " ".repeat(64 << 20);
    raw_workbook(&format!("<sheetData><row r=\"1\"><c r=\"A1\"><v>1</v></c></row></sheetData>{spaces}"))
}

#[test]
fn a_formula_without_a_value_hides_no_other_mistake_of_its_sheet() {
    let text = |text: &str| format!("t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let (first, second) = (text("740+"), text("&lt; 740"));
    let book = raw_workbook(&format!(
        "<sheetData><row r=\"1\"><c r=\"B1\" {}</row><row r=\"2\"><c r=\"A2\" {first}<c r=\"B2\"><f>1+1</f></c></row>\
         <row r=\"3\"><c r=\"A3\" {second}<c r=\"B3\" {}</row></sheetData>",
        text("&lt;= 1,000,000"),
        text("8O")
    ));
    let toml = MAX_LTV.replace("max_ltv.csv", "guide.xlsx");
    let error = loaded(&toml, &[("guide.xlsx", &book)]).unwrap_err();
    let places: Vec<String> = error.mistakes.iter().map(|mistake| mistake.place("guide.toml")).collect();
    assert_eq!(places, ["guide.xlsx, LTV!B2", "guide.xlsx, LTV!B3"], "{error}");
}

/// A workbook with a formula that was never calculated.
fn uncalculated() -> Vec<u8> {
    let text = |text: &str| format!("t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let (column, row) = (text("&lt;= 1,000,000"), text("740+"));
    raw_workbook(&format!(
        "<sheetData><row r=\"1\"><c r=\"B1\" {column}</row><row r=\"2\"><c r=\"A2\" {row}<c r=\"B2\"><f>1+1</f></c></row></sheetData>"
    ))
}

/// What the reader recognises of a workbook with a password: the mark of an OLE file, and the name of the encrypted stream.
fn locked() -> Vec<u8> {
    let mut file = vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
    file.extend([0; 1_024]);
    file.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    file
}
