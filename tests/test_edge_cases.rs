//! Nothing at all, the last value that passes and the first that does not, letters of any script, and all at once.

mod test_boundary_values;
mod test_concurrent_requests;
mod test_empty_data;
mod test_special_characters;
