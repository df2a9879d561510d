//! The pool tests of a run, for people.

use command::text_table::{
    Align::{Left, Right},
    TextTable, WIDTH, wrapped,
};
use shared::{
    decimal::Decimal,
    results::summary::{PoolResult, PoolStatus},
};

use super::NONE;

/// Prints the pool tests, and below them what mends those that do not pass.
pub fn print_pool_tests(out: &mut String, tests: &[PoolResult]) {
    let Some(status) = PoolStatus::of(tests) else { return };
    out.push_str(&format!("\nPool tests: {}\n", status.as_str()));
    let mut table = TextTable::new(&[
        ("", Left),
        ("Of", Left),
        ("Value", Right),
        ("Min", Right),
        ("Max", Right),
        ("Shortfall", Right),
        ("Result", Left),
        ("Measures", Left),
    ]);
    for test in tests {
        let value = test.value.as_ref().map_or_else(|| NONE.to_owned(), ToString::to_string);
        let [min, max] =
            [test.min, test.max].map(|bound| bound.map_or_else(|| NONE.to_owned(), |bound| Decimal::to_string(&bound)));
        let result = if test.passed { "passed" } else { test.severity.as_str() }.to_owned();
        let shortfall = if test.passed { NONE.to_owned() } else { test.shortfall.to_string() };
        table.row([test.name.clone(), test.of.to_owned(), value, min, max, shortfall, result, test.measure.clone()]);
    }
    table.print(out, 2);
    for test in tests {
        if let Some(mend) = &test.mend {
            out.push_str(&format!("  {}\n", wrapped(&format!("{}: {mend}", test.name), WIDTH - 2, 4)));
        }
    }
}
