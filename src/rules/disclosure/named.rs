//! Whom a consent's provisions name, seen from one recipient: it for certain, it perhaps, or others only.
//! <https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.actor>

use std::collections::HashSet;

use super::record::Recipient;
use crate::consent::{Context, RECIPIENT_CLASS, Resources};
use crate::fhir::Value;

/// Provisions deeper than this are no consent anyone signed; groups within groups likewise.
const DEEPEST: usize = 16;

pub(super) struct Named<'a> {
    recipient: &'a Recipient,
    /// References that mean the recipient, and those that may.
    certain: &'a HashSet<String>,
    likely: &'a HashSet<String>,
    /// Organisations the recipient's are part of.
    above: HashSet<String>,
    context: &'a Resources<'a>,
}

impl<'a> Named<'a> {
    pub fn new(
        recipient: &'a Recipient,
        certain: &'a HashSet<String>,
        likely: &'a HashSet<String>,
        context: &'a Resources<'a>,
    ) -> Named<'a> {
        let mut above = HashSet::new();
        for own in certain.iter().filter(|r| r.starts_with("Organization/")) {
            let mut at = own.clone();
            while let Some(parent) = context
                .resource(&at)
                .and_then(|organisation| organisation["partOf"]["reference"].as_str())
            {
                if !above.insert(parent.to_owned()) {
                    break;
                }
                parent.clone_into(&mut at);
            }
        }
        Named {
            recipient,
            certain,
            likely,
            above,
            context,
        }
    }

    /// Does a provision, at any depth, name the recipient? Others' provisions are not its business.
    pub fn names_recipient(&self, provision: &Value) -> bool {
        self.names(provision, 0)
    }

    fn names(&self, provision: &Value, depth: usize) -> bool {
        depth < DEEPEST
            && (list(&provision["actor"])
                .iter()
                .any(|actor| self.is_recipient(&actor["reference"]))
                || list(&provision["provision"])
                    .iter()
                    .any(|nested| self.names(nested, depth + 1)))
    }

    fn is_recipient(&self, reference: &Value) -> bool {
        let by_reference = reference["reference"].as_str().map(without_version);
        by_reference.is_some_and(|r| self.certain.contains(r)) || self.by_identifier(&reference["identifier"])
    }

    fn by_identifier(&self, identifier: &Value) -> bool {
        let Some(value) = identifier["value"].as_str() else {
            return false;
        };
        let system = identifier["system"].as_str().unwrap_or_default();
        if system == RECIPIENT_CLASS {
            return value == self.recipient.class;
        }
        self.recipient
            .organization
            .iter()
            .any(|(own, number)| own == system && number == value)
    }

    /// Is this consent about the recipient, by any likeness? A provision that names nobody is about everybody.
    pub fn may_mean_recipient(&self, provision: &Value) -> bool {
        self.concerns(provision, false, 0)
    }

    /// `others`: the provision above names others only, which one without actors inherits.
    fn concerns(&self, provision: &Value, others: bool, depth: usize) -> bool {
        if depth > DEEPEST {
            return true;
        }
        let actors = list(&provision["actor"]);
        let others = match actors {
            [] => others,
            actors => !actors.iter().any(|actor| self.may_be(&actor["reference"], 0)),
        };
        !others
            || list(&provision["provision"])
                .iter()
                .any(|nested| self.concerns(nested, others, depth + 1))
    }

    fn may_be(&self, reference: &Value, depth: usize) -> bool {
        if self.by_identifier(&reference["identifier"]) {
            return true;
        }
        let (system, value) = (
            &reference["identifier"]["system"],
            &reference["identifier"]["value"],
        );
        let identified = match (system.as_str(), value.as_str()) {
            (Some(system), Some(value)) => self.context.identified(system, value),
            _ => Vec::new(),
        };
        let mut references = identified.into_iter().chain(reference["reference"].as_str());
        references.any(|r| self.reference_may_be(r, depth))
    }

    fn reference_may_be(&self, reference: &str, depth: usize) -> bool {
        let reference = local(without_version(reference));
        if self.certain.contains(reference)
            || self.likely.contains(reference)
            || self.above.contains(reference)
        {
            return true;
        }
        let (members, member) = match reference.split('/').next() {
            Some("Group") => ("member", "entity"),
            Some("CareTeam") => ("participant", "member"),
            // What it contains is not looked into here.
            _ => return reference.starts_with('#'),
        };
        let Some(group) = self.context.resource(reference).filter(|_| depth < DEEPEST) else {
            return true;
        };
        group["actual"] == false
            || list(&group[members])
                .iter()
                .any(|one| self.may_be(&one[member], depth + 1))
    }
}

/// A reference names a resource, whatever the version.
fn without_version(reference: &str) -> &str {
    reference.split("/_history/").next().unwrap_or(reference)
}

/// `Type/id` at the end of an absolute address.
fn local(reference: &str) -> &str {
    if !reference.contains("://") {
        return reference;
    }
    let start = reference
        .rfind('/')
        .and_then(|id| reference[..id].rfind('/'))
        .map_or(0, |kind| kind + 1);
    &reference[start..]
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Role;
    use serde_json::json;

    fn about(provision: Value) -> bool {
        let team = json!({"resourceType": "CareTeam", "id": "t", "participant": [
            {"member": {"reference": "Organization/other"}}]});
        let maple = json!({"resourceType": "Organization", "id": "maple", "partOf": {"reference": "Organization/big"}});
        let context = Resources::new([&team, &maple]);
        let recipient = Recipient::new("maple", "Maple", "primary-care", Role::Provider, vec![]);
        let certain = HashSet::from(["Organization/maple".to_owned()]);
        let likely = HashSet::from(["Practitioner/d".to_owned()]);
        Named::new(&recipient, &certain, &likely, &context).may_mean_recipient(&provision)
    }

    fn actor(reference: &str) -> Value {
        json!([{"reference": {"reference": reference}}])
    }

    #[test]
    fn a_consent_that_names_others_only_is_not_about_the_recipient() {
        assert!(!about(json!({"actor": actor("Organization/other")})));
        assert!(!about(json!({"actor": actor("CareTeam/t")})));
        assert!(!about(
            json!({"actor": actor("Organization/other"), "provision": [{"type": "deny"}]})
        ));
        let class =
            json!([{"reference": {"identifier": {"system": RECIPIENT_CLASS, "value": "health-plan"}}}]);
        assert!(!about(json!({ "actor": class })));
    }

    #[test]
    fn any_likeness_is_enough_to_be_about_it() {
        for reference in [
            "Organization/maple",
            "https://a.example/fhir/Organization/maple/_history/3",
            "Practitioner/d",
            "Organization/big",
            "Group/unknown",
            "CareTeam/unknown",
            "#contained",
        ] {
            assert!(about(json!({"actor": actor(reference)})), "{reference}");
        }
        assert!(about(json!({})), "nobody named is everybody");
        let nested = json!({"actor": actor("Organization/other"), "provision": [{"actor": actor("Organization/maple")}]});
        assert!(about(nested));
        assert!(about(
            json!({"type": "deny", "provision": [{"actor": actor("Organization/other")}]})
        ));
    }
}
