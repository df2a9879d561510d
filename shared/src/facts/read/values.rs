//! Reads the values of a page at given rows, without unpacking the other rows.
//!
//! The Parquet library unpacks a page value by value, each text as a reference-counted object, and copies a whole dictionary of
//! numbers. A page of results needs a hundred of two thousand rows, and a filter only needs the rows that hold a word. Both are
//! many times faster on the encoded bytes. This module decodes what the writer writes, except differences: plain and
//! dictionary-coded values, with at most one definition level. No bytes make it panic.

use memchr::memmem;
use parquet::basic::Encoding;

use super::hybrid::{Hybrid, Run};

/// The fault of a damaged page.
pub type Damage = &'static str;

pub const ENDS_EARLY: Damage = "a page ends before its last value";
pub const BAD_CODE: Damage = "a page has a code that its dictionary has not";

/// A page of texts, or of whole numbers.
#[derive(Debug)]
pub struct ValuePage<'p> {
    /// Definition levels if the column is optional, followed by the values.
    pub body: &'p [u8],
    /// Encoding of the values.
    pub encoding: Encoding,
    /// Whether rows may have no value.
    pub optional: bool,
    /// Number of rows of the page.
    pub rows: usize,
}

/// Where the value of a row is.
#[derive(Debug, Clone, Copy)]
pub enum PlaceOrCode {
    /// Index among the values of the page.
    Place(usize),
    /// Code in the dictionary of the column.
    Code(u32),
}

/// The texts of a dictionary, in the order of their codes.
pub fn dictionary_texts(dictionary: &[u8]) -> Result<Vec<&[u8]>, Damage> {
    let (mut texts, mut rest) = (Vec::new(), dictionary);
    while !rest.is_empty() {
        let (text, after) = split_text(rest).ok_or("a dictionary ends within a text")?;
        texts.push(text);
        rest = after;
    }
    Ok(texts)
}

/// Splits off the first text, where each text follows its length. Returns the text and the rest.
#[inline]
pub fn split_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

impl<'p> ValuePage<'p> {
    /// Appends the texts at ascending rows, `None` for a row without one. `dictionary` holds the texts of the column's
    /// dictionary, and is empty if it has none.
    pub fn texts(
        &self,
        dictionary: &[&[u8]],
        rows: impl Iterator<Item = usize>,
        out: &mut Vec<Option<String>>,
    ) -> Result<(), Damage> {
        let (mut levels, texts) = self.levels()?;
        let mut codes = self.codes(texts)?;
        let (mut next, mut rest) = (0, texts);
        for row in rows {
            let text = match (place_of(&mut levels, row)?, &mut codes) {
                (None, _) => None,
                (Some(place), Some(codes)) => Some(*dictionary.get(codes.at(place)? as usize).ok_or(BAD_CODE)?),
                (Some(place), None) => loop {
                    let (text, after) = split_text(rest).ok_or(ENDS_EARLY)?;
                    (next, rest) = (next + 1, after);
                    if next > place {
                        break Some(text);
                    }
                },
            };
            let text = text.map(|text| std::str::from_utf8(text).map(str::to_owned)).transpose();
            out.push(text.map_err(|_| "a text is not UTF-8")?);
        }
        Ok(())
    }

    /// Appends the numbers at ascending rows, `None` for a row without one. Each number has `WIDTH` bytes: 4 or 8. `dictionary`
    /// holds the numbers of the column's dictionary, and is empty if it has none.
    pub fn integers<const WIDTH: usize>(
        &self,
        dictionary: &[u8],
        rows: impl Iterator<Item = usize>,
        out: &mut Vec<Option<i64>>,
    ) -> Result<(), Damage> {
        let (mut levels, values) = self.levels()?;
        let mut codes = self.codes(values)?;
        for row in rows {
            out.push(match (place_of(&mut levels, row)?, &mut codes) {
                (None, _) => None,
                (Some(place), Some(codes)) => Some(integer_at::<WIDTH>(dictionary, codes.at(place)? as usize).ok_or(BAD_CODE)?),
                (Some(place), None) => Some(integer_at::<WIDTH>(values, place).ok_or(ENDS_EARLY)?),
            });
        }
        Ok(())
    }

    /// Calls `give` with each row and the index of its value among the values of the page, or its code; `None` for a row without a
    /// value.
    pub fn each_place(&self, mut give: impl FnMut(usize, Option<PlaceOrCode>) -> Result<(), Damage>) -> Result<(), Damage> {
        let (levels, values) = self.levels()?;
        let mut codes = Vec::new();
        let count = match levels {
            None => self.rows,
            Some(levels) => {
                let mut bits = Vec::with_capacity(self.rows);
                levels.bits.all(self.rows, &mut bits)?;
                let count = bits.iter().map(|bit| *bit as usize).sum();
                let coded = self.all_codes(values, count, &mut codes)?;
                let mut place = 0;
                for (row, bit) in bits.into_iter().enumerate() {
                    if bit == 0 {
                        give(row, None)?;
                        continue;
                    }
                    give(row, Some(if coded { PlaceOrCode::Code(codes[place]) } else { PlaceOrCode::Place(place) }))?;
                    place += 1;
                }
                return Ok(());
            }
        };
        let coded = self.all_codes(values, count, &mut codes)?;
        if coded {
            return codes.iter().take(count).enumerate().try_for_each(|(row, code)| give(row, Some(PlaceOrCode::Code(*code))));
        }
        (0..count).try_for_each(|row| give(row, Some(PlaceOrCode::Place(row))))
    }

    /// Decodes the codes of `count` values. `false` when the page has no codes.
    fn all_codes(&self, values: &'p [u8], count: usize, out: &mut Vec<u32>) -> Result<bool, Damage> {
        let Some(codes) = self.codes(values)? else { return Ok(false) };
        out.reserve(count);
        codes.all(count, out)?;
        Ok(true)
    }

    /// The values of the page, after its definition levels.
    pub fn plain_values(&self) -> Result<&'p [u8], Damage> {
        self.levels().map(|(_, values)| values)
    }

    /// Calls `found` with the rows whose text is wanted, in order. The column must not be optional. `wanted_codes` says for each
    /// text of the dictionary whether it is wanted; `wanted` is used for pages without a dictionary.
    pub fn find(&self, wanted_codes: &[bool], wanted: &Wanted, mut found: impl FnMut(usize)) -> Result<(), Damage> {
        if let Some(mut codes) = self.codes(self.body)? {
            return codes.find(self.rows, wanted_codes, found);
        }
        // Most pages have none of the texts. A search through the bytes of the whole page finds that out several times faster
        // than going from text to text. A match may also be a part of another text, so it is only a hint.
        if !wanted.may_be_in(self.body) {
            return Ok(());
        }
        let mut rest = self.body;
        for row in 0..self.rows {
            let (text, after) = split_text(rest).ok_or(ENDS_EARLY)?;
            rest = after;
            if wanted.has(text) {
                found(row);
            }
        }
        Ok(())
    }

    fn levels(&self) -> Result<(Option<Levels<'p>>, &'p [u8]), Damage> {
        if !self.optional {
            return Ok((None, self.body));
        }
        let (levels, values) = split_text(self.body).ok_or("the definition levels of a page are longer than the page")?;
        let mut bits = Hybrid::new(levels, 1);
        // Most pages have a value in every row. Then the place of a value is its row.
        if self.rows > 0 && bits.reach(0)? >= self.rows && matches!(bits.run, Run::Same(1)) {
            return Ok((None, values));
        }
        Ok((Some(Levels { bits, row: 0, place: 0 }), values))
    }

    fn codes(&self, values: &'p [u8]) -> Result<Option<Hybrid<'p>>, Damage> {
        match self.encoding {
            Encoding::PLAIN => Ok(None),
            // `PLAIN_DICTIONARY` is the old name of `RLE_DICTIONARY`.
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => match values.split_first() {
                Some((width, codes)) if *width <= 32 => Ok(Some(Hybrid::new(codes, u32::from(*width)))),
                Some(_) => Err("a page has codes of more than 32 bits"),
                // The page has no value.
                None => Ok(Some(Hybrid::new(&[], 0))),
            },
            _ => Err("a page has an encoding that is never written"),
        }
    }
}

/// Texts to search for.
#[derive(Debug)]
pub struct Wanted {
    texts: Vec<Vec<u8>>,
    /// Finders for the texts as a page stores them: each after its length.
    finders: Vec<memmem::Finder<'static>>,
}

impl Wanted {
    /// A search for any of these texts.
    pub fn new(texts: Vec<String>) -> Self {
        let texts: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
        let finder = |text: &Vec<u8>| {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            memmem::Finder::new(&[&length.to_le_bytes(), text.as_slice()].concat()).into_owned()
        };
        let finders = texts.iter().map(finder).collect();
        Self { texts, finders }
    }

    /// Whether this text is one of them.
    pub fn has(&self, text: &[u8]) -> bool {
        self.texts.iter().any(|wanted| wanted == text)
    }

    fn may_be_in(&self, page: &[u8]) -> bool {
        self.finders.iter().any(|finder| finder.find(page).is_some())
    }
}

/// Reads which rows of an optional column have a value, in ascending order.
#[derive(Debug)]
struct Levels<'p> {
    bits: Hybrid<'p>,
    /// The next row.
    row: usize,
    /// Number of rows before it that have a value.
    place: usize,
}

/// Index of a row's value among the values; `None` if the row has none.
fn place_of(levels: &mut Option<Levels<'_>>, row: usize) -> Result<Option<usize>, Damage> {
    match levels {
        Some(levels) => levels.place_of(row),
        None => Ok(Some(row)),
    }
}

/// The number at an index, in a sequence of numbers of `WIDTH` bytes.
#[inline]
pub fn integer_at<const WIDTH: usize>(bytes: &[u8], at: usize) -> Option<i64> {
    let from = bytes.get(at.checked_mul(WIDTH)?..)?.first_chunk::<WIDTH>()?;
    let negative = from.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide.get_mut(..WIDTH)?.copy_from_slice(from);
    Some(i64::from_le_bytes(wide))
}

impl Levels<'_> {
    /// Index of a row's value among the values; `None` if the row has none.
    fn place_of(&mut self, row: usize) -> Result<Option<usize>, Damage> {
        while self.row < row {
            let end = self.bits.reach(self.row)?.min(row);
            self.place += self.bits.ones(self.row, end);
            self.row = end;
        }
        Ok((self.bits.at(row)? == 1).then_some(self.place))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::hybrid::mask, *};

    /// Encodes codes of `width` bits as runs of one value and packed runs, mixed as a writer may mix them. Returns the bytes and
    /// the codes.
    fn hybrid(width: u32, runs: &[(bool, Vec<u32>)]) -> (Vec<u8>, Vec<u32>) {
        let (mut bytes, mut codes) = (Vec::new(), Vec::new());
        let number = |bytes: &mut Vec<u8>, mut value: usize| {
            while value >= 0x80 {
                bytes.push(value as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
        };
        for (packed, values) in runs {
            let values: Vec<u32> = values.iter().map(|value| value & mask(width)).collect();
            if *packed {
                let groups = values.len() / 8;
                number(&mut bytes, groups << 1 | 1);
                let start = bytes.len();
                bytes.resize(start + groups * width as usize, 0);
                for (at, value) in values[..groups * 8].iter().enumerate() {
                    for bit in (0..width).filter(|bit| value >> bit & 1 == 1) {
                        let place = at * width as usize + bit as usize;
                        bytes[start + place / 8] |= 1 << (place % 8);
                    }
                }
                codes.extend(&values[..groups * 8]);
            } else {
                number(&mut bytes, values.len() << 1);
                bytes.extend(&values[0].to_le_bytes()[..width.div_ceil(8) as usize]);
                codes.extend(values.iter().map(|_| values[0]));
            }
        }
        (bytes, codes)
    }

    fn runs() -> impl Strategy<Value = Vec<(bool, Vec<u32>)>> {
        prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u32>(), 1..70)), 1..6)
    }

    proptest! {
        #[test]
        fn codes_are_found_at_their_places(width in 0_u32..=32, runs in runs(), step in 1_usize..20) {
            let (bytes, codes) = hybrid(width, &runs);
            let mut read = Hybrid::new(&bytes, width);
            for (place, code) in codes.iter().enumerate().step_by(step) {
                prop_assert_eq!(read.at(place), Ok(*code));
            }
            prop_assert_eq!(read.at(codes.len()), Err(ENDS_EARLY));
        }

        #[test]
        fn wanted_codes_are_found_and_no_others(width in 0_u32..=10, runs in runs(), wanted in prop::collection::vec(any::<bool>(), 1024), less in 0_usize..9) {
            let (bytes, codes) = hybrid(width, &runs);
            let length = codes.len().saturating_sub(less);
            let mut found = Vec::new();
            let result = Hybrid::new(&bytes, width).find(length, &wanted, |place| found.push(place));
            prop_assert_eq!(result, Ok(()));
            let expected: Vec<usize> = (0..length).filter(|place| wanted[codes[*place] as usize]).collect();
            prop_assert_eq!(found, expected);
            // The dictionary has fewer texts than there are codes.
            let largest = codes[..length].iter().max().map_or(0, |code| *code as usize);
            let result = Hybrid::new(&bytes, width).find(length, &wanted[..largest], |_| {});
            prop_assert_eq!(result.is_err(), length > 0);
        }

        #[test]
        fn integers_are_read_past_rows_without_any(rows in prop::collection::vec(prop::option::of(any::<i64>()), 1..200), step in 1_usize..9, coded: bool, narrow: bool) {
            let (width, rows) = if narrow { (4, rows.into_iter().map(|row| row.map(|value| i64::from(value as i32))).collect()) } else { (8, rows) };
            let read = |page: &ValuePage<'_>, dictionary: &[u8], step: usize, out: &mut Vec<Option<i64>>| {
                let places = (0..page.rows).step_by(step);
                if narrow { page.integers::<4>(dictionary, places, out) } else { page.integers::<8>(dictionary, places, out) }
            };
            let levels: Vec<u32> = rows.iter().map(|row| u32::from(row.is_some())).chain([0; 7]).collect();
            let (levels, _) = hybrid(1, &[(true, levels)]);
            let mut body = [&(levels.len() as u32).to_le_bytes(), levels.as_slice()].concat();
            let values: Vec<u8> = rows.iter().flatten().flat_map(|value| value.to_le_bytes()[..width].to_vec()).collect();
            let count = values.len() / width;
            let encoding = if coded { Encoding::RLE_DICTIONARY } else { Encoding::PLAIN };
            if coded {
                let codes: Vec<u32> = (0..count as u32).chain([0; 7]).collect();
                body.push(8);
                body.extend(hybrid(8, &[(true, codes)]).0);
            } else {
                body.extend(&values);
            }
            let page = ValuePage { body: &body, encoding, optional: true, rows: rows.len() };
            let mut integers = Vec::new();
            prop_assert_eq!(read(&page, &values, step, &mut integers), Ok(()));
            prop_assert!(integers.iter().eq(rows.iter().step_by(step)));
            // A number without its last byte is not read.
            if count > 0 {
                let (dictionary, body) = if coded { (&values[..values.len() - 1], &body[..]) } else { (&[][..], &body[..body.len() - 1]) };
                let page = ValuePage { body, encoding, optional: true, rows: rows.len() };
                prop_assert!(read(&page, dictionary, 1, &mut Vec::new()).is_err());
            }
        }

        #[test]
        fn texts_are_read_past_rows_without_any(rows in prop::collection::vec(prop::option::of("[a-zé]{0,3}"), 1..200), step in 1_usize..9) {
            let levels: Vec<u32> = rows.iter().map(|row| u32::from(row.is_some())).chain([0; 7]).collect();
            let (levels, _) = hybrid(1, &[(true, levels)]);
            let mut body = [&(levels.len() as u32).to_le_bytes(), levels.as_slice()].concat();
            for text in rows.iter().flatten() {
                body.extend_from_slice(&(text.len() as u32).to_le_bytes());
                body.extend_from_slice(text.as_bytes());
            }
            let page = ValuePage { body: &body, encoding: Encoding::PLAIN, optional: true, rows: rows.len() };
            let mut texts = Vec::new();
            prop_assert_eq!(page.texts(&[], (0..rows.len()).step_by(step), &mut texts), Ok(()));
            prop_assert!(texts.iter().eq(rows.iter().step_by(step)));
        }

        #[test]
        fn whatever_the_bytes_are_nothing_panics(body in prop::collection::vec(any::<u8>(), 0..60), plain in any::<bool>(), optional in any::<bool>()) {
            let encoding = if plain { Encoding::PLAIN } else { Encoding::RLE_DICTIONARY };
            let page = ValuePage { body: &body, encoding, optional, rows: 100 };
            let _ = page.texts(&[b"a", b"b"], 0..100, &mut Vec::new());
            let _ = page.integers::<4>(&body, 0..100, &mut Vec::new());
            let _ = page.integers::<8>(&body, 0..100, &mut Vec::new());
            let _ = page.find(&[true, false], &Wanted::new(vec!["a".to_owned()]), |_| {});
            let _ = dictionary_texts(&body);
        }
    }

    #[test]
    fn a_text_within_another_is_not_found() {
        // The second text contains the first as a page stores it, with its length.
        let texts = ["ab", "x\u{2}\0\0\0ab", "ab"];
        let body: Vec<u8> =
            texts.iter().flat_map(|text| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()).collect();
        let page = ValuePage { body: &body, encoding: Encoding::PLAIN, optional: false, rows: 3 };
        let mut found = Vec::new();
        page.find(&[], &Wanted::new(vec!["ab".to_owned()]), |row| found.push(row)).unwrap();
        assert_eq!(found, [0, 2]);
    }
}
