//! Certificates made for one test, and a small HTTPS server that says what the test wants.
//! <https://www.rfc-editor.org/rfc/rfc5280>

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Response};
use axum_server::accept::{Accept, DefaultAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};

/// An authority that signs certificates of servers and clients.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, both PEM.
pub struct Certificate {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn named(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("self-signed"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate with these names (addresses among them), changed as the test likes before it is signed.
    pub fn sign(&self, names: &[&str], change: &dyn Fn(&mut CertificateParams)) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        Certificate {
            certificate: params.signed_by(&key, &self.0).expect("signed").pem(),
            key: key.serialize_pem(),
        }
    }
}

/// Writes a text where a configuration can name it.
pub fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    std::fs::create_dir_all(folder).expect("a folder");
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// What the server answers, and how long it takes.
#[derive(Clone, Debug)]
pub struct Says {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub after: Duration,
}

impl Says {
    pub fn json(body: &serde_json::Value) -> Says {
        Says {
            status: 200,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
            after: Duration::ZERO,
        }
    }
}

/// A server over TLS on this machine.
pub struct Server {
    pub address: SocketAddr,
    says: Arc<Mutex<Says>>,
    asked: Arc<Mutex<Vec<HeaderMap>>>,
    connected: Arc<AtomicUsize>,
    handle: axum_server::Handle<SocketAddr>,
}

impl Server {
    /// Serves under a certificate of this authority for 127.0.0.1.
    pub async fn of(authority: &Authority, says: Says) -> Server {
        let own = authority.sign(&["127.0.0.1", "localhost"], &|_| ());
        let tls = RustlsConfig::from_pem(own.certificate.into_bytes(), own.key.into_bytes());
        let tls = tls.await.expect("a certificate");
        let listener = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let says = Arc::new(Mutex::new(says));
        let (asked, connected) = (Arc::default(), Arc::default());
        let app = router(Arc::clone(&says), Arc::clone(&asked));
        let counting = Counting(Arc::clone(&connected));
        let handle = axum_server::Handle::new();
        let server = axum_server::from_tcp(listener)
            .expect("a listener")
            .handle(handle.clone())
            .acceptor(RustlsAcceptor::new(tls).acceptor(counting));
        #[expect(clippy::disallowed_methods, reason = "the test's own server")]
        tokio::spawn(server.serve(app.into_make_service()));
        Server {
            address,
            says,
            asked,
            connected,
            handle,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    pub fn say(&self, says: Says) {
        *self.says.lock().unwrap_or_else(PoisonError::into_inner) = says;
    }

    /// Requests answered so far.
    pub fn asked(&self) -> usize {
        self.requests().len()
    }

    pub fn requests(&self) -> Vec<HeaderMap> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections opened so far.
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

fn router(says: Arc<Mutex<Says>>, asked: Arc<Mutex<Vec<HeaderMap>>>) -> Router {
    let answer = move |headers: HeaderMap| {
        let (says, asked) = (Arc::clone(&says), Arc::clone(&asked));
        async move {
            asked.lock().unwrap_or_else(PoisonError::into_inner).push(headers);
            let says = says.lock().unwrap_or_else(PoisonError::into_inner).clone();
            tokio::time::sleep(says.after).await;
            let mut response = Response::builder().status(says.status);
            for (name, value) in &says.headers {
                response = response.header(*name, value);
            }
            response.body(Body::from(says.body)).expect("an answer")
        }
    };
    Router::new().fallback(answer)
}

#[derive(Clone)]
struct Counting(Arc<AtomicUsize>);

impl<I, S> Accept<I, S> for Counting {
    type Stream = I;
    type Service = S;
    type Future = std::future::Ready<std::io::Result<(I, S)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        self.0.fetch_add(1, Ordering::SeqCst);
        DefaultAcceptor::new().accept(stream, service)
    }
}

/// A world served over real TLS on this machine, by the program's own server.
pub struct Served {
    pub world: super::World,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Served {
    /// Under a certificate of this authority, which it trusts in calls of its own; it may call this machine.
    pub async fn over_tls(
        engine: super::Engine,
        authority: &Authority,
        configure: &dyn Fn(&mut postern::config::Config),
    ) -> Served {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
        let port = port.expect("an address").port();
        let folder = super::database_folder().join(format!("postern-tls-{}", std::process::id()));
        let own = authority.sign(&["127.0.0.1"], &|_| ());
        let certificate = written(&folder, &format!("served-{port}.pem"), &own.certificate);
        let key = written(&folder, &format!("served-{port}.key"), &own.key);
        let ca = written(&folder, &format!("served-{port}.ca.pem"), &authority.pem());
        let world = super::World::configured(engine, &|config| {
            config.server.listen = format!("127.0.0.1:{port}");
            config.server.public_url = format!("https://127.0.0.1:{port}/fhir");
            config.server.tls_certificate = Some(certificate.clone());
            config.server.tls_key = Some(key.clone());
            config.egress.ca = Some(ca.clone());
            config.egress.allow_nets = vec!["127.0.0.0/8".to_owned()];
            config.egress.timeout_seconds = 5;
            configure(config);
        })
        .await;
        let bound = postern::http::bind(&world.gateway.config.server).expect("the port is free");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "the test's own server")]
        tokio::spawn(bound.serve(Arc::clone(&world.gateway), async {
            let _ = stopped.await;
        }));
        Served {
            world,
            stop: Some(stop),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}
