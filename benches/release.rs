//! A record of a hundred resources decided, projected and written for each data set, beside the floor of writing the
//! same resources with serde_json. Aim: under 1 ms. <https://hl7.org/fhir/R4/security-labels.html>

mod rosa;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use postern_rules::disclosure::{Shown, decide};
use postern_rules::fhir::Now;
use postern_rules::label::{CodeLists, RAISED, label};

const SIZE: usize = 100;
/// Places in `rosa::PARTNERS`.
const SETS: [&str; 3] = ["primary-care", "crisis-team", "hospital"];

fn main() {
    let (mappings, rules) = rosa::catalog();
    let record = rosa::record(&mappings, SIZE);
    println!(
        "{} resources of Rosa's, {} shared",
        record.resources.len(),
        record.directory.len()
    );
    for partner in rosa::PARTNERS {
        let decided = decide(
            &record,
            &rosa::recipient(partner),
            "TREAT",
            &rules,
            &Now::new(rosa::NOW),
        );
        let (release, _) = decided.expect("released").dated(&[], &Now::new(rosa::NOW));
        let held = release.references().len();
        println!(
            "{}: {held} released, {} kept back",
            partner.1,
            release.about().withheld.len()
        );
    }
    divan::main();
}

/// The floor: the same resources, whole, as bytes.
#[divan::bench]
fn a_floor_write(bencher: Bencher) {
    let (mappings, _) = rosa::catalog();
    let record = rosa::record(&mappings, SIZE);
    bencher.counter(ItemsCount::new(SIZE)).bench_local(|| {
        let written = black_box(&record)
            .resources
            .iter()
            .map(|one| one.body.to_string());
        written.collect::<Vec<String>>()
    });
}

/// The first step alone: labels of what is stored.
#[divan::bench]
fn b_label(bencher: Bencher) {
    let (mappings, _) = rosa::catalog();
    let record = rosa::record(&mappings, SIZE);
    bencher.counter(ItemsCount::new(SIZE)).bench_local(|| {
        let labels = record
            .resources
            .iter()
            .map(|one| label(black_box(&one.body), CodeLists::shipped(), &RAISED));
        labels.collect::<Vec<_>>()
    });
}

/// Labels, relationship, consent, law, projection, references, narrative.
#[divan::bench(args = SETS)]
fn c_decide(bencher: Bencher, set: &str) {
    let (mappings, rules) = rosa::catalog();
    let (record, partner) = (rosa::record(&mappings, SIZE), partner(set));
    bencher.counter(ItemsCount::new(SIZE)).bench_local(|| {
        decide(
            black_box(&record),
            &partner,
            "TREAT",
            &rules,
            &Now::new(rosa::NOW),
        )
        .expect("released")
    });
}

/// All of it: decided, dated, digested, search values taken, written. Nothing was shown before.
#[divan::bench(args = SETS)]
fn d_decide_and_write(bencher: Bencher, set: &str) {
    whole(bencher, set, false);
}

/// The same when everything was shown before: what a read after an unrelated change costs.
#[divan::bench(args = SETS)]
fn e_decide_and_write_again(bencher: Bencher, set: &str) {
    whole(bencher, set, true);
}

fn whole(bencher: Bencher, set: &str, again: bool) {
    let (mappings, rules) = rosa::catalog();
    let (record, partner) = (rosa::record(&mappings, SIZE), partner(set));
    let run = |before: &[Shown]| {
        let now = Now::new(rosa::NOW);
        let decided = decide(black_box(&record), &partner, "TREAT", &rules, &now).expect("released");
        decided.dated(before, &now)
    };
    let before = if again { run(&[]).1.shown } else { Vec::new() };
    bencher
        .counter(ItemsCount::new(SIZE))
        .bench_local(|| run(&before));
}

fn partner(set: &str) -> postern_rules::disclosure::Recipient {
    let found = rosa::PARTNERS.iter().find(|(_, class, _)| *class == set);
    rosa::recipient(*found.expect("a partner of this class"))
}
