//! Files in the area `inputs` that a request names: rule sets with the files that they name, and other texts.

use std::collections::BTreeSet;

use shared::rules::rule_set::{MAX_RULE_SET_BYTES, Mistake, RuleSetError, RuleSetFile};
use stores::{
    start_run::find_file,
    storage::{StorageBackend as _, StorageError, collect, s3::S3Storage},
};

use super::problem::{ApiError, InputError};

/// Reads a rule set, and the files of its folder that it and its programs name. Returns it with the keys of all these files. `field` is the
/// member of the request that names the rule set.
///
/// # Errors
/// [`ApiError::NotFound`] when the rule set does not exist; [`ApiError::Invalid`] when it is too large or no text.
pub async fn rule_set_file(
    storage: &S3Storage,
    root: &str,
    path: &str,
    field: &str,
) -> Result<(RuleSetFile, Vec<String>), ApiError> {
    let (key, text) = input_text(storage, root, path, (field, "rule set"), MAX_RULE_SET_BYTES).await?;
    let mut file = RuleSetFile::new(&key, text);
    let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let (mut asked, mut keys) = (BTreeSet::new(), vec![key.clone()]);
    loop {
        let names = file.files_to_read(&mut asked);
        if names.is_empty() {
            return Ok((file, keys));
        }
        for name in names {
            let key = format!("{folder}/{name}");
            let Some(most) = file.files.bytes_to_read(&name) else { continue };
            if let Some(content) = content_of(storage, &key, most).await? {
                file.files.insert(&name, content);
                keys.push(key);
            }
        }
    }
}

/// The first `most` bytes of an object; `None` when there is no such object.
async fn content_of(storage: &S3Storage, key: &str, most: u64) -> Result<Option<Vec<u8>>, StorageError> {
    let Some(info) = storage.info(key).await? else { return Ok(None) };
    let range = (info.size > most).then_some(0..most);
    let download = match storage.get(key, range, Some(&info.etag)).await {
        Err(StorageError::NotFound) => return Ok(None),
        download => download?,
    };
    let most = usize::try_from(info.size.min(most)).unwrap_or(usize::MAX);
    collect(download.body, most).await.map(Some)
}

/// The key and the text of a file in the area `inputs` that a field of the request names.
///
/// # Errors
/// [`ApiError::NotFound`] when there is no such file; [`ApiError::Invalid`] when it is too large or no text.
pub async fn input_text(
    storage: &S3Storage,
    root: &str,
    path: &str,
    (field, what): (&str, &str),
    most: u64,
) -> Result<(String, String), ApiError> {
    let bad = |sentence: String| ApiError::invalid(InputError::body(field, sentence));
    let found = find_file(storage, root, path).await?;
    let (_, key, info) = found.ok_or_else(|| ApiError::NotFound(format!("The {what} does not exist.").into()))?;
    if info.size > most {
        return Err(bad(format!("The file has {} bytes; a {what} has at most {most}.", info.size)));
    }
    let download = storage.get(&key, None, Some(&info.etag)).await?;
    let bytes = collect(download.body, usize::try_from(most).unwrap_or(usize::MAX)).await?;
    let text = String::from_utf8(bytes).map_err(|_| bad("The file is not UTF-8 text.".to_owned()))?;
    Ok((key, text))
}

/// Largest number of mistakes of a rule set that one answer names. One more entry counts the rest.
const MAX_MISTAKES: usize = 1_000;

/// An error for each mistake of a rule set.
pub fn errors_of(error: &RuleSetError) -> Vec<InputError> {
    let named = error.mistakes.iter().take(MAX_MISTAKES).map(Mistake::to_string);
    let more = error.mistakes.len().saturating_sub(MAX_MISTAKES);
    let rest = (more > 0).then(|| format!("There are {more} more mistakes. `POST /api/rule-sets/check` names all of them."));
    named.chain(rest).map(|sentence| InputError::body("rule_set", sentence)).collect()
}
