//! What a use case wants recorded: one [`Change`], kept whole or not at all. Plain data; nothing here touches a database,
//! and nothing here prints itself, because most of it is about a person.
//! <https://hl7.org/fhir/R4/http.html#transaction-integrity>

use postern_rules::audit::Event;
use postern_rules::fhir::Instant;
use postern_rules::log::Digest;
use postern_rules::search::Keys;

use super::checkpoint::CheckpointRow;
use super::grant::{EndedGrant, GrantRow};
use super::notice::Notice;
use super::parties::{AccessToken, Client, Partner, Source, Staff};
use super::refresh::Sweep;
use super::reviewed::ReviewedText;
use super::work::WorkItem;
use super::written::WrittenValue;

/// One transaction. Start from `Change::at(now)` and fill in what applies.
#[derive(Clone)]
pub struct Change {
    /// The present, as the use case knows it; stamped on what is written. The store reads no clock.
    pub now: Instant,
    /// The versions of people's records the decision relied on; 0 for a person who has none.
    pub expects: Vec<(String, i64)>,
    /// The version of what is shared, if the decision relied on it.
    pub expects_world: Option<i64>,
    /// SHA-256 of the access token the caller used, which must not have been taken back.
    pub expects_token: Option<Vec<u8>>,
    /// Keys that must still be free.
    pub guards: Vec<Guard>,
    /// Resources in their new form. Their people's versions (or the world's) move by themselves.
    pub puts: Vec<Put>,
    /// What source records state from now on, and what they state no more. Name their people in `touches`: two records
    /// that drop the same thing at once must see each other.
    pub states: Vec<Statement>,
    pub unstates: Vec<Statement>,
    /// Resources that turn out to be another person's; each stands in `puts` too, and `touches` names whose it was.
    pub rehomed: Vec<Rehomed>,
    /// Further people whose version moves: relationships, grants.
    pub touches: Vec<String>,
    /// Moves the world's version: policy, groups.
    pub touches_world: bool,
    /// The releases that were rebuilt, as digests.
    pub released: Vec<Released>,
    /// People whose releases were decided for everybody; name their versions in `expects` and `expects_world`.
    pub refreshed: Vec<Refreshed>,
    /// People whose releases have to be decided anew from now on, beside those whose version moves.
    pub due: Vec<String>,
    pub sweep: Option<Swept>,
    pub work: Vec<Work>,
    /// Texts that staff judged. The version of their people moves by itself, or the world's.
    pub reviewed: Vec<ReviewedText>,
    /// Values that a partner wrote into resources of this change.
    pub written: Vec<WrittenValue>,
    /// New break-glass grants. Name their people in `touches`: what such a recipient may see changes.
    pub grants: Vec<GrantRow>,
    /// Grants that staff end now; likewise in `touches`. `Stale` when one has ended already.
    pub ended_grants: Vec<EndedGrant>,
    /// What somebody has to be told of this.
    pub notices: Vec<Notice>,
    /// Partners in their new form, with the version they were read at, 0 for a new one. Moves the world's version.
    pub partners: Vec<(i64, Partner)>,
    pub clients: Vec<Client>,
    pub tokens: Vec<AccessToken>,
    /// Hashes of access tokens that end now. What is recorded later under one of them is `Stale`.
    pub revoked_tokens: Vec<Vec<u8>>,
    pub staff: Vec<Staff>,
    pub sources: Vec<Source>,
    /// Forgets guards and access tokens that ended before this.
    pub forget_before: Option<Instant>,
    /// The events, in order.
    pub audit: Vec<Event>,
    /// A signed checkpoint; made by `Store::checkpoint`.
    pub checkpoint: Option<CheckpointRow>,
    /// Digests of the answers that the receipt opens.
    pub answers: Vec<Digest>,
}

impl Change {
    /// An empty change at this instant.
    pub fn at(now: Instant) -> Change {
        Change {
            now,
            expects: Vec::new(),
            expects_world: None,
            expects_token: None,
            guards: Vec::new(),
            puts: Vec::new(),
            states: Vec::new(),
            unstates: Vec::new(),
            rehomed: Vec::new(),
            touches: Vec::new(),
            touches_world: false,
            released: Vec::new(),
            refreshed: Vec::new(),
            due: Vec::new(),
            sweep: None,
            work: Vec::new(),
            reviewed: Vec::new(),
            written: Vec::new(),
            grants: Vec::new(),
            ended_grants: Vec::new(),
            notices: Vec::new(),
            partners: Vec::new(),
            clients: Vec::new(),
            tokens: Vec::new(),
            revoked_tokens: Vec::new(),
            staff: Vec::new(),
            sources: Vec::new(),
            forget_before: None,
            audit: Vec::new(),
            checkpoint: None,
            answers: Vec::new(),
        }
    }

    /// People whose version moves.
    pub(super) fn touched(&self) -> impl Iterator<Item = &str> {
        let put = self.puts.iter().filter_map(|put| put.patient.as_deref());
        let reviewed = self.reviewed.iter().filter_map(|text| text.patient.as_deref());
        self.touches.iter().map(String::as_str).chain(put).chain(reviewed)
    }

    pub(super) fn moves_world(&self) -> bool {
        self.touches_world
            || !self.partners.is_empty()
            || self.puts.iter().any(|put| put.patient.is_none())
            || self.reviewed.iter().any(|text| text.patient.is_none())
    }

    /// Does it write anything beside the log? If not, nothing of it can fail alone.
    pub(super) fn writes(&self) -> bool {
        self.moves_world()
            || self.touched().next().is_some()
            || self.forget_before.is_some()
            || self.checkpoint.is_some()
            || !(self.guards.is_empty()
                && self.states.is_empty()
                && self.unstates.is_empty()
                && self.released.is_empty()
                && self.refreshed.is_empty()
                && self.due.is_empty()
                && self.sweep.is_none()
                && self.work.is_empty()
                && self.written.is_empty()
                && self.grants.is_empty()
                && self.ended_grants.is_empty()
                && self.notices.is_empty()
                && self.clients.is_empty()
                && self.tokens.is_empty()
                && self.revoked_tokens.is_empty()
                && self.staff.is_empty()
                && self.sources.is_empty())
    }
}

/// A key that can be taken once: a second change with it is refused as `Duplicate`, with the first one's outcome.
#[derive(Clone)]
pub struct Guard {
    /// `jti`, `message`, `bundle`, `lease` …
    pub kind: &'static str,
    pub key: String,
    /// From then on the key is free again.
    pub until: Instant,
    /// What to answer the one who comes second.
    pub outcome: Option<Vec<u8>>,
}

/// A resource in its new form. The store numbers its versions and keeps the earlier ones. Where a change holds one
/// resource twice, the last counts; a resource changes the person it belongs to only as `Rehomed` (else `Stale`).
#[derive(Clone)]
pub struct Put {
    pub resource_type: String,
    pub id: String,
    /// Whose record it belongs to; none for what is shared (practitioners, organisations).
    pub patient: Option<String>,
    pub source: String,
    /// JSON, kept byte for byte.
    pub body: String,
    pub deleted: bool,
    /// (system, value) pairs it can be found by; they replace the earlier ones.
    pub identifiers: Vec<(String, String)>,
}

/// That a source record states a resource.
#[derive(Clone, PartialEq, Eq)]
pub struct Statement {
    /// The record: `hearthstone/care-plan#CarePlan/x`.
    pub source: String,
    pub resource_type: String,
    pub id: String,
    /// SHA-256 of the form it states.
    pub digest: Digest,
}

/// A resource that goes from one person's record to another's, because its own source record corrects whose it is.
#[derive(Clone)]
pub struct Rehomed {
    pub resource_type: String,
    pub id: String,
    pub from: String,
    pub to: String,
}

/// One resource of a release that was rebuilt. Only a digest that differs from the one kept moves its row; other keys
/// alone replace the keys.
#[derive(Clone)]
pub struct Released {
    pub recipient: String,
    pub purpose: String,
    pub patient: String,
    pub resource_type: String,
    pub id: String,
    /// None: it is no longer in the release.
    pub digest: Option<Digest>,
    /// What this recipient finds it by.
    pub keys: Keys,
}

/// A person whose releases were decided for every recipient.
#[derive(Clone, Debug)]
pub struct Refreshed {
    pub patient: String,
    /// When they could differ without a change of the record.
    pub again: Option<Instant>,
}

/// The sweep in its new form, with the version it was read at; `Stale` when another process moved it.
#[derive(Clone, Debug)]
pub struct Swept {
    pub expected: i64,
    pub next: Sweep,
}

/// A work item in its new form. `Stale` when its state is not the one expected.
#[derive(Clone)]
pub struct Work {
    /// None: it is new.
    pub expected_state: Option<String>,
    pub item: WorkItem,
}
