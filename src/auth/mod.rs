//! Who is calling: SMART Backend Services for partners, bearer tokens for sources and staff.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>
//!
//! The only home of `jsonwebtoken`. Nothing here does I/O but `client`, Postern's own SMART client.

mod assertion;
mod client;
mod jwks;
mod keypair;
mod scope;
mod secret;

pub use assertion::{Assertion, LEEWAY_SECONDS, MAX_LIFETIME_SECONDS, claimed_client, verify};
pub use client::{Client, ClientError, Reply};
pub use jwks::{ClientKey, JwksError, parse_jwks};
pub use keypair::{KeyKind, KeyPair};
pub use scope::{ScopeError, Scopes};
pub use secret::{Bearer, bearer, hash};
