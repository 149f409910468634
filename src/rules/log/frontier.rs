//! The right edge of the tree: all that is needed to append a leaf or to state the root.
//! <https://www.rfc-editor.org/rfc/rfc6962#section-2.1>

use super::digest::{Digest, empty_root, node_hash};

/// One stored hash: the root of the perfect subtree over the leaves `first()..=last()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Height above the leaves; a leaf is level 0.
    pub level: u8,
    /// Position among the nodes of its level, from 0.
    pub index: u64,
    pub hash: Digest,
}

impl Node {
    /// The first leaf (= sequence number) under this node.
    pub fn first(&self) -> u64 {
        self.index << self.level
    }

    /// The leaf whose append completed this node: nodes are made in the order of this number, then of level.
    pub fn last(&self) -> u64 {
        self.first() + ((1u64 << self.level) - 1)
    }
}

/// A tree of `size` leaves, held as the hashes of its perfect subtrees, largest (leftmost) first:
/// one for each bit set in `size`. Cloning it is cheap; an append hashes two nodes on average.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// The tree without leaves.
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// Number of leaves, and the sequence number the next leaf will get.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds one leaf and pushes every node this completes on `made`: first the leaf itself (level 0), then
    /// upwards. Persist them all; proofs and the check of the log read them. Returns the leaf's sequence number.
    pub fn append(&mut self, leaf: Digest, made: &mut Vec<Node>) -> u64 {
        let seq = self.size;
        let mut node = Node {
            level: 0,
            index: seq,
            hash: leaf,
        };
        made.push(node);
        while node.index & 1 == 1 {
            let left = self
                .peaks
                .pop()
                .expect("an odd index has a left sibling on the frontier");
            node = Node {
                level: node.level + 1,
                index: node.index >> 1,
                hash: node_hash(&left, &node.hash),
            };
            made.push(node);
        }
        self.peaks.push(node.hash);
        self.size += 1;
        seq
    }

    /// The Merkle tree head.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(&last) => peaks.fold(last, |right, left| node_hash(left, &right)),
        }
    }

    /// Size (8 bytes, big endian), then the peaks (32 bytes each).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + 32 * self.peaks.len());
        out.extend_from_slice(&self.size.to_be_bytes());
        for peak in &self.peaks {
            out.extend_from_slice(&peak.0);
        }
        out
    }

    /// The inverse of `to_bytes`; `None` when the length does not fit the size.
    pub fn from_bytes(bytes: &[u8]) -> Option<Frontier> {
        let (size, rest) = bytes.split_first_chunk::<8>()?;
        let size = u64::from_be_bytes(*size);
        if size == u64::MAX || rest.len() != 32 * size.count_ones() as usize {
            return None;
        }
        let peaks = rest.chunks_exact(32).filter_map(Digest::from_slice).collect();
        Some(Frontier { size, peaks })
    }
}

/// The root over leaf hashes, in order.
pub fn root_of(leaves: impl IntoIterator<Item = Digest>) -> Digest {
    let mut frontier = Frontier::new();
    let mut made = Vec::new();
    for leaf in leaves {
        made.clear();
        frontier.append(leaf, &mut made);
    }
    frontier.root()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::log::leaf_hash;
    use proptest::prelude::*;

    /// The eight entries of the Certificate Transparency reference tests.
    pub(crate) fn ct_entries() -> Vec<Vec<u8>> {
        let sixth: Vec<u8> = (0x50..0x58).collect();
        let seventh: Vec<u8> = (0x60..0x70).collect();
        let rest: [&[u8]; 8] = [
            &[],
            &[0],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &sixth,
            &seventh,
        ];
        rest.iter().map(|entry| entry.to_vec()).collect()
    }

    /// MTH as RFC 6962 section 2.1 defines it, by recursion.
    pub(crate) fn mth(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node_hash(&mth(&leaves[..k]), &mth(&leaves[k..]))
            }
        }
    }

    #[test]
    fn known_roots_of_certificate_transparency() {
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::new();
        for (entry, root) in ct_entries().iter().zip(roots) {
            frontier.append(leaf_hash(entry), &mut Vec::new());
            assert_eq!(frontier.root().hex(), root);
        }
    }

    #[test]
    fn nodes_know_their_leaves() {
        let mut frontier = Frontier::new();
        let mut made = Vec::new();
        for seq in 0..8u64 {
            frontier.append(leaf_hash(&seq.to_be_bytes()), &mut made);
        }
        assert_eq!(made.len(), 15);
        assert!(
            made.windows(2)
                .all(|pair| (pair[0].last(), pair[0].level) < (pair[1].last(), pair[1].level))
        );
        let top = made.last().expect("fifteen nodes");
        assert_eq!((top.level, top.index, top.first(), top.last()), (3, 0, 0, 7));
        assert_eq!(top.hash, frontier.root());
    }

    #[test]
    fn bytes_of_a_wrong_length_are_refused() {
        let mut frontier = Frontier::new();
        for seq in 0..5u8 {
            frontier.append(leaf_hash(&[seq]), &mut Vec::new());
        }
        let bytes = frontier.to_bytes();
        assert_eq!(Frontier::from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Frontier::from_bytes(&bytes[..8]), None);
        assert_eq!(Frontier::from_bytes(&[]), None);
        assert_eq!(Frontier::from_bytes(&[255; 8]), None);
    }

    proptest! {
        #[test]
        fn appending_is_recomputing(entries in proptest::collection::vec(any::<[u8; 3]>(), 0..70)) {
            let leaves: Vec<Digest> = entries.iter().map(|entry| leaf_hash(entry)).collect();
            let mut frontier = Frontier::new();
            for (seq, leaf) in leaves.iter().enumerate() {
                prop_assert_eq!(frontier.root(), mth(&leaves[..seq]));
                frontier = Frontier::from_bytes(&frontier.to_bytes()).expect("own bytes");
                prop_assert_eq!(frontier.append(*leaf, &mut Vec::new()), seq as u64);
            }
            prop_assert_eq!(frontier.root(), mth(&leaves));
            prop_assert_eq!(root_of(leaves.iter().copied()), mth(&leaves));
        }
    }
}
