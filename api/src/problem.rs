//! The errors of all endpoints, and the one table of their statuses and codes.

use std::{borrow::Cow, error::Error, sync::Arc};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shared::{
    auth::{password::HashError, token::TokenError},
    paths::PathError,
};
use stores::{StoreError, start_run::FindError, storage::StorageError};
use utoipa::ToSchema;

/// The cause of a failure of the product, for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a request fails. The texts are sentences for the client.
#[derive(Debug)]
pub enum ApiError {
    /// 401: the request has no valid credentials.
    Unauthenticated(Cow<'static, str>),
    /// 403: the role of the user does not allow the request.
    Forbidden(Cow<'static, str>),
    /// 404: the thing does not exist, or the user may not see it.
    NotFound(Cow<'static, str>),
    /// 404: the run exists, but an earlier version stored it without this part. With the code of the part, `…_not_kept`.
    NotKept(&'static str, Cow<'static, str>),
    /// 410: the results of the run existed and were removed.
    ResultsGone(Cow<'static, str>),
    /// 400: the request breaks a rule. With the code of the rule.
    Refused(&'static str, Cow<'static, str>),
    /// 409: the request conflicts with something that exists or changes. With the code of the conflict.
    Conflict(&'static str, Cow<'static, str>),
    /// 413: a body, a file or an answer is too large.
    TooLarge(Cow<'static, str>),
    /// 415: the endpoint does not take this media type.
    UnsupportedMediaType(Cow<'static, str>),
    /// 422: values of the request are wrong.
    Invalid(Vec<InputError>),
    /// 422: the run is too large for an answer over HTTP. The sentence names the command that has no such bound.
    RunTooLargeHere(Cow<'static, str>),
    /// 422: only a run of the tape can answer the question.
    NeedsARun(Cow<'static, str>),
    /// 429: too many failed tries. With the number of seconds until the next may succeed.
    TooManyTries(Cow<'static, str>, u64),
    /// 429: too many requests at once. With the number of seconds until there may be room.
    Busy(Cow<'static, str>, u64),
    /// 503: a store does not answer, or the disk is full.
    Unavailable(Cause),
    /// 500: a fault of the product.
    Internal(Cause),
}

/// One value of a request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct InputError {
    /// Where the value is: `body`, `query`, `path` or `header`, then the names that lead to it.
    #[schema(example = json!(["query", "limit"]))]
    pub loc: Vec<String>,
    /// What is wrong with the value, for people.
    #[schema(example = "It must be from 1 to 1000.")]
    pub msg: String,
    /// Stable word for the kind of error, for programs.
    #[serde(rename = "type")]
    #[schema(example = "value_error")]
    pub kind: &'static str,
}

impl InputError {
    /// An error at the value `name` in `place`. Dots in `name` separate the names that lead to the value.
    pub fn new(place: &str, name: &str, kind: &'static str, msg: impl Into<String>) -> Self {
        let names = name.split('.').filter(|name| !name.is_empty() && *name != "?");
        Self { loc: std::iter::once(place).chain(names).map(str::to_owned).collect(), msg: msg.into(), kind }
    }

    /// A bad value in the body.
    pub fn body(name: &str, msg: impl ToString) -> Self {
        Self::new("body", name, "value_error", msg.to_string())
    }

    /// A bad value in the query.
    pub fn query(name: &str, msg: impl ToString) -> Self {
        Self::new("query", name, "value_error", msg.to_string())
    }
}

impl ApiError {
    /// The answer to a request without a valid token. It is the same for every reason, so that it reveals nothing.
    pub const fn not_logged_in() -> Self {
        Self::Unauthenticated(Cow::Borrowed("Log in and send the access token as `Authorization: Bearer <token>`."))
    }

    /// The answer to a user whose role does not allow the request.
    pub const fn not_allowed() -> Self {
        Self::Forbidden(Cow::Borrowed("Your role does not allow this."))
    }

    /// A single error in the input.
    pub fn invalid(error: InputError) -> Self {
        Self::Invalid(vec![error])
    }

    /// The answer for something that does not exist. `what` begins the sentence, as in "The run".
    pub fn not_found(what: &str) -> Self {
        Self::NotFound(format!("{what} does not exist.").into())
    }

    /// A fault of the product, with its cause.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// The status, the code and the sentence.
    fn table(&self) -> (StatusCode, &'static str, Cow<'static, str>) {
        match self {
            Self::Unauthenticated(detail) => (StatusCode::UNAUTHORIZED, "unauthenticated", detail.clone()),
            Self::Forbidden(detail) => (StatusCode::FORBIDDEN, "forbidden", detail.clone()),
            Self::NotFound(detail) => (StatusCode::NOT_FOUND, "not_found", detail.clone()),
            Self::NotKept(code, detail) => (StatusCode::NOT_FOUND, code, detail.clone()),
            Self::ResultsGone(detail) => (StatusCode::GONE, "results_gone", detail.clone()),
            Self::Refused(code, detail) => (StatusCode::BAD_REQUEST, code, detail.clone()),
            Self::Conflict(code, detail) => (StatusCode::CONFLICT, code, detail.clone()),
            Self::TooLarge(detail) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail.clone()),
            Self::UnsupportedMediaType(detail) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail.clone()),
            Self::Invalid(errors) => {
                let sentence = match errors.as_slice() {
                    [error] => format!("{}: {}", error.loc.join("."), error.msg),
                    errors => format!("{} values are not valid; `errors` names them.", errors.len()),
                };
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", sentence.into())
            }
            Self::RunTooLargeHere(detail) => (StatusCode::UNPROCESSABLE_ENTITY, "run_too_large_here", detail.clone()),
            Self::NeedsARun(detail) => (StatusCode::UNPROCESSABLE_ENTITY, "needs_a_run", detail.clone()),
            Self::TooManyTries(detail, _) => (StatusCode::TOO_MANY_REQUESTS, "too_many_tries", detail.clone()),
            Self::Busy(detail, _) => (StatusCode::TOO_MANY_REQUESTS, "busy", detail.clone()),
            Self::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The storage does not answer. Try again in a moment.".into())
            }
            Self::Internal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong on our side. Try again; if it stays so, report the request id.".into(),
            ),
        }
    }

    /// The problem for the client, with the cause for the log.
    pub fn problem(self) -> Problem {
        let (status, code, detail) = self.table();
        let (errors, cause) = match self {
            Self::Invalid(errors) => (errors, None),
            Self::Unavailable(cause) | Self::Internal(cause) => (Vec::new(), Some(Arc::from(cause))),
            _ => (Vec::new(), None),
        };
        Problem { status, code, detail, errors, cause }
    }
}

/// Seconds after which a client should try again when a store does not answer.
pub const RETRY_AFTER_SECONDS: u64 = 2;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let retry_after = match &self {
            Self::TooManyTries(_, seconds) | Self::Busy(_, seconds) => Some(*seconds),
            Self::Unavailable(_) => Some(RETRY_AFTER_SECONDS),
            _ => None,
        };
        let problem = self.problem();
        let status = problem.status;
        let mut answer = status.into_response();
        if status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        answer.extensions_mut().insert(problem);
        answer
    }
}

/// The problem of an answer. The outermost layer writes it into the body, with the request id, and logs the cause.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: StatusCode,
    /// Stable word for this kind of problem, for programs.
    pub code: &'static str,
    /// Sentence for the client.
    pub detail: Cow<'static, str>,
    /// Errors of the input; empty unless the status is 422.
    pub errors: Vec<InputError>,
    /// Cause of the failure, only for the log.
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// Why a request failed: an RFC 9457 problem.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemObject<'p> {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "about:blank")]
    pub kind: &'p str,
    /// Name of the status.
    #[schema(example = "Not Found")]
    pub title: &'p str,
    /// HTTP status of the answer.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    pub status: u16,
    /// What happened and what to do about it, for people.
    #[schema(example = "The run does not exist.")]
    pub detail: &'p str,
    /// Stable word for this kind of problem, for programs.
    #[schema(example = "not_found")]
    pub code: &'p str,
    /// Id of the request, as in `X-Request-ID`. Name it when you report the problem.
    #[schema(example = "6f1c9a52-8d3e-4b7a-9c41-2f0e5d7b8a90")]
    pub request_id: &'p str,
    /// Each value that is wrong. Only problems with status 422 have this field.
    #[serde(skip_serializing_if = "<[InputError]>::is_empty")]
    #[schema(value_type = Vec<InputError>, required = false)]
    pub errors: &'p [InputError],
}

impl Problem {
    /// The body of the answer.
    pub fn object<'p>(&'p self, request_id: &'p str) -> ProblemObject<'p> {
        ProblemObject {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            errors: &self.errors,
        }
    }

    /// The problem for an error of the framework, which gives only the status.
    pub fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => ("not_found", "There is nothing at this address."),
            StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "This address does not take this method; see `Allow`."),
            StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "The body is too large."),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ("unsupported_media_type", "The body is in a form that is not taken here."),
            StatusCode::UNPROCESSABLE_ENTITY => ("invalid_input", "The request is not one that this address takes."),
            status if status.is_client_error() => ("refused", "The request cannot be read."),
            _ => ("internal", "Something went wrong on our side. Try again; if it stays so, report the request id."),
        };
        Self { status, code, detail: detail.into(), errors: Vec::new(), cause: None }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            error @ StoreError::Unavailable(_) => Self::Unavailable(Box::new(error)),
            error => Self::Internal(Box::new(error)),
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Store(error) => error.into(),
            StorageError::NotFound => Self::not_found("The file"),
            StorageError::Changed => Self::Conflict("file_changed", "The file was replaced in the meantime. Try again.".into()),
            StorageError::TooLarge { .. } => Self::TooLarge(sentence(&error)),
            StorageError::Broken => Self::Refused("broken_upload", sentence(&error)),
            StorageError::InTheWay(_) => Self::Conflict("in_the_way", sentence(&error)),
            StorageError::NotEmpty => Self::Refused("not_empty", sentence(&error)),
            StorageError::Unsupported => Self::Internal(Box::new(error)),
        }
    }
}

impl From<FindError> for ApiError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Path(error) => error.into(),
            FindError::Storage(error) => error.into(),
            FindError::NoTape | FindError::Absent(_) => Self::NotFound(error.to_string().into()),
            FindError::NotATape(_) | FindError::Repeated(_) | FindError::SeveralFolders(_) | FindError::Count => {
                Self::invalid(InputError::body("files", error))
            }
            FindError::Profile(_) => Self::invalid(InputError::body("profile", error)),
        }
    }
}

/// An error as a sentence for the client.
fn sentence(error: &StorageError) -> Cow<'static, str> {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str()).into()
}

impl From<HashError> for ApiError {
    fn from(error: HashError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<PathError> for ApiError {
    fn from(error: PathError) -> Self {
        match error {
            PathError::TooLarge { .. } => Self::TooLarge(error.to_string().into()),
            PathError::UnknownArea { .. } => Self::Refused("unknown_area", error.to_string().into()),
            _ => Self::Refused("bad_path", error.to_string().into()),
        }
    }
}
