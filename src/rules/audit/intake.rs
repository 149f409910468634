//! A record of the agency came in and became resources of one person.
//! <https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientCreate>, `…PatientUpdate`

use super::draft::{Draft, Event, Occasion, RESOURCE, detail, transaction};
use super::exchange::{REST, interaction};
use super::json::clean;
use super::kind::Kind;
use super::party::{AUTHOR, DESTINATION, Party, Person, SOURCE, Who, agent};

/// One record, taken in whole.
#[derive(Clone, Copy, Debug)]
pub struct Intake<'a> {
    /// The system that sent it.
    pub source: Party<'a>,
    /// Where it called from; `localhost` for a file.
    pub address: &'a str,
    /// The member of staff the record names as acting; blank when it names none.
    pub staff: Person<'a>,
    /// `Patient/…`
    pub patient: &'a str,
    /// It changed resources that were there; else they are new.
    pub update: bool,
    /// What was written, `CarePlan/…`, the record's main resource first.
    pub written: &'a [&'a str],
    /// Mapping and its version or digest.
    pub mapping: &'a str,
}

impl Intake<'_> {
    /// `salt`: 16 random bytes of this event's own.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        // What is shared, a directory, is about nobody: BALP has profiles of their own for that.
        let of_nobody = clean(self.patient).is_empty();
        let (code, action, profile) = match (self.update, of_nobody) {
            (false, false) => ("create", "C", "IHE.BasicAudit.PatientCreate"),
            (true, false) => ("update", "U", "IHE.BasicAudit.PatientUpdate"),
            (false, true) => ("create", "C", "IHE.BasicAudit.Create"),
            (true, true) => ("update", "U", "IHE.BasicAudit.Update"),
        };
        let subtype = interaction(code);
        let classed = [REST, &subtype];
        let mut draft = Draft::new(Kind::IntakeAccepted, &classed, action);
        (draft.profile, draft.patient, draft.partner) = (profile, self.patient, Some(&self.source));
        draft.write(
            occasion,
            salt,
            2560 + 96 * self.written.len(),
            |json| {
                let (source, gateway) = (Who::party(&self.source), occasion.gateway);
                let staff = Some(Who::person(&self.staff)).filter(|staff| staff.column().is_some());
                agent(json, SOURCE, &source, staff.is_none(), Some(self.address), "");
                agent(
                    json,
                    DESTINATION,
                    &Who::gateway(gateway),
                    false,
                    Some(gateway.base),
                    "",
                );
                if let Some(staff) = &staff {
                    agent(json, AUTHOR, staff, true, None, "");
                }
                staff.unwrap_or(source)
            },
            |json| {
                let main = self.written.first().copied().unwrap_or_default();
                json.raw("{\"what\":{").reference(main).close("}").raw(RESOURCE);
                let more = self.written.get(1..).unwrap_or_default();
                if !clean(self.mapping).is_empty()
                    || more.iter().any(|reference| !clean(reference).is_empty())
                {
                    json.raw("\"detail\":[");
                    detail(json, "mapping", self.mapping);
                    for reference in more {
                        detail(json, "written", reference);
                    }
                    json.close("]");
                }
                json.close("}");
                transaction(json, occasion.request);
            },
        )
    }
}
