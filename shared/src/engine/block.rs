//! One block of a tape: from its text to judged loans.

use std::{borrow::Cow, ops::Range};

use serde::{Deserialize, Serialize};

use crate::{
    decimal::Decimal,
    facts::{
        columns::FactColumns,
        exception_columns::{ExceptionColumns, ExceptionsSize},
        waterfall::CodedTexts,
    },
    loan::{
        Field, Loan, Malformed, NUMBERS, NumberCell, OrdinaryLoan, STANDARD_WORDS, StandardCells, Unit, UnreadPeriod, WORDS,
        WordCell,
    },
    phases::{Scratch, buy_at_once, judge, pricing::Pricing, validate::FirstUse},
    results::{outputs::LoanRows, summary::SummaryBuilder},
    rules::{canonical_word, rule_set::RuleSet},
    tape::{
        aliases::{Aliases, WordMemo},
        cell::{content, has_cut_digits, is_clean, is_missing, says_nothing, trimmed},
        notices::{BlockNotices, NoticeCode},
        number::{parse_number, read_cell},
        records::{RecordBlock, shape_of, split_fields, unwrap_line},
    },
    waivers::{Waiver, Waivers},
};

use super::{
    cut::{Content, CutBlock, Spans},
    declared::DeclaredCell,
    price_parts::{PartTexts, PricedLoan},
    row_reader::{RowReader, json_text, push_json_text},
};

/// Results of one block.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct JudgedBlock {
    /// Index of the block's tape among the tapes of the run.
    pub tape: usize,
    /// Rows of the output files.
    pub rows: LoanRows,
    /// One fact for each loan; empty when facts are not stored.
    pub facts: FactColumns,
    /// Exceptions of the loans; empty when facts are not stored.
    pub exceptions: ExceptionColumns,
    /// Counts and sums.
    pub summary: SummaryBuilder,
    /// Events that are not the fault of a loan.
    pub notices: BlockNotices,
}

/// A worker's caches of looked-up words: one for each word of a loan, then one for each standard field that holds words.
pub type WordMemos = [WordMemo; WORDS + STANDARD_WORDS];

/// What a worker keeps from block to block.
#[derive(Debug, Default)]
pub struct WorkerCaches {
    words: WordMemos,
    parts: PartTexts,
    scratch: Scratch,
    /// How large the exceptions of the last block were.
    exceptions: ExceptionsSize,
}

/// Context of judging, which is the same for all loans of a run.
#[derive(Debug, Clone, Copy)]
pub struct JudgingContext<'r> {
    pub rules: &'r RuleSet,
    pub pricing: &'r Pricing,
    /// The waivers of the run; `None` for a run without a file of waivers.
    pub waivers: Option<&'r Waivers>,
    /// Whether to write the rows of the output files.
    pub list_rows: bool,
    /// Whether to store facts and exceptions.
    pub store_facts: bool,
}

/// Judges the loans of a block, in order. `repeats` lists the rows whose loan number was used before, in order, each with the
/// place of the first use.
#[expect(clippy::too_many_arguments, reason = "the arguments are independent, so that no struct would group them")]
pub fn judge_block(
    block: &RecordBlock,
    text: &str,
    cut: &CutBlock,
    (tape, reader): (usize, &RowReader<'_>),
    context: JudgingContext<'_>,
    repeats: &[(u32, FirstUse)],
    mut rows: LoanRows,
    caches: &mut WorkerCaches,
) -> JudgedBlock {
    let WorkerCaches { words: memos, parts, scratch, exceptions } = caches;
    let shows_waterfall = context.rules.shows_waterfall();
    rows.clear();
    let mut judged = JudgedBlock { tape, rows, notices: cut.notices.clone(), ..JudgedBlock::default() };
    judged.facts.tape = tape as u32;
    judged.exceptions.tape = tape as u32;
    judged.facts.programs = CodedTexts::of_programs(context.rules);
    judged.exceptions.programs = CodedTexts::of_programs(context.rules);
    judged.summary.begin(context.rules, tape);
    judged.summary.begin_pools(context.rules, context.pricing.pdate());
    if context.store_facts {
        judged.facts.reserve(cut.rows());
        judged.exceptions.reserve_as(*exceptions);
        judged.facts.begin_standard(reader.standard.fields(), cut.rows());
    }
    if shows_waterfall {
        parts.begin(&mut judged, context);
    }
    let mut repeats = repeats.iter().peekable();
    let mut numbers = Vec::new();
    let mut kept = String::new();
    let mut declared_memos = reader.declared.memos();
    let needs_standard = context.rules.needs_standard();
    for (at, row) in cut.rows.iter().enumerate() {
        let record = &block.records[row.record as usize];
        let raw = &text[record.start as usize..record.end as usize];
        let first_use = repeats.next_if(|(row, _)| *row as usize == at).map(|(_, first_use)| first_use);
        let line = if matches!(row.content, Content::Wrapped) { unwrap_line(raw) } else { None };
        let translated;
        let mut fields = Vec::new();
        // Bound once and never changed, so that the loop keeps the cells of a plain row in registers.
        let cells = match row.content {
            Content::Malformed(_) => Cells::None,
            Content::Plain(plain) if reader.translation.is_none() => Cells::Plain { text, spans: cut.spans(plain) },
            Content::Plain(_) | Content::Quoted | Content::Wrapped => {
                let (record, shape) =
                    line.as_deref().map_or((raw, record.shape), |line| (line, shape_of(line, reader.delimiter)));
                fields.reserve(reader.width);
                split_fields(record, shape, reader.delimiter, &mut fields);
                match &reader.translation {
                    None => Cells::Split(&fields),
                    Some(translation) => {
                        translated = translation.apply(fields.iter().map(|cell| cell.as_ref()));
                        Cells::Split(&translated)
                    }
                }
            }
        };
        let declared = if reader.declared.is_empty() {
            Vec::new()
        } else {
            reader.declared.read(&cells, record.line, &mut declared_memos, &mut judged.notices)
        };
        if context.store_facts {
            // Cells that are only kept are stored as the tape writes them.
            let written = if reader.translation.is_some() { Cells::Split(&fields) } else { cells };
            push_kept(&mut judged.facts, &written, &declared, reader, &mut kept);
        }
        let mut kept_standard = needs_standard.then(|| StandardCells(StandardCells::NONE.0, &declared));
        reader.standard.read(&cells, record.line, memos, &mut judged, (context.store_facts, kept_standard.as_mut()));
        let standard = kept_standard.as_ref().unwrap_or(&StandardCells::NONE);
        let read = QuickRead::new(&cells, reader, memos);
        let first_use = first_use.or_else(|| reader.returned?.first_use(&content(cells.get(reader.loan_number)?)));
        if first_use.is_none()
            && let Some(loan) = read.ordinary(record.line, row.is_plain, &cells, reader)
            && let Some(price) = buy_at_once(&loan, standard, context.rules, context.pricing, scratch)
            && judged.summary.add_bought(&loan, price, scratch.program)
        {
            judged.summary.add_bought_to_pools(&loan, standard);
            if context.list_rows {
                judged.rows.push_bought(&loan, cells.numbers_side_by_side(reader, &mut numbers), price);
            }
            if context.store_facts {
                judged.facts.push_bought(&loan, price);
                if let Some(programs) = &mut judged.facts.programs {
                    programs.codes.push(scratch.program.into());
                }
            }
            if shows_waterfall {
                parts.add(&mut judged, PricedLoan::bought(&loan, price, context, scratch), context);
            }
            continue;
        }
        let mut loan = Loan { standard, ..Loan::empty(record.line) };
        match row.content {
            Content::Malformed(reason) => {
                loan.malformed = Some(Malformed { reason, raw, source_file: reader.told_name() });
            }
            Content::Plain(_) | Content::Quoted | Content::Wrapped => {
                read.fill(&mut loan, &cells, reader);
                loan.waivers = waivers_of(context.waivers, &loan);
                read_units(&mut loan, &cells, reader, &mut judged.notices);
            }
        }
        judge_in_full(&mut judged, &loan, first_use, context, parts);
    }
    *exceptions = judged.exceptions.size();
    judged
}

/// The waivers of a run that name a loan.
fn waivers_of<'r>(waivers: Option<&'r Waivers>, loan: &Loan<'_>) -> &'r [Waiver] {
    waivers.zip(loan.seller_loan_number.as_deref()).map(|(waivers, number)| waivers.of(number)).unwrap_or_default()
}

/// Takes a loan through the phases one after the other. It is not inlined, because most loans never need it and the loop over all
/// loans stays small without it.
#[inline(never)]
fn judge_in_full(
    judged: &mut JudgedBlock,
    loan: &Loan<'_>,
    first_use: Option<&FirstUse>,
    context: JudgingContext<'_>,
    parts: &mut PartTexts,
) {
    let decided = judge(loan, first_use, context.rules, context.pricing);
    judged.summary.add(&decided);
    if context.list_rows {
        judged.rows.push(&decided);
    }
    if context.store_facts {
        let place = judged.facts.next_row();
        judged.facts.push(&decided);
        judged.exceptions.push(&decided, place);
    }
    if context.rules.shows_waterfall() {
        parts.add(judged, PricedLoan::decided(&decided), context);
    }
}

/// The cells of one row.
#[derive(Clone, Copy)]
pub(super) enum Cells<'c> {
    /// The row cannot be read.
    None,
    /// Ranges of the block's text.
    Plain { text: &'c str, spans: Spans<'c> },
    /// Cells that were split off one by one: of a quoted, a wrapped or a translated row.
    Split(&'c [Cow<'c, str>]),
}

impl<'c> Cells<'c> {
    /// The text that holds a cell and the cell's bytes in it; `None` when the row has no such cell.
    #[inline]
    pub(super) fn place(&self, at: usize) -> Option<(&'c str, Range<usize>)> {
        match *self {
            Self::None => None,
            Self::Plain { text, spans } => Some((text, spans.get(at)?)),
            Self::Split(fields) => fields.get(at).map(|cell| (cell.as_ref(), 0..cell.len())),
        }
    }

    #[inline]
    fn get(&self, at: usize) -> Option<&'c str> {
        self.place(at).map(|(text, span)| &text[span])
    }

    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Plain { spans, .. } => spans.count(),
            Self::Split(fields) => fields.len(),
        }
    }

    /// The cells of an ordinary loan's numbers as outputs show them, with commas between them: first those from the amount to the
    /// credit score, then those of price and value. They are slices of the tape where its columns are in the same order;
    /// otherwise they are put together in `scratch`.
    #[inline]
    fn numbers_side_by_side<'s>(&self, reader: &RowReader<'_>, scratch: &'s mut Vec<u8>) -> [&'s [u8]; 2]
    where
        'c: 's,
    {
        let [head, tail] = [&reader.numbers[..5], &reader.numbers[5..]];
        if let (Some(head), Some(tail)) = (self.piece(head), self.piece(tail)) {
            return [head, tail];
        }
        scratch.clear();
        let mut push = |places: &[usize]| {
            for (nth, at) in places.iter().enumerate() {
                if nth > 0 {
                    scratch.push(b',');
                }
                scratch.extend_from_slice(self.get(*at).unwrap_or("").as_bytes());
            }
            scratch.len()
        };
        let middle = push(head);
        push(tail);
        let (head, tail) = scratch.split_at(middle);
        [head, tail]
    }

    /// The slice of the tape that holds these cells; `None` unless they are neighbours there with commas between them, as in an
    /// output.
    #[inline]
    fn piece(&self, places: &[usize]) -> Option<&'c [u8]> {
        let Self::Plain { text, spans } = *self else { return None };
        let (first, last) = (*places.first()?, *places.last()?);
        let neighbours = places.iter().enumerate().all(|(nth, at)| *at == first + nth);
        let (start, end) = (spans.get(first)?.start, spans.get(last)?.end);
        let comma = text.as_bytes().get(spans.get(first)?.end) == Some(&b',');
        if neighbours && comma { text.as_bytes().get(start..end) } else { None }
    }
}

/// What the quick path reads of a row.
struct QuickRead {
    /// The ordinary numbers, in millionths; [`Self::NO_NUMBER`] for the others.
    micros: [i64; NUMBERS],
    /// The known words, as places in their vocabularies; [`Self::NO_WORD`] for the others.
    codes: [u8; WORDS],
}

impl QuickRead {
    /// Marks a number that is not ordinary. No plain number is that small.
    const NO_NUMBER: i64 = i64::MIN;
    /// Marks a word that is not known.
    const NO_WORD: u8 = u8::MAX;

    #[inline]
    fn new(cells: &Cells<'_>, reader: &RowReader<'_>, memos: &mut WordMemos) -> Self {
        let mut read = Self { micros: [Self::NO_NUMBER; NUMBERS], codes: [Self::NO_WORD; WORDS] };
        for at in 0..NUMBERS {
            let Some((text, span)) = cells.place(reader.numbers[at]) else { continue };
            read.micros[at] = reader.ordinary[at].micros(text.as_bytes(), span).unwrap_or(Self::NO_NUMBER);
        }
        let vocabularies = Aliases::built_in().vocabularies();
        for at in 0..WORDS {
            let Some((text, span)) = cells.place(reader.words[at]) else { continue };
            let code = if reader.own_words[at] {
                vocabularies[at].exact_code(&text[span])
            } else {
                memos[at].code(&vocabularies[at], text, span)
            };
            read.codes[at] = code.unwrap_or(Self::NO_WORD);
        }
        read
    }

    /// The loan in its short form; `None` when it is not ordinary.
    #[inline]
    fn ordinary<'c>(&self, line: u64, is_plain: bool, cells: &Cells<'c>, reader: &RowReader<'_>) -> Option<OrdinaryLoan<'c>> {
        let Self { micros, codes } = *self;
        let complete = micros.iter().fold(true, |complete, micros| complete & (*micros != Self::NO_NUMBER))
            & codes.iter().fold(true, |complete, code| complete & (*code != Self::NO_WORD));
        let seller_loan_number = cells.get(reader.loan_number).unwrap_or("");
        let reads_as_it_is = |number: &str| is_clean(number) && !is_missing(number) && !has_cut_digits(number);
        let plain_number = (is_plain && reader.translation.is_none()) || reads_as_it_is(seller_loan_number);
        let one_unit = reader.number_of_units.is_none_or(|at| cells.get(at).is_none_or(|cell| cell == "1" || cell.is_empty()));
        let dated =
            reader.period.as_ref().is_none_or(|period| cells.get(period.at).is_some_and(|cell| period.read(cell).is_some()));
        let ordinary = complete && plain_number && one_unit && dated;
        if ordinary { Some(OrdinaryLoan { line, seller_loan_number, micros, codes }) } else { None }
    }

    /// Fills in the loan. Cells that are not ordinary are read in full.
    #[inline(never)]
    fn fill<'c>(&self, loan: &mut Loan<'c>, cells: &Cells<'c>, reader: &'c RowReader<'_>) {
        let cell = |at: usize| cells.get(at).unwrap_or("");
        let number = content(cell(reader.loan_number));
        loan.number_is_cut = has_cut_digits(&number);
        if !is_missing(&number) {
            loan.seller_loan_number = Some(number);
        }
        if let Some(period) = &reader.period {
            let written = cell(period.at);
            let unread = period.read(written).is_none();
            loan.unread_period = unread.then(|| UnreadPeriod { column: &period.name, written: trimmed(written) });
        }
        for (at, field) in Field::NUMERIC.into_iter().enumerate() {
            let written = cell(reader.numbers[at]);
            loan.numbers[at] = match self.micros[at] {
                Self::NO_NUMBER => read_cell(field, written, reader.units[at], reader.flag_contradictions),
                micros => NumberCell::ordinary(micros, written),
            };
        }
        for (at, word) in loan.words.iter_mut().enumerate() {
            let written = cell(reader.words[at]);
            *word = match self.codes[at] {
                Self::NO_WORD if says_nothing(written) => WordCell::Missing,
                Self::NO_WORD => WordCell::Other(trimmed(written)),
                code => WordCell::Known(code),
            };
        }
    }
}

/// The number of units that a cell gives, and whether there may be more: `5`, `5 units`, `5+`, `5 or more`, `>4`, `5-10`.
fn number_of_units(cell: &str) -> Option<(Decimal, bool)> {
    let cell = cell.to_ascii_lowercase();
    let cell = cell.strip_suffix("units").or_else(|| cell.strip_suffix("unit")).unwrap_or(&cell).trim_end();
    let number = |text: &str| Some(parse_number(text.trim(), Unit::Count).ok()??.value);
    if let Some(least) = ["+", " plus", " or more", " and more"].iter().find_map(|end| cell.strip_suffix(end)) {
        return Some((number(least)?, true));
    }
    if let Some(most) = cell.strip_prefix('>') {
        return Some((number(most)?.checked_add(Decimal::from_integer(1))?, true));
    }
    match cell.split_once('-') {
        Some((least, most)) if number(most).is_some() => Some((number(least)?, true)),
        _ => Some((number(cell)?, false)),
    }
}

/// Corrects the property type by the number of units. A single-family house or a house of two to four units becomes one of many
/// units from five units on; a single-family house with two to four units becomes a house of two to four units.
fn read_units<'c>(loan: &mut Loan<'c>, cells: &Cells<'c>, reader: &RowReader<'_>, notices: &mut BlockNotices) {
    const PROPERTY_TYPE: usize = 0;
    let Some(written) = reader.number_of_units.and_then(|at| cells.get(at)) else { return };
    let Some((number, or_more)) = number_of_units(&content(written)) else { return };
    let WordCell::Known(code) = loan.words[PROPERTY_TYPE] else { return };
    let word = canonical_word(PROPERTY_TYPE, code);
    if !matches!(word, "sfr" | "2-4_unit") {
        return;
    }
    let shown = || cells.get(reader.words[PROPERTY_TYPE]).map_or("", trimmed);
    let within = |least: i64, most: i64| number >= Decimal::from_integer(least) && number <= Decimal::from_integer(most);
    if within(5, i64::MAX) {
        loan.words[PROPERTY_TYPE] = WordCell::ManyUnits { written: shown(), units: trimmed(written) };
    } else if !or_more && word == "sfr" && within(2, 4) {
        let Some(code) = Aliases::built_in().vocabularies()[PROPERTY_TYPE].code("2-4_unit") else { return };
        loan.words[PROPERTY_TYPE] = WordCell::Known(code);
    } else {
        return;
    }
    notices.tally(NoticeCode::UnitsMakeType, None, loan.line, &format!("{} with {} units", shown(), trimmed(written)));
}

/// Appends the declared fields and the cells of columns that are only kept, as one JSON object. It is not inlined, so that the loop
/// over all loans stays small.
#[inline(never)]
fn push_kept(
    facts: &mut FactColumns,
    cells: &Cells<'_>,
    declared: &[DeclaredCell<'_>],
    reader: &RowReader<'_>,
    scratch: &mut String,
) {
    if cells.len() == 0 || (reader.kept.is_empty() && declared.is_empty() && cells.len() <= reader.width) {
        return;
    }
    scratch.clear();
    scratch.push('{');
    reader.declared.push_members(declared, scratch);
    let mut member = |name: &str, cell: &str| {
        scratch.push_str(name);
        push_json_text(scratch, cell);
        scratch.push(',');
    };
    for (at, name) in &reader.kept {
        member(name, cells.get(*at).unwrap_or(""));
    }
    // A worksheet may have a cell in its last column, thousands of columns past the header. The empty cells before it are left
    // out.
    for at in reader.width..cells.len() {
        if let Some(cell) = cells.get(at).filter(|cell| !cell.is_empty()) {
            member(&(json_text(&reader.header.extra_name(at)) + ":"), cell);
        }
    }
    // Every member has a comma behind it. Without a member there is no object.
    if scratch.pop() != Some(',') {
        return;
    }
    scratch.push('}');
    facts.push_source_columns(scratch);
}
