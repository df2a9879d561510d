//! Authentication and permissions of users.

pub mod password;
pub mod permission;
pub mod secret;
pub mod token;
pub mod user;
