//! What a writer could not see and wrote over is kept in the resource, in an extension of ours, with the labels it had: so the
//! write neither erases it nor shows it, and what is withheld because of it stays withheld. No data set names the extension.
//! <https://hl7.org/fhir/R4/extensibility.html>, <https://hl7.org/fhir/uv/security-label-ds4p/>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::merge::PutAside;
use crate::fhir::Instant;
use crate::label::{HighWater, INLINE_LABEL, Labels};
use crate::terminology::{ACT_CODE, CONFIDENTIALITY};

/// A value kept beside the one that took its place: where it stood, itself (JSON in base64, so that nobody reads it as a
/// sentence), since when, and who wrote over it.
pub const PUT_ASIDE: &str = "https://postern.example/fhir/StructureDefinition/put-aside";

/// Adds the values to the resource they were put aside in. `labels`: those of the resource as it was.
pub(super) fn keep(resource: &mut Value, aside: &[PutAside], labels: &Labels, (by, at): (&str, Instant)) {
    if aside.is_empty() {
        return;
    }
    let kept = aside.iter().map(|one| {
        let value = STANDARD.encode(one.value.to_string());
        let mut parts: Vec<Value> = codings(labels, &one.path)
            .into_iter()
            .map(|(system, code)| json!({"url": INLINE_LABEL, "valueCoding": {"system": system, "code": code}}))
            .collect();
        parts.extend([
            json!({"url": "path", "valueString": one.path}),
            json!({"url": "value", "valueBase64Binary": value}),
            json!({"url": "by", "valueString": by}),
            json!({"url": "at", "valueInstant": at.to_fhir()}),
        ]);
        json!({"url": PUT_ASIDE, "extension": parts})
    });
    let kept: Vec<Value> = kept.collect();
    match resource["extension"].as_array_mut() {
        Some(list) => list.extend(kept),
        None => resource["extension"] = Value::Array(kept),
    }
}

/// The labels of what stands at `path`, of anything in it and of what it stands in, as codings; what only sounded sensitive too.
fn codings(labels: &Labels, path: &str) -> Vec<(&'static str, &'static str)> {
    let touches = |other: &str| holds(path, other) || holds(other, path);
    let elements = labels.elements.iter().filter(|(other, _)| touches(other));
    let mut mark = elements.fold(HighWater::default(), |mark, (_, own)| {
        mark.with(HighWater::of(own))
    });
    let suspected = labels.suspicions.iter().filter(|one| touches(&one.path));
    for suspicion in suspected {
        mark.sensitivity = mark.sensitivity.with(suspicion.sensitivity);
    }
    let law = mark.part2.then_some((ACT_CODE, "42CFRPart2"));
    let confidentiality = mark.confidentiality.map(|own| (CONFIDENTIALITY, own.code()));
    let sensitivity = mark.sensitivity.codes().map(|code| (ACT_CODE, code));
    sensitivity.chain(law).chain(confidentiality).collect()
}

/// Is `path` at `above`, or below it?
fn holds(above: &str, path: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::gate;
    use crate::label::{CodeLists, RAISED, label};

    #[test]
    fn what_is_put_aside_keeps_its_labels_and_is_valid() {
        let label_of =
            |code: &str| json!([{"url": INLINE_LABEL, "valueCoding": {"system": ACT_CODE, "code": code}}]);
        let mut task = json!({"resourceType": "Task", "id": "t", "status": "requested", "intent": "order",
            "statusReason": {"extension": label_of("SUD"), "text": "private"}});
        let labels = label(&task, CodeLists::shipped(), &RAISED);
        let aside = PutAside {
            path: "Task.statusReason".to_owned(),
            value: json!({"statusReason": task["statusReason"]}),
        };
        task["statusReason"] = json!({"text": "No bed"});
        keep(&mut task, &[aside], &labels, ("partner:brigid", Instant(0)));
        assert_eq!(gate::check(&task), []);
        let after = label(&task, CodeLists::shipped(), &RAISED);
        let (path, own) = &after.elements[0];
        assert_eq!(path, "Task.extension[0]");
        assert_eq!(own.sensitivity, labels.elements[0].1.sensitivity);
        assert!(after.suspicions.is_empty() && !task.to_string().contains("private"));
    }
}
