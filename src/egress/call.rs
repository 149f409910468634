//! One call out: no redirect, no proxy, one timeout for all of it, an answer up to a size, and the connected address judged.
//! <https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html>

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{ACCEPT, AGE, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};

use super::names::{Judged, Names, OutOfReach, SystemNames};
use super::reach::Reach;
use super::target::{Target, TargetError};
use crate::config::{self, ConfigError};

/// The way out. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    reach: Reach,
    names: Arc<dyn Names>,
    /// Further roots to trust, PEM.
    roots: Option<Vec<u8>>,
    timeout: Duration,
    /// Made at the first call: a machine without any root still serves.
    http: OnceLock<Result<reqwest::Client, String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
}

#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    None,
    Form(&'a [(&'a str, &'a str)]),
    Bytes { media: &'a str, bytes: &'a [u8] },
}

/// What is asked of whom.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub method: Method,
    pub target: &'a Target,
    pub accept: &'a str,
    pub bearer: Option<&'a str>,
    /// Further headers.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Body<'a>,
    /// Answers larger than this are not read to their end: bytes.
    pub most: usize,
}

impl<'a> Call<'a> {
    pub fn get(target: &'a Target, accept: &'a str, most: usize) -> Call<'a> {
        Call {
            method: Method::Get,
            target,
            accept,
            bearer: None,
            headers: &[],
            body: Body::None,
            most,
        }
    }
}

/// What came back. A redirect is among it, not followed.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub media: String,
    pub cache_control: String,
    /// Seconds since the origin said it, where a cache stands between.
    pub age: u64,
    pub retry_after: String,
    pub bytes: Vec<u8>,
}

/// Why there is no answer. Texts name no address and nothing that the other side sent.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("the name leads to private or special addresses only (egress.allow_nets)")]
    Reach,
    #[error("no answer in time")]
    Timeout,
    #[error("no connection: {0}")]
    Connection(String),
    #[error("the answer is larger than {0} bytes")]
    Large(usize),
    #[error("TLS cannot be used: {0}")]
    Tls(String),
}

impl Egress {
    /// By `[egress]` of the configuration, with the system's names.
    pub fn new(config: &config::Egress) -> Result<Egress, ConfigError> {
        Egress::with_names(config, Arc::new(SystemNames))
    }

    /// With somebody else's names: tests.
    pub fn with_names(config: &config::Egress, names: Arc<dyn Names>) -> Result<Egress, ConfigError> {
        let roots = config
            .ca
            .as_deref()
            .map(|file| config::read_input(file, 1024 * 1024));
        Ok(Egress::of(Inner {
            reach: Reach::World(config.nets()?),
            names,
            roots: roots.transpose()?,
            timeout: Duration::from_secs(config.timeout_seconds),
            http: OnceLock::new(),
        }))
    }

    /// To this machine alone, also without TLS: for the demo, whose partners are in the same process.
    pub fn loopback() -> Egress {
        Egress::of(Inner {
            reach: Reach::Loopback,
            names: Arc::new(SystemNames),
            roots: None,
            timeout: Duration::from_secs(10),
            http: OnceLock::new(),
        })
    }

    fn of(inner: Inner) -> Egress {
        Egress {
            inner: Arc::new(inner),
        }
    }

    /// An address that may be called from here.
    pub fn target(&self, text: &str) -> Result<Target, TargetError> {
        Target::parse(text, &self.inner.reach)
    }

    /// Makes the call. Any status is an answer.
    pub async fn call(&self, call: Call<'_>) -> Result<Reply, EgressError> {
        let http = self.inner.http.get_or_init(|| self.inner.build());
        let http = http.as_ref().map_err(|why| EgressError::Tls(why.clone()))?;
        let url = call.target.url().clone();
        let mut request = match call.method {
            Method::Get => http.get(url),
            Method::Post => http.post(url),
            Method::Put => http.put(url),
            Method::Patch => http.patch(url),
        };
        request = request.header(ACCEPT, call.accept);
        if let Some(token) = call.bearer {
            request = request.bearer_auth(token);
        }
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        request = match call.body {
            Body::None => request,
            Body::Form(pairs) => request.form(pairs),
            Body::Bytes { media, bytes } => request.header(CONTENT_TYPE, media).body(bytes.to_vec()),
        };
        let response = request.send().await.map_err(|error| failed(&error))?;
        let reached = response.remote_addr().map(|address| address.ip());
        if reached.is_some_and(|address| !self.inner.reach.covers(address)) {
            return Err(EgressError::Reach);
        }
        read(response, call.most).await
    }
}

impl Inner {
    #[expect(clippy::disallowed_methods, reason = "the one home of outgoing calls")]
    fn build(&self) -> Result<reqwest::Client, String> {
        // Of several starts in one process the first counts, and all are the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let judged = Judged {
            names: Arc::clone(&self.names),
            reach: self.reach.clone(),
        };
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .https_only(self.reach.wants_tls())
            .timeout(self.timeout)
            .connect_timeout(self.timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(4)
            .user_agent(concat!("Postern/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(judged));
        if let Some(pem) = &self.roots {
            let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| BAD_ROOTS.to_owned())?;
            if roots.is_empty() {
                return Err(BAD_ROOTS.to_owned());
            }
            builder = builder.tls_certs_merge(roots);
        }
        builder.build().map_err(|error| error.to_string())
    }
}

const BAD_ROOTS: &str = "egress.ca holds no certificate in PEM";

async fn read(mut response: reqwest::Response, most: usize) -> Result<Reply, EgressError> {
    let header = |name: HeaderName| {
        let value = response.headers().get(name);
        let text = value.and_then(|value| value.to_str().ok());
        text.unwrap_or_default().to_owned()
    };
    let mut reply = Reply {
        status: response.status().as_u16(),
        media: header(CONTENT_TYPE),
        cache_control: header(CACHE_CONTROL),
        age: header(AGE).parse().unwrap_or_default(),
        retry_after: header(RETRY_AFTER),
        bytes: Vec::new(),
    };
    let stated = response.content_length().unwrap_or_default();
    if usize::try_from(stated).map_or(true, |stated| stated > most) {
        return Err(EgressError::Large(most));
    }
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        if reply.bytes.len() + chunk.len() > most {
            return Err(EgressError::Large(most));
        }
        reply.bytes.extend_from_slice(&chunk);
    }
    Ok(reply)
}

fn failed(error: &reqwest::Error) -> EgressError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut last = String::new();
    while let Some(one) = cause {
        if one.is::<OutOfReach>() {
            return EgressError::Reach;
        }
        last = one.to_string();
        cause = one.source();
    }
    match error.is_timeout() {
        true => EgressError::Timeout,
        // The innermost cause: `connection refused`, `invalid peer certificate: …`. The outer ones name the address.
        false => EgressError::Connection(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::net::IpAddr;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A resolver that says what a test wants: the n-th answer at the n-th question.
    struct Says(Vec<&'static str>, AtomicUsize);

    impl Names for Says {
        fn addresses(
            &self,
            _: &str,
        ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send + '_>> {
            let turn = self.1.fetch_add(1, Ordering::SeqCst);
            let said = self.0.get(turn).or(self.0.last()).copied().unwrap_or_default();
            let found = said
                .split_whitespace()
                .filter_map(|one| one.parse().ok())
                .collect();
            Box::pin(async { Ok(found) })
        }
    }

    fn egress(answers: &[&'static str]) -> Egress {
        let config = config::Egress {
            timeout_seconds: 2,
            ..config::Egress::default()
        };
        let names = Says(answers.to_vec(), AtomicUsize::new(0));
        Egress::with_names(&config, Arc::new(names)).expect("a configuration")
    }

    async fn outcome(egress: &Egress, url: &str) -> Result<Reply, EgressError> {
        let target = egress.target(url)?;
        egress.call(Call::get(&target, "application/json", 1024)).await
    }

    /// A13: what a name says does not matter, only where it leads.
    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_called() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        for said in [
            "127.0.0.1",
            "10.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.169.254 192.168.0.1",
            "",
        ] {
            let refused = outcome(&egress(&[said]), &format!("https://keys.example:{port}/")).await;
            assert!(matches!(refused, Err(EgressError::Reach)), "{said}: {refused:?}");
        }
        // Rebinding: the second answer is judged as well.
        let rebinding = egress(&["127.0.0.1", "127.0.0.1"]);
        for _ in 0..2 {
            let refused = outcome(&rebinding, &format!("https://keys.example:{port}/")).await;
            assert!(matches!(refused, Err(EgressError::Reach)));
        }
        let literal = outcome(&egress(&[""]), &format!("https://127.0.0.1:{port}/")).await;
        assert!(matches!(literal, Err(EgressError::Target(TargetError::Reach))));
        assert!(listener.accept().is_err(), "nobody connected");
    }

    /// Of several addresses only those that passed are tried.
    #[tokio::test]
    async fn mixed_answers_lead_only_outside() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let mixed = egress(&["127.0.0.1 192.0.2.1 10.0.0.1"]);
        let refused = outcome(&mixed, &format!("https://keys.example:{port}/")).await;
        assert!(matches!(refused, Err(EgressError::Reach)));
        assert!(listener.accept().is_err(), "nobody connected");
    }
}
