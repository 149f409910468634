//! Connections before anything is read from them: how many there may be, and how long they may be silent.
//!
//! hyper's own header timeout begins with the first byte of a request, and its HTTP/2 preface has none, so a connection that
//! sends nothing, or half a preface, would stay for ever. <https://hl7.org/fhir/R4/security.html>

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use crate::config::Config;

/// Bytes of an HTTP/2 preface; the shortest request is longer than half of it.
const OPENING: usize = 24;

/// Open connections by address.
type Addresses = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Lets connections in while there are places.
#[derive(Clone)]
pub struct Door {
    places: Arc<Semaphore>,
    addresses: Addresses,
    /// From one address; none where all come from a proxy.
    per_address: Option<usize>,
    opening: Duration,
    idle: Duration,
}

impl Door {
    pub fn new(config: &Config) -> Door {
        let limits = &config.limits;
        Door {
            places: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            addresses: Arc::default(),
            per_address: (!config.server.behind_proxy).then_some(limits.connections_per_address),
            opening: Duration::from_secs(limits.header_seconds),
            idle: Duration::from_secs(limits.idle_seconds),
        }
    }

    fn seat(&self, address: IpAddr) -> Option<Seat> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut seat = Seat {
            _place: place,
            counted: None,
        };
        if let Some(most) = self.per_address {
            let mut addresses = lock(&self.addresses);
            let open = addresses.entry(address).or_default();
            if *open >= most {
                return None;
            }
            *open += 1;
            seat.counted = Some((Arc::clone(&self.addresses), address));
        }
        Some(seat)
    }
}

/// One connection's place; given back when it is dropped.
struct Seat {
    _place: OwnedSemaphorePermit,
    counted: Option<(Addresses, IpAddr)>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((addresses, address)) = &self.counted else {
            return;
        };
        let mut addresses = lock(addresses);
        if let Some(open) = addresses.get_mut(address) {
            *open -= 1;
            if *open == 0 {
                addresses.remove(address);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S> Accept<TcpStream, S> for Door {
    type Stream = Watched<TcpStream>;
    type Service = S;
    type Future = Ready<io::Result<(Watched<TcpStream>, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let admitted = stream.peer_addr().and_then(|peer| {
            stream.set_nodelay(true)?;
            self.seat(peer.ip())
                .ok_or_else(|| io::ErrorKind::ConnectionRefused.into())
        });
        ready(admitted.map(|seat| (Watched::new(stream, seat, self.opening, self.idle), service)))
    }
}

/// A stream that ends when it is silent for too long, in either direction.
pub struct Watched<IO> {
    io: IO,
    _seat: Seat,
    received: usize,
    /// When the other side last did something.
    last: Instant,
    opening: Duration,
    idle: Duration,
    /// Rings when it may have been silent for too long.
    bell: Pin<Box<Sleep>>,
    /// Rings when the other side has not taken anything for too long; only while it does not.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<IO> Watched<IO> {
    #[expect(clippy::disallowed_methods, reason = "the door measures waits, not dates")]
    fn new(io: IO, seat: Seat, opening: Duration, idle: Duration) -> Watched<IO> {
        Watched {
            io,
            _seat: seat,
            received: 0,
            last: Instant::now(),
            opening,
            idle,
            bell: Box::pin(tokio::time::sleep(opening)),
            stalled: None,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the door measures waits, not dates")]
    fn heard(&mut self, bytes: usize) {
        self.received = self.received.saturating_add(bytes);
        // What opens a connection has one time for all of it: a byte now and then does not lengthen it.
        if self.received >= OPENING {
            self.last = Instant::now();
        }
    }

    /// Has it been silent for too long? Else wakes the task when that may be so.
    fn silent(&mut self, cx: &mut Context<'_>) -> bool {
        let patience = if self.received < OPENING {
            self.opening
        } else {
            self.idle
        };
        let until = self.last + patience;
        while self.bell.as_mut().poll(cx).is_ready() {
            if self.bell.deadline() >= until {
                return true;
            }
            self.bell.as_mut().reset(until);
        }
        false
    }

    fn written<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.stalled = None;
            return done;
        }
        let idle = self.idle;
        let bell = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        match bell.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Ready(done) => {
                self.heard(buf.filled().len() - before);
                Poll::Ready(done)
            }
            Poll::Pending if self.silent(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.written(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_flush(cx);
        self.written(cx, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_shutdown(cx);
        self.written(cx, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn door(connections: usize, per_address: usize) -> Door {
        let mut config = Config::default();
        config.limits.connections = connections;
        config.limits.connections_per_address = per_address;
        Door::new(&config)
    }

    const OPENS: Duration = Duration::from_millis(200);
    const IDLE: Duration = Duration::from_millis(500);

    fn watched(io: tokio::io::DuplexStream) -> Watched<tokio::io::DuplexStream> {
        let seat = door(1, 1).seat([127, 0, 0, 1].into()).expect("a place");
        Watched::new(io, seat, OPENS, IDLE)
    }

    #[test]
    fn places_are_counted_and_given_back() {
        let door = door(3, 2);
        let (one, two) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let first = door.seat(one).expect("free");
        let _second = door.seat(one).expect("free");
        assert!(door.seat(one).is_none(), "two from one address");
        let third = door.seat(two).expect("free");
        assert!(door.seat(two).is_none(), "three in all");
        drop(first);
        assert!(door.seat(one).is_some());
        drop(third);
        assert_eq!(
            lock(&door.addresses).len(),
            1,
            "who has no connection is not remembered"
        );
    }

    #[tokio::test]
    async fn what_does_not_open_in_time_is_dropped_however_slowly_it_speaks() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = watched(ours);
        let speaking = async {
            for _ in 0..OPENING - 1 {
                let _ = theirs.write_all(b"P").await;
                tokio::time::sleep(OPENS / 4).await;
            }
        };
        let mut heard = [0; 64];
        let reading = async { while ours.read(&mut heard).await.is_ok() {} };
        tokio::select! { () = speaking => panic!("it was heard out"), () = reading => {} }
    }

    #[tokio::test]
    async fn a_connection_that_is_used_stays_and_a_silent_one_ends() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = watched(ours);
        let mut heard = [0; 64];
        let mut times = 0;
        let speaking = async {
            for _ in 0..4 {
                let _ = theirs.write_all(&[b'x'; OPENING]).await;
                tokio::time::sleep(IDLE / 2).await;
            }
            std::future::pending::<()>().await;
        };
        let reading = async {
            while ours.read(&mut heard).await.is_ok() {
                times += 1;
            }
        };
        tokio::select! { () = speaking => {}, () = reading => {} }
        assert_eq!(times, 4);
    }

    #[tokio::test]
    async fn who_takes_nothing_is_not_waited_for() {
        let (ours, _theirs) = tokio::io::duplex(8);
        let mut ours = watched(ours);
        assert!(ours.write_all(&[0; 64]).await.is_err());
    }
}
