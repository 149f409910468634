//! A compiled template: the tree of what is made, every path resolved, every expression parsed.
//! <https://hl7.org/fhir/R4/resource.html>; the notation is in `README.md`.

use super::problem::At;
use super::yaml::Scalar;
use crate::fhir::element::{self, Child, Element, Type};
use crate::fhirpath::Expression;
use serde_json::Value;

/// Where a value goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub child: Child,
    /// The JSON key starts with `_`: the id and extensions beside a primitive.
    pub beside: bool,
    /// What the enclosing Reference may point to, for its `reference`; empty: anything.
    pub targets: &'static [&'static str],
}

impl Slot {
    pub fn new(child: Child) -> Slot {
        Slot {
            child,
            beside: false,
            targets: &[],
        }
    }

    pub fn is_list(&self) -> bool {
        !self.beside && self.child.element.is_list()
    }

    pub fn type_name(&self) -> &'static str {
        if self.beside {
            "Element"
        } else {
            self.child.type_name
        }
    }

    pub fn is_primitive(&self) -> bool {
        element::is_primitive(self.type_name())
    }

    /// Any resource goes here: an entry of `resources` or of `contained`.
    pub fn is_resource(&self) -> bool {
        self.type_name() == "Resource"
    }

    /// The elements of an object written here; `None` for primitives and resources.
    pub fn content(&self) -> Option<&'static Type> {
        if self.beside {
            return element::table().any("Element");
        }
        self.child
            .element
            .children()
            .or_else(|| element::table().datatype(self.child.type_name))
    }
}

/// One thing of the template, where it stands, and whether any expression takes part in it.
#[derive(Debug)]
pub(super) struct Made {
    pub at: At,
    pub shape: Shape,
    /// Without expressions it is written always; with, only when one of them had a value.
    pub dynamic: bool,
}

#[derive(Debug)]
pub(super) enum Shape {
    /// A primitive, already of the right type.
    Literal(Value),
    Expression(Box<Source>),
    /// The references of the resources with this name.
    Names(usize),
    Object(Box<Object>),
    List(Vec<Made>),
    Control(Box<Control>),
}

/// A parsed expression.
#[derive(Debug)]
pub(super) struct Source {
    pub expression: Expression,
    /// For places: the scalar as it stands in the file, with its `=`.
    pub scalar: Scalar,
    /// Source paths it reads, as written; `from` says whether they start at the item or at the record.
    pub reads: Vec<Read>,
}

/// A source path that an expression names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub from: From,
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Item,
    Record,
    Parent,
}

#[derive(Debug)]
pub(super) struct Control {
    pub each: Option<(At, Each)>,
    pub condition: Option<(At, Source)>,
    pub body: Made,
}

#[derive(Debug)]
pub(super) enum Each {
    Source(Source),
    Names(usize),
}

#[derive(Debug)]
pub(super) struct Object {
    pub kind: &'static Type,
    /// A resource: its `resourceType` is written first.
    pub resource: bool,
    /// The name it is known by, from `$as`.
    pub name: Option<usize>,
    pub fields: Vec<Field>,
    pub required: Vec<Required>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub key: String,
    pub slot: Slot,
    pub made: Made,
    /// For `_x`: the position of `x` in the same object.
    pub follows: Option<usize>,
}

/// An element that R4 requires here, and the fields that can make it.
#[derive(Debug)]
pub(super) struct Required {
    pub element: &'static Element,
    pub fields: Vec<usize>,
}

/// Does a reference to this type of resource fit?
pub(super) fn fits(targets: &[&str], type_name: &str) -> bool {
    targets.is_empty() || targets.contains(&type_name) || targets.contains(&"Resource")
}
