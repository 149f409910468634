//! What the labels of released elements add to the labels of their resource, in exactly what is released: an element
//! outside the data set adds nothing, or its label would tell of it. <https://hl7.org/fhir/uv/security-label-ds4p/>

use std::collections::BTreeSet;

use serde_json::Value;

use super::record::Stored;
use crate::label::{Basis, ConfidentialityBasis, HighWater, Labels};
use crate::profile::Profile;
use crate::terminology::{Confidentiality, Sensitivities};

/// One thing an element's labels may add. There are few kinds of them, however many labelled elements there are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Part2,
    Confidentiality(Confidentiality),
    Sensitivity(&'static str),
}

/// The high-water mark of the labelled elements that are in `body`, the projection of `stored` without what `withheld`
/// names. A mark is released when the projection would be another one without the elements that carry it.
pub(super) fn released(
    profile: &Profile,
    stored: &Stored,
    labels: &Labels,
    withheld: &dyn Fn(&str) -> bool,
    body: &Value,
) -> HighWater {
    let mut mark = HighWater::default();
    let permitted: Vec<&(String, Labels)> = labels
        .elements
        .iter()
        .filter(|(path, own)| is_stated(own) && !withheld(path))
        .collect();
    let wanted: BTreeSet<Mark> = permitted.iter().flat_map(|(_, own)| marks(own)).collect();
    for one in wanted {
        let carriers = permitted.iter().filter(|(_, own)| marks(own).any(|m| m == one));
        let carriers: BTreeSet<&str> = carriers.map(|(path, _)| path.as_str()).collect();
        let without = profile.project(&stored.body, &|path| withheld(path) || carriers.contains(path));
        if without.as_ref() != Some(body) {
            mark = mark.with(high_water(one));
        }
    }
    mark
}

/// Codes are found again in what is released; what source or staff stated stands only on what is stored.
fn is_stated(labels: &Labels) -> bool {
    let by_code = |basis: &Basis| matches!(basis, Basis::Code { .. });
    labels.part2
        || labels.confidentiality_basis == ConfidentialityBasis::Source
        || labels.reasons.iter().any(|reason| !by_code(&reason.basis))
}

fn marks(labels: &Labels) -> impl Iterator<Item = Mark> {
    let own = HighWater::of(labels);
    let part2 = own.part2.then_some(Mark::Part2);
    let confidentiality = own.confidentiality.map(Mark::Confidentiality);
    let sensitivities = own.sensitivity.codes().map(Mark::Sensitivity);
    part2.into_iter().chain(confidentiality).chain(sensitivities)
}

fn high_water(mark: Mark) -> HighWater {
    match mark {
        Mark::Part2 => HighWater {
            part2: true,
            ..HighWater::default()
        },
        Mark::Confidentiality(own) => HighWater {
            confidentiality: Some(own),
            ..HighWater::default()
        },
        Mark::Sensitivity(code) => HighWater {
            sensitivity: Sensitivities::of(code).unwrap_or_default(),
            ..HighWater::default()
        },
    }
}
