//! Files as answers. The answer of a Lambda has a size limit: a larger one is in the storage, and a 307 redirects the client to
//! its signed URL. Where answers have no limit, as in `serve`, every file is streamed, and no answer is kept in the storage.
//!
//! A client that follows the 307 may send its `Authorization` header along. The embedded bucket ignores a bearer token in a
//! request to a signed URL, but S3 itself rejects a request with both. On AWS, clients follow without the header: curl, browsers
//! and HTTP libraries drop it when the host changes.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use shared::file_types::content_type_of;
use stores::{
    keys,
    resources::Resources,
    storage::{StorageBackend as _, StorageError, s3::S3Storage, stream_of},
};
use uuid::Uuid;

use super::problem::ApiError;

/// Lifetime of the URL of a large answer, in seconds. It is short, because clients follow a redirect at once.
const URL_SECONDS: u64 = 300;

/// Where files come from, and how large an answer may be.
#[derive(Clone)]
pub struct FileAnswers {
    pub storage: S3Storage,
    /// Largest body of an answer, in bytes; `None` where answers have no limit.
    pub max_bytes: Option<u64>,
}

impl FileAnswers {
    /// Uses the storage and the limit of the process.
    pub fn new(resources: &Resources) -> Self {
        Self { storage: resources.storage.clone(), max_bytes: resources.max_answer_bytes }
    }

    /// Whether a body of this many bytes is too large for an answer.
    pub fn is_too_large(&self, bytes: u64) -> bool {
        self.max_bytes.is_some_and(|most| bytes > most)
    }
}

/// Answers with a stored file, as an attachment with this name.
///
/// # Errors
/// [`ApiError::NotFound`] when the file does not exist; [`ApiError::Unavailable`] or [`ApiError::Internal`] when the storage
/// fails.
pub async fn stored_file(answers: &FileAnswers, key: &str, name: &str) -> Result<Response, ApiError> {
    if answers.max_bytes.is_some() {
        // Read the size first, so that a redirect opens no file.
        let info = answers.storage.info(key).await?.ok_or(StorageError::NotFound)?;
        if answers.is_too_large(info.size) {
            return redirect_to_storage(&answers.storage, key, &attachment(name)).await;
        }
    }
    let download = answers.storage.get(key, None, None).await?;
    let mut answer = Body::from_stream(download.body).into_response();
    describe(&mut answer, name, &attachment(name))?;
    answer.headers_mut().insert(header::CONTENT_LENGTH, download.info.size.into());
    Ok(answer)
}

/// Answers with bytes that were made for this answer. When they are too many for an answer, they are stored and the answer
/// redirects to them. `disposition` tells browsers what to do with them: see [`attachment`].
///
/// # Errors
/// [`ApiError::Unavailable`] or [`ApiError::Internal`] when the storage cannot keep bytes that are too many for an answer;
/// [`ApiError::Internal`] when `disposition` is not a valid header value.
pub async fn made_file(answers: &FileAnswers, bytes: Bytes, name: &str, disposition: &str) -> Result<Response, ApiError> {
    if answers.is_too_large(bytes.len() as u64) {
        let key = keys::answer(Uuid::new_v4(), name);
        answers.storage.put(&key, stream_of(bytes), content_type_of(name), u64::MAX).await?;
        return redirect_to_storage(&answers.storage, &key, disposition).await;
    }
    let mut answer = Body::from(bytes).into_response();
    describe(&mut answer, name, disposition)?;
    Ok(answer)
}

/// Sets the headers `Content-Type`, by the name of the file, and `Content-Disposition`.
///
/// # Errors
/// [`ApiError::Internal`] when `disposition` is not a valid header value.
pub(super) fn describe(answer: &mut Response, name: &str, disposition: &str) -> Result<(), ApiError> {
    let disposition = HeaderValue::from_str(disposition).map_err(ApiError::internal)?;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type_of(name)));
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(())
}

/// Redirects the client to the signed URL of a stored file.
///
/// # Errors
/// [`ApiError::Unavailable`] or [`ApiError::Internal`] when the storage cannot sign the URL.
pub(super) async fn redirect_to_storage(storage: &S3Storage, key: &str, disposition: &str) -> Result<Response, ApiError> {
    let signed = storage.url_to_get(key, URL_SECONDS, disposition).await?;
    let location = HeaderValue::from_str(&signed.url).map_err(ApiError::internal)?;
    Ok((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response())
}

/// The characters to encode in the value of `filename*`: all but letters, digits and `-_.~`.
const EXTENDED_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The `Content-Disposition` of a file to save under a name, which may be in any script.
pub fn attachment(name: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ';
    let shown: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let mut disposition = format!("attachment; filename=\"{shown}\"");
    if shown != name {
        disposition.push_str("; filename*=UTF-8''");
        disposition.extend(utf8_percent_encode(name, EXTENDED_VALUE));
    }
    disposition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_script_is_told_in_ascii() {
        assert_eq!(attachment("a b.csv"), "attachment; filename=\"a b.csv\"");
        assert_eq!(attachment("ü\".csv"), "attachment; filename=\"__.csv\"; filename*=UTF-8''%C3%BC%22.csv");
        assert!(HeaderValue::from_str(&attachment("a\r\nX: y\u{202e}.csv")).is_ok());
    }
}
