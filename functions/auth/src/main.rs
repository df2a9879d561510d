//! The Lambda of log-in and users.

fn main() -> Result<(), api::lambda::Error> {
    api::lambda::run("auth", auth::api)
}
