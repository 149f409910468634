//! What staff call a resource. <https://hl7.org/fhir/R4/narrative.html>

use serde_json::Value;

/// Longest title shown, in characters.
const LONGEST: usize = 80;

/// The words a resource is known by: its title, its code in words, its name; blank when it has none.
pub fn title(resource: &Value) -> String {
    let concept = |value: &Value| {
        let coded = || {
            value["coding"]
                .as_array()?
                .iter()
                .find_map(|c| c["display"].as_str())
        };
        value["text"].as_str().or_else(coded).map(str::to_owned)
    };
    let found = ["title", "description", "name"]
        .iter()
        .find_map(|key| resource[*key].as_str().map(str::to_owned))
        .or_else(|| {
            let keys = [
                "medicationCodeableConcept",
                "code",
                "description",
                "type",
                "scope",
            ];
            keys.iter().find_map(|key| concept(&resource[*key]))
        })
        .or_else(|| {
            resource["category"]
                .as_array()
                .and_then(|list| list.iter().find_map(concept))
        })
        .or_else(|| concept(&resource["category"]))
        .or_else(|| person(&resource["name"][0]))
        .or_else(|| {
            resource["relationship"]
                .as_array()
                .and_then(|list| list.iter().find_map(concept))
        })
        .or_else(|| prediction(resource));
    let mut found = found.unwrap_or_default();
    match resource["resourceType"].as_str() {
        // A code says what kind it is; the words say what it is.
        Some("Observation") => {
            let words = resource["valueString"].as_str().map(str::to_owned);
            if let Some(words) = words.or_else(|| concept(&resource["valueCodeableConcept"])) {
                found = format!("{found}: {words}");
            }
        }
        Some("Consent") => {
            let stated = resource["dateTime"].as_str().unwrap_or("no date");
            let day: String = stated.chars().take(10).collect();
            found = format!("{} of {day}", resource["status"].as_str().unwrap_or("consent"));
        }
        _ => {}
    }
    let mut found = found.replace(char::is_control, " ");
    if found.chars().count() > LONGEST {
        found = found.chars().take(LONGEST - 1).chain(['…']).collect();
    }
    found
}

fn prediction(resource: &Value) -> Option<String> {
    let outcome = &resource["prediction"][0]["outcome"];
    let display = outcome["coding"][0]["display"].as_str();
    outcome["text"].as_str().or(display).map(str::to_owned)
}

fn person(name: &Value) -> Option<String> {
    if let Some(text) = name["text"].as_str() {
        return Some(text.to_owned());
    }
    let given = name["given"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let parts: Vec<&str> = given.chain(name["family"].as_str()).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_resource_is_called_by_its_own_words() {
        assert_eq!(
            title(&json!({"medicationCodeableConcept": {"text": "Metformin"}})),
            "Metformin"
        );
        assert_eq!(
            title(&json!({"code": {"coding": [{"code": "x"}, {"display": "HIV disease"}]}})),
            "HIV disease"
        );
        assert_eq!(
            title(&json!({"name": [{"given": ["Rosa"], "family": "D"}]})),
            "Rosa D"
        );
        assert_eq!(title(&json!({"code": {"coding": []}})), "");
        assert_eq!(title(&json!({"title": "x".repeat(200)})).chars().count(), LONGEST);
    }
}
