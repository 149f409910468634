//! The demo as a proof: source values and consents are altered at random, and every answer has to follow them.
//!
//! What each partner must and must not see is worked out here from the altered records alone, not by the engine.

use serde_json::{Value, json};

use super::records::{self, DemoRecord, ROSA};
use super::stage::{Pulled, Stage, Visitor};
use crate::cli::say::say;
use crate::config::{Clock, Entropy};

/// The partners' consents in the records, in the order of the stage's partners.
const CONSENTS: [&str; 3] = ["rosa-maple", "rosa-riverside", "rosa-brigid"];

/// What may stand in the way of an item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Hiv,
    /// Written by a Part 2 program about substance use.
    Part2,
}

/// Items whose text gets a mark that stands nowhere else: list, number in it, field, kind.
const MARKED: &[(&str, usize, &str, Kind)] = &[
    ("meds", 3, "sig", Kind::Open),
    ("allergies", 0, "substance", Kind::Open),
    ("meds", 1, "sig", Kind::Part2),
    ("meds", 2, "sig", Kind::Hiv),
];

struct Mark {
    text: String,
    kind: Kind,
}

/// What the altered consent of one partner says.
struct Terms {
    in_force: bool,
    shares_hiv: bool,
    shares_sud: bool,
    part2_valid: bool,
}

struct Dice(Entropy, u64);

impl Dice {
    fn roll(&self, what: &str, sides: u64) -> u64 {
        let bytes = self.0.bytes(&format!("{} {what}", self.1));
        u64::from_be_bytes(bytes[..8].try_into().unwrap_or_default()) % sides
    }

    fn word(&self, what: &str) -> String {
        let letters = self.0.bytes(what).map(|byte| char::from(b'a' + byte % 26));
        format!("Mark{}", letters.iter().take(10).collect::<String>())
    }
}

pub async fn run(seed: u64) -> anyhow::Result<u8> {
    let dice = Dice(Entropy::Pinned(seed), seed);
    say!("demo --check, seed {seed}");
    let mut failures: Vec<String> = Vec::new();
    for round in 0..3 {
        let dice = Dice(dice.0.clone(), seed.wrapping_add(round));
        failures.extend(
            play(&dice)
                .await?
                .into_iter()
                .map(|failure| format!("round {}: {failure}", round + 1)),
        );
    }
    failures.iter().for_each(|failure| say!("FAIL {failure}"));
    say!(
        "{}",
        if failures.is_empty() {
            "every answer follows the records and the consents"
        } else {
            "not good"
        }
    );
    Ok(u8::from(!failures.is_empty()))
}

async fn play(dice: &Dice) -> anyhow::Result<Vec<String>> {
    let stage = Stage::open("127.0.0.1:0").await?;
    let mut records = records::load(&stage.gateway.config, Clock::System.instant())?;
    let marks = mark(&mut records, dice);
    let terms: Vec<Terms> = CONSENTS
        .iter()
        .map(|name| alter(&mut records, name, dice))
        .collect();
    for record in &records {
        stage.import(record).await?;
    }
    let mut failures = Vec::new();
    for record in &records {
        let again = stage.import(record).await?;
        // Two records of one client may state the same person differently; the same one twice is what must be still.
        let once_more = stage.import(record).await?;
        if once_more > 0 {
            failures.push(format!(
                "{}/{} {}: the same record twice wrote {again}, then {once_more}",
                record.source, record.record, record.name
            ));
        }
    }
    let visitors = stage.visitors().await?;
    let mut before = 0;
    for (index, visitor) in visitors.iter().enumerate() {
        let pulled = visitor.pull(ROSA).await?;
        before = if index == 0 {
            pulled.resources.len()
        } else {
            before
        };
        failures.extend(judge(&stage, visitor, &pulled, terms.get(index), &marks));
    }
    say!("  {}", describe(&terms));
    failures.extend(revoke(&stage, &records, &visitors[0], before).await?);
    failures.extend(verify(&stage).await?);
    stage.close().await?;
    Ok(failures)
}

/// Puts a mark into each chosen text of Rosa's plan.
fn mark(records: &mut [DemoRecord], dice: &Dice) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (list, number, field, kind) in MARKED {
        let text = dice.word(&format!("{list} {number} {}", dice.1));
        let originals: Vec<Value> = records
            .iter()
            .filter(|r| r.name == "rosa")
            .map(|r| r.body[list][number].clone())
            .collect();
        let key = originals.iter().find_map(own_number);
        for record in records.iter_mut().filter(|r| r.name == "rosa") {
            // The referral lists some of the plan's items; one item is one resource, whichever record brings it.
            let Some(items) = record.body[list].as_array_mut() else {
                continue;
            };
            for item in items.iter_mut().filter(|item| own_number(item) == key) {
                item[field] = text.clone().into();
            }
        }
        marks.push(Mark { text, kind: *kind });
    }
    marks
}

/// The agency's own number of an item (`medNo`, `allergyNo`).
fn own_number(item: &Value) -> Option<String> {
    let object = item.as_object()?;
    object
        .iter()
        .find(|(name, _)| name.ends_with("No"))
        .and_then(|(_, value)| value.as_str())
        .map(str::to_owned)
}

fn alter(records: &mut [DemoRecord], name: &str, dice: &Dice) -> Terms {
    let Some(record) = records.iter_mut().find(|r| r.name == name) else {
        return Terms {
            in_force: false,
            shares_hiv: false,
            shares_sud: false,
            part2_valid: false,
        };
    };
    let body = &mut record.body;
    let mut tick = |category: &str| {
        let share = dice.roll(&format!("{name} {category}"), 2) == 1;
        let boxes = body["sensitive"].as_array_mut().into_iter().flatten();
        for one in boxes.filter(|one| one["category"] == category) {
            one["share"] = if share { "Y" } else { "N" }.into();
        }
        share
    };
    let (shares_hiv, shares_sud) = (tick("HIV"), tick("SA"));
    let expired = dice.roll(&format!("{name} expired"), 4) == 0;
    if expired {
        body["expires"] = json!({"onDate": "1/31/2026"});
    }
    let mut part2_valid = body["part2"] == "Y";
    if part2_valid && dice.roll(&format!("{name} form"), 3) == 0 {
        body["form231"]["rightToRevoke"] = "N".into();
        part2_valid = false;
    }
    Terms {
        in_force: !expired,
        shares_hiv,
        shares_sud,
        part2_valid,
    }
}

/// Holds what one visitor got against the marks and its consent; no terms: it is the stranger.
fn judge(
    stage: &Stage,
    visitor: &Visitor,
    pulled: &Pulled,
    terms: Option<&Terms>,
    marks: &[Mark],
) -> Vec<String> {
    let who = &visitor.partner.id;
    let mut failures: Vec<String> = pulled
        .wrong
        .iter()
        .map(|wrong| format!("{who}: {wrong}"))
        .collect();
    failures.extend(
        pulled
            .outside_profile(&stage.gateway, visitor)
            .iter()
            .map(|issue| format!("{who} got what is outside its profile: {issue}")),
    );
    for mark in marks {
        let may = terms.is_some_and(|terms| {
            terms.in_force
                && match mark.kind {
                    Kind::Open => true,
                    Kind::Hiv => terms.shares_hiv,
                    Kind::Part2 => terms.part2_valid && terms.shares_sud,
                }
        });
        match (may, pulled.text.contains(&mark.text)) {
            (true, false) => failures.push(format!(
                "{who} did not get {}, which its consent permits",
                mark.name()
            )),
            (false, true) => failures.push(format!("{who} GOT {}, which nothing permits", mark.name())),
            _ => {}
        }
    }
    if terms.is_none() && !pulled.resources.is_empty() {
        failures.push(format!(
            "{who} is a stranger and found {} resources",
            pulled.resources.len()
        ));
    }
    failures
}

impl Mark {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Open => "an ordinary item",
            Kind::Hiv => "an HIV item",
            Kind::Part2 => "a Part 2 item",
        }
    }
}

async fn revoke(
    stage: &Stage,
    records: &[DemoRecord],
    visitor: &Visitor,
    before: usize,
) -> anyhow::Result<Vec<String>> {
    let Some(mut consent) = records.iter().find(|r| r.name == CONSENTS[0]).cloned() else {
        return Ok(vec!["no consent to revoke".to_owned()]);
    };
    consent.body["status"] = "REVOKED".into();
    stage.import(&consent).await?;
    let after = visitor.pull(ROSA).await?.resources.len();
    Ok(match after {
        0 => Vec::new(),
        n => vec![format!(
            "after the revocation Maple Street still gets {n} resources (before: {before})"
        )],
    })
}

async fn verify(stage: &Stage) -> anyhow::Result<Vec<String>> {
    stage.gateway.seal().await?;
    let report = stage.gateway.verify_log(&stage.gateway.anchors()).await?.report;
    Ok(report
        .findings
        .iter()
        .map(|finding| format!("the log does not verify: {finding}"))
        .collect())
}

fn describe(terms: &[Terms]) -> String {
    let one = |(name, t): (&&str, &Terms)| {
        format!(
            "{name}: {}{}{}{}",
            if t.in_force { "in force" } else { "expired" },
            if t.shares_hiv { ", HIV" } else { "" },
            if t.shares_sud { ", SUD" } else { "" },
            if t.part2_valid {
                ", Part 2 form complete"
            } else {
                ""
            }
        )
    };
    CONSENTS
        .iter()
        .zip(terms)
        .map(one)
        .collect::<Vec<_>>()
        .join(" | ")
}
