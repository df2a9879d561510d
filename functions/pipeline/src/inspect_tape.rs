//! `POST /api/tapes/inspect`: says what a tape in the area `inputs` is, and how a run would read it.

use api::{
    caller::Caller,
    extract::ApiJson,
    fields::{Fields, FromFields, any},
    problem::{ApiError, InputError, ProblemObject},
    values::NamedTexts,
};
use axum::{
    extract::State as FromState,
    http::header,
    response::{IntoResponse as _, Response},
};
use shared::{
    auth::permission::Permission,
    error::RunError,
    loan::Field,
    paths::Area,
    tape::{
        inspect::{Inspection, inspect},
        options::TapeOptions,
    },
};
use stores::{
    keys,
    runs::TapeRef,
    start_run::{FindError, file_name, find_file, folder_profile, tape},
    storage::tape::{ObjectTape, ReadFailure},
};
use utoipa::ToSchema;

use crate::{
    State,
    start_run::{mapped, reading_asked_for},
};

/// A tape, and how it is to be read.
#[derive(Debug, Clone, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"path": "2026-02/february.csv"}))]
pub struct InspectTape {
    /// Path of the tape in the area `inputs`.
    #[schema(example = "2026-02/february.csv")]
    path: String,
    /// How the tape is read: path of a profile, a TOML file in the area `inputs`, or the name of a preset, `asf_rmbs`, `fannie_sflp` or
    /// `freddie_sflld`. Null or absent: as the file `profile.toml` in the folder of the tape says, or else as the tape says.
    #[schema(example = "freddie_sflld")]
    profile: Option<String>,
    /// Columns that hold fields: the name of the field with the header of its column. It beats the profile. Null or absent: the
    /// headers say.
    #[schema(value_type = Option<HashMap<String, String>>, example = json!({"loan_amount": "Current UPB"}))]
    map: Option<Vec<(Field, String)>>,
    /// Name of the worksheet to read, of workbooks in which several hold loans. Null or absent: the one that holds loans.
    #[schema(example = "Loans")]
    sheet: Option<String>,
}

impl FromFields for InspectTape {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let path = fields.required("path", any);
        let profile = fields.optional("profile", any);
        let map = fields.optional("map", |map: &NamedTexts| mapped(map).map(drop));
        let sheet = fields.optional("sheet", any);
        Some(Self { path: path?, profile: profile?, map: map?.and_then(|map| mapped(&map).ok()), sheet: sheet? })
    }
}

/// Inspect a tape
///
/// Says how a run would read a tape: its format and header, each column with its field, unit and samples, the required fields that are
/// missing, and why a run would fail. It looks at the first 10,000 loans, starts no run, and stores nothing.
#[utoipa::path(
    post, path = "/api/tapes/inspect", tag = "runs", security(("bearer" = [])),
    request_body(content = InspectTape, description = "Tape, and how it is to be read."),
    responses(
        (status = 200, description = "What the tape is, also when a run would fail.", body = Inspection),
        (status = 400, description = "A path is not allowed.", body = ProblemObject),
        (status = 404, description = "The tape or the profile does not exist.", body = ProblemObject),
        (status = 409, description = "The profile was replaced while the request read it.", body = ProblemObject),
        (status = 413, description = "The body is too large, or the answer would be: such a tape has thousands of long headers.", body = ProblemObject),
        (status = 422, description = "The file is not a tape, a value is missing or unknown, or the profile is not valid.", body = ProblemObject),
        (status = 503, description = "Many files are being read or made for others.", body = ProblemObject),
    )
)]
pub async fn inspect_tape(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiJson(wanted): ApiJson<InspectTape>,
) -> Result<Response, ApiError> {
    let root = keys::area_root(Area::Inputs, caller.scope(Permission::ReadFiles)?);
    let absent = || ApiError::from(FindError::Absent(wanted.path.clone()));
    let (path, key, info) = find_file(&state.storage, &root, &wanted.path).await?.ok_or_else(absent)?;
    let tape = tape(file_name(&path).to_owned(), key, &info);
    let mut reading = reading_asked_for(&state.storage, &root, wanted.profile.as_deref(), wanted.map, wanted.sheet).await?;
    if reading.profile.is_none() {
        reading.profile = folder_profile(&state.storage, std::slice::from_ref(&tape)).await?;
    }
    let (options, _) = reading.options().map_err(FindError::Profile)?;
    let inspection = state.inspection(tape, options).await?;
    let json = serde_json::to_vec(&inspection).map_err(ApiError::internal)?;
    if state.answers.is_too_large(json.len() as u64) {
        let sentence = "The headers of this tape are too long for one answer. Inspect it with `loan-engine inspect`.";
        return Err(ApiError::TooLarge(sentence.into()));
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

impl State {
    /// Inspects a tape in the turn of an export, off the async threads.
    async fn inspection(&self, tape: TapeRef, options: TapeOptions) -> Result<Inspection, ApiError> {
        let turn = self.turns.take().await?;
        let failure = ReadFailure::default();
        let source = ObjectTape::new(self.storage.clone(), tape, failure.clone());
        // The client may disconnect, but the turn lasts until the tape has been read.
        let inspecting = tokio::task::spawn_blocking(move || {
            let inspected = inspect(&source, &options);
            drop(turn);
            inspected
        });
        let inspected = inspecting.await.map_err(ApiError::internal)?;
        if let Some(error) = failure.take() {
            return Err(error.into());
        }
        inspected.map_err(|RunError { message, .. }| ApiError::invalid(InputError::body("path", message)))
    }
}
