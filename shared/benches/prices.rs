//! Cost of a price by cash flows: with 53 bits, with 106 bits, and of a yield.
//!
//! `cargo bench -p shared --bench prices`
#![expect(clippy::unwrap_used, reason = "a benchmark may panic on an error")]

use std::hint::black_box;

use criterion::Criterion;
use shared::{
    cash_flow::{
        assumptions::{Assumptions, YieldBasis},
        double::Double,
        quote::Model,
        speed::{Speed, SpeedUnit},
        value::Schedule,
        yield_of::yield_of,
    },
    decimal::Decimal,
};

fn percent(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn main() {
    let yearly = |value: &str| Speed { unit: SpeedUnit::Yearly, values: vec![percent(value)] };
    let assumptions = Assumptions {
        prepayment: yearly("6"),
        default: yearly("0.5"),
        loss_severity: percent("30"),
        servicing_fee: percent("0.25"),
        recovery_lag: 12,
        advances: false,
        delay_days: 0,
    };
    let seasoned = Assumptions {
        prepayment: Speed { unit: SpeedUnit::Psa, values: vec![percent("150")] },
        default: Speed { unit: SpeedUnit::Sda, values: vec![percent("100")] },
        ..assumptions.clone()
    };
    let advanced = Assumptions { advances: true, ..assumptions.clone() };
    let schedule = Schedule { term: 360, age: 0, interest_only: 0, amortization: 360 };
    let mut criterion = Criterion::default().configure_from_args();
    let target = Double::from_decimal(percent("8.05"));
    for (name, assumptions) in [("one speed", &assumptions), ("speeds by age", &seasoned), ("advances", &advanced)] {
        let model = Model::new(assumptions, target, YieldBasis::Monthly);
        // A rate of its own for each quote, so that no branch learns the loan by heart.
        let mut micros = 6_500_000;
        criterion.bench_function(&format!("quote of 360 months, {name}"), |bencher| {
            bencher.iter(|| {
                micros = 3_000_000 + (micros + 7_919) % 9_000_000;
                model.quote(black_box(Decimal::from_micros(micros)), &schedule)
            });
        });
        criterion.bench_function(&format!("106 bits of 360 months, {name}"), |bencher| {
            bencher.iter(|| model.valuation(black_box(percent("6.5")), &schedule));
        });
    }
    let price = Double::from_decimal(percent("98.5"));
    criterion.bench_function("yield of a price", |bencher| {
        bencher.iter(|| yield_of(&assumptions, YieldBasis::Monthly, black_box(percent("6.5")), &schedule, price));
    });
    criterion.final_summary();
}
