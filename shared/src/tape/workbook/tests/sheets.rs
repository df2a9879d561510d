//! The sheets and rows of a workbook.

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

#[test]
fn hidden_rows_are_read_and_say_so() {
    let workbook = made(|workbook| {
        let sheet = workbook.add_worksheet();
        for row in 0..6 {
            sheet.write_number(row, 0, row)?;
        }
        sheet.set_row_hidden(2)?;
        sheet.autofilter(0, 0, 5, 0)?;
        sheet.filter_column(0, &writer::FilterCondition::new().add_list_filter(5))?;
        Ok(())
    });
    let found: Vec<_> = all_rows(workbook).unwrap().iter().map(|row| (row.line, row.hidden)).collect();
    assert_eq!(found, [(1, false), (2, true), (3, true), (4, true), (5, true), (6, false)]);
    let rows = all_rows(with_sheet("<row hidden='true'><c><v>1</v></c></row><row hidden='0'><c><v>2</v></c></row>")).unwrap();
    assert_eq!(rows.iter().map(|row| row.hidden).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn other_sheets_than_worksheets_are_passed_over() {
    let sheet = |at: usize, state: &str| format!("<sheet name=\"S{at}\" sheetId=\"{at}\" r:id=\"r{at}\"{state}/>");
    let list =
        [sheet(1, ""), sheet(2, ""), sheet(3, ""), sheet(4, " state=\"veryHidden\""), sheet(5, " state=\"visible\"")].concat();
    let relation = |at: usize, kind: &str| {
        format!("<Relationship Id=\"r{at}\" Type=\"http://x/relationships/{kind}\" Target=\"/xl/s{at}.xml\"/>")
    };
    let kinds = ["chartsheet", "dialogsheet", "xlMacrosheet", "worksheet", "worksheet"];
    let relations: String = (1..).zip(kinds).map(|(at, kind)| relation(at, kind)).collect();
    let mut all = parts();
    all[1].1 = format!("<workbook><sheets>{list}</sheets></workbook>").into_bytes();
    all[2].1 = format!("<Relationships>{relations}</Relationships>").into_bytes();
    all.push((
        "XL\\S5.xml",
        b"<x:worksheet><x:sheetData><x:row><x:c><x:v>5</x:v></x:c></x:row></x:sheetData></x:worksheet>".to_vec(),
    ));
    let workbook = open(stored(&all)).unwrap();
    let found: Vec<_> = workbook.sheets().iter().map(|sheet| (sheet.name.as_str(), sheet.visible)).collect();
    assert_eq!(found, [("S4", false), ("S5", true)]);
    assert_eq!(sheet_rows(stored(&all), 1).unwrap()[0].cell(0), "5");
    // The part of sheet S4 is not in the file.
    assert_corrupt(&sheet_rows(stored(&all), 0).unwrap_err(), "sheet \"S4\" is missing");
    all[2].1 = b"<Relationships/>".to_vec();
    assert_corrupt(&refused(stored(&all)), "leads nowhere");
}

#[test]
fn sheets_are_read_again_and_at_the_same_time() {
    let bytes = made(|workbook| {
        for sheet in 0..2 {
            let worksheet = workbook.add_worksheet();
            for row in 0..3_000 {
                worksheet.write_string(row, 0, format!("{sheet} {row}"))?;
            }
        }
        Ok(())
    });
    let workbook = open(bytes.clone()).unwrap();
    let mut streams = [0, 1, 0].map(|sheet| (sheet, workbook.rows(sheet, Box::new(Cursor::new(bytes.clone()))).unwrap()));
    let mut row = SheetRow::default();
    for at in 0..3_000 {
        for (sheet, stream) in &mut streams {
            assert!(stream.next_row(&mut row).unwrap());
            assert_eq!(row.cell(0), format!("{sheet} {at}"));
        }
    }
}
