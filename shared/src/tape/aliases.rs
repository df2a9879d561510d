//! The alias table: what sellers write for the canonical columns and words. All of it is in `aliases.toml`.

use std::{collections::HashMap, ops::Range, sync::LazyLock};

use crate::loan::{Field, WORDS};

use super::window::Window;

const ALIASES: &str = include_str!("aliases.toml");

/// The aliases of headers and words, ready for look-up.
#[derive(Debug)]
pub struct Aliases {
    headers: HashMap<String, Field>,
    words: [Vocabulary; WORDS],
}

/// The words of one vocabulary field.
#[derive(Debug)]
pub struct Vocabulary {
    canonical: Vec<String>,
    aliases: HashMap<String, u8>,
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
        let lists = |key: &str| -> Result<Vec<(String, Vec<String>)>, String> {
            let section = table.get(key).and_then(|value| value.as_table()).ok_or_else(|| format!("no table {key}"))?;
            let text = |value: &toml::Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("{key}: not a text"));
            let list = |value: &toml::Value| match value.as_array() {
                Some(items) => items.iter().map(text).collect::<Result<Vec<_>, _>>(),
                None => Err(format!("{key}: not a list")),
            };
            section.iter().map(|(name, value)| Ok((name.clone(), list(value)?))).collect()
        };
        let mut headers = HashMap::new();
        for (name, aliases) in lists("headers")? {
            let field = Field::from_name(&name).ok_or_else(|| format!("headers: no column {name}"))?;
            for spelling in aliases.iter().chain([&name]) {
                if headers.insert(fold_header(spelling), field).is_some() {
                    return Err(format!("headers: `{spelling}` stands twice"));
                }
            }
        }
        let vocabulary = |field: Field| -> Result<Vocabulary, String> {
            let (mut canonical, mut aliases) = (Vec::new(), HashMap::new());
            for (word, spellings) in lists(field.name())? {
                let code = u8::try_from(canonical.len()).map_err(|_| format!("{field}: too many words"))?;
                for spelling in spellings.iter().chain([&word]) {
                    if aliases.insert(fold_word(spelling), code).is_some() {
                        return Err(format!("{field}: `{spelling}` stands twice"));
                    }
                }
                canonical.push(word);
            }
            Ok(Vocabulary { canonical, aliases })
        };
        let [property, occupancy, purpose] = Field::WORDED.map(vocabulary);
        Ok(Self { headers, words: [property?, occupancy?, purpose?] })
    }

    /// The canonical column that a header names.
    pub fn header(&self, header: &str) -> Option<Field> {
        self.headers.get(&fold_header(header)).copied()
    }

    /// The vocabularies, in the order of [`Field::WORDED`].
    pub fn vocabularies(&self) -> &[Vocabulary; WORDS] {
        &self.words
    }
}

impl Vocabulary {
    /// The place of the canonical word that a cell means; outer spaces do not matter.
    pub fn code(&self, written: &str) -> Option<u8> {
        self.aliases.get(&fold_word(written)).copied()
    }

    /// The canonical words by their place.
    pub fn canonical(&self) -> &[String] {
        &self.canonical
    }
}

/// Remembers the words that were looked up last: a column says the same few things on every row.
#[derive(Debug, Clone)]
pub struct WordMemo {
    slots: [Remembered; WordMemo::SLOTS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Remembered {
    /// The cell as it stands in the tape: its last sixteen bytes and its first eight, which together are all of it.
    written: [u64; 3],
    /// Its length; nothing is remembered of longer cells. No cell that is remembered is empty.
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

    /// The place of the canonical word that the cell at `span` of a text means; outer spaces do not matter.
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

fn fold_header(header: &str) -> String {
    let significant = |c: &char| !c.is_whitespace() && !matches!(c, '_' | '-' | '#' | '.' | '\u{feff}');
    header.chars().filter(significant).flat_map(char::to_lowercase).collect()
}

/// One spelling for all ways to write a word that differ in case, spaces or hyphens only.
pub fn fold_word(word: &str) -> String {
    let chars: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    let mut folded = String::with_capacity(word.len());
    for (i, c) in chars.iter().enumerate() {
        let between_digits = || i > 0 && chars[i - 1].is_ascii_digit() && chars.get(i + 1).is_some_and(char::is_ascii_digit);
        match c {
            '-' if between_digits() => folded.push('-'),
            '_' | '-' | '.' => folded.push(' '),
            c if c.is_whitespace() => folded.push(' '),
            c => folded.push(*c),
        }
    }
    let words: Vec<&str> = folded.split(' ').filter(|part| !part.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_is_sound() {
        let aliases = Aliases::read(ALIASES).unwrap();
        for field in Field::ALL {
            assert_eq!(aliases.header(field.name()), Some(field));
        }
        let [property, occupancy, purpose] = aliases.vocabularies();
        assert_eq!(property.canonical(), ["sfr", "condo", "townhouse", "pud", "2-4_unit"]);
        assert_eq!(occupancy.canonical(), ["primary", "second_home", "investment"]);
        assert_eq!(purpose.canonical(), ["purchase", "rate_term_refinance", "cash_out_refinance"]);
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
        // Words that differ in one letter, wherever it stands.
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
