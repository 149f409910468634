//! Who takes part in an event: this gateway, the partner's organisation and system, a person.
//! <https://hl7.org/fhir/R4/auditevent-definitions.html#AuditEvent.agent>

use std::borrow::Cow;
use std::net::IpAddr;

use super::json::{Json, clean};

/// This installation, as it names itself in every event.
#[derive(Clone, Copy, Debug)]
pub struct Gateway<'a> {
    /// Reference to its Device or Organization (`Device/…`); may be blank.
    pub reference: &'a str,
    /// Shown to people: `Postern at Hearthstone`.
    pub name: &'a str,
    /// Base URL of its FHIR service: its network address.
    pub base: &'a str,
    /// The agency whose records these are.
    pub custodian: Party<'a>,
}

/// An organisation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Party<'a> {
    pub name: &'a str,
    /// Naming system of `identifier` (a URI); may be blank.
    pub system: &'a str,
    /// NPI or the partner's name in our configuration; may be blank.
    pub identifier: &'a str,
}

/// A member of staff, ours or the partner's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Person<'a> {
    pub name: &'a str,
    /// Unique with who asserts it; may be blank.
    pub id: &'a str,
}

/// Who asks over the network.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub client_id: &'a str,
    pub organisation: Party<'a>,
    /// IP address, host name or URL it called from.
    pub address: &'a str,
    /// The person behind the request, when the token states one.
    pub person: Option<Person<'a>>,
}

/// One `agent.who`, and what columns make of it.
pub(super) struct Who<'a> {
    pub(super) reference: &'a str,
    pub(super) system: &'a str,
    pub(super) identifier: &'a str,
    pub(super) display: Cow<'a, str>,
}

impl<'a> Who<'a> {
    pub(super) fn gateway(gateway: &Gateway<'a>) -> Who<'a> {
        Who {
            reference: gateway.reference,
            system: "",
            identifier: "",
            display: gateway.name.into(),
        }
    }

    pub(super) fn party(party: &Party<'a>) -> Who<'a> {
        Who {
            reference: "",
            system: party.system,
            identifier: party.identifier,
            display: party.name.into(),
        }
    }

    pub(super) fn person(person: &Person<'a>) -> Who<'a> {
        Who {
            reference: "",
            system: "",
            identifier: person.id,
            display: person.name.into(),
        }
    }

    pub(super) fn client(caller: &Caller<'a>) -> Who<'a> {
        let display = caller.organisation.name.into();
        Who {
            reference: "",
            system: "",
            identifier: caller.client_id,
            display,
        }
    }

    /// The person who asks, or, where none is stated, that.
    pub(super) fn user(caller: &Caller<'a>) -> Who<'a> {
        match &caller.person {
            Some(person) => Who::person(person),
            None => {
                let system = [caller.organisation.name, caller.client_id, "an unknown caller"];
                let name = system
                    .into_iter()
                    .find(|name| !clean(name).is_empty())
                    .unwrap_or_default();
                let display = format!("system of {name}; person not stated").into();
                Who {
                    reference: "",
                    system: "",
                    identifier: "",
                    display,
                }
            }
        }
    }

    /// The identifier, else the name.
    pub(super) fn column(&self) -> Option<String> {
        [self.identifier, &self.display]
            .into_iter()
            .map(clean)
            .find(|text| !text.is_empty())
            .map(Cow::into_owned)
    }

    /// The `Reference`, with its key.
    pub(super) fn write(&self, json: &mut Json, key: &str) {
        json.raw(key).raw("{").field("reference", self.reference);
        if !clean(self.identifier).is_empty() {
            json.raw("\"identifier\":{")
                .field("system", self.system)
                .field("value", self.identifier)
                .close("}");
        }
        let nameless = clean(self.reference).is_empty() && self.column().is_none();
        json.field("display", if nameless { "not stated" } else { &self.display })
            .close("}");
    }
}

/// One agent: `kind` is its `"type":{…}`.
pub(super) fn agent(
    json: &mut Json,
    kind: &str,
    who: &Who<'_>,
    requestor: bool,
    address: Option<&str>,
    purpose: &str,
) {
    json.raw("{").raw(kind);
    who.write(json, "\"who\":");
    json.raw(if requestor {
        "\"requestor\":true"
    } else {
        "\"requestor\":false"
    });
    if let Some(address) = address {
        network(json, address);
    }
    if !clean(purpose).is_empty() {
        json.raw("\"purposeOfUse\":[")
            .raw(PURPOSE)
            .field("code", purpose)
            .close("}]}")
            .close("]");
    }
    json.close("}");
}

/// Begins a concept of purpose of use; `"code"` follows, then `}]}`.
pub(super) const PURPOSE: &str =
    r#"{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason""#;

/// <https://hl7.org/fhir/R4/valueset-network-type.html>: 5 URI, 2 IP address, 1 machine name.
fn network(json: &mut Json, address: &str) {
    let address = clean(address);
    let address = if address.is_empty() { "unknown" } else { &*address };
    let kind = match address {
        uri if uri.contains("://") => "5",
        ip if ip.parse::<IpAddr>().is_ok() => "2",
        _ => "1",
    };
    json.raw("\"network\":{")
        .field("address", address)
        .field("type", kind)
        .close("}");
}

macro_rules! agent_type {
    ($system:literal, $code:literal, $display:literal) => {
        concat!(
            r#""type":{"coding":[{"system":""#,
            $system,
            r#"","code":""#,
            $code,
            r#"","display":""#,
            $display,
            r#""}]}"#
        )
    };
}

pub(super) const APPLICATION: &str = agent_type!(
    "http://dicom.nema.org/resources/ontology/DCM",
    "110150",
    "Application"
);
pub(super) const DESTINATION: &str = agent_type!(
    "http://dicom.nema.org/resources/ontology/DCM",
    "110152",
    "Destination Role ID"
);
pub(super) const SOURCE: &str = agent_type!(
    "http://dicom.nema.org/resources/ontology/DCM",
    "110153",
    "Source Role ID"
);
pub(super) const USER: &str = agent_type!(
    "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
    "IRCP",
    "information recipient"
);
pub(super) const AUTHOR: &str = agent_type!(
    "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
    "AUT",
    "author (originator)"
);
pub(super) const ORGANISATION: &str = agent_type!(
    "http://terminology.hl7.org/CodeSystem/v3-RoleClass",
    "PROV",
    "healthcare provider"
);
pub(super) const CUSTODIAN: &str = agent_type!(
    "http://snomed.info/sct",
    "159541003",
    "Record keeping/library clerk"
);
pub(super) const TOKEN_SERVICE: &str = agent_type!(
    "https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes",
    "AuthzOauthService",
    "OAuth service"
);
