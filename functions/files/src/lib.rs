//! The Lambda of files in the three areas.
