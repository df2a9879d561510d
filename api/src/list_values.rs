//! Values of the filters and orders of lists.

use shared::{
    phases::disposition::Disposition,
    questions::lists::{
        filter::Words,
        order::LoanOrder,
        range::{ExcessRange, NumberFilter},
    },
};

use super::values::{BadValue, FieldValue, listed};

/// Largest number of words in one filter.
const MAX_WORDS: usize = 100;

/// Words with commas between them: the filter lets through what has one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyOf(pub Vec<String>);

/// Dispositions with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispositions(pub Vec<Disposition>);

impl AnyOf {
    /// The filter for these words.
    pub fn words(self) -> Words {
        Words::any(self.0)
    }
}

impl FieldValue for AnyOf {
    fn expected() -> String {
        "a word, or several with commas between them, such as `sfr,condo`".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        let words: Vec<String> = text.split(',').map(str::to_owned).collect();
        if words.len() > MAX_WORDS {
            return Err(BadValue::new(format!("It has {} words; at most {MAX_WORDS} are possible.", words.len())));
        }
        if words.iter().any(String::is_empty) { Err(BadValue::text::<Self>(text)) } else { Ok(Self(words)) }
    }
}

impl FieldValue for Dispositions {
    fn expected() -> String {
        let words = listed(Disposition::ALL.map(Disposition::as_str));
        format!("one of {words}, or several with commas between them")
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        let words = text.split(',').map(Disposition::from_word);
        words
            .collect::<Option<Vec<_>>>()
            .filter(|words| words.len() <= MAX_WORDS)
            .map(Self)
            .ok_or_else(|| BadValue::text::<Self>(text))
    }
}

/// The ways to write a range.
const RANGES: &str = "`80..85`, `80..<85` or `80<..85` (without that end), `80..`, `..85`, `80` for exactly this number";

impl FieldValue for NumberFilter {
    fn expected() -> String {
        format!("a range such as {RANGES}, or `missing`")
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        text.parse().map_err(|_| BadValue::text::<Self>(text))
    }
}

impl FieldValue for ExcessRange {
    fn expected() -> String {
        format!("a range such as {RANGES}; with `%` behind it in percent of the limit, as in `..1%`")
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        text.parse().map_err(|_| BadValue::text::<Self>(text))
    }
}

impl FieldValue for LoanOrder {
    fn expected() -> String {
        format!("one of {}, with `-` in front for the opposite order", listed(Self::names()))
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        text.parse().map_err(|_| BadValue::text::<Self>(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why_not<T: FieldValue + std::fmt::Debug>(text: &str) -> String {
        T::from_text(text).unwrap_err().remove(0).msg
    }

    #[test]
    fn a_list_of_words_has_no_gap() {
        assert_eq!(AnyOf::from_text("sfr,2-4_unit").unwrap(), AnyOf(vec!["sfr".to_owned(), "2-4_unit".to_owned()]));
        for text in [",", "sfr,", ",sfr", "sfr,,condo"] {
            assert!(why_not::<AnyOf>(text).ends_with(&format!("found `{text}`.")), "{text}");
        }
        assert_eq!(why_not::<AnyOf>(&["x"; 101].join(",")), "It has 101 words; at most 100 are possible.");
        assert_eq!(
            why_not::<Dispositions>("rejected,bought"),
            "Expected one of `to_purchase`, `projected`, `rejected`, or several with commas between them, found `rejected,bought`."
        );
        assert_eq!(Dispositions::from_text("rejected,projected").unwrap().0, [Disposition::Rejected, Disposition::Projected]);
    }

    #[test]
    fn what_is_no_range_says_how_ranges_are_written() {
        assert_eq!(
            why_not::<NumberFilter>("80-85"),
            "Expected a range such as `80..85`, `80..<85` or `80<..85` (without that end), `80..`, `..85`, `80` for exactly this number, \
             or `missing`, found `80-85`."
        );
        assert!(why_not::<ExcessRange>("1 %").contains("`..1%`"));
        assert!(why_not::<LoanOrder>("price").contains("`final_price`"));
    }
}
