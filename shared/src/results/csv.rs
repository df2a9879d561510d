//! The four output files as CSV, written so that a spreadsheet shows them and runs none of them.

use std::borrow::Cow;

use crate::{
    decimal::Decimal,
    loan::{Field, Loan, NumberCell, Reading, WordCell},
    phases::{Exception, disposition::Decided, disposition::Disposition, pricing::TenThousandths},
    rules::canonical_word,
};

/// One of the four output files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutputFile {
    /// The loans that are bought.
    PurchaseTape,
    /// The loans that are kept for later.
    ProjectedTape,
    /// The loans that are turned down, a row for each exception.
    RejectionReport,
    /// How often each exception was found.
    ExceptionSummary,
}

impl OutputFile {
    /// All four.
    pub const ALL: [Self; 4] = [Self::PurchaseTape, Self::ProjectedTape, Self::RejectionReport, Self::ExceptionSummary];

    /// The stable key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::PurchaseTape => "purchase_tape",
            Self::ProjectedTape => "projected_tape",
            Self::RejectionReport => "rejection_report",
            Self::ExceptionSummary => "exception_summary",
        }
    }

    /// The file name.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::PurchaseTape => "purchase_tape.csv",
            Self::ProjectedTape => "projected_tape.csv",
            Self::RejectionReport => "rejection_report.csv",
            Self::ExceptionSummary => "exception_summary.csv",
        }
    }

    /// The header row.
    pub fn header(self) -> Vec<u8> {
        let loan = || Field::ALL.iter().map(|f| f.name()).chain(["disposition", "pricing_spread", "final_price"]);
        let columns: Vec<&str> = match self {
            Self::PurchaseTape | Self::ProjectedTape => loan().collect(),
            Self::RejectionReport => loan().chain(["exception_type", "severity", "message", "rejection_criteria"]).collect(),
            Self::ExceptionSummary => {
                vec!["exception_type", "exception_category", "severity", "count", "rejection_criteria", "sample_message"]
            }
        };
        let mut header = columns.join(",").into_bytes();
        header.push(b'\n');
        header
    }
}

/// Appends a text as one CSV cell.
///
/// Text that a spreadsheet would run as a formula gets an apostrophe in front, which spreadsheets take for "this is text".
/// A negative number is no formula.
#[inline]
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_special(out, text);
    }
}

/// Whether a cell needs neither quotes nor an apostrophe.
#[inline]
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|b| PLAIN[usize::from(*b)]) && !bytes.first().is_some_and(|b| matches!(b, b'+' | b'-'))
}

/// Bytes that need no care anywhere in a cell; `+` and `-` need it in front only.
static PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let care = b",\"\n\r\t=@";
    let mut i = 0;
    while i < care.len() {
        plain[care[i] as usize] = false;
        i += 1;
    }
    plain
};

#[cold]
fn push_special(out: &mut Vec<u8>, text: &str) {
    let guarded = if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) };
    if guarded.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r')) {
        out.push(b'"');
        out.extend_from_slice(guarded.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(guarded.as_bytes());
    }
}

/// Whether a spreadsheet would run the text.
pub fn is_formula(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'=' | b'@' | b'\t' | b'\r') => true,
        Some(b'+' | b'-') => text.parse::<Decimal>().is_err(),
        _ => false,
    }
}

/// Appends the canonical cells and the decision of a loan, without the line break.
pub fn push_loan(out: &mut Vec<u8>, decided: &Decided<'_, '_>) {
    push_canonical(out, decided.loan);
    out.push(b',');
    out.extend_from_slice(decided.disposition.as_str().as_bytes());
    out.push(b',');
    if let Some(price) = decided.price {
        push_ten_thousandths(out, price.pricing_spread);
    }
    out.push(b',');
    if let Some(price) = decided.price {
        push_ten_thousandths(out, price.final_price);
    }
}

fn push_canonical(out: &mut Vec<u8>, loan: &Loan<'_>) {
    let number = loan.shown_number();
    let [head, tail] = loan.side_by_side.unwrap_or_default();
    let plain = |cells: &[NumberCell<'_>]| cells.iter().all(|cell| cell.plain);
    if !head.is_empty() && plain(&loan.numbers[..5]) && loan.seller_loan_number.is_some() && is_plain(number) {
        out.extend_from_slice(head.as_bytes());
    } else {
        push_text(out, number);
        push_numbers(out, &loan.numbers[..5]);
    }
    for (at, word) in loan.words.iter().enumerate() {
        out.push(b',');
        match word {
            WordCell::Missing => {}
            WordCell::Known(code) => out.extend_from_slice(canonical_word(at, *code).as_bytes()),
            WordCell::Other(written) => push_text(out, written),
        }
    }
    if !tail.is_empty() && plain(&loan.numbers[5..]) {
        out.push(b',');
        out.extend_from_slice(tail.as_bytes());
    } else {
        push_numbers(out, &loan.numbers[5..]);
    }
}

fn push_numbers(out: &mut Vec<u8>, cells: &[NumberCell<'_>]) {
    for cell in cells {
        out.push(b',');
        push_number(out, cell);
    }
}

#[inline]
fn push_number(out: &mut Vec<u8>, cell: &NumberCell<'_>) {
    match cell.reading {
        Reading::Value(_) if cell.plain => out.extend_from_slice(cell.written.as_bytes()),
        Reading::Value(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Reading::Missing => {}
        Reading::Unreadable(_) => push_text(out, cell.written),
    }
}

/// Appends a price or a spread with its four decimals.
fn push_ten_thousandths(out: &mut Vec<u8>, value: TenThousandths) {
    if value.0 < 0 {
        out.push(b'-');
    }
    let magnitude = value.0.unsigned_abs();
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = magnitude / 10_000;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    let fraction = magnitude % 10_000;
    let digit = |unit: u64| b'0' + (fraction / unit % 10) as u8;
    out.extend_from_slice(&[b'.', digit(1_000), digit(100), digit(10), digit(1)]);
}

/// The rows of one block for the three files that list loans.
#[derive(Debug, Default)]
pub struct LoanRows {
    /// Rows of the purchase tape.
    pub purchase: Vec<u8>,
    /// Rows of the projected tape.
    pub projected: Vec<u8>,
    /// Rows of the rejection report.
    pub rejection: Vec<u8>,
}

impl LoanRows {
    /// Appends a loan to the file that it belongs to.
    pub fn push(&mut self, decided: &Decided<'_, '_>) {
        match decided.disposition {
            Disposition::ToPurchase => push_line(&mut self.purchase, decided),
            Disposition::Projected => push_line(&mut self.projected, decided),
            Disposition::Rejected => {
                let start = self.rejection.len();
                push_loan(&mut self.rejection, decided);
                let cells = start..self.rejection.len();
                for (at, exception) in decided.exceptions.iter().enumerate() {
                    if at > 0 {
                        self.rejection.extend_from_within(cells.clone());
                    }
                    push_exception(&mut self.rejection, exception);
                }
            }
        }
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.purchase.clear();
        self.projected.clear();
        self.rejection.clear();
    }
}

fn push_line(out: &mut Vec<u8>, decided: &Decided<'_, '_>) {
    push_loan(out, decided);
    out.push(b'\n');
}

fn push_exception(out: &mut Vec<u8>, exception: &Exception) {
    let kind = exception.exception_type.kind();
    for text in [kind.name, exception.severity.as_str(), &exception.evidence.message, kind.rejection_criteria] {
        out.push(b',');
        push_text(out, text);
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell(text: &str) -> String {
        let mut out = Vec::new();
        push_text(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn formulas_become_text() {
        for (text, written) in [
            ("=1+1", "'=1+1"),
            ("+cmd", "'+cmd"),
            ("-cmd", "'-cmd"),
            ("-1+2", "'-1+2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("-5.00", "-5.00"),
            ("+7", "+7"),
            ("a=b", "a=b"),
            ("SLN-1", "SLN-1"),
        ] {
            assert_eq!(cell(text), written, "{text}");
        }
    }

    #[test]
    fn prices_have_four_decimals() {
        let shown = |value: i64| {
            let mut out = Vec::new();
            push_ten_thousandths(&mut out, TenThousandths(value));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            [0, 5, -5, -15_500, 961_250, i64::MIN].map(shown),
            ["0.0000", "0.0005", "-0.0005", "-1.5500", "96.1250", "-922337203685477.5808"]
        );
    }

    #[test]
    fn the_columns_are_written_in_the_order_of_the_header() {
        // What `push_canonical` takes for granted: the number, five numbers, the words, two numbers.
        assert_eq!(Field::ALL[1..6], Field::NUMERIC[..5]);
        assert_eq!(Field::ALL[6..9], Field::WORDED);
        assert_eq!(Field::ALL[9..], Field::NUMERIC[5..]);
    }

    proptest! {
        #[test]
        fn a_cell_is_read_again_as_it_was(text in "[ -~é\n\r\t]{0,12}") {
            let line = format!("{},x\n", cell(&text));
            let row = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes()).records().next().unwrap().unwrap();
            let guarded = if is_formula(&text) { format!("'{text}") } else { text };
            prop_assert_eq!(&row[0], guarded.as_str());
            prop_assert_eq!(&row[1], "x");
        }
    }
}
