//! Who is calling: SMART Backend Services for partners, bearer tokens for sources and staff.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>
//!
//! Nothing here does I/O but `fetched_keys` and `client`, Postern's own SMART client; both go out through `egress`.

mod algorithm;
mod keypair;
mod jwks;
mod assertion;
mod b2b;
mod scope;
mod secret;
mod certificate;
mod fetched_keys;
mod own_keys;
mod client;

pub use algorithm::{ALGORITHMS, Algorithm};
pub use assertion::{Assertion, LEEWAY_SECONDS, MAX_LIFETIME_SECONDS, Refused, Unverified};
pub use b2b::{Malformed, Stated};
pub use certificate::{NoThumbprint, Thumbprint};
pub use client::{Account, Client, ClientError, Reply, Signer};
pub use fetched_keys::{FetchedKeys, NotFetched, fetch as fetch_keys};
pub use jwks::{ClientKey, JwksError, Kept, parse_jwks};
pub use keypair::{KeyError, KeyPair};
pub use own_keys::{OwnKey, OwnKeyError, OwnKeys, PUBLISHED_FOR_SECONDS, SigningPair, Stage, stage};
pub use scope::{Permission, ScopeError, Scopes};
pub use secret::{Bearer, ClientSecret, bearer, hash};
