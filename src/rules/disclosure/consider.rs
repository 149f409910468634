//! One resource considered: its layers, its data set, its labelled elements, its projection. What is kept back is written down
//! with its reason. SEMANTICS 2; <https://hl7.org/fhir/R4/security-labels.html>

use std::collections::BTreeSet;

use super::explain::{Rule, Withheld};
use super::layers::{Layers, Refused};
use super::record::{Record, Stored};
use super::relationship::{self, Relationship};
use super::{Rules, inline};
use crate::fhir::Now;
use crate::label::{HighWater, Labels, ReviewedTexts, label_reviewed};
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
    /// The resource as a whole is content under 42 CFR Part 2.
    pub part2: bool,
    /// Labelled elements that this recipient may have, if the data set holds them.
    pub labelled: Vec<(String, HighWater)>,
}

impl<'a> Candidate<'a> {
    /// What the labels of its released elements add to its own.
    pub fn elements(&self) -> HighWater {
        inline::released(self.stored, &self.labelled, &self.projected.excerpt)
    }

    /// It, or a released element of it, is content under 42 CFR Part 2.
    pub fn is_part2(&self) -> bool {
        self.part2 || self.elements().part2
    }

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
    pub reviewed: &'a ReviewedTexts,
    pub withheld: Vec<Withheld>,
}

impl<'a> Work<'a> {
    /// The first relationship whose evidence this recipient may know of.
    pub fn relationship(&self, record: &Record, now: &Now) -> Option<Relationship> {
        let all = relationship::find_all(record, self.layers.means_recipient, &self.rules.zone, now);
        let known = all.into_iter().find(|(_, evidence)| {
            let labels = self.labels(evidence);
            self.layers.judge(evidence, &labels).is_ok()
        });
        known.map(|(relationship, _)| relationship)
    }

    fn labels(&self, stored: &Stored) -> Labels {
        let reviews = self.reviewed.of(&stored.resource_type, &stored.id);
        label_reviewed(&stored.body, self.rules.lists, &self.raised, reviews)
    }

    /// Layers and projection of one resource. Shared resources that are not released leave no entry: they are
    /// not about the person.
    pub fn consider(&mut self, stored: &'a Stored, shared: bool) -> Option<Candidate<'a>> {
        let labels = self.labels(stored);
        let permitted = self.layers.judge(stored, &labels);
        let basis = match permitted {
            Ok(basis) => basis,
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
        let mut basis: BTreeSet<String> = basis.into_iter().collect();
        let mut hidden = self.hidden_elements(stored, &labels, shared, &mut basis);
        let labelled = labels.elements.iter().filter(|(path, _)| !hidden.contains(path));
        let labelled = labelled
            .map(|(path, own)| (path.clone(), HighWater::of(own)))
            .collect();
        let sensitive = !hidden.is_empty();
        if sensitive {
            // What a person typed may speak of what is withheld; only text with a label of its own was judged.
            let own = labels.elements.iter().map(|(path, _)| path);
            let own: BTreeSet<&str> = own.chain(&labels.cleared).map(String::as_str).collect();
            profile::free_text(&stored.body, &mut |path| {
                // An Annotation is one element here, and its sentence was read.
                if !own.contains(path) && !own.contains(format!("{path}.text").as_str()) {
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
            basis,
            part2: labels.part2,
            labelled,
        })
    }

    /// Paths of labelled elements that this recipient may not have, and of text that sounds like what it may not.
    /// The bases of those it may have are added to `basis`.
    fn hidden_elements(
        &mut self,
        stored: &Stored,
        labels: &Labels,
        shared: bool,
        basis: &mut BTreeSet<String>,
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
                Ok(permitted) => basis.extend(permitted),
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
