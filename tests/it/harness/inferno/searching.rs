//! What Inferno's search tests put into a parameter, taken from a resource that is there, and which resources that has to find:
//! worked out here from the resources alone, by R4's words.
//! <https://hl7.org/fhir/R4/search.html>

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use super::Group;
use super::navigation::{Node, list};

/// The zone of the agency, as it is where nothing else is configured.
const ZONE: &str = "America/Chicago";

/// The parameter as it is asked for, with the value.
pub type Asked = (String, String);

impl Group {
    /// What Inferno would ask for to find this resource again; none when it has nothing there.
    pub fn value_for(&self, resource: &Value, parameter: &str) -> Option<String> {
        self.values(resource, parameter)
            .into_iter()
            .find_map(|node| text_of(node.value?))
    }

    /// The same with the system of the code before it.
    pub fn value_with_system(&self, resource: &Value, parameter: &str) -> Option<String> {
        let of = |value: &Value| {
            let codings = list(&value["coding"]).chain([value]);
            let mut both = codings.filter_map(|c| Some((c["system"].as_str()?, c["code"].as_str()?)));
            both.next().map(|(system, code)| format!("{system}|{code}"))
        };
        let found = self.values(resource, parameter);
        found.into_iter().find_map(|node| of(node.value?))
    }

    /// Each value that this resource has for the parameter.
    pub fn all_values(&self, resource: &Value, parameter: &str) -> Vec<String> {
        let found = self.values(resource, parameter);
        found
            .into_iter()
            .filter_map(|node| text_of(node.value?))
            .collect()
    }

    /// Does the resource answer to all of these?
    pub fn answers(&self, resource: &Value, asked: &[Asked]) -> bool {
        asked.iter().all(|(parameter, wanted)| {
            let kind = self.parameter(parameter)["type"].as_str().unwrap_or_default();
            let found = self.values(resource, parameter);
            let mut alternatives = wanted.split(',');
            alternatives.any(|one| found.iter().any(|node| holds(node, kind, one)))
        })
    }
}

fn text_of(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let code = || list(&value["coding"]).find_map(|coding| coding["code"].as_str().map(str::to_owned));
    let number = || Some(format!("{}|{}", text("system")?, text("value")?));
    let given = || list(&value["given"]).find_map(|name| name.as_str().map(str::to_owned));
    let period = || {
        let start = text("start").and_then(|start| moved(&start, -24));
        let end = || text("end").and_then(|end| moved(&end, 24));
        start
            .map(|s| format!("gt{s}"))
            .or_else(|| end().map(|e| format!("lt{e}")))
    };
    text("reference")
        .or_else(code)
        .or_else(|| text("code"))
        .or_else(number)
        .or_else(|| text("family"))
        .or_else(given)
        .or_else(period)
}

/// The instant so many hours later.
pub fn moved(text: &str, hours: i64) -> Option<String> {
    let (start, _) = span(text)?;
    let instant = start.checked_add(hours.hours()).ok()?;
    Some(instant.round(jiff::Unit::Second).ok()?.to_string())
}

fn holds(node: &Node<'_>, kind: &str, wanted: &str) -> bool {
    let Some(value) = node.value else { return false };
    let is = |name: &str, wanted: &str| value[name].as_str() == Some(wanted);
    match kind {
        "CodeableConcept" => list(&value["coding"]).any(|coding| is_coding(coding, wanted)),
        "Coding" => is_coding(value, wanted),
        "Identifier" => match wanted.split_once('|') {
            Some((system, number)) => is("system", system) && is("value", number),
            None => is("value", wanted),
        },
        "Reference" => value["reference"]
            .as_str()
            .is_some_and(|own| own == wanted || own.ends_with(&format!("/{wanted}"))),
        "HumanName" | "string" => parts(value).iter().any(|part| starts_with(part, wanted)),
        "date" | "dateTime" | "instant" | "Period" => is_then(value, wanted),
        _ => value.as_str() == Some(wanted),
    }
}

fn is_coding(coding: &Value, wanted: &str) -> bool {
    match wanted.split_once('|') {
        Some((system, code)) => coding["system"] == system && coding["code"] == code,
        None => coding["code"] == wanted,
    }
}

/// The texts of a name.
fn parts(value: &Value) -> Vec<&str> {
    let single = ["family", "text"].into_iter().map(|name| &value[name]);
    let several = ["given", "prefix", "suffix"]
        .into_iter()
        .flat_map(|name| list(&value[name]));
    let all = single.chain(several).chain([value]);
    all.filter_map(Value::as_str).collect()
}

fn starts_with(text: &str, wanted: &str) -> bool {
    text.to_lowercase().starts_with(&wanted.to_lowercase())
}

/// Compared by what R4 says of its prefixes.
fn is_then(value: &Value, wanted: &str) -> bool {
    let (prefix, date) = match wanted.get(..2).filter(|two| two.chars().all(char::is_alphabetic)) {
        Some(prefix) => (prefix, &wanted[2..]),
        None => ("eq", wanted),
    };
    let Some(asked) = span(date) else { return false };
    let own = match value.as_str() {
        Some(text) => span(text),
        None => {
            let edge = |name: &str| value[name].as_str().and_then(span);
            let (start, end) = (edge("start"), edge("end"));
            (start.is_some() || end.is_some()).then(|| {
                (
                    start.map_or(Timestamp::MIN, |(from, _)| from),
                    end.map_or(Timestamp::MAX, |(_, to)| to),
                )
            })
        }
    };
    let Some(own) = own else { return false };
    let inside = asked.0 <= own.0 && own.1 <= asked.1;
    match prefix {
        "gt" => own.1 > asked.1,
        "lt" => own.0 < asked.0,
        "ge" => own.1 > asked.1 || inside,
        "le" => own.0 < asked.0 || inside,
        _ => inside,
    }
}

/// From which instant to which a date or date-time lasts; a day without a zone is one of the agency's.
fn span(text: &str) -> Option<(Timestamp, Timestamp)> {
    if text.contains('T') {
        let start: Timestamp = text.parse().ok()?;
        let length = match text.contains('.') {
            true => 1.millisecond(),
            false => 1.second(),
        };
        return Some((start, start.checked_add(length).ok()?));
    }
    let zone = TimeZone::get(ZONE).ok()?;
    let mut numbers = text.split('-').map(|part| part.parse::<i16>().ok());
    let year = numbers.next()??;
    let month = numbers.next().map_or(Some(None), |m| m.map(Some))?;
    let day = numbers.next().map_or(Some(None), |d| d.map(Some))?;
    let first = |number: Option<i16>| i8::try_from(number.unwrap_or(1)).ok();
    let start = DateTime::new(year, first(month)?, first(day)?, 0, 0, 0, 0).ok()?;
    let length = match (month, day) {
        (None, _) => 1.year(),
        (_, None) => 1.month(),
        _ => 1.day(),
    };
    let end = start.checked_add(length).ok()?;
    let instant = |at: DateTime| zone.to_timestamp(at).ok();
    Some((instant(start)?, instant(end)?))
}
