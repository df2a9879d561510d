//! Pages of every list: what is on them, in which order, and how they follow each other.

mod test_users_pagination;
