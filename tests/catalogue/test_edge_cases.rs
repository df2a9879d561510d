//! Empty data, the last value that passes and the first that does not, characters of any script, and concurrent requests.

mod test_boundary_values;
mod test_concurrent_requests;
mod test_empty_data;
mod test_special_characters;
