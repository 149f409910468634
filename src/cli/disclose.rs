//! `postern disclose`: a disclosure that a member of staff makes by hand, under their token; and its release by a second person.
//! 45 CFR 164.512(c), (e), (j), 164.510(b); 42 CFR 2.61 to 2.67

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::args::DiscloseArgs;
use super::preview::staff;
use crate::cli::say::{complain, say};
use crate::config::{new_private, read_input};
use crate::gateway::{Error, Gateway, Made};

/// A scanned order.
const LARGEST: u64 = 8 << 20;

pub async fn run(config: Option<&Path>, args: DiscloseArgs) -> anyhow::Result<u8> {
    let asked = asked(&args)?;
    // Before anything is recorded: what is released must have a place that holds nothing else.
    let mut out = new_private(&args.out).with_context(|| args.out.display().to_string())?;
    let gateway = super::open_founded(config).await?;
    let made = act(&gateway, &args, &asked).await;
    super::close(&gateway).await;
    let made = made?;
    if !matches!(made, Ok(Made::Released(_))) {
        std::fs::remove_file(&args.out)?;
    }
    match made {
        Ok(Made::Released(opened)) => {
            out.write_all(&opened.0)?;
            out.sync_all()?;
            say!(
                "recorded, and written to {} (readable by you alone)",
                args.out.display()
            );
            Ok(0)
        }
        Ok(Made::Waits(told)) => {
            let work = told["work"].as_str().unwrap_or_default();
            say!(
                "work item {work}: nothing has left. A second member of staff (role compliance) releases it with"
            );
            say!("  postern disclose --approve {work} --token-file THEIRS --out FILE");
            Ok(0)
        }
        Err(Error::Conflict) => {
            complain!(
                "not released: it takes another person than the first, and an item that is open and not taken by others"
            );
            Ok(1)
        }
        Err(Error::Unauthenticated) => {
            complain!("this token belongs to nobody who may act");
            Ok(1)
        }
        Err(error) => {
            complain!("nothing was disclosed:");
            error.issues().iter().for_each(|issue| complain!("  {issue}"));
            Ok(1)
        }
    }
}

async fn act(gateway: &Gateway, args: &DiscloseArgs, asked: &Value) -> anyhow::Result<Result<Made, Error>> {
    let first = match staff(gateway, Some(&args.token_file)).await? {
        Ok(first) => first,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(work) = &args.approve {
        return Ok(gateway
            .approve_disclosure(&first, work, &gateway.request_id())
            .await);
    }
    // Whoever cannot be the second person is told before anything is opened.
    let second = match &args.second_person_token_file {
        None => None,
        Some(file) => match staff(gateway, Some(file)).await? {
            Ok(second) => Some(second),
            Err(error) => return Ok(Err(error)),
        },
    };
    if let Some(second) = &second
        && let Err(error) = second.may_approve(&first)
    {
        return Ok(Err(error));
    }
    let made = gateway.disclose(&first, asked, &gateway.request_id()).await;
    let (Ok(Made::Waits(told)), Some(second)) = (&made, second) else {
        return Ok(made);
    };
    let work = told["work"].as_str().unwrap_or_default();
    Ok(gateway
        .approve_disclosure(&second, work, &gateway.request_id())
        .await)
}

fn asked(args: &DiscloseArgs) -> anyhow::Result<Value> {
    let mut asked = json!({
        "patient": args.patient,
        "basis": args.basis,
        "recipient": {"name": args.to},
        "why": args.why,
        "what": args.what,
        "facts": args.facts,
    });
    let texts = [
        ("decider", &args.decider),
        ("dataSet", &args.data_set),
        ("informed", &args.informed),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| text.is_some()) {
        asked[name] = json!(text);
    }
    if let Some(address) = &args.address {
        asked["recipient"]["address"] = address.as_str().into();
    }
    for (name, file) in [("order", &args.order), ("subpoena", &args.subpoena)] {
        if let Some(file) = file {
            let data = STANDARD.encode(read_input(file, LARGEST)?);
            asked[name] = json!({"contentType": "application/octet-stream", "data": data});
        }
    }
    Ok(asked)
}
