//! The last step of a decision: labels, profile and narrative of a released resource, computed again from what is released,
//! and the whole of it written once. <https://hl7.org/fhir/R4/security-labels.html>, <https://hl7.org/fhir/R4/narrative.html>

use sha2::{Digest as _, Sha256};

use super::consider::Candidate;
use super::narrative;
use super::release::Undated;
use crate::fhir::excerpt::{Part, write_string};
use crate::label::{CodeLists, Labels, label_released, label_stated};
use crate::search;
use crate::terminology;

/// The released resource as bytes, in the order people read: type, id, meta, text, and the rest as it stood.
pub(super) fn finish(
    candidate: Candidate<'_>,
    basis: Vec<String>,
    lists: &CodeLists,
    raised: &[&str],
) -> Option<Undated> {
    let elements = candidate.elements();
    let Candidate {
        stored,
        profile,
        coded,
        projected,
        ..
    } = candidate;
    let mut excerpt = projected.excerpt;
    // What the source stated of the whole resource still holds; what came from a withheld element is not there.
    let mut seen = match coded {
        true => label_released(&stored.body, excerpt.root()?, lists, raised),
        false => label_stated(&stored.body, raised),
    };
    elements.raise(&mut seen);
    let unknown: Vec<_> = profile.unknown(excerpt.root()?).collect();
    unknown
        .iter()
        .for_each(|(name, value)| excerpt.value(name, value));
    excerpt.close(0);
    let root = excerpt.root()?;
    let mut bytes = Vec::with_capacity(4096);
    bytes.extend_from_slice(b"{\"resourceType\":");
    write_string(&stored.resource_type, &mut bytes);
    if let Some(id) = root.member("id") {
        write_member(id, &mut bytes);
    }
    bytes.extend_from_slice(b",\"meta\":{");
    let stamp_at = bytes.len();
    write_meta(profile.url(), &seen, &mut bytes);
    bytes.extend_from_slice(b"},\"text\":");
    narrative::narrative(root, seen.part2.then_some(narrative::PART2_NOTICE), &mut bytes);
    root.parts()
        .filter(|part| !matches!(part.name(), "resourceType" | "id"))
        .for_each(|part| write_member(part, &mut bytes));
    bytes.push(b'}');
    Some(Undated {
        resource_type: stored.resource_type.clone(),
        id: stored.id.clone(),
        digest: Sha256::digest(&bytes).into(),
        values: search::extract(root),
        bytes,
        stamp_at,
        basis,
    })
}

fn write_member(part: Part<'_, '_>, out: &mut Vec<u8>) {
    out.push(b',');
    part.write_name(out);
    part.write(out);
}

/// The members of `meta`; version and date come before them when they are known.
fn write_meta(profile: &str, labels: &Labels, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"profile\":[");
    write_string(profile, out);
    out.extend_from_slice(b"],\"security\":[");
    for (index, (system, code)) in security(labels).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"system\":");
        write_string(system, out);
        out.extend_from_slice(b",\"code\":");
        write_string(code, out);
        out.push(b'}');
    }
    out.push(b']');
}

/// Labels that travel: confidentiality, sensitivities, and for Part 2 content the law and the refrain that its
/// notice states (<https://hl7.org/fhir/R4/security-labels.html>).
fn security(labels: &Labels) -> impl Iterator<Item = (&'static str, &'static str)> {
    let part2: &[&str] = if labels.part2 {
        &["42CFRPart2", "NORDSCLCD"]
    } else {
        &[]
    };
    let confidentiality = (terminology::CONFIDENTIALITY, labels.confidentiality.code());
    let acts = labels.sensitivity.codes().chain(part2.iter().copied());
    std::iter::once(confidentiality).chain(acts.map(|code| (terminology::ACT_CODE, code)))
}
