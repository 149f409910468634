//! `$validate`: is a resource that was sent valid, by R4, by the loaded packages and by our own closed profiles? Nothing that
//! is stored is looked at; that somebody asked is recorded, without the body.
//! <https://hl7.org/fhir/R4/resource-operation-validate.html>

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use postern_rules::audit::{self, Kind, Outcome};
use postern_rules::fhir::{Issue, IssueCode, Severity, Value, issue::operation_outcome};

use super::events::caller_of;
use super::packages::validated;
use super::parameters::problem;
use super::pull::TRIES;
use super::{Call, Error, Gateway};
use crate::store::{Change, Refused};

/// What is to be checked, and how.
#[derive(Debug)]
pub struct ToValidate {
    pub resource: Value,
    /// `create`, `update` or `profile`.
    pub mode: Option<String>,
    pub profiles: Vec<String>,
    /// The type and the id in the address.
    pub resource_type: String,
    pub id: Option<String>,
}

/// Profiles that one request may name.
const MOST_PROFILES: usize = 20;
const MODES: [&str; 4] = ["create", "update", "delete", "profile"];

/// Reads a request: the resource itself with `profile` and `mode` in the query, or Parameters that hold all three.
pub fn read_validation(
    resource_type: &str,
    id: Option<&str>,
    query: &[(String, String)],
    body: Value,
) -> Result<ToValidate, Error> {
    let mut asked = ToValidate {
        resource: Value::Null,
        mode: None,
        profiles: Vec::new(),
        resource_type: resource_type.to_owned(),
        id: id.map(str::to_owned),
    };
    let mut problems = Vec::new();
    for (name, value) in query {
        match name.as_str() {
            "profile" => asked.profiles.push(value.clone()),
            "mode" => asked.mode = Some(value.clone()),
            "_format" | "_pretty" => {}
            _ => {
                let why = "no parameter of this operation; it takes resource, mode, profile";
                problems.push(Issue::error(IssueCode::NotSupported, "", why));
            }
        }
    }
    match is_parameters(&body) {
        true => asked.take(body, &mut problems),
        false => asked.resource = body,
    }
    asked.check(&mut problems);
    if problems.is_empty() {
        Ok(asked)
    } else {
        Err(Error::Invalid(problems))
    }
}

/// Parameters of the operation, not a Parameters resource to be checked.
fn is_parameters(body: &Value) -> bool {
    let list = body["parameter"].as_array().into_iter().flatten();
    let mut names = list.filter_map(|one| one["name"].as_str());
    body["resourceType"] == "Parameters" && names.any(|name| ["resource", "mode", "profile"].contains(&name))
}

impl ToValidate {
    fn take(&mut self, mut body: Value, problems: &mut Vec<Issue>) {
        let list = body["parameter"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        for mut one in list {
            let text = [
                "valueCode",
                "valueCanonical",
                "valueUri",
                "valueUrl",
                "valueString",
            ]
            .iter()
            .find_map(|member| one[*member].as_str().map(str::to_owned));
            match (one["name"].as_str(), text) {
                (Some("resource"), _) if one["resource"].is_object() && self.resource.is_null() => {
                    self.resource = one["resource"].take();
                }
                (Some("mode"), Some(mode)) if self.mode.is_none() => self.mode = Some(mode),
                (Some("profile"), Some(profile)) => self.profiles.push(profile),
                (Some(name @ ("resource" | "mode" | "profile")), _) => {
                    problems.push(problem(
                        known(name),
                        IssueCode::Structure,
                        "stands once, in its own member",
                    ));
                }
                _ => {
                    let why = "no parameter of this operation; it takes resource, mode, profile";
                    problems.push(Issue::error(IssueCode::NotSupported, "Parameters.parameter", why));
                }
            }
        }
    }

    fn check(&self, problems: &mut Vec<Issue>) {
        if self.resource.is_null() {
            problems.push(problem(
                "resource",
                IssueCode::Required,
                "is required: what is stored is not checked",
            ));
        }
        if self.mode.as_deref().is_some_and(|mode| !MODES.contains(&mode)) {
            let why = format!("one of {}", MODES.join(", "));
            problems.push(problem("mode", IssueCode::CodeInvalid, why));
        }
        if self.profiles.len() > MOST_PROFILES {
            problems.push(problem(
                "profile",
                IssueCode::TooCostly,
                format!("at most {MOST_PROFILES}"),
            ));
        }
    }

    /// What the mode asks beyond what is valid.
    fn by_mode(&self) -> Vec<Issue> {
        let (of, id) = (
            self.resource["resourceType"].as_str(),
            self.resource["id"].as_str(),
        );
        let place = |name: &str| format!("{}{name}", self.resource_type);
        let mut found = Vec::new();
        if of.is_some_and(|of| of != self.resource_type) {
            found.push(Issue::error(
                IssueCode::Structure,
                "",
                "must be of the type in the address",
            ));
        }
        match self.mode.as_deref() {
            Some("update") if id.is_none() => {
                found.push(Issue::error(
                    IssueCode::Required,
                    place(".id"),
                    "is required for an update",
                ));
            }
            Some("delete") => {
                found.push(Issue::error(
                    IssueCode::NotSupported,
                    "",
                    "nothing is deleted here",
                ));
            }
            _ => {}
        }
        if self.id.is_some() && id.is_some() && self.id.as_deref() != id {
            found.push(Issue::error(
                IssueCode::Value,
                place(".id"),
                "must be the id in the address",
            ));
        }
        found
    }
}

/// How many resources are checked at a time; eight times as many may wait, and no more. One client has at most half of the places:
/// what it sends can be as costly as it likes, others still get through.
pub struct Checking {
    places: usize,
    /// By client.
    taken: Arc<Mutex<HashMap<String, usize>>>,
    at_work: Arc<Semaphore>,
}

/// Waiting for each that is checked.
const WAITING: usize = 8;

/// A place, given back when it is dropped.
struct Place {
    client: String,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let left = taken.get(&self.client).map_or(0, |held| held.saturating_sub(1));
        match left {
            0 => taken.remove(&self.client),
            left => taken.insert(self.client.clone(), left),
        };
    }
}

impl Checking {
    pub fn new(most: usize) -> Checking {
        let most = most.min(Semaphore::MAX_PERMITS);
        Checking {
            places: most.saturating_mul(1 + WAITING),
            taken: Arc::default(),
            at_work: Arc::new(Semaphore::new(most)),
        }
    }

    /// `Busy` where too many wait already, of this client or of all.
    fn place(&self, client: &str) -> Result<Place, Error> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(client).copied().unwrap_or_default();
        if taken.values().sum::<usize>() >= self.places || own >= self.places.div_ceil(2) {
            return Err(Error::Busy);
        }
        taken.insert(client.to_owned(), own + 1);
        Ok(Place {
            client: client.to_owned(),
            taken: Arc::clone(&self.taken),
        })
    }

    /// A place, and the turn to be checked.
    async fn turn(&self, client: &str) -> Result<(Place, OwnedSemaphorePermit), Error> {
        let place = self.place(client)?;
        let at_work = Arc::clone(&self.at_work).acquire_owned().await;
        Ok((place, at_work.map_err(|_| Error::Unavailable)?))
    }
}

fn known(name: &str) -> &'static str {
    ["resource", "mode", "profile"]
        .into_iter()
        .find(|known| *known == name)
        .unwrap_or_default()
}

impl Gateway {
    /// Everything wrong with the resource, as an OperationOutcome: 200 whatever it says.
    pub async fn validate(self: &Arc<Gateway>, call: &Call, asked: ToValidate) -> Result<Value, Error> {
        let turn = self.checking.turn(&call.caller.client).await?;
        let gateway = Arc::clone(self);
        let (asked, issues) = tokio::task::spawn_blocking(move || {
            let issues = gateway.issues(&asked);
            // Held to the end, whether or not somebody still waits for the answer.
            drop(turn);
            (asked, issues)
        })
        .await
        .map_err(|_| Error::Unavailable)?;
        let errors = issues
            .iter()
            .filter(|issue| issue.severity <= Severity::Error)
            .count();
        let mut call = call.clone();
        for _ in 0..TRIES {
            if self.record_validation(&call, &asked, errors).await? {
                return Ok(operation_outcome(&issues));
            }
            call = self.again(&call).await?;
        }
        Err(Error::Unavailable)
    }

    fn issues(&self, asked: &ToValidate) -> Vec<Issue> {
        let profiles: Vec<&str> = asked.profiles.iter().map(String::as_str).collect();
        let mut issues = asked.by_mode();
        let rules = Some(&self.rules);
        issues.extend(validated(&self.definitions, rules, &asked.resource, &profiles));
        issues
    }

    /// `false`: the world moved since the caller was looked up, or the token was taken back.
    async fn record_validation(&self, call: &Call, asked: &ToValidate, errors: usize) -> Result<bool, Error> {
        let at = self.clock.instant();
        let mut change = Change::at(at);
        call.caller.bind(&mut change);
        let (profiles, errors) = (asked.profiles.len().to_string(), errors.to_string());
        let details = [
            ("type", asked.resource_type.as_str()),
            ("mode", asked.mode.as_deref().unwrap_or("none")),
            ("profiles", profiles.as_str()),
            ("errors", errors.as_str()),
        ];
        self.with_occasion(at, &call.request, |occasion, salt| {
            let caller = &call.caller;
            let event = audit::Operation {
                kind: Kind::Validation,
                caller: &caller_of(
                    &caller.client,
                    &caller.partner,
                    &call.address,
                    caller.person.as_ref(),
                ),
                purpose: &caller.purpose,
                patient: "",
                details: &details,
                outcome: Outcome::Success,
                reason: "",
            };
            change.audit.push(event.event(occasion, salt));
        });
        match self.store.commit(change).await {
            Ok(_) => Ok(true),
            Err(Refused::Stale) => Ok(false),
            Err(refused) => Err(refused.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_half_of_the_places_and_all_are_given_back() {
        let checking = Checking::new(1);
        let take = |client: &str, many: usize| -> Vec<Place> {
            let taken = (0..many).map(|_| checking.place(client));
            taken.map(|place| place.expect("a place")).collect()
        };
        let own = take("maple", 5);
        assert!(matches!(checking.place("maple"), Err(Error::Busy)));
        let others = take("riverside", 4);
        assert!(matches!(checking.place("brigid"), Err(Error::Busy)));
        drop((own, others));
        assert_eq!(take("maple", 5).len(), 5);
    }
}
