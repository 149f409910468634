//! Sensitivity and confidentiality of a resource and its elements, each with its basis.
//! <https://hl7.org/fhir/R4/security-labels.html>, <https://hl7.org/fhir/uv/security-label-ds4p/>
//!
//! Code lists and terms set *sensitivity* only, never the law: whether 42 CFR Part 2 applies comes from the
//! provenance that the source's mapping wrote in `meta.security` (42 CFR 2.12).

mod range;
mod sieve;
mod terms;
mod codes;
mod review;
mod provenance;
mod source;
mod walk;
mod ground;
mod high_water;
mod released;
mod company;

#[cfg(test)]
mod case_files;
#[cfg(test)]
mod public_list;
#[cfg(test)]
mod conversion;

use std::sync::LazyLock;

use serde_json::Value;

pub use codes::{CodeLists, Hit, ListName, Loaded};
pub use company::{Company, Kept};
pub use ground::{Ground, Why, basis};
pub use high_water::HighWater;
pub use provenance::{Programs, Provenance, Received};
pub use review::{ReviewedTexts, TextReviews, text_at, text_digest, values_at};
pub use source::INLINE_LABEL;

use crate::fhir::excerpt::Part;
use crate::terminology::{Confidentiality, Sensitivities};

/// Sensitivities that the shipped policy raises to `R` when the source states no confidentiality.
pub const RAISED: [&str; 4] = ["HIV", "SDV", "STD", "GDIS"];

/// Notes that never leave under a general consent (45 CFR 164.508(a)(2), 42 CFR 2.31(b)), or never at all; in rising order
/// of what they are kept from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteKind {
    #[default]
    General,
    /// A therapy note that nobody has classified yet: withheld until staff says what it is.
    Unclassified,
    Psychotherapy,
    SudCounseling,
    /// A therapist's personal notes (740 ILCS 110/3(b)).
    Personal,
    /// Psychological test material whose disclosure compromises the test (740 ILCS 110/3(c)).
    TestMaterial,
}

/// Why a sensitivity is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The source flagged it (`meta.security`, or a DS4P inline label).
    Source,
    /// Staff read this very text and said so.
    Review,
    /// A coding of the resource stands on a code list: FHIRPath of the coded element, index of the line's reason.
    Code { path: String, line: u32 },
}

/// Where the confidentiality comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfidentialityBasis {
    Source,
    /// Part 2 provenance, a kind of note, or a raised sensitivity.
    Rule,
    /// Nothing speaks for more than `N`.
    Default,
}

/// Sensitivities with the basis they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub sensitivity: Sensitivities,
    pub basis: Basis,
}

/// An element whose text sounds sensitive and carries no such label. It can only hold back, never clear:
/// the element is kept from recipients not entitled to the sensitivity until staff labels the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    pub path: String,
    pub sensitivity: Sensitivities,
}

/// What is known about one resource, or about one element of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    pub confidentiality: Confidentiality,
    pub confidentiality_basis: ConfidentialityBasis,
    /// All sensitivities, whatever their basis; suspicions are not among them.
    pub sensitivity: Sensitivities,
    /// What a permit by sensitivity has to cover: the source's labels, and codes' where the source said nothing like it.
    pub to_permit: Sensitivities,
    pub reasons: Vec<Reason>,
    /// Records of a Part 2 program, by provenance (`meta.security` v3-ActCode|42CFRPart2) only.
    pub part2: bool,
    pub note_kind: NoteKind,
    /// Kind of the service that made it, and how it came here.
    pub provenance: Provenance,
    /// Elements with labels of their own: FHIRPath with indexes, labels. A label covers the subtree.
    pub elements: Vec<(String, Labels)>,
    pub suspicions: Vec<Suspicion>,
    /// Texts that staff read and found nothing sensitive in.
    pub cleared: Vec<String>,
}

/// The labels of a resource: what its source states, what its codes imply, what its text makes suspect.
///
/// `raised` are sensitivity codes whose data are `R` when the source states no confidentiality ([`RAISED`]).
/// Confidentiality: what the source states, else `R` for Part 2 provenance, note kinds and raised sensitivities, else `N`.
pub fn label(resource: &Value, lists: &CodeLists, raised: &[&str]) -> Labels {
    label_reviewed(resource, lists, raised, None)
}

/// As [`label`], with what staff decided about texts of this resource: for a text they read, their labels (or their
/// *nothing sensitive*) take the place of any suspicion.
pub fn label_reviewed(
    resource: &Value,
    lists: &CodeLists,
    raised: &[&str],
    reviews: Option<&TextReviews>,
) -> Labels {
    walk::label_resource(resource, lists, set_of(raised), walk::Texts::Read, reviews)
}

/// Does a resource of this type hold bytes that cannot be filtered inside? Then it leaves whole or not at all.
pub fn is_opaque(resource_type: &str) -> bool {
    walk::is_opaque(resource_type)
}

/// As [`label`], without suspicions: no text is read. Enough for the labels that travel with what is released.
pub fn label_codes(resource: &Value, lists: &CodeLists, raised: &[&str]) -> Labels {
    walk::label_resource(resource, lists, set_of(raised), walk::Texts::Skipped, None)
}

/// The labels that travel with a released resource: what its source states of the whole (`stored`), what the codes imply
/// that are released, and `mark`, from its labelled elements that are.
pub fn label_released(
    stored: &Value,
    released: Part<'_, '_>,
    mark: HighWater,
    lists: &CodeLists,
    raised: &[&str],
) -> Labels {
    let raised = set_of(raised);
    let (own, below) = released::codes(released, lists);
    let mut labels = walk::compose(source::Stated::of_meta(stored), &own, raised);
    let below = HighWater::of(&walk::compose(source::Stated::default(), &below, raised));
    mark.with(below).raise(&mut labels);
    labels
}

/// As [`label_released`] where no code and no element has a label.
pub fn label_stated(stored: &Value, raised: &[&str]) -> Labels {
    walk::compose(source::Stated::of_meta(stored), &[], set_of(raised))
}

fn set_of(raised: &[&str]) -> Sensitivities {
    static SHIPPED: LazyLock<Sensitivities> = LazyLock::new(|| and_below(&RAISED));
    // Asked for each resource, and nearly always this.
    if *raised == RAISED {
        *SHIPPED
    } else {
        and_below(raised)
    }
}

fn and_below(codes: &[&str]) -> Sensitivities {
    let codes = codes
        .iter()
        .filter_map(|c| Sensitivities::of(c))
        .fold(Sensitivities::NONE, Sensitivities::with);
    codes.and_below()
}

impl Labels {
    /// Does a code of the resource, or anything about an element of it, imply a label?
    pub fn is_more_than_stated(&self) -> bool {
        let coded = |r: &Reason| matches!(r.basis, Basis::Code { .. });
        !self.elements.is_empty() || self.reasons.iter().any(coded)
    }

    /// Did the source or staff state any of this, so that it does not follow from codes alone?
    pub fn is_stated(&self) -> bool {
        let coded = |r: &Reason| matches!(r.basis, Basis::Code { .. });
        self.part2
            || self.confidentiality_basis == ConfidentialityBasis::Source
            || !self.reasons.iter().all(coded)
    }

    /// Reasons of a given sensitivity, for explanations.
    pub fn reasons_of(&self, sensitivity: Sensitivities) -> impl Iterator<Item = &Reason> {
        self.reasons
            .iter()
            .filter(move |r| r.sensitivity.intersects(sensitivity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shipped(resource: &Value) -> Labels {
        label(resource, CodeLists::shipped(), &RAISED)
    }

    fn sens(code: &str) -> Sensitivities {
        Sensitivities::of(code).expect("a sensitivity")
    }

    fn condition(code: &str) -> Value {
        json!({"resourceType": "Condition", "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]}})
    }

    #[test]
    fn confidentiality_is_what_the_source_states_else_by_rule() {
        assert_eq!(
            shipped(&condition("E11.9")).confidentiality,
            Confidentiality::Normal
        );
        assert_eq!(
            shipped(&condition("F11.20")).confidentiality,
            Confidentiality::Normal,
            "SUD codes alone stay N"
        );
        assert_eq!(
            shipped(&condition("B20")).confidentiality,
            Confidentiality::Restricted,
            "HIV is raised"
        );
        let mut stated = condition("B20");
        stated["meta"] = json!({"security": [{"system": crate::terminology::CONFIDENTIALITY, "code": "N"}]});
        assert_eq!(shipped(&stated).confidentiality, Confidentiality::Normal);
        let mut part2 = condition("E11.9");
        part2["meta"] = json!({"security": [{"system": crate::terminology::ACT_CODE, "code": "42CFRPart2"}]});
        let labels = shipped(&part2);
        assert!(labels.part2 && labels.confidentiality == Confidentiality::Restricted);
    }

    #[test]
    fn codes_set_sensitivity_and_never_the_law() {
        let labels = shipped(&condition("F11.20"));
        assert!(sens("SUD").and_below().intersects(labels.sensitivity) && !labels.part2);
        assert!(matches!(&labels.reasons[0].basis, Basis::Code { path, .. } if path == "Condition.code"));
        assert!(
            shipped(&condition("F17.210")).sensitivity.is_empty(),
            "nicotine is no substance use label"
        );
    }

    #[test]
    fn a_code_below_a_repeating_element_labels_that_element_only() {
        let plan = json!({"resourceType": "CarePlan", "activity": [
            {"detail": {"status": "in-progress"}},
            {"detail": {"code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F11.20"}]}}}]});
        let labels = shipped(&plan);
        assert!(labels.sensitivity.is_empty());
        assert_eq!(labels.elements[0].0, "CarePlan.activity[1].detail.code");
        assert!(
            sens("SUD")
                .and_below()
                .intersects(labels.elements[0].1.sensitivity)
        );
    }

    #[test]
    fn inline_labels_are_read_on_elements_and_primitives() {
        let inline = |code: &str| json!([{"url": source::INLINE_LABEL, "valueCoding": {"system": crate::terminology::ACT_CODE, "code": code}}]);
        let patient = json!({"resourceType": "Patient",
            "name": [{"family": "A"}, {"family": "B", "extension": inline("SDV")}],
            "birthDate": "1990", "_birthDate": {"extension": inline("ADOL")},
            "contact": [{"name": {"given": ["X", "Y"], "_given": [null, {"extension": inline("SDV")}]}}]});
        let labels = shipped(&patient);
        let paths: Vec<&str> = labels.elements.iter().map(|(p, _)| p.as_str()).collect();
        assert_eq!(
            paths,
            [
                "Patient.name[1]",
                "Patient.birthDate",
                "Patient.contact[0].name.given[1]"
            ]
        );
        assert_eq!(labels.elements[0].1.confidentiality, Confidentiality::Restricted);
    }

    #[test]
    fn text_only_adds_suspicion() {
        let request = |text: &str| {
            json!({"resourceType": "MedicationRequest", "note": [{"text": "take with food"}],
            "dosageInstruction": [{"text": text}]})
        };
        for text in [
            "Buprenorphine 8 mg",
            "buprenorphin daily",
            "suboxone film",
            "Bupernorphine",
        ] {
            let labels = shipped(&request(text));
            assert_eq!(labels.suspicions.len(), 1, "{text}");
            assert_eq!(
                labels.suspicions[0].path,
                "MedicationRequest.dosageInstruction[0].text"
            );
            assert!(labels.sensitivity.is_empty(), "suspicion is no label");
        }
        assert!(shipped(&request("one tablet daily")).suspicions.is_empty());
        let mut labelled = request("suboxone film");
        labelled["meta"] = json!({"security": [{"system": crate::terminology::ACT_CODE, "code": "SUD"}]});
        assert!(shipped(&labelled).suspicions.is_empty(), "already labelled");
    }

    #[test]
    fn a_source_label_is_not_widened_by_a_code_that_says_less() {
        let mut stated = condition("F10.20");
        stated["meta"] = json!({"security": [{"system": crate::terminology::ACT_CODE, "code": "ETH"}]});
        let labels = shipped(&stated);
        assert_eq!(labels.to_permit, sens("ETH"));
        assert!(
            labels.sensitivity.covers(sens("ETHUD")),
            "a deny may still use the code"
        );
    }

    #[test]
    fn note_kinds_come_from_the_source() {
        let note = |system: &str, code: &str| json!({"resourceType": "DocumentReference", "meta": {"security": [{"system": system, "code": code}]}});
        let psychotherapy = shipped(&note(crate::terminology::ACT_CODE, "PSYTHPN"));
        assert_eq!(psychotherapy.note_kind, NoteKind::Psychotherapy);
        assert_eq!(psychotherapy.confidentiality, Confidentiality::Restricted);
        assert_eq!(
            shipped(&note(source::NOTE_KIND, "sud-counseling-notes")).note_kind,
            NoteKind::SudCounseling
        );
    }
}
