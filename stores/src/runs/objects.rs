//! The parts of a run that are objects, because they may be larger than an item: the list of its tapes, the files of its
//! rule set, and how the tapes were read.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::value::RawValue;
use shared::{
    rules::{
        in_force::RuleSetInForce,
        rule_set::{GuideFiles, RuleSet, RuleSetFile},
    },
    waivers::{WaiverFile, Waivers},
};
use uuid::Uuid;

use crate::{
    StoreError, keys,
    storage::{StorageBackend as _, StorageError, collect},
};

use super::{
    KeptRules, KeptTapes, ObjectVersion, RulesOfRun, RunRequest, Runs, StoredRun, TapeList, TapeRef, WaiversOfRun,
    stored::NO_DETAILS,
};

impl Runs {
    /// The `run` object of the API with its details: column mapping and notices. The details are null when the results of the run
    /// were removed or are damaged.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB or S3 does not answer.
    pub async fn whole(&self, run: &StoredRun) -> Result<Box<RawValue>, StoreError> {
        match self.details(run).await {
            Ok(details) => run.with_details(&details),
            Err(StoreError::Damaged(why)) => {
                tracing::warn!(run_id = %run.run_id, why, "the details of a run cannot be read");
                Ok(run.object().to_owned())
            }
            Err(error) => Err(error),
        }
    }

    /// The details of a run: how its tapes were read, and the notices about them.
    async fn details(&self, run: &StoredRun) -> Result<Box<RawValue>, StoreError> {
        let here = || run.details.clone();
        if !run.status.is_final() || run.details.get() != NO_DETAILS {
            return Ok(here());
        }
        let Some(version) = self.results(run.run_id).await?.and_then(|results| results.column_mapping) else { return Ok(here()) };
        let key = format!("{}/{}", keys::results(run.run_id), keys::COLUMN_MAPPING_FILE);
        let json = Box::pin(self.object(&key, &version)).await?;
        RawValue::from_string(json).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    /// Writes the list of a run's tapes as an object, unless the list is one already.
    pub(super) async fn keep_tapes(&self, id: Uuid, tapes: &TapeList) -> Result<TapeList, StoreError> {
        let TapeList::Here(list) = tapes else { return Ok(tapes.clone()) };
        let json = serde_json::to_vec(list).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let put = self.storage.put_bytes(&keys::tape_list(id), json.into(), "application/json").await;
        let info = put.map_err(|error| of_object("the list of tapes", error))?;
        let list = ObjectVersion { size: info.size, etag: info.etag };
        Ok(TapeList::Kept(KeptTapes { bytes: tapes.bytes(), list, named: tapes.named() }))
    }

    /// Reads the list of a run's tapes, in the order of their loans in the results.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when S3 does not answer; [`StoreError::Damaged`] when the list is missing or was replaced.
    pub async fn tapes(&self, request: &RunRequest) -> Result<Vec<TapeRef>, StoreError> {
        match &request.tapes {
            TapeList::Here(tapes) => Ok(tapes.clone()),
            TapeList::Kept(KeptTapes { list, .. }) => {
                let json = Box::pin(self.object(&keys::tape_list(request.run_id), list)).await?;
                serde_json::from_str(&json).map_err(|error| StoreError::Damaged(error.to_string()))
            }
        }
    }

    /// Writes the files that a run's rule set names as objects.
    pub(super) async fn keep_rules(&self, id: Uuid, rules: &RulesOfRun) -> Result<RulesOfRun, StoreError> {
        let RulesOfRun::Here(here) = rules else { return Ok(rules.clone()) };
        let Some(file) = here.file().filter(|file| !file.files.is_empty()) else { return Ok(rules.clone()) };
        let mut files = BTreeMap::new();
        for (name, content) in file.files.iter() {
            let put =
                self.storage.put_bytes(&keys::rule_file(id, name), content.to_vec().into(), "application/octet-stream").await;
            let info = put.map_err(|error| of_object(name, error))?;
            files.insert(name.to_owned(), ObjectVersion { size: info.size, etag: info.etag });
        }
        let kept = RuleSetFile { files: GuideFiles::default(), ..file.clone() };
        Ok(RulesOfRun::Kept(KeptRules { file: kept, id: here.rules().id(), files }))
    }

    /// Writes the file of waivers of a run as an object.
    pub(super) async fn keep_waivers(
        &self,
        id: Uuid,
        waivers: Option<&WaiversOfRun>,
    ) -> Result<Option<WaiversOfRun>, StoreError> {
        let Some(WaiversOfRun::Here(file)) = waivers else { return Ok(waivers.cloned()) };
        let bytes = file.bytes.to_vec().into();
        let put = self.storage.put_bytes(&keys::waiver_file(id), bytes, "application/octet-stream").await;
        let info = put.map_err(|error| of_object(&file.name, error))?;
        Ok(Some(WaiversOfRun::Kept { name: file.name.clone(), file: ObjectVersion { size: info.size, etag: info.etag } }))
    }

    /// Reads the waivers of a run; `None` for a run without a file of waivers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when S3 does not answer; [`StoreError::Damaged`] when the file is missing or was replaced, or when
    /// this version cannot read it.
    pub async fn waivers(&self, request: &RunRequest, rules: &RuleSet) -> Result<Option<Arc<Waivers>>, StoreError> {
        let file = match &request.waivers {
            None => return Ok(None),
            Some(WaiversOfRun::Here(file)) => file.clone(),
            Some(WaiversOfRun::Kept { name, file }) => {
                WaiverFile::new(name, Box::pin(self.object_bytes(&keys::waiver_file(request.run_id), file)).await?)
            }
        };
        file.waivers(rules).map(|waivers| Some(Arc::new(waivers))).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    /// Writes the rule set of a run as the API shows it.
    pub(super) async fn show_rules(&self, id: Uuid, rules: &RulesOfRun) -> Result<Option<ObjectVersion>, StoreError> {
        let RulesOfRun::Here(rules) = rules else { return Ok(None) };
        let json =
            serde_json::to_vec(&RuleSetInForce::new(rules.rules())).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let put = self.storage.put_bytes(&shown_rules(id), json.into(), "application/json").await;
        let info = put.map_err(|error| of_object("the rule set", error))?;
        Ok(Some(ObjectVersion { size: info.size, etag: info.etag }))
    }

    /// Reads the rule set of a run as the API shows it: JSON. `None` when an earlier version created the run.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] when the results of the run were removed; the other errors of the storage.
    pub async fn shown_rules(&self, request: &RunRequest) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(version) = &request.shown_rules else { return Ok(None) };
        let download = self.storage.get(&shown_rules(request.run_id), None, Some(&version.etag)).await?;
        collect(download.body, usize::try_from(version.size).unwrap_or(usize::MAX)).await.map(Some)
    }

    /// Reads the rules of a run.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when S3 does not answer; [`StoreError::Damaged`] when a file is missing or was replaced, or when
    /// this version cannot read the rule set.
    pub async fn rules(&self, request: &RunRequest) -> Result<Arc<RuleSet>, StoreError> {
        let kept = match &request.rules {
            RulesOfRun::Here(rules) => return Ok(Arc::clone(rules.rules())),
            RulesOfRun::Kept(kept) => kept,
        };
        let mut file = kept.file.clone();
        for (name, version) in &kept.files {
            let content = Box::pin(self.object_bytes(&keys::rule_file(request.run_id, name), version)).await?;
            file.files.insert(name, content);
        }
        file.rules().map(Arc::new).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    /// Reads one version of an object as text.
    async fn object(&self, key: &str, version: &ObjectVersion) -> Result<String, StoreError> {
        let bytes = self.object_bytes(key, version).await?;
        String::from_utf8(bytes).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    /// Reads one version of an object.
    async fn object_bytes(&self, key: &str, version: &ObjectVersion) -> Result<Vec<u8>, StoreError> {
        let failed = |error| of_object(key, error);
        let download = self.storage.get(key, None, Some(&version.etag)).await.map_err(failed)?;
        collect(download.body, usize::try_from(version.size).unwrap_or(usize::MAX)).await.map_err(failed)
    }
}

/// Key of the rule set of a run.
fn shown_rules(id: Uuid) -> String {
    format!("{}/{}", keys::results(id), keys::RULE_SET_FILE)
}

/// Translates an error of an object that a run needs. An object that is missing or was replaced counts as damaged, because it
/// does not come back.
fn of_object(what: &str, error: StorageError) -> StoreError {
    match error {
        StorageError::Store(error) => error,
        error => StoreError::Damaged(format!("{what}: {error}")),
    }
}
