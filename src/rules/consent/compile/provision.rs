//! `Consent.provision` and what is nested in it.
//! <https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision>

use std::cell::Cell;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Problem, span};
use crate::consent::actor::Names;
use crate::consent::context::{Context, without_version};
use crate::consent::datum::references_in;
use crate::consent::label_rule::LabelRule;
use crate::consent::rule::{Code, DataRule, Meaning, Rule, Stated, Tree};
use crate::fhir::element::table;
use crate::terminology::{ACT_CODE, ACT_REASON, canonical, known};

/// <http://terminology.hl7.org/CodeSystem/consentaction>
const ACTIONS: [&str; 5] = ["collect", "access", "use", "disclose", "correct"];
const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";
const MAX_DEPTH: usize = 32;
const MAX_RULES: usize = 10_000;
/// All actors of one consent, groups spelt out for every rule that names them.
const MAX_NAMES: usize = 100_000;

struct Reader<'a> {
    context: &'a dyn Context,
    zone: &'a TimeZone,
    rules: Vec<Rule>,
    names: Cell<usize>,
}

pub(super) fn tree(consent: &Value, context: &dyn Context, zone: &TimeZone) -> Result<Tree, Problem> {
    let mut reader = Reader {
        context,
        zone,
        rules: Vec::new(),
        names: Cell::new(0),
    };
    let base = base(&consent["policyRule"]);
    let root = &consent["provision"];
    let permit = match effect(root)? {
        Some(stated) => stated,
        None => base.ok_or("neither its root provision nor its policyRule states a base decision")?,
    };
    reader.rule(root, permit, "provision".to_owned(), &Stated::default(), 0)?;
    Ok(Tree { rules: reader.rules })
}

/// Only permits, wherever one looks: when such a consent cannot be computed, nothing but a permit is lost.
pub(super) fn only_permits(consent: &Value) -> bool {
    let root = &consent["provision"];
    let base_permits =
        root["type"] == "permit" || root["type"].is_null() && base(&consent["policyRule"]) == Some(true);
    consent.get("decision").is_none() && base_permits && (root.is_null() || nested_permit(root, 0))
}

fn nested_permit(provision: &Value, depth: usize) -> bool {
    let nested = match &provision["provision"] {
        Value::Null => &[][..],
        Value::Array(list) => list.as_slice(),
        _ => return false,
    };
    provision.is_object()
        && depth <= MAX_DEPTH
        && nested
            .iter()
            .all(|p| p["type"] == "permit" && nested_permit(p, depth + 1))
}

/// Opt-in and opt-out of v3-ActCode, with restrictions or exceptions or without; both at once are none.
fn base(policy_rule: &Value) -> Option<bool> {
    let mut base = None;
    for coding in policy_rule["coding"].as_array()? {
        if canonical(coding["system"].as_str().unwrap_or_default()) != ACT_CODE {
            continue;
        }
        let permits = match coding["code"].as_str() {
            Some("OPTIN" | "OPTINR" | "OIC" | "OIS") => true,
            Some("OPTOUT" | "OPTOUTE" | "OOC" | "OOS") => false,
            _ => continue,
        };
        if base.is_some_and(|before| before != permits) {
            return None;
        }
        base = Some(permits);
    }
    base
}

fn effect(provision: &Value) -> Result<Option<bool>, Problem> {
    match &provision["type"] {
        Value::Null => Ok(None),
        Value::String(text) if text == "permit" => Ok(Some(true)),
        Value::String(text) if text == "deny" => Ok(Some(false)),
        _ => Err("a provision's type is neither permit nor deny".into()),
    }
}

impl Reader<'_> {
    fn rule(
        &mut self,
        provision: &Value,
        permit: bool,
        path: String,
        above: &Stated,
        depth: usize,
    ) -> Result<usize, Problem> {
        if depth > MAX_DEPTH || self.rules.len() >= MAX_RULES {
            return Err("its provisions are nested too deeply or are too many".into());
        }
        if !(provision.is_object() || depth == 0 && provision.is_null()) {
            return Err("a provision is no object".into());
        }
        if provision.get("modifierExtension").is_some() {
            return Err("a provision carries a modifier that is not understood".into());
        }
        let (stated, own_data) = self.stated(provision, permit, above)?;
        let index = self.rules.len();
        self.rules.push(Rule {
            permit,
            path,
            stated: stated.clone(),
            own_data,
            children: Vec::new(),
        });
        for (i, child) in list(provision, "provision")?.iter().enumerate() {
            // "Required in all nested rules": without it nobody can say which way it goes (R5 flips, R4 does not).
            let permit = effect(child)?.ok_or("a nested provision has no type")?;
            let path = match depth {
                0 => format!("provision[{i}]"),
                _ => format!("{}.provision[{i}]", self.rules[index].path),
            };
            let child = self.rule(child, permit, path, &stated, depth + 1)?;
            self.rules[index].children.push(child);
        }
        Ok(index)
    }

    /// Each dimension as stated here, else as inherited.
    fn stated(&self, provision: &Value, permit: bool, above: &Stated) -> Result<(Stated, bool), Problem> {
        let mut stated = above.clone();
        if let Some(period) = provision.get("period") {
            stated.period = Some(span(period, self.zone)?);
        }
        let actors = list(provision, "actor")?;
        if !actors.is_empty() {
            let names = Names::read(actors, self.context, self.zone)?;
            self.names.set(self.names.get() + names.len());
            if self.names.get() > MAX_NAMES {
                return Err("too many actors".into());
            }
            stated.actors = Some(Arc::new(names));
        }
        if let Some(purposes) = with_systems(codings(provision, "purpose")?, "purpose")? {
            if purposes
                .iter()
                .any(|p| p.system == ACT_REASON && known(&p.system, &p.code) == Some(false))
            {
                return Err("a purpose is no purpose of use".into());
            }
            stated.purposes = Some(Arc::new(purposes));
        }
        if let Some(actions) = concepts(provision, "action")? {
            if actions.iter().any(|a| !ACTIONS.contains(&a.code.as_str())) {
                return Err("an action is not one of R4".into());
            }
            stated.actions = Some(Arc::new(actions.into_iter().map(|c| c.code).collect()));
        }
        let mut own_data = false;
        if let Some(labels) = with_systems(codings(provision, "securityLabel")?, "securityLabel")? {
            own_data = true;
            stated.labels = Some(Arc::new(LabelRule::read(labels, !permit)?));
        }
        if let Some(classes) = codings(provision, "class")? {
            own_data = true;
            if classes.iter().any(|class| !is_known_class(class)) {
                return Err("a class is no resource type".into());
            }
            stated.classes = Some(Arc::new(classes));
        }
        if let Some(codes) = with_systems(concepts(provision, "code")?, "code")? {
            own_data = true;
            stated.codes = Some(Arc::new(codes));
        }
        if !list(provision, "data")?.is_empty() {
            own_data = true;
            let data = list(provision, "data")?
                .iter()
                .map(|d| self.data(d))
                .collect::<Result<_, _>>()?;
            stated.data = Some(Arc::new(data));
        }
        if let Some(period) = provision.get("dataPeriod") {
            own_data = true;
            stated.data_period = Some(span(period, self.zone)?);
        }
        Ok((stated, own_data))
    }

    fn data(&self, data: &Value) -> Result<DataRule, Problem> {
        let meaning = match data["meaning"].as_str() {
            Some("instance") => Meaning::Instance,
            Some("related") => Meaning::Related,
            Some("dependents") => Meaning::Dependents,
            Some("authoredby") => Meaning::AuthoredBy,
            _ => return Err("the meaning of a data reference is not known".into()),
        };
        let reference = match data["reference"]["reference"].as_str() {
            Some(text) => self.local(text)?,
            None => self.identified(&data["reference"]["identifier"])?,
        };
        let mut refers_to = Vec::new();
        if meaning == Meaning::Related
            && let Some(instance) = self.context.resource(&reference)
        {
            references_in(instance, 0, &mut refers_to);
        }
        let refers_to = refers_to
            .into_iter()
            .map(|r| without_version(r).to_owned())
            .collect();
        Ok(DataRule {
            meaning,
            reference,
            refers_to,
        })
    }

    /// What is known here under another address goes by its own; what names no resource cannot be computed.
    fn local(&self, text: &str) -> Result<String, Problem> {
        let text = without_version(text);
        if text.starts_with('#') {
            return Err("a data reference is to something the consent contains".into());
        }
        let known = self.context.resource(text).and_then(|known| {
            Some(format!(
                "{}/{}",
                known["resourceType"].as_str()?,
                known["id"].as_str()?
            ))
        });
        match known {
            Some(own) => Ok(own),
            None if text.contains('/') => Ok(text.to_owned()),
            None => Err("a data reference names no resource".into()),
        }
    }

    fn identified(&self, identifier: &Value) -> Result<String, Problem> {
        let (system, value) = (
            identifier["system"].as_str().unwrap_or_default(),
            identifier["value"].as_str(),
        );
        match self
            .context
            .identified(system, value.unwrap_or_default())
            .as_slice()
        {
            [one] => Ok((*one).to_owned()),
            _ => Err("a data reference names nothing that is known, or more than one".into()),
        }
    }
}

fn list<'a>(provision: &'a Value, key: &str) -> Result<&'a [Value], Problem> {
    match provision.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        // One where R4 has a list says the same.
        Some(one @ Value::Object(_)) => Ok(std::slice::from_ref(one)),
        Some(_) => Err(format!("a provision's {key} is no list")),
    }
}

/// A list of Coding; `None` when the dimension is not stated.
fn codings(provision: &Value, key: &str) -> Result<Option<Vec<Code>>, Problem> {
    let items = list(provision, key)?;
    let read = |coding: &Value| {
        let code = coding["code"]
            .as_str()
            .ok_or_else(|| format!("a {key} has no code"))?;
        Ok(Code {
            system: canonical(coding["system"].as_str().unwrap_or_default()).to_owned(),
            code: code.to_owned(),
        })
    };
    let codes = items.iter().map(read).collect::<Result<Vec<_>, Problem>>()?;
    Ok((!codes.is_empty()).then_some(codes))
}

/// A code means nothing without its system: a deny of it would reach nobody.
fn with_systems(codes: Option<Vec<Code>>, key: &str) -> Result<Option<Vec<Code>>, Problem> {
    match codes {
        Some(codes) if codes.iter().any(|c| c.system.is_empty()) => Err(format!("a {key} has no system")),
        codes => Ok(codes),
    }
}

/// Resource types are held here; of other systems (kinds of documents, profiles) any code goes.
fn is_known_class(class: &Code) -> bool {
    match class.system.as_str() {
        "" | RESOURCE_TYPES | "http://hl7.org/fhir/ValueSet/resource-types" => {
            matches!(class.code.as_str(), "Resource" | "DomainResource")
                || table().resource(&class.code).is_some()
        }
        _ => true,
    }
}

/// A list of CodeableConcept: any coding of any of them. Text alone cannot be computed.
fn concepts(provision: &Value, key: &str) -> Result<Option<Vec<Code>>, Problem> {
    let mut codes = Vec::new();
    for concept in list(provision, key)? {
        let found = codings(concept, "coding")?.ok_or_else(|| format!("a {key} has no code"))?;
        codes.extend(found);
    }
    Ok((!codes.is_empty()).then_some(codes))
}
