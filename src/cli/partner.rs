//! `postern partner`: register partners, show them, check a registration, disable one.

use std::path::Path;

use anyhow::bail;
use postern_rules::fhir::json;
use serde_json::{Value, json};

use super::args::{KeysArgs, PartnerArgs, PartnerCommand, PartnerKeysArgs};
use super::{certificates, kit, table};
use crate::auth::{ClientKey, NotFetched, fetch_keys};
use crate::cli::say::{complain, say};
use crate::config::read_input;
use crate::gateway::{
    ClientRegistration, Gateway, Identifier, NPI, NewPartner, Partner, Proof, Registered, URI,
};
use crate::store::Client;

pub async fn run(config: Option<&Path>, command: PartnerCommand) -> anyhow::Result<u8> {
    let gateway = super::open(config).await?;
    let code = match command {
        PartnerCommand::Add(args) => add(&gateway, *args).await,
        PartnerCommand::Keys(args) => change_keys(&gateway, args).await,
        PartnerCommand::Certificates(args) => certificates::change(&gateway, args).await,
        PartnerCommand::List { json } => list(&gateway, json).await,
        PartnerCommand::Test(args) => test(&gateway, &args.id).await,
        PartnerCommand::Kit(args) => kit::run(&gateway, &args).await,
        PartnerCommand::Disable { id } => disable(&gateway, &id).await,
    };
    super::close(&gateway).await;
    code
}

async fn add(gateway: &Gateway, args: PartnerArgs) -> anyhow::Result<u8> {
    let client = ClientRegistration {
        interactive: args.interactive,
        certificates: args.certificates.read()?,
        ..keys(&args.keys)?
    };
    let mut organization = vec![Identifier {
        system: NPI.to_owned(),
        value: args.npi,
    }];
    organization.extend(args.organization_ids.into_iter().map(|value| Identifier {
        system: URI.to_owned(),
        value,
    }));
    let partner = Partner {
        id: args.id,
        name: args.name,
        class: args.class,
        organization,
        purposes: args.purposes,
        scopes: args.scope,
        role: args.role,
        medical_personnel: args.medical_personnel,
        phone: args.phone,
    };
    let new = NewPartner { partner, client };
    let added = gateway.add_partner(new, &super::operator()).await;
    Ok(say_registered(gateway, added, args.json))
}

async fn change_keys(gateway: &Gateway, args: PartnerKeysArgs) -> anyhow::Result<u8> {
    let changed = gateway
        .change_keys(&args.id, keys(&args.keys)?, &super::operator())
        .await;
    Ok(say_registered(gateway, changed, args.json))
}

/// The keys named on the command line; none for a secret, which the gateway makes.
fn keys(args: &KeysArgs) -> anyhow::Result<ClientRegistration> {
    if let Some(url) = &args.jwks_url {
        return Ok(ClientRegistration::with_keys_at(url.clone()));
    }
    let Some(file) = &args.jwks else {
        return Ok(ClientRegistration::default());
    };
    let bytes = read_input(file, 64 * 1024)?;
    let Ok(jwks) = json::parse(&bytes) else {
        bail!("{}: not JSON", file.display())
    };
    Ok(ClientRegistration::with_keys(jwks))
}

pub fn say_registered(gateway: &Gateway, result: Result<Registered, Vec<String>>, as_json: bool) -> u8 {
    let registered = match result {
        Ok(registered) => registered,
        Err(problems) => {
            problems.iter().for_each(|problem| complain!("{problem}"));
            return 1;
        }
    };
    let base = gateway.config.base();
    if as_json {
        let mut said = json!({"client_id": registered.client_id, "token_endpoint": registered.token_endpoint,
            "fhir_base": base});
        if let Some(secret) = registered.secret {
            said["client_secret"] = secret.into();
        }
        say!("{said}");
        return 0;
    }
    say!("client id       {}", registered.client_id);
    say!("FHIR base       {base}");
    say!("token endpoint  {}", registered.token_endpoint);
    if let Some(secret) = registered.secret {
        say!("client secret   {secret}");
        complain!("the secret is shown this once; whoever has it is this partner: keys are the better way");
    }
    0
}

async fn list(gateway: &Gateway, as_json: bool) -> anyhow::Result<u8> {
    let partners = gateway.partners().await?;
    if as_json {
        let list: Vec<Value> = partners
            .iter()
            .map(|(partner, state, clients)| {
                let proofs: Vec<String> = clients.iter().map(|c| said_of(gateway, c)).collect();
                let clients: Vec<&str> = clients.iter().map(|c| c.client_id.as_str()).collect();
                json!({"partner": partner, "inLaw": in_law(gateway, partner), "state": state, "clients": clients,
                    "proof": proofs})
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&list)?);
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
            let proofs: Vec<String> = clients.iter().map(|c| said_of(gateway, c)).collect();
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
                proofs.join("; "),
            ]
        })
        .collect();
    table::print(
        &[
            "Id", "Name", "Class", "In law", "NPI", "Purposes", "State", "Clients", "Proof",
        ],
        &rows,
    );
    Ok(0)
}

/// How a client proves itself; else what is wrong with its registration.
fn said_of(gateway: &Gateway, client: &Client) -> String {
    proof(gateway, client).map_or_else(|wrong| wrong, |(said, _)| said)
}

/// How a client proves itself, in words and as it is used.
fn proof(gateway: &Gateway, client: &Client) -> Result<(String, Proof), String> {
    let registered: ClientRegistration =
        serde_json::from_str(&client.body).map_err(|_| "the registration does not read".to_owned())?;
    let interactive = match registered.interactive {
        true => "; people use it",
        false => "",
    };
    let bound = match registered.certificates.len() {
        0 => String::new(),
        _ => format!("; over TLS with {}", registered.certificates_said()),
    };
    let proof = registered.proof(&gateway.egress)?;
    Ok((format!("{}{interactive}{bound}", proof.described()), proof))
}

/// What stands at the address of a client's keys now.
fn fetched(found: Result<(Vec<ClientKey>, i64), NotFetched>) -> String {
    match found {
        Ok((keys, seconds)) => format!("{}; kept for {seconds} s", Proof::Keys(keys).described()),
        Err(why) => why.to_string(),
    }
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
        say!("{} {what}: {note}", if ok { "ok  " } else { "FAIL" });
        good &= ok;
    };
    say("state", state == crate::gateway::ACTIVE, state.clone());
    say("in law", true, in_law(gateway, &partner));
    for client in &clients {
        let active = client.state == crate::gateway::ACTIVE;
        match proof(gateway, client) {
            Ok((said, proof)) => {
                say("keys", active, format!("{}: {said}", client.client_id));
                if let Proof::KeysAt(address) = proof {
                    let found = fetch_keys(&address, &gateway.egress).await;
                    say("fetched", found.is_ok(), fetched(found));
                }
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
    say!(
        "     a client proves itself at {} and reads {}",
        gateway.token_endpoint(),
        gateway.config.base()
    );
    Ok(u8::from(!good))
}

async fn disable(gateway: &Gateway, id: &str) -> anyhow::Result<u8> {
    match gateway.disable_partner(id, &super::operator()).await {
        Ok(()) => {
            say!("{id} is disabled: its tokens are refused from now on");
            Ok(0)
        }
        Err(crate::gateway::Error::NotFound) => bail!("no partner `{id}`"),
        Err(error) => Err(error.into()),
    }
}
