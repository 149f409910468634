//! What an expression yields: nodes of the input, borrowed, or values made on the way.
//! <http://hl7.org/fhirpath/N1/#data-types>, <https://hl7.org/fhir/R4/fhirpath.html#types>

use super::ast::Unit;
use super::temporal::{Temporal, TemporalKind};
use super::types::FhirType;
use crate::fhir::element::Child;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// The only key of the JSON object that stands for HL7 v2 `""`: `{"$hl7": "delete"}`.
/// A source that reads HL7 v2 writes this object; expressions see `Item::Delete`.
pub const DELETE_KEY: &str = "$hl7";

/// One value of a collection.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    /// a node of the input, with its address
    Node(Node<'a>),
    /// JSON made by a host function
    Made(Box<Value>),
    Text(Cow<'a, str>),
    Integer(i64),
    /// the digits as written
    Decimal(Cow<'a, str>),
    Bool(bool),
    /// a date, date-time or time
    Moment(Temporal),
    Quantity(Box<Quantity>),
    /// HL7 v2 `""`: the sender says that there is no such value any more
    Delete,
}

/// A JSON node of the input.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    pub(super) value: &'a Value,
    /// the `_x` beside a primitive `x`
    pub(super) beside: Option<&'a Value>,
    pub(super) of: Option<FhirType>,
    /// Is the type the declared one, so that an unknown member is a mistake?
    pub(super) exact: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    pub value: String,
    pub unit: Unit,
}

/// What a comparison sees of an item.
pub(super) enum Scalar<'x> {
    Bool(bool),
    Integer(i64),
    Decimal(&'x str),
    /// `true`: JSON without a known type, which may also be read as a date
    Text(&'x str, bool),
    Moment(Temporal),
    Quantity(Cow<'x, Quantity>),
    Tree(&'x Value),
    Delete,
    /// only extensions, no value
    Absent,
}

impl<'a> Node<'a> {
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// Extensions of a primitive (`_x` beside `x`).
    pub fn beside(&self) -> Option<&'a Value> {
        self.beside
    }

    /// `Patient`, `HumanName`, `code`, `Patient.contact`; `None` where the input does not say.
    pub fn type_name(&self) -> Option<&'static str> {
        self.of.map(|of| of.name)
    }

    /// Identifies the node within the input, as `source_index` lists them.
    pub fn address(&self) -> usize {
        std::ptr::from_ref(self.value).addr()
    }

    fn scalar(&self) -> Scalar<'a> {
        match self.value {
            Value::Null => Scalar::Absent,
            Value::Bool(b) => Scalar::Bool(*b),
            Value::Number(number) => scalar_number(number),
            Value::String(text) => match self.of.map(|of| of.name) {
                None => Scalar::Text(text, true),
                Some("date") => Temporal::date(text).map_or(Scalar::Text(text, false), Scalar::Moment),
                Some("dateTime" | "instant") => {
                    Temporal::date_time(text).map_or(Scalar::Text(text, false), Scalar::Moment)
                }
                Some("time") => Temporal::time(text).map_or(Scalar::Text(text, false), Scalar::Moment),
                Some(_) => Scalar::Text(text, false),
            },
            tree => Scalar::Tree(tree),
        }
    }
}

impl<'a> Item<'a> {
    /// An untyped node, as a host or a caller hands it in. The delete marker becomes `Item::Delete`.
    pub fn node(value: &'a Value) -> Item<'a> {
        if is_delete(value) {
            return Item::Delete;
        }
        Item::Node(Node {
            value,
            beside: None,
            of: None,
            exact: false,
        })
    }

    /// An element of a FHIR resource whose declaration is known, with its `_x`; `value` may be null beside one.
    pub fn element(value: &'a Value, beside: Option<&'a Value>, child: &Child) -> Item<'a> {
        Item::Node(Node {
            value,
            beside,
            of: Some(FhirType::of_child(child)),
            exact: !child.element.is_choice(),
        })
    }

    /// A resource, of the type it states.
    pub fn resource(value: &'a Value) -> Item<'a> {
        let of = FhirType::of_resource(value);
        Item::Node(Node {
            value,
            beside: None,
            of,
            exact: of.is_some(),
        })
    }

    pub fn text(text: impl Into<Cow<'a, str>>) -> Item<'a> {
        Item::Text(text.into())
    }

    pub(super) fn text_decimal(digits: String) -> Item<'a> {
        Item::Decimal(Cow::Owned(digits))
    }

    /// JSON made by a caller.
    pub fn made(value: Value) -> Item<'a> {
        Item::Made(Box::new(value))
    }

    /// The JSON node behind it, if there is one.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Item::Node(node) => Some(node.value),
            Item::Made(value) => Some(value),
            _ => None,
        }
    }

    /// Address of the input node it is; made values have none.
    pub fn address(&self) -> Option<usize> {
        match self {
            Item::Node(node) => Some(node.address()),
            _ => None,
        }
    }

    /// The text of a scalar: digits as written, `true`, dates in ISO form. `None` for objects and delete.
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Item::Text(text) => Cow::Borrowed(text),
            Item::Decimal(text) => Cow::Borrowed(text),
            Item::Integer(n) => Cow::Owned(n.to_string()),
            Item::Bool(b) => Cow::Borrowed(if *b { "true" } else { "false" }),
            Item::Moment(moment) => Cow::Owned(moment.to_string()),
            Item::Quantity(quantity) => Cow::Owned(quantity.to_text()),
            Item::Node(_) | Item::Made(_) => match self.value()? {
                Value::String(text) => Cow::Borrowed(text),
                Value::Bool(b) => Cow::Borrowed(if *b { "true" } else { "false" }),
                Value::Number(number) => Cow::Borrowed(number.as_str()),
                _ => return None,
            },
            Item::Delete => return None,
        })
    }

    /// As JSON: nodes are cloned, decimals keep their digits, dates become strings; delete becomes its marker.
    pub fn to_json(&self) -> Value {
        match self {
            Item::Node(node) => node.value.clone(),
            Item::Made(value) => (**value).clone(),
            Item::Text(text) => Value::String(text.to_string()),
            Item::Integer(n) => Value::Number((*n).into()),
            Item::Decimal(text) => text
                .parse::<Number>()
                .map_or_else(|_| Value::String(text.to_string()), Value::Number),
            Item::Bool(b) => Value::Bool(*b),
            Item::Moment(moment) => Value::String(moment.to_string()),
            Item::Quantity(quantity) => quantity.to_json(),
            Item::Delete => {
                let mut marker = Map::new();
                marker.insert(DELETE_KEY.to_owned(), Value::String("delete".to_owned()));
                Value::Object(marker)
            }
        }
    }

    /// What it is, for messages: never its value.
    pub fn kind(&self) -> &'static str {
        match self.scalar() {
            Scalar::Bool(_) => "a boolean",
            Scalar::Integer(_) => "an integer",
            Scalar::Decimal(_) => "a decimal",
            Scalar::Text(..) => "a text",
            Scalar::Moment(moment) => match moment.kind {
                TemporalKind::Date => "a date",
                TemporalKind::DateTime => "a date and time",
                TemporalKind::Time => "a time",
            },
            Scalar::Quantity(_) => "a quantity",
            Scalar::Tree(_) => "an object",
            Scalar::Delete => "a deletion",
            Scalar::Absent => "an element without value",
        }
    }

    pub(super) fn scalar(&self) -> Scalar<'_> {
        match self {
            Item::Node(node) => node.scalar(),
            Item::Made(value) => Node {
                value,
                beside: None,
                of: None,
                exact: false,
            }
            .scalar(),
            Item::Text(text) => Scalar::Text(text, false),
            Item::Integer(n) => Scalar::Integer(*n),
            Item::Decimal(text) => Scalar::Decimal(text),
            Item::Bool(b) => Scalar::Bool(*b),
            Item::Moment(moment) => Scalar::Moment(*moment),
            Item::Quantity(quantity) => Scalar::Quantity(Cow::Borrowed(quantity)),
            Item::Delete => Scalar::Delete,
        }
    }

    /// The text of a text, borrowed from the input where it can be; `None` for everything else.
    pub(super) fn string(&self) -> Option<Cow<'a, str>> {
        match self {
            Item::Text(text) => Some(text.clone()),
            Item::Node(node) => node.value.as_str().map(Cow::Borrowed),
            Item::Made(value) => value.as_str().map(|text| Cow::Owned(text.to_owned())),
            _ => None,
        }
    }
}

impl Quantity {
    /// A FHIR Quantity: the UCUM code if it has one, else the unit as printed.
    pub(super) fn from_json(value: &Value) -> Option<Quantity> {
        let number = value.get("value")?.as_number()?;
        let member = |name: &str| value.get(name).and_then(Value::as_str);
        let ucum = member("system") == Some("http://unitsofmeasure.org");
        let unit = if ucum { member("code") } else { member("unit") };
        Some(Quantity {
            value: number.as_str().to_owned(),
            unit: Unit::Ucum(unit.unwrap_or("1").to_owned()),
        })
    }

    fn to_text(&self) -> String {
        match &self.unit {
            Unit::Ucum(unit) => format!("{} '{unit}'", self.value),
            Unit::Calendar(unit) => format!("{} {unit}", self.value),
        }
    }

    fn to_json(&self) -> Value {
        let mut out = Map::new();
        out.insert(
            "value".to_owned(),
            Item::Decimal(Cow::Borrowed(&self.value)).to_json(),
        );
        match &self.unit {
            Unit::Ucum(code) => {
                out.insert(
                    "system".to_owned(),
                    Value::String("http://unitsofmeasure.org".to_owned()),
                );
                out.insert("code".to_owned(), Value::String(code.clone()));
            }
            Unit::Calendar(unit) => {
                out.insert("unit".to_owned(), Value::String(unit.clone()));
            }
        }
        Value::Object(out)
    }
}

pub(super) fn is_delete(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|o| o.len() == 1 && o.get(DELETE_KEY).is_some_and(|v| v == "delete"))
}

/// A whole number written without point or exponent.
pub(super) fn integer_of(text: &str) -> Option<i64> {
    if text.contains(['.', 'e', 'E']) {
        None
    } else {
        text.parse().ok()
    }
}

fn scalar_number(number: &Number) -> Scalar<'_> {
    integer_of(number.as_str()).map_or(Scalar::Decimal(number.as_str()), Scalar::Integer)
}
