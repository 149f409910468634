//! The log is sealed by signed checkpoints, what strangers tried is summed up in it, and what has ended is forgotten.
//! <https://c2sp.org/tlog-checkpoint>

use std::time::Duration;

use tokio::sync::watch;

use crate::gateway::Gateway;

/// How often refused attempts of minutes that are over go on the log.
const STRANGERS: Duration = Duration::from_secs(60);

/// Until `stop` turns true; then the log is sealed once more.
pub async fn run(gateway: &Gateway, mut stop: watch::Receiver<bool>) {
    // What an earlier process recorded may not be under a checkpoint yet.
    seal(gateway).await;
    let every = Duration::from_secs(gateway.config.log.checkpoint_seconds.max(1));
    let mut strangers = tokio::time::interval(STRANGERS);
    let mut seals = tokio::time::interval(every);
    seals.tick().await;
    loop {
        tokio::select! {
            _ = seals.tick() => {}
            _ = strangers.tick() => {
                gateway.note_ended_strangers().await;
                continue;
            }
            _ = stop.changed() => break,
        }
        seal(gateway).await;
        if let Err(error) = gateway.forget_ended().await {
            tracing::warn!(%error, "ended tokens and guards were not forgotten");
        }
    }
    gateway.note_ended_strangers().await;
    seal(gateway).await;
}

async fn seal(gateway: &Gateway) {
    if let Err(error) = gateway.seal().await {
        tracing::error!(%error, "no checkpoint was signed");
    }
}
