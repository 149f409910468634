//! An explanation as a page for a terminal: what is released by type, then what is withheld by reason, each with the smallest
//! change that would release it. For compliance staff, who decide what to do next.

use std::fmt::Write as _;

use postern_rules::disclosure::{Denied, Exception, Reason, Seen};
use postern_rules::fhir::path::without_indexes;
use postern_rules::terminology::{ACT_REASON, display};

use crate::gateway::Looked;

const WIDTH: usize = 110;
const LABEL: usize = 12;
/// Lines of names shown for one reason; the rest is counted.
const MOST_NAMES: usize = 14;

pub fn in_words(looked: &Looked) -> String {
    let told = &looked.explanation;
    let mut out = String::new();
    let purpose = display(ACT_REASON, &told.purpose).unwrap_or("");
    let person = match looked.person.as_str() {
        "" => format!("Patient/{}", told.patient),
        name => name.to_owned(),
    };
    let _ = writeln!(
        out,
        "What {} would be shown of {person}, for {} ({purpose})\n",
        told.recipient_name, told.purpose
    );
    field(&mut out, "person", &format!("Patient/{}", told.patient));
    field(
        &mut out,
        "recipient",
        &format!("{}, class {}", told.recipient, looked.partner.class),
    );
    for what in &looked.supposed {
        field(&mut out, "WHAT IF", what);
    }
    match &told.outcome {
        Ok(seen) => shown(&mut out, seen),
        Err(why) => denied(&mut out, why),
    }
    out.push_str("\nFor staff only. This look is on the log.\n");
    out
}

fn denied(out: &mut String, why: &Denied) {
    out.push_str("\nNOTHING: for this recipient the person does not exist (404, empty searches)\n\n");
    field(out, "because", why.criterion);
    field(out, "law", why.law);
    exception(out, why.exception);
    field(out, "to release", &why.change.sentence);
}

fn shown(out: &mut String, seen: &Seen) {
    let (basis, evidence) = (seen.relationship.basis.code(), &seen.relationship.evidence);
    field(out, "related by", &format!("{basis}: {evidence}"));
    for (at, basis) in seen.basis.iter().enumerate() {
        field(out, if at == 0 { "on basis of" } else { "" }, basis);
    }
    field(
        out,
        "data set",
        &format!(
            "{}: {} of {} stored elements",
            seen.data_set, seen.elements_released, seen.elements_stored
        ),
    );
    let _ = writeln!(out, "\nRELEASED  {}\n", count(seen.released.len(), "resource"));
    for (name, titles) in by_type(&seen.released) {
        let many = if titles.len() > 1 {
            format!(" ({})", titles.len())
        } else {
            String::new()
        };
        column(out, &format!("{name}{many}"), 22, &cut(titles, ", "));
    }
    for (at, gap) in seen.gaps.iter().enumerate() {
        field(
            out,
            if at == 0 { "NOT THERE" } else { "" },
            &format!("{gap}: the data set expects it"),
        );
    }
    let _ = writeln!(out, "\nWITHHELD  {}", withheld_count(&seen.withheld));
    let mut named: Vec<Exception> = Vec::new();
    for (number, group) in groups(&seen.withheld).iter().enumerate() {
        reason(out, number + 1, group, &mut named);
    }
}

fn withheld_count(reasons: &[Reason]) -> String {
    let whole = reasons.iter().filter(|reason| reason.element.is_none()).count();
    let elements = reasons.len() - whole;
    if reasons.is_empty() {
        return "nothing".to_owned();
    }
    format!(
        "{}, {} of others",
        count(whole, "resource"),
        count(elements, "element")
    )
}

/// Reasons that say the same of several things, in the order they first stand.
fn groups(reasons: &[Reason]) -> Vec<Vec<&Reason>> {
    let mut groups: Vec<Vec<&Reason>> = Vec::new();
    for reason in reasons {
        let same = |group: &Vec<&Reason>| alike(group[0], reason);
        match groups.iter_mut().find(|group| same(group)) {
            Some(group) => group.push(reason),
            None => groups.push(vec![reason]),
        }
    }
    // The data set's own limits are many and ordinary: last.
    groups.sort_by_key(|group| group[0].rule == "data-set");
    groups
}

fn alike(one: &Reason, other: &Reason) -> bool {
    let data_set = |reason: &Reason| reason.rule == "data-set";
    if data_set(one) && data_set(other) {
        return one.change.steps.is_empty() == other.change.steps.is_empty();
    }
    one.rule == other.rule
        && one.stands_at == other.stands_at
        && one.label == other.label
        && one.change == other.change
}

fn reason(out: &mut String, number: usize, group: &[&Reason], named: &mut Vec<Exception>) {
    let first = group[0];
    let _ = writeln!(out, "\n{number:>2}  {}", capital(first.in_words));
    if let Some(label) = &first.label {
        field(out, "label", label);
    }
    for (at, line) in bases(group).into_iter().enumerate() {
        field(out, if at == 0 { "because of" } else { "" }, &line);
    }
    if first.rule != "data-set" {
        field(out, "stands at", &first.stands_at);
    }
    field(out, "law", first.law);
    match first.exception {
        // Its conditions stand where it is first named.
        Some(known) if named.contains(&known) => field(out, "blocking?", known.citation),
        other => {
            exception(out, other);
            named.extend(other);
        }
    }
    names(out, group);
    if first.rule == "data-set" && first.change.steps.len() == 1 {
        let profiles: Vec<String> = unique(group.iter().map(|reason| profile(&reason.stands_at)));
        field(out, "profiles", &cut(profiles, ", "));
        let change = first.change.sentence.split(", or ").next().unwrap_or_default();
        field(
            out,
            "TO RELEASE",
            &format!("{change}, or the element is added to its profile."),
        );
    } else {
        field(out, "TO RELEASE", &first.change.sentence);
    }
}

/// Why the labels are there: each line once, a few of them.
fn bases(group: &[&Reason]) -> Vec<String> {
    let all = unique(group.iter().flat_map(|reason| reason.label_basis.iter().cloned()));
    let more = all.len().saturating_sub(5);
    let mut shown: Vec<String> = all.into_iter().take(5).collect();
    if more > 0 {
        shown.push(format!("… and {more} more (--json shows all)"));
    }
    shown
}

/// What is kept back: whole resources by title, elements by path.
fn names(out: &mut String, group: &[&Reason]) {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for reason in group {
        let name = reason.reference.split('/').next().unwrap_or_default();
        let what = match &reason.element {
            None => called(reason),
            Some(element) => {
                let path = without_indexes(element.strip_prefix(name).unwrap_or(element));
                path.trim_start_matches('.').to_owned()
            }
        };
        let head = if reason.element.is_some() {
            format!("{name}.")
        } else {
            name.to_owned()
        };
        match lines.iter_mut().find(|(known, _)| *known == head) {
            Some((_, all)) => all.push(what),
            None => lines.push((head, vec![what])),
        }
    }
    let more = lines.len().saturating_sub(MOST_NAMES);
    for (at, (head, all)) in lines.into_iter().take(MOST_NAMES).enumerate() {
        let several = if head.ends_with('.') {
            String::new()
        } else {
            times(all.len())
        };
        let line = format!("{head}{several}  {}", cut(tally(all), ", "));
        field(out, if at == 0 { "withheld" } else { "" }, &line);
    }
    if more > 0 {
        field(out, "", &format!("… and {more} more types (--json shows all)"));
    }
}

fn called(reason: &Reason) -> String {
    let id = reason.reference.rsplit('/').next().unwrap_or_default();
    match reason.title.as_str() {
        "" => id.to_owned(),
        title => title.to_owned(),
    }
}

/// Equal names once, with how many there are.
fn tally(all: Vec<String>) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for name in all {
        match counted.iter_mut().find(|(known, _)| *known == name) {
            Some((_, n)) => *n += 1,
            None => counted.push((name, 1)),
        }
    }
    counted
        .into_iter()
        .map(|(name, n)| if n == 1 { name } else { format!("{name} ×{n}") })
        .collect()
}

fn exception(out: &mut String, exception: Option<Exception>) {
    if let Some(Exception { citation, criterion }) = exception {
        field(out, "blocking?", &format!("{citation}: {criterion}"));
    }
}

fn by_type(released: &[(String, String)]) -> Vec<(&str, Vec<String>)> {
    let mut types: Vec<(&str, Vec<String>)> = Vec::new();
    for (reference, title) in released {
        let (name, id) = reference.split_once('/').unwrap_or((reference, ""));
        let title = if title.is_empty() {
            id.to_owned()
        } else {
            title.clone()
        };
        match types.iter_mut().find(|(known, _)| *known == name) {
            Some((_, titles)) => titles.push(title),
            None => types.push((name, vec![title])),
        }
    }
    types
}

/// A label and its text, wrapped under itself.
fn field(out: &mut String, label: &str, text: &str) {
    column(out, label, LABEL, text);
}

fn column(out: &mut String, label: &str, width: usize, text: &str) {
    let mut line = format!("    {label:<width$}  ");
    let indent = line.chars().count();
    let mut at = indent;
    for word in text.split_whitespace() {
        let long = word.chars().count();
        if at > indent && at + 1 + long > WIDTH {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(indent);
            at = indent;
        }
        if at > indent {
            line.push(' ');
            at += 1;
        }
        line.push_str(word);
        at += long;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// At most so many names that a reader still reads them.
fn cut(mut names: Vec<String>, between: &str) -> String {
    const MOST: usize = 12;
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    let mut text = names.join(between);
    if more > 0 {
        let _ = write!(text, " … and {more} more");
    }
    text
}

fn profile(stands_at: &str) -> String {
    let name = stands_at.rsplit('/').next().unwrap_or(stands_at);
    name.replace('|', " ")
}

fn unique(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn times(n: usize) -> String {
    if n > 1 { format!(" ({n})") } else { String::new() }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + letters.as_str()
}
