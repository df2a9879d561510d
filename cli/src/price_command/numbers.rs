//! Numbers as text.

use command::error::CommandError;
use shared::cash_flow::double::Double;

/// A number is rounded in two parts, each of which fits 64 bits with ten decimals: its millions, and the rest.
const MILLION: i128 = 1_000_000;

/// The number with this number of decimals, 1 to 10, half to even.
///
/// # Errors
/// [`CommandError::Failed`] when the number is too large.
pub fn text(number: Double, decimals: u8) -> Result<String, CommandError> {
    let unit = 10_i128.pow(decimals.into());
    let rounded = rounded(number, unit)
        .ok_or_else(|| CommandError::Failed(format!("A result is too large to be printed with {decimals} decimals.")))?;
    let sign = if rounded < 0 { "-" } else { "" };
    let (digits, unit) = (rounded.unsigned_abs(), unit.unsigned_abs());
    Ok(format!("{sign}{}.{:0width$}", digits / unit, digits % unit, width = usize::from(decimals)))
}

/// The nearest whole number of `1 / unit`, half to even; `None` when it is too large.
fn rounded(number: Double, unit: i128) -> Option<i128> {
    let millions = i128::from((number / Double::from_integer(MILLION)).rounded(1)?) * MILLION;
    let rest = (number - Double::from_integer(millions)).rounded(unit)?;
    Some(millions * unit + i128::from(rest))
}

#[cfg(test)]
mod tests {
    use shared::decimal::Decimal;

    use super::*;

    #[test]
    fn numbers_are_rounded_half_to_even_with_all_decimals() {
        for (number, decimals, expected) in [
            ("0", 10, "0.0000000000"),
            ("98.5", 10, "98.5000000000"),
            ("-3.25", 6, "-3.250000"),
            ("-0.0000004", 6, "0.000000"),
            ("0.0000005", 6, "0.000000"),
            ("0.0000015", 6, "0.000002"),
            ("1.00000000005", 10, "1.0000000000"),
            ("999999.9999999", 6, "1000000.000000"),
            ("1500000.25", 10, "1500000.2500000000"),
            ("1234567890123456.25", 6, "1234567890123456.250000"),
        ] {
            let decimal: Decimal = number.parse().unwrap();
            assert_eq!(text(Double::from_decimal(decimal), decimals).unwrap(), expected, "{number}");
        }
    }

    #[test]
    fn a_number_that_is_too_large_is_refused() {
        let error = text(Double::from_integer(10_i128.pow(30)), 6).unwrap_err();
        assert_eq!(error.lines(), ["error: A result is too large to be printed with 6 decimals."]);
    }
}
