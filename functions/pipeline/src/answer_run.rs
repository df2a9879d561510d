//! The answer to a request that starts a run: at once, or, if the client prefers to wait, when the run has ended.

use std::time::Duration;

use api::problem::ApiError;
use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::value::RawValue;
use shared::auth::user::Scope;
use stores::runs::StoredRun;
use tokio::time::{Instant, sleep};

use crate::State;

/// Longest wait of a request, in seconds. Gateways give up after 30.
const MAX_WAIT_SECONDS: u64 = 25;
/// First and longest pause before the run is read again.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The number of seconds that the client prefers to wait, at most `MAX_WAIT_SECONDS`, by the header `Prefer: wait=N`; `None` for
/// an answer at once. Preferences that are not understood are ignored, as RFC 7240 says.
pub fn preferred_wait(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    preferences.find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let seconds = value.trim().trim_matches('"');
        let digits = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
        // A number that is too large for its type is larger than the longest wait as well.
        (name.trim().eq_ignore_ascii_case("wait") && digits).then(|| seconds.parse().unwrap_or(u64::MAX).min(MAX_WAIT_SECONDS))
    })
}

impl State {
    /// Answers with a run, as a caller with this scope sees it: 200 when the client waited and the run has ended, else 202.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when a header cannot be written.
    pub(crate) async fn answer_run(&self, scope: Scope, run: StoredRun, wait: Option<u64>) -> Result<Response, ApiError> {
        let location = HeaderValue::try_from(format!("/api/runs/{}", run.run_id)).map_err(ApiError::internal)?;
        let run = match wait {
            Some(seconds) => self.ended_within(scope, run, Duration::from_secs(seconds)).await,
            None => run,
        };
        let status = if wait.is_some() && run.status.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
        let mut answer = (status, [(header::LOCATION, location)], Json(self.shown(&run).await)).into_response();
        if let Some(seconds) = wait {
            let applied = HeaderValue::try_from(format!("wait={seconds}")).map_err(ApiError::internal)?;
            answer.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
        Ok(answer)
    }

    /// The run with its column mapping, or without it when the answer would be too large. When the mapping cannot be read, the
    /// answer is the run without it, because the run has started in any case.
    async fn shown(&self, run: &StoredRun) -> Box<RawValue> {
        match self.runs.whole(run).await {
            Ok(whole) if !self.answers.is_too_large(whole.get().len() as u64) => whole,
            Ok(_) => run.object().to_owned(),
            Err(error) => {
                tracing::warn!(run_id = %run.run_id, %error, "the column mapping of a run could not be read");
                run.object().to_owned()
            }
        }
    }

    /// The run when it has ended, or in its current state when the time is over.
    async fn ended_within(&self, scope: Scope, mut run: StoredRun, time: Duration) -> StoredRun {
        let (deadline, mut pause) = (Instant::now() + time, FIRST_LOOK);
        while !run.status.is_final() && Instant::now() < deadline {
            sleep(pause.min(deadline - Instant::now())).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            match self.runs.get(run.run_id).await {
                Ok(Some(now)) => run = now.seen_within(scope),
                Ok(None) => break,
                // The run has started in any case, so a failed read is only logged.
                Err(error) => tracing::warn!(run_id = %run.run_id, %error, "a run could not be read while its client waited"),
            }
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(values: &[&'static str]) -> Option<u64> {
        preferred_wait(&values.iter().map(|value| (PREFER, HeaderValue::from_static(value))).collect())
    }

    #[test]
    fn a_wait_is_found_among_preferences() {
        assert_eq!(wait(&["wait=10"]), Some(10));
        assert_eq!(wait(&["respond-async, WAIT = \"5\"; x=1"]), Some(5));
        assert_eq!(wait(&["respond-async", "wait=0"]), Some(0));
        for value in [&[][..], &["wait"], &["wait="], &["wait=-1"], &["wait=1.5"], &["wait=ten"], &["waiting=10"]] {
            assert_eq!(wait(value), None, "{value:?}");
        }
    }

    #[test]
    fn nobody_waits_longer_than_a_gateway_does() {
        for value in ["wait=25", "wait=26", "wait=3600", "wait=99999999999999999999999999"] {
            assert_eq!(wait(&[value]), Some(25), "{value}");
        }
    }
}
