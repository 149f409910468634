//! Which changes are tried for one thing kept back, from the smallest to the largest.
//! 42 CFR 2.31, 45 CFR 164.508(a)(2), 164.514(d)(3), 164.522(a)(2)

use serde_json::Value;

use super::change::{Step, notes_in_words};
use super::find::Kept;
use super::labels::Labelled;
use crate::disclosure::{Record, Refusal, Rule};
use crate::label::NoteKind;
use crate::terminology::Sensitivities;

/// Lists of steps, each a whole change, in the order of trial.
pub(super) fn candidates(
    record: &Record,
    kept: &Kept,
    labelled: Option<&Labelled>,
    to_name: &str,
) -> Vec<Vec<Step>> {
    let widen = Step::WidenDataSet {
        profile: kept.stands_at.clone(),
        element: to_name.to_owned(),
    };
    if kept.rule == Rule::DataSet {
        return vec![vec![widen]];
    }
    let widen = Step::WidenDataSet {
        profile: "the data set".to_owned(),
        element: to_name.to_owned(),
    };
    if kept.rule == Rule::UnclassifiedNote {
        let step = Step::ClassifyNote {
            reference: kept.reference.clone(),
        };
        return vec![vec![step.clone()], vec![step, widen]];
    }
    if kept.rule == Rule::NeverReleased {
        return Vec::new();
    }
    if let Some(notes) = own_authorization(kept, labelled) {
        let own = Step::OwnAuthorization { notes };
        return vec![vec![own.clone()], vec![own, widen]];
    }
    let completed = completed(&kept.stands_at);
    let withdrawn = withdrawn(record, &kept.stands_at);
    let new = new_consents(labelled);
    let mut singles: Vec<Vec<Step>> = Vec::new();
    singles.extend(completed.iter().cloned().map(|step| vec![step]));
    singles.extend(withdrawn.iter().cloned().map(|step| vec![step]));
    singles.extend(new.iter().cloned().map(|step| vec![step]));
    if labelled.is_some_and(|labelled| labelled.suspected)
        && let Some(element) = &kept.element
    {
        let path = format!("{}#{element}", kept.reference);
        singles.push(vec![Step::ReviewText { path }]);
    }
    singles.push(vec![Step::SettleCapacity]);
    singles.push(vec![Step::BreakGlass]);
    let mut several: Vec<Vec<Step>> = Vec::new();
    if withdrawn.len() > 1 {
        several.push(withdrawn.clone());
    }
    // A layer that comes first does not name the provision that also stands in the way.
    let denying = match withdrawn.is_empty() {
        true => denying(record, labelled),
        false => withdrawn,
    };
    if !denying.is_empty() {
        let last = completed.iter().chain(&new);
        several.extend(last.map(|last| denying.iter().chain([last]).cloned().collect()));
    }
    let wider: Vec<Vec<Step>> = singles
        .iter()
        .chain(&several)
        .filter(|steps| !matches!(steps[..], [Step::BreakGlass | Step::SettleCapacity]))
        .map(|steps| steps.iter().chain([&widen]).cloned().collect())
        .collect();
    let mut all: Vec<Vec<Step>> = singles.into_iter().chain(several).chain(wider).collect();
    all.sort_by_key(Vec::len);
    all
}

/// For a person the recipient is told nothing of.
pub(super) fn for_the_person(record: &Record, refusal: Refusal) -> Vec<Vec<Step>> {
    if refusal == Refusal::PurposeNotServed {
        return Vec::new();
    }
    let denying: Vec<Step> = record
        .of_type("Consent")
        .filter(|consent| refuses_whole(&consent.body))
        .map(|consent| Step::Withdraw {
            consent: consent.id.clone(),
            provision: "provision".to_owned(),
        })
        .collect();
    let consent = |part2| Step::NewConsent {
        labels: Vec::new(),
        part2,
    };
    let mut all: Vec<Vec<Step>> = vec![vec![Step::Refer]];
    all.extend(denying.iter().cloned().map(|step| vec![step]));
    all.extend([vec![consent(false)], vec![consent(true)], vec![Step::BreakGlass]]);
    all.extend(denying.iter().cloned().map(|step| vec![step, consent(true)]));
    all.push(vec![Step::Refer, consent(true)]);
    all
}

fn own_authorization(kept: &Kept, labelled: Option<&Labelled>) -> Option<&'static str> {
    let of_rule = match kept.rule {
        Rule::PsychotherapyNotes => NoteKind::Psychotherapy,
        Rule::SudCounselingNotes => NoteKind::SudCounseling,
        _ => NoteKind::General,
    };
    notes_in_words(of_rule).or_else(|| notes_in_words(labelled?.note_kind))
}

/// `insufficient: Consent/x lacks 2.31(a)(7) …, 2.31(a)(10) …`
fn completed(stands_at: &str) -> Vec<Step> {
    let Some((before, lacks)) = stands_at.split_once(" lacks ") else {
        return Vec::new();
    };
    let Some((_, consent)) = before.rsplit_once("Consent/") else {
        return Vec::new();
    };
    vec![Step::CompleteConsent {
        consent: consent.to_owned(),
        lacks: lacks.split(", ").map(str::to_owned).collect(),
    }]
}

/// The denying provisions that the decision names, and refusals as a whole.
fn withdrawn(record: &Record, stands_at: &str) -> Vec<Step> {
    let mut found = Vec::new();
    for part in stands_at.split("; ") {
        let Some(rest) = part.find("Consent/").map(|at| &part[at + "Consent/".len()..]) else {
            continue;
        };
        let (id, provision) = rest.split_once(' ').unwrap_or((rest, "provision"));
        let Some(consent) = record.of_type("Consent").find(|consent| consent.id == id) else {
            continue;
        };
        let provision = if provision.starts_with("provision") {
            provision
        } else {
            "provision"
        };
        let step = Step::Withdraw {
            consent: id.to_owned(),
            provision: provision.to_owned(),
        };
        if denies(&consent.body, provision) && !found.contains(&step) {
            found.push(step);
        }
    }
    let refused = record
        .of_type("Consent")
        .filter(|consent| consent.body["status"] == "rejected");
    found.extend(refused.map(|consent| Step::Withdraw {
        consent: consent.id.clone(),
        provision: "provision".to_owned(),
    }));
    found
}

/// More denying provisions than any form has: the rest is not tried.
const MOST_DENYING: usize = 8;

/// The denying provisions of consents in force that speak of these labels, or of everything.
fn denying(record: &Record, labelled: Option<&Labelled>) -> Vec<Step> {
    let mut found = Vec::new();
    for consent in record
        .of_type("Consent")
        .filter(|consent| consent.body["status"] == "active")
    {
        if denies(&consent.body, "provision") {
            found.push(("provision".to_owned(), &consent.id));
        }
        nested(&consent.body["provision"], "", 0, &mut |path, provision| {
            if provision["type"] == "deny" && speaks_of(provision, labelled) {
                found.push((path.to_owned(), &consent.id));
            }
        });
    }
    found.truncate(MOST_DENYING);
    let step = |(provision, consent): (String, &String)| Step::Withdraw {
        consent: consent.clone(),
        provision,
    };
    found.into_iter().map(step).collect()
}

fn speaks_of(provision: &Value, labelled: Option<&Labelled>) -> bool {
    let Some(labels) = provision["securityLabel"].as_array() else {
        return true;
    };
    let own = labelled.iter().flat_map(|labelled| &labelled.denied_by);
    let own = own
        .filter_map(|code| Sensitivities::of(code))
        .fold(Sensitivities::NONE, Sensitivities::with);
    labels
        .iter()
        .filter_map(|label| label["code"].as_str())
        .any(|code| Sensitivities::of(code).is_none_or(|denied| denied.denied_with().intersects(own)))
}

/// Paths of nested provisions, as the consent engine names them.
fn nested(provision: &Value, path: &str, depth: usize, see: &mut dyn FnMut(&str, &Value)) {
    for (at, child) in provision["provision"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let path = match path {
            "" => format!("provision[{at}]"),
            above => format!("{above}.provision[{at}]"),
        };
        see(&path, child);
        if depth < 8 {
            nested(child, &path, depth + 1, see);
        }
    }
}

/// Does this provision, or for the root the consent as a whole, say no? Payment in full out of pocket binds for good
/// (45 CFR 164.522(a)(2)): it is not for taking back here.
fn denies(consent: &Value, provision: &str) -> bool {
    let rules = consent["policyRule"]["coding"].as_array();
    if rules.is_some_and(|codings| codings.iter().any(|c| c["code"] == "hipaa-self-pay")) {
        return false;
    }
    if provision == "provision" {
        return refuses_whole(consent);
    }
    let mut here = &consent["provision"];
    for index in provision.split('.').filter_map(|step| step.split_once('[')) {
        let at: usize = index.1.trim_end_matches(']').parse().unwrap_or(usize::MAX);
        here = &here["provision"][at];
    }
    here["type"] == "deny"
}

fn refuses_whole(consent: &Value) -> bool {
    let rules = consent["policyRule"]["coding"].as_array().into_iter().flatten();
    let mut codes = rules.filter_map(|coding| coding["code"].as_str());
    consent["status"] == "rejected"
        || consent["provision"]["type"] == "deny"
        || consent["provision"]["type"].is_null()
            && codes.any(|code| matches!(code, "OPTOUT" | "OPTOUTE" | "hipaa-restrictions"))
}

/// For these labels first, then for everything: a narrow consent can take away what a default gave.
fn new_consents(labelled: Option<&Labelled>) -> Vec<Step> {
    let part2 = labelled.is_some_and(|labelled| labelled.part2);
    let labels = labelled
        .map(|labelled| labelled.codes.clone())
        .unwrap_or_default();
    let mut found = vec![Step::NewConsent { labels, part2 }];
    let all = Step::NewConsent {
        labels: Vec::new(),
        part2,
    };
    if !found.contains(&all) {
        found.push(all);
    }
    found
}

/// What staff are told when no change was found.
pub(super) fn why_none(kept: &Kept) -> &'static str {
    match kept.rule {
        Rule::Consent if kept.stands_at.contains("others") => {
            "None: a consent about other recipients stays with the agency."
        }
        Rule::PsychotherapyNotes | Rule::SudCounselingNotes => {
            "None by this door: with the person's own authorization for these notes, staff release them by hand."
        }
        Rule::DataSet => {
            "None found: staff can send it after individual review (`postern disclose`), not by this door."
        }
        Rule::Shape | Rule::Unreferenced => "None of its own: it follows what it refers to or depends on.",
        Rule::Unconfirmed => {
            "Accept it into the record: settle its work item (`postern work settle --accept`)."
        }
        Rule::NeverReleased => "None: personal notes and test material leave by no basis.",
        Rule::LegalProcess => {
            "None by this door: an act of staff with the order attached (`postern disclose`)."
        }
        Rule::SelfPay => {
            "None: the person paid in full and asked that the plan not be told (45 CFR 164.522(a)(1)(vi))."
        }
        _ => {
            "None found: no single consent, label, grant or data set would release it; look at the record with counsel."
        }
    }
}

pub(super) fn why_refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::PurposeNotServed => {
            "None for this purpose: the policy gives this class of recipient no data set for it (profiles/policy.json); \
             legal purposes are acts of staff with the order attached (`postern disclose`)."
        }
        _ => "None found: look at the record with counsel.",
    }
}
