//! Encodings, delimiters, quotation marks and line ends of tapes.

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

/// The text in each supported encoding, with the name of the encoding.
fn encoded(text: &str) -> Vec<(Encoding, Vec<u8>)> {
    let units: Vec<u16> = format!("\u{feff}{text}").encode_utf16().collect();
    let windows = |c: char| if c == '€' { 0x80 } else { u8::try_from(u32::from(c)).unwrap() };
    vec![
        (Encoding::Utf8, text.as_bytes().to_vec()),
        (Encoding::Utf8, format!("\u{feff}{text}").into_bytes()),
        (Encoding::Utf16Le, units.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
        (Encoding::Utf16Be, units.iter().flat_map(|unit| unit.to_be_bytes()).collect()),
        // Without the byte order mark.
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
            let finished = run_tapes(&[("t.csv", &bytes)], RuleSet::built_in(), tuning).unwrap();
            assert_eq!(finished.outcome.mappings[0].encoding, Some(encoding));
            assert_eq!(bought(&finished), ["Zürich-1", "Ñ"], "{encoding:?}");
            assert_eq!(finished.outcome.mappings[0].columns[11].name, "Straße");
            let notes: Vec<_> = facts(&finished).iter().map(|fact| kept(fact)["Straße"].clone()).collect();
            assert_eq!(notes, ["5 €", "é,ü"]);
            assert_eq!(finished.files["archive/t.csv"], bytes);
        }
    }
}

/// A tape of this number of ASCII loans between two more loans, which have these bytes as their loan numbers.
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
