//! One value of an expression as the JSON of an R4 type, strictly: no type is bent into another.
//! <https://hl7.org/fhir/R4/json.html#primitive>

use super::host::{Functions, is_blank};
use super::path::address;
use super::problem::Rule;
use super::template::{Slot, fits};
use crate::fhir::primitive;
use crate::fhirpath::{Item, TemporalKind};
use serde_json::{Map, Value};

type Wrong = (Rule, String);

/// The JSON to write; `None` for a blank text, which is no value.
///
/// # Errors
/// The rule and a sentence that names types, never the value.
pub(super) fn written(
    item: &Item<'_>,
    slot: &Slot,
    functions: &Functions<'_>,
) -> Result<Option<Value>, Wrong> {
    if is_blank(item) {
        return Ok(None);
    }
    let type_name = slot.type_name();
    if matches!(type_name, "Coding" | "CodeableConcept") {
        return coded(item, type_name, functions).map(Some);
    }
    let value = if fits_type(item, type_name) {
        json(item)
    } else {
        None
    };
    let value = value.ok_or_else(|| {
        (
            Rule::Type,
            format!(
                "{} cannot become a value of type {type_name}{}",
                item.kind(),
                hint(item, type_name)
            ),
        )
    })?;
    primitive::check(type_name, &value)
        .map_err(|why| (Rule::Value, format!("no value of type {type_name}: {why}")))?;
    reference(&value, slot)?;
    Ok(Some(value))
}

/// A reference made by a mapping is to a type that the element allows.
pub(super) fn reference(value: &Value, slot: &Slot) -> Result<(), Wrong> {
    if slot.targets.is_empty() {
        return Ok(());
    }
    match value.as_str().and_then(|text| text.split_once('/')) {
        Some((kind, _))
            if crate::fhir::element::table().resource(kind).is_some() && !fits(slot.targets, kind) =>
        {
            Err((
                Rule::Reference,
                format!(
                    "a reference here is to {}, not to {kind}",
                    slot.targets.join(" or ")
                ),
            ))
        }
        _ => Ok(()),
    }
}

fn fits_type(item: &Item<'_>, type_name: &str) -> bool {
    let value = item.value();
    let text = matches!(item, Item::Text(_)) || value.is_some_and(Value::is_string);
    let whole = matches!(item, Item::Integer(_)) || value.is_some_and(Value::is_number);
    let moment = match item {
        Item::Moment(moment) => Some(moment.kind),
        _ => None,
    };
    match type_name {
        "boolean" => matches!(item, Item::Bool(_)) || value.is_some_and(Value::is_boolean),
        "integer" | "positiveInt" | "unsignedInt" => whole,
        "decimal" => whole || matches!(item, Item::Decimal(_)),
        "date" => text || moment == Some(TemporalKind::Date),
        "dateTime" => text || matches!(moment, Some(TemporalKind::Date | TemporalKind::DateTime)),
        "instant" => text || moment == Some(TemporalKind::DateTime),
        "time" => text || moment == Some(TemporalKind::Time),
        _ => text,
    }
}

/// What the analyst most likely forgot.
fn hint(item: &Item<'_>, type_name: &str) -> &'static str {
    let number =
        matches!(item, Item::Integer(_) | Item::Decimal(_)) || item.value().is_some_and(Value::is_number);
    match (type_name, item) {
        ("date", Item::Moment(_)) => ": use a date format without a time",
        ("string" | "markdown" | "code" | "uri" | "id", _) if number => ": say `.toString()`",
        ("integer" | "positiveInt" | "unsignedInt" | "decimal", _) => {
            ": say `.toInteger()` or `.toDecimal()`"
        }
        _ if item.value().is_some_and(Value::is_object) => ": name its fields",
        _ => "",
    }
}

fn json(item: &Item<'_>) -> Option<Value> {
    match item {
        Item::Delete | Item::Quantity(_) => None,
        _ => Some(item.to_json()).filter(|value| !value.is_object() && !value.is_array()),
    }
}

/// A Coding from `coding('map')`, wrapped where a CodeableConcept is wanted. One without a code is kept text.
fn coded(item: &Item<'_>, type_name: &str, functions: &Functions<'_>) -> Result<Value, Wrong> {
    // any other object is the record's, and its fields are to be named
    let handed = |node: &Value| node.is_object() && functions.handed.borrow().contains(&address(node));
    let coding = match item {
        Item::Made(value) if value.is_object() => (**value).clone(),
        Item::Node(node) if handed(node.value()) => node.value().clone(),
        _ => {
            let told = format!(
                "a {type_name} is made by `.coding('map')` or from its elements, not from {}",
                item.kind()
            );
            return Err((Rule::Type, told));
        }
    };
    if type_name == "Coding" {
        return Ok(coding);
    }
    let mut concept = Map::new();
    match coding.get("code") {
        Some(_) => concept.insert("coding".to_owned(), Value::Array(vec![coding])),
        None => concept.insert(
            "text".to_owned(),
            coding.get("display").cloned().unwrap_or_default(),
        ),
    };
    Ok(Value::Object(concept))
}
