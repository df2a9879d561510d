//! The fields that a condition may test, and their values in a form that is quick to compare.

use std::{borrow::Cow, sync::Arc};

use jiff::{Span, civil::Date};

use crate::{
    decimal::Decimal,
    loan::{
        CellValue, Field, FieldKind, Loan, MANY_UNITS, OrdinaryLoan, StandardCell, StandardCells, StandardValue, Unit, WordCell,
    },
    rules::push_distance,
    tape::{
        aliases::{Aliases, Vocabulary, fold_word},
        cell::content,
        declared::{Declaration, DeclaredWords, NamedWords},
    },
};

/// A field that a condition may test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestedField {
    /// A canonical or standard field.
    Loan(Field),
    /// Months since the first payment: original term minus remaining term, else whole months from the first payment date to the
    /// purchase date; at least 0.
    AgeMonths,
    /// Whole months from the origination date to the purchase date; at least 0.
    SeasoningMonths,
    /// A field that the rule set declares.
    Declared(Arc<Declaration>),
}

/// Names and labels of the computed fields.
const COMPUTED: [(&str, &str); 2] = [("age_months", "Age in months"), ("seasoning_months", "Seasoning in months")];

impl TestedField {
    /// The canonical, standard or computed field with this name; `None` when there is none.
    pub fn from_name(name: &str) -> Option<Self> {
        let [(age, _), (seasoning, _)] = COMPUTED;
        match name {
            name if name == age => Some(Self::AgeMonths),
            name if name == seasoning => Some(Self::SeasoningMonths),
            name => Field::from_name(name).map(Self::Loan),
        }
    }

    /// The names of all fields but those that a rule set declares, for messages.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Field::ALL.into_iter().map(Field::name).chain(COMPUTED.iter().map(|(name, _)| *name))
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Loan(field) => field.name(),
            Self::AgeMonths => COMPUTED[0].0,
            Self::SeasoningMonths => COMPUTED[1].0,
            Self::Declared(field) => &field.name,
        }
    }

    /// The name, without a copy of one that is built in.
    pub fn shared_name(&self) -> Cow<'static, str> {
        match self {
            Self::Loan(field) => Cow::Borrowed(field.name()),
            Self::AgeMonths => Cow::Borrowed(COMPUTED[0].0),
            Self::SeasoningMonths => Cow::Borrowed(COMPUTED[1].0),
            Self::Declared(field) => Cow::Owned(field.name.to_string()),
        }
    }

    /// Name for people, as in messages.
    pub fn label(&self) -> &str {
        match self {
            Self::Loan(field) => field.info().label,
            Self::AgeMonths => COMPUTED[0].1,
            Self::SeasoningMonths => COMPUTED[1].1,
            Self::Declared(field) => &field.label,
        }
    }

    pub fn unit(&self) -> Unit {
        match self {
            Self::Loan(field) => field.info().unit,
            Self::AgeMonths | Self::SeasoningMonths => Unit::Months,
            Self::Declared(field) => field.unit,
        }
    }

    /// Largest number that can only be meant as a fraction of one; `None` for a field that holds no percentages, and for one that a
    /// rule set declares.
    pub fn fraction_to(&self) -> Option<Decimal> {
        match self {
            Self::Loan(field) => field.info().zones.map(|zones| zones.fraction_to),
            Self::AgeMonths | Self::SeasoningMonths | Self::Declared(_) => None,
        }
    }

    /// The words of the field; `None` for one that holds no words.
    pub fn words(&self) -> Option<Words<'_>> {
        match self {
            Self::Loan(field) => Some(Words::Known(*field, Aliases::built_in().vocabulary(*field)?)),
            Self::AgeMonths | Self::SeasoningMonths => None,
            Self::Declared(field) => match &field.words {
                DeclaredWords::None => None,
                DeclaredWords::Listed(vocabulary) => Some(Words::Listed(vocabulary)),
                DeclaredWords::Any(named) => Some(Words::Any(named)),
            },
        }
    }

    /// A number of this field for people: `$50,000.00`, `97.80 %`, `619`.
    pub fn show(&self, value: Decimal) -> String {
        let mut text = String::new();
        self.push_shown(&mut text, value);
        text
    }

    /// Appends a number of this field for people.
    pub fn push_shown(&self, out: &mut String, value: Decimal) {
        self.unit().push_shown(out, value);
    }

    /// Appends the distance of a number of this field from a bound, for people.
    pub fn push_distance(&self, out: &mut String, excess: Decimal) {
        push_distance(out, self.unit(), excess);
    }

    /// Whether every loan that passes validation has the value, under any rule set that has the field.
    pub fn is_required(&self) -> bool {
        match self {
            Self::Loan(field) => field.info().required,
            Self::AgeMonths | Self::SeasoningMonths => false,
            Self::Declared(field) => field.required,
        }
    }

    /// Whether the field is, or is computed from, a standard field or one that the rule set declares.
    pub fn is_standard(&self) -> bool {
        match self {
            Self::Loan(field) => !field.is_canonical(),
            Self::AgeMonths | Self::SeasoningMonths | Self::Declared(_) => true,
        }
    }
}

/// Words of property types that the built-in list leaves out, and that conditions and lists of a rule set may name. A loan keeps such
/// a word as the tape writes it.
const FURTHER_PROPERTY_TYPES: [(&str, &[&str]); 4] = [
    (
        "manufactured",
        &[
            "manufactured",
            "manufactured home",
            "manufactured housing",
            "mh",
            "mfd home",
            "mobile home",
            "sfr mh",
            "pud manufactured",
            "manufactured pud",
            "double wide",
            "single wide",
        ],
    ),
    ("co_op", &["co op", "coop", "cooperative", "cooperative unit", "co operative", "cp"]),
    ("mixed_use", &["mixed use", "mixed"]),
    (
        MANY_UNITS,
        &[
            "5+ unit",
            "5+ units",
            "5+ family",
            "5+",
            "5 or more units",
            "5 plus",
            "5 plus units",
            "five or more units",
            "multifamily 5+",
        ],
    ),
];

/// The word of property types outside the built-in vocabulary that a tape's cell means.
pub fn further_property_type(written: &str) -> Option<&'static str> {
    let folded = fold_word(&content(written));
    FURTHER_PROPERTY_TYPES.iter().find(|(_, aliases)| aliases.contains(&folded.as_str())).map(|(word, _)| *word)
}

/// The words of a field, each with a code below 64.
#[derive(Debug, Clone, Copy)]
pub enum Words<'f> {
    /// The words of a canonical or standard field.
    Known(Field, &'f Vocabulary),
    /// The words that a rule set lists for a field that it declares.
    Listed(&'f Vocabulary),
    /// Of a declared field without a list: the words that conditions name.
    Any(&'f NamedWords),
}

impl<'f> Words<'f> {
    /// The words that a condition may name; of a field without a list those that conditions have named.
    pub fn canonical(&self) -> impl Iterator<Item = &'f str> + use<'f> {
        let (listed, named): (&'f [String], _) = match self {
            Self::Known(_, vocabulary) | Self::Listed(vocabulary) => (vocabulary.canonical(), None),
            Self::Any(named) => (&[], Some(named.iter())),
        };
        let is_further = matches!(self, Self::Known(Field::PropertyType, _));
        let further = is_further.then_some(FURTHER_PROPERTY_TYPES).into_iter().flatten();
        listed.iter().map(String::as_str).chain(further.map(|(word, _)| word)).chain(named.into_iter().flatten())
    }

    /// Whether conditions may name any word. A word that they do not name is then none of theirs, and not unknown.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Any(_))
    }

    /// The code of a word that a condition names: a canonical one in any case, of a field without a list any word. `None` when there
    /// is no such word, or no room for another one.
    pub fn code(&self, word: &str) -> Option<u8> {
        if let Self::Any(named) = self {
            return named.code(word);
        }
        let at = self.canonical().position(|canonical| canonical.eq_ignore_ascii_case(word.trim()))?;
        u8::try_from(at).ok()
    }

    /// The code of the word that a text means: a canonical word or an alias, as in a tape.
    pub fn meant(&self, written: &str) -> Option<u8> {
        let (vocabulary, is_property_type) = match self {
            Self::Known(field, vocabulary) => (vocabulary, *field == Field::PropertyType),
            Self::Listed(vocabulary) => (vocabulary, false),
            Self::Any(named) => return named.code(written),
        };
        let further = || further_property_type(written).filter(|_| is_property_type);
        vocabulary.code(written).or_else(|| self.code(further()?)).or_else(|| self.code(written))
    }

    /// The word with a code; empty when there is none.
    pub fn word(&self, code: u8) -> &'f str {
        let listed = match self {
            Self::Known(_, vocabulary) | Self::Listed(vocabulary) => vocabulary.canonical().get(usize::from(code)),
            Self::Any(_) => None,
        };
        listed.map_or_else(|| self.canonical().nth(usize::from(code)).unwrap_or_default(), String::as_str)
    }
}

/// The value of a field as one whole number, so that all comparisons are comparisons of whole numbers: a number as twice its
/// millionths, plus one if it is above them; a date as its day; a word as its code.
pub type Value = i64;

/// A value that the loan lacks, or that cannot be read.
pub const MISSING: Value = Value::MIN;
/// A word outside the vocabulary of its field.
pub const OTHER_WORD: Value = 64;

/// A number as a [`Value`]. A number too large for it is as large as any: no bound of a condition is.
pub fn number(value: Decimal) -> Value {
    if let Some(micros) = value.micros() {
        return of_micros(micros);
    }
    let (mantissa, scale) = value.parts();
    let unit = 10_i128.pow(u32::from(scale.saturating_sub(6)));
    let above = i128::from(mantissa.rem_euclid(unit) != 0);
    let doubled = mantissa.div_euclid(unit).saturating_mul(2).saturating_add(above);
    i64::try_from(doubled.clamp(-i128::from(Value::MAX), i128::from(Value::MAX))).unwrap_or(Value::MAX)
}

/// A number of millionths as a [`Value`].
fn of_micros(micros: i64) -> Value {
    // One more than the smallest number, which means that there is none.
    micros.saturating_mul(2).max(-Value::MAX)
}

/// A date as a [`Value`].
pub fn day(date: Date) -> Value {
    let hours = date.duration_since(Date::constant(1970, 1, 1)).as_hours();
    hours / 24
}

/// The date of a value; `None` when the value is missing.
pub fn date_of(value: Value) -> Option<Date> {
    if value == MISSING { None } else { Date::constant(1970, 1, 1).checked_add(Span::new().try_days(value).ok()?).ok() }
}

/// Where the values of a field come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Number(usize),
    Word(usize),
    Text,
    Standard(usize),
    Declared(usize),
    Age,
    Seasoning,
}

/// A field whose values are needed, and where they come from.
#[derive(Debug, Clone)]
pub struct Slot {
    pub field: TestedField,
    origin: Origin,
}

impl Slot {
    pub fn new(field: TestedField) -> Self {
        let origin = match &field {
            TestedField::Loan(of) => match of.info().kind {
                FieldKind::Text => Origin::Text,
                FieldKind::Number(at) => Origin::Number(at),
                FieldKind::Word(at) => Origin::Word(at),
                FieldKind::Standard(at) => Origin::Standard(at),
            },
            TestedField::AgeMonths => Origin::Age,
            TestedField::SeasoningMonths => Origin::Seasoning,
            TestedField::Declared(field) => Origin::Declared(field.place),
        };
        Self { field, origin }
    }

    /// The value of a loan that passed validation.
    pub fn value(&self, loan: &Loan<'_>, pdate: Date) -> Value {
        match self.origin {
            Origin::Number(at) => match loan.numbers[at].reading {
                CellValue::Value(value) => number(value),
                CellValue::Missing | CellValue::Unreadable(_) => MISSING,
            },
            Origin::Word(at) => self.word(loan.words[at]),
            Origin::Text => loan.seller_loan_number.as_ref().map_or(MISSING, |_| OTHER_WORD),
            Origin::Standard(_) | Origin::Declared(_) | Origin::Age | Origin::Seasoning => {
                self.standard_value(loan.standard, pdate)
            }
        }
    }

    /// The value of an ordinary loan.
    #[inline]
    pub fn ordinary_value(&self, loan: &OrdinaryLoan<'_>, standard: &StandardCells<'_>, pdate: Date) -> Value {
        match self.origin {
            Origin::Number(at) => of_micros(loan.micros[at]),
            Origin::Word(at) => loan.codes[at].into(),
            Origin::Text => OTHER_WORD,
            Origin::Standard(_) | Origin::Declared(_) | Origin::Age | Origin::Seasoning => self.standard_value(standard, pdate),
        }
    }

    fn word(&self, word: WordCell<'_>) -> Value {
        match (word, self.field.words()) {
            (WordCell::Missing, _) | (_, None) => MISSING,
            (WordCell::Known(code), _) => code.into(),
            (WordCell::Other(written), Some(words @ Words::Known(Field::PropertyType, _))) => {
                further_property_type(written).and_then(|word| words.code(word)).map_or(OTHER_WORD, Value::from)
            }
            (WordCell::Other(_), Some(_)) => OTHER_WORD,
            (WordCell::ManyUnits { .. }, Some(words)) => words.code(MANY_UNITS).map_or(OTHER_WORD, Value::from),
        }
    }

    #[inline]
    fn standard_value(&self, cells: &StandardCells<'_>, pdate: Date) -> Value {
        match self.origin {
            Origin::Standard(at) => self.reading(cells.0[at].0),
            Origin::Declared(at) => cells.1.get(at).map_or(MISSING, |(cell, _)| self.reading(*cell)),
            Origin::Age => {
                let terms = cells.whole(Field::OriginalTerm).zip(cells.whole(Field::RemainingTerm));
                let by_terms = terms.map(|(original, remaining)| i64::from(original) - i64::from(remaining));
                months(by_terms.or_else(|| Some(months_between(cells.date(Field::FirstPaymentDate)?, pdate))))
            }
            _ => months(cells.date(Field::OriginationDate).map(|date| months_between(date, pdate))),
        }
    }

    #[inline]
    fn reading(&self, cell: StandardCell) -> Value {
        match cell {
            StandardCell::Missing => MISSING,
            StandardCell::Value(StandardValue::Number(value)) => number(value),
            StandardCell::Value(StandardValue::Whole(whole)) => Value::from(whole) * WHOLE,
            StandardCell::Value(StandardValue::Date(date)) => day(date),
            StandardCell::Value(StandardValue::Word(code)) => code.into(),
            // A text in a column of words is a word, though none of the vocabulary.
            StandardCell::Unreadable if self.field.unit() == Unit::Word => OTHER_WORD,
            StandardCell::Unreadable => MISSING,
        }
    }

    /// The cell of a standard or declared field; a missing one for other fields.
    pub fn cell<'t>(&self, cells: &StandardCells<'t>) -> (StandardCell, &'t str) {
        let cell = match self.origin {
            Origin::Standard(at) => cells.0.get(at),
            Origin::Declared(at) => cells.1.get(at),
            Origin::Number(_) | Origin::Word(_) | Origin::Text | Origin::Age | Origin::Seasoning => None,
        };
        cell.copied().unwrap_or((StandardCell::Missing, ""))
    }

    /// Whether a standard or declared field has a value. A word outside the vocabulary is one.
    #[inline]
    pub fn is_given(&self, cells: &StandardCells<'_>) -> bool {
        match self.cell(cells).0 {
            StandardCell::Missing => false,
            StandardCell::Value(_) => true,
            StandardCell::Unreadable => self.field.unit() == Unit::Word,
        }
    }

    /// The value as the tape writes it, for messages; `None` when there is none.
    pub fn written<'c>(&self, loan: &'c Loan<'_>) -> Option<&'c str> {
        let written = match self.origin {
            Origin::Number(at) => loan.numbers[at].written,
            Origin::Word(at) => match loan.words[at] {
                WordCell::Other(written) => written,
                WordCell::ManyUnits { .. } => MANY_UNITS,
                WordCell::Known(_) | WordCell::Missing => "",
            },
            Origin::Text => loan.seller_loan_number.as_deref().unwrap_or_default(),
            Origin::Standard(_) | Origin::Declared(_) => match self.cell(loan.standard) {
                (StandardCell::Missing, _) => "",
                (_, written) => written,
            },
            Origin::Age | Origin::Seasoning => "",
        };
        Some(written).filter(|written| !written.is_empty())
    }

    /// The number of a loan that passed validation; `None` when it has none.
    pub fn decimal(&self, loan: &Loan<'_>, pdate: Date) -> Option<Decimal> {
        match self.origin {
            Origin::Number(at) => loan.numbers[at].value(),
            Origin::Standard(_) | Origin::Declared(_) => self.cell(loan.standard).0.number(),
            Origin::Age | Origin::Seasoning => match self.value(loan, pdate) {
                MISSING => None,
                months => Some(Decimal::from_integer(months / WHOLE)),
            },
            Origin::Word(_) | Origin::Text => None,
        }
    }

    /// The number of an ordinary loan; `None` when it has none.
    #[inline]
    pub fn ordinary_decimal(&self, loan: &OrdinaryLoan<'_>, standard: &StandardCells<'_>, pdate: Date) -> Option<Decimal> {
        match self.origin {
            Origin::Number(at) => Some(Decimal::from_micros(loan.micros[at])),
            Origin::Standard(_) | Origin::Declared(_) => self.cell(standard).0.number(),
            Origin::Age | Origin::Seasoning => match self.standard_value(standard, pdate) {
                MISSING => None,
                months => Some(Decimal::from_integer(months / WHOLE)),
            },
            Origin::Word(_) | Origin::Text => None,
        }
    }
}

/// One whole, as a [`Value`].
pub const WHOLE: Value = 2_000_000;

fn months(months: Option<i64>) -> Value {
    months.map_or(MISSING, |months| months.max(0) * WHOLE)
}

/// Whole months from one date to another; negative when the second is the earlier one.
pub fn months_between(from: Date, to: Date) -> i64 {
    let months = (i64::from(to.year()) - i64::from(from.year())) * 12 + i64::from(to.month()) - i64::from(from.month());
    // The last day of a month counts as the whole month.
    let whole = to.day() >= from.day() || to.day() == to.days_in_month();
    if whole { months } else { months - 1 }
}
