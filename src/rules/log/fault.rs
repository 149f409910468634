//! What can be wrong with a stored log, in words an auditor can act on.
//! <https://www.healthit.gov/test-method/auditing-actions-health-information> (45 CFR 170.315(d)(10): detect alteration)

use super::checkpoint::CheckpointError;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The event is not the one that was logged here.
    BodyChanged,
    /// The event is as logged; its leaf hash beside it is not.
    LeafChanged,
    /// A search column does not say what the event says.
    ColumnDiffers(&'static str),
    /// The event is gone though its time to be pruned has not come.
    BodyMissing,
    /// `count` entries from here on are gone.
    Missing { count: u64 },
    /// A sequence number that was already read.
    Repeated,
    /// Another entry was logged here: reordered, replaced, or an earlier one removed and the rest renumbered.
    OutOfPlace,
    /// A stored hash of the tree is not that of the entries under it.
    NodeDiffers { level: u8, index: u64 },
    /// The tree holds no hash for an entry: it was not appended through the log.
    NodeMissing { level: u8, index: u64 },
    /// Some entry up to `size` is not what the checkpoint signed.
    RootDiffers { checkpoint: String, size: u64 },
    /// The checkpoint signed more entries than there are: the log was cut short or an old copy restored.
    Truncated { checkpoint: String, size: u64 },
    /// Two signed checkpoints of one size with different roots: the log was forked, or its key is in other hands.
    Forked { checkpoint: String, other: String },
    /// A checkpoint that cannot be trusted.
    BadCheckpoint {
        checkpoint: String,
        error: CheckpointError,
    },
    /// Entries, and no good checkpoint of any of them in the database.
    NoCheckpoint,
    /// The head row counts `head` entries.
    HeadSize { head: u64, entries: u64 },
    /// The head row has another root than the entries.
    HeadRoot,
    /// Entries without a head row.
    NoHead,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::BodyChanged => write!(f, "the event was changed after it was logged"),
            Fault::LeafChanged => write!(
                f,
                "the stored leaf hash was changed; the event itself is as logged"
            ),
            Fault::ColumnDiffers(column) => write!(f, "the column \"{column}\" differs from the event"),
            Fault::BodyMissing => write!(f, "the event was removed before its time"),
            Fault::Missing { count: 1 } => write!(f, "the entry was deleted"),
            Fault::Missing { count } => write!(f, "{count} entries from here on were deleted"),
            Fault::Repeated => write!(f, "the sequence number occurs again or out of order"),
            Fault::OutOfPlace => write!(
                f,
                "another entry was logged here (reordered, replaced, or one removed and the rest renumbered)"
            ),
            Fault::NodeDiffers { level, index } => {
                write!(
                    f,
                    "the stored hash {level}/{index} of the tree does not fit the entries under it"
                )
            }
            Fault::NodeMissing { level, index } => {
                write!(
                    f,
                    "the tree has no hash {level}/{index}: the entry was not appended through the log"
                )
            }
            Fault::RootDiffers { checkpoint, size } => {
                write!(
                    f,
                    "the first {size} entries are not those that {checkpoint} signed"
                )
            }
            Fault::Truncated { checkpoint, size } => {
                write!(
                    f,
                    "{checkpoint} signed {size} entries: the log was cut short, or an older copy restored"
                )
            }
            Fault::Forked { checkpoint, other } => {
                write!(f, "{checkpoint} and {other} sign different logs of the same size")
            }
            Fault::BadCheckpoint { checkpoint, error } => write!(f, "{checkpoint} {error}"),
            Fault::NoCheckpoint => write!(
                f,
                "there are entries, but the database holds no valid signed checkpoint"
            ),
            Fault::HeadSize { head, entries } if head > entries => {
                write!(
                    f,
                    "the log's head counts {head} entries, {entries} are there: the last were deleted"
                )
            }
            Fault::HeadSize { head, .. } => write!(
                f,
                "the log's head counts {head} entries: this one was added beside the log"
            ),
            Fault::HeadRoot => write!(f, "the log's head has another root than its entries"),
            Fault::NoHead => write!(f, "the log's head is missing"),
        }
    }
}

/// A fault, and the entry at which it shows: the first that may be bad. A fault that names no single entry
/// (`RootDiffers`, a bad checkpoint) carries the first entry no good checkpoint covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Sequence number, from 0.
    pub seq: u64,
    pub fault: Fault,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "entry {}: {}", self.seq, self.fault)
    }
}
