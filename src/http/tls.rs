//! Own TLS: certificate and key, and the authorities of client certificates where those are asked for.
//! <https://www.rfc-editor.org/rfc/rfc8446>, <https://www.rfc-editor.org/rfc/rfc8705#section-7.2>

use std::path::Path;
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use crate::config::{self, ClientCertificates, ConfigError, read_input};

/// Bytes of one file.
const MOST: u64 = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    File(#[from] ConfigError),
    #[error("server.tls_certificate holds no certificate in PEM")]
    Certificate,
    #[error("server.tls_key holds no key in PEM")]
    Key,
    #[error("server.client_ca holds no certificate of an authority in PEM")]
    Authorities,
    #[error("TLS certificate or key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// As the configuration says; `None` where TLS is not ours.
pub fn configured(server: &config::Server) -> Result<Option<RustlsConfig>, TlsError> {
    let (Some(certificate), Some(key)) = (&server.tls_certificate, &server.tls_key) else {
        return Ok(None);
    };
    let chain = certificates(certificate, TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read_input(key, MOST)?).map_err(|_| TlsError::Key)?;
    let builder = ServerConfig::builder();
    let verifier = verifier(server)?;
    let asked = verifier.is_some();
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut tls = builder.with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if asked {
        // A resumed session would bring a certificate that was checked once, and may have ended since.
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
    }
    Ok(Some(RustlsConfig::from_config(Arc::new(tls))))
}

fn verifier(server: &config::Server) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let Some(file) = server.client_authorities() else {
        return Ok(None);
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(file, TlsError::Authorities)? {
        roots.add(authority).map_err(|_| TlsError::Authorities)?;
    }
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
    let verifier = match server.client_certificates {
        ClientCertificates::Required => verifier,
        _ => verifier.allow_unauthenticated(),
    };
    Ok(Some(verifier.build().map_err(|_| TlsError::Authorities)?))
}

/// The certificates of a PEM file, one at least.
fn certificates(file: &Path, none: TlsError) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read_input(file, MOST)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(none),
    }
}
