//! What a partner states when it breaks the glass, read and checked. 42 CFR 2.51, 45 CFR 164.312(a)(2)(ii)

use postern_rules::disclosure::Obtainable;
use postern_rules::fhir::{Issue, IssueCode, Value};
use postern_rules::identity::Stated;
use serde_json::json;

use super::parameters::{Given, Operation, Parameter, problem};

/// `Patient/$break-glass`.
pub const BREAK_GLASS: Operation = Operation {
    on: "Patient",
    official: None,
    changes: true,
    code: "break-glass",
    name: "BreakGlass",
    title: "Break the glass in an emergency",
    about: "Opens one person to the caller's organisation for some hours, for requests whose token is for an emergency. \
            Each call is recorded, reviewed by the agency and told to it at once. The answer has the same form whatever \
            the record holds; nobody, several and a person who may not be acknowledged are one 404.",
    instance: false,
    takes: &[
        Parameter {
            name: "resource",
            members: &["resource"],
            required: false,
            many: false,
            about: "The person as a Patient: an identifier, or family name, first given name, full birth date and one of \
                    gender, telecom, address. Required unless `identifier` is given.",
        },
        Parameter {
            name: "identifier",
            members: &["valueIdentifier"],
            required: false,
            many: true,
            about: "An identifier of the person, with its system.",
        },
        text(
            "requester-name",
            "Who asks: the name of the medical personnel (42 CFR 2.51(c)(1)).",
        ),
        text("affiliation", "The facility they belong to (42 CFR 2.51(c)(1))."),
        text(
            "role",
            "What they are there: emergency physician, paramedic, crisis clinician.",
        ),
        Parameter {
            name: "reason",
            members: &["valueCode", "valueString", "valueCoding", "valueCodeableConcept"],
            required: true,
            many: false,
            about: "Nature of the emergency (42 CFR 2.51(c)(4)): a code of CodeSystem/emergency-nature, or a Coding of \
                    another system.",
        },
        Parameter {
            name: "consent-obtainable",
            members: &["valueCode", "valueString"],
            required: true,
            many: false,
            about: "Could the person's written consent be had: no, refused or unknown. What was refused stays closed where \
                    42 CFR Part 2 applies.",
        },
        Parameter {
            name: "narrative",
            members: &["valueString"],
            required: false,
            many: false,
            about: "Anything the agency's reviewer should know, in words. Never required.",
        },
    ],
    gives: &[
        ("patient", "Reference", "The person."),
        ("grant", "id", "What this grant is called in the agency's log."),
        ("until", "instant", "When it ends. A new call gives a new grant."),
        ("use", "string", "How it is used."),
    ],
};

const fn text(name: &'static str, about: &'static str) -> Parameter {
    Parameter {
        name,
        members: &["valueString"],
        required: true,
        many: false,
        about,
    }
}

/// Our code system of emergencies.
pub const NATURE: &str = "https://postern.example/fhir/CodeSystem/emergency-nature";

/// What can have happened, as codes.
pub const NATURES: &[(&str, &str)] = &[
    ("overdose", "overdose or poisoning"),
    ("withdrawal", "severe withdrawal"),
    ("suicide-risk", "suicide attempt or acute risk of it"),
    ("psychiatric", "acute psychiatric crisis"),
    ("unresponsive", "unconscious or unable to speak for themselves"),
    ("medication", "reaction to or interaction of medicines"),
    ("injury", "injury"),
    ("medical", "another medical emergency"),
    (
        "disaster",
        "declared disaster, the program closed (42 CFR 2.51(a)(2))",
    ),
];

/// A call that is in order.
#[derive(Clone, Debug)]
pub struct Emergency {
    pub stated: Stated,
    pub requester: String,
    pub affiliation: String,
    pub role: String,
    /// A code of ours, or `system|code`.
    pub nature: String,
    pub obtainable: Obtainable,
    pub narrative: Option<String>,
}

impl Emergency {
    /// Everything wrong with it, by name of the parameter.
    pub fn read(body: &Value) -> Result<Emergency, Vec<Issue>> {
        let (given, mut problems) = BREAK_GLASS.read(body);
        let stated = person(&given, &mut problems);
        let there = |name: &str| given.one(name).is_some();
        let nature = given.one("reason").and_then(nature);
        if there("reason") && nature.is_none() {
            let known: Vec<&str> = NATURES.iter().map(|(code, _)| *code).collect();
            let why = format!(
                "a code of {NATURE} ({}), or a Coding with its system",
                known.join(", ")
            );
            problems.push(problem("reason", IssueCode::CodeInvalid, why));
        }
        let obtainable = given.text("consent-obtainable").and_then(Obtainable::named);
        if there("consent-obtainable") && obtainable.is_none() {
            let why = "one of no, refused, unknown";
            problems.push(problem("consent-obtainable", IssueCode::CodeInvalid, why));
        }
        let own = |name: &str| given.text(name).unwrap_or_default().to_owned();
        match (nature, obtainable) {
            (Some(nature), Some(obtainable)) if problems.is_empty() => Ok(Emergency {
                stated,
                requester: own("requester-name"),
                affiliation: own("affiliation"),
                role: own("role"),
                nature,
                obtainable,
                narrative: given.text("narrative").map(str::to_owned),
            }),
            _ => Err(problems),
        }
    }
}

/// The person as stated by `resource` and `identifier`, and what is missing of it.
pub fn person(given: &Given<'_>, problems: &mut Vec<Issue>) -> Stated {
    let mut patient = given.one("resource").cloned().unwrap_or_else(|| json!({}));
    if given.one("resource").is_some() && patient["resourceType"] != "Patient" {
        problems.push(problem("resource", IssueCode::Structure, "a Patient is expected"));
    }
    let further: Vec<Value> = given.all("identifier").cloned().collect();
    if !further.is_empty() {
        let stated = patient["identifier"].as_array().cloned().unwrap_or_default();
        patient["identifier"] = Value::Array(stated.into_iter().chain(further).collect());
    }
    let stated = Stated::of(&patient);
    if stated.identifiers().len() > MOST_IDENTIFIERS {
        let why = format!("at most {MOST_IDENTIFIERS} identifiers");
        problems.push(problem("resource", IssueCode::TooCostly, why));
    }
    let missing = stated.missing();
    if !missing.is_empty() {
        let why = format!(
            "an identifier with system and value, or demographics that lack {}",
            missing.join("; ")
        );
        problems.push(problem("resource", IssueCode::Required, why));
    }
    stated
}

/// Each costs a read.
const MOST_IDENTIFIERS: usize = 8;

fn nature(reason: &Value) -> Option<String> {
    let coding = match reason {
        Value::String(code) => {
            let code = code.trim();
            return NATURES
                .iter()
                .find(|(known, _)| *known == code)
                .map(|(known, _)| (*known).to_owned());
        }
        _ if reason["coding"].is_array() => &reason["coding"][0],
        coding => coding,
    };
    let (system, code) = (coding["system"].as_str()?.trim(), coding["code"].as_str()?.trim());
    if system == NATURE {
        return nature(&Value::from(code));
    }
    let whole = format!("{system}|{code}");
    (!system.is_empty() && !code.is_empty() && whole.chars().count() <= 200).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_rules::fhir::gate;

    fn complete() -> Value {
        json!({"resourceType": "Parameters", "parameter": [
            {"name": "identifier", "valueIdentifier": {"system": "urn:mrn", "value": "7"}},
            {"name": "requester-name", "valueString": "Dr. Lee Okafor"},
            {"name": "affiliation", "valueString": "County General"},
            {"name": "role", "valueString": "emergency physician"},
            {"name": "reason", "valueCode": "overdose"},
            {"name": "consent-obtainable", "valueCode": "no"}]})
    }

    #[test]
    fn a_complete_call_needs_no_narrative() {
        let call = Emergency::read(&complete()).expect("in order");
        assert_eq!(
            (call.nature.as_str(), call.obtainable, call.narrative),
            ("overdose", Obtainable::No, None)
        );
        let mut snomed = complete();
        snomed["parameter"][4] = json!({"name": "reason", "valueCoding": {"system": "http://snomed.info/sct", "code": "55680006"}});
        assert_eq!(
            Emergency::read(&snomed).expect("in order").nature,
            "http://snomed.info/sct|55680006"
        );
    }

    #[test]
    fn all_but_the_narrative_is_required_and_every_problem_is_named() {
        for index in 0..6 {
            let mut lacking = complete();
            let list = lacking["parameter"].as_array_mut().expect("a list");
            let name = list.remove(index)["name"].as_str().expect("a name").to_owned();
            let name = if name == "identifier" { "resource" } else { &name };
            let problems = Emergency::read(&lacking).expect_err("one is missing");
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].details.starts_with(name), "{problems:?}");
        }
        let problems = Emergency::read(&json!({"resourceType": "Parameters"})).expect_err("all are missing");
        assert_eq!(problems.len(), 6, "{problems:?}");
        let mut wrong = complete();
        wrong["parameter"][4]["valueCode"] = json!("because");
        wrong["parameter"][5]["valueCode"] = json!("perhaps");
        let problems = Emergency::read(&wrong).expect_err("two codes");
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            !format!("{problems:?}").contains("perhaps"),
            "values are not quoted"
        );
    }

    #[test]
    fn the_definition_is_valid_r4() {
        assert_eq!(
            gate::check(&BREAK_GLASS.definition("https://postern.test/fhir", "2026-11-22")),
            []
        );
    }
}
