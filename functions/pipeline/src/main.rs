//! The Lambda that starts runs and shows them.

fn main() {}
