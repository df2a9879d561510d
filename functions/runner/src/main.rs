//! The worker: takes a pending run through all phases.

fn main() {}
