//! The Lambda of files in the three areas.

use api::layers;
use lambda_http::Error;
use stores::{config::Config, resources::Resources, telemetry};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    telemetry::init(&config.log_level);
    let resources = Resources::of_lambda(&config).await;
    lambda_http::run(layers::serve(files::api(files::State::new(&resources)))).await
}
