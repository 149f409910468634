//! Actors: whom a provision names, and who is asking.
//! <https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.actor>

use std::collections::HashSet;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::compile::{Problem, span};
use super::context::{Context, local_part, without_version};
use super::rule::Span;
use crate::fhir::Now;

/// System of identifiers that name a class of recipients (`treating-provider`, `health-plan`, …) in an actor's reference.
pub const RECIPIENT_CLASS: &str = "https://postern.example/fhir/CodeSystem/recipient-class";

const MAX_NAMES: usize = 10_000;
const MAX_STEPS: usize = 16;

/// Who is asking: everything that identifies one requester (a person, the organisation they act for, or both).
#[derive(Clone, Debug, Default)]
pub struct Actor {
    /// `Type/id` or absolute addresses.
    pub references: Vec<String>,
    /// What only may mean the requester: counts for a deny alone.
    pub likely: Vec<String>,
    /// Business identifiers: system, value.
    pub identifiers: Vec<(String, String)>,
    /// Recipient classes of the partner, codes of [`RECIPIENT_CLASS`].
    pub classes: Vec<String>,
}

/// One name in a provision. What only may be meant counts for a deny alone.
#[derive(Clone, Debug)]
struct Name {
    token: String,
    certain: bool,
    /// Membership holds in this span only.
    span: Option<Span>,
}

/// The actors of one provision, groups and teams spelt out.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    names: Vec<Name>,
    /// A group whose members are not known here: a deny of it has to mean anyone.
    unknown_members: bool,
}

/// A requester spelt out, for lookup.
#[derive(Debug, Default)]
pub(super) struct Identity {
    certain: HashSet<String>,
    possible: HashSet<String>,
}

impl Names {
    pub(super) fn read(actors: &[Value], context: &dyn Context, zone: &TimeZone) -> Result<Names, Problem> {
        let mut names = Names::default();
        // `role` is not read: R4 says "who or what is controlled by this rule", whatever the part they play.
        for actor in actors {
            let reference = &actor["reference"];
            if reference["reference"].as_str().is_none()
                && reference["identifier"]["value"].as_str().is_none()
            {
                return Err("an actor has neither reference nor identifier".into());
            }
            names.reference(reference, true, None, context, zone, &mut Vec::new())?;
        }
        Ok(names)
    }

    fn reference(
        &mut self,
        reference: &Value,
        certain: bool,
        span: Option<Span>,
        context: &dyn Context,
        zone: &TimeZone,
        above: &mut Vec<String>,
    ) -> Result<(), Problem> {
        if let Some(value) = reference["identifier"]["value"].as_str() {
            let system = reference["identifier"]["system"].as_str().unwrap_or_default();
            self.add(identifier_token(system, value), certain, span)?;
        }
        let Some(text) = reference["reference"].as_str().map(without_version) else {
            return Ok(());
        };
        if let Some(local) = local_part(text) {
            self.add(local.to_owned(), false, span)?;
        }
        self.add(text.to_owned(), certain, span)?;
        let target = context.resource(text);
        match (text.split('/').next(), target) {
            (Some("Group"), None) => self.unknown_members = true,
            (Some("Group" | "CareTeam"), Some(target)) => {
                if above.iter().any(|a| a == text) {
                    return Err("a group contains itself".into());
                }
                if above.len() >= MAX_STEPS {
                    return Err("groups are nested too deeply".into());
                }
                above.push(text.to_owned());
                self.members(target, certain, span, context, zone, above)?;
                above.pop();
            }
            (Some("PractitionerRole"), Some(role)) => {
                // The person of a role may act in another one: certain enough to deny, not to permit.
                if let Some(person) = role["practitioner"]["reference"].as_str() {
                    self.add(without_version(person).to_owned(), false, span)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn members(
        &mut self,
        target: &Value,
        certain: bool,
        outer: Option<Span>,
        context: &dyn Context,
        zone: &TimeZone,
        above: &mut Vec<String>,
    ) -> Result<(), Problem> {
        let team = target["resourceType"] == "CareTeam";
        let (list, entity) = if team {
            ("participant", "member")
        } else {
            ("member", "entity")
        };
        let active = if team {
            matches!(target["status"].as_str(), None | Some("active"))
        } else {
            target["active"] != false && target["actual"] != false
        };
        self.unknown_members |= target["actual"] == false;
        for member in target[list].as_array().into_iter().flatten() {
            let span = match &member["period"] {
                Value::Null => outer,
                period => Some(narrower(outer, span(period, zone)?)),
            };
            let certain = certain && active && member["inactive"] != true;
            self.reference(&member[entity], certain, span, context, zone, above)?;
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    fn add(&mut self, token: String, certain: bool, span: Option<Span>) -> Result<(), Problem> {
        if self.names.len() >= MAX_NAMES {
            return Err("too many actors".into());
        }
        self.names.push(Name { token, certain, span });
        Ok(())
    }

    /// Is the requester one of these? Permits need certainty, denies take any likeness.
    pub(super) fn matches(&self, identity: &Identity, permit: bool, now: &Now) -> bool {
        if !permit && (self.unknown_members || identity.is_nobody()) {
            return true;
        }
        self.names.iter().any(|name| match permit {
            true => {
                name.certain
                    && identity.certain.contains(&name.token)
                    && name.span.is_none_or(|s| s.holds(now))
            }
            false => identity.certain.contains(&name.token) || identity.possible.contains(&name.token),
        })
    }
}

impl Span {
    /// Has it begun and not ended? Asked through `Now`, so that the decision knows how long it holds.
    pub(super) fn holds(self, now: &Now) -> bool {
        self.from.is_none_or(|t| now.reached(t)) && self.until.is_none_or(|t| !now.reached(t))
    }
}

fn narrower(outer: Option<Span>, inner: Span) -> Span {
    let outer = outer.unwrap_or(Span {
        from: None,
        until: None,
    });
    let until = match (outer.until, inner.until) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    Span {
        from: outer.from.max(inner.from),
        until,
    }
}

impl Identity {
    pub(super) fn new(actor: &Actor, context: &dyn Context) -> Identity {
        let mut identity = Identity::default();
        for class in &actor.classes {
            identity.certain.insert(identifier_token(RECIPIENT_CLASS, class));
        }
        for (system, value) in &actor.identifiers {
            identity.certain.insert(identifier_token(system, value));
            let references: Vec<String> = context
                .identified(system, value)
                .into_iter()
                .map(str::to_owned)
                .collect();
            for reference in references {
                identity.reference(&reference, true, context, 0);
            }
        }
        for reference in &actor.references {
            identity.reference(reference, true, context, 0);
        }
        for reference in &actor.likely {
            identity.possible.insert(without_version(reference).to_owned());
        }
        identity
    }

    fn is_nobody(&self) -> bool {
        self.certain.is_empty() && self.possible.is_empty()
    }

    fn reference(&mut self, reference: &str, certain: bool, context: &dyn Context, steps: usize) {
        let reference = without_version(reference);
        let set = if certain {
            &mut self.certain
        } else {
            &mut self.possible
        };
        if steps > MAX_STEPS || !set.insert(reference.to_owned()) {
            return;
        }
        if let Some(local) = local_part(reference) {
            self.possible.insert(local.to_owned());
        }
        if let Some(resource) = context.resource(reference) {
            self.resource(resource, certain, context, steps);
        }
        if reference.starts_with("Practitioner/") {
            self.organisations_of(reference, certain, context, steps);
        }
    }

    fn resource(&mut self, resource: &Value, certain: bool, context: &dyn Context, steps: usize) {
        for identifier in resource["identifier"].as_array().into_iter().flatten() {
            if let Some(value) = identifier["value"].as_str() {
                let token = identifier_token(identifier["system"].as_str().unwrap_or_default(), value);
                if certain {
                    &mut self.certain
                } else {
                    &mut self.possible
                }
                .insert(token);
            }
        }
        match resource["resourceType"].as_str() {
            Some("PractitionerRole") => {
                // An ended role says who the person was.
                let certain = certain && resource["active"] != false;
                for member in ["practitioner", "organization"] {
                    if let Some(reference) = resource[member]["reference"].as_str() {
                        self.reference(reference, certain, context, steps + 1);
                    }
                }
            }
            Some("Organization") => {
                if let Some(parent) = resource["partOf"]["reference"].as_str() {
                    self.reference(parent, false, context, steps + 1);
                }
            }
            _ => {}
        }
    }

    /// A person acts for an organisation for certain only when all of their roles are there.
    fn organisations_of(&mut self, practitioner: &str, certain: bool, context: &dyn Context, steps: usize) {
        let roles: Vec<&Value> = context
            .roles(practitioner)
            .into_iter()
            .filter(|r| r["active"] != false)
            .collect();
        let mut organisations: Vec<&str> = roles
            .iter()
            .filter_map(|r| r["organization"]["reference"].as_str())
            .map(without_version)
            .collect();
        organisations.sort_unstable();
        organisations.dedup();
        let one = organisations.len() == 1;
        for organisation in organisations {
            self.reference(organisation, certain && one, context, steps + 1);
        }
    }
}

/// Neither part can hold a line feed in R4 (`uri`, `string` trimmed), so the pair stays unambiguous.
fn identifier_token(system: &str, value: &str) -> String {
    format!("{system}\n{value}")
}
