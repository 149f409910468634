//! A gateway in a folder of its own, served over HTTP, with partners that have fresh keys.

use std::sync::Arc;

use anyhow::bail;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::records::DemoRecord;
use crate::auth::{Account, Algorithm, Client, KeyPair, Reply, Signer};
use crate::config::{Clock, Config, Entropy, TemporaryFolder, temporary_folder};
use crate::egress::Egress;
use crate::gateway::{ClientRegistration, Gateway, Identifier, NPI, NewPartner, Partner};
use crate::http::{self, ServeError};

pub struct Stage {
    pub gateway: Arc<Gateway>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), ServeError>>,
    /// Removed when the stage goes.
    _folder: TemporaryFolder,
}

/// A partner with its own client, as an outsider: it knows the base address and its key.
pub struct Visitor {
    pub partner: Partner,
    pub client: Client,
}

/// Partners of the story: id, name, class, NPI, key.
const PARTNERS: &[(&str, &str, &str, &str, Algorithm)] = &[
    (
        "maple-street",
        "Maple Street Family Medicine",
        "primary-care",
        "1999002011",
        Algorithm::Es384,
    ),
    (
        "riverside",
        "Riverside Mobile Crisis",
        "crisis-team",
        "1999002029",
        Algorithm::Es384,
    ),
    (
        "st-brigid",
        "St. Brigid Hospital ED",
        "hospital",
        "1999002037",
        Algorithm::Rs384,
    ),
    (
        "far-away",
        "Far Away Clinic (a stranger)",
        "primary-care",
        "1999002045",
        Algorithm::Es384,
    ),
];

/// Everything a partner may pull about a person.
pub const TYPES: &[&str] = &[
    "Patient",
    "CarePlan",
    "Goal",
    "CareTeam",
    "Task",
    "ServiceRequest",
    "Condition",
    "MedicationRequest",
    "AllergyIntolerance",
    "Observation",
    "QuestionnaireResponse",
    "RiskAssessment",
    "Encounter",
    "Appointment",
    "Communication",
    "DocumentReference",
    "RelatedPerson",
    "Consent",
];

impl Stage {
    /// Opens on `listen`, or on a free port of this machine when that one is taken.
    pub async fn open(listen: &str) -> anyhow::Result<Stage> {
        let mut config = Config::default();
        listen.clone_into(&mut config.server.listen);
        config.agency.name = "Hearthstone and Lantern (synthetic)".to_owned();
        config.agency.npi = "1999001005".to_owned();
        config.agency.phone = "217-555-0100".to_owned();
        let bound = match http::bind(&config.server) {
            Err(ServeError::Listen(..)) => {
                config.server.listen = "127.0.0.1:0".to_owned();
                http::bind(&config.server)?
            }
            other => other?,
        };
        config.server.listen = bound.address.to_string();
        Stage::over(config, bound).await
    }

    /// By this configuration, on a socket that is open, with a database and keys that go away.
    pub async fn over(mut config: Config, bound: http::Bound) -> anyhow::Result<Stage> {
        if !config.paths.mappings.is_dir() {
            bail!("run it in the folder of a Postern checkout: there is no mappings/ here");
        }
        let folder = temporary_folder(&Entropy::System)?;
        config.store.url = format!("sqlite:{}", folder.path().join("postern.db").display());
        config.paths.keys = folder.path().join("keys");
        let gateway = super::super::open_with(config, Clock::System, Entropy::System).await?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = bound.serve(Arc::clone(&gateway), async {
            let _ = stopped.await;
        });
        #[expect(clippy::disallowed_methods, reason = "the demo's own server")]
        let serving = tokio::spawn(served);
        Ok(Stage {
            gateway,
            stop: Some(stop),
            serving,
            _folder: folder,
        })
    }

    /// Takes records in as `postern import` does; a record that is refused ends the demo.
    pub async fn import(&self, record: &DemoRecord) -> anyhow::Result<usize> {
        let bytes = record.body.to_string();
        let report = self
            .gateway
            .import(record.source, record.record, bytes.as_bytes(), Some("demo"))
            .await;
        let report = report.map_err(anyhow::Error::msg)?;
        for line in &report.lines {
            if let Err(problems) = &line.result {
                bail!(
                    "{}/{} of {}: {}",
                    record.source,
                    record.record,
                    record.name,
                    problems.join("; ")
                );
            }
        }
        Ok(report.changed())
    }

    /// Registers the partners and gives each a token over HTTP.
    pub async fn visitors(&self) -> anyhow::Result<Vec<Visitor>> {
        let mut visitors = Vec::new();
        for (id, name, class, npi, kind) in PARTNERS {
            let pair = KeyPair::generate(*kind, "demo")?;
            let partner = Partner {
                id: (*id).to_owned(),
                name: (*name).to_owned(),
                class: (*class).to_owned(),
                organization: vec![Identifier {
                    system: NPI.to_owned(),
                    value: (*npi).to_owned(),
                }],
                purposes: vec!["TREAT".to_owned()],
                scopes: "system/*.rs".to_owned(),
                role: None,
                medical_personnel: false,
                phone: None,
            };
            let jwks = json!({"keys": [pair.public_jwk()]});
            let new = NewPartner {
                partner: partner.clone(),
                client: ClientRegistration::with_keys(jwks),
            };
            let registered = self
                .gateway
                .add_partner(new, "demo")
                .await
                .map_err(|p| anyhow::Error::msg(p.join("; ")))?;
            let account = Account {
                base: self.gateway.config.base(),
                client_id: registered.client_id,
                scope: "system/*.rs".to_owned(),
                purpose: Some("TREAT".to_owned()),
            };
            let (clock, entropy) = (self.gateway.clock.clone(), Entropy::System);
            let client = Client::new(
                Egress::loopback(),
                account,
                Signer::Pair(Box::new(pair)),
                clock,
                entropy,
            );
            client.token().await?;
            visitors.push(Visitor { partner, client });
        }
        Ok(visitors)
    }

    /// Finishes what is under way and closes the store.
    pub async fn close(mut self) -> anyhow::Result<()> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.serving.await??;
        self.gateway.seal().await?;
        self.gateway.store.close().await;
        Ok(())
    }
}

/// What one visitor got about one person.
#[derive(Default)]
pub struct Pulled {
    pub patient: Option<String>,
    pub resources: Vec<Value>,
    /// All answers as text, for looking for what should not be there.
    pub text: String,
    pub wrong: Vec<String>,
}

impl Visitor {
    /// Finds the person by identifier, then searches every type for that person.
    pub async fn pull(&self, identifier: (&str, &str)) -> anyhow::Result<Pulled> {
        let mut pulled = Pulled::default();
        let (system, value) = identifier;
        let found = self
            .client
            .get(&format!("Patient?identifier={system}%7C{value}"))
            .await?;
        pulled.take(&found);
        pulled.patient = pulled
            .resources
            .first()
            .and_then(|p| p["id"].as_str())
            .map(str::to_owned);
        let Some(id) = pulled.patient.clone() else {
            return Ok(pulled);
        };
        for name in TYPES.iter().filter(|name| **name != "Patient") {
            let reply = self.client.get(&format!("{name}?patient={id}")).await?;
            pulled.take(&reply);
        }
        Ok(pulled)
    }
}

impl Pulled {
    fn take(&mut self, reply: &Reply) {
        self.text.push_str(&reply.text);
        if reply.status != 200 {
            self.wrong.push(format!("status {}", reply.status));
        }
        let entries = reply.body["entry"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let matches: Vec<Value> = entries
            .iter()
            .filter(|e| e["search"]["mode"] == "match")
            .map(|e| e["resource"].clone())
            .collect();
        if reply.body["total"] != matches.len() {
            self.wrong.push("total is not the number of matches".to_owned());
        }
        self.resources.extend(matches);
    }

    pub fn count(&self, resource_type: &str) -> usize {
        self.resources
            .iter()
            .filter(|r| r["resourceType"] == resource_type)
            .count()
    }

    /// Everything received that the closed profile of the recipient's data set does not allow.
    pub fn outside_profile(&self, gateway: &Gateway, visitor: &Visitor) -> Vec<String> {
        let Some(set) = gateway.rules.data_set(&visitor.partner.class, "TREAT") else {
            return vec!["no data set".to_owned()];
        };
        let mut outside = Vec::new();
        for resource in &self.resources {
            let name = resource["resourceType"].as_str().unwrap_or_default();
            match set.profile(name) {
                None => outside.push(format!("{name}: no profile in {}", set.name())),
                Some(profile) => {
                    outside.extend(
                        profile
                            .validate(resource)
                            .iter()
                            .map(|issue| format!("{}: {issue}", set.name())),
                    );
                }
            }
        }
        outside
    }
}
