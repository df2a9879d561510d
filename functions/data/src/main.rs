//! The Lambda of results: summaries, exceptions, loans.

fn main() -> Result<(), api::lambda::Error> {
    api::lambda::run("data", data::api)
}
