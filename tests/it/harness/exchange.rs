//! One request and its answer, as they cross the router. <https://hl7.org/fhir/R4/http.html>

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, header};
use postern_rules::fhir::{json, xml};
use serde_json::Value;

/// A request to be made. Paths start with `/`.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn get(path: &str) -> Ask {
        Ask {
            method: Method::GET,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Ask {
        Ask {
            method: Method::POST,
            body: body.into(),
            ..Ask::get(path)
        }
    }

    pub fn form(path: &str, pairs: &[(&str, &str)]) -> Ask {
        let body: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        Ask::post(path, body).with("content-type", "application/x-www-form-urlencoded")
    }

    pub fn method(mut self, method: Method) -> Ask {
        self.method = method;
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Ask {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// `None` when it is not HTTP at all.
    pub fn request(&self) -> Option<Request<Body>> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Body::from(self.body.clone())).ok()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        json::parse(&self.body).unwrap_or_else(|_| Value::String(self.text()))
    }

    /// The body as a resource, whichever of the two formats it came in; nothing for anything else.
    pub fn resource(&self) -> Option<Value> {
        if !self.header("content-encoding").is_empty() {
            return None;
        }
        let media = self.header(header::CONTENT_TYPE.as_str());
        if media.contains("fhir+xml") {
            xml::from_xml(&self.body).ok()
        } else {
            json::parse(&self.body).ok()
        }
    }

    /// The resources about people in it: of a searchset its matches and what came with them, else the resource itself.
    pub fn resources(&self) -> Vec<Value> {
        self.in_mode(&["match", "include"])
    }

    /// The same without what came with the matches.
    pub fn matches(&self) -> Vec<Value> {
        self.in_mode(&["match"])
    }

    fn in_mode(&self, modes: &[&str]) -> Vec<Value> {
        let Some(body) = self.resource() else {
            return Vec::new();
        };
        let entries = body["entry"].as_array().cloned().unwrap_or_default();
        let all = match body["resourceType"].as_str() {
            // Of a collection everything is meant.
            Some("Bundle") => entries
                .into_iter()
                .filter(|entry| {
                    body["type"] == "collection" || modes.iter().any(|mode| entry["search"]["mode"] == *mode)
                })
                .map(|entry| entry["resource"].clone())
                .collect(),
            Some(_) => vec![body],
            None => Vec::new(),
        };
        let speaks_of_nobody = [
            "OperationOutcome",
            "CapabilityStatement",
            "CodeSystem",
            "ConceptMap",
            "StructureDefinition",
            "OperationDefinition",
            // a grant: it has an event of its own kind
            "Parameters",
        ];
        all.into_iter()
            .filter(|one| !speaks_of_nobody.contains(&one["resourceType"].as_str().unwrap_or_default()))
            .collect()
    }

    /// Where the page after this one is, below `/fhir/`.
    pub fn next_page(&self) -> Option<String> {
        let bundle = self.json();
        let mut links = bundle["link"].as_array().into_iter().flatten();
        let url = links.find(|link| link["relation"] == "next")?["url"].as_str()?;
        Some(url.split_once("/fhir/")?.1.to_owned())
    }

    /// `Type/id` of each, in order.
    pub fn references(&self) -> Vec<String> {
        self.resources().iter().map(reference).collect()
    }
}

pub fn reference(resource: &Value) -> String {
    let text = |name: &str| resource[name].as_str().unwrap_or_default();
    format!("{}/{}", text("resourceType"), text("id"))
}
