//! Reads the values of a rule set's file, each with its place, and collects every mistake.

use std::{borrow::Cow, ops::Range};

use jiff::civil::Date;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use crate::decimal::Decimal;

use super::{Severity, rule_set::Mistake};

/// A key of a table.
pub type Key<'i> = Spanned<Cow<'i, str>>;

/// A value read, or the place of a mistake and what is wrong there.
pub type Parsed<T> = Result<T, (Range<usize>, String)>;

/// The 1-based line of a place in a text.
pub fn line_of(text: &str, place: &Range<usize>) -> usize {
    text.bytes().take(place.start).filter(|b| *b == b'\n').count() + 1
}

/// The mistakes of a rule set and its files.
#[derive(Debug, Default)]
pub struct Mistakes {
    /// Those of the rule set's own text: the place of each, and what is wrong there.
    text: Vec<(Range<usize>, String)>,
    /// Those of the files that the rule set names.
    files: Vec<Mistake>,
}

impl Mistakes {
    pub fn add(&mut self, place: Range<usize>, message: String) {
        self.text.push((place, message));
    }

    /// Adds a mistake of a file that the rule set names.
    pub fn add_in_file(&mut self, mistake: Mistake) {
        self.files.push(mistake);
    }

    /// The value, or `None` after noting the mistake.
    pub fn take<T>(&mut self, parsed: Parsed<T>) -> Option<T> {
        parsed.map_err(|(place, message)| self.add(place, message)).ok()
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub fn count(&self) -> usize {
        self.text.len() + self.files.len()
    }

    /// All mistakes: those of the text in the order of its lines, then those of the files in the order in which they were found.
    pub fn into_list(self, text: &str) -> Vec<Mistake> {
        let mut mistakes: Vec<Mistake> =
            self.text.into_iter().map(|(place, message)| Mistake::on_line(line_of(text, &place), message)).collect();
        mistakes.sort_by_key(|mistake| mistake.line);
        mistakes.extend(self.files);
        mistakes
    }
}

pub fn unknown(key: &Key<'_>, known: &str) -> (Range<usize>, String) {
    (key.span(), format!("unknown key `{}`; known here: {known}", key.get_ref()))
}

pub fn section<'a, 'i>(value: &'a Spanned<DeValue<'i>>, name: &str) -> Parsed<&'a DeTable<'i>> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => Err((value.span(), format!("`{name}` must be a table: write [{name}] and its keys below"))),
    }
}

/// The tables of a section that may stand several times: `[[name]]`.
pub fn sections<'a, 'i>(value: &'a Spanned<DeValue<'i>>, name: &str) -> Parsed<&'a DeArray<'i>> {
    match value.get_ref() {
        DeValue::Array(tables) if tables.iter().all(|table| matches!(table.get_ref(), DeValue::Table(_))) => Ok(tables),
        _ => Err((value.span(), format!("write [[{name}]], once for each {name}, and its keys below"))),
    }
}

pub fn words(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<String> {
    match value.get_ref() {
        DeValue::String(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => Err((value.span(), format!("`{name}` must be a text in quotation marks, and not an empty one"))),
    }
}

/// A severity: `hard` or `soft`.
pub fn severity(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<Severity> {
    let word = words(value, name)?;
    Severity::from_word(&word).ok_or_else(|| (value.span(), format!("\"{word}\" is no severity: write \"hard\" or \"soft\"")))
}

pub fn flag(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<bool> {
    match value.get_ref() {
        DeValue::Boolean(flag) => Ok(*flag),
        _ => Err((value.span(), format!("`{name}` must be true or false"))),
    }
}

pub fn list(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<Vec<String>> {
    match value.get_ref() {
        DeValue::Array(items) if !items.is_empty() => items.iter().map(|item| words(item, name)).collect(),
        _ => Err((value.span(), format!("`{name}` must be a list of words, such as [\"sfr\", \"condo\"], and not an empty one"))),
    }
}

pub fn number(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<Decimal> {
    let text = match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        _ => return Err((value.span(), format!("`{name}` must be a number, such as 97.0"))),
    };
    match text.replace('_', "").parse() {
        Ok(value) => Ok(value),
        Err(error) => Err((value.span(), format!("`{name}`: {text} cannot be used: {error}"))),
    }
}

/// A bound of a field. A bound of percentages that can only be meant as a fraction, such as 0.80 for 80 %, is a mistake: with it,
/// no loan or every loan would pass. `fraction_to` is the largest such bound.
pub fn bound(value: &Spanned<DeValue<'_>>, name: &str, field: &str, fraction_to: Option<Decimal>) -> Parsed<Decimal> {
    let percent = number(value, name)?;
    let looks_like_fraction = percent.is_positive() && fraction_to.is_some_and(|most| percent <= most);
    let Some(hundredfold) = percent.times_hundred().filter(|_| looks_like_fraction) else { return Ok(percent) };
    let written = percent.with_min_decimals(2);
    Err((value.span(), format!("`{name}` of {field}: {written} means {percent} %: write {hundredfold}")))
}

/// A date, in quotation marks or without.
pub fn date(value: &Spanned<DeValue<'_>>, name: &str) -> Parsed<Date> {
    let read = match value.get_ref() {
        DeValue::String(text) if text.trim().len() == 10 => text.trim().parse().ok(),
        DeValue::Datetime(date) if date.time.is_none() => date.to_string().parse().ok(),
        _ => None,
    };
    read.ok_or_else(|| (value.span(), format!("`{name}` must be a date, such as 2026-01-31")))
}
