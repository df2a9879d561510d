//! Excel workbooks (`.xlsx`) as streams of rows of text.
//!
//! A workbook comes from outside and nothing in it is believed. The libraries that unpack and parse it read through
//! `Source`, which unpacks every part itself just ahead of them and refuses what they would not keep small: see the
//! constants below for each bound and its reason. Sheets are never held: their cells are read one by one on a thread of
//! their own.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::iter::FusedIterator;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::vec;

use calamine::{DataRef, ExcelDateTime, Reader as _, SheetType, Style, Xlsx, XlsxError};
use flate2::{Decompress, FlushDecompress, Status};
use memchr::{memchr, memchr2_iter, memchr3_iter, memmem};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::not_a_tape::by_zip_parts;
use crate::results::workbook::OWN_MARK;

const MIB: u64 = 1 << 20;

/// Parts of one workbook. A workbook has a few parts for each sheet and picture; thousands are a sign of an attack.
const MAX_PARTS: usize = 10_000;

/// Bytes of the ZIP directory that are read. 10,000 entries with long names take about 2 MiB; without this bound the
/// directory would be in memory before its entries could be counted.
const MAX_DIRECTORY: u64 = 16 * MIB;

/// Unpacked size of one part. A full sheet (1,048,576 rows) with a hundred columns takes about this much XML.
const MAX_PART: u64 = 4096 * MIB;

/// Unpacked size of all parts together, so that many large parts, or many names for the same bytes, cost bounded time.
const MAX_WORKBOOK: u64 = 4 * MAX_PART;

/// Unpacked size of the shared strings: all of them are in memory for as long as a sheet is read.
const MAX_SHARED_STRINGS: u64 = 256 * MIB;

/// Number of shared strings. Each costs 24 bytes besides its text, and the XML reader allocates as many at once as the
/// part says that it has. A full sheet with eight columns of distinct texts has this many.
const MAX_SHARED_STRING_COUNT: u64 = 8 << 20;

/// Unpacked size of any other part that is held in memory: the styles, the theme, the list of sheets. Workbooks that grew
/// for years reach tens of MiB of styles.
const MAX_HELD: u64 = 64 * MIB;

/// Memory that one part may turn into where every record of it takes a copy of a text that is stored once (a style of its
/// font name and number format, a sheet of its path): small parts could become very large otherwise. Excel's own limits
/// (65,490 styles, 255 characters in a number format) stay far below.
const MAX_COPIES: u64 = 512 * MIB;

/// XML of one cell, or of anything between two tags. Excel allows 32,767 characters in a cell; even with every character
/// in a run of its own format that is less than half of this.
const MAX_CELL: usize = 16 << 20;

/// One tag. The longest that Excel writes hold a path or a number format, and are a few KiB long.
const MAX_TAG: usize = 64 << 10;

/// Attributes of one tag. The XML reader compares the name of each with those before it, so that a tag of a million would keep it
/// busy for days. Excel writes a few dozen at most.
const MAX_ATTRIBUTES: usize = 256;

/// Elements inside one another. Workbooks stay below 20; the XML reader remembers every open one.
const MAX_DEPTH: usize = 1_000;

/// A sheet up to this unpacked size is not vetted: whatever it holds, reading it takes a few times as much memory at worst, and a
/// moment for all the attributes that one tag can have there. Vetting costs about a quarter of the reading.
const MAX_UNSEEN_SHEET: u64 = MIB / 4;

/// Rows of an Excel sheet.
const MAX_ROWS: u32 = 1_048_576;

/// Columns of an Excel sheet.
const MAX_COLUMNS: u32 = 16_384;

/// Text in one row, since cells that share one long string would multiply it.
const MAX_ROW_TEXT: usize = 16 << 20;

/// Rows, and bytes, after which a batch goes to the consumer: enough to make the hand-over cheap, little enough to hold
/// several.
const BATCH_ROWS: usize = 512;
const BATCH_BYTES: usize = 1 << 20;

/// Batches that wait for the consumer.
const BATCHES_AHEAD: usize = 4;

/// Characters of a detail that comes out of the workbook itself.
const MAX_DETAIL: usize = 200;

/// Bytes that are unpacked and looked at together.
const WINDOW: usize = 1 << 18;

const OLE_MAGIC: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

/// What can be wrong with a workbook before any row is read, or while reading. Each message is for the seller: what is
/// wrong and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum WorkbookError {
    /// The file is not a workbook, is cut short, or holds what Excel would not have written.
    #[error("The workbook cannot be read ({detail}): open it in Excel, save it as an Excel Workbook (.xlsx) and send it again.")]
    Corrupt {
        /// What was found, in words; where the workbook words it, at most 200 characters.
        detail: String,
    },
    /// The workbook, or a part of it, is encrypted.
    #[error(
        "The workbook is protected by a password: open it in Excel, remove the password (File > Info > Protect Workbook), \
         save it and send it again."
    )]
    PasswordProtected,
    /// The workbook is in the format that Excel wrote until 2003.
    #[error(
        "The workbook is in the old Excel format (.xls): open it in Excel, save it as an Excel Workbook (.xlsx) and send \
         that."
    )]
    OldFormat,
    /// The file is a ZIP, and something else than a workbook.
    #[error("The file is {kind}, not an Excel workbook: save the loans as an Excel Workbook (.xlsx) and send that.")]
    OtherZip {
        /// What it is, such as `a Word document`.
        kind: &'static str,
    },
    /// A part of the workbook unpacks, or would be copied, to more than its bound.
    #[error(
        "The workbook holds more than a loan tape needs ({part}: over {limit}): copy the loans into a new workbook, save it \
         as .xlsx and send that."
    )]
    Bomb {
        /// The part's name in the package, such as `xl/sharedStrings.xml`, or the sheet's.
        part: String,
        /// The bound with its unit, such as `256 MiB`.
        limit: String,
    },
    /// The workbook has no worksheet (chart sheets and dialogs do not count), or not the one asked for.
    #[error("The workbook has no worksheet to read: put the loans on a worksheet, save it as .xlsx and send it again.")]
    NoSheet,
    /// The bytes of the workbook could not be had; nothing is known about the workbook itself.
    #[error("The workbook could not be read from where it is stored: try again.")]
    Io(#[from] io::Error),
}

/// Reads every part of an opened workbook to its end, where its checksum stands: whoever reads the rows stops before it,
/// and would believe what a flipped bit has made of a rate. The bounds of [`Workbook::open`] hold for what is unpacked.
///
/// # Errors
/// A part that is not what its checksum says, or cannot be unpacked.
pub fn check_parts(reader: Box<dyn ReadSeek>) -> Result<(), WorkbookError> {
    let check = || -> Result<(), WorkbookError> {
        let mut archive = ZipArchive::new(BufReader::new(reader)).map_err(corrupt)?;
        for at in 0..archive.len() {
            let mut part = archive.by_index(at).map_err(corrupt)?;
            let name = part.name().map_err(corrupt)?.to_ascii_lowercase();
            if name.ends_with(".xml") || name.ends_with(".rels") {
                io::copy(&mut part, &mut io::sink()).map_err(|error| corrupt(format!("{name}: {error}")))?;
            }
        }
        Ok(())
    };
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|_| Err(corrupt("a part cannot be unpacked")))
}

fn corrupt(detail: impl std::fmt::Display) -> WorkbookError {
    let detail: String = detail.to_string().chars().take(MAX_DETAIL).collect();
    WorkbookError::Corrupt { detail: detail.replace(char::is_control, " ") }
}

fn bomb(part: &str, limit: impl Into<String>) -> WorkbookError {
    let part = part.chars().take(MAX_DETAIL).collect::<String>().replace(char::is_control, " ");
    WorkbookError::Bomb { part, limit: limit.into() }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes / MIB)
}

fn kibibytes(bytes: usize) -> String {
    format!("{} KiB", bytes >> 10)
}

/// True when the first bytes of a file are those of a ZIP archive (every `.xlsx`) or of an OLE compound file (an old
/// `.xls`, or an `.xlsx` with a password): [`Workbook::open`] reads the file or says what is wrong with it. Eight bytes
/// are enough.
#[must_use]
pub fn looks_like_workbook(head: &[u8]) -> bool {
    is_zip(head) || head.starts_with(&OLE_MAGIC)
}

/// The second and third are an archive without entries and one in several volumes.
fn is_zip(head: &[u8]) -> bool {
    [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| head.starts_with(*magic))
}

/// What a workbook is read from: bytes that can be sought and sent to another thread.
pub trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// An open workbook: its ZIP directory, shared strings and styles are read and within their bounds; no sheet is read yet.
pub struct Workbook {
    xlsx: Xlsx<Source>,
    sheets: Vec<String>,
    watch: Arc<Watch>,
}

impl Workbook {
    /// Opens a workbook and lists its worksheets.
    ///
    /// # Errors
    /// Every [`WorkbookError`]; [`WorkbookError::Io`] only for errors that `reader` itself gave.
    pub fn open(reader: Box<dyn ReadSeek>) -> Result<Self, WorkbookError> {
        let watch = Arc::new(Watch::default());
        let source = Source::new(reader, Arc::clone(&watch));
        let opened = {
            let watch = Arc::clone(&watch);
            // The ZIP and XML readers meet hostile bytes here; a panic of theirs is a workbook that cannot be read.
            catch_unwind(AssertUnwindSafe(|| Self::open_source(source, watch)))
        };
        opened.unwrap_or_else(|_| Err(corrupt("its parts make no sense"))).map_err(|error| watch.explain(error))
    }

    fn open_source(mut source: Source, watch: Arc<Watch>) -> Result<Self, WorkbookError> {
        let mut head = Vec::new();
        source.by_ref().take(OLE_MAGIC.len() as u64).read_to_end(&mut head)?;
        if head.starts_with(&OLE_MAGIC) {
            return Err(name_ole_file(&mut source)?);
        }
        if !is_zip(&head) {
            return Err(corrupt("it is not an Excel workbook"));
        }
        source.take_stock()?;
        let xlsx = Xlsx::new(source).map_err(damage)?;
        // The theme is optional to the XML reader, which goes on without one that it cannot read.
        if let Some(trouble) = watch.trouble() {
            return Err(trouble);
        }
        watch.rows.store(true, Ordering::Relaxed);
        let sheets: Vec<String> = xlsx
            .sheets_metadata()
            .iter()
            .filter(|sheet| sheet.typ == SheetType::WorkSheet)
            .map(|sheet| sheet.name.clone())
            .collect();
        if sheets.is_empty() {
            return Err(WorkbookError::NoSheet);
        }
        // Cells are asked for by the name of their sheet: with two of one name the wrong one would be read.
        let mut seen = HashSet::new();
        if let Some(twice) = sheets.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(corrupt(format_args!("it has two sheets named {twice:?}")));
        }
        Ok(Self { xlsx, sheets, watch })
    }

    /// The names of the worksheets, hidden ones too, in the workbook's order.
    #[must_use]
    pub fn sheet_names(&self) -> &[String] {
        &self.sheets
    }

    /// Reads the sheet at this place in [`Self::sheet_names`]; without such a place the stream gives
    /// [`WorkbookError::NoSheet`].
    #[must_use]
    pub fn into_rows(self, sheet: usize) -> RowStream {
        let Self { mut xlsx, sheets, watch } = self;
        let Some(name) = sheets.into_iter().nth(sheet) else {
            return RowStream::new(watch, Some(WorkbookError::NoSheet), None);
        };
        let (batches, received) = sync_channel(BATCHES_AHEAD);
        let thread_watch = Arc::clone(&watch);
        let thread = Builder::new().name("workbook-rows".to_owned()).spawn(move || {
            // The workbook moves in, so that it is dropped, or panics while it is dropped, before the last word is said.
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let produced = produce(&mut xlsx, &name, &batches);
                drop(xlsx);
                produced
            }));
            let last_word = match outcome {
                Ok(Ok(())) => Message::End,
                Ok(Err(error)) => Message::Failed(thread_watch.explain(error)),
                Err(_) => Message::Failed(thread_watch.explain(corrupt("its cells make no sense"))),
            };
            // An error here means that the consumer has gone and wants no last word.
            drop(batches.send(last_word));
        });
        match thread {
            Ok(thread) => RowStream::new(watch, None, Some((received, thread))),
            Err(error) => RowStream::new(watch, Some(WorkbookError::Io(error)), None),
        }
    }
}

/// One row of a sheet that has at least one cell with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetRow {
    /// The row's number in the sheet, from 1.
    pub line: u64,
    /// The cells as text, from column A; an absent cell is empty, and empty cells at the end of the row are left out.
    ///
    /// Strings are as stored. Numbers are the shortest decimal that gives the stored number back, never with an exponent.
    /// Dates are `2026-01-31`, with ` 12:30:00` when they have a time of day, and times alone `12:30:00`; durations count
    /// their hours on (`36:30:00`). Booleans are `TRUE` and `FALSE`; errors are as Excel shows them (`#N/A`). A formula is
    /// the value that Excel last computed for it.
    pub cells: Vec<String>,
}

/// The rows of a sheet in its order; blank rows, also those of spaces only, are skipped.
///
/// A thread reads the sheet a few batches ahead of the consumer. Dropping the stream ends that thread and waits for it.
/// After an error there are no more rows.
pub struct RowStream {
    rows: vec::IntoIter<SheetRow>,
    failure: Option<WorkbookError>,
    received: Option<Receiver<Message>>,
    thread: Option<JoinHandle<()>>,
    watch: Arc<Watch>,
}

enum Message {
    Rows(Vec<SheetRow>),
    /// The sheet is at its end. Said in words, because a channel that just closes may mean that the thread has died.
    End,
    Failed(WorkbookError),
}

impl RowStream {
    fn new(watch: Arc<Watch>, failure: Option<WorkbookError>, reader: Option<(Receiver<Message>, JoinHandle<()>)>) -> Self {
        let (received, thread) = reader.unzip();
        Self { rows: Vec::new().into_iter(), failure, received, thread, watch }
    }

    fn close(&mut self) {
        // Without a receiver the thread cannot wait for room in the channel, so the join cannot wait for ever.
        self.received = None;
        if let Some(thread) = self.thread.take() {
            // The thread catches its panics, and what it had to say was said through the channel.
            drop(thread.join());
        }
    }
}

impl Iterator for RowStream {
    type Item = Result<SheetRow, WorkbookError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            let Some(received) = &self.received else {
                return self.failure.take().map(Err);
            };
            match received.recv() {
                Ok(Message::Rows(rows)) => self.rows = rows.into_iter(),
                Ok(Message::End) => self.close(),
                Ok(Message::Failed(error)) => {
                    self.failure = Some(error);
                    self.close();
                }
                Err(_) => {
                    self.failure = Some(io::Error::other("the thread that reads the sheet has died").into());
                    self.close();
                }
            }
        }
    }
}

impl FusedIterator for RowStream {}

impl Drop for RowStream {
    fn drop(&mut self) {
        self.watch.stop.store(true, Ordering::Relaxed);
        self.close();
    }
}

/// Sends the rows of a sheet; ends early, without an error, when nobody wants them any more.
fn produce(xlsx: &mut Xlsx<Source>, sheet: &str, batches: &SyncSender<Message>) -> Result<(), WorkbookError> {
    let mut cells = xlsx.worksheet_cells_reader(sheet).map_err(damage)?;
    let mut batch = Batch::default();
    let mut row = PendingRow::default();
    let mut previous = None;
    loop {
        let cell = match cells.next_cell() {
            Ok(Some(cell)) => cell,
            Ok(None) => break,
            Err(error) => return Err(corrupt(format_args!("sheet {sheet:?}, row {} or below: {error}", row.line()))),
        };
        let place @ (index, column) = cell.get_position();
        if index >= MAX_ROWS || column >= MAX_COLUMNS {
            return Err(corrupt(format_args!("sheet {sheet:?} has a cell beyond the last row or column of Excel")));
        }
        if previous.is_some_and(|previous| previous >= place) {
            return Err(corrupt(format_args!("sheet {sheet:?} has cells out of order at row {}", index + 1)));
        }
        previous = Some(place);
        if index != row.index {
            batch.add(row.finish(index));
            if batch.is_full() && batches.send(batch.take()).is_err() {
                return Ok(());
            }
        }
        if !row.set(column, cell_text(cell.get_value())) {
            return Err(bomb(sheet, format!("{} of text in row {}", mebibytes(MAX_ROW_TEXT as u64), row.line())));
        }
    }
    batch.add(row.finish(0));
    if !batch.rows.is_empty() {
        // An error here means that the consumer has gone.
        drop(batches.send(batch.take()));
    }
    Ok(())
}

#[derive(Default)]
struct Batch {
    rows: Vec<SheetRow>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, row: Option<SheetRow>) {
        if let Some(row) = row {
            self.bytes += row.cells.iter().map(|text| size_of::<String>() + text.len()).sum::<usize>();
            self.rows.push(row);
        }
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn take(&mut self) -> Message {
        self.bytes = 0;
        Message::Rows(mem::take(&mut self.rows))
    }
}

/// The row whose cells are coming in.
#[derive(Default)]
struct PendingRow {
    /// Counted from 0, as the XML reader counts.
    index: u32,
    cells: Vec<String>,
    bytes: usize,
}

impl PendingRow {
    fn line(&self) -> u64 {
        u64::from(self.index) + 1
    }

    /// Sets a cell right of those already set. False when the row holds too much text.
    fn set(&mut self, column: u32, text: String) -> bool {
        if !text.is_empty() {
            self.bytes += text.len();
            // Only cells with a text make room, so there is never an empty cell at the end.
            self.cells.resize_with(column as usize, String::new);
            self.cells.push(text);
        }
        self.bytes <= MAX_ROW_TEXT
    }

    /// Starts the row `next`, and gives the one before unless it is blank.
    fn finish(&mut self, next: u32) -> Option<SheetRow> {
        let line = self.line();
        let room = Vec::with_capacity(self.cells.len());
        let cells = mem::replace(&mut self.cells, room);
        self.index = next;
        self.bytes = 0;
        let blank = cells.iter().all(|text| text.trim().is_empty());
        (!blank).then_some(SheetRow { line, cells })
    }
}

fn cell_text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::String(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::Bool(true) => "TRUE".to_owned(),
        DataRef::Bool(false) => "FALSE".to_owned(),
        DataRef::DateTime(date) if date.is_duration() => duration_text(date.as_f64()),
        DataRef::DateTime(date) => date_text(date),
        DataRef::DateTimeIso(text) => iso_text(text),
        DataRef::Error(error) => error.to_string(),
    }
}

/// The standard library prints the shortest decimal that gives the number back, and never an exponent.
fn number_text(number: f64) -> String {
    // Most numbers of a tape are whole, and printing an integer is several times as fast. A whole number up to here is
    // exact in both types; minus zero becomes zero.
    let whole = number as i64;
    if whole.unsigned_abs() < 1 << 53 && whole as f64 == number {
        return whole.to_string();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    number.to_string()
}

fn date_text(date: &ExcelDateTime) -> String {
    /// The day after 9999-12-31, the last that Excel knows.
    const END: f64 = 2_958_466.0;
    let serial = date.as_f64();
    if !(0.0..END).contains(&serial) {
        // Excel shows only #### for a number that is no date; the number itself says more.
        return number_text(serial);
    }
    let (year, month, day, hour, minute, second, milli) = date.to_ymd_hms_milli();
    let time = clock_text(u64::from(hour), u64::from(minute), u64::from(second), u64::from(milli));
    if serial < 1.0 {
        // No date part: day 0 stands for a time of day.
        time
    } else if time == "00:00:00" {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02} {time}")
    }
}

fn duration_text(days: f64) -> String {
    /// More milliseconds than three thousand years have: no duration.
    const END: f64 = 1e14;
    #[expect(clippy::float_arithmetic, reason = "Excel stores a duration as a fraction of a day")]
    let millis = (days * 86_400_000.0).round();
    if !millis.is_finite() || millis.abs() >= END {
        return number_text(days);
    }
    let sign = if millis < 0.0 { "-" } else { "" };
    // Whole and below the end, so the cast changes nothing.
    let millis = millis.abs() as u64;
    let clock = clock_text(millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60, millis % 1_000);
    format!("{sign}{clock}")
}

fn clock_text(hour: u64, minute: u64, second: u64, milli: u64) -> String {
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    if milli == 0 { clock } else { format!("{clock}.{milli:03}") }
}

/// A date that the workbook holds as ISO 8601 text, in the form of the other dates.
fn iso_text(text: &str) -> String {
    let Some((date, time)) = text.split_once('T').filter(|(date, _)| date.len() == "2026-01-31".len()) else {
        return text.to_owned();
    };
    let time = time.strip_suffix('Z').unwrap_or(time);
    let time = time.strip_suffix(".000").unwrap_or(time);
    if matches!(time, "" | "00:00" | "00:00:00") { date.to_owned() } else { format!("{date} {time}") }
}

fn damage(error: XlsxError) -> WorkbookError {
    match error {
        XlsxError::Password => WorkbookError::PasswordProtected,
        error => corrupt(error),
    }
}

/// What is shared between a workbook's reader, which libraries hold and hide, and the code that uses them.
struct Watch {
    /// Set when nobody wants the rows any more: the next read fails, which ends the thread wherever it is.
    stop: AtomicBool,
    /// Set once the workbook is open: from then on parts are sheets, and read without being held.
    rows: AtomicBool,
    /// Bytes that may still be read.
    allowance: AtomicU64,
    /// Why a read was refused or failed. The libraries wrap such errors beyond recognition, and swallow some.
    trouble: Mutex<Option<WorkbookError>>,
}

impl Default for Watch {
    fn default() -> Self {
        let allowance = AtomicU64::new(u64::MAX);
        Self { stop: AtomicBool::default(), rows: AtomicBool::default(), allowance, trouble: Mutex::default() }
    }
}

impl Watch {
    fn trouble(&self) -> Option<WorkbookError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Why a read was refused or failed, if one was; otherwise what a library made of the workbook.
    fn explain(&self, error: WorkbookError) -> WorkbookError {
        self.trouble().unwrap_or(error)
    }

    /// Keeps the first trouble, and makes an error for the library that asked for bytes.
    fn refuse(&self, error: WorkbookError) -> io::Error {
        let for_library = io::Error::other(error.to_string());
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        for_library
    }

    /// The same for an error of the reader itself.
    fn pass_on(&self, error: io::Error) -> io::Error {
        match error.kind() {
            // The first only asks for another try; the second comes of an offset in the workbook that leads nowhere.
            io::ErrorKind::Interrupted | io::ErrorKind::InvalidInput => error,
            _ => self.refuse(WorkbookError::Io(error)),
        }
    }
}

/// The bytes of the workbook. Those of a part are vetted before the library that asked for them gets them.
struct Source {
    inner: BufReader<Box<dyn ReadSeek>>,
    watch: Arc<Watch>,
    /// The parts by where their data starts.
    parts: BTreeMap<u64, Part>,
    /// Where the last seek led.
    place: u64,
    /// The part that is being read, when it needs vetting.
    vetting: Option<Vetting>,
    copies: Copies,
}

/// What the ZIP directory says about a part.
struct Part {
    name: String,
    /// Where the entry of the part starts, a few bytes before its data.
    header: u64,
    /// Whether the part has been read from its start before.
    met: bool,
    packed: u64,
    unpacked: u64,
    method: CompressionMethod,
}

impl Source {
    fn new(reader: Box<dyn ReadSeek>, watch: Arc<Watch>) -> Self {
        let inner = BufReader::new(reader);
        Self { inner, watch, parts: BTreeMap::new(), place: 0, vetting: None, copies: Copies::default() }
    }

    /// Reads the ZIP directory, and refuses a workbook whose parts are too many, too large, encrypted or interwoven.
    fn take_stock(&mut self) -> Result<(), WorkbookError> {
        const DIRECTORY: &str = "list of parts";
        let watch = Arc::clone(&self.watch);
        watch.allowance.store(MAX_DIRECTORY, Ordering::Relaxed);
        let opened = ZipArchive::new(&mut *self);
        let spent = watch.allowance.swap(u64::MAX, Ordering::Relaxed) == 0;
        let mut archive = match opened {
            Ok(archive) => archive,
            Err(_) if spent => return Err(bomb(DIRECTORY, mebibytes(MAX_DIRECTORY))),
            Err(error) => return Err(corrupt(format_args!("it is damaged or cut short: {error}"))),
        };
        // Before its parts are held against the bounds of a workbook: it may be none.
        let names: Vec<_> = archive.file_names_raw().map(String::from_utf8_lossy).collect();
        if let Some(kind) = by_zip_parts(&names) {
            return Err(WorkbookError::OtherZip { kind });
        }
        if archive.comment() == OWN_MARK.as_bytes() {
            return Err(WorkbookError::OtherZip { kind: "a workbook that Loan Engine wrote" });
        }
        if archive.len() > MAX_PARTS {
            return Err(bomb(DIRECTORY, format!("{MAX_PARTS} parts")));
        }
        let mut parts = BTreeMap::new();
        let mut total = 0_u64;
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(damaged_archive)?;
            let name = entry.name().map_err(damaged_archive)?.into_owned();
            if entry.encrypted() {
                return Err(WorkbookError::PasswordProtected);
            }
            let (packed, unpacked, method) = (entry.compressed_size(), entry.size(), entry.compression());
            total = total.saturating_add(unpacked);
            if unpacked > MAX_PART {
                return Err(bomb(&name, mebibytes(MAX_PART)));
            }
            if total > MAX_WORKBOOK {
                return Err(bomb("all parts together", mebibytes(MAX_WORKBOOK)));
            }
            let start = entry.data_start().ok_or_else(|| corrupt("one of its parts has no place"))?;
            let part = Part { name, header: entry.header_start(), met: false, packed, unpacked, method };
            if parts.insert(start, part).is_some() {
                return Err(corrupt("two of its parts are in one place"));
            }
        }
        // Bytes that belong to several parts unpack several times; and the place would not tell which part is read.
        let following = parts.values().skip(1);
        if parts.iter().zip(following).any(|((start, part), next)| start.saturating_add(part.packed) > next.header) {
            return Err(corrupt("two of its parts are in one place"));
        }
        self.parts = parts;
        Ok(())
    }

    /// Starts vetting the part whose data starts here, if the ZIP reader goes there to read it: it comes from the start of
    /// the entry then, at least the first time. Its search for the directory may lead to such a place as well.
    fn begin(&mut self, place: u64) -> Result<(), WorkbookError> {
        self.vetting = None;
        let from = mem::replace(&mut self.place, place);
        let Some(part) = self.parts.get_mut(&place).filter(|part| part.met || part.header == from) else {
            return Ok(());
        };
        part.met = true;
        let bounds = if self.watch.rows.load(Ordering::Relaxed) { Bounds::sheet() } else { Bounds::held(&part.name) };
        if part.unpacked > bounds.part {
            return Err(bomb(&part.name, mebibytes(bounds.part)));
        }
        if part.unpacked > bounds.unseen {
            self.vetting = Some(Vetting::new(part, bounds)?);
        }
        Ok(())
    }
}

fn damaged_archive(error: ZipError) -> WorkbookError {
    corrupt(format_args!("it is damaged: {error}"))
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.watch.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("the rows are not wanted any more"));
        }
        let allowance = self.watch.allowance.load(Ordering::Relaxed);
        if allowance == 0 {
            return Err(io::Error::other("more is read than a workbook needs"));
        }
        let room = buffer.len().min(usize::try_from(allowance).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..room]).map_err(|error| self.watch.pass_on(error))?;
        self.watch.allowance.fetch_sub(read as u64, Ordering::Relaxed);
        if let Some(vetting) = &mut self.vetting {
            vetting.see(&buffer[..read], &mut self.copies).map_err(|error| self.watch.refuse(error))?;
        }
        Ok(read)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = self.inner.seek(to).map_err(|error| self.watch.pass_on(error))?;
        self.begin(place).map_err(|error| self.watch.refuse(error))?;
        Ok(place)
    }
}

/// Tells an encrypted `.xlsx` from an old `.xls`: both are OLE compound files, the first with a stream of one of these
/// names. The names stand in a directory that can be anywhere in the file, so all of it is searched.
fn name_ole_file(source: &mut Source) -> io::Result<WorkbookError> {
    let names =
        ["EncryptedPackage", "EncryptionInfo"].map(|name| name.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    let overlap = names.iter().map(Vec::len).max().unwrap_or(0);
    let mut window = vec![0; WINDOW];
    let mut kept = 0;
    loop {
        let read = source.read(&mut window[kept..])?;
        if read == 0 {
            return Ok(WorkbookError::OldFormat);
        }
        let end = kept + read;
        if names.iter().any(|name| memmem::find(&window[..end], name).is_some()) {
            return Ok(WorkbookError::PasswordProtected);
        }
        kept = end.min(overlap);
        window.copy_within(end - kept..end, 0);
    }
}

/// What a part may hold.
struct Bounds {
    /// Unpacked bytes.
    part: u64,
    /// Unpacked bytes up to which the part is not vetted.
    unseen: u64,
    /// The element, by its local name, whose content the XML reader gathers in memory, so that [`MAX_CELL`] bounds it.
    cell: &'static [u8],
    /// The element after which the XML reader reads no further.
    end: Option<&'static [u8]>,
}

impl Bounds {
    /// For a part that is held in memory.
    fn held(name: &str) -> Self {
        let shared_strings = name.to_ascii_lowercase().ends_with("sharedstrings.xml");
        let part = if shared_strings { MAX_SHARED_STRINGS } else { MAX_HELD };
        Self { part, unseen: 0, cell: b"si", end: None }
    }

    fn sheet() -> Self {
        Self { part: MAX_PART, unseen: MAX_UNSEEN_SHEET, cell: b"c", end: Some(b"sheetData") }
    }
}

/// Counts what the open workbook holds in memory besides the bytes of its parts.
#[derive(Default)]
struct Copies {
    shared_strings: u64,
    records: u64,
    longest: u64,
}

impl Copies {
    /// Counts a start tag of a part that is held.
    fn see(&mut self, part: &str, tag: &Tag<'_>) -> Result<(), WorkbookError> {
        match tag.local {
            b"si" => self.shared_strings += 1,
            // Whatever the XML reader makes a record of: styles and what they are put together from, and sheets.
            b"xf" | b"font" | b"fill" | b"border" | b"sheet" => self.records += 1,
            // The texts that it copies into them, at most two into one, are attributes of these.
            b"numFmt" | b"name" | b"Relationship" => self.longest = self.longest.max(tag.content.len() as u64),
            b"sst" => {
                let number = tag.attribute("uniqueCount").map(|text| std::str::from_utf8(text).unwrap_or_default().parse());
                if number.is_some_and(|number| number.map_or(true, |number: u64| number > MAX_SHARED_STRING_COUNT)) {
                    return Err(corrupt("it declares more shared strings than a workbook can have"));
                }
            }
            _ => {}
        }
        if self.shared_strings > MAX_SHARED_STRING_COUNT {
            return Err(bomb(part, format!("{MAX_SHARED_STRING_COUNT} strings")));
        }
        if self.records.saturating_mul(size_of::<Style>() as u64 + 2 * self.longest) > MAX_COPIES {
            return Err(bomb(part, format!("{} of styles", mebibytes(MAX_COPIES))));
        }
        Ok(())
    }
}

/// Unpacks a part as it is read and walks its XML in a bounded window, to refuse what the XML reader would gather without
/// bound: long tags, long texts, long cells and deep nesting. That reader does not compare the names of end tags, so the
/// nesting means the same to both only when they match; that is checked as well. A document type, where entities could be
/// declared, is not allowed in a workbook.
struct Vetting {
    part: String,
    bounds: Bounds,
    /// None for a part that is stored as it is.
    inflater: Option<Decompress>,
    declared: u64,
    unpacked: u64,
    window: Vec<u8>,
    /// The bytes of the window that were not walked yet.
    from: usize,
    to: usize,
    /// How many of them were searched for the end of the markup that they begin with.
    searched: usize,
    open: OpenElements,
    since_tag: usize,
    /// While in a cell: the depth at which it began, and the bytes since then.
    cell: Option<(usize, usize)>,
    done: bool,
}

impl Vetting {
    fn new(part: &Part, bounds: Bounds) -> Result<Self, WorkbookError> {
        let inflater = match part.method {
            CompressionMethod::Stored => None,
            CompressionMethod::Deflated => Some(Decompress::new(false)),
            _ => return Err(corrupt(format_args!("its part {} is packed in a way that Excel does not use", part.name))),
        };
        Ok(Self {
            part: part.name.clone(),
            bounds,
            inflater,
            declared: part.unpacked,
            unpacked: 0,
            window: vec![0; WINDOW],
            from: 0,
            to: 0,
            searched: 0,
            open: OpenElements::default(),
            since_tag: 0,
            cell: None,
            done: false,
        })
    }

    /// Vets the next packed bytes of the part.
    fn see(&mut self, mut packed: &[u8], copies: &mut Copies) -> Result<(), WorkbookError> {
        while !self.done {
            self.make_room();
            let room = &mut self.window[self.to..];
            let (used, made, ended) = match &mut self.inflater {
                None => {
                    let taken = room.len().min(packed.len());
                    room[..taken].copy_from_slice(&packed[..taken]);
                    (taken, taken, false)
                }
                Some(inflater) => {
                    let before = (inflater.total_in(), inflater.total_out());
                    let status = inflater.decompress(packed, room, FlushDecompress::None);
                    let status = status.map_err(|_| corrupt(format_args!("its part {} is damaged", self.part)))?;
                    // Both are at most the length of a slice.
                    let used = (inflater.total_in() - before.0) as usize;
                    let made = (inflater.total_out() - before.1) as usize;
                    (used, made, status == Status::StreamEnd)
                }
            };
            // Output that found no room is still to come, even when all input is used.
            let more_to_come = !ended && (made == room.len() || (used > 0 && used < packed.len()));
            packed = &packed[used..];
            self.to += made;
            self.unpacked += made as u64;
            if self.unpacked > self.declared {
                return Err(bomb(&self.part, format!("the {} bytes that it declares", self.declared)));
            }
            self.walk(copies)?;
            if !more_to_come {
                break;
            }
        }
        Ok(())
    }

    fn make_room(&mut self) {
        self.window.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        self.from = 0;
        if self.to > self.window.len() / 2 {
            self.window.resize(self.window.len() * 2, 0);
        }
    }

    /// Walks what is in the window, up to markup that has not ended yet.
    fn walk(&mut self, copies: &mut Copies) -> Result<(), WorkbookError> {
        loop {
            let text = memchr(b'<', &self.window[self.from..self.to]).unwrap_or(self.to - self.from);
            self.from += text;
            self.since_tag += text;
            self.count_cell(text);
            if self.since_tag.max(self.cell.map_or(0, |(_, bytes)| bytes)) > MAX_CELL {
                return Err(bomb(&self.part, format!("{} in one cell", mebibytes(MAX_CELL as u64))));
            }
            let ahead = &self.window[self.from..self.to];
            let (length, whole) = match markup(ahead, self.searched) {
                Markup::Whole(length) => (length, true),
                Markup::Partial => (ahead.len(), false),
                Markup::Malformed => return Err(self.malformed()),
            };
            let longest = if matches!(ahead.get(1), Some(b'?' | b'!')) { MAX_CELL } else { MAX_TAG };
            if length > longest {
                return Err(bomb(&self.part, format!("{} in one piece of markup", kibibytes(longest))));
            }
            if !whole {
                self.searched = length;
                return Ok(());
            }
            self.searched = 0;
            self.count_cell(length);
            self.step(length, copies)?;
            self.from += length;
            if self.done {
                return Ok(());
            }
        }
    }

    fn count_cell(&mut self, bytes: usize) {
        if let Some((_, since)) = &mut self.cell {
            *since += bytes;
        }
    }

    /// Takes note of the markup of this length at the start of the window.
    fn step(&mut self, length: usize, copies: &mut Copies) -> Result<(), WorkbookError> {
        let markup = &self.window[self.from..self.from + length];
        let ended = match markup[1] {
            b'?' | b'!' => {
                self.since_tag += length;
                return Ok(());
            }
            b'/' => {
                let name = trim_end(&markup[2..length - 1]);
                if !self.open.close(name) {
                    return Err(self.malformed());
                }
                self.cell = self.cell.filter(|(depth, _)| *depth < self.open.depth());
                Some(local(name))
            }
            _ => {
                let content = &markup[1..length - 1];
                let empty = content.strip_suffix(b"/");
                let tag = Tag::new(empty.unwrap_or(content));
                if tag.has_too_many_attributes() {
                    return Err(bomb(&self.part, format!("{MAX_ATTRIBUTES} attributes in one tag")));
                }
                // In a sheet nothing is held; in the other parts everything is.
                if self.bounds.end.is_none() {
                    copies.see(&self.part, &tag)?;
                }
                if empty.is_none() {
                    if self.cell.is_none() && tag.local == self.bounds.cell {
                        self.cell = Some((self.open.depth(), length));
                    }
                    self.open.open(tag.name);
                    if self.open.depth() > MAX_DEPTH {
                        return Err(bomb(&self.part, format!("{MAX_DEPTH} elements inside one another")));
                    }
                }
                empty.is_some().then_some(tag.local)
            }
        };
        self.since_tag = 0;
        self.done = self.done || (self.cell.is_none() && ended.is_some() && ended == self.bounds.end);
        Ok(())
    }

    fn malformed(&self) -> WorkbookError {
        corrupt(format_args!("its part {} is not well-formed", self.part))
    }
}

/// A start tag.
struct Tag<'t> {
    name: &'t [u8],
    /// The name without a prefix.
    local: &'t [u8],
    /// All between `<` and `>`, without a `/` at the end.
    content: &'t [u8],
}

impl<'t> Tag<'t> {
    fn new(content: &'t [u8]) -> Self {
        let name = &content[..content.iter().position(|byte| is_space(*byte)).unwrap_or(content.len())];
        Self { name, local: local(name), content }
    }

    /// Whether it has more than [`MAX_ATTRIBUTES`]. Their values are in quotes: where one is not, the XML reader goes no further.
    fn has_too_many_attributes(&self) -> bool {
        let shortest = b" a=''".len();
        if self.content.len() <= MAX_ATTRIBUTES * shortest {
            return false;
        }
        let (mut quote, mut values) = (None, 0);
        for at in memchr2_iter(b'"', b'\'', self.content) {
            match quote {
                None => (quote, values) = (Some(self.content[at]), values + 1),
                Some(open) if open == self.content[at] => quote = None,
                Some(_) => {}
            }
        }
        values > MAX_ATTRIBUTES
    }

    /// The value of the first attribute of this name, entities as they are.
    fn attribute(&self, wanted: &str) -> Option<&'t [u8]> {
        let mut rest = &self.content[self.name.len()..];
        loop {
            let equals = memchr(b'=', rest)?;
            let name = rest[..equals].trim_ascii();
            let value = rest[equals + 1..].trim_ascii_start();
            let (quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
            let end = memchr(*quote, value).unwrap_or(value.len());
            if name == wanted.as_bytes() {
                return Some(&value[..end]);
            }
            rest = value.get(end + 1..)?;
        }
    }
}

fn local(name: &[u8]) -> &[u8] {
    memchr(b':', name).map_or(name, |colon| &name[colon + 1..])
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim_end(name: &[u8]) -> &[u8] {
    &name[..name.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1)]
}

/// The names of the elements that are open, end to end.
#[derive(Default)]
struct OpenElements {
    names: Vec<u8>,
    starts: Vec<usize>,
}

impl OpenElements {
    fn depth(&self) -> usize {
        self.starts.len()
    }

    fn open(&mut self, name: &[u8]) {
        self.starts.push(self.names.len());
        self.names.extend_from_slice(name);
    }

    /// False when the innermost open element has another name.
    fn close(&mut self, name: &[u8]) -> bool {
        let Some(start) = self.starts.pop() else {
            return false;
        };
        let matches = &self.names[start..] == name;
        self.names.truncate(start);
        matches
    }
}

enum Markup {
    /// The markup ends after this many bytes.
    Whole(usize),
    /// The markup goes on beyond the bytes at hand.
    Partial,
    /// No markup that a workbook has.
    Malformed,
}

/// Finds the end of the markup that begins these bytes with `<`, where the XML reader finds it, when it was not found in
/// the first `searched` of them. Only tags are searched from their beginning again, and tags are short.
fn markup(bytes: &[u8], searched: usize) -> Markup {
    const COMMENT: &[u8] = b"<!--";
    const LITERAL: &[u8] = b"<![CDATA[";
    let until = |from: usize, end: &[u8]| {
        let from = from.max(searched.saturating_sub(end.len()));
        match bytes.get(from..).and_then(|rest| memmem::find(rest, end)) {
            Some(at) => Markup::Whole(from + at + end.len()),
            None => Markup::Partial,
        }
    };
    match bytes.get(1) {
        None => Markup::Partial,
        Some(b'?') => until(1, b"?>"),
        Some(b'!') if bytes.starts_with(COMMENT) => until(COMMENT.len(), b"-->"),
        Some(b'!') if bytes.starts_with(LITERAL) => until(LITERAL.len(), b"]]>"),
        Some(b'!') if COMMENT.starts_with(bytes) || LITERAL.starts_with(bytes) => Markup::Partial,
        Some(b'!') => Markup::Malformed,
        Some(_) => {
            // Nearly every tag ends at the first `>`, all its values in pairs of double quotes.
            let Some(first) = memchr(b'>', bytes) else {
                return Markup::Partial;
            };
            let (double, single) = bytes[..first].iter().fold((0_u32, 0_u32), |(double, single), byte| {
                (double + u32::from(*byte == b'"'), single + u32::from(*byte == b'\''))
            });
            if single == 0 && double % 2 == 0 {
                return Markup::Whole(first + 1);
            }
            let mut quote = None;
            for at in memchr3_iter(b'>', b'"', b'\'', bytes) {
                match (quote, bytes[at]) {
                    (None, b'>') => return Markup::Whole(at + 1),
                    (None, other) => quote = Some(other),
                    (Some(open), other) if open == other => quote = None,
                    (Some(_), _) => {}
                }
            }
            Markup::Partial
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};
    use std::sync::atomic::AtomicUsize;

    use rust_xlsxwriter as writer;
    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    /// A workbook made by a library that writes what Excel writes.
    fn made(make: impl FnOnce(&mut writer::Workbook) -> Result<(), writer::XlsxError>) -> Vec<u8> {
        let mut workbook = writer::Workbook::new();
        make(&mut workbook).unwrap();
        workbook.save_to_buffer().unwrap()
    }

    const RELS: &str = r#"<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
    const WORKBOOK: &str = r#"<workbook><sheets><sheet name="Loans" sheetId="1" r:id="r1"/></sheets></workbook>"#;
    const WORKBOOK_RELS: &str = r#"<Relationships><Relationship Id="r1" Type="http://x/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
    const SHEET: &str = "xl/worksheets/sheet1.xml";
    const STRINGS: &str = "xl/sharedStrings.xml";

    /// The parts of a workbook with one sheet, without the sheet.
    fn parts() -> Vec<(&'static str, Vec<u8>)> {
        [("_rels/.rels", RELS), ("xl/workbook.xml", WORKBOOK), ("xl/_rels/workbook.xml.rels", WORKBOOK_RELS)]
            .map(|(name, xml)| (name, xml.as_bytes().to_vec()))
            .to_vec()
    }

    fn stored(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in parts {
            zip.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Stored)).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// A workbook with this part besides the usual ones.
    fn with_part(name: &str, content: impl Into<Vec<u8>>) -> Vec<u8> {
        let mut all = parts();
        all.retain(|(other, _)| *other != name);
        all.push((name, content.into()));
        stored(&all)
    }

    /// A workbook whose one sheet has these rows.
    fn with_sheet(rows: &str) -> Vec<u8> {
        with_part(SHEET, format!("<worksheet><sheetData>{rows}</sheetData></worksheet>"))
    }

    /// A workbook with one more part, packed by hand, about whose size the directory may lie.
    fn with_packed(name: &str, packed: &[u8], declared: u32) -> Vec<u8> {
        let mut all: Vec<_> = parts().into_iter().map(|(name, content)| (name, 0_u16, content.len() as u32, content)).collect();
        all.push((name, 8, declared, packed.to_vec()));
        let (mut file, mut directory) = (Vec::new(), Vec::new());
        for (name, method, unpacked, content) in &all {
            let mut crc = flate2::Crc::new();
            crc.update(content);
            let mut header = Vec::new();
            for field in [20, 0, *method, 0, 0] {
                header.extend(u16::to_le_bytes(field));
            }
            for field in [crc.sum(), content.len() as u32, *unpacked] {
                header.extend(u32::to_le_bytes(field));
            }
            for field in [name.len() as u16, 0] {
                header.extend(u16::to_le_bytes(field));
            }
            let start = file.len() as u32;
            directory.extend(b"PK\x01\x02\x14\x00");
            directory.extend(&header);
            directory.extend([0; 10]);
            directory.extend(start.to_le_bytes());
            directory.extend(name.as_bytes());
            file.extend(b"PK\x03\x04");
            file.extend(&header);
            file.extend(name.as_bytes());
            file.extend(content);
        }
        let start = file.len() as u32;
        file.extend(&directory);
        file.extend(b"PK\x05\x06\0\0\0\0");
        for count in [all.len() as u16; 2] {
            file.extend(count.to_le_bytes());
        }
        for field in [directory.len() as u32, start] {
            file.extend(field.to_le_bytes());
        }
        file.extend([0, 0]);
        file
    }

    /// Deflates `before`, then `fill` for at least `times` times, then `after`, at the highest ratio that the format
    /// allows and without ever having the bytes.
    fn deflated(before: &str, fill: u8, times: u64, after: &str) -> Vec<u8> {
        let (mut packed, mut bits, mut count) = (Vec::new(), 0_u32, 0);
        let mut put = |value: u32, length: u32| {
            bits |= value << count;
            count += length;
            while count >= 8 {
                packed.push(bits as u8);
                bits >>= 8;
                count -= 8;
            }
        };
        // Codes go in from their first bit, all else from its last.
        let code = |value: u32, length: u32| value.reverse_bits() >> (32 - length);
        let literal = |byte: u8| code(0x30 + u32::from(byte), 8);
        put(0b011, 3);
        for byte in before.bytes().chain([fill]) {
            put(literal(byte), 8);
        }
        for _ in 0..times.div_ceil(258) {
            // 258 bytes from one byte ago.
            put(code(0xC5, 8), 8);
            put(0, 5);
        }
        for byte in after.bytes() {
            put(literal(byte), 8);
        }
        put(0, 7 + 7);
        packed
    }

    fn open(bytes: impl AsRef<[u8]> + Send + 'static) -> Result<Workbook, WorkbookError> {
        Workbook::open(Box::new(Cursor::new(bytes)))
    }

    fn refused(bytes: impl AsRef<[u8]> + Send + 'static) -> WorkbookError {
        open(bytes).map(|workbook| workbook.sheets).unwrap_err()
    }

    fn all_rows(bytes: impl AsRef<[u8]> + Send + 'static) -> Result<Vec<SheetRow>, WorkbookError> {
        open(bytes)?.into_rows(0).collect()
    }

    /// The cells of the only row.
    fn cells(bytes: Vec<u8>) -> Vec<String> {
        let rows = all_rows(bytes).unwrap();
        assert_eq!(rows.len(), 1);
        rows.into_iter().next().unwrap().cells
    }

    fn assert_corrupt(error: &WorkbookError, wanted: &str) {
        assert!(matches!(error, WorkbookError::Corrupt { detail } if detail.contains(wanted)), "{error:?} without {wanted:?}");
    }

    fn assert_bomb(error: &WorkbookError, wanted_part: &str, wanted_limit: &str) {
        assert!(
            matches!(error, WorkbookError::Bomb { part, limit } if part == wanted_part && limit.starts_with(wanted_limit)),
            "{error:?} without {wanted_part:?} and {wanted_limit:?}"
        );
    }

    #[test]
    fn cells_are_text() {
        let workbook = made(|workbook| {
            let sheet = workbook.add_worksheet();
            sheet.write_string(0, 0, "007")?;
            sheet.write_string(0, 1, "Größe & \"<b>\"")?;
            sheet.write_number(0, 2, 250_000)?;
            sheet.write_number(0, 3, 6.875)?;
            sheet.write_number(0, 4, 1e15)?;
            sheet.write_number(0, 5, 0.00001)?;
            sheet.write_number(0, 6, 0.1 + 0.2)?;
            sheet.write_number(0, 7, -0.5)?;
            sheet.write_boolean(0, 8, true)?;
            sheet.write_boolean(0, 9, false)?;
            sheet.write_formula(0, 10, writer::Formula::new("1/0").set_result("#DIV/0!"))?;
            sheet.write_formula(0, 11, writer::Formula::new("A1&\"x\"").set_result("007x"))?;
            let (bold, plain) = (writer::Format::new().set_bold(), writer::Format::default());
            sheet.write_rich_string(0, 12, &[(&bold, "two"), (&plain, " runs")])?;
            sheet.write_string(0, 13, " spaces ")?;
            Ok(())
        });
        assert_eq!(
            cells(workbook),
            [
                "007",
                "Größe & \"<b>\"",
                "250000",
                "6.875",
                "1000000000000000",
                "0.00001",
                "0.30000000000000004",
                "-0.5",
                "TRUE",
                "FALSE",
                "#DIV/0!",
                "007x",
                "two runs",
                " spaces ",
            ]
        );
    }

    #[test]
    fn dates_and_times_are_iso() {
        let workbook = made(|workbook| {
            let sheet = workbook.add_worksheet();
            let date = writer::Format::new().set_num_format("mm/dd/yyyy");
            let both = writer::Format::new().set_num_format("m/d/yy h:mm");
            let time = writer::Format::new().set_num_format("h:mm:ss");
            let hours = writer::Format::new().set_num_format("[h]:mm:ss");
            sheet.write_with_format(0, 0, writer::ExcelDateTime::from_ymd(2026, 1, 31)?, &date)?;
            sheet.write_with_format(0, 1, writer::ExcelDateTime::from_ymd(2026, 1, 31)?.and_hms(12, 30, 0)?, &both)?;
            sheet.write_with_format(0, 2, writer::ExcelDateTime::from_hms(12, 30, 0)?, &time)?;
            sheet.write_with_format(0, 3, 1.5 + 1.0 / 48.0, &hours)?;
            sheet.write_with_format(0, 4, writer::ExcelDateTime::from_ymd(2026, 1, 31)?.and_hms(12, 30, 0.25)?, &both)?;
            sheet.write_with_format(0, 5, -1, &date)?;
            sheet.write_with_format(0, 6, 9e9, &date)?;
            sheet.write_with_format(0, 7, -0.25, &hours)?;
            sheet.write_with_format(0, 8, 1e300, &hours)?;
            Ok(())
        });
        let texts = cells(workbook);
        let wanted = [
            "2026-01-31",
            "2026-01-31 12:30:00",
            "12:30:00",
            "36:30:00",
            "2026-01-31 12:30:00.250",
            "-1",
            "9000000000",
            "-06:00:00",
        ];
        assert_eq!(texts[..8], wanted);
        assert!(texts[8].starts_with("1000") && texts[8].len() == 301);
    }

    #[test]
    fn dates_that_are_stored_as_text_read_alike() {
        let row = ["2026-01-31", "2026-01-31T00:00:00.000", "2026-01-31T12:30:00Z", "12:30:00", "T"]
            .map(|text| format!("<c t=\"d\"><v>{text}</v></c>"));
        assert_eq!(
            cells(with_sheet(&format!("<row>{}</row>", row.concat()))),
            ["2026-01-31", "2026-01-31", "2026-01-31 12:30:00", "12:30:00", "T"]
        );
    }

    #[test]
    fn dates_count_from_1904_where_the_workbook_says_so() {
        let mut all = parts();
        let workbook = WORKBOOK.replace("<sheets>", "<workbookPr date1904=\"1\"/><sheets>");
        all[1].1 = workbook.into_bytes();
        all.push(("xl/styles.xml", b"<styleSheet><cellXfs><xf/><xf numFmtId=\"14\"/></cellXfs></styleSheet>".to_vec()));
        all.push((SHEET, b"<worksheet><sheetData><row><c s=\"1\"><v>1</v></c></row></sheetData></worksheet>".to_vec()));
        assert_eq!(cells(stored(&all)), ["1904-01-02"]);
    }

    #[test]
    fn numbers_are_plain_decimals() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-12.0, "-12"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (1e21, "1000000000000000000000"),
            (1e-7, "0.0000001"),
            (97.01, "97.01"),
            (-1e18, "-1000000000000000000"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (9_223_372_036_854_775_808.0, "9223372036854776000"),
        ] {
            assert_eq!(number_text(number), text);
        }
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        for _ in 0..10_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let number = f64::from_bits(state);
            let text = number_text(number);
            assert!(!text.contains(['e', 'E']) || number.is_nan(), "{text}");
            assert!(text.parse() == Ok(number) || number.is_nan(), "{text}");
        }
    }

    #[test]
    fn rows_keep_their_lines_and_columns() {
        let workbook = made(|workbook| {
            let sheet = workbook.add_worksheet();
            sheet.write_string(2, 1, "B3")?;
            sheet.write_string(2, 3, "D3")?;
            sheet.write_blank(2, 9, &writer::Format::new().set_bold())?;
            sheet.write_string(4, 0, "  ")?;
            sheet.write_blank(5, 0, &writer::Format::new().set_bold())?;
            sheet.merge_range(7, 0, 7, 2, "A8", &writer::Format::new())?;
            sheet.write_string(1_048_575, 16_383, "last")?;
            Ok(())
        });
        let rows = all_rows(workbook).unwrap();
        let found: Vec<_> = rows.iter().map(|row| (row.line, row.cells.len(), row.cells.concat())).collect();
        assert_eq!(found, [(3, 4, "B3D3".to_owned()), (8, 1, "A8".to_owned()), (1_048_576, 16_384, "last".to_owned())]);
        assert_eq!(rows[0].cells, ["", "B3", "", "D3"]);
    }

    #[test]
    fn cells_without_places_follow_one_another() {
        let sheet = with_sheet("<row><c><v>1</v></c><c/><c><v>3</v></c></row><row/><row><c r=\"B3\"><v>4</v></c></row>");
        let rows = all_rows(sheet).unwrap();
        let row = |line, cells: &[&str]| SheetRow { line, cells: cells.iter().map(|text| (*text).to_owned()).collect() };
        assert_eq!(rows, [row(1, &["1", "", "3"]), row(3, &["", "4"])]);
    }

    #[test]
    fn inline_and_shared_strings_are_read_whole() {
        let mut all = parts();
        let strings =
            "<sst uniqueCount=\"3\"><si><t>one</t></si><si/><si><r><t>ri</t></r><r><t>ch</t></r><rPh><t>x</t></rPh></si></sst>";
        all.push((STRINGS, strings.as_bytes().to_vec()));
        let sheet = r#"<worksheet><sheetData><row>
            <c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c>
            <c t="inlineStr"><is><t>in &amp; line</t></is></c><c t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is></c>
            <c t="str"><f>X1</f><v>computed</v></c><c t="e"><v>#N/A</v></c><c><v>not a number</v></c></row></sheetData></worksheet>"#;
        all.push((SHEET, sheet.as_bytes().to_vec()));
        assert_eq!(cells(stored(&all)), ["one", "", "rich", "in & line", "ab", "computed", "#N/A", "not a number"]);
    }

    #[test]
    fn worksheets_are_listed_hidden_ones_too_and_charts_not() {
        let make = || {
            made(|workbook| {
                workbook.add_worksheet().set_name("Cover")?.write_string(0, 0, "cover")?;
                let mut chart = writer::Chart::new(writer::ChartType::Line);
                chart.add_series().set_values("Cover!$A$1:$A$2");
                workbook.add_chartsheet().insert_chart(0, 0, &chart)?;
                workbook.add_worksheet().set_name("R&D")?.set_hidden(true).write_string(0, 0, "loans")?;
                workbook.add_worksheet().set_name("Empty")?;
                Ok(())
            })
        };
        assert_eq!(open(make()).unwrap().sheet_names(), ["Cover", "R&D", "Empty"]);
        let first_cells =
            |sheet| -> Vec<String> { open(make()).unwrap().into_rows(sheet).map(|row| row.unwrap().cells[0].clone()).collect() };
        assert_eq!(first_cells(0), ["cover"]);
        assert_eq!(first_cells(1), ["loans"]);
        assert!(first_cells(2).is_empty());
        let mut none = open(make()).unwrap().into_rows(3);
        assert!(matches!(none.next(), Some(Err(WorkbookError::NoSheet))));
        assert!(none.next().is_none());
    }

    #[test]
    fn two_sheets_of_one_name_and_no_sheet_are_refused() {
        let twice = WORKBOOK.replace("<sheets>", "<sheets><sheet name=\"Loans\" sheetId=\"2\" r:id=\"r1\"/>");
        assert_corrupt(&refused(with_part("xl/workbook.xml", twice)), "two sheets named");
        let none = "<workbook><sheets></sheets></workbook>";
        assert!(matches!(refused(with_part("xl/workbook.xml", none)), WorkbookError::NoSheet));
    }

    #[test]
    fn workbooks_are_known_by_their_first_bytes() {
        assert!(looks_like_workbook(&made(|workbook| workbook.add_worksheet().set_name("x").map(|_| ()))));
        assert!(looks_like_workbook(&OLE_MAGIC));
        for other in [&b""[..], b"P", b"PK", b"PK,Loan #,UPB", b"Loan #,UPB\n", &OLE_MAGIC[..7]] {
            assert!(!looks_like_workbook(other));
        }
    }

    fn ole(name: &str, before: usize) -> Vec<u8> {
        let mut file = OLE_MAGIC.to_vec();
        file.resize(before, 0);
        file.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
        file.resize(file.len() + 700, 0);
        file
    }

    #[test]
    fn a_password_is_told_from_the_old_format() {
        // Also across the edge of what is looked at together.
        for before in [512, 4_096, WINDOW - 20, WINDOW - 7, 3 * WINDOW + 1] {
            for name in ["EncryptedPackage", "EncryptionInfo"] {
                assert!(matches!(refused(ole(name, before)), WorkbookError::PasswordProtected), "{name} at {before}");
            }
            assert!(matches!(refused(ole("Workbook", before)), WorkbookError::OldFormat));
        }
        assert!(matches!(refused(OLE_MAGIC), WorkbookError::OldFormat));
    }

    #[test]
    fn an_encrypted_part_is_a_password() {
        let mut zip = with_packed(SHEET, &deflated("<worksheet>", b' ', 1, "</worksheet>"), 300);
        let flags = memmem::rfind(&zip, b"PK\x01\x02").unwrap() + 8;
        zip[flags] |= 1;
        assert!(matches!(refused(zip), WorkbookError::PasswordProtected));
    }

    #[test]
    fn what_is_no_workbook_is_refused() {
        assert_corrupt(&refused(""), "not an Excel workbook");
        assert_corrupt(&refused("Loan #,UPB\n1,2\n"), "not an Excel workbook");
        assert_corrupt(&refused("PK\x03\x04"), "damaged or cut short");
        assert_corrupt(&refused(stored(&[("[Content_Types].xml", b"hello".to_vec())])), "_rels/.rels");
        // Also one that is larger than a workbook may be.
        let large = (0..=MAX_PARTS).map(|number| (&*format!("{number}.csv").leak(), Vec::new())).collect::<Vec<_>>();
        for zip in [stored(&[]), stored(&[("readme.txt", b"hello".to_vec())]), stored(&large)] {
            assert!(matches!(refused(zip), WorkbookError::OtherZip { kind: "a ZIP archive" }));
        }
    }

    /// A sheet of 30 rows, packed.
    fn small_tape() -> Vec<u8> {
        made(|workbook| {
            let sheet = workbook.add_worksheet();
            for row in 0..30 {
                sheet.write_string(row, 0, format!("LN{row:05}"))?;
                sheet.write_number(row, 1, 200_000 + row)?;
            }
            Ok(())
        })
    }

    #[test]
    fn a_workbook_that_is_cut_short_is_refused() {
        let whole = small_tape();
        assert_eq!(all_rows(whole.clone()).unwrap().len(), 30);
        for length in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
            let error = all_rows(whole[..length].to_vec()).unwrap_err();
            assert!(matches!(error, WorkbookError::Corrupt { .. }), "{length}: {error:?}");
        }
    }

    #[test]
    fn a_damaged_workbook_never_panics() {
        let whole = small_tape();
        let mut state = 1_u64;
        for _ in 0..200 {
            let mut damaged = whole.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % damaged.len();
                damaged[at] ^= (state >> 24) as u8;
            }
            if let Err(error) = all_rows(damaged) {
                assert!(!matches!(error, WorkbookError::Io(_)), "{error:?}");
            }
        }
    }

    #[test]
    fn cells_out_of_place_are_refused() {
        let cell = |place: &str| format!("<row><c r=\"{place}\"><v>1</v></c></row>");
        for (rows, wanted) in [
            (cell("A3") + &cell("A2"), "out of order"),
            (cell("B2") + &cell("A2"), "out of order"),
            (cell("A2") + &cell("A2"), "out of order"),
            (cell("XFE1"), "beyond the last"),
            (cell("A1048577"), "beyond the last"),
            (cell("A1") + "<row><c t=\"s\"><v>0</v></c></row>", "row 1 or below"),
            (cell("A1") + "<row><c t=\"e\"><v>#ODD!</v></c></row>", "#ODD!"),
        ] {
            let error = all_rows(with_sheet(&rows)).unwrap_err();
            assert_corrupt(&error, wanted);
        }
    }

    #[test]
    fn rows_come_before_the_error_after_them() {
        let mut rows =
            open(with_sheet("<row><c><v>1</v></c></row><row><c t='odd'/><c t='odd'><v>1</v></c></row>")).unwrap().into_rows(0);
        let error = rows.by_ref().find_map(Result::err).unwrap();
        assert_corrupt(&error, "sheet \"Loans\"");
        assert!(rows.next().is_none());
    }

    #[test]
    fn shared_strings_that_unpack_to_too_much_are_refused() {
        let packed = deflated("<sst><si><t>", b' ', 300 << 20, "</t></si></sst>");
        assert!(packed.len() < 3 << 20);
        assert_bomb(&refused(with_packed(STRINGS, &packed, 300 << 20)), STRINGS, "256 MiB");
        // The directory may lie about it.
        assert_bomb(&refused(with_packed(STRINGS, &packed, 4_000)), STRINGS, "the 4000 bytes");
        assert_bomb(&refused(with_packed(STRINGS, &packed, 200 << 20)), STRINGS, "16 MiB in one cell");
    }

    #[test]
    fn parts_that_unpack_to_too_much_are_refused() {
        let packed = deflated("<a>", b' ', 1_000, "</a>");
        assert_bomb(&refused(with_packed("xl/styles.xml", &packed, 65 << 20)), "xl/styles.xml", "64 MiB");
        assert_bomb(&refused(with_packed("xl/theme/theme1.xml", &packed, 65 << 20)), "xl/theme/theme1.xml", "64 MiB");
        // What is neither held nor a sheet may be large.
        assert!(open(with_packed("xl/media/image1.png", &packed, u32::MAX - 1)).is_ok());
    }

    #[test]
    fn a_sheet_with_a_long_cell_is_refused() {
        let (before, after) =
            ("<worksheet><sheetData><row><c t=\"inlineStr\"><is><t>", "</t></is></c></row></sheetData></worksheet>");
        let packed = deflated(before, b'x', 60 << 20, after);
        let error = all_rows(with_packed(SHEET, &packed, 61 << 20)).unwrap_err();
        assert_bomb(&error, SHEET, "16 MiB in one cell");
    }

    #[test]
    fn a_row_with_much_text_is_refused() {
        let long = "x".repeat(1 << 20);
        let mut all = parts();
        all.push((STRINGS, format!("<sst><si><t>{long}</t></si></sst>").into_bytes()));
        let row = format!("<row>{}</row>", "<c t=\"s\"><v>0</v></c>".repeat(17));
        all.push((SHEET, format!("<worksheet><sheetData>{row}</sheetData></worksheet>").into_bytes()));
        assert_bomb(&all_rows(stored(&all)).unwrap_err(), "Loans", "16 MiB of text in row 1");
    }

    #[test]
    fn a_large_sheet_that_is_in_order_passes() {
        let text = "x".repeat(100_000);
        let row = format!("<row><c t=\"inlineStr\"><is><t>{text}</t></is></c></row>");
        let count = MAX_UNSEEN_SHEET as usize / row.len() + 2;
        let rows = open(with_sheet(&row.repeat(count))).unwrap().into_rows(0);
        assert_eq!(rows.map(|row| row.unwrap().cells[0].len()).filter(|length| *length == text.len()).count(), count);
    }

    #[test]
    fn more_shared_strings_than_there_can_be_are_refused() {
        for count in ["99999999999", "8388609", "18446744073709551615", "x", ""] {
            let strings = format!("<sst count='1' uniqueCount = '{count}'><si><t>a</t></si></sst>");
            assert_corrupt(&refused(with_part(STRINGS, strings)), "more shared strings");
        }
        assert!(open(with_part(STRINGS, "<x:sst count=\"99999999999\" uniqueCount=\"8388608\"></x:sst>")).is_ok());
    }

    #[test]
    fn styles_that_copy_a_long_text_are_refused() {
        let name = "x".repeat(60_000);
        let styles = format!(
            "<styleSheet><fonts><font><name val=\"{name}\"/></font></fonts><cellXfs>{}</cellXfs></styleSheet>",
            "<xf fontId=\"0\"></xf>".repeat(10_000)
        );
        assert_bomb(&refused(with_part("xl/styles.xml", styles)), "xl/styles.xml", "512 MiB");
    }

    #[test]
    fn entities_are_not_expanded() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>";
        let strings = format!("{bomb}<sst><si><t>&b;</t></si></sst>");
        assert_corrupt(&refused(with_part(STRINGS, strings)), "not well-formed");
        let sheet =
            format!("{bomb}<worksheet><sheetData><row><c t=\"inlineStr\"><is><t>&b;</t></is></c></row></sheetData></worksheet>");
        assert_corrupt(&all_rows(with_part(SHEET, sheet)).unwrap_err(), "&b;");
    }

    #[test]
    fn a_directory_of_too_many_parts_is_refused() {
        let many = |count: usize, name: &str| {
            let mut all = parts();
            let names: Vec<_> = (0..count).map(|number| format!("{name}{number}")).collect();
            all.extend(
                names.iter().map(|name| (&**name, Vec::new())).map(|(name, content)| (name.to_owned().leak() as &str, content)),
            );
            stored(&all)
        };
        assert!(open(many(500, "x")).is_ok());
        assert_bomb(&refused(many(MAX_PARTS, "x")), "list of parts", "10000 parts");
        assert_bomb(&refused(many(400, &"x".repeat(60_000))), "list of parts", "16 MiB");
    }

    #[test]
    fn parts_in_one_place_are_refused() {
        let mut zip = with_sheet("<row><c><v>1</v></c></row>");
        // The last entry of the directory gets the place of the first.
        let last = memmem::rfind(&zip, b"PK\x01\x02").unwrap();
        zip[last + 42..last + 46].fill(0);
        assert_corrupt(&refused(zip), "in one place");
    }

    #[test]
    fn a_part_over_4_gib_is_refused_by_its_declared_size() {
        let mut zip = with_sheet("");
        // ZIP64: the size in the directory is in an extra field, for which the name's end makes room.
        let last = memmem::rfind(&zip, b"PK\x01\x02").unwrap();
        let name = last + 46..last + 46 + SHEET.len();
        let mut entry = zip[last..name.end].to_vec();
        entry[24..28].fill(0xFF);
        entry[30..32].copy_from_slice(&12_u16.to_le_bytes());
        entry.extend([1, 0, 8, 0]);
        entry.extend((MAX_PART + 1).to_le_bytes());
        let grown = entry.len() - (name.end - last);
        zip.splice(last..name.end, entry);
        let end = memmem::rfind(&zip, b"PK\x05\x06").unwrap();
        let size = u32::from_le_bytes(zip[end + 12..end + 16].try_into().unwrap()) + grown as u32;
        zip[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
        assert_bomb(&refused(zip), SHEET, "4096 MiB");
    }

    /// Vets XML that comes in pieces of this size.
    fn vet(xml: &[u8], piece: usize, bounds: Bounds) -> Result<(), WorkbookError> {
        let unpacked = xml.len() as u64;
        let method = CompressionMethod::Stored;
        let part = Part { name: "part".to_owned(), header: 0, met: false, packed: unpacked, unpacked, method };
        let mut vetting = Vetting::new(&part, bounds)?;
        let mut copies = Copies::default();
        xml.chunks(piece).try_for_each(|piece| vetting.see(piece, &mut copies))
    }

    #[test]
    fn a_part_is_vetted_when_it_is_read_and_not_when_it_is_passed() {
        let workbook = Box::new(Cursor::new(with_sheet("<row/>")));
        let mut source = Source::new(workbook, Arc::new(Watch::default()));
        source.take_stock().unwrap();
        let places: Vec<_> = source.parts.iter().map(|(start, part)| (part.header, *start)).collect();
        assert_eq!(places.len(), 4);
        for (header, start) in places {
            for (place, vetted) in [(start, false), (header, false), (start, true), (0, false), (start, true)] {
                source.seek(SeekFrom::Start(place)).unwrap();
                assert_eq!(source.vetting.is_some(), vetted);
            }
        }
    }

    #[test]
    fn vetting_sees_the_same_in_any_pieces() {
        let good: [&[u8]; 6] = [
            b"<?xml version='1.0'?><a><b x='>'/><!-- </a> --><![CDATA[</a>]]><c y=\"'>\">t &amp; u</c ></a>",
            b"\xEF\xBB\xBF<a></a>",
            b"<a b='\"' c=\"x\"></a>",
            b"<worksheet><sheetData></sheetData> whatever </x>",
            b"<worksheet><sheetData/></y>",
            b"<x:worksheet><x:sheetData><x:row></x:row></x:sheetData></z>",
        ];
        let bad: [&[u8]; 7] =
            [b"<a></b>", b"</a>", b"<a><b></a></b>", b"<!DOCTYPE a>", b"<!a>", b"<a><![CDATA]]></a>", b"<a></a b=''>"];
        for piece in [1, 2, 3, 7, 1_000] {
            for xml in good {
                vet(xml, piece, Bounds::sheet()).unwrap();
            }
            for xml in bad {
                assert_corrupt(&vet(xml, piece, Bounds::sheet()).unwrap_err(), "not well-formed");
            }
        }
    }

    #[test]
    fn vetting_bounds_whatever_grows() {
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        assert_bomb(&vet(deep.as_bytes(), 4_096, Bounds::sheet()).unwrap_err(), "part", "1000 elements");
        let long = "x".repeat(MAX_CELL + 1);
        let long = long.as_bytes();
        // A long text, a long tag, a long comment.
        for (before, after, limit) in [
            ("<a>", "</a>", "16 MiB in one cell"),
            ("<a b='", "'/>", "64 KiB in one piece"),
            ("<a><!--", "--></a>", "16384 KiB in one piece"),
        ] {
            let xml = [before.as_bytes(), long, after.as_bytes()].concat();
            assert_bomb(&vet(&xml, WINDOW, Bounds::sheet()).unwrap_err(), "part", limit);
        }
        let flood = |count: usize| {
            let attributes: String = (0..count).map(|at| format!(" a{at}='\"=\"'")).collect();
            format!("<a><c{attributes}/></a>")
        };
        vet(flood(MAX_ATTRIBUTES).as_bytes(), 4_096, Bounds::sheet()).unwrap();
        assert_bomb(&vet(flood(MAX_ATTRIBUTES + 1).as_bytes(), 4_096, Bounds::sheet()).unwrap_err(), "part", "256 attributes");
        // A cell that is long for its many short texts.
        let pieces = format!("{}<b/>", "y".repeat(1 << 20)).repeat(17);
        for (cell, bounds) in [("c", Bounds::sheet()), ("x:si", Bounds::held("x"))] {
            let xml = format!("<a><{cell}>{pieces}</{cell}></a>");
            assert_bomb(&vet(xml.as_bytes(), WINDOW, bounds).unwrap_err(), "part", "16 MiB in one cell");
            let apart = format!("<a><{cell}></{cell}>{pieces}</a>");
            vet(apart.as_bytes(), WINDOW, if cell == "c" { Bounds::sheet() } else { Bounds::held("x") }).unwrap();
        }
    }

    /// A reader that counts how many of it there are, and that can be told to fail.
    struct Fickle {
        inner: Cursor<Vec<u8>>,
        alive: Arc<AtomicUsize>,
        /// Reads until it does so.
        reads: usize,
        then: fn() -> io::Result<usize>,
    }

    impl Fickle {
        fn new(bytes: Vec<u8>, reads: usize, then: fn() -> io::Result<usize>) -> (Box<Self>, Arc<AtomicUsize>) {
            let alive = Arc::new(AtomicUsize::new(1));
            (Box::new(Self { inner: Cursor::new(bytes), alive: Arc::clone(&alive), reads, then }), alive)
        }
    }

    impl Drop for Fickle {
        fn drop(&mut self) {
            self.alive.fetch_sub(1, Ordering::SeqCst);
        }
    }

    impl Read for Fickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.reads == 0 {
                return (self.then)();
            }
            self.reads -= 1;
            self.inner.read(buffer)
        }
    }

    impl Seek for Fickle {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.inner.seek(to)
        }
    }

    /// A workbook that takes many reads.
    fn long_tape() -> Vec<u8> {
        let row = "<row><c t=\"inlineStr\"><is><t>a text of some length, so that batches are full</t></is></c></row>";
        with_sheet(&row.repeat(20_000))
    }

    #[test]
    fn dropping_the_rows_early_ends_the_thread() {
        for taken in [0, 1, 600] {
            let (reader, alive) = Fickle::new(long_tape(), usize::MAX, || Ok(0));
            let mut rows = Workbook::open(reader).unwrap().into_rows(0);
            assert!(rows.by_ref().take(taken).all(|row| row.is_ok()));
            drop(rows);
            // The thread owned the reader.
            assert_eq!(alive.load(Ordering::SeqCst), 0);
        }
    }

    #[test]
    fn the_end_of_the_rows_ends_the_thread() {
        let (reader, alive) = Fickle::new(long_tape(), usize::MAX, || Ok(0));
        let mut rows = Workbook::open(reader).unwrap().into_rows(0);
        assert_eq!(rows.by_ref().filter(Result::is_ok).count(), 20_000);
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        assert!(rows.next().is_none());
    }

    /// How many reads opening takes.
    fn reads_to_open(bytes: &[u8]) -> usize {
        let enough = |reads| Workbook::open(Fickle::new(bytes.to_vec(), reads, || Err(io::Error::other("gone"))).0).is_ok();
        (1..1_000).find(|reads| enough(*reads)).unwrap()
    }

    #[test]
    fn errors_of_the_reader_are_not_blamed_on_the_workbook() {
        let bytes = long_tape();
        let enough = reads_to_open(&bytes);
        let gone = || Err(io::Error::new(io::ErrorKind::ConnectionReset, "gone"));
        for reads in 0..enough {
            let error = Workbook::open(Fickle::new(bytes.clone(), reads, gone).0).map(|workbook| workbook.sheets).unwrap_err();
            assert!(matches!(&error, WorkbookError::Io(error) if error.kind() == io::ErrorKind::ConnectionReset), "{error:?}");
        }
        let mut rows = Workbook::open(Fickle::new(bytes, enough + 3, gone).0).unwrap().into_rows(0);
        let error = rows.by_ref().find_map(Result::err).unwrap();
        assert!(matches!(&error, WorkbookError::Io(error) if error.kind() == io::ErrorKind::ConnectionReset), "{error:?}");
        assert!(rows.next().is_none());
    }

    #[test]
    fn a_panic_is_a_corrupt_workbook() {
        let bytes = long_tape();
        let enough = reads_to_open(&bytes);
        let error = Workbook::open(Fickle::new(bytes.clone(), enough / 2, || panic!("as a test")).0).map(|_| ()).unwrap_err();
        assert_corrupt(&error, "make no sense");
        let (reader, alive) = Fickle::new(bytes, enough + 3, || panic!("as a test"));
        let mut rows = Workbook::open(reader).unwrap().into_rows(0);
        assert_corrupt(&rows.by_ref().find_map(Result::err).unwrap(), "make no sense");
        assert!(rows.next().is_none());
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_thread_that_dies_is_no_end_of_the_sheet() {
        let (batches, received) = sync_channel(1);
        let row = SheetRow { line: 1, cells: vec!["x".to_owned()] };
        let thread = std::thread::spawn(move || batches.send(Message::Rows(vec![row])).unwrap());
        let mut rows = RowStream::new(Arc::new(Watch::default()), None, Some((received, thread)));
        assert!(rows.next().unwrap().is_ok());
        assert!(matches!(rows.next(), Some(Err(WorkbookError::Io(_)))));
        assert!(rows.next().is_none());
    }

    #[test]
    fn every_message_is_one_sentence_for_the_seller() {
        for error in [
            corrupt("a detail"),
            WorkbookError::PasswordProtected,
            WorkbookError::OldFormat,
            bomb(STRINGS, "256 MiB"),
            WorkbookError::NoSheet,
            WorkbookError::Io(io::Error::other("x")),
        ] {
            let message = error.to_string();
            assert!(message.starts_with("The workbook") && message.ends_with('.') && !message.contains(". "), "{message}");
        }
        // What the workbook words stays short and on one line.
        let message = corrupt("a\n".repeat(1_000)).to_string();
        assert!(message.len() < 400 && !message.contains('\n'));
    }
}
