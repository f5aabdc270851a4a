//! A connection that holds a place, and ends when it gets nowhere.
//!
//! Without this a stranger could hold open connections until the process has no file descriptor left for clients.
//! What counts as getting somewhere is bytes of an answer: a request that only drips in does not.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

/// Tells a connection that an answer is being worked on, however long that takes. Every request carries one; a handler
/// whose work may take minutes holds [`Work::begin`] meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Work(Arc<AtomicUsize>);

/// Work that has not ended.
#[derive(Debug)]
pub struct UnderWay(Work);

impl Work {
    /// The connection is patient until the value is dropped.
    #[must_use]
    pub fn begin(&self) -> UnderWay {
        self.0.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that holds a place.
pub(super) struct Guest {
    stream: TcpStream,
    patience: Duration,
    late: Pin<Box<Sleep>>,
    work: Work,
    _place: OwnedSemaphorePermit,
}

impl Guest {
    /// A connection that may go `patience` without an answer leaving.
    pub(super) fn new(
        stream: TcpStream,
        patience: Duration,
        place: OwnedSemaphorePermit,
        work: Work,
    ) -> Guest {
        Guest { stream, patience, late: Box::pin(sleep(patience)), work, _place: place }
    }

    /// What waiting comes to: an error once the patience is over.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        while self.late.as_mut().poll(context).is_ready() {
            if self.work.0.load(Ordering::Relaxed) == 0 {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            let deadline = Instant::now() + self.patience;
            self.late.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.wait(context),
            ready @ Poll::Ready(_) => ready,
        }
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => self.wait(context),
            ready @ Poll::Ready(_) => {
                let deadline = Instant::now() + self.patience;
                self.late.as_mut().reset(deadline);
                ready
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::{Guest, Work};
    use std::io::ErrorKind;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Semaphore;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn a_connection_waits_for_work_and_for_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let _other = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a way");
        let (stream, _) = listener.accept().await.expect("a guest");
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("a place");
        let work = Work::default();
        let mut guest = Guest::new(stream, Duration::from_secs(1), place, work.clone());
        let under_way = work.begin();
        assert!(timeout(Duration::from_secs(60), guest.read_u8()).await.is_err(), "it goes on waiting");
        drop(under_way);
        assert_eq!(guest.read_u8().await.expect_err("it ends").kind(), ErrorKind::TimedOut);
    }
}
