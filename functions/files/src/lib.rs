//! The Lambda of files in the three areas.
#![expect(unused_qualifications, reason = "what utoipa makes of `params` names its types in full")]

mod delete_file;
mod download_file;
mod get_file_url;
mod list_files;
mod make_folder;
mod place;
mod upload_file;

use api::{
    authenticate::Authenticator,
    file_answer::FileAnswers,
    routes::{Api, Routes, Verb},
};
use axum::extract::{DefaultBodyLimit, FromRef};
use shared::auth::permission::Permission;
use stores::{
    resources::Resources,
    runs::Runs,
    storage::{s3::S3Storage, url_origin::UrlOrigin},
};
use utoipa::OpenApi;

/// What the endpoints of this function have.
#[derive(Clone)]
pub struct State {
    storage: S3Storage,
    answers: FileAnswers,
    url_origin: Option<UrlOrigin>,
    runs: Runs,
    max_upload_bytes: u64,
    authenticator: Authenticator,
}

impl State {
    /// Of what a process has.
    pub fn new(resources: &Resources) -> Self {
        Self {
            storage: resources.storage.clone(),
            answers: FileAnswers::new(resources),
            url_origin: resources.url_origin.clone(),
            runs: Runs::new(resources.table.clone(), resources.storage.clone()),
            max_upload_bytes: resources.max_upload_bytes,
            authenticator: Authenticator::new(resources),
        }
    }
}

impl FromRef<State> for Authenticator {
    fn from_ref(state: &State) -> Self {
        state.authenticator.clone()
    }
}

/// Every route of this function.
pub fn api(state: State) -> Api {
    use Permission::{ReadFiles, WriteFiles};
    let api = Routes::new(state)
        .with(ReadFiles, Verb::Get, "/api/files/list", list_files::list_files)
        .with(WriteFiles, Verb::Post, "/api/files/upload", upload_file::upload_file)
        .with(ReadFiles, Verb::Get, "/api/files/download/{*path}", download_file::download_file)
        .with(ReadFiles, Verb::Get, "/api/files/url/{*path}", get_file_url::get_file_url)
        .with(WriteFiles, Verb::Post, "/api/files/mkdir", make_folder::make_folder)
        .with(WriteFiles, Verb::Delete, "/api/files/{*path}", delete_file::delete_file)
        // These are names of folders, too, which the routes above would keep from being deleted.
        .also_at(&["/api/files/list", "/api/files/upload", "/api/files/mkdir"])
        .also_at(&["/api/files/download/{*path}", "/api/files/url/{*path}"])
        .finish(&Document::openapi());
    // An upload has a limit of its own, which is counted while it is stored.
    Api { router: api.router.layer(DefaultBodyLimit::disable()), ..api }
}

/// This function's part of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    list_files::list_files,
    upload_file::upload_file,
    download_file::download_file,
    get_file_url::get_file_url,
    make_folder::make_folder,
    delete_file::delete_file
))]
pub struct Document;
