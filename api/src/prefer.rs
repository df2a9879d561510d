//! The header `Prefer: wait=N`: how long a client waits for an answer that is not ready.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, request::Parts},
    response::Response,
};
use tokio::time::{Instant, sleep};

/// Longest wait of a request, in seconds. Gateways give up after 30.
const MAX_WAIT_SECONDS: u64 = 25;
/// First and longest pause before the request looks again.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The number of seconds that a client prefers to wait, at most [`MAX_WAIT_SECONDS`]; `None` for an answer at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreferredWait(Option<u64>);

impl PreferredWait {
    /// Reads the header `Prefer: wait=N`. Preferences that are not understood are ignored, as RFC 7240 says.
    pub fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let mut preferences = values.flat_map(|value| value.split(','));
        Self(preferences.find_map(|preference| {
            let (name, value) = preference.split(';').next()?.split_once('=')?;
            let seconds = value.trim().trim_matches('"');
            let digits = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
            // A number that is too large for its type is larger than the longest wait as well.
            (name.trim().eq_ignore_ascii_case("wait") && digits)
                .then(|| seconds.parse().unwrap_or(u64::MAX).min(MAX_WAIT_SECONDS))
        }))
    }

    /// Whether the client prefers to wait.
    pub fn is_some(self) -> bool {
        self.0.is_some()
    }

    /// The pauses between looks at something that is not ready, until the time is over.
    pub fn pauses(self) -> Pauses {
        Pauses { deadline: Instant::now() + Duration::from_secs(self.0.unwrap_or(0)), pause: FIRST_LOOK }
    }

    /// Adds the header `Preference-Applied` to an answer, if the client prefers to wait.
    pub fn note(self, answer: &mut Response) {
        if let Some(applied) = self.0.and_then(|seconds| HeaderValue::try_from(format!("wait={seconds}")).ok()) {
            answer.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
    }
}

/// Pauses, each longer than the one before, up to half a second.
#[derive(Debug)]
pub struct Pauses {
    deadline: Instant,
    pause: Duration,
}

impl Pauses {
    /// Pauses. Returns false, without a pause, when the time is over.
    pub async fn next(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
        true
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PreferredWait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(values: &[&'static str]) -> Option<u64> {
        PreferredWait::of(&values.iter().map(|value| (PREFER, HeaderValue::from_static(value))).collect()).0
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
    fn no_client_waits_longer_than_a_gateway_does() {
        for value in ["wait=25", "wait=26", "wait=3600", "wait=99999999999999999999999999"] {
            assert_eq!(wait(&[value]), Some(25), "{value}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pauses_end_when_the_time_is_over() {
        let begun = Instant::now();
        assert!(!PreferredWait(None).pauses().next().await);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let (mut pauses, mut count) = (PreferredWait(Some(5)).pauses(), 0);
        while pauses.next().await {
            count += 1;
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
        assert!((10..30).contains(&count), "{count}");
    }
}
