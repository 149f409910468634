//! One resource considered: its layers, its data set, its labelled elements, its projection. What is kept back is written down
//! with its reason. SEMANTICS 2; <https://hl7.org/fhir/R4/security-labels.html>

use std::collections::BTreeSet;

use super::Rules;
use super::explain::{Rule, Withheld};
use super::layers::{Layers, Permitted, Refused};
use super::narrative::PART2_NOTICE;
use super::record::Stored;
use crate::label::{Labels, label};
use crate::law;
use crate::profile::{self, DataSet, Profile, Projected};
use crate::terminology::{Confidentiality, Sensitivities};

/// A resource that survived its layers and its projection.
pub(super) struct Candidate<'a> {
    pub stored: &'a Stored,
    pub profile: &'a Profile,
    pub projected: Projected<'a>,
    /// Some code in it implies a label of the whole.
    pub coded: bool,
    /// Paths of elements and texts in it that may not leave.
    pub hidden: BTreeSet<String>,
    pub shared: bool,
    /// Legal basis of each layer that permitted it, or an element of it.
    pub basis: BTreeSet<String>,
    /// The resource, or a released element of it, is content under 42 CFR Part 2.
    pub part2: bool,
    /// What the law asks to go with it.
    pub obligations: law::Obligations,
    /// Sentences that stand in its narrative.
    pub statements: BTreeSet<String>,
}

impl Candidate<'_> {
    /// Everything that must be said with it: the notice of `42 CFR 2.32`, the scope of the consent, what is asked of the recipient.
    pub fn notice(&self) -> Option<String> {
        let part2 = self.part2.then_some(PART2_NOTICE);
        let said: Vec<&str> = part2
            .into_iter()
            .chain(self.statements.iter().map(String::as_str))
            .collect();
        (!said.is_empty()).then(|| said.join(" "))
    }

    /// Does a refrain from redisclosure travel as a label (v3-ActCode NORDSCLCD)?
    pub fn no_redisclosure(&self) -> bool {
        use law::Obligation::{AskNoFurtherDisclosure, StateRedisclosure};
        self.part2 || self.obligations.has(AskNoFurtherDisclosure) || self.obligations.has(StateRedisclosure)
    }
}

impl<'a> Candidate<'a> {
    /// Projected again, without what `link` says leads nowhere.
    pub fn project(&self, link: Option<&dyn Fn(Option<&str>) -> bool>) -> Option<Projected<'a>> {
        project(self.profile, self.stored, &self.hidden, link)
    }
}

fn project<'a>(
    profile: &'a Profile,
    stored: &'a Stored,
    hidden: &BTreeSet<String>,
    link: Option<&dyn Fn(Option<&str>) -> bool>,
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
    pub withheld: Vec<Withheld>,
}

impl<'a> Work<'a> {
    /// Layers and projection of one resource. Shared resources that are not released leave no entry: they are
    /// not about the person.
    pub fn consider(&mut self, stored: &'a Stored, shared: bool) -> Option<Candidate<'a>> {
        let labels = label(&stored.body, self.rules.lists, &self.raised);
        let permitted = self.layers.judge(stored, &labels);
        let mut permitted = match permitted {
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
        let mut hidden = self.hidden_elements(stored, &labels, shared, &mut permitted);
        let part2 = labels.part2
            || labels
                .elements
                .iter()
                .any(|(path, own)| own.part2 && !hidden.contains(path));
        let sensitive = !hidden.is_empty();
        if sensitive {
            // What a person typed may speak of what is withheld; only text with a label of its own was judged.
            let own: BTreeSet<&str> = labels.elements.iter().map(|(path, _)| path.as_str()).collect();
            profile::free_text(&stored.body, &mut |path| {
                if !own.contains(path) {
                    hidden.insert(path.to_owned());
                }
            });
        }
        let Some(projected) = project(profile, stored, &hidden, None) else {
            let rule = if sensitive { Rule::Shape } else { Rule::DataSet };
            self.keep_back(
                stored.reference(),
                Refused::new(rule, None, self.data_set.name()),
                shared,
            );
            return None;
        };
        Some(Candidate {
            stored,
            profile,
            projected,
            coded: labels.is_coded(),
            hidden,
            shared,
            basis: permitted.basis.into_iter().collect(),
            part2,
            obligations: permitted.obligations,
            statements: permitted.statements.into_iter().collect(),
        })
    }

    /// Paths of labelled elements that this recipient may not have, and of text that sounds like what it may not.
    /// What those it may have rest on and bring along is added to `permitted`.
    fn hidden_elements(
        &mut self,
        stored: &Stored,
        labels: &Labels,
        shared: bool,
        permitted: &mut Permitted,
    ) -> BTreeSet<String> {
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
        let mut hidden = BTreeSet::new();
        for (path, own) in judged {
            match self.layers.judge(stored, &own) {
                Ok(own) => {
                    permitted.basis.extend(own.basis);
                    permitted.obligations = permitted.obligations.and(own.obligations);
                    permitted.statements.extend(own.statements);
                }
                Err(refused) => {
                    self.keep_back(format!("{}#{path}", stored.reference()), refused, shared);
                    hidden.insert(path);
                }
            }
        }
        hidden
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
