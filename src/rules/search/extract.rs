//! The values of a released resource, taken in one walk over it: a plan says at which elements the parameters of its type
//! look. <https://hl7.org/fhir/R4/search.html#ptypes>

use jiff::tz::TimeZone;

use super::parameter::{Kind, Parameter, Served, served};
use super::path::{Only, Path};
use super::values::{Held, Moment, Span, Values, What};
use crate::fhir::excerpt::Part;
use crate::fhir::letters::fold;
use crate::fhir::{Instant, Value};

/// Where the parameters of one type look, as a tree of element names.
#[derive(Debug, Default)]
pub(super) struct Plan(Vec<Node>);

#[derive(Debug)]
struct Node {
    name: String,
    only: Option<Only>,
    takes: Vec<Take>,
    below: Vec<Node>,
}

/// A parameter that takes what stands here, of this type.
#[derive(Debug)]
struct Take {
    parameter: u8,
    kind: Kind,
    type_name: &'static str,
}

impl Plan {
    /// `paths` of each parameter, in order.
    pub fn of(parameters: &[Parameter], paths: &[Vec<Path>]) -> Plan {
        let mut plan = Plan::default();
        for (parameter, paths) in parameters.iter().zip(paths) {
            for path in paths {
                plan.add(parameter, path);
            }
        }
        plan
    }

    fn add(&mut self, parameter: &Parameter, path: &Path) {
        let mut level = &mut self.0;
        for (number, step) in path.steps.iter().enumerate() {
            let known = level
                .iter()
                .position(|n| n.name == step.name && n.only == step.only);
            let at = known.unwrap_or_else(|| {
                level.push(Node {
                    name: step.name.clone(),
                    only: step.only,
                    takes: Vec::new(),
                    below: Vec::new(),
                });
                level.len() - 1
            });
            let node = &mut level[at];
            if number + 1 == path.steps.len() {
                node.takes.push(Take {
                    parameter: parameter.at,
                    kind: parameter.kind,
                    type_name: path.type_name,
                });
            }
            level = &mut node.below;
        }
    }
}

/// Takes values of one resource after the other. `zone`: where dates without a time begin and end.
pub struct Extractor<'z> {
    zone: &'z TimeZone,
    held: Vec<Held>,
    text: String,
}

impl<'z> Extractor<'z> {
    pub fn new(zone: &'z TimeZone) -> Extractor<'z> {
        Extractor {
            zone,
            held: Vec::new(),
            text: String::new(),
        }
    }

    /// The values a released resource has for every parameter served for its type.
    pub fn extract(&mut self, resource: Part<'_, '_>) -> Values {
        let resource_type = resource.member("resourceType").and_then(Part::as_str);
        let served = resource_type.and_then(served);
        if let Some(served) = served {
            self.walk(&served.plan.0, resource);
        }
        self.taken(served)
    }

    pub(super) fn taken(&mut self, served: Option<&'static Served>) -> Values {
        let values = Values {
            served,
            held: self.held.as_slice().into(),
            text: self.text.as_str().into(),
        };
        self.held.clear();
        self.text.clear();
        values
    }

    fn walk(&mut self, level: &[Node], object: Part<'_, '_>) {
        for part in object.parts() {
            let name = part.name();
            for node in level.iter().filter(|node| node.name == name) {
                self.visit(node, part);
            }
        }
    }

    fn visit(&mut self, node: &Node, part: Part<'_, '_>) {
        if part.is_list() {
            return part.parts().for_each(|item| self.visit(node, item));
        }
        if !node.only.is_none_or(|only| holds(only, part)) {
            return;
        }
        for take in &node.takes {
            self.take(take, part);
        }
        if !node.below.is_empty() {
            self.walk(&node.below, part);
        }
    }

    fn take(&mut self, take: &Take, found: Part<'_, '_>) {
        let parameter = take.parameter;
        match take.kind {
            Kind::Token => self.token(parameter, take.type_name, found),
            Kind::Reference => self.reference(parameter, found),
            Kind::Date => self.date(parameter, found),
            Kind::String => self.texts(parameter, take.type_name, found),
            Kind::Uri => {
                if let Some(uri) = found.as_str() {
                    let what = What::Uri(self.keep(uri));
                    self.put(parameter, what);
                }
            }
        }
    }

    pub(super) fn put(&mut self, parameter: u8, what: What) {
        self.held.push(Held { parameter, what });
    }

    /// A text is kept once where it follows itself: systems repeat.
    pub(super) fn keep(&mut self, text: &str) -> Span {
        let len = u32::try_from(text.len()).unwrap_or_default();
        let known = match text.len() {
            0 => Some(0),
            1..16 => None,
            _ => self.text.find(text),
        };
        let at = known.unwrap_or_else(|| {
            self.text.push_str(text);
            self.text.len() - text.len()
        });
        Span { at: at as u32, len }
    }

    /// code, boolean, Coding, CodeableConcept, Identifier, ContactPoint and string as R4 indexes tokens.
    fn token(&mut self, parameter: u8, type_name: &str, found: Part<'_, '_>) {
        match found.scalar() {
            Some(Value::String(code)) if type_name == "code" => {
                let what = What::Code(self.keep(code));
                self.put(parameter, what);
            }
            Some(Value::String(code)) => self.coded(parameter, "", code),
            Some(Value::Bool(flag)) => self.coded(parameter, "", if *flag { "true" } else { "false" }),
            Some(_) => {}
            None => match type_name {
                "CodeableConcept" => {
                    let codings = found.member("coding").filter(|codings| codings.is_list());
                    for coding in codings.into_iter().flat_map(Part::parts) {
                        self.coding(parameter, coding);
                    }
                }
                "Coding" => self.coding(parameter, found),
                "Identifier" => self.identifier(parameter, found),
                // The system of a ContactPoint is none in the sense of a token.
                _ => self.coded(parameter, "", text(found, "value")),
            },
        }
    }

    fn coding(&mut self, parameter: u8, coding: Part<'_, '_>) {
        self.coded(parameter, text(coding, "system"), text(coding, "code"));
    }

    fn coded(&mut self, parameter: u8, system: &str, code: &str) {
        if !code.is_empty() {
            let (system, code) = (self.keep(system), self.keep(code));
            self.put(parameter, What::Token { system, code });
        }
    }

    fn identifier(&mut self, parameter: u8, found: Part<'_, '_>) {
        let value = text(found, "value");
        self.coded(parameter, text(found, "system"), value);
        let kinds = found.member("type").and_then(|kind| kind.member("coding"));
        for kind in kinds
            .filter(|_| !value.is_empty())
            .into_iter()
            .flat_map(Part::parts)
        {
            let (system, code) = (self.keep(text(kind, "system")), self.keep(text(kind, "code")));
            let value = self.keep(value);
            self.put(parameter, What::OfType { system, code, value });
        }
    }

    /// A Reference, or a canonical.
    fn reference(&mut self, parameter: u8, found: Part<'_, '_>) {
        let to = found.as_str().unwrap_or_else(|| text(found, "reference"));
        // A version of a resource is the resource.
        let to = to.split_once("/_history/").map_or(to, |(to, _)| to);
        if !to.is_empty() {
            let what = What::Reference(self.keep(to));
            self.put(parameter, what);
        }
        if let Some(identifier) = found.member("identifier") {
            let value = text(identifier, "value");
            if !value.is_empty() {
                let (system, value) = (self.keep(text(identifier, "system")), self.keep(value));
                self.put(parameter, What::Identified { system, value });
            }
        }
    }

    fn date(&mut self, parameter: u8, found: Part<'_, '_>) {
        if let Some((from, to)) = super::date::span_of(found, self.zone) {
            let (from, to) = (Moment::of(from), Moment::of(to));
            self.put(parameter, What::Date { from, to });
        }
    }

    /// A string, or each part of a name or an address by itself.
    fn texts(&mut self, parameter: u8, type_name: &str, found: Part<'_, '_>) {
        let parts: &[&str] = match type_name {
            "HumanName" => &["text", "family", "given", "prefix", "suffix"],
            "Address" => &[
                "text",
                "line",
                "city",
                "district",
                "state",
                "postalCode",
                "country",
            ],
            _ => return self.words(parameter, found),
        };
        for part in found.parts().filter(|part| parts.contains(&part.name())) {
            self.words(parameter, part);
        }
    }

    fn words(&mut self, parameter: u8, found: Part<'_, '_>) {
        if found.is_list() {
            return found.parts().for_each(|item| self.words(parameter, item));
        }
        let Some(stated) = found.as_str() else { return };
        let at = self.text.len();
        fold(stated, &mut self.text);
        let folded = Span {
            at: at as u32,
            len: (self.text.len() - at) as u32,
        };
        let stated = self.keep(stated);
        self.put(parameter, What::Text { stated, folded });
    }
}

fn holds(only: Only, part: Part<'_, '_>) -> bool {
    match only {
        Only::To(target) => {
            let reference = part.member("reference").and_then(Part::as_str);
            reference.and_then(target_of) == Some(target)
        }
        Only::Saying(name, value) => text(part, name) == value,
    }
}

/// The type in a reference of the form `Type/id`, which is what a release holds.
fn target_of(reference: &str) -> Option<&str> {
    let (kind, id) = reference.split_once('/')?;
    (!id.is_empty()).then_some(kind)
}

fn text<'a>(part: Part<'_, 'a>, name: &str) -> &'a str {
    part.member(name).and_then(Part::as_str).unwrap_or_default()
}

/// The values of a virtual `Provenance` of this resource, which changed at `changed_at`.
pub fn provenance_values(resource_type: &str, id: &str, changed_at: Instant) -> Values {
    let served = served("Provenance");
    let utc = TimeZone::UTC;
    let mut taken = Extractor::new(&utc);
    for parameter in served.map_or(&[][..], |served| &served.parameters) {
        let what = match parameter.code {
            "recorded" => What::Date {
                from: Moment::of(changed_at),
                to: Moment::of(Instant(changed_at.0 + 1000)),
            },
            "patient" if resource_type != "Patient" => continue,
            _ => What::Reference(taken.keep(&format!("{resource_type}/{id}"))),
        };
        taken.put(parameter.at, what);
    }
    taken.taken(served)
}
