//! DynamoDB in this process: the operations that the product uses, on a dynoxide database.

use std::{path::Path, sync::Arc};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use dynoxide::{
    Database, DynoxideError,
    actions::{
        delete_table::DeleteTableRequest,
        describe_time_to_live::DescribeTimeToLiveRequest,
        scan::ScanRequest,
        update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use stores::keys::EXPIRES_AT;
use tokio::sync::Notify;

use super::{EmbeddedError, presence::Presence};

/// A database of tables. Clones share it.
#[derive(Clone)]
pub struct DynamoDb {
    database: Database,
    transacted: Arc<Notify>,
    presence: Presence,
}

/// Operations that write nothing.
const READING: [&str; 6] = ["GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems", "DescribeTable"];

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DynamoDb")
    }
}

impl DynamoDb {
    /// Opens the database in a file, or a new one in memory.
    pub(super) fn open(file: Option<&Path>, presence: Presence) -> Result<Self, EmbeddedError> {
        let opened = match file {
            Some(file) => Database::new(&file.display().to_string()),
            None => Database::memory(),
        };
        let failed = |error: DynoxideError| {
            // The library's text about a file that is no database is a hint for developers: replace it.
            let text = error.to_string();
            let damaged = text.contains("not a valid SQLite database");
            EmbeddedError::Database { what: "table", reason: if damaged { "file is not a database".to_owned() } else { text } }
        };
        Ok(Self { database: opened.map_err(failed)?, transacted: Arc::new(Notify::new()), presence })
    }

    /// The database, for serving it over HTTP.
    pub fn database(&self) -> Database {
        self.database.clone()
    }

    /// Waits until a transaction has been written, as every new run is. On AWS, the table's stream reports this. A transaction
    /// written since the last call counts, too.
    pub async fn something_transacted(&self) {
        self.transacted.notified().await;
    }

    /// Makes sure that a table is complete or absent. The library creates a table step by step, and then the product enables the
    /// lifetimes of items: a process that is killed meanwhile leaves a table that looks complete, but is not.
    pub(super) fn finish_or_remove(&self, table: &str) -> Result<(), DynoxideError> {
        let (database, table_name) = (&self.database, table.to_owned());
        match database.describe_time_to_live(DescribeTimeToLiveRequest { table_name: table_name.clone() }) {
            Err(DynoxideError::ResourceNotFoundException(_)) => return Ok(()),
            Ok(described) if described.time_to_live_description.attribute_name.is_some() => return Ok(()),
            _ => {}
        }
        // The product writes no item before the table is complete. So a table with items lacks at most the lifetimes.
        let scan = ScanRequest { table_name: table_name.clone(), limit: Some(1), ..ScanRequest::default() };
        if database.scan(scan).is_ok_and(|scanned| scanned.count > 0) {
            let lifetimes = TimeToLiveSpecification { attribute_name: EXPIRES_AT.to_owned(), enabled: true };
            let update = UpdateTimeToLiveRequest { table_name, time_to_live_specification: lifetimes };
            return database.update_time_to_live(update).map(drop);
        }
        tracing::warn!("an incomplete table is removed and created again");
        database.delete_table(DeleteTableRequest { table_name }).map(drop)
    }

    /// Removes expired items. Returns their number. The time it takes grows with the table.
    ///
    /// # Errors
    /// [`DynoxideError`] when the database cannot be read or written.
    pub fn sweep_expired(&self) -> Result<usize, DynoxideError> {
        self.database.sweep_ttl()
    }

    /// Answers one request with an HTTP status and JSON.
    fn answer(&self, operation: &str, body: &[u8]) -> (u16, String) {
        let answered = if READING.contains(&operation) {
            self.dispatch(operation, body)
        } else {
            // Check before, so that nothing is written in vain, and after, so that no lost write is acknowledged.
            self.present().and_then(|()| self.dispatch(operation, body)).and_then(|json| self.present().map(|()| json))
        };
        match answered {
            Ok(json) => {
                if operation == "TransactWriteItems" {
                    self.transacted.notify_one();
                }
                (200, json)
            }
            Err(error) => (error.status_code(), error.to_json()),
        }
    }

    fn present(&self) -> Result<(), DynoxideError> {
        self.presence.check().map_err(|error| {
            tracing::error!(%error, "the table refused a write");
            DynoxideError::InternalServerError(error.to_string())
        })
    }

    fn dispatch(&self, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
        let database = &self.database;
        match operation {
            "GetItem" => call(body, |request| database.get_item(request)),
            "PutItem" => call(body, |request| database.put_item(request)),
            "UpdateItem" => call(body, |request| database.update_item(request)),
            "DeleteItem" => call(body, |request| database.delete_item(request)),
            "Query" => call(body, |request| database.query(request)),
            "Scan" => call(body, |request| database.scan(request)),
            "BatchGetItem" => call(body, |request| database.batch_get_item(request)),
            "BatchWriteItem" => call(body, |request| database.batch_write_item(request)),
            "TransactWriteItems" => call(body, |request| database.transact_write_items(request)),
            "TransactGetItems" => call(body, |request| database.transact_get_items(request)),
            "CreateTable" => call(body, |request| database.create_table(request)),
            "DescribeTable" => call(body, |request| database.describe_table(request)),
            "UpdateTimeToLive" => call(body, |request| database.update_time_to_live(request)),
            other => Err(DynoxideError::ValidationException(format!("{other} is not among the operations of this store"))),
        }
    }
}

/// Parses a request, executes it and serializes the answer.
fn call<I: DeserializeOwned, O: Serialize>(
    body: &[u8],
    operation: impl FnOnce(I) -> Result<O, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body).map_err(|error| {
        // The library's text begins with a word that names the kind of mistake.
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or(&text);
        match text.strip_prefix("SERIALIZATION:") {
            Some(text) => DynoxideError::SerializationException(text.to_owned()),
            None => DynoxideError::ValidationException(text.strip_prefix("VALIDATION:").unwrap_or(text).to_owned()),
        }
    })?;
    serde_json::to_string(&operation(request)?).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

impl HttpClient for DynamoDb {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for DynamoDb {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let store = self.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
            let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
            let body = match request.body().bytes() {
                Some(body) => body.to_vec(),
                None => return Err(ConnectorError::other("a request to the table has a body in memory".into(), None)),
            };
            let answered = tokio::task::spawn_blocking(move || store.answer(&operation, &body)).await;
            let (status, json) = answered.map_err(|error| ConnectorError::other(error.into(), None))?;
            let status = StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut answer = HttpResponse::new(status, SdkBody::from(json));
            answer.headers_mut().insert("content-type", "application/x-amz-json-1.0");
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rusqlite::Connection;
    use shared::clock::{Clock as _, SystemClock};
    use stores::{
        table::Table,
        throttle::{Failures, Whose},
    };
    use tempfile::TempDir;

    use super::super::{Credentials, EmbeddedStores, Options};

    fn open(folder: &std::path::Path) -> EmbeddedStores {
        let options = Options {
            durable: true,
            bucket: "loans".to_owned(),
            credentials: Credentials::random(),
            watched_prefix: "inputs/".to_owned(),
            clock: Arc::new(SystemClock),
        };
        EmbeddedStores::open(folder, options).unwrap()
    }

    /// Stops with the table in the state that `statements` leave, with or without an item in it, and starts again.
    async fn left_with(statements: &str, write: bool) -> (TempDir, EmbeddedStores, Table) {
        let folder = tempfile::tempdir().unwrap();
        let table = open(folder.path()).table().await.unwrap();
        if write {
            let failures = Failures::new(table.clone());
            failures.add(Whose::Username("ana"), "2026-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
        }
        drop(table);
        Connection::open(folder.path().join("table.sqlite")).unwrap().execute_batch(statements).unwrap();
        let stores = open(folder.path());
        let table = stores.table().await.unwrap();
        (folder, stores, table)
    }

    #[tokio::test]
    async fn a_table_whose_making_was_broken_off_is_made_again() {
        let no_index = "UPDATE _tables SET ttl_enabled = 0, ttl_attribute = NULL; DROP TABLE \"loan-engine::gsi::by_team\";";
        let nothing = format!("{no_index} DROP TABLE \"loan-engine\";");
        for left in [no_index, &nothing] {
            let (_folder, stores, table) = left_with(left, false).await;
            let failures = Failures::new(table);
            failures.add(Whose::Username("ana"), "2026-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
            failures.add(Whose::Username("bob"), SystemClock.now()).await.unwrap();
            assert_eq!(stores.dynamodb.sweep_expired().unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn a_table_in_use_without_lifetimes_keeps_its_items_and_gets_them() {
        let (_folder, stores, _) = left_with("UPDATE _tables SET ttl_enabled = 0, ttl_attribute = NULL;", true).await;
        assert_eq!(stores.dynamodb.sweep_expired().unwrap(), 1);
    }
}
