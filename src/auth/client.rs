//! Postern as a SMART Backend Services client: discovers, authenticates, reads. Used by `partner test` and the demo.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>

use std::time::Duration;

use postern_rules::fhir::{Instant, json};
use serde_json::{Value, json};

use super::keypair::KeyPair;

/// Answers larger than this are not read.
const MAX_BYTES: usize = 16 * 1024 * 1024;

pub struct Client {
    http: reqwest::Client,
    base: String,
    client_id: String,
    pair: KeyPair,
    token: Option<String>,
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
    #[error("no connection: {0}")]
    Connection(String),
    #[error("the server's {0} is missing or wrong")]
    Discovery(&'static str),
    #[error("the server answered {0} to the token request: {1}")]
    Token(u16, String),
    #[error("the answer is too large or not JSON")]
    Body,
    #[error("the client's key does not sign")]
    Key,
}

impl Client {
    /// `base` is the server's FHIR base without a trailing slash. Follows no redirect, uses no proxy.
    #[expect(clippy::disallowed_methods, reason = "home of outgoing SMART calls")]
    pub fn new(base: &str, client_id: &str, pair: KeyPair) -> Result<Client, ClientError> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(|e| ClientError::Connection(e.to_string()))?;
        Ok(Client {
            http,
            base: base.to_owned(),
            client_id: client_id.to_owned(),
            pair,
            token: None,
        })
    }

    /// Discovers the token endpoint and gets a token. `purpose` goes into `hl7-b2b` when given; `jti` must be new.
    pub async fn authenticate(
        &mut self,
        scope: &str,
        purpose: Option<&str>,
        jti: &str,
        now: Instant,
    ) -> Result<Reply, ClientError> {
        let discovery = self
            .fetch(
                self.http
                    .get(format!("{}/.well-known/smart-configuration", self.base)),
            )
            .await?;
        let endpoint = discovery.body["token_endpoint"]
            .as_str()
            .ok_or(ClientError::Discovery("token_endpoint"))?
            .to_owned();
        let assertion = self.assertion(&endpoint, purpose, jti, now)?;
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", scope),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion.as_str()),
        ];
        let reply = self.fetch(self.http.post(endpoint).form(&form)).await?;
        match reply.body["access_token"].as_str() {
            Some(token) => {
                self.token = Some(token.to_owned());
                Ok(reply)
            }
            None => Err(ClientError::Token(reply.status, reply.body["error"].to_string())),
        }
    }

    fn assertion(
        &self,
        endpoint: &str,
        purpose: Option<&str>,
        jti: &str,
        now: Instant,
    ) -> Result<String, ClientError> {
        let mut claims = json!({"iss": self.client_id, "sub": self.client_id, "aud": endpoint,
            "exp": now.0 / 1_000_000 + 240, "iat": now.0 / 1_000_000, "jti": jti});
        if let Some(purpose) = purpose {
            claims["extensions"]["hl7-b2b"] = json!({"version": "1", "purpose_of_use": [format!("urn:oid:2.16.840.1.113883.5.8#{purpose}")]});
        }
        self.pair
            .sign(&self.pair.header(), &claims)
            .map_err(|_| ClientError::Key)
    }

    /// GET below the base with the token, when there is one: `CarePlan?patient=…`.
    pub async fn get(&self, path: &str) -> Result<Reply, ClientError> {
        let mut request = self.http.get(format!("{}/{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        self.fetch(request).await
    }

    async fn fetch(&self, request: reqwest::RequestBuilder) -> Result<Reply, ClientError> {
        let mut response = request
            .send()
            .await
            .map_err(|e| ClientError::Connection(e.without_url().to_string()))?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| ClientError::Body)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_BYTES {
                return Err(ClientError::Body);
            }
        }
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            json::parse(&bytes).map_err(|_| ClientError::Body)?
        };
        Ok(Reply {
            status,
            body,
            text: String::from_utf8(bytes).map_err(|_| ClientError::Body)?,
        })
    }
}
