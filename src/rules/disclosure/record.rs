//! Everything known about one person. A `Record` is what a decision is made over; it never leaves.

use super::grant::Grant;
use super::written::WrittenValues;
use crate::fhir::Value;
use crate::label::ReviewedTexts;
use crate::profile::Role;

/// One stored resource with the version the store gave it.
#[derive(Clone, Debug)]
pub struct Stored {
    pub resource_type: String,
    pub id: String,
    pub version: i64,
    pub body: Value,
    /// It is what a partner stated, not the agency.
    pub contributed: Option<Contributed>,
}

/// Which partner stated a resource, and what staff made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contributed {
    /// The partner's id in this deployment.
    pub by: String,
    pub standing: Standing,
}

/// What became of a contribution. Until it is accepted it is released to nobody but who stated it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Waiting,
    Accepted,
    Declined,
}

impl Standing {
    pub fn code(self) -> &'static str {
        match self {
            Standing::Waiting => "waiting",
            Standing::Accepted => "accepted",
            Standing::Declined => "declined",
        }
    }

    pub fn named(code: &str) -> Option<Standing> {
        [Standing::Waiting, Standing::Accepted, Standing::Declined]
            .into_iter()
            .find(|one| one.code() == code)
    }
}

impl Stored {
    /// Reads type and id from the body; `None` when one is missing.
    pub fn new(body: Value, version: i64) -> Option<Stored> {
        let resource_type = body["resourceType"].as_str()?.to_owned();
        let id = body["id"].as_str()?.to_owned();
        Some(Stored {
            resource_type,
            id,
            version,
            body,
            contributed: None,
        })
    }

    /// The same, as a partner stated it.
    pub fn contributed(self, by: &str, standing: Standing) -> Stored {
        let by = by.to_owned();
        Stored {
            contributed: Some(Contributed { by, standing }),
            ..self
        }
    }

    /// A partner's word that staff have not made part of the record.
    pub fn is_unconfirmed(&self) -> bool {
        self.contributed
            .as_ref()
            .is_some_and(|own| own.standing != Standing::Accepted)
    }

    /// `CarePlan/abc`
    pub fn reference(&self) -> String {
        format!("{}/{}", self.resource_type, self.id)
    }
}

/// One person's resources, the shared ones they refer to (organisations, practitioners, roles), and the
/// versions both were read at: the transaction that records a disclosure checks these again.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub patient: String,
    pub version: i64,
    pub world: i64,
    pub resources: Vec<Stored>,
    pub directory: Vec<Stored>,
    /// What staff decided about sentences of these resources that sounded sensitive.
    pub reviewed: ReviewedTexts,
    /// What partners wrote into resources of the agency.
    pub written: WrittenValues,
}

impl Record {
    /// The person's own resources, then the shared ones.
    pub fn all(&self) -> impl Iterator<Item = &Stored> {
        self.resources.iter().chain(&self.directory)
    }

    pub fn find(&self, resource_type: &str, id: &str) -> Option<&Stored> {
        self.all()
            .find(|stored| stored.resource_type == resource_type && stored.id == id)
    }

    pub fn of_type<'a>(&'a self, resource_type: &'a str) -> impl Iterator<Item = &'a Stored> {
        self.all()
            .filter(move |stored| stored.resource_type == resource_type)
    }
}

/// Who would receive: a registered partner, as its registration states it. `45 CFR 164.514(h)`: identity and
/// authority are verified at registration, never inferred from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The partner's id in this deployment; the key of caches and of `released`.
    pub id: String,
    pub name: String,
    /// Class of recipient in `profiles/policy.json` (`primary-care`, `crisis-team`, `hospital`, …).
    pub class: String,
    /// Identifiers (system, value) of the partner's organisation, usually its NPI.
    pub organization: Vec<(String, String)>,
    /// What it is in law, as registered; never derived from an NPI.
    pub role: Role,
    /// Registered as medical personnel in the sense of `42 CFR 2.51`.
    pub medical_personnel: bool,
    /// A break-glass grant for this person that is in force now. A release under a grant is never cached.
    pub grant: Option<Grant>,
}

impl Recipient {
    /// As registered, without medical personnel and without a grant.
    pub fn new(
        id: &str,
        name: &str,
        class: &str,
        role: Role,
        organization: Vec<(String, String)>,
    ) -> Recipient {
        Recipient {
            id: id.to_owned(),
            name: name.to_owned(),
            class: class.to_owned(),
            organization,
            role,
            medical_personnel: false,
            grant: None,
        }
    }
}
