//! The fuzz targets without a fuzzer: each seed of a target's corpus, and some thousand changes of them, the same in each run.
//! <https://llvm.org/docs/LibFuzzer.html>

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::cell::Cell;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// What changes of seeds put in, beside single bytes: what parsers take to be special.
const WORDS: [&str; 32] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "\\ud800",
    "\u{0}",
    "\u{feff}",
    "%",
    "&",
    "=",
    "|",
    "\\,",
    "$",
    "-",
    "9999999999",
    "1e999",
    "0.0",
    "resourceType",
    "..",
    "/",
    "~1",
    "*",
    "W/",
    "<",
    "&#0;",
    "]]>",
    "\n",
    "Qzx7",
];

#[derive(Clone, Debug)]
enum Change {
    Put(Index, u8),
    Insert(Index, u8),
    Word(Index, usize),
    Cut(Index, u8),
    Repeat(Index, u8, u8),
    /// The rest of another seed.
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        (at(), 0..WORDS.len()).prop_map(|(at, word)| Change::Word(at, word)),
        (at(), 1..=16u8).prop_map(|(at, bytes)| Change::Cut(at, bytes)),
        (at(), 1..=32u8, 1..=8u8).prop_map(|(at, bytes, times)| Change::Repeat(at, bytes, times)),
        (at(), at(), at()).prop_map(|(at, seed, from)| Change::Splice(at, seed, from)),
    ]
}

fn changed(seeds: &[Vec<u8>], seed: &Index, changes: &[Change]) -> Vec<u8> {
    let mut bytes = seed.get(seeds).clone();
    for change in changes {
        let place = |at: &Index| at.index(bytes.len() + 1);
        match change {
            Change::Put(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Put(_, byte) => bytes.push(*byte),
            Change::Insert(at, byte) => bytes.insert(place(at), *byte),
            Change::Word(at, word) => {
                let at = place(at);
                bytes.splice(at..at, WORDS[*word].bytes());
            }
            Change::Cut(at, most) => {
                let at = place(at);
                let end = bytes.len().min(at + usize::from(*most));
                bytes.drain(at..end);
            }
            Change::Repeat(at, most, times) => {
                let at = place(at);
                let end = bytes.len().min(at + usize::from(*most));
                let again = bytes[at..end].repeat(usize::from(*times));
                bytes.splice(at..at, again);
            }
            Change::Splice(at, seed, from) => {
                let other = seed.get(seeds);
                bytes.truncate(place(at));
                bytes.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
        }
    }
    bytes
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let entries = std::fs::read_dir(&folder).expect("a corpus");
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    // By name: folders are read in another order on another machine.
    files.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    files.sort();
    assert!(files.len() > 4, "{name}: a corpus");
    files
        .iter()
        .map(|path| std::fs::read(path).expect("readable"))
        .collect()
}

fn replay(name: &str, target: fn(&[u8]) -> bool, cases: u32) {
    let seeds = seeds(name);
    let right = seeds.iter().filter(|seed| target(seed)).count();
    let taken = Cell::new(0);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let inputs = (any::<Index>(), proptest::collection::vec(change(), 1..6));
    let found = TestRunner::new_with_rng(config, random).run(&inputs, |(seed, changes)| {
        taken.set(taken.get() + u32::from(target(&changed(&seeds, &seed, &changes))));
        Ok(())
    });
    if let Err(proptest::test_runner::TestError::Fail(why, (seed, changes))) = &found {
        let input = changed(&seeds, seed, changes);
        let input = String::from_utf8_lossy(&input);
        assert!(found.is_ok(), "{name}: {why}\nthe smallest input: {input:?}");
    }
    found.expect("run to its end");
    let taken = taken.get();
    println!(
        "{name}: {right} of {} seeds and {taken} of {cases} changed ones are taken",
        seeds.len()
    );
    // Neither all noise nor all in order: else it shows nothing.
    assert!(
        right > 0 && right < seeds.len() && taken > 0 && taken < cases,
        "{name}: {taken} taken"
    );
}

macro_rules! replayed {
    ($($name:ident: $cases:literal),* $(,)?) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name), targets::$name::target, $cases);
        })*
    };
}

replayed!(
    search: 4000,
    cursor: 4000,
    json: 4000,
    xml: 4000,
    write: 2000,
    assertion: 2000,
    conditional: 4000,
    expression: 4000,
);
