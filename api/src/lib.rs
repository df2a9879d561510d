//! What all functions of the API share: routes and who may call them, input, errors, headers and pages.

pub mod authenticate;
pub mod caller;
pub mod document;
pub mod exports;
pub mod extract;
pub mod fields;
pub mod file_answer;
pub mod input_files;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod layers;
pub mod list_values;
mod nearest;
pub mod objects;
pub mod page;
pub mod problem;
pub mod questioned_run;
pub mod routes;
mod standard_fields;
pub mod stored_results;
mod trunk;
pub mod values;
