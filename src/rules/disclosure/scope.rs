//! The scope of a consent in one sentence, for what is released on it: `42 CFR 2.32(b)`, "a clear explanation of the scope of the
//! consent". It says which paper, for which purpose, until when; never who else is named in it.

use super::heard::extension;
use crate::fhir::Value;
use crate::terminology::{self, ACT_REASON};

/// A sentence for each consent of a record, made for one purpose.
pub(super) struct Scopes(Vec<String>);

impl Scopes {
    /// `consents` in the order they were compiled in.
    pub fn new(consents: &[&Value], purpose: &str) -> Scopes {
        let purpose = match purpose {
            "TREAT" => "treatment",
            "HPAYMT" => "payment",
            "HOPERAT" => "health care operations",
            code => terminology::display(ACT_REASON, code).unwrap_or("the purpose asked for"),
        };
        Scopes(
            consents
                .iter()
                .map(|consent| sentence(consent, purpose))
                .collect(),
        )
    }

    pub fn of(&self, consent: usize) -> Option<&str> {
        self.0.get(consent).map(String::as_str)
    }
}

fn sentence(consent: &Value, purpose: &str) -> String {
    let day = |value: &'_ Value| value.as_str().and_then(|text| text.get(..10)).map(str::to_owned);
    let signed = day(&consent["verification"][0]["verificationDate"]).or_else(|| day(&consent["dateTime"]));
    let signed = signed.map_or(String::new(), |day| format!(" signed {day}"));
    let until = until(consent).map_or(String::new(), |day| format!(" until {day} or"));
    format!("Disclosed with the person's written consent{signed}, for {purpose},{until} until it is revoked.")
}

fn until(consent: &Value) -> Option<String> {
    let part = |name: &str| {
        let expiry = extension(consent, "consent-expiry")?;
        expiry["extension"].as_array()?.iter().find(|p| p["url"] == name)
    };
    let date = part("date").and_then(|p| p["valueDate"].as_str());
    let date = date.or_else(|| consent["provision"]["period"]["end"].as_str());
    let date = date
        .and_then(|text| text.get(..text.len().min(10)))
        .map(str::to_owned);
    date.or_else(|| part("event").map(|_| "the event it names".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_scope_says_which_paper_for_what_and_until_when() {
        let consent = json!({"dateTime": "2026-05-01T10:00:00Z", "provision": {"period": {"end": "2027-05-01"},
            "actor": [{"reference": {"display": "Someone Else"}}]}});
        let scopes = Scopes::new(&[&consent], "TREAT");
        assert_eq!(
            scopes.of(0),
            Some(
                "Disclosed with the person's written consent signed 2026-05-01, for treatment, until 2027-05-01 or until it is revoked."
            )
        );
        assert_eq!(
            Scopes::new(&[&json!({})], "COC").of(0),
            Some(
                "Disclosed with the person's written consent, for coordination of care, until it is revoked."
            )
        );
    }
}
