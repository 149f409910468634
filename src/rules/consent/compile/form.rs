//! What the paper carries, as far as the law asks: the state's form and 45 CFR 164.508(c).
//! <https://www.ecfr.gov/current/title-45/section-164.508>, 740 ILCS 110/5(b), (c); `reference/law.md` 2.2 and 5.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{date, hipaa_authorization};
use crate::consent::part2::{extension, part};
use crate::consent::rule::Tree;
use crate::consent::signing::Signing;
use crate::fhir::Instant;

/// Facts of a form: a flag of `consent-part2-elements`, or the element of R4 that says the same.
struct Form<'a> {
    consent: &'a Value,
    flags: Option<&'a Value>,
    permits: Vec<&'a super::super::rule::Rule>,
}

impl Form<'_> {
    /// The flag where it is stated, else the element.
    fn carries(&self, flag: &str, element: bool) -> bool {
        let stated = self
            .flags
            .and_then(|f| part(f, flag))
            .and_then(|p| p["valueBoolean"].as_bool());
        stated.unwrap_or(element)
    }

    fn text(&self, name: &str) -> bool {
        extension(self.consent, name)
            .is_some_and(|e| e["valueString"].as_str().is_some_and(|t| !t.trim().is_empty()))
    }

    fn recipient(&self) -> bool {
        self.permits.iter().any(|rule| rule.stated.actors.is_some())
    }

    fn purpose(&self) -> bool {
        self.permits.iter().any(|rule| rule.stated.purposes.is_some())
    }

    /// Every permit says of which data: labels, classes, codes, data or their time.
    fn description(&self) -> bool {
        !self.permits.is_empty() && self.permits.iter().all(|rule| rule.stated.limits_data())
    }

    fn signed(&self) -> bool {
        let signed =
            self.consent["verification"][0]["verified"] == true || self.consent["performer"][0].is_object();
        signed && self.consent["verification"][0]["verified"] != false
    }

    fn dated(&self) -> bool {
        date(&self.consent["verification"][0]["verificationDate"]).is_some()
            || date(&self.consent["dateTime"]).is_some()
    }

    fn calendar_date(&self) -> bool {
        let stated = extension(self.consent, "consent-expiry").and_then(|e| part(e, "date"));
        date(&self.consent["provision"]["period"]["end"]).is_some()
            || stated.is_some_and(|p| date(&p["valueDate"]).is_some())
    }
}

fn form<'a>(consent: &'a Value, tree: &'a Result<Tree, String>) -> Form<'a> {
    let rules = tree.as_ref().map_or(&[][..], |tree| tree.rules.as_slice());
    Form {
        consent,
        flags: extension(consent, "consent-part2-elements"),
        permits: rules.iter().filter(|rule| rule.permit).collect(),
    }
}

/// Core elements and statements of 45 CFR 164.508(c)(1), (2) that are missing.
pub(super) fn authorization_lacks(
    consent: &Value,
    tree: &Result<Tree, String>,
    research: bool,
) -> Vec<&'static str> {
    let form = form(consent, tree);
    // A paper recorded as a HIPAA authorization carries its statements unless one is recorded as missing.
    let standard = hipaa_authorization(consent);
    let expiry = extension(consent, "consent-expiry");
    let none = expiry
        .and_then(|e| part(e, "none"))
        .is_some_and(|p| p["valueBoolean"] == true);
    let event = expiry
        .and_then(|e| part(e, "event"))
        .is_some_and(|p| p["valueString"].is_string());
    // "None" is an expiry for research only; an event is one when somebody has said what it is.
    let expires = form.calendar_date() || event || none && research;
    let elements = [
        (
            form.carries("description", form.description() || standard),
            "164.508(c)(1)(i) a specific description",
        ),
        (
            form.carries("discloser", consent["organization"][0].is_object() || standard),
            "164.508(c)(1)(ii) who discloses",
        ),
        (
            form.carries("recipient", true) && form.recipient(),
            "164.508(c)(1)(iii) the recipient",
        ),
        (
            form.carries("purpose", true) && form.purpose(),
            "164.508(c)(1)(iv) the purpose",
        ),
        (expires, "164.508(c)(1)(v) an expiration date or event"),
        (
            form.carries("signature", true) && form.signed() && form.dated(),
            "164.508(c)(1)(vi) signature and date",
        ),
        (
            form.carries("rightToRevoke", form.text("consent-right-to-revoke") || standard),
            "164.508(c)(2)(i) the right to revoke",
        ),
        (
            form.carries("consequencesOfRefusal", standard),
            "164.508(c)(2)(ii) that care does not depend on it",
        ),
        (
            form.carries("redisclosureStatement", standard),
            "164.508(c)(2)(iii) the statement on redisclosure",
        ),
    ];
    missing(&elements)
}

/// What the state's form asks and this one lacks. Time is apart: [`state_until`].
pub(super) fn state_lacks(
    consent: &Value,
    tree: &Result<Tree, String>,
    signing: &Signing,
) -> Vec<&'static str> {
    let form = form(consent, tree);
    let dated = !signing.calendar_expiry || form.calendar_date() || received(consent).is_some();
    let statements = signing.statements;
    let elements = [
        (
            !statements || form.carries("recipient", true) && form.recipient(),
            "the person or agency that receives",
        ),
        (
            !statements || form.carries("purpose", true) && form.purpose(),
            "the purpose",
        ),
        (
            !signing.no_blanket || form.carries("description", form.description()),
            "the nature of the information (no blanket consent)",
        ),
        (
            !statements || form.carries("rightToInspect", false),
            "the right to inspect and copy",
        ),
        (
            !statements || form.carries("consequencesOfRefusal", false),
            "the consequences of refusing",
        ),
        (
            !statements || form.carries("rightToRevoke", form.text("consent-right-to-revoke")),
            "the right to revoke",
        ),
        (dated, "a calendar date of expiry, or the day it was received"),
        (
            !signing.has_form() || form.carries("signature", true) && form.signed(),
            "the signature",
        ),
        (
            !signing.witness || form.text("consent-witness"),
            "a witness who can attest the signer's identity",
        ),
    ];
    missing(&elements)
}

fn missing(elements: &[(bool, &'static str)]) -> Vec<&'static str> {
    elements
        .iter()
        .filter(|(there, _)| !there)
        .map(|(_, name)| *name)
        .collect()
}

/// Without a calendar date the state's form holds on the day it was received, and no longer.
pub(super) fn state_until(
    consent: &Value,
    tree: &Result<Tree, String>,
    signing: &Signing,
    zone: &TimeZone,
) -> Option<Instant> {
    if !signing.calendar_expiry || form(consent, tree).calendar_date() {
        return None;
    }
    let received = received(consent)?;
    let day = jiff::Timestamp::from_microsecond(received.bounds(zone).0.0).ok()?;
    let end = day
        .to_zoned(zone.clone())
        .date()
        .tomorrow()
        .ok()?
        .to_zoned(zone.clone())
        .ok()?;
    Some(Instant(end.timestamp().as_microsecond()))
}

fn received(consent: &Value) -> Option<crate::fhir::date::PartialDate> {
    extension(consent, "consent-received").and_then(|e| date(&e["valueDateTime"]))
}
