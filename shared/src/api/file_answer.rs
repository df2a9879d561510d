//! Files as answers: whole where they are small, and otherwise by an address of the storage, because a Lambda's answer
//! has a limit.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use crate::{
    resources::MAX_ANSWER_BYTES,
    storage::{StorageBackend, content_type::content_type_of, stream_of},
    stores::keys,
};

use super::problem::ApiError;

/// How long the address of a large answer is good, in seconds: its fetching begins at once.
const ADDRESS_SECONDS: u64 = 300;

/// A stored file, as something to save under a name.
///
/// # Errors
/// It is not there, or the storage fails.
pub async fn stored_file(storage: &dyn StorageBackend, key: &str, name: &str) -> Result<Response, ApiError> {
    let download = storage.get(key, None, None).await?;
    if download.info.size > MAX_ANSWER_BYTES {
        return elsewhere(storage, key, &attachment(name)).await;
    }
    let mut answer = Body::from_stream(download.body).into_response();
    describe(&mut answer, name, &attachment(name))?;
    answer.headers_mut().insert(header::CONTENT_LENGTH, download.info.size.into());
    Ok(answer)
}

/// Bytes that were made for one answer, with what browsers are to do with them: see [`attachment`].
///
/// # Errors
/// There are too many for an answer, and the storage fails to keep them.
pub async fn made_file(storage: &dyn StorageBackend, bytes: Bytes, name: &str, disposition: &str) -> Result<Response, ApiError> {
    if bytes.len() as u64 > MAX_ANSWER_BYTES {
        let key = keys::answer(Uuid::new_v4(), name);
        storage.put(&key, stream_of(bytes), content_type_of(name), u64::MAX).await?;
        return elsewhere(storage, &key, disposition).await;
    }
    let mut answer = Body::from(bytes).into_response();
    describe(&mut answer, name, disposition)?;
    Ok(answer)
}

fn describe(answer: &mut Response, name: &str, disposition: &str) -> Result<(), ApiError> {
    let disposition = HeaderValue::from_str(disposition).map_err(ApiError::internal)?;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type_of(name)));
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(())
}

/// Sends the client to where a file of the storage can be fetched.
///
/// # Errors
/// The storage fails.
pub async fn elsewhere(storage: &dyn StorageBackend, key: &str, disposition: &str) -> Result<Response, ApiError> {
    let signed = storage.url_to_get(key, ADDRESS_SECONDS, disposition).await?;
    let location = HeaderValue::from_str(&signed.url).map_err(ApiError::internal)?;
    Ok((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response())
}

/// What stays as it is in the value of `filename*`.
const EXTENDED_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The `Content-Disposition` of a file that is to be saved under a name, in any script.
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
