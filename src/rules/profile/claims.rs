//! Which profiles of other guides a released resource claims in `meta.profile`, beside the closed one that let it out. Each claim is
//! data in our StructureDefinition: always (imposeProfile), or where what it asks for is there; one that does not hold is not made.
//! <http://hl7.org/fhir/extensions/StructureDefinition-structuredefinition-imposeProfile.html>

use serde_json::Value;

use super::problem::Rule;
use crate::fhir::Issue;
use crate::fhir::element::Type;
use crate::fhir::excerpt::Part;
use crate::fhir::is_npi;

const IMPOSE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-imposeProfile";
const CLAIM: &str = "https://postern.example/fhir/StructureDefinition/claims-profile";
const NPI: &str = "http://hl7.org/fhir/sid/us-npi";

/// One profile, and what has to be true of a resource to claim it.
#[derive(Debug)]
pub(super) struct Claim {
    profile: String,
    asks: Vec<Ask>,
}

#[derive(Debug)]
enum Ask {
    /// Something stands there.
    Has(Path),
    /// Wherever the way leads, the last step is there.
    Each(Path),
    /// Wherever the way leads, there is at most one.
    Single(Path),
    /// A coding there is one of these; without a code, any of that system.
    Coded(Path, Vec<(String, Option<String>)>),
    /// Whatever stands there is one of these.
    Is(Path, Vec<String>),
    /// National provider identifiers there have their check digit (us-core-16, us-core-17).
    Npi(Path),
}

/// Member names; the last step may be one of several.
#[derive(Debug)]
struct Path {
    way: Vec<String>,
    /// Each with the name of its `_` twin.
    last: Vec<(String, String)>,
}

/// The claims of a StructureDefinition.
pub(super) fn read(sd: &Value, root: &'static Type, problems: &mut Vec<Issue>) -> Vec<Claim> {
    let extensions = sd["extension"].as_array().into_iter().flatten();
    let mut claims = Vec::new();
    for extension in extensions {
        match extension["url"].as_str() {
            Some(IMPOSE) => {
                let profile = extension["valueCanonical"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                claims.push(Claim {
                    profile,
                    asks: Vec::new(),
                });
            }
            Some(CLAIM) => claims.extend(claim(extension, root, problems)),
            _ => problems.push(Rule::Claim.broken("extension", "is none that a profile of ours carries")),
        }
    }
    if claims.iter().any(|claim| !claim.profile.starts_with("http")) {
        problems.push(Rule::Claim.broken("extension", "names no profile"));
    }
    claims
}

fn claim(extension: &Value, root: &'static Type, problems: &mut Vec<Issue>) -> Option<Claim> {
    let (mut profile, mut asks) = (String::new(), Vec::new());
    for part in extension["extension"].as_array()? {
        let name = part["url"].as_str().unwrap_or_default();
        if name == "profile" {
            part["valueCanonical"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut profile);
            continue;
        }
        match ask(name, part, root) {
            Ok(ask) => asks.push(ask),
            Err(why) => problems.push(Rule::Claim.broken(&format!("{profile} {name}"), why)),
        }
    }
    Some(Claim { profile, asks })
}

fn ask(name: &str, part: &Value, root: &'static Type) -> Result<Ask, &'static str> {
    let path = part["valueString"]
        .as_str()
        .or_else(|| below(part, "path").next()?["valueString"].as_str());
    let path = Path::read(path.ok_or("says no path")?, root)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match name {
        "has" => Ok(Ask::Has(path)),
        "each" => Ok(Ask::Each(path)),
        "single" => Ok(Ask::Single(path)),
        "npi" => Ok(Ask::Npi(path)),
        "coded" => {
            let codings = below(part, "coding").map(|part| &part["valueCoding"]);
            let codings = codings.filter_map(|c| Some((text(&c["system"])?, text(&c["code"]))));
            Ok(Ask::Coded(path, codings.collect()))
        }
        "is" => Ok(Ask::Is(
            path,
            below(part, "value")
                .filter_map(|part| text(&part["valueString"]))
                .collect(),
        )),
        _ => Err("is none of has, each, single, coded, is, npi"),
    }
}

fn below<'v>(part: &'v Value, url: &'static str) -> impl Iterator<Item = &'v Value> {
    let parts = part["extension"].as_array().into_iter().flatten();
    parts.filter(move |part| part["url"] == url)
}

impl Claim {
    /// Its address, where the resource has what it asks for.
    pub(super) fn of(&self, released: Part<'_, '_>) -> Option<&str> {
        self.asks
            .iter()
            .all(|ask| ask.holds(released))
            .then_some(self.profile.as_str())
    }
}

impl Ask {
    fn holds(&self, released: Part<'_, '_>) -> bool {
        let mut found = false;
        match self {
            Ask::Has(path) => {
                path.holders(released, &mut |holder| found |= path.of(holder).next().is_some());
                found
            }
            Ask::Each(path) => {
                let mut each = true;
                path.holders(released, &mut |holder| each &= path.of(holder).next().is_some());
                each
            }
            Ask::Single(path) => {
                let mut single = true;
                path.holders(released, &mut |holder| {
                    single &= path.of(holder).flat_map(items).count() < 2;
                });
                single
            }
            Ask::Coded(path, wanted) => {
                path.holders(released, &mut |holder| {
                    found |= path
                        .of(holder)
                        .flat_map(items)
                        .any(|value| is_coded(value, wanted));
                });
                found
            }
            Ask::Is(path, wanted) => {
                let mut only = true;
                path.holders(released, &mut |holder| {
                    let texts = path.of(holder).flat_map(items).filter_map(Part::as_str);
                    only &= texts.into_iter().all(|text| wanted.iter().any(|own| own == text));
                });
                only
            }
            Ask::Npi(path) => {
                let mut valid = true;
                path.holders(released, &mut |holder| {
                    valid &= path.of(holder).flat_map(items).all(is_checked);
                });
                valid
            }
        }
    }
}

fn items<'e, 'a>(part: Part<'e, 'a>) -> Box<dyn Iterator<Item = Part<'e, 'a>> + 'e>
where
    'a: 'e,
{
    match part.is_list() {
        true => Box::new(part.parts()),
        false => Box::new(std::iter::once(part)),
    }
}

/// A Coding, or a concept one of whose codings is meant.
fn is_coded(value: Part<'_, '_>, wanted: &[(String, Option<String>)]) -> bool {
    let text = |part: Part<'_, '_>, name: &str| part.member(name).and_then(|m| m.as_str().map(str::to_owned));
    let meant = |coding: Part<'_, '_>| {
        let (system, code) = (text(coding, "system"), text(coding, "code"));
        wanted
            .iter()
            .any(|(s, c)| system.as_deref() == Some(s) && (c.is_none() || *c == code))
    };
    match value.member("coding") {
        Some(codings) => codings.parts().any(meant),
        None => meant(value),
    }
}

fn is_checked(identifier: Part<'_, '_>) -> bool {
    let text = |name: &str| identifier.member(name).and_then(Part::as_str);
    text("system") != Some(NPI) || text("value").is_some_and(is_npi)
}

impl Path {
    fn read(text: &str, root: &'static Type) -> Result<Path, &'static str> {
        let steps: Vec<&str> = text.split('.').collect();
        let (last, way) = steps.split_last().ok_or("says no path")?;
        let mut at = Some(root);
        for step in way {
            at = at
                .and_then(|t| t.child(step))
                .ok_or("names an element that R4 does not know")?
                .content();
        }
        let known =
            |name: &str| at.is_some_and(|t| t.child(name).is_some()) || name == "extension" && at.is_some();
        if !last.split('|').all(known) {
            return Err("names an element that R4 does not know");
        }
        Ok(Path {
            way: way.iter().map(|step| (*step).to_owned()).collect(),
            last: last
                .split('|')
                .map(|name| (name.to_owned(), format!("_{name}")))
                .collect(),
        })
    }

    /// Every object that the last step is a member of.
    fn holders<'e, 'a>(&self, released: Part<'e, 'a>, see: &mut dyn FnMut(Part<'e, 'a>)) {
        along(released, &self.way, see);
    }

    fn of<'p, 'e, 'a: 'e + 'p>(
        &'p self,
        holder: Part<'e, 'a>,
    ) -> impl Iterator<Item = Part<'e, 'a>> + use<'p, 'e, 'a> {
        let names = self.last.iter();
        names.filter_map(move |(name, twin)| holder.member(name).or_else(|| holder.member(twin)))
    }
}

fn along<'e, 'a>(part: Part<'e, 'a>, way: &[String], see: &mut dyn FnMut(Part<'e, 'a>)) {
    if part.is_list() {
        return part.parts().for_each(|item| along(item, way, see));
    }
    match way.split_first() {
        None => see(part),
        Some((step, rest)) => {
            if let Some(inside) = part.member(step) {
                along(inside, rest, see);
            }
        }
    }
}
