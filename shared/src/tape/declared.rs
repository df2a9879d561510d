//! The fields that a rule set declares: their headers, and how their cells are read.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use crate::{
    decimal::Decimal,
    loan::{CellValue, ColumnField, Field, StandardCell, StandardValue, Unit},
};

use super::{
    aliases::{HeaderTable, MOST_WORDS, Rank, Vocabulary, fold_header, fold_word},
    cell::{content, is_missing},
    number::{parse_number, plain_micros},
    standard::{DateOrder, date_cell, whole_cell},
};

/// Code of a value that is no word of its field: a word that no condition names, or a text.
pub const OTHER_CODE: u8 = MOST_WORDS;

/// A field that a rule set declares.
#[derive(Debug)]
pub struct Declaration {
    /// Name of the field, and of its member in the facts.
    pub name: Arc<str>,
    /// Name for people, as in messages.
    pub label: String,
    /// Index of the field among the declared ones, which are in the order of their names.
    pub place: usize,
    pub unit: Unit,
    /// Headers besides the name of the field, as the rule set writes them.
    pub headers: Vec<String>,
    pub words: DeclaredWords,
    /// Whether a tape without the column fails, and a loan without the value.
    pub required: bool,
}

/// Fields are told apart by their names: a rule set declares each name once.
impl PartialEq for Declaration {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Declaration {}

/// The words of a declared field.
#[derive(Debug)]
pub enum DeclaredWords {
    /// The field holds no words.
    None,
    /// The words that the rule set lists, with their spellings.
    Listed(Vocabulary),
    /// Any words. Those that a condition names have a code.
    Any(Box<NamedWords>),
}

/// The words of a field without a list that conditions name, in the order in which they were first named. Reading a rule set adds
/// words; judging loans adds none.
#[derive(Debug)]
pub struct NamedWords([OnceLock<String>; MOST_WORDS as usize]);

impl Default for NamedWords {
    fn default() -> Self {
        Self([const { OnceLock::new() }; MOST_WORDS as usize])
    }
}

impl NamedWords {
    /// The code of a word, which is added when it is new; `None` when there is no room for another word.
    pub fn code(&self, word: &str) -> Option<u8> {
        let folded = fold_word(word);
        let same = |room: &OnceLock<String>| fold_word(room.get_or_init(|| word.trim().to_owned())) == folded;
        u8::try_from(self.0.iter().position(same)?).ok()
    }

    /// The words, by code.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map_while(OnceLock::get).map(String::as_str)
    }
}

/// What a rule set declares about the fields of tapes. The default declares nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DeclaredFields {
    /// The fields, in the order of their names.
    pub fields: Vec<Arc<Declaration>>,
    /// The standard fields that are required, in the order of [`Field::STANDARD`].
    pub required: Vec<Field>,
    headers: HeaderTable<usize>,
    /// Whether loans have a program, whose name no column of a tape may then have.
    pub has_programs: bool,
}

impl DeclaredFields {
    /// Fields in the order of their names, which gives their places, and the standard fields that are required.
    pub fn new(mut fields: Vec<Declaration>, mut required: Vec<Field>) -> Self {
        fields.sort_by(|one, other| one.name.cmp(&other.name));
        required.sort();
        let mut headers = HashMap::new();
        for (place, field) in fields.iter_mut().enumerate() {
            field.place = place;
            for header in field.headers.iter().map(String::as_str).chain([&*field.name]) {
                headers.insert(fold_header(header), place);
            }
        }
        Self { fields: fields.into_iter().map(Arc::new).collect(), required, headers: HeaderTable(headers), has_programs: false }
    }

    /// Whether the rule set declares nothing.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.required.is_empty()
    }

    /// The declared field of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Declaration>> {
        self.fields.iter().find(|field| *field.name == *name)
    }

    /// The declared field that a header names. Every header that a rule set names is a plain name of its field.
    pub fn claim(&self, header: &str) -> Option<(ColumnField, Rank)> {
        let place = self.headers.get(header)?;
        Some((ColumnField::Declared(Arc::clone(&self.fields.get(*place)?.name)), Rank::Plain))
    }

    /// The declared fields as columns name them.
    pub fn columns(&self) -> impl Iterator<Item = ColumnField> {
        self.fields.iter().map(|field| ColumnField::Declared(Arc::clone(&field.name)))
    }

    /// The fields that the rule set requires, in the order of reports.
    pub fn required(&self) -> impl Iterator<Item = ColumnField> {
        let declared =
            self.fields.iter().filter(|field| field.required).map(|field| ColumnField::Declared(Arc::clone(&field.name)));
        self.required.iter().map(|field| ColumnField::Known(*field)).chain(declared)
    }

    /// Whether the rule set requires a field.
    pub fn requires(&self, field: &ColumnField) -> bool {
        match field {
            ColumnField::Known(field) => self.required.contains(field),
            ColumnField::Declared(name) => self.get(name).is_some_and(|field| field.required),
        }
    }
}

impl Declaration {
    /// Whether another declaration of the field reads the same cells as the same values. Whether the field is required does not matter,
    /// nor which words conditions name.
    pub fn reads_as(&self, other: &Self) -> bool {
        let same_words = match (&self.words, &other.words) {
            (DeclaredWords::None, DeclaredWords::None) | (DeclaredWords::Any(_), DeclaredWords::Any(_)) => true,
            (DeclaredWords::Listed(ours), DeclaredWords::Listed(theirs)) => {
                let spellings = |words: &Vocabulary| words.spellings().map(|(text, code)| (text.to_owned(), code)).collect();
                let (ours, theirs): (HashMap<String, u8>, HashMap<String, u8>) = (spellings(ours), spellings(theirs));
                ours == theirs
            }
            _ => false,
        };
        self.name == other.name && self.unit == other.unit && self.headers == other.headers && same_words
    }

    /// The word with this code, as conditions name it; `None` for any other word.
    pub fn word(&self, code: u8) -> Option<&str> {
        match &self.words {
            DeclaredWords::None => None,
            DeclaredWords::Listed(vocabulary) => vocabulary.canonical().get(usize::from(code)).map(String::as_str),
            DeclaredWords::Any(named) => named.iter().nth(usize::from(code)),
        }
    }

    /// The canonical word with this code; `None` for a field without a list of words.
    pub fn listed_word(&self, code: u8) -> Option<&str> {
        if matches!(self.words, DeclaredWords::Listed(_)) { self.word(code) } else { None }
    }

    /// The words that have a code, for looking up cells; `None` for a field that holds no words.
    pub fn vocabulary(&self) -> Option<Vocabulary> {
        match &self.words {
            DeclaredWords::None => None,
            DeclaredWords::Listed(vocabulary) => Some(vocabulary.clone()),
            DeclaredWords::Any(named) => {
                // No word of a list of its own spellings is there twice.
                Vocabulary::new(named.iter().map(|word| (word.to_owned(), Vec::new()))).ok()
            }
        }
    }

    /// Reads a cell of a field that holds no words.
    pub fn read(&self, cell: &str, dates: DateOrder) -> StandardCell {
        match self.unit {
            Unit::Money | Unit::Percent | Unit::Ratio => match read_number(cell, self.unit) {
                CellValue::Missing => StandardCell::Missing,
                CellValue::Value(value) => StandardCell::Value(StandardValue::Number(value)),
                CellValue::Unreadable(_) => StandardCell::Unreadable,
            },
            Unit::Count | Unit::Months => whole_cell(read_number(cell, self.unit)),
            Unit::Date => date_cell(cell, dates),
            Unit::Word | Unit::Text => self.read_word(cell, None),
        }
    }

    /// The reading of a cell of words, given the code of the word that it means. A word outside the list of the field is unreadable;
    /// without a list every word is a word.
    pub fn read_word(&self, cell: &str, code: Option<u8>) -> StandardCell {
        match (code, &self.words) {
            (Some(code), _) => StandardCell::Value(StandardValue::Word(code)),
            (None, _) if is_missing(&content(cell)) => StandardCell::Missing,
            (None, DeclaredWords::Listed(_)) => StandardCell::Unreadable,
            (None, DeclaredWords::None | DeclaredWords::Any(_)) => StandardCell::Value(StandardValue::Word(OTHER_CODE)),
        }
    }
}

/// Reads a cell of a declared field of numbers. The number is what the cell says, in any unit.
fn read_number(text: &str, unit: Unit) -> CellValue {
    if let Some(micros) = plain_micros(text.as_bytes()) {
        return CellValue::Value(Decimal::from_micros(micros));
    }
    match parse_number(&content(text), unit) {
        Ok(None) => CellValue::Missing,
        Ok(Some(written)) => CellValue::Value(written.value),
        Err(why) => CellValue::Unreadable(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, unit: Unit, words: DeclaredWords) -> Declaration {
        let headers = vec!["Own Header".to_owned() + name];
        Declaration { name: name.into(), label: name.to_owned(), place: 0, unit, headers, words, required: name == "must" }
    }

    fn read(unit: Unit, cell: &str) -> StandardCell {
        field("any", unit, DeclaredWords::None).read(cell, DateOrder::default())
    }

    fn number(text: &str) -> StandardCell {
        StandardCell::Value(StandardValue::Number(text.parse::<Decimal>().unwrap()))
    }

    #[test]
    fn numbers_are_what_their_cells_say() {
        for (unit, cell, expected) in [
            (Unit::Percent, "3", number("3")),
            (Unit::Percent, "0.5", number("0.5")),
            (Unit::Percent, " 0.5 % ", number("0.5")),
            (Unit::Percent, "999", number("999")),
            (Unit::Percent, "6,5", StandardCell::Unreadable),
            (Unit::Money, "$1,234.50", number("1234.5")),
            (Unit::Money, "0", number("0")),
            (Unit::Money, "5%", StandardCell::Unreadable),
            (Unit::Ratio, "-1.25", number("-1.25")),
            (Unit::Ratio, "n/a", StandardCell::Missing),
            (Unit::Months, "12.0", StandardCell::Value(StandardValue::Whole(12))),
            (Unit::Months, "12.5", StandardCell::Unreadable),
            (Unit::Count, "0", StandardCell::Value(StandardValue::Whole(0))),
            (Unit::Count, "", StandardCell::Missing),
        ] {
            assert_eq!(read(unit, cell), expected, "{unit:?} {cell}");
        }
    }

    #[test]
    fn a_word_outside_a_list_is_unreadable_and_without_a_list_a_word() {
        let vocabulary = || Vocabulary::new([("high".to_owned(), vec!["A".to_owned()])].into_iter()).unwrap();
        let named = NamedWords::default();
        assert_eq!((named.code("Two Words"), named.code("other"), named.code("two-words")), (Some(0), Some(1), Some(0)));
        for (words, known, unknown) in [
            (DeclaredWords::Listed(vocabulary()), "a", StandardCell::Unreadable),
            (DeclaredWords::Any(Box::new(named)), " TWO_words", StandardCell::Value(StandardValue::Word(OTHER_CODE))),
        ] {
            let field = field("any", Unit::Word, words);
            let words = field.vocabulary().unwrap();
            let read = |cell: &str| field.read_word(cell, words.code(cell));
            assert_eq!(
                (read(known), read("X9"), read("NA")),
                (StandardCell::Value(StandardValue::Word(0)), unknown, StandardCell::Missing)
            );
        }
        assert_eq!(read(Unit::Text, "anything"), StandardCell::Value(StandardValue::Word(OTHER_CODE)));
        assert_eq!(read(Unit::Text, " - "), StandardCell::Missing);
    }

    #[test]
    fn headers_match_as_aliases_do() {
        let fields = vec![field("zone", Unit::Text, DeclaredWords::None), field("must", Unit::Percent, DeclaredWords::None)];
        let declared = DeclaredFields::new(fields, vec![Field::Dscr]);
        let claimed = |header: &str| declared.claim(header).map(|(field, _)| field.name().to_owned());
        for header in ["must", "MUST (%)", "1. Must*", "own header must", "own_header-must ($)"] {
            assert_eq!(claimed(header).as_deref(), Some("must"), "{header}");
        }
        for header in ["must (000)", "mus", "", "own header"] {
            assert_eq!(claimed(header), None, "{header}");
        }
        assert_eq!(declared.get("zone").map(|field| field.place), Some(1));
        let required: Vec<String> = declared.required().map(|field| field.name().to_owned()).collect();
        assert_eq!(required, ["dscr", "must"]);
    }
}
