//! Files in a folder: where a folder differs from a bucket, and what must never happen to the machine around it.

use std::{fs, path::Path};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use stores::{
    StoreError,
    storage::{ByteStream, Found, StorageBackend as _, StorageError, Stored, collect, local::LocalStorage, stream_of},
};
use tempfile::TempDir;
use tokio::sync::mpsc;

const CSV: &str = "text/csv; charset=utf-8";
/// Folder in which files are written before they appear.
const UNFINISHED: &str = "~unfinished";

/// A storage in a new folder, with a root that does not exist yet.
fn storage() -> (TempDir, LocalStorage) {
    let folder = tempfile::tempdir().unwrap();
    let storage = LocalStorage::new(folder.path().join("root"));
    (folder, storage)
}

async fn put(storage: &LocalStorage, key: &str, text: &str) -> Stored {
    storage.put(key, stream_of(text.to_owned()), CSV, u64::MAX).await.unwrap()
}

async fn text(storage: &LocalStorage, key: &str) -> String {
    let download = storage.get(key, None, None).await.unwrap();
    String::from_utf8(collect(download.body, usize::MAX).await.unwrap()).unwrap()
}

async fn keys(storage: &LocalStorage) -> Vec<String> {
    storage.list("", true).await.unwrap().into_iter().map(|entry| entry.key).collect()
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn reading_makes_no_folder() {
    let (folder, storage) = storage();
    assert_eq!(keys(&storage).await, [""; 0]);
    assert_eq!(storage.find("a.csv").await.unwrap(), None);
    assert_eq!(storage.info("a.csv").await.unwrap(), None);
    assert!(matches!(storage.get("a.csv", None, None).await, Err(StorageError::NotFound)));
    storage.delete("a.csv").await.unwrap();
    assert_eq!(entries(folder.path()), 0);
}

#[tokio::test]
async fn the_folders_of_a_file_are_made_with_it() {
    let (folder, storage) = storage();
    put(&storage, "a/b/c.csv", "x").await;
    assert_eq!(fs::read_to_string(folder.path().join("root/a/b/c.csv")).unwrap(), "x");
    assert_eq!(keys(&storage).await, ["a", "a/b", "a/b/c.csv"]);
}

#[tokio::test]
async fn no_operation_takes_a_key_that_leads_out() {
    let (folder, storage) = storage();
    fs::write(folder.path().join("secret.csv"), "secret").unwrap();
    put(&storage, "in.csv", "x").await;
    for key in ["../secret.csv", "a/../../secret.csv", "/etc/passwd", r"..\secret.csv", r"C:\x", "~/x", "a\0b"] {
        let refused = |error: Option<StorageError>| matches!(error, Some(StorageError::Store(StoreError::Refused(_))));
        assert!(refused(storage.find(key).await.err()), "{key}");
        assert!(refused(storage.info(key).await.err()), "{key}");
        assert!(refused(storage.list(key, true).await.err()), "{key}");
        assert!(refused(storage.get(key, None, None).await.err()), "{key}");
        assert!(refused(storage.put(key, stream_of("x"), CSV, 9).await.err()), "{key}");
        assert!(refused(storage.delete(key).await.err()), "{key}");
        assert!(refused(storage.delete_folder(key).await.err()), "{key}");
        assert!(refused(storage.make_folder(key).await.err()), "{key}");
        assert!(refused(storage.copy(key, "copy.csv", None).await.err()), "{key}");
        assert!(refused(storage.copy("in.csv", key, None).await.err()), "{key}");
    }
    assert_eq!(keys(&storage).await, ["in.csv"]);
    assert_eq!(fs::read_to_string(folder.path().join("secret.csv")).unwrap(), "secret");
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_no_file() {
    let (folder, storage) = storage();
    put(&storage, "in.csv", "x").await;
    fs::write(folder.path().join("secret.csv"), "secret").unwrap();
    std::os::unix::fs::symlink(folder.path().join("secret.csv"), folder.path().join("root/link.csv")).unwrap();
    assert_eq!(storage.info("link.csv").await.unwrap(), None);
    assert!(matches!(storage.get("link.csv", None, None).await, Err(StorageError::NotFound)));
    assert!(matches!(storage.copy("link.csv", "copy.csv", None).await, Err(StorageError::NotFound)));
    assert_eq!(keys(&storage).await, ["in.csv"]);
    put(&storage, "link.csv", "in its place").await;
    assert_eq!(fs::read_to_string(folder.path().join("secret.csv")).unwrap(), "secret");
}

#[tokio::test]
async fn what_is_being_written_is_neither_listed_nor_left() {
    let (folder, storage) = storage();
    let (sender, receiver) = mpsc::unbounded_channel::<Result<Bytes, StorageError>>();
    let body = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let writing = tokio::spawn({
        let storage = storage.clone();
        async move { storage.put("a.csv", body.boxed(), CSV, 9).await }
    });
    sender.send(Ok(Bytes::from_static(b"hel"))).unwrap();
    let unfinished = folder.path().join("root").join(UNFINISHED);
    while entries(&unfinished) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(keys(&storage).await, [""; 0]);
    assert_eq!(storage.info("a.csv").await.unwrap(), None);
    sender.send(Ok(Bytes::from_static(b"lo"))).unwrap();
    drop(sender);
    assert_eq!(writing.await.unwrap().unwrap().size, 5);
    assert_eq!((text(&storage, "a.csv").await.as_str(), entries(&unfinished)), ("hello", 0));
}

#[tokio::test]
async fn whoever_stops_sending_leaves_nothing() {
    let (folder, storage) = storage();
    put(&storage, "a.csv", "before").await;
    let endless: ByteStream = stream::iter([Ok(Bytes::from_static(b"after"))]).chain(stream::pending()).boxed();
    let mut writing = Box::pin(storage.put("a.csv", endless, CSV, 9));
    let unfinished = folder.path().join("root").join(UNFINISHED);
    while entries(&unfinished) == 0 {
        assert!(futures_util::poll!(&mut writing).is_pending());
        tokio::task::yield_now().await;
    }
    drop(writing);
    while entries(&unfinished) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(text(&storage, "a.csv").await, "before");
}

#[tokio::test]
async fn what_is_refused_leaves_what_was_there() {
    let (folder, storage) = storage();
    put(&storage, "a.csv", "before").await;
    let large = storage.put("a.csv", stream_of("much too large"), CSV, 5).await;
    assert!(matches!(large, Err(StorageError::TooLarge { limit: 5 })));
    let broken: ByteStream = stream::iter([Ok(Bytes::from_static(b"x")), Err(StorageError::Broken)]).boxed();
    assert!(matches!(storage.put("a.csv", broken, CSV, 5).await, Err(StorageError::Broken)));
    assert_eq!(text(&storage, "a.csv").await, "before");
    let unfinished = folder.path().join("root").join(UNFINISHED);
    while entries(&unfinished) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_reader_keeps_the_version_that_it_began_with() {
    let (_folder, storage) = storage();
    put(&storage, "a.csv", "before").await;
    let download = storage.get("a.csv", None, None).await.unwrap();
    put(&storage, "a.csv", "after, and longer").await;
    assert_eq!(collect(download.body, 100).await.unwrap(), b"before");
    assert_eq!(text(&storage, "a.csv").await, "after, and longer");
}

#[tokio::test]
async fn another_content_has_another_tag() {
    let (_folder, storage) = storage();
    let first = put(&storage, "a.csv", "one").await;
    let second = put(&storage, "a.csv", "other").await;
    assert_ne!(first.etag, second.etag);
    assert!(matches!(storage.get("a.csv", None, Some(&first.etag)).await, Err(StorageError::Changed)));
    assert!(matches!(storage.copy("a.csv", "b.csv", Some(&first.etag)).await, Err(StorageError::Changed)));
    storage.copy("a.csv", "b.csv", Some(&second.etag)).await.unwrap();
}

#[tokio::test]
async fn a_file_stands_in_the_way_of_a_folder() {
    let (_folder, storage) = storage();
    put(&storage, "a", "x").await;
    assert!(matches!(storage.put("a/b.csv", stream_of("x"), CSV, 9).await, Err(StorageError::InTheWay(_))));
    assert!(matches!(storage.make_folder("a").await, Err(StorageError::InTheWay(_))));
    assert!(matches!(storage.make_folder("a/b").await, Err(StorageError::InTheWay(_))));
    assert_eq!(text(&storage, "a").await, "x");
}

#[tokio::test]
async fn a_folder_stands_in_the_way_of_a_file() {
    let (_folder, storage) = storage();
    put(&storage, "a/b.csv", "x").await;
    assert!(matches!(storage.put("a", stream_of("x"), CSV, 9).await, Err(StorageError::InTheWay(_))));
    assert!(matches!(storage.copy("a/b.csv", "a", None).await, Err(StorageError::InTheWay(_))));
    assert_eq!(keys(&storage).await, ["a", "a/b.csv"]);
}

#[tokio::test]
async fn deleting_takes_what_it_is_for() {
    let (_folder, storage) = storage();
    put(&storage, "a/b.csv", "x").await;
    storage.make_folder("empty").await.unwrap();
    storage.delete("a").await.unwrap();
    storage.delete("empty").await.unwrap();
    assert!(matches!(storage.delete_folder("a/b.csv").await, Err(StorageError::InTheWay(_))));
    assert_eq!(keys(&storage).await, ["a", "a/b.csv", "empty"]);
}

#[tokio::test]
async fn a_folder_stays_when_its_last_file_goes() {
    let (_folder, storage) = storage();
    put(&storage, "a/b.csv", "x").await;
    storage.delete("a/b.csv").await.unwrap();
    assert_eq!(storage.find("a").await.unwrap(), Some(Found::Folder { empty: true }));
    storage.delete_folder("a").await.unwrap();
    storage.delete_folder("a").await.unwrap();
    assert_eq!(storage.find("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_range_ends_with_the_file() {
    let (_folder, storage) = storage();
    put(&storage, "a.csv", "0123456789").await;
    for (range, expected) in [(7..100, "789"), (0..1, "0"), (9..10, "9"), (10..20, ""), (50..60, "")] {
        let download = storage.get("a.csv", Some(range.clone()), None).await.unwrap();
        assert_eq!(download.info.size, 10);
        assert_eq!(collect(download.body, 100).await.unwrap(), expected.as_bytes(), "{range:?}");
    }
}

#[tokio::test]
async fn a_folder_has_no_addresses() {
    let (_folder, storage) = storage();
    put(&storage, "a.csv", "x").await;
    assert!(matches!(storage.url_to_get("a.csv", 60, "inline").await, Err(StorageError::Unsupported)));
    assert!(matches!(storage.url_to_put("a.csv", 60, CSV).await, Err(StorageError::Unsupported)));
}

#[tokio::test]
async fn a_content_type_follows_from_the_name() {
    let (_folder, storage) = storage();
    for (key, expected) in [("a.csv", CSV), ("a.JSON", "application/json"), ("a.bin", "application/octet-stream")] {
        put(&storage, key, "x").await;
        assert_eq!(storage.info(key).await.unwrap().unwrap().content_type.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn of_writers_at_once_one_wins_whole() {
    let (_folder, storage) = storage();
    let texts: Vec<String> = (0..8).map(|number| number.to_string().repeat(300_000)).collect();
    let writing = texts.iter().map(|text| put(&storage, "a.csv", text));
    let stored = futures_util::future::join_all(writing).await;
    let kept = text(&storage, "a.csv").await;
    assert!(texts.contains(&kept));
    assert!(stored.iter().all(|stored| stored.size == 300_000));
    assert_eq!(keys(&storage).await, ["a.csv"]);
}

#[tokio::test]
async fn what_others_put_into_the_folder_is_seen() {
    let (folder, storage) = storage();
    fs::create_dir_all(folder.path().join("root/x")).unwrap();
    fs::write(folder.path().join("root/x/tape.csv"), "by hand").unwrap();
    assert_eq!(keys(&storage).await, ["x", "x/tape.csv"]);
    assert_eq!(text(&storage, "x/tape.csv").await, "by hand");
}
