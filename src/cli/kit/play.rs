//! Plays a kit's requests against its sandbox, over HTTP, with a key of the kit's own under the partner's client id.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>

use anyhow::{Context as _, bail};
use postern_rules::fhir::json;
use serde_json::{Value, json};

use super::Facts;
use super::sample::Sample;
use crate::auth::{Algorithm, KeyPair};
use crate::cli::demo::stage::Stage;
use crate::config::Entropy;
use crate::egress::{Body, Call, Egress};

const MOST_BYTES: usize = 16 * 1024 * 1024;
const PURPOSES: &str = "urn:oid:2.16.840.1.113883.5.8";

/// What a client knows while it asks.
pub struct Player<'s> {
    stage: &'s Stage,
    egress: Egress,
    pair: KeyPair,
    token: String,
    patient: String,
    secret: String,
    /// What samples learnt, by name.
    learnt: Vec<(String, String)>,
}

/// What came back, as text with the sandbox's address in it.
pub struct Played {
    pub status: u16,
    pub text: String,
}

impl<'s> Player<'s> {
    pub fn new(stage: &'s Stage, pair: KeyPair, secret: Option<String>) -> Player<'s> {
        Player {
            stage,
            egress: Egress::loopback(),
            pair,
            token: String::new(),
            patient: String::new(),
            secret: secret.unwrap_or_default(),
            learnt: Vec::new(),
        }
    }

    /// The public address of the stage above its FHIR base.
    pub fn root(&self) -> String {
        let base = self.stage.gateway.config.base();
        base.strip_suffix("/fhir").unwrap_or(&base).to_owned()
    }

    /// Makes the request, and keeps the token or the person it brings. Another status than the sample says is an error.
    pub async fn play(&mut self, facts: &Facts<'_>, sample: &Sample) -> anyhow::Result<Played> {
        let target = self
            .egress
            .target(&format!("{}{}", self.root(), self.filled(facts, &sample.path)?))?;
        let body = match &sample.body {
            Some((media, body)) => Some((*media, self.filled(facts, body)?)),
            None => None,
        };
        let version = match &sample.version {
            Some(version) => Some(self.filled(facts, version)?),
            None => None,
        };
        let headers = version.as_deref().map(|version| ("if-match", version));
        let call = Call {
            method: sample.method,
            target: &target,
            accept: sample.accept,
            bearer: sample.bearer.then_some(self.token.as_str()),
            headers: headers.as_slice(),
            body: body.as_ref().map_or(Body::None, |(media, body)| Body::Bytes {
                media,
                bytes: body.as_bytes(),
            }),
            most: MOST_BYTES,
        };
        let reply = self
            .egress
            .call(call)
            .await
            .context("the sandbox does not answer")?;
        if reply.status != sample.status {
            bail!(
                "the sample `{}` was answered {} and not {}: no kit is written",
                sample.name,
                reply.status,
                sample.status
            );
        }
        self.learn(&reply.bytes, sample);
        Ok(Played {
            status: reply.status,
            text: String::from_utf8_lossy(&reply.bytes).into_owned(),
        })
    }

    fn learn(&mut self, bytes: &[u8], sample: &Sample) {
        let (told, name) = (json::parse(bytes).unwrap_or(Value::Null), &sample.name);
        if name == "token"
            && let Some(token) = told["access_token"].as_str()
        {
            token.clone_into(&mut self.token);
        }
        if name == "find"
            && let Some(id) = told["entry"][0]["resource"]["id"].as_str()
        {
            id.clone_into(&mut self.patient);
        }
        let first = &told["entry"][0]["resource"];
        let resource = if first.is_object() { first } else { &told };
        let version = &resource["meta"]["versionId"];
        if let (Some(name), Some(id), Some(version)) =
            (sample.learns, resource["id"].as_str(), version.as_str())
        {
            let version = format!("W/\"{version}\"");
            self.learnt.retain(|(known, _)| !known.starts_with(name));
            self.learnt.push((name.to_owned(), id.to_owned()));
            self.learnt.push((format!("{name}version"), version));
        }
    }

    fn filled(&self, facts: &Facts<'_>, text: &str) -> anyhow::Result<String> {
        let mut text = text
            .replace("{{token}}", &self.token)
            .replace("{{patient}}", &self.patient)
            .replace("{{secret}}", &self.secret);
        for (name, value) in &self.learnt {
            text = text.replace(&format!("{{{{{name}}}}}"), value);
        }
        if text.contains("{{assertion}}") {
            let seconds = self.stage.gateway.clock.instant().0 / 1_000_000;
            let mut claims = claims(facts, &self.stage.gateway.token_endpoint());
            claims["exp"] = (seconds + 240).into();
            claims["jti"] = Entropy::System.id("jti").into();
            text = text.replace("{{assertion}}", &self.pair.sign(&self.pair.header(), &claims)?);
        }
        Ok(text)
    }
}

/// A key of the kit's own: nobody keeps it.
pub fn key() -> anyhow::Result<KeyPair> {
    Ok(KeyPair::generate(Algorithm::Es384, "kit")?)
}

/// What the partner's client states of itself, but for `exp` and `jti`.
pub fn claims(facts: &Facts<'_>, endpoint: &str) -> Value {
    let client = &facts.seated.client_id;
    let mut stated = json!({"version": "1", "purpose_of_use": [format!("{PURPOSES}#{}", facts.purpose())]});
    if facts.named {
        stated["subject_name"] = "Integration Test, MD".into();
        stated["subject_id"] = "integration-test".into();
    }
    json!({"iss": client, "sub": client, "aud": endpoint, "extensions": {"hl7-b2b": stated}})
}
