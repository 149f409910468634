//! The things kept back in one decision, whole resources and elements, each with its rule. What `decide` names is taken as it
//! is; what the data set, a sentence beside it or a reference took along is told from the stored and the released form.
//! SEMANTICS 1 and 2

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::missing::{holds, missing};
use super::trial::{bodies, reference};
use crate::disclosure::{Decision, Record, Rule, Rules};
use crate::fhir::path::without_indexes;
use crate::profile::{self, Profile};

/// One thing kept back, before its remedy is known.
pub(super) struct Kept {
    pub reference: String,
    pub element: Option<String>,
    pub rule: Rule,
    pub label: Option<String>,
    pub stands_at: String,
    /// It follows something else: a sentence beside it, a reference, a shape.
    pub follows: bool,
}

impl Kept {
    /// The reason in one line.
    pub fn in_words(&self) -> &'static str {
        match self.rule {
            Rule::Unreferenced if self.element.is_some() => "it points to something that is withheld",
            _ if self.follows && self.element.is_some() => "free text beside something that is withheld",
            rule => rule.in_words(),
        }
    }
}

/// In the order of the record: what is withheld whole, then elements of what is released.
pub(super) fn find(record: &Record, decision: &Decision, rules: &Rules) -> Vec<Kept> {
    let about = decision.about();
    let set = rules.data_sets.get(&about.data_set);
    let mut found: Vec<Kept> = Vec::new();
    for withheld in &about.withheld {
        let (reference, element) = match withheld.path.split_once('#') {
            Some((reference, element)) => (reference.to_owned(), Some(element.to_owned())),
            None => (withheld.path.clone(), None),
        };
        let profile = set.and_then(|set| set.profile(reference.split('/').next().unwrap_or_default()));
        let stands_at = match (withheld.rule, profile) {
            (Rule::DataSet, Some(profile)) => canonical(profile),
            (Rule::DataSet, None) => format!("data set {}", about.data_set),
            _ => withheld.basis.clone(),
        };
        found.push(Kept {
            follows: matches!(withheld.rule, Rule::Shape | Rule::Unreferenced),
            rule: withheld.rule,
            label: withheld.label.clone(),
            reference,
            element,
            stands_at,
        });
    }
    let bodies = bodies(decision);
    let released: HashMap<String, &Value> = bodies.iter().map(|body| (reference(body), body)).collect();
    for stored in &record.resources {
        let own = stored.reference();
        let profile = set.and_then(|set| set.profile(&stored.resource_type));
        if let (Some(body), Some(profile)) = (released.get(&own), profile) {
            elements(&stored.body, body, profile, &own, &mut found);
        }
    }
    found
}

fn elements(stored: &Value, released: &Value, profile: &Profile, own: &str, found: &mut Vec<Kept>) {
    let hidden: Vec<(String, Rule, Option<String>)> = found
        .iter()
        .filter(|kept| kept.reference == own)
        .filter_map(|kept| Some((kept.element.clone()?, kept.rule, kept.label.clone())))
        .collect();
    let mut texts: BTreeSet<String> = BTreeSet::new();
    if !hidden.is_empty() {
        profile::free_text(stored, &mut |path| {
            texts.insert(path.to_owned());
        });
    }
    let outside = match profile.project_all(stored) {
        Some(projected) => missing(stored, &projected),
        None => Vec::new(),
    };
    for path in missing(stored, released) {
        if hidden
            .iter()
            .any(|(own, ..)| holds(own, &path) || holds(&path, own))
        {
            continue;
        }
        let beside = texts.iter().any(|text| holds(&path, text) || holds(text, &path));
        let (rule, label, stands_at, follows) = if outside.iter().any(|gone| holds(gone, &path)) {
            (Rule::DataSet, None, canonical(profile), false)
        } else if let Some((first, rule, label)) = hidden.first().filter(|_| beside) {
            (
                *rule,
                label.clone(),
                format!("free text beside {first}, which is withheld"),
                true,
            )
        } else {
            let why = "what is released holds no broken links";
            (Rule::Unreferenced, None, why.to_owned(), true)
        };
        found.push(Kept {
            reference: own.to_owned(),
            element: Some(path),
            rule,
            label,
            stands_at,
            follows,
        });
    }
}

/// `https://…/primary-care-Goal|1.0.0`
fn canonical(profile: &Profile) -> String {
    let version = profile.closed()["version"].as_str().unwrap_or_default();
    format!("{}|{version}", profile.url())
}

/// What a wider data set would have to name.
pub(super) fn to_name(kept: &Kept) -> String {
    let resource_type = kept.reference.split('/').next().unwrap_or_default();
    match &kept.element {
        Some(element) => without_indexes(element),
        None if kept.stands_at.starts_with("data set") => resource_type.to_owned(),
        None => format!("{resource_type} of this kind"),
    }
}
