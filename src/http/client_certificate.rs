//! The certificate that a connection shows, told to each request on it by its thumbprint alone: nothing here reads whose it is.
//! <https://www.rfc-editor.org/rfc/rfc8705#section-3>

use std::io;
use std::pin::Pin;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use tokio_rustls::server::TlsStream;
use tower::Layer as _;

use crate::auth::Thumbprint;

/// Of a request: what its connection shows. None: no certificate, or no TLS of ours.
#[derive(Clone, Copy)]
pub struct Shown(pub Option<Thumbprint>);

/// Accepts what the acceptor within it does, and looks at the certificate that was verified there.
#[derive(Clone)]
pub struct Showing<A>(pub A);

type Accepted<IO, S> = io::Result<(TlsStream<IO>, AddExtension<S, Shown>)>;

impl<A, I, S, IO> Accept<I, S> for Showing<A>
where
    A: Accept<I, S, Stream = TlsStream<IO>>,
    A::Future: Send + 'static,
{
    type Stream = TlsStream<IO>;
    type Service = AddExtension<A::Service, Shown>;
    type Future = Pin<Box<dyn Future<Output = Accepted<IO, A::Service>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let accepting = self.0.accept(stream, service);
        Box::pin(async {
            let (stream, service) = accepting.await?;
            let own = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let shown = Shown(own.map(|own| Thumbprint::of(own)));
            Ok((stream, Extension(shown).layer(service)))
        })
    }
}
