//! One search request: a type, the person it is about, and filters.
//! <https://hl7.org/fhir/R4/search.html#token>

use super::{CursorKey, Kind, Pages, Position, Values, parameters};
use crate::fhir::{Issue, IssueCode, Now};

/// A parameter with its alternatives (`a,b` is a or b; repeating a parameter is *and*).
#[derive(Clone, Debug)]
pub struct Filter {
    pub parameter: &'static str,
    pub kind: Kind,
    any: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Query {
    pub resource_type: &'static str,
    /// Logical ids from `patient`; `None` when the parameter was not given.
    pub patients: Option<Vec<String>>,
    pub ids: Option<Vec<String>>,
    pub filters: Vec<Filter>,
    /// Most matches on one page.
    pub count: usize,
    /// Where the page begins: after the last match of the page before. Known once the query is `bound`.
    pub after: Option<Position>,
    /// The cursor that was presented.
    pub cursor: Option<String>,
    pages: Option<Pages>,
    /// As understood: what the `self` link states.
    pub applied: Vec<(String, String)>,
}

/// Matches on a page when the request says nothing, and at most.
pub const DEFAULT_COUNT: usize = 100;
pub const MOST_COUNT: usize = 500;

impl Query {
    /// Reads decoded `name=value` pairs. Every unknown parameter or modifier is its own issue; values are not
    /// quoted, because a search value can name a person.
    /// `base` is the server's own address: an absolute reference below it is understood.
    pub fn parse(
        resource_type: &'static str,
        pairs: &[(String, String)],
        base: &str,
    ) -> Result<Query, Vec<Issue>> {
        let mut query = Query {
            resource_type,
            patients: None,
            ids: None,
            filters: Vec::new(),
            count: DEFAULT_COUNT,
            after: None,
            cursor: None,
            pages: None,
            applied: Vec::new(),
        };
        let mut issues = Vec::new();
        for (name, value) in pairs {
            if let Err(issue) = query.take(name, value, base) {
                issues.push(issue);
            }
        }
        if issues.is_empty() { Ok(query) } else { Err(issues) }
    }

    fn take(&mut self, name: &str, value: &str, base: &str) -> Result<(), Issue> {
        let refuse = |code, details: &str| Err(Issue::error(code, "", details));
        if name == "_format" || name == "_pretty" {
            return Ok(());
        }
        let values = alternatives(value);
        if values.is_empty() {
            return refuse(
                IssueCode::Invalid,
                &format!("search parameter `{}` has no value", known_name(name)),
            );
        }
        match name {
            "_id" => narrow(&mut self.ids, values),
            "_count" => return self.take_count(value),
            "_after" => {
                return match self.cursor.replace(value.to_owned()) {
                    None => Ok(()),
                    Some(_) => Err(bad("_after", "stands once")),
                };
            }
            "patient" | "subject" if self.resource_type != "Patient" => {
                narrow(&mut self.patients, patient_ids(values, base)?);
            }
            _ => {
                let Some(parameter) = parameters(self.resource_type).iter().find(|p| p.code == name) else {
                    let details = format!(
                        "unknown search parameter for {}; known: {}",
                        self.resource_type,
                        self.known().join(", ")
                    );
                    return refuse(IssueCode::NotSupported, &details);
                };
                self.filters.push(Filter {
                    parameter: parameter.code,
                    kind: parameter.kind,
                    any: values,
                });
            }
        }
        self.applied.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// The applied value stands in the `self` link, also when it was cut to the most there is.
    fn take_count(&mut self, value: &str) -> Result<(), Issue> {
        let asked: usize = value.parse().map_err(|_| bad("_count", "is a whole number"))?;
        self.count = asked.min(MOST_COUNT);
        self.applied.push(("_count".to_owned(), self.count.to_string()));
        Ok(())
    }

    fn known(&self) -> Vec<&'static str> {
        let mut known = vec!["_id", "_count"];
        known.extend(parameters(self.resource_type).iter().map(|p| p.code));
        known
    }

    /// The query of this client for this purpose: from now on it has pages. A presented cursor that does not belong to
    /// it, or is too old, is an issue.
    pub fn bound(mut self, key: &CursorKey, client: &str, purpose: &str, now: &Now) -> Result<Query, Issue> {
        let pages = key.pages(&self, client, purpose, now);
        self.after = match &self.cursor {
            None => None,
            Some(cursor) => Some(pages.read(cursor, now)?),
        };
        self.pages = Some(pages);
        Ok(self)
    }

    /// The cursor of the page that begins after this place; none of a query that is nobody's.
    pub fn cursor_after(&self, place: &Position) -> Option<String> {
        self.pages.as_ref().map(|pages| pages.cursor(place))
    }

    /// Does a released resource of this type fit?
    pub fn matches(&self, id: &str, values: &Values) -> bool {
        self.ids
            .as_ref()
            .is_none_or(|ids| ids.iter().any(|wanted| wanted == id))
            && self.filters.iter().all(|filter| filter.matches(values))
            && self.matches_patient(values)
    }

    fn matches_patient(&self, values: &Values) -> bool {
        self.patients.as_ref().is_none_or(|patients| {
            patients
                .iter()
                .any(|id| values.has_reference_to("patient", "Patient", id))
        })
    }

    /// Values of a filter as `(system, code)`, for finding candidates by identifier.
    pub fn identifiers(&self) -> Vec<(String, String)> {
        let filters = self.filters.iter().filter(|f| f.parameter == "identifier");
        filters
            .flat_map(|f| f.any.iter())
            .filter_map(|v| v.split_once('|'))
            .map(|(s, c)| (s.to_owned(), c.to_owned()))
            .collect()
    }
}

impl Filter {
    fn matches(&self, values: &Values) -> bool {
        self.any
            .iter()
            .any(|wanted| match (self.kind, wanted.split_once('|')) {
                (Kind::Reference, _) => values.has_reference(self.parameter, wanted),
                (Kind::Token, Some((system, code))) => values.has_token(self.parameter, Some(system), code),
                (Kind::Token, None) => values.has_token(self.parameter, None, wanted),
            })
    }
}

/// `a,b\,c` → `a` and `b,c` (<https://hl7.org/fhir/R4/search.html#escaping>).
fn alternatives(value: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in value.chars() {
        match (escaped, c) {
            (false, '\\') => escaped = true,
            (false, ',') => parts.push(String::new()),
            _ => {
                escaped = false;
                if let Some(last) = parts.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// `X`, `Patient/X`; an absolute or foreign-typed reference names nobody here.
fn patient_ids(values: Vec<String>, base: &str) -> Result<Vec<String>, Issue> {
    let own = |value: String| match value.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')) {
        Some(relative) if !base.is_empty() => relative.to_owned(),
        _ => value,
    };
    values
        .into_iter()
        .map(own)
        .map(|value| match value.split_once('/') {
            None => Ok(value),
            Some(("Patient", id)) if !id.contains('/') => Ok(id.to_owned()),
            Some(_) => Err(Issue::error(
                IssueCode::Invalid,
                "",
                "search parameter `patient` takes an id or `Patient/id`",
            )),
        })
        .collect()
}

fn bad(name: &str, why: &str) -> Issue {
    Issue::error(IssueCode::Invalid, "", format!("search parameter `{name}` {why}"))
}

fn narrow(list: &mut Option<Vec<String>>, values: Vec<String>) {
    match list {
        None => *list = Some(values),
        Some(known) => known.retain(|id| values.contains(id)),
    }
}

/// The parameter's name when it is one R4 knows; what else a client sent is not repeated to it.
fn known_name(name: &str) -> &str {
    match name {
        "_id" | "_count" | "_after" | "patient" | "subject" | "category" | "status" | "identifier" => name,
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    }

    const BASE: &str = "https://here.test/fhir";

    #[test]
    fn a_page_size_is_cut_to_the_most_and_says_so() {
        let query = Query::parse("Goal", &pairs(&[("_count", "9999")]), BASE).expect("valid");
        assert_eq!((query.count, query.applied[0].1.as_str()), (MOST_COUNT, "500"));
        for (name, value) in [("_count", "-1"), ("_count", "many"), ("_after", "")] {
            assert!(
                Query::parse("Goal", &pairs(&[(name, value)]), BASE).is_err(),
                "{name}={value}"
            );
        }
    }

    #[test]
    fn patient_is_an_id_or_a_relative_reference() {
        for value in ["x", "Patient/x", "https://here.test/fhir/Patient/x"] {
            let query = Query::parse("CarePlan", &pairs(&[("patient", value)]), BASE).expect("valid");
            assert_eq!(query.patients, Some(vec!["x".to_owned()]));
        }
        assert!(Query::parse("CarePlan", &pairs(&[("patient", "Group/x")]), BASE).is_err());
    }

    #[test]
    fn unknown_parameters_and_modifiers_are_refused_one_issue_each() {
        let issues = Query::parse(
            "CarePlan",
            &pairs(&[("colour", "red"), ("status:not", "active")]),
            BASE,
        )
        .expect_err("refused");
        assert_eq!(issues.len(), 2);
        assert!(
            issues
                .iter()
                .all(|i| !i.details.contains("red") && i.details.contains("category"))
        );
    }

    #[test]
    fn commas_are_or_unless_escaped() {
        assert_eq!(alternatives(r"a,b\,c,,"), ["a", "b,c"]);
    }

    #[test]
    fn repeating_patient_is_and() {
        let query =
            Query::parse("Goal", &pairs(&[("patient", "a,b"), ("patient", "b,c")]), BASE).expect("valid");
        assert_eq!(query.patients, Some(vec!["b".to_owned()]));
    }
}
