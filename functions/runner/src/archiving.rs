//! Archives the file of waivers of a run, and puts the manifest together.

use shared::{
    engine::Outcome,
    error::Phase,
    manifest::{Manifest, ManifestFile},
    run::Run,
};

use crate::execute::{Abort, Assignment, Worker};

impl Worker {
    /// Copies the file of waivers into the archive. Returns its entry in the manifest; `None` for a run without waivers.
    async fn archive_waivers(&self, folder: &str, assignment: &Assignment) -> Result<Option<ManifestFile>, Abort> {
        let Some(file) = assignment.waivers.as_ref().map(|waivers| &waivers.file) else { return Ok(None) };
        let (path, bytes) = (file.archived(), file.bytes.to_vec().into());
        let put = self.storage.put_bytes(&format!("{folder}/{path}"), bytes, "application/octet-stream").await;
        put.map_err(|error| Abort::storage(Phase::Archive, path, error))?;
        Ok(Some(ManifestFile::of_waivers(file)))
    }

    /// The manifest of a run as JSON. Archives the file of waivers, which the manifest names.
    pub(crate) async fn manifest(
        &self,
        folder: &str,
        run: &Run,
        assignment: &Assignment,
        outcome: &Outcome,
    ) -> Result<Vec<u8>, Abort> {
        let waivers = self.archive_waivers(folder, assignment).await?;
        let of_run = Manifest::new(run, &assignment.rules, outcome)?;
        Ok(Manifest { reading: assignment.reading.clone(), waivers, ..of_run }.to_json()?)
    }
}
