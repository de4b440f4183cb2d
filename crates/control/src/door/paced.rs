//! Stream that ends when the peer is too slow.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Least speed at which a peer has to read.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Time during which it may read nothing.
    patience: Duration,
    /// Bytes per second that it has to read after that.
    per_second: f64,
}

const PACE: Pace = Pace { patience: Duration::from_secs(15), per_second: 4096.0 };

/// Stream that ends when the peer does not read what is written to it, and, with an [`Idle`], when nothing is busy on
/// it.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    stream: S,
    pace: Pace,
    timer: Pin<Box<Sleep>>,
    /// Data that is written and not read yet; `None`: there is none.
    waiting: Option<Waiting>,
    idle: Option<Idle>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Instant,
    /// Bytes that were read since.
    taken: usize,
}

/// Limit on the time during which nothing is busy on a stream.
#[derive(Debug)]
pub(crate) struct Idle {
    busy: Arc<AtomicUsize>,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Idle {
    /// Creates a limit. `busy`: number of activities; the stream ends when it is zero at two checks `limit` apart.
    pub(crate) fn new(busy: Arc<AtomicUsize>, limit: Duration) -> Self {
        Self { busy, limit, timer: Box::pin(sleep_until(Instant::now() + limit)) }
    }

    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            if self.busy.load(Relaxed) == 0 {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(Instant::now() + self.limit);
        }
    }
}

impl<S> Paced<S> {
    pub(crate) fn new(stream: S, idle: Option<Idle>) -> Self {
        Self { stream, pace: PACE, timer: Box::pin(sleep_until(Instant::now())), waiting: None, idle }
    }

    /// Accounts for the result of a write or a flush; fails if the peer reads too slowly.
    fn counted<T>(
        &mut self,
        context: &mut Context<'_>,
        done: Poll<io::Result<T>>,
        taken: impl Fn(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match &done {
            Poll::Ready(Ok(it)) => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.taken += taken(it);
                }
                done
            }
            Poll::Ready(Err(_)) => done,
            Poll::Pending => {
                let Waiting { since, taken } =
                    *self.waiting.get_or_insert_with(|| Waiting { since: Instant::now(), taken: 0 });
                let Pace { patience, per_second } = self.pace;
                let earned = Duration::from_secs_f64(taken as f64 / per_second);
                self.timer.as_mut().reset(since + patience + earned);
                ready!(self.timer.as_mut().poll(context));
                Poll::Ready(Err(too_slow("the other side does not read")))
            }
        }
    }
}

fn too_slow(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(idle) = &mut this.idle
            && idle.poll_over(context).is_ready()
        {
            return Poll::Ready(Err(too_slow("nothing is asked on the connection")));
        }
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.counted(context, written, |length| *length)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.counted(context, written, |length| *length)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        ready!(this.counted(context, flushed, |()| 0))?;
        // a flush completes when nothing is left to write
        this.waiting = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let ended = Pin::new(&mut this.stream).poll_shutdown(context);
        this.counted(context, ended, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const FAST: Pace = Pace { patience: Duration::from_millis(200), per_second: 100_000.0 };

    #[tokio::test]
    async fn who_does_not_read_is_given_up() {
        let (ours, mut theirs) = duplex(1000);
        let mut paced = Paced { pace: FAST, ..Paced::new(ours, None) };
        let begin = Instant::now();
        let error = paced.write_all(&[0; 5000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begin.elapsed() >= FAST.patience);
        theirs.read_exact(&mut [0; 1000]).await.unwrap();
    }

    #[tokio::test]
    async fn who_reads_too_slowly_is_given_up_and_who_reads_is_served() {
        for (pause, served) in [(0, true), (50, false)] {
            let (ours, mut theirs) = duplex(1000);
            let reader = tokio::spawn(async move {
                let mut piece = [0; 1000];
                while theirs.read_exact(&mut piece).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            });
            let mut paced = Paced { pace: FAST, ..Paced::new(ours, None) };
            let written = paced.write_all(&[0; 50_000]).await;
            assert_eq!(written.is_ok(), served, "{pause}");
            reader.abort();
        }
    }

    #[tokio::test]
    async fn what_nothing_is_busy_on_ends() {
        let (ours, mut theirs) = duplex(1000);
        let (busy, limit) = (Arc::new(AtomicUsize::new(1)), Duration::from_millis(100));
        let mut paced = Paced::new(ours, Some(Idle::new(Arc::clone(&busy), limit)));
        let reader =
            tokio::spawn(async move { paced.read_to_end(&mut Vec::new()).await.unwrap_err().kind() });
        tokio::time::sleep(5 * limit).await;
        assert!(!reader.is_finished());
        busy.store(0, Relaxed);
        // received bytes do not count as activity
        while !reader.is_finished() {
            let _ = theirs.write_all(b"x").await;
            tokio::time::sleep(limit / 10).await;
        }
        assert_eq!(reader.await.unwrap(), io::ErrorKind::TimedOut);
    }
}
