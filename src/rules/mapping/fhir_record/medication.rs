//! `medicationReference` becomes `medicationCodeableConcept`: no data set releases a Medication, and a request must say what is taken.
//! <https://hl7.org/fhir/R4/medicationrequest.html>, <https://hl7.org/fhir/R4/medication.html>
//!
//! Kept: code and its words, form, ingredients with their strength, labels. Not kept: batch, amount of a package, manufacturer.

use super::super::problem::Rule;
use super::settle::{Leads, Settle};
use serde_json::{Map, Value, json};

const FROM: &str = "medicationReference";
const TO: &str = "medicationCodeableConcept";

pub(super) fn settle(settle: &mut Settle<'_, '_, '_>, body: &mut Map<String, Value>) {
    if settle.piece.kind != "MedicationRequest" {
        return;
    }
    let Some(reference) = body.get(FROM).cloned() else {
        return;
    };
    let own = format!("{}.{FROM}", settle.piece.place);
    let words = reference["display"].as_str();
    let found = match reference["reference"].as_str().map(|text| settle.leads(text)) {
        Some(Leads::Other(other)) if other.kind == "Medication" => Some(other),
        _ => None,
    };
    let concept = match found.as_ref().map(|other| other.body) {
        Some(medication) if medication["status"] == "entered-in-error" => None,
        Some(medication) if medication.get("modifierExtension").is_some() => None,
        Some(medication) => concept(settle, medication, words),
        None => words.map(|words| json!({"text": words})),
    };
    let Some(concept) = concept else {
        let told = "the medication is not in the record, was entered in error, or says nothing of what it is";
        settle.problem_at(TO, FROM, Rule::Required, told);
        return;
    };
    // In its place, so that the order of elements stays.
    *body = std::mem::take(body)
        .into_iter()
        .map(|(key, value)| {
            if key == FROM {
                (TO.to_owned(), concept.clone())
            } else {
                (key, value)
            }
        })
        .collect();
    let mut places = vec![own];
    if let Some(medication) = found {
        places.push(format!("{}.code", medication.place));
        settle.uses(&medication);
    }
    settle.made_from(TO, places);
}

/// The code of the medication, with words that also say form and ingredients.
fn concept(settle: &mut Settle<'_, '_, '_>, medication: &Value, words: Option<&str>) -> Option<Value> {
    let code = &medication["code"];
    let name = said(code).or(words).map(str::to_owned);
    let mut more: Vec<String> = said(&medication["form"]).map(str::to_owned).into_iter().collect();
    let list = medication["ingredient"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    more.extend(list.iter().filter_map(|one| ingredient(settle, one)));
    // What the name says already is not said again.
    let told = name.as_deref().unwrap_or_default().to_lowercase();
    more.retain(|one| !told.contains(&one.to_lowercase()));
    let text = match (name, more.is_empty()) {
        (Some(name), true) => Some(name),
        (Some(name), false) => Some(format!("{name} ({})", more.join(", "))),
        (None, false) => Some(more.join(", ")),
        (None, true) => None,
    };
    // A medication without a code is what its one ingredient is; several ingredients are no code of the whole.
    let code = match list {
        [one] if code.is_null() => &one["itemCodeableConcept"],
        _ => code,
    };
    let mut concept = code.as_object().cloned().unwrap_or_default();
    if let Some(text) = text {
        concept.insert("text".to_owned(), Value::String(text));
    }
    (!concept.is_empty()).then_some(Value::Object(concept))
}

fn said(concept: &Value) -> Option<&str> {
    let codings = concept["coding"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let displays = codings.iter().filter_map(|coding| coding["display"].as_str());
    concept["text"].as_str().into_iter().chain(displays).next()
}

/// `paracetamol 325 mg / 1 tablet`
fn ingredient(settle: &mut Settle<'_, '_, '_>, one: &Value) -> Option<String> {
    let item = &one["itemReference"];
    let mut name = said(&one["itemCodeableConcept"])
        .or(item["display"].as_str())
        .map(str::to_owned);
    if name.is_none()
        && let Some(text) = item["reference"].as_str()
        && let Leads::Other(other) = settle.leads(text)
        && ["Substance", "Medication"].contains(&other.kind)
    {
        name = said(&other.body["code"]).map(str::to_owned);
        settle.uses(&other);
    }
    let strength = &one["strength"];
    let amount = match (
        quantity(&strength["numerator"]),
        quantity(&strength["denominator"]),
    ) {
        (Some(some), Some(of)) if of != "1" => format!(" {some} / {of}"),
        (Some(some), _) => format!(" {some}"),
        (None, _) => String::new(),
    };
    name.map(|name| name + &amount)
}

fn quantity(quantity: &Value) -> Option<String> {
    let value = quantity.get("value")?.to_string();
    let unit = quantity["unit"].as_str().or(quantity["code"].as_str());
    Some(match unit {
        Some(unit) => format!("{value} {unit}"),
        None => value,
    })
}
