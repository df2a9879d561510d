//! What whoever starts a run says of how its tapes are to be read: kept with the run, so that it can be repeated.

use serde::{Deserialize, Serialize};

use crate::loan::Field;

use super::{
    options::TapeOptions,
    profile::{Profile, ProfileId, ProfileMistakes},
};

/// What was asked for. Nothing of it is in most runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingRequest {
    /// The profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileFile>,
    /// Fields with the headers of their columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub map: Vec<(Field, String)>,
    /// The name of the worksheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
}

/// A profile as it was brought: the text of a file, and what it is called if it does not say so itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileFile {
    /// The name of the file without its extension, or of the preset.
    pub called: String,
    /// The text.
    pub toml: String,
}

/// Why a request cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadingError {
    /// The profile has mistakes.
    #[error("The profile has mistakes: {0}")]
    Profile(#[from] ProfileMistakes),
    /// A field is mapped twice.
    #[error("{0}")]
    Map(String),
}

impl ReadingRequest {
    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The profile, read.
    ///
    /// # Errors
    /// It has mistakes.
    pub fn profile(&self) -> Result<Option<Profile>, ProfileMistakes> {
        self.profile.as_ref().map(|file| Profile::parse(&file.toml, &file.called)).transpose()
    }

    /// What a run records of its profile, whether the profile can be read or not.
    pub fn profile_id(&self) -> Option<ProfileId> {
        let file = self.profile.as_ref()?;
        Some(
            Profile::parse(&file.toml, &file.called).map_or_else(|_| ProfileId::unread(&file.called, &file.toml), |read| read.id),
        )
    }

    /// What it says of the tapes, and what a run records of its profile.
    ///
    /// # Errors
    /// The profile has mistakes, or a field is mapped twice.
    pub fn options(&self) -> Result<(TapeOptions, Option<ProfileId>), ReadingError> {
        let (options, id) = match self.profile()? {
            Some(profile) => (profile.options, Some(profile.id)),
            None => (TapeOptions::default(), None),
        };
        let mut options = options.with_map(&self.map).map_err(ReadingError::Map)?;
        if let Some(sheet) = &self.sheet {
            options.sheet = Some(sheet.clone());
        }
        Ok((options, id))
    }
}
