//! Jobs: files that the worker makes for requests that would take too long.

mod faults;
mod races;
mod requests;
mod working;

use runner::execute::Executed;
use shared::auth::permission::Role;
use stores::jobs::JobRequest;
use uuid::Uuid;

use crate::support::app::{Answer, Person, Tape, TestApp};

/// An application in which a job makes the ZIP of every archive, with a run that has one.
struct Scene {
    app: TestApp,
    ana: Person,
    run: String,
}

async fn scene() -> Scene {
    let app = TestApp::with(|resources| resources.zip_by_job_above_bytes = 0).await;
    let ana = app.person("ana", Role::Analyst, None).await;
    let run = app.ended(&ana, &Tape::of_good(20)).await;
    Scene { app, ana, run }
}

impl Scene {
    fn request(&self) -> JobRequest {
        JobRequest::ArchiveZip { run_id: self.run.parse().unwrap() }
    }

    fn job(&self) -> Uuid {
        self.request().id()
    }

    async fn ask(&self) -> Answer {
        ask(&self.app, &self.ana, &self.run).await
    }

    /// Lets the worker do the job.
    async fn make(&self) -> Executed {
        self.app.worker.make(self.job()).await.unwrap()
    }
}

async fn ask(app: &TestApp, person: &Person, run: &str) -> Answer {
    app.get(&format!("/api/runs/{run}/archive/download")).by(person).send().await
}

/// The bytes of a ZIP that is complete.
fn whole_zip(answer: &Answer) -> Vec<u8> {
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/zip"), "{}", answer.text());
    let zip = zip::ZipArchive::new(std::io::Cursor::new(answer.bytes.to_vec())).unwrap();
    assert_eq!(zip.len(), 6);
    answer.bytes.to_vec()
}
