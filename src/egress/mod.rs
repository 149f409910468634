//! Calls that go out, to addresses that partners gave when they were registered: the only home of `reqwest`, and the one
//! place for the rules of where a call may go.
//! <https://owasp.org/API-Security/editions/2023/en/0xa7-server-side-request-forgery/>

mod reach;
mod target;
mod names;
mod call;

pub use call::{Body, Call, Egress, EgressError, Method, Reply};
pub use names::{Names, SystemNames};
pub use reach::Reach;
pub use target::{Target, TargetError};
