//! The first sheet: the verdict, and the figures of the run as a whole.

use std::io::Write;

use serde_json::value::RawValue;

use crate::clock::rfc3339;

use super::{
    WorkbookError,
    decisions::FoundRule,
    figures::{DecidedRun, GroupFigures, GuideColumns, RunFigures, SummaryFigures},
    loans::{LOAN_SHEETS, own_columns},
    package::{SheetLimits, Workbook},
    sheet::{Row, Sheet, SheetColumn},
    styles::CellStyle::{Count, Header, Heading, Money, Percent, Plain, Share, Title},
    tape_order::TapeOrder,
};

/// Widths of the columns, in characters.
const WIDTHS: [u16; 11] = [34, 16, 20, 20, 12, 12, 12, 12, 12, 12, 12];

/// Notes that a reader of the workbook must know.
pub struct Notices(Vec<String>);

impl Notices {
    /// The notes of a workbook with these tapes and limits, and with `cut_texts` texts that were longer than a cell.
    pub fn new(tapes: &TapeOrder<'_>, guide: GuideColumns, limits: SheetLimits, cut_texts: u64) -> Self {
        let mut notices = vec![
            "Dollars to pay is the exact sum of loan amount × price / 100, rounded once to cents. The column rounds each loan, so \
             that its sum can differ by cents."
                .to_owned(),
        ];
        let room = limits.columns.saturating_sub(own_columns(guide));
        if let Some(first) = tapes.kept.get(room) {
            notices.push(format!(
                "A sheet has {} columns at most. Kept columns that are left out: {}, from {first:?} on; the API's list of loans and \
                 facts.parquet have them.",
                thousands(&limits.columns.to_string()),
                tapes.kept.len() - room
            ));
        }
        if cut_texts > 0 {
            notices.push(format!(
                "A cell has 32,767 characters at most. Longer texts that are cut: {cut_texts}; the API's lists and the Parquet files \
                 have them in full."
            ));
        }
        Self(notices)
    }
}

pub fn write_summary<W: Write>(
    workbook: &mut Workbook<W>,
    decided: &DecidedRun,
    rules: &[FoundRule],
    notices: &Notices,
) -> Result<(), WorkbookError> {
    let columns = WIDTHS.map(|width| SheetColumn { name: "".into(), width });
    let (run, summary) = (&decided.run, &decided.summary);
    let mut sheet = workbook.page("Summary", &columns)?;
    sheet.row(|row| row.text(Title, &verdict(summary)))?;
    write_run(&mut sheet, run)?;
    write_dispositions(&mut sheet, summary, decided.guide.lives)?;
    write_pool_tests(&mut sheet, summary)?;
    write_rules(&mut sheet, summary, rules)?;
    write_strats(&mut sheet, summary)?;
    heading(&mut sheet, "Tapes")?;
    for tape in &run.column_mapping {
        sheet.row(|row| row.text(Plain, &tape.source_file))?;
    }
    heading(&mut sheet, "Notes")?;
    for notice in &notices.0 {
        sheet.row(|row| row.text(Plain, notice))?;
    }
    sheet.finish()
}

/// The verdict on the run: one sentence for each disposition.
fn verdict(summary: &SummaryFigures) -> String {
    let dispositions = &summary.dispositions;
    let loans = |group: &GroupFigures| {
        let plural = if group.count == 1 { "" } else { "s" };
        format!("{} loan{plural}", thousands(&group.count.to_string()))
    };
    let balance = |group: &GroupFigures| format!("${}", money(group.balance.get()));
    let bought = &dispositions.to_purchase;
    let buy = match &bought.dollars_to_pay {
        Some(cost) if bought.count > 0 => {
            format!("Buy {} with a balance of {} for ${}.", loans(bought), balance(bought), money(cost.get()))
        }
        _ => "Buy no loan.".to_owned(),
    };
    let (held, rejected) = (&dispositions.projected, &dispositions.rejected);
    format!("{buy} Hold {} ({}). Reject {} ({}).", loans(held), balance(held), loans(rejected), balance(rejected))
}

/// Dollars with cents, or with more decimals if the amount has more.
fn money(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    format!("{}.{fraction:0<2}", thousands(whole))
}

/// A whole number with commas between thousands.
fn thousands(whole: &str) -> String {
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn heading<W: Write>(sheet: &mut Sheet<'_, W>, text: &str) -> Result<(), WorkbookError> {
    sheet.row(|_| ())?;
    sheet.row(|row| row.text(Heading, text))
}

fn header<W: Write>(sheet: &mut Sheet<'_, W>, names: &[&str]) -> Result<(), WorkbookError> {
    sheet.row(|row| names.iter().for_each(|name| row.text(Header, name)))
}

fn write_run<W: Write>(sheet: &mut Sheet<'_, W>, run: &RunFigures) -> Result<(), WorkbookError> {
    sheet.row(|_| ())?;
    let rules = &run.rule_set;
    for (name, text) in [
        ("Run", run.run_id.to_string()),
        ("Created at", rfc3339(run.created_at)),
        ("Purchase date", run.pdate.to_string()),
        ("Rule set", rules.name.clone()),
        ("Rule set version", rules.version.clone()),
        ("Rule set hash", rules.hash.clone()),
    ] {
        sheet.row(|row| {
            row.text(Heading, name);
            row.text(Plain, &text);
        })?;
    }
    sheet.row(|row| {
        row.text(Heading, "IRR target, percent");
        row.number(Percent, run.irr_target.get());
    })
}

/// Writes a number, or leaves the cell empty when there is none.
fn optional(row: &mut Row<'_>, number: Option<&RawValue>) {
    match number {
        Some(number) => row.number(Percent, number.get()),
        None => row.skip(),
    }
}

fn averages(row: &mut Row<'_>, group: &GroupFigures) {
    for average in [&group.wac, &group.wa_ltv, &group.wa_dti, &group.wa_credit_score] {
        optional(row, average.as_deref());
    }
}

fn write_dispositions<W: Write>(
    sheet: &mut Sheet<'_, W>,
    summary: &SummaryFigures,
    has_lives: bool,
) -> Result<(), WorkbookError> {
    heading(sheet, "Dispositions")?;
    const NAMES: [&str; 11] = [
        "Disposition",
        "Loans",
        "Balance $",
        "Dollars to pay",
        "WAC",
        "WA LTV",
        "WA DTI",
        "WA score",
        "WA price",
        "WA WAL",
        "WA duration",
    ];
    header(sheet, &NAMES[..if has_lives { NAMES.len() } else { NAMES.len() - 2 }])?;
    for (loans, group) in LOAN_SHEETS.iter().zip(summary.dispositions.groups()) {
        sheet.row(|row| {
            row.text(Plain, loans.name);
            row.count(Count, group.count);
            row.number(Money, group.balance.get());
            match &group.dollars_to_pay {
                Some(cost) => row.number(Money, cost.get()),
                None => row.skip(),
            }
            averages(row, group);
            optional(row, group.wa_price.as_deref());
            if has_lives {
                optional(row, group.wa_wal.as_deref());
                optional(row, group.wa_duration.as_deref());
            }
        })?;
    }
    sheet.row(|row| {
        row.text(Plain, "Total");
        row.count(Count, summary.total_loans);
        row.number(Money, summary.total_balance.get());
    })
}

/// Writes the pool tests. A workbook of a run without pool tests has no such section.
fn write_pool_tests<W: Write>(sheet: &mut Sheet<'_, W>, summary: &SummaryFigures) -> Result<(), WorkbookError> {
    if summary.pool_tests.is_empty() {
        return Ok(());
    }
    heading(sheet, "Pool tests")?;
    header(sheet, &["Test", "Loans", "Value", "Min", "Max", "Shortfall", "Result", "Measures", "How to mend it"])?;
    for test in &summary.pool_tests {
        sheet.row(|row| {
            row.text(Plain, &test.name);
            row.text(Plain, &test.of);
            for number in [&test.value, &test.min, &test.max] {
                optional(row, number.as_deref());
            }
            row.number(Percent, test.shortfall.get());
            row.text(Plain, if test.passed { "passed" } else { &test.severity });
            row.text(Plain, &test.measure);
            row.text(Plain, test.mend.as_deref().unwrap_or_default());
        })?;
    }
    Ok(())
}

fn write_rules<W: Write>(sheet: &mut Sheet<'_, W>, summary: &SummaryFigures, rules: &[FoundRule]) -> Result<(), WorkbookError> {
    heading(sheet, "Exceptions by rule")?;
    header(sheet, &["Rule", "Exceptions", "Loans", "Category", "Severity", "The first one"])?;
    for rule in rules {
        sheet.row(|row| {
            row.text(Plain, &rule.name);
            row.count(Count, rule.exceptions);
            row.count(Count, rule.loans);
            row.text(Plain, &rule.category);
            row.text(Plain, rule.severity.as_str());
            row.text(Plain, &rule.first_message);
        })?;
    }
    let waived = summary.eligibility_checks.waived;
    if waived > 0 {
        sheet.row(|row| {
            row.text(Plain, "Waived");
            row.count(Count, waived);
        })?;
    }
    sheet.row(|row| {
        row.text(Plain, "Total");
        row.count(Count, summary.exceptions_count);
    })
}

fn write_strats<W: Write>(sheet: &mut Sheet<'_, W>, summary: &SummaryFigures) -> Result<(), WorkbookError> {
    for strat in &summary.strats {
        heading(sheet, &format!("Strat by {}", strat.by))?;
        header(sheet, &[&strat.by, "Loans", "Balance $", "Share", "WAC", "WA LTV", "WA DTI", "WA score"])?;
        for group in strat.buckets.iter().filter(|group| group.count > 0) {
            sheet.row(|row| {
                row.text(Plain, &group.label);
                row.count(Count, group.count);
                row.number(Money, group.balance.get());
                match &group.share {
                    Some(share) => row.number(Share, share.get()),
                    None => row.skip(),
                }
                averages(row, group);
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_cents_and_commas() {
        for (number, text) in [
            ("0", "0.00"),
            ("999", "999.00"),
            ("1000.5", "1,000.50"),
            ("-1234567.891", "-1,234,567.891"),
            ("100000", "100,000.00"),
        ] {
            assert_eq!(money(number), text);
        }
    }
}
