//! The facts of a case, put where the record keeps them: labels of provenance on resources, signer and witness on consents, what the
//! record says of the person. `reference/law.md` section 0; the conventions stand in `profiles/README.md`.

use serde_json::{Value, json};

use super::party::is_true;
use crate::consent::case::read::{Case, one_or_many};
use crate::disclosure::record::Stored;
use crate::fhir::Instant;
use crate::terminology::ACT_CODE;

const OURS: &str = "https://postern.example/fhir";
const POLICIES: &str = "http://terminology.hl7.org/CodeSystem/consentpolicycodes";

pub(super) struct Facts<'a> {
    all: &'a Value,
    /// Codings for each resource, in the order of the case.
    labels: Vec<Vec<Value>>,
    /// References of resources under an agreed restriction.
    restricted: Vec<String>,
}

/// A fact by its name: plain, dotted or nested under what it is a fact of, in either spelling.
pub(super) fn look_up<'a>(facts: &'a Value, name: &str) -> Option<&'a Value> {
    let (camel, hyphens) = (camel(name), name.replace('_', "-"));
    let names = [name, camel.as_str(), hyphens.as_str()];
    let places = ["", "src", "rec", "rcp", "emergency", "consent"];
    places.iter().find_map(|place| {
        names.iter().find_map(|name| match *place {
            "" => facts.get(name),
            place => facts
                .get(place)
                .and_then(|of| of.get(name))
                .or_else(|| facts.get(format!("{place}.{name}"))),
        })
    })
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

impl<'a> Facts<'a> {
    pub fn read(all: &'a Value, case: &Case<'_>) -> Result<Facts<'a>, &'static str> {
        if !(all.is_null() || all.is_object()) {
            return Err("the facts of the case are no object");
        }
        let mut facts = Facts {
            all,
            labels: Vec::new(),
            restricted: Vec::new(),
        };
        for resource in &case.resources {
            let id = resource["id"].as_str().unwrap_or_default();
            let kind = resource["resourceType"].as_str().unwrap_or_default();
            let reference = format!("{kind}/{id}");
            let own = [&all["records"], all, &all["rec"], &all["src"]]
                .into_iter()
                .find_map(|place| place.get(&reference).or_else(|| place.get(id)))
                .or_else(|| {
                    let mut list = all["records"].as_array().into_iter().flatten();
                    list.find(|one| one["id"] == id || one["reference"] == reference.as_str())
                });
            let fact = |name: &str| {
                own.and_then(|own| look_up(own, name))
                    .or_else(|| look_up(all, name))
            };
            facts.labels.push(labels(&fact)?);
            if restriction(&fact)
                .is_some_and(|list| one_or_many(list).iter().any(|r| !is_self_pay(r) && *r != false))
            {
                facts.restricted.push(reference);
            }
        }
        let mut labels = facts.labels.iter().flatten();
        if !case.resources.is_empty() && !labels.any(|l| l["code"] == "42CFRPart2") && speaks_of_part2(all) {
            return Err("a fact about 42 CFR Part 2 stands where no resource of the case is found");
        }
        Ok(facts)
    }

    pub fn on_resource(&self, resource: &Value, at: usize) -> Stored {
        let mut body = resource.clone();
        assume_in_force(&mut body);
        let labels = self.labels.get(at).cloned().unwrap_or_default();
        if body.is_object() && !labels.is_empty() {
            if !body["meta"].is_object() {
                body["meta"] = json!({});
            }
            match body["meta"]["security"].as_array_mut() {
                Some(security) => security.extend(labels),
                None => body["meta"]["security"] = Value::Array(labels),
            }
        }
        Stored {
            resource_type: resource["resourceType"].as_str().unwrap_or_default().to_owned(),
            id: resource["id"].as_str().unwrap_or_default().to_owned(),
            version: 1,
            body,
            contributed: None,
        }
    }

    /// Signer, witness and receipt, where the consent does not state its own.
    pub fn on_consent(&self, consent: &Value, patient: &str) -> Value {
        let mut consent = consent.clone();
        if !consent.is_object() {
            return consent;
        }
        if consent["id"].is_null() {
            consent["id"] = json!("case-consent");
        }
        let has = |name: &str| {
            let mut stated = consent["extension"].as_array().into_iter().flatten();
            stated.any(|e| e["url"] == url(name).as_str())
        };
        let mut added = Vec::new();
        if let (Some(signer), false) = (look_up(self.all, "signer"), has("consent-signer")) {
            added.extend(
                one_or_many(signer)
                    .iter()
                    .filter_map(|signer| self.signer(signer)),
            );
        }
        let witness = look_up(self.all, "witness")
            .or_else(|| look_up(self.all, "signer").and_then(|s| s.get("witness")));
        let attests = |w: &&Value| w.get("attested_identity").is_none_or(is_true);
        let name = witness.filter(attests).and_then(|w| {
            w.as_str()
                .or(w["name"].as_str())
                .or(is_true(w).then_some("stated"))
        });
        if let (Some(name), false) = (name, has("consent-witness")) {
            added.push(json!({"url": url("consent-witness"), "valueString": name}));
        }
        let received = look_up(self.all, "received_at").and_then(Value::as_str);
        if let (Some(received), false) = (received, has("consent-received")) {
            added.push(json!({"url": url("consent-received"), "valueDateTime": received}));
        }
        match consent["extension"].as_array_mut() {
            Some(list) => list.extend(added),
            None if !added.is_empty() => consent["extension"] = Value::Array(added),
            None => {}
        }
        if consent["patient"].is_null() {
            consent["patient"] = json!({"reference": format!("Patient/{patient}")});
        }
        consent
    }

    fn signer(&self, signer: &Value) -> Option<Value> {
        let keys = ["role", "type", "kind"];
        let role = signer
            .as_str()
            .or_else(|| keys.iter().find_map(|key| signer[*key].as_str()));
        let role = match role {
            Some(role) => role,
            None if signer.get("witness").is_some() => return None,
            // Somebody signed, and nobody can tell who.
            None => "not-stated",
        };
        let text = |name: &str| {
            let own = signer.get(name).or_else(|| look_up(self.all, name));
            own.and_then(Value::as_str).map(str::to_owned)
        };
        let mut parts = vec![json!({"url": "role", "valueCode": role})];
        parts
            .extend(text("authority").map(|authority| json!({"url": "authority", "valueString": authority})));
        let ends = text("authorityEnds").or_else(|| text("authority_ends"));
        parts.extend(ends.map(|ends| json!({"url": "authorityEnds", "valueDate": ends})));
        Some(json!({"url": url("consent-signer"), "extension": parts}))
    }

    /// Restrictions agreed to (45 CFR 164.522(a)), as one statement of the agency.
    pub fn restrictions(&self, patient: &str) -> Option<Value> {
        let data: Vec<Value> = self
            .restricted
            .iter()
            .map(|reference| json!({"meaning": "instance", "reference": {"reference": reference}}))
            .collect();
        (!data.is_empty()).then(|| {
            json!({"resourceType": "Consent", "id": "case-restriction", "status": "active",
                "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
                "patient": {"reference": format!("Patient/{patient}")},
                "policyRule": {"coding": [{"system": POLICIES, "code": "hipaa-restrictions"}]},
                "extension": [{"url": url("consent-kind"), "valueCode": "restriction"}],
                "provision": {"type": "deny", "data": data}})
        })
    }

    /// Birth date by a stated age, capacity in question, a therapist's determination.
    pub fn on_patient(&self, patient: &mut Value, as_of: Option<Instant>) {
        let date = look_up(self.all, "birth_date")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let age = ["age", "patient_age"]
            .iter()
            .find_map(|name| look_up(self.all, name))
            .and_then(Value::as_i64);
        let by_age = || {
            let now = jiff::Timestamp::from_microsecond(as_of?.0).ok()?;
            let day = now.to_zoned(jiff::tz::TimeZone::UTC).date();
            let years = jiff::Span::new().try_years(age?).ok()?;
            Some(day.checked_sub(years).ok()?.to_string())
        };
        if patient["birthDate"].is_null()
            && let Some(birth) = date.or_else(by_age)
        {
            patient["birthDate"] = json!(birth);
        }
        let mut added = Vec::new();
        if look_up(self.all, "capacity_in_question").is_some_and(is_true) {
            added.push(json!({"url": url("capacity-in-question"), "valueBoolean": true}));
        }
        if let Some(by) = look_up(self.all, "therapist_determination").filter(|by| by.is_object()) {
            let until = by["until"].as_str().unwrap_or("9999");
            let part = |name: &str, keys: [&str; 2]| {
                let value = keys.iter().find_map(|key| by[*key].as_str()).unwrap_or_default();
                json!({"url": name, "valueString": value})
            };
            added.push(json!({"url": url("therapist-determination"), "extension": [
                part("therapist", ["who", "therapist"]), part("ground", ["ground", "basis"]),
                {"url": "until", "valueDateTime": until}]}));
        }
        match patient["extension"].as_array_mut() {
            Some(list) => list.extend(added),
            None if !added.is_empty() => patient["extension"] = Value::Array(added),
            None => {}
        }
    }
}

fn url(name: &str) -> String {
    format!("{OURS}/StructureDefinition/{name}")
}

fn ours(system: &str, code: &str) -> Value {
    json!({"system": format!("{OURS}/CodeSystem/{system}"), "code": code})
}

/// What a case leaves out of a resource is as usual: in force. A record states it; a data set wants it stated.
fn assume_in_force(resource: &mut Value) {
    let kind = resource["resourceType"].as_str().unwrap_or_default().to_owned();
    let active = |system: &str| json!({"coding": [{"system": system, "code": "active"}]});
    let usual = match kind.as_str() {
        "Condition" => vec![(
            "clinicalStatus",
            active("http://terminology.hl7.org/CodeSystem/condition-clinical"),
        )],
        "AllergyIntolerance" => vec![(
            "clinicalStatus",
            active("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"),
        )],
        "MedicationRequest" => vec![("status", json!("active")), ("intent", json!("order"))],
        _ => Vec::new(),
    };
    for (key, value) in usual {
        if let Some(members) = resource.as_object_mut() {
            members.entry(key).or_insert(value);
        }
    }
}

/// Agreed restrictions, however the list is called.
fn restriction<'a>(fact: &dyn Fn(&str) -> Option<&'a Value>) -> Option<&'a Value> {
    let names = ["restriction", "restrictions", "restriction[]"];
    names.into_iter().find_map(fact)
}

/// A kind of service that nobody knows is no kind that no law governs.
fn program_kind(kind: &Value) -> Result<&'static str, &'static str> {
    let text = kind
        .as_str()
        .unwrap_or_default()
        .to_ascii_lowercase()
        .replace(['_', ' '], "-");
    match text.as_str() {
        "substance-use" | "sud" | "substance-use-disorder" => Ok("substance-use"),
        "developmental-disability" | "dd" => Ok("developmental-disability"),
        "mh" => Ok("mental-health"),
        text if text.contains("mental-health") => Ok("mental-health"),
        _ => Err("the kind of the service is not known"),
    }
}

fn is_self_pay(restriction: &Value) -> bool {
    let flags = [
        "payer_paid",
        "payerPaid",
        "paid_in_full",
        "paidInFull",
        "self_pay",
        "selfPay",
    ];
    flags.iter().any(|flag| is_true(&restriction[*flag]))
        || matches!(
            restriction.as_str(),
            Some("self-pay" | "self_pay" | "paid-in-full")
        )
}

/// Do the facts put anything under Part 2, wherever they say so?
fn speaks_of_part2(facts: &Value) -> bool {
    match facts {
        Value::Object(members) => members.iter().any(|(key, value)| {
            let name = key.to_lowercase().replace(['_', '-'], "");
            let says = !(value.is_null() || *value == false || *value == "false" || *value == "none");
            (says && (name.ends_with("part2program") || name.ends_with("part2basis")))
                || speaks_of_part2(value)
        }),
        Value::Array(items) => items.iter().any(speaks_of_part2),
        _ => false,
    }
}

/// Labels of provenance; a value that is not known is no guess.
fn labels<'f>(fact: &dyn Fn(&str) -> Option<&'f Value>) -> Result<Vec<Value>, &'static str> {
    let mut labels = Vec::new();
    let part2 = json!({"system": ACT_CODE, "code": "42CFRPart2"});
    match fact("part2_basis") {
        None if fact("part2_program").is_some_and(is_true) => labels.push(part2),
        None => {}
        Some(basis) => match basis.as_str() {
            Some("none") => {}
            Some("originated") => labels.push(part2),
            text => {
                let received = basis.get("received").unwrap_or(basis);
                let kind = text
                    .or(received["consent_kind"].as_str())
                    .or(received["consentKind"].as_str());
                labels.push(part2);
                labels.push(ours("part2-basis", received_code(kind.unwrap_or_default())));
            }
        },
    }
    match fact("kind").and_then(Value::as_str) {
        None | Some("general") => {}
        Some("psychotherapy_notes") => labels.push(json!({"system": ACT_CODE, "code": "PSYTHPN"})),
        Some("sud_counseling_notes") => labels.push(ours("note-kind", "sud-counseling-notes")),
        Some("il_personal_notes" | "personal_notes") => labels.push(ours("note-kind", "personal-notes")),
        Some("il_test_material" | "test_material") => labels.push(ours("note-kind", "test-material")),
        Some("unclassified_therapy_note" | "unclassified") => {
            labels.push(ours("note-kind", "unclassified-therapy-note"))
        }
        Some(_) => return Err("the kind of a record is not known"),
    }
    for name in ["program_kind", "service"] {
        for kind in fact(name).map(one_or_many).unwrap_or_default() {
            labels.push(ours("program-kind", program_kind(kind)?));
        }
    }
    if ["mental_health_service", "mh_service"]
        .iter()
        .any(|name| fact(name).is_some_and(is_true))
    {
        labels.push(ours("program-kind", "mental-health"));
    }
    let paid = restriction(fact).is_some_and(|list| one_or_many(list).iter().any(is_self_pay));
    if paid || fact("self_pay").is_some_and(is_true) {
        labels.push(json!({"system": ACT_CODE, "code": "HIPAASelfPay"}));
    }
    Ok(labels)
}

/// The code of `part2-basis`; what is not known there counts as the strictest.
fn received_code(kind: &str) -> &'static str {
    let kind = kind
        .trim_start_matches("received")
        .trim_start_matches(['-', '_', ':']);
    match kind {
        "tpo_single" | "tpo-single" | "tpo" => "received-tpo",
        "specific" => "received-specific",
        "emergency" => "received-emergency",
        "qso" => "received-qso",
        _ => "received-order",
    }
}
