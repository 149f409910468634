//! One filter of a search: a parameter, how it is asked, and what for. It holds of a resource or it does not.
//! <https://hl7.org/fhir/R4/search.html#modifiers>

use jiff::tz::TimeZone;

use super::date::When;
use super::escape::{alternatives, plain, split};
use super::parameter::{Kind, Parameter};
use super::values::{Values, What};
use crate::fhir::element::table;
use crate::fhir::letters::folded;
use crate::fhir::{Instant, Issue, IssueCode};

/// What a query is read with.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The server's own address without a trailing slash: a reference below it is understood, a foreign one names nothing.
    pub base: &'a str,
    /// Where days, and times without an offset, are meant.
    pub zone: &'a TimeZone,
    /// For what is *about* a date.
    pub now: Instant,
    /// `Prefer: handling=lenient`: what is unknown is left out instead of refused.
    pub lenient: bool,
}

/// A parameter with what may stand there (`a,b` is a or b; repeating a parameter is *and*).
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub parameter: &'static Parameter,
    pub test: Test,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    AnyOf(Vec<Wanted>),
    /// `:not`: also what has no value fits.
    NoneOf(Vec<Wanted>),
    /// `:missing`
    Missing(bool),
}

/// One alternative.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// `code`, `system|code`, `|code`, `system|`: no system stated is any; an empty one is none; an empty code is any.
    Token {
        system: Option<String>,
        code: String,
    },
    /// `:of-type`
    OfType {
        system: String,
        code: String,
        value: String,
    },
    /// `id` or `Type/id`
    To {
        resource_type: Option<String>,
        id: String,
    },
    /// A canonical, with its version when one is stated.
    Canonical(String),
    /// `:identifier`
    Identified {
        system: Option<String>,
        value: String,
    },
    Date(When),
    /// Folded.
    Begins(String),
    Contains(String),
    /// `:exact`: as written.
    Exactly(String),
    Uri(String),
}

impl Filter {
    /// Reads one `name:modifier=value` of a parameter. Problems name the parameter and what is served, never the value.
    pub fn parse(
        parameter: &'static Parameter,
        modifier: Option<&str>,
        value: &str,
        setting: &Setting<'_>,
    ) -> Result<Filter, Issue> {
        let known = modifiers(parameter.kind);
        let typed = modifier.filter(|m| parameter.kind == Kind::Reference && parameter.targets.contains(m));
        let modifier = modifier.filter(|_| typed.is_none()).unwrap_or_default();
        if !modifier.is_empty() && !known.contains(&modifier) {
            return Err(refused(parameter, &modifiers_served(parameter)));
        }
        if modifier == "missing" {
            return match value {
                "true" => Ok(parameter.test(Test::Missing(true))),
                "false" => Ok(parameter.test(Test::Missing(false))),
                _ => Err(refused(parameter, "takes true or false with `:missing`")),
            };
        }
        let wanted = alternatives(value).map(|one| wanted(parameter, modifier, typed, one, setting));
        let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
        if wanted.is_empty() {
            return Err(refused(parameter, "has no value"));
        }
        Ok(parameter.test(match modifier {
            "not" => Test::NoneOf(wanted),
            _ => Test::AnyOf(wanted),
        }))
    }

    /// Does a resource with these values fit?
    pub fn matches(&self, values: &Values) -> bool {
        let any = |all: &[Wanted]| {
            let mut held = values.of(self.parameter.at);
            held.any(|what| all.iter().any(|wanted| wanted.fits(self.parameter, values, what)))
        };
        match &self.test {
            Test::AnyOf(all) => any(all),
            Test::NoneOf(all) => !any(all),
            Test::Missing(missing) => values.of(self.parameter.at).next().is_none() == *missing,
        }
    }

    /// The alternatives, one of which has to hold; none of a `:not` or `:missing`.
    pub fn any_of(&self) -> &[Wanted] {
        match &self.test {
            Test::AnyOf(all) => all,
            _ => &[],
        }
    }
}

impl Parameter {
    fn test(&'static self, test: Test) -> Filter {
        Filter {
            parameter: self,
            test,
        }
    }
}

impl Wanted {
    fn fits(&self, parameter: &Parameter, values: &Values, held: What) -> bool {
        match (self, held) {
            (Wanted::Token { system, code }, _) => values.is_token(held, parameter, system.as_deref(), code),
            (
                Wanted::OfType { system, code, value },
                What::OfType {
                    system: s,
                    code: c,
                    value: v,
                },
            ) => values.get(s) == system && values.get(c) == code && values.get(v) == value,
            (Wanted::To { resource_type, id }, What::Reference(_)) => {
                values.to_local(held).is_some_and(|(of, held)| {
                    held == id && resource_type.as_deref().is_none_or(|wanted| wanted == of)
                })
            }
            (Wanted::Canonical(wanted), What::Reference(held)) => {
                let held = values.get(held);
                held == wanted || held.split_once('|').is_some_and(|(url, _)| url == wanted)
            }
            (Wanted::Identified { system, value }, What::Identified { system: s, value: v }) => {
                values.get(v) == value && system.as_deref().is_none_or(|wanted| wanted == values.get(s))
            }
            (Wanted::Date(when), What::Date { from, to }) => when.fits((from.instant(), to.instant())),
            (Wanted::Begins(wanted), What::Text { folded, .. }) => values.get(folded).starts_with(wanted),
            (Wanted::Contains(wanted), What::Text { folded, .. }) => values.get(folded).contains(wanted),
            (Wanted::Exactly(wanted), What::Text { stated, .. }) => values.get(stated) == wanted,
            (Wanted::Uri(wanted), What::Uri(held)) => values.get(held) == wanted,
            _ => false,
        }
    }
}

/// What may stand behind a parameter of this kind; for references also the types they may lead to.
pub fn modifiers(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Token => &["missing", "not", "of-type"],
        Kind::Reference => &["missing", "identifier"],
        Kind::String => &["missing", "exact", "contains"],
        Kind::Date | Kind::Uri => &["missing"],
    }
}

fn modifiers_served(parameter: &Parameter) -> String {
    let known: Vec<String> = modifiers(parameter.kind)
        .iter()
        .map(|known| format!(":{known}"))
        .collect();
    let types = match parameter.kind {
        Kind::Reference => " and a type it may lead to",
        _ => "",
    };
    format!("takes the modifiers {}{types}", known.join(", "))
}

fn wanted(
    parameter: &Parameter,
    modifier: &str,
    typed: Option<&str>,
    value: &str,
    setting: &Setting<'_>,
) -> Result<Wanted, Issue> {
    let read = match (parameter.kind, modifier) {
        (Kind::Token, "of-type") => of_type(value),
        (Kind::Token, _) => token(value).map(|(system, code)| Wanted::Token { system, code }),
        (Kind::Reference, "identifier") => token(value)
            .filter(|(_, value)| !value.is_empty())
            .map(|(system, value)| Wanted::Identified { system, value }),
        (Kind::Reference, _) => reference(&plain(value), typed, setting.base),
        (Kind::Date, _) => When::parse(&plain(value), setting.zone, setting.now).map(Wanted::Date),
        (Kind::String, "exact") => Some(Wanted::Exactly(plain(value))),
        (Kind::String, _) => {
            let text = folded(&plain(value));
            let how = if modifier == "contains" {
                Wanted::Contains
            } else {
                Wanted::Begins
            };
            (!text.is_empty()).then(|| how(text))
        }
        (Kind::Uri, _) => Some(Wanted::Uri(plain(value))),
    };
    read.ok_or_else(|| refused(parameter, form(parameter.kind, modifier)))
}

/// How a value of this kind is written.
fn form(kind: Kind, modifier: &str) -> &'static str {
    match (kind, modifier) {
        (Kind::Token, "of-type") => {
            "takes `system|code|value` with `:of-type`: type and value of an identifier"
        }
        (Kind::Token, _) | (Kind::Reference, "identifier") => {
            "takes `code`, `system|code`, `|code` or `system|`"
        }
        (Kind::Reference, _) => "takes an id, `Type/id` or an address",
        (Kind::Date, _) => DATE_FORM,
        (Kind::String, _) => "takes a text with a letter or a digit",
        (Kind::Uri, _) => "takes an address",
    }
}

pub(super) const DATE_FORM: &str = "takes a date: yyyy, yyyy-mm, yyyy-mm-dd or yyyy-mm-ddThh:mm[:ss] with an offset, \
    after eq, ne, gt, lt, ge, le, sa, eb, ap or nothing";

fn token(value: &str) -> Option<(Option<String>, String)> {
    let mut parts = split(value, '|').map(plain);
    let (first, second, third) = (parts.next()?, parts.next(), parts.next());
    match (second, third) {
        (_, Some(_)) => None,
        (None, None) => Some((None, first)),
        (Some(code), None) if first.is_empty() && code.is_empty() => None,
        (Some(code), None) => Some((Some(first), code)),
    }
}

fn of_type(value: &str) -> Option<Wanted> {
    let mut parts = split(value, '|').map(plain);
    let (system, code, value) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && [&system, &code, &value].iter().all(|part| !part.is_empty());
    whole.then_some(Wanted::OfType { system, code, value })
}

fn reference(value: &str, typed: Option<&str>, base: &str) -> Option<Wanted> {
    let below = value.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
    let local = below.filter(|_| !base.is_empty()).unwrap_or(value);
    let to = |resource_type: Option<&str>, id: &str| {
        let of = resource_type.or(typed).map(str::to_owned);
        Some(Wanted::To {
            resource_type: of,
            id: id.to_owned(),
        })
    };
    match local.split_once('/') {
        None if local.contains(':') => Some(Wanted::Canonical(value.to_owned())),
        None => to(None, local),
        // Another type than the modifier's is a contradiction and names nothing.
        Some((of, id)) if table().resource(of).is_some() && !id.contains('/') => match typed {
            Some(typed) if typed != of => to(Some(typed), ""),
            _ => to(Some(of), id),
        },
        // Also an address of elsewhere: no released reference leads there.
        Some(_) => Some(Wanted::Canonical(value.to_owned())),
    }
}

pub(super) fn refused(parameter: &Parameter, why: &str) -> Issue {
    bad(parameter.code, why)
}

/// `name` is one of ours, never what a client sent.
pub(super) fn bad(name: &'static str, why: &str) -> Issue {
    Issue::error(IssueCode::Invalid, "", format!("search parameter `{name}` {why}"))
}
