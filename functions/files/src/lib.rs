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
    endpoint,
    file_answer::FileAnswers,
    routes::{Api, Routes},
};
use axum::extract::DefaultBodyLimit;
use shared::auth::permission::Permission;
use stores::{
    resources::Resources,
    runs::Runs,
    storage::{s3::S3Storage, url_origin::UrlOrigin},
};

/// Resources of the endpoints of this function.
#[derive(Clone)]
pub struct State {
    storage: S3Storage,
    answers: FileAnswers,
    url_origin: Option<UrlOrigin>,
    runs: Runs,
    max_upload_bytes: u64,
}

impl State {
    fn new(resources: &Resources) -> Self {
        Self {
            storage: resources.storage.clone(),
            answers: FileAnswers::new(resources),
            url_origin: resources.url_origin.clone(),
            runs: resources.runs(),
            max_upload_bytes: resources.max_upload_bytes,
        }
    }
}

/// Every route of this function.
pub fn api(resources: &Resources) -> Api {
    use Permission::{ReadFiles, WriteFiles};
    let api = Routes::new(resources, State::new(resources))
        .with(ReadFiles, endpoint!(list_files::list_files))
        .with(WriteFiles, endpoint!(upload_file::upload_file))
        .with(ReadFiles, endpoint!(download_file::download_file))
        .with(ReadFiles, endpoint!(get_file_url::get_file_url))
        .with(WriteFiles, endpoint!(make_folder::make_folder))
        .with(WriteFiles, endpoint!(delete_file::delete_file))
        // A folder can have these paths as well. Without these routes, the ones above would answer 405 to its deletion.
        .also_at(&["/api/files/list", "/api/files/upload", "/api/files/mkdir"])
        .also_at(&["/api/files/download/{*path}", "/api/files/url/{*path}"])
        .finish();
    // An upload has a limit of its own, which is checked while the file is stored.
    Api { router: api.router.layer(DefaultBodyLimit::disable()), ..api }
}
