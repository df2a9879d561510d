//! Profiles: TOML files that say how one seller's tapes are read, for what no table of aliases can know.

use std::{collections::HashSet, fmt, ops::Range};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use utoipa::ToSchema;

use crate::{
    decimal::Decimal,
    loan::{CellValue, ColumnUnit, Field, FieldKind, Unit},
};

use super::{
    aliases::{Aliases, fold_header, fold_word},
    number::read_cell,
    options::{ColumnPlace, FieldColumn, HeaderPlace, LatestRows, NumberStyle, Origin, TapeOptions},
    standard::{DateOrder, parse_date},
    text::{Encoding, Fingerprint},
};

/// Names of the date orders in a profile.
pub(super) const DATE_ORDERS: [(&str, DateOrder); 3] =
    [("MDY", DateOrder::Mdy), ("DMY", DateOrder::Dmy), ("MMYYYY", DateOrder::MonthYear)];

/// Names of the encodings in a profile.
pub(super) const ENCODINGS: [(&str, Encoding); 4] = [
    ("utf-8", Encoding::Utf8),
    ("utf-16le", Encoding::Utf16Le),
    ("utf-16be", Encoding::Utf16Be),
    ("windows-1252", Encoding::Windows1252),
];
/// The version of a profile that gives none.
const UNVERSIONED: &str = "unversioned";
/// The largest profile, in bytes.
pub const MAX_PROFILE_BYTES: u64 = 64 * 1024;

/// The profiles that the product ships, by their names.
pub const PRESETS: [(&str, &str); 3] = [
    ("asf_rmbs", include_str!("profile/asf_rmbs.toml")),
    ("fannie_sflp", include_str!("profile/fannie_sflp.toml")),
    ("freddie_sflld", include_str!("profile/freddie_sflld.toml")),
];

/// A profile, ready to read tapes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Name, version and hash of the profile.
    pub id: ProfileId,
    /// The text of the profile.
    pub toml: String,
    /// What the profile says about tapes.
    pub options: TapeOptions,
}

/// Which profile the tapes of a run were read with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ProfileName)]
pub struct ProfileId {
    /// Name in the profile, or else the name of its file or preset.
    #[schema(example = "acme")]
    pub name: String,
    /// Version in the profile, or else `unversioned`.
    #[schema(example = "2026-11")]
    pub version: String,
    /// SHA-256 of the profile, in lower-case hexadecimal.
    #[schema(example = "5c9f2b7e0d6a4f1388b1c2e94a7d3f60b5e8172c9d0a6f4e3b7c8d1205f9a6e4")]
    pub hash: String,
}

impl ProfileId {
    fn new(name: String, version: String, toml: &str) -> Self {
        let Fingerprint { sha256: hash, .. } = Fingerprint::new(toml.len() as u64, Sha256::new_with_prefix(toml));
        Self { name, version, hash }
    }

    /// The id of a text that cannot be read as a profile.
    pub fn unread(called: &str, toml: &str) -> Self {
        Self::new(called.to_owned(), UNVERSIONED.to_owned(), toml)
    }
}

/// A mistake in a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileMistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// The mistakes of a profile, in the order of their lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ProfileMistakes(pub Vec<ProfileMistake>);

impl fmt::Display for ProfileMistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(|mistake| format!("line {}: {}", mistake.line, mistake.message)).collect();
        f.write_str(&lines.join("; "))
    }
}

impl Profile {
    /// Reads a profile. `called` is the name of a profile that gives none.
    ///
    /// # Errors
    /// [`ProfileMistakes`]: all mistakes of the profile, with their lines.
    pub fn parse(toml: &str, called: &str) -> Result<Self, ProfileMistakes> {
        let mut reader = ProfileReader { text: toml, mistakes: Vec::new(), options: TapeOptions::default() };
        if toml.len() as u64 > MAX_PROFILE_BYTES {
            reader.mistake(0..0, format!("the profile has more than {MAX_PROFILE_BYTES} bytes"));
            return Err(ProfileMistakes(reader.mistakes));
        }
        if let Some(at) = toml.find('\u{fffd}') {
            reader.mistake(at..at, "there is something that is no UTF-8 text".to_owned());
        }
        let (mut name, mut version) = (called.to_owned(), UNVERSIONED.to_owned());
        match DeTable::parse(toml) {
            Ok(table) => {
                for (key, value) in table.get_ref() {
                    match key.get_ref().as_ref() {
                        "name" => name = reader.text(value, "name").unwrap_or(name),
                        "version" => version = reader.text(value, "version").unwrap_or(version),
                        "file" => reader.each(value, "file", ProfileReader::file),
                        "columns" => reader.each(value, "columns", ProfileReader::column),
                        "constants" => reader.each(value, "constants", ProfileReader::constant),
                        "ignore" => reader.each(value, "ignore", ProfileReader::ignore),
                        "rows" => reader.each(value, "rows", ProfileReader::rows),
                        _ => reader.unknown(key, "name, version, file, columns, constants, ignore, rows"),
                    }
                }
                reader.check_columns(&table);
            }
            Err(error) => reader.mistake(error.span().unwrap_or(0..0), error.message().to_owned()),
        }
        let ProfileReader { mut mistakes, options, .. } = reader;
        if !mistakes.is_empty() {
            mistakes.sort_by_key(|mistake| mistake.line);
            return Err(ProfileMistakes(mistakes));
        }
        Ok(Self { id: ProfileId::new(name, version, toml), toml: toml.to_owned(), options })
    }

    /// The shipped profile of this name.
    pub fn preset(name: &str) -> Option<Self> {
        let (name, toml) = PRESETS.into_iter().find(|(of, _)| *of == name)?;
        Self::parse(toml, name).ok()
    }
}

/// Reads the tables of a profile, and collects what is wrong with them.
struct ProfileReader<'t> {
    text: &'t str,
    mistakes: Vec<ProfileMistake>,
    options: TapeOptions,
}

type Key<'t> = Spanned<std::borrow::Cow<'t, str>>;
type Value<'t> = Spanned<DeValue<'t>>;

impl ProfileReader<'_> {
    fn mistake(&mut self, span: Range<usize>, message: String) {
        let line = self.text[..span.start.min(self.text.len())].matches('\n').count() + 1;
        self.mistakes.push(ProfileMistake { line, message });
    }

    fn unknown(&mut self, key: &Key<'_>, known: &str) {
        self.mistake(key.span(), format!("unknown key `{}`; known are {known}", key.get_ref()));
    }

    fn each(&mut self, value: &Value<'_>, name: &str, read: fn(&mut Self, &Key<'_>, &Value<'_>)) {
        match value.get_ref() {
            DeValue::Table(table) => table.iter().for_each(|(key, value)| read(self, key, value)),
            _ => self.mistake(value.span(), format!("`{name}` must be a table: write [{name}] above its lines")),
        }
    }

    fn text(&mut self, value: &Value<'_>, name: &str) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) if !text.trim().is_empty() => Some(text.to_string()),
            _ => {
                self.mistake(value.span(), format!("`{name}` must be a text in quotation marks that is not empty"));
                None
            }
        }
    }

    fn texts(&mut self, value: &Value<'_>, name: &str) -> Vec<String> {
        match value.get_ref() {
            DeValue::Array(items) if !items.is_empty() => items.iter().filter_map(|item| self.text(item, name)).collect(),
            DeValue::String(_) => self.text(value, name).into_iter().collect(),
            _ => {
                self.mistake(value.span(), format!("`{name}` must be a text, or a list of texts"));
                Vec::new()
            }
        }
    }

    fn position(&mut self, value: &Value<'_>, name: &str) -> Option<u64> {
        let number = match value.get_ref() {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok().filter(|at| *at > 0),
            _ => None,
        };
        if number.is_none() {
            self.mistake(value.span(), format!("`{name}` must be a number from 1"));
        }
        number
    }

    /// A value that must be one of the words in `known`.
    fn one_of<T: Copy>(&mut self, value: &Value<'_>, name: &str, known: &[(&str, T)]) -> Option<T> {
        let found = match value.get_ref() {
            DeValue::String(word) => known.iter().find(|(of, _)| of == word).map(|(_, value)| *value),
            _ => None,
        };
        if found.is_none() {
            let words: Vec<String> = known.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.mistake(value.span(), format!("`{name}` must be one of {}", words.join(", ")));
        }
        found
    }

    fn file(&mut self, key: &Key<'_>, value: &Value<'_>) {
        match key.get_ref().as_ref() {
            "header" => self.header(value),
            "delimiter" => match value.get_ref() {
                DeValue::String(text) if is_delimiter(text) => self.options.delimiter = text.bytes().next(),
                _ => self.mistake(value.span(), "`delimiter` must be one character in quotation marks, such as \"|\"".to_owned()),
            },
            "encoding" => self.options.encoding = self.one_of(value, "encoding", &ENCODINGS),
            "date" => self.options.dates = self.one_of(value, "date", &DATE_ORDERS),
            "decimal" => {
                let known =
                    [(",", NumberStyle { decimal: ',', thousands: '.' }), (".", NumberStyle { decimal: '.', thousands: ',' })];
                if let Some(style) = self.one_of(value, "decimal", &known) {
                    let thousands = self.options.numbers.map_or(style.thousands, |numbers| numbers.thousands);
                    self.options.numbers = Some(NumberStyle { thousands, ..style });
                }
            }
            "thousands" => {
                let known = [(".", '.'), (",", ','), (" ", ' '), ("'", '\'')];
                if let Some(thousands) = self.one_of(value, "thousands", &known) {
                    let decimal =
                        self.options.numbers.map_or(if thousands == ',' { '.' } else { ',' }, |numbers| numbers.decimal);
                    self.options.numbers = Some(NumberStyle { decimal, thousands });
                }
            }
            // A workbook may give a sheet any name, including the empty one.
            "sheet" => match value.get_ref() {
                DeValue::String(text) => self.options.sheet = Some(text.to_string()),
                _ => self.mistake(value.span(), "`sheet` must be the name of a worksheet in quotation marks".to_owned()),
            },
            _ => self.unknown(key, "header, delimiter, encoding, sheet, decimal, thousands, date"),
        }
    }

    fn header(&mut self, value: &Value<'_>) {
        self.options.header = match value.get_ref() {
            DeValue::String(text) if text == "none" => HeaderPlace::Nowhere,
            DeValue::Integer(_) => HeaderPlace::Rows(self.position(value, "header").into_iter().collect()),
            DeValue::Array(items) if items.len() == 2 => {
                let rows: Vec<u64> = items.iter().filter_map(|item| self.position(item, "header")).collect();
                if rows.len() == 2 && rows[1] != rows[0] + 1 {
                    self.mistake(value.span(), "the two rows of `header` must follow each other, such as [3, 4]".to_owned());
                }
                HeaderPlace::Rows(rows)
            }
            _ => {
                let message = "`header` must be \"none\", the number of a row, or two such as [3, 4]";
                return self.mistake(value.span(), message.to_owned());
            }
        };
    }

    fn field(&mut self, key: &Key<'_>) -> Option<Field> {
        let field = Field::from_name(key.get_ref());
        if field.is_none() {
            let known = Field::ALL.map(Field::name).join(", ");
            self.mistake(key.span(), format!("there is no field `{}`; known are {known}", key.get_ref()));
        }
        field
    }

    fn column(&mut self, key: &Key<'_>, value: &Value<'_>) {
        let Some(field) = self.field(key) else { return };
        let headers = |headers| Some(ColumnPlace::Headers(headers));
        let (mut unit, mut times, mut missing, mut words) = (None, None, Vec::new(), None);
        let place = match value.get_ref() {
            DeValue::Integer(_) => self.position(value, field.name()).map(|at| ColumnPlace::Position(at as usize)),
            DeValue::String(_) | DeValue::Array(_) => headers(self.texts(value, field.name())),
            DeValue::Table(table) => {
                let mut place = None;
                for (key, value) in table {
                    match key.get_ref().as_ref() {
                        "header" => place = headers(self.texts(value, "header")),
                        "position" => place = self.position(value, "position").map(|at| ColumnPlace::Position(at as usize)),
                        "unit" => unit = self.unit(field, value),
                        "times" => times = self.times(field, value),
                        "missing" if field == Field::SellerLoanNumber => {
                            self.mistake(key.span(), "`missing` is for numbers and words, not for the loan number".to_owned());
                        }
                        "missing" => missing = self.texts(value, "missing"),
                        "words" => words = Some(self.words(field, value)),
                        _ => self.unknown(key, "header, position, unit, times, missing, words"),
                    }
                }
                if table.get("header").is_some() && table.get("position").is_some() {
                    self.mistake(key.span(), format!("`{field}` gives a header and a position: keep one of them"));
                }
                if place.is_none() {
                    self.mistake(key.span(), format!("`{field}` does not say which column it is: give `header` or `position`"));
                }
                place
            }
            _ => {
                let message = format!("`{field}` must be a header, a list of headers, a position, or a table");
                return self.mistake(value.span(), message);
            }
        };
        if let Some(place) = place {
            self.options.columns.push(FieldColumn { field, place, unit, times, missing, words, origin: Origin::Profile });
        }
    }

    fn unit(&mut self, field: Field, value: &Value<'_>) -> Option<ColumnUnit> {
        if field.info().unit != Unit::Percent {
            self.mistake(value.span(), format!("`{field}` holds no percentages, and has no `unit`"));
            return None;
        }
        self.one_of(value, "unit", &[("percent", ColumnUnit::Percent), ("fraction", ColumnUnit::Fraction)])
    }

    fn times(&mut self, field: Field, value: &Value<'_>) -> Option<Decimal> {
        let text = match value.get_ref() {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            DeValue::Float(float) => float.as_str(),
            _ => "",
        };
        let number = text.replace('_', "").parse().ok().filter(|number: &Decimal| number.is_positive());
        let numeric = matches!(field.info().unit, Unit::Money | Unit::Percent | Unit::Ratio | Unit::Count | Unit::Months);
        if number.is_none() || !numeric {
            self.mistake(value.span(), format!("`times` of `{field}` must be a number above 0, and the field one of numbers"));
            return None;
        }
        number
    }

    fn words(&mut self, field: Field, value: &Value<'_>) -> Vec<(String, String)> {
        let vocabulary = Aliases::built_in().vocabulary(field);
        let (Some(vocabulary), DeValue::Table(table)) = (vocabulary, value.get_ref()) else {
            let message = format!("`words` must be a table such as {{ \"1\" = \"sfr\" }}, and `{field}` a field of words");
            self.mistake(value.span(), message);
            return Vec::new();
        };
        let mut words = Vec::new();
        for (key, value) in table {
            let Some(word) = self.text(value, key.get_ref()) else { continue };
            // A canonical field takes words that the built-in rules do not know, because a rule set may list them.
            let known = vocabulary.code(&word).is_some() || !matches!(field.info().kind, FieldKind::Standard(_));
            let code = fold_word(key.get_ref());
            if words.iter().any(|(other, _): &(String, String)| fold_word(other) == code) {
                self.mistake(
                    key.span(),
                    format!("the word \"{}\" of `{field}` is there twice, in whichever case", key.get_ref()),
                );
            } else if known {
                words.push((key.get_ref().to_string(), word));
            } else {
                self.mistake(value.span(), format!("`{field}` has no word \"{word}\""));
            }
        }
        words
    }

    fn constant(&mut self, key: &Key<'_>, value: &Value<'_>) {
        let Some(field) = self.field(key) else { return };
        if field == Field::SellerLoanNumber {
            return self.mistake(key.span(), "a loan number cannot be the same for all loans".to_owned());
        }
        let text = match value.get_ref() {
            DeValue::Integer(integer) if integer.radix() == 10 => Some(integer.as_str().replace('_', "")),
            DeValue::Integer(_) => {
                return self.mistake(value.span(), format!("`{field}` must be written with the digits 0 to 9"));
            }
            DeValue::Float(float) => Some(float.as_str().replace('_', "")),
            _ => self.text(value, field.name()),
        };
        let Some(text) = text else { return };
        let (unit, kind) = (field.info().unit, field.info().kind);
        let is_value = match unit {
            Unit::Money | Unit::Percent | Unit::Ratio | Unit::Count | Unit::Months => {
                // Read the constant like a cell of a column whose other cells are percentages.
                match read_cell(field, &text, ColumnUnit::Percent, true).reading {
                    CellValue::Value(value) => value.is_positive() || (!field.is_canonical() && value.is_zero()),
                    CellValue::Missing | CellValue::Unreadable(_) => false,
                }
            }
            // Accept every order of dates: the order of the tape may be given further below.
            Unit::Date => DATE_ORDERS.iter().any(|(_, order)| parse_date(&text, *order).is_some()),
            // A canonical field takes words that the built-in rules do not know, because a rule set may list them.
            Unit::Word | Unit::Text => {
                let words = Aliases::built_in().vocabulary(field);
                !matches!(kind, FieldKind::Standard(_)) || words.is_none_or(|words| words.code(&text).is_some())
            }
        };
        if is_value {
            self.options.constants.push((field, text));
        } else {
            self.mistake(value.span(), format!("`{field}` cannot be \"{text}\" for all loans: {}", wanted_of(unit)));
        }
    }

    fn ignore(&mut self, key: &Key<'_>, value: &Value<'_>) {
        match key.get_ref().as_ref() {
            "columns" => self.options.ignored = self.texts(value, "columns"),
            _ => self.unknown(key, "columns"),
        }
    }

    fn rows(&mut self, key: &Key<'_>, value: &Value<'_>) {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("keep", DeValue::Table(table)) => self.keep(key, table),
            ("keep", _) => {
                let message = "`keep` must be a table such as { column = \"Reporting Period\", is = \"latest\" }";
                self.mistake(value.span(), message.to_owned());
            }
            _ => self.unknown(key, "keep"),
        }
    }

    fn keep(&mut self, of: &Key<'_>, table: &DeTable<'_>) {
        let (mut period, mut dates, mut says_latest) = (None, None, false);
        for (key, value) in table {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("column", DeValue::Integer(_)) => {
                    period = self.position(value, "column").map(|at| ColumnPlace::Position(at as usize));
                }
                ("column", _) => period = Some(ColumnPlace::Headers(self.texts(value, "column"))),
                ("is", _) => {
                    self.one_of(value, "is", &[("latest", ())]);
                    says_latest = true;
                }
                ("date", _) => dates = self.one_of(value, "date", &DATE_ORDERS),
                ("by", _) => {
                    let number = Field::SellerLoanNumber;
                    self.one_of(value, "by", &[(number.name(), ())]);
                }
                _ => self.unknown(key, "column, is, date, by"),
            }
        }
        match period {
            Some(period) if says_latest => self.options.latest = Some(LatestRows { period, dates }),
            _ => self.mistake(of.span(), "`keep` must say `column`, and `is = \"latest\"`".to_owned()),
        }
    }

    /// Finds mistakes between the entries, such as a column that two fields use, or a field with a column and a constant.
    fn check_columns(&mut self, table: &Spanned<DeTable<'_>>) {
        let span_of = |field: Field, section: &str| span_of_key(table, section, field.name());
        let mut used = HashSet::new();
        for FieldColumn { field, place, .. } in self.options.columns.clone() {
            let names = match &place {
                ColumnPlace::Position(at) => vec![format!("column {at}")],
                ColumnPlace::Headers(headers) => headers.iter().map(|header| fold_header(header)).collect(),
            };
            if let Some(name) = names.into_iter().find(|name| !used.insert(name.clone())) {
                self.mistake(span_of(field, "columns"), format!("`{field}` uses {name}, which another field uses"));
            }
        }
        for (field, _) in self.options.constants.clone() {
            if self.options.columns.iter().any(|column| column.field == field) {
                self.mistake(span_of(field, "constants"), format!("`{field}` has a column and a constant: keep one of them"));
            }
        }
        if self.options.numbers.is_some_and(|numbers| numbers.decimal == numbers.thousands) {
            self.mistake(0..0, "`decimal` and `thousands` cannot be the same".to_owned());
        }
        if self.options.header == HeaderPlace::Nowhere {
            let named = |column: &&FieldColumn| matches!(column.place, ColumnPlace::Headers(_));
            if let Some(LatestRows { period: ColumnPlace::Headers(_), .. }) = self.options.latest {
                let message = "the tape has no header, and `keep` names one: give the position of the column";
                self.mistake(span_of_key(table, "rows", "keep"), message.to_owned());
            }
            if let Some(field) = self.options.columns.iter().find(named).map(|column| column.field) {
                let message = format!("the tape has no header, and `{field}` names one: give its position");
                self.mistake(span_of(field, "columns"), message);
            }
        }
    }
}

/// Whether a text can be a delimiter: one character that names and numbers do not contain.
fn is_delimiter(text: &str) -> bool {
    matches!(text.as_bytes(), [byte] if !byte.is_ascii_alphanumeric() && !b"\"\r\n.".contains(byte))
}

/// What a value of this unit must be, for a mistake.
fn wanted_of(unit: Unit) -> &'static str {
    match unit {
        Unit::Percent => "it must be a number in percent, such as 80 for 80 %, that such a field can have",
        Unit::Money | Unit::Ratio | Unit::Count | Unit::Months => "it must be a number that such a field can have",
        Unit::Date => "it must be a date such as 2026-01-31",
        Unit::Word | Unit::Text => "it must be one of the field's words",
    }
}

/// The span of a key of a section; that of the first line when the key is not found.
fn span_of_key(table: &Spanned<DeTable<'_>>, section: &str, name: &str) -> Range<usize> {
    let Some(DeValue::Table(entries)) = table.get_ref().get(section).map(Spanned::get_ref) else { return 0..0 };
    entries.iter().find(|(key, _)| key.get_ref().as_ref() == name).map_or(0..0, |(key, _)| key.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_are_sound() {
        for (name, _) in PRESETS {
            let (_, toml) = PRESETS.into_iter().find(|(of, _)| *of == name).unwrap();
            let profile = Profile::parse(toml, name).unwrap_or_else(|mistakes| panic!("{name}: {mistakes}"));
            assert_eq!(profile.id.name, name);
            assert_eq!(Profile::preset(name), Some(profile));
        }
        assert_eq!(Profile::preset("acme"), None);
    }

    #[test]
    fn a_profile_says_how_a_tape_is_read() {
        let toml = "name = \"acme\"\nversion = \"2026-11\"\n[file]\nheader = [3, 4]\ndelimiter = \"|\"\nsheet = \"Loans\"\n[columns]\n\
                    loan_amount = [\"Current Actual UPB\", \"Original UPB\"]\nseller_loan_number = 20\n\
                    property_type = { position = 18, words = { \"1\" = \"sfr\" } }\nltv_ratio = { header = \"OLTV\", unit = \"fraction\" }\n\
                    appraisal_value = { header = \"Value (000)\", times = 1000 }\n\
                    credit_score = { header = \"Score\", missing = [\"0\", \"999\"] }\n[constants]\noccupancy_status = \"primary\"\n\
                    [ignore]\ncolumns = [\"Coupon\"]\n[rows]\nkeep = { column = 3, is = \"latest\", by = \"seller_loan_number\" }\n";
        let Profile { id, options, .. } = Profile::parse(toml, "file").unwrap();
        assert_eq!((id.name.as_str(), id.version.as_str(), id.hash.len()), ("acme", "2026-11", 64));
        assert_eq!((options.header, options.delimiter), (HeaderPlace::Rows(vec![3, 4]), Some(b'|')));
        assert_eq!((options.sheet, options.columns.len()), (Some("Loans".to_owned()), 6));
        let of = |field: Field| options.columns.iter().find(|column| column.field == field).unwrap();
        assert_eq!(of(Field::SellerLoanNumber).place, ColumnPlace::Position(20));
        assert_eq!(of(Field::LtvRatio).unit, Some(ColumnUnit::Fraction));
        assert_eq!(of(Field::AppraisalValue).times, Some(Decimal::from_integer(1000)));
        assert_eq!(of(Field::PropertyType).words, Some(vec![("1".to_owned(), "sfr".to_owned())]));
        assert_eq!(options.constants, [(Field::OccupancyStatus, "primary".to_owned())]);
        assert_eq!(options.ignored, ["Coupon"]);
        assert_eq!(options.latest, Some(LatestRows { period: ColumnPlace::Position(3), dates: None }));
        let unnamed = Profile::parse("", "file").unwrap();
        assert_eq!((unnamed.id.name.as_str(), unnamed.id.version.as_str()), ("file", "unversioned"));
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_lines() {
        let toml = "nme = \"x\"\n[file]\nheader = \"nowhere\"\ndelimiter = \"ab\"\n[columns]\nlone_amount = \"UPB\"\nltv_ratio = \"LTV\"\n\
                    cltv_ratio = \"ltv\"\nloan_amount = { header = \"UPB\", unit = \"fraction\" }\ncredit_score = { times = 0, position = 0 }\n\
                    [constants]\nseller_loan_number = \"7\"\nltv_ratio = 80\npurchase_price = \"much\"\n\
                    maturity_date = \"soon\"\ndocumentation_type = \"handshake\"\noccupancy_status = \"a word of a rule set\"\n\
                    loan_amount = 0x50000\ndti_ratio = 0.35\nnote_rate = 31\ncredit_score = -1\n[rows]\ndrop = 1\n\
                    keep = { column = \"P\", is = \"first\", by = \"upb\", date = \"YDM\" }\n";
        let ProfileMistakes(mistakes) = Profile::parse(toml, "file").unwrap_err();
        let lines: Vec<usize> = mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [1, 3, 4, 6, 8, 9, 10, 10, 10, 12, 13, 14, 15, 16, 18, 19, 20, 21, 23, 24, 24, 24], "{mistakes:?}");
        assert!(mistakes[0].message.starts_with("unknown key `nme`; known are name, version"), "{mistakes:?}");
        let ProfileMistakes(broken) = Profile::parse("a = 1\nb = \n", "file").unwrap_err();
        assert_eq!((broken.len(), broken[0].line), (1, 2));
    }
}
