//! `loan-engine serve`: every endpoint in one process, on stores in a folder, with the worker that executes the runs.

mod first_start;
mod http;
mod idle_timeout;
pub mod listen;
pub mod stopping;
pub mod sweeping;
mod work;

use std::{io::Write, net::IpAddr, sync::Arc};

use api::{layers, routes::Api};
use command::{CommandContext, error::CommandError, print};
use shared::{
    auth::{secret::Secret, token::Tokens},
    engine::Tuning,
    manifest::ENGINE_VERSION,
};
use stores::{config::Config, resources::Resources, storage::url_origin::UrlOrigin, telemetry};
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{
    arguments::ServeArgs,
    data_folder::{BUCKET, DataFolder},
    embedded::clients::TABLE,
    store_failure,
};

use self::{stopping::Stopping, work::LocalWorker};

/// A function that answers requests: the name of its crate, and its routes on the resources of a process.
pub type Function = (&'static str, fn(&Resources) -> Api);

/// Every function that answers requests, in the order of the OpenAPI document.
pub const FUNCTIONS: [Function; 5] =
    [("health", health::api), ("auth", auth::api), ("files", files::api), ("pipeline", pipeline::api), ("data", data::api)];

/// The crates of `serve`, besides those that every process has, whose events are logged.
pub fn crates() -> Vec<&'static str> {
    FUNCTIONS.into_iter().map(|(function, _)| function).chain(["cli", "command", "local", "runner"]).collect()
}

/// The routes of all functions in one API.
pub fn api(resources: &Resources) -> Api {
    FUNCTIONS.iter().fold(Api::default(), |all, (_, api)| all.and(api(resources)))
}

/// Serves until the process gets a signal to stop.
///
/// # Errors
/// [`CommandError::Usage`] when an environment variable has an invalid value; [`CommandError::Failed`] when the port or the
/// folder cannot be used, or a second signal stops the process before all work is finished.
pub fn serve(args: &ServeArgs, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let config = config(context)?;
    telemetry::init(&config.log_level, &crates());
    let runtime = runtime()?;
    let served = runtime.block_on(run(args, context, out, config));
    // After a second signal the process does not wait for an engine that is still computing.
    runtime.shutdown_background();
    served
}

/// Creates the runtime for all asynchronous work.
///
/// # Errors
/// [`CommandError::Failed`] when the system cannot start the threads.
pub fn runtime() -> Result<Runtime, CommandError> {
    Runtime::new().map_err(|error| CommandError::Failed(format!("The threads cannot be started: {error}.")))
}

/// Reads the configuration from the environment. The names of the stores are fixed. Without `JWT_SECRET`, the secret in the data
/// folder signs tokens.
fn config(context: &CommandContext) -> Result<Config, CommandError> {
    let config = Config::from_lookup(|name| match name {
        "TABLE_NAME" => Some(TABLE.to_owned()),
        "BUCKET_NAME" => Some(BUCKET.to_owned()),
        "AWS_ENDPOINT_URL_DYNAMODB" | "AWS_ENDPOINT_URL_S3" | "AWS_ENDPOINT_URL" => None,
        "JWT_SECRET" => given_secret(context).or_else(|| Some(TO_BE_KEPT.to_owned())),
        name => (context.variable)(name),
    });
    config.map_err(|error| CommandError::Usage(error.to_string()))
}

/// Printed when other machines can reach the port.
const WITHOUT_TLS: &str = "Warning: this port has no TLS, and everybody on the network can read passwords, tokens and loans on their \
                           way. Put a proxy with TLS in front of it, and name its origin in PUBLIC_URL: without PUBLIC_URL, signed URLs \
                           begin with the address of --host, which other machines may not reach.\n";

/// The warning for an IP address to listen on; `None` for loopback.
fn warning_for(host: IpAddr) -> Option<&'static str> {
    (!host.to_canonical().is_loopback()).then_some(WITHOUT_TLS)
}

/// Placeholder for the secret until the data folder is open.
const TO_BE_KEPT: &str = "the secret that is kept in the data folder";

fn given_secret(context: &CommandContext) -> Option<String> {
    (context.variable)("JWT_SECRET").filter(|secret| !secret.trim().is_empty())
}

async fn run(args: &ServeArgs, context: &CommandContext, out: &mut dyn Write, config: Config) -> Result<(), CommandError> {
    let mut stopping = Stopping::on_signals()?;
    let (listener, address) = listen::on(args.host, args.port, "--port").await?;
    let folder = DataFolder::open(&context.locate(&args.data_dir), context.clock.clone())?;
    let secret = given_secret(context).map_or(folder.jwt_secret, Secret::new);
    let tokens = Tokens::new(&secret, config.access_token_minutes);
    let stores = folder.stores;
    let url = format!("http://{address}");
    let url_origin = UrlOrigin::new(url.clone(), config.public_url);
    let resources = stores.resources(&url, tokens, config.environment, context.clock.clone()).await;
    let mut resources = resources.map_err(|error| store_failure(&error))?;
    resources.url_origin = Some(url_origin);
    // This process has locked the folder, so no other process writes to its table, and users may be cached.
    resources.table.known_users = Some(Arc::default());
    if let Some(sentence) = first_start::make_admin(&resources, (context.variable)("LOAN_ENGINE_ADMIN_PASSWORD")).await? {
        print(out, format!("{sentence}\n").as_bytes())?;
    }
    let workshop = LocalWorker::new(&resources, &stores, Tuning::default());
    workshop.take_over().await.map_err(|error| store_failure(&error))?;

    let mut parts = JoinSet::new();
    parts.spawn(workshop.work(stopping.begun()));
    let router = http::router(layers::serve(api(&resources)), &stores.s3, address);
    parts.spawn(listen::serve(listener, router, stopping.begun()));
    let mut background = JoinSet::new();
    background.spawn(sweeping::sweep(stores.dynamodb.clone(), resources.clone()));
    if let Some(warning) = warning_for(address.ip()) {
        print(out, warning.as_bytes())?;
    }
    let shown = args.data_dir.display();
    print(out, format!("Loan Engine {ENGINE_VERSION} serves on http://{address}, with its data in {shown}\n").as_bytes())?;
    stopping.wait_for(parts).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_others_reach_is_warned_of_in_one_line() {
        for own in ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(warning_for(own.parse().unwrap()), None, "{own}");
        }
        for open in ["0.0.0.0", "::", "192.168.0.7", "10.0.0.1", "2001:db8::1"] {
            let warning = warning_for(open.parse().unwrap()).unwrap();
            assert!(warning.contains("has no TLS") && warning.ends_with('\n') && warning.lines().count() == 1, "{warning}");
        }
    }
}
