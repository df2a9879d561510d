//! The index of a bucket: its objects, the uploads under way, and the notifications of objects that appeared.

use std::{collections::HashSet, path::Path, time::Duration};

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use uuid::Uuid;

use super::blobs::Blob;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS objects (
        key TEXT PRIMARY KEY, blobs TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, described TEXT NOT NULL,
        modified INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS uploads (id TEXT PRIMARY KEY, key TEXT NOT NULL, described TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS parts (
        upload TEXT NOT NULL, number INTEGER NOT NULL, blob TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (upload, number)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS appeared (
        id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL
    );
";

/// The index. Only one thread uses it at a time.
pub struct Index {
    connection: Connection,
}

#[derive(Debug, Clone)]
pub struct Object {
    pub key: String,
    /// Contents of the object, in order.
    pub blobs: Vec<Blob>,
    /// Size in bytes.
    pub size: u64,
    /// Tag of the content, without quotes.
    pub etag: String,
    /// Headers that the object was stored with, as JSON.
    pub described: String,
    /// Time at which the object was stored, in milliseconds since 1970.
    pub modified: i64,
}

/// A notification that an object appeared. It stays until the worker acknowledges it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appeared {
    /// Number of the notification. Numbers ascend and are never used again.
    pub id: i64,
    /// Key of the object.
    pub key: String,
    /// Size of the object in bytes.
    pub size: u64,
    /// Tag of the content, without quotes.
    pub etag: String,
}

/// Condition on the object that a write replaces.
#[derive(Debug, Clone, Default)]
pub struct Precondition {
    /// No object has this key.
    pub absent: bool,
    /// The object has this tag.
    pub etag: Option<String>,
}

/// Result of writing an object.
#[derive(Debug)]
pub enum Replaced {
    /// The object is written; these contents are unused now.
    Done(Vec<Blob>),
    /// The condition does not hold.
    Refused,
    /// A part was uploaded again meanwhile, so the object would refer to contents that are gone.
    PartsChanged,
}

/// An upload in parts.
pub struct Upload {
    /// Key of the object that is being uploaded.
    pub key: String,
    /// Headers of the object, as JSON.
    pub described: String,
}

/// A part of an upload.
pub struct UploadPart {
    /// Number of the part, from 1.
    pub number: i32,
    pub blob: Blob,
    pub tag: String,
}

fn json(blobs: &[Blob]) -> String {
    serde_json::to_string(blobs).unwrap_or_default()
}

fn blobs_of(json: &str) -> Vec<Blob> {
    serde_json::from_str(json).unwrap_or_default()
}

fn object(row: &Row<'_>) -> rusqlite::Result<Object> {
    Ok(Object {
        key: row.get(0)?,
        blobs: blobs_of(&row.get::<_, String>(1)?),
        size: row.get(2)?,
        etag: row.get(3)?,
        described: row.get(4)?,
        modified: row.get(5)?,
    })
}

/// Removes the parts of an upload. Returns their contents.
fn parts_removed(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Vec<Blob>> {
    let mut contents = Vec::new();
    let mut delete = transaction.prepare("DELETE FROM parts WHERE upload = ? RETURNING blob")?;
    for blob in delete.query_map([id], |row| row.get::<_, String>(0))? {
        contents.extend(blobs_of(&blob?));
    }
    Ok(contents)
}

const OBJECT: &str = "key, blobs, size, etag, described, modified";

impl Index {
    /// Opens the index in a file, and removes the uploads that were under way.
    pub fn open(file: &Path, durable: bool) -> rusqlite::Result<Self> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "OFF" })?;
        // This process has locked the folder, so the clients of these uploads are gone.
        connection.execute_batch("DROP TABLE IF EXISTS uploads; DROP TABLE IF EXISTS parts;")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection })
    }

    /// The contents in use.
    pub fn blobs(&self) -> rusqlite::Result<HashSet<Uuid>> {
        let mut kept = HashSet::new();
        let mut objects = self.connection.prepare("SELECT blobs FROM objects")?;
        for blobs in objects.query_map([], |row| row.get::<_, String>(0))? {
            kept.extend(blobs_of(&blobs?).into_iter().map(|blob| blob.id));
        }
        let mut parts = self.connection.prepare("SELECT blob FROM parts")?;
        for blob in parts.query_map([], |row| row.get::<_, String>(0))? {
            kept.extend(blobs_of(&blob?).into_iter().map(|blob| blob.id));
        }
        Ok(kept)
    }

    /// Finds an object by its key.
    pub fn get(&mut self, key: &str) -> rusqlite::Result<Option<Object>> {
        let mut select = self.connection.prepare_cached(&format!("SELECT {OBJECT} FROM objects WHERE key = ?"))?;
        select.query_row([key], object).optional()
    }

    /// Objects with a prefix whose keys are greater than `after`, in the order of their bytes.
    pub fn list(&mut self, prefix: &str, after: &str, limit: usize) -> rusqlite::Result<Vec<Object>> {
        // SQLite compares keys byte by byte, so that keys with a prefix follow each other, beginning with the prefix itself.
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {OBJECT} FROM objects WHERE key >= ?1 AND key > ?2 AND key < ?3 ORDER BY key LIMIT ?4"
        ))?;
        let end = format!("{prefix}{}", char::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        select.query_map(params![prefix, after, end, limit], object)?.collect()
    }

    /// Writes an object, and with `watched` a notification that it appeared.
    pub fn put(&mut self, new: &Object, condition: &Precondition, watched: bool) -> rusqlite::Result<Replaced> {
        let transaction = self.connection.transaction()?;
        let replaced = put(&transaction, new, condition, watched)?;
        transaction.commit()?;
        Ok(replaced)
    }

    /// Deletes an object. Returns its contents.
    pub fn delete(&mut self, key: &str) -> rusqlite::Result<Vec<Blob>> {
        let mut delete = self.connection.prepare_cached("DELETE FROM objects WHERE key = ? RETURNING blobs")?;
        let blobs = delete.query_row([key], |row| row.get::<_, String>(0)).optional()?;
        Ok(blobs.map_or_else(Vec::new, |blobs| blobs_of(&blobs)))
    }

    /// Begins an upload in parts.
    pub fn begin(&mut self, id: &str, upload: &Upload) -> rusqlite::Result<()> {
        let insert = "INSERT INTO uploads VALUES (?, ?, ?)";
        self.connection.execute(insert, params![id, upload.key, upload.described]).map(drop)
    }

    /// Finds an upload by its id.
    pub fn upload(&mut self, id: &str) -> rusqlite::Result<Option<Upload>> {
        let mut select = self.connection.prepare_cached("SELECT key, described FROM uploads WHERE id = ?")?;
        select.query_row([id], |row| Ok(Upload { key: row.get(0)?, described: row.get(1)? })).optional()
    }

    /// Adds a part to an upload. Returns the contents that it replaces; `None` when there is no such upload.
    pub fn add_part(&mut self, id: &str, part: &UploadPart) -> rusqlite::Result<Option<Vec<Blob>>> {
        let transaction = self.connection.transaction()?;
        let there = transaction.query_row("SELECT 1 FROM uploads WHERE id = ?", [id], |_| Ok(())).optional()?;
        if there.is_none() {
            return Ok(None);
        }
        let select = "SELECT blob FROM parts WHERE upload = ? AND number = ?";
        let replaced: Option<String> = transaction.query_row(select, params![id, part.number], |row| row.get(0)).optional()?;
        let blob = json(std::slice::from_ref(&part.blob));
        transaction.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?)", params![id, part.number, blob, part.tag])?;
        transaction.commit()?;
        Ok(Some(replaced.map_or_else(Vec::new, |replaced| blobs_of(&replaced))))
    }

    /// The parts of an upload, by number.
    pub fn parts(&mut self, id: &str) -> rusqlite::Result<Vec<UploadPart>> {
        let mut select =
            self.connection.prepare_cached("SELECT number, blob, tag FROM parts WHERE upload = ? ORDER BY number")?;
        let part = |row: &Row<'_>| {
            let blob = blobs_of(&row.get::<_, String>(1)?).into_iter().next();
            let blob = blob.ok_or(rusqlite::Error::InvalidColumnName("blob".to_owned()))?;
            Ok(UploadPart { number: row.get(0)?, blob, tag: row.get(2)? })
        };
        select.query_map([id], part)?.collect()
    }

    /// Creates an object from all or some parts of an upload; `None` when the upload does not exist any more.
    pub fn complete(
        &mut self,
        id: &str,
        new: &Object,
        condition: &Precondition,
        watched: bool,
    ) -> rusqlite::Result<Option<Replaced>> {
        let transaction = self.connection.transaction()?;
        if transaction.execute("DELETE FROM uploads WHERE id = ?", [id])? == 0 {
            return Ok(None);
        }
        let mut parts = parts_removed(&transaction, id)?;
        if !new.blobs.iter().all(|blob| parts.contains(blob)) {
            return Ok(Some(Replaced::PartsChanged));
        }
        parts.retain(|blob| !new.blobs.contains(blob));
        Ok(Some(match put(&transaction, new, condition, watched)? {
            Replaced::Done(replaced) => {
                transaction.commit()?;
                parts.extend(replaced);
                Replaced::Done(parts)
            }
            other => other,
        }))
    }

    /// Aborts an upload. Returns its contents; `None` when there is no such upload.
    pub fn abort(&mut self, id: &str) -> rusqlite::Result<Option<Vec<Blob>>> {
        let transaction = self.connection.transaction()?;
        if transaction.execute("DELETE FROM uploads WHERE id = ?", [id])? == 0 {
            return Ok(None);
        }
        let contents = parts_removed(&transaction, id)?;
        transaction.commit()?;
        Ok(Some(contents))
    }

    /// Notifications that are not acknowledged, the oldest first, at most `limit`.
    pub fn appeared(&mut self, limit: u32) -> rusqlite::Result<Vec<Appeared>> {
        let mut select = self.connection.prepare_cached("SELECT id, key, size, etag FROM appeared ORDER BY id LIMIT ?")?;
        let appeared = |row: &Row<'_>| Ok(Appeared { id: row.get(0)?, key: row.get(1)?, size: row.get(2)?, etag: row.get(3)? });
        select.query_map([limit], appeared)?.collect()
    }

    /// Removes a notification.
    pub fn acknowledge(&mut self, id: i64) -> rusqlite::Result<()> {
        self.connection.execute("DELETE FROM appeared WHERE id = ?", [id]).map(drop)
    }
}

fn put(transaction: &Transaction<'_>, new: &Object, condition: &Precondition, watched: bool) -> rusqlite::Result<Replaced> {
    let select = "SELECT blobs, etag FROM objects WHERE key = ?";
    let old: Option<(String, String)> =
        transaction.query_row(select, [&new.key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let holds = !(condition.absent && old.is_some())
        && condition.etag.as_ref().is_none_or(|etag| old.as_ref().is_some_and(|(_, old)| old == etag));
    if !holds {
        return Ok(Replaced::Refused);
    }
    transaction.execute(
        "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)",
        params![new.key, json(&new.blobs), new.size, new.etag, new.described, new.modified],
    )?;
    if watched {
        let insert = "INSERT INTO appeared (key, size, etag) VALUES (?, ?, ?)";
        transaction.execute(insert, params![new.key, new.size, new.etag])?;
    }
    Ok(Replaced::Done(old.map_or_else(Vec::new, |(blobs, _)| blobs_of(&blobs))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob() -> Blob {
        Blob { id: Uuid::new_v4(), size: 1 }
    }

    fn part(number: i32, blob: &Blob) -> UploadPart {
        UploadPart { number, blob: blob.clone(), tag: "t".to_owned() }
    }

    fn object(blobs: &[&Blob]) -> Object {
        let blobs = blobs.iter().copied().cloned().collect();
        Object { key: "k".to_owned(), blobs, size: 1, etag: "e".to_owned(), described: "{}".to_owned(), modified: 0 }
    }

    fn index(folder: &Path) -> Index {
        let mut index = Index::open(&folder.join("bucket.sqlite"), false).unwrap();
        index.begin("u", &Upload { key: "k".to_owned(), described: "{}".to_owned() }).unwrap();
        index
    }

    #[test]
    fn uploads_of_another_version_of_the_product_do_not_stand_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let older = Connection::open(folder.path().join("bucket.sqlite")).unwrap();
        older.execute_batch("CREATE TABLE parts (upload TEXT, number INTEGER, blob TEXT, md5 BLOB)").unwrap();
        drop(older);
        let mut index = index(folder.path());
        let first = blob();
        index.add_part("u", &part(1, &first)).unwrap().unwrap();
        assert_eq!(index.parts("u").unwrap()[0].blob, first);
    }

    #[test]
    fn an_object_is_never_of_a_part_that_was_sent_again_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = index(folder.path());
        let (first, again, left) = (blob(), blob(), blob());
        index.add_part("u", &part(1, &first)).unwrap().unwrap();
        index.add_part("u", &part(2, &left)).unwrap().unwrap();
        assert_eq!(index.add_part("u", &part(1, &again)).unwrap().unwrap(), std::slice::from_ref(&first));
        let mut complete = |blob: &Blob| index.complete("u", &object(&[blob]), &Precondition::default(), false).unwrap();
        assert!(matches!(complete(&first), Some(Replaced::PartsChanged)));
        // The upload still exists; parts that the object does not use are freed.
        let Some(Replaced::Done(freed)) = complete(&again) else { panic!("the upload is gone") };
        assert_eq!(freed, [left]);
        assert_eq!(index.get("k").unwrap().unwrap().blobs, [again]);
    }
}
