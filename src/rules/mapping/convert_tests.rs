//! What a run makes of a record: values, absence, problems, traces, unmapped fields, limits. SEMANTICS section 6.

use super::compile_tests::compile;
use super::{Mapping, Problem, Settings};
use crate::fhir::Instant;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

const SETTINGS: Settings<'static> = Settings {
    id_key: b"key",
    now: Instant(1_769_000_000_000_000),
};

fn mapping(resources: &str) -> Mapping {
    let head = "mapping: a/r\nversion: 1\nsource: json\nnamespace: n\nignore: [{field: audit.*, reason: x}]\nresources:\n";
    compile(&format!("{head}{resources}")).expect("compiles")
}

fn made(resources: &str, record: &Value) -> Vec<Value> {
    let mapping = mapping(resources);
    let mut resources = mapping.convert(record, &SETTINGS).expect("converts").resources;
    for resource in &mut resources {
        resource.as_object_mut().expect("an object").shift_remove("id");
    }
    resources
}

/// `rule target (source)` of each problem.
fn problems(resources: &str, record: &Value) -> Vec<String> {
    let found = mapping(resources)
        .convert(record, &SETTINGS)
        .err()
        .unwrap_or_default();
    found
        .iter()
        .map(|p| format!("{} {} ({})", p.rule.name(), p.target, p.source))
        .collect()
}

/// One key of a Patient: what it becomes.
fn patient(key: &str, record: &Value) -> Value {
    let mut made = made(
        &format!("- resourceType: Patient\n  id: =%source.no.id()\n  {key}\n"),
        record,
    );
    made.remove(0)
}

fn patient_problems(key: &str, record: &Value) -> Vec<String> {
    problems(
        &format!("- resourceType: Patient\n  id: =%source.no.id()\n  {key}\n"),
        record,
    )
}

#[test]
fn what_has_no_value_disappears_with_its_literals() {
    let telecom = "telecom: [{system: phone, value: =phone}, {system: email, value: =mail}]";
    let all = patient(telecom, &json!({"no": "1", "phone": " ", "mail": null}));
    assert_eq!(all, json!({"resourceType": "Patient"}));
    let one = patient(telecom, &json!({"no": "1", "mail": "a@x.example"}));
    assert_eq!(
        one["telecom"],
        json!([{"system": "email", "value": "a@x.example"}])
    );
    let fixed = patient(
        "maritalStatus: {coding: [{system: 'http://x.example', code: M}]}",
        &json!({"no": "1"}),
    );
    assert_eq!(fixed["maritalStatus"]["coding"][0]["code"], "M");
    let security = "meta: {security: [{$if: =part2, $do: {system: 'http://x.example', code: A}}]}";
    assert!(
        patient(security, &json!({"no": "1", "part2": true}))
            .get("meta")
            .is_some()
    );
    assert!(
        patient(security, &json!({"no": "1", "part2": false}))
            .get("meta")
            .is_none()
    );
    assert!(patient(security, &json!({"no": "1"})).get("meta").is_none());
}

#[test]
fn values_keep_digits_and_types_are_not_bent() {
    let record: Value =
        serde_json::from_str(r#"{"no": 7, "n": 1.00, "i": 3, "s": "x", "b": true}"#).expect("JSON");
    let extension = |value: &str| format!("extension: [{{url: 'http://x.example', {value}}}]");
    let made = patient(&extension("valueDecimal: =n"), &record);
    assert_eq!(made["extension"][0]["valueDecimal"].to_string(), "1.00");
    assert_eq!(
        patient(&extension("valueString: =n.toString()"), &record)["extension"][0]["valueString"],
        "1.00"
    );
    assert_eq!(
        patient(&extension("valueDecimal: =i"), &record)["extension"][0]["valueDecimal"].to_string(),
        "3"
    );
    for (value, rule) in [
        ("valueString: =n", "type"),
        ("valueInteger: =s", "type"),
        ("valueInteger: =n", "value"),
        ("valueBoolean: =s", "type"),
        ("valueString: =b", "type"),
        ("valueDate: =s", "value"),
    ] {
        let found = patient_problems(&extension(value), &record);
        let element = value.split(':').next().expect("a key");
        let field = value.rsplit('=').next().expect("a field");
        assert_eq!(
            found,
            [format!("{rule} Patient.extension[0].{element} ({field})")],
            "{value}"
        );
    }
}

#[test]
fn codes_are_known_kept_or_dropped() {
    let record = json!({"no": "1", "sex": " F", "dx": "Depp", "few": "b"});
    assert_eq!(patient("gender: =sex.code('sex')", &record)["gender"], "female");
    assert_eq!(
        patient("maritalStatus: =dx.coding('dx')", &record)["maritalStatus"],
        json!({"text": "Depp"})
    );
    let coding = patient("maritalStatus: {coding: =dx.coding('dx')}", &record);
    assert_eq!(coding["maritalStatus"]["coding"], json!([{"display": "Depp"}]));
    let known = patient(
        "maritalStatus: =dx.coding('dx')",
        &json!({"no": "1", "dx": "Dep"}),
    );
    let wanted = json!({"coding": [{"system": "http://x.example", "code": "F32", "display": "Depression"}]});
    assert_eq!(known["maritalStatus"], wanted);
    assert!(
        patient("maritalStatus: =few.coding('few')", &record)
            .get("maritalStatus")
            .is_none()
    );
    assert_eq!(
        patient_problems("gender: =dx.code('sex')", &record),
        ["code Patient.gender (dx)"]
    );
    assert_eq!(
        patient_problems("maritalStatus: =%source", &record),
        ["type Patient.maritalStatus ()"]
    );
    let told = mapping("- {resourceType: Patient, id: =no.id(), gender: =dx.code('sex')}\n");
    let problem = &told.convert(&record, &SETTINGS).expect_err("unknown")[0];
    assert!(
        problem.message.contains("`M`, `F`") && !problem.to_string().contains("Depp"),
        "{problem}"
    );
}

#[test]
fn more_than_one_value_is_never_the_first() {
    let record = json!({"no": "1", "dob": ["2000-01-01", "2000-01-02"], "given": ["a", "b"]});
    assert_eq!(
        patient_problems("birthDate: =dob", &record),
        ["many Patient.birthDate (dob[0], dob[1])"]
    );
    assert_eq!(
        patient("birthDate: =dob.first()", &record)["birthDate"],
        "2000-01-01"
    );
    assert_eq!(
        patient("name: {given: [=given, x]}", &record)["name"],
        json!([{"given": ["a", "b", "x"]}])
    );
    let each = "birthDate: {$each: =dob, $do: =$this}";
    assert_eq!(patient_problems(each, &record), ["many Patient.birthDate ()"]);
}

#[test]
fn missing_values_name_the_field_that_was_looked_for() {
    let name = "name: [{$each: =people, $do: {family: =last.required(), given: [=first]}}]";
    let record = json!({"no": "1", "people": [{"last": "a"}, {"first": "b", "last": ""}]});
    assert_eq!(
        patient_problems(name, &record),
        ["required Patient.name[1].family (people[1].last)"]
    );
    let split = "name: [{$each: \"=all.split(',')\", $do: {text: =$this.code('sex')}}, {$each: \"=all.split(',')\", text: =$this.trim().required()}]";
    let found = patient_problems(split, &json!({"no": "1", "all": "F, "}));
    assert_eq!(found, ["required Patient.name[2].text (all)"]);
    let goal = "- resourceType: Goal\n  id: =no.id()\n  lifecycleStatus: =state\n  description: {text: =words}\n  subject: {reference: =no.reference('Patient')}\n";
    let found = problems(goal, &json!({"no": "1"}));
    assert_eq!(
        found,
        [
            "required Goal.lifecycleStatus (state)",
            "required Goal.description ()"
        ]
    );
    assert_eq!(
        patient_problems("active: true", &json!({})),
        ["id Patient.id (no)"]
    );
}

#[test]
fn names_make_references_that_never_hang() {
    let template = "- $if: =has\n  $as: p\n  resourceType: Patient\n  id: =no.id()\n\
        - $each: =goals\n  $as: goals\n  $do: {resourceType: Goal, id: =$this.id(), lifecycleStatus: active, \
        description: {text: =$this}, subject: {display: x}}\n\
        - resourceType: CarePlan\n  id: =no.id()\n  status: active\n  intent: plan\n  subject: =%p\n  \
        goal: [{$each: =%goals, reference: =$this}]\n";
    let mapping = mapping(template);
    let record = json!({"has": true, "no": "1", "goals": ["g1", "g2"]});
    let found = mapping.convert(&record, &SETTINGS).expect("converts").resources;
    let plan = &found[3];
    assert_eq!(
        plan["subject"]["reference"],
        format!("Patient/{}", found[0]["id"].as_str().expect("an id"))
    );
    assert_eq!(
        plan["goal"][1]["reference"],
        format!("Goal/{}", found[2]["id"].as_str().expect("an id"))
    );
    let none = mapping
        .convert(&json!({"has": false, "no": "1"}), &SETTINGS)
        .expect_err("a plan has a subject");
    assert_eq!(none[0].target, "CarePlan.subject");
}

#[test]
fn one_resource_made_twice_is_one_only_when_equal() {
    let template = "- $each: =staff\n  resourceType: Practitioner\n  id: =no.id()\n  name: {text: =name}\n";
    let same = json!({"staff": [{"no": 1, "name": "a"}, {"no": "1", "name": "a"}]});
    assert_eq!(made(template, &same).len(), 1);
    let other = json!({"staff": [{"no": 1, "name": "a"}, {"no": 1, "name": "b"}]});
    assert_eq!(
        problems(template, &other),
        ["duplicate Practitioner (staff[1].no)"]
    );
}

#[test]
fn a_label_stands_beside_its_value() {
    let key = "birthDate: =dob\n  _birthDate: {extension: [{url: 'http://x.example', valueCode: =label}]}";
    let both = patient(key, &json!({"no": "1", "dob": "2000", "label": "R"}));
    assert_eq!(both["_birthDate"]["extension"][0]["valueCode"], "R");
    assert!(
        patient(key, &json!({"no": "1", "label": "R"}))
            .get("_birthDate")
            .is_none()
    );
    assert!(
        patient(key, &json!({"no": "1", "dob": "2000"}))
            .get("_birthDate")
            .is_none()
    );
}

#[test]
fn conditions_are_true_or_false() {
    let key = "name: [{$if: =a, $do: {text: =b}}]";
    assert_eq!(
        patient_problems(key, &json!({"no": "1", "a": "yes", "b": "x"})),
        ["condition Patient.name (a)"]
    );
    assert_eq!(
        patient_problems(key, &json!({"no": "1", "a": [true, true], "b": "x"})).len(),
        1
    );
}

#[test]
fn a_resource_without_an_id_is_not_reported_twice() {
    let template = "- {$as: p, resourceType: Patient, id: =no.id()}\n\
        - {resourceType: Goal, id: =g.id(), lifecycleStatus: active, description: {text: =g}, subject: =%p}\n";
    assert_eq!(problems(template, &json!({"g": "1"})), ["id Patient.id (no)"]);
    assert_eq!(
        problems(template, &json!({})),
        ["id Patient.id (no)", "id Goal.id (g)"]
    );
}

#[test]
fn references_are_to_allowed_types() {
    let key = "managingOrganization: {reference: =(kind + '/1')}";
    let found = patient_problems(key, &json!({"no": "1", "kind": "Patient"}));
    assert_eq!(found, ["reference Patient.managingOrganization.reference (kind)"]);
    let made = patient(key, &json!({"no": "1", "kind": "Organization"}));
    assert_eq!(made["managingOrganization"]["reference"], "Organization/1");
}

#[test]
fn every_value_says_where_it_came_from() {
    let template = "- resourceType: Patient\n  id: =no.id()\n  active: true\n  name: [{$each: =names, $do: {family: =last, given: =given}}]\n";
    let mapping = mapping(template);
    let record = json!({"no": "1", "names": [{"last": "a"}, {"last": "b", "given": ["c", "d"]}]});
    let conversion = mapping.convert(&record, &SETTINGS).expect("converts");
    let rendered: Vec<String> = conversion
        .trace()
        .iter()
        .map(|t| format!("{} <- {} {}:{}", t.target, t.sources.join(","), t.line, t.column))
        .collect();
    let wanted = [
        "Patient.id <- no 8:7",
        "Patient.active <-  9:11",
        "Patient.name[0].family <- names[0].last 10:40",
        "Patient.name[1].family <- names[1].last 10:40",
        "Patient.name[1].given[0] <- names[1].given[0] 10:54",
        "Patient.name[1].given[1] <- names[1].given[1] 10:54",
    ];
    assert_eq!(rendered, wanted);
    let coded =
        self::mapping("- {resourceType: Patient, id: =no.id(), gender: =sex.required().code('sex')}\n");
    let record = json!({"no": "1", "sex": "F"});
    assert_eq!(
        coded.convert(&record, &SETTINGS).expect("converts").trace()[1].sources,
        ["sex"]
    );
    let resource = conversion.trace()[0].resource.clone();
    assert_eq!(
        resource,
        format!(
            "Patient/{}",
            conversion.resources[0]["id"].as_str().expect("an id")
        )
    );
    assert!(conversion.mapping().starts_with("a/r 1 sha256:"));
}

#[test]
fn unmapped_fields_are_those_nobody_names() {
    let template = "- resourceType: Patient\n  id: =no.id()\n  name: [{$each: =names, $if: =ok, $do: {family: =last}}]\n";
    let mapping = mapping(template);
    let record = json!({
        "no": "1", "names": [{"last": "a", "ok": false, "title": "x"}], "audit": {"by": "y"},
        "deep": [{"a": null, "b": 0}, {"b": 1}], "blank": ""
    });
    let conversion = mapping.convert(&record, &SETTINGS).expect("converts");
    assert_eq!(conversion.unmapped(), ["deep.b", "names.title"]);
}

#[test]
fn limits_end_a_conversion() {
    let many = json!({"no": "1", "a": vec!["x"; 200]});
    let found = patient_problems("name: [{$each: =a, given: =%source.a}]", &many);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("limit Patient.name[49].given"), "{found:?}");
    let most = json!({"no": "1", "a": vec!["x"; 10_000]});
    assert_eq!(patient_problems("active: true", &most), ["limit  ()"]);
    let mut deep = json!("1");
    for _ in 0..70 {
        deep = json!([deep]);
    }
    assert_eq!(
        patient_problems("active: true", &json!({"no": deep})),
        ["limit  ()"]
    );
    assert_eq!(patient_problems("active: true", &json!([])), ["type  ()"]);
}

#[test]
fn a_row_of_a_csv_file_has_texts_only() {
    let map = "mapping: a/r\nversion: 1\nsource: csv\nnamespace: n\nresources:\n- {resourceType: Patient, id: =no.id(), active: =x.exists()}\n";
    let mapping = compile(map).expect("compiles");
    let record = json!({"no": "1", "x": ""});
    let conversion = mapping.convert(&record, &SETTINGS).expect("converts");
    assert_eq!(conversion.resources[0]["active"], false);
    assert_eq!(conversion.trace()[0].sources, ["no"]);
    assert_eq!(
        mapping
            .convert(&json!({"no": 1}), &SETTINGS)
            .expect_err("not a text")[0]
            .rule
            .name(),
        "type"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é]{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["1/2/2024", "M", "Dep", "true", "a"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 5, |inner| {
        let key = prop::sample::select(vec!["no", "a", "b", "c", "$hl7", "x y"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5).prop_map(|members| Value::Object(
                members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

static EVERYTHING: LazyLock<Mapping> = LazyLock::new(|| {
    mapping(
        "- resourceType: Patient\n  id: =(no | a.b).first().id('Patient', 'x')\n  gender: =a.code('sex')\n  birthDate: =b.date('M/d/yyyy')\n  \
         name: [{$each: =a, $if: =b.exists(), $do: {text: =$this.toString(), given: [=a.b, =c.trim()]}}]\n  \
         maritalStatus: =c.coding('dx')\n  telecom: [{$each: =b.where(a > 1), value: =%parent.no, rank: =a.toInteger()}]\n  \
         multipleBirthInteger: =c\n  deceasedBoolean: =a.b.required()\n",
    )
});

proptest! {
    #[test]
    fn no_record_makes_it_panic(record in any_json()) {
        match EVERYTHING.convert(&record, &SETTINGS) {
            Ok(conversion) => {
                conversion.trace();
                conversion.unmapped();
            }
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }

    #[test]
    fn no_file_makes_the_compiler_panic(text in "[-a-z:={}\\[\\]$%'\"|>&*!,.()# \n]{0,80}") {
        let _: Result<Mapping, Vec<Problem>> = compile(&text);
        let _ = compile(&format!("mapping: a/r\nversion: 1\nsource: json\nnamespace: n\nresources:\n{text}"));
    }
}
