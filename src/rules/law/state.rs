//! State law as data: `profiles/law/<state>.json`, one line a rule with its id, its citation and whether the text was read.
//! The worked state is Illinois: 740 ILCS 110 (mental health and developmental disabilities confidentiality), 405 ILCS 5/3-5A-105,
//! 410 ILCS 210/4 and 5. `neutral` adds nothing to federal law. HIPAA yields to what is more stringent (`45 CFR 160.203(b)`).

use super::read_state;
use crate::consent::Signing;
use crate::fhir::{Issue, Value};
use crate::label::{NoteKind, Programs};

/// Was the primary text read? What was not is marked, and changes nothing unless the file switches it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    Verified,
    Unverified,
}

/// One line of a state file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRule {
    /// `IL-4`.
    pub id: String,
    /// `740 ILCS 110/5(b)`.
    pub citation: String,
    pub confidence: Confidence,
    /// What it says, in a sentence a person reads.
    pub says: String,
}

/// The law of one state, compiled.
#[derive(Clone, Debug)]
pub struct StateLaw {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) title: String,
    pub(super) rules: Vec<StateRule>,
    /// Kinds of programs whose records it governs.
    pub(super) scope: Programs,
    /// Index of the rule by which governed records leave only with the person's consent.
    pub(super) consent_needed: Option<usize>,
    /// The state's form of consent.
    pub(super) form: Option<usize>,
    pub(super) redisclosure: Option<(usize, String)>,
    /// In force only where the file says so.
    pub(super) care_team: Option<usize>,
    /// An emergency takes the determination of a named therapist.
    pub(super) emergency: Option<usize>,
    pub(super) never: Vec<(NoteKind, usize)>,
    pub(super) signing: Signing,
}

impl StateLaw {
    /// `Err` lists every problem of the file, each at the id of its rule.
    pub fn load(file: &Value) -> Result<StateLaw, Vec<Issue>> {
        read_state::load(file)
    }

    /// Adds nothing to federal law.
    pub fn neutral() -> StateLaw {
        StateLaw {
            name: "neutral".to_owned(),
            version: String::new(),
            title: String::new(),
            rules: Vec::new(),
            scope: Programs::NONE,
            consent_needed: None,
            form: None,
            redisclosure: None,
            care_team: None,
            emergency: None,
            never: Vec::new(),
            signing: Signing::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    pub fn title(&self) -> &str {
        &self.title
    }

    /// Every line of the file, also those that leave the decision to people.
    pub fn rules(&self) -> &[StateRule] {
        &self.rules
    }

    /// Who may sign, and what the state asks of the form.
    pub fn signing(&self) -> &Signing {
        &self.signing
    }

    /// Does this state's law govern records of these programs?
    pub fn governs(&self, programs: Programs) -> bool {
        self.scope.intersects(programs)
    }

    /// The statement against redisclosure that travels with what it governs.
    pub fn redisclosure_notice(&self) -> Option<&str> {
        self.redisclosure.as_ref().map(|(_, notice)| notice.as_str())
    }

    /// `IL-4 740 ILCS 110/5(b)`
    pub(super) fn cite(&self, rule: usize) -> String {
        self.rules
            .get(rule)
            .map(|rule| format!("{} {}", rule.id, rule.citation))
            .unwrap_or_default()
    }
}
