//! The dollars to pay for the loans that are bought.

use super::*;

/// Dollars to pay for loans of these amounts that are bought at 100, because their rate is the target.
fn of(amounts: &[&str]) -> String {
    let rows: Vec<String> = (0..)
        .zip(amounts)
        .map(|(at, amount)| loan(&format!("L{at}"), &[("loan_amount", amount), ("note_rate", "8.05")]))
        .collect();
    let finished = run_lines(&rows);
    assert_eq!(bought(&finished).len(), amounts.len());
    let dispositions = finished.outcome.summary.finish().dispositions;
    assert!(dispositions.projected.dollars_to_pay.is_none() && dispositions.rejected.dollars_to_pay.is_none());
    dispositions.to_purchase.dollars_to_pay.unwrap().to_string()
}

#[test]
fn the_exact_sum_is_rounded_half_to_even_and_not_its_parts() {
    for (amounts, dollars) in [
        (&["250000.004", "250000.004"][..], "500000.01"),
        (&["250000.005"], "250000"),
        (&["250000.015"], "250000.02"),
        (&["50000.0050000001"], "50000.01"),
        (&["250000.005", "50000.0000000001"], "300000.01"),
    ] {
        assert_eq!(of(amounts), dollars, "{amounts:?}");
    }
    let none = run_lines(&[loan("L1", &[("credit_score", "500")])]).outcome.summary.finish();
    assert_eq!(none.dispositions.to_purchase.dollars_to_pay.unwrap().to_string(), "0");
}

#[test]
fn prices_weigh_the_amounts() {
    // 100 + 2.5 * (9.05 - 8.05) = 102.5, and 100 + 2.5 * (7.05 - 8.05) = 97.5.
    let finished = run_lines(&[
        loan("A", &[("loan_amount", "200000"), ("note_rate", "9.05")]),
        loan("B", &[("loan_amount", "100000.01"), ("note_rate", "7.05")]),
    ]);
    let dispositions = finished.outcome.summary.finish().dispositions;
    assert_eq!(dispositions.to_purchase.dollars_to_pay.unwrap().to_string(), "302500.01");
}
