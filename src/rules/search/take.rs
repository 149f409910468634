//! Reading a search, parameter by parameter. What is not served is one issue each, or left out where the client asks for
//! lenient handling; modifiers that are not served are never left out.
//! <https://hl7.org/fhir/R4/search.html#errors>, <https://hl7.org/fhir/R4/search.html#modifiers>

use std::collections::{HashMap, HashSet};

use super::date::When;
use super::escape::{alternatives, plain};
use super::filter::{DATE_FORM, Filter, Setting, Test, Wanted, bad};
use super::include::{Include, MOST_INCLUDES, includes_of, revincludes_of};
use super::parameter::parameters;
use super::query::{MOST_COUNT, Query};
use super::sort::{MOST_SORTS, SortBy, is_sorted};
use super::view::Summary;
use crate::fhir::{Issue, IssueCode};

/// A query while its parameters come in.
pub(super) struct Taking<'s> {
    pub query: Query,
    setting: &'s Setting<'s>,
    /// What stands once, as it stood.
    once: HashMap<&'static str, String>,
}

/// Parameters about the answer as a whole. Stated twice, in the address and in the body, they have to say the same.
const ONCE: [&str; 8] = [
    "_count",
    "_sort",
    "_summary",
    "_elements",
    "_total",
    "_after",
    "_format",
    "_pretty",
];

const ABOUT_THE_ANSWER: &str =
    "_count, _sort, _summary, _elements, _total, _include, _revinclude, _format, _pretty";

impl<'s> Taking<'s> {
    pub fn new(resource_type: &'static str, setting: &'s Setting<'s>) -> Taking<'s> {
        Taking {
            query: Query::new(resource_type),
            setting,
            once: HashMap::new(),
        }
    }

    pub fn take(&mut self, name: &str, value: &str) -> Result<(), Issue> {
        let (code, modifier) = match name.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (name, None),
        };
        if let Some(code) = ONCE.iter().find(|known| **known == code) {
            return self.take_once(code, modifier, value);
        }
        match code {
            "_id" => self.take_ids(modifier, value),
            "_lastUpdated" => self.take_updated(modifier, value),
            "_include" => self.take_include(modifier, value, false),
            "_revinclude" => self.take_include(modifier, value, true),
            _ => self.take_filter(name, code, modifier, value),
        }
    }

    fn apply(&mut self, name: &str, value: &str) {
        self.query.applied.push((name.to_owned(), value.to_owned()));
    }

    /// Refuses, or leaves out.
    fn unknown(&mut self, details: &str) -> Result<(), Issue> {
        if self.setting.lenient {
            self.query.left_out = true;
            return Ok(());
        }
        Err(Issue::error(IssueCode::NotSupported, "", details))
    }

    fn take_filter(
        &mut self,
        name: &str,
        code: &str,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<(), Issue> {
        let of = self.query.resource_type;
        // Where a type has a patient, `subject` means the same.
        let code = if code == "subject" { "patient" } else { code };
        let Some(parameter) = self.query.parameter(code) else {
            let own = parameters(of).iter().map(|p| p.code);
            let known: Vec<&str> = ["_id", "_lastUpdated"].into_iter().chain(own).collect();
            let known = known.join(", ");
            let what = if code.contains('.') || code == "_has" {
                "chained parameters are not served"
            } else {
                "unknown search parameter"
            };
            return self.unknown(&format!("{what} for {of}; known: {known}; {ABOUT_THE_ANSWER}"));
        };
        let filter = Filter::parse(parameter, modifier, value, self.setting)?;
        // On a Provenance, `patient` is what it is of.
        if code == "patient" && of != "Provenance" && matches!(modifier, None | Some("Patient")) {
            narrow(&mut self.query.patients, patients(&filter)?);
        } else {
            self.query.filters.push(filter);
        }
        self.apply(name, value);
        Ok(())
    }

    fn take_ids(&mut self, modifier: Option<&str>, value: &str) -> Result<(), Issue> {
        let ids: Vec<String> = alternatives(value).map(plain).collect();
        match modifier {
            Some(_) => return Err(bad("_id", "takes no modifier")),
            None if ids.is_empty() => return Err(bad("_id", "has no value")),
            None => narrow(&mut self.query.ids, ids),
        }
        self.apply("_id", value);
        Ok(())
    }

    fn take_updated(&mut self, modifier: Option<&str>, value: &str) -> Result<(), Issue> {
        if modifier.is_some() {
            return Err(bad("_lastUpdated", "takes no modifier"));
        }
        let (zone, now) = (self.setting.zone, self.setting.now);
        let dates = alternatives(value).map(|one| When::parse(&plain(one), zone, now));
        let dates = dates.collect::<Option<Vec<_>>>().filter(|all| !all.is_empty());
        self.query
            .updated
            .push(dates.ok_or_else(|| bad("_lastUpdated", DATE_FORM))?);
        self.apply("_lastUpdated", value);
        Ok(())
    }

    fn take_include(&mut self, modifier: Option<&str>, value: &str, reverse: bool) -> Result<(), Issue> {
        let name = if reverse { "_revinclude" } else { "_include" };
        let iterate = match modifier {
            None => false,
            Some("iterate") => true,
            Some(_) => return Err(bad(name, "takes the modifier :iterate")),
        };
        let Some(include) = Include::parse(value, reverse, iterate) else {
            let of = self.query.resource_type;
            let known = if reverse {
                revincludes_of(of)
            } else {
                includes_of(of)
            };
            let known = known.join(", ");
            return self.unknown(&format!(
                "`{name}` follows the links of a closed list, as `Type:parameter` or `Type:parameter:Type`; for {of}: {known}"
            ));
        };
        if self.query.includes.len() >= MOST_INCLUDES {
            return Err(bad(name, "stands too often"));
        }
        self.query.includes.push(include);
        let iterated = if iterate { ":iterate" } else { "" };
        self.apply(&format!("{name}{iterated}"), value);
        Ok(())
    }

    fn take_once(&mut self, name: &'static str, modifier: Option<&str>, value: &str) -> Result<(), Issue> {
        if modifier.is_some() {
            return Err(bad(name, "takes no modifier"));
        }
        match self.once.get(name) {
            Some(before) if before == value => return Ok(()),
            Some(_) => return Err(bad(name, "stands once, or says the same each time")),
            None => self.once.insert(name, value.to_owned()),
        };
        match name {
            "_format" | "_pretty" => Ok(()),
            _ if value.is_empty() => Err(bad(name, "has no value")),
            "_after" => {
                self.query.cursor = Some(value.to_owned());
                Ok(())
            }
            "_count" => self.take_count(value),
            "_sort" => self.take_sort(value),
            "_total" => self.take_total(value),
            "_summary" => {
                self.query.view.take_summary(value)?;
                self.apply(name, value);
                Ok(())
            }
            _ => self.take_elements(value),
        }
    }

    /// The applied value stands in the `self` link, also when it was cut to the most there is.
    fn take_count(&mut self, value: &str) -> Result<(), Issue> {
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        if !digits {
            return Err(bad("_count", "is a whole number"));
        }
        // More digits than a number has are more than the most.
        let asked = value.parse().unwrap_or(MOST_COUNT);
        self.query.count = asked.min(MOST_COUNT);
        self.apply("_count", &self.query.count.to_string());
        Ok(())
    }

    fn take_total(&mut self, value: &str) -> Result<(), Issue> {
        self.query.total = match value {
            "none" => false,
            "estimate" | "accurate" => true,
            _ => return Err(bad("_total", "takes none, estimate or accurate")),
        };
        self.apply("_total", value);
        Ok(())
    }

    fn take_sort(&mut self, value: &str) -> Result<(), Issue> {
        let of = self.query.resource_type;
        let (mut sort, mut kept) = (Vec::new(), Vec::new());
        for one in value.split(',').filter(|one| !one.is_empty()) {
            match SortBy::parse(of, one) {
                Some(by) => {
                    sort.push(by);
                    kept.push(one);
                }
                None => {
                    let known = parameters(of).iter().filter(|p| is_sorted(p)).map(|p| p.code);
                    let known = known.collect::<Vec<_>>().join(", ");
                    self.unknown(&format!(
                        "`_sort` takes, for {of}, each with or without `-`: _id, _lastUpdated, {known}"
                    ))?;
                }
            }
        }
        if sort.len() > MOST_SORTS {
            return Err(bad("_sort", "takes six parameters at most"));
        }
        if !sort.is_empty() {
            self.query.sort = sort;
            self.apply("_sort", &kept.join(","));
        }
        Ok(())
    }

    fn take_elements(&mut self, value: &str) -> Result<(), Issue> {
        let (of, lenient) = (self.query.resource_type, self.setting.lenient);
        let known = self.query.view.take_elements(of, value, lenient)?;
        self.query.left_out |= known.len() < value.split(',').filter(|name| !name.is_empty()).count();
        if !known.is_empty() {
            self.apply("_elements", &known.join(","));
        }
        Ok(())
    }

    /// What does not stand together.
    pub fn contradiction(&self) -> Option<Issue> {
        let query = &self.query;
        let text = query.view.summary == Summary::Text && !query.includes.is_empty();
        let text = text.then(|| {
            bad(
                "_summary",
                "text does not stand with `_include` and `_revinclude`",
            )
        });
        text.or_else(|| query.view.contradiction())
    }
}

/// The ids of people in a filter on `patient`.
fn patients(filter: &Filter) -> Result<Vec<String>, Issue> {
    let Test::AnyOf(all) = &filter.test else {
        return Ok(Vec::new());
    };
    let mut ids = Vec::new();
    for wanted in all {
        match wanted {
            Wanted::To { resource_type, id } if resource_type.as_deref().is_none_or(|of| of == "Patient") => {
                ids.push(id.clone());
            }
            Wanted::To { .. } => return Err(bad("patient", "takes an id or `Patient/id`")),
            // Of another server: nobody here.
            _ => {}
        }
    }
    Ok(ids)
}

fn narrow(list: &mut Option<Vec<String>>, values: Vec<String>) {
    match list {
        None => *list = Some(values),
        Some(known) => {
            let values: HashSet<String> = values.into_iter().collect();
            known.retain(|id| values.contains(id));
        }
    }
}
