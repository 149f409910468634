//! Acts of staff: what is missing is named, what is there may go, Part 2 stays barred. `45 CFR 164.512(c)`, `(e)`, `(j)`, `164.510(b)`

use super::facts::{Origin, Source};
use super::staff_act::*;
use crate::label::NoteKind;

fn stated() -> Stated {
    Stated {
        decider: "Practitioner/a".to_owned(),
        recipient: "Sheriff, duty desk".to_owned(),
        basis: "said so on the phone".to_owned(),
    }
}

fn needs(answer: Answer) -> usize {
    match answer {
        Answer::Needs(missing) => missing.len(),
        Answer::Permit { .. } => 0,
    }
}

#[test]
fn every_missing_fact_is_named() {
    let nothing = Stated::default();
    assert_eq!(needs(judge(&nothing, &Ground::Threat(Threat::default()))), 5);
    assert_eq!(
        needs(judge(&stated(), &Ground::AbuseReport(AbuseReport::default()))),
        2
    );
    assert_eq!(
        needs(judge(&stated(), &Ground::Involvement(Involvement::default()))),
        2
    );
    assert_eq!(
        needs(judge(&stated(), &Ground::LegalProcess(LegalProcess::default()))),
        3
    );
}

#[test]
fn an_order_under_part_2_takes_a_subpoena_a_review_and_two_persons() {
    let mut process = LegalProcess {
        order: "order.pdf".to_owned(),
        order_under_part2: true,
        legal_review: true,
        second_person: "Practitioner/a".to_owned(),
        ..LegalProcess::default()
    };
    assert_eq!(
        needs(judge(&stated(), &Ground::LegalProcess(process.clone()))),
        2,
        "the subpoena, and another second person"
    );
    let part2 = Source {
        part2: Some(Origin::Own),
        ..Source::default()
    };
    assert!(covers(&Ground::LegalProcess(process.clone()), &part2).is_err());
    process.subpoena = "subpoena.pdf".to_owned();
    process.second_person = "Practitioner/b".to_owned();
    let ground = Ground::LegalProcess(process);
    assert!(matches!(judge(&stated(), &ground), Answer::Permit { .. }));
    assert!(covers(&ground, &part2).is_ok());
}

#[test]
fn part_2_is_barred_from_every_ground_but_an_order() {
    let part2 = Source {
        part2: Some(Origin::Own),
        ..Source::default()
    };
    for ground in [
        Ground::Threat(Threat::default()),
        Ground::AbuseReport(AbuseReport::default()),
        Ground::Involvement(Involvement::default()),
        Ground::LegalProcess(LegalProcess::default()),
    ] {
        assert!(covers(&ground, &part2).is_err(), "{}", ground.code());
        assert!(covers(&ground, &Source::default()).is_ok(), "{}", ground.code());
    }
}

#[test]
fn psychotherapy_notes_go_only_against_a_threat() {
    let source = |note| Source {
        note,
        ..Source::default()
    };
    let threat = Ground::Threat(Threat::default());
    let family = Ground::Involvement(Involvement::default());
    assert!(covers(&threat, &source(NoteKind::Psychotherapy)).is_ok());
    assert!(covers(&family, &source(NoteKind::Psychotherapy)).is_err());
    for note in [
        NoteKind::Personal,
        NoteKind::TestMaterial,
        NoteKind::Unclassified,
        NoteKind::SudCounseling,
    ] {
        assert!(covers(&threat, &source(note)).is_err());
    }
}
