//! One event as people read it: when, who, what, why, on what basis, how much was withheld.
//! 45 CFR 164.528(b)(2): date, recipient, description, purpose.

use serde_json::Value;

use super::columns::{Columns, coded, items};

/// The cells of one row of `postern audit list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// UTC, to the second.
    pub when: String,
    /// Person and organisation.
    pub who: String,
    /// What was done, and with which resources.
    pub what: String,
    /// Purpose of use.
    pub why: String,
    /// Legal basis, with the consents it rests on.
    pub basis: String,
    /// `3 withheld`; blank when nothing was.
    pub withheld: String,
    /// Blank when it went well, else the reason.
    pub failed: String,
}

impl Line {
    /// Told from columns and body. Where the body is pruned (`Value::Null`), the columns alone.
    pub fn of(columns: &Columns, body: &Value) -> Line {
        let mut when = columns.recorded.to_fhir();
        when.replace_range(when.len().saturating_sub(5).., "Z");
        let consents = items(&body["entity"])
            .filter(|entity| entity["type"]["code"] == "Consent")
            .map(consent);
        let basis: Vec<String> = columns.basis.clone().into_iter().chain(consents).collect();
        let failed = match columns.outcome.as_str() {
            "0" => String::new(),
            _ => body["outcomeDesc"].as_str().unwrap_or("failed").to_owned(),
        };
        Line {
            when,
            who: who(columns, body),
            what: what(columns, body),
            why: columns.purpose.clone().unwrap_or_default(),
            basis: basis.join(", "),
            withheld: match columns.withheld_count {
                0 => String::new(),
                n => format!("{n} withheld"),
            },
            failed,
        }
    }

    /// The names of the cells, in order.
    pub const HEADINGS: [&'static str; 7] = ["When", "Who", "What", "Why", "Basis", "Withheld", "Failed"];

    pub fn cells(&self) -> [&str; 7] {
        [
            &self.when,
            &self.who,
            &self.what,
            &self.why,
            &self.basis,
            &self.withheld,
            &self.failed,
        ]
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cells = self.cells();
        let told = cells.iter().filter(|cell| !cell.is_empty());
        f.write_str(&told.copied().collect::<Vec<_>>().join(" · "))
    }
}

/// The person who asked and the organisation, by name where one is stated.
fn who(columns: &Columns, body: &Value) -> String {
    let name = |agent: &Value| {
        let who = &agent["who"];
        who["display"]
            .as_str()
            .or_else(|| who["identifier"]["value"].as_str())
            .map(str::to_owned)
    };
    let asked = items(&body["agent"])
        .find(|agent| agent["requestor"] == true)
        .and_then(name);
    let asked = asked.or_else(|| columns.actor.clone()).unwrap_or_default();
    let organisation = items(&body["agent"]).find(|agent| agent["type"]["coding"][0]["code"] == "PROV");
    match organisation.and_then(name).or_else(|| columns.partner.clone()) {
        Some(organisation) if !asked.contains(&organisation) => format!("{asked}, {organisation}"),
        _ => asked,
    }
}

/// `disclosure: CarePlan, 3 Goal`
fn what(columns: &Columns, body: &Value) -> String {
    let mut types: Vec<(&str, usize)> = Vec::new();
    for entity in items(&body["entity"]).filter(|entity| coded(entity, "2", "4")) {
        let Some((name, _)) = entity["what"]["reference"]
            .as_str()
            .and_then(|text| text.split_once('/'))
        else {
            continue;
        };
        match types.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => types.push((name, 1)),
        }
    }
    let types: Vec<String> = types
        .into_iter()
        .map(|(name, count)| {
            if count == 1 {
                name.to_owned()
            } else {
                format!("{count} {name}")
            }
        })
        .collect();
    let kind = columns.kind.replace('-', " ");
    if types.is_empty() {
        kind
    } else {
        format!("{kind}: {}", types.join(", "))
    }
}

/// `Consent/… provision.provision[1]`
fn consent(entity: &Value) -> String {
    let reference = entity["what"]["reference"].as_str().unwrap_or("Consent");
    match entity["detail"][0]["valueString"].as_str() {
        Some(provision) if provision != "provision" => format!("{reference} {provision}"),
        _ => reference.to_owned(),
    }
}
