//! A partner's client: how it proves itself, as registered, and the registrations in use, read once and parsed once.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys>
//!
//! A registration in memory carries the world's version it was read at: changing a partner or a client moves that, and the
//! transaction that records a token checks it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use postern_rules::log::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::ACTIVE;
use super::{Error, Gateway, Partner};
use crate::auth::{ClientKey, Kept, Scopes, Thumbprint, hash, parse_jwks};
use crate::egress::{Egress, Target};

/// What is registered about a client; kept as JSON in the store. It proves itself in exactly one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientRegistration {
    /// Its public keys, as it sent them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where it keeps its public keys, as it gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// SHA-256 of its secret, base64. Weaker than keys: whoever reads it in transit has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_sha256: Option<String>,
    /// Certificates of which its connections show one, beside that it proves itself. None: it is not asked for one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Thumbprint>,
    /// People use it: each of its tokens names one.
    pub interactive: bool,
}

/// How a client proves itself, ready for use.
pub enum Proof {
    Keys(Vec<ClientKey>),
    KeysAt(Target),
    Secret([u8; 32]),
}

impl ClientRegistration {
    pub fn with_keys(jwks: Value) -> ClientRegistration {
        ClientRegistration {
            jwks: Some(jwks),
            ..ClientRegistration::default()
        }
    }

    pub fn with_keys_at(url: String) -> ClientRegistration {
        ClientRegistration {
            jwks_url: Some(url),
            ..ClientRegistration::default()
        }
    }

    /// Of the secret only the SHA-256 is kept.
    pub fn with_secret(secret: &str) -> ClientRegistration {
        ClientRegistration {
            secret_sha256: Some(Digest(hash(secret)).base64()),
            ..ClientRegistration::default()
        }
    }

    /// As discovery names the way it proves itself.
    pub fn method(&self) -> &'static str {
        match self.secret_sha256 {
            Some(_) => "client_secret",
            None => "private_key_jwt",
        }
    }

    /// Its certificates by their thumbprints, with blanks between; empty when it is asked for none.
    pub fn certificates_said(&self) -> String {
        let all: Vec<String> = self.certificates.iter().map(Thumbprint::to_string).collect();
        all.join(" ")
    }

    /// The same client with other keys, or with none yet.
    pub fn proving_itself_by(self, keys: ClientRegistration) -> ClientRegistration {
        ClientRegistration {
            jwks: keys.jwks,
            jwks_url: keys.jwks_url,
            secret_sha256: keys.secret_sha256,
            ..self
        }
    }

    /// The one way it proves itself; else a sentence for whoever registers it.
    pub fn proof(&self, egress: &Egress) -> Result<Proof, String> {
        match (&self.jwks, &self.jwks_url, &self.secret_sha256) {
            (Some(jwks), None, None) => {
                let keys = parse_jwks(jwks, Kept::Inline);
                keys.map(Proof::Keys).map_err(|error| format!("jwks: {error}"))
            }
            (None, Some(url), None) => {
                let target = egress.target(url);
                target
                    .map(Proof::KeysAt)
                    .map_err(|error| format!("jwks-url: {error}"))
            }
            (None, None, Some(secret)) => {
                let digest = Digest::from_base64(secret).ok_or("secret: not a SHA-256")?;
                Ok(Proof::Secret(digest.0))
            }
            _ => {
                Err("keys: a client has public keys, an address of them, or a secret: one of them".to_owned())
            }
        }
    }
}

/// The certificate that what is done over this connection is bound to, if any. `Err`: the client is registered with
/// certificates, and the connection shows none of them.
pub(super) fn bound_to(
    registered: &[Thumbprint],
    shown: Option<Thumbprint>,
) -> Result<Option<Thumbprint>, NotItsCertificate> {
    match shown.filter(|one| registered.contains(one)) {
        None if !registered.is_empty() => Err(NotItsCertificate),
        bound => Ok(bound),
    }
}

#[derive(Debug)]
pub(super) struct NotItsCertificate;

impl Proof {
    /// For operators: which keys with which algorithms; a secret is flagged.
    pub fn described(&self) -> String {
        match self {
            Proof::Keys(keys) => {
                let keys = keys
                    .iter()
                    .map(|key| format!("{} ({})", key.kid, key.algorithms()));
                keys.collect::<Vec<_>>().join(", ")
            }
            Proof::KeysAt(target) => format!("at {target}"),
            Proof::Secret(_) => "a SHARED SECRET (weaker than keys)".to_owned(),
        }
    }
}

/// An active client of an active partner, as its tokens need it.
pub(super) struct KnownClient {
    pub id: String,
    pub partner: Partner,
    /// Scopes it may be granted.
    pub registered: Scopes,
    pub proof: Proof,
    pub interactive: bool,
    /// Of these its connections show one; none is asked for when there is none.
    pub certificates: Vec<Thumbprint>,
    /// The world's version when this was read.
    pub world: i64,
}

/// Registrations read before, by client id. Bounded: only registered clients stand in it.
#[derive(Default)]
pub struct KnownClients(Mutex<HashMap<String, Arc<KnownClient>>>);

const MOST_CLIENTS: usize = 10_000;

impl KnownClients {
    fn get(&self, id: &str) -> Option<Arc<KnownClient>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).cloned()
    }

    fn keep(&self, id: &str, client: Option<&Arc<KnownClient>>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_CLIENTS {
            known.clear();
        }
        match client {
            Some(client) => known.insert(id.to_owned(), Arc::clone(client)),
            None => known.remove(id),
        };
    }
}

impl Gateway {
    /// The client with this id, from memory unless it must be `fresh`. `None`: unknown, or it or its partner is disabled.
    pub(super) async fn client(&self, id: &str, fresh: bool) -> Result<Option<Arc<KnownClient>>, Error> {
        if let Some(known) = self.clients.get(id).filter(|_| !fresh) {
            return Ok(Some(known));
        }
        let client = self.read_client(id).await?.map(Arc::new);
        self.clients.keep(id, client.as_ref());
        Ok(client)
    }

    /// Has something changed since this was read, so that what it says may be old?
    pub(super) async fn is_outdated(&self, client: &KnownClient) -> Result<bool, Error> {
        Ok(self.store.world_version().await? != client.world)
    }

    async fn read_client(&self, id: &str) -> Result<Option<KnownClient>, Error> {
        // Before the rows: if anything moves in between, the version kept is too old, not too new.
        let world = self.store.world_version().await?;
        let Some(row) = self.store.client(id).await?.filter(|c| c.state == ACTIVE) else {
            return Ok(None);
        };
        let partner = self.store.partner(&row.partner).await?;
        let Some((_, partner)) = partner.filter(|(_, partner)| partner.state == ACTIVE) else {
            return Ok(None);
        };
        let partner: Partner = serde_json::from_str(&partner.body).map_err(|_| Error::Unavailable)?;
        let client: ClientRegistration = serde_json::from_str(&row.body).map_err(|_| Error::Unavailable)?;
        Ok(Some(KnownClient {
            id: row.client_id,
            registered: Scopes::parse(&partner.scopes).map_err(|_| Error::Unavailable)?,
            partner,
            proof: client.proof(&self.egress).map_err(|_| Error::Unavailable)?,
            interactive: client.interactive,
            certificates: client.certificates,
            world,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Algorithm, KeyPair};
    use serde_json::json;

    #[test]
    fn a_client_proves_itself_in_one_way() {
        let pair = KeyPair::generate(Algorithm::Es384, "k").expect("key");
        let keys = ClientRegistration::with_keys(json!({"keys": [pair.public_jwk()]}));
        let egress = Egress::loopback();
        assert!(matches!(keys.proof(&egress), Ok(Proof::Keys(_))));
        let secret = ClientRegistration::with_secret("s");
        assert!(
            secret
                .proof(&egress)
                .is_ok_and(|p| p.described().contains("SECRET"))
        );
        let both = ClientRegistration {
            jwks: keys.jwks.clone(),
            ..secret
        };
        assert!(both.proof(&egress).is_err() && ClientRegistration::default().proof(&egress).is_err());
        let at = ClientRegistration::with_keys_at("https://[::1]/jwks".to_owned());
        assert!(matches!(at.proof(&egress), Ok(Proof::KeysAt(_))));
        let away = ClientRegistration::with_keys_at("http://keys.example/jwks".to_owned());
        assert!(
            away.proof(&Egress::new(&Default::default()).expect("defaults"))
                .is_err()
        );
        // As earlier versions kept it.
        let body = json!({"jwks": {"keys": [pair.public_jwk()]}}).to_string();
        assert!(serde_json::from_str::<ClientRegistration>(&body).is_ok_and(|c| c == keys));
    }
}
