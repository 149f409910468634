//! The elements of an object as R4 knows them: `x` and `_x` are one, and so are the forms of a choice.
//! <https://hl7.org/fhir/R4/json.html#primitive>, <https://hl7.org/fhir/R4/formats.html#choice>

use serde_json::{Map, Value};

use crate::fhir::element::{Child, Type};

/// The members of an object that are one element.
#[derive(Clone, Debug)]
pub(super) struct Group<'v> {
    /// As R4 names it: `value[x]`.
    pub name: &'v str,
    /// `None` for what R4 does not know here.
    pub child: Option<Child>,
    pub members: Vec<(&'v str, &'v Value)>,
}

/// `birthDate` of `_birthDate`.
pub(super) fn plain(key: &str) -> &str {
    key.strip_prefix('_').unwrap_or(key)
}

/// The elements of `map`, in the order in which they begin.
pub(super) fn groups<'v>(of: Option<&'static Type>, map: &'v Map<String, Value>) -> Vec<Group<'v>> {
    let mut groups: Vec<Group<'v>> = Vec::new();
    for (key, value) in map {
        let child = of.and_then(|of| of.child(plain(key)));
        let name = child.map_or(plain(key), |child| child.element.name);
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.members.push((key, value)),
            None => groups.push(Group {
                name,
                child,
                members: vec![(key, value)],
            }),
        }
    }
    groups
}

impl Group<'_> {
    pub fn is_list(&self) -> bool {
        self.child.is_some_and(|child| child.element.is_list())
    }

    /// The type inside, where its parts are elements of their own: a backbone. A datatype is one value.
    pub fn backbone(&self) -> Option<&'static Type> {
        self.child.and_then(|child| child.element.children())
    }

    /// The JSON key without underscore; of a choice the form that stands there.
    pub fn key(&self) -> &str {
        self.members.first().map_or(self.name, |(key, _)| plain(key))
    }

    pub fn to_map(&self) -> Map<String, Value> {
        self.members
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).clone()))
            .collect()
    }
}

/// One item of a list with what stands beside it in `_x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub value: Value,
    pub beside: Value,
}

/// The items of a list element.
pub(super) fn items(group: &Group<'_>) -> Vec<Item> {
    let list = |wanted: bool| {
        let found = group
            .members
            .iter()
            .find(|(key, _)| key.starts_with('_') == wanted);
        found
            .and_then(|(_, value)| value.as_array())
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let (values, beside) = (list(false), list(true));
    let at = |list: &[Value], at: usize| list.get(at).cloned().unwrap_or(Value::Null);
    (0..values.len().max(beside.len()))
        .map(|n| Item {
            value: at(values, n),
            beside: at(beside, n),
        })
        .collect()
}

/// The members of a list element with these items.
pub(super) fn members_of(key: &str, items: &[Item]) -> Map<String, Value> {
    let mut members = Map::new();
    let column = |of: fn(&Item) -> &Value| {
        let list: Vec<Value> = items.iter().map(|item| of(item).clone()).collect();
        list.iter()
            .any(|value| !value.is_null())
            .then_some(Value::Array(list))
    };
    if let Some(values) = column(|item| &item.value) {
        members.insert(key.to_owned(), values);
    }
    if let Some(beside) = column(|item| &item.beside) {
        members.insert(format!("_{key}"), beside);
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::element::table;
    use serde_json::json;

    #[test]
    fn a_primitive_and_its_sibling_and_the_forms_of_a_choice_are_one_element() {
        let of = table().resource("Observation");
        let one = json!({"status": "final", "valueString": "a", "_status": {"id": "x"}, "_valueString": {"id": "y"}});
        let found = groups(of, one.as_object().expect("an object"));
        let named: Vec<(&str, usize)> = found.iter().map(|g| (g.name, g.members.len())).collect();
        assert_eq!(named, [("status", 2), ("value[x]", 2)]);
        assert_eq!(found[1].key(), "valueString");
    }

    #[test]
    fn items_stay_beside_their_siblings() {
        let of = table().datatype("HumanName");
        let name = json!({"given": ["A", null], "_given": [null, {"extension": []}]});
        let found = groups(of, name.as_object().expect("an object"));
        let list = items(&found[0]);
        assert_eq!(list.len(), 2);
        assert!(list[1].value.is_null() && list[1].beside.is_object());
        assert_eq!(Value::Object(members_of("given", &list)), name);
        assert_eq!(
            Value::Object(members_of("given", &list[..1])),
            json!({"given": ["A"]})
        );
    }
}
