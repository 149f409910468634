//! A sample request with what comes of it, as HTTP text, as a line of curl, and as a call. `{{token}}` and the like are the
//! reader's own. <https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2> (absolute form)

use crate::egress::Method;

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const FHIR: &str = "application/fhir+json";
pub const PATCH: &str = "application/json-patch+json";

pub struct Sample {
    /// Of its files, after its number.
    pub name: String,
    pub title: String,
    pub method: Method,
    /// Below the server's root: `/fhir/Patient?…`.
    pub path: String,
    pub accept: &'static str,
    pub bearer: bool,
    /// `If-Match`.
    pub version: Option<String>,
    /// Media type and body.
    pub body: Option<(&'static str, String)>,
    pub status: u16,
    /// What the status means here, or what is in the answer.
    pub tells: String,
    /// The name under which later samples know the answer's resource, or the first one of a page; its ETag is `…version`.
    pub learns: Option<&'static str>,
}

impl Sample {
    pub fn get(name: &str, title: &str, path: &str) -> Sample {
        Sample {
            name: name.to_owned(),
            title: title.to_owned(),
            method: Method::Get,
            path: path.to_owned(),
            accept: FHIR,
            bearer: true,
            version: None,
            body: None,
            status: 200,
            tells: String::new(),
            learns: None,
        }
    }

    pub fn post(name: &str, title: &str, path: &str, media: &'static str, body: String) -> Sample {
        Sample {
            method: Method::Post,
            body: Some((media, body)),
            ..Sample::get(name, title, path)
        }
    }

    /// A write of what is at this address, as it was when it was learnt under this name.
    pub fn change(method: Method, name: &str, title: &str, path: &str, (of, body): (&str, String)) -> Sample {
        let media = match method {
            Method::Patch => PATCH,
            _ => FHIR,
        };
        Sample {
            method,
            version: Some(format!("{{{{{of}version}}}}")),
            ..Sample::post(name, title, path, media, body)
        }
    }

    pub fn without_token(self) -> Sample {
        Sample {
            bearer: false,
            ..self
        }
    }

    /// Of OAuth, which speaks plain JSON.
    pub fn plain(self) -> Sample {
        Sample {
            accept: "application/json",
            ..self
        }
    }

    pub fn tells(self, status: u16, tells: &str) -> Sample {
        Sample {
            status,
            tells: tells.to_owned(),
            ..self
        }
    }

    /// The same, and what comes back is known as `{{name}}` from here on.
    pub fn learns(self, name: &'static str) -> Sample {
        let tells = format!(
            "{}; its id is {{{{{name}}}}}, its ETag {{{{{name}version}}}}",
            self.tells
        );
        Sample {
            tells,
            learns: Some(name),
            ..self
        }
    }

    pub fn verb(&self) -> &'static str {
        match self.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
        }
    }

    fn headers(&self) -> Vec<String> {
        let mut headers = vec![format!("Accept: {}", self.accept)];
        if self.bearer {
            headers.push("Authorization: Bearer {{token}}".to_owned());
        }
        if let Some(version) = &self.version {
            headers.push(format!("If-Match: {version}"));
        }
        if let Some((media, _)) = &self.body {
            headers.push(format!("Content-Type: {media}"));
        }
        headers
    }

    /// As editors with an HTTP client read it.
    pub fn http(&self, root: &str) -> String {
        let body = self.body.as_ref().map_or("", |(_, body)| body.as_str());
        format!(
            "# {}\n# Expect {}: {}\n{} {root}{} HTTP/1.1\n{}\n\n{body}\n",
            self.title,
            self.status,
            self.tells,
            self.verb(),
            self.path,
            self.headers().join("\n")
        )
    }

    /// The same for a shell that has `$token`, `$assertion`, `$patient`, and what samples before it told of.
    pub fn curl(&self, root: &str) -> String {
        let mut text = format!(
            "# {}\n# Expect {}: {}\ncurl -s -X {} \"{}\"",
            self.title,
            self.status,
            self.tells,
            self.verb(),
            shell(&format!("{root}{}", self.path))
        );
        for header in self.headers() {
            text.push_str(&format!(" \\\n  -H \"{}\"", shell(&header)));
        }
        match &self.body {
            None => text.push('\n'),
            Some((media, body)) if *media == FORM => {
                text.push_str(&format!(" \\\n  -d \"{}\"\n", shell(body)))
            }
            Some((_, body)) => {
                text.push_str(&format!(" \\\n  --data-binary @- <<END\n{}\nEND\n", shell(body)))
            }
        }
        text
    }
}

/// What the reader of a sample knows by then.
const KNOWN: [&str; 14] = [
    "token",
    "assertion",
    "patient",
    "secret",
    "statement",
    "statementversion",
    "request",
    "requestversion",
    "task",
    "taskversion",
    "plan",
    "planversion",
    "referral",
    "referralversion",
];

/// `{{token}}` becomes `${token}`; what else a shell would read in double quotes or a here-document is kept from it. No sample
/// holds a backslash or a backquote.
fn shell(text: &str) -> String {
    let known = |text: String, name: &&str| text.replace(&format!("{{{{{name}}}}}"), &format!("${{{name}}}"));
    KNOWN.iter().fold(text.replace('$', "\\$"), known)
}

/// For the query of an address, and for a form.
pub fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
