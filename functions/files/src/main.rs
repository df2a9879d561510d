//! The Lambda of files in the three areas.

fn main() -> Result<(), api::lambda::Error> {
    api::lambda::run("files", files::api)
}
