//! The Lambda of health, OpenAPI and its page.

fn main() -> Result<(), api::lambda::Error> {
    api::lambda::run("health", health::api)
}
