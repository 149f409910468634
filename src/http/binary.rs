//! A Binary as it is, or as the resource: what the client asked for. The bytes come out of the released resource after it is
//! opened, so they need no second decision. <https://hl7.org/fhir/R4/binary.html#rest>

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_rules::fhir::json;

use super::accept::{self, Format};
use super::respond;
use crate::gateway::Reply;

/// In which form a Binary is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Its bytes, with their own media type.
    Bytes,
    Resource(Format),
}

impl Wanted {
    /// Of an answer that is no Binary: an error.
    pub fn format(self) -> Format {
        match self {
            Wanted::Bytes => Format::Json,
            Wanted::Resource(format) => format,
        }
    }
}

/// A media type of FHIR asks for the resource; anything else, a browser's list, or nothing at all for the bytes. `_format` wins over
/// `Accept`; there the best-weighted counts, of equals the first.
pub fn wanted(headers: &HeaderMap, asked: Option<&str>) -> Wanted {
    if let Some(asked) = asked {
        return accept::media(asked)
            .filter(|_| asked != "*/*")
            .map_or(Wanted::Bytes, Wanted::Resource);
    }
    let stated = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let ranges: Vec<(&str, f32)> = stated
        .flat_map(|list| list.split(','))
        .filter_map(range)
        .collect();
    // A browser takes XML too, but means what it names first.
    let browser = ranges.iter().any(|(name, _)| *name == "text/html");
    let mut best = (Wanted::Bytes, 0.0);
    for (name, quality) in ranges.iter().filter(|(_, quality)| *quality > 0.0) {
        let of_fhir =
            accept::media(name).filter(|_| !name.contains('*') && (!browser || name.contains("fhir")));
        if *quality > best.1 {
            best = (of_fhir.map_or(Wanted::Bytes, Wanted::Resource), *quality);
        }
    }
    best.0
}

fn range(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let quality = parts.find_map(|part| part.strip_prefix("q="));
    Some((
        name,
        quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0)),
    ))
}

/// An opened answer to the read of a Binary.
pub fn reply(reply: Reply, wanted: Wanted) -> Response {
    match wanted {
        Wanted::Bytes if reply.status == 200 => bytes(reply),
        other => respond::reply(reply, other.format()),
    }
}

fn bytes(reply: Reply) -> Response {
    // Without content, or with a part of the resource only, it cannot be sent as it is.
    let Some((media, content)) = content(&reply.body) else {
        return respond::reply(reply, Format::Json);
    };
    let with_content = Reply {
        body: content.into(),
        ..reply
    };
    let mut response = respond::reply(with_content, Format::Json);
    let headers = response.headers_mut();
    // A browser's own viewer of PDF would not start under it.
    if media != "application/pdf" {
        headers.insert(header::CONTENT_SECURITY_POLICY, CONFINED);
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(header::CONTENT_TYPE, media);
    response.extensions_mut().insert(AsItIs);
    response
}

/// Nothing in what is shown may run, load or send anything.
const CONFINED: HeaderValue = HeaderValue::from_static(
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
);

/// The body is what a source or this server wrote as a document, whatever its media type.
#[derive(Clone, Copy, Debug)]
pub struct AsItIs;

fn content(body: &[u8]) -> Option<(HeaderValue, Vec<u8>)> {
    let binary = json::parse(body).ok()?;
    let data = STANDARD.decode(binary["data"].as_str()?).ok()?;
    let media = binary["contentType"].as_str().filter(|media| media.contains('/'));
    let media = media.and_then(|media| HeaderValue::from_str(media).ok());
    Some((media.unwrap_or(UNKNOWN), data))
}

const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &[&str]) -> Wanted {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).expect("a value"));
        }
        wanted(&headers, None)
    }

    #[test]
    fn a_media_type_of_fhir_asks_for_the_resource_and_all_else_for_the_bytes() {
        for bytes in [
            &[][..],
            &["*/*"],
            &["text/html"],
            &["application/pdf"],
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            &["application/pdf, application/fhir+json;q=0.5"],
            &["image/png"],
        ] {
            assert_eq!(of(bytes), Wanted::Bytes, "{bytes:?}");
        }
        for json in [
            "application/fhir+json",
            "application/json",
            "application/json, text/plain, */*",
        ] {
            assert_eq!(of(&[json]), Wanted::Resource(Format::Json), "{json}");
        }
        let hapi = "application/fhir+xml;q=1.0, application/fhir+json;q=1.0, application/xml+fhir;q=0.9";
        assert_eq!(of(&[hapi]), Wanted::Resource(Format::Xml));
        assert_eq!(
            of(&["*/*;q=0.1", "application/fhir+json"]),
            Wanted::Resource(Format::Json)
        );
    }

    #[test]
    fn format_wins() {
        let headers = HeaderMap::new();
        assert_eq!(wanted(&headers, Some("xml")), Wanted::Resource(Format::Xml));
        assert_eq!(wanted(&headers, Some("application/pdf")), Wanted::Bytes);
    }

    #[test]
    fn content_that_is_none_is_not_sent() {
        assert!(content(br#"{"resourceType":"Binary","contentType":"a/b","data":"!"}"#).is_none());
        let odd = content(br#"{"resourceType":"Binary","contentType":"a/b\r\nx: y","data":"YQ=="}"#);
        assert_eq!(odd, Some((UNKNOWN, b"a".to_vec())));
    }
}
