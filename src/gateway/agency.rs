//! The agency's own Organization: who answers, and who transmits. Made from the configuration, in every release.
//! <http://hl7.org/fhir/us/core/StructureDefinition/us-core-organization>

use postern_rules::disclosure::Stored;
use postern_rules::fhir::id::resource_id;
use serde_json::{Value, json};

use super::{NPI, is_npi};
use crate::config::Agency;

/// Of no source system: what is made here has a namespace of its own.
const NAMESPACE: &str = "https://postern.example/fhir";

/// The agency as a shared resource. Its id depends on the deployment's key alone: it stays when name, number or address
/// change. `Err`: what in the configuration is no such thing.
pub(super) fn organization(agency: &Agency, id_key: &[u8]) -> Result<Stored, String> {
    let id = resource_id(id_key, &[NAMESPACE, "Organization", "agency"]).map_err(str::to_owned)?;
    let mut body =
        json!({"resourceType": "Organization", "id": id, "active": true, "name": agency.name.trim()});
    let npi = agency.npi.trim();
    if !npi.is_empty() {
        if !is_npi(npi) {
            return Err(
                "agency.npi is no National Provider Identifier: ten digits, the last a check digit"
                    .to_owned(),
            );
        }
        body["identifier"] = json!([{"system": NPI, "value": npi}]);
    }
    let telecom: Vec<Value> = [("phone", &agency.phone), ("email", &agency.email)]
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(system, value)| json!({"system": system, "value": value.trim(), "use": "work"}))
        .collect();
    if !telecom.is_empty() {
        body["telecom"] = Value::Array(telecom);
    }
    if let Some(address) = address(agency) {
        body["address"] = json!([address]);
    }
    Stored::new(body, 0).ok_or_else(|| "the agency has no id".to_owned())
}

fn address(agency: &Agency) -> Option<Value> {
    let parts = [
        ("city", &agency.city),
        ("state", &agency.state),
        ("postalCode", &agency.postal_code),
    ];
    let mut address = json!({"use": "work"});
    if !agency.street.trim().is_empty() {
        address["line"] = json!([agency.street.trim()]);
    }
    for (name, value) in parts.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
        address[name] = json!(value.trim());
    }
    let says_where = address.as_object().is_some_and(|parts| parts.len() > 1);
    says_where.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency() -> Agency {
        Agency {
            name: "Hearthstone".to_owned(),
            ..Agency::default()
        }
    }

    #[test]
    fn its_id_stays_and_it_says_what_is_published() {
        let bare = organization(&agency(), b"key").expect("made");
        assert_eq!(
            bare.body,
            json!({"resourceType": "Organization", "id": bare.id, "active": true, "name": "Hearthstone"})
        );
        let full = Agency {
            npi: "1999001005".to_owned(),
            phone: "217-555-0100".to_owned(),
            city: "Springfield".to_owned(),
            ..agency()
        };
        let full = organization(&full, b"key").expect("made");
        assert_eq!(full.id, bare.id);
        assert_eq!(
            full.body["identifier"],
            json!([{"system": NPI, "value": "1999001005"}])
        );
        assert_eq!(
            full.body["telecom"],
            json!([{"system": "phone", "value": "217-555-0100", "use": "work"}])
        );
        assert_eq!(
            full.body["address"],
            json!([{"use": "work", "city": "Springfield"}])
        );
        assert_eq!(postern_rules::fhir::gate::check(&full.body), []);
        assert_ne!(organization(&agency(), b"other").expect("made").id, bare.id);
    }

    #[test]
    fn a_number_without_its_check_digit_is_refused() {
        let wrong = Agency {
            npi: "1999001006".to_owned(),
            ..agency()
        };
        assert!(
            organization(&wrong, b"key")
                .expect_err("refused")
                .contains("agency.npi")
        );
    }
}
