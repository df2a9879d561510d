//! The worker, which takes a pending run through all phases. Its results appear when the run is completed, and not before.

mod distribute;
mod ending;
pub mod events;
pub mod execute;
mod files;
mod history;
pub mod incoming;
