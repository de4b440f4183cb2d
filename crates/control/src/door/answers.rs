//! Limit on the bytes of answers that wait for their readers.
//!
//! Whoever reads 4 KiB/s is not given up, and may keep an answer of megabytes for an hour. Many of them together keep no
//! more than this.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as _, Frame, SizeHint};

/// Limit on all answers of the process together, in bytes.
const WAITING: u64 = 256 << 20;
/// Size up to which an answer is not counted, in bytes: the number of connections bounds those. Also the size of the
/// pieces in which a larger one is written.
const SMALL: usize = 64 << 10;

/// Large answers of the process.
static ANSWERS: Answers = Answers::of(WAITING);

/// Bytes of answers that are not written yet.
#[derive(Debug)]
struct Answers {
    most: u64,
    taken: AtomicU64,
}

impl Answers {
    const fn of(most: u64) -> Self {
        Self { most, taken: AtomicU64::new(0) }
    }

    fn admit(&'static self, response: Response) -> Response {
        let Some(size) = response.body().size_hint().exact().filter(|size| *size > SMALL as u64) else {
            return response;
        };
        // one that is larger than the limit may wait alone
        let fits = |taken: u64| taken.checked_add(size).filter(|sum| taken == 0 || *sum <= self.most);
        if self.taken.fetch_update(Relaxed, Relaxed, fits).is_err() {
            let said = "large answers to others wait to be read, and there is no room for more: ask again\n";
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], said).into_response();
        }
        response.map(|body| Body::new(Held { body, rest: Bytes::new(), size, of: self }))
    }
}

/// Passes on an answer, or refuses it while too much of others waits to be read.
pub(super) fn admit(response: Response) -> Response {
    ANSWERS.admit(response)
}

/// Body that counts until it is written. It is passed on in pieces: as one it would leave here while it is still waiting.
struct Held {
    body: Body,
    rest: Bytes,
    size: u64,
    of: &'static Answers,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.taken.fetch_sub(self.size, Relaxed);
    }
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let piece = self.rest.len().min(SMALL);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.body.size_hint().exact().unwrap_or_default();
        SizeHint::with_exact(left + self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn large_answers_wait_up_to_a_limit_and_arrive_whole() {
        static FEW: Answers = Answers::of(300_000);
        let answer = |size: usize| {
            let bytes: Vec<u8> = (0..size).map(|at| at.to_le_bytes()[0]).collect();
            FEW.admit(bytes.into_response())
        };
        let first = answer(200_000);
        let refused = answer(200_000);
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(answer(SMALL).status(), StatusCode::OK, "small ones are not counted");
        assert_eq!(first.body().size_hint().exact(), Some(200_000));
        let read = to_bytes(first.into_body(), usize::MAX).await.unwrap();
        assert!(
            read.len() == 200_000 && read.iter().enumerate().all(|(at, byte)| *byte == at.to_le_bytes()[0])
        );
        drop(answer(200_000));
        assert_eq!(answer(400_000).status(), StatusCode::OK, "alone it may be larger");
        assert_eq!(FEW.taken.load(Relaxed), 0);
    }
}
