//! The rule for one candidate: does this `Patient` agree with what is stated, and by what?
//! <https://hl7.org/fhir/R4/patient-operation-match.html>

use super::stated::{Name, Stated};
use crate::fhir::Value;

/// By what a candidate agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    Identifier,
    Demographics,
}

impl How {
    pub fn code(self) -> &'static str {
        match self {
            How::Identifier => "identifier",
            How::Demographics => "demographics",
        }
    }

    /// `Bundle.entry.search.score`, as a decimal text.
    pub fn score(self) -> &'static str {
        match self {
            How::Identifier => "1.0",
            How::Demographics => "0.95",
        }
    }
}

/// `None`: somebody else, or not enough to say.
pub fn agreement(stated: &Stated, patient: &Value) -> Option<How> {
    let known = Stated::stored(patient);
    if contradicts(stated, &known) {
        return None;
    }
    if stated
        .identifiers
        .iter()
        .any(|one| known.identifiers.contains(one))
    {
        return named_alike(stated, &known).then_some(How::Identifier);
    }
    let same_name = stated
        .names
        .iter()
        .any(|name| known.names.iter().any(|other| name.is_of(other)));
    let same_birth = stated.birth_date.is_some() && stated.birth_date == known.birth_date;
    (same_name && same_birth && corroborated(stated, &known)).then_some(How::Demographics)
}

fn contradicts(stated: &Stated, known: &Stated) -> bool {
    let other_number = |(system, value): &(String, String)| {
        let mut own = known.identifiers.iter().filter(|(s, _)| s == system).peekable();
        own.peek().is_some() && !own.any(|(_, v)| v == value)
    };
    let other_birth = stated
        .birth_date
        .as_ref()
        .zip(known.birth_date.as_ref())
        .is_some_and(|(a, b)| a != b);
    other_birth || stated.identifiers.iter().any(other_number)
}

/// Where both sides have names, a family or a first given name has to be shared.
fn named_alike(stated: &Stated, known: &Stated) -> bool {
    let says = |name: &&Name| !(name.family.is_empty() && name.given.is_empty());
    if !stated.names.iter().any(|name| says(&name)) || !known.names.iter().any(|name| says(&name)) {
        return true;
    }
    let shares = |a: &Name, b: &Name| {
        (!a.family.is_empty() && a.family == b.family) || a.given.iter().any(|given| b.given.contains(given))
    };
    stated
        .names
        .iter()
        .any(|name| known.names.iter().any(|other| shares(name, other)))
}

fn corroborated(stated: &Stated, known: &Stated) -> bool {
    let shared = |a: &[String], b: &[String]| a.iter().any(|one| b.contains(one));
    (stated.gender.is_some() && stated.gender == known.gender)
        || shared(&stated.phones, &known.phones)
        || shared(&stated.mails, &known.mails)
        || shared(&stated.postal_codes, &known.postal_codes)
        || shared(&stated.lines, &known.lines)
}

impl Name {
    fn is_of(&self, other: &Name) -> bool {
        !self.family.is_empty()
            && self.family == other.family
            && self.given.iter().any(|given| other.given.contains(given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::keys;
    use proptest::prelude::*;
    use serde_json::json;

    const MRN: &str = "https://hearthstone.example/ids/client";

    fn ana() -> Value {
        json!({"resourceType": "Patient", "id": "ana",
            "identifier": [{"system": MRN, "value": "7"}, {"system": "urn:medicaid", "value": "M1"}],
            "name": [{"family": "Núñez-Reyes", "given": ["Ana María", "Luz"]},
                     {"use": "old", "family": "Reyes", "given": ["Ana"]}],
            "birthDate": "1990-02-03", "gender": "female",
            "telecom": [{"system": "phone", "value": "(217) 555-0199"}, {"system": "email", "value": "Ana@synthetic.example"}],
            "address": [{"line": ["9 Test Street"], "postalCode": "62701-1111"}]})
    }

    fn how(stated: Value) -> Option<How> {
        agreement(&Stated::of(&stated), &ana())
    }

    fn with(more: Value) -> Value {
        let mut stated =
            json!({"name": [{"family": "NUNEZ REYES", "given": ["ana maria"]}], "birthDate": "1990-02-03"});
        let object = stated.as_object_mut().expect("an object");
        object.extend(more.as_object().expect("an object").clone());
        stated
    }

    #[test]
    fn demographics_agree_on_the_stated_set_only() {
        for more in [
            json!({"gender": "female"}),
            json!({"telecom": [{"system": "phone", "value": "+1 217 555 0199"}]}),
            json!({"telecom": [{"system": "email", "value": "ana@SYNTHETIC.example"}]}),
            json!({"address": [{"postalCode": "62701"}]}),
            json!({"address": [{"line": ["9 test st."]}]}),
            json!({"gender": "male", "address": [{"postalCode": "62701"}]}),
        ] {
            assert_eq!(how(with(more.clone())), Some(How::Demographics), "{more}");
        }
        for more in [
            json!({}),
            json!({"gender": "other"}),
            json!({"gender": "male"}),
            json!({"address": [{"postalCode": "62702", "line": ["10 Test Street"]}]}),
            json!({"telecom": [{"system": "email", "value": "2175550199"}]}),
            json!({"gender": "female", "birthDate": "1990-02"}),
            json!({"gender": "female", "birthDate": "1990-02-04"}),
            json!({"gender": "female", "name": [{"family": "Nunez", "given": ["Ana"]}]}),
            json!({"gender": "female", "name": [{"family": "Nunez-Reyes", "given": ["A"]}]}),
            json!({"gender": "female", "name": [{"family": "Nunez-Reyes", "given": ["Luz"]}]}),
        ] {
            assert_eq!(how(with(more.clone())), None, "{more}");
        }
        let former = json!({"name": [{"family": "Reyes", "given": ["Ana"]}], "birthDate": "1990-02-03", "gender": "female"});
        assert_eq!(how(former), Some(How::Demographics));
    }

    #[test]
    fn an_identifier_is_enough_unless_something_contradicts() {
        let number = |system: &str, value: &str| json!({"identifier": [{"system": system, "value": value}]});
        assert_eq!(how(number(MRN, "7")), Some(How::Identifier));
        assert_eq!(how(number(MRN, "8")), None);
        assert_eq!(how(number("urn:other", "7")), None);
        let two =
            json!({"identifier": [{"system": MRN, "value": "7"}, {"system": "urn:medicaid", "value": "M2"}]});
        assert_eq!(how(two), None, "a contradiction in another system vetoes");
        let mut named = number(MRN, "7");
        named["name"] = json!([{"family": "Marsh", "given": ["Jordan"]}]);
        assert_eq!(how(named.clone()), None, "another person's name");
        named["name"] = json!([{"family": "Marsh", "given": ["Ana Maria"]}]);
        assert_eq!(how(named.clone()), Some(How::Identifier), "a new family name");
        named["birthDate"] = json!("1991-02-03");
        assert_eq!(how(named), None, "another birth date");
        let mut veto = with(json!({"gender": "female"}));
        veto["identifier"] = json!([{"system": MRN, "value": "8"}]);
        assert_eq!(how(veto.clone()), None, "a number vetoes what demographics say");
        veto["identifier"] = json!([{"system": "urn:their-own", "value": "8"}]);
        assert_eq!(
            how(veto),
            Some(How::Demographics),
            "a number of theirs says nothing"
        );
    }

    #[test]
    fn a_labelled_element_takes_no_part() {
        let label = json!([{"url": "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label",
            "valueCoding": {"code": "SDV"}}]);
        let mut patient = ana();
        patient["address"][0]["extension"] = label.clone();
        patient["_gender"] = json!({"extension": label});
        let stated = Stated::of(&with(
            json!({"gender": "female", "address": [{"postalCode": "62701"}]}),
        ));
        assert_eq!(agreement(&stated, &patient), None);
        patient["_birthDate"] = json!({"extension": patient["_gender"]["extension"]});
        assert!(keys(&patient).is_empty());
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(Stated::of(&json!({})).missing().len(), 4);
        assert!(
            Stated::of(&with(json!({"gender": "female"})))
                .missing()
                .is_empty()
        );
        assert!(
            Stated::of(&json!({"identifier": [{"system": "s", "value": "v"}]}))
                .missing()
                .is_empty()
        );
        assert_eq!(
            Stated::of(&json!({"identifier": [{"value": "v"}]}))
                .missing()
                .len(),
            4
        );
    }

    proptest! {
        /// Whoever agrees by demographics is found under the keys of the index.
        #[test]
        fn the_index_finds_whom_the_rule_would_accept(family in "[A-Za-zÀ-ž' -]{0,12}", given in "[A-Za-zÀ-ž -]{0,8}", day in 1u8..29) {
            let patient = json!({"name": [{"family": family, "given": [given]}], "birthDate": format!("1990-02-{day:02}"), "gender": "female"});
            let stated = Stated::of(&patient);
            if agreement(&stated, &patient).is_some() {
                let keys = keys(&patient);
                prop_assert!(stated.keys(8).iter().any(|key| keys.contains(key)));
            }
        }
    }
}
