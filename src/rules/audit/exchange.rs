//! A partner's request as BALP sees it: read, query, and what was refused. What left is a `Disclosure` beside it,
//! linked by the request id. Role codes follow the direction of the data: who asks for a resource is its destination,
//! who sends a query is the query's source. A refusal claims no profile: those are for success.
//! <https://profiles.ihe.net/ITI/BALP/content.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::draft::{Draft, Event, Occasion, QUERY, RESOURCE, transaction};
use super::json::{Json, clean};
use super::kind::{Kind, Outcome};
use super::party::{Caller, DESTINATION, ORGANISATION, SOURCE, USER, Who, agent};

/// A resource was read.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    pub caller: &'a Caller<'a>,
    /// Purpose of use, a code of v3-ActReason.
    pub purpose: &'a str,
    /// `Patient/…`
    pub patient: &'a str,
    /// `read` or `vread`.
    pub interaction: &'a str,
    /// `CarePlan/…`
    pub resource: &'a str,
}

/// A search was answered; one event for each person in the result.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    pub caller: &'a Caller<'a>,
    pub purpose: &'a str,
    pub patient: &'a str,
    /// `search-type` or `search-system`; `operation` for one that searches.
    pub interaction: &'a str,
    /// The request line (and form) as it came; kept in base64, so that nothing in it is lost or acts.
    pub query: &'a [u8],
}

/// A request was not answered with what it asked for.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    pub caller: &'a Caller<'a>,
    pub purpose: &'a str,
    /// The person it was about, where that is known; else blank.
    pub patient: &'a str,
    /// The interaction that was tried, a code of <http://hl7.org/fhir/restful-interaction>.
    pub interaction: &'a str,
    pub query: &'a [u8],
    /// Why, from a closed set of sentences; nothing of a record.
    pub reason: &'a str,
    pub outcome: Outcome,
}

impl Read<'_> {
    /// `salt`: 16 random bytes of this event's own.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        let subtype = interaction(self.interaction);
        let classed = [REST, &subtype];
        let mut draft = Draft::new(Kind::Read, &classed, "R");
        draft.profile = "IHE.BasicAudit.PatientRead";
        (draft.purpose, draft.patient) = (self.purpose, self.patient);
        draft.partner = Some(&self.caller.organisation);
        draft.write(
            occasion,
            salt,
            3072,
            |json| agents(json, occasion, self.caller, DESTINATION, SOURCE, self.purpose),
            |json| {
                json.raw("{\"what\":{")
                    .reference(self.resource)
                    .close("}")
                    .raw(RESOURCE)
                    .close("}");
                transaction(json, occasion.request);
            },
        )
    }
}

impl Query<'_> {
    /// `salt`: 16 random bytes of this event's own.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        let subtype = interaction(self.interaction);
        let classed = [REST, &subtype];
        let mut draft = Draft::new(Kind::Query, &classed, "E");
        // An operation that finds a person is asked like a query; to BALP it is no search.
        if self.interaction.starts_with("search") {
            draft.profile = "IHE.BasicAudit.PatientQuery";
        }
        (draft.purpose, draft.patient) = (self.purpose, self.patient);
        draft.partner = Some(&self.caller.organisation);
        draft.write(
            occasion,
            salt,
            3072 + self.query.len() * 4 / 3,
            |json| agents(json, occasion, self.caller, SOURCE, DESTINATION, self.purpose),
            |json| {
                query(json, self.query);
                transaction(json, occasion.request);
            },
        )
    }
}

impl Refusal<'_> {
    /// `salt`: 16 random bytes of this event's own.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        let subtype = interaction(self.interaction);
        let classed = [REST, &subtype];
        let mut draft = Draft::new(Kind::Refusal, &classed, "E");
        (draft.purpose, draft.patient) = (self.purpose, self.patient);
        draft.partner = Some(&self.caller.organisation);
        (draft.outcome, draft.reason) = (self.outcome, self.reason);
        draft.write(
            occasion,
            salt,
            3072 + self.query.len() * 4 / 3,
            |json| agents(json, occasion, self.caller, SOURCE, DESTINATION, self.purpose),
            |json| {
                query(json, self.query);
                transaction(json, occasion.request);
            },
        )
    }
}

pub(super) const REST: &str = r#""type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest","display":"Restful Operation"}"#;

/// The `subtype` of one interaction.
pub(super) fn interaction(code: &str) -> String {
    let code = clean(code);
    let code = if code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        &*code
    } else {
        ""
    };
    let code = if code.is_empty() { "interaction" } else { code };
    format!(r#""subtype":[{{"system":"http://hl7.org/fhir/restful-interaction","code":"{code}"}}]"#)
}

/// Client, server, the partner's organisation and the person.
pub(super) fn agents<'a>(
    json: &mut Json,
    occasion: &Occasion<'_>,
    caller: &Caller<'a>,
    client_role: &str,
    server_role: &str,
    purpose: &str,
) -> Who<'a> {
    agent(
        json,
        client_role,
        &Who::client(caller),
        false,
        Some(caller.address),
        "",
    );
    let gateway = occasion.gateway;
    agent(
        json,
        server_role,
        &Who::gateway(gateway),
        false,
        Some(gateway.base),
        "",
    );
    organisation(json, caller);
    let user = Who::user(caller);
    agent(json, USER, &user, true, None, purpose);
    user
}

/// The partner's organisation, where it is known.
pub(super) fn organisation(json: &mut Json, caller: &Caller<'_>) {
    let organisation = Who::party(&caller.organisation);
    if organisation.column().is_some() {
        agent(json, ORGANISATION, &organisation, false, None, "");
    }
}

/// A request, whole and inert. R4 demands content, so an empty one writes no entity.
pub(super) fn query(json: &mut Json, query: &[u8]) {
    if !query.is_empty() {
        json.raw("{")
            .raw(QUERY)
            .raw("\"query\":\"")
            .close(&STANDARD.encode(query))
            .close("\"}");
    }
}
