//! Actors: whom a provision names, and who is asking.
//! <https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.actor>

use jiff::tz::TimeZone;
use serde_json::Value;

use super::compile::{Problem, span};
use super::context::{Context, local_part, without_version};
use super::identity::{Identity, Token};
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
    token: Token,
    certain: bool,
    /// Membership holds in this span only.
    span: Option<Span>,
    /// Takes part for this organisation, and for no other.
    behalf: Option<Token>,
}

/// The actors of one provision, groups and teams spelt out.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    names: Vec<Name>,
    /// A group whose members are not known here: a deny of it has to mean anyone.
    unknown_members: bool,
}

/// In what circumstances a name stands in a provision.
#[derive(Clone, Copy)]
struct As<'a> {
    certain: bool,
    span: Option<Span>,
    behalf: Option<&'a str>,
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
            let named = As {
                certain: true,
                span: None,
                behalf: None,
            };
            names.reference(reference, named, context, zone, &mut Vec::new())?;
        }
        Ok(names)
    }

    fn reference(
        &mut self,
        reference: &Value,
        named: As<'_>,
        context: &dyn Context,
        zone: &TimeZone,
        above: &mut Vec<String>,
    ) -> Result<(), Problem> {
        if let Some(value) = reference["identifier"]["value"].as_str() {
            let system = reference["identifier"]["system"].as_str().unwrap_or_default();
            self.add(identifier_token(system, value), named)?;
        }
        let Some(text) = reference["reference"].as_str().map(without_version) else {
            return Ok(());
        };
        let local = local_part(text);
        if let Some(local) = local {
            self.add(
                local.to_owned(),
                As {
                    certain: false,
                    ..named
                },
            )?;
        }
        let Some(target) = context.resource(text) else {
            // Whom a deny of it would reach is not known: a group whose members are elsewhere, no address at all.
            let is_resource = local.unwrap_or(text).contains('/') && !text.starts_with('#');
            self.unknown_members |= !is_resource || local.unwrap_or(text).starts_with("Group/");
            return self.add(text.to_owned(), named);
        };
        if is_at(target, text) {
            self.add(text.to_owned(), named)?;
        } else {
            self.described(target, named, context)?;
        }
        match target["resourceType"].as_str() {
            Some("Group" | "CareTeam") => {
                if above.iter().any(|a| a == text) {
                    return Err("a group contains itself".into());
                }
                if above.len() >= MAX_STEPS {
                    return Err("groups are nested too deeply".into());
                }
                above.push(text.to_owned());
                self.members(target, named, context, zone, above)?;
                above.pop();
            }
            Some("PractitionerRole") => {
                // The person of a role may act in another one: certain enough to deny, not to permit.
                if let Some(person) = referred_to(target, "practitioner") {
                    self.add(
                        person.to_owned(),
                        As {
                            certain: false,
                            ..named
                        },
                    )?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the consent contains, or is known under no address of its own, goes by its identifiers and its own id.
    fn described(&mut self, target: &Value, named: As<'_>, context: &dyn Context) -> Result<(), Problem> {
        let before = self.names.len();
        if let (Some(kind), Some(id)) = (target["resourceType"].as_str(), target["id"].as_str()) {
            let own = format!("{kind}/{id}");
            if context.resource(&own).is_some() {
                self.add(own, named)?;
            }
        }
        for identifier in target["identifier"].as_array().into_iter().flatten() {
            if let Some(value) = identifier["value"].as_str() {
                let system = identifier["system"].as_str().unwrap_or_default();
                self.add(identifier_token(system, value), named)?;
            }
        }
        let group = matches!(target["resourceType"].as_str(), Some("Group" | "CareTeam"));
        self.unknown_members |= before == self.names.len() && !group;
        Ok(())
    }

    fn members(
        &mut self,
        target: &Value,
        named: As<'_>,
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
        let within = |outer, period: &Value| match period {
            Value::Null => Ok(outer),
            period => span(period, zone).map(|inner| Some(narrower(outer, inner))),
        };
        let outer = if team {
            within(named.span, &target["period"])?
        } else {
            named.span
        };
        let members = target[list].as_array().map_or(&[][..], Vec::as_slice);
        // A group described in words, or one that says it has more members than it lists.
        self.unknown_members |= target["actual"] == false
            || target["quantity"]
                .as_u64()
                .is_some_and(|stated| stated > members.len() as u64);
        // Who has left the group is no member, of a permit or of a deny.
        for member in members.iter().filter(|m| m["inactive"] != true) {
            let behalf = referred_to(member, "onBehalfOf");
            let named = As {
                certain: named.certain && active,
                span: within(outer, &member["period"])?,
                behalf: behalf.or(named.behalf),
            };
            self.reference(&member[entity], named, context, zone, above)?;
            if team && behalf.is_some() {
                self.reference(
                    &member["onBehalfOf"],
                    As {
                        behalf: None,
                        ..named
                    },
                    context,
                    zone,
                    above,
                )?;
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    fn add(&mut self, token: String, named: As<'_>) -> Result<(), Problem> {
        if self.names.len() >= MAX_NAMES {
            return Err("too many actors".into());
        }
        self.names.push(Name {
            token: Token::new(token),
            certain: named.certain,
            span: named.span,
            behalf: named.behalf.map(|behalf| Token::new(behalf.to_owned())),
        });
        Ok(())
    }

    /// Is the requester one of these? Permits need certainty, denies take any likeness.
    pub(super) fn matches(&self, identity: &Identity, permit: bool, now: &Now) -> bool {
        if !permit && (self.unknown_members || identity.is_nobody()) {
            return true;
        }
        self.names.iter().any(|name| {
            let is_meant = match permit {
                true => {
                    name.certain
                        && identity.certain.contains(&name.token)
                        && name.behalf.as_ref().is_none_or(|b| identity.acts_for(b))
                }
                false => identity.certain.contains(&name.token) || identity.possible.contains(&name.token),
            };
            is_meant && name.span.is_none_or(|s| s.holds(now))
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

/// Is this the address a resource has by its type and id?
fn is_at(resource: &Value, address: &str) -> bool {
    address
        .split_once('/')
        .is_some_and(|(kind, id)| resource["resourceType"] == kind && resource["id"] == id)
}

pub(super) fn referred_to<'a>(resource: &'a Value, member: &str) -> Option<&'a str> {
    resource[member]["reference"].as_str().map(without_version)
}

/// Neither part can hold a line feed in R4 (`uri`, `string` trimmed), so the pair stays unambiguous.
pub(super) fn identifier_token(system: &str, value: &str) -> String {
    format!("{system}\n{value}")
}
