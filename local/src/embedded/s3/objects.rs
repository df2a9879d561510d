//! Objects: writing, reading, listing.

use std::{collections::BTreeMap, io, ops::Range, time::Duration};

use s3s::{
    S3ErrorCode, S3Result,
    dto::{
        CommonPrefix, CopySource, ETag, ETagCondition, GetObjectInput, GetObjectOutput, ListObjectsV2Input, ListObjectsV2Output,
        Object as ListedObject, PutObjectInput, Range as ByteRange, StreamingBlob, Timestamp,
    },
    s3_error,
};
use serde::{Deserialize, Serialize};

use super::{
    Bucket,
    blobs::{Blob, OpenError, WrittenBlob},
    blocking, failed,
    index::{Object, Precondition, Replaced},
};

/// Maximum size in bytes of an object that is sent in one request, and of a part.
pub const MAX_PUT: u64 = 5 * 1024 * 1024 * 1024;
/// Maximum length of a key in bytes.
const MAX_KEY: usize = 1024;
/// Maximum size in bytes of a content that is read into memory instead of being streamed.
const SMALL: u64 = 1024 * 1024;

/// The headers that an object is stored with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Described {
    pub content_type: Option<String>,
    pub content_disposition: Option<String>,
    /// The user-defined headers, `x-amz-meta-*`.
    pub metadata: BTreeMap<String, String>,
}

impl Described {
    /// The JSON that the index stores.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the headers of an object from the index's JSON.
    pub fn of(object: &Object) -> Self {
        serde_json::from_str(&object.described).unwrap_or_default()
    }
}

/// The condition on the object that a write replaces. `NotImplemented` for conditions that the product does not use.
pub fn precondition(if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>) -> S3Result<Precondition> {
    let etag = match if_match {
        None => None,
        Some(ETagCondition::ETag(tag)) => Some(tag.value().to_owned()),
        Some(ETagCondition::Any) => return Err(s3_error!(NotImplemented, "If-Match: * is not known here.")),
    };
    match if_none_match {
        None => Ok(Precondition { absent: false, etag }),
        Some(ETagCondition::Any) => Ok(Precondition { absent: true, etag }),
        Some(ETagCondition::ETag(_)) => Err(s3_error!(NotImplemented, "If-None-Match takes * alone here.")),
    }
}

impl Bucket {
    /// Checks that a request is for this bucket.
    pub fn expect(&self, bucket: &str) -> S3Result<()> {
        if bucket == self.inner.name { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// The current time, in milliseconds since 1970.
    pub fn now(&self) -> i64 {
        self.inner.clock.now().as_millisecond()
    }

    /// Whether the bucket reports to the worker that this object appears.
    pub fn is_watched(&self, key: &str) -> bool {
        key.starts_with(&self.inner.watched_prefix)
    }

    /// Stores a content. `md5` is the expected MD5 in base64.
    pub async fn write_content(&self, body: Option<StreamingBlob>, md5: Option<&str>) -> S3Result<WrittenBlob> {
        use base64::Engine as _;
        self.present()?;
        let md5 = md5.map(|text| base64::engine::general_purpose::STANDARD.decode(text));
        let md5 = md5.transpose().map_err(|_| s3_error!(InvalidDigest))?;
        let body = body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty()));
        let blobs = self.inner.blobs.clone();
        blobs.write(body, MAX_PUT, md5).await.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => s3_error!(BadDigest),
            io::ErrorKind::FileTooLarge => s3_error!(EntityTooLarge),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::Other => s3_error!(error, IncompleteBody),
            _ => failed(error),
        })
    }

    /// Deletes unused contents.
    pub async fn remove(&self, contents: Vec<Blob>) {
        let blobs = self.inner.blobs.clone();
        let _ = tokio::task::spawn_blocking(move || blobs.remove(&contents)).await;
    }

    /// Puts an object into the index, and deletes the contents that it replaces.
    pub async fn place(&self, new: Object, condition: Precondition) -> S3Result<()> {
        let watched = self.is_watched(&new.key);
        let (inner, contents) = (self.inner.clone(), new.blobs.clone());
        let placed = match blocking(move || inner.blobs.sync()).await {
            Ok(()) => self.change_index(move |index| index.put(&new, &condition, watched)).await,
            Err(error) => Err(error),
        };
        match placed {
            Ok(Replaced::Done(replaced)) => {
                self.remove(replaced).await;
                if watched {
                    self.inner.appeared.notify_one();
                }
                Ok(())
            }
            Ok(Replaced::Refused | Replaced::PartsChanged) => {
                self.remove(contents).await;
                Err(s3_error!(PreconditionFailed))
            }
            // Keep the contents: the folder may come back, and its index may refer to them.
            Err(error) if *error.code() == S3ErrorCode::ServiceUnavailable => Err(error),
            Err(error) => {
                self.remove(contents).await;
                Err(error)
            }
        }
    }

    /// Stores an object. Returns its tag.
    pub async fn put(&self, input: PutObjectInput) -> S3Result<String> {
        self.expect(&input.bucket)?;
        check_key(&input.key)?;
        let condition = precondition(input.if_match, input.if_none_match)?;
        let described = Described {
            content_type: input.content_type,
            content_disposition: input.content_disposition,
            metadata: input.metadata.into_iter().flatten().collect(),
        };
        if input.content_length.is_some_and(|length| u64::try_from(length).is_ok_and(|length| length > MAX_PUT)) {
            return Err(s3_error!(EntityTooLarge));
        }
        let WrittenBlob { blob, tag: etag } = self.write_content(input.body, input.content_md5.as_deref()).await?;
        let (size, modified) = (blob.size, self.now());
        let new = Object { key: input.key, blobs: vec![blob], size, etag: etag.clone(), described: described.json(), modified };
        self.place(new, condition).await?;
        Ok(etag)
    }

    /// Finds an object by its key.
    pub async fn find(&self, bucket: &str, key: &str) -> S3Result<Object> {
        self.expect(bucket)?;
        let key = key.to_owned();
        self.with_index(move |index| index.get(&key)).await?.ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Reads an object or a range of it.
    pub async fn read(&self, input: GetObjectInput) -> S3Result<GetObjectOutput> {
        let mut missed: Option<Vec<Blob>> = None;
        let (object, range, body) = loop {
            let object = self.find(&input.bucket, &input.key).await?;
            if missed.as_ref() == Some(&object.blobs) {
                let advice =
                    "the content of a file is not in the data folder any more: bring it back from a backup, or store it again";
                tracing::error!(key = object.key, "{advice}");
                let lost = io::Error::new(io::ErrorKind::NotFound, advice);
                return Err(s3_error!(lost, ServiceUnavailable));
            }
            check_conditions(&object, input.if_match.clone(), input.if_none_match.clone())?;
            let range = byte_range(input.range, object.size)?;
            if let Some(body) = self.open_content(&object, range.clone()).await? {
                break (object, range, body);
            }
            // The object was replaced after the lookup, and its content was deleted. Look up the new object.
            missed = Some(object.blobs);
        };
        let partial = range != (0..object.size) || input.range.is_some();
        let described = Described::of(&object);
        Ok(GetObjectOutput {
            body: Some(body),
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(range.end - range.start).ok(),
            content_range: partial.then(|| format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), object.size)),
            content_type: input.response_content_type.or(described.content_type),
            content_disposition: input.response_content_disposition.or(described.content_disposition),
            cache_control: input.response_cache_control,
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(timestamp(object.modified)),
            metadata: (!described.metadata.is_empty()).then(|| described.metadata.into_iter().collect()),
            ..GetObjectOutput::default()
        })
    }

    /// Opens a range of the content of an object; `None` when the content is gone. `ServiceUnavailable` when the content is not
    /// what was stored.
    pub async fn open_content(&self, object: &Object, range: Range<u64>) -> S3Result<Option<StreamingBlob>> {
        let (inner, contents, etag) = (self.inner.clone(), object.blobs.clone(), object.etag.clone());
        let small = range.end - range.start <= SMALL;
        let opened = blocking(move || match inner.blobs.open_checked(&contents, &etag, range) {
            Ok(opened) if small => opened.read().map(|bytes| Ok(Some(StreamingBlob::from(s3s::Body::from(bytes))))),
            Ok(opened) => Ok(Ok(Some(StreamingBlob::wrap(Box::pin(opened.stream()))))),
            Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(Ok(None)),
            Err(OpenError::Io(error)) => Err(error),
            Err(changed @ OpenError::Changed) => Ok(Err(changed)),
        });
        opened.await?.map_err(|changed| {
            let advice = "a file in the data folder was changed or damaged: bring it back from a backup, or store it again";
            tracing::error!(key = object.key, "{advice}");
            s3_error!(changed, ServiceUnavailable)
        })
    }

    /// Lists objects with a prefix. With a delimiter, a common prefix is listed in place of the objects below it.
    pub async fn list(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        use base64::Engine as _;
        self.expect(&input.bucket)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.clone().filter(|delimiter| !delimiter.is_empty());
        let limit = usize::try_from(input.max_keys.unwrap_or(1000).clamp(0, 1000)).unwrap_or(0);
        let encoding = base64::engine::general_purpose::URL_SAFE;
        let mut after = match &input.continuation_token {
            Some(token) => {
                let bytes = encoding.decode(token).ok();
                bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| s3_error!(InvalidArgument))?
            }
            None => input.start_after.clone().unwrap_or_default(),
        };
        let (mut contents, mut prefixes, mut truncated) = (Vec::new(), Vec::<String>::new(), false);
        'pages: loop {
            let (from, start) = (prefix.clone(), after.clone());
            let page = self.with_index(move |index| index.list(&from, &start, 1000)).await?;
            let last = page.len() < 1000;
            for object in page {
                if object.key <= after {
                    continue;
                }
                if contents.len() + prefixes.len() == limit {
                    truncated = true;
                    break 'pages;
                }
                let below = delimiter.as_deref().and_then(|delimiter| {
                    let end = object.key[prefix.len()..].find(delimiter)? + prefix.len() + delimiter.len();
                    Some(object.key[..end].to_owned())
                });
                match below {
                    // Skip everything below the common prefix.
                    Some(common) => {
                        after = format!("{common}{}", char::MAX);
                        prefixes.push(common);
                    }
                    None => {
                        after.clone_from(&object.key);
                        contents.push(ListedObject {
                            e_tag: Some(ETag::Strong(object.etag)),
                            last_modified: Some(timestamp(object.modified)),
                            size: i64::try_from(object.size).ok(),
                            key: Some(object.key),
                            ..ListedObject::default()
                        });
                    }
                }
            }
            if last {
                break;
            }
        }
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            key_count: i32::try_from(contents.len() + prefixes.len()).ok(),
            max_keys: i32::try_from(limit).ok(),
            is_truncated: Some(truncated),
            next_continuation_token: truncated.then(|| encoding.encode(&after)),
            continuation_token: input.continuation_token,
            common_prefixes: Some(prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(prefix) }).collect()),
            contents: Some(contents),
            prefix: input.prefix,
            delimiter: input.delimiter,
            start_after: input.start_after,
            ..ListObjectsV2Output::default()
        })
    }

    /// Finds the object to copy, and checks that it has the tag that `if_match` names.
    pub async fn source(&self, source: &CopySource, if_match: Option<ETagCondition>) -> S3Result<Object> {
        let CopySource::Bucket { bucket, key, .. } = source else { return Err(s3_error!(NotImplemented)) };
        let object = self.find(bucket, key).await?;
        check_conditions(&object, if_match, None)?;
        Ok(object)
    }

    /// Deletes an object. Deleting a missing object is no error.
    pub async fn delete(&self, key: String) -> S3Result<()> {
        let contents = self.change_index(move |index| index.delete(&key)).await?;
        self.remove(contents).await;
        Ok(())
    }

    /// Creates other names for the contents of an object.
    pub async fn links(&self, contents: Vec<Blob>) -> S3Result<Vec<Blob>> {
        let inner = self.inner.clone();
        let linking = move || {
            let mut links = Vec::with_capacity(contents.len());
            for blob in &contents {
                match inner.blobs.link(blob) {
                    Ok(link) => links.push(link),
                    Err(error) => {
                        inner.blobs.remove(&links);
                        return Err(error);
                    }
                }
            }
            Ok(links)
        };
        blocking(linking).await
    }
}

/// Rejects keys that S3 does not accept.
pub fn check_key(key: &str) -> S3Result<()> {
    if key.is_empty() || key.len() > MAX_KEY { Err(s3_error!(KeyTooLongError)) } else { Ok(()) }
}

/// Converts milliseconds since 1970 into a timestamp of the protocol.
pub fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from(std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(millis.unsigned_abs()))
}

fn is(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(tag) => tag.value() == object.etag,
    }
}

/// Checks the conditions of a request against an object: `PreconditionFailed` or `NotModified` when one does not hold.
pub fn check_conditions(object: &Object, if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>) -> S3Result<()> {
    if if_match.is_some_and(|condition| !is(&condition, object)) {
        return Err(s3_error!(PreconditionFailed));
    }
    if if_none_match.is_some_and(|condition| is(&condition, object)) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

/// The bytes that a requested range covers in an object of `size` bytes.
pub fn byte_range(range: Option<ByteRange>, size: u64) -> S3Result<Range<u64>> {
    match range {
        None => Ok(0..size),
        Some(ByteRange::Int { first, last }) => {
            let end = last.map_or(size, |last| last.saturating_add(1).min(size));
            if first < end { Ok(first..end) } else { Err(s3_error!(InvalidRange)) }
        }
        Some(ByteRange::Suffix { length }) if length > 0 && size > 0 => Ok(size.saturating_sub(length)..size),
        Some(ByteRange::Suffix { .. }) => Err(s3_error!(InvalidRange)),
    }
}
