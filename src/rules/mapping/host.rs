//! What `code coding id reference date required` answer while one record is converted.
//! SEMANTICS section 6; <https://hl7.org/fhir/R4/references.html#literal>
//!
//! Messages name maps, formats and known words of a map, never the word or date that was met.

use super::Mapping;
use super::code_map::Found;
use super::problem::Rule;
use crate::fhir::id;
use crate::fhirpath::{EvalError, Host, Item, Temporal};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// The host of one conversion.
pub(super) struct Functions<'m> {
    mapping: &'m Mapping,
    id_key: &'m [u8],
    /// The type of the resource being made, for `id()` without a type.
    pub resource: Cell<&'static str>,
    /// The rule that the last failed call broke.
    pub broken: Cell<Option<Rule>>,
    /// Addresses of the codes and Codings handed out in this evaluation: nodes that are not the record's.
    pub handed: RefCell<Vec<usize>>,
    /// Ids made so far, by type and parts.
    ids: RefCell<HashMap<String, String>>,
}

type Answer<'a> = Result<Vec<Item<'a>>, (Rule, String)>;

impl<'m> Functions<'m> {
    pub fn new(mapping: &'m Mapping, id_key: &'m [u8]) -> Functions<'m> {
        Functions {
            mapping,
            id_key,
            resource: Cell::new(""),
            broken: Cell::new(None),
            handed: RefCell::new(Vec::new()),
            ids: RefCell::new(HashMap::new()),
        }
    }

    fn code<'a>(&'a self, receiver: &[Item<'a>], map: &str, coding: bool) -> Answer<'a> {
        let Some(word) = one(receiver, Rule::Code)? else {
            return Ok(Vec::new());
        };
        let word = simple(
            word,
            Rule::Code,
            "a code is looked up for a text, number or boolean",
        )?;
        let known = self
            .mapping
            .maps
            .get(map)
            .ok_or_else(|| (Rule::Map, format!("no code map `{map}`")))?;
        match known.find(&word) {
            Found::Row(row) => {
                let found = if coding { &row.coding } else { &row.code };
                self.handed.borrow_mut().push(super::path::address(found));
                Ok(vec![Item::node(found)])
            }
            Found::Drop => Ok(Vec::new()),
            Found::Text if coding => {
                let mut text = Map::new();
                text.insert("display".to_owned(), Value::String(word.trim().to_owned()));
                Ok(vec![Item::made(Value::Object(text))])
            }
            Found::Text => Err((
                Rule::Code,
                format!("code map `{map}` keeps this value as text, so it has no code"),
            )),
            Found::Unknown => Err((
                Rule::Code,
                format!("not in code map `{map}`, which knows {}", known.known()),
            )),
        }
    }

    /// The id of receiver and further parts; `None` when the receiver has no value.
    fn id<'a>(
        &'a self,
        receiver: &[Item<'a>],
        args: &[Vec<Item<'a>>],
    ) -> Result<Option<(String, String)>, (Rule, String)> {
        let Some(first) = one(receiver, Rule::Id)? else {
            return Ok(None);
        };
        let kind = match args.first() {
            Some(kind) => one(kind, Rule::Id)?
                .and_then(|item| item.to_text())
                .unwrap_or_default()
                .into_owned(),
            None => self.resource.get().to_owned(),
        };
        const SIMPLE: &str = "an id is made of texts and whole numbers";
        let mut parts = vec![simple(first, Rule::Id, SIMPLE)?];
        for more in args.iter().skip(1) {
            let part =
                one(more, Rule::Id)?.ok_or_else(|| (Rule::Id, "a part of the id has no value".to_owned()))?;
            parts.push(simple(part, Rule::Id, SIMPLE)?);
        }
        let mut whole: Vec<&str> = vec![&self.mapping.header.namespace, &kind];
        whole.extend(parts.iter().map(|part| part.trim()));
        let id = self.hashed(&whole).map_err(|why| (Rule::Id, why.to_owned()))?;
        Ok(Some((kind, id)))
    }

    /// The same few things are referred to again and again, so each id is hashed once a conversion.
    fn hashed(&self, parts: &[&str]) -> Result<String, &'static str> {
        let key = parts[1..]
            .iter()
            .fold(String::new(), |key, part| key + part + "\u{0}");
        // a part with the separator in it could be taken for two
        let plain = parts.iter().all(|part| !part.contains('\u{0}'));
        if let Some(known) = self.ids.borrow().get(&key).filter(|_| plain) {
            return Ok(known.clone());
        }
        let id = id::resource_id(self.id_key, parts)?;
        if plain {
            self.ids.borrow_mut().insert(key, id.clone());
        }
        Ok(id)
    }

    fn date<'a>(&'a self, receiver: &[Item<'a>], args: &[Vec<Item<'a>>]) -> Answer<'a> {
        let Some(item) = one(receiver, Rule::Date)? else {
            return Ok(Vec::new());
        };
        let text_of = |at: usize| args.get(at).and_then(|arg| arg.first()).and_then(Item::to_text);
        let pattern = text_of(0).unwrap_or_default();
        let format = self.mapping.formats.get(pattern.as_ref());
        let format = format.ok_or_else(|| (Rule::Date, "the format is not known".to_owned()))?;
        let zone = text_of(1).and_then(|name| self.mapping.zones.get(name.as_ref()));
        let is_text = matches!(item, Item::Text(_)) || item.value().is_some_and(Value::is_string);
        let is_number = matches!(item, Item::Integer(_)) || item.value().is_some_and(Value::is_number);
        if !(is_text || is_number && format.is_epoch()) {
            return Err((
                Rule::Date,
                format!("`date` reads a text, and this is {}", item.kind()),
            ));
        }
        let text = item.to_text().unwrap_or_default();
        let stamp = format
            .read(text.trim(), zone)
            .map_err(|why| (Rule::Date, format!("{why} (`{pattern}`)")))?;
        let moment = match &stamp {
            super::date::Stamp::Date(text) => Temporal::date(text),
            super::date::Stamp::DateTime(text) => Temporal::date_time(text),
        };
        let moment = moment.ok_or_else(|| (Rule::Date, "there is no such date".to_owned()))?;
        Ok(vec![Item::Moment(moment)])
    }
}

impl Host for Functions<'_> {
    fn call<'a>(
        &'a self,
        name: &'static str,
        receiver: &[Item<'a>],
        args: &[Vec<Item<'a>>],
        at: usize,
    ) -> Result<Vec<Item<'a>>, EvalError> {
        let map = || {
            args.first()
                .and_then(|arg| arg.first())
                .and_then(Item::to_text)
                .unwrap_or_default()
        };
        let answer = match name {
            "code" => self.code(receiver, &map(), false),
            "coding" => self.code(receiver, &map(), true),
            "date" => self.date(receiver, args),
            "required" => required(receiver),
            "reference" => self.id(receiver, args).map(|found| {
                found
                    .map(|(kind, id)| Item::text(kind + "/" + &id))
                    .into_iter()
                    .collect()
            }),
            "id" => match self.id(receiver, args) {
                Ok(Some((_, id))) => Ok(vec![Item::text(id)]),
                Ok(None) => Err((Rule::Id, "the identifier has no value".to_owned())),
                Err(why) => Err(why),
            },
            _ => Err((Rule::Expression, format!("mappings have no function `{name}`"))),
        };
        answer.map_err(|(rule, why)| {
            self.broken.set(Some(rule));
            EvalError::host(at, why)
        })
    }
}

fn required<'a>(receiver: &[Item<'a>]) -> Answer<'a> {
    if receiver.iter().all(is_blank) {
        return Err((Rule::Required, "a value is required".to_owned()));
    }
    Ok(receiver.to_vec())
}

/// The one value of a receiver or argument; `None` where there is none.
fn one<'i, 'a>(items: &'i [Item<'a>], rule: Rule) -> Result<Option<&'i Item<'a>>, (Rule, String)> {
    let mut filled = items.iter().filter(|item| !is_blank(item));
    match (filled.next(), filled.next()) {
        (found, None) => Ok(found),
        // more than one value is the same mistake whatever the function
        _ if rule == Rule::Id => Err((Rule::Id, "more than one value where an id needs one".to_owned())),
        _ => Err((
            Rule::Many,
            "more than one value where the function takes one".to_owned(),
        )),
    }
}

/// A text of nothing but blanks, or JSON null, is no value.
pub(super) fn is_blank(item: &Item<'_>) -> bool {
    match item {
        Item::Text(text) => text.trim().is_empty(),
        Item::Node(_) | Item::Made(_) => match item.value() {
            Some(Value::String(text)) => text.trim().is_empty(),
            value => value.is_none_or(Value::is_null),
        },
        _ => false,
    }
}

fn simple<'i>(item: &'i Item<'_>, rule: Rule, told: &str) -> Result<Cow<'i, str>, (Rule, String)> {
    item.to_text()
        .ok_or_else(|| (rule, format!("{told}, and this is {}", item.kind())))
}
