//! What `$everything` and `$docref` ask for: all that is released of one person, or of its documents, by when it was care and
//! when it last changed. It has pages as a search has.
//! <https://hl7.org/fhir/R4/patient-operation-everything.html>, <http://hl7.org/fhir/us/core/OperationDefinition/docref>

use super::cursor::CursorKey;
use super::date::Span;
use super::escape::{alternatives, plain};
use super::filter::{Filter, Setting, bad};
use super::parameter::parameter;
use super::query::{MOST_COUNT, MOST_ISSUES, Query, bounded};
use super::values::Values;
use crate::fhir::date::PartialDate;
use crate::fhir::element::table;
use crate::fhir::{Instant, Issue, IssueCode, Now, is_shared};

/// One call of either.
#[derive(Clone, Debug)]
pub struct Selection {
    operation: Operation,
    /// Id of the person.
    pub patient: String,
    types: Option<Vec<&'static str>>,
    care: Span,
    since: Option<Instant>,
    /// Kinds of document; one of them has to hold.
    kinds: Vec<Filter>,
    /// Only what is made when it is asked for.
    pub only_made: bool,
    /// Profiles of which a document has to have one.
    pub profiles: Vec<String>,
    /// Its pages, and how it is answered.
    pub query: Query,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Everything,
    Documents,
}

impl Operation {
    /// Not a parameter: keeps the pages of one operation from those of another, and of a search.
    fn mark(self) -> &'static str {
        match self {
            Operation::Everything => "$everything",
            Operation::Documents => "$docref",
        }
    }

    fn known(self) -> &'static str {
        match self {
            Operation::Everything => "start, end, _since, _type, _count, _format",
            Operation::Documents => "patient, start, end, type, on-demand, profile, _count, _format",
        }
    }
}

const ALWAYS: Span = (Instant(i64::MIN), Instant::MAX);

impl Selection {
    /// `Patient/[id]/$everything`. Problems name the parameter, never its value.
    pub fn everything(
        patient: &str,
        pairs: &[(String, String)],
        setting: &Setting<'_>,
    ) -> Result<Selection, Vec<Issue>> {
        Selection::parse(Operation::Everything, Some(patient), pairs, setting)
    }

    /// `DocumentReference/$docref`; the person is one of its parameters.
    pub fn documents(pairs: &[(String, String)], setting: &Setting<'_>) -> Result<Selection, Vec<Issue>> {
        Selection::parse(Operation::Documents, None, pairs, setting)
    }

    fn parse(
        operation: Operation,
        patient: Option<&str>,
        pairs: &[(String, String)],
        setting: &Setting<'_>,
    ) -> Result<Selection, Vec<Issue>> {
        bounded(pairs)?;
        let (resource_type, types) = match operation {
            Operation::Everything => ("Patient", None),
            Operation::Documents => ("DocumentReference", Some(vec!["DocumentReference"])),
        };
        let mut query = Query::new(resource_type);
        let whose = patient.unwrap_or_default().to_owned();
        query.applied.push((operation.mark().to_owned(), whose));
        let mut selection = Selection {
            operation,
            patient: patient.unwrap_or_default().to_owned(),
            types,
            care: ALWAYS,
            since: None,
            kinds: Vec::new(),
            only_made: false,
            profiles: Vec::new(),
            query,
        };
        let (mut issues, mut stated) = (Vec::new(), Vec::new());
        for (name, value) in pairs {
            if !REPEATED.contains(&name.as_str()) && stated.contains(&name) {
                issues.push(bad("a parameter", "stands twice"));
                continue;
            }
            stated.push(name);
            issues.extend(selection.take(name, value, setting).err());
        }
        issues.truncate(MOST_ISSUES);
        if selection.patient.is_empty() && issues.is_empty() {
            let why = "this operation needs `patient`";
            issues.push(Issue::error(IssueCode::Required, "", why));
        }
        if issues.is_empty() {
            Ok(selection)
        } else {
            Err(issues)
        }
    }

    fn take(&mut self, name: &str, value: &str, setting: &Setting<'_>) -> Result<(), Issue> {
        let documents = self.operation == Operation::Documents;
        match name {
            "_format" | "_pretty" => return Ok(()),
            "_after" => {
                self.query.cursor = Some(value.to_owned());
                return Ok(());
            }
            "start" => self.care.0 = date("start", value, setting)?.0,
            "end" => self.care.1 = date("end", value, setting)?.1,
            "_count" => return self.take_count(value),
            "patient" if documents => self.patient = patient(value, setting.base)?,
            "type" if documents => {
                let Some(kind) = parameter("DocumentReference", "type") else {
                    return Err(bad("type", "is not served"));
                };
                self.kinds.push(Filter::parse(kind, None, value, setting)?);
            }
            "on-demand" if documents => {
                self.only_made = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(bad("on-demand", "takes true or false")),
                };
            }
            "profile" if documents => self.profiles.extend(stated("profile", value)?),
            "_since" if !documents => self.since = Some(date("_since", value, setting)?.0),
            "_type" if !documents => self.take_types(value)?,
            _ if setting.lenient => {
                self.query.left_out = true;
                return Ok(());
            }
            _ => {
                let why = format!("unknown parameter; known: {}", self.operation.known());
                return Err(Issue::error(IssueCode::NotSupported, "", why));
            }
        }
        self.query.applied.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn take_types(&mut self, value: &str) -> Result<(), Issue> {
        for one in stated("_type", value)? {
            let known = table().resource_types().find(|known| *known == one);
            let known = known.ok_or_else(|| bad("_type", "takes names of resource types of R4"))?;
            self.types.get_or_insert_default().push(known);
        }
        Ok(())
    }

    /// The applied value stands in the `self` link, also when it was cut to the most there is.
    fn take_count(&mut self, value: &str) -> Result<(), Issue> {
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad("_count", "is a whole number"));
        }
        self.query.count = value.parse().unwrap_or(MOST_COUNT).min(MOST_COUNT);
        let applied = self.query.count.to_string();
        self.query.applied.push(("_count".to_owned(), applied));
        Ok(())
    }

    /// With pages of its own, for this client and purpose.
    pub fn bound(self, key: &CursorKey, client: &str, purpose: &str, now: &Now) -> Result<Selection, Issue> {
        let query = self.query.bound(key, client, purpose, now)?;
        Ok(Selection { query, ..self })
    }

    /// Where it is asked, below the base.
    pub fn path(&self) -> String {
        match self.operation {
            Operation::Everything => format!("Patient/{}/$everything", self.patient),
            Operation::Documents => "DocumentReference/$docref".to_owned(),
        }
    }

    /// Is this released resource meant? What has no date of care is care at any time.
    pub fn takes(&self, resource_type: &str, changed_at: Instant, values: &Values) -> bool {
        let of_type = self
            .types
            .as_ref()
            .is_none_or(|types| types.contains(&resource_type));
        let changed = self.since.is_none_or(|since| changed_at >= since);
        let kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.matches(values));
        of_type && changed && kind && self.is_care(resource_type, values)
    }

    fn is_care(&self, resource_type: &str, values: &Values) -> bool {
        if self.care == ALWAYS
            || resource_type == "Patient"
            || resource_type == "RelatedPerson"
            || is_shared(resource_type)
        {
            return true;
        }
        let mut dates = values.dates().peekable();
        dates.peek().is_none() || dates.any(|(from, to)| from < self.care.1 && self.care.0 < to)
    }
}

/// One value or several. None is refused: left out, it would widen the answer.
fn stated(name: &'static str, value: &str) -> Result<Vec<String>, Issue> {
    let all: Vec<String> = alternatives(value).map(plain).collect();
    match all.is_empty() {
        true => Err(bad(name, "has no value")),
        false => Ok(all),
    }
}

/// What may stand more than once.
const REPEATED: [&str; 3] = ["_type", "type", "profile"];

fn date(name: &'static str, value: &str, setting: &Setting<'_>) -> Result<Span, Issue> {
    let parsed = PartialDate::parse(value).map(|date| date.bounds(setting.zone));
    parsed.ok_or_else(|| bad(name, "takes a date, or a date and time with its offset"))
}

/// `X`, `Patient/X`, or that below the server's own address.
fn patient(value: &str, base: &str) -> Result<String, Issue> {
    let own = value.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
    let relative = own.filter(|_| !base.is_empty()).unwrap_or(value);
    let id = relative.strip_prefix("Patient/").unwrap_or(relative);
    match id.is_empty() || id.contains('/') {
        true => Err(bad("patient", "takes an id or `Patient/id`")),
        false => Ok(id.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::excerpt::Excerpt;
    use crate::search::Extractor;
    use jiff::tz::TimeZone;
    use serde_json::{Value, json};

    static ZONE: TimeZone = TimeZone::UTC;

    fn setting() -> Setting<'static> {
        Setting {
            base: "https://here.test/fhir",
            zone: &ZONE,
            now: Instant(0),
            lenient: false,
        }
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn takes(selection: &Selection, resource: &Value) -> bool {
        let mut excerpt = Excerpt::default();
        excerpt.value("", resource);
        let root = excerpt.root().expect("a resource");
        let values = Extractor::new(&ZONE).extract(root);
        let of = resource["resourceType"].as_str().expect("a type");
        selection.takes(of, Instant(1_000_000), &values)
    }

    #[test]
    fn care_is_what_touches_the_time_and_what_has_none() {
        let plan =
            json!({"resourceType": "CarePlan", "period": {"start": "2026-11-01", "end": "2027-10-31"}});
        let team = json!({"resourceType": "CareTeam"});
        let person = json!({"resourceType": "Patient", "birthDate": "1987-03-14"});
        for (start, end, is_care) in [
            ("2026-01-01", "2026-10-31", false),
            ("2026-01-01", "2026-11-01", true),
            ("2027", "2028", true),
            ("2027-11-01", "2030", false),
        ] {
            let asked = Selection::everything("p", &pairs(&[("start", start), ("end", end)]), &setting());
            let asked = asked.expect("valid");
            assert_eq!(takes(&asked, &plan), is_care, "{start} {end}");
            assert!(takes(&asked, &team) && takes(&asked, &person));
        }
    }

    #[test]
    fn types_and_changes_narrow_it() {
        let asked = Selection::everything(
            "p",
            &pairs(&[("_type", "Goal,Task"), ("_type", "CareTeam")]),
            &setting(),
        );
        let asked = asked.expect("valid");
        assert!(takes(&asked, &json!({"resourceType": "CareTeam"})));
        assert!(!takes(&asked, &json!({"resourceType": "Patient"})));
        let since =
            |text| Selection::everything("p", &pairs(&[("_since", text)]), &setting()).expect("valid");
        assert!(takes(
            &since("1970-01-01T00:00:01Z"),
            &json!({"resourceType": "Goal"})
        ));
        assert!(!takes(
            &since("1970-01-01T00:00:02Z"),
            &json!({"resourceType": "Goal"})
        ));
    }

    #[test]
    fn documents_are_chosen_by_kind() {
        let document = json!({"resourceType": "DocumentReference",
            "type": {"coding": [{"system": "http://loinc.org", "code": "18776-5"}]}});
        let of = |kind| Selection::documents(&pairs(&[("patient", "Patient/p"), ("type", kind)]), &setting());
        assert!(takes(&of("http://loinc.org|18776-5").expect("valid"), &document));
        assert!(!takes(&of("http://loinc.org|34133-9").expect("valid"), &document));
        let kinds = [("patient", "p"), ("type", "34133-9"), ("type", "18776-5")];
        let either = Selection::documents(&pairs(&kinds), &setting()).expect("valid");
        assert!(takes(&either, &document), "one of several kinds");
        let asked = of("18776-5").expect("valid");
        assert_eq!(
            (asked.patient.as_str(), asked.path().as_str()),
            ("p", "DocumentReference/$docref")
        );
    }

    #[test]
    fn what_is_wrong_is_said_by_name_and_never_by_value() {
        for (name, value) in [
            ("start", "secret"),
            ("_count", "secret"),
            ("_type", "secret"),
            ("_since", ""),
            ("secret", "secret"),
        ] {
            let issues =
                Selection::everything("p", &pairs(&[(name, value)]), &setting()).expect_err("refused");
            assert!(
                issues.iter().all(|issue| !issue.details.contains("secret")),
                "{issues:?}"
            );
        }
        assert!(Selection::documents(&[], &setting()).is_err());
        assert!(Selection::documents(&pairs(&[("patient", "Group/x")]), &setting()).is_err());
        let twice = pairs(&[("patient", "x"), ("patient", "y")]);
        assert!(Selection::documents(&twice, &setting()).is_err());
    }
}
