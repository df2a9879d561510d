//! What can be wrong with a workbook.

use std::{fmt::Display, io};

use super::limits::MIB;

/// Length of the longest detail, in characters: the workbook itself may provide the text.
const MAX_DETAIL: usize = 200;

/// What can be wrong with a workbook before any row is read, or while reading. Each message tells the seller what is wrong and
/// how to fix it.
#[derive(Debug, thiserror::Error)]
pub enum WorkbookError {
    /// The file is not a workbook, is truncated, or holds what Excel would not have written.
    #[error("The workbook cannot be read ({detail}): open it in Excel, save it as an Excel Workbook (.xlsx) and send it again.")]
    Corrupt {
        /// What was found, in at most 200 characters.
        detail: String,
    },
    /// The workbook, or a part of it, is encrypted.
    #[error(
        "The workbook is protected by a password: open it in Excel, remove the password (File > Info > Protect Workbook), \
         save it and send it again."
    )]
    PasswordProtected,
    /// The workbook is encrypted by rights management (IRM).
    #[error(
        "The workbook is protected by rights management: open it in Excel, lift the restriction (File > Info > Protect \
         Workbook > Restrict Access), save it and send it again."
    )]
    RightsManaged,
    /// The workbook is in a format that Excel wrote before 1997.
    #[error(
        "The workbook is in the format of Excel 95 or older (.xls): open it in Excel, save it as an Excel Workbook (.xlsx) and send \
         that."
    )]
    OldFormat,
    /// The workbook is larger than the limit of its format.
    #[error(
        "The workbook is too large for its format (.{format}: over {limit}): open it in Excel, save it as an Excel Workbook \
         (.xlsx) and send that."
    )]
    TooLarge {
        /// Extension of the format, such as `xls`.
        format: &'static str,
        /// The limit with its unit, such as `64 MiB`.
        limit: String,
    },
    /// The file is a container like a workbook (ZIP, OLE), but not a workbook.
    #[error("The file is {kind}, not an Excel workbook: save the loans as an Excel Workbook (.xlsx) and send that.")]
    OtherFile {
        /// What the file is, such as `a Word document`.
        kind: &'static str,
    },
    /// A part of the workbook unpacks to more than its limit.
    #[error(
        "The workbook holds more than a loan tape needs ({part}: over {limit}): copy the loans into a new workbook, save it \
         as .xlsx and send that."
    )]
    Bomb {
        /// Name of the part in the package, such as `xl/sharedStrings.xml`, or of the sheet.
        part: String,
        /// The limit with its unit, such as `256 MiB`.
        limit: String,
    },
    /// The workbook has no worksheet (chart sheets and dialogs do not count), or not the requested one.
    #[error("The workbook has no worksheet to read: put the loans on a worksheet, save it as .xlsx and send it again.")]
    NoSheet,
    /// The bytes of the workbook could not be read. This says nothing about the workbook itself.
    #[error("The workbook could not be read from where it is stored: try again.")]
    Io(#[from] io::Error),
}

/// [`WorkbookError::Corrupt`] with a detail that stays short and on one line.
pub(super) fn corrupt(detail: impl Display) -> WorkbookError {
    WorkbookError::Corrupt { detail: one_short_line(&detail.to_string()) }
}

/// [`WorkbookError::Bomb`] for a part, whose name stays short and on one line.
pub(super) fn bomb(part: &str, limit: impl Into<String>) -> WorkbookError {
    WorkbookError::Bomb { part: one_short_line(part), limit: limit.into() }
}

fn one_short_line(text: &str) -> String {
    text.chars().take(MAX_DETAIL).collect::<String>().replace(char::is_control, " ")
}

pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes / MIB)
}
