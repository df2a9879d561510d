//! Facts and exceptions of a block in memory, column by column.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decimal::Decimal,
    loan::{CellValue, Field, MANY_UNITS, NUMBERS, OrdinaryLoan, WORDS, WordCell},
    phases::{
        disposition::{Decided, Disposition},
        pricing::Price,
    },
    tape::aliases::Aliases,
    ten_thousandths::TenThousandths,
};

use super::{
    decimals::{NUMBER_TYPES, PRICE},
    standard::StandardColumn,
    waterfall::{CodedTexts, WaterfallColumns},
};

/// A column with a text in every row: all texts one after the other in one buffer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct TextColumn {
    #[serde(with = "super::stored_bytes")]
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

/// How large a column of texts is.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextSize {
    texts: usize,
    bytes: usize,
}

impl TextColumn {
    #[inline]
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        // A block holds far less than 4 GiB.
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    /// Makes room for as many texts and bytes as another column has.
    pub fn reserve_as(&mut self, size: TextSize) {
        // A little more, so that a block that is slightly larger does not copy all its texts.
        self.ends.reserve(size.texts + size.texts / 8);
        self.bytes.reserve(size.bytes + size.bytes / 8);
    }

    pub fn size(&self) -> TextSize {
        TextSize { texts: self.ends.len(), bytes: self.bytes.len() }
    }

    /// The text of a row.
    #[inline]
    pub fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.bytes[start..self.ends[row] as usize]
    }

    /// Number of bytes of the texts in a range of rows.
    pub fn bytes(&self, rows: &Range<usize>) -> usize {
        let end = |row: usize| if row == 0 { 0 } else { self.ends[row - 1] as usize };
        end(rows.end) - end(rows.start)
    }

    /// Replaces the last byte of the last text with `text`.
    fn replace_last_byte(&mut self, text: &str) {
        self.bytes.pop();
        self.bytes.extend_from_slice(text.as_bytes());
        if let Some(end) = self.ends.last_mut() {
            *end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the column has no texts.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// A column of texts in which most rows have none.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SparseText {
    rows: Vec<u32>,
    texts: TextColumn,
}

impl SparseText {
    pub(super) fn push(&mut self, row: u32, text: &str) {
        self.rows.push(row);
        self.texts.push(text);
    }

    /// Adds members to the JSON object of `row`, which must not come before an earlier row. Creates the object if the row has
    /// none.
    pub fn add_members(&mut self, row: u32, members: &[String]) {
        if members.is_empty() {
            return;
        }
        let members = members.join(",");
        if self.rows.last() == Some(&row) {
            self.texts.replace_last_byte(&format!(",{members}}}"));
        } else {
            self.push(row, &format!("{{{members}}}"));
        }
    }

    /// The texts of a range of rows, each with its row.
    pub fn range(&self, rows: &Range<usize>) -> impl Iterator<Item = (usize, &[u8])> {
        self.places(rows).map(|at| (self.rows[at] as usize, self.texts.get(at)))
    }

    /// Number of bytes of the texts in a range of rows.
    pub fn bytes(&self, rows: &Range<usize>) -> usize {
        self.texts.bytes(&self.places(rows))
    }

    fn places(&self, rows: &Range<usize>) -> Range<usize> {
        let place = |row: usize| self.rows.partition_point(|at| (*at as usize) < row);
        place(rows.start)..place(rows.end)
    }
}

/// A column of numbers in the scale of the column, in which some rows have none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberColumn {
    /// A value for each row; zero for a row without a number.
    pub values: Vec<i64>,
    /// The rows without a number, in order.
    pub nulls: Vec<u32>,
}

impl NumberColumn {
    /// Those of the given rows that have no number, in order.
    pub fn nulls(&self, rows: &Range<usize>) -> impl Iterator<Item = usize> {
        let from = self.nulls.partition_point(|row| (*row as usize) < rows.start);
        let end = rows.end;
        self.nulls[from..].iter().map(|row| *row as usize).take_while(move |row| *row < end)
    }

    /// Appends the number of a row.
    #[inline]
    pub fn push(&mut self, value: Option<i64>) {
        if value.is_none() {
            self.nulls.push(row_number(self.values.len()));
        }
        self.values.push(value.unwrap_or(0));
    }
}

/// A column of words of a vocabulary.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct WordColumn {
    /// For each row the place of a canonical word in its vocabulary, [`WordColumn::MISSING`] or [`WordColumn::OTHER`].
    #[serde(with = "super::stored_bytes")]
    pub codes: Vec<u8>,
    /// Words of the rows marked [`WordColumn::OTHER`], in order.
    pub others: TextColumn,
}

impl WordColumn {
    /// Marks a row that has no word.
    pub const MISSING: u8 = 254;
    /// Marks a row whose word is in no vocabulary.
    pub const OTHER: u8 = 255;

    /// Number of these rows with a word that is in no vocabulary.
    pub fn count_others(&self, rows: Range<usize>) -> usize {
        if self.others.is_empty() { 0 } else { self.codes[rows].iter().filter(|code| **code == Self::OTHER).count() }
    }

    /// Number of bytes of the words in a range of rows that are in no vocabulary.
    fn bytes(&self, rows: &Range<usize>) -> usize {
        let first = self.count_others(0..rows.start);
        self.others.bytes(&(first..first + self.count_others(rows.clone())))
    }

    #[inline]
    fn push(&mut self, word: WordCell<'_>) {
        self.codes.push(match word {
            WordCell::Known(code) => code,
            WordCell::Missing => Self::MISSING,
            WordCell::Other(written) => {
                self.others.push(written);
                Self::OTHER
            }
            WordCell::ManyUnits { .. } => {
                self.others.push(MANY_UNITS);
                Self::OTHER
            }
        });
    }
}

/// Facts: the loans of one block.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FactColumns {
    /// Index of the block's tape among the tapes of the run.
    pub tape: u32,
    /// Line of each loan.
    pub lines: Vec<i64>,
    /// Loan numbers, as outputs show them.
    pub loan_numbers: TextColumn,
    /// Numbers, each in its type of [`NUMBER_TYPES`]. A number that does not fit exactly is rounded half to even.
    pub numbers: [NumberColumn; NUMBERS],
    pub words: [WordColumn; WORDS],
    /// Columns of the standard fields that the tape has.
    pub standard: Vec<StandardColumn>,
    /// Dispositions, as their place in `Disposition::ALL`.
    #[serde(with = "super::stored_bytes")]
    pub dispositions: Vec<u8>,
    /// Spreads, in ten-thousandths.
    pub pricing_spread: NumberColumn,
    /// Prices, in ten-thousandths.
    pub final_price: NumberColumn,
    /// How prices came about; `None` for a rule set that does not adjust prices.
    pub waterfall: Option<WaterfallColumns>,
    /// Best programs; `None` for a rule set without programs.
    pub programs: Option<CodedTexts>,
    /// Reasons why projected loans are held.
    pub projection_reason: SparseText,
    /// Cells that could not be read, as they were written: a JSON object by field.
    pub as_written: SparseText,
    /// Numbers that the columns do not hold exactly: a JSON object by field.
    pub exact_values: SparseText,
    /// Cells of the tape's columns that are only kept: a JSON object by name.
    pub source_columns: SparseText,
}

impl FactColumns {
    /// Makes room for `rows` loans.
    pub fn reserve(&mut self, rows: usize) {
        self.lines.reserve(rows);
        self.loan_numbers.ends.reserve(rows);
        self.loan_numbers.bytes.reserve(rows * 16);
        for column in self.numbers.iter_mut().chain([&mut self.pricing_spread, &mut self.final_price]) {
            column.values.reserve(rows);
        }
        for column in &mut self.words {
            column.codes.reserve(rows);
        }
        self.dispositions.reserve(rows);
    }

    /// Appends a loan. Its kept columns and standard fields, if the tape has any, must have been added before.
    #[inline]
    pub fn push(&mut self, decided: &Decided<'_, '_>) {
        let loan = decided.loan;
        let row = row_number(self.lines.len());
        self.lines.push(i64::try_from(loan.line).unwrap_or(i64::MAX));
        self.loan_numbers.push(loan.shown_number());
        let mut odd = false;
        for ((column, cell), stored) in self.numbers.iter_mut().zip(&loan.numbers).zip(NUMBER_TYPES) {
            let exact = cell.value().and_then(|value| stored.exact(value));
            if exact.is_none() && cell.reading != CellValue::Missing {
                odd = true;
                column.push(cell.value().and_then(|value| stored.rounded(value)));
            } else {
                column.push(exact);
            }
        }
        for (at, (column, word)) in self.words.iter_mut().zip(loan.words).enumerate() {
            column.push(word);
            odd |= matches!(word, WordCell::Other(written) if is_canonical(at, written));
        }
        self.dispositions.push(decided.disposition as u8);
        if let Some(programs) = &mut self.programs {
            programs.codes.push(decided.program.map_or(CodedTexts::NONE, |program| program.index.into()));
        }
        let fitting = |number: TenThousandths| Some(number.0).filter(|mantissa| PRICE.fits(*mantissa));
        let prices = [decided.pricing_spread, decided.price.map(|price| price.final_price)];
        let [spread, final_price] = prices.map(|number| number.and_then(fitting));
        self.pricing_spread.push(spread);
        self.final_price.push(final_price);
        odd |= [spread, final_price].map(|stored| stored.is_some()) != prices.map(|number| number.is_some());
        if let Some(reason) = &decided.projection_reason {
            self.projection_reason.push(row, reason);
        }
        if odd {
            let numbers = loan.numbers.iter().map(|cell| match cell.reading {
                CellValue::Unreadable(_) => Some(cell.written),
                CellValue::Value(_) | CellValue::Missing => None,
            });
            let words = loan.words.iter().enumerate().map(|(at, word)| match word {
                WordCell::Other(written) => Some(*written).filter(|written| is_canonical(at, written)),
                WordCell::Missing | WordCell::Known(_) | WordCell::ManyUnits { .. } => None,
            });
            let fields = Field::NUMERIC.into_iter().chain(Field::WORDED);
            self.push_as_written(row, fields.zip(numbers.chain(words)));
            self.push_exact_values(row, loan.numbers.iter().map(|cell| cell.value()), prices);
        }
    }

    /// Appends an ordinary loan that is bought.
    #[inline]
    pub fn push_bought(&mut self, loan: &OrdinaryLoan<'_>, price: Price) {
        let row = row_number(self.lines.len());
        self.lines.push(i64::try_from(loan.line).unwrap_or(i64::MAX));
        self.loan_numbers.push(loan.seller_loan_number);
        let mut odd = false;
        for ((column, micros), stored) in self.numbers.iter_mut().zip(loan.micros).zip(NUMBER_TYPES) {
            match stored.exact_micros(micros) {
                Some(mantissa) => column.values.push(mantissa),
                None => {
                    odd = true;
                    column.push(stored.rounded(Decimal::from_micros(micros)));
                }
            }
        }
        self.words.iter_mut().zip(loan.codes).for_each(|(column, code)| column.codes.push(code));
        self.dispositions.push(Disposition::ToPurchase as u8);
        for (column, number) in [(&mut self.pricing_spread, price.pricing_spread), (&mut self.final_price, price.final_price)] {
            let fits = PRICE.fits(number.0);
            odd |= !fits;
            column.push(fits.then_some(number.0));
        }
        if odd {
            let numbers = loan.micros.into_iter().map(|micros| Some(Decimal::from_micros(micros)));
            self.push_exact_values(row, numbers, [price.pricing_spread, price.final_price].map(Some));
        }
    }

    /// Adds the kept columns of the loan that is appended next, as a JSON object.
    pub fn push_source_columns(&mut self, object: &str) {
        self.source_columns.push(row_number(self.lines.len()), object);
    }

    /// Adds the cells that could not be read, and the canonical words that the tape's profile does not know.
    #[cold]
    fn push_as_written<'t>(&mut self, row: u32, cells: impl Iterator<Item = (Field, Option<&'t str>)>) {
        let members = cells.filter_map(|(field, written)| Some(format!("\"{field}\":{}", Value::from(written?))));
        self.as_written.add_members(row, &members.collect::<Vec<_>>());
    }

    /// Adds the numbers that their columns do not hold exactly. `numbers` are in the order of [`Field::NUMERIC`]; `prices` are
    /// the spread and the price.
    #[cold]
    fn push_exact_values(
        &mut self,
        row: u32,
        numbers: impl Iterator<Item = Option<Decimal>>,
        prices: [Option<TenThousandths>; 2],
    ) {
        let numbers = Field::NUMERIC.into_iter().map(Field::name).zip(numbers).zip(NUMBER_TYPES);
        let prices = ["pricing_spread", "final_price"].into_iter().zip(prices);
        let prices = prices.map(|(name, number)| ((name, number.map(TenThousandths::decimal)), PRICE));
        let members = numbers.chain(prices).filter_map(|((name, value), stored)| {
            let value = value.filter(|value| stored.exact(*value).is_none())?;
            Some(format!("\"{name}\":{value}"))
        });
        self.exact_values.add_members(row, &members.collect::<Vec<_>>());
    }

    /// Number of bytes of text in a range of loans.
    pub fn text_bytes(&self, rows: &Range<usize>) -> usize {
        let sparse = [&self.projection_reason, &self.as_written, &self.exact_values, &self.source_columns];
        let words: usize = self.words.iter().map(|column| column.bytes(rows)).sum();
        self.loan_numbers.bytes(rows) + words + sparse.map(|column| column.bytes(rows)).iter().sum::<usize>()
    }

    /// Index of the row that is appended next.
    pub fn next_row(&self) -> u32 {
        row_number(self.lines.len())
    }

    /// Number of loans.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether the block has no loans.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Whether a word of a loan is written as a canonical word, which only a profile with words of its own leaves unknown.
fn is_canonical(at: usize, written: &str) -> bool {
    Aliases::built_in().vocabularies()[at].canonical().iter().any(|word| word == written)
}

/// A block holds far fewer than 2^32 rows.
pub(super) fn row_number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        loan::{Loan, NumberCell},
        phases::{
            judge,
            pricing::{IrrTarget, Pricing},
        },
        rules::rule_set::RuleSet,
    };

    /// Facts of loans that have nothing but one of these cells in `field`.
    fn facts_of(field: Field, cells: &[&str]) -> FactColumns {
        let (rules, mut columns) = (RuleSet::built_in(), FactColumns::default());
        let at = Field::NUMERIC.into_iter().position(|other| other == field).unwrap();
        for cell in cells {
            let mut loan = Loan::empty(2);
            // Set directly, because reading a tape rejects a note rate of so many digits.
            let reading = CellValue::Value(cell.parse().unwrap());
            loan.numbers[at] = NumberCell { reading, written: cell, plain: false };
            columns.push(&judge(&loan, None, rules, &Pricing::new(rules, IrrTarget::DEFAULT, jiff::civil::date(2026, 2, 2))));
        }
        columns
    }

    #[test]
    fn a_number_that_its_column_does_not_hold_stands_in_exact_values() {
        // The column of the note rate holds every rate that a tape may have.
        for (at, field) in Field::NUMERIC.into_iter().enumerate().filter(|(_, field)| *field != Field::NoteRate) {
            let stored = NUMBER_TYPES[at];
            let (scale, whole) = (usize::from(stored.scale), usize::from(stored.precision - stored.scale));
            // The largest number, the same below zero, one digit too many before the point, two with one digit too many after it,
            // and one that no longer fits once it is rounded.
            let largest = format!("{}.{}", "9".repeat(whole), "9".repeat(scale));
            let cells = [
                largest.clone(),
                format!("-{largest}"),
                format!("1{}", "0".repeat(whole)),
                format!("2.{}25", "0".repeat(scale - 1)),
                format!("2.{}15", "0".repeat(scale - 1)),
                format!("{largest}9"),
            ];
            let columns = facts_of(field, &cells.each_ref().map(String::as_str));
            let (most, unit) = (10_i64.pow(u32::from(stored.precision)) - 1, 10_i64.pow(u32::from(stored.scale)));
            assert_eq!(columns.numbers[at].values, [most, -most, 0, 2 * unit + 2, 2 * unit + 2, 0], "{field}");
            assert_eq!(columns.numbers[at].nulls, [2, 5], "{field}");
            let exact: Vec<_> = columns.exact_values.range(&(0..6)).collect();
            let expected = [2, 3, 4, 5].map(|row| (row, format!("{{\"{field}\":{}}}", cells[row]).into_bytes()));
            assert!(exact.iter().copied().eq(expected.iter().map(|(row, text)| (*row, text.as_slice()))), "{field}: {exact:?}");
            assert!(columns.as_written.range(&(0..6)).next().is_none());
        }
    }

    /// A loan with these numbers, all of them whole millionths, and words that pass; in its full and its short form.
    fn ordinary<'t>(texts: [&'t str; NUMBERS]) -> (Loan<'t>, OrdinaryLoan<'t>) {
        let micros = texts.map(|text| text.parse::<Decimal>().unwrap().micros().unwrap());
        let mut loan = Loan { seller_loan_number: Some("L-1".into()), ..Loan::empty(7) };
        loan.numbers = std::array::from_fn(|at| NumberCell::ordinary(micros[at], texts[at]));
        loan.words = [WordCell::Known(0); WORDS];
        (loan, OrdinaryLoan { line: 7, seller_loan_number: "L-1", micros, codes: [0; WORDS] })
    }

    #[test]
    fn an_ordinary_loan_is_stored_as_the_same_loan_is_otherwise() {
        let rules = RuleSet::from_toml("[rules]\nnote_rate_range = false").unwrap();
        for (amount, rate, score, appraisal) in [
            ("250000.01", "6.123456", "720", "312500"),
            ("250000.015", "6.5", "720.12345", "999999999999.999999"),
            ("250000.025", "999.999999", "720.5", "0.000001"),
            // At this rate the price has more digits than its column.
            ("250000", "60000", "720", "312500"),
        ] {
            let (loan, short_loan) = ordinary([amount, rate, "80", "35", score, "312500", appraisal]);
            let decided = judge(&loan, None, &rules, &Pricing::new(&rules, IrrTarget::DEFAULT, jiff::civil::date(2026, 2, 2)));
            assert_eq!(decided.disposition, Disposition::ToPurchase, "{:?}", decided.exceptions);
            let (mut long, mut short) = (FactColumns::default(), FactColumns::default());
            long.push(&decided);
            short.push_bought(&short_loan, decided.price.unwrap());
            assert_eq!(format!("{long:?}"), format!("{short:?}"));
            let exact = long.exact_values.range(&(0..1)).next().map(|(_, text)| String::from_utf8_lossy(text).into_owned());
            let exact = exact.unwrap_or_default();
            let expected = match rate {
                "6.123456" => "",
                "6.5" => r#"{"loan_amount":250000.015,"credit_score":720.12345,"appraisal_value":999999999999.999999}"#,
                "999.999999" => r#"{"loan_amount":250000.025,"appraisal_value":0.000001}"#,
                _ => r#"{"note_rate":60000,"final_price":150079.875}"#,
            };
            assert_eq!(exact, expected);
        }
    }
}
