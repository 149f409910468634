//! From the named elements of a differential to the projection plan, held against the R4 element table.
//! Postern's semantics, sections 1.2 to 1.8 (README.md beside this file);
//! <https://hl7.org/fhir/R4/profiling.html>

use std::collections::HashMap;

use super::differential::{Def, Named};
use super::free_text::is_free_text;
use super::plan::{Content, Form, Node, NodeId, Opened, Plan, Slice, Words};
use super::problem::{Rule, nearest};
use super::reach::{Reach, content, reach_of};
use super::slicing;
use crate::fhir::Issue;
use crate::fhir::element::{Element, Type, table};

pub(super) struct Compiler<'p> {
    nodes: Vec<Node>,
    /// First node of each backbone element, for content references.
    by_path: HashMap<&'static str, NodeId>,
    /// Forms that wait for the node of the element they share: (node, opened, form, target path, id).
    pending: Vec<(NodeId, usize, usize, &'static str, String)>,
    /// Types open above, so that Reference.identifier.assigner ends.
    pub(super) stack: Vec<&'static str>,
    problems: &'p mut Vec<Issue>,
}

/// Where the walk stands: the content, what is named in it, and how it is called.
struct Place<'a> {
    content: &'static Type,
    named: &'a Named,
    reach: Reach,
    id: &'a str,
}

/// Slices, depth and datatypes multiply; no profile of a real data set comes near.
const MAX_NODES: usize = 20_000;

pub(super) fn compile(root: &'static Type, named: &Named, problems: &mut Vec<Issue>) -> Plan {
    let mut compiler = Compiler {
        nodes: Vec::new(),
        by_path: HashMap::new(),
        pending: Vec::new(),
        stack: Vec::new(),
        problems,
    };
    compiler.check_names(named, &[Content::Complex(root)], root.name);
    compiler.node(Content::Complex(root), named, Reach::Named, root.name);
    compiler.resolve();
    Plan {
        nodes: compiler.nodes,
    }
}

impl Compiler<'_> {
    pub(super) fn broken(&mut self, rule: Rule, id: &str, why: impl std::fmt::Display) {
        self.problems.push(rule.broken(id, why));
    }

    /// Compiles the inside of one element and gives its number.
    fn node(&mut self, content: Content, named: &Named, reach: Reach, id: &str) -> NodeId {
        let at = self.nodes.len();
        self.nodes.push(Node::new(content));
        if at >= MAX_NODES {
            if at == MAX_NODES {
                self.broken(Rule::Slicing, id, "slices multiply beyond any use");
            }
            return at;
        }
        match content {
            Content::Primitive(_) => self.primitive(at, named, id),
            Content::Complex(t) => {
                self.by_path.entry(t.name).or_insert(at);
                self.stack.push(t.name);
                let place = Place {
                    content: t,
                    named,
                    reach,
                    id,
                };
                for element in &t.elements {
                    if let Some(opened) = self.open(element, &place, at) {
                        self.nodes[at].opened.push(opened);
                    }
                }
                self.stack.pop();
            }
        }
        self.nodes[at].index();
        at
    }

    /// A primitive has no inside but its extensions.
    fn primitive(&mut self, at: NodeId, named: &Named, id: &str) {
        let Some(element) = table().element("Element.extension") else {
            return;
        };
        let Some(content) = table().datatype("Element") else {
            return;
        };
        let place = Place {
            content,
            named,
            reach: Reach::Named,
            id,
        };
        if named.child("extension").is_some()
            && let Some(opened) = self.open(element, &place, at)
        {
            self.nodes[at].opened.push(opened);
        }
    }

    /// The element as this profile opens it; `None` when it stays closed.
    fn open(&mut self, element: &'static Element, place: &Place<'_>, at: NodeId) -> Option<Opened> {
        let child = place.named.child(element.name);
        let id = format!("{}.{}", place.id, element.name);
        let root = self.stack.len() == 1;
        if let Some(special) = self.special(element, child, &id, root) {
            return special;
        }
        let extension = matches!(element.name, "extension" | "modifierExtension");
        let opens = match child {
            Some(child) => !child.excluded(),
            None if extension => false,
            None if place.content.name == "Extension" => element.name == "url",
            None => self.whole_opens(element, place.reach),
        };
        if !opens {
            self.omitted(
                element,
                child.is_some() || place.reach == Reach::Named,
                &id,
                extension,
            );
            return None;
        }
        let empty = Named::default();
        let child = child.unwrap_or(&empty);
        if extension && child.slices.is_empty() {
            self.broken(
                Rule::OpenExtension,
                &id,
                "name each extension as a slice with its url",
            );
            return None;
        }
        let opened = self.opened(element, child, place.reach, &id, at)?;
        self.check_modifier(&opened, &id);
        Some(opened)
    }

    /// Elements a profile does not decide on. `Some(None)`: closed, and that is right.
    fn special(
        &mut self,
        e: &'static Element,
        child: Option<&Named>,
        id: &str,
        root: bool,
    ) -> Option<Option<Opened>> {
        let named = child.is_some_and(|c| !c.excluded());
        match e.name {
            "id" if root => {
                let form = self.form(e, "id", &Named::default(), Reach::Named, id);
                return Some(Some(opened(e, None, 0, 1, vec![form])));
            }
            // Computed after projection, so a profile may mark them but not shape them.
            "meta" | "text" if root => {
                if child.is_some_and(|c| c.excluded() || !c.children.is_empty() || !c.slices.is_empty()) {
                    self.broken(
                        Rule::NotForProfiles,
                        id,
                        "is computed for each release and always passes",
                    );
                }
            }
            _ if named && e.types == ["Narrative"] => {
                self.broken(
                    Rule::NotForProfiles,
                    id,
                    "narrative as stored never passes: it may say what is withheld",
                );
            }
            "implicitRules" if root && named => {
                self.broken(
                    Rule::NotForProfiles,
                    id,
                    "a resource with implicitRules is withheld whole",
                );
            }
            "contained" if root && named => {
                self.broken(Rule::OpenContained, id, "contained resources never pass");
            }
            "id" if named => {
                self.broken(Rule::NotForProfiles, id, "an element id never passes");
            }
            "implicitRules" | "contained" if root => {}
            "id" => {}
            _ => return None,
        }
        Some(None)
    }

    /// Does a datatype released whole open this element of its own accord?
    fn whole_opens(&self, element: &'static Element, reach: Reach) -> bool {
        reach != Reach::Named && !self.whole_types(element, reach).is_empty()
    }

    fn whole_types(&self, element: &'static Element, reach: Reach) -> Vec<&'static str> {
        let passes = |t: &&'static str| {
            (reach == Reach::WholeWithText || !is_free_text(element, t))
                && !self.stack.contains(t)
                && *t != "Resource"
        };
        element.types.iter().copied().filter(passes).collect()
    }

    fn opened(
        &mut self,
        e: &'static Element,
        child: &Named,
        above: Reach,
        id: &str,
        at: NodeId,
    ) -> Option<Opened> {
        let types = self.types(e, child, above, id)?;
        let contents: Vec<Content> = types.iter().filter_map(|t| content(e, t)).collect();
        self.check_names(child, &contents, id);
        if e.types == ["BackboneElement"]
            && !child.children.iter().any(|c| !c.excluded())
            && child.slices.is_empty()
        {
            self.broken(
                Rule::BackboneWithoutChildren,
                id,
                "name each of its elements that is to be released",
            );
            return None;
        }
        let primitive = contents.iter().all(|c| matches!(c, Content::Primitive(_)));
        if primitive && child.def.is_none() && above == Reach::Named && !child.children.is_empty() {
            self.broken(
                Rule::OpenExtension,
                id,
                "its value passes with its extension, so name it too",
            );
            return None;
        }
        let def = child.def.as_ref();
        let sliced = !child.slices.is_empty() || def.is_some_and(|d| d.discriminators.is_some());
        let slices = self.slices(e, child, above, id);
        if sliced && slices.is_empty() {
            self.broken(Rule::Slicing, id, "no slice can pass: exclude the element itself");
            return None;
        }
        let least: u32 = slices.iter().map(|s: &Slice| s.min).fold(0, u32::saturating_add);
        let min = e.min.max(def.map_or(0, |d| d.min)).max(least);
        let max = e.max.min(def.and_then(|d| d.max).unwrap_or(u32::MAX));
        if max < min {
            self.broken(Rule::Cardinality, id, "asks for more items than it allows");
        }
        if types.len() > 1 && def.is_some_and(|d| d.demand.is_some()) {
            self.broken(
                Rule::ChoiceWithoutTypes,
                id,
                "a fixed or pattern value needs one type",
            );
        }
        let mut forms = Vec::new();
        for type_name in types {
            if !slices.is_empty() {
                forms.push(plain_form(e, type_name, NodeId::MAX));
            } else if let Some(target) = e.content_reference {
                self.pending.push((
                    at,
                    self.nodes[at].opened.len(),
                    forms.len(),
                    target,
                    id.to_owned(),
                ));
                forms.push(plain_form(e, type_name, NodeId::MAX));
            } else {
                let reach = reach_of(e, type_name, child, above);
                forms.push(self.form(e, type_name, child, reach, id));
            }
        }
        let mut out = opened(e, def, min, max, forms);
        if !slices.is_empty() {
            let first = slices[0].node;
            out.forms.iter_mut().for_each(|f| f.node = first);
        }
        out.discriminators = slicing::discriminators(e, def);
        out.slices = slices;
        Some(out)
    }

    fn form(
        &mut self,
        e: &'static Element,
        type_name: &'static str,
        child: &Named,
        reach: Reach,
        id: &str,
    ) -> Form {
        let content = content(e, type_name).unwrap_or(Content::Primitive("string"));
        let node = self.node(content, child, reach, id);
        plain_form(e, type_name, node)
    }

    /// The types that pass: those listed for a choice, all that are not free text where a datatype is whole.
    fn types(
        &mut self,
        e: &'static Element,
        child: &Named,
        above: Reach,
        id: &str,
    ) -> Option<Vec<&'static str>> {
        if let Some(target) = e.content_reference {
            if !child.children.is_empty() || !child.slices.is_empty() {
                self.broken(
                    Rule::UnknownPath,
                    id,
                    format!("shares the rules of {target}: name its elements there"),
                );
            }
            return Some(vec![target]);
        }
        if e.types.contains(&"Resource") {
            self.broken(
                Rule::OpenContained,
                id,
                "a resource inside a resource never passes",
            );
            return None;
        }
        let listed = child.def.as_ref().map(|d| d.types.as_slice()).unwrap_or_default();
        for unknown in listed.iter().filter(|t| !e.types.contains(&t.as_str())) {
            let hint = nearest(unknown, e.types.iter().copied())
                .map(|n| format!("; nearest: {n}"))
                .unwrap_or_default();
            self.broken(
                Rule::ChoiceWithoutTypes,
                id,
                format!("lists a type R4 does not allow here{hint}"),
            );
        }
        if !e.is_choice() {
            return Some(e.types.to_vec());
        }
        if child.def.is_some() && listed.is_empty() || child.def.is_none() && above == Reach::Named {
            self.broken(
                Rule::ChoiceWithoutTypes,
                id,
                "a choice is named with the types that may pass",
            );
            return None;
        }
        match &child.def {
            Some(_) => Some(
                e.types
                    .iter()
                    .copied()
                    .filter(|t| listed.iter().any(|l| l == t))
                    .collect(),
            ),
            None => Some(self.whole_types(e, above)),
        }
    }

    fn slices(&mut self, e: &'static Element, child: &Named, above: Reach, id: &str) -> Vec<Slice> {
        if !child.slices.is_empty() && (e.is_choice() || e.content_reference.is_some()) {
            self.broken(
                Rule::Slicing,
                id,
                "only a list or a single element of one type can be sliced",
            );
            return Vec::new();
        }
        let mut out = Vec::new();
        for slice in child.slices.iter().filter(|s| !s.excluded()) {
            let id = format!("{id}:{}", slice.name);
            let (Some(def), Some(type_name)) = (&slice.def, e.types.first()) else {
                continue;
            };
            let merged = child.with_slice(slice);
            let wants = slicing::wants(e, child.def.as_ref(), &merged, &id, self.problems);
            self.extension_content(e, &merged, &id);
            let contents: Vec<Content> = content(e, type_name).into_iter().collect();
            self.check_names(&merged, &contents, &id);
            let reach = reach_of(e, type_name, &merged, above);
            let node = self.form(e, type_name, &merged, reach, &id).node;
            let max = def.max.unwrap_or(u32::MAX).min(e.max);
            let (name, demand) = (slice.name.clone(), def.demand.clone());
            out.push(Slice {
                name,
                wants,
                demand,
                min: def.min,
                max,
                node,
                words: words(Some(def)),
            });
        }
        out
    }

    /// Content references get the node of the element they share.
    fn resolve(&mut self) {
        for (node, opened, form, target, id) in std::mem::take(&mut self.pending) {
            match self.by_path.get(target) {
                Some(shared) => self.nodes[node].opened[opened].forms[form].node = *shared,
                None => {
                    self.nodes[node].opened[opened].forms[form].node = 0;
                    self.broken(
                        Rule::UnknownPath,
                        &id,
                        format!("shares the rules of {target}, which is not released"),
                    );
                }
            }
        }
    }
}

fn plain_form(e: &'static Element, type_name: &'static str, node: NodeId) -> Form {
    let key = e.json_key(type_name);
    Form {
        shadow: format!("_{key}"),
        key,
        type_name,
        node,
    }
}

fn opened(element: &'static Element, def: Option<&Def>, min: u32, max: u32, forms: Vec<Form>) -> Opened {
    let demand = def.and_then(|d| d.demand.clone());
    let (slices, discriminators, modifier) = (Vec::new(), Vec::new(), element.modifier);
    Opened {
        element,
        min,
        max,
        modifier,
        bit: 0,
        demand,
        forms,
        slices,
        discriminators,
        words: words(def),
    }
}

fn words(def: Option<&Def>) -> Words {
    def.map_or_else(Words::default, |d| Words {
        must_support: d.must_support,
        short: d.short.clone(),
        comment: d.comment.clone(),
    })
}
