//! What staff and the gateway itself do: work items, partners, reading the log, export and backup, break-glass.
//! <https://hl7.org/fhir/R4/valueset-audit-event-type.html> (DICOM event codes)

use super::draft::{DECISION, Draft, Event, Occasion, RESOURCE, detail, transaction};
use super::json::clean;
use super::kind::{Kind, Outcome};
use super::party::{APPLICATION, AUTHOR, Party, Person, Who, agent};

/// One act. Blank fields are left out.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Not one of the kinds that have their own facts (read, query, disclosure, refusal, token, accepted intake).
    pub kind: Kind,
    /// Who acted; blank when the gateway did by itself.
    pub person: Person<'a>,
    /// The partner or source it concerns.
    pub partner: Option<&'a Party<'a>>,
    pub purpose: &'a str,
    /// `Patient/…`
    pub patient: &'a str,
    /// What it was done to: `Task/…`, `Organization/…`.
    pub item: &'a str,
    /// Further facts as (name, value); no content of a record.
    pub details: &'a [(&'a str, &'a str)],
    pub outcome: Outcome,
    /// Why it failed.
    pub reason: &'a str,
}

impl<'a> Act<'a> {
    /// An act that succeeded and concerns nobody in particular.
    pub fn of(kind: Kind, person: Person<'a>) -> Act<'a> {
        Act {
            kind,
            person,
            partner: None,
            purpose: "",
            patient: "",
            item: "",
            details: &[],
            outcome: Outcome::Success,
            reason: "",
        }
    }

    /// `salt`: 16 random bytes of this event's own.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        let (code, display, action) = class(self.kind);
        let kind = format!(
            r#""type":{{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"{code}","display":"{display}"}}"#
        );
        let subtype = format!(
            r#""subtype":[{{"system":"https://postern.example/fhir/CodeSystem/audit-kind","code":"{}"}}]"#,
            self.kind.code()
        );
        let classed = [&*kind, &*subtype];
        let mut draft = Draft::new(self.kind, &classed, action);
        (draft.purpose, draft.patient, draft.partner) = (self.purpose, self.patient, self.partner);
        (draft.outcome, draft.reason) = (self.outcome, self.reason);
        draft.write(
            occasion,
            salt,
            2560,
            |json| {
                let (gateway, person) = (Who::gateway(occasion.gateway), Who::person(&self.person));
                let alone = person.column().is_none();
                agent(
                    json,
                    APPLICATION,
                    &gateway,
                    alone,
                    Some(occasion.gateway.base),
                    "",
                );
                if alone {
                    return gateway;
                }
                agent(json, AUTHOR, &person, true, None, self.purpose);
                person
            },
            |json| {
                if !clean(self.item).is_empty() {
                    json.raw("{\"what\":{")
                        .field("reference", self.item)
                        .close("}")
                        .raw(RESOURCE)
                        .close("}");
                }
                // R4 lets no list be empty, so what was done is always said here.
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

/// DICOM code, its name, and the action (create, read, update, delete, execute).
fn class(kind: Kind) -> (&'static str, &'static str, &'static str) {
    match kind {
        Kind::StaffRead => ("110110", "Patient Record", "R"),
        Kind::WorkOpened => ("110110", "Patient Record", "C"),
        Kind::WorkTaken | Kind::WorkSettled => ("110110", "Patient Record", "U"),
        Kind::PartnerAdded => ("110129", "Security Configuration", "C"),
        Kind::PartnerChanged | Kind::KeyRotated => ("110129", "Security Configuration", "U"),
        Kind::PartnerDisabled => ("110129", "Security Configuration", "D"),
        Kind::AuditRead => ("110101", "Audit Log Used", "R"),
        Kind::Export | Kind::Backup => ("110106", "Export", "R"),
        Kind::IntakeRefused | Kind::Restore => ("110107", "Import", "C"),
        Kind::BreakGlass => ("110127", "Emergency Override Started", "E"),
        Kind::GrantEnded => ("110138", "Emergency Override Stopped", "E"),
        _ => ("110100", "Application Activity", "E"),
    }
}
