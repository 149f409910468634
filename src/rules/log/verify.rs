//! The check of a whole stored log, one entry at a time: bodies, columns, order, tree, head and signed checkpoints.
//! It needs no earlier state and keeps none but the right edge of the tree.
//! <https://www.rfc-editor.org/rfc/rfc6962#section-2.1>

use std::collections::VecDeque;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::digest::{Digest, leaf_hash};
use super::fault::{Fault, Finding};
use super::frontier::{Frontier, Node};
use super::note::VerifierKey;

/// Findings kept; the rest are counted.
const KEPT: usize = 100;

/// What is stored beside an event for searching, and can be told again from the event.
pub trait Projection {
    /// The first column that does not say what `body` says.
    fn differs(&self, body: &[u8]) -> Option<&'static str>;
}

/// No columns.
impl Projection for () {
    fn differs(&self, _body: &[u8]) -> Option<&'static str> {
        None
    }
}

/// One stored entry.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub seq: u64,
    /// The exact bytes, or `None` when pruned.
    pub body: Option<&'a [u8]>,
    /// The leaf hash stored beside it.
    pub leaf: Digest,
    /// The stored nodes this entry completed (`Node::last() == seq`), in any order; `None` leaves them unchecked.
    pub nodes: Option<&'a [Node]>,
}

/// A signed checkpoint to hold the log against.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    /// What reports call it: where it was found.
    pub name: String,
    pub note: &'a str,
    /// Kept in the database beside the log. A log whose own checkpoints are gone is not clean, whatever else
    /// confirms it.
    pub stored: bool,
}

/// The state of a running check. Feed entries in the order of their stored sequence number, then `finish`.
#[derive(Debug)]
pub struct Verifier {
    /// Good checkpoints still to be met, smallest first, with the name each is reported under.
    ahead: VecDeque<(String, Checkpoint)>,
    /// The database has a good checkpoint of its own.
    stored: bool,
    /// The sequence number that has to come next.
    next: u64,
    frontier: Frontier,
    made: Vec<Node>,
    pruned_below: u64,
    /// Entries up to here are under a good checkpoint.
    signed: u64,
    checkpoints: u64,
    pruned: u64,
    last_bad: Option<u64>,
    /// Entries are missing: what the tree says from here on means nothing.
    broken: bool,
    root_differs: bool,
    findings: Vec<Finding>,
    count: u64,
}

/// What a finished check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Entries read, gaps counted as if they were there.
    pub entries: u64,
    /// Root over them; over those before the first gap, where there is one.
    pub root: Digest,
    /// Good checkpoints that matched.
    pub checkpoints: u64,
    /// Entries after the newest good checkpoint: intact among themselves, not yet signed.
    pub unsigned: u64,
    /// Entries whose body is pruned; their hash is still in the tree, their columns cannot be checked.
    pub pruned: u64,
    /// Sorted by sequence number; at most 100.
    pub findings: Vec<Finding>,
    /// All findings, also those not kept.
    pub count: u64,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.count == 0
    }

    /// The first bad entry.
    pub fn first(&self) -> Option<&Finding> {
        self.findings.first()
    }
}

impl Verifier {
    /// `held`: every checkpoint there is: those of the database and, what alone shows a log cut short together
    /// with its checkpoints, those kept outside it.
    /// Bodies may be missing for sequence numbers below `pruned_below` only.
    pub fn new<'n>(
        origin: &str,
        keys: &[VerifierKey],
        held: impl IntoIterator<Item = Held<'n>>,
        pruned_below: u64,
    ) -> Verifier {
        let mut verifier = Verifier {
            ahead: VecDeque::new(),
            stored: false,
            next: 0,
            frontier: Frontier::new(),
            made: Vec::new(),
            pruned_below,
            signed: 0,
            checkpoints: 0,
            pruned: 0,
            last_bad: None,
            broken: false,
            root_differs: false,
            findings: Vec::new(),
            count: 0,
        };
        let mut bad = Vec::new();
        for Held { name, note, stored } in held {
            match Checkpoint::verify(note, origin, keys) {
                Ok(checkpoint) => {
                    verifier.stored |= stored && checkpoint.size > 0;
                    verifier.ahead.push_back((name, checkpoint));
                }
                Err(error) => bad.push((name, error)),
            }
        }
        verifier
            .ahead
            .make_contiguous()
            .sort_by_key(|(_, checkpoint)| checkpoint.size);
        let forks: Vec<Fault> = verifier.forks().collect();
        for fault in forks {
            verifier.find(0, fault);
        }
        for (checkpoint, error) in bad {
            verifier.find_bad_checkpoint(checkpoint, error);
        }
        verifier.meet_checkpoints();
        verifier
    }

    /// Takes the next entry. `columns` are those stored beside it; they are checked where the body is there and good.
    pub fn entry(&mut self, entry: &Entry<'_>, columns: &impl Projection) {
        let expected = self.next;
        if entry.seq < expected {
            return self.find(entry.seq, Fault::Repeated);
        }
        if entry.seq > expected {
            self.find(
                expected,
                Fault::Missing {
                    count: entry.seq - expected,
                },
            );
            self.broken = true;
        }
        let seq = entry.seq;
        let stored = entry
            .nodes
            .and_then(|nodes| nodes.iter().find(|node| node.level == 0 && node.index == seq));
        let leaf = self.body(entry, stored.map(|node| node.hash), columns);
        self.next = seq.saturating_add(1);
        if !self.broken {
            self.made.clear();
            self.frontier.append(leaf, &mut self.made);
            if let Some(nodes) = entry.nodes {
                self.nodes(seq, nodes);
            }
        }
        self.meet_checkpoints();
    }

    /// Ends the check. `head` is the stored right edge, `None` when its row is missing or unreadable.
    pub fn finish(mut self, head: Option<&Frontier>) -> Report {
        let entries = self.next;
        match head {
            None if entries > 0 => self.find(entries - 1, Fault::NoHead),
            Some(head) if head.size() != entries => {
                let fault = Fault::HeadSize {
                    head: head.size(),
                    entries,
                };
                self.find(head.size().min(entries), fault);
            }
            Some(head) if !self.broken && *head != self.frontier => self.find_unless_known(Fault::HeadRoot),
            _ => {}
        }
        if entries > 0 && !self.stored {
            self.find(0, Fault::NoCheckpoint);
        }
        for (checkpoint, Checkpoint { size, .. }) in std::mem::take(&mut self.ahead) {
            self.find(entries, Fault::Truncated { checkpoint, size });
        }
        self.findings.sort_by_key(|finding| finding.seq);
        Report {
            entries,
            root: self.frontier.root(),
            checkpoints: self.checkpoints,
            unsigned: entries.saturating_sub(self.signed),
            pruned: self.pruned,
            findings: self.findings,
            count: self.count,
        }
    }

    /// Checks body, leaf and columns; returns the leaf the tree continues with.
    fn body(&mut self, entry: &Entry<'_>, logged: Option<Digest>, columns: &impl Projection) -> Digest {
        let Some(body) = entry.body else {
            self.pruned += 1;
            if entry.seq >= self.pruned_below {
                self.find(entry.seq, Fault::BodyMissing);
            }
            return entry.leaf;
        };
        let leaf = leaf_hash(body);
        if leaf != entry.leaf {
            let as_logged = logged == Some(leaf);
            self.find(
                entry.seq,
                if as_logged {
                    Fault::LeafChanged
                } else {
                    Fault::BodyChanged
                },
            );
            return if as_logged { leaf } else { entry.leaf };
        }
        if let Some(column) = columns.differs(body) {
            self.find(entry.seq, Fault::ColumnDiffers(column));
        }
        leaf
    }

    /// Holds the stored nodes that `seq` completed against those just made.
    fn nodes(&mut self, seq: u64, stored: &[Node]) {
        for node in std::mem::take(&mut self.made) {
            let found = stored
                .iter()
                .find(|other| other.level == node.level && other.index == node.index);
            let (level, index) = (node.level, node.index);
            let fault = match found {
                Some(found) if found.hash == node.hash => continue,
                Some(_) if level == 0 => Fault::OutOfPlace,
                Some(_) => Fault::NodeDiffers { level, index },
                None => Fault::NodeMissing { level, index },
            };
            // A node above an entry that is already known to be bad says nothing new.
            if self.last_bad.is_none_or(|bad| bad < node.first()) {
                let first = if matches!(fault, Fault::NodeMissing { .. }) {
                    seq
                } else {
                    node.first()
                };
                self.find(first, fault);
            }
        }
    }

    /// Holds the tree against the checkpoints of its present size.
    fn meet_checkpoints(&mut self) {
        let size = self.next;
        let mut root = None;
        while self
            .ahead
            .front()
            .is_some_and(|(_, checkpoint)| checkpoint.size <= size)
        {
            let Some((name, checkpoint)) = self.ahead.pop_front() else {
                return;
            };
            let root = *root.get_or_insert_with(|| self.frontier.root());
            if !self.broken && checkpoint.size == size && checkpoint.root == root {
                self.checkpoints += 1;
                self.signed = size;
            } else if !self.root_differs {
                // Later roots differ with the first one.
                self.root_differs = true;
                let first = self
                    .findings
                    .iter()
                    .map(|f| f.seq)
                    .filter(|seq| *seq >= self.signed)
                    .min();
                self.find(
                    first.unwrap_or(self.signed),
                    Fault::RootDiffers {
                        checkpoint: name,
                        size: checkpoint.size,
                    },
                );
            }
        }
    }

    fn forks(&self) -> impl Iterator<Item = Fault> + '_ {
        let pairs = self.ahead.iter().zip(self.ahead.iter().skip(1));
        pairs
            .filter(|((_, a), (_, b))| a.size == b.size && a.root != b.root)
            .map(|((a, _), (b, _))| Fault::Forked {
                checkpoint: a.clone(),
                other: b.clone(),
            })
    }

    fn find_bad_checkpoint(&mut self, checkpoint: String, error: CheckpointError) {
        self.find(0, Fault::BadCheckpoint { checkpoint, error });
    }

    /// A fault of the head is news only where nothing else explains it.
    fn find_unless_known(&mut self, fault: Fault) {
        if self.last_bad.is_none() {
            self.find(self.signed, fault);
        }
    }

    fn find(&mut self, seq: u64, fault: Fault) {
        let of_an_entry = !matches!(fault, Fault::BadCheckpoint { .. } | Fault::Forked { .. });
        if of_an_entry {
            self.last_bad = self.last_bad.max(Some(seq));
        }
        self.count += 1;
        if self.findings.len() < KEPT {
            self.findings.push(Finding { seq, fault });
        }
    }
}
