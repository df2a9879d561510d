//! What cells read as.

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
