//! What the compiler refuses, each at its line and column. `README.md`; SEMANTICS section 6.

use super::{Mapping, MappingFiles, Problem, Rule};

const HEAD: &str = "mapping: a/r\nversion: 1\nsource: json\nnamespace: n\nresources:\n";

pub(super) fn compile(map: &str) -> Result<Mapping, Vec<Problem>> {
    let codes = vec![
        ("sex", "source,system,code,display\nM,,male,\nF,,female,\n"),
        (
            "dx",
            "source,system,code,display\nDep,http://x.example,F32,Depression\n*,,text,\n",
        ),
        (
            "few",
            "source,system,code,display\na,http://x.example,A,\n*,,drop,\n",
        ),
    ];
    let name = "mappings/a/r.map.yaml";
    Mapping::compile(&MappingFiles {
        source: "a",
        record: "r",
        map_name: name,
        map,
        codes,
    })
}

/// Problems of a file with these resources: `line:column rule target: message`, lines counted below `resources:`.
fn wrong(resources: &str) -> Vec<String> {
    let problems = compile(&format!("{HEAD}{resources}")).err().unwrap_or_default();
    let text = |p: &Problem| {
        format!(
            "{}:{} {} {}: {}",
            p.line.saturating_sub(5),
            p.column,
            p.rule.name(),
            p.target,
            p.message
        )
    };
    problems.iter().map(text).collect()
}

/// Exactly one problem, which starts with this and holds these words.
fn refused(resources: &str, start: &str, words: &str) {
    let found = wrong(resources);
    let one = found.len() == 1 && found[0].starts_with(start) && found[0].contains(words);
    assert!(one, "{resources}\ngave {found:#?}");
}

/// As `refused`, for one key of a Patient with an id.
fn refused_key(key: &str, start: &str, words: &str) {
    refused(
        &format!("- resourceType: Patient\n  id: =a.id()\n  {key}\n"),
        start,
        words,
    );
}

#[test]
fn unknown_names_get_the_nearest_valid_one() {
    refused_key(
        "brithDate: =a",
        "3:3 element Patient.brithDate",
        "did you mean `birthDate`?",
    );
    refused_key(
        "deceasedDatetime: =a",
        "3:3 element",
        "did you mean `deceasedDateTime`?",
    );
    refused_key(
        "deceased: =a",
        "3:3 element Patient.deceased",
        "no element `deceased`",
    );
    refused_key(
        "name: {famly: =a}",
        "3:10 element Patient.name.famly",
        "did you mean `family`?",
    );
    refused_key("name: {$fi: =a, text: =b}", "3:10 key", "did you mean `$if`?");
    refused_key(
        "gender: =a.code('sexx')",
        "3:14 map Patient.gender",
        "did you mean `sex`?",
    );
    refused_key("gender: =a.codes('sex')", "3:14 syntax Patient.gender", "code");
    refused_key(
        "managingOrganization: {reference: =a.reference('Patiant')}",
        "3:40 reference",
        "did you mean `Patient`?",
    );
    refused(
        "- resourceType: Pateint\n  id: =a.id()\n",
        "1:17 element",
        "did you mean `Patient`?",
    );
    refused(
        "- resourceType: DomainResource\n  id: =a.id()\n",
        "1:17 element",
        "resource type",
    );
}

#[test]
fn lists_and_single_values_are_told_apart() {
    refused_key(
        "birthDate: [=a]",
        "3:14 list Patient.birthDate",
        "takes one date, not a list",
    );
    refused_key("name: [[{text: =a}]]", "3:10 list Patient.name", "inside a list");
    refused_key("name: []", "3:9 key", "empty list");
    refused_key("name: {}", "3:9 key", "empty object");
    assert_eq!(
        wrong("- resourceType: Patient\n  id: =a.id()\n  name: {text: =a}\n"),
        [""; 0]
    );
}

#[test]
fn literals_are_values_of_their_type() {
    refused_key(
        "birthDate: 2023-02-29",
        "3:14 literal Patient.birthDate",
        "no value of type date",
    );
    refused_key(
        "active: yes",
        "3:11 literal Patient.active",
        "no value of type boolean",
    );
    refused_key(
        "multipleBirthInteger: 1.0",
        "3:25 literal",
        "no value of type integer",
    );
    refused_key(
        "name: Smith",
        "3:9 element Patient.name",
        "a HumanName is an object",
    );
    refused_key("gender: {text: =a}", "3:11 element Patient.gender", "one value");
    refused_key("name: =a", "3:9 type Patient.name", "write its elements");
    refused_key(
        "managingOrganization: {reference: Patient/1}",
        "3:37 reference",
        "to Organization",
    );
    assert_eq!(
        wrong("- resourceType: Patient\n  id: =a.id()\n  active: \"true\"\n  gender: 'male'\n"),
        [""; 0]
    );
}

#[test]
fn what_r4_requires_must_be_there() {
    refused(
        "- resourceType: Patient\n  active: true\n",
        "1:3 key Patient.id",
        "needs an `id`",
    );
    refused("- id: =a.id()\n", "1:3 key", "needs `resourceType`");
    refused(
        "- resourceType: Patient\n  id: p1\n",
        "2:7 id Patient.id",
        "made by `.id(…)`",
    );
    refused(
        "- resourceType: Patient\n  id: =a.b\n",
        "2:7 id Patient.id",
        "made by `.id(…)`",
    );
    let found = wrong("- resourceType: Goal\n  id: =a.id()\n  description: {text: =b}\n");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("1:3 required Goal.lifecycleStatus"),
        "{found:?}"
    );
    refused_key(
        "extension: [{valueString: =a}]",
        "3:15 required Patient.extension.url",
        "R4 requires `url`",
    );
    refused_key(
        "communication: [{preferred: true}]",
        "3:19 required Patient.communication.language",
        "requires",
    );
}

#[test]
fn expression_errors_point_into_the_scalar() {
    refused_key(
        "birthDate: =a.whree(b)",
        "3:17 syntax Patient.birthDate",
        "did you mean `where()`",
    );
    refused_key("birthDate: \"=a.whree(b)\"", "3:18 syntax", "where");
    refused_key("birthDate: >-\n    =a |\n    a.whree(b)", "5:7 syntax", "where");
    refused_key("gender: =a & b", "3:14 syntax", "");
    refused_key("birthDate: =a.date('MM-dd')", "3:17 date", "must say a year");
    refused_key(
        "deceasedDateTime: =a.date('yyyy-MM-dd HH:mm')",
        "3:24 date",
        "needs a zone",
    );
    refused_key(
        "deceasedDateTime: =a.date('yyyy-MM-dd HH:mm', 'Amerika/X')",
        "3:24 date",
        "no IANA time zone",
    );
    refused_key("gender: =a.code(b)", "3:14 syntax", "text in quotes");
    refused_key("maritalStatus: =a.coding('sex')", "3:21 map", "has none");
}

#[test]
fn control_keys_are_checked() {
    refused_key(
        "name: {$each: names, text: =a}",
        "3:17 key Patient.name",
        "start it with `=`",
    );
    refused_key(
        "name: {$if: =a, $do: {text: =b}, text: =c}",
        "3:36 key",
        "beside `$do`",
    );
    refused_key(
        "name: {$as: x, text: =c}",
        "3:15 key",
        "names one resource template",
    );
    refused_key(
        "managingOrganization: {reference: =%org}",
        "3:38 key",
        "no template above is named `org`",
    );
    let twice =
        "- {$as: p, resourceType: Patient, id: =a.id()}\n- {$as: p, resourceType: Patient, id: =b.id()}\n";
    refused(twice, "2:9 key", "already names");
    refused_key(
        "_birthDate: {valueString: x}",
        "3:16 element Patient._birthDate.valueString",
        "no element",
    );
    refused_key("_maritalStatus: {id: x}", "3:3 element", "beside primitives only");
    refused_key(
        "contained: [{$if: =a, $as: now, resourceType: Patient}]",
        "3:30 key",
        "not in use",
    );
}

#[test]
fn the_top_of_the_file_is_checked() {
    let found = compile("mapping: a/x\nversion: 0\nsource: xml\nnamspace: n\nignore: [{field: a}]\n")
        .expect_err("bad");
    let lines: Vec<String> = found
        .iter()
        .map(|p| format!("{}:{} {}", p.line, p.column, p.message))
        .collect();
    let wanted = [
        "1:1 the key `namespace` is missing",
        "1:1 the key `resources` is missing",
        "1:10 `mapping` must say `a/r`, after the folder and the file",
        "2:10 `version` is a whole number from 1",
        "3:9 `source` is json, csv or fhir",
        "4:1 no top-level key `namspace` (did you mean `namespace`?)",
        "5:10 the key `reason` is missing",
    ];
    assert_eq!(lines, wanted);
    assert!(
        found
            .iter()
            .all(|problem| problem.file == "mappings/a/r.map.yaml" && problem.rule == Rule::Key)
    );
    assert_eq!(compile("").expect_err("empty")[0].rule, Rule::Yaml);
}

#[test]
fn what_a_record_is_about_is_a_name_that_exists() {
    let text = "mapping: a/r\nversion: 1\nsource: json\nnamespace: n\nabout: paln\nresources:\n  - $as: plan\n    \
                resourceType: Patient\n    id: =a.id('Patient')\n";
    let found = compile(text).expect_err("no such name");
    let lines: Vec<String> = found
        .iter()
        .map(|p| format!("{}:{} {}", p.line, p.column, p.message))
        .collect();
    assert_eq!(lines, ["5:8 `about` names no `$as` (did you mean `plan`?)"]);
    let mapping = compile(&text.replace("paln", "plan")).expect("compiles");
    let record = serde_json::json!({"a": "1"});
    let settings = super::Settings {
        id_key: b"k",
        now: crate::fhir::Instant(0),
    };
    let conversion = mapping.convert(&record, &settings).expect("in order");
    assert_eq!(
        conversion.chief,
        Some(format!(
            "Patient/{}",
            conversion.resources[0]["id"].as_str().unwrap_or_default()
        ))
    );
}

#[test]
fn code_maps_are_checked_in_their_own_file() {
    let map = format!("{HEAD}- {{resourceType: Patient, id: =a.id(), gender: =b.code('m')}}\n");
    let codes = vec![("m", "source,system,code,display\na,,b,\na,,c,\n")];
    let files = MappingFiles {
        source: "a",
        record: "r",
        map_name: "mappings/a/r.map.yaml",
        map: &map,
        codes,
    };
    let problems = Mapping::compile(&files).expect_err("a bad map");
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].to_string(),
        "mappings/a/codes/m.csv:3:1: the same source word stands in an earlier row"
    );
}

#[test]
fn a_mapping_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Mapping>();
}

#[test]
fn the_stamp_names_exactly_these_files() {
    let map = format!("{HEAD}- {{resourceType: Patient, id: =a.id()}}\n");
    let first = compile(&map).expect("good");
    let second = compile(&format!("{map}# a comment\n")).expect("good");
    assert!(first.stamp().starts_with("a/r 1 sha256:") && first.digest().len() == 64);
    assert_ne!(first.digest(), second.digest());
}
