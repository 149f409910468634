//! What the lines on the pages mean, as a tree that a screen reader follows.

use std::num::NonZeroU16;

use krilla::tagging::{Identifier, ListNumbering, Node, TableHeaderScope, Tag, TagGroup, TagKind, TagTree};

use super::sheet::{Kind, Layout};

/// `said`: each line, with what it is part of.
pub fn tree(layout: &Layout, said: Vec<(usize, Identifier)>) -> TagTree {
    let mut children: Vec<Vec<Child>> = layout.meanings.iter().map(|_| Vec::new()).collect();
    let mut top = Vec::new();
    for (at, meaning) in layout.meanings.iter().enumerate() {
        match meaning.within {
            Some(within) => children[within].push(Child::Part(at)),
            None => top.push(at),
        }
    }
    for (of, identifier) in said {
        children[of].push(Child::Line(identifier));
    }
    let mut tree = TagTree::new();
    for at in top {
        tree.push(group(at, layout, &mut children));
    }
    tree
}

enum Child {
    Part(usize),
    Line(Identifier),
}

fn group(at: usize, layout: &Layout, children: &mut [Vec<Child>]) -> TagGroup {
    let own = std::mem::take(&mut children[at]);
    let nodes: Vec<Node> = own
        .into_iter()
        .map(|child| match child {
            Child::Part(part) => Node::Group(group(part, layout, children)),
            Child::Line(identifier) => Node::Leaf(identifier),
        })
        .collect();
    TagGroup::with_children(tag(layout.meanings[at].kind), nodes)
}

fn tag(kind: Kind) -> TagKind {
    let level = |level| NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN);
    match kind {
        Kind::Title => Tag::Hn(level(1), Some("Person".to_owned())).into(),
        Kind::Section => Tag::Section.into(),
        Kind::Heading(of, words) => Tag::Hn(level(of), Some(words.to_owned())).into(),
        Kind::Paragraph => Tag::P.into(),
        Kind::List => Tag::L(ListNumbering::None).into(),
        Kind::Item => Tag::LI.into(),
        Kind::Label => Tag::Lbl.into(),
        Kind::Body => Tag::LBody.into(),
        Kind::Table(caption) => Tag::Table.with_summary(Some(caption.to_owned())).into(),
        Kind::Row => Tag::TR.into(),
        Kind::Head => Tag::TH(TableHeaderScope::Column).into(),
        Kind::Cell => Tag::TD.into(),
    }
}
