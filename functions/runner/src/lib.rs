//! The worker, which takes a pending run through all phases, and makes the files of jobs. Results and files appear when they are
//! complete, and not before.

mod archiving;
mod distribute;
mod ending;
pub mod events;
pub mod execute;
mod files;
mod history;
pub mod incoming;
mod jobs;
