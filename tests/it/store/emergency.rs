//! Grants, notices and the index of people: kept whole or not at all, found again, in step with what is stored.
//! 42 CFR 2.51(c), 45 CFR 164.316(b)(2)

use postern::store::{Change, EndedGrant, GrantRow, Notice, Options, Refused, Store};
use postern_rules::fhir::Instant;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::{Home, NOW, event, on_both, put, verified};

on_both!(
    grants_are_kept_found_until_their_end_and_ended_once,
    what_belongs_to_a_grant_stands_or_falls_with_it,
    people_are_found_by_what_their_patient_says_now,
    who_was_kept_before_the_index_is_indexed_when_it_comes,
);

fn grant(id: &str, opened: Instant) -> GrantRow {
    GrantRow {
        id: id.to_owned(),
        recipient: "county".to_owned(),
        patient: "p1".to_owned(),
        personnel: "Lee Okafor, MD".to_owned(),
        affiliation: "County General".to_owned(),
        role: "physician".to_owned(),
        discloser: "Dana Reyes (policy 1)".to_owned(),
        opened,
        nature: "overdose".to_owned(),
        consent_obtainable: "no".to_owned(),
        narrative: None,
        until: opened.plus_seconds(3600),
        ended: None,
    }
}

fn notice(id: &str) -> Notice {
    Notice {
        id: id.to_owned(),
        kind: "break-glass".to_owned(),
        addressee: "compliance".to_owned(),
        patient: Some("p1".to_owned()),
        state: "queued".to_owned(),
        queued: NOW,
        settled: None,
        body: "{}".to_owned(),
    }
}

fn granting(row: GrantRow) -> Change {
    let mut change = Change::at(row.opened);
    change.touches = vec![row.patient.clone()];
    change.audit = vec![event(&row.patient, &row.id)];
    change.notices = vec![notice(&row.id)];
    change.grants = vec![row];
    change
}

async fn in_force(store: &Store, now: Instant) -> Vec<String> {
    let rows = store.grants_in_force("county", "p1", now).await.expect("reads");
    rows.into_iter().map(|row| row.id).collect()
}

async fn grants_are_kept_found_until_their_end_and_ended_once(home: Home) {
    let store = home.open().await;
    let before = store.record_versions("p1").await.expect("reads").record;
    store.commit(granting(grant("g1", NOW))).await.expect("kept");
    assert_eq!(
        store.record_versions("p1").await.expect("reads").record,
        before + 1,
        "what was decided before the grant does not stand after it"
    );
    let mut later = grant("g2", NOW.plus_seconds(60));
    later.narrative = Some("called twice".to_owned());
    store.commit(granting(later.clone())).await.expect("kept");
    assert_eq!(in_force(&store, NOW.plus_seconds(61)).await, ["g2", "g1"]);
    assert!(store.grant("g2").await.expect("reads") == Some(later));
    assert!(
        store
            .grants_in_force("maple", "p1", NOW)
            .await
            .expect("reads")
            .is_empty()
    );
    assert!(
        store
            .grants_in_force("county", "p2", NOW)
            .await
            .expect("reads")
            .is_empty()
    );
    // Ends at its instant, not a moment later.
    assert_eq!(
        in_force(&store, Instant(NOW.plus_seconds(3600).0 - 1)).await,
        ["g2", "g1"]
    );
    assert_eq!(in_force(&store, NOW.plus_seconds(3600)).await, ["g2"]);
    let mut end = Change::at(NOW.plus_seconds(120));
    end.ended_grants = vec![EndedGrant {
        id: "g2".to_owned(),
        by: "kim".to_owned(),
    }];
    store.commit(end.clone()).await.expect("ended");
    assert_eq!(store.commit(end).await.err(), Some(Refused::Stale));
    assert_eq!(in_force(&store, NOW.plus_seconds(121)).await, ["g1"]);
    let ended = store.grant("g2").await.expect("reads").expect("kept");
    assert!(ended.ended == Some((NOW.plus_seconds(120), "kim".to_owned())));
    // What has ended is forgotten by nothing.
    let mut tidy = Change::at(NOW.plus_seconds(9000));
    tidy.forget_before = Some(NOW.plus_seconds(9000));
    store.commit(tidy).await.expect("tidied");
    assert_eq!(store.grants(NOW, 10).await.expect("reads").len(), 2);
    assert_eq!(verified(&store).await, 2);
}

async fn what_belongs_to_a_grant_stands_or_falls_with_it(home: Home) {
    let store = home.open().await;
    store.commit(granting(grant("g1", NOW))).await.expect("kept");
    let mut stale = granting(grant("g2", NOW));
    stale.expects = vec![("p1".to_owned(), 99)];
    assert_eq!(store.commit(stale).await.err(), Some(Refused::Stale));
    let mut twice = granting(grant("g1", NOW));
    twice.notices = vec![notice("n9")];
    assert_eq!(store.commit(twice).await.err(), Some(Refused::Stale));
    assert_eq!(in_force(&store, NOW).await, ["g1"]);
    let waiting = store.notices("queued", 10).await.expect("reads");
    assert!(waiting == [notice("g1")]);
    assert_eq!(verified(&store).await, 1, "no event without its grant");
}

fn patient(id: &str, family: &str) -> String {
    json!({"resourceType": "Patient", "id": id, "birthDate": "1990-02-03", "name": [{"family": family}]})
        .to_string()
}

async fn found(store: &Store, key: &str) -> Vec<String> {
    store.people_by_key(key).await.expect("reads")
}

async fn people_are_found_by_what_their_patient_says_now(home: Home) {
    let store = home.open().await;
    let mut change = Change::at(NOW);
    change.puts = vec![
        put(Some("p1"), "Patient", "p1", &patient("p1", "Núñez")),
        put(Some("p2"), "Patient", "p2", &patient("p2", "nunez")),
        put(Some("p2"), "RelatedPerson", "r", &patient("r", "Nunez")),
    ];
    change.puts[0].identifiers = vec![("urn:mrn".to_owned(), "7".to_owned())];
    store.commit(change).await.expect("kept");
    assert_eq!(found(&store, "1990-02-03 nunez").await, ["p1", "p2"]);
    let numbered = store.people_by_identifier("urn:mrn", "7").await.expect("reads");
    assert_eq!(numbered, ["p1"]);
    let mut change = Change::at(NOW);
    change.puts = vec![put(Some("p1"), "Patient", "p1", &patient("p1", "Marsh"))];
    let mut gone = put(Some("p2"), "Patient", "p2", &patient("p2", "nunez"));
    gone.deleted = true;
    change.puts.push(gone);
    store.commit(change).await.expect("kept");
    assert!(found(&store, "1990-02-03 nunez").await.is_empty());
    assert_eq!(found(&store, "1990-02-03 marsh").await, ["p1"]);
}

/// One statement on a connection of its own, as an older program would have made it.
async fn run(home: &Home, sql: String) {
    if home.is_postgres() {
        let mut conn = sqlx::PgConnection::connect(&home.url).await.expect("connects");
        conn.execute(AssertSqlSafe(sql)).await.expect("runs");
    } else {
        let mut conn = sqlx::SqliteConnection::connect(&home.url)
            .await
            .expect("connects");
        conn.execute(AssertSqlSafe(sql)).await.expect("runs");
    }
}

async fn who_was_kept_before_the_index_is_indexed_when_it_comes(home: Home) {
    let older = Store::open_as(&home.url, Options::default(), 1)
        .await
        .expect("the first schema");
    older.close().await;
    let body = patient("p1", "Núñez").replace('\'', "''");
    run(
        &home,
        format!(
            "INSERT INTO resource (type, id, version, patient, source, updated, deleted, body) \
             VALUES ('Patient', 'p1', 1, 'p1', 's', 1, 0, '{body}')"
        ),
    )
    .await;
    let store = home.open().await;
    assert_eq!(found(&store, "1990-02-03 nunez").await, ["p1"]);
}
