//! A partner writes: load → decide → stage → decide again → record → answer. What is recorded is one change, whole or not at
//! all; what is answered is the resource as it is released to the writer then. SEMANTICS 5
//! <https://hl7.org/fhir/R4/http.html#update>, <https://hl7.org/fhir/R4/http.html#create>, <https://hl7.org/fhir/R4/http.html#patch>

mod bench;
mod condition;
mod stage;
mod item;
mod commit;
mod again;
mod single;
mod decided;
mod entry;
mod batch;
mod resolved;
mod told;
mod transaction;
mod capability;

pub use capability::{add_writes, patch_formats, stated_types, system_interactions};
pub use decided::is_decided;
pub(super) use item::{CONTRIBUTION, PROPOSAL, PUT_ASIDE, REFERRAL_RECEIVED};
pub use single::Written;

use postern_rules::fhir::Value;

/// One write, as it was asked for.
#[derive(Clone, Debug)]
pub enum Intent {
    Create {
        body: Value,
        /// `If-None-Exist`: search parameters, as in a query.
        unless: Option<String>,
    },
    Update {
        target: Target,
        body: Value,
    },
    Patch {
        target: Target,
        patch: Value,
    },
}

/// What a change is made to.
#[derive(Clone, Debug)]
pub struct Target {
    pub resource_type: &'static str,
    pub id: String,
    /// `If-Match`.
    pub version: Option<String>,
}

impl Intent {
    fn target(&self) -> Option<&Target> {
        match self {
            Intent::Create { .. } => None,
            Intent::Update { target, .. } | Intent::Patch { target, .. } => Some(target),
        }
    }

    fn resource_type(&self) -> &str {
        match self {
            Intent::Create { body, .. } => body["resourceType"].as_str().unwrap_or_default(),
            Intent::Update { target, .. } | Intent::Patch { target, .. } => target.resource_type,
        }
    }
}
