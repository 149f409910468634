//! Which type a value has and what `is`, `as` and `ofType` say about it.
//! <https://hl7.org/fhir/R4/fhirpath.html#types>, <http://hl7.org/fhirpath/N1/#types>

use super::Dialect;
use super::ast::{Space, TypeName};
use super::item::{Item, Node, integer_of};
use super::temporal::{Temporal, TemporalKind};
use crate::fhir::element::{self, Type, is_primitive, table};
use serde_json::Value;

const SYSTEM: [&str; 8] = [
    "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity",
];
const FREQUENT: [&str; 42] = [
    "base64Binary",
    "boolean",
    "canonical",
    "code",
    "date",
    "dateTime",
    "decimal",
    "id",
    "instant",
    "integer",
    "markdown",
    "oid",
    "positiveInt",
    "string",
    "time",
    "unsignedInt",
    "uri",
    "url",
    "uuid",
    "xhtml",
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "CodeableConcept",
    "Coding",
    "ContactPoint",
    "Dosage",
    "Duration",
    "Extension",
    "HumanName",
    "Identifier",
    "Meta",
    "Money",
    "Period",
    "Quantity",
    "Range",
    "Ratio",
    "Reference",
    "SampledData",
    "Signature",
    "Timing",
];

/// The FHIR type of a node: its name and who holds its children (`None` for primitives).
#[derive(Clone, Copy, Debug)]
pub(super) struct FhirType {
    pub name: &'static str,
    pub content: Option<&'static Type>,
}

impl FhirType {
    /// `Patient`, `HumanName`, `Patient.contact`, `string`.
    pub fn named(name: &str) -> Option<FhirType> {
        if let Some(found) = table().any(name) {
            return Some(FhirType {
                name: found.name,
                content: Some(found),
            });
        }
        FREQUENT
            .iter()
            .find(|known| **known == name)
            .map(|known| FhirType {
                name: known,
                content: None,
            })
    }

    /// Looked up once for all values of a list. Primitives are written small and hold nothing.
    pub fn of_child(child: &element::Child) -> FhirType {
        let name = child.type_name;
        let content = match child.element.children() {
            Some(backbone) if !child.element.is_choice() => Some(backbone),
            _ if name.starts_with(|c: char| c.is_ascii_uppercase()) => table().any(name),
            _ => None,
        };
        FhirType { name, content }
    }

    pub fn of_resource(value: &Value) -> Option<FhirType> {
        let name = value.as_object()?.get("resourceType")?.as_str()?;
        let found = table().resource(name)?;
        Some(FhirType {
            name: found.name,
            content: Some(found),
        })
    }

    pub fn is_a(self, wanted: &str) -> bool {
        let mut name = self.name;
        loop {
            if name == wanted {
                return true;
            }
            match parent(name) {
                Some(above) => name = above,
                None => return false,
            }
        }
    }
}

fn parent(name: &str) -> Option<&'static str> {
    Some(match name {
        "Resource" | "Element" => return None,
        "code" | "id" | "markdown" => "string",
        "url" | "canonical" | "uuid" | "oid" => "uri",
        "positiveInt" | "unsignedInt" => "integer",
        "Age" | "Count" | "Distance" | "Duration" | "MoneyQuantity" | "SimpleQuantity" => "Quantity",
        "Timing" | "Dosage" | "ElementDefinition" => "BackboneElement",
        "DomainResource" | "Bundle" | "Binary" | "Parameters" => "Resource",
        _ if name.contains('.') => "BackboneElement",
        _ if table().resource(name).is_some() => "DomainResource",
        _ => "Element",
    })
}

pub(super) fn is_known(name: &str) -> bool {
    SYSTEM.contains(&name) || is_primitive(name) || (table().any(name).is_some() && !name.contains('.'))
}

/// Does the name stand at the root of a path (`Patient.name`)?
pub(super) fn is_resource_name(name: &str) -> bool {
    matches!(name, "Resource" | "DomainResource") || table().resource(name).is_some()
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SYSTEM.into_iter().chain(FREQUENT).chain(table().resource_types())
}

/// `is`: of the type or of one derived from it. Invariants write `is Boolean` and `is DateTime` of FHIR's own primitives.
pub(super) fn is(item: &Item<'_>, wanted: &TypeName, dialect: Dialect) -> bool {
    let named = |found: FhirType, name: &str| {
        dialect == Dialect::Invariant && SYSTEM.contains(&name) && found.name.eq_ignore_ascii_case(name)
    };
    judge(item, wanted, |found, name| found.is_a(name) || named(found, name))
}

/// `as` and `ofType`: exactly of the type, or derived from one that has no values of its own.
pub(super) fn is_exactly(item: &Item<'_>, wanted: &TypeName) -> bool {
    let open = matches!(
        wanted.name.as_str(),
        "Resource" | "DomainResource" | "Element" | "BackboneElement"
    );
    judge(item, wanted, |found, name| {
        found.name == name || (open && found.is_a(name))
    })
}

fn judge(item: &Item<'_>, wanted: &TypeName, fits: impl Fn(FhirType, &str) -> bool) -> bool {
    let name = wanted.name.as_str();
    let resource;
    let node = match item {
        Item::Node(node) => node,
        Item::Made(value) => {
            resource = Node {
                value,
                beside: None,
                of: FhirType::of_resource(value),
                exact: false,
            };
            &resource
        }
        _ => return wanted.space != Some(Space::Fhir) && system_name(item) == Some(name),
    };
    match (node.of, wanted.space) {
        (_, Some(Space::System)) if node.of.is_some() => false,
        (Some(found), _) => fits(found, name),
        (None, _) => looks_like(node.value, name),
    }
}

fn system_name(item: &Item<'_>) -> Option<&'static str> {
    Some(match item {
        Item::Bool(_) => "Boolean",
        Item::Text(_) => "String",
        Item::Integer(_) => "Integer",
        Item::Decimal(_) => "Decimal",
        Item::Quantity(_) => "Quantity",
        Item::Moment(moment) => match moment.kind {
            TemporalKind::Date => "Date",
            TemporalKind::DateTime => "DateTime",
            TemporalKind::Time => "Time",
        },
        Item::Node(_) | Item::Made(_) | Item::Delete => return None,
    })
}

/// JSON whose type nobody states: a source record, an extension of an unknown element.
fn looks_like(value: &Value, name: &str) -> bool {
    match (value, name) {
        (Value::Bool(_), "Boolean" | "boolean") => true,
        (Value::Number(number), "Integer" | "integer") => integer_of(number.as_str()).is_some(),
        (Value::Number(_), "Decimal" | "decimal") => true,
        (
            Value::String(_),
            "String" | "string" | "code" | "uri" | "id" | "markdown" | "url" | "canonical",
        ) => true,
        (Value::String(text), "Date" | "date") => Temporal::date(text).is_some(),
        (Value::String(text), "DateTime" | "dateTime") => Temporal::date_time(text).is_some(),
        (Value::String(text), "instant") => Temporal::date_time(text).is_some_and(|t| t.is_instant()),
        (Value::String(text), "Time" | "time") => Temporal::time(text).is_some(),
        (Value::Object(object), name) => match object.get("resourceType").and_then(Value::as_str) {
            Some(stated) => FhirType::named(stated).map_or(stated == name, |found| found.is_a(name)),
            None => table().datatype(name).is_some_and(|wanted| {
                !object.is_empty()
                    && object
                        .keys()
                        .all(|k| wanted.child(k.strip_prefix('_').unwrap_or(k)).is_some())
            }),
        },
        _ => false,
    }
}
