//! The append-only log: an RFC 6962 Merkle tree, checkpoints signed as C2SP notes, proofs, and the check of a
//! whole stored log. Pure: the store writes what `Frontier` yields and feeds `Verifier` what it reads.
//! <https://www.rfc-editor.org/rfc/rfc6962#section-2>

pub mod digest;
pub mod frontier;
pub mod proof;
pub mod note;
pub mod checkpoint;
pub mod tlog_proof;
pub mod fault;
pub mod verify;
#[cfg(test)]
mod tamper;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use digest::{Digest, leaf_hash, node_hash};
pub use fault::{Fault, Finding};
pub use frontier::{Frontier, Node, root_of};
pub use note::{NoteError, Signer, VerifierKey};
pub use proof::{Nodes, consistency, inclusion, root_at, verify_consistency, verify_inclusion};
pub use tlog_proof::TlogProof;
pub use verify::{Entry, Held, Projection, Report, Verifier};

/// Proof that the events made from an answer are durable. Only the store's receipt implements it, after its
/// COMMIT; an answer yields its bytes only to a receipt that covers its digest.
pub trait Durable {
    fn covers(&self, digest: &Digest) -> bool;
}
