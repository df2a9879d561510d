//! Runs that are too large for one worker: planned, processed part by part, finished.

mod engine;
mod steps;
