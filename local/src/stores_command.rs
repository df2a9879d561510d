//! `loan-engine stores`: DynamoDB and S3 over HTTP, for the Lambda functions under `cargo lambda watch`.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use command::{CommandContext, error::CommandError, print};
use tempfile::NamedTempFile;
use tokio::task::JoinSet;

use crate::{
    arguments::StoresArgs,
    data_folder::{BUCKET, DataFolder},
    embedded::clients::{REGION_NAME, TABLE},
    serve::{listen, runtime, stopping::Stopping},
    store_failure,
};

/// The stores listen on loopback, because they are for this machine alone.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Serves the stores until the process gets a signal to stop.
///
/// # Errors
/// [`CommandError::Failed`] when a port, the data folder or the file of `--env-file` cannot be used, a server fails, or a second
/// signal stops the process before all requests are answered.
pub fn stores(args: &StoresArgs, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let runtime = runtime()?;
    let served = runtime.block_on(serve(args, &context.locate(&args.data_dir), context, out));
    runtime.shutdown_background();
    served
}

async fn serve(args: &StoresArgs, folder: &Path, context: &CommandContext, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut stopping = Stopping::on_signals()?;
    let (dynamodb, dynamodb_address) = listen::on(LOOPBACK, args.dynamodb_port, "--dynamodb-port").await?;
    let (s3, s3_address) = listen::on(LOOPBACK, args.s3_port, "--s3-port").await?;
    let DataFolder { stores, jwt_secret } = DataFolder::open(folder, context.clock.clone())?;
    stores.table().await.map_err(|error| store_failure(&error))?;

    let mut parts = JoinSet::new();
    let (database, mut begun) = (stores.dynamodb.database(), stopping.begun());
    parts.spawn(async move {
        let stop = async move { begun.wait().await };
        if let Err(error) = dynoxide::server::serve_with_shutdown(dynamodb, database, stop).await {
            tracing::error!(error, "the DynamoDB server failed");
        }
    });
    parts.spawn(listen::serve(s3, stores.s3.router(), stopping.begun()));

    let credentials = stores.s3.credentials();
    let lines = [
        ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{dynamodb_address}")),
        ("AWS_ENDPOINT_URL_S3", format!("http://{s3_address}")),
        ("AWS_REGION", REGION_NAME.to_owned()),
        ("AWS_ACCESS_KEY_ID", credentials.access_key.clone()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_key.clone()),
        ("TABLE_NAME", TABLE.to_owned()),
        ("BUCKET_NAME", BUCKET.to_owned()),
        ("JWT_SECRET", jwt_secret.expose().to_owned()),
        ("ENVIRONMENT", "development".to_owned()),
    ];
    // Write all lines in one piece, so that a reader of the file finds all of them or none.
    let text: String = lines.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    match &args.env_file {
        None => print(out, text.as_bytes())?,
        Some(shown) => {
            write_private(&context.locate(shown), &text).map_err(|error| {
                CommandError::Failed(format!("The file {} cannot be written: {error}. Name another one.", shown.display()))
            })?;
            let said =
                format!("The stores serve on http://{dynamodb_address} and http://{s3_address}, as {} says\n", shown.display());
            print(out, said.as_bytes())?;
        }
    }
    stopping.wait_for(parts).await
}

/// Writes a file that only its owner can read, because it holds keys. The file appears whole, and replaces an existing one.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Only the owner can read a temporary file, and the file keeps that mode when it gets its name.
    let mut unnamed = NamedTempFile::new_in(folder)?;
    unnamed.write_all(text.as_bytes())?;
    unnamed.persist(file)?;
    Ok(())
}
