//! Cells and rows of CSV files, written so that a spreadsheet shows them as text and never runs a cell as a formula.

use std::sync::LazyLock;

use crate::{
    decimal::Decimal,
    loan::{CellValue, Loan, MANY_UNITS, NumberCell, OrdinaryLoan, WORDS, WordCell},
    phases::{
        Exception,
        disposition::{Decided, Disposition},
        pricing::Price,
    },
    rules::canonical_word,
    tape::aliases::Aliases,
    ten_thousandths::TenThousandths,
};
use memchr::{memchr, memchr3};

/// Appends a text as one CSV cell.
///
/// Text that a spreadsheet would run as a formula gets an apostrophe in front, which marks it as text in spreadsheets. A signed
/// number is not a formula.
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
    // The loop always reads the whole cell: stopping early would cost more than it saves.
    bytes.iter().fold(true, |plain, b| plain & PLAIN[usize::from(*b)]) && !matches!(bytes.first(), Some(b'+' | b'-'))
}

/// Bytes that need neither quotes nor an apostrophe anywhere in a cell. `+` and `-` are special only as the first byte.
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
    let quoted = memchr3(b',', b'"', b'\n', text.as_bytes()).is_some() || text.contains('\r');
    if quoted {
        out.push(b'"');
    }
    if is_formula(text) {
        out.push(b'\'');
    }
    let mut rest = text.as_bytes();
    while let Some(mark) = memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=mark]);
        out.push(b'"');
        rest = &rest[mark + 1..];
    }
    out.extend_from_slice(rest);
    if quoted {
        out.push(b'"');
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
    let shown = match decided.disposition {
        Disposition::ToPurchase => TO_PURCHASE,
        Disposition::Projected => b",projected,",
        Disposition::Rejected => b",rejected,",
    };
    out.extend_from_slice(shown);
    match (decided.price, decided.pricing_spread) {
        (Some(price), _) => push_price(out, price),
        (None, spread) => {
            // A loan that could not be priced has a spread nevertheless.
            spread.into_iter().for_each(|spread| push_ten_thousandths(out, spread));
            out.push(b',');
        }
    }
}

const TO_PURCHASE: &[u8] = b",to_purchase,";

/// Appends a price, a spread or points with four decimals.
#[inline]
pub(super) fn push_ten_thousandths(out: &mut Vec<u8>, value: TenThousandths) {
    let mut room = [0; TEN_THOUSANDTHS_ROOM];
    let at = write_ten_thousandths(&mut room, value);
    out.extend_from_slice(&room[at..]);
}

/// Appends spread and price, separated by a comma.
#[inline]
fn push_price(out: &mut Vec<u8>, price: Price) {
    // Both numbers are written from the end backwards into one buffer.
    let mut room = [0; 2 * TEN_THOUSANDTHS_ROOM + 1];
    let at = write_ten_thousandths(&mut room, price.final_price) - 1;
    room[at] = b',';
    let at = write_ten_thousandths(&mut room[..at], price.pricing_spread);
    out.extend_from_slice(&room[at..]);
}

fn push_canonical(out: &mut Vec<u8>, loan: &Loan<'_>) {
    push_text(out, loan.shown_number());
    push_numbers(out, &loan.numbers[..5]);
    for (at, word) in loan.words.iter().enumerate() {
        out.push(b',');
        match word {
            WordCell::Missing => {}
            WordCell::Known(code) => out.extend_from_slice(canonical_word(at, *code).as_bytes()),
            WordCell::Other(written) => push_text(out, written),
            WordCell::ManyUnits { .. } => push_text(out, MANY_UNITS),
        }
    }
    push_numbers(out, &loan.numbers[5..]);
}

/// Cells of the words for each combination of words, with a comma on either side, so that one copy replaces seven.
struct WordCells {
    cells: Vec<Vec<u8>>,
    sizes: [usize; WORDS],
}

impl WordCells {
    fn of(codes: &[u8; WORDS]) -> &'static [u8] {
        static CELLS: LazyLock<WordCells> = LazyLock::new(WordCells::new);
        let at = codes.iter().zip(CELLS.sizes).fold(0, |at, (code, size)| at * size + usize::from(*code));
        CELLS.cells.get(at).map_or(b"", Vec::as_slice)
    }

    fn new() -> Self {
        let vocabularies = Aliases::built_in().vocabularies();
        let [first, second, third] = [0, 1, 2].map(|at| vocabularies[at].canonical());
        let mut cells = Vec::new();
        for (a, b) in first.iter().flat_map(|a| second.iter().map(move |b| (a, b))) {
            cells.extend(third.iter().map(|c| format!(",{a},{b},{c},").into_bytes()));
        }
        Self { cells, sizes: [first.len(), second.len(), third.len()] }
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
        CellValue::Value(_) if cell.plain => out.extend_from_slice(cell.written.as_bytes()),
        CellValue::Value(value) => out.extend_from_slice(value.with_min_decimals(0).as_bytes()),
        CellValue::Missing => {}
        CellValue::Unreadable(_) => push_text(out, cell.written),
    }
}

/// Maximum number of bytes of a price or a spread.
const TEN_THOUSANDTHS_ROOM: usize = 21;

/// Writes a price or a spread with four decimals at the end of `room`. Returns the index of its first byte.
#[inline]
fn write_ten_thousandths(room: &mut [u8], value: TenThousandths) -> usize {
    let magnitude = value.0.unsigned_abs();
    let (mut whole, fraction) = (magnitude / 10_000, magnitude % 10_000);
    let mut at = room.len() - 5;
    let ([a, b], [c, d]) = (pair(fraction / 100), pair(fraction % 100));
    room[at..].copy_from_slice(&[b'.', a, b, c, d]);
    while whole >= 100 {
        at -= 2;
        room[at..at + 2].copy_from_slice(&pair(whole % 100));
        whole /= 100;
    }
    let [tens, ones] = pair(whole);
    at -= 1;
    room[at] = ones;
    if tens != b'0' {
        at -= 1;
        room[at] = tens;
    }
    if value.0 < 0 {
        at -= 1;
        room[at] = b'-';
    }
    at
}

/// The two digits of a number below one hundred.
#[inline]
fn pair(number: u64) -> [u8; 2] {
    static PAIRS: [[u8; 2]; 100] = {
        let mut pairs = [[0; 2]; 100];
        let mut number = 0;
        while number < 100 {
            pairs[number] = [b'0' + number as u8 / 10, b'0' + number as u8 % 10];
            number += 1;
        }
        pairs
    };
    PAIRS[number as usize % 100]
}

/// Appends the row of a loan to the purchase tape.
pub(super) fn push_purchase(out: &mut Vec<u8>, decided: &Decided<'_, '_>) {
    push_loan(out, decided);
    out.push(b'\n');
}

/// Appends the row of an ordinary loan to the purchase tape. `numbers` are the cells of its numbers as written in the tape,
/// separated by commas: first loan amount to credit score, then purchase price and appraisal value.
#[inline]
pub(super) fn push_bought(out: &mut Vec<u8>, loan: &OrdinaryLoan<'_>, numbers: [&[u8]; 2], price: Price) {
    push_text(out, loan.seller_loan_number);
    out.push(b',');
    out.extend_from_slice(numbers[0]);
    out.extend_from_slice(WordCells::of(&loan.codes));
    out.extend_from_slice(numbers[1]);
    out.extend_from_slice(TO_PURCHASE);
    push_price(out, price);
    out.push(b'\n');
}

/// Appends the row of a projected loan, which ends with the reason.
pub(super) fn push_projected(out: &mut Vec<u8>, decided: &Decided<'_, '_>) {
    push_loan(out, decided);
    out.push(b',');
    push_text(out, decided.projection_reason.as_deref().unwrap_or_default());
    out.push(b'\n');
}

/// Appends the rows of a rejected loan, one for each exception.
pub(super) fn push_rejection(out: &mut Vec<u8>, decided: &Decided<'_, '_>) {
    let start = out.len();
    push_loan(out, decided);
    let cells = start..out.len();
    for (at, exception) in decided.exceptions.iter().filter(|exception| !exception.is_waived()).enumerate() {
        if at > 0 {
            out.extend_from_within(cells.clone());
        }
        push_exception(out, exception);
        if decided.eligible_in.is_some() {
            out.push(b',');
            push_text(out, exception.program.map_or("", |program| program.name));
        }
        out.push(b'\n');
    }
}

fn push_exception(out: &mut Vec<u8>, exception: &Exception<'_>) {
    let kind = exception.kind;
    for name in [&kind.name, exception.severity.as_str()] {
        out.push(b',');
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b',');
    push_text(out, &exception.evidence.message);
    out.push(b',');
    out.extend_from_slice(kind.rejection_criteria.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{loan::Field, rules::ExceptionType};

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
            let mut room = [0; TEN_THOUSANDTHS_ROOM];
            let at = write_ten_thousandths(&mut room, TenThousandths(value));
            String::from_utf8(room[at..].to_vec()).unwrap()
        };
        assert_eq!(
            [0, 5, -5, -15_500, 961_250, i64::MIN].map(shown),
            ["0.0000", "0.0005", "-0.0005", "-1.5500", "96.1250", "-922337203685477.5808"]
        );
    }

    #[test]
    fn names_that_stand_in_reports_need_no_care() {
        for kind in ExceptionType::ALL.map(ExceptionType::kind) {
            assert!([&kind.name, &kind.rejection_criteria].into_iter().all(|text| is_plain(text)), "{}", kind.name);
        }
    }

    #[test]
    fn words_are_copied_as_they_are_written_one_by_one() {
        for codes in [[0, 0, 0], [4, 2, 2], [1, 0, 2]] {
            let words: Vec<&str> = codes.iter().enumerate().map(|(at, code)| canonical_word(at, *code)).collect();
            assert_eq!(WordCells::of(&codes), format!(",{},", words.join(",")).as_bytes());
        }
    }

    #[test]
    fn the_columns_are_written_in_the_order_of_the_header() {
        // `push_canonical` assumes this order: the loan number, five numbers, the words, two numbers.
        assert_eq!(Field::CANONICAL[1..6], Field::NUMERIC[..5]);
        assert_eq!(Field::CANONICAL[6..9], Field::WORDED);
        assert_eq!(Field::CANONICAL[9..], Field::NUMERIC[5..]);
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
