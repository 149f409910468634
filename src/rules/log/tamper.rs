//! What a thief of the database can do, and that the check of the log sees it, with the right entry.
//! The matrix of `audit verify`: each attack once against the database alone, once with a checkpoint kept outside.

use std::sync::LazyLock;

use super::*;
use crate::log::fault::Fault;

const ORIGIN: &str = "log.example/hearthstone";

#[derive(Clone)]
struct Row {
    seq: u64,
    body: Option<Vec<u8>>,
    leaf: Digest,
    /// The stored column; a body is "patient event".
    patient: String,
}

struct Columns<'a>(&'a str);

impl Projection for Columns<'_> {
    fn differs(&self, body: &[u8]) -> Option<&'static str> {
        let patient = body.split(|b| *b == b' ').next();
        (patient != Some(self.0.as_bytes())).then_some("patient")
    }
}

#[derive(Clone)]
struct Database {
    rows: Vec<Row>,
    nodes: Vec<Node>,
    head: Option<Frontier>,
    checkpoints: Vec<String>,
}

fn signer(seed: u8) -> Signer {
    Signer::new(ORIGIN, &[seed; 32]).expect("valid name")
}

/// `bodies` logged in order, with a checkpoint by `seed` after every ten.
fn logged(bodies: &[Vec<u8>], seed: u8) -> Database {
    let (mut frontier, mut nodes) = (Frontier::new(), Vec::new());
    let (mut rows, mut checkpoints) = (Vec::new(), Vec::new());
    for body in bodies {
        let leaf = leaf_hash(body);
        let seq = frontier.append(leaf, &mut nodes);
        let patient = String::from_utf8_lossy(body)
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned();
        rows.push(Row {
            seq,
            body: Some(body.clone()),
            leaf,
            patient,
        });
        if frontier.size() % 10 == 0 {
            let checkpoint = Checkpoint {
                origin: ORIGIN.to_owned(),
                size: frontier.size(),
                root: frontier.root(),
            };
            checkpoints.push(checkpoint.sign(&[&signer(seed)]));
        }
    }
    Database {
        rows,
        nodes,
        head: Some(frontier),
        checkpoints,
    }
}

fn bodies(count: u64) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| format!("Patient/p{} event {n}", n % 7).into_bytes())
        .collect()
}

fn clean() -> Database {
    static CLEAN: LazyLock<Database> = LazyLock::new(|| logged(&bodies(43), 1));
    CLEAN.clone()
}

/// Entries that were never logged, over a tree and head made anew, with the old checkpoints.
fn rebuilt(change: impl FnOnce(&mut Vec<Vec<u8>>), seed: u8) -> Database {
    let mut changed = bodies(43);
    change(&mut changed);
    logged(&changed, seed)
}

impl Database {
    fn check(&self, outside: &[String], pruned_below: u64) -> Report {
        let held = |stored: bool| {
            move |note: &'_ String| (format!("checkpoint, stored {stored}"), note.clone(), stored)
        };
        let notes: Vec<_> = self
            .checkpoints
            .iter()
            .map(held(true))
            .chain(outside.iter().map(held(false)))
            .collect();
        let held = notes.iter().map(|(name, note, stored)| Held {
            name: name.clone(),
            note,
            stored: *stored,
        });
        let mut verifier = Verifier::new(ORIGIN, &[signer(1).verifier()], held, pruned_below);
        for row in &self.rows {
            let nodes: Vec<Node> = self
                .nodes
                .iter()
                .filter(|node| node.last() == row.seq)
                .copied()
                .collect();
            let entry = Entry {
                seq: row.seq,
                body: row.body.as_deref(),
                leaf: row.leaf,
                nodes: Some(&nodes),
            };
            verifier.entry(&entry, &Columns(&row.patient));
        }
        verifier.finish(self.head.as_ref())
    }

    fn edit(&mut self, seq: usize, body: &str, also_leaf: bool) {
        self.rows[seq].body = Some(body.as_bytes().to_vec());
        if also_leaf {
            self.rows[seq].leaf = leaf_hash(body.as_bytes());
        }
    }

    fn renumber(&mut self) {
        for (seq, row) in self.rows.iter_mut().enumerate() {
            row.seq = seq as u64;
        }
    }

    /// Rebuilds nodes and head from the rows, as someone without the key can.
    fn rehash(&mut self) {
        let bodies: Vec<Vec<u8>> = self.rows.iter().filter_map(|row| row.body.clone()).collect();
        let fresh = logged(&bodies, 1);
        (self.rows, self.nodes, self.head) = (fresh.rows, fresh.nodes, fresh.head);
    }
}

type Attack = (&'static str, fn(&mut Database), u64, fn(&Fault) -> bool);

#[test]
fn every_change_of_the_database_is_found_at_its_entry() {
    let attacks: &[Attack] = &[
        (
            "body edited",
            |db| db.edit(17, "Patient/p3 forged", false),
            17,
            |f| *f == Fault::BodyChanged,
        ),
        (
            "body and leaf edited",
            |db| db.edit(17, "Patient/p3 forged", true),
            17,
            |f| *f == Fault::OutOfPlace,
        ),
        (
            "leaf edited",
            |db| db.rows[17].leaf = leaf_hash(b"x"),
            17,
            |f| *f == Fault::LeafChanged,
        ),
        (
            "column edited",
            |db| db.rows[17].patient = "Patient/p9".to_owned(),
            17,
            |f| *f == Fault::ColumnDiffers("patient"),
        ),
        (
            "body removed",
            |db| db.rows[17].body = None,
            17,
            |f| *f == Fault::BodyMissing,
        ),
        (
            "row deleted",
            |db| drop(db.rows.remove(17)),
            17,
            |f| *f == Fault::Missing { count: 1 },
        ),
        (
            "three rows deleted",
            |db| drop(db.rows.drain(17..20)),
            17,
            |f| *f == Fault::Missing { count: 3 },
        ),
        (
            "first row deleted",
            |db| drop(db.rows.remove(0)),
            0,
            |f| *f == Fault::Missing { count: 1 },
        ),
        (
            "deleted and renumbered",
            |db| {
                db.rows.remove(17);
                db.renumber();
            },
            17,
            |f| *f == Fault::OutOfPlace,
        ),
        (
            "two rows swapped",
            |db| {
                db.rows.swap(17, 31);
                db.renumber();
            },
            17,
            |f| *f == Fault::OutOfPlace,
        ),
        (
            "row inserted",
            |db| {
                db.rows.insert(17, db.rows[3].clone());
                db.renumber();
            },
            17,
            |f| *f == Fault::OutOfPlace,
        ),
        (
            "row appended beside the log",
            |db| {
                db.rows.push(Row {
                    seq: 43,
                    ..db.rows[3].clone()
                });
            },
            43,
            |f| matches!(f, Fault::NodeMissing { level: 0, index: 43 }),
        ),
        (
            "row twice",
            |db| db.rows.insert(18, db.rows[17].clone()),
            17,
            |f| *f == Fault::Repeated,
        ),
        (
            "node corrupted",
            |db| node(db, 2, 4).hash = leaf_hash(b"x"),
            16,
            |f| *f == Fault::NodeDiffers { level: 2, index: 4 },
        ),
        (
            "node deleted",
            |db| db.nodes.retain(|node| (node.level, node.index) != (2, 4)),
            19,
            |f| *f == Fault::NodeMissing { level: 2, index: 4 },
        ),
        (
            "tail cut",
            |db| db.rows.truncate(35),
            35,
            |f| {
                matches!(
                    f,
                    Fault::HeadSize {
                        head: 43,
                        entries: 35
                    }
                )
            },
        ),
        (
            "tail cut, head and nodes set back",
            |db| {
                db.rows.truncate(35);
                db.rehash();
            },
            35,
            |f| matches!(f, Fault::Truncated { size: 40, .. }),
        ),
        (
            "edited and all rehashed",
            |db| {
                db.edit(17, "Patient/p3 forged", true);
                db.rehash();
            },
            10,
            |f| matches!(f, Fault::RootDiffers { size: 20, .. }),
        ),
        ("head deleted", |db| db.head = None, 42, |f| *f == Fault::NoHead),
        (
            "head of another tree",
            |db| db.head = logged(&vec![b"x".to_vec(); 43], 1).head,
            40,
            |f| *f == Fault::HeadRoot,
        ),
        (
            "all checkpoints deleted",
            |db| db.checkpoints.clear(),
            0,
            |f| *f == Fault::NoCheckpoint,
        ),
        (
            "signed with another key",
            |db| *db = rebuilt(|b| b[17] = b"Patient/p3 f".to_vec(), 2),
            0,
            |f| matches!(f, Fault::BadCheckpoint { .. }),
        ),
        (
            "checkpoint altered",
            |db| db.checkpoints[1] = db.checkpoints[1].replacen("\n20\n", "\n21\n", 1),
            0,
            |f| {
                matches!(
                    f,
                    Fault::BadCheckpoint {
                        error: CheckpointError::Note(NoteError::BadSignature),
                        ..
                    }
                )
            },
        ),
    ];
    let good = clean();
    for (name, attack, seq, expected) in attacks {
        let mut db = good.clone();
        attack(&mut db);
        let report = db.check(&[], 0);
        let first = report
            .first()
            .unwrap_or_else(|| unreachable!("{name}: nothing found"));
        assert!(
            first.seq == *seq && expected(&first.fault),
            "{name}: {:?}",
            report.findings
        );
        assert!(
            !db.check(&good.checkpoints[3..], 0).is_clean(),
            "{name} with an outside checkpoint"
        );
    }
}

fn node(db: &mut Database, level: u8, index: u64) -> &mut Node {
    db.nodes
        .iter_mut()
        .find(|node| (node.level, node.index) == (level, index))
        .expect("there")
}

#[test]
fn an_untouched_log_is_clean() {
    let good = clean();
    let report = good.check(&good.checkpoints[3..], 0);
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!((report.entries, report.checkpoints, report.unsigned), (43, 5, 3));
    assert_eq!(Some(report.root), good.head.as_ref().map(Frontier::root));
    let empty = logged(&[], 1);
    assert!(empty.check(&[], 0).is_clean());
    assert!(Verifier::new(ORIGIN, &[], [], 0).finish(None).is_clean());
}

#[test]
fn pruned_bodies_leave_the_tree_whole() {
    let mut db = clean();
    db.rows[..12].iter_mut().for_each(|row| row.body = None);
    let report = db.check(&[], 12);
    assert!(report.is_clean() && report.pruned == 12, "{:?}", report.findings);
    assert_eq!(db.check(&[], 11).first().map(|finding| finding.seq), Some(11));
}

/// Whoever can delete the newest checkpoints, or has the key, is seen only from outside.
#[test]
fn rollback_and_a_stolen_key_need_a_checkpoint_kept_outside() {
    let good = clean();
    let outside = &good.checkpoints[3..];
    let mut rolled_back = good.clone();
    rolled_back.rows.truncate(25);
    rolled_back.rehash();
    rolled_back.checkpoints.truncate(2);
    let forged = rebuilt(|b| b[17] = b"Patient/p3 forged".to_vec(), 1);
    for (name, db, seq) in [("rolled back", rolled_back, 25), ("stolen key", forged, 0)] {
        assert!(db.check(&[], 0).is_clean(), "{name}");
        assert_eq!(db.check(outside, 0).first().map(|f| f.seq), Some(seq), "{name}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn any_changed_byte_of_any_body_is_found(seq in 0usize..43, at in proptest::prelude::any::<proptest::sample::Index>(), bit in 0u8..8) {
        let mut db = clean();
        let body = db.rows[seq].body.as_mut().expect("there");
        let at = at.index(body.len());
        body[at] ^= 1 << bit;
        let report = db.check(&[], 0);
        proptest::prop_assert_eq!(report.first().map(|f| f.seq), Some(seq as u64));
    }
}
