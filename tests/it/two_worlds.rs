//! **Two worlds.** World A holds something that no recipient of the corpus may see; in world B it never was. Every request
//! of a generated corpus has the same status, headers and body in both, byte for byte. One difference is a leak.
//!
//! Each world is asked twice, cold and warm, and A cold is held against B warm. Pinned so that identity is possible: the
//! clock, every id and token (from the seed and the request's number), and when the worker refreshes: before each pass. And the corpus has power: in a third world the same
//! thing is visible, and at least 30 % of the responses are different there.
//! <https://hl7.org/fhir/R4/security-labels.html>, 42 CFR 2.13(c)

mod across;
mod compare;
mod corpus;
mod emergency;
mod figures;
mod passes;
#[cfg(debug_assertions)]
mod planted;
mod refusals;
mod searched;
mod thing;
mod writes;

use tokio::sync::OnceCell;

use crate::harness::{DemoRecord, Engine, Kept, World, records, stories};

use compare::differences;
use corpus::{Turn, corpus};
use figures::{Figures, WHOLE};
use passes::passes;
use thing::Thing;

pub use passes::next_page;

/// Each story with the thing it is about.
macro_rules! things {
    ($($story:ident: $thing:ident),* $(,)?) => {
        stories!($($story),*);
        $(async fn $story(engine: Engine) {
            hold(engine, thing::$thing).await;
        })*
        const STORIES: usize = [$(stringify!($story)),*].len();
    };
}

things!(
    a_part_2_condition_leaves_no_trace: part_2_condition,
    a_part_2_goal_leaves_no_trace: part_2_goal,
    a_part_2_action_leaves_no_trace: part_2_action,
    a_part_2_risk_assessment_leaves_no_trace: part_2_risk,
    a_part_2_counsellor_on_the_team_leaves_no_trace: part_2_counsellor,
    a_part_2_organisation_leaves_no_trace: part_2_organization,
    a_part_2_referral_as_the_only_tie_leaves_no_trace: part_2_referral,
    a_person_known_to_a_part_2_program_leaves_no_trace: part_2_person,
    a_part_2_label_on_a_sibling_leaves_no_trace: part_2_sibling,
    an_hiv_labelled_element_leaves_no_trace: hiv_labelled_element,
    a_labelled_telephone_number_leaves_no_trace: labelled_phone,
    a_contained_resource_leaves_no_trace: contained_resource,
    a_suspected_medication_leaves_no_trace: suspected_medication,
    a_psychotherapy_note_leaves_no_trace: psychotherapy_note,
    a_sud_counseling_note_leaves_no_trace: sud_counseling_note,
    a_resource_outside_the_data_set_leaves_no_trace: outside_the_data_set,
    a_visit_at_a_part_2_program_leaves_no_trace: visit_at_a_part_2_program,
    an_appointment_with_a_part_2_counsellor_leaves_no_trace: appointment_with_a_part_2_counsellor,
    a_place_only_hidden_things_lead_to_leaves_no_trace: place_only_hidden_things_lead_to,
    a_part_2_screening_leaves_no_trace: part_2_screening,
    an_unread_document_leaves_no_trace: unread_document,
    a_consent_about_another_recipient_leaves_no_trace: consent_about_another,
    a_restriction_about_another_recipient_leaves_no_trace: restriction_about_another,
);

/// Rosa's records, with consents that keep substance use, HIV and violence from all three partners.
pub fn closed_records() -> Vec<DemoRecord> {
    let mut found: Vec<DemoRecord> = records("rosa").cloned().collect();
    for record in found.iter_mut().filter(|record| record.record == "consent") {
        let boxes = record.body["sensitive"].as_array_mut().expect("boxes");
        boxes
            .iter_mut()
            .filter(|one| one["category"] != "MH")
            .for_each(|one| one["share"] = "N".into());
    }
    found
}

/// The resources every world begins with.
async fn base() -> Vec<Kept> {
    static BASE: OnceCell<Vec<Kept>> = OnceCell::const_new();
    let converted = async || World::empty(Engine::Sqlite).await.converted(&closed_records());
    BASE.get_or_init(converted).await.clone()
}

/// What is asked here: all of it, or in a build without optimisation every twelfth turn.
fn turns_about(thing: &Thing) -> Vec<Turn> {
    let turns = corpus(thing).into_iter().enumerate();
    let kept = turns.filter(|(number, turn)| WHOLE || turn.opens || number % 12 == 0);
    kept.map(|(_, turn)| turn).collect()
}

async fn hold(engine: Engine, make: fn(&[Kept]) -> Thing) {
    figures::begin();
    let begun = figures::now();
    let thing = make(&base().await);
    let turns = turns_about(&thing);
    let world = World::holding(engine, &thing.hidden).await;
    let hidden = passes(&world, &turns, &["cold", "warm"]).await;
    let hidden_rows = world.released().await;
    drop(world);
    let world = World::holding(engine, &thing.absent).await;
    let absent = passes(&world, &turns, &["cold", "warm"]).await;
    let absent_rows = world.released().await;
    drop(world);
    assert_eq!(
        hidden_rows, absent_rows,
        "{}: what is hidden has a row or a key",
        thing.name
    );
    // Where the whole person is hidden there are none.
    let keyed = hidden_rows.iter().any(|row| row.contains(" by "));
    assert!(keyed || thing.least_good < 60, "there are keys");
    let world = World::holding(engine, &thing.visible).await;
    let visible = passes(&world, &turns, &["cold"]).await;
    drop(world);

    let mut leaks = differences(&turns, &hidden[0], &absent[0], "A cold, B cold", false);
    leaks.extend(differences(
        &turns,
        &hidden[1],
        &absent[1],
        "A warm, B warm",
        false,
    ));
    leaks.extend(differences(
        &turns,
        &hidden[0],
        &absent[1],
        "A cold, B warm",
        true,
    ));
    let found = Figures::of(&turns, &hidden[0], &visible[0]);
    writes::hold(engine, &thing).await;
    let (busy, asked) = (begun.elapsed(), 5 * found.responses);
    println!(
        "two worlds, {engine:?}, {}: {} turns, {} responses compared, {} differ; {} % answered 2xx; {} % differ where it \
         is visible ({}); {:.0} requests/s",
        thing.name,
        turns.len(),
        3 * found.responses,
        leaks.len(),
        found.good(),
        found.differing(),
        found.by_route(),
        asked as f64 / busy.as_secs_f64(),
    );
    let leaked = leaks.len();
    leaks.truncate(5);
    assert!(
        leaks.is_empty(),
        "{}: {leaked} differences, the first:\n{}",
        thing.name,
        leaks.join("\n")
    );
    if WHOLE {
        let (good, differing) = (found.good(), found.differing());
        assert!(good >= thing.least_good, "only {good} % answer 2xx");
        assert!(differing >= 30, "only {differing} % would show it");
        assert_eq!(found.silent(), [], "routes on which it would not show");
    }
    figures::add(&found, 3 * found.responses, asked, busy, STORIES);
}
