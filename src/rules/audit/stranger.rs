//! Attempts of somebody nobody knows, several as one event: where they came from, at which door, how many.
//! <https://profiles.ihe.net/ITI/BALP/content.html>; a refusal claims no profile.

use super::draft::{Draft, Event, Occasion};
use super::kind::{Kind, Outcome};
use super::party::{APPLICATION, Caller, TOKEN_SERVICE, Who, agent};

/// One stranger's refused attempts.
#[derive(Clone, Copy, Debug)]
pub struct Stranger<'a> {
    /// The address, and the registered client it claimed to be, where it did.
    pub caller: &'a Caller<'a>,
    pub at_token_endpoint: bool,
    /// Why and how often, from a closed set.
    pub reason: &'a str,
}

impl Stranger<'_> {
    /// `salt`: 16 random bytes of this event's own.
    pub fn event(&self, occasion: &Occasion<'_>, salt: [u8; 16]) -> Event {
        let kind = match self.at_token_endpoint {
            true => Kind::TokenRefused,
            false => Kind::Refusal,
        };
        let mut draft = Draft::new(kind, &[LOGIN], "E");
        (draft.outcome, draft.reason) = (Outcome::MinorFailure, self.reason);
        draft.write(
            occasion,
            salt,
            1024,
            |json| {
                let (client, gateway) = (Who::client(self.caller), occasion.gateway);
                agent(json, APPLICATION, &client, true, Some(self.caller.address), "");
                agent(
                    json,
                    TOKEN_SERVICE,
                    &Who::gateway(gateway),
                    false,
                    Some(gateway.base),
                    "",
                );
                client
            },
            |_| {},
        )
    }
}

const LOGIN: &str = r#""type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110114","display":"User Authentication"},"subtype":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110122","display":"Login"}]"#;
