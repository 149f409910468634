//! A search expression of R4 read as the paths it is made of: elements, a type chosen, an item picked by what it says of
//! itself. All that is served can be read so; the tests hold it against the one engine.
//! <https://hl7.org/fhir/R4/searchparameter.html#SearchParameter.expression>, <http://hl7.org/fhirpath/N1/#path-selection>

use crate::fhir::element::{Child, Element, Type, table};

/// From the resource to what is indexed, in JSON names; a choice is one path for each of its types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub steps: Vec<Step>,
    /// Type of what stands at its end: `CodeableConcept`, `code`, `Reference`, …
    pub type_name: &'static str,
    /// Value set of a required binding of what stands at its end.
    pub binding: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub name: String,
    pub only: Option<Only>,
}

/// Which items a step goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Only {
    /// References to this type: `where(resolve() is Patient)`.
    To(&'static str),
    /// Objects with this member: `where(system='email')`.
    Saying(&'static str, &'static str),
}

/// A path while it is read: where it has come, and as what.
#[derive(Clone)]
struct Way {
    steps: Vec<Step>,
    at: At,
}

#[derive(Clone)]
enum At {
    /// In the members of a type: the resource itself.
    Root(&'static Type),
    /// At a choice whose type is still open.
    Choice(&'static Element),
    Element(Child),
}

/// The paths of `expression` that begin at `base`; `None` when there are none, or one of them is more than a path.
pub(super) fn paths(base: &str, expression: &'static str) -> Option<Vec<Path>> {
    let mut found = Vec::new();
    for part in expression.split('|').map(str::trim) {
        if begin(part) == base {
            found.extend(read(base, part)?);
        }
    }
    (!found.is_empty()).then_some(found)
}

/// The alternatives of an expression that begin at `base`, as text: what an engine is asked.
#[cfg(test)]
pub(super) fn of_base(base: &str, expression: &'static str) -> String {
    let own = expression.split('|').map(str::trim);
    own.filter(|part| begin(part) == base)
        .collect::<Vec<_>>()
        .join(" | ")
}

fn begin(part: &str) -> &str {
    let part = part.trim_start_matches('(');
    part.split(['.', ' ', ')']).next().unwrap_or_default()
}

/// `(X.y as T)` is `X.y.as(T)`.
fn read(base: &str, part: &'static str) -> Option<Vec<Path>> {
    let bare = part
        .strip_prefix('(')
        .and_then(|p| p.strip_suffix(')'))
        .unwrap_or(part);
    let (path, chosen) = match bare.split_once(" as ") {
        Some((path, chosen)) => (path, Some(chosen)),
        None => (bare, None),
    };
    let mut ways = vec![Way {
        steps: Vec::new(),
        at: At::Root(table().resource(base)?),
    }];
    for segment in segments(path).into_iter().skip(1) {
        ways = follow(ways, segment)?;
    }
    if let Some(chosen) = chosen {
        ways = ways.iter().map(|way| way.chosen(chosen)).collect::<Option<_>>()?;
    }
    ways.into_iter()
        .map(Way::settled)
        .collect::<Option<Vec<_>>>()
        .map(|all| all.into_iter().flatten().filter_map(Way::path).collect())
}

/// Splits at dots outside parentheses.
fn segments(path: &'static str) -> Vec<&'static str> {
    let (mut depth, mut from, mut found) = (0_usize, 0, Vec::new());
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'.' if depth == 0 => {
                found.push(&path[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&path[from..]);
    found
}

fn follow(ways: Vec<Way>, segment: &'static str) -> Option<Vec<Way>> {
    let inside = |name: &str| segment.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(chosen) = inside("as") {
        return ways.iter().map(|way| way.chosen(chosen)).collect();
    }
    if let Some(condition) = inside("where") {
        let only = only(condition)?;
        return ways.into_iter().map(|way| way.narrowed(only)).collect();
    }
    let mut next = Vec::new();
    for way in ways {
        for way in way.settled()? {
            next.push(way.into_member(segment)?);
        }
    }
    Some(next)
}

fn only(condition: &'static str) -> Option<Only> {
    if let Some(target) = condition.strip_prefix("resolve() is ") {
        return Some(Only::To(table().resource(target)?.name));
    }
    let (name, value) = condition.split_once('=')?;
    let value = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    Some(Only::Saying(name.trim(), value))
}

impl Way {
    /// As one of the types of the choice it stands at; of what is no choice, the type it is.
    fn chosen(&self, type_name: &str) -> Option<Way> {
        let At::Choice(element) = self.at else {
            let same = matches!(&self.at, At::Element(child) if child.type_name == type_name);
            return same.then(|| self.clone());
        };
        let type_name = element.types.iter().find(|t| **t == type_name)?;
        let mut way = self.clone();
        way.steps.last_mut()?.name = element.json_key(type_name);
        way.at = At::Element(Child { element, type_name });
        Some(way)
    }

    /// A choice that nobody chose from is all of its types.
    fn settled(self) -> Option<Vec<Way>> {
        match self.at {
            At::Choice(element) => element.types.iter().map(|t| self.chosen(t)).collect(),
            _ => Some(vec![self]),
        }
    }

    fn narrowed(mut self, only: Only) -> Option<Way> {
        self.steps.last_mut()?.only = Some(only);
        Some(self)
    }

    fn into_member(mut self, name: &'static str) -> Option<Way> {
        let holder = match &self.at {
            At::Root(resource) => Some(*resource),
            At::Element(child) => child.content(),
            At::Choice(_) => None,
        }?;
        self.at = match holder.element(&format!("{name}[x]")) {
            Some(choice) => At::Choice(choice),
            None => At::Element(holder.child(name)?),
        };
        self.steps.push(Step {
            name: name.to_owned(),
            only: None,
        });
        Some(self)
    }

    fn path(self) -> Option<Path> {
        let At::Element(child) = self.at else { return None };
        Some(Path {
            steps: self.steps,
            type_name: child.type_name,
            binding: child.element.binding,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(base: &str, expression: &'static str) -> Vec<String> {
        let found = paths(base, expression).expect("paths");
        let step = |step: &Step| match step.only {
            None => step.name.clone(),
            Some(only) => format!("{}{only:?}", step.name),
        };
        let path = |path: &Path| path.steps.iter().map(step).collect::<Vec<_>>().join(".");
        found
            .iter()
            .map(|one| format!("{}: {}", path(one), one.type_name))
            .collect()
    }

    #[test]
    fn paths_choices_and_conditions_are_read() {
        for (base, expression, wanted) in [
            ("CarePlan", "CarePlan.category", vec!["category: CodeableConcept"]),
            (
                "CarePlan",
                "CarePlan.subject.where(resolve() is Patient) | Goal.subject",
                vec!["subjectTo(\"Patient\"): Reference"],
            ),
            (
                "Condition",
                "Condition.onset.as(dateTime) | Condition.onset.as(Period)",
                vec!["onsetDateTime: dateTime", "onsetPeriod: Period"],
            ),
            ("Goal", "(Goal.target.due as date)", vec!["target.dueDate: date"]),
            (
                "RiskAssessment",
                "RiskAssessment.occurrence",
                vec!["occurrenceDateTime: dateTime", "occurrencePeriod: Period"],
            ),
            (
                "Patient",
                "Patient.telecom.where(system='email')",
                vec!["telecomSaying(\"system\", \"email\"): ContactPoint"],
            ),
            (
                "Condition",
                "Condition.extension.where(url = 'http://x.example/a.b').valueDateTime",
                vec!["extensionSaying(\"url\", \"http://x.example/a.b\").valueDateTime: dateTime"],
            ),
            (
                "Location",
                "Location.name|Location.alias",
                vec!["name: string", "alias: string"],
            ),
        ] {
            assert_eq!(read(base, expression), wanted, "{expression}");
        }
    }

    #[test]
    fn what_is_more_than_a_path_is_none() {
        for expression in [
            "Patient.deceased.exists() and Patient.deceased != false",
            "Patient.nothing",
            "Patient.birthDate.as(dateTime)",
            "Goal.subject",
        ] {
            assert_eq!(paths("Patient", expression), None, "{expression}");
        }
    }
}
