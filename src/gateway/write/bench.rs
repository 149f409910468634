//! One person's record on the bench: loaded, as it is released to the writer, and as it will be once everything is staged.
//! <https://hl7.org/fhir/R4/http.html#transaction-integrity>

use std::collections::BTreeSet;
use std::sync::Arc;

use postern_rules::disclosure::{Moved, Record, Release, Shown, Sighted, Stored, decide, decide_seeing};
use postern_rules::fhir::Now;
use postern_rules::write::Writer;

use crate::gateway::release::shown;
use crate::gateway::{Caller, Error, Gateway};
use crate::store::Versions;

pub(super) struct Bench {
    pub patient: String,
    /// As it was read, then with what is staged in it.
    pub record: Record,
    /// What it was read at.
    pub versions: Versions,
    /// What the writer was last shown.
    shown: Vec<Shown>,
    /// As it is released to the writer: before anything is staged, then after.
    pub release: Option<Arc<Release>>,
    pub moved: Moved,
    sighted: Vec<Sighted>,
    pub touched: bool,
}

impl Gateway {
    /// The record of this person, whether or not anything of it is released to the caller. `wanted`: what will be changed.
    pub(super) async fn bench(
        &self,
        caller: &Caller,
        patient: &str,
        (wanted, now): (&[(&str, &str)], &Now),
    ) -> Result<Bench, Error> {
        let record = self.load_record(patient).await?;
        let (recipient, purpose) = (caller.recipient.id.as_str(), caller.purpose.as_str());
        let rows = self.store.released(recipient, purpose, patient).await?;
        let shown: Vec<Shown> = rows.iter().filter_map(shown).collect();
        let mut bench = Bench {
            patient: patient.to_owned(),
            versions: Versions {
                record: record.version,
                world: record.world,
            },
            record,
            shown,
            release: None,
            moved: Moved::default(),
            sighted: Vec::new(),
            touched: false,
        };
        let decided = decide_seeing(
            &bench.record,
            &caller.recipient,
            &caller.purpose,
            &self.rules,
            (now, wanted),
        );
        if let Ok((decision, sighted)) = decided {
            let (release, moved) = decision.dated(&bench.shown, now);
            (bench.release, bench.moved, bench.sighted) = (Some(Arc::new(release)), moved, sighted);
        }
        Ok(bench)
    }

    /// Decides about what is staged.
    pub(super) fn decide_again(&self, caller: &Caller, bench: &mut Bench, now: &Now) {
        // What is recorded moves the version by one.
        bench.record.version += 1;
        let decided = decide(
            &bench.record,
            &caller.recipient,
            &caller.purpose,
            &self.rules,
            now,
        );
        (bench.release, bench.moved) = match decided {
            Ok(decision) => {
                let (release, moved) = decision.dated(&bench.shown, now);
                (Some(Arc::new(release)), moved)
            }
            // Nothing is released any more: what was shown is gone.
            Err(_) => (None, gone(&bench.shown)),
        };
    }
}

fn gone(shown: &[Shown]) -> Moved {
    let gone = shown.iter().map(|s| (s.resource_type.clone(), s.id.clone()));
    Moved {
        shown: Vec::new(),
        gone: gone.collect(),
    }
}

impl Bench {
    pub fn holds(&self, resource_type: &str, id: &str) -> bool {
        self.release
            .as_ref()
            .is_some_and(|release| release.holds(resource_type, id))
    }

    pub fn sighted(&self, resource_type: &str, id: &str) -> Option<&Sighted> {
        self.sighted
            .iter()
            .find(|one| one.resource_type == resource_type && one.id == id)
    }

    /// The writer before this record; `None` when nothing of it is released.
    pub fn writer<'a>(
        &'a self,
        gateway: &'a Gateway,
        caller: &'a Caller,
        (now, base): (&'a Now, &'a str),
        made: &'a BTreeSet<String>,
    ) -> Option<Writer<'a>> {
        let release = self.release.as_deref()?;
        Some(Writer::new(
            &self.record,
            &caller.recipient,
            release,
            (&gateway.rules, now),
            (base, made),
        ))
    }

    /// Puts a new form of one of its resources in place, or a new resource.
    pub fn place(&mut self, stored: Stored) {
        self.touched = true;
        let same = |one: &&mut Stored| one.resource_type == stored.resource_type && one.id == stored.id;
        match self.record.resources.iter_mut().find(same) {
            Some(one) => *one = stored,
            None => self.record.resources.push(stored),
        }
    }
}
