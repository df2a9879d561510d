//! `POST /api/pipeline/run`: starts a run on tapes in the area `inputs`.

use api::{
    caller::Caller,
    extract::OptionalJson,
    fields::{Fields, FromFields, any},
    input_files::{errors_of, input_text, rule_set_file},
    problem::{ApiError, InputError, ProblemObject},
    values::{NamedTexts, shortened},
};
use axum::{
    extract::{FromRequest, Request, State as FromState},
    http::HeaderMap,
    response::Response,
};
use jiff::{civil::Date, tz::TimeZone};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use shared::{
    auth::{permission::Permission, user::Scope},
    hex::hex,
    loan::Field,
    paths::{Area, PathError, stored_path},
    phases::pricing::IrrTarget,
    rules::rule_set::RunRules,
    run::RunObject,
    tape::{
        profile::{MAX_PROFILE_BYTES, PRESETS},
        request::{ProfileFile, ReadingRequest},
    },
};
use stores::{
    keys,
    runs::{Created, IdempotencyKey, StoredRun},
    start_run::{FoundTapes, MAX_TAPES, RunOrder, Wanted, file_name, find_tapes, request},
    storage::s3::S3Storage,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{State, answer_run::preferred_wait};

/// Tapes of a run and the terms to judge them by. Every field is optional.
#[derive(Debug, Clone, Default, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"files": ["2026-02/february.csv"], "irr_target": 8.05, "pdate": "2026-02-15"}))]
pub struct StartRun {
    /// Purchase date, `YYYY-MM-DD`. Null or absent: the day, in UTC, on which the run is created.
    #[schema(value_type = Option<String>, format = Date)]
    pdate: Option<Date>,
    /// IRR target in percent, above 0 and at most 30. Null or absent: 8.05.
    #[schema(value_type = Option<f64>, exclusive_minimum = 0, maximum = 30, example = 8.05)]
    irr_target: Option<IrrTarget>,
    /// Folder in the area `inputs`: all tapes in it form the run. Null or absent: the root of the area, unless `files` are named.
    #[schema(example = "2026-02")]
    folder: Option<String>,
    /// Paths of tapes in the area `inputs`. Name either files or a folder.
    #[schema(example = json!(["2026-02/february.csv"]))]
    files: Option<Vec<String>>,
    /// Path of a rule set, a TOML file in the area `inputs`. Null or absent: the built-in rule set. Only the roles `admin` and
    /// `analyst` may choose one.
    #[schema(example = "rules/strict.toml")]
    rule_set: Option<String>,
    /// How the tapes are read: path of a profile, a TOML file in the area `inputs`, or the name of a preset, `asf_rmbs`,
    /// `fannie_sflp` or `freddie_sflld`. Null or absent: as the file `profile.toml` in the folder of the tapes says, or else as the
    /// tapes say. Only the roles `admin` and `analyst` may choose one.
    #[schema(example = "freddie_sflld")]
    profile: Option<String>,
    /// Columns that hold fields: the name of the field with the header of its column. It beats the profile. Null or absent: the
    /// headers say. Only the roles `admin` and `analyst` may choose.
    #[schema(value_type = Option<HashMap<String, String>>, example = json!({"loan_amount": "Current UPB"}))]
    map: Option<Vec<(Field, String)>>,
    /// Name of the worksheet to read, of workbooks in which several hold loans. `all`: each worksheet is a tape of its
    /// own. Null or absent: the one that holds loans. Only the roles `admin` and `analyst` may choose one.
    #[schema(example = "Loans")]
    sheet: Option<String>,
    /// Sales team that owns the run. Null or absent: no team. Only the roles `admin` and `analyst` may choose one: the run of a
    /// member of a sales team belongs to that team.
    sales_team_id: Option<Uuid>,
    /// Whether to keep only the run and its summary, and to write no files. Null or absent: false.
    dry_run: Option<bool>,
}

impl FromFields for StartRun {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let pdate = fields.optional("pdate", any);
        let irr_target = fields.optional("irr_target", any);
        let folder = fields.optional("folder", any);
        let files = fields.optional("files", |files: &Vec<String>| count(files));
        let rule_set = fields.optional("rule_set", any);
        let profile = fields.optional("profile", any);
        let map = fields.optional("map", |map: &NamedTexts| mapped(map).map(drop));
        let sheet = fields.optional("sheet", any);
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
            profile: profile?,
            map: map?.and_then(|map| mapped(&map).ok()),
            sheet: sheet?,
            sales_team_id: sales_team_id?,
            dry_run: dry_run?,
        })
    }
}

/// The fields that a map names, with their headers, in the order of the fields.
///
/// # Errors
/// A sentence for the client when a field does not exist or its header is empty.
pub fn mapped(NamedTexts(map): &NamedTexts) -> Result<Vec<(Field, String)>, String> {
    let column = |(name, header): &(String, String)| match Field::from_name(name) {
        None => Err(format!("There is no field `{}`.", shortened(name, 60))),
        Some(field) if header.trim().is_empty() => Err(format!("The header for `{field}` is empty.")),
        Some(field) => Ok((field, header.clone())),
    };
    let mut columns = map.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    columns.sort();
    Ok(columns)
}

/// The check of the number of tapes.
fn count(files: &[String]) -> Result<(), String> {
    match files.len() {
        1..=MAX_TAPES => Ok(()),
        _ => Err(format!("A run takes 1 to {MAX_TAPES} tapes.")),
    }
}

/// A request for a run, with its idempotency key if it has one.
pub struct Order {
    wanted: StartRun,
    key: Option<String>,
}

impl FromRequest<State> for Order {
    type Rejection = ApiError;

    /// Reads JSON. A request without a body gets a run with all defaults.
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
///
/// Creates a pending run on tapes in the area `inputs`; a worker executes it. Without a body, the run takes all tapes in the root of
/// the area. A member of a sales team starts runs on the tapes of that team.
#[utoipa::path(
    post, path = "/api/pipeline/run", tag = "runs", security(("bearer" = [])),
    params(
        (
            "Prefer" = Option<String>, Header, example = "wait=25",
            description = "`wait=N` answers when the run has ended, after at most N seconds; more than 25 count as 25."
        ),
        (
            "Idempotency-Key" = Option<String>, Header, example = "february-1",
            description = "A key of your choice, 1 to 255 ASCII characters. The same key with the same request within 24 hours \
                           returns the first run and starts no other."
        ),
    ),
    request_body(content = StartRun, description = "Tapes and terms; every field is optional."),
    responses(
        (status = 200, description = "The run, which ended within the preferred wait.", body = RunObject),
        (status = 202, description = "The run, which has not ended yet; `Location` is its URL.", body = RunObject),
        (status = 400, description = "A path is not allowed.", body = ProblemObject),
        (status = 404, description = "A tape, the rule set, the profile or the sales team does not exist.", body = ProblemObject),
        (status = 409, description = "The rule set was replaced while the request read it.", body = ProblemObject),
        (status = 422, description = "A value is missing, unknown or out of range, the rule set or the profile is not valid, or the key was used for another request.", body = ProblemObject),
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
    let chooses_reading = wanted.profile.is_some() || wanted.map.is_some() || wanted.sheet.is_some();
    if wanted.rule_set.is_some() || wanted.sales_team_id.is_some() || chooses_reading {
        caller.scope(Permission::ChooseTerms)?;
    }
    let today = state.clock.now().to_zoned(TimeZone::UTC).date();
    let (meaning, dated) = (wanted.meaning(wanted.pdate)?, wanted.meaning(wanted.pdate.or(Some(today)))?);
    let key = key.map(|key| IdempotencyKey {
        user: caller.user.id,
        key_hash: hash(key.as_bytes()),
        request_hash: hash(meaning.as_bytes()),
        dated_hash: hash(dated.as_bytes()),
    });
    if let Some(first) = state.first_run(scope, key.as_ref()).await? {
        return state.answer_run(first, wait).await;
    }
    let root = keys::area_root(Area::Inputs, scope);
    let (profile, map, sheet) = (wanted.profile.as_deref(), wanted.map.clone(), wanted.sheet.clone());
    let asked = reading_asked_for(&state.storage, &root, profile, map, sheet).await?;
    let (rules, rule_files) = match &wanted.rule_set {
        Some(path) => state.rule_set(&root, path).await?,
        None => (RunRules::default(), Vec::new()),
    };
    let found = find_tapes(&state.storage, &root, &wanted.tapes(), &rule_files, asked).await?;
    let FoundTapes { tapes, reading, left_out } = found;
    let order = RunOrder {
        sales_team_id: scope.team().or(wanted.sales_team_id),
        created_by: Some(caller.user.id),
        irr_target: wanted.irr_target,
        pdate: wanted.pdate,
        rules,
        reading,
        left_out,
        dry_run: wanted.dry_run.unwrap_or(false),
    };
    let request = request(Uuid::new_v4(), order, tapes, state.clock.now());
    let run = request.run();
    let run = match state.runs.create(&run, &request, key.as_ref()).await? {
        // The run exists now. It is not read back, because a failed read would look as if it did not exist.
        Created::Done => Some(StoredRun::created(&run)?),
        // Another request with the same key created its run in the meantime.
        Created::KeyUsed => state.first_run(scope, key.as_ref()).await?,
        Created::NoSuchTeam => return Err(ApiError::not_found("The sales team")),
        Created::Exists => return Err(ApiError::internal("a new run has the id of another one")),
    };
    state.answer_run(run.ok_or(ApiError::not_found("The run"))?, wait).await
}

/// A request in its canonical form: two requests with the same meaning have the same JSON.
#[derive(Serialize)]
struct Meaning {
    pdate: Option<Date>,
    irr_target: String,
    folder: Option<String>,
    files: Option<Vec<String>>,
    rule_set: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    map: Option<Vec<(Field, String)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sheet: Option<String>,
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

    /// The canonical JSON of the request with this purchase date, and with all other defaults filled in.
    ///
    /// # Errors
    /// [`ApiError::Refused`] (400) when a path is not allowed.
    fn meaning(&self, pdate: Option<Date>) -> Result<String, ApiError> {
        let path = |path: &String| stored_path(path);
        let (folder, files) = match self.tapes() {
            Wanted::Folder(folder) => (Some(path(&folder)?), None),
            Wanted::Files(files) => (None, Some(files.iter().map(path).collect::<Result<_, PathError>>()?)),
        };
        let meaning = Meaning {
            pdate,
            irr_target: self.irr_target.unwrap_or(IrrTarget::DEFAULT).percent().to_string(),
            folder,
            files,
            rule_set: self.rule_set.as_ref().map(path).transpose()?,
            profile: self
                .profile
                .as_ref()
                .map(|name| if is_preset(name) { Ok(format!("preset {name}")) } else { path(name) })
                .transpose()?,
            map: self.map.clone().filter(|map| !map.is_empty()),
            sheet: self.sheet.clone(),
            sales_team_id: self.sales_team_id,
            dry_run: self.dry_run.unwrap_or(false),
        };
        serde_json::to_string(&meaning).map_err(ApiError::internal)
    }
}

/// Whether the name is that of a preset, which the product ships. A file with the same name has to be named by another path to
/// it.
fn is_preset(name: &str) -> bool {
    PRESETS.iter().any(|(preset, _)| *preset == name)
}

/// Longest idempotency key, in characters.
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
    hex(&Sha256::digest(bytes))
}

impl State {
    /// The run that an earlier request with the same key created; `None` when there is none.
    async fn first_run(&self, scope: Scope, key: Option<&IdempotencyKey>) -> Result<Option<StoredRun>, ApiError> {
        let Some(key) = key else { return Ok(None) };
        let Some(used) = self.runs.used_key(key.user, &key.key_hash, self.clock.now()).await? else { return Ok(None) };
        if !key.asks_for_the_same_as(&used) {
            let sentence = "It was used for another request within 24 hours. Use a new key for a new request.";
            return Err(ApiError::invalid(InputError::new("header", "Idempotency-Key", "key_reused", sentence)));
        }
        self.runs.get_within(scope, used.run_id).await?.map(Some).ok_or(ApiError::not_found("The run"))
    }

    /// Reads a rule set from the area `inputs`. Returns it with the keys of its files.
    async fn rule_set(&self, root: &str, path: &str) -> Result<(RunRules, Vec<String>), ApiError> {
        let (file, keys) = rule_set_file(&self.storage, root, path, "rule_set").await?;
        let rules = RunRules::new(file).map_err(|error| ApiError::Invalid(errors_of(&error)))?;
        Ok((rules, keys))
    }
}

/// How the request wants its tapes to be read.
///
/// # Errors
/// [`ApiError::NotFound`] when the profile does not exist; [`ApiError::Invalid`] (422) when the profile or the map has mistakes;
/// [`ApiError::Refused`] when the path of the profile is not allowed; [`ApiError::Conflict`] when the profile was replaced while
/// it was read; [`ApiError::Unavailable`] or [`ApiError::Internal`] when the storage fails.
pub async fn reading_asked_for(
    storage: &S3Storage,
    root: &str,
    profile: Option<&str>,
    map: Option<Vec<(Field, String)>>,
    sheet: Option<String>,
) -> Result<ReadingRequest, ApiError> {
    let profile = match profile {
        None => None,
        Some(name) => Some(match PRESETS.into_iter().find(|(preset, _)| *preset == name) {
            Some((preset, toml)) => ProfileFile::new(preset, toml),
            None => {
                let (key, toml) = input_text(storage, root, name, ("profile", "profile"), MAX_PROFILE_BYTES).await?;
                let called = file_name(&key);
                ProfileFile::new(called.strip_suffix(".toml").unwrap_or(called), toml)
            }
        }),
    };
    let request = ReadingRequest { profile, map: map.unwrap_or_default(), sheet };
    request.options().map_err(|error| ApiError::invalid(InputError::body("profile", error.to_string())))?;
    Ok(request)
}
