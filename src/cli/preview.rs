//! `postern preview`: what a partner would be shown of a person, and why the rest is kept back. A use, on the log.
//! 45 CFR 164.514(d), 171.202

use std::path::Path;

use postern_rules::fhir::json;
use serde_json::Value;

use super::args::PreviewArgs;
use super::{table, told};
use crate::auth::bearer;
use crate::cli::say::complain;
use crate::config::read_input;
use crate::gateway::{Error, Gateway, Look, StaffMember};

/// A consent is a page, not a record.
const LARGEST: u64 = 1 << 20;

pub async fn run(config: Option<&Path>, args: PreviewArgs) -> anyhow::Result<u8> {
    let look = match look(&args)? {
        Ok(look) => look,
        Err(problems) => {
            problems.iter().for_each(|problem| complain!("{problem}"));
            return Ok(1);
        }
    };
    let gateway = super::open_founded(config).await?;
    let request = gateway.request_id();
    let looked = match staff(&gateway, args.token_file.as_deref()).await? {
        Ok(staff) => gateway.preview(&staff, &look, &request).await,
        Err(error) => Err(error),
    };
    super::close(&gateway).await;
    match looked {
        Ok(looked) if args.json => table::say(&format!("{:#}\n", looked.to_json())),
        Ok(looked) => table::say(&told::in_words(&looked)),
        Err(Error::Unauthenticated) => return refuse("this token belongs to nobody who may act"),
        Err(error) => {
            error.issues().iter().for_each(|issue| complain!("{issue}"));
            return Ok(1);
        }
    }
    Ok(0)
}

fn refuse(why: &str) -> anyhow::Result<u8> {
    complain!("{why}");
    Ok(1)
}

/// The member of staff behind a token, or whoever runs the command.
pub async fn staff(gateway: &Gateway, token: Option<&Path>) -> anyhow::Result<Result<StaffMember, Error>> {
    let Some(file) = token else {
        return Ok(Ok(StaffMember::operator(&super::operator())));
    };
    let token = String::from_utf8(read_input(file, 4096)?)?;
    Ok(gateway
        .staff(bearer(Some(&format!("Bearer {}", token.trim()))))
        .await)
}

fn look(args: &PreviewArgs) -> anyhow::Result<Result<Look, Vec<String>>> {
    let mut look = Look {
        patient: args.patient.clone(),
        partner: args.partner.clone(),
        purpose: args.purpose.clone(),
        without: args.without.clone(),
        with: Vec::new(),
        grant: args.grant,
    };
    let mut problems = Vec::new();
    for file in &args.with {
        match json::parse(&read_input(file, LARGEST)?) {
            Ok(Value::Array(consents)) => look.with.extend(consents),
            Ok(one) => look.with.push(one),
            Err(issues) => problems.extend(issues.iter().map(|issue| format!("{}: {issue}", file.display()))),
        }
    }
    Ok(if problems.is_empty() {
        Ok(look)
    } else {
        Err(problems)
    })
}
