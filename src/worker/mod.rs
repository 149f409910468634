//! Timers beside the doors: the log is sealed by signed checkpoints, and what has ended is forgotten.
//! <https://c2sp.org/tlog-checkpoint>

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::gateway::Gateway;

/// Runs until `stop` turns true; then seals the log once more.
pub async fn run(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    // What an earlier process recorded may not be under a checkpoint yet.
    seal(&gateway).await;
    let every = Duration::from_secs(gateway.config.log.checkpoint_seconds.max(1));
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stop.changed() => break,
        }
        seal(&gateway).await;
        if let Err(error) = gateway.forget_ended().await {
            tracing::warn!(%error, "ended tokens and guards were not forgotten");
        }
    }
    seal(&gateway).await;
}

async fn seal(gateway: &Gateway) {
    if let Err(error) = gateway.seal().await {
        tracing::error!(%error, "no checkpoint was signed");
    }
}
