//! One `StructureDefinition`: which type it constrains, from which base, and the rules of its elements.
//! <https://hl7.org/fhir/R4/structuredefinition.html>

use serde_json::Value;

use super::rule::{Rule, Slices, type_name};

/// What keeps a definition from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("has no url")]
    NoUrl,
    #[error("is about a type that R4 does not have")]
    NoType,
    #[error("has neither snapshot nor differential")]
    NoElements,
    #[error("has an element without a path")]
    NoPath,
    #[error("has a max that is neither a number nor *")]
    Max,
    #[error("has an element of a type that R4 does not have")]
    Type,
    #[error("has a discriminator that is not understood")]
    Discriminator,
}

/// A profile, or the definition of an extension.
#[derive(Debug)]
pub(super) struct Structure {
    pub url: Box<str>,
    pub version: Box<str>,
    /// The type it constrains: `Patient`, `Extension`, `Quantity`.
    pub of: &'static str,
    pub base: Option<Box<str>>,
    /// `rules` are a whole snapshot; else what differs from the base.
    pub is_snapshot: bool,
    pub rules: Vec<Rule>,
    /// Where an extension may stand.
    pub contexts: Vec<Context>,
    /// The extension changes the meaning of what holds it.
    pub is_modifier: bool,
}

/// <https://hl7.org/fhir/R4/defining-extensions.html#context>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// Path of an element (`Patient.contact`), type, or definition.
    Element(Box<str>),
    /// Url of an extension.
    Extension(Box<str>),
    /// An expression; not judged.
    Expression,
}

impl Structure {
    /// Reads a definition; from its snapshot, unless it has none or `differential` asks for that. `None`: it is no
    /// constraint on a type of R4 (a type itself, or a logical model), so nothing is held to it.
    pub(super) fn read(value: &Value, differential: bool) -> Result<Option<Structure>, Fault> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        if text("derivation") != Some("constraint")
            || !matches!(text("kind"), Some("resource" | "complex-type"))
        {
            return Ok(None);
        }
        let of = text("type").and_then(type_name).ok_or(Fault::NoType)?;
        let list = |part: &str| {
            let elements = value.get(part)?.get("element")?.as_array()?;
            (!elements.is_empty()).then_some(elements)
        };
        let (elements, is_snapshot) = match (list("snapshot"), list("differential")) {
            (Some(all), None) => (all, true),
            (Some(all), Some(_)) if !differential => (all, true),
            (_, Some(some)) => (some, false),
            (None, None) => return Err(Fault::NoElements),
        };
        let mut slices = Slices::default();
        let rules = elements
            .iter()
            .map(|element| Rule::read(element, &mut slices))
            .collect::<Result<_, _>>()?;
        let contexts = value
            .get("context")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        Ok(Some(Structure {
            url: text("url").ok_or(Fault::NoUrl)?.into(),
            version: text("version").unwrap_or_default().into(),
            of,
            base: text("baseDefinition").map(Box::from),
            is_snapshot,
            rules,
            contexts: contexts.filter_map(context).collect(),
            is_modifier: elements.first().is_some_and(|root| root["isModifier"] == true),
        }))
    }
}

fn context(value: &Value) -> Option<Context> {
    let expression = value.get("expression")?.as_str()?;
    Some(match value.get("type")?.as_str()? {
        "element" => Context::Element(expression.into()),
        "extension" => Context::Extension(expression.into()),
        _ => Context::Expression,
    })
}
