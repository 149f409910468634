//! `application/fhir+xml` in and out, driven by the element table, exact in both directions.
//! <https://hl7.org/fhir/R4/xml.html>
//!
//! The codec is ours, because fhirbolt 0.4 is not exact: it trims white space between the words and tags of a
//! narrative, drops attributes of its `div`, writes line feeds in markdown so that a reader must turn them into spaces,
//! and can panic on input. It stays as the second opinion: another author's reading of the same specification.

use fhirbolt::FhirReleases;
use fhirbolt::element::Element;
use serde_json::{Map, Value};

use super::{Issue, IssueCode, gate, json, xml_read, xml_write};

pub(super) const NAMESPACE: &str = "http://hl7.org/fhir";

/// A resource as XML, without indentation. What the gate refuses is refused here with the same problems; so is a
/// character XML cannot carry. Line ends inside a narrative become line feeds, as XML reads them anyway.
pub fn to_xml(resource: &Value) -> Result<String, Vec<Issue>> {
    let issues = gate::check(resource);
    if !issues.is_empty() {
        return Err(issues);
    }
    xml_write::write(resource).map_err(|issue| vec![issue])
}

/// UTF-8 XML of at most 16 MiB as a resource that passed the gate. Refused beside what is no R4: a document type
/// declaration, entities, namespace prefixes on elements, nesting over 64 levels of the JSON form.
pub fn from_xml(bytes: &[u8]) -> Result<Value, Vec<Issue>> {
    // Unlike in JSON, a byte order mark is legal in XML.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = json::as_text(bytes, json::MAX_BYTES).map_err(|issue| vec![issue])?;
    let resource = xml_read::read(text)?;
    let issues = gate::check(&resource);
    if issues.is_empty() {
        Ok(resource)
    } else {
        Err(issues)
    }
}

/// Does fhirbolt, too, read this as an R4 resource? It knows less than the gate, so ask it about what the gate
/// accepted; `None` means it agrees.
pub fn second_opinion(resource: &Value) -> Option<Issue> {
    let text = type_first(resource).to_string();
    let opinion = fhirbolt::json::from_str::<Element<{ FhirReleases::R4 }>>(&text, None);
    // Its message may quote the record, so it is not repeated.
    opinion.err().map(|_| {
        Issue::error(
            IssueCode::Structure,
            "",
            "fhirbolt does not read this as an R4 resource",
        )
    })
}

/// fhirbolt reads a resource's type only from its first member.
pub(super) fn type_first(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let first = map.get_key_value("resourceType");
            let rest = map.iter().filter(|(key, _)| *key != "resourceType");
            let members = first
                .into_iter()
                .chain(rest)
                .map(|(key, value)| (key.clone(), type_first(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(type_first).collect()),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn round(resource: &Value) -> String {
        let xml = to_xml(resource).expect("valid");
        assert_eq!(
            &from_xml(xml.as_bytes()).expect("reads its own"),
            resource,
            "{xml}"
        );
        assert_eq!(second_opinion(resource), None);
        xml
    }

    #[test]
    fn primitives_keep_text_extensions_and_alignment() {
        let patient = json::parse(
            br#"{"_birthDate":{"id":"b","extension":[{"url":"http://x/e","valueDecimal":1.00}]},
                 "name":[{"given":["Ana",null,"Bo"],"_given":[null,{"extension":[{"url":"u","valueString":"a\r\n\t\"<&>'"}]},{"id":"i"}],"id":"n"}],
                 "_active":{"extension":[{"url":"u","extension":[{"url":"v","valueBoolean":false}]}]},"id":"p","resourceType":"Patient"}"#,
        )
        .expect("JSON");
        let xml = round(&patient);
        assert!(
            xml.contains(r#"<valueDecimal value="1.00"/>"#) && xml.contains("a&#13;&#10;&#9;&quot;&lt;&amp;"),
            "{xml}"
        );
        assert!(xml.find("<id ").expect("id") < xml.find("<active>").expect("active"));
    }

    #[test]
    fn resources_nest_and_narrative_stays_as_written() {
        let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"es\">  a <b>b</b> c<br/>&#160;<!-- d -->\n</div>";
        let patient = json!({
            "resourceType": "Patient", "text": {"status": "generated", "div": div},
            "contained": [{"resourceType": "Organization", "id": "o", "name": "Sample"}],
            "managingOrganization": {"reference": "#o"},
        });
        let bundle =
            json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]});
        let xml = round(&bundle);
        assert!(
            xml.contains(div) && xml.contains("<contained><Organization><id value=\"o\"/>"),
            "{xml}"
        );
    }

    #[test]
    fn what_is_no_fhir_xml_is_named_with_its_place() {
        let patient = |inner: &str| format!("<Patient xmlns=\"http://hl7.org/fhir\">{inner}</Patient>");
        let cases = [
            (patient("<id value=\"a\"/><idd value=\"b\"/>"), "Patient.idd"),
            (patient("<active value=\"true\"/><id value=\"a\"/>"), "Patient.id"),
            (patient("<id value=\"a\"/><id value=\"b\"/>"), "Patient.id"),
            (patient("<active value=\"yes\"/>"), "Patient.active"),
            (patient("<birthDate value=\"2023-02-29\"/>"), "Patient.birthDate"),
            (patient("<name><given/></name>"), "Patient.name[0].given[0]"),
            (patient("<name/>"), "Patient.name[0]"),
            (patient("<name>Ana</name>"), "Patient.name[0]"),
            (patient("<name><id value=\"a\"/></name>"), "Patient.name[0].id"),
            (patient("<name use=\"usual\"/>"), "Patient.name[0]"),
            (
                patient("<contained><Nothing/></contained>"),
                "Patient.contained[0]",
            ),
            (patient("<contained/>"), "Patient.contained[0]"),
            (
                patient("<deceasedBoolean value=\"true\"/><deceasedDateTime value=\"2020\"/>"),
                "Patient.deceased",
            ),
            (patient("<name>"), "Patient.name[0]"),
            (
                patient("<text><status value=\"empty\"/><div>a</div></text>"),
                "Patient.text.div",
            ),
            ("<Patient/>".to_owned(), ""),
            ("<Nobody xmlns=\"http://hl7.org/fhir\"/>".to_owned(), ""),
            (
                "<!DOCTYPE a><Patient xmlns=\"http://hl7.org/fhir\"/>".to_owned(),
                "",
            ),
            ("<f:Patient xmlns:f=\"http://hl7.org/fhir\"/>".to_owned(), ""),
            (patient("") + &patient(""), ""),
            ("text".to_owned(), ""),
            (
                "<?xml version='1.0' encoding='ISO-8859-1'?>".to_owned() + &patient(""),
                "",
            ),
        ];
        for (xml, place) in cases {
            let issues = from_xml(xml.as_bytes()).expect_err(&xml);
            assert_eq!(issues[0].expression, place, "{xml}: {issues:?}");
        }
        let declared = "<?xml version='1.0' encoding=\"utf-8\" standalone='yes'?>\n".to_owned();
        assert!(from_xml((declared + &patient("<id value='a'/>")).as_bytes()).is_ok());
        let deep = patient(&("<extension url=\"u\">".repeat(40) + &"</extension>".repeat(40)));
        assert!(from_xml(deep.as_bytes()).is_err());
        assert!(from_xml("<a>".repeat(300_000).as_bytes()).is_err());
    }
}
