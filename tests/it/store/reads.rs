//! What was recorded is read back: resources and their versions, identifiers, work items, parties, the deployment.
//! <https://hl7.org/fhir/R4/http.html#vread>

use postern::store::{
    AccessToken, BackupError, Change, Client, Deployment, Partner, Refused, Rehomed, Source, Staff,
    Statement, Store, Work, WorkFilter, WorkItem,
};

use postern_rules::log::Digest;

use super::{Home, NOW, disclosure, on_both, put, verified};

on_both!(
    resources_have_versions,
    work_items_move_from_state_to_state,
    parties_are_found,
    upkeep,
    what_a_record_states_is_kept_until_it_states_it_no_more,
    a_resource_goes_to_another_person_only_when_it_says_so,
);

async fn resources_have_versions(home: Home) {
    let store = home.open().await;
    let body = "{\"resourceType\":\"Goal\",\"x\":1.00,\"note\":\"ü\\u0000 \\\"\"}";
    let mut change = Change::at(NOW);
    change.puts = (0..150)
        .map(|n| put(Some("p1"), "Goal", &format!("g{n}"), body))
        .collect();
    change.puts.push(put(Some("p2"), "Goal", "other", body));
    change
        .puts
        .extend((0..70).map(|n| put(None, "Practitioner", &format!("d{n}"), "{}")));
    change.puts[0].identifiers = vec![
        ("urn:mrn".to_owned(), "17".to_owned()),
        ("urn:mrn".to_owned(), "17".to_owned()),
        ("urn:old".to_owned(), "1".to_owned()),
    ];
    store.commit(change).await.expect("recorded");
    let (versions, rows) = store.load_record("p1").await.expect("reads");
    assert_eq!((versions.record, rows.len()), (1, 150));
    assert!(
        rows.iter()
            .all(|row| row.body == body && row.version == 1 && row.updated == NOW)
    );
    let found = store.find_identifier("urn:mrn", "17").await.expect("reads");
    assert_eq!(
        found,
        [("Goal".to_owned(), "g0".to_owned(), Some("p1".to_owned()))]
    );

    let mut change = Change::at(NOW.plus_seconds(1));
    change.puts = vec![
        put(Some("p1"), "Goal", "g0", "{\"v\":2}"),
        put(Some("p1"), "Goal", "g1", "{}"),
    ];
    change.puts[0].identifiers = vec![("urn:mrn".to_owned(), "18".to_owned())];
    change.puts[1].deleted = true;
    store.commit(change).await.expect("recorded");
    let (versions, rows) = store.load_record("p1").await.expect("reads");
    assert_eq!((versions.record, rows.len()), (2, 149));
    let now = store.resource("Goal", "g0").await.expect("reads").expect("there");
    assert_eq!((now.version, now.body.as_str()), (2, "{\"v\":2}"));
    let old = store
        .resource_version("Goal", "g0", 1)
        .await
        .expect("reads")
        .expect("kept");
    assert_eq!((old.version, old.body.as_str(), old.updated), (1, body, NOW));
    assert!(
        store
            .resource("Goal", "g1")
            .await
            .expect("reads")
            .expect("kept")
            .deleted
    );
    assert!(
        store
            .resource_version("Goal", "g0", 3)
            .await
            .expect("reads")
            .is_none()
    );
    assert!(
        store
            .find_identifier("urn:mrn", "17")
            .await
            .expect("reads")
            .is_empty()
    );
    assert_eq!(
        store.find_identifier("urn:mrn", "18").await.expect("reads").len(),
        1
    );

    let wanted: Vec<_> = (0..75)
        .map(|n| ("Practitioner".to_owned(), format!("d{n}")))
        .collect();
    assert_eq!(store.load_shared(&wanted).await.expect("reads").len(), 70);
    assert!(
        store
            .load_shared(&[("Goal".to_owned(), "g0".to_owned())])
            .await
            .expect("reads")
            .is_empty()
    );
    assert!(store.load_shared(&[]).await.expect("reads").is_empty());
    assert!(store.load_record("nobody").await.expect("reads").1.is_empty());
    assert_eq!(store.world_version().await, Ok(versions.world));
    let mut theft = Change::at(NOW);
    theft.puts = vec![put(Some("p2"), "Goal", "g5", "{}")];
    assert_eq!(store.commit(theft).await.err(), Some(Refused::Stale));
}

fn statement(source: &str, id: &str) -> Statement {
    Statement {
        source: source.to_owned(),
        resource_type: "Goal".to_owned(),
        id: id.to_owned(),
        digest: Digest::of(id.as_bytes()),
    }
}

async fn what_a_record_states_is_kept_until_it_states_it_no_more(home: Home) {
    let store = home.open().await;
    let mut change = Change::at(NOW);
    change.states = (0..150).map(|n| statement("plan", &format!("g{n}"))).collect();
    change
        .states
        .extend([statement("referral", "g1"), statement("plan", "g1")]);
    store.commit(change.clone()).await.expect("recorded");
    store.commit(change).await.expect("stated twice is stated");
    let stated = store.stated_in("plan").await.expect("reads");
    assert_eq!(stated.len(), 150);
    assert_eq!(
        stated[&("Goal".to_owned(), "g7".to_owned())],
        Digest::of(b"g7").0,
        "what it stated last"
    );
    let elsewhere = async |source, id| store.stated_elsewhere(source, "Goal", id).await.expect("reads");
    assert!(elsewhere("plan", "g1").await && elsewhere("referral", "g1").await);
    assert!(!elsewhere("plan", "g2").await && elsewhere("referral", "g2").await);
    let mut change = Change::at(NOW);
    change.unstates = (1..150).map(|n| statement("plan", &format!("g{n}"))).collect();
    store.commit(change).await.expect("recorded");
    let left = store.stated_in("plan").await.expect("reads");
    assert_eq!(left.keys().map(|(_, id)| id.as_str()).collect::<Vec<_>>(), ["g0"]);
    assert!(!elsewhere("referral", "g1").await);
}

/// Its earlier form stays with the person it was taken for.
async fn a_resource_goes_to_another_person_only_when_it_says_so(home: Home) {
    let store = home.open().await;
    let mut first = Change::at(NOW);
    first.puts = vec![put(Some("p1"), "CarePlan", "c1", "{}")];
    store.commit(first).await.expect("recorded");
    let rehomed = |from: &str| Rehomed {
        resource_type: "CarePlan".to_owned(),
        id: "c1".to_owned(),
        from: from.to_owned(),
        to: "p2".to_owned(),
    };
    let mut moved = Change::at(NOW);
    moved.puts = vec![put(Some("p2"), "CarePlan", "c1", "{\"of\":2}")];
    moved.touches = vec!["p1".to_owned()];
    assert_eq!(store.commit(moved.clone()).await.err(), Some(Refused::Stale));
    moved.rehomed = vec![rehomed("p3")];
    assert_eq!(store.commit(moved.clone()).await.err(), Some(Refused::Stale));
    moved.rehomed = vec![rehomed("p1")];
    store.commit(moved).await.expect("recorded");
    let now = store
        .resource("CarePlan", "c1")
        .await
        .expect("reads")
        .expect("kept");
    assert_eq!((now.version, now.patient.as_deref()), (2, Some("p2")));
    let old = store
        .resource_version("CarePlan", "c1", 1)
        .await
        .expect("reads")
        .expect("kept");
    assert_eq!(old.patient.as_deref(), Some("p1"));
    assert_eq!(store.record_versions("p1").await.expect("reads").record, 2);
}

fn item(id: &str, state: &str, due: Option<i64>) -> WorkItem {
    WorkItem {
        id: id.to_owned(),
        kind: "review".to_owned(),
        patient: Some("p1".to_owned()),
        state: state.to_owned(),
        owner: (state == "taken").then(|| "kim".to_owned()),
        due: due.map(|seconds| NOW.plus_seconds(seconds)),
        opened: NOW,
        closed: (state == "settled").then_some(NOW),
        body: "{\"note\":\"call back\"}".to_owned(),
    }
}

async fn work_items_move_from_state_to_state(home: Home) {
    let store = home.open().await;
    let act = async |expected: Option<&str>, item: WorkItem| {
        let mut change = Change::at(NOW);
        change.work = vec![Work {
            expected_state: expected.map(str::to_owned),
            item,
        }];
        store.commit(change).await.map(drop)
    };
    act(None, item("w1", "open", None)).await.expect("new");
    act(None, item("w2", "open", Some(60))).await.expect("new");
    act(None, item("w3", "open", Some(30))).await.expect("new");
    assert_eq!(act(None, item("w1", "open", None)).await, Err(Refused::Stale));
    act(Some("open"), item("w2", "taken", Some(60)))
        .await
        .expect("was open");
    assert_eq!(
        act(Some("open"), item("w2", "taken", Some(60))).await,
        Err(Refused::Stale)
    );
    let list = async |filter: WorkFilter| -> Vec<String> {
        let items = store.work_items(&filter, 10).await.expect("reads");
        items.into_iter().map(|item| item.id).collect()
    };
    assert_eq!(list(WorkFilter::default()).await, ["w3", "w2", "w1"]);
    let open = WorkFilter {
        state: Some("open".to_owned()),
        ..WorkFilter::default()
    };
    assert_eq!(list(open.clone()).await, ["w3", "w1"]);
    assert_eq!(
        list(WorkFilter {
            due_before: Some(NOW.plus_seconds(31)),
            ..open
        })
        .await,
        ["w3"]
    );
    assert_eq!(
        list(WorkFilter {
            owner: Some("kim".to_owned()),
            ..WorkFilter::default()
        })
        .await,
        ["w2"]
    );
    let shown = store.work_item("w2").await.expect("reads").expect("there");
    assert!(shown == item("w2", "taken", Some(60)));
    assert!(store.work_item("w9").await.expect("reads").is_none());
}

async fn parties_are_found(home: Home) {
    let store = home.open().await;
    let partner = Partner {
        id: "clinic".to_owned(),
        state: "active".to_owned(),
        body: "{}".to_owned(),
    };
    let client = Client {
        client_id: "clinic-ehr".to_owned(),
        partner: "clinic".to_owned(),
        state: "active".to_owned(),
        body: "{\"jwks\":{\"keys\":[]}}".to_owned(),
    };
    let token = AccessToken {
        hash: vec![9; 32],
        client: "clinic-ehr".to_owned(),
        partner: "clinic".to_owned(),
        scope: "system/*.rs".to_owned(),
        purpose: "TREAT".to_owned(),
        subject: None,
        stated: None,
        certificate: Some(vec![5; 32]),
        issued: NOW,
        expires: NOW.plus_seconds(300),
    };
    let staff = Staff {
        id: "kim".to_owned(),
        name: "Kim".to_owned(),
        role: "coordinator".to_owned(),
        token_hash: vec![3; 32],
        state: "active".to_owned(),
    };
    let source = Source {
        name: "hearthstone".to_owned(),
        token_hash: vec![4; 32],
        state: "active".to_owned(),
    };
    let world = store.record_versions("").await.expect("reads").world;
    let mut change = Change::at(NOW);
    change.partners = vec![(0, partner.clone())];
    change.clients = vec![client.clone()];
    change.tokens = vec![token.clone()];
    change.staff = vec![staff.clone()];
    change.sources = vec![source.clone()];
    store.commit(change).await.expect("recorded");
    assert_eq!(store.record_versions("").await.expect("reads").world, world + 1);
    assert_eq!(store.partner("clinic").await, Ok(Some((1, partner.clone()))));
    assert_eq!(store.partners().await, Ok(vec![(1, partner.clone())]));
    assert_eq!(store.client("clinic-ehr").await, Ok(Some(client.clone())));
    assert_eq!(store.clients_of("clinic").await, Ok(vec![client]));
    let used = store.token(&[9; 32]).await.expect("reads").expect("there");
    assert!(used.token == token && used.client_state == "active" && used.partner_state == "active");
    assert!(store.staff_by_token(&[3; 32]).await.expect("reads") == Some(staff.clone()));
    assert!(store.source_by_token(&[4; 32]).await.expect("reads") == Some(source.clone()));
    assert!(store.source_by_token(&[3; 32]).await.expect("reads").is_none());
    assert!(
        store.staff().await.expect("reads") == [staff] && store.sources().await.expect("reads") == [source]
    );

    let disabled = Partner {
        state: "disabled".to_owned(),
        ..partner
    };
    let mut change = Change::at(NOW);
    change.partners = vec![(1, disabled)];
    store.commit(change.clone()).await.expect("read at version 1");
    assert_eq!(store.commit(change).await.err(), Some(Refused::Stale));
    assert_eq!(
        store
            .token(&[9; 32])
            .await
            .expect("reads")
            .expect("there")
            .partner_state,
        "disabled"
    );
    // What is recorded under a token counts until it is taken back, also within one batch.
    let mut under = Change::at(NOW);
    under.expects_token = Some(vec![9; 32]);
    assert!(store.commit(under.clone()).await.is_ok());
    let mut change = Change::at(NOW);
    change.revoked_tokens = vec![vec![9; 32]];
    let (before, ended, after) = tokio::join!(
        store.commit(under.clone()),
        store.commit(change),
        store.commit(under.clone())
    );
    assert!(before.is_ok() && ended.is_ok());
    assert_eq!(after.err(), Some(Refused::Stale));
    assert_eq!(store.commit(under).await.err(), Some(Refused::Stale));
    assert!(store.token(&[9; 32]).await.expect("reads").is_none());
}

async fn upkeep(home: Home) {
    let store = home.open().await;
    assert_eq!(store.deployment().await, Ok(None));
    let ours = Deployment {
        id: "d".to_owned(),
        key_fingerprint: "ab".to_owned(),
        founded: NOW,
    };
    assert_eq!(store.found(&ours).await, Ok(ours.clone()));
    let other = Deployment {
        key_fingerprint: "cd".to_owned(),
        ..ours.clone()
    };
    assert_eq!(store.found(&other).await, Ok(ours.clone()));
    store.commit(disclosure("p1", "a")).await.expect("recorded");
    verified(&store).await;
    let copy = home.folder.join("backup.db");
    if home.is_postgres() {
        assert!(matches!(
            store.backup_to(&copy).await,
            Err(BackupError::NotSqlite)
        ));
        return;
    }
    store.backup_to(&copy).await.expect("backed up");
    assert!(matches!(store.backup_to(&copy).await, Err(BackupError::Exists)));
    store.commit(disclosure("p1", "b")).await.expect("goes on");
    let restored = Store::open(&format!("sqlite:{}", copy.display()), Default::default())
        .await
        .expect("opens");
    assert_eq!(verified(&restored).await, 1);
    assert_eq!(restored.deployment().await, Ok(Some(ours)));
    for file in ["postern.db", "postern.db-wal", "backup.db"] {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(home.folder.join(file))
                .expect("there")
                .permissions(),
        );
        assert_eq!(mode & 0o077, 0, "{file}");
    }
}
