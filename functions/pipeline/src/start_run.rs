//! `POST /api/pipeline/run`: starts a run on tapes in the inputs.

use axum::{
    extract::{FromRequest, Request, State as FromState},
    http::HeaderMap,
    response::Response,
};
use jiff::civil::Date;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use shared::{
    api::{
        extract::OptionalJson,
        fields::{Fields, FromFields, any},
        objects::RunObject,
        problem::{ApiError, InputError, ProblemObject},
    },
    auth::{
        permission::Permission,
        user::{Caller, Scope},
    },
    paths::{Area, PathError, safe_join},
    phases::pricing::IrrTarget,
    rules::rule_set::RuleSet,
    start_run::{MAX_RULE_SET_BYTES, MAX_TAPES, Terms, Wanted, find_tapes, request},
    storage::{StorageBackend as _, collect},
    stores::{
        keys,
        runs::{Created, IdempotencyKey, StoredRun},
    },
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{State, answer_run::preferred_wait};

/// What a run is to be done on, and with.
#[derive(Debug, Clone, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    /// The purchase date, `YYYY-MM-DD`; without one it is the run's UTC date.
    #[schema(value_type = Option<String>, format = Date)]
    pdate: Option<Date>,
    /// The IRR target in percent, above 0 and at most 30; 8.05 without one.
    #[schema(value_type = Option<f64>)]
    irr_target: Option<IrrTarget>,
    /// A folder in the inputs, all of whose tapes form the run; the root of the inputs without one.
    folder: Option<String>,
    /// Tapes in the inputs, instead of a folder.
    files: Option<Vec<String>>,
    /// A TOML file in the inputs with the rules; the built-in ones without it. Admins and analysts only.
    rule_set: Option<String>,
    /// The team whose run it is. Admins and analysts only: the run of a member of a sales team is their team's.
    sales_team_id: Option<Uuid>,
    /// Whether nothing but the run and its summary is to be kept.
    dry_run: Option<bool>,
}

impl FromFields for StartRun {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let pdate = fields.optional("pdate", any);
        let irr_target = fields.optional("irr_target", any);
        let folder = fields.optional("folder", any);
        let files = fields.optional("files", |files: &Vec<String>| count(files));
        let rule_set = fields.optional("rule_set", any);
        let sales_team_id = fields.optional("sales_team_id", any);
        let dry_run = fields.optional("dry_run", any);
        if matches!((&folder, &files), (Some(Some(_)), Some(Some(_)))) {
            return fields.refuse("files", "Name either a folder or files, not both.");
        }
        Some(Self {
            pdate: pdate?,
            irr_target: irr_target?,
            folder: folder?,
            files: files?,
            rule_set: rule_set?,
            sales_team_id: sales_team_id?,
            dry_run: dry_run?,
        })
    }
}

/// The check of a list of tapes.
fn count(files: &[String]) -> Result<(), String> {
    match files.len() {
        1..=MAX_TAPES => Ok(()),
        _ => Err(format!("A run takes 1 to {MAX_TAPES} tapes.")),
    }
}

/// What was asked for, and the key of the request if it has one.
pub struct Order {
    wanted: StartRun,
    key: Option<String>,
}

impl FromRequest<State> for Order {
    type Rejection = ApiError;

    /// From JSON. No body at all asks for a run with all defaults.
    async fn from_request(request: Request, state: &State) -> Result<Self, ApiError> {
        let key = idempotency_key(request.headers());
        match (OptionalJson::from_request(request, state).await, key) {
            (Ok(OptionalJson(wanted)), Ok(key)) => Ok(Self { wanted, key }),
            (Ok(_), Err(error)) => Err(ApiError::invalid(error)),
            (Err(ApiError::Invalid(mut errors)), Err(error)) => {
                errors.push(error);
                Err(ApiError::Invalid(errors))
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// Start a run
#[utoipa::path(
    post, path = "/api/pipeline/run", tag = "runs", security(("bearer" = [])),
    params(
        ("Prefer" = Option<String>, Header, description = "`wait=N`: answer when the run ends, after at most N (25) seconds"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and request makes one run within 24 hours"),
    ),
    request_body(content = StartRun, description = "All of it is optional"),
    responses(
        (status = 200, description = "The run, ended while it was waited for", body = RunObject),
        (status = 202, description = "The run, pending; `Location` says where it is", body = RunObject),
        (status = 400, description = "A path that may not be", body = ProblemObject),
        (status = 401, body = ProblemObject),
        (status = 403, body = ProblemObject),
        (status = 404, description = "No such tape, rule set or team", body = ProblemObject),
        (status = 409, description = "The rule set was replaced while it was read", body = ProblemObject),
        (status = 413, body = ProblemObject),
        (status = 415, body = ProblemObject),
        (status = 422, description = "Also a rule set that cannot be read, and a key that came with another request", body = ProblemObject),
    )
)]
pub async fn start_run(
    FromState(state): FromState<State>,
    caller: Caller,
    headers: HeaderMap,
    Order { wanted, key }: Order,
) -> Result<Response, ApiError> {
    let wait = preferred_wait(&headers);
    let scope = caller.scope(Permission::StartRuns)?;
    if wanted.rule_set.is_some() || wanted.sales_team_id.is_some() {
        caller.scope(Permission::ChooseTerms)?;
    }
    let meaning = wanted.meaning()?;
    let key = key.map(|key| IdempotencyKey {
        user: caller.user.id,
        key_hash: hash(key.as_bytes()),
        request_hash: hash(meaning.as_bytes()),
    });
    if let Some(first) = state.first_run(scope, key.as_ref()).await? {
        return state.answer_run(first, wait).await;
    }
    let root = keys::area_root(Area::Inputs, scope);
    let tapes = find_tapes(&state.storage, &root, &wanted.tapes()).await?;
    let rule_set = match &wanted.rule_set {
        Some(path) => Some(state.rule_set(&root, path).await?),
        None => None,
    };
    let terms = Terms {
        sales_team_id: scope.team().or(wanted.sales_team_id),
        created_by: Some(caller.user.id),
        irr_target: wanted.irr_target,
        pdate: wanted.pdate,
        rule_set,
        dry_run: wanted.dry_run.unwrap_or(false),
    };
    let request = request(Uuid::new_v4(), terms, tapes, state.clock.now());
    let run = request.run().map_err(ApiError::internal)?;
    let run = match state.runs.create(&run, &request, key.as_ref()).await? {
        // The run is there: that it cannot be read now must not look as if it were not.
        Created::Done => Some(StoredRun::created(&run)?),
        // Another request with the same key came in between.
        Created::KeyUsed => state.first_run(scope, key.as_ref()).await?,
        Created::NoSuchTeam => return Err(ApiError::not_found("The sales team")),
        Created::Exists => return Err(ApiError::internal("a new run has the id of another one")),
    };
    state.answer_run(run.ok_or(ApiError::not_found("The run"))?, wait).await
}

/// What a request asks for, in one form: two requests with the same meaning give the same JSON.
#[derive(Serialize)]
struct Meaning {
    /// Without one it is the day of the run, which is another day tomorrow: it is not filled in.
    pdate: Option<Date>,
    irr_target: String,
    folder: Option<String>,
    files: Option<Vec<String>>,
    rule_set: Option<String>,
    sales_team_id: Option<Uuid>,
    dry_run: bool,
}

impl StartRun {
    fn tapes(&self) -> Wanted {
        match (&self.folder, &self.files) {
            (_, Some(files)) => Wanted::Files(files.clone()),
            (folder, None) => Wanted::Folder(folder.clone().unwrap_or_default()),
        }
    }

    /// What it asks for, as JSON with every default but the date filled in.
    ///
    /// # Errors
    /// 400 for a path that is against the rules.
    fn meaning(&self) -> Result<String, ApiError> {
        let path = |path: &String| safe_join("", &[path]);
        let (folder, files) = match self.tapes() {
            Wanted::Folder(folder) => (Some(path(&folder)?), None),
            Wanted::Files(files) => (None, Some(files.iter().map(path).collect::<Result<_, PathError>>()?)),
        };
        let meaning = Meaning {
            pdate: self.pdate,
            irr_target: self.irr_target.unwrap_or(IrrTarget::DEFAULT).percent().to_string(),
            folder,
            files,
            rule_set: self.rule_set.as_ref().map(path).transpose()?,
            sales_team_id: self.sales_team_id,
            dry_run: self.dry_run.unwrap_or(false),
        };
        serde_json::to_string(&meaning).map_err(ApiError::internal)
    }
}

/// The longest idempotency key, in characters.
const MAX_KEY: usize = 255;

/// The idempotency key of a request, if it has one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, InputError> {
    let bad = |kind, sentence: &str| InputError::new("header", "Idempotency-Key", kind, sentence);
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad("repeated", "It is given more than once."));
    }
    let key = value.to_str().ok().filter(|key| (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()));
    match key {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(bad("value_error", "It must have 1 to 255 ASCII characters, without spaces.")),
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl State {
    /// The run that an earlier request with the same key made.
    async fn first_run(&self, scope: Scope, key: Option<&IdempotencyKey>) -> Result<Option<StoredRun>, ApiError> {
        let Some(key) = key else { return Ok(None) };
        let Some(used) = self.runs.used_key(key.user, &key.key_hash, self.clock.now()).await? else { return Ok(None) };
        if used.request_hash != key.request_hash {
            let sentence = "It was used for another request within 24 hours. Use a new key for a new request.";
            return Err(ApiError::invalid(InputError::new("header", "Idempotency-Key", "key_reused", sentence)));
        }
        self.runs.get_within(scope, used.run_id).await?.map(Some).ok_or(ApiError::not_found("The run"))
    }

    /// The text of a rule set in the inputs, if it is one.
    async fn rule_set(&self, root: &str, path: &str) -> Result<String, ApiError> {
        let bad = |sentence: String| ApiError::invalid(InputError::body("rule_set", sentence));
        let key = safe_join(root, &[path])?;
        let info = self.storage.info(&key).await?.ok_or(ApiError::not_found("The rule set"))?;
        if info.size > MAX_RULE_SET_BYTES {
            return Err(bad(format!("The file has {} bytes; a rule set has at most {MAX_RULE_SET_BYTES}.", info.size)));
        }
        let download = self.storage.get(&key, None, Some(&info.etag)).await?;
        let bytes = collect(download.body, usize::try_from(MAX_RULE_SET_BYTES).unwrap_or(usize::MAX)).await?;
        let text = String::from_utf8(bytes).map_err(|_| bad("The file is not UTF-8 text.".to_owned()))?;
        RuleSet::from_toml(&text).map_err(|error| bad(error.to_string()))?;
        Ok(text)
    }
}
