//! The body of a request, which is not waited for without end.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// A body that breaks off when its next piece takes too long. How long it is, is known as before: S3 looks at that.
pub struct Patient<B> {
    body: B,
    patience: Duration,
    until: Pin<Box<Sleep>>,
}

impl<B> Patient<B> {
    /// Each piece may take this long.
    pub fn new(body: B, patience: Duration) -> Self {
        Self { body, patience, until: Box::pin(tokio::time::sleep(patience)) }
    }
}

impl<B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin> Body for Patient<B> {
    type Data = B::Data;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body.frame()).poll(cx) {
            let next = Instant::now() + self.patience;
            self.until.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.until.as_mut().poll(cx));
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the next piece of the body did not come").into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
