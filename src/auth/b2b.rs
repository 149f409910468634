//! The extension `hl7-b2b` of a client assertion: for what, and for whom, a partner's system asks.
//! <https://hl7.org/fhir/us/udap-security/STU1/b2b.html#b2b-authorization-extension-object>
//!
//! It is read in any assertion, UDAP's certificates or not. What it states is bound to the token and kept for the log; a
//! stated consent widens nothing. What is malformed is refused, never ignored: a client believes that it stated it.

use postern_rules::terminology::purpose_from_text;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const MOST_TEXT: usize = 256;
const MOST_LIST: usize = 16;

/// What the asker states.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stated {
    /// Code of v3-ActReason.
    pub purpose: String,
    /// The person at the partner who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consent_policy: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consent_reference: Vec<String>,
}

/// What is wrong with the extension; the caller is told.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

impl Stated {
    /// Reads the claim `extensions`; `None` when it holds no `hl7-b2b`.
    pub fn read(extensions: &Value) -> Result<Option<Stated>, Malformed> {
        if !(extensions.is_null() || extensions.is_object()) {
            return Err(Malformed("extensions is an object"));
        }
        let b2b = &extensions["hl7-b2b"];
        if b2b.is_null() {
            return Ok(None);
        }
        if !b2b.is_object() {
            return Err(Malformed("hl7-b2b is an object"));
        }
        if b2b["version"] != "1" {
            return Err(Malformed("hl7-b2b: version is \"1\""));
        }
        let stated = Stated {
            purpose: purpose(&b2b["purpose_of_use"])?,
            subject_name: text(&b2b["subject_name"])?,
            subject_id: text(&b2b["subject_id"])?,
            subject_role: text(&b2b["subject_role"])?,
            organization_name: text(&b2b["organization_name"])?,
            organization_id: text(&b2b["organization_id"])?.map(uri).transpose()?,
            consent_policy: uris(&b2b["consent_policy"])?,
            consent_reference: uris(&b2b["consent_reference"])?,
        };
        stated.check()?;
        Ok(Some(stated))
    }

    fn check(&self) -> Result<(), Malformed> {
        if self.subject_name.is_none() && (self.subject_id.is_some() || self.subject_role.is_some()) {
            return Err(Malformed(
                "hl7-b2b: subject_id and subject_role need subject_name",
            ));
        }
        if self.consent_policy.is_empty() && !self.consent_reference.is_empty() {
            return Err(Malformed("hl7-b2b: consent_reference needs consent_policy"));
        }
        let absolute = |one: &String| one.starts_with("https://") || one.starts_with("http://");
        if !self.consent_reference.iter().all(absolute) {
            return Err(Malformed("hl7-b2b: consent_reference lists absolute URLs"));
        }
        Ok(())
    }

    /// As a claim, in the guide's words.
    pub fn as_claim(&self, purpose: &str) -> Value {
        let mut claim = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = claim.as_object_mut() {
            members.remove("purpose");
        }
        claim["version"] = "1".into();
        claim["purpose_of_use"] = serde_json::json!([format!("urn:oid:2.16.840.1.113883.5.8#{purpose}")]);
        claim
    }

    /// Is somebody behind the request, by name and number?
    pub fn names_a_person(&self) -> bool {
        self.subject_name.is_some() && self.subject_id.is_some()
    }
}

/// One code of v3-ActReason: bare, or with its system before `#` or `|`.
fn purpose(value: &Value) -> Result<String, Malformed> {
    let many = value.as_array().ok_or(Malformed(
        "hl7-b2b: purpose_of_use is required, a list of one code",
    ))?;
    match many.as_slice() {
        [Value::String(one)] => purpose_from_text(one)
            .map(str::to_owned)
            .ok_or(Malformed("hl7-b2b: purpose_of_use is not a code of v3-ActReason")),
        [_, _, ..] => Err(Malformed(
            "hl7-b2b: one purpose_of_use per token; another purpose needs another token",
        )),
        _ => Err(Malformed(
            "hl7-b2b: purpose_of_use is required, a list of one code",
        )),
    }
}

fn text(value: &Value) -> Result<Option<String>, Malformed> {
    let Value::String(text) = value else {
        return match value {
            Value::Null => Ok(None),
            _ => Err(Malformed("hl7-b2b: names and identifiers are strings")),
        };
    };
    let plain = text.len() <= MOST_TEXT && !text.trim().is_empty() && !text.chars().any(char::is_control);
    if plain {
        Ok(Some(text.trim().to_owned()))
    } else {
        Err(Malformed(
            "hl7-b2b: names and identifiers have 1 to 256 bytes, no control characters",
        ))
    }
}

fn uri(text: String) -> Result<String, Malformed> {
    let scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
        let named = scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        named && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.is_empty()
    });
    if scheme && !text.contains(char::is_whitespace) {
        Ok(text)
    } else {
        Err(Malformed("hl7-b2b: organization_id and consents are URIs"))
    }
}

fn uris(value: &Value) -> Result<Vec<String>, Malformed> {
    let wrong = Malformed("hl7-b2b: consent_policy and consent_reference are lists of 1 to 16 URIs");
    let many = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(many) if (1..=MOST_LIST).contains(&many.len()) => many,
        _ => return Err(wrong),
    };
    let one = |value: &Value| uri(text(value)?.ok_or(wrong)?);
    many.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(change: &dyn Fn(&mut Value)) -> Result<Option<Stated>, Malformed> {
        let mut b2b = json!({"version": "1", "purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#TREAT"]});
        change(&mut b2b);
        Stated::read(&json!({ "hl7-b2b": b2b }))
    }

    #[test]
    fn everything_the_guide_names_is_kept() {
        let stated = read(&|b| {
            b["subject_name"] = " Lee Okafor, MD ".into();
            b["subject_id"] = "urn:oid:2.16.840.1.113883.4.6#1234567893".into();
            b["subject_role"] = "http://nucc.org/provider-taxonomy#207P00000X".into();
            b["organization_name"] = "County General".into();
            b["organization_id"] = "https://county.example".into();
            b["consent_policy"] = json!(["urn:oid:2.16.840.1.113883.3.7204.1.1.1.1.1"]);
            b["consent_reference"] = json!(["https://county.example/fhir/Consent/1"]);
        });
        let stated = stated.expect("well-formed").expect("there");
        assert_eq!(
            (stated.purpose.as_str(), stated.subject_name.as_deref()),
            ("TREAT", Some("Lee Okafor, MD"))
        );
        assert!(stated.names_a_person() && stated.consent_policy.len() == 1);
        let claim = json!({ "hl7-b2b": stated.as_claim("TREAT") });
        assert_eq!(Stated::read(&claim), Ok(Some(stated.clone())), "as it came");
        let kept = serde_json::to_string(&stated).expect("kept");
        assert_eq!(serde_json::from_str::<Stated>(&kept).expect("read again"), stated);
        assert_eq!(Stated::read(&Value::Null), Ok(None));
        assert_eq!(Stated::read(&json!({"other": 1})), Ok(None));
    }

    #[test]
    fn what_is_malformed_is_said() {
        type Change<'a> = &'a dyn Fn(&mut Value);
        let cases: [(Change<'_>, &str); 18] = [
            (&|b| b["version"] = json!(1), "version"),
            (&|b| b["version"] = Value::Null, "version"),
            (&|b| *b = json!("TREAT"), "is an object"),
            (&|b| b["purpose_of_use"] = Value::Null, "required"),
            (&|b| b["purpose_of_use"] = json!([]), "required"),
            (&|b| b["purpose_of_use"] = json!("TREAT"), "required"),
            (&|b| b["purpose_of_use"] = json!([7]), "required"),
            (
                &|b| b["purpose_of_use"] = json!(["TREAT", "ETREAT"]),
                "one purpose_of_use",
            ),
            (&|b| b["purpose_of_use"] = json!(["nonsense"]), "v3-ActReason"),
            (&|b| b["subject_name"] = json!({}), "strings"),
            (&|b| b["subject_name"] = json!("a\nb"), "control"),
            (&|b| b["subject_name"] = json!("x".repeat(257)), "256"),
            (&|b| b["subject_id"] = json!("17"), "need subject_name"),
            (&|b| b["organization_id"] = json!("county"), "URI"),
            (&|b| b["consent_policy"] = json!("urn:x"), "lists"),
            (&|b| b["consent_policy"] = json!([]), "lists"),
            (
                &|b| b["consent_reference"] = json!(["https://x.example/1"]),
                "needs consent_policy",
            ),
            (
                &|b| (b["consent_policy"], b["consent_reference"]) = (json!(["urn:x"]), json!(["urn:y"])),
                "absolute",
            ),
        ];
        for (change, why) in cases {
            let Err(error) = read(change) else {
                unreachable!("{why}: refused")
            };
            assert!(error.0.contains(why), "{why}: {error}");
        }
        assert!(Stated::read(&json!([])).is_err());
    }
}
