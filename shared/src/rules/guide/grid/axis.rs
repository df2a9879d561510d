//! The axes of a matrix: headings that tile. Each value has at most one heading.

use crate::{
    decimal::Decimal,
    rules::guide::{
        condition::Test,
        field::{MISSING, OTHER_WORD, TestedField, Value, number},
    },
    tape::aliases::fold_word,
};

use super::cell::{BandEnd, BandForm, CellTest};

/// Where a value is on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisPlace {
    /// Under the heading with this index.
    Heading(usize),
    /// Under no heading.
    Nowhere,
    /// A missing value, or a word that `not` cannot judge.
    Undetermined,
}

/// An axis, ready for look-up. The values are cut where the heading changes.
#[derive(Debug, Clone)]
pub struct Axis {
    pub slot: usize,
    /// The smallest value of each piece, in order. The first is that of a missing value.
    starts: Vec<Value>,
    places: Vec<AxisPlace>,
    /// The headings by what they mean, in one order: the index of each, and its meaning for the hash of the rule set.
    pub meanings: Vec<(usize, String)>,
}

/// Two headings that do not fit together, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct HeadingClash {
    pub headings: [usize; 2],
    pub why: &'static str,
}

pub const OVERLAP: &str = "overlap";
pub const GAP: &str = "leave a gap between them";

/// The words of a heading in one fixed order and spelling.
fn meaning(field: &TestedField, heading: &CellTest) -> String {
    let CellTest::Words { bits, .. } = heading else { return String::new() };
    let codes = (0..64).filter(|code| bits >> code & 1 == 1);
    let mut words: Vec<String> = codes.filter_map(|code| Some(fold_word(field.words()?.word(code)))).collect();
    words.sort();
    words.join("|")
}

impl Axis {
    /// The axis of a field in a slot with these headings.
    ///
    /// # Errors
    /// The pairs of headings that overlap or leave a gap.
    pub fn new(slot: usize, field: &TestedField, headings: &[CellTest], upper: bool) -> Result<Self, Vec<HeadingClash>> {
        if let [CellTest::Anything] = headings {
            let meanings = vec![(0, "*".to_owned())];
            return Ok(Self { slot, starts: vec![MISSING], places: vec![AxisPlace::Heading(0)], meanings });
        }
        if field.words().is_some() { Self::of_words(slot, field, headings) } else { Self::of_bands(slot, headings, upper) }
    }

    fn of_words(slot: usize, field: &TestedField, headings: &[CellTest]) -> Result<Self, Vec<HeadingClash>> {
        let count = field.words().map_or(0, |words| words.canonical().count());
        // Of a field without a list of words, every word that is not named is another one.
        let is_open = field.words().is_some_and(|words| words.is_open());
        let all = if count < 64 && !is_open { (1_u64 << count) - 1 } else { u64::MAX };
        let set = |heading: &CellTest| match heading {
            CellTest::Words { bits, not: false } => (*bits, false),
            CellTest::Words { bits, not: true } => (all & !bits, true),
            _ => (0, false),
        };
        let sets: Vec<(u64, bool)> = headings.iter().map(set).collect();
        let clashes: Vec<HeadingClash> = (0..sets.len())
            .filter_map(|at| {
                let other = (0..at).find(|other| sets[*other].0 & sets[at].0 != 0)?;
                Some(HeadingClash { headings: [other, at], why: OVERLAP })
            })
            .collect();
        if !clashes.is_empty() {
            return Err(clashes);
        }
        let heading_of =
            |code: u32| sets.iter().position(|(bits, _)| bits >> code & 1 == 1).map_or(AxisPlace::Nowhere, AxisPlace::Heading);
        let unknown = match sets.iter().position(|(_, not)| *not) {
            Some(heading) if is_open => AxisPlace::Heading(heading),
            Some(_) => AxisPlace::Undetermined,
            None => AxisPlace::Nowhere,
        };
        let mut pieces = vec![(MISSING, AxisPlace::Undetermined), (MISSING + 1, AxisPlace::Nowhere)];
        pieces.extend((0..64).map(|code| (Value::from(code), heading_of(code))));
        pieces.extend([(OTHER_WORD, unknown), (OTHER_WORD + 1, AxisPlace::Nowhere)]);
        let mut meanings: Vec<(usize, String)> = sets
            .iter()
            .enumerate()
            .map(|(at, (_, not))| (at, format!("{}{}", meaning(field, &headings[at]), if *not { " not" } else { "" })))
            .collect();
        meanings.sort_by(|(_, one), (_, other)| one.cmp(other));
        Ok(Self::of_pieces(slot, pieces, meanings))
    }

    fn of_bands(slot: usize, headings: &[CellTest], upper: bool) -> Result<Self, Vec<HeadingClash>> {
        let bands = tile(headings, upper)?;
        let mut pieces = vec![(MISSING, AxisPlace::Undetermined), (MISSING + 1, AxisPlace::Nowhere)];
        for Band { heading, least, most } in &bands {
            pieces.retain(|(start, _)| start != least);
            pieces.push((*least, AxisPlace::Heading(*heading)));
            if *most < Value::MAX {
                pieces.push((most + 1, AxisPlace::Nowhere));
            }
        }
        let meanings = bands.iter().map(|band| (band.heading, format!("{}..{}", band.least, band.most))).collect();
        Ok(Self::of_pieces(slot, pieces, meanings))
    }

    fn of_pieces(slot: usize, pieces: Vec<(Value, AxisPlace)>, meanings: Vec<(usize, String)>) -> Self {
        let (starts, places) = pieces.into_iter().unzip();
        Self { slot, starts, places, meanings }
    }

    /// Where a loan with these values is.
    #[inline]
    pub fn place(&self, values: &[Value]) -> AxisPlace {
        self.place_of(values[self.slot])
    }

    /// Where a value is.
    #[inline]
    pub fn place_of(&self, value: Value) -> AxisPlace {
        let piece = self.starts.partition_point(|start| *start <= value);
        piece.checked_sub(1).map_or(AxisPlace::Undetermined, |piece| self.places[piece])
    }
}

/// A band of numbers, with both ends inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    pub heading: usize,
    pub least: Value,
    pub most: Value,
}

/// A heading of numbers whose ends are being settled.
#[derive(Debug, Clone, Copy)]
struct OpenBand {
    heading: usize,
    low: Option<BandEnd>,
    high: Option<BandEnd>,
    form: BandForm,
}

impl OpenBand {
    fn of(heading: usize, test: &CellTest) -> Option<Self> {
        match *test {
            CellTest::Band { low, high, form } => Some(Self { heading, low, high, form }),
            _ => None,
        }
    }

    /// The place in the order of bands: by the lower end, or, without one, by the upper end and before all that begin there.
    fn order(&self) -> (Decimal, bool, bool, bool, Decimal) {
        let top = self.high.map_or(Decimal::from_integer(i64::MAX), |high| high.number.value);
        match (self.low, self.high) {
            (Some(low), _) => (low.number.value, true, !low.inclusive, self.high.is_none(), top),
            (None, high) => (top, false, high.is_some_and(|high| high.inclusive), false, top),
        }
    }

    fn ends_at(&mut self, end: BandEnd) {
        self.high = Some(end);
    }

    fn begins_at(&mut self, end: BandEnd) {
        self.low = Some(end);
    }

    /// Both ends as values; `None` when no value is between them.
    fn band(&self) -> Option<Band> {
        let least = self.low.map_or(MISSING + 1, |low| number(low.number.value) + Value::from(!low.inclusive));
        let most = self.high.map_or(Value::MAX, |high| number(high.number.value) - Value::from(!high.inclusive));
        (least <= most).then_some(Band { heading: self.heading, least, most })
    }
}

/// The end of a band at the other side of a neighbour's end.
fn other_side(end: BandEnd) -> BandEnd {
    BandEnd { inclusive: !end.inclusive, ..end }
}

/// The bands of headings, in order. Neighbours touch: each says where the other begins or ends.
///
/// # Errors
/// The pairs of headings that overlap or leave a gap.
pub fn tile(headings: &[CellTest], upper: bool) -> Result<Vec<Band>, Vec<HeadingClash>> {
    let mut open: Vec<OpenBand> = headings.iter().enumerate().filter_map(|(at, test)| OpenBand::of(at, test)).collect();
    open.sort_by_key(OpenBand::order);
    let mut clashes = Vec::new();
    for at in 1..open.len() {
        let (before, after) = open.split_at_mut(at);
        let (Some(below), Some(above)) = (before.last_mut(), after.first_mut()) else { continue };
        if let Err(why) = touch(below, above, upper) {
            clashes.push(clash(below.heading, above.heading, why));
        }
    }
    let bands: Vec<Option<Band>> = open.iter().map(OpenBand::band).collect();
    for at in (0..bands.len()).filter(|at| bands[*at].is_none()) {
        let neighbour = if at > 0 { at - 1 } else { 1 };
        if let Some(other) = open.get(neighbour) {
            clashes.push(clash(open[at].heading, other.heading, OVERLAP));
        }
    }
    clashes.sort_by_key(|clash| clash.headings);
    clashes.dedup_by_key(|clash| clash.headings);
    if clashes.is_empty() { Ok(bands.into_iter().flatten().collect()) } else { Err(clashes) }
}

fn clash(one: usize, other: usize, why: &'static str) -> HeadingClash {
    HeadingClash { headings: [one.min(other), one.max(other)], why }
}

/// Lets two neighbours touch: what one leaves open, the other settles.
fn touch(below: &mut OpenBand, above: &mut OpenBand, upper: bool) -> Result<(), &'static str> {
    let (end, start) = match (below.high, above.low) {
        (None, None) => return Err(OVERLAP),
        (Some(end), None) => {
            above.begins_at(other_side(end));
            return Ok(());
        }
        (None, Some(start)) => {
            below.ends_at(other_side(start));
            return Ok(());
        }
        (Some(end), Some(start)) => (end, start),
    };
    let Some(gap) = start.number.value.checked_sub(end.number.value) else { return Err(GAP) };
    // One unit of the last decimal that either is written with.
    let step = Decimal::new(1, end.number.decimals.max(start.number.decimals)).unwrap_or(Decimal::ZERO);
    if gap < Decimal::ZERO {
        return Err(OVERLAP);
    }
    if gap > step {
        return Err(GAP);
    }
    match (below.form, above.form) {
        (BandForm::Letter, BandForm::Letter) if gap.is_zero() && end.inclusive && start.inclusive => return Err(OVERLAP),
        (BandForm::Letter, BandForm::Letter) => {}
        (BandForm::Dash, BandForm::Letter) => below.ends_at(other_side(start)),
        (BandForm::Dash, BandForm::Dash) if !upper => below.ends_at(other_side(start)),
        (_, BandForm::Dash) => above.begins_at(other_side(end)),
    }
    Ok(())
}

/// A list's column, cut where what any of its rows says may change.
pub fn pieces<'t>(tests: impl Iterator<Item = &'t Test>) -> Vec<Value> {
    let mut starts: Vec<Value> = tests.flat_map(Test::turns).chain([MISSING, MISSING + 1]).collect();
    starts.sort_unstable();
    starts.dedup();
    starts
}
