//! The synthetic agencies' records, as files in `mappings/<agency>/demo/`, moved to the present year by year.

use anyhow::Context as _;
use postern_rules::fhir::{Instant, json};
use serde_json::Value;

use crate::config::{Config, read_input};

/// One file of one agency.
#[derive(Clone, Debug)]
pub struct DemoRecord {
    pub source: &'static str,
    pub record: &'static str,
    /// Whom it is about (`rosa`), with what tells files about one person apart (`rosa-maple`).
    pub name: &'static str,
    pub body: Value,
}

const FILES: &[(&str, &str, &[&str])] = &[
    ("hearthstone", "directory", &["agency"]),
    ("lantern", "directory", &["house"]),
    ("hearthstone", "care-plan", &["rosa", "marcus", "tamsin"]),
    ("hearthstone", "referral", &["rosa", "marcus"]),
    (
        "hearthstone",
        "consent",
        &[
            "rosa-maple",
            "rosa-riverside",
            "rosa-brigid",
            "marcus",
            "tamsin-refused",
        ],
    ),
    (
        "hearthstone",
        "screening",
        &[
            "rosa-phq9",
            "rosa-cssrs",
            "rosa-auditc",
            "marcus-gad7",
            "marcus-prapare",
            "tamsin-auditc",
        ],
    ),
    (
        "hearthstone",
        "incident",
        &["rosa-october", "rosa-august", "marcus-bank-card"],
    ),
    ("lantern", "care-plan", &["theo", "inez"]),
    ("lantern", "referral", &["theo", "inez"]),
    ("lantern", "consent", &["theo", "inez-taken-back"]),
    ("lantern", "screening", &["theo-phq9", "theo-safety", "inez-gad7"]),
    ("lantern", "incident", &["theo-night", "inez-gate"]),
];

/// The day the records were written for, as microseconds: 2026-10-28. Every full year since moves them by one.
const WRITTEN: i64 = 1_793_145_600_000_000;
const YEAR: i64 = 31_557_600_000_000;

/// The naming system and number of the person the story is about.
pub const ROSA: (&str, &str) = ("https://hearthstone.example/ids/client", "HCS-104233");

pub fn load(config: &Config, now: Instant) -> anyhow::Result<Vec<DemoRecord>> {
    let years = (now.0 - WRITTEN).div_euclid(YEAR);
    let mut records = Vec::new();
    for (source, record, names) in FILES {
        for name in *names {
            let path = config
                .paths
                .mappings
                .join(source)
                .join("demo")
                .join(format!("{record}.{name}.json"));
            let bytes = read_input(&path, 1024 * 1024).context("run the demo in a checkout of Postern")?;
            let text = String::from_utf8(bytes).context("a demo record is not UTF-8")?;
            let body = json::parse(move_years(&text, years).as_bytes())
                .map_err(|_| anyhow::anyhow!("{}: not JSON", path.display()))?;
            records.push(DemoRecord {
                source,
                record,
                name,
                body,
            });
        }
    }
    Ok(records)
}

/// `2024` … `2028` in dates, by whole years. Only quoted dates hold such numbers between separators or at an end.
fn move_years(text: &str, years: i64) -> String {
    if years == 0 {
        return text.to_owned();
    }
    let mut out = text.to_owned();
    let mut moved: Vec<(String, String)> = Vec::new();
    for year in 2019..=2030 {
        for (before, after) in [("/", ""), ("\"", "-"), (" ", "-")] {
            moved.push((
                format!("{before}{year}{after}"),
                format!("{before}\u{0}{}{after}", year + years),
            ));
        }
    }
    for (from, to) in &moved {
        out = out.replace(from, to);
    }
    out.replace('\u{0}', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_move_by_whole_years_and_nothing_else_does() {
        let text = r#"{"a":"10/31/2027","b":"2026-10-20","c":"CP-2026","d":"11/14/2026 6:05 AM"}"#;
        let moved = move_years(text, 2);
        assert_eq!(
            moved,
            r#"{"a":"10/31/2029","b":"2028-10-20","c":"CP-2026","d":"11/14/2028 6:05 AM"}"#
        );
        assert_eq!(move_years(text, 0), text);
    }
}
