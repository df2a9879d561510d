//! The Lambda of results: summaries, exceptions and loans. It also serves sales teams and the configuration.

fn main() -> Result<(), api::lambda::Error> {
    api::lambda::run("data", data::api)
}
