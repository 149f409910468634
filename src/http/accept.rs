//! What a client can read: `Accept` and `_format`, as EHRs send them.
//! <https://hl7.org/fhir/R4/http.html#mime-type>, <https://hl7.org/fhir/R4/http.html#version-parameter>

use axum::http::{HeaderMap, header};

/// JSON or XML, as the client asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Xml,
}

/// `_format` wins over `Accept`; the best-weighted media type of `Accept` that is served decides; nothing named is JSON.
/// `None`: none of those asked for is served (406), also for its version of FHIR.
pub fn format(headers: &HeaderMap, asked: Option<&str>) -> Option<Format> {
    if let Some(asked) = asked {
        return Range::read(asked).map(|range| range.format);
    }
    let accept: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    if accept.is_empty() {
        return Some(Format::Json);
    }
    let mut best: Option<Range> = None;
    for range in accept
        .iter()
        .flat_map(|one| one.split(','))
        .filter_map(Range::read)
    {
        // Of equals the first one named counts.
        if range.quality > 0.0 && best.as_ref().is_none_or(|known| range.quality > known.quality) {
            best = Some(range);
        }
    }
    best.map(|range| range.format)
}

/// One media type with its parameters.
struct Range {
    format: Format,
    quality: f32,
}

impl Range {
    fn read(text: &str) -> Option<Range> {
        let mut parts = text.split(';');
        let format = media(parts.next().unwrap_or_default())?;
        let mut quality = 1.0;
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            if name.eq_ignore_ascii_case("q") {
                quality = value.parse().unwrap_or(0.0);
            } else if name.eq_ignore_ascii_case("fhirVersion") && !VERSIONS.contains(&value) {
                return None;
            }
        }
        Some(Range { format, quality })
    }
}

/// R4, as the parameter writes it and as people do.
const VERSIONS: [&str; 2] = ["4.0", "4.0.1"];

/// The format that a media type, or a value of `_format`, asks for.
pub fn media(name: &str) -> Option<Format> {
    match name.trim().to_ascii_lowercase().as_str() {
        ""
        | "*/*"
        | "application/*"
        | "json"
        | "application/json"
        | "application/fhir+json"
        | "application/json+fhir"
        | "text/json" => Some(Format::Json),
        // A `+` in a query arrives as a space.
        "application/fhir json" | "application/json fhir" => Some(Format::Json),
        "xml"
        | "application/xml"
        | "text/xml"
        | "application/fhir+xml"
        | "application/xml+fhir"
        | "application/fhir xml"
        | "application/xml fhir" => Some(Format::Xml),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn accept(value: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(value).expect("header"));
        format(&headers, None)
    }

    #[test]
    fn what_ehrs_send_as_accept_is_understood() {
        for value in [
            "*/*",
            "application/json",
            "application/json+fhir",
            "application/fhir+json;fhirVersion=4.0",
            "application/fhir+json; charset=utf-8; fhirVersion=\"4.0\"",
            "text/html, application/json;q=0.9",
            "application/fhir+xml;fhirVersion=3.0, application/fhir+json;q=0.5",
            "text/html,application/xhtml+xml,application/xml;q=0.8,*/*;q=0.9",
            "application/fhir+xml;q=0.1, application/fhir+json",
        ] {
            assert_eq!(accept(value), Some(Format::Json), "{value}");
        }
        for value in [
            // HAPI's own list
            "application/fhir+xml;q=1.0, application/fhir+json;q=1.0, application/xml+fhir;q=0.9, application/json+fhir;q=0.9",
            "application/fhir+xml, application/json",
            "application/xml+fhir",
        ] {
            assert_eq!(accept(value), Some(Format::Xml), "{value}");
        }
        for value in [
            "application/fhir+json;q=0",
            "text/html",
            "application/fhir+json;fhirVersion=3.0",
            "application/fhir+json; fhirVersion=5.0, application/fhir+xml;fhirversion=4.3",
        ] {
            assert_eq!(accept(value), None, "{value}");
        }
        assert_eq!(format(&HeaderMap::new(), None), Some(Format::Json));
    }

    #[test]
    fn several_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, HeaderValue::from_static("text/html"));
        headers.append(header::ACCEPT, HeaderValue::from_static("application/fhir+xml"));
        assert_eq!(format(&headers, None), Some(Format::Xml));
    }

    #[test]
    fn a_format_in_the_query_may_have_parameters() {
        let asked = |value| format(&HeaderMap::new(), Some(value));
        assert_eq!(asked("xml"), Some(Format::Xml));
        assert_eq!(
            asked("application/fhir json; fhirVersion=4.0"),
            Some(Format::Json)
        );
        assert_eq!(asked("json;fhirVersion=1.0"), None);
        assert_eq!(asked("ttl"), None);
    }
}
