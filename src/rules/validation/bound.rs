//! Codes held to value sets, as strictly as the binding says.
//! <https://hl7.org/fhir/R4/terminologies.html#strength>

use serde_json::Value;

use super::code_list::Held;
use super::rule::{Binding, Strength};
use super::spot::Spot;
use super::walk::Walk;
use crate::fhir::{IssueCode, Severity};

impl<'v> Walk<'v> {
    /// A profile's binding, with the set that nothing may leave where it has one.
    pub(super) fn bound_by(&mut self, binding: &Binding, spot: Spot<'v>) {
        self.bound(spot, binding.strength, &binding.value_set);
        if let Some(most) = &binding.most {
            self.bound(spot, Strength::Required, most);
        }
    }

    pub(super) fn bound(&mut self, spot: Spot<'v>, strength: Strength, value_set: &str) {
        if strength == Strength::Loose {
            return;
        }
        let Some(codings) = codings(spot.value, spot.type_name) else {
            return;
        };
        self.spend(4 * codings.len());
        if codings.is_empty() {
            return self.no_code(spot, strength, value_set);
        }
        let held = codings
            .iter()
            .map(|(system, code)| self.definitions.holds(value_set, *system, code));
        match best(held) {
            Held::In => {}
            Held::Unknown => {
                let what =
                    format_args!("is not checked: the value set {value_set} cannot be told in full here");
                self.note(IssueCode::NotSupported, what);
            }
            Held::Out if strength == Strength::Required => {
                self.error(
                    IssueCode::CodeInvalid,
                    format_args!("must be a code of the value set {value_set}"),
                );
            }
            Held::Out => {
                let what = format_args!(
                    "should be a code of the value set {value_set}, unless none of its codes fits"
                );
                self.report(Severity::Warning, IssueCode::CodeInvalid, what);
            }
        }
    }

    fn no_code(&mut self, spot: Spot<'v>, strength: Strength, value_set: &str) {
        // Said to be unknown, or nothing but extensions.
        let only_extended = spot.members().is_some_and(|map| map.contains_key("extension"));
        if only_extended || self.definitions.holds(value_set, Some(""), "") == Held::Unknown {
            return;
        }
        let what = format_args!("must have a code of the value set {value_set}");
        match strength {
            Strength::Required => self.error(IssueCode::Required, what),
            _ => {
                let what = format_args!(
                    "should have a code of the value set {value_set}, unless none of its codes fits"
                );
                self.report(Severity::Warning, IssueCode::CodeInvalid, what);
            }
        }
    }

    /// Does it have a code of the set? `None`: that cannot be told.
    pub(super) fn has_code_of(&self, spot: Spot<'v>, value_set: &str) -> Option<bool> {
        self.is_code_of(spot.value, spot.type_name, value_set)
    }

    pub(super) fn is_code_of(&self, value: &Value, type_name: &str, value_set: &str) -> Option<bool> {
        let found = codings(value, type_name)?;
        let held = found
            .iter()
            .map(|(system, code)| self.definitions.holds(value_set, *system, code));
        match best(held) {
            Held::In => Some(true),
            Held::Out => Some(false),
            Held::Unknown => None,
        }
    }
}

fn best(held: impl Iterator<Item = Held>) -> Held {
    let mut best = Held::Out;
    for one in held {
        match one {
            Held::In => return Held::In,
            Held::Unknown => best = Held::Unknown,
            Held::Out => {}
        }
    }
    best
}

/// System and code of what can be bound; a code without a system for `code`, `string` and `uri`, whose set implies it.
/// `None`: it is of no such type.
fn codings<'v>(value: &'v Value, type_name: &str) -> Option<Vec<(Option<&'v str>, &'v str)>> {
    let coding = |value| pair(value, "code");
    Some(match type_name {
        "code" | "string" | "uri" | "url" | "id" | "markdown" | "canonical" => {
            value.as_str().map(|code| (None, code)).into_iter().collect()
        }
        "Coding" => coding(value).into_iter().collect(),
        "CodeableConcept" => {
            let list = value.get("coding").and_then(Value::as_array);
            list.into_iter().flatten().filter_map(coding).collect()
        }
        "Quantity" | "Age" | "Count" | "Distance" | "Duration" | "SimpleQuantity" => pair(value, "code")
            .or_else(|| pair(value, "unit"))
            .into_iter()
            .collect(),
        _ => return None,
    })
}

fn pair<'v>(value: &'v Value, name: &str) -> Option<(Option<&'v str>, &'v str)> {
    let code = value.get(name)?.as_str()?;
    // A Coding without a system is in no set: it says nothing about which code it is.
    Some((
        Some(value.get("system").and_then(Value::as_str).unwrap_or("")),
        code,
    ))
}
