//! Parameters of an operation: one table says what is taken, checks what came, and is served as an OperationDefinition.
//! <https://hl7.org/fhir/R4/parameters.html>, <https://hl7.org/fhir/R4/operationdefinition.html>

use postern_rules::fhir::{Issue, IssueCode, Value, gate};
use serde_json::json;

/// One parameter: its name, where its value stands, and how often.
pub struct Parameter {
    pub name: &'static str,
    /// Members of `Parameters.parameter` its value may stand in; the first is the documented one.
    pub members: &'static [&'static str],
    pub required: bool,
    pub many: bool,
    pub about: &'static str,
}

/// One operation.
pub struct Operation {
    /// The resource type it is called on.
    pub on: &'static str,
    /// Where it is defined, when that is not here.
    pub official: Option<&'static str>,
    /// Called with POST alone.
    pub changes: bool,
    /// `break-glass`, called as `$break-glass`.
    pub code: &'static str,
    pub name: &'static str,
    pub title: &'static str,
    pub about: &'static str,
    /// Called on one resource (`Patient/[id]/$…`) or on the type.
    pub instance: bool,
    pub takes: &'static [Parameter],
    /// Names and types of what comes out.
    pub gives: &'static [(&'static str, &'static str, &'static str)],
}

/// What was handed in, by name.
pub struct Given<'a>(Vec<(&'static str, &'a Value)>);

impl<'a> Given<'a> {
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a Value> {
        self.0
            .iter()
            .filter(move |(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    pub fn one(&self, name: &str) -> Option<&'a Value> {
        self.all(name).next()
    }

    /// A text, or a code, without the blanks around it.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.one(name).and_then(Value::as_str).map(str::trim)
    }
}

/// A problem of one parameter, by its name.
pub fn problem(name: &str, code: IssueCode, why: impl std::fmt::Display) -> Issue {
    Issue::error(
        code,
        format!("Parameters.parameter.where(name = '{name}')"),
        format!("{name}: {why}"),
    )
}

/// Longest text of a parameter, in characters, unless it is named otherwise.
const LONGEST: usize = 200;
/// Longest free text.
const LONGEST_NARRATIVE: usize = 2000;

const MOST_PARAMETERS: usize = 100;

impl Operation {
    /// What the table takes out of this body, and everything wrong with it.
    pub fn read<'a>(&self, body: &'a Value) -> (Given<'a>, Vec<Issue>) {
        let mut problems = gate::check(body);
        let mut given = Given(Vec::new());
        if body["resourceType"] != "Parameters" {
            if problems.is_empty() {
                let why = "a Parameters resource is expected";
                problems.push(Issue::error(IssueCode::Structure, "", why));
            }
            return (given, problems);
        }
        let list = body["parameter"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        if list.len() > MOST_PARAMETERS {
            let why = format!("at most {MOST_PARAMETERS} parameters in one request");
            problems.push(Issue::error(IssueCode::TooCostly, "Parameters.parameter", why));
            return (given, problems);
        }
        for (index, one) in list.iter().enumerate() {
            let at = format!("Parameters.parameter[{index}]");
            let Some(known) = self.takes.iter().find(|known| one["name"] == known.name) else {
                let names: Vec<&str> = self.takes.iter().map(|known| known.name).collect();
                let why = format!("no parameter of this operation; it takes {}", names.join(", "));
                problems.push(Issue::error(IssueCode::NotSupported, at, why));
                continue;
            };
            match known.members.iter().find_map(|member| one.get(*member)) {
                Some(value) => problems.extend(self.take(known, value, &mut given)),
                None => {
                    let why = format!("its value stands in {}", known.members.join(" or "));
                    problems.push(problem(known.name, IssueCode::Structure, why));
                }
            }
        }
        for missing in self
            .takes
            .iter()
            .filter(|known| known.required && !list.iter().any(|one| one["name"] == known.name))
        {
            problems.push(problem(missing.name, IssueCode::Required, "is required"));
        }
        (given, problems)
    }

    fn take<'a>(&self, known: &Parameter, value: &'a Value, given: &mut Given<'a>) -> Option<Issue> {
        let name = self.takes.iter().find(|one| one.name == known.name)?.name;
        if !known.many && given.one(name).is_some() {
            return Some(problem(name, IssueCode::Duplicate, "may stand once"));
        }
        given.0.push((name, value));
        let text = value.as_str()?.trim();
        let longest = if name == "narrative" {
            LONGEST_NARRATIVE
        } else {
            LONGEST
        };
        match text.chars().count() {
            0 => Some(problem(name, IssueCode::Required, "is blank")),
            n if n > longest => Some(problem(
                name,
                IssueCode::TooLong,
                format!("at most {longest} characters"),
            )),
            _ => None,
        }
    }

    /// The same as pairs of name and value, as they stand in an address.
    pub fn pairs(&self, body: &Value) -> Result<Vec<(String, String)>, Vec<Issue>> {
        let (given, problems) = self.read(body);
        if !problems.is_empty() {
            return Err(problems);
        }
        let pairs = given
            .0
            .into_iter()
            .map(|(name, value)| (name.to_owned(), in_an_address(value)));
        Ok(pairs.collect())
    }

    /// Its canonical address.
    pub fn canonical(&self, base: &str) -> String {
        let own = || format!("{base}/OperationDefinition/{}", self.code);
        self.official.map_or_else(own, str::to_owned)
    }

    /// As served at `/fhir/OperationDefinition/[code]`.
    pub fn definition(&self, base: &str, date: &str) -> Value {
        let mut parameters: Vec<Value> = self
            .takes
            .iter()
            .map(|p| {
                let (min, max) = (i32::from(p.required), if p.many { "*" } else { "1" });
                json!({"name": p.name, "use": "in", "min": min, "max": max, "documentation": p.about,
                    "type": p.fhir_type()})
            })
            .collect();
        parameters.extend(self.gives.iter().map(|(name, kind, about)| {
            json!({"name": name, "use": "out", "min": 1, "max": "1", "documentation": about, "type": kind})
        }));
        json!({
            "resourceType": "OperationDefinition", "id": self.code,
            "url": format!("{base}/OperationDefinition/{}", self.code),
            "name": self.name, "title": self.title, "status": "active", "kind": "operation", "date": date,
            "description": self.about, "affectsState": self.changes, "code": self.code, "resource": [self.on],
            "system": false, "type": !self.instance, "instance": self.instance, "parameter": parameters
        })
    }
}

/// A Coding becomes `system|code`; what separates values in an address is escaped (<https://hl7.org/fhir/R4/search.html#escaping>).
fn in_an_address(value: &Value) -> String {
    let escaped = |text: &str| {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if matches!(c, '\\' | ',' | '|' | '$') {
                out.push('\\');
            }
            out.push(c);
        }
        out
    };
    match value {
        Value::String(text) => escaped(text),
        Value::Object(coding) => {
            let part = |name: &str| {
                coding
                    .get(name)
                    .and_then(Value::as_str)
                    .map(escaped)
                    .unwrap_or_default()
            };
            match coding.contains_key("system") {
                true => format!("{}|{}", part("system"), part("code")),
                false => part("code"),
            }
        }
        other => other.to_string(),
    }
}

impl Parameter {
    fn fhir_type(&self) -> String {
        match self.members[0].strip_prefix("value") {
            None => "Patient".to_owned(),
            // primitive types begin with a small letter
            Some("DateTime") => "dateTime".to_owned(),
            Some(
                kind @ ("String" | "Code" | "Boolean" | "Integer" | "Id" | "Date" | "Instant" | "Canonical"),
            ) => kind.to_lowercase(),
            Some(kind) => kind.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Operation = Operation {
        code: "try",
        name: "Try",
        title: "Try",
        about: "A test.",
        on: "Patient",
        official: None,
        changes: true,
        instance: false,
        takes: &[
            Parameter {
                name: "why",
                members: &["valueString"],
                required: true,
                many: false,
                about: "why",
            },
            Parameter {
                name: "what",
                members: &["valueString", "valueCode"],
                required: true,
                many: true,
                about: "what",
            },
        ],
        gives: &[("done", "boolean", "whether")],
    };

    #[test]
    fn every_problem_is_listed_by_name() {
        let body = json!({"resourceType": "Parameters", "parameter": [
            {"name": "why", "valueCode": "x"}, {"name": "other", "valueString": "x"}, {"name": "what", "valueString": " \u{a0}"}]});
        let (_, problems) = ONE.read(&body);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|p| p.contains("name = 'why'")), "{told:?}");
        assert!(told.iter().any(|p| p.contains("parameter[1]")), "{told:?}");
        let (_, problems) = ONE.read(&json!({"resourceType": "Parameters"}));
        assert_eq!(problems.len(), 2);
        let (_, problems) = ONE.read(&json!({"resourceType": "Patient"}));
        assert_eq!(problems.len(), 1);
        let twice = json!({"resourceType": "Parameters", "parameter": [
            {"name": "why", "valueString": "a"}, {"name": "why", "valueString": "b"},
            {"name": "what", "valueString": "a"}, {"name": "what", "valueCode": "b"}]});
        let (given, problems) = ONE.read(&twice);
        assert_eq!(
            (problems.len(), given.all("what").count(), given.text("why")),
            (1, 2, Some("a"))
        );
    }

    #[test]
    fn a_definition_is_valid_r4() {
        let definition = ONE.definition("https://postern.test/fhir", "2026-11-21");
        assert_eq!(gate::check(&definition), []);
    }
}
