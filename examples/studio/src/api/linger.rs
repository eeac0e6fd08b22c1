//! Reads on what a client still sends when its request was answered already.
//!
//! A connection that is closed while the client writes is reset, and with it goes the answer that
//! says why the request was refused.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::Request;
use futures_util::{Stream, StreamExt};
use tokio::runtime::Handle;

/// Bytes that are read and thrown away at most: who sends more is cut off.
const MOST: usize = 64 << 20;
/// How long that may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Lets the rest of a body arrive after its reader has gone.
pub(super) async fn linger(request: Request) -> Request {
    request.map(|body| match body.is_end_stream() {
        true => body,
        false => Body::from_stream(Lingering(Some(body.into_data_stream()))),
    })
}

/// A body; nothing once it ended.
struct Lingering(Option<BodyDataStream>);

impl Stream for Lingering {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let next = ready!(body.poll_next_unpin(context));
        if !matches!(next, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(next)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let (Some(mut body), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(LONGEST, async move {
                let mut left = MOST;
                while let Some(Ok(bytes)) = body.next().await {
                    match left.checked_sub(bytes.len()) {
                        Some(less) => left = less,
                        None => break,
                    }
                }
            }));
        }
    }
}
