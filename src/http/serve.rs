//! Listening: plain on loopback or behind a proxy, else TLS; within the limits of `[limits]`.
//! <https://hl7.org/fhir/R4/security.html>

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsAcceptor;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;

use super::client_certificate::Showing;
use super::connection::Door;
use super::router;
use super::tls::{self, TlsError};
use crate::config::Limits;
use crate::gateway::Gateway;

/// Bytes of a request's head, and of what HTTP/1 reads ahead.
const HEAD_BYTES: usize = 64 * 1024;
/// The same as HTTP/2 counts it: names and values, uncompressed.
const HEADER_LIST_BYTES: u32 = 16 * 1024;
/// Requests at a time on one HTTP/2 connection.
const STREAMS: u32 = 100;
const DRAIN: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("server.listen `{0}` is not an address and a port")]
    Address(String),
    #[error(
        "{0} is reachable from other machines and has no TLS: set server.tls_certificate and server.tls_key, or pass --behind-proxy when TLS ends at a proxy in front"
    )]
    Unprotected(SocketAddr),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the server stopped: {0}")]
    Stopped(std::io::Error),
}

/// A socket that is open and not served yet, so that the caller knows its port.
pub struct Bound {
    listener: TcpListener,
    pub address: SocketAddr,
}

/// Opens the configured address; refuses one beyond loopback without TLS.
pub fn bind(server: &crate::config::Server) -> Result<Bound, ServeError> {
    let address: SocketAddr = server
        .listen
        .parse()
        .map_err(|_| ServeError::Address(server.listen.clone()))?;
    if !address.ip().is_loopback() && server.tls_certificate.is_none() && !server.behind_proxy {
        return Err(ServeError::Unprotected(address));
    }
    let listener = TcpListener::bind(address).map_err(|error| ServeError::Listen(address, error))?;
    listener
        .set_nonblocking(true)
        .map_err(|error| ServeError::Listen(address, error))?;
    let address = listener
        .local_addr()
        .map_err(|error| ServeError::Listen(address, error))?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// Serves until `stop` resolves, then finishes what is under way.
    pub async fn serve(
        self,
        gateway: Arc<Gateway>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let handle = Handle::new();
        let stopping = handle.clone();
        #[expect(clippy::disallowed_methods, reason = "the listener's own task")]
        tokio::spawn(async move {
            stop.await;
            stopping.graceful_shutdown(Some(DRAIN));
        });
        let tls = tls::configured(&gateway.config.server)?;
        let door = Door::new(&gateway.config);
        let limits = gateway.config.limits.clone();
        let app = router(gateway).into_make_service_with_connect_info::<SocketAddr>();
        let mut server = axum_server::from_tcp(self.listener)
            .map_err(ServeError::Stopped)?
            .handle(handle);
        limit(server.http_builder(), &limits);
        let served = match tls {
            Some(tls) => {
                let patience = Duration::from_secs(limits.header_seconds);
                let tls = RustlsAcceptor::new(tls).handshake_timeout(patience);
                server.acceptor(Showing(tls.acceptor(door))).serve(app).await
            }
            None => server.acceptor(door).serve(app).await,
        };
        served.map_err(ServeError::Stopped)
    }
}

/// What one connection may ask of HTTP itself.
fn limit(builder: &mut Builder<TokioExecutor>, limits: &Limits) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_seconds))
        .max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST_BYTES);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Server;

    fn listen(address: &str, behind_proxy: bool) -> Result<Bound, ServeError> {
        bind(&Server {
            listen: address.to_owned(),
            behind_proxy,
            ..Server::default()
        })
    }

    #[test]
    fn beyond_loopback_it_listens_only_with_tls_or_behind_a_proxy() {
        assert!(matches!(
            listen("0.0.0.0:0", false),
            Err(ServeError::Unprotected(_))
        ));
        assert!(listen("0.0.0.0:0", true).is_ok());
        assert!(listen("127.0.0.1:0", false).is_ok());
        assert!(matches!(listen("somewhere", false), Err(ServeError::Address(_))));
    }
}
