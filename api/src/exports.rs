//! Files that are made on request: exports, workbooks and archives as ZIP. Exports take turns, one at a time on each core, so
//! that any number of clients takes the memory of a few. A file is complete before its answer begins: a failure becomes a status
//! and never half a file, and a client that reads slowly holds no turn.

use std::{
    fs::File,
    io::{self, BufWriter, Seek as _, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    body::Body,
    http::header,
    response::{IntoResponse as _, Response},
};
use stores::{
    export_turns::{ExportTurns, NoTurn},
    keys,
    resources::Resources,
    storage::{StorageError, chunks_of, uploads::Uploads},
};
use uuid::Uuid;

use super::{
    file_answer::{FileAnswers, describe, made_file, redirect_to_storage},
    problem::{ApiError, Cause},
};

/// Seconds after which a client whose export got no turn should try again.
const RETRY_AFTER_SECONDS: u64 = 10;
/// Bytes of a file that are kept in memory where answers have no limit. A larger file is on disk.
const IN_MEMORY: usize = 1024 * 1024;
/// Bytes of a file on disk that are written or read at once. Each client that downloads one has as many in memory.
const CHUNK: usize = 64 * 1024;

/// Whether the client still waits for its file. All clones belong to the same client.
#[derive(Debug, Clone, Default)]
pub struct StillWanted(Arc<AtomicBool>);

impl StillWanted {
    /// Fails when the client has disconnected. The work of an export calls this from time to time.
    ///
    /// # Errors
    /// [`io::ErrorKind::BrokenPipe`] when the client has disconnected.
    pub fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

/// Tells the work, when dropped, that its client has disconnected. After the end of the work this has no effect.
struct Client(StillWanted);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` in a task of its own. When the client disconnects, the task learns it and ends by itself, so that it can clean up
/// what it has begun.
///
/// # Errors
/// [`ApiError::Internal`] when the work panics.
pub async fn while_wanted<F>(work: impl FnOnce(StillWanted) -> F) -> Result<F::Output, ApiError>
where
    F: Future<Output: Send> + Send + 'static,
{
    let client = Client(StillWanted::default());
    let done = tokio::spawn(work(client.0.clone())).await;
    done.map_err(ApiError::internal)
}

/// Why a file could not be made.
#[derive(Debug)]
pub enum ExportError {
    /// The content of the file could not be read.
    Read(ApiError),
    /// The file could not be written, or its client has disconnected.
    Write(io::Error),
    /// The file could not be assembled.
    Make(Cause),
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<ExportError> for ApiError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Read(error) => error,
            ExportError::Write(error) if is_of_the_disk(error.kind()) => Self::Unavailable(Box::new(error)),
            ExportError::Write(error) => Self::internal(error),
            ExportError::Make(cause) => Self::Internal(cause),
        }
    }
}

/// Whether an error means that the disk, or its quota, is full.
fn is_of_the_disk(kind: io::ErrorKind) -> bool {
    [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded].contains(&kind)
}

impl From<NoTurn> for ApiError {
    fn from(NoTurn: NoTurn) -> Self {
        Self::Busy("Many files are being made for others. Try again in a moment.".into(), RETRY_AFTER_SECONDS)
    }
}

/// Makes files and answers with them.
#[derive(Clone)]
pub struct Exports {
    answers: FileAnswers,
    turns: ExportTurns,
}

impl Exports {
    /// Uses the storage and the export turns of the process.
    pub fn new(resources: &Resources) -> Self {
        Self { answers: FileAnswers::new(resources), turns: resources.export_turns.clone() }
    }

    /// Waits for a turn, lets `write` write the file off the async threads, and answers with it under this name.
    ///
    /// # Errors
    /// [`ApiError::Busy`] when no turn becomes free within [`TURN_WITHIN`](stores::export_turns::TURN_WITHIN); the error of
    /// `write`; [`ApiError::Unavailable`] when the disk is full or the storage does not answer; [`ApiError::Internal`] when the
    /// file cannot be written or stored for another reason.
    pub async fn answer(
        &self,
        name: &str,
        disposition: &str,
        write: impl FnOnce(&mut ExportFile<'_>) -> Result<(), ExportError> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let turn = self.turns.take().await?;
        let (answers, name, disposition) = (self.answers.clone(), name.to_owned(), disposition.to_owned());
        let answered = while_wanted(move |wanted| async move {
            let answer = make(&answers, &name, &disposition, wanted, write).await;
            drop(turn);
            answer
        });
        answered.await?
    }
}

async fn make(
    answers: &FileAnswers,
    name: &str,
    disposition: &str,
    wanted: StillWanted,
    write: impl FnOnce(&mut ExportFile<'_>) -> Result<(), ExportError> + Send + 'static,
) -> Result<Response, ApiError> {
    let key = keys::answer(Uuid::new_v4(), name);
    let place = key.clone();
    let uploads = Uploads::new(answers.storage.clone(), move |_| place.clone());
    let (limit, upload) = (answers.max_bytes, name.to_owned());
    let writing = tokio::task::spawn_blocking(move || {
        let mut file = ExportFile { wanted, limit, name: &upload, uploads: &uploads, memory: Vec::new(), rest: None };
        let made = write(&mut file).and_then(|()| Ok(file.finish()?));
        (made, uploads)
    });
    let (made, uploads) = writing.await.map_err(ApiError::internal)?;
    // An incomplete file does not appear in the storage.
    match (made, uploads.complete().await) {
        (Ok(Made::InMemory(bytes)), _) => made_file(answers, bytes.into(), name, disposition).await,
        (Ok(Made::OnDisk(file, size)), _) => {
            let mut answer = Body::from_stream(chunks_of(file, size, CHUNK)).into_response();
            describe(&mut answer, name, disposition)?;
            answer.headers_mut().insert(header::CONTENT_LENGTH, size.into());
            Ok(answer)
        }
        (Ok(Made::InStorage), Ok(_)) => redirect_to_storage(&answers.storage, &key, disposition).await,
        (Err(error @ ExportError::Read(_)), _) => Err(error.into()),
        (_, Err((_, error @ StorageError::Store(_)))) => Err(error.into()),
        (Err(error), _) => Err(error.into()),
        (Ok(Made::InStorage), Err((_, error))) => Err(ApiError::internal(error)),
    }
}

/// A file that is being made. A small file is in memory. A larger one goes to the storage where answers have a limit, and
/// otherwise to a file on disk without a name, so that no file is left behind, not even after a crash.
pub struct ExportFile<'u> {
    wanted: StillWanted,
    limit: Option<u64>,
    name: &'u str,
    uploads: &'u Uploads,
    memory: Vec<u8>,
    rest: Option<Rest>,
}

/// Where a file is when it is too large for memory.
enum Rest {
    InStorage(Box<dyn Write + Send>),
    OnDisk(BufWriter<File>),
}

/// A complete file.
enum Made {
    InMemory(Vec<u8>),
    InStorage,
    OnDisk(File, u64),
}

impl ExportFile<'_> {
    /// Whether the client still waits. Work that writes nothing for a long time checks this from time to time.
    pub fn wanted(&self) -> StillWanted {
        self.wanted.clone()
    }

    /// Moves the file from memory to the storage or to disk.
    fn spill(&mut self) -> io::Result<()> {
        let mut rest = match self.limit {
            Some(_) => Rest::InStorage(self.uploads.create(self.name)),
            None => Rest::OnDisk(BufWriter::with_capacity(CHUNK, tempfile::tempfile()?)),
        };
        rest.write_all(&std::mem::take(&mut self.memory))?;
        self.rest = Some(rest);
        Ok(())
    }

    /// Marks the file as complete.
    fn finish(self) -> io::Result<Made> {
        Ok(match self.rest {
            None => Made::InMemory(self.memory),
            Some(Rest::InStorage(mut upload)) => {
                upload.flush()?;
                Made::InStorage
            }
            Some(Rest::OnDisk(buffered)) => {
                let mut file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
                let size = file.stream_position()?;
                file.rewind()?;
                Made::OnDisk(file, size)
            }
        })
    }
}

impl Write for Rest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::InStorage(upload) => upload.write(bytes),
            Self::OnDisk(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::InStorage(upload) => upload.flush(),
            Self::OnDisk(file) => file.flush(),
        }
    }
}

impl Write for ExportFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wanted.check()?;
        if let Some(rest) = &mut self.rest {
            return rest.write(bytes);
        }
        self.memory.extend_from_slice(bytes);
        let most = self.limit.map_or(IN_MEMORY, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        if self.memory.len() > most {
            self.spill()?;
        }
        Ok(bytes.len())
    }

    /// Does nothing: the file is complete only when the `write` of [`Exports::answer`] has returned.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_told_that_its_client_has_gone_away_and_ends_by_itself() {
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        let (seen, has_begun) = tokio::sync::oneshot::channel();
        let mut asked = Box::pin(while_wanted(|wanted| async move {
            wanted.check().unwrap();
            seen.send(()).unwrap();
            while wanted.check().is_ok() {
                tokio::task::yield_now().await;
            }
            ended.send(()).unwrap();
        }));
        assert!(futures_util::poll!(&mut asked).is_pending());
        has_begun.await.unwrap();
        drop(asked);
        has_ended.await.unwrap();
    }

    #[test]
    fn a_client_whose_export_had_no_turn_is_told_when_to_ask_again() {
        assert!(matches!(ApiError::from(NoTurn), ApiError::Busy(_, RETRY_AFTER_SECONDS)));
    }

    #[test]
    fn a_full_disk_is_no_fault_of_ours() {
        let answer = |kind: io::ErrorKind| ApiError::from(ExportError::Write(kind.into()));
        assert!(matches!(answer(io::ErrorKind::StorageFull), ApiError::Unavailable(_)));
        assert!(matches!(answer(io::ErrorKind::Other), ApiError::Internal(_)));
    }
}
