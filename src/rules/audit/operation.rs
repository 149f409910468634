//! A partner called an operation that changes what it may see, asks staff for something, or has something checked:
//! break-glass, request for more, validation. What is read afterwards has events of its own.
//! <https://hl7.org/fhir/R4/operations.html>, 42 CFR 2.51(c): personnel and affiliation, who discloses, date and time, nature

use super::draft::{DECISION, Draft, Event, Occasion, detail, transaction};
use super::exchange::{REST, agents, interaction};
use super::json::clean;
use super::kind::{Kind, Outcome};
use super::party::{Caller, DESTINATION, SOURCE};

/// One call of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// `BreakGlass`, `RequestMore` or `Validation`.
    pub kind: Kind,
    /// Its `person` is who asks, as the call itself states.
    pub caller: &'a Caller<'a>,
    /// Purpose of use, a code of v3-ActReason.
    pub purpose: &'a str,
    /// `Patient/…`; blank when nobody was found.
    pub patient: &'a str,
    /// Facts as (name, value); no content of a record.
    pub details: &'a [(&'a str, &'a str)],
    pub outcome: Outcome,
    /// Why it was not done, from a closed set.
    pub reason: &'a str,
}

const OVERRIDE: &str = r#""type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110127","display":"Emergency Override Started"}"#;

impl Operation<'_> {
    /// `salt`: 16 random bytes of this event's own.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        let subtype = interaction("operation");
        let kind = if self.kind == Kind::BreakGlass {
            OVERRIDE
        } else {
            REST
        };
        let classed = [kind, &subtype];
        let mut draft = Draft::new(self.kind, &classed, "E");
        (draft.purpose, draft.patient) = (self.purpose, self.patient);
        draft.partner = Some(&self.caller.organisation);
        (draft.outcome, draft.reason) = (self.outcome, self.reason);
        draft.write(
            occasion,
            salt,
            4096,
            |json| agents(json, occasion, self.caller, SOURCE, DESTINATION, self.purpose),
            |json| {
                json.raw("{")
                    .raw(DECISION)
                    .field("name", self.kind.code())
                    .raw("\"detail\":[");
                detail(json, "act", self.kind.code());
                for (name, value) in self.details.iter().filter(|(name, _)| !clean(name).is_empty()) {
                    detail(json, name, value);
                }
                json.close("]}");
                transaction(json, occasion.request);
            },
        )
    }
}
