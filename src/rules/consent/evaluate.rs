//! The decision for one datum.
//! <https://hl7.org/fhir/R4/consent.html>: a nested provision is an exception to the one above it.

use super::ask::{Asked, Inquiry, Standing};
use super::facts::{Capacity, Compiled, Kind};
use super::rule::{Rule, Tree};
use super::{Datum, Decision, Dimensions, Effect, Part, Part2, Parts, State, Verdict};
use crate::label::NoteKind;

/// The dimensions of the data.
const DATA: [Dimensions; 5] = [
    Dimensions::LABEL,
    Dimensions::CLASS,
    Dimensions::CODE,
    Dimensions::DATA,
    Dimensions::DATA_PERIOD,
];

/// Whether a matched permit counts for this datum.
enum Counts {
    Yes,
    No,
    /// Whoever signed may not consent for such records.
    NotSigned,
    Insufficient,
}

/// Sums up what the consents say.
struct Tally {
    parts: Parts,
    denied: bool,
    permitted: bool,
    silent: bool,
    insufficient: Option<usize>,
    capacity_in_question: bool,
}

impl Inquiry<'_> {
    /// Consent, with Part 2 and the two kinds of notes, for one datum.
    pub fn evaluate(&self, datum: &Datum<'_>) -> Verdict {
        let mut tally = Tally {
            parts: Parts::none(),
            denied: false,
            permitted: false,
            silent: false,
            insufficient: None,
            capacity_in_question: false,
        };
        for (i, (consent, asked)) in self.consents.list.iter().zip(&self.asked).enumerate() {
            match (asked.standing, &consent.tree) {
                (Standing::Withholds, _) => tally.add(i, 0, Effect::Deny, Dimensions::NONE),
                (Standing::Enforced | Standing::DenyOnly | Standing::OnlyRestricts, Ok(tree)) => {
                    self.consent(i, consent, asked, tree, datum, &mut tally)
                }
                _ => {}
            }
        }
        self.verdict(tally, datum)
    }

    fn consent(
        &self,
        i: usize,
        consent: &Compiled,
        asked: &Asked,
        tree: &Tree,
        datum: &Datum<'_>,
        tally: &mut Tally,
    ) {
        match self.resolve(asked, tree, 0, datum) {
            Some(rule) if !tree.rules[rule].permit => tally.add(i, rule, Effect::Deny, Dimensions::NONE),
            _ if asked.standing != Standing::Enforced => {}
            Some(rule) => match counts(consent, asked, &tree.rules[rule], datum) {
                Counts::Yes => {
                    tally.capacity_in_question |= consent.capacity == Capacity::InQuestion;
                    tally.add(i, rule, Effect::Permit, Dimensions::NONE);
                }
                Counts::No => tally.add(i, rule, Effect::Silent, Dimensions::NONE),
                Counts::NotSigned => tally.add(i, rule, Effect::Silent, Dimensions::SIGNER),
                Counts::Insufficient => {
                    tally.insufficient = tally.insufficient.or(Some(i));
                    tally.add(i, rule, Effect::Silent, Dimensions::NONE);
                }
            },
            None if tree.rules[0].permit => {
                let root = &tree.rules[0];
                let failed = asked.failed[0].with(self.failed_data(root, datum));
                tally.add(i, 0, Effect::Silent, failed);
            }
            None => {}
        }
    }

    /// The deepest match below a rule; among siblings a deny wins. Compilation bounds the depth.
    fn resolve(&self, asked: &Asked, tree: &Tree, rule: usize, datum: &Datum<'_>) -> Option<usize> {
        let mut found = None;
        for child in &tree.rules[rule].children {
            match self.resolve(asked, tree, *child, datum) {
                Some(deny) if !tree.rules[deny].permit => return Some(deny),
                Some(permit) => found = found.or(Some(permit)),
                None => {}
            }
        }
        found.or_else(|| {
            let matches = asked.failed[rule].is_empty() && self.matches_data(&tree.rules[rule], datum);
            matches.then_some(rule)
        })
    }

    fn matches_data(&self, rule: &Rule, datum: &Datum<'_>) -> bool {
        !rule.stated.limits_data()
            || DATA
                .into_iter()
                .all(|dimension| self.holds(dimension, rule, datum))
    }

    /// The dimensions of the data that do not match.
    fn failed_data(&self, rule: &Rule, datum: &Datum<'_>) -> Dimensions {
        let failed = DATA
            .into_iter()
            .filter(|dimension| !self.holds(*dimension, rule, datum));
        failed.fold(Dimensions::NONE, Dimensions::with)
    }

    fn holds(&self, dimension: Dimensions, rule: &Rule, datum: &Datum<'_>) -> bool {
        let (stated, permit) = (&rule.stated, rule.permit);
        if dimension == Dimensions::LABEL {
            return stated.labels.as_ref().is_none_or(|l| l.matches(datum, permit));
        }
        // What a permit says of the data does not reach who serves the person, nor the consent itself.
        let beside = || permit && datum.is_beside_the_data();
        match dimension {
            Dimensions::CLASS => stated
                .classes
                .as_ref()
                .is_none_or(|list| list.iter().any(|c| datum.is_of_class(c)) || beside()),
            Dimensions::CODE => stated
                .codes
                .as_ref()
                .is_none_or(|list| list.iter().any(|c| datum.has_code(c, permit)) || beside()),
            Dimensions::DATA => stated
                .data
                .as_ref()
                .is_none_or(|list| list.iter().any(|d| datum.is_data(d, permit, self.context)) || beside()),
            _ => stated
                .data_period
                .is_none_or(|span| datum.is_within(span, permit, &self.consents.zone) || beside()),
        }
    }

    fn verdict(&self, tally: Tally, datum: &Datum<'_>) -> Verdict {
        let past = self
            .asked
            .iter()
            .any(|a| matches!(a.standing, Standing::Past | Standing::DenyOnly));
        let decision = match () {
            () if tally.denied => Decision::Deny,
            () if tally.permitted => Decision::Permit,
            () if tally.silent || past => Decision::Deny,
            () => Decision::NotApplicable,
        };
        let is_part2 = datum.labels.part2 || datum.labels.note_kind == NoteKind::SudCounseling;
        let part2 = match (decision, tally.insufficient) {
            _ if !is_part2 => Part2::NotPart2,
            (Decision::Permit, _) => Part2::Permit,
            (_, Some(consent)) if !tally.denied => Part2::Insufficient(consent),
            _ => Part2::Deny,
        };
        let state = match part2 {
            Part2::Insufficient(_) => State::Insufficient,
            _ if tally.denied || tally.permitted => self.state_of_deciding(&tally),
            _ => self.state(),
        };
        Verdict {
            decision,
            state,
            part2,
            parts: tally.parts,
            capacity_in_question: tally.capacity_in_question && tally.permitted,
        }
    }

    /// A deny by a consent that cannot be read is not an active one.
    fn state_of_deciding(&self, tally: &Tally) -> State {
        let wanted = if tally.denied {
            Effect::Deny
        } else {
            Effect::Permit
        };
        let of = |a: &Asked| match (a.standing, a.state) {
            (Standing::DenyOnly, State::Revoked) => State::Revoked,
            (Standing::Withholds | Standing::DenyOnly, _) => State::NotComputable,
            _ => State::Active,
        };
        let has = |state: &State| {
            let mut deciding = tally.parts.iter().filter(|p| p.effect == wanted);
            deciding.any(|p| of(&self.asked[p.consent]) == *state)
        };
        [State::Active, State::Revoked]
            .into_iter()
            .find(has)
            .unwrap_or(State::NotComputable)
    }

    /// How the person stands when no consent decides: the most telling of all states.
    pub fn state(&self) -> State {
        let order = [
            State::Active,
            State::Refused,
            State::Revoked,
            State::Expired,
            State::NotComputable,
        ];
        let has = |state: &State| {
            self.asked
                .iter()
                .any(|a| a.standing != Standing::Out && a.state == *state)
        };
        order.into_iter().find(has).unwrap_or(State::NeverAsked)
    }
}

impl Tally {
    fn add(&mut self, consent: usize, rule: usize, effect: Effect, failed: Dimensions) {
        match effect {
            Effect::Deny => self.denied = true,
            Effect::Permit => self.permitted = true,
            Effect::Silent => self.silent = true,
        }
        self.parts.push(Part {
            consent,
            rule,
            effect,
            failed,
        });
    }
}

/// Notes and Part 2 content need more than a matching permit (45 CFR 164.508(a)(2), 42 CFR 2.31).
fn counts(consent: &Compiled, asked: &Asked, rule: &Rule, datum: &Datum<'_>) -> Counts {
    let counseling = datum.labels.note_kind == NoteKind::SudCounseling;
    match consent.kind {
        // A consent for proceedings is a staff act with the order attached, never this door (2.31(d)).
        Kind::Proceedings => return Counts::No,
        Kind::SudCounselingNotes if !counseling => return Counts::No,
        kind if counseling && kind != Kind::SudCounselingNotes => return Counts::No,
        _ => {}
    }
    if datum.labels.note_kind == NoteKind::Psychotherapy {
        let named = rule
            .stated
            .labels
            .as_ref()
            .is_some_and(|l| l.names_psychotherapy_notes());
        if consent.kind != Kind::HipaaAuthorization || !named {
            return Counts::No;
        }
    }
    if !asked.covers.datum(datum) {
        return if datum.labels.part2 || counseling {
            Counts::Insufficient
        } else {
            Counts::NotSigned
        };
    }
    // Recipient and purpose stand in the computable rule too, not only on the paper (2.31(a)(4), (5)).
    let specific = rule.stated.actors.is_some() && rule.stated.purposes.is_some();
    match datum.labels.part2 || counseling {
        true if asked.sufficient && specific => Counts::Yes,
        true => Counts::Insufficient,
        false => Counts::Yes,
    }
}
