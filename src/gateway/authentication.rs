//! A client proves itself at the token endpoint and its neighbours: a signed assertion or, where allowed, a secret.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>,
//! <https://www.rfc-editor.org/rfc/rfc6749#section-2.3>
//!
//! Whatever is wrong with the client or its proof is the same `invalid_client`; the reason goes to the operator's log.

use std::sync::Arc;

use postern_rules::fhir::{Now, Value};

use super::client::{KnownClient, NotItsCertificate, Proof, bound_to};
use super::{Attempt, Error, Gateway, Stranger};
use crate::auth::{ClientSecret, Refused as Unproven, Thumbprint, Unverified};
use crate::store::Guard;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a request states of the client: form fields, and the `Authorization` header.
#[derive(Clone, Debug, Default)]
pub struct ClientForm {
    pub client_assertion_type: Option<String>,
    pub client_assertion: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<String>,
    /// The whole header value.
    pub authorization: Option<String>,
    /// The certificate that its connection shows.
    pub certificate: Option<Thumbprint>,
}

/// An OAuth error (RFC 6749 5.2) or a failure of the gateway itself.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("{code}")]
    Oauth {
        status: u16,
        code: &'static str,
        description: &'static str,
        /// For the operator, never for the caller.
        reason: &'static str,
    },
    #[error(transparent)]
    Failed(#[from] Error),
}

impl TokenError {
    pub(super) fn oauth(code: &'static str, description: &'static str) -> TokenError {
        TokenError::Oauth {
            status: 400,
            code,
            description,
            reason: description,
        }
    }

    pub(super) fn invalid_client(reason: &'static str) -> TokenError {
        TokenError::Oauth {
            status: 401,
            code: "invalid_client",
            description: "client authentication failed",
            reason,
        }
    }

    fn is_invalid_client(&self) -> bool {
        matches!(self, TokenError::Oauth { status: 401, .. })
    }
}

impl From<Unproven> for TokenError {
    fn from(refused: Unproven) -> TokenError {
        TokenError::invalid_client(refused.0)
    }
}

impl From<NotItsCertificate> for TokenError {
    fn from(_: NotItsCertificate) -> TokenError {
        TokenError::invalid_client("the connection shows none of the client's certificates")
    }
}

/// A client that has proven itself.
pub(super) struct Proven {
    pub client: Arc<KnownClient>,
    /// Makes the proof good once; none for a secret.
    pub guard: Option<Guard>,
    pub jti: String,
    /// The claim `extensions` of the assertion.
    pub extensions: Value,
    /// As discovery names the method.
    pub method: &'static str,
    /// The registered certificate over whose connection it came: what it gets is bound to that.
    pub certificate: Option<Thumbprint>,
}

/// One request at these doors: where it came from, and whose it turned out to be.
pub(super) struct Incoming<'a> {
    pub request: &'a str,
    pub address: &'a str,
    /// The registered client that the request names; it need not have sent it.
    pub client: Option<Arc<KnownClient>>,
}

impl<'a> Incoming<'a> {
    pub fn new(request: &'a str, address: &'a str) -> Incoming<'a> {
        Incoming {
            request,
            address,
            client: None,
        }
    }
}

/// How the request would prove its client.
enum Claimed<'a> {
    Assertion(&'a str),
    Secret(ClientSecret, &'static str),
}

impl ClientForm {
    /// One way, not two (RFC 6749 2.3).
    fn claimed(&self) -> Result<Claimed<'_>, TokenError> {
        let basic = self.authorization.as_deref().filter(|header| is_basic(header));
        let asserted = self.client_assertion.is_some() || self.client_assertion_type.is_some();
        match (asserted, basic, &self.client_secret) {
            (true, None, None) => self.asserted().map(Claimed::Assertion),
            (false, Some(header), None) => {
                let secret = ClientSecret::basic(header);
                let secret = secret.ok_or(TokenError::invalid_client("the Basic header does not decode"))?;
                Ok(Claimed::Secret(secret, "client_secret_basic"))
            }
            (false, None, Some(secret)) => {
                let client = self.client_id.as_deref();
                let client = client.ok_or(TokenError::oauth("invalid_request", "client_id is missing"))?;
                Ok(Claimed::Secret(
                    ClientSecret::posted(client, secret),
                    "client_secret_post",
                ))
            }
            (false, None, None) => Err(TokenError::oauth(
                "invalid_request",
                "client_assertion is missing",
            )),
            _ => Err(TokenError::oauth(
                "invalid_request",
                "a client proves itself in one way, not in two",
            )),
        }
    }

    fn asserted(&self) -> Result<&str, TokenError> {
        if self.client_assertion_type.as_deref() != Some(ASSERTION_TYPE) {
            return Err(TokenError::oauth(
                "invalid_request",
                "client_assertion_type must be that of a JWT bearer assertion",
            ));
        }
        let assertion = self.client_assertion.as_deref();
        assertion.ok_or(TokenError::oauth(
            "invalid_request",
            "client_assertion is missing",
        ))
    }
}

fn is_basic(header: &str) -> bool {
    let scheme = header.split(' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("basic")
}

impl Gateway {
    /// What was refused here is counted, and on the log once a minute; the reason is for the operator.
    pub(super) async fn note_refused<T>(&self, result: &Result<T, TokenError>, incoming: &Incoming<'_>) {
        let Err(TokenError::Oauth { status, reason, .. }) = result else {
            return;
        };
        tracing::info!(reason, "token request refused");
        let stranger = Stranger {
            address: incoming.address.to_owned(),
            client: incoming.client.as_ref().map(|client| client.id.clone()),
            attempt: match status {
                401 => Attempt::Token,
                _ => Attempt::Terms,
            },
        };
        self.note_stranger(stranger, incoming.request).await;
    }

    /// Who sent this. What is known in memory answers first; a refusal from what has changed since is asked again.
    pub(super) async fn authenticate(
        &self,
        form: &ClientForm,
        incoming: &mut Incoming<'_>,
        fresh: bool,
    ) -> Result<Proven, TokenError> {
        let first = self.prove(form, incoming, fresh).await;
        let refused = first.as_ref().err().is_some_and(TokenError::is_invalid_client);
        match &incoming.client {
            Some(client) if refused && !fresh && self.is_outdated(client).await? => {
                self.prove(form, incoming, true).await
            }
            _ => first,
        }
    }

    async fn prove(
        &self,
        form: &ClientForm,
        incoming: &mut Incoming<'_>,
        fresh: bool,
    ) -> Result<Proven, TokenError> {
        let now = self.clock.now();
        match form.claimed()? {
            Claimed::Assertion(assertion) => {
                let unverified = Unverified::read(assertion)?;
                let claimed = unverified.issuer()?;
                if form.client_id.as_deref().is_some_and(|stated| stated != claimed) {
                    return Err(TokenError::invalid_client(
                        "`client_id` is not the `iss` of the assertion",
                    ));
                }
                incoming.client = self.client(claimed, fresh).await?;
                let client = incoming.client.clone();
                let client = client.ok_or(TokenError::invalid_client("unknown client"))?;
                let certificate = bound_to(&client.certificates, form.certificate)?;
                let proven = self.prove_by_keys(client, &unverified, &now).await?;
                Ok(Proven {
                    certificate,
                    ..proven
                })
            }
            Claimed::Secret(secret, method) => {
                incoming.client = self.client(&secret.client, fresh).await?;
                let client = incoming.client.clone();
                let client = client.ok_or(TokenError::invalid_client("unknown client"))?;
                let certificate = bound_to(&client.certificates, form.certificate)?;
                let proven = self.prove_by_secret(client, &secret, method)?;
                Ok(Proven {
                    certificate,
                    ..proven
                })
            }
        }
    }

    async fn prove_by_keys(
        &self,
        client: Arc<KnownClient>,
        unverified: &Unverified<'_>,
        now: &Now,
    ) -> Result<Proven, TokenError> {
        let audience = self.token_endpoint();
        let assertion = match &client.proof {
            Proof::Keys(keys) => {
                unverified.check_key_address(None)?;
                unverified.verify(keys, &audience, now)?
            }
            Proof::KeysAt(address) => {
                unverified.check_key_address(Some(&address.to_string()))?;
                // What is wrong without any key causes no call.
                unverified.check(&audience, now)?;
                let kid = unverified.kid()?;
                let keys = self
                    .fetched
                    .of(&client.id, address, kid, now.stamp(), &self.egress);
                let keys = keys.await.map_err(|why| {
                    tracing::warn!(client = client.id, %why, "no keys");
                    TokenError::invalid_client("the client's keys could not be fetched")
                })?;
                unverified.verify(&keys, &audience, now)?
            }
            Proof::Secret(_) => {
                return Err(TokenError::invalid_client(
                    "an assertion of a client without keys",
                ));
            }
        };
        Ok(Proven {
            guard: Some(Guard {
                kind: "jti",
                key: format!("{}\n{}", assertion.client, assertion.jti),
                until: assertion.remember_until,
                outcome: None,
            }),
            client,
            jti: assertion.jti,
            extensions: assertion.extensions,
            method: "private_key_jwt",
            certificate: None,
        })
    }

    /// Only where the deployment allows secrets at all: then discovery names the method.
    fn prove_by_secret(
        &self,
        client: Arc<KnownClient>,
        secret: &ClientSecret,
        method: &'static str,
    ) -> Result<Proven, TokenError> {
        let Proof::Secret(registered) = &client.proof else {
            return Err(TokenError::invalid_client("a secret of a client with keys"));
        };
        if !self.config.smart.client_secrets {
            return Err(TokenError::invalid_client("smart.client_secrets is off"));
        }
        if !secret.is(registered) {
            return Err(TokenError::invalid_client("the secret is not the registered one"));
        }
        Ok(Proven {
            client,
            guard: None,
            jti: String::new(),
            extensions: Value::Null,
            method,
            certificate: None,
        })
    }
}
