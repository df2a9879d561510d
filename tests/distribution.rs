//! Runs beyond one worker: planned, processed part by part, finished.

mod engine;
mod steps;
