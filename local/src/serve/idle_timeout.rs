//! A request body with a time limit for each piece.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// A body that fails when its next piece takes too long. It reports the length of the inner body, because S3 checks it.
pub struct IdleTimeout<B> {
    body: B,
    patience: Duration,
    /// Deadline of the piece that is waited for, if any.
    until: Option<Pin<Box<Sleep>>>,
}

impl<B> IdleTimeout<B> {
    /// `patience` is the time limit for each piece, counted from when the reader asks for it.
    pub fn new(body: B, patience: Duration) -> Self {
        Self { body, patience, until: None }
    }
}

impl<B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin> Body for IdleTimeout<B> {
    type Data = B::Data;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let Self { body, patience, until } = &mut *self;
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            *until = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(until.get_or_insert_with(|| Box::pin(tokio::time::sleep(*patience))).as_mut().poll(cx));
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the next piece of the body did not come").into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Bytes;
    use futures_util::stream;
    use http_body_util::{BodyExt as _, Full, StreamBody};

    use super::*;

    /// Reads a body of three pieces, each of which takes `seconds`. Returns the length of the body in bytes.
    async fn read(seconds: u64) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let pieces = stream::unfold(0, move |at| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            (at < 3).then(|| (Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"piece"))), at + 1))
        });
        let body = IdleTimeout::new(StreamBody::new(Box::pin(pieces)), Duration::from_secs(30));
        Ok(body.collect().await?.to_bytes().len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_take_long_and_a_piece_of_it_may_not() {
        assert_eq!(read(29).await.unwrap(), 15);
        assert_eq!(read(31).await.unwrap_err().to_string(), "the next piece of the body did not come");
    }

    #[test]
    fn how_long_a_body_is_shows() {
        let body = IdleTimeout::new(Full::new(Bytes::from_static(b"abc")), Duration::from_secs(30));
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(3), false));
    }
}
