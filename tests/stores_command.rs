//! `loan-engine stores` prints everything that another process needs.

use std::{collections::HashMap, path::Path};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::{
    config::{Credentials, SharedCredentialsProvider},
    primitives::ByteStream,
};
use aws_smithy_http_client::Builder;
use stores::clients;

use crate::support::server::{Process, Server, give, send, text};

/// Starts the stores and returns the variables that they print.
pub fn start(folder: &Path) -> (Process, HashMap<String, String>) {
    let args = ["stores", "--dynamodb-port", "0", "--s3-port", "0", "--data-dir", "data"];
    let process = Process::start(folder, &args, &[], "ENVIRONMENT=");
    let pairs = process.said.iter().map(|line| line.split_once('=').unwrap());
    let said = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (process, said)
}

/// Configuration from which the product makes its client of a service.
fn sdk(said: &HashMap<String, String>, service: &str) -> SdkConfig {
    let (key, secret) = (&said["AWS_ACCESS_KEY_ID"], &said["AWS_SECRET_ACCESS_KEY"]);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(said["AWS_REGION"].clone()))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(key, secret, None, None, "test")))
        .endpoint_url(&said[&format!("AWS_ENDPOINT_URL_{service}")])
        .http_client(Builder::new().build_http())
        .build()
}

/// A client of the table of the stores.
pub fn dynamodb(said: &HashMap<String, String>) -> aws_sdk_dynamodb::Client {
    clients::dynamodb(&sdk(said, "DYNAMODB"))
}

/// A client of the bucket of the stores.
pub fn s3(said: &HashMap<String, String>) -> aws_sdk_s3::Client {
    clients::s3(&sdk(said, "S3"), true)
}

#[tokio::test]
async fn files_are_stored_over_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let (process, said) = start(folder.path());
    let (client, bucket, key) = (s3(&said), &said["BUCKET_NAME"], "inputs/a b+é.csv");
    client.put_object().bucket(bucket).key(key).body(ByteStream::from_static(b"x")).send().await.unwrap();
    let got = client.get_object().bucket(bucket).key(key).send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "x");
    assert_eq!(process.stop().0, Some(0));
}

#[test]
fn nobody_reads_without_a_signature() {
    let folder = tempfile::tempdir().unwrap();
    let (_process, said) = start(folder.path());
    let url = format!("{}/{}/inputs/a.csv", said["AWS_ENDPOINT_URL_S3"], said["BUCKET_NAME"]);
    assert_eq!(send("GET", &url, &[], b"").status, 403);
}

#[test]
fn the_table_is_there_for_other_commands_and_later_for_serve() {
    let folder = tempfile::tempdir().unwrap();
    let (process, said) = start(folder.path());
    let variables: Vec<(&str, &str)> = said.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let create = ["admin", "create-user", "ana", "--email", "ana@example.com", "--role", "admin"];
    let created = give(folder.path(), &create, &variables, "correct horse\n");
    assert_eq!(text(&created.stdout), format!("Registered ana (admin) in the table {}.\n", said["TABLE_NAME"]));
    let listed = text(&give(folder.path(), &["admin", "list-users"], &variables, "").stdout);
    assert!(listed.contains("ana@example.com"), "{listed}");
    assert_eq!(process.stop().0, Some(0));
    Server::start(folder.path(), &[]).log_in("ana", "correct horse");
}

#[tokio::test]
async fn a_client_of_s3_may_use_the_port_of_serve_and_what_it_puts_into_incoming_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (process, mut said) = start(folder.path());
    assert_eq!(process.stop().0, Some(0));
    let server = Server::start(folder.path(), &[("LOAN_ENGINE_ADMIN_PASSWORD", crate::support::server::ADMIN_PASSWORD)]);
    said.insert("AWS_ENDPOINT_URL_S3".to_owned(), server.address.clone());
    let tape = ByteStream::from(crate::support::shell::small_tape().into_bytes());
    let put = s3(&said).put_object().bucket(&said["BUCKET_NAME"]).key("inputs/incoming/tape.csv").body(tape);
    put.send().await.unwrap();
    assert_eq!(server.admin().wait_for_the_run()["total_loans"], 2);
}

#[test]
fn a_stack_that_does_not_answer_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago, so no process listens on it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let variables = [
        ("TABLE_NAME", "loans"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &format!("http://127.0.0.1:{port}")),
    ];
    let output = give(folder.path(), &["admin", "list-users"], &variables, "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("check TABLE_NAME, the region and the credentials"), "{}", text(&output.stderr));
    assert!(!folder.path().join("loan-engine-data").exists());
}

#[cfg(unix)]
#[test]
fn an_environment_with_keys_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    // The command replaces an existing file together with its permissions, which let others read it.
    std::fs::write(folder.path().join(".env.local"), "OLD=1\n").unwrap();
    let args = ["stores", "--dynamodb-port", "0", "--s3-port", "0", "--env-file", ".env.local"];
    let process = Process::start(folder.path(), &args, &[], "The stores serve on ");
    let [said] = &process.said[..] else { panic!("{:?}", process.said) };
    let file = folder.path().join(".env.local");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let written = std::fs::read_to_string(&file).unwrap();
    let value = |name: &str| written.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
    let expected = format!(
        "The stores serve on {} and {}, as .env.local says",
        value("AWS_ENDPOINT_URL_DYNAMODB"),
        value("AWS_ENDPOINT_URL_S3")
    );
    assert_eq!(*said, expected);
    assert!(value("JWT_SECRET").len() >= 32 && !written.contains("OLD") && !said.contains(value("AWS_SECRET_ACCESS_KEY")));
    // The stores do not use the data of `serve`.
    assert!(folder.path().join("loan-engine-stores").is_dir() && !folder.path().join("loan-engine-data").exists());
    assert_eq!(process.stop().0, Some(0));
}

#[test]
fn an_environment_that_cannot_be_written_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["stores", "--dynamodb-port", "0", "--s3-port", "0", "--env-file", "none/env"];
    let output = give(folder.path(), &args, &[], "");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    assert!(text(&output.stderr).starts_with("error: The file none/env cannot be written: "), "{}", text(&output.stderr));
}
