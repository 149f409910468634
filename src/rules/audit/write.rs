//! A partner wrote: what it stated or changed, or what it asked staff to change. The partner is the source of the data, the gateway
//! their destination. What it was shown of the result is a `Disclosure` beside it.
//! <https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientCreate>, `…PatientUpdate`

use super::draft::{Draft, Event, Occasion, RESOURCE, detail, transaction};
use super::exchange::{REST, agents, interaction};
use super::json::clean;
use super::kind::Kind;
use super::party::{Caller, DESTINATION, SOURCE};

/// One resource written.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// `Create`, `Update` or `Proposal`.
    pub kind: Kind,
    pub caller: &'a Caller<'a>,
    /// Purpose of use, a code of v3-ActReason.
    pub purpose: &'a str,
    /// `Patient/…`
    pub patient: &'a str,
    /// `create`, `update` or `patch`.
    pub interaction: &'a str,
    /// `Task/…`
    pub resource: &'a str,
    /// Facts as (name, value): names of elements, the work item; no content.
    pub details: &'a [(&'a str, &'a str)],
}

impl Write<'_> {
    /// `salt`: 16 random bytes of this event's own. A proposal changed nothing yet: it claims no profile.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        let (action, profile) = match self.kind {
            Kind::Create => ("C", "IHE.BasicAudit.PatientCreate"),
            Kind::Update => ("U", "IHE.BasicAudit.PatientUpdate"),
            _ => ("E", ""),
        };
        let subtype = interaction(self.interaction);
        let classed = [REST, &subtype];
        let mut draft = Draft::new(self.kind, &classed, action);
        // What belongs to no person is no patient's event.
        draft.profile = if clean(self.patient).is_empty() {
            ""
        } else {
            profile
        };
        (draft.purpose, draft.patient) = (self.purpose, self.patient);
        draft.partner = Some(&self.caller.organisation);
        draft.write(
            occasion,
            salt,
            3072,
            |json| agents(json, occasion, self.caller, SOURCE, DESTINATION, self.purpose),
            |json| {
                json.raw("{\"what\":{")
                    .reference(self.resource)
                    .close("}")
                    .raw(RESOURCE);
                if self.details.iter().any(|(_, value)| !clean(value).is_empty()) {
                    json.raw("\"detail\":[");
                    for (name, value) in self.details {
                        detail(json, name, value);
                    }
                    json.close("]");
                }
                json.close("}");
                transaction(json, occasion.request);
            },
        )
    }
}
