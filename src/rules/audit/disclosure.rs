//! What left the agency: to whom, for what purpose, on what basis, and how much was withheld. One event for each
//! person; the row of the accounting of disclosures.
//! <https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source>, 45 CFR 164.528, 42 CFR 2.24, 2.25

use super::draft::{DECISION, Draft, Event, Occasion, RESOURCE, detail, transaction};
use super::exchange::{interaction, organisation};
use super::json::{Json, clean};
use super::kind::Kind;
use super::party::{APPLICATION, CUSTODIAN, Caller, DESTINATION, SOURCE, USER, Who, agent};

/// One release to one recipient about one person.
#[derive(Clone, Copy, Debug)]
pub struct Disclosure<'a> {
    pub caller: &'a Caller<'a>,
    /// Purpose of use, a code of v3-ActReason.
    pub purpose: &'a str,
    /// `Patient/…`
    pub patient: &'a str,
    /// How it left, a code of <http://hl7.org/fhir/restful-interaction>; blank for a push.
    pub interaction: &'a str,
    pub released: &'a [Released<'a>],
    pub withheld: &'a [Withheld<'a>],
    /// Name of the data set.
    pub data_set: &'a str,
    /// Version or digest of its profiles.
    pub profiles: &'a str,
    pub basis: Basis<'a>,
}

/// A resource that left.
#[derive(Clone, Copy, Debug)]
pub struct Released<'a> {
    /// `CarePlan/…`
    pub reference: &'a str,
    /// Version of the released form: its digest, as in the ETag.
    pub version: &'a str,
}

/// What did not leave: where it stands, the rule and the label. Never the value.
#[derive(Clone, Copy, Debug)]
pub struct Withheld<'a> {
    pub path: &'a str,
    pub rule: &'a str,
    pub label: &'a str,
}

/// Why it was lawful, in the terms the accountings ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Basis<'a> {
    /// `treatment`, `part2-consent`, `authorization`, `emergency-2.51`, `public-health`, …
    pub legal: &'a str,
    /// The recipient was covered by a general designation (42 CFR 2.31(a)(4)(ii)(B)).
    pub general_designation: bool,
    /// The disclosure was made through an electronic health record (42 CFR 2.25(b)).
    pub via_ehr: bool,
    pub consents: &'a [ConsentUsed<'a>],
}

/// A consent that the decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct ConsentUsed<'a> {
    /// `Consent/…`
    pub consent: &'a str,
    /// The provision that decided: `provision.provision[1]`; blank for the base.
    pub provision: &'a str,
}

impl Disclosure<'_> {
    /// `salt`: 16 random bytes of this event's own.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        let subtype = match self.interaction {
            "" => format!("\"subtype\":[{DISCLOSE}]"),
            code => interaction(code).replacen('[', &format!("[{DISCLOSE},"), 1),
        };
        let classed = [EXPORT, &subtype];
        let mut draft = Draft::new(Kind::Disclosure, &classed, "R");
        draft.profile = "IHE.BasicAudit.PrivacyDisclosure.Source";
        (draft.purpose, draft.patient, draft.basis) = (self.purpose, self.patient, self.basis.legal);
        (draft.general_designation, draft.via_ehr) = (self.basis.general_designation, self.basis.via_ehr);
        draft.partner = Some(&self.caller.organisation);
        (draft.withheld, draft.released) = (self.withheld.len(), self.released.len());
        let capacity = 5120 + 448 * self.released.len() + 160 * self.withheld.len();
        draft.write(
            occasion,
            salt,
            capacity,
            |json| self.agents(json, occasion),
            |json| self.entities(json, occasion),
        )
    }

    fn agents(&self, json: &mut Json, occasion: &Occasion<'_>) -> Who<'_> {
        let (gateway, caller) = (occasion.gateway, self.caller);
        agent(
            json,
            SOURCE,
            &Who::gateway(gateway),
            false,
            Some(gateway.base),
            "",
        );
        agent(
            json,
            DESTINATION,
            &Who::party(&caller.organisation),
            false,
            Some(caller.address),
            "",
        );
        agent(json, CUSTODIAN, &Who::party(&gateway.custodian), false, None, "");
        agent(json, APPLICATION, &Who::client(caller), false, None, "");
        organisation(json, caller);
        let user = Who::user(caller);
        agent(json, USER, &user, true, None, self.purpose);
        user
    }

    fn entities(&self, json: &mut Json, occasion: &Occasion<'_>) {
        for released in self.released {
            json.raw("{\"what\":{")
                .reference(released.reference)
                .close("}")
                .raw(RESOURCE);
            if !clean(released.version).is_empty() {
                json.raw("\"detail\":[");
                detail(json, "version", released.version);
                json.close("]");
            }
            json.close("}");
        }
        for used in self.basis.consents {
            json.raw("{\"what\":{")
                .reference(used.consent)
                .close("}")
                .raw(CONSENT)
                .raw("\"detail\":[");
            detail(
                json,
                "provision",
                if used.provision.is_empty() {
                    "provision"
                } else {
                    used.provision
                },
            );
            json.close("]}");
        }
        self.decision(json);
        transaction(json, occasion.request);
    }

    fn decision(&self, json: &mut Json) {
        json.raw("{")
            .raw(DECISION)
            .field("name", "decision")
            .raw("\"detail\":[");
        detail(
            json,
            "data-set",
            if self.data_set.is_empty() {
                "none"
            } else {
                self.data_set
            },
        );
        detail(json, "profiles", self.profiles);
        let mut line = String::new();
        for withheld in self.withheld {
            line.clear();
            for (at, part) in [withheld.path, withheld.rule, withheld.label]
                .into_iter()
                .enumerate()
            {
                line.push_str(if at > 0 { " | " } else { "" });
                line.push_str(part);
            }
            detail(json, "withheld", &line);
        }
        json.close("]}");
    }
}

pub(super) const EXPORT: &str =
    r#""type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110106","display":"Export"}"#;
const DISCLOSE: &str =
    r#"{"system":"http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle","code":"disclose"}"#;
const CONSENT: &str = r#""type":{"system":"http://hl7.org/fhir/resource-types","code":"Consent"}"#;
