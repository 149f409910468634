//! What people, their tasks and the directory are found by across people: which parameters, and their released values as bytes
//! that stand in one order everywhere, so that what begins alike is one range.
//! <https://hl7.org/fhir/R4/search.html>, <https://hl7.org/fhir/us/core/STU6.1/CapabilityStatement-us-core-server.html>
//!
//! A key is made from the values of a released resource and from nothing else: what is withheld has none.

use sha2::{Digest as _, Sha256};

use super::filter::{Filter, Test, Wanted};
use super::parameter::{Kind, parameters};
use super::query::Query;
use super::values::{Values, What};
use crate::fhir::letters::folded;

/// Parameters with keys of their own, by type, the most telling first; `identifier` before them, of every type that has one. A
/// person has no other: who knows somebody's name and birth date asks `$match`, which gives one confident match or none.
const KEYED: &[(&str, &[&str])] = &[
    ("Appointment", &["actor"]),
    ("Endpoint", &["name", "organization"]),
    ("HealthcareService", &["name", "specialty", "organization"]),
    ("Location", &["name", "address", "organization"]),
    ("Organization", &["name", "address"]),
    ("Practitioner", &["name"]),
    ("PractitionerRole", &["practitioner", "specialty", "organization"]),
    ("ServiceRequest", &["performer", "requester"]),
    ("Task", &["owner", "requester"]),
];

/// Searched by the keys of another parameter, which holds all their values.
const WITHIN: &[(&str, &str)] = &[
    ("address-city", "address"),
    ("address-country", "address"),
    ("address-postalcode", "address"),
    ("address-state", "address"),
    ("family", "name"),
    ("given", "name"),
];

const IDENTIFIER: &str = "identifier";
/// What is longer is cut: its first bytes lead to candidates all the same.
const LONGEST: usize = 160;
/// More alternatives of one parameter than this are no way to look.
const MOST_RANGES: usize = 16;

/// The keys of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Names the list; 0 for none. Equal names are equal lists.
    pub name: i64,
    /// Parameter and value, each pair once, in order.
    pub list: Vec<(&'static str, Vec<u8>)>,
}

/// Where candidates of a search stand among the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub parameter: &'static str,
    /// `[from, to)` for each alternative.
    pub ranges: Vec<(Vec<u8>, Vec<u8>)>,
    /// Does it lead to few? A name does, an owner of tasks does not.
    pub telling: bool,
}

/// The parameters of a type that a search across people can begin with, in the order in which they are preferred.
pub fn keyed(resource_type: &str) -> impl Iterator<Item = &'static str> {
    let served = parameters(resource_type);
    let own = own_keys(resource_type);
    let all = own.chain(
        WITHIN
            .iter()
            .filter(move |(_, of)| own_keys(resource_type).any(|own| own == *of))
            .map(|(code, _)| *code),
    );
    all.filter(|code| served.iter().any(|parameter| parameter.code == *code))
}

fn own_keys(resource_type: &str) -> impl Iterator<Item = &'static str> {
    let found = KEYED.iter().find(|(of, _)| *of == resource_type);
    let rest = found.map_or(&[][..], |(_, codes)| codes);
    std::iter::once(IDENTIFIER).chain(rest.iter().copied())
}

impl Values {
    /// What the resource is found by across people.
    pub fn keys(&self) -> Keys {
        let Some(served) = self.served else {
            return Keys::default();
        };
        let mut list = Vec::new();
        for code in own_keys(served.resource_type) {
            let Some(parameter) = served.parameters.iter().find(|p| p.code == code) else {
                continue;
            };
            let values = self.of(parameter.at).filter_map(|what| self.key(what));
            list.extend(values.map(|value| (parameter.code, value)));
        }
        list.sort_unstable();
        list.dedup();
        Keys {
            name: name_of(&list),
            list,
        }
    }

    fn key(&self, what: What) -> Option<Vec<u8>> {
        Some(match what {
            What::Token { system, code } => cut(pair(self.get(code), self.get(system))),
            What::Reference(_) => self.to_local(what).map(|(of, id)| cut(pair(id, of)))?,
            What::Text { folded, .. } => cut(self.get(folded).as_bytes().to_vec()),
            _ => return None,
        })
    }
}

impl Query {
    /// The most telling way to look for candidates by key; `None` when no filter of the search leads to any.
    pub fn lookup(&self) -> Option<Lookup> {
        keyed(self.resource_type).find_map(|code| {
            let mut filters = self.filters_of(code);
            filters.find_map(lookup)
        })
    }
}

/// All alternatives have to lead somewhere.
fn lookup(filter: &Filter) -> Option<Lookup> {
    let Test::AnyOf(all) = &filter.test else {
        return None;
    };
    let code = filter.parameter.code;
    let within = WITHIN.iter().find(|(narrow, _)| *narrow == code);
    let ranges: Vec<_> = all.iter().map(range).collect::<Option<_>>()?;
    (ranges.len() <= MOST_RANGES).then(|| Lookup {
        parameter: within.map_or(code, |(_, of)| of),
        ranges,
        telling: code == IDENTIFIER || filter.parameter.kind == Kind::String,
    })
}

fn range(wanted: &Wanted) -> Option<(Vec<u8>, Vec<u8>)> {
    Some(match wanted {
        Wanted::Token { code, .. } if code.is_empty() => return None,
        Wanted::Token { system: None, code } => beginning(pair(code, "")),
        Wanted::Token {
            system: Some(system),
            code,
        } => exactly(pair(code, system)),
        Wanted::To {
            resource_type: None,
            id,
        } => beginning(pair(id, "")),
        Wanted::To {
            resource_type: Some(of),
            id,
        } => exactly(pair(id, of)),
        Wanted::Begins(text) => beginning(text.as_bytes().to_vec()),
        Wanted::Exactly(text) => beginning(folded(text).into_bytes()),
        _ => return None,
    })
}

/// A NUL stands in no text of FHIR: it ends the first part.
fn pair(first: &str, second: &str) -> Vec<u8> {
    [first.as_bytes(), second.as_bytes()].join(&0)
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(LONGEST);
    bytes
}

/// All that begins so: 0xFF stands in no UTF-8.
fn beginning(bytes: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let from = cut(bytes);
    let to = [from.as_slice(), &[0xff]].concat();
    (from, to)
}

fn exactly(bytes: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    if bytes.len() > LONGEST {
        return beginning(bytes);
    }
    let to = [bytes.as_slice(), &[0]].concat();
    (bytes, to)
}

fn name_of(list: &[(&'static str, Vec<u8>)]) -> i64 {
    if list.is_empty() {
        return 0;
    }
    let mut hasher = Sha256::new();
    for (parameter, value) in list {
        for part in [parameter.as_bytes(), value] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    // 0 is for none
    i64::from_be_bytes(first) | 1
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::fhir::excerpt::Excerpt;
    use crate::search::Extractor;
    use crate::search::by_hand::{asked, setting, specimen};

    fn values(resource: &Value) -> Values {
        let mut excerpt = Excerpt::default();
        excerpt.value("", resource);
        Extractor::new(&TimeZone::UTC).extract(excerpt.root().expect("a resource"))
    }

    fn query(of: &'static str, pairs: &[(&str, &str)]) -> Query {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        Query::parse(of, &pairs, &setting(&TimeZone::UTC)).expect("a search")
    }

    fn leads(lookup: &Lookup, keys: &Keys) -> bool {
        let own = keys
            .list
            .iter()
            .filter(|(parameter, _)| *parameter == lookup.parameter);
        let mut values = own.map(|(_, value)| value);
        values.any(|value| lookup.ranges.iter().any(|(from, to)| from <= value && value < to))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever is asked, in any way that leads to candidates at all, every match is among them.
        #[test]
        fn every_match_is_a_candidate(of in 0..KEYED.len(), parameter in 0..8_usize, seed in 0..10_000_usize, variety in 0..12_usize) {
            let of = KEYED[of].0;
            let codes: Vec<&str> = keyed(of).collect();
            let parameter = parameters(of).iter().find(|p| p.code == codes[parameter % codes.len()]).expect("served");
            let (name, value) = asked(parameter, seed);
            let query = query(of, &[(&name, &value)]);
            let values = values(&specimen(of, variety));
            if let (Some(lookup), true) = (query.lookup(), query.filters.iter().all(|filter| filter.matches(&values))) {
                prop_assert!(leads(&lookup, &values.keys()), "{of}?{name}={value}");
            }
        }
    }

    #[test]
    fn every_keyed_parameter_is_served_and_what_is_searched_within_another_is_of_it() {
        for (of, codes) in KEYED {
            for code in *codes {
                assert!(parameters(of).iter().any(|p| p.code == *code), "{of}.{code}");
            }
            let narrow = WITHIN.iter().filter(|(code, within)| {
                codes.contains(within) && parameters(of).iter().any(|p| p.code == *code)
            });
            assert!(
                narrow
                    .clone()
                    .all(|(code, _)| keyed(of).any(|known| known == *code)),
                "{of}"
            );
        }
        let sorted = KEYED.windows(2).all(|two| two[0].0 < two[1].0);
        assert!(sorted, "by type");
    }

    #[test]
    fn a_name_is_found_by_how_any_part_of_it_begins() {
        let rosa = json!({"resourceType": "Practitioner", "id": "r",
            "identifier": [{"system": "urn:mrn", "value": "7"}, {"value": "8"}],
            "name": [{"family": "Núñez Vega", "given": ["Rosa", "María"]}]});
        let keys = values(&rosa).keys();
        let found = |name: &str, value: &str| {
            query("Practitioner", &[(name, value)])
                .lookup()
                .is_some_and(|lookup| leads(&lookup, &keys))
        };
        for (name, value) in [
            ("name", "ros"),
            ("name", "NUNEZ V"),
            ("given", "maria"),
            ("family", "Núñez"),
            ("name:exact", "Rosa"),
            ("identifier", "urn:mrn|7"),
            ("identifier", "7"),
            ("identifier", "|8"),
            ("name", "x,ros"),
        ] {
            assert!(found(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("name", "vega"),
            ("identifier", "urn:mrn|8"),
            ("identifier", "urn:mr|7"),
            ("identifier", "|7"),
        ] {
            assert!(!found(name, value), "{name}={value}");
        }
    }

    #[test]
    fn the_most_telling_way_is_taken_and_what_leads_everywhere_is_none() {
        let by = |of, pairs: &[(&str, &str)]| {
            query(of, pairs)
                .lookup()
                .map(|lookup| (lookup.parameter, lookup.telling))
        };
        let all = [("name", "rosa"), ("birthdate", "1987-03-14"), ("identifier", "7")];
        assert_eq!(by("Patient", &all), Some(("identifier", true)));
        assert_eq!(by("Patient", &all[..2]), None, "a person is found by `$match`");
        assert_eq!(
            by("Practitioner", &[("active", "true"), ("given", "rosa")]),
            Some(("name", true))
        );
        assert_eq!(by("Task", &[("owner", "Organization/m")]), Some(("owner", false)));
        for (of, pair) in [
            ("Patient", ("gender", "female")),
            ("Patient", ("birthdate", "1980")),
            ("Practitioner", ("name:contains", "os")),
            ("Patient", ("identifier", "urn:mrn|")),
            ("Practitioner", ("name:missing", "true")),
            ("Task", ("identifier:not", "7")),
            ("Task", ("status", "requested")),
        ] {
            assert_eq!(by(of, &[pair]), None, "{of}?{pair:?}");
        }
    }

    #[test]
    fn equal_names_are_equal_lists() {
        let name = |text: &str| {
            values(&json!({"resourceType": "Practitioner", "id": "x", "name": [{"text": text}]})).keys()
        };
        let (rosa, again, other) = (name("Rosa"), name("rosa"), name("Rosalind"));
        assert_eq!(
            (rosa.name, &rosa.list),
            (again.name, &again.list),
            "as searches compare"
        );
        assert_ne!(rosa.name, other.name);
        assert_ne!(rosa.name, 0);
        assert_eq!(
            values(&json!({"resourceType": "Patient", "id": "x"})).keys(),
            Keys::default()
        );
        let long = name(&"a".repeat(5000));
        assert!(long.list.iter().all(|(_, value)| value.len() <= LONGEST));
        assert!(
            query("Practitioner", &[("name", &"a".repeat(4999))])
                .lookup()
                .is_some_and(|lookup| leads(&lookup, &long))
        );
    }
}
