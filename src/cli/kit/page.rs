//! What a partner's people read: one page of facts, and the checklist of the agreement. 45 CFR 164.504(e), 42 CFR 2.32

use std::fmt::Write as _;

use postern_rules::fhir::json;
use serde_json::json;

use super::Facts;
use super::play::{Played, Player, claims};
use super::requests::token;
use super::sample::{Sample, encoded};
use crate::cli::sandbox::seat::{PEOPLE, TestPerson};
use crate::gateway::Gateway;

/// A test person with what this partner is shown of them.
pub struct Seen {
    person: &'static TestPerson,
    born: String,
    /// By type; none: the person is not there for this partner.
    shown: Vec<(String, u64)>,
}

/// The name of a sample's files.
pub fn stem(at: usize, sample: &Sample) -> String {
    format!("{:02}-{}", at + 1, sample.name)
}

/// Asks about each of the test people.
pub async fn people(player: &mut Player<'_>, facts: &Facts<'_>) -> anyhow::Result<Vec<Seen>> {
    player
        .play(facts, &token(facts, "token", "", &facts.seated.partner.scopes))
        .await?;
    let mut all = Vec::new();
    for person in &PEOPLE {
        let number = encoded(&format!("{}|{}", person.system, person.value));
        let find = Sample::get("find", "", &format!("/fhir/Patient?identifier={number}"));
        let found = json::parse(player.play(facts, &find).await?.text.as_bytes()).unwrap_or_default();
        let patient = &found["entry"][0]["resource"];
        let mut shown = Vec::new();
        if patient["id"].is_string() {
            for name in &facts.types {
                let search = Sample::get("search", "", &format!("/fhir/{name}?patient={{{{patient}}}}"));
                let answer =
                    json::parse(player.play(facts, &search).await?.text.as_bytes()).unwrap_or_default();
                if let Some(total) = answer["total"].as_u64().filter(|total| *total > 0) {
                    shown.push((name.clone(), total));
                }
            }
        }
        let born = patient["birthDate"].as_str().unwrap_or("–").to_owned();
        all.push(Seen { person, born, shown });
    }
    Ok(all)
}

/// What a partner asks for and this deployment's configuration does not say.
pub fn missing(gateway: &Gateway) -> Vec<&'static str> {
    let agency = &gateway.config.agency;
    let told = [
        ("agency.phone", &agency.phone),
        ("agency.email", &agency.email),
        ("agency.responsible", &agency.responsible),
    ];
    told.into_iter()
        .filter(|(_, text)| text.trim().is_empty())
        .map(|(name, _)| name)
        .collect()
}

fn or_blank(text: &str) -> &str {
    if text.trim().is_empty() {
        "_to be filled in_"
    } else {
        text
    }
}

pub fn readme(facts: &Facts<'_>, root: &str, played: &[(Sample, Played)], people: &[Seen]) -> String {
    let (gateway, partner) = (facts.gateway, &facts.seated.partner);
    let mut page = format!(
        "# {}: integration kit for {}\n\nFHIR R4 (4.0.1) over HTTPS, SMART Backend Services. Everything below was played against a sandbox of invented people\nwhen this kit was written; `answers/` holds what came back.\n",
        gateway.config.agency.name, partner.name
    );
    page.push_str(&addresses(gateway, root));
    page.push_str(&client(facts));
    page.push_str(&data(facts));
    page.push_str(&test_people(people));
    page.push_str(&requests(played));
    page.push_str(&rules_of_the_road(gateway));
    page.push_str(&contacts(gateway));
    page
}

fn addresses(gateway: &Gateway, root: &str) -> String {
    let base = gateway.config.base();
    let own = base.strip_suffix("/fhir").unwrap_or(&base);
    let mut page = "\n## Addresses\n\n| | sandbox | production |\n|---|---|---|\n".to_owned();
    for (what, path) in [
        ("FHIR base", "/fhir"),
        ("token endpoint, and the `aud` of assertions", "/auth/token"),
        ("introspection", "/auth/introspect"),
        ("revocation", "/auth/revoke"),
        ("discovery", "/fhir/.well-known/smart-configuration"),
        ("capabilities", "/fhir/metadata"),
        ("our public keys, where we call you", "/.well-known/jwks.json"),
    ] {
        let _ = writeln!(page, "| {what} | `{root}{path}` | `{own}{path}` |");
    }
    page
}

fn client(facts: &Facts<'_>) -> String {
    let (partner, client) = (&facts.seated.partner, &facts.seated.client_id);
    let proof = match (facts.secret, &facts.seated.client.jwks_url) {
        (true, _) => "a shared secret (weaker than keys; ask to change to keys)".to_owned(),
        (false, Some(url)) => format!("`private_key_jwt`, keys at {url}"),
        (false, None) => "`private_key_jwt` with the keys you sent".to_owned(),
    };
    let connection = match facts.seated.client.certificates_said().as_str() {
        "" => "TLS 1.2 or 1.3".to_owned(),
        bound => format!(
            "mutual TLS with your certificate (SHA-256 {bound}); curl: `--cert`, `--key`. Tokens are bound to it (RFC 8705)"
        ),
    };
    let person = match facts.named {
        true => "each token names the person who asks: `subject_name` and `subject_id` in `hl7-b2b`",
        false => "`subject_name` and `subject_id` in `hl7-b2b` may name the person who asks",
    };
    format!(
        "\n## Your client\n\n| | |\n|---|---|\n| client id (sandbox and production) | `{client}` |\n| proves itself by | {proof} |\n| connection | {connection} |\n| algorithms | RS384, ES384; RS256, ES256 for those that know no better |\n| scopes | `{}` |\n| purposes of use | {}; the first is the default |\n| people | {person} |\n\n`assertion.json` shows header and claims: `exp` at most 300 seconds ahead (60 s of leeway), a `jti` used once. A token lasts\n300 seconds; another purpose needs another token.\n",
        partner.scopes,
        partner.purposes.join(", ")
    )
}

fn data(facts: &Facts<'_>) -> String {
    let set = facts
        .gateway
        .rules
        .data_set(&facts.seated.partner.class, facts.purpose());
    let title = set.map_or("none", |set| set.title());
    format!(
        "\n## What you get\n\nThe data set *{title}* for class `{}` and purpose {}: {}. `meta.profile` of each resource names its closed\nprofile, readable without a token under `StructureDefinition/`. Consent, law and purpose decide person by person; what is\nnot released to you does not exist in any answer.\n",
        facts.seated.partner.class,
        facts.purpose(),
        facts.types.join(", ")
    )
}

fn test_people(people: &[Seen]) -> String {
    let mut page = "\n## Test people (sandbox, invented)\n\nIds are new at each start of the sandbox; find people by number.\n\n| name | number | born | you are shown |\n|---|---|---|---|\n".to_owned();
    for seen in people {
        let shown: Vec<String> = seen.shown.iter().map(|(name, n)| format!("{name} {n}")).collect();
        let shown = if shown.is_empty() {
            "nothing: an empty searchset".to_owned()
        } else {
            shown.join(", ")
        };
        let TestPerson { name, system, value } = seen.person;
        let _ = writeln!(page, "| {name} | `{system}|{value}` | {} | {shown} |", seen.born);
    }
    page.replace("|HCS", "\\|HCS").replace("|G-", "\\|G-")
}

fn requests(played: &[(Sample, Played)]) -> String {
    let mut page = "\n## Requests, in order\n\nEach as HTTP (`requests/*.http`, for editors with a client) and as curl (`requests/*.sh`, with `$token`, `$assertion`, `$patient`,\nand what an answer before it told of: `{{task}}` is `$task`).\n\n| files | what | status | in the answer |\n|---|---|---|---|\n".to_owned();
    for (at, (sample, answer)) in played.iter().enumerate() {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            stem(at, sample),
            sample.title,
            answer.status,
            sample.tells
        );
    }
    page
}

fn rules_of_the_road(gateway: &Gateway) -> String {
    let limits = &gateway.config.limits;
    let rate = match limits.requests_per_minute {
        0 => "none".to_owned(),
        most => format!(
            "{most} a minute for one client, {} at once; then 429 with `Retry-After`",
            limits.burst
        ),
    };
    format!(
        "\n## Limits\n\n| | |\n|---|---|\n| request body | {} bytes |\n| one request | {} s |\n| requests | {rate} |\n| page of a search | 100 matches, `_count` up to 500; follow `next` as it is |\n| 503 | busy, or the log cannot be written: nothing was disclosed; again after `Retry-After` |\n\nTell us within a day when a key may be in other hands. We publish a new key a day before it signs.\n",
        gateway.config.server.body_limit, limits.request_seconds
    )
}

fn contacts(gateway: &Gateway) -> String {
    let agency = &gateway.config.agency;
    format!(
        "\n## Contacts\n\n| | |\n|---|---|\n| agency | {} |\n| telephone | {} |\n| e-mail | {} |\n| responsible for emergency disclosures (42 CFR 2.51(c)(2)) | {} |\n\nSay the `X-Request-ID` of an answer, never a person's name or number, when you write to us.\n",
        agency.name,
        or_blank(&agency.phone),
        or_blank(&agency.email),
        or_blank(&agency.responsible)
    )
}

/// Header and claims of a client assertion, before it is signed.
pub fn assertion(facts: &Facts<'_>, root: &str) -> String {
    let mut claims = claims(facts, &format!("{root}/auth/token"));
    claims["exp"] = "NumericDate: now + 240 seconds, at most 300".into();
    claims["jti"] = "new for each request".into();
    let header = json!({"alg": "ES384", "typ": "JWT", "kid": "one of your key set"});
    serde_json::to_string_pretty(&json!({"header": header, "claims": claims})).unwrap_or_default() + "\n"
}

/// What both sides agree on before production. Not legal advice.
pub fn agreement(facts: &Facts<'_>) -> String {
    let partner = &facts.seated.partner;
    let mut page = format!(
        "# Agreement checklist: {} and {}\n\nFor both sides' counsel and privacy officers; not legal advice. Tick when it is written down.\n\n",
        facts.gateway.config.agency.name, partner.name
    );
    let emergency =
        "who may open break-glass, as medical personnel or not (42 CFR 2.51), and who answers the review";
    for point in [
        "what you are in law: provider, plan, business associate, none of these (45 CFR 160.103)",
        "purposes of use, and that a token states the true one",
        "the data set as the minimum necessary (45 CFR 164.502(b), 164.514(d))",
        "42 CFR Part 2: the notice of 2.32 stays with the data; redisclosure only as it allows",
        "labels in `meta.security` are kept and obeyed",
        "a consent taken back counts from your next request; what you hold is held as you held it before",
        "who at your side may ask, how they are known to you, and that their access ends with their work",
        "private keys: where they lie, who reaches them, when they change, whom you tell within a day",
        "breach: whom each side tells, how fast (45 CFR 164.410, 164.404)",
        "accounting of disclosures: ours from our log; yours if you disclose further (45 CFR 164.528)",
        "contacts by day and by night on both sides; planned outages and how they are announced",
        "sandbox passed: each request of this kit answered as it says, by your client",
    ] {
        let _ = writeln!(page, "- [ ] {point}");
    }
    if facts.emergency {
        let _ = writeln!(page, "- [ ] {emergency}");
    }
    page
}
