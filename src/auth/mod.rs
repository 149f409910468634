//! Who is calling: SMART Backend Services for partners, bearer tokens for sources and staff.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>
//!
//! Nothing here does I/O but `client`, Postern's own SMART client.

mod algorithm;
mod keypair;
mod jwks;
mod assertion;
mod b2b;
mod scope;
mod secret;
mod client;

pub use algorithm::{ALGORITHMS, Algorithm};
pub use assertion::{Assertion, LEEWAY_SECONDS, MAX_LIFETIME_SECONDS, Refused, Unverified};
pub use b2b::{Malformed, Stated};
pub use client::{Client, ClientError, Reply};
pub use jwks::{ClientKey, JwksError, Kept, parse_jwks};
pub use keypair::{KeyError, KeyPair};
pub use scope::{Permission, ScopeError, Scopes};
pub use secret::{Bearer, ClientSecret, bearer, hash};
