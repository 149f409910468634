//! Who is calling: every defect of a token request is refused, and where a difference would help an attacker the
//! refusals are the same. <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Ask, BRIGID, Engine, MAPLE, Partner, Person, RIVERSIDE, World, key_of, registration_of, stories,
};

stories!(
    every_defect_of_an_assertion_is_the_same_refusal,
    defects_of_the_form_are_named,
    a_token_ends_after_five_minutes,
    a_disabled_partner_is_out_at_once,
    only_a_bearer_token_opens,
    scopes_cap_what_a_token_may_ask,
    a_token_is_bound_to_its_purpose,
    a_key_set_that_could_not_be_trusted_is_not_registered,
);

fn without_request_id(answer: &Answer) -> (u16, HeaderMap, String) {
    let mut headers = answer.headers.clone();
    headers.remove("x-request-id");
    (answer.status, headers, answer.text())
}

async fn try_assertion(partner: &Partner<'_>, assertion: &str) -> Answer {
    partner
        .world
        .send(Partner::token_request(assertion, "system/*.rs"))
        .await
}

/// Assertions each wrong in one way.
fn defects(partner: &Partner<'_>) -> Vec<(&'static str, String)> {
    let key = key_of(partner.who.id);
    let now = partner.world.clock.instant().0 / 1_000_000;
    let claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = partner.claims();
        change(&mut claims);
        key.sign(&key.header(), &claims).expect("signed")
    };
    let header = |change: &dyn Fn(&mut Value)| {
        let mut header = key.header();
        change(&mut header);
        key.sign(&header, &partner.claims()).expect("signed")
    };
    let unsigned = |assertion: String| {
        assertion
            .rsplit_once('.')
            .map(|(s, _)| format!("{s}."))
            .expect("a JWT")
    };
    let good = key.sign(&key.header(), &partner.claims()).expect("signed");
    vec![
        (
            "signed with another key",
            key_of("spare")
                .sign(&key.header(), &partner.claims())
                .expect("signed"),
        ),
        (
            "for another audience",
            claims(&|c| c["aud"] = "https://elsewhere.test/auth/token".into()),
        ),
        (
            "for the FHIR base",
            claims(&|c| c["aud"] = "https://postern.test/fhir".into()),
        ),
        ("without an audience", claims(&|c| c["aud"] = Value::Null)),
        ("expired", claims(&|c| c["exp"] = (now - 120).into())),
        ("good for an hour", claims(&|c| c["exp"] = (now + 3600).into())),
        ("without an end", claims(&|c| c["exp"] = Value::Null)),
        ("issued by another", claims(&|c| c["iss"] = "someone-else".into())),
        ("about another", claims(&|c| c["sub"] = "someone-else".into())),
        (
            "from an unknown client",
            claims(&|c| (c["iss"], c["sub"]) = ("nobody".into(), "nobody".into())),
        ),
        ("without a jti", claims(&|c| c["jti"] = Value::Null)),
        (
            "with an endless jti",
            claims(&|c| c["jti"] = "j".repeat(300).into()),
        ),
        ("from the future", claims(&|c| c["iat"] = (now + 600).into())),
        ("not yet valid", claims(&|c| c["nbf"] = (now + 600).into())),
        ("with an unknown kid", header(&|h| h["kid"] = "key-2".into())),
        ("without a kid", header(&|h| h["kid"] = Value::Null)),
        ("alg none", unsigned(header(&|h| h["alg"] = "none".into()))),
        ("alg HS256", header(&|h| h["alg"] = "HS256".into())),
        ("alg RS256", header(&|h| h["alg"] = "RS256".into())),
        (
            "alg RS384 with an ES384 key",
            header(&|h| h["alg"] = "RS384".into()),
        ),
        (
            "a jku",
            header(&|h| h["jku"] = "https://elsewhere.test/jwks".into()),
        ),
        ("bringing its own key", {
            let mut header = key.header();
            header["jwk"] = key_of("spare").public_jwk().clone();
            key_of("spare").sign(&header, &partner.claims()).expect("signed")
        }),
        ("a critical extension", header(&|h| h["crit"] = json!(["exp"]))),
        ("another type", header(&|h| h["typ"] = "at+jwt".into())),
        ("signature cut off", unsigned(good.clone())),
        ("signature altered", format!("{}AAAA", &good[..good.len() - 4])),
        ("naming a claim twice", {
            let (signed, _) = good.rsplit_once('.').expect("a JWT");
            let (header, _) = signed.split_once('.').expect("a JWT");
            let claims = maple_claims_twice(partner);
            format!("{header}.{claims}.AAAA")
        }),
        (
            "HS256 with the public key as its secret",
            signed_with_the_public_key(key.public_jwk(), partner),
        ),
        ("meant for somebody else too", {
            claims(&|c| c["aud"] = json!([c["aud"], "https://elsewhere.test/auth/token"]))
        }),
        ("no JWT", "not-a-jwt".to_owned()),
        ("empty", ".".to_owned()),
        ("huge", "A".repeat(20_000)),
    ]
}

/// The right claims, and `aud` once more.
fn maple_claims_twice(partner: &Partner<'_>) -> String {
    let claims = partner.claims().to_string();
    let twice = claims.replacen('{', "{\"aud\":\"https://elsewhere.test\",", 1);
    URL_SAFE_NO_PAD.encode(twice)
}

/// The old trick: what everybody may know, taken for a shared secret.
fn signed_with_the_public_key(jwk: &Value, partner: &Partner<'_>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "HS256", "kid": "key-1", "typ": "JWT"});
    let signed = format!("{}.{}", part(&header), part(&partner.claims()));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, jwk.to_string().as_bytes());
    let signature = hmac::sign(&secret, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn every_defect_of_an_assertion_is_the_same_refusal(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let mut first: Option<(u16, HeaderMap, String)> = None;
    for (what, assertion) in defects(&maple) {
        let answer = try_assertion(&maple, &assertion).await;
        assert_eq!(
            answer.json()["error"],
            "invalid_client",
            "{what}: {}",
            answer.text()
        );
        let refusal = without_request_id(&answer);
        assert_eq!(refusal.0, 401, "{what}");
        assert_eq!(&refusal, first.get_or_insert_with(|| refusal.clone()), "{what}");
    }
    assert_eq!(
        try_assertion(&maple, &maple.sign(&maple.claims())).await.status,
        200,
        "and a right one passes"
    );
    let reasons = crate::harness::operators_log();
    assert!(
        reasons.contains("token request refused"),
        "the reason is there for the operator"
    );
}

async fn defects_of_the_form_are_named(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let assertion = maple.sign(&maple.claims());
    let form = |grant: &str, kind: &str, scope: &str| {
        let pairs = [
            ("grant_type", grant),
            ("client_assertion_type", kind),
            ("scope", scope),
            ("client_assertion", &assertion),
        ];
        Ask::form("/auth/token", &pairs)
    };
    let cases = [
        (
            form("authorization_code", kind, "system/*.rs"),
            "unsupported_grant_type",
        ),
        (
            form("client_credentials", "urn:wrong", "system/*.rs"),
            "invalid_request",
        ),
        (form("client_credentials", kind, "patient/*.rs"), "invalid_scope"),
        (form("client_credentials", kind, "system/*.sr"), "invalid_scope"),
        (form("client_credentials", kind, ""), "invalid_scope"),
        (
            Ask::form("/auth/token", &[("grant_type", "client_credentials")]),
            "invalid_request",
        ),
        (Ask::form("/auth/token", &[]), "invalid_request"),
        (
            Ask::form(
                "/auth/token",
                &[("grant_type", "client_credentials"), ("grant_type", "x")],
            ),
            "invalid_request",
        ),
        (
            Ask::post("/auth/token", "{}").with("content-type", "application/json"),
            "invalid_request",
        ),
    ];
    for (ask, error) in cases {
        let answer = world.send(ask).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (400, Some(error)),
            "{}",
            answer.text()
        );
    }
    // None of these used the assertion up.
    let granted = world.send(form("client_credentials", kind, "system/*.rs")).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    assert_eq!(granted.header("cache-control"), "no-store");
    let body = granted.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("bearer"), &json!(300), &json!("system/*.rs"))
    );
}

async fn a_token_ends_after_five_minutes(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let mut maple = world.partner(MAPLE).await;
    let read = format!("Patient/{rosa}");
    world.clock.advance(299);
    assert_eq!(maple.get(&read).await.status, 200);
    world.clock.advance(1);
    let ended = maple.get(&read).await;
    assert_eq!((ended.status, ended.header("www-authenticate")), (401, "Bearer"));
    maple.renew().await;
    assert_eq!(maple.get(&read).await.status, 200);
}

async fn a_disabled_partner_is_out_at_once(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let other = world.another_process().await;
    let ask = || Ask::get(&format!("/fhir/Patient/{rosa}")).bearer(&maple.token);
    assert_eq!(
        (world.send(ask()).await.status, other.send(ask()).await.status),
        (200, 200)
    );
    world
        .gateway
        .disable_partner("maple", "test operator")
        .await
        .expect("known");
    assert_eq!(
        (world.send(ask()).await.status, other.send(ask()).await.status),
        (401, 401)
    );
    let again = maple.ask_token("system/*.rs", &[]).await;
    assert_eq!(
        without_request_id(&again),
        without_request_id(&try_assertion(&maple, "not-a-jwt").await)
    );
}

async fn only_a_bearer_token_opens(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let staff = world
        .gateway
        .add_staff("kim", "Kim", "compliance", false, "test operator")
        .await
        .expect("a known role");
    let source = world
        .gateway
        .add_source("hearthstone", false, "test operator")
        .await
        .expect("recorded");
    let path = format!("/fhir/Patient/{rosa}");
    let bare = without_request_id(&world.send(Ask::get(&path)).await);
    assert_eq!(bare.0, 401);
    let headers = [
        "Bearer".to_owned(),
        "Bearer x".to_owned(),
        format!("Basic {}", maple.token),
        maple.token.clone(),
        format!("Bearer {}x", maple.token),
        format!("Bearer {staff}"),
        format!("Bearer {source}"),
        format!("Bearer {}", "A".repeat(600)),
    ];
    for header in headers {
        let answer = world.send(Ask::get(&path).with("authorization", &header)).await;
        assert_eq!(without_request_id(&answer), bare, "{header}");
    }
    assert_eq!(
        world
            .send(Ask::get(&format!("{path}?access_token={}", maple.token)))
            .await
            .status,
        401
    );
}

async fn scopes_cap_what_a_token_may_ask(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let mut maple = world.partner(MAPLE).await;
    maple.narrow("system/CarePlan.s system/Patient.r").await;
    let cases = [
        (format!("CarePlan?patient={rosa}"), 200),
        (format!("Patient/{rosa}"), 200),
        (format!("Patient?_id={rosa}"), 403),
        (format!("Condition?patient={rosa}"), 403),
        ("Condition/x".to_owned(), 403),
        ("CarePlan/x".to_owned(), 403),
        ("CarePlan".to_owned(), 400),
        (format!("CarePlan?patient={rosa}&colour=red"), 400),
        (format!("CarePlan?patient={rosa}&_total=accurate"), 200),
        (format!("CarePlan?patient={rosa}&_summary=count"), 200),
        (format!("CarePlan?patient={rosa}&_include=CarePlan:*"), 400),
        (format!("CarePlan?patient={rosa}&status:in=active"), 400),
        (format!("CarePlan?patient={rosa}&patient.identifier=x"), 400),
        (
            format!("CarePlan?patient={rosa}&_has:Goal:patient:status=active"),
            400,
        ),
        (format!("CarePlan?patient=Group/{rosa}"), 400),
        ("CarePlan?patient=".to_owned(), 400),
        (format!("Patient/{rosa}?_summary=true"), 200),
        (format!("Patient/{rosa}?_summary=count"), 400),
        (format!("Patient/{rosa}?colour=red"), 400),
    ];
    for (path, status) in cases {
        let answer = maple.get(&path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        if status >= 400 {
            assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{path}");
        }
    }
    // What the scope does not read does not come with what it searches.
    let path = format!("CarePlan?patient={rosa}&_include=CarePlan:goal&_include=CarePlan:patient");
    let kinds = |answer: &crate::harness::Answer| -> Vec<String> {
        let all = answer.resources().into_iter();
        let mut kinds: Vec<String> = all
            .map(|one| one["resourceType"].as_str().unwrap_or_default().to_owned())
            .collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(&maple.get(&path).await), ["CarePlan", "Patient"]);
    maple.renew().await;
    assert_eq!(kinds(&maple.get(&path).await), ["CarePlan", "Goal", "Patient"]);
    let refused = maple.ask_token("system/CarePlan.cud", &[]).await;
    assert_eq!(
        (refused.status, refused.json()["error"].as_str()),
        (400, Some("invalid_scope"))
    );
}

async fn a_token_is_bound_to_its_purpose(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let mut riverside = world.partner(RIVERSIDE).await;
    for wrong in [
        &["HPAYMT"][..],
        &["urn:oid:2.16.840.1.113883.5.8#HMARKT"],
        &["TREAT", "ETREAT"],
        &["nonsense"],
    ] {
        let answer = riverside.ask_token("system/*.rs", wrong).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (400, Some("invalid_request")),
            "{wrong:?}"
        );
    }
    for asked in [
        "ETREAT",
        "urn:oid:2.16.840.1.113883.5.8#ETREAT",
        "http://terminology.hl7.org/CodeSystem/v3-ActReason|ETREAT",
    ] {
        let granted = riverside.ask_token("system/*.rs", &[asked]).await;
        assert_eq!(granted.status, 200, "{asked}: {}", granted.text());
        riverside.token = granted.json()["access_token"]
            .as_str()
            .expect("a token")
            .to_owned();
    }
    let id = world.unique("purpose");
    let answer = riverside
        .send(Ask::get(&format!("/fhir/CarePlan?patient={rosa}")).with("x-request-id", &id))
        .await;
    assert_eq!(answer.status, 200);
    let events = world.events().await;
    let purposes: Vec<_> = events
        .iter()
        .filter(|e| e.request == id)
        .map(|e| e.purpose.as_str())
        .collect();
    assert!(
        !purposes.is_empty() && purposes.iter().all(|p| *p == "ETREAT"),
        "{purposes:?}"
    );
}

async fn a_key_set_that_could_not_be_trusted_is_not_registered(engine: Engine) {
    use postern::gateway::{ClientRegistration, NewPartner, Partner as Registration};
    let world = World::empty(engine).await;
    let key = key_of("spare").public_jwk().clone();
    let mut private = key.clone();
    private["d"] = "AAAA".into();
    let partner = registration_of(BRIGID);
    let sets = [
        json!({"keys": [key, key]}),
        json!({"keys": [private]}),
        json!({"keys": []}),
        json!({"keys": [{"kty": "oct", "kid": "a", "k": "AAAA"}]}),
    ];
    for jwks in sets {
        let new = NewPartner {
            partner: partner.clone(),
            client: ClientRegistration::with_keys(jwks),
        };
        assert!(world.gateway.add_partner(new, "test operator").await.is_err());
    }
    let payer = Registration {
        class: "health-plan".to_owned(),
        ..partner
    };
    let problems = world
        .gateway
        .add_partner(
            NewPartner {
                partner: payer,
                client: ClientRegistration::with_keys(json!({"keys": [key]})),
            },
            "op",
        )
        .await;
    assert!(
        problems
            .err()
            .expect("refused")
            .iter()
            .any(|p| p.starts_with("purposes:")),
        "nothing serves a health plan"
    );
}
