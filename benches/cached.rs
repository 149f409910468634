//! What a read and a search cost in the rules when the release is cached: the answer, without the transaction that records it.
//! Allocations are counted: none may be in proportion to the record. Aim: under 20 µs a read.
//! <https://hl7.org/fhir/R4/http.html#read>

mod rosa;

use std::sync::Arc;

use divan::{AllocProfiler, Bencher, black_box};
use postern_rules::disclosure::{Answer, Asking, Reading, Release, Rules, decide};
use postern_rules::fhir::Now;
use postern_rules::search::{Query, Setting, Values, View};

const SIZES: [usize; 3] = [100, 1_000, 10_000];
const BASE: &str = "https://postern.example/fhir";

#[global_allocator]
static ALLOCATOR: AllocProfiler<mimalloc::MiMalloc> = AllocProfiler::new(mimalloc::MiMalloc);

fn main() {
    divan::main();
}

/// What primary care may see of a record of `size` resources, and some resource of it that is no Patient.
fn release(size: usize) -> (Arc<Release>, String, String, Rules) {
    let (mappings, rules) = rosa::catalog();
    let record = rosa::record(&mappings, size);
    let now = Now::new(rosa::NOW);
    let decided = decide(
        &record,
        &rosa::recipient(rosa::PARTNERS[0]),
        "TREAT",
        &rules,
        &now,
    );
    let (release, _) = decided.expect("released").dated(&[], &now);
    let goal = release.references().into_iter().rfind(|r| r.starts_with("Goal/"));
    let id = goal.expect("a goal").trim_start_matches("Goal/").to_owned();
    (Arc::new(release), id, record.patient, rules)
}

fn everything(_: &str, _: &Values) -> bool {
    true
}

fn asking(rules: &Rules) -> Asking<'_> {
    Asking {
        rules,
        base: BASE,
        permits: &everything,
        within: &everything,
        request: "request",
    }
}

fn read(release: &Arc<Release>, id: &str, known: Option<&str>, rules: &Rules) -> Answer {
    let reading = Reading {
        resource_type: "Goal",
        id,
        version: None,
        known,
        view: &View::default(),
    };
    Answer::read(Some(Arc::clone(release)), &reading, &asking(rules))
}

#[divan::bench(args = SIZES)]
fn a_read(bencher: Bencher, size: usize) {
    let (release, id, _, rules) = release(size);
    bencher.bench_local(|| read(&release, black_box(&id), None, &rules));
}

#[divan::bench(args = SIZES)]
fn b_read_not_modified(bencher: Bencher, size: usize) {
    let (release, id, _, rules) = release(size);
    let etag = read(&release, &id, None, &rules).etag.expect("an ETag");
    bencher.bench_local(|| read(&release, &id, black_box(Some(&etag)), &rules));
}

#[divan::bench(args = SIZES)]
fn c_read_of_nothing(bencher: Bencher, size: usize) {
    let (release, _, _, rules) = release(size);
    bencher.bench_local(|| read(&release, black_box("none"), None, &rules));
}

/// A page of fifty, or all there are, with the total of all.
#[divan::bench(args = SIZES)]
fn d_search_page_of_50(bencher: Bencher, size: usize) {
    searched(bencher, size, &[("_count", "50")]);
}

/// The same with filters, in another order.
#[divan::bench(args = SIZES)]
fn e_filtered_and_sorted_page_of_50(bencher: Bencher, size: usize) {
    let pairs = [
        ("_count", "50"),
        ("lifecycle-status", "active,proposed"),
        ("_lastUpdated", "ge2020"),
        ("_sort", "-_lastUpdated"),
    ];
    searched(bencher, size, &pairs);
}

fn searched(bencher: Bencher, size: usize, pairs: &[(&str, &str)]) {
    let (release, _, patient, rules) = release(size);
    let about = [("patient", patient.as_str())];
    let pairs = pairs.iter().chain(&about);
    let pairs: Vec<(String, String)> = pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let setting = Setting {
        base: BASE,
        zone: &rules.zone,
        now: rosa::NOW,
        lenient: false,
    };
    let query = Query::parse("Goal", &pairs, &setting).expect("a query");
    bencher.bench_local(|| Answer::search(vec![Arc::clone(&release)], black_box(&query), &asking(&rules)));
}
