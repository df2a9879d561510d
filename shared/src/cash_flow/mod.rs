//! Cash flows: what a borrower will pay under a buyer's assumptions, and what the payments are worth at a target yield.
#![expect(
    clippy::float_arithmetic,
    reason = "the error of each result is bounded, and a result near a tie is computed again with 106 bits"
)]
#![expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "each cast says why its number fits")]

pub mod assumptions;
pub mod double;
pub mod flows;
mod number;
pub mod quote;
pub mod speed;
#[cfg(test)]
mod tests;
pub mod value;
pub mod yield_of;
