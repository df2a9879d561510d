//! Every test that goes through more than one module: one binary, one module for each area.
#![cfg(test)]

mod access;
mod admin_commands;
mod app;
mod auth_routes;
mod cli;
mod data_routes;
mod desk;
mod facts;
mod files_routes;
mod health_routes;
mod loans;
mod logging_in;
mod pipeline_routes;
mod properties;
mod replay;
mod runs;
mod server;
mod serving;
mod storage;
mod storage_local;
mod storage_s3;
mod stores;
mod stores_command;
mod tapes;
mod test_eligibility_rules;
mod test_integration_full_workflow;
mod test_pagination;
mod test_path_utils;
mod test_pipeline_phases;
mod test_security;
mod workbooks;
mod worker;
