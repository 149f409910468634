//! Answers of operations: a match, a break-glass grant, a request taken up. A person who is not there, one who may not be
//! acknowledged, and several who may be meant are one answer each time.
//! <https://hl7.org/fhir/R4/patient-operation-match.html>, 42 CFR 2.13(c)

use std::sync::Arc;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::answer::{Answer, MAY_BE_INCOMPLETE, Subject};
use super::release::Release;
use crate::fhir::{Instant, Issue, IssueCode, issue::operation_outcome, json as door};
use crate::identity::{How, Stated, agreement};

/// What a break-glass answer says of its grant.
#[derive(Clone, Copy, Debug)]
pub struct Granted<'a> {
    pub patient: &'a str,
    pub grant: &'a str,
    pub until: Instant,
    /// How it is used, in one constant text per partner.
    pub how: &'a str,
}

impl Release {
    /// Does the person as released agree with what is stated? What is not released takes no part.
    pub fn agrees(&self, stated: &Stated) -> Option<How> {
        let patient = &self.resources[self.find("Patient", &self.about.patient)?];
        agreement(stated, &door::parse(&patient.body).ok()?)
    }
}

impl Answer {
    /// `Patient/$match`: a searchset of one person, or of nobody. `base` is the public address.
    pub fn matched(found: Option<(Arc<Release>, How)>, base: &str, request: &str) -> Answer {
        let found = found.and_then(|(release, how)| {
            let index = release.find("Patient", &release.about.patient)?;
            Some((release, index, how))
        });
        let link = json!([{"relation": "self", "url": format!("{base}/Patient/$match")}]);
        let mut body = format!(
            "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":{},\"link\":{link},\"entry\":[",
            found.iter().len()
        )
        .into_bytes();
        if let Some((release, index, how)) = &found {
            let one = &release.resources[*index];
            let url = json!(format!("{base}/{}", one.reference()));
            body.extend_from_slice(format!("{{\"fullUrl\":{url},\"resource\":").as_bytes());
            body.extend_from_slice(&one.body);
            let score = how.score();
            body.extend_from_slice(
                format!(",\"search\":{{\"extension\":[{GRADE}],\"mode\":\"match\",\"score\":{score}}}}},")
                    .as_bytes(),
            );
        }
        let outcome = json!({
            "resource": {"resourceType": "OperationOutcome", "issue": [
                {"severity": "information", "code": "informational", "diagnostics": MAY_BE_INCOMPLETE}]},
            "search": {"mode": "outcome"}});
        body.extend_from_slice(format!("{outcome}]}}").as_bytes());
        let subjects = found.map(|(release, index, _)| Subject::of(release, vec![index]));
        Answer::new(
            200,
            None,
            None,
            subjects.into_iter().collect(),
            body.into(),
            request,
        )
    }

    /// A break-glass grant. It looks the same whatever the record holds.
    pub fn granted(granted: &Granted<'_>, request: &str) -> Answer {
        let body = json!({
            "resourceType": "Parameters",
            "parameter": [
                {"name": "patient", "valueReference": {"reference": format!("Patient/{}", granted.patient)}},
                {"name": "grant", "valueId": granted.grant},
                {"name": "until", "valueInstant": granted.until.to_fhir()},
                {"name": "use", "valueString": granted.how}
            ]
        });
        Answer::stating(200, body.to_string(), request)
    }

    /// Nobody whom this recipient may be told of is meant, or it is not clear who.
    pub fn nobody_meant(request: &str) -> Answer {
        let issue = Issue::error(IssueCode::NotFound, "", NOBODY_MEANT);
        Answer::stating(404, operation_outcome(&[issue]).to_string(), request)
    }

    /// Staff have been asked; what they decide comes another way.
    pub fn taken_up(request: &str) -> Answer {
        let body = json!({"resourceType": "OperationOutcome", "issue": [
            {"severity": "information", "code": "informational", "diagnostics": TAKEN_UP}]});
        Answer::stating(202, body.to_string(), request)
    }

    /// An answer that shows no released resource. Its text is part of what the receipt has to cover.
    pub(super) fn stating(status: u16, body: String, request: &str) -> Answer {
        let digest = Sha256::digest(body.as_bytes());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let body = Arc::from(body.into_bytes());
        Answer::new(
            status,
            None,
            None,
            Vec::new(),
            body,
            &format!("{request}\n{digest}"),
        )
    }
}

const GRADE: &str = r#"{"url":"http://hl7.org/fhir/StructureDefinition/match-grade","valueCode":"certain"}"#;

/// Said identically for no match, several, and a person who may not be acknowledged.
pub const NOBODY_MEANT: &str =
    "no one person could be found by what was stated; check it, state more, or call the agency";

const TAKEN_UP: &str = "the request has been passed to the agency's staff; they will answer it";
