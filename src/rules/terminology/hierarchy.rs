//! One code system with its closure computed once: every code knows all of its ancestors.
//! <https://hl7.org/fhir/R4/codesystem.html#hierarchy>

use std::collections::HashMap;

#[derive(Debug)]
struct Concept {
    display: &'static str,
    /// All ancestors, sorted; a code has at most a few dozen.
    ancestors: Vec<u16>,
}

/// Codes of one system; lookups hash and do not allocate.
#[derive(Debug)]
pub(super) struct Hierarchy {
    index: HashMap<&'static str, u16>,
    codes: Vec<&'static str>,
    concepts: Vec<Concept>,
}

impl Hierarchy {
    /// Lines `code, parents, status, display`, tab separated; `#` starts a comment.
    pub(super) fn read(text: &'static str) -> Hierarchy {
        let rows: Vec<(&str, &str, &str)> = text.lines().filter_map(row).collect();
        let codes: Vec<&'static str> = rows.iter().map(|r| r.0).collect();
        let index: HashMap<&'static str, u16> = (0u16..).zip(&codes).map(|(i, code)| (*code, i)).collect();
        let parents: Vec<Vec<u16>> = rows
            .iter()
            .map(|r| r.1.split(',').filter_map(|p| index.get(p).copied()).collect())
            .collect();
        let concepts = (0u16..)
            .zip(&rows)
            .map(|(i, r)| Concept {
                display: r.2,
                ancestors: closure(i, &parents),
            })
            .collect();
        Hierarchy {
            index,
            codes,
            concepts,
        }
    }

    pub(super) fn find(&self, code: &str) -> Option<&'static str> {
        self.index.get(code).map(|i| self.codes[usize::from(*i)])
    }

    pub(super) fn display(&self, code: &str) -> Option<&'static str> {
        self.index
            .get(code)
            .map(|i| self.concepts[usize::from(*i)].display)
    }

    /// Is `code` strictly below `ancestor`, or the same known code?
    pub(super) fn is_a(&self, code: &str, ancestor: &str) -> bool {
        let (Some(code), Some(ancestor)) = (self.index.get(code), self.index.get(ancestor)) else {
            return false;
        };
        code == ancestor
            || self.concepts[usize::from(*code)]
                .ancestors
                .binary_search(ancestor)
                .is_ok()
    }

    /// A code and all its ancestors; nothing for a code that is not of the system.
    pub(super) fn at_or_above(&self, code: &str) -> impl Iterator<Item = &'static str> + '_ {
        let own = self.index.get(code).copied();
        let ancestors = own.map(|own| self.concepts[usize::from(own)].ancestors.as_slice());
        let ancestors = ancestors.unwrap_or_default().iter().copied();
        own.into_iter()
            .chain(ancestors)
            .map(|at| self.codes[usize::from(at)])
    }

    /// Codes at or below `root`, in file order.
    pub(super) fn below(&self, root: &'static str) -> impl Iterator<Item = &'static str> + '_ {
        self.codes
            .iter()
            .copied()
            .filter(move |code| self.is_a(code, root))
    }
}

fn row(line: &'static str) -> Option<(&'static str, &'static str, &'static str)> {
    if line.starts_with('#') {
        return None;
    }
    let mut cells = line.split('\t');
    let (code, parents, _status) = (cells.next()?, cells.next()?, cells.next()?);
    Some((code, parents, cells.next().unwrap_or("")))
}

fn closure(start: u16, parents: &[Vec<u16>]) -> Vec<u16> {
    let mut found: Vec<u16> = Vec::new();
    let mut open = parents[usize::from(start)].clone();
    while let Some(next) = open.pop() {
        // The published data hold cycles now and then; a code already found is not followed again.
        if next != start && !found.contains(&next) {
            found.push(next);
            open.extend(&parents[usize::from(next)]);
        }
    }
    found.sort_unstable();
    found
}
