//! A disclosure that the API never makes: a named member of staff decides on recorded facts, chooses the resources, and names the
//! recipient. The law of that ground is asked for each resource and each labelled element; the projection is that of a named data
//! set. `45 CFR 164.512(c)`, `(e)`, `(j)`, `164.510(b)`; `42 CFR 2.61` to `2.67`

use std::collections::BTreeSet;

use super::consider::{Candidate, Element, project};
use super::explain::{Rule, Withheld};
use super::finish::finish;
use super::layers::Permitted;
use super::record::{Record, Stored};
use super::relationship::{Basis, Relationship};
use super::release::{About, Decision};
use super::{Rules, references};
use crate::fhir::{Issue, IssueCode, Now};
use crate::label::{Company, HighWater, Kept, Labels, ReviewedTexts, is_opaque, label_reviewed};
use crate::law::staff_act::{Answer, Ground, Stated, covers, judge};
use crate::law::{Agency, Obligations, Source};
use crate::profile::{self, DataSet};
use crate::search::Extractor;

/// What a member of staff decided to disclose.
#[derive(Clone, Copy, Debug)]
pub struct StaffAct<'a> {
    pub stated: &'a Stated,
    pub ground: &'a Ground,
    /// `Type/id` of each resource. The person goes with them, so that the recipient knows of whom they are.
    pub chosen: &'a [String],
    pub data_set: &'a str,
}

/// More than anybody chooses one by one.
const MOST: usize = 500;

/// The decision of a staff act: what leaves, in the form of the data set. `Err` lists everything that is missing or barred, for
/// staff; then nothing leaves.
pub fn by_staff(
    record: &Record,
    act: &StaffAct<'_>,
    rules: &Rules,
    now: &Now,
) -> Result<Decision, Vec<Issue>> {
    let mut problems = Vec::new();
    if let Answer::Needs(missing) = judge(act.stated, act.ground) {
        let needs = missing
            .into_iter()
            .map(|what| Issue::error(IssueCode::Required, "facts", what));
        problems.extend(needs);
    }
    let chosen = chosen(record, act, &mut problems);
    let Some(data_set) = rules.data_sets.get(act.data_set) else {
        let mut names: Vec<&str> = rules.data_sets.keys().map(String::as_str).collect();
        names.sort_unstable();
        let why = format!("no such data set; there are {}", names.join(", "));
        problems.push(Issue::error(IssueCode::Value, "dataSet", why));
        return Err(problems);
    };
    let raised: Vec<&str> = rules.policy.raised().iter().map(String::as_str).collect();
    let company = Company::of(record.all().map(|stored| &stored.body), rules.lists, &raised);
    let mut work = Work {
        act,
        rules,
        data_set,
        company: &company,
        reviewed: &record.reviewed,
        withheld: Vec::new(),
        problems,
    };
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for (at, stored) in chosen {
        candidates.extend(work.consider(at, stored));
    }
    references::settle(&mut candidates, &mut work.withheld);
    for kept in work.withheld.iter().filter(|kept| !kept.path.contains('#')) {
        let why = format!(
            "{} cannot be sent in a valid form without what is left out",
            kept.path
        );
        work.problems
            .push(Issue::error(IssueCode::BusinessRule, "what", why));
    }
    if !work.problems.is_empty() {
        return Err(work.problems);
    }
    Ok(decision(record, act, rules, now, candidates, work.withheld))
}

/// The person and what was chosen, each once, with its place in the list.
fn chosen<'r>(
    record: &'r Record,
    act: &StaffAct<'_>,
    problems: &mut Vec<Issue>,
) -> Vec<(Option<usize>, &'r Stored)> {
    let mut found: Vec<(Option<usize>, &Stored)> = record
        .of_type("Patient")
        .filter(|patient| patient.id == record.patient)
        .map(|patient| (None, patient))
        .collect();
    if act.chosen.is_empty() {
        problems.push(Issue::error(
            IssueCode::Required,
            "what",
            "name at least one resource, as Type/id",
        ));
    }
    if act.chosen.len() > MOST {
        let why = format!("at most {MOST} resources: staff choose each one");
        problems.push(Issue::error(IssueCode::TooCostly, "what", why));
    }
    for (at, reference) in act.chosen.iter().take(MOST).enumerate() {
        match record.resources.iter().find(|one| one.reference() == *reference) {
            None => problems.push(Issue::error(
                IssueCode::NotFound,
                format!("what[{at}]"),
                "this person's record has no such resource (Type/id)",
            )),
            Some(one) if found.iter().any(|(_, known)| known.reference() == *reference) => {
                // The person, or said twice.
                let _ = one;
            }
            Some(one) => found.push((Some(at), one)),
        }
    }
    found
}

struct Work<'a> {
    act: &'a StaffAct<'a>,
    rules: &'a Rules,
    data_set: &'a DataSet,
    company: &'a Company<'a>,
    reviewed: &'a ReviewedTexts,
    withheld: Vec<Withheld>,
    problems: Vec<Issue>,
}

impl<'a> Work<'a> {
    fn consider(&mut self, at: Option<usize>, stored: &'a Stored) -> Option<Candidate<'a>> {
        let place = at.map_or_else(|| "patient".to_owned(), |at| format!("what[{at}]"));
        let raised: Vec<&str> = self.rules.policy.raised().iter().map(String::as_str).collect();
        let mut labels = label_reviewed(
            &stored.body,
            self.rules.lists,
            &raised,
            self.reviewed.of(&stored.resource_type, &stored.id),
        );
        let kept = self.company.kept_by(&stored.resource_type, &stored.id);
        if let Some(kept) = kept {
            kept.raise(&mut labels);
        }
        if let Err(why) = self.lets(&labels) {
            self.problems
                .push(Issue::error(IssueCode::BusinessRule, place, why));
            return None;
        }
        let Some(profile) = self.data_set.profile_of(&stored.body) else {
            let why = format!(
                "data set {} does not hold this; name another",
                self.data_set.name()
            );
            self.problems
                .push(Issue::error(IssueCode::BusinessRule, place, why));
            return None;
        };
        let mut hidden = self.hidden(stored, &labels);
        if !hidden.is_empty() && is_opaque(&stored.resource_type) {
            let why = "something said of the document is barred, and it cannot be filtered inside";
            self.problems
                .push(Issue::error(IssueCode::BusinessRule, place, why));
            return None;
        }
        if !hidden.is_empty() {
            let own: BTreeSet<&str> = labels.elements.iter().map(|(path, _)| path.as_str()).collect();
            profile::free_text(&stored.body, &mut |path| {
                if !own.contains(path) {
                    hidden.insert(path.to_owned());
                }
            });
        }
        let Some(projected) = project(profile, stored, &hidden, None) else {
            let why = "nothing of it is left in the form of this data set";
            self.problems
                .push(Issue::error(IssueCode::BusinessRule, place, why));
            return None;
        };
        let stated = labels
            .elements
            .iter()
            .filter(|(path, own)| own.is_stated() && !hidden.contains(path));
        let elements = stated
            .map(|(path, own)| Element {
                path: path.clone(),
                mark: HighWater::of(own),
                permitted: Permitted::default(),
            })
            .collect();
        Some(Candidate {
            stored,
            profile: Some(profile),
            projected,
            labelled: labels.is_more_than_stated() || kept.is_some(),
            elements,
            mark: kept.map(Kept::mark).unwrap_or_default(),
            hidden,
            shared: false,
            stays: false,
            basis: BTreeSet::from([format!(
                "{} {}",
                basis_code(self.act.ground),
                self.act.ground.cite()
            )]),
            part2: labels.part2,
            obligations: Obligations::default(),
            statements: BTreeSet::new(),
        })
    }

    fn lets(&self, labels: &Labels) -> Result<(), &'static str> {
        covers(
            self.act.ground,
            &Source::of(labels, &Agency::of(&self.rules.policy)),
        )
    }

    /// Labelled elements that this ground does not cover.
    fn hidden(&mut self, stored: &Stored, labels: &Labels) -> BTreeSet<String> {
        let mut hidden = BTreeSet::new();
        for (path, own) in &labels.elements {
            if let Err(why) = self.lets(own) {
                self.withheld.push(Withheld {
                    path: format!("{}#{path}", stored.reference()),
                    rule: if own.part2 {
                        Rule::Part2
                    } else {
                        Rule::NeverReleased
                    },
                    label: own.part2.then(|| "42CFRPart2".to_owned()),
                    basis: why.to_owned(),
                });
                hidden.insert(path.clone());
            }
        }
        hidden
    }
}

/// The ground as a legal basis on the log.
fn basis_code(ground: &Ground) -> &'static str {
    match ground {
        Ground::Threat(_) => "threat-164.512(j)",
        Ground::AbuseReport(_) => "abuse-report-164.512(c)",
        Ground::Involvement(_) => "involved-person-164.510(b)",
        Ground::LegalProcess(_) => "legal-process-164.512(e)",
    }
}

/// Purpose of use (v3-ActReason).
pub fn purpose_of(ground: &Ground) -> &'static str {
    match ground {
        Ground::Threat(_) => "THREAT",
        Ground::AbuseReport(_) => "PUBHLTH",
        Ground::Involvement(_) => "FAMRQT",
        Ground::LegalProcess(_) => "HLEGAL",
    }
}

fn decision(
    record: &Record,
    act: &StaffAct<'_>,
    rules: &Rules,
    now: &Now,
    mut candidates: Vec<Candidate<'_>>,
    withheld: Vec<Withheld>,
) -> Decision {
    candidates.iter_mut().for_each(Candidate::take_in_elements);
    let raised: Vec<&str> = rules.policy.raised().iter().map(String::as_str).collect();
    let part2 = candidates.iter().any(Candidate::is_part2);
    let basis: BTreeSet<String> = candidates.iter().flat_map(|c| c.basis.iter().cloned()).collect();
    let (mut resources, mut bytes) = (Vec::with_capacity(candidates.len()), Vec::new());
    let mut extractor = Extractor::new(&rules.zone);
    for mut candidate in candidates {
        let own: Vec<String> = std::mem::take(&mut candidate.basis).into_iter().collect();
        let written = (&mut bytes, &mut extractor);
        resources.extend(finish(candidate, own, rules.lists, &raised, written));
    }
    let about = About {
        recipient: act.stated.recipient.clone(),
        purpose: purpose_of(act.ground).to_owned(),
        patient: record.patient.clone(),
        record: record.version,
        world: record.world,
        data_set: act.data_set.to_owned(),
        relationship: Relationship {
            basis: Basis::StaffAct,
            evidence: act.ground.cite().to_owned(),
        },
        basis: basis.into_iter().collect(),
        withheld,
        elements_stored: 0,
        elements_released: 0,
        part2,
        grant: None,
        valid_until: now.valid_until(),
    };
    Decision { about, resources }
}
