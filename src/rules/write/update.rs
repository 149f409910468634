//! An update of what a writer sees (PUT, or a patch carried out): what it changed, whether that is its own to write, and what is
//! stored then. SEMANTICS 5; <https://hl7.org/fhir/R4/http.html#update>

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::contribution;
use super::edit::{Edit, edits};
use super::element::groups;
use super::merge::{Found, PutAside, Written, differing, merge};
use super::own::{Right, appends, side};
use super::reference::{make_relative, problems, texts};
use super::refused::Refused;
use super::writer::Writer;
use super::{aside, merge};
use crate::disclosure::{Sighted, Stored, value_digest};
use crate::fhir::element::{Type, table};
use crate::fhir::{Issue, IssueCode, gate};
use crate::label::label_reviewed;
use crate::referral;

/// What becomes of an update.
#[derive(Clone, Debug, PartialEq)]
pub enum Updated {
    /// It says what is there already.
    Nothing,
    Written(Form),
    Proposed(Proposal),
}

/// A resource in its new form.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    pub body: Value,
    /// Place and digest of each value that is the writer's.
    pub values: Vec<(String, [u8; 32])>,
    /// Where something the writer did not see was put aside.
    pub aside: Vec<String>,
    /// Names of the elements that changed.
    pub changed: Vec<String>,
}

/// What staff are asked to change.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Version of the stored form the edits were made from.
    pub version: i64,
    pub edits: Vec<Edit>,
    /// Place and digest of each value that would be the writer's.
    pub values: Vec<(String, [u8; 32])>,
    /// The form with the edits is no valid R4, by something the writer does not see.
    pub invalid: Vec<Issue>,
}

/// `written`: the whole resource as the writer would have it. What it may not see takes no part in what is answered.
pub fn update(writer: &Writer<'_>, sighted: &Sighted, written: &Value) -> Result<Updated, Refused> {
    let (kind, id) = (sighted.resource_type.as_str(), sighted.id.as_str());
    let stored = writer.record.find(kind, id).ok_or(Refused::NotFound)?;
    let released = writer.release.tree(kind, id).ok_or(Refused::NotFound)?;
    let of = table().resource(kind).ok_or(Refused::NotFound)?;
    is_this(written, kind, id)?;
    is_valid(written, &released)?;
    let mut written = written.clone();
    make_relative(&mut written, writer.base);
    let own = stored.body.as_object().ok_or(Refused::NotFound)?;
    let before = sighted.sight.shown_members(own);
    let after = wanted(&written, &before, &released);
    let changed = differing(of, &before, &after);
    if changed.is_empty() {
        return Ok(Updated::Nothing);
    }
    leads_well(writer, of, &changed, (&after, &released))?;
    let right = Right::of(writer, stored, &released);
    let notes_stay = matches!(right, Right::All) || appends(&released["note"], &written["note"]);
    if !right.covers(&changed) || !notes_stay {
        return Ok(Updated::Proposed(propose(writer, of, (stored, sighted), &after)));
    }
    if kind == "Task" {
        is_a_step(writer, (&released, &written), right)?;
    }
    let mut form = carried(writer, of, (stored, sighted), &after);
    if right == Right::All {
        contribution::restate(writer, &mut form.body)?;
    }
    if kind == "Task" && !changed.iter().any(|one| one == "lastModified") {
        form.body["lastModified"] = writer.now.stamp().to_fhir().into();
    }
    form.changed = changed;
    Ok(Updated::Written(form))
}

fn is_this(written: &Value, kind: &str, id: &str) -> Result<(), Refused> {
    let mut issues = Vec::new();
    if written["resourceType"] != kind {
        let why = "the resourceType of the body and of the address differ";
        issues.push(Issue::error(IssueCode::Invalid, "", why));
    }
    if written["id"] != id {
        let why = "the id of the body and of the address differ";
        issues.push(Issue::error(IssueCode::Invalid, "", why));
    }
    if issues.is_empty() {
        Ok(())
    } else {
        Err(Refused::Invalid(issues))
    }
}

/// R4 by shape; nothing that this server does not take.
fn is_valid(written: &Value, released: &Value) -> Result<(), Refused> {
    let mut issues = gate::check(written);
    issues.extend(contribution::not_taken(written, released));
    if issues.is_empty() {
        Ok(())
    } else {
        Err(Refused::Unprocessable(issues))
    }
}

/// The writer's elements, without what is not its to say (`meta`, `text`) and without what the release said of its own accord.
fn wanted(written: &Value, before: &Map<String, Value>, released: &Value) -> Map<String, Value> {
    let of_release =
        |name: &str, value: &Value| !before.contains_key(name) && released.get(name) == Some(value);
    let members = written.as_object().into_iter().flatten();
    let members = members
        .filter(|(name, _)| !matches!(name.as_str(), "meta" | "text" | "_text" | "_meta"))
        .filter(|(name, value)| !of_release(name, value));
    members
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Every reference in what changed names something the writer sees.
fn leads_well(
    writer: &Writer<'_>,
    of: &'static Type,
    changed: &[String],
    (after, released): (&Map<String, Value>, &Value),
) -> Result<(), Refused> {
    let mut known = HashSet::new();
    texts(released, &mut known);
    let touched = groups(Some(of), after)
        .into_iter()
        .filter(|group| changed.iter().any(|one| one == group.name))
        .flat_map(|group| group.to_map());
    let issues = problems(writer, of, &touched.collect(), &|text| known.contains(text));
    if issues.is_empty() {
        Ok(())
    } else {
        Err(Refused::Unprocessable(issues))
    }
}

/// A referral goes from one state to another, in the writer's own organisation, and not in the future.
fn is_a_step(writer: &Writer<'_>, (before, after): (&Value, &Value), right: Right) -> Result<(), Refused> {
    let Some(by) = side(writer, before) else {
        return Ok(());
    };
    let handed_on = right != Right::All && after["owner"] != before["owner"];
    if handed_on && !writer.is_self(&after["owner"]) {
        let why = "a referral is handed on within your own organisation only";
        return Err(Refused::unprocessable(IssueCode::BusinessRule, "Task.owner", why));
    }
    for (date, name) in [
        (&after["executionPeriod"]["end"], "Task.executionPeriod.end"),
        (&after["lastModified"], "Task.lastModified"),
    ] {
        if writer.is_to_come(date) {
            let why = "what is reported has happened: this date is in the future";
            return Err(Refused::unprocessable(IssueCode::BusinessRule, name, why));
        }
    }
    referral::check(Some(before), after, by).map_err(|refused| {
        Refused::Conflict(Issue::error(
            IssueCode::Conflict,
            "Task.businessStatus",
            refused.why,
        ))
    })
}

/// The stored resource with the writer's changes in it. Where the merged form would be no R4 because of something hidden, each
/// changed element is the writer's alone and what was there is put aside.
fn carried(
    writer: &Writer<'_>,
    of: &'static Type,
    (stored, sighted): (&Stored, &Sighted),
    after: &Map<String, Value>,
) -> Form {
    let own = stored.body.as_object().cloned().unwrap_or_default();
    let mut found = Found::default();
    let merged = merge(of, &own, &sighted.sight, after, &mut found);
    let mut body = Value::Object(merged);
    if !gate::check(&body).is_empty() {
        found = Found::default();
        body = Value::Object(merge::whole_elements(of, &own, &sighted.sight, after, &mut found));
    }
    put_aside(writer, stored, &mut body, &found.aside);
    Form {
        values: values_of(&found.written),
        aside: found.aside.into_iter().map(|one| one.path).collect(),
        changed: Vec::new(),
        body,
    }
}

fn values_of(written: &[Written]) -> Vec<(String, [u8; 32])> {
    let digest = |(place, value, beside): &Written| (place.clone(), value_digest(value, Some(beside)));
    written.iter().map(digest).collect()
}

fn put_aside(writer: &Writer<'_>, stored: &Stored, body: &mut Value, aside: &[PutAside]) {
    let raised: Vec<&str> = writer.rules.policy.raised().iter().map(String::as_str).collect();
    let reviews = writer.record.reviewed.of(&stored.resource_type, &stored.id);
    let labels = label_reviewed(&stored.body, writer.rules.lists, &raised, reviews);
    let by = format!("partner:{}", writer.recipient.id);
    aside::keep(body, aside, &labels, (&by, writer.now.stamp()));
}

fn propose(
    writer: &Writer<'_>,
    of: &'static Type,
    (stored, sighted): (&Stored, &Sighted),
    after: &Map<String, Value>,
) -> Proposal {
    let own = stored.body.as_object().cloned().unwrap_or_default();
    let mut found = Found::default();
    let mut body = Value::Object(merge(of, &own, &sighted.sight, after, &mut found));
    put_aside(writer, stored, &mut body, &found.aside);
    let becomes = body.as_object().cloned().unwrap_or_default();
    Proposal {
        version: stored.version,
        values: values_of(&found.written),
        edits: edits(of, &own, &becomes, &found.anew),
        invalid: gate::check(&body),
    }
}
