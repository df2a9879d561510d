//! Workbooks: which sheet is the tape, and how the engine reads its cells.

use rust_xlsxwriter::{Chart, ChartType, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};
use shared::error::RunError;

use super::*;
use crate::support::tape_rows::{fate, fates};

type Made = Result<(), XlsxError>;

fn workbook(make: impl FnOnce(&mut Workbook) -> Made) -> Vec<u8> {
    let mut workbook = Workbook::new();
    make(&mut workbook).unwrap();
    workbook.save_to_buffer().unwrap()
}

/// Writes a line of a CSV tape into a row, counted from 1.
fn put(sheet: &mut Worksheet, row: u32, line: &str) -> Made {
    for (at, cell) in (0..).zip(line.split(',')) {
        match cell.parse::<f64>() {
            Ok(number) => sheet.write_number(row - 1, at, number)?,
            Err(_) if cell.is_empty() => sheet,
            Err(_) => sheet.write_string(row - 1, at, cell)?,
        };
    }
    Ok(())
}

/// Adds a sheet of a header and good loans.
fn add<'w>(workbook: &'w mut Workbook, name: &str, numbers: &[&str]) -> Result<&'w mut Worksheet, XlsxError> {
    let sheet = workbook.add_worksheet().set_name(name)?;
    put(sheet, 1, HEADER)?;
    for (row, number) in (2..).zip(numbers) {
        put(sheet, row, &good(number))?;
    }
    Ok(sheet)
}

/// Runs a workbook, with or without the name of a sheet.
fn run_book(bytes: &[u8], sheet: Option<&str>) -> Result<Finished, RunError> {
    let options = TapeOptions { sheet: sheet.map(str::to_owned), ..TapeOptions::default() };
    let tapes = [Box::new(MemorySource::new("tape.xlsx", bytes)) as Box<dyn TapeSource>];
    let (folder, rules) = (MemoryFolder::default(), RuleSet::built_in());
    let job = Job {
        tapes: &tapes,
        options: &options,
        rules,
        irr_target: IrrTarget::DEFAULT,
        pdate: jiff::civil::date(2026, 2, 2),
        waivers: None,
        destination: Some(&folder),
        progress: &|_| {},
        tuning: Tuning { threads: 2, block_bytes: 64 * 1024 },
    };
    let outcome = run(&job)?;
    let finished = Finished { outcome, files: folder.files() };
    assert_whole(&finished);
    Ok(finished)
}

#[track_caller]
fn read_book(bytes: &[u8]) -> Finished {
    run_book(bytes, None).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_only_sheet_with_loans_is_the_tape_wherever_it_stands() {
    for place in 0..3 {
        let bytes = workbook(|workbook| {
            for at in 0..3 {
                if at == place {
                    add(workbook, "Loans", &["A", "B"])?;
                } else {
                    put(workbook.add_worksheet().set_name(format!("Sheet{at}"))?, 1, "Portfolio,of,May")?;
                }
            }
            // A sheet with the columns but without a loan is not a tape.
            add(workbook, "Template", &[]).map(|_| ())
        });
        let finished = read_book(&bytes);
        assert_eq!(bought(&finished), ["A", "B"], "{place}");
        assert_eq!(
            (finished.outcome.mappings[0].sheet.as_deref(), notices(&finished)),
            (Some("Loans"), vec!["sheets_left_out 1".to_owned()])
        );
    }
}

#[test]
fn of_several_sheets_with_loans_somebody_must_choose() {
    let bytes = workbook(|workbook| {
        add(workbook, "Fixed", &["A", "B"])?;
        add(workbook, "ARM", &["C"]).map(|_| ())
    });
    let error = run_book(&bytes, None).map(|finished| bought(&finished)).unwrap_err();
    assert_eq!(error.code, RunErrorCode::SeveralSheets);
    for part in ["\"Fixed\"", "\"ARM\"", "--sheet"] {
        assert!(error.message.contains(part), "{error}");
    }
    assert_eq!(bought(&run_book(&bytes, Some("Fixed")).unwrap()), ["A", "B"]);
    assert_eq!(bought(&run_book(&bytes, Some("ARM")).unwrap()), ["C"]);
    let error = run_book(&bytes, Some("HELOC")).map(|finished| bought(&finished)).unwrap_err();
    assert!(error.message.contains("HELOC") && error.message.contains("\"Fixed\""), "{error}");
}

#[test]
fn each_sheet_with_loans_is_a_tape_where_all_are_wanted() {
    let bytes = workbook(|workbook| {
        put(workbook.add_worksheet().set_name("Cover")?, 1, "Portfolio,of,May")?;
        add(workbook, "Fixed", &["A", "B"])?;
        let sheet = workbook.add_worksheet().set_name("ARM")?;
        put(sheet, 1, "Loan Number,UPB,Rate,LTV,DTI,FICO,Property Type,Occupancy,Purpose,Purchase Price,Appraisal Value")?;
        for (row, number) in [(2, "C"), (3, "A"), (4, "D")] {
            put(sheet, row, &format!("{number},250000,0.065,0.8,0.35,720,SFR,Primary,Purchase,312500,312500"))?;
        }
        add(workbook, "Last month", &["OLD"])?.set_hidden(true);
        Ok(())
    });
    let finished = run_book(&bytes, Some("all")).unwrap();
    assert_eq!(bought(&finished), ["A", "B", "C", "D"]);
    assert_eq!(column(&facts(&finished), "source_file")[..2], ["tape.xlsx[Fixed]", "tape.xlsx[Fixed]"]);
    let exceptions = exceptions(&finished);
    let duplicate = exceptions.iter().find(|row| row["exception_type"] == "duplicate_loan").unwrap();
    assert_eq!(told(duplicate, "source_file line"), "tape.xlsx[ARM] | 3");
    assert!(duplicate["message"].contains("already used on line 2 of tape.xlsx[Fixed]"), "{duplicate:?}");
    let mappings: Vec<_> = finished.outcome.mappings.iter().map(|of| (of.source_file.as_str(), of.sheet.as_deref())).collect();
    assert_eq!(mappings, [("tape.xlsx[Fixed]", Some("Fixed")), ("tape.xlsx[ARM]", Some("ARM"))]);
    let unit = |at: usize| finished.outcome.mappings[at].columns[3].unit.unwrap();
    assert_ne!(unit(0), unit(1));
    // The file is one input, and is archived once.
    let inputs: Vec<_> = finished.outcome.inputs.iter().map(|(name, is)| (name.as_str(), is.size)).collect();
    assert_eq!(inputs, [("tape.xlsx", bytes.len() as u64)]);
    assert_eq!(finished.files["archive/tape.xlsx"], bytes);
    assert_eq!(notices(&finished), ["sheets_left_out 1"]);
    let message = &finished.outcome.notices.kept()[0].message;
    assert!(message.contains("\"Cover\", \"Last month\""), "{message}");
    // A file that is not a workbook is one tape.
    let text = format!("{HEADER}\n{}\n", good("A"));
    assert_eq!(column(&facts(&run_book(text.as_bytes(), Some("all")).unwrap()), "source_file"), ["tape.xlsx"]);
}

#[test]
fn a_hidden_sheet_is_read_only_where_no_visible_one_has_loans() {
    let bytes = workbook(|workbook| {
        add(workbook, "Loans", &["A"])?;
        add(workbook, "Last month", &["OLD"])?.set_hidden(true);
        Ok(())
    });
    let finished = read_book(&bytes);
    assert_eq!((bought(&finished), notices(&finished)), (vec!["A".to_owned()], vec!["sheets_left_out 1".to_owned()]));
    for very in [false, true] {
        let bytes = workbook(|workbook| {
            put(workbook.add_worksheet().set_name("Cover")?, 1, "See the loans")?;
            let sheet = add(workbook, "Loans", &["A"])?;
            if very {
                sheet.set_very_hidden(true)
            } else {
                sheet.set_hidden(true)
            };
            Ok(())
        });
        let finished = read_book(&bytes);
        assert_eq!(
            (bought(&finished), notices(&finished)),
            (vec!["A".to_owned()], ["hidden_sheet_read 1", "sheets_left_out 1"].map(str::to_owned).to_vec())
        );
    }
    let bytes = workbook(|workbook| {
        workbook.add_worksheet().set_name("Cover")?;
        add(workbook, "One", &["A"])?.set_hidden(true);
        add(workbook, "Two", &["B"])?.set_hidden(true);
        Ok(())
    });
    assert_eq!(run_book(&bytes, None).map(|finished| bought(&finished)).unwrap_err().code, RunErrorCode::SeveralSheets);
}

#[test]
fn sheets_that_are_no_worksheets_are_passed_over() {
    let bytes = workbook(|workbook| {
        let mut chart = Chart::new(ChartType::Column);
        chart.add_series().set_values("Loans!$B$2:$B$3");
        workbook.add_chartsheet().insert_chart(0, 0, &chart)?;
        add(workbook, "Loans", &["A", "B"]).map(|_| ())
    });
    assert_eq!(bought(&read_book(&bytes)), ["A", "B"]);
}

#[test]
fn hidden_rows_are_read_and_told() {
    let bytes = workbook(|workbook| {
        let sheet = add(workbook, "Loans", &["A", "B", "C"])?;
        sheet.set_row_hidden(2)?;
        sheet.set_row_hidden(3).map(|_| ())
    });
    let finished = read_book(&bytes);
    assert_eq!((bought(&finished).len(), notices(&finished)), (3, vec!["hidden_rows 1".to_owned()]));
    let message = &finished.outcome.notices.kept()[0].message;
    assert!(message.contains("Hidden rows") && message.contains('2'), "{message}");
}

#[test]
fn totals_headers_and_notes_of_a_sheet_are_no_loans() {
    let bytes = workbook(|workbook| {
        let sheet = add(workbook, "Loans", &["A", "B"])?;
        put(sheet, 4, "Total,500000,6.5")?;
        put(sheet, 5, HEADER)?;
        put(sheet, 6, &good("C"))?;
        put(sheet, 7, "Weighted Average,250000,6.5,80")?;
        put(sheet, 9, "Prepared by the desk")
    });
    let finished = read_book(&bytes);
    let expected = [fate("A", "to_purchase", 2), fate("B", "to_purchase", 3), fate("C", "to_purchase", 6)];
    assert_eq!(fates(&finished), expected);
    assert_eq!(notices(&finished), ["header_again 1", "not_a_loan 3"]);
    assert_eq!(finished.outcome.notices.ignored_rows, 4);
}

#[test]
fn loan_numbers_read_as_they_are_shown() {
    for (format, number, shown) in [
        ("0000000000", 1234.0, "0000001234"),
        ("000-0000", 1_234_567.0, "123-4567"),
        ("000-0000", 4_567.0, "000-4567"),
        ("\"L-\"0000", 12.0, "L-0012"),
        ("General", 100_234.0, "100234"),
        ("0", 1_234_567_890.0, "1234567890"),
        ("#,##0", 1234.0, "1234"),
        ("0.00", 1234.0, "1234"),
    ] {
        let bytes = workbook(|workbook| {
            let sheet = add(workbook, "Loans", &["A", "B"])?;
            sheet.write_number_with_format(1, 0, number, &Format::new().set_num_format(format)).map(|_| ())
        });
        assert_eq!(bought(&read_book(&bytes)), [shown, "B"], "{format}");
    }
}

#[test]
fn numbers_of_more_digits_than_a_cell_has_are_nobodys() {
    for number in [1e15 * 123.0, 1.2345e17, 1e20] {
        let bytes = workbook(|workbook| {
            let sheet = add(workbook, "Loans", &["A", "B", "C"])?;
            sheet.write_number(1, 0, number)?;
            sheet.write_number(2, 0, number).map(|_| ())
        });
        let finished = read_book(&bytes);
        assert_eq!(bought(&finished), ["C"], "{number}");
        assert_eq!(column(&exceptions(&finished), "exception_type"), ["invalid_value"; 2], "{number}");
    }
}

#[test]
fn percent_formats_say_percent() {
    for (format, written, value) in [("0.00%", 0.97, "97"), ("0%", 0.8, "80"), ("0.00\"%\"", 97.0, "97"), ("0.0\\%", 80.0, "80")]
    {
        let bytes = workbook(|workbook| {
            let sheet = add(workbook, "Loans", &["A", "B"])?;
            for row in 1..3 {
                sheet.write_number_with_format(row, 3, written, &Format::new().set_num_format(format))?;
            }
            Ok(())
        });
        let finished = read_book(&bytes);
        assert_eq!(column(&finished.rows("purchase_tape.csv"), "ltv_ratio"), [value, value], "{format}");
    }
}

#[test]
fn a_date_where_a_word_belongs_says_that_a_spreadsheet_made_it() {
    let bytes = workbook(|workbook| {
        let sheet = add(workbook, "Loans", &["A", "B"])?;
        let date = Format::new().set_num_format("d-mmm");
        sheet.write_with_format(1, 6, ExcelDateTime::from_ymd(2026, 2, 4)?, &date).map(|_| ())
    });
    let finished = read_book(&bytes);
    assert_eq!(bought(&finished), ["B"]);
    let message = &exceptions(&finished)[0]["message"];
    assert!(message.contains("spreadsheet") && message.contains("date"), "{message}");
}

#[test]
fn formulas_that_were_never_calculated_fail_the_run_with_their_address() {
    // The writer gives every formula a result, so remove one.
    let bytes = workbook(|workbook| {
        let sheet = add(workbook, "Loans", &["A", "B"])?;
        sheet.write_formula(2, 1, rust_xlsxwriter::Formula::new("B2*1").set_result("")).map(|_| ())
    });
    match run_book(&bytes, None) {
        Err(error) => {
            assert_eq!(error.code, RunErrorCode::FormulasNotCalculated);
            assert!(error.message.contains("B3"), "{error}");
        }
        Ok(finished) => assert_eq!(bought(&finished), ["A"], "{:?}", reasons(&finished)),
    }
}

#[test]
fn a_cell_in_the_last_column_brings_no_empty_ones_along() {
    let bytes = workbook(|workbook| {
        let sheet = add(workbook, "Loans", &["A", "B"])?;
        sheet.write_string(1, 16_383, "far away")?;
        sheet.write_string(2, 12, "near")?;
        Ok(())
    });
    let finished = read_book(&bytes);
    assert_eq!(bought(&finished), ["A", "B"]);
    let kept: Vec<String> = facts(&finished).iter().map(|row| row["source_columns"].clone()).collect();
    assert_eq!(kept, [r#"{"column_16384":"far away"}"#, r#"{"column_13":"near"}"#]);
}
