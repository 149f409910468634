//! What converting a record gave: the resources, and on demand where each value came from and what nobody mapped.
//! `README.md`; traces answer <https://hl7.org/fhir/R4/provenance.html> for the conversion itself.

use super::Mapping;
use super::fhir_record::Taken;
use super::path::{Paths, Places, address, each_node, is_leaf};
use super::problem::At;
use super::run::{Run, Traced};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The resources of one record. Traces and unmapped fields are written out only when asked for.
#[derive(Debug)]
pub struct Conversion<'a> {
    /// In the order of the mapping; each passed the R4 gate.
    pub resources: Vec<Value>,
    /// `Type/id` of what the record is chiefly about, where the mapping says it.
    pub chief: Option<String>,
    mapping: &'a Mapping,
    origin: Origin<'a>,
}

/// What traces are written from.
#[derive(Debug)]
enum Origin<'a> {
    Template(Box<Filled<'a>>),
    Fhir(Taken),
}

#[derive(Debug)]
struct Filled<'a> {
    record: Cow<'a, Value>,
    starts: Vec<(u32, At)>,
    paths: Paths<'a>,
    trace: Vec<Traced>,
    touched: Vec<usize>,
}

/// Where one value of a resource came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// `CarePlan/3f…`
    pub resource: String,
    /// `CarePlan.activity[2].detail.description`
    pub target: String,
    /// `actions[2].text`; empty for a literal.
    pub sources: Vec<String>,
    /// The template's place in the mapping file.
    pub line: u32,
    pub column: u32,
}

impl<'a> Conversion<'a> {
    pub(super) fn new(
        mapping: &'a Mapping,
        record: Cow<'a, Value>,
        run: Finished<'a>,
        chief: Option<String>,
    ) -> Conversion<'a> {
        let Finished {
            resources,
            starts,
            paths,
            trace,
            touched,
        } = run;
        let filled = Filled {
            record,
            starts,
            paths,
            trace,
            touched,
        };
        Conversion {
            resources,
            chief,
            mapping,
            origin: Origin::Template(Box::new(filled)),
        }
    }

    pub(super) fn taken(mapping: &'a Mapping, mut taken: Taken) -> Conversion<'a> {
        let resources = std::mem::take(&mut taken.resources);
        let person = resources.iter().find(|one| one["resourceType"] == "Patient");
        Conversion {
            // A FHIR record is about its person, whole.
            chief: person.and_then(|one| Some(format!("Patient/{}", one["id"].as_str()?))),
            resources,
            mapping,
            origin: Origin::Fhir(taken),
        }
    }

    /// One entry for each primitive value made, in the order of the resources.
    pub fn trace(&self) -> Vec<Trace> {
        match &self.origin {
            Origin::Template(filled) => filled.trace(&self.resources),
            Origin::Fhir(taken) => taken.trace(&self.resources),
        }
    }

    /// Fields with a value that no expression read and no expression names, less those that `ignore` covers. Of a FHIR
    /// record the types that were left out, and the elements whose references led nowhere.
    pub fn unmapped(&self) -> Vec<String> {
        match &self.origin {
            Origin::Template(filled) => filled.unmapped(self.mapping),
            Origin::Fhir(taken) => taken.left_out.keys().cloned().collect(),
        }
    }

    /// What a FHIR record held that was left out, with how many: types, and references by their element.
    pub fn left_out(&self) -> BTreeMap<String, usize> {
        match &self.origin {
            Origin::Template(_) => BTreeMap::new(),
            Origin::Fhir(taken) => taken.left_out.clone(),
        }
    }

    /// `hearthstone/care-plan 3 sha256:…`: what made these values.
    pub fn mapping(&self) -> String {
        self.mapping.stamp()
    }
}

impl Filled<'_> {
    fn trace(&self, resources: &[Value]) -> Vec<Trace> {
        let places = Places::of(&self.record);
        let mut found = Vec::with_capacity(self.trace.len());
        for (number, resource) in resources.iter().enumerate() {
            let from = self.starts[number].0 as usize;
            let to = self
                .starts
                .get(number + 1)
                .map_or(self.trace.len(), |next| next.0 as usize);
            let part = |key: &str| resource.get(key).and_then(Value::as_str).unwrap_or_default();
            let name = format!("{}/{}", part("resourceType"), part("id"));
            found.extend(self.trace[from..to].iter().map(|traced| Trace {
                resource: name.clone(),
                target: self.paths.text(traced.path),
                sources: places.read(&self.touched[traced.read.0 as usize..traced.read.1 as usize]),
                line: traced.at.line,
                column: traced.at.column,
            }));
        }
        found
    }

    fn unmapped(&self, mapping: &Mapping) -> Vec<String> {
        let read: HashSet<usize> = self.touched.iter().copied().collect();
        let mut found = BTreeSet::new();
        each_node(&self.record, |names, node| {
            let nothing = node.is_null() || node.as_str().is_some_and(|text| text.trim().is_empty());
            if is_leaf(node) && !nothing && !read.contains(&address(node)) {
                let ignored = mapping.header.ignore.iter().any(|ignored| ignored.covers(names));
                let field = names.join(".");
                if !ignored && !mapping.reads.contains(&field) {
                    found.insert(field);
                }
            }
        });
        found.into_iter().collect()
    }
}

/// What a run leaves when nothing went wrong.
pub(super) struct Finished<'a> {
    resources: Vec<Value>,
    starts: Vec<(u32, At)>,
    paths: Paths<'a>,
    trace: Vec<Traced>,
    touched: Vec<usize>,
}

impl<'a> Finished<'a> {
    pub fn of(run: Run<'a, '_>) -> Finished<'a> {
        Finished {
            resources: run.resources,
            starts: run.starts,
            paths: run.paths,
            trace: run.trace,
            touched: run.touched,
        }
    }
}
