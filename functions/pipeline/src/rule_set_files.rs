//! Reads rule sets, and the files that they name, from the area `inputs`.

use std::collections::BTreeSet;

use api::problem::ApiError;
use shared::rules::rule_set::{MAX_RULE_SET_BYTES, RuleSetFile};
use stores::storage::{StorageBackend as _, StorageError, collect, s3::S3Storage};

use crate::start_run::input_text;

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
