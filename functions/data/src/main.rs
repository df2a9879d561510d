//! The Lambda of results: summaries, exceptions, loans.

use api::layers;
use lambda_http::Error;
use stores::{config::Config, resources::Resources, telemetry};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    telemetry::init(&config.log_level);
    let resources = Resources::of_lambda(&config).await;
    lambda_http::run(layers::serve(data::api(data::State::new(&resources)))).await
}
