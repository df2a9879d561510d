//! The Lambda of log-in and users.

fn main() {}
