//! Is this consent enough for records of a Part 2 program? 42 CFR 2.31(a), read as the table in profiles/README.md.
//! <https://www.ecfr.gov/current/title-42/section-2.31>; confidence per element: `reference/law.md` 1.4.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::facts::Kind;
use crate::fhir::Instant;
use crate::fhir::date::PartialDate;

pub(super) const MARKER: &str = "42CFRPart2CD";

/// Elements every Part 2 consent carries, with the name a person reads. (a)(1) to (a)(9).
const ELEMENTS: [(&str, &str); 9] = [
    ("patientName", "2.31(a)(1) the name of the patient"),
    ("discloser", "2.31(a)(2) who discloses"),
    (
        "description",
        "2.31(a)(3) a specific description of the information",
    ),
    ("recipient", "2.31(a)(4) the recipients"),
    ("purpose", "2.31(a)(5) the purpose"),
    ("rightToRevoke", "2.31(a)(6) the right to revoke"),
    ("expiry", "2.31(a)(7) an expiration date, event or none"),
    ("signature", "2.31(a)(8) the signature"),
    ("dateSigned", "2.31(a)(9) the date signed"),
];

/// (a)(10), and (a)(4)(iii) for covered entities: consents for treatment, payment and operations.
const TPO_ELEMENTS: [(&str, &str); 2] = [
    (
        "redisclosureStatement",
        "2.31(a)(10) the statement on redisclosure",
    ),
    (
        "consequencesOfRefusal",
        "2.31(a)(10) the consequences of refusing to sign",
    ),
];

#[derive(Clone, Debug, Default)]
pub(super) struct Part2Facts {
    pub marked: bool,
    /// Names of missing elements; empty when sufficient by content. A consent that is not marked lacks the marker.
    pub lacks: Vec<&'static str>,
    /// Counts from here, (a)(9).
    pub signed_from: Option<Instant>,
}

impl Part2Facts {
    pub(super) fn read(consent: &Value, kind: Kind, zone: &TimeZone) -> Part2Facts {
        if !is_marked(consent) {
            return Part2Facts {
                lacks: vec!["the 42 CFR Part 2 consent directive marker"],
                ..Part2Facts::default()
            };
        }
        let form = extension(consent, "consent-part2-elements");
        let mut lacks = Vec::new();
        let mut wanted: Vec<(&str, &'static str)> = ELEMENTS.to_vec();
        // A consent whose kind is not stated may be one for treatment, payment and operations.
        if matches!(kind, Kind::TpoSingle | Kind::Unstated | Kind::General) {
            wanted.extend(TPO_ELEMENTS);
        }
        for (name, reading) in wanted {
            if !form.is_some_and(|f| part(f, name).is_some_and(|v| v["valueBoolean"] == true)) {
                lacks.push(reading);
            }
        }
        let mut missing = |absent: bool, what: &'static str| {
            if absent && !lacks.contains(&what) {
                lacks.push(what);
            }
        };
        missing(consent["patient"]["reference"].as_str().is_none(), ELEMENTS[0].1);
        missing(
            consent["performer"][0]["reference"].as_str().is_none(),
            ELEMENTS[7].1,
        );
        missing(consent["verification"][0]["verified"] != true, ELEMENTS[7].1);
        missing(!states_expiry(consent, kind), ELEMENTS[6].1);
        let signed = consent["verification"][0]["verificationDate"]
            .as_str()
            .and_then(PartialDate::parse);
        missing(signed.is_none(), ELEMENTS[8].1);
        Part2Facts {
            marked: true,
            lacks,
            signed_from: signed.map(|d| d.bounds(zone).0),
        }
    }
}

/// "None" is enough only for treatment, payment and operations (2.31(a)(7)); an event needs someone to say that it
/// has not happened, so it counts only beside a calendar date.
fn states_expiry(consent: &Value, kind: Kind) -> bool {
    let date = |text: &Value| text.as_str().is_some_and(|t| PartialDate::parse(t).is_some());
    if date(&consent["provision"]["period"]["end"]) {
        return true;
    }
    let Some(expiry) = extension(consent, "consent-expiry") else {
        return false;
    };
    part(expiry, "date").is_some_and(|p| date(&p["valueDate"]))
        || kind == Kind::TpoSingle && part(expiry, "none").is_some_and(|p| p["valueBoolean"] == true)
}

pub(super) fn is_marked(consent: &Value) -> bool {
    let categories = consent["category"].as_array().into_iter().flatten();
    categories
        .chain([&consent["policyRule"]])
        .flat_map(|concept| concept["coding"].as_array().into_iter().flatten())
        .any(|coding| coding["system"] == crate::terminology::ACT_CODE && coding["code"] == MARKER)
}

/// An extension of ours on a resource.
pub(super) fn extension<'a>(resource: &'a Value, name: &'a str) -> Option<&'a Value> {
    extensions(resource, name).next()
}

/// All of one name.
pub(super) fn extensions<'a>(resource: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    let all = resource["extension"].as_array().into_iter().flatten();
    all.filter(move |e| {
        e["url"]
            .as_str()
            .and_then(|u| u.strip_prefix("https://postern.example/fhir/StructureDefinition/"))
            == Some(name)
    })
}

/// A part of a complex extension.
pub(super) fn part<'a>(extension: &'a Value, name: &str) -> Option<&'a Value> {
    extension["extension"]
        .as_array()?
        .iter()
        .find(|e| e["url"] == name)
}
