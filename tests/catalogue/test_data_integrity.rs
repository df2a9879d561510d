//! Properties of all stored data.

mod test_data_consistency;
mod test_database_constraints;
mod test_run_lifecycle;
