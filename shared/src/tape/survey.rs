//! Surveys the first rows of a tape: detects their layout and the units of their percentages, and tests whether columns with weak
//! names hold what the names suggest.

use std::borrow::Cow;

use crate::{
    error::{RunError, RunErrorCode, shortened},
    loan::{ColumnField, Field, FieldKind, Unit},
};

use super::{
    aliases::{Aliases, Rank},
    cell::{content, is_missing},
    header::{FoundHeader, Header},
    notices::{Notice, NoticeCode},
    number::parse_number,
    options::TapeOptions,
    rows::{RowKind, RowLayout, RowRules, RowsDoNotFit, WidthSurvey, is_unit_row},
    standard::has_day_first,
    translation::Translation,
    units::{MixedUnits, UnitDetector},
};

/// Number of values that decide whether a column with a weak name holds its field, and in which order a column writes dates.
const DECIDING_VALUES: u32 = 1_000;
/// Number of characters of a row that an error shows.
const SHOWN_CHARACTERS: usize = 120;

/// Collects what the first rows of a tape show.
pub struct Survey<'h> {
    source_file: &'h str,
    header: Header,
    notices: Vec<Notice>,
    layout: RowLayout,
    rules: RowRules,
    widths: WidthSurvey,
    units: Vec<(Field, usize, UnitDetector)>,
    weak: Vec<Weak>,
    dates: Vec<DateColumn>,
    translation: Option<Translation>,
    /// Whether the row below the header has been seen.
    begun: bool,
    /// The first row whose number of fields differs from the header's, for an error.
    misfit: Option<String>,
    options: &'h TapeOptions,
}

/// A column with a weak name, which may mean something else.
struct Weak {
    field: Field,
    at: usize,
    values: u32,
    readable: u32,
}

/// A column of dates whose order is not given in the options.
struct DateColumn {
    field: ColumnField,
    at: usize,
    values: u32,
    /// The line and text of the first date whose day comes before its month.
    day_first: Option<(u64, String)>,
}

/// The result of a survey.
pub struct Surveyed {
    pub header: Header,
    pub layout: RowLayout,
    pub notices: Vec<Notice>,
}

impl<'h> Survey<'h> {
    /// Starts a survey of the rows below a header.
    pub fn new(source_file: &'h str, found: FoundHeader, layout: RowLayout, options: &'h TapeOptions) -> Self {
        let FoundHeader { header, notices } = found;
        let detector = |(field, at): (Field, usize)| (field, at, UnitDetector::new(field));
        let given = |field: Field| {
            header.position(field).and_then(|at| header.columns.get(at)).is_some_and(|column| column.unit.is_some())
        };
        let weak = header.columns.iter().enumerate().filter(|(_, column)| column.rank == Some(Rank::Weak));
        let standard = Field::STANDARD.into_iter().filter(|field| field.info().unit == Unit::Date).map(ColumnField::Known);
        let declared = options.declared.columns().zip(&options.declared.fields).filter(|(_, field)| field.unit == Unit::Date);
        let in_doubt = standard.chain(declared.map(|(field, _)| field)).filter(|_| options.dates.is_none());
        let dates =
            in_doubt.filter_map(|field| Some(DateColumn { at: header.place(&field)?, field, values: 0, day_first: None }));
        Self {
            source_file,
            dates: dates.filter(|column| column.at < header.width()).collect(),
            units: header.percentages().filter(|(field, at)| *at < header.width() && !given(*field)).map(detector).collect(),
            weak: weak.filter_map(|(at, column)| Some(Weak { field: column.known()?, at, values: 0, readable: 0 })).collect(),
            rules: RowRules::new(&header, RowLayout { any_width: true, ..layout }),
            translation: Translation::new(&header, options, layout.any_width),
            header,
            notices,
            layout,
            widths: WidthSurvey::default(),
            begun: false,
            options,
            misfit: None,
        }
    }

    /// Whether a loan has been seen.
    pub fn has_loans(&self) -> bool {
        self.widths.has_rows()
    }

    /// Whether further rows cannot change the result.
    pub fn is_decided(&self) -> bool {
        self.widths.is_decided()
            && self.units.iter().all(|(.., detector)| detector.is_decided())
            && self.weak.iter().all(|weak| weak.values >= DECIDING_VALUES)
            && self.dates.iter().all(DateColumn::is_decided)
    }

    /// Adds a row below the header.
    pub fn observe(&mut self, cells: &[Cow<'_, str>], line: u64) {
        let cell = |at: usize| cells.get(at).map_or("", |cell| cell.as_ref());
        let is_plain = cells.len() == self.header.width() && self.begun && self.rules.is_plainly_a_loan(cell);
        let kind = if is_plain { RowKind::Loan } else { self.rules.kind(cells, line, true) };
        if kind == RowKind::Blank {
            return;
        }
        if !std::mem::replace(&mut self.begun, true) && is_unit_row(cells) {
            self.layout.unit_line = line;
            return;
        }
        if kind != RowKind::Loan {
            return;
        }
        self.widths.observe(cells, self.header.width(), line);
        if self.misfit.is_none() && cells.len() != self.header.width() {
            let row = cells.iter().map(|cell| cell.trim()).collect::<Vec<_>>().join(",");
            self.misfit = Some(shortened(&row, SHOWN_CHARACTERS).into_owned());
        }
        if !self.layout.any_width && !self.rules.may_be_read(cells) {
            // The cells of this row may be in the wrong columns.
            return;
        }
        let translated = self.translation.as_ref().map(|translation| translation.apply(cells.iter().map(|cell| cell.as_ref())));
        let cells = translated.as_deref().unwrap_or(cells);
        let cell = |at: usize| cells.get(at).map_or("", |cell| cell.as_ref());
        for (_, at, detector) in &mut self.units {
            detector.observe(cell(*at), line);
        }
        for weak in &mut self.weak {
            weak.observe(cell(weak.at));
        }
        for dates in &mut self.dates {
            dates.observe(cell(dates.at), line);
        }
    }

    /// Decides layout, units and columns by the rows added.
    ///
    /// # Errors
    /// [`RunErrorCode::RowsDoNotFit`] when most rows do not fit the header; [`RunErrorCode::MixedUnits`] when a column holds as
    /// many fractions as percentages; [`RunErrorCode::MissingColumns`] when a required column is not what its weak name suggests.
    pub fn finish(mut self) -> Result<Surveyed, RunError> {
        let failed = |code, line, message| RunError::ingest(code, self.source_file, line, message);
        let decided = self.widths.decide(&self.header, &mut self.layout);
        if let Err(RowsDoNotFit { found, misfits, rows, line }) = decided
            && !self.options.lenient
        {
            let (width, row) = (self.header.width(), self.misfit.as_deref().unwrap_or_default());
            let message = format!(
                "The header has {width} columns, and {misfits} of {rows} rows have {found}; line {line} reads `{row}`. Give every row as \
                 many fields as the header."
            );
            return Err(failed(RunErrorCode::RowsDoNotFit, Some(line), message));
        }
        for (field, _, detector) in std::mem::take(&mut self.units) {
            match detector.unit() {
                Ok(unit) => self.header.set_unit(field, unit),
                Err(_) if self.options.lenient => {}
                Err(mixed) if field.is_canonical() || self.options.requires(&field.into()) => {
                    let (message, line) = (mixed_units(field, mixed), Some(mixed.percent_line));
                    return Err(failed(RunErrorCode::MixedUnits, line, message));
                }
                Err(mixed) => {
                    let message = format!("{} The column was left as it is written.", mixed_units(field, mixed));
                    self.notices.push(Notice::of_tape(NoticeCode::ValuesNotRead, message, self.source_file, mixed.percent_line));
                    self.header.unmap(&field.into(), &self.options.declared);
                }
            }
        }
        for weak in std::mem::take(&mut self.weak) {
            self.decide_weak(&weak)?;
        }
        for dates in std::mem::take(&mut self.dates) {
            self.decide_dates(&dates)?;
        }
        Ok(Surveyed { header: self.header, layout: self.layout, notices: self.notices })
    }

    /// Unmaps a column with a weak name when fewer than half of its values can be read as its field.
    fn decide_weak(&mut self, weak: &Weak) -> Result<(), RunError> {
        if 2 * weak.readable >= weak.values {
            return Ok(());
        }
        let (field, column) = (weak.field, &self.header.columns[weak.at].header);
        let unread = weak.values - weak.readable;
        let message = format!("\"{column}\" was not taken for {field}: {unread} of its first {} values are none.", weak.values);
        if self.options.requires(&field.into()) && !self.options.lenient {
            let message = format!(
                "The required column {field} is missing. {message} Say which column holds it, as with --map {field}=\"…\"."
            );
            return Err(RunError::ingest(RunErrorCode::MissingColumns, self.source_file, Some(self.header.line), message));
        }
        self.notices.push(Notice::of_tape(NoticeCode::ColumnNotRead, message, self.source_file, self.header.line));
        self.header.unmap(&field.into(), &self.options.declared);
        Ok(())
    }

    /// Unmaps a column of dates when one of them has its day in the month's place: the others could be read as other days. A required
    /// column fails the tape.
    fn decide_dates(&mut self, dates: &DateColumn) -> Result<(), RunError> {
        let (field, Some((line, date))) = (&dates.field, &dates.day_first) else { return Ok(()) };
        let found = format!("{field} has a day in the month's place: line {line} reads `{date}`.");
        let way_out = "A profile with date = \"DMY\" reads the day first.";
        if self.options.requires(field) && !self.options.lenient {
            let message = format!("The required column {found} {way_out}");
            return Err(RunError::ingest(RunErrorCode::MissingColumns, self.source_file, Some(*line), message));
        }
        let message = format!("{found} The column was left as it is written. {way_out}");
        self.notices.push(Notice::of_tape(NoticeCode::ValuesNotRead, message, self.source_file, *line));
        self.header.unmap(field, &self.options.declared);
        Ok(())
    }
}

impl DateColumn {
    fn is_decided(&self) -> bool {
        self.values >= DECIDING_VALUES || self.day_first.is_some()
    }

    fn observe(&mut self, cell: &str, line: u64) {
        let content = content(cell);
        if self.is_decided() || is_missing(&content) {
            return;
        }
        self.values += 1;
        if has_day_first(&content) {
            self.day_first = Some((line, shortened(&content, SHOWN_CHARACTERS).into_owned()));
        }
    }
}

impl Weak {
    fn observe(&mut self, cell: &str) {
        let content = content(cell);
        if self.values >= DECIDING_VALUES || is_missing(&content) {
            return;
        }
        let info = self.field.info();
        let readable = match (info.kind, info.unit) {
            (FieldKind::Text, _) => true,
            (_, Unit::Word) => Aliases::built_in().vocabulary(self.field).is_some_and(|words| words.code(&content).is_some()),
            (_, unit) => parse_number(&content, unit).is_ok(),
        };
        self.values += 1;
        self.readable += u32::from(readable);
    }
}

fn mixed_units(field: Field, mixed: MixedUnits) -> String {
    let MixedUnits { fraction_line, percent_line } = mixed;
    format!(
        "{field} holds as many fractions as percentages: line {fraction_line} has a fraction, line {percent_line} a percentage. Write all \
         in one unit, or give it in a profile."
    )
}
