//! Mutual TLS at Postern's own listener: who may connect, and that a bound client's tokens are worth nothing over another
//! certificate or none. Real connections, certificates made for the test. <https://www.rfc-editor.org/rfc/rfc8705>

use axum::http::StatusCode;
use postern::auth::Thumbprint;
use postern::config::ClientCertificates;
use postern::gateway::ClientRegistration;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use serde_json::{Value, json};

use crate::harness::{
    Authority, Certificate, Engine, MAPLE, Partner, RIVERSIDE, Served, Who, World, key_of, operators_log,
    stories, written,
};

stories!(
    optional_certificates_keep_nobody_out,
    a_bound_clients_tokens_are_worth_nothing_over_another_connection,
    a_certificate_that_does_not_verify_ends_the_connection,
    where_certificates_are_required_nothing_is_answered_without_one,
    the_binding_follows_the_registration,
    without_client_certificates_nobody_is_bound_and_nothing_is_told_of_them,
);

/// In the subject of each client's certificate: nobody has to learn it.
const SUBJECT: &str = "Edge Router 7 of the Synthetic Practice";

/// An authority for the server, and one for its clients.
struct Ground {
    servers: Authority,
    clients: Authority,
}

impl Ground {
    fn new() -> Ground {
        Ground {
            servers: Authority::named("servers"),
            clients: Authority::named("clients"),
        }
    }

    async fn served(&self, engine: Engine, mode: ClientCertificates) -> Served {
        let folder = crate::harness::database_folder().join(format!("postern-tls-{}", std::process::id()));
        let name = format!("clients-{:x}.pem", self as *const Ground as usize);
        let ca = written(&folder, &name, &self.clients.pem());
        let configure = |config: &mut postern::config::Config| {
            config.server.client_certificates = mode;
            config.server.client_ca = Some(ca.clone());
        };
        Served::over_tls(engine, &self.servers, &configure).await
    }

    fn certificate(&self) -> Certificate {
        signed_by(&self.clients, &|_| ())
    }

    /// Somebody who shows this certificate, or none.
    #[expect(clippy::disallowed_methods, reason = "the partner's own client")]
    fn shows(&self, certificate: Option<&Certificate>) -> Client {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let root = reqwest::Certificate::from_pem(self.servers.pem().as_bytes()).expect("a root");
        let mut builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
        if let Some(own) = certificate {
            let pem = format!("{}{}", own.key, own.certificate);
            builder = builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).expect("a pair"));
        }
        Client(builder.build().expect("a client"))
    }
}

fn signed_by(authority: &Authority, change: &dyn Fn(&mut CertificateParams)) -> Certificate {
    authority.sign(&[], &|params| {
        params.distinguished_name.push(rcgen::DnType::CommonName, SUBJECT);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(params);
    })
}

fn thumbprint(certificate: &Certificate) -> Thumbprint {
    Thumbprint::of_pem(certificate.certificate.as_bytes()).expect("one certificate")
}

struct Client(reqwest::Client);

/// Status and body; `None`: no connection.
type Answered = Option<(StatusCode, Value)>;

impl Client {
    async fn answered(&self, request: reqwest::RequestBuilder) -> Answered {
        let response = request.send().await.ok()?;
        let (status, text) = (response.status(), response.text().await.ok()?);
        Some((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    async fn get(&self, url: &str) -> Answered {
        self.answered(self.0.get(url)).await
    }

    async fn post(&self, url: &str, bearer: &str, form: &[(&str, &str)]) -> Answered {
        let request = self.0.post(url).form(form);
        let request = match bearer {
            "" => request,
            token => request.bearer_auth(token),
        };
        self.answered(request).await
    }

    /// A search that finds nobody: what leaves over a real connection is not in the world's memory, and every disclosure is
    /// held against that.
    async fn search(&self, base: &str, token: &str) -> StatusCode {
        let request = self.0.get(format!("{base}/Patient?_id=x")).bearer_auth(token);
        let answered = self.answered(request).await;
        answered.expect("a connection").0
    }

    async fn token(&self, partner: &Partner<'_>) -> (StatusCode, Value) {
        let assertion = partner.sign(&partner.claims());
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "system/*.rs"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion.as_str()),
        ];
        let endpoint = partner.world.gateway.token_endpoint();
        self.post(&endpoint, "", &form).await.expect("a connection")
    }

    async fn granted(&self, partner: &Partner<'_>) -> String {
        let (status, body) = self.token(partner).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().expect("a token").to_owned()
    }
}

async fn registered<'w>(world: &'w World, who: Who, certificates: Vec<Thumbprint>) -> Partner<'w> {
    let client = ClientRegistration {
        certificates,
        ..ClientRegistration::with_keys(json!({"keys": [key_of(who.id).public_jwk()]}))
    };
    Partner {
        world,
        who,
        client_id: world.register_as(who, client).await.client_id,
        token: String::new(),
    }
}

fn is_told(body: &Value) -> bool {
    body["tls_client_certificate_bound_access_tokens"] == true
}

async fn optional_certificates_keep_nobody_out(engine: Engine) {
    let ground = Ground::new();
    let served = ground.served(engine, ClientCertificates::Optional).await;
    let base = served.world.gateway.config.base();
    let root = base.trim_end_matches("/fhir");
    let partner = registered(&served.world, RIVERSIDE, vec![]).await;
    let own = ground.certificate();
    for client in [ground.shows(None), ground.shows(Some(&own))] {
        for open in [
            format!("{root}/livez"),
            format!("{root}/readyz"),
            format!("{base}/metadata"),
        ] {
            assert_eq!(client.get(&open).await.expect("a connection").0, 200, "{open}");
        }
        let told = client
            .get(&format!("{base}/.well-known/smart-configuration"))
            .await;
        assert!(is_told(&told.expect("a connection").1));
        let token = client.granted(&partner).await;
        // Registered without a certificate: what it shows binds it to nothing.
        for other in [ground.shows(None), ground.shows(Some(&own))] {
            assert_eq!(other.search(&base, &token).await, 200);
        }
    }
}

async fn a_bound_clients_tokens_are_worth_nothing_over_another_connection(engine: Engine) {
    let ground = Ground::new();
    let served = ground.served(engine, ClientCertificates::Optional).await;
    let gateway = &served.world.gateway;
    let base = gateway.config.base();
    let (own, others) = (ground.certificate(), ground.certificate());
    let partner = registered(&served.world, MAPLE, vec![thumbprint(&own)]).await;
    let [right, wrong, none] = [Some(&own), Some(&others), None].map(|one| ground.shows(one));
    for client in [&wrong, &none] {
        let (status, body) = client.token(&partner).await;
        assert_eq!((status.as_u16(), &body["error"]), (401, &json!("invalid_client")));
        assert_eq!(
            body["error_description"], "client authentication failed",
            "the one answer for every defect"
        );
    }
    let token = right.granted(&partner).await;
    // Twice: looked up, and from memory.
    for _ in 0..2 {
        for (client, status) in [(&wrong, 401), (&none, 401), (&right, 200)] {
            assert_eq!(client.search(&base, &token).await, status);
        }
    }
    let refused = async |token: &str| {
        let request = none
            .0
            .get(format!("{base}/Patient?_id=x"))
            .header("x-request-id", "same");
        none.answered(request.bearer_auth(token)).await.expect("answered")
    };
    assert_eq!(
        refused(&token).await,
        refused("no-token-at-all").await,
        "as a token that never was"
    );
    let about = [("token", token.as_str())];
    let asked = async |client: &Client| {
        let endpoint = gateway.introspection_endpoint();
        let answer = client.post(&endpoint, &token, &about).await;
        answer.expect("a connection")
    };
    assert_eq!(asked(&none).await.0, 401);
    let (status, claims) = asked(&right).await;
    assert_eq!((status.as_u16(), &claims["active"]), (200, &json!(true)));
    assert_eq!(claims["cnf"]["x5t#S256"], json!(thumbprint(&own).to_string()));
    let events = served.world.events().await;
    let said = thumbprint(&own).to_string();
    let issued = events.iter().find(|event| event.kind == "token-issued");
    let issued = &issued.expect("an event").body;
    assert!(
        issued.contains(&said),
        "the log says what it is bound to: {issued}"
    );
    let written = operators_log();
    assert!(!events.iter().any(|event| event.body.contains(SUBJECT)) && !written.contains(SUBJECT));
}

async fn a_certificate_that_does_not_verify_ends_the_connection(engine: Engine) {
    let ground = Ground::new();
    let foreign = Authority::named("clients");
    let bad = [
        signed_by(&foreign, &|_| ()),
        signed_by(&ground.clients, &|params| {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }),
        signed_by(&ground.clients, &|params| {
            params.not_before = date_time_ymd(4000, 1, 1);
        }),
        signed_by(&ground.clients, &|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
    ];
    for mode in [ClientCertificates::Optional, ClientCertificates::Required] {
        let served = ground.served(engine, mode).await;
        let live = served.world.gateway.config.base().replace("/fhir", "/livez");
        for certificate in &bad {
            let got = ground.shows(Some(certificate)).get(&live).await;
            assert_eq!(got, None, "{mode:?}");
        }
        let good = ground.shows(Some(&ground.certificate())).get(&live).await;
        assert_eq!(good.expect("a connection").0, 200, "{mode:?}");
    }
    assert!(!operators_log().contains(SUBJECT));
}

async fn where_certificates_are_required_nothing_is_answered_without_one(engine: Engine) {
    let ground = Ground::new();
    let served = ground.served(engine, ClientCertificates::Required).await;
    let base = served.world.gateway.config.base();
    let root = base.trim_end_matches("/fhir");
    let own = ground.certificate();
    let (with, without) = (ground.shows(Some(&own)), ground.shows(None));
    for path in [
        "/livez",
        "/readyz",
        "/fhir/metadata",
        "/fhir/.well-known/smart-configuration",
    ] {
        let url = format!("{root}{path}");
        assert_eq!(without.get(&url).await, None, "{path}");
        assert_eq!(with.get(&url).await.expect("a connection").0, 200, "{path}");
    }
    let partner = registered(&served.world, MAPLE, vec![thumbprint(&own)]).await;
    let token = with.granted(&partner).await;
    assert_eq!(with.search(&base, &token).await, 200);
    // Verified is not enough: it is somebody else's.
    let other = ground.shows(Some(&ground.certificate()));
    assert_eq!(other.search(&base, &token).await, 401);
}

async fn the_binding_follows_the_registration(engine: Engine) {
    let ground = Ground::new();
    let served = ground.served(engine, ClientCertificates::Optional).await;
    let gateway = &served.world.gateway;
    let base = gateway.config.base();
    let (old, new) = (ground.certificate(), ground.certificate());
    let partner = registered(&served.world, MAPLE, vec![]).await;
    let [with_old, with_new, none] = [Some(&old), Some(&new), None].map(|one| ground.shows(one));
    let bind = async |certificates: &[&Certificate]| {
        let certificates = certificates.iter().map(|one| thumbprint(one)).collect();
        let bound = gateway
            .change_certificates("maple", certificates, "test operator")
            .await;
        bound.expect("in order");
    };
    let unbound = none.granted(&partner).await;
    assert_eq!(none.search(&base, &unbound).await, 200);
    bind(&[&old]).await;
    assert_eq!(none.search(&base, &unbound).await, 401, "a token from before");
    assert_eq!(
        with_old.search(&base, &unbound).await,
        401,
        "it is bound to nothing"
    );
    let first = with_old.granted(&partner).await;
    // Overlap: both are good until the old one is taken out, each token over its own.
    bind(&[&old, &new]).await;
    let second = with_new.granted(&partner).await;
    for (client, token, status) in [
        (&with_old, &first, 200),
        (&with_new, &second, 200),
        (&with_new, &first, 401),
        (&with_old, &second, 401),
    ] {
        assert_eq!(client.search(&base, token).await, status);
    }
    bind(&[&new]).await;
    assert_eq!(with_old.search(&base, &first).await, 401);
    assert_eq!(with_old.token(&partner).await.0, 401);
    assert_eq!(with_new.search(&base, &second).await, 200);
    bind(&[]).await;
    assert_eq!(none.token(&partner).await.0, 200);
    assert_eq!(
        none.search(&base, &second).await,
        401,
        "a bound token stays bound"
    );
    assert_eq!(with_new.search(&base, &second).await, 200);
    let events = served.world.events().await;
    let changed = events.iter().filter(|event| event.kind == "partner-changed");
    assert_eq!(changed.count(), 4, "each change is on the log");
}

async fn without_client_certificates_nobody_is_bound_and_nothing_is_told_of_them(engine: Engine) {
    let ground = Ground::new();
    let served = Served::over_tls(engine, &ground.servers, &|_| ()).await;
    let gateway = &served.world.gateway;
    let own = ground.certificate();
    registered(&served.world, MAPLE, vec![]).await;
    let refused = gateway
        .change_certificates("maple", vec![thumbprint(&own)], "test operator")
        .await;
    let refused = refused.err().expect("refused").join("\n");
    assert!(refused.contains("server.client_certificates"), "{refused}");
    let told = format!("{}/.well-known/smart-configuration", gateway.config.base());
    // Nobody asks for it: it is not sent, and not looked at.
    let client = ground.shows(Some(&own));
    let (status, body) = client.get(&told).await.expect("a connection");
    assert!(status == 200 && !is_told(&body));
}
