//! A comparison as text and tables, for people.

use command::{
    plain_text::{count, one_line, short_line, with_commas},
    text_table::{
        Align::{Left, Right},
        TextTable,
    },
};
use shared::{
    decimal::{Decimal, ExactSum},
    facts::read::RangeReader,
    phases::disposition::Disposition,
    questions::compare::{ByDisposition, ComparedLoan, Comparison, ComparisonTotals, Move, Setting, SettingValue},
};

use super::{Printer, Stopped, changes};
use crate::arguments::CompareArgs;

/// Loans printed.
const LOANS: usize = 20;
/// Settings printed.
const SETTINGS: usize = 40;
/// Characters shown of a value of a setting, and of a loan number.
const SHOWN_VALUE: usize = 30;
/// Printed where there is no value.
const NONE: &str = "-";

/// Appends the whole comparison, with the first loans of its list.
pub(super) fn print_table<R: RangeReader>(
    comparison: &Comparison<'_, R>,
    args: &CompareArgs,
    printer: &mut Printer<'_>,
) -> Result<(), Stopped> {
    let totals = comparison.totals();
    let mut out = verdict(totals);
    let shown = |path: &std::path::Path| one_line(&path.display().to_string());
    out.push_str(&format!("  A is {}, B is {}\n", shown(&args.base), shown(&args.with)));
    print_settings(&mut out, &totals.settings);
    print_moves(&mut out, totals);
    print_changes(&mut out, totals);
    if totals.loans_count > 0 {
        out.push_str(&format!("\nLoans that differ: {}\n", count(totals.loans_count)));
        let mut table =
            TextTable::new(&[("Loan", Left), ("A", Left), ("B", Left), ("Price A", Right), ("Price B", Right), ("What", Left)]);
        comparison.each_loan(0, LOANS, |loan| {
            table.row(row(&loan));
            Ok::<_, Stopped>(())
        })?;
        table.print(&mut out, 2);
        let more = totals.loans_count.saturating_sub(LOANS as u64);
        if more > 0 {
            out.push_str(&format!("  and {} more: --format csv or json prints all of them\n", count(more)));
        }
    }
    printer.buffer.extend_from_slice(out.as_bytes());
    Ok(())
}

/// The comparison in a sentence.
fn verdict(totals: &ComparisonTotals) -> String {
    let sum = |moves: &ByDisposition<Move>| moves.0.iter().map(|moved| moved.count).sum::<u64>();
    let both: u64 = totals.moves.0.iter().map(sum).sum();
    let moved: u64 =
        Disposition::ALL.iter().map(|from| sum(totals.moves.of(*from)) - totals.moves.of(*from).of(*from).count).sum();
    let (added, removed) = (sum(&totals.added), sum(&totals.removed));
    let noun = if both == 1 { "loan is" } else { "loans are" };
    format!(
        "{} {noun} in both runs, {} of them moved; {} added, {} removed\n",
        count(both),
        count(moved),
        count(added),
        count(removed)
    )
}

fn print_settings(out: &mut String, settings: &[Setting]) {
    if settings.is_empty() {
        return;
    }
    out.push_str("\nSettings that differ\n");
    let mut table = TextTable::new(&[("Setting", Left), ("A", Left), ("B", Left)]);
    let value = |value: &Option<SettingValue>| {
        value.as_ref().map_or_else(|| NONE.to_owned(), |value| short_line(&value.text(), SHOWN_VALUE))
    };
    for setting in settings.iter().take(SETTINGS) {
        table.row([one_line(&setting.key), value(&setting.base), value(&setting.with)]);
    }
    table.print(out, 2);
    let more = settings.len().saturating_sub(SETTINGS);
    if more > 0 {
        out.push_str(&format!("  and {} more: --format json prints all of them\n", count(more as u64)));
    }
}

fn print_moves(out: &mut String, totals: &ComparisonTotals) {
    out.push_str("\nFrom A to B\n");
    let mut table = TextTable::new(&[("From", Left), ("To", Left), ("Loans", Right), ("Balance A", Right), ("Balance B", Right)]);
    let money = |sum: &ExactSum| with_commas(&sum.to_text(2));
    let mut print = |from: &str, to: &str, moved: &Move| {
        if moved.count > 0 {
            table.row([
                from.to_owned(),
                to.to_owned(),
                count(moved.count),
                money(&moved.base_balance),
                money(&moved.with_balance),
            ]);
        }
    };
    for from in Disposition::ALL {
        for to in Disposition::ALL {
            print(from.as_str(), to.as_str(), totals.moves.of(from).of(to));
        }
    }
    Disposition::ALL.iter().for_each(|to| print("(added)", to.as_str(), totals.added.of(*to)));
    Disposition::ALL.iter().for_each(|from| print(from.as_str(), "(removed)", totals.removed.of(*from)));
    table.print(out, 2);
}

fn print_changes(out: &mut String, totals: &ComparisonTotals) {
    if !totals.changed_fields.is_empty() {
        out.push_str("\nFields that differ\n");
        let mut table = TextTable::new(&[("Field", Left), ("Loans", Right)]);
        totals.changed_fields.iter().for_each(|changed| table.row([changed.field.clone(), count(changed.loans)]));
        table.print(out, 2);
    }
    let price = &totals.price;
    out.push_str(&format!(
        "\nPrices: {} higher, {} lower, {} unchanged, {} gained, {} lost\n",
        count(price.higher),
        count(price.lower),
        count(price.unchanged),
        count(price.gained),
        count(price.lost)
    ));
}

fn row(loan: &ComparedLoan) -> [String; 6] {
    let disposition = |at: usize| loan.disposition[at].map_or(NONE, Disposition::as_str).to_owned();
    let price = |at: usize| loan.final_price[at].map_or_else(|| NONE.to_owned(), |price: Decimal| price.with_min_decimals(4));
    let reasons = |mark: &str, types: &[String]| types.iter().map(|kind| format!("{mark}{kind}")).collect::<Vec<_>>();
    let mut what = vec![one_line(&changes(loan))];
    what.extend(reasons("-", &loan.reasons.gone));
    what.extend(reasons("+", &loan.reasons.new));
    what.retain(|text| !text.is_empty());
    let number = short_line(&loan.seller_loan_number, SHOWN_VALUE);
    [number, disposition(0), disposition(1), price(0), price(1), what.join("; ")]
}
