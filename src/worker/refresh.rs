//! `released` kept current, a few people at a time, with a pause after each few: requests come first.
//! <https://hl7.org/fhir/R4/search.html#lastupdated>

use std::time::Duration;

use tokio::sync::watch;

use crate::gateway::{Gateway, Step};

/// Between two steps while people are due.
const PAUSE: Duration = Duration::from_millis(10);
/// Until somebody may be due.
const IDLE: Duration = Duration::from_secs(1);
/// After the store was busy or did not answer.
const BACK_OFF: Duration = Duration::from_secs(5);

/// Until `stop` turns true.
pub async fn run(gateway: &Gateway, mut stop: watch::Receiver<bool>) {
    let mut failing = false;
    loop {
        let step = gateway.refresh().await;
        let pause = match step {
            Ok(Step::Decided(_) | Step::MadeDue(_)) => PAUSE,
            Ok(Step::Nothing) => IDLE,
            Ok(Step::Busy) | Err(_) => BACK_OFF,
        };
        if let (Err(error), false) = (&step, failing) {
            tracing::warn!(%error, "releases are not refreshed; tried again every few seconds");
        }
        failing = step.is_err();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => break,
        }
    }
    if let Err(error) = gateway.end_lease().await {
        tracing::warn!(%error, "another process will refresh releases after two minutes only");
    }
}
