//! Whose releases are due, the sweep over everybody, and the keys of what was released: in step with what they are about,
//! whoever dies or comes second. <https://hl7.org/fhir/R4/search.html#lastupdated>

use std::collections::BTreeSet;

use postern::store::{Change, Lane, Options, Refreshed, Refused, Released, Store, Sweep, Swept};
use postern_rules::fhir::Instant;
use postern_rules::log::Digest;
use postern_rules::search::Keys;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::{Home, NOW, disclosure, on_both, put, together};

on_both!(
    who_changed_is_due_from_the_same_transaction_on,
    who_was_decided_is_due_no_more_unless_the_version_moved,
    two_processes_that_decide_the_same_do_it_once,
    an_answer_states_the_date_that_is_kept,
    a_sweep_has_one_holder_at_a_time,
    keys_are_those_of_the_form_last_released,
    releases_from_before_keep_their_dates_when_keys_come,
);

fn arrives(patient: &str, id: &str, at: Instant) -> Change {
    let mut change = Change::at(at);
    change.puts = vec![put(Some(patient), "Goal", id, "{}")];
    change
}

fn decided(patient: &str, version: i64, again: Option<Instant>) -> Change {
    let mut change = Change::at(NOW);
    change.expects = vec![(patient.to_owned(), version)];
    change.refreshed = vec![Refreshed {
        patient: patient.to_owned(),
        again,
    }];
    change
}

async fn due_at(store: &Store, seconds: i64) -> Vec<String> {
    store
        .people_due(NOW.plus_seconds(seconds), 10)
        .await
        .expect("reads")
}

async fn who_changed_is_due_from_the_same_transaction_on(home: Home) {
    let store = home.open().await;
    store
        .commit(arrives("p2", "g2", NOW.plus_seconds(5)))
        .await
        .expect("recorded");
    let mut both = arrives("p3", "g3", NOW.plus_seconds(1));
    both.touches = vec!["p1".to_owned()];
    store.commit(both).await.expect("recorded");
    // due since the first change, however many follow
    store
        .commit(arrives("p2", "g2", NOW.plus_seconds(9)))
        .await
        .expect("recorded");
    let mut shared = Change::at(NOW);
    shared.puts = vec![put(None, "Practitioner", "d", "{}")];
    store.commit(shared).await.expect("recorded");
    assert_eq!(due_at(&store, 0).await, [] as [&str; 0]);
    assert_eq!(due_at(&store, 4).await, ["p1", "p3"]);
    assert_eq!(due_at(&store, 60).await, ["p1", "p3", "p2"], "longest first");
    assert_eq!(store.due("p2").await, Ok(Some(NOW.plus_seconds(5))));
    // a change that is refused makes nobody due
    let mut refused = arrives("p4", "g4", NOW);
    refused.expects = vec![("p1".to_owned(), 7)];
    assert_eq!(store.commit(refused).await.err(), Some(Refused::Stale));
    assert_eq!(store.due("p4").await, Ok(None));
}

async fn who_was_decided_is_due_no_more_unless_the_version_moved(home: Home) {
    let store = home.open().await;
    store.commit(arrives("p1", "g1", NOW)).await.expect("recorded");
    store.commit(arrives("p1", "g1", NOW)).await.expect("recorded");
    assert_eq!(
        store.commit(decided("p1", 1, None)).await.err(),
        Some(Refused::Stale)
    );
    assert_eq!(due_at(&store, 0).await, ["p1"]);
    let later = NOW.plus_seconds(3600);
    store
        .commit(decided("p1", 2, Some(later)))
        .await
        .expect("recorded");
    assert_eq!(due_at(&store, 3599).await, [] as [&str; 0]);
    assert_eq!(due_at(&store, 3600).await, ["p1"], "a date comes");
    store.commit(decided("p1", 2, None)).await.expect("recorded");
    assert_eq!(store.due("p1").await, Ok(None));
    // the version moves in the same batch: whichever is first, it stays due
    let verdicts = together(
        &store,
        vec![
            arrives("p1", "g1", NOW),
            decided("p1", 2, None),
            arrives("p1", "g1", NOW),
        ],
    )
    .await;
    assert!(verdicts[0].is_ok() && verdicts[2].is_ok());
    assert_eq!(due_at(&store, 0).await, ["p1"]);
}

fn goal(id: &str, text: Option<&str>, keys: &[(&'static str, &str)]) -> Released {
    Released {
        recipient: "clinic".to_owned(),
        purpose: "TREAT".to_owned(),
        patient: "p1".to_owned(),
        resource_type: "Goal".to_owned(),
        id: id.to_owned(),
        digest: text.map(|text| Digest::of(text.as_bytes())),
        keys: Keys {
            name: keys.iter().map(|(_, value)| value.len() as i64).sum(),
            list: keys.iter().map(|(p, v)| (*p, v.as_bytes().to_vec())).collect(),
        },
    }
}

async fn two_processes_that_decide_the_same_do_it_once(home: Home) {
    let stores = [home.open().await, home.open().await];
    stores[0]
        .commit(arrives("p1", "g1", NOW))
        .await
        .expect("recorded");
    let mut change = decided("p1", 1, None);
    change.released = (0..20)
        .map(|n| goal(&format!("g{n}"), Some("x"), &[("name", "rosa")]))
        .collect();
    let mut tasks = tokio::task::JoinSet::new();
    for store in &stores {
        let (store, change) = (store.clone(), change.clone());
        tasks.spawn(async move { store.commit_all(Lane::Bulk, vec![change; 8]).await });
    }
    for verdict in tasks.join_all().await.into_iter().flatten() {
        verdict.expect("recorded, or nothing left to record");
    }
    let rows = stores[1].released_after("clinic", 0, 100).await.expect("reads");
    let seqs: BTreeSet<i64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, (1..=20).collect(), "each row moved once");
    assert_eq!(due_at(&stores[0], 0).await, [] as [&str; 0]);
}

async fn an_answer_states_the_date_that_is_kept(home: Home) {
    let store = home.open().await;
    let mut refreshed = Change::at(NOW);
    refreshed.released = vec![goal("g1", Some("x"), &[])];
    let mut answered = disclosure("p1", "answer");
    answered.now = NOW.plus_seconds(1);
    answered.released.clone_from(&refreshed.released);
    store.commit(refreshed.clone()).await.expect("recorded");
    assert_eq!(
        store.commit(answered.clone()).await.err(),
        Some(Refused::Stale),
        "it would say a second later"
    );
    store.commit(refreshed).await.expect("nobody is told");
    answered.released[0].digest = Some(Digest::of(b"y"));
    store.commit(answered).await.expect("recorded");
    let rows = store.released("clinic", "TREAT", "p1").await.expect("reads");
    assert_eq!(rows[0].changed_at, NOW.plus_seconds(1).milliseconds());
}

async fn a_sweep_has_one_holder_at_a_time(home: Home) {
    let stores = [home.open().await, home.open().await];
    let sweep = stores[0].sweep().await.expect("reads");
    assert_eq!(
        (sweep.version, sweep.reached.as_deref(), sweep.world),
        (0, None, 0)
    );
    let taking = |holder: &str| {
        let mut change = Change::at(NOW);
        change.due = vec!["p1".to_owned(), holder.to_owned()];
        change.sweep = Some(Swept {
            expected: 0,
            next: Sweep {
                holder: holder.to_owned(),
                until: NOW.plus_seconds(60),
                rules: "r".to_owned(),
                world: 1,
                reached: Some("p1".to_owned()),
                ..sweep.clone()
            },
        });
        change
    };
    let verdicts = [
        stores[0].commit(taking("one")).await,
        stores[1].commit(taking("two")).await,
    ];
    assert!(verdicts[0].is_ok());
    assert_eq!(verdicts[1].as_ref().err(), Some(&Refused::Stale));
    let now = stores[1].sweep().await.expect("reads");
    assert_eq!(
        (now.version, now.holder.as_str(), now.until),
        (1, "one", NOW.plus_seconds(60))
    );
    assert_eq!(
        due_at(&stores[1], 0).await,
        ["one", "p1"],
        "what was refused made nobody due"
    );
}

/// (value, seq) of every key.
async fn keys(home: &Home) -> Vec<(String, i64)> {
    let sql = "SELECT value, seq FROM released_key ORDER BY value, seq";
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if home.is_postgres() {
        let mut conn = sqlx::PgConnection::connect(&home.url).await.expect("connects");
        let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(sql).fetch_all(&mut conn).await.expect("reads");
        rows.into_iter().map(|(value, seq)| (text(value), seq)).collect()
    } else {
        let mut conn = sqlx::SqliteConnection::connect(&home.url)
            .await
            .expect("connects");
        let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(sql).fetch_all(&mut conn).await.expect("reads");
        rows.into_iter().map(|(value, seq)| (text(value), seq)).collect()
    }
}

async fn keys_are_those_of_the_form_last_released(home: Home) {
    let store = home.open().await;
    let release = async |rows: Vec<Released>| {
        let mut change = Change::at(NOW);
        change.released = rows;
        store.commit(change).await.expect("recorded");
        keys(&home).await
    };
    let own = |list: &[(&str, i64)]| -> Vec<(String, i64)> {
        list.iter()
            .map(|(value, seq)| ((*value).to_owned(), *seq))
            .collect()
    };
    let first = vec![
        goal("g1", Some("one"), &[("name", "rosa"), ("name", "delgado")]),
        goal("g2", Some("two"), &[("name", "marcus")]),
    ];
    assert_eq!(
        release(first.clone()).await,
        own(&[("delgado", 1), ("marcus", 2), ("rosa", 1)])
    );
    assert_eq!(
        release(first).await,
        own(&[("delgado", 1), ("marcus", 2), ("rosa", 1)])
    );
    // another form has other keys, and a new place
    let other = vec![goal("g1", Some("new"), &[("name", "rosita")])];
    assert_eq!(release(other).await, own(&[("marcus", 2), ("rosita", 3)]));
    // other keys of the same form, as after an upgrade: the place stays
    let rekeyed = vec![goal("g1", Some("new"), &[("name", "rosita"), ("family", "d")])];
    assert_eq!(
        release(rekeyed).await,
        own(&[("d", 3), ("marcus", 2), ("rosita", 3)])
    );
    assert_eq!(
        release(vec![goal("g1", None, &[("name", "rosita")])]).await,
        own(&[("marcus", 2)])
    );
    assert_eq!(release(vec![goal("g2", None, &[])]).await, own(&[]));
}

async fn releases_from_before_keep_their_dates_when_keys_come(home: Home) {
    let before = Store::open_as(&home.url, Options::default(), 4)
        .await
        .expect("opens");
    before.close().await;
    let hex = if home.is_postgres() {
        "decode('07', 'hex')"
    } else {
        "x'07'"
    };
    let rows = format!(
        "INSERT INTO released (recipient, purpose, patient, type, id, digest, changed_at, seq, gone) VALUES \
         ('clinic', 'TREAT', 'p1', 'Goal', 'g1', {hex}, 1795000000123456, 1, 0), \
         ('clinic', 'TREAT', 'p1', 'Goal', 'g2', {hex}, 1795000000000000, 2, 1)"
    );
    if home.is_postgres() {
        let mut conn = sqlx::PgConnection::connect(&home.url).await.expect("connects");
        conn.execute(AssertSqlSafe(rows)).await.expect("written");
    } else {
        let mut conn = sqlx::SqliteConnection::connect(&home.url)
            .await
            .expect("connects");
        conn.execute(AssertSqlSafe(rows)).await.expect("written");
    }
    let store = home.open().await;
    let rows = store.released("clinic", "TREAT", "p1").await.expect("reads");
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.id.as_str(),
                row.changed_at,
                row.seq,
                row.gone,
                row.keyed,
                row.digest.as_slice(),
            )
        })
        .collect();
    let seven = &[7u8][..];
    assert_eq!(
        told,
        [
            ("g1", Instant(1_795_000_000_123_000), 1, false, 0, seven),
            ("g2", Instant(1_795_000_000_000_000), 2, true, 0, seven)
        ]
    );
}
