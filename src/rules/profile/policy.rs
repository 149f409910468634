//! The deployment's policy, read from `profiles/policy.json`: which data set a class of recipient gets for a
//! purpose, what is released to whom where nobody was ever asked, and which purposes the API never serves.
//! 45 CFR 164.514(d)(3), 42 CFR 2.51; <https://terminology.hl7.org/CodeSystem-v3-ActReason.html>

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::closed::hex;
use super::data_set::strings;
use super::policy_keys;
use super::policy_law::{AgencyPolicy, InQuestion, LawPolicy};
use crate::fhir::{Issue, IssueCode};

#[derive(Debug)]
pub struct Policy {
    version: String,
    classes: Vec<Class>,
    releases: Vec<Release>,
    never: Vec<(String, String)>,
    raised: Vec<String>,
    unconfirmed: String,
    break_glass: String,
    break_glass_hours: u32,
    review_hours: u32,
    request_more_hours: u32,
    law: LawPolicy,
    digest: String,
}

/// A class of recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    pub name: String,
    pub title: String,
    /// Treats the person: the no-consent default of `default_release` is for these alone.
    pub treating: bool,
    /// May have medical personnel in the sense of 42 CFR 2.51; each requester is registered on its own.
    pub medical_personnel: bool,
    /// What such a recipient is in law unless its registration says otherwise.
    pub role: Role,
    default: DefaultRelease,
}

/// What a recipient is in law (`reference/law.md` section 0). Registered by compliance staff, never derived from an NPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A health care provider (45 CFR 160.103).
    Provider,
    HealthPlan,
    /// Another covered entity (45 CFR 160.103).
    CoveredEntity,
    BusinessAssociate,
    /// A qualified service organization (42 CFR 2.11).
    QualifiedServiceOrganization,
    /// An intermediary (42 CFR 2.11): passes on to its participants.
    Intermediary,
    /// A Part 2 program (42 CFR 2.11).
    Part2Program,
    /// Bound by neither rule: housing, school, employer.
    NonCovered,
    /// A court, police, a prosecutor.
    Court,
    PublicAuthority,
}

const ROLES: [(&str, Role); 10] = [
    ("provider", Role::Provider),
    ("health_plan", Role::HealthPlan),
    ("covered_entity_other", Role::CoveredEntity),
    ("business_associate", Role::BusinessAssociate),
    ("qso", Role::QualifiedServiceOrganization),
    ("intermediary", Role::Intermediary),
    ("part2_program", Role::Part2Program),
    ("non_covered", Role::NonCovered),
    ("court_le", Role::Court),
    ("public_authority", Role::PublicAuthority),
];

impl Role {
    /// By its name in `policy.json`, registrations and cases.
    pub fn named(name: &str) -> Option<Role> {
        ROLES.iter().find(|(own, _)| *own == name).map(|(_, role)| *role)
    }

    pub fn name(self) -> &'static str {
        ROLES
            .iter()
            .find(|(_, role)| *role == self)
            .map_or("", |(name, _)| name)
    }
}

/// What passes when the person was never asked. It never covers Part 2 content, and a refused, revoked or
/// expired consent never leads here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultRelease {
    /// Data up to this confidentiality (v3-Confidentiality: U L M N R V), by rank.
    UpTo(String),
    Nothing,
}

#[derive(Debug)]
struct Release {
    class: String,
    purpose: String,
    data_set: String,
}

/// In rising order: <https://terminology.hl7.org/CodeSystem-v3-Confidentiality.html>
const CONFIDENTIALITY: &[&str] = &["U", "L", "M", "N", "R", "V"];

impl Policy {
    /// `Err` lists every problem of the file.
    pub fn load(policy: &Value) -> Result<Policy, Vec<Issue>> {
        let mut problems = Problems(Vec::new());
        let list = |key: &str| {
            policy
                .get(key)
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        let (law, problems_of_law) = LawPolicy::read(policy);
        for (at, why) in problems_of_law {
            problems.add::<()>(at, why);
        }
        let loaded = Policy {
            law,
            version: problems.text(policy, "version", "policy"),
            classes: list("classes").iter().map(|c| problems.class(c)).collect(),
            releases: list("releases").iter().map(|r| problems.release(r)).collect(),
            never: list("never")
                .iter()
                .map(|n| {
                    (
                        problems.text(n, "purpose", "never"),
                        problems.text(n, "why", "never"),
                    )
                })
                .collect(),
            raised: strings(policy, "raised").unwrap_or_else(|why| problems.add("raised", why)),
            unconfirmed: problems.text(policy, "unconfirmedRelationship", "policy"),
            break_glass: problems.text(&policy["breakGlass"], "dataSet", "breakGlass"),
            break_glass_hours: policy["breakGlass"]["hours"].as_u64().unwrap_or(0).min(100) as u32,
            review_hours: policy["breakGlass"]["reviewHours"]
                .as_u64()
                .unwrap_or(24)
                .min(1000) as u32,
            request_more_hours: policy["requestMore"]["hours"].as_u64().unwrap_or(72).min(1000) as u32,
            digest: hex(&Sha256::digest(policy.to_string())),
        };
        for (at, why) in policy_keys::slips(policy) {
            problems.add::<()>(at, &why);
        }
        if !(1..=4).contains(&loaded.break_glass_hours) {
            problems.add::<()>("breakGlass", "hours is 1 to 4");
        }
        for release in loaded
            .releases
            .iter()
            .filter(|r| loaded.class(&r.class).is_none())
        {
            problems.add::<()>(
                "releases",
                &format!("{} is not a class of this policy", release.class),
            );
        }
        for (at, class) in loaded.classes.iter().enumerate() {
            if loaded.classes[..at].iter().any(|other| other.name == class.name) {
                problems.add::<()>("classes", &format!("{} stands twice", class.name));
            }
        }
        if loaded.classes.is_empty() || loaded.releases.is_empty() {
            problems.add::<()>("policy", "needs classes and releases");
        }
        if problems.0.is_empty() {
            Ok(loaded)
        } else {
            Err(problems.0)
        }
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    /// SHA-256 of the file, hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.iter().find(|c| c.name == name)
    }

    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The data set for a class and a purpose (v3-ActReason code), the first row that fits; `None`: nothing is
    /// released. `is_a(code, ancestor)` is the hierarchy of purposes and must hold for a code and itself.
    pub fn data_set(&self, class: &str, purpose: &str, is_a: &dyn Fn(&str, &str) -> bool) -> Option<&str> {
        if self.never_served(purpose, is_a).is_some() {
            return None;
        }
        let fits = |r: &&Release| r.class == class && is_a(purpose, &r.purpose);
        self.releases.iter().find(fits).map(|r| r.data_set.as_str())
    }

    /// Each row as (class, purpose, data set), in the order they are read.
    pub fn served(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.releases
            .iter()
            .map(|r| (r.class.as_str(), r.purpose.as_str(), r.data_set.as_str()))
    }

    /// Why the API never serves this purpose; such a disclosure is an act of staff with the order attached.
    pub fn never_served(&self, purpose: &str, is_a: &dyn Fn(&str, &str) -> bool) -> Option<&str> {
        self.never
            .iter()
            .find(|(never, _)| is_a(purpose, never))
            .map(|(_, why)| why.as_str())
    }

    /// What a recipient of this class gets when the person was never asked; an unknown class gets nothing.
    pub fn default_release(&self, class: &str) -> &DefaultRelease {
        self.class(class).map_or(&DefaultRelease::Nothing, |c| &c.default)
    }

    /// Sensitivities (v3-ActCode) whose data count as confidentiality R unless the source states more.
    pub fn raised(&self) -> &[String] {
        &self.raised
    }

    /// Data set for a relationship known only from the requester's own message.
    pub fn unconfirmed_relationship(&self) -> &str {
        &self.unconfirmed
    }

    /// Data set under a break-glass grant.
    pub fn break_glass(&self) -> &str {
        &self.break_glass
    }

    /// Longest life of a break-glass grant, 1 to 4 hours.
    pub fn break_glass_hours(&self) -> u32 {
        self.break_glass_hours
    }

    /// Hours in which a break-glass has to be reviewed; 24 unless the policy says otherwise.
    pub fn review_hours(&self) -> u32 {
        self.review_hours
    }

    /// Hours in which a request for more than the data set is answered; 72 unless the policy says otherwise.
    pub fn request_more_hours(&self) -> u32 {
        self.request_more_hours
    }

    /// Name of the state file (`profiles/law`) that governs here; `neutral` unless the policy says another.
    pub fn state(&self) -> &str {
        &self.law.state
    }

    /// What the agency is in law.
    pub fn agency(&self) -> &AgencyPolicy {
        &self.law.agency
    }

    /// Does a break-glass grant override what the person denied or refused?
    pub fn break_glass_overrides_consent(&self) -> bool {
        self.law.overrides_consent
    }

    /// What a consent permits while the capacity of its signer is in question.
    pub fn capacity_in_question(&self) -> InQuestion {
        self.law.in_question
    }

    /// Each data set the policy names, so that a start can check that all are there.
    pub fn data_sets(&self) -> impl Iterator<Item = &str> {
        let named = [self.unconfirmed.as_str(), self.break_glass.as_str()];
        self.releases.iter().map(|r| r.data_set.as_str()).chain(named)
    }
}

struct Problems(Vec<Issue>);

impl Problems {
    fn add<T: Default>(&mut self, at: &str, why: &str) -> T {
        self.0.push(Issue::error(
            IssueCode::BusinessRule,
            at,
            format!("policy: {why}"),
        ));
        T::default()
    }

    fn text(&mut self, of: &Value, key: &str, at: &str) -> String {
        match of.get(key).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => self.add(at, &format!("needs {key}, a text")),
        }
    }

    fn flag(&mut self, of: &Value, key: &str, at: &str) -> bool {
        of.get(key)
            .and_then(Value::as_bool)
            .unwrap_or_else(|| self.add(at, &format!("needs {key}, true or false")))
    }

    fn class(&mut self, of: &Value) -> Class {
        let treating = self.flag(of, "treating", "classes");
        let default = match of.get("neverAsked").and_then(Value::as_str) {
            Some("nothing") => DefaultRelease::Nothing,
            Some(rank) if CONFIDENTIALITY.contains(&rank) && treating => {
                DefaultRelease::UpTo(rank.to_owned())
            }
            _ => {
                self.add::<()>(
                    "classes",
                    "neverAsked is \"nothing\" or, where treating, a v3-Confidentiality code",
                );
                DefaultRelease::Nothing
            }
        };
        let role = of.get("role").and_then(Value::as_str).and_then(Role::named);
        if role.is_none() {
            self.add::<()>(
                "classes",
                "needs role, one of law.md section 0 (provider, health_plan, non_covered, …)",
            );
        }
        Class {
            role: role.unwrap_or(Role::NonCovered),
            name: self.text(of, "name", "classes"),
            title: self.text(of, "title", "classes"),
            treating,
            medical_personnel: self.flag(of, "medicalPersonnel", "classes"),
            default,
        }
    }

    fn release(&mut self, of: &Value) -> Release {
        Release {
            class: self.text(of, "class", "releases"),
            purpose: self.text(of, "purpose", "releases"),
            data_set: self.text(of, "dataSet", "releases"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shipped() -> Value {
        serde_json::from_str(include_str!("../../../profiles/policy.json")).expect("JSON")
    }

    /// A few rows of v3-ActReason.
    fn is_a(code: &str, ancestor: &str) -> bool {
        let parent = |c: &str| match c {
            "BTG" => Some("ETREAT"),
            "ETREAT" | "COC" => Some("TREAT"),
            "HLEGAL" | "CAREMGT" => Some("HOPERAT"),
            _ => None,
        };
        std::iter::successors(Some(code), |c| parent(c)).any(|c| c == ancestor)
    }

    #[test]
    fn class_and_purpose_choose_the_data_set() {
        let policy = Policy::load(&shipped()).expect("loads");
        assert_eq!(
            policy.data_set("primary-care", "COC", &is_a),
            Some("primary-care")
        );
        assert_eq!(
            policy.data_set("crisis-team", "ETREAT", &is_a),
            Some("crisis-team")
        );
        assert_eq!(policy.data_set("hospital", "TREAT", &is_a), Some("hospital"));
        assert_eq!(policy.data_set("primary-care", "HMARKT", &is_a), None);
        assert_eq!(policy.data_set("nobody", "TREAT", &is_a), None);
        assert_eq!(policy.data_set("primary-care", "HLEGAL", &is_a), None);
        assert!(policy.never_served("HLEGAL", &is_a).is_some());
    }

    #[test]
    fn without_a_question_only_those_who_treat_get_normal_data() {
        let policy = Policy::load(&shipped()).expect("loads");
        for class in policy.classes() {
            let expected = if class.treating {
                DefaultRelease::UpTo("N".to_owned())
            } else {
                DefaultRelease::Nothing
            };
            assert_eq!(policy.default_release(&class.name), &expected, "{}", class.name);
        }
        assert_eq!(policy.default_release("nobody"), &DefaultRelease::Nothing);
        assert_eq!(policy.raised(), ["HIV", "SDV", "STD", "GDIS"]);
    }

    #[test]
    fn every_problem_of_a_policy_is_listed() {
        let mut policy = shipped();
        policy["classes"][0]["neverAsked"] = json!("everything");
        policy["releases"][0]["class"] = json!("primary-car");
        policy["breakGlass"]["hours"] = json!(5);
        policy["raised"] = json!("HIV");
        assert_eq!(Policy::load(&policy).expect_err("four problems").len(), 4);
        assert!(Policy::load(&json!(null)).is_err());
    }
}
