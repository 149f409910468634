//! A record of a hundred resources decided, projected and written for each data set, and longer ones in proportion, beside
//! the floor of writing the same resources with serde_json. Aim: under 1 ms for a hundred.
//! <https://hl7.org/fhir/R4/security-labels.html>

mod rosa;

use std::time::{Duration, Instant};

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use postern_rules::disclosure::{Record, Shown, decide};
use postern_rules::fhir::{Now, json};
use postern_rules::label::{CodeLists, RAISED, label};

const SIZE: usize = 100;
const SIZES: [usize; 3] = [100, 1_000, 10_000];
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
    let filtered = std::env::args()
        .skip(1)
        .any(|argument| !argument.starts_with('-'));
    if !filtered {
        ratios();
    }
    divan::main();
}

/// Release and floor by turns, so that what else the machine does falls on both; the fastest of each.
fn ratios() {
    let (mappings, rules) = rosa::catalog();
    let partner = partner(SETS[0]);
    println!(
        "size: writing the stored resources, releasing them to {}, ratio",
        SETS[0]
    );
    for size in SIZES {
        let record = rosa::record(&mappings, size);
        let (mut floor, mut release) = (Duration::MAX, Duration::MAX);
        for _ in 0..(20_000 / size).max(20) {
            floor = floor.min(timed(|| write(&record)));
            release = release.min(timed(|| {
                let now = Now::new(rosa::NOW);
                let decided = decide(&record, &partner, "TREAT", &rules, &now).expect("released");
                decided.dated(&[], &now)
            }));
        }
        let ratio = release.as_secs_f64() / floor.as_secs_f64();
        println!("{size}: {floor:?}, {release:?}, {ratio:.1}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    let made = black_box(work());
    let took = begun.elapsed();
    drop(made);
    took
}

fn write(record: &Record) -> Vec<String> {
    let written = black_box(record).resources.iter().map(|one| one.body.to_string());
    written.collect()
}

/// The floor: the same resources, whole, as bytes.
#[divan::bench(args = SIZES)]
fn a_floor_write(bencher: Bencher, size: usize) {
    let (mappings, _) = rosa::catalog();
    let record = rosa::record(&mappings, size);
    bencher
        .counter(ItemsCount::new(size))
        .bench_local(|| write(&record));
}

/// Before all of it: the stored resources parsed, which a release out of the cache does not need.
#[divan::bench]
fn a_floor_parse(bencher: Bencher) {
    let (mappings, _) = rosa::catalog();
    let stored = write(&rosa::record(&mappings, SIZE));
    bencher.counter(ItemsCount::new(SIZE)).bench_local(|| {
        let parsed = black_box(&stored).iter().map(|text| json::parse(text.as_bytes()));
        parsed.collect::<Result<Vec<_>, _>>().expect("JSON")
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

/// All of it for longer records: in proportion, or some step is quadratic.
#[divan::bench(args = SIZES)]
fn f_decide_and_write_by_size(bencher: Bencher, size: usize) {
    measure(bencher, SETS[0], size, false);
}

fn whole(bencher: Bencher, set: &str, again: bool) {
    measure(bencher, set, SIZE, again);
}

fn measure(bencher: Bencher, set: &str, size: usize, again: bool) {
    let (mappings, rules) = rosa::catalog();
    let (record, partner) = (rosa::record(&mappings, size), partner(set));
    let run = |before: &[Shown]| {
        let now = Now::new(rosa::NOW);
        let decided = decide(black_box(&record), &partner, "TREAT", &rules, &now).expect("released");
        decided.dated(before, &now)
    };
    let before = if again { run(&[]).1.shown } else { Vec::new() };
    bencher
        .counter(ItemsCount::new(size))
        .bench_local(|| run(&before));
}

fn partner(set: &str) -> postern_rules::disclosure::Recipient {
    let found = rosa::PARTNERS.iter().find(|(_, class, _)| *class == set);
    rosa::recipient(*found.expect("a partner of this class"))
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
