//! What is ours in the resources that leave: our code systems, our extensions, and how a source's words become codes.
//! <https://hl7.org/fhir/R4/codesystem.html>, <https://hl7.org/fhir/R4/defining-extensions.html>,
//! <https://hl7.org/fhir/R4/conceptmap.html>

use std::collections::BTreeMap;

use postern_rules::consent::RECIPIENT_CLASS;
use serde_json::{Value, json};

use super::DATE;
use crate::gateway::Gateway;
use crate::gateway::emergency::{NATURE, NATURES};

/// `system, code, display`
const CODES: &str = include_str!("our_codes.tsv");
/// `name, where it stands, part (none: it has a value itself), types of the value, what it says`
const EXTENSIONS: &str = include_str!("our_extensions.tsv");
const OURS: &str = "https://postern.example/fhir/";

impl Gateway {
    /// A code system of ours by the last part of its address: whole where the rules know it, else as far as the code maps use it.
    pub fn code_system(&self, id: &str) -> Option<Value> {
        let system = format!("{OURS}CodeSystem/{id}");
        let (content, concepts) = match known(id) {
            _ if system == RECIPIENT_CLASS => ("complete", self.classes()),
            known if !known.is_empty() => ("complete", known),
            _ => ("fragment", self.used(&system)),
        };
        let stated = concepts
            .iter()
            .map(|(code, display)| json!({"code": code, "display": display}));
        (!concepts.is_empty()).then(|| {
            json!({
                "resourceType": "CodeSystem",
                "id": id,
                "url": system,
                "version": env!("CARGO_PKG_VERSION"),
                "name": pascal(id),
                "status": "active",
                "date": DATE,
                "caseSensitive": true,
                "content": content,
                "concept": stated.collect::<Vec<_>>()
            })
        })
    }

    /// The classes of recipients that the policy has.
    fn classes(&self) -> Vec<(String, String)> {
        let all = self.rules.policy.classes().iter();
        all.map(|class| (class.name.clone(), class.title.clone()))
            .collect()
    }

    /// Codes of a system with their displays, as the code maps of the mappings have them.
    fn used(&self, system: &str) -> Vec<(String, String)> {
        let mut found = BTreeMap::new();
        for map in self.mappings.code_maps() {
            let rows = self.mappings.code_map(&map).unwrap_or_default();
            for (_, coding) in rows.into_iter().filter(|(_, coding)| coding["system"] == system) {
                if let (Some(code), Some(display)) = (coding["code"].as_str(), coding["display"].as_str()) {
                    found.entry(code.to_owned()).or_insert_with(|| display.to_owned());
                }
            }
        }
        found.into_iter().collect()
    }

    /// A code map as `[source]-[map]`: what each of the source's own words becomes.
    pub fn concept_map(&self, id: &str) -> Option<Value> {
        let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (word, coding) in self.mappings.code_map(id)? {
            let target =
                json!({"code": coding["code"], "display": coding["display"], "equivalence": "relatedto"});
            let system = coding["system"].as_str().unwrap_or_default().to_owned();
            groups
                .entry(system)
                .or_default()
                .push(json!({"code": word, "target": [without_null(target)]}));
        }
        let groups: Vec<Value> = groups
            .into_iter()
            .map(|(system, elements)| match system.as_str() {
                "" => json!({"element": elements}),
                system => json!({"target": system, "element": elements}),
            })
            .collect();
        Some(json!({
            "resourceType": "ConceptMap",
            "id": id,
            "url": format!("{}/ConceptMap/{id}", self.config.base()),
            "name": pascal(id),
            "status": "active",
            "date": DATE,
            "group": groups
        }))
    }

    /// The definition of one of our extensions.
    pub(super) fn extension_definition(&self, id: &str) -> Option<Value> {
        let rows: Vec<[&str; 5]> = EXTENSIONS
            .lines()
            .skip(1)
            .filter_map(|line| line.split('\t').collect::<Vec<_>>().try_into().ok())
            .filter(|row: &[&str; 5]| row[0] == id)
            .collect();
        let [first, ..] = rows.as_slice() else {
            return None;
        };
        let url = format!("{OURS}StructureDefinition/{id}");
        let mut elements = vec![json!({"id": "Extension", "path": "Extension", "definition": about(&rows)})];
        for row in rows.iter().filter(|row| !row[2].is_empty()) {
            elements.extend(part(row));
        }
        elements.push(json!({"id": "Extension.url", "path": "Extension.url", "fixedUri": url}));
        elements.push(match first[2] {
            "" => value("Extension", first[3]),
            _ => json!({"id": "Extension.value[x]", "path": "Extension.value[x]", "max": "0"}),
        });
        Some(json!({
            "resourceType": "StructureDefinition",
            "id": id,
            "url": url,
            "version": env!("CARGO_PKG_VERSION"),
            "name": pascal(id),
            "status": "active",
            "date": DATE,
            "fhirVersion": "4.0.1",
            "kind": "complex-type",
            "abstract": false,
            "context": [{"type": "element", "expression": first[1]}],
            "type": "Extension",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
            "derivation": "constraint",
            "differential": {"element": elements}
        }))
    }
}

/// Codes with their displays of a system that the rules know.
fn known(id: &str) -> Vec<(String, String)> {
    let rows = CODES.lines().skip(1).filter_map(|line| {
        let (system, rest) = line.split_once('\t')?;
        (system == id).then(|| rest.split_once('\t'))?
    });
    let emergencies = NATURE.rsplit('/').next() == Some(id);
    let natures = NATURES.iter().copied().filter(|_| emergencies);
    let both = rows.chain(natures);
    both.map(|(code, display)| (code.to_owned(), display.to_owned()))
        .collect()
}

fn about(rows: &[[&str; 5]]) -> String {
    let all: Vec<&str> = rows.iter().map(|row| row[4]).collect();
    all.join("; ")
}

/// A part of an extension that has several.
fn part(row: &[&str; 5]) -> [Value; 3] {
    let [_, _, name, types, about] = *row;
    let id = format!("Extension.extension:{name}");
    [
        json!({"id": id, "path": "Extension.extension", "sliceName": name, "definition": about}),
        json!({"id": format!("{id}.url"), "path": "Extension.extension.url", "fixedUri": name}),
        {
            let mut held = value("Extension.extension", types);
            held["id"] = format!("{id}.value[x]").into();
            held
        },
    ]
}

fn value(path: &str, types: &str) -> Value {
    let types: Vec<Value> = types.split(',').map(|code| json!({"code": code})).collect();
    json!({"id": format!("{path}.value[x]"), "path": format!("{path}.value[x]"), "min": 1, "type": types})
}

fn without_null(mut target: Value) -> Value {
    if let Some(members) = target.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    target
}

/// As a name that programs can use.
fn pascal(id: &str) -> String {
    let parts = id.split('-').filter_map(|part| {
        let mut letters = part.chars();
        let first = letters.next()?.to_ascii_uppercase();
        Some(std::iter::once(first).chain(letters).collect::<String>())
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use postern_rules::fhir::json;
    use postern_rules::profile::shipped::DATA_SETS;

    use super::*;

    fn names(table: &'static str) -> BTreeSet<&'static str> {
        let rows = table.lines().skip(1);
        rows.filter_map(|line| line.split('\t').next()).collect()
    }

    #[test]
    fn rows_are_whole_and_names_can_be_used() {
        assert!(CODES.lines().all(|line| line.split('\t').count() == 3));
        assert!(EXTENSIONS.lines().all(|line| line.split('\t').count() == 5));
        assert!(names(CODES).len() > 5 && names(EXTENSIONS).len() > 15);
        assert_eq!(pascal("plan-content"), "PlanContent");
        assert!(known("emergency-nature").len() > 5 && known("colours").is_empty());
    }

    /// Codes of ours and extensions of ours in what a profile says.
    fn collect(value: &Value, codes: &mut Vec<(String, String)>, extensions: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, codes, extensions)),
            Value::Object(members) => {
                let text = |name: &str| value[name].as_str().unwrap_or_default();
                if let Some(system) = text("system").strip_prefix(&format!("{OURS}CodeSystem/"))
                    && !text("code").is_empty()
                {
                    codes.push((system.to_owned(), text("code").to_owned()));
                }
                if let Some(name) = text("fixedUri").strip_prefix(&format!("{OURS}StructureDefinition/")) {
                    extensions.push(name.to_owned());
                }
                members
                    .values()
                    .for_each(|member| collect(member, codes, extensions));
            }
            _ => {}
        }
    }

    #[test]
    fn what_the_profiles_name_of_ours_is_defined() {
        let (mut codes, mut extensions) = (Vec::new(), Vec::new());
        for (_, text) in DATA_SETS.iter().flat_map(|set| set.profiles) {
            let profile = json::parse(text.as_bytes()).expect("JSON");
            collect(&profile, &mut codes, &mut extensions);
        }
        assert!(!codes.is_empty());
        for (system, code) in codes {
            let known = known(&system);
            // What is no system of the rules is one of the mappings.
            assert!(
                known.is_empty() || known.iter().any(|(held, _)| *held == code),
                "{system}|{code}"
            );
        }
        for name in extensions {
            assert!(names(EXTENSIONS).contains(name.as_str()), "{name}");
        }
    }
}
