//! The stored log: read by person, proven by its nodes, signed only when it extends what was signed before.
//! <https://www.rfc-editor.org/rfc/rfc6962#section-2.1>

use postern::store::{Change, Unsigned};
use postern_rules::log::{Checkpoint, consistency, inclusion, verify_consistency, verify_inclusion};

use super::{Home, NOW, disclosure, event, on_both, signer, verified};

on_both!(events_are_kept_and_proven, a_changed_log_is_not_signed);

async fn events_are_kept_and_proven(home: Home) {
    let store = home.open().await;
    assert_eq!(
        store.checkpoint(&signer(), "postern.example/test", NOW).await,
        Ok(None)
    );
    let mut change = Change::at(NOW);
    change.audit = (0..130)
        .map(|n| event(&format!("p{}", n % 3), &format!("n{n}")))
        .collect();
    let receipt = store.commit(change).await.expect("recorded");
    assert_eq!(receipt.events(), 0..130);
    assert_eq!(verified(&store).await, 130);
    let before = store.latest_checkpoint().await.expect("reads").expect("signed");
    let before = Checkpoint::parse(&before.note).expect("our own note");
    store.commit(disclosure("p1", "more")).await.expect("recorded");
    assert_eq!(verified(&store).await, 131);
    assert_eq!(store.checkpoints().await.expect("reads").len(), 2);

    let mine = store.audit_of("Patient/p1", 0, 1000).await.expect("reads");
    assert_eq!(mine.len(), 44);
    assert!(
        mine.iter()
            .all(|entry| entry.columns.patient.as_deref() == Some("Patient/p1"))
    );
    let first = event("p1", "n1");
    assert!(mine[0].columns == first.columns && mine[0].body.as_deref() == Some(&first.body));
    let one = store
        .audit_event(&event("p2", "n77").columns.id)
        .await
        .expect("reads")
        .expect("there");
    let head = store.head().await.expect("reads").expect("there");
    let path = store
        .from_nodes(|nodes| inclusion(nodes, one.seq, head.size()))
        .await
        .expect("reads");
    let path = path.expect("all nodes are stored");
    assert!(verify_inclusion(
        &one.leaf,
        one.seq,
        head.size(),
        &path,
        &head.root()
    ));
    let path = store
        .from_nodes(|nodes| consistency(nodes, 130, head.size()))
        .await
        .expect("reads");
    let path = path.expect("all nodes are stored");
    assert!(verify_consistency(
        130,
        &before.root,
        head.size(),
        &head.root(),
        &path
    ));
}

async fn a_changed_log_is_not_signed(home: Home) {
    // SQLite has no operator's tool that is sure to be here
    if !home.is_postgres() {
        return;
    }
    let store = home.open().await;
    for n in 0..5 {
        store
            .commit(disclosure("p1", &format!("n{n}")))
            .await
            .expect("recorded");
    }
    verified(&store).await;
    crate::postgres::sql(
        &home.url,
        "UPDATE audit_node SET hash = decode(repeat('00', 32), 'hex') WHERE seq = 3",
    );
    store.commit(disclosure("p1", "later")).await.expect("recorded");
    let signed = store.checkpoint(&signer(), "postern.example/test", NOW).await;
    assert_eq!(signed, Err(Unsigned::Inconsistent));
}
