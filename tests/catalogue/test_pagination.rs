//! Pages of every list: what they contain, in which order, and how they follow each other.

mod test_exceptions_pagination;
mod test_loans_pagination;
mod test_runs_pagination;
mod test_users_pagination;
