//! Waivers: exceptions that the buyer accepts for single loans, read from a file of a run.

mod cells;
mod read;

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::{
    hex::hex,
    phases::Exception,
    rules::{Evidence, ExceptionType, Severity, excerpt, rule_set::RuleSet},
};

pub use self::read::{WaiverMistake, WaiverMistakes};

/// Largest size of a file of waivers, in bytes.
pub const MAX_WAIVER_BYTES: u64 = 5 << 20;
/// Largest number of lines of a file of waivers, with its header.
pub const MAX_WAIVER_LINES: u64 = 100_000;
/// Number of unused waivers that a summary names.
const NAMED_UNUSED: usize = 10;

/// A file of waivers, as a run keeps and archives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaiverFile {
    /// Name of the file. Its ending says what the file is: `.csv` or `.xlsx`.
    pub name: String,
    pub bytes: Arc<[u8]>,
}

impl WaiverFile {
    /// The file with this name. The name may be a path.
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned(), bytes: bytes.into() }
    }

    /// Whether the file is a workbook, by its name.
    pub fn is_workbook(&self) -> bool {
        self.name.to_ascii_lowercase().ends_with(".xlsx")
    }

    /// Path of the file in the archive of its run.
    pub fn archived(&self) -> &'static str {
        if self.is_workbook() { "waivers/waivers.xlsx" } else { "waivers/waivers.csv" }
    }

    /// SHA-256 of the file, in lower-case hexadecimal.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(&self.bytes))
    }

    /// The waivers of the file, for runs under a rule set.
    ///
    /// # Errors
    /// [`WaiverMistakes`] with every mistake.
    pub fn waivers(&self, rules: &RuleSet) -> Result<Waivers, WaiverMistakes> {
        let list = read::read(self, rules)?;
        Ok(Waivers::new(self.clone(), list))
    }
}

/// One waiver: the buyer accepts that a loan fails a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Place among the waivers of the file, by loan number.
    index: u32,
    /// Line of the file.
    pub line: u64,
    pub seller_loan_number: String,
    /// Stable name of the kind of exceptions.
    pub exception_type: String,
    pub reason: String,
    pub approved_by: String,
    /// Last purchase date on which the waiver is honoured.
    pub expires: Date,
}

/// What an exception shows of its waiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaivedBy {
    /// Why the buyer accepts the exception.
    #[schema(example = "12 months of reserves")]
    pub reason: String,
    /// Who approved the waiver.
    #[schema(example = "J. Doe")]
    pub approved_by: String,
    /// Last purchase date on which the waiver is honoured.
    #[schema(value_type = String, format = Date, example = "2026-12-31")]
    pub expires: Date,
}

impl WaivedBy {
    /// The waiver as one text, for a cell of a table.
    pub fn text(&self) -> String {
        let Self { reason, approved_by, expires } = self;
        format!("{reason}; approved by {approved_by}; expires {expires}")
    }
}

impl Waiver {
    /// Whether the waiver is not honoured on a purchase date.
    pub fn is_expired(&self, pdate: Date) -> bool {
        self.expires < pdate
    }

    /// Place among the waivers of the file.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// What an exception shows of the waiver.
    pub fn shown(&self) -> WaivedBy {
        let Self { reason, approved_by, expires, .. } = self;
        WaivedBy { reason: reason.clone(), approved_by: approved_by.clone(), expires: *expires }
    }

    /// The waiver as a JSON object, as stored exceptions show it.
    pub fn json(&self) -> String {
        // Texts and a date always have a JSON form.
        serde_json::to_string(&self.shown()).unwrap_or_default()
    }

    /// The exception of a loan whose waiver has expired.
    fn expired(&self, pdate: Date) -> Exception<'_> {
        let Self { exception_type, approved_by, expires, .. } = self;
        let approved_by = excerpt(approved_by);
        let message = format!(
            "The waiver of {exception_type} that {approved_by} approved was good up to {expires}, and the purchase date is {pdate}"
        );
        let evidence = Evidence {
            field: "seller_loan_number".into(),
            actual: expires.to_string().into(),
            limit: format!(">= {pdate}").into(),
            excess: None,
            message,
        };
        let kind = ExceptionType::WaiverExpired.kind();
        Exception { kind, severity: Severity::Soft, evidence, program: None, waiver: Some(self) }
    }
}

/// The waivers of a run.
#[derive(Debug, Clone)]
pub struct Waivers {
    pub file: WaiverFile,
    /// By loan number, and those of one loan in the order of the file.
    list: Vec<Waiver>,
    /// The waivers of each loan number.
    by_number: HashMap<String, Range<usize>>,
}

impl Waivers {
    fn new(file: WaiverFile, mut list: Vec<Waiver>) -> Self {
        list.sort_by(|a, b| (&a.seller_loan_number, a.line).cmp(&(&b.seller_loan_number, b.line)));
        (0..).zip(&mut list).for_each(|(index, waiver)| waiver.index = index);
        let mut by_number: HashMap<String, Range<usize>> = HashMap::new();
        for (at, waiver) in list.iter().enumerate() {
            by_number.entry(waiver.seller_loan_number.clone()).or_insert(at..at).end = at + 1;
        }
        Self { file, list, by_number }
    }

    /// The waivers of the loans with a number.
    pub fn of(&self, seller_loan_number: &str) -> &[Waiver] {
        let range = self.by_number.get(seller_loan_number).cloned().unwrap_or_default();
        self.list.get(range).unwrap_or_default()
    }

    /// All waivers.
    pub fn all(&self) -> &[Waiver] {
        &self.list
    }
}

/// Marks the exceptions that waivers of their loan waive. Adds a soft exception for each expired waiver that would waive one.
pub fn waive<'l>(exceptions: &mut Vec<Exception<'l>>, waivers: &'l [Waiver], pdate: Date) {
    for waiver in waivers {
        let mut met = exceptions.iter_mut().filter(|exception| exception.kind.name == waiver.exception_type).peekable();
        if met.peek().is_none() {
            continue;
        }
        if !waiver.is_expired(pdate) {
            met.for_each(|exception| exception.waiver = Some(waiver));
        } else if !exceptions.iter().any(|exception| exception.is_of_expired(waiver)) {
            exceptions.push(waiver.expired(pdate));
        }
    }
}

/// Waivers that met no failure of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnusedWaivers {
    /// Number of waivers that met no failure.
    #[schema(example = 1)]
    pub count: u64,
    /// The first ten of them, in the order of the file.
    pub first: Vec<UnusedWaiver>,
}

/// A waiver that met no failure of a rule: the tape has no loan with this number, or the loan passes the rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnusedWaiver {
    /// Line of the file of waivers.
    #[schema(example = 4)]
    pub line: u64,
    /// Loan number of the waiver.
    #[schema(example = "L-9")]
    pub seller_loan_number: String,
    /// Type of the exceptions that the waiver waives.
    #[schema(example = "dti_ratio")]
    pub exception_type: String,
}

impl UnusedWaivers {
    /// The waivers that are not among those that met a failure.
    pub fn of(waivers: &Waivers, met: &BTreeSet<u32>) -> Self {
        let mut unused: Vec<&Waiver> = waivers.list.iter().filter(|waiver| !met.contains(&waiver.index)).collect();
        unused.sort_by_key(|waiver| waiver.line);
        let first = unused.iter().take(NAMED_UNUSED).map(|waiver| UnusedWaiver {
            line: waiver.line,
            seller_loan_number: waiver.seller_loan_number.clone(),
            exception_type: waiver.exception_type.clone(),
        });
        Self { count: unused.len() as u64, first: first.collect() }
    }
}
