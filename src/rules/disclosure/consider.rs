//! One resource considered: its layers, its data set, its labelled elements, its projection. What is kept back is written down
//! with its reason. SEMANTICS 2; <https://hl7.org/fhir/R4/security-labels.html>

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::Rules;
use super::explain::{Rule, Withheld};
use super::layers::{Layers, Permitted, Refused};
use super::narrative::PART2_NOTICE;
use super::record::Stored;
use super::written::WrittenValues;
use crate::fhir::excerpt::{Excerpt, Part};
use crate::label::{Company, HighWater, Kept, Labels, ReviewedTexts, is_opaque, label_reviewed, values_at};
use crate::law;
use crate::profile::{self, DataSet, LeadsNowhere, Profile, Projected};
use crate::terminology::{Confidentiality, Sensitivities};

/// A resource that survived its layers and its projection.
pub(super) struct Candidate<'a> {
    pub stored: &'a Stored,
    /// None: the recipient stated all of it itself.
    pub profile: Option<&'a Profile>,
    pub projected: Projected<'a>,
    /// Codes or elements in it have labels, so that those of what is released are more than the source states of it.
    pub labelled: bool,
    /// Elements judged by labels of their own that may leave, if the profile lets them.
    pub elements: Vec<Element>,
    /// The labels of those of them that are released; known once they are taken in.
    pub mark: HighWater,
    /// Paths of elements and texts in it that may not leave.
    pub hidden: BTreeSet<String>,
    pub shared: bool,
    /// Stays whether or not anything leads to it: who answers.
    pub stays: bool,
    /// Legal basis of each layer that permitted it, or an element of it.
    pub basis: BTreeSet<String>,
    /// The resource is content under 42 CFR Part 2.
    pub part2: bool,
    /// What the law asks to go with it.
    pub obligations: law::Obligations,
    /// Sentences that stand in its narrative.
    pub statements: BTreeSet<String>,
}

/// An element with labels of its own, or a text that sounds like some.
pub(super) struct Element {
    pub path: String,
    pub mark: HighWater,
    pub permitted: Permitted,
}

impl Candidate<'_> {
    /// Everything that must be said with it: the notice of `42 CFR 2.32`, the scope of the consent, what is asked of the recipient.
    pub fn notice(&self) -> Option<String> {
        let part2 = self.is_part2().then_some(PART2_NOTICE);
        let said: Vec<&str> = part2
            .into_iter()
            .chain(self.statements.iter().map(String::as_str))
            .collect();
        (!said.is_empty()).then(|| said.join(" "))
    }

    /// Does a refrain from redisclosure travel as a label (v3-ActCode NORDSCLCD)?
    pub fn no_redisclosure(&self) -> bool {
        use law::Obligation::{AskNoFurtherDisclosure, StateRedisclosure};
        self.is_part2()
            || self.obligations.has(AskNoFurtherDisclosure)
            || self.obligations.has(StateRedisclosure)
    }
}

impl<'a> Candidate<'a> {
    /// Projected again, without what `link` says leads nowhere.
    pub fn project(&self, link: Option<&LeadsNowhere<'_>>) -> Option<Projected<'a>> {
        match self.profile {
            Some(profile) => project(profile, self.stored, &self.hidden, link),
            None => Some(self.projected.clone()),
        }
    }

    /// The resource, or a released element of it, is content under 42 CFR Part 2.
    pub fn is_part2(&self) -> bool {
        self.part2 || self.mark.part2
    }

    /// What its labelled elements carry and rest on counts where some part of them is released: what is not there, for
    /// whatever reason, must not show.
    pub fn take_in_elements(&mut self) {
        if self.elements.is_empty() {
            return;
        }
        let released: HashSet<usize> = self.projected.excerpt.scalars().map(address).collect();
        for element in std::mem::take(&mut self.elements) {
            let values = values_at(&self.stored.body, &element.path).unwrap_or_default();
            if values.into_iter().any(|value| holds(value, &released)) {
                self.mark = self.mark.with(element.mark);
                self.basis.extend(element.permitted.basis);
                self.obligations = self.obligations.and(element.permitted.obligations);
                self.statements.extend(element.permitted.statements);
            }
        }
    }
}

/// A document of which every content has its bytes, or leads to them: the rest of it, title and size, speaks of what is not there.
pub(super) fn is_whole(resource_type: &str, projected: &Projected<'_>) -> bool {
    if resource_type != "DocumentReference" {
        return true;
    }
    let content = projected.excerpt.root().and_then(|root| root.member("content"));
    let mut content = content.into_iter().flat_map(Part::parts);
    content.all(|content| {
        let attachment = content.member("attachment");
        attachment.is_some_and(|a| a.member("data").is_some() || a.member("url").is_some())
    })
}

/// What is no DomainResource has no narrative.
pub(super) fn has_narrative(resource_type: &str) -> bool {
    !matches!(resource_type, "Binary" | "Bundle" | "Parameters")
}

/// Why a document goes whole.
const OPAQUE: &str = "something that is said of the document is withheld, and it cannot be filtered inside";
const MUTE: &str =
    "its form has no place for the notice that must go with it; inside its document it would have";

/// An excerpt borrows its scalars from where they are stored, so the place of one tells whether it is there.
pub(super) fn address(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}

/// Is some scalar of `value` among the released?
fn holds(value: &Value, released: &HashSet<usize>) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| holds(item, released)),
        Value::Object(members) => members.values().any(|member| holds(member, released)),
        scalar => released.contains(&address(scalar)),
    }
}

/// Everything but `meta` and `text`, which are made again.
fn whole(body: &Value) -> Projected<'_> {
    let mut excerpt = Excerpt::default();
    let at = excerpt.open_object("");
    let members = body.as_object().into_iter().flatten();
    members
        .filter(|(name, _)| !matches!(name.as_str(), "meta" | "text" | "_text"))
        .for_each(|(name, value)| excerpt.value(name, value));
    excerpt.close(at);
    Projected {
        excerpt,
        links: Vec::new(),
    }
}

pub(super) fn project<'a>(
    profile: &'a Profile,
    stored: &'a Stored,
    hidden: &BTreeSet<String>,
    link: Option<&LeadsNowhere<'_>>,
) -> Option<Projected<'a>> {
    let keeps_back = |path: &str| hidden.contains(path);
    let element: Option<&dyn Fn(&str) -> bool> = if hidden.is_empty() {
        None
    } else {
        Some(&keeps_back)
    };
    profile.excerpt(&stored.body, profile::Withheld { element, link })
}

pub(super) struct Work<'a> {
    pub rules: &'a Rules,
    pub raised: Vec<&'a str>,
    pub data_set: &'a DataSet,
    pub layers: Layers<'a>,
    /// What resources take from the company they keep.
    pub company: &'a Company<'a>,
    pub reviewed: &'a ReviewedTexts,
    pub written: &'a WrittenValues,
    pub withheld: Vec<Withheld>,
}

/// Where it stands that a partner's word is no part of the record yet.
const UNCONFIRMED: &str = "contributed by a partner; staff have not accepted it";

/// Basis of what a recipient stated itself.
const OWN: &str = "own-statement";

impl<'a> Work<'a> {
    /// Layers and projection of one resource. Shared resources that are not released leave no entry: they are
    /// not about the person.
    pub fn consider(&mut self, stored: &'a Stored, shared: bool) -> Option<Candidate<'a>> {
        if let Some(own) = &stored.contributed {
            if own.by == self.layers.recipient.id {
                return Some(self.own_statement(stored));
            }
            if stored.is_unconfirmed() {
                self.keep_back(
                    stored.reference(),
                    Refused::new(Rule::Unconfirmed, None, UNCONFIRMED),
                    shared,
                );
                return None;
            }
        }
        let reviews = self.reviewed.of(&stored.resource_type, &stored.id);
        // What the recipient wrote itself is not kept from it, and not judged.
        let own = self.written.of(&self.layers.recipient.id, stored);
        let judged = own.as_ref().map_or(stored, |own| &own.judged);
        let mut labels = label_reviewed(&judged.body, self.rules.lists, &self.raised, reviews);
        let kept = self.company.kept_by(&stored.resource_type, &stored.id);
        if let Some(kept) = kept {
            kept.raise(&mut labels);
        }
        let permitted = self.layers.judge(judged, &labels);
        let permitted = match permitted {
            Ok(permitted) => permitted,
            Err(refused) => {
                self.keep_back(stored.reference(), refused, shared);
                return None;
            }
        };
        let Some(profile) = self.data_set.profile_of(&stored.body) else {
            let refused = Refused::new(Rule::DataSet, None, self.data_set.name());
            self.keep_back(stored.reference(), refused, shared);
            return None;
        };
        if shared && !self.data_set.directory().contains(&stored.resource_type) {
            return None;
        }
        let (mut hidden, elements) = self.judge_elements(judged, &labels, shared);
        let sensitive = !hidden.is_empty();
        if sensitive && is_opaque(&stored.resource_type) {
            // What is inside cannot be filtered, and what is said of it says what is inside.
            self.keep_back(
                stored.reference(),
                Refused::new(Rule::Shape, None, OPAQUE),
                shared,
            );
            return None;
        }
        if sensitive {
            // What a person typed may speak of what is withheld; only text with a label of its own was judged.
            let read = labels.elements.iter().map(|(path, _)| path);
            let read: BTreeSet<&str> = read.chain(&labels.cleared).map(String::as_str).collect();
            profile::free_text(&stored.body, &mut |path| {
                // An Annotation is one element here, and its sentence was read.
                let read = read.contains(path) || read.contains(format!("{path}.text").as_str());
                if !read && !own.as_ref().is_some_and(|own| own.holds(path)) {
                    hidden.insert(path.to_owned());
                }
            });
        }
        let projected = project(profile, stored, &hidden, None);
        let Some(projected) = projected.filter(|p| is_whole(&stored.resource_type, p)) else {
            let rule = if sensitive { Rule::Shape } else { Rule::DataSet };
            self.keep_back(
                stored.reference(),
                Refused::new(rule, None, self.data_set.name()),
                shared,
            );
            return None;
        };
        let candidate = Candidate {
            stored,
            profile: Some(profile),
            projected,
            labelled: labels.is_more_than_stated() || kept.is_some(),
            elements,
            mark: kept.map(Kept::mark).unwrap_or_default(),
            hidden,
            shared,
            stays: false,
            basis: permitted.basis.into_iter().collect(),
            part2: labels.part2,
            obligations: permitted.obligations,
            statements: permitted.statements.into_iter().collect(),
        };
        if candidate.notice().is_some() && !has_narrative(&stored.resource_type) {
            self.keep_back(stored.reference(), Refused::new(Rule::Shape, None, MUTE), shared);
            return None;
        }
        Some(candidate)
    }

    /// What the recipient itself stated: all of it, whatever its labels and its data set. They travel with it.
    fn own_statement(&self, stored: &'a Stored) -> Candidate<'a> {
        let labels = label_reviewed(&stored.body, self.rules.lists, &self.raised, None);
        let stated = labels.elements.iter().filter(|(_, own)| own.is_stated());
        let mark = stated.fold(HighWater::default(), |mark, (_, own)| {
            mark.with(HighWater::of(own))
        });
        Candidate {
            stored,
            profile: None,
            projected: whole(&stored.body),
            labelled: labels.is_more_than_stated(),
            elements: Vec::new(),
            mark,
            hidden: BTreeSet::new(),
            shared: false,
            stays: false,
            basis: BTreeSet::from([OWN.to_owned()]),
            part2: labels.part2,
            obligations: law::Obligations::default(),
            statements: BTreeSet::new(),
        }
    }

    /// The agency's own Organization: it is about nobody, and whoever asks has its name from the address they asked at.
    pub fn who_answers(&self, agency: &'a Stored) -> Option<Candidate<'a>> {
        let profile = self.data_set.profile_of(&agency.body)?;
        let hidden = BTreeSet::new();
        Some(Candidate {
            stored: agency,
            profile: Some(profile),
            projected: project(profile, agency, &hidden, None)?,
            labelled: false,
            elements: Vec::new(),
            mark: HighWater::default(),
            hidden,
            shared: true,
            stays: true,
            basis: BTreeSet::new(),
            part2: false,
            obligations: law::Obligations::default(),
            statements: BTreeSet::new(),
        })
    }

    /// Paths of labelled elements that this recipient may not have, and of text that sounds like what it may not; and
    /// those that it may have.
    fn judge_elements(
        &mut self,
        stored: &Stored,
        labels: &Labels,
        shared: bool,
    ) -> (BTreeSet<String>, Vec<Element>) {
        let suspected = labels.suspicions.iter().map(|suspicion| {
            let sensitivity = labels.sensitivity.with(suspicion.sensitivity);
            let to_permit = labels.to_permit.with(suspicion.sensitivity);
            let confidentiality = self.at_least_raised(labels.confidentiality, suspicion.sensitivity);
            let own = Labels {
                sensitivity,
                to_permit,
                confidentiality,
                elements: Vec::new(),
                suspicions: Vec::new(),
                ..labels.clone()
            };
            (suspicion.path.clone(), own)
        });
        let judged: Vec<(String, Labels)> = labels.elements.iter().cloned().chain(suspected).collect();
        let (mut hidden, mut elements) = (BTreeSet::new(), Vec::new());
        for (path, own) in judged {
            match self.layers.judge(stored, &own) {
                Ok(permitted) => {
                    // A code or a word is no statement of the source: it travels as the label of what is released, if at all.
                    let stated = labels.elements.iter().any(|(of, _)| *of == path) && own.is_stated();
                    let mark = if stated {
                        HighWater::of(&own)
                    } else {
                        HighWater::default()
                    };
                    elements.push(Element {
                        path,
                        mark,
                        permitted,
                    });
                }
                Err(refused) => {
                    self.keep_back(format!("{}#{path}", stored.reference()), refused, shared);
                    hidden.insert(path);
                }
            }
        }
        (hidden, elements)
    }

    /// Data of a raised sensitivity count as `R`, suspected or not.
    fn at_least_raised(&self, stated: Confidentiality, suspected: Sensitivities) -> Confidentiality {
        let raised = self.raised.iter().filter_map(|code| Sensitivities::of(code));
        let touches = raised
            .fold(Sensitivities::NONE, Sensitivities::with)
            .and_below()
            .intersects(suspected);
        if touches {
            stated.max(Confidentiality::Restricted)
        } else {
            stated
        }
    }

    fn keep_back(&mut self, path: String, refused: Refused, shared: bool) {
        if !shared {
            self.withheld.push(Withheld {
                path,
                rule: refused.rule,
                label: refused.label,
                basis: refused.basis,
            });
        }
    }
}
