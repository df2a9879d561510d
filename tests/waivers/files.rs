//! Files of waivers: what they may say, and every mistake with its line and column.

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use shared::{
    rules::rule_set::{RuleSet, RuleSetFile},
    waivers::{MAX_WAIVER_BYTES, WaivedBy, WaiverFile},
};

use super::{COLUMNS, PDATE};

/// The mistakes of a file: line, column, message.
fn mistakes(name: &str, bytes: &[u8]) -> Vec<(u64, usize, String)> {
    let error = WaiverFile::new(name, bytes.to_vec()).waivers(RuleSet::built_in()).map(drop).unwrap_err();
    error
        .0
        .into_iter()
        .map(|of| (of.place.map_or(0, |(line, _)| line), of.place.map_or(0, |(_, column)| column), of.message))
        .collect()
}

/// Files with one mistake each: the lines below the header, the place, and a part of the message.
const MISTAKES: [(&str, u64, usize, &str); 16] = [
    (
        "L-1,ltv,reason,me,2026-12-31",
        2,
        2,
        "\"ltv\" is no exception type of the rule set; its types are loan_amount_range, ltv_ratio",
    ),
    ("L-1,missing_field,reason,me,2026-12-31", 2, 2, "missing_field cannot be waived"),
    ("L-1,invalid_value,reason,me,2026-12-31", 2, 2, "cannot be waived"),
    ("L-1,duplicate_loan,reason,me,2026-12-31", 2, 2, "cannot be waived"),
    ("L-1,malformed_row,reason,me,2026-12-31", 2, 2, "cannot be waived"),
    ("L-1,waiver_expired,reason,me,2026-12-31", 2, 2, "cannot be waived"),
    ("L-1,ltv_ratio,,me,2026-12-31", 2, 3, "reason is empty"),
    ("L-1,ltv_ratio,reason,,2026-12-31", 2, 4, "approved_by is empty"),
    (",ltv_ratio,reason,me,2026-12-31", 2, 1, "seller_loan_number is empty"),
    ("L-1,,reason,me,2026-12-31", 2, 2, "exception_type is empty"),
    ("L-1,ltv_ratio,reason,me,", 2, 5, "expires is empty: write YYYY-MM-DD"),
    ("L-1,ltv_ratio,reason,me", 2, 5, "expires is empty"),
    ("L-1,ltv_ratio,reason,me,12/31/2026", 2, 5, "\"12/31/2026\" is no date: write YYYY-MM-DD"),
    ("L-1,ltv_ratio,reason,me,2026-02-30", 2, 5, "is no date"),
    ("L-1,ltv_ratio,reason,me,2026-12-31,more", 2, 6, "\"more\" is below no column"),
    (
        "L-1,ltv_ratio,reason,me,2026-12-31\nL-2,ltv_ratio,reason,me,2026-12-31\nL-1,ltv_ratio,other,me,2027-12-31",
        4,
        1,
        "the waiver of ltv_ratio for loan L-1 is on line 2, too",
    ),
];

#[test]
fn each_mistake_is_named_with_its_line_and_column() {
    for (lines, line, column, message) in MISTAKES {
        let found = mistakes("w.csv", format!("{COLUMNS}\n{lines}\n").as_bytes());
        assert_eq!(found.len(), 1, "{lines}: {found:?}");
        assert!(found[0].0 == line && found[0].1 == column && found[0].2.contains(message), "{lines}: {found:?}");
    }
}

#[test]
fn all_mistakes_are_named_at_once_in_the_order_of_the_lines() {
    let text = format!("{COLUMNS}\n,x,,,\n\nL-1,ltv_ratio,why,me,2026-12-31\nL-2,dti,why,me,soon\n");
    let places: Vec<_> = mistakes("w.csv", text.as_bytes()).iter().map(|(line, column, _)| (*line, *column)).collect();
    assert_eq!(places, [(2, 1), (2, 2), (2, 3), (2, 4), (2, 5), (5, 2), (5, 5)]);
}

#[test]
fn the_header_names_each_column_once() {
    for (header, expected) in [
        ("seller_loan_number,exception_type,reason,approved_by", (1, 5, "the header has no column expires")),
        ("seller_loan_number,exception_type,reason,approved_by,expires,note", (1, 6, "\"note\" is no column of waivers")),
        ("seller_loan_number,exception_type,reason,approved_by,expires,Reason", (1, 6, "the column reason is there twice")),
    ] {
        let found = mistakes("w.csv", format!("{header}\nL-1,ltv_ratio,why,me,2026-12-31\n").as_bytes());
        let (line, column, message) = expected;
        assert!(
            found.len() == 1 && found[0].0 == line && found[0].1 == column && found[0].2.contains(message),
            "{header}: {found:?}"
        );
    }
    assert!(mistakes("w.csv", b"\n\n")[0].2.contains("no text"));
    assert!(mistakes("w.csv", b"")[0].2.contains("empty"));
}

#[test]
fn a_file_of_waivers_is_a_csv_or_xlsx_file_of_bounded_size() {
    assert!(mistakes("w.txt", b"x")[0].2.contains("ends with .csv or .xlsx"));
    assert!(mistakes("w.xlsx", b"no workbook")[0].2.contains("cannot be read"));
    assert!(mistakes("w.csv", &xlsx(&[]))[0].2.contains("name it .xlsx"));
    assert!(mistakes("w.csv", &vec![b'x'; MAX_WAIVER_BYTES as usize + 1])[0].2.contains("at most 5 MiB"));
    let line = "L-1,ltv_ratio,why,me,2026-12-31\n";
    let lines: String = (0..99_999).map(|at| line.replacen("L-1", &format!("L-{at}"), 1)).collect();
    let most = format!("{COLUMNS}\n{lines}");
    assert!(most.len() < MAX_WAIVER_BYTES as usize);
    let file = WaiverFile::new("w.csv", most.clone().into_bytes());
    assert_eq!(file.waivers(RuleSet::built_in()).unwrap().all().len(), 99_999);
    assert!(mistakes("w.csv", (most + line).as_bytes())[0].2.contains("at most 100,000 lines"));
}

/// A workbook with these rows below the header; the last cell is a date cell.
fn xlsx(rows: &[[&str; 4]]) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let dated = Format::new().set_num_format("mm/dd/yyyy");
    for (column, name) in (0..).zip(COLUMNS.split(',')) {
        sheet.write_string(0, column, name).unwrap();
    }
    for (at, row) in (1..).zip(rows) {
        for (column, cell) in (0..).zip(row) {
            sheet.write_string(at, column, *cell).unwrap();
        }
        sheet.write_datetime_with_format(at, 4, ExcelDateTime::from_ymd(2026, 12, 31).unwrap(), &dated).unwrap();
    }
    book.save_to_buffer().unwrap()
}

#[test]
fn a_workbook_says_the_same_as_a_csv_file_with_other_delimiters_and_columns() {
    let book = xlsx(&[["0004", "ltv_ratio", "12 months, of reserves", "J. Doe"]]);
    let csv = "\u{feff}Expires;Approved By;Reason;Exception Type;Seller Loan Number\r\n2026-12-31;J. Doe;12 months, of reserves;ltv_ratio;0004\r\n";
    for (name, bytes) in [("w.xlsx", book), ("dir/W.CSV", csv.as_bytes().to_vec())] {
        let waivers = WaiverFile::new(name, bytes).waivers(RuleSet::built_in()).unwrap();
        let [waiver] = waivers.of("0004") else { panic!("{name}") };
        let expires = "2026-12-31".parse().unwrap();
        let shown = WaivedBy { reason: "12 months, of reserves".to_owned(), approved_by: "J. Doe".to_owned(), expires };
        assert_eq!((waiver.shown(), waiver.line, waiver.exception_type.as_str()), (shown, 2, "ltv_ratio"));
        assert!(!waiver.is_expired(expires) && waiver.is_expired(expires.tomorrow().unwrap()) && !waiver.is_expired(PDATE));
        assert!(waivers.of("4").is_empty());
    }
    let broken = xlsx(&[["1", "ltv_ratio", "", "me"], ["2", "dti", "why", "me"]]);
    let places: Vec<_> = mistakes("w.xlsx", &broken).iter().map(|(line, column, _)| (*line, *column)).collect();
    assert_eq!(places, [(2, 3), (3, 2)]);
}

#[test]
fn the_types_are_those_of_the_rule_set_and_its_programs() {
    let own = "name = \"own\"\n[[rule]]\nname = \"coverage\"\nrequire = { dscr = { min = 1 } }\n";
    let mut file = RuleSetFile::new("best.toml", "programs = [\"own.toml\"]\n".to_owned());
    file.files.insert("own.toml", own.as_bytes());
    let lines = format!(
        "{COLUMNS}\nL-1,coverage,why,me,2026-12-31\nL-1,undetermined,why,me,2026-12-31\nL-1,ltv_consistency,why,me,2026-12-31\n"
    );
    for rules in [RuleSet::from_toml(own).unwrap(), file.rules().unwrap()] {
        assert_eq!(WaiverFile::new("w.csv", lines.clone().into_bytes()).waivers(&rules).unwrap().of("L-1").len(), 3);
    }
    assert!(mistakes("w.csv", lines.as_bytes())[0].2.contains("\"coverage\" is no exception type"));
}
