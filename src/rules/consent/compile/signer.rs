//! Who signed a consent, and for what that is enough: the person, a minor alone, a representative, a program director.
//! 42 CFR 2.14, 2.15; 45 CFR 164.502(g); the state's table in [`Signing`]. `reference/law.md` 1.3, 2.4, 5.

use jiff::civil;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{capacity, date};
use crate::consent::context::{Context, without_version};
use crate::consent::facts::Capacity;
use crate::consent::part2::{extension, extensions, part};
use crate::consent::signature::{Covers, Signature};
use crate::consent::signing::Signing;
use crate::fhir::Instant;
use crate::fhir::date::{PartialDate, Precision};

const OF_AGE: &str = "its signer was a parent or guardian, and the person is of age";
const ENDED: &str = "the authority of its signer has ended";
const NOT_RECOGNIZED: &str = "its signer is not recognised as representative (45 CFR 164.502(g)(5))";
const DIED: &str = "the person has died, and its signer's authority with them";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Person,
    Parent,
    Guardian,
    Agent,
    Executor,
    /// Of a Part 2 program, 42 CFR 2.15(a)(2).
    Director,
}

/// What is known around one consent, read once.
struct Reading<'a> {
    consent: &'a Value,
    context: &'a dyn Context,
    zone: &'a TimeZone,
    signing: &'a Signing,
    patient: Option<&'a Value>,
    birth: Option<PartialDate>,
    signed: Option<Instant>,
    /// Said to be a minor, whatever the birth date says.
    said_minor: bool,
}

pub(super) fn read(consent: &Value, context: &dyn Context, zone: &TimeZone, signing: &Signing) -> Signature {
    let patient = patient(&consent["patient"], context);
    let signed = [
        &consent["verification"][0]["verificationDate"],
        &consent["dateTime"],
    ];
    let mut reading = Reading {
        consent,
        context,
        zone,
        signing,
        patient,
        birth: patient.and_then(|p| date(&p["birthDate"])),
        signed: signed
            .into_iter()
            .find_map(date)
            .map(|signed| signed.bounds(zone).0),
        said_minor: false,
    };
    match reading.roles() {
        Ok(roles) => reading.signature(&roles),
        Err(why) => Signature::worthless(why),
    }
}

/// The Patient of a consent, when it is known here.
fn patient<'a>(reference: &Value, context: &'a dyn Context) -> Option<&'a Value> {
    if let Some(text) = reference["reference"].as_str() {
        return context.resource(text);
    }
    let identifier = &reference["identifier"];
    let found = context.identified(identifier["system"].as_str()?, identifier["value"].as_str()?);
    match found.as_slice() {
        [one] => context.resource(one),
        _ => None,
    }
}

impl Reading<'_> {
    /// Who signed; empty when nobody is stated.
    fn roles(&mut self) -> Result<Vec<Role>, &'static str> {
        let performers = self.consent["performer"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let by_person = performers.iter().any(|p| self.is_person(p));
        let stated: Vec<&Value> = extensions(self.consent, "consent-signer").collect();
        if stated.is_empty() {
            return match (performers.is_empty(), by_person) {
                (true, _) => Ok(Vec::new()),
                (false, true) => Ok(vec![Role::Person]),
                (false, false) => Err("it is signed by another without a stated authority"),
            };
        }
        let mut roles = Vec::new();
        let mut refused = "its signer may not consent";
        for signer in stated {
            let role = part(signer, "role")
                .and_then(|p| p["valueCode"].as_str())
                .unwrap_or_default();
            let authority = part(signer, "authority").and_then(|p| p["valueString"].as_str());
            let authority = authority.is_some_and(|text| !text.trim().is_empty());
            let role = match role {
                "patient" | "minor" if performers.is_empty() || by_person => {
                    self.said_minor |= role == "minor";
                    Role::Person
                }
                "parent" => Role::Parent,
                "guardian" => Role::Guardian,
                "agent" => Role::Agent,
                "executor" => Role::Executor,
                "program-director" => Role::Director,
                _ => continue,
            };
            if authority || role == Role::Person {
                roles.push(role);
            } else {
                refused = "its signer states no authority";
            }
        }
        if roles.is_empty() { Err(refused) } else { Ok(roles) }
    }

    fn is_person(&self, performer: &Value) -> bool {
        let patient = &self.consent["patient"];
        let reference = |of: &Value| of["reference"].as_str().map(|r| without_version(r).to_owned());
        reference(performer).is_some() && reference(performer) == reference(patient)
            || performer["identifier"].is_object() && performer["identifier"] == patient["identifier"]
            || self.patient.is_some_and(|p| {
                reference(performer)
                    .is_some_and(|r| r.strip_prefix("Patient/").is_some_and(|id| p["id"] == id))
            })
    }

    fn signature(&self, roles: &[Role]) -> Signature {
        let has = |role| roles.contains(&role);
        if roles.is_empty() {
            return self.nobody_stated();
        }
        let minor = self.minor_when_signed();
        let represented = has(Role::Parent) || has(Role::Guardian) && minor;
        let decided = capacity(self.consent) == Ok(Capacity::IncapacityDecided);
        let mut signature = match () {
            () if has(Role::Person) && minor => self.by_minor(represented),
            () if has(Role::Person) && !decided => self.by_adult(),
            () if represented => self.by_parent(),
            () if has(Role::Guardian) || has(Role::Agent) => Signature::of(Covers::ALL),
            () if has(Role::Executor) && self.lives() => {
                Signature::worthless("it is signed by an executor, and the person is not known to have died")
            }
            () if has(Role::Executor) => Signature::of(Covers::ALL),
            () if has(Role::Director) && decided => Signature::worthless(
                "incapacity was decided: the guardian signs, not the program (42 CFR 2.15(a)(1))",
            ),
            () if has(Role::Director) => Signature::of(Covers::PAYMENT_OF_PROGRAM),
            () => Signature::worthless("the signer's incapacity was decided"),
        };
        let by_adult = has(Role::Person) && !minor && !decided;
        if !by_adult && roles.iter().any(|role| *role != Role::Person) {
            self.limit_authority(&mut signature, has(Role::Executor));
        }
        signature
    }

    /// Nobody is stated: whoever kept the paper saw to it. What a parent may have signed ends with the birthday.
    fn nobody_stated(&self) -> Signature {
        let mut signature = Signature::of(Covers::ALL);
        if self.minor_when_signed()
            && let Some(of_age) = self.birthday(self.signing.adult_from)
        {
            signature.end(of_age.0, OF_AGE);
        }
        signature
    }

    fn by_adult(&self) -> Signature {
        let mut signature = Signature::of(Covers::ALL);
        if let (None, Some(of_age)) = (self.signed, self.birthday(self.signing.adult_from)) {
            signature.begins = Some(of_age.1);
        }
        let died = self.patient.and_then(|p| date(&p["deceasedDateTime"]));
        if died
            .zip(self.signed)
            .is_some_and(|(died, signed)| signed >= died.bounds(self.zone).1)
        {
            return Signature::worthless("it is dated after the person's death");
        }
        signature
    }

    /// 42 CFR 2.14: alone where the state lets the minor have the service alone, else together with the parent.
    fn by_minor(&self, with_parent: bool) -> Signature {
        let alone = |from: Option<u8>| from.is_some_and(|age| self.was_at_least(age));
        let enough = |alone: bool| with_parent || alone && !self.signing.parent_beside;
        let substance_use = enough(alone(self.signing.minor_sud_from));
        let mental_health = enough(alone(self.signing.minor_mental_health_from));
        if !(with_parent || substance_use || mental_health) {
            let mut signature = Signature::worthless(
                "a minor signed alone, and the state does not let them (42 CFR 2.14(b))",
            );
            signature.part2_lacks = Some("2.14(b) the parent's signature beside the minor's");
            return signature;
        }
        let mut signature = Signature::of(Covers {
            general: with_parent,
            mental_health,
            substance_use,
            only_payment: false,
        });
        if !substance_use {
            signature.part2_lacks = Some("2.14(b) the parent's signature beside the minor's");
        }
        if let (true, Some(of_age)) = (with_parent, self.birthday(self.signing.adult_from)) {
            signature.end(of_age.0, OF_AGE);
        }
        signature
    }

    /// Never enough for a Part 2 program's records (42 CFR 2.14); for mental-health services as the state says.
    fn by_parent(&self) -> Signature {
        let mut signature = Signature::of(Covers {
            substance_use: false,
            ..Covers::ALL
        });
        signature.part2_lacks = Some("2.14 the minor's own signature");
        let own_from = if self.parent_has_access() {
            None
        } else {
            let signing = self.signing;
            let ages = [signing.parent_needs_access_from, signing.minor_mental_health_from];
            ages.into_iter().flatten().min()
        };
        match (own_from, own_from.and_then(|age| self.birthday(age))) {
            (None, _) => {}
            (Some(_), Some((earliest, _))) => signature.mental_health_until = Some(earliest),
            (Some(_), None) => signature.covers.mental_health = false,
        }
        if let Some(of_age) = self.birthday(self.signing.adult_from) {
            signature.end(of_age.0, OF_AGE);
        }
        signature
    }

    /// 740 ILCS 110/4(a)(3): informed and without objection, or no compelling reason against it.
    fn parent_has_access(&self) -> bool {
        let Some(access) = extension(self.consent, "parent-access") else {
            return false;
        };
        let informed = part(access, "informed").is_some_and(|p| date(&p["valueDate"]).is_some());
        let is = |name: &str, value: bool| part(access, name).is_some_and(|p| p["valueBoolean"] == value);
        informed && is("objected", false) || is("compellingReason", false)
    }

    /// What ends any authority to sign for another: its stated end, a death, a decision under 45 CFR 164.502(g)(5).
    fn limit_authority(&self, signature: &mut Signature, executor: bool) {
        for signer in extensions(self.consent, "consent-signer") {
            if let Some(ends) = part(signer, "authorityEnds") {
                match date(&ends["valueDate"]) {
                    // The end of an authority counts from the start of the day stated.
                    Some(ends) => signature.end(ends.bounds(self.zone).0, ENDED),
                    None => signature.problem = Some("the end of its signer's authority is no date"),
                }
            }
        }
        if let (false, Some(patient)) = (executor, self.patient) {
            match date(&patient["deceasedDateTime"]) {
                Some(died) => signature.end(died.bounds(self.zone).0, DIED),
                None if patient["deceasedBoolean"] == true => signature.problem = Some(DIED),
                None => {}
            }
        }
        for performer in self.consent["performer"].as_array().into_iter().flatten() {
            let known = performer["reference"]
                .as_str()
                .and_then(|r| self.context.resource(r));
            let Some(refused) = known.and_then(|r| extension(r, "representative-not-recognized")) else {
                continue;
            };
            match part(refused, "date").and_then(|p| date(&p["valueDate"])) {
                Some(from) => signature.end(from.bounds(self.zone).0, NOT_RECOGNIZED),
                None => signature.problem = Some(NOT_RECOGNIZED),
            }
        }
    }

    fn lives(&self) -> bool {
        self.patient
            .is_some_and(|p| p["deceasedBoolean"] != true && date(&p["deceasedDateTime"]).is_none())
    }

    /// In doubt, a minor.
    fn minor_when_signed(&self) -> bool {
        self.said_minor
            || self
                .signed
                .zip(self.birthday(self.signing.adult_from))
                .is_some_and(|(signed, of_age)| signed < of_age.1)
    }

    /// In doubt, younger.
    fn was_at_least(&self, age: u8) -> bool {
        self.signed
            .zip(self.birthday(age))
            .is_some_and(|(signed, birthday)| signed >= birthday.1)
    }

    /// Earliest and latest start of a birthday, as far as the birth date is known.
    fn birthday(&self, age: u8) -> Option<(Instant, Instant)> {
        let birth = self.birth.as_ref()?;
        let first = birth.day();
        let days = match birth.precision() {
            Precision::Year => jiff::Span::new().years(1),
            Precision::Month => jiff::Span::new().months(1),
            _ => jiff::Span::new().days(1),
        };
        let last = first.checked_add(days).ok()?.yesterday().ok()?;
        let years = jiff::Span::new().years(i64::from(age));
        let start = |day: civil::Date| {
            let day = day.checked_add(years).ok()?.to_zoned(self.zone.clone()).ok()?;
            Some(Instant(day.timestamp().as_microsecond()))
        };
        Some((start(first)?, start(last)?))
    }
}
