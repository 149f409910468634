//! A sample request with what comes of it, as HTTP text, as a line of curl, and as a call. `{{token}}` and the like are the
//! reader's own. <https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2> (absolute form)

use crate::egress::Method;

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const FHIR: &str = "application/fhir+json";

pub struct Sample {
    /// Of its files, after its number.
    pub name: String,
    pub title: String,
    pub method: Method,
    /// Below the server's root: `/fhir/Patient?…`.
    pub path: String,
    pub accept: &'static str,
    pub bearer: bool,
    /// Media type and body.
    pub body: Option<(&'static str, String)>,
    pub status: u16,
    /// What the status means here, or what is in the answer.
    pub tells: String,
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
            body: None,
            status: 200,
            tells: String::new(),
        }
    }

    pub fn post(name: &str, title: &str, path: &str, media: &'static str, body: String) -> Sample {
        Sample {
            method: Method::Post,
            body: Some((media, body)),
            ..Sample::get(name, title, path)
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

    pub fn verb(&self) -> &'static str {
        match self.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
        }
    }

    fn headers(&self) -> Vec<String> {
        let mut headers = vec![format!("Accept: {}", self.accept)];
        if self.bearer {
            headers.push("Authorization: Bearer {{token}}".to_owned());
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

    /// The same for a shell that has `$token`, `$assertion`, `$patient`.
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
const KNOWN: [&str; 4] = ["token", "assertion", "patient", "secret"];

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
