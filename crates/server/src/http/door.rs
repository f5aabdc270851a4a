//! Accepts HTTP connections, a bounded number of them, and ends those that get nowhere.
//!
//! Without this a stranger could hold open connections until the process has no file descriptor left for clients.
//! What counts as getting somewhere is bytes of an answer: a request that only drips in does not.

use axum::serve::Listener;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// A listener that lets in so many connections at a time.
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Door {
    /// `places` may be shared with other doors.
    pub(super) fn new(listener: TcpListener, places: Arc<Semaphore>, patience: Duration) -> Door {
        Door { listener, places, patience }
    }
}

impl Listener for Door {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("invariant: nobody closes the semaphore");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let guest =
            Guest { stream, patience: self.patience, late: Box::pin(sleep(self.patience)), _place: place };
        (guest, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that holds a place.
pub(super) struct Guest {
    stream: TcpStream,
    patience: Duration,
    late: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Guest {
    /// What waiting comes to: an error once the patience is over.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.late.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into()))
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
    use super::Door;
    use axum::Router;
    use axum::routing::get;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    #[test]
    fn who_gets_nowhere_makes_room() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let door = Door::new(listener, Arc::new(Semaphore::new(1)), Duration::from_millis(100));
        let app = Router::new().route("/", get(|| async { "here" }));
        let client = std::thread::spawn(move || {
            let mut idle = TcpStream::connect(address).expect("accepted");
            idle.write_all(b"GET / HT").expect("sent");
            let mut next = TcpStream::connect(address).expect("queued");
            next.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
            next.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
            let mut answer = String::new();
            next.read_to_string(&mut answer).expect("answered once the idle one is gone");
            answer
        });
        let serve = async { axum::serve(door, app).await };
        runtime.block_on(async {
            let server = tokio::spawn(serve);
            while !client.is_finished() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            server.abort();
        });
        assert!(client.join().expect("no panic").ends_with("here"));
    }
}
