//! A search across people: what was released to this recipient for this purpose gives the candidates, in the order of the answer;
//! each match is taken from a release that is decided now. <https://hl7.org/fhir/R4/search.html#lastupdated>
//!
//! What one request looks at is bounded: so many rows, so many people. Where the bound ends a page, the next one goes on. All of that
//! depends on rows of this recipient alone, so a short page tells nothing of anybody else.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use postern_rules::disclosure::{Asking, fills_page};
use postern_rules::fhir::{Instant, Issue, IssueCode, Now, is_shared};
use postern_rules::search::{By, Key, Lookup, Position, Query, Reach, keyed, parameters};

use super::pull::releases_of;
use super::release::{Found, Trust};
use super::{Call, Error, Gateway};
use crate::store::{Candidate, KeyRange, Looking, Order};

/// Rows that one request looks at, at most; a few more when several values were asked for.
const MOST_CANDIDATES: usize = 1000;
/// People whose releases one request looks into, at most.
const MOST_PEOPLE: usize = 100;
/// Rows that are read at a time: enough for a page, and not many more.
const BATCH: (usize, usize) = (16, 128);

/// Where a search looks, and in which order.
struct Look {
    lookup: Option<Lookup>,
    changed: (Instant, Instant),
    order: Order,
}

/// What was found so far.
struct Gathering {
    found: Vec<Found>,
    people: HashSet<String>,
    /// Of what is shared, from whose release each is taken.
    holders: HashMap<String, String>,
    looked_at: usize,
    last: Option<Candidate>,
}

impl Gateway {
    /// The people whose releases a page of this search is taken from, and the query with how far that reaches.
    pub(super) async fn gather(
        &self,
        call: &Call,
        query: &Query,
        asking: &Asking<'_>,
        (trust, now): (Trust, &Now),
    ) -> Result<(Vec<Found>, Query), Error> {
        let look = Look::of(query)?;
        let whole = query.is_count() || is_total_asked_for(query);
        let mut gathered = Gathering::after(query);
        let reached = loop {
            let (rows, all) = self
                .rows_after(call, query, &look, gathered.last.as_ref())
                .await?;
            let bounded = self.look_at(call, rows, &mut gathered, (trust, now)).await?;
            if all && !bounded {
                break None;
            }
            let reached = gathered.last.clone();
            let within = gathered.within(query, &look, reached.as_ref());
            let ended = bounded || gathered.looked_at >= MOST_CANDIDATES;
            if ended || !whole && fills_page(&releases_of(&gathered.found), &within, asking) {
                break reached;
            }
        };
        if query.is_count() && reached.is_some() {
            return Err(refused(
                IssueCode::TooCostly,
                "there are more than can be counted; narrow the search".to_owned(),
            ));
        }
        let within = gathered.within(query, &look, reached.as_ref());
        Ok((gathered.found, within))
    }

    /// Loads the people of these rows, in order; `true` when there were more people than one request may look into.
    async fn look_at(
        &self,
        call: &Call,
        rows: Vec<Candidate>,
        gathered: &mut Gathering,
        (trust, now): (Trust, &Now),
    ) -> Result<bool, Error> {
        for row in rows {
            if !gathered.people.contains(&row.patient) {
                if gathered.found.len() == MOST_PEOPLE {
                    return Ok(true);
                }
                // Others' builds are never waited for with one's own in hand: these come in no order of person.
                let found = self.find_release(&call.caller, &row.patient, trust, now).await?;
                gathered.found.push(found.let_go());
                gathered.people.insert(row.patient.clone());
            }
            gathered.holders.insert(row.id.clone(), row.patient.clone());
            gathered.looked_at += 1;
            gathered.last = Some(row);
        }
        Ok(false)
    }

    /// The next rows, each once, and whether these are all. Of several values each is asked for by itself: how often is read
    /// follows from the request.
    async fn rows_after(
        &self,
        call: &Call,
        query: &Query,
        look: &Look,
        after: Option<&Candidate>,
    ) -> Result<(Vec<Candidate>, bool), Error> {
        let caller = &call.caller;
        let limit = (query.count + 1).clamp(BATCH.0, BATCH.1);
        let (mut rows, mut ends) = (Vec::new(), Vec::new());
        for key in look.keys() {
            let looking = Looking {
                recipient: &caller.recipient.id,
                purpose: &caller.purpose,
                resource_type: query.resource_type,
                changed: look.changed,
                key,
                order: look.order,
                after: after.map(|row| (row.changed_at, row.id.as_str())),
                limit: limit as i64,
            };
            let some = self.store.candidates(&looking).await?;
            ends.extend(some.last().filter(|_| some.len() == limit).cloned());
            rows.extend(some);
        }
        rows.sort_by(|a, b| look.compare(a, b));
        rows.dedup();
        // Beyond where the first of them ended nothing is known.
        let end = ends.into_iter().min_by(|a, b| look.compare(a, b));
        if let Some(end) = &end {
            rows.retain(|row| look.compare(row, end).is_le());
        }
        Ok((rows, end.is_none()))
    }
}

impl Look {
    /// By a telling key; else by the time of the last change, when it has a beginning; else by any key. Nobody is looked for by
    /// what they are called or when they were born: people are polled for without any other word of them.
    fn of(query: &Query) -> Result<Look, Error> {
        let order = order(query)?;
        let begun = query.updated_bounds().filter(|(from, _)| from.0 > i64::MIN);
        let lookup = query.lookup().filter(|lookup| lookup.telling || begun.is_none());
        let is_sought = query.resource_type == "Patient" && !query.filters.is_empty();
        let no_poll = begun.is_none() || query.resource_type == "Provenance" || is_sought;
        if lookup.is_none() && no_poll {
            return Err(refused(IssueCode::Required, how_to_look(query.resource_type)));
        }
        Ok(Look {
            lookup,
            changed: query
                .updated_bounds()
                .unwrap_or((Instant(i64::MIN), Instant::MAX)),
            order,
        })
    }

    /// One for each value that was asked for; where no key is taken, whatever there is.
    fn keys(&self) -> Vec<Option<KeyRange<'_>>> {
        let Some(lookup) = &self.lookup else {
            return vec![None];
        };
        let parameter = lookup.parameter;
        let ranges = lookup.ranges.iter();
        ranges
            .map(|(from, to)| Some(KeyRange { parameter, from, to }))
            .collect()
    }

    fn compare(&self, a: &Candidate, b: &Candidate) -> Ordering {
        let (dates, ids) = (a.changed_at.cmp(&b.changed_at), a.id.cmp(&b.id));
        match self.order {
            Order::Changed => dates.then(ids),
            Order::ChangedLast => dates.reverse().then(ids),
            Order::Id => ids,
            Order::IdLast => ids.reverse(),
        }
    }

    fn position(&self, row: &Candidate) -> Position {
        let key = match self.order {
            Order::Changed | Order::ChangedLast => Key::Number(row.changed_at.0),
            Order::Id | Order::IdLast => Key::Text(row.id.clone()),
        };
        Position {
            keys: vec![key],
            id: row.id.clone(),
        }
    }

    /// A place in the order, as a row that stands there.
    fn row(position: &Position) -> Candidate {
        let changed_at = match position.keys.first() {
            Some(Key::Number(at)) => Instant(*at),
            _ => Instant(i64::MIN),
        };
        Candidate {
            changed_at,
            id: position.id.clone(),
            patient: String::new(),
        }
    }
}

impl Gathering {
    fn after(query: &Query) -> Gathering {
        Gathering {
            found: Vec::new(),
            people: HashSet::new(),
            holders: HashMap::new(),
            looked_at: 0,
            last: query.after.as_ref().map(Look::row),
        }
    }

    /// The query as far as was looked. How many match is said only when all of them were seen.
    fn within(&self, query: &Query, look: &Look, reached: Option<&Candidate>) -> Query {
        let mut query = query.clone();
        query.total &= reached.is_none() && query.after.is_none();
        query.reach = Some(Reach {
            until: reached.map(|row| look.position(row)),
            holders: is_shared(query.resource_type).then(|| self.holders.clone()),
        });
        query
    }
}

fn order(query: &Query) -> Result<Order, Error> {
    match query.sort[..] {
        [one] if one.by == By::LastUpdated && one.descending => Ok(Order::ChangedLast),
        [one] if one.by == By::LastUpdated => Ok(Order::Changed),
        [one] if one.by == By::Id && one.descending => Ok(Order::IdLast),
        [one] if one.by == By::Id => Ok(Order::Id),
        _ => Err(refused(
            IssueCode::NotSupported,
            "a search across people is sorted by `_lastUpdated` or by `_id` alone; with `patient` by more"
                .to_owned(),
        )),
    }
}

/// What is possible for this type, without a word of what was asked.
fn how_to_look(resource_type: &str) -> String {
    if resource_type == "Provenance" {
        return "search Provenance by `target` (Type/id), `patient` or `_id`".to_owned();
    }
    if resource_type == "Patient" {
        return "search Patient by `_id` or `identifier`, or by `_lastUpdated` with a beginning (`ge`) and nothing else; \
                `$match` finds by name and birth date"
            .to_owned();
    }
    let about_people = parameters(resource_type).iter().any(|p| p.code == "patient");
    let named = about_people.then_some("patient").into_iter().chain(["_id"]);
    let all: Vec<String> = named
        .chain(keyed(resource_type))
        .map(|code| format!("`{code}`"))
        .collect();
    format!(
        "this search needs one of {}, or `_lastUpdated` with a beginning (`ge`)",
        all.join(", ")
    )
}

fn is_total_asked_for(query: &Query) -> bool {
    query.total && query.applied.iter().any(|(name, _)| name == "_total")
}

fn refused(code: IssueCode, details: String) -> Error {
    Error::Invalid(vec![Issue::error(code, "", details)])
}
