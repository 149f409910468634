//! The R4 element table: every type and element of the specification, built once from `r4/elements.tsv`.
//! <https://hl7.org/fhir/R4/resourcelist.html>, <https://hl7.org/fhir/R4/datatypes.html>
//!
//! Gate, XML, mapping checks and projection plans all read it. A path names one definition
//! (`CarePlan.activity.detail.code`, `Observation.value[x]`, `Dosage.text`) and does not descend into datatypes.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A resource, a datatype, or the content of a backbone element.
#[derive(Debug)]
pub struct Type {
    /// `Patient`, `Patient.contact`, `HumanName`.
    pub name: &'static str,
    /// In definition order, which is the order of XML.
    pub elements: Vec<Element>,
    /// Positions of the elements sorted by name, for `child`.
    by_name: Vec<u16>,
    /// Positions of the choice elements.
    choices: Vec<u16>,
}

/// One element definition.
#[derive(Debug)]
pub struct Element {
    pub path: &'static str,
    /// Last part of the path: `code`, `value[x]`.
    pub name: &'static str,
    pub min: u32,
    /// `u32::MAX` for `*`.
    pub max: u32,
    /// Empty where `content_reference` says what the content is.
    pub types: &'static [&'static str],
    /// What a Reference or canonical may point to; `Resource` is any type.
    pub targets: &'static [&'static str],
    /// `isModifier`: who does not understand it must not use the element that holds it.
    pub modifier: bool,
    pub summary: bool,
    /// Path of the element whose content this one shares.
    pub content_reference: Option<&'static str>,
    /// Value set of a required binding.
    pub binding: Option<&'static str>,
    /// Value set of an extensible binding.
    pub extensible: Option<&'static str>,
    /// The value set that nothing may leave, beside a looser binding.
    pub widest: Option<&'static str>,
    /// Its Quantity is a SimpleQuantity: without comparator.
    pub simple_quantity: bool,
    children: Option<u32>,
}

/// What a JSON key stands for: the element, and which of its types the key chose.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    pub element: &'static Element,
    /// The type's name; the path of the shared or backbone content where there is no named type.
    pub type_name: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Resource,
    Datatype,
    AbstractResource,
    Backbone,
}

/// All types by name.
#[derive(Debug)]
pub struct Table {
    types: Vec<Type>,
    kinds: Vec<Kind>,
    by_name: HashMap<&'static str, u32>,
}

/// The table of R4 4.0.1.
pub fn table() -> &'static Table {
    static TABLE: LazyLock<Table> =
        LazyLock::new(|| Builder::default().build(include_str!("r4/elements.tsv")));
    &TABLE
}

/// Is it one of the 20 primitive types, that is: a JSON scalar?
pub fn is_primitive(type_name: &str) -> bool {
    matches!(
        type_name,
        "base64Binary"
            | "boolean"
            | "canonical"
            | "code"
            | "date"
            | "dateTime"
            | "decimal"
            | "id"
            | "instant"
            | "integer"
            | "markdown"
            | "oid"
            | "positiveInt"
            | "string"
            | "time"
            | "unsignedInt"
            | "uri"
            | "url"
            | "uuid"
            | "xhtml"
    )
}

impl Table {
    /// A resource type that can be exchanged; `Resource` and `DomainResource` are not.
    pub fn resource(&'static self, name: &str) -> Option<&'static Type> {
        self.of_kind(name, Kind::Resource)
    }

    /// A complex datatype, `Element` and `BackboneElement` included.
    pub fn datatype(&'static self, name: &str) -> Option<&'static Type> {
        self.of_kind(name, Kind::Datatype)
    }

    /// Whatever has elements under this name: resource, datatype, abstract resource or backbone path.
    pub fn any(&'static self, name: &str) -> Option<&'static Type> {
        self.by_name.get(name).map(|index| &self.types[*index as usize])
    }

    /// The 146 resource types, by name.
    pub fn resource_types(&'static self) -> impl Iterator<Item = &'static str> {
        self.types
            .iter()
            .zip(&self.kinds)
            .filter(|(_, kind)| **kind == Kind::Resource)
            .map(|(t, _)| t.name)
    }

    /// The definition at a path; `[x]` is part of the name of a choice.
    pub fn element(&'static self, path: &str) -> Option<&'static Element> {
        let (parent, name) = path.rsplit_once('.')?;
        self.any(parent)?.element(name)
    }

    fn of_kind(&'static self, name: &str, kind: Kind) -> Option<&'static Type> {
        let index = *self.by_name.get(name)? as usize;
        (self.kinds[index] == kind).then(|| &self.types[index])
    }
}

impl Type {
    /// The element a JSON key stands for, without a leading underscore: `valueQuantity` is `value[x]` as Quantity.
    pub fn child(&'static self, json_key: &str) -> Option<Child> {
        self.find(json_key).map(|(_, child)| child)
    }

    /// The same with the element's position in `elements`.
    pub fn find(&'static self, json_key: &str) -> Option<(usize, Child)> {
        if let Some(index) = self.position(json_key) {
            let element = &self.elements[index];
            return (!element.is_choice()).then(|| {
                (
                    index,
                    Child {
                        element,
                        type_name: element.single_type(),
                    },
                )
            });
        }
        self.choices.iter().find_map(|index| {
            let index = usize::from(*index);
            let element = &self.elements[index];
            let rest = json_key.strip_prefix(element.stem())?;
            let type_name = element.types.iter().find(|t| is_capitalised(rest, t))?;
            Some((index, Child { element, type_name }))
        })
    }

    /// The element of this name, `value[x]` for a choice.
    pub fn element(&'static self, name: &str) -> Option<&'static Element> {
        self.position(name).map(|index| &self.elements[index])
    }

    fn position(&self, name: &str) -> Option<usize> {
        let found = self
            .by_name
            .binary_search_by(|index| self.elements[usize::from(*index)].name.cmp(name))
            .ok()?;
        Some(usize::from(self.by_name[found]))
    }
}

impl Child {
    /// The type with the members of this child: its datatype, or its backbone or shared content. None for
    /// primitives and for `Resource`.
    pub fn content(&self) -> Option<&'static Type> {
        self.element
            .children()
            .or_else(|| table().datatype(self.type_name))
    }
}

impl Element {
    pub fn is_list(&self) -> bool {
        self.max > 1
    }

    pub fn is_choice(&self) -> bool {
        self.name.ends_with("[x]")
    }

    /// The name without `[x]`, as FHIRPath and search write it.
    pub fn stem(&self) -> &'static str {
        self.name.strip_suffix("[x]").unwrap_or(self.name)
    }

    /// The JSON key for one of the types: `valueQuantity` for `value[x]` and `Quantity`, else the name.
    pub fn json_key(&self, type_name: &str) -> String {
        if !self.is_choice() {
            return self.name.to_owned();
        }
        let mut key = self.stem().to_owned();
        let mut letters = type_name.chars();
        key.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        key.push_str(letters.as_str());
        key
    }

    /// The type holding the children of a backbone element, `contentReference` followed.
    pub fn children(&self) -> Option<&'static Type> {
        self.children.map(|index| &table().types[index as usize])
    }

    /// For an element that is no choice: its type, or the path that says what it holds.
    fn single_type(&self) -> &'static str {
        match (self.content_reference, self.types) {
            (Some(path), _) => path,
            (None, [one, ..]) => one,
            (None, []) => "",
        }
    }
}

/// `Quantity` spells `Quantity`, `DateTime` spells `dateTime`; `datetime` spells nothing.
fn is_capitalised(text: &str, type_name: &str) -> bool {
    let (text, name) = (text.as_bytes(), type_name.as_bytes());
    match (text.first(), name.first()) {
        (Some(a), Some(b)) => *a == b.to_ascii_uppercase() && text[1..] == name[1..],
        _ => false,
    }
}

#[derive(Default)]
struct Builder {
    types: Vec<Type>,
    kinds: Vec<Kind>,
    by_name: HashMap<&'static str, u32>,
    lists: HashMap<&'static str, &'static [&'static str]>,
    /// The type of the row before.
    current: u32,
}

impl Builder {
    fn build(mut self, text: &'static str) -> Table {
        for line in text.lines() {
            match line.strip_prefix('#') {
                Some(header) => self.header(header),
                None => self.row(line),
            }
        }
        self.link();
        Table {
            types: self.types,
            kinds: self.kinds,
            by_name: self.by_name,
        }
    }

    fn header(&mut self, header: &'static str) {
        let (name, kind) = header
            .split_once('\t')
            .expect("a type line has a name and a kind");
        let kind = match kind {
            "resource" => Kind::Resource,
            "abstract-resource" => Kind::AbstractResource,
            _ => Kind::Datatype,
        };
        self.open(name, kind);
    }

    fn open(&mut self, name: &'static str, kind: Kind) -> u32 {
        let index = self.types.len() as u32;
        self.types.push(Type {
            name,
            elements: Vec::new(),
            by_name: Vec::new(),
            choices: Vec::new(),
        });
        self.kinds.push(kind);
        self.by_name.insert(name, index);
        index
    }

    fn row(&mut self, line: &'static str) {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_default();
        let path = next();
        let (parent, name) = path.rsplit_once('.').expect("an element has a parent");
        let (min, max, types, flags, content, targets) = (next(), next(), next(), next(), next(), next());
        let (binding, extensible, widest) = (next(), next(), next());
        let element = Element {
            path,
            name,
            min: min.parse().expect("min is a number"),
            max: if max == "*" {
                u32::MAX
            } else {
                max.parse().expect("max is a number or *")
            },
            types: self.list(types),
            targets: self.list(targets),
            modifier: flags.contains('M'),
            summary: flags.contains('S'),
            content_reference: (!content.is_empty()).then_some(content),
            binding: (!binding.is_empty()).then_some(binding),
            extensible: (!extensible.is_empty()).then_some(extensible),
            widest: (!widest.is_empty()).then_some(widest),
            simple_quantity: flags.contains('Q'),
            children: None,
        };
        // Rows of one type mostly follow each other; that saves the look-up.
        if self
            .types
            .get(self.current as usize)
            .is_none_or(|t| t.name != parent)
        {
            self.current = match self.by_name.get(parent) {
                Some(index) => *index,
                None => self.open(parent, Kind::Backbone),
            };
        }
        self.types[self.current as usize].elements.push(element);
    }

    /// Lists repeat (`string` 1 200 times), so each spelling is kept once, for the life of the process.
    fn list(&mut self, text: &'static str) -> &'static [&'static str] {
        if text.is_empty() {
            return &[];
        }
        self.lists
            .entry(text)
            .or_insert_with(|| text.split(',').collect::<Vec<_>>().leak())
    }

    fn link(&mut self) {
        for t in &mut self.types {
            t.by_name = (0..t.elements.len() as u16).collect();
            t.by_name
                .sort_unstable_by_key(|index| t.elements[*index as usize].name);
            t.choices = (0..t.elements.len() as u16)
                .filter(|i| t.elements[*i as usize].is_choice())
                .collect();
            for element in &mut t.elements {
                let content = element.content_reference.unwrap_or(element.path);
                element.children = match element.types {
                    [] | ["BackboneElement"] | ["Element"] => self.by_name.get(content).copied(),
                    _ => None,
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_resolve_to_elements_choices_and_shared_content() {
        let observation = table().resource("Observation").expect("a resource");
        let child = observation.child("valueQuantity").expect("a choice");
        assert_eq!((child.element.name, child.type_name), ("value[x]", "Quantity"));
        assert_eq!(
            observation.child("valueDateTime").expect("a choice").type_name,
            "dateTime"
        );
        for unknown in [
            "value",
            "value[x]",
            "valuequantity",
            "valueMoney",
            "valu",
            "",
            "_status",
        ] {
            assert!(observation.child(unknown).is_none(), "{unknown}");
        }
        assert_eq!(child.element.json_key("dateTime"), "valueDateTime");
        let nested = table()
            .element("Consent.provision.provision")
            .expect("an element");
        let children = nested.children().expect("shared content");
        assert_eq!(children.name, "Consent.provision");
        assert_eq!(
            children.child("provision").expect("again").element.path,
            "Consent.provision.provision"
        );
    }

    #[test]
    fn every_element_has_content_that_the_table_knows() {
        let names: Vec<_> = table().resource_types().collect();
        assert_eq!(names.len(), 146);
        for t in &table().types {
            // What the gate's fixed-size notes can hold.
            assert!(
                t.elements.len() <= 128 && t.choices.len() <= super::super::gate::MAX_CHOICES,
                "{}",
                t.name
            );
            for element in &t.elements {
                let known =
                    |name: &str| is_primitive(name) || table().datatype(name).is_some() || name == "Resource";
                assert!(element.types.iter().all(|name| known(name)), "{}", element.path);
                assert!(
                    !element.types.is_empty() || element.children().is_some(),
                    "{}",
                    element.path
                );
            }
        }
        assert!(table().resource("DomainResource").is_none() && table().datatype("Patient").is_none());
        let code = table()
            .element("CarePlan.activity.detail.status")
            .expect("an element");
        assert_eq!((code.min, code.max, code.types), (1, 1, &["code"][..]));
        assert!(code.modifier && code.binding.is_some());
        assert!(table().element("Dosage.text").is_some() && table().element("Patient.name.family").is_none());
    }
}
