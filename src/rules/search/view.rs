//! Which part of a resource an answer shows: `_summary` and `_elements`. Never more than is released, never without what is
//! mandatory, and never without a modifier.
//! <https://hl7.org/fhir/R4/search.html#summary>, <https://hl7.org/fhir/R4/search.html#elements>

use super::filter::bad;
use crate::fhir::element::{Element, table};
use crate::fhir::{Issue, IssueCode};

/// <https://hl7.org/fhir/R4/valueset-summary.html>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Summary {
    #[default]
    Whole,
    True,
    Text,
    Data,
    Count,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub summary: Summary,
    /// Top-level names that were asked for, without `[x]`; of the matches, not of what is included.
    elements: Option<Vec<&'static str>>,
}

impl View {
    /// Of a read: `_summary` and `_elements`, beside `_format` and `_pretty`, which change nothing here.
    pub fn parse(
        resource_type: &'static str,
        pairs: &[(String, String)],
        lenient: bool,
    ) -> Result<View, Vec<Issue>> {
        let (mut view, mut issues) = (View::default(), Vec::new());
        for (name, value) in pairs {
            let read = match name.as_str() {
                "_format" | "_pretty" => Ok(()),
                "_summary" if value == "count" => Err(bad("_summary", "counts the matches of a search")),
                "_summary" => view.take_summary(value),
                "_elements" => view.take_elements(resource_type, value, lenient).map(drop),
                _ if lenient => Ok(()),
                _ => Err(Issue::error(
                    IssueCode::NotSupported,
                    "",
                    "a read takes no parameters but _summary, _elements, _format and _pretty",
                )),
            };
            issues.extend(read.err());
        }
        issues.extend(view.contradiction());
        if issues.is_empty() { Ok(view) } else { Err(issues) }
    }

    pub(super) fn take_summary(&mut self, value: &str) -> Result<(), Issue> {
        self.summary = match value {
            "true" => Summary::True,
            "false" => Summary::Whole,
            "text" => Summary::Text,
            "data" => Summary::Data,
            "count" => Summary::Count,
            _ => return Err(bad("_summary", "takes true, text, data, count or false")),
        };
        Ok(())
    }

    /// Comes out with what was understood of it.
    pub(super) fn take_elements(
        &mut self,
        resource_type: &'static str,
        value: &str,
        lenient: bool,
    ) -> Result<Vec<&'static str>, Issue> {
        let mut known = Vec::new();
        for name in value.split(',').filter(|name| !name.is_empty()) {
            match element(resource_type, name) {
                Some(element) => known.push(element.stem()),
                None if lenient => {}
                None => {
                    let why = format!("takes names of elements of {resource_type}, with commas between them");
                    return Err(bad("_elements", &why));
                }
            }
        }
        if !known.is_empty() {
            self.elements.get_or_insert_default().extend(&known);
        }
        Ok(known)
    }

    /// What R4 does not let stand together.
    pub(super) fn contradiction(&self) -> Option<Issue> {
        let both = self.elements.is_some() && !matches!(self.summary, Summary::Whole | Summary::Count);
        both.then(|| bad("_elements", "does not stand with `_summary`"))
    }

    /// Is everything shown as it is released?
    pub fn is_whole(&self) -> bool {
        self.summary == Summary::Whole && self.elements.is_none()
    }

    /// The same view of what is included with the matches.
    pub fn of_included(&self) -> View {
        View {
            summary: self.summary,
            elements: None,
        }
    }

    /// Does a top-level element of a resource stay?
    pub fn keeps(&self, element: &Element) -> bool {
        let name = element.name;
        if matches!(name, "id" | "meta") || element.min > 0 || element.modifier {
            return true;
        }
        match self.summary {
            Summary::True => element.summary,
            Summary::Text => name == "text",
            Summary::Data => name != "text",
            Summary::Count => false,
            Summary::Whole => self
                .elements
                .as_ref()
                .is_none_or(|all| all.contains(&element.stem())),
        }
    }
}

/// An element of the resource by its name, with or without `[x]`, `Type.` before it, or as JSON writes a choice.
fn element(resource_type: &str, name: &str) -> Option<&'static Element> {
    let name = match name.split_once('.') {
        Some((of, rest)) if of == resource_type => rest,
        _ => name,
    };
    let resource = table().resource(resource_type)?;
    let plainly = resource.element(name);
    let choice = || resource.element(&format!("{name}[x]"));
    plainly
        .or_else(choice)
        .or_else(|| resource.child(name).map(|child| child.element))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(view: &View, of: &str) -> Vec<&'static str> {
        let all = table().resource(of).expect("a type").elements.iter();
        all.filter(|element| view.keeps(element))
            .map(|element| element.name)
            .collect()
    }

    fn view(pairs: &[(&str, &str)]) -> Result<View, Vec<Issue>> {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        View::parse("Goal", &pairs, false)
    }

    #[test]
    fn mandatory_elements_and_modifiers_stay_whatever_is_asked_for() {
        let asked = view(&[("_elements", "startDate,Goal.target")]).expect("valid");
        assert_eq!(
            kept(&asked, "Goal"),
            [
                "id",
                "meta",
                "implicitRules",
                "modifierExtension",
                "lifecycleStatus",
                "description",
                "subject",
                "start[x]",
                "target"
            ]
        );
        let text = view(&[("_summary", "text")]).expect("valid");
        assert!(kept(&text, "Goal").contains(&"text") && !kept(&text, "Goal").contains(&"target"));
        let data = view(&[("_summary", "data")]).expect("valid");
        assert!(!kept(&data, "Goal").contains(&"text") && kept(&data, "Goal").contains(&"target"));
        let summary = view(&[("_summary", "true")]).expect("valid");
        assert!(kept(&summary, "Goal").contains(&"category") && !kept(&summary, "Goal").contains(&"note"));
    }

    #[test]
    fn a_read_takes_these_and_nothing_else() {
        assert!(
            view(&[("_format", "xml"), ("_pretty", "true"), ("_summary", "false")])
                .is_ok_and(|v| v.is_whole())
        );
        for pairs in [
            &[("_elements", "colour")][..],
            &[("_summary", "count")],
            &[("_summary", "yes")],
            &[("_summary", "true"), ("_elements", "target")],
            &[("colour", "red")],
        ] {
            let issues = view(pairs).expect_err("refused");
            assert!(issues.iter().all(|i| !i.details.contains("colour")), "{issues:?}");
        }
    }
}
