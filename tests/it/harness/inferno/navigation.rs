//! What stands at a path of Inferno's metadata: `target.dueDate`, `component:systolic.valueQuantity.code`, `value[x]`.
//! A primitive is one thing with its `_` twin; what is there only to say why it is absent does not count.
//! <https://hl7.org/fhir/R4/json.html#primitive>

use serde_json::Value;

const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// One item at a path: its value, the twin that carries its extensions, and what the name it was found by says of its type.
#[derive(Clone, Copy, Debug)]
pub struct Node<'v> {
    pub value: Option<&'v Value>,
    twin: Option<&'v Value>,
    kind: Option<&'v str>,
}

impl<'v> Node<'v> {
    pub fn of(value: &'v Value) -> Node<'v> {
        Node {
            value: Some(value),
            twin: None,
            kind: None,
        }
    }

    /// The URLs of its extensions.
    pub fn extensions(self) -> Vec<&'v str> {
        let own = [self.value, self.twin].into_iter().flatten();
        let all = own.flat_map(|holder| holder["extension"].as_array().into_iter().flatten());
        all.filter_map(|extension| extension["url"].as_str()).collect()
    }

    /// Something beside extensions.
    pub fn has_content(self) -> bool {
        match self.value {
            Some(Value::Object(members)) => members.keys().any(|name| name != "extension"),
            Some(Value::Null) | None => false,
            Some(_) => true,
        }
    }

    fn is_said_to_be_absent(self) -> bool {
        self.extensions().contains(&ABSENT)
    }

    /// The items of this member; of a choice (`value`), whichever of its types is there.
    fn children(self, name: &str) -> Vec<Node<'v>> {
        if name == "extension" {
            let own = [self.value, self.twin].into_iter().flatten();
            let all = own.flat_map(|holder| holder["extension"].as_array().into_iter().flatten());
            return all.map(Node::of).collect();
        }
        let Some(Value::Object(members)) = self.value else {
            return Vec::new();
        };
        let (own, twin) = (members.get(name), members.get(&format!("_{name}")));
        if own.is_some() || twin.is_some() {
            return items(own, twin, None);
        }
        let typed = |member: &'v str| {
            let kind = member.strip_prefix(name)?;
            kind.starts_with(|c: char| c.is_ascii_uppercase()).then_some(kind)
        };
        let choice = members
            .iter()
            .find_map(|(member, value)| Some((member, value, typed(member)?)));
        choice.map_or(Vec::new(), |(member, value, kind)| {
            items(Some(value), members.get(&format!("_{member}")), Some(kind))
        })
    }
}

/// Each item of a member with its twin.
fn items<'v>(value: Option<&'v Value>, twin: Option<&'v Value>, kind: Option<&'v str>) -> Vec<Node<'v>> {
    let list = |value: Option<&'v Value>| value.and_then(Value::as_array);
    match (list(value), list(twin)) {
        (None, None) => vec![Node { value, twin, kind }],
        (values, twins) => {
            let count = values.map_or(0, Vec::len).max(twins.map_or(0, Vec::len));
            let item = |list: Option<&'v Vec<Value>>, at: usize| list.and_then(|list| list.get(at));
            let both = (0..count).map(|at| (item(values, at), item(twins, at)));
            both.map(|(value, twin)| Node { value, twin, kind }).collect()
        }
    }
}

/// Everything at the path. `slices` are the group's, for steps that name one.
pub fn at<'v>(start: Node<'v>, path: &str, slices: &[Value]) -> Vec<Node<'v>> {
    let mut found = vec![start];
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let step = step.replace("[x]", "");
        let (name, slice) = step
            .split_once(':')
            .map_or((step.as_str(), None), |(n, s)| (n, Some(s)));
        let slice = slice.and_then(|named| slices.iter().find(|slice| slice["slice_name"] == named));
        found = found.iter().flat_map(|node| node.children(name)).collect();
        if let Some(slice) = slice {
            found.retain(|node| is_in(*node, &slice["discriminator"]));
        }
    }
    found.retain(|node| !node.is_said_to_be_absent());
    found
}

/// The item belongs to the slice of this discriminator.
pub fn is_in(node: Node<'_>, discriminator: &Value) -> bool {
    let below = discriminator["path"].as_str().unwrap_or_default();
    let inner = at(node, below, &[]);
    let is =
        |node: &Node<'_>, name: &str, wanted: &Value| node.value.is_some_and(|value| value[name] == *wanted);
    let coded = |wanted: &Value| {
        let codings = inner.iter().flat_map(|concept| concept.children("coding"));
        let mut codings = codings.collect::<Vec<_>>().into_iter();
        codings.any(|c| is(&c, "code", &wanted["code"]) && is(&c, "system", &wanted["system"]))
    };
    match discriminator["type"].as_str().unwrap_or_default() {
        "patternCodeableConcept" => coded(discriminator),
        "patternCoding" => inner
            .iter()
            .any(|c| is(c, "code", &discriminator["code"]) && is(c, "system", &discriminator["system"])),
        "patternIdentifier" => inner.iter().any(|i| is(i, "system", &discriminator["system"])),
        "requiredBinding" => list(&discriminator["values"]).any(coded),
        "value" => list(&discriminator["values"]).all(|wanted| {
            let path = wanted["path"].as_str().unwrap_or_default();
            let found = at(node, path, &[]);
            found.iter().any(|one| one.value == Some(&wanted["value"]))
        }),
        "type" => node
            .kind
            .is_none_or(|kind| discriminator["code"].as_str() == Some(kind)),
        other => unreachable!("a discriminator of the metadata that is not known here: {other}"),
    }
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
