//! The contract of every storage: an embedded bucket, a bucket over a socket, and a folder.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use stores::storage::{ByteStream, Found, StorageBackend, StorageError, collect, local::LocalStorage, s3::PART_BYTES, stream_of};

use crate::{
    live::Live,
    support::app::{ADDRESS, TestApp},
};

const CSV: &str = "text/csv; charset=utf-8";

async fn put(storage: &dyn StorageBackend, key: &str, text: &str) {
    storage.put(key, stream_of(text.to_owned()), CSV, u64::MAX).await.unwrap();
}

async fn text(storage: &dyn StorageBackend, key: &str) -> String {
    let download = storage.get(key, None, None).await.unwrap();
    String::from_utf8(collect(download.body, usize::MAX).await.unwrap()).unwrap()
}

async fn names(storage: &dyn StorageBackend, folder: &str, recursive: bool) -> Vec<String> {
    let entries = storage.list(folder, recursive).await.unwrap();
    entries.into_iter().map(|entry| entry.key + if entry.file.is_some() { "" } else { "/" }).collect()
}

async fn files_come_back_as_they_went(storage: &dyn StorageBackend) {
    let stored = storage.put("a/b.csv", stream_of("hello"), CSV, 5).await.unwrap();
    assert_eq!((stored.size, &stored.sha256[..8]), (5, "2cf24dba"));
    assert_eq!(text(storage, "a/b.csv").await, "hello");
    let info = storage.info("a/b.csv").await.unwrap().unwrap();
    assert_eq!((info.size, info.content_type.as_deref()), (5, Some(CSV)));
    assert_eq!(info.etag, stored.etag);
    put(storage, "a/b.csv", "other").await;
    assert_eq!(text(storage, "a/b.csv").await, "other");
    put(storage, "empty.csv", "").await;
    assert_eq!(text(storage, "empty.csv").await, "");
    storage.delete("a/b.csv").await.unwrap();
    storage.delete("a/b.csv").await.unwrap();
    assert!(matches!(storage.get("a/b.csv", None, None).await, Err(StorageError::NotFound)));
    assert_eq!(storage.info("a/b.csv").await.unwrap(), None);
}

async fn a_range_of_one_version_is_read(storage: &dyn StorageBackend) {
    let stored = storage.put("r.csv", stream_of("0123456789"), CSV, 10).await.unwrap();
    let range = async |range, etag: Option<&str>| {
        let download = storage.get("r.csv", Some(range), etag).await?;
        collect(download.body, 100).await
    };
    assert_eq!(range(2..5, Some(&stored.etag)).await.unwrap(), b"234");
    assert_eq!(range(0..10, None).await.unwrap(), b"0123456789");
    assert_eq!(range(4..4, None).await.unwrap(), b"");
    assert!(matches!(range(2..5, Some("another")).await, Err(StorageError::Changed)));
}

async fn folders_are_listed(storage: &dyn StorageBackend) {
    for key in ["in/b.csv", "in/a.csv", "in/x/c.csv", "in/x/y/d.csv", "inner/e.csv"] {
        put(storage, key, "1").await;
    }
    assert_eq!(names(storage, "in", false).await, ["in/a.csv", "in/b.csv", "in/x/"]);
    assert_eq!(names(storage, "in", true).await, ["in/a.csv", "in/b.csv", "in/x/", "in/x/c.csv", "in/x/y/", "in/x/y/d.csv"]);
    assert_eq!(names(storage, "nothing", true).await, [""; 0]);
    assert!(matches!(storage.find("in/x").await.unwrap(), Some(Found::Folder { empty: false })));
    assert!(matches!(storage.find("in/a.csv").await.unwrap(), Some(Found::File(_))));
    assert_eq!(storage.find("in/z").await.unwrap(), None);
}

async fn folders_are_made_and_deleted(storage: &dyn StorageBackend) {
    assert!(storage.make_folder("made/one").await.unwrap());
    assert!(!storage.make_folder("made/one").await.unwrap());
    assert_eq!(storage.find("made/one").await.unwrap(), Some(Found::Folder { empty: true }));
    assert_eq!(names(storage, "made", false).await, ["made/one/"]);
    put(storage, "made/one/f.csv", "1").await;
    assert!(matches!(storage.delete_folder("made/one").await, Err(StorageError::NotEmpty)));
    assert!(matches!(storage.make_folder("made/one/f.csv").await, Err(StorageError::InTheWay(_))));
    storage.delete("made/one/f.csv").await.unwrap();
    storage.delete_folder("made/one").await.unwrap();
    assert_eq!(storage.find("made/one").await.unwrap(), None);
}

async fn what_is_too_large_or_breaks_off_leaves_nothing(storage: &dyn StorageBackend) {
    let large = storage.put("l.csv", stream_of("123456"), CSV, 5).await;
    assert!(matches!(large, Err(StorageError::TooLarge { limit: 5 })));
    let chunks: ByteStream = Box::pin(stream::iter([Ok(Bytes::from(vec![b'x'; PART_BYTES + 1])), Err(StorageError::Broken)]));
    assert!(matches!(storage.put("l.csv", chunks, CSV, u64::MAX).await, Err(StorageError::Broken)));
    assert_eq!(storage.info("l.csv").await.unwrap(), None);
    assert_eq!(names(storage, "", true).await, [""; 0]);
}

async fn a_large_file_is_stored_in_parts(storage: &dyn StorageBackend) {
    let bytes: Bytes = (0..PART_BYTES * 2 + 7).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let chunks = bytes.chunks(1_000_003).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect::<Vec<_>>();
    let stored = storage.put("large.csv", Box::pin(stream::iter(chunks)), CSV, u64::MAX).await.unwrap();
    assert_eq!(stored.size, bytes.len() as u64);
    storage.copy("large.csv", "copy.csv", Some(&stored.etag)).await.unwrap();
    for key in ["large.csv", "copy.csv"] {
        let download = storage.get(key, None, None).await.unwrap();
        assert_eq!(collect(download.body, usize::MAX).await.unwrap(), bytes, "{key}");
    }
    assert!(matches!(storage.copy("large.csv", "no.csv", Some("another")).await, Err(StorageError::Changed)));
    assert!(matches!(storage.copy("absent.csv", "no.csv", None).await, Err(StorageError::NotFound)));
}

async fn names_of_any_script_are_kept(storage: &dyn StorageBackend) {
    for key in ["ünï/заём + 1%.csv", "ünï/貸付 &='\"#?.csv"] {
        put(storage, key, key).await;
        assert_eq!(text(storage, key).await, key);
        storage.copy(key, "copy.csv", None).await.unwrap();
        assert_eq!(text(storage, "copy.csv").await, key);
    }
    assert_eq!(names(storage, "ünï", false).await.len(), 2);
}

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod in_a_bucket {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let app = TestApp::new().await;
                super::$name(&app.resources.storage).await;
            })*
        }

        mod in_a_folder {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&LocalStorage::new(folder.path())).await;
            })*
        }

        mod live {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let Some(live) = Live::open().await else { return };
                super::$name(&live.app.resources.storage).await;
                live.remove().await;
            })*
        }
    };
}

contract!(
    files_come_back_as_they_went,
    a_range_of_one_version_is_read,
    folders_are_listed,
    folders_are_made_and_deleted,
    what_is_too_large_or_breaks_off_leaves_nothing,
    a_large_file_is_stored_in_parts,
    names_of_any_script_are_kept,
);

#[tokio::test]
async fn a_folder_is_never_left() {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalStorage::new(folder.path().join("root"));
    for key in ["../out.csv", "/etc/out.csv", "a/../../out.csv", "~unfinished/x"] {
        assert!(matches!(storage.put(key, stream_of("x"), CSV, 9).await, Err(StorageError::Store(_))), "{key}");
    }
    assert!(!folder.path().join("out.csv").exists());
}

#[tokio::test]
async fn a_bucket_gives_addresses_that_are_signed() {
    let app = TestApp::new().await;
    let storage: Arc<dyn StorageBackend> = Arc::new(app.resources.storage.clone());
    put(&*storage, "inputs/a b.csv", "hello").await;
    let get = storage.url_to_get("inputs/a b.csv", 60, "attachment; filename=\"a b.csv\"").await.unwrap();
    assert!(get.url.starts_with(&format!("{ADDRESS}/loans/inputs/a%20b.csv?")), "{}", get.url);
    let answer = app.fetch(http::Method::GET, &get.url, &get.headers, "").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"a b.csv\"");
    let put = storage.url_to_put("inputs/new.csv", 60, CSV).await.unwrap();
    let answer = app.fetch(http::Method::PUT, &put.url, &put.headers, "sent").await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    assert_eq!(text(&*storage, "inputs/new.csv").await, "sent");
    let tampered = put.url.replace("new.csv", "newer.csv");
    assert_eq!(app.fetch(http::Method::PUT, &tampered, &put.headers, "sent").await.status.as_u16(), 403);
}
