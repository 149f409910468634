//! What `commit` promises: one receipt for what is durable, nothing of what is refused, versions that move.
//! 45 CFR 164.312(b)

use std::collections::BTreeSet;

use postern::store::{
    AccessToken, Change, Guard, Lane, OpenError, Options, Refused, Released, Store, Versions, Work, WorkItem,
};
use postern_rules::log::{Digest, Durable};
use postern_rules::search::Keys;

use super::{Home, NOW, disclosure, event, on_both, put, together, verified};

on_both!(
    sixty_four_at_once_get_a_receipt_each,
    a_moved_version_refuses_and_leaves_nothing,
    a_guard_is_taken_once,
    the_refused_leave_nothing_and_harm_nobody,
    a_newer_schema_is_refused,
    released_moves_only_with_its_digest,
    two_stores_keep_one_log,
    a_full_queue_is_busy_and_keeps_places_for_the_urgent,
    what_waits_is_recorded_before_closing,
);

async fn sixty_four_at_once_get_a_receipt_each(home: Home) {
    let store = home.open().await;
    let changes = (0..64)
        .map(|n| disclosure("p1", &format!("answer-{n}")))
        .collect();
    let mut positions = BTreeSet::new();
    for (n, verdict) in together(&store, changes).await.into_iter().enumerate() {
        let receipt = verdict.expect("recorded");
        assert!(receipt.covers(&Digest::of(format!("answer-{n}").as_bytes())));
        assert!(!receipt.covers(&Digest::of(format!("answer-{}", n + 1).as_bytes())));
        assert_eq!(receipt.events().count(), 1);
        let seq = receipt.events().start;
        let entry = store.audit_from(seq, 1).await.expect("reads").remove(0);
        assert_eq!(entry.columns, event("p1", &format!("answer-{n}")).columns);
        positions.insert(seq);
    }
    assert_eq!(positions, (0..64).collect());
    assert_eq!(verified(&store).await, 64);
}

async fn a_moved_version_refuses_and_leaves_nothing(home: Home) {
    let store = home.open().await;
    let before = store.record_versions("p1").await.expect("reads");
    assert_eq!(before.record, 0);
    let mut first = disclosure("p1", "first");
    first.expects = vec![("p1".to_owned(), 0)];
    first.expects_world = Some(before.world);
    first.puts = vec![put(Some("p1"), "Consent", "c1", "{\"v\":1}")];
    store.commit(first.clone()).await.expect("the version holds");
    assert_eq!(store.commit(first).await.err(), Some(Refused::Stale));
    let mut touched = disclosure("p1", "touched");
    touched.touches = vec!["p1".to_owned(), "p2".to_owned()];
    store.commit(touched).await.expect("no expectations");
    let after = store.record_versions("p1").await.expect("reads");
    assert_eq!(
        after,
        Versions {
            record: 2,
            world: before.world
        }
    );
    let mut shared = Change::at(NOW);
    shared.puts = vec![
        put(None, "Practitioner", "d1", "{}"),
        put(None, "Practitioner", "d1", "{\"last\":1}"),
    ];
    store.commit(shared).await.expect("recorded");
    let mut late = disclosure("p1", "late");
    late.expects_world = Some(before.world);
    assert_eq!(store.commit(late).await.err(), Some(Refused::Stale));
    // of many that decided on one version only the first may move it
    let racing: Vec<Change> = (0..20)
        .map(|n| {
            let mut change = disclosure("p1", &format!("race-{n}"));
            change.expects = vec![("p1".to_owned(), 2)];
            change.touches = vec!["p1".to_owned()];
            change
        })
        .collect();
    let verdicts = together(&store, racing).await;
    assert_eq!(verdicts.iter().filter(|verdict| verdict.is_ok()).count(), 1);
    assert_eq!(verified(&store).await, 3);
}

fn guarded(what: &str, key: &str, outcome: Option<&str>) -> Change {
    let mut change = disclosure("p1", what);
    let until = NOW.plus_seconds(60);
    let outcome = outcome.map(|text| text.as_bytes().to_vec());
    change.guards = vec![Guard {
        kind: "message",
        key: key.to_owned(),
        until,
        outcome,
    }];
    change
}

async fn a_guard_is_taken_once(home: Home) {
    let store = home.open().await;
    store
        .commit(guarded("a", "MSG1", Some("AA")))
        .await
        .expect("free");
    let again = store.commit(guarded("b", "MSG1", Some("other"))).await;
    assert_eq!(again.err(), Some(Refused::Duplicate(Some(b"AA".to_vec()))));
    let at_once = (0..50).map(|n| guarded(&format!("n{n}"), "MSG2", None)).collect();
    let verdicts = together(&store, at_once).await;
    let duplicates = verdicts
        .iter()
        .filter(|v| v.as_ref().err() == Some(&Refused::Duplicate(None)));
    assert_eq!(duplicates.count(), 49);
    let mut later = guarded("c", "MSG1", None);
    later.now = NOW.plus_seconds(60);
    later.guards[0].until = NOW.plus_seconds(120);
    store.commit(later).await.expect("the first guard has ended");
    let mut tidy = Change::at(NOW.plus_seconds(200));
    tidy.forget_before = Some(NOW.plus_seconds(200));
    store.commit(tidy).await.expect("recorded");
    store.commit(guarded("d", "MSG2", None)).await.expect("forgotten");
    assert_eq!(verified(&store).await, 4);
}

async fn the_refused_leave_nothing_and_harm_nobody(home: Home) {
    let store = home.open().await;
    store.commit(guarded("first", "taken", None)).await.expect("free");
    let changes: Vec<Change> = (0..40)
        .map(|n| {
            let patient = format!("p{n}");
            let mut change = disclosure(&patient, &format!("n{n}"));
            change.puts = vec![put(Some(&patient), "Goal", &format!("g{n}"), "{}")];
            match n % 4 {
                0 => change.guards = guarded("", "taken", None).guards,
                1 => change.work = vec![missing_work()],
                2 => change.tokens = vec![token_of_nobody()],
                _ => {}
            }
            change
        })
        .collect();
    let verdicts = together(&store, changes).await;
    for (n, verdict) in verdicts.into_iter().enumerate() {
        let expected = [
            Some(Refused::Duplicate(None)),
            Some(Refused::Stale),
            Some(Refused::Unavailable),
            None,
        ];
        assert_eq!(verdict.err(), expected[n % 4], "{n}");
        let (versions, resources) = store.load_record(&format!("p{n}")).await.expect("reads");
        let kept = usize::from(n % 4 == 3);
        assert_eq!((versions.record, resources.len()), (kept as i64, kept), "{n}");
    }
    // what one change alone brings along: text no index takes
    let mut changes: Vec<Change> = (0..6).map(|n| disclosure("p1", &format!("k{n}"))).collect();
    let noise: String = (0..900)
        .map(|n| Digest::of(format!("{n}").as_bytes()).hex())
        .collect();
    changes[2].guards = guarded("", &noise, None).guards;
    let verdicts = together(&store, changes).await;
    let long: Vec<usize> = (0..6).filter(|n| verdicts[*n].is_err()).collect();
    assert_eq!(long, if home.is_postgres() { vec![2] } else { vec![] });
    // PostgreSQL cannot store this text: the common statement fails, and only its owner suffers
    let mut changes: Vec<Change> = (0..6).map(|n| disclosure("p1", &format!("m{n}"))).collect();
    if home.is_postgres() {
        changes[3].audit[0].columns.kind = "\0".to_owned();
    }
    let verdicts = together(&store, changes).await;
    let refused: Vec<usize> = (0..6).filter(|n| verdicts[*n].is_err()).collect();
    assert_eq!(refused, if home.is_postgres() { vec![3] } else { vec![] });
    assert_eq!(
        verified(&store).await,
        1 + 10 + 12 - (long.len() + refused.len()) as u64
    );
}

fn missing_work() -> Work {
    let item = WorkItem {
        id: "w1".to_owned(),
        kind: "review".to_owned(),
        patient: None,
        state: "done".to_owned(),
        owner: None,
        due: None,
        opened: NOW,
        closed: None,
        body: "{}".to_owned(),
    };
    Work {
        expected_state: Some("open".to_owned()),
        item,
    }
}

fn token_of_nobody() -> AccessToken {
    AccessToken {
        hash: vec![1; 32],
        client: "nobody".to_owned(),
        partner: "nobody".to_owned(),
        scope: String::new(),
        purpose: String::new(),
        subject: None,
        stated: None,
        certificate: None,
        issued: NOW,
        expires: NOW,
    }
}

async fn a_newer_schema_is_refused(home: Home) {
    let store = home.open().await;
    store.commit(disclosure("p1", "a")).await.expect("recorded");
    store.close().await;
    let older = Store::open_as(&home.url, Options::default(), 0).await;
    assert!(matches!(older.err(), Some(OpenError::Newer { known: 0, .. })));
    let again = home.open().await;
    assert_eq!(verified(&again).await, 1);
    assert!(matches!(
        Store::open("mysql://x/y", Options::default()).await.err(),
        Some(OpenError::Address)
    ));
    let nowhere = Store::open("sqlite:/nowhere/at/all.db", Options::default()).await;
    assert!(matches!(nowhere.err(), Some(OpenError::Unreachable(_))));
}

fn rebuilt(seconds: i64, rows: &[(&str, &str, Option<&str>)]) -> Change {
    let mut change = Change::at(NOW.plus_seconds(seconds));
    let row = |&(purpose, id, text): &(&str, &str, Option<&str>)| Released {
        recipient: "clinic".to_owned(),
        purpose: purpose.to_owned(),
        patient: "p1".to_owned(),
        resource_type: "Goal".to_owned(),
        id: id.to_owned(),
        digest: text.map(|text| Digest::of(text.as_bytes())),
        keys: Keys::default(),
    };
    change.released = rows.iter().map(row).collect();
    change
}

async fn released_moves_only_with_its_digest(home: Home) {
    let store = home.open().await;
    let seqs = async || {
        let rows = store.released_after("clinic", 0, 100).await.expect("reads");
        rows.iter()
            .map(|r| (r.id.clone(), r.seq, r.changed_at, r.gone))
            .collect::<Vec<_>>()
    };
    let at = |seconds| NOW.plus_seconds(seconds);
    let owned = |id: &str| id.to_owned();
    let both = [("TREAT", "g1", Some("one")), ("TREAT", "g2", Some("two"))];
    store.commit(rebuilt(1, &both)).await.expect("recorded");
    assert_eq!(
        seqs().await,
        [(owned("g1"), 1, at(1), false), (owned("g2"), 2, at(1), false)]
    );
    store.commit(rebuilt(2, &both)).await.expect("recorded");
    assert_eq!(
        seqs().await,
        [(owned("g1"), 1, at(1), false), (owned("g2"), 2, at(1), false)]
    );
    store
        .commit(rebuilt(3, &[("TREAT", "g1", Some("new")), both[1]]))
        .await
        .expect("recorded");
    assert_eq!(
        seqs().await,
        [(owned("g2"), 2, at(1), false), (owned("g1"), 3, at(3), false)]
    );
    let gone = [("TREAT", "g2", None), ("TREAT", "never", None)];
    store.commit(rebuilt(4, &gone)).await.expect("recorded");
    store.commit(rebuilt(5, &gone)).await.expect("recorded");
    assert_eq!(
        seqs().await,
        [(owned("g1"), 3, at(3), false), (owned("g2"), 4, at(4), true)]
    );
    store
        .commit(rebuilt(
            6,
            &[("TREAT", "g2", Some("two")), ("HPAYMT", "g2", Some("two"))],
        ))
        .await
        .expect("ok");
    let moved = store.released_after("clinic", 3, 100).await.expect("reads");
    let moved: BTreeSet<_> = moved
        .iter()
        .map(|r| (r.purpose.as_str(), r.seq, r.gone))
        .collect();
    assert_eq!(moved.iter().map(|m| m.1).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(
        store
            .released("clinic", "TREAT", "p1")
            .await
            .expect("reads")
            .len(),
        2
    );
    let mut shared = rebuilt(7, &[("TREAT", "l1", Some("one"))]);
    "Location".clone_into(&mut shared.released[0].resource_type);
    store.commit(shared).await.expect("recorded");
    let shown = async |id| {
        store
            .people_holding(("clinic", "TREAT"), "Location", id)
            .await
            .expect("reads")
    };
    assert_eq!(
        (shown("l1").await, shown("l9").await),
        (vec![owned("p1")], vec![])
    );
    let releases = store.releases_of("p1").await.expect("reads");
    assert_eq!(
        releases.into_keys().collect::<Vec<_>>(),
        [
            (owned("clinic"), owned("HPAYMT")),
            (owned("clinic"), owned("TREAT"))
        ]
    );
}

async fn two_stores_keep_one_log(home: Home) {
    let stores = [home.open().await, home.open().await];
    let changes = |process: usize| -> Vec<Change> {
        (0..60)
            .map(|n| {
                let patient = format!("p{}", n % 7);
                let mut change = disclosure(&patient, &format!("{process}-{n}"));
                change.touches = vec![patient, format!("p{}", (n + process) % 5)];
                change.audit.push(event("p9", &format!("{process}-{n}-also")));
                change
            })
            .collect()
    };
    let (left, right) = tokio::join!(together(&stores[0], changes(0)), together(&stores[1], changes(1)));
    let accepted = left
        .iter()
        .chain(&right)
        .filter(|verdict| verdict.is_ok())
        .count();
    assert_eq!(accepted, 120);
    assert_eq!(verified(&stores[0]).await, 240);
    assert_eq!(
        stores[1]
            .audit_of("Patient/p9", 0, 1000)
            .await
            .expect("reads")
            .len(),
        120
    );
}

async fn a_full_queue_is_busy_and_keeps_places_for_the_urgent(home: Home) {
    let options = Options {
        places: 0,
        reserved: 1,
        ..Options::default()
    };
    let store = Store::open(&home.url, options).await.expect("opens");
    assert_eq!(
        store.commit(disclosure("p1", "a")).await.err(),
        Some(Refused::Busy)
    );
    assert_eq!(
        store.commit_in(Lane::Bulk, disclosure("p1", "b")).await.err(),
        Some(Refused::Busy)
    );
    store
        .commit_in(Lane::Urgent, disclosure("p1", "c"))
        .await
        .expect("has a place of its own");
    store.probe(NOW).await.expect("ready");
    store.probe(NOW).await.expect("ready again");
    let roomy = home.open().await;
    let imports: Vec<_> = (0..30)
        .map(|n| {
            let store = roomy.clone();
            tokio::spawn(async move {
                store
                    .commit_in(Lane::Bulk, disclosure("p1", &format!("i{n}")))
                    .await
            })
        })
        .collect();
    for import in imports {
        import.await.expect("no panic").expect("imports wait for a place");
    }
    assert_eq!(verified(&roomy).await, 31);
}

async fn what_waits_is_recorded_before_closing(home: Home) {
    let store = home.open().await;
    let waiting: Vec<_> = (0..100)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(disclosure("p1", &format!("n{n}"))).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let mut recorded = 0;
    for task in waiting {
        match task.await.expect("no panic") {
            Ok(_) => recorded += 1,
            Err(refused) => assert_eq!(refused, Refused::Unavailable),
        }
    }
    assert_eq!(
        store.commit(disclosure("p1", "late")).await.err(),
        Some(Refused::Unavailable)
    );
    assert_eq!(verified(&home.open().await).await, recorded);
}
