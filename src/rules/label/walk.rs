//! One pass over a resource that collects codes, inline labels and texts with their paths.
//! <https://hl7.org/fhir/R4/security-labels.html>

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::ground::Ground;
use super::review::TextReviews;
use super::source::Stated;
use super::{Basis, CodeLists, ConfidentialityBasis, Labels, NoteKind, Reason, Suspicion, terms};
use crate::terminology::{Confidentiality, LOINC, Sensitivities, loinc_form};

/// The JSON door lets 64 levels in; what is deeper did not come through it and is not followed.
const MAX_DEPTH: usize = 128;

/// Members that never hold a sentence a person wrote about health.
const NO_TEXT: [&str; 15] = [
    "reference",
    "system",
    "url",
    "code",
    "id",
    "contentType",
    "data",
    "status",
    "use",
    "family",
    "given",
    "resourceType",
    "unit",
    // Bytes, not words.
    "valueBase64Binary",
    // Narrative is generated again from what is released.
    "div",
];

/// A coding that stands on a list: path of the coded element, how deep it stands below the resource, what the list says.
pub(super) struct Found<'a> {
    pub path: String,
    pub level: usize,
    pub sensitivity: Sensitivities,
    pub line: u32,
    pub system: &'a str,
    pub code: &'a str,
}

impl<'a> Found<'a> {
    /// The form that a QuestionnaireResponse answers, where LOINC published it.
    pub(super) fn form(canonical: &'a str, path: &str, lists: &CodeLists) -> Option<Found<'a>> {
        let code = loinc_form(canonical)?;
        let hit = lists.lookup(LOINC, code)?;
        Some(Found {
            path: path.to_owned(),
            level: 0,
            sensitivity: hit.sensitivity,
            line: hit.line,
            system: LOINC,
            code,
        })
    }
}

/// Are sentences looked at?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    Read,
    Skipped,
}

/// Where the reasons go, when somebody wants them.
pub(super) struct Grounds<'g>(pub Option<&'g mut Vec<Ground>>);

/// What a walk goes by.
#[derive(Clone, Copy)]
struct Terms<'a> {
    lists: &'a CodeLists,
    raised: Sensitivities,
    reads: Texts,
    reviews: Option<&'a TextReviews>,
}

pub(super) struct Walk<'a, 'g> {
    by: Terms<'a>,
    path: String,
    codes: Vec<Found<'a>>,
    inline: Vec<(String, Stated)>,
    contained: Vec<(String, Labels)>,
    texts: Vec<Suspicion>,
    cleared: Vec<String>,
    /// A document, or its bytes: no code and no list of words looks into it.
    opaque: bool,
    unread: Vec<Suspicion>,
    grounds: Grounds<'g>,
}

/// Types whose content is bytes that nothing here can read.
pub(super) fn is_opaque(resource_type: &str) -> bool {
    matches!(resource_type, "DocumentReference" | "Binary")
}

pub(super) fn label_resource(
    resource: &Value,
    lists: &CodeLists,
    raised: Sensitivities,
    reads: Texts,
    reviews: Option<&TextReviews>,
) -> Labels {
    let by = Terms {
        lists,
        raised,
        reads,
        reviews,
    };
    let path = resource["resourceType"].as_str().unwrap_or("Resource").to_owned();
    Walk::along(resource, by, path, Grounds(None), 0)
}

impl<'a, 'g> Walk<'a, 'g> {
    /// The labels, with their reasons.
    pub(super) fn over(
        resource: &'a Value,
        lists: &'a CodeLists,
        raised: Sensitivities,
        reviews: Option<&'a TextReviews>,
        grounds: Option<&'g mut Vec<Ground>>,
    ) -> Labels {
        let by = Terms {
            lists,
            raised,
            reads: Texts::Read,
            reviews,
        };
        let path = resource["resourceType"].as_str().unwrap_or("Resource").to_owned();
        Walk::along(resource, by, path, Grounds(grounds), 0)
    }

    fn along(resource: &'a Value, by: Terms<'a>, path: String, grounds: Grounds<'g>, depth: usize) -> Labels {
        let mut walk = Walk {
            by,
            path,
            codes: Vec::new(),
            inline: Vec::new(),
            contained: Vec::new(),
            texts: Vec::new(),
            cleared: Vec::new(),
            opaque: resource["resourceType"].as_str().is_some_and(is_opaque),
            unread: Vec::new(),
            grounds,
        };
        if let Some(members) = resource.as_object() {
            walk.members(members, depth, 0);
        }
        walk.finish(Stated::of_meta(resource))
    }

    fn members(&mut self, members: &'a Map<String, Value>, depth: usize, level: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        for (key, value) in members {
            if (level == 0 && key == "meta") || key == "extension" && self.inline_label(value) {
                continue;
            }
            let length = self.path.len();
            self.path.push('.');
            // `_x` and `x` are one element.
            self.path.push_str(key.strip_prefix('_').unwrap_or(key));
            self.value(key, value, depth + 1, level);
            self.path.truncate(length);
        }
    }

    fn value(&mut self, key: &str, value: &'a Value, depth: usize, level: usize) {
        match value {
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    let length = self.path.len();
                    push_index(&mut self.path, i);
                    match key {
                        "contained" if level == 0 => self.contained_resource(item, depth),
                        _ => self.value(key, item, depth, level),
                    }
                    self.path.truncate(length);
                }
            }
            Value::Object(members) => {
                self.coding(key, members, level);
                self.members(members, depth, level + 1);
            }
            Value::String(text) if level == 0 && key == "questionnaire" => self.form(text),
            Value::String(bytes) if self.opaque && key == "data" => self.bytes(bytes),
            Value::String(text) if self.by.reads == Texts::Read && !NO_TEXT.contains(&key) => self.text(text),
            _ => {}
        }
    }

    /// A Coding, or a Quantity-like pair of system and code: both are looked up.
    fn coding(&mut self, key: &str, members: &'a Map<String, Value>, level: usize) {
        // Few members: looking at each is quicker than hashing the names.
        let text = |name: &str| members.iter().find(|(key, _)| *key == name)?.1.as_str();
        let (Some(system), Some(code)) = (text("system"), text("code")) else {
            return;
        };
        let Some(hit) = self.by.lists.lookup(system, code) else {
            return;
        };
        // `level` counts the objects above this one; inside a CodeableConcept the concept is the element.
        let (path, level) = match key {
            "coding" => (
                self.path
                    .rsplit_once(".coding")
                    .map_or(&*self.path, |(concept, _)| concept),
                level.saturating_sub(1),
            ),
            _ => (&*self.path, level),
        };
        let found = Found {
            path: path.to_owned(),
            level,
            sensitivity: hit.sensitivity,
            line: hit.line,
            system,
            code,
        };
        self.grounds.code(self.by.lists, &found);
        self.codes.push(found);
    }

    /// A form published by LOINC is known by its code: `http://loinc.org/q/44249-1`.
    fn form(&mut self, canonical: &'a str) {
        if let Some(found) = Found::form(canonical, &self.path, self.by.lists) {
            self.grounds.code(self.by.lists, &found);
            self.codes.push(found);
        }
    }

    /// Bytes that nobody has labelled may say anything; staff who read these very bytes say what.
    fn bytes(&mut self, bytes: &str) {
        if self.by.reads == Texts::Skipped {
            return;
        }
        match self.by.reviews.and_then(|reviews| reviews.of(&self.path, bytes)) {
            Some(labels) => self.reviewed_text(labels),
            None => self.unread.push(Suspicion {
                path: self.path.clone(),
                sensitivity: Sensitivities::all(),
            }),
        }
    }

    fn inline_label(&mut self, extensions: &Value) -> bool {
        let Some(stated) = Stated::of_extensions(extensions) else {
            return false;
        };
        self.grounds.stated(&self.path, &stated);
        self.inline.push((self.path.clone(), stated));
        // Other extensions beside the label are still walked.
        extensions.as_array().is_some_and(|list| list.len() == 1)
    }

    fn contained_resource(&mut self, resource: &'a Value, depth: usize) {
        if depth >= MAX_DEPTH || !resource.is_object() {
            return;
        }
        // Paths inside are those of the container, so that one list serves the projection.
        let grounds = Grounds(self.grounds.0.as_deref_mut());
        let mut labels = Walk::along(resource, self.by, self.path.clone(), grounds, depth + 1);
        self.contained.append(&mut labels.elements);
        self.texts.append(&mut labels.suspicions);
        self.cleared.append(&mut labels.cleared);
        self.contained.push((self.path.clone(), labels));
    }

    fn text(&mut self, text: &str) {
        let reviewed = self.by.reviews.and_then(|reviews| reviews.of(&self.path, text));
        if let Some(labels) = reviewed {
            return self.reviewed_text(labels);
        }
        let sensitivity = terms::suspect(text);
        if !sensitivity.is_empty() {
            self.texts.push(Suspicion {
                path: self.path.clone(),
                sensitivity,
            });
        }
    }

    /// Staff read this very text: their word takes the place of any suspicion.
    fn reviewed_text(&mut self, labels: Sensitivities) {
        if labels.is_empty() {
            self.cleared.push(self.path.clone());
            return;
        }
        let stated = Stated {
            sensitivity: labels,
            reviewed: true,
            ..Stated::default()
        };
        self.grounds.stated(&self.path, &stated);
        self.inline.push((self.path.clone(), stated));
    }

    fn finish(mut self, stated: Stated) -> Labels {
        self.grounds.stated(&self.path, &stated);
        if !stated.says_what_it_holds() {
            self.texts.append(&mut self.unread);
        }
        let (own, below): (Vec<_>, Vec<_>) = self.codes.into_iter().partition(|found| found.level == 0);
        let mut labels = compose(stated, &own, self.by.raised);
        if labels.confidentiality_basis == ConfidentialityBasis::Rule {
            self.grounds.rule(&self.path, &labels);
        }
        // A hostile resource may hold a hundred thousand labels: every path is looked up, none searched for.
        let mut at: HashMap<String, usize> = HashMap::new();
        let mut elements: Vec<(String, Stated, Vec<Found<'_>>)> = Vec::new();
        let found = self.inline.into_iter().map(|(path, stated)| (path, stated, None));
        let found = found.chain(
            below
                .into_iter()
                .map(|hit| (hit.path.clone(), Stated::default(), Some(hit))),
        );
        for (path, stated, hit) in found {
            let index = *at.entry(path.clone()).or_insert(elements.len());
            if index == elements.len() {
                elements.push((path, stated, Vec::new()));
            }
            elements[index].2.extend(hit);
        }
        for (path, stated, hits) in elements {
            let own = compose(stated, &hits, self.by.raised);
            if own.confidentiality_basis == ConfidentialityBasis::Rule {
                self.grounds.rule(&path, &own);
            }
            labels.elements.push((path, own));
        }
        labels.elements.extend(
            self.contained
                .into_iter()
                .filter(|(_, inner)| says_something(inner)),
        );
        labels.suspicions = open_suspicions(self.texts, &labels);
        labels.cleared = self.cleared;
        labels
    }
}

/// Most lists have fewer than ten items.
fn push_index(path: &mut String, index: usize) {
    match u8::try_from(index) {
        Ok(digit @ 0..10) => path.extend(['[', char::from(b'0' + digit), ']']),
        // Writing to a String does not fail.
        _ => drop(write!(path, "[{index}]")),
    }
}

fn says_something(labels: &Labels) -> bool {
    labels.part2
        || labels.note_kind != NoteKind::General
        || labels.provenance.says_something()
        || !labels.sensitivity.is_empty()
        || labels.confidentiality > Confidentiality::Normal
}

/// Labels from what is stated and what codes imply; the source's word is kept when it says the same more exactly.
pub(super) fn compose(stated: Stated, codes: &[Found<'_>], raised: Sensitivities) -> Labels {
    let mut labels = Labels {
        confidentiality: Confidentiality::Normal,
        confidentiality_basis: ConfidentialityBasis::Default,
        sensitivity: stated.sensitivity,
        to_permit: stated.sensitivity,
        reasons: Vec::new(),
        part2: stated.part2,
        note_kind: stated.note_kind,
        provenance: stated.provenance,
        elements: Vec::new(),
        suspicions: Vec::new(),
        cleared: Vec::new(),
    };
    if !stated.sensitivity.is_empty() {
        labels.reasons.push(Reason {
            sensitivity: stated.sensitivity,
            basis: if stated.reviewed {
                Basis::Review
            } else {
                Basis::Source
            },
        });
    }
    for hit in codes {
        add(&mut labels, hit);
    }
    let restricted =
        stated.part2 || stated.note_kind != NoteKind::General || labels.sensitivity.intersects(raised);
    (labels.confidentiality, labels.confidentiality_basis) = match stated.confidentiality {
        Some(stated) => (stated, ConfidentialityBasis::Source),
        None if restricted => (Confidentiality::Restricted, ConfidentialityBasis::Rule),
        None => (Confidentiality::Normal, ConfidentialityBasis::Default),
    };
    labels
}

/// A code that says what the source already said, more or less exactly, is one more reason to deny but nothing more
/// for a permit to cover: a source that labels F10.20 as ETH has been understood.
fn add(labels: &mut Labels, found: &Found<'_>) {
    let Found {
        path,
        sensitivity,
        line,
        ..
    } = found;
    let stated = labels.reasons.first();
    let stated = stated.filter(|r| matches!(r.basis, Basis::Source | Basis::Review));
    let stated = stated.map_or(Sensitivities::NONE, |r| r.sensitivity);
    labels.sensitivity = labels.sensitivity.with(*sensitivity);
    labels.to_permit = labels.to_permit.with(unsaid(*sensitivity, stated));
    labels.reasons.push(Reason {
        sensitivity: *sensitivity,
        basis: Basis::Code {
            path: path.clone(),
            line: *line,
        },
    });
}

/// What of `found` is neither above, below nor equivalent to anything `known`.
fn unsaid(found: Sensitivities, known: Sensitivities) -> Sensitivities {
    if known.is_empty() {
        return found;
    }
    let known_widely = known.denied_with();
    let new = found.codes().filter_map(Sensitivities::of);
    let new = new.filter(|code| !known.intersects(code.denied_with()) && !known_widely.intersects(*code));
    new.fold(Sensitivities::NONE, Sensitivities::with)
}

/// A suspicion that a label already covers, on the resource or on an element around the text, says nothing new.
fn open_suspicions(mut suspicions: Vec<Suspicion>, labels: &Labels) -> Vec<Suspicion> {
    if suspicions.is_empty() {
        return suspicions;
    }
    let mut elements: HashMap<&str, Sensitivities> = HashMap::new();
    for (path, element) in &labels.elements {
        let known = elements.entry(path).or_default();
        *known = known.with(element.sensitivity);
    }
    for suspicion in &mut suspicions {
        let path = &suspicion.path;
        let ends = path
            .match_indices(['.', '['])
            .map(|(at, _)| at)
            .chain([path.len()]);
        let around = ends.filter_map(|end| elements.get(&path[..end]));
        let known = around.fold(labels.sensitivity, |known, element| known.with(*element));
        suspicion.sensitivity = unsaid(suspicion.sensitivity, known);
    }
    suspicions.retain(|s| !s.sensitivity.is_empty());
    suspicions
}
