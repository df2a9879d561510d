//! `POST /api/files/upload`: stores an uploaded file while its bytes arrive.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use api::{
    caller::Caller,
    extract::ApiQuery,
    problem::{ApiError, InputError, ProblemObject},
    read_fields,
};
use axum::{
    Json,
    extract::{Request, State as FromState},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use multer::{Field, Multipart};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use shared::file_types::content_type_of;
use shared::paths::{Area, sanitize_filename, validate_file_extension};
use stores::storage::{ByteStream, StorageBackend as _, StorageError};
use utoipa::{IntoParams, ToSchema};

use crate::{State, place::AreaPath};

/// Largest size of an upload without its file, in bytes: names, boundaries and other fields.
const FRAME_BYTES: u64 = 64 * 1024;

/// Where the file is to be stored.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UploadQuery {
    /// Path of the file if it ends in an allowed extension, else the folder for it. Without it: the root of the area.
    #[param(example = "2026-02")]
    path: Option<String>,
    /// Area of the file: `inputs`, `outputs` or `output_share`.
    #[param(default = "inputs")]
    area: Option<String>,
}

read_fields!(UploadQuery { path: text, area: text });

/// Form with one file.
#[expect(dead_code, reason = "the form is read as a stream")]
#[derive(ToSchema)]
pub struct UploadForm {
    /// File to store, with its name.
    #[schema(value_type = String, format = Binary, example = "seller_loan_number,loan_amount,note_rate\nL-1,250000,6.5\n")]
    pub file: Vec<u8>,
}

/// A file that was stored.
#[derive(Serialize, ToSchema)]
pub struct Uploaded {
    /// Name of the file, without the characters that names may not have.
    #[schema(example = "february.csv")]
    filename: String,
    /// Path in the area.
    #[schema(example = "2026-02/february.csv")]
    path: String,
    /// Area.
    #[schema(value_type = String, example = "inputs")]
    area: Area,
    /// Size in bytes.
    #[schema(example = 270)]
    size: u64,
    /// SHA-256 of the bytes, in lower-case hexadecimal.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    sha256: String,
    /// Always `uploaded`.
    #[schema(example = "uploaded")]
    status: &'static str,
}

/// Upload a file
///
/// Stores a file, and replaces a file of the same path. A tape in a folder `incoming` starts a run. For files over the limit of
/// `max_upload_bytes` (`/api/config`), get a signed URL from `/api/files/url`. Only the role `admin` writes to the area `outputs`.
#[utoipa::path(
    post, path = "/api/files/upload", tag = "files", security(("bearer" = [])),
    params(UploadQuery),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The file is stored.", body = Uploaded),
        (status = 400, description = "The area, the path, the name or the extension is not allowed.", body = ProblemObject),
        (status = 409, description = "A folder has the path of the file, or a file the path of its folder.", body = ProblemObject),
        (status = 413, description = "The file is larger than the limit; `detail` names the way for large files.", body = ProblemObject),
        (status = 422, description = "The form has no field `file`, or more than one.", body = ProblemObject),
    )
)]
pub async fn upload_file(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiQuery(query): ApiQuery<UploadQuery>,
    request: Request,
) -> Result<Json<Uploaded>, ApiError> {
    let limit = state.max_upload_bytes;
    let named = AreaPath::to_write(&caller, query.area.as_deref(), query.path.as_deref().unwrap_or_default())?;
    let mut form = form(request, limit)?;
    let file = file_of(&mut form, limit).await?;
    let place = if names_a_file(named.name()) { named } else { named.within(&name_of(&file)?)? };
    validate_file_extension(place.name())?;
    state.storage.check_free(&place.key).await?;
    // When the client disconnects, this future is dropped. The task goes on, sees the body break off, and cleans up.
    let (storage, key, content_type) = (state.storage, place.key.clone(), content_type_of(place.name()));
    let another = Arc::new(AtomicBool::new(false));
    let body = body_of(Incoming { form, file: Some(file), limit, another: Arc::clone(&another) });
    let stored = tokio::spawn(async move { storage.put(&key, body, content_type, limit).await });
    let stored = stored.await.map_err(ApiError::internal)?;
    if another.load(Ordering::Relaxed) {
        return Err(file_error("repeated", "The form has more than one `file`. Send one at a time."));
    }
    let stored = stored.map_err(|error| refusal(error, limit))?;
    let filename = place.name().to_owned();
    let (size, sha256) = (stored.size, stored.sha256);
    Ok(Json(Uploaded { filename, path: place.path, area: place.area, size, sha256, status: "uploaded" }))
}

/// Whether a path ends in an allowed extension. Any other path is a folder, such as `2026.02`.
fn names_a_file(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| validate_file_extension(&format!("file.{end}")).is_ok())
}

fn too_large(limit: u64) -> ApiError {
    let sentence = format!(
        "An upload takes at most {limit} bytes. Ask `GET /api/files/url/{{path}}?method=put` for an upload URL and PUT the file \
         there: that takes up to 5 GB."
    );
    ApiError::TooLarge(sentence.into())
}

fn file_error(kind: &'static str, sentence: &str) -> ApiError {
    ApiError::invalid(InputError::new("body", "file", kind, sentence))
}

fn refusal(error: StorageError, limit: u64) -> ApiError {
    match error {
        StorageError::TooLarge { .. } => too_large(limit),
        error => error.into(),
    }
}

/// The parts of the upload, which are not read yet.
fn form(request: Request, limit: u64) -> Result<Multipart<'static>, ApiError> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type);
    let boundary = boundary
        .map_err(|_| ApiError::UnsupportedMediaType("Send the file as `file` in a `multipart/form-data` form.".into()))?;
    let most = limit.saturating_add(FRAME_BYTES);
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(too_large(limit));
    }
    let body = Limited::new(request.into_body(), usize::try_from(most).unwrap_or(usize::MAX));
    Ok(Multipart::new(body.into_data_stream(), boundary))
}

/// The part with the name `file`.
async fn file_of(form: &mut Multipart<'static>, limit: u64) -> Result<Field<'static>, ApiError> {
    loop {
        match form.next_field().await {
            Ok(Some(field)) if field.name() == Some("file") => return Ok(field),
            Ok(Some(_)) => {}
            Ok(None) => return Err(file_error("missing", "The form has no field `file`.")),
            Err(error) => return Err(refusal(broken(&error, limit), limit)),
        }
    }
}

/// The sanitized name of the file.
fn name_of(file: &Field<'_>) -> Result<String, ApiError> {
    let name = extended_name(file.headers()).or_else(|| file.file_name().map(str::to_owned));
    Ok(sanitize_filename(&name.unwrap_or_default())?)
}

/// The name in `filename*`, which some clients send for names that are not ASCII.
fn extended_name(headers: &HeaderMap) -> Option<String> {
    let disposition = headers.get(header::CONTENT_DISPOSITION)?.to_str().ok()?;
    let value = disposition.split(';').find_map(|part| part.trim().strip_prefix("filename*="))?;
    let encoded = value.split_at_checked("UTF-8''".len()).filter(|(charset, _)| charset.eq_ignore_ascii_case("UTF-8''"))?.1;
    percent_decode_str(encoded).decode_utf8().ok().map(Into::into)
}

/// The storage error for an upload that cannot be read.
fn broken(error: &multer::Error, limit: u64) -> StorageError {
    match error {
        multer::Error::StreamReadFailed(cause) if cause.is::<LengthLimitError>() => StorageError::TooLarge { limit },
        _ => StorageError::Broken,
    }
}

/// An upload whose file is being read.
struct Incoming {
    form: Multipart<'static>,
    file: Option<Field<'static>>,
    limit: u64,
    /// Whether another file follows the first.
    another: Arc<AtomicBool>,
}

/// The bytes of the file. They end without an error only when the whole upload does and has no other file, so that the stored
/// file is everything that the client sent.
fn body_of(incoming: Incoming) -> ByteStream {
    Box::pin(stream::try_unfold(incoming, async |mut incoming| {
        let bytes = incoming.next().await?;
        Ok(bytes.map(|bytes| (bytes, incoming)))
    }))
}

impl Incoming {
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        let limit = self.limit;
        if let Some(file) = &mut self.file {
            if let Some(bytes) = file.chunk().await.map_err(|error| broken(&error, limit))? {
                return Ok(Some(bytes));
            }
            self.file = None;
        }
        while let Some(field) = self.form.next_field().await.map_err(|error| broken(&error, limit))? {
            if field.name() == Some("file") {
                self.another.store(true, Ordering::Relaxed);
                return Err(StorageError::Broken);
            }
        }
        Ok(None)
    }
}
