//! The closed form of a profile: what is served, so that any FHIR validator can check that nothing outside
//! the allow-list was sent. <https://hl7.org/fhir/R4/structuredefinition.html>
//!
//! Every element inside a released part stands in the differential, in definition order: what passes with
//! its cardinality, types and values, everything else with `max: "0"`. A choice of several types is sliced by
//! type, since only then can each type be closed on its own. `id`, `meta` and `text` of the resource stay open:
//! they are computed for each release.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::pattern::Demand;
use super::plan::{Content, Form, Node, NodeId, Opened, Plan, Slice, Words};
use crate::fhir::element::{Element, Type, table};

/// The StructureDefinition to serve: the header of `sd` with a differential written from the plan.
pub(super) fn close(sd: &Value, plan: &Plan) -> Value {
    let mut writer = Writer {
        plan,
        out: Vec::new(),
    };
    let root = plan.nodes[0].content.name();
    writer.out.push(json!({"id": root, "path": root}));
    writer.inside(0, root, root);
    let differential = json!({"element": writer.out});
    let version = hex(&Sha256::digest(differential.to_string()))[..32].to_owned();
    let mut out = Map::new();
    out.insert("resourceType".to_owned(), json!("StructureDefinition"));
    let header = sd.as_object().into_iter().flatten();
    let kept = header.filter(|(k, _)| {
        !matches!(
            k.as_str(),
            "resourceType" | "meta" | "text" | "differential" | "snapshot" | "abstract"
        )
    });
    let kept: Map<String, Value> = kept.map(|(k, v)| (k.clone(), v.clone())).collect();
    out.extend(kept.get("id").map(|id| ("id".to_owned(), id.clone())));
    out.insert("meta".to_owned(), json!({"versionId": version}));
    out.extend(kept.into_iter().filter(|(k, _)| k != "id"));
    out.insert("abstract".to_owned(), json!(false));
    out.insert("differential".to_owned(), differential);
    Value::Object(out)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

struct Writer<'p> {
    plan: &'p Plan,
    out: Vec<Value>,
}

impl Writer<'_> {
    fn inside(&mut self, node: NodeId, id: &str, path: &str) {
        let node = &self.plan.nodes[node];
        match node.content {
            Content::Complex(t) => {
                for element in &t.elements {
                    self.element(node, t, element, id, path);
                }
            }
            Content::Primitive(_) => {
                self.never("id", id, path);
                match (node.opened.first(), table().element("Element.extension")) {
                    (Some(opened), Some(element)) => self.opened(opened, element, id, path),
                    _ => self.never("extension", id, path),
                }
            }
        }
    }

    fn element(&mut self, node: &Node, t: &Type, element: &'static Element, id: &str, path: &str) {
        let root = t.name == self.plan.nodes[0].content.name();
        if root && matches!(element.name, "id" | "meta" | "text") {
            self.out.push(
                json!({"id": format!("{id}.{}", element.name), "path": format!("{path}.{}", element.name),
                "min": 0, "max": "1"}),
            );
            return;
        }
        match node.opened.iter().find(|o| o.element.name == element.name) {
            None => self.never(element.name, id, path),
            Some(opened) => self.opened(opened, element, id, path),
        }
    }

    fn never(&mut self, name: &str, id: &str, path: &str) {
        self.out
            .push(json!({"id": format!("{id}.{name}"), "path": format!("{path}.{name}"), "max": "0"}));
    }

    fn opened(&mut self, opened: &Opened, element: &Element, id: &str, path: &str) {
        let (id, path) = (
            format!("{id}.{}", element.name),
            format!("{path}.{}", element.name),
        );
        let mut def = definition(
            &id,
            &path,
            &opened.words,
            opened.min,
            opened.max,
            opened.demand.as_ref().filter(|_| !element.is_choice()),
        );
        if !opened.slices.is_empty() {
            let told: Vec<Value> = opened
                .discriminators
                .iter()
                .map(|(kind, path)| json!({"type": kind, "path": path}))
                .collect();
            def.insert(
                "slicing".to_owned(),
                json!({"discriminator": told, "rules": "closed"}),
            );
            self.out.push(Value::Object(def));
            opened
                .slices
                .iter()
                .for_each(|slice| self.slice(slice, &id, &path));
            return;
        }
        if let Some(target) = element.content_reference {
            def.insert("contentReference".to_owned(), json!(format!("#{target}")));
            self.out.push(Value::Object(def));
            return;
        }
        if element.is_choice() {
            let types: Vec<Value> = opened.forms.iter().map(|form| type_of(element, form)).collect();
            def.insert("type".to_owned(), json!(types));
            if let (Some(demand), [one]) = (&opened.demand, opened.forms.as_slice()) {
                def.insert(key_of(demand, one.type_name), demand.value().clone());
            }
        }
        match opened.forms.as_slice() {
            [one] => {
                self.out.push(Value::Object(def));
                self.inside(one.node, &id, &path);
            }
            forms => {
                let by_type =
                    json!({"discriminator": [{"type": "type", "path": "$this"}], "rules": "closed"});
                def.insert("slicing".to_owned(), by_type);
                self.out.push(Value::Object(def));
                forms.iter().for_each(|form| self.form(element, form, &id, &path));
            }
        }
    }

    fn slice(&mut self, slice: &Slice, id: &str, path: &str) {
        let id = format!("{id}:{}", slice.name);
        let mut def = definition(
            &id,
            path,
            &slice.words,
            slice.min,
            slice.max,
            slice.demand.as_ref(),
        );
        def.insert("sliceName".to_owned(), json!(slice.name));
        self.out.push(Value::Object(def));
        let mark = self.out.len();
        self.inside(slice.node, &id, path);
        // What tells the slice apart stands where the discriminator looks, also when the profile said it
        // through `type.profile`.
        for want in slice.wants.iter().filter(|w| !w.path.is_empty()) {
            let at = format!("{id}.{}", want.path.join("."));
            let def = self.out[mark..]
                .iter_mut()
                .find(|e| e["id"] == at.as_str())
                .and_then(Value::as_object_mut);
            if let Some(def) = def
                && !def
                    .keys()
                    .any(|k| k.starts_with("fixed") || k.starts_with("pattern"))
            {
                let (key, value) = value_of(&want.demand, &at);
                def.insert(key, value);
            }
        }
    }

    fn form(&mut self, element: &Element, form: &Form, id: &str, path: &str) {
        let id = format!("{id}:{}", form.key);
        let def = json!({"id": id, "path": path, "sliceName": form.key, "min": 0, "max": "1",
            "type": [type_of(element, form)]});
        self.out.push(def);
        self.inside(form.node, &id, path);
    }
}

fn definition(
    id: &str,
    path: &str,
    words: &Words,
    min: u32,
    max: u32,
    demand: Option<&Demand>,
) -> Map<String, Value> {
    let mut def = Map::new();
    let mut set = |key: &str, value: Value| def.insert(key.to_owned(), value);
    set("id", json!(id));
    set("path", json!(path));
    words.short.as_ref().map(|text| set("short", json!(text)));
    words.comment.as_ref().map(|text| set("comment", json!(text)));
    set("min", json!(min));
    set(
        "max",
        if max == u32::MAX {
            json!("*")
        } else {
            json!(max.to_string())
        },
    );
    if words.must_support {
        set("mustSupport", json!(true));
    }
    if let Some(demand) = demand {
        let (key, value) = value_of(demand, id);
        set(&key, value);
    }
    def
}

/// `patternCodeableConcept`, `fixedUri`: the type stands in the key, so it is found by the element's id.
fn value_of(demand: &Demand, id: &str) -> (String, Value) {
    (
        key_of(demand, &type_at(id, demand.value())),
        demand.value().clone(),
    )
}

fn key_of(demand: &Demand, type_name: &str) -> String {
    let word = match demand {
        Demand::Fixed(_) => "fixed",
        Demand::Pattern(_) => "pattern",
    };
    format!("{word}{}", capitalised(type_name))
}

/// The type of the element an id names, followed through backbones, datatypes and choices.
fn type_at(id: &str, value: &Value) -> String {
    let fallback = if value.is_object() {
        "CodeableConcept"
    } else {
        "String"
    };
    let mut steps = id.split('.').map(|step| step.split(':').next().unwrap_or(step));
    let Some(mut here) = steps.next().and_then(|root| table().resource(root)) else {
        return fallback.to_owned();
    };
    let mut found = fallback;
    for step in steps {
        let Some(element) = here.element(step) else {
            return fallback.to_owned();
        };
        found = element.types.first().copied().unwrap_or(fallback);
        let content = element.children().or_else(|| table().datatype(found));
        let Some(next) = content.or_else(|| table().datatype("Element")) else {
            return fallback.to_owned();
        };
        here = next;
    }
    found.to_owned()
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|c| c.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect()
}

fn type_of(element: &Element, form: &Form) -> Value {
    let targets: Vec<String> = element
        .targets
        .iter()
        .filter(|_| matches!(form.type_name, "Reference" | "canonical"))
        .map(|t| format!("http://hl7.org/fhir/StructureDefinition/{t}"))
        .collect();
    match targets.is_empty() {
        true => json!({"code": form.type_name}),
        false => json!({"code": form.type_name, "targetProfile": targets}),
    }
}
