//! Who is asking, spelt out for lookup: their references and identifiers, the roles they act in, the organisations they act for.
//! <https://hl7.org/fhir/R4/practitionerrole.html>

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::actor::{Actor, RECIPIENT_CLASS, identifier_token, referred_to};
use super::compile::span;
use super::context::{Context, local_part, without_version};
use crate::fhir::Now;

const MAX_STEPS: usize = 16;

/// A reference or an identifier, with its hash: most comparisons end there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    hash: u64,
    text: String,
}

impl Token {
    pub(super) fn new(text: String) -> Token {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Token {
            hash: hasher.finish(),
            text,
        }
    }
}

/// The tokens of a requester: few, so a list is quicker than a table.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Sorted by hash once all are there.
    list: Vec<Token>,
    seen: HashSet<String>,
}

impl Tokens {
    fn insert(&mut self, text: String) -> bool {
        let new = !self.seen.contains(&text);
        if new {
            self.list.push(Token::new(text.clone()));
            self.seen.insert(text);
        }
        new
    }

    fn settle(&mut self) {
        self.list.sort_unstable_by_key(|token| token.hash);
    }

    pub(super) fn contains(&self, token: &Token) -> bool {
        let from = self.list.partition_point(|own| own.hash < token.hash);
        let same = self.list[from..].iter().take_while(|own| own.hash == token.hash);
        same.into_iter().any(|own| own.text == token.text)
    }
}

/// A requester spelt out, for lookup.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub certain: Tokens,
    pub possible: Tokens,
}

impl Identity {
    pub(super) fn new(actor: &Actor, context: &dyn Context, zone: &TimeZone, now: &Now) -> Identity {
        let around = Around { context, zone, now };
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
                identity.reference(&reference, true, &around, 0);
            }
        }
        for reference in &actor.references {
            identity.reference(reference, true, &around, 0);
        }
        for reference in &actor.likely {
            identity.possible.insert(without_version(reference).to_owned());
        }
        identity.certain.settle();
        identity.possible.settle();
        identity
    }

    pub(super) fn is_nobody(&self) -> bool {
        self.certain.list.is_empty() && self.possible.list.is_empty()
    }

    /// Nothing speaks for another organisation.
    pub(super) fn acts_for(&self, organisation: &Token) -> bool {
        self.certain.contains(organisation)
            || !self
                .certain
                .list
                .iter()
                .any(|token| token.text.starts_with("Organization/"))
    }

    fn reference(&mut self, reference: &str, certain: bool, around: &Around<'_>, steps: usize) {
        let reference = without_version(reference);
        let resource = around.context.resource(reference);
        // A role that has ended says who the person was.
        let certain = certain
            && resource.is_none_or(|r| r["resourceType"] != "PractitionerRole" || around.is_in_force(r));
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
        if let Some(resource) = resource {
            self.resource(resource, certain, around, steps);
        }
        if reference.starts_with("Practitioner/") {
            self.organisations_of(reference, certain, around, steps);
        }
    }

    fn resource(&mut self, resource: &Value, certain: bool, around: &Around<'_>, steps: usize) {
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
                for member in ["practitioner", "organization"] {
                    if let Some(reference) = referred_to(resource, member) {
                        self.reference(reference, certain, around, steps + 1);
                    }
                }
            }
            Some("Organization") => {
                if let Some(parent) = referred_to(resource, "partOf") {
                    self.reference(parent, false, around, steps + 1);
                }
            }
            _ => {}
        }
    }

    /// A person acts in a role, and for an organisation, for certain only when it is the only one.
    fn organisations_of(&mut self, practitioner: &str, certain: bool, around: &Around<'_>, steps: usize) {
        let mut roles = around.context.roles(practitioner);
        roles.retain(|role| around.is_in_force(role));
        let mut organisations: Vec<&str> = roles
            .iter()
            .filter_map(|r| referred_to(r, "organization"))
            .collect();
        organisations.sort_unstable();
        organisations.dedup();
        // Coming from a role, the person acts in that one.
        let one = organisations.len() == 1;
        for organisation in organisations {
            self.reference(organisation, certain && one, around, steps + 1);
        }
        for role in &roles {
            let Some(id) = role["id"].as_str() else { continue };
            let set = if certain && roles.len() == 1 {
                &mut self.certain
            } else {
                &mut self.possible
            };
            set.insert(format!("PractitionerRole/{id}"));
        }
    }
}

/// What a requester is looked up in.
struct Around<'a> {
    context: &'a dyn Context,
    zone: &'a TimeZone,
    now: &'a Now,
}

impl Around<'_> {
    /// Active, and in its period; a period that cannot be read is over.
    fn is_in_force(&self, role: &Value) -> bool {
        let within = match &role["period"] {
            Value::Null => true,
            period => span(period, self.zone).is_ok_and(|span| span.holds(self.now)),
        };
        role["active"] != false && within
    }
}
