//! The waivers of a run, for people.

use command::plain_text::{count, short_line};
use shared::results::summary::Summary;

/// Prints how many exceptions waivers waive, and the waivers that met none. Prints nothing for a run without a file of waivers.
pub fn print_waivers(out: &mut String, summary: &Summary) {
    let Some(unused) = &summary.unused_waivers else { return };
    out.push_str(&format!("\nWaived: {}\nUnused waivers: {}\n", count(summary.eligibility_checks.waived), count(unused.count)));
    for waiver in &unused.first {
        let (kind, number) = (short_line(&waiver.exception_type, 40), short_line(&waiver.seller_loan_number, 40));
        out.push_str(&format!("  line {}: {kind} of loan {number}\n", count(waiver.line)));
    }
    let more = unused.count.saturating_sub(unused.first.len() as u64);
    if more > 0 {
        out.push_str(&format!("  and {} more\n", count(more)));
    }
}
