//! The released plan as a DocumentReference, for systems that file documents only. It is never stored: it is made from what is
//! released, so it counts, sorts and changes as that does. Its bytes are made when they are read (`binary.rs`).
//! <http://hl7.org/fhir/us/core/StructureDefinition/us-core-documentreference>

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Rules;
use super::consider::Candidate;
use super::narrative::{self, PART2_NOTICE};
use super::release::Undated;
use crate::document::{self, FORM, TITLE};
use crate::fhir::excerpt::{Part, write_string};
use crate::fhir::id::seal;
use crate::fhir::json as door;
use crate::profile::{DataSet, Profile, Withheld};
use crate::search::Extractor;
use crate::terminology::{self, Confidentiality};

/// The document of a release, as far as it is known before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanDocument {
    /// Id of its DocumentReference.
    pub(super) id: String,
    /// `urn:uuid:…`: the document, whatever its version.
    pub(super) identifier: String,
    /// `urn:uuid:…`: this version. Another one exactly when something in it has changed.
    pub(super) version: String,
    /// Statements that must go with what is in it.
    pub(super) statements: Vec<String>,
}

/// A form in which the document can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Html,
    Pdf,
}

impl Form {
    pub const ALL: [Form; 2] = [Form::Html, Form::Pdf];

    pub fn media_type(self) -> &'static str {
        match self {
            Form::Html => "text/html",
            Form::Pdf => "application/pdf",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Form::Html => "-html",
            Form::Pdf => "-pdf",
        }
    }

    /// Id of the Binary that is this form of the document with this id.
    pub fn binary_id(self, document: &str) -> String {
        format!("{document}{}", self.ending())
    }

    /// The document and the form behind an id of a Binary; nothing when it is no such id.
    pub fn of_binary(id: &str) -> Option<(&str, Form)> {
        Form::ALL
            .into_iter()
            .find_map(|form| Some((id.strip_suffix(form.ending())?, form)))
    }
}

/// An id of 128 bits, as every id made here.
const DIGITS: usize = 32;

impl PlanDocument {
    /// The id of the document of this person for this reader, a recipient and the purpose it asked for: the person's own id under
    /// a mask of the reader's. Like that one it says nothing and cannot be guessed, and it leads back without being looked up.
    pub(super) fn id_of(patient: &str, reader: (&str, &str)) -> Option<String> {
        masked(patient, reader)
    }

    /// `DocumentReference/…`
    pub fn reference(&self) -> String {
        format!("DocumentReference/{}", self.id)
    }

    /// Whose document it would be for this reader; nothing when it is no such id.
    pub fn patient_of(id: &str, reader: (&str, &str)) -> Option<String> {
        masked(id, reader)
    }
}

/// Masked twice it is what it was.
fn masked(id: &str, (recipient, purpose): (&str, &str)) -> Option<String> {
    let is_id = id.len() == DIGITS
        && id
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    let bits = u128::from_str_radix(id, 16).ok().filter(|_| is_id)?;
    let parts: [&[u8]; 2] = [recipient.as_bytes(), purpose.as_bytes()];
    let mask = seal(b"postern: documents of plans", &parts);
    let mask = u128::from_be_bytes(*mask.first_chunk()?);
    Some(format!("{:032x}", bits ^ mask))
}

/// Stands where the date of the version belongs until there is one. As long as every date.
pub(super) const UNDATED: &str = "0001-01-01T00:00:00.000Z";

/// What is gathered of a release while it is written.
#[derive(Default)]
pub(super) struct Gathered {
    /// Name and digest of each resource that is part of the document.
    members: Vec<(String, [u8; 32])>,
    labels: BTreeSet<(String, String)>,
    confidentiality: Option<Confidentiality>,
    statements: BTreeSet<String>,
    basis: BTreeSet<String>,
    /// Of the plan in force, when one is released.
    period: Option<Value>,
    holds_plan: bool,
}

/// Whether a resource that is about to be written is part of the document, and what it brings along.
pub(super) struct Member(Vec<String>);

impl Gathered {
    /// To be asked before a resource is written.
    pub fn member(&mut self, candidate: &Candidate<'_>) -> Option<Member> {
        let root = candidate.projected.excerpt.root()?;
        if !document::takes_in(root) {
            return None;
        }
        if candidate.stored.resource_type == "CarePlan" {
            self.holds_plan = true;
            let in_force = root.member("status").and_then(Part::as_str) == Some("active");
            let part_of = root.member("partOf").is_some();
            if self.period.is_none() && in_force && !part_of {
                self.period = root.member("period").map(Part::to_value);
            }
        }
        let part2 = candidate.is_part2().then(|| PART2_NOTICE.to_owned());
        Some(Member(
            part2
                .into_iter()
                .chain(candidate.statements.iter().cloned())
                .collect(),
        ))
    }

    /// And told once it is.
    pub fn take(&mut self, member: Option<Member>, written: &mut Undated) {
        let Some(Member(statements)) = member else { return };
        written.in_document = true;
        self.members.push((
            format!("{}/{}", written.resource_type, written.id),
            written.digest,
        ));
        self.statements.extend(statements);
        self.basis.extend(written.basis.iter().cloned());
        let labels = door::parse(&written.bytes[written.security_at.clone()]).unwrap_or_default();
        for label in labels.as_array().into_iter().flatten() {
            let (Some(system), Some(code)) = (label["system"].as_str(), label["code"].as_str()) else {
                continue;
            };
            match Confidentiality::from_code(code).filter(|_| system == terminology::CONFIDENTIALITY) {
                Some(found) => self.confidentiality = self.confidentiality.max(Some(found)),
                None => {
                    self.labels.insert((system.to_owned(), code.to_owned()));
                }
            }
        }
    }

    /// The DocumentReference of what was gathered; none when no plan is released, or the data set has no profile for it.
    /// `purpose`: the one that was asked for.
    pub fn document(
        mut self,
        (recipient, purpose, patient): (&str, &str, &str),
        (data_set, rules): (&DataSet, &Rules),
        extractor: &mut Extractor<'_>,
    ) -> Option<(PlanDocument, Undated)> {
        let profile = data_set.profile("DocumentReference")?;
        data_set.profile("Binary")?;
        if !self.holds_plan {
            return None;
        }
        let id = PlanDocument::id_of(patient, (recipient, purpose))?;
        self.members.sort_unstable();
        let plan = PlanDocument {
            identifier: uuid(&Sha256::digest(&id).into()),
            version: uuid(&self.version(&id, data_set, rules)),
            statements: self.statements.iter().cloned().collect(),
            id,
        };
        let whole = self.reference(&plan, patient, rules);
        let excerpt = profile.excerpt(&whole, Withheld::default())?.excerpt;
        let written = self.write(&plan, profile, excerpt.root()?, extractor);
        Some((plan, written))
    }

    /// Of everything the document says: what is in it, how it is written, which sections it has, who answers for it.
    fn version(&self, id: &str, data_set: &DataSet, rules: &Rules) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(FORM.as_bytes());
        part(id.as_bytes());
        part(data_set.title().as_bytes());
        data_set.order().iter().for_each(|of| part(of.as_bytes()));
        part(
            rules
                .agency
                .as_ref()
                .map(|agency| agency.id.as_str())
                .unwrap_or_default()
                .as_bytes(),
        );
        for (name, digest) in &self.members {
            part(name.as_bytes());
            part(digest);
        }
        self.statements
            .iter()
            .for_each(|statement| part(statement.as_bytes()));
        hasher.finalize().into()
    }

    fn labels(&self) -> Vec<Value> {
        let highest = self.confidentiality.unwrap_or(Confidentiality::Normal);
        let mut labels = vec![json!({"system": terminology::CONFIDENTIALITY, "code": highest.code()})];
        labels.extend(
            self.labels
                .iter()
                .map(|(system, code)| json!({"system": system, "code": code})),
        );
        labels
    }

    fn reference(&self, plan: &PlanDocument, patient: &str, rules: &Rules) -> Value {
        let urn = |value: &str| json!({"system": "urn:ietf:rfc:3986", "value": value});
        let content: Vec<Value> = Form::ALL
            .into_iter()
            .map(|form| {
                json!({
                    "attachment": {
                        "contentType": form.media_type(),
                        "language": "en",
                        "url": format!("{}/Binary/{}", rules.base, form.binary_id(&plan.id)),
                        "title": TITLE,
                        "creation": UNDATED
                    },
                    "format": {
                        "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
                        "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
                        "display": "mimeType Sufficient"
                    }
                })
            })
            .collect();
        let mut whole = json!({
            "resourceType": "DocumentReference",
            "id": plan.id,
            "masterIdentifier": urn(&plan.version),
            "identifier": [urn(&plan.identifier)],
            "status": "current",
            "docStatus": "final",
            "type": {"coding": [{"system": "http://loinc.org", "code": "18776-5", "display": "Plan of care note"}]},
            "category": [{"coding": [{
                "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                "code": "clinical-note", "display": "Clinical Note"}]}],
            "subject": {"reference": format!("Patient/{patient}")},
            "date": UNDATED,
            "description": TITLE,
            "securityLabel": self.labels().into_iter().map(|label| json!({"coding": [label]})).collect::<Vec<Value>>(),
            "content": content
        });
        if let Some(agency) = &rules.agency {
            whole["author"] = json!([{"reference": agency.reference()}]);
            whole["custodian"] = json!({"reference": agency.reference()});
        }
        if let Some(period) = &self.period {
            whole["context"] = json!({ "period": period });
        }
        whole
    }

    fn write(
        self,
        plan: &PlanDocument,
        profile: &Profile,
        root: Part<'_, '_>,
        extractor: &mut Extractor<'_>,
    ) -> Undated {
        let mut bytes = b"{\"resourceType\":\"DocumentReference\",\"id\":".to_vec();
        write_string(&plan.id, &mut bytes);
        bytes.extend_from_slice(b",\"meta\":{");
        let stamp_at = bytes.len();
        bytes.extend_from_slice(b"\"profile\":[");
        write_string(profile.url(), &mut bytes);
        for claim in profile.claims(root) {
            bytes.push(b',');
            write_string(claim, &mut bytes);
        }
        bytes.extend_from_slice(b"],\"security\":");
        let security_at = bytes.len();
        bytes.extend_from_slice(Value::from(self.labels()).to_string().as_bytes());
        let security_at = security_at..bytes.len();
        bytes.extend_from_slice(b"},\"text\":");
        let notice = plan.statements.join(" ");
        narrative::narrative(root, (!notice.is_empty()).then_some(notice.as_str()), &mut bytes);
        for part in root
            .parts()
            .filter(|part| !matches!(part.name(), "resourceType" | "id"))
        {
            bytes.push(b',');
            part.write_name(&mut bytes);
            part.write(&mut bytes);
        }
        bytes.push(b'}');
        Undated {
            resource_type: "DocumentReference".to_owned(),
            id: plan.id.clone(),
            digest: Sha256::digest(&bytes).into(),
            stamp_at,
            security_at,
            values: extractor.extract(root),
            bytes: bytes.into(),
            basis: self.basis.into_iter().collect(),
            says_its_date: true,
            in_document: false,
        }
    }
}

/// The first 128 bits as a UUID of version 8, which says nothing but its bits (RFC 9562 5.8).
fn uuid(digest: &[u8; 32]) -> String {
    let mut bits = [0_u8; 16];
    bits.copy_from_slice(&digest[..16]);
    bits[6] = bits[6] & 0x0f | 0x80;
    bits[8] = bits[8] & 0x3f | 0x80;
    let hex: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("urn:uuid:{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_is_named_after_its_document() {
        for form in Form::ALL {
            assert_eq!(Form::of_binary(&form.binary_id("abc")), Some(("abc", form)));
        }
        assert_eq!(Form::of_binary("abc"), None);
    }

    #[test]
    fn an_id_leads_back_to_the_person_for_its_reader_alone() {
        let (patient, reader) = ("0899bdc437074f4016bc88eb3184c34f", ("maple", "TREAT"));
        let id = PlanDocument::id_of(patient, reader).expect("an id");
        assert!(id.len() == 32 && id != patient);
        assert_eq!(PlanDocument::patient_of(&id, reader).as_deref(), Some(patient));
        for other in [("maple", "ETREAT"), ("brigid", "TREAT"), ("mapleT", "REAT")] {
            assert_ne!(PlanDocument::patient_of(&id, other).as_deref(), Some(patient));
        }
        for odd in [
            "",
            "p",
            "0899BDC437074F4016BC88EB3184C34F",
            "+899bdc437074f4016bc88eb3184c34f",
        ] {
            assert_eq!(PlanDocument::id_of(odd, reader), None, "{odd}");
        }
    }

    #[test]
    fn a_uuid_says_that_it_is_one() {
        let uuid = uuid(&[0xff; 32]);
        assert_eq!(uuid, "urn:uuid:ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(UNDATED.len(), crate::fhir::Instant(0).to_fhir().len());
    }
}
