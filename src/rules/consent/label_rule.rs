//! `provision.securityLabel`: confidentiality as a high-water mark, sensitivity by subsumption.
//! <https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.securityLabel>

use super::datum::Datum;
use super::rule::Code;
use crate::terminology::{ACT_CODE, CONFIDENTIALITY, Confidentiality, Sensitivities, canonical, known};

/// The labels one provision states, ready for both readings.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelRule {
    /// Lowest and highest confidentiality stated.
    confidentiality: Option<(Confidentiality, Confidentiality)>,
    permitted: Sensitivities,
    denied: Sensitivities,
    part2: bool,
    /// Labels of other kinds, matched as they are.
    other: Vec<Code>,
    /// Stated by a deny; a deny that inherits the labels of a permit reads them both ways.
    pub by_deny: bool,
}

impl LabelRule {
    /// An unknown code of a system held here is an error: a typing mistake must not widen or narrow a consent.
    pub(super) fn read(codes: Vec<Code>, by_deny: bool) -> Result<LabelRule, &'static str> {
        let mut rule = LabelRule {
            by_deny,
            ..LabelRule::default()
        };
        let mut stated = Sensitivities::NONE;
        for code in codes {
            if known(&code.system, &code.code) == Some(false) {
                return Err("a securityLabel is no code of its system");
            }
            match (
                code.system.as_str(),
                Confidentiality::from_code(&code.code),
                Sensitivities::of(&code.code),
            ) {
                (CONFIDENTIALITY, Some(c), _) => {
                    let (low, high) = rule.confidentiality.unwrap_or((c, c));
                    rule.confidentiality = Some((low.min(c), high.max(c)));
                }
                // Retired codes of the confidentiality system name a sensitivity.
                (CONFIDENTIALITY | ACT_CODE, _, Some(s)) => stated = stated.with(s),
                (ACT_CODE, ..) if code.code == "42CFRPart2" => rule.part2 = true,
                _ => rule.other.push(code),
            }
        }
        rule.permitted = stated.and_below();
        rule.denied = stated.denied_with();
        Ok(rule)
    }

    /// A permit of psychotherapy notes names them; a permit of something above does not reach them (45 CFR 164.508(a)(2)).
    pub(super) fn names_psychotherapy_notes(&self) -> bool {
        Sensitivities::of("PSYTHPN").is_some_and(|notes| self.permitted.covers(notes))
    }

    pub(super) fn matches(&self, datum: &Datum<'_>, permit: bool) -> bool {
        match permit {
            true => self.permits(datum),
            false => self.denies(datum) || (!self.by_deny && self.permits(datum)),
        }
    }

    /// Every sensitivity of the datum is covered, or, where only confidentiality is stated or the datum has no
    /// sensitivity, it stands at or below the highest stated.
    fn permits(&self, datum: &Datum<'_>) -> bool {
        let labels = datum.labels;
        let part2 = self.part2 && labels.part2;
        let names_sensitivity = !self.permitted.is_empty() || self.part2;
        if names_sensitivity && !labels.to_permit.is_empty() {
            let substance_use = if part2 {
                substance_use()
            } else {
                Sensitivities::NONE
            };
            return self.permitted.with(substance_use).covers(labels.to_permit);
        }
        match (self.confidentiality, datum.confidentiality(true)) {
            (Some((_, high)), Some(confidentiality)) if confidentiality <= high => true,
            _ => part2 || self.other(datum),
        }
    }

    /// At or above the lowest confidentiality stated, or any sensitivity that the table excludes.
    fn denies(&self, datum: &Datum<'_>) -> bool {
        let labels = datum.labels;
        let confidentiality = datum.confidentiality(false);
        self.confidentiality
            .is_some_and(|(low, _)| confidentiality.is_some_and(|c| c >= low))
            || self.denied.intersects(labels.sensitivity)
            || (self.part2 && labels.part2)
            || self.other(datum)
    }

    fn other(&self, datum: &Datum<'_>) -> bool {
        !self.other.is_empty()
            && datum.resource["meta"]["security"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|tag| {
                    self.other.iter().any(|o| {
                        tag["code"] == o.code.as_str()
                            && canonical(tag["system"].as_str().unwrap_or_default()) == o.system
                    })
                })
    }
}

fn substance_use() -> Sensitivities {
    ["SUD", "ETH"]
        .iter()
        .filter_map(|c| Sensitivities::of(c))
        .fold(Sensitivities::NONE, Sensitivities::with)
        .and_below()
}
