//! A panel: many people like one of the demo, under other ids, names and numbers, each a record of its own.
//! <https://hl7.org/fhir/R4/group.html>

use postern_rules::fhir::is_shared;
use serde_json::{Value, json};

use super::{Kept, World, records};

impl World {
    /// So many people like Rosa in this world, of these types of resources only (all, when none is named); their ids in order of
    /// their numbers. The n-th is `Rosa-n Delgado-n`, born on day n of 1980; so old are
    /// its care teams.
    pub async fn panel(&self, people: usize, types: &[&str]) -> Vec<String> {
        let rosa: Vec<_> = records("rosa").cloned().collect();
        let mut all = self.converted(&rosa);
        all.retain(|one| {
            let kind = one.body["resourceType"].as_str().unwrap_or_default();
            types.is_empty() || is_shared(kind) || types.contains(&kind)
        });
        let (shared, own): (Vec<Kept>, Vec<Kept>) = all.into_iter().partition(|one| one.patient.is_none());
        self.also(&shared).await;
        let mut ids = Vec::new();
        for number in 0..people {
            let person: Vec<Kept> = own.iter().map(|one| copy(one, &own, number)).collect();
            ids.extend(person.iter().find_map(|one| one.patient.clone()));
            self.also(&person).await;
        }
        ids
    }
}

/// When the person of this number was born.
fn born(number: usize) -> String {
    format!("1980-{:02}-{:02}", 1 + number / 28 % 12, 1 + number % 28)
}

fn copy(one: &Kept, own: &[Kept], number: usize) -> Kept {
    let renamed = |id: &str| format!("{number:06}{}", &id[6..]);
    let text = own
        .iter()
        .filter_map(|one| one.body["id"].as_str())
        .fold(one.body.to_string(), |text, id| text.replace(id, &renamed(id)));
    let text = text.replace("HCS-", &format!("HCS-{number}-"));
    let mut body: Value = serde_json::from_str(&text).expect("JSON");
    if body["resourceType"] == "CareTeam" {
        body["period"] = json!({"start": born(number)});
    }
    if body["resourceType"] == "Patient" {
        body["name"][0]["family"] = format!("Delgado-{number}").into();
        body["name"][0]["given"] = vec![format!("Rosa-{number}")].into();
        body["birthDate"] = born(number).into();
    }
    Kept {
        patient: one.patient.as_deref().map(renamed),
        body,
    }
}
