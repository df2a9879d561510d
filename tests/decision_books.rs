//! The decision workbook: what it says, how it looks, and that command line and API give the same one.

mod command;
mod content;
mod endpoint;
mod guides;
mod looks;
mod sheets;

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _},
};

use bytes::Bytes;
use calamine::{Data, Reader as _, Xlsx};
use jiff::Timestamp;
use shared::{
    engine::Tuning,
    facts::{
        EXCEPTIONS_FILE, FACTS_FILE,
        read::{ExceptionFilter, ExceptionRow, ExceptionsReader, FactFilter, FactRow, FactsReader},
    },
    phases::{disposition::Disposition, pricing::IrrTarget},
    results::{
        outputs::OUTPUTS,
        workbook::{DecidedRun, SheetLimits, Stored, write_decisions},
    },
    rules::rule_set::RuleSet,
    run::{NewRun, Run},
    run_summary::RunSummary,
};
use uuid::Uuid;
use zip::ZipArchive;

use crate::support::runs::{Finished, run_tapes};

/// The sheets of every workbook, independent of what the run found.
const SHEETS: [&str; 5] = ["Summary", "To purchase", "Projected", "Rejected", "Exceptions"];

/// An opened workbook.
struct Book {
    bytes: Vec<u8>,
    parts: BTreeMap<String, String>,
}

impl Book {
    fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let mut zip = ZipArchive::new(Cursor::new(&bytes)).unwrap();
        let mut parts = BTreeMap::new();
        for at in 0..zip.len() {
            let mut part = zip.by_index(at).unwrap();
            let mut xml = String::new();
            part.read_to_string(&mut xml).unwrap();
            parts.insert(part.name().unwrap().into_owned(), xml);
        }
        Self { bytes, parts }
    }

    fn xlsx(&self) -> Xlsx<Cursor<Vec<u8>>> {
        Xlsx::new(Cursor::new(self.bytes.clone())).unwrap()
    }

    /// The names of the sheets, in order.
    fn names(&self) -> Vec<String> {
        self.xlsx().sheet_names()
    }

    /// All cells of a sheet, row by row, from A1 on.
    fn rows(&self, sheet: &str) -> Vec<Vec<Data>> {
        self.xlsx().worksheet_range(sheet).unwrap().rows().map(<[Data]>::to_vec).collect()
    }

    /// The rows of a sheet below its header, each as a map from column name to cell.
    fn table(&self, sheet: &str) -> Vec<BTreeMap<String, Data>> {
        let rows = self.rows(sheet);
        let header: Vec<String> = rows[0].iter().map(ToString::to_string).collect();
        rows[1..].iter().map(|row| header.iter().cloned().zip(row.iter().cloned()).collect()).collect()
    }

    fn header(&self, sheet: &str) -> Vec<String> {
        self.rows(sheet)[0].iter().map(ToString::to_string).collect()
    }

    fn xml(&self, sheet: &str) -> &str {
        let id = between(&self.parts["xl/workbook.xml"], &format!("<sheet name=\"{sheet}\" sheetId=\""), "\"");
        &self.parts[&format!("xl/worksheets/sheet{id}.xml")]
    }

    /// The format of a cell: the attributes of its style, and the code of its number format.
    fn format(&self, sheet: &str, cell: &str) -> (&str, &'static str) {
        let attributes = between(self.xml(sheet), &format!("<c r=\"{cell}\""), ">");
        let style: usize = attributes.strip_prefix(" s=\"").map_or(0, |style| between(style, "", "\"").parse().unwrap());
        let formats = between(&self.parts["xl/styles.xml"], "<cellXfs", "</cellXfs>");
        let xf = formats.split("<xf ").nth(style + 1).unwrap();
        let code = match between(xf, "numFmtId=\"", "\"") {
            "0" => "General",
            "1" => "0",
            "3" => "#,##0",
            "4" => "#,##0.00",
            "10" => "0.00%",
            "49" => "@",
            "164" => "0.00##",
            other => panic!("{other}"),
        };
        (xf, code)
    }

    /// The texts in the first column of the summary, each with the cells to its right.
    fn summary(&self) -> Vec<(String, Vec<Data>)> {
        let rows = self.rows("Summary").into_iter();
        rows.map(|row| (row[0].to_string(), row[1..].to_vec())).collect()
    }

    /// The cells of the summary to the right of a text.
    fn beside(&self, text: &str) -> Vec<Data> {
        self.summary().into_iter().find(|(first, _)| first == text).unwrap_or_else(|| panic!("{text}")).1
    }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let start = text.find(before).unwrap_or_else(|| panic!("{before}")) + before.len();
    &text[start..start + text[start..].find(after).unwrap()]
}

/// A run in memory, from which a workbook can be made.
struct Decided {
    finished: Finished,
    run: Run,
    rules: RuleSet,
    facts: FactsReader<Bytes>,
    exceptions: ExceptionsReader<Bytes>,
}

/// Rules that hold loans with a price below 90.
fn rules() -> RuleSet {
    RuleSet::from_toml("name = \"desk & co\"\nversion = \"7\"\n[projection]\nminimum_price = 90.0").unwrap()
}

impl Decided {
    fn new(tapes: &[(&str, &str)]) -> Self {
        Self::under(rules(), tapes)
    }

    fn under(rules: RuleSet, tapes: &[(&str, &str)]) -> Self {
        let tapes: Vec<(&str, &[u8])> = tapes.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        let finished = run_tapes(&tapes, &rules, Tuning { threads: 2, block_bytes: 64 * 1024 }).unwrap();
        let origin = NewRun {
            run_id: Uuid::from_u128(7),
            sales_team_id: None,
            created_by: None,
            created_by_username: None,
            tapes: None,
            irr_target: IrrTarget::DEFAULT,
            pdate: None,
            rule_set: rules.id(),
            output_dir: Some("outputs".to_owned()),
        };
        let mut run = Run::new(origin, "2026-02-02T10:00:00.5Z".parse::<Timestamp>().unwrap());
        run.record(&finished.outcome);
        let file = |name: &str| Bytes::from(finished.files[name].clone());
        let facts = FactsReader::open(file(FACTS_FILE)).unwrap();
        let exceptions = ExceptionsReader::open(file(EXCEPTIONS_FILE)).unwrap();
        Self { finished, run, rules, facts, exceptions }
    }

    fn of(tape: &str) -> Self {
        Self::new(&[("tape.csv", tape)])
    }

    /// Keys of the output files.
    fn outputs(&self) -> impl Iterator<Item = &'static str> {
        OUTPUTS.iter().filter(|output| output.is_of(&self.rules)).map(|output| output.key)
    }

    fn book(&self) -> Book {
        self.book_within(SheetLimits::default())
    }

    fn book_within(&self, limits: SheetLimits) -> Book {
        let summary = self.finished.outcome.summary.finish();
        let summary = RunSummary::new(self.run.run_id(), self.run.status(), &summary);
        let (run, summary) = (serde_json::to_vec(&self.run).unwrap(), serde_json::to_vec(&summary).unwrap());
        let decided = DecidedRun::read(&run, &summary, self.outputs()).unwrap();
        let index = &self.finished.outcome.index;
        let stored = Stored { facts: &self.facts, exceptions: &self.exceptions, index };
        let mut bytes = Vec::new();
        write_decisions(&mut bytes, &decided, &stored, limits).unwrap();
        Book::new(bytes)
    }

    fn facts(&self, disposition: Disposition) -> Vec<FactRow> {
        let filter = FactFilter { disposition: Some(disposition), seller_loan_number: None };
        self.facts.page(&self.finished.outcome.index, &filter, 0, usize::MAX).unwrap()
    }

    fn exceptions(&self) -> Vec<ExceptionRow> {
        self.exceptions.page(&self.finished.outcome.index, &ExceptionFilter::default(), 0, usize::MAX).unwrap()
    }
}

/// A cell that holds this text.
fn text(text: &str) -> Data {
    Data::String(text.to_owned())
}

/// The number in a cell, in its shortest decimals. Any other content is in brackets.
fn digits(cell: &Data) -> String {
    match cell {
        Data::Float(number) => number.to_string(),
        Data::Int(number) => number.to_string(),
        Data::Empty => String::new(),
        other => format!("[{other}]"),
    }
}
