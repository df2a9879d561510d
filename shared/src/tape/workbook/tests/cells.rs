//! The texts of cells.

use super::*;

#[test]
fn cells_are_text() {
    let workbook = made(|workbook| {
        let sheet = workbook.add_worksheet();
        sheet.write_string(0, 0, "007")?;
        sheet.write_string(0, 1, "Größe & \"<b>\"")?;
        sheet.write_number(0, 2, 250_000)?;
        sheet.write_number(0, 3, 6.875)?;
        sheet.write_number(0, 4, 1e15)?;
        sheet.write_number(0, 5, 0.00001)?;
        sheet.write_number(0, 6, 0.1 + 0.2)?;
        sheet.write_number(0, 7, -0.5)?;
        sheet.write_boolean(0, 8, true)?;
        sheet.write_boolean(0, 9, false)?;
        sheet.write_formula(0, 10, writer::Formula::new("1/0").set_result("#DIV/0!"))?;
        sheet.write_formula(0, 11, writer::Formula::new("A1&\"x\"").set_result("007x"))?;
        let (bold, plain) = (writer::Format::new().set_bold(), writer::Format::default());
        sheet.write_rich_string(0, 12, &[(&bold, "two"), (&plain, " runs")])?;
        sheet.write_string(0, 13, " spaces ")?;
        Ok(())
    });
    assert_eq!(
        cells(workbook),
        [
            "007",
            "Größe & \"<b>\"",
            "250000",
            "6.875",
            "1E+15",
            "0.00001",
            "0.3",
            "-0.5",
            "TRUE",
            "FALSE",
            "#DIV/0!",
            "007x",
            "two runs",
            " spaces ",
        ]
    );
}

#[test]
fn dates_and_times_are_iso() {
    let workbook = made(|workbook| {
        let sheet = workbook.add_worksheet();
        let date = writer::Format::new().set_num_format("mm/dd/yyyy");
        let both = writer::Format::new().set_num_format("m/d/yy h:mm");
        let time = writer::Format::new().set_num_format("h:mm:ss");
        let hours = writer::Format::new().set_num_format("[h]:mm:ss");
        sheet.write_with_format(0, 0, writer::ExcelDateTime::from_ymd(2026, 1, 31)?, &date)?;
        sheet.write_with_format(0, 1, writer::ExcelDateTime::from_ymd(2026, 1, 31)?.and_hms(12, 30, 0)?, &both)?;
        sheet.write_with_format(0, 2, writer::ExcelDateTime::from_hms(12, 30, 0)?, &time)?;
        sheet.write_with_format(0, 3, 1.5 + 1.0 / 48.0, &hours)?;
        sheet.write_with_format(0, 4, writer::ExcelDateTime::from_ymd(2026, 1, 31)?.and_hms(12, 30, 0.25)?, &both)?;
        sheet.write_with_format(0, 5, -1, &date)?;
        sheet.write_with_format(0, 6, 9e9, &date)?;
        sheet.write_with_format(0, 7, -0.25, &hours)?;
        sheet.write_with_format(0, 8, 1e300, &hours)?;
        Ok(())
    });
    let texts = cells(workbook);
    let wanted =
        ["2026-01-31", "2026-01-31 12:30:00", "12:30:00", "36:30:00", "2026-01-31 12:30:00.250", "-1", "9000000000", "-06:00:00"];
    assert_eq!(texts[..8], wanted);
    assert_eq!(texts[8], "1E+300");
}

#[test]
fn dates_that_are_stored_as_text_read_alike() {
    let row = ["2026-01-31", "2026-01-31T00:00:00.000", "2026-01-31T12:30:00Z", "12:30:00", "T"]
        .map(|text| format!("<c t=\"d\"><v>{text}</v></c>"));
    assert_eq!(
        cells(with_sheet(&format!("<row>{}</row>", row.concat()))),
        ["2026-01-31", "2026-01-31", "2026-01-31 12:30:00", "12:30:00", "T"]
    );
}

#[test]
fn dates_count_from_1904_where_the_workbook_says_so() {
    let mut all = parts();
    let workbook = WORKBOOK.replace("<sheets>", "<workbookPr date1904=\"1\"/><sheets>");
    all[1].1 = workbook.into_bytes();
    all.push(("xl/styles.xml", b"<styleSheet><cellXfs><xf/><xf numFmtId=\"14\"/></cellXfs></styleSheet>".to_vec()));
    all.push((SHEET, b"<worksheet><sheetData><row><c s=\"1\"><v>1</v></c></row></sheetData></worksheet>".to_vec()));
    assert_eq!(cells(stored(&all)), ["1904-01-02"]);
}

#[test]
fn inline_and_shared_strings_are_read_whole() {
    let mut all = parts();
    let strings =
        "<sst uniqueCount=\"3\"><si><t>one</t></si><si/><si><r><t>ri</t></r><r><t>ch</t></r><rPh><t>x</t></rPh></si></sst>";
    all.push((STRINGS, strings.as_bytes().to_vec()));
    let sheet = r#"<worksheet><sheetData><row>
        <c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c>
        <c t="inlineStr"><is><t>in &amp; line</t></is></c><c t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is></c>
        <c t="str"><f>X1</f><v>computed</v></c><c t="e"><v>#N/A</v></c><c><v>not a number</v></c></row></sheetData></worksheet>"#;
    all.push((SHEET, sheet.as_bytes().to_vec()));
    assert_eq!(cells(stored(&all)), ["one", "", "rich", "in & line", "ab", "computed", "#N/A", "not a number"]);
}

/// A workbook with these rows, whose styles from 1 on have these number formats.
fn with_formats(formats: &[&str], rows: &str) -> Vec<u8> {
    let codes = formats.iter().enumerate().map(|(at, code)| {
        let code = code.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        format!("<numFmt numFmtId=\"{}\" formatCode=\"{code}\"/>", 164 + at)
    });
    let styles = (0..formats.len()).map(|at| format!("<xf numFmtId=\"{}\"/>", 164 + at));
    // Named styles and conditional formats have number formats of their own, which do not count.
    let styles = format!(
        "<styleSheet><numFmts>{}</numFmts><cellStyleXfs><xf numFmtId=\"9\"/></cellStyleXfs>\
         <cellXfs><xf numFmtId=\"0\"/>{}<xf numFmtId=\"10\"/></cellXfs><dxfs><dxf><numFmt numFmtId=\"164\" formatCode=\"0%\"/></dxf></dxfs></styleSheet>",
        codes.collect::<String>(),
        styles.collect::<String>()
    );
    let mut all = parts();
    all.push(("xl/styles.xml", styles.into_bytes()));
    all.push((SHEET, format!("<worksheet><sheetData>{rows}</sheetData></worksheet>").into_bytes()));
    stored(&all)
}

#[test]
fn numbers_read_as_their_formats_show_them() {
    let formats = ["0.00%;-0.00%", "0.00\"%\"", "0000000000", "000-0000", "\"L-\"0000", "$#,##0.00", "yyyy-mm-dd", "[<=1]0%;0"];
    let cells = [
        (1, "0.97", "97%"),
        (1, "-6.7500000000000004E-2", "-6.75%"),
        (2, "97", "97%"),
        (3, "1001", "0000001001"),
        (3, "1001.5", "1001.5"),
        (4, "1234567", "123-4567"),
        (5, "12", "L-0012"),
        (6, "1250.5", "1250.5"),
        (7, "46053", "2026-01-31"),
        (8, "0.8", "80%"),
        (8, "80", "80"),
        (9, "0.0675", "6.75%"),
        // A style that does not exist.
        (10, "0.0675", "0.0675"),
    ];
    let row: String = cells.iter().map(|(style, value, _)| format!("<c s=\"{style}\"><v>{value}</v></c>")).collect();
    let found = super::cells(with_formats(&formats, &format!("<row>{row}</row>")));
    for (found, (style, value, wanted)) in found.iter().zip(cells) {
        assert_eq!(found, wanted, "{style} {value}");
    }
    // A number format does not apply to a text.
    let text = "<row><c s=\"1\" t=\"str\"><v>0.97</v></c><c s=\"3\" t=\"inlineStr\"><is><t>7</t></is></c></row>";
    assert_eq!(super::cells(with_formats(&formats, text)), ["0.97", "7"]);
}

#[test]
fn numbers_have_the_digits_that_a_spreadsheet_shows() {
    let values =
        ["6.7500000000000004E-2", "0.97000000000000001", "123456789012345678", "1234567890123450", "250000", "1e-7", " 7 "];
    let row: String = values.iter().map(|value| format!("<c><v>{value}</v></c>")).collect();
    assert_eq!(
        cells(with_sheet(&format!("<row>{row}</row>"))),
        ["0.0675", "0.97", "1.23456789012346E+17", "1.23456789012345E+15", "250000", "0.0000001", "7"]
    );
}

#[test]
fn formulas_without_a_value_are_told() {
    let rows = "<row><c><f>A2</f></c><c><f>A2</f><v></v></c><c><f>A2</f><v/></c><c><f t=\"shared\" si=\"0\"/></c>\
                <c><f>A2</f><v>1</v></c><c t=\"str\"><f>A2</f><v></v></c><c t=\"str\"><f>A2</f></c><c/></row>\
                <row><c><v>2</v></c></row><row><c r=\"C7\"><f>A1</f></c></row>";
    let found = all_rows(with_sheet(rows)).unwrap();
    assert_eq!(found[0].uncalculated(), [0, 1, 2, 3, 6]);
    assert_eq!(found[0].cells().collect::<Vec<_>>(), ["", "", "", "", "1"]);
    assert!(found[1].uncalculated().is_empty());
    // A row that has only such a cell is not blank.
    assert_eq!((found[2].line, found[2].len(), found[2].uncalculated()), (7, 0, &[2][..]));
    assert_eq!(address(found[2].line, found[2].uncalculated()[0]), "C7");
}

#[test]
fn texts_are_what_excel_means_by_them() {
    let cell = |text: &str| format!("<c t=\"inlineStr\"><is>{text}</is></c>");
    let row = [
        "<t> a </t>",
        "<t xml:space=\"preserve\"> a </t>",
        "<t>a_x000D_b</t>",
        "<r><rPr><b/></rPr><t>bo</t></r><r><t xml:space=\"preserve\">ld </t></r><rPh sb=\"0\" eb=\"1\"><t>no</t></rPh><phoneticPr/>",
        "<t><![CDATA[<&>]]></t>",
        "<t>&#x1F600;&lt;</t>",
    ]
    .map(cell)
    .concat();
    let row = format!("<row>{row}<c t=\"str\"><v>x_x0009_y &amp; z</v></c></row>");
    assert_eq!(cells(with_sheet(&row)), ["a", " a ", "a\rb", "bold ", "<&>", "😀<", "x\ty & z"]);
}

#[test]
fn booleans_and_errors_have_the_words_of_excel() {
    let row =
        "<row><c t=\"b\"><v>1</v></c><c t=\"b\"><v>false</v></c><c t=\"e\"><v>#SPILL!</v></c><c t=\"e\"><v>#N/A</v></c></row>";
    assert_eq!(cells(with_sheet(row)), ["TRUE", "FALSE", "#SPILL!", "#N/A"]);
}
