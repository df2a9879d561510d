//! Cells and headers that mean harm.

use super::*;

/// Runs a tape with small and with large blocks. Asserts that the results agree, and that nothing is lost or unexplained.
#[track_caller]
fn survive(name: &str, bytes: &[u8]) -> Result<Finished, RunError> {
    let run = |threads, block_bytes| run_tapes(&[("tape.csv", bytes)], RuleSet::built_in(), Tuning { threads, block_bytes });
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
    for (letter, length) in
        [("x", (4 << 20) - 1), ("x", 4 << 20), ("x", (4 << 20) + 1), ("x", (4 << 20) + 100_000), ("é", 3 << 20), ("🏠", 3 << 19)]
    {
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
        ("random bytes", (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect(), RunErrorCode::NoHeader),
    ] {
        let Err(error) = survive(name, &bytes) else { panic!("{name} is a tape") };
        assert_eq!(error.code, code, "{name}: {error}");
        assert_eq!((error.phase, error.source_file.as_deref()), (Phase::Ingest, Some("tape.csv")));
    }
}
