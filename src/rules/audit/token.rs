//! An access token was given or refused, asked about, or taken back.
//! <https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.IUA.71>; a refusal claims no profile.

use super::draft::{DECISION, Draft, Event, Occasion, QUERY, detail, transaction};
use super::json::clean;
use super::kind::{Kind, Outcome};
use super::party::{APPLICATION, Caller, TOKEN_SERVICE, USER, Who, agent};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One request at the token endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    pub caller: &'a Caller<'a>,
    pub purpose: &'a str,
    /// The form as it came, without the assertion: that is a credential.
    pub request: &'a str,
    /// The `jti` of the assertion.
    pub jti: &'a str,
    pub scope: &'a str,
    /// Why it was refused, from a closed set; blank when it was given.
    pub refused: &'a str,
    /// Further facts as (name, value): how the client proved itself, what it stated.
    pub details: &'a [(&'a str, &'a str)],
}

impl Token<'_> {
    /// `salt`: 16 random bytes of this event's own.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        let given = self.refused.is_empty();
        let mut draft = Draft::new(
            if given {
                Kind::TokenIssued
            } else {
                Kind::TokenRefused
            },
            &[ITI_71],
            "E",
        );
        if given {
            draft.profile = "IHE.IUA.71";
        } else {
            (draft.outcome, draft.reason) = (Outcome::MinorFailure, self.refused);
        }
        (draft.purpose, draft.partner) = (self.purpose, Some(&self.caller.organisation));
        draft.write(
            occasion,
            salt,
            2560 + self.request.len() * 4 / 3,
            |json| {
                let (client, gateway) = (Who::client(self.caller), occasion.gateway);
                let person = self.caller.person.as_ref().map(Who::person);
                agent(
                    json,
                    APPLICATION,
                    &client,
                    person.is_none(),
                    Some(self.caller.address),
                    "",
                );
                agent(
                    json,
                    TOKEN_SERVICE,
                    &Who::gateway(gateway),
                    false,
                    Some(gateway.base),
                    "",
                );
                if let Some(person) = &person {
                    agent(json, USER, person, true, None, self.purpose);
                }
                person.unwrap_or(client)
            },
            |json| {
                // The profile wants a request here, even of a caller that sent none.
                let request = if self.request.is_empty() {
                    "-"
                } else {
                    self.request
                };
                json.raw("{")
                    .raw(QUERY)
                    .raw("\"query\":\"")
                    .close(&STANDARD.encode(request))
                    .close("\"");
                let own = [("jti", self.jti), ("scope", self.scope)];
                let stated = || own.iter().chain(self.details);
                if stated().any(|(_, value)| !clean(value).is_empty()) {
                    json.raw("\"detail\":[");
                    stated().for_each(|(name, value)| detail(json, name, value));
                    json.close("]");
                }
                json.close("}");
            },
        )
    }
}

/// A client asks at the endpoints beside: what a token is worth, or that it be worth nothing.
/// <https://www.rfc-editor.org/rfc/rfc7662>, <https://www.rfc-editor.org/rfc/rfc7009>
#[derive(Clone, Copy, Debug)]
pub struct TokenAct<'a> {
    /// `TokenIntrospected` or `TokenRevoked`.
    pub kind: Kind,
    pub caller: &'a Caller<'a>,
    /// Facts as (name, value); no token.
    pub details: &'a [(&'a str, &'a str)],
}

impl TokenAct<'_> {
    /// `salt`: 16 random bytes of this event's own.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        let mut draft = Draft::new(self.kind, &[AUTHENTICATION], "E");
        draft.partner = Some(&self.caller.organisation);
        draft.write(
            occasion,
            salt,
            2560,
            |json| {
                let (client, gateway) = (Who::client(self.caller), occasion.gateway);
                agent(json, APPLICATION, &client, true, Some(self.caller.address), "");
                let service = Who::gateway(gateway);
                agent(json, TOKEN_SERVICE, &service, false, Some(gateway.base), "");
                client
            },
            |json| {
                json.raw("{")
                    .raw(DECISION)
                    .field("name", self.kind.code())
                    .raw("\"detail\":[");
                detail(json, "act", self.kind.code());
                self.details
                    .iter()
                    .for_each(|(name, value)| detail(json, name, value));
                json.close("]}");
                transaction(json, occasion.request);
            },
        )
    }
}

const AUTHENTICATION: &str = r#""type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110114","display":"User Authentication"}"#;
const ITI_71: &str = r#""type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110114","display":"User Authentication"},"subtype":[{"system":"urn:ihe:event-type-code","code":"ITI-71","display":"Get Access Token"}]"#;
