//! From answers to audit events: who asked, what left, on what basis, and how much was kept back.
//! Exactly the resources of the answer, one disclosure event per person.
//! <https://profiles.ihe.net/ITI/BALP/>

use std::collections::BTreeSet;

use postern_rules::audit::{self, Event, Occasion, Outcome};
use postern_rules::disclosure::{Answer, Subject};
use postern_rules::fhir::Instant;

use super::caller::Call;
use super::{Gateway, Partner};

/// The request in FHIR's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    Read,
    Search,
    /// `$match` and the like.
    Operation,
    Create,
    Update,
    Patch,
}

impl Interaction {
    pub(super) fn code(self) -> &'static str {
        match self {
            Interaction::Read => "read",
            Interaction::Search => "search-type",
            Interaction::Operation => "operation",
            Interaction::Create => "create",
            Interaction::Update => "update",
            Interaction::Patch => "patch",
        }
    }
}

pub fn caller_of<'a>(
    client: &'a str,
    partner: &'a Partner,
    address: &'a str,
    person: Option<&'a (String, String)>,
) -> audit::Caller<'a> {
    let first = partner.organization.first();
    audit::Caller {
        client_id: client,
        organisation: audit::Party {
            name: &partner.name,
            system: first.map_or("", |i| i.system.as_str()),
            identifier: first.map_or("", |i| i.value.as_str()),
        },
        address,
        person: person.map(|(name, id)| audit::Person { name, id }),
    }
}

impl Gateway {
    /// Runs `make` with the occasion of this request and a fresh salt for each event it makes.
    pub fn with_occasion<T>(
        &self,
        at: Instant,
        request: &str,
        make: impl FnOnce(&Occasion<'_>, [u8; 16]) -> T,
    ) -> T {
        let base = self.config.base();
        let name = format!("Postern at {}", self.config.agency.name);
        let custodian = audit::Party {
            name: &self.config.agency.name,
            system: "",
            identifier: "",
        };
        let gateway = audit::Gateway {
            reference: "",
            name: &name,
            base: &base,
            custodian,
        };
        let occasion = Occasion {
            gateway: &gateway,
            recorded: at,
            request,
        };
        make(&occasion, self.entropy.salt(&format!("salt {request}")))
    }

    /// The events of one answer. An answer that speaks of nobody is one refusal event: somebody asked, perhaps
    /// about a person who is here; the log says so, the caller does not learn it.
    pub fn events(
        &self,
        call: &Call,
        interaction: Interaction,
        answer: &Answer,
        (refusal, asked_about): (Option<&str>, Option<&str>),
        at: Instant,
    ) -> Vec<Event> {
        let person = call.caller.person.as_ref();
        let caller = caller_of(&call.caller.client, &call.caller.partner, &call.address, person);
        let mut rows = Vec::with_capacity(2 * answer.subjects().len().max(1));
        self.with_occasion(at, &call.request, |occasion, salt| {
            for (index, subject) in answer.subjects().iter().enumerate() {
                let about = subject.release().about();
                let patient = format!("Patient/{}", about.patient);
                let first = self.salt(salt, index, 0);
                rows.push(request_event(
                    &caller,
                    call,
                    interaction,
                    subject,
                    &patient,
                    occasion,
                    first,
                ));
                // Who only counted was shown nothing of the person but the number.
                if subject.resources().next().is_none() {
                    continue;
                }
                rows.push(self.disclosure_event(
                    &caller,
                    interaction,
                    subject,
                    &patient,
                    occasion,
                    self.salt(salt, index, 1),
                ));
            }
            if answer.subjects().is_empty() {
                let asked_about = asked_about.map(|id| format!("Patient/{id}")).unwrap_or_default();
                let event = audit::Refusal {
                    caller: &caller,
                    purpose: &call.caller.purpose,
                    patient: &asked_about,
                    interaction: interaction.code(),
                    query: call.line.as_bytes(),
                    reason: refusal.unwrap_or("nothing to release"),
                    outcome: Outcome::MinorFailure,
                };
                rows.push(event.event(occasion, salt));
            }
        });
        rows
    }

    /// A salt of its own for each event of one request.
    pub(super) fn salt(&self, base: [u8; 16], index: usize, part: u8) -> [u8; 16] {
        let mut salt = [0; 16];
        let digest = postern_rules::log::Digest::of(&[&base[..], &index.to_be_bytes(), &[part]].concat());
        salt.copy_from_slice(&digest.0[..16]);
        salt
    }

    pub(super) fn disclosure_event(
        &self,
        caller: &audit::Caller<'_>,
        interaction: Interaction,
        subject: &Subject,
        patient: &str,
        occasion: &Occasion<'_>,
        salt: [u8; 16],
    ) -> Event {
        let about = subject.release().about();
        let resources: Vec<(String, String)> = subject.resources().collect();
        let released: Vec<audit::Released<'_>> = resources
            .iter()
            .map(|(reference, version)| audit::Released { reference, version })
            .collect();
        let withheld: Vec<audit::Withheld<'_>> = about
            .withheld
            .iter()
            .map(|w| audit::Withheld {
                path: &w.path,
                rule: w.rule.code(),
                label: w.label.as_deref().unwrap_or(""),
            })
            .collect();
        let basis = subject.basis();
        let consents: BTreeSet<(&str, &str)> = basis.iter().copied().flat_map(consents_used).collect();
        let consents: Vec<audit::ConsentUsed<'_>> = consents
            .into_iter()
            .map(|(consent, provision)| audit::ConsentUsed { consent, provision })
            .collect();
        let mut legal: BTreeSet<&str> = basis.into_iter().map(first_word).collect();
        let under_grant = legal.remove(BREAK_GLASS) || about.grant.is_some();
        let mut legal = legal.into_iter().collect::<Vec<_>>().join(", ");
        // The grant holds the four items of 42 CFR 2.51(c): each disclosure under it names it.
        if under_grant {
            let grant = about.grant.as_deref().unwrap_or(&about.relationship.evidence);
            legal = format!("{legal}, {BREAK_GLASS} {grant}");
        }
        audit::Disclosure {
            caller,
            purpose: &about.purpose,
            patient,
            interaction: interaction.code(),
            released: &released,
            withheld: &withheld,
            data_set: &about.data_set,
            profiles: &self.rules_version,
            basis: audit::Basis {
                legal: &legal,
                general_designation: false,
                via_ehr: true,
                consents: &consents,
            },
        }
        .event(occasion, salt)
    }
}

/// Code of the relationship that a grant makes, and of the basis of what it opens.
const BREAK_GLASS: &str = "break-glass";

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

/// `consent Consent/x provision[0]; Consent/y provision` → each consent and its provision.
fn consents_used(basis: &str) -> impl Iterator<Item = (&str, &str)> {
    let from = basis.find("Consent/").unwrap_or(basis.len());
    basis[from..]
        .split("; ")
        .filter(|part| part.starts_with("Consent/"))
        .map(|part| part.split_once(' ').unwrap_or((part, "")))
}

fn request_event(
    caller: &audit::Caller<'_>,
    call: &Call,
    interaction: Interaction,
    subject: &Subject,
    patient: &str,
    occasion: &Occasion<'_>,
    salt: [u8; 16],
) -> Event {
    let purpose = &call.caller.purpose;
    match interaction {
        Interaction::Read => {
            let resource = subject
                .resources()
                .next()
                .map(|(reference, _)| reference)
                .unwrap_or_default();
            audit::Read {
                caller,
                purpose,
                patient,
                interaction: interaction.code(),
                resource: &resource,
            }
            .event(occasion, salt)
        }
        Interaction::Search
        | Interaction::Operation
        | Interaction::Create
        | Interaction::Update
        | Interaction::Patch => {
            let query = call.line.as_bytes();
            audit::Query {
                caller,
                purpose,
                patient,
                interaction: interaction.code(),
                query,
            }
            .event(occasion, salt)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_consent_that_took_part_is_named() {
        let used = |basis| consents_used(basis).collect::<Vec<_>>();
        assert_eq!(
            used("consent Consent/x provision[0]; Consent/y provision"),
            [("Consent/x", "provision[0]"), ("Consent/y", "provision")]
        );
        assert_eq!(
            used("part2-consent 42 CFR 2.31, 2.33 Consent/x provision"),
            [("Consent/x", "provision")]
        );
        assert_eq!(used("hipaa-treatment 45 CFR 164.506(c)(2)"), []);
    }
}
