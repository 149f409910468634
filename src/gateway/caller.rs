//! Who is asking: an access token resolved to a partner, its scopes and the one purpose it was issued for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use postern_rules::disclosure::Recipient;
use postern_rules::fhir::Instant;
use postern_rules::profile::Policy;
use postern_rules::search::Values;

use super::client::bound_to;
use super::{ClientRegistration, Error, Gateway, Partner};
use crate::auth::{Bearer, Scopes, Thumbprint};
use crate::store::{Change, TokenUse};

/// A partner's system with a valid token.
#[derive(Clone, Debug)]
pub struct Caller {
    pub client: String,
    pub partner: Partner,
    pub recipient: Recipient,
    pub scopes: Scopes,
    /// What is registered of its organisation. A token that asks for less is none the freer: its conditions hold in documents.
    pub registered: Scopes,
    /// Code of v3-ActReason, bound to the token.
    pub purpose: String,
    /// The person behind the request, where the token states one: name and id.
    pub person: Option<(String, String)>,
    expires: Instant,
    /// What its connections show: the token is worth nothing over others (RFC 8705 3).
    certificate: Option<Thumbprint>,
    /// SHA-256 of its token.
    hash: [u8; 32],
    /// The world's version when this was looked up: disabling a partner or a client moves it, and the transaction
    /// that records an answer checks it.
    pub world: i64,
}

impl Caller {
    /// What is recorded for this caller counts only while its token, its registration and what is shared are as they
    /// were when it was looked up.
    pub(super) fn bind(&self, change: &mut Change) {
        change.expects_world = Some(self.world);
        change.expects_token = Some(self.hash.to_vec());
    }

    /// May a released resource be part of a document that this caller gets? Not what a condition leaves out, be it of the token
    /// or of the registration.
    pub(super) fn within(&self, resource_type: &str, values: &Values) -> bool {
        ![&self.scopes, &self.registered]
            .into_iter()
            .any(|scopes| scopes.leaves_out(resource_type, values))
    }

    /// May its token come over a connection that shows this certificate?
    fn may_come_with(&self, shown: Option<Thumbprint>) -> bool {
        self.certificate.is_none() || self.certificate == shown
    }

    /// A caller that never calls: staff asking what this partner would be shown.
    pub fn preview(partner: &Partner, purpose: &str, policy: &Policy) -> Caller {
        Caller {
            client: String::new(),
            partner: partner.clone(),
            recipient: partner.recipient(policy),
            scopes: Scopes::default(),
            registered: Scopes::default(),
            purpose: purpose.to_owned(),
            person: None,
            expires: Instant(0),
            certificate: None,
            hash: [0; 32],
            world: 0,
        }
    }
}

/// One request of a caller: its id, where it came from, and its request line for the log.
#[derive(Clone, Debug)]
pub struct Call {
    pub caller: Arc<Caller>,
    pub request: String,
    pub address: String,
    pub line: String,
}

/// Tokens looked up before, by hash. Cleared when it grows beyond its bound; a miss costs one read.
#[derive(Default)]
pub struct KnownTokens(Mutex<HashMap<[u8; 32], Arc<Caller>>>);

const MOST_TOKENS: usize = 10_000;

impl KnownTokens {
    fn get(&self, hash: &[u8; 32]) -> Option<Arc<Caller>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(hash)
            .cloned()
    }

    pub(super) fn forget(&self, hash: &[u8; 32]) {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.remove(hash);
    }

    fn keep(&self, hash: [u8; 32], caller: Arc<Caller>) {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= MOST_TOKENS {
            known.clear();
        }
        known.insert(hash, caller);
    }
}

impl Gateway {
    /// The caller behind a bearer token over a connection with this certificate; an unknown, expired, revoked or disabled
    /// token, or one that is bound to another certificate, is the same 401.
    pub async fn caller(
        &self,
        bearer: Option<Bearer>,
        shown: Option<Thumbprint>,
    ) -> Result<Arc<Caller>, Error> {
        let hash = bearer.ok_or(Error::Unauthenticated)?.hash();
        let caller = match self.tokens.get(&hash) {
            None => self.look_up(hash).await?,
            Some(caller) if self.clock.now().reached(caller.expires) => return Err(Error::Unauthenticated),
            Some(caller) => caller,
        };
        let good = caller.may_come_with(shown);
        good.then_some(caller).ok_or(Error::Unauthenticated)
    }

    /// The caller behind a token that is known and good: a flood of strangers from its address does not stop it.
    pub fn remembered_caller(
        &self,
        bearer: Option<Bearer>,
        shown: Option<Thumbprint>,
    ) -> Option<Arc<Caller>> {
        let caller = self.tokens.get(&bearer?.hash())?;
        let good = caller.may_come_with(shown) && !self.clock.now().reached(caller.expires);
        good.then_some(caller)
    }

    /// The same call, its token looked up again: after a version moved, everything known about it may be old.
    pub async fn again(&self, call: &Call) -> Result<Call, Error> {
        let caller = self.look_up(call.caller.hash).await?;
        Ok(Call {
            caller,
            ..call.clone()
        })
    }

    /// As `caller`, asking the database whatever is in memory.
    pub(super) async fn caller_anew(
        &self,
        bearer: &Bearer,
        shown: Option<Thumbprint>,
    ) -> Result<Arc<Caller>, Error> {
        let caller = self.look_up(bearer.hash()).await?;
        let good = caller.may_come_with(shown);
        good.then_some(caller).ok_or(Error::Unauthenticated)
    }

    async fn look_up(&self, hash: [u8; 32]) -> Result<Arc<Caller>, Error> {
        let now = self.clock.now();
        // Read before the token: if anything moves in between, the version kept is too old, not too new.
        let world = self.store.world_version().await?;
        let used = self.store.token(&hash).await?.ok_or(Error::Unauthenticated)?;
        let certificate = certificate(&used)?;
        let token = used.token;
        if now.reached(token.expires) || used.client_state != ACTIVE || used.partner_state != ACTIVE {
            return Err(Error::Unauthenticated);
        }
        let (_, partner) = self
            .store
            .partner(&token.partner)
            .await?
            .ok_or(Error::Unauthenticated)?;
        let partner: Partner = serde_json::from_str(&partner.body).map_err(|_| Error::Unavailable)?;
        // What the registration no longer grants, no token goes on to carry.
        let registered = Scopes::parse(&partner.scopes).map_err(|_| Error::Unavailable)?;
        let scopes = Scopes::parse(&token.scope)
            .map_err(|_| Error::Unauthenticated)?
            .narrowed_to(&registered);
        if !partner.purposes.contains(&token.purpose) {
            return Err(Error::Unauthenticated);
        }
        let person = token.subject.as_deref().and_then(|s| s.split_once('\n'));
        let caller = Arc::new(Caller {
            client: token.client,
            recipient: partner.recipient(&self.rules.policy),
            partner,
            scopes,
            registered,
            purpose: token.purpose,
            person: person.map(|(name, id)| (name.to_owned(), id.to_owned())),
            expires: token.expires,
            certificate,
            hash,
            world,
        });
        self.tokens.keep(hash, Arc::clone(&caller));
        Ok(caller)
    }
}

/// The certificate a token is bound to; it must be one that its client is registered with now.
pub(super) fn certificate(used: &TokenUse) -> Result<Option<Thumbprint>, Error> {
    let registered: ClientRegistration =
        serde_json::from_str(&used.client_body).map_err(|_| Error::Unavailable)?;
    let bound = used.token.certificate.as_deref().map(Thumbprint::from_bytes);
    let bound = bound.map(|one| one.ok_or(Error::Unavailable)).transpose()?;
    bound_to(&registered.certificates, bound).map_err(|_| Error::Unauthenticated)?;
    Ok(bound)
}

/// State of a partner, client, source or member of staff that may act.
pub const ACTIVE: &str = "active";
/// State of one that may not any more.
pub const DISABLED: &str = "disabled";
