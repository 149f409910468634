//! How a client proves itself and what it states: keys of every kind, other keys, a secret where the deployment allows one,
//! and `hl7-b2b`. <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>,
//! <https://hl7.org/fhir/us/udap-security/STU1/b2b.html#b2b-authorization-extension-object>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern::auth::{Algorithm, KeyPair};
use postern::gateway::{ClientRegistration, Identifier, NewPartner, URI};
use serde_json::{Value, json};

use crate::harness::{
    Answer, Ask, BRIGID, Engine, MAPLE, Partner, RIVERSIDE, Who, World, key_of, registration_of, stories,
};

stories!(
    every_kind_of_key_signs_and_takes_its_own_algorithms,
    other_keys_count_from_the_next_request_on_every_process,
    a_secret_is_off_until_the_deployment_and_the_registration_say_otherwise,
    a_secret_proves_a_client_in_both_ways_and_is_kept_hashed,
    one_request_proves_its_client_in_one_way,
    what_a_client_states_is_read_whole_or_refused,
    an_organisation_speaks_for_itself,
    people_are_named_in_an_emergency_and_where_people_use_the_client,
);

fn partner<'w>(world: &'w World, who: Who, client_id: &str) -> Partner<'w> {
    Partner {
        world,
        who,
        client_id: client_id.to_owned(),
        token: String::new(),
    }
}

fn error(answer: &Answer) -> (u16, Option<String>) {
    (answer.status, answer.json()["error"].as_str().map(str::to_owned))
}

fn refused(code: &str) -> (u16, Option<String>) {
    let status = if code == "invalid_client" { 401 } else { 400 };
    (status, Some(code.to_owned()))
}

async fn every_kind_of_key_signs_and_takes_its_own_algorithms(engine: Engine) {
    let world = World::empty(engine).await;
    let pairs = [Algorithm::Rs384, Algorithm::Es384, Algorithm::Es256]
        .map(|algorithm| KeyPair::generate(algorithm, algorithm.name()).expect("a key"));
    let mut jwks: Vec<Value> = pairs.iter().map(|pair| pair.public_jwk().clone()).collect();
    // A key that states no `alg` takes what its kind can do.
    jwks.iter_mut().for_each(|jwk| {
        jwk.as_object_mut().expect("an object").remove("alg");
    });
    let registered = world
        .register_as(MAPLE, ClientRegistration::with_keys(json!({ "keys": jwks })))
        .await;
    let maple = partner(&world, MAPLE, &registered.client_id);
    let ask = async |pair: &KeyPair, header: &Value| {
        let assertion = pair.sign(header, &maple.claims()).expect("signed");
        world
            .send(Partner::token_request(&assertion, "system/*.rs"))
            .await
    };
    for pair in &pairs {
        let answer = ask(pair, &pair.header()).await;
        assert_eq!(answer.status, 200, "{:?}: {}", pair.algorithm(), answer.text());
        let named = ["RS384", "RS256", "ES384", "ES256", "PS384", "none", "HS256"];
        for other in named.iter().filter(|name| **name != pair.algorithm().name()) {
            // The signature is of the pair's own algorithm: what the header says does not change that.
            let header = json!({"alg": other, "kid": pair.kid(), "typ": "JWT"});
            assert_eq!(
                error(&ask(pair, &header).await),
                refused("invalid_client"),
                "{other}"
            );
        }
    }
    // RS256 with the RSA key: for clients that know no better.
    let rsa =
        KeyPair::from_pkcs8(Algorithm::Rs256, "RS384", &pairs[0].pkcs8().expect("kept")).expect("the same");
    assert_eq!(ask(&rsa, &rsa.header()).await.status, 200);
}

async fn other_keys_count_from_the_next_request_on_every_process(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let other = world.another_process().await;
    let asked = async |at: &World, key: &KeyPair| {
        let assertion = key.sign(&key.header(), &maple.claims()).expect("signed");
        at.send(Partner::token_request(&assertion, "system/*.rs"))
            .await
            .status
    };
    let (old, new) = (key_of("maple"), key_of("spare"));
    assert_eq!((asked(&world, old).await, asked(&other, old).await), (200, 200));
    let jwks = json!({"keys": [new.public_jwk()]});
    let changed = world
        .gateway
        .change_keys("maple", ClientRegistration::with_keys(jwks), "test operator")
        .await;
    assert_eq!(changed.expect("in order").client_id, maple.client_id);
    for at in [&world, &other] {
        assert_eq!((asked(at, new).await, asked(at, old).await), (200, 401));
    }
    let private =
        json!({"keys": [{"kty": "EC", "crv": "P-384", "kid": "a", "x": "AA", "y": "AA", "d": "AA"}]});
    let wrong = world
        .gateway
        .change_keys("maple", ClientRegistration::with_keys(private), "test operator")
        .await;
    assert!(wrong.err().expect("refused")[0].contains("private"));
    assert_eq!(asked(&other, new).await, 200, "and nothing changed");
    let kinds: Vec<String> = world.events().await.into_iter().map(|e| e.kind).collect();
    assert_eq!(kinds.iter().filter(|k| *k == "partner-changed").count(), 1);
}

async fn with_secrets(engine: Engine) -> World {
    World::configured(engine, &|config| config.smart.client_secrets = true).await
}

fn posted(client: &str, secret: &str) -> Ask {
    Ask::form(
        "/auth/token",
        &[
            ("grant_type", "client_credentials"),
            ("scope", "system/*.rs"),
            ("client_id", client),
            ("client_secret", secret),
        ],
    )
}

fn basic(client: &str, secret: &str) -> Ask {
    let form = [("grant_type", "client_credentials"), ("scope", "system/*.rs")];
    let header = format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")));
    Ask::form("/auth/token", &form).with("authorization", &header)
}

async fn a_secret_is_off_until_the_deployment_and_the_registration_say_otherwise(engine: Engine) {
    let world = World::empty(engine).await;
    let new = NewPartner {
        partner: registration_of(MAPLE),
        client: ClientRegistration::default(),
    };
    let problems = world.gateway.add_partner(new, "test operator").await;
    assert!(problems.err().expect("refused")[0].contains("smart.client_secrets"));
    let discovered = async |world: &World| {
        let path = "/fhir/.well-known/smart-configuration";
        world.send(Ask::get(path)).await.json()
    };
    let told = discovered(&world).await;
    assert_eq!(
        told["token_endpoint_auth_methods_supported"],
        json!(["private_key_jwt"])
    );
    // What discovery says follows from the configuration, never from who is registered.
    let allowed = with_secrets(engine).await;
    let before = discovered(&allowed).await;
    allowed.register_as(MAPLE, ClientRegistration::default()).await;
    assert_eq!(discovered(&allowed).await, before);
    let methods = before["token_endpoint_auth_methods_supported"].clone();
    assert_eq!(
        methods,
        json!(["private_key_jwt", "client_secret_basic", "client_secret_post"])
    );
    let keyed = allowed.partner(RIVERSIDE).await;
    let answer = allowed.send(posted(&keyed.client_id, "anything")).await;
    assert_eq!(
        error(&answer),
        refused("invalid_client"),
        "its registration says keys"
    );
}

async fn a_secret_proves_a_client_in_both_ways_and_is_kept_hashed(engine: Engine) {
    let world = with_secrets(engine).await;
    let registered = world.register_as(MAPLE, ClientRegistration::default()).await;
    let (client, secret) = (registered.client_id, registered.secret.expect("shown once"));
    assert_eq!(secret.len(), 43, "256 bits");
    for ask in [posted(&client, &secret), basic(&client, &secret)] {
        let answer = world.send(ask).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = answer.json()["access_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        let found = world.send(Ask::get("/fhir/Patient?_id=x").bearer(&token)).await;
        assert_eq!(found.status, 200);
    }
    let wrong = [
        posted(&client, "wrong"),
        posted("nobody", &secret),
        posted(&client, &secret[1..]),
    ];
    let mut texts = Vec::new();
    for ask in wrong {
        let answer = world.send(ask).await;
        assert_eq!(
            (error(&answer), answer.header("www-authenticate")),
            (refused("invalid_client"), "")
        );
        texts.push(answer.text());
    }
    let answer = world.send(basic(&client, "wrong")).await;
    assert_eq!(answer.header("www-authenticate"), "Basic realm=\"token\"");
    texts.push(answer.text());
    texts.dedup();
    assert_eq!(texts.len(), 1, "nobody learns why");
    let rows = world.gateway.store.clients_of("maple").await.expect("reads");
    assert!(!rows[0].body.contains(&secret), "only its hash is kept");
    let issued: Vec<String> = world.events().await.into_iter().map(|e| e.body).collect();
    assert!(
        issued.iter().any(|body| body.contains("client_secret_basic")),
        "flagged on the log"
    );
    assert!(!issued.iter().any(|body| body.contains(&secret)));
    // A new secret ends the old one; keys end both.
    let renewed = world
        .gateway
        .change_keys("maple", ClientRegistration::default(), "test operator")
        .await;
    let renewed = renewed.expect("in order").secret.expect("shown once");
    let status = async |secret: &str| world.send(posted(&client, secret)).await.status;
    if renewed != secret {
        assert_eq!(status(&secret).await, 401);
    }
    assert_eq!(status(&renewed).await, 200);
    let keys = ClientRegistration::with_keys(json!({"keys": [key_of("maple").public_jwk()]}));
    assert!(
        world
            .gateway
            .change_keys("maple", keys, "test operator")
            .await
            .is_ok()
    );
    assert_eq!(status(&renewed).await, 401);
}

async fn one_request_proves_its_client_in_one_way(engine: Engine) {
    let world = with_secrets(engine).await;
    let registered = world.register_as(MAPLE, ClientRegistration::default()).await;
    let (client, secret) = (registered.client_id, registered.secret.expect("shown once"));
    let riverside = world.partner(RIVERSIDE).await;
    let assertion = riverside.sign(&riverside.claims());
    let header = basic(&client, &secret)
        .header("authorization")
        .expect("a header")
        .to_owned();
    for two in [
        posted(&client, &secret).with("authorization", &header),
        Partner::token_request(&assertion, "system/*.rs").with("authorization", &header),
    ] {
        assert_eq!(error(&world.send(two).await), refused("invalid_request"));
    }
    // RFC 7521 4.2: a stated client id is that of the assertion.
    let form = |client_id: &str| {
        let mut ask = Partner::token_request(&assertion, "system/*.rs");
        ask.body
            .extend_from_slice(format!("&client_id={client_id}").as_bytes());
        ask
    };
    assert_eq!(error(&world.send(form(&client)).await), refused("invalid_client"));
    assert_eq!(world.send(form(&riverside.client_id)).await.status, 200);
}

async fn what_a_client_states_is_read_whole_or_refused(engine: Engine) {
    let world = World::empty(engine).await;
    let riverside = world.partner(RIVERSIDE).await;
    let ask = async |change: &dyn Fn(&mut Value)| {
        let mut claims = riverside.claims();
        claims["extensions"]["hl7-b2b"] = riverside.stated(&["TREAT"]);
        change(&mut claims["extensions"]["hl7-b2b"]);
        world
            .send(Partner::token_request(&riverside.sign(&claims), "system/*.rs"))
            .await
    };
    type Change<'a> = &'a dyn Fn(&mut Value);
    let wrong: [(Change<'_>, &str); 6] = [
        (&|b| b["version"] = "2".into(), "version"),
        (&|b| b["purpose_of_use"] = "TREAT".into(), "purpose_of_use"),
        (
            &|b| b["purpose_of_use"] = json!(["TREAT", "ETREAT"]),
            "another token",
        ),
        (&|b| b["purpose_of_use"] = json!(["HPAYMT"]), "not registered"),
        (&|b| b["subject_id"] = "17".into(), "subject_name"),
        (
            &|b| b["consent_reference"] = json!(["https://x.example/Consent/1"]),
            "consent_policy",
        ),
    ];
    for (change, why) in wrong {
        let answer = ask(change).await;
        assert_eq!(error(&answer), refused("invalid_request"), "{why}");
        let described = answer.json()["error_description"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(described.contains(why), "{why}: {described}");
    }
    let answer = ask(&|b| {
        b["consent_policy"] = json!(["urn:oid:2.16.840.1.113883.3.7204.1.1.1.1.1"]);
        b["consent_reference"] = json!(["https://riverside.example/fhir/Consent/1"]);
        b["subject_role"] = "mobile crisis clinician".into();
        b["subject_name"] = "Dana Reyes".into();
    })
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let events = world.events().await;
    let event = events
        .iter()
        .rfind(|e| e.kind == "token-issued")
        .expect("on the log");
    for kept in [
        "riverside.example/fhir/Consent/1",
        "mobile crisis clinician",
        "Dana Reyes",
    ] {
        assert!(event.body.contains(kept), "{kept}");
    }
}

async fn an_organisation_speaks_for_itself(engine: Engine) {
    let world = World::empty(engine).await;
    let mut partner_registration = registration_of(BRIGID);
    partner_registration.organization.push(Identifier {
        system: URI.to_owned(),
        value: "https://st-brigid.example".to_owned(),
    });
    let new = NewPartner {
        partner: partner_registration,
        client: ClientRegistration::with_keys(json!({"keys": [key_of("brigid").public_jwk()]})),
    };
    let registered = world.gateway.add_partner(new, "test operator").await;
    let brigid = partner(&world, BRIGID, &registered.expect("in order").client_id);
    for (id, status) in [
        ("urn:oid:2.16.840.1.113883.4.6#1999002037", 200),
        ("http://hl7.org/fhir/sid/us-npi|1999002037", 200),
        ("https://st-brigid.example", 200),
        ("https://maple-street.example", 400),
        ("urn:oid:2.16.840.1.113883.4.6#1999002011", 400),
    ] {
        let mut claims = brigid.claims();
        claims["extensions"]["hl7-b2b"] = brigid.stated(&["TREAT"]);
        claims["extensions"]["hl7-b2b"]["organization_id"] = id.into();
        let answer = world
            .send(Partner::token_request(&brigid.sign(&claims), "system/*.rs"))
            .await;
        assert_eq!(answer.status, status, "{id}: {}", answer.text());
    }
}

async fn people_are_named_in_an_emergency_and_where_people_use_the_client(engine: Engine) {
    let world = World::empty(engine).await;
    let riverside = world.partner(RIVERSIDE).await;
    let interactive = ClientRegistration {
        interactive: true,
        ..ClientRegistration::with_keys(json!({"keys": [key_of("maple").public_jwk()]}))
    };
    let registered = world.register_as(MAPLE, interactive).await;
    let maple = partner(&world, MAPLE, &registered.client_id);
    let ask = async |who: &Partner<'_>, purpose: &str, name: Option<&str>, id: Option<&str>| {
        let mut claims = who.claims();
        let mut stated = json!({"version": "1", "purpose_of_use": [purpose]});
        stated["subject_name"] = name.map_or(Value::Null, Value::from);
        stated["subject_id"] = id.map_or(Value::Null, Value::from);
        claims["extensions"]["hl7-b2b"] = stated;
        world
            .send(Partner::token_request(&who.sign(&claims), "system/*.rs"))
            .await
    };
    for (who, purpose) in [(&riverside, "ETREAT"), (&maple, "TREAT")] {
        for (name, id) in [(None, None), (Some("Dana Reyes"), None)] {
            let answer = ask(who, purpose, name, id).await;
            assert_eq!(error(&answer), refused("invalid_request"), "{purpose} {name:?}");
        }
        let answer = ask(who, purpose, Some("Dana Reyes"), Some("staff-4")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(
        error(&maple.ask_token("system/*.rs", &[]).await),
        refused("invalid_request")
    );
    // A system that nobody uses by hand asks without a person, and the log says so.
    assert_eq!(ask(&riverside, "TREAT", None, None).await.status, 200);
}
