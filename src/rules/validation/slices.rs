//! Which slice an item belongs to, how many each slice has, and what order they keep.
//! <https://hl7.org/fhir/R4/profiling.html#slicing>

use super::rule::{Openness, Slicing};
use super::spot::Spot;
use super::told::Fit;
use super::tree::{Node, Slice, implied};
use super::walk::Walk;
use crate::fhir::IssueCode;
use crate::fhir::element::Element;

fn slicing(node: &Node, element: &Element) -> Option<Slicing> {
    match &node.slicing {
        Some(stated) if !stated.discriminators.is_empty() => Some(stated.clone()),
        stated => Some(Slicing {
            discriminators: implied(element)?,
            ordered: false,
            rules: stated.as_ref().map_or(Openness::Open, |stated| stated.rules),
        }),
    }
}

impl<'v> Walk<'v> {
    pub(super) fn slices(&mut self, node: &Node, element: &Element, spots: &[Spot<'v>]) {
        if node.slices.is_empty() {
            return;
        }
        let Some(slicing) = slicing(node, element) else {
            return;
        };
        let mut counts = vec![0usize; node.slices.len()];
        let (mut undecided, mut last, mut after_open) = (false, 0, false);
        for spot in spots {
            let (belongs, unclear) = self.belongs(node, &slicing, *spot);
            undecided |= unclear;
            for at in &belongs {
                counts[*at] += 1;
                self.at(*spot, |walk| walk.value(&node.slices[*at].node, *spot));
            }
            match belongs.first() {
                Some(first) => {
                    if slicing.ordered && *first < last {
                        self.at(*spot, |walk| {
                            walk.error(
                                IssueCode::Structure,
                                format_args!("must stand in the order of the slices"),
                            )
                        });
                    }
                    if slicing.rules == Openness::OpenAtEnd && after_open {
                        self.at(*spot, |walk| {
                            walk.error(
                                IssueCode::Structure,
                                format_args!("must stand before what is in no slice"),
                            )
                        });
                    }
                    last = last.max(*first);
                }
                None if slicing.rules == Openness::Closed && !unclear => {
                    self.at(*spot, |walk| {
                        walk.error(
                            IssueCode::Structure,
                            format_args!("must belong to a slice of the profile"),
                        )
                    });
                }
                None => after_open = true,
            }
        }
        for (slice, count) in node.slices.iter().zip(counts) {
            // A slice of a slice is asked for only where there is one of the outer.
            self.slice_count(&slice.name, &slice.node, count, undecided);
        }
    }

    /// Positions of the slice an item is in, and of the slices of that slice; whether something could not be told.
    fn belongs(&mut self, node: &Node, slicing: &Slicing, spot: Spot<'v>) -> (Vec<usize>, bool) {
        let (mut found, mut unclear) = (Vec::new(), false);
        let mut within: Option<&str> = None;
        for (at, slice) in node.slices.iter().enumerate() {
            let inner = within.is_some_and(|outer| is_within(slice, outer));
            let outermost = within.is_none() && !slice.name.contains('/');
            if !inner && !outermost {
                continue;
            }
            match self.fits(slice, slicing, spot) {
                Fit::Yes => {
                    found.push(at);
                    within = Some(&slice.name);
                }
                Fit::Unknown => unclear = true,
                Fit::No => {}
            }
        }
        (found, unclear)
    }
}

fn is_within(slice: &Slice, outer: &str) -> bool {
    slice
        .name
        .strip_prefix(outer)
        .is_some_and(|rest| rest.starts_with('/'))
}
