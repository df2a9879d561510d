//! Translates cells by a profile: its words, its numbers, its words for a missing value, its constants.

use std::borrow::Cow;

use crate::{
    decimal::Decimal,
    loan::{ColumnField, Field, Unit},
};

use super::{
    aliases::{Aliases, fold_word},
    cell::content,
    header::Header,
    number::parse_number,
    options::{FieldColumn, NumberStyle, TapeOptions},
};

/// What a profile makes of the cells of a tape before they are read.
#[derive(Debug)]
pub struct Translation {
    columns: Vec<TranslatedColumn>,
    /// The cells of constants, which follow those of the tape.
    constants: Vec<String>,
    width: usize,
}

#[derive(Debug)]
struct TranslatedColumn {
    at: usize,
    unit: Unit,
    style: Option<NumberStyle>,
    times: Option<Decimal>,
    missing: Vec<(String, Option<Decimal>)>,
    words: Option<Vec<(String, String)>>,
}

impl Translation {
    /// The translation for a tape; `None` when its cells are read as they are.
    ///
    /// With `is_workbook`, the number style does not apply: a workbook stores plain numbers, regardless of the style in which it
    /// shows them.
    pub fn new(header: &Header, options: &TapeOptions, is_workbook: bool) -> Option<Self> {
        let told = |field: Field| options.columns.iter().find(|column| column.field == field);
        let column = |field: Field| TranslatedColumn::new(header, field, told(field), options.numbers.filter(|_| !is_workbook));
        let declared = options.declared.columns().zip(&options.declared.fields);
        let style = options.numbers.filter(|_| !is_workbook);
        let declared = declared.filter_map(|(column, field)| TranslatedColumn::restyled(header, &column, field.unit, style));
        let columns: Vec<_> = Field::ALL.into_iter().filter_map(column).chain(declared).collect();
        let constants: Vec<String> = options.constants.iter().map(|(_, cell)| cell.clone()).collect();
        let nothing = columns.is_empty() && constants.is_empty();
        (!nothing).then(|| Self { columns, constants, width: header.width() })
    }

    /// The translated cells of a row, followed by the constants.
    pub fn apply<'c>(&self, cells: impl Iterator<Item = &'c str>) -> Vec<Cow<'c, str>> {
        let mut cells: Vec<Cow<'c, str>> = cells.take(self.width).map(Cow::Borrowed).collect();
        cells.resize(self.width, Cow::Borrowed(""));
        for column in &self.columns {
            if let Some(cell) = cells.get_mut(column.at)
                && let Some(translated) = column.translate(cell)
            {
                *cell = Cow::Owned(translated);
            }
        }
        cells.extend(self.constants.iter().cloned().map(Cow::Owned));
        cells
    }
}

impl TranslatedColumn {
    fn new(header: &Header, field: Field, told: Option<&FieldColumn>, numbers: Option<NumberStyle>) -> Option<Self> {
        let unit = field.info().unit;
        let style = numbers.filter(|_| is_number(unit));
        let (times, missing, words) =
            told.map_or((None, &[][..], None), |column| (column.times, column.missing.as_slice(), column.words.as_ref()));
        if style.is_none() && times.is_none() && missing.is_empty() && words.is_none() {
            return None;
        }
        let number = |cell: &String| parse_number(&content(cell), number_unit(unit)).ok().flatten().map(|number| number.value);
        Some(Self {
            at: header.position(field).filter(|at| *at < header.width())?,
            unit,
            style,
            times,
            missing: missing.iter().map(|cell| (fold_word(cell), number(cell))).collect(),
            words: words.map(|words| words.iter().map(|(code, word)| (fold_word(code), canonical(field, word))).collect()),
        })
    }

    /// A column whose numbers are written in a style of their own, and that a profile does not translate otherwise.
    fn restyled(header: &Header, field: &ColumnField, unit: Unit, style: Option<NumberStyle>) -> Option<Self> {
        let style = Some(style.filter(|_| is_number(unit))?);
        let at = header.place(field).filter(|at| *at < header.width())?;
        Some(Self { at, unit, style, times: None, missing: Vec::new(), words: None })
    }

    /// The translated cell; `None` when the cell stays as it is.
    fn translate(&self, cell: &str) -> Option<String> {
        let written = content(cell);
        let restyled = self.style.and_then(|style| in_plain_style(&written, style));
        let written = restyled.clone().map_or(written, Cow::Owned);
        let number = parse_number(&written, number_unit(self.unit)).ok().flatten();
        let folded = fold_word(&written);
        let is_missing = |(text, value): &(String, Option<Decimal>)| match (value, number) {
            (Some(value), Some(number)) => *value == number.value,
            _ => *text == folded,
        };
        if self.missing.iter().any(is_missing) {
            return Some(String::new());
        }
        if let Some(words) = &self.words {
            let word = words.iter().find(|(code, _)| *code == folded).map(|(_, word)| word.clone());
            // A word that the profile does not list has no meaning, even if it is a canonical word. The space after it, which is
            // not part of its content, prevents a match to the letter.
            return word.or_else(|| Some(written.into_owned() + " "));
        }
        let multiplied = self.times.zip(number).and_then(|(times, number)| {
            let percent = if number.says_percent { "%" } else { "" };
            times.checked_mul(number.value).map(|value| format!("{value}{percent}"))
        });
        multiplied.or(restyled)
    }
}

/// Rewrites a number from `style` to the style of `1,234.56`: the marks of `style` become `.` and `,`. A number in the usual
/// style therefore becomes as unreadable as other styles are without a profile. A thousands mark counts only between digits.
/// `None` when nothing changes.
fn in_plain_style(text: &str, style: NumberStyle) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let is_digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let exchanged = chars.iter().enumerate().map(|(at, c)| match c {
        c if *c == style.decimal => '.',
        c if *c == style.thousands && at > 0 && is_digit(at - 1) && is_digit(at + 1) => ',',
        // A mark that the style does not have separates nothing.
        '.' | ',' => '\'',
        c => *c,
    });
    let exchanged: String = exchanged.collect();
    (exchanged != text).then_some(exchanged)
}

/// The canonical spelling of a word; the word itself when the field has no such word.
fn canonical(field: Field, word: &str) -> String {
    let known = Aliases::built_in().vocabulary(field).and_then(|words| words.canonical().get(usize::from(words.code(word)?)));
    known.map_or_else(|| word.to_owned(), String::clone)
}

const fn is_number(unit: Unit) -> bool {
    matches!(unit, Unit::Money | Unit::Percent | Unit::Ratio | Unit::Count | Unit::Months)
}

/// The unit by which the numbers of a column are parsed: only money has thousands commas.
fn number_unit(unit: Unit) -> Unit {
    match unit {
        Unit::Text | Unit::Word | Unit::Date => Unit::Count,
        unit => unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::profile::Profile;

    /// The cells of the columns after translation by a profile, followed by the constants.
    fn translated(profile: &str, fields: &[Field], cells: &[&str]) -> Vec<String> {
        let options = Profile::parse(profile, "test").unwrap().options;
        let columns = fields.iter().enumerate().map(|(at, field)| crate::tape::header::Column {
            position: Some(at + 1),
            header: field.name().to_owned(),
            field: Some((*field).into()),
            name: field.name().to_owned(),
            rank: None,
            unit: None,
            origin: None,
        });
        let header = Header::of_columns(1, columns.collect());
        let cells: Vec<Cow<'_, str>> = match Translation::new(&header, &options, false) {
            Some(translation) => translation.apply(cells.iter().copied()),
            None => cells.iter().map(|cell| Cow::Borrowed(*cell)).collect(),
        };
        cells.into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn factors_missing_words_and_constants_become_cells() {
        let profile = "[columns]\nloan_amount = { position = 1, times = 1000 }\ncredit_score = { position = 2, missing = [\"0\", \"none given\"] }\n\
                       [constants]\nloan_purpose = \"purchase\"\ndti_ratio = 35\n";
        let fields = [Field::LoanAmount, Field::CreditScore];
        for (cells, expected) in [
            (["250.5", "720"], ["250500", "720"]),
            ([" $1,250 ", "0.0"], ["1250000", ""]),
            (["abc", " None Given "], ["abc", ""]),
            (["", "00"], ["", ""]),
        ] {
            let expected: Vec<&str> = expected.into_iter().chain(["purchase", "35"]).collect();
            assert_eq!(translated(profile, &fields, &cells), expected, "{cells:?}");
        }
        // A row that ends early still has its constants in their places.
        assert_eq!(translated(profile, &fields, &["1"]), ["1000", "", "purchase", "35"]);
    }

    #[test]
    fn words_of_a_profile_replace_all_others() {
        let profile =
            "[columns]\nproperty_type = { position = 1, words = { \"1\" = \"SFR\", \"2-4\" = \"2-4 unit\", x = \"castle\" } }\n";
        for (cell, expected) in
            [("1", "sfr"), (" 2-4 ", "2-4_unit"), ("X", "castle"), ("condo unit", "condo unit "), ("condo", "condo "), ("", " ")]
        {
            assert_eq!(translated(profile, &[Field::PropertyType], &[cell]), [expected], "{cell}");
        }
    }

    #[test]
    fn numbers_may_be_written_with_other_marks() {
        let fields = [Field::LoanAmount, Field::NoteRate];
        for (file, cells, expected) in [
            ("decimal = \",\"", ["1.234.567,89", "6,875"], ["1,234,567.89", "6.875"]),
            ("decimal = \",\"\nthousands = \" \"", ["$ 1 234,5", "(6,5 %)"], ["$ 1,234.5", "(6.5 %)"]),
            ("thousands = \"'\"\ndecimal = \".\"", ["1'234.5", "6.5"], ["1,234.5", "6.5"]),
            // A number in the usual style becomes unreadable, so it is rejected where the cell is read.
            ("decimal = \",\"", ["60,000.00", "6.875"], ["60.000,00", "6,875"]),
            ("decimal = \",\"", ["1,234,567", "80.5"], ["1.234.567", "80,5"]),
        ] {
            assert_eq!(translated(&format!("[file]\n{file}\n"), &fields, &cells), expected, "{file} {cells:?}");
        }
        assert_eq!(translated("", &fields, &["1,234", "6,875"]), ["1,234", "6,875"]);
    }
}
