//! What all functions of the API have in common: routes with who may call them, input, errors, headers, pages.

pub mod authenticate;
pub mod document;
pub mod extract;
pub mod file_answer;
pub mod layers;
pub mod objects;
pub mod page;
pub mod problem;
pub mod routes;
pub mod stored_results;
