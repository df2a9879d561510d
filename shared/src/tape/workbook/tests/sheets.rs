//! Which sheets and rows there are.

use super::*;

#[test]
fn rows_keep_their_lines_and_columns() {
    let workbook = made(|workbook| {
        let sheet = workbook.add_worksheet();
        sheet.write_string(2, 1, "B3")?;
        sheet.write_string(2, 3, "D3")?;
        sheet.write_blank(2, 9, &writer::Format::new().set_bold())?;
        sheet.write_string(4, 0, "  ")?;
        sheet.write_blank(5, 0, &writer::Format::new().set_bold())?;
        sheet.merge_range(7, 0, 7, 2, "A8", &writer::Format::new())?;
        sheet.write_string(1_048_575, 16_383, "last")?;
        Ok(())
    });
    let rows = all_rows(workbook).unwrap();
    let found: Vec<_> = rows.iter().map(|row| (row.line, row.len(), row.text().to_owned())).collect();
    assert_eq!(found, [(3, 4, "B3D3".to_owned()), (8, 1, "A8".to_owned()), (1_048_576, 16_384, "last".to_owned())]);
    assert_eq!(rows[0].cells().collect::<Vec<_>>(), ["", "B3", "", "D3"]);
}

#[test]
fn cells_without_places_follow_one_another() {
    let sheet = with_sheet("<row><c><v>1</v></c><c/><c><v>3</v></c></row><row/><row><c r=\"B3\"><v>4</v></c></row>");
    let rows = all_rows(sheet).unwrap();
    let found: Vec<_> = rows.iter().map(|row| (row.line, row.cells().collect::<Vec<_>>())).collect();
    assert_eq!(found, [(1, vec!["1", "", "3"]), (3, vec!["", "4"])]);
}

#[test]
fn worksheets_are_listed_hidden_ones_too_and_charts_not() {
    let make = || {
        made(|workbook| {
            workbook.add_worksheet().set_name("Cover")?.write_string(0, 0, "cover")?;
            let mut chart = writer::Chart::new(writer::ChartType::Line);
            chart.add_series().set_values("Cover!$A$1:$A$2");
            workbook.add_chartsheet().insert_chart(0, 0, &chart)?;
            workbook.add_worksheet().set_name("R&D")?.set_hidden(true).write_string(0, 0, "loans")?;
            workbook.add_worksheet().set_name("Empty")?;
            Ok(())
        })
    };
    let workbook = open(make()).unwrap();
    let found: Vec<_> = workbook.sheets().iter().map(|sheet| (sheet.name.as_str(), sheet.visible)).collect();
    assert_eq!(found, [("Cover", true), ("R&D", false), ("Empty", true)]);
    assert_eq!((workbook.format(), workbook.format().name()), (WorkbookFormat::Xlsx, "xlsx"));
    let first_cells =
        |sheet| -> Vec<String> { sheet_rows(make(), sheet).unwrap().iter().map(|row| row.cell(0).to_owned()).collect() };
    assert_eq!(first_cells(0), ["cover"]);
    assert_eq!(first_cells(1), ["loans"]);
    assert!(first_cells(2).is_empty());
    assert!(matches!(sheet_rows(make(), 3), Err(WorkbookError::NoSheet)));
}

#[test]
fn two_sheets_of_one_name_and_no_sheet_are_refused() {
    let twice = WORKBOOK.replace("<sheets>", "<sheets><sheet name=\"Loans\" sheetId=\"2\" r:id=\"r1\"/>");
    assert_corrupt(&refused(with_part("xl/workbook.xml", twice)), "two sheets named");
    let none = "<workbook><sheets></sheets></workbook>";
    assert!(matches!(refused(with_part("xl/workbook.xml", none)), WorkbookError::NoSheet));
}

#[test]
fn workbooks_are_known_by_their_first_bytes() {
    assert!(looks_like_workbook(&made(|workbook| workbook.add_worksheet().set_name("x").map(|_| ()))));
    assert!(looks_like_workbook(&OLE_MAGIC));
    for other in [&b""[..], b"P", b"PK", b"PK,Loan #,UPB", b"Loan #,UPB\n", &OLE_MAGIC[..7]] {
        assert!(!looks_like_workbook(other));
    }
}
