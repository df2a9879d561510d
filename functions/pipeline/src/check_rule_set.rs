//! `POST /api/rule-sets/check`: checks a rule set and the files that it names, and lists its rules.

use api::{
    caller::Caller,
    extract::ApiJson,
    fields::{Fields, FromFields, any},
    input_files::rule_set_file,
    problem::{ApiError, ProblemObject},
    values::{BadValue, FieldValue, NamedTexts},
};
use axum::{
    extract::State as FromState,
    http::header,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::value::RawValue;
use shared::{
    auth::permission::Permission,
    paths::Area,
    rules::{
        guide::grid::check_file_name,
        listing::RuleObject,
        rule_set::{GuideFiles, MAX_RULE_SET_BYTES, Mistake, RuleSetFile},
    },
};
use stores::keys;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use crate::State;

/// A rule set: its text and files, or its path.
#[derive(Debug, Clone, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "toml": "name = \"agency\"\n[[grid]]\nname = \"max_ltv\"\nfile = \"ltv.csv\"\n",
    "files": {"ltv.csv": "Y3JlZGl0X3Njb3JlLG1heCBsdHZfcmF0aW8KNjgwKyw4MAo="}
}))]
pub struct CheckRuleSet {
    /// Text of the rule set, TOML of at most 64 KiB. Null or absent: the rule set is the one at `path`.
    #[schema(max_length = 65536, example = "[limits]\nltv_ratio = { max = 80.0 }\n")]
    toml: Option<String>,
    /// Files that the rule set and its programs name: the name of each file with its content in Base64. Only with `toml`; files that
    /// the rule set does not name are ignored. Null or absent: no files.
    #[schema(value_type = Option<HashMap<String, String>>, example = json!({"ltv.csv": "Y3JlZGl0X3Njb3JlLG1heCBsdHZfcmF0aW8KNjgwKyw4MAo="}))]
    files: Option<NamedContents>,
    /// Path of the rule set, a TOML file in the area `inputs` with the files that it names in the same folder. Null or absent: the
    /// rule set is `toml`.
    #[schema(example = "rules/agency.toml")]
    path: Option<String>,
}

/// Name of a rule set that gives itself no name and has no file name.
const UNNAMED: &str = "unnamed";

impl FromFields for CheckRuleSet {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let toml = fields.text("toml", |toml: &String| size(toml));
        let files = fields.optional("files", any);
        let path = fields.optional("path", any);
        match (toml?, files?, path?) {
            (Some(toml), files, None) => Some(Self { toml: Some(toml), files, path: None }),
            (None, None, Some(path)) => Some(Self { toml: None, files: None, path: Some(path) }),
            (Some(_), _, Some(_)) => fields.refuse("path", "Send either `toml` or `path`, not both."),
            (None, Some(_), Some(_)) => {
                fields.refuse("files", "Leave `files` out: the files of the rule set are those of the folder of `path`.")
            }
            (None, _, None) => fields.refuse("toml", "Send the text of the rule set as `toml`, or its `path`."),
        }
    }
}

/// The check of the size of a rule set.
fn size(toml: &str) -> Result<(), String> {
    match toml.len() as u64 {
        ..=MAX_RULE_SET_BYTES => Ok(()),
        bytes => Err(format!("It has {bytes} bytes; a rule set has at most {MAX_RULE_SET_BYTES}.")),
    }
}

/// Files by their names, each with its content in Base64.
#[derive(Debug, Clone, Default)]
pub struct NamedContents(GuideFiles);

/// Largest number of files of a request: 20 programs with 50 grids each.
const MAX_FILES: usize = 20 * (1 + 50);

impl FieldValue for NamedContents {
    fn expected() -> String {
        "an object of file names with contents in Base64".to_owned()
    }

    fn from_text(text: &str) -> Result<Self, Vec<BadValue>> {
        Err(BadValue::text::<Self>(text))
    }

    fn from_json(json: &RawValue) -> Result<Self, Vec<BadValue>> {
        let NamedTexts(named) = NamedTexts::from_json(json)?;
        if named.len() > MAX_FILES {
            return Err(BadValue::new(format!("A rule set has at most {MAX_FILES} files, and these are {}.", named.len())));
        }
        let (mut files, mut bad) = (GuideFiles::default(), Vec::new());
        for (name, content) in named {
            match content_of(&name, &content) {
                Ok(content) => files.insert(&name, content),
                Err(msg) => bad.push(BadValue { path: vec![name], msg }),
            }
        }
        if bad.is_empty() { Ok(Self(files)) } else { Err(bad) }
    }
}

/// The content of a file. The error is a sentence for the client.
fn content_of(name: &str, content: &str) -> Result<Vec<u8>, String> {
    check_file_name(name).map_err(|error| format!("The file name is not allowed: {error}."))?;
    STANDARD.decode(content).map_err(|_| "The content is not Base64, with padding and without line breaks.".to_owned())
}

/// A checked rule set.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleSetCheck, example = json!({
    "valid": true, "name": "agency", "version": "2027-01",
    "hash": "1e2809335995aebe54788a07a2ee783fbee1c602dcafafa97381243fad4cd697", "mistakes": [], "notices": [],
    "rules": [{
        "name": "ltv_ratio", "kind": "built_in", "exception_type": "ltv_ratio", "field": "ltv_ratio", "limit": "> 0 and <= 97.0",
        "severity": "hard", "exception_category": "credit", "rejection_criteria": "notebook.ltv_exceeds_maximum"
    }, {
        "name": "florida_condo", "kind": "rule", "exception_type": "florida_condo", "field": "ltv_ratio", "limit": "ltv_ratio <= 75",
        "severity": "hard", "exception_category": "credit", "rejection_criteria": "guide.florida_condo",
        "hard_from": "2027-01-01", "when": "property_type condo, and property_state FL", "missing": "hold"
    }, {
        "name": "investor_property", "kind": "adjustment", "exception_type": null, "field": null, "limit": null, "severity": null,
        "exception_category": null, "rejection_criteria": null, "when": "occupancy_status investment", "missing": "hold",
        "points": -1.125, "source": "agency.toml:12"
    }]
}))]
pub struct CheckObject {
    /// Whether the rule set has no mistakes, so that runs can use it.
    valid: bool,
    /// Name in the rule set, or else the name of its file, or `unnamed`. Null for a rule set with mistakes.
    #[schema(required, example = "agency")]
    name: Option<String>,
    /// Version in the rule set, or else `unversioned`. Null for a rule set with mistakes.
    #[schema(required, example = "2027-01")]
    version: Option<String>,
    /// SHA-256 of everything the rule set decides, in lower-case hexadecimal. Equal hashes mean equal rules. Null for a rule set with
    /// mistakes.
    #[schema(required, example = "1e2809335995aebe54788a07a2ee783fbee1c602dcafafa97381243fad4cd697")]
    hash: Option<String>,
    /// Every mistake: those of the rule set itself in the order of its lines, then those of its files. Empty for a valid rule set.
    mistakes: Vec<Mistake>,
    /// What is no mistake and may still differ from what the author meant, one sentence each.
    #[schema(example = json!(["fico_adj: a loan can fit the rows of llpa.csv!A2 and llpa.csv!A3, and would be held"]))]
    notices: Vec<String>,
    /// Rules, grids and adjustments: those that loans can fail in the order in which exceptions report them, then those that adjust
    /// prices; those of programs program by program. Empty for a rule set with mistakes.
    rules: Vec<RuleObject>,
}

impl CheckObject {
    fn of(file: &RuleSetFile) -> Self {
        match file.rules() {
            Ok(rules) => {
                let id = rules.id();
                Self {
                    valid: true,
                    name: Some(id.name),
                    version: Some(id.version),
                    hash: Some(id.hash),
                    mistakes: Vec::new(),
                    notices: rules.notices(),
                    rules: rules.listing(),
                }
            }
            Err(error) => Self {
                valid: false,
                name: None,
                version: None,
                hash: None,
                mistakes: error.mistakes,
                notices: Vec::new(),
                rules: Vec::new(),
            },
        }
    }
}

/// Check a rule set
///
/// Says whether runs can use a rule set: every mistake of it and of the files that it names, each with its line or cell, or else its
/// rules. The check starts no run and stores nothing. A body has at most 1 MiB: upload larger files and send the path.
#[utoipa::path(
    post, path = "/api/rule-sets/check", tag = "runs", security(("bearer" = [])),
    request_body(content = CheckRuleSet, description = "Rule set: either `toml`, with the files that it names, or `path`."),
    responses(
        (status = 200, description = "The rule set or its mistakes.", body = CheckObject),
        (status = 400, description = "The path is not allowed.", body = ProblemObject),
        (status = 404, description = "There is no rule set at the path.", body = ProblemObject),
        (status = 409, description = "The rule set was replaced while the request read it.", body = ProblemObject),
        (status = 413, description = "The body is too large, or the answer would be: such a rule set has thousands of mistakes.", body = ProblemObject),
        (status = 422, description = "A value is missing, unknown or malformed, or the rule set is too large.", body = ProblemObject),
        (status = 429),
    )
)]
pub async fn check_rule_set(
    FromState(state): FromState<State>,
    caller: Caller,
    ApiJson(CheckRuleSet { toml, files, path }): ApiJson<CheckRuleSet>,
) -> Result<Response, ApiError> {
    let root = keys::area_root(Area::Inputs, caller.scope(Permission::ChooseTerms)?);
    // The files of a rule set may have hundreds of megabytes: few requests hold theirs at a time.
    let turn = state.turns.take().await?;
    let file = match toml {
        Some(toml) => RuleSetFile { name: UNNAMED.to_owned(), toml, files: files.unwrap_or_default().0 },
        None => rule_set_file(&state.storage, &root, &path.unwrap_or_default(), "path").await?.0,
    };
    let json = checked(file, turn).await?;
    if state.answers.is_too_large(json.len() as u64) {
        let sentence = "The list of mistakes is too long for one answer. Check the rule set with `loan-engine rules check`.";
        return Err(ApiError::TooLarge(sentence.into()));
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

/// Checks a rule set off the async threads: its grids may be workbooks of thousands of cells.
async fn checked(file: RuleSetFile, turn: OwnedSemaphorePermit) -> Result<Vec<u8>, ApiError> {
    // The client may disconnect, but the turn lasts until the rule set has been checked.
    let checking = tokio::task::spawn_blocking(move || {
        let json = serde_json::to_vec(&CheckObject::of(&file));
        drop(turn);
        json
    });
    checking.await.map_err(ApiError::internal)?.map_err(ApiError::internal)
}
