//! The user's request on how to read the tapes of a run. The run keeps the request, so that the run can be repeated.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::loan::Field;

use super::{
    options::TapeOptions,
    profile::{Profile, ProfileId, ProfileMistakes},
};

/// The profile, columns and worksheet that a user asks for. Most runs ask for none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileFile>,
    /// Fields with the headers of their columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub map: Vec<(Field, String)>,
    /// Name of the worksheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
}

/// A profile as it was submitted. It is parsed once, when it is first needed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProfileFile {
    called: String,
    toml: String,
    #[serde(skip)]
    parsed: OnceLock<Result<Profile, ProfileMistakes>>,
}

impl ProfileFile {
    /// A profile with this text. `called` is the name of the file without its extension, or of the preset: the name of a profile that
    /// gives none.
    pub fn new(called: impl Into<String>, toml: impl Into<String>) -> Self {
        Self { called: called.into(), toml: toml.into(), parsed: OnceLock::new() }
    }

    fn parsed(&self) -> &Result<Profile, ProfileMistakes> {
        self.parsed.get_or_init(|| Profile::parse(&self.toml, &self.called))
    }
}

impl PartialEq for ProfileFile {
    fn eq(&self, other: &Self) -> bool {
        (&self.called, &self.toml) == (&other.called, &other.toml)
    }
}

impl Eq for ProfileFile {}

/// Why a request is invalid.
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
    /// Whether the request asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reads the profile.
    ///
    /// # Errors
    /// [`ProfileMistakes`] when the profile has mistakes.
    pub fn profile(&self) -> Result<Option<Profile>, ProfileMistakes> {
        self.profile.as_ref().map(|file| file.parsed().clone()).transpose()
    }

    /// What a run records about its profile, whether or not the profile can be read.
    pub fn profile_id(&self) -> Option<ProfileId> {
        let file = self.profile.as_ref()?;
        Some(file.parsed().as_ref().map_or_else(|_| ProfileId::unread(&file.called, &file.toml), |read| read.id.clone()))
    }

    /// The options that the request asks for, and what a run records about its profile.
    ///
    /// # Errors
    /// [`ReadingError::Profile`] when the profile has mistakes; [`ReadingError::Map`] when a field is mapped twice.
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
