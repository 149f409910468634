//! The released plan as a document: HTML and PDF of an ordinary plan, and of very long ones. Aims: some milliseconds for the one;
//! well under a minute for 10 000 resources. <https://hl7.org/fhir/R4/documentreference.html>

#[expect(dead_code, reason = "other benches need more of it")]
mod rosa;

use divan::{Bencher, black_box};
use postern_rules::document::{Material, Request, compose, html, pdf};
use postern_rules::fhir::excerpt::Excerpt;
use postern_rules::fhir::{Instant, Value};

const TYPES: &[&str] = &[
    "Patient",
    "CarePlan",
    "RiskAssessment",
    "AllergyIntolerance",
    "MedicationRequest",
    "Condition",
    "Observation",
    "Task",
    "Goal",
    "CareTeam",
];
/// An ordinary plan first.
const SIZES: [usize; 3] = [100, 1_000, 10_000];

fn main() {
    for size in SIZES {
        let resources = resources(size);
        with(&resources, |material, request| {
            let document = compose(material, request);
            let (page, file) = (html(&document), pdf(&document).expect("a PDF"));
            println!(
                "{size} resources: {} bytes of HTML, {} bytes of PDF",
                page.len(),
                file.len()
            );
        });
    }
    divan::main();
}

fn resources(size: usize) -> Vec<Value> {
    let (mappings, _) = rosa::catalog();
    let record = rosa::record(&mappings, size);
    let all = record.resources.into_iter().chain(record.directory);
    all.map(|stored| stored.body).collect()
}

fn with(resources: &[Value], then: impl FnOnce(&Material<'_, '_>, &Request<'_>)) {
    let excerpts: Vec<Excerpt<'_>> = resources
        .iter()
        .map(|resource| {
            let mut excerpt = Excerpt::default();
            excerpt.value("", resource);
            excerpt
        })
        .collect();
    let material = Material::of(excerpts.iter().filter_map(Excerpt::root));
    let request = Request {
        types: TYPES,
        audience: "Primary care",
        statements: &[],
        source: ("Organization", ""),
        identifier: "urn:example:document",
        version: "0123456789abcdef",
        date: "2026-11-21T10:00:00.000Z",
        at: Instant(1_795_255_200_000_000),
    };
    then(&material, &request);
}

#[divan::bench(args = SIZES, max_time = 20)]
fn page(bencher: Bencher<'_, '_>, size: usize) {
    let resources = resources(size);
    with(&resources, |material, request| {
        bencher.bench_local(|| html(black_box(&compose(material, request))));
    });
}

#[divan::bench(args = SIZES, max_time = 60)]
fn paper(bencher: Bencher<'_, '_>, size: usize) {
    let resources = resources(size);
    with(&resources, |material, request| {
        bencher.bench_local(|| pdf(black_box(&compose(material, request))).expect("a PDF"));
    });
}
