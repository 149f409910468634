//! Timers beside the doors: the log is sealed by signed checkpoints, what has ended is forgotten, what strangers tried is summed
//! up, and `released` is kept current. <https://c2sp.org/tlog-checkpoint>

mod refresh;
mod seal;

use std::sync::Arc;

use tokio::sync::watch;

use crate::gateway::Gateway;

/// Runs until `stop` turns true; then seals the log once more.
pub async fn run(gateway: Arc<Gateway>, stop: watch::Receiver<bool>) {
    tokio::join!(refresh::run(&gateway, stop.clone()), seal::run(&gateway, stop));
}
