//! A partner in the place of an organisation that the synthetic records name: by its NPI and its name, wherever they stand.
//! <https://hl7.org/fhir/R4/organization.html>

use anyhow::bail;
use serde_json::Value;

use crate::cli::demo::records;
use crate::cli::demo::stage::Stage;
use crate::gateway::{ACTIVE, ClientRegistration, Gateway, NPI, NewPartner, Partner};

/// Class of recipient, NPI and name of an organisation in the records.
const PLACES: [(&str, &str, &str); 3] = [
    ("primary-care", "1999002011", "Maple Street Family Medicine"),
    ("crisis-team", "1999002029", "Riverside Mobile Crisis"),
    ("hospital", "1999002037", "St. Brigid Hospital ED"),
];

/// A person of the synthetic records, by the number their agency knows them by.
pub struct TestPerson {
    pub name: &'static str,
    pub system: &'static str,
    pub value: &'static str,
}

pub const PEOPLE: [TestPerson; 5] = [
    person(
        "Rosa Delgado-Synthetic",
        "https://hearthstone.example/ids/client",
        "HCS-104233",
    ),
    person(
        "Marcus Oyelaran-Synthetic",
        "https://hearthstone.example/ids/client",
        "HCS-104590",
    ),
    person(
        "Tamsin Whitcomb-Synthetic",
        "https://hearthstone.example/ids/client",
        "HCS-104871",
    ),
    person(
        "Theo Vance-Synthetic",
        "https://lantern.example/ids/guest",
        "G-0412",
    ),
    person(
        "Inez Calloway-Synthetic",
        "https://lantern.example/ids/guest",
        "G-0437",
    ),
];

const fn person(name: &'static str, system: &'static str, value: &'static str) -> TestPerson {
    TestPerson { name, system, value }
}

/// A partner as it is registered, with its client.
#[derive(Clone)]
pub struct Seated {
    pub partner: Partner,
    pub client_id: String,
    pub client: ClientRegistration,
}

/// The registration of an active partner with its one client.
pub async fn registered(gateway: &Gateway, id: &str) -> anyhow::Result<Seated> {
    let all = gateway.partners().await?;
    let Some((partner, state, clients)) = all.into_iter().find(|(partner, _, _)| partner.id == id) else {
        bail!("no partner `{id}`");
    };
    let [client] = clients.as_slice() else {
        bail!("partner `{id}` has {} clients", clients.len());
    };
    if state != ACTIVE || client.state != ACTIVE {
        bail!("partner `{id}` is disabled");
    }
    Ok(Seated {
        partner,
        client_id: client.client_id.clone(),
        client: serde_json::from_str(&client.body)?,
    })
}

/// Name of the organisation in whose place a partner of this class sits.
pub fn place_of(class: &str) -> Option<&'static str> {
    let place = PLACES.iter().find(|(of, _, _)| *of == class);
    place.map(|(_, _, name)| *name)
}

/// The number of the referral by which the agency's records send the first of the test people to such a partner.
pub fn referral_to(class: &str) -> Option<(&'static str, &'static str)> {
    let referral = ("https://hearthstone.example/ids/referral", "R-26-00417");
    (class == "primary-care").then_some(referral)
}

/// Takes the synthetic records in, with these partners in their places, and registers them under their own client ids.
pub async fn seat(stage: &Stage, partners: &[Seated]) -> anyhow::Result<()> {
    let mut records = records::load(&stage.gateway.config, stage.gateway.clock.instant())?;
    for (at, one) in partners.iter().enumerate() {
        let class = &one.partner.class;
        if partners[..at].iter().any(|other| other.partner.class == *class) {
            bail!("two partners of class {class}: the records name one such organisation");
        }
        let renamed = renaming(&one.partner)?;
        for record in &mut records {
            rename(&mut record.body, &renamed);
        }
    }
    for record in &records {
        stage.import(record).await?;
    }
    for one in partners {
        let new = NewPartner {
            partner: one.partner.clone(),
            client: one.client.clone(),
        };
        let added = stage
            .gateway
            .add_partner_as(new, one.client_id.clone(), "sandbox")
            .await;
        added.map_err(|problems| anyhow::Error::msg(problems.join("; ")))?;
    }
    Ok(())
}

/// What stands in the records, and what is to stand there.
type Renaming = [(String, String); 3];

fn renaming(partner: &Partner) -> anyhow::Result<Renaming> {
    let Some((_, npi, name)) = PLACES.iter().find(|(class, _, _)| *class == partner.class) else {
        let known = PLACES.map(|(class, _, _)| class).join(", ");
        bail!(
            "the synthetic records name nobody of class {}; they know {known}",
            partner.class
        );
    };
    let Some(own) = partner.organization.iter().find(|one| one.system == NPI) else {
        bail!(
            "partner `{}` has no NPI, by which records would name it",
            partner.id
        );
    };
    let to = |text: &str, own: &str| (text.to_owned(), own.to_owned());
    Ok([
        to(npi, &own.value),
        to(&format!("{name} (synthetic)"), &partner.name),
        to(name, &partner.name),
    ])
}

fn rename(value: &mut Value, renamed: &Renaming) {
    match value {
        Value::String(text) => {
            if let Some((from, to)) = renamed.iter().find(|(from, _)| text.contains(from.as_str())) {
                *text = text.replace(from.as_str(), to);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, renamed)),
        Value::Object(members) => members.values_mut().for_each(|member| rename(member, renamed)),
        _ => {}
    }
}
