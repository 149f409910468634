//! What is hidden: for each thing three worlds that differ in nothing else. In the first it is there and withheld, in the
//! second it never was, in the third it is there and may be seen.
//!
//! Where an element is withheld, the free text beside it goes too (SEMANTICS 2): the world without it has neither.

mod company;
mod elements;
mod notes;
mod others;
mod ties;
mod written_over;

use serde_json::{Value, json};

use crate::harness::{Kept, never_was};

pub use company::{
    appointment_with_a_part_2_counsellor, part_2_screening, place_only_hidden_things_lead_to,
    unread_document, visit_at_a_part_2_program,
};
pub use elements::{
    contained_resource, hiv_labelled_element, labelled_phone, part_2_counsellor, part_2_sibling,
};
pub use notes::{
    outside_the_data_set, part_2_action, part_2_condition, part_2_goal, part_2_risk, psychotherapy_note,
    sud_counseling_note, suspected_medication,
};
pub use others::{consent_about_another, part_2_organization, restriction_about_another};
pub use ties::{part_2_person, part_2_referral};
pub use written_over::{
    Over, hidden_description, hidden_note, hidden_note_beside, hidden_output, hidden_period, hidden_reason,
};

/// All three partners of the corpus, by their place in it.
pub const EVERYONE: &[usize] = &[0, 1, 2];

pub struct Thing {
    pub name: &'static str,
    /// The type whose searches it could show in.
    pub focus: &'static str,
    /// Who asks: those who would see it in the third world.
    pub askers: &'static [usize],
    /// At least so many of a hundred responses are 2xx where it is hidden.
    pub least_good: usize,
    /// Not even an emergency opens it.
    pub sealed: bool,
    /// Whose it is: the logical id of a Patient.
    pub person: String,
    /// `Type/id` by which it could be read.
    pub target: String,
    /// An identifier by which it could be searched, as `system|value`.
    pub identifier: String,
    pub hidden: Vec<Kept>,
    pub absent: Vec<Kept>,
    pub visible: Vec<Kept>,
}

impl Thing {
    /// A thing of everybody's interest; what differs from that is set by its maker.
    fn new(
        name: &'static str,
        focus: &'static str,
        target: String,
        [hidden, absent, visible]: [Vec<Kept>; 3],
    ) -> Thing {
        let held = [&hidden, &visible]
            .into_iter()
            .flatten()
            .find(|one| one.reference() == target);
        let identifier = held.and_then(|one| identifier_of(&one.body));
        Thing {
            name,
            focus,
            askers: EVERYONE,
            least_good: 60,
            sealed: false,
            person: last(&patient(&hidden)).to_owned(),
            identifier: identifier.unwrap_or_else(|| "urn:test|none".to_owned()),
            target,
            hidden,
            absent,
            visible,
        }
    }
}

pub const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const INLINE_LABEL: &str =
    "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";
const PLAN_CONTENT: &str = "https://postern.example/fhir/CodeSystem/plan-content";

pub fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or_default()
}

fn identifier_of(body: &Value) -> Option<String> {
    let first = &body["identifier"][0];
    Some(format!(
        "{}|{}",
        first["system"].as_str()?,
        first["value"].as_str()?
    ))
}

fn by_identifier(all: &[Kept], kind: &str, value: &str) -> String {
    let found = all.iter().find(|one| {
        one.body["resourceType"] == kind
            && one.body["identifier"]
                .as_array()
                .is_some_and(|list| list.iter().any(|i| i["value"] == value))
    });
    found.expect("the demo has it").reference()
}

/// The same world with this change made to one resource.
fn with_change(all: &[Kept], reference: &str, change: impl FnOnce(&mut Value)) -> Vec<Kept> {
    let mut all = all.to_vec();
    let one = all
        .iter_mut()
        .find(|one| one.reference() == reference)
        .expect("it is there");
    change(&mut one.body);
    all
}

fn without(all: &[Kept], references: &[&str]) -> Vec<Kept> {
    let mut all = all.to_vec();
    references
        .iter()
        .for_each(|reference| never_was(&mut all, reference));
    all
}

fn patient(all: &[Kept]) -> String {
    all.iter()
        .find(|one| one.body["resourceType"] == "Patient")
        .expect("a person")
        .reference()
}

/// The partners of the corpus as the record names them.
fn partners(all: &[Kept]) -> [String; 3] {
    ["1999002011", "1999002029", "1999002037"].map(|npi| by_identifier(all, "Organization", npi))
}

/// This resource, of the person of that world.
fn owned(all: &[Kept], body: Value) -> Kept {
    Kept {
        patient: Some(last(&patient(all)).to_owned()),
        body,
    }
}

fn shared(body: Value) -> Kept {
    Kept { patient: None, body }
}

fn remove(body: &mut Value, names: &[&str]) {
    let object = body.as_object_mut().expect("a resource");
    names.iter().for_each(|name| {
        object.shift_remove(*name);
    });
}

fn append(body: &mut Value, list: &str, item: Value) {
    match body[list].as_array_mut() {
        Some(items) => items.push(item),
        None => body[list] = json!([item]),
    }
}

/// `meta.security` with these codes of v3-ActCode.
fn labels(codes: &[&str]) -> Value {
    let codings = codes.iter().map(|code| json!({"system": ACT_CODE, "code": code}));
    json!({"security": codings.collect::<Vec<_>>()})
}

/// The extensions of a labelled element.
fn inline(codes: &[&str]) -> Value {
    let label = |code: &&str| json!({"url": INLINE_LABEL, "valueCoding": {"system": ACT_CODE, "code": code}});
    codes.iter().map(label).collect()
}

/// What goes with a withheld element: every free text of the resource.
fn take_free_text(body: &mut Value) {
    let mut paths = Vec::new();
    postern_rules::profile::free_text(body, &mut |path| paths.push(path.to_owned()));
    // From the end, so that what stands before keeps its index.
    paths.reverse();
    for path in paths {
        let pointer: String = path
            .split('.')
            .skip(1)
            .map(|step| format!("/{}", step.replace('[', "/").replace(']', "")))
            .collect();
        let (parent, name) = pointer.rsplit_once('/').expect("a path has a step");
        match body.pointer_mut(parent) {
            Some(Value::Object(object)) => {
                object.shift_remove(name);
                object.shift_remove(&format!("_{name}"));
            }
            Some(Value::Array(items)) => {
                items.remove(name.parse().expect("an index"));
            }
            _ => {}
        }
    }
}
