//! The log is sealed by signed checkpoints, and what has ended is forgotten. <https://c2sp.org/tlog-checkpoint>

use std::time::Duration;

use tokio::sync::watch;

use crate::gateway::Gateway;

/// Until `stop` turns true; then the log is sealed once more.
pub async fn run(gateway: &Gateway, mut stop: watch::Receiver<bool>) {
    // What an earlier process recorded may not be under a checkpoint yet.
    seal(gateway).await;
    let every = Duration::from_secs(gateway.config.log.checkpoint_seconds.max(1));
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stop.changed() => break,
        }
        seal(gateway).await;
        if let Err(error) = gateway.forget_ended().await {
            tracing::warn!(%error, "ended tokens and guards were not forgotten");
        }
    }
    seal(gateway).await;
}

async fn seal(gateway: &Gateway) {
    if let Err(error) = gateway.seal().await {
        tracing::error!(%error, "no checkpoint was signed");
    }
}
