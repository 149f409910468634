//! What recording costs before any disk is touched: appending to the tree and writing one disclosure event.
//! <https://www.rfc-editor.org/rfc/rfc6962#section-2.1>

use divan::{Bencher, black_box};
use postern_rules::audit::{
    Basis, Caller, Columns, ConsentUsed, Disclosure, Gateway, Occasion, Party, Person, Released, Withheld,
};
use postern_rules::fhir::Instant;
use postern_rules::log::{Digest, Frontier, Projection, leaf_hash};

fn main() {
    divan::main();
}

/// A log of a hundred thousand entries.
fn frontier() -> Frontier {
    let (mut frontier, mut made) = (Frontier::new(), Vec::new());
    for seq in 0..100_000u64 {
        made.clear();
        frontier.append(Digest::of(&seq.to_be_bytes()), &mut made);
    }
    frontier
}

/// One event of 4 KiB hashed and appended, with the nodes to store.
#[divan::bench]
fn append_one_leaf(bencher: Bencher) {
    let (mut frontier, mut made, body) = (frontier(), Vec::new(), [b'x'; 4096]);
    bencher.bench_local(|| {
        made.clear();
        frontier.append(leaf_hash(black_box(&body)), &mut made)
    });
}

/// A full group commit: 64 leaves, the root, the head's bytes.
#[divan::bench]
fn append_64(bencher: Bencher) {
    let (mut frontier, mut made, body) = (frontier(), Vec::new(), [b'x'; 4096]);
    bencher.bench_local(|| {
        made.clear();
        for _ in 0..64 {
            frontier.append(leaf_hash(black_box(&body)), &mut made);
        }
        (frontier.root(), frontier.to_bytes())
    });
}

const GATEWAY: Gateway<'static> = Gateway {
    reference: "Device/postern",
    name: "Postern at Hearthstone",
    base: "https://postern.example/fhir",
    custodian: Party {
        name: "Hearthstone Community Services",
        system: "",
        identifier: "hearthstone",
    },
};

const CALLER: Caller<'static> = Caller {
    client_id: "riverbend-ehr",
    organisation: Party {
        name: "Riverbend Primary Care",
        system: "",
        identifier: "riverbend",
    },
    address: "203.0.113.7",
    person: Some(Person {
        name: "Dr. Ana Ruiz",
        id: "aruiz",
    }),
};

fn disclosure() -> Disclosure<'static> {
    Disclosure {
        caller: &CALLER,
        purpose: "TREAT",
        patient: "Patient/0d2f6c1b9a3e4f508172635445362718",
        interaction: "read",
        released: &[Released {
            reference: "CarePlan/5f2a7c1b9a3e4f508172635445362718",
            version: "5f2a7c1b9a3e4f508172635445362718",
        }],
        withheld: &[Withheld {
            path: "CarePlan.activity[3]",
            rule: "part2-no-consent",
            label: "ETH",
        }],
        data_set: "primary-care",
        profiles: "1.0.0",
        basis: Basis {
            legal: "part2-consent",
            consents: &[ConsentUsed {
                consent: "Consent/k1",
                provision: "provision.provision[1]",
            }],
            ..Basis::default()
        },
    }
}

/// One resource released, one element withheld; aim: under 15 µs.
#[divan::bench]
fn render_disclosure_event(bencher: Bencher) {
    let (disclosure, recorded) = (disclosure(), Instant(1_795_297_203_123_456));
    let occasion = Occasion {
        gateway: &GATEWAY,
        recorded,
        request: "0d2f6c1b9a3e4f50",
    };
    bencher.bench_local(|| black_box(&disclosure).event(&occasion, [7; 16]));
}

/// What the check of the log does for each entry beside the tree.
#[divan::bench]
fn check_columns_against_body(bencher: Bencher) {
    let occasion = Occasion {
        gateway: &GATEWAY,
        recorded: Instant(1_795_297_203_123_456),
        request: "r1",
    };
    let event = disclosure().event(&occasion, [7; 16]);
    bencher.bench_local(|| Columns::differs(&event.columns, black_box(event.body.as_bytes())));
}
