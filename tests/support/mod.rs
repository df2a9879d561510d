//! What tests build on: the application in process, a shell for commands, servers, loans, tapes, and the engine in memory.

pub mod app;
pub mod loans;
pub mod runs;
pub mod server;
pub mod shell;
pub mod tape_rows;
