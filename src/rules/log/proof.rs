//! Inclusion and consistency proofs: made from stored nodes, checked with nothing but roots.
//! <https://www.rfc-editor.org/rfc/rfc6962#section-2.1.1>; checking: <https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3>

use super::digest::{Digest, empty_root, node_hash};

/// Reads stored nodes of perfect subtrees; level 0 are the leaves.
pub trait Nodes {
    /// The node, or `None` when it is not stored.
    fn node(&self, level: u8, index: u64) -> Option<Digest>;
}

/// The root the tree had at `size`; `None` when a node is not stored.
pub fn root_at(nodes: &impl Nodes, size: u64) -> Option<Digest> {
    if size == 0 {
        Some(empty_root())
    } else {
        range_root(nodes, 0, size)
    }
}

/// The audit path of leaf `index` in the tree of `size` leaves, lowest first; at most 64 hashes.
/// `None` when `index` is not below `size` or a node is not stored.
pub fn inclusion(nodes: &impl Nodes, index: u64, size: u64) -> Option<Vec<Digest>> {
    if index >= size {
        return None;
    }
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(range_root(nodes, middle, to)?);
            to = middle;
        } else {
            path.push(range_root(nodes, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// Proof that the tree of `size` leaves extends the tree of `old` leaves; empty when `old` is 0 or `size`.
/// `None` when `old` is above `size` or a node is not stored.
pub fn consistency(nodes: &impl Nodes, old: u64, size: u64) -> Option<Vec<Digest>> {
    if old > size {
        return None;
    }
    if old == 0 || old == size {
        return Some(Vec::new());
    }
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to != old {
        let middle = from + split(to - from);
        if old <= middle {
            path.push(range_root(nodes, middle, to)?);
            to = middle;
        } else {
            path.push(range_root(nodes, from, middle)?);
            from = middle;
        }
    }
    // The old tree as a whole is known to whoever checks; a part of it is not.
    if from > 0 {
        path.push(range_root(nodes, from, to)?);
    }
    path.reverse();
    Some(path)
}

/// Is `leaf` entry `index` of the tree of `size` leaves with this root?
pub fn verify_inclusion(leaf: &Digest, index: u64, size: u64, path: &[Digest], root: &Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Does the tree (`size`, `root`) hold the tree (`old`, `old_root`) unchanged as its beginning?
pub fn verify_consistency(old: u64, old_root: &Digest, size: u64, root: &Digest, path: &[Digest]) -> bool {
    if old > size {
        return false;
    }
    if old == size {
        return path.is_empty() && old_root == root;
    }
    if old == 0 {
        return path.is_empty() && *old_root == empty_root();
    }
    let mut hashes = path.iter();
    let first = if old.is_power_of_two() {
        Some(old_root)
    } else {
        hashes.next()
    };
    let Some(first) = first else { return false };
    let (mut node, mut last) = (old - 1, size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut hash) = (*first, *first);
    for sibling in hashes {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && hash == *root
}

/// The largest power of two below `n`; `n` is at least 2.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The root over the leaves `from..to`, where `from` is a multiple of the largest power of two in `to - from`:
/// so it is for every subtree that RFC 6962 splits off.
fn range_root(nodes: &impl Nodes, from: u64, to: u64) -> Option<Digest> {
    let mut end = to;
    let mut root = None;
    while end > from {
        let level = (end - from).trailing_zeros();
        end -= 1 << level;
        let left = nodes.node(u8::try_from(level).ok()?, end >> level)?;
        root = Some(root.map_or(left, |right| node_hash(&left, &right)));
    }
    root
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::log::frontier::tests::{ct_entries, mth};
    use crate::log::{Frontier, leaf_hash};
    use proptest::prelude::*;
    use std::collections::HashMap;

    pub(crate) struct Stored(pub(crate) HashMap<(u8, u64), Digest>);

    impl Nodes for Stored {
        fn node(&self, level: u8, index: u64) -> Option<Digest> {
            self.0.get(&(level, index)).copied()
        }
    }

    pub(crate) fn stored(leaves: &[Digest]) -> Stored {
        let (mut frontier, mut made) = (Frontier::new(), Vec::new());
        for leaf in leaves {
            frontier.append(*leaf, &mut made);
        }
        Stored(
            made.into_iter()
                .map(|node| ((node.level, node.index), node.hash))
                .collect(),
        )
    }

    fn leaves(count: u64) -> Vec<Digest> {
        (0..count).map(|seq| leaf_hash(&seq.to_be_bytes())).collect()
    }

    #[test]
    fn known_proofs_of_certificate_transparency() {
        let leaves: Vec<Digest> = ct_entries().iter().map(|entry| leaf_hash(entry)).collect();
        let nodes = stored(&leaves);
        let hex =
            |path: Option<Vec<Digest>>| path.expect("stored").iter().map(Digest::hex).collect::<Vec<_>>();
        assert_eq!(
            hex(inclusion(&nodes, 0, 8)),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
            ]
        );
        assert_eq!(
            hex(consistency(&nodes, 6, 8)),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
            ]
        );
    }

    #[test]
    fn every_proof_of_every_small_tree_verifies_and_no_other_position_does() {
        let leaves = leaves(33);
        let nodes = stored(&leaves);
        for size in 1..=33u64 {
            let root = mth(&leaves[..size as usize]);
            assert_eq!(root_at(&nodes, size), Some(root));
            for index in 0..size {
                let path = inclusion(&nodes, index, size).expect("stored");
                for other in 0..size {
                    let same = verify_inclusion(&leaves[other as usize], index, size, &path, &root);
                    assert_eq!(same, other == index, "leaf {other} as {index} of {size}");
                }
            }
            for old in 0..=size {
                let path = consistency(&nodes, old, size).expect("stored");
                let old_root = mth(&leaves[..old as usize]);
                assert!(
                    verify_consistency(old, &old_root, size, &root, &path),
                    "{old} in {size}"
                );
                assert!(
                    !verify_consistency(old, &leaf_hash(b"fork"), size, &root, &path),
                    "fork {old} in {size}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_proved_is_none() {
        let nodes = stored(&leaves(4));
        assert_eq!(inclusion(&nodes, 4, 4), None);
        assert_eq!(inclusion(&nodes, 0, 9), None);
        assert_eq!(consistency(&nodes, 5, 4), None);
        assert!(!verify_inclusion(&leaf_hash(b""), 0, 0, &[], &empty_root()));
        assert!(!verify_consistency(3, &leaf_hash(b""), 4, &leaf_hash(b""), &[]));
    }

    proptest! {
        #[test]
        fn any_bit_flip_is_refused(size in 2u64..200, at in any::<prop::sample::Index>(), bit in 0usize..256, which in any::<prop::sample::Index>()) {
            let leaves = leaves(size);
            let nodes = stored(&leaves);
            let root = mth(&leaves);
            let index = at.index(size as usize) as u64;
            let flip = |digest: &mut Digest| digest.0[bit / 8] ^= 1 << (bit % 8);

            let path = inclusion(&nodes, index, size).expect("stored");
            let mut parts: Vec<Digest> = path.iter().copied().chain([leaves[index as usize], root]).collect();
            prop_assert!(verify_inclusion(&parts[path.len()], index, size, &path, &root));
            flip(&mut parts[which.index(path.len() + 2)]);
            prop_assert!(!verify_inclusion(&parts[path.len()], index, size, &parts[..path.len()], &parts[path.len() + 1]));

            let old = index.max(1);
            let path = consistency(&nodes, old, size).expect("stored");
            let old_root = mth(&leaves[..old as usize]);
            let mut parts: Vec<Digest> = path.iter().copied().chain([old_root, root]).collect();
            prop_assert!(verify_consistency(old, &old_root, size, &root, &path));
            flip(&mut parts[which.index(path.len() + 2)]);
            prop_assert!(!verify_consistency(old, &parts[path.len()], size, &parts[path.len() + 1], &parts[..path.len()]));
        }
    }
}
