//! The Lambda of the health checks, the OpenAPI document and its page.

fn main() -> Result<(), api::lambda::Error> {
    api::lambda::run("health", health::api)
}
