//! The limits of a workbook, each with its reason: a workbook is not trusted.

/// 1,048,576 bytes.
pub const MIB: u64 = 1 << 20;

/// Number of parts of one workbook. A workbook has a few parts for each sheet and picture; thousands are a sign of an attack.
pub const MAX_PARTS: usize = 10_000;

/// Bytes of the ZIP directory that are read. 10,000 entries with long names take about 2 MiB; without this limit the directory
/// would be in memory before its entries could be counted.
pub const MAX_DIRECTORY: u64 = 16 * MIB;

/// Unpacked size of one part. A full sheet (1,048,576 rows) with a hundred columns takes about this much XML.
pub const MAX_PART: u64 = 4096 * MIB;

/// Unpacked size of all parts together, so that many large parts, or many names for the same bytes, cost bounded time.
pub const MAX_WORKBOOK: u64 = 4 * MAX_PART;

/// Unpacked size of the shared strings: all of them are in memory for as long as a sheet is read.
pub const MAX_SHARED_STRINGS: u64 = 256 * MIB;

/// Number of shared strings. Each costs 4 bytes besides its text. A full sheet with eight columns of distinct texts has this
/// many.
pub const MAX_SHARED_STRING_COUNT: u64 = 8 << 20;

/// Unpacked size of any other part that is kept in memory, in whole or in part: the styles, the list of sheets. Workbooks
/// that grew for years reach tens of MiB of styles.
pub const MAX_HELD: u64 = 64 * MIB;

/// Number of cell styles of a workbook. Excel writes at most 65,490.
pub const MAX_STYLES: usize = 1 << 20;

/// Number of relationships of a workbook: one for each sheet, and a few for styles, strings, themes and links.
pub const MAX_RELATIONSHIPS: usize = 4 * MAX_PARTS;

/// Bytes of a text, or of anything else between two tags. Excel allows 32,767 characters in a cell; even with every character
/// escaped that is far below this.
pub const MAX_CELL: usize = 16 << 20;

/// Bytes of one tag. The longest tags that Excel writes hold a path or a number format, and are a few KiB long.
pub const MAX_TAG: usize = 64 << 10;

/// Number of attributes of one tag. Excel writes a few dozen at most.
pub const MAX_ATTRIBUTES: usize = 256;

/// Depth of nested elements. Workbooks stay below 20; the reader remembers every open element.
pub const MAX_DEPTH: usize = 1_000;

/// Number of rows of an Excel sheet.
pub const MAX_ROWS: u64 = 1_048_576;

/// Number of columns of an Excel sheet.
pub const MAX_COLUMNS: usize = 16_384;

/// Bytes of text in one row: cells that share one long string would multiply it.
pub const MAX_ROW_TEXT: usize = 16 << 20;

/// Bytes of XML that are unpacked and parsed together: few enough for a processor's cache.
pub const WINDOW: usize = 1 << 17;

/// Bytes of an `.xls`, which is read as a whole.
pub const MAX_WHOLE_FILE: u64 = 64 * MIB;

/// Unpacked size of the part of an `.ods` that holds all sheets.
pub const MAX_WHOLE_UNPACKED: u64 = 256 * MIB;

/// Number of cells of one sheet of an `.xls` or `.ods`.
pub const MAX_CELLS: u64 = 5_000_000;

/// Number of custom number formats of a workbook. Excel stops at a few hundred.
pub const MAX_NUMBER_FORMATS: usize = 10_000;

/// Number of merged cells of a sheet that are kept. A sheet with headings that span columns has a few dozen.
pub const MAX_MERGED: usize = 10_000;
