//! The alias table: spellings that sellers use for fields and words. All of them are in `aliases.toml`.

use std::{collections::HashMap, ops::Range, sync::LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::loan::{Field, FieldKind, Unit, WORDS};

use super::{cell::content, window::Window};

const ALIASES: &str = include_str!("aliases.toml");
/// The longest header that is looked up, in bytes. No longer one has a meaning, even with other characters around it.
const LONGEST_HEADER: usize = 400;

/// The aliases of headers and words, ready for look-up.
#[derive(Debug)]
pub struct Aliases {
    headers: HeaderTable<Vec<Claim>>,
    words: [Vocabulary; WORDS],
    standard_words: Vec<(Field, Vocabulary)>,
}

/// How sure a header is to mean a field. The lowest rank wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// A name of what is for sale now: `Current UPB`.
    Sold = 1,
    /// A plain name of the field: `Loan Amount`.
    Plain = 2,
    /// A name of the value at origination: `Original Balance`.
    Past = 3,
    /// A name that may mean something else: `Coupon`.
    Weak = 4,
}

impl Rank {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Sold, "sold"), (Self::Plain, "plain"), (Self::Past, "past"), (Self::Weak, "weak")];
}

impl Serialize for Rank {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl<'de> Deserialize<'de> for Rank {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        let found = Self::ALL.into_iter().find(|(rank, _)| *rank as u8 == number);
        found.map(|(rank, _)| rank).ok_or_else(|| D::Error::custom(format!("there is no rank {number}")))
    }
}

/// What headers mean, by their folded spellings.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HeaderTable<M>(pub HashMap<String, M>);

impl<M: SameField> HeaderTable<M> {
    /// What a header means.
    pub fn get(&self, header: &str) -> Option<&M> {
        if self.0.is_empty() || header.len() > LONGEST_HEADER {
            return None;
        }
        if let Some(meaning) = self.0.get(&fold_header(header)) {
            return Some(meaning);
        }
        // The text in parentheses may be a unit, or the short name of the text around them.
        let (outside, inside) = parenthesized(header)?;
        let meaning = self.0.get(&fold_header(&outside))?;
        let short = self.0.get(&fold_header(&inside));
        let names_the_same = short.is_some_and(|short| short.means_the_same(meaning));
        (is_unit(&inside) || names_the_same).then_some(meaning)
    }
}

/// Tells whether two headers mean one field.
pub trait SameField {
    fn means_the_same(&self, other: &Self) -> bool;
}

impl SameField for Vec<Claim> {
    fn means_the_same(&self, other: &Self) -> bool {
        self.first().map(|claim| claim.field) == other.first().map(|claim| claim.field)
    }
}

impl SameField for usize {
    fn means_the_same(&self, other: &Self) -> bool {
        self == other
    }
}

/// A field that a header may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub field: Field,
    pub rank: Rank,
}

/// The words of one vocabulary field.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    canonical: Vec<String>,
    aliases: HashMap<String, u8>,
}

type Lists = Vec<(String, Vec<String>)>;

/// The lists of texts in a table.
fn lists(table: &toml::Table, name: &str) -> Result<Lists, String> {
    let section = table.get(name).and_then(|value| value.as_table()).ok_or_else(|| format!("no table {name}"))?;
    let text = |value: &toml::Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("{name}: not a text"));
    let list = |value: &toml::Value| match value.as_array() {
        Some(items) => items.iter().map(text).collect::<Result<Vec<_>, _>>(),
        None => Err(format!("{name}: not a list")),
    };
    section.iter().map(|(key, value)| Ok((key.clone(), list(value)?))).collect()
}

impl Aliases {
    /// The table that the product ships.
    pub fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<Aliases> = LazyLock::new(|| {
            #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
            Aliases::read(ALIASES).expect("aliases.toml is sound")
        });
        &BUILT_IN
    }

    fn read(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
        let headers = table.get("headers").and_then(|value| value.as_table()).ok_or("no table headers")?;
        if let Some(unknown) = headers.keys().find(|name| Field::from_name(name).is_none()) {
            return Err(format!("headers: no field {unknown}"));
        }
        let mut found: HashMap<String, Vec<Claim>> = HashMap::new();
        let mut claim = |spelling: &str, field: Field, rank: Rank| {
            let claims = found.entry(fold_header(spelling)).or_default();
            // A spelling may belong to one canonical and to one standard field, and to no others.
            if claims.iter().any(|claim| claim.field.is_canonical() == field.is_canonical()) {
                return Err(format!("headers: `{spelling}` stands twice"));
            }
            claims.push(Claim { field, rank });
            Ok(())
        };
        for field in Field::ALL {
            let ranked = if headers.contains_key(field.name()) { lists(headers, field.name())? } else { Vec::new() };
            for (name, spellings) in ranked {
                let (rank, _) = Rank::ALL.into_iter().find(|(_, of)| *of == name).ok_or(format!("{field}: no rank {name}"))?;
                spellings.iter().try_for_each(|spelling| claim(spelling, field, rank))?;
            }
            claim(field.name(), field, Rank::Plain)?;
        }
        let [property, occupancy, purpose] = Field::WORDED.map(|field| Vocabulary::read(&table, field));
        let standard = Field::STANDARD.into_iter().filter(|field| field.info().unit == Unit::Word);
        let standard_words =
            standard.map(|field| Ok((field, Vocabulary::read(&table, field)?))).collect::<Result<_, String>>()?;
        Ok(Self { headers: HeaderTable(found), words: [property?, occupancy?, purpose?], standard_words })
    }

    /// The fields that a header may mean, the canonical one first; empty for a header without a meaning.
    pub fn claims(&self, header: &str) -> &[Claim] {
        self.headers.get(header).map_or(&[], Vec::as_slice)
    }

    /// The canonical field that a header means, if there is one.
    pub fn header(&self, header: &str) -> Option<Field> {
        self.claims(header).first().map(|claim| claim.field).filter(|field| field.is_canonical())
    }

    /// The words of a field; `None` for one that holds no words.
    pub fn vocabulary(&self, field: Field) -> Option<&Vocabulary> {
        match field.info().kind {
            FieldKind::Word(at) => self.words.get(at),
            FieldKind::Standard(_) => self.standard_words.iter().find(|(of, _)| *of == field).map(|(_, words)| words),
            FieldKind::Text | FieldKind::Number(_) => None,
        }
    }

    /// The vocabularies, in the order of [`Field::WORDED`].
    pub fn vocabularies(&self) -> &[Vocabulary; WORDS] {
        &self.words
    }
}

/// The largest number of words in a vocabulary.
pub const MOST_WORDS: u8 = 64;

impl Vocabulary {
    fn read(table: &toml::Table, field: Field) -> Result<Self, String> {
        Self::new(lists(table, field.name())?.into_iter()).map_err(|mistake| format!("{field}: {mistake}"))
    }

    /// A vocabulary of canonical words, each with other spellings.
    ///
    /// # Errors
    /// What is wrong with the words: more than 64, or a spelling that stands twice.
    pub fn new(words: impl Iterator<Item = (String, Vec<String>)>) -> Result<Self, String> {
        let mut vocabulary = Self::default();
        for (word, spellings) in words {
            // A list of words is a set of 64 bits.
            let code = vocabulary.canonical.len();
            let code = u8::try_from(code).ok().filter(|code| *code < MOST_WORDS);
            let code = code.ok_or_else(|| "too many words".to_owned())?;
            for spelling in spellings.iter().chain([&word]) {
                if vocabulary.aliases.insert(fold_word(spelling), code).is_some() {
                    return Err(format!("`{spelling}` stands twice"));
                }
            }
            vocabulary.canonical.push(word);
        }
        Ok(vocabulary)
    }

    /// All spellings, folded, with the code of their word.
    pub fn spellings(&self) -> impl Iterator<Item = (&str, u8)> {
        self.aliases.iter().map(|(spelling, code)| (spelling.as_str(), *code))
    }

    /// The index of the canonical word that a cell means, regardless of what surrounds its content.
    pub fn code(&self, written: &str) -> Option<u8> {
        let word = content(written);
        let found = self.aliases.get(&fold_word(&word)).copied();
        found.or_else(|| self.aliases.get(&fold_word(&split_camel_case(&word)?)).copied())
    }

    /// The index of the canonical word that a cell equals to the letter.
    pub fn exact_code(&self, written: &str) -> Option<u8> {
        let at = self.canonical.iter().position(|word| word == written)?;
        u8::try_from(at).ok()
    }

    /// The canonical words, by index.
    pub fn canonical(&self) -> &[String] {
        &self.canonical
    }
}

/// Caches the last look-ups of words: a column has the same few words on every row.
#[derive(Debug, Clone)]
pub struct WordMemo {
    slots: [Remembered; WordMemo::SLOTS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Remembered {
    /// The cell as written in the tape: its last sixteen bytes and its first eight, which together are all of it.
    written: [u64; 3],
    /// Length of the cell in bytes; 0 in an unused slot. Cells longer than [`WordMemo::LONGEST`] and empty ones are not cached.
    length: usize,
    code: Option<u8>,
}

impl Default for WordMemo {
    fn default() -> Self {
        Self { slots: [Remembered::default(); Self::SLOTS] }
    }
}

impl WordMemo {
    const SLOTS: usize = 64;
    const LONGEST: usize = 24;

    /// The index of the canonical word that the cell at `span` of a text means; outer spaces do not matter.
    #[inline(always)]
    pub fn code(&mut self, vocabulary: &Vocabulary, text: &str, span: Range<usize>) -> Option<u8> {
        let window = Window::new(text.as_bytes(), &span);
        let length = window.length();
        let (last, before) = (window.last(0), window.before(0));
        let first = match text.as_bytes().get(span.start..).and_then(|text| text.first_chunk::<8>()) {
            Some(first) if length > 16 => u64::from_le_bytes(*first),
            _ => 0,
        };
        let slot = &mut self.slots[((before.rotate_left(29) ^ last).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize];
        let differs = (slot.written[0] ^ last) | (slot.written[1] ^ before) | (slot.written[2] ^ first);
        if differs != 0 || slot.length != length {
            return self.look_up(vocabulary, text.get(span)?, [last, before, first]);
        }
        slot.code
    }

    #[cold]
    fn look_up(&mut self, vocabulary: &Vocabulary, written: &str, words: [u64; 3]) -> Option<u8> {
        let code = vocabulary.code(written);
        if (1..=Self::LONGEST).contains(&written.len()) {
            let [last, before, _] = words;
            let slot = ((before.rotate_left(29) ^ last).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize;
            self.slots[slot] = Remembered { written: words, length: written.len(), code };
        }
        code
    }
}

/// Folds a header: ways to write it that differ only in case, spaces and the like give one spelling.
pub fn fold_header(header: &str) -> String {
    let text = content(header);
    let text = text.trim_end_matches(|c: char| matches!(c, '*' | ':') || c.is_whitespace());
    // `1. Loan ID`
    let numbered = text.split_once('.').filter(|(number, _)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    let text = numbered.map_or(text, |(_, rest)| rest);
    let significant = |c: &char| !c.is_whitespace() && !matches!(c, '_' | '-' | '#' | '.' | '/' | '\u{2010}'..='\u{2015}');
    text.chars().filter(significant).flat_map(char::to_lowercase).collect()
}

/// A header without its first parentheses, and the text in them.
fn parenthesized(header: &str) -> Option<(String, String)> {
    let (before, rest) = header.split_once('(')?;
    let (inside, behind) = rest.split_once(')')?;
    Some((format!("{before} {behind}"), inside.to_owned()))
}

/// Whether the text in the parentheses of a header only gives the unit of its numbers, or its codes. A scale such as `(000)` is
/// more than a unit.
fn is_unit(inside: &str) -> bool {
    let folded: String = inside.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    matches!(folded.as_str(), "%" | "$" | "usd" | "us$" | "pct" | "percent" | "dollars" | "months" | "p/s/i")
}

/// Folds a word: ways to write it that differ only in case, spaces or the characters between words give one spelling.
pub fn fold_word(word: &str) -> String {
    let chars: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    let mut folded = String::with_capacity(word.len());
    for (i, c) in chars.iter().enumerate() {
        let between_digits = || i > 0 && chars[i - 1].is_ascii_digit() && chars.get(i + 1).is_some_and(char::is_ascii_digit);
        match c {
            '-' | '\u{2010}'..='\u{2015}' if between_digits() => folded.push('-'),
            '_' | '-' | '.' | '/' | '&' | '(' | ')' | '\u{2010}'..='\u{2015}' => folded.push(' '),
            c if c.is_whitespace() => folded.push(' '),
            c => folded.push(*c),
        }
    }
    let words: Vec<&str> = folded.split(' ').filter(|part| !part.is_empty() && *part != "and").collect();
    words.join(" ")
}

/// `SFDetached` as `SF Detached`: with a space where a new word begins. `None` when no new word begins.
fn split_camel_case(word: &str) -> Option<String> {
    let chars: Vec<char> = word.chars().collect();
    let mut split = String::with_capacity(word.len() + 4);
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| chars[before]);
        let begins = c.is_uppercase()
            && before.is_some_and(|before| {
                let after_lower = before.is_lowercase() || before.is_ascii_digit();
                let ends_capitals = before.is_uppercase() && chars.get(at + 1).is_some_and(|next| next.is_lowercase());
                after_lower || ends_capitals
            });
        if begins {
            split.push(' ');
        }
        split.push(*c);
    }
    (split.len() > word.len()).then_some(split)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_is_sound() {
        let aliases = Aliases::read(ALIASES).unwrap();
        for field in Field::CANONICAL {
            assert_eq!(aliases.header(field.name()), Some(field));
        }
        let [property, occupancy, purpose] = aliases.vocabularies();
        assert_eq!(property.canonical(), ["sfr", "condo", "townhouse", "pud", "2-4_unit"]);
        assert_eq!(occupancy.canonical(), ["primary", "second_home", "investment"]);
        assert_eq!(purpose.canonical(), ["purchase", "rate_term_refinance", "cash_out_refinance"]);
    }

    #[test]
    fn a_vocabulary_has_as_many_words_as_a_set_has_bits() {
        let table = |words: usize| {
            let words: String = (0..words).map(|at| format!("word{at} = []\n")).collect();
            format!("[property_type]\n{words}").parse::<toml::Table>().unwrap()
        };
        let read = |words| Vocabulary::read(&table(words), Field::PropertyType).map(|words| words.canonical.len());
        assert_eq!(read(64), Ok(64));
        assert_eq!(read(65), Err("property_type: too many words".to_owned()));
    }

    #[test]
    fn no_name_of_the_loan_number_ends_as_loan_numbers_do() {
        let of_number = |claims: &Vec<Claim>| claims.iter().any(|claim| claim.field == Field::SellerLoanNumber);
        let mut names = Aliases::built_in().headers.0.iter().filter(|(_, claims)| of_number(claims)).map(|(name, _)| name);
        assert!(names.clone().count() > 20);
        assert_eq!(names.find(|name| name.ends_with(|c: char| c.is_ascii_digit())), None);
    }

    #[test]
    fn headers_match_in_any_case_and_folding() {
        let aliases = Aliases::built_in();
        for (header, field) in [
            ("Loan #", Field::SellerLoanNumber),
            ("LOAN_ID", Field::SellerLoanNumber),
            ("UPB", Field::LoanAmount),
            ("Orig Bal", Field::LoanAmount),
            ("Orig. Bal.", Field::LoanAmount),
            ("Note Rate", Field::NoteRate),
            ("note-rate", Field::NoteRate),
            ("Rate", Field::NoteRate),
            ("LTV", Field::LtvRatio),
            ("DTI", Field::DtiRatio),
            ("FICO", Field::CreditScore),
            ("Score", Field::CreditScore),
            ("Prop Type", Field::PropertyType),
            ("Occ", Field::OccupancyStatus),
            ("Purpose", Field::LoanPurpose),
            ("Sales Price", Field::PurchasePrice),
            ("Appraised Value", Field::AppraisalValue),
            ("LoanAmount", Field::LoanAmount),
        ] {
            assert_eq!(aliases.header(header), Some(field), "{header}");
        }
        for header in ["", "County", "CLTV", "Price", "Combined LTV", "Loan Type"] {
            assert_eq!(aliases.header(header), None, "{header}");
        }
    }

    #[test]
    fn words_match_in_any_case_and_folding() {
        let words = Aliases::built_in().vocabularies();
        let canonical =
            |at: usize, written: &str| words[at].code(written).map(|code| words[at].canonical()[usize::from(code)].as_str());
        for (at, written, word) in [
            (0, "SFR", "sfr"),
            (0, "Single Family", "sfr"),
            (0, "single-family", "sfr"),
            (0, "CO", "condo"),
            (0, "PU", "pud"),
            (0, "TH", "townhouse"),
            (0, "2-4 Unit", "2-4_unit"),
            (0, "2-4_UNIT", "2-4_unit"),
            (0, "Fourplex", "2-4_unit"),
            (1, "P", "primary"),
            (1, "Owner-Occupied", "primary"),
            (1, "Second  Home", "second_home"),
            (1, "NOO", "investment"),
            (1, "Non-Owner Occupied", "investment"),
            (2, "P", "purchase"),
            (2, "R", "rate_term_refinance"),
            (2, "N", "rate_term_refinance"),
            (2, "R/T Refi", "rate_term_refinance"),
            (2, "rate_term_refi", "rate_term_refinance"),
            (2, "C/O", "cash_out_refinance"),
            (2, "cash_out_refi", "cash_out_refinance"),
        ] {
            assert_eq!(canonical(at, written), Some(word), "{written}");
        }
    }

    #[test]
    fn a_memo_changes_no_answer() {
        let mut memo = WordMemo::default();
        let vocabulary = &Aliases::built_in().vocabularies()[2];
        let mut words: Vec<String> =
            ["purchase", "PURCHASE", "c/o", "C/O", "", "a word of more than thirty-two letters in all", "heloc", "R/T Refi"]
                .map(str::to_owned)
                .into();
        // Words that differ in one letter at any position.
        for word in ["cash_out_refinance", "rate_term_refinance", "purchase", "a_rather_long_word_of_24"] {
            words.extend((0..word.len()).map(|at| format!("{}x{}", &word[..at], &word[at + 1..])));
            words.push(word.to_owned());
        }
        for written in words.iter().cycle().take(5 * words.len()) {
            for before in ["", "0123456789abcdef,"] {
                let text = format!("{before}{written},next");
                let span = before.len()..before.len() + written.len();
                assert_eq!(memo.code(vocabulary, &text, span), vocabulary.code(written), "{written}");
            }
        }
    }

    #[test]
    fn manufactured_homes_and_cooperatives_have_no_word() {
        let property = &Aliases::built_in().vocabularies()[0];
        for written in
            ["MH", "Manufactured", "Manufactured Home", "CP", "Co-op", "Coop", "Cooperative", "24 unit", "5+ unit", "Multifamily"]
        {
            assert_eq!(property.code(written), None, "{written}");
        }
    }
}
