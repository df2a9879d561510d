//! The worker: takes a pending run through all phases. What it writes appears when the run is completed, and not before.

mod distribute;
mod ending;
pub mod events;
pub mod execute;
pub mod incoming;
