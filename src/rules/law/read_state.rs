//! Reading a state file: what each rule needs beside its id, citation and confidence. A key or a rule that is not known is a problem,
//! so that a misspelt one cannot silently fall away. The form stands in `profiles/law/README.md`.

use super::state::{Confidence, StateLaw, StateRule};
use crate::fhir::{Issue, IssueCode, Value};
use crate::label::{NoteKind, Programs};

const FILE_KEYS: &[&str] = &["name", "version", "title", "note", "rules"];
const RULE_KEYS: &[&str] = &["id", "rule", "citation", "confidence", "says", "note"];

/// Every rule and the keys it takes of its own.
const RULES: &[(&str, &[&str])] = &[
    ("adult", &["age"]),
    ("scope", &["programs"]),
    ("consent-needed", &[]),
    ("consent-form", &["witness", "calendarExpiry", "statements"]),
    ("no-blanket-consent", &[]),
    ("parent-access", &["age"]),
    ("minor-alone", &["service", "age", "parentBeside"]),
    ("redisclosure", &["notice"]),
    ("care-team", &["inForce"]),
    ("emergency", &["needs"]),
    ("never", &["notes"]),
    ("not-decided", &[]),
];

pub(super) fn load(file: &Value) -> Result<StateLaw, Vec<Issue>> {
    let mut reader = Reader {
        law: StateLaw::neutral(),
        problems: Vec::new(),
    };
    reader.known_keys("state", file, FILE_KEYS, &[]);
    reader.law.name = reader.text("state", file, "name");
    reader.law.version = reader.text("state", file, "version");
    reader.law.title = reader.text("state", file, "title");
    match file["rules"].as_array() {
        Some(rules) => rules.iter().for_each(|rule| reader.rule(rule)),
        None => reader.add("state", "needs rules, a list"),
    }
    reader.whole();
    if reader.problems.is_empty() {
        Ok(reader.law)
    } else {
        Err(reader.problems)
    }
}

struct Reader {
    law: StateLaw,
    problems: Vec<Issue>,
}

impl Reader {
    fn add(&mut self, at: &str, why: &str) {
        self.problems.push(Issue::error(
            IssueCode::BusinessRule,
            at,
            format!("state law: {why}"),
        ));
    }

    fn known_keys(&mut self, at: &str, of: &Value, known: &[&str], more: &[&str]) {
        let Some(object) = of.as_object() else {
            self.add(at, "is not an object");
            return;
        };
        for key in object.keys() {
            if !known.contains(&key.as_str()) && !more.contains(&key.as_str()) {
                self.add(at, &format!("{key} is not a key of it"));
            }
        }
    }

    fn text(&mut self, at: &str, of: &Value, key: &str) -> String {
        match of[key].as_str() {
            Some(text) if !text.trim().is_empty() => text.to_owned(),
            _ => {
                self.add(at, &format!("needs {key}, a text"));
                String::new()
            }
        }
    }

    fn flag(&mut self, at: &str, of: &Value, key: &str) -> bool {
        of[key].as_bool().unwrap_or_else(|| {
            self.add(at, &format!("needs {key}, true or false"));
            false
        })
    }

    fn age(&mut self, at: &str, of: &Value) -> Option<u8> {
        let age = of["age"]
            .as_u64()
            .and_then(|age| u8::try_from(age).ok())
            .filter(|age| (1..=25).contains(age));
        if age.is_none() {
            self.add(at, "needs age, whole years from 1 to 25");
        }
        age
    }

    fn list(&mut self, at: &str, of: &Value, key: &str) -> Vec<String> {
        let texts = of[key].as_array().map(|list| {
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>()
        });
        texts
            .flatten()
            .filter(|list| !list.is_empty())
            .unwrap_or_else(|| {
                self.add(at, &format!("needs {key}, a list of texts"));
                Vec::new()
            })
    }

    fn rule(&mut self, of: &Value) {
        let id = self.text("rules", of, "id");
        let kind = self.text(&id, of, "rule");
        let Some((_, own)) = RULES.iter().find(|(name, _)| *name == kind) else {
            let known: Vec<&str> = RULES.iter().map(|(name, _)| *name).collect();
            self.add(&id, &format!("rule is one of {}", known.join(", ")));
            return;
        };
        self.known_keys(&id, of, RULE_KEYS, own);
        if self.law.rules.iter().any(|rule| rule.id == id) {
            self.add(&id, "this id stands twice");
        }
        let confidence = match of["confidence"].as_str() {
            Some("verified") => Confidence::Verified,
            Some("unverified") => Confidence::Unverified,
            _ => {
                self.add(&id, "confidence is verified or unverified");
                Confidence::Unverified
            }
        };
        let rule = StateRule {
            citation: self.text(&id, of, "citation"),
            says: self.text(&id, of, "says"),
            confidence,
            id: id.clone(),
        };
        self.law.rules.push(rule);
        self.meaning(&id, &kind, of, self.law.rules.len() - 1);
    }

    fn meaning(&mut self, id: &str, kind: &str, of: &Value, at: usize) {
        match kind {
            "adult" => self.law.signing.adult_from = self.age(id, of).unwrap_or(18),
            "scope" => self.scope(id, of),
            "consent-needed" => self.law.consent_needed = Some(at),
            "consent-form" => {
                self.law.signing.witness = self.flag(id, of, "witness");
                self.law.signing.calendar_expiry = self.flag(id, of, "calendarExpiry");
                self.law.signing.statements = self.flag(id, of, "statements");
                self.law.signing.form_rule = of["citation"].as_str().unwrap_or_default().to_owned();
                self.law.form = Some(at);
            }
            "no-blanket-consent" => self.law.signing.no_blanket = true,
            "parent-access" => self.law.signing.parent_needs_access_from = self.age(id, of),
            "minor-alone" => self.minor_alone(id, of),
            "redisclosure" => self.law.redisclosure = Some((at, self.text(id, of, "notice"))),
            "care-team" => self.law.care_team = self.flag(id, of, "inForce").then_some(at),
            "emergency" => {
                if of["needs"] != "therapist-determination" {
                    self.add(id, "needs is therapist-determination");
                }
                self.law.emergency = Some(at);
            }
            "never" => self.never(id, of, at),
            _ => {}
        }
    }

    fn scope(&mut self, id: &str, of: &Value) {
        for code in self.list(id, of, "programs") {
            match Programs::named(&code) {
                Some(program) => self.law.scope = self.law.scope.with(program),
                None => self.add(
                    id,
                    "programs are mental-health, developmental-disability, substance-use",
                ),
            }
        }
    }

    fn minor_alone(&mut self, id: &str, of: &Value) {
        let age = self.age(id, of);
        match of["service"].as_str() {
            Some("substance-use") => self.law.signing.minor_sud_from = age,
            Some("outpatient-mental-health") => self.law.signing.minor_mental_health_from = age,
            _ => self.add(id, "service is substance-use or outpatient-mental-health"),
        }
        match &of["parentBeside"] {
            Value::Null => {}
            beside => match beside.as_bool() {
                Some(beside) => self.law.signing.parent_beside |= beside,
                None => self.add(id, "parentBeside is true or false"),
            },
        }
    }

    fn never(&mut self, id: &str, of: &Value, at: usize) {
        for note in self.list(id, of, "notes") {
            let kind = match note.as_str() {
                "personal-notes" => NoteKind::Personal,
                "test-material" => NoteKind::TestMaterial,
                _ => {
                    self.add(id, "notes are personal-notes, test-material");
                    continue;
                }
            };
            self.law.never.push((kind, at));
        }
    }

    /// What only shows when all rules are read.
    fn whole(&mut self) {
        let governs = self.law.consent_needed.is_some()
            || self.law.form.is_some()
            || self.law.redisclosure.is_some()
            || self.law.emergency.is_some();
        if governs && self.law.scope.is_empty() {
            self.add("rules", "needs a scope: which programs' records they govern");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn load_problems(file: Value) -> Vec<String> {
        load(&file)
            .expect_err("problems")
            .iter()
            .map(|issue| format!("{} {}", issue.expression, issue.details))
            .collect()
    }

    #[test]
    fn every_problem_of_a_state_file_is_listed() {
        let rule = |rule: &str| json!({"id": rule, "rule": rule, "citation": "x", "confidence": "verified", "says": "y"});
        let mut never = rule("never");
        never["notes"] = json!(["personal"]);
        let mut typo = rule("consent-needed");
        typo["wittness"] = json!(true);
        let mut young = rule("adult");
        young["age"] = json!("18");
        let mut doubt = rule("not-decided");
        doubt["confidence"] = json!("probably");
        let file = json!({"name": "x", "version": "1", "title": "X", "extra": 1,
            "rules": [never, typo, young, doubt, rule("wish"), rule("never")]});
        let problems = load_problems(file);
        for wanted in [
            "extra is not a key",
            "notes are personal-notes",
            "wittness is not a key",
            "needs age",
            "confidence is verified or unverified",
            "rule is one of",
            "this id stands twice",
            "needs notes",
            "needs a scope",
        ] {
            assert!(
                problems.iter().any(|p| p.contains(wanted)),
                "{wanted}: {problems:?}"
            );
        }
        assert!(load(&json!(null)).is_err() && load(&json!([])).is_err());
    }
}
