//! What does not load, by the name of the rule, and what is served for what does.

use serde_json::{Value, json};

use super::*;

#[test]
fn each_broken_rule_is_named() {
    let with = |id: &str, more: Value| care_plan(&[(id, more)]);
    let types =
        |codes: &[&str]| json!({"type": codes.iter().map(|c| json!({"code": c})).collect::<Vec<_>>()});
    broken(
        "CarePlan",
        &with("CarePlan.titel", plain()),
        Rule::UnknownPath,
        "CarePlan.titel",
    );
    broken(
        "CarePlan",
        &with("CarePlan.period.begin", plain()),
        Rule::UnknownPath,
        "CarePlan.period.begin",
    );
    broken(
        "CarePlan",
        &with("CarePlan.activity", plain()),
        Rule::BackboneWithoutChildren,
        "CarePlan.activity",
    );
    broken(
        "CarePlan",
        &with("CarePlan.extension", plain()),
        Rule::OpenExtension,
        "CarePlan.extension",
    );
    broken(
        "CarePlan",
        &with("CarePlan.contained", plain()),
        Rule::OpenContained,
        "CarePlan.contained",
    );
    broken(
        "CarePlan",
        &with("CarePlan.implicitRules", plain()),
        Rule::NotForProfiles,
        "CarePlan.implicitRules",
    );
    broken(
        "CarePlan",
        &with("CarePlan.text.div", plain()),
        Rule::NotForProfiles,
        "CarePlan.text",
    );
    broken(
        "CarePlan",
        &with("CarePlan.period.id", plain()),
        Rule::NotForProfiles,
        "CarePlan.period.id",
    );
    broken(
        "CarePlan",
        &with("CarePlan.note", json!({"min": 3, "max": "2"})),
        Rule::Cardinality,
        "CarePlan.note",
    );
    broken(
        "CarePlan",
        &care_plan(&[])[1..],
        Rule::ModifierOmitted,
        "CarePlan.status",
    );
    broken(
        "CarePlan",
        &care_plan(&[])[..2],
        Rule::RequiredOmitted,
        "CarePlan.subject",
    );
    let detail = "CarePlan.activity.detail";
    broken(
        "CarePlan",
        &with("CarePlan.activity.detail.code", plain()),
        Rule::ModifierOmitted,
        &format!("{detail}.status"),
    );
    broken(
        "CarePlan",
        &with("CarePlan.activity.detail.scheduled[x]", plain()),
        Rule::ChoiceWithoutTypes,
        &format!("{detail}.scheduled[x]"),
    );
    broken(
        "CarePlan",
        &with("CarePlan.activity.detail.scheduled[x]", types(&["Timng"])),
        Rule::ChoiceWithoutTypes,
        &format!("{detail}.scheduled[x]"),
    );
    let url_only = json!({"type": [{"code": "Extension", "profile": ["http://x.example/e"]}]});
    broken(
        "CarePlan",
        &with("CarePlan.extension:e", url_only),
        Rule::OpenExtension,
        "CarePlan.extension:e",
    );
    broken(
        "CarePlan",
        &with("CarePlan.category:a", json!({"patternCodeableConcept": {}})),
        Rule::Slicing,
        "CarePlan.category:a",
    );
    let by_profile =
        json!({"slicing": {"discriminator": [{"type": "profile", "path": "$this"}], "rules": "open"}});
    let rows = care_plan(&[
        ("CarePlan.category", by_profile),
        ("CarePlan.category:a", plain()),
    ]);
    broken("CarePlan", &rows, Rule::Slicing, "CarePlan.category:a");
    broken(
        "Patient",
        &[
            ("Patient.name", plain()),
            ("Patient.active", plain()),
            ("Patient.link.other", plain()),
            ("Patient.link.type", plain()),
            ("Patient.deceased[x]", types(&["boolean"])),
        ],
        Rule::ModifierOmitted,
        "Patient.deceased[x]",
    );
    broken(
        "Patient",
        &[("Patient.name.family", plain())],
        Rule::ModifierOmitted,
        "Patient.name.use",
    );
    broken(
        "Consent",
        &[("Consent.provision.provision.type", plain())],
        Rule::UnknownPath,
        "Consent.provision.provision",
    );
    let mut header = sd("CarePlan", &care_plan(&[]));
    header["derivation"] = json!("specialization");
    assert!(
        Profile::load(&header).expect_err("header")[0]
            .details
            .starts_with("header: ")
    );
    assert!(Profile::load(&json!([])).is_err() && Profile::load(&json!({"type": "Resource"})).is_err());
}

#[test]
fn an_extension_does_not_open_the_value_it_stands_on() {
    let extension =
        json!({"mustSupport": true, "type": [{"code": "Extension", "profile": ["http://x.example/e"]}]});
    let rows = care_plan(&[
        ("CarePlan.title.extension:e", extension),
        (
            "CarePlan.title.extension:e.value[x]",
            json!({"mustSupport": true, "type": [{"code": "code"}]}),
        ),
    ]);
    broken("CarePlan", &rows, Rule::OpenExtension, "CarePlan.title");
}

#[test]
fn the_closed_profile_is_valid_r4_and_loads_closed() {
    let rows = care_plan(&[("CarePlan.note", plain()), ("CarePlan.period", plain())]);
    let profile = load("CarePlan", &rows);
    assert_eq!(crate::fhir::gate::check(profile.closed()), []);
    let elements = profile.closed()["differential"]["element"]
        .as_array()
        .expect("a list");
    let max = |id: &str| {
        elements
            .iter()
            .find(|e| e["id"] == id)
            .map(|e| e["max"].as_str().unwrap_or("").to_owned())
    };
    assert_eq!(max("CarePlan.title").as_deref(), Some("0"));
    assert_eq!(max("CarePlan.contained").as_deref(), Some("0"));
    assert_eq!(max("CarePlan.period.extension").as_deref(), Some("0"));
    assert_eq!(max("CarePlan.subject.display").as_deref(), Some("0"));
    assert_eq!(max("CarePlan.note").as_deref(), Some("*"));
    assert_eq!(max("CarePlan.status.extension").as_deref(), Some("0"));
}

/// Names every element of a type that a profile can name, backbones down to their leaves.
fn everything(t: &'static crate::fhir::element::Type, root: bool, rows: &mut Vec<(String, Value)>) {
    for element in &t.elements {
        let computed = matches!(element.name, "id" | "extension" | "modifierExtension");
        let of_resource = root && matches!(element.name, "meta" | "text" | "implicitRules" | "contained");
        if computed || of_resource || element.types.contains(&"Resource") || element.types == ["Narrative"] {
            continue;
        }
        let mut more = json!({"mustSupport": true});
        if element.is_choice() {
            more["type"] = element.types.iter().map(|t| json!({"code": t})).collect();
        }
        rows.push((element.path.to_owned(), more));
        if let (None, Some(inner)) = (element.content_reference, element.children()) {
            everything(inner, false, rows);
        }
    }
}

/// Some datatypes require free text (`DataRequirement.sort.path`), which a profile must name singly: where
/// such a one is named whole, that is the only problem.
#[test]
fn a_profile_that_names_everything_loads_for_every_type_of_r4() {
    let mut loaded = 0;
    for name in table().resource_types() {
        let mut rows = Vec::new();
        everything(table().resource(name).expect("listed"), true, &mut rows);
        let rows: Vec<(&str, Value)> = rows
            .iter()
            .map(|(id, more)| (id.as_str(), more.clone()))
            .collect();
        match Profile::load(&sd(name, &rows)) {
            Ok(profile) => {
                assert_eq!(crate::fhir::gate::check(profile.closed()), [], "{name}");
                loaded += 1;
            }
            Err(issues) => {
                assert!(
                    issues.iter().all(|i| i.details.starts_with("required-omitted: ")),
                    "{name}: {issues:?}"
                );
            }
        }
    }
    assert!(loaded > 110, "{loaded} types load");
}
