//! Searches done slowly, by reading resources with R4's own expressions in the one engine and comparing what they find, value by
//! value: what the fast way has to agree with. It shares nothing with it but the reading of dates and the folding of letters.
//! <https://hl7.org/fhir/R4/search.html>

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Filter, Kind, Parameter, Setting, parameters, searched_types};
use crate::fhir::date::PartialDate;
use crate::fhir::element::table;
use crate::fhir::letters::folded;
use crate::fhir::{Instant, is_shared};
use crate::fhirpath::{Dialect, EvalError, Expression, Host, Item, Scope};

const NOW: Instant = Instant(1_795_262_400_000_000);

fn zone() -> TimeZone {
    TimeZone::get("America/Chicago").expect("a zone")
}

/// `resolve() is Patient` asks only for the type of what a reference names, and the reference says it.
struct TypesOnly;

impl Host for TypesOnly {
    fn call<'a>(
        &'a self,
        _: &'static str,
        _: &[Item<'a>],
        _: &[Vec<Item<'a>>],
        at: usize,
    ) -> Result<Vec<Item<'a>>, EvalError> {
        Err(EvalError::host(at, "search expressions have no host functions"))
    }

    fn resolve(&self, reference: &str) -> Option<&Value> {
        static TYPES: LazyLock<HashMap<&'static str, Value>> = LazyLock::new(|| {
            let all = table().resource_types();
            all.map(|t| (t, json!({"resourceType": t}))).collect()
        });
        TYPES.get(reference.split('/').next()?)
    }
}

/// What the engine finds for a parameter in a resource.
fn found(parameter: &Parameter, resource: &Value) -> Vec<Value> {
    // `x.valueDateTime` is how US Core writes it; FHIRPath calls it `x.value`.
    let text = parameter.expression.replace(".valueDateTime", ".value");
    let expression = Expression::parse(&text, Dialect::Search).expect("an expression of R4");
    let scope = Scope {
        host: Some(&TypesOnly),
        lenient: true,
        ..Scope::default()
    };
    let items = expression.evaluate(resource, &scope).expect("it evaluates");
    items.iter().filter_map(Item::value).cloned().collect()
}

/// Codings of a token: system and code; `None` for the system of a bare code.
fn tokens(value: &Value) -> Vec<(Option<String>, String)> {
    let text = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    match value {
        Value::String(code) => vec![(None, code.clone())],
        Value::Bool(flag) => vec![(Some(String::new()), flag.to_string())],
        _ if value["coding"].is_array() => value["coding"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(tokens)
            .collect(),
        _ if value["code"].is_string() => vec![(Some(text(value, "system")), text(value, "code"))],
        // An email address is no namespace.
        _ if matches!(value["system"].as_str(), Some("phone" | "email")) => {
            vec![(Some(String::new()), text(value, "value"))]
        }
        _ if value["value"].is_string() => vec![(Some(text(value, "system")), text(value, "value"))],
        _ => Vec::new(),
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(parts) => {
            let read = |name: &&String| !matches!(name.as_str(), "use" | "type" | "period");
            parts
                .iter()
                .filter(|(name, _)| read(name))
                .flat_map(|(_, v)| strings(v))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn span(value: &Value) -> Option<(i64, i64)> {
    let bounds = |v: &Value| Some(PartialDate::parse(v.as_str()?)?.bounds(&zone()));
    if value.is_string() {
        return bounds(value).map(|(from, to)| (from.0, to.0));
    }
    if value["event"].is_array() {
        let all: Vec<_> = value["event"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(bounds)
            .collect();
        return Some((all.iter().map(|b| b.0.0).min()?, all.iter().map(|b| b.1.0).max()?));
    }
    let period = if value["repeat"]["boundsPeriod"].is_object() {
        &value["repeat"]["boundsPeriod"]
    } else {
        value
    };
    let (start, end) = (bounds(&period["start"]), bounds(&period["end"]));
    (start.is_some() || end.is_some())
        .then(|| (start.map_or(i64::MIN, |s| s.0.0), end.map_or(i64::MAX, |e| e.1.0)))
}

/// Does a value fit one alternative, as R4's prose says it?
fn fits(parameter: &Parameter, modifier: &str, wanted: &str, value: &Value) -> bool {
    match parameter.kind {
        Kind::Token if modifier == "of-type" => {
            let [system, code, number] = wanted.split('|').collect::<Vec<_>>()[..] else {
                return false;
            };
            value["value"] == number
                && value["type"]["coding"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|c| c["system"] == system && c["code"] == code))
        }
        Kind::Token => tokens(value)
            .iter()
            .any(|(held, code)| match wanted.split_once('|') {
                None => code == wanted,
                Some((system, wanted)) => {
                    let system_fits = match held {
                        Some(held) => held == system,
                        None => system.is_empty() || parameter.systems.iter().any(|s| s == system),
                    };
                    system_fits && (wanted.is_empty() || code == wanted)
                }
            }),
        Kind::Reference if modifier == "identifier" => {
            let held = &value["identifier"];
            let (system, number) = wanted
                .split_once('|')
                .map_or((None, wanted), |(s, n)| (Some(s), n));
            held["value"] == number && system.is_none_or(|s| held["system"].as_str().unwrap_or_default() == s)
        }
        Kind::Reference => {
            let held = value.as_str().or(value["reference"].as_str()).unwrap_or_default();
            let wanted = match modifier {
                "" => wanted.to_owned(),
                typed => format!("{typed}/{wanted}"),
            };
            held == wanted
                || held.split('|').next() == Some(&wanted)
                || !wanted.contains(['/', ':']) && held.split_once('/').is_some_and(|(_, id)| id == wanted)
        }
        Kind::Date => {
            let Some((from, to)) = span(value) else {
                return false;
            };
            let (prefix, date) = match wanted
                .get(..2)
                .filter(|p| p.bytes().all(|b| b.is_ascii_lowercase()))
            {
                Some(prefix) => (prefix, &wanted[2..]),
                None => ("eq", wanted),
            };
            let asked = PartialDate::parse(date).expect("a date").bounds(&zone());
            let (a, b) = (asked.0.0, asked.1.0);
            let inside = a <= from && to <= b;
            match prefix {
                "eq" => inside,
                "ne" => !inside,
                "gt" => to > b,
                "lt" => from < a,
                "ge" => to > b || inside,
                "le" => from < a || inside,
                "sa" => from >= b,
                "eb" => to <= a,
                other => panic!("{other}"),
            }
        }
        Kind::String => strings(value).iter().any(|held| match modifier {
            "exact" => held == wanted,
            "contains" => folded(held).contains(&folded(wanted)),
            _ => folded(held).starts_with(&folded(wanted)),
        }),
        Kind::Uri => value == wanted,
    }
}

/// The whole filter by hand.
pub(crate) fn holds(parameter: &Parameter, modifier: &str, value: &str, resource: &Value) -> bool {
    let held = found(parameter, resource);
    let readable = |v: &&Value| match parameter.kind {
        Kind::Token => !tokens(v).is_empty(),
        Kind::Date => span(v).is_some(),
        _ => true,
    };
    if modifier == "missing" {
        return (held.iter().filter(readable).count() == 0) == (value == "true");
    }
    let own = if modifier == "not" { "" } else { modifier };
    let any = value
        .split(',')
        .any(|wanted| held.iter().any(|one| fits(parameter, own, wanted, one)));
    any != (modifier == "not")
}

/// Resources whose elements are filled with values that searches can tell apart, one variety after another.
pub(crate) fn specimen(of: &'static str, variety: usize) -> Value {
    let mut resource = json!({"resourceType": of, "id": format!("{}-{variety}", of.to_lowercase())});
    for (number, parameter) in parameters(of).iter().enumerate() {
        // Each leaves out another part, so that `:missing` has something to find.
        if !(variety + number).is_multiple_of(4) {
            fill(&mut resource, parameter, variety + number);
        }
    }
    resource
}

/// Puts a value at the first path of the parameter.
fn fill(resource: &mut Value, parameter: &Parameter, seed: usize) {
    let of = resource["resourceType"].as_str().expect("a type").to_owned();
    let text: &'static str = parameter.expression.clone().leak();
    let paths = super::path::paths(&of, text).expect("paths");
    let path = &paths[seed % paths.len()];
    let mut at = resource;
    let mut holder = table().resource(&of);
    for step in &path.steps {
        let child = holder.and_then(|h| h.child(&step.name)).expect("an element");
        let list = child.element.is_list();
        holder = child.content();
        at = &mut at[step.name.as_str()];
        if list && !at.is_array() {
            *at = json!([]);
        }
        if list {
            let items = at.as_array_mut().expect("a list");
            items.push(json!({}));
            at = items.last_mut().expect("an item");
        }
        if let Some(super::path::Only::Saying(name, value)) = step.only {
            at[name] = json!(value);
        }
    }
    let target = path.steps.iter().find_map(|step| match step.only {
        Some(super::path::Only::To(target)) => Some(target),
        _ => None,
    });
    let made = value(
        path.type_name,
        target.or(parameter.targets.first().copied()),
        seed,
    );
    match (at.as_object_mut(), made) {
        (Some(members), Value::Object(made)) if path.type_name != "Period" => members.extend(made),
        (_, made) => *at = made,
    }
}

const DATES: [&str; 6] = [
    "2026",
    "2026-03",
    "2026-03-14",
    "2026-03-14T10:00:00Z",
    "2025-12-31",
    "2026-03-31T23:59:59.5-05:00",
];
const WORDS: [&str; 4] = ["Orchard Lane", "\u{c9}ve O\u{2019}Neil", "orchard", "12 Main St."];
const CODES: [&str; 3] = ["active", "a1", "b2"];
const SYSTEMS: [&str; 3] = ["", "urn:one", "urn:two"];

fn value(type_name: &str, target: Option<&str>, seed: usize) -> Value {
    let (code, system) = (CODES[seed % 3], SYSTEMS[seed / 2 % 3]);
    let coding = match system {
        "" => json!({"code": code}),
        _ => json!({"system": system, "code": code}),
    };
    match type_name {
        "code" | "id" => json!(code),
        "boolean" => json!(seed.is_multiple_of(2)),
        "Coding" => coding,
        "CodeableConcept" => {
            json!({"coding": [coding, {"system": "urn:three", "code": "c3"}], "text": "words"})
        }
        "Identifier" => json!({"system": "urn:one", "value": code, "type": {"coding": [coding]}}),
        "ContactPoint" => json!({"value": code}),
        "date" => json!(DATES[seed % 3]),
        "dateTime" | "instant" => json!(DATES[seed % 6]),
        "Period" if seed.is_multiple_of(3) => json!({"start": DATES[seed % 6]}),
        "Period" => json!({"start": DATES[seed % 3], "end": DATES[3 + seed % 3]}),
        "Timing" => json!({"event": [DATES[seed % 6], DATES[(seed + 1) % 6]]}),
        "Reference" => {
            let target = target.unwrap_or("Patient");
            json!({"reference": format!("{target}/{code}"), "identifier": {"system": system, "value": code}})
        }
        "canonical" => json!(format!("http://example.org/{code}|{}", seed % 2)),
        "uri" | "url" => json!(format!("http://example.org/{code}")),
        "HumanName" => json!({"family": WORDS[seed % 4], "given": [WORDS[(seed + 1) % 4]]}),
        "Address" => json!({"line": [WORDS[seed % 4]], "city": WORDS[(seed + 2) % 4], "postalCode": "62704"}),
        _ => json!(WORDS[seed % 4]),
    }
}

/// What may be asked of a parameter, some of which holds of some specimen.
pub(crate) fn asked(parameter: &Parameter, seed: usize) -> (String, String) {
    let (code, system) = (CODES[seed % 3], SYSTEMS[seed / 2 % 3]);
    let target = parameter.targets.first().copied().unwrap_or("Patient");
    let options: Vec<(&str, String)> = match parameter.kind {
        Kind::Token => vec![
            ("", code.to_owned()),
            ("", format!("{system}|{code}")),
            ("", format!("urn:one|,{code}")),
            ("not", code.to_owned()),
            ("not", format!("{system}|{code},true")),
            ("missing", seed.is_multiple_of(2).to_string()),
            ("of-type", format!("urn:one|{code}|{code}")),
        ],
        Kind::Reference => vec![
            ("", code.to_owned()),
            ("", format!("{target}/{code}")),
            ("", format!("http://example.org/{code}")),
            ("", format!("https://elsewhere.test/fhir/{target}/{code}")),
            (target, code.to_owned()),
            ("identifier", format!("{system}|{code}")),
            ("identifier", code.to_owned()),
            ("missing", seed.is_multiple_of(2).to_string()),
        ],
        Kind::Date => {
            let prefixes = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"];
            let mut all: Vec<(&str, String)> = prefixes
                .iter()
                .map(|prefix| ("", format!("{prefix}{}", DATES[seed % 6])))
                .collect();
            all.push(("", format!("{},lt{}", DATES[seed % 6], DATES[(seed + 1) % 6])));
            all.push(("missing", seed.is_multiple_of(2).to_string()));
            all
        }
        Kind::String => vec![
            ("", WORDS[seed % 4].to_uppercase()),
            ("", "orch,eve".to_owned()),
            ("contains", "lane".to_owned()),
            ("exact", WORDS[seed % 4].to_owned()),
            ("missing", seed.is_multiple_of(2).to_string()),
        ],
        Kind::Uri => vec![
            ("", format!("http://example.org/{code}")),
            ("missing", seed.is_multiple_of(2).to_string()),
        ],
    };
    let (modifier, value) = options[seed % options.len()].clone();
    let name = if modifier.is_empty() {
        parameter.code.to_owned()
    } else {
        format!("{}:{modifier}", parameter.code)
    };
    (name, value)
}

pub(crate) fn setting(zone: &TimeZone) -> Setting<'_> {
    Setting {
        base: "https://here.test/fhir",
        zone,
        now: NOW,
        lenient: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Any parameter of any type, asked in any way, of any specimen.
    #[test]
    fn a_filter_holds_where_it_holds_by_hand(of in 0..26_usize, which in 0..64_usize, variety in 0..24_usize, seed in 0..2000_usize) {
        let of = searched_types().nth(of).expect("a type");
        let all = parameters(of);
        let parameter = &all[which % all.len()];
        let (name, value) = asked(parameter, seed);
        let modifier = name.split_once(':').map(|(_, modifier)| modifier);
        let resource = specimen(of, variety);
        let zone = zone();
        let filter = Filter::parse(parameter, modifier, &value, &setting(&zone)).expect("served");
        prop_assert_eq!(
            filter.matches(&super::grammar::values(&resource)),
            holds(parameter, modifier.unwrap_or_default(), &value, &resource),
            "{}?{}={} of {}", of, name, value, resource
        );
    }
}

/// The specimens tell the answers apart: each parameter holds of some and not of others.
#[test]
fn specimens_have_power() {
    let (mut some, mut all) = (0, 0);
    for of in searched_types() {
        for parameter in parameters(of) {
            let mut answers = Vec::new();
            for seed in 0..60 {
                let (name, value) = asked(parameter, seed);
                let modifier = name.split_once(':').map_or("", |(_, modifier)| modifier);
                answers.push(holds(parameter, modifier, &value, &specimen(of, seed % 7)));
            }
            all += 1;
            some += usize::from(answers.contains(&true) && answers.contains(&false));
            let shared = is_shared(of) || of == "Patient" || of == "Provenance";
            assert!(
                shared || parameter.code != "patient" || answers.contains(&true),
                "{of}"
            );
        }
    }
    assert_eq!(some, all);
}

/// Official examples of R4, where they are here: the plan finds what the engine finds.
#[test]
fn official_examples_answer_alike_both_ways() {
    let places = [
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/r4-examples/package"),
        "/work/target/r4-examples/package",
    ];
    let Some(files) = places.iter().find_map(|place| std::fs::read_dir(place).ok()) else {
        println!("skipped: no official R4 examples here");
        return;
    };
    let (mut compared, mut held) = (0, 0);
    for file in files.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let Some(of) = searched_types().find(|of| name.starts_with(&format!("{of}-"))) else {
            continue;
        };
        let text = std::fs::read(file.path()).expect("readable");
        let Ok(resource) = serde_json::from_slice::<Value>(&text) else {
            continue;
        };
        let values = super::grammar::values(&resource);
        for parameter in parameters(of) {
            let missing = holds(parameter, "missing", "true", &resource);
            let there = values.of(parameter.at).next().is_some();
            let elsewhere = found(parameter, &resource).iter().any(|v| {
                v["reference"]
                    .as_str()
                    .is_some_and(|r| r.starts_with('#') || r.contains("://"))
                    || v["reference"].is_null()
            });
            assert!(
                there != missing || elsewhere || parameter.kind == Kind::String,
                "{name} {}",
                parameter.code
            );
            compared += 1;
            held += usize::from(there);
        }
    }
    println!("{compared} comparisons, {held} with values");
    assert!(compared > 1000 && held > 500, "{compared} {held}");
}
