//! Postern as a SMART Backend Services client: discovers, authenticates with its own key, keeps the token until shortly
//! before its end, and asks. The demo's partners are such clients too.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>

use std::sync::atomic::{AtomicU64, Ordering};

use postern_rules::fhir::{Instant, json};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::algorithm::Algorithm;
use super::assertion::MAX_LIFETIME_SECONDS;
use super::keypair::KeyPair;
use super::own_keys::OwnKeys;
use crate::config::{Clock, Entropy};
use crate::egress::{Body, Call, Egress, EgressError, Method, Target, TargetError};

/// Answers larger than this are not read.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// The same for discovery and tokens.
const MOST_WORDS: usize = 64 * 1024;
/// A token is not used in its last seconds: it could end on the way.
const SPARE_SECONDS: i64 = 30;

/// Where Postern is registered, as whom, and what it asks for there.
#[derive(Clone, Debug)]
pub struct Account {
    /// The server's FHIR base without a trailing slash.
    pub base: String,
    pub client_id: String,
    pub scope: String,
    /// Code of v3-ActReason, stated as `hl7-b2b`.
    pub purpose: Option<String>,
}

/// What assertions are signed with.
pub enum Signer {
    /// One pair: the demo's partners.
    Pair(Box<KeyPair>),
    /// The deployment's own, published and rotated.
    Own(OwnKeys),
}

pub struct Client {
    egress: Egress,
    account: Account,
    signer: Signer,
    clock: Clock,
    entropy: Entropy,
    assertions: AtomicU64,
    known: Mutex<Known>,
}

/// What was learned from the server.
#[derive(Default)]
struct Known {
    endpoint: Option<(Target, Vec<Algorithm>)>,
    token: Option<(String, Instant)>,
}

/// Status and body of an answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
    /// The body as received.
    pub text: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("the server's address cannot be called: {0}")]
    Address(#[from] TargetError),
    #[error("the server's {0} is missing or wrong")]
    Discovery(&'static str),
    #[error("the server answered {0} to the token request: {1}")]
    Token(u16, String),
    #[error("the answer is not JSON")]
    Body,
    #[error("no key signs with an algorithm the server takes")]
    Key,
}

impl Client {
    pub fn new(egress: Egress, account: Account, signer: Signer, clock: Clock, entropy: Entropy) -> Client {
        Client {
            egress,
            account,
            signer,
            clock,
            entropy,
            assertions: AtomicU64::new(0),
            known: Mutex::default(),
        }
    }

    /// GET below the base: `CarePlan?patient=…`. A token is got first when there is none; when the server refuses it, a new
    /// one is tried once.
    pub async fn get(&self, path: &str) -> Result<Reply, ClientError> {
        self.ask(Method::Get, path, Body::None).await
    }

    /// The same with a method and a body of one's own.
    pub async fn ask(&self, method: Method, path: &str, body: Body<'_>) -> Result<Reply, ClientError> {
        let target = self.egress.target(&format!("{}/{path}", self.account.base))?;
        let token = self.token().await?;
        let first = self.ask_with(method, &target, body, &token).await?;
        if first.status != 401 {
            return Ok(first);
        }
        // It may have been taken back, or the server restarted.
        self.forget(&token).await;
        let token = self.token().await?;
        self.ask_with(method, &target, body, &token).await
    }

    async fn ask_with(
        &self,
        method: Method,
        target: &Target,
        body: Body<'_>,
        token: &str,
    ) -> Result<Reply, ClientError> {
        let call = Call {
            method,
            target,
            accept: "application/fhir+json",
            bearer: Some(token),
            headers: &[],
            body,
            most: MOST_BYTES,
        };
        reply(self.egress.call(call).await?)
    }

    /// An access token that is good for a while; of several who need one at once, one gets it for all.
    pub async fn token(&self) -> Result<String, ClientError> {
        let mut known = self.known.lock().await;
        let now = self.clock.instant();
        if let Some((token, until)) = &known.token
            && now < until.plus_seconds(-SPARE_SECONDS)
        {
            return Ok(token.clone());
        }
        let (endpoint, supported) = match known.endpoint.take() {
            Some(endpoint) => endpoint,
            None => self.discover().await?,
        };
        let answer = self.request_token(&endpoint, &supported, now).await;
        if answer.is_ok() {
            known.endpoint = Some((endpoint, supported));
        }
        let (token, seconds) = answer?;
        known.token = Some((token.clone(), now.plus_seconds(seconds)));
        Ok(token)
    }

    async fn forget(&self, token: &str) {
        let mut known = self.known.lock().await;
        if known.token.as_ref().is_some_and(|(held, _)| held == token) {
            known.token = None;
        }
    }

    /// The token endpoint, and the algorithms it takes: those of SMART when it does not say.
    async fn discover(&self) -> Result<(Target, Vec<Algorithm>), ClientError> {
        let address = format!("{}/.well-known/smart-configuration", self.account.base);
        let target = self.egress.target(&address)?;
        let call = Call::get(&target, "application/json", MOST_WORDS);
        let told = reply(self.egress.call(call).await?)?.body;
        let endpoint = told["token_endpoint"].as_str();
        let endpoint = endpoint.ok_or(ClientError::Discovery("token_endpoint"))?;
        let listed = told["token_endpoint_auth_signing_alg_values_supported"].as_array();
        let supported = match listed {
            Some(listed) => listed
                .iter()
                .filter_map(Value::as_str)
                .filter_map(Algorithm::named)
                .collect(),
            None => vec![Algorithm::Es384, Algorithm::Rs384],
        };
        Ok((self.egress.target(endpoint)?, supported))
    }

    async fn request_token(
        &self,
        endpoint: &Target,
        supported: &[Algorithm],
        now: Instant,
    ) -> Result<(String, i64), ClientError> {
        let claims = self.claims(endpoint, now);
        let assertion = self.signer.sign(supported, &claims, now)?;
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", self.account.scope.as_str()),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion.as_str()),
        ];
        let call = Call {
            method: Method::Post,
            target: endpoint,
            accept: "application/json",
            bearer: None,
            headers: &[],
            body: Body::Form(&form),
            most: MOST_WORDS,
        };
        let told = reply(self.egress.call(call).await?)?;
        let seconds = told.body["expires_in"].as_i64().unwrap_or(MAX_LIFETIME_SECONDS);
        match told.body["access_token"].as_str() {
            Some(token) => Ok((token.to_owned(), seconds.clamp(0, 3600))),
            None => Err(ClientError::Token(told.status, error_of(&told.body))),
        }
    }

    fn claims(&self, endpoint: &Target, now: Instant) -> Value {
        let (id, seconds) = (&self.account.client_id, now.0 / 1_000_000);
        let number = self.assertions.fetch_add(1, Ordering::Relaxed);
        let jti = self.entropy.id(&format!("jti {id} {number}"));
        let mut claims = json!({"iss": id, "sub": id, "aud": endpoint.to_string(), "exp": seconds + 240,
            "iat": seconds, "jti": jti});
        if let Some(purpose) = &self.account.purpose {
            let code = format!("urn:oid:2.16.840.1.113883.5.8#{purpose}");
            claims["extensions"]["hl7-b2b"] = json!({"version": "1", "purpose_of_use": [code]});
        }
        claims
    }
}

impl Signer {
    fn sign(&self, supported: &[Algorithm], claims: &Value, now: Instant) -> Result<String, ClientError> {
        let signed = match self {
            Signer::Pair(pair) => pair.sign(&pair.header(), claims),
            Signer::Own(keys) => {
                let pair = keys.signing(supported, now).map_err(|_| ClientError::Key)?;
                pair.sign(&pair.header(), claims)
            }
        };
        signed.map_err(|_| ClientError::Key)
    }
}

/// The OAuth error code, when it is one: what else a server says is not repeated.
fn error_of(body: &Value) -> String {
    let code = body["error"].as_str().unwrap_or_default();
    let plain = code.len() <= 40 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if plain { code.to_owned() } else { String::new() }
}

fn reply(reply: crate::egress::Reply) -> Result<Reply, ClientError> {
    let body = if reply.bytes.is_empty() {
        Value::Null
    } else {
        json::parse(&reply.bytes).map_err(|_| ClientError::Body)?
    };
    Ok(Reply {
        status: reply.status,
        body,
        text: String::from_utf8(reply.bytes).map_err(|_| ClientError::Body)?,
    })
}
