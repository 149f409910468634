//! The last step of a decision: labels, profile and narrative of a released resource, computed again from what is released,
//! and the whole of it written once. <https://hl7.org/fhir/R4/security-labels.html>, <https://hl7.org/fhir/R4/narrative.html>

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use super::consider::{Candidate, has_narrative};
use super::narrative;
use super::release::Undated;
use crate::fhir::Value;
use crate::fhir::excerpt::{Part, write_string};
use crate::label::{CodeLists, Labels, label_released, label_stated};
use crate::search::Extractor;
use crate::terminology;

/// The released resource as bytes, in the order people read: type, id, meta, text, and the rest as it stood.
/// `bytes` is where they are written first, one resource after the other; the extractor takes what searches may ask.
pub(super) fn finish(
    candidate: Candidate<'_>,
    basis: Vec<String>,
    lists: &CodeLists,
    raised: &[&str],
    (bytes, extractor): (&mut Vec<u8>, &mut Extractor<'_>),
) -> Option<Undated> {
    let (notice, no_redisclosure) = (candidate.notice(), candidate.no_redisclosure());
    let Candidate {
        stored,
        profile,
        labelled,
        mark,
        ..
    } = candidate;
    let mut excerpt = candidate.projected.excerpt;
    // What the source stated of the whole resource still holds; what came from a withheld element is not there.
    let seen = match labelled {
        true => label_released(&stored.body, excerpt.root()?, mark, lists, raised),
        false => label_stated(&stored.body, raised),
    };
    #[cfg(debug_assertions)]
    let seen = super::planted::labels(&stored.body, lists, raised, seen);
    if let Some(profile) = profile {
        let unknown: Vec<_> = profile.unknown(excerpt.root()?).collect();
        unknown
            .iter()
            .for_each(|(name, value)| excerpt.value(name, value));
    }
    #[cfg(debug_assertions)]
    super::planted::members(&stored.body, &mut excerpt);
    excerpt.close(0);
    let root = excerpt.root()?;
    bytes.clear();
    bytes.extend_from_slice(b"{\"resourceType\":");
    write_string(&stored.resource_type, bytes);
    if let Some(id) = root.member("id") {
        write_member(id, bytes);
    }
    bytes.extend_from_slice(b",\"meta\":{");
    let stamp_at = bytes.len();
    let labels = security(&seen, no_redisclosure, &stored.body);
    let base = || format!("http://hl7.org/fhir/StructureDefinition/{}", stored.resource_type);
    let form = profile.map_or_else(base, |profile| profile.url().to_owned());
    let claims = profile.map(|profile| profile.claims(root)).unwrap_or_default();
    let security_at = write_meta(&form, &claims, labels, bytes);
    bytes.push(b'}');
    if has_narrative(&stored.resource_type) {
        bytes.extend_from_slice(b",\"text\":");
        narrative::narrative(root, notice.as_deref(), bytes);
        #[cfg(debug_assertions)]
        super::planted::narrative(&stored.body, bytes);
    }
    root.parts()
        .filter(|part| !matches!(part.name(), "resourceType" | "id"))
        .for_each(|part| write_member(part, bytes));
    bytes.push(b'}');
    Some(Undated {
        resource_type: stored.resource_type.clone(),
        id: stored.id.clone(),
        digest: Sha256::digest(&bytes).into(),
        values: extractor.extract(root),
        bytes: bytes.as_slice().into(),
        stamp_at,
        security_at,
        basis,
        says_its_date: false,
        in_document: false,
    })
}

fn write_member(part: Part<'_, '_>, out: &mut Vec<u8>) {
    out.push(b',');
    part.write_name(out);
    part.write(out);
}

/// The members of `meta`; version and date come before them when they are known. Gives the place of the list of labels.
fn write_meta<'a>(
    profile: &str,
    claims: &[&str],
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    out: &mut Vec<u8>,
) -> Range<usize> {
    out.extend_from_slice(b"\"profile\":[");
    write_string(profile, out);
    for claim in claims {
        out.push(b',');
        write_string(claim, out);
    }
    out.extend_from_slice(b"],\"security\":");
    let begins = out.len();
    out.push(b'[');
    for (index, (system, code)) in labels.enumerate() {
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
    begins..out.len()
}

/// Labels that travel: confidentiality, sensitivities, the law of Part 2 content, the refrain that its notice states
/// (<https://hl7.org/fhir/R4/security-labels.html>); of a record received from elsewhere all that its sender set.
fn security<'a>(
    labels: &Labels,
    no_redisclosure: bool,
    stored: &'a Value,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let law = labels.part2.then_some("42CFRPart2");
    let refrain = no_redisclosure.then_some("NORDSCLCD");
    let acts = labels.sensitivity.codes().chain(law).chain(refrain);
    let confidentiality = (terminology::CONFIDENTIALITY, labels.confidentiality.code());
    let own: Vec<(&str, &str)> = std::iter::once(confidentiality)
        .chain(acts.map(|code| (terminology::ACT_CODE, code)))
        .collect();
    let received = labels.provenance.received.is_some();
    let sent = stored["meta"]["security"].as_array().filter(|_| received);
    let sent = sent.into_iter().flatten();
    let sent: Vec<(&str, &str)> = sent
        .filter_map(|coding| Some((coding["system"].as_str()?, coding["code"].as_str()?)))
        .filter(|(system, _)| *system != terminology::CONFIDENTIALITY && !system.starts_with(OURS))
        .filter(|coding| !own.contains(coding))
        .collect();
    own.into_iter().chain(sent)
}

/// Codings of our own say how the record came here: that is the agency's to know.
const OURS: &str = "https://postern.example/";
