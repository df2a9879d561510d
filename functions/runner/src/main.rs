//! The Lambda function of the worker.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use runner::{
    events::{Event, Handled},
    execute::{Distribution, Worker},
};
use shared::engine::Tuning;
use stores::{config::Config, resources::Resources, telemetry};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    telemetry::init(&config.log_level, &["runner"]);
    let distribution = Distribution { above_bytes: config.distribute_above_bytes, part_bytes: config.part_bytes };
    let worker = Worker { distribution, ..Worker::new(&Resources::of_lambda(&config).await, Tuning::default()) };
    let handle = async |event: LambdaEvent<Event>| -> Result<Handled, Error> { Ok(worker.handle(event.payload).await?) };
    lambda_runtime::run(service_fn(handle)).await
}
