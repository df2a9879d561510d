//! The Lambda that starts runs and shows them.

fn main() -> Result<(), api::lambda::Error> {
    api::lambda::run("pipeline", pipeline::api)
}
