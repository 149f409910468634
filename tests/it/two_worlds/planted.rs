//! One leak of each kind is planted where it would happen, and two worlds are asked a part of the corpus: each is seen.
//! <https://hl7.org/fhir/R4/security-labels.html>

use postern_rules::disclosure::planted::{Leak, plant};

use super::base;
use super::compare::differences;
use super::corpus::{Route, Turn, corpus};
use super::passes::passes;
use super::thing::{self, Thing};
use crate::harness::{Engine, Kept, World};

/// Differences between the two worlds of this thing while this leak is planted.
fn seen(leak: Option<Leak>, make: fn(&[Kept]) -> Thing) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(move || plant(leak))
        .enable_all()
        .build()
        .expect("a runtime");
    plant(leak);
    runtime.block_on(async {
        let thing = make(&base().await);
        let turns = part_of(&thing);
        let hidden = World::holding(Engine::Sqlite, &thing.hidden)
            .await
            .never_settled();
        let hidden = passes(&hidden, &turns, &["cold"]).await;
        let absent = World::holding(Engine::Sqlite, &thing.absent)
            .await
            .never_settled();
        let absent = passes(&absent, &turns, &["cold"]).await;
        let found = differences(&turns, &hidden[0], &absent[0], "A cold, B cold", false);
        let (name, differ, all) = (thing.name, found.len(), turns.len());
        println!("planted: {leak:?} in {name}: {differ} differences in {all} turns");
        found
    })
}

/// Openings, what links, and every seventh of the turns that could show something.
fn part_of(thing: &Thing) -> Vec<Turn> {
    let telling = corpus(thing)
        .into_iter()
        .filter(|turn| Route::TELLING.contains(&turn.route));
    let part = telling
        .enumerate()
        .filter(|(number, turn)| turn.opens || number % 7 == 0 || turn.to_string().contains("include"));
    part.map(|(_, turn)| turn).collect()
}

macro_rules! leaks {
    ($($test:ident: $leak:ident in $thing:ident),* $(,)?) => {
        $(#[test]
        fn $test() {
            assert!(!seen(Some(Leak::$leak), thing::$thing).is_empty(), "a planted leak went unseen");
        })*
    };
}

leaks!(
    a_leaking_total_is_seen: Total in part_2_condition,
    a_leaking_order_is_seen: Order in part_2_condition,
    a_leaking_error_is_seen: ErrorText in part_2_condition,
    a_leaking_etag_is_seen: ETag in part_2_condition,
    a_leaking_date_is_seen: LastUpdated in part_2_condition,
    a_leaking_narrative_is_seen: Narrative in hiv_labelled_element,
    a_leaking_display_is_seen: Display in part_2_condition,
    a_leaking_label_is_seen: Label in hiv_labelled_element,
    a_leaking_sibling_is_seen: Sibling in part_2_sibling,
    a_leaking_contained_resource_is_seen: Contained in contained_resource,
    a_leaking_include_is_seen: Include in part_2_condition,
);

/// Seen because it was planted, and for no other reason.
#[test]
fn where_nothing_is_planted_nothing_is_seen() {
    for make in [thing::part_2_condition, thing::hiv_labelled_element] {
        assert_eq!(seen(None, make), Vec::<String>::new());
    }
}
