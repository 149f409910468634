//! A disclosure made by hand: who decided, on which ground and facts, to whom and where, what left, and by which order. The same
//! row of the accounting as any other disclosure. 45 CFR 164.528(b)(2), 164.512(j), (c), (e), 164.510(b); 42 CFR 2.61 to 2.67;
//! <https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source>

use super::disclosure::{Released, Withheld};
use super::draft::{DECISION, Draft, Event, Occasion, RESOURCE, detail, transaction};
use super::json::Json;
use super::kind::Kind;
use super::party::{CUSTODIAN, DESTINATION, Party, Person, SOURCE, USER, Who, agent};

/// One disclosure by hand.
#[derive(Clone, Copy, Debug)]
pub struct ByStaff<'a> {
    /// Who made it.
    pub staff: Person<'a>,
    /// Who approved it, where it takes two.
    pub second: Option<Person<'a>>,
    pub recipient: Party<'a>,
    /// Where it went, as written; blank when not known.
    pub address: &'a str,
    /// Purpose of use, a code of v3-ActReason.
    pub purpose: &'a str,
    /// `Patient/…`
    pub patient: &'a str,
    pub released: &'a [Released<'a>],
    pub withheld: &'a [Withheld<'a>],
    pub data_set: &'a str,
    /// Version or digest of its profiles.
    pub profiles: &'a str,
    /// `threat-164.512(j)`
    pub basis: &'a str,
    /// What has to be recorded, as (name, value): decider, belief, ground, digests of order and subpoena.
    pub details: &'a [(&'a str, &'a str)],
}

const DISCLOSE: &str =
    r#""subtype":[{"system":"http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle","code":"disclose"}]"#;

impl ByStaff<'_> {
    /// `salt`: 16 random bytes of this event's own.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        let classed = [super::disclosure::EXPORT, DISCLOSE];
        let mut draft = Draft::new(Kind::Disclosure, &classed, "R");
        draft.profile = "IHE.BasicAudit.PrivacyDisclosure.Source";
        (draft.purpose, draft.patient, draft.basis) = (self.purpose, self.patient, self.basis);
        draft.partner = Some(&self.recipient);
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
        let gateway = occasion.gateway;
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
            &Who::party(&self.recipient),
            false,
            Some(self.address),
            "",
        );
        agent(json, CUSTODIAN, &Who::party(&gateway.custodian), false, None, "");
        if let Some(second) = &self.second {
            agent(json, VERIFIER, &Who::person(second), false, None, "");
        }
        let staff = Who::person(&self.staff);
        agent(json, USER, &staff, true, None, self.purpose);
        staff
    }

    fn entities(&self, json: &mut Json, occasion: &Occasion<'_>) {
        for released in self.released {
            json.raw("{\"what\":{")
                .reference(released.reference)
                .close("}")
                .raw(RESOURCE)
                .raw("\"detail\":[");
            detail(json, "version", released.version);
            json.close("]}");
        }
        json.raw("{")
            .raw(DECISION)
            .field("name", "decision")
            .raw("\"detail\":[");
        detail(json, "data-set", self.data_set);
        detail(json, "profiles", self.profiles);
        for (name, value) in self.details {
            detail(json, name, value);
        }
        for withheld in self.withheld {
            let line = [withheld.path, withheld.rule, withheld.label].join(" | ");
            detail(json, "withheld", &line);
        }
        json.close("]}");
        transaction(json, occasion.request);
    }
}

const VERIFIER: &str = r#""type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"VRF","display":"verifier"}]}"#;
