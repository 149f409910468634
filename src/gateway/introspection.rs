//! What a token is worth, and that it be worth nothing: introspection and revocation, each on the log first.
//! <https://www.rfc-editor.org/rfc/rfc7662>, <https://www.rfc-editor.org/rfc/rfc7009>,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html>
//!
//! A partner learns of its own organisation's tokens only. Foreign, unknown, expired and revoked are one answer: not active.
//! (SMART lets whoever may ask at all ask about any client; here that would tell partners of each other.)

use postern_rules::audit::{self, Kind};
use postern_rules::fhir::Value;
use serde_json::json;

use super::authentication::{ClientForm, Incoming, TokenError};
use super::caller::{ACTIVE, certificate};
use super::pull::TRIES;
use super::{Error, Gateway, Partner};
use crate::auth::{Scopes, Stated, bearer, hash};
use crate::store::{Change, Guard, Refused, TokenUse};

/// The form of both requests. A `token_type_hint` is not needed to find a token here.
#[derive(Clone, Debug, Default)]
pub struct AboutToken {
    pub token: Option<String>,
    pub client: ClientForm,
}

/// Who asks: a client that proved itself, or the bearer of a token.
struct Asker {
    client: String,
    partner: Partner,
    world: i64,
    guard: Option<Guard>,
    /// SHA-256 of the token it asks with.
    with: Option<[u8; 32]>,
}

impl Gateway {
    /// RFC 7662: the claims of a token, or that it is not active.
    pub async fn introspect(
        &self,
        form: &AboutToken,
        request: &str,
        address: &str,
    ) -> Result<Value, TokenError> {
        let mut incoming = Incoming::new(request, address);
        let answered = self.try_to_introspect(form, &mut incoming).await;
        self.note_refused(&answered, &incoming).await;
        answered
    }

    /// RFC 7009: from the next request on the token opens nothing, on every process. Somebody else's stays as it is, and
    /// nobody is told which it was.
    pub async fn revoke(&self, form: &AboutToken, request: &str, address: &str) -> Result<(), TokenError> {
        let mut incoming = Incoming::new(request, address);
        let answered = self.try_to_revoke(form, &mut incoming).await;
        self.note_refused(&answered, &incoming).await;
        answered
    }

    async fn try_to_introspect(
        &self,
        form: &AboutToken,
        incoming: &mut Incoming<'_>,
    ) -> Result<Value, TokenError> {
        self.heard_enough_of(incoming.address)?;
        let asked = asked(form)?;
        for attempt in 0..TRIES {
            let asker = self.asker(&form.client, incoming, attempt > 0).await?;
            if attempt == 0 {
                self.count_request(&asker.client)?;
            }
            let answer = self.worth(&asked, &asker.partner).await?;
            let active = if answer["active"] == true { "yes" } else { "no" };
            let client = answer["client_id"].as_str().unwrap_or_default();
            let details = [("active", active), ("client", client)];
            let change = self.answered(&asker, incoming, Kind::TokenIntrospected, &details);
            if self.is_kept(change).await? {
                return Ok(answer);
            }
        }
        Err(TokenError::Failed(Error::Unavailable))
    }

    async fn try_to_revoke(&self, form: &AboutToken, incoming: &mut Incoming<'_>) -> Result<(), TokenError> {
        self.heard_enough_of(incoming.address)?;
        let asked = asked(form)?;
        for attempt in 0..TRIES {
            let asker = self.asker(&form.client, incoming, attempt > 0).await?;
            if attempt == 0 {
                self.count_request(&asker.client)?;
            }
            let found = self.store.token(&asked).await.map_err(Error::from)?;
            let own = found.is_some_and(|used| used.token.client == asker.client);
            let details = [("ended", if own { "yes" } else { "no" })];
            let mut change = self.answered(&asker, incoming, Kind::TokenRevoked, &details);
            if own {
                change.revoked_tokens.push(asked.to_vec());
            }
            if self.is_kept(change).await? {
                if own {
                    self.tokens.forget(&asked);
                }
                return Ok(());
            }
        }
        Err(TokenError::Failed(Error::Unavailable))
    }

    async fn asker(
        &self,
        form: &ClientForm,
        incoming: &mut Incoming<'_>,
        fresh: bool,
    ) -> Result<Asker, TokenError> {
        let Some(token) = bearer(form.authorization.as_deref()) else {
            let proven = self.authenticate(form, incoming, fresh).await?;
            return Ok(Asker {
                client: proven.client.id.clone(),
                partner: proven.client.partner.clone(),
                world: proven.client.world,
                guard: proven.guard,
                with: None,
            });
        };
        let caller = match self.caller_anew(&token, form.certificate).await {
            Err(Error::Unauthenticated) => {
                return Err(TokenError::invalid_client("the bearer's token is not valid"));
            }
            other => other?,
        };
        Ok(Asker {
            client: caller.client.clone(),
            partner: caller.partner.clone(),
            world: caller.world,
            guard: None,
            with: Some(token.hash()),
        })
    }

    /// What the token of this hash is worth to somebody of this partner.
    async fn worth(&self, asked: &[u8; 32], partner: &Partner) -> Result<Value, TokenError> {
        let found = self.store.token(asked).await.map_err(Error::from)?;
        let inactive = json!({"active": false});
        let Some(used) = found.filter(|used| used.token.partner == partner.id) else {
            return Ok(inactive);
        };
        let certificate = certificate(&used);
        let gone = certificate.is_err()
            || self.clock.now().reached(used.token.expires)
            || used.client_state != ACTIVE
            || used.partner_state != ACTIVE
            || !partner.purposes.contains(&used.token.purpose);
        let registered = Scopes::parse(&partner.scopes).unwrap_or_default();
        let scopes = Scopes::parse(&used.token.scope).unwrap_or_default();
        let scopes = scopes.narrowed_to(&registered);
        if gone || scopes.is_empty() {
            return Ok(inactive);
        }
        let mut claims = claims(&used, &scopes, &self.config.base());
        if let Ok(Some(certificate)) = certificate {
            claims["cnf"] = json!({"x5t#S256": certificate.to_string()});
        }
        Ok(claims)
    }

    fn answered(
        &self,
        asker: &Asker,
        incoming: &Incoming<'_>,
        kind: Kind,
        details: &[(&str, &str)],
    ) -> Change {
        let mut change = Change::at(self.clock.instant());
        change.expects_world = Some(asker.world);
        change.expects_token = asker.with.map(|hash| hash.to_vec());
        change.guards.extend(asker.guard.clone());
        self.with_occasion(change.now, incoming.request, |occasion, salt| {
            let caller = super::events::caller_of(&asker.client, &asker.partner, incoming.address, None);
            let act = audit::TokenAct {
                kind,
                caller: &caller,
                details,
            };
            change.audit.push(act.event(occasion, salt));
        });
        change
    }

    /// Is it on the log? Not when a version moved: then everything is read again.
    async fn is_kept(&self, change: Change) -> Result<bool, TokenError> {
        match self.store.commit(change).await {
            Ok(_) => Ok(true),
            Err(Refused::Stale) => Ok(false),
            Err(Refused::Duplicate(_)) => Err(TokenError::invalid_client("`jti` was used before")),
            Err(refused) => Err(Error::from(refused).into()),
        }
    }

    pub fn introspection_endpoint(&self) -> String {
        format!("{}/auth/introspect", self.root())
    }

    pub fn revocation_endpoint(&self) -> String {
        format!("{}/auth/revoke", self.root())
    }
}

/// SHA-256 of the token the form names.
fn asked(form: &AboutToken) -> Result<[u8; 32], TokenError> {
    let token = form.token.as_deref();
    token
        .map(hash)
        .ok_or(TokenError::oauth("invalid_request", "token is missing"))
}

fn claims(used: &TokenUse, scopes: &Scopes, base: &str) -> Value {
    let token = &used.token;
    let mut claims = json!({
        "active": true,
        "scope": scopes.to_string(),
        "client_id": token.client,
        "sub": token.client,
        "token_type": "bearer",
        "aud": base,
        "iat": token.issued.0 / 1_000_000,
        "exp": token.expires.0 / 1_000_000,
        "purpose_of_use": token.purpose,
    });
    let stated = token.stated.as_deref();
    if let Some(stated) = stated.and_then(|text| serde_json::from_str::<Stated>(text).ok()) {
        claims["extensions"] = json!({"hl7-b2b": stated.as_claim(&token.purpose)});
    }
    claims
}
