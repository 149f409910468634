//! The story as a table: who asks, what each gets, why the rest is kept back, what a revocation does, what the log says.

use std::collections::BTreeMap;

use postern_rules::audit::Line;
use postern_rules::disclosure::{Seen, Step};

use super::records::{self, ROSA};
use super::stage::{Pulled, Stage, TYPES, Visitor};
use crate::cli::say::say;
use crate::cli::{serve, table};
use crate::config::Clock;
use crate::gateway::{AuditFilter, Look, StaffMember};

/// What a reader should look for, and the text that shows it in an answer.
const LOOK_FOR: &[(&str, &str)] = &[
    ("Diabetes (E11.9)", "\"E11.9\""),
    ("Metformin", "Metformin"),
    ("Penicillin allergy", "enicillin"),
    (
        "Opioid dependence, by Harbor Recovery (42 CFR Part 2)",
        "\"F11.20\"",
    ),
    (
        "Buprenorphine, by Harbor Recovery (42 CFR Part 2)",
        "under the tongue",
    ),
    ("HIV (B20)", "\"B20\""),
    ("Dolutegravir", "olutegravir"),
    ("PHQ-9, its total", "\"44261-6\""),
    ("AUDIT-C, by Harbor Recovery (42 CFR Part 2)", "\"75626-2\""),
    (
        "Mobile crisis, as its own record tells it",
        "Slept at her sister's",
    ),
    ("Emergency visit, by Harbor Recovery (42 CFR Part 2)", "V-3188"),
];

pub async fn run(clock: Clock) -> anyhow::Result<u8> {
    let stage = Stage::open("127.0.0.1:8080").await?;
    let base = stage.gateway.config.base();
    heading("1  Internal records go in, FHIR comes out");
    let records = records::load(&stage.gateway.config, clock.instant())?;
    let mut rows = Vec::new();
    for record in &records {
        let written = stage.import(record).await?;
        rows.push(vec![
            record.source.to_owned(),
            record.record.to_owned(),
            record.name.to_owned(),
            written.to_string(),
        ]);
    }
    table::print(&["Agency", "Record", "About", "Resources"], &rows);

    heading("2  Three partners and a stranger, each with a fresh key and a SMART token");
    let visitors = stage.visitors().await?;
    let rows: Vec<Vec<String>> = visitors
        .iter()
        .map(|v| {
            let npi = v
                .partner
                .organization
                .first()
                .map(|i| i.value.clone())
                .unwrap_or_default();
            vec![v.partner.name.clone(), v.partner.class.clone(), npi]
        })
        .collect();
    table::print(&["Partner", "Class of recipient", "NPI"], &rows);

    heading("3  All pull the plan of Rosa Delgado-Synthetic, for treatment");
    let pulled = pull_all(&visitors).await?;
    compare(&visitors, &pulled);
    for (visitor, got) in visitors.iter().zip(&pulled) {
        let outside = got.outside_profile(&stage.gateway, visitor);
        outside
            .iter()
            .for_each(|issue| say!("OUTSIDE ITS PROFILE: {issue}"));
    }

    heading("4  Why: what was kept back (staff and the log see this, the recipient never does)");
    let Some(rosa) = pulled.iter().find_map(|p| p.patient.clone()) else {
        anyhow::bail!("nobody found Rosa")
    };
    explain(&stage, &visitors, &rosa).await?;

    heading("5  Rosa revokes her consent for Maple Street Family Medicine");
    let mut revoked = records
        .iter()
        .find(|r| r.name == "rosa-maple")
        .cloned()
        .ok_or(anyhow::anyhow!("no consent"))?;
    revoked.body["status"] = "REVOKED".into();
    stage.import(&revoked).await?;
    let after = pull_all(&visitors[..1]).await?;
    say!(
        "Maple Street had {} resources; on its next request it gets {}.",
        pulled[0].resources.len(),
        after[0].resources.len()
    );

    heading("6  The log");
    let filter = AuditFilter {
        patient: Some(rosa.clone()),
        all: false,
    };
    let lines = stage.gateway.list_log(&filter, "demo").await?;
    let rows: Vec<Vec<String>> = lines
        .iter()
        .rev()
        .take(6)
        .map(|line| line.cells().into_iter().map(str::to_owned).collect())
        .collect();
    table::print(&Line::HEADINGS, &rows);
    say!("… {} disclosures and refusals about Rosa in all", lines.len());
    stage.gateway.seal().await?;
    let verified = stage.gateway.verify_log(&stage.gateway.anchors()).await?.report;
    say!(
        "The log {}: {} entries, root {}",
        if verified.is_clean() {
            "verifies"
        } else {
            "DOES NOT VERIFY"
        },
        verified.entries,
        verified.root.base64()
    );

    heading("7  Look around");
    say!("Serving {base} until Ctrl-C; everything goes away then.");
    say!("  curl {base}/metadata");
    say!("  curl {base}/.well-known/smart-configuration");
    say!("  curl {base}/Patient/{rosa}          (401: no token)");
    serve::asked_to_stop().await;
    stage.close().await?;
    Ok(u8::from(!verified.is_clean()))
}

fn heading(text: &str) {
    say!("\n── {text} ──\n");
}

async fn pull_all(visitors: &[Visitor]) -> anyhow::Result<Vec<Pulled>> {
    let mut all = Vec::new();
    for visitor in visitors {
        all.push(visitor.pull(ROSA).await?);
    }
    Ok(all)
}

fn compare(visitors: &[Visitor], pulled: &[Pulled]) {
    let mut headings = vec!["Received"];
    headings.extend(visitors.iter().map(|v| v.partner.class.as_str()));
    if let Some(last) = headings.last_mut() {
        *last = "stranger";
    }
    let row = |name: &str, cell: &dyn Fn(&Pulled) -> String| {
        std::iter::once(name.to_owned())
            .chain(pulled.iter().map(cell))
            .collect::<Vec<String>>()
    };
    let some = |n: usize| if n == 0 { "–".to_owned() } else { n.to_string() };
    let mut rows: Vec<Vec<String>> = TYPES
        .iter()
        .map(|name| row(name, &|p| some(p.count(name))))
        .collect();
    rows.push(row("", &|_| String::new()));
    for (name, text) in LOOK_FOR {
        rows.push(row(name, &|p| {
            if p.text.contains(text) {
                "yes".to_owned()
            } else {
                "–".to_owned()
            }
        }));
    }
    table::print(&headings, &rows);
}

async fn explain(stage: &Stage, visitors: &[Visitor], patient: &str) -> anyhow::Result<()> {
    let staff = StaffMember::operator("demo");
    let mut rows = Vec::new();
    for visitor in visitors {
        let look = Look {
            patient: patient.to_owned(),
            partner: visitor.partner.id.clone(),
            purpose: "TREAT".to_owned(),
            ..Look::default()
        };
        let request = stage.gateway.request_id();
        let looked = stage.gateway.preview(&staff, &look, &request).await?;
        let name = &visitor.partner.name;
        match looked.explanation.outcome {
            Err(denied) => {
                let change = denied.change.sentence;
                rows.push(vec![
                    name.clone(),
                    "all".to_owned(),
                    denied.code.to_owned(),
                    change,
                ]);
            }
            Ok(seen) => {
                say!(
                    "{name}: {} of {} stored elements, data set {}, because of {}",
                    seen.elements_released,
                    seen.elements_stored,
                    seen.data_set,
                    seen.relationship.basis.code()
                );
                rows.extend(reasons(name, &seen));
            }
        }
    }
    say!();
    table::print(&["Partner", "Withheld", "Rule", "What would release it"], &rows);
    say!(
        "(whole resources; `postern preview` also shows each element, its label, its provision and the law)"
    );
    Ok(())
}

/// Whole resources by rule and by what kind of change would release them; the first such change stands for the others.
fn reasons(partner: &str, seen: &Seen) -> Vec<Vec<String>> {
    let mut reasons: BTreeMap<(String, Vec<&str>), (usize, String)> = BTreeMap::new();
    for reason in seen.withheld.iter().filter(|reason| reason.element.is_none()) {
        let label = reason
            .label
            .as_ref()
            .map_or_else(String::new, |label| format!(" [{label}]"));
        let steps = reason.change.steps.iter().map(Step::code).collect();
        let key = (format!("{}{label}", reason.in_words), steps);
        let first = || (0, reason.change.sentence.clone());
        reasons.entry(key).or_insert_with(first).0 += 1;
    }
    let row = |((rule, _), (n, change)): ((String, Vec<&str>), (usize, String))| {
        vec![partner.to_owned(), n.to_string(), rule, change]
    };
    reasons.into_iter().map(row).collect()
}
