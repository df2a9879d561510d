//! Uploads in parts. The parts become the object's content as they are: nothing is copied.

use s3s::{
    S3Result,
    dto::{CompleteMultipartUploadInput, CreateMultipartUploadInput, UploadPartCopyInput, UploadPartInput},
    s3_error,
};
use uuid::Uuid;

use super::{
    Bucket,
    blobs::{WrittenBlob, tag_of_parts},
    index::{Object, Replaced, Upload, UploadPart},
    objects::{Described, byte_range, check_key, precondition},
};

/// Minimum size in bytes of every part but the last.
const MIN_PART: u64 = 5 * 1024 * 1024;

impl Bucket {
    /// Begins an upload. Returns its id.
    pub async fn begin_upload(&self, input: CreateMultipartUploadInput) -> S3Result<String> {
        self.expect(&input.bucket)?;
        check_key(&input.key)?;
        let described = Described {
            content_type: input.content_type,
            content_disposition: input.content_disposition,
            metadata: input.metadata.into_iter().flatten().collect(),
        };
        let id = Uuid::new_v4().simple().to_string();
        let (upload, key) = (id.clone(), input.key);
        self.change_index(move |index| index.begin(&upload, &Upload { key, described: described.json() })).await?;
        Ok(id)
    }

    /// Stores a part. Returns its tag.
    pub async fn take_part(&self, input: UploadPartInput) -> S3Result<String> {
        self.upload(&input.bucket, &input.key, &input.upload_id).await?;
        let written = self.write_content(input.body, input.content_md5.as_deref()).await?;
        self.add_part(input.upload_id, input.part_number, written).await
    }

    /// Copies a range of another object as a part. Returns the part's tag.
    pub async fn take_part_of(&self, input: UploadPartCopyInput) -> S3Result<String> {
        self.upload(&input.bucket, &input.key, &input.upload_id).await?;
        let source = self.source(&input.copy_source, input.copy_source_if_match).await?;
        let range = input.copy_source_range.map(|range| s3s::dto::Range::parse(&range)).transpose();
        let range = byte_range(range.map_err(|_| s3_error!(InvalidArgument))?, source.size)?;
        let body = self.open_content(&source, range).await?.ok_or_else(|| s3_error!(NoSuchKey))?;
        let written = self.write_content(Some(body), None).await?;
        self.add_part(input.upload_id, input.part_number, written).await
    }

    async fn add_part(&self, upload: String, number: i32, WrittenBlob { blob, tag }: WrittenBlob) -> S3Result<String> {
        if !(1..=10_000).contains(&number) {
            self.remove(vec![blob]).await;
            return Err(s3_error!(InvalidArgument));
        }
        let (content, stored) = (blob.clone(), tag.clone());
        match self.change_index(move |index| index.add_part(&upload, &UploadPart { number, blob, tag: stored })).await {
            Ok(Some(replaced)) => {
                self.remove(replaced).await;
                Ok(tag)
            }
            Ok(None) => {
                self.remove(vec![content]).await;
                Err(s3_error!(NoSuchUpload))
            }
            Err(error) => {
                self.remove(vec![content]).await;
                Err(error)
            }
        }
    }

    /// Finds an upload to this key by its id.
    pub async fn upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<Upload> {
        self.expect(bucket)?;
        let id = id.to_owned();
        let upload = self.with_index(move |index| index.upload(&id)).await?;
        upload.filter(|upload| upload.key == key).ok_or_else(|| s3_error!(NoSuchUpload))
    }

    /// Creates an object from the parts of an upload. Returns the object's tag.
    pub async fn complete_upload(&self, input: CompleteMultipartUploadInput) -> S3Result<String> {
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id).await?;
        let condition = precondition(input.if_match, input.if_none_match)?;
        let id = input.upload_id.clone();
        let mut uploaded = self.with_index(move |index| index.parts(&id)).await?;
        let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let (mut chosen, mut last) = (Vec::with_capacity(named.len()), 0);
        for part in &named {
            let number = part.part_number.ok_or_else(|| s3_error!(InvalidPart))?;
            if number <= last {
                return Err(s3_error!(InvalidPartOrder));
            }
            last = number;
            let at = uploaded.iter().position(|part| part.number == number).ok_or_else(|| s3_error!(InvalidPart))?;
            let found = uploaded.swap_remove(at);
            if part.e_tag.as_ref().is_some_and(|tag| tag.value() != found.tag) {
                return Err(s3_error!(InvalidPart));
            }
            chosen.push(found);
        }
        let Some((_, others)) = chosen.split_last() else { return Err(s3_error!(InvalidPart)) };
        if others.iter().any(|part| part.blob.size < MIN_PART) {
            return Err(s3_error!(EntityTooSmall));
        }
        let etag = tag_of_parts(chosen.iter().map(|part| part.tag.as_str()));
        let size = chosen.iter().map(|part| part.blob.size).sum();
        let watched = self.is_watched(&upload.key);
        let new = Object {
            key: upload.key,
            blobs: chosen.into_iter().map(|part| part.blob).collect(),
            size,
            etag: etag.clone(),
            described: upload.described,
            modified: self.now(),
        };
        let inner = self.inner.clone();
        super::blocking(move || inner.blobs.sync()).await?;
        let id = input.upload_id;
        match self.change_index(move |index| index.complete(&id, &new, &condition, watched)).await? {
            None => Err(s3_error!(NoSuchUpload)),
            Some(Replaced::Refused) => Err(s3_error!(PreconditionFailed)),
            Some(Replaced::PartsChanged) => Err(s3_error!(InvalidPart)),
            Some(Replaced::Done(freed)) => {
                self.remove(freed).await;
                if watched {
                    self.inner.appeared.notify_one();
                }
                Ok(etag)
            }
        }
    }

    /// Aborts an upload and deletes its parts.
    pub async fn abort_upload(&self, bucket: &str, key: &str, id: String) -> S3Result<()> {
        self.upload(bucket, key, &id).await?;
        let contents = self.change_index(move |index| index.abort(&id)).await?.ok_or_else(|| s3_error!(NoSuchUpload))?;
        self.remove(contents).await;
        Ok(())
    }
}
