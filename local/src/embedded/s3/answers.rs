//! The operations of S3 that the product uses, on a bucket.

use s3s::{
    S3, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
        CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CreateMultipartUploadInput,
        CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
        DeletedObject, ETag, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput,
        HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, MetadataDirective, PutObjectInput, PutObjectOutput,
        UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
    },
};

use super::{
    Bucket,
    index::{Object, Precondition},
    objects::{Described, check_conditions, check_key, timestamp},
};

fn tag(etag: String) -> Option<ETag> {
    Some(ETag::Strong(etag))
}

#[async_trait::async_trait]
impl S3 for Bucket {
    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.expect(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let etag = self.put(request.input).await?;
        Ok(S3Response::new(PutObjectOutput { e_tag: tag(etag), ..PutObjectOutput::default() }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.read(request.input).await.map(S3Response::new)
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = self.find(&input.bucket, &input.key).await?;
        check_conditions(&object, input.if_match, input.if_none_match)?;
        let described = Described::of(&object);
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(object.size).ok(),
            content_type: described.content_type,
            content_disposition: described.content_disposition,
            last_modified: Some(timestamp(object.modified)),
            metadata: (!described.metadata.is_empty()).then(|| described.metadata.into_iter().collect()),
            e_tag: tag(object.etag),
            ..HeadObjectOutput::default()
        }))
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.list(request.input).await.map(S3Response::new)
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.expect(&request.input.bucket)?;
        Bucket::delete(self, request.input.key).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, request: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.expect(&request.input.bucket)?;
        let mut deleted = Vec::with_capacity(request.input.delete.objects.len());
        for object in request.input.delete.objects {
            Bucket::delete(self, object.key.clone()).await?;
            deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
        }
        Ok(S3Response::new(DeleteObjectsOutput { deleted: Some(deleted), ..DeleteObjectsOutput::default() }))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        self.expect(&input.bucket)?;
        check_key(&input.key)?;
        let source = self.source(&input.copy_source, input.copy_source_if_match).await?;
        let replaced = input.metadata_directive.is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        let described = if replaced {
            let metadata = input.metadata.into_iter().flatten().collect();
            let described =
                Described { content_type: input.content_type, content_disposition: input.content_disposition, metadata };
            described.json()
        } else {
            source.described
        };
        let modified = self.now();
        let blobs = self.links(source.blobs).await?;
        let etag = source.etag;
        let new = Object { key: input.key, blobs, size: source.size, etag: etag.clone(), described, modified };
        self.place(new, Precondition::default()).await?;
        let result =
            CopyObjectResult { e_tag: tag(etag), last_modified: Some(timestamp(modified)), ..CopyObjectResult::default() };
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        let upload_id = Some(self.begin_upload(request.input).await?);
        let output = CreateMultipartUploadOutput { bucket: Some(bucket), key: Some(key), upload_id, ..Default::default() };
        Ok(S3Response::new(output))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let etag = self.take_part(request.input).await?;
        Ok(S3Response::new(UploadPartOutput { e_tag: tag(etag), ..UploadPartOutput::default() }))
    }

    async fn upload_part_copy(&self, request: S3Request<UploadPartCopyInput>) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let etag = self.take_part_of(request.input).await?;
        let last_modified = Some(timestamp(self.now()));
        let result = CopyPartResult { e_tag: tag(etag), last_modified, ..CopyPartResult::default() };
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        let etag = self.complete_upload(request.input).await?;
        let output = CompleteMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            e_tag: tag(etag),
            ..CompleteMultipartUploadOutput::default()
        };
        Ok(S3Response::new(output))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        self.abort_upload(&input.bucket, &input.key, input.upload_id).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}
