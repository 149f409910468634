//! `If-None-Exist`: has this writer written such a resource already? Only what it wrote itself and still sees counts: what others
//! wrote, or what is withheld, never shows in the answer. <https://hl7.org/fhir/R4/http.html#ccreate>

use std::collections::BTreeSet;

use postern_rules::disclosure::Contributed;
use postern_rules::fhir::element::table;
use postern_rules::fhir::{Issue, IssueCode, Now};
use postern_rules::search::Query;

use super::bench::Bench;
use crate::gateway::{Call, Error, Gateway};

/// What a condition found.
pub(super) enum Existing {
    None,
    One { patient: String, id: String },
    Several,
}

impl Gateway {
    /// The condition as a query of the type; it names an identifier, so that nobody's records have to be gone through.
    pub(super) fn condition(&self, resource_type: &str, condition: &str) -> Result<Query, Vec<Issue>> {
        let pairs: Vec<(String, String)> =
            form_urlencoded::parse(condition.trim_start_matches('?').as_bytes())
                .into_owned()
                .collect();
        let known = table().resource_types().find(|known| *known == resource_type);
        let known = known.ok_or_else(|| vec![problem("no such resource type")])?;
        let query = self.read_query(known, &pairs, false)?;
        if query.identifiers().is_empty() {
            return Err(vec![problem(
                "the condition names an identifier: identifier=system|value",
            )]);
        }
        Ok(query)
    }

    /// What of the writer's own fits.
    pub(super) async fn existing(&self, call: &Call, query: &Query, now: &Now) -> Result<Existing, Error> {
        let caller = &call.caller;
        let mut found = Vec::new();
        let people: BTreeSet<String> = self.people_identified(call, query).await?.into_iter().collect();
        for patient in people {
            let bench = self.bench(caller, &patient, (&[], now)).await?;
            found.extend(own_matches(&bench, query, &caller.recipient.id).map(|id| (patient.clone(), id)));
        }
        Ok(match found.len() {
            0 => Existing::None,
            1 => {
                let (patient, id) = found.remove(0);
                Existing::One { patient, id }
            }
            _ => Existing::Several,
        })
    }
}

fn own_matches<'b>(
    bench: &'b Bench,
    query: &'b Query,
    partner: &'b str,
) -> impl Iterator<Item = String> + 'b {
    let released = bench.release.iter().flat_map(|release| release.matching(query));
    let is_own = move |id: &&str| {
        let stored = bench.record.find(query.resource_type, id);
        stored
            .and_then(|stored| stored.contributed.as_ref())
            .is_some_and(|own: &Contributed| own.by == partner)
    };
    released.filter(is_own).map(str::to_owned)
}

fn problem(why: &str) -> Issue {
    Issue::error(IssueCode::Invalid, "If-None-Exist", why)
}
