//! `postern partner kit`: what a partner's integration team asks for, made against a sandbox of synthetic people and played
//! there before it is written. <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>

mod sample;
mod requests;
mod writes;
mod errors;
mod play;
mod page;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use postern_rules::profile::DataSet;
use postern_rules::search::parameters;
use serde_json::{Value, json};

use super::demo::stage::Stage;
use super::sandbox::{self, seat};
use crate::cli::say::{complain, say};
use crate::config::{ClientCertificates, make_private_folder, new_private};
use crate::gateway::{ClientRegistration, Gateway, emergency_purpose, is_emergency};
use crate::http;
use play::{Played, Player};
use sample::Sample;

#[derive(Args)]
pub struct PartnerKitArgs {
    /// The partner's short name
    pub id: String,
    /// Folder to write to; without one everything goes to standard output
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// FHIR base under which the partner reaches your `postern sandbox`
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8090/fhir")]
    pub sandbox: String,
}

/// The files of a kit: names below its folder, and texts.
pub struct Kit {
    pub files: Vec<(String, String)>,
}

/// What the samples follow from.
pub struct Facts<'a> {
    gateway: &'a Gateway,
    seated: &'a seat::Seated,
    /// Types in the data set of its default purpose that are searched by person.
    types: Vec<String>,
    /// It proves itself with a shared secret.
    secret: bool,
    /// Its tokens name a person.
    named: bool,
    treating: bool,
    emergency: bool,
}

impl<'a> Facts<'a> {
    fn of(gateway: &'a Gateway, seated: &'a seat::Seated) -> Facts<'a> {
        let partner = &seated.partner;
        let purpose = partner.purposes.first().map_or("", String::as_str);
        let class = gateway.rules.policy.class(&partner.class);
        let set = gateway.rules.data_set(&partner.class, purpose);
        let by_person = |name: &String| {
            parameters(name)
                .iter()
                .any(|parameter| parameter.code == "patient")
        };
        let about_people = |set: &DataSet| {
            let types = set.profiles().map(|profile| profile.resource_type().to_owned());
            let mut types: Vec<String> = types
                .filter(|name| name != "Patient" && !set.directory().contains(name) && by_person(name))
                .collect();
            types.sort();
            types.dedup();
            types
        };
        Facts {
            gateway,
            seated,
            types: set.map(about_people).unwrap_or_default(),
            secret: seated.client.secret_sha256.is_some(),
            named: seated.client.interactive || is_emergency(purpose),
            treating: class.is_some_and(|class| class.treating),
            emergency: emergency_purpose(partner).is_some(),
        }
    }

    /// The purpose of use of a token that states none.
    fn purpose(&self) -> &str {
        self.seated.partner.purposes.first().map_or("", String::as_str)
    }
}

pub async fn run(gateway: &Gateway, args: &PartnerKitArgs) -> anyhow::Result<u8> {
    let kit = Kit::of(gateway, &args.id, args.sandbox.trim_end_matches('/')).await?;
    match &args.to {
        Some(folder) => kit.write(folder)?,
        None => kit.say(),
    }
    page::missing(gateway)
        .iter()
        .for_each(|what| complain!("not configured, and to be filled in by hand: {what}"));
    Ok(0)
}

impl Kit {
    /// The kit of a registered partner; its sandbox is reached at this FHIR base. Fails if a request is not answered as its
    /// sample says.
    pub async fn of(gateway: &Gateway, id: &str, base: &str) -> anyhow::Result<Kit> {
        let seated = seat::registered(gateway, id).await?;
        let facts = Facts::of(gateway, &seated);
        let root = base
            .strip_suffix("/fhir")
            .context("--sandbox is a FHIR base: it ends with /fhir")?;
        let mut config = sandbox::configured(&gateway.config);
        (config.server.tls_certificate, config.server.tls_key) = (None, None);
        (config.server.client_certificates, config.server.client_ca) = (ClientCertificates::Off, None);
        (config.server.behind_proxy, config.server.client_address_header) = (false, None);
        config.server.public_url.clear();
        (
            config.limits.requests_per_minute,
            config.limits.strangers_per_minute,
        ) = (0, 0);
        "127.0.0.1:0".clone_into(&mut config.server.listen);
        let bound = http::bind(&config.server)?;
        config.server.listen = bound.address.to_string();
        let stage = Stage::over(config, bound).await?;
        let made = Kit::played(&stage, &facts, root).await;
        stage.close().await?;
        made
    }

    async fn played(stage: &Stage, facts: &Facts<'_>, root: &str) -> anyhow::Result<Kit> {
        let pair = play::key()?;
        let mut own = facts.seated.clone();
        let secret = facts.secret.then(|| "kit-secret".to_owned());
        own.client = match &secret {
            Some(secret) => ClientRegistration::with_secret(secret),
            None => ClientRegistration::with_keys(json!({"keys": [pair.public_jwk()]})),
        };
        own.client.interactive = facts.seated.client.interactive;
        seat::seat(stage, std::slice::from_ref(&own)).await?;
        let mut player = Player::new(stage, pair, secret);
        let mut samples = requests::requests(facts, &seat::PEOPLE[0]);
        samples.extend(writes::writes(facts));
        samples.extend(errors::errors(facts));
        samples.push(requests::revoke());
        let mut played = Vec::new();
        for sample in samples {
            let answer = player.play(facts, &sample).await?;
            played.push((sample, answer));
        }
        let people = page::people(&mut player, facts).await?;
        Ok(Kit::written(facts, root, &player.root(), &played, &people))
    }

    fn written(
        facts: &Facts<'_>,
        root: &str,
        stage: &str,
        played: &[(Sample, Played)],
        people: &[page::Seen],
    ) -> Kit {
        let mut files = vec![
            ("README.md".to_owned(), page::readme(facts, root, played, people)),
            ("agreement.md".to_owned(), page::agreement(facts)),
        ];
        if !facts.secret {
            files.push(("assertion.json".to_owned(), page::assertion(facts, root)));
        }
        for (at, (sample, answer)) in played.iter().enumerate() {
            let stem = page::stem(at, sample);
            files.push((format!("requests/{stem}.http"), sample.http(root)));
            files.push((format!("requests/{stem}.sh"), sample.curl(root)));
            if let Some(body) = shown(&answer.text.replace(stage, root)) {
                files.push((format!("answers/{stem}.json"), body));
            }
        }
        Kit { files }
    }

    /// Into a folder; a file that is there already is left alone, and an error.
    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        for below in ["", "requests", "answers"] {
            make_private_folder(&folder.join(below))?;
        }
        for (name, text) in &self.files {
            let path = folder.join(name);
            let mut file = new_private(&path).with_context(|| path.display().to_string())?;
            file.write_all(text.as_bytes())?;
        }
        say!(
            "{} files in {}; begin with README.md",
            self.files.len(),
            folder.display()
        );
        Ok(())
    }

    fn say(&self) {
        for (name, text) in &self.files {
            say!("===== {name} =====\n{text}");
        }
    }
}

/// An answer to read: indented, and the token in it is worth nothing any more.
fn shown(text: &str) -> Option<String> {
    let body: Value = serde_json::from_str(text).ok()?;
    serde_json::to_string_pretty(&body).ok().map(|text| text + "\n")
}
