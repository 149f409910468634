//! What goes with the matches: `_include` and `_revinclude` of the links that `served.tsv` names.
//! <https://hl7.org/fhir/R4/search.html#include>

use super::parameter::{Parameter, parameter, parameters, searched_types};
use crate::fhir::element::table;

/// One link to follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Include {
    /// Type that holds the reference.
    pub source: &'static str,
    pub parameter: &'static Parameter,
    /// Only to this type.
    pub target: Option<&'static str>,
    /// From what leads to what is led to, or the other way.
    pub reverse: bool,
    /// Also from what was included.
    pub iterate: bool,
}

/// At most so many in one search.
pub const MOST_INCLUDES: usize = 20;

impl Include {
    /// `Type:parameter` or `Type:parameter:TargetType`; `None` when the link is not served.
    pub(super) fn parse(value: &str, reverse: bool, iterate: bool) -> Option<Include> {
        let mut parts = value.split(':');
        let (source, code, target) = (parts.next()?, parts.next()?, parts.next());
        let source = searched_types().find(|known| *known == source)?;
        let parameter = parameter(source, code).filter(|p| if reverse { p.revinclude } else { p.include })?;
        let target = match target {
            Some(target) => Some(
                table()
                    .resource(target)
                    .filter(|t| parameter.targets.contains(&t.name))?
                    .name,
            ),
            None => None,
        };
        parts.next().is_none().then_some(Include {
            source,
            parameter,
            target,
            reverse,
            iterate,
        })
    }

    /// May it lead to a resource of this type?
    pub fn leads_to(&self, resource_type: &str) -> bool {
        self.target.is_none_or(|target| target == resource_type)
    }
}

/// `Type:parameter` of each link that can be followed from a resource of this type.
pub fn includes_of(resource_type: &str) -> Vec<String> {
    let own = parameters(resource_type).iter().filter(|p| p.include);
    own.map(|p| format!("{resource_type}:{}", p.code)).collect()
}

/// `Type:parameter` of each link that can be followed backwards to a resource of this type.
pub fn revincludes_of(resource_type: &str) -> Vec<String> {
    let all = searched_types().flat_map(|source| parameters(source).iter().map(move |p| (source, p)));
    let those = all.filter(|(_, p)| p.revinclude && p.targets.contains(&resource_type));
    those
        .filter(|(source, _)| *source != "Provenance" || resource_type != "Provenance")
        .map(|(source, p)| format!("{source}:{}", p.code))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_those_of_the_table_and_no_others() {
        for (value, reverse, wanted) in [
            ("CarePlan:care-team", false, true),
            ("CarePlan:care-team:CareTeam", false, true),
            ("CareTeam:participant:Practitioner", false, true),
            ("CareTeam:participant:Goal", false, false),
            ("Provenance:target", true, true),
            ("Task:focus", true, true),
            ("CarePlan:care-team", true, false),
            ("CarePlan:*", false, false),
            ("*", false, false),
            ("CarePlan:category", false, false),
            ("CarePlan:goal:Goal:x", false, false),
            ("Device:patient", false, false),
            ("", false, false),
        ] {
            assert_eq!(Include::parse(value, reverse, false).is_some(), wanted, "{value}");
        }
    }

    #[test]
    fn a_provenance_goes_with_every_type() {
        for of in searched_types().filter(|of| *of != "Provenance") {
            assert!(
                revincludes_of(of).contains(&"Provenance:target".to_owned()),
                "{of}"
            );
        }
        assert!(includes_of("CarePlan").contains(&"CarePlan:goal".to_owned()));
    }
}
