//! Reads `[fields]`: the fields that a rule set declares, and the standard fields that it requires.

use std::{collections::HashMap, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    loan::{Field, Unit},
    rules::reading::{Key, flag, list, section},
    tape::{
        aliases::{Aliases, MOST_WORDS, Vocabulary, fold_header, fold_word},
        declared::{Declaration, DeclaredFields, DeclaredWords},
        header::PRODUCT_FIELDS,
    },
};

use super::{
    field::{Slot, TestedField},
    read::{RESERVED, Reader, one_of},
};

/// Largest number of fields that a rule set declares.
const MAX_FIELDS: usize = 100;
/// Length of the longest name of a field.
const MAX_NAME: usize = 40;
/// Names that no declared field has, in addition to those that the product gives to what it adds to a loan, and to those that no rule
/// has.
const TAKEN: [&str; 2] = ["base_price_source", "price_adjustments"];

/// The kinds of declared fields: how a rule set writes them, and the unit of those that have only one.
const KINDS: [(&str, Option<Unit>); 4] =
    [("word", Some(Unit::Word)), ("number", None), ("date", Some(Unit::Date)), ("text", Some(Unit::Text))];
/// The units of numbers.
const UNITS: [(&str, Unit); 5] = [
    ("money", Unit::Money),
    ("percent", Unit::Percent),
    ("ratio", Unit::Ratio),
    ("months", Unit::Months),
    ("count", Unit::Count),
];

impl Declaration {
    /// The kind of the field and the unit of its numbers, as a rule set writes them.
    pub fn kind(&self) -> (&'static str, Option<&'static str>) {
        let kind = KINDS.iter().find(|(_, unit)| *unit == Some(self.unit)).map_or("number", |(kind, _)| kind);
        (kind, UNITS.iter().find(|(_, unit)| *unit == self.unit).map(|(name, _)| *name))
    }
}

/// Whether a name can be that of a field.
fn is_field_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (2..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain) && name.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Whether the product uses a name for something else. It names columns without a header `column_1` and so on.
fn is_taken(name: &str) -> bool {
    let numbered = name.strip_prefix("column_").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
    numbered || PRODUCT_FIELDS.iter().chain(&RESERVED).chain(&TAKEN).any(|taken| *taken == name)
}

/// The name of a field for people: `Flood zone`.
fn label_of(name: &str) -> String {
    let mut label = name.replace('_', " ");
    if let Some(first) = label.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    label
}

impl Reader<'_> {
    /// Makes the fields that programs share those of the guide.
    pub fn share_fields(&mut self, shared: &Arc<DeclaredFields>) {
        self.guide.declared = Arc::clone(shared);
    }

    /// Notes that loans have a program.
    pub fn has_programs(&mut self) {
        // Nothing else holds the fields yet.
        if let Some(declared) = Arc::get_mut(&mut self.guide.declared) {
            declared.has_programs = true;
        }
    }

    /// Reads `[fields]`. A program has none.
    pub fn fields(&mut self, value: &Spanned<DeValue<'_>>, is_program: bool) {
        if is_program {
            let message = "a program declares no fields: declare them in the rule set that lists the program";
            self.mistakes.add(value.span(), message.to_owned());
            return;
        }
        let Some(table) = self.take(section(value, "fields")) else { return };
        if table.len() > MAX_FIELDS {
            let message = format!("a rule set has at most {MAX_FIELDS} fields, and this one has {}", table.len());
            self.mistakes.add(value.span(), message);
            self.misdeclared.extend(table.keys().map(|key| key.get_ref().to_string()));
            return;
        }
        let (mut declared, mut required) = (Vec::new(), Vec::new());
        // The field of each header so far.
        let mut headers: HashMap<String, String> =
            table.keys().map(|key| (fold_header(key.get_ref()), key.get_ref().to_string())).collect();
        // Mistakes are in the order of the lines, so that of two fields with one header the second has the mistake.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let name = key.get_ref().as_ref();
            let DeValue::Table(keys) = value.get_ref() else {
                self.mistakes.add(value.span(), format!("write [fields.{name}] and the keys of the field below"));
                self.misdeclared.push(name.to_owned());
                continue;
            };
            match TestedField::from_name(name) {
                Some(field) => required.extend(self.required_standard(&field, key, keys)),
                None => match self.declaration(key, keys, &mut headers) {
                    Some(field) => declared.push(field),
                    None => self.misdeclared.push(name.to_owned()),
                },
            }
        }
        let fields = DeclaredFields::new(declared, required);
        let slots = fields.required.iter().map(|field| TestedField::Loan(*field));
        let needed = fields.fields.iter().filter(|field| field.required).map(|field| TestedField::Declared(Arc::clone(field)));
        self.guide.required = slots.chain(needed).map(Slot::new).collect();
        self.guide.declared = Arc::new(fields);
    }

    /// Reads what the rule set says about a field that the product knows: only that a standard field is required.
    fn required_standard(&mut self, field: &TestedField, key: &Key<'_>, keys: &DeTable<'_>) -> Option<Field> {
        let name = field.name();
        let standard = match field {
            TestedField::Loan(field) if !field.is_canonical() => *field,
            _ => {
                self.mistakes.add(key.span(), format!("{name} is a field of the product: give the field another name"));
                return None;
            }
        };
        let mut required = false;
        for (key, value) in keys {
            match key.get_ref().as_ref() {
                "required" => required = self.take(flag(value, "required"))?,
                other => {
                    let message = format!("{name} is a field of the product: `required` is all that it takes, and not `{other}`");
                    self.mistakes.add(key.span(), message);
                }
            }
        }
        if keys.is_empty() {
            self.mistakes.add(key.span(), format!("{name} says nothing: write required = true"));
        }
        required.then_some(standard)
    }

    /// Reads a field that the rule set declares. `headers` are those of the fields before it, folded, and all names.
    fn declaration(&mut self, key: &Key<'_>, keys: &DeTable<'_>, headers: &mut HashMap<String, String>) -> Option<Declaration> {
        let name = key.get_ref().as_ref();
        let before = self.mistakes.count();
        self.check_name(key);
        let (mut kind, mut unit, mut required, mut list_of_words) = (None, None, false, None);
        let mut own_headers = Vec::new();
        for (key, value) in keys {
            match key.get_ref().as_ref() {
                "kind" => kind = self.take(one_of(value, "kind", &KINDS)).map(|kind| (kind, key.span())),
                "unit" => unit = self.take(one_of(value, "unit", &UNITS)).map(|unit| (unit, key.span())),
                "required" => required = self.take(flag(value, "required")).unwrap_or_default(),
                "headers" => own_headers = self.headers(name, value, headers),
                "words" => list_of_words = self.words(value).map(|words| (words, key.span())),
                _ => self.unknown(key, "kind, unit, headers, words, required"),
            }
        }
        if !keys.iter().any(|(key, _)| key.get_ref() == "kind") {
            self.mistakes.add(key.span(), format!("{name} has no kind: write kind = \"word\", \"number\", \"date\" or \"text\""));
        }
        let unit = match (kind?, unit) {
            ((Some(_), _), Some((_, place))) => {
                self.mistakes.add(place, format!("{name} holds no numbers, and has no `unit`"));
                return None;
            }
            ((Some(unit), _), None) => unit,
            ((None, _), Some((unit, _))) => unit,
            ((None, place), None) => {
                if !keys.iter().any(|(key, _)| key.get_ref() == "unit") {
                    let units: Vec<String> = UNITS.iter().map(|(unit, _)| format!("\"{unit}\"")).collect();
                    self.mistakes.add(place, format!("{name} is a number without a unit: write unit = {}", units.join(" or ")));
                }
                return None;
            }
        };
        let words = match list_of_words {
            Some((_, place)) if unit != Unit::Word => {
                self.mistakes.add(place, format!("{name} holds no words, and has no `words`"));
                return None;
            }
            Some((vocabulary, _)) => DeclaredWords::Listed(vocabulary),
            None if unit == Unit::Word => DeclaredWords::Any(Box::default()),
            None => DeclaredWords::None,
        };
        let declaration =
            Declaration { name: name.into(), label: label_of(name), place: 0, unit, headers: own_headers, words, required };
        (self.mistakes.count() == before).then_some(declaration)
    }

    fn check_name(&mut self, key: &Key<'_>) {
        let name = key.get_ref().as_ref();
        let mistake = if !is_field_name(name) {
            format!("\"{name}\" is no name of a field: 2 to {MAX_NAME} of a-z, 0-9 and _, with a letter in front")
        } else if is_taken(name) {
            format!("the name {name} is taken: give the field another one")
        } else if let Some(claim) = Aliases::built_in().claims(name).first() {
            format!("{name} is a header of the field {}: give the field another name", claim.field)
        } else {
            return;
        };
        self.mistakes.add(key.span(), mistake);
    }

    /// Reads the headers of a field. A header names one field.
    fn headers(&mut self, name: &str, value: &Spanned<DeValue<'_>>, headers: &mut HashMap<String, String>) -> Vec<String> {
        let Some(own) = self.take(list(value, "headers")) else { return Vec::new() };
        for header in &own {
            let folded = fold_header(header);
            let mistake = if folded.is_empty() {
                format!("\"{header}\" is no header: it has no letters or digits")
            } else if let Some(claim) = Aliases::built_in().claims(header).first() {
                format!("\"{header}\" is a header of the field {}", claim.field)
            } else {
                match headers.entry(folded).or_insert_with(|| name.to_owned()) {
                    other if other == name => continue,
                    other => format!("\"{header}\" is a header of the field {other}, too"),
                }
            };
            self.mistakes.add(value.span(), mistake);
        }
        own
    }

    /// Reads the words of a field, each with its spellings.
    fn words(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Vocabulary> {
        let table = match value.get_ref() {
            DeValue::Table(table) if !table.is_empty() => table,
            _ => {
                let message = "`words` must be a table such as { high_risk = [\"A\", \"AE\"] }, and not an empty one";
                self.mistakes.add(value.span(), message.to_owned());
                return None;
            }
        };
        if table.len() > usize::from(MOST_WORDS) {
            self.mistakes.add(value.span(), format!("a field has at most {MOST_WORDS} words, and this one has {}", table.len()));
            return None;
        }
        let mut read: Vec<(String, Vec<String>)> = Vec::new();
        for (key, value) in table {
            let word = key.get_ref().trim();
            if fold_word(word).is_empty() {
                self.mistakes.add(key.span(), format!("\"{word}\" is no word: it has no letters or digits"));
                continue;
            }
            let mut spellings = match value.get_ref() {
                // A word may have no other spelling.
                DeValue::Array(none) if none.is_empty() => Vec::new(),
                _ => self.take(list(value, word)).unwrap_or_default(),
            };
            let mut known = vec![fold_word(word)];
            spellings.retain(|spelling| {
                let folded = fold_word(spelling);
                let is_new = !known.contains(&folded);
                known.push(folded);
                is_new
            });
            read.push((word.to_owned(), spellings));
        }
        // The codes of the words follow from the words alone.
        read.sort_by_key(|(word, _)| fold_word(word));
        let vocabulary = Vocabulary::new(read.into_iter()).map_err(|mistake| (value.span(), mistake));
        self.take(vocabulary)
    }
}

/// What `[fields]` decides, in one fixed form for the hash of the rule set; empty when it says nothing.
pub fn canonical_text(declared: &DeclaredFields) -> String {
    let mut text = String::new();
    for field in &declared.fields {
        let (kind, unit) = field.kind();
        let mut headers: Vec<String> = field.headers.iter().map(|header| fold_header(header)).collect();
        headers.push(fold_header(&field.name));
        headers.sort_unstable();
        headers.dedup();
        let words = match &field.words {
            DeclaredWords::Listed(vocabulary) => {
                let of = |code: u8| vocabulary.canonical().get(usize::from(code)).map(|word| fold_word(word)).unwrap_or_default();
                let mut words: Vec<(String, &str)> =
                    vocabulary.spellings().map(|(spelling, code)| (of(code), spelling)).collect();
                words.sort_unstable();
                format!("{words:?}")
            }
            DeclaredWords::None | DeclaredWords::Any(_) => String::new(),
        };
        let unit = unit.unwrap_or_default();
        text.push_str(&format!("fields.{}={kind},{unit},{},{headers:?},{words}\n", field.name, field.required));
    }
    for field in &declared.required {
        text.push_str(&format!("fields.{field}=required\n"));
    }
    text
}
