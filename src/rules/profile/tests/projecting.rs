//! What a loaded profile lets pass.

use serde_json::{Value, json};

use super::*;

#[test]
fn a_datatype_is_released_whole_but_for_free_text_extensions_and_ids() {
    let rows = [
        ("Condition.code", plain()),
        ("Condition.subject", json!({"min": 1})),
        (
            "Condition.onset[x]",
            json!({"mustSupport": true, "type": [{"code": "Period"}]}),
        ),
        ("Condition.clinicalStatus", plain()),
        ("Condition.verificationStatus", plain()),
    ];
    let given = json!({"resourceType": "Condition", "id": "c", "meta": {"versionId": "1"}, "language": "en",
        "code": {"id": "x", "coding": [{"system": "s", "code": "c", "display": "D", "extension": [{"url": "u", "valueCode": "v"}]}],
            "text": "prose"},
        "subject": {"reference": "Patient/p", "display": "Ann", "identifier": {"system": "s", "value": "v",
            "assigner": {"display": "A"}}},
        "onsetDateTime": "2020", "recordedDate": "2020-01-01"});
    let coded = json!({"resourceType": "Condition", "id": "c",
        "code": {"coding": [{"system": "s", "code": "c"}]},
        "subject": {"reference": "Patient/p", "identifier": {"system": "s", "value": "v"}}});
    assert_eq!(load("Condition", &rows).project_all(&given), Some(coded.clone()));
    let mut more = rows.to_vec();
    more.extend([
        ("Condition.code.text", plain()),
        ("Condition.code.coding.display", plain()),
    ]);
    let mut expected = coded;
    expected["code"] = json!({"coding": [{"system": "s", "code": "c", "display": "D"}], "text": "prose"});
    assert_eq!(load("Condition", &more).project_all(&given), Some(expected));
    let mut less = rows.to_vec();
    less.push(("Condition.code.coding.code", plain()));
    let only = load("Condition", &less).project_all(&given).expect("released");
    assert_eq!(only["code"], json!({"coding": [{"code": "c"}]}));
}

#[test]
fn choices_pass_by_type_and_twins_keep_their_places() {
    let rows = [
        ("Observation.status", plain()),
        ("Observation.code", plain()),
        (
            "Observation.value[x]",
            json!({"mustSupport": true, "type": [{"code": "CodeableConcept"}, {"code": "Quantity"}]}),
        ),
        ("Observation.value[x].text", plain()),
    ];
    let profile = load("Observation", &rows);
    let with = |key: &str, value: Value| {
        let mut out = json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"coding": [{"code": "c"}]}});
        out[key] = value;
        out
    };
    for (key, value, passes) in [
        ("valueQuantity", json!({"value": 5, "unit": "mg"}), true),
        (
            "valueCodeableConcept",
            json!({"coding": [{"code": "c"}], "text": "t"}),
            true,
        ),
        ("valueString", json!("prose"), false),
    ] {
        let given = with(key, value.clone());
        let out = profile.project_all(&given).expect("released");
        assert_eq!(out.get(key), passes.then_some(&value), "{key}");
        assert_eq!(profile.validate(&out), []);
        assert_eq!(profile.validate(&given).is_empty(), passes, "{key}");
    }
    let names = [
        ("Patient.active", plain()),
        (
            "Patient.deceased[x]",
            json!({"mustSupport": true,
        "type": [{"code": "boolean"}, {"code": "dateTime"}]}),
        ),
        ("Patient.link.other", plain()),
        ("Patient.link.type", plain()),
        ("Patient.name", plain()),
        (
            "Patient.name.given.extension:e",
            json!({"mustSupport": true, "type": [{"code": "Extension", "profile": ["http://x.example/e"]}]}),
        ),
        (
            "Patient.name.given.extension:e.value[x]",
            json!({"mustSupport": true, "type": [{"code": "code"}]}),
        ),
    ];
    let profile = load("Patient", &names);
    let given = json!({"resourceType": "Patient", "id": "p", "name": [{"given": ["A", "B", null],
        "_given": [null, {"id": "x", "extension": [{"url": "http://x.example/e", "valueCode": "v"}, {"url": "http://x.example/f", "valueCode": "v"}]},
            {"extension": [{"url": "http://x.example/e", "valueCode": "w"}]}]}]});
    let second = profile
        .project(&given, &|path| path == "Patient.name[0].given[0]")
        .expect("released");
    let e = |code: &str| json!({"extension": [{"url": "http://x.example/e", "valueCode": code}]});
    assert_eq!(
        second["name"],
        json!([{"given": ["B", null], "_given": [e("v"), e("w")]}])
    );
    assert_eq!(profile.validate(&second), []);
}

#[test]
fn list_items_pass_by_their_slice() {
    let by = |kind: &str, path: &str| {
        json!({"mustSupport": true,
        "slicing": {"discriminator": [{"type": kind, "path": path}], "rules": "open"}})
    };
    let pattern = |code: &str| json!({"mustSupport": true, "patternCodeableConcept": {"coding": [{"system": "s", "code": code}]}});
    let rows = care_plan(&[
        ("CarePlan.category", by("pattern", "$this")),
        ("CarePlan.category:a", pattern("a")),
        ("CarePlan.category:b", pattern("b")),
        ("CarePlan.identifier", by("value", "system")),
        ("CarePlan.identifier:mrn", plain()),
        (
            "CarePlan.identifier:mrn.system",
            json!({"min": 1, "fixedUri": "urn:mrn"}),
        ),
        ("CarePlan.identifier:mrn.value", plain()),
        ("CarePlan.identifier:mrn.use", plain()),
    ]);
    let profile = load("CarePlan", &rows);
    let given = json!({"resourceType": "CarePlan", "id": "c", "status": "active", "intent": "plan", "subject": {"reference": "Patient/p"},
        "category": [{"coding": [{"system": "s", "code": "x"}]}, {"coding": [{"system": "s", "code": "b"}, {"system": "t", "code": "y"}]}],
        "identifier": [{"system": "urn:other", "value": "1"}, {"system": "urn:mrn", "value": "2", "period": {"start": "2020"}}]});
    let out = profile.project_all(&given).expect("released");
    assert_eq!(out["category"].as_array().map(Vec::len), Some(1));
    assert_eq!(out["identifier"], json!([{"system": "urn:mrn", "value": "2"}]));
    assert_eq!(profile.validate(&out), []);
    assert!(
        profile
            .validate(&given)
            .iter()
            .any(|i| i.expression == "CarePlan.category[0]")
    );
}

#[test]
fn a_required_slice_selects_resources() {
    let rows = [
        ("Observation.status", plain()),
        (
            "Observation.value[x]",
            json!({"mustSupport": true, "type": [{"code": "string"}]}),
        ),
        (
            "Observation.code.coding",
            json!({"min": 1, "slicing": {"rules": "closed", "discriminator":
            [{"type": "value", "path": "system"}, {"type": "value", "path": "code"}]}}),
        ),
        (
            "Observation.code.coding:trigger",
            json!({"mustSupport": true, "patternCoding": {"system": "s", "code": "trigger"}}),
        ),
    ];
    let profile = load("Observation", &rows);
    let given = |code: &str| {
        json!({"resourceType": "Observation", "id": "o", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1"}, {"system": "s", "code": code}]}, "valueString": "text"})
    };
    assert_eq!(profile.project_all(&given("other")), None);
    let out = profile.project_all(&given("trigger")).expect("released");
    assert_eq!(
        out["code"],
        json!({"coding": [{"system": "s", "code": "trigger"}]})
    );
    assert_eq!(profile.validate(&out), []);
}

#[test]
fn a_rule_on_shared_content_holds_at_every_depth() {
    let consent = [
        ("Consent.status", plain()),
        ("Consent.scope", plain()),
        ("Consent.category", plain()),
        ("Consent.provision.type", plain()),
        ("Consent.provision.provision", plain()),
    ];
    let profile = load("Consent", &consent);
    let mut deep = json!({"type": "deny", "code": [{"text": "hidden"}]});
    for _ in 0..30 {
        deep = json!({"type": "permit", "purpose": [{"code": "TREAT"}], "provision": [deep]});
    }
    let given = json!({"resourceType": "Consent", "id": "c", "status": "active", "scope": {"coding": [{"code": "s"}]},
        "category": [{"coding": [{"code": "c"}]}], "provision": deep});
    let out = profile.project_all(&given).expect("released");
    let text = out.to_string();
    assert!(!text.contains("hidden") && !text.contains("TREAT"));
    assert_eq!(text.matches("\"type\"").count(), 31);
    assert_eq!(profile.validate(&out), []);
    assert!(!profile.validate(&given).is_empty());
}

#[test]
fn what_cannot_be_kept_takes_what_needs_it() {
    let rows = care_plan(&[
        ("CarePlan.activity.detail.status", plain()),
        ("CarePlan.activity.detail.doNotPerform", plain()),
        ("CarePlan.activity.detail.code", plain()),
        ("CarePlan.activity.reference", plain()),
        ("CarePlan.goal", plain()),
    ]);
    let profile = load("CarePlan", &rows);
    let given = json!({"resourceType": "CarePlan", "id": "c", "status": "active", "intent": "plan",
        "subject": {"reference": "Patient/p"}, "goal": [{"reference": "#inside"}],
        "activity": [{"detail": {"status": "scheduled", "doNotPerform": true, "code": {"coding": [{"code": "x"}]}}},
            {"reference": {"reference": "Task/t"}}]});
    let without = |path: &str| profile.project(&given, &|p| p == path);
    let activities = |out: Option<Value>| out.expect("released")["activity"].as_array().map(Vec::len);
    assert_eq!(activities(profile.project_all(&given)), Some(2));
    assert_eq!(
        activities(without("CarePlan.activity[0].detail.status")),
        Some(1),
        "required: the detail goes"
    );
    assert_eq!(
        activities(without("CarePlan.activity[0].detail.doNotPerform")),
        Some(1),
        "a modifier: the detail goes"
    );
    assert_eq!(activities(without("CarePlan.activity[0].detail.code")), Some(2));
    assert!(
        without("CarePlan.activity")
            .expect("released")
            .get("activity")
            .is_none()
    );
    assert!(
        profile
            .project_all(&given)
            .expect("released")
            .get("goal")
            .is_none(),
        "#refs go"
    );
    for withheld in [
        "CarePlan",
        "CarePlan.status",
        "CarePlan.subject",
        "CarePlan.subject.reference",
    ] {
        assert_eq!(without(withheld), None, "{withheld}");
    }
}

#[test]
fn an_unlisted_modifier_withholds_the_resource_where_it_stands_in_a_released_part() {
    let profile = load(
        "CarePlan",
        &care_plan(&[("CarePlan.activity.reference", plain())]),
    );
    let given = |more: Value| {
        let mut out = json!({"resourceType": "CarePlan", "id": "c", "status": "active", "intent": "plan",
            "subject": {"reference": "Patient/p"}});
        out.as_object_mut()
            .expect("object")
            .extend(more.as_object().expect("object").clone());
        out
    };
    let modifier = json!([{"url": "http://x.example/m", "valueBoolean": true}]);
    let reference = json!({"reference": "Task/t"});
    let released = |more| profile.project_all(&given(more)).is_some();
    assert!(released(json!({})));
    assert!(!released(json!({"implicitRules": "http://x.example/r"})));
    assert!(!released(json!({"modifierExtension": modifier})));
    assert!(!released(
        json!({"activity": [{"modifierExtension": modifier, "reference": reference}]})
    ));
    let dropped = json!({"activity": [{"detail": {"modifierExtension": modifier, "status": "scheduled"}, "reference": reference}]});
    assert!(released(dropped), "in a part that is dropped it modifies nothing");
    let emptied = json!({"activity": [{"modifierExtension": modifier, "progress": [{"text": "t"}]}]});
    assert!(
        !released(emptied.clone())
            || profile
                .project_all(&given(emptied))
                .is_some_and(|o| o.get("activity").is_none())
    );
}

#[test]
fn extensions_pass_by_url() {
    let url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race";
    let typed = |t: &str| json!({"mustSupport": true, "type": [{"code": t}]});
    let rows = [
        ("Patient.active", plain()),
        (
            "Patient.deceased[x]",
            json!({"mustSupport": true, "type": [{"code": "boolean"}, {"code": "dateTime"}]}),
        ),
        ("Patient.link.other", plain()),
        ("Patient.link.type", plain()),
        (
            "Patient.extension:race",
            json!({"mustSupport": true, "type": [{"code": "Extension", "profile": [url]}]}),
        ),
        ("Patient.extension:race.extension:omb", plain()),
        (
            "Patient.extension:race.extension:omb.url",
            json!({"min": 1, "fixedUri": "ombCategory"}),
        ),
        ("Patient.extension:race.extension:omb.value[x]", typed("Coding")),
    ];
    let profile = load("Patient", &rows);
    let given = json!({"resourceType": "Patient", "id": "p", "active": true, "extension": [
        {"url": "http://x.example/other", "valueString": "s"},
        {"url": url, "extension": [{"url": "ombCategory", "valueCoding": {"code": "1", "display": "One"}}, {"url": "text", "valueString": "t"}]}]});
    let out = profile.project_all(&given).expect("released");
    assert_eq!(
        out["extension"],
        json!([{"url": url, "extension": [{"url": "ombCategory", "valueCoding": {"code": "1"}}]}])
    );
    assert_eq!(profile.validate(&out), []);
    assert!(profile.validate(&given).len() > 1);
}

#[test]
fn what_leads_nowhere_goes_with_what_requires_it() {
    let rows = care_plan(&[
        ("CarePlan.goal", plain()),
        ("CarePlan.instantiatesCanonical", plain()),
        ("CarePlan.activity.reference", plain()),
    ]);
    let profile = load("CarePlan", &rows);
    let given = json!({"resourceType": "CarePlan", "id": "c", "status": "active", "intent": "plan",
        "subject": {"reference": "Patient/p"}, "goal": [{"reference": "Goal/1"}, {"reference": "Goal/2"}, {"type": "Goal"}],
        "instantiatesCanonical": ["http://x.example/plan"], "activity": [{"reference": {"reference": "Task/t"}}]});
    let all = profile.excerpt(&given, Withheld::default()).expect("released");
    let plan = Some("http://x.example/plan");
    let (goal, task) = ([Some("Goal/1"), Some("Goal/2"), None], Some("Task/t"));
    assert_eq!(
        all.links,
        [&[Some("Patient/p")], &goal[..], &[plan, task]].concat()
    );
    let without = |gone: &[Option<&str>]| {
        let link = |target: Option<&str>| gone.contains(&target);
        let withheld = Withheld {
            element: None,
            link: Some(&link),
        };
        let projected = profile.excerpt(&given, withheld)?;
        Some((projected.excerpt.root()?.to_value(), projected.links))
    };
    let (out, links) = without(&[Some("Goal/1"), None, task, plan]).expect("stays");
    assert_eq!(links, [Some("Patient/p"), Some("Goal/2")]);
    assert_eq!(out["goal"], json!([{"reference": "Goal/2"}]));
    assert!(out.get("activity").is_none() && out.get("instantiatesCanonical").is_none());
    assert!(without(&[Some("Patient/p")]).is_none(), "a plan is somebody's");
}
