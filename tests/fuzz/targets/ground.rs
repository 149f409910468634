//! Rosa's record and what is released of it to a practice: read once, changed by no target.
//! <https://hl7.org/fhir/R4/careplan.html>

use std::sync::{Arc, LazyLock};

use postern_rules::disclosure::{Recipient, Record, Release, Rules, Sighted, decide_seeing};
use postern_rules::fhir::Now;

use super::rosa;

pub struct Ground {
    pub rules: Rules,
    pub record: Record,
    pub recipient: Recipient,
    pub release: Arc<Release>,
    /// One released resource of each type, with what of it is seen.
    pub sighted: Vec<Sighted>,
}

pub const BASE: &str = "https://postern.test/fhir";

pub fn ground() -> &'static Ground {
    static GROUND: LazyLock<Ground> = LazyLock::new(Ground::new);
    &GROUND
}

pub fn now() -> Now {
    Now::new(rosa::NOW)
}

impl Ground {
    fn new() -> Ground {
        let (mappings, rules) = rosa::catalog();
        let record = rosa::record(&mappings, 0);
        let recipient = rosa::recipient(rosa::PARTNERS[0]);
        let now = now();
        let all: Vec<(&str, &str)> = record
            .resources
            .iter()
            .map(|one| (&*one.resource_type, &*one.id))
            .collect();
        let decided = decide_seeing(&record, &recipient, "TREAT", &rules, (&now, &all));
        let (decision, mut sighted) = decided.expect("Rosa consented");
        let (release, _) = decision.dated(&[], &now);
        sighted.sort_by(|a, b| (&a.resource_type, &a.id).cmp(&(&b.resource_type, &b.id)));
        sighted.dedup_by(|a, b| a.resource_type == b.resource_type);
        Ground {
            release: Arc::new(release),
            sighted,
            record,
            recipient,
            rules,
        }
    }

    /// The one of this type; a Task where there is none.
    pub fn of_type(&self, resource_type: &str) -> &Sighted {
        let of = |name: &str| self.sighted.iter().find(|one| one.resource_type == name);
        of(resource_type).or(of("Task")).expect("Rosa has tasks")
    }
}
