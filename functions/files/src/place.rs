//! The place of a file or a folder: its area and its path, as the caller sees them, and its key in the bucket.

use std::collections::BTreeSet;

use api::{caller::Caller, extract::parse_id, page::MAX_LIMIT, problem::ApiError};
use shared::{
    auth::{permission::Permission, user::Scope},
    folder::PROFILE,
    paths::{Area, safe_join, stored_path, validate_area},
};
use stores::{
    StoreError, keys,
    runs::{RunFilter, Runs},
    storage::{StorageBackend as _, s3::S3Storage},
};
use uuid::Uuid;

/// The file or the folder that a caller names. It need not exist.
#[derive(Debug, Clone)]
pub struct AreaPath {
    pub area: Area,
    /// Path in the area, from the root that the caller sees; empty for the root itself.
    pub path: String,
    /// Key in the bucket.
    pub key: String,
    scope: Scope,
    /// Whether the caller may write a profile, which says how the tapes of a folder are read.
    chooses_terms: bool,
}

impl AreaPath {
    /// A place to read. Its path is cleaned: [`Self::or_as_written`] also finds a file under the path as written.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] when the caller may not read files; [`ApiError::Refused`] when the area or the path is not
    /// allowed.
    pub fn to_read(caller: &Caller, area: Option<&str>, path: &str) -> Result<Self, ApiError> {
        Self::new(
            caller.scope(Permission::ReadFiles)?,
            area_of(area)?,
            &stored_path(path)?,
            caller.scope(Permission::ChooseTerms).is_ok(),
        )
    }

    /// This place, or the place of the path as written when only that one exists: a file that did not come through the product
    /// may have a name that the product itself does not give.
    ///
    /// # Errors
    /// [`ApiError::Refused`] when the path is not allowed; [`ApiError::Unavailable`] or [`ApiError::Internal`] when the storage
    /// fails.
    pub async fn or_as_written(self, path: &str, storage: &S3Storage) -> Result<Self, ApiError> {
        let written = Self::new(self.scope, self.area, path, self.chooses_terms)?;
        if written.key == self.key || storage.find(&self.key).await?.is_some() || storage.find(&written.key).await?.is_none() {
            return Ok(self);
        }
        Ok(written)
    }

    /// A place to write, create or delete.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] when the caller may not write in the area, or may not write a profile; [`ApiError::Refused`] when
    /// the area or the path is not allowed.
    pub fn to_write(caller: &Caller, area: Option<&str>, path: &str) -> Result<Self, ApiError> {
        let area = area_of(area)?;
        let permission = match area {
            Area::Outputs => Permission::WriteOutputs,
            Area::Inputs | Area::OutputShare => Permission::WriteFiles,
        };
        Self::new(caller.scope(permission)?, area, &stored_path(path)?, caller.scope(Permission::ChooseTerms).is_ok())?
            .check_profile()
    }

    fn new(scope: Scope, area: Area, path: &str, chooses_terms: bool) -> Result<Self, ApiError> {
        let path = safe_join("", &[path])?;
        let key = safe_join(&keys::area_root(area, scope), &[&path])?;
        Ok(Self { area, path, key, scope, chooses_terms })
    }

    /// Rejects a profile that the caller may not write: it says how the tapes of its folder are read.
    fn check_profile(self) -> Result<Self, ApiError> {
        let is_profile = self.area == Area::Inputs && self.name() == PROFILE;
        if is_profile && !self.chooses_terms { Err(ApiError::not_allowed()) } else { Ok(self) }
    }

    /// The place of a file in this folder, to write.
    ///
    /// # Errors
    /// [`ApiError::Refused`] when the name is not allowed; [`ApiError::Forbidden`] when the caller may not write a profile.
    pub fn within(&self, name: &str) -> Result<Self, ApiError> {
        let path = safe_join(&self.path, &[name])?;
        let key = safe_join(&self.key, &[name])?;
        Self { path, key, ..self.clone() }.check_profile()
    }

    /// Whether this is the root of an area, as the caller sees it.
    pub fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The path of a key in this folder, as the caller sees it.
    pub fn path_of(&self, key: &str) -> String {
        let below = key.get(self.key.len()..).unwrap_or_default().trim_start_matches('/');
        if self.is_root() { below.to_owned() } else { format!("{}/{below}", self.path) }
    }

    /// The team whose runs limit what the caller may see of the area; `None` when nothing limits it.
    fn runs_of_team(&self) -> Option<Uuid> {
        self.scope.team().filter(|_| self.area == Area::Outputs)
    }

    /// Whether the caller may see this place. The root of an area is always visible.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the record of the run cannot be
    /// read.
    pub async fn is_visible(&self, runs: &Runs) -> Result<bool, StoreError> {
        if self.is_root() || self.runs_of_team().is_none() {
            return Ok(true);
        }
        match self.path.split('/').next().and_then(parse_id) {
            Some(run) => Ok(runs.get_within(self.scope, run).await?.is_some()),
            None => Ok(false),
        }
    }

    /// The runs whose folders a member of a sales team sees in this place, in the order of their ids; `None` when nothing limits
    /// what the caller sees here.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when the record of a run cannot be
    /// read.
    pub async fn runs_to_see(&self, runs: &Runs) -> Result<Option<BTreeSet<Uuid>>, StoreError> {
        let Some(team) = self.runs_of_team().filter(|_| self.is_root()) else { return Ok(None) };
        let filter = RunFilter { sales_team_id: Some(team), ..RunFilter::default() };
        let (mut ids, mut after) = (BTreeSet::new(), None);
        loop {
            let (page, more) = runs.list(filter, after, 0, MAX_LIMIT).await?;
            ids.extend(page.iter().map(|run| run.run_id));
            after = page.last().map(|run| (run.created_at, run.run_id));
            if !more || after.is_none() {
                return Ok(Some(ids));
            }
        }
    }
}

fn area_of(name: Option<&str>) -> Result<Area, ApiError> {
    Ok(name.map_or(Ok(Area::Inputs), validate_area)?)
}

/// The answer for a path where the caller can see nothing.
pub fn absent() -> ApiError {
    ApiError::not_found("The file")
}
