//! Records that are not loans, and rows that are not as wide as the header.

use crate::support::tape_rows::{fate, fates, noticed, tape};

use super::*;

/// Runs a tape of two good loans with this line between them and at the end.
#[track_caller]
fn context(line: &str) -> Finished {
    read(tape(&[good("A"), line.to_owned(), good("B"), line.to_owned()]), 4)
}

#[test]
fn totals_and_averages_are_no_loans() {
    for line in [
        "Total,500000,,,,,,,,,",
        "TOTALS:,500000,6.5,80,35,720,,,,,",
        "Grand Total,500000,,,,,,,,,",
        "Sub-Total,500000,,,,,,,,,",
        "ARM Total,500000,,,,,,,,,",
        "Total (2 loans),500000,,,,,,,,,",
        "Total: 2,500000,,,,,,,,,",
        "Average,250000,6.5,80,35,720,,,,,",
        "Weighted Average,250000,6.5,80,35,720,,,,,",
        "Wtd Average,250000,6.5,80,35,720,,,,,",
        "WAVG,250000,6.5,80,35,720,,,,,",
        "Min,250000,6.5,80,35,720,,,,,",
        "Maximum:,250000,6.5,80,35,720,,,,,",
        "Count,2,,,,,,,,,",
        "Sum,500000,6.5,80,35,720,sfr,primary,purchase,312500,312500",
        ",500000,6.5,80,35,720,Total,,,,",
        ",500000,6.5,80,35,720,,,pool subtotal,,",
        "N/A,500000,,,,,Grand total of the pool,,,,",
    ] {
        let finished = context(line);
        assert_eq!(fates(&finished), [fate("A", "to_purchase", 2), fate("B", "to_purchase", 4)], "{line}");
        assert_eq!(noticed(&finished), ["not_a_loan 3", "not_a_loan 5"], "{line}");
        let shown = &finished.outcome.notices.kept()[0].message;
        assert!(shown.contains(line), "{shown}");
        assert_eq!(serde_json::to_string(&finished.outcome.summary.total_balance()).unwrap(), "500000");
        assert!(finished.rows("rejection_report.csv").is_empty());
    }
}

#[test]
fn loans_that_are_called_like_totals_are_loans() {
    for number in ["Totalis-1", "Summit", "Maxwell", "Counts", "Total-1", "Subtotals1", "Average Joe", "Minnie", "Total Recall 2"]
    {
        let finished = read(tape(&[good(number), good("B")]), 2);
        assert_eq!(bought(&finished), [number, "B"]);
    }
    // If a row has a loan number, words in its other columns do not matter.
    let text = format!("{HEADER},Program\n{},Total Return\n{},Average\n", good("A"), good("B"));
    assert_eq!(bought(&read(text, 2)), ["A", "B"]);
}

#[test]
fn notes_marks_and_rules_below_the_loans_are_no_loans() {
    for line in [
        "(3 rows affected)",
        "(2 row(s) affected)",
        "Prepared by the seller's desk",
        "-----------,-----------,-----------,-----------,-----------,-----------,-----------,-----------,-----------,-----------,----",
        "===,===,===,===,===,===,===,===,===,===,===",
        "*****",
        "\u{1a}",
        "\0\0\0\0",
        "EOF",
        "End of File",
        "TRL,2,500000,,,,,,,,",
        "HDR,20260131,SELLER,,,,,,,,",
        "Trailer,2,,,,,,,,,",
        ",,,,,,,see the note,,,",
        ",,,,,,,,,,2 loans",
    ] {
        let finished = context(line);
        assert_eq!(bought(&finished), ["A", "B"], "{line:?}");
        assert_eq!((fates(&finished).len(), notices(&finished)), (2, vec!["not_a_loan 2".to_owned()]), "{line:?}");
    }
}

#[test]
fn a_last_mark_without_a_line_end_is_no_loan() {
    for mark in ["\u{1a}", "\0\0\0", "(2 rows affected)"] {
        let finished = read(tape(&[good("A"), good("B"), mark.to_owned()]), 3);
        assert_eq!((bought(&finished).len(), notices(&finished)), (2, vec!["not_a_loan 1".to_owned()]), "{mark:?}");
    }
    // A mark directly behind the last loan is not part of the loan.
    let finished = read(tape(&goods(&["A", "B"])) + "\u{1a}", 2);
    assert_eq!(bought(&finished), ["A", "B"]);
}

#[test]
fn a_row_of_units_below_the_header_is_no_loan() {
    for units in [
        "text,$,%,%,%,number,text,text,text,$,$",
        ",($),(%),(%),(%),,,,,USD,USD",
        "varchar,decimal,decimal,decimal,decimal,int,char,char,char,decimal,decimal",
        "char(10),\"decimal(14,2)\",decimal(9),(%),[%],int(3),varchar(20),char (1),char(1),decimal,\"decimal(14, 2)\"",
    ] {
        let finished = read(tape(&[units.to_owned(), good("A"), good("B")]), 3);
        assert_eq!(bought(&finished), ["A", "B"], "{units}");
        assert_eq!(noticed(&finished), ["not_a_loan 2"]);
    }
}

#[test]
fn a_loan_with_faults_is_a_loan() {
    for (line, reason) in [
        (loan("", &[]), "UNKNOWN | missing_field | missing"),
        (",250000,,,,,,,,,".to_owned(), "UNKNOWN | missing_field | missing"),
        ("X,,,,,,,,,,".to_owned(), "X | missing_field | missing"),
        (loan("X", &[("loan_amount", "lots")]), "X | invalid_value | lots"),
        ("sold".to_owned(), "UNKNOWN | malformed_row | sold"),
    ] {
        let finished = read(tape(&[good("A"), line.clone(), good("B")]), 3);
        assert_eq!(
            (bought(&finished), reasons(&finished)),
            (vec!["A".to_owned(), "B".to_owned()], vec![reason.to_owned()]),
            "{line}"
        );
    }
}

#[test]
fn an_equal_header_is_told_and_read_over() {
    let spaced = HEADER.to_uppercase().replace('_', " ");
    let quoted = format!("\"{}\"", HEADER.replace(',', "\",\""));
    for header in [HEADER, &spaced, &quoted, &format!(" {} ", HEADER.replace(',', " , "))] {
        let finished = context(header);
        assert_eq!(fates(&finished), [fate("A", "to_purchase", 2), fate("B", "to_purchase", 4)], "{header}");
        assert_eq!(noticed(&finished), ["header_again 3", "header_again 5"], "{header}");
    }
}

#[test]
fn another_header_below_fails_the_run_with_both_lines() {
    let columns: Vec<&str> = HEADER.split(',').collect();
    let mut swapped = columns.clone();
    swapped.swap(3, 4);
    for header in [
        swapped.join(","),
        format!("{HEADER},County"),
        columns[..10].join(","),
        HEADER.replace("loan_amount", "UPB"),
        "Loan ID,Amount,x,y,z,a,b,c,d,e,f".to_owned(),
        "x,UPB,Rate,FICO,,,,,,,".to_owned(),
    ] {
        for at in [1, 3] {
            let mut rows = goods(&["A", "B", "C", "D"]);
            rows.insert(at, header.clone());
            rows.push(HEADER.replace("loan_amount", "Balance"));
            let (code, message) = refusal(tape(&rows));
            assert_eq!(code, RunErrorCode::SecondHeader, "{header}");
            assert!(message.contains(&format!("{}", at + 2)) && message.contains('1'), "{message}");
        }
    }
}

#[test]
fn words_that_are_also_headers_make_no_header_of_a_loan() {
    // `ID` is a state, `Principal` an occupancy, `Purchase` a purpose.
    let text = format!(
        "{HEADER},State,Notes\n{},ID,Principal\n{},ID,Rate\n",
        loan("A", &[("occupancy_status", "Principal")]),
        good("B")
    );
    assert_eq!(bought(&read(text, 2)), ["A", "B"]);
}

#[test]
fn an_empty_field_more_on_most_rows_is_the_width_of_the_tape() {
    let more = |number: &str| good(number) + ",";
    let finished = read(tape(&[more("A"), more("B"), more("C"), good("D")]), 4);
    assert_eq!(bought(&finished), ["A", "B", "C", "D"]);
    let finished = read(tape(&[good("A") + ",,,", good("B") + ",,,", good("C")]), 3);
    assert_eq!(bought(&finished), ["A", "B", "C"]);
    // Here the header has the empty fields instead.
    let finished = read(format!("{HEADER},,\n{}\n", goods(&["A", "B", "C"]).join("\n")), 3);
    assert_eq!(bought(&finished), ["A", "B", "C"]);
}

#[test]
fn a_surplus_field_of_some_rows_is_malformed() {
    for surplus in [",", ",x", ",,"] {
        let finished = read(tape(&[good("A"), good("B") + surplus, good("C")]), 3);
        assert_eq!(bought(&finished), ["A", "C"], "{surplus}");
        assert_eq!(column(&exceptions(&finished), "exception_type"), ["malformed_row"], "{surplus}");
    }
    // A surplus field that is not empty makes its row malformed in any tape.
    let more = |number: &str| good(number) + ",";
    let finished = read(tape(&[more("A"), more("B"), good("C") + ",x"]), 3);
    assert_eq!(
        (bought(&finished), column(&exceptions(&finished), "exception_type")),
        (vec!["A".to_owned(), "B".to_owned()], vec!["malformed_row".to_owned()])
    );
}

#[test]
fn most_rows_with_a_field_more_fail_the_run() {
    for surplus in [",x", ",1,2"] {
        let rows: Vec<String> = goods(&["A", "B", "C"]).iter().map(|row| row.clone() + surplus).collect();
        let (code, message) = refusal(tape(&rows));
        assert_eq!(code, RunErrorCode::RowsDoNotFit, "{surplus}");
        assert!(message.contains("The header has 11 columns") && message.contains("3 of 3 rows"), "{message}");
    }
    let rows: Vec<String> = goods(&["A", "B", "C"]).iter().map(|row| row.rsplit_once(",primary").unwrap().0.to_owned()).collect();
    assert_eq!(refusal(tape(&[rows, goods(&["D"])].concat())).0, RunErrorCode::RowsDoNotFit);
}

#[test]
fn a_tail_of_optional_columns_may_be_missing() {
    let short = |number: &str, fields: usize| good(number).split(',').take(fields).collect::<Vec<_>>().join(",");
    let finished = read(tape(&[good("A"), short("B", 9), short("C", 10), good("D")]), 4);
    assert_eq!(bought(&finished), ["A", "B", "C", "D"]);
    assert_eq!(notices(&finished), ["short_rows 2"]);
    assert_eq!(
        column(&exceptions(&finished), "exception_type"),
        ["missing_purchase_price", "missing_appraisal", "missing_appraisal"]
    );
    // Kept columns may be missing behind any column, even behind a number.
    let text =
        "loan id,prop type,rate,ltv,upb,fico,Note,County\nA,sfr,6.5,80,250000,720,x,y\nB,sfr,6.5,80,250000,720\nC,sfr,6.5,80,250000,720,x\n".to_owned();
    let finished = read(text, 3);
    assert_eq!(notices(&finished), ["short_rows 2"]);
}

#[test]
fn a_row_that_may_be_cut_in_a_number_is_malformed() {
    let short = |number: &str, fields: usize| good(number).split(',').take(fields).collect::<Vec<_>>().join(",");
    for fields in 1..9 {
        let finished = read(tape(&[good("A"), good("B"), short("C", fields)]) + "\n", 3);
        assert_eq!(bought(&finished), ["A", "B"], "{fields}");
        assert_eq!(column(&exceptions(&finished), "exception_type"), ["malformed_row"], "{fields}");
    }
    // A number at the end of a short row may have lost digits.
    let header = "loan id,prop type,occupancy,purpose,dti,rate,ltv,fico,upb,sales price,appraised value";
    let whole = |number: &str| format!("{number},sfr,P,P,35,6.5,80,720,250000,312500,312500");
    let finished = read(format!("{header}\n{}\n{}\nC,sfr,P,P,35,6.5,80,720,25000\n", whole("A"), whole("B")), 3);
    assert_eq!(bought(&finished), ["A", "B"]);
    // A short last line without a line end is malformed as well, wherever it stops.
    let finished = read(tape(&[good("A"), good("B"), short("C", 9)]), 3);
    assert_eq!((bought(&finished).len(), notices(&finished)), (2, vec![]));
}

#[test]
fn marks_in_front_of_a_record_are_seen_whatever_stands_around_them() {
    let header = format!("Record,{HEADER}");
    for mark in ["TRL", " TRL", "'TRL", "\u{a0}EOF", " hdr", "trailer"] {
        let text = format!("{header}\nD,{}\nD,{}\n{mark},{}\n", good("1001"), good("1002"), good("3"));
        let finished = read(text, 3);
        assert_eq!(
            (bought(&finished), notices(&finished)),
            (["1001", "1002"].map(str::to_owned).to_vec(), vec!["not_a_loan 1".to_owned()]),
            "{mark:?}"
        );
    }
}

#[test]
fn another_header_is_one_however_its_number_and_a_price_look() {
    for header in [
        "Loan_2,UPB,Note Rate,DTI,LTV,FICO,Property Type,Occupancy,Purpose,2025 Price,Appraisal Value",
        "B2,$UPB,Note Rate,LTV,DTI,FICO,Property Type,Occupancy,Purpose,Price,Value",
        "A1,250000,Note Rate,LTV,DTI,FICO,Property Type,Occupancy,Purpose,312500,312500",
    ] {
        let text = format!("{HEADER}\n{}\n{header}\n{}\n", good("1001"), good("1002"));
        let (code, message) = refusal(text);
        assert_eq!(code, RunErrorCode::SecondHeader, "{message}");
    }
}
