//! What a document says, and what it never says. The resources are those a mapping makes of a whole invented plan, as if all of
//! them were released.

use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::content::{Block, Document, UNAVAILABLE};
use super::words::{Word, printable};
use super::*;
use crate::fhir::excerpt::Excerpt;

const TYPES: &[&str] = &[
    "Patient",
    "CarePlan",
    "RiskAssessment",
    "AllergyIntolerance",
    "MedicationRequest",
    "Condition",
    "Observation",
    "Task",
    "Goal",
    "CareTeam",
    "RelatedPerson",
    "Appointment",
    "Coverage",
];
const AT: Instant = Instant(1_795_255_200_000_000);
const PART2: &str = "42 CFR part 2 prohibits unauthorized use or disclosure of these records.";

/// Everything a source states of one invented person.
pub(super) fn plan() -> Vec<Value> {
    let cases = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../mappings/hearthstone/cases");
    let text = std::fs::read_to_string(cases.join("care-plan.whole.fhir.json")).expect("a case");
    let case: Value = serde_json::from_str(&text).expect("JSON");
    let resources = case
        .as_array()
        .or_else(|| case["resources"].as_array())
        .expect("resources");
    let mut resources: Vec<Value> = resources.clone();
    resources.push(json!({"resourceType": "Appointment", "id": "a", "status": "booked", "start": "2026-12-03T09:30:00-06:00",
        "serviceType": [{"text": "Medication review"}], "participant": [{"actor": {"display": "Ελένη Ῥωμαίου"}, "status": "accepted"}]}));
    resources
}

/// Composes a document of these and hands it on.
fn with_document<T>(
    resources: &[Value],
    types: &[&str],
    statements: &[String],
    then: impl FnOnce(&Document<'_>) -> T,
) -> T {
    let excerpts: Vec<Excerpt<'_>> = resources
        .iter()
        .map(|resource| {
            let mut excerpt = Excerpt::default();
            excerpt.value("", resource);
            excerpt
        })
        .collect();
    let material = Material::of(excerpts.iter().filter_map(Excerpt::root));
    let agency = resources
        .iter()
        .find(|one| one["resourceType"] == "Organization")
        .and_then(|one| one["id"].as_str())
        .unwrap_or_default();
    let date = AT.to_fhir();
    let request = Request {
        types,
        audience: "Crisis team",
        statements,
        source: ("Organization", agency),
        identifier: "urn:example:document",
        version: "0123456789abcdef",
        date: &date,
        at: AT,
    };
    then(&compose(&material, &request))
}

/// Every string and number of a resource, as a document would print it.
fn leaves(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(members) => members.values().for_each(|member| leaves(member, found)),
        Value::String(text) => {
            found.insert(printable(text).into_owned());
        }
        Value::Number(number) => {
            found.insert(number.as_str().to_owned());
        }
        _ => {}
    }
}

/// The texts between the tags of a page, unescaped, without its style.
fn texts(page: &str) -> Vec<String> {
    let body = page.split_once("<body>").expect("a body").1;
    body.split('<')
        .filter_map(|part| part.split_once('>'))
        .map(|(_, text)| {
            let text = text
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"");
            text.replace("&#39;", "'").replace("&amp;", "&")
        })
        .collect()
}

/// Is a text nothing but words of the vocabulary, one after the other?
fn is_made_of(text: &str, vocabulary: &BTreeSet<String>) -> bool {
    let text = text.trim_start();
    text.is_empty()
        || vocabulary
            .iter()
            .filter(|word| !word.trim().is_empty())
            .any(|word| {
                let rest = text.strip_prefix(word.trim());
                rest.is_some_and(|rest| is_made_of(rest, vocabulary))
            })
}

/// What the document may say of itself.
fn vocabulary(document: &Document<'_>) -> BTreeSet<String> {
    let mut fixed: BTreeSet<&str> = BTreeSet::from([document.title, document.constant, UNAVAILABLE, ", "]);
    for section in &document.sections {
        fixed.insert(section.title);
        for block in &section.blocks {
            match block {
                Block::Heading(words) => {
                    fixed.insert(words);
                }
                Block::Facts(facts) => fixed.extend(facts.iter().map(|(label, _)| *label)),
                Block::Table(table) => {
                    fixed.insert(table.caption);
                    fixed.extend(table.columns.iter().map(|column| column.head));
                }
                _ => {}
            }
        }
    }
    let runs = document.phrases();
    let runs = runs.iter().flat_map(|phrase| phrase.runs());
    let said = runs.filter_map(|run| match &run.word {
        Word::Fixed(text) => Some(*text),
        Word::Datum(_) => None,
    });
    fixed.extend(said);
    fixed.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_word_stands_in_a_resource_or_is_of_the_vocabulary() {
    let resources = plan();
    let mut known =
        BTreeSet::from([PART2, "Crisis team", "urn:example:document", "0123456789abcdef"].map(str::to_owned));
    known.insert(AT.to_fhir());
    resources.iter().for_each(|resource| leaves(resource, &mut known));
    with_document(&resources, TYPES, &[PART2.to_owned()], |document| {
        for phrase in document.phrases() {
            for run in phrase.runs() {
                if let Word::Datum(text) = &run.word {
                    assert!(
                        known.iter().any(|leaf| leaf.contains(text.as_ref())),
                        "made up: {text}"
                    );
                }
            }
        }
        let vocabulary = vocabulary(document);
        let page = String::from_utf8(html(document)).expect("UTF-8");
        for text in texts(&page) {
            let told = text.trim();
            let is_known = is_made_of(told, &vocabulary) || known.iter().any(|leaf| leaf.contains(told));
            assert!(is_known, "the page says: {told}");
        }
    });
}

#[test]
fn the_paper_says_what_the_page_says_in_the_same_order() {
    let resources = plan();
    with_document(&resources, TYPES, &[PART2.to_owned()], |document| {
        let page = texts(&String::from_utf8(html(document)).expect("UTF-8")).concat();
        let layout = pdf::lines_for_test(document);
        let words = |text: &str| -> BTreeSet<String> { text.split_whitespace().map(str::to_owned).collect() };
        let (page, paper) = (page.replace('\n', " "), layout.join(" "));
        for word in words(&paper) {
            assert!(page.contains(&word) || word == "•", "only on paper: {word}");
        }
        let order = |text: &str| -> Vec<usize> {
            let headings = document.sections.iter().map(|section| section.title);
            headings.filter_map(|heading| text.find(heading)).collect()
        };
        assert!(order(&paper).is_sorted() && order(&page).is_sorted());
    });
}

#[test]
fn what_a_clinician_needs_stands_in_the_order_of_reading() {
    with_document(&plan(), TYPES, &[PART2.to_owned()], |document| {
        let titles: Vec<&str> = document.sections.iter().map(|section| section.title).collect();
        assert_eq!(
            titles,
            [
                "Person",
                "In a crisis",
                "Risks",
                "Allergies",
                "Medications",
                "Problems",
                "Plan",
                "Goals",
                "Actions",
                "Care team",
                "Appointments",
                "Coverage",
                "About this document"
            ]
        );
        let page = String::from_utf8(html(document)).expect("UTF-8");
        for said in [
            "Rosa",
            "Sleeps less than four hours",
            "217-555-0143",
            "Never block the door",
            "Penicillin",
            PART2,
        ] {
            assert!(page.contains(said), "{said}");
        }
        assert!(page.contains(MAY_BE_INCOMPLETE.replace('\'', "&#39;").as_str()));
        assert!(!page.contains("none known"));
    });
}

#[test]
fn which_sections_there_are_follows_from_the_data_set_alone() {
    let person = || json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Nobody"}]});
    let titles = |resources: &[Value], types: &[&str]| {
        with_document(resources, types, &[], |document| {
            let titles: Vec<&str> = document.sections.iter().map(|section| section.title).collect();
            (titles, String::from_utf8(html(document)).expect("UTF-8"))
        })
    };
    let (full, _) = titles(&plan(), TYPES);
    let (empty, page) = titles(&[person()], TYPES);
    assert_eq!(full, empty);
    assert!(page.matches(UNAVAILABLE).count() >= 10, "{page}");
    let (few, _) = titles(&[person()], &["Patient", "Condition"]);
    assert_eq!(few, ["Person", "Problems", "About this document"]);
}

#[test]
fn modifiers_are_never_dropped() {
    let resources = [
        json!({"resourceType": "Patient", "id": "p", "active": false, "deceasedDateTime": "2026-11-02"}),
        json!({"resourceType": "MedicationRequest", "id": "m", "status": "stopped", "intent": "proposal", "doNotPerform": true,
            "medicationCodeableConcept": {"text": "Haloperidol"}, "dosageInstruction": [{"asNeededBoolean": true, "doseAndRate":
            [{"doseQuantity": {"value": 5, "comparator": "<=", "unit": "mg"}}]}]}),
        json!({"resourceType": "AllergyIntolerance", "id": "a", "code": {"text": "Latex"},
            "verificationStatus": {"coding": [{"code": "refuted"}]}}),
        json!({"resourceType": "Condition", "id": "c", "code": {"text": "Asthma"},
            "verificationStatus": {"coding": [{"code": "entered-in-error"}]}}),
        json!({"resourceType": "Task", "id": "t", "status": "cancelled", "intent": "proposal", "description": "Call"}),
        json!({"resourceType": "CarePlan", "id": "p", "status": "revoked", "intent": "proposal", "title": "Old"}),
        json!({"resourceType": "CareTeam", "id": "t", "status": "inactive", "name": "Old team"}),
        json!({"resourceType": "Goal", "id": "g", "lifecycleStatus": "rejected", "description": {"text": "Run"}}),
        json!({"resourceType": "RiskAssessment", "id": "r", "status": "preliminary", "code": {"text": "Fall"}}),
        json!({"resourceType": "RelatedPerson", "id": "r", "active": false, "name": [{"text": "Gone"}]}),
        json!({"resourceType": "Organization", "id": "o", "active": false, "name": "Closed"}),
        json!({"resourceType": "Appointment", "id": "a", "status": "cancelled", "start": "2026-12-03"}),
    ];
    with_document(&resources, TYPES, &[], |document| {
        let page = texts(&String::from_utf8(html(document)).expect("UTF-8")).concat();
        for said in [
            "not active",
            "2026-11-02",
            "DO NOT GIVE",
            "stopped",
            "intent: proposal",
            "as needed",
            "<= 5 mg",
            "refuted",
            "entered-in-error",
            "cancelled",
            "revoked, intent: proposal",
            "Old team: inactive",
            "rejected",
            "preliminary",
            "Gone (no longer active)",
            "Closed (no longer active)",
        ] {
            assert!(page.contains(said), "{said} is not in {page}");
        }
    });
}

#[test]
fn the_same_document_is_the_same_bytes() {
    let resources = plan();
    let written = || {
        with_document(&resources, TYPES, &[PART2.to_owned()], |d| {
            (html(d), pdf(d).expect("a PDF"))
        })
    };
    let (first, second) = (written(), written());
    assert!(first == second, "two runs differ");
    let mut reversed = plan();
    reversed.reverse();
    let agency = reversed
        .iter()
        .rposition(|one| one["resourceType"] == "Organization")
        .expect("an agency");
    let agency = reversed.remove(agency);
    reversed.insert(0, agency);
    let other = with_document(&reversed, TYPES, &[PART2.to_owned()], |d| {
        (html(d), pdf(d).expect("a PDF"))
    });
    assert!(first == other, "the order in which resources come in shows");
}

#[test]
fn the_file_is_archival_accessible_and_holds_no_chance() {
    with_document(&plan(), TYPES, &[], |document| {
        let file = pdf(document).expect("a PDF");
        let text = String::from_utf8_lossy(&file);
        assert!(text.starts_with("%PDF-1.7"));
        for said in [
            "pdfaid:part",
            "pdfuaid:part",
            "/Lang",
            "/StructTreeRoot",
            "/Outlines",
            "/MarkInfo",
        ] {
            assert!(text.contains(said), "{said}");
        }
    });
}

#[test]
fn names_in_no_known_script_are_replaced_on_paper_and_kept_on_the_page() {
    let person =
        json!({"resourceType": "Patient", "id": "p", "name": [{"family": "李", "given": ["\u{202e}小龍"]}]});
    with_document(&[person], TYPES, &[], |document| {
        let page = String::from_utf8(html(document)).expect("UTF-8");
        assert!(page.contains("李") && page.contains("小龍") && !page.contains('\u{202e}'));
        assert!(pdf::lines_for_test(document).concat().contains('\u{fffd}'));
        assert!(pdf(document).is_ok());
    });
}

#[test]
fn a_reference_that_goes_in_circles_ends() {
    let resources = [
        json!({"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "PractitionerRole/r"},
            "organization": {"reference": "PractitionerRole/r"}}),
        json!({"resourceType": "HealthcareService", "id": "h", "providedBy": {"reference": "HealthcareService/h"}}),
        json!({"resourceType": "CareTeam", "id": "t", "participant": [{"member": {"reference": "PractitionerRole/r"}},
            {"member": {"reference": "HealthcareService/h"}}, {"member": {"reference": "CareTeam/t"}}]}),
    ];
    with_document(&resources, TYPES, &[], |document| assert!(pdf(document).is_ok()));
}

/// Any JSON at all under the names that a document reads.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<String>().prop_map(Value::from),
        "[<>&'\"\u{202e}A-zΑ-ωА-я\n\t -]{0,40}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let names = prop::sample::select(vec![
        "text",
        "coding",
        "display",
        "code",
        "reference",
        "name",
        "family",
        "given",
        "telecom",
        "value",
        "system",
        "use",
        "period",
        "start",
        "end",
        "note",
        "description",
        "title",
        "participant",
        "member",
        "role",
        "valueString",
        "status",
        "dosageInstruction",
        "medicationCodeableConcept",
        "timing",
        "repeat",
        "category",
        "prediction",
    ]);
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..5).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever stands in a resource, it is printed, and none of it is markup.
    #[test]
    fn nothing_in_a_resource_breaks_a_document(
        bodies in prop::collection::vec((prop::sample::select(TYPES.to_vec()), anything()), 1..6)
    ) {
        let resources: Vec<Value> = bodies
            .into_iter()
            .enumerate()
            .map(|(number, (of, body))| {
                let mut resource = json!({"resourceType": of, "id": format!("r{number}")});
                if let (Some(resource), Value::Object(body)) = (resource.as_object_mut(), body) {
                    resource.extend(body);
                }
                resource
            })
            .collect();
        with_document(&resources, TYPES, &[], |document| {
            let page = String::from_utf8(html(document)).expect("UTF-8");
            let tags = page.split('<').skip(1).map(|part| part.split(['>', ' ', '\n']).next().unwrap_or_default().trim_start_matches('/'));
            for tag in tags {
                prop_assert!(TAGS.contains(&tag), "a tag of its own: {tag}");
            }
            prop_assert!(pdf(document).is_ok());
            Ok(())
        })?;
    }
}

const TAGS: &[&str] = &[
    "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "header", "p", "h1", "main", "section",
    "h2", "h3", "ul", "li", "dl", "dt", "dd", "table", "caption", "colgroup", "col", "thead", "tbody", "tr",
    "th", "td", "strong", "small", "bdi", "footer",
];

/// For people: `cargo test -p postern-rules document -- --ignored` leaves the plan in the temporary folder, to be looked at.
#[test]
#[ignore = "writes files to be looked at"]
fn show() {
    with_document(&plan(), TYPES, &[PART2.to_owned()], |document| {
        let folder = std::env::temp_dir();
        std::fs::write(folder.join("postern-plan.html"), html(document)).expect("written");
        std::fs::write(folder.join("postern-plan.pdf"), pdf(document).expect("a PDF")).expect("written");
    });
}
