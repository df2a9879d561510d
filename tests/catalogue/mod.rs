//! The tests that the users of the product named: each name is part of the contract and stays.

mod test_concurrent;
mod test_data_integrity;
mod test_edge_cases;
mod test_eligibility_rules;
mod test_integration_auth_pipeline;
mod test_integration_full_workflow;
mod test_integration_pipeline_files;
mod test_pagination;
mod test_path_utils;
mod test_pipeline_phases;
mod test_security;
