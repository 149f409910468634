//! What a search across people looks at: this recipient's rows for this purpose, each once, in the order asked for, page by page.
//! <https://hl7.org/fhir/R4/http.html#paging>

use postern::store::{Candidate, Change, KeyRange, Looking, Order, Released, Store};
use postern_rules::fhir::Instant;
use postern_rules::log::Digest;
use postern_rules::search::Keys;

use super::{Home, NOW, on_both};

on_both!(
    pages_over_every_order_are_the_whole,
    rows_of_others_purposes_and_types_are_not_there,
    what_is_shared_is_found_once,
    a_key_leads_to_what_begins_so_and_nothing_else,
    what_is_gone_is_found_by_nothing,
);

fn row(patient: &str, id: &str, keys: &[&str]) -> Released {
    Released {
        recipient: "clinic".to_owned(),
        purpose: "TREAT".to_owned(),
        patient: patient.to_owned(),
        resource_type: "Goal".to_owned(),
        id: id.to_owned(),
        digest: Some(Digest::of(id.as_bytes())),
        keys: Keys {
            name: keys.len() as i64,
            list: keys.iter().map(|key| ("name", key.as_bytes().to_vec())).collect(),
        },
    }
}

async fn release(store: &Store, seconds: i64, rows: Vec<Released>) {
    let mut change = Change::at(NOW.plus_seconds(seconds));
    change.released = rows;
    store.commit(change).await.expect("recorded");
}

const ALL: Looking<'_> = Looking {
    recipient: "clinic",
    purpose: "TREAT",
    resource_type: "Goal",
    changed: (Instant(i64::MIN), Instant::MAX),
    key: None,
    order: Order::Changed,
    after: None,
    limit: 1000,
};

fn by<'a>(parameter: &'a str, from: &'a [u8], to: &'a [u8]) -> Option<KeyRange<'a>> {
    Some(KeyRange { parameter, from, to })
}

async fn ids(store: &Store, looking: Looking<'_>) -> Vec<String> {
    let found = store.candidates(&looking).await.expect("reads");
    found.into_iter().map(|one| one.id).collect()
}

/// Pages of this size, from the first on.
async fn paged(store: &Store, looking: Looking<'_>, limit: i64) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    loop {
        let last = found.last().cloned();
        let after = last.as_ref().map(|one| (one.changed_at, one.id.as_str()));
        let page = Looking {
            after,
            limit,
            ..looking
        };
        let page = store.candidates(&page).await.expect("reads");
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

async fn pages_over_every_order_are_the_whole(home: Home) {
    let store = home.open().await;
    // ids in which letters, cases and signs would stand elsewhere in another order than that of their bytes
    let ids: Vec<String> = ["a", "B", "b", "-c", "Z1", "z-1", "10", "9", "é", "A.1"]
        .iter()
        .flat_map(|id| (0..5).map(move |n| format!("{id}{n}")))
        .collect();
    for (n, id) in ids.iter().enumerate() {
        release(
            &store,
            n as i64 % 7,
            vec![row(&format!("p{}", n % 3), id, &["k", "key"])],
        )
        .await;
    }
    for order in [Order::Changed, Order::ChangedLast, Order::Id, Order::IdLast] {
        for key in [None, by("name", b"k", b"l")] {
            let looking = Looking { order, key, ..ALL };
            let whole = store.candidates(&looking).await.expect("reads");
            assert_eq!(whole.len(), ids.len(), "each once, by however many keys");
            let mut sorted = whole.clone();
            sorted.sort_by(|a, b| {
                let (ids, dates) = (a.id.cmp(&b.id), a.changed_at.cmp(&b.changed_at));
                match order {
                    Order::Changed => dates.then(ids),
                    Order::ChangedLast => dates.reverse().then(ids),
                    Order::Id => ids,
                    Order::IdLast => ids.reverse(),
                }
            });
            assert_eq!(whole, sorted, "{order:?}: by the bytes of the ids");
            for limit in [1, 3, 7, 50] {
                assert_eq!(paged(&store, looking, limit).await, whole, "{order:?} by {limit}");
            }
        }
    }
    let from = NOW.plus_seconds(2).milliseconds();
    let window = Looking {
        changed: (from, NOW.plus_seconds(4).milliseconds()),
        ..ALL
    };
    let found = store.candidates(&window).await.expect("reads");
    assert!(!found.is_empty() && found.iter().all(|one| one.changed_at >= from));
    assert_eq!(
        found.len(),
        16 - 2,
        "those of two of seven seconds: {}",
        found.len()
    );
}

async fn rows_of_others_purposes_and_types_are_not_there(home: Home) {
    let store = home.open().await;
    let other = |change: &dyn Fn(&mut Released)| {
        let mut other = row("p1", "other", &["rosa"]);
        change(&mut other);
        other
    };
    release(
        &store,
        0,
        vec![
            row("p1", "own", &["rosa"]),
            other(&|row| "hospital".clone_into(&mut row.recipient)),
            other(&|row| "HPAYMT".clone_into(&mut row.purpose)),
            other(&|row| "Task".clone_into(&mut row.resource_type)),
        ],
    )
    .await;
    let key = by("name", b"rosa", b"rosb");
    assert_eq!(ids(&store, ALL).await, ["own"]);
    assert_eq!(ids(&store, Looking { key, ..ALL }).await, ["own"]);
    let key = by("family", b"rosa", b"rosb");
    assert_eq!(
        ids(&store, Looking { key, ..ALL }).await,
        [] as [&str; 0],
        "another parameter"
    );
}

async fn what_is_shared_is_found_once(home: Home) {
    let store = home.open().await;
    let row = |patient: &str| {
        let mut row = row(patient, "shared", &["x"]);
        "Location".clone_into(&mut row.resource_type);
        row
    };
    for (second, patient) in ["p3", "p1", "p2"].into_iter().enumerate() {
        release(&store, second as i64, vec![row(patient)]).await;
    }
    let looking = Looking {
        resource_type: "Location",
        key: by("name", b"x", b"y"),
        ..ALL
    };
    let found = store.candidates(&looking).await.expect("reads");
    let told: Vec<_> = found
        .iter()
        .map(|one| (one.patient.as_str(), one.changed_at))
        .collect();
    assert_eq!(
        told,
        [("p1", NOW.plus_seconds(1).milliseconds())],
        "that of the first person"
    );
    let mut gone = row("p1");
    gone.digest = None;
    release(&store, 9, vec![gone]).await;
    let found = store.candidates(&looking).await.expect("reads");
    assert_eq!(
        (found.len(), found[0].patient.as_str()),
        (1, "p2"),
        "then that of the next"
    );
}

async fn a_key_leads_to_what_begins_so_and_nothing_else(home: Home) {
    let store = home.open().await;
    let names = ["ros", "rosa", "rosalind", "rosé", "rot", "Rosa", "ro\u{10ffff}"];
    let rows = names.iter().map(|name| row("p1", name, &[name])).collect();
    release(&store, 0, rows).await;
    let begins = async |text: &str| {
        let (least, mut below) = (text.as_bytes(), text.as_bytes().to_vec());
        below.push(0xff);
        let key = by("name", least, &below);
        ids(
            &store,
            Looking {
                key,
                order: Order::Id,
                ..ALL
            },
        )
        .await
    };
    assert_eq!(begins("rosa").await, ["rosa", "rosalind"]);
    assert_eq!(
        begins("ro").await,
        ["ros", "rosa", "rosalind", "rosé", "rot", "ro\u{10ffff}"]
    );
    assert_eq!(begins("x").await, [] as [&str; 0]);
}

async fn what_is_gone_is_found_by_nothing(home: Home) {
    let store = home.open().await;
    release(
        &store,
        0,
        vec![row("p1", "g1", &["rosa"]), row("p1", "g2", &["rosa"])],
    )
    .await;
    let mut gone = row("p1", "g1", &["rosa"]);
    gone.digest = None;
    release(&store, 1, vec![gone]).await;
    let key = by("name", b"rosa", b"rosb");
    assert_eq!(ids(&store, ALL).await, ["g2"]);
    assert_eq!(ids(&store, Looking { key, ..ALL }).await, ["g2"]);
}
