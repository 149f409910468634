//! A partner's system as it behaves: registered with its public key, it signs an assertion, gets a token, and asks.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::LazyLock;

use axum::http::Method;
use postern::auth::{Algorithm, KeyPair};
use postern::gateway::{
    ClientRegistration, Identifier, NPI, NewPartner, Partner as Registration, Registered,
};
use serde_json::{Value, json};

use super::{Answer, Ask, World};

/// A partner organisation of the examples (`mappings/README.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    pub id: &'static str,
    pub name: &'static str,
    pub class: &'static str,
    pub npi: &'static str,
    pub purposes: &'static [&'static str],
}

pub const MAPLE: Who = Who {
    id: "maple",
    name: "Maple Street Family Medicine",
    class: "primary-care",
    npi: "1999002011",
    purposes: &["TREAT"],
};
pub const RIVERSIDE: Who = Who {
    id: "riverside",
    name: "Riverside Mobile Crisis",
    class: "crisis-team",
    npi: "1999002029",
    purposes: &["TREAT", "ETREAT"],
};
pub const BRIGID: Who = Who {
    id: "brigid",
    name: "St. Brigid Hospital",
    class: "hospital",
    npi: "1999002037",
    purposes: &["TREAT"],
};
/// Registered, and related to nobody.
pub const STRANGER: Who = Who {
    id: "stranger",
    name: "Far Away Clinic",
    class: "primary-care",
    npi: "1999002045",
    purposes: &["TREAT"],
};

/// Rosa's and Marcus's health plan.
pub const PRAIRIE: Who = Who {
    id: "prairie",
    name: "Prairie Health Plan",
    class: "health-plan",
    npi: "1999002052",
    purposes: &["HPAYMT", "CAREMGT"],
};
/// Supported housing: no health care provider, bound by neither rule.
pub const OPEN_DOOR: Who = Who {
    id: "open-door",
    name: "Open Door Housing",
    class: "community-provider",
    npi: "1999002060",
    purposes: &["CAREMGT"],
};

/// One key pair per partner for the whole process: making one takes longer than using it.
pub fn key_of(id: &str) -> &'static KeyPair {
    static KEYS: LazyLock<BTreeMap<&str, KeyPair>> = LazyLock::new(|| {
        let ids = [
            MAPLE.id,
            RIVERSIDE.id,
            BRIGID.id,
            STRANGER.id,
            PRAIRIE.id,
            OPEN_DOOR.id,
            "spare",
        ];
        ids.into_iter()
            .map(|id| {
                (
                    id,
                    KeyPair::generate(Algorithm::Es384, "key-1").expect("a key pair"),
                )
            })
            .collect()
    });
    &KEYS[id]
}

/// What an operator registers of it.
pub fn registration_of(who: Who) -> Registration {
    Registration {
        id: who.id.to_owned(),
        name: who.name.to_owned(),
        class: who.class.to_owned(),
        organization: vec![Identifier {
            system: NPI.to_owned(),
            value: who.npi.to_owned(),
        }],
        purposes: who.purposes.iter().map(|p| (*p).to_owned()).collect(),
        scopes: "system/*.rs".to_owned(),
        role: None,
        medical_personnel: false,
        phone: None,
    }
}

/// A registered partner with a token in hand.
pub struct Partner<'w> {
    pub world: &'w World,
    pub who: Who,
    pub client_id: String,
    pub token: String,
}

impl World {
    /// Registers the partner; comes out with its client id.
    pub async fn register(&self, who: Who) -> String {
        let jwks = json!({"keys": [key_of(who.id).public_jwk()]});
        self.register_as(who, ClientRegistration::with_keys(jwks))
            .await
            .client_id
    }

    /// Registers the partner with a client that proves itself in its own way.
    pub async fn register_as(&self, who: Who, client: ClientRegistration) -> Registered {
        let partner = registration_of(who);
        let added = self
            .gateway
            .add_partner(NewPartner { partner, client }, "test operator")
            .await;
        added.expect("the registration is in order")
    }

    /// Registers the partner and gets its first token, for everything and its default purpose.
    pub async fn partner(&self, who: Who) -> Partner<'_> {
        let client_id = self.register(who).await;
        let mut partner = Partner {
            world: self,
            who,
            client_id,
            token: String::new(),
        };
        partner.renew().await;
        partner
    }

    /// The three partners of the demo.
    pub async fn three(&self) -> [Partner<'_>; 3] {
        [
            self.partner(MAPLE).await,
            self.partner(RIVERSIDE).await,
            self.partner(BRIGID).await,
        ]
    }
}

impl Partner<'_> {
    /// The claims of a right assertion.
    pub fn claims(&self) -> Value {
        let now = self.world.clock.instant().0 / 1_000_000;
        json!({"iss": self.client_id, "sub": self.client_id, "aud": self.world.gateway.token_endpoint(),
            "exp": now + 240, "iat": now, "jti": self.world.unique("jti")})
    }

    pub fn sign(&self, claims: &Value) -> String {
        let key = key_of(self.who.id);
        key.sign(&key.header(), claims).expect("signed")
    }

    /// The token request of this assertion.
    pub fn token_request(assertion: &str, scope: &str) -> Ask {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", scope),
            ("client_assertion_type", kind),
            ("client_assertion", assertion),
        ];
        Ask::form("/auth/token", &form)
    }

    /// A token request for this scope and, when stated, this purpose.
    pub async fn ask_token(&self, scope: &str, purposes: &[&str]) -> Answer {
        let mut claims = self.claims();
        if !purposes.is_empty() {
            claims["extensions"]["hl7-b2b"] = self.stated(purposes);
        }
        self.world
            .send(Partner::token_request(&self.sign(&claims), scope))
            .await
    }

    /// `hl7-b2b` for these purposes: in an emergency somebody is behind the request.
    pub fn stated(&self, purposes: &[&str]) -> Value {
        let npi = format!("urn:oid:2.16.840.1.113883.4.6#{}", self.who.npi);
        let mut stated = json!({"version": "1", "organization_id": npi, "purpose_of_use": purposes});
        if purposes.iter().any(|purpose| purpose.ends_with("ETREAT")) {
            (stated["subject_name"], stated["subject_id"]) = ("Lee Okafor, MD".into(), "staff-17".into());
        }
        stated
    }

    /// A new token in place of the old one.
    pub async fn renew(&mut self) {
        self.narrow("system/*.rs").await;
    }

    /// A new token of this scope in place of the old one.
    pub async fn narrow(&mut self, scope: &str) {
        let answer = self.ask_token(scope, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.token = answer.json()["access_token"]
            .as_str()
            .expect("a token")
            .to_owned();
    }

    /// `get("CarePlan?patient=…")`
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Ask::get(&format!("/fhir/{path}"))).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(Ask::form(&format!("/fhir/{path}"), form)).await
    }

    pub async fn head(&self, path: &str) -> Answer {
        self.send(Ask::get(&format!("/fhir/{path}")).method(Method::HEAD))
            .await
    }

    /// The request with this partner's token.
    pub async fn send(&self, ask: Ask) -> Answer {
        self.world.send(ask.bearer(&self.token)).await
    }

    /// What this search finds, page after page.
    pub async fn all(&self, query: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut next = Some(query.to_owned());
        while let Some(path) = next {
            let page = self.get(&path).await;
            assert_eq!(page.status, 200, "{path}: {}", page.text());
            found.extend(page.resources());
            next = page.next_page();
        }
        found
    }

    /// Everything this partner can get about a person: each type it is served searched, and each reference followed.
    /// By `Type/id`.
    pub async fn everything(&self, patient: &str) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        let set = &self.world.gateway.rules.data_sets[self.who.class];
        for profile in set.profiles() {
            let query = match profile.resource_type() {
                "Patient" => format!("Patient?_id={patient}"),
                // No search finds one: a document leads to it.
                "Binary" => continue,
                // One of each resource, made when it is asked for.
                "Provenance" => continue,
                shared if set.directory().iter().any(|d| d == shared) => continue,
                other => format!("{other}?patient={patient}"),
            };
            let all = self.all(&query).await;
            found.extend(all.into_iter().map(|one| (super::exchange::reference(&one), one)));
        }
        let mut open: Vec<Value> = found.values().cloned().collect();
        while let Some(one) = open.pop() {
            for target in references_in(&one).into_iter().chain(attached(&one)) {
                let Entry::Vacant(place) = found.entry(target) else {
                    continue;
                };
                let path = format!("/fhir/{}", place.key());
                let answer = self
                    .send(Ask::get(&path).with("accept", "application/fhir+json"))
                    .await;
                assert_eq!(answer.status, 200, "{} is referred to and not there", place.key());
                open.push(place.insert(answer.json()).clone());
            }
        }
        found
    }
}

/// The Binaries that a document of a source leads to. Those of the plan's document are made when they are read: `story_document`
/// has them.
fn attached(document: &Value) -> Vec<String> {
    let contents = document["content"].as_array().into_iter().flatten();
    let urls = contents.filter_map(|content| content["attachment"]["url"].as_str());
    let made = |url: &&str| url.ends_with("-html") || url.ends_with("-pdf");
    urls.filter(|url| !made(url))
        .filter_map(|url| url.rfind("Binary/").map(|at| url[at..].to_owned()))
        .collect()
}

/// Every literal reference, wherever it stands.
pub fn references_in(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(references_in).collect(),
        Value::Object(object) => object
            .iter()
            .flat_map(|(name, member)| match member.as_str() {
                Some(text) if name == "reference" => vec![text.to_owned()],
                _ => references_in(member),
            })
            .collect(),
        _ => Vec::new(),
    }
}
