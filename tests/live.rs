//! The stores of an endpoint that behaves like AWS (moto, LocalStack), over a socket: the contracts of [`crate::storage`] and
//! [`crate::stores`] hold there as well. The tests do nothing unless `AWS_ENDPOINT_URL` names an endpoint.

use std::{
    io::{Write as _, stderr},
    sync::Once,
};

use stores::{
    clients, schema,
    storage::{StorageBackend as _, s3::S3Storage},
    table::Table,
};
use uuid::Uuid;

use crate::support::{app::TestApp, server::send};

const CSV: &str = "text/csv; charset=utf-8";

/// The application on a table and a bucket of its own, at the endpoint that `AWS_ENDPOINT_URL` names.
pub struct Live {
    /// The application. Its embedded stores are not used.
    pub app: TestApp,
}

impl Live {
    /// Creates the table and the bucket. Returns `None` if there is no endpoint, and says so once.
    #[expect(clippy::disallowed_methods, reason = "the environment of the test run names the endpoint")]
    pub async fn open() -> Option<Self> {
        static TOLD: Once = Once::new();
        if std::env::var("AWS_ENDPOINT_URL").is_err() {
            // The test runner does not capture this line, as it captures print macros: a skipped test looks like one that passed.
            TOLD.call_once(|| {
                let _ = writeln!(stderr(), "live tests are skipped: AWS_ENDPOINT_URL is not set (scripts/moto.sh sets it)");
            });
            return None;
        }
        // These are the clients of the Lambda functions.
        let sdk = clients::sdk_config().await;
        let name = format!("loan-engine-test-{}", Uuid::new_v4());
        let table = Table { client: clients::dynamodb(&sdk), name: name.clone(), known_users: None };
        schema::create_table(&table.client, &name).await.unwrap();
        let storage = S3Storage { client: clients::s3(&sdk, true), bucket: name };
        storage.client.create_bucket().bucket(&storage.bucket).send().await.unwrap();
        let app = TestApp::with(|resources| {
            resources.table = table;
            resources.storage = storage;
        });
        Some(Self { app: app.await })
    }

    /// Removes the table and the bucket. After a failed test they stay for inspection.
    pub async fn remove(self) {
        let S3Storage { client, bucket } = &self.app.resources.storage;
        loop {
            let listed = client.list_objects_v2().bucket(bucket).send().await.unwrap();
            for object in listed.contents() {
                client.delete_object().bucket(bucket).key(object.key().unwrap()).send().await.unwrap();
            }
            if listed.next_continuation_token().is_none() {
                break;
            }
        }
        client.delete_bucket().bucket(bucket).send().await.unwrap();
        let Table { client, name, .. } = &self.app.resources.table;
        client.delete_table().table_name(name).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_file_goes_up_and_down_through_addresses() {
    let Some(live) = Live::open().await else { return };
    let storage = &live.app.resources.storage;
    let put = storage.url_to_put("inputs/ü &+.csv", 60, CSV).await.unwrap();
    let address = format!("/{}/inputs/", storage.bucket);
    assert!(put.url.contains(&address), "the bucket is part of the path: {}", put.url);
    let headers = put.headers.iter().filter(|(name, _)| name != "host" && name != "content-length");
    let headers: Vec<(&str, &str)> = headers.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert!(headers.contains(&("content-type", CSV)), "the type of the content is signed: {headers:?}");
    assert_eq!(send("PUT", &put.url, &headers, b"hello").status, 200);
    let info = storage.info("inputs/ü &+.csv").await.unwrap().unwrap();
    assert_eq!((info.size, info.content_type.as_deref()), (5, Some(CSV)));
    let get = storage.url_to_get("inputs/ü &+.csv", 60, "inline").await.unwrap();
    let got = send("GET", &get.url, &[], b"");
    assert_eq!((got.status, got.text().as_str()), (200, "hello"));
    live.remove().await;
}

#[tokio::test]
async fn a_tape_becomes_outputs_results_and_an_archive() {
    let Some(live) = Live::open().await else { return };
    crate::worker::becomes_outputs_results_and_an_archive(&live.app).await;
    live.remove().await;
}
