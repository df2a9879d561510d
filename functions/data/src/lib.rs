//! The Lambda of results: summaries, exceptions, loans.
