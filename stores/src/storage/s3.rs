//! Files in an S3 bucket. A created folder is an empty object whose key ends with a slash.

use std::{ops::Range, time::Duration};

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    presigning::PresigningConfig,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use shared::tape::text::Fingerprint;

use crate::{
    StoreError, keys,
    sdk_error::{failed, unbuilt},
};

use super::{
    ByteStream, Download, Entry, FileInfo, Found, InTheWay, SignedUrl, StorageBackend, StorageError, Stored, collect, stream_of,
};

/// Size of the parts of a multipart upload, in bytes.
pub const PART_BYTES: usize = 8 * 1024 * 1024;
/// Largest object that one request can copy, in bytes.
const MAX_COPY: u64 = 5 * 1024 * 1024 * 1024;
/// Size of the parts in which a larger object is copied, in bytes.
const COPIED_PART: u64 = 1024 * 1024 * 1024;

/// Storage in an S3 bucket.
#[derive(Clone)]
pub struct S3Storage {
    pub client: Client,
    /// Name of the bucket.
    pub bucket: String,
}

/// Translates an error of S3.
fn meaning<E>(error: SdkError<E>) -> StorageError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    match code {
        Some("NoSuchKey" | "NotFound") => StorageError::NotFound,
        Some("PreconditionFailed" | "ConditionalRequestConflict") => StorageError::Changed,
        // The SDK retries by itself, so a missing upload may have been completed by an attempt whose answer was lost. The code
        // cannot find out, but a retry of the whole upload helps.
        Some("NoSuchUpload") => StorageError::Store(StoreError::Unavailable(Box::new(error))),
        _ => StorageError::Store(failed(error)),
    }
}

/// An ETag without its quotes.
fn bare(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn moment(time: Option<&aws_sdk_s3::primitives::DateTime>) -> Timestamp {
    let millis = time.and_then(|time| time.to_millis().ok()).unwrap_or(0);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn size(bytes: Option<i64>) -> u64 {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
}

/// Characters that are percent-encoded in the source of a copy.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

impl S3Storage {
    /// Checks that the bucket accepts and returns objects: writes an object of the check and reads it back. All checks write the
    /// same object, so that concurrent checks do not disturb each other.
    ///
    /// # Errors
    /// [`StorageError::Store`] when S3 does not answer; [`StorageError::Changed`] when it returns other bytes.
    pub async fn try_out(&self) -> Result<(), StorageError> {
        let byte = Bytes::from_static(b"1");
        self.put_bytes(keys::TRIED_OUT, byte.clone(), "text/plain").await?;
        let read = collect(self.get(keys::TRIED_OUT, None, None).await?.body, byte.len()).await?;
        if read == byte { Ok(()) } else { Err(StorageError::Changed) }
    }

    /// Stores a file whose bytes are all in memory.
    ///
    /// # Errors
    /// [`StorageError::Store`] when S3 does not answer.
    pub async fn put_bytes(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<FileInfo, StorageError> {
        let size = bytes.len() as u64;
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type).body(bytes.into());
        let put = put.send().await.map_err(meaning)?;
        let etag = bare(put.e_tag());
        Ok(FileInfo { size, etag, last_modified: Timestamp::UNIX_EPOCH, content_type: Some(content_type.to_owned()) })
    }

    /// Begins a multipart upload.
    ///
    /// # Errors
    /// [`StorageError::Store`] when S3 does not answer.
    pub async fn begin(&self, key: &str, content_type: &str) -> Result<Multipart, StorageError> {
        let create = self.client.create_multipart_upload().bucket(&self.bucket).key(key).content_type(content_type);
        let created = create.send().await.map_err(meaning)?;
        let id = created.upload_id().unwrap_or_default().to_owned();
        Ok(Multipart { storage: self.clone(), key: key.to_owned(), id, parts: Vec::new() })
    }

    async fn copy_in_parts(&self, from: &str, to: &str, info: &FileInfo) -> Result<(), StorageError> {
        let mut upload = self.begin(to, info.content_type.as_deref().unwrap_or("application/octet-stream")).await?;
        let mut start = 0;
        while start < info.size {
            let end = (start + COPIED_PART).min(info.size);
            let number = upload.next_number()?;
            let copy = self.client.upload_part_copy().bucket(&self.bucket).key(to).upload_id(&upload.id);
            let copy = copy.part_number(number).copy_source(self.source(from)).copy_source_if_match(quoted(&info.etag));
            match copy.copy_source_range(format!("bytes={start}-{}", end - 1)).send().await.map_err(meaning) {
                Ok(copied) => {
                    let tag = copied.copy_part_result().and_then(|result| result.e_tag()).unwrap_or_default();
                    upload.parts.push(CompletedPart::builder().part_number(number).e_tag(tag).build());
                }
                Err(error) => {
                    upload.abort().await;
                    return Err(error);
                }
            }
            start = end;
        }
        upload.complete().await.map(drop)
    }

    fn source(&self, key: &str) -> String {
        format!("{}/{}", self.bucket, utf8_percent_encode(key, KEY))
    }

    /// Whether any object lies below a prefix that ends with a slash, and whether any lies there besides the folder's own object.
    async fn below(&self, prefix: &str) -> Result<(bool, bool), StorageError> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).max_keys(2);
        let listed = list.send().await.map_err(meaning)?;
        let keys: Vec<&str> = listed.contents().iter().filter_map(|object| object.key()).collect();
        Ok((!keys.is_empty(), keys.iter().any(|key| *key != prefix)))
    }
}

/// A multipart upload. The file appears when the upload is completed.
pub struct Multipart {
    storage: S3Storage,
    key: String,
    id: String,
    parts: Vec<CompletedPart>,
}

impl Multipart {
    fn next_number(&self) -> Result<i32, StorageError> {
        match i32::try_from(self.parts.len() + 1) {
            Ok(number) if number <= 10_000 => Ok(number),
            _ => Err(StorageError::TooLarge { limit: 10_000 * PART_BYTES as u64 }),
        }
    }

    /// Stores the next part.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] when the upload has 10,000 parts already; [`StorageError::Store`] when S3 does not answer.
    pub async fn add(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let number = self.next_number()?;
        let S3Storage { client, bucket } = &self.storage;
        let part = client.upload_part().bucket(bucket).key(&self.key).upload_id(&self.id).part_number(number);
        // Do not sign the bytes: they travel over TLS or stay within the process, and signing costs as much as hashing the tape.
        let part = part.body(bytes.into()).customize().disable_payload_signing().send().await.map_err(meaning)?;
        self.parts.push(CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build());
        Ok(())
    }

    /// Makes the file appear and returns its ETag.
    ///
    /// # Errors
    /// [`StorageError::Store`] when S3 does not answer. The upload is aborted then, so that no parts remain.
    pub async fn complete(self) -> Result<String, StorageError> {
        let S3Storage { client, bucket } = &self.storage;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.parts.clone())).build();
        let complete = client.complete_multipart_upload().bucket(bucket).key(&self.key).upload_id(&self.id);
        match complete.multipart_upload(parts).send().await.map_err(meaning) {
            Ok(completed) => Ok(bare(completed.e_tag())),
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    /// Aborts the upload. If this fails, the bucket's own rule for old uploads removes the parts later.
    pub async fn abort(self) {
        let S3Storage { client, bucket } = &self.storage;
        let abort = client.abort_multipart_upload().bucket(bucket).key(&self.key).upload_id(&self.id);
        if let Err(error) = abort.send().await {
            tracing::warn!(error = %aws_sdk_s3::error::DisplayErrorContext(&error), "an upload could not be aborted");
        }
    }
}

/// Reads the next part from a stream. The second value says whether the stream has ended.
async fn next_part(body: &mut ByteStream, rest: &mut BytesMut) -> Result<(Bytes, bool), StorageError> {
    while rest.len() < PART_BYTES {
        match body.next().await {
            Some(bytes) => rest.extend_from_slice(&bytes?),
            None => return Ok((rest.split().freeze(), true)),
        }
    }
    Ok((rest.split_to(PART_BYTES).freeze(), false))
}

/// Number of concurrent deletions. A run of a hundred million loans leaves thousands of files, and each takes a round trip.
const DELETIONS_AT_ONCE: usize = 32;

impl S3Storage {
    /// Deletes all files in a folder and in its subfolders.
    ///
    /// # Errors
    /// [`StorageError::Store`] when S3 does not answer. Some files may be deleted then.
    pub async fn delete_below(&self, folder: &str) -> Result<(), StorageError> {
        let files = self.list(folder, true).await?.into_iter().filter(|entry| entry.file.is_some());
        let deletions = stream::iter(files.map(|entry| async move { self.delete(&entry.key).await }));
        deletions.buffer_unordered(DELETIONS_AT_ONCE).try_collect().await
    }
}

#[async_trait]
impl StorageBackend for S3Storage {
    async fn find(&self, key: &str) -> Result<Option<Found>, StorageError> {
        if !key.is_empty()
            && let Some(info) = self.info(key).await?
        {
            return Ok(Some(Found::File(info)));
        }
        let (there, more) = self.below(&folder_prefix(key)).await?;
        Ok(there.then_some(Found::Folder { empty: !more }))
    }

    async fn info(&self, key: &str) -> Result<Option<FileInfo>, StorageError> {
        match self.client.head_object().bucket(&self.bucket).key(key).send().await.map_err(meaning) {
            Ok(head) => Ok(Some(FileInfo {
                size: size(head.content_length()),
                etag: bare(head.e_tag()),
                last_modified: moment(head.last_modified()),
                content_type: head.content_type,
            })),
            Err(StorageError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, folder: &str, recursive: bool) -> Result<Vec<Entry>, StorageError> {
        let prefix = folder_prefix(folder);
        let mut entries: Vec<Entry> = Vec::new();
        let mut token = None;
        loop {
            let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(&prefix).set_continuation_token(token);
            let list = list.set_delimiter((!recursive).then(|| "/".to_owned()));
            let listed = list.send().await.map_err(meaning)?;
            for object in listed.contents() {
                let Some(key) = object.key().filter(|key| *key != prefix) else { continue };
                if recursive {
                    entries.extend(folders_between(&prefix, key));
                }
                if !key.ends_with('/') {
                    let file = FileInfo {
                        size: size(object.size()),
                        etag: bare(object.e_tag()),
                        last_modified: moment(object.last_modified()),
                        content_type: None,
                    };
                    entries.push(Entry { key: key.to_owned(), file: Some(file) });
                }
            }
            let folders = listed.common_prefixes().iter().filter_map(|common| common.prefix());
            entries.extend(folders.map(|common| Entry { key: common.trim_end_matches('/').to_owned(), file: None }));
            token = listed.next_continuation_token;
            if token.is_none() {
                break;
            }
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key).then(a.file.is_some().cmp(&b.file.is_some())));
        entries.dedup_by(|a, b| a.key == b.key && a.file.is_some() == b.file.is_some());
        Ok(entries)
    }

    async fn put(&self, key: &str, mut body: ByteStream, content_type: &str, limit: u64) -> Result<Stored, StorageError> {
        let (mut hash, mut size, mut rest) = (Sha256::new(), 0, BytesMut::new());
        let mut upload: Option<Multipart> = None;
        let outcome = loop {
            let (part, last) = match next_part(&mut body, &mut rest).await {
                Ok(part) => part,
                Err(error) => break Err(error),
            };
            size += part.len() as u64;
            if size > limit {
                break Err(StorageError::TooLarge { limit });
            }
            hash.update(&part);
            match &mut upload {
                None if last => break self.put_bytes(key, part, content_type).await.map(|info| Some(info.etag)),
                None => match self.begin(key, content_type).await {
                    Ok(begun) => {
                        let begun = upload.insert(begun);
                        if let Err(error) = begun.add(part).await {
                            break Err(error);
                        }
                    }
                    Err(error) => break Err(error),
                },
                Some(_) if last && part.is_empty() => break Ok(None),
                Some(upload) => {
                    if let Err(error) = upload.add(part).await {
                        break Err(error);
                    }
                    if last {
                        break Ok(None);
                    }
                }
            }
        };
        let etag = match (outcome, upload) {
            (Ok(Some(etag)), _) => etag,
            (Ok(None), Some(upload)) => upload.complete().await?,
            (Ok(None), None) => return Err(StorageError::Broken),
            (Err(error), upload) => {
                if let Some(upload) = upload {
                    upload.abort().await;
                }
                return Err(error);
            }
        };
        let Fingerprint { size, sha256 } = Fingerprint::new(size, hash);
        Ok(Stored { size, sha256, etag })
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>, etag: Option<&str>) -> Result<Download, StorageError> {
        // A request to S3 cannot name an empty range, such as that of an empty file.
        if range.as_ref().is_some_and(Range::is_empty) {
            let info = self.info(key).await?.ok_or(StorageError::NotFound)?;
            return Ok(Download { info, body: stream_of(Bytes::new()) });
        }
        let get = self.client.get_object().bucket(&self.bucket).key(key).set_if_match(etag.map(quoted));
        let get = get.set_range(range.map(|range| format!("bytes={}-{}", range.start, range.end - 1)));
        let got = get.send().await.map_err(meaning)?;
        let info = FileInfo {
            size: size(got.content_length()),
            etag: bare(got.e_tag()),
            last_modified: moment(got.last_modified()),
            content_type: got.content_type,
        };
        let body = stream::try_unfold(got.body, |mut body| async move {
            let broken = |error| StorageError::Store(StoreError::Unavailable(Box::new(error)));
            Ok(body.try_next().await.map_err(broken)?.map(|bytes| (bytes, body)))
        });
        Ok(Download { info, body: Box::pin(body) })
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.client.delete_object().bucket(&self.bucket).key(key).send().await.map_err(meaning).map(drop)
    }

    async fn delete_folder(&self, key: &str) -> Result<(), StorageError> {
        let prefix = folder_prefix(key);
        let (_, more) = self.below(&prefix).await?;
        if more { Err(StorageError::NotEmpty) } else { self.delete(&prefix).await }
    }

    async fn make_folder(&self, key: &str) -> Result<bool, StorageError> {
        self.check_folders(key).await?;
        match self.find(key).await? {
            Some(Found::File(_)) => Err(StorageError::InTheWay(InTheWay::File)),
            Some(Found::Folder { .. }) => Ok(false),
            None => {
                let put = self.client.put_object().bucket(&self.bucket).key(folder_prefix(key)).if_none_match("*");
                match put.content_type("application/x-directory").body(Bytes::new().into()).send().await.map_err(meaning) {
                    Ok(_) => Ok(true),
                    // Another request created the folder in the meantime.
                    Err(StorageError::Changed) => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
    }

    async fn copy(&self, from: &str, to: &str, etag: Option<&str>) -> Result<(), StorageError> {
        let info = self.info(from).await?.ok_or(StorageError::NotFound)?;
        if etag.is_some_and(|etag| etag != info.etag) {
            return Err(StorageError::Changed);
        }
        if info.size > MAX_COPY {
            return self.copy_in_parts(from, to, &info).await;
        }
        let copy = self.client.copy_object().bucket(&self.bucket).key(to).copy_source(self.source(from));
        copy.copy_source_if_match(quoted(&info.etag)).send().await.map_err(meaning).map(drop)
    }

    async fn url_to_get(&self, key: &str, seconds: u64, disposition: &str) -> Result<SignedUrl, StorageError> {
        let config =
            PresigningConfig::expires_in(Duration::from_secs(seconds)).map_err(|error| StorageError::Store(unbuilt(error)))?;
        let get = self.client.get_object().bucket(&self.bucket).key(key).response_content_disposition(disposition);
        let signed = get.presigned(config).await.map_err(meaning)?;
        Ok(SignedUrl { url: signed.uri().to_owned(), headers: Vec::new() })
    }

    async fn url_to_put(&self, key: &str, seconds: u64, content_type: &str) -> Result<SignedUrl, StorageError> {
        let config =
            PresigningConfig::expires_in(Duration::from_secs(seconds)).map_err(|error| StorageError::Store(unbuilt(error)))?;
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type);
        let signed = put.presigned(config).await.map_err(meaning)?;
        let headers = signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(SignedUrl { url: signed.uri().to_owned(), headers })
    }
}

fn folder_prefix(folder: &str) -> String {
    if folder.is_empty() { String::new() } else { format!("{folder}/") }
}

/// The folders between a prefix and a key, as entries.
fn folders_between<'k>(prefix: &'k str, key: &'k str) -> impl Iterator<Item = Entry> + 'k {
    let slashes = key.char_indices().filter(move |(at, c)| *c == '/' && *at >= prefix.len());
    slashes.map(move |(at, _)| Entry { key: key[..at].to_owned(), file: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_what_files_have_in_front() {
        let keys = |prefix, key| folders_between(prefix, key).map(|entry| entry.key).collect::<Vec<_>>();
        assert_eq!(keys("inputs/", "inputs/a/b/c.csv"), ["inputs/a", "inputs/a/b"]);
        assert_eq!(keys("inputs/", "inputs/c.csv"), [""; 0]);
        assert_eq!(keys("", "a/"), ["a"]);
    }
}
