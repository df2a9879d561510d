//! The Lambda of log-in and users.
