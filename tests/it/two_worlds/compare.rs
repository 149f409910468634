//! Two passes held against each other, byte for byte. Left out: `X-Request-ID`, and between a cold and a warm pass access
//! tokens and names of grants, which follow from it. <https://hl7.org/fhir/R4/http.html#general>

use axum::http::HeaderMap;

use super::corpus::Turn;
use super::passes::Pass;
use crate::harness::Answer;

/// Each difference in words: the turn, and both answers around the first place where they part.
pub fn differences(turns: &[Turn], a: &Pass, b: &Pass, between: &str, masked: bool) -> Vec<String> {
    let mut found = Vec::new();
    for ((turn, a), b) in turns.iter().zip(a).zip(b) {
        if a.len() != b.len() {
            found.push(format!(
                "{between}: {turn}\n  A: {} pages\n  B: {} pages",
                a.len(),
                b.len()
            ));
        }
        for (a, b) in a
            .iter()
            .zip(b)
            .filter(|(a, b)| told(a, masked) != told(b, masked))
        {
            found.push(format!(
                "{between}: {turn}\n  A: {}\n  B: {}",
                shown(a, b),
                shown(b, a)
            ));
        }
    }
    found
}

/// Does anything of this turn differ?
pub fn differs(a: &[Answer], b: &[Answer]) -> bool {
    a.len() != b.len() || a.iter().zip(b).any(|(a, b)| told(a, false) != told(b, false))
}

/// What a recipient has of an answer: all of it but the request's id.
pub fn told(answer: &Answer, masked: bool) -> (u16, HeaderMap, Vec<u8>) {
    let mut headers = answer.headers.clone();
    headers.remove("x-request-id");
    let mut body = answer.body.clone();
    if masked && answer.header("content-encoding").is_empty() && answer.text().contains("access_token") {
        let mut token = answer.json();
        token["access_token"] = "masked".into();
        body = token.to_string().into_bytes();
    }
    if masked && answer.text().contains("\"grant\"") {
        let mut opened = answer.json();
        let parameters = opened["parameter"].as_array_mut().into_iter().flatten();
        parameters
            .filter(|one| one["name"] == "grant")
            .for_each(|one| *one = "masked".into());
        body = opened.to_string().into_bytes();
    }
    (answer.status, headers, body)
}

/// The answer around the first place where it differs from the other, versions aside: they follow from the rest.
fn shown(answer: &Answer, other: &Answer) -> String {
    let (own, theirs) = (without_versions(answer), without_versions(other));
    let at = own
        .bytes()
        .zip(theirs.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let around: String = own
        .bytes()
        .skip(at.saturating_sub(80))
        .take(240)
        .map(char::from)
        .collect();
    format!("{} … {around} …", answer.status)
}

fn without_versions(answer: &Answer) -> String {
    let text = answer.text();
    let mut parts = text.split("\"versionId\":\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| whole + part.get(16..).unwrap_or(part))
}
