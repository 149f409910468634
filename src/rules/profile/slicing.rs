//! What tells the slices of a list apart: value or pattern at a path, the url for extensions.
//! <https://hl7.org/fhir/R4/profiling.html#slicing>

use serde_json::Value;

use super::differential::{Def, Named};
use super::pattern::{Demand, Want};
use super::problem::Rule;
use crate::fhir::Issue;
use crate::fhir::element::Element;

/// The discriminators of a sliced element; extensions are told by url without saying so.
pub(super) fn discriminators(e: &Element, def: Option<&Def>) -> Vec<(String, String)> {
    match def.and_then(|d| d.discriminators.clone()) {
        Some(list) => list,
        None if e.types == ["Extension"] => vec![("value".to_owned(), "url".to_owned())],
        None => Vec::new(),
    }
}

/// What an item must have to belong to `slice`, which already holds what its list says for every item.
pub(super) fn wants(
    e: &Element,
    base: Option<&Def>,
    slice: &Named,
    id: &str,
    problems: &mut Vec<Issue>,
) -> Vec<Want> {
    let mut wants = Vec::new();
    let own = slice.def.as_ref().and_then(|d| d.demand.clone());
    wants.extend(own.map(|demand| Want {
        path: Vec::new(),
        demand,
    }));
    let list = discriminators(e, base);
    if list.is_empty() {
        problems.push(Rule::Slicing.broken(id, "the list says no discriminator"));
    }
    for (kind, path) in list {
        if kind != "value" && kind != "pattern" {
            problems.push(Rule::Slicing.broken(id, "a discriminator is of type value or pattern"));
            continue;
        }
        let steps = match path.as_str() {
            "$this" => Vec::new(),
            path => path.split('.').map(str::to_owned).collect::<Vec<_>>(),
        };
        if steps
            .iter()
            .any(|s| s.is_empty() || !s.bytes().all(|b| b.is_ascii_alphanumeric()))
        {
            problems.push(Rule::Slicing.broken(id, "a discriminator path is $this or plain names"));
            continue;
        }
        match told_by(slice, &steps) {
            Told::Below(demand) => wants.push(Want { path: steps, demand }),
            Told::ByItself => {}
            Told::Url(url) => wants.push(Want {
                path: steps,
                demand: Demand::Fixed(Value::String(url)),
            }),
            Told::Nothing => {
                problems.push(Rule::Slicing.broken(id, "no fixed or pattern value at a discriminator"))
            }
        }
    }
    wants
}

enum Told {
    Below(Demand),
    /// The slice's own pattern covers the path.
    ByItself,
    Url(String),
    Nothing,
}

fn told_by(slice: &Named, steps: &[String]) -> Told {
    let below = steps
        .iter()
        .try_fold(slice, |here, step| here.child(step))
        .and_then(|n| n.def.as_ref());
    if let (Some(demand), false) = (below.and_then(|d| d.demand.clone()), steps.is_empty()) {
        return Told::Below(demand);
    }
    let own = slice.def.as_ref();
    if own
        .and_then(|d| d.demand.as_ref())
        .is_some_and(|d| has(d.value(), steps))
    {
        return Told::ByItself;
    }
    match (steps, own.and_then(|d| d.type_profile.clone())) {
        ([step], Some(url)) if step == "url" => Told::Url(url),
        _ => Told::Nothing,
    }
}

fn has(value: &Value, steps: &[String]) -> bool {
    match (value, steps) {
        (_, []) => true,
        (Value::Array(items), _) => items.iter().any(|v| has(v, steps)),
        (_, [first, rest @ ..]) => value.get(first.as_str()).is_some_and(|v| has(v, rest)),
    }
}
