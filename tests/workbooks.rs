//! Workbooks as sellers send them, through the whole engine.

use std::{fs, path::Path};

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Formula, Workbook, Worksheet, XlsxError};
use shared::{
    engine::Tuning,
    error::{RunError, RunErrorCode},
    loan::{ColumnUnit, Field},
    rules::rule_set::RuleSet,
};

use crate::{
    hostile::tape_xlsx,
    support::{
        runs::{Finished, HEADER, run_tapes},
        tape_rows::{
            assert_whole, bought, column, exceptions, facts, fate, fates, good, kept, loan, only_exception, tape, told, unit,
        },
    },
};

type Made = Result<(), XlsxError>;

/// The bytes of a workbook. The same content gives the same bytes.
fn workbook(make: impl FnOnce(&mut Workbook) -> Made) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let created = ExcelDateTime::from_ymd(2026, 1, 31).unwrap();
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&created));
    make(&mut workbook).unwrap();
    workbook.save_to_buffer().unwrap()
}

/// The bytes of a workbook with one sheet.
fn sheet(make: impl FnOnce(&mut Worksheet) -> Made) -> Vec<u8> {
    workbook(|workbook| make(workbook.add_worksheet()))
}

/// Writes a line of a CSV tape into a row, counted from 1: numbers as numbers, everything else as text, and no cell for an empty
/// text.
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

/// The bytes of a workbook whose sheet has these lines from its first row on.
fn lines(lines: &[impl AsRef<str>]) -> Vec<u8> {
    sheet(|sheet| (1..).zip(lines).try_for_each(|(row, line)| put(sheet, row, line.as_ref())))
}

fn run_named(name: &str, bytes: &[u8]) -> Result<Finished, RunError> {
    run_tapes(&[(name, bytes)], RuleSet::built_in(), Tuning { threads: 2, block_bytes: 64 * 1024 })
}

#[track_caller]
fn run(bytes: &[u8]) -> Finished {
    let finished = run_named("tape.xlsx", bytes).unwrap_or_else(|error| panic!("{error}"));
    assert_whole(&finished);
    finished
}

#[track_caller]
fn refused(bytes: &[u8]) -> RunError {
    run_named("tape.xlsx", bytes).map(|finished| fates(&finished)).unwrap_err()
}

/// A run of a loan with these cells behind it, in kept columns that are called A, B, ….
fn run_kept(cells: impl FnOnce(&mut Worksheet) -> Made) -> Finished {
    run(&sheet(|sheet| {
        put(sheet, 1, &format!("{HEADER},A,B,C,D,E,F"))?;
        put(sheet, 2, &good("L1"))?;
        cells(sheet)
    }))
}

/// The kept cells of the first loan, in the order of their names.
fn kept_cells(finished: &Finished) -> Vec<String> {
    kept(&facts(finished)[0]).into_values().collect()
}

#[test]
fn the_header_is_found_below_title_rows() {
    for header in [1, 2, 5, 20] {
        let finished = run(&sheet(|sheet| {
            if header > 1 {
                put(sheet, 1, "Portfolio of May,,as of,46000")?;
            }
            put(sheet, header, HEADER)?;
            put(sheet, header + 1, &good("L1"))
        }));
        assert_eq!(finished.outcome.mappings[0].header_line, u64::from(header));
        assert_eq!(fates(&finished), [fate("L1", "to_purchase", header + 1)]);
    }
}

#[test]
fn the_header_is_not_looked_for_below_row_20() {
    let bytes = sheet(|sheet| {
        put(sheet, 1, "Portfolio of May")?;
        put(sheet, 21, HEADER)?;
        put(sheet, 22, &good("L1"))
    });
    let error = refused(&bytes);
    assert_eq!((error.code, error.source_file.as_deref()), (RunErrorCode::NoHeader, Some("tape.xlsx")));
    assert!(error.message.contains("first 20 rows"), "{error}");
}

#[test]
fn the_first_sheet_that_has_the_required_headers_is_the_tape() {
    let bytes = workbook(|workbook| {
        put(workbook.add_worksheet().set_name("Cover")?, 1, "Loan ID,see,next,sheets")?;
        workbook.add_worksheet().set_name("Empty")?;
        put(workbook.add_worksheet().set_name("Totals")?, 1, "Loan #,UPB,Rate,LTV,FICO")?;
        let columns = "Loan #,UPB,Rate,LTV,DTI,FICO,Prop Type,Occ,Purpose,Sales Price,Appraised Value";
        let sheet = workbook.add_worksheet().set_name("Loans & more")?;
        put(sheet, 2, columns)?;
        put(sheet, 3, &good("L1"))?;
        put(workbook.add_worksheet().set_name("No loans")?, 2, columns)
    });
    let finished = run(&bytes);
    assert_eq!(fates(&finished), [fate("L1", "to_purchase", 3)]);
    let mapping = serde_json::to_value(&finished.outcome.mappings[0]).unwrap();
    assert_eq!(
        (&mapping["format"], &mapping["sheet"], &mapping["header_line"]),
        (&"xlsx".into(), &"Loans & more".into(), &2.into())
    );
    assert_eq!((mapping.get("delimiter"), mapping.get("encoding")), (None, None));
    let amount = r#"{"position":2,"header":"UPB","field":"loan_amount","name":"loan_amount","rank":1,"origin":"alias"}"#;
    assert_eq!(mapping["columns"][1].to_string(), amount);
}

#[test]
fn two_columns_for_one_meaning_fail_the_run() {
    let error = refused(&lines(&["Title".to_owned(), format!("{HEADER},Balance"), good("L1") + ",1"]));
    assert_eq!((error.code, error.line), (RunErrorCode::DuplicateColumns, Some(2)));
    assert!(error.message.contains("\"loan_amount\" and \"Balance\""), "{error}");
}

#[test]
fn an_absent_required_column_is_named_with_its_row() {
    let error = refused(&lines(&["Title", "Loan #,UPB,Rate,LTV,FICO", "L1,250000,6.5,80,720"]));
    assert_eq!((error.code, error.line), (RunErrorCode::MissingColumns, Some(2)));
    assert!(error.message.contains("column property_type is missing"), "{error}");
}

#[test]
fn text_and_number_cells_read_alike() {
    let texts = ["007", " $250,000.00 ", "6.5%", "80", "35.0", "720", "SF", "P", "P", "312,500", "3.125E+05"];
    let finished = run(&sheet(|sheet| {
        put(sheet, 1, HEADER)?;
        put(sheet, 2, &good("L1"))?;
        for (at, text) in (0..).zip(texts) {
            sheet.write_string(2, at, text)?;
        }
        put(sheet, 4, &good("7"))?;
        put(sheet, 5, &good("100000000000000"))
    }));
    let rows = finished.rows("purchase_tape.csv");
    assert_eq!(column(&rows, "seller_loan_number"), ["L1", "007", "7", "100000000000000"]);
    assert_eq!(column(&rows, "loan_amount"), ["250000"; 4]);
    assert_eq!(column(&rows, "final_price"), ["96.1250"; 4]);
}

#[test]
fn bounds_are_exact_for_numbers_of_a_sheet() {
    let finished = run(&lines(&[
        HEADER.to_owned(),
        loan("1", &[("ltv_ratio", "97"), ("loan_amount", "50000"), ("dti_ratio", "50"), ("credit_score", "620")]),
        loan("2", &[("ltv_ratio", "97.01"), ("loan_amount", "49999.99"), ("dti_ratio", "50.01"), ("credit_score", "619")]),
    ]));
    assert_eq!(bought(&finished), ["1"]);
    assert_eq!(column(&exceptions(&finished), "actual"), ["49999.99", "97.01", "50.01", "619"]);
}

#[test]
fn a_number_format_changes_no_number() {
    for format in [
        "$#,##0.00",
        "_($* #,##0.00_);_($* (#,##0.00);_($* \"-\"??_);_(@_)",
        "#,##0.00;[Red]-#,##0.00",
        "[$USD] #,##0.00",
        "[$$-409]#,##0.00_);[Red]([$$-409]#,##0.00)",
        "#,##0.00\\ \"USD (dollars)\"",
        "0.00E+00",
        "# ?/?",
        "[>=1000]#,##0;0.00",
        "@",
    ] {
        let finished = run(&sheet(|sheet| {
            put(sheet, 1, HEADER)?;
            put(sheet, 2, &good("L1"))?;
            sheet.write_number_with_format(1, 1, 250_000.5, &Format::new().set_num_format(format))?;
            Ok(())
        }));
        assert_eq!(column(&finished.rows("purchase_tape.csv"), "loan_amount"), ["250000.5"], "{format}");
    }
}

#[test]
fn percent_formatted_cells_are_percentages() {
    let finished = run(&sheet(|sheet| {
        let percent = Format::new().set_num_format("0.00%");
        put(sheet, 1, HEADER)?;
        for (row, [rate, ltv, dti]) in [(1, [0.065, 0.97, 0.07]), (2, [0.0675, 0.9701, 0.0])] {
            put(sheet, row + 1, &good(&format!("L{row}")))?;
            for (at, number) in (2..).zip([rate, ltv, dti]) {
                sheet.write_number_with_format(row, at, number, &percent)?;
            }
        }
        Ok(())
    }));
    for field in [Field::NoteRate, Field::LtvRatio, Field::DtiRatio] {
        assert_eq!(unit(&finished, field), Some(ColumnUnit::Percent));
    }
    assert_eq!(told(&finished.rows("purchase_tape.csv")[0], "note_rate ltv_ratio dti_ratio"), "6.5 | 97 | 7");
    assert_eq!(told(&only_exception(&finished), "exception_type actual excess"), "ltv_ratio | 97.01 | 0.01");
}

#[test]
fn a_unit_is_decided_by_the_first_thousand_values() {
    for (fractions, expected) in [(501, ColumnUnit::Fraction), (499, ColumnUnit::Percent)] {
        let rows = (0..fractions).map(|at| loan(&format!("L{at}"), &[("dti_ratio", "0.35")]));
        let percents = (0..600).map(|at| good(&format!("X{at}")));
        let rows: Vec<String> = [HEADER.to_owned()].into_iter().chain(rows).chain(percents).collect();
        let finished = run(&lines(&rows));
        assert_eq!(unit(&finished, Field::DtiRatio), Some(expected));
        let contradicting = if expected == ColumnUnit::Fraction { 600 } else { 499 };
        assert_eq!(column(&exceptions(&finished), "exception_type"), vec!["invalid_value"; contradicting]);
    }
}

#[test]
fn kept_cells_are_text_of_what_the_sheet_shows() {
    let finished = run_kept(|sheet| {
        let date = Format::new().set_num_format("mm/dd/yyyy");
        sheet.write_with_format(1, 11, ExcelDateTime::from_ymd(2026, 1, 31)?, &date)?;
        sheet.write_boolean(1, 12, true)?;
        sheet.write_formula(1, 13, Formula::new("B2*2").set_result("500000"))?;
        sheet.write_formula(1, 14, Formula::new("1/0").set_result("#DIV/0!"))?;
        sheet.write_number(1, 15, 0.1)?;
        sheet.write_string(1, 16, " 007 ")?;
        Ok(())
    });
    assert_eq!(kept_cells(&finished), ["2026-01-31", "TRUE", "500000", "#DIV/0!", "0.1", " 007 "]);
}

#[test]
fn cells_hold_commas_quotes_and_line_breaks() {
    let texts = ["a,b", "say \"hi\"", "two\nlines\r\n", "\"", "Größe 🏠", ",,,"];
    let finished = run_kept(|sheet| {
        (11..).zip(texts).try_for_each(|(at, text)| sheet.write_string(1, at, text).map(|_| ()))?;
        sheet.write_string(1, 0, "L,\"1\"\n2").map(|_| ())
    });
    assert_eq!(fates(&finished), [fate("L,\"1\"\n2", "to_purchase", 2)]);
    assert_eq!(bought(&finished), ["L,\"1\"\n2"]);
    assert_eq!(kept_cells(&finished)[..2], texts[..2]);
    assert_eq!(kept_cells(&finished)[3..], texts[3..]);
}

#[test]
fn cells_that_a_spreadsheet_would_run_are_written_so_that_it_does_not() {
    for (number, written) in [("=1+1", "'=1+1"), ("-x", "'-x"), ("@a", "'@a"), ("-5", "-5")] {
        let bytes = sheet(|sheet| {
            put(sheet, 1, HEADER)?;
            put(sheet, 2, &good("L1"))?;
            sheet.write_string(1, 0, number).map(|_| ())
        });
        assert_eq!(bought(&run(&bytes)), [written]);
    }
}

#[test]
fn gaps_are_missing_cells_and_blank_rows() {
    let finished = run(&sheet(|sheet| {
        put(sheet, 3, &format!(",{HEADER}"))?;
        put(sheet, 5, &format!(",{}", good("L1")))?;
        put(sheet, 6, ",,  ,,")?;
        put(sheet, 7, &format!(",{}", loan("L2", &[("purchase_price", ""), ("appraisal_value", "")])))?;
        put(sheet, 9, &format!(",{}", loan("", &[("loan_amount", ""), ("credit_score", "")])))?;
        put(sheet, 2_000, &format!(",{}", good("L3")))
    }));
    let expected = [("L1", "to_purchase", 5), ("L2", "to_purchase", 7), ("UNKNOWN", "rejected", 9), ("L3", "to_purchase", 2_000)];
    assert_eq!(fates(&finished), expected.map(|(number, disposition, line)| fate(number, disposition, line)));
    let found = exceptions(&finished);
    assert_eq!(column(&found, "exception_type"), ["missing_purchase_price", "missing_appraisal", "missing_field"]);
    assert_eq!(found[2]["message"], "Required fields are missing or zero: seller_loan_number, loan_amount, credit_score");
}

#[test]
fn cells_beside_the_table_are_kept() {
    for header in ["Notes", "column_13", "column_14", ""] {
        let finished = run(&lines(&[format!("{HEADER},{header}"), good("L1") + ",a,b,c"]));
        assert_eq!(bought(&finished), ["L1"]);
        let mut texts = kept_cells(&finished);
        texts.sort();
        assert_eq!(texts, ["a", "b", "c"], "{header:?}");
    }
}

#[test]
fn missing_words_sentinels_and_errors_of_a_sheet() {
    let finished = run(&lines(&[
        HEADER.to_owned(),
        good("L1"),
        loan("L2", &[("credit_score", "9999"), ("ltv_ratio", "999")]),
        loan("L3", &[("dti_ratio", "N/A")]),
        loan("L4", &[("loan_amount", "#N/A"), ("property_type", "MH")]),
    ]));
    let found: Vec<_> = exceptions(&finished).iter().map(|row| told(row, "seller_loan_number exception_type field")).collect();
    let expected =
        ["L2 | missing_field | ltv_ratio,credit_score", "L3 | dti_ratio | dti_ratio", "L4 | missing_field | loan_amount"];
    assert_eq!(found, expected);
    assert_eq!(finished.rows("rejection_report.csv")[2]["loan_amount"], "");
}

#[test]
fn a_workbook_and_a_csv_tape_form_one_run() {
    let (book, csv) = (lines(&[HEADER.to_owned(), good("7"), good("8")]), tape(&[good("8"), good("07"), good("7")]));
    let tapes = [("a/tape.xlsx", book.as_slice()), ("b/tape.csv", csv.as_bytes())];
    let finished = run_tapes(&tapes, RuleSet::built_in(), Tuning { threads: 2, block_bytes: 100 }).unwrap();
    assert_whole(&finished);
    assert_eq!(bought(&finished), ["7", "8", "07"]);
    let messages = column(&exceptions(&finished), "message");
    assert!(messages[0].contains("line 3 of a/tape.xlsx") && messages[1].contains("line 2 of a/tape.xlsx"), "{messages:?}");
    assert!(tapes.iter().all(|(name, bytes)| finished.files[&format!("archive/{name}")] == *bytes));
}

#[test]
fn many_rows_are_in_order_whatever_the_blocks_and_threads() {
    let row = |at: u32| loan(&format!("L{at}"), &[("credit_score", if at.is_multiple_of(3) { "600" } else { "720" })]);
    let rows: Vec<String> = [HEADER.to_owned()].into_iter().chain((0..2_000).map(row)).collect();
    let bytes = lines(&rows);
    let run =
        |threads, block_bytes| run_tapes(&[("tape.xlsx", &bytes)], RuleSet::built_in(), Tuning { threads, block_bytes }).unwrap();
    let one = run(1, 1 << 20);
    assert!(column(&facts(&one), "line").into_iter().eq((2..2_002).map(|line: u32| line.to_string())));
    assert!(one.files == run(4, 500).files);
}

#[test]
fn a_workbook_without_loans_is_no_tape() {
    let error = refused(&lines(&["Title", HEADER, "", "  "]));
    assert_eq!((error.code, error.line), (RunErrorCode::NoDataRows, Some(2)));
    assert!(error.message.contains("row per loan"), "{error}");
    let error = refused(&sheet(|_| Ok(())));
    assert!(matches!(error.code, RunErrorCode::EmptyTape | RunErrorCode::NoHeader), "{error}");
    assert!(error.message.contains("header row"), "{error}");
}

/// An OLE file with an entry of this name.
fn ole(name: &str) -> Vec<u8> {
    let mut bytes = vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    bytes.resize(1_024, 0);
    bytes.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
    bytes.resize(8_192, 0);
    bytes
}

/// Offsets of the entries of a ZIP directory.
fn entries(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"PK\x01\x02")).collect()
}

fn small() -> Vec<u8> {
    lines(&[HEADER.to_owned(), good("L1"), good("L2")])
}

#[test]
fn a_password_is_to_be_removed() {
    let mut locked = small();
    for at in entries(&locked) {
        locked[at + 8] |= 1;
    }
    for bytes in [ole("EncryptedPackage"), locked] {
        let error = refused(&bytes);
        assert_eq!((error.code, error.source_file.as_deref()), (RunErrorCode::PasswordProtected, Some("tape.xlsx")));
        assert!(error.message.contains("remove the password"), "{error}");
    }
}

#[test]
fn a_damaged_old_workbook_is_to_be_saved_anew() {
    let error = refused(&ole("Workbook"));
    assert_eq!(error.code, RunErrorCode::CorruptWorkbook);
    assert!(error.message.contains("cut short") && error.message.contains("save it as an Excel Workbook (.xlsx)"), "{error}");
}

#[test]
fn a_corrupt_workbook_is_to_be_saved_anew() {
    let whole = small();
    let damaged_start = [&[0; 8], &whole[8..]].concat();
    for bytes in [&whole[..whole.len() / 2], &whole[..whole.len() - 1], b"PK\x03\x04", b"PK\x05\x06", &damaged_start, b"\0\0\0\0"]
    {
        let error = refused(bytes);
        assert_eq!((error.code, error.line), (RunErrorCode::CorruptWorkbook, None), "{error}");
        assert!(error.message.contains("open it in Excel") && error.message.contains("send it again"), "{error}");
    }
}

#[test]
fn a_decompression_bomb_is_refused() {
    let mut bytes = small();
    let strings = entries(&bytes).into_iter().find(|at| bytes[at + 46..].starts_with(b"xl/sharedStrings.xml")).unwrap();
    bytes[strings + 24..strings + 28].copy_from_slice(&(300_u32 << 20).to_le_bytes());
    let error = refused(&bytes);
    assert_eq!(error.code, RunErrorCode::DecompressionBomb);
    assert!(error.message.contains("more than a loan tape needs") && error.message.contains("new workbook"), "{error}");
}

#[test]
fn a_part_that_is_not_what_its_checksum_says_is_refused() {
    for part in ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml"] {
        let mut bytes = small();
        let entry = entries(&bytes).into_iter().find(|at| bytes[at + 46..].starts_with(part.as_bytes())).unwrap();
        bytes[entry + 16] ^= 1;
        let Err(error) = run_named("tape.xlsx", &bytes) else { panic!("{part} is believed") };
        assert_eq!(error.code, RunErrorCode::CorruptWorkbook, "{part}: {error}");
    }
}

#[test]
fn a_damaged_workbook_gives_the_same_loans_or_is_refused() {
    let whole = small();
    let report = |finished: &Finished| ["purchase_tape.csv", "rejection_report.csv"].map(|file| finished.files[file].clone());
    let expected = report(&run(&whole));
    for at in (0..whole.len()).step_by(9) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        match run_named("tape.xlsx", &bytes) {
            Ok(finished) => assert!(report(&finished) == expected, "byte {at} changes loans: {:?}", fates(&finished)),
            Err(error) => assert_ne!(error.code, RunErrorCode::Internal, "byte {at}: {error}"),
        }
    }
}

/// The workbook that the fuzzer makes from a seed of its corpus.
fn seeded(seed: &str) -> Vec<u8> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/tape_xlsx");
    tape_xlsx::workbook(&fs::read(corpus.join(seed)).unwrap())
}

#[test]
fn formulas_of_other_formats_that_were_never_calculated_fail_the_run() {
    let error = run_named("tape.bin", &seeded("seed-ods-repeats")).map(|finished| fates(&finished)).unwrap_err();
    assert_eq!((error.code, error.line), (RunErrorCode::FormulasNotCalculated, Some(4)));
    assert!(error.message.contains("B4"), "{error}");
}

#[test]
fn other_formats_read_like_xlsx() {
    for (seed, loans) in [("seed-ods", 2), ("seed-xlsb", 2), ("seed-xlsb-cells", 3), ("seed-xls", 2), ("seed-xls-cells", 3)] {
        let finished = run_named("tape.bin", &seeded(seed)).unwrap_or_else(|error| panic!("{seed}: {error}"));
        assert_whole(&finished);
        assert_eq!(finished.outcome.summary.total_loans(), loans, "{seed}");
        assert_eq!(
            told(&facts(&finished)[1], "seller_loan_number loan_amount note_rate ltv_ratio"),
            "L2 | 310000.50 | 6.750000 | 97.000000",
            "{seed}"
        );
    }
}
