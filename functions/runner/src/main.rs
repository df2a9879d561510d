//! The Lambda of the worker.

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use runner::{
    events::{Event, Handled, STORE_ERROR},
    execute::{Distribution, Worker},
};
use shared::{api::layers::chain, config::Config, engine::Tuning, resources::Resources, telemetry};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    telemetry::init(&config.log_level);
    let distribution = Distribution { above_bytes: config.distribute_above_bytes, part_bytes: config.part_bytes };
    let worker = Worker { distribution, ..Worker::new(&Resources::of_lambda(&config).await, Tuning::default()) };
    let handle = async |event: LambdaEvent<Event>| -> Result<Handled, Diagnostic> {
        let handled = worker.handle(event.payload).await;
        handled.map_err(|error| Diagnostic { error_type: STORE_ERROR.to_owned(), error_message: chain(&error) })
    };
    lambda_runtime::run(service_fn(handle)).await
}
