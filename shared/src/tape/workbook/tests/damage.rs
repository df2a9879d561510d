//! Damaged files, other files, and readers that fail.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use memchr::memmem;

use super::{
    error::bomb,
    limits::{MAX_PARTS, WINDOW},
    *,
};

fn ole(name: &str, before: usize) -> Vec<u8> {
    let mut file = OLE_MAGIC.to_vec();
    file.resize(before, 0);
    file.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
    file.resize(file.len() + 700, 0);
    file
}

#[test]
fn a_password_is_told_from_other_files() {
    // Also across the edge of the search window.
    for before in [512, 4_096, WINDOW - 20, WINDOW - 7, 3 * WINDOW + 1] {
        for name in ["EncryptedPackage", "EncryptionInfo"] {
            assert!(matches!(refused(ole(name, before)), WorkbookError::PasswordProtected), "{name} at {before}");
        }
        assert!(matches!(refused(ole("DRMEncryptedTransform EncryptedPackage", before)), WorkbookError::RightsManaged));
        assert_corrupt(&refused(ole("Workbook", before)), "damaged or cut short");
    }
    assert_corrupt(&refused(OLE_MAGIC), "damaged or cut short");
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
    // Also a ZIP with more parts than a workbook may have.
    let large = (0..=MAX_PARTS).map(|number| (&*format!("{number}.csv").leak(), Vec::new())).collect::<Vec<_>>();
    for zip in [stored(&[]), stored(&[("readme.txt", b"hello".to_vec())]), stored(&large)] {
        assert!(matches!(refused(zip), WorkbookError::OtherFile { kind: "a ZIP archive" }));
    }
}

/// A workbook with a sheet of 30 rows.
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
        (cell("A1") + "<row><c t=\"s\"><v>0</v></c></row>", "row 2 or below"),
        (cell("A1") + "<row><c t=\"e\"><v>ODD!</v></c></row>", "row 2 or below: a cell holds \"ODD!\" as an error"),
        (cell("A1") + "<row><c t=\"n\"><v>ODD!</v></c></row>", "\"ODD!\" as a number"),
        (cell("A1") + "<row><c t=\"b\"><v>2</v></c></row>", "\"2\" as a boolean"),
        ("<row r=\"2\"><c r=\"A3\"><v>1</v></c></row>".to_owned(), "another row"),
        (cell("1"), "no column"),
        (cell("A"), "row number"),
        (cell("A0"), "number 0"),
        ("<row><c t=\"s\"><v>x</v></c></row>".to_owned(), "no shared string"),
    ] {
        let error = all_rows(with_sheet(&rows)).unwrap_err();
        assert_corrupt(&error, wanted);
    }
}

#[test]
fn rows_come_before_the_error_after_them() {
    let sheet = with_sheet("<row><c><v>1</v></c></row><row><c t='odd'/><c t='odd'><v>1</v></c></row>");
    let mut rows = open(sheet.clone()).unwrap().rows(0, Box::new(Cursor::new(sheet))).unwrap();
    let mut row = SheetRow::default();
    assert!(rows.next_row(&mut row).unwrap());
    assert_eq!(row.cell(0), "1");
    assert_corrupt(&error_of(rows), "sheet \"Loans\", row 2");
}

/// A reader that counts its live instances, and that can be made to fail.
struct Fickle {
    inner: Cursor<Vec<u8>>,
    alive: Arc<AtomicUsize>,
    /// Number of reads before `then` is called.
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
fn the_reader_is_dropped_with_the_rows_and_at_their_end() {
    for taken in [0, 1, 600, 20_000] {
        let (reader, alive) = Fickle::new(long_tape(), usize::MAX, || Ok(0));
        let mut rows = open(long_tape()).unwrap().rows(0, reader).unwrap();
        let mut row = SheetRow::default();
        for _ in 0..taken {
            assert!(rows.next_row(&mut row).unwrap());
        }
        if taken == 20_000 {
            assert!(!rows.next_row(&mut row).unwrap());
            assert_eq!(alive.load(Ordering::SeqCst), 0);
        }
        drop(rows);
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}

/// Reads rows up to the error.
fn error_of(mut rows: RowStream) -> WorkbookError {
    let mut row = SheetRow::default();
    loop {
        match rows.next_row(&mut row) {
            Ok(true) => {}
            Ok(false) => panic!("there is no error"),
            Err(error) => {
                assert!(!rows.next_row(&mut row).unwrap(), "rows after the error");
                return error;
            }
        }
    }
}

/// Number of reads that opening takes.
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
        let error = Workbook::open(Fickle::new(bytes.clone(), reads, gone).0).map(|_| ()).unwrap_err();
        assert!(matches!(&error, WorkbookError::Io(error) if error.kind() == io::ErrorKind::ConnectionReset), "{error:?}");
    }
    for reads in [0, 1, 3] {
        let rows = open(bytes.clone()).unwrap().rows(0, Fickle::new(bytes.clone(), reads, gone).0).unwrap();
        let error = error_of(rows);
        assert!(matches!(&error, WorkbookError::Io(error) if error.kind() == io::ErrorKind::ConnectionReset), "{error:?}");
    }
}

#[test]
fn a_panic_is_a_corrupt_workbook() {
    let bytes = long_tape();
    let enough = reads_to_open(&bytes);
    for reads in [1, enough / 2] {
        let error = Workbook::open(Fickle::new(bytes.clone(), reads, || panic!("as a test")).0).map(|_| ()).unwrap_err();
        assert_corrupt(&error, "make no sense");
    }
    let (reader, alive) = Fickle::new(bytes.clone(), 3, || panic!("as a test"));
    assert_corrupt(&error_of(open(bytes).unwrap().rows(0, reader).unwrap()), "make no sense");
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[test]
fn every_message_is_one_sentence_for_the_seller() {
    for error in [
        corrupt("a detail"),
        WorkbookError::PasswordProtected,
        WorkbookError::OldFormat,
        WorkbookError::RightsManaged,
        WorkbookError::TooLarge { format: "xls", limit: "64 MiB".to_owned() },
        bomb(STRINGS, "256 MiB"),
        WorkbookError::NoSheet,
        WorkbookError::Io(io::Error::other("x")),
    ] {
        let message = error.to_string();
        assert!(message.starts_with("The workbook") && message.ends_with('.') && !message.contains(". "), "{message}");
    }
    // Text from the workbook stays short and on one line.
    let message = corrupt("a\n".repeat(1_000)).to_string();
    assert!(message.len() < 400 && !message.contains('\n'));
}
