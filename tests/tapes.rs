//! Tapes as sellers send them, good, odd and hostile, through the whole engine: what is decided, and what is said about it.

use std::collections::BTreeMap;

use bytes::Bytes;
use parquet::{
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
    record::Field as Value,
};
use shared::{
    decimal::Decimal,
    engine::Tuning,
    error::{Phase, RunError, RunErrorCode},
    loan::Field,
    phases::disposition::Disposition,
    rules::rule_set::RuleSet,
    tape::{notices::Notice, text::Encoding, units::ColumnUnit},
};

use crate::runs::{Finished, GOOD_CELLS, HEADER, run_tape, run_tapes};

/// The columns without which a tape cannot be used.
const REQUIRED: [&str; 6] = ["seller_loan_number", "loan_amount", "note_rate", "ltv_ratio", "credit_score", "property_type"];
const TUNING: Tuning = Tuning { threads: 2, block_bytes: 64 * 1024 };

/// A row of a tape with the canonical columns: a loan that is bought, all but these cells.
pub fn loan(number: &str, cells: &[(&str, &str)]) -> String {
    let mut row: Vec<&str> = [number].into_iter().chain(GOOD_CELLS.split(',')).collect();
    for (column, text) in cells {
        row[HEADER.split(',').position(|name| name == *column).unwrap()] = text;
    }
    let quoted = |cell: &&str| {
        if cell.contains([',', '\n']) && !cell.starts_with('"') { format!("\"{cell}\"") } else { (*cell).to_owned() }
    };
    row.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// A row of a loan that is bought.
pub fn good(number: &str) -> String {
    loan(number, &[])
}

/// A tape with the canonical columns and these lines below its header.
pub fn tape(lines: &[impl AsRef<str>]) -> String {
    lines.iter().fold(HEADER.to_owned(), |tape, line| tape + "\n" + line.as_ref())
}

fn run_lines(lines: &[impl AsRef<str>]) -> Finished {
    run_tape(tape(lines)).unwrap()
}

/// A run of one loan with this cell, beside good ones that fix the units of its columns.
fn run_cell(column: &str, text: &str) -> Finished {
    run_lines(&[loan("X", &[(column, text)]), good("GOOD"), good("TOO")])
}

fn run_with_rules(lines: &[String], rules: &str) -> Finished {
    run_tapes(&[("tape.csv", tape(lines).as_bytes())], &RuleSet::from_toml(rules).unwrap(), TUNING).unwrap()
}

#[track_caller]
fn refused(bytes: impl AsRef<[u8]>) -> RunError {
    run_tape(bytes).map(|finished| finished.outcome.summary.total_loans()).unwrap_err()
}

/// Rows with their cells by column.
pub type Rows = Vec<BTreeMap<String, String>>;

/// The rows of a stored file: cells as text, none for what is missing.
pub fn stored(finished: &Finished, file_name: &str) -> Rows {
    let file = SerializedFileReader::new(Bytes::from(finished.files[file_name].clone())).unwrap();
    let text = |value: &Value| match value {
        Value::Str(text) => text.clone(),
        other => other.to_string(),
    };
    let cells = |row: parquet::record::Row| {
        let present = row.get_column_iter().filter(|(_, value)| !matches!(value, Value::Null));
        present.map(|(name, value)| (name.clone(), text(value))).collect()
    };
    file.get_row_iter(None).unwrap().map(|row| cells(row.unwrap())).collect()
}

/// The loans of a run as they are stored.
pub fn facts(finished: &Finished) -> Rows {
    stored(finished, "facts.parquet")
}

/// The exceptions of a run as they are stored, each with its excess as the API shows it: without zeros at the end, and exactly
/// where its column only has it rounded.
pub fn exceptions(finished: &Finished) -> Rows {
    let mut rows = stored(finished, "exceptions.parquet");
    for row in &mut rows {
        let exact = row.remove("exact_excess").or_else(|| Some(row.get("excess")?.parse::<Decimal>().unwrap().to_string()));
        row.extend(exact.map(|excess| ("excess".to_owned(), excess)));
    }
    rows
}

/// The cells of a column; an empty text where there is none.
pub fn column(rows: &Rows, name: &str) -> Vec<String> {
    rows.iter().map(|row| row.get(name).cloned().unwrap_or_default()).collect()
}

/// The numbers of the loans that are bought.
pub fn bought(finished: &Finished) -> Vec<String> {
    column(&finished.rows("purchase_tape.csv"), "seller_loan_number")
}

/// Number, disposition and line of each loan.
pub fn fates(finished: &Finished) -> Vec<(String, String, String)> {
    let fate = |row: &BTreeMap<String, String>| ["seller_loan_number", "disposition", "line"].map(|name| row[name].clone());
    facts(finished).iter().map(|row| fate(row).into()).collect()
}

/// The columns of a loan that are only kept.
pub fn kept(fact: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    serde_json::from_str(&fact["source_columns"]).unwrap()
}

/// These cells of a row, as one text.
pub fn told(row: &BTreeMap<String, String>, names: &str) -> String {
    names.split(' ').map(|name| row.get(name).map_or("", String::as_str)).collect::<Vec<_>>().join(" | ")
}

/// The notices of a run: code and line of each.
pub fn noticed(finished: &Finished) -> Vec<String> {
    let notice = |notice: &Notice| {
        let code = serde_json::to_value(notice.code).unwrap();
        let line = notice.line.map_or_else(String::new, |line| format!(" {line}"));
        code.as_str().unwrap().to_owned() + &line
    };
    finished.outcome.notices.kept().iter().map(notice).collect()
}

/// What the exceptions of a run are, in order.
fn found(finished: &Finished) -> Vec<String> {
    column(&exceptions(finished), "exception_type")
}

/// The only exception of a run.
#[track_caller]
pub fn only_exception(finished: &Finished) -> BTreeMap<String, String> {
    let mut all = exceptions(finished);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// One of [`fates`].
pub fn fate(number: &str, disposition: &str, line: u32) -> (String, String, String) {
    (number.to_owned(), disposition.to_owned(), line.to_string())
}

/// The unit that was found for a column of the first tape.
pub fn unit(finished: &Finished, field: Field) -> Option<ColumnUnit> {
    let columns = &finished.outcome.mappings[0].columns;
    columns.iter().find(|column| column.field == Some(field)).and_then(|column| column.unit)
}

fn total_balance(finished: &Finished) -> String {
    serde_json::to_string(&finished.outcome.summary.total_balance()).unwrap()
}

/// Nothing is lost, and every rejection says why.
#[track_caller]
pub fn assert_whole(finished: &Finished) {
    let (facts, exceptions) = (facts(finished), exceptions(finished));
    let summary = &finished.outcome.summary;
    let counts = Disposition::ALL.map(|disposition| summary.count(disposition));
    assert_eq!(facts.len() as u64, summary.total_loans());
    assert_eq!(counts.iter().sum::<u64>(), summary.total_loans());
    assert_eq!(exceptions.len() as u64, summary.exceptions_count());
    let place = |row: &BTreeMap<String, String>| (row["source_file"].clone(), row["line"].parse::<u64>().unwrap());
    let mut reasons: BTreeMap<_, Rows> = BTreeMap::new();
    for exception in exceptions {
        reasons.entry(place(&exception)).or_default().push(exception);
    }
    let (mut reported, mut last) = (0, None);
    for fact in &facts {
        let at = place(fact);
        assert!(last.as_ref().is_none_or(|(file, line)| *file != at.0 || *line < at.1), "{at:?} after {last:?}");
        let reasons = reasons.remove(&at).unwrap_or_default();
        let hard = reasons.iter().any(|exception| exception["severity"] == "hard");
        assert_eq!(hard, fact["disposition"] == "rejected", "{fact:?}");
        reported += if hard { reasons.len() } else { 0 };
        for reason in reasons {
            assert!(
                ["message", "rejection_criteria", "actual", "limit"].iter().all(|name| !reason[*name].is_empty()),
                "{reason:?}"
            );
        }
        last = Some(at);
    }
    assert!(reasons.is_empty(), "{reasons:?}");
    assert_eq!(finished.rows("rejection_report.csv").len(), reported);
}

mod text {
    use super::*;

    #[test]
    fn every_delimiter_is_detected_and_may_stand_in_quotes() {
        for delimiter in [',', ';', '\t', '|'] {
            let cells = |line: &str| line.replace(',', &delimiter.to_string());
            let text = format!("{}{delimiter}Notes\n{}{delimiter}\"a{delimiter}b\"\n", cells(HEADER), cells(&good("L1")));
            let finished = run_tape(text).unwrap();
            assert_eq!(finished.outcome.mappings[0].delimiter, Some(delimiter));
            assert_eq!(bought(&finished), ["L1"], "{delimiter:?}");
            assert_eq!(kept(&facts(&finished)[0])["Notes"], format!("a{delimiter}b"));
        }
    }

    #[test]
    fn delimiters_of_other_tapes_are_letters() {
        let text = format!("{};Notes\n{};a,b|c\n", HEADER.replace(',', ";"), loan("L1", &[]).replace(',', ";"))
            .replace("250000", "$250,000.00");
        let finished = run_tape(text).unwrap();
        assert_eq!(finished.rows("purchase_tape.csv")[0]["loan_amount"], "250000");
        assert_eq!(kept(&facts(&finished)[0])["Notes"], "a,b|c");
    }

    #[test]
    fn quoted_fields_hold_delimiters_quotes_and_line_breaks() {
        let text = format!("{HEADER},Notes\n{},\"a \"\"b\"\",\r\nc\nd\"\n\"L2\",{GOOD_CELLS},e\"f\n", good("\"L,1\""));
        let finished = run_tape(text).unwrap();
        assert_eq!(fates(&finished), [fate("L,1", "to_purchase", 2), fate("L2", "to_purchase", 5)]);
        assert_eq!(kept(&facts(&finished)[0])["Notes"], "a \"b\",\r\nc\nd");
        assert_eq!(kept(&facts(&finished)[1])["Notes"], "e\"f");
        assert!(std::str::from_utf8(&finished.files["purchase_tape.csv"]).unwrap().contains("\n\"L,1\",250000,"));
    }

    #[test]
    fn line_ends_of_all_kinds_give_the_same_results_also_mixed() {
        let lines = [HEADER.to_owned(), good("L1"), loan("L2", &[("ltv_ratio", "98")]), "too,few".to_owned(), good("L3")];
        let results = |text: String| {
            let mut files = run_tape(text).unwrap().files;
            files.remove("archive/tape.csv");
            files
        };
        let lf = results(lines.join("\n"));
        assert!(lf == results(lines.join("\r\n")) && lf == results(lines.join("\r\n") + "\r\n"));
        assert!(lf == results(lines.join("\r")) && lf == results(lines.join("\r\r\n") + "\r\r\n"));
        let [header, a, b, c, d] = lines;
        assert!(lf == results(format!("{header}\n{a}\r\n{b}\n{c}\r\n{d}\n")));
        assert!(lf == results(format!("{header}\r{a}\r\r\n{b}\r\n{c}\r{d}\r")));
    }

    /// The text in each encoding that is read, with its name.
    fn encoded(text: &str) -> Vec<(Encoding, Vec<u8>)> {
        let units: Vec<u16> = format!("\u{feff}{text}").encode_utf16().collect();
        let windows = |c: char| if c == '€' { 0x80 } else { u8::try_from(u32::from(c)).unwrap() };
        vec![
            (Encoding::Utf8, text.as_bytes().to_vec()),
            (Encoding::Utf8, format!("\u{feff}{text}").into_bytes()),
            (Encoding::Utf16Le, units.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
            (Encoding::Utf16Be, units.iter().flat_map(|unit| unit.to_be_bytes()).collect()),
            // Without the mark.
            (Encoding::Utf16Le, units[1..].iter().flat_map(|unit| unit.to_le_bytes()).collect()),
            (Encoding::Utf16Be, units[1..].iter().flat_map(|unit| unit.to_be_bytes()).collect()),
            (Encoding::Windows1252, text.chars().map(windows).collect()),
        ]
    }

    #[test]
    fn every_encoding_gives_the_same_loans() {
        let text = format!("{HEADER},Straße\r\n{},5 €\r\n{},\"é,ü\"\r\n", good("Zürich-1"), good("Ñ"));
        for (encoding, bytes) in encoded(&text) {
            for block_bytes in [1, 2, 3, 5, 64 * 1024] {
                let tuning = Tuning { threads: 1, block_bytes };
                let finished = run_tapes(&[("t.csv", &bytes)], &RuleSet::built_in(), tuning).unwrap();
                assert_eq!(finished.outcome.mappings[0].encoding, Some(encoding));
                assert_eq!(bought(&finished), ["Zürich-1", "Ñ"], "{encoding:?}");
                assert_eq!(finished.outcome.mappings[0].columns[11].name, "Straße");
                let notes: Vec<_> = facts(&finished).iter().map(|fact| kept(fact)["Straße"].clone()).collect();
                assert_eq!(notes, ["5 €", "é,ü"]);
                assert_eq!(finished.files["archive/t.csv"], bytes);
            }
        }
    }

    /// A tape of so many ASCII loans, with these bytes as the numbers of a loan before and one after them.
    fn with_late_bytes(first: &[u8], loans: u32, last: &[u8]) -> Vec<u8> {
        let rows: String = (0..loans).map(|at| format!("L{at},{GOOD_CELLS}\n")).collect();
        let cells = format!(",{GOOD_CELLS}\n");
        let (header, cells) = (format!("{HEADER}\n"), cells.as_bytes());
        [header.as_bytes(), first, cells, rows.as_bytes(), last, cells].concat()
    }

    #[test]
    fn the_first_byte_beyond_ascii_decides_however_far_into_the_tape() {
        let finished = run_tape(with_late_bytes(b"A", 40_000, b"caf\xe9")).unwrap();
        assert!(finished.files["archive/tape.csv"].len() > 2 << 20);
        assert_eq!(bought(&finished).last().unwrap(), "café");
        assert_eq!(finished.outcome.mappings[0].encoding, Some(Encoding::Windows1252));
        let finished = run_tape(with_late_bytes(b"A", 40_000, "café".as_bytes())).unwrap();
        assert_eq!(bought(&finished).last().unwrap(), "café");
        assert_eq!(finished.outcome.mappings[0].encoding, Some(Encoding::Utf8));
    }

    #[test]
    fn one_byte_that_is_not_utf8_makes_the_whole_tape_windows_1252() {
        let finished = run_tape(with_late_bytes("é".as_bytes(), 30_000, b"\xe9")).unwrap();
        let numbers = bought(&finished);
        assert_eq!((numbers[0].as_str(), numbers.last().unwrap().as_str()), ("Ã©", "é"));
    }

    #[test]
    fn a_mark_that_lies_is_undecodable() {
        let marked = [b"\xef\xbb\xbf", tape(&[good("caf")]).as_bytes(), b"\xe9"].concat();
        let late = [b"\xef\xbb\xbf".to_vec(), with_late_bytes(b"A", 30_000, b"\xff")].concat();
        let odd = [b"\xff\xfe".to_vec(), tape(&[good("L1")]).encode_utf16().flat_map(u16::to_le_bytes).collect(), vec![0x41]];
        let lone_surrogate = [b"\xfe\xff".to_vec(), tape(&[good("L1")]).encode_utf16().flat_map(u16::to_be_bytes).collect()];
        for (bytes, encoding) in [
            (marked, "UTF-8"),
            (late, "UTF-8"),
            (odd.concat(), "UTF-16"),
            ([lone_surrogate.concat(), vec![0xd8, 0x00, 0x00, 0x41]].concat(), "UTF-16"),
        ] {
            let error = refused(bytes);
            assert_eq!((error.phase, error.code), (Phase::Ingest, RunErrorCode::Undecodable));
            assert_eq!(error.source_file.as_deref(), Some("tape.csv"));
            assert!(error.message.contains(encoding) && error.message.contains("Save it again as CSV in UTF-8"), "{error}");
        }
    }

    #[test]
    fn leading_zeros_case_and_spaces_of_loan_numbers_stay() {
        let numbers = ["007", "7", "aB-7", "AB-7", "B 7", "B  7", "1E5", "+1"];
        assert_eq!(bought(&run_lines(&numbers.map(good))), numbers);
    }
}

mod header {
    use super::*;

    /// A tape with these lines above its header.
    fn below(titles: &str) -> String {
        format!("{titles}{}\n", tape(&[good("L1"), good("L2")]))
    }

    #[test]
    fn title_rows_above_the_header_are_skipped() {
        for (titles, line) in [
            ("Portfolio of May\n", 2),
            ("sep=,\r\n", 2),
            ("\n  \n,,,,\n", 4),
            ("Loan tape,,,,,,,,,,\nSeller: \"A, B & Co\",\nas of,2026-05-31\n\n", 5),
            ("\"Two\nlines, quoted\",x\n", 3),
            ("Loan ID,UPB,Rate are the columns\n", 2),
            ("stray \"quotes\" in a title\n\"so\" \"many\"\n", 3),
        ] {
            let finished = run_tape(below(titles)).unwrap();
            assert_eq!(finished.outcome.mappings[0].header_line, line, "{titles:?}");
            let line = u32::try_from(line).unwrap();
            assert_eq!(
                fates(&finished),
                [fate("L1", "to_purchase", line + 1), fate("L2", "to_purchase", line + 2)],
                "{titles:?}"
            );
        }
    }

    #[test]
    fn the_header_may_be_on_row_20_but_not_on_row_21() {
        for title in ["Title\n", "Title,a,b\r\n", "\n", "   \n", ",,,\n"] {
            let finished = run_tape(below(&title.repeat(19))).unwrap();
            assert_eq!(finished.outcome.mappings[0].header_line, 20, "{title:?}");
            assert_eq!(fates(&finished)[0], fate("L1", "to_purchase", 21));
            let error = refused(below(&title.repeat(20)));
            assert_eq!(error.code, RunErrorCode::NoHeader, "{title:?}: {error}");
            assert!(error.message.contains("first 20 rows"), "{title:?}: {error}");
        }
    }

    #[test]
    fn a_title_of_many_lines_is_one_row() {
        let finished = run_tape(below(&format!("Portfolio\n\"{}\"\n", "Confidential.\n".repeat(30))))
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((finished.outcome.mappings[0].header_line, bought(&finished).len()), (33, 2));
    }

    #[test]
    fn a_quotation_mark_that_stays_open_in_a_title_does_not_hide_the_header() {
        for titles in ["\"Portfolio of May\nas of 2026\n", "\"Portfolio of May\n\"as of, 2026\n"] {
            for rows in [vec![good("L1")], vec![good("L1"), good("\"L2\""), good("L3")]] {
                let finished = run_tape(format!("{titles}{}\n", tape(&rows))).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(finished.outcome.mappings[0].header_line, 3);
                assert_eq!(bought(&finished).len(), rows.len());
            }
        }
    }

    #[test]
    fn a_long_title_row_does_not_hide_the_header() {
        for length in [1_000, 1 << 20, 3 << 20] {
            let finished = run_tape(below(&format!("Portfolio\n{}\n", "x".repeat(length))));
            assert_eq!(bought(&finished.unwrap_or_else(|error| panic!("{length}: {error}"))), ["L1", "L2"]);
        }
    }

    #[test]
    fn the_first_row_that_names_the_required_columns_is_the_header() {
        let finished = run_lines(&[good("L1"), HEADER.to_owned(), good("L2")]);
        assert_eq!(finished.outcome.mappings[0].header_line, 1);
        assert_eq!(fates(&finished), [fate("L1", "to_purchase", 2), fate("L2", "to_purchase", 4)]);
        assert_eq!(found(&finished), [""; 0]);
        assert_eq!(noticed(&finished), ["header_again 3"]);
        assert_eq!(finished.outcome.notices.ignored_rows, 1);
    }

    #[test]
    fn columns_may_stand_in_any_order() {
        let backwards = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(",");
        let lines = [HEADER.to_owned(), good("L1"), loan("L2", &[("dti_ratio", "50.01")])];
        let finished = run_tape(lines.each_ref().map(|line| backwards(line)).join("\n")).unwrap();
        let straight = run_tape(lines.join("\n")).unwrap();
        for file in ["purchase_tape.csv", "rejection_report.csv", "exception_summary.csv"] {
            assert_eq!(finished.files[file], straight.files[file]);
        }
    }

    /// The canonical column that a header is taken for, in a tape of all the others.
    fn taken_for(header: &str, canonical: &str) -> Result<Option<&'static str>, RunError> {
        let columns: Vec<&str> = HEADER.split(',').map(|name| if name == canonical { header } else { name }).collect();
        let at = columns.iter().position(|name| *name == header).unwrap();
        let finished = run_tape(format!("{}\n{}\n", columns.join(","), good("L1")))?;
        Ok(finished.outcome.mappings[0].columns[at].field.map(Field::name))
    }

    #[test]
    fn headers_match_in_any_case_and_after_folding() {
        for name in HEADER.split(',') {
            let words = name.replace('_', " ");
            let spellings = [
                name.to_uppercase(),
                words.clone(),
                words.replace(' ', "-"),
                words.replace(' ', "."),
                words.replace(' ', ""),
                format!(" #{words}#. "),
                format!("\"{}\"", words.to_uppercase().replace(' ', "\n")),
            ];
            for spelling in spellings {
                assert_eq!(taken_for(&spelling, name).unwrap(), Some(name), "{spelling:?}");
            }
        }
    }

    #[test]
    fn what_sellers_write_for_a_column_is_known() {
        for (header, canonical) in [
            ("Loan #", "seller_loan_number"),
            ("LOAN ID", "seller_loan_number"),
            ("loan_number", "seller_loan_number"),
            ("UPB", "loan_amount"),
            ("Orig Bal", "loan_amount"),
            ("Rate", "note_rate"),
            ("Note Rate", "note_rate"),
            ("LTV", "ltv_ratio"),
            ("DTI", "dti_ratio"),
            ("FICO", "credit_score"),
            ("Score", "credit_score"),
            ("Prop Type", "property_type"),
            ("Prop. Type", "property_type"),
            ("Occ", "occupancy_status"),
            ("Purpose", "loan_purpose"),
            ("Sales Price", "purchase_price"),
            ("Appraised Value", "appraisal_value"),
        ] {
            assert_eq!(taken_for(header, canonical).unwrap(), Some(canonical), "{header}");
        }
        for (header, standard) in [("CLTV", Some("cltv_ratio")), ("County", None), ("Servicer Loan Status", None)] {
            assert_eq!(taken_for(header, "dti_ratio").unwrap(), standard, "{header}");
        }
    }

    #[test]
    fn two_columns_for_one_meaning_fail_the_run() {
        for (header, canonical) in [
            ("seller_loan_number", "seller_loan_number"),
            ("Loan ID", "seller_loan_number"),
            ("Balance", "loan_amount"),
            ("Note-Rate", "note_rate"),
            ("DTI", "dti_ratio"),
            ("Appraised Value", "appraisal_value"),
        ] {
            let error = refused(format!("Title\n\n{HEADER},County,{header}\n{},x,1\n", good("L1")));
            assert_eq!((error.code, error.line), (RunErrorCode::DuplicateColumns, Some(3)), "{error}");
            let way_out = format!("--map {canonical}=\"{canonical}\"");
            for part in [format!("\"{canonical}\" and \"{header}\""), format!("both mean {canonical}"), way_out] {
                assert!(error.message.contains(&part), "{error}");
            }
        }
    }

    #[test]
    fn the_mapping_names_every_column_as_written() {
        let text = format!("Loan #,{},County Name,\"Q\"\"x\"\n{},x,y\n", HEADER.split_once(',').unwrap().1, good("L1"));
        let finished = run_tape(text).unwrap();
        let mapping = serde_json::to_value(&finished.outcome.mappings[0]).unwrap();
        assert_eq!(mapping["source_file"], "tape.csv");
        assert_eq!(
            (&mapping["format"], &mapping["delimiter"], &mapping["encoding"]),
            (&"csv".into(), &",".into(), &"utf-8".into())
        );
        let column = |at: usize| mapping["columns"][at].to_string();
        let number = r##"{"position":1,"header":"Loan #","field":"seller_loan_number","name":"seller_loan_number","rank":2,"origin":"alias"}"##;
        assert_eq!(column(0), number);
        let rate = r#"{"position":3,"header":"note_rate","field":"note_rate","name":"note_rate","rank":2,"unit":"percent","origin":"alias"}"#;
        assert_eq!(column(2), rate);
        assert_eq!(column(11), r#"{"position":12,"header":"County Name","name":"County Name"}"#);
        assert_eq!(column(12), r#"{"position":13,"header":"Q\"x","name":"Q\"x"}"#);
    }

    #[test]
    fn unknown_columns_are_kept_as_text() {
        let text = format!("{HEADER},County,Opened,Flag,Empty\n{},007,2026-01-31, yes ,\n", good("L1"));
        let kept = kept(&facts(&run_tape(text).unwrap())[0]);
        let expected = [("County", "007"), ("Empty", ""), ("Flag", " yes "), ("Opened", "2026-01-31")];
        assert_eq!(kept, expected.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
    }

    #[test]
    fn columns_named_like_fields_of_the_product_get_source_in_front() {
        let names = ["disposition", "projection_reason", "Pricing_Spread", "FINAL_PRICE", "source_file", "line"];
        let text = format!("{HEADER},{}\n{},a,b,c,d,e,f\n", names.join(","), good("L1"));
        let finished = run_tape(text).unwrap();
        let columns = &finished.outcome.mappings[0].columns[11..];
        assert_eq!(columns.iter().map(|column| column.header.as_str()).collect::<Vec<_>>(), names);
        let fact = &facts(&finished)[0];
        assert_eq!(
            (fact["disposition"].as_str(), fact["source_file"].as_str(), fact["line"].as_str()),
            ("to_purchase", "tape.csv", "2")
        );
        let renamed = names.map(|name| format!("source_{name}"));
        assert_eq!(kept(fact), renamed.into_iter().zip(["a", "b", "c", "d", "e", "f"].map(str::to_owned)).collect());
    }

    #[test]
    fn columns_with_one_header_or_none_are_all_kept() {
        for headers in ["Note,Note,Note", "Note,,", "line,source_line,line", "column_13,,column_13", "Note,note, Note "] {
            let finished = run_tape(format!("{HEADER},{headers}\n{},a,b,c\n", good("L1"))).unwrap();
            let mut values: Vec<String> = kept(&facts(&finished)[0]).into_values().collect();
            values.sort();
            assert_eq!(values, ["a", "b", "c"], "{headers}");
        }
    }

    #[test]
    fn a_tape_may_have_4096_columns() {
        let wide = |columns: usize| {
            let extra = columns - 11;
            format!("{HEADER}{}\n{}{}\n", ",x".repeat(extra), good("L1"), ",v".repeat(extra))
        };
        let finished = run_tape(wide(4_096)).unwrap();
        assert_eq!(kept(&facts(&finished)[0]).len(), 4_096 - 11);
        let error = refused(wide(4_097));
        assert_eq!((error.code, error.line), (RunErrorCode::HeaderTooLarge, Some(1)));
        assert!(error.message.contains("4097 columns") && error.message.contains("at most 4096"), "{error}");
    }
}

mod numbers {
    use super::*;

    /// What the purchase tape shows of an appraisal value that is written like this.
    fn shown(text: &str) -> String {
        run_cell("appraisal_value", text).rows("purchase_tape.csv")[0]["appraisal_value"].clone()
    }

    #[test]
    fn money_signs_commas_spaces_percent_signs_and_exponents_are_read() {
        for (text, value) in [
            ("250000", "250000"),
            ("$250,000.00", "250000"),
            ("  $ 1,234,567.5 ", "1234567.5"),
            ("1.5E+05", "150000"),
            ("1.5e5", "150000"),
            ("25E-1", "2.5"),
            ("(1,234)", "-1234"),
            ("($1,234.50)", "-1234.5"),
            ("$(1,234.50)", "-1234.5"),
            ("$ (1,234.50)", "-1234.5"),
            ("$-", "0"),
            (" $ -   ", "0"),
            ("(0.00)", "0"),
            ("-5", "-5"),
            ("-$5", "-5"),
            ("+7", "7"),
            ("007", "7"),
            (".5", "0.5"),
            ("0.000000000000000000000001", "0.000000000000000000000001"),
            ("123456789012345678901234", "123456789012345678901234"),
            ("123456789012345678901234.5", "123456789012346000000000"),
            ("97.00000000000001", "97"),
            ("=\"2\"", "2"),
        ] {
            assert_eq!(shown(text), value, "{text:?}");
        }
        for (text, value) in [("80%", "80"), ("80 %", "80"), ("(12.5)%", "-12.5"), ("(12.5 %)", "-12.5"), ("0.5 %", "0.5")] {
            let finished = run_cell("dti_ratio", text);
            assert_eq!(facts(&finished)[0]["dti_ratio"].parse::<Decimal>(), value.parse(), "{text:?}");
        }
    }

    #[test]
    fn percent_signs_change_no_unit() {
        let cells = [("note_rate", "6.50%"), ("ltv_ratio", "80.00 %"), ("dti_ratio", " 35% ")];
        let finished = run_lines(&[loan("L1", &cells)]);
        assert_eq!(told(&finished.rows("purchase_tape.csv")[0], "note_rate ltv_ratio dti_ratio"), "6.5 | 80 | 35");
    }

    #[test]
    fn a_negative_in_parentheses_is_judged_as_one() {
        let exception = only_exception(&run_cell("loan_amount", "(60,000)"));
        assert_eq!(told(&exception, "exception_type actual"), "loan_amount_range | -60000");
        assert!(exception["message"].contains("-$60,000.00"), "{exception:?}");
    }

    #[test]
    fn what_is_no_number_is_an_invalid_value_that_shows_as_written() {
        let texts = "Infinity|-Infinity|inf|$|%|$%|()|1.234,56|1,23|1,2345|12,34,567|1,234,|abc|1O0|\
                     12.3.4|1 000|1e|--5|42-50|>60|#1|€5|0x10|1_000|٣|１２|1e999999999999|5\u{0}5";
        for text in texts.split('|') {
            for (field, column) in Field::NUMERIC.into_iter().map(|field| (field, field.name())) {
                let finished = run_cell(column, text);
                let exception = only_exception(&finished);
                assert_eq!(exception["exception_type"], "invalid_value", "{column} {text}");
                assert_eq!((exception["field"].as_str(), exception["actual"].as_str()), (column, text));
                assert!(exception["message"].starts_with(&format!("{} \"{text}\"", field.info().label)), "{exception:?}");
                let row = &finished.rows("rejection_report.csv")[0];
                let guard = if text.starts_with("-") { "'" } else { "" };
                assert_eq!(row[column], format!("{guard}{text}"));
                assert_eq!(row["rejection_criteria"], "notebook.invalid_value");
            }
        }
    }

    #[test]
    fn more_digits_than_are_kept_exactly_are_an_invalid_value_that_says_so() {
        for text in ["1234567890123456789012345678901234567890", "1e40", "1e-40"] {
            let exception = only_exception(&run_cell("purchase_price", text));
            assert_eq!(exception["exception_type"], "invalid_value");
            assert!(exception["message"].contains(text) && exception["message"].contains("digits"), "{exception:?}");
        }
    }

    #[test]
    fn words_for_missing_are_missing_in_any_case() {
        let texts = "| |NA|na|Na|N/A|n/a|NULL|null|Null|-| - |NaN|nan|NAN|#N/A|#n/a|#NV|#REF!|#DIV/0!|#NAME?|Err:502|###|########|None|none|\
                     (null)|<NA>|n.a.|nil|.|--|\\N|Not Available|not applicable";
        for text in texts.split('|') {
            for column in REQUIRED {
                let exception = only_exception(&run_cell(column, text));
                assert_eq!(exception["exception_type"], "missing_field", "{column} {text:?}");
                assert_eq!(exception["message"], format!("Required field is missing or zero: {column}"));
            }
            for (column, exception_type) in [
                ("dti_ratio", "dti_ratio"),
                ("occupancy_status", "occupancy_status"),
                ("loan_purpose", "loan_purpose"),
                ("purchase_price", "missing_purchase_price"),
                ("appraisal_value", "missing_appraisal"),
            ] {
                let exception = only_exception(&run_cell(column, text));
                assert_eq!(
                    (exception["exception_type"].as_str(), exception["actual"].as_str()),
                    (exception_type, "missing"),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn a_loan_without_a_number_shows_as_unknown() {
        for text in ["", "  ", "N/A", "null", "#N/A", "'"] {
            let finished = run_lines(&[loan(text, &[])]);
            assert_eq!(finished.rows("rejection_report.csv")[0]["seller_loan_number"], "UNKNOWN");
            assert_eq!(facts(&finished)[0]["seller_loan_number"], "UNKNOWN");
        }
    }

    #[test]
    fn numeric_zeros_in_required_columns_are_missing() {
        for column in ["loan_amount", "note_rate", "ltv_ratio", "credit_score"] {
            for zero in ["0", "0.00", "-0", "$0.00", "0%", "0e5", "$-", "(0.00)"] {
                if zero.ends_with('%') && !column.ends_with("rate") && !column.ends_with("ratio") {
                    assert_eq!(found(&run_cell(column, zero)), ["invalid_value"], "{column} {zero}");
                    continue;
                }
                let exception = only_exception(&run_cell(column, zero));
                assert_eq!(
                    (exception["exception_type"].as_str(), exception["field"].as_str()),
                    ("missing_field", column),
                    "{zero}"
                );
            }
        }
        assert_eq!(bought(&run_cell("dti_ratio", "0")), ["X", "GOOD", "TOO"]);
    }

    #[test]
    fn sentinels_of_agencies_mean_missing() {
        for (column, text, exception_type) in [
            ("credit_score", "9999", "missing_field"),
            ("credit_score", "9999.0", "missing_field"),
            ("ltv_ratio", "999", "missing_field"),
            ("ltv_ratio", "999.00%", "missing_field"),
            ("ltv_ratio", "=\"999\"", "missing_field"),
            ("dti_ratio", "999", "dti_ratio"),
        ] {
            let finished = run_cell(column, text);
            let exception = only_exception(&finished);
            assert_eq!(
                (exception["exception_type"].as_str(), exception["actual"].as_str()),
                (exception_type, "missing"),
                "{text}"
            );
            assert_eq!(finished.rows("rejection_report.csv")[0][column], "");
        }
    }

    #[test]
    fn sentinels_of_one_column_are_numbers_in_the_others() {
        assert_eq!(shown("9999"), "9999");
        assert_eq!(shown("999"), "999");
        for (column, text, exception_type) in [
            ("credit_score", "999", "credit_score"),
            ("ltv_ratio", "9999", "ltv_ratio"),
            ("ltv_ratio", "998.99", "ltv_ratio"),
            ("dti_ratio", "9999", "dti_ratio"),
            ("note_rate", "999", "invalid_value"),
            ("loan_amount", "9999", "loan_amount_range"),
        ] {
            let exception = only_exception(&run_cell(column, text));
            assert_eq!((exception["exception_type"].as_str(), exception["actual"].as_str()), (exception_type, text), "{column}");
        }
    }

    #[test]
    fn the_total_balance_is_the_exact_sum_of_readable_amounts() {
        let amount = |number: &str, text: &str| loan(number, &[("loan_amount", text)]);
        let lines = [
            amount("1", "100000.10"),
            amount("2", "$100,000.20"),
            amount("3", "0.0000000000000001"),
            amount("4", "123456789012345678901234"),
            amount("5", "(50,000)"),
            amount("6", "abc"),
            amount("7", ""),
            loan("1", &[("loan_amount", "1"), ("credit_score", "bad")]),
            "9,9".to_owned(),
        ];
        assert_eq!(total_balance(&run_lines(&lines)), "123456789012345679051235.3000000000000001");
        assert_eq!(total_balance(&run_lines(&vec![amount("", "0.1"); 3_000])), "300");
    }
}

mod units {
    use super::*;

    const FRACTIONS: [(&str, &str); 3] = [("note_rate", "0.0675"), ("ltv_ratio", "0.97"), ("dti_ratio", "0.355")];

    #[test]
    fn fractions_are_multiplied_by_100_exactly() {
        let long = [("note_rate", "0.0675"), ("ltv_ratio", "0.800000011920929"), ("dti_ratio", "0.07")];
        let finished = run_lines(&[loan("L1", &FRACTIONS), loan("L2", &long)]);
        for field in [Field::NoteRate, Field::LtvRatio, Field::DtiRatio] {
            assert_eq!(unit(&finished, field), Some(ColumnUnit::Fraction));
        }
        let rows = finished.rows("purchase_tape.csv");
        let names = "note_rate ltv_ratio dti_ratio pricing_spread";
        assert_eq!(told(&rows[0], names), "6.75 | 97 | 35.5 | -1.3000");
        assert_eq!(told(&rows[1], names), "6.75 | 80.0000011920929 | 7 | -1.3000");
    }

    #[test]
    fn the_unit_is_part_of_the_run_record() {
        let finished = run_lines(&[loan("L1", &[("ltv_ratio", "0.8")])]);
        let units = [Field::NoteRate, Field::LtvRatio, Field::DtiRatio, Field::LoanAmount, Field::CreditScore];
        let expected = [Some(ColumnUnit::Percent), Some(ColumnUnit::Fraction), Some(ColumnUnit::Percent), None, None];
        assert_eq!(units.map(|field| unit(&finished, field)), expected);
    }

    #[test]
    fn bounds_of_fractions_are_inclusive() {
        for (column, field, text, expected) in [
            ("ltv_ratio", Field::LtvRatio, "1.5", ColumnUnit::Fraction),
            ("ltv_ratio", Field::LtvRatio, "1.500001", ColumnUnit::Percent),
            ("dti_ratio", Field::DtiRatio, "1.5", ColumnUnit::Fraction),
            ("dti_ratio", Field::DtiRatio, "1.51", ColumnUnit::Percent),
            ("note_rate", Field::NoteRate, "0.5", ColumnUnit::Fraction),
            ("note_rate", Field::NoteRate, "0.500001", ColumnUnit::Percent),
            ("ltv_ratio", Field::LtvRatio, "-0.8", ColumnUnit::Percent),
        ] {
            assert_eq!(unit(&run_lines(&[loan("L1", &[(column, text)])]), field), Some(expected), "{column} {text}");
        }
        let exception = only_exception(&run_lines(&[loan("L1", &[("ltv_ratio", "1.5")])]));
        assert_eq!((exception["actual"].as_str(), exception["excess"].as_str()), ("150", "53"));
    }

    #[test]
    fn zeros_missing_and_sentinels_say_nothing_about_the_unit() {
        let dti = |number: &str, text: &str| loan(number, &[("dti_ratio", text)]);
        let finished =
            run_lines(&[dti("1", "0"), dti("2", "0.00"), dti("3", ""), dti("4", "NA"), dti("5", "999"), dti("6", "0.45")]);
        assert_eq!(unit(&finished, Field::DtiRatio), Some(ColumnUnit::Fraction));
        assert_eq!(bought(&finished), ["1", "2", "6"]);
        assert_eq!(column(&finished.rows("purchase_tape.csv"), "dti_ratio"), ["0", "0", "45"]);
        let finished = run_lines(&[dti("1", "0"), dti("2", "NA")]);
        assert_eq!((unit(&finished, Field::DtiRatio), bought(&finished)), (Some(ColumnUnit::Percent), vec!["1".to_owned()]));
    }

    /// A tape whose DTI column has so many of a value, then these.
    fn many(count: usize, text: &str, then: &[&str]) -> Finished {
        let texts = std::iter::repeat_n(text, count).chain(then.iter().copied());
        let lines: Vec<String> = texts.enumerate().map(|(at, text)| loan(&format!("L{at}"), &[("dti_ratio", text)])).collect();
        run_lines(&lines)
    }

    #[test]
    fn a_unit_is_decided_by_the_first_thousand_values() {
        let finished = many(1_000, "0.35", &["35"]);
        assert_eq!(unit(&finished, Field::DtiRatio), Some(ColumnUnit::Fraction));
        assert_eq!(bought(&finished).len(), 1_000);
        assert_eq!(only_exception(&finished)["seller_loan_number"], "L1000");
        let finished = many(501, "0.35", &["35"; 2_000]);
        assert_eq!(unit(&finished, Field::DtiRatio), Some(ColumnUnit::Fraction));
        assert_eq!((bought(&finished).len(), found(&finished).len()), (501, 2_000));
        let finished = many(499, "0.35", &["35"; 501]);
        assert_eq!(unit(&finished, Field::DtiRatio), Some(ColumnUnit::Percent));
        assert_eq!((bought(&finished).len(), found(&finished).len()), (501, 499));
        // What says nothing does not count among the thousand.
        let finished = many(499, "0.35", &[&["0", "", "999", "NA", "35%"][..], &["35"; 501]].concat());
        assert_eq!(unit(&finished, Field::DtiRatio), Some(ColumnUnit::Percent));
        let texts = std::iter::repeat_n("0.35", 500).chain(std::iter::repeat_n("35", 600));
        let lines: Vec<String> = texts.enumerate().map(|(at, text)| loan(&format!("L{at}"), &[("dti_ratio", text)])).collect();
        let error = refused(tape(&lines));
        assert_eq!((error.code, error.line), (RunErrorCode::MixedUnits, Some(502)));
        let finished = many(5_000, "0", &["0.35"]);
        assert_eq!((unit(&finished, Field::DtiRatio), bought(&finished).len()), (Some(ColumnUnit::Fraction), 5_001));
    }

    #[test]
    fn cells_that_contradict_their_column_are_invalid_values_that_say_so() {
        for (column, decides, text, parts) in [
            ("ltv_ratio", "0.8", "80", ["80", "fractions", "5"]),
            ("ltv_ratio", "0.8", "5", ["5", "fractions", "5"]),
            ("dti_ratio", "0.35", "35", ["35", "fractions", "5"]),
            ("note_rate", "0.065", "6.5", ["6.5", "fractions", "1"]),
            ("note_rate", "0.065", "1", ["1", "fractions", "1"]),
            ("ltv_ratio", "80", "0.8", ["0.8", "percentages", "1.5"]),
            ("ltv_ratio", "80", "1.5", ["1.5", "percentages", "1.5"]),
            ("ltv_ratio", "80", "1.62", ["1.62", "percentages", "162 %"]),
            ("ltv_ratio", "80", "4.99", ["4.99", "percentages", "499 %"]),
            ("dti_ratio", "35", "0.01", ["0.01", "percentages", "1.5"]),
            ("note_rate", "6.5", "0.5", ["0.5", "percentages", "0.5"]),
        ] {
            let lines: Vec<String> = (0..2).map(|at| loan(&at.to_string(), &[(column, decides)])).collect();
            let finished = run_lines(&[lines.as_slice(), &[loan("X", &[(column, text)])]].concat());
            let exception = only_exception(&finished);
            let expected = format!("X | invalid_value | {column} | {text}");
            assert_eq!(told(&exception, "seller_loan_number exception_type field actual"), expected);
            assert!(parts.iter().all(|part| exception["message"].contains(part)), "{exception:?}");
            assert_eq!(finished.rows("rejection_report.csv")[0][column], text);
        }
    }

    #[test]
    fn values_just_beyond_the_bound_contradict_nothing() {
        for (column, text) in
            [("ltv_ratio", "5"), ("dti_ratio", "1.51"), ("dti_ratio", "0"), ("note_rate", "0.51"), ("dti_ratio", "0.5%")]
        {
            assert!(bought(&run_cell(column, text)).contains(&"X".to_owned()), "{column} {text}");
        }
        // In a column of fractions everything below the percentages is one.
        for (column, decides, text) in
            [("dti_ratio", "0.35", "1.51"), ("dti_ratio", "0.35", "35%"), ("note_rate", "0.065", "0.2")]
        {
            let lines = [loan("A", &[(column, decides)]), loan("B", &[(column, decides)]), loan("X", &[(column, text)])];
            assert!(!found(&run_lines(&lines)).contains(&"invalid_value".to_owned()), "{column} {text}");
        }
    }

    #[test]
    fn columns_and_tapes_decide_for_themselves() {
        let (percent, fraction) = (tape(&[good("L1")]), tape(&[loan("L2", &FRACTIONS)]));
        let tapes = [("a.csv", percent.as_bytes()), ("b.csv", fraction.as_bytes())];
        let finished = run_tapes(&tapes, &RuleSet::built_in(), TUNING).unwrap();
        assert_eq!(column(&finished.rows("purchase_tape.csv"), "ltv_ratio"), ["80", "97"]);
        let unit = |at: usize| finished.outcome.mappings[at].columns[3].unit;
        assert_eq!((unit(0), unit(1)), (Some(ColumnUnit::Percent), Some(ColumnUnit::Fraction)));
    }

    #[test]
    fn rows_that_cannot_be_read_have_no_say() {
        let finished = run_lines(&["X,250000,6.5,80,35".to_owned(), loan("L1", &FRACTIONS)]);
        assert_eq!(unit(&finished, Field::LtvRatio), Some(ColumnUnit::Fraction));
    }

    #[test]
    fn a_rule_set_may_accept_small_percentages() {
        let lines = [loan("X", &[("dti_ratio", "0.53")]), good("GOOD"), good("TOO")];
        assert_eq!(bought(&run_with_rules(&lines, "")), ["GOOD", "TOO"]);
        let finished = run_with_rules(&lines, "[units]\naccept_small_percentages = true");
        assert_eq!(column(&finished.rows("purchase_tape.csv"), "dti_ratio"), ["0.53", "35", "35"]);
    }
}

mod words {
    use super::*;

    #[test]
    fn what_sellers_write_for_a_word_is_known() {
        for (column, word, spellings) in [
            ("property_type", "sfr", &["sfr", "SFR", "SF", "Single Family", "SFD", "single-family", " sfr "][..]),
            ("property_type", "condo", &["condo", "CO", "Condominium"]),
            ("property_type", "townhouse", &["townhouse", "TH", "Town House"]),
            ("property_type", "pud", &["pud", "PU", "Pud"]),
            ("property_type", "2-4_unit", &["2-4_unit", "2-4 unit", "2-4 UNIT", "Duplex", "Triplex", "Fourplex"]),
            ("occupancy_status", "primary", &["primary", "P", "Owner Occupied", "OO", "owner-occupied", "PRIMARY"]),
            ("occupancy_status", "second_home", &["second_home", "second home", "S", "Second  Home"]),
            ("occupancy_status", "investment", &["investment", "I", "Investor", "NOO", "Non-Owner Occupied"]),
            ("loan_purpose", "purchase", &["purchase", "P", "PURCHASE"]),
            (
                "loan_purpose",
                "rate_term_refinance",
                &["rate_term_refinance", "R", "N", "rate_term_refi", "R/T Refi", "Rate/Term"],
            ),
            ("loan_purpose", "cash_out_refinance", &["cash_out_refinance", "C", "cash_out_refi", "C/O", "Cash-Out", "cash out"]),
        ] {
            for written in spellings {
                assert_eq!(run_cell(column, written).rows("purchase_tape.csv")[0][column], word, "{column} {written:?}");
            }
        }
    }

    #[test]
    fn manufactured_homes_and_cooperatives_do_not_pass() {
        let spellings = "MH|mh|Manufactured|Manufactured Home|manufactured_home|MANUFACTURED HOUSING|Mobile Home|Mfd Home|\
                         CP|Co-op|CO-OP|coop|co_op|Cooperative|Co-operative|Coop Unit|MH Select";
        for written in spellings.split('|') {
            let finished = run_cell("property_type", written);
            assert_eq!(bought(&finished), ["GOOD", "TOO"], "{written}");
            let exception = only_exception(&finished);
            assert_eq!((exception["exception_type"].as_str(), exception["actual"].as_str()), ("property_type", written));
            assert_eq!(finished.rows("rejection_report.csv")[0]["property_type"], written);
        }
    }

    #[test]
    fn what_has_no_alias_stays_as_written_and_fails_its_rule() {
        for (column, written, list) in [
            ("property_type", "Yurt Nr. 5", "sfr, condo, townhouse, pud, 2-4_unit"),
            ("property_type", "24 unit", "2-4_unit"),
            ("occupancy_status", "Weekends Only", "primary, second_home, investment"),
            ("loan_purpose", "HELOC", "purchase, rate_term_refinance, cash_out_refinance"),
            ("loan_purpose", "S", "purchase"),
        ] {
            let finished = run_cell(column, written);
            let exception = only_exception(&finished);
            assert_eq!((exception["exception_type"].as_str(), exception["severity"].as_str()), (column, "hard"));
            assert!(
                exception["message"].contains(&format!("\"{written}\"")) && exception["message"].contains(list),
                "{exception:?}"
            );
            assert_eq!(finished.rows("rejection_report.csv")[0][column], written);
        }
    }
}

mod malformed {
    use super::*;

    #[test]
    fn a_row_of_another_width_is_a_rejected_loan_that_shows_line_and_text() {
        for (line, fields) in [("too,few", "2 fields"), ("one", "1 field"), (&(good("L1") + ",x") as &str, "12 fields")] {
            let finished = run_lines(&[good("A"), line.to_owned(), good("B")]);
            assert_eq!(fates(&finished)[1], fate("UNKNOWN", "rejected", 3));
            assert_eq!(bought(&finished), ["A", "B"]);
            let row = &finished.rows("rejection_report.csv")[0];
            let expected = "malformed_row | hard | notebook.malformed_row";
            assert_eq!(told(row, "exception_type severity rejection_criteria"), expected);
            for part in ["Line 3 ", line, fields, "11"] {
                assert!(row["message"].contains(part), "{row:?}");
            }
            assert_eq!(row.values().filter(|cell| cell.is_empty()).count(), 12);
        }
    }

    #[test]
    fn the_first_200_characters_of_the_row_are_shown() {
        let start = "é".repeat(200);
        let finished = run_lines(&[format!("{start}X{}", "y".repeat(1_000)), good("A")]);
        let exception = only_exception(&finished);
        assert!(exception["message"].ends_with(&start), "{exception:?}");
        assert_eq!(exception["actual"], start);
    }

    #[test]
    fn a_stray_quotation_mark_spoils_its_line_only() {
        for line in [good("\"L\"1"), good("\"L1\" x"), loan("L1", &[("property_type", "\"sfr\"x")])] {
            let finished = run_lines(&[good("A"), line.clone(), good("B")]);
            assert_eq!(fates(&finished)[1], fate("UNKNOWN", "rejected", 3), "{line}");
            assert_eq!(bought(&finished), ["A", "B"]);
            let exception = only_exception(&finished);
            assert_eq!(exception["exception_type"], "malformed_row");
            assert!(exception["message"].contains("Line 3 ") && exception["message"].contains(&line), "{exception:?}");
        }
    }

    #[test]
    fn white_space_and_backslashes_around_quotation_marks_spoil_nothing() {
        let text = format!(
            "{HEADER},Notes\n{},\u{a0}\"two\rlines\" \n{} ,\"say \\\"hi\\\"\"\t\r{},\"x\\\"y\r\r\n\\\"\"\n{}, \"a\" b\n",
            good("\"L1\" "),
            good(" \"L2\"").trim_end_matches("312500").to_owned() + "\"312500\"",
            good("L3"),
            good("L4"),
        );
        for block_bytes in [1, 7, 64 * 1024] {
            let tuning = Tuning { threads: 1, block_bytes };
            let finished = run_tapes(&[("t.csv", text.as_bytes())], &RuleSet::built_in(), tuning).unwrap();
            let expected = [("L1", 2), ("L2", 4), ("L3", 5), ("L4", 7)].map(|(number, line)| fate(number, "to_purchase", line));
            assert_eq!(fates(&finished), expected);
            let notes: Vec<_> = facts(&finished).iter().map(|fact| kept(fact)["Notes"].clone()).collect();
            assert_eq!(notes, ["two\rlines", "say \"hi\"", "x\"y\r\r\n\"", " \"a\" b"]);
        }
    }

    #[test]
    fn a_quotation_mark_that_opens_by_mistake_takes_no_other_loan_with_it() {
        let lines = [good("A"), good("\"B"), good("C"), good("D"), good("\"E\""), good("F")];
        let finished = run_lines(&lines);
        assert_eq!(bought(&finished), ["A", "C", "D", "E", "F"]);
        assert_eq!(fates(&finished)[1], fate("UNKNOWN", "rejected", 3));
        let exception = only_exception(&finished);
        assert!(exception["message"].contains("Line 3 ") && exception["message"].ends_with(&lines[1]), "{exception:?}");
    }

    /// A tape of a loan with a quoted cell in a kept column, and a good one.
    fn with_note(note: &str) -> Finished {
        let finished = run_tape(format!("{HEADER},Notes\n{},\"{note}\"\n{},\n", good("A"), good("B"))).unwrap();
        assert_whole(&finished);
        finished
    }

    #[test]
    fn a_quoted_field_may_span_100_lines() {
        let note = |lines: usize| vec!["x"; lines].join("\n");
        let finished = with_note(&note(100));
        assert_eq!(fates(&finished), [fate("A", "to_purchase", 2), fate("B", "to_purchase", 102)]);
        assert_eq!(kept(&facts(&finished)[0])["Notes"], note(100));
        // Lines that end up as rows of their own must not be most of the tape.
        let rows: Vec<String> = (0..150).map(|at| good(&format!("L{at}")) + ",").collect();
        let (first, note) = (good("A"), note(101));
        let finished = run_tape(format!("{HEADER},Notes\n{first},\"{note}\"\n{},\n{}\n", good("B"), rows.join("\n"))).unwrap();
        assert_whole(&finished);
        let fates = fates(&finished);
        assert_eq!(
            (fates.len(), fates[0].clone(), fates[1].clone()),
            (252, fate("UNKNOWN", "rejected", 2), fate("UNKNOWN", "rejected", 3))
        );
        assert_eq!(fates[100..102], [fate("UNKNOWN", "rejected", 102), fate("B", "to_purchase", 103)]);
        assert_eq!(exceptions(&finished)[1]["actual"], "x");
    }

    #[test]
    fn a_quoted_field_may_hold_64_kib() {
        for line in
            ["x".repeat(64 * 1024), "é".repeat(32 * 1024), format!("{}\n{}", "x".repeat(32 * 1024), "y".repeat(32 * 1024 - 1))]
        {
            let finished = with_note(&line);
            assert_eq!(kept(&facts(&finished)[0])["Notes"], line);
            assert_eq!(bought(&finished), ["A", "B"]);
            let finished = with_note(&(line + "z"));
            assert_eq!(fates(&finished)[0], fate("UNKNOWN", "rejected", 2));
            assert_eq!(bought(&finished), ["B"]);
            assert!(exceptions(&finished)[0]["message"].contains("Line 2 "));
        }
    }

    #[test]
    fn the_end_of_the_tape_inside_quotes_spoils_only_the_line_that_opened_them() {
        let finished = run_lines(&[good("A"), good("\"B"), good("C"), good("D")]);
        assert_eq!(bought(&finished), ["A", "C", "D"]);
        assert_eq!(fates(&finished)[1], fate("UNKNOWN", "rejected", 3));
        assert!(only_exception(&finished)["message"].contains(&good("\"B")));
        let finished = run_tape(format!("{HEADER},Notes\n{},\"never closed", good("A"))).unwrap();
        assert_eq!(fates(&finished), [fate("UNKNOWN", "rejected", 2)]);
    }

    #[test]
    fn blank_lines_and_rows_of_empty_cells_are_skipped_and_counted_as_lines() {
        let blanks =
            ["", "   ", "\t", ",,,,,,,,,,", " , ,,,,,,,,, ", "\"\",,,,,,,,,,\"  \"", ",", ",,,,,,,,,,,,,,,", "\u{a0}", "\r"];
        for blank in blanks {
            let finished = run_lines(&[blank, &good("A"), blank, blank, &good("B"), blank, ""]);
            assert_eq!(fates(&finished), [fate("A", "to_purchase", 3), fate("B", "to_purchase", 6)], "{blank:?}");
            assert_eq!(finished.outcome.summary.exceptions_count(), 0);
        }
    }

    #[test]
    fn a_row_with_anything_in_it_is_a_loan() {
        for line in [",0,,,,,,,,,", "x,,,,,,,,,,", "\"\"\"\",,,,,,,,,,", ",,,,,,,,,,1", "x"] {
            let finished = run_lines(&[line.to_owned(), good("A")]);
            assert_eq!((finished.outcome.summary.total_loans(), noticed(&finished)), (2, Vec::new()), "{line}");
            assert_whole(&finished);
        }
        // What neither has a loan number nor any number is none, and that is said.
        for line in [",,,,,,,,,,x", "NA,,,,,,,,,,", "-,,,,,,,,,,", "."] {
            let finished = run_lines(&[line.to_owned(), good("A")]);
            assert_eq!(
                (fates(&finished), noticed(&finished)),
                (vec![fate("A", "to_purchase", 3)], vec!["not_a_loan 2".to_owned()]),
                "{line}"
            );
            assert_eq!(finished.outcome.notices.ignored_rows, 1);
        }
    }

    #[test]
    fn lines_are_physical_from_1_on() {
        let text = format!(
            "\"Title\nover two lines\"\n\n{},\"Notes\r\nhere\"\n{},\"a\n\nb\"\r\n\n{},\n{},\"c\nshort\n{},d\n",
            HEADER,
            good("A"),
            good("B"),
            good("C"),
            good("D")
        );
        let finished = run_tape(text).unwrap();
        assert_eq!(finished.outcome.mappings[0].header_line, 4);
        let expected = [
            fate("A", "to_purchase", 6),
            fate("B", "to_purchase", 10),
            fate("UNKNOWN", "rejected", 11),
            fate("UNKNOWN", "rejected", 12),
            fate("D", "to_purchase", 13),
        ];
        assert_eq!(fates(&finished), expected);
    }
}

mod unusable {
    use super::*;

    #[test]
    fn a_tape_without_anything_is_empty() {
        for bytes in ["", "\n", "\r\n\r\n", "   \n\t\n", "\u{feff}", "\u{feff}\r\n", &"\n".repeat(1_000)] {
            let error = refused(bytes);
            assert_eq!((error.code, error.line), (RunErrorCode::EmptyTape, None), "{bytes:?}");
            assert!(error.message.contains("with a header row and a row per loan"), "{error}");
        }
    }

    #[test]
    fn a_header_without_loans_is_no_tape() {
        for end in ["", "\n", "\r\n", "\n\n\n", "\n,,,,,,,,,,\n", "\r\n   \r\n\"\",,,,,,,,,,"] {
            let error = refused(format!("Title\n{HEADER}{end}"));
            assert_eq!((error.code, error.line), (RunErrorCode::NoDataRows, Some(2)), "{end:?}");
            assert!(error.message.contains("row per loan"), "{error}");
        }
    }

    #[test]
    fn a_tape_without_a_header_row_says_which_columns_to_name() {
        for text in [
            good("L1") + "\n",
            good("L1"),
            "Dear buyer,\nplease find attached\n".into(),
            "\"\"\"\"".into(),
            "\"".into(),
            "x".into(),
        ] {
            let error = refused(&text);
            assert_eq!((error.code, error.line), (RunErrorCode::NoHeader, None), "{text}");
            assert!(REQUIRED.iter().all(|column| error.message.contains(column)), "{error}");
        }
    }

    #[test]
    fn an_absent_required_column_is_named_with_the_line_of_the_header() {
        for column in REQUIRED {
            let header = HEADER.split(',').map(|name| if name == column { "County" } else { name }).collect::<Vec<_>>().join(",");
            let error = refused(format!("Title\n\n{header}\n{}\n", good("L1")));
            assert_eq!((error.code, error.line), (RunErrorCode::MissingColumns, Some(3)), "{error}");
            assert!(
                error.message.contains(&format!("column {column} is missing")) && error.message.contains("Add it"),
                "{error}"
            );
        }
        let error = refused("Loan #,UPB,Prop Type\n1,2,sfr\n");
        assert!(error.message.contains("note_rate, ltv_ratio, credit_score"), "{error}");
    }

    #[test]
    fn columns_that_are_not_required_may_be_absent() {
        let finished = run_tape("Loan #,UPB,Rate,LTV,FICO,Prop Type\nL1,250000,6.5,80,720,sfr\n").unwrap();
        let expected = ["dti_ratio", "occupancy_status", "loan_purpose", "missing_purchase_price", "missing_appraisal"];
        assert_eq!(found(&finished), expected);
    }

    #[test]
    fn files_that_are_no_tapes_say_what_to_send() {
        for (bytes, kind) in [
            (&b"%PDF-1.7\n"[..], "a PDF document"),
            (b"PAR1\x15\x04", "a Parquet file"),
            (b"\x1f\x8b\x08\x00tape", "a gzip archive"),
            (b"\x89PNG\r\n\x1a\n", "a picture"),
            (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "a ZIP archive"),
            (b"{\"loans\": [{\"loan_amount\": 1}]}\n", "a JSON file"),
            (b"<!doctype html>\n<title>Loans</title>", "a web page"),
        ] {
            let error = refused(bytes);
            assert_eq!((error.code, error.line), (RunErrorCode::NotATape, None), "{kind}");
            let sentence = format!("The file is {kind}, not a tape. A tape is a CSV file or an Excel workbook (.xlsx)");
            assert!(error.message.starts_with(&sentence), "{error}");
        }
    }

    #[test]
    fn a_title_that_begins_as_another_kind_of_text_is_no_hindrance() {
        for title in ["[\"Portfolio\"]", "<html>", "{}", "<?xml?>"] {
            assert_eq!(bought(&run_tape(format!("{title}\n{}", tape(&[good("L1")]))).unwrap()), ["L1"], "{title}");
        }
    }

    #[test]
    fn a_tape_whose_lines_end_in_lone_returns_is_a_tape() {
        let backwards = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(",");
        let lines = |loans: usize| (0..loans).map(|at| good(&format!("L{at}"))).collect::<Vec<_>>();
        for (name, text, loans) in [
            ("two loans", tape(&lines(2)), 2),
            ("a title", format!("Portfolio of May\n\n{}", tape(&lines(2))), 2),
            ("a required column at the end", [vec![backwards(HEADER)], vec![backwards(&good("L1")); 2]].concat().join("\n"), 1),
            ("more cells than columns may be", tape(&lines(2_000)), 2_000),
            ("more bytes than a row may have", tape(&lines(80_000)), 80_000),
        ] {
            let finished = run_tape(text.replace('\n', "\r")).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(bought(&finished).len(), loans, "{name}");
        }
    }

    #[test]
    fn a_lone_return_inside_a_quoted_header_is_a_space() {
        let finished =
            run_tape(format!("{},\"See\rnote\"\n{},x\n", HEADER.replace("loan_amount", "\"Loan\rAmount\""), good("L1")));
        assert_eq!(bought(&finished.unwrap_or_else(|error| panic!("{error}"))), ["L1"]);
    }

    #[test]
    fn the_error_is_what_the_run_shows() {
        let error = serde_json::to_value(refused(format!("{HEADER}\n"))).unwrap();
        assert_eq!((&error["phase"], &error["code"]), (&"ingest".into(), &"no_data_rows".into()));
        assert_eq!((&error["source_file"], &error["line"]), (&"tape.csv".into(), &1.into()));
        let error = serde_json::to_value(refused("")).unwrap();
        assert_eq!((&error["code"], error.get("line")), (&"empty_tape".into(), None));
    }

    #[test]
    fn one_unusable_tape_fails_the_run_and_is_named() {
        let fine = tape(&[good("L1")]);
        for (bytes, code) in [("", RunErrorCode::EmptyTape), (HEADER, RunErrorCode::NoDataRows), ("x\n", RunErrorCode::NoHeader)]
        {
            for at in 0..3 {
                let names = ["a.csv", "b/tape.csv", "c.csv"];
                let tapes: Vec<_> = (0..3).map(|n| (names[n], if n == at { bytes } else { &fine }.as_bytes())).collect();
                let Err(error) = run_tapes(&tapes, &RuleSet::built_in(), TUNING) else { panic!("{code:?} at {at}") };
                assert_eq!((error.code, error.source_file.as_deref()), (code, Some(names[at])));
            }
        }
    }
}

mod repeats {
    use super::*;

    #[test]
    fn the_second_and_later_uses_of_a_number_are_rejected() {
        let finished = run_lines(&[good("A"), good("B"), good("A"), good("\"A\"")]);
        assert_eq!(bought(&finished), ["A", "B"]);
        for (row, line) in exceptions(&finished).iter().zip(["4", "5"]) {
            let expected = format!("{line} | duplicate_loan | hard | data_quality | notebook.duplicate_loan_number");
            assert_eq!(told(row, "line exception_type severity exception_category rejection_criteria"), expected);
            assert!(row["message"].contains("Loan number A") && row["message"].contains("line 2"), "{row:?}");
        }
    }

    #[test]
    fn numbers_are_compared_to_the_letter() {
        let finished = run_lines(&["7", "07", "007", "7.0", "a7", "A7", "7 a", "7  a"].map(good));
        assert_eq!(bought(&finished).len(), 8);
    }

    #[test]
    fn the_first_use_counts_even_if_that_loan_is_rejected() {
        for cell in [("credit_score", "bad"), ("ltv_ratio", "98"), ("loan_amount", "")] {
            let finished = run_lines(&[loan("A", &[cell]), good("A"), good("A")]);
            assert!(bought(&finished).is_empty());
            assert_eq!(found(&finished)[1..], ["duplicate_loan"; 2]);
        }
    }

    #[test]
    fn missing_numbers_are_no_repeats_of_each_other_but_the_word_unknown_is() {
        let finished = run_lines(&[good(""), good("NA"), good("UNKNOWN"), good("UNKNOWN")]);
        assert_eq!(found(&finished), ["missing_field", "missing_field", "duplicate_loan"]);
        assert_eq!(bought(&finished), ["UNKNOWN"]);
    }

    #[test]
    fn a_line_of_one_of_several_tapes_is_named_with_its_tape() {
        let tapes = [
            tape(&[good("A"), good("B")]),
            tape(&[good("C"), good("B"), good("C"), "too,few".to_owned()]),
            tape(&[good("B"), good("C"), "\"x\"y,1".to_owned(), good("D")]),
        ];
        let tapes: Vec<_> = ["a.csv", "in/b.csv", "c.csv"].into_iter().zip(tapes.iter().map(String::as_bytes)).collect();
        let finished = run_tapes(&tapes, &RuleSet::built_in(), TUNING).unwrap();
        assert_eq!(bought(&finished), ["A", "B", "C", "D"]);
        let messages = column(&exceptions(&finished), "message");
        let expected = [
            "Loan number B was already used on line 3 of a.csv",
            "Loan number C was already used on line 2 of in/b.csv",
            "Line 5 of in/b.csv cannot be read: the row has 2 fields, ",
            "Loan number B was already used on line 3 of a.csv",
            "Loan number C was already used on line 2 of in/b.csv",
            "Line 4 of c.csv cannot be read: ",
        ];
        assert_eq!(messages.len(), expected.len(), "{messages:?}");
        for (message, beginning) in messages.iter().zip(expected) {
            assert!(message.starts_with(beginning), "{message}");
        }
    }

    #[test]
    fn a_line_of_the_only_tape_is_named_without_it() {
        let finished = run_lines(&[good("A"), good("A"), "too,few".to_owned()]);
        let messages = column(&exceptions(&finished), "message");
        assert_eq!(messages[0], "Loan number A was already used on line 2");
        assert!(messages[1].starts_with("Line 4 cannot be read: the row has 2 fields, "), "{messages:?}");
    }

    #[test]
    fn repeats_are_found_at_any_distance() {
        let lines: Vec<String> = (0..20_000).map(|at| good(&format!("L{}", at % 19_990))).collect();
        let finished = run_lines(&lines);
        let rows = exceptions(&finished);
        assert_eq!(column(&rows, "seller_loan_number"), (0..10).map(|at| format!("L{at}")).collect::<Vec<_>>());
        assert!(rows[9]["message"].contains("line 11"), "{:?}", rows[9]);
    }
}

mod dollars_to_pay {
    use super::*;

    /// What loans of these amounts cost that are bought at 100, the rate being the target.
    fn of(amounts: &[&str]) -> String {
        let rows: Vec<String> = (0..)
            .zip(amounts)
            .map(|(at, amount)| loan(&format!("L{at}"), &[("loan_amount", amount), ("note_rate", "8.05")]))
            .collect();
        let finished = run_lines(&rows);
        assert_eq!(bought(&finished).len(), amounts.len());
        let dispositions = finished.outcome.summary.finish().dispositions;
        assert!(dispositions.projected.dollars_to_pay.is_none() && dispositions.rejected.dollars_to_pay.is_none());
        dispositions.to_purchase.dollars_to_pay.unwrap().to_string()
    }

    #[test]
    fn the_exact_sum_is_rounded_half_to_even_and_not_its_parts() {
        for (amounts, dollars) in [
            (&["250000.004", "250000.004"][..], "500000.01"),
            (&["250000.005"], "250000"),
            (&["250000.015"], "250000.02"),
            (&["50000.0050000001"], "50000.01"),
            (&["250000.005", "50000.0000000001"], "300000.01"),
        ] {
            assert_eq!(of(amounts), dollars, "{amounts:?}");
        }
        let none = run_lines(&[loan("L1", &[("credit_score", "500")])]).outcome.summary.finish();
        assert_eq!(none.dispositions.to_purchase.dollars_to_pay.unwrap().to_string(), "0");
    }

    #[test]
    fn prices_weigh_the_amounts() {
        // 100 + 2.5 * (9.05 - 8.05) = 102.5, and 100 + 2.5 * (7.05 - 8.05) = 97.5.
        let finished = run_lines(&[
            loan("A", &[("loan_amount", "200000"), ("note_rate", "9.05")]),
            loan("B", &[("loan_amount", "100000.01"), ("note_rate", "7.05")]),
        ]);
        let dispositions = finished.outcome.summary.finish().dispositions;
        assert_eq!(dispositions.to_purchase.dollars_to_pay.unwrap().to_string(), "302500.01");
    }
}

mod several {
    use super::*;

    #[test]
    fn tapes_of_different_kinds_form_one_run_in_their_order() {
        let comma = tape(&[good("A"), "bad,row".to_owned()]);
        let semicolons = format!("Title\n{}\n{}\n", HEADER.replace(',', ";"), good("B").replace(',', ";"));
        let aliases = "FICO\tLoan #\tUPB\tRate\tLTV\tProp Type\tDTI\tOcc\tPurpose\n720\tC\t$60,000\t6.5\t80\tSF\t35\tP\tP\n";
        let tapes = [("b/tape.csv", comma.as_bytes()), ("a/tape.csv", semicolons.as_bytes()), ("tape.csv", aliases.as_bytes())];
        let finished = run_tapes(&tapes, &RuleSet::built_in(), TUNING).unwrap();
        assert_whole(&finished);
        let facts = facts(&finished);
        assert_eq!(column(&facts, "seller_loan_number"), ["A", "UNKNOWN", "B", "C"]);
        assert_eq!(column(&facts, "source_file"), ["b/tape.csv", "b/tape.csv", "a/tape.csv", "tape.csv"]);
        assert_eq!(column(&facts, "line"), ["2", "3", "3", "2"]);
        assert_eq!(total_balance(&finished), "560000");
        let delimiters: Vec<_> = finished.outcome.mappings.iter().map(|mapping| mapping.delimiter).collect();
        assert_eq!(delimiters, [Some(','), Some(';'), Some('\t')]);
        for (name, bytes) in tapes {
            assert_eq!(finished.files[&format!("archive/{name}")], bytes);
        }
    }
}

mod rules {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_exact() {
        for (column, passes) in [
            ("loan_amount", &["50000", "50,000.00", "5000000", "4999999.99"][..]),
            ("ltv_ratio", &["97", "97.0", "97.000000000000", "97.00000000000001", "5"]),
            ("dti_ratio", &["0", "50", "50.00%"]),
            ("credit_score", &["620", "850", "620.0"]),
            ("note_rate", &["1", "1.0", "15", "15.000"]),
            ("purchase_price", &["0.01"]),
            ("appraisal_value", &["0.000001"]),
        ] {
            for text in passes {
                let finished = run_cell(column, text);
                assert_eq!((bought(&finished).len(), found(&finished).len()), (3, 0), "{column} {text}");
            }
        }
    }

    #[test]
    fn what_lies_beyond_a_bound_fails_with_its_value_and_its_limit() {
        for (column, text, expected, parts) in [
            ("loan_amount", "49999.99", "loan_amount_range | hard | 49999.99 | >= 50000 | 0.01", ["$49,999.99", "$50,000.00"]),
            (
                "loan_amount",
                "5000000.01",
                "loan_amount_range | hard | 5000000.01 | <= 5000000 | 0.01",
                ["$5,000,000.01", "$5,000,000.00"],
            ),
            ("ltv_ratio", "97.01", "ltv_ratio | hard | 97.01 | <= 97.0 | 0.01", ["97.01 %", "97.00 %"]),
            (
                "ltv_ratio",
                "97.0000000001",
                "ltv_ratio | hard | 97.0000000001 | <= 97.0 | 0.0000000001",
                ["97.0000000001 %", "97.00 %"],
            ),
            ("ltv_ratio", "-80", "ltv_ratio | hard | -80 | > 0 | 80", ["-80.00 %", "0.00 %"]),
            ("dti_ratio", "50.01", "dti_ratio | hard | 50.01 | <= 50.0 | 0.01", ["50.01 %", "50.00 %"]),
            ("dti_ratio", "-0.01", "dti_ratio | hard | -0.01 | >= 0 | 0.01", ["-0.01 %", "0.00 %"]),
            ("credit_score", "619", "credit_score | hard | 619 | >= 620 | 1", ["619", "620"]),
            ("credit_score", "851", "credit_score | hard | 851 | <= 850 | 1", ["851", "850"]),
            ("note_rate", "0.99", "note_rate_range | soft | 0.99 | >= 1.0 | 0.01", ["0.99 %", "1.00 %"]),
            ("note_rate", "15.01", "note_rate_range | soft | 15.01 | <= 15.0 | 0.01", ["15.01 %", "15.00 %"]),
            ("purchase_price", "0", "missing_purchase_price | soft | 0 | > 0 | 0", ["$0.00", "above $0.00"]),
            ("appraisal_value", "-1", "missing_appraisal | soft | -1 | > 0 | 1", ["-$1.00", "above $0.00"]),
        ] {
            let finished = run_cell(column, text);
            let exception = only_exception(&finished);
            assert_eq!(told(&exception, "exception_type severity actual limit excess"), expected);
            assert_eq!(exception["seller_loan_number"], "X");
            assert!(parts.iter().all(|part| exception["message"].contains(part)), "{exception:?}");
            assert_eq!(bought(&finished).contains(&"X".to_owned()), exception["severity"] == "soft");
        }
    }

    #[test]
    fn messages_are_written_for_a_seller() {
        let exception = only_exception(&run_cell("ltv_ratio", "97.8"));
        assert_eq!(exception["message"], "LTV 97.80 % is above the maximum 97.00 % (by 0.80)");
    }

    #[test]
    fn every_rule_is_checked_and_rejections_come_in_rule_order() {
        let cells = [
            ("loan_amount", "1"),
            ("note_rate", "16"),
            ("ltv_ratio", "98"),
            ("dti_ratio", "51"),
            ("credit_score", "600"),
            ("property_type", "MH"),
            ("occupancy_status", "vacant"),
            ("loan_purpose", "heloc"),
            ("purchase_price", "0"),
            ("appraisal_value", ""),
        ];
        let finished = run_lines(&[good("A"), loan("X", &cells)]);
        let rows = finished.rows("rejection_report.csv");
        let rules = [
            "loan_amount_range | hard | notebook.loan_amount_out_of_range",
            "ltv_ratio | hard | notebook.ltv_exceeds_maximum",
            "dti_ratio | hard | notebook.dti_exceeds_maximum",
            "credit_score | hard | notebook.credit_score_below_minimum",
            "property_type | hard | notebook.ineligible_property_type",
            "occupancy_status | hard | notebook.ineligible_occupancy",
            "loan_purpose | hard | notebook.ineligible_loan_purpose",
            "missing_purchase_price | soft | notebook.purchase_price_mismatch",
            "missing_appraisal | soft | notebook.appraisal_missing",
            "note_rate_range | soft | notebook.note_rate_out_of_range",
        ];
        let names = "exception_type severity rejection_criteria";
        assert_eq!(rows.iter().map(|row| told(row, names)).collect::<Vec<_>>(), rules);
        let categories = "credit credit credit credit collateral collateral compliance data_quality data_quality pricing";
        assert_eq!(column(&exceptions(&finished), "exception_category").join(" "), categories);
    }

    #[test]
    fn all_validation_failures_of_a_loan_are_told_and_eligibility_is_skipped() {
        let cells = [
            ("loan_amount", "0"),
            ("note_rate", "abc"),
            ("ltv_ratio", "98"),
            ("credit_score", ""),
            ("property_type", "NA"),
            ("dti_ratio", "?"),
            ("appraisal_value", "$"),
            ("loan_purpose", "heloc"),
        ];
        let finished = run_lines(&[good("A"), loan("A", &cells)]);
        let rows = finished.rows("rejection_report.csv");
        let told: Vec<_> = rows.iter().map(|row| (row["exception_type"].as_str(), row["message"].as_str())).collect();
        assert_eq!(told[0], ("missing_field", "Required fields are missing or zero: loan_amount, credit_score, property_type"));
        assert_eq!(column(&rows, "exception_type")[1..], ["invalid_value", "invalid_value", "invalid_value", "duplicate_loan"]);
        for ((_, message), cell) in told[1..4].iter().zip(["Note rate \"abc\"", "DTI \"?\"", "Appraisal value \"$\""]) {
            assert!(message.contains(cell), "{message}");
        }
        assert!(column(&exceptions(&finished), "exception_category").iter().all(|category| category == "data_quality"));
    }

    #[test]
    fn missing_optional_values_say_what_is_wanted() {
        let finished = run_cell("dti_ratio", "");
        let exception = only_exception(&finished);
        assert!(["missing", "0.00 %", "50.00 %"].iter().all(|part| exception["message"].contains(part)), "{exception:?}");
        assert_eq!(finished.rows("rejection_report.csv")[0]["dti_ratio"], "");
    }

    #[test]
    fn projection_policies_hold_loans_back_and_say_why() {
        let lines = [
            loan("low", &[("note_rate", "8.04")]),
            loan("edge", &[("note_rate", "8.05")]),
            loan("soft", &[("note_rate", "9"), ("purchase_price", "")]),
            loan("hard", &[("ltv_ratio", "98")]),
        ];
        for (policy, projected, reasons) in [
            ("minimum_spread = 0.0", &["low"][..], &["-0.0100"][..]),
            ("minimum_spread = 0.01", &["low", "edge"], &["0.0100", "0.0000"]),
            ("minimum_price = 100", &["low"], &["99.9750"]),
            ("hold_on_soft_exceptions = true", &["soft"], &["missing_purchase_price"]),
            ("hold_on_soft_exceptions = false", &[], &[]),
            ("minimum_price = 103\nhold_on_soft_exceptions = true", &["low", "edge", "soft"], &["103", "100.0000", "102.3750"]),
        ] {
            let finished = run_with_rules(&lines, &format!("[projection]\n{policy}"));
            let rows = finished.rows("projected_tape.csv");
            assert_eq!(column(&rows, "seller_loan_number"), projected, "{policy}");
            assert!(rows.iter().all(|row| row["disposition"] == "projected" && !row["final_price"].is_empty()));
            let held: Rows = facts(&finished).into_iter().filter(|fact| fact["disposition"] == "projected").collect();
            for (fact, reason) in held.iter().zip(reasons) {
                assert!(fact["projection_reason"].contains(reason), "{fact:?}");
            }
            assert_eq!(column(&rows, "projection_reason"), column(&held, "projection_reason"), "{policy}");
            assert_eq!(finished.outcome.summary.count(Disposition::Rejected), 1);
        }
    }

    #[test]
    fn nothing_is_projected_by_default_but_what_cannot_be_priced() {
        // A rate without a price is no rate of a note, and those that are have one.
        let rates = [("A", "30"), ("B", "1e-20%"), ("C", "29.9999999999999"), ("X", "1e25"), ("Y", "30.0000000000001")];
        let finished = run_lines(&rates.map(|(number, rate)| loan(number, &[("note_rate", rate)])));
        assert_eq!(bought(&finished), ["A", "B", "C"]);
        assert!(finished.rows("projected_tape.csv").is_empty());
        let found = exceptions(&finished).into_iter().filter(|exception| exception["severity"] == "hard").collect();
        assert_eq!(column(&found, "exception_type"), ["invalid_value"; 2]);
        assert_eq!(column(&found, "actual"), ["1e25", "30.0000000000001"]);
    }
}

mod outputs {
    use super::*;

    #[test]
    fn files_have_their_columns_and_rows() {
        let finished = run_lines(&[
            loan("L1", &[("loan_amount", "$250,000"), ("property_type", "SF")]),
            loan("L2", &[("ltv_ratio", "97.80")]),
        ]);
        let text = |file: &str| String::from_utf8(finished.files[file].clone()).unwrap();
        let columns = format!("{HEADER},disposition,pricing_spread,final_price");
        assert_eq!(
            text("purchase_tape.csv"),
            format!("{columns}\nL1,250000,6.5,80,35,720,sfr,primary,purchase,312500,312500,to_purchase,-1.5500,96.1250\n")
        );
        assert_eq!(text("projected_tape.csv"), format!("{columns},projection_reason\n"));
        assert_eq!(
            text("rejection_report.csv"),
            format!(
                "{columns},exception_type,severity,message,rejection_criteria\n\
                 L2,250000,6.5,97.80,35,720,sfr,primary,purchase,312500,312500,rejected,,,ltv_ratio,hard,\
                 LTV 97.80 % is above the maximum 97.00 % (by 0.80),notebook.ltv_exceeds_maximum\n"
            )
        );
        assert_eq!(
            text("exception_summary.csv"),
            "exception_type,exception_category,severity,count,rejection_criteria,sample_message\n\
             ltv_ratio,credit,hard,1,notebook.ltv_exceeds_maximum,LTV 97.80 % is above the maximum 97.00 % (by 0.80)\n"
        );
    }

    #[test]
    fn prices_are_exact_and_rounded_half_to_even() {
        for (rate, spread, price) in [
            ("8.05", "0.0000", "100.0000"),
            ("8.05005", "0.0000", "100.0001"),
            ("8.05015", "0.0002", "100.0004"),
            ("8.04995", "0.0000", "99.9999"),
            ("0.9999999", "-7.0500", "82.3750"),
            ("12", "3.9500", "109.8750"),
        ] {
            let row = &run_cell("note_rate", rate).rows("purchase_tape.csv")[0];
            assert_eq!(told(row, "pricing_spread final_price"), format!("{spread} | {price}"), "{rate}");
        }
    }

    #[test]
    fn soft_exceptions_of_bought_loans_are_only_summarized() {
        let finished = run_cell("purchase_price", "");
        assert_eq!(bought(&finished), ["X", "GOOD", "TOO"]);
        assert!(finished.rows("rejection_report.csv").is_empty());
        let row = &finished.rows("exception_summary.csv")[0];
        let expected = "missing_purchase_price | data_quality | soft | 1";
        assert_eq!(told(row, "exception_type exception_category severity count"), expected);
    }

    #[test]
    fn cells_that_a_spreadsheet_would_run_are_written_so_that_it_does_not() {
        for (number, written) in [
            ("=1+1", "'=1+1"),
            ("+cmd", "'+cmd"),
            ("-1+2", "'-1+2"),
            ("-x", "'-x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'=1"),
            ("\"\r=1\"", "'=1"),
            ("\"=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"", "'=HYPERLINK(\"http://x\",\"y\")"),
            ("-5", "-5"),
            ("-5.25", "-5.25"),
            ("A=1", "A=1"),
            ("A-1", "A-1"),
        ] {
            let finished = run_tape(format!("{HEADER}\n{number},{GOOD_CELLS}\n")).unwrap();
            assert_eq!(bought(&finished), [written]);
            let rejected = run_tape(format!("{HEADER}\n{number},{}\n", GOOD_CELLS.replace("720", "600"))).unwrap();
            assert_eq!(rejected.rows("rejection_report.csv")[0]["seller_loan_number"], written);
        }
        let cells = [("property_type", "=cmd|' /C calc'!A0"), ("loan_purpose", "@x"), ("occupancy_status", "-y")];
        let row = &run_lines(&[loan("X", &cells)]).rows("rejection_report.csv")[0];
        assert_eq!(told(row, "property_type loan_purpose occupancy_status"), "'=cmd|' /C calc'!A0 | '@x | '-y");
        for text in ["=1+1", "+1+1", "-1-1", "@1"] {
            assert_eq!(run_cell("loan_amount", text).rows("rejection_report.csv")[0]["loan_amount"], format!("'{text}"));
        }
        let formula = "=1+1,2";
        let finished = run_lines(&[formula, &good("A")]);
        assert!(finished.rejections()[0].2.starts_with("Line 2 "), "{:?}", finished.rejections());
        for file in ["rejection_report.csv", "exception_summary.csv"] {
            for row in finished.rows(file) {
                assert!(row.values().all(|cell| !cell.starts_with(['=', '+', '@', '\t', '\r'])), "{row:?}");
            }
        }
    }

    #[test]
    fn stored_facts_are_not_escaped() {
        let finished = run_lines(&[good("=1+1")]);
        assert_eq!(facts(&finished)[0]["seller_loan_number"], "=1+1");
    }

    #[test]
    fn the_exception_summary_is_in_order_of_count_then_type() {
        let bad = |number: u32, column: &str, text: &str| loan(&number.to_string(), &[(column, text)]);
        let finished = run_lines(&[
            bad(1, "purchase_price", ""),
            bad(2, "ltv_ratio", "98"),
            bad(3, "ltv_ratio", "99"),
            bad(4, "credit_score", "600"),
            bad(5, "appraisal_value", ""),
            bad(6, "loan_amount", "1"),
            "malformed".to_owned(),
            bad(8, "credit_score", "601"),
            bad(9, "ltv_ratio", "97.5"),
        ]);
        let rows = finished.rows("exception_summary.csv");
        let counts: Vec<_> = rows.iter().map(|row| told(row, "exception_type count")).collect();
        let expected = "ltv_ratio | 3, credit_score | 2, loan_amount_range | 1, malformed_row | 1, missing_appraisal | 1, \
                        missing_purchase_price | 1";
        assert_eq!(counts.join(", "), expected);
        assert_eq!(rows[0]["sample_message"], "LTV 98.00 % is above the maximum 97.00 % (by 1.00)");
    }

    #[test]
    fn everything_is_in_tape_order_whatever_the_blocks_and_threads() {
        let line = |at: u32| match at % 7 {
            0 => loan(&format!("L{at}"), &[("ltv_ratio", "98")]),
            1 => format!("malformed,{at}"),
            2 => loan("same", &[]),
            3 => loan(&format!("\"L,{at}\""), &[("purchase_price", "")]),
            _ => good(&format!("L{at}")),
        };
        let text = tape(&(0..3_000).map(line).collect::<Vec<_>>());
        let run = |threads, block_bytes| {
            run_tapes(&[("tape.csv", text.as_bytes())], &RuleSet::built_in(), Tuning { threads, block_bytes }).unwrap()
        };
        let one = run(1, 1 << 20);
        assert_whole(&one);
        assert!(facts(&one).iter().zip(2..).all(|(fact, line)| fact["line"] == line.to_string()));
        for (threads, block_bytes) in [(4, 100), (3, 4_096), (2, 65_536)] {
            assert!(one.files == run(threads, block_bytes).files, "{threads} threads, {block_bytes} bytes");
        }
    }
}

mod hostile {
    use super::*;

    /// Runs a tape with small and with large blocks, which must agree; checks that nothing is lost or left unexplained.
    #[track_caller]
    fn survive(name: &str, bytes: &[u8]) -> Result<Finished, RunError> {
        let run = |threads, block_bytes| run_tapes(&[("tape.csv", bytes)], &RuleSet::built_in(), Tuning { threads, block_bytes });
        match (run(1, 64 * 1024), run(2, 8 << 20)) {
            (Ok(small), Ok(large)) => {
                assert!(small.files == large.files, "{name}: the size of blocks shows");
                assert_whole(&small);
                Ok(small)
            }
            (Err(small), Err(large)) => {
                assert_eq!(small, large, "{name}");
                assert_ne!(small.code, RunErrorCode::Internal, "{name}: {small}");
                Err(small)
            }
            (small, large) => panic!("{name}: {:?}, {:?}", small.err(), large.err()),
        }
    }

    #[test]
    fn odd_tapes_lose_no_loan() {
        let with = |lines: &[String]| tape(lines).into_bytes();
        let (a, b) = (good("A"), good("B"));
        for (name, bytes, loans, numbers) in [
            ("a NUL in a kept cell", format!("{HEADER},N\n{a},\0\n{b},x\0y\n").into_bytes(), 2, &["A", "B"][..]),
            ("a NUL in a number", with(&[good("A\0B"), good("A"), good("B\0")]), 3, &["A\0B", "A", "B"]),
            ("a NUL line", with(&[a.clone(), "\0".into(), b.clone()]), 2, &["A", "B"]),
            ("a line of quotes", with(&[a.clone(), "\"\"\"\"\"\"".into(), b.clone()]), 3, &["A", "B"]),
            ("one quote", with(&[a.clone(), "\"".into(), b.clone()]), 3, &["A", "B"]),
            ("Ctrl-Z at the end", with(&[a.clone(), b.clone(), "\x1a".into()]), 2, &["A", "B"]),
            ("delimiters only", with(&[a.clone(), ",".repeat(10), ",".repeat(5_000), b.clone()]), 2, &["A", "B"]),
            ("delimiters of another tape", with(&[a.clone(), ";;;;".into(), b.clone()]), 3, &["A", "B"]),
            ("a mark in the middle", with(&[a.clone(), format!("\u{feff}{HEADER}"), b.clone()]), 2, &["A", "B"]),
            ("a mark before a number", with(&[a.clone(), format!("\u{feff}{b}")]), 2, &["A", "B"]),
            ("a misread mark before a number", with(&[a.clone(), format!("ï»¿{b}")]), 2, &["A", "B"]),
            ("two marks", format!("\u{feff}\u{feff}{HEADER}\n{a}\n").into_bytes(), 1, &["A"]),
            ("lone returns inside lines", with(&[good("A\rB"), good("\"C\rD\"")]), 3, &["B", "C\rD"]),
            ("no line break at the end", with(&[a.clone(), "B,x".into()]), 2, &["A"]),
            (
                "totals below",
                with(&[a.clone(), b.clone(), "Total,500000,,,,,,,,,".into(), ",,,,,,,,,,2 loans".into()]),
                2,
                &["A", "B"],
            ),
            ("long number", with(&[good(&"9".repeat(100_000)), b.clone()]), 2, &[&"9".repeat(100_000), "B"]),
            ("long words", with(&[loan("A", &[("property_type", &"x".repeat(100_000))]), b.clone()]), 2, &["B"]),
            ("long digits", with(&[loan("A", &[("loan_amount", &"1".repeat(100_000))]), b.clone()]), 2, &["B"]),
            ("long exponent", with(&[loan("A", &[("loan_amount", "1e99999999999999999999")]), b.clone()]), 2, &["B"]),
            (
                "a million blank lines",
                [HEADER, &"\n".repeat(1_000_000), &a, &"\r\n".repeat(10), &b].concat().into_bytes(),
                2,
                &["A", "B"],
            ),
            (
                "many short lines",
                with(&[vec!["x".to_owned(); 500], vec![b.clone(); 500], vec!["x".to_owned(); 20_000]].concat()),
                21_000,
                &["B"],
            ),
            ("doubled quotes without end", with(&[a.clone(), "\"".repeat(65_537), b.clone()]), 3, &["A", "B"]),
            ("a field of line breaks", with(&[a.clone(), format!("\"{}", "\n".repeat(300)), b.clone()]), 3, &["A", "B"]),
        ] {
            let finished = survive(name, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(finished.outcome.summary.total_loans(), loans, "{name}");
            assert_eq!(bought(&finished), numbers, "{name}");
        }
    }

    #[test]
    fn a_row_that_is_too_long_is_explained_and_spoils_nothing_else() {
        for (letter, length) in [
            ("x", (4 << 20) - 1),
            ("x", 4 << 20),
            ("x", (4 << 20) + 1),
            ("x", (4 << 20) + 100_000),
            ("é", 3 << 20),
            ("🏠", 3 << 19),
        ] {
            for shift in [0, 1, 10_000] {
                let row = "-".repeat(shift) + &letter.repeat(length);
                let finished = survive(&format!("{length} {letter}"), tape(&[good("A"), row, good("B")]).as_bytes());
                let finished = finished.unwrap_or_else(|error| panic!("{length} {letter} behind {shift}: {error}"));
                assert_eq!(fates(&finished)[1..], [fate("UNKNOWN", "rejected", 3), fate("B", "to_purchase", 4)]);
                let exception = only_exception(&finished);
                assert_eq!((exception["exception_type"].as_str(), exception["actual"].chars().count()), ("malformed_row", 200));
            }
        }
    }

    #[test]
    fn hopeless_tapes_fail_with_a_reason() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        for (name, bytes, code) in [
            ("NULs", vec![0; 10_000], RunErrorCode::NoHeader),
            ("a mark and NULs", [&[0xff, 0xfe][..], &[0; 100]].concat(), RunErrorCode::NoHeader),
            ("half a mark", vec![0xef, 0xbb], RunErrorCode::NoHeader),
            ("UTF-16 without a mark or loans", utf16(HEADER), RunErrorCode::NoDataRows),
            ("quotes", vec![b'"'; 1_000_000], RunErrorCode::NoHeader),
            ("a line without end", vec![b'x'; 10 << 20], RunErrorCode::NoHeader),
            ("delimiters", vec![b','; 100_000], RunErrorCode::NoHeader),
            ("Ctrl-Z", vec![0x1a], RunErrorCode::NoHeader),
            (
                "random bytes",
                (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
                RunErrorCode::NoHeader,
            ),
        ] {
            let Err(error) = survive(name, &bytes) else { panic!("{name} is a tape") };
            assert_eq!(error.code, code, "{name}: {error}");
            assert_eq!((error.phase, error.source_file.as_deref()), (Phase::Ingest, Some("tape.csv")));
        }
    }
}
