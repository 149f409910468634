//! What a read and a search cost in the rules when the release is cached: the answer, without the transaction that records it.
//! Allocations are counted: none may be in proportion to the record. Aim: under 20 µs a read.
//! <https://hl7.org/fhir/R4/http.html#read>

mod rosa;

use std::sync::Arc;

use divan::{AllocProfiler, Bencher, black_box};
use postern_rules::disclosure::{Answer, Release, decide};
use postern_rules::fhir::Now;
use postern_rules::search::Query;

const SIZES: [usize; 3] = [100, 1_000, 10_000];
const BASE: &str = "https://postern.example/fhir";

#[global_allocator]
static ALLOCATOR: AllocProfiler<mimalloc::MiMalloc> = AllocProfiler::new(mimalloc::MiMalloc);

fn main() {
    divan::main();
}

/// What primary care may see of a record of `size` resources, and some resource of it that is no Patient.
fn release(size: usize) -> (Arc<Release>, String, String) {
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
    (Arc::new(release), id, record.patient)
}

#[divan::bench(args = SIZES)]
fn a_read(bencher: Bencher, size: usize) {
    let (release, id, _) = release(size);
    bencher.bench_local(|| {
        Answer::read(
            Some(Arc::clone(&release)),
            "Goal",
            black_box(&id),
            None,
            "request",
        )
    });
}

#[divan::bench(args = SIZES)]
fn b_read_not_modified(bencher: Bencher, size: usize) {
    let (release, id, _) = release(size);
    let read = |known: Option<&str>| Answer::read(Some(Arc::clone(&release)), "Goal", &id, known, "request");
    let etag = read(None).etag.expect("an ETag");
    bencher.bench_local(|| read(black_box(Some(&etag))));
}

#[divan::bench(args = SIZES)]
fn c_read_of_nothing(bencher: Bencher, size: usize) {
    let (release, ..) = release(size);
    bencher.bench_local(|| {
        Answer::read(
            Some(Arc::clone(&release)),
            "Goal",
            black_box("none"),
            None,
            "request",
        )
    });
}

/// A page of fifty, or all there are, with the total of all.
#[divan::bench(args = SIZES)]
fn d_search_page_of_50(bencher: Bencher, size: usize) {
    let (release, _, patient) = release(size);
    let pairs = [("patient", patient.as_str()), ("_count", "50")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let query = Query::parse("Goal", &pairs, BASE).expect("a query");
    bencher.bench_local(|| Answer::search(vec![Arc::clone(&release)], black_box(&query), BASE, "request"));
}
