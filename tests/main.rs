//! The tests that involve more than one crate or module: one binary, with one module for each area of the product.
//!
//! Two dialects meet here. The tests in [`catalogue`] have the names that users of the product chose (`test_admin_sees_all_runs`): the
//! names are a contract, and each says what it checks in the words of the users. All other tests are named as sentences that are true
//! of the product (`a_run_ends_once`), in the module of the area that they are about. Both build on [`support`].
#![cfg(test)]

mod access;
mod admin_commands;
mod auth_routes;
mod bombs;
mod catalogue;
mod cli;
mod crashes;
mod data_routes;
mod decision_books;
mod distribution;
mod events;
mod facts;
mod faults;
mod files_routes;
mod guides;
mod health_routes;
mod hostile;
mod identity;
mod jobs;
mod layers;
mod live;
mod logging_in;
mod outages;
mod parameters;
mod pipeline_routes;
mod properties;
mod questions;
mod races;
mod reasons;
mod records;
mod replay;
mod run_model;
mod seller_returns;
mod sellers;
mod serving;
mod storage;
mod storage_local;
mod storage_s3;
mod stores;
mod stores_command;
mod support;
mod tapes;
mod template;
mod tidy;
mod traversal;
mod waivers;
mod watch;
mod workbooks;
mod worker;
