//! One referral through its mapping, beside the floor of parsing and writing the same bytes with serde_json.
//! SEMANTICS section 6; aim: 10 000 conversions a second on one core for about 45 fields.

#[expect(dead_code, reason = "other benches use more of it")]
mod rosa;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use postern_rules::fhir::{Value, json};

/// Source and case: some 20, 40 and 190 fields with a value.
const CASES: [&str; 3] = [
    "hearthstone/referral.few-fields",
    "lantern/referral.whole",
    "hearthstone/referral.whole",
];

fn main() {
    for case in CASES {
        let record = json::parse(&bytes(case)).expect("JSON");
        println!("{case}: {} fields with a value", fields(&record));
    }
    divan::main();
}

fn bytes(case: &str) -> Vec<u8> {
    rosa::read(&format!("mappings/{}.in.json", case.replace('/', "/cases/")))
}

fn fields(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(fields).sum(),
        Value::Object(members) => members.values().map(fields).sum(),
        Value::Null => 0,
        Value::String(text) if text.trim().is_empty() => 0,
        _ => 1,
    }
}

/// The floor: bytes → tree → bytes.
#[divan::bench(args = CASES)]
fn a_floor_parse_and_write(bencher: Bencher, case: &str) {
    let bytes = bytes(case);
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        let value: Value = serde_json::from_slice(black_box(&bytes)).expect("JSON");
        value.to_string()
    });
}

/// Record → resources that passed the R4 gate; what was read is noted, not written out.
#[divan::bench(args = CASES)]
fn b_convert(bencher: Bencher, case: &str) {
    let (mappings, _) = rosa::catalog();
    let (source, record) = (
        json::parse(&bytes(case)).expect("JSON"),
        case.split_once('/').expect("named"),
    );
    let mapping = mappings.get(record.0, "referral").expect("a mapping");
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        mapping
            .convert(black_box(&source), &rosa::settings())
            .expect("converts")
            .resources
    });
}

/// The same, with the source of every value written out.
#[divan::bench(args = CASES)]
fn c_convert_with_trace(bencher: Bencher, case: &str) {
    let (mappings, _) = rosa::catalog();
    let (source, record) = (
        json::parse(&bytes(case)).expect("JSON"),
        case.split_once('/').expect("named"),
    );
    let mapping = mappings.get(record.0, "referral").expect("a mapping");
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        let conversion = mapping
            .convert(black_box(&source), &rosa::settings())
            .expect("converts");
        (conversion.trace(), conversion.resources)
    });
}

/// All that one record costs before the store: the JSON door, conversion, and each resource as bytes.
#[divan::bench(args = CASES)]
fn d_bytes_to_bytes(bencher: Bencher, case: &str) {
    let (mappings, _) = rosa::catalog();
    let (bytes, record) = (bytes(case), case.split_once('/').expect("named"));
    let mapping = mappings.get(record.0, "referral").expect("a mapping");
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        let source = json::parse(black_box(&bytes)).expect("JSON");
        let conversion = mapping.convert(&source, &rosa::settings()).expect("converts");
        conversion
            .resources
            .iter()
            .map(Value::to_string)
            .collect::<Vec<String>>()
    });
}
