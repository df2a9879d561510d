//! The output files.

use super::*;

#[test]
fn files_have_their_columns_and_rows() {
    let finished =
        run_lines(&[loan("L1", &[("loan_amount", "$250,000"), ("property_type", "SF")]), loan("L2", &[("ltv_ratio", "97.80")])]);
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
        run_tapes(&[("tape.csv", text.as_bytes())], RuleSet::built_in(), Tuning { threads, block_bytes }).unwrap()
    };
    let one = run(1, 1 << 20);
    assert_whole(&one);
    assert!(facts(&one).iter().zip(2..).all(|(fact, line)| fact["line"] == line.to_string()));
    for (threads, block_bytes) in [(4, 100), (3, 4_096), (2, 65_536)] {
        assert!(one.files == run(threads, block_bytes).files, "{threads} threads, {block_bytes} bytes");
    }
}
