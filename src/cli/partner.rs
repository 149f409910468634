//! `postern partner`: register partners, show them, check a registration, disable one.

use std::path::Path;

use anyhow::bail;
use postern_rules::fhir::json;
use serde_json::{Value, json};

use super::args::{PartnerArgs, PartnerCommand};
use super::table;
use crate::auth::parse_jwks;
use crate::config::read_input;
use crate::gateway::{Gateway, Identifier, NPI, NewPartner, Partner};

pub async fn run(config: Option<&Path>, command: PartnerCommand) -> anyhow::Result<u8> {
    let gateway = super::open(config).await?;
    let code = match command {
        PartnerCommand::Add(args) => add(&gateway, args).await,
        PartnerCommand::List { json } => list(&gateway, json).await,
        PartnerCommand::Test(args) => test(&gateway, &args.id).await,
        PartnerCommand::Disable { id } => disable(&gateway, &id).await,
    };
    super::close(&gateway).await;
    code
}

async fn add(gateway: &Gateway, args: PartnerArgs) -> anyhow::Result<u8> {
    let bytes = read_input(&args.jwks, 64 * 1024)?;
    let Ok(jwks) = json::parse(&bytes) else {
        bail!("{}: not JSON", args.jwks.display())
    };
    let partner = Partner {
        id: args.id,
        name: args.name,
        class: args.class,
        organization: vec![Identifier {
            system: NPI.to_owned(),
            value: args.npi,
        }],
        purposes: args.purposes,
        scopes: args.scope,
        role: args.role,
        medical_personnel: args.medical_personnel,
        phone: args.phone,
    };
    match gateway
        .add_partner(NewPartner { partner, jwks }, &super::operator())
        .await
    {
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            Ok(1)
        }
        Ok(registered) => {
            let base = gateway.config.base();
            if args.json {
                println!(
                    "{}",
                    json!({"client_id": registered.client_id, "token_endpoint": registered.token_endpoint, "fhir_base": base})
                );
            } else {
                println!("client id       {}", registered.client_id);
                println!("FHIR base       {base}");
                println!("token endpoint  {}", registered.token_endpoint);
            }
            Ok(0)
        }
    }
}

async fn list(gateway: &Gateway, as_json: bool) -> anyhow::Result<u8> {
    let partners = gateway.partners().await?;
    if as_json {
        let list: Vec<Value> = partners
            .iter()
            .map(|(partner, state, clients)| {
                let clients: Vec<&str> = clients.iter().map(|c| c.client_id.as_str()).collect();
                json!({"partner": partner, "inLaw": in_law(gateway, partner), "state": state, "clients": clients})
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&list)?);
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = partners
        .iter()
        .map(|(partner, state, clients)| {
            let npi = partner
                .organization
                .iter()
                .find(|i| i.system == NPI)
                .map_or("", |i| i.value.as_str());
            let clients: Vec<&str> = clients.iter().map(|c| c.client_id.as_str()).collect();
            vec![
                partner.id.clone(),
                partner.name.clone(),
                partner.class.clone(),
                in_law(gateway, partner),
                npi.to_owned(),
                partner.purposes.join(" "),
                state.clone(),
                clients.join(" "),
            ]
        })
        .collect();
    table::print(
        &[
            "Id", "Name", "Class", "In law", "NPI", "Purposes", "State", "Clients",
        ],
        &rows,
    );
    Ok(0)
}

/// Its role in law, and whether it is registered as medical personnel (42 CFR 2.51).
fn in_law(gateway: &Gateway, partner: &Partner) -> String {
    let recipient = partner.recipient(&gateway.rules.policy);
    let medical = if recipient.medical_personnel {
        ", medical personnel"
    } else {
        ""
    };
    format!("{}{medical}", recipient.role.name())
}

/// What an operator wants to know before telling a partner "it works".
async fn test(gateway: &Gateway, id: &str) -> anyhow::Result<u8> {
    let partners = gateway.partners().await?;
    let Some((partner, state, clients)) = partners.into_iter().find(|(partner, _, _)| partner.id == id)
    else {
        bail!("no partner `{id}`");
    };
    let mut good = true;
    let mut say = |what: &str, ok: bool, note: String| {
        println!("{} {what}: {note}", if ok { "ok  " } else { "FAIL" });
        good &= ok;
    };
    say("state", state == crate::gateway::ACTIVE, state.clone());
    say("in law", true, in_law(gateway, &partner));
    for client in &clients {
        let body: Value = serde_json::from_str(&client.body).unwrap_or(Value::Null);
        match parse_jwks(&body["jwks"]) {
            Ok(keys) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|k| format!("{} ({})", k.kid, k.algorithm()))
                    .collect();
                say(
                    "keys",
                    client.state == crate::gateway::ACTIVE,
                    format!("{}: {}", client.client_id, keys.join(", ")),
                );
            }
            Err(error) => say("keys", false, format!("{}: {error}", client.client_id)),
        }
    }
    for purpose in &partner.purposes {
        let set = gateway.rules.data_set(&partner.class, purpose);
        say(
            "purpose",
            set.is_some(),
            format!("{purpose} → data set {}", set.map_or("none", |set| set.name())),
        );
    }
    let named = gateway.people_naming(&partner).await?;
    say(
        "people",
        true,
        format!("{named} records name its organisation; what each releases is decided per request"),
    );
    println!(
        "     a client proves itself at {} and reads {}",
        gateway.token_endpoint(),
        gateway.config.base()
    );
    Ok(u8::from(!good))
}

async fn disable(gateway: &Gateway, id: &str) -> anyhow::Result<u8> {
    match gateway.disable_partner(id, &super::operator()).await {
        Ok(()) => {
            println!("{id} is disabled: its tokens are refused from now on");
            Ok(0)
        }
        Err(crate::gateway::Error::NotFound) => bail!("no partner `{id}`"),
        Err(error) => Err(error.into()),
    }
}
