//! The Lambda that starts runs and shows them.
