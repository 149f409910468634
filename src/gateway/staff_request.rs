//! A disclosure by hand as a member of staff states it, read from JSON: every problem at once, and no value from it in a message.
//! 45 CFR 164.512(c), (e), (j), 164.510(b)

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_rules::fhir::{Issue, IssueCode, Value};
use postern_rules::law::staff_act::{AbuseReport, Ground, Involvement, LegalProcess, Stated, Threat};

/// One request, read.
pub(super) struct StaffRequest {
    pub patient: String,
    pub stated: Stated,
    pub address: String,
    pub ground: Ground,
    /// `Type/id`
    pub chosen: Vec<String>,
    pub data_set: String,
    /// Names of the facts that are stated as true.
    pub facts: Vec<String>,
    /// When the person was told, or why not (164.512(c)(2)).
    pub informed: String,
    pub order: Option<Vec<u8>>,
    pub subpoena: Option<Vec<u8>>,
    /// As it came: what a second person reads again.
    pub whole: Value,
}

const KNOWN: [&str; 11] = [
    "patient",
    "basis",
    "recipient",
    "decider",
    "why",
    "what",
    "dataSet",
    "facts",
    "informed",
    "order",
    "subpoena",
];

/// The grounds by their section, and the facts that each asks for.
pub const GROUNDS: [(&str, &[&str]); 4] = [
    (
        "164.512(j)",
        &[
            "serious-and-imminent",
            "recipient-can-lessen",
            "learned-in-therapy-for-propensity",
        ],
    ),
    (
        "164.512(c)",
        &[
            "required-by-law",
            "individual-agrees",
            "authorised-and-prevents-harm",
            "authorised-and-incapable",
        ],
    ),
    (
        "164.510(b)",
        &[
            "directly-relevant",
            "present-and-capable",
            "agreed-or-did-not-object",
            "best-interests",
        ],
    ),
    (
        "164.512(e)",
        &["order-under-part2", "satisfactory-assurance", "legal-review"],
    ),
];

/// Longest text of one field, in bytes; largest document.
const LONGEST: usize = 2000;
const LARGEST: usize = 8 << 20;

pub(super) fn read(asked: &Value, staff: &str) -> Result<StaffRequest, Vec<Issue>> {
    let mut problems: Vec<Issue> = Vec::new();
    let Some(members) = asked.as_object() else {
        return Err(vec![Issue::error(
            IssueCode::Structure,
            "",
            "a JSON object is expected",
        )]);
    };
    if members.keys().any(|key| !KNOWN.contains(&key.as_str())) {
        let why = format!("an unknown member; known: {}", KNOWN.join(", "));
        problems.push(Issue::error(IssueCode::Structure, "", why));
    }
    let facts = texts(&asked["facts"], "facts", &mut problems);
    let order = document(&asked["order"], "order", &mut problems);
    let subpoena = document(&asked["subpoena"], "subpoena", &mut problems);
    let informed = text(&asked["informed"], "informed", false, &mut problems);
    let ground = ground(asked, &facts, &informed, (&order, &subpoena), &mut problems);
    let decider = text(&asked["decider"], "decider", false, &mut problems);
    let read = StaffRequest {
        patient: text(&asked["patient"], "patient", true, &mut problems),
        stated: Stated {
            decider: if decider.is_empty() {
                staff.to_owned()
            } else {
                decider
            },
            recipient: text(&asked["recipient"]["name"], "recipient.name", true, &mut problems),
            basis: text(&asked["why"], "why", true, &mut problems),
        },
        address: text(
            &asked["recipient"]["address"],
            "recipient.address",
            false,
            &mut problems,
        ),
        chosen: texts(&asked["what"], "what", &mut problems),
        data_set: match text(&asked["dataSet"], "dataSet", false, &mut problems) {
            name if name.is_empty() => "crisis-team".to_owned(),
            name => name,
        },
        ground: match ground {
            Some(ground) => ground,
            None => return Err(problems),
        },
        facts,
        informed,
        order,
        subpoena,
        whole: asked.clone(),
    };
    if problems.is_empty() {
        Ok(read)
    } else {
        Err(problems)
    }
}

fn ground(
    asked: &Value,
    facts: &[String],
    informed: &str,
    (order, subpoena): (&Option<Vec<u8>>, &Option<Vec<u8>>),
    problems: &mut Vec<Issue>,
) -> Option<Ground> {
    let basis = asked["basis"].as_str().unwrap_or_default();
    let basis = basis.strip_prefix("45 CFR ").unwrap_or(basis);
    let Some((_, known)) = GROUNDS.iter().find(|(section, _)| *section == basis) else {
        let sections: Vec<&str> = GROUNDS.iter().map(|(section, _)| *section).collect();
        let why = format!("one of {}", sections.join(", "));
        problems.push(Issue::error(IssueCode::Value, "basis", why));
        return None;
    };
    if facts.iter().any(|fact| !known.contains(&fact.as_str())) {
        let why = format!("no fact of this ground; known: {}", known.join(", "));
        problems.push(Issue::error(IssueCode::Value, "facts", why));
    }
    let is = |name: &str| facts.iter().any(|fact| fact == name);
    let named = |document: &Option<Vec<u8>>| document.as_ref().map_or("", |_| "attached").to_owned();
    Some(match basis {
        "164.512(j)" => Ground::Threat(Threat {
            serious_and_imminent: is("serious-and-imminent"),
            recipient_can_lessen: is("recipient-can-lessen"),
            learned_in_therapy_for_propensity: is("learned-in-therapy-for-propensity"),
        }),
        "164.512(c)" => Ground::AbuseReport(AbuseReport {
            required_by_law: is("required-by-law"),
            individual_agrees: is("individual-agrees"),
            authorised_and_prevents_harm: is("authorised-and-prevents-harm"),
            authorised_and_incapable: is("authorised-and-incapable"),
            informed_or_why_not: informed.to_owned(),
        }),
        "164.510(b)" => Ground::Involvement(Involvement {
            directly_relevant: is("directly-relevant"),
            present_and_capable: is("present-and-capable"),
            agreed_or_did_not_object: is("agreed-or-did-not-object"),
            best_interests: is("best-interests"),
        }),
        _ => Ground::LegalProcess(LegalProcess {
            order: named(order),
            order_under_part2: is("order-under-part2"),
            subpoena: named(subpoena),
            satisfactory_assurance: is("satisfactory-assurance"),
            legal_review: is("legal-review"),
            second_person: String::new(),
        }),
    })
}

fn text(value: &Value, at: &str, required: bool, problems: &mut Vec<Issue>) -> String {
    match value {
        Value::Null if !required => String::new(),
        Value::String(text) if text.len() > LONGEST => {
            let why = format!("at most {LONGEST} bytes");
            problems.push(Issue::error(IssueCode::TooLong, at, why));
            String::new()
        }
        Value::String(text) if !required || !text.trim().is_empty() => text.trim().to_owned(),
        _ => {
            problems.push(Issue::error(IssueCode::Required, at, "a text is expected"));
            String::new()
        }
    }
}

fn texts(value: &Value, at: &str, problems: &mut Vec<Issue>) -> Vec<String> {
    let list = match value {
        Value::Null => return Vec::new(),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    };
    list.unwrap_or_else(|| {
        problems.push(Issue::error(
            IssueCode::Structure,
            at,
            "a list of texts is expected",
        ));
        Vec::new()
    })
}

/// A scanned document: `{"contentType": "application/pdf", "data": base64}`.
fn document(value: &Value, at: &str, problems: &mut Vec<Issue>) -> Option<Vec<u8>> {
    if value.is_null() {
        return None;
    }
    let bytes = value["data"].as_str().and_then(|data| STANDARD.decode(data).ok());
    let good = bytes.filter(|bytes| !bytes.is_empty() && bytes.len() <= LARGEST);
    if good.is_none() {
        let why = "contentType and base64 data of at most 8 MiB are expected";
        problems.push(Issue::error(IssueCode::Value, at, why));
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_listed_and_never_quoted() {
        let wrong = json!({"basis": "164.512(j)", "facts": ["secret-fact"], "what": "Goal/1", "patient": " ",
            "why": 7, "order": {"data": "!!"}, "colour": "red"});
        let problems = read(&wrong, "Kim").err().expect("problems");
        assert_eq!(problems.len(), 7, "{problems:?}");
        assert!(
            problems
                .iter()
                .all(|p| !p.to_string().contains("secret") && !p.to_string().contains("red;"))
        );
        assert!(read(&json!([]), "Kim").is_err() && read(&json!({"basis": "x"}), "Kim").is_err());
    }

    #[test]
    fn a_whole_request_is_read() {
        let whole = json!({"patient": "p", "basis": "45 CFR 164.512(e)", "recipient": {"name": "Court"}, "why": "order",
            "what": ["Goal/1"], "facts": ["legal-review"], "order": {"contentType": "application/pdf", "data": "aGk="}});
        let Ok(read) = read(&whole, "Kim") else {
            unreachable!("good")
        };
        assert_eq!(
            (read.stated.decider.as_str(), read.order.as_deref()),
            ("Kim", Some(&b"hi"[..]))
        );
        assert!(
            matches!(&read.ground, Ground::LegalProcess(process) if process.legal_review && process.subpoena.is_empty())
        );
    }
}
