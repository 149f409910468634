//! What a request states: its id, its token, where it came from, its parameters.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};

use postern_rules::log::{Digest, digest::hex};

use super::client_certificate::Shown;
use super::respond::REQUEST_ID;
use crate::auth::{Bearer, Thumbprint, bearer};
use crate::gateway::{Attempt, Call, Error, Gateway, StaffMember, Stranger};

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The facts about a request that its body does not hold.
pub struct Facts {
    pub request: String,
    pub address: String,
    pub headers: HeaderMap,
    pub line: String,
    /// The certificate that the connection shows.
    pub certificate: Option<Thumbprint>,
}

/// `X-Request-ID` when it is short and plain; else the request gets one of ours.
pub fn stated_id(headers: &HeaderMap) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    headers
        .get(REQUEST_ID)?
        .to_str()
        .ok()
        .filter(|id| !id.is_empty() && id.len() <= 64 && id.bytes().all(plain))
}

impl FromRequestParts<Arc<Gateway>> for Facts {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Facts, Self::Rejection> {
        Ok(Facts {
            request: stated_id(&parts.headers).map_or_else(|| gateway.request_id(), str::to_owned),
            address: address(parts, gateway.config.server.client_address_header.as_deref()),
            headers: parts.headers.clone(),
            line: format!("{} {}", parts.method, parts.uri),
            certificate: parts.extensions.get::<Shown>().and_then(|shown| shown.0),
        })
    }
}

/// Where the request came from: the connection's other end, or what the proxy in front says (its own, the last, word).
pub fn address(parts: &Parts, stated_by_proxy: Option<&str>) -> String {
    let stated =
        stated_by_proxy.and_then(|name| parts.headers.get_all(name).iter().next_back()?.to_str().ok());
    let last = stated.and_then(|list| list.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
    let peer = || {
        parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|peer| peer.0.ip())
    };
    last.or_else(peer)
        .map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

/// Most bytes of a body that are part of the query on the log.
const LOGGED: usize = 8 * 1024;

impl Facts {
    /// What was asked for in a body is part of the query. Of a long one the log keeps the beginning, and what proves the rest.
    pub(super) fn asked_for(&mut self, body: &[u8]) {
        let asked = String::from_utf8_lossy(&body[..body.len().min(LOGGED)]);
        self.line = match body.len() > LOGGED {
            false => format!("{} {asked}", self.line),
            true => format!(
                "{} {asked} [of {} bytes, SHA-256 {}]",
                self.line,
                body.len(),
                hex(&Digest::of(body).0)
            ),
        };
    }

    pub fn bearer(&self) -> Option<Bearer> {
        bearer(
            self.headers
                .get(header::AUTHORIZATION)
                .and_then(|value| value.to_str().ok()),
        )
    }

    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Does the client ask for lenient handling of what is not served? <https://hl7.org/fhir/R4/search.html#errors>
    pub fn is_lenient(&self) -> bool {
        let all = self
            .headers
            .get_all(PREFER)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let mut wishes = all.flat_map(|value| value.split([',', ';']));
        let handling = wishes.find_map(|wish| {
            let (name, value) = wish.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("handling")
                .then(|| value.trim().trim_matches('"'))
        });
        // Of several wishes the first one counts, RFC 7240.
        handling.is_some_and(|value| value.eq_ignore_ascii_case("lenient"))
    }

    /// The member of staff behind the token.
    pub async fn staff(&self, gateway: &Gateway) -> Result<StaffMember, Error> {
        self.known(gateway, gateway.staff(self.bearer())).await
    }

    /// The source behind the token: no more than that it is this one.
    pub async fn source(&self, gateway: &Gateway, source: &str) -> Result<(), Error> {
        self.known(gateway, gateway.source(self.bearer(), source)).await
    }

    /// Who is behind the token; an attempt without a good one is counted, and on the log.
    async fn known<T>(
        &self,
        gateway: &Gateway,
        who: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        gateway.heard_enough_of(&self.address)?;
        let who = who.await;
        if let Err(Error::Unauthenticated) = who {
            let (address, attempt) = (self.address.clone(), Attempt::Request);
            let stranger = Stranger {
                address,
                client: None,
                attempt,
            };
            gateway.note_stranger(stranger, &self.request).await;
        }
        who
    }

    /// The partner behind the token, within its limit.
    pub async fn call(self, gateway: &Gateway) -> Result<Call, Error> {
        let caller = match gateway.remembered_caller(self.bearer(), self.certificate) {
            Some(caller) => caller,
            None => {
                let caller = gateway.caller(self.bearer(), self.certificate);
                self.known(gateway, caller).await?
            }
        };
        gateway.count_request(&caller.client)?;
        Ok(Call {
            caller,
            request: self.request,
            address: self.address,
            line: self.line,
        })
    }
}
