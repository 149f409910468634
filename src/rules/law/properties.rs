//! Whatever the facts: a regime more never lets more through, and no emergency opens what has no emergency. SEMANTICS 3, 4.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::label::{NoteKind, Programs, Received};
use crate::profile::{InQuestion, Role};

static ILLINOIS: LazyLock<StateLaw> =
    LazyLock::new(|| states().expect("shipped states load")["illinois"].clone());

/// The facts of one question, owned.
#[derive(Clone, Debug)]
struct Facts {
    asker: Asker,
    source: Source,
    said: Said,
    agency: Agency,
}

fn asker() -> impl Strategy<Value = Asker> {
    let roles = vec![
        Role::Provider,
        Role::HealthPlan,
        Role::CoveredEntity,
        Role::BusinessAssociate,
        Role::QualifiedServiceOrganization,
        Role::Intermediary,
        Role::Part2Program,
        Role::NonCovered,
        Role::Court,
        Role::PublicAuthority,
    ];
    let codes = vec![
        "TREAT", "BTG", "COC", "HPAYMT", "CAREMGT", "HOPERAT", "HLEGAL", "HMARKT",
    ];
    let emergency = prop::option::of((any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(refused, overrides, determined)| Emergency {
            refused,
            overrides_consent: overrides,
            therapist_determined: determined,
        },
    ));
    (select(roles), select(codes), any::<[bool; 3]>(), emergency).prop_map(
        |(role, code, [related, in_care_team, medical_personnel], emergency)| Asker {
            role,
            purpose: Purpose::of(code, role),
            related,
            in_care_team,
            medical_personnel,
            emergency,
        },
    )
}

fn source() -> impl Strategy<Value = Source> {
    let origins = vec![
        None,
        Some(Origin::Own),
        Some(Origin::Received(Received::Tpo)),
        Some(Origin::Received(Received::Specific)),
        Some(Origin::Received(Received::Emergency)),
        Some(Origin::Received(Received::Qso)),
        Some(Origin::Received(Received::Order)),
    ];
    let notes = vec![
        NoteKind::General,
        NoteKind::General,
        NoteKind::General,
        NoteKind::Unclassified,
        NoteKind::Psychotherapy,
        NoteKind::SudCounseling,
        NoteKind::Personal,
        NoteKind::TestMaterial,
    ];
    let programs = vec!["", "mental-health", "substance-use"];
    (select(origins), select(notes), select(programs), any::<bool>()).prop_map(
        |(part2, note, program, self_pay)| Source {
            part2,
            note,
            programs: Programs::named(program).unwrap_or_default(),
            self_pay,
        },
    )
}

fn said() -> impl Strategy<Value = Said> {
    let words = vec![
        Word::Permits,
        Word::Permits,
        Word::Denies,
        Word::DoesNotPermit,
        Word::NeverAsked,
    ];
    let part2 = vec![Part2Word::Sufficient, Part2Word::Insufficient, Part2Word::None];
    let defaults = vec![Default::Nothing, Default::Beyond, Default::Covers];
    let capacity = prop::option::of(select(vec![
        InQuestion::Everything,
        InQuestion::TreatmentOnly,
        InQuestion::Nothing,
    ]));
    (
        select(words),
        select(part2),
        select(defaults),
        any::<[bool; 4]>(),
        capacity,
    )
        .prop_map(|(word, part2, default, flags, in_question)| Said {
            word,
            // A consent suffices for Part 2 only where it permits.
            part2: if word == Word::Permits {
                part2
            } else {
                Part2Word::None
            },
            restricted: flags[0],
            self_pay: flags[1],
            authorization: flags[2],
            state_form: flags[3],
            in_question,
            default,
        })
}

fn facts() -> impl Strategy<Value = Facts> {
    let agency = any::<[bool; 2]>().prop_map(|[covered_entity, serves_qso]| Agency {
        covered_entity,
        programs: Programs::NONE,
        serves_qso,
    });
    (asker(), source(), said(), agency).prop_map(|(asker, source, said, agency)| Facts {
        asker,
        source,
        said,
        agency,
    })
}

fn permits(facts: &Facts, state: &StateLaw) -> bool {
    judge(&Question {
        asker: &facts.asker,
        source: facts.source,
        said: &facts.said,
        agency: &facts.agency,
        state,
    })
    .permits()
}

fn changed(facts: &Facts, change: impl FnOnce(&mut Facts)) -> Facts {
    let mut other = facts.clone();
    change(&mut other);
    other
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_regime_more_never_lets_more_through(facts in facts()) {
        let neutral = StateLaw::neutral();
        let (with_state, without) = (permits(&facts, &ILLINOIS), permits(&facts, &neutral));
        prop_assert!(!with_state || without, "a state more");
        let restricted = changed(&facts, |f| f.said.restricted = true);
        let free = changed(&facts, |f| f.said.restricted = false);
        prop_assert!(!permits(&restricted, &neutral) || permits(&free, &neutral), "a restriction more");
        let paid = changed(&facts, |f| f.source.self_pay = true);
        let unpaid = changed(&facts, |f| f.source.self_pay = false);
        prop_assert!(!permits(&paid, &neutral) || permits(&unpaid, &neutral), "paid in full");
        let own = changed(&facts, |f| f.source.part2 = Some(Origin::Own));
        let plain = changed(&facts, |f| f.source.part2 = None);
        prop_assert!(!permits(&own, &neutral) || permits(&plain, &neutral), "Part 2 more");
    }

    #[test]
    fn what_forbids_more_never_lets_more_through(facts in facts()) {
        let neutral = StateLaw::neutral();
        let denied = changed(&facts, |f| f.said.word = Word::Denies);
        let asked = changed(&facts, |f| f.said.word = Word::DoesNotPermit);
        prop_assert!(!permits(&denied, &neutral) || permits(&asked, &neutral));
        prop_assert!(!permits(&asked, &neutral) || permits(&changed(&facts, |f| f.said.word = Word::Permits), &neutral)
            || facts.said.in_question.is_some());
        let questioned = changed(&facts, |f| f.said.in_question = Some(InQuestion::Nothing));
        prop_assert!(!permits(&questioned, &neutral) || permits(&changed(&facts, |f| f.said.in_question = None), &neutral));
    }

    #[test]
    fn no_emergency_opens_notes(facts in facts()) {
        let neutral = StateLaw::neutral();
        match facts.source.note {
            NoteKind::General => {}
            NoteKind::Psychotherapy | NoteKind::SudCounseling => {
                prop_assert!(!permits(&facts, &neutral) || facts.said.word == Word::Permits);
            }
            NoteKind::Unclassified | NoteKind::Personal | NoteKind::TestMaterial => {
                prop_assert!(!permits(&facts, &neutral));
            }
        }
    }

    #[test]
    fn part_2_opens_by_consent_emergency_or_what_its_sender_was_told(facts in facts()) {
        let neutral = StateLaw::neutral();
        let emergency = facts.asker.emergency.is_some_and(|e| !e.refused) && facts.asker.medical_personnel;
        let question = Question { asker: &facts.asker, source: facts.source, said: &facts.said, agency: &facts.agency, state: &neutral };
        if facts.source.part2.is_some() && permits(&facts, &neutral) {
            prop_assert!(facts.said.part2 == Part2Word::Sufficient || emergency || follows_hipaa(&question) || facts.agency.serves_qso);
        }
    }

    #[test]
    fn courts_and_proceedings_get_nothing(facts in facts()) {
        if facts.asker.role == Role::Court || facts.asker.purpose == Purpose::Proceedings {
            prop_assert!(!permits(&facts, &StateLaw::neutral()));
        }
    }

    #[test]
    fn whoever_denied_is_served_to_nobody_without_a_grant(facts in facts()) {
        if facts.asker.emergency.is_none() && matches!(facts.said.word, Word::Denies | Word::DoesNotPermit) {
            prop_assert!(!permits(&facts, &StateLaw::neutral()));
        }
    }
}
