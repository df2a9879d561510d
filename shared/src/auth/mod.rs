//! Who somebody is and what they may do.

pub mod password;
pub mod permission;
pub mod secret;
pub mod token;
pub mod user;
