//! The token endpoint: client assertion in, opaque access token out.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#obtain-access-token>
//!
//! Whatever is wrong with the client or its assertion is the same `invalid_client`.

use postern_rules::audit;
use postern_rules::terminology;

use super::caller::ACTIVE;
use super::{ClientKeys, Error, Gateway, Partner};
use crate::auth::{Assertion, MAX_LIFETIME_SECONDS, Scopes, claimed_client, hash, parse_jwks, verify};
use crate::store::{AccessToken, Change, Guard, Refused};

/// The form fields of a token request.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    pub grant_type: Option<String>,
    pub scope: Option<String>,
    pub client_assertion_type: Option<String>,
    pub client_assertion: Option<String>,
}

#[derive(Clone, Debug)]
pub struct TokenResponse {
    pub access_token: String,
    /// Seconds.
    pub expires_in: i64,
    pub scope: String,
}

/// An OAuth error (RFC 6749 5.2) or a failure of the gateway itself.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("{code}")]
    Oauth {
        status: u16,
        code: &'static str,
        description: &'static str,
    },
    #[error(transparent)]
    Failed(#[from] Error),
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn oauth(code: &'static str, description: &'static str) -> TokenError {
    TokenError::Oauth {
        status: 400,
        code,
        description,
    }
}

fn invalid_client(reason: &str) -> TokenError {
    tracing::info!(reason, "token request refused");
    TokenError::Oauth {
        status: 401,
        code: "invalid_client",
        description: "client authentication failed",
    }
}

impl Gateway {
    /// `address` is where the request came from, for the log.
    pub async fn issue_token(
        &self,
        form: &TokenRequest,
        request: &str,
        address: &str,
    ) -> Result<TokenResponse, TokenError> {
        let assertion = check_form(form)?;
        let now = self.clock.now();
        let claimed = claimed_client(assertion).map_err(|r| invalid_client(r.0))?;
        let (partner, keys) = self
            .client_of(&claimed)
            .await?
            .ok_or_else(|| invalid_client("unknown client"))?;
        let keys = parse_jwks(&keys.jwks).map_err(|_| invalid_client("registered keys do not parse"))?;
        let audience = self.token_endpoint();
        let assertion = verify(assertion, &keys, &audience, &now).map_err(|r| invalid_client(r.0))?;
        let scopes = grant(form.scope.as_deref().unwrap_or_default(), &partner)?;
        let purpose = purpose(&assertion, &partner)?;

        let token = self.entropy.token(&format!("token {request}"));
        let expires = now.stamp().plus_seconds(MAX_LIFETIME_SECONDS);
        let mut change = Change::at(now.stamp());
        change.guards.push(Guard {
            kind: "jti",
            key: format!("{}\n{}", assertion.client, assertion.jti),
            until: assertion.remember_until,
            outcome: None,
        });
        let person = person(&assertion);
        change.tokens.push(AccessToken {
            hash: hash(&token).to_vec(),
            client: assertion.client.clone(),
            partner: partner.id.clone(),
            scope: scopes.to_string(),
            purpose: purpose.clone(),
            subject: person.as_ref().map(|(name, id)| format!("{name}\n{id}")),
            expires,
        });
        let scope = scopes.to_string();
        self.with_occasion(now.stamp(), request, |occasion, salt| {
            let caller = super::events::caller_of(&assertion.client, &partner, address, person.as_ref());
            let form = format!("grant_type=client_credentials&scope={scope}");
            let (jti, refused) = (assertion.jti.as_str(), "");
            let event = audit::Token {
                caller: &caller,
                purpose: &purpose,
                request: &form,
                jti,
                scope: &scope,
                refused,
            };
            change.audit.push(event.event(occasion, salt));
        });
        match self.store.commit(change).await {
            Ok(_) => Ok(TokenResponse {
                access_token: token,
                expires_in: MAX_LIFETIME_SECONDS,
                scope,
            }),
            Err(Refused::Duplicate(_)) => Err(invalid_client("`jti` was used before")),
            Err(refused) => Err(Error::from(refused).into()),
        }
    }

    async fn client_of(&self, client: &str) -> Result<Option<(Partner, ClientKeys)>, Error> {
        let Some(client) = self.store.client(client).await?.filter(|c| c.state == ACTIVE) else {
            return Ok(None);
        };
        let partner = self
            .store
            .partner(&client.partner)
            .await?
            .filter(|(_, p)| p.state == ACTIVE);
        let Some((_, partner)) = partner else {
            return Ok(None);
        };
        let partner = serde_json::from_str(&partner.body).map_err(|_| Error::Unavailable)?;
        let keys = serde_json::from_str(&client.body).map_err(|_| Error::Unavailable)?;
        Ok(Some((partner, keys)))
    }

    /// Public address of the token endpoint: the `aud` of client assertions.
    pub fn token_endpoint(&self) -> String {
        let base = self.config.base();
        let root = base.strip_suffix("/fhir").unwrap_or(&base);
        format!("{root}/auth/token")
    }
}

fn check_form(form: &TokenRequest) -> Result<&str, TokenError> {
    match form.grant_type.as_deref() {
        Some("client_credentials") => {}
        None => return Err(oauth("invalid_request", "grant_type is missing")),
        Some(_) => {
            return Err(oauth(
                "unsupported_grant_type",
                "only client_credentials is supported",
            ));
        }
    }
    if form.client_assertion_type.as_deref() != Some(ASSERTION_TYPE) {
        return Err(oauth(
            "invalid_request",
            "client_assertion_type must be that of a JWT bearer assertion",
        ));
    }
    form.client_assertion
        .as_deref()
        .ok_or(oauth("invalid_request", "client_assertion is missing"))
}

fn grant(asked: &str, partner: &Partner) -> Result<Scopes, TokenError> {
    let asked =
        Scopes::parse(asked).map_err(|_| oauth("invalid_scope", "scopes are written system/Type.rs"))?;
    let registered = Scopes::parse(&partner.scopes).map_err(|_| TokenError::Failed(Error::Unavailable))?;
    let granted = asked.narrowed_to(&registered);
    if granted.is_empty() {
        Err(oauth("invalid_scope", "none of these scopes is registered"))
    } else {
        Ok(granted)
    }
}

/// The asserted purpose when it is one of the registered ones, else the partner's default.
fn purpose(assertion: &Assertion, partner: &Partner) -> Result<String, TokenError> {
    let Some(asserted) = assertion.purposes.first() else {
        return partner
            .purposes
            .first()
            .cloned()
            .ok_or(TokenError::Failed(Error::Unavailable));
    };
    if assertion.purposes.len() > 1 {
        return Err(oauth("invalid_request", "one purpose of use per token"));
    }
    let code = terminology::purpose_from_text(asserted).ok_or(oauth(
        "invalid_request",
        "purpose_of_use is not a code of v3-ActReason",
    ))?;
    if partner.purposes.iter().any(|registered| registered == code) {
        Ok(code.to_owned())
    } else {
        Err(oauth(
            "invalid_request",
            "this purpose of use is not registered for the client",
        ))
    }
}

fn person(assertion: &Assertion) -> Option<(String, String)> {
    let clean = |text: &Option<String>| text.clone().unwrap_or_default().replace('\n', " ");
    let (name, id) = (clean(&assertion.subject_name), clean(&assertion.subject_id));
    (!name.is_empty() || !id.is_empty()).then_some((name, id))
}
