//! `S1` to `S22`: the ways in which consent-filtering FHIR servers have told what they withheld (`reference/operations.md`
//! 3.2), one named story each, through the real router. What has no route yet is shown to be refused.
//! 42 CFR 2.13(c), <https://hl7.org/fhir/R4/security-labels.html>

mod counts;
mod misses;
mod routes;
mod speech;

use crate::harness::{Answer, Ask, Engine, MAPLE, Partner, Person, World, demo_record, records, stories};
use crate::two_worlds::closed_records;

use counts::{
    s01_total_counts_only_what_is_released, s02_pages_are_full_and_the_last_leads_nowhere,
    s06_searches_see_only_what_is_released, s10_a_hidden_change_moves_no_version,
    s12_cursors_belong_to_one_client_and_query_for_fifteen_minutes,
};
use misses::{
    s08_absent_foreign_and_withheld_are_one_answer, s09_conditional_writes_tell_nothing,
    s14_ids_tell_neither_order_nor_time, s15_a_miss_takes_the_same_reads_and_the_same_bytes,
    s21_nothing_is_limited_by_person, s22_breaking_the_glass_tells_nothing_of_what_it_opened,
};
use routes::{
    s03_reverse_chains_are_refused, s04_forward_chains_are_refused, s05_includes_come_from_the_release,
    s07_unknown_parameters_are_refused, s13_every_route_passes_the_choke_point,
    s16_subscriptions_are_refused,
};
use speech::{
    s11_nothing_released_speaks_of_what_is_withheld, s17_the_sentence_is_always_the_same,
    s18_errors_quote_nothing, s19_nothing_is_cached_and_nobody_stands_in_the_log,
    s20_a_consent_is_shown_only_to_whom_it_names,
};

stories!(
    s01_total_counts_only_what_is_released,
    s02_pages_are_full_and_the_last_leads_nowhere,
    s03_reverse_chains_are_refused,
    s04_forward_chains_are_refused,
    s05_includes_come_from_the_release,
    s06_searches_see_only_what_is_released,
    s07_unknown_parameters_are_refused,
    s08_absent_foreign_and_withheld_are_one_answer,
    s09_conditional_writes_tell_nothing,
    s10_a_hidden_change_moves_no_version,
    s11_nothing_released_speaks_of_what_is_withheld,
    s12_cursors_belong_to_one_client_and_query_for_fifteen_minutes,
    s13_every_route_passes_the_choke_point,
    s14_ids_tell_neither_order_nor_time,
    s15_a_miss_takes_the_same_reads_and_the_same_bytes,
    s16_subscriptions_are_refused,
    s17_the_sentence_is_always_the_same,
    s18_errors_quote_nothing,
    s19_nothing_is_cached_and_nobody_stands_in_the_log,
    s20_a_consent_is_shown_only_to_whom_it_names,
    s21_nothing_is_limited_by_person,
    s22_breaking_the_glass_tells_nothing_of_what_it_opened,
);

/// An id like ours that names nobody.
const NOBODY: &str = "00000000000000000000000000000000";

/// Words that stand only in what the closed consents of Rosa keep back.
const HIDDEN_WORDS: &[&str] = &[
    "pioid",
    "F11",
    "uprenorphine",
    "aloxone",
    "Harbor",
    "olutegravir",
    "B20",
    "iral",
    "CADC",
    "Novak",
    "former partner",
];

/// Rosa, who shares neither substance use nor HIV nor violence with anyone.
async fn closed(engine: Engine) -> World {
    let world = World::empty(engine).await;
    for record in closed_records() {
        world.import(&record).await;
    }
    world
}

/// What is withheld from everyone: `Type/id`.
async fn hidden(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for (kind, number, value) in [
        ("Condition", "diagnosis", "DX-88102"),
        ("Condition", "diagnosis", "DX-88103"),
        ("MedicationRequest", "medication", "RX-50312"),
        ("Task", "action", "A-71104"),
    ] {
        all.push(format!("{kind}/{}", world.id(kind, number, value).await));
    }
    all
}

/// All a client has of an answer but the request's id.
fn told(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "x-request-id");
    let headers = headers.map(|(name, value)| (name.to_string(), format!("{value:?}")));
    (answer.status, headers.collect(), answer.text())
}
