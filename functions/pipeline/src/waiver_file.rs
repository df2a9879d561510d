//! Reads files of waivers from the area `inputs`.

use api::{
    input_files::MAX_MISTAKES,
    problem::{ApiError, InputError},
};
use shared::{
    rules::rule_set::RunRules,
    waivers::{MAX_WAIVER_BYTES, WaiverFile},
};
use stores::{
    start_run::find_file,
    storage::{StorageBackend as _, collect},
};

use crate::State;

impl State {
    /// Reads the file of waivers that a request names, and checks it against the rules of the run. Adds the key of the file to
    /// `not_tapes`. `None` when the request names no file.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the file does not exist; [`ApiError::Invalid`] (422) with every mistake of the file;
    /// [`ApiError::Refused`] when the path is not allowed; [`ApiError::Conflict`] when the file was replaced while it was read.
    pub(crate) async fn waivers(
        &self,
        root: &str,
        path: Option<&str>,
        rules: &RunRules,
        not_tapes: &mut Vec<String>,
    ) -> Result<Option<WaiverFile>, ApiError> {
        let Some(path) = path else { return Ok(None) };
        let found = find_file(&self.storage, root, path).await?;
        let (_, key, info) = found.ok_or_else(|| ApiError::NotFound("The file of waivers does not exist.".into()))?;
        if info.size > MAX_WAIVER_BYTES {
            let sentence = format!("The file has {} bytes; a file of waivers has at most {MAX_WAIVER_BYTES}.", info.size);
            return Err(ApiError::invalid(InputError::body("waivers", sentence)));
        }
        let download = self.storage.get(&key, None, Some(&info.etag)).await?;
        let bytes = collect(download.body, usize::try_from(MAX_WAIVER_BYTES).unwrap_or(usize::MAX)).await?;
        let file = WaiverFile::new(&key, bytes);
        not_tapes.push(key);
        let (checked, rules) = (file.clone(), rules.rules().clone());
        // A workbook of 100,000 lines takes a while, so that the check leaves the async threads.
        let checking = tokio::task::spawn_blocking(move || checked.waivers(&rules).map(drop));
        let Err(error) = checking.await.map_err(ApiError::internal)? else { return Ok(Some(file)) };
        let more = error.0.len().saturating_sub(MAX_MISTAKES);
        let rest = (more > 0).then(|| format!("There are {more} more mistakes. `loan-engine run --waivers` names all of them."));
        let named = error.0.iter().take(MAX_MISTAKES).map(ToString::to_string);
        Err(ApiError::Invalid(named.chain(rest).map(|sentence| InputError::body("waivers", sentence)).collect()))
    }
}
